"""The recipe of a one-stage detector of emotions."""

from __future__ import annotations

from dataclasses import dataclass, field

from affekt.train.face.detector_recipe import DetectorSchedule, MosaicRecipe

#: Optional corpus of pictures without faces, which lie between and behind the faces.
SCENES = "scenes"


@dataclass(frozen=True)
class YoloRecipe:
    """Everything a run depends on but the pictures.

    Parameters
    ----------
    stem, channels, blocks, neck
        Sizes of the network, see ``affekt.face.detector_network.DetectorShape``.
    box, label : float
        Weights of the loss of boxes and of labels beside that of scores.
    balance : float
        A label is drawn in proportion to its number of faces to this power: 1 by frequency, 0 all equally often.
    dev : int
        Faces of FER2013's training part on which the threshold is chosen and the scores are measured.
    held_out : int
        Mosaics of them.
    """

    kind: str = "yolo"
    name: str = "yolo-emotion"
    stem: int = 16
    channels: tuple[int, int, int, int] = (32, 64, 96, 128)
    blocks: tuple[int, int, int, int] = (1, 2, 3, 2)
    neck: int = 64
    box: float = 1.0
    label: float = 1.0
    balance: float = 0.5
    dev: int = 1500
    held_out: int = 150
    seed: int = 1
    mosaics: MosaicRecipe = field(default_factory=MosaicRecipe)
    schedule: DetectorSchedule = field(default_factory=DetectorSchedule)
