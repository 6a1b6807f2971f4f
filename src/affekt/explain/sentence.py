"""Which words the answer to a text rests on: each is left out in turn, and its weight is what the label loses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.explain.occlusion import Score, label_score, score_variants
from affekt.recognize.recognizer import Recognizer
from affekt.text.masks import WordMasker
from affekt.types import Prediction

#: Accompanies highlighted words everywhere.
NOTE = "Weights: what the label loses in log-probability without the word; they say what the model uses, not why."


@dataclass(frozen=True, eq=False)
class Highlights:
    """The words of a text, and how much each speaks for a label.

    Parameters
    ----------
    text : str
    label : str
    places : tuple of (start, end)
        Where each word starts and ends, in characters of the text.
    values : array, shape (w,)
        By how much the log-probability of the label falls without the word, in nats; negative where the word
        speaks against the label.
    """

    text: str
    label: str
    places: tuple[tuple[int, int], ...]
    values: NDArray[np.float64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """The values as shares of the largest, from -1 to 1; all 0 where no word weighs a hundredth of a nat."""
        most = float(np.abs(self.values).max(initial=0.0))
        found: NDArray[np.float64] = self.values / most if most >= 0.01 else np.zeros_like(self.values)
        return found

    @property
    def sentence(self) -> str:
        """The words that matter most, in words."""
        named = [(self.text[start:end], value) for (start, end), value in zip(self.places, self.values, strict=True)]
        speaking = sorted((pair for pair in named if pair[1] >= 0.1), key=lambda pair: -pair[1])[:4]
        against = sorted((pair for pair in named if pair[1] <= -0.1), key=lambda pair: pair[1])[:2]
        parts = (
            [f"{self.label} rests on {_listed(speaking)}"] if speaking else [f"no single word makes it {self.label}"]
        )
        if against:
            parts.append(f"against it: {_listed(against)}")
        return "; ".join(parts) + "."

    def as_json(self) -> dict[str, Any]:
        """The value of a segment's key ``explanation``: [start, end, weight] of each word in ``words``."""
        words = [[*place, round(float(value), 3)] for place, value in zip(self.places, self.values, strict=True)]
        return {"text": self.sentence, "note": NOTE, "label": self.label, "words": words}


def _listed(words: list[tuple[str, float]]) -> str:
    return ", ".join(f'"{word}" ({value:+.1f})' for word, value in words)


def highlight(recognizer: Recognizer, prediction: Prediction) -> Highlights:
    """The words of one prediction about a text, weighed for its most probable label.

    Parameters
    ----------
    recognizer : Recognizer
        With a model of text.
    prediction : Prediction
        Made by this recogniser.

    Raises
    ------
    InputError
        If the prediction is not of a text.
    """
    if prediction.text is None or prediction.best is None:
        raise InputError("the prediction has no words; give one of a text.")
    masker = WordMasker(prediction.text)
    return highlights(masker, label_score(recognizer, prediction.best), label=prediction.best)


def highlights(masker: WordMasker, score: Score, *, label: str) -> Highlights:
    """As :func:`highlight`, for any score that maps texts (b,) to the log-probability of the label (b,).

    Examples
    --------
    >>> def shouting(texts):
    ...     return np.array([float("HELP" in str(text)) for text in texts])
    >>> highlights(WordMasker("please HELP me"), shouting, label="loud").values.tolist()
    [0.0, 1.0, 0.0]
    """
    alone = np.eye(len(masker.places), dtype=bool)
    patches: Any = masker
    scores = score_variants(patches, np.concatenate([np.zeros_like(alone[:1]), alone]), score)
    return Highlights(masker.text, label, masker.places, scores[0] - scores[1:])
