"""Sizes and outputs of the text network, known without torch."""

from __future__ import annotations

from dataclasses import dataclass

from affekt.errors import InputError

#: Of dair-ai's ``emotion`` (Saravia et al., 2018), in alphabetical order.
DAIR = ("anger", "fear", "joy", "love", "sadness", "surprise")
#: Outputs of the graph, in order.
OUTPUTS = ("logits", "present", "common", "dair")


@dataclass(frozen=True)
class TextShape:
    """The sizes of :class:`~affekt.text.network.TextNetwork`.

    Parameters
    ----------
    embedding : int
        Values per word; 100 if initialised from GloVe.
    channels : int
        Of the convolutions.
    blocks : int
        Gated convolutions over three words each.
    heads : int
        Of the attention that pools them; they share the channels.
    hidden : int
        Values between the pooled words and the answers.
    pairs : int
        Buckets of pairs of words in the linear model beside the network; a power of two.
    dropout : float
    unknown : float
        How often a word is treated as unknown in training.
    """

    embedding: int = 100
    channels: int = 128
    blocks: int = 2
    heads: int = 4
    hidden: int = 256
    pairs: int = 1 << 16
    dropout: float = 0.35
    unknown: float = 0.1

    def __post_init__(self) -> None:
        if self.channels % self.heads or self.pairs & (self.pairs - 1) or min(self.channels, self.pairs) < 1:
            raise InputError(
                f"channels {self.channels}, heads {self.heads}, pairs {self.pairs}; the channels are divided among "
                "the heads, and pairs are a power of two."
            )
