"""One Prediction for a whole: the length-weighted mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.timeline.quality import WEAK
from affekt.types import Prediction


class Summary:
    """The mean of predictions weighted by their length, in constant memory.

    Its reason is that of the part with the largest weight: length times the lack
    of quality, or a hundredth of the length if nothing is lacking. One short
    part does not make a long recording poor, so a whole has a reason only if
    its own quality is below ``WEAK`` or it is not sure.

    Examples
    --------
    >>> summary = Summary()
    >>> summary.add(Prediction(0, 3, {"a": 1.0, "b": 0.0}))
    >>> summary.add(Prediction(3, 4, {"a": 0.0, "b": 1.0}))
    >>> summary.prediction().scores
    {'a': 0.75, 'b': 0.25}
    """

    def __init__(self) -> None:
        self._first: Prediction | None = None
        self._labels: tuple[str, ...] = ()
        self._start = self._end = self._threshold = 0.0
        # Rows of scores, quality and 1, weighted by length; and plain, for parts that all have no length.
        self._weighted: NDArray[np.float64] = np.zeros(0)
        self._plain: NDArray[np.float64] = np.zeros(0)
        self._reason, self._cost = "", -1.0
        self._people: set[str | None] = set()

    def add(self, part: Prediction) -> None:
        """Take the next part; one without scores counts for nothing.

        Raises
        ------
        InputError
            If its labels are not those of the parts before.
        """
        if not part.scores:
            return
        if self._first is None:
            self._first, self._labels = part, tuple(part.scores)
            self._start, self._end = part.start, part.end
            self._weighted = self._plain = np.zeros(len(self._labels) + 2)
        self._people.add(part.who)
        if tuple(part.scores) != self._labels:
            raise InputError(
                "the predictions have different labels; summarise those of one model and one set of labels."
            )
        self._start, self._end = min(self._start, part.start), max(self._end, part.end)
        self._threshold = max(self._threshold, part.threshold)
        row = np.array([*part.scores.values(), part.quality, 1.0])
        self._weighted, self._plain = self._weighted + part.duration * row, self._plain + row
        cost = part.duration * max(0.01, 1 - part.quality)
        if part.reason and cost > self._cost:
            self._reason, self._cost = part.reason, cost

    def prediction(self) -> Prediction:
        """Of all parts so far, from the first start to the last end; without any it abstains."""
        if self._first is None:
            return Prediction(0.0, 0.0, {}, quality=0.0)
        *scores, quality, weight = self._weighted if self._weighted[-1] > 0 else self._plain
        whole = replace(
            self._first,
            start=self._start,
            end=self._end,
            scores=dict(zip(self._labels, (np.array(scores) / sum(scores)).tolist(), strict=True)),
            quality=min(1.0, max(0.0, float(quality / weight))),
            threshold=self._threshold,
            reason="",
            who=self._first.who if len(self._people) == 1 else None,
            box=None,
            text=None,
        )
        return replace(whole, reason=self._reason) if whole.quality < WEAK or whole.unsure else whole


def summarise(predictions: Iterable[Prediction]) -> Prediction:
    """One Prediction for a whole recording: the mean of its segments, weighted by their length.

    Parameters
    ----------
    predictions : iterable of Prediction
        With the same labels; may be empty.

    Returns
    -------
    Prediction
        From the first start to the last end. Without predictions it abstains:
        no scores, ``label`` None.

    Raises
    ------
    InputError
        If the labels differ.

    Examples
    --------
    >>> summarise([Prediction(0, 3, {"a": 1.0, "b": 0.0}), Prediction(3, 4, {"a": 0.0, "b": 1.0})]).scores
    {'a': 0.75, 'b': 0.25}
    """
    summary = Summary()
    for part in predictions:
        summary.add(part)
    return summary.prediction()


def summaries(predictions: Iterable[Prediction]) -> dict[str, Prediction]:
    """The summary of each person, by ``who``, in order of appearance; empty where nobody is named.

    Examples
    --------
    >>> one, two = ({"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0})
    >>> found = summaries([Prediction(0, 1, one, who="1"), Prediction(0, 3, two, who="2")])
    >>> [(who, p.label, p.end) for who, p in found.items()]
    [('1', 'a', 1), ('2', 'b', 3)]
    """
    found: dict[str, Summary] = {}
    for part in predictions:
        if part.who is not None:
            found.setdefault(part.who, Summary()).add(part)
    return {who: summary.prediction() for who, summary in found.items()}
