"""Cleaning: noise goes down, silence goes, loudness is what was asked for; nothing else happens."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.errors import InputError, UnknownName
from affekt.speech.audio import read
from affekt.speech.augment import add_noise
from affekt.speech.clean import CLEANING, clean, denoise, loudness, pre_emphasise, trim

NEEDS = {"denoise": "noisereduce", "loudness": "pyloudnorm"}


def ratio(reference, signal):
    """Signal-to-noise ratio in dB, against the clean reference."""
    return 10 * np.log10(np.sum(reference**2) / np.sum((signal - reference) ** 2))


@pytest.mark.parametrize("sampling_rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("stationary", [True, False])
def test_noise_reduction_raises_the_ratio_on_speech(clips, stationary, sampling_rate):
    pytest.importorskip("noisereduce")
    for number, path in enumerate(clips[:2]):
        reference = read(path, sampling_rate=sampling_rate).signal
        noise = np.random.default_rng(number).standard_normal(len(reference)).astype(np.float32)
        cleaned = denoise(add_noise(reference, noise, 5.0), sampling_rate, stationary=stationary)
        assert len(cleaned) == len(reference)
        assert ratio(reference, cleaned) > 5 + (4.5 if stationary else 3.5)


def test_half_the_amount_is_half_way(clips):
    pytest.importorskip("noisereduce")
    signal = read(clips[0]).signal
    none, half, all_ = (denoise(signal, 16_000, amount=amount) for amount in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(none, signal, atol=1e-5)
    np.testing.assert_allclose(half, (none + all_) / 2, atol=1e-5)


@pytest.mark.parametrize("window", [(2048, 512), (400, 160), (1000, 333), (2049, 512)])
def test_trimming_is_that_of_librosa_on_real_clips(clips, window):
    effects = pytest.importorskip("librosa").effects
    cut = 0
    for path in clips:
        for sampling_rate in (16_000,) if window[1] < 512 else (16_000, 48_000):
            signal = read(path, sampling_rate=sampling_rate).signal
            for below in (20, 30, 60):
                expected, _ = effects.trim(signal, top_db=below, frame_length=window[0], hop_length=window[1])
                found = trim(signal, sampling_rate, below=below, window=window[0], hop=window[1])
                np.testing.assert_array_equal(found, expected)
                cut += len(found) < len(signal)
    assert cut > 12


@given(st.integers(0, 1 << 30), st.integers(1, 6000), st.integers(0, 6000), st.integers(0, 6000), st.floats(1.0, 80.0))
@settings(max_examples=60, deadline=None)
def test_trimming_is_that_of_librosa_on_bursts(seed, burst, before, after, below):
    effects = pytest.importorskip("librosa").effects
    rng = np.random.default_rng(seed)
    sound, floor = rng.standard_normal(burst), rng.standard_normal(before + burst + after) * 1e-3
    signal = (np.pad(sound, (before, after)) + floor).astype(np.float32)
    expected, _ = effects.trim(signal, top_db=below)
    np.testing.assert_array_equal(trim(signal, 16_000, below=below), expected)


def test_trimming_leaves_uniform_signals_and_what_is_within():
    rng = np.random.default_rng(0)
    silence, noise = np.zeros(20_000, np.float32), rng.standard_normal(16_000).astype(np.float32)
    np.testing.assert_array_equal(trim(silence, 16_000), silence)
    np.testing.assert_array_equal(trim(noise, 16_000), noise)
    np.testing.assert_array_equal(trim(np.concatenate([noise, silence, noise]), 16_000)[:36_000], [*noise, *silence])


@pytest.mark.parametrize("sampling_rate", [8_000, 48_000])
def test_a_margin_is_kept_in_seconds_where_there_is_one(sampling_rate):
    burst = np.ones(sampling_rate, np.float32)
    signal = np.pad(burst, (sampling_rate, sampling_rate // 50))
    bare, wide = trim(signal, sampling_rate), trim(signal, sampling_rate, margin=0.25)
    assert np.argmax(wide) - np.argmax(bare) == sampling_rate // 4
    np.testing.assert_array_equal(wide[::-1][: sampling_rate // 50], np.zeros(sampling_rate // 50))
    np.testing.assert_array_equal(trim(signal, sampling_rate, margin=9.0), signal)


@pytest.mark.parametrize("sampling_rate", [16_000, 48_000])
@pytest.mark.parametrize("target", [-30.0, -23.0])
def test_loudness_reaches_its_target(clips, target, sampling_rate):
    meter = pytest.importorskip("pyloudnorm").Meter(sampling_rate)
    for path in clips[:6]:
        levelled = loudness(read(path, sampling_rate=sampling_rate).signal, sampling_rate, target=target)
        if np.abs(levelled).max() < 0.999:
            assert meter.integrated_loudness(levelled.astype(float)) == pytest.approx(target, abs=0.1)
        else:
            assert meter.integrated_loudness(levelled.astype(float)) < target


@pytest.mark.parametrize("sampling_rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("level", [0.001, 0.5])
def test_a_sine_at_997_hertz_has_the_loudness_of_the_standard(level, sampling_rate):
    pytest.importorskip("pyloudnorm")
    sine = np.sin(2 * np.pi * 997 * np.arange(2 * sampling_rate) / sampling_rate).astype(np.float32)
    # BS.1770-4: 0 dB full scale in one channel reads -3.01.
    expected = 10 ** ((-23 + 3.01) / 20)
    assert 20 * np.log10(loudness(level * sine, sampling_rate).max() / expected) == pytest.approx(0, abs=0.1)


def test_loudness_stops_where_the_peak_would_pass_full_scale():
    pytest.importorskip("pyloudnorm")
    signal = 0.01 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    signal[8000] = 0.5
    levelled = loudness(signal, 16_000, target=-10)
    assert levelled.max() == pytest.approx(1, abs=1e-6) and levelled.max() <= 1
    np.testing.assert_allclose(levelled, 2 * signal, atol=1e-6)  # as a whole: nothing is cut off
    assert np.abs(loudness(100 * signal, 16_000, target=-0.0)).max() <= 1


def test_a_clip_shorter_than_a_block_is_measured_as_if_it_repeated():
    pytest.importorskip("pyloudnorm")
    sine = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    for samples in (1600, 6399, 6400):
        short, long = loudness(sine[:samples], 16_000), loudness(sine, 16_000)
        assert len(short) == samples
        np.testing.assert_allclose(20 * np.log10(short.max() / long.max()), 0, atol=0.2)


def test_what_is_silent_to_the_standard_comes_back_as_it_is():
    pytest.importorskip("pyloudnorm")
    hiss = 1e-5 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    np.testing.assert_array_equal(loudness(hiss, 16_000), hiss)


@pytest.mark.parametrize("coefficient", [0.0, 0.97, 1.0])
def test_pre_emphasis_is_the_filter_it_says(coefficient):
    lfilter = pytest.importorskip("scipy.signal").lfilter
    signal = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    expected = lfilter([1, -coefficient], [1], signal)
    np.testing.assert_allclose(pre_emphasise(signal, 16_000, coefficient=coefficient), expected, atol=1e-6)


@pytest.mark.parametrize("sampling_rate", [8_000, 22_050, 48_000])
@pytest.mark.parametrize("name", CLEANING)
def test_every_step_gives_finite_float32_and_leaves_its_input(name, sampling_rate):
    pytest.importorskip(NEEDS.get(name, "numpy"))
    rng = np.random.default_rng(0)
    holes = np.concatenate([rng.standard_normal(sampling_rate), np.zeros(3 * sampling_rate), rng.standard_normal(50)])
    for signal in (holes, holes[:1], holes[:100], holes[:1999], np.zeros(0), np.zeros(30_000), 1e-30 * holes):
        signal = signal.astype(np.float32)
        before = signal.copy()
        cleaned = CLEANING[name](signal, sampling_rate)
        assert cleaned.dtype == np.float32 and np.isfinite(cleaned).all()
        assert not np.shares_memory(cleaned, signal)
        assert name == "trim" or len(cleaned) == len(signal)
        assert signal.any() or not cleaned.any()
        np.testing.assert_array_equal(signal, before)


def test_noise_that_follows_keeps_finite_with_digital_silence(clips):
    pytest.importorskip("noisereduce")
    signal = np.concatenate([np.zeros(30_000, np.float32), read(clips[0]).signal, np.zeros(80_000, np.float32)])
    assert np.isfinite(denoise(signal, 16_000, stationary=False)).all()
    np.testing.assert_array_equal(denoise(signal[:16_000] * 0, 16_000, stationary=False), np.zeros(16_000))


def test_steps_by_name_are_applied_in_their_order(clips):
    pytest.importorskip("pyloudnorm")
    signal = read(clips[0]).signal
    one = clean(signal, 16_000, {"trim": {"below": 30}, "loudness": {"target": -30}})
    np.testing.assert_array_equal(one, loudness(trim(signal, 16_000, below=30), 16_000, target=-30))
    other = clean(signal, 16_000, {"loudness": {"target": -30}, "trim": {"below": 30}})
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(clean(signal, 16_000, {}), signal)


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ({"trimm": {}}, "unknown cleaning step 'trimm': did you mean 'trim'?"),
        ({"trim": {"bellow": 3}}, "unknown option of trim 'bellow': did you mean 'below'?"),
        ({"trim": {"below": 0}}, "trim: below is 0 dB"),
        ({"trim": {"margin": -1}}, "margin -1 s"),
        ({"denoise": {"amount": 2}}, "denoise: amount is 2; allowed: 0 to 1."),
        ({"loudness": {"target": 3}}, "loudness: target is 3; allowed: -70 to 0 LUFS."),
        ({"pre-emphasis": {"coefficient": float("nan")}}, "pre-emphasis: coefficient is nan"),
    ],
)
def test_what_makes_no_sense_is_refused(steps, sentence):
    with pytest.raises(InputError) as raised:
        clean(np.ones(4000, np.float32), 16_000, steps)
    assert sentence in str(raised.value)
    assert isinstance(raised.value, UnknownName) == sentence.startswith("unknown")


@pytest.mark.parametrize("name", CLEANING)
def test_two_channels_are_refused(name):
    with pytest.raises(InputError, match=r"shape \(2, 9000\); give one channel"):
        CLEANING[name](np.ones((2, 9000), np.float32), 16_000)
