"""The loss of the detector: scores that tell how well a box fits, boxes, and points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from affekt.face.detect import REACH
from affekt.train.face.detector_mosaics import BACKGROUND, Mosaic, assigned, cell_centres
from affekt.train.face.detector_recipe import DetectorRecipe


@dataclass(frozen=True)
class Truth:
    """The targets of the cells of a batch.

    Parameters
    ----------
    weights : tensor, shape (b, n)
        0 where nothing is learnt, else 1.
    cells : tensor, shape (m, 2)
        Picture and cell, for each cell that has to find a face.
    boxes : tensor, shape (m, 4)
        Of its face: centre and size in pixels.
    points : tensor, shape (m, 5, 2)
    """

    weights: Tensor
    cells: Tensor
    boxes: Tensor
    points: Tensor


def truth_of(mosaics: Sequence[Mosaic]) -> Truth:
    """The cells' targets, for mosaics of one size."""
    rows = np.stack([assigned(mosaic) for mosaic in mosaics])
    cells = np.argwhere(rows >= 0)
    faces = [(mosaics[b].boxes[rows[b, n]], mosaics[b].points[rows[b, n]]) for b, n in cells]
    boxes = np.array([box for box, _ in faces], np.float32).reshape(-1, 4)
    points = np.array([point for _, point in faces], np.float32).reshape(-1, 5, 2)
    weights = torch.from_numpy((rows >= BACKGROUND).astype(np.float32))
    return Truth(weights, torch.from_numpy(cells), torch.from_numpy(boxes), torch.from_numpy(points))


def flattened(maps: Sequence[Tensor]) -> Tensor:
    """The three maps (b, 15, h, w) as cells (b, n, 15)."""
    return torch.cat([cells.flatten(2) for cells in maps], dim=2).transpose(1, 2).float()


def fit(found: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union of boxes (m, 4), centre and size, and its generalised form (Rezatofighi et al., 2019)."""
    low = [boxes[:, :2] - boxes[:, 2:] / 2 for boxes in (found, wanted)]
    high = [boxes[:, :2] + boxes[:, 2:] / 2 for boxes in (found, wanted)]
    shared = (torch.minimum(*high) - torch.maximum(*low)).clamp(min=0).prod(dim=1)
    union = found[:, 2:].prod(dim=1) + wanted[:, 2:].prod(dim=1) - shared
    hull = (torch.maximum(*high) - torch.minimum(*low)).prod(dim=1)
    overlap = shared / union.clamp(min=1e-6)
    return overlap, overlap - (hull - union) / hull.clamp(min=1e-6)


def losses(cells: Tensor, truth: Truth, side: int) -> dict[str, Tensor]:
    """Loss of scores, boxes and points of cells (b, n, 15), each a mean over the cells that have a face.

    The target of a score is the overlap that its cell's box reaches, or 0 without a face; easy cells count little
    (quality focal loss, Li et al., 2020).
    """
    picture, cell = truth.cells.T
    at, stride = (torch.from_numpy(array)[cell] for array in cell_centres(side))
    stride = stride[:, None]
    values = cells[picture, cell]
    size = REACH * stride * torch.exp(values[:, 3:5].clamp(max=4))
    boxes = torch.cat([at + stride * values[:, 1:3], size], dim=1)
    points = at[:, None] + stride[:, None] * REACH * values[:, 5:].reshape(-1, 5, 2)
    overlap, generalised = fit(boxes, truth.boxes)
    wanted = torch.zeros_like(cells[..., 0])
    wanted[picture, cell] = overlap.detach().clamp(0.05, 1)
    logits = cells[..., 0]
    wrong = (wanted - torch.sigmoid(logits.detach())).square()
    score = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    count = max(1, len(picture))
    length = truth.boxes[:, 2:].prod(dim=1).sqrt()[:, None, None]
    away = F.smooth_l1_loss(points / length, truth.points / length, beta=0.05, reduction="sum")
    return {
        "score": (truth.weights * wrong * score).sum() * 4 / count,
        "box": (1 - generalised).sum() / count,
        "point": away / (5 * count),
    }


def total(parts: dict[str, Tensor], recipe: DetectorRecipe) -> Tensor:
    """The weighted sum."""
    return parts["score"] + recipe.box * parts["box"] + recipe.point * parts["point"]
