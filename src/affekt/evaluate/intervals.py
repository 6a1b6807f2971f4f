"""How sure a number is: bootstrap intervals over speakers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from affekt.errors import InputError
from affekt.types import Estimate

#: With fewer speakers their spread cannot be estimated at all.
FEWEST_SPEAKERS = 3

Metric = Callable[[Sequence[str], Sequence[str | None]], float]


def bootstrap(
    metric: Metric,
    truth: Sequence[str],
    predicted: Sequence[str | None],
    *,
    groups: Sequence[str | None],
    rng: np.random.Generator,
    draws: int = 1000,
) -> Estimate:
    """A metric with its 95 % interval, by drawing speakers with replacement.

    Clips of one speaker resemble one another, so drawing clips would promise
    too much (Efron & Tibshirani, An introduction to the bootstrap, 1993,
    chapter 8). With fewer than three speakers clips are drawn all the same;
    the interval then says nothing about other speakers.

    Parameters
    ----------
    metric : callable
        Truth and predicted to a number.
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
    >>> from affekt.evaluate.metrics import accuracy
    >>> bootstrap(accuracy, ["a"] * 4, ["a"] * 4, groups=["x", "y", "z", "z"], rng=np.random.default_rng(0)).low
    1.0
    """
    if not len(truth) == len(predicted) == len(groups):
        raise InputError(
            f"{len(truth)} true labels, {len(predicted)} predicted and {len(groups)} speakers; they must be as many."
        )
    members = _members(groups)
    true, given = np.array(truth, object), np.array(predicted, object)
    values = []
    for _ in range(draws):
        drawn = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        values.append(metric(true[drawn].tolist(), given[drawn].tolist()))
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(metric(truth, predicted), float(low), float(high), len(truth))


def _members(groups: Sequence[str | None]) -> list[np.ndarray]:
    names = np.array([str(group) for group in groups])
    found = np.unique(names)
    if len(found) < FEWEST_SPEAKERS:
        return [np.array([i]) for i in range(len(names))]
    return [np.flatnonzero(names == name) for name in found]
