"""The network for text: token numbers in, scores out.

Input: ``tokens``, float32, shape (b, t, 1 + g): for each token, how it is
written, then the table rows of its word or of its n-grams; 0 is
padding and has no effect. :class:`affekt.text.tokens.Vocabulary` makes it.

Outputs: ``logits`` (b, 28), one label of GoEmotions each; ``present`` (b, 28),
logits of whether each label is present, several at once; ``common`` (b, 7),
the same for affekt's labels in alphabetical order; ``dair`` (b, 6), one of the
labels of dair-ai's ``emotion``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    """A table of words, gated convolutions, attention that pools them, and linear heads.

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

    def start(self, vectors: NDArray[np.float32]) -> None:
        """Initialise the table with word vectors (words, embedding)."""
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
        one, present, common, dair = logits.split(SIZES, dim=1)
        return one, present, common, dair


@dataclass(frozen=True, eq=False)
class LinearTables:
    """A linear model of known words and pairs of neighbouring words; the score of a text is divided by its length.

    Parameters
    ----------
    weights : array, shape (words + pairs, k)
        What each says, times its rarity.
    rarity : array, shape (words + pairs,)
        The length of a text is the root of the sum of their squares.
    biases : array, shape (k,)
    """

    weights: NDArray[np.float32]
    rarity: NDArray[np.float32]
    biases: NDArray[np.float32]

    @staticmethod
    def bucket(one: Any, two: Any, pairs: int) -> Any:
        """The bucket of two neighbouring words, by their rows."""
        return (two * _SPREAD + one) % pairs


class LinearVotes(nn.Module):
    """Linear tables as a network, with one byte per weight.

    Parameters
    ----------
    tables : LinearTables
    words : int
        Of the vocabulary; the rest of the tables are pairs.
    """

    def __init__(self, tables: LinearTables, *, words: int) -> None:
        super().__init__()
        self.words, self.pairs = words, len(tables.weights) - words
        # Row 0 is for what is no known word, and no pair of them.
        weights = torch.from_numpy(np.concatenate([np.zeros_like(tables.weights[:1]), tables.weights]))
        rarity = torch.from_numpy(np.concatenate([np.zeros(1, np.float32), tables.rarity]))
        scale = weights.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
        self.register_buffer("weights", (weights / scale).round().to(torch.int8))
        self.register_buffer("scale", scale.half())
        self.register_buffer("power", (rarity**2)[:, None].half())
        self.register_buffer("biases", torch.from_numpy(tables.biases))

    def forward(self, words: Tensor) -> Tensor:
        """Rows of words (b, t), those of n-grams among them, to logits (b, k)."""
        known = ((words >= FIRST) & (words < FIRST + self.words)).long()
        both = known[:, 1:] * known[:, :-1]
        buckets = LinearTables.bucket(words[:, :-1], words[:, 1:], self.pairs)
        rows = torch.cat([known * (words - FIRST + 1), both * (buckets + 1 + self.words)], dim=1)
        said = (self.weights[rows].float() * self.scale[rows].float()).sum(dim=1)  # type: ignore[index]
        length = self.power[rows].float().sum(dim=1).clamp(min=1e-6).sqrt()  # type: ignore[index]
        found: Tensor = said / length + self.biases  # type: ignore[operator]
        return found


class BlendedTextNetwork(nn.Module):
    """What is exported: a trained network whose table has one byte per value, and a linear model beside it.

    Parameters
    ----------
    network : TextNetwork
    tables : LinearTables
        Of ``present``, ``common`` and ``dair``, side by side; what they say of ``present`` counts for ``logits``, too.
    blend : sequence of (float, float)
        For each output, the weights of the network and of the linear model.
    """

    def __init__(
        self, network: TextNetwork, tables: LinearTables, blend: Sequence[tuple[float, float]] = ((1.0, 0.0),) * 4
    ) -> None:
        super().__init__()
        self.network, self.votes = NarrowTextNetwork(network), LinearVotes(tables, words=network.words)
        self.blend = tuple(blend)
        self.eval()

    def forward(self, tokens: Tensor) -> tuple[Tensor, ...]:
        """Numbers of tokens (b, t, 1 + g), whole, to the four outputs."""
        return tuple(
            own * one + other * two for (one, two), (own, other) in zip(self.parts(tokens), self.blend, strict=True)
        )

    def parts(self, tokens: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Of each output what the network says, and what the linear model says."""
        said = self.votes(tokens[:, :, 1].long()).split(SIZES[1:], dim=1)
        answers = self.network(tokens)
        return list(zip(answers, (said[0], *said), strict=True))


class NarrowTextNetwork(TextNetwork):
    """A trained network whose table has one byte per value and one scale per row.

    Parameters
    ----------
    network : TextNetwork
    """

    def __init__(self, network: TextNetwork) -> None:
        buckets = network.table.num_embeddings - FIRST - network.words
        super().__init__(network.shape, words=network.words, buckets=buckets)
        self.load_state_dict(network.state_dict())
        weight = network.table.weight.detach()
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
        self.register_buffer("table_bytes", (weight / scale).round().to(torch.int8))
        self.register_buffer("table_scale", scale)
        del self.table
        self.eval()

    def look_up(self, rows: Tensor) -> Tensor:
        """Rows of the table."""
        return self.table_bytes[rows].float() * self.table_scale[rows]  # type: ignore[index]
