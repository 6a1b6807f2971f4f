"""Masks of a signal for occlusion: time x mel band."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.speech.spectral import hann, hertz_to_mel, mel_to_hertz

Signal = NDArray[np.float32]


RATE = 16_000


#: Samples of a frame and between frames.
_WINDOW, _HOP = 512, 128


#: What is masked falls to what the quietest tenth of the frames have at that frequency.
_BACKGROUND = 10


@dataclass(frozen=True)
class MapOptions:
    """Resolution and extent of an occlusion map.

    Parameters
    ----------
    patch : float
        Seconds; longer if there would be more than ``columns`` patches.
    columns, bands : int
        Maximum number of patches over time, and number of mel-spaced bands from 0 to 8 kHz.
    longest : float
        Seconds. Of a longer segment only the middle is analysed.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    patch: float = 0.2
    columns: int = 16
    bands: int = 8
    longest: float = 10.0

    def __post_init__(self) -> None:
        if not 0.02 <= self.patch <= 10 or not 1 <= self.columns <= 200 or not 1 <= self.bands <= 64:
            raise InputError(
                f"patch is {self.patch} s, columns {self.columns} and bands {self.bands}; "
                "allowed: 0.02 to 10, 1 to 200 and 1 to 64."
            )
        if not 0.5 <= self.longest <= 60:
            raise InputError(f"longest is {self.longest} s; allowed: 0.5 to 60.")


class Masker:
    """A signal whose time-frequency patches can be masked, that is, lowered to background level.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Mono, 16 kHz, at least 25 ms.
    options : MapOptions

    Raises
    ------
    InputError
        If the signal has another shape or is too short.

    Examples
    --------
    >>> time = np.arange(16_000) / 16_000
    >>> beep = (np.sin(2 * np.pi * 1000 * time) * (time > 0.5)).astype(np.float32)
    >>> masker = Masker(beep, MapOptions(patch=0.5, bands=1))
    >>> silenced = masker.masked(np.array([False, True]))
    >>> bool(np.abs(silenced[9000:15000]).max() < 0.01 < np.abs(beep).max())
    True
    """

    def __init__(self, signal: Signal, options: MapOptions | None = None) -> None:
        self.signal, options = np.asarray(signal, np.float32), options or MapOptions()
        if self.signal.ndim != 1 or len(self.signal) < 400:
            raise InputError(f"a signal of shape {self.signal.shape}; allowed: (n,) with at least 400 samples.")
        seconds = len(self.signal) / RATE
        columns = max(1, min(options.columns, round(seconds / options.patch)))
        self.times = np.linspace(0, seconds, columns + 1)
        self.hertz = mel_to_hertz(np.linspace(0, hertz_to_mel(RATE / 2), options.bands + 1))
        self.shape = (columns, options.bands)
        padded = np.pad(self.signal, _WINDOW)
        frames = sliding_window_view(np.pad(padded, (0, -len(padded) % _HOP)), _WINDOW)[::_HOP]
        self._spectrum = np.fft.rfft(frames * np.sqrt(hann(_WINDOW)), axis=1)  # (frames, bins)

    @cached_property
    def _loss(self) -> NDArray[np.complex128]:
        """What masking everything takes away from the spectrum."""
        size = np.abs(self._spectrum)
        background = np.percentile(size[_WINDOW // _HOP : -(_WINDOW // _HOP)], _BACKGROUND, axis=0)
        found: NDArray[np.complex128] = self._spectrum * (1 - np.minimum(1, background / np.maximum(size, 1e-12)))
        return found

    @cached_property
    def _column(self) -> NDArray[np.int64]:
        """The patch of each frame by its middle; frames (f,) beyond the ends belong to the outermost."""
        middles = (np.arange(len(self._spectrum)) * _HOP + _WINDOW / 2 - _WINDOW) / RATE
        return np.clip(np.searchsorted(self.times, middles, side="right") - 1, 0, self.shape[0] - 1)

    @cached_property
    def _band(self) -> NDArray[np.int64]:
        bins = np.arange(_WINDOW // 2 + 1) * RATE / _WINDOW
        return np.clip(np.searchsorted(self.hertz, bins, side="right") - 1, 0, self.shape[1] - 1)

    @property
    def sound(self) -> NDArray[np.float32]:
        """Level of the signal in dB, (t, 257), at most 80 dB below the loudest."""
        inside = self._spectrum[_WINDOW // _HOP // 2 : -(_WINDOW // _HOP // 2)]
        level = 20 * np.log10(np.maximum(np.abs(inside), 1e-6))
        found: NDArray[np.float32] = np.maximum(level, level.max() - 80).astype(np.float32)
        return found

    @property
    def energy(self) -> NDArray[np.float64]:
        """How much of the signal masking each patch takes away, (t, f), summing to 1."""
        total = np.zeros(self.shape)
        np.add.at(total, (self._column[:, None], self._band[None]), np.abs(self._loss) ** 2)
        found: NDArray[np.float64] = total / max(total.sum(), 1e-30)
        return found

    def masked(self, patches: NDArray[np.bool_]) -> Signal:
        """The signal (n,) without the patches that are True, (t * f,) or (t, f)."""
        chosen = np.asarray(patches, bool).reshape(self.shape)[self._column][:, self._band]
        rows = np.flatnonzero(chosen.any(axis=1))
        if not len(rows):
            return self.signal
        first, last = int(rows[0]), int(rows[-1]) + 1
        lost = np.fft.irfft(self._loss[first:last] * chosen[first:last], _WINDOW, axis=1) * np.sqrt(hann(_WINDOW))
        taken = np.zeros(len(self._spectrum) * _HOP + _WINDOW)
        for offset in range(0, _WINDOW, _HOP):
            begin = first * _HOP + offset
            taken[begin : begin + len(lost) * _HOP] += lost[:, offset : offset + _HOP].ravel()
        # Windows of a Hann shape, a quarter of their length apart, sum to 2.
        return self.signal - (taken[_WINDOW : _WINDOW + len(self.signal)] / 2).astype(np.float32)
