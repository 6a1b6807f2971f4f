"""Cleaning of recordings before feature extraction: noise, silence, level.

Each step is a plain function and a row of :data:`CLEANING`. A step that helps
a human listener need not help a model: measure with and without.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt._optional import require
from affekt.errors import InputError, UnknownName

Signal = NDArray[np.float32]


def denoise(signal: Signal, sampling_rate: int, *, stationary: bool = True, amount: float = 1.0) -> Signal:
    """Lower the noise by spectral gating (the package noisereduce).

    The mask is not smoothed, and windows last about 32 ms: with noisereduce's
    own settings, white noise at 5 dB and 16 kHz, the result is further from
    the clean speech than the input. Unsmoothed masks are known to cause musical noise in the pauses.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Mono; a short clip, because memory use grows with its length.
    sampling_rate : int
        Hertz.
    stationary : bool
        One threshold for the whole clip (fans, hiss), or one that follows the
        noise within 2 s (traffic). On white noise the first is better, by 1.5 to 2 dB.
    amount : float
        From 0 (nothing) to 1 (everything below the threshold is removed).

    Returns
    -------
    float32 array, shape (n,)
        Silence, and clips shorter than two windows, are returned unchanged.

    Raises
    ------
    InputError
        If the signal is not mono, or the amount is not between 0 and 1.
    MissingExtra
        If noisereduce is not installed.

    References
    ----------
    Sainburg, Thielk and Gentner, "Finding, visualizing, and quantifying latent structure across diverse
    animal vocal repertoires", PLOS Computational Biology, 2020.

    Examples
    --------
    >>> denoise(np.zeros(16_000, np.float32), 16_000).max()
    np.float32(0.0)
    """
    if not 0 <= amount <= 1:
        raise InputError(f"denoise: amount is {amount}; allowed: 0 to 1.")
    signal = _mono(signal)
    window = 1 << round(math.log2(0.032 * sampling_rate))
    if len(signal) < 2 * window or not signal.any():
        return signal
    found: Signal = (
        require("noisereduce", extra="lab")
        .reduce_noise(
            y=signal,
            sr=sampling_rate,
            stationary=stationary,
            prop_decrease=amount,
            n_fft=window,
            freq_mask_smooth_hz=None,
            time_mask_smooth_ms=None,
            chunk_size=None,  # in chunks it would go through a file
        )
        .astype(np.float32)
    )
    return found


def trim(
    signal: Signal, sampling_rate: int, *, below: float = 60.0, margin: float = 0.0, window: int = 2048, hop: int = 512
) -> Signal:
    """Cut silence from both ends; silence within stays.

    Without a margin it cuts where ``librosa.effects.trim`` does. What is
    silence is relative: a clip of noise alone is not cut, nor is one that is silent throughout.

    Parameters
    ----------
    signal : float32 array, shape (n,)
    sampling_rate : int
        Hertz; needed only for the margin.
    below : float
        A frame is silent if its root mean square is this many dB or more below that of the loudest frame.
    margin : float
        Seconds kept on either side of what is not silent, as far as the clip has them.
    window, hop : int
        Samples, whatever the sampling rate, as in librosa.

    Returns
    -------
    float32 array, shape (m,), m <= n

    Raises
    ------
    InputError
        If the signal is not mono, ``below``, window or hop is not above 0, or the margin is negative.

    Examples
    --------
    >>> signal = np.concatenate([np.zeros(16_000), np.ones(16_000), np.zeros(16_000)]).astype(np.float32)
    >>> len(trim(signal, 16_000)), len(trim(signal, 16_000, margin=0.25))
    (17920, 25920)
    """
    if below <= 0 or margin < 0 or window < 1 or hop < 1:
        raise InputError(
            f"trim: below is {below} dB, margin {margin} s, window {window}, hop {hop}; all above 0, margin 0 or more."
        )
    signal = _mono(signal)
    if not len(signal):
        return signal
    padded = np.pad(signal, window // 2)
    padded = np.pad(padded, (0, max(0, window - len(padded))))
    frames = np.lib.stride_tricks.sliding_window_view(padded * padded, window)[::hop]  # (t, window)
    power = np.maximum(frames.mean(axis=1), 1e-10)
    loud = np.flatnonzero(power > power.max() * 10 ** (-below / 10))
    kept = round(margin * sampling_rate)
    return signal[max(0, loud[0] * hop - kept) : min(len(signal), (loud[-1] + 1) * hop + kept)]


def loudness(signal: Signal, sampling_rate: int, *, target: float = -23.0) -> Signal:
    """Bring a clip to a loudness: ITU-R BS.1770, as broadcasters do (the package pyloudnorm).

    Nothing is clipped or compressed: if the target would take the loudest
    sample above 1, the gain is limited and the clip stays quieter than the target.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        A clip shorter than 0.4 s, the block length of the standard, is measured as if it repeated.
    sampling_rate : int
        Hertz.
    target : float
        LUFS; a sine at 1 kHz with amplitude 0.1 has -23.

    Returns
    -------
    float32 array, shape (n,)
        No sample beyond 1. A clip that is silent by the standard (below -70 LUFS) is returned unchanged.

    Raises
    ------
    InputError
        If the signal is not mono, or the target not between -70 and 0.
    MissingExtra
        If pyloudnorm is not installed.

    References
    ----------
    ITU-R BS.1770-4, 2015; EBU R 128.

    Examples
    --------
    >>> loudness(np.zeros(4, np.float32), 48_000, target=-23.0).tolist()
    [0.0, 0.0, 0.0, 0.0]
    """
    if not -70 <= target <= 0:
        raise InputError(f"loudness: target is {target}; allowed: -70 to 0 LUFS.")
    signal = _mono(signal)
    if not signal.any():
        return signal
    block = math.ceil(0.4 * sampling_rate)
    measured = np.resize(signal, block) if len(signal) < block else signal
    meter = require("pyloudnorm", extra="lab").Meter(sampling_rate)
    now = float(meter.integrated_loudness(measured.astype(np.float64)))
    if not math.isfinite(now):
        return signal
    gain = 10 ** ((target - now) / 20)
    # The clip is for float32, whose rounding may end just above 1.
    found: Signal = np.clip(signal * min(gain, 1 / float(np.abs(signal).max())), -1, 1).astype(np.float32)
    return found


def pre_emphasise(signal: Signal, sampling_rate: int, *, coefficient: float = 0.97) -> Signal:
    """Pre-emphasis: each sample minus ``coefficient`` times the previous one; the first is unchanged.

    Parameters
    ----------
    signal : float32 array, shape (n,)
    sampling_rate : int
        Not needed: the same coefficient is another filter at another rate.
    coefficient : float
        From 0 (nothing) to 1 (the difference).

    Returns
    -------
    float32 array, shape (n,)

    Raises
    ------
    InputError
        If the signal is not mono, or the coefficient not between 0 and 1.

    Examples
    --------
    >>> pre_emphasise(np.array([1, 1, 1], np.float32), 16_000, coefficient=0.5).tolist()
    [1.0, 0.5, 0.5]
    """
    if not 0 <= coefficient <= 1:
        raise InputError(f"pre-emphasis: coefficient is {coefficient}; allowed: 0 to 1.")
    signal = _mono(signal)
    signal[1:] -= np.float32(coefficient) * signal[:-1]
    return signal


#: Every step by name.
CLEANING: dict[str, Callable[..., Signal]] = {
    "denoise": denoise,
    "trim": trim,
    "loudness": loudness,
    "pre-emphasis": pre_emphasise,
}


def clean(signal: Signal, sampling_rate: int, steps: Mapping[str, Mapping[str, Any]]) -> Signal:
    """Apply steps by name, in the order given.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Mono. It is not modified.
    sampling_rate : int
        Hertz.
    steps : mapping of str to mapping
        Names of :data:`CLEANING` and their options, as TOML's ``[clean.trim]`` gives them.

    Raises
    ------
    UnknownName
        If there is no such step, or it has no such option; the near match is suggested.
    InputError
        As the steps themselves.

    Examples
    --------
    >>> signal = np.concatenate([np.zeros(8000), np.ones(8000)]).astype(np.float32)
    >>> len(clean(signal, 16_000, {"trim": {"below": 40}, "pre-emphasis": {}}))
    8832
    """
    for name, options in steps.items():
        if name not in CLEANING:
            raise UnknownName("cleaning step", name, CLEANING)
        for option in options:
            if option not in (CLEANING[name].__kwdefaults__ or {}):
                raise UnknownName(f"option of {name}", option, CLEANING[name].__kwdefaults__ or {})
    cleaned = _mono(signal)
    for name, options in steps.items():
        cleaned = CLEANING[name](cleaned, sampling_rate, **options)
    return cleaned


def _mono(signal: Signal) -> Signal:
    """A copy in float32, so that no step changes what it was given."""
    copied = np.array(signal, np.float32)
    if copied.ndim != 1:
        raise InputError(f"the signal has shape {copied.shape}; give one channel, shape (n,).")
    return copied
