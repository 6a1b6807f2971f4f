"""The network for faces. Grey crop in, logits out; normalisation and mirroring are part of the graph.

Input: ``faces``, float32, shape (b, 48, 48), grey values from 0 to 255. A crop
is square around one upright face, as FER2013 has them: centred on the face,
its side the height of the face box times 1.0 (up to 1.1), scaled to 48 x 48.
Brightness and contrast do not matter: every crop is brought to mean 0 and
deviation 1.

Outputs: ``logits`` (b, 7) of FER2013's own labels, in the order of the card;
``votes`` (b, 8), logits of how ten people would vote (FER+ by Barsoum et al.,
2016), in the order of ``input.votes`` of the card; ``maps`` (b, 7, 3, 3), what
each ninth of the face adds to each label: their mean over the face is
``logits`` less a constant of each label (class activation maps, Zhou et al.,
2016).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affekt.face.shape import LABELS, VOTES, FaceShape


class ChannelAttention(nn.Module):
    """Weighs every channel by a summary of the whole face (squeeze and excitation, Hu et al., 2018)."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.narrow = nn.Linear(channels, max(1, channels // squeeze))
        self.widen = nn.Linear(max(1, channels // squeeze), channels)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.sigmoid(self.widen(F.relu(self.narrow(x.mean(dim=(2, 3))))))
        return x * weights[:, :, None, None]


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al., 2016), randomly skipped during training."""

    def __init__(self, before: int, channels: int, shape: FaceShape, leave_out: float) -> None:
        super().__init__()
        self.leave_out = leave_out
        self.first = nn.Sequential(nn.Conv2d(before, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        last = nn.BatchNorm2d(channels)
        # A block starts as the shortcut only.
        nn.init.zeros_(last.weight)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), last)
        self.attention = ChannelAttention(channels, shape.squeeze) if shape.squeeze else nn.Identity()
        self.shortcut = (
            nn.Identity()
            if before == channels
            else nn.Sequential(nn.Conv2d(before, channels, 1, bias=False), nn.BatchNorm2d(channels))
        )

    def forward(self, x: Tensor) -> Tensor:
        branch = self.attention(self.second(F.relu(self.first(x))))
        if self.training and self.leave_out:
            keep = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.leave_out
            branch = branch * keep.to(branch.dtype) / (1 - self.leave_out)
        return F.relu(self.shortcut(x) + branch)


class FaceNetwork(nn.Module):
    """Residual convolutions over 24, 12, 6 and 3 pixels a side, averaged, and two linear heads.

    Blocks of 2 x 2 pixels become four channels first, so that the largest maps
    are a quarter as large and no information is lost.
    """

    def __init__(self, shape: FaceShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or FaceShape()
        first = shape.channels[0]
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(4, first, 3, padding=1, bias=False), nn.BatchNorm2d(first), nn.ReLU()
        )
        stages: list[nn.Sequential] = []
        before, done = first, 0
        for channels, blocks in zip(shape.channels, shape.blocks, strict=True):
            stage: list[nn.Module] = []
            for _ in range(blocks):
                done += 1
                stage.append(Residual(before, channels, shape, shape.depth_dropout * done / sum(shape.blocks)))
                before = channels
            stages.append(nn.Sequential(*stage))
        self.stages = nn.ModuleList(stages)
        self.dropout = nn.Dropout(shape.dropout)
        self.head = nn.Linear(before, len(LABELS))
        self.votes_head = nn.Linear(before, len(VOTES))

    def features(self, faces: Tensor) -> Tensor:
        """Normalised faces (b, 1, s, s) to the last maps (b, c, s / 16, s / 16)."""
        x: Tensor = self.stem(faces)
        for number, stage in enumerate(self.stages):
            x = stage(F.max_pool2d(x, 2) if number else x)
        return x

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Grey faces (b, s, s), s a multiple of 16, to logits (b, 7) and votes (b, 8)."""
        pooled = self.dropout(self.features(normalised(faces)).mean(dim=(2, 3)))
        return self.head(pooled), self.votes_head(pooled)


def normalised(faces: Tensor) -> Tensor:
    """Grey faces (b, h, w) to mean 0 and deviation 1 each, (b, 1, h, w); a face of one grey becomes 0."""
    centred = faces - faces.mean(dim=(1, 2), keepdim=True)
    deviation = torch.sqrt((centred * centred).mean(dim=(1, 2), keepdim=True))
    return (centred / (deviation + 1.0))[:, None]


class FaceEnsemble(nn.Module):
    """Mean of some networks over a face and its mirror image: what is exported.

    Parameters
    ----------
    networks : sequence of FaceNetwork
    adjustment : tensor, shape (7,), optional
        Added to the logits to make rare labels more likely (Menon et al., Long-tail learning via logit
        adjustment, 2021).
    mirror : bool
        Whether the mirror image is used, too.
    """

    def __init__(
        self, networks: Sequence[FaceNetwork], *, adjustment: Tensor | None = None, mirror: bool = True
    ) -> None:
        super().__init__()
        self.networks, self.mirror = nn.ModuleList(networks), mirror
        self.adjustment = nn.Parameter(torch.zeros(len(LABELS)) if adjustment is None else adjustment.clone(), False)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Grey faces (b, 48, 48) to logits (b, 7), votes (b, 8) and maps (b, 7, 3, 3)."""
        return self.evaluate(normalised(faces))

    def evaluate(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As :meth:`forward`, for faces that are already normalised (b, 1, 48, 48)."""
        count = x.shape[0]  # len() would be frozen in the exported graph
        both = torch.cat([x, x.flip(3)]) if self.mirror else x
        maps: list[Tensor] = []
        votes: list[Tensor] = []
        constant: Tensor = self.adjustment
        for network in self.networks:
            found = network.features(both)  # type: ignore[operator]
            if self.mirror:
                found = (found[:count] + found[count:].flip(3)) / 2
            head: nn.Linear = network.head  # type: ignore[assignment]
            maps.append(F.conv2d(found, head.weight[:, :, None, None]))
            votes.append(network.votes_head(found.mean(dim=(2, 3))))  # type: ignore[operator]
            constant = constant + head.bias / len(self.networks)
        summed = torch.stack(maps).mean(dim=0)
        return summed.mean(dim=(2, 3)) + constant, torch.stack(votes).mean(dim=0), summed
