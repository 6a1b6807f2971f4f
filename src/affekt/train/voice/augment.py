"""Augmentation of batches of signals while the voice model is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from affekt.speech.augment import SAMPLING_RATE, Signal, add_noise, coloured_noise


@dataclass(frozen=True)
class Chances:
    """How often, and how much, a clip is changed.

    Parameters
    ----------
    speed : float
        Probability of a new speed (tempo and pitch together), up to ``speed_range`` either way.
    noise : float
        Probability of noise at a signal-to-noise ratio within ``snr`` (dB): a recorded sound or coloured noise.
    reverb : float
        Probability of an impulse response.
    colour : float
        Probability of a smooth random equaliser of up to ``colour_range`` dB.
    telephone : float
        Probability of a 300-3400 Hz band.
    gain_range : float
        Gain in dB, up to this either way, always drawn.
    """

    speed: float = 0.6
    speed_range: float = 0.12
    noise: float = 0.4
    snr: tuple[float, float] = (3.0, 35.0)
    reverb: float = 0.15
    colour: float = 0.4
    colour_range: float = 6.0
    telephone: float = 0.1
    gain_range: float = 12.0


@dataclass(frozen=True)
class Change:
    """What is done to one clip; everything random about it is in here.

    ``sound`` and ``response`` are indices, taken modulo the number available;
    ``None`` leaves that step out.
    """

    speed: float = 1.0
    snr: float | None = None
    sound: int | None = None
    noise_power: float = 1.0
    noise_seed: int = 0
    response: int | None = None
    colour: tuple[float, ...] = ()
    telephone: bool = False
    gain: float = 0.0


def draw(rng: np.random.Generator, chances: Chances | None = None) -> Change:
    """Draw what to do to one clip.

    Examples
    --------
    >>> draw(np.random.default_rng(0)) == draw(np.random.default_rng(0))
    True
    """
    chances = chances or Chances()
    change = Change(gain=rng.uniform(-chances.gain_range, chances.gain_range))
    if rng.random() < chances.speed:
        change = replace(change, speed=float(np.exp(rng.uniform(-1, 1) * np.log1p(chances.speed_range))))
    if rng.random() < chances.noise:
        recorded = int(rng.integers(1 << 30)) if rng.random() < 0.6 else None
        power, seed = rng.uniform(0, 2), int(rng.integers(1 << 30))
        change = replace(change, snr=rng.uniform(*chances.snr), sound=recorded, noise_power=power, noise_seed=seed)
    if rng.random() < chances.reverb:
        change = replace(change, response=int(rng.integers(1 << 30)))
    if rng.random() < chances.colour:
        change = replace(change, colour=tuple(rng.uniform(-1, 1, 6) * chances.colour_range))
    return replace(change, telephone=bool(rng.random() < chances.telephone))


def apply(signal: Signal, change: Change, *, sounds: Sequence[Signal] = (), responses: Sequence[Signal] = ()) -> Signal:
    """Apply a drawn change.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Mono, 16 kHz.
    change : Change
    sounds, responses : sequences of float32 arrays
        Recorded noises and impulse responses; without any, those steps are left out.

    Returns
    -------
    float32 array, shape (m,)
        m differs from n when the speed does.
    """
    signal = resample_linear(signal, change.speed) if change.speed != 1 else signal
    response = responses[change.response % len(responses)] if responses and change.response is not None else None
    if response is not None or change.colour or change.telephone:
        signal = filtered(signal, change, response)
    if change.snr is not None:
        signal = add_noise(signal, _noise(len(signal), change, sounds), change.snr)
    found: Signal = np.clip(signal * 10 ** (change.gain / 20), -4, 4).astype(np.float32)
    return found


def resample_linear(signal: Signal, speed: float) -> Signal:
    """Play a signal faster (speed > 1) or slower: tempo and pitch change together. Linear interpolation."""
    positions = np.arange(int(len(signal) / speed), dtype=np.float32) * speed
    found: Signal = np.interp(positions, np.arange(len(signal), dtype=np.float32), signal).astype(np.float32)
    return found


def filtered(signal: Signal, change: Change, response: Signal | None = None) -> Signal:
    """Room, equaliser and telephone band in one pass through the spectrum; length kept."""
    length = 1 << (len(signal) + (len(response) if response is not None else SAMPLING_RATE // 8)).bit_length()
    spectrum = np.fft.rfft(signal, length)
    hertz = np.fft.rfftfreq(length, 1 / SAMPLING_RATE)
    if response is not None:
        spectrum *= np.fft.rfft(response / (np.abs(response).max() + 1e-9), length)
    if change.colour:
        knots = np.geomspace(100, 8000, len(change.colour))
        spectrum *= 10 ** (np.interp(np.log(hertz + 1), np.log(knots), change.colour) / 20)
    if change.telephone:
        spectrum *= 1 / (1 + (300 / (hertz + 1)) ** 8) / (1 + (hertz / 3400) ** 12)
    return np.fft.irfft(spectrum, length)[: len(signal)].astype(np.float32)


def _noise(samples: int, change: Change, sounds: Sequence[Signal]) -> Signal:
    if change.sound is None or not sounds:
        return coloured_noise(samples, change.noise_power, np.random.default_rng(change.noise_seed))
    sound = sounds[change.sound % len(sounds)]
    return np.resize(np.roll(sound, change.noise_seed % max(1, len(sound))), samples)
