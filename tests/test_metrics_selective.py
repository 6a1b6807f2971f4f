"""A model that may say "not sure": what it promises, what it writes, and that its best guesses stay what they were."""

from __future__ import annotations

import csv
import io
import json
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score

from affekt.cli import main
from affekt.errors import AudioWarning, InputError, ModelError
from affekt.evaluate.calibrate import clean_logits, recording_logits
from affekt.evaluate.card_fit import calibrate, calibration_scores
from affekt.evaluate.corpus import evaluate
from affekt.metrics.calibration import (
    LabelledLogits,
    RecordingLogits,
    best_temperature,
    fit_temperature,
    negative_log_likelihood,
)
from affekt.metrics.selective import (
    choose_threshold,
    conformal_quantiles,
    lower_bound,
    outcomes,
    risk_coverage,
    selected,
    upper_tail,
)
from affekt.models.card import Card, label_set
from affekt.models.onnx import read_card
from affekt.models.zoo import model_path
from affekt.recognize.recognizer import Recognizer
from affekt.recognize.trace import Trace
from affekt.speech.stream import LIVE
from affekt.speech.waveform import WaveformInput
from affekt.timeline.segments import window_weights
from affekt.timeline.summary import summarise
from affekt.types import Prediction, Result, Sample
from affekt.write.card import selective_sentences, to_markdown
from affekt.write.predictions import WRITERS

LABELS = ("angry", "happy", "sad")
DOCS = Path(__file__).parents[1] / "docs"
VALIDATOR = jsonschema.Draft202012Validator(
    json.loads((DOCS / "predictions-2.schema.json").read_text(encoding="utf-8"))
)


def random_clips(rng, n=300, *, speakers=10, sharpness=2.0, silent=0):
    """Labels, and logits that are right about as often as their softmax says."""
    logits = sharpness * rng.standard_normal((n, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = [LABELS[rng.choice(3, p=row)] for row in shares]
    recordings = [RecordingLogits(row[None], np.ones(1)) for row in logits]
    recordings[:silent] = [RecordingLogits(np.zeros((0, 3)), np.zeros(0))] * silent
    who = tuple(f"c/{i % speakers}" for i in range(n))
    return LabelledLogits(tuple(truth), who, ("one", "two") * (n // 2), tuple(recordings), LABELS)


CARD = Card("m", "speech", LABELS)

# --- the prediction --------------------------------------------------------------------------------


def test_a_prediction_below_its_threshold_has_a_best_guess_and_no_label():
    scores = {"happy": 0.6, "sad": 0.4}
    for threshold, label in ((0.0, "happy"), (0.6, "happy"), (0.61, None), (1.0, None)):
        p = Prediction(0, 1, scores, threshold=threshold)
        assert (p.label, p.best, p.unsure, p.confidence) == (label, "happy", label is None, 0.6)


def test_no_speech_is_not_the_same_as_unsure():
    p = Prediction(0, 1, {}, threshold=0.9)
    assert (p.label, p.best, p.unsure, p.confidence) == (None, None, False, 0.0)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_share(threshold):
    with pytest.raises(InputError, match="threshold is .*; allowed: 0"):
        Prediction(0, 1, {}, threshold=threshold)
    with pytest.raises(InputError, match="threshold is .*; allowed: 0"):
        Recognizer(threshold=threshold)


def test_a_summary_is_as_strict_as_its_segments():
    parts = [
        Prediction(0, 1, {"a": 0.9, "b": 0.1}, threshold=0.7),
        Prediction(1, 2, {"a": 0.4, "b": 0.6}, threshold=0.7),
    ]
    assert summarise(parts).label is None
    assert summarise(parts).best == "a"


# --- risk, coverage, threshold ---------------------------------------------------------------------


def test_risk_over_coverage_of_four_clips():
    scores = [{"a": p, "b": 1 - p} for p in (0.9, 0.8, 0.8, 0.6)]
    curve = risk_coverage(["a", "b", "a", "b"], scores)
    np.testing.assert_allclose(curve.coverage, [0.25, 0.75, 1.0])  # the two of one confidence come together
    np.testing.assert_allclose(curve.risk, [0, 1 / 3, 1 / 2])
    assert curve.area == pytest.approx(0.25 * 0 + 0.5 / 3 + 0.25 / 2)


@given(st.integers(0, 2**32 - 1))
@example(130766)  # the mean of nine ones was above 1
@settings(max_examples=30, deadline=None)
def test_laws_of_the_risk_coverage_curve(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    rows = np.round(rng.dirichlet([1, 1, 1], n), 2)
    rows /= rows.sum(axis=1, keepdims=True)
    truth = [LABELS[i] for i in rng.integers(0, 3, n)]
    scores = [dict(zip(LABELS, row.tolist(), strict=True)) for row in rows]
    curve = risk_coverage(truth, scores)
    assert (np.diff(curve.coverage) > 0).all() and curve.coverage[-1] == 1
    best = [max(row, key=row.__getitem__) for row in scores]
    assert curve.risk[-1] == pytest.approx(1 - accuracy_score(truth, best))
    assert 0 <= curve.area <= 1
    order = rng.permutation(n)
    again = risk_coverage([truth[i] for i in order], [scores[i] for i in order])
    np.testing.assert_allclose(again.risk, curve.risk, atol=1e-12)


def test_the_bound_is_that_of_clopper_and_pearson():
    rng = np.random.default_rng(0)
    for _ in range(60):
        n = int(rng.integers(1, 3000))
        right, error = int(rng.integers(0, n + 1)), float(rng.uniform(0.001, 0.4))
        wanted = 0.0 if right == 0 else stats.beta.ppf(error, right, n - right + 1)
        assert lower_bound(right, n, error=error) == pytest.approx(wanted, abs=1e-6)
        share = float(rng.uniform(0, 1))
        assert upper_tail(right, n, share) == pytest.approx(stats.binom.sf(right - 1, n, share), abs=1e-8)
    assert upper_tail(1, 5, 0.0) == 0.0 and upper_tail(5, 5, 1.0) == 1.0


@pytest.mark.parametrize("arguments", [(3, 2, 0.05), (0, 0, 0.05), (1, 2, 0.0), (-1, 2, 0.1)])
def test_a_bound_needs_a_share(arguments):
    with pytest.raises(InputError, match="allowed: 0 <= right <= n"):
        lower_bound(arguments[0], arguments[1], error=arguments[2])


def test_a_threshold_breaks_its_promise_as_rarely_as_it_says():
    # Right with probability confidence, so above t the true precision is (1 + t) / 2, on clips drawn anew each time.
    rng, broken = np.random.default_rng(1), 0
    speakers = list("xyz") * 100  # only for the interval
    for _ in range(80):
        confidence = rng.uniform(0.3, 1, 300)
        found = choose_threshold((confidence, rng.random(300) < confidence), speakers, precision=0.8, rng=rng)
        broken += found.met and (1 + max(found.value, 0.3)) / 2 < 0.8
    assert broken <= stats.binom.ppf(0.999, 80, 0.05)


def test_more_clips_allow_a_lower_threshold():
    rng, found = np.random.default_rng(2), []
    for n in (100, 10_000):
        confidence = rng.uniform(0.3, 1, n)
        found.append(choose_threshold((confidence, rng.random(n) < confidence), ["x"] * n, precision=0.8, rng=rng))
    assert found[1].met and found[1].value == pytest.approx(0.6, abs=0.05)
    assert found[0].value > found[1].value or not found[0].met


def test_a_model_that_is_always_right_always_answers_and_one_that_is_not_never_does():
    confidence, rng = np.linspace(0.3, 0.9, 200), np.random.default_rng(0)
    always = choose_threshold((confidence, np.ones(200, bool)), ["x"] * 200, precision=0.9, rng=rng)
    assert (always.value, always.met, always.coverage.value) == (0.0, True, 1.0)
    never = choose_threshold((confidence, np.zeros(200, bool)), ["x"] * 200, precision=0.9, rng=rng)
    assert (never.value, never.met, never.seen.n) == (1.0, False, 0)


def test_few_clips_promise_nothing():
    few = choose_threshold((np.ones(8), np.ones(8, bool)), ["x"] * 8, precision=0.9, rng=np.random.default_rng(0))
    assert not few.met  # 0.9 ** 8 > 0.05: eight right answers are no evidence


def test_one_mistake_among_the_surest_does_not_end_the_search():
    confidence, right = np.linspace(0.99, 0.5, 1000), np.ones(1000, bool)
    right[0] = False
    found = choose_threshold((confidence, right), ["x"] * 1000, precision=0.9, rng=np.random.default_rng(0))
    assert (found.met, found.value) == (True, 0.0)


def test_no_speech_is_never_an_answer():
    outcome = outcomes(["a", "a", "b"], [{"a": 0.9, "b": 0.1}, {}, {"a": 0.3, "b": 0.7}])
    precision, coverage = selected(outcome, list("xyz"), 0.0, rng=np.random.default_rng(0))
    assert (precision.value, precision.n, coverage.n) == (1.0, 2, 3)
    assert coverage.value == pytest.approx(2 / 3)


@pytest.mark.parametrize("precision", [0.0, 1.0, 1.5])
def test_a_precision_is_between_nothing_and_everything(precision):
    with pytest.raises(InputError, match="allowed: between 0 and 1"):
        choose_threshold((np.ones(9), np.ones(9, bool)), ["x"] * 9, precision=precision, rng=np.random.default_rng(0))


# --- label sets ------------------------------------------------------------------------------------


def test_sets_hold_the_truth_as_often_as_promised_on_clips_like_these():
    rng, held = np.random.default_rng(3), []
    for _ in range(100):
        clips = random_clips(rng, 220)
        scores = clips.scores(1.0)
        least = conformal_quantiles(clips.truth[:200], scores[:200], (0.85,))[0.85]
        held += [truth in label_set(row, least) for truth, row in zip(clips.truth[200:], scores[200:], strict=True)]
    assert 0.83 < np.mean(held) < 0.89


def test_the_quantile_is_that_of_the_ranked_probabilities():
    rng = np.random.default_rng(4)
    chosen = rng.uniform(0, 1, 99)
    found = conformal_quantiles(["a"] * 99, [{"a": p, "b": 1 - p} for p in chosen], (0.5, 0.9, 0.95))
    for coverage, least in found.items():
        assert 1 - least == pytest.approx(np.quantile(1 - chosen, coverage * 100 / 99, method="inverted_cdf"))


def test_a_larger_coverage_never_takes_a_label_away():
    clips = random_clips(np.random.default_rng(5), silent=4)
    scores = clips.scores(1.0)
    quantiles = conformal_quantiles(clips.truth, scores)
    assert list(quantiles.values()) == sorted(quantiles.values(), reverse=True)
    for row in scores:
        sets = [set(label_set(row, least)) for least in quantiles.values()]
        assert all(small <= large for small, large in pairwise(sets))
        assert all(sets) == bool(row)


def test_too_few_clips_for_a_coverage_give_every_label():
    least = conformal_quantiles(["a"] * 3, [{"a": 0.9, "b": 0.1}] * 3, (0.9,))[0.9]
    assert label_set({"a": 0.99, "b": 0.01}, least) == ("a", "b")


# --- temperature, calibrating ----------------------------------------------------------------------


def test_a_temperature_that_was_put_in_is_found():
    rng = np.random.default_rng(6)
    clips = random_clips(rng, 3000, sharpness=2.5)
    cold = replace(clips, recordings=tuple(RecordingLogits(3 * h.logits, h.weights) for h in clips.recordings))
    assert best_temperature(cold.loss) == pytest.approx(3.0, rel=0.1)
    logits = np.concatenate([h.logits for h in cold.recordings])
    labels = np.array([LABELS.index(label) for label in cold.truth])
    assert best_temperature(cold.loss) == pytest.approx(fit_temperature(logits, labels), rel=1e-6)
    assert cold.loss(2.0) == pytest.approx(negative_log_likelihood(logits, labels, 2.0))


def test_calibrating_mends_confidence_and_keeps_its_promises_on_the_clips():
    rng = np.random.default_rng(7)
    clips = random_clips(rng, 2000, silent=10)
    hot = replace(clips, recordings=tuple(RecordingLogits(4 * h.logits, h.weights) for h in clips.recordings))
    found = calibrate(hot, CARD, precision=0.9, rng=rng)
    assert found.card.temperature == pytest.approx(4, rel=0.15)
    assert found.loss[1] < found.loss[0] - 0.5
    before = calibration_scores(hot, replace(found.card, temperature=1.0), rng=rng)["all"]
    after = calibration_scores(hot, found.card, coverage=0.8, rng=rng)
    assert after["all"].ece.value < before.ece.value / 3
    assert after["all"].precision.value >= 0.9 and 0 < after["all"].coverage.value < 1
    assert after["all"].set_coverage.value == pytest.approx(0.8, abs=0.01)
    assert list(after) == ["all", "one", "two"]
    assert after["all"].coverage.n == 2000 and after["all"].set_coverage.n == 1990
    assert sum(after[name].coverage.n for name in ("one", "two")) == 2000


def test_a_temperature_that_is_as_good_is_kept():
    clips = random_clips(np.random.default_rng(12), 2000)
    best = calibrate(clips, replace(CARD, temperature=3.0), rng=np.random.default_rng(0)).card.temperature
    near = best * 1.01
    assert calibrate(clips, replace(CARD, temperature=near), rng=np.random.default_rng(0)).card.temperature == near


def test_a_promise_that_cannot_be_kept_leaves_the_model_answering():
    clips = random_clips(np.random.default_rng(8), sharpness=0.1)
    found = calibrate(clips, replace(CARD, threshold=0.5), precision=0.99, rng=np.random.default_rng(0))
    assert (found.threshold.met, found.card.threshold, found.card.promise) == (False, 0.0, {})


def test_silence_alone_cannot_be_calibrated():
    silence = random_clips(np.random.default_rng(0), 4, silent=4)
    with pytest.raises(InputError, match="4 clips of dev speakers, none with speech"):
        calibrate(silence, CARD, rng=np.random.default_rng(0))


def test_parts_and_bins_hold_all_clips():
    clips = random_clips(np.random.default_rng(9), 100)
    assert {name: len(part.truth) for name, part in clips.by_corpus().items()} == {"all": 100, "one": 50, "two": 50}
    assert sum(n for _, _, n in clips.reliability(1.0)) == 100


# --- the card --------------------------------------------------------------------------------------


def calibrated_card():
    return calibrate(
        random_clips(np.random.default_rng(10), 2000), CARD, precision=0.9, rng=np.random.default_rng(0)
    ).card


def test_a_calibrated_card_survives_its_json_and_says_what_it_promised():
    card = calibrated_card()
    assert card.threshold > 0
    assert Card.from_json(card.to_json()) == card
    page = to_markdown(card, "")
    assert (
        f"Not sure below a confidence of {card.threshold:.2f}. Chosen for 90% right answers; on 10 dev speakers" in page
    )
    assert "Label sets from 2000 clips of 10 dev speakers" in page
    assert selective_sentences(CARD) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"threshold": 1.5}, "threshold 1.5 is not between 0 and 1"),
        ({"threshold": "0.5"}, "threshold 0.5 is not"),
        ({"threshold": float("nan")}, "a number is infinite or NaN"),
        ({"promise": {"precision": 0.7}}, "promise must give"),
        ({"promise": [1]}, "promise must give"),
        ({"conformal": {"clips": 3, "speakers": 1, "quantiles": {}}}, "conformal must give"),
        ({"conformal": {"clips": 3, "speakers": 1, "quantiles": {"0.9": 0.1}}}, "conformal must give"),
        ({"conformal": {"clips": 3, "speakers": 1, "quantiles": {"0.90": 2}}}, "conformal must give"),
        ({"conformal": {"clips": "many", "speakers": 1, "quantiles": {"0.90": 0.2}}}, "conformal must give"),
    ],
)
def test_a_card_by_somebody_else_is_looked_through(change, words):
    table = {**json.loads(CARD.to_json()), **change}
    with pytest.raises(ModelError, match=words):
        Card.from_json(json.dumps(table))


# --- the engine ------------------------------------------------------------------------------------


def test_the_logits_kept_make_the_summary(conversation):
    recognizer = Recognizer()
    for signal in (conversation, conversation[:20_000]):
        summary = recognizer.analyse((signal, 16_000)).summary
        found = recording_logits(recognizer, (signal, 16_000))
        assert found.weights.sum() == pytest.approx(1)
        np.testing.assert_allclose(found.scores(recognizer.card.temperature), list(summary.scores.values()), atol=1e-9)


def test_silence_has_no_logits():
    found = recording_logits(Recognizer(), (np.zeros(32_000, np.float32), 16_000))
    assert found.logits.shape == (0, 8) and found.scores(1.0).tolist() == [0.0] * 8


@given(st.integers(1, 30), st.integers(0, 6399))
@settings(max_examples=30, deadline=None)
def test_window_weights_share_out_the_region(count, rest):
    length = 48_000 + (count - 1) * 6_400 - (rest if count > 1 else 0)
    weights = window_weights(count, length, WaveformInput.of(CARD).windows)
    assert weights.shape == (count,) and (weights > 0).all()
    assert weights.sum() == pytest.approx(length)


def test_a_threshold_moves_no_segment_and_changes_no_score(conversation):
    plain, strict = (Recognizer(threshold=t).analyse((conversation, 16_000)) for t in (0.0, 0.95))
    rows = [[(p.start, p.end, p.scores, p.best) for p in result.predictions] for result in (plain, strict)]
    assert rows[0] == rows[1] and len(rows[0]) > 3
    assert all(p.label is not None for p in plain.predictions)
    assert [p.label is None for p in strict.predictions] == [p.confidence < 0.95 for p in strict.predictions]
    assert any(p.unsure for p in strict.predictions)


def test_any_chunks_give_the_same_answers_with_a_threshold(conversation):
    recognizer, found = Recognizer(threshold=0.6), []
    for cuts in ([], [5_000, 5_001, 70_000, 200_000]):
        stream, given = recognizer.stream(), []
        for part in np.split(conversation, cuts):
            given += stream.feed(part)
        found.append(given + stream.flush())
    assert found[0] == found[1]


def test_cells_and_glances(conversation):
    recognizer, trace = Recognizer(threshold=1.0), Trace()
    recognizer.analyse((conversation[:64_000], 16_000), trace=trace)
    assert trace.hops and all(hop.label is not None for hop in trace.hops)
    stream, glances = Recognizer(threshold=1.0, options=LIVE).stream(), []
    for part in np.split(conversation[:64_000], 20):
        stream.feed(part)
        glances += [now] if (now := stream.glance()) else []
    assert glances and all(glance.unsure for glance in glances)


def test_the_card_has_a_say_and_the_caller_the_last(calibrated_file, clips):
    card = read_card(calibrated_file)
    assert Recognizer(calibrated_file).threshold == card.threshold == 0.99
    assert Recognizer(calibrated_file, threshold=0.0).threshold == 0.0
    assert Recognizer().threshold == read_card(model_path("voice")).threshold


@pytest.fixture(scope="module")
def calibrated_file(tmp_path_factory):
    """The shipped model with a card that is hardly ever sure."""
    pytest.importorskip("onnx")
    from affekt.train.export import rewrite_card

    path = tmp_path_factory.mktemp("model") / "strict.onnx"
    path.write_bytes(model_path("voice").read_bytes())
    quantiles = {"0.50": 0.5, "0.80": 0.2, "0.90": 0.05, "0.99": 0.0}
    conformal = {"clips": 10, "speakers": 2, "quantiles": quantiles, "method": "by hand"}
    rewrite_card(path, replace(read_card(path), threshold=0.99, conformal=conformal))
    return path


def test_label_sets_of_a_recogniser(calibrated_file):
    recognizer = Recognizer(calibrated_file)
    rest = dict.fromkeys(recognizer.labels[2:], 0.02)
    p = Prediction(0, 1, {recognizer.labels[0]: 0.28, recognizer.labels[1]: 0.6, **rest})
    first, second = recognizer.labels[1], recognizer.labels[0]
    assert recognizer.label_set(p, 0.5) == (first,)
    assert recognizer.label_set(p) == recognizer.label_set(p, 0.81) == (first, second)
    assert len(recognizer.label_set(p, 0.99)) == 8
    assert recognizer.label_set(Prediction(0, 0, {})) == ()
    with pytest.raises(InputError, match=r"coverage is 0\.995; allowed: 0\.50 to 0\.99"):
        recognizer.label_set(p, 0.995)
    with pytest.raises(InputError, match="label sets hold for all labels of the model"):
        recognizer.label_set(Prediction(0, 1, {"angry": 0.5, "sad": 0.5}))


def test_label_sets_need_a_calibrated_model(tmp_path):
    recognizer = Recognizer()
    if recognizer.card.conformal:
        pytest.skip("the shipped model is calibrated")
    with pytest.raises(InputError, match="was not calibrated for label sets; run `affekt calibrate`"):
        recognizer.label_set(Prediction(0, 0, {}))


# --- judging ---------------------------------------------------------------------------------------


def samples_of(clips):
    words = {"01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry", "06": "fear", "08": "surprise"}
    return [
        Sample(f"x/{path.stem}", str(path), label=words[path.stem.split("-")[2]], speaker=path.stem[-2:], corpus="x")
        for path in clips
    ]


def test_best_guesses_are_judged_whatever_the_threshold(clips):
    samples = samples_of(clips)
    plain, strict, never = (evaluate(Recognizer(threshold=t), samples).reports for t in (0.0, 0.5, 1.0))
    for kind in plain:
        assert {name: strict[kind].metrics[name] for name in plain[kind].metrics} == dict(plain[kind].metrics)
        assert strict[kind].confusion == plain[kind].confusion
        assert strict[kind].metrics["coverage, all labels"].n == len(samples)
    sure = strict["all labels"].metrics["precision when sure, all labels"]
    answers = [Recognizer().analyse(str(path)).summary for path in clips]
    right = [(p.best == s.label) for p, s in zip(answers, samples, strict=True) if p.confidence >= 0.5]
    assert (sure.value, sure.n) == (pytest.approx(np.mean(right)), len(right))
    assert "coverage, all labels" not in plain["all labels"].metrics
    assert "precision when sure, all labels" not in never["all labels"].metrics
    assert any("never sure" in sentence for sentence in never["all labels"].warnings)


def test_a_pass_leaves_out_what_the_model_cannot_say_and_names_what_it_cannot_read(clips, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"nothing")
    samples = [*samples_of(clips[:2]), Sample("x/odd", str(clips[0]), label="bored", speaker="1", corpus="x"),
               Sample("x/broken", str(broken), label="sad", speaker="1", corpus="x")]  # fmt: skip
    found, failures = clean_logits(Recognizer(), samples)
    assert len(found.truth) == 2 and found.speakers == ("x/23", "x/24")
    assert [failure.source for failure in failures] == [str(broken)]


# --- what is written -------------------------------------------------------------------------------

UNSURE = Prediction(0.5, 1.5, {"angry": 0.3, "happy": 0.46, "sad": 0.24}, threshold=0.7)
SURE = Prediction(2.0, 3.0, {"angry": 0.1, "happy": 0.1, "sad": 0.8}, threshold=0.7)
MIXED = Result("a.wav", 4.0, (UNSURE, SURE), UNSURE, "m", LABELS)


def written(name, result=MIXED):
    file = io.StringIO()
    WRITERS[name]([result], file)
    return file.getvalue()


def test_json_says_null_unsure_and_the_best_guess():
    document = json.loads(written("json"))
    VALIDATOR.validate(document)
    first, second = document["results"][0]["segments"]
    assert (first["label"], first["unsure"], first["best"], first["confidence"]) == (None, True, "happy", 0.46)
    assert first["scores"]["angry"] == 0.3
    assert second["label"] == "sad" and not {"unsure", "best"} & set(second)
    assert document["results"][0]["summary"]["unsure"] is True


@pytest.mark.parametrize(
    "change", [{"label": "happy"}, {"best": None}, {"unsure": False}, {"scores": {}}], ids=lambda c: next(iter(c))
)
def test_the_schema_refuses_half_an_unsure_answer(change):
    document = json.loads(written("json"))
    document["results"][0]["segments"][0].update(change)
    assert not VALIDATOR.is_valid(document)


def test_every_other_format_says_unsure():
    rows = list(csv.DictReader(io.StringIO(written("csv"))))
    assert [row["label"] for row in rows] == ["unsure", "sad"] and rows[0]["confidence"] == "0.46"
    assert "\nunsure: happy 46 %?\n" in written("srt") and "\nsad 80 %\n" in written("srt")
    assert written("audacity").splitlines()[0].split("\t")[2] == "unsure"
    assert 'text = "unsure"' in written("textgrid") and 'text = "0.46"' in written("textgrid")
    assert [line.split()[7] for line in written("rttm").splitlines()] == ["unsure", "sad"]


# --- the commands ----------------------------------------------------------------------------------


def run(*arguments, status=0):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AudioWarning)
        done = CliRunner().invoke(main, [str(a) for a in arguments])
    assert done.exit_code == status, done.output
    return done.output


def test_predict_says_not_sure_beside_the_best_guess(clips):
    best = Recognizer().analyse(str(clips[0])).summary.best
    assert f"not sure, perhaps {best}" in run("predict", clips[0], "--threshold", 1)
    assert f"not sure, perhaps {best}" in run("predict", clips[0], clips[1], "--threshold", 1)
    assert "not sure" not in run("predict", clips[0], "--threshold", 0)


def test_predict_shows_the_set_that_was_asked_for(clips, calibrated_file):
    recognizer = Recognizer(calibrated_file)
    labels = recognizer.label_set(recognizer.analyse(str(clips[0])).summary, 0.8)
    shown = run("predict", clips[0], "--model", calibrated_file, "--coverage", 0.8)
    assert "with 80 % coverage" in shown.splitlines()[1]
    assert f", with 80 % coverage: {', '.join(labels)}" in shown.splitlines()[-2]
    assert "--coverage is for the table" in run(
        "predict", clips[0], "--model", calibrated_file, "--coverage", 0.8, "--format", "csv", status=2
    )
    assert "leave --labels out" in run("predict", clips[0], "--coverage", 0.8, "--labels", "four", status=2)


def test_info_says_when_a_model_is_not_sure(calibrated_file):
    assert "unsure     Not sure below a confidence of 0.99." in run("info", calibrated_file)


def test_calibrate_says_where_it_will_not_write(calibrated_file, tmp_path):
    some = ["--corpus", f"ravdess={tmp_path}"]
    assert "say where the calibrated model goes" in run("calibrate", calibrated_file, *some, status=2)
    assert "is the model itself" in run("calibrate", calibrated_file, *some, "-o", calibrated_file, status=2)
    assert "ends in .onnx" in run("calibrate", calibrated_file, *some, "-o", tmp_path / "x.bin", status=2)
    assert "allowed are .png" in run(
        "calibrate", calibrated_file, *some, "-o", tmp_path / "x.onnx", "--plot", tmp_path / "x.txt", status=2
    )
    assert not list(tmp_path.iterdir())


@pytest.fixture
def small_corpus(clips, tmp_path):
    """A folder in the shape of RAVDESS, whose dev speakers 17 and 18 are the examples under other names."""
    for i, path in enumerate(clips):
        actor = str(17 + i % 2)
        folder = tmp_path / "ravdess" / f"Actor_{actor}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{path.stem[:-2]}{actor}.wav").write_bytes(path.read_bytes())
    return tmp_path / "ravdess"


def test_calibrate_writes_a_new_file_and_leaves_the_old_one(small_corpus, calibrated_file, tmp_path):
    before = calibrated_file.read_bytes()
    new, picture = tmp_path / "new.onnx", tmp_path / "new.png"
    said = run("calibrate", calibrated_file, "--corpus", f"ravdess={small_corpus}", "--precision", 0.2,
               "-o", new, "--plot", picture)  # fmt: skip
    assert "12 clips of 2 dev speakers" in said and "of 90% hold the truth" in " ".join(said.split())
    assert calibrated_file.read_bytes() == before and picture.stat().st_size > 10_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.onnx", "new.png", "ravdess"]
    old, card = read_card(calibrated_file), read_card(new)
    assert card.conformal["clips"] == 12 and card.conformal["speakers"] == 2
    kept = {"temperature": 1.0, "threshold": 0.0, "promise": {}, "conformal": {}}
    assert replace(card, **kept) == replace(old, **kept)
    clip = next(iter(small_corpus.rglob("*.wav")))
    guesses = [Recognizer(path, threshold=0.0).analyse(str(clip)).summary.best for path in (calibrated_file, new)]
    assert guesses[0] == guesses[1]


def test_calibrate_refuses_speakers_the_model_may_have_learned_from(small_corpus, calibrated_file, tmp_path):
    from affekt.train.export import rewrite_card

    unknown = tmp_path / "unknown.onnx"
    unknown.write_bytes(calibrated_file.read_bytes())
    rewrite_card(unknown, replace(read_card(unknown), split="0" * 64))
    said = run("calibrate", unknown, "--corpus", f"ravdess={small_corpus}", "-o", tmp_path / "x.onnx", status=2)
    assert "may have learned from its dev speakers" in said and not (tmp_path / "x.onnx").exists()


def test_pictures_draw_every_curve():
    from affekt.plot.selective import draw_calibration

    parts = random_clips(np.random.default_rng(0), 100).by_corpus()
    curves = {name: risk_coverage(part.truth, part.scores(1.0)) for name, part in parts.items()}
    figure = draw_calibration({"before": [(0.5, 0.4, 10)], "after": [(0.0, 0.0, 3)]}, curves, coverage=0.4)
    left, right = figure.axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["confidence = accuracy", "before", "after"]
    names = [text.get_text().split(" ")[0] for text in right.get_legend().get_texts()]
    assert names == ["all", "one", "two", "threshold"]
    last = right.get_lines()[0].get_ydata()[-1]
    assert last == pytest.approx(curves["all"].risk[-1])


# --- real corpora ----------------------------------------------------------------------------------


@pytest.mark.corpora
def test_sets_fitted_on_dev_speakers_hold_the_truth_of_test_speakers(corpora_folder):
    from affekt.corpora import read_corpus
    from affekt.data.splits import fixed_split

    recognizer, logits = Recognizer(), []
    split = fixed_split(read_corpus("ravdess", corpora_folder / "ravdess").samples)
    for samples in (split.dev, split.test):
        found, failures = clean_logits(recognizer, samples)
        assert not failures
        logits.append(found)
    found = calibrate(logits[0], recognizer.card, precision=0.7, rng=np.random.default_rng(0))
    on_test = calibration_scores(logits[1], found.card, coverage=0.9, rng=np.random.default_rng(0))["all"]
    # Other speakers are not exchangeable with the two of dev, so this asks for less than was promised.
    assert on_test.set_coverage.value > 0.8 and on_test.set_size.value < 7
    assert on_test.precision.value > 0.6
