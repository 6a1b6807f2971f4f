"""Metrics of probabilities: log loss, Brier score, calibration error, top-2 accuracy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError, UnknownName

#: Bins of the reliability diagram, of equal width from 0 to 1.
BINS = 15
# A probability of exactly 0 for the truth would make the log loss infinite.
SMALLEST = float(np.finfo(np.float64).eps)

Probabilities = NDArray[np.floating]


def log_loss(truth: Sequence[str], scores: Probabilities, labels: Sequence[str]) -> float:
    """Mean of -log p(true label), in nats; lower is better, uniform scores give log k.

    Parameters
    ----------
    truth : sequence of str, shape (n,)
    scores : array, shape (n, k)
        Probabilities. A row of NaN means no answer and counts as 1/k for each label.
    labels : sequence of str, shape (k,)
        Labels of the columns.

    Returns
    -------
    float
        At least 0; a probability of 0 counts as 2.2e-16.

    Raises
    ------
    InputError
        If shapes do not fit, or rows are no probabilities.
    UnknownName
        If a true label has no column.

    Examples
    --------
    >>> round(log_loss(["a", "b"], np.array([[0.5, 0.5], [0.0, 1.0]]), ["a", "b"]), 4)
    0.3466
    """
    return _of_all(SCORE_METRICS["log loss"], truth, scores, labels)


def brier(truth: Sequence[str], scores: Probabilities, labels: Sequence[str]) -> float:
    """Mean squared distance of the probabilities from the truth, summed over the classes (Brier, 1950).

    Arguments as for :func:`log_loss`. From 0 (sure and right) to 2 (sure and
    wrong); uniform scores give 1 - 1/k. Some divide by 2 when there are two classes.

    Examples
    --------
    >>> brier(["a", "b"], np.array([[0.5, 0.5], [0.0, 1.0]]), ["a", "b"])
    0.25
    """
    return _of_all(SCORE_METRICS["Brier"], truth, scores, labels)


def calibration_error(truth: Sequence[str], scores: Probabilities, labels: Sequence[str]) -> float:
    """Expected calibration error (ECE): how far confidence is from accuracy, on average over clips.

    Clips are put in 15 bins of equal width by the probability of their most
    probable label; the last bin includes 1. Bins are weighted by their number of
    clips (Guo et al., On calibration of modern neural networks, 2017). ECE is biased
    upwards if bins hold few clips. Arguments as for :func:`log_loss`; no answer counts
    as wrong with confidence 0.

    Examples
    --------
    >>> calibration_error(["a", "b"], np.array([[0.75, 0.25], [0.75, 0.25]]), ["a", "b"])
    0.25
    """
    return _of_all(SCORE_METRICS["ECE"], truth, scores, labels)


def top2_accuracy(truth: Sequence[str], scores: Probabilities, labels: Sequence[str]) -> float:
    """Share of clips whose true label is among the two most probable.

    Ties are broken in favour of the first column. Arguments as
    for :func:`log_loss`; no answer counts as wrong.

    Examples
    --------
    >>> top2_accuracy(["a", "b"], np.array([[0.2, 0.5, 0.3], [0.2, 0.3, 0.5]]), ["a", "b", "c"])
    0.5
    """
    return _of_all(SCORE_METRICS["top-2 accuracy"], truth, scores, labels)


def reliability(
    truth: Sequence[str], scores: Probabilities, labels: Sequence[str]
) -> tuple[tuple[float, float, int], ...]:
    """Mean confidence, accuracy and number of clips of each of the 15 bins of confidence; (0, 0, 0) where empty.

    Examples
    --------
    >>> reliability(["a", "b"], np.array([[1.0, 0.0], [0.96, 0.04]]), ["a", "b"])[-1]
    (0.98, 0.5, 2)
    """
    sums = _binned(*checked(truth, scores, labels)).sum(axis=0).reshape(BINS, 3)
    means = sums[:, 1:] / np.maximum(sums[:, :1], 1)
    return tuple((float(c), float(a), int(n)) for (c, a), n in zip(means, sums[:, 0], strict=True))


def checked(
    truth: Sequence[str], scores: Probabilities, labels: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Truth as column numbers (n,), and scores (n, k), checked to be probabilities.

    Raises
    ------
    InputError
        If shapes do not fit, or rows are no probabilities.
    UnknownName
        If a true label has no column.
    """
    table = np.asarray(scores, np.float64)
    if not len(truth) or table.shape != (len(truth), len(labels)):
        raise InputError(
            f"scores have shape {table.shape} for {len(truth)} clips and {len(labels)} labels; give one row for each "
            "clip (at least one) and one column for each label."
        )
    answered = ~np.isnan(table).all(axis=1)
    wrong = answered & ~((table >= 0).all(axis=1) & (np.abs(table.sum(axis=1) - 1) < 1e-3))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(f"scores must be probabilities that sum to 1; row {row} is {table[row].tolist()}.")
    order = {label: i for i, label in enumerate(labels)}
    if strange := set(truth) - set(order):
        raise UnknownName("true label", sorted(strange)[0], order)
    return np.array([order[label] for label in truth], np.int64), table


@dataclass(frozen=True)
class ScoreMetric:
    """A metric that depends on clips only through sums, so that resampling is one matrix product.

    Parameters
    ----------
    statistics : callable
        Maps truth as column numbers (n,) and scores (n, k) to the summed statistics (n, m).
    value : callable
        Maps sums (..., m) to the metric (...).
    biased : bool
        Whether noise alone makes the metric larger, so that it falls as clips are added.
    """

    statistics: Callable[[NDArray[np.int64], NDArray[np.float64]], NDArray[np.float64]]
    value: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    biased: bool = False


def _of_all(metric: ScoreMetric, truth: Sequence[str], scores: Probabilities, labels: Sequence[str]) -> float:
    return float(metric.value(metric.statistics(*checked(truth, scores, labels)).sum(axis=0)))


def _mean(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return sums[..., 0] / sums[..., 1]


def _with_ones(values: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.stack([values, np.ones(len(values))], axis=1)


def _surprise(truth: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log loss of each clip, and 1: (n, 2)."""
    chosen = _filled(scores)[np.arange(len(truth)), truth]
    return _with_ones(-np.log(np.clip(chosen, SMALLEST, 1.0)))


def _squares(truth: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distance of each clip's scores from the truth, and 1: (n, 2)."""
    return _with_ones(((_filled(scores) - np.eye(scores.shape[1])[truth]) ** 2).sum(axis=1))


def _among_two(truth: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whether the truth is among the two most probable labels, and 1: (n, 2)."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :2]
    answered = ~np.isnan(scores).all(axis=1)
    return _with_ones((best == truth[:, None]).any(axis=1) & answered)


def _binned(truth: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each clip (n, 15 * 3): 1, confidence and correctness in its bin; 0 in the others."""
    known = np.where(np.isnan(scores), 0.0, scores)
    confidence = known.max(axis=1)
    right = (known.argmax(axis=1) == truth) & (confidence > 0)
    table = np.zeros((len(truth), BINS, 3))
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    table[np.arange(len(truth)), bins] = np.stack([np.ones(len(truth)), confidence, right], axis=1)
    return table.reshape(len(truth), -1)


def _gap(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected calibration error of summed bins (..., 15 * 3)."""
    bins = sums.reshape(*sums.shape[:-1], BINS, 3)
    gap: NDArray[np.float64] = np.abs(bins[..., 1] - bins[..., 2]).sum(axis=-1) / bins[..., 0].sum(axis=-1)
    return gap


def _filled(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isnan(scores), 1 / scores.shape[1], scores)


SCORE_METRICS: Mapping[str, ScoreMetric] = {
    "log loss": ScoreMetric(_surprise, _mean),
    "Brier": ScoreMetric(_squares, _mean),
    "ECE": ScoreMetric(_binned, _gap, biased=True),
    "top-2 accuracy": ScoreMetric(_among_two, _mean),
}
