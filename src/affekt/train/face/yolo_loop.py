"""Training of a one-stage detector of emotions: faces of FER2013 in mosaics, their losses, the steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from affekt.corpora.fer2013 import Faces
from affekt.face.detect import REACH, YUNET_DOWN, YUNET_HEIGHT
from affekt.face.detector_network import DetectorNetwork, DetectorShape
from affekt.face.shape import LABELS, SIZE
from affekt.train.face.detector_loop import DetectorRun
from affekt.train.face.detector_loss import fit
from affekt.train.face.detector_mosaics import Mosaic, MosaicMaker, assigned, cell_centres
from affekt.train.face.detector_recipe import MosaicRecipe
from affekt.train.face.detector_teacher import Taught, draw_pictures, read_grey
from affekt.train.face.yolo_recipe import SCENES, YoloRecipe

#: Side of a stored picture: faces have 48 pixels, scenes are shrunk to it.
SIDE = 128
#: Scenes that are drawn, at most.
MOST = 2000


def taught_faces(faces: Faces, scenes: Path | None, seed: int) -> Taught:
    """Faces of FER2013, and pictures without any, as the mosaics take them.

    A crop of FER2013 is about as large as the square that the model of faces takes: its box is .85 of it, a little
    below the middle.
    """
    pictures = np.zeros((len(faces), SIDE, SIDE), np.uint8)
    pictures[:, :SIZE, :SIZE] = faces.images
    side, middle = YUNET_HEIGHT * SIZE, SIZE / 2
    corner = (middle - side / 2, middle + YUNET_DOWN * SIZE - side / 2)
    sizes, names = np.full((len(faces), 2), SIZE, np.int64), [f"fer2013/{id}" for id in faces.ids]
    if scenes is not None:
        paths = draw_pictures(scenes, MOST, seed)
        behind = [read_grey(path, SIDE) for path in paths]
        canvas = np.zeros((len(behind), SIDE, SIDE), np.uint8)
        for row, grey in zip(canvas, behind, strict=True):
            row[: grey.shape[0], : grey.shape[1]] = grey
        pictures = np.concatenate([pictures, canvas])
        sizes = np.concatenate([sizes, np.array([grey.shape for grey in behind], np.int64)])
        names += [f"{SCENES}/{path.relative_to(scenes).as_posix()}" for path in paths]
    count = len(faces)
    return Taught(
        pictures,
        sizes,
        np.arange(count),
        np.tile(np.array([*corner, side, side], np.float32), (count, 1)),
        np.zeros((count, 5, 2), np.float32),
        np.ones(count, np.float32),
        tuple(names),
    )


class EmotionMosaics(MosaicMaker):
    """Mosaics of faces of known labels, with rare labels oversampled."""

    def __init__(self, taught: Taught, labels: NDArray[np.int64], recipe: MosaicRecipe, balance: float) -> None:
        super().__init__(taught, recipe)
        self.labels = labels
        share = np.maximum(np.bincount(labels, minlength=len(LABELS)), 1).astype(np.float64) ** (balance - 1)
        weights = share[labels[self._with_face]]
        self._weights = np.cumsum(weights / weights.sum())


def emotion_losses(cells: Tensor, mosaics: Sequence[Mosaic], labels: NDArray[np.int64]) -> dict[str, Tensor]:
    """Loss of scores, labels and boxes of cells (b, n, k + 4), each a mean over the cells that have a face.

    The target of the score of a face's label is the overlap that its cell's box reaches; that of all other scores is 0
    (quality focal loss, Li et al., 2020); and among the scores of a face, that of its label should be the
    highest (cross-entropy).
    """
    side = mosaics[0].picture.shape[0]
    rows = np.stack([assigned(mosaic) for mosaic in mosaics])
    picture, cell = np.nonzero(rows >= 0)
    pairs = list(zip(picture.tolist(), rows[picture, cell].tolist(), strict=True))
    truth = np.array([mosaics[b].boxes[f] for b, f in pairs], np.float32).reshape(-1, 4)
    label = np.array([labels[mosaics[b].faces[f]] for b, f in pairs], np.int64)
    at, stride = (torch.from_numpy(array)[cell] for array in cell_centres(side))
    stride = stride[:, None]
    values = cells[picture, cell, -4:]
    size = REACH * stride * torch.exp(values[:, 2:].clamp(max=4))
    overlap, generalised = fit(torch.cat([at + stride * values[:, :2], size], dim=1), torch.from_numpy(truth))
    logits = cells[..., :-4]
    wanted = torch.zeros_like(logits)
    wanted[picture, cell, label] = overlap.detach().clamp(0.05, 1)
    wrong = (wanted - torch.sigmoid(logits.detach())).square()
    score = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    weights = torch.from_numpy((rows >= -1).astype(np.float32))[..., None]
    count = max(1, len(picture))
    named = F.cross_entropy(logits[picture, cell], torch.from_numpy(label), reduction="sum")
    return {
        "score": (weights * wrong * score).sum() * 4 / count,
        "label": named / count,
        "box": (1 - generalised).sum() / count,
    }


class YoloRun(DetectorRun):
    """A one-stage detector of emotions in training.

    Parameters
    ----------
    recipe : YoloRecipe
    labels : int array
        Of the taught faces, as places in ``LABELS``.
    """

    recipe: YoloRecipe

    def __init__(self, recipe: YoloRecipe, labels: NDArray[np.int64]) -> None:
        super().__init__(recipe)
        self.labels = labels

    def new_network(self) -> DetectorNetwork:
        """The untrained network of the recipe."""
        sizes = (self.recipe.stem, self.recipe.channels, self.recipe.blocks, self.recipe.neck)
        return DetectorNetwork(DetectorShape(*sizes, scores=len(LABELS), values=4))

    def losses(self, cells: Tensor, mosaics: list[Mosaic]) -> tuple[dict[str, Tensor], Tensor]:
        """The parts of the loss of cells (b, n, k + 4), and their weighted sum."""
        parts = emotion_losses(cells, mosaics, self.labels)
        return parts, parts["score"] + self.recipe.label * parts["label"] + self.recipe.box * parts["box"]
