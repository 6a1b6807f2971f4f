"""Faces made smaller, turned and cropped otherwise: what a detector does to them in use."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F

#: Name to (pixels of a side, degrees, margin of the crop).
PERTURBED: Mapping[str, tuple[int, float, float]] = {
    "as it is": (48, 0, 1.0),
    "32 pixels": (32, 0, 1.0),
    "24 pixels": (24, 0, 1.0),
    "16 pixels": (16, 0, 1.0),
    "turned by 10 degrees": (48, 10, 1.0),
    "turned by 20 degrees": (48, 20, 1.0),
    "margin 0.9": (48, 0, 0.9),
    "margin 1.1": (48, 0, 1.1),
    "margin 1.2": (48, 0, 1.2),
}


def perturbed(images: np.ndarray, name: str) -> np.ndarray:
    """Faces (n, 48, 48) uint8 to what is left of them, float32; beyond an edge its last pixels go on."""
    side, degrees, margin = PERTURBED[name]
    x = torch.from_numpy(images).float()[:, None]
    angle = np.deg2rad(degrees)
    if degrees or margin != 1:
        rows = margin * np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]])
        grid = F.affine_grid(torch.tensor(rows, dtype=torch.float32).expand(len(x), 2, 3), list(x.shape), False)
        x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    if side != x.shape[-1]:
        small = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
        x = F.interpolate(small.round(), size=images.shape[1:], mode="bilinear", align_corners=False)
    found: np.ndarray = x[:, 0].numpy()
    return found
