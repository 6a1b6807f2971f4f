"""Making confidence mean what it says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from affekt.models.onnx import softmax


def negative_log_likelihood(logits: NDArray[np.floating], labels: NDArray[np.int64], temperature: float) -> float:
    """Mean of -log p(true label) at a temperature; logits (n, k), labels (n,)."""
    chosen = softmax(logits, temperature)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """The temperature at which the true labels are most likely (Guo et al., On calibration, 2017).

    Parameters
    ----------
    logits : array, shape (n, k)
        Of dev speakers, never of test speakers.
    labels : int array, shape (n,)

    Returns
    -------
    float
        Between 0.05 and 20; above 1 the network was too sure of itself.
    """
    return best_temperature(lambda temperature: negative_log_likelihood(logits, labels, temperature))


def best_temperature(loss: Callable[[float], float]) -> float:
    """Where a loss with one minimum in log T is least; as close as 1e-9, between 0.05 and 20.

    Parameters
    ----------
    loss : callable
        Temperature to a number.

    Examples
    --------
    >>> round(best_temperature(lambda temperature: (temperature - 2) ** 2), 6)
    2.0
    """
    low, high = np.log(0.05), np.log(20.0)
    for _ in range(60):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        if loss(float(np.exp(left))) < loss(float(np.exp(right))):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))
