"""The voice source: how high it is, how periodic, and how steady from one period to the next.

Pitch and harmonicity follow Boersma (Accurate short-term analysis of the
fundamental frequency and the harmonics-to-noise ratio of a sampled sound,
1993). YIN (de Cheveigné & Kawahara, 2002) searches the same periods by
differences and treats each frame independently; here the best path over all
frames decides, which corrects most octave errors.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from affekt.errors import InputError

Signal = NDArray[np.floating]
Track = NDArray[np.float64]

#: Seconds between frames.
STEP = 0.01
#: Boersma's (Praat's) constants: voicing threshold; silence threshold, as a share of the loudest sample; octave
#: cost; octave-jump cost; and the cost of beginning or ending a voiced stretch.
_VOICING, _SILENCE, _LOWER, _JUMP, _SWITCH = 0.45, 0.03, 0.01, 0.35, 0.14
#: Periods considered per frame, and frames analysed at a time.
_CANDIDATES, _BLOCK = 7, 64
#: Hertz; at lower sampling rates the autocorrelation is interpolated to at least this.
_FINE = 32_000
#: Neighbouring periods and amplitudes that differ by more than these factors do not count as neighbours.
_PERIOD_FACTOR, _AMPLITUDE_FACTOR = 1.3, 1.6


class PitchTrack:
    """A signal's voice source; each measure is computed when first asked for.

    Parameters
    ----------
    signal : float array, shape (n,)
        Mono samples.
    sampling_rate : int
        Hertz.
    low, high : float
        Search range of the pitch, in hertz. A frame is three periods of ``low`` long.

    Raises
    ------
    InputError
        If the signal is empty or not one-dimensional, or the range is empty or above a quarter of the sampling rate.

    Examples
    --------
    >>> time = np.arange(16000) / 16000
    >>> voice = PitchTrack(sum(np.sin(2 * np.pi * 200 * k * time) / k for k in range(1, 9)), 16000)
    >>> round(float(np.nanmedian(voice.f0)), 1), voice.jitter < 0.001
    (200.0, True)
    """

    def __init__(self, signal: Signal, sampling_rate: int, *, low: float = 65.0, high: float = 500.0) -> None:
        self.signal = np.asarray(signal, np.float32)
        self.sampling_rate, self.low, self.high = sampling_rate, low, high
        if self.signal.ndim != 1 or not self.signal.size:
            raise InputError(f"a signal of shape {self.signal.shape}; allowed: (n,) with at least one sample.")
        if not 10 <= low < high <= sampling_rate / 4:
            raise InputError(f"pitch from {low:g} to {high:g} Hz; allowed: 10 Hz to {sampling_rate / 4:g}, low first.")

    @cached_property
    def _path(self) -> tuple[Track, Track]:
        hertz, strength = self._candidates()
        best = _best_path(hertz, strength, self._unvoiced(), self.low)
        frames = np.arange(len(hertz))
        voiced = best >= 0
        pick = np.maximum(best, 0)
        return (
            np.where(voiced, hertz[frames, pick], np.nan),
            np.where(voiced, strength[frames, pick], np.nan),
        )

    @property
    def hop(self) -> int:
        """Samples between frames; frame i is centred on sample ``i * hop``."""
        return max(1, round(STEP * self.sampling_rate))

    @property
    def f0(self) -> Track:
        """Pitch in hertz, nan where there is none, (t,): one frame every 10 ms."""
        return self._path[0]

    @property
    def strength(self) -> Track:
        """Autocorrelation at one period, 0 to 1, nan where there is no pitch, (t,)."""
        return np.where(np.isnan(self.f0), np.nan, self._path[1])

    @property
    def harmonicity(self) -> Track:
        """Harmonics-to-noise ratio in dB, nan where there is no pitch, (t,); at most 50."""
        periodic = np.clip(self.strength, 1e-5, 1 - 1e-5)
        return 10 * np.log10(periodic / (1 - periodic))

    @cached_property
    def _frames(self) -> NDArray[np.float32]:
        size = 2 * int(1.5 * self.sampling_rate / self.low)
        return sliding_window_view(np.pad(self.signal, size // 2), size)[: len(self.signal) + 1 : self.hop]

    def _unvoiced(self) -> Track:
        """What it is worth to call each frame unvoiced, (t,): much when it is quiet."""
        signal = self.signal - self.signal.mean()
        loudest = float(np.abs(signal).max())
        peaks = np.concatenate(
            [np.abs(self._frames[i : i + _BLOCK] - signal.dtype.type(self.signal.mean())).max(axis=1)
             for i in range(0, len(self._frames), _BLOCK)]
        )  # fmt: skip
        return _VOICING + np.maximum(0, 2 - peaks / max(loudest, 1e-30) * (1 + _VOICING) / _SILENCE)

    def _candidates(self) -> tuple[Track, Track]:
        """The strongest periods of each frame: hertz and autocorrelation, (t, k); 0 where there are fewer."""
        parts = [self._block_candidates(self._frames[i : i + _BLOCK]) for i in range(0, len(self._frames), _BLOCK)]
        hertz, strength = (np.concatenate(part) for part in zip(*parts, strict=True))
        return hertz, strength

    def _block_candidates(self, frames: NDArray[np.float32]) -> tuple[Track, Track]:
        # Between coarse lags a sharp peak would look lower than its neighbour an octave below.
        finer = int(np.ceil(_FINE / self.sampling_rate))
        rate = finer * self.sampling_rate
        first, last = int(rate / self.high), int(np.ceil(rate / self.low))
        curve = _autocorrelation(frames, last + 2, finer)[:, first - 1 :]
        before, here, after = curve[:, :-2], curve[:, 1:-1], curve[:, 2:]
        lag = np.arange(first, first + here.shape[1])
        peak = (here > before) & (here >= after) & (here > 0.1)
        worth = np.where(peak, here - _LOWER * np.log2(self.low * lag / rate), -np.inf)
        count = min(_CANDIDATES, worth.shape[1])
        best = np.argpartition(-worth, count - 1, axis=1)[:, :count]
        a, b, c = (np.take_along_axis(part, best, axis=1).astype(np.float64) for part in (before, here, after))
        shift, height = _parabola(a, b, c)
        real = np.isfinite(np.take_along_axis(worth, best, axis=1))
        hertz = rate / (lag[best] + np.where(real, shift, 0))
        real &= (hertz >= self.low) & (hertz <= self.high)
        # More than 1 is an error of the window's correction, and grows with noise: turned round.
        height = np.where(height > 1, 1 / np.maximum(height, 1e-9), height)
        return np.where(real, hertz, 0.0), np.where(real, height, 0.0)

    @cached_property
    def pulses(self) -> list[Track]:
        """When the pulses of each voiced stretch come, in seconds: one array (p,) per stretch with two or more.

        From the loudest sample in both directions, each next period is
        where the signal resembles the last one most.
        """
        voiced = np.concatenate([[False], ~np.isnan(self.f0), [False]]).astype(np.int8)
        starts, ends = (np.flatnonzero(np.diff(voiced) == sign).tolist() for sign in (1, -1))
        found = [self._stretch_pulses(a, b) for a, b in zip(starts, ends, strict=True)]
        return [times for times in found if len(times) > 1]

    def _stretch_pulses(self, start: int, end: int) -> Track:
        begin = max(0, start * self.hop - self.hop // 2)
        part = self.signal[begin : (end - 1) * self.hop + self.hop // 2 + 1].astype(np.float64)
        if len(part) < 2:
            return np.zeros(0)
        centres = np.arange(start, end, dtype=np.float64) * self.hop - begin
        periods = self.sampling_rate / self.f0[start:end]
        loudest = int(np.argmax(np.abs(part)))
        mirror = len(part) - 1
        later = _walk(part, loudest, centres, periods)
        sooner = _walk(part[::-1], mirror - loudest, mirror - centres[::-1], periods[::-1])
        samples = np.concatenate([mirror - np.array(sooner[::-1]), [loudest], later])
        return (begin + samples) / self.sampling_rate

    @cached_property
    def jitter(self) -> float:
        """Mean difference of neighbouring periods, as a share of the mean period (jitter, local); nan without voice."""
        pairs = [pair for times in self.pulses for pair in _neighbours(np.diff(times), _PERIOD_FACTOR)]
        return _variation(pairs)

    @cached_property
    def shimmer(self) -> float:
        """Mean difference of neighbouring periods' amplitudes, as a share of their mean (shimmer, local); or nan."""
        pairs = [
            pair for times in self.pulses for pair in _neighbours(self._amplitudes(times), _AMPLITUDE_FACTOR)
        ]  # fmt: skip
        return _variation(pairs)

    def _amplitudes(self, times: Track) -> Track:
        """Root mean square around each pulse, weighted by a Hann window of two fifths of a period."""
        if len(times) < 2:
            return np.zeros(0)
        half = max(1, int(0.2 * np.median(np.diff(times)) * self.sampling_rate))
        shape = np.hanning(2 * half + 3)[1:-1]
        rows = np.pad(self.signal.astype(np.float64), half)
        first = np.round(times * self.sampling_rate).astype(int)
        windows = sliding_window_view(rows, 2 * half + 1)[first]
        found: Track = np.sqrt(windows**2 @ shape / shape.sum())
        return found


def f0(signal: Signal, sampling_rate: int, *, low: float = 65.0, high: float = 500.0) -> Track:
    """Pitch in hertz every 10 ms, nan where there is none; see :class:`PitchTrack`.

    Parameters
    ----------
    signal : float array, shape (n,)
    sampling_rate : int
        Hertz.
    low, high : float
        The range in hertz.

    Returns
    -------
    float64 array, shape (t,)
        Frame i is centred on ``i * 0.01`` seconds.

    Examples
    --------
    >>> bool(np.isnan(f0(np.zeros(16000), 16000)).all())
    True
    """
    return PitchTrack(signal, sampling_rate, low=low, high=high).f0


def _autocorrelation(frames: NDArray[np.float32], lags: int, finer: int) -> NDArray[np.float32]:
    """Of each frame (t, n), at lags of 1 / ``finer`` sample, 1 at lag 0 and freed of the window's own, (t, lags)."""
    size = frames.shape[1]
    shape = np.hanning(size + 1)[:-1].astype(np.float32)
    length = 1 << (size + lags // finer).bit_length()
    centred = (frames - frames.mean(axis=1, keepdims=True)) * shape
    raw, own = (
        np.fft.irfft(np.abs(np.fft.rfft(part, length)) ** 2, finer * length)[..., :lags] for part in (centred, shape)
    )
    found: NDArray[np.float32] = raw / np.maximum(raw[:, :1], 1e-20) / (own / own[0])
    return found


def _parabola(before: Track, middle: Track, after: Track) -> tuple[Track, Track]:
    """Where the parabola through three equally spaced values peaks, from the middle, and how high."""
    bend = 2 * middle - before - after
    shift = np.where(bend > 0, (after - before) / np.where(bend > 0, 2 * bend, 1), 0.0)
    return shift, middle + (after - before) * shift / 4


def _best_path(hertz: Track, strength: Track, unvoiced: Track, low: float) -> NDArray[np.int64]:
    """The candidate of each frame on the best path, -1 where unvoiced, (t,). Viterbi, 1967."""
    real = hertz > 0
    octave = np.log2(np.where(real, hertz / low, 1.0))
    worth = np.concatenate([np.where(real, strength + _LOWER * octave, -1e9), unvoiced[:, None]], axis=1)
    octave = np.concatenate([octave, np.zeros((len(octave), 1))], axis=1)
    last = worth.shape[1] - 1
    cost = np.abs(octave[:-1, :, None] - octave[1:, None, :]) * _JUMP
    cost[:, last, :] = cost[:, :, last] = _SWITCH
    cost[:, last, last] = 0
    total, came = worth[0], np.zeros(worth.shape, np.int64)
    for i in range(1, len(worth)):
        reached = total[:, None] - cost[i - 1]
        came[i] = reached.argmax(axis=0)
        total = reached.max(axis=0) + worth[i]
    path = np.empty(len(worth), np.int64)
    path[-1] = total.argmax()
    for i in range(len(worth) - 1, 0, -1):
        path[i - 1] = came[i, path[i]]
    return np.where(path == last, -1, path)


def _walk(signal: Track, start: int, centres: Track, periods: Track) -> list[float]:
    """Positions in samples of the pulses after ``start``, each found by its likeness to the one before."""
    found: list[float] = []
    at = float(start)
    while True:
        period, middle = float(np.interp(at, centres, periods)), round(at)
        half, low, high = int(period / 2), int(0.8 * period), int(1.25 * period) + 2
        left = max(0, middle - half)
        right = middle + half + 1
        if right + high > len(signal):
            high = len(signal) - right
        if high - low < 2 or left >= right:
            return found
        model = signal[left:right]
        windows = sliding_window_view(signal[left + low : right + high], right - left)
        energy = np.einsum("ln,ln->l", windows, windows) * (model @ model)
        likeness = windows @ model / np.sqrt(np.maximum(energy, 1e-30))
        best = int(np.argmax(likeness))
        if likeness[best] < 0.3:
            return found
        shift = 0.0
        if 0 < best < len(likeness) - 1:
            shift = float(_parabola(*likeness[best - 1 : best + 2, None])[0][0])
        at += low + best + shift
        found.append(at)


def _neighbours(values: Track, factor: float) -> list[tuple[float, float]]:
    """Pairs of values next to each other that differ by no more than a factor."""
    pairs = zip(values[:-1].tolist(), values[1:].tolist(), strict=True)
    return [(a, b) for a, b in pairs if 0 < max(a, b) <= factor * min(a, b)]


def _variation(pairs: list[tuple[float, float]]) -> float:
    """Mean absolute difference within the pairs, by their mean."""
    if not pairs:
        return float("nan")
    both = np.array(pairs)
    return float(np.abs(both[:, 0] - both[:, 1]).mean() / both.mean())
