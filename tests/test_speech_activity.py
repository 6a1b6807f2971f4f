"""Speech activity, quality, augmentation and the buffer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.models.zoo import load_model
from affekt.speech import augment
from affekt.speech.activity import HOP, Activity, ActivityOptions
from affekt.speech.audio import read
from affekt.speech.frames import Buffer
from affekt.speech.quality import quality
from affekt.speech.waveform import ActivityModel
from affekt.train.voice import augment as voice_augment

from .conftest import speech_like


def scripted(levels):
    """A scorer that reads the probability off the signal itself: 320 equal samples a frame."""
    return np.repeat(np.asarray(levels, np.float32), HOP)


def regions_of(levels, cuts=(), **options):
    chosen = ActivityOptions(**{"on": 0.6, "off": 0.35, "shortest": 0.2, **options})
    activity = Activity(lambda signal: signal[::HOP][: (len(signal) - 400) // HOP + 1], chosen)
    signal = np.concatenate([scripted(levels), np.zeros(400, np.float32)])
    found = [region for part in np.split(signal, sorted(cuts)) for region in activity.feed(part)]
    return [(a / 16_000, b / 16_000) for a, b in found + activity.flush()]


def test_speech_begins_at_on_and_ends_after_a_pause():
    levels = [0.1] * 50 + [0.9] * 50 + [0.1] * 50
    assert regions_of(levels) == [(pytest.approx(0.9), pytest.approx(2.1))]


def test_a_short_pause_does_not_end_a_region_and_a_long_one_does():
    assert len(regions_of([0.9] * 30 + [0.1] * 20 + [0.9] * 30)) == 1
    assert len(regions_of([0.9] * 30 + [0.1] * 40 + [0.9] * 30)) == 2


def test_a_click_is_no_speech_and_what_is_between_off_and_on_only_goes_on():
    assert regions_of([0.1] * 50 + [0.9] * 5 + [0.1] * 50) == []
    assert regions_of([0.5] * 100) == []
    assert regions_of([0.1] * 30 + [0.9] * 10 + [0.5] * 60 + [0.1] * 60)[0][1] == pytest.approx(2.1)


@settings(max_examples=60, deadline=None)
@given(levels=st.lists(st.floats(0, 1, width=16), max_size=200), cuts=st.lists(st.integers(0, 64_000), max_size=20))
def test_any_chunks_find_the_same_ordered_regions(levels, cuts):
    small = regions_of(levels, cuts, block=0.1)
    assert small == regions_of(levels, block=20.0)
    edges = [t for region in small for t in region]
    assert edges == sorted(edges)
    assert all(0 <= t <= len(levels) * 0.02 + 0.025 for t in edges)


def test_a_growing_region_never_shrinks_and_ends_where_it_was_growing_to():
    activity = Activity(lambda signal: signal[::HOP][: (len(signal) - 400) // HOP + 1], ActivityOptions(block=0.1))
    signal = np.concatenate([scripted([0.1] * 30 + [0.9] * 100 + [0.1] * 60), np.zeros(400, np.float32)])
    reach, closed = 0, []
    for part in np.array_split(signal, 97):
        closed += activity.feed(part)
        if activity.growing:
            assert activity.growing[1] >= reach
            reach = activity.growing[1]
    (region,) = closed + activity.flush()
    assert region[1] >= reach > region[0]


def test_real_speech_is_found_where_it_is(clips):
    activity = load_model("activity")
    for path in clips:
        signal = read(path).signal
        quiet = np.concatenate([np.zeros(32_000, np.float32), signal, np.zeros(32_000, np.float32)])
        machine = Activity(ActivityModel(activity))
        regions = machine.feed(quiet) + machine.flush()
        assert regions, path.name
        assert regions[0][0] >= 32_000
        assert regions[-1][1] <= 32_000 + len(signal) + 1600
        assert sum(b - a for a, b in regions) >= 16_000, path.name


@pytest.mark.corpora
def test_few_false_alarms_and_hardly_any_speech_missed(corpora_folder):
    from affekt.corpora import read_corpus
    from affekt.data.splits import fixed_split
    from affekt.train.voice.activity import energy_truth

    activity, hit, missed = load_model("activity"), 0, 0
    for sample in fixed_split(read_corpus("emovo", corpora_folder / "emovo").samples).test[::4]:
        signal = read(sample.path).signal
        truth, found = energy_truth(signal), np.zeros(len(signal) // HOP + 1, bool)
        machine = Activity(ActivityModel(activity))
        for start, end in machine.feed(signal) + machine.flush():
            found[start // HOP : end // HOP] = True
        hit += (truth & found[: len(truth)]).sum()
        missed += (truth & ~found[: len(truth)]).sum()
    assert hit / (hit + missed) > 0.95


def test_the_buffer_gives_back_what_it_was_given_until_told_to_forget():
    buffer, signal = Buffer(), np.arange(1000, dtype=np.float32)
    for part in np.split(signal, [10, 500, 501]):
        buffer.append(part)
    assert buffer.end == 1000
    np.testing.assert_array_equal(buffer.take(5, 700), signal[5:700])
    buffer.forget(505)
    np.testing.assert_array_equal(buffer.take(505, 600), signal[505:600])
    for start, end in ((0, 10), (504, 510), (900, 1001)):
        with pytest.raises(IndexError, match="not in the buffer"):
            buffer.take(start, end)


def test_a_buffer_that_forgets_does_not_grow():
    buffer = Buffer()
    for i in range(200):
        buffer.append(np.zeros(1000, np.float32))
        buffer.take(max(0, i * 1000 - 500), (i + 1) * 1000)
        buffer.forget(i * 1000 - 500)
    assert sum(len(part) for part in buffer._parts) < 4000


def test_quality_falls_with_noise_clipping_and_shortness(clips):
    rng = np.random.default_rng(0)
    clean = read(clips[7]).signal[12_000:60_000]
    noisy = clean + 0.05 * rng.standard_normal(len(clean)).astype(np.float32)
    clipped = np.clip(clean, -0.003, 0.003)
    assert quality(clean) > 0.9
    assert quality(noisy) < 0.5 * quality(clean)
    assert quality(clipped) < 0.1
    assert quality(clean[20_000:24_000]) < 0.3
    assert quality(np.zeros(16_000, np.float32)) == 0
    assert quality(np.zeros(10, np.float32)) == 0


@given(st.floats(0.01, 10))
def test_quality_does_not_depend_on_gain(gain):
    signal = speech_like(2, np.random.default_rng(0))
    assert quality((signal * gain).astype(np.float32)) == pytest.approx(quality(signal), abs=0.05)


def test_changes_are_drawn_first_and_can_be_repeated():
    changes = [voice_augment.draw(np.random.default_rng(3)) for _ in range(2)]
    signal = speech_like(1, np.random.default_rng(0))
    one, two = (
        voice_augment.apply(signal, change, sounds=[signal[::-1].copy()], responses=[signal[:500]])
        for change in changes
    )
    assert changes[0] == changes[1]
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("snr", [0.0, 10.0, 30.0])
def test_noise_is_added_at_the_ratio_asked_for(snr):
    rng = np.random.default_rng(0)
    signal, noise = rng.standard_normal((2, 16_000)).astype(np.float32)
    added = augment.add_noise(signal, noise, snr) - signal
    assert 10 * np.log10(np.mean(signal**2) / np.mean(added**2)) == pytest.approx(snr, abs=0.1)


def test_noise_on_silence_or_no_noise_changes_nothing():
    silence, noise = np.zeros(100, np.float32), np.ones(100, np.float32)
    np.testing.assert_array_equal(augment.add_noise(silence, noise, 0.0), silence)
    np.testing.assert_array_equal(augment.add_noise(noise, silence, 0.0), noise)


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_speed_moves_pitch_and_length(speed):
    tone = np.sin(2 * np.pi * 400 * np.arange(16_000) / 16_000).astype(np.float32)
    changed = voice_augment.resample_linear(tone, speed)
    assert len(changed) == pytest.approx(16_000 / speed, abs=1)
    peak = np.abs(np.fft.rfft(changed)).argmax() * 16_000 / len(changed)
    assert peak == pytest.approx(400 * speed, abs=2)


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_coloured_noise_has_its_slope(power):
    noise = augment.coloured_noise(1 << 17, power, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    low, high = spectrum[1000:1200].mean(), spectrum[10_000:12_000].mean()
    assert 10 * np.log10(low / high) == pytest.approx(10 * power, abs=1.5)
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(1, abs=0.01)


def test_a_telephone_keeps_speech_and_drops_the_rest():
    time = np.arange(16_000) / 16_000
    kept, dropped = (np.sin(2 * np.pi * f * time).astype(np.float32) for f in (1000, 6000))
    change = voice_augment.Change(telephone=True)
    assert np.std(voice_augment.apply(kept, change)) == pytest.approx(np.std(kept), rel=0.05)
    assert np.std(voice_augment.apply(dropped, change)) < 0.01
