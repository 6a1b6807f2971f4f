"""The network that finds faces. Picture in, three maps of cells out; lightness and normalisation are in the graph.

Input: ``picture``, float32, shape (b, c, h, w), values 0 to 255, h and w multiples of 32; c is 3 (RGB) or 1. Only the
mean over the channels is used: it was trained on grey pictures only.

Outputs: ``stride8`` (b, 15, h / 8, w / 8), ``stride16`` and ``stride32`` alike: for each cell the logit of a face, four
numbers of its box, ten of its five points, as :func:`affekt.face.detect.decode_affekt` reads them. Small faces are
found by the first map, large ones by the last. No anchors (Tian et al., FCOS, 2019), depthwise-separable convolutions
as in YuNet (Wu et al., 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class DetectorShape:
    """Sizes of :class:`DetectorNetwork`.

    Parameters
    ----------
    stem : int
        Channels at half the size of the picture.
    channels : tuple of int
        At a 4th, 8th, 16th and 32nd of it.
    blocks : tuple of int
        Residual blocks at each of them, after the one that halves.
    neck : int
        Channels of the three maps that the heads read.
    scores, values : int
        What each cell gives: logits of scores first, then a box and perhaps points.
    """

    stem: int = 16
    channels: tuple[int, int, int, int] = (32, 64, 96, 128)
    blocks: tuple[int, int, int, int] = (1, 2, 3, 2)
    neck: int = 64
    scores: int = 1
    values: int = 14


def separable(before: int, after: int, *, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution of each channel alone, then a 1x1 convolution across them, and a rectifier."""
    return nn.Sequential(
        nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False),
        nn.BatchNorm2d(before),
        nn.Conv2d(before, after, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )


class Residual(nn.Module):
    """A separable convolution beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = separable(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x + self.branch(x)
        return found


class Head(nn.Module):
    """The outputs for each cell of one map."""

    def __init__(self, channels: int, scores: int, values: int) -> None:
        super().__init__()
        self.shared = separable(channels, channels)
        self.out = nn.Conv2d(channels, scores + values, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        # A face is rare: at first nearly every cell says so.
        self.out.bias = nn.Parameter(torch.tensor([-4.5] * scores + [0.0] * values))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.out(self.shared(x))
        return found


class DetectorNetwork(nn.Module):
    """Backbone of separable convolutions, a top-down path (Lin et al., 2017), and a head for each stride."""

    def __init__(self, shape: DetectorShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or DetectorShape()
        self.stem = nn.Sequential(nn.Conv2d(1, shape.stem, 3, 2, 1, bias=False), nn.BatchNorm2d(shape.stem), nn.ReLU())
        stages, before = [], shape.stem
        for channels, blocks in zip(shape.channels, shape.blocks, strict=True):
            stages.append(
                nn.Sequential(separable(before, channels, stride=2), *(Residual(channels) for _ in range(blocks)))
            )
            before = channels
        self.stages = nn.ModuleList(stages)
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, shape.neck, 1, bias=False), nn.BatchNorm2d(shape.neck), nn.ReLU())
            for channels in shape.channels[1:]
        )
        self.merge = nn.ModuleList(separable(shape.neck, shape.neck) for _ in range(2))
        self.heads = nn.ModuleList(Head(shape.neck, shape.scores, shape.values) for _ in range(3))

    def forward(self, grey: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised grey pictures (b, 1, h, w) to the three maps."""
        x, maps = self.stem(grey), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        fine, middle, coarse = (lateral(x) for lateral, x in zip(self.lateral, maps[1:], strict=True))
        middle = self.merge[1](middle + F.interpolate(coarse, scale_factor=2.0, mode="nearest"))
        fine = self.merge[0](fine + F.interpolate(middle, scale_factor=2.0, mode="nearest"))
        return self.heads[0](fine), self.heads[1](middle), self.heads[2](coarse)


def normalised(picture: Tensor) -> Tensor:
    """Pictures (b, c, h, w), values 0 to 255, to grey (b, 1, h, w) about 0."""
    return (picture.mean(dim=1, keepdim=True) - 128) / 64


class PictureDetector(nn.Module):
    """The network with its normalisation: what is exported."""

    def __init__(self, network: DetectorNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures (b, c, h, w), values 0 to 255, to the three maps."""
        found: tuple[Tensor, Tensor, Tensor] = self.network(normalised(picture))
        return found
