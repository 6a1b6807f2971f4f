"""Cues in, emotions in their words out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError, ModelError
from affekt.labels import LabelMap
from affekt.models.card import Card
from affekt.models.onnx import Model, softmax
from affekt.text.captions import Cue
from affekt.text.tokens import LONGEST, Token, Vocabulary, first_tokens, is_word
from affekt.timeline.quality import Measure, Rating
from affekt.timeline.segments import Decision, Listener
from affekt.types import Prediction

#: Positions on the time axis are milliseconds.
RATE = 1000
#: Key of the words in the metadata of a model file, one a line.
WORDS = "affekt.words"
#: Tokens per call of the network, padding included: fewer cost more calls, more exceed the processor's cache.
_AT_ONCE = 160

RATING = Rating(
    {
        "known": Measure(lambda x: f"words that the model does not know: {1 - x:.0%}", 0.0, 0.7, rank=0),
        "words": Measure(lambda x: "no words" if x < 0.5 else f"short: {x:.0f} word{'s' * (x >= 1.5)}", 0.0, 3.0),
    },
    ambiguous="the words themselves are ambiguous",
)


@dataclass(frozen=True)
class TextInput:
    """What a model of text takes: the ``input`` of its card.

    Parameters
    ----------
    buckets : int
        Of the n-grams of words outside its vocabulary.
    thresholds : tuple of float
        For each label, the probability from which on it is present, where several may be (output ``present``).

    Raises
    ------
    ModelError
        If a value is out of range.
    """

    buckets: int = 0
    thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if type(self.buckets) is not int or not 1 <= self.buckets <= 1 << 20:
            raise ModelError(f"the model's card is wrong: buckets is {self.buckets}; allowed: 1 to 1048576.")
        if any(type(x) not in (int, float) or not 0 <= x <= 1 for x in self.thresholds):
            raise ModelError("the model's card is wrong: thresholds are not all between 0 and 1.")

    @classmethod
    def of(cls, card: Card) -> TextInput:
        """What the model with this card takes.

        Raises
        ------
        ModelError
            If the model is of another modality, or its card does not say what it takes.
        """
        if card.modality != "text":
            raise ModelError(f"the model {card.name} is one of {card.modality}, not of text.")
        unknown = sorted(set(card.input) - {f.name for f in fields(cls)})
        if unknown:
            raise ModelError(f"the model's card is wrong: its input has {', '.join(unknown)}; upgrade affekt.")
        given: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in card.input.items()}
        found = cls(**given)
        if found.thresholds and len(found.thresholds) != len(card.labels):
            raise ModelError("the model's card is wrong: it has not one threshold for each label.")
        return found


def takes(card: Card) -> str:
    """What a model of text takes, in a sentence."""
    TextInput.of(card)
    return f"Takes sentences; looks at the first {LONGEST} words of each."


class TextModel:
    """An opened model that takes texts: the tokeniser is part of its file.

    Attributes
    ----------
    card : Card
    vocabulary : Vocabulary

    Raises
    ------
    ModelError
        If the model is not for text, or contains no vocabulary.
    """

    def __init__(self, model: Model) -> None:
        self.card, self._model = model.card, model
        self.input = TextInput.of(model.card)
        words = model.metadata.get(WORDS, "")
        if not words:
            raise ModelError(f"the model {self.card.name} brings no words; only models exported by affekt can be used.")
        self.vocabulary = Vocabulary(tuple(words.split("\n")), self.input.buckets)

    def run(self, texts: Sequence[str] | NDArray[np.str_]) -> tuple[NDArray[np.float32], ...]:
        """All outputs of the graph for texts (b,): ``logits`` first."""
        return self.run_tokens([first_tokens(text) for text in texts])

    def run_tokens(self, texts: Sequence[Sequence[Token]]) -> tuple[NDArray[np.float32], ...]:
        """As :meth:`run`, for the tokens of texts; those of about one length go together."""
        if not len(texts):
            raise InputError("no texts; give one at least.")
        rows = [self.vocabulary.rows(tokens) for tokens in texts]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        groups: list[list[int]] = [[]]
        for i in order:
            if (len(groups[-1]) + 1) * len(rows[i]) > _AT_ONCE and groups[-1]:
                groups.append([])
            groups[-1].append(i)
        parts = [self._model.run(self.vocabulary.padded([rows[i] for i in group])) for group in groups]
        back = np.argsort(order, kind="stable")
        return tuple(np.concatenate(pieces)[back] for pieces in zip(*parts, strict=True))

    def present(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """The labels that are present in each text, several or none, with their probabilities, the most likely first.

        For a model trained with several labels per text; every label has its own threshold.

        Raises
        ------
        InputError
            If the model has no thresholds.
        """
        if not self.input.thresholds:
            raise InputError(f"the model {self.card.name} gives each text one label.")
        found = []
        for row in 1 / (1 + np.exp(-self.run(texts)[1].astype(np.float64))):
            pairs = zip(self.card.labels, row.tolist(), self.input.thresholds, strict=True)
            over = {label: p for label, p, threshold in pairs if p >= threshold}
            found.append(dict(sorted(over.items(), key=lambda pair: -pair[1])))
        return found


@dataclass(frozen=True)
class TextOptions:
    """Options of a text stream: none, because each cue is classified by itself."""


@dataclass(frozen=True)
class TextSetup:
    """All that a stream of text runs with; many streams may share one."""

    network: TextModel
    labels: LabelMap
    options: TextOptions = field(default_factory=TextOptions)
    threshold: float = 0.0

    @property
    def reading(self) -> dict[str, Any]:
        """How its sources are to be read."""
        return {}

    def stream(self, *, listener: Listener | None = None) -> TextStream:
        """A stream to feed with cues."""
        return TextStream(self, listener=listener)


def open_text(
    model: Model, labels: LabelMap, *, threshold: float, options: TextOptions | None = None, threads: int = 1
) -> TextSetup:
    """Set up streams of a model of emotions in text.

    Raises
    ------
    ModelError
        If the model is not one of emotions in text.
    """
    if model.card.task != "emotion":
        raise ModelError(f"{model.card.name} is a model for {model.card.task}, not for emotions in text.")
    return TextSetup(TextModel(model), labels, options or TextOptions(), threshold)


def text_measures(texts: Sequence[Sequence[Token]], vocabulary: Vocabulary) -> NDArray[np.float64]:
    """Quality measures of texts (b, 2): the share of known words, and the number of words.

    Emoji are words; punctuation and numbers are not.
    """
    rows = np.zeros((len(texts), 2))
    for row, tokens in zip(rows, texts, strict=True):
        words = [token.word for token in tokens if is_word(token.word)]
        row[:] = (sum(vocabulary.knows(word) for word in words) / len(words) if words else 1.0), len(words)
    return rows


class TextStream:
    """Emotions in cues that arrive in blocks. Made by :meth:`Recognizer.stream`."""

    def __init__(self, setup: TextSetup, *, listener: Listener | None = None) -> None:
        self._setup, self._listener = setup, listener or Listener()
        self._decision = Decision(tuple(setup.labels.sources), RATE, "text", RATING, setup.threshold)
        self._over = False
        self._position = 0.0

    @property
    def position(self) -> float:
        """Seconds to the end of the latest cue; 0 where cues have no times."""
        return self._position

    def feed(self, cues: Sequence[Cue]) -> list[Prediction]:
        """Take the next cues.

        Parameters
        ----------
        cues : sequence of Cue
            With words.

        Returns
        -------
        list of Prediction
            One for each cue, with its ``text``.

        Raises
        ------
        InputError
            If an item is not a cue, or the stream was flushed.
        """
        if self._over:
            raise InputError("the stream was flushed; make a new one for the next text.")
        if not all(isinstance(cue, Cue) and isinstance(cue.text, str) for cue in cues):
            raise InputError("a stream of text takes lists of Cue; affekt.text.captions.cues_of makes them.")
        if not cues:
            return []
        done = [
            replace(
                self._decision.prediction(round(cue.start * RATE), round(cue.end * RATE), row),
                text=cue.text,
                who=cue.who,
            )
            for cue, row in zip(cues, self._rows([first_tokens(cue.text) for cue in cues]), strict=True)
        ]
        self._position = max(self._position, *(p.end for p in done))
        for p in done:
            if self._listener.region:
                self._listener.region(p.start, p.end)
            if self._listener.hop:
                self._listener.hop(replace(p, threshold=0.0))
        return done

    def flush(self) -> list[Prediction]:
        """End the stream; nothing is left to return, as every cue was answered at once."""
        self._over = True
        return []

    def _rows(self, texts: list[list[Token]]) -> NDArray[np.float64]:
        """Scores, quality and measures of each text (b, k + 3)."""
        network = self._setup.network
        logits = network.run_tokens(texts)[0]
        if self._listener.logits:
            self._listener.logits(logits)
        places = {label: i for i, label in enumerate(network.card.labels)}
        table = softmax(logits, network.card.temperature)
        groups = [[places[own] for own in group] for group in self._setup.labels.sources.values()]
        scores = np.stack([table[:, group].sum(axis=1) for group in groups], axis=1).astype(np.float64)
        scores /= np.maximum(scores.sum(axis=1, keepdims=True), 1e-300)
        measures = text_measures(texts, network.vocabulary)
        return np.column_stack([scores, RATING.qualities(measures), measures])
