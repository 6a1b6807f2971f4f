"""A map of the face in front of a camera: coarse, fast, and without torch.

The cells of a grid are covered one by one, all in one batch, and the map is
what the label loses with each: :func:`affekt.explain.attribution.face_occlusion`.
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

#: Cells per side.
CELLS = 7
#: Falls below this, in nats, count as rounding errors and make no map: a probability of 60 % would fall to 59.9 %.
LEAST = 1e-3


@dataclass(frozen=True, eq=False)
class LiveMap:
    """What the network looks at in a face, for the label in the lead.

    Parameters
    ----------
    close_up : CloseUp
        The face, and the position of the crop that the map covers.
    values : float array, shape (7, 7)
        By how much the label's log-probability falls when the cell is covered, as a share of the largest fall: 0 to 1.
        0 also where covering raises it.
    confidence, covered : float
        The label's probability in this crop alone, not smoothed, and its probability when the cell with the largest
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
        """As plain values for JSON: with ``values``, or with the ``reason`` why there are none."""
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
    """Refuse a model that does not take crops of faces.

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
    """Cover the cells of a face one by one, and measure what its label loses.

    Parameters
    ----------
    recognizer : Recognizer
        The one that gave the prediction.
    close_up : CloseUp
        As :class:`affekt.face.stream.FaceStream` gives it for the largest face.

    Returns
    -------
    LiveMap
        With ``trouble`` instead of values where these are not finite, or where covering no cell lowers the label's
        probability.

    Raises
    ------
    InputError
        If the model gives no such map.
    """
    check_gives_map(recognizer.card)
    label = close_up.prediction.best or ""
    score = label_score(recognizer, label)
    found = face_occlusion(close_up.crop, score, label, options=MaskOptions(cells=CELLS))
    falls = np.where(found.values < LEAST, 0.0, found.values)  # keeps NaN, so that it is reported
    speaks_for = Attribution(falls, found.method, label)
    if speaks_for.trouble:
        return LiveMap(close_up, speaks_for.values, trouble=speaks_for.trouble)
    confidence = float(np.exp(score(close_up.crop[None])[0]))
    most = float(speaks_for.values.max())
    return LiveMap(close_up, speaks_for.values / most, confidence, confidence * float(np.exp(-most)))
