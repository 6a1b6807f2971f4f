"""Models of speech that take the waveform: what their cards must say, and how they are run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError, ModelError
from affekt.models.card import Card
from affekt.models.onnx import Model
from affekt.timeline.segments import Windows

RATE = 16_000
#: Samples that the front end needs to see one frame.
SHORTEST = 400
#: What the graph of a task gives, in order; a model with a speaker baseline gives ``embeddings`` last.
OUTPUTS = {"emotion": ("logits", "window_logits"), "activity": ("speech",)}


@dataclass(frozen=True)
class WaveformInput:
    """What a model of speech takes: the ``input`` of its card.

    Parameters
    ----------
    sampling_rate : int
        Hertz of the waveform; 16000.
    frame : int
        Samples between two frames of the encoder (or of the output, for ``activity``).
    window, hop : int
        Samples that a window's logits cover, and between two windows.
    context : int
        Samples on either side of a window that can change its logits; for a block-based model, after its last block.
    block : int
        Length in samples of the blocks, from the start of the signal, that are encoded independently of what surrounds
        them; 0: no blocks, the position of a window does not matter.
    features : mapping
        For a feature-based model: how the features are computed from a window, as the fields of
        :class:`affekt.speech.inputs.Inputs`.

    Raises
    ------
    ModelError
        If a size is out of range.

    Examples
    --------
    >>> WaveformInput.of(Card("m", "speech", ("a", "b"), input={"hop": 3200, "frame": 320})).windows
    Windows(window=48000, hop=3200, rate=16000)
    """

    sampling_rate: int = RATE
    frame: int = 640
    window: int = 48_000
    hop: int = 6_400
    context: int = 0
    block: int = 0
    features: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = (self.sampling_rate, self.frame, self.window, self.hop, self.context, self.block)
        if any(type(size) is not int for size in sizes):
            raise ModelError(f"the model's card is wrong: its input must have whole numbers; it has {asdict(self)}.")
        for problem, is_so in {
            f"sampling_rate {self.sampling_rate} is not {RATE}": self.sampling_rate != RATE,
            "frame, hop and window must be positive, with frame <= hop <= window <= 60 s": not (
                0 < self.frame <= self.hop <= self.window <= 60 * RATE
            ),
            "hop and window must be whole frames": bool(self.hop % max(1, self.frame))
            or bool(self.window % max(1, self.frame)),
            "context must be between 0 and 60 s": not 0 <= self.context <= 60 * RATE,
            "block must be between 0 and 60 s": not 0 <= self.block <= 60 * RATE,
            "block and window must be whole hops": bool(
                self.block and (self.block % self.hop or self.window % self.hop)
            ),
            "features must say how they are computed": not isinstance(self.features, Mapping),
        }.items():
            if is_so:
                raise ModelError(f"the model's card is wrong: {problem}.")

    @classmethod
    def of(cls, card: Card) -> WaveformInput:
        """What the model with this card takes.

        Raises
        ------
        ModelError
            If the model is of another modality, or its card does not say what it takes.
        """
        if card.modality != "speech":
            raise ModelError(f"the model {card.name} is one of {card.modality}, not of speech.")
        unknown = sorted(set(card.input) - {f.name for f in fields(cls)})
        if unknown:
            raise ModelError(f"the model's card is wrong: its input has {', '.join(unknown)}; upgrade affekt.")
        return cls(**card.input)

    @property
    def windows(self) -> Windows:
        """How its windows lie in a region of speech."""
        return Windows(self.window, self.hop, self.sampling_rate)


def takes(card: Card) -> str:
    """What a model of speech takes, in a sentence."""
    given = WaveformInput.of(card)
    rate = given.sampling_rate
    return (
        f"Takes mono sound at {rate} Hz; a window is {given.window / rate:g} s, "
        f"a new one starts every {given.hop / rate:g} s."
    )


def output_names(card: Card) -> tuple[str, ...]:
    """What the graph of a model of the waveform with this card gives, in order.

    Raises
    ------
    ModelError
        If there is no such task.
    """
    if card.task not in OUTPUTS:
        raise ModelError(f"is a model of speech for {card.task!r}; allowed: {', '.join(OUTPUTS)}.")
    return (*OUTPUTS[card.task], *(["embeddings"] if card.baseline else []))


def check_graph(model: Model) -> None:
    """Refuse a graph that does not take a signal (b, n) and give what its card's task asks for.

    Raises
    ------
    ModelError
    """
    wanted, given = output_names(model.card), list(model.inputs.items())
    # The second input is named by whoever wrote the file: it was called "normal" once.
    if given[:1] != [("signal", 2)] or [axes for _, axes in given[1:]] != [2] * bool(model.card.baseline):
        raise ModelError(f"the model {model.card.name} takes {model.inputs}; one of speech takes a 'signal' (b, n).")
    if model.outputs != wanted:
        raise ModelError(
            f"the model {model.card.name} gives {', '.join(model.outputs)}; one of speech for {model.card.task} "
            f"gives {', '.join(wanted)}."
        )


def checked_batch(signal: NDArray[np.floating]) -> NDArray[np.float32]:
    """Signals (b, n) as float32, or InputError if they are too short or of another shape."""
    if np.ndim(signal) != 2 or signal.shape[1] < SHORTEST:
        raise InputError(
            f"a signal of shape {np.shape(signal)}; allowed: (b, n) with n at least {SHORTEST} samples (25 ms)."
        )
    return signal.astype(np.float32, copy=False)


class VoiceModel:
    """An emotion model on the waveform; thread-safe.

    Parameters
    ----------
    model : Model
        Of modality ``speech`` and task ``emotion``.

    Raises
    ------
    ModelError
        If its card or graph is not of this kind.
    """

    def __init__(self, model: Model) -> None:
        self.card, self.input, self._model = model.card, WaveformInput.of(model.card), model
        check_graph(model)

    def run(
        self, signal: NDArray[np.float32], baseline: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], ...]:
        """Logits of signals at 16 kHz.

        Parameters
        ----------
        signal : float32 array, shape (b, n)
        baseline : float32 array, shape (1 + d,), optional
            The speaker baseline, for a model whose card has ``baseline`` d; see
            :class:`affekt.speech.baseline.Baseline`.

        Returns
        -------
        tuple of float32 arrays
            The logits of the whole (b, k) and of every window (b, w, k); for a model with a
            baseline also the embeddings of the windows (b, w, d).

        Raises
        ------
        InputError
            If the shape is wrong, or the model takes no baseline.
        ModelError
            If the graph fails: the file is damaged.
        """
        if baseline is not None and not self.card.baseline:
            raise InputError(f"the model {self.card.name} takes no speaker baseline.")
        given = [checked_batch(signal)]
        if self.card.baseline:
            row = np.zeros(1 + self.card.baseline, np.float32) if baseline is None else baseline
            given.append(np.tile(row.astype(np.float32), (len(signal), 1)))
        return self._model.run(*given)


class ActivityModel:
    """The probability of speech in every 20 ms of a signal.

    Parameters
    ----------
    model : Model
        Of modality ``speech`` and task ``activity``.

    Raises
    ------
    ModelError
        If its card or graph is not of this kind.
    """

    def __init__(self, model: Model) -> None:
        self.card, self._model = model.card, model
        if model.card.task != "activity":
            raise ModelError(f"the model {model.card.name} is one for {model.card.task}, not for speech activity.")
        check_graph(model)

    def __call__(self, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (t,) of a signal (n,) at 16 kHz, of at least 25 ms."""
        found: NDArray[np.float32] = self._model.run(checked_batch(signal[None]))[0][0]
        return found
