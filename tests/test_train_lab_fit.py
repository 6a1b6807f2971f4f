"""The lab: recipes with the published sizes, protocols that do what they say, runs that resume, files that agree."""

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from affekt.cli import main
from affekt.corpora import read_corpus
from affekt.corpora.synthetic import write_synthetic
from affekt.data.audit import audit, stamps
from affekt.data.labelling import relabel
from affekt.errors import InputError, UnknownName
from affekt.models.onnx import open_model, read_card
from affekt.recognize.recognizer import Recognizer
from affekt.speech.inputs import Inputs, input_of
from affekt.train.lab.architectures import ARCHITECTURES, Recurrent, parameter_count
from affekt.train.lab.classifiers import CLASSIFIERS
from affekt.train.lab.experiment import Experiment, Fit, Protocol, ladder
from affekt.train.lab.export import export_fitted
from affekt.train.lab.fit import Arrays, Task, Training, fit, scaling
from affekt.train.lab.folds import COPY, array_learner, make_folds, run_protocol
from affekt.train.lab.material import load_material, read_samples
from affekt.train.lab.model import card_of
from affekt.train.lab.reproduce import Progress, Selection, reproduce, reproduction_table, rows
from affekt.train.recipe import load_recipe, recipe_names
from affekt.types import Estimate, Report, Sample

QUIET = Progress(lambda total: lambda: None, lambda line: None)
LAB = [name for name in recipe_names() if isinstance(load_recipe(name), Experiment)]

# --- published sizes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "classes", "count"),
    [
        ("tess-conv1d", (2400,), 14, 481_518),
        ("cnn-lstm", (20,), 14, 14_147_246),
        ("gru", (20,), 14, 54_564),
        ("dnn180", (180,), 4, 180 * 256 + 256 + 256 * 128 + 128 + 128 * 64 + 64 + 64 * 4 + 4),
    ],
)
def test_networks_have_the_published_number_of_parameters(name, shape, classes, count):
    assert parameter_count(ARCHITECTURES[name](shape, classes)) == count


@pytest.mark.parametrize("name", LAB)
def test_recipes_state_the_counts_that_their_networks_have(name, tmp_path):
    experiment = load_recipe(name)
    probe = input_of(np.random.default_rng(0).standard_normal(66_150).astype(np.float32), experiment.inputs)
    classes = {"tess-conv1d": 14, "ravdess-eight": 14, "ravdess-dnn180": 4}.get(name, 6)
    for model, count in experiment.parameters.items():
        assert parameter_count(ARCHITECTURES[model](probe.shape, classes)) == count


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_network_takes_a_batch_and_gives_a_logit_per_class(name):
    shapes = {"tess-conv1d": (2400,), "cnn-lstm": (20,), "fer2013-cnn": (48, 48)}
    shape = (128, 128) if name.startswith("mel") else shapes.get(name, (180,))
    network = ARCHITECTURES[name](shape, 5).eval()
    assert network(torch.zeros(3, *shape)).shape == (3, 5)


def test_dense_layers_and_dropouts_of_dnn180_are_as_published():
    layers = list(ARCHITECTURES["dnn180"]((180,), 4))
    assert [m.out_features for m in layers if isinstance(m, torch.nn.Linear)] == [256, 128, 64, 4]
    assert [m.p for m in layers if isinstance(m, torch.nn.Dropout)] == [0.3, 0.3, 0.2]


def test_an_lstm_has_one_bias_per_gate_that_training_can_move():
    layer = Recurrent("lstm", 3, 5, last=True)
    assert parameter_count(layer) == 4 * (3 * 5 + 5 * 5 + 5)
    layer(torch.randn(2, 4, 3)).sum().backward()
    assert layer.layer.bias_hh_l0.grad is None
    assert layer.layer.bias_hh_l0.abs().max() == 0


def test_both_directions_end_with_the_states_that_saw_everything():
    layer = Recurrent("lstm", 2, 3, last=True, both=True)
    x = torch.randn(1, 6, 2)
    changed_first, changed_last = x.clone(), x.clone()
    changed_first[:, 0] += 1
    changed_last[:, -1] += 1
    for other in (changed_first, changed_last):
        difference = (layer(x) - layer(other)).abs()[0]
        assert difference[:3].max() > 0
        assert difference[3:].max() > 0


# --- recipes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAB)
def test_the_honest_protocol_is_honest(name):
    honest = load_recipe(name).honest
    assert honest.split == ("series" if load_recipe(name).modality == "face" else "speaker")  # nobody is known
    assert honest.labels == "emotion"
    assert honest.scaler in ("train", "none")
    assert honest.choose in ("dev", "last")
    assert honest.copies in ("train", "none")


@pytest.mark.parametrize("name", LAB)
def test_a_ladder_leads_from_the_published_protocol_to_the_honest_one_in_single_steps(name):
    experiment = load_recipe(name)
    rungs = list(ladder(experiment).values())
    assert (rungs[0], rungs[-1]) == (experiment.as_published, experiment.honest)
    assert len(rungs) >= 2
    for one, other in pairwise(rungs[:-1]):
        assert sum(getattr(one, f.name) != getattr(other, f.name) for f in dataclasses.fields(Protocol)) == 1


def test_a_wrong_key_or_value_in_a_recipe_says_what_is_meant(tmp_path):
    file = tmp_path / "mine.toml"

    def load(text):
        file.write_text('kind = "lab"\n' + text)
        return load_recipe(file)

    with pytest.raises(UnknownName, match="did you mean 'epochs'"):
        load("[fit]\nepoch = 3")
    with pytest.raises(InputError, match="epochs is 'many'; give something like 50"):
        load('[fit]\nepochs = "many"')
    with pytest.raises(UnknownName, match="did you mean 'speaker'"):
        load('[honest]\nsplit = "speakers"')
    with pytest.raises(UnknownName, match="did you mean 'usual-180'"):
        load('[inputs]\nkind = "usual180"')
    with pytest.raises(InputError, match="say how many frames"):
        load('[inputs]\nkind = "log-mel-128"')
    with pytest.raises(InputError, match="learning_rate nan"):
        load("[fit]\nlearning_rate = nan")
    with pytest.raises(InputError, match="epochs 0"):
        load("[fit]\nepochs = 0")
    file.write_text('title = "x"')
    with pytest.raises(InputError, match="kind is missing; allowed: detector, .* voice, whisper, yolo"):
        load_recipe(file)
    with pytest.raises(UnknownName, match="kind of recipe"):
        file.write_text('kind = "labs"')
        load_recipe(file)


# --- folds, copies, evidence -------------------------------------------------------------------------------------

TRICKS = {
    "split": ("clip", "speaker-dependent"),
    "copies": ("before split", "augmented copies"),
    "scaler": ("all", "scaler"),
    "choose": ("test", "chosen on test"),
}


def people(speakers=8, clips=6):
    return tuple(
        Sample(
            f"x/{s}-{label}-{i}",
            f"{s}-{label}-{i}.wav",
            label,
            f"s{s}",
            corpus="x",
            sentence=f"t{i}",
            sex=("female", "male")[s % 2],
        )
        for s in range(speakers)
        for label in ("angry", "happy", "sad")
        for i in range(clips)
    )


HONEST = Protocol(folds=4)
MADE_UP = Experiment(name="made-up", copies=({"gain": {}},), models=("naive-bayes",), honest=HONEST)


def test_honest_folds_test_everybody_once_and_the_audit_finds_nothing():
    samples = people()
    made = make_folds(MADE_UP, HONEST, samples)
    tested = [tuple(row) for fold in made for row in fold.rows["test"]]
    assert sorted(tested) == [(0, i) for i in range(len(samples))]
    for fold in made:
        assert stamps(audit(fold.split, fold.evidence)) == ()
        originals = {i for copy, i in fold.rows["train"] if copy == 0}
        assert {i for copy, i in fold.rows["train"] if copy == 1} == originals
        assert not originals & {i for _, i in fold.rows["test"]}
        assert set(fold.evidence.fitted_on["scaler"]) == {
            samples[i].id + (f"{COPY}{copy}" if copy else "") for copy, i in fold.rows["train"]
        }


@pytest.mark.parametrize("field", TRICKS)
def test_each_published_trick_is_stamped(field):
    value, stamp = TRICKS[field]
    protocol = dataclasses.replace(HONEST, **{field: value})
    if field == "copies":
        protocol = dataclasses.replace(protocol, split="clip")
    fold = make_folds(MADE_UP, protocol, people())[0]
    assert any(stamp in found for found in stamps(audit(fold.split, fold.evidence))), stamps(
        audit(fold.split, fold.evidence)
    )


def test_copies_made_before_the_split_are_tested_too():
    protocol = dataclasses.replace(HONEST, copies="before split", split="clip", choose="last")
    (fold,) = make_folds(MADE_UP, protocol, people())
    copies = [int(copy) for copy, _ in fold.rows["test"]]
    assert 0 < sum(copies) < len(copies)
    pairs = {int(i) for copy, i in fold.rows["test"] if copy} & {int(i) for copy, i in fold.rows["train"] if not copy}
    assert pairs


def test_sex_and_emotion_together_are_not_an_emotion():
    samples = relabel(people(), "sex-emotion")
    found = audit(make_folds(MADE_UP, HONEST, samples)[0].split)
    assert any("sex" in finding.name or "sex" in finding.what for finding in found)


# --- fitting -----------------------------------------------------------------------------------------------------


def task(classes=3, count=120, width=20, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    inputs = rng.standard_normal((count, width)).astype(np.float32)
    inputs[np.arange(count), labels] += 4
    return Task(Arrays(inputs, labels), Arrays(inputs[:30], labels[:30]), classes, seed)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_learns_and_its_file_agrees(name, tmp_path):
    given = task()
    fitted = fit(name, given, Fit(), folder=tmp_path, tick=lambda line: None)
    scores = fitted.scores(given.train.inputs)
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)
    assert (scores.argmax(1) == given.train.classes).mean() > 0.9
    mean, deviation = np.full(20, 0.5, np.float32), np.full(20, 2, np.float32)
    probe = (given.train.inputs * deviation + mean).astype(np.float32)
    card = features_card(3)
    assert export_fitted(fitted, (mean, deviation), card, tmp_path / "m.onnx", probe=probe) < 1e-4
    (logits,) = open_model(tmp_path / "m.onnx").run(probe)
    assert (logits.argmax(1) == scores.argmax(1)).mean() > 0.99


def features_card(classes):
    fold = make_folds(MADE_UP, HONEST, people())[0]
    labels = tuple("abcdefgh"[:classes])
    report = Report({"UAR": Estimate(0.5, 0.4, 0.6, 10)}, labels, ((1,),), protocol="p", stamps=("speaker-dependent",))
    split = dataclasses.replace(
        fold.split, train=tuple(dataclasses.replace(s, corpus="ravdess") for s in fold.split.train)
    )
    return card_of(MADE_UP, HONEST, dataclasses.replace(fold, split=split), report=report, labels=labels)


def test_a_card_says_the_stamp_before_anything_else():
    assert "speaker-dependent" in features_card(3).limits[0]


def test_a_class_missing_in_training_gets_no_probability(tmp_path):
    given = task(classes=4)
    kept = given.train.classes != 2
    lacking = dataclasses.replace(given, train=Arrays(given.train.inputs[kept], given.train.classes[kept]))
    for name in ("naive-bayes", "svm", "xgboost"):
        scores = fit(name, lacking, Fit(), folder=tmp_path, tick=lambda line: None).scores(given.train.inputs)
        assert scores.shape == (120, 4)
        assert scores[:, 2].max() == 0


def test_an_unknown_model_suggests_the_near_one(tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'dnn180'"):
        fit("dnn18", task(), Fit(), folder=tmp_path, tick=lambda line: None)


def test_the_epoch_kept_is_the_best_watched_one_and_shuffled_labels_learn_nothing(tmp_path):
    given = task()
    shuffled = np.random.default_rng(1).permutation(given.train.classes)
    watch = Arrays(task(seed=5).train.inputs, task(seed=5).train.classes)
    lost = dataclasses.replace(given, train=Arrays(given.train.inputs, shuffled), watch=watch)
    fitted = fit("dnn180", lost, Fit(epochs=6), folder=tmp_path / "a", tick=lambda line: None)
    best = max(entry["watched accuracy"] for entry in fitted.history)
    got = (fitted.scores(watch.inputs).argmax(1) == watch.classes).mean()
    assert got == pytest.approx(best)
    assert got < 0.75
    right = fit("dnn180", dataclasses.replace(given, watch=watch), Fit(epochs=6), folder=tmp_path / "b", tick=print)
    assert (right.scores(watch.inputs).argmax(1) == watch.classes).mean() > 0.9


def test_an_interrupted_fit_goes_on_as_if_nothing_had_happened(tmp_path, monkeypatch):
    given, lines = task(), []
    whole = fit("dnn180", given, Fit(epochs=4), folder=tmp_path / "whole", tick=lines.append)

    monkeypatch.setattr("affekt.train.lab.fit.SECONDS_BETWEEN_CHECKPOINTS", 0.0)

    def stop(line):
        if line.startswith("epoch 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit("dnn180", given, Fit(epochs=4), folder=tmp_path / "cut", tick=stop)
    rest = fit("dnn180", given, Fit(epochs=4), folder=tmp_path / "cut", tick=lines.append)
    assert rest.history == whole.history
    np.testing.assert_array_equal(rest.scores(given.train.inputs), whole.scores(given.train.inputs))


def test_clips_one_by_one_are_learned_from_as_in_a_batch():
    given = task()
    alone = Arrays(given.train.inputs, given.train.classes)
    object.__setattr__(alone, "one_by_one", True)
    histories = []
    for train in (given.train, alone):
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(given.train.inputs[0].size, 3))
        training = Training(network, dataclasses.replace(given, train=train), Fit(batch=16))
        for _ in range(3):
            training.epoch()
        histories.append([entry["loss"] for entry in training.history])
    assert histories[0] == pytest.approx(histories[1], rel=1e-4)
    assert histories[0][-1] < histories[0][0]


def test_gradients_are_cut_to_the_longest_that_is_allowed():
    given = task()
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(given.train.inputs[0].size, 3))
    for longest, low, high in ((None, 0.1, 1e9), (0.01, 0.0099, 0.0101)):
        training = Training(network, dataclasses.replace(given, longest_gradient=longest), Fit(batch=120))
        training.epoch()
        norm = torch.cat([p.grad.flatten() for p in network.parameters()]).norm().item()
        assert low < norm < high


def test_a_finished_fit_is_opened_and_not_made_again(tmp_path):
    given = task()
    first = fit("dnn180", given, Fit(epochs=2), folder=tmp_path, tick=lambda line: None)
    lines = []
    second = fit("dnn180", given, Fit(epochs=2), folder=tmp_path, tick=lines.append)
    assert not lines and second.history == first.history
    assert not (tmp_path / "checkpoint.pt").exists()
    np.testing.assert_array_equal(second.scores(given.train.inputs), first.scores(given.train.inputs))


def test_patience_ends_a_run_that_does_not_gain(tmp_path):
    given = task()
    fitted = fit("dnn180", given, Fit(epochs=200, patience=3), folder=tmp_path, tick=lambda line: None)
    assert len(fitted.history) < 60


def test_scaling_leaves_a_constant_column_alone():
    mean, deviation = scaling(np.array([[1.0, 2.0], [3.0, 2.0]], np.float32))
    assert (mean.tolist(), deviation.tolist()) == ([2.0, 2.0], [1.0, 1.0])


# --- whole runs on tones -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layouts")
    for name, speakers in (("tess", 2), ("crema_d", 6)):
        write_synthetic(folder / name, layout=name, speakers=speakers, clips_per_label=3, seed=1)
    return folder


def small(name, **changes):
    experiment = load_recipe(name)
    return dataclasses.replace(experiment, fit=Fit(epochs=2, batch=16), **changes)


def run(experiment, layouts, output, corpus, **asked):
    return reproduce(experiment, {corpus: layouts / corpus}, output, selection=Selection(**asked), progress=QUIET)


def test_crema_d_with_field_two_as_label_is_stamped_and_the_honest_protocol_is_not(layouts, tmp_path):
    experiment = small("crema-d-mel", models=("random-forest",))
    done = run(experiment, layouts, tmp_path / "run", "crema_d")
    table = {(row.protocol, row.model): row for row in rows(done)}
    published, honest = table["as published", "random-forest"], table["honest", "random-forest"]
    assert any("sentence" in stamp for stamp in published.stamps)
    assert "speaker-dependent" in published.stamps
    assert honest.stamps == ()
    assert honest.recall.n == len(read_corpus("crema_d", layouts / "crema_d").samples)
    assert honest.recall.value > 2 / honest.classes  # the tones say which emotion it is
    assert json.loads(json.dumps(reproduction_table(done)))["protocols"]["honest"]["random-forest"]["report"]["metrics"]


def test_a_second_call_computes_nothing_again(layouts, tmp_path):
    experiment = small("tess-conv1d")
    first = run(experiment, layouts, tmp_path / "run", "tess")
    lines = []
    again = reproduce(
        experiment,
        {"tess": layouts / "tess"},
        tmp_path / "run",
        selection=Selection(),
        progress=Progress(lambda total: lambda: lines.append("clip"), lines.append),
    )
    assert rows(again) == rows(first)
    assert lines == []


def test_a_folder_of_another_recipe_is_refused(layouts, tmp_path):
    run(small("tess-conv1d"), layouts, tmp_path / "run", "tess", protocols=("honest",))
    with pytest.raises(InputError, match="another recipe"):
        run(small("tess-conv1d", seed=9), layouts, tmp_path / "run", "tess", protocols=("honest",))


def test_every_model_of_crema_d_mel_runs(layouts, tmp_path):
    experiment = small("crema-d-mel")
    samples, _ = read_samples(experiment, {"crema_d": layouts / "crema_d"})
    material = load_material(experiment, samples[::3], tmp_path / "cache", tick=lambda: None)
    protocol = dataclasses.replace(experiment.as_published, labels="emotion", choose="last")
    short = dataclasses.replace(experiment, fit=Fit(epochs=1, batch=32))
    for model in experiment.models:
        place = tmp_path / model
        learner = array_learner(short, material, model=model, tick=lambda line: None)
        outcome = run_protocol(short, protocol, material.samples, learner=learner, folder=place)
        assert 0 <= outcome.report.metrics["UAR"].value <= 1


def test_clips_without_a_label_are_no_class_of_their_own(tmp_path):
    for name in ("000001-01-1", "000001-03-1", "000001-24-1"):
        (tmp_path / f"{name}.mp3").touch()
    experiment = dataclasses.replace(small("crema-d-mel"), corpora=("emogator",), keep=(), merge={})
    samples, _ = read_samples(experiment, {"emogator": tmp_path})
    assert [sample.label for sample in samples] == ["angry", "sad"]


def test_broken_clips_are_counted_and_the_rest_goes_on(layouts, tmp_path):
    folder = tmp_path / "tess"
    write_synthetic(folder, layout="tess", speakers=2, clips_per_label=3, seed=1)
    broken = sorted(folder.rglob("*.wav"))[0]
    broken.write_bytes(b"RIFF no sound")
    experiment = small("tess-conv1d")
    done = reproduce(experiment, {"tess": folder}, tmp_path / "run", selection=Selection(("honest",)), progress=QUIET)
    assert any(str(broken) in warning for warning in done.warnings)
    (row,) = rows(done)
    assert row.recall.n == len(list(folder.rglob("*.wav"))) - 1


def test_copies_do_not_depend_on_which_clips_there_are(layouts, tmp_path):
    experiment = small("ravdess-eight", corpora=("tess",), inputs=Inputs("mfcc-20-mean"))
    samples = read_corpus("tess", layouts / "tess").samples
    every = load_material(experiment, samples[:6], tmp_path / "a", tick=lambda: None)
    some = load_material(experiment, samples[3:6], tmp_path / "b", tick=lambda: None)
    np.testing.assert_array_equal(every.inputs[:, 3:], some.inputs)
    assert np.abs(every.inputs[0] - every.inputs[1]).max() > 0


def test_fewer_speakers_than_folds_are_fewer_folds_and_one_is_refused_at_once(layouts, tmp_path):
    experiment = small("tess-conv1d")
    many = dataclasses.replace(experiment, honest=dataclasses.replace(experiment.honest, folds=9))
    done = run(many, layouts, tmp_path / "many", "tess", protocols=("honest",))
    assert any("2 folds instead of 9" in warning for warning in done.warnings)
    choosing = dataclasses.replace(experiment, honest=dataclasses.replace(experiment.honest, choose="dev"))
    done = run(choosing, layouts, tmp_path / "choosing", "tess", protocols=("honest",))
    assert any("leave no speaker for dev" in warning for warning in done.warnings)
    assert "last epoch" in done.outcomes["honest"]["tess-conv1d"].report.protocol
    write_synthetic(tmp_path / "one" / "tess", layout="tess", speakers=1, clips_per_label=3)
    with pytest.raises(InputError, match="recordings of more speakers"):
        run(experiment, tmp_path / "one", tmp_path / "none", "tess")
    assert not (tmp_path / "none").exists()


# --- the commands ------------------------------------------------------------------------------------------------


@pytest.fixture
def affekt():
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


RECIPE = """
kind = "lab"
name = "mine"
title = "A recipe of my own"
corpora = ["tess"]
models = ["random-forest", "dnn180"]
copies = [{ gain = { decibels = [-6, 6] }, noise = { snr = [20, 30] } }]
[published]
low = 0.9
high = 0.95
[inputs]
kind = "mfcc-20-mean"
[fit]
epochs = 3
[as_published]
labels = "speaker-emotion"
split = "clip"
copies = "before split"
scaler = "all"
choose = "test"
[honest]
folds = 2
choose = "last"
"""


@pytest.fixture
def recipe(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(RECIPE)
    return file


def test_reproduce_prints_both_protocols_and_writes_the_page(affekt, recipe, layouts, tmp_path):
    done = affekt("reproduce", recipe, "--corpus", f"tess={layouts / 'tess'}", "-o", tmp_path / "run", "--steps")
    assert done.exit_code == 0, done.output
    assert "as published" in done.stdout
    assert "no speaker on both sides" in done.stdout
    assert "speaker-dependent" in done.stdout
    assert "WA 90-95 %" in done.stdout
    page = (tmp_path / "run" / "index.html").read_text()
    assert page.count("<img ") >= 5
    assert "http://" not in page.replace("http://www.w3.org", "")
    table = json.loads((tmp_path / "run" / "report.json").read_text())
    assert next(iter(table["protocols"])) == "as published"
    assert "speaker-dependent" in (tmp_path / "run" / "report.md").read_text()


def test_train_writes_a_file_that_predicts(affekt, recipe, layouts, clips, tmp_path):
    done = affekt("train", recipe, "--corpus", f"tess={layouts / 'tess'}", "-o", tmp_path / "run", "--model", "dnn180")
    assert done.exit_code == 0, done.output
    file = tmp_path / "run" / "mine.onnx"
    card = read_card(file)
    assert "features" in card.input
    assert "tess, honest" in card.scores
    assert card.input["features"]["kind"] == "mfcc-20-mean"
    result = Recognizer(file).analyse(clips[0])
    assert result.predictions
    assert set(result.summary.scores) == set(card.labels)
    shown = affekt("info", file)
    assert "tess, honest" in shown.stdout


def test_what_is_wrong_with_a_command_is_said(affekt, recipe, layouts, tmp_path):
    where = ("-o", tmp_path / "x")
    assert "needs tess" in affekt("reproduce", recipe, *where).stderr
    assert "did you mean 'tess'" in affekt("reproduce", recipe, "--corpus", "tes=/x", *where).stderr
    assert "did you mean 'tess-conv1d'" in affekt("reproduce", "tess-conv", *where).stderr
    assert (
        "did you mean 'dnn180'"
        in affekt("reproduce", recipe, "--corpus", f"tess={layouts / 'tess'}", "--model", "dnn18", *where).stderr
    )
    wrong = affekt("reproduce", recipe, "--corpus", f"tess={layouts / 'crema_d'}", *where)
    assert (wrong.exit_code, "does not hold TESS" in wrong.stderr) == (2, True)
    assert not (tmp_path / "x").exists()
