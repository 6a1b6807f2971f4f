"""Permutation tests: a model against chance, and two models against each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.metrics.intervals import BLOCK, DRAWS, Groups, Sums, estimates, resample, summed
from affekt.metrics.labels import OF_TALLIES, Metric, encode, tallies, unweighted_recall
from affekt.types import Estimate


@dataclass(frozen=True)
class Comparison:
    """How much better the second of two models is on the same clips.

    Parameters
    ----------
    difference : Estimate
        Second minus first, with its 95 % interval over speakers.
    p_value : float
        How often swapping the two at random gives a difference at least as large.
    speakers : int
        Number of known speakers; with g of them, p cannot be smaller than about 2 / 2 ** g.
    """

    difference: Estimate
    p_value: float
    speakers: int

    def __str__(self) -> str:
        people = f"{self.speakers} speaker{'s' * (self.speakers != 1)}"
        return f"{self.difference}, p = {self.p_value:.3f} by swapping answers over {people}"


def chance_test(
    truth: Sequence[str],
    predicted: Sequence[str | None],
    *,
    groups: Groups,
    rng: np.random.Generator,
    metric: Metric = unweighted_recall,
    draws: int = DRAWS,
) -> float:
    """The p value against chance: how often the answers score at least as well with shuffled true labels.

    Labels are shuffled only among the clips of one speaker. If speakers recorded
    different emotions, a model that recognises speakers but no emotions
    beats chance when labels are shuffled between speakers, but
    not within them (exchangeability within blocks: Good, Permutation,
    parametric and bootstrap tests of hypotheses, 2005).

    Parameters
    ----------
    truth, predicted : sequences, shape (n,)
    groups : sequence of str, shape (n,)
        Speaker of each clip; clips of unknown speakers (None) count as one speaker's.
    rng : numpy Generator
    metric : callable
        One of ``METRICS``.
    draws : int

    Returns
    -------
    float
        Between 1 / (draws + 1) and 1: the true order counts as one of the shuffles.

    Raises
    ------
    InputError
        If the lengths differ, or the metric is not in ``METRICS``.

    Examples
    --------
    >>> truth, speakers = list("abababab"), list("xxxxyyyy")
    >>> chance_test(truth, truth, groups=speakers, rng=np.random.default_rng(0)) < 0.1
    True
    >>> chance_test(truth, ["a"] * 8, groups=speakers, rng=np.random.default_rng(0))
    1.0
    """
    _check([truth, predicted, groups], metric)
    true, given, k = encode(truth, predicted)
    _, members = np.unique([str(group) for group in groups], return_inverse=True)
    by_speaker = np.argsort(members, kind="stable")
    whole = tallies(truth, predicted).sum(axis=0)
    reached, observed = 0, OF_TALLIES[metric](whole)
    for shuffled in _shuffles(true, members, (rng, draws)):
        # The answers, and how often each label is true, stay the same: only the hits change.
        right = shuffled == given[by_speaker]
        codes = (shuffled + k * np.arange(len(shuffled))[:, None])[right]
        hits = np.bincount(codes, minlength=len(shuffled) * k).reshape(len(shuffled), k)
        sums = np.stack([hits, *(np.broadcast_to(whole[:, i], hits.shape) for i in (1, 2))], axis=-1)
        # The same fractions summed in another order may differ in the last digit.
        reached += int((OF_TALLIES[metric](sums) >= observed - 1e-9).sum())
    return (reached + 1) / (draws + 1)


def paired_test(
    truth: Sequence[str],
    first: Sequence[str | None],
    second: Sequence[str | None],
    *,
    groups: Groups,
    rng: np.random.Generator,
    metric: Metric = unweighted_recall,
    draws: int = DRAWS,
) -> Comparison:
    """Whether the second of two models is better than the first on the same clips.

    The interval resamples speakers, keeping both models' answers together. For p,
    the two models' answers are swapped at random, speaker by speaker: if the models
    were equally good, that would change nothing. The test is two-sided.
    With fewer than three speakers, clips take their place, as in
    :func:`affekt.metrics.intervals.bootstrap`.

    Parameters
    ----------
    truth, first, second : sequences, shape (n,)
        True labels, and the answers of the two models in the same order.
    groups : sequence of str, shape (n,)
        Speaker of each clip.
    rng : numpy Generator
    metric : callable
        One of ``METRICS``.
    draws : int

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If the lengths differ, or the metric is not in ``METRICS``.

    Examples
    --------
    >>> truth, speakers = list("abababab"), list("wwxxyyzz")
    >>> found = paired_test(truth, ["a"] * 8, truth, groups=speakers, rng=np.random.default_rng(0))
    >>> found.difference.value, 0.1 < found.p_value < 0.2
    (0.5, True)
    """
    _check([truth, first, second, groups], metric)
    one, two = tallies(truth, first), tallies(truth, second)

    def difference(sums: Sums) -> Sums:
        return OF_TALLIES[metric](sums[:, 1]) - OF_TALLIES[metric](sums[:, 0])

    values, drawn = resample(np.stack([one, two], axis=1), difference, groups, rng=rng, draws=draws)
    apart = summed(two - one, groups)
    flat = apart.reshape(len(apart), -1)
    reached, left = 0, draws
    while left:
        rows = min(left, max(1, BLOCK // max(flat.shape)))
        # Swapping a speaker moves the difference between the two models from one's sums to the other's.
        moved = ((rng.random((rows, len(flat))) < 0.5) @ flat).reshape(rows, *apart.shape[1:])
        swapped = difference(np.stack([one.sum(axis=0) + moved, two.sum(axis=0) - moved], axis=1))
        reached += int((np.abs(swapped) >= np.abs(values[0]) - 1e-9).sum())
        left -= rows
    people = len({group for group in groups if group is not None})
    return Comparison(estimates(values, drawn, [len(truth)])[0], (reached + 1) / (draws + 1), people)


def _shuffles(
    true: NDArray[np.int64], members: NDArray[np.int64], source: tuple[np.random.Generator, int]
) -> Iterator[NDArray[np.int64]]:
    """Truth (block, n) ordered by speaker and shuffled within each, block after block."""
    rng, draws = source
    block = max(1, min(draws, BLOCK // len(true)))
    for start in range(0, draws, block):
        keys = members + rng.random((min(block, draws - start), len(true)))
        yield true[np.argsort(keys, axis=1)]


def _check(sequences: Sequence[Sequence[object]], metric: Metric) -> None:
    lengths = {len(sequence) for sequence in sequences}
    if len(lengths) > 1 or not len(sequences[0]):
        raise InputError(
            f"labels, answers and speakers number {', '.join(str(len(s)) for s in sequences)}; "
            "give one of each for every clip, and at least one clip."
        )
    if metric not in OF_TALLIES:
        names = ", ".join(known.__name__ for known in OF_TALLIES)
        raise InputError(f"{getattr(metric, '__name__', metric)!r} cannot be tested; allowed metrics: {names}.")
