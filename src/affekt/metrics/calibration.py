"""Calibration: logits of labelled clips, the temperature, and the quality of confidence and label sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.metrics.probabilities import reliability
from affekt.metrics.selective import Threshold
from affekt.models.card import Card
from affekt.models.onnx import softmax
from affekt.types import Estimate


def negative_log_likelihood(logits: NDArray[np.floating], labels: NDArray[np.int64], temperature: float) -> float:
    """Mean of -log p(true label) at a temperature; logits (n, k), labels (n,)."""
    chosen = softmax(logits, temperature)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """The temperature at which the true labels are most likely (Guo et al., On calibration, 2017).

    Parameters
    ----------
    logits : array, shape (n, k)
        Logits on dev speakers, never on test speakers.
    labels : int array, shape (n,)

    Returns
    -------
    float
        Between 0.05 and 20; above 1 the network was overconfident.
    """
    return best_temperature(lambda temperature: negative_log_likelihood(logits, labels, temperature))


def best_temperature(loss: Callable[[float], float]) -> float:
    """The temperature between 0.05 and 20 that minimises a loss with one minimum in log T, to within 1e-9.

    Parameters
    ----------
    loss : callable
        Temperature to a number.

    Examples
    --------
    >>> round(best_temperature(lambda temperature: (temperature - 2) ** 2), 6)
    2.0
    """
    low, high = np.log(0.05), np.log(20.0)
    for _ in range(60):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        if loss(float(np.exp(left))) < loss(float(np.exp(right))):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


@dataclass(frozen=True)
class RecordingLogits:
    """What the summary of a recording is computed from, before any temperature.

    Parameters
    ----------
    logits : array, shape (w, k)
        Logits of the windows; w is 0 if there was no speech.
    weights : array, shape (w,)
        Weight of each window in the summary; sums to 1.
    """

    logits: NDArray[np.float64]
    weights: NDArray[np.float64]

    def scores(self, temperature: float) -> NDArray[np.float64]:
        """Probabilities (k,) of the summary at a temperature; zeros without speech."""
        if not len(self.weights):
            return np.zeros(self.logits.shape[1])
        found: NDArray[np.float64] = self.weights @ softmax(self.logits, temperature)
        return found


@dataclass(frozen=True)
class LabelledLogits:
    """Logits of labelled clips.

    Parameters
    ----------
    truth : tuple of str, shape (n,)
    speakers : tuple of str or None
        Unique over corpora.
    corpora : tuple of str
    recordings : tuple of RecordingLogits
    labels : tuple of str, shape (k,)
        The model's.
    """

    truth: tuple[str, ...]
    speakers: tuple[str | None, ...]
    corpora: tuple[str, ...]
    recordings: tuple[RecordingLogits, ...]
    labels: tuple[str, ...]

    def scores(self, temperature: float) -> list[dict[str, float]]:
        """Scores of each clip at a temperature; empty where there was no speech."""
        return [
            dict(zip(self.labels, clip.scores(temperature).tolist(), strict=True)) if len(clip.weights) else {}
            for clip in self.recordings
        ]

    def score_array(self, temperature: float) -> NDArray[np.float64]:
        """The same scores as an array (n, k); a row of NaN where there was no speech."""
        nothing = np.full(len(self.labels), np.nan)
        return np.array([c.scores(temperature) if len(c.weights) else nothing for c in self.recordings])

    def reliability(self, temperature: float) -> tuple[tuple[float, float, int], ...]:
        """Mean confidence, accuracy and number of clips of each bin of confidence, for a reliability diagram."""
        return reliability(self.truth, self.score_array(temperature), self.labels)

    def only(self, rows: Iterable[int]) -> LabelledLogits:
        """Some of the clips."""
        rows = list(rows)
        return LabelledLogits(
            tuple(self.truth[i] for i in rows),
            tuple(self.speakers[i] for i in rows),
            tuple(self.corpora[i] for i in rows),
            tuple(self.recordings[i] for i in rows),
            self.labels,
        )

    def by_corpus(self) -> dict[str, LabelledLogits]:
        """All clips as ``"all"``, then those of each corpus."""
        names = dict.fromkeys(self.corpora)
        return {"all": self} | {
            name: self.only(i for i, other in enumerate(self.corpora) if other == name) for name in names
        }

    def loss(self, temperature: float) -> float:
        """Mean of -log p(true label) over the clips with speech, at a temperature."""
        spoken = [(label, clip) for label, clip in zip(self.truth, self.recordings, strict=True) if len(clip.weights)]
        counts = [len(clip.weights) for _, clip in spoken]
        columns = np.repeat([self.labels.index(label) for label, _ in spoken], counts)
        shares = softmax(np.concatenate([clip.logits for _, clip in spoken]), temperature)
        weighted = np.concatenate([clip.weights for _, clip in spoken]) * shares[np.arange(len(columns)), columns]
        chosen = np.add.reduceat(weighted, np.cumsum([0, *counts[:-1]]))
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())


@dataclass(frozen=True)
class Calibration:
    """A calibrated card, and statistics of the calibration.

    Parameters
    ----------
    card : Card
        With the new temperature, threshold and label sets.
    threshold : Threshold
        The threshold with its statistics on the calibration clips.
    loss : (float, float)
        Log loss of the clips at the old temperature and at the new one.
    """

    card: Card
    threshold: Threshold
    loss: tuple[float, float]


@dataclass(frozen=True)
class CalibrationScores:
    """How well the confidence, the threshold and the label sets of a model work on some clips.

    Parameters
    ----------
    ece : Estimate
        Expected calibration error of the confidence.
    precision, coverage : Estimate
        Share of correct answers among those given, and share of clips with an answer, at the threshold.
    set_coverage : Estimate
        Share of clips with speech whose label set contains the true label.
    set_size : Estimate
        Mean number of labels in a set.
    speakers : int
    """

    ece: Estimate
    precision: Estimate
    coverage: Estimate
    set_coverage: Estimate
    set_size: Estimate
    speakers: int
