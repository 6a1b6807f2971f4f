"""Speaker baselines: how a speaker usually sounds, for a model that compares speech with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError

#: Kinds of speech a baseline can come from, by their number in the model; 0 is none.
KINDS = {"any": 1, "neutral": 2}
#: Seconds of speech below which a baseline says too little; a little of any speech tells an emotion, not a speaker.
LEAST_SECONDS = {"any": 8.0, "neutral": 1.0}


@dataclass(frozen=True)
class Baseline:
    """How a speaker usually sounds.

    It is an embedding computed by the model: it reveals no words, but may
    distinguish speakers, so treat it as personal data.

    Parameters
    ----------
    kind : str
        ``neutral``: from speech known to be without emotion. ``any``: from
        any speech of the speaker, unlabelled.
    mean : float array, shape (d,)
        Mean embedding of the windows of that speech.
    seconds : float
        How much speech it was.

    Raises
    ------
    InputError
        If the kind does not exist.
    """

    kind: str
    mean: NDArray[np.float64]
    seconds: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"a baseline of kind {self.kind!r}; allowed: {', '.join(KINDS)}.")

    @property
    def row(self) -> NDArray[np.float32]:
        """As the model takes it, shape (1 + d,)."""
        return np.concatenate([[KINDS[self.kind]], self.mean]).astype(np.float32)


class Accumulator:
    """Sums the embeddings of regions of speech until they make a baseline.

    Examples
    --------
    >>> accumulator = Accumulator()
    >>> accumulator.add(np.ones((3, 2)), 9.0)
    >>> accumulator.baseline().mean
    array([1., 1.])
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._sum: NDArray[np.float64] | float = 0.0

    def add(self, embeddings: NDArray[np.floating], seconds: float) -> None:
        """Take the embeddings (w, d) of a region's windows; a region counts by its length."""
        if len(embeddings):
            self._sum = self._sum + seconds * embeddings.mean(axis=0, dtype=np.float64)
            self.seconds += seconds

    def join(self, other: Accumulator) -> None:
        """Take what another has accumulated."""
        self._sum, self.seconds = self._sum + other._sum, self.seconds + other.seconds

    @property
    def mean(self) -> NDArray[np.float64] | None:
        """The mean embedding (d,) so far, each region counting by its length; None while there is no speech."""
        return np.asarray(self._sum) / self.seconds if self.seconds else None

    def baseline(self, kind: str = "any") -> Baseline | None:
        """The baseline so far; None while there is less than ``LEAST_SECONDS`` of its kind."""
        if self.seconds < LEAST_SECONDS[kind]:
            return None
        return Baseline(kind, np.asarray(self._sum) / self.seconds, self.seconds)
