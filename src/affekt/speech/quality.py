"""How usable a stretch of signal is, as one number from 0 to 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Half of one 20 ms frame lies between two levels, so that a window sees every part of the signal.
FRAME = 320


def frame_levels(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Level of every 20 ms of a signal (n,) in dB below full scale; shape (n // 320,)."""
    frames = signal[: len(signal) // FRAME * FRAME].reshape(-1, FRAME)
    return 10 * np.log10(np.einsum("tn,tn->t", frames, frames) / FRAME + 1e-12)


def quality(signal: NDArray[np.float32]) -> float:
    """How usable a stretch of speech is: its dynamic range, clipping and length.

    Speech in quiet swings over 25 dB and more between vowels and pauses; noise
    and reverberation fill the pauses up. A signal that sits at its own maximum
    is clipped. Below one second there is little to hear.

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
    levels = frame_levels(signal)
    if not len(levels) or levels.max() < -90:
        return 0.0
    low, high = np.percentile(levels, [10, 95])
    spread = np.clip((high - low - 3) / 22, 0, 1)
    clipped = np.mean(np.abs(signal) >= 0.999 * np.abs(signal).max())
    return float(spread * np.clip(1 - (clipped - 0.001) / 0.02, 0, 1) * min(1.0, len(signal) / 16_000))
