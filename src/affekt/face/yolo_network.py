"""A detector of several classes with one output, (b, 4 + k, n), as YOLOv8 exports have it.

Input: ``images``, float32 (b, 3, h, w), 0 to 1, sides multiples of 32. Output: ``output0``, for each of n cells of
three strides the centre, width and height of a box in pixels, then k scores from 0 to 1. The backbone is that of
:mod:`affekt.face.detector_network`; only the mean over the channels is used.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from affekt.face.detect import REACH, STRIDES
from affekt.face.detector_network import DetectorNetwork, normalised


class YoloNetwork(nn.Module):
    """The network with its normalisation and its decoding: what is exported.

    Parameters
    ----------
    network : DetectorNetwork
        Its cells give k logits, then four numbers of a box.
    """

    def __init__(self, network: DetectorNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Pictures (b, 3, h, w), 0 to 1, to boxes and scores (b, 4 + k, n)."""
        return decoded(self.network(normalised(255 * images)))


def decoded(maps: Sequence[Tensor]) -> Tensor:
    """Three maps (b, k + 4, h, w) of logits and boxes as (b, 4 + k, n): pixels, then scores."""
    found = []
    for stride, cells in zip(STRIDES, maps, strict=True):
        logits, box = cells[:, :-4], cells[:, -4:]
        # Sums of ones count columns and rows at any size, by an operator that every runtime has.
        ones = torch.ones_like(box[:, :1])
        at = torch.cat([ones.cumsum(3), ones.cumsum(2)], dim=1) - 0.5
        centre = stride * (at + box[:, :2])
        size = REACH * stride * torch.exp(box[:, 2:].clamp(max=4.0))
        found.append(torch.cat([centre, size, torch.sigmoid(logits)], dim=1).flatten(2))
    return torch.cat(found, dim=2)
