"""Temperature, threshold and label sets of a model, from what the engine hears of dev speakers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import AudioError, InputError
from affekt.evaluate.calibration import best_temperature, softmax
from affekt.evaluate.intervals import estimates, resample
from affekt.evaluate.probabilities import SCORE_METRICS, checked, reliability
from affekt.evaluate.selective import (
    ERROR,
    Threshold,
    choose_threshold,
    conformal_quantiles,
    label_set,
    outcomes,
    selected,
)
from affekt.evaluate.slices import speaker_of
from affekt.models.card import Card
from affekt.recognize.batch import Failure
from affekt.recognize.recognizer import Recognizer, least_probability
from affekt.recognize.stream import Listener, window_weights
from affekt.speech.audio import Source, blocks
from affekt.types import Estimate, Sample

#: Nats of log loss that a new temperature has to gain.
LEAST_GAIN = 0.001


@dataclass(frozen=True)
class Heard:
    """What the summary of a recording is made of, before any temperature.

    Parameters
    ----------
    logits : array, shape (w, k)
        Of the windows; w is 0 where there was no speech.
    weights : array, shape (w,)
        What each window counts in the summary; sums to 1.
    """

    logits: NDArray[np.float64]
    weights: NDArray[np.float64]

    def scores(self, temperature: float) -> NDArray[np.float64]:
        """Probabilities (k,) as the summary has them at a temperature; zeros without speech."""
        return self.weights @ softmax(self.logits, temperature) if len(self.weights) else np.zeros(self.logits.shape[1])


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
    stream = recognizer.stream(listener=Listener(lambda cell: None, collector.region, collector.pieces.append))
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
    """

    truth: tuple[str, ...]
    speakers: tuple[str | None, ...]
    corpora: tuple[str, ...]
    heard: tuple[Heard, ...]
    labels: tuple[str, ...]

    def scores(self, temperature: float) -> list[dict[str, float]]:
        """Scores of each clip at a temperature; empty where there was no speech."""
        return [
            dict(zip(self.labels, clip.scores(temperature).tolist(), strict=True)) if len(clip.weights) else {}
            for clip in self.heard
        ]

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
        Log loss of the clips at the old temperature and at the new one.
    """

    card: Card
    threshold: Threshold
    loss: tuple[float, float]


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


def calibrate(clips: Clips, card: Card, *, precision: float = 0.7, rng: np.random.Generator) -> Calibration:
    """Fit temperature, threshold and label sets to clips of dev speakers.

    A summary is a mean over windows, so a new temperature can change the best
    guess of recordings longer than one; it is kept where a new one gains nothing.

    Parameters
    ----------
    clips : Clips
        Of dev speakers, never of test speakers: see :func:`listen`.
    card : Card
        Of the model that was heard.
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
    scores = clips.scores(temperature)
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
    )
    return Calibration(calibrated, chosen, (clips.loss(card.temperature), clips.loss(temperature)))


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


def reliability_of(clips: Clips, temperature: float) -> tuple[tuple[float, float, int], ...]:
    """Mean confidence, accuracy and clips of each bin of confidence at a temperature, for a reliability diagram."""
    return reliability(clips.truth, _table(clips, temperature), clips.labels)


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
    rows = [i for i, name in enumerate(clips.corpora) if corpus in ("all", name)]
    columns = (clips.truth, clips.speakers, clips.corpora, clips.heard)
    truth, speakers, corpora, heard = (tuple(column[i] for i in rows) for column in columns)
    return Clips(truth, speakers, corpora, heard, clips.labels)  # type: ignore[arg-type]


def _worth(clips: Clips, card: Card, least: float, rng: np.random.Generator) -> Worth:
    scores = clips.scores(card.temperature)
    precision, coverage = selected(outcomes(clips.truth, scores), clips.speakers, card.threshold, rng=rng)
    metric = SCORE_METRICS["ECE"]
    statistics = metric.statistics(*checked(clips.truth, _table(clips, card.temperature), clips.labels))
    drawn = resample(statistics, metric.value, clips.speakers, rng=rng)
    rows = [(label, label_set(row, least)) for label, row in zip(clips.truth, scores, strict=True)]
    # Of each clip: whether its set holds the truth, how large the set is, and whether it has one.
    sets = np.array([(label in chosen, len(chosen), bool(chosen)) for label, chosen in rows], np.float64)
    spoken = int(sets[:, 2].sum())
    shares = resample(sets, lambda sums: sums[..., :2] / np.maximum(sums[..., 2:], 1), clips.speakers, rng=rng)
    held, size = estimates(*shares, [spoken, spoken])
    ece = estimates(*drawn, [len(rows)], biased=metric.biased)[0]
    return Worth(ece, precision, coverage, held, size, len(set(clips.speakers)))


def _table(clips: Clips, temperature: float) -> NDArray[np.float64]:
    """Scores (n, k), NaN where there was no speech."""
    return np.array([heard.scores(temperature) if len(heard.weights) else np.full(len(clips.labels), np.nan)
                     for heard in clips.heard])  # fmt: skip


class _Collector:
    """Gathers the windows of regions as the engine reads them."""

    def __init__(self, card: Card) -> None:
        self.pieces: list[NDArray[np.floating]] = []
        self._card = card
        self._logits = [np.zeros((0, len(card.labels)))]
        self._weights = [np.zeros(0)]

    def region(self, start: float, end: float) -> None:
        """A region is over: what came since the last one belongs to it."""
        if self.pieces:
            logits = np.concatenate(self.pieces).astype(np.float64)
            length = round((end - start) * self._card.sampling_rate)
            self._logits.append(logits)
            self._weights.append(window_weights(len(logits), length, self._card))
        self.pieces.clear()

    def heard(self) -> Heard:
        """The whole recording."""
        weights = np.concatenate(self._weights)
        return Heard(np.concatenate(self._logits), weights / max(1.0, weights.sum()))
