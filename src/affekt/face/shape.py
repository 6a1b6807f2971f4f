"""Sizes and labels of the face network, known without torch."""

from __future__ import annotations

from dataclasses import dataclass

from affekt.errors import InputError

#: Pixels of a side of the crop.
SIZE = 48
#: FER2013's own labels, in the order of the logits.
LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
#: FER+ has one more.
VOTES = ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")


@dataclass(frozen=True)
class FaceShape:
    """The sizes of :class:`FaceNetwork`.

    Parameters
    ----------
    channels : tuple of int
        Of each stage; every stage has half the pixels of the one before, the first 24 x 24.
    blocks : tuple of int
        Residual blocks of each stage.
    squeeze : int
        By how much the channel attention narrows; 0 for none.
    dropout : float
        Of the pooled features.
    depth_dropout : float
        How often the last block is left out in training; the earlier ones less (Huang et al., 2016).
    """

    channels: tuple[int, ...] = (32, 64, 128, 192)
    blocks: tuple[int, ...] = (1, 2, 2, 2)
    squeeze: int = 4
    dropout: float = 0.2
    depth_dropout: float = 0.1

    def __post_init__(self) -> None:
        if len(self.channels) != len(self.blocks) or min((*self.channels, *self.blocks), default=0) < 1:
            raise InputError(
                f"channels {list(self.channels)} and blocks {list(self.blocks)}; give one positive number of each "
                "for every stage."
            )
