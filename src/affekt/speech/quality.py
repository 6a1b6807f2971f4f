"""How usable a stretch of signal is: what is measured, what it costs, and why, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.timeline.gate import Gate, Measure

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
#: it is; the factor on the decibels corrects that (fitted to white noise and babble at 0 to 25 dB on clean clips).
PAUSES, CORRECTION = 0.2, 1.2
#: Decibels: everything below the loudest frame by more than this is silence.
RANGE = 60.0
#: What is said where nothing is wrong with the signal.
AMBIGUOUS = "the voice itself is ambiguous"
#: What is measured, in the order of the columns of :func:`window_measures`.
MEASURES: dict[str, Measure] = {
    "snr": Measure(lambda x: f"noise or echo: the speech is {x:.0f} dB above it", lambda x: x < 10),
    "clipped": Measure(lambda x: f"clipped: {100 * x:.{0 if x >= 0.01 else 1}f} % of the signal", lambda x: x > 0.02),
    "bandwidth": Measure(lambda x: f"narrow band: nothing above {x / 1000:.1f} kHz", lambda x: x < 4000),
    "share": Measure(lambda x: f"mostly pauses: {100 * x:.0f} % of it is speech", lambda x: x < 0.3, rank=1),
    "seconds": Measure(lambda x: f"short: {x:.1f} s without its pauses", lambda x: x < 0.75),
}
NAMES = tuple(MEASURES)


def speech_gate(curves: Mapping[str, tuple[float, float, float]] | None = None) -> Gate:
    """A gate on what is measured of speech.

    Examples
    --------
    >>> gate = speech_gate({"seconds": (0.0, 2.0, 0.5)})
    >>> gate.factors(np.array([[40.0, 0.0, 8000.0, 0.8, 1.0]]))
    array([0.75])
    """
    return Gate(curves or {}, MEASURES, AMBIGUOUS)


def gate_of(table: Mapping[str, Any]) -> Gate | None:
    """The gate of a model's card; None where it has none."""
    return speech_gate({name: tuple(curve) for name, curve in table["curves"].items()}) if table else None


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
        found: NDArray[np.float64] = np.bincount(window, stuck, len(rows)) / (rows.shape[1] * FRAME)
        return found

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
    found: NDArray[np.float32] = powers.reshape(len(rows), WIDE // 2 // BAND, BAND).sum(axis=2)
    return found


def _ratio(ranked: NDArray[np.float64], floor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Decibels of the speech above the floor, from levels (w, t) in rising order and their floor (w,)."""
    power = np.mean(10 ** (ranked / 10), axis=1)
    noise = 10 ** (floor / 10)
    found: NDArray[np.float64] = np.clip(CORRECTION * 10 * np.log10(np.maximum(power / noise - 1, 1e-3)), 0, 50)
    return found


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
