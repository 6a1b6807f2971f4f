"""Features of many samples: the cache gives what was computed, and only that."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from affekt.errors import AudioError, InputError, MissingExtra, UnknownName
from affekt.speech.audio import read
from affekt.speech.feature_sets import KINDS, feature_of, features_of
from affekt.speech.functionals import VECTORS
from affekt.types import Sample


@pytest.fixture
def samples(clips):
    return [Sample(f"ravdess/{path.stem}", str(path)) for path in clips[:3]]


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_vectors_are_rows_and_sequences_a_list(samples):
    ticks: list[int] = []
    rows = features_of(samples, "mfcc-20-mean", tick=lambda: ticks.append(1))
    assert rows.shape == (3, 20) and len(ticks) == 3
    np.testing.assert_array_equal(rows[1], VECTORS["mfcc-20-mean"](read(samples[1].path).signal, 16_000))
    sequences = features_of(samples, "mfcc-40")
    assert isinstance(sequences, list) and [part.shape[1] for part in sequences] == [40] * 3


def test_the_cache_gives_the_same_and_makes_it_once(samples, tmp_path):
    first = features_of(samples, "usual-180", cache=tmp_path / "new" / "cache")
    stored = files(tmp_path / "new" / "cache")
    stamps = [path.stat().st_mtime_ns for path in stored]
    second = features_of(samples, "usual-180", cache=tmp_path / "new" / "cache")
    np.testing.assert_array_equal(first, second)
    assert len(stored) == 3 and stamps == [path.stat().st_mtime_ns for path in stored]


def test_the_cache_is_read_not_computed(samples, tmp_path):
    features_of(samples[:1], "mfcc-20-mean", cache=tmp_path)
    np.save(files(tmp_path)[0], np.full(20, 7, np.float32))
    assert features_of(samples[:1], "mfcc-20-mean", cache=tmp_path)[0, 0] == 7


def test_another_kind_rate_stretch_or_content_is_another_entry(samples, tmp_path):
    one = samples[0]
    for sample, kind, rate in (
        (one, "mfcc-20-mean", None), (one, "mfcc-40-mean", None), (one, "mfcc-20-mean", 22_050),
        (replace(one, start=0.5), "mfcc-20-mean", None), (replace(one, end=2.0), "mfcc-20-mean", None),
        (samples[1], "mfcc-20-mean", None),
    ):  # fmt: skip
        before = len(files(tmp_path))
        feature_of(sample, kind, cache=tmp_path, sampling_rate=rate)
        assert len(files(tmp_path)) == before + 1


def test_a_recording_that_moved_is_found_again(samples, tmp_path):
    feature_of(samples[0], "mfcc-20-mean", cache=tmp_path / "cache")
    moved = tmp_path / "moved.wav"
    shutil.copy(samples[0].path, moved)
    feature_of(replace(samples[0], id="other/name", path=str(moved)), "mfcc-20-mean", cache=tmp_path / "cache")
    assert len(files(tmp_path / "cache")) == 1


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"not numpy at all"])
def test_a_broken_cache_file_is_made_again(samples, tmp_path, content):
    expected = feature_of(samples[0], "mfcc-20-mean", cache=tmp_path)
    path = files(tmp_path)[0]
    for broken in (content, path.read_bytes()[:-5]):
        path.write_bytes(broken)
        np.testing.assert_array_equal(feature_of(samples[0], "mfcc-20-mean", cache=tmp_path), expected)
        np.testing.assert_array_equal(np.load(path), expected)


def test_a_pickle_in_the_cache_is_not_opened(samples, tmp_path):
    expected = feature_of(samples[0], "mfcc-20-mean", cache=tmp_path)
    np.save(files(tmp_path)[0], np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.testing.assert_array_equal(feature_of(samples[0], "mfcc-20-mean", cache=tmp_path), expected)


def test_a_stretch_is_cut_out(samples):
    whole = read(samples[0].path).signal
    found = feature_of(replace(samples[0], start=0.5, end=1.5), "mfcc-20-mean")
    np.testing.assert_array_equal(found, VECTORS["mfcc-20-mean"](whole[8000:24_000], 16_000))


@pytest.mark.parametrize("cached", [False, True])
def test_what_cannot_be_read_is_named(samples, tmp_path, cached):
    cache = tmp_path / "cache" if cached else None
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"this is no sound")
    for path in (broken, tmp_path / "missing.wav"):
        with pytest.raises(AudioError, match=path.name):
            features_of([samples[0], Sample("x/y", str(path))], "mfcc-20-mean", cache=cache)
    with pytest.raises(AudioError, match="starts, at 99 s"):
        feature_of(replace(samples[0], start=99.0), "mfcc-20-mean", cache=cache)


def test_a_kind_that_does_not_exist_is_refused_with_the_near_match(samples):
    with pytest.raises(UnknownName, match="did you mean 'usual-180'"):
        features_of(samples, "usual-18")


def test_a_cache_that_is_a_file_is_refused(samples, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="name a folder"):
        features_of(samples, "mfcc-20-mean", cache=tmp_path / "file")


def test_egemaps_are_88_or_say_what_to_install(samples):
    try:
        import opensmile  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtra, match=r"'.\[egemaps\]"):
            features_of(samples, "egemaps")
    else:
        assert features_of(samples, "egemaps").shape == (3, 88)
    assert "commercial" in KINDS["egemaps"].__doc__


def test_egemaps_are_those_of_opensmile(clips):
    opensmile = pytest.importorskip("opensmile")
    from affekt.speech.audio import read
    from affekt.speech.feature_columns import SETS

    audio = read(clips[0])
    for frames, level in ((False, "Functionals"), (True, "LowLevelDescriptors")):
        direct = opensmile.Smile(
            feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=getattr(opensmile.FeatureLevel, level)
        ).process_signal(audio.signal, audio.sampling_rate)
        found = SETS["egemaps"]
        values = found.frames(audio.signal, 16_000)[0] if frames else found.clip(audio.signal, 16_000)[None]
        assert values.tolist() == direct.to_numpy(np.float32).tolist()
        assert found.names(frames) == tuple(direct.columns)


def test_a_clip_too_short_for_egemaps_is_refused_and_not_nan():
    pytest.importorskip("opensmile")
    assert np.isfinite(KINDS["egemaps"](np.zeros(960, np.float32), 16_000)).all()
    with pytest.raises(InputError, match=r"0\.059 s are too short for eGeMAPS, whose windows have 0\.06 s"):
        KINDS["egemaps"](np.zeros(950, np.float32), 16_000)
