"""Confidence intervals of metrics: the bootstrap over speakers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.metrics.labels import OF_TALLIES, Metric, tallies
from affekt.types import Estimate

#: With fewer speakers, the variance between speakers cannot be estimated at all.
FEWEST_SPEAKERS = 3
DRAWS = 1000
# Numbers held in memory at a time.
BLOCK = 1 << 22

Groups = Sequence[str | None]
Sums = NDArray[np.float64]


def bootstrap(
    metric: Metric,
    truth: Sequence[str],
    predicted: Sequence[str | None],
    *,
    groups: Groups,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Estimate:
    """A metric with its 95 % confidence interval, by resampling speakers with replacement.

    Clips of one speaker resemble one another, so resampling clips would give
    too narrow an interval (Efron & Tibshirani, An introduction to the bootstrap, 1993,
    chapter 8). With fewer than three speakers, clips are resampled instead;
    the interval then says nothing about other speakers. A resample may lack a
    class: its UAR and macro F1 are means over the classes it has.

    Parameters
    ----------
    metric : callable
        Maps truth and predictions to a number. Those in ``METRICS`` are fast.
    truth, predicted : sequences, shape (n,)
    groups : sequence of str, shape (n,)
        Speaker of each clip.
    rng : numpy Generator
    draws : int

    Returns
    -------
    Estimate
        ``n`` counts clips.

    Raises
    ------
    InputError
        If the lengths differ.

    Examples
    --------
    >>> from affekt.metrics.labels import accuracy
    >>> bootstrap(accuracy, ["a"] * 4, ["a"] * 4, groups=["x", "y", "z", "z"], rng=np.random.default_rng(0)).low
    1.0
    """
    if not len(truth) == len(predicted) == len(groups):
        raise InputError(
            f"{len(truth)} true labels, {len(predicted)} predicted and {len(groups)} speakers; they must be as many."
        )
    if metric not in OF_TALLIES:
        return _of_any_metric(metric, truth, predicted, (groups, rng, draws))
    values, drawn = resample(tallies(truth, predicted), OF_TALLIES[metric], groups, rng=rng, draws=draws)
    return estimates(values, drawn, [len(truth)])[0]


def resample(
    statistics: Sums, value: Callable[[Sums], Sums], groups: Groups, *, rng: np.random.Generator, draws: int = DRAWS
) -> tuple[Sums, Sums]:
    """A metric that depends on clips only through sums, on all clips and on resamples of speakers.

    Parameters
    ----------
    statistics : array, shape (n, ...)
        What is summed over clips.
    value : callable
        Sums (b, ...) to metrics (b,) or (b, q).
    groups : sequence of str, shape (n,)

    Returns
    -------
    array, shape (1,) or (1, q), and array, shape (draws,) or (draws, q)

    Examples
    --------
    >>> whole, drawn = resample(np.ones((4, 1)), lambda sums: sums[..., 0], list("aabc"), rng=np.random.default_rng(0))
    >>> whole.tolist(), drawn.shape
    ([4.0], (1000,))
    """
    sums = summed(statistics, groups)
    flat = sums.reshape(len(sums), -1)
    size = max(flat.shape)
    drawn = [
        value((times @ flat).reshape(-1, *sums.shape[1:])) for times in _times_drawn(len(sums), size, (rng, draws))
    ]
    return value(sums.sum(axis=0, keepdims=True)), np.concatenate(drawn)


def summed(statistics: Sums, groups: Groups) -> Sums:
    """Sums (g, ...) over the clips of each speaker; with fewer than three speakers each clip is its own."""
    found, numbers = np.unique([str(group) for group in groups], return_inverse=True)
    if len(found) < FEWEST_SPEAKERS:
        return statistics
    sums = np.zeros((len(found), *statistics.shape[1:]))
    np.add.at(sums, numbers, statistics)
    return sums


def estimates(values: Sums, drawn: Sums, counts: Sequence[int], *, biased: bool = False) -> list[Estimate]:
    """Turn values (1,) or (1, q) and their draws (draws,) or (draws, q) into Estimates with 95 % intervals.

    Draws in which a value does not exist (NaN) are left out of its interval.
    ``biased`` is for metrics that noise alone makes larger (ECE): a draw exceeds
    the value as the value exceeds the truth, so the interval is mirrored
    at the value (the basic bootstrap) and clipped at 0.
    """
    low, high = (np.atleast_1d(edge) for edge in np.nanpercentile(drawn, [2.5, 97.5], axis=0))
    flat = np.atleast_1d(values[0])
    if biased:
        low, high = np.maximum(0, 2 * flat - high), np.maximum(0, 2 * flat - low)
    return [Estimate(float(v), float(a), float(b), n) for v, a, b, n in zip(flat, low, high, counts, strict=True)]


def _times_drawn(count: int, size: int, source: tuple[np.random.Generator, int]) -> Iterator[Sums]:
    """How often each group is in each draw, (b, count), in blocks so small that b * size numbers fit in memory."""
    rng, draws = source
    block = max(1, min(draws, BLOCK // size))
    for start in range(0, draws, block):
        rows = min(block, draws - start)
        drawn = rng.integers(count, size=(rows, count)) + count * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float64)


def _of_any_metric(
    metric: Metric,
    truth: Sequence[str],
    predicted: Sequence[str | None],
    options: tuple[Groups, np.random.Generator, int],
) -> Estimate:
    groups, rng, draws = options
    members = [np.flatnonzero(row) for row in summed(np.eye(len(truth)), groups)]
    true, given = np.array(truth, object), np.array(predicted, object)
    values = []
    for _ in range(draws):
        drawn = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        values.append(metric(true[drawn].tolist(), given[drawn].tolist()))
    return estimates(np.array([metric(truth, predicted)]), np.array(values), [len(truth)])[0]
