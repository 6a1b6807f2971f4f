"""After the logits: signal quality from measures of the signal, and what is wrong with it, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Below this quality a signal is poor, and says why.
WEAK = 0.6
#: Where the model is not sure, a measure that takes this much of the quality or less is named as well.
POOR = 0.8


@dataclass(frozen=True)
class Measure:
    """One thing that can be wrong with a signal, as its modality measures it.

    Parameters
    ----------
    words : callable
        Maps a value to its description.
    bad, good : float
        The values at which the signal becomes useless, and at which nothing is wrong with it.
    rank : int
        Of measures that leave less than half, those of lowest rank are named: problems that spoil others come first.
    """

    words: Callable[[float], str]
    bad: float
    good: float
    rank: int = 1


@dataclass(frozen=True)
class Rating:
    """How measures become a quality, and a poor one a reason. It changes no score.

    Parameters
    ----------
    measures : mapping of str to Measure
        The m measures of the modality, in the order of the columns of a table of measures.
    ambiguous : str
        What is said where the model is not sure and nothing is wrong with the signal.

    Examples
    --------
    >>> rating = Rating({"seconds": Measure(lambda x: f"short: {x:.1f} s", 0.0, 2.0)})
    >>> rating.qualities(np.array([[1.0]])), rating.reason(np.array([0.5]), 0.4375)
    (array([0.75]), 'short: 0.5 s')
    """

    measures: Mapping[str, Measure]
    ambiguous: str = "the expression itself is ambiguous"

    def shares(self, measures: NDArray[np.float64]) -> NDArray[np.float64]:
        """Factor of each measure (..., m) in the quality: 0 at its bad value and beyond, 1 from its good one on.

        In between, the first steps away from bad gain most: a good enough signal is nearly as good as a perfect one.
        """
        bad, good = np.array([(measure.bad, measure.good) for measure in self.measures.values()]).T
        found: NDArray[np.float64] = 1 - (1 - np.clip((measures - bad) / (good - bad), 0, 1)) ** 2
        return found

    def qualities(self, measures: NDArray[np.float64]) -> NDArray[np.float64]:
        """How usable the signal is, (w,) from 0 (useless) to 1 (clean): the product over the measures (w, m)."""
        found: NDArray[np.float64] = self.shares(measures).prod(axis=1)
        return found

    def reason(self, measures: NDArray[np.float64], quality: float, *, unsure: bool = False) -> str:
        """Why an answer is weak: the worst of its measures (m,). Empty where signal and model are good.

        A minor problem of the signal may still be why the model is not sure,
        so it is named before the expression is called ambiguous.

        Parameters
        ----------
        measures : array, shape (m,)
        quality : float
            The mean over the windows that the measures are the mean of.
        unsure : bool
            Whether the model is not sure.
        """
        if quality >= WEAK and not unsure:
            return ""
        shares = self.shares(measures)
        if quality >= WEAK and shares.min() > POOR:
            return self.ambiguous
        measured = zip(self.measures.values(), measures.tolist(), shares.tolist(), strict=True)
        worst, value, _ = min(measured, key=lambda m: (m[2] >= 0.5, m[0].rank if m[2] < 0.5 else 0, m[2]))
        return worst.words(value)
