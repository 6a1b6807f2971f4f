"""Models that learn numbers: honest folds, and a file that says the same numbers."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

import affekt
from affekt.cli import main
from affekt.data.numbers import numbered
from affekt.errors import InputError, UnknownName
from affekt.labels import corners, dimensions, learned_dimensions
from affekt.models.onnx import open_model, read_card, softmax
from affekt.models.zoo import load_model
from affekt.speech.waveform import VoiceModel
from affekt.train.lab.dimensions import (
    MEAN,
    Table,
    chosen_models,
    claim_run,
    fit_fold,
    load_table,
    read_numbered,
    thirds,
    train_dimensions,
)
from affekt.train.lab.dimensions_export import write_dimensions
from affekt.train.lab.dimensions_recipe import DimensionRecipe
from affekt.train.lab.regressors import answers, chosen_strength
from affekt.train.recipe import load_recipe, recipe_facts
from affekt.types import Sample

QUICK = DimensionRecipe(models=("usual-180-ridge",), folds=3, inner=2)


def quiet(total):
    return lambda: None


def made_table(rng, *, width=12, speakers=6, clips=15, shuffled=False):
    """Features of which two columns are the numbers, with noise."""
    count = speakers * clips
    numbers = rng.uniform(-1, 1, (count, 2))
    features = rng.standard_normal((count, width)).astype(np.float32)
    features[:, :2] = 5 * numbers + 0.5 * rng.standard_normal((count, 2))
    features[:, 2:4] = features[:, :2] + rng.standard_normal((count, 2))
    if shuffled:
        numbers = rng.permutation(numbers)
    numbers[::7, 1] = np.nan
    samples = tuple(Sample(f"made/{i}", f"{i}.wav", speaker=f"s{i // clips}", corpus="folder") for i in range(count))
    return Table(samples, ("valence", "arousal"), numbers, {"usual-180": features})


@pytest.mark.parametrize("model", ["usual-180-ridge", "usual-180-svr", "usual-180-network"])
def test_numbers_that_the_features_hold_are_found_and_the_file_says_the_same(tmp_path, model):
    table = made_table(np.random.default_rng(0))
    run = train_dimensions(replace(QUICK, models=(model,)), table, tmp_path, line=print)
    found = run.reports[model].metrics
    assert found["CCC, valence"].value > 0.6 and found["CCC, arousal"].low > 0.4
    assert found["CCC, valence"].n == 90 and found["CCC, arousal"].n == 77
    assert found["RMSE, valence"].value < run.reports[MEAN].metrics["RMSE, valence"].low
    assert write_dimensions(run, model, tmp_path / "mine.onnx") < 1e-4
    card = read_card(tmp_path / "mine.onnx")
    assert card.labels == corners(("valence", "arousal")) and learned_dimensions(card.labels) == ("valence", "arousal")
    (value, *_, n) = card.scores["folder, honest"]["CCC, valence"]
    assert value == pytest.approx(found["CCC, valence"].value) and n == 90
    rows = table.features["usual-180"][:5]
    scores = softmax(open_model(tmp_path / "mine.onnx").run(rows)[0])
    fits = fit_fold(run.recipe, table, run.splits[0], model=model)
    for row, wanted in zip(scores, np.column_stack([answers(fit, rows) for _, fit in fits.values()]), strict=True):
        said = dimensions(dict(zip(card.labels, row.tolist(), strict=True)))
        assert [said["valence"], said["arousal"]] == pytest.approx(wanted.tolist(), abs=1e-4)


def test_shuffled_numbers_are_not_found(tmp_path):
    run = train_dimensions(QUICK, made_table(np.random.default_rng(1), shuffled=True), tmp_path, line=print)
    found = run.reports["usual-180-ridge"].metrics
    assert abs(found["CCC, valence"].value) < 0.2 and found["pairs in order, valence"].value == pytest.approx(
        0.5, abs=0.1
    )
    assert found["RMSE, valence"].value > 0.9 * run.reports[MEAN].metrics["RMSE, valence"].value


def test_numbers_that_are_who_speaks_are_not_found_for_other_speakers(tmp_path):
    rng = np.random.default_rng(2)
    table = made_table(rng)
    who = np.arange(90) // 15
    numbers = rng.uniform(-1, 1, 6)[who][:, None]
    features = rng.standard_normal((6, 12)).astype(np.float32)[who] + 0.01 * rng.standard_normal((90, 12))
    table = replace(table, names=("arousal",), numbers=numbers, features={"usual-180": features.astype(np.float32)})
    run = train_dimensions(QUICK, table, tmp_path, line=print)
    assert run.reports["usual-180-ridge"].metrics["CCC, arousal"].value < 0.4


def test_no_speaker_is_trained_and_tested_and_nothing_fitted_saw_test(tmp_path):
    table = made_table(np.random.default_rng(0))
    run = train_dimensions(QUICK, table, tmp_path, line=print)
    for split in run.splits:
        assert not {s.speaker for s in split.train} & {s.speaker for s in split.test}
    assert sorted(s.id for split in run.splits for s in split.test) == sorted(s.id for s in table.samples)
    assert not [f for f in run.reports["usual-180-ridge"].findings if f.severity == "severe"]
    # Wild numbers of the tested speakers change nothing of what was fitted.
    tested = {s.id for s in run.splits[0].test}
    wild = np.array(
        [[9.0, 9.0] if s.id in tested else row for s, row in zip(table.samples, table.numbers, strict=True)]
    )
    fits = [fit_fold(QUICK, t, run.splits[0], model="usual-180-ridge") for t in (table, replace(table, numbers=wild))]
    rows = table.features["usual-180"]
    assert answers(fits[0]["valence"][1], rows).tolist() == answers(fits[1]["valence"][1], rows).tolist()


def test_a_run_goes_on_and_a_folder_of_other_numbers_is_refused(tmp_path):
    table = made_table(np.random.default_rng(0))
    claim_run(tmp_path, QUICK, table)
    first = train_dimensions(QUICK, table, tmp_path, line=print)
    # What is kept is not computed again: another answer in the file is another report.
    assert train_dimensions(QUICK, table, tmp_path, line=print).reports == first.reports
    kept = tmp_path / "usual-180-ridge" / "fold-1.json"
    strengths, rows = json.loads(kept.read_text())
    kept.write_text(json.dumps([strengths, [[0.0, 0.0] for _ in rows]]))
    assert train_dimensions(QUICK, table, tmp_path, line=print).reports != first.reports
    with pytest.raises(InputError, match="other numbers"):
        claim_run(tmp_path, QUICK, replace(table, numbers=table.numbers / 2))


def test_the_audit_is_asked_by_thirds():
    assert thirds(np.array([0.0, 1, 2, 3, 4, 5, np.nan]), "valence")[:2] == ["low valence"] * 2
    assert thirds(np.array([0.0, 1, 2, 3, 4, 5, np.nan]), "valence")[-2:] == ["high valence", None]


def test_the_numbers_themselves_are_not_said_to_give_the_label_away(tmp_path):
    table = made_table(np.random.default_rng(0))
    levels = np.sign(table.numbers[:, :1]) * (np.abs(table.numbers[:, :1]) > 0.3)
    samples = tuple(replace(s, meta={"arousal": str(x)}) for s, x in zip(table.samples, levels[:, 0], strict=True))
    run = train_dimensions(
        QUICK, replace(table, samples=samples, names=("arousal",), numbers=levels), tmp_path, line=print
    )
    assert run.reports[MEAN].stamps == ()
    assert set(thirds(levels[:, 0], "arousal")) == {f"{level} arousal" for level in ("low", "middle", "high")}


def test_words_that_tell_the_number_are_stamped(tmp_path):
    table = made_table(np.random.default_rng(0))
    words = thirds(table.numbers[:, 0], "valence")
    samples = tuple(replace(s, sentence=word) for s, word in zip(table.samples, words, strict=True))
    run = train_dimensions(QUICK, replace(table, samples=samples), tmp_path, line=print)
    assert run.reports["usual-180-ridge"].stamps


def test_a_strength_is_chosen_where_there_are_inner_folds():
    rng = np.random.default_rng(0)
    features, numbers = rng.standard_normal((60, 50)).astype(np.float32), rng.uniform(-1, 1, 60)
    halves = [(range(30), range(30, 60)), (range(30, 60), range(30))]
    assert chosen_strength("ridge", features, numbers, [], seed=1) == 100
    features[:, 0] = 10 * numbers
    assert chosen_strength("ridge", features, numbers, [tuple(map(list, part)) for part in halves], seed=1) <= 100


def numbers_folder(folder, rows):
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    for name, *_ in rows:
        soundfile.write(folder / name, 0.1 * rng.standard_normal(8000), 16_000)
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "speaker", "arousal"], *rows])
    return folder


def test_what_cannot_be_learned_from_is_refused_in_a_sentence(tmp_path):
    off = numbers_folder(tmp_path / "off", [("a.wav", "ann", "5"), ("b.wav", "bob", "1")])
    with pytest.raises(InputError, match=r"arousal is 5, outside -1 to 1.*--scale 1:7"):
        read_numbered({"folder": off})
    word = numbers_folder(tmp_path / "word", [("a.wav", "ann", "high"), ("b.wav", "bob", "1")])
    with pytest.raises(InputError, match="'high', which is no number"):
        read_numbered({"folder": word})
    named = tmp_path / "named" / "angry"
    named.mkdir(parents=True)
    soundfile.write(named / "a.wav", np.zeros(8000), 16_000)
    with pytest.raises(InputError, match="none of 1 clips has a number for valence, arousal or dominance"):
        read_numbered({"folder": tmp_path / "named"})
    same = numbers_folder(tmp_path / "same", [("a.wav", "ann", "1"), ("b.wav", "bob", "1")])
    samples, _ = read_numbered({"folder": same}, scale=(1, 7))
    assert numbered(samples) == ("arousal",)
    table = load_table(QUICK, samples, tmp_path / "cache", scale=(1, 7), tick=quiet)
    with pytest.raises(InputError, match="all numbers are the same"):
        train_dimensions(QUICK, table, tmp_path / "run", line=print)
    alone = numbers_folder(tmp_path / "alone", [("a.wav", "ann", "1"), ("b.wav", "ann", "2")])
    samples, _ = read_numbered({"folder": alone}, scale=(1, 7))
    table = load_table(QUICK, samples, tmp_path / "cache", scale=(1, 7), tick=quiet)
    with pytest.raises(InputError, match="1 speaker"):
        train_dimensions(QUICK, table, tmp_path / "run", line=print)
    with pytest.raises(UnknownName, match="usual-180-lasso"):
        DimensionRecipe(models=("usual-180-lasso",))
    with pytest.raises(UnknownName):
        chosen_models(QUICK, ("voice-312-svr",))


def test_the_recipe_that_ships_is_listed():
    assert load_recipe("dimensions").models[0] == "embedding-ridge"
    assert recipe_facts("dimensions")["command"] == "train"


def test_a_head_on_the_embedding_takes_sound(clips, tmp_path):
    recipe = DimensionRecipe(models=("embedding-ridge",), encoder="voice-small", folds=2, inner=2)
    samples = tuple(
        Sample(f"folder/{path.stem}", str(path), speaker=path.stem[-2:], corpus="folder", meta={"arousal": str(i % 3)})
        for i, path in enumerate(clips)
    )
    table = load_table(recipe, samples, tmp_path / "cache", scale=(0, 2), tick=quiet)
    again = load_table(recipe, samples, tmp_path / "cache", scale=(0, 2), tick=quiet)
    assert table.features["embedding"].tolist() == again.features["embedding"].tolist()
    run = train_dimensions(recipe, table, tmp_path, line=print)
    file = tmp_path / "mine.onnx"
    assert write_dimensions(run, "embedding-ridge", file) < 1e-4
    signal = affekt.read(clips[0]).signal[None]
    embeddings = VoiceModel(load_model("voice-small")).run(signal)[2][0]
    (_, fit) = fit_fold(recipe, table, run.splits[0], model="embedding-ridge")["arousal"]
    whole, windows = VoiceModel(load_model(file)).run(signal)
    wanted = answers(fit, embeddings)
    assert 2 * softmax(windows[0])[:, 1] - 1 == pytest.approx(wanted, abs=1e-4)
    assert 2 * softmax(whole[0])[1] - 1 == pytest.approx(wanted.mean(), abs=1e-4)
    said = affekt.summarise(affekt.predict(clips[0], model=file))
    assert set(said.dimensions) == {"arousal"} and said.label in ("low arousal", "high arousal")


def test_the_commands(tmp_path):
    rows = [(f"{i}.wav", f"s{i % 4}", str(1 + i % 7)) for i in range(16)]
    folder = numbers_folder(tmp_path / "own", rows)
    asked = ["train", "dimensions", "--corpus", f"folder={folder}", "--model", "usual-180-ridge"]
    done = CliRunner().invoke(main, [*asked, "--scale", "1:7", "-o", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert "usual-180-ridge" in done.output and MEAN in done.output
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"dimensions.onnx", "index.html", "report.json"}
    assert "CCC" in (tmp_path / "run" / "report.md").read_text()
    done = CliRunner().invoke(main, [*asked, "-o", str(tmp_path / "other")])
    assert done.exit_code == 2 and "--scale 1:7" in done.output
    done = CliRunner().invoke(main, ["train", "tess-conv1d", "--scale", "1:7", "-o", str(tmp_path / "other")])
    assert done.exit_code == 2 and "--scale is for dimensions" in done.output
    done = CliRunner().invoke(main, ["train", "tess-conv1d", "--corpus", f"folder={folder}", "-o", str(tmp_path / "x")])
    assert done.exit_code == 2 and "affekt train dimensions learns from these" in done.output
    done = CliRunner().invoke(main, ["train", "voice-small", "--corpus", f"folder={folder}", "-o", str(tmp_path / "y")])
    assert done.exit_code == 2 and "affekt train dimensions learns from these" in done.output
