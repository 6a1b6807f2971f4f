"""Classification metrics under their usual names: UAR, WA, macro F1, per class, confusion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError, UnknownName

Sums = NDArray[np.floating]


def unweighted_recall(truth: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Mean of the per-class recalls (UAR, balanced accuracy).

    Each class counts the same, however rare: always answering the most
    frequent of k classes scores 1/k.

    Parameters
    ----------
    truth : sequence of str, shape (n,)
        True labels. The classes averaged over are those that occur here.
    predicted : sequence of str or None, shape (n,)
        Predicted labels, in the same order; None (no answer) counts as wrong.

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
    return float(recall_of(tallies(truth, predicted).sum(axis=0)))


def accuracy(truth: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Share of correct answers (weighted accuracy, WA): frequent classes count more.

    Raises
    ------
    InputError
        If the two differ in length, or are empty.

    Examples
    --------
    >>> accuracy(["sad", "sad", "sad", "angry"], ["sad"] * 4)
    0.75
    """
    return float(accuracy_of(tallies(truth, predicted).sum(axis=0)))


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
    return float(f1_of(tallies(truth, predicted).sum(axis=0)))


def per_class(
    truth: Sequence[str], predicted: Sequence[str | None], labels: Sequence[str] = ()
) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each class.

    A class that is never predicted has precision 0; one that never occurs has recall 0.

    Parameters
    ----------
    truth, predicted : sequences, shape (n,)
    labels : sequence of str
        Which classes, in which order; by default the true labels, sorted.

    Returns
    -------
    dict
        Label to ``{"precision": p, "recall": r, "f1": f, "support": n}``.

    Raises
    ------
    InputError
        If truth and predicted differ in length, or are empty.

    Examples
    --------
    >>> per_class(["a", "a", "b"], ["a", "b", "b"])["a"]
    {'precision': 1.0, 'recall': 0.5, 'f1': 0.6666666666666666, 'support': 2}
    """
    sums = tallies(truth, predicted, labels).sum(axis=0)  # (k, 3)
    table = np.nan_to_num(class_scores_of(sums))
    return {
        label: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for label, (p, r, f), n in zip(labels or sorted(set(truth)), table, sums[:, 1], strict=True)
    }


def confusion(truth: Sequence[str], predicted: Sequence[str | None], labels: Sequence[str] = ()) -> NDArray[np.int64]:
    """Confusion matrix: count of each predicted label for each true one.

    Parameters
    ----------
    truth, predicted : sequences, shape (n,)
    labels : sequence of str
        Order of rows and columns; by default the true labels, sorted.

    Returns
    -------
    int64 array, shape (k, k + 1)
        Rows are the truth. The last column counts answers outside ``labels``, and missing answers.

    Raises
    ------
    InputError
        If the two differ in length, or are empty.
    UnknownName
        If a true label is not among ``labels``.

    Examples
    --------
    >>> confusion(["a", "b"], ["b", None]).tolist()
    [[0, 1, 0], [0, 0, 1]]
    """
    true, given, count = encode(truth, predicted, labels)
    return np.bincount(true * (count + 1) + given, minlength=count * (count + 1)).reshape(count, count + 1)


def encode(
    truth: Sequence[str], predicted: Sequence[str | None], labels: Sequence[str] = ()
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Labels as numbers: truth (n,) in [0, k), predicted (n,) in [0, k] with k for anything else, and k."""
    if len(truth) != len(predicted) or not len(truth):
        raise InputError(
            f"{len(truth)} true labels and {len(predicted)} predicted; allowed: as many, and at least one."
        )
    order = {label: i for i, label in enumerate(labels or sorted(set(truth)))}
    if strange := set(truth) - set(order):
        raise UnknownName("true label", sorted(strange)[0], order)
    true = np.array([order[label] for label in truth], np.int64)
    given = np.array([len(order) if label is None else order.get(label, len(order)) for label in predicted], np.int64)
    return true, given, len(order)


def tallies(truth: Sequence[str], predicted: Sequence[str | None], labels: Sequence[str] = ()) -> NDArray[np.float64]:
    """Per-clip indicators from whose sums every metric here is computed: hit, true, predicted.

    Returns
    -------
    array, shape (n, k, 3)
        For each clip and label, 1 where the label is both predicted and true,
        where it is true, and where it is predicted; else 0.
    """
    true, given, count = encode(truth, predicted, labels)
    table = np.zeros((len(true), count + 1, 3))
    rows = np.arange(len(true))
    table[rows, true, 0] = true == given
    table[rows, true, 1] = 1
    table[rows, given, 2] = 1
    return table[:, :count]


def recall_of(sums: Sums) -> NDArray[np.float64]:
    """UAR of summed tallies (..., k, 3): shape (...); the mean is over the classes that occur."""
    recall: NDArray[np.float64] = np.nanmean(class_scores_of(sums)[..., 1], axis=-1)
    return recall


def accuracy_of(sums: Sums) -> NDArray[np.float64]:
    """Share of right answers of summed tallies (..., k, 3): shape (...)."""
    share: NDArray[np.float64] = sums[..., 0].sum(axis=-1) / sums[..., 1].sum(axis=-1)
    return share


def f1_of(sums: Sums) -> NDArray[np.float64]:
    """Macro F1 of summed tallies (..., k, 3): shape (...); the mean is over the classes that occur."""
    f1: NDArray[np.float64] = np.nanmean(class_scores_of(sums)[..., 2], axis=-1)
    return f1


def class_scores_of(sums: Sums) -> NDArray[np.float64]:
    """Precision, recall and F1 of each class of summed tallies (..., k, 3): shape (..., k, 3).

    All three are NaN for a class that does not occur; a class that is never predicted has precision 0.
    """
    hits, support, found = (sums[..., i] for i in range(3))
    occurs = np.where(support > 0, 1.0, np.nan)
    table = (hits / np.maximum(found, 1), hits / np.maximum(support, 1), 2 * hits / np.maximum(found + support, 1))
    return np.stack(table, axis=-1) * occurs[..., None]


Metric = Callable[[Sequence[str], Sequence[str | None]], float]

METRICS: dict[str, Metric] = {
    "UAR": unweighted_recall,
    "WA": accuracy,
    "macro F1": macro_f1,
}

#: The same metrics from summed tallies (..., k, 3), for many resamples at once.
OF_TALLIES: Mapping[Metric, Callable[[Sums], NDArray[np.float64]]] = {
    unweighted_recall: recall_of,
    accuracy: accuracy_of,
    macro_f1: f1_of,
}
