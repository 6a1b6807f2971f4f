"""After the logits: windows of a region in, segments of one label out. Written once, for all modalities.

A region is a stretch of time in which there is something to recognise: speech, a face, words. Its windows
overlap; a hop is the time between the starts of two. Each hop gets the mean of all windows that cover it,
and hops of one label make a segment. All positions are whole numbers of samples (or frames, or
milliseconds: whatever the modality counts in), so no time is ever rounded twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from affekt.timeline.quality import Rating
from affekt.types import Prediction


@dataclass(frozen=True)
class Windows:
    """How windows lie in a region.

    Parameters
    ----------
    window, hop : int
        Samples of a window, and between the starts of two.
    rate : int
        Samples per second.
    """

    window: int
    hop: int
    rate: int

    def weights(self) -> NDArray[np.float64]:
        """Weight of a window for each of the hops that it covers: highest in its middle, shape (window / hop,)."""
        reach = math.ceil(self.window / self.hop)
        return np.sin(np.pi * (np.arange(reach) + 0.5) / reach) ** 2


@dataclass(frozen=True)
class Listener:
    """Callbacks for what a stream can report besides segments; each may be None.

    Parameters
    ----------
    hop : callable, optional
        Takes the Prediction of every hop; it always has a label.
    region : callable, optional
        Takes start and end of every region, in seconds.
    logits : callable, optional
        Takes the logits (w, k) of the windows of the region in progress, before
        the temperature, as they come; :func:`window_weights` gives their weights.
    embeddings : callable, optional
        Takes start and end (w, 2), in seconds, and the embeddings (w, d) of these windows, if the model has any.
    """

    hop: Callable[[Prediction], None] | None = None
    region: Callable[[float, float], None] | None = None
    logits: Callable[[NDArray[np.floating]], None] | None = None
    embeddings: Callable[[NDArray[np.float64], NDArray[np.floating]], None] | None = None


@dataclass(frozen=True)
class Decision:
    """How the scores and signal measures of a stretch become a Prediction.

    Parameters
    ----------
    labels : tuple of str
        The k labels of the scores.
    rate : int
        Samples per second.
    modality : str
    rating : Rating, optional
        What is said of a poor signal.
    threshold : float
        Confidence below which there is no label, 0 to 1.
    """

    labels: tuple[str, ...]
    rate: int
    modality: str = "speech"
    rating: Rating | None = None
    threshold: float = 0.0

    def prediction(
        self, start: int, end: int, row: NDArray[np.float64], *, threshold: float | None = None
    ) -> Prediction:
        """Of samples ``start`` to ``end``, from a row (k + 1 or k + 1 + m,): scores, quality, measures of a rating."""
        scores, quality = row[: len(self.labels)], min(1.0, max(0.0, float(row[len(self.labels)])))
        found = Prediction(
            start / self.rate,
            end / self.rate,
            dict(zip(self.labels, scores.tolist(), strict=True)),
            modality=self.modality,
            quality=quality,
            threshold=self.threshold if threshold is None else threshold,
        )
        if self.rating is None:
            return found
        reason = self.rating.reason(row[len(self.labels) + 1 :], quality, unsure=found.unsure)
        return replace(found, reason=reason) if reason else found


class _Segment:
    """A stretch of hops, as the sum of their rows times their length: it takes no more room when it grows."""

    def __init__(self, start: int, end: int, row: NDArray[np.float64]) -> None:
        self.start, self.end, self.hops = start, end, 1
        self.sum = row * (end - start)

    def join(self, later: _Segment) -> None:
        """Take the stretch that follows into this one."""
        self.end, self.hops, self.sum = later.end, self.hops + later.hops, self.sum + later.sum


class Region:
    """Windows of one region in, segments out.

    Neighbouring hops of one label make a segment; a change of label has to
    last before it counts. Windows may come in any pieces: the answer is the
    same to the last bit.

    Parameters
    ----------
    start : int
        The first sample.
    windows : Windows
    decision : Decision
    shortest : int
        Hops that a segment has at least; a shorter one joins its neighbour.
    on_hop : callable, optional
        Takes the Prediction of every hop.

    Attributes
    ----------
    count : int
        Windows taken so far.
    last : array
        The row of the newest window.
    """

    def __init__(
        self,
        start: int,
        windows: Windows,
        decision: Decision,
        *,
        shortest: int = 1,
        on_hop: Callable[[Prediction], None] | None = None,
    ) -> None:
        self.start, self.count = start, 0
        self._windows, self._decision, self._shortest, self._on_hop = windows, decision, shortest, on_hop
        self._weights = windows.weights()
        self._rows: list[NDArray[np.float64]] = []
        self._hops = 0
        # The segment in progress, and after it a change that has not lasted yet.
        self._current: _Segment | None = None
        self._change: _Segment | None = None

    @property
    def last(self) -> NDArray[np.float64]:
        """The row of the newest window."""
        return self._rows[-1]

    def copy(self) -> Region:
        """A copy for trial runs; its hops are not reported to any listener."""
        other = copy(self)
        other._on_hop, other._current, other._change = None, copy(self._current), copy(self._change)
        return other

    def add(self, rows: NDArray[np.float64], end: int) -> list[Prediction]:
        """Take the rows (w, ...) of the next windows; the region reaches to the sample ``end`` or beyond.

        Returns
        -------
        list of Prediction
            The segments that became final.
        """
        done: list[Prediction] = []
        for row in rows:
            self._rows = [*self._rows, row][-len(self._weights) :]
            self.count += 1
            done += self._next_hop(0, end)
        return done

    def finish(self, end: int) -> list[Prediction]:
        """The region ends here: the hops that only the last windows cover, and the last segment."""
        done: list[Prediction] = []
        age = 1
        while self._rows and self.start + self._hops * self._windows.hop < end:
            done += self._next_hop(age, end)
            age += 1
        if self._current is None:
            return done
        # A segment that is too short to stand alone joins the previous one.
        if self._change:
            self._current.join(self._change)
        return [*done, self._answer(self._current)]

    def _next_hop(self, age: int, end: int) -> list[Prediction]:
        """The next hop, of whose windows the newest began ``age`` hops ago; a segment if that ended one."""
        ages = np.arange(len(self._rows))[::-1] + age
        weights = self._weights[np.minimum(ages, len(self._weights) - 1)]
        start = self.start + self._hops * self._windows.hop
        hop = _Segment(start, min(start + self._windows.hop, end), weights @ np.array(self._rows) / weights.sum())
        self._hops += 1
        if self._on_hop:
            self._on_hop(self._answer(hop, threshold=0.0))
        return self._merge(hop)

    def _merge(self, hop: _Segment) -> list[Prediction]:
        if self._current is None:
            self._current = hop
            return []
        label = self._label(hop)
        same = label == self._label(self._current)
        if self._change and (same or label != self._label(self._change)):
            self._current.join(self._change)
            self._change = None
        if same:
            self._current.join(hop)
            return []
        if self._change:
            self._change.join(hop)
        else:
            self._change = hop
        if self._change.hops < self._shortest:
            return []
        if self._current.hops < self._shortest:
            # The region began with too little of one label to stand alone.
            self._current.join(self._change)
            self._change = None
            return []
        ended, self._current, self._change = self._current, self._change, None
        return [self._answer(ended)]

    def _label(self, segment: _Segment) -> int:
        return int(segment.sum[: len(self._decision.labels)].argmax())

    def _answer(self, segment: _Segment, *, threshold: float | None = None) -> Prediction:
        """The mean of the hops, weighted by their length."""
        k = len(self._decision.labels)
        row = np.concatenate([segment.sum[:k] / segment.sum[:k].sum(), segment.sum[k:] / (segment.end - segment.start)])
        return self._decision.prediction(segment.start, segment.end, row, threshold=threshold)


def window_weights(count: int, length: int, windows: Windows) -> NDArray[np.float64]:
    """How many samples each window counts for in the mean of a region.

    Parameters
    ----------
    count : int
        Windows of the region.
    length : int
        Samples of the region.
    windows : Windows
        How they lie.

    Returns
    -------
    array, shape (count,)
        Sums to ``length``.

    Examples
    --------
    >>> window_weights(1, 16_000, Windows(48_000, 6_400, 16_000))
    array([16000.])
    """
    hops: list[Prediction] = []
    # Each window answers with a label of its own, so that the scores of a hop are its weights.
    decision = Decision(tuple(str(i) for i in range(count)), windows.rate)
    region = Region(0, windows, decision, on_hop=hops.append)
    region.add(np.column_stack([np.eye(count), np.ones(count)]), length)
    region.finish(length)
    return windows.rate * sum((p.duration * np.array(list(p.scores.values())) for p in hops), np.zeros(count))
