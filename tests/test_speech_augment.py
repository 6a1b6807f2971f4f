"""Single changes by name: drawn first, applied second; each does what it says and nothing else."""

import json
import tomllib
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.errors import InputError, UnknownName
from affekt.speech.audio import read
from affekt.speech.augment import CHANGES, Step, apply_steps, draw_step, draw_steps

from .conftest import speech_like

NEED_LIBROSA = {"pitch", "stretch"}
FREE = sorted(CHANGES.keys() - NEED_LIBROSA)
RATES = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000]


def once(signal, sampling_rate, name, **parameters):
    """Apply one change; what is not given is drawn."""
    recorded = {"sounds": [np.ones(7, np.float32)], "responses": [np.ones(3, np.float32)]}
    return apply_steps(signal, sampling_rate, [draw_step(name, np.random.default_rng(0), **parameters)], **recorded)


def tone(hertz, sampling_rate, seconds=1.0):
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * sampling_rate)) / sampling_rate).astype(np.float32) / 2


def peak_hertz(signal, sampling_rate):
    """The strongest frequency, by a spectrum padded to a tenth of a hertz."""
    length = 10 * sampling_rate
    return np.abs(np.fft.rfft(signal * np.hanning(len(signal)), length)).argmax() * sampling_rate / length


def decibels(signal, reference):
    return 10 * np.log10(np.mean(np.square(signal, dtype=float)) / np.mean(np.square(reference, dtype=float)))


def lag(changed, signal):
    """By how many samples the first is later than the second."""
    length = 4 * len(signal)
    product = np.fft.irfft(np.fft.rfft(changed, length) * np.conj(np.fft.rfft(signal, length)), length)
    peak = int(product.argmax())
    return peak if peak < length // 2 else peak - length


@pytest.fixture(scope="module")
def voice(clips):
    return read(clips[2], sampling_rate=16_000).signal


# Laws that every change obeys.


@pytest.mark.parametrize("name", CHANGES)
def test_the_same_draw_twice_is_equal_and_another_draw_is_not(name):
    varied = {"band": {"low": (100, 900)}}.get(name, {})
    one, two, other = (draw_step(name, np.random.default_rng(seed), **varied) for seed in (3, 3, 4))
    assert one == two
    assert one != other


@pytest.mark.parametrize("name", CHANGES)
def test_a_step_survives_json(name):
    step = draw_step(name, np.random.default_rng(1))
    assert Step(**json.loads(json.dumps(asdict(step)))) == step
    assert {type(value) for value in step.parameters.values()} <= {int, float, str}


@pytest.mark.parametrize("sampling_rate", RATES)
@pytest.mark.parametrize("name", CHANGES)
def test_at_any_rate_every_change_gives_finite_float32_twice_the_same_and_leaves_its_input(name, sampling_rate):
    if name in NEED_LIBROSA:
        pytest.importorskip("librosa")
    signal = read((speech_like(0.5, np.random.default_rng(0)), 16_000), sampling_rate=sampling_rate).signal
    before = signal.copy()
    changed = once(signal, sampling_rate, name)
    assert changed.dtype == np.float32 and changed.ndim == 1 and np.isfinite(changed).all() and changed.any()
    assert not np.shares_memory(changed, signal)
    np.testing.assert_array_equal(signal, before)
    np.testing.assert_array_equal(once(signal, sampling_rate, name), changed)
    if name not in ("stretch", "speed"):
        assert len(changed) == len(signal)
    assert len(changed) != len(signal) or not np.array_equal(changed, signal)


@pytest.mark.parametrize("samples", [0, 1, 2, 100, 5000])
@pytest.mark.parametrize("name", CHANGES)
def test_silence_stays_silence_however_short(name, samples):
    if name in NEED_LIBROSA:
        pytest.importorskip("librosa")
    changed = once(np.zeros(samples, np.float32), 16_000, name)
    assert not changed.any() and changed.dtype == np.float32
    if name not in ("stretch", "speed"):
        assert len(changed) == samples


@given(
    name=st.sampled_from(FREE), seed=st.integers(0, 1 << 30), samples=st.integers(1, 3000), level=st.integers(-90, 40)
)
@settings(max_examples=60, deadline=None)
def test_nothing_yields_nan(name, seed, samples, level):
    rng = np.random.default_rng(seed)
    signal = (rng.standard_normal(samples) * 10 ** (level / 20)).astype(np.float32)
    changed = apply_steps(signal, int(rng.choice(RATES)), [draw_step(name, rng)])
    assert np.isfinite(changed).all() and len(changed) >= 1


def test_steps_are_applied_in_their_order(voice):
    softer, clipped = Step("shift", {"seconds": 0.25, "edge": "silence"}), Step("clipping", {"share": 0.5})
    one, two = apply_steps(voice, 16_000, [softer, clipped]), apply_steps(voice, 16_000, [clipped, softer])
    np.testing.assert_array_equal(one, apply_steps(apply_steps(voice, 16_000, [softer]), 16_000, [clipped]))
    assert not np.array_equal(one, two)


def test_no_steps_give_a_copy(voice):
    same = apply_steps(voice, 16_000, [])
    np.testing.assert_array_equal(same, voice)
    assert not np.shares_memory(same, voice)


# What each change does.


@pytest.mark.parametrize("snr", [-5.0, 5.0, 20.0, 40.0])
@pytest.mark.parametrize("colour", ["white", "pink", "brown", "recorded"])
def test_noise_has_the_ratio_asked_for(voice, colour, snr):
    step = Step("noise", {"snr": snr, "colour": colour, "seed": 5})
    changed = apply_steps(voice, 16_000, [step], sounds=[tone(300, 16_000, 0.3), tone(500, 16_000, 9)])
    assert decibels(voice, changed.astype(float) - voice) == pytest.approx(snr, abs=0.1)


def test_noise_takes_the_recording_that_its_seed_names(voice):
    sounds = [tone(300, 16_000), tone(500, 16_000)]
    for seed, hertz in ((0, 300), (1, 500)):
        step = Step("noise", {"snr": 0, "colour": "recorded", "seed": seed})
        added = apply_steps(voice, 16_000, [step], sounds=sounds) - voice
        assert peak_hertz(added, 16_000) == pytest.approx(hertz, abs=1)


def test_brown_noise_can_be_heard(voice):
    added = once(voice, 16_000, "noise", colour="brown", snr=0) - voice
    power = np.abs(np.fft.rfft(added)) ** 2
    hertz = np.fft.rfftfreq(len(added), 1 / 16_000)
    assert power[hertz < 15].sum() < 0.1 * power.sum()
    assert power[hertz < 500].sum() > 0.8 * power.sum()


def test_notebook_noise_is_what_the_notebooks_write():
    data = speech_like(1, np.random.default_rng(0))
    noise_amp = 0.035 * 0.4 * np.amax(data)
    expected = data + noise_amp * np.random.default_rng(9).normal(size=data.shape[0])
    changed = apply_steps(data, 16_000, [Step("notebook-noise", {"amount": 0.035 * 0.4, "seed": 9})])
    np.testing.assert_allclose(changed, expected, atol=1e-6)


@pytest.mark.parametrize("sampling_rate", [8_000, 22_050, 48_000])
@pytest.mark.parametrize("semitones", [-4.0, 2.5, 12.0])
def test_pitch_moves_a_tone_and_keeps_the_length(sampling_rate, semitones):
    pytest.importorskip("librosa")
    signal = tone(440, sampling_rate)
    changed = once(signal, sampling_rate, "pitch", semitones=semitones)
    assert len(changed) == len(signal)
    assert peak_hertz(changed, sampling_rate) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.005)


@pytest.mark.parametrize("sampling_rate", [8_000, 22_050, 48_000])
@pytest.mark.parametrize("rate", [0.8, 1.0, 1.25])
def test_stretch_changes_the_length_and_keeps_the_pitch(sampling_rate, rate):
    pytest.importorskip("librosa")
    signal = tone(440, sampling_rate)
    changed = once(signal, sampling_rate, "stretch", rate=rate)
    assert len(changed) == round(len(signal) / rate)
    assert peak_hertz(changed, sampling_rate) == pytest.approx(440, rel=0.005)


@pytest.mark.parametrize("semitones", [-3.0, 2.0])
def test_pitch_and_stretch_are_those_of_librosa_at_its_own_rate(clips, semitones):
    librosa = pytest.importorskip("librosa")
    signal = read(clips[4], sampling_rate=22_050).signal[:30_000]
    expected = librosa.effects.pitch_shift(signal, sr=22_050, n_steps=semitones)
    found = once(signal, 22_050, "pitch", semitones=semitones)
    # The last samples depend on how the end is rounded.
    np.testing.assert_allclose(found[:-200], expected[:-200], atol=2e-4)
    expected = librosa.effects.time_stretch(signal, rate=0.8)
    np.testing.assert_allclose(once(signal, 22_050, "stretch", rate=0.8), expected, atol=1e-6)


@pytest.mark.parametrize("rate", [0.8, 1.1, 2.0])
@pytest.mark.parametrize("sampling_rate", [8_000, 44_100])
def test_speed_moves_pitch_and_length(rate, sampling_rate):
    signal = tone(440, sampling_rate)
    changed = once(signal, sampling_rate, "speed", rate=rate)
    assert len(changed) == round(len(signal) / rate)
    assert peak_hertz(changed, sampling_rate) == pytest.approx(440 * rate, abs=0.5)


def test_speed_does_not_fold_what_lies_above_half_the_rate():
    changed = once(tone(7000, 16_000), 16_000, "speed", rate=1.5)
    assert np.std(changed[500:-500]) < 1e-3  # 10.5 kHz would come back as 5.5


@pytest.mark.parametrize("seconds", [-0.3, 0.0, 0.1, 2.7])
def test_shift_keeps_the_samples(voice, seconds):
    turned = once(voice, 16_000, "shift", seconds=seconds, edge="circular")
    np.testing.assert_array_equal(np.sort(turned), np.sort(voice))
    np.testing.assert_array_equal(once(turned, 16_000, "shift", seconds=-seconds, edge="circular"), voice)
    assert (np.argmax(turned) - np.argmax(voice) - round(seconds * 16_000)) % len(voice) == 0


@pytest.mark.parametrize("seconds", [-0.3, 0.3])
def test_shift_with_silence_moves_and_fills(voice, seconds):
    moved = once(voice, 16_000, "shift", seconds=seconds, edge="silence")
    later, earlier = (moved, voice) if seconds > 0 else (voice, moved)
    np.testing.assert_array_equal(later[4800:], earlier[:-4800])
    assert not (moved[:4800] if seconds > 0 else moved[-4800:]).any()


def test_a_shift_beyond_the_end_leaves_silence(voice):
    assert not once(voice, 16_000, "shift", seconds=-3600, edge="silence").any()


@pytest.mark.parametrize("gain", [-20.0, 6.0, 20.0])
def test_gain_is_exact_and_cuts_nothing(voice, gain):
    np.testing.assert_allclose(once(voice, 16_000, "gain", decibels=gain), voice * 10 ** (gain / 20), rtol=1e-6)


@pytest.mark.parametrize("sampling_rate", [8_000, 48_000])
def test_reverb_keeps_length_level_and_place(clips, sampling_rate):
    signal = read(clips[2], sampling_rate=sampling_rate).signal
    changed = once(signal, sampling_rate, "reverb", rt60=0.6, direct=3.0)
    assert len(changed) == len(signal)
    assert decibels(changed, signal) == pytest.approx(0, abs=0.01)
    assert lag(changed, signal) == 0
    assert not np.allclose(changed, signal, atol=0.01)


@pytest.mark.parametrize("rt60", [0.2, 0.8])
def test_a_synthetic_room_falls_by_sixty_decibels_in_its_time(rt60):
    click = np.zeros(32_000, np.float32)
    click[0] = 1
    response = once(click, 16_000, "reverb", rt60=rt60, direct=0.0)
    assert response[0] ** 2 == pytest.approx(np.sum(response[1:] ** 2), rel=1e-3)
    left = 10 * np.log10(np.cumsum(response[::-1].astype(float) ** 2)[::-1][1:] + 1e-30)  # Schroeder's integral
    at_5, at_25 = (np.flatnonzero(left < left[0] - fall)[0] for fall in (5, 25))
    assert 3 * (at_25 - at_5) / 16_000 == pytest.approx(rt60, rel=0.1)


def test_a_recorded_room_is_convolved_from_its_direct_sound_on(voice):
    response = np.array([0, 0, 0.1, 2.0, 0, 1.0], np.float32)
    step = Step("reverb", {"room": "recorded", "rt60": 1, "direct": 0, "seed": 8})
    changed = apply_steps(voice, 16_000, [step], responses=[np.ones(3, np.float32)] * 8 + [response])
    expected = np.convolve(voice, [1, 0, 0.5])[: len(voice)]
    np.testing.assert_allclose(changed, expected * np.std(voice) / np.std(expected), atol=1e-4)


@pytest.mark.parametrize("sampling_rate", [8_000, 10_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize(("codec", "kbps"), [("mp3", 32), ("opus", 16), ("mp3", 8), ("opus", 256), ("mp3", 256)])
def test_a_codec_keeps_length_and_place(clips, codec, kbps, sampling_rate):
    signal = read(clips[2], sampling_rate=sampling_rate).signal[sampling_rate : int(2.3 * sampling_rate)]
    changed = once(signal, sampling_rate, "codec", codec=codec, kbps=kbps)
    assert len(changed) == len(signal)
    assert lag(changed, signal) == 0
    assert np.corrcoef(changed, signal)[0, 1] > 0.9
    assert not np.allclose(changed, signal, atol=1e-5)


@pytest.mark.parametrize("codec", ["mp3", "opus"])
def test_fewer_bits_lose_more(voice, codec):
    lost = [np.std(once(voice, 16_000, "codec", codec=codec, kbps=kbps) - voice) for kbps in (16, 64)]
    assert lost[0] > 1.5 * lost[1]


@pytest.mark.parametrize("codec", ["mp3", "opus"])
def test_a_codec_keeps_the_last_sound_and_a_loud_one(voice, codec):
    loud = np.concatenate([voice, 3 * tone(440, 16_000, 0.05)])
    changed = once(loud, 16_000, "codec", codec=codec, kbps=64)
    assert decibels(changed[-800:], loud[-800:]) == pytest.approx(0, abs=1.5)
    assert np.abs(changed).max() > 1.2


@pytest.mark.parametrize("sampling_rate", [16_000, 48_000])
@pytest.mark.parametrize(("hertz", "kept"), [(100, -60), (150, -45), (300, -6), (1000, 0), (3400, -6), (6800, -60)])
def test_a_band_keeps_what_is_inside(hertz, kept, sampling_rate):
    signal = tone(hertz, sampling_rate)
    changed = once(signal, sampling_rate, "band", low=300, high=3400)
    inside = slice(sampling_rate // 4, -sampling_rate // 4)
    found = decibels(changed[inside], signal[inside])
    assert found == pytest.approx(kept, abs=0.2) if kept >= -6 else found < kept


def test_a_band_without_edges_is_everything(voice):
    np.testing.assert_allclose(once(voice, 16_000, "band", low=0, high=8000), voice, atol=1e-6)


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5])
def test_clipping_flattens_the_share_asked_for(share):
    signal = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    changed = once(signal, 16_000, "clipping", share=share)
    flat = np.abs(changed) == np.abs(changed).max()
    assert flat.mean() == pytest.approx(share, abs=1e-4)
    np.testing.assert_array_equal(changed[~flat], signal[~flat])


def test_clipping_does_not_wipe_out_a_clip_that_is_mostly_silent():
    signal = np.zeros(100, np.float32)
    signal[:10] = 0.5
    assert once(signal, 16_000, "clipping", share=0.5).any()


# Drawing and refusing.


@given(st.integers(0, 1 << 30), st.floats(-20, 20), st.floats(0, 20))
@settings(max_examples=30)
def test_numbers_are_drawn_from_the_range_given(seed, low, width):
    found = draw_step("noise", np.random.default_rng(seed), snr=(low, low + width), colour=["pink"], seed=(3, 4))
    assert low <= found.parameters["snr"] <= low + width
    assert found.parameters["colour"] == "pink" and found.parameters["seed"] in (3, 4)


def test_one_of_several_numbers_is_chosen():
    drawn = {
        draw_step("pitch", np.random.default_rng(s), semitones=[-2, 1, 2]).parameters["semitones"] for s in range(40)
    }
    assert drawn == {-2.0, 1.0, 2.0}


def test_steps_are_drawn_from_toml():
    table = tomllib.loads("""
        augment = [
            {name = "noise", chance = 0.5, snr = [5, 20], colour = ["white", "recorded"]},
            {name = "gain", decibels = [-6.0, 6.0]},
            {name = "band", chance = 0.0},
        ]
    """)["augment"]
    drawn = [draw_steps(table, np.random.default_rng(seed)) for seed in range(300)]
    assert drawn == [draw_steps(table, np.random.default_rng(seed)) for seed in range(300)]
    names = [step.name for steps in drawn for step in steps]
    assert names.count("gain") == 300 and names.count("band") == 0
    assert 110 < names.count("noise") < 190


def test_a_chance_does_not_change_what_follows():
    rare, often = (
        draw_steps([{"name": "noise", "chance": chance}, {"name": "gain"}], np.random.default_rng(0))
        for chance in (0, 1)
    )
    assert len(rare) == 1 and len(often) == 2 and rare[-1] == often[-1]


@pytest.mark.parametrize(
    ("name", "given_", "sentence"),
    [
        ("pich", {}, "unknown change 'pich': did you mean 'pitch'?"),
        ("pitch", {"semitone": 1}, "unknown parameter of pitch 'semitone': did you mean 'semitones'?"),
        ("noise", {"colour": "whit"}, "unknown noise colour 'whit': did you mean 'white'?"),
        ("codec", {"codec": ["mp3", "mp4"]}, "unknown codec codec 'mp4': did you mean 'mp3'?"),
        ("speed", {"rate": 0}, "speed rate is 0; allowed is a number from 0.25 to 4.0"),
        ("speed", {"rate": [0.9, 9]}, "speed rate is 9; allowed is a number from 0.25 to 4.0"),
        ("speed", {"rate": float("nan")}, "speed rate is nan; allowed is a number"),
        ("speed", {"rate": "fast"}, "speed rate is 'fast'; give a number from 0.25 to 4.0"),
        ("speed", {"rate": True}, "speed rate is True; give a number"),
        ("codec", {"kbps": 16.5}, "codec kbps is 16.5; allowed is a whole number from 8 to 256"),
        ("gain", {"decibels": [6, -6]}, "gain decibels is drawn from 6.0 to -6.0; give the lower one first."),
        ("gain", {"decibels": []}, "gain decibels has nothing to draw from"),
    ],
)
def test_what_cannot_be_drawn_is_refused(name, given_, sentence):
    with pytest.raises(InputError) as raised:
        draw_step(name, np.random.default_rng(0), **given_)
    assert sentence in str(raised.value)
    assert isinstance(raised.value, UnknownName) == sentence.startswith("unknown")


def test_steps_that_cannot_be_made_or_applied_are_refused(voice):
    with pytest.raises(InputError, match="noise needs snr, colour, seed; missing: colour, seed"):
        Step("noise", {"snr": 10})
    with pytest.raises(UnknownName, match="did you mean 'gain'"):
        Step("gaim", {})
    with pytest.raises(InputError, match="a change without a name"):
        draw_steps([{"snr": 3}], np.random.default_rng(0))
    with pytest.raises(InputError, match="gain chance is 2; allowed is a number from 0.0 to 1.0"):
        draw_steps([{"name": "gain", "chance": 2}], np.random.default_rng(0))
    with pytest.raises(InputError, match="band: low is 900.0 Hz and high is 800.0 Hz"):
        once(voice, 16_000, "band", low=900, high=800)
    with pytest.raises(InputError, match=r"shape \(2, 3\); give one channel"):
        apply_steps(np.zeros((2, 3), np.float32), 16_000, [])
    for name, parameters in (("noise", {"colour": "recorded"}), ("reverb", {"room": "recorded"})):
        step = draw_step(name, np.random.default_rng(0), **parameters)
        with pytest.raises(InputError, match=f"{name}: .* 'recorded' needs"):
            apply_steps(voice, 16_000, [step])
