"""What is in a corpus: counts, lengths, typical clips, spectra, pitch, and who or what the clips cluster by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from affekt._optional import require
from affekt.data.counts import name_of, names_of, natural
from affekt.data.maps import Map, Measures, map_of
from affekt.data.splits import draw_evenly
from affekt.errors import AudioError, InputError
from affekt.speech.audio import length
from affekt.speech.decoded import SAMPLING_RATE
from affekt.speech.functionals import VECTORS
from affekt.speech.pitch import f0
from affekt.speech.spectral import Spectra, hann
from affekt.speech.stretch import read_stretch, starts_too_late
from affekt.types import Sample

#: Features of the map: logarithmic, so that no loud clip outweighs the rest.
VECTOR = "mfcc-40-mean"
# For the example plots: samples at 16 kHz, bands, coefficients.
WINDOW, HOP, PICTURE_BANDS, PICTURE_MFCC = 1024, 256, 64, 20
# Third octaves from 100 Hz to 6.3 kHz: the next one would reach beyond 8 kHz.
CENTRES = 1000.0 * 2.0 ** (np.arange(-10, 9) / 3)
SILENCE = -120.0  # dB: the level given to silent clips


Signal = NDArray[np.float32]
Tick = Callable[[], object]
Setting = tuple[str | None, str | None, str | None]


@dataclass(frozen=True)
class Groups:
    """One number for each clip, by emotion and sex.

    Parameters
    ----------
    what, unit : str
        What the numbers are: ``length``, ``s``.
    values : mapping of (label, sex) to float array, shape (n,)
        Groups without clips are left out.
    """

    what: str
    unit: str
    values: Mapping[tuple[str, str], NDArray[np.float64]]

    def percentiles(self, group: tuple[str, str], shares: Sequence[float]) -> list[float]:
        """The given percentiles of a group's numbers."""
        found: list[float] = np.percentile(self.values[group], shares).tolist()
        return found


@dataclass(frozen=True, eq=False)
class Example:
    """One clip to look at.

    Parameters
    ----------
    sample : Sample
    signal : float32 array, shape (n,)
        At 16 kHz.
    log_mel : float array, shape (t, 64)
        dB; the loudest band of the clip is 0.
    mfcc : float array, shape (t, 20)
        Both: one row every 16 ms.
    pitch : float array, shape (p,)
        Hertz, one every 10 ms; NaN where nothing is voiced.
    """

    sample: Sample
    signal: Signal
    log_mel: NDArray[np.floating]
    mfcc: NDArray[np.floating]
    pitch: NDArray[np.floating]

    @property
    def length(self) -> float:
        """Seconds."""
        return len(self.signal) / SAMPLING_RATE


@dataclass(frozen=True, eq=False)
class Bands:
    """Long-term average spectra: how much sound there is in each third octave.

    Parameters
    ----------
    centres : float array, shape (19,)
        Hertz.
    levels : mapping of (label, sex) to float array, shape (19,)
        dB below full scale, the mean over the clips: every clip counts the same, however loud.
    """

    centres: NDArray[np.float64]
    levels: Mapping[tuple[str, str], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Exploration:
    """All that :func:`explore` finds.

    Parameters
    ----------
    samples : tuple of Sample
        Those that could be read.
    lengths, rates : mapping of id to seconds, hertz
    measures : tuple of Measures
        Of the clips that were drawn.
    examples : tuple of Example
        At most one for each emotion and sex.
    map : Map or None
        ``None`` where there are too few clips.
    unreadable : mapping of path to str
        The files left out, and why.
    odd : tuple of str
        What is odd about clips that were read (clipped, cut short).
    """

    samples: tuple[Sample, ...]
    lengths: Mapping[str, float]
    rates: Mapping[str, int]
    measures: tuple[Measures, ...]
    examples: tuple[Example, ...]
    map: Map | None
    unreadable: Mapping[str, str] = field(default_factory=dict)
    odd: tuple[str, ...] = ()


def explore(
    samples: Sequence[Sample], rng: np.random.Generator, *, clips: int = 400, tick: Tick | None = None
) -> Exploration:
    """Look at a corpus: all names and headers, and the sound of some clips.

    Clips that cannot be read are left out and named. Clips with a broken header
    are not counted at all; problems that only decoding reveals are found only in
    the clips that are decoded.

    Parameters
    ----------
    samples : sequence of Sample
        Of one corpus.
    rng : numpy Generator
        Draws the clips to decode, and starts t-SNE.
    clips : int
        How many clips to decode for levels, spectra, pitch and the map, spread evenly over the labels.
    tick : callable, optional
        Called after each header and each clip.

    Returns
    -------
    Exploration

    Raises
    ------
    InputError
        If there is no sample, or ``clips`` is not positive.
    AudioError
        If no clip can be read.
    MissingExtra
        If scikit-learn is not installed.
    """
    if not samples or clips < 1:
        raise InputError(f"{len(samples)} samples and clips={clips}; give at least one of each.")
    require("sklearn.manifold", extra="lab")  # if it is missing, say so before minutes of work
    reader = _Reader()
    found = [sample for sample in _told(samples, tick) if reader.header(sample)]
    drawn = _told(draw_evenly(found, clips, rng), tick)
    measures = tuple(measure(sample, signal) for sample in drawn if (signal := reader.signal(sample)) is not None)
    examples = _examples(found, reader)
    readable = tuple(sample for sample in found if sample.id not in reader.unreadable)
    if not readable:
        name, reason = next(iter(reader.unreadable.items()))
        raise AudioError(f"none of the {len(samples)} clips can be read. The first, {name}: {reason}")
    return Exploration(
        samples=readable,
        lengths={sample.id: reader.headers[sample.id][0] for sample in readable},
        rates={sample.id: reader.headers[sample.id][1] for sample in readable},
        measures=measures,
        examples=examples,
        map=map_of(measures, rng),
        unreadable=reader.unreadable,
        odd=tuple(reader.odd),
    )


def _told(samples: Iterable[Sample], tick: Tick | None) -> Iterator[Sample]:
    for sample in samples:
        yield sample
        if tick:
            tick()


class _Reader:
    """Reads headers and clips, and remembers what went wrong."""

    def __init__(self) -> None:
        self.headers: dict[str, tuple[float, int]] = {}
        self.unreadable: dict[str, str] = {}
        self.odd: dict[str, None] = {}  # in order, each once

    def header(self, sample: Sample) -> bool:
        """Note the length (seconds) and sampling rate of a clip; return whether there is a clip."""
        try:
            seconds, rate = length(sample.path)
            end = seconds if sample.end is None else min(sample.end, seconds)
            if sample.start >= end:
                raise starts_too_late(sample, seconds)
            self.headers[sample.id] = end - sample.start, rate
        except AudioError as error:
            self._leave_out(sample, error)
        return sample.id in self.headers

    def signal(self, sample: Sample) -> Signal | None:
        """A clip at 16 kHz, or None when it cannot be read."""
        try:
            return read_stretch(sample, warn=self._note)
        except AudioError as error:
            self._leave_out(sample, error)
            return None

    def _leave_out(self, sample: Sample, error: AudioError) -> None:
        self.unreadable[sample.id] = str(error).removeprefix(f"{sample.path}: ")

    def _note(self, sentence: str) -> None:
        self.odd[sentence] = None


def measure(sample: Sample, signal: Signal) -> Measures:
    """Measure one clip.

    Parameters
    ----------
    sample : Sample
    signal : float32 array, shape (n,)
        Mono, 16 kHz.
    """
    pitch = f0(signal, SAMPLING_RATE)
    voiced = pitch[np.isfinite(pitch)]
    return Measures(
        sample,
        level=float(_decibels(float(np.mean(np.square(signal, dtype=np.float64))))),
        bands=third_octaves(signal),
        pitch=float(np.median(voiced)) if len(voiced) else float("nan"),
        vector=VECTORS[VECTOR](signal, SAMPLING_RATE),
    )


def third_octaves(signal: Signal) -> NDArray[np.float64]:
    """Mean square of a signal in third octaves around ``CENTRES``.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Mono, 16 kHz.

    Returns
    -------
    float64 array, shape (19,)
        A sine of amplitude 1 gives 0.5 in its band.

    Examples
    --------
    >>> sine = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    >>> bands = third_octaves(sine)
    >>> int(CENTRES[bands.argmax()]), round(float(bands.max()), 1)
    (1000, 0.5)
    """
    spectra = Spectra(signal, SAMPLING_RATE)
    # Parseval: the powers of all bins over this are the mean square of a frame.
    scale = 2 / (spectra.window * np.square(hann(spectra.window)).sum())
    power = spectra.power.mean(axis=0, dtype=np.float64) * scale
    edges = CENTRES[:, None] * 2.0 ** (np.array([-1, 1]) / 6)
    inside = (spectra.frequencies >= edges[:, :1]) & (spectra.frequencies < edges[:, 1:])
    found: NDArray[np.float64] = inside @ power
    return found


def _decibels(power: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return 10 * np.log10(np.maximum(power, 10 ** (SILENCE / 10)))


def choose_examples(samples: Sequence[Sample], lengths: Mapping[str, float]) -> tuple[Sample, ...]:
    """One clip for each emotion and sex, as similar as possible in everything else.

    For each sex, the speaker, sentence and intensity that cover the most emotions
    are used; an emotion they lack comes from the same speaker, else from
    anyone of that sex. Ties go to the clip nearest the median length of its
    emotion.

    Parameters
    ----------
    samples : sequence of Sample
    lengths : mapping of id to seconds

    Returns
    -------
    tuple of Sample
        By label, then by sex; a combination without clips is left out.
    """
    chosen = []
    for sex in names_of(samples, "sex"):
        same_sex = [s for s in samples if name_of(s, "sex") == sex]
        away = _from_median(same_sex, lengths)
        best = _best_covered(same_sex, away)
        for label in names_of(same_sex, "label"):
            candidates = [s for s in same_sex if name_of(s, "label") == label]
            chosen.append(
                min(
                    candidates,
                    key=lambda s: (tuple(x != y for x, y in zip(_setting(s), best, strict=True)), away[s.id], s.id),
                )
            )
    return tuple(sorted(chosen, key=lambda s: (natural(name_of(s, "label")), natural(name_of(s, "sex")))))


def _from_median(samples: Iterable[Sample], lengths: Mapping[str, float]) -> dict[str, float]:
    """How far each clip's length is from the median of its label, as the absolute log ratio."""
    of_label: dict[str, list[float]] = {}
    for sample in samples:
        of_label.setdefault(name_of(sample, "label"), []).append(lengths[sample.id])
    medians = {label: np.median(values) for label, values in of_label.items()}
    return {s.id: abs(float(np.log(lengths[s.id] / medians[name_of(s, "label")]))) for s in samples}


def _setting(sample: Sample) -> Setting:
    """Everything except the emotion: speaker, sentence and intensity, most important first."""
    return sample.speaker, sample.sentence, sample.meta.get("intensity")


def _best_covered(samples: Sequence[Sample], away: Mapping[str, float]) -> Setting:
    """The setting that covers the most emotions; ties go to the most typical lengths."""
    best: dict[Setting, dict[str, float]] = {}
    for s in samples:
        nearest, label = best.setdefault(_setting(s), {}), name_of(s, "label")
        nearest[label] = min(away[s.id], nearest.get(label, float("inf")))
    return min(best, key=lambda setting: (-len(best[setting]), sum(best[setting].values()), str(setting)))


def _examples(samples: Sequence[Sample], reader: _Reader) -> tuple[Example, ...]:
    """Examples that can be read: where one cannot, another takes its place."""
    left = [sample for sample in samples if sample.id not in reader.unreadable]
    lengths = {sample.id: reader.headers[sample.id][0] for sample in left}
    signals: dict[str, Signal | None] = {}
    while left:
        chosen = choose_examples(left, lengths)
        signals |= {s.id: reader.signal(s) for s in chosen if s.id not in signals}
        if all(signals[s.id] is not None for s in chosen):
            return tuple(_example(s, signal) for s in chosen if (signal := signals[s.id]) is not None)
        left = [sample for sample in left if sample.id not in reader.unreadable]
    return ()


def _example(sample: Sample, signal: Signal) -> Example:
    spectra = Spectra(signal, SAMPLING_RATE, window=WINDOW, hop=HOP)
    log_mel = spectra.log_mel(PICTURE_BANDS)
    mfcc = spectra.mfcc(PICTURE_MFCC, bands=PICTURE_BANDS)
    return Example(sample, signal, log_mel - log_mel.max(), mfcc, f0(signal, SAMPLING_RATE))


def lengths_of(data: Exploration) -> Groups:
    """The lengths of all clips."""
    return _groups("length", "s", [(s, data.lengths[s.id]) for s in data.samples])


def levels_of(data: Exploration) -> Groups:
    """The levels of the measured clips."""
    return _groups("level", "dB re full scale", [(m.sample, m.level) for m in data.measures])


def pitches_of(data: Exploration) -> Groups:
    """The median pitch of each measured clip that has any."""
    return _groups("median pitch", "Hz", [(m.sample, m.pitch) for m in data.measures if np.isfinite(m.pitch)])


def _groups(what: str, unit: str, values: Iterable[tuple[Sample, float]]) -> Groups:
    found: dict[tuple[str, str], list[float]] = {}
    for sample, value in values:
        found.setdefault((name_of(sample, "label"), name_of(sample, "sex")), []).append(value)
    order = sorted(found, key=lambda pair: tuple(map(natural, pair)))
    return Groups(what, unit, {pair: np.array(found[pair]) for pair in order})


def bands_of(data: Exploration) -> Bands:
    """The long-term average spectra of the measured clips."""
    found: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    for m in data.measures:
        found.setdefault((name_of(m.sample, "label"), name_of(m.sample, "sex")), []).append(_decibels(m.bands))
    order = sorted(found, key=lambda pair: tuple(map(natural, pair)))
    return Bands(CENTRES, {pair: np.mean(found[pair], axis=0) for pair in order})


def differences_of(data: Bands) -> Bands:
    """How the spectrum of each emotion differs, in dB, from the mean of all emotions of the same sex."""
    means = {sex: np.mean([v for (_, s), v in data.levels.items() if s == sex], axis=0) for _, sex in data.levels}
    return Bands(data.centres, {pair: levels - means[pair[1]] for pair, levels in data.levels.items()})
