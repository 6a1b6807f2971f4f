"""CCC, RMSE and order: known answers, the formula as the paper has it, and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affekt.errors import InputError
from affekt.metrics.dimensions import concordance, dimension_metrics, ordered_pairs, root_mean_square_error

NUMBERS = st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=3, max_size=40)


@given(NUMBERS)
def test_they_are_what_the_formulas_say(pairs):
    x, y = np.array(pairs).T
    spread = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    if spread > 1e-6:
        expected = 2 * np.mean((x - x.mean()) * (y - y.mean())) / spread
        assert concordance(x, y) == pytest.approx(expected, abs=1e-6)
    assert root_mean_square_error(x, y) == pytest.approx(np.sqrt(np.mean((x - y) ** 2)), abs=1e-6)


def test_a_constant_says_nothing():
    assert concordance([0.0, 1.0], [0.5, 0.5]) == 0
    assert np.isnan(concordance([1.0, 1.0], [1.0, 1.0]))


def test_order_is_asked_within_speakers_only():
    # The second speaker's numbers are all higher than the first one's, in the wrong direction.
    truth, predicted = [0, 1, 0, 1], [0.9, 1.0, 0.1, 0.2]
    right, pairs = ordered_pairs(truth, predicted, ["a", "a", "b", "b"])
    assert right.sum() / pairs.sum() == 1
    right, pairs = ordered_pairs(truth, predicted, ["a"] * 4)
    assert right.sum() / pairs.sum() == 0.75


def test_ties_of_the_prediction_are_chance():
    right, pairs = ordered_pairs([0, 1, 2], [5, 5, 5], ["a"] * 3)
    assert right.sum() / pairs.sum() == 0.5


def test_noise_scores_nothing_and_intervals_hold_the_value():
    rng = np.random.default_rng(0)
    truth = rng.uniform(-1, 1, 600)
    found = dimension_metrics(truth, rng.uniform(-1, 1, 600), groups=[str(i % 20) for i in range(600)], rng=rng)
    assert abs(found["CCC"].value) < 0.1 and abs(found["pairs in order"].value - 0.5) < 0.05
    assert all(one.low <= one.value <= one.high and one.n == 600 for one in found.values())


def test_without_two_numbers_of_a_speaker_there_is_no_order():
    rng = np.random.default_rng(0)
    assert set(dimension_metrics([0, 1, 2], [0, 1, 2], groups=list("abc"), rng=rng)) == {"CCC", "RMSE"}


@pytest.mark.parametrize(
    ("truth", "predicted", "words"),
    [([], [], "at least one"), ([1], [1, 2], "as many"), ([1, np.nan], [1, 2], "not finite")],
)
def test_what_is_no_numbers_is_refused(truth, predicted, words):
    with pytest.raises(InputError, match=words):
        concordance(truth, predicted)
