"""Every spectral feature against librosa: noise, tones, speech, any rate, clips shorter than a window, silence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.errors import InputError
from affekt.speech import spectral
from affekt.speech.spectral import Spectra, decibels, deltas
from tests.conftest import speech_like

librosa = pytest.importorskip("librosa")
RATES = (16_000, 22_050, 48_000)
pytestmark = pytest.mark.filterwarnings("ignore:n_fft=", "ignore:Trying to estimate tuning")


def sound(seed: int, rate: int) -> np.ndarray:
    """Noise, noise with tones, tones with a little noise, or something like speech; up to a second and a half.

    Between pure tones there is nothing but the rounding errors of whoever transforms, and nothing to compare.
    """
    rng = np.random.default_rng(seed)
    samples = int(rng.integers(200, int(1.5 * rate)))
    time = np.arange(samples) / rate
    noise = 10 ** rng.uniform(-4, -0.5) * rng.standard_normal(samples)
    tones = sum(rng.uniform(0.02, 0.2) * np.sin(2 * np.pi * f * time) for f in rng.uniform(80, 3500, 4))
    kinds = (
        noise,
        noise + tones,
        tones + 1e-3 * rng.standard_normal(samples),
        0.1 * noise + speech_like(samples / 16_000, rng)[:samples],
    )
    return kinds[seed % 4].astype(np.float32)


def references(y: np.ndarray, rate: int) -> dict[str, np.ndarray]:
    """What librosa gives, by the name of our method, (t, d)."""
    feature, stft = librosa.feature, np.abs(librosa.stft(y))
    mel = feature.melspectrogram(y=y, sr=rate)
    given = {
        "magnitude": stft, "mel": mel, "log_mel": librosa.power_to_db(mel),
        "mfcc": feature.mfcc(y=y, sr=rate), "contrast": feature.spectral_contrast(y=y, sr=rate),
        "zero_crossing_rate": feature.zero_crossing_rate(y), "rms": feature.rms(y=y),
        "centroid": feature.spectral_centroid(y=y, sr=rate), "bandwidth": feature.spectral_bandwidth(y=y, sr=rate),
        "rolloff": feature.spectral_rolloff(y=y, sr=rate), "flatness": feature.spectral_flatness(y=y),
    }  # fmt: skip
    return {name: value.T for name, value in given.items()}


def assert_like_librosa(y, rate, *, octaves=7):
    spectra = Spectra(y, rate)
    for name, expected in references(y, rate).items():
        found = getattr(spectra, name)
        found = found() if callable(found) else found
        assert found.shape == expected.shape and found.dtype == np.float32, name
        if name == "rolloff":  # a threshold: rounding may move it by a bin
            assert np.abs(found - expected).max() <= 1.01 * rate / spectra.window
        else:
            atol = 2e-6 * float(np.abs(expected).max()) if name in {"magnitude", "mel"} else 2e-3
            found, expected = (found, expected) if name != "contrast" else (found[:, :octaves], expected[:, :octaves])
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=atol, err_msg=name)


@pytest.mark.parametrize("seed", range(20))
def test_features_equal_librosa(seed):
    rate = RATES[seed % 3]
    assert_like_librosa(sound(seed, rate), rate)


@pytest.mark.parametrize("rate", RATES)
def test_features_equal_librosa_on_recordings(clips, rate):
    from affekt.speech.audio import read

    for path in clips[::4]:
        # Above the resampler's cut-off, in the highest octave, the valleys are rounding errors.
        assert_like_librosa(read(path, sampling_rate=rate).signal, rate, octaves=7 if rate == 48_000 else 6)


@pytest.mark.parametrize("samples", [1, 100, 2047, 2048, 2049, 5000])
def test_silence_and_short_clips_equal_librosa(samples):
    assert_like_librosa(np.zeros(samples, np.float32), 16_000)
    click = np.zeros(samples, np.float32)
    click[samples // 3] = 0.5
    assert_like_librosa(click, 16_000)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("squared", [False, True])
def test_chroma_and_tonnetz_equal_librosa(seed, squared):
    rate = RATES[seed % 3]
    y = sound(seed, rate)
    tuning = float(np.random.default_rng(seed).uniform(-0.5, 0.5))
    given = np.abs(librosa.stft(y)) ** (1 + squared)
    expected = librosa.feature.chroma_stft(S=given, sr=rate, tuning=tuning)
    np.testing.assert_allclose(Spectra(y, rate).chroma(tuning=tuning, squared=squared), expected.T, atol=1e-4)
    if squared:
        tonnetz = librosa.feature.tonnetz(chroma=expected).T
        np.testing.assert_allclose(Spectra(y, rate).tonnetz(tuning=tuning), tonnetz, atol=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_the_tuning_of_a_spectrum_is_exactly_librosas(seed):
    rate = RATES[seed % 3]
    given = np.abs(librosa.stft(sound(seed, rate)))
    for spectrum in (given, given**2):
        found = spectral._tuning(np.ascontiguousarray(spectrum.T), rate / 2048)
        assert found == pytest.approx(librosa.estimate_tuning(S=spectrum, sr=rate), abs=1e-9)


def test_chroma_with_its_own_tuning_equals_librosa_on_recordings(clips):
    """A vote that two Fourier transforms count differently in the last digit may move the tuning in a rare clip."""
    from affekt.speech.audio import read

    same = 0
    for path in clips:
        y = read(path).signal
        expected = librosa.feature.chroma_stft(S=np.abs(librosa.stft(y)), sr=16_000).T
        same += np.allclose(Spectra(y, 16_000).chroma(), expected, atol=1e-4)
    assert same >= len(clips) - 1


@pytest.mark.parametrize("offset", [-0.4, -0.1, 0.0, 0.25])
def test_the_tuning_of_detuned_notes_is_known(offset):
    time = np.arange(32_000) / 16_000
    notes = 440 * 2 ** ((np.array([-14, -9, -5, 0, 3]) + offset) / 12)
    y = sum(np.sin(2 * np.pi * f * time) for f in notes).astype(np.float32)
    assert spectral._tuning(Spectra(y, 16_000).magnitude, 16_000 / 2048) == pytest.approx(offset, abs=0.03)


def test_chroma_of_an_a_is_the_tenth():
    y = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32)
    assert set(Spectra(y, 16_000).chroma(tuning=0.0).argmax(axis=1)) == {9}


@pytest.mark.parametrize(("window", "hop"), [(400, 160), (1024, 256), (1001, 300), (512, 512)])
def test_other_frames_equal_librosa(window, hop):
    y = sound(5, 16_000)
    spectra = Spectra(y, 16_000, window=window, hop=hop)
    stft = np.abs(librosa.stft(y, n_fft=window, hop_length=hop)).T
    np.testing.assert_allclose(spectra.magnitude, stft, atol=1e-3)
    rms = librosa.feature.rms(y=y, frame_length=window, hop_length=hop).T
    np.testing.assert_allclose(spectra.rms(), rms, rtol=1e-4)
    rate = librosa.feature.zero_crossing_rate(y, frame_length=window, hop_length=hop).T
    np.testing.assert_allclose(spectra.zero_crossing_rate(), rate, atol=1e-6)
    if window % 2 == 0:
        mel = librosa.feature.melspectrogram(y=y, sr=16_000, n_fft=window, hop_length=hop, n_mels=40).T
        np.testing.assert_allclose(spectra.mel(40), mel, rtol=1e-3, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize("bands", [1, 13, 40, 128, 200])
def test_any_number_of_mel_bands_equals_librosa(bands):
    y = sound(1, 22_050)
    expected = librosa.feature.melspectrogram(y=y, sr=22_050, n_mels=bands).T
    np.testing.assert_allclose(Spectra(y, 22_050).mel(bands), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("width", "order"), [(9, 1), (3, 1), (5, 2), (9, 2), (11, 3)])
def test_deltas_equal_librosa(width, order):
    matrix = np.random.default_rng(width).standard_normal((40, 7)).astype(np.float32)
    expected = librosa.feature.delta(matrix.T, width=width, order=order).T
    np.testing.assert_allclose(deltas(matrix, width, order=order), expected, rtol=1e-3, atol=1e-5)


@given(st.floats(-5, 5), st.floats(-50, 50), st.integers(9, 30))
@settings(max_examples=30, deadline=None)
def test_deltas_of_a_line_are_its_slope(slope, offset, frames):
    line = (slope * np.arange(frames) + offset).astype(np.float32)[:, None]
    np.testing.assert_allclose(deltas(line), slope, atol=1e-3)


@pytest.mark.parametrize("top", [80.0, 20.0, None])
def test_decibels_equal_librosa(top):
    power = np.random.default_rng(0).exponential(size=(30, 8)).astype(np.float32) ** 6
    np.testing.assert_allclose(decibels(power, top=top), librosa.power_to_db(power, top_db=top), atol=1e-3)
    found = decibels(power, reference=power.max(), top=top)
    np.testing.assert_allclose(found, librosa.power_to_db(power, ref=np.max, top_db=top), atol=1e-3)
    assert found.max() == pytest.approx(0, abs=1e-4)


@given(st.floats(0.01, 100), st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_gain_changes_levels_and_nothing_else(gain, seed):
    y = 0.1 * np.random.default_rng(seed).standard_normal(4000).astype(np.float32)
    one, two = Spectra(y, 16_000), Spectra(gain * y, 16_000)
    np.testing.assert_allclose(two.magnitude, gain * one.magnitude, rtol=1e-2, atol=gain * 1e-4)
    for name in ("centroid", "zero_crossing_rate"):
        np.testing.assert_allclose(getattr(two, name)(), getattr(one, name)(), rtol=1e-3)
    np.testing.assert_allclose(two.chroma(tuning=0.0), one.chroma(tuning=0.0), atol=1e-3)


def test_what_is_shared_cannot_be_written_to_and_the_signal_is_left_alone():
    y = sound(1, 16_000)
    before = y.copy()
    Spectra(y, 16_000).mfcc()
    np.testing.assert_array_equal(y, before)
    with pytest.raises(ValueError, match="read-only"):
        spectral._hann32(2048)[0] = 1


@pytest.mark.parametrize(
    ("signal", "options", "words"),
    [
        (np.zeros(0), {}, "at least one sample"),
        (np.zeros((10, 2)), {}, "allowed: (n,)"),
        (np.array([0.0, np.nan]), {}, "NaN"),
        (np.ones(10), {"window": 2}, "window is 2"),
        (np.ones(10), {"hop": 0}, "hop 0"),
    ],
)
def test_signals_and_frames_that_make_no_sense_are_refused(signal, options, words):
    with pytest.raises(InputError) as error:
        Spectra(signal, 16_000, **options)
    assert words in str(error.value)


def test_features_that_cannot_be_are_refused_in_words():
    with pytest.raises(InputError, match="take fewer bands"):
        Spectra(np.ones(5000), 8000).contrast()
    with pytest.raises(InputError, match="5 frames are too few"):
        deltas(np.zeros((5, 2)))
    with pytest.raises(InputError, match="width is 8"):
        deltas(np.zeros((50, 2)), 8)
    with pytest.raises(InputError, match="floor is 0"):
        decibels(np.ones((1, 1)), floor=0)
