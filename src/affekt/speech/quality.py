"""How usable a stretch of signal is: what is measured, what it costs, and why, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import ModelError
from affekt.types import Prediction

RATE = 16_000
#: 20 ms.
FRAME = 320
#: Every fifth frame has its spectrum taken, over this many samples.
SPARSE, WIDE = 5, 512
#: Width of the bands in which the highest frequency is looked for: 4 bins of the spectrum, 125 Hz.
BAND = 4
#: Decibels below the strongest band at which a band holds nothing.
DEPTH = 45.0
#: The quietest fifth of the frames is taken for pauses. Some of it is speech, and makes clean speech look noisier than
#: it is; the factor on the decibels mends that (fitted to white noise and babble at 0 to 25 dB on clean clips).
PAUSES, MENDED = 0.2, 1.2
#: Decibels: everything below the loudest frame by more than this is silence.
RANGE = 60.0
#: Below this factor an answer is weak, and says why.
WEAK = 0.9


@dataclass(frozen=True)
class Measures:
    """What can be wrong with a stretch of speech, as numbers that no gain changes.

    Parameters
    ----------
    snr : float
        Decibels of the speech above what fills its pauses, noise or echo; 0 to 50.
    clipped : float
        Share of samples stuck at the top or the bottom, 0 to 1.
    bandwidth : float
        Hertz: the highest frequency that carries energy while somebody speaks.
    share : float
        Share of the time that is speech, 0 to 1.
    seconds : float
        Of speech.
    """

    snr: float
    clipped: float
    bandwidth: float
    share: float
    seconds: float


NAMES = ("snr", "clipped", "bandwidth", "share", "seconds")


#: What is said of each, with its value.
WORDS: dict[str, Callable[[float], str]] = {
    "snr": lambda x: f"noise or echo: the speech is {x:.0f} dB above it",
    "clipped": lambda x: f"clipped: {100 * x:.{0 if x >= 0.01 else 1}f} % of the signal",
    "bandwidth": lambda x: f"narrow band: nothing above {x / 1000:.1f} kHz",
    "share": lambda x: f"mostly pauses: {100 * x:.0f} % of it is speech",
    "seconds": lambda x: f"short: {x:.1f} s without its pauses",
}
#: From where on a signal is poor enough to be named, where the model is not sure and no curve says why.
POOR: dict[str, Callable[[float], bool]] = {
    "snr": lambda x: x < 10,
    "clipped": lambda x: x > 0.02,
    "bandwidth": lambda x: x < 4000,
    "seconds": lambda x: x < 0.75,
    "share": lambda x: x < 0.3,
}
#: What is said where nothing is wrong with the signal.
AMBIGUOUS = "the voice itself is ambiguous"
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


def measure(signal: NDArray[np.float32]) -> Measures:
    """Measure a stretch of speech.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Mono, 16 kHz, of any length; below 32 ms it has no bandwidth.

    Returns
    -------
    Measures

    Examples
    --------
    >>> measure(np.zeros(16000, np.float32))
    Measures(snr=0.0, clipped=0.0, bandwidth=0.0, share=0.0, seconds=0.0)
    """
    return Measures(*window_measures(signal, max(1, len(signal)), 1, 1)[0].tolist())


def window_measures(signal: NDArray[np.float32], window: int, hop: int, count: int) -> NDArray[np.float64]:
    """:func:`measure` of ``count`` windows of ``window`` samples, one every ``hop``; the last ones may be cut short.

    Returns
    -------
    float64 array, shape (count, 5)
        Columns as in :data:`NAMES`; to a frame what :func:`measure` gives for each.
    """
    frames = _Frames(signal)
    starts, size = np.arange(count) * hop // FRAME, max(1, window // FRAME)
    whole = int(np.searchsorted(starts + size, len(frames.levels), side="right"))
    table = np.zeros((count, len(NAMES)))
    if whole:
        table[:whole] = frames.measured(starts[:whole], size)
    for i in range(whole, count):
        left = (min(len(signal), i * hop + window) - i * hop) // FRAME
        if left > 0:
            table[i] = frames.measured(starts[i : i + 1], min(left, len(frames.levels) - int(starts[i])))[0]
    return table


@dataclass(frozen=True)
class Gate:
    """What each measure costs: curves whose product is a factor on how sure a model is.

    Parameters
    ----------
    curves : mapping of str to (bad, good, floor)
        Of names among :data:`NAMES`: ``floor`` at ``bad`` and beyond, 1 from ``good`` on, a straight line between.
        A measure without a curve costs nothing.

    Raises
    ------
    ModelError
        If there is no such measure, or a curve is none.

    Examples
    --------
    >>> gate = Gate({"seconds": (0.0, 2.0, 0.5)})
    >>> gate.factors(np.array([[40.0, 0.0, 8000.0, 0.8, 1.0]]))
    array([0.75])
    """

    curves: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, curve in self.curves.items():
            if name not in NAMES:
                raise ModelError(f"a gate on {name!r}; this affekt measures {', '.join(NAMES)}. Upgrade affekt.")
            if len(curve) != 3 or not np.isfinite(curve).all() or curve[0] == curve[1] or not 0 < curve[2] <= 1:
                raise ModelError(f"the gate's curve of {name} is {curve}; allowed: bad, good and floor in (0, 1].")

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Gate | None:
        """The gate of a model's card; None where it has none."""
        return cls({name: tuple(curve) for name, curve in table["curves"].items()}) if table else None

    def costs(self, measures: NDArray[np.float64]) -> NDArray[np.float64]:
        """The factor of every measure (w, 5), each in (0, 1]."""
        table = np.ones_like(measures)
        for name, (bad, good, floor) in self.curves.items():
            column = NAMES.index(name)
            table[:, column] = floor + (1 - floor) * _ramp(measures[:, column], bad, good)
        return table

    def factors(self, measures: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much of an answer is kept, (w,) in (0, 1], from measures (w, 5)."""
        return self.costs(measures).prod(axis=1)

    def reason(self, measures: NDArray[np.float64], factor: float, *, unsure: bool = False) -> str:
        """Why an answer is weak, from its measures (5,): the one that costs most. Empty where it is strong.

        What no curve is on may still be why the model is not sure: a poor
        signal is named before the voice is called ambiguous.

        Parameters
        ----------
        measures : array, shape (5,)
        factor : float
            What was kept of the answer.
        unsure : bool
            Whether the model itself is not sure.
        """
        if factor < WEAK:
            named = NAMES[int(self.costs(measures[None])[0].argmin())]
        elif not unsure:
            return ""
        else:
            named = next((name for name, poor in POOR.items() if poor(measures[NAMES.index(name)])), "")
        return WORDS[named](float(measures[NAMES.index(named)])) if named else AMBIGUOUS


class Weakest:
    """Why an answer about a whole is weak: of the reasons of its parts the one that costs most.

    Cost is length times what was not kept, or a hundredth where all was kept.
    One short part does not make a long recording weak, so a whole has a reason
    only if it kept less than ``WEAK`` or is not sure.

    Examples
    --------
    >>> weakest = Weakest()
    >>> weakest.add(Prediction(0, 1, {}, quality=0.8, reason="one"))
    >>> weakest.add(Prediction(1, 2, {}, quality=0.2, reason="two"))
    >>> weakest.reason(0.5), weakest.reason(1.0)
    ('two', '')
    """

    def __init__(self) -> None:
        self._told, self._cost = "", -1.0

    def add(self, part: Prediction) -> None:
        """Take the next part."""
        cost = part.duration * max(0.01, 1 - part.quality)
        if part.reason and cost > self._cost:
            self._told, self._cost = part.reason, cost

    def reason(self, quality: float, *, unsure: bool = False) -> str:
        """Of a whole that kept so much of its parts; empty where no part had a reason."""
        return self._told if quality < WEAK or unsure else ""


def weakened(scores: NDArray[np.float64], factor: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Scores (..., k) of which only a share (...) is kept; the rest is spread evenly, so no rank changes.

    Examples
    --------
    >>> weakened(np.array([0.8, 0.2]), 0.5)
    array([0.65, 0.35])
    """
    kept = np.asarray(factor)[..., None]
    return kept * scores + (1 - kept) / scores.shape[-1]


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
            name: lessons.loss(Gate({other: curve for other, curve in gate.curves.items() if other != name})) - loss
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
            found = _best_curve(lessons, name, Gate({k: v for k, v in curves.items() if k != name}))
            curves = {key: value for key, value in {**curves, name: found}.items() if value[2] < 1}
        if curves == before:
            break
    return Gate({name: curves[name] for name in names if name in curves})


def _best_curve(lessons: Lessons, name: str, others: Gate) -> tuple[float, float, float]:
    """The curve of one measure that is best beside those of the others."""
    values, rest = lessons.measures[:, NAMES.index(name)], others.factors(lessons.measures)
    full, floors = lessons.pooled(rest), np.array(FLOORS)[:, None]
    best, least = (0.0, 1.0, 1.0), np.inf
    bads, goods = KNOTS[name]
    for bad in bads:
        for good in goods:
            # With the other curves and the knots given, factors are linear in the floor.
            risen = lessons.pooled(rest * _ramp(values, bad, good))
            losses = lessons.losses(floors * full + (1 - floors) * risen)
            i = int(losses.argmin())
            if losses[i] < least - 1e-9:
                best, least = (bad, good, FLOORS[i]), float(losses[i])
    return best


def _ramp(values: NDArray[np.float64], bad: float, good: float) -> NDArray[np.float64]:
    """0 at ``bad`` and beyond, 1 from ``good`` on."""
    return np.clip((values - bad) / (good - bad), 0, 1)


class _Frames:
    """Levels, peaks and spectra of a signal, once for all the windows that share them."""

    def __init__(self, signal: NDArray[np.float32]) -> None:
        self._frames = frames = signal[: len(signal) // FRAME * FRAME].reshape(-1, FRAME)
        means = frames.mean(axis=1)
        powers = np.einsum("tn,tn->t", frames, frames) / FRAME - means * means
        self.levels = 10 * np.log10(np.maximum(powers, 1e-20))  # (t,)
        self._low, self._high = (frames.min(axis=1), frames.max(axis=1)) if len(frames) else (means, means)
        rows = np.zeros((0, WIDE), np.float32)
        if len(signal) >= WIDE:
            rows = np.lib.stride_tricks.sliding_window_view(signal, WIDE)[:: FRAME * SPARSE]
        self._bands = _bands(rows)  # (t / 5, 64)

    def measured(self, starts: NDArray[np.int64], size: int) -> NDArray[np.float64]:
        """Of the windows (w,) of ``size`` frames that begin at these: (w, 5)."""
        rows = starts[:, None] + np.arange(size)
        levels = self.levels[rows].astype(np.float64)
        ranked = np.sort(np.maximum(levels, levels.max(axis=1, keepdims=True) - RANGE), axis=1)
        floor, top = ranked[:, int(PAUSES * (size - 1))], ranked[:, int(0.95 * (size - 1))]
        spoken = levels >= np.maximum(top - 25, floor + np.minimum(3, (top - floor) / 2))[:, None]
        share = spoken.mean(axis=1)
        snr = _ratio(ranked, floor)
        columns = (snr, self._clipped(rows), self._bandwidth(starts, spoken), share, share * size * FRAME / RATE)
        return np.where(self._high[rows].max(axis=1) > self._low[rows].min(axis=1), np.array(columns), 0.0).T

    def _clipped(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share of samples within 2.5 % of the swing from its ends, which speech reaches now and then only."""
        low, high = self._low[rows].min(axis=1), self._high[rows].max(axis=1)
        edge = 0.025 * (high - low)
        top, bottom = (high - edge)[:, None], (low + edge)[:, None]
        window, frame = np.nonzero((self._high[rows] >= top) | (self._low[rows] <= bottom))
        reached = self._frames[rows[window, frame]]
        stuck = np.count_nonzero((reached >= top[window]) | (reached <= bottom[window]), axis=1)
        return np.bincount(window, stuck, len(rows)) / (rows.shape[1] * FRAME)

    def _bandwidth(self, starts: NDArray[np.int64], spoken: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Middle of the highest band that holds something in the frames of speech."""
        firsts = -(-starts // SPARSE)
        count = max(1, spoken.shape[1] // SPARSE)
        taken = np.minimum(firsts[:, None] + np.arange(count), max(0, len(self._bands) - 1))
        if not len(self._bands):
            return np.zeros(len(starts))
        weights = np.take_along_axis(spoken, np.minimum(taken * SPARSE - starts[:, None], spoken.shape[1] - 1), axis=1)
        power = np.einsum("wt,wtb->wb", weights.astype(np.float32), self._bands[taken])
        holds = power > power.max(axis=1, keepdims=True) * 10 ** (-DEPTH / 10)
        highest = power.shape[1] - holds[:, ::-1].argmax(axis=1)
        return np.where(holds.any(axis=1), (highest - 0.5) * BAND * RATE / WIDE, 0.0)


def _bands(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power in bands of 125 Hz of stretches (t, 512): (t, 64)."""
    taper = np.hanning(WIDE + 1)[:WIDE].astype(np.float32)
    spectra = np.fft.rfft((rows - rows.mean(axis=1, keepdims=True)) * taper, axis=1)[:, 1:]
    powers = (spectra.real**2 + spectra.imag**2).astype(np.float32)
    return powers.reshape(len(rows), WIDE // 2 // BAND, BAND).sum(axis=2)


def _ratio(ranked: NDArray[np.float64], floor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Decibels of the speech above the floor, from levels (w, t) in rising order and their floor (w,)."""
    power = np.mean(10 ** (ranked / 10), axis=1)
    noise = 10 ** (floor / 10)
    return np.clip(MENDED * 10 * np.log10(np.maximum(power / noise - 1, 1e-3)), 0, 50)


def quality(signal: NDArray[np.float32]) -> float:
    """How usable a stretch of speech is: its dynamic range, clipping and length.

    Speech in quiet swings over 25 dB and more between vowels and pauses; noise
    and reverberation fill the pauses up. Speech reaches its highest peak now
    and then; what was clipped reaches it all the time, even after resampling.
    Below one second there is little to hear.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Mono, 16 kHz.

    Returns
    -------
    float
        0 (useless) to 1 (clean). A rule of thumb, not a probability.

    Examples
    --------
    >>> quality(np.zeros(16000, np.float32))
    0.0
    """
    levels, peaks = _measures(signal)
    return float(_rated(levels[None], peaks[None])[0]) * min(1.0, len(signal) / 16_000) if len(levels) else 0.0


def window_qualities(signal: NDArray[np.float32], window: int, hop: int, count: int) -> NDArray[np.float64]:
    """Quality of ``count`` windows of ``window`` samples, one every ``hop``; the last ones may be cut short.

    Returns
    -------
    float64 array, shape (count,)
        As :func:`quality` gives for each, to a frame.
    """
    levels, peaks = _measures(signal)
    starts, size = np.arange(count) * hop // FRAME, window // FRAME
    whole = starts[starts + size <= len(levels)]
    rows = whole[:, None] + np.arange(size)
    cut = [quality(signal[i * hop : i * hop + window]) for i in range(len(whole), count)]
    return np.concatenate([_rated(levels[rows], peaks[rows]) * min(1.0, window / 16_000), cut])


def _measures(signal: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Level in dB below full scale and half the swing of every 20 ms, (t,); a constant offset changes neither."""
    frames = signal[: len(signal) // FRAME * FRAME].reshape(-1, FRAME)
    frames = frames - frames.mean(axis=1, keepdims=True)
    levels = 10 * np.log10(np.einsum("tn,tn->t", frames, frames) / FRAME + 1e-12)
    return levels, (frames.max(axis=1) - frames.min(axis=1)) / 2


def _rated(levels: NDArray[np.float32], peaks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Levels and peaks (w, t) to range times clipping, (w,)."""
    if not levels.size:
        return np.zeros(len(levels))
    low, high = np.percentile(levels, [10, 95], axis=1)
    spread = np.clip((high - low - 3) / 22, 0, 1)
    at_peak = np.mean(peaks >= 0.95 * peaks.max(axis=1, keepdims=True), axis=1)
    clean = np.clip(1 - (at_peak - 0.15) / 0.25, 0, 1)
    return np.where(levels.max(axis=1) < -90, 0.0, spread * clean)
