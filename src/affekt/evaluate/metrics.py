"""Classification metrics by the field's names: UAR, WA, macro F1, confusion."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError


def unweighted_recall(truth: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Mean of the per-class recalls (UAR, balanced accuracy).

    Each class counts the same however rare it is: always answering the most
    frequent of k classes scores 1/k.

    Parameters
    ----------
    truth : sequence of str, shape (n,)
        True labels. The classes averaged over are those that occur here.
    predicted : sequence of str or None, shape (n,)
        Predicted labels, in the same order; None (no answer) is wrong.

    Returns
    -------
    float
        Between 0 and 1; chance is 1 / number of classes.

    Raises
    ------
    InputError
        If the two differ in length, or are empty.

    Examples
    --------
    >>> unweighted_recall(["sad", "sad", "sad", "angry"], ["sad"] * 4)
    0.5
    """
    matrix = confusion(truth, predicted)
    return float(np.mean(np.diag(matrix) / matrix.sum(axis=1)))


def accuracy(truth: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Share of right answers (weighted accuracy, WA): frequent classes count more.

    Raises
    ------
    InputError
        If the two differ in length, or are empty.

    Examples
    --------
    >>> accuracy(["sad", "sad", "sad", "angry"], ["sad"] * 4)
    0.75
    """
    matrix = confusion(truth, predicted)
    return float(np.trace(matrix) / matrix.sum())


def macro_f1(truth: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Mean over the true classes of the harmonic mean of precision and recall.

    Raises
    ------
    InputError
        If the two differ in length, or are empty.

    Examples
    --------
    >>> macro_f1(["sad", "angry"], ["sad", "angry"])
    1.0
    """
    matrix = confusion(truth, predicted)
    classes = len(matrix)
    hits = np.diag(matrix)
    found = matrix[:, :classes].sum(axis=0)
    return float(np.mean(2 * hits / (found + matrix.sum(axis=1))))


def confusion(truth: Sequence[str], predicted: Sequence[str | None], labels: Sequence[str] = ()) -> NDArray[np.int64]:
    """Count of each predicted label for each true one.

    Parameters
    ----------
    truth, predicted : sequences, shape (n,)
    labels : sequence of str
        Order of rows and columns; by default the true labels, sorted.

    Returns
    -------
    int64 array, shape (k, k + 1)
        Rows are the truth. The last column counts answers outside ``labels``, and none at all.

    Raises
    ------
    InputError
        If the two differ in length, or are empty.

    Examples
    --------
    >>> confusion(["a", "b"], ["b", None]).tolist()
    [[0, 1, 0], [0, 0, 1]]
    """
    if len(truth) != len(predicted) or not len(truth):
        raise InputError(
            f"{len(truth)} true labels and {len(predicted)} predicted; allowed: as many, and at least one."
        )
    order = {label: i for i, label in enumerate(labels or sorted(set(truth)))}
    matrix = np.zeros((len(order), len(order) + 1), np.int64)
    for true, given in zip(truth, predicted, strict=True):
        matrix[order[true], order.get(given, len(order)) if given is not None else len(order)] += 1
    return matrix


METRICS: dict[str, Callable[[Sequence[str], Sequence[str | None]], float]] = {
    "UAR": unweighted_recall,
    "WA": accuracy,
    "macro F1": macro_f1,
}
