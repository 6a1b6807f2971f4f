"""Robustness of a model: the same test clips, clean and degraded like recordings made outside a studio."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.data.splits import draw_evenly
from affekt.errors import AudioError, AudioWarning, CorpusError, InputError, UnknownName
from affekt.evaluate.corpus import TestSet, restriction
from affekt.labels import LabelMap
from affekt.metrics.intervals import FEWEST_SPEAKERS
from affekt.metrics.paired import Answer, Curve, Level, Point, Stress, chances, compared
from affekt.recognize.batch import Failure, predict_many
from affekt.recognize.recognizer import Recognizer
from affekt.speech.audio import read
from affekt.speech.augment import apply_steps, draw_steps
from affekt.speech.stretch import read_stretch
from affekt.types import Prediction, Sample

Signal = NDArray[np.float32]
RATE = 16_000
#: Meaning of the levels.
MEANING = "Signal-to-noise ratios are over whole clips; in the rooms direct sound is as strong as all reverberation."
#: Number of simultaneous speakers in babble.
VOICES = 6


@dataclass(frozen=True)
class Condition:
    """A degradation of recordings: a row of :data:`CONDITIONS`.

    Parameters
    ----------
    title, unit : str
        What it is, and what its levels are measured in.
    levels : tuple of float or str
    steps : callable
        Turns a level into the steps to apply, as :func:`affekt.speech.augment.draw_steps` takes them. Their random
        parts are drawn once per clip, and are the same at all levels.
    noise : str
        What ``recorded`` means in the steps: ``sounds`` from the caller, or ``babble`` of other speakers.
    cut : bool
        Whether levels are seconds to keep around the middle of the speech.
    rates : mapping of level to int
        Sampling rate in hertz at which the model gets the clip, where that is not 16 kHz.
    """

    title: str
    unit: str
    levels: tuple[Level, ...]
    steps: Callable[[Any], list[dict[str, Any]]] = lambda _: []
    noise: str = ""
    cut: bool = False
    rates: Mapping[Level, int] = field(default_factory=dict)


_CHANNELS: dict[str, dict[str, Any]] = {
    "telephone 8 kHz": {"name": "band", "low": 300.0, "high": 3400.0},
    "mp3 32 kbit/s": {"name": "codec", "codec": "mp3", "kbps": 32},
    "opus 12 kbit/s": {"name": "codec", "codec": "opus", "kbps": 12},
}
_RATIO = "SNR / dB"

# fmt: off
#: The conditions that a model is tested under, by name.
CONDITIONS: dict[str, Condition] = {
    "gain": Condition("gain", "gain / dB", (-30, -20, -10, 6, 12), lambda decibels: [
        {"name": "gain", "decibels": decibels},
    ]),
    "noise": Condition("white noise", _RATIO, (0, 10, 20, 30), lambda snr: [
        {"name": "noise", "colour": "white", "snr": snr},
    ]),
    "sounds": Condition("recorded sounds", _RATIO, (0, 10, 20, 30), lambda snr: [
        {"name": "noise", "colour": "recorded", "snr": snr},
    ], noise="sounds"),
    "babble": Condition(f"babble of {VOICES} others", _RATIO, (0, 10, 20, 30), lambda snr: [
        {"name": "noise", "colour": "recorded", "snr": snr},
    ], noise="babble"),
    "reverb": Condition("synthetic room", "RT60 / s", (0.2, 0.4, 0.8, 1.2),
        lambda seconds: [{"name": "reverb", "room": "synthetic", "rt60": seconds, "direct": 0.0}]),
    "channel": Condition("channel", "", tuple(_CHANNELS), lambda channel: [_CHANNELS[channel]],
        rates={"telephone 8 kHz": 8_000}),
    "clipping": Condition("clipping", "clipped samples / %", (0.1, 1, 5, 20), lambda per_cent: [
        {"name": "clipping", "share": per_cent / 100},
    ]),
    "length": Condition("middle of the speech only", "length / s", (0.5, 1, 2, 3, 6), cut=True),
    "speed": Condition("tempo and pitch together", "speed / %", (-10, -5, 5, 10), lambda per_cent: [
        {"name": "speed", "rate": 1 + per_cent / 100},
    ]),
}
# fmt: on


@dataclass(frozen=True)
class StressOptions:
    """Which conditions a model is tested under, and on how many clips.

    Parameters
    ----------
    conditions : tuple of str
        Keys of :data:`CONDITIONS`.
    clips : int
        Number of clips of each corpus, drawn evenly over its labels; fewer where it has fewer.
    seed : int
        For drawing the clips and all noise.
    jobs : int
        Recordings at a time.

    Raises
    ------
    UnknownName
        If there is no such condition; the nearest name is suggested.
    InputError
        If no condition is given, or fewer than one clip or job.

    Examples
    --------
    >>> StressOptions(conditions=("gain", "noise")).clips
    40
    """

    conditions: tuple[str, ...] = tuple(CONDITIONS)
    clips: int = 40
    seed: int = 0
    jobs: int = 1

    def __post_init__(self) -> None:
        for name in self.conditions:
            if name not in CONDITIONS:
                raise UnknownName("condition", name, CONDITIONS)
        if not self.conditions or len(set(self.conditions)) < len(self.conditions):
            raise InputError(f"conditions are {list(self.conditions)}; give at least one, each once.")
        if min(self.clips, self.jobs) < 1 or self.seed < 0:
            raise InputError(
                f"clips is {self.clips}, jobs {self.jobs} and seed {self.seed}; allowed: 1, 1 and 0 or more."
            )


@dataclass(frozen=True)
class StressEvaluation:
    """The comparison of clean and degraded clips, and the clips that could not be read."""

    stress: Stress
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, eq=False)
class _Clip:
    """A clip in memory: its signal at 16 kHz, the answer to it when clean, and the seed of its noise."""

    sample: Sample
    signal: Signal
    summary: Prediction
    number: int


def count_versions(conditions: Sequence[str]) -> int:
    """The number of versions of each clip: the clean one, and one for each level."""
    return 1 + sum(len(CONDITIONS[name].levels) for name in conditions)


def stress(
    recognizer: Recognizer,
    test_sets: Sequence[TestSet],
    options: StressOptions | None = None,
    *,
    sounds: Sequence[Signal] = (),
    tick: Callable[[], None] = lambda: None,
) -> StressEvaluation:
    """Recognise the same clips clean and under every condition, and compare.

    The model chooses among the labels of the clip's corpus, as in
    :func:`affekt.evaluate.corpus.evaluate`.

    Parameters
    ----------
    recognizer : Recognizer
        With all its labels.
    test_sets : sequence of TestSet
        One per corpus; see :func:`affekt.evaluate.corpus.select_test_set`.
    options : StressOptions, optional
    sounds : sequence of float32 arrays
        Recorded noises at 16 kHz, for the condition ``sounds``.
    tick : callable
        Called each time one version of all clips is done.

    Returns
    -------
    StressEvaluation
        A clip that cannot be read is left out, and a warning says so.

    Raises
    ------
    InputError
        If a condition needs sounds, or speakers for babble, and there are none.
    CorpusError
        If no clip can be read, or the model has fewer than two of a corpus's labels.
    """
    options = options or StressOptions()
    if not test_sets:
        raise InputError("there is no test set; give at least one corpus.")
    if "sounds" in options.conditions and not sounds:
        raise InputError("the condition 'sounds' needs recorded noises; give some, or leave it out.")
    with warnings.catch_warnings():
        # Clipping is applied on purpose here, and is reported.
        warnings.simplefilter("ignore", AudioWarning)
        clips, failures = _clips(recognizer, test_sets, options)
        tick()
        maps = {test_set.corpus: restriction(test_set, recognizer.labels) for test_set in test_sets}
        test = _StressTest(recognizer, clips, maps, sounds, options)
        curves = tuple(test.curve(name, tick) for name in options.conditions)
    samples = [clip.sample for clip in clips]
    found = Stress(
        recognizer.card.name,
        _protocol(samples, test_sets, options.seed),
        compared(samples, test.clean, test.clean, rng=test.rng()),
        curves,
        chances(samples),
        _warnings(samples, test_sets, failures),
        tuple(dict.fromkeys(f"{test_set.corpus}: {stamp}" for test_set in test_sets for stamp in test_set.stamps)),
    )
    return StressEvaluation(found, failures)


def _protocol(samples: Sequence[Sample], test_sets: Sequence[TestSet], seed: int) -> str:
    people = len({(sample.corpus, sample.speaker) for sample in samples})
    where = ", ".join(test_set.corpus for test_set in test_sets)
    known = "; ".join(dict.fromkeys(test_set.protocol for test_set in test_sets if test_set.protocol))
    return (
        f"{len(samples)} clips of {people} speaker{'s' * (people != 1)} of {where}, drawn evenly over the labels, "
        f"seed {seed}; answers among the labels of the clip's corpus, "
        f"the best guess also where the model is not sure. {known[:1].upper()}{known[1:]}. {MEANING}"
    )


def _warnings(samples: Sequence[Sample], test_sets: Sequence[TestSet], failures: Sequence[Failure]) -> tuple[str, ...]:
    found = [f"{test_set.corpus}: {sentence}" for test_set in test_sets for sentence in test_set.warnings]
    if failures:
        found.append(f"{len(failures)} clips could not be read and are left out (the first: {failures[0].source}).")
    speakers: dict[str, set[str | None]] = {}
    for sample in samples:
        speakers.setdefault(str(sample.corpus), set()).add(sample.speaker)
    if few := [corpus for corpus, known in speakers.items() if len(known) < FEWEST_SPEAKERS]:
        found.append(
            f"fewer than {FEWEST_SPEAKERS} speakers of {', '.join(few)}: their intervals are over clips, and the "
            "mean's in part: they say nothing about other speakers."
        )
    return tuple(found)


def _clips(
    recognizer: Recognizer, test_sets: Sequence[TestSet], options: StressOptions
) -> tuple[tuple[_Clip, ...], tuple[Failure, ...]]:
    """The clips drawn, decoded and recognised clean; and those that cannot be read."""
    rng = np.random.default_rng(options.seed)
    chosen = [sample for test_set in test_sets for sample in draw_evenly(test_set.samples, options.clips, rng)]
    signals: dict[int, Signal] = {}
    failures: list[Failure] = []
    for i, sample in enumerate(chosen):
        try:
            signals[i] = read_stretch(sample)
        except (AudioError, OSError) as error:
            failures.append(Failure(sample.path, str(error).removeprefix(f"{sample.path}: ")))
    if not signals:
        reason = f" The first: {failures[0].source}: {failures[0].reason}" if failures else ""
        raise CorpusError(f"none of {len(chosen)} clips can be read.{reason}")
    sources = ((signal, RATE) for signal in signals.values())
    outcomes = predict_many(recognizer, sources, jobs=options.jobs)
    clips = [
        _Clip(chosen[i], signal, _summary(chosen[i], outcome), i)
        for (i, signal), outcome in zip(signals.items(), outcomes, strict=True)
    ]
    return tuple(clips), tuple(failures)


def _summary(sample: Sample, outcome: Any) -> Prediction:
    if isinstance(outcome, Failure):
        raise AudioError(f"{sample.path}: {outcome.reason}")
    summary: Prediction = outcome.summary
    return summary


@dataclass(frozen=True, eq=False)
class _StressTest:
    """Everything needed to recognise the clips in another version."""

    recognizer: Recognizer
    clips: Sequence[_Clip]
    maps: Mapping[str, LabelMap]
    sounds: Sequence[Signal]
    options: StressOptions

    @property
    def clean(self) -> list[Answer]:
        """Answers to the clips as they are."""
        return [self._answer(clip, clip.summary) for clip in self.clips]

    def rng(self) -> np.random.Generator:
        """The generator for the bootstrap: the same draws of speakers under every condition."""
        return np.random.default_rng([self.options.seed, 0])

    def curve(self, name: str, tick: Callable[[], None]) -> Curve:
        """All levels of one condition."""
        condition, points = CONDITIONS[name], {}
        for level in condition.levels:
            points[level] = self._point(condition, level)
            tick()
        return Curve(name, condition.title, condition.unit, points)

    def _point(self, condition: Condition, level: Level) -> dict[str, Point]:
        touched: list[int] = []

        def sources() -> Iterator[tuple[Signal, int]]:
            for i, clip in enumerate(self.clips):
                signal, rate = self._changed(clip, condition, level)
                # An unchanged clip need not be recognised again.
                if rate != RATE or not np.array_equal(signal, clip.signal):
                    touched.append(i)
                    yield signal, rate

        outcomes = predict_many(self.recognizer, sources(), jobs=self.options.jobs)
        answers = self.clean
        for i, outcome in enumerate(outcomes):
            clip = self.clips[touched[i]]
            answers[touched[i]] = self._answer(clip, _summary(clip.sample, outcome))
        samples = [clip.sample for clip in self.clips]
        return compared(samples, self.clean, answers, rng=self.rng(), touched=touched)

    def _changed(self, clip: _Clip, condition: Condition, level: Level) -> tuple[Signal, int]:
        """A clip under a condition: its signal and sampling rate."""
        summary, seed, sounds = clip.summary, self.options.seed, self.sounds
        middle = (summary.start + summary.end) / 2 if summary.scores else len(clip.signal) / RATE / 2
        if condition.noise == "babble":
            others = [other.signal for other in self.clips if _other(other.sample, clip.sample)]
            sounds = [babble(others, len(clip.signal), np.random.default_rng([seed, 1, clip.number]))]
        # Seeded by the clip, not the level: a higher level is more of the same noise.
        rng = np.random.default_rng([seed, 2, clip.number])
        return changed_signal(clip.signal, condition, level, rng=rng, sounds=sounds, middle=middle)

    def _answer(self, clip: _Clip, summary: Prediction) -> Answer:
        if not summary.scores:
            return None, 0.0
        scores = self.maps[str(clip.sample.corpus)].apply(summary.scores)
        label = max(scores, key=scores.__getitem__)
        return label, scores[label]


def changed_signal(
    signal: Signal,
    condition: Condition,
    level: Level,
    *,
    rng: np.random.Generator,
    sounds: Sequence[Signal] = (),
    middle: float = 0.0,
) -> tuple[Signal, int]:
    """A signal (n,) at 16 kHz under a condition, and its sampling rate.

    Parameters
    ----------
    signal : float32 array, shape (n,)
    condition : Condition
    level : float or str
        One of the condition's levels.
    rng : numpy Generator
        For the random parts.
    sounds : sequence of float32 arrays
        The source of ``recorded`` noise.
    middle : float
        Time in seconds around which a clip is cut.

    Examples
    --------
    >>> signal = np.full(16_000, 0.5, np.float32)
    >>> quiet, rate = changed_signal(signal, CONDITIONS["gain"], -20, rng=np.random.default_rng(0))
    >>> round(float(quiet[0]), 3), rate
    (0.05, 16000)
    """
    if condition.cut:
        return cut(signal, float(level), middle), RATE
    changed = apply_steps(signal, RATE, draw_steps(condition.steps(level), rng), sounds=sounds)
    rate = condition.rates.get(level, RATE)
    return changed if rate == RATE else read((changed, RATE), sampling_rate=rate).signal, rate


def cut(signal: Signal, seconds: float, middle: float) -> Signal:
    """Cut ``seconds`` of a signal (n,) at 16 kHz around ``middle``; shifted where they would leave the signal.

    Examples
    --------
    >>> cut(np.arange(64_000, dtype=np.float32), 1.0, 3.75)[0] / 16_000
    np.float32(3.0)
    """
    length = round(seconds * RATE)
    start = min(max(0, round(middle * RATE) - length // 2), max(0, len(signal) - length))
    return signal[start : start + length]


def babble(others: Sequence[Signal], samples: int, rng: np.random.Generator) -> Signal:
    """Several simultaneous speakers at equal loudness, repeated to the given length: shape (samples,).

    Raises
    ------
    InputError
        If there are no other speakers.

    Examples
    --------
    >>> babble([np.ones(3, np.float32)], 4, np.random.default_rng(0)).shape
    (4,)
    """
    if not others:
        raise InputError("babble needs clips of other speakers; give another corpus, or leave the condition out.")
    drawn = rng.choice(len(others), min(VOICES, len(others)), replace=False)
    loudness = [float(np.sqrt(np.mean(np.square(others[i])))) or 1.0 for i in drawn]
    voices = [np.resize(others[i], samples) / level for i, level in zip(drawn, loudness, strict=True)]
    together: Signal = np.sum(voices, axis=0).astype(np.float32)
    return together


def _other(one: Sample, two: Sample) -> bool:
    """Whether two samples are known to be of different speakers."""
    return one.corpus != two.corpus or (None not in (one.speaker, two.speaker) and one.speaker != two.speaker)
