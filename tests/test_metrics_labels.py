"""Metrics by known answer, by law and against scikit-learn; intervals, tests, temperature, splits, reports."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affekt.data.splits import Split, fixed_speakers, fixed_split, split_by_speaker
from affekt.errors import InputError
from affekt.metrics.calibration import fit_temperature, negative_log_likelihood
from affekt.metrics.intervals import bootstrap
from affekt.metrics.labels import METRICS, accuracy, confusion, macro_f1, per_class, unweighted_recall
from affekt.metrics.permutation import chance_test, paired_test
from affekt.metrics.probabilities import brier, calibration_error, log_loss, reliability, top2_accuracy
from affekt.metrics.report import report
from affekt.models.onnx import softmax
from affekt.types import Sample

PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=60)


def test_known_answers():
    truth, predicted = list("aaaabb"), ["a", "a", "a", "b", "b", None]
    assert unweighted_recall(truth, predicted) == pytest.approx((0.75 + 0.5) / 2)
    assert accuracy(truth, predicted) == pytest.approx(4 / 6)
    assert macro_f1(truth, predicted) == pytest.approx((2 * 3 / 7 + 2 * 1 / 4) / 2)
    assert confusion(truth, predicted).tolist() == [[3, 1, 0], [0, 1, 1]]


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
@given(pairs=PAIRS, data=st.data())
def test_metrics_do_not_depend_on_order_or_on_the_names_of_labels(metric, pairs, data):
    truth, predicted = zip(*pairs, strict=True)
    value = metric(truth, predicted)
    assert 0 <= value <= 1
    shuffled = data.draw(st.permutations(pairs))
    assert metric(*zip(*shuffled, strict=True)) == pytest.approx(value)
    names = {"a": "z", "b": "x", "c": "y"}
    assert metric([names[t] for t in truth], [names[p] for p in predicted]) == pytest.approx(value)


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_perfect_is_one_and_always_wrong_is_zero(metric):
    assert metric(["a", "b", "b"], ["a", "b", "b"]) == 1
    assert metric(["a", "b", "b"], ["b", "a", None]) == 0


def test_shuffled_labels_score_chance():
    rng = np.random.default_rng(0)
    truth = rng.choice(list("abcd"), 8000, p=[0.7, 0.1, 0.1, 0.1]).tolist()
    assert unweighted_recall(truth, rng.permutation(truth).tolist()) == pytest.approx(0.25, abs=0.03)


def test_lengths_must_agree_and_not_be_zero():
    with pytest.raises(InputError, match="1 true labels and 2 predicted"):
        accuracy(["a"], ["a", "b"])
    with pytest.raises(InputError, match="at least one"):
        accuracy([], [])


def clustered(rng, speakers, clips):
    """Speakers who are understood well or badly as a whole: clips say little more than one clip would."""
    groups = np.repeat(np.arange(speakers), clips)
    right = rng.random(speakers)[groups] > rng.random(speakers * clips) * 0.2 + 0.4
    return ["a"] * len(groups), np.where(right, "a", "b").tolist(), groups.astype(str).tolist()


def test_intervals_over_speakers_are_wider_than_over_clips_and_cover_the_truth():
    rng, covered, wider = np.random.default_rng(1), 0, 0
    for _ in range(60):
        truth, given, groups = clustered(rng, 12, 30)
        by_speaker = bootstrap(accuracy, truth, given, groups=groups, rng=rng, draws=200)
        by_clip = bootstrap(accuracy, truth, given, groups=[str(i) for i in range(len(truth))], rng=rng, draws=200)
        covered += by_speaker.low <= 0.5 <= by_speaker.high
        wider += by_speaker.high - by_speaker.low > by_clip.high - by_clip.low
    assert wider == 60
    assert covered >= 48, "a 95 % interval from twelve speakers should hold the truth nearly always"


def test_an_interval_holds_its_value_and_counts_clips():
    found = bootstrap(accuracy, list("abab"), list("abba"), groups=list("1234"), rng=np.random.default_rng(0))
    assert found.low <= found.value <= found.high
    assert found.n == 4
    with pytest.raises(InputError, match="they must be as many"):
        bootstrap(accuracy, ["a"], ["a"], groups=[], rng=np.random.default_rng(0))


def test_temperature_undoes_a_known_overconfidence():
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((4000, 5)) * 2
    labels = np.array([rng.choice(5, p=row) for row in softmax(logits)])
    assert fit_temperature(logits * 3, labels) == pytest.approx(3, rel=0.1)
    assert negative_log_likelihood(logits, labels, 1.0) < negative_log_likelihood(logits, labels, 3.0)


def test_softmax_survives_large_logits():
    np.testing.assert_allclose(softmax(np.array([[1e4, 0.0], [0.0, 0.0]])), [[1, 0], [0.5, 0.5]])


def make_samples(speakers=("1", "2", "3", "4", "5", "6"), corpus="c"):
    return [Sample(f"{corpus}/{s}-{e}", "x.wav", label=e, speaker=s, corpus=corpus) for s in speakers for e in "ab"]


@given(seed=st.integers(0, 1000), dev=st.sampled_from([0.0, 0.1, 0.4]), test=st.sampled_from([0.2, 0.5]))
def test_no_split_shares_a_speaker_or_loses_a_sample(seed, dev, test):
    samples = make_samples()
    split = split_by_speaker(samples, np.random.default_rng(seed), dev=dev, test=test)
    sides = [{s.speaker for s in side} for side in (split.train, split.dev, split.test)]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert sorted(s.id for side in (split.train, split.dev, split.test) for s in side) == sorted(s.id for s in samples)
    assert split.train
    assert split.test


def test_a_split_that_shares_a_speaker_cannot_be_made():
    samples = tuple(make_samples())
    with pytest.raises(InputError, match="speaker 1 of c stands in train and in test"):
        Split(samples, (), samples[:1])


def test_unknown_or_too_few_speakers_are_refused():
    with pytest.raises(InputError, match="the speaker is unknown"):
        split_by_speaker([Sample("c/1", "x.wav", corpus="c")], np.random.default_rng(0))
    with pytest.raises(InputError, match="2 speakers are too few"):
        split_by_speaker(make_samples(("1", "2")), np.random.default_rng(0))


def test_the_committed_speakers_are_those_the_project_promised():
    table = fixed_speakers()
    assert set(table["ravdess"]["test"]) == {"19", "20", "21", "22", "23", "24"}
    assert table["tess"]["test"] == ["OAF"]
    assert len(table["savee"]["test"]) == 1
    assert len(table["emovo"]["test"]) == 2
    for corpus, sides in table.items():
        assert not set(sides["test"]) & set(sides["dev"]), corpus


def test_the_fixed_split_follows_the_table_and_refuses_other_corpora():
    split = fixed_split(make_samples(("01", "17", "24"), corpus="ravdess"))
    assert [{s.speaker for s in side} for side in (split.train, split.dev, split.test)] == [{"01"}, {"17"}, {"24"}]
    with pytest.raises(InputError, match="'mine' has no fixed speakers"):
        fixed_split(make_samples(corpus="mine"))


def test_a_report_carries_intervals_confusion_and_warnings():
    samples = make_samples()
    found = report(samples, ["a", "b"] * 5 + [None, "b"], rng=np.random.default_rng(0), protocol="p")
    assert found.metrics["UAR"].n == 12
    assert found.confusion == ((5, 0, 1), (0, 6, 0))
    assert any("1 of 12 clips got no answer" in sentence for sentence in found.warnings)
    few = report(samples[:4], ["a", "b", "a", "b"], rng=np.random.default_rng(0))
    assert "2 speakers: the interval is over clips" in few.warnings[0]


@pytest.mark.corpora
def test_the_fixed_test_speakers_are_a_fifth_of_each_corpus(corpora_folder):
    from affekt.corpora import read_corpus

    for corpus, sides in fixed_speakers().items():
        samples = read_corpus(corpus, corpora_folder / corpus).samples
        speakers = {s.speaker for s in samples}
        assert set(sides["test"]) | set(sides["dev"]) < speakers
        assert len(sides["test"]) >= round(0.2 * len(speakers)), corpus
        tested = [s.label for s in samples if s.speaker in sides["test"]]
        assert set(tested) == {s.label for s in samples}, f"{corpus}: every emotion is tested"


def random_answers(rng, n=300, labels=("b", "c", "a", "zz"), strange=True):
    """Truth that may lack classes, answers with None and labels that never occur, and probabilities."""
    occurring = list(labels[: int(rng.integers(2, len(labels) + 1))])
    truth = rng.choice(occurring, n).tolist()
    others = [*labels, None, "never seen"] if strange else list(labels)
    predicted = [t if rng.random() < 0.5 else others[rng.integers(len(others))] for t in truth]
    scores = rng.dirichlet(np.full(len(labels), 0.6), n)
    return truth, predicted, scores, list(labels)


@pytest.mark.parametrize("seed", range(8))
def test_metrics_agree_with_scikit_learn(seed):
    sk = pytest.importorskip("sklearn.metrics")
    truth, predicted, scores, labels = random_answers(np.random.default_rng(seed))
    classes, given = sorted(set(truth)), [p or "none" for p in predicted]
    table = sk.precision_recall_fscore_support(truth, given, labels=classes, zero_division=0)
    found = per_class(truth, predicted)
    for i, label in enumerate(classes):
        entry = found[label]
        assert [entry[k] for k in ("precision", "recall", "f1", "support")] == pytest.approx([row[i] for row in table])
    assert unweighted_recall(truth, predicted) == pytest.approx(np.mean(table[1]))
    assert macro_f1(truth, predicted) == pytest.approx(np.mean(table[2]))
    assert accuracy(truth, predicted) == pytest.approx(sk.accuracy_score(truth, given))
    wanted = sk.confusion_matrix(truth, given, labels=[*classes, "other"])
    assert (confusion(truth, predicted)[:, :-1] == wanted[: len(classes), : len(classes)]).all()
    # scikit-learn wants its columns sorted; ours come in any order.
    order = np.argsort(labels)
    ordered = scores[:, order]
    assert log_loss(truth, scores, labels) == pytest.approx(sk.log_loss(truth, ordered, labels=sorted(labels)))
    top2 = sk.top_k_accuracy_score(truth, ordered, k=2, labels=sorted(labels))
    assert top2_accuracy(truth, scores, labels) == pytest.approx(top2)


@pytest.mark.parametrize("seed", range(4))
def test_brier_and_calibration_error_agree_with_plain_loops(seed):
    truth, _, scores, labels = random_answers(np.random.default_rng(seed))
    scores[:5] = np.eye(4)[[0, 1, 2, 3, 0]]  # a confidence of exactly 1 belongs to the last bin
    pairs = list(zip(truth, scores, strict=True))
    squares = [sum((p - (label == t)) ** 2 for p, label in zip(row, labels, strict=True)) for t, row in pairs]
    assert brier(truth, scores, labels) == pytest.approx(np.mean(squares))
    error = 0.0
    for b in range(15):
        inside = [
            (max(row), labels[int(np.argmax(row))] == t)
            for t, row in pairs
            if b / 15 <= max(row) < (b + 1) / 15 or (b == 14 and max(row) == 1)
        ]
        if inside:
            confidence, right = np.mean(inside, axis=0)
            error += len(inside) / len(truth) * abs(confidence - right)
            assert reliability(truth, scores, labels)[b] == pytest.approx((confidence, right, len(inside)))
    assert calibration_error(truth, scores, labels) == pytest.approx(error)


def test_no_answer_counts_as_knowing_nothing():
    scores = np.array([[1.0, 0.0], [np.nan, np.nan]])
    assert log_loss(["a", "b"], scores, ["a", "b"]) == pytest.approx(np.log(2) / 2)
    assert brier(["a", "b"], scores, ["a", "b"]) == pytest.approx(0.25)
    assert top2_accuracy(["a", "b"], scores, ["a", "b"]) == 0.5
    assert calibration_error(["a", "b"], scores, ["a", "b"]) == 0
    assert reliability(["a", "b"], scores, ["a", "b"])[0] == (0.0, 0.0, 1)


@pytest.mark.parametrize(
    ("truth", "scores", "words"),
    [
        (["a"], [[0.5, 0.5], [1, 0]], "scores have shape"),
        (["a"], [[0.5, 0.6]], "must be probabilities that sum to 1; row 0"),
        (["a"], [[1.5, -0.5]], "must be probabilities"),
        (["a"], [[np.nan, 1.0]], "must be probabilities"),
        (["q"], [[0.5, 0.5]], "unknown true label 'q'"),
        ([], np.zeros((0, 2)), "at least one"),
    ],
)
def test_scores_that_are_no_probabilities_are_refused(truth, scores, words):
    with pytest.raises(InputError, match=words):
        log_loss(truth, np.array(scores), ["a", "b"])


def test_a_true_label_outside_the_given_ones_is_refused():
    with pytest.raises(InputError, match="unknown true label 'c'"):
        confusion(["c"], ["a"], ["a", "b"])


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
@pytest.mark.parametrize("speakers", [2, 7])
def test_the_fast_bootstrap_draws_what_the_plain_one_draws(metric, speakers):
    rng = np.random.default_rng(3)
    truth, predicted, _, _ = random_answers(rng, n=80)
    groups = [str(i) for i in rng.integers(0, speakers, 80)]
    slow = bootstrap(lambda t, p: metric(t, p), truth, predicted, groups=groups, rng=np.random.default_rng(5), draws=60)
    fast = bootstrap(metric, truth, predicted, groups=groups, rng=np.random.default_rng(5), draws=60)
    assert (fast.value, fast.low, fast.high, fast.n) == pytest.approx((slow.value, slow.low, slow.high, slow.n))


def test_a_draw_that_lacks_a_class_averages_over_the_others():
    # b is spoken by one of four speakers only: a third of the draws lack it, and score 1 on a alone.
    truth, predicted = list("aaab"), list("aaaa")
    found = bootstrap(unweighted_recall, truth, predicted, groups=list("1234"), rng=np.random.default_rng(0))
    assert (found.low, found.value, found.high) == (0.5, 0.5, 1.0)


def guesses(rng, speakers=6, clips=12, labels="abc"):
    truth = rng.choice(list(labels), speakers * clips).tolist()
    return truth, rng.choice(list(labels), len(truth)).tolist(), np.repeat(np.arange(speakers), clips).astype(str)


def test_against_chance_p_is_uniform_when_there_is_nothing_and_small_when_there_is():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        truth, given, groups = guesses(rng)
        found.append(chance_test(truth, given, groups=groups, rng=rng, draws=99))
    for level in (0.1, 0.25, 0.5, 0.75):
        assert np.mean(np.array(found) <= level) == pytest.approx(level, abs=0.07)
    truth, given, groups = guesses(rng)
    better = [t if rng.random() < 0.4 else g for t, g in zip(truth, given, strict=True)]
    assert chance_test(truth, better, groups=groups, rng=rng) < 0.01
    assert chance_test(truth, truth, groups=groups, rng=rng, metric=macro_f1) == pytest.approx(1 / 1001)


def test_who_recognises_only_the_speaker_does_not_beat_chance():
    rng = np.random.default_rng(0)
    usual = np.repeat(["a", "b", "c"], 2)
    truth = [str(usual[s]) if rng.random() < 0.8 else "abc"[rng.integers(3)] for s in range(6) for _ in range(40)]
    speakers = [str(s) for s in range(6) for _ in range(40)]
    answers = [str(usual[int(s)]) for s in speakers]
    assert chance_test(truth, answers, groups=speakers, rng=rng) == 1.0
    everybody = ["one"] * len(truth)
    assert chance_test(truth, answers, groups=everybody, rng=rng) < 0.01, "labels that travel would be fooled"


def two_models(rng, first, second, speakers=10, clips=15):
    truth = rng.choice(list("abc"), speakers * clips).tolist()
    answers = [[t if rng.random() < right else "abc"[rng.integers(3)] for t in truth] for right in (first, second)]
    return truth, *answers, np.repeat(np.arange(speakers), clips).astype(str).tolist()


def test_between_equal_models_p_is_uniform_and_between_unequal_ones_small():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(300):
        truth, first, second, groups = two_models(rng, 0.4, 0.4)
        found.append(paired_test(truth, first, second, groups=groups, rng=rng, draws=99).p_value)
    for level in (0.1, 0.25, 0.5, 0.75):
        assert np.mean(np.array(found) <= level) == pytest.approx(level, abs=0.07)
    truth, first, second, groups = two_models(rng, 0.2, 0.8)
    better = paired_test(truth, first, second, groups=groups, rng=rng)
    assert better.p_value < 0.01
    assert 0 < better.difference.low < better.difference.value < better.difference.high


@pytest.mark.parametrize("speakers", [2, 8])
def test_the_paired_test_does_not_depend_on_which_model_comes_first(speakers):
    truth, first, second, groups = two_models(np.random.default_rng(2), 0.4, 0.6, speakers=speakers)
    there = paired_test(truth, first, second, groups=groups, rng=np.random.default_rng(0))
    back = paired_test(truth, second, first, groups=groups, rng=np.random.default_rng(0))
    assert there.p_value == back.p_value
    assert there.difference.value == pytest.approx(-back.difference.value)
    assert there.difference.low == pytest.approx(-back.difference.high)
    assert paired_test(truth, first, first, groups=groups, rng=np.random.default_rng(0)).p_value == 1


def test_with_few_speakers_swapping_cannot_give_a_small_p():
    truth = list("ab") * 30
    groups = [str(i // 20) for i in range(60)]
    found = paired_test(truth, ["a"] * 60, truth, groups=groups, rng=np.random.default_rng(0))
    assert found.p_value == pytest.approx(2 / 2**3, abs=0.05)
    assert "over 3 speakers" in str(found)


def test_tests_say_what_they_cannot_do():
    with pytest.raises(InputError, match="number 2, 1, 2"):
        chance_test(["a", "b"], ["a"], groups=["1", "2"], rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="'confusion' cannot be tested; allowed metrics: unweighted_recall"):
        paired_test(["a"], ["a"], ["a"], groups=["1"], rng=np.random.default_rng(0), metric=confusion)
