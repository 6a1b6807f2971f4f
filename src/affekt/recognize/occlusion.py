"""What a model's answer rests on: patches of time and frequency are masked, and what the label loses is the map.

Zeiler & Fergus, Visualizing and understanding convolutional networks, 2014;
faithfulness by deletion: Petsiuk, Das & Saenko, RISE, 2018. All acts on the
signal, so it works with any model that takes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from affekt.errors import InputError, UnknownName
from affekt.models.onnx import Model
from affekt.recognize.recognizer import Recognizer
from affekt.speech.spectral import hann, hertz_to_mel, mel_to_hertz
from affekt.types import Prediction

Signal = NDArray[np.float32]
#: Signals (b, n) at 16 kHz to the log-probability of one label (b,).
Score = Callable[[Signal], NDArray[np.float64]]

RATE = 16_000
#: Samples of a frame and between frames.
_WINDOW, _HOP = 512, 128
#: What is masked falls to what the quietest tenth of the frames have at that frequency.
_BACKGROUND = 10
#: Samples of all the signals that a model is given at once.
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class MapOptions:
    """How fine a map is, and of how much.

    Parameters
    ----------
    patch : float
        Seconds; where that would make more than ``columns`` patches they are longer.
    columns, bands : int
        Patches over time at most, and mel-spaced bands from 0 to 8 kHz.
    longest : float
        Seconds. Of a longer segment the middle is looked at.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    patch: float = 0.2
    columns: int = 16
    bands: int = 8
    longest: float = 10.0

    def __post_init__(self) -> None:
        if not 0.02 <= self.patch <= 10 or not 1 <= self.columns <= 200 or not 1 <= self.bands <= 64:
            raise InputError(
                f"patch is {self.patch} s, columns {self.columns} and bands {self.bands}; "
                "allowed: 0.02 to 10, 1 to 200 and 1 to 64."
            )
        if not 0.5 <= self.longest <= 60:
            raise InputError(f"longest is {self.longest} s; allowed: 0.5 to 60.")


@dataclass(frozen=True, eq=False)
class Map:
    """How much each patch speaks for a label.

    Parameters
    ----------
    times : float array, shape (t + 1,)
        Edges of the patches, in seconds of the recording.
    hertz : float array, shape (f + 1,)
        Edges of the bands.
    values : float array, shape (t, f)
        By how much the log-probability of the label falls when the patch is
        masked, in nats; negative where the patch speaks against the label.
    label : str
    sound : float array, shape (t', 257)
        Level of what was heard in dB, from 0 to 8 kHz, evenly over the same time.
    """

    times: NDArray[np.float64]
    hertz: NDArray[np.float64]
    values: NDArray[np.float64]
    label: str
    sound: NDArray[np.float32]


class Masker:
    """A signal whose patches can be masked: their frequencies fall to the background for their time.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Mono, 16 kHz, at least 25 ms.
    options : MapOptions

    Raises
    ------
    InputError
        If the signal has another shape or is too short.

    Examples
    --------
    >>> time = np.arange(16_000) / 16_000
    >>> beep = (np.sin(2 * np.pi * 1000 * time) * (time > 0.5)).astype(np.float32)
    >>> masker = Masker(beep, MapOptions(patch=0.5, bands=1))
    >>> silenced = masker.masked(np.array([False, True]))
    >>> bool(np.abs(silenced[9000:15000]).max() < 0.01 < np.abs(beep).max())
    True
    """

    def __init__(self, signal: Signal, options: MapOptions | None = None) -> None:
        self.signal, options = np.asarray(signal, np.float32), options or MapOptions()
        if self.signal.ndim != 1 or len(self.signal) < 400:
            raise InputError(f"a signal of shape {self.signal.shape}; allowed: (n,) with at least 400 samples.")
        seconds = len(self.signal) / RATE
        columns = max(1, min(options.columns, round(seconds / options.patch)))
        self.times = np.linspace(0, seconds, columns + 1)
        self.hertz = mel_to_hertz(np.linspace(0, hertz_to_mel(RATE / 2), options.bands + 1))
        self.shape = (columns, options.bands)
        padded = np.pad(self.signal, _WINDOW)
        frames = sliding_window_view(np.pad(padded, (0, -len(padded) % _HOP)), _WINDOW)[::_HOP]
        self._spectrum = np.fft.rfft(frames * np.sqrt(hann(_WINDOW)), axis=1)  # (frames, bins)

    @cached_property
    def _loss(self) -> NDArray[np.complex128]:
        """What masking everything takes away from the spectrum."""
        size = np.abs(self._spectrum)
        background = np.percentile(size[_WINDOW // _HOP : -(_WINDOW // _HOP)], _BACKGROUND, axis=0)
        return self._spectrum * (1 - np.minimum(1, background / np.maximum(size, 1e-12)))

    @cached_property
    def _column(self) -> NDArray[np.int64]:
        """The patch of each frame by its middle; frames (f,) beyond the ends belong to the outermost."""
        middles = (np.arange(len(self._spectrum)) * _HOP + _WINDOW / 2 - _WINDOW) / RATE
        return np.clip(np.searchsorted(self.times, middles, side="right") - 1, 0, self.shape[0] - 1)

    @cached_property
    def _band(self) -> NDArray[np.int64]:
        bins = np.arange(_WINDOW // 2 + 1) * RATE / _WINDOW
        return np.clip(np.searchsorted(self.hertz, bins, side="right") - 1, 0, self.shape[1] - 1)

    @property
    def sound(self) -> NDArray[np.float32]:
        """Level of the signal in dB, (t, 257), at most 80 dB below the loudest."""
        inside = self._spectrum[_WINDOW // _HOP // 2 : -(_WINDOW // _HOP // 2)]
        level = 20 * np.log10(np.maximum(np.abs(inside), 1e-6))
        return np.maximum(level, level.max() - 80).astype(np.float32)

    @property
    def energy(self) -> NDArray[np.float64]:
        """How much of the signal masking each patch takes away, (t, f), summing to 1."""
        total = np.zeros(self.shape)
        np.add.at(total, (self._column[:, None], self._band[None]), np.abs(self._loss) ** 2)
        return total / max(total.sum(), 1e-30)

    def masked(self, patches: NDArray[np.bool_]) -> Signal:
        """The signal (n,) without the patches that are True, (t * f,) or (t, f)."""
        chosen = np.asarray(patches, bool).reshape(self.shape)[self._column][:, self._band]
        rows = np.flatnonzero(chosen.any(axis=1))
        if not len(rows):
            return self.signal
        first, last = int(rows[0]), int(rows[-1]) + 1
        lost = np.fft.irfft(self._loss[first:last] * chosen[first:last], _WINDOW, axis=1) * np.sqrt(hann(_WINDOW))
        taken = np.zeros(len(self._spectrum) * _HOP + _WINDOW)
        for offset in range(0, _WINDOW, _HOP):
            begin = first * _HOP + offset
            taken[begin : begin + len(lost) * _HOP] += lost[:, offset : offset + _HOP].ravel()
        # Windows of a Hann shape, a quarter of their length apart, sum to 2.
        return self.signal - (taken[_WINDOW : _WINDOW + len(self.signal)] / 2).astype(np.float32)


def occlusion_map(signal: Signal, score: Score, *, label: str, options: MapOptions | None = None) -> Map:
    """Mask one patch after the other, and see what the label loses.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Speech: mono, 16 kHz.
    score : callable
        Signals (b, n) to the log-probability of the label (b,); :func:`label_score` makes it.
    label : str
        For the map's name.
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
    alone = np.eye(masker.shape[0] * masker.shape[1], dtype=bool)
    scores = score_variants(masker, np.concatenate([np.zeros_like(alone[:1]), alone]), score)
    values = (scores[0] - scores[1:]).reshape(masker.shape)
    return Map(masker.times, masker.hertz, values, label, masker.sound)


def score_variants(masker: Masker, rows: NDArray[np.bool_], score: Score) -> NDArray[np.float64]:
    """Scores (b,) of the signal with the patches of each row (b, t * f) masked, as many at once as memory likes."""
    size = max(1, _AT_ONCE // len(masker.signal))
    parts = [rows[i : i + size] for i in range(0, len(rows), size)]
    return np.concatenate([score(np.stack([masker.masked(row) for row in part])) for part in parts])


def segment_map(
    recognizer: Recognizer, signal: Signal, prediction: Prediction, *, options: MapOptions | None = None
) -> Map:
    """The map of one segment of a recording, for its most probable label.

    The segment is heard by itself, so its log-probability can be a little
    other than in the recording.

    Parameters
    ----------
    recognizer : Recognizer
    signal : float32 array, shape (n,)
        The whole recording: mono, 16 kHz.
    prediction : Prediction
        Of this recogniser.

    Returns
    -------
    Map
        With times of the recording.

    Raises
    ------
    InputError
        If the prediction has no scores, or less than 25 ms.
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
    """The log-probability that a recogniser gives a label, on signals (b, n) heard as wholes.

    Raises
    ------
    UnknownName
        If the recogniser has no such label.
    """
    model, table = recognizer._models[0], recognizer._map
    if label not in table.sources:
        raise UnknownName("label", label, table.sources)
    members = [recognizer.card.labels.index(source) for source in table.sources[label]]
    asked = [recognizer.card.labels.index(source) for group in table.sources.values() for source in group]

    def score(signals: Signal) -> NDArray[np.float64]:
        # A model of features takes one signal at a time.
        batches = [signals] if isinstance(model, Model) else [row[None] for row in signals]
        logits = np.concatenate([model.run(batch)[0] for batch in batches]) / recognizer.card.temperature
        return _log_sum(logits[:, members]) - _log_sum(logits[:, asked])

    return score


def _log_sum(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logarithm of the sum of exponentials of each row (b, k), (b,)."""
    top = logits.max(axis=1).astype(np.float64)
    return top + np.log(np.exp(logits - top[:, None]).sum(axis=1))


@dataclass(frozen=True, eq=False)
class Deletion:
    """What is left of a label while patches are masked one after the other.

    Parameters
    ----------
    shares : float array, shape (s,)
        Share of the patches that are masked, from 0 to 1.
    probabilities : float array, shape (s,)
        Of the label.
    """

    shares: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Area under the curve, 0 to 1: the smaller, the sooner the label is lost."""
        middles = (self.probabilities[1:] + self.probabilities[:-1]) / 2
        return float(middles @ np.diff(self.shares))


def deletion(masker: Masker, score: Score, order: Sequence[int] | NDArray[np.int64], *, steps: int = 12) -> Deletion:
    """Mask the patches in an order, a share at a time, each on top of those before.

    Parameters
    ----------
    masker : Masker
    score : callable
        As for :func:`occlusion_map`.
    order : sequence of int, shape (t * f,)
        The patches, those to be masked first in front.
    steps : int
        Points of the curve after the first.

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
    rows = np.array([rank < number for number in masked])
    return Deletion(np.array(masked) / count, np.exp(score_variants(masker, rows, score)))


def orders(
    values: NDArray[np.floating], energy: NDArray[np.floating], rng: np.random.Generator
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """The orders to compare by deletion: by a map (t, f), against it, the loudest first, and at random."""
    yield "most important first", np.argsort(-values.ravel(), kind="stable")
    yield "least important first", np.argsort(values.ravel(), kind="stable")
    yield "loudest first", np.argsort(-energy.ravel(), kind="stable")
    yield "random", rng.permutation(values.size)
