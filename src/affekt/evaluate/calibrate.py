"""Temperature, threshold and label sets of a model, from what the engine hears of dev speakers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import AudioError, InputError
from affekt.evaluate.gate_fit import Lessons, learn
from affekt.evaluate.stress import CONDITIONS, Condition, babble, cut
from affekt.metrics.calibration import best_temperature
from affekt.metrics.intervals import estimates, resample
from affekt.metrics.probabilities import SCORE_METRICS, calibration_error, checked, log_loss, reliability
from affekt.metrics.selective import ERROR, Threshold, choose_threshold, conformal_quantiles, outcomes, selected
from affekt.metrics.slices import speaker_of
from affekt.models.card import Card, label_set, least_probability
from affekt.models.onnx import softmax
from affekt.recognize.batch import Failure
from affekt.recognize.recognizer import Recognizer
from affekt.speech.audio import Source, blocks, read
from affekt.speech.augment import apply_steps, draw_steps
from affekt.speech.quality import NAMES, gate_of, speech_gate
from affekt.speech.waveform import RATE, WaveformInput
from affekt.timeline.gate import Gate, weakened
from affekt.timeline.segments import Listener, window_weights
from affekt.types import Estimate, Sample

#: Nats of log loss that a new temperature has to gain.
LEAST_GAIN = 0.001
#: What a gate learns under, beside the clips as they are: every level of these.
LEARNED_UNDER = ("noise", "babble", "reverb", "channel", "clipping", "length")
#: Versions of each clip that are heard for it, out of all levels in turn.
VERSIONS = 5
#: Clips whose speakers make babble.
VOICES = 40
#: Fewer clips with speech teach no gate.
LEAST_CLIPS = 100

Signal = NDArray[np.float32]


@dataclass(frozen=True)
class Heard:
    """What the summary of a recording is made of, before any temperature.

    Parameters
    ----------
    logits : array, shape (w, k)
        Of the windows; w is 0 where there was no speech.
    weights : array, shape (w,)
        What each window counts in the summary; sums to 1.
    measures : array, shape (w, 5)
        What was measured of the signal of each, see :func:`affekt.speech.quality.window_measures`.
    """

    logits: NDArray[np.float64]
    weights: NDArray[np.float64]
    measures: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, len(NAMES))))

    def scores(self, temperature: float, gate: Gate | None = None) -> NDArray[np.float64]:
        """Probabilities (k,) as the summary has them at a temperature; zeros without speech.

        Behind a gate this is what the engine gives of a recording of one
        segment; of several, it gates each by itself, which differs a little.
        """
        if not len(self.weights):
            return np.zeros(self.logits.shape[1])
        scores = self.weights @ softmax(self.logits, temperature)
        return weakened(scores, float(self.weights @ gate.factors(self.measures))) if gate else scores


def hear(recognizer: Recognizer, source: Source) -> Heard:
    """Run the engine over a recording and keep the logits of its windows.

    Parameters
    ----------
    recognizer : Recognizer
        With all its labels.
    source
        As for :meth:`Recognizer.predict`.

    Returns
    -------
    Heard

    Raises
    ------
    AudioError
        If it cannot be read.
    """
    collector = _Collector(recognizer.card)
    listener = Listener(region=collector.region, logits=collector.pieces.append, measures=collector.measures.append)
    stream = recognizer.stream(listener=listener)
    for block in blocks(source):
        stream.feed(block)
    stream.flush()
    return collector.heard()


@dataclass(frozen=True)
class Clips:
    """What the engine heard of labelled clips.

    Parameters
    ----------
    truth : tuple of str
    speakers : tuple of str or None
        Unique over corpora.
    corpora : tuple of str
    heard : tuple of Heard
    labels : tuple of str, shape (k,)
        The model's.
    conditions : tuple of str
        What was done to each clip before; none if they are as they are.
    """

    truth: tuple[str, ...]
    speakers: tuple[str | None, ...]
    corpora: tuple[str, ...]
    heard: tuple[Heard, ...]
    labels: tuple[str, ...]
    conditions: tuple[str, ...] = ()

    def scores(self, temperature: float, gate: Gate | None = None) -> list[dict[str, float]]:
        """Scores of each clip at a temperature and behind a gate; empty where there was no speech."""
        return [
            dict(zip(self.labels, clip.scores(temperature, gate).tolist(), strict=True)) if len(clip.weights) else {}
            for clip in self.heard
        ]

    def only(self, rows: Iterable[int]) -> Clips:
        """Some of the clips."""
        rows = list(rows)
        columns = (self.truth, self.speakers, self.corpora, self.heard)
        truth, speakers, corpora, heard = (tuple(column[i] for i in rows) for column in columns)
        conditions = tuple(self.conditions[i] for i in rows) if self.conditions else ()
        return Clips(truth, speakers, corpora, heard, self.labels, conditions)  # type: ignore[arg-type]

    def loss(self, temperature: float) -> float:
        """Mean of -log p(true label) over the clips with speech, at a temperature."""
        spoken = [(label, clip) for label, clip in zip(self.truth, self.heard, strict=True) if len(clip.weights)]
        counts = [len(clip.weights) for _, clip in spoken]
        columns = np.repeat([self.labels.index(label) for label, _ in spoken], counts)
        shares = softmax(np.concatenate([clip.logits for _, clip in spoken]), temperature)
        weighted = np.concatenate([clip.weights for _, clip in spoken]) * shares[np.arange(len(columns)), columns]
        chosen = np.add.reduceat(weighted, np.cumsum([0, *counts[:-1]]))
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())


@dataclass(frozen=True)
class Worth:
    """What a calibration is worth on some clips.

    Parameters
    ----------
    ece : Estimate
        Expected calibration error of the confidence.
    precision, coverage : Estimate
        Share of right answers among those given, and share of clips with an answer, at the threshold.
    held : Estimate
        Share of clips with speech whose label set holds the true label.
    size : Estimate
        Mean number of labels in a set.
    speakers : int
    """

    ece: Estimate
    precision: Estimate
    coverage: Estimate
    held: Estimate
    size: Estimate
    speakers: int


@dataclass(frozen=True)
class Calibration:
    """What came out.

    Parameters
    ----------
    card : Card
        With the new temperature, threshold and label sets.
    threshold : Threshold
        What was seen when it was chosen.
    loss : (float, float)
        Log loss of the clips, before any gate, at the old temperature and at the new one.
    checks : mapping of str to Check
        What a gate is worth on speakers it was not learned from: ``clean``, then each condition.
        Its measures were chosen on the same speakers, which flatters it a little.
    """

    card: Card
    threshold: Threshold
    loss: tuple[float, float]
    checks: Mapping[str, Check] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """Log loss and expected calibration error of clips, each without a gate and with one."""

    loss: tuple[float, float]
    ece: tuple[float, float]
    clips: int


def listen(
    recognizer: Recognizer, samples: Sequence[Sample], *, tick: Callable[[], None] = lambda: None
) -> tuple[Clips, tuple[Failure, ...]]:
    """Hear clips; those whose label the model does not have are left out.

    Parameters
    ----------
    recognizer : Recognizer
        With all its labels.
    samples : sequence of Sample
        Whole recordings with labels.
    tick : callable
        Called after each recording.

    Returns
    -------
    Clips, tuple of Failure
        What was heard, and what could not be read.
    """
    known: list[tuple[Sample, Heard]] = []
    failures: list[Failure] = []
    for sample in samples:
        try:
            if sample.label in recognizer.card.labels:
                known.append((sample, hear(recognizer, sample.path)))
        except (AudioError, OSError) as error:
            failures.append(Failure(sample.path, str(error)))
        tick()
    clips = Clips(
        tuple(str(sample.label) for sample, _ in known),
        tuple(speaker_of(sample) for sample, _ in known),
        tuple(str(sample.corpus) for sample, _ in known),
        tuple(heard for _, heard in known),
        recognizer.card.labels,
    )
    return clips, tuple(failures)


def listen_under(
    recognizer: Recognizer, samples: Sequence[Sample], *, seed: int = 0, tick: Callable[[], None] = lambda: None
) -> Clips:
    """Hear clips under :data:`LEARNED_UNDER`, each in :data:`VERSIONS` of all levels, for a gate to learn from.

    Parameters
    ----------
    recognizer : Recognizer
        With all its labels.
    samples : sequence of Sample
        As for :func:`listen`, which names those that cannot be read; here they are left out.
    seed : int
        Draws all noise.
    tick : callable
        Called after each recording.

    Returns
    -------
    Clips
    """
    levels = [(name, level) for name in LEARNED_UNDER for level in CONDITIONS[name].levels]
    order = np.random.default_rng(seed).permutation(len(levels))
    known = [sample for sample in samples if sample.label in recognizer.card.labels]
    voices = _voices(known)
    rows: list[tuple[Sample, Heard, str]] = []
    for number, sample in enumerate(known):
        signal = _decoded(sample)
        for version in range(VERSIONS if signal is not None else 0):
            name, level = levels[order[(number * VERSIONS + version) % len(levels)]]
            rng = np.random.default_rng([seed, number])
            others = [voice for who, voice in voices if who != speaker_of(sample)]
            changed = _changed(signal, CONDITIONS[name], level, (others, rng))  # type: ignore[arg-type]
            if changed is not None:
                rows.append((sample, hear(recognizer, changed), name))
        tick()
    return Clips(
        tuple(str(sample.label) for sample, _, _ in rows),
        tuple(speaker_of(sample) for sample, _, _ in rows),
        tuple(str(sample.corpus) for sample, _, _ in rows),
        tuple(heard for _, heard, _ in rows),
        recognizer.card.labels,
        tuple(name for _, _, name in rows),
    )


def calibrate(
    clips: Clips, card: Card, *, under: Clips | None = None, precision: float = 0.7, rng: np.random.Generator
) -> Calibration:
    """Fit temperature, gate, threshold and label sets to clips of dev speakers, each with what came before in place.

    A summary is a mean over windows, so a new temperature can change the best
    guess of recordings longer than one; it is kept where a new one gains nothing.

    Parameters
    ----------
    clips : Clips
        Of dev speakers, never of test speakers: see :func:`listen`.
    card : Card
        Of the model that was heard.
    under : Clips, optional
        The same under conditions: see :func:`listen_under`. Without, and with
        fewer than 100 clips that have speech, there is no gate; where it does
        not help on speakers that it was not learned from, it has no curve.
    precision : float
        Wanted share of right answers among those given, between 0 and 1.
    rng : numpy Generator
        For intervals.

    Returns
    -------
    Calibration
        Where no threshold keeps the promise, its card has threshold 0: a model
        that never answers is of no use, and ``threshold.met`` says what happened.

    Raises
    ------
    InputError
        If no clip has speech and a known label, or the precision is out of range.
    """
    spoken = sum(len(heard.weights) > 0 for heard in clips.heard)
    if not spoken:
        raise InputError(f"{len(clips.heard)} clips of dev speakers, none with speech; give corpora with some.")
    temperature = _temperature(clips, card.temperature)
    learnable = under is not None and spoken >= LEAST_CLIPS
    gate, checks = _gate(clips, under, temperature) if learnable else ({}, {})  # type: ignore[arg-type]
    scores = clips.scores(temperature, gate_of(gate))
    chosen = choose_threshold(outcomes(clips.truth, scores), clips.speakers, precision=precision, rng=rng)
    calibrated = replace(
        card,
        temperature=temperature,
        threshold=chosen.value if chosen.met else 0.0,
        promise=_promise(chosen, clips) if chosen.met else {},
        conformal={
            "method": "split conformal, least ambiguous sets (Sadinle, Lei & Wasserman, 2019)",
            "clips": spoken,
            "speakers": len(set(clips.speakers)),
            "quantiles": {
                # Rounded down, so that no label that belongs into a set falls out.
                f"{coverage:.2f}": math.floor(1e6 * least) / 1e6
                for coverage, least in conformal_quantiles(clips.truth, scores).items()
            },
        },
        gate=gate,
    )
    return Calibration(calibrated, chosen, (clips.loss(card.temperature), clips.loss(temperature)), checks)


def _gate(clips: Clips, under: Clips, temperature: float) -> tuple[dict[str, Any], dict[str, Check]]:
    """What goes into the card, and what a gate is worth on speakers it was not learned from.

    A gate without curves costs nothing, but still names what is poor about the signal where the model is not sure.
    """
    lessons, names = _lessons(clips, under, temperature), _useful(clips, under, temperature)
    gate = learn(lessons, names=names)
    table = {
        "curves": {name: [float(x) for x in curve] for name, curve in gate.curves.items()},
        "clips": len(clips.truth) + len(under.truth),
        "speakers": len(set(clips.speakers)),
        "conditions": ["clean", *dict.fromkeys(under.conditions)],
        "loss": [round(lessons.loss(speech_gate()), 4), round(lessons.loss(gate), 4)],
    }
    return table, _checks(clips, under, temperature, names) if gate.curves else {}


def _useful(clips: Clips, under: Clips, temperature: float) -> list[str]:
    """Measures whose curves help on speakers that they were not learned from; the most useful one first.

    Speakers are few, and each has a room and a microphone of their own: a
    curve that only tells them apart is of no use for others.
    """
    halves = [_lessons(*parts, temperature) for parts in _halves(clips, under)]
    names: list[str] = []
    if any(not len(half.counts) for half in halves):
        return names
    least = sum(half.loss(speech_gate()) for half in halves) / 2
    while len(names) < len(NAMES):
        losses = {name: _across(halves, [*names, name]) for name in NAMES if name not in names}
        best = min(losses, key=losses.__getitem__)
        if least - losses[best] < LEAST_GAIN:
            break
        names, least = [*names, best], losses[best]
    return names


def _across(halves: Sequence[Lessons], names: Sequence[str]) -> float:
    """Mean log loss of each half behind the gate that the other one teaches."""
    one, other = halves
    return (one.loss(learn(other, names=names)) + other.loss(learn(one, names=names))) / 2


def _halves(clips: Clips, under: Clips) -> list[tuple[Clips, Clips]]:
    """Every other speaker, and the rest."""
    people = list(dict.fromkeys(clips.speakers))
    sides = [[people.index(who) % 2 for who in part.speakers] for part in (clips, under)]
    return [
        (clips.only(np.flatnonzero(np.array(sides[0]) == side)), under.only(np.flatnonzero(np.array(sides[1]) == side)))
        for side in (0, 1)
    ]


def _lessons(clips: Clips, under: Clips, temperature: float) -> Lessons:
    """Clips as they are count as much as all others together."""
    spoken = [[(label, heard) for label, heard in zip(part.truth, part.heard, strict=True) if len(heard.weights)]
              for part in (clips, under)]  # fmt: skip
    weights = np.repeat([0.5 / max(1, len(part)) for part in spoken], [len(part) for part in spoken])
    rows = [row for part in spoken for row in part]
    chosen = [heard.scores(temperature)[clips.labels.index(label)] for label, heard in rows]
    measures = np.concatenate([heard.measures for _, heard in rows])
    shares = np.concatenate([heard.weights for _, heard in rows])
    counts = np.array([len(heard.weights) for _, heard in rows])
    return Lessons(measures, shares, counts, np.array(chosen), len(clips.labels), weights)


def _checks(clips: Clips, under: Clips, temperature: float, names: Sequence[str]) -> dict[str, Check]:
    """Learn from one half of the speakers, look at the other; and the other way round."""
    halves = _halves(clips, under)
    answers: dict[str, list[tuple[str, NDArray[np.float64], NDArray[np.float64]]]] = {}
    for taught, seen in (halves, halves[::-1]):
        gate = learn(_lessons(*taught, temperature), names=names)
        for part in seen:
            for i, (label, heard) in enumerate(zip(part.truth, part.heard, strict=True)):
                if len(heard.weights):
                    pair = heard.scores(temperature), heard.scores(temperature, gate)
                    answers.setdefault(part.conditions[i] if part.conditions else "clean", []).append((label, *pair))
    order = ["clean", *(name for name in LEARNED_UNDER if name in answers)]
    return {name: _check(answers[name], clips.labels) for name in order}


def _check(rows: Sequence[tuple[str, NDArray[np.float64], NDArray[np.float64]]], labels: tuple[str, ...]) -> Check:
    truth, both = [row[0] for row in rows], [np.array([row[i] for row in rows]) for i in (1, 2)]
    losses, errors = ([metric(truth, table, labels) for table in both] for metric in (log_loss, calibration_error))
    return Check((losses[0], losses[1]), (errors[0], errors[1]), len(rows))


def _decoded(sample: Sample) -> Signal | None:
    """The signal (n,) at 16 kHz; None where there is none to be had."""
    try:
        signal = np.concatenate([np.zeros(0, np.float32), *blocks(sample.path)])
    except (AudioError, OSError):
        return None
    return signal if len(signal) else None


def _voices(samples: Sequence[Sample]) -> list[tuple[str | None, Signal]]:
    """Speakers and signals of some clips, spread over all of them."""
    chosen = [samples[i] for i in np.unique(np.linspace(0, len(samples) - 1, VOICES).astype(int))] if samples else []
    decoded = [(speaker_of(sample), _decoded(sample)) for sample in chosen]
    return [(who, signal) for who, signal in decoded if signal is not None]


def _changed(
    signal: Signal, condition: Condition, level: Any, chance: tuple[Sequence[Signal], np.random.Generator]
) -> tuple[Signal, int] | None:
    """A clip under a condition, and its sampling rate; None for babble without anybody else."""
    others, rng = chance
    if condition.cut:
        loud = np.square(signal.astype(np.float64))
        middle = float(loud @ np.arange(len(loud)) / max(float(loud.sum()), 1e-20)) / RATE
        return cut(signal, float(level), middle), RATE
    if condition.noise == "babble" and not others:
        return None
    sounds = [babble(others, len(signal), rng)] if condition.noise == "babble" else []
    rate = condition.rates.get(level, RATE)
    changed = apply_steps(signal, RATE, draw_steps(condition.steps(level), rng), sounds=sounds)
    return changed if rate == RATE else read((changed, RATE), sampling_rate=rate).signal, rate


def worth(clips: Clips, card: Card, *, coverage: float = 0.9, rng: np.random.Generator) -> dict[str, Worth]:
    """What a card's temperature, threshold and label sets are worth on clips, in all and by corpus.

    Parameters
    ----------
    clips : Clips
        Of dev speakers to see the fit, of test speakers to judge it.
    card : Card
    coverage : float
        Of the label sets.
    rng : numpy Generator

    Returns
    -------
    dict of corpus to Worth
        ``"all"`` first.
    """
    least = least_probability(card, coverage)
    return {name: _worth(part, card, least, rng) for name, part in corpus_parts(clips).items()}


def corpus_parts(clips: Clips) -> dict[str, Clips]:
    """All clips as ``"all"``, and those of each corpus."""
    return {name: _part(clips, name) for name in ("all", *dict.fromkeys(clips.corpora))}


def reliability_of(clips: Clips, temperature: float, gate: Gate | None = None) -> tuple[tuple[float, float, int], ...]:
    """Mean confidence, accuracy and clips of each bin of confidence at a temperature, for a reliability diagram."""
    return reliability(clips.truth, _table(clips, temperature, gate), clips.labels)


def _temperature(clips: Clips, old: float) -> float:
    """The best temperature, or the old one where that is as good."""
    best = best_temperature(clips.loss)
    return best if clips.loss(old) - clips.loss(best) > LEAST_GAIN else old


def _promise(chosen: Threshold, clips: Clips) -> dict[str, Any]:
    return {
        "precision": chosen.precision,
        "error": ERROR,
        "bound": round(chosen.bound, 4),
        "seen": _rounded(chosen.seen),
        "coverage": _rounded(chosen.coverage),
        "speakers": len(set(clips.speakers)),
        "corpora": list(dict.fromkeys(clips.corpora)),
        "method": "fixed-sequence tests with Clopper-Pearson bounds over clips, as if clips were independent",
    }


def _rounded(e: Estimate) -> list[float]:
    return [round(e.value, 4), round(e.low, 4), round(e.high, 4), e.n]


def _part(clips: Clips, corpus: str) -> Clips:
    return clips.only([i for i, name in enumerate(clips.corpora) if corpus in ("all", name)])


def _worth(clips: Clips, card: Card, least: float, rng: np.random.Generator) -> Worth:
    gate = gate_of(card.gate)
    scores = clips.scores(card.temperature, gate)
    precision, coverage = selected(outcomes(clips.truth, scores), clips.speakers, card.threshold, rng=rng)
    metric = SCORE_METRICS["ECE"]
    statistics = metric.statistics(*checked(clips.truth, _table(clips, card.temperature, gate), clips.labels))
    drawn = resample(statistics, metric.value, clips.speakers, rng=rng)
    rows = [(label, label_set(row, least)) for label, row in zip(clips.truth, scores, strict=True)]
    # Of each clip: whether its set holds the truth, how large the set is, and whether it has one.
    sets = np.array([(label in chosen, len(chosen), bool(chosen)) for label, chosen in rows], np.float64)
    spoken = int(sets[:, 2].sum())
    shares = resample(sets, lambda sums: sums[..., :2] / np.maximum(sums[..., 2:], 1), clips.speakers, rng=rng)
    held, size = estimates(*shares, [spoken, spoken])
    ece = estimates(*drawn, [len(rows)], biased=metric.biased)[0]
    return Worth(ece, precision, coverage, held, size, len(set(clips.speakers)))


def _table(clips: Clips, temperature: float, gate: Gate | None) -> NDArray[np.float64]:
    """Scores (n, k), NaN where there was no speech."""
    return np.array([heard.scores(temperature, gate) if len(heard.weights) else np.full(len(clips.labels), np.nan)
                     for heard in clips.heard])  # fmt: skip


class _Collector:
    """Gathers the windows of regions as the engine reads them."""

    def __init__(self, card: Card) -> None:
        self.pieces: list[NDArray[np.floating]] = []
        self.measures = [np.zeros((0, len(NAMES)))]
        self._card = card
        self._logits = [np.zeros((0, len(card.labels)))]
        self._weights = [np.zeros(0)]

    def region(self, start: float, end: float) -> None:
        """A region is over: what came since the last one belongs to it."""
        if self.pieces:
            logits = np.concatenate(self.pieces).astype(np.float64)
            length = round((end - start) * RATE)
            self._logits.append(logits)
            self._weights.append(window_weights(len(logits), length, WaveformInput.of(self._card).windows))
        self.pieces.clear()

    def heard(self) -> Heard:
        """The whole recording."""
        weights = np.concatenate(self._weights)
        measures = np.concatenate(self.measures)
        return Heard(np.concatenate(self._logits), weights / max(1.0, weights.sum()), measures)
