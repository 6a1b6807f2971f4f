"""What each measure of the signal should cost: the gate's curves, learned from answers to dev speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.speech.quality import NAMES, speech_gate
from affekt.timeline.gate import Gate, ramp

#: Where a curve may begin to rise, and where it may be up: the worst and the best values that are told apart.
KNOTS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "snr": ((-5.0, 0.0, 5.0, 10.0), (12.0, 16.0, 20.0, 25.0, 30.0)),
    "clipped": ((0.3, 0.2, 0.1, 0.05), (0.02, 0.01, 0.005, 0.002)),
    "bandwidth": ((1000.0, 2000.0, 3000.0), (4500.0, 5500.0, 6500.0)),
    "share": ((0.0, 0.1, 0.2, 0.3), (0.4, 0.5, 0.6)),
    "seconds": ((0.0, 0.1, 0.2, 0.3), (0.5, 0.75, 1.0, 1.5, 2.0)),
}


#: How low a curve may be.
FLOORS = tuple(round(0.05 * i, 2) for i in range(1, 21))


#: Nats of log loss that a curve has to gain.
LEAST_GAIN = 0.001


@dataclass(frozen=True, eq=False)
class Lessons:
    """What a gate is learned from: n answers, each the mean of some windows.

    Parameters
    ----------
    measures : array, shape (w, 5)
        Of the windows of all answers, in order.
    shares : array, shape (w,)
        What each window counts in its answer; sums to 1 over an answer.
    counts : int array, shape (n,)
        Windows of each answer, at least one.
    chosen : array, shape (n,)
        Probability of the true label, before any gate.
    labels : int
    weights : array, shape (n,)
        What each answer counts.
    """

    measures: NDArray[np.float64]
    shares: NDArray[np.float64]
    counts: NDArray[np.int64]
    chosen: NDArray[np.float64]
    labels: int
    weights: NDArray[np.float64]

    def loss(self, gate: Gate) -> float:
        """Weighted mean of -log p(true label) behind a gate."""
        return float(self.losses(self.pooled(gate.factors(self.measures)))[0])

    def pooled(self, factors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Factors of windows (w,) to those of answers (n,)."""
        return np.add.reduceat(factors * self.shares, np.cumsum([0, *self.counts[:-1]]))

    def losses(self, factors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Loss for each row of factors (..., n)."""
        p = np.atleast_2d(factors) * self.chosen + (1 - np.atleast_2d(factors)) / self.labels
        return -np.log(np.maximum(p, 1e-12)) @ self.weights / self.weights.sum()


def learn(lessons: Lessons, *, names: Sequence[str] = NAMES, rounds: int = 6) -> Gate:
    """The curves under which the true labels are most likely: one after the other, until none changes.

    A curve that gains less than :data:`LEAST_GAIN` beside the others is left out, and the rest is fitted again.

    Parameters
    ----------
    lessons : Lessons
        Of dev speakers, never of test speakers.
    names : sequence of str
        Measures that may have a curve.
    rounds : int
        Times that each curve is fitted at most.

    Returns
    -------
    Gate
    """
    left = list(names)
    while True:
        gate = _fitted(lessons, left, rounds)
        loss = lessons.loss(gate)
        gains = {
            name: lessons.loss(speech_gate({other: curve for other, curve in gate.curves.items() if other != name}))
            - loss
            for name in gate.curves
        }
        poor = [name for name in gains if gains[name] < LEAST_GAIN]
        if not poor and len(gate.curves) == len(left):
            return gate
        left = [name for name in gate.curves if name != min(gains, key=gains.__getitem__) or not poor]


def _fitted(lessons: Lessons, names: list[str], rounds: int) -> Gate:
    curves: dict[str, tuple[float, float, float]] = {}
    for _ in range(rounds):
        before = dict(curves)
        for name in names:
            found = _best_curve(lessons, name, speech_gate({k: v for k, v in curves.items() if k != name}))
            curves = {key: value for key, value in {**curves, name: found}.items() if value[2] < 1}
        if curves == before:
            break
    return speech_gate({name: curves[name] for name in names if name in curves})


def _best_curve(lessons: Lessons, name: str, others: Gate) -> tuple[float, float, float]:
    """The curve of one measure that is best beside those of the others."""
    values, rest = lessons.measures[:, NAMES.index(name)], others.factors(lessons.measures)
    full, floors = lessons.pooled(rest), np.array(FLOORS)[:, None]
    best, least = (0.0, 1.0, 1.0), np.inf
    bads, goods = KNOTS[name]
    for bad in bads:
        for good in goods:
            # With the other curves and the knots given, factors are linear in the floor.
            risen = lessons.pooled(rest * ramp(values, bad, good))
            losses = lessons.losses(floors * full + (1 - floors) * risen)
            i = int(losses.argmin())
            if losses[i] < least - 1e-9:
                best, least = (bad, good, FLOORS[i]), float(losses[i])
    return best
