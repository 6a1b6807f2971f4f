"""A map of clips by their features, and what they cluster by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt._optional import require
from affekt.types import Sample

FEWEST_FOR_MAP = 10  # clips


@dataclass(frozen=True, eq=False)
class Measures:
    """What was measured in one clip.

    Parameters
    ----------
    sample : Sample
    level : float
        Root mean square in dB below full scale; -120 for silence.
    bands : float array, shape (19,)
        Mean square in third octaves around ``CENTRES``, full scale 1.
    pitch : float
        Median in hertz over the voiced frames; NaN if there are none.
    vector : float array, shape (d,)
        The features that the map is made from.
    """

    sample: Sample
    level: float
    bands: NDArray[np.float64]
    pitch: float
    vector: NDArray[np.floating]


@dataclass(frozen=True)
class Grouping:
    """How well the clips of one group cluster, all features standardised.

    Parameters
    ----------
    by : str
        ``label`` or ``speaker``; ``label of other speakers`` uses the nearest clip of another speaker.
    groups : int
        How many there are.
    neighbour : float
        Share of the clips whose nearest clip is of their own group.
    chance : float
        The same share, if the nearest clip were chosen at random.
    silhouette : float
        -1 to 1; 0 means that a clip is as near to another group as to its own
        (Rousseeuw, Silhouettes, 1987). NaN for ``label of other speakers``.
    """

    by: str
    groups: int
    neighbour: float
    chance: float
    silhouette: float = float("nan")

    @property
    def lift(self) -> float:
        """How far ``neighbour`` is from chance (0) to certainty (1)."""
        return (self.neighbour - self.chance) / (1 - self.chance) if self.chance < 1 else 0.0


@dataclass(frozen=True, eq=False)
class Map:
    """All measured clips as points in a plane; near points have similar features.

    Parameters
    ----------
    points : float array, shape (n, 2)
        By t-SNE: distances within a cluster mean something, those between clusters little.
    samples : tuple of Sample
    groupings : tuple of Grouping
        Measured among the features themselves, not among the points.
    """

    points: NDArray[np.float64]
    samples: tuple[Sample, ...]
    groupings: tuple[Grouping, ...]

    @property
    def tied(self) -> float:
        """Share of the clips whose speaker has one emotion only: there, speaker and emotion are confounded."""
        labels_of: dict[str | None, set[str | None]] = {}
        for sample in self.samples:
            labels_of.setdefault(sample.speaker, set()).add(sample.label)
        return float(np.mean([s.speaker is not None and len(labels_of[s.speaker]) == 1 for s in self.samples]))


def map_of(measures: Sequence[Measures], rng: np.random.Generator) -> Map | None:
    """Map clips to a plane by t-SNE, and measure what they cluster by; ``None`` for fewer than ten.

    van der Maaten & Hinton, Visualizing data using t-SNE, 2008.

    Parameters
    ----------
    measures : sequence of Measures
    rng : numpy Generator
        Only its first number is used.
    """
    seed = int(rng.integers(2**31))
    if len(measures) < FEWEST_FOR_MAP:
        return None
    features = standardised(np.stack([m.vector for m in measures]))
    tsne = require("sklearn.manifold", extra="lab").TSNE(
        perplexity=min(30.0, (len(features) - 1) / 3), init="pca", random_state=seed
    )
    samples = tuple(m.sample for m in measures)
    # One thread: on a busy machine, several would wait for one another and take many times as long.
    with require("threadpoolctl", extra="lab").threadpool_limits(1, user_api="openmp"):
        points = tsne.fit_transform(features)
    return Map(points, samples, groupings(samples, features))


def standardised(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Each column (n, d) with mean 0 and deviation 1; columns that never change are 0."""
    centred = np.asarray(features, np.float64) - np.mean(features, axis=0, dtype=np.float64)
    deviation = centred.std(axis=0)
    return centred / np.where(deviation > 1e-12, deviation, 1.0)


def groupings(samples: Sequence[Sample], features: NDArray[np.float64]) -> tuple[Grouping, ...]:
    """How well clips of one emotion, and of one speaker, cluster.

    Parameters
    ----------
    samples : sequence of Sample
    features : float array, shape (n, d)
        Standardised.

    Returns
    -------
    tuple of Grouping
        By ``label``, by ``speaker`` and by ``label of other speakers``, as far as possible:
        there must be at least two groups, and fewer groups than clips.
    """
    distance = require("sklearn.metrics", extra="lab").pairwise_distances(features)
    np.fill_diagonal(distance, np.inf)
    labels, speakers = (np.array([getattr(s, by) or "" for s in samples]) for by in ("label", "speaker"))
    others = (speakers[:, None] != speakers) & (speakers != "") & (speakers != "")[:, None]
    found = [
        _grouping("label", labels, distance, np.ones_like(others)),
        _grouping("speaker", speakers, distance, np.ones_like(others)),
        _grouping("label of other speakers", labels, distance, others),
    ]
    return tuple(grouping for grouping in found if grouping)


def _grouping(
    by: str, names: NDArray[np.str_], distance: NDArray[np.float64], allowed: NDArray[np.bool_]
) -> Grouping | None:
    """One grouping; ``allowed`` (n, n) says which clips may be neighbours."""
    allowed = allowed & (names != "") & (names != "")[:, None] & np.isfinite(distance)
    asked = allowed.any(axis=1)
    groups = len(set(names[asked]))
    if not 2 <= groups < asked.sum():
        return None
    same = names[:, None] == names
    nearest = np.where(allowed, distance, np.inf).argmin(axis=1)
    hit = same[np.arange(len(names)), nearest][asked].mean()
    chance = ((same & allowed).sum(axis=1)[asked] / allowed.sum(axis=1)[asked]).mean()
    silhouette = float("nan")
    if allowed.sum() == asked.sum() * (asked.sum() - 1):  # all but itself
        between = np.where(np.isfinite(distance), distance, 0)[np.ix_(asked, asked)]
        score = require("sklearn.metrics", extra="lab").silhouette_score
        silhouette = float(score(between, names[asked], metric="precomputed"))
    return Grouping(by, groups, float(hit), float(chance), silhouette)
