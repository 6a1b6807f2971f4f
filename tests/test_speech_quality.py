"""What is measured of a signal, that its quality falls with all that is wrong, and that a poor one says why."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal as scipy_signal

from affekt.client import results_of
from affekt.errors import ModelError
from affekt.evaluate.calibrate import recording_logits
from affekt.models.card import Card
from affekt.recognize.recognizer import Recognizer
from affekt.speech.audio import read
from affekt.speech.quality import AMBIGUOUS, MEASURES, NAMES, RATING, measure, quality, window_measures
from affekt.speech.stream import LIVE
from affekt.timeline.summary import summarise
from affekt.types import Prediction, Result
from affekt.write.fields import table_of
from affekt.write.predictions import WRITERS

RATE = 16_000
LABELS = ("angry", "happy", "sad")
CARD = Card("m", "speech", LABELS)
GOOD = [40.0, 300.0, 0.0, 8000.0, 0.8, 2.4]
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
        assert found.seconds == pytest.approx(seconds, abs=0.08)
    for voice in voices:
        assert measure(voice[:8_000]).seconds <= 0.5


@given(st.floats(0.001, 1000), st.integers(0, 11), st.booleans())
@settings(max_examples=40, deadline=None)
def test_gain_changes_nothing(voices, gain, number, upside_down):
    voice = voices[number].astype(np.float64) * (-1 if upside_down else 1)
    plain, loud = measure(voices[number]), measure((voice * gain).astype(np.float32))
    np.testing.assert_allclose(list(asdict(loud).values()), list(asdict(plain).values()), rtol=1e-3, atol=1e-3)


def test_windows_are_measured_as_if_each_were_alone(conversation):
    signal = conversation[: RATE * 10 + 77]
    table = window_measures(signal, 48_000, 6_400, 25)
    assert table.shape == (25, 6)
    alone = [list(asdict(measure(signal[i * 6_400 : i * 6_400 + 48_000])).values()) for i in range(25)]
    np.testing.assert_allclose(table, alone, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("n", [0, 1, 319, 320, 511, 512, 700])
def test_next_to_nothing_and_silence_measure_as_nothing(n):
    rng = np.random.default_rng(3)
    for signal in (np.zeros(n, np.float32), np.full(n, 0.5, np.float32)):
        assert set(asdict(measure(signal)).values()) == {0.0}
    found = asdict(measure(rng.standard_normal(n).astype(np.float32)))
    assert np.isfinite(list(found.values())).all() and found["seconds"] <= n / RATE
    assert window_measures(np.zeros(n, np.float32), 48_000, 6_400, 3).shape == (3, 6)


# --- what is said of it ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_better_signal_is_never_rated_worse(name):
    measure_of = MEASURES[name]
    rows = np.tile(GOOD, (50, 1))
    low, high = sorted((measure_of.bad, measure_of.good))
    values = np.linspace(low - 1, high + 1, 50)
    rows[:, NAMES.index(name)] = values if measure_of.good > measure_of.bad else values[::-1]
    found = RATING.qualities(rows)
    assert (np.diff(found) >= 0).all() and found[0] == 0 and found[-1] == 1


def test_the_reason_is_what_costs_most():
    said = {
        "snr": (4.2, "noise: the speech is 4 dB above it"),
        "decay": (80.0, "echo: sounds die away by 8 dB in 0.1 s only"),
        "clipped": (0.2, "clipped: 20 % of the signal"),
        "bandwidth": (3400.0, "narrow band: nothing above 3.4 kHz"),
        "share": (0.12, "mostly pauses: 12 % of it is speech"),
        "seconds": (0.5, "short: 0.5 s without its pauses"),
    }
    assert set(said) == set(NAMES)
    for name, (value, words) in said.items():
        row = np.array(GOOD)
        row[NAMES.index(name)] = value
        found = float(RATING.qualities(row[None])[0])
        assert found < 0.6 and RATING.reason(row, found) == RATING.reason(row, found, unsure=True) == words
    assert RATING.reason(np.array(GOOD), 1.0) == ""
    assert RATING.reason(np.array(GOOD), 1.0, unsure=True) == AMBIGUOUS


def test_a_signal_that_is_not_quite_good_is_named_where_the_model_is_not_sure():
    row = np.array(GOOD)
    row[NAMES.index("snr")] = 14.0
    quality_of = float(RATING.qualities(row[None])[0])
    assert quality_of == pytest.approx(0.7) and RATING.reason(row, quality_of) == ""
    assert RATING.reason(row, quality_of, unsure=True) == "noise: the speech is 14 dB above it"


CHANGES = {
    "noise": ((40, 20, 10, 5, 0), lambda s, x: noisy(s, x, np.random.default_rng(0))),
    "echo": ((0.0, 0.3, 0.6, 1.0), lambda s, x: in_room(s, x)),
    "clipping": ((1.0, 3.0, 10.0), lambda s, x: np.clip(x * s / np.abs(s).max(), -1, 1)),
    "length": ((2.0, 1.0, 0.5, 0.2), lambda s, x: s[RATE - int(x * RATE / 2) : RATE + int(x * RATE / 2)]),
    "bandwidth": ((8000, 4000, 2000), lambda s, x: low_passed(s, x)),
}


def in_room(signal, seconds):
    if not seconds:
        return signal
    size = int(seconds * RATE)
    response = np.random.default_rng(0).standard_normal(size) * 10 ** (-3 * np.arange(size) / size)
    response[0] = 8
    return scipy_signal.fftconvolve(signal, response)[: len(signal)].astype(np.float32)


def low_passed(signal, top):
    spectrum = np.fft.rfft(signal) * (np.fft.rfftfreq(len(signal), 1 / RATE) <= top)
    return np.fft.irfft(spectrum, len(signal)).astype(np.float32)


@pytest.mark.parametrize("name", CHANGES)
def test_quality_falls_with_all_that_is_wrong(voices, name):
    levels, change = CHANGES[name]
    medians = [np.median([quality(change(voice, level).astype(np.float32)) for voice in voices]) for level in levels]
    assert all(one >= other for one, other in pairwise(medians)) and medians[-1] < 0.5 * medians[0]
    assert medians[0] > 0.7


def test_quality_is_no_constant_and_changes_no_score(conversation):
    rng = np.random.default_rng(0)
    recognizer = Recognizer()
    clean = recognizer.predict((conversation, RATE))
    poor = recognizer.predict((noisy(conversation, 10, rng), RATE))
    assert len({round(p.quality, 3) for p in clean}) > 3
    assert np.mean([p.quality for p in poor]) < 0.5 * np.mean([p.quality for p in clean])
    assert all(bool(p.reason) == (p.quality < 0.6 or p.unsure) for p in (*clean, *poor))
    assert any("noise" in p.reason for p in poor)


def test_the_reason_of_many_parts_is_that_of_the_part_that_costs_most():
    scores = {"happy": 0.6, "sad": 0.4}
    parts = [Prediction(0, 5, scores, quality=0.65), Prediction(5, 6, scores, quality=0.1, reason="a"),
             Prediction(6, 9, scores, quality=0.4, reason="b")]  # fmt: skip
    assert [summarise(parts[:count]).reason for count in (1, 2, 3)] == ["", "a", "b"]
    # A long good recording is not weak for one bad part of it, unless the model is not sure of the whole.
    long = Prediction(10, 60, scores, quality=1.0)
    assert summarise([*parts, long]).reason == ""
    assert summarise([*parts, replace(long, threshold=0.7)]).reason == "b"


def test_summaries_and_streams_pass_reasons_on():
    short = Prediction(0, 0.5, {"a": 0.6, "b": 0.4}, quality=0.5, reason="short: 0.5 s without its pauses")
    assert summarise([short]).reason == short.reason
    assert summarise([short, Prediction(1, 30, {"a": 0.6, "b": 0.4})]).reason == ""
    table = table_of(short)
    facts = {
        "source": "a.wav",
        "model": "m",
        "duration": 1,
        "labels": ["a", "b"],
        "summary": table,
        "segments": [table],
    }
    assert results_of({"results": [facts]})[0].summary.reason == short.reason


# --- the engine ------------------------------------------------------------------------------------


def test_any_chunks_give_the_same_reasons(conversation):
    recognizer, signal = Recognizer(), noisy(conversation, 12, np.random.default_rng(1))
    found = []
    for cuts in ([], [5_000, 5_001, 70_000, 200_000], range(0, len(signal), 4_000)):
        stream, given = recognizer.stream(), []
        for part in np.split(signal, cuts):
            given += stream.feed(part)
        found.append(given + stream.flush())
    assert found[0] == found[1] == found[2]


def test_what_is_shown_at_once_has_a_reason_too(conversation):
    stream, shown = Recognizer(options=LIVE).stream(), []
    for part in np.split(noisy(conversation[:64_000], 8, np.random.default_rng(1)), 20):
        stream.feed(part)
        shown += [stream.glance(), *(stream.so_far() or ())]
    shown = [p for p in shown if p]
    assert len(shown) > 10 and all(p.reason for p in shown if p.quality < 0.6)
    assert all(sum(p.scores.values()) == pytest.approx(1) for p in shown)


def test_an_unsure_answer_to_a_good_signal_says_that_it_is_the_voice(clips):
    unsure = [p for path in clips for p in Recognizer(threshold=1.0).predict(str(path))]
    assert any(p.reason == AMBIGUOUS for p in unsure) and all(p.reason for p in unsure)


def test_a_card_with_a_gate_is_refused_and_an_empty_one_is_read():
    table = json.loads(CARD.to_json())
    assert Card.from_json(json.dumps(table | {"gate": {"curves": {}}})) == CARD
    with pytest.raises(ModelError, match="it has a gate with curves"):
        Card.from_json(json.dumps(table | {"gate": {"curves": {"snr": [0, 9, 0.5]}}}))


def test_what_a_calibration_is_fitted_to_is_what_the_engine_answers(clips):
    recognizer = Recognizer()
    for path in clips[:4]:
        result = recognizer.analyse(str(path))
        found = recording_logits(recognizer, str(path))
        scores = found.scores(recognizer.card.temperature)
        exact = len(result.predictions) == 1
        np.testing.assert_allclose(scores, list(result.summary.scores.values()), atol=1e-9 if exact else 0.03)


# --- what is written -------------------------------------------------------------------------------


def test_json_gives_a_reason_only_where_there_is_one():
    weak = Prediction(0, 1, {"happy": 0.6, "sad": 0.4}, quality=0.5, reason=MEASURES["seconds"].words(0.8))
    strong = Prediction(1, 3, {"happy": 0.9, "sad": 0.1})
    file = io.StringIO()
    WRITERS["json"]([Result("a.wav", 3.0, (weak, strong), weak, "m", LABELS)], file)
    document = json.loads(file.getvalue())
    schema = json.loads((DOCS / "predictions-2.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    (result,) = document["results"]
    assert [s.get("reason") for s in result["segments"]] == ["short: 0.8 s without its pauses", None]
    assert result["summary"]["reason"] == "short: 0.8 s without its pauses" and "reason" not in result["segments"][1]
    result["segments"][1]["reason"] = ""
    assert not jsonschema.Draft202012Validator(schema).is_valid(document)
