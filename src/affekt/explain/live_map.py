"""A map of the face in front of a camera: coarse, soon, and without torch.

The cells of a grid are covered one by one, all in one batch, and the map is
what the label loses by each: :func:`affekt.explain.attribution.face_occlusion`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from affekt.errors import InputError
from affekt.explain.attribution import Attribution, Values, face_occlusion
from affekt.explain.occlusion import label_score
from affekt.face.masks import MaskOptions
from affekt.face.stream import CloseUp
from affekt.models.card import Card
from affekt.recognize.recognizer import Recognizer

#: Cells of a side.
CELLS = 7
#: Nats below which a fall is rounding, and no map is made of it: a probability of 60 % would fall to 59.9 %.
LEAST = 1e-3


@dataclass(frozen=True, eq=False)
class LiveMap:
    """What the network looks at in a face, for the label in the lead.

    Parameters
    ----------
    close_up : CloseUp
        The face, and where the crop lies that the map is of.
    values : float array, shape (7, 7)
        By how much the label's log-probability falls when the cell is covered, as a share of the largest fall: 0 to 1.
        0 also where covering raises it.
    confidence, covered : float
        The label's probability in this crop alone, not smoothed, and what is left of it when the cell of the largest
        fall is covered.
    trouble : str
        Why there is no map, in words; empty where there is one.
    """

    close_up: CloseUp
    values: Values
    confidence: float = 0.0
    covered: float = 0.0
    trouble: str = ""

    def as_table(self) -> dict[str, Any]:
        """As JSON has it: with ``values``, or with the ``reason`` why there are none."""
        face = self.close_up.prediction
        places = {"box": face.box or (), "area": self.close_up.area}
        about = {"who": face.who, "label": face.best, **{key: np.round(p, 4).tolist() for key, p in places.items()}}
        if self.trouble:
            return {**about, "reason": f"no map: {self.trouble}"}
        shares = {"confidence": round(self.confidence, 4), "covered": round(self.covered, 4)}
        return {**about, **shares, "values": np.round(self.values, 3).tolist()}


def gives_map(card: Card) -> bool:
    """Whether a model names the emotion in the crop of one face, which can be covered cell by cell."""
    return card.modality == "face" and card.task == "emotion"


def check_gives_map(card: Card) -> None:
    """Refuse a model that takes no crops of faces.

    Raises
    ------
    InputError
    """
    if not gives_map(card):
        raise InputError(
            f"the model {card.name} gives no map: it is one for {card.task} in the modality {card.modality}, and a map "
            "covers the crop of one face that a model for emotion was given. Leave map out, or take the model face."
        )


def live_map(recognizer: Recognizer, close_up: CloseUp) -> LiveMap:
    """Cover the cells of a face one by one, and see what its label loses.

    Parameters
    ----------
    recognizer : Recognizer
        That which gave the prediction.
    close_up : CloseUp
        As :class:`affekt.face.stream.FaceStream` has it of the largest face.

    Returns
    -------
    LiveMap
        With ``trouble`` instead of values where they are no numbers, or nothing that is covered costs the label
        anything.

    Raises
    ------
    InputError
        If the model gives none.
    """
    check_gives_map(recognizer.card)
    label = close_up.prediction.best or ""
    score = label_score(recognizer, label)
    found = face_occlusion(close_up.crop, score, label, options=MaskOptions(cells=CELLS))
    falls = np.where(found.values < LEAST, 0.0, found.values)  # keeps what is no number, so that it is said
    speaks_for = Attribution(falls, found.method, label)
    if speaks_for.trouble:
        return LiveMap(close_up, speaks_for.values, trouble=speaks_for.trouble)
    confidence = float(np.exp(score(close_up.crop[None])[0]))
    most = float(speaks_for.values.max())
    return LiveMap(close_up, speaks_for.values / most, confidence, confidence * float(np.exp(-most)))
