"""How usable a stretch of signal is, as one number from 0 to 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: 20 ms.
FRAME = 320


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
