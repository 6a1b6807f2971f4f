"""Augmentations of faces that keep the emotion: position, size, rotation, lighting, sharpness, a hidden patch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from affekt.train.face.recipe import FaceChanges


def changed(faces: Tensor, size: int, changes: FaceChanges, rng: torch.Generator) -> Tensor:
    """Faces (b, 48, 48) in grey values to changed faces (b, size, size), each in its own way.

    Beyond the edge of a crop, its outermost pixels are repeated.
    """
    count = len(faces)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=rng) * (high - low) + low

    exponent = torch.exp(changes.gamma * torch.randn(count, 1, 1, generator=rng))
    x = (faces / 255).clamp(0, 1).pow(exponent)[:, None]
    x = F.grid_sample(x, _grid(count, size, changes, rng), padding_mode="border", align_corners=False)
    coarse = torch.rand(count, generator=rng) < changes.coarse
    if coarse.any():
        side = int(torch.randint(16, 41, (1,), generator=rng)) * size // 48
        small = F.interpolate(x[coarse], size=(side, side), mode="area")
        x[coarse] = F.interpolate(small, size=(size, size), mode="bilinear", align_corners=False)
    deviation = x.std(dim=(1, 2, 3), keepdim=True)
    x = x + uniform(0, changes.noise)[:, None, None, None] * deviation * torch.randn(x.shape, generator=rng)
    return 255 * torch.where(_patches(count, size, changes, rng), x.mean(dim=(1, 2, 3), keepdim=True), x)[:, 0]


def _grid(count: int, size: int, changes: FaceChanges, rng: torch.Generator) -> Tensor:
    """Where each pixel of the changed faces comes from, (b, size, size, 2); half of the faces are mirrored."""

    def spread(limit: float) -> Tensor:
        return (2 * torch.rand(count, generator=rng) - 1) * limit

    angle, size_x = torch.deg2rad(spread(changes.turn)), 1 + spread(changes.scale)
    size_y = size_x * (1 + spread(changes.scale / 3))
    mirror = torch.where(torch.rand(count, generator=rng) < 0.5, -1.0, 1.0)
    slant = spread(changes.shear)
    first = torch.stack([mirror * size_x * angle.cos(), -size_y * (angle.sin() + slant), spread(changes.shift)], 1)
    second = torch.stack([mirror * size_x * angle.sin(), size_y * angle.cos(), spread(changes.shift)], 1)
    return F.affine_grid(torch.stack([first, second], 1), [count, 1, size, size], align_corners=False)


def _patches(count: int, size: int, changes: FaceChanges, rng: torch.Generator) -> Tensor:
    """Which pixels are hidden, bool (b, 1, size, size): a rectangle each, or none."""
    sides = (0.2 + 0.3 * torch.rand(count, 2, generator=rng)) * size
    sides = sides * (torch.rand(count, 1, generator=rng) < changes.hidden)
    middle = torch.rand(count, 2, generator=rng) * size
    pixel = torch.arange(size) + 0.5
    inside = (pixel - middle[:, :, None]).abs() < sides[:, :, None] / 2  # (b, 2, size)
    return inside[:, None, 0, :, None] & inside[:, None, 1, None, :]
