"""Encoder recipes: networks that equal the library's, frozen and fine-tuned, resumed, exported and used."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import affekt
from affekt.corpora.synthetic import write_synthetic
from affekt.errors import InputError, UnknownName
from affekt.models.onnx import (
    open_model,
    softmax,
)
from affekt.speech.audio import read
from affekt.train.export import parity
from affekt.train.lab import checkpoint as checkpoints
from affekt.train.lab.checkpoint import load_encoder, needs_download
from affekt.train.lab.encoder import FRAME, HOP_FRAMES, WINDOW_FRAMES, EncoderNetwork, Head, WhisperMel
from affekt.train.lab.encoder_clips import load_views
from affekt.train.lab.encoder_learner import write_encoder
from affekt.train.lab.experiment import EncoderRecipe, Fit, Protocol
from affekt.train.lab.fit import Training
from affekt.train.lab.reproduce import Progress, Selection, reproduce, slug
from affekt.train.recipe import load_recipe
from affekt.types import Sample

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
WHISPER = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "vocab_size": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
STABLE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}
KINDS = ("wav2vec2", "xlsr", "hubert", "wavlm", "whisper")


def tiny(kind):
    """A small random model of the library and its extractor."""
    torch.manual_seed(3)
    if kind == "whisper":
        model = transformers.WhisperModel(transformers.WhisperConfig(**WHISPER))
        return model, transformers.WhisperFeatureExtractor()
    name = {"wav2vec2": "Wav2Vec2", "xlsr": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM"}[kind]
    config = getattr(transformers, f"{name}Config")(**SIZES, **(STABLE if kind == "xlsr" else {}))
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=kind != "wavlm")
    return getattr(transformers, f"{name}Model")(config), extractor


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """So small, the networks would spend most of their time on handing work to threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Kind to a folder with a checkpoint."""
    made = {}
    for kind in KINDS:
        made[kind] = tmp_path_factory.mktemp("checkpoints") / f"{kind}-tiny"
        for part in tiny(kind):
            part.save_pretrained(made[kind])
    return made


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "tones"
    write_synthetic(folder, layout="ravdess", speakers=4, clips_per_label=2, labels=("angry", "sad"))
    return {"ravdess": folder}


def recipe_of(checkpoint, **changes):
    recipe = EncoderRecipe(
        corpora=("ravdess",),
        checkpoint=str(checkpoint),
        seconds=1.0,
        fit=Fit(epochs=1, batch=4, learning_rate=1e-2),
        as_published=Protocol(split="clip", test=0.25, choose="last"),
        honest=Protocol(split="speaker", folds=3, choose="dev"),
    )
    return dataclasses.replace(recipe, **changes)


def listen(lines=None, *, interrupt_after=None):
    """A Progress that keeps the lines, and may interrupt the run like Ctrl-C."""
    lines = [] if lines is None else lines

    def line(text):
        lines.append(text)
        if len(lines) == interrupt_after:
            raise KeyboardInterrupt

    return Progress(lambda total: lambda: None, line)


def run_encoder(recipe, folders, output, *, protocols=("as-published", "honest"), progress):
    return reproduce(recipe, folders, output, selection=Selection(tuple(protocols)), progress=progress)


def export_encoder(recipe, folders, output, *, protocol="honest", progress):
    """Run one protocol and write its model file."""
    done = run_encoder(recipe, folders, output, protocols=[protocol], progress=progress)
    ((name, outcomes),) = done.outcomes.items()
    ((model, outcome),) = outcomes.items()
    return write_encoder(done.clips, outcome, folder=output / slug(name) / model, path=output / "encoder.onnx")


def noise(seconds, rows=1):
    return (0.1 * np.random.default_rng(5).standard_normal((rows, int(16_000 * seconds)))).astype(np.float32)


def network_of(folder, classes=3):
    torch.manual_seed(0)
    encoder = load_encoder(str(folder))
    return EncoderNetwork(encoder, Head(encoder.layers, encoder.width, classes)).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_is_trained_exported_and_used(kind, folders, tones, clips, tmp_path):
    recipe = recipe_of(folders[kind])
    path, difference = export_encoder(recipe, tones, tmp_path, progress=listen())
    model = open_model(path)
    assert difference < 1e-4
    assert model.card.labels == ("angry", "sad")
    assert f"the terms of {kind}-tiny apply" in model.card.licence
    assert model.card.data["ravdess"]["speakers"] == 1  # of four, in three folds: two in test, one in dev
    predictions = affekt.Recognizer(model=str(path)).predict(clips[0])
    assert predictions and all(set(p.scores) == {"angry", "sad"} for p in predictions)


@pytest.mark.parametrize("kind", ["wav2vec2", "xlsr", "hubert", "wavlm"])
def test_hidden_states_are_those_of_the_library(kind, folders):
    model, extractor = tiny(kind)
    signal = noise(1.3)[0] + 0.3
    given = extractor(signal, sampling_rate=16_000, return_tensors="pt").input_values
    with torch.no_grad():
        wanted = model.eval()(given, output_hidden_states=True).hidden_states
        found = load_encoder(str(folders[kind])).hidden(torch.from_numpy(signal)[None])
    assert len(found) == len(wanted) == 3
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_whisper_reads_30_seconds_as_the_library_does(folders):
    model, extractor = tiny("whisper")
    signal = noise(30.0)[0] * np.linspace(0, 1, 480_000, dtype=np.float32)
    wanted = extractor(signal, sampling_rate=16_000, return_tensors="pt").input_features
    with torch.no_grad():
        mel = WhisperMel(extractor.mel_filters)(torch.from_numpy(signal)[None])
        last = model.eval().encoder(wanted).last_hidden_state
        found = load_encoder(str(folders["whisper"])).hidden(torch.from_numpy(signal)[None])
    torch.testing.assert_close(mel, wanted, rtol=0, atol=1e-4)
    torch.testing.assert_close(found[-1], last, rtol=0, atol=1e-3)


@pytest.mark.parametrize("kind", ["wav2vec2", "whisper"])
def test_any_length_gives_the_windows_that_the_engine_waits_for(kind, folders):
    network, window, hop = network_of(folders[kind]), WINDOW_FRAMES * FRAME, HOP_FRAMES * FRAME
    for samples in (400, 800, 16_000, window, window + 1, window + hop, 150_001):
        with torch.no_grad():
            whole, windows = network(torch.from_numpy(noise(samples / 16_000)))
        needed = 1 + max(0, -(-(samples - window) // hop))
        assert windows.shape[1] >= needed and torch.isfinite(windows).all()
        if samples <= window:
            torch.testing.assert_close(windows[:, 0], whole, rtol=1e-4, atol=1e-5)


def test_a_window_is_the_head_on_its_frames():
    torch.manual_seed(1)
    head, states = Head(3, 8, 4).eval(), torch.randn(2, 120, 3, 8)
    with torch.no_grad():
        _, windows = head(states)
        alone, _ = head(states[:, 20:95])
    torch.testing.assert_close(windows[:, 2], alone, rtol=1e-4, atol=1e-5)


def test_the_file_equals_the_network_that_was_kept(folders, tones, tmp_path):
    path, _ = export_encoder(recipe_of(folders["hubert"]), tones, tmp_path, progress=listen())
    network = network_of(folders["hubert"], classes=2)
    kept = torch.load(next(tmp_path.rglob("fold-1/best.pt")), weights_only=True)
    network.head.load_state_dict(kept)
    assert parity(network, path) < 1e-4


def test_any_chunks_give_the_same_predictions(folders, tones, clips, tmp_path):
    path, _ = export_encoder(recipe_of(folders["wavlm"]), tones, tmp_path, progress=listen())
    recognizer = affekt.Recognizer(model=str(path))
    signal = np.concatenate([read(clip).signal for clip in clips[:2]])
    found = []
    for size in (len(signal), 5_000):
        stream = recognizer.stream()
        parts = [stream.feed(signal[i : i + size]) for i in range(0, len(signal), size)]
        found.append([p for part in [*parts, stream.flush()] for p in part])
    assert found[0] == found[1] and found[0]


def test_the_encoder_stays_frozen_and_the_head_learns(folders, tones, tmp_path):
    recipe = recipe_of(folders["wav2vec2"], fit=Fit(epochs=12, batch=4, learning_rate=1e-2))
    done = run_encoder(recipe, tones, tmp_path, progress=listen())
    outcome = done.outcomes["honest"]["wav2vec2-tiny"]
    for history in outcome.histories:
        assert history[-1]["loss"] < history[0]["loss"]
    assert len(outcome.histories) == 3
    assert outcome.report.metrics["UAR"].n == 16
    assert outcome.parameters == sum(p.numel() for p in Head(3, 16, 2).parameters())
    assert set(torch.load(next(tmp_path.rglob("best.pt")), weights_only=True)) == set(Head(3, 16, 2).state_dict())


def test_a_split_by_clip_is_stamped_and_one_by_speaker_is_not(folders, tones, tmp_path):
    done = run_encoder(recipe_of(folders["wav2vec2"]), tones, tmp_path, progress=listen())
    reports = {name: outcomes["wav2vec2-tiny"].report for name, outcomes in done.outcomes.items()}
    assert reports["as published"].stamps and not reports["honest"].stamps
    assert "no scaler" in reports["honest"].protocol and "no augmented copies" in reports["honest"].protocol
    assert done.experiment.models == ("wav2vec2-tiny",)


@pytest.mark.parametrize(("kind", "front"), [("wav2vec2", "feature_extractor"), ("whisper", "conv")])
def test_fine_tuning_changes_the_layers_and_not_the_front(kind, front, folders, tones, tmp_path):
    recipe = recipe_of(folders[kind], frozen=False)
    run_encoder(recipe, tones, tmp_path, protocols=["as-published"], progress=listen())
    before = load_encoder(str(folders[kind])).state_dict()
    after = torch.load(next(tmp_path.rglob("best.pt")), weights_only=True)
    changed = {name for name, value in before.items() if not torch.equal(value, after[f"encoder.{name}"])}
    assert any("layers.1" in name for name in changed)
    assert not any(f"model.{front}" in name or "mel." in name or name == "rates" for name in changed)


def test_the_encoder_learns_slower_than_its_head(folders, tones, tmp_path, monkeypatch):
    rates = []
    monkeypatch.setattr(Training, "load", lambda self, path: rates.extend(g["lr"] for g in self.optimizer.param_groups))
    place = tmp_path / "as-published" / "wav2vec2-tiny" / "fold-1"
    place.mkdir(parents=True)
    (place / "checkpoint.pt").touch()
    recipe = recipe_of(folders["wav2vec2"], frozen=False)
    run_encoder(recipe, tones, tmp_path, protocols=["as-published"], progress=listen())
    assert rates == pytest.approx([1e-2, 2e-4])


def test_clips_that_are_stretches_of_a_file_give_the_states_of_the_stretch(folders, tones, tmp_path):
    encoder = load_encoder(str(folders["hubert"]))
    first = affekt.read_corpus("ravdess", tones["ravdess"]).samples[0]
    audio = read(first.path)
    path = tmp_path / "two.wav"
    soundfile.write(path, np.concatenate([np.zeros(8_000, np.float32), audio.signal]), audio.sampling_rate)
    begin = 8_000 / audio.sampling_rate
    stretch = dataclasses.replace(first, id="ravdess/stretch", path=str(path), start=begin, end=None)
    options = {"frozen": False, "seconds": 1.0, "tick": lambda: None}
    views = load_views([first, stretch], encoder, tmp_path, **options)
    np.testing.assert_allclose(views[0], views[1], atol=2e-4)


@pytest.mark.parametrize("frozen", [True, False])
def test_an_interrupted_run_ends_as_one_that_was_not(frozen, folders, tones, tmp_path, monkeypatch):
    monkeypatch.setattr("affekt.train.lab.fit.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    recipe = recipe_of(folders["wav2vec2"], frozen=frozen, fit=Fit(epochs=3, batch=4, learning_rate=1e-2))
    ask = {"protocols": ["as-published"]}
    run_encoder(recipe, tones, tmp_path / "whole", **ask, progress=listen())
    with pytest.raises(KeyboardInterrupt):
        run_encoder(recipe, tones, tmp_path / "cut", **ask, progress=listen(interrupt_after=2))
    lines = []
    run_encoder(recipe, tones, tmp_path / "cut", **ask, progress=listen(lines))
    assert len(lines) == 1 and "epoch 3" in lines[0]
    whole, cut = (json.loads(next((tmp_path / name).rglob("answers.json")).read_text()) for name in ("whole", "cut"))
    assert whole == cut
    assert not list(tmp_path.rglob("checkpoint.pt"))


def test_clips_go_on_where_they_stopped(folders, tones, tmp_path):
    encoder = load_encoder(str(folders["hubert"]))
    samples = affekt.read_corpus("ravdess", tones["ravdess"]).samples[:6]
    options = {"frozen": True, "seconds": 1.0}
    count = []

    def tick():
        count.append(1)
        if len(count) == 3:
            raise KeyboardInterrupt

    whole = load_views(samples, encoder, tmp_path / "whole", **options, tick=lambda: None)
    with pytest.raises(KeyboardInterrupt):
        load_views(samples, encoder, tmp_path / "cut", **options, tick=tick)
    notes = next((tmp_path / "cut").glob("*.jsonl"))
    assert len(notes.read_text().splitlines()) == 3
    with notes.open("a") as file:
        file.write("[12")
    with notes.with_suffix(".bin").open("ab") as file:
        file.write(b"half a clip")
    cut = load_views(samples, encoder, tmp_path / "cut", **options, tick=lambda: None)
    assert cut.ends == whole.ends
    np.testing.assert_array_equal(cut.values, whole.values)


def test_stored_states_are_those_of_the_encoder(folders, tones, tmp_path):
    encoder = load_encoder(str(folders["whisper"]))
    sample = affekt.read_corpus("ravdess", tones["ravdess"]).samples[0]
    signals, states = (
        load_views([sample], encoder, tmp_path / str(frozen), frozen=frozen, seconds=0.7, tick=lambda: None)
        for frozen in (False, True)
    )
    assert signals[0].shape == (11_200,) and states[0].shape == (18, 3, 16)
    with torch.no_grad():
        wanted = encoder(torch.from_numpy(signals[0])[None])[0].numpy()
    np.testing.assert_allclose(states[0], wanted, atol=5e-3)


def test_clips_that_cannot_be_read_are_left_out_and_said(folders, tones, tmp_path):
    encoder = load_encoder(str(folders["hubert"]))
    good = affekt.read_corpus("ravdess", tones["ravdess"]).samples[:2]
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    bad = Sample("ravdess/broken", str(broken), "sad", "s01")
    options = {"frozen": True, "seconds": 1.0, "tick": lambda: None}
    views = load_views([good[0], bad, good[1]], encoder, tmp_path, **options)
    alone = load_views([good[1]], encoder, tmp_path, **options)
    assert views.samples == tuple(good) and "broken.wav" in views.unread[0]
    np.testing.assert_array_equal(views[1], alone[0])
    with pytest.raises(InputError, match="2 of 3 clips cannot be read"):
        load_views([bad, good[0], bad], encoder, tmp_path, **options)


def test_a_folder_of_another_recipe_or_other_weights_is_refused(folders, tones, tmp_path):
    recipe, ask = recipe_of(folders["wav2vec2"]), {"protocols": ["as-published"], "progress": listen()}
    run_encoder(recipe, tones, tmp_path / "run", **ask)
    with pytest.raises(InputError, match="another recipe"):
        run_encoder(dataclasses.replace(recipe, seed=2), tones, tmp_path / "run", **ask)
    with pytest.raises(UnknownName, match="did you mean 'honest'"):
        run_encoder(recipe, tones, tmp_path / "other", protocols=["honesty"], progress=listen())


def test_the_temperature_of_the_card_is_one_of_dev_speakers(folders, tones, tmp_path):
    """The file's scores on a test clip are the fold's answers, cooled by the card's temperature only."""
    recipe = recipe_of(folders["wav2vec2"], fit=Fit(epochs=3, batch=4, learning_rate=1e-2))
    path, _ = export_encoder(recipe, tones, tmp_path, progress=listen())
    model = open_model(path)
    answers = json.loads(next(tmp_path.rglob("fold-1/answers.json")).read_text())["scores"]
    assert model.card.temperature != 1.0
    assert model.card.scores["ravdess, honest"]["WA"][3] == len(answers)
    encoder = load_encoder(str(folders["wav2vec2"]))
    samples = affekt.read_corpus("ravdess", tones["ravdess"]).samples
    signals = load_views(samples, encoder, tmp_path / "signals", frozen=False, seconds=1.0, tick=lambda: None)
    found = np.concatenate([softmax(model.run(signals[i][None])[0]) for i in range(len(samples))])
    for row in np.array(answers):
        assert np.abs(found - row).max(axis=1).min() < 2e-3


def test_the_card_of_a_split_by_clip_shows_its_stamps(folders, tones, tmp_path):
    ask = {"protocol": "as-published", "progress": listen()}
    path, _ = export_encoder(recipe_of(folders["hubert"]), tones, tmp_path, **ask)
    card = open_model(path).card
    assert list(card.scores) == ["ravdess, as published"] and card.limits[0].startswith("Its scores are stamped")
    assert card.temperature == 1.0  # nobody is left for dev


# --- what is refused -------------------------------------------------------------------------------------------------


def changed_config(folder, tmp_path, **changes):
    copy = tmp_path / "changed"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    table = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(table | changes))
    return copy


def test_an_unknown_architecture_names_those_that_are_known(folders, tmp_path):
    copy = changed_config(folders["wav2vec2"], tmp_path, model_type="wav2vec")
    with pytest.raises(UnknownName, match="did you mean 'wav2vec2'.*hubert, wav2vec2, wavlm, whisper"):
        load_encoder(str(copy))


@pytest.mark.parametrize("name", ["no/such/folder", "nobody/nothing", "nothing", "/nowhere"])
def test_a_missing_checkpoint_says_what_to_do(name):
    with pytest.raises(InputError, match=r"no checkpoint .*config.json and model.safetensors"):
        load_encoder(name)


def test_a_pickle_is_not_read(folders, tmp_path):
    copy = changed_config(folders["wav2vec2"], tmp_path)
    weights = tiny("wav2vec2")[0].state_dict()
    (copy / "model.safetensors").unlink()
    torch.save(weights, copy / "pytorch_model.bin")
    with pytest.raises(InputError, match="no pickle is read"):
        load_encoder(str(copy))


def test_missing_weights_do_not_become_random_ones(folders, tmp_path):
    copy = changed_config(folders["wav2vec2"], tmp_path, num_hidden_layers=3)
    with pytest.raises(InputError, match=r"lacks 16 of its weights, such as encoder.layers.2"):
        load_encoder(str(copy))


def test_another_frame_rate_is_refused(folders, tmp_path):
    copy = changed_config(folders["wav2vec2"], tmp_path, conv_stride=[5, 2, 2, 2, 2, 2, 4])
    with pytest.raises(InputError, match="a frame every 640 samples at 16000 Hz; allowed: every 320"):
        load_encoder(str(copy))


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_damaged_or_missing_file_is_one_sentence(name, folders, tmp_path):
    copy = changed_config(folders["wav2vec2"], tmp_path)
    (copy / name).write_bytes(b"{")
    with pytest.raises(InputError, match="checkpoint .*changed"):
        load_encoder(str(copy))
    (copy / name).unlink()
    with pytest.raises(InputError, match="checkpoint .*changed"):
        load_encoder(str(copy))


def test_names_of_the_hub_are_looked_for_in_its_cache(folders, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert needs_download("somebody/tiny") and not needs_download(str(folders["wav2vec2"]))
    assert not needs_download("/no/such/folder") and not needs_download("./here")
    snapshot = tmp_path / "models--somebody--tiny" / "snapshots" / "0123"
    for part in tiny("hubert"):
        part.save_pretrained(snapshot)
    assert not needs_download("somebody/tiny")
    assert load_encoder("somebody/tiny").layers == 3


def test_a_download_that_fails_is_one_sentence(tmp_path):
    """In a process of its own: whether the hub may be asked is settled when its library is imported."""
    code = (
        "from affekt.train.lab.checkpoint import download_checkpoint\n"
        "from affekt.errors import InputError\n"
        "try: download_checkpoint('somebody/tiny')\n"
        "except InputError as error: print(error)\n"
    )
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=offline, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("somebody/tiny cannot be downloaded from huggingface.co: ")
    assert len(done.stdout.splitlines()) == 1


def test_every_architecture_of_the_table_is_one_of_the_library():
    assert set(checkpoints.ENCODERS) == {"wav2vec2", "hubert", "wavlm", "whisper"}
    assert all(hasattr(transformers, name) for name in checkpoints.ENCODERS.values())


def test_the_recipe_that_ships_is_whole():
    recipe = load_recipe("encoder")
    assert isinstance(recipe, EncoderRecipe)
    assert (recipe.published.metric, recipe.published.low) == ("WA", 0.82)
    assert recipe.honest.split == "speaker" and recipe.as_published.split == "clip"
    assert {"ravdess", "crema_d", "tess", "savee"} <= set(recipe.optional)
