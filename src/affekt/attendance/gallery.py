"""Faces of the people enrolled, and whose a new one is: one of theirs, or a stranger's.

A person's score is the highest cosine with one of their photos. A face is theirs if the score reaches the gallery's
threshold and nobody else comes close; else it is unknown. The threshold is fitted to the gallery itself: every photo is
taken out in turn and compared with the *other* people, which is how a stranger appears to this gallery.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.types import Estimate

Floats = NDArray[np.float32]

#: Target rate of false accepts (strangers identified as somebody), by which the threshold is chosen.
FALSE_ACCEPTS = 0.01
#: With fewer people nothing is fitted: how alike strangers are cannot be told from them.
FEWEST = 3
#: A fitted threshold may leave at most this share of the enrolled people's photos unknown (unless the embedder's usual
#: threshold is higher): a few people who look alike would otherwise lock everybody out. The rate of false accepts
#: shows what this costs.
MOST_REJECTED = 0.1
#: Photos looked at to fit a threshold; of a larger gallery so many, evenly spread.
MOST_FITTED = 2000
#: Of two people who both reach the threshold, the nearer one has to lead by this cosine, or nobody is named.
MARGIN = 0.005


class Match(NamedTuple):
    """What a gallery says about a face.

    ``name`` is None for a stranger; ``nearest`` is the nearest person in any case, None in an empty gallery. ``reason``
    says why nobody is named.
    """

    name: str | None
    similarity: float
    nearest: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Threshold:
    """The cosine from which on a face is identified as an enrolled person's.

    Parameters
    ----------
    value : float
    false_accepts : Estimate or None
        Share of strangers' faces taken for somebody: each person in turn is a stranger to the others, under the
        threshold fitted without them. ``n`` counts photos; the interval counts people. None with fewer than three.
    false_rejects : Estimate or None
        Share of enrolled people's faces that stay unknown: each photo in turn against the person's others. None where
        nobody has two photos.
    fitted : bool
        False where the embedder's usual threshold is used because there are too few people.
    """

    value: float
    false_accepts: Estimate | None
    false_rejects: Estimate | None
    fitted: bool


class Gallery:
    """The faces enrolled under names.

    Parameters
    ----------
    names : sequence of str, shape (n,)
        Whose each photo is.
    vectors : float32 array, shape (n, d)
        Unit vectors of one embedder.
    usual, least : float
        The threshold of a gallery too small to fit one, and the lowest that may be fitted: those of the embedder.
    target : float
        Share of strangers that may be identified as somebody, above 0 and below 0.5.

    Examples
    --------
    >>> gallery = Gallery(["Ada", "Bo"], np.eye(2, dtype=np.float32), usual=0.9, least=0.8)
    >>> gallery.match(np.float32([[1, 0], [0.7, 0.7]]))[0].name, gallery.match(np.float32([[0.7, 0.7]]))[0].name
    ('Ada', None)
    """

    def __init__(
        self, names: Sequence[str], vectors: Floats, *, usual: float, least: float, target: float = FALSE_ACCEPTS
    ) -> None:
        if len(names) != len(vectors):
            raise InputError(f"{len(names)} names of {len(vectors)} faces; give one name for each face.")
        if not 0 < target < 0.5:
            raise InputError(f"false accepts of {target}; allowed: above 0 and below 0.5, such as 0.01.")
        self.people = tuple(sorted(set(names)))
        numbers = {person: number for number, person in enumerate(self.people)}
        owner = np.array([numbers[name] for name in names], np.intp)
        order = np.argsort(owner, kind="stable")
        self._vectors = np.ascontiguousarray(np.asarray(vectors, np.float32)[order])
        self._owner = owner[order]
        self._starts = np.searchsorted(self._owner, np.arange(len(self.people)))
        self.threshold = self._fitted(usual, least, target)

    def __len__(self) -> int:
        return len(self._vectors)

    def scores(self, vectors: Floats) -> Floats:
        """Score of each person (m, p) for faces (m, d)."""
        found: Floats = np.maximum.reduceat(vectors @ self._vectors.T, self._starts, axis=1)
        return found

    def match(self, vectors: Floats) -> list[Match]:
        """Whose faces (m, d) these are, if all are seen at once: nobody can be in two places.

        Of two faces that are both taken for one person, the nearer one keeps the name.
        """
        if not len(self.people):
            return [Match(None, 0.0, None, "nobody is enrolled") for _ in vectors]
        scores = self.scores(np.asarray(vectors, np.float32))
        taken: dict[int, int] = {}
        found: list[Match] = []
        for row, own in enumerate(scores):
            first, second = _two_best(own)
            match = Match(None, float(own[first]), self.people[first], "unlike everybody enrolled")
            if own[first] >= self.threshold.value:
                if second is not None and own[first] - own[second] < MARGIN:
                    match = match._replace(reason=f"as much like {self.people[second]} as like {self.people[first]}")
                elif first not in taken or own[first] > scores[taken[first], first]:
                    if first in taken:
                        found[taken[first]] = found[taken[first]]._replace(name=None, reason=_TWICE)
                    taken[first] = row
                    match = match._replace(name=self.people[first], reason="")
                else:
                    match = match._replace(reason=_TWICE)
            found.append(match)
        return found

    def similar(self, limit: int = 20) -> list[tuple[str, str, float]]:
        """Pairs of people whose photos reach the threshold with one another, the most alike first.

        They are twins, siblings, or one person under two names; the gallery cannot tell them apart reliably.
        """
        pairs: dict[tuple[int, int], float] = {}
        for person in range(len(self.people)):
            own = self._vectors[self._owner == person]
            best = self.scores(own).max(axis=0)
            for other in np.flatnonzero(best >= self.threshold.value):
                if other > person:
                    pairs[person, int(other)] = float(best[other])
        ranked = sorted(pairs.items(), key=lambda item: -item[1])[:limit]
        return [(self.people[one], self.people[other], score) for (one, other), score in ranked]

    def _fitted(self, usual: float, least: float, target: float) -> Threshold:
        rows: Any = (
            np.unique(np.linspace(0, len(self) - 1, min(len(self), MOST_FITTED)).astype(int)) if len(self) else []
        )
        if not len(rows):
            return Threshold(usual, None, None, False)
        scores, own, owners = self._left_out(np.asarray(rows))
        if len(self.people) < FEWEST:
            return Threshold(usual, None, _rate(own < usual, owners, np.isfinite(own)), False)
        # The two people nearest to each photo beside its own: what is left when one of them is taken out as well.
        nearest = np.argpartition(-scores, 1, axis=1)[:, :2]
        nearest = np.take_along_axis(nearest, np.argsort(-np.take_along_axis(scores, nearest, 1), axis=1), 1)
        best = np.take_along_axis(scores, nearest, axis=1)
        known = own[np.isfinite(own)]
        most = max(usual, float(np.quantile(known, MOST_REJECTED)) if len(known) else usual)
        value = min(most, max(least, _quantile(best[:, 0], owners, target)))
        without = np.empty(len(rows))
        for person in np.unique(owners):
            others = owners != person
            impostors = np.where(nearest[:, 0] == person, best[:, 1], best[:, 0])[others]
            without[~others] = min(most, max(least, _quantile(impostors, owners[others], target)))
        accepted = _rate(best[:, 0] >= without, owners, np.ones(len(rows), bool))
        return Threshold(value, accepted, _rate(own < without, owners, np.isfinite(own)), True)

    def _left_out(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
        """Of photos: scores of the other people (r, p; own -inf), score of the person's other photos (r,), owners."""
        scores, own, owners = [], [], self._owner[rows]
        for row, person in zip(rows, owners, strict=True):
            cosines = (self._vectors @ self._vectors[row]).astype(np.float64)
            cosines[row] = -np.inf
            best = np.maximum.reduceat(cosines, self._starts)
            own.append(best[person] if np.isfinite(best[person]) else np.nan)
            best[person] = -np.inf
            scores.append(best)
        return np.array(scores), np.array(own), owners


_TWICE = "taken for somebody who is seen elsewhere in the same picture"


def _two_best(scores: Floats) -> tuple[int, int | None]:
    first = int(np.argmax(scores))
    if len(scores) < 2:
        return first, None
    rest = scores.copy()
    rest[first] = -np.inf
    return first, int(np.argmax(rest))


def _quantile(impostors: NDArray[np.float64], owners: NDArray[np.intp], target: float) -> float:
    """The score that the next stranger's best score exceeds with the probability ``target``.

    The upper bound of a prediction interval of a normal distribution (Student's t). The degrees of freedom are the
    number of people less one: photos of one person are not independent. Fewer people give a higher bound.
    """
    people, rows = np.unique(owners, return_inverse=True)
    means = np.bincount(rows, impostors) / np.bincount(rows)
    freedom = len(people) - 1
    z = NormalDist().inv_cdf(1 - target)
    # Student's quantile by its expansion around the normal one (Abramowitz & Stegun, 26.7.5).
    student = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    spread = float(impostors.std()) * math.sqrt(1 + 1 / len(people))
    return min(1.0, float(means.mean()) + student * spread)


def _rate(events: NDArray[np.bool_], owners: NDArray[np.intp], counted: NDArray[np.bool_]) -> Estimate | None:
    """Share of events, mean over people; Wilson's 95 % interval for as many draws as people."""
    people = np.unique(owners[counted])
    if not len(people):
        return None
    share = float(np.mean([events[counted & (owners == person)].mean() for person in people]))
    return wilson(share, len(people), int(counted.sum()))


def wilson(share: float, draws: int, n: int) -> Estimate:
    """A share seen in so many independent draws, with its 95 % interval (Wilson, 1927); ``n`` is what is reported.

    Examples
    --------
    >>> wilson(0.0, 30, 90).high.__round__(3)
    0.114
    """
    z = NormalDist().inv_cdf(0.975)
    middle = (share + z**2 / (2 * draws)) / (1 + z**2 / draws)
    half = z * math.sqrt(share * (1 - share) / draws + z**2 / (4 * draws**2)) / (1 + z**2 / draws)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Estimate(share, 0.0 if share == 0 else low, 1.0 if share == 1 else high, n)
