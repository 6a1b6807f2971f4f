"""Feature sets by name: their values of a clip and of its frames, and the name of every column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.speech.feature_sets import egemaps, smile, smiled
from affekt.speech.functionals import (
    Matrix,
    Signal,
    log_mel_128,
    mfcc_40,
    mfcc_40_mean,
    mfcc_chroma_contrast,
    mfcc_deltas_120,
    usual_162,
    usual_180,
    voice_312,
)
from affekt.speech.spectral import HOP, Spectra

#: From C, as the columns of a chromagram lie.
PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
STATISTICS = ("mean", "std", "p10", "p50", "p90")

Times = NDArray[np.float64]
Frames = Callable[[Signal, int], tuple[Matrix, Times]]


@dataclass(frozen=True)
class FeatureSet:
    """A feature set: what it computes, and what its columns are called.

    Parameters
    ----------
    clip : callable or None
        Maps signal (n,) and sampling rate to the values of the whole clip (d,). None if the set has frames only.
    frames : callable or None
        Maps the same to the values of the frames (t, d), and the start and end of each in seconds (t, 2).
        None if the set has values of whole clips only.
    names : callable
        Takes whether the values are frame-wise, and returns the names of the columns.
    """

    clip: Callable[[Signal, int], Matrix] | None
    frames: Frames | None
    names: Callable[[bool], tuple[str, ...]]


def hop_times(count: int, sampling_rate: int, hop: int = HOP) -> Times:
    """Centre of each frame and of the one behind it, in seconds, (t, 2): frame i is centred on sample ``i * hop``.

    Examples
    --------
    >>> hop_times(2, 16000).tolist()
    [[0.0, 0.032], [0.032, 0.064]]
    """
    edges = np.arange(count + 1) * (hop / sampling_rate)
    return np.column_stack([edges[:-1], edges[1:]])


def _at_hops(tracks: Callable[[Signal, int], Matrix]) -> Frames:
    """Tracks (t, d), with the times of their frames."""

    def frames(signal: Signal, sampling_rate: int) -> tuple[Matrix, Times]:
        found = tracks(signal, sampling_rate)
        return found, hop_times(len(found), sampling_rate)

    return frames


def _usual_180_tracks(signal: Signal, sampling_rate: int) -> Matrix:
    spectra = Spectra(signal, sampling_rate)
    return np.concatenate([spectra.mfcc(40), spectra.chroma(), spectra.mel()], axis=1)


def _usual_162_tracks(signal: Signal, sampling_rate: int) -> Matrix:
    spectra = Spectra(signal, sampling_rate)
    crossings, rms = spectra.zero_crossing_rate(), spectra.rms()
    return np.concatenate([crossings, spectra.chroma(), spectra.mfcc(20), rms, spectra.mel()], axis=1)


def _contrast_tracks(signal: Signal, sampling_rate: int) -> Matrix:
    spectra = Spectra(signal, sampling_rate)
    return np.concatenate([spectra.mfcc(40), spectra.chroma(), spectra.contrast()], axis=1)


def egemaps_frames(signal: Signal, sampling_rate: int) -> tuple[Matrix, Times]:
    """The 25 low-level descriptors of eGeMAPS v02, every 10 ms, computed by openSMILE; see :func:`egemaps`."""
    table = smiled(signal, sampling_rate, "LowLevelDescriptors")
    starts, ends = (table.index.get_level_values(name).total_seconds().to_numpy() for name in ("start", "end"))
    return table.to_numpy(np.float32), np.column_stack([starts, ends]).astype(np.float64)


def egemaps_names(frames: bool) -> tuple[str, ...]:
    """The names that openSMILE gives its columns."""
    return tuple(smile("LowLevelDescriptors" if frames else "Functionals").feature_names)


def _numbered(name: str, count: int) -> list[str]:
    """From 0, as in librosa: ``mfcc_0`` is the level, and ``mfcc_1`` is the first that openSMILE has."""
    return [f"{name}_{i}" for i in range(count)]


def _of(*groups: Sequence[str]) -> Callable[[bool], tuple[str, ...]]:
    """Names of tracks; those of a clip are means."""
    tracks = tuple(name for group in groups for name in group)
    return lambda frames: tracks if frames else tuple(f"{name}_mean" for name in tracks)


def voice_312_names(frames: bool) -> tuple[str, ...]:
    """The columns of :func:`affekt.speech.functionals.voice_312`, in its order.

    Examples
    --------
    >>> names = voice_312_names(False)
    >>> len(names), names[0], names[-1]
    (312, 'mfcc_0_mean', 'duration_s')
    """
    tracks = [*_numbered("mfcc", 30), *_numbered("mfcc_delta", 30)]
    pitch = [f"pitch_semitones_{statistic}" for statistic in STATISTICS]
    rest = ("pitch_change_semitones_per_s", "voiced_share", "jitter", "shimmer", "hnr_db", "level_db_std", "duration_s")
    return (*(f"{track}_{statistic}" for statistic in STATISTICS for track in tracks), *pitch, *rest)


_MFCC_40, _MEL = _numbered("mfcc", 40), _numbered("mel", 128)
_CHROMA = [f"chroma_{name}" for name in PITCH_CLASSES]

#: Name to what is computed. ``embedding`` is beside these: it needs a model.
SETS: dict[str, FeatureSet] = {
    "usual-180": FeatureSet(usual_180, _at_hops(_usual_180_tracks), _of(_MFCC_40, _CHROMA, _MEL)),
    "usual-162": FeatureSet(
        usual_162, _at_hops(_usual_162_tracks), _of(["zcr"], _CHROMA, _numbered("mfcc", 20), ["rms"], _MEL)
    ),
    "mfcc": FeatureSet(mfcc_40_mean, _at_hops(mfcc_40), _of(_MFCC_40)),
    "egemaps": FeatureSet(egemaps, egemaps_frames, egemaps_names),
    "mfcc-chroma-contrast": FeatureSet(
        mfcc_chroma_contrast, _at_hops(_contrast_tracks), _of(_MFCC_40, _CHROMA, _numbered("contrast", 7))
    ),
    "voice-312": FeatureSet(voice_312, None, voice_312_names),
    "log-mel-128": FeatureSet(None, _at_hops(log_mel_128), _of(_numbered("log_mel_db", 128))),
    "mfcc-deltas-120": FeatureSet(
        None,
        _at_hops(mfcc_deltas_120),
        _of(_MFCC_40, _numbered("mfcc_delta", 40), _numbered("mfcc_delta2", 40)),
    ),
}
