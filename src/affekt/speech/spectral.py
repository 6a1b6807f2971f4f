"""Spectral features of a whole signal, all from one Fourier transform; conventions and values match librosa's.

Time goes first here, ``(t, d)``, where librosa writes ``(d, t)``. Frame i is
centred on sample ``i * hop``; the signal is padded with zeros.
"""

from __future__ import annotations

from functools import cache, cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from affekt.errors import InputError

Matrix = NDArray[np.float32]

WINDOW, HOP = 2048, 512
#: Frames transformed at a time: what belongs to them stays in the processor's cache.
_BLOCK = 16
#: Where the peaks are looked for that the tuning is estimated from, in hertz.
_PEAKS_LOW, _PEAKS_HIGH = 150.0, 4000.0


class Spectra:
    """A signal's spectrum, and the features made of it: each is computed when first asked for.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Mono samples.
    sampling_rate : int
        Hertz.
    window, hop : int
        Length and distance of the frames in samples. There are ``n // hop + 1`` of them (for an even window).

    Raises
    ------
    InputError
        If the signal is empty, not one-dimensional or holds NaN, or the frames make no sense.

    Examples
    --------
    >>> spectra = Spectra(np.zeros(16000, np.float32), 16000)
    >>> spectra.mfcc(13).shape
    (32, 13)
    """

    def __init__(self, signal: NDArray[np.floating], sampling_rate: int, *, window: int = WINDOW, hop: int = HOP):
        self.signal = np.ascontiguousarray(signal, dtype=np.float32)
        self.sampling_rate, self.window, self.hop = sampling_rate, window, hop
        if self.signal.ndim != 1 or not self.signal.size:
            raise InputError(f"a signal of shape {self.signal.shape}; allowed: (n,) with at least one sample.")
        if window < 4 or hop < 1 or sampling_rate <= 0:
            raise InputError(
                f"window is {window}, hop {hop} and sampling_rate {sampling_rate}; allowed: 4, 1 and 1 or more."
            )
        # One sum finds NaN and infinity, unless the samples are absurdly large.
        if not np.isfinite(np.dot(self.signal, self.signal)):
            raise InputError("the signal holds NaN, infinite or absurdly large samples; repair it first.")
        self._mel: dict[int, Matrix] = {}

    @cached_property
    def _frames(self) -> Matrix:
        """The signal's frames (t, window), zeros around it; a view."""
        return _framed(np.pad(self.signal, self.window // 2), self.window, self.hop)

    @cached_property
    def magnitude(self) -> Matrix:
        """Absolute value of the Fourier transform, (t, window // 2 + 1)."""
        frames, shape = self._frames, _hann32(self.window)
        out = np.empty((len(frames), self.window // 2 + 1), np.float32)
        for i in range(0, len(frames), _BLOCK):
            # numpy before 2 gives complex128 here; the result is the same to rounding.
            np.abs(np.fft.rfft(frames[i : i + _BLOCK] * shape), out=out[i : i + _BLOCK], casting="same_kind")
        return out

    @cached_property
    def power(self) -> Matrix:
        """Square of the magnitude, (t, window // 2 + 1)."""
        return self.magnitude * self.magnitude

    @cached_property
    def frequencies(self) -> NDArray[np.float64]:
        """Of the bins, in hertz, (window // 2 + 1,)."""
        return np.arange(self.window // 2 + 1, dtype=np.float64) * (self.sampling_rate / self.window)

    def mel(self, bands: int = 128) -> Matrix:
        """Power in mel bands from 0 to half the sampling rate, each of area 1 (Slaney, 1998), (t, bands)."""
        if bands not in self._mel:
            parts = _mel_parts(self.sampling_rate, self.window, bands)
            self._mel[bands] = np.concatenate([self.power[:, where] @ part for where, part in parts], axis=1)
        return self._mel[bands]

    def log_mel(self, bands: int = 128, *, reference: float = 1.0, top: float | None = 80.0) -> Matrix:
        """Mel band power in dB, (t, bands); see :func:`decibels`."""
        return decibels(self.mel(bands), reference=reference, top=top)

    def mfcc(self, count: int = 20, *, bands: int = 128) -> Matrix:
        """The first mel cepstral coefficients (orthonormal DCT-II of the log-mel bands), (t, count).

        Davis & Mermelstein, Comparison of parametric representations for
        monosyllabic word recognition, 1980.
        """
        return self.log_mel(bands) @ _dct(bands, count)

    def chroma(self, *, tuning: float | None = None, squared: bool = False) -> Matrix:
        """Strength of the twelve pitch classes from C, the strongest of each frame being 1, (t, 12).

        Parameters
        ----------
        tuning : float or None
            Deviation from A = 440 Hz in semitones; None estimates it from
            the spectrum's peaks, which costs more than the rest.
        squared : bool
            Use the power (librosa's default) instead of the magnitude (which
            the usual recipes pass to librosa: ``S=np.abs(stft(y))``).
        """
        spectrum = self.power if squared else self.magnitude
        if tuning is None:
            tuning = _tuning(spectrum, self.sampling_rate / self.window)
        raw = spectrum @ _chroma_filters(self.sampling_rate, self.window, round(float(tuning), 6))
        return _divided(raw, raw.max(axis=1, keepdims=True))

    def tonnetz(self, *, tuning: float | None = None) -> Matrix:
        """The tonal centroid, (t, 6): fifths, minor and major thirds, each as sine and cosine.

        librosa's default takes the chroma of a constant-Q transform; this one
        takes :meth:`chroma` of the power, as ``librosa.feature.tonnetz(chroma=...)``
        does when given it. Harte, Sandler & Gasser, Detecting harmonic change in musical audio, 2006.
        """
        chroma = self.chroma(tuning=tuning, squared=True)
        return _divided(chroma, chroma.sum(axis=1, keepdims=True)) @ _tonnetz_basis()

    def contrast(self, *, bands: int = 6, low: float = 200.0, share: float = 0.02) -> Matrix:
        """Level of the peaks less that of the valleys in octave bands, in dB, (t, bands + 1).

        Jiang et al., Music type classification by spectral contrast feature, 2002.

        Raises
        ------
        InputError
            If the bands reach beyond half the sampling rate.
        """
        parts = [np.sort(self.magnitude[:, where], axis=1) for where in self._octaves(bands, low)]
        # As librosa does, the share is of the band with its upper edge.
        counts = [max(1, round(share * (part.shape[1] + (i < bands)))) for i, part in enumerate(parts)]
        valleys = [part[:, :count].mean(axis=1) for part, count in zip(parts, counts, strict=True)]
        peaks = [part[:, -count:].mean(axis=1) for part, count in zip(parts, counts, strict=True)]
        return decibels(np.stack(peaks, axis=1)) - decibels(np.stack(valleys, axis=1))

    def _octaves(self, bands: int, low: float) -> list[slice]:
        edges = np.concatenate([[0.0], low * 2.0 ** np.arange(bands + 1)])
        if edges[-2] >= self.sampling_rate / 2:
            raise InputError(
                f"{bands} octaves from {low:g} Hz reach beyond half of {self.sampling_rate} Hz; take fewer bands."
            )
        found = []
        for i, (bottom, top) in enumerate(pairwise(edges)):
            inside = np.flatnonzero((self.frequencies >= bottom) & (self.frequencies <= top))
            first, last = inside[0] - (i > 0), inside[-1]
            found.append(slice(first, len(self.frequencies) if i == bands else last))
        return found

    def zero_crossing_rate(self) -> Matrix:
        """Share of neighbouring samples between which the sign changes, (t, 1); the signal's ends are held."""
        padded = np.pad(self.signal, self.window // 2, mode="edge")
        negative = padded < -1e-10
        changes = np.concatenate([[0], np.cumsum(negative[1:] != negative[:-1])])
        starts = np.arange(len(self._frames)) * self.hop
        found: Matrix = ((changes[starts + self.window - 1] - changes[starts]) / self.window).astype(np.float32)[
            :, None
        ]
        return found

    def rms(self) -> Matrix:
        """Root of the mean square of each frame, (t, 1)."""
        found: Matrix = np.sqrt(np.einsum("tn,tn->t", self._frames, self._frames) / np.float32(self.window))[:, None]
        return found

    def centroid(self) -> Matrix:
        """Mean frequency, weighted by the magnitude, in hertz, (t, 1)."""
        return self._shares @ self.frequencies.astype(np.float32)[:, None]

    def bandwidth(self) -> Matrix:
        """Deviation of the frequencies from their centroid, weighted by the magnitude, in hertz, (t, 1)."""
        square = (self.frequencies.astype(np.float32) - self.centroid()) ** 2
        found: Matrix = np.sqrt(np.einsum("tf,tf->t", self._shares, square))[:, None]
        return found

    def rolloff(self, share: float = 0.85) -> Matrix:
        """The frequency below which lies this share of the magnitude, in hertz, (t, 1)."""
        total = np.cumsum(self.magnitude, axis=1)
        bins = np.argmax(total >= np.float32(share) * total[:, -1:], axis=1)
        found: Matrix = self.frequencies[bins].astype(np.float32)[:, None]
        return found

    def flatness(self) -> Matrix:
        """Geometric by arithmetic mean of the power: near 1 for white noise, near 0 for a tone, (t, 1)."""
        power = np.maximum(self.power, np.float32(1e-10))
        found: Matrix = (np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1))[:, None]
        return found

    @cached_property
    def _shares(self) -> Matrix:
        """The magnitude, each frame summing to 1."""
        return _divided(self.magnitude, self.magnitude.sum(axis=1, keepdims=True))


def decibels(power: Matrix, *, reference: float = 1.0, floor: float = 1e-10, top: float | None = 80.0) -> Matrix:
    """Power in dB above a reference.

    Parameters
    ----------
    power : array, shape (t, d)
    reference : float
        The power that is 0 dB; with ``power.max()`` the loudest is 0 dB.
    floor : float
        Power below this is raised to it.
    top : float or None
        Values are limited to at most this many dB below the loudest; None: no limit.

    Returns
    -------
    float32 array, shape (t, d)

    Examples
    --------
    >>> decibels(np.array([[1.0, 100.0, 0.0]])).tolist()
    [[0.0, 20.0, -60.0]]
    """
    if floor <= 0 or (top is not None and top < 0):
        raise InputError(f"floor is {floor} and top {top}; allowed: above 0, and 0 or more.")
    # The natural logarithm is what numpy computes fastest.
    out = np.log(np.maximum(power, floor, dtype=np.float32)) * np.float32(10 / np.log(10))
    out -= np.float32(10 * np.log10(max(floor, reference)))
    return out if top is None else np.maximum(out, out.max() - np.float32(top))


def deltas(matrix: Matrix, width: int = 9, *, order: int = 1) -> Matrix:
    """Slope over time of each feature, from a line through ``width`` frames; order 2 gives the curvature.

    At both ends the first and last whole fit is held (Savitzky & Golay, 1964).

    Parameters
    ----------
    matrix : array, shape (t, d)
    width : int
        Odd, at least 3 and at most t.
    order : int
        Which derivative, from a polynomial of that order.

    Returns
    -------
    float32 array, shape (t, d)
        Per frame.

    Raises
    ------
    InputError
        If there are fewer frames than ``width``, or ``width`` is not odd.

    Examples
    --------
    >>> deltas(np.arange(12.0)[:, None] * 3)[:, 0].round(3).tolist() == [3.0] * 12
    True
    """
    if width < 3 or width % 2 == 0 or not 1 <= order < width:
        raise InputError(f"width is {width} and order {order}; allowed: odd from 3, and 1 to width - 1.")
    if len(matrix) < width:
        raise InputError(f"{len(matrix)} frames are too few for deltas over {width}; give a longer signal.")
    inner = sliding_window_view(np.asarray(matrix, np.float32), width, axis=0) @ _slope(width, order)
    held = width // 2
    return np.concatenate([np.repeat(inner[:1], held, axis=0), inner, np.repeat(inner[-1:], held, axis=0)])


def hertz_to_mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Slaney's mel scale: linear below 1 kHz, logarithmic above (Auditory Toolbox, 1998)."""
    hertz = np.asarray(hertz, dtype=np.float64)
    return np.where(hertz < 1000, hertz / 200 * 3, 15 + np.log(np.maximum(hertz, 1000) / 1000) / (np.log(6.4) / 27))


def mel_to_hertz(mel: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """The inverse of :func:`hertz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * (np.log(6.4) / 27)))


def hann(length: int) -> NDArray[np.float64]:
    """The periodic Hann window: its spectrum has three bins, so a constant offset stays below bin 2."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def _framed(padded: Matrix, window: int, hop: int) -> Matrix:
    """Frames (t, window) of a signal padded by half a window on both sides; an odd window may lack its last sample."""
    if len(padded) < window:
        padded = np.pad(padded, (0, window - len(padded)))
    return sliding_window_view(padded, window)[::hop]


def _divided(matrix: Matrix, length: Matrix) -> Matrix:
    """Each frame (t, d) by its length (t, 1); a frame of nothing stays as it is."""
    safe: Matrix = np.where(length < np.finfo(np.float32).tiny, np.float32(1), length)
    return matrix / safe


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """As float32 that nobody can write to, because many share it."""
    out = np.ascontiguousarray(array, dtype=np.float32)
    out.flags.writeable = False
    return out


@cache
def _hann32(length: int) -> Matrix:
    return _frozen(hann(length))


@lru_cache(maxsize=16)
def _mel_parts(sampling_rate: int, window: int, bands: int) -> list[tuple[slice, Matrix]]:
    """Mel filters in groups of neighbours: the bins that a group sees, and its filters (bins, bands).

    A filter is zero at nearly all bins; a group at a time leaves most of these zeros out.
    """
    edges = mel_to_hertz(np.linspace(0, hertz_to_mel(sampling_rate / 2), bands + 2))
    bins = np.arange(window // 2 + 1)[:, None] * (sampling_rate / window)
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    filters = np.clip(np.minimum(rising, falling), 0, None) * (2 / (edges[2:] - edges[:-2]))
    parts = []
    for group in np.array_split(filters, max(1, bands // 16), axis=1):
        seen = np.flatnonzero(group.any(axis=1))
        where = slice(seen[0], seen[-1] + 1) if len(seen) else slice(0, 1)
        parts.append((where, _frozen(group[where])))
    return parts


@cache
def _dct(length: int, count: int) -> Matrix:
    """The first ``count`` vectors of the orthonormal DCT-II, (length, count)."""
    basis = np.cos(np.pi * np.outer(np.arange(length) + 0.5, np.arange(min(count, length))) / length)
    basis *= np.sqrt(2 / length)
    basis[:, 0] = np.sqrt(1 / length)
    return _frozen(basis)


@lru_cache(maxsize=512)
def _chroma_filters(sampling_rate: int, window: int, tuning: float) -> Matrix:
    """Gaussian bumps around each pitch class, strongest near the fifth octave, (window // 2 + 1, 12).

    Ellis, Chroma feature analysis and synthesis, 2007.
    """
    bins = window // 2 + 1
    hertz = np.arange(1, bins + 1) * (sampling_rate / window)
    notes = 12 * np.log2(hertz / (440.0 * 2.0 ** (tuning / 12) / 16))
    notes = np.concatenate([[notes[0] - 18], notes])  # 0 Hz stands an octave and a half below the first bin
    width = np.maximum(np.diff(notes), 1)[:, None]
    notes = notes[:bins, None]
    away = np.remainder(notes - np.arange(12) + 6, 12) - 6
    bumps = np.exp(-0.5 * (2 * away / width) ** 2)
    bumps /= np.sqrt((bumps**2).sum(axis=1, keepdims=True))
    # A comes first so far.
    return _frozen(np.roll(bumps * np.exp(-0.5 * ((notes / 12 - 5) / 2) ** 2), -3, axis=1))


@cache
def _tonnetz_basis() -> Matrix:
    """Angles of the pitch classes on the three circles, (12, 6)."""
    angle = np.pi * np.outer(np.arange(12), [7 / 6, 7 / 6, 3 / 2, 3 / 2, 2 / 3, 2 / 3])
    angle[:, ::2] -= np.pi / 2
    return _frozen(np.cos(angle) * [1, 1, 1, 1, 0.5, 0.5])


@cache
def _slope(width: int, order: int) -> Matrix:
    """Weights (width,) that give the derivative of the polynomial fitted to so many equally spaced values."""
    powers = np.vander(np.arange(width) - width // 2, order + 1, increasing=True)
    return _frozen(np.linalg.pinv(powers)[order] * np.prod(np.arange(1, order + 1)))


def _tuning(spectrum: Matrix, bin_width: float) -> float:
    """How far the spectrum's peaks lie from the notes of A = 440 Hz, in semitones, [-0.5, 0.5), steps of 0.01.

    The same steps, in the same precision, as ``librosa.estimate_tuning(S=...)``:
    peaks of each frame from 150 to 4000 Hz within 20 dB of its strongest bin,
    refined by a parabola; the stronger half votes.
    """
    first = max(1, int(np.ceil(_PEAKS_LOW / bin_width)))
    last = min(spectrum.shape[1] - 1, int(np.ceil(_PEAKS_HIGH / bin_width)))
    here = spectrum[:, first:last]
    before, after = spectrum[:, first - 1 : last - 1], spectrum[:, first + 1 : last + 1]
    strong = here > np.float32(0.1) * spectrum.max(axis=1, keepdims=True)
    frame, column = np.nonzero(strong & (here > before) & (here >= after))
    if not len(frame):
        return 0.0
    low, middle, high = before[frame, column], here[frame, column], after[frame, column]
    slope = (high - low) / 2
    bend = (high + low) - 2.0 * middle.astype(np.float64)
    inside = np.abs(slope) < np.abs(bend)
    shift = np.where(inside, -slope / np.where(inside, bend, 1), 0).astype(np.float32)
    height = middle + np.float32(0.5) * slope * shift
    hertz = ((column + first + shift.astype(np.float64)) * bin_width).astype(np.float32)
    voters = hertz[(height >= np.median(height)) & (hertz > 0)]
    away = np.mod(12 * np.log2(voters / np.float32(27.5)), np.float32(1))
    away[away >= 0.5] -= 1
    edges = np.linspace(-0.5, 0.5, 101)
    return float(edges[np.argmax(np.histogram(away, edges)[0])])
