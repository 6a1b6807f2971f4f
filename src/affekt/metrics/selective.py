"""Selective prediction (abstention): risk against coverage, the choice of a threshold, label sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.metrics.intervals import estimates, resample
from affekt.types import Estimate

#: Thresholds are tested at every whole percent of coverage, starting with the most confident clips.
STEPS = 100
#: Probability with which a guarantee may fail.
ERROR = 0.05
#: Coverages that :func:`conformal_quantiles` is asked for: 0.50, 0.51, ... 0.99.
COVERAGES = tuple(round(0.5 + i / 100, 2) for i in range(50))


@dataclass(frozen=True)
class RiskCoverage:
    """Risk (share of wrong answers among those given) against coverage (share of clips answered).

    Parameters
    ----------
    coverage : array, shape (m,)
        Share of clips with an answer, rising; the last is 1.
    risk : array, shape (m,)
        Share of wrong answers among them.
    area : float
        Under the curve from coverage 0 to 1; the mean risk over all coverages.
    """

    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]
    area: float


@dataclass(frozen=True)
class Threshold:
    """The least confidence at which answers are given, and its statistics on the clips it was chosen on.

    Parameters
    ----------
    value : float
        0 to 1; 0 always answers.
    precision : float
        Target: the minimum share of correct answers among those given.
    seen : Estimate
        Measured precision of the answers given; the interval is over speakers, ``n`` counts answers.
    bound : float
        Lower bound of the precision over clips (Clopper & Pearson), as if clips were independent.
    coverage : Estimate
        Share of the clips that got an answer.
    met : bool
        Whether any threshold reached the target; if not, ``value`` is 1.
    """

    value: float
    precision: float
    seen: Estimate
    bound: float
    coverage: Estimate
    met: bool


def risk_coverage(truth: Sequence[str], scores: Sequence[Mapping[str, float]]) -> RiskCoverage:
    """The risk-coverage curve (El-Yaniv & Wiener, On the foundations of noise-free selective classification, 2010).

    Clips are added from the most confident down; clips of equal confidence are added
    together, because no threshold separates them. No answer counts as wrong with confidence 0.

    Parameters
    ----------
    truth : sequence of str, shape (n,)
    scores : sequence of mappings {label: p}, shape (n,)
        Empty for no answer.

    Returns
    -------
    RiskCoverage

    Raises
    ------
    InputError
        If the two differ in length, or are empty.

    Examples
    --------
    >>> curve = risk_coverage(["a", "a"], [{"a": 0.9, "b": 0.1}, {"a": 0.4, "b": 0.6}])
    >>> curve.coverage.tolist(), curve.risk.tolist(), curve.area
    ([0.5, 1.0], [0.0, 0.5], 0.25)
    """
    confidence, right = outcomes(truth, scores)
    order = np.argsort(-confidence, kind="stable")
    last = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True))
    given = last + 1
    risk = 1 - np.cumsum(right[order])[last] / given
    steps = np.diff(np.concatenate([[0], given])) / len(right)
    # Rounding may carry a mean of ones above 1.
    return RiskCoverage(given / len(right), risk, min(1.0, float(risk @ steps)))


def outcomes(
    truth: Sequence[str], scores: Sequence[Mapping[str, float]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidence (n,) of the best guess of each clip, and whether it is right (n,); no answer is 0 and wrong.

    Raises
    ------
    InputError
        If the two differ in length, or are empty.
    """
    if len(truth) != len(scores) or not truth:
        raise InputError(
            f"{len(truth)} true labels and {len(scores)} rows of scores; give as many of each, one or more."
        )
    best = [max(row, key=row.__getitem__) if row else None for row in scores]
    confidence = [row[label] if label is not None else 0.0 for row, label in zip(scores, best, strict=True)]
    return np.array(confidence, np.float64), np.array([a == b for a, b in zip(truth, best, strict=True)])


def lower_bound(right: int, n: int, *, error: float = ERROR) -> float:
    """Lower confidence bound of a share, given ``right`` successes in ``n`` trials.

    One-sided: for independent draws, the true share is below it with probability
    ``error`` at most (Clopper & Pearson, The use of confidence or fiducial limits, 1934).
    Equal to ``scipy.stats.beta.ppf(error, right, n - right + 1)``, which the tests
    compare; scipy is not in the base install, and a threshold must not depend on
    what is installed.

    Examples
    --------
    >>> round(lower_bound(10, 10), 4)  # 0.05 ** (1 / 10)
    0.7411
    """
    if not 0 <= right <= n or n < 1 or not 0 < error < 1:
        raise InputError(f"{right} right of {n} with error {error}; allowed: 0 <= right <= n, n >= 1, 0 < error < 1.")
    low, high = 0.0, 1.0
    # The probability of ``right`` or more rises with the share, so bisection finds where it is ``error``.
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if upper_tail(right, n, middle) < error else (low, middle)
    return low


def upper_tail(right: int, n: int, share: float) -> float:
    """Probability of ``right`` or more successes in ``n`` independent draws with a success rate from 0 to 1.

    Examples
    --------
    >>> upper_tail(1, 2, 0.5)
    0.75
    """
    if right <= 0:
        return 1.0
    if share <= 0 or share >= 1:
        return float(share >= 1)
    counts = np.arange(right, n + 1)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    chosen = factorials[n] - factorials[counts] - factorials[n - counts]
    return min(1.0, float(np.exp(chosen + counts * math.log(share) + (n - counts) * math.log1p(-share)).sum()))


def choose_threshold(
    outcome: tuple[NDArray[np.float64], NDArray[np.bool_]],
    groups: Sequence[str | None],
    *,
    precision: float,
    rng: np.random.Generator,
    error: float = ERROR,
) -> Threshold:
    """The lowest threshold whose answers are correct often enough, with a margin for the number of clips.

    Thresholds are tested from the most confident clips downwards, and the
    first that fails ends the search. Tested in a fixed order, they all hold at
    once with probability 1 - ``error`` (Angelopoulos et al., Learn then test,
    2021). This guarantee is for independent clips from the same source.
    Clips of a speaker resemble one another: for other speakers, languages or
    rooms there is no guarantee, and ``seen`` says how speakers differ.

    Parameters
    ----------
    outcome : (array, bool array), shapes (n,)
        Confidence and whether the answer is correct, on dev speakers: see :func:`outcomes`.
    groups : sequence of str, shape (n,)
        Speaker of each clip.
    precision : float
        Target share of correct answers, between 0 and 1.
    rng : numpy Generator
        For the interval over speakers.
    error : float
        Probability that the guarantee does not hold.

    Returns
    -------
    Threshold

    Raises
    ------
    InputError
        If the precision is not between 0 and 1, or there are no clips.

    Examples
    --------
    >>> confidence, right = np.repeat([0.9, 0.4], 50), np.repeat([True, False], 50)
    >>> found = choose_threshold((confidence, right), ["x"] * 100, precision=0.8, rng=np.random.default_rng(0))
    >>> found.value, found.coverage.value, round(found.bound, 2)
    (0.9, 0.5, 0.94)
    """
    confidence, right = outcome
    if not 0 < precision < 1 or not len(confidence):
        raise InputError(
            f"precision is {precision}, of {len(confidence)} clips; allowed: between 0 and 1, of 1 or more."
        )
    value, met = 1.0, False
    for candidate in _candidates(confidence, precision, error):
        answered = (confidence >= candidate) & (confidence > 0)
        if lower_bound(int(right[answered].sum()), int(answered.sum()), error=error) < precision:
            break
        value, met = candidate, True
    seen, coverage = selected(outcome, groups, value, rng=rng)
    n = seen.n
    bound = lower_bound(round(seen.value * n), n, error=error) if n else 0.0
    return Threshold(value, precision, seen, bound, coverage, met)


def _candidates(confidence: NDArray[np.float64], precision: float, error: float) -> list[float]:
    """Thresholds to test, falling. They depend on confidences only, never on what was right."""
    # So many answers pass with half of the mistakes that the precision allows: a single one does not end the search.
    fewest = math.ceil(math.log(error) / math.log(precision))
    while lower_bound(math.ceil(fewest * (1 + precision) / 2), fewest, error=error) < precision:
        fewest = math.ceil(1.05 * fewest)
    falling = np.sort(confidence[confidence > 0])[::-1]
    counts = [math.ceil(step * len(falling) / STEPS) for step in range(1, STEPS + 1)]
    found = dict.fromkeys(math.floor(1e4 * falling[count - 1]) / 1e4 for count in counts if count >= fewest)
    return [*found, 0.0] if found else []


def selected(
    outcome: tuple[NDArray[np.float64], NDArray[np.bool_]],
    groups: Sequence[str | None],
    threshold: float,
    *,
    rng: np.random.Generator,
) -> tuple[Estimate, Estimate]:
    """Precision of the answers given at a threshold, and coverage, with 95 % intervals over speakers.

    If there are no answers, the precision is 0 with n 0 and the interval [0, 1].

    Examples
    --------
    >>> some = (np.array([0.9, 0.8, 0.3]), np.array([True, False, False]))
    >>> precision, coverage = selected(some, list("xyz"), 0.5, rng=np.random.default_rng(0))
    >>> precision.value, precision.n, round(coverage.value, 2)
    (0.5, 2, 0.67)
    """
    confidence, right = outcome
    # A confidence of 0 is no answer, whatever the threshold.
    answered = (confidence >= threshold) & (confidence > 0)
    table = np.stack([answered & right, answered, np.ones(len(right))], axis=1).astype(np.float64)
    drawn = resample(table, _shares, groups, rng=rng)
    n = int(answered.sum())
    if not n:
        return Estimate(0.0, 0.0, 1.0, 0), Estimate(0.0, 0.0, 0.0, len(right))
    precision, coverage = estimates(*drawn, [n, len(right)])
    return precision, coverage


def _shares(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of right, answered and all (..., 3) to precision and coverage (..., 2); no answers, no precision (NaN)."""
    precision = np.divide(sums[..., 0], sums[..., 1], out=np.full(sums.shape[:-1], np.nan), where=sums[..., 1] > 0)
    return np.stack([precision, sums[..., 1] / sums[..., 2]], axis=-1)


def conformal_quantiles(
    truth: Sequence[str], scores: Sequence[Mapping[str, float]], coverages: Sequence[float] = COVERAGES
) -> dict[float, float]:
    """The minimum probability for a label to be in the label set, for each coverage.

    Split conformal prediction with the least ambiguous sets (Sadinle, Lei &
    Wasserman, Least ambiguous set-valued classifiers, 2019): on clips
    exchangeable with these, a set contains the true label with at least the given
    probability. Clips of other speakers, languages and rooms are not
    exchangeable with these, so coverage on them has to be measured.

    Parameters
    ----------
    truth : sequence of str, shape (n,)
    scores : sequence of mappings {label: p}, shape (n,)
        Of dev speakers; empty rows, where there was no speech, are left out.
    coverages : sequence of float
        Between 0 and 1.

    Returns
    -------
    dict of coverage to least probability
        0, which admits every label, if there are too few clips for the coverage.

    Raises
    ------
    InputError
        If the two differ in length, no row has scores, or a coverage is out of range.

    Examples
    --------
    >>> conformal_quantiles(["a"] * 9, [{"a": p / 10, "b": 1 - p / 10} for p in range(1, 10)], (0.8, 0.95))
    {0.8: 0.2, 0.95: 0.0}
    """
    outcomes(truth, scores)
    chosen = np.sort([row.get(label, 0.0) for label, row in zip(truth, scores, strict=True) if row])[::-1]
    if not len(chosen) or any(not 0 < coverage < 1 for coverage in coverages):
        raise InputError(
            f"{len(chosen)} clips with scores, coverages {list(coverages)}; give a clip or more, and between 0 and 1."
        )
    # A product such as 0.9 * 10 is a little above 9 in binary; that must not take one more clip.
    ranks = {coverage: math.ceil(coverage * (len(chosen) + 1) - 1e-9) for coverage in coverages}
    return {coverage: float(chosen[rank - 1]) if rank <= len(chosen) else 0.0 for coverage, rank in ranks.items()}
