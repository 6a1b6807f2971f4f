"""Metrics by known answer and by law, intervals over speakers, temperature, splits, reports."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affekt.data.splits import Split, fixed_speakers, fixed_split, split_by_speaker
from affekt.errors import InputError
from affekt.evaluate.calibration import fit_temperature, negative_log_likelihood, softmax
from affekt.evaluate.intervals import bootstrap
from affekt.evaluate.metrics import METRICS, accuracy, confusion, macro_f1, unweighted_recall
from affekt.evaluate.report import report
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
