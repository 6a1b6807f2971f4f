"""What is measured of a signal, how usable that makes it, and that a poor one is named."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal as scipy_signal

import affekt.speech.quality as quality_module
from affekt.evaluate.stress import cut
from affekt.recognize.recognizer import Recognizer
from affekt.speech.audio import read
from affekt.speech.augment import Step, apply_steps
from affekt.speech.quality import MEASURES, NAMES, RATING, Meter, measure, quality, window_measures
from affekt.speech.stream import LIVE
from affekt.types import Prediction, Result
from affekt.write.predictions import WRITERS

RATE = 16_000
LABELS = ("angry", "happy", "sad")
DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def voices(clips):
    """The middle two seconds of the committed recordings: the speech."""
    signals = [read(path).signal for path in clips]
    return [s[len(s) // 2 - RATE : len(s) // 2 + RATE] for s in signals]


def noisy(signal, snr, rng):
    noise = rng.standard_normal(len(signal)).astype(np.float32)
    return signal + noise * np.sqrt(np.mean(signal**2) / np.mean(noise**2)) * np.float32(10 ** (-snr / 20))


# --- what is measured ------------------------------------------------------------------------------


def test_the_ratio_of_speech_to_noise_is_found(voices):
    rng, wanted, found = np.random.default_rng(0), [], []
    for snr in (0, 5, 10, 15, 20):
        values = [measure(noisy(voice, snr, rng)).snr for voice in voices]
        assert np.mean(values) == pytest.approx(snr, abs=3)
        wanted += [snr] * len(values)
        found += values
    assert np.corrcoef(wanted, found)[0, 1] > 0.9


def test_babble_is_noise_too(voices):
    others = np.sum([v / np.sqrt(np.mean(v**2)) for v in voices[6:]], axis=0)
    means = []
    for snr in (0, 10, 20):
        scale = [np.sqrt(np.mean(v**2) / np.mean(others**2)) * 10 ** (-snr / 20) for v in voices[:6]]
        means.append(np.mean([measure(v + others * np.float32(s)).snr for v, s in zip(voices, scale, strict=False)]))
    assert means[0] < 9 and means[0] + 4 < means[1] < means[2]


@pytest.mark.parametrize("share", [0.005, 0.02, 0.1])
def test_the_share_of_clipped_samples_is_found(voices, share):
    for voice in voices:
        limit = np.quantile(np.abs(voice), 1 - share)
        assert measure(np.clip(voice, -limit, limit)).clipped == pytest.approx(share, rel=0.5)
        assert measure(voice).clipped < 0.0025


def test_clipping_is_seen_on_one_side_and_with_an_offset(voices):
    for voice in voices:
        clipped = np.minimum(voice, np.quantile(voice, 0.97))
        assert measure(clipped).clipped > 0.02
        assert measure(clipped + np.float32(0.2)).clipped == pytest.approx(measure(clipped).clipped, rel=0.1)


def test_a_telephone_reads_as_a_telephone_also_after_resampling(voices):
    taps = scipy_signal.firwin(401, [300, 3400], pass_zero=False, fs=RATE)
    band = [np.convolve(voice, taps, "same").astype(np.float32) for voice in voices]
    up = [soxr.resample(soxr.resample(voice, RATE, 8_000), 8_000, RATE) for voice in band]
    for found in (band, up):
        assert np.median([measure(voice).bandwidth for voice in found]) == pytest.approx(3400, abs=250)
        assert max(measure(voice).bandwidth for voice in found) < 4500
    assert np.median([measure(voice).bandwidth for voice in voices]) > 6000


@pytest.mark.parametrize("top", [1000, 2000, 4000, 6000])
def test_the_bandwidth_of_noise_cut_off_is_where_it_was_cut(top):
    rng, n = np.random.default_rng(1), 32_000
    spectrum = np.fft.rfft(rng.standard_normal(n)) * (np.fft.rfftfreq(n, 1 / RATE) < top)
    assert measure(np.fft.irfft(spectrum).astype(np.float32)).bandwidth == pytest.approx(top, abs=200)


def test_speech_is_told_from_pauses(voices):
    rng = np.random.default_rng(2)
    pause = 1e-4 * rng.standard_normal(RATE).astype(np.float32)
    for seconds in (1.0, 2.0):
        tone = np.sin(2 * np.pi * 220 * np.arange(int(seconds * RATE)) / RATE).astype(np.float32)
        found = measure(np.concatenate([pause, tone]))
        assert found.share == pytest.approx(seconds / (1 + seconds), abs=0.03)
        assert found.seconds == 1 + seconds


@pytest.mark.parametrize("rt60", [0.6, 0.8, 1.2])
def test_sounds_die_away_as_fast_as_in_their_room(rt60):
    rng, bursts = np.random.default_rng(4), np.zeros(3 * RATE)
    for start in range(0, 3 * RATE, RATE):
        bursts[start : start + 1_600] = rng.standard_normal(1_600)
    room = rng.standard_normal(2 * RATE) * 10 ** (-3 * np.arange(2 * RATE) / RATE / rt60)
    heard = np.fft.irfft(np.fft.rfft(bursts, 1 << 17) * np.fft.rfft(room, 1 << 17))[: 3 * RATE]
    # The 95th percentile of falls, which the noise in the frames makes a little larger than their mean.
    assert 1.0 < measure(heard.astype(np.float32)).decay * rt60 / 60 < 1.5


@given(st.floats(0.001, 1000), st.integers(0, 11), st.booleans())
@settings(max_examples=40, deadline=None)
def test_gain_changes_nothing(voices, gain, number, upside_down):
    voice = voices[number].astype(np.float64) * (-1 if upside_down else 1)
    plain, loud = measure(voices[number]), measure((voice * gain).astype(np.float32))
    np.testing.assert_allclose(list(asdict(loud).values()), list(asdict(plain).values()), rtol=1e-3, atol=1e-3)
    assert quality((voice * gain).astype(np.float32)) == pytest.approx(quality(voices[number]), abs=1e-3)


def test_windows_are_measured_as_if_each_were_alone(conversation):
    signal = conversation[: RATE * 10 + 77]
    table = window_measures(signal, 48_000, 6_400, 25)
    assert table.shape == (25, 6)
    alone = [list(asdict(measure(signal[i * 6_400 : i * 6_400 + 48_000])).values()) for i in range(25)]
    np.testing.assert_allclose(table, alone, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("hop", "shares"), [(6_400, True), (1_600, True), (1_000, False)])
def test_stretches_that_overlap_measure_as_each_alone(conversation, hop, shares):
    rng, meter, start, bands = np.random.default_rng(1), Meter(48_000, hop), 0, []
    with pytest.MonkeyPatch.context() as patch:
        real = quality_module._bands
        patch.setattr(quality_module, "_bands", lambda rows: bands.append(len(rows)) or real(rows))
        for first in range(0, 320_000, hop):
            meter.measures(conversation[first : first + 80_000], first, 1)
    # Each spectrum once where windows lie on the grid of frames.
    assert (sum(bands) < 320_000 / 1_600 + 60) == shares
    for i in range(60):
        # On, on the spot, and now and then back, where the next region of a stream may begin.
        start = start + int(rng.integers(0, 4)) * hop if i % 20 else 0
        signal = conversation[start : start + int(rng.integers(0, 90_000))]
        count = 1 + max(0, len(signal) - 48_000) // hop
        alone = window_measures(signal, 48_000, hop, count)
        np.testing.assert_array_equal(meter.measures(signal, start, count), alone)


@pytest.mark.parametrize("n", [0, 1, 319, 320, 511, 512, 700])
def test_next_to_nothing_and_silence_measure_as_nothing(n):
    rng = np.random.default_rng(3)
    for signal in (np.zeros(n, np.float32), np.full(n, 0.5, np.float32)):
        found = asdict(measure(signal))
        assert found.pop("seconds") == n // 320 / 50 and set(found.values()) == {0.0} and quality(signal) == 0
    found = asdict(measure(rng.standard_normal(n).astype(np.float32)))
    assert np.isfinite(list(found.values())).all() and found["seconds"] <= n / RATE
    assert window_measures(np.zeros(n, np.float32), 48_000, 6_400, 3).shape == (3, 6)


# --- how usable it is ------------------------------------------------------------------------------


def stepped(name, parameter, **others):
    return lambda voice, level: apply_steps(voice, RATE, [Step(name, {parameter: level, **others})])


#: What makes a voice worse, its levels from mild to strong, and what is named at the last.
WORSE = {
    "noise": (stepped("noise", "snr", colour="white", seed=1), (25.0, 15.0, 10.0, 5.0, 0.0), "noise"),
    "room": (
        stepped("reverb", "rt60", room="synthetic", direct=0.0, seed=1),
        (0.2, 0.5, 0.8, 1.6),
        ("reverberation", "noise or echo"),
    ),
    "clipping": (stepped("clipping", "share"), (0.001, 0.03, 0.1, 0.3), "clipped"),
    "low-pass": (stepped("band", "high", low=0.0), (7000.0, 5000.0, 3000.0, 1500.0), "narrow band"),
    "length": (lambda voice, seconds: cut(voice, seconds, 1.0), (1.5, 1.0, 0.5, 0.2), "short"),
    "mp3": (stepped("codec", "kbps", codec="mp3"), (64, 24, 8), "narrow band"),
    "pauses": (lambda voice, seconds: np.pad(voice, int(RATE * seconds)), (1.0, 2.0, 6.0), "mostly pauses"),
}


@pytest.mark.parametrize("name", WORSE)
def test_quality_falls_as_a_voice_is_made_worse_and_the_reason_names_what_was_done(voices, name):
    change, levels, named = WORSE[name]
    rows = np.array([[quality(voice), *(quality(change(voice, level)) for level in levels)] for voice in voices])
    assert (np.diff(rows.mean(axis=0)) <= 0.01).all()
    assert (np.diff(rows, axis=1) <= 0.05).all()
    assert rows[:, 0].mean() > 0.9 and rows[:, -1].mean() < 0.7
    worst = [np.array(list(asdict(measure(change(voice, levels[-1]))).values())) for voice in voices]
    said = [RATING.reason(row, 0.0) for row in worst]
    assert sum(words.startswith(named) for words in said) >= 10, said


def test_no_rating_is_a_constant(clips):
    answers = [Recognizer().analyse(str(path)).summary for path in clips]
    assert len({round(p.quality, 4) for p in answers}) >= 5 and min(p.quality for p in answers) > 0.8


def test_a_measure_is_worth_nothing_at_its_worst_and_all_at_its_best():
    best = np.array([measure.good for measure in MEASURES.values()])
    assert RATING.qualities(best[None])[0] == 1
    for column, one in enumerate(MEASURES.values()):
        rows = np.tile(best, (30, 1))
        rows[:, column] = np.linspace(one.bad, one.good, 30)
        kept = RATING.qualities(rows)
        assert (np.diff(kept) > 0).all() and kept[0] == 0
    assert tuple(asdict(measure(np.zeros(9, np.float32)))) == NAMES


# --- the engine ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hiss(conversation):
    """The conversation in noise that grows."""
    noise = np.random.default_rng(7).standard_normal(len(conversation)) * np.linspace(0, 0.05, len(conversation))
    return (conversation + noise).astype(np.float32)


def test_any_chunks_give_the_same_qualities_and_reasons(hiss):
    recognizer, found = Recognizer(), []
    for cuts in ([], [5_000, 5_001, 70_000, 200_000], range(0, len(hiss), 4_000)):
        stream, given = recognizer.stream(), []
        for part in np.split(hiss, cuts):
            given += stream.feed(part)
        found.append(given + stream.flush())
    assert found[0] == found[1] == found[2]
    assert any(p.reason.startswith("noise") for p in found[0]) and len({p.quality for p in found[0]}) > 3


def test_what_is_shown_at_once_is_rated_too(hiss):
    stream, shown = Recognizer(options=LIVE).stream(), []
    for part in np.split(hiss[:64_000], 20):
        stream.feed(part)
        shown += [stream.glance(), *(stream.so_far() or ())]
    shown = [p for p in shown if p]
    assert len(shown) > 10 and all(p.reason for p in shown if p.quality < 0.6)


def test_an_unsure_answer_to_a_good_signal_says_that_it_is_the_voice(clips):
    sure, unsure = (Recognizer(threshold=t).analyse(str(clips[0])).summary for t in (0.0, 1.0))
    assert sure.quality == unsure.quality > 0.9 and sure.scores == unsure.scores
    assert (sure.reason, unsure.reason) == ("", "the voice itself is ambiguous")


# --- what is written -------------------------------------------------------------------------------


WORDS = "noise or echo: the speech is 4 dB above it"


def test_json_gives_a_reason_only_where_there_is_one():
    weak = Prediction(0, 1, {"happy": 0.6, "sad": 0.4}, quality=0.5, reason=WORDS)
    strong = Prediction(1, 3, {"happy": 0.9, "sad": 0.1})
    file = io.StringIO()
    WRITERS["json"]([Result("a.wav", 3.0, (weak, strong), weak, "m", LABELS)], file)
    document = json.loads(file.getvalue())
    schema = json.loads((DOCS / "predictions-2.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    (result,) = document["results"]
    assert [s.get("reason") for s in result["segments"]] == [WORDS, None]
    assert result["summary"]["reason"] == WORDS and "reason" not in result["segments"][1]
    result["segments"][1]["reason"] = ""
    assert not jsonschema.Draft202012Validator(schema).is_valid(document)
