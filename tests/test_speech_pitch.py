"""The voice source against what is known of synthetic pulses, and the pitch of recordings against librosa."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.errors import InputError
from affekt.speech.audio import read
from affekt.speech.pitch import PitchTrack, f0

RATES = (8000, 16_000, 22_050, 48_000)


def pulses(hertz, rate, rng=None, *, jitter=0.0, shimmer=0.0, seconds=1.5):
    """A train of bell-shaped pulses; its signal, when they are, and how high."""
    rng = rng or np.random.default_rng(0)
    count = int((seconds - 0.06) * hertz)
    periods = (1 + jitter * rng.uniform(-1, 1, count)) / hertz
    times = 0.02 + np.cumsum(periods)
    heights = 1 + shimmer * rng.uniform(-1, 1, count)
    signal = np.zeros(int(seconds * rate))
    for time, height in zip(times, heights, strict=True):
        near = np.arange(int((time - 0.003) * rate), min(len(signal), int((time + 0.003) * rate)))
        signal[near] += height * np.exp(-(((near / rate - time) / 0.0004) ** 2))
    return signal.astype(np.float32), times, heights


def variation(values):
    return np.abs(np.diff(values)).mean() / values.mean()


def harmonics(hertz, rate, seconds=1.0):
    """Equally strong harmonics below 3.5 kHz, with power 1."""
    time = np.arange(int(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * hertz * k * time + k * k) for k in range(1, int(3500 / hertz)))
    return wave / wave.std()


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("hertz", [70, 120, 210, 333, 480])
def test_the_pitch_of_pulses_is_known_within_a_percent(hertz, rate):
    found = f0(pulses(hertz, rate)[0], rate)
    inside = found[10:-10]
    assert len(found) == 151
    np.testing.assert_allclose(inside, hertz, rtol=0.01)


@pytest.mark.parametrize("rate", RATES)
@given(hertz=st.floats(70, 480))
@settings(max_examples=5, deadline=None)
def test_any_pitch_is_found_within_half_a_percent(rate, hertz):
    assert np.nanmedian(f0(harmonics(hertz, rate, 0.5).astype(np.float32), rate)) == pytest.approx(hertz, rel=0.005)


def test_a_glide_is_followed():
    time = np.arange(32_000) / 16_000
    pitch = 220 * 2 ** (0.3 * np.sin(2 * np.pi * 3 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    signal = sum(np.sin(k * phase) / k for k in range(1, 12)) + 0.01 * np.random.default_rng(0).standard_normal(32_000)
    found = f0(signal, 16_000)[:-1]
    assert np.mean(np.abs(found / pitch[::160] - 1) < 0.05) > 0.98


@pytest.mark.parametrize("seed", range(5))
def test_noise_and_silence_have_no_pitch(seed):
    noise = 0.1 * np.random.default_rng(seed).standard_normal(16_000)
    assert np.mean(np.isnan(f0(noise, 16_000))) > 0.95
    assert np.isnan(f0(np.zeros(16_000), 16_000)).all()
    quiet = PitchTrack(np.zeros(4000, np.float32), 16_000)
    assert np.isnan(quiet.jitter) and np.isnan(quiet.shimmer) and np.isnan(quiet.harmonicity).all()
    assert quiet.pulses == []


def test_pauses_have_no_pitch_and_speech_has():
    signal = np.concatenate([np.zeros(8000), harmonics(150, 16_000), np.zeros(8000)])
    voiced = ~np.isnan(f0(signal, 16_000))
    assert not voiced[:46].any() and voiced[53:147].all() and not voiced[154:].any()


@pytest.mark.parametrize("rate", RATES[1:])
@pytest.mark.parametrize("hertz", [90, 150, 300])
@pytest.mark.parametrize(("jitter", "shimmer"), [(0.0, 0.0), (0.01, 0.0), (0.02, 0.05), (0.0, 0.1)])
def test_jitter_and_shimmer_are_those_that_were_put_in(rate, hertz, jitter, shimmer):
    """Within a tenth of them, or 0.0003 and 0.003."""
    signal, times, heights = pulses(hertz, rate, np.random.default_rng(hertz), jitter=jitter, shimmer=shimmer)
    voice = PitchTrack(signal, rate)
    assert voice.jitter == pytest.approx(variation(np.diff(times)), rel=0.1, abs=3e-4)
    assert voice.shimmer == pytest.approx(variation(heights), rel=0.1, abs=3e-3)


def test_the_pulses_are_where_they_were_put():
    signal, times, _ = pulses(120, 16_000, jitter=0.02)
    (found,) = PitchTrack(signal, 16_000).pulses
    nearest = np.abs(found[:, None] - times).min(axis=1)
    assert len(found) >= len(times) - 4 and nearest.max() < 1e-4


@pytest.mark.parametrize("hertz", [100, 200])
@pytest.mark.parametrize("decibels", [0, 5, 10, 20])
def test_the_harmonicity_is_the_ratio_that_was_mixed(hertz, decibels):
    """Within 2 dB: noise has some periodicity of its own within a frame, and high harmonics round the peak."""
    noise = np.random.default_rng(hertz).standard_normal(16_000) * 10 ** (-decibels / 20)
    voice = PitchTrack(harmonics(hertz, 16_000) + noise, 16_000)
    assert np.nanmean(voice.harmonicity) == pytest.approx(decibels, abs=2)


@given(gain=st.floats(1e-3, 1e3), offset=st.floats(-0.5, 0.5))
@settings(max_examples=10, deadline=None)
def test_gain_and_offset_change_nothing(gain, offset):
    signal = harmonics(180, 16_000, 0.3) + 0.1 * np.random.default_rng(1).standard_normal(4800)
    one, two = PitchTrack(signal, 16_000), PitchTrack(gain * (signal + offset), 16_000)
    np.testing.assert_allclose(two.f0[3:-3], one.f0[3:-3], rtol=0.01)


@pytest.mark.parametrize("samples", [1, 2, 10, 159, 160, 161, 1000])
def test_the_shortest_signals_have_frames(samples):
    voice = PitchTrack(np.random.default_rng(samples).standard_normal(samples), 16_000)
    assert len(voice.f0) == len(voice.harmonicity) == samples // 160 + 1
    assert isinstance(voice.jitter, float) and isinstance(voice.shimmer, float)


def test_the_pitch_of_recordings_is_mostly_that_of_yin_and_pyin(clips):
    """Measured on the twelve clips: 89 % of the frames that both call voiced lie within 5 % of pyin."""
    librosa = pytest.importorskip("librosa")
    options = {"fmin": 65, "fmax": 500, "sr": 16_000, "hop_length": 160, "frame_length": 1024}
    near_yin = []
    for path in clips:
        signal = read(path).signal
        found, yin = f0(signal, 16_000), librosa.yin(signal, **options)
        frames = min(len(found), len(yin))
        near_yin.append((np.abs(found[:frames] / yin[:frames] - 1) < 0.05)[~np.isnan(found[:frames])])
    assert np.concatenate(near_yin).mean() > 0.8
    signal = read(clips[1]).signal
    found, pyin = f0(signal, 16_000), librosa.pyin(signal, **options)[0]
    both = ~np.isnan(found[: len(pyin)]) & ~np.isnan(pyin[: len(found)])
    assert both.sum() > 100 and (np.abs(found[: len(pyin)] / pyin - 1)[both] < 0.05).mean() > 0.95


@pytest.mark.parametrize(
    ("signal", "options", "words"),
    [
        (np.zeros(0), {}, "at least one sample"),
        (np.zeros((4, 2)), {}, "allowed: (n,)"),
        (np.zeros(100), {"low": 300, "high": 200}, "pitch from 300 to 200"),
        (np.zeros(100), {"high": 5000}, "4000"),
    ],
)
def test_what_makes_no_sense_is_refused(signal, options, words):
    with pytest.raises(InputError) as error:
        f0(signal, 16_000, **options)
    assert words in str(error.value)
