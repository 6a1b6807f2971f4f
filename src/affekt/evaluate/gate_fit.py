"""The gate's curves: how far each measure of a poor signal lowers the scores, fitted to clips of dev speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.metrics.calibration import GateCheck, LabelledLogits
from affekt.metrics.probabilities import calibration_error, log_loss
from affekt.speech.quality import NAMES, speech_gate
from affekt.timeline.gate import Gate, ramp

#: Where a curve may begin to rise, and where it may reach 1: the worst and the best values that are distinguished.
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
class GateData:
    """What a gate is fitted to: n answers, each the mean of some windows.

    Parameters
    ----------
    measures : array, shape (w, 5)
        Of the windows of all answers, in order.
    shares : array, shape (w,)
        Weight of each window in its answer; sums to 1 over an answer.
    counts : int array, shape (n,)
        Windows of each answer, at least one.
    chosen : array, shape (n,)
        Probability of the true label, before any gate.
    labels : int
    weights : array, shape (n,)
        Weight of each answer.
    """

    measures: NDArray[np.float64]
    shares: NDArray[np.float64]
    counts: NDArray[np.int64]
    chosen: NDArray[np.float64]
    labels: int
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, clips: LabelledLogits, under: LabelledLogits, temperature: float) -> GateData:
        """From clean clips and clips under conditions; the clean ones weigh as much as all others together."""
        spoken = [
            [(label, clip) for label, clip in zip(part.truth, part.recordings, strict=True) if len(clip.weights)]
            for part in (clips, under)
        ]
        rows = [row for part in spoken for row in part]
        return cls(
            np.concatenate([clip.measures for _, clip in rows]),
            np.concatenate([clip.weights for _, clip in rows]),
            np.array([len(clip.weights) for _, clip in rows]),
            np.array([clip.scores(temperature)[clips.labels.index(label)] for label, clip in rows]),
            len(clips.labels),
            np.repeat([0.5 / max(1, len(part)) for part in spoken], [len(part) for part in spoken]),
        )

    def loss(self, gate: Gate) -> float:
        """Weighted mean of -log p(true label) behind a gate."""
        return float(self.losses(self.pooled(gate.factors(self.measures)))[0])

    def pooled(self, factors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Factors of windows (w,) to those of answers (n,)."""
        return np.add.reduceat(factors * self.shares, np.cumsum([0, *self.counts[:-1]]))

    def losses(self, factors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Loss for each row of factors (..., n)."""
        p = np.atleast_2d(factors) * self.chosen + (1 - np.atleast_2d(factors)) / self.labels
        losses: NDArray[np.float64] = -np.log(np.maximum(p, 1e-12)) @ self.weights / self.weights.sum()
        return losses


def fit_gate(data: GateData, *, names: Sequence[str] = NAMES, rounds: int = 6) -> Gate:
    """The curves under which the true labels are most likely, by coordinate descent over the measures.

    A curve that gains less than :data:`LEAST_GAIN` beside the others is left out, and the rest is fitted again.

    Parameters
    ----------
    data : GateData
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
        gate = _fitted(data, left, rounds)
        loss = data.loss(gate)
        gains = {
            name: data.loss(speech_gate({other: curve for other, curve in gate.curves.items() if other != name})) - loss
            for name in gate.curves
        }
        poor = [name for name in gains if gains[name] < LEAST_GAIN]
        if not poor and len(gate.curves) == len(left):
            return gate
        left = [name for name in gate.curves if name != min(gains, key=gains.__getitem__) or not poor]


def select_measures(clips: LabelledLogits, under: LabelledLogits, temperature: float) -> list[str]:
    """Measures whose curves lower the loss on held-out speakers, by forward selection; the most useful one first.

    Speakers are few, and each has a room and a microphone of their own: a
    curve that only separates these speakers is of no use for others.

    Parameters
    ----------
    clips, under : LabelledLogits
        Of dev speakers, clean and under conditions.
    temperature : float

    Returns
    -------
    list of str
        Among :data:`affekt.speech.quality.NAMES`; empty where no curve helps.
    """
    one, other = (GateData.of(*half, temperature) for half in _halves(clips, under))
    names: list[str] = []
    if not len(one.counts) or not len(other.counts):
        return names

    def held_out_loss(names: Sequence[str]) -> float:
        return (one.loss(fit_gate(other, names=names)) + other.loss(fit_gate(one, names=names))) / 2

    least = (one.loss(speech_gate()) + other.loss(speech_gate())) / 2
    while len(names) < len(NAMES):
        losses = {name: held_out_loss([*names, name]) for name in NAMES if name not in names}
        best = min(losses, key=losses.__getitem__)
        if least - losses[best] < LEAST_GAIN:
            break
        names, least = [*names, best], losses[best]
    return names


def check_gate(
    clips: LabelledLogits, under: LabelledLogits, temperature: float, names: Sequence[str]
) -> dict[str, GateCheck]:
    """Two-fold check: a gate fitted to one half of the speakers, measured on the other; and the other way round.

    Returns
    -------
    dict of str to GateCheck
        ``clean`` first, then each condition in the order of ``under``.
    """
    halves = _halves(clips, under)
    answers: dict[str, list[tuple[str, NDArray[np.float64], NDArray[np.float64]]]] = {
        name: [] for name in ("clean", *under.conditions)
    }
    for fitted, held_out in (halves, halves[::-1]):
        gate = fit_gate(GateData.of(*fitted, temperature), names=names)
        for part in held_out:
            for i, (label, clip) in enumerate(zip(part.truth, part.recordings, strict=True)):
                if len(clip.weights):
                    condition = part.conditions[i] if part.conditions else "clean"
                    row = (label, clip.scores(temperature), clip.scores(temperature, gate))
                    answers.setdefault(condition, []).append(row)
    found = {}
    for condition, rows in answers.items():
        truth, without, gated = [row[0] for row in rows], *(np.array([row[i] for row in rows]) for i in (1, 2))
        loss, ece = (
            (metric(truth, without, clips.labels), metric(truth, gated, clips.labels))
            for metric in (log_loss, calibration_error)
        )
        found[condition] = GateCheck(loss, ece, len(rows))
    return found


def _halves(clips: LabelledLogits, under: LabelledLogits) -> list[tuple[LabelledLogits, LabelledLogits]]:
    """Every other speaker, and the rest."""
    place = {speaker: i % 2 for i, speaker in enumerate(dict.fromkeys(clips.speakers))}
    one, other = (
        tuple(part.only(i for i, who in enumerate(part.speakers) if place[who] == side) for part in (clips, under))
        for side in (0, 1)
    )
    return [one, other]  # type: ignore[list-item]


def _fitted(data: GateData, names: list[str], rounds: int) -> Gate:
    curves: dict[str, tuple[float, float, float]] = {}
    for _ in range(rounds):
        before = dict(curves)
        for name in names:
            found = _best_curve(data, name, speech_gate({k: v for k, v in curves.items() if k != name}))
            curves = {key: value for key, value in {**curves, name: found}.items() if value[2] < 1}
        if curves == before:
            break
    return speech_gate({name: curves[name] for name in names if name in curves})


def _best_curve(data: GateData, name: str, others: Gate) -> tuple[float, float, float]:
    """The curve of one measure that is best beside those of the others."""
    values, rest = data.measures[:, NAMES.index(name)], others.factors(data.measures)
    full, floors = data.pooled(rest), np.array(FLOORS)[:, None]
    best, least = (0.0, 1.0, 1.0), np.inf
    bads, goods = KNOTS[name]
    for bad in bads:
        for good in goods:
            # With the other curves and the knots given, factors are linear in the floor.
            risen = data.pooled(rest * ramp(values, bad, good))
            losses = data.losses(floors * full + (1 - floors) * risen)
            i = int(losses.argmin())
            if losses[i] < least - 1e-9:
                best, least = (bad, good, FLOORS[i]), float(losses[i])
    return best
