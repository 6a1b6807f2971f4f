"""What is measured of a signal, what it costs an answer, and that a weak answer says why."""

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
from affekt.evaluate.calibrate import FITTED_UNDER, VERSIONS, logits_under_conditions, recording_logits
from affekt.evaluate.card_fit import calibrate, calibration_scores
from affekt.evaluate.gate_fit import KNOTS, GateData, fit_gate
from affekt.evaluate.stress import CONDITIONS
from affekt.metrics.calibration import LabelledLogits, RecordingLogits
from affekt.models.card import Card
from affekt.recognize.recognizer import Recognizer
from affekt.speech.audio import read
from affekt.speech.quality import AMBIGUOUS, MEASURES, NAMES, gate_of, measure, speech_gate, window_measures
from affekt.speech.stream import LIVE
from affekt.timeline.gate import weakened
from affekt.timeline.summary import summarise
from affekt.types import Prediction, Result, Sample
from affekt.write.calibration import to_text
from affekt.write.card import to_markdown
from affekt.write.fields import table_of
from affekt.write.predictions import WRITERS

RATE = 16_000
LABELS = ("angry", "happy", "sad")
CARD = Card("m", "speech", LABELS)
GOOD = [40.0, 0.0, 8000.0, 0.8, 2.4]
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
    assert table.shape == (25, 5)
    alone = [list(asdict(measure(signal[i * 6_400 : i * 6_400 + 48_000])).values()) for i in range(25)]
    np.testing.assert_allclose(table, alone, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("n", [0, 1, 319, 320, 511, 512, 700])
def test_next_to_nothing_and_silence_measure_as_nothing(n):
    rng = np.random.default_rng(3)
    for signal in (np.zeros(n, np.float32), np.full(n, 0.5, np.float32)):
        assert set(asdict(measure(signal)).values()) == {0.0}
    found = asdict(measure(rng.standard_normal(n).astype(np.float32)))
    assert np.isfinite(list(found.values())).all() and found["seconds"] <= n / RATE
    assert window_measures(np.zeros(n, np.float32), 48_000, 6_400, 3).shape == (3, 5)


# --- what it costs ---------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 1))
def test_a_gate_changes_no_rank_and_no_sum(seed, factor):
    scores = np.random.default_rng(seed).dirichlet(np.ones(8))
    weak = weakened(scores, factor)
    assert weak.sum() == pytest.approx(1) and (weak > 0).all()
    assert weak.argmax() == scores.argmax() and weak.max() <= scores.max() + 1e-12
    order = np.argsort(scores)
    assert (np.diff(weak[order]) >= 0).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_better_signals_are_never_kept_less(seed):
    rng = np.random.default_rng(seed)
    curves = {n: (rng.choice(KNOTS[n][0]), rng.choice(KNOTS[n][1]), rng.uniform(0.05, 1)) for n in NAMES}
    gate = speech_gate(curves)
    for column, name in enumerate(NAMES):
        rows = np.tile(GOOD, (50, 1))
        worst, best = KNOTS[name][0][0], KNOTS[name][1][-1]
        rows[:, column] = np.linspace(worst - abs(worst), best + abs(best), 50)
        if name == "clipped":
            rows[:, column] = np.linspace(1.0, 0.0, 50)
        kept = gate.factors(rows)
        assert (np.diff(kept) >= 0).all() and (kept > 0).all() and (kept <= 1).all()
    assert gate.factors(np.array([GOOD]))[0] == 1


def test_the_reason_is_what_costs_most():
    gate = speech_gate({"snr": (0.0, 20.0, 0.5), "seconds": (0.0, 2.0, 0.2), "clipped": (0.2, 0.0, 0.3),
                 "bandwidth": (1000.0, 6000.0, 0.4), "share": (0.0, 0.5, 0.4)})  # fmt: skip
    said = {
        "snr": (4.2, "noise or echo: the speech is 4 dB above it"),
        "clipped": (0.06, "clipped: 6 % of the signal"),
        "bandwidth": (3400.0, "narrow band: nothing above 3.4 kHz"),
        "share": (0.12, "mostly pauses: 12 % of it is speech"),
        "seconds": (0.8, "short: 0.8 s without its pauses"),
    }
    assert set(said) == set(NAMES)
    for name, (value, words) in said.items():
        row = np.array(GOOD)
        row[NAMES.index(name)] = value
        factor = float(gate.factors(row[None])[0])
        assert factor < 0.9 and gate.reason(row, factor) == gate.reason(row, factor, unsure=True) == words
    assert gate.reason(np.array(GOOD), 1.0) == ""
    assert gate.reason(np.array(GOOD), 1.0, unsure=True) == AMBIGUOUS


def test_a_poor_signal_is_named_before_the_voice_is_called_ambiguous():
    gate = speech_gate({"seconds": (0.2, 0.75, 0.7)})
    noisy = np.array([3.0, 0.0, 8000.0, 0.8, 2.4])
    assert gate.reason(noisy, 1.0) == ""
    assert gate.reason(noisy, 1.0, unsure=True) == "noise or echo: the speech is 3 dB above it"
    for name, value in (("clipped", 0.1), ("bandwidth", 3400.0), ("share", 0.1), ("seconds", 0.5)):
        row = np.array(GOOD)
        row[NAMES.index(name)] = value
        assert gate.reason(row, 1.0, unsure=True) == MEASURES[name].words(value)


def test_the_reason_of_many_parts_is_that_of_the_part_that_costs_most():
    scores = {"happy": 0.6, "sad": 0.4}
    parts = [Prediction(0, 5, scores, quality=0.95), Prediction(5, 6, scores, quality=0.5, reason="a"),
             Prediction(6, 9, scores, quality=0.8, reason="b")]  # fmt: skip
    assert [summarise(parts[:count]).reason for count in (1, 2, 3)] == ["", "a", "b"]
    # A long good recording is not weak for one bad part of it, unless the model is not sure of the whole.
    long = Prediction(10, 60, scores, quality=1.0)
    assert summarise([*parts, long]).reason == ""
    assert summarise([*parts, replace(long, threshold=0.7)]).reason == "b"


def test_summaries_and_streams_pass_reasons_on():
    short = Prediction(0, 0.5, {"a": 0.6, "b": 0.4}, quality=0.7, reason="short: 0.5 s without its pauses")
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


@pytest.mark.parametrize(
    "curves",
    [{"loudness": (0, 1, 0.5)}, {"snr": (0, 0, 0.5)}, {"snr": (0, 1, 0.0)}, {"snr": (0, 1)}, {"snr": (0, np.nan, 1)}],
)
def test_a_gate_that_is_none_is_refused(curves):
    with pytest.raises(ModelError, match="gate"):
        speech_gate(curves)


# --- learning --------------------------------------------------------------------------------------


def taught(rng, gate, n=4000, k=3):
    """Answers whose labels are drawn from scores behind a gate, and scores that know of none."""
    measures = np.column_stack([
        rng.uniform(-5, 40, n), rng.uniform(0, 0.3, n) * rng.integers(0, 2, n), rng.uniform(2000, 8000, n),
        rng.uniform(0.1, 1, n), rng.uniform(0, 2.5, n),
    ])  # fmt: skip
    scores = rng.dirichlet(np.full(k, 0.3), n)
    drawn = np.array([rng.choice(k, p=row) for row in weakened(scores, gate.factors(measures))])
    chosen = scores[np.arange(n), drawn]
    return GateData(measures, np.ones(n), np.ones(n, int), chosen, k, np.ones(n)), scores, drawn


def test_a_gate_that_was_put_in_is_found():
    true = speech_gate({"snr": (0.0, 20.0, 0.3), "seconds": (0.0, 1.0, 0.4)})
    data, _, _ = taught(np.random.default_rng(0), true)
    found = fit_gate(data)
    assert set(found.curves) == {"snr", "seconds"}
    error = np.abs(found.factors(data.measures) - true.factors(data.measures))
    assert error.mean() < 0.05
    assert data.loss(found) <= data.loss(true) + 0.002 < data.loss(speech_gate()) - 0.05


def test_measures_that_tell_nothing_cost_nothing():
    data, _, _ = taught(np.random.default_rng(1), speech_gate())
    assert fit_gate(data) == speech_gate()


def test_what_is_learned_does_not_depend_on_the_order_of_the_clips():
    data, _, _ = taught(np.random.default_rng(2), speech_gate({"clipped": (0.2, 0.01, 0.3)}), n=1500)
    order = np.random.default_rng(3).permutation(1500)
    mixed = replace(data, measures=data.measures[order], chosen=data.chosen[order])
    assert fit_gate(mixed) == fit_gate(data)


def test_answers_of_several_windows_are_weighted_means():
    rows = np.tile(GOOD, (3, 1))
    rows[:, 4] = [0.0, 1.0, 2.0]
    gate = speech_gate({"seconds": (0.0, 2.0, 0.5)})
    data = GateData(rows, np.array([0.25, 0.75, 1.0]), np.array([2, 1]), np.array([0.5, 0.5]), 4, np.ones(2))
    np.testing.assert_allclose(data.pooled(gate.factors(rows)), [0.25 * 0.5 + 0.75 * 0.75, 1.0])


def clips_with(rng, n, condition):
    """Clips whose labels follow their scores as they are, and hardly under noise."""
    logits = 2 * rng.standard_normal((n, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    snr = rng.uniform(0, 8, n) if condition else rng.uniform(30, 45, n)
    kept = np.where(snr < 10, 0.3, 1.0)
    truth = [LABELS[rng.choice(3, p=row)] for row in weakened(shares, kept)]
    rows = [np.array([[x, *GOOD[1:]]]) for x in snr]
    recordings = tuple(
        RecordingLogits(row[None], np.ones(1), measured) for row, measured in zip(logits, rows, strict=True)
    )
    who = tuple(f"c/{i % 10}" for i in range(n))
    return LabelledLogits(tuple(truth), who, ("c",) * n, recordings, LABELS, (condition,) * n if condition else ())


def test_calibrating_learns_a_gate_and_checks_it_on_other_speakers():
    rng = np.random.default_rng(4)
    clips = clips_with(rng, 1000, "")
    found = calibrate(clips, CARD, under=clips_with(rng, 1000, "noise"), rng=rng)
    gate = found.card.gate
    assert list(gate["curves"]) == ["snr"] and gate["loss"][1] < gate["loss"][0]
    assert list(found.checks) == ["clean", "noise"] and found.checks["noise"].clips == 1000
    noise, clean = found.checks["noise"], found.checks["clean"]
    assert noise.loss[1] < noise.loss[0] - 0.1 and noise.ece[1] < noise.ece[0] / 2
    assert clean.loss[1] == pytest.approx(clean.loss[0], abs=0.01)
    scores = calibration_scores(clips, found.card, rng=rng)
    text = to_text(CARD, found, scores, clips=1000, coverage=0.9)
    assert "gate on snr: keeps " in text and "ECE without" in text and "sets of 90% hold the truth" in text
    again = Card.from_json(found.card.to_json())
    assert gate_of(again.gate) == gate_of(gate) and "noise and echo" in to_markdown(again, "")


def test_nothing_to_learn_from_is_no_gate():
    rng = np.random.default_rng(5)
    clips, few = clips_with(rng, 200, ""), clips_with(rng, 50, "")
    assert calibrate(clips, CARD, rng=rng).card.gate == {}
    assert calibrate(few, CARD, under=clips_with(rng, 1000, "noise"), rng=rng).card.gate == {}
    assert calibrate(clips, replace(CARD, gate={"curves": {"snr": [0, 9, 0.5]}}), rng=rng).card.gate == {}


def test_where_noise_tells_nothing_a_gate_costs_nothing_and_still_names_it():
    rng = np.random.default_rng(6)
    clips = clips_with(rng, 600, "")
    noise = clips_with(rng, 600, "noise")
    # Answers under noise that are as good as clean ones.
    alike = replace(noise, truth=clips.truth, recordings=tuple(
        replace(n, logits=c.logits) for n, c in zip(noise.recordings, clips.recordings, strict=True)
    ))  # fmt: skip
    found = calibrate(clips, CARD, under=alike, rng=rng)
    assert found.card.gate["curves"] == {} and found.checks == {}
    again = Card.from_json(found.card.to_json())
    assert "takes nothing off" in to_markdown(again, "")
    gate, noisy = gate_of(again.gate), np.array([3.0, *GOOD[1:]])
    assert gate.factors(noisy[None])[0] == 1
    assert gate.reason(noisy, 1.0) == ""
    assert gate.reason(noisy, 1.0, unsure=True) == "noise or echo: the speech is 3 dB above it"


@pytest.mark.parametrize("gate", [{"curves": 3}, {"curves": {"snr": [1, 2]}}, {"curves": {"snr": "abc"}}, {"x": 1}])
def test_a_card_with_half_a_gate_is_refused(gate):
    with pytest.raises(ModelError, match="gate must give curves"):
        replace(CARD, gate=gate)


# --- the engine ------------------------------------------------------------------------------------

STRICT = {"curves": {"seconds": [0.0, 3.0, 0.05], "snr": [0.0, 50.0, 0.2]}}


def gated(table, **options):
    """The shipped model with another gate."""
    recognizer = Recognizer(**options)
    network = recognizer.network
    network.card = recognizer.card = replace(recognizer.card, gate=table)
    return recognizer


@pytest.fixture(scope="module")
def pair():
    return gated({}), gated(STRICT)


def test_a_gate_moves_no_segment_and_no_best_guess(pair, conversation):
    free, strict = (r.analyse((conversation, RATE)).predictions for r in pair)
    assert [(p.start, p.end, p.best) for p in free] == [(p.start, p.end, p.best) for p in strict] and len(free) > 5
    for p, q in zip(free, strict, strict=True):
        wanted = weakened(np.array(list(p.scores.values())), q.quality)
        np.testing.assert_allclose(list(q.scores.values()), wanted, atol=1e-9)
        assert not p.reason and bool(q.reason) == (q.quality < 0.9) and q.confidence < p.confidence
    assert any(p.reason.startswith("short") for p in strict) or any("noise" in p.reason for p in strict)


def test_any_chunks_give_the_same_reasons(pair, conversation):
    found = []
    for cuts in ([], [5_000, 5_001, 70_000, 200_000], range(0, len(conversation), 4_000)):
        stream, given = pair[1].stream(), []
        for part in np.split(conversation, cuts):
            given += stream.feed(part)
        found.append(given + stream.flush())
    assert found[0] == found[1] == found[2]


def test_what_is_shown_at_once_is_gated_too(conversation):
    stream, shown = gated(STRICT, options=LIVE).stream(), []
    for part in np.split(conversation[:64_000], 20):
        stream.feed(part)
        shown += [stream.glance(), *(stream.so_far() or ())]
    shown = [p for p in shown if p]
    assert len(shown) > 10 and all(p.reason for p in shown if p.quality < 0.9)
    assert all(sum(p.scores.values()) == pytest.approx(1) for p in shown)


def test_an_unsure_answer_to_a_good_signal_says_that_it_is_the_voice(clips):
    mild = gated({"curves": {"clipped": [1.0, 0.5, 0.5]}}, threshold=1.0)
    (p, *_) = mild.predict(str(clips[0]))
    assert (p.quality, p.label, p.reason) == (1.0, None, AMBIGUOUS)
    assert not gated({"curves": {"clipped": [1.0, 0.5, 0.5]}}, threshold=0.0).predict(str(clips[0]))[0].reason


def test_what_a_calibration_is_fitted_to_is_what_the_engine_answers(pair, clips):
    for path in clips[:4]:
        result = pair[1].analyse(str(path))
        found = recording_logits(pair[1], str(path))
        assert len(found.measures) == len(found.logits)
        scores = found.scores(pair[1].card.temperature, gate_of(STRICT))
        exact = len(result.predictions) == 1
        np.testing.assert_allclose(scores, list(result.summary.scores.values()), atol=1e-9 if exact else 0.03)


def test_clips_are_recognised_under_every_condition(pair, clips):
    chosen = [
        Sample(f"x/{path.stem}", str(path), label="sad", speaker=path.stem[-2:], corpus="x") for path in clips[:6]
    ]
    odd = [Sample("x/odd", str(clips[0]), label="bored", corpus="x"), Sample("x/no", "/nowhere.wav", label="sad")]
    found = logits_under_conditions(pair[0], [*chosen, *odd])
    levels = sum(len(CONDITIONS[name].levels) for name in FITTED_UNDER)
    assert len(found.truth) == 6 * VERSIONS and set(found.conditions) == set(FITTED_UNDER)
    assert levels <= 6 * VERSIONS, "six clips are enough to meet every level"
    again = logits_under_conditions(pair[0], [*chosen, *odd])
    assert all((a.logits == b.logits).all() for a, b in zip(found.recordings, again.recordings, strict=True))


def test_a_model_of_a_measure_that_is_not_known_is_refused(conversation):
    with pytest.raises(ModelError, match=r"a gate on 'loudness'.*Upgrade affekt"):
        gated({"curves": {"loudness": [0, 1, 0.5]}}).stream()


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


def test_measures_of_a_curve_rise_from_bad_to_good():
    for name, (bads, goods) in KNOTS.items():
        sign = -1 if name == "clipped" else 1
        assert all(sign * (good - bad) > 0 for bad in bads for good in goods)
        assert all(sign * (b - a) > 0 for a, b in pairwise(bads + goods))
