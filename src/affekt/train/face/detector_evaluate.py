"""How many faces are found: precision and recall at an overlap of one half, on pictures of known faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.face.detect import Detector, Faces, overlaps
from affekt.train.face.detector_mosaics import VERY_SURE, Mosaic
from affekt.train.face.detector_recipe import MosaicRecipe
from affekt.train.face.detector_teacher import Taught

#: Intersection over union from which a box has found a face.
FOUND = 0.5
#: Standard errors of a 95 % interval.
NORMAL = 1.959964


@dataclass(frozen=True)
class Matches:
    """Boxes and faces of some pictures, matched with one another.

    Parameters
    ----------
    scores : float array, shape (n,)
        Of all boxes that were not ignored.
    hits : bool array, shape (n,)
        Whether a box found a face that no box of higher score had found.
    faces : int
        How many there are.
    """

    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    faces: int

    def precision(self, threshold: float = 0.0) -> tuple[float, float, float, int]:
        """Share of the boxes that are right: value, 95 % interval, n."""
        kept = self.scores >= threshold
        return wilson(int(self.hits[kept].sum()), int(kept.sum()))

    def recall(self, threshold: float = 0.0) -> tuple[float, float, float, int]:
        """Share of the faces that are found: value, 95 % interval, n."""
        return wilson(int(self.hits[self.scores >= threshold].sum()), self.faces)

    def threshold(self, precision: float) -> float:
        """The lowest threshold from 0.2 to 0.9, in hundredths, that reaches a precision; else that of the best F1."""
        candidates = np.arange(20, 91) / 100
        right, boxes = self._counts(candidates)
        good = np.flatnonzero((right >= precision * boxes) & (boxes > 0))
        return float(candidates[good[0]]) if len(good) else self.balanced_threshold(candidates)

    def balanced_threshold(self, candidates: NDArray[np.float64]) -> float:
        """The first of some thresholds that has the best F1."""
        right, boxes = self._counts(candidates)
        return float(candidates[np.argmax(2 * right / np.maximum(boxes + self.faces, 1))])

    def _counts(self, thresholds: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Boxes that are right, and boxes, at each threshold."""
        kept = self.scores[None] >= thresholds[:, None]
        return (kept & self.hits).sum(axis=1), kept.sum(axis=1)


def wilson(right: int, n: int) -> tuple[float, float, float, int]:
    """Share of ``right`` among n with its 95 % interval (Wilson, 1927); without data, 0 to 1.

    Examples
    --------
    >>> wilson(0, 0)
    (0.0, 0.0, 1.0, 0)
    """
    if not n:
        return 0.0, 0.0, 1.0, 0
    share, spread = right / n, NORMAL**2 / n
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return share, max(0.0, centre - half), min(1.0, centre + half), n


def match(found: Faces, boxes: NDArray[np.float32], ignored: NDArray[np.float32] | None = None) -> Matches:
    """Match each box, highest score first, with the unmatched face that it overlaps most, if by one half or more.

    Parameters
    ----------
    found : Faces
    boxes : array, shape (k, 4)
        The faces: left, top, width, height.
    ignored : array, shape (j, 4), optional
        Boxes that lie in one of these and find nothing are not counted.
    """
    free = np.ones(len(boxes), bool)
    scores, hits = [], []
    for row in np.argsort(-found.scores, kind="stable"):
        shared = overlaps(found.boxes[row], boxes) * free
        is_hit = bool(len(boxes)) and shared.max() >= FOUND
        if is_hit:
            free[int(shared.argmax())] = False
        elif ignored is not None and len(ignored):
            away = np.abs(found.boxes[row, :2] + found.boxes[row, 2:] / 2 - ignored[:, :2] - ignored[:, 2:] / 2)
            if (away <= ignored[:, 2:] / 2).all(axis=1).any():
                continue
        scores.append(float(found.scores[row]))
        hits.append(is_hit)
    return Matches(np.asarray(scores, np.float64), np.asarray(hits, bool), len(boxes))


def joined(matches: Sequence[Matches]) -> Matches:
    """The matches of many pictures as one."""
    return Matches(
        np.concatenate([one.scores for one in matches]),
        np.concatenate([one.hits for one in matches]),
        sum(one.faces for one in matches),
    )


def match_mosaics(detector: Detector, mosaics: Sequence[Mosaic]) -> Matches:
    """Matches of a detector on mosaics."""
    found = []
    for mosaic in mosaics:
        faces = detector.detect(mosaic.rgb())
        found.append(match(faces, corners(mosaic.boxes), corners(mosaic.ignored)))
    return joined(found)


def match_pictures(detector: Detector, taught: Taught, recipe: MosaicRecipe) -> Matches:
    """Matches of a detector on pictures as they are; where the teacher was unsure, nothing counts.

    Scenes and pictures without faces are all taken, portraits only if the teacher sees a face; otherwise it missed one.
    """
    found = []
    for row, name in enumerate(taught.names):
        corpus = name.split("/")[0]
        is_faceless = corpus in recipe.faceless_corpora
        scores = taught.scores[taught.owners == row]
        is_face = (scores >= recipe.sure) & (not is_faceless)
        is_unsure = (scores >= (VERY_SURE if is_faceless else recipe.unsure)) & ~is_face
        if not (is_faceless or corpus in recipe.scene_corpora or is_face.any()):
            continue
        height, width = taught.sizes[row]
        grey = taught.pictures[row, :height, :width]
        faces = detector.detect(np.ascontiguousarray(np.stack([grey] * 3, axis=2)))
        boxes = taught.boxes[taught.owners == row]
        found.append(match(faces, boxes[is_face], boxes[is_unsure]))
    return joined(found)


def corners(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """From centre and size to corner and size."""
    return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]], axis=1)
