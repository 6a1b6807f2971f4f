"""Training: recipes, masked losses, honest material, runs that resume, exports that agree."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from affekt.data.splits import fixed_speakers
from affekt.errors import InputError, UnknownName
from affekt.models.card import Card
from affekt.models.onnx import open_model
from affekt.train.muon import Muon
from affekt.train.recipe import Network, Recipe, Schedule, WhisperRecipe, WhisperSizes, as_table, build, load_recipe
from affekt.train.sources import Sources
from affekt.train.voice import losses
from affekt.train.voice.activity import ActivityRecipe, SceneMaker, drop_short, energy_truth, fill_short
from affekt.train.voice.clips import Clips, load_clips
from affekt.train.voice.features import Changes, features_of_clips
from affekt.train.voice.loop import (
    Batch,
    EpochBatches,
    Material,
    Trainer,
    between,
    differences,
    draw_weights,
    own_baselines,
    plan_epoch,
    train,
)
from affekt.train.voice.networks import network_of, shape_of
from affekt.train.voice.run import finish, run
from affekt.train.voice.teacher import load_teacher

from .conftest import speech_like

TINY = Recipe(
    corpora=("ravdess", "savee"),
    labels=("angry", "calm", "happy", "sad"),
    network=Network(planes=(8, 8), channels=16, dilations=(1, 2), dropout=0.1, embedding=12, hidden=8),
    schedule=Schedule(epochs=2, clips=24, batch=8, group=4, seconds=1.0, learning_rate=1e-2),
)


def make_material(count=24, seed=0):
    """Clips whose class is their pitch, so that something can be learned."""
    rng, parts = np.random.default_rng(seed), []
    labels = np.arange(count) % 4
    for label in labels:
        time = np.arange(int(rng.integers(9_000, 16_000))) / 16_000
        tone = sum(np.sin(2 * np.pi * (120 + 80 * label) * k * time) / k for k in range(1, 6))
        parts.append((3000 * tone).astype(np.int16))
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    corpora = (np.arange(count) // 4) % 2
    # The second corpus has no "calm".
    labels = np.where((corpora == 1) & (labels == 1), 0, labels)
    allowed = np.array([[True] * 4, [True, False, True, True]])
    clips, speakers = Clips(np.concatenate(parts), starts[:-1], starts[1:]), np.arange(count) // 8
    with TemporaryDirectory() as cache:
        features = features_of_clips(clips, speakers, Changes(ways=2), Path(cache))
        features = dataclasses.replace(features, values=np.array(features.values))
    return Material(features, labels, corpora, speakers, allowed, neutral=3)


def test_masked_classes_get_no_gradient_and_no_probability():
    logits = torch.randn(3, 4, requires_grad=True)
    allowed = torch.tensor([[True, False, True, True]] * 3)
    targets = losses.smooth_targets(torch.tensor([0, 2, 3]), allowed, 0.1)
    assert targets[:, 1].abs().sum() == 0
    torch.testing.assert_close(targets.sum(1), torch.ones(3))
    losses.masked_cross_entropy(logits, targets, allowed).backward()
    assert logits.grad[:, 1].abs().max() == 0
    assert logits.grad[:, 0].abs().min() > 0


def test_with_all_classes_allowed_the_loss_is_cross_entropy():
    logits, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 1])
    allowed = torch.ones(5, 4, dtype=torch.bool)
    targets = losses.smooth_targets(labels, allowed, 0.0)
    torch.testing.assert_close(
        losses.masked_cross_entropy(logits, targets, allowed), torch.nn.functional.cross_entropy(logits, labels)
    )


def test_corpus_heads_answer_for_their_own_corpus():
    heads = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 2), "b": torch.nn.Linear(3, 2)})
    embedding, corpus = torch.randn(4, 3), torch.tensor([0, 1, 1, 0])
    found = losses.corpus_logits(heads, embedding, corpus)
    torch.testing.assert_close(found[0], heads["a"](embedding[0]))
    torch.testing.assert_close(found[2], heads["b"](embedding[2]))


def test_draws_are_balanced_over_classes_and_corpora():
    material = make_material(48)
    weights = draw_weights(material, balance=0.0)
    assert weights.sum() == pytest.approx(1)
    for corpus in (0, 1):
        assert weights[material.corpora == corpus].sum() == pytest.approx(0.5)
    of_second = material.corpora == 1
    shares = [weights[of_second & (material.labels == label)].sum() for label in (0, 2, 3)]
    np.testing.assert_allclose(shares, shares[0])


def test_a_batch_depends_on_seed_epoch_and_number_alone():
    one, two = (EpochBatches(make_material(), TINY, 1)[2] for _ in range(2))
    assert all(map(torch.equal, one.sound, two.sound))
    other = EpochBatches(make_material(), TINY, 2)[2].sound[0]
    assert not torch.equal(one.sound[0][:, :, :50], other[:, :, :50])


def test_an_epoch_draws_as_many_clips_as_the_recipe_says():
    plan = plan_epoch(make_material(), TINY, np.random.default_rng(0))
    assert sum(batch.size for batch in plan) == 24


def test_the_clips_of_a_group_are_by_one_speaker_and_differ():
    material = make_material(48)
    groups = np.concatenate(plan_epoch(material, TINY, np.random.default_rng(0)))
    assert groups.shape == (6, 4)
    assert (material.speakers[groups] == material.speakers[groups[:, :1]]).all()
    assert all(len(set(row)) == 4 for row in groups)


def batch_of(speakers, labels, clips=None):
    count, empty = len(speakers), torch.zeros(len(speakers))
    clips = range(count) if clips is None else clips
    return Batch((empty,), empty, torch.tensor(labels), empty, torch.tensor(speakers), torch.tensor(list(clips)))


def test_a_clip_is_compared_with_other_clips_of_its_speaker_only():
    embedding = torch.eye(5)
    batch = batch_of([0, 0, 1, 1, 2], [0, 3, 3, 3, 0], clips=[0, 1, 2, 2, 4])
    found, has = differences(embedding, batch, np.random.default_rng(0))
    # The third and fourth are one clip drawn twice, the last is alone.
    assert has.tolist() == [True, True, False, False, False]
    torch.testing.assert_close(found[0], torch.tensor([1.0, -1, 0, 0, 0]))
    found, has = differences(embedding, batch, np.random.default_rng(0), label=3)
    assert has.tolist() == [True, False, False, False, False]


def test_whoever_has_other_clips_has_a_baseline_whatever_is_drawn():
    batch = batch_of([0] * 6, [0] * 6)
    for seed in range(20):
        assert differences(torch.eye(6), batch, np.random.default_rng(seed))[1].all()


def test_the_baseline_of_a_speaker_leaves_the_clip_itself_out():
    material = make_material(16)
    embeddings = torch.randn(16, 3)
    mean, has = own_baselines(embeddings, material)
    torch.testing.assert_close(mean[2], embeddings[[0, 1, 3, 4, 5, 6, 7]].mean(0))
    assert has.all()
    neutral = [i for i in range(8) if material.labels[i] == 3 and i != 3]
    mean, _ = own_baselines(embeddings, material, label=3)
    torch.testing.assert_close(mean[3], embeddings[neutral].mean(0))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    torch.set_num_threads(1)
    recipe = dataclasses.replace(TINY, schedule=dataclasses.replace(TINY.schedule, epochs=3, clips=48))
    trainer = Trainer(recipe, make_material())
    train(trainer, make_material(seed=5), folder, report=lambda line: None)
    return recipe, trainer, folder


def test_training_writes_a_line_per_epoch_and_learns(trained):
    _, _, folder = trained
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(trained, tmp_path):
    recipe, straight, _ = trained
    first = Trainer(recipe, make_material())
    first.run_epoch()
    first.save(tmp_path / "checkpoint.pt")
    second = Trainer(recipe, make_material())
    train(second, make_material(seed=5), tmp_path, report=lambda line: None)
    for one, other in zip(straight.averaged.state_dict().values(), second.averaged.state_dict().values(), strict=True):
        torch.testing.assert_close(one.float(), other.float(), atol=1e-5, rtol=1e-4)


def test_the_exported_file_agrees_with_the_network(trained, tmp_path):
    from affekt.train.export import export

    _, trainer, _ = trained
    card = Card("tiny", "speech", TINY.labels, baseline=12)
    assert export(trainer.averaged, card, tmp_path / "tiny.onnx") <= 1e-4
    assert open_model(tmp_path / "tiny.onnx").card == card
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"]


def test_an_export_that_does_not_agree_is_not_written(trained, tmp_path, monkeypatch):
    from affekt.errors import ModelError
    from affekt.train import export

    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(ModelError, match="the file and the network differ"):
        export.export(trained[1].averaged, Card("tiny", "speech", TINY.labels, baseline=12), tmp_path / "tiny.onnx")
    assert not (tmp_path / "tiny.onnx").exists()


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Two tiny corpora with the real names, speakers on all three sides, and synthetic voices."""
    root, rng = tmp_path_factory.mktemp("corpora"), np.random.default_rng(0)
    for actor in ("01", "02", "17", "18", "19", "20"):
        for emotion in ("02", "03", "04", "05"):
            folder = root / "ravdess" / f"Actor_{actor}"
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"03-01-{emotion}-01-01-01-{actor}.wav", speech_like(1.2, rng), 16_000)
    (root / "savee").mkdir()
    for speaker in ("DC", "JE", "JK", "KL"):
        for emotion in ("a01", "h01", "sa01"):
            soundfile.write(root / "savee" / f"{speaker}_{emotion}.wav", speech_like(1.0, rng), 16_000)
    return {name: root / name for name in ("ravdess", "savee")}


def test_a_whole_run_from_folders_to_a_model_that_predicts(corpora, tmp_path):
    recipe = dataclasses.replace(TINY, schedule=dataclasses.replace(TINY.schedule, epochs=1))
    path = run(recipe, Sources(corpora), tmp_path, report=lambda line: None)
    card = open_model(path).card
    assert card.data["ravdess"]["speakers"] == 2
    assert card.data["savee"]["speakers"] == 3
    assert build(Recipe, json.loads(json.dumps(as_table(recipe)))) == recipe
    from affekt.recognize.recognizer import Recognizer

    signal = speech_like(4, np.random.default_rng(1))
    assert {p.label for p in Recognizer(path).predict((signal, 16_000))} <= set(TINY.labels)


def test_the_convolutions_of_a_voice_are_in_int8_where_that_is_worth_it(corpora, tmp_path, monkeypatch):
    recipe, lines = dataclasses.replace(TINY, schedule=dataclasses.replace(TINY.schedule, epochs=1)), []
    monkeypatch.setattr("affekt.train.quantise.LEAST_FILTERS", 100_000)
    plain = run(recipe, Sources(corpora), tmp_path / "plain", report=lines.append)
    assert not any(node.op_type == "QuantizeLinear" for node in onnx.load(plain).graph.node)
    assert '"same answer": 1.0' in lines[-1]
    monkeypatch.setattr("affekt.train.quantise.LEAST_FILTERS", 200)
    rounded = run(recipe, Sources(corpora), tmp_path / "rounded", report=lines.append)
    graph = onnx.load(rounded).graph
    assert sum(t.data_type == onnx.TensorProto.INT8 and len(t.dims) > 2 for t in graph.initializer) == 13
    tensors = [t.raw_data for t in graph.initializer if np.prod(t.dims) > 100]
    assert len(tensors) == len(set(tensors))
    one, other = open_model(plain), open_model(rounded)
    assert other.card == one.card
    signal, known = (
        np.stack([speech_like(3, np.random.default_rng(i)) for i in range(2)]),
        np.zeros((2, 13), np.float32),
    )
    together, wanted = other.run(signal, known), one.run(signal, known)
    assert 0 < np.abs(together[2] - wanted[2]).max() < 0.2 * np.abs(wanted[2]).max()
    for alone, rows in zip(other.run(signal[1:], known[1:]), together, strict=True):
        np.testing.assert_array_equal(alone[0], rows[1])


@pytest.mark.parametrize(("epochs", "share"), [(0, 1.0), (1, 1.0), (1, 0.25)])
def test_a_voice_over_whisper_is_trained_in_two_stages_and_written_in_int8(
    corpora, tmp_path, epochs, share, monkeypatch
):
    from .test_train_voice_teacher import random_weights, safetensors

    monkeypatch.setattr("affekt.train.quantise.LEAST", 100)
    schedule = dataclasses.replace(TINY.schedule, epochs=1, ways=1)
    recipe = WhisperRecipe(
        corpora=TINY.corpora,
        labels=TINY.labels,
        network=WhisperSizes(layers=1, levels=1, channels=16, attention_heads=2, heads=2, embedding=12, hidden=8),
        schedule=schedule,
        tuning=dataclasses.replace(schedule, epochs=epochs),
        share=share,
    )
    teacher = safetensors(random_weights(), tmp_path / "model.safetensors")
    lines = []
    path = run(recipe, Sources(corpora, teacher=(teacher,)), tmp_path / "run", report=lines.append)
    assert any("int8" in line for line in lines)
    assert (tmp_path / "run" / "tuned" / "best.pt").exists() == bool(epochs)
    if epochs:
        start = load_teacher([teacher], shape_of(recipe)).state_dict()["first.weight"]
        end, kept = (
            torch.load(tmp_path / "run" / "tuned" / f"{name}.pt", weights_only=True)["encoder.first.weight"]
            for name in ("best", "taught")
        )
        assert not torch.equal(start, end)
        torch.testing.assert_close(kept, torch.lerp(start, end, share))
    model = open_model(path)
    assert model.card.input["block"] == model.card.input["window"] == 51_200
    assert "OpenAI's Whisper (MIT licence)" in " ".join(model.card.limits)
    again = run(recipe, Sources(corpora, teacher=(teacher,)), tmp_path / "run", report=str)
    assert again.read_bytes() == path.read_bytes()
    from affekt.recognize.recognizer import Recognizer

    signal = speech_like(4, np.random.default_rng(1))
    assert {p.label for p in Recognizer(path).predict((signal, 16_000))} <= {*TINY.labels, None}


def test_a_run_without_dev_speakers_ends_with_a_model_that_says_so(corpora, tmp_path):
    fewer = tmp_path / "ravdess"
    shutil.copytree(corpora["ravdess"], fewer, ignore=shutil.ignore_patterns("*-17.wav", "*-18.wav", "*-19.wav"))
    recipe = dataclasses.replace(
        TINY, corpora=("ravdess",), schedule=dataclasses.replace(TINY.schedule, epochs=1, clips=8)
    )
    lines = []
    path = run(recipe, Sources({"ravdess": fewer}), tmp_path / "run", report=lines.append)
    card = open_model(path).card
    assert card.temperature == 1 and "no dev speakers" in card.limits[-1]
    assert any("not calibrated" in line for line in lines)


def test_a_clip_that_cannot_be_read_is_left_out_of_training(corpora, tmp_path):
    copy = tmp_path / "ravdess"
    shutil.copytree(corpora["ravdess"], copy)
    next(copy.rglob("*-01.wav")).write_bytes(b"\x1a\x45\xdf\xa3\x00" + b"\xff" * 8 + bytes(64))
    recipe = dataclasses.replace(
        TINY, corpora=("ravdess",), schedule=dataclasses.replace(TINY.schedule, epochs=1, clips=8)
    )
    lines = []
    card = open_model(run(recipe, Sources({"ravdess": copy}), tmp_path / "run", report=lines.append)).card
    assert card.data["ravdess"]["clips"] == 7
    assert [line for line in lines if line.startswith("left out: ")]


def test_a_run_can_go_on_from_the_weights_of_another(corpora, trained, tmp_path):
    folder = trained[2]
    sources, schedule = (
        Sources(corpora),
        dataclasses.replace(TINY.schedule, epochs=1, learning_rate=1e-9, encoder_rate=1e-9),
    )
    path = run(dataclasses.replace(TINY, schedule=schedule), sources, tmp_path, report=str, start=folder / "best.pt")
    assert len(open_model(path).card.recipe["start"]) == 64
    before = torch.load(folder / "best.pt", weights_only=True)["join.0.weight"]
    after = torch.load(tmp_path / "best.pt", weights_only=True)["join.0.weight"]
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)


def test_weights_of_another_network_are_refused(corpora, trained, tmp_path):
    wide = dataclasses.replace(TINY, network=dataclasses.replace(TINY.network, channels=24))
    with pytest.raises(InputError, match="of other sizes"):
        run(wide, Sources(corpora), tmp_path, report=str, start=trained[2] / "best.pt")
    (tmp_path / "nonsense.pt").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="cannot be read as weights"):
        run(wide, Sources(corpora), tmp_path, report=str, start=tmp_path / "nonsense.pt")


def test_a_folder_with_another_run_is_refused(corpora, tmp_path):
    (tmp_path / "recipe.toml").write_text("name = 'other'\n")
    with pytest.raises(InputError, match="holds a run with another recipe"):
        run(TINY, Sources(corpora), tmp_path, report=lambda line: None)


def test_a_missing_corpus_is_named(corpora, tmp_path):
    with pytest.raises(InputError, match="needs savee: add --corpus NAME=PATH"):
        run(TINY, Sources({"ravdess": corpora["ravdess"]}), tmp_path, report=lambda line: None)


def test_nothing_of_a_test_speaker_reaches_training_or_calibration(corpora, tmp_path, monkeypatch):
    """Decode what the run decodes, and look for the held-out speakers in it."""
    from affekt.train.voice import run as module

    seen = []
    monkeypatch.setattr(module, "load_clips", lambda given, *a, **k: seen.extend(given) or load_clips(given, *a, **k))
    run(
        dataclasses.replace(TINY, schedule=dataclasses.replace(TINY.schedule, epochs=1)),
        Sources(corpora),
        tmp_path,
        report=str,
    )
    assert len({sample.id for sample in seen}) == 8 + 9 + 8
    held = fixed_speakers()
    assert not [
        s for s in seen if any(f"Actor_{held}" in s.path for held in held["ravdess"]["test"]) or "DC_" in s.path
    ]


def test_recipes_load_and_say_what_is_wrong_with_them(tmp_path):
    assert load_recipe("voice").name == "voice"
    with pytest.raises(UnknownName, match="did you mean 'voice'"):
        load_recipe("voise")
    path = tmp_path / "r.toml"
    path.write_text("[schedule]\nepoch = 3\n")
    with pytest.raises(UnknownName, match="unknown recipe key 'epoch': did you mean 'epochs'"):
        load_recipe(path)
    path.write_text("epochs = = 3")
    with pytest.raises(InputError, match="is not TOML"):
        load_recipe(path)
    with pytest.raises(InputError, match="no such recipe file"):
        load_recipe(tmp_path / "none.toml")


def test_only_sounds_named_as_in_esc_10_have_folds(tmp_path):
    from affekt.train.sources import noise_paths, response_paths

    for name in ("1-17367-A.opus", "5-210571-A.opus", "kitchen.wav", "5th street.wav", "notes.txt", "rir4.wav"):
        (tmp_path / name).touch()
    assert [p.rsplit("/")[-1] for p in noise_paths(tmp_path)] == [
        "1-17367-A.opus",
        "5th street.wav",
        "kitchen.wav",
        "rir4.wav",
    ]
    assert "rir4.wav" not in " ".join(response_paths(tmp_path))
    assert noise_paths(None) == []


def test_energy_truth_finds_known_margins():
    rng = np.random.default_rng(0)
    quiet = 1e-4 * rng.standard_normal(16_000)
    voice = 0.2 * np.sin(2 * np.pi * 300 * np.arange(16_000) / 16_000)
    truth = energy_truth(np.concatenate([quiet, voice, quiet]).astype(np.float32))
    assert abs(np.flatnonzero(truth)[0] - 50) <= 1
    assert abs(np.flatnonzero(truth)[-1] - 99) <= 1
    assert len(energy_truth(np.zeros(100, np.float32))) == 0


def test_gaps_are_filled_and_bursts_dropped():
    active = np.array([0, 1, 0, 1, 1, 0, 0, 0, 1, 0], bool)
    assert fill_short(active, 1).astype(int).tolist() == [0, 1, 1, 1, 1, 0, 0, 0, 1, 0]
    assert drop_short(active, 2).astype(int).tolist() == [0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    assert not fill_short(np.zeros(5, bool), 9).any()


def test_scenes_have_a_truth_per_frame():
    rng = np.random.default_rng(0)
    speech = Clips((20_000 * speech_like(2, rng)).astype(np.int16), np.array([0]), np.array([32_000]))
    recipe = ActivityRecipe(seconds=4.0)
    signal, truth = SceneMaker(speech, speech, recipe).draw(rng)
    assert signal.shape == (64_000,)
    assert truth.shape == ((64_000 - 400) // 320 + 1,)


def test_the_train_command_says_what_is_missing(tmp_path):
    command = [sys.executable, "-m", "affekt", "train", "voice", "-o", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "needs ravdess, tess" in done.stderr
    assert "Traceback" not in done.stderr


def test_finish_needs_no_training(trained, corpora):
    recipe, _, folder = trained
    from affekt.data.splits import Split

    network = network_of(recipe)
    network.load_state_dict(torch.load(folder / "best.pt", weights_only=True))
    path = finish(recipe, network, (Split((), (), ()), make_material(seed=5)), folder, report=lambda line: None)
    assert 0.05 <= open_model(path).card.temperature <= 20


def noisy_clips(count=4):
    rng = np.random.default_rng(0)
    signal = (3000 * rng.standard_normal(8_000 * count)).astype(np.int16)
    starts = 8_000 * np.arange(count)
    return Clips(signal, starts, starts + 8_000)


def test_features_of_a_clip_are_those_of_the_network_and_are_kept(tmp_path):
    from affekt.speech.frontend import FrontEnd
    from affekt.speech.network import VoiceFeatures

    clips, speakers = noisy_clips(), np.array([0, 0, 1, 1])
    features = features_of_clips(clips, speakers, Changes(ways=2), tmp_path)
    assert (len(features), features.ways) == (4, 3)
    mel, salience = VoiceFeatures(FrontEnd())(torch.from_numpy(clips[2])[None])
    np.testing.assert_allclose(features.get(2), torch.cat([mel, salience], 1)[0].T, atol=5e-3)
    np.testing.assert_array_equal(features.take(np.array([2])).get(0, 1), features.get(2, 1))
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = features_of_clips(clips, speakers, Changes(ways=2), tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept
    np.testing.assert_array_equal(again.values, features.values)
    features_of_clips(clips, speakers, Changes(ways=2, seed=2), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2 * len(kept)


def test_two_runs_can_fill_one_cache_at_once(tmp_path, monkeypatch):
    rng, sound, cache = np.random.default_rng(0), tmp_path / "a.wav", tmp_path / "cache"
    soundfile.write(sound, speech_like(0.5, rng), 16_000)
    seen, inner = [], []

    def save(file, values, real=np.save):
        """Write half, look who sees it, write all."""
        part = file if hasattr(file, "write") else file.open("wb")
        part.write(b"half")
        part.flush()
        seen.append(sorted(path.name for path in cache.iterdir() if not path.name.startswith(".")))
        if len(seen) == 1:  # another run comes while this one writes
            inner.append(load_clips([str(sound)], cache)[0])
        part.seek(0)
        part.truncate()
        real(part, values)

    monkeypatch.setattr(np, "save", save)
    outer = load_clips([str(sound)], cache)[0]
    np.testing.assert_array_equal(outer, inner[0])
    assert len(outer) == 8_000
    features_of_clips(load_clips([str(sound)], cache), np.array([0]), Changes(), cache)
    assert not any(name.endswith(".npy") for name in seen[0])
    assert not any(name.endswith(".bounds.npy") for name in seen[-1])


def test_in_one_way_all_clips_of_a_speaker_have_one_voice(tmp_path):
    from affekt.train.voice.augment import Chances

    chances = Chances(speed=1.0, noise=0, reverb=0, colour=0, telephone=0)
    features = features_of_clips(noisy_clips(), np.array([0, 0, 1, 1]), Changes(3, chances=chances), tmp_path)
    lengths = features.ends - features.starts
    assert (lengths[:, 0] == lengths[:, 1]).all()
    assert (lengths[:, 2] == lengths[:, 3]).all()
    assert (lengths[1:, 0] != lengths[1:, 2]).all()


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 3, 5)])
def test_a_step_of_muon_is_nearly_orthogonal_and_downhill(shape):
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(shape))
    before, aim = weight.detach().clone(), torch.randn(shape)
    optimiser = Muon([weight], lr=0.1)
    ((weight - aim) ** 2).sum().backward()
    optimiser.step()
    step = (weight.detach() - before).flatten(1)
    values = torch.linalg.svdvals(step) / (0.1 * max(1.0, step.shape[0] / step.shape[1]) ** 0.5)
    assert values.min() > 0.5
    assert values.max() < 1.3
    assert ((weight - aim) ** 2).sum() < ((before - aim) ** 2).sum()


def test_weights_go_some_of_the_way_and_the_head_as_far_as_it_is_told():
    start = {"stem.0.weight": torch.zeros(2), "head.bias": torch.zeros(2), "middle.steps": torch.tensor(3)}
    end = {"stem.0.weight": torch.ones(2), "head.bias": torch.ones(2), "middle.steps": torch.tensor(9)}
    end["corpus_heads.savee.bias"] = torch.ones(2)
    found = between(start, end, 0.7, head=1.0)
    assert found["stem.0.weight"].tolist() == pytest.approx([0.7, 0.7])
    assert found["head.bias"].tolist() == [1, 1]
    assert between(start, end, 0.7, head=0.2)["head.bias"].tolist() == pytest.approx([0.2, 0.2])
    assert found["middle.steps"] == 9
    assert found["corpus_heads.savee.bias"].tolist() == [1, 1]


def test_a_share_that_is_none_is_refused():
    with pytest.raises(InputError, match=r"share is 1\.5; allowed: 0 to 1"):
        WhisperRecipe(share=1.5)
