"""Mosaics: many pictures in one, at varying scale, rotation and lighting, for small, rotated and many faces."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from affekt.face.detect import STRIDES
from affekt.train.face.detector_recipe import RANGES, MosaicRecipe
from affekt.train.face.detector_teacher import Taught

#: Shares of a face inside its tile from which it is learnt, and from which its place is ignored.
INSIDE, OUTSIDE = 0.65, 0.2
#: Score from which a detection in a picture without faces is ignored instead of taken for background.
VERY_SURE = 0.8
#: How near its centre the cells of a face lie: in sides of the face, and at least and at most so many cells.
NEAR, LEAST, MOST = 0.3, 0.75, 1.6
BACKGROUND, IGNORED = -1, -2
#: Places of the points when a picture is mirrored.
MIRRORED = [1, 0, 2, 4, 3]


@dataclass(frozen=True)
class Mosaic:
    """A picture of known faces.

    Parameters
    ----------
    picture : float32 tensor, shape (s, s)
        Grey, 0 to 255.
    boxes : float32 array, shape (k, 4)
        Centre x, centre y, width, height.
    points : float32 array, shape (k, 5, 2)
    ignored : float32 array, shape (j, 4)
        Places where nothing is learnt, as boxes.
    faces : int array, shape (k,)
        Row of each face among the taught ones.
    """

    picture: Tensor
    boxes: NDArray[np.float32]
    points: NDArray[np.float32]
    ignored: NDArray[np.float32]
    faces: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def rgb(self) -> NDArray[np.uint8]:
        """The picture as a detector takes it (s, s, 3)."""
        grey = self.picture.numpy().astype(np.uint8)
        return np.ascontiguousarray(np.stack([grey] * 3, axis=2))


@dataclass(frozen=True)
class Tile:
    """A rectangle of the mosaic (left, top, right, bottom) and what is drawn in it.

    ``matrix`` (2, 3) maps pixels of the picture to pixels of the mosaic.
    """

    area: tuple[int, int, int, int]
    row: int
    scale: float
    matrix: NDArray[np.float64]


class MosaicMaker:
    """Draws mosaics from taught pictures; the same ``rng`` gives the same mosaic."""

    def __init__(self, taught: Taught, recipe: MosaicRecipe) -> None:
        self.taught, self.recipe = taught, recipe
        corpora = np.array([name.split("/")[0] for name in taught.names])
        self._faceless = np.isin(corpora, recipe.faceless_corpora)
        self._faces = [np.flatnonzero(taught.owners == row) for row in range(len(taught.names))]
        self._sure = (taught.scores >= recipe.sure) & ~self._faceless[taught.owners]
        self._unsure = np.where(
            self._faceless[taught.owners], taught.scores >= VERY_SURE, taught.scores >= recipe.unsure
        )
        #: Rows to draw faces from, each corpus by the root of its size, and rows without faces.
        with_face = np.unique(taught.owners[self._sure])
        share = {name: np.count_nonzero(corpora[with_face] == name) ** -0.5 for name in set(corpora[with_face])}
        weights = np.array([share[name] for name in corpora[with_face]])
        self._with_face, self._weights = with_face, np.cumsum(weights / weights.sum())
        # Scenes in which the teacher saw no face, however unsure, are background; in a portrait it missed the face.
        is_blank = np.isin(corpora, recipe.scene_corpora)
        is_blank[taught.owners[taught.scores >= recipe.unsure]] = False
        self._empty = np.flatnonzero(self._faceless | is_blank)
        #: The pictures at full, half, ... size: what is drawn smaller is averaged, not skipped.
        self._halved = [taught.pictures]
        while self._halved[-1].shape[1] > 16:
            self._halved.append(_half(self._halved[-1]))

    def draw(self, rng: np.random.Generator, side: int) -> Mosaic:
        """Draw one mosaic of ``side`` x ``side`` pixels; ``side`` is a multiple of 32."""
        canvas = torch.full((side, side), float(rng.uniform(0, 255)))
        if len(self._empty) and rng.random() < self.recipe.scenery:
            behind = self._faceless_tile((0, 0, side, side), rng)
            canvas = _relit(self._drawn(behind)[0], self.recipe, rng)
        boxes, points, ignored, rows = [], [], [], []
        for area in self._areas(rng, side):
            tile, mirror = self._tile(area, rng)
            patch, inside = self._drawn(tile)
            patch = _relit(patch, self.recipe, rng)
            left, top, right, bottom = area
            canvas[top:bottom, left:right] = torch.where(inside, patch, canvas[top:bottom, left:right])
            found, learnt = self._truth(tile, mirror)
            rows.append(learnt)
            boxes.append(found[0])
            points.append(found[1])
            ignored.append(found[2])
        faces = np.concatenate(boxes)
        self._hide(canvas, faces, rng)
        if rng.random() < self.recipe.noise:
            noise = torch.from_numpy(rng.standard_normal((side, side), dtype=np.float32))
            canvas = (canvas + float(rng.exponential(5.0)) * noise).clamp(0, 255)
        return Mosaic(canvas, faces, np.concatenate(points), np.concatenate(ignored), np.concatenate(rows))

    def _areas(self, rng: np.random.Generator, side: int) -> list[tuple[int, int, int, int]]:
        """The mosaic cut into tiles about as large as was drawn, or whole."""
        if rng.random() < self.recipe.whole:
            return [(0, 0, side, side)]
        wanted = np.exp(rng.uniform(*np.log(self.recipe.tile)))
        areas, top = [], 0
        while top < side:
            bottom = min(side, top + int(wanted * rng.uniform(0.7, 1.3)))
            bottom = side if side - bottom < 24 else bottom
            left = 0
            while left < side:
                right = min(side, left + int(wanted * rng.uniform(0.6, 1.4)))
                right = side if side - right < 24 else right
                areas.append((left, top, right, bottom))
                left = right
            top = bottom
        return areas

    def _tile(self, area: tuple[int, int, int, int], rng: np.random.Generator) -> tuple[Tile, bool]:
        """What one tile shows, and whether mirrored."""
        recipe, taught = self.recipe, self.taught
        width, height = area[2] - area[0], area[3] - area[1]
        angle = np.deg2rad(
            rng.uniform(-recipe.far_turn, recipe.far_turn) if rng.random() < 1 / 8 else rng.normal(0, recipe.turn)
        )
        place = np.array([area[0] + width / 2, area[1] + height / 2])
        mirror = bool(rng.random() < 0.5)
        if len(self._empty) and rng.random() < recipe.faceless:
            return self._faceless_tile(area, rng), mirror
        row = int(self._with_face[np.searchsorted(self._weights, rng.random())])
        faces = self._faces[row][self._sure[self._faces[row]]]
        box = taught.boxes[faces[rng.integers(len(faces))]]
        side = float(np.sqrt(box[2] * box[3]))
        largest = max(recipe.face[0] * 1.3, recipe.face[1] * min(width, height))
        wanted = np.exp(rng.uniform(np.log(recipe.face[0]), np.log(largest)))
        scale, anchor = wanted / side, box[:2] + box[2:] / 2
        room = np.maximum(np.array([width, height]) - wanted, 0) / 2
        place = place + rng.uniform(-1, 1, 2) * room
        if rng.random() < recipe.away:
            scale = max(scale, width / 250)
            anchor = taught.sizes[row][::-1] * rng.uniform(0, 1, 2)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if mirror:
            turn = turn @ np.diag([-1.0, 1.0])
        return Tile(area, row, float(scale), np.column_stack([turn, place - turn @ anchor])), mirror

    def _faceless_tile(self, area: tuple[int, int, int, int], rng: np.random.Generator) -> Tile:
        """A picture without faces, upright, that more or less fills a rectangle."""
        row = int(self._empty[rng.integers(len(self._empty))])
        size, corner, reach = self.taught.sizes[row][::-1], np.array(area[:2]), np.array(area[2:]) - area[:2]
        scale = float(np.max(reach / size) * np.exp(rng.uniform(-0.1, 0.9)))
        place = corner + reach / 2 - scale * size * rng.uniform(0.35, 0.65, 2)
        return Tile(area, row, scale, np.column_stack([scale * np.eye(2), place]))

    def _drawn(self, tile: Tile) -> tuple[Tensor, Tensor]:
        """The tile's pixels (h, w), and where the picture reaches."""
        height, width = self.taught.sizes[tile.row]
        level = 0
        while tile.scale * 2**level < 0.6 and level + 1 < len(self._halved) and min(height, width) >> level >= 16:
            level += 1
        height, width = height >> level, width >> level
        source = torch.from_numpy(self._halved[level][tile.row, :height, :width]).float()[None, None]
        (a, b), (c, d) = np.linalg.inv(tile.matrix[:, :2])
        left, top, right, bottom = tile.area
        xs = torch.arange(left, right)[None, :] + (0.5 - float(tile.matrix[0, 2]))
        ys = torch.arange(top, bottom)[:, None] + (0.5 - float(tile.matrix[1, 2]))
        # From pixels of the picture to -1 to 1, as grid_sample wants them.
        x_unit, y_unit = 2 / (width << level), 2 / (height << level)
        x = float(a * x_unit) * xs + (float(b * x_unit) * ys - 1)
        y = float(c * y_unit) * xs + (float(d * y_unit) * ys - 1)
        grid = torch.stack([x, y], dim=2)
        patch = F.grid_sample(source, grid[None], "bilinear", "border", align_corners=False)[0, 0]
        return patch, (grid.abs() <= 1).all(dim=2)

    def _truth(self, tile: Tile, mirror: bool) -> tuple[tuple[NDArray[np.float32], ...], NDArray[np.int64]]:
        """Boxes and points of the faces of a tile, and boxes where nothing is learnt; the rows of those faces."""
        rows = self._faces[tile.row]
        rows = rows[self._sure[rows] | self._unsure[rows]]
        boxes, turn, shift = self.taught.boxes[rows], tile.matrix[:, :2], tile.matrix[:, 2]
        size = boxes[:, 2:] * tile.scale
        centre = (boxes[:, :2] + boxes[:, 2:] / 2) @ turn.T + shift
        points = self.taught.points[rows] @ turn.T + shift
        if mirror:
            points = points[:, MIRRORED]
        low = np.maximum(centre - size / 2, tile.area[:2])
        high = np.minimum(centre + size / 2, tile.area[2:])
        inside = np.prod(np.maximum(high - low, 0), axis=1) / np.prod(size, axis=1)
        is_learnt = self._sure[rows] & (inside >= INSIDE) & (np.sqrt(np.prod(size, axis=1)) >= self.recipe.face[0])
        is_ignored = ~is_learnt & (inside >= OUTSIDE)
        found = np.concatenate([centre, size], axis=1).astype(np.float32)
        seen = np.concatenate([(low + high) / 2, high - low], axis=1).astype(np.float32)
        return (found[is_learnt], points[is_learnt].astype(np.float32), seen[is_ignored]), rows[is_learnt]

    def _hide(self, canvas: Tensor, boxes: NDArray[np.float32], rng: np.random.Generator) -> None:
        """A flat patch over a part of some faces."""
        side = canvas.shape[0]
        for x, y, width, height in boxes[rng.random(len(boxes)) < self.recipe.hidden]:
            half = rng.uniform(0.1, 0.25, 2) * (width, height)
            at = (x, y) + rng.uniform(-0.5, 0.5, 2) * (width, height)
            low, high = np.clip(at - half, 0, side).astype(int), np.clip(at + half, 0, side).astype(int)
            canvas[low[1] : high[1], low[0] : high[0]] = float(rng.uniform(0, 255))


def _relit(patch: Tensor, recipe: MosaicRecipe, rng: np.random.Generator) -> Tensor:
    """A tile in another light, blurred, or as coarse as an enlarged small picture."""
    height, width = patch.shape
    if rng.random() < recipe.coarse:
        factor = float(rng.uniform(0.4, 0.9))
        small = max(8, int(height * factor)), max(8, int(width * factor))
        coarse = F.interpolate(patch[None, None], small, mode="bilinear", antialias=True)
        patch = F.interpolate(coarse, (height, width), mode="bilinear")[0, 0]
    if rng.random() < recipe.blur:
        width_of = float(rng.uniform(0.4, 1.0 + min(height, width) / 200))
        reach = min(int(3 * width_of) + 1, height - 1, width - 1)
        weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / width_of) ** 2)
        weights = (weights / weights.sum())[None, None, None]
        padded = F.pad(patch[None, None], (reach,) * 4, mode="reflect")
        patch = F.conv2d(F.conv2d(padded, weights), weights.transpose(2, 3))[0, 0]
    if rng.random() < recipe.light:
        level = (patch / 255).clamp(1e-3, 1) ** float(np.exp(rng.normal(0, 0.35)))
        gain = float(np.exp(rng.normal(-0.1, 0.3)))
        slope = torch.linspace(-1, 1, width)[None, :] * float(rng.normal(0, 0.1))
        slope = slope + torch.linspace(-1, 1, height)[:, None] * float(rng.normal(0, 0.1))
        patch = 255 * ((level - 0.5) * gain + 0.5 + slope + float(rng.normal(0, 0.1)))
    return patch.clamp(0, 255)


def _half(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures (n, h, w) at half their size."""
    rows = pictures[:, ::2].astype(np.uint16) + pictures[:, 1::2]
    return ((rows[:, :, ::2] + rows[:, :, 1::2] + 2) // 4).astype(np.uint8)


def cell_centres(side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centres (n, 2) and strides (n,) of all cells of a square picture, in the order of the three maps."""
    centres, strides = [], []
    for stride in STRIDES:
        at = (np.arange(side // stride) + 0.5) * stride
        centres.append(np.stack(np.meshgrid(at, at), axis=2).reshape(-1, 2))
        strides.append(np.full(len(centres[-1]), stride))
    return np.concatenate(centres).astype(np.float32), np.concatenate(strides).astype(np.float32)


def assigned(mosaic: Mosaic) -> NDArray[np.int64]:
    """Which face each cell has to find (n,): its row, -1 for background, -2 where nothing is learnt.

    The cells around its centre find a face, in the maps made for its size; a cell near two faces finds the one
    whose centre is nearer.
    """
    centres, strides = cell_centres(mosaic.picture.shape[0])
    found = np.full(len(centres), BACKGROUND, np.int64)
    for x, y, width, height in mosaic.ignored:
        away = np.abs(centres - np.array([x, y])) <= np.array([width, height]) / 2
        found[away.all(axis=1)] = IGNORED
    nearest = np.full(len(centres), np.inf)
    level = np.searchsorted(STRIDES, strides)
    low, high = np.asarray(RANGES)[level].T
    for row, (x, y, width, height) in enumerate(mosaic.boxes):
        side = np.sqrt(width * height)
        reach = np.clip(NEAR * side, LEAST * strides, MOST * strides)
        away = np.abs(centres - np.array([x, y])).max(axis=1)
        taken = (away <= reach) & (low <= side) & (side < high) & (away / side < nearest)
        found[taken], nearest[taken] = row, (away / side)[taken]
    return found
