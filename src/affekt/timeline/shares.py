"""Overview of a long recording: the seconds and the share of each label, over time and for each person.

The mean of different moods is not a mood: ten minutes angry and ten minutes happy are not twenty minutes of neither.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from affekt.errors import InputError
from affekt.types import Prediction

#: Seconds that a bin may have: minutes, and rounder the longer the recording is.
MINUTES = (60, 120, 300, 600, 900, 1800, 3600, 7200)
#: Bins at most, where nobody asks for a width.
MOST_BINS = 60
#: Maximum number of segments to take in at a glance. With more, the terminal and the page (which gets this number)
#: show shares first.
FEW = 3
#: By modality: what a share is one of, and what the time without it is called.
JUDGED = {
    "speech": "speech",
    "face": "the time with a face",
    "text": "the time with words",
    "fusion": "the time with somebody",
}
NOTHING = {"speech": "silence", "face": "no face", "text": "no words", "fusion": "nobody"}


@dataclass(frozen=True, repr=False)
class Shares:
    """How the time of ``[start, end)`` is divided among the labels.

    The labels, ``unsure`` and ``silence`` add up to the duration. When several people speak or are visible at once,
    the time is divided equally among them. In ``people`` each person has all of their own time, so these add up
    to more.

    Parameters
    ----------
    start, end : float
        Seconds, half-open.
    seconds : mapping of str to float
        Label to seconds, in the model's order; 0 for those that never occur.
    unsure : float
        Seconds in which there is something to judge, and the model is not sure.
    silence : float
        Seconds in which there is nothing to judge: nobody speaks, is seen, or writes.
    bins : tuple of Shares
        The same for stretches of equal length, in order; the last may be shorter. Empty if there would be only one.
    people : mapping of str to Shares
        The same for each person by ``who``, in order of appearance; empty where nobody is told apart.

    Examples
    --------
    >>> found = Shares(0, 60, {"happy": 10.0, "sad": 20.0}, unsure=10.0, silence=20.0)
    >>> found.most_frequent, found.share, found.unsure_share
    ('sad', {'happy': 0.25, 'sad': 0.5}, 0.25)
    """

    start: float
    end: float
    seconds: Mapping[str, float]
    unsure: float = 0.0
    silence: float = 0.0
    bins: tuple[Shares, ...] = ()
    people: Mapping[str, Shares] = field(default_factory=dict)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    @property
    def answered(self) -> float:
        """Seconds with something to judge (speech, a face, words): the labels and ``unsure``, without ``silence``."""
        return sum(self.seconds.values()) + self.unsure

    @property
    def share(self) -> dict[str, float]:
        """Label to its share of ``answered``, 0 to 1; with ``unsure_share`` they sum to 1. All 0 in silence."""
        total = self.answered
        return {label: seconds / total if total else 0.0 for label, seconds in self.seconds.items()}

    @property
    def unsure_share(self) -> float:
        """The share of ``answered`` in which the model is not sure."""
        return self.unsure / self.answered if self.answered else 0.0

    @property
    def most_frequent(self) -> str | None:
        """The label with the most seconds, however many are unsure; None where the model is never sure."""
        best = max(self.seconds, key=self.seconds.__getitem__, default=None)
        return best if best is not None and self.seconds[best] > 0 else None

    def __repr__(self) -> str:
        """For printing: each label's share of the time that could be judged, the largest first."""
        said = {**self.share, "not sure": self.unsure_share}
        parts = [
            f"{name} {'< 1' if share <= 0.005 else round(100 * share)} %"
            for name, share in sorted(said.items(), key=lambda part: -part[1])
            if share
        ]
        words = ", ".join(parts) or "nothing to judge"
        return f"<Shares {self.start:.1f}-{self.end:.1f} s: {words}; {self.silence:.1f} s of silence>"


def shares_of(
    predictions: Iterable[Prediction], duration: float, *, labels: Sequence[str], every: float | None = None
) -> Shares:
    """Divide the time of a recording among its labels.

    Parameters
    ----------
    predictions : iterable of Prediction
        Segments in any order; with several modalities, only the fused ones count.
    duration : float
        Seconds of the recording; what lies beyond does not count.
    labels : sequence of str
        The model's labels, in its order; others that occur come after them.
    every : float, optional
        Seconds of a bin; by default a minute, or as many minutes as keep them to ``MOST_BINS``.

    Raises
    ------
    InputError
        If bins have no length.

    Examples
    --------
    >>> spoken = [Prediction(0, 30, {"happy": 0.75, "sad": 0.25}), Prediction(60, 90, {"happy": 0.25, "sad": 0.75})]
    >>> found = shares_of(spoken, 120, labels=["happy", "sad"])
    >>> found.seconds, found.silence, [part.most_frequent for part in found.bins]
    ({'happy': 30.0, 'sad': 30.0}, 60.0, ['happy', 'sad'])
    """
    if every is not None and not every > 0:
        raise InputError(f"bins of {every} s; give seconds, more than 0.")
    counted = deciding(predictions)
    width = every or bin_width(duration)
    labels = list(dict.fromkeys([*labels, *(p.label for p in counted if p.label is not None)]))
    people = {who: [p for p in counted if p.who == who] for who in dict.fromkeys(p.who for p in counted)}
    whole = _binned(counted, duration, labels, width)
    by_name = {who: _binned(part, duration, labels, width) for who, part in people.items() if who is not None}
    return replace(whole, people=by_name)


def deciding(predictions: Iterable[Prediction]) -> list[Prediction]:
    """The predictions that may be added up: the fused ones if there are several modalities, else all."""
    predictions = list(predictions)
    several = len({p.modality for p in predictions}) > 1
    return [p for p in predictions if p.modality == "fusion"] if several else predictions


def bin_width(duration: float, *, widths: Sequence[float] = MINUTES, most: int = MOST_BINS) -> float:
    """The shortest allowed bin width, in seconds, that gives no more than the maximum number of bins.

    Examples
    --------
    >>> bin_width(20 * 60), bin_width(3 * 3600)
    (60, 300)
    """
    return next((width for width in widths if duration <= most * width), max(widths[-1], duration / most))


def _binned(predictions: Sequence[Prediction], duration: float, labels: Sequence[str], width: float) -> Shares:
    (whole,) = _divided(predictions, [0.0, duration], labels)
    # By multiplication: the error of a thousand additions would move the last edges.
    edges = [0.0]
    while (edge := len(edges) * width) < duration:
        edges.append(edge)
    return replace(whole, bins=tuple(_divided(predictions, [*edges, duration], labels)) if len(edges) > 1 else ())


def _divided(predictions: Sequence[Prediction], edges: Sequence[float], labels: Sequence[str]) -> list[Shares]:
    """The time between each two edges, divided among what is going on at each moment."""
    end = edges[-1]
    changes: dict[float, list[tuple[str | None, int]]] = defaultdict(list)
    for p in predictions:
        if p.scores and p.start < min(p.end, end):
            changes[p.start].append((p.label, 1))  # None: not sure
            changes[min(p.end, end)].append((p.label, -1))
    found: list[dict[str | None, float]] = [defaultdict(float) for _ in edges[1:]]
    active: Counter[str | None] = Counter()
    number = 0
    for here, following in pairwise(sorted({*edges, *changes})):
        for label, step in changes[here]:
            active[label] += step
        if here >= edges[number + 1]:
            number += 1
        at_once = active.total()
        for label, count in active.items() if at_once else ():
            found[number][label] += (following - here) * count / at_once
    rows = zip(pairwise(edges), found, strict=True)
    return [
        Shares(a, b, {label: row[label] for label in labels}, row[None], max(0.0, b - a - sum(row.values())))
        for (a, b), row in rows
    ]
