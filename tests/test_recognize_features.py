"""Features as tables: values, names, stretches, channels, the cache, embeddings, files."""

import io

import numpy as np
import pytest

import affekt
from affekt.errors import AudioError, InputError, MissingExtra, UnknownName
from affekt.recognize.features import FeatureOptions, FeatureReader, features
from affekt.recognize.recognizer import Recognizer
from affekt.speech.audio import read
from affekt.speech.feature_columns import SETS, hop_times
from affekt.speech.functionals import usual_162, usual_180
from affekt.types import Sample
from affekt.write.features import WRITERS, joined
from tests.conftest import speech_like

KNOWN = [name for name in SETS if name != "egemaps"]


@pytest.fixture(scope="module")
def signal():
    return speech_like(2.0, np.random.default_rng(0))


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("frames", [False, True])
def test_every_column_has_a_name_of_its_own(name, frames, signal):
    chosen = SETS[name]
    if (chosen.frames if frames else chosen.clip) is None:
        with pytest.raises(InputError, match="whole clips" if frames else "frame-wise"):
            features((signal, 16_000), name, frames=frames)
        return
    table = features((signal, 16_000), name, frames=frames)
    assert table.values.shape[1] == len(set(table.columns)) == len(table.columns)
    assert np.isfinite(table.values).all() and table.values.dtype == np.float32


def test_values_are_those_of_the_functions_that_models_are_trained_on(signal):
    for name, function in (("usual-180", usual_180), ("usual-162", usual_162)):
        table = features((signal, 16_000), name, sampling_rate=16_000)
        assert np.array_equal(table.values[0], function(signal, 16_000))


@pytest.mark.parametrize("name", ["usual-180", "usual-162", "mfcc", "mfcc-chroma-contrast"])
def test_a_clip_is_the_mean_of_its_frames_and_its_names_say_so(name, signal):
    clip, frames = features((signal, 16_000), name), features((signal, 16_000), name, frames=True)
    np.testing.assert_allclose(frames.values.mean(axis=0), clip.values[0], rtol=1e-4, atol=1e-4)
    assert clip.columns == tuple(f"{column}_mean" for column in frames.columns)


def test_columns_are_what_librosa_computes_under_these_names(signal):
    librosa = pytest.importorskip("librosa")
    table = features((signal, 16_000), "usual-180", frames=True, sampling_rate=16_000)
    column = {name: table.values[:, i] for i, name in enumerate(table.columns)}
    mfcc = librosa.feature.mfcc(y=signal, sr=16_000, n_mfcc=40)
    np.testing.assert_allclose(column["mfcc_3"], mfcc[3], atol=0.05)
    chroma = librosa.feature.chroma_stft(S=np.abs(librosa.stft(signal)), sr=16_000)
    np.testing.assert_allclose(column["chroma_A"], chroma[9], atol=0.01)
    mel = librosa.feature.melspectrogram(y=signal, sr=16_000)
    np.testing.assert_allclose(column["mel_17"], mel[17], rtol=1e-3, atol=1e-6)


def test_a_set_may_be_called_as_cards_call_it_and_means_what_they_mean(signal):
    per_clip = features((signal, 16_000), "mfcc-40-mean")
    assert per_clip.columns == features((signal, 16_000), "mfcc").columns
    frames = features((signal, 16_000), "mfcc-40", frames=True)
    np.testing.assert_array_equal(frames.values, features((signal, 16_000), "mfcc", frames=True).values)
    with pytest.raises(InputError, match="mfcc-40 is frame-wise; ask for frames"):
        features((signal, 16_000), "mfcc-40")
    with pytest.raises(InputError, match="mfcc-40-mean is of whole clips"):
        features((signal, 16_000), "mfcc-40-mean", frames=True)


def test_frames_are_512_samples_apart(signal):
    table = features((signal, 16_000), "mfcc", frames=True, sampling_rate=16_000)
    assert np.array_equal(np.column_stack([table.start, table.end]), hop_times(len(table), 16_000))
    assert len(table) == len(signal) // 512 + 1


def test_a_sample_is_its_stretch_with_the_times_of_its_recording(clips):
    sample = Sample("c/a", str(clips[0]), "neutral", "23", start=1.0, end=2.5)
    table = features([sample], "mfcc", sampling_rate=16_000)
    whole = read(clips[0]).signal[16_000:40_000]
    assert np.array_equal(table.values, features((whole, 16_000), "mfcc", sampling_rate=16_000).values)
    assert (table.start[0], table.end[0]) == (1.0, 2.5)
    assert table.facts == {"id": ("c/a",), "label": ("neutral",), "speaker": ("23",)}


def test_several_sets_stand_side_by_side_under_their_names(signal):
    table = features((signal, 16_000), ["mfcc", "voice-312"])
    assert table.values.shape == (1, 40 + 312)
    assert table.columns[0] == "mfcc/mfcc_0_mean" and table.columns[40] == "voice-312/mfcc_0_mean"


def test_each_channel_is_a_row(signal):
    table = features((np.column_stack([signal, 0.5 * signal]), 16_000), "mfcc", channel="each")
    assert table.facts["channel"] == ("left", "right")
    assert table.values[0, 0] > table.values[1, 0]
    left = features((np.column_stack([signal, 0.5 * signal]), 16_000), "mfcc", channel="left")
    assert np.array_equal(left.values[0], table.values[0])


def test_an_embedding_is_what_the_speaker_baseline_is_made_of(clips):
    recognizer = Recognizer("voice-small")
    table = features(str(clips[0]), "embedding", model="voice-small")
    assert table.values.shape == (1, recognizer.card.baseline)
    np.testing.assert_allclose(table.values[0], recognizer.accumulate(str(clips[0])).mean, rtol=1e-5, atol=1e-6)


def test_windows_of_an_embedding_are_those_of_the_graph(clips):
    table = features(str(clips[0]), "embedding", frames=True, model="voice-small")
    network = Recognizer("voice-small").network
    start, end = round(16_000 * table.start[0]), round(16_000 * table.end[-1])
    outputs = network.run(read(clips[0]).signal[None, start:end])
    np.testing.assert_allclose(table.values, outputs[2][0, : len(table)], rtol=1e-4, atol=1e-4)
    assert (np.diff(table.start) > 0).all() and (table.end > table.start).all()


def test_a_recording_without_speech_has_no_embedding_and_that_is_said():
    silence = (np.zeros(16_000, np.float32), 16_000)
    table = features(silence, "embedding", model="voice-small")
    assert np.isnan(table.values).all() and "no speech" in table.notes[0]
    assert len(features(silence, "embedding", model="voice-small", frames=True)) == 0


def test_a_model_without_embeddings_is_refused():
    with pytest.raises(InputError, match="no embeddings"):
        FeatureReader(FeatureOptions(("embedding",), model="face"))


def test_the_cache_is_read_and_depends_on_all_that_values_depend_on(clips, tmp_path):
    first = features(str(clips[0]), "mfcc", cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    with np.load(kept) as stored:
        arrays = dict(stored)
    np.savez(kept, **{**arrays, "values": arrays["values"] + 1})
    assert np.array_equal(features(str(clips[0]), "mfcc", cache=tmp_path).values, first.values + 1)
    for changes in ({"frames": True}, {"sampling_rate": 16_000}, {"channel": "left"}):
        features(str(clips[0]), "mfcc", cache=tmp_path, **changes)
    features(Sample("a/b", str(clips[0]), end=1.0), "mfcc", cache=tmp_path)
    features(str(clips[1]), "mfcc", cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04"])
def test_a_broken_cache_file_is_made_again(content, clips, tmp_path):
    first = features(str(clips[0]), "mfcc", cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(content)
    assert np.array_equal(features(str(clips[0]), "mfcc", cache=tmp_path).values, first.values)


def test_what_cannot_be_computed_names_the_recording(tmp_path):
    with pytest.raises(AudioError, match=r"nothing\.wav"):
        features(str(tmp_path / "nothing.wav"))
    with pytest.raises(AudioError, match="holds no samples"):
        features((np.zeros(0, np.float32), 16_000))
    with pytest.raises(AudioError, match="array: 3 frames are too few"):
        features((np.zeros(1_000, np.float32), 16_000), "mfcc-deltas-120", frames=True)


def test_a_recording_too_long_for_memory_says_what_to_do(monkeypatch):
    monkeypatch.setattr("affekt.recognize.features.LONGEST", 1.0)
    with pytest.raises(AudioError, match="give a stretch of it, or the set embedding"):
        features((np.zeros(32_000, np.float32), 16_000))


def test_sets_and_options_that_do_not_exist_are_refused(signal):
    for given, error in {
        ("usual-181",): "did you mean 'usual-180'",
        (): "give each once",
        ("mfcc", "mfcc"): "give each once",
        ("all", "mfcc"): "all alone",
    }.items():
        with pytest.raises(InputError, match=error):
            features((signal, 16_000), given)
    with pytest.raises(UnknownName, match="did you mean 'frames'"):
        features((signal, 16_000), frame=True)
    with pytest.raises(InputError, match="frames of its own"):
        features((signal, 16_000), "all", frames=True)
    with pytest.raises(InputError, match="at least one"):
        features([])


def test_all_leaves_out_what_is_not_installed_and_says_so(signal):
    try:
        import opensmile  # noqa: F401
    except ImportError:
        table = affekt.features((signal, 16_000), "all", model="voice-small")
        assert table.notes[0].startswith("egemaps is left out")
        with pytest.raises(MissingExtra, match=r"'.\[egemaps\]"):
            affekt.features((signal, 16_000), "egemaps")
    else:
        assert affekt.features((signal, 16_000), "egemaps").values.shape == (1, 88)


def test_files_hold_the_same_table(signal, clips):
    pandas = pytest.importorskip("pandas")
    table = joined([features(str(path), "mfcc") for path in clips[:2]])
    files = {name: io.BytesIO() for name in WRITERS}
    for name, file in files.items():
        WRITERS[name](table, file)
        file.seek(0)
    from_csv = pandas.read_csv(files["csv"], dtype=dict.fromkeys(table.columns, np.float32))
    for frame in (from_csv, pandas.read_parquet(files["parquet"]), table.to_frame()):
        assert list(frame.columns) == ["path", "start", "end", *table.columns]
        assert np.array_equal(frame[list(table.columns)].to_numpy(np.float32), table.values)
        assert frame["path"].tolist() == [str(path) for path in clips[:2]]
    with np.load(files["npz"], allow_pickle=False) as arrays:
        assert np.array_equal(arrays["values"], table.values)
        assert arrays["columns"].tolist() == list(table.columns)


def test_nothing_is_an_empty_cell_of_csv():
    table = features((np.zeros(16_000, np.float32), 16_000), "embedding", model="voice-small")
    file = io.BytesIO()
    WRITERS["csv"](table, file)
    assert file.getvalue().decode().splitlines()[1].startswith("array,0.0,1.0,,,")


def test_tables_of_other_columns_are_not_joined(signal):
    one, other = (features((signal, 16_000), name) for name in ("mfcc", "voice-312"))
    with pytest.raises(InputError, match="same columns"):
        joined([one, other])
