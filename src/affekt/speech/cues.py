"""Prosodic cues of a stretch of speech: voice measures that can be put into words.

They describe the sound. No affekt model takes them as input.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.speech.pitch import PitchTrack
from affekt.speech.spectral import Spectra

Signal = NDArray[np.float32]
#: Name to value; nan where it cannot be measured.
Cues = Mapping[str, float]

RATE = 16_000
#: Seconds; no cue is measured on shorter speech.
SHORTEST = 0.5
#: Voiced frames of 10 ms that pitch, tilt and harmonicity need.
_FEWEST_VOICED = 10
#: Samples of the frames that tilt and syllables are read from, and how far apart they are.
_WINDOW, _HOP = 1024, 160
#: Hertz: where the spectral slope is fitted, and the band whose level shows syllables.
_TILT_BAND, _SYLLABLE_BAND = (200.0, 5000.0), (300.0, 3500.0)
#: A syllable's peak is at least this many dB above the dips beside it, and at most this many dB below the loudest.
_DIP, _RANGE = 2.0, 25.0
#: Hertz: voices whose median is lower are of the range ``low``.
RANGES_MEET = 165.0


@dataclass(frozen=True)
class Cue:
    """One row of :data:`CUES`.

    Parameters
    ----------
    unit : str
        Of value, reference and difference.
    more, less : str
        What a higher and a lower value sound like.
    digits : int
        Number of significant decimals.
    """

    unit: str
    more: str
    less: str
    digits: int = 1


CUES: dict[str, Cue] = {
    "pitch": Cue("semitones", "pitch higher", "pitch lower"),
    "pitch_range": Cue("semitones", "pitch range wider", "pitch range narrower"),
    "level": Cue("dB", "louder", "softer"),
    "rate": Cue("syllables per second", "faster", "slower"),
    "tilt": Cue("dB per octave", "brighter", "duller"),
    "jitter": Cue("% of a period", "pitch less steady", "pitch steadier", 2),
    "shimmer": Cue("% of the amplitude", "loudness less steady", "loudness steadier"),
    "harmonicity": Cue("dB", "clearer", "rougher or breathier"),
}

#: Pitch depends on who speaks, level and tilt on the microphone: between strangers they cannot be compared.
OF_THE_RECORDING = ("pitch", "level", "tilt")


def measure_cues(signal: Signal) -> dict[str, float]:
    """Measure the cues of a stretch of speech.

    ===========  ===========================================================================================
    cue          what
    ===========  ===========================================================================================
    pitch        median, in semitones above 27.5 Hz
    pitch_range  from the 10th to the 90th percentile, in semitones
    level        of the loudest half of all frames, in dB below full scale; pauses do not count
    rate         syllable-like peaks of energy per second (de Jong & Wempe, Praat script to detect syllable
                 nuclei and measure speech rate automatically, 2009)
    tilt         slope of the voiced frames' mean spectrum from 200 to 5000 Hz, in dB per octave; it falls,
                 so it is negative, and a brighter voice has a higher one
    jitter       mean difference of neighbouring periods, in per cent of the mean period
    shimmer      mean difference of neighbouring periods' amplitudes, in per cent of their mean
    harmonicity  mean harmonics-to-noise ratio of the voiced frames, in dB
    ===========  ===========================================================================================

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Mono, 16 kHz.

    Returns
    -------
    dict of str to float
        One value for each of :data:`CUES`; nan where there is no voice, or less than half a second.

    Raises
    ------
    InputError
        If the signal has another shape.

    Examples
    --------
    >>> time = np.arange(16_000) / 16_000
    >>> cues = measure_cues(np.sin(2 * np.pi * 220 * time).astype(np.float32))
    >>> round(cues["pitch"]), round(cues["level"])
    (36, -3)
    """
    signal = np.asarray(signal, np.float32)
    if signal.ndim != 1:
        raise InputError(f"a signal of shape {signal.shape}; allowed: (n,), mono at 16 kHz.")
    if len(signal) < SHORTEST * RATE or not signal.any():
        return dict.fromkeys(CUES, float("nan"))
    voice, spectra = PitchTrack(signal, RATE), Spectra(signal, RATE, window=_WINDOW, hop=_HOP)
    voiced = ~np.isnan(voice.f0)
    known = {
        "level": _level(spectra),
        "rate": syllables(spectra, voiced) / (len(signal) / RATE),
    }
    if voiced.sum() >= _FEWEST_VOICED:
        semitones = 12 * np.log2(voice.f0[voiced] / 27.5)
        low, middle, high = np.percentile(semitones, [10, 50, 90]).tolist()
        known |= {
            "pitch": middle,
            "pitch_range": high - low,
            "tilt": _tilt(spectra, voiced),
            "jitter": 100 * voice.jitter,
            "shimmer": 100 * voice.shimmer,
            "harmonicity": float(voice.harmonicity[voiced].mean()),
        }
    return {name: float(known.get(name, float("nan"))) for name in CUES}


def syllables(spectra: Spectra, voiced: NDArray[np.bool_]) -> int:
    """Voiced peaks of energy between 300 and 3500 Hz, each parted from the next by a dip of 2 dB.

    Parameters
    ----------
    spectra : Spectra
        One frame every 10 ms.
    voiced : bool array, shape (t,)
    """
    low, high = _SYLLABLE_BAND
    inside = (spectra.frequencies >= low) & (spectra.frequencies <= high)
    energy = np.convolve(spectra.power[:, inside].sum(axis=1), np.hanning(9)[1:-1], mode="same")
    level = 10 * np.log10(np.maximum(energy, 1e-12))
    floor = float(level.max()) - _RANGE
    count, dip, peak, peak_voiced = 0, float(level[0]), -np.inf, False
    for now, has_voice in zip(level.tolist(), voiced[: len(level)].tolist(), strict=True):
        if now > peak:
            peak, peak_voiced = now, has_voice
        if peak - now >= _DIP:
            count += peak_voiced and peak > floor and peak - dip >= _DIP
            dip, peak, peak_voiced = now, now, has_voice
        elif now < dip:
            dip, peak, peak_voiced = now, now, has_voice
    return count + int(peak_voiced and peak > floor and peak - dip >= _DIP)


def _level(spectra: Spectra) -> float:
    power = np.sort(spectra.rms()[:, 0].astype(np.float64) ** 2)
    return float(10 * np.log10(max(power[len(power) // 2 :].mean(), 1e-20)))


def _tilt(spectra: Spectra, voiced: NDArray[np.bool_]) -> float:
    low, high = _TILT_BAND
    edges = np.geomspace(low, high, 15)
    mean = spectra.power[voiced[: len(spectra.power)]].mean(axis=0)
    bands = [mean[(spectra.frequencies >= a) & (spectra.frequencies < b)] for a, b in pairwise(edges)]
    level = [10 * np.log10(max(float(band.mean()), 1e-20)) for band in bands]
    return float(np.polyfit(np.log2(edges[:-1]), level, 1)[0])


def typical(rows: Sequence[Cues], weights: Sequence[float]) -> dict[str, float]:
    """Weighted median of each cue; nan where no row has it.

    Parameters
    ----------
    rows : sequence of Cues
    weights : sequence of float
        Seconds that each stands for.

    Examples
    --------
    >>> typical([{"rate": 3.0}, {"rate": 4.0}, {"rate": 9.0}], [1, 5, 1])["rate"]
    4.0
    """
    found = {}
    for name in CUES:
        pairs = [(row.get(name, np.nan), w) for row, w in zip(rows, weights, strict=True)]
        found[name] = _weighted_median([(value, w) for value, w in pairs if np.isfinite(value)])
    return found


def _weighted_median(pairs: Sequence[tuple[float, float]]) -> float:
    if not pairs:
        return float("nan")
    values, weights = np.array(sorted(pairs)).T
    return float(values[np.searchsorted(np.cumsum(weights), weights.sum() / 2)])


@dataclass(frozen=True)
class Norms:
    """What neutral speech is like, measured on clips of training speakers.

    Parameters
    ----------
    within : mapping of str to float
        Deviation from the speaker's median that 90 % of neutral clips do not exceed; smaller ones are no difference.
    ranges : mapping of str to mapping
        ``low`` and ``high`` to the 10th, 50th and 90th percentile over speakers of each cue.
    speakers, clips : mapping of str to int
        How many there were in each range.
    """

    within: Mapping[str, float]
    ranges: Mapping[str, Mapping[str, tuple[float, float, float]]]
    speakers: Mapping[str, int]
    clips: Mapping[str, int]

    def range_of(self, cues: Cues) -> str:
        """The pitch range of a voice: ``low`` or ``high``."""
        return "low" if cues["pitch"] < 12 * np.log2(RANGES_MEET / 27.5) else "high"


@cache
def norms() -> Norms:
    """The committed norms; ``benchmarks/norms.py`` makes them."""
    table = tomllib.loads((files("affekt.speech") / "norms.toml").read_text(encoding="utf-8"))
    ranges = {name: table[name] for name in ("low", "high")}
    return Norms(
        within=table["within"],
        ranges={name: {cue: tuple(entry[cue]) for cue in CUES} for name, entry in ranges.items()},
        speakers={name: entry["speakers"] for name, entry in ranges.items()},
        clips={name: entry["clips"] for name, entry in ranges.items()},
    )
