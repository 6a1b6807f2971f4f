"""The vectors and sequences: the usual recipes as librosa's users write them, and laws of our own vector."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.errors import InputError
from affekt.speech.audio import read
from affekt.speech.functionals import SEQUENCES, VECTORS, fixed_length, voice_312
from tests.conftest import speech_like

RATE = 16_000


def recipe_180(y, rate, librosa):
    stft = np.abs(librosa.stft(y))
    parts = (
        librosa.feature.mfcc(y=y, sr=rate, n_mfcc=40),
        librosa.feature.chroma_stft(S=stft, sr=rate),
        librosa.feature.melspectrogram(y=y, sr=rate),
    )
    return np.concatenate([np.mean(part.T, axis=0) for part in parts])


def recipe_162(y, rate, librosa):
    stft = np.abs(librosa.stft(y))
    parts = (
        librosa.feature.zero_crossing_rate(y=y),
        librosa.feature.chroma_stft(S=stft, sr=rate),
        librosa.feature.mfcc(y=y, sr=rate),
        librosa.feature.rms(y=y),
        librosa.feature.melspectrogram(y=y, sr=rate),
    )
    return np.concatenate([np.mean(part.T, axis=0) for part in parts])


@pytest.mark.parametrize(("kind", "recipe"), [("usual-180", recipe_180), ("usual-162", recipe_162)])
@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_the_usual_vectors_are_those_of_librosa(clips, kind, recipe, rate):
    """The twelve chroma hang on a vote for the tuning that may fall differently in a rare clip."""
    librosa = pytest.importorskip("librosa")
    others = 0
    chroma = slice(40, 52) if kind == "usual-180" else slice(1, 13)
    for path in clips[:6]:
        y = read(path, sampling_rate=rate).signal
        found, expected = VECTORS[kind](y, rate), recipe(y, rate, librosa)
        others += not np.allclose(found[chroma], expected[chroma], atol=1e-4)
        found[chroma] = expected[chroma]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-3)
    assert others <= 1


@pytest.mark.parametrize("count", [20, 40])
def test_the_mfcc_means_are_those_of_librosa(clips, count):
    librosa = pytest.importorskip("librosa")
    y = read(clips[0]).signal
    expected = librosa.feature.mfcc(y=y, sr=RATE, n_mfcc=count)
    np.testing.assert_allclose(VECTORS[f"mfcc-{count}-mean"](y, RATE), expected.mean(axis=1), atol=2e-3)


def test_the_sequences_are_those_of_librosa(clips):
    librosa = pytest.importorskip("librosa")
    y = read(clips[0]).signal
    mfcc = librosa.feature.mfcc(y=y, sr=RATE, n_mfcc=40)
    delta = librosa.feature.delta
    np.testing.assert_allclose(SEQUENCES["mfcc-40"](y, RATE), mfcc.T, atol=2e-3)
    expected = np.concatenate([mfcc, delta(mfcc), delta(mfcc, order=2)]).T
    np.testing.assert_allclose(SEQUENCES["mfcc-deltas-120"](y, RATE), expected, atol=2e-3)
    mel = librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=RATE))
    np.testing.assert_allclose(SEQUENCES["log-mel-128"](y, RATE), mel.T, atol=2e-3)


LENGTHS = {
    "usual-180": 180, "usual-162": 162, "mfcc-20-mean": 20, "mfcc-40-mean": 40, "mfcc-chroma-contrast": 59,
    "voice-312": 312,
}  # fmt: skip


def test_every_vector_has_its_length_here():
    assert set(LENGTHS) == set(VECTORS)


@pytest.mark.parametrize("kind", VECTORS)
@given(samples=st.integers(1, 6000), seed=st.integers(0, 99), rate=st.sampled_from([16_000, 22_050, 48_000]))
@settings(max_examples=15, deadline=None)
def test_vectors_are_finite_and_of_one_length_for_any_signal(kind, samples, seed, rate):
    rng = np.random.default_rng(seed)
    signal = (rng.standard_normal(samples) * rng.choice([0, 1e-6, 0.1, 1])).astype(np.float32)
    found = VECTORS[kind](signal, rate)
    assert found.shape == (LENGTHS[kind],)
    assert found.dtype == np.float32 and np.isfinite(found).all()


def test_names_say_the_length_of_a_frame(clips):
    y = read(clips[0]).signal
    for kind, make in SEQUENCES.items():
        assert make(y, RATE).shape == (len(y) // 512 + 1, int(kind.rsplit("-", 1)[1]))


def test_our_vector_hears_pitch_and_length():
    y = speech_like(2.0, np.random.default_rng(0))
    found = voice_312(y, RATE)
    semitones = 12 * np.log2(120 / 27.5)
    assert found[300] == pytest.approx(semitones, abs=2) and found[303] == pytest.approx(semitones, abs=4)
    assert 0.2 < found[306] < 0.8  # half of it is pauses
    assert found[311] == pytest.approx(2.0)


def test_our_vector_does_not_depend_on_gain_but_for_the_first_coefficient(clips):
    y = read(clips[3]).signal
    one, two = voice_312(y, RATE), voice_312(y / 4, RATE)
    level = [0, 120, 180, 240]
    keep = np.setdiff1d(np.arange(312), level)
    np.testing.assert_allclose(one[keep], two[keep], atol=0.05, rtol=1e-3)
    np.testing.assert_allclose((one - two)[level], 20 * np.log10(4) * np.sqrt(128), atol=0.5)


@given(frames=st.integers(1, 40), length=st.integers(1, 40))
def test_a_fixed_length_keeps_what_fits_and_fills_with_the_lowest(frames, length):
    given_ = np.random.default_rng(frames).standard_normal((frames, 3))
    found = fixed_length(given_, length)
    kept = min(frames, length)
    assert found.shape == (length, 3)
    np.testing.assert_array_equal(found[:kept], given_[:kept])
    np.testing.assert_array_equal(found[kept:], np.tile(given_.min(axis=0), (length - kept, 1)))


def test_no_frames_and_no_length_are_refused():
    with pytest.raises(InputError, match="0 frames to 5"):
        fixed_length(np.zeros((0, 3)), 5)
    with pytest.raises(InputError, match="3 frames to 0"):
        fixed_length(np.zeros((3, 3)), 0)
