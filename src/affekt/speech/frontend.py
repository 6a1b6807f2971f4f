"""Reference implementation of the front end in float64, against which the model's graph is tested."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.speech.spectral import hann, hertz_to_mel, mel_to_hertz

SAMPLING_RATE = 16_000


@dataclass(frozen=True)
class FrontEnd:
    """The constants of a log-mel front end at 16 kHz.

    Parameters
    ----------
    window, hop : int
        Frame length and hop in samples. Frame i covers samples
        ``[i * hop, i * hop + window)``: there is no padding, so a frame is the
        same in a stream and in a file.
    bands : int
        Number of mel bands.
    low, high : float
        Lowest and highest frequency in hertz. ``low`` must be at least two
        bins above 0: then a constant offset of the signal cannot be seen.
    lags : int
        Number of autocorrelation lags, equally spaced in log pitch from 500
        down to 75 Hz; 0 leaves the pitch channels out.
    """

    window: int = 400
    hop: int = 160
    bands: int = 64
    low: float = 80.0
    high: float = 7600.0
    lags: int = 48

    @property
    def bins(self) -> NDArray[np.int64]:
        """The DFT bins in use: those from ``low`` to ``high``."""
        width = SAMPLING_RATE / self.window
        return np.arange(int(np.ceil(self.low / width)), int(self.high / width) + 1)


def mel_edges(front: FrontEnd) -> NDArray[np.float64]:
    """Where the bands begin, peak and end, in mel, equally far apart; shape (bands + 2,)."""
    return np.linspace(hertz_to_mel(front.low), hertz_to_mel(front.high), front.bands + 2)


def mel_filters(front: FrontEnd) -> NDArray[np.float64]:
    """Triangular mel filters over the bins in use.

    Returns
    -------
    float64 array, shape (bins, bands)
        Each triangle peaks at 1.

    Raises
    ------
    InputError
        If a band falls between two bins and would be empty.
    """
    edges = mel_to_hertz(mel_edges(front))
    bins = front.bins[:, None] * (SAMPLING_RATE / front.window)
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    filters = np.clip(np.minimum(rising, falling), 0, None)
    if not filters.any(axis=0).all():
        raise InputError(f"{front.bands} mel bands are too many for a window of {front.window} samples.")
    return filters


def power_spectrum(signal: NDArray[np.floating], front: FrontEnd) -> NDArray[np.float64]:
    """Hann-windowed power spectrum of every frame.

    Parameters
    ----------
    signal : array, shape (n,)
        Mono samples at 16 kHz.

    Returns
    -------
    float64 array, shape (t, bins)
    """
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(signal, np.float64), front.window)[:: front.hop]
    return np.abs(np.fft.rfft(frames * hann(front.window), axis=1))[:, front.bins] ** 2


def log_mel(signal: NDArray[np.floating], front: FrontEnd, *, floor: float = 1e-10) -> NDArray[np.float64]:
    """Natural logarithm of mel band power.

    Parameters
    ----------
    signal : array, shape (n,)
        Mono samples at 16 kHz.
    floor : float
        Added to the power before the logarithm.

    Returns
    -------
    float64 array, shape (t, bands)
    """
    return np.log(power_spectrum(signal, front) @ mel_filters(front) + floor)


def pitch_lags(front: FrontEnd) -> NDArray[np.float64]:
    """Autocorrelation lags in seconds, from 1/500 to 1/75, equally spaced in log pitch; shape (lags,)."""
    return 1 / np.geomspace(500.0, 75.0, front.lags)


def salience_basis(front: FrontEnd, top: float = 2500.0) -> NDArray[np.float64]:
    """Cosines that turn the spectrum below ``top`` hertz into its autocorrelation at the pitch lags.

    Returns
    -------
    float64 array, shape (bins below top, lags)
    """
    hertz = front.bins * (SAMPLING_RATE / front.window)
    return np.cos(2 * np.pi * hertz[hertz <= top, None] * pitch_lags(front))


def pitch_salience(signal: NDArray[np.floating], front: FrontEnd) -> NDArray[np.float64]:
    """How periodic each frame is at each pitch: the autocorrelation of the amplitude spectrum below 2.5 kHz.

    Amplitude instead of power flattens the formants, which otherwise outweigh
    the pitch (Tolonen & Karjalainen, A computationally efficient multipitch
    analysis model, 2000).

    Returns
    -------
    float64 array, shape (t, lags)
        Between -1 and 1; it does not depend on gain.
    """
    basis = salience_basis(front)
    amplitude = np.sqrt(power_spectrum(signal, front)[:, : len(basis)])
    found: NDArray[np.float64] = amplitude @ basis / np.maximum(amplitude.sum(axis=1, keepdims=True), 1e-12)
    return found
