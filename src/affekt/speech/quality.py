"""How usable a stretch of signal is: measures of it, and their description in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.timeline.quality import Measure, Rating

RATE = 16_000
#: 20 ms.
FRAME = 320
#: Every fifth frame has its spectrum taken, over this many samples.
SPARSE, WIDE = 5, 512
TAPER = np.hanning(WIDE + 1)[:WIDE].astype(np.float32)
#: Width of the bands in which the highest frequency is looked for: 4 bins of the spectrum, 125 Hz.
BAND = 4
#: Decibels below the strongest band at which a band holds nothing.
DEPTH = 45.0
#: The quietest fifth of the frames is taken for pauses. Some of it is speech, and makes clean speech look noisier than
#: it is; the factor on the decibels corrects that (fitted to white noise and babble at 0 to 25 dB on clean clips).
PAUSES, CORRECTION = 0.2, 1.2
#: Decibels: everything below the loudest frame by more than this is silence.
RANGE = 60.0
#: Reverberation is looked for where speech ends: from frames this many decibels below the loudest twentieth or less, in
#: how far the level falls over the next frames (80 ms). Where pauses are not that far below, it cannot fall so far.
LOUD, FALL = 20.0, 4
#: Of no frames: levels, lowest and highest samples (t,), and of every fifth the bands (t / 5, 64).
NOTHING: tuple[NDArray[np.float32], ...] = (
    *[np.zeros(0, np.float32)] * 3,
    np.zeros((0, WIDE // 2 // BAND), np.float32),
)
#: What is measured, in the order of the columns of :func:`window_measures`; of equally poor ones the first is named.
#: Each costs most clean clips little, and more the poorer the signal is (``benchmarks/quality.py``).
MEASURES: dict[str, Measure] = {
    "share": Measure(lambda x: f"mostly pauses: {100 * x:.0f} % of it is speech", 0.0, 0.6),
    "seconds": Measure(lambda x: f"short: {x:.1f} s", 0.0, 2.0, rank=0),
    "snr": Measure(lambda x: f"noise or echo: the speech is {x:.0f} dB above it", 0.0, 20.0),
    "clipped": Measure(lambda x: f"clipped: {100 * x:.{0 if x >= 0.01 else 1}f} % of the signal", 0.25, 0.0),
    "bandwidth": Measure(lambda x: f"narrow band: nothing above {x / 1000:.1f} kHz", 800.0, 6000.0),
    "decay": Measure(lambda x: f"reverberation: sounds die away by only {x:.0f} dB a second", 25.0, 230.0),
}
NAMES = tuple(MEASURES)
#: How they become a quality and a reason.
RATING = Rating(MEASURES, "the voice itself is ambiguous")


@dataclass(frozen=True)
class Measures:
    """Measures of what can be wrong with a stretch of speech; none of them depends on gain.

    Parameters
    ----------
    share : float
        Share of the time that is speech, 0 to 1.
    seconds : float
        Its length, to 20 ms.
    snr : float
        Signal-to-noise ratio in decibels: the speech above the noise in its pauses; 0 to 50.
    clipped : float
        Share of samples stuck at the top or the bottom, 0 to 1.
    bandwidth : float
        Hertz: the highest frequency that carries energy while somebody speaks.
    decay : float
        Decibels per second by which the level falls where speech ends: in a room it falls slowly.
    """

    share: float
    seconds: float
    snr: float
    clipped: float
    bandwidth: float
    decay: float


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
    Measures(share=0.0, seconds=1.0, snr=0.0, clipped=0.0, bandwidth=0.0, decay=0.0)
    """
    return Measures(*window_measures(signal, max(1, len(signal)), 1, 1)[0].tolist())


def quality(signal: NDArray[np.float32]) -> float:
    """How usable a stretch of speech (n,), mono at 16 kHz, is: 0 (useless) to 1 (clean).

    Examples
    --------
    >>> quality(np.zeros(16000, np.float32))
    0.0
    """
    return float(RATING.qualities(window_measures(signal, max(1, len(signal)), 1, 1))[0])


def window_measures(signal: NDArray[np.float32], window: int, hop: int, count: int) -> NDArray[np.float64]:
    """:func:`measure` of ``count`` windows of ``window`` samples, one every ``hop``; the last ones may be cut short.

    Returns
    -------
    float64 array, shape (count, 6)
        Columns as in :data:`NAMES`; to a frame what :func:`measure` gives for each.
    """
    return Meter(window, hop).measures(signal, 0, count)


class Meter:
    """:func:`window_measures` of a signal that is read in stretches: what two of them share is measured only once."""

    def __init__(self, window: int, hop: int) -> None:
        self._window, self._hop = window, hop
        self._start, self._known = 0, NOTHING

    def measures(self, signal: NDArray[np.float32], start: int, count: int) -> NDArray[np.float64]:
        """As :func:`window_measures`; ``start`` is where in the whole signal this stretch begins, in samples."""
        skipped, off_grid = divmod(start - self._start, FRAME * SPARSE)
        is_behind = skipped >= 0 and not off_grid
        known = tuple(x[skipped * (SPARSE if x.ndim == 1 else 1) :] for x in self._known) if is_behind else NOTHING
        frames = _Frames(signal, known)
        self._start, self._known = start, frames.known
        starts, size = np.arange(count) * self._hop // FRAME, max(1, self._window // FRAME)
        whole = int(np.searchsorted(starts + size, len(frames.levels), side="right"))
        table = np.zeros((count, len(NAMES)))
        if whole:
            table[:whole] = frames.measured(starts[:whole], size)
        for i in range(whole, count):
            left = (min(len(signal), i * self._hop + self._window) - i * self._hop) // FRAME
            if left > 0:
                table[i] = frames.measured(starts[i : i + 1], min(left, len(frames.levels) - int(starts[i])))[0]
        return table


class _Frames:
    """Levels, peaks and spectra of a signal, once for all the windows that share them."""

    def __init__(self, signal: NDArray[np.float32], known: tuple[NDArray[np.float32], ...]) -> None:
        self._frames = frames = signal[: len(signal) // FRAME * FRAME].reshape(-1, FRAME)
        wide = 1 + (len(signal) - WIDE) // (FRAME * SPARSE) if len(signal) >= WIDE else 0
        fresh = frames[len(known[0]) :]
        means = fresh.mean(axis=1)
        powers = np.einsum("tn,tn->t", fresh, fresh) / FRAME - means * means
        rows = np.arange(len(known[3]), wide)[:, None] * FRAME * SPARSE + np.arange(WIDE)
        found = 10 * np.log10(np.maximum(powers, 1e-20)), fresh.min(axis=1), fresh.max(axis=1), _bands(signal[rows])
        counts = len(frames), len(frames), len(frames), wide
        self.known = tuple(
            np.concatenate([old[:count], new]) for old, new, count in zip(known, found, counts, strict=True)
        )
        self.levels, self._low, self._high, self._bands = self.known

    def measured(self, starts: NDArray[np.int64], size: int) -> NDArray[np.float64]:
        """Of the windows (w,) of ``size`` frames that begin at these: (w, 6)."""
        rows = starts[:, None] + np.arange(size)
        levels = self.levels[rows].astype(np.float64)
        levels = np.maximum(levels, levels.max(axis=1, keepdims=True) - RANGE)
        ranked = np.sort(levels, axis=1)
        floor, top = ranked[:, int(PAUSES * (size - 1))], ranked[:, int(0.95 * (size - 1))]
        spoken = levels >= np.maximum(top - 25, floor + np.minimum(3, (top - floor) / 2))[:, None]
        found: dict[str, NDArray[np.float64]] = {
            "share": spoken.mean(axis=1),
            "snr": _ratio(ranked, floor),
            "clipped": self._clipped(rows),
            "bandwidth": self._bandwidth(starts, spoken),
            "decay": _decay(levels, top, floor),
        }
        swings = self._high[rows].max(axis=1) > self._low[rows].min(axis=1)
        found = {name: np.where(swings, values, 0.0) for name, values in found.items()}
        found["seconds"] = np.full(len(starts), size * FRAME / RATE)
        return np.column_stack([found[name] for name in NAMES])

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
        places = np.minimum(taken * SPARSE - starts[:, None], spoken.shape[1] - 1)
        weights = spoken[np.arange(len(starts))[:, None], places]
        power = np.einsum("wt,wtb->wb", weights.astype(np.float32), self._bands[taken])
        holds = power > power.max(axis=1, keepdims=True) * 10 ** (-DEPTH / 10)
        highest = power.shape[1] - holds[:, ::-1].argmax(axis=1)
        return np.where(holds.any(axis=1), (highest - 0.5) * BAND * RATE / WIDE, 0.0)


def _bands(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power in bands of 125 Hz of stretches (t, 512): (t, 64)."""
    spectra = np.fft.rfft((rows - rows.mean(axis=1, keepdims=True)) * TAPER, axis=1)[:, 1:]
    powers = (spectra.real**2 + spectra.imag**2).astype(np.float32)
    found: NDArray[np.float32] = powers.reshape(len(rows), WIDE // 2 // BAND, BAND).sum(axis=2)
    return found


def _ratio(ranked: NDArray[np.float64], floor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Decibels of the speech above the floor, from levels (w, t) in rising order and their floor (w,)."""
    power = np.mean(10 ** (ranked / 10), axis=1)
    noise = 10 ** (floor / 10)
    found: NDArray[np.float64] = np.clip(CORRECTION * 10 * np.log10(np.maximum(power / noise - 1, 1e-3)), 0, 50)
    return found


def _decay(levels: NDArray[np.float64], top: NDArray[np.float64], floor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Decibels per second by which loud frames fall, the 95th percentile, from levels (w, t), tops and floors (w,)."""
    loud = levels[:, :-FALL] > (top - LOUD)[:, None]
    count = np.count_nonzero(loud, axis=1)
    if not count.any():
        return np.zeros(len(levels))
    # Frames that are not loud sort to the front.
    falls = np.sort(np.where(loud, levels[:, :-FALL] - levels[:, FALL:], -np.inf), axis=1)
    place = falls.shape[1] - count + (0.95 * (count - 1)).astype(int)
    fall = falls[np.arange(len(falls)), np.minimum(place, falls.shape[1] - 1)]
    # As if there were room enough: noise shortens falls, and is measured already.
    fall = np.maximum(fall, 0) / np.clip((top - floor) / LOUD, 0.1, 1)
    found: NDArray[np.float64] = np.where(count > 0, fall / (FALL * FRAME / RATE), 0.0)
    return found
