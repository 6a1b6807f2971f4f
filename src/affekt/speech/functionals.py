"""Input of a classifier computed from a recording: one vector (d,), or a sequence of frames (t, d)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.speech.pitch import PitchTrack
from affekt.speech.spectral import Spectra, decibels, deltas

Matrix = NDArray[np.float32]
Signal = NDArray[np.floating]


def usual_180(signal: Signal, sampling_rate: int) -> Matrix:
    """Means over time of 40 MFCC, 12 chroma (of the magnitude) and 128 mel bands (power): the usual recipe."""
    spectra = Spectra(signal, sampling_rate)
    return _means(spectra.mfcc(40), spectra.chroma(), spectra.mel())


def usual_162(signal: Signal, sampling_rate: int) -> Matrix:
    """Means over time of 1 zero-crossing rate, 12 chroma (of the magnitude), 20 MFCC, 1 RMS and 128 mel bands."""
    spectra = Spectra(signal, sampling_rate)
    return _means(spectra.zero_crossing_rate(), spectra.chroma(), spectra.mfcc(20), spectra.rms(), spectra.mel())


def mfcc_20_mean(signal: Signal, sampling_rate: int) -> Matrix:
    """Means over time of 20 MFCC."""
    return _means(Spectra(signal, sampling_rate).mfcc(20))


def mfcc_40_mean(signal: Signal, sampling_rate: int) -> Matrix:
    """Means over time of 40 MFCC."""
    return _means(Spectra(signal, sampling_rate).mfcc(40))


def mfcc_chroma_contrast(signal: Signal, sampling_rate: int) -> Matrix:
    """Means over time of 40 MFCC, 12 chroma and 7 octaves of spectral contrast, (59,); from 12.8 kHz up."""
    spectra = Spectra(signal, sampling_rate)
    return _means(spectra.mfcc(40), spectra.chroma(), spectra.contrast())


def mfcc_40(signal: Signal, sampling_rate: int) -> Matrix:
    """40 MFCC of every frame, (t, 40)."""
    return Spectra(signal, sampling_rate).mfcc(40)


def mfcc_deltas_120(signal: Signal, sampling_rate: int) -> Matrix:
    """40 MFCC of every frame with their first and second deltas, (t, 120)."""
    mfcc = Spectra(signal, sampling_rate).mfcc(40)
    return np.concatenate([mfcc, deltas(mfcc), deltas(mfcc, order=2)], axis=1)


def log_mel_128(signal: Signal, sampling_rate: int) -> Matrix:
    """128 mel bands of every frame in dB, (t, 128)."""
    return Spectra(signal, sampling_rate).log_mel(128)


def voice_312(signal: Signal, sampling_rate: int) -> Matrix:
    """Timbre of the voiced frames, and how the voice varies over time; finite for any signal.

    ======  =====================================================================================
    values  what
    ======  =====================================================================================
    300     30 MFCC and their 30 deltas: 60 means, 60 deviations, 60 each of the 10th, 50th and
            90th percentile, over the voiced frames (over all where fewer than two are voiced)
    5       pitch in semitones above 27.5 Hz: mean, deviation, 10th, 50th and 90th percentile
    1       mean absolute change of pitch, semitones per second
    1       share of frames that are voiced
    3       jitter and shimmer (shares), mean harmonics-to-noise ratio (dB)
    1       deviation of the level, dB; nothing counts as more than 60 dB below the loudest frame
    1       duration, seconds
    ======  =====================================================================================

    Values that need voiced frames are 0 if there are none.

    Examples
    --------
    >>> voice_312(np.zeros(16000, np.float32), 16000).shape
    (312,)
    """
    spectra, voice = Spectra(signal, sampling_rate), PitchTrack(signal, sampling_rate)
    mfcc = spectra.mfcc(30)
    tracks = np.concatenate([mfcc, _short_deltas(mfcc)], axis=1)
    nearest = np.round(np.arange(len(mfcc)) * spectra.hop / voice.hop).astype(int)
    voiced = ~np.isnan(voice.f0)[np.minimum(nearest, len(voice.f0) - 1)]
    level = decibels(spectra.rms() ** 2, floor=1e-20, top=60.0)
    rest = [*_pitch_numbers(voice), float(level.std()), len(spectra.signal) / sampling_rate]
    return np.concatenate([_moments(tracks[voiced] if voiced.sum() > 1 else tracks), rest]).astype(np.float32)


def _pitch_numbers(voice: PitchTrack) -> list[float]:
    """Ten numbers of a voice, 0 where it has none."""
    semitones = 12 * np.log2(voice.f0 / 27.5)
    known, changes = semitones[~np.isnan(semitones)], np.diff(semitones)
    share = len(known) / len(semitones)
    if not len(known):
        return [0.0] * 10
    change = np.abs(changes[~np.isnan(changes)])
    numbers = [
        *_moments(known[:, None]), change.mean() * voice.sampling_rate / voice.hop if len(change) else 0.0, share,
        voice.jitter, voice.shimmer, float(np.nanmean(voice.harmonicity)),
    ]  # fmt: skip
    found: list[float] = np.nan_to_num(numbers).tolist()
    return found


def _moments(tracks: NDArray[np.floating]) -> NDArray[np.floating]:
    """Mean, deviation, 10th, 50th and 90th percentile of each column, one after the other, (5 d,)."""
    return np.concatenate([tracks.mean(axis=0), tracks.std(axis=0), *np.percentile(tracks, [10, 50, 90], axis=0)])


def _short_deltas(matrix: Matrix) -> Matrix:
    """Deltas over 9 frames, or over as many as there are; 0 below 3."""
    width = min(9, len(matrix) - (len(matrix) % 2 == 0))
    return deltas(matrix, width) if width >= 3 else np.zeros_like(matrix)


def _means(*parts: Matrix) -> Matrix:
    return np.concatenate([part.mean(axis=0) for part in parts])


#: Name to signal (n,), sampling_rate -> vector (d,).
VECTORS: dict[str, Callable[[Signal, int], Matrix]] = {
    "usual-180": usual_180,
    "usual-162": usual_162,
    "mfcc-20-mean": mfcc_20_mean,
    "mfcc-40-mean": mfcc_40_mean,
    "mfcc-chroma-contrast": mfcc_chroma_contrast,
    "voice-312": voice_312,
}

#: Name to signal (n,), sampling_rate -> frames (t, d), one every 512 samples.
SEQUENCES: dict[str, Callable[[Signal, int], Matrix]] = {
    "mfcc-40": mfcc_40,
    "mfcc-deltas-120": mfcc_deltas_120,
    "log-mel-128": log_mel_128,
}


def fixed_length(frames: Matrix, length: int) -> Matrix:
    """Cut or pad a sequence to a number of frames.

    Parameters
    ----------
    frames : array, shape (t, d)
    length : int
        Number of frames wanted. Longer sequences lose their end; shorter ones are
        padded with their lowest value per feature, which is silence for log-mel.

    Returns
    -------
    array, shape (length, d)

    Raises
    ------
    InputError
        If ``length`` is below 1, or there is no frame at all.

    Examples
    --------
    >>> fixed_length(np.array([[3.0], [1.0]]), 4)[:, 0].tolist()
    [3.0, 1.0, 1.0, 1.0]
    """
    if length < 1 or not len(frames):
        raise InputError(f"{len(frames)} frames to {length}; allowed: at least one of both.")
    missing = max(0, length - len(frames))
    return np.concatenate([frames[:length], np.repeat(frames.min(axis=0, keepdims=True), missing, axis=0)])
