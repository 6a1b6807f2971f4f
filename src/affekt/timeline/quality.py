"""After the logits: how usable a signal is, from what its modality measures of it, and why not, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Below this quality a signal is poor, and the answer says why.
POOR = 0.6
#: Below this a measure by itself may be why a model is not sure.
NAMED = 0.8


@dataclass(frozen=True)
class Measure:
    """One thing that can be wrong with a signal, as its modality measures it.

    Parameters
    ----------
    words : callable
        A value to what is said of it.
    bad, good : float
        Where nothing is left of the quality, and from where on nothing is lost; a straight line between.
    rank : int
        Of several poor measures one of the lowest rank is named.
    """

    words: Callable[[float], str]
    bad: float
    good: float
    rank: int = 0

    def part(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """What a value leaves of the quality, 0 to 1.

        Examples
        --------
        >>> Measure(str, bad=0.0, good=20.0).part(np.array([5.0, 10.0, 30.0]))
        array([0.25, 0.5 , 1.  ])
        """
        return np.clip((values - self.bad) / (self.good - self.bad), 0, 1)


@dataclass(frozen=True)
class Rating:
    """The measures of a modality, and what they say together.

    Quality says how usable the signal is. It changes no score: on dev speakers
    no factor on the confidence that was learned from these measures gained
    anything, since the scores of a poor signal are low already.

    Parameters
    ----------
    measures : mapping of str to Measure
        In the order of the columns of a table of measures.
    ambiguous : str
        What is said where a model is not sure and nothing is wrong with the signal.

    Examples
    --------
    >>> short = Measure(lambda x: f"short: {x:.1f} s", bad=0.0, good=2.0)
    >>> rating = Rating({"seconds": short})
    >>> rating.qualities(np.array([[1.0]])), rating.reason(np.array([1.0]), 0.5)
    (array([0.5]), 'short: 1.0 s')
    """

    measures: Mapping[str, Measure]
    ambiguous: str = "the expression itself is ambiguous"

    def parts(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each measure leaves of the quality, (..., m)."""
        columns = [measure.part(table[..., i]) for i, measure in enumerate(self.measures.values())]
        return np.stack(columns, axis=-1)

    def qualities(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Quality (w,), 0 (useless) to 1 (nothing wrong), from measures (w, m): the product of what each leaves."""
        found: NDArray[np.float64] = self.parts(table).prod(axis=-1)
        return found

    def reason(self, row: NDArray[np.float64], quality: float, *, unsure: bool = False) -> str:
        """Why an answer is weak, from its measures (m,); empty where the signal is good and the model sure.

        Parameters
        ----------
        row : array, shape (m,)
        quality : float
        unsure : bool
            Whether the model itself is not sure: a poor signal is named before the expression is called ambiguous.
        """
        if quality >= POOR and not unsure:
            return ""
        named = list(zip(self.measures.values(), row.tolist(), self.parts(row).tolist(), strict=True))
        poor = [entry for entry in named if entry[2] < NAMED]
        if not poor and quality >= POOR:
            return self.ambiguous
        measure, value, _ = min(poor or named, key=lambda entry: (entry[0].rank, entry[2]))
        return measure.words(value)
