"""Metrics of dimensions such as arousal and valence: CCC, RMSE, and the order of a speaker's clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affekt.errors import InputError
from affekt.metrics.intervals import DRAWS, estimates, resample
from affekt.types import Estimate

Numbers = NDArray[np.float64]


def concordance(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Concordance correlation coefficient (CCC): correlation that also penalises errors of scale and mean.

    Parameters
    ----------
    truth, predicted : arrays, shape (n,)

    Returns
    -------
    float
        -1 to 1; 0 for a constant prediction, and NaN where both are the same constant.

    Raises
    ------
    InputError
        If the lengths differ, there is nothing, or a number is not finite.

    References
    ----------
    Lin, A concordance correlation coefficient to evaluate reproducibility, 1989.

    Examples
    --------
    >>> concordance([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])
    1.0
    >>> round(concordance([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]), 3)
    0.571
    """
    return float(_values(_moments(truth, predicted).sum(axis=0, keepdims=True))[0, 0])


def root_mean_square_error(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Root of the mean squared difference (RMSE), in the unit of the numbers.

    Raises
    ------
    InputError
        If the lengths differ, there is nothing, or a number is not finite.

    Examples
    --------
    >>> root_mean_square_error([0.0, 0.0], [3.0, 3.0])
    3.0
    """
    return float(_values(_moments(truth, predicted).sum(axis=0, keepdims=True))[0, 1])


def ordered_pairs(truth: ArrayLike, predicted: ArrayLike, groups: Sequence[str | None]) -> tuple[Numbers, Numbers]:
    """For each clip, its pairs with clips of its group that differ in truth: how many are in order, and how many exist.

    A pair counts for both of its clips; a tie in the predictions counts as half.

    Parameters
    ----------
    truth, predicted : arrays, shape (n,)
    groups : sequence of str, shape (n,)
        Speakers: those who habitually speak loud and high are not compared with those who do not.

    Returns
    -------
    arrays, shape (n,)
        The ratio of their sums is the share of pairs in the right order; 0.5 is chance.

    Examples
    --------
    >>> right, pairs = ordered_pairs([0, 1, 2], [0.1, 0.3, 0.2], ["a", "a", "a"])
    >>> float(right.sum() / pairs.sum())
    0.6666666666666666
    """
    true, found = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    names = np.array([str(group) for group in groups])
    right, pairs = np.zeros(len(true)), np.zeros(len(true))
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        apart = np.sign(true[rows, None] - true[rows])
        agreement = apart * np.sign(found[rows, None] - found[rows])
        pairs[rows] = (apart != 0).sum(axis=1)
        right[rows] = ((agreement + 1) / 2 * (apart != 0)).sum(axis=1)
    return right, pairs


def dimension_metrics(
    truth: ArrayLike,
    predicted: ArrayLike,
    *,
    groups: Sequence[str | None],
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> dict[str, Estimate]:
    """CCC, RMSE and the share of a speaker's pairs in the right order, with 95 % intervals over speakers.

    Parameters
    ----------
    truth, predicted : arrays, shape (n,)
        On one scale.
    groups : sequence of str, shape (n,)
        Speaker of each clip.
    rng : numpy Generator
    draws : int

    Returns
    -------
    dict of str to Estimate
        ``CCC``, ``RMSE`` and, where a speaker has two clips that differ, ``pairs in order``.

    Raises
    ------
    InputError
        If the lengths differ, there is nothing, or a number is not finite.

    Examples
    --------
    >>> found = dimension_metrics([0, 1, 0, 1], [0, 1, 0, 1], groups=list("aabb"), rng=np.random.default_rng(0))
    >>> found["CCC"].value, found["RMSE"].value, found["pairs in order"].value
    (1.0, 0.0, 1.0)
    """
    moments = _moments(truth, predicted)
    if len(groups) != len(moments):
        raise InputError(f"{len(moments)} numbers and {len(groups)} speakers; they must be as many.")
    right, pairs = ordered_pairs(truth, predicted, groups)
    sums = np.column_stack([moments, right, pairs])
    values, drawn = resample(sums, _values, groups, rng=rng, draws=draws)
    names = ("CCC", "RMSE", "pairs in order") if pairs.any() else ("CCC", "RMSE")
    counts = [len(moments)] * len(names)
    return dict(zip(names, estimates(values[:, : len(names)], drawn[:, : len(names)], counts), strict=True))


def _moments(truth: ArrayLike, predicted: ArrayLike) -> Numbers:
    """For each clip 1, x, y, x², y², xy: all that CCC and RMSE depend on."""
    x, y = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if x.shape != y.shape or x.ndim != 1 or not len(x):
        raise InputError(f"{x.shape} true numbers and {y.shape} predicted; give as many of both, and at least one.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("a number is not finite; leave out the clips that have none.")
    return np.column_stack([np.ones_like(x), x, y, x * x, y * y, x * y])


def _values(sums: Numbers) -> Numbers:
    """Sums (b, 6 or 8) to CCC, RMSE and, of eight, the share of pairs in order: (b, 2 or 3)."""
    n, x, y, xx, yy, xy = (sums[:, i] for i in range(6))
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = xx / n - (x / n) ** 2 + yy / n - (y / n) ** 2 + (x / n - y / n) ** 2
        found = [2 * (xy / n - x * y / n**2) / spread, np.sqrt(np.maximum(0, xx - 2 * xy + yy) / n)]
        found += [sums[:, 6] / sums[:, 7]] if sums.shape[1] > 6 else []
    return np.column_stack(found)
