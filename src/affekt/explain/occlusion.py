"""Occlusion maps: each patch of time and frequency is masked, and the map shows what the label loses.

Zeiler & Fergus, Visualizing and understanding convolutional networks, 2014;
faithfulness by deletion: Petsiuk, Das & Saenko, RISE, 2018. Masking acts on the
signal, so it works with any model that takes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError, UnknownName
from affekt.recognize.recognizer import Recognizer
from affekt.speech.masks import RATE, MapOptions, Masker, Signal
from affekt.types import Prediction

#: Maps signals (b, n) at 16 kHz, or faces (b, s, s), to the log-probability of one label (b,).
Score = Callable[[Signal], NDArray[np.float64]]

#: Most samples in a batch of signals.
_AT_ONCE = 1 << 20


class Patches(Protocol):
    """What can be masked patch by patch: the maskers of all modalities, see ``recognize/modalities.py``."""

    signal: Signal
    shape: tuple[int, int]

    def masked(self, patches: NDArray[np.bool_]) -> Signal:
        """The signal without the patches that are True."""


@dataclass(frozen=True, eq=False)
class Map:
    """How much each patch speaks for a label.

    Parameters
    ----------
    times : float array, shape (t + 1,)
        Edges of the patches, in seconds of the recording.
    hertz : float array, shape (f + 1,)
        Edges of the bands, in hertz.
    values : float array, shape (t, f)
        By how much the log-probability of the label falls when the patch is
        masked, in nats; negative where the patch speaks against the label.
    label : str
    sound : float array, shape (t', 257)
        Level of the input in dB, from 0 to 8 kHz, in even steps over the same time.
    """

    times: NDArray[np.float64]
    hertz: NDArray[np.float64]
    values: NDArray[np.float64]
    label: str
    sound: NDArray[np.float32]


def occlusion_map(signal: Signal, score: Score, *, label: str, options: MapOptions | None = None) -> Map:
    """Mask each patch in turn, and measure what the label loses.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Speech: mono, 16 kHz.
    score : callable
        Maps signals (b, n) to the log-probability of the label (b,); :func:`label_score` makes one.
    label : str
        Stored in the map.
    options : MapOptions

    Returns
    -------
    Map
        Its times begin at 0.

    Raises
    ------
    InputError
        If the signal is shorter than 25 ms.

    Examples
    --------
    >>> def loudness(signals):
    ...     return np.log((signals.astype(float) ** 2).mean(axis=1) + 1e-9)
    >>> time = np.arange(16_000) / 16_000
    >>> beep = (np.sin(2 * np.pi * 1000 * time) * (time > 0.5)).astype(np.float32)
    >>> found = occlusion_map(beep, loudness, label="loud", options=MapOptions(patch=0.5, bands=4))
    >>> [int(i) for i in np.unravel_index(found.values.argmax(), found.values.shape)]
    [1, 1]
    """
    masker = Masker(signal, options)
    return Map(masker.times, masker.hertz, losses(masker, score), label, masker.sound)


def losses(masker: Patches, score: Score) -> NDArray[np.float64]:
    """By how much the log-probability falls when each patch is masked, in nats, in the shape of the patches."""
    alone = np.eye(masker.shape[0] * masker.shape[1], dtype=bool)
    scores = score_variants(masker, np.concatenate([np.zeros_like(alone[:1]), alone]), score)
    found: NDArray[np.float64] = (scores[0] - scores[1:]).reshape(masker.shape)
    return found


def score_variants(masker: Patches, rows: NDArray[np.bool_], score: Score) -> NDArray[np.float64]:
    """Scores (b,) of the signal with the patches of each row (b, t * f) masked, in batches that fit into memory."""
    size = max(1, _AT_ONCE // masker.signal.size)
    parts = [rows[i : i + size] for i in range(0, len(rows), size)]
    return np.concatenate([score(np.stack([masker.masked(row) for row in part])) for part in parts])


def segment_map(
    recognizer: Recognizer, signal: Signal, prediction: Prediction, *, options: MapOptions | None = None
) -> Map:
    """The map of one segment of a recording, for its most probable label.

    The segment is analysed by itself, so its log-probability can differ slightly
    from that in the recording.

    Parameters
    ----------
    recognizer : Recognizer
    signal : float32 array, shape (n,)
        The whole recording: mono, 16 kHz.
    prediction : Prediction
        Made by this recogniser.

    Returns
    -------
    Map
        Its times are those of the recording.

    Raises
    ------
    InputError
        If the prediction has no scores, or is shorter than 25 ms.
    """
    if prediction.best is None:
        raise InputError("the prediction has no scores, so there is no label to map; give one of a segment of speech.")
    longest = (options or MapOptions()).longest
    start = max(prediction.start, (prediction.start + prediction.end - longest) / 2)
    end = min(prediction.end, start + longest)
    part = signal[round(start * RATE) : round(end * RATE)]
    found = occlusion_map(part, label_score(recognizer, prediction.best), label=prediction.best, options=options)
    return Map(found.times + start, found.hertz, found.values, found.label, found.sound)


def label_score(recognizer: Recognizer, label: str) -> Score:
    """The log-probability that a recogniser gives a label, on whole signals (b, n).

    Raises
    ------
    UnknownName
        If the recogniser has no such label.
    """
    model, table = recognizer.network, recognizer.label_map
    if label not in table.sources:
        raise UnknownName("label", label, table.sources)
    members = [recognizer.card.labels.index(source) for source in table.sources[label]]
    asked = [recognizer.card.labels.index(source) for group in table.sources.values() for source in group]

    def score(signals: Signal) -> NDArray[np.float64]:
        logits = model.run(signals)[0] / recognizer.card.temperature
        return _log_sum(logits[:, members]) - _log_sum(logits[:, asked])

    return score


def _log_sum(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logarithm of the sum of exponentials of each row (b, k), (b,)."""
    top = logits.max(axis=1).astype(np.float64)
    found: NDArray[np.float64] = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return found


@dataclass(frozen=True, eq=False)
class Deletion:
    """A label's probability as patches are masked, or shown, one after the other.

    Parameters
    ----------
    shares : float array, shape (s,)
        Share of the patches that are masked (for an insertion: shown), from 0 to 1.
    probabilities : float array, shape (s,)
        Of the label.
    """

    shares: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Area under the curve, 0 to 1. Small means that the label is lost early; for an insertion, found late."""
        middles = (self.probabilities[1:] + self.probabilities[:-1]) / 2
        return float(middles @ np.diff(self.shares))


def deletion(
    masker: Patches,
    score: Score,
    order: Sequence[int] | NDArray[np.int64],
    *,
    steps: int = 12,
    insert: bool = False,
) -> Deletion:
    """Mask the patches in an order, a share at a time, each on top of those before.

    Parameters
    ----------
    masker : Patches
    score : callable
        As for :func:`occlusion_map`.
    order : sequence of int, shape (t * f,)
        The patches, in the order in which they are masked.
    steps : int
        Points of the curve after the first.
    insert : bool
        Begin with all patches masked and show them in this order: then a better order has a larger area.

    Raises
    ------
    InputError
        If the order does not name each patch once.

    Examples
    --------
    >>> masker = Masker(np.ones(16_000, np.float32), MapOptions(patch=0.5, bands=1))
    >>> deletion(masker, lambda signals: np.zeros(len(signals)), [1, 0], steps=2).area
    1.0
    """
    count = masker.shape[0] * masker.shape[1]
    order = np.asarray(order)
    if sorted(order.tolist()) != list(range(count)):
        raise InputError(f"the order has {len(order)} entries; name each of the {count} patches once, from 0.")
    rank = np.empty(count, int)
    rank[order] = np.arange(count)
    masked = [round(count * i / steps) for i in range(steps + 1)]
    rows = np.array([(rank >= number) if insert else (rank < number) for number in masked])
    return Deletion(np.array(masked) / count, np.exp(score_variants(masker, rows, score)))


def orders(
    values: NDArray[np.floating], energy: NDArray[np.floating], rng: np.random.Generator
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """The orders to compare by deletion: by a map (t, f), against it, the loudest first, and at random."""
    yield "most important first", np.argsort(-values.ravel(), kind="stable")
    yield "least important first", np.argsort(values.ravel(), kind="stable")
    yield "loudest first", np.argsort(-energy.ravel(), kind="stable")
    yield "random", rng.permutation(values.size)
