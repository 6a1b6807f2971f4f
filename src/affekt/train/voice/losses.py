"""Losses for corpora that do not share all classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: Large enough that a masked class gets no probability, small enough that nothing becomes infinite.
MASKED = -1e4


def smooth_targets(labels: Tensor, allowed: Tensor, smoothing: float) -> Tensor:
    """One-hot targets, a little of which is shared among the classes the corpus has.

    Parameters
    ----------
    labels : int tensor, shape (b,)
    allowed : bool tensor, shape (b, k)
        Which classes the clip's corpus has.
    smoothing : float
        Share given to all allowed classes together.

    Returns
    -------
    tensor, shape (b, k)
        Rows sum to 1.
    """
    uniform = allowed / allowed.sum(dim=1, keepdim=True)
    return (1 - smoothing) * F.one_hot(labels, allowed.shape[1]) + smoothing * uniform


def masked_cross_entropy(logits: Tensor, targets: Tensor, allowed: Tensor) -> Tensor:
    """Cross-entropy over the classes a clip's corpus has.

    A corpus without ``calm`` says nothing about calm: its clips must not teach
    the network that nobody is ever calm.

    Parameters
    ----------
    logits, targets : tensors, shape (b, k)
        Targets are probabilities, zero where not allowed.
    allowed : bool tensor, shape (b, k)

    Returns
    -------
    tensor, shape ()
    """
    log_probability = F.log_softmax(logits.masked_fill(~allowed, MASKED), dim=1)
    return -(targets * log_probability.masked_fill(~allowed, 0.0)).sum(dim=1).mean()


def corpus_logits(heads: torch.nn.ModuleDict, embedding: Tensor, corpus: Tensor) -> Tensor:
    """For each clip the logits of its own corpus's head; embedding (b, d), corpus (b,) to (b, k)."""
    linear = [head for head in heads.values() if isinstance(head, torch.nn.Linear)]
    weight = torch.stack([head.weight for head in linear])[corpus]
    bias = torch.stack([head.bias for head in linear])[corpus]
    return torch.einsum("bkd,bd->bk", weight, embedding) + bias
