"""Voice, face and words of one moment as one answer: a log-opinion pool, each modality weighted by its quality.

The model `fusion` is a file like any other: probabilities and qualities in,
logits out; its weights were learned on held-out pairs. With shares
``s = w q / sum(w q)`` of the modalities present and their effective number
``n = 1 / sum(s²)``, the logits are ``(1 + g (n - 1)) sum(s log p)``
(Genest & Zidek, Combining probability distributions, 1986). So a modality of
quality 0, or one that is missing, changes nothing; a single one is taken as
it is; and several that agree are more confident than each alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError, ModelError
from affekt.models.card import Card
from affekt.models.onnx import Model, softmax
from affekt.types import Prediction

#: Names of the modalities in messages about a disagreement.
WORDS = {"speech": "voice", "face": "face", "text": "words"}


@dataclass(frozen=True)
class Pool:
    """The model `fusion`, opened.

    Parameters
    ----------
    network : Model
        Its card says which ``modalities`` it takes, in order.
    least : float, optional
        Confidence below which there is no label; by default the card's threshold.

    Raises
    ------
    ModelError
        If it is not a fusion model.
    """

    network: Model
    least: float | None = None

    def __post_init__(self) -> None:
        card = self.network.card
        if card.modality != "fusion" or not card.input.get("modalities"):
            raise ModelError(f"{card.name} is a model of {card.modality}, not one that pools modalities.")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that all modalities have to give."""
        return self.network.card.labels

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities that it pools, in order."""
        return tuple(self.network.card.input["modalities"])

    def pool(self, scores: NDArray[np.float64], qualities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pool the answers of t moments.

        Parameters
        ----------
        scores : array, shape (t, m, k)
            Probabilities, by modality; values where the quality is 0 are ignored.
        qualities : array, shape (t, m)
            0 to 1; 0 where the modality is missing.

        Returns
        -------
        array, shape (t, k)
            Probabilities; uniform where no modality is present.
        """
        if not len(scores):
            return np.zeros((0, len(self.labels)))
        (logits,) = self.network.run(scores.astype(np.float32), qualities.astype(np.float32))
        return np.asarray(softmax(logits, self.network.card.temperature), np.float64)

    def fuse(self, predictions: Sequence[Prediction]) -> Prediction:
        """One answer from one prediction of each modality, over the time that they share.

        Raises
        ------
        InputError
            If two are of one modality, a modality is unknown, their labels differ, or they share no time.

        Examples
        --------
        >>> from affekt.models.zoo import load_model
        >>> pool = Pool(load_model("fusion"))
        >>> flat = dict.fromkeys(pool.labels, 1 / 7)
        >>> voice = Prediction(0, 2, {**dict.fromkeys(pool.labels, 0.05), "angry": 0.7})
        >>> nobody = Prediction(0, 2, flat, modality="face", quality=0.0)
        >>> round(pool.fuse([voice, nobody]).confidence, 6) == round(pool.fuse([voice]).confidence, 6)
        True
        """
        given = {p.modality: p for p in predictions}
        unknown = sorted(set(given) - set(self.modalities))
        if len(given) < len(predictions) or unknown or not given:
            raise InputError(
                f"predictions of {', '.join(p.modality for p in predictions) or 'nothing'}; give one each of "
                f"{', '.join(self.modalities)}, or of some of them."
            )
        start, end = max(p.start for p in predictions), min(p.end for p in predictions)
        if end < start:
            raise InputError("the predictions share no time.")
        rows, qualities = np.zeros((1, len(self.modalities), len(self.labels))), np.zeros((1, len(self.modalities)))
        for number, name in enumerate(self.modalities):
            if name in given:
                rows[0, number], qualities[0, number] = self.row(given[name]), given[name].quality
        (pooled,) = self.pool(rows, qualities)
        return Prediction(
            start,
            end,
            dict(zip(self.labels, (pooled / pooled.sum()).tolist(), strict=True)),
            modality="fusion",
            quality=float(qualities.max()),
            threshold=self.network.card.threshold if self.least is None else self.least,
            reason=disagreement(given),
            who=next((p.who for p in predictions if p.who is not None), None),
        )

    def row(self, prediction: Prediction) -> NDArray[np.float64]:
        """The scores of a prediction in the order of the labels.

        Raises
        ------
        InputError
            If it has other labels.
        """
        if set(prediction.scores) != set(self.labels):
            raise InputError(
                f"a prediction of {prediction.modality} among {', '.join(prediction.scores)}; the pool takes "
                f"{', '.join(self.labels)}: recognise with labels='calm-is-neutral'."
            )
        return np.array([prediction.scores[label] for label in self.labels])


def takes(card: Card) -> str:
    """What a pool takes, in a sentence."""
    words = " and ".join(WORDS.get(name, name) for name in card.input.get("modalities", ()))
    return f"Takes what the models of {words} say of one moment, and how good the signal is."


def open_fusion(*_: Any, **__: Any) -> Any:
    """A pool has no streams of its own.

    Raises
    ------
    InputError
        Always: it says what to use.
    """
    raise InputError(
        "the model fusion pools what others say, and has no signal of its own: affekt predict FILM --modality fusion, "
        "or affekt.recognize.media.MediaRecognizer."
    )


def disagreement(given: Mapping[str, Prediction]) -> str:
    """What each modality says, where the sure ones contradict one another; else empty.

    Examples
    --------
    >>> voice = Prediction(0, 1, {"angry": 0.8, "happy": 0.2})
    >>> face = Prediction(0, 1, {"angry": 0.1, "happy": 0.9}, modality="face")
    >>> disagreement({"speech": voice, "face": face})
    'voice angry, face happy'
    """
    said = {name: p.label for name, p in given.items() if p.label is not None and p.quality > 0}
    if len(set(said.values())) < 2:
        return ""
    return ", ".join(f"{WORDS.get(name, name)} {label}" for name, label in said.items())
