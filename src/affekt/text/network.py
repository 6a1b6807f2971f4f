"""The network for text: the numbers of tokens in, answers out.

Input: ``tokens``, float32, shape (b, t, 1 + g): of each token how it is
written, then the rows of its word, or of its n-grams, in the table; 0 is
padding, and changes nothing. :class:`affekt.text.tokens.Vocabulary` makes it.

Outputs: ``logits`` (b, 28), one label of GoEmotions each; ``present`` (b, 28),
logits of whether each label is present, several at once; ``common`` (b, 7),
the same of affekt's words in alphabetical order; ``dair`` (b, 6), one of the
labels of dair-ai's ``emotion``.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from affekt.labels import COMMON, GOEMOTIONS
from affekt.text.shape import DAIR, TextShape
from affekt.text.tokens import FIRST

#: Values of the outputs, side by side.
SIZES = (len(GOEMOTIONS), len(GOEMOTIONS), len(COMMON["goemotions"]), len(DAIR))
#: A prime by which pairs of words are spread over their buckets.
_SPREAD = 31_337


class GatedConvolution(nn.Module):
    """What three neighbouring words add to the middle one (gated linear units, Dauphin et al., 2017)."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)
        self.convolution = nn.Conv1d(channels, 2 * channels, 3, padding=1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Words (b, t, c) and which of them are no padding (b, t, 1)."""
        inner = (self.dropout(self.norm(x)) * mask).transpose(1, 2)
        return (x + F.glu(self.convolution(inner), dim=1).transpose(1, 2)) * mask


class TextNetwork(nn.Module):
    """A table of words, convolutions, attention that pools them, and beside them pairs of words that vote directly.

    Parameters
    ----------
    shape : TextShape
    words, buckets : int
        Of the vocabulary.
    """

    def __init__(self, shape: TextShape, *, words: int, buckets: int) -> None:
        super().__init__()
        self.shape, self.words = shape, words
        self.table = nn.Embedding(FIRST + words + buckets, shape.embedding, padding_idx=0, sparse=True)
        nn.init.normal_(self.table.weight, std=0.1)
        with torch.no_grad():
            self.table.weight[:2] = 0
        self.inner = nn.Linear(shape.embedding, shape.channels)
        self.blocks = nn.ModuleList(GatedConvolution(shape.channels, shape.dropout) for _ in range(shape.blocks))
        self.attention = nn.Linear(shape.channels, shape.heads)
        self.value = nn.Linear(shape.channels, shape.channels)
        self.dropout = nn.Dropout(shape.dropout)
        self.hidden = nn.Linear(2 * shape.channels + shape.embedding, shape.hidden)
        self.head = nn.Linear(shape.hidden, sum(SIZES))
        self.pairs = nn.Embedding(shape.pairs, sum(SIZES), sparse=True)
        nn.init.zeros_(self.pairs.weight)

    def start(self, vectors: NDArray[np.float32]) -> None:
        """Begin with vectors of the words (words, embedding)."""
        with torch.no_grad():
            self.table.weight[FIRST : FIRST + self.words] = torch.from_numpy(vectors)

    def vectors(self, tokens: Tensor, words: Tensor) -> Tensor:
        """Numbers of tokens (b, t, 1 + g), and of words (b, t, g), to vectors (b, t, e)."""
        given = (words > 0).unsqueeze(3)
        mean = (self.look_up(words) * given).sum(dim=2) / given.sum(dim=2).clamp(min=1)
        return mean + self.look_up(tokens[:, :, 0])

    def look_up(self, rows: Tensor) -> Tensor:
        """Rows of the table."""
        found: Tensor = self.table(rows)
        return found

    def vote(self, buckets: Tensor) -> Tensor:
        """What pairs of words say by themselves."""
        found: Tensor = self.pairs(buckets)
        return found

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Numbers of tokens (b, t, 1 + g), whole, to the four outputs."""
        tokens = tokens.long()
        return self.answers(tokens, tokens[:, :, 1:])

    def answers(self, tokens: Tensor, words: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As :meth:`forward`, with rows of words (b, t, g) of which some may have given way to those of n-grams."""
        mask = (tokens[:, :, :1] > 0).to(self.head.weight.dtype)  # (b, t, 1)
        vectors = self.vectors(tokens, words)
        x = self.inner(self.dropout(vectors)) * mask
        for block in self.blocks:
            x = block(x, mask)
        hidden = (mask - 1) * 1e4
        weights = (self.attention(x) + hidden).softmax(dim=1)  # (b, t, h)
        width = self.shape.channels // self.shape.heads
        values = self.value(x).unflatten(2, (self.shape.heads, width))  # (b, t, h, c / h)
        attended = (weights.unsqueeze(3) * values).sum(dim=1).flatten(1)
        largest = (x + hidden).amax(dim=1)
        mean = (vectors * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        pooled = torch.cat([attended, largest * mask.amax(dim=1), mean], dim=1)
        logits = self.head(self.dropout(F.gelu(self.hidden(self.dropout(pooled)))))
        logits = logits + self._votes(words)
        one, present, common, dair = logits.split(SIZES, dim=1)
        return one, present, common, dair

    def _votes(self, words: Tensor) -> Tensor:
        """The sum of what neighbouring words of the vocabulary say as pairs."""
        rows = words[:, :, 0]
        known = ((rows > 0) & (rows < FIRST + self.words)).to(self.head.weight.dtype)
        buckets = (rows[:, 1:] * _SPREAD + rows[:, :-1]) % self.shape.pairs
        both = (known[:, 1:] * known[:, :-1]).unsqueeze(2)
        return (self.vote(buckets) * both).sum(dim=1)


class NarrowTextNetwork(TextNetwork):
    """A trained network whose tables keep a byte a value, and a scale a row: what is exported.

    Parameters
    ----------
    network : TextNetwork
    """

    def __init__(self, network: TextNetwork) -> None:
        buckets = network.table.num_embeddings - FIRST - network.words
        super().__init__(network.shape, words=network.words, buckets=buckets)
        self.load_state_dict(network.state_dict())
        for name in ("table", "pairs"):
            weight = getattr(network, name).weight.detach()
            scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
            self.register_buffer(f"{name}_bytes", (weight / scale).round().to(torch.int8))
            self.register_buffer(f"{name}_scale", scale)
            delattr(self, name)
        self.eval()

    def look_up(self, rows: Tensor) -> Tensor:
        """Rows of the table."""
        return self.table_bytes[rows].float() * self.table_scale[rows]  # type: ignore[index]

    def vote(self, buckets: Tensor) -> Tensor:
        """What pairs of words say by themselves."""
        return self.pairs_bytes[buckets].float() * self.pairs_scale[buckets]  # type: ignore[index]
