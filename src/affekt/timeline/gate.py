"""After the logits: what a poor signal costs an answer, and why, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.errors import ModelError

#: Below this factor an answer is weak, and says why.
WEAK = 0.9


@dataclass(frozen=True)
class Measure:
    """One thing that can be wrong with a signal, as its modality measures it.

    Parameters
    ----------
    words : callable
        A value to what is said of it.
    poor : callable
        Whether a value is poor enough to be named where the model is not sure and no curve says why.
    rank : int
        Of several poor measures one of the lowest rank is named.
    """

    words: Callable[[float], str]
    poor: Callable[[float], bool]
    rank: int = 0


@dataclass(frozen=True)
class Gate:
    """What each measure costs: curves whose product is a factor on how sure a model is.

    Parameters
    ----------
    curves : mapping of str to (bad, good, floor)
        Of names among ``measures``: ``floor`` at ``bad`` and beyond, 1 from ``good`` on, a straight line between.
        A measure without a curve costs nothing.
    measures : mapping of str to Measure
        The m measures of the modality, in the order of the columns of a table of measures.
    ambiguous : str
        What is said where nothing is wrong with the signal.

    Raises
    ------
    ModelError
        If there is no such measure, or a curve is none.

    Examples
    --------
    >>> short = Measure(lambda x: f"short: {x:.1f} s", lambda x: x < 0.75)
    >>> gate = Gate({"seconds": (0.0, 2.0, 0.5)}, {"seconds": short})
    >>> gate.factors(np.array([[1.0]])), gate.reason(np.array([1.0]), 0.75)
    (array([0.75]), 'short: 1.0 s')
    """

    curves: Mapping[str, tuple[float, float, float]]
    measures: Mapping[str, Measure]
    ambiguous: str = "the expression itself is ambiguous"

    def __post_init__(self) -> None:
        for name, curve in self.curves.items():
            if name not in self.measures:
                raise ModelError(
                    f"a gate on {name!r}; this affekt measures {', '.join(self.measures)}. Upgrade affekt."
                )
            if len(curve) != 3 or not np.isfinite(curve).all() or curve[0] == curve[1] or not 0 < curve[2] <= 1:
                raise ModelError(f"the gate's curve of {name} is {curve}; allowed: bad, good and floor in (0, 1].")

    def costs(self, measures: NDArray[np.float64]) -> NDArray[np.float64]:
        """The factor of every measure (w, m), each in (0, 1]."""
        table, names = np.ones_like(measures), list(self.measures)
        for name, (bad, good, floor) in self.curves.items():
            column = names.index(name)
            table[:, column] = floor + (1 - floor) * ramp(measures[:, column], bad, good)
        return table

    def factors(self, measures: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much of an answer is kept, (w,) in (0, 1], from measures (w, m)."""
        found: NDArray[np.float64] = self.costs(measures).prod(axis=1)
        return found

    def reason(self, measures: NDArray[np.float64], factor: float, *, unsure: bool = False) -> str:
        """Why an answer is weak, from its measures (m,): the one that costs most. Empty where it is strong.

        What no curve is on may still be why the model is not sure: a poor
        signal is named before the expression is called ambiguous.

        Parameters
        ----------
        measures : array, shape (m,)
        factor : float
            What was kept of the answer.
        unsure : bool
            Whether the model itself is not sure.
        """
        values = dict(zip(self.measures, measures.tolist(), strict=True))
        if factor < WEAK:
            name = list(values)[int(self.costs(measures[None])[0].argmin())]
            return self.measures[name].words(values[name])
        if not unsure:
            return ""
        poor = [name for name, measure in self.measures.items() if measure.poor(values[name])]
        if not poor:
            return self.ambiguous
        first = min(poor, key=lambda name: self.measures[name].rank)
        return self.measures[first].words(values[first])


def weakened(scores: NDArray[np.float64], factor: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Scores (..., k) of which only a share (...) is kept; the rest is spread evenly, so no rank changes.

    Examples
    --------
    >>> weakened(np.array([0.8, 0.2]), 0.5)
    array([0.65, 0.35])
    """
    kept = np.asarray(factor)[..., None]
    found: NDArray[np.float64] = kept * scores + (1 - kept) / scores.shape[-1]
    return found


def ramp(values: NDArray[np.float64], bad: float, good: float) -> NDArray[np.float64]:
    """0 at ``bad`` and beyond, 1 from ``good`` on.

    Examples
    --------
    >>> ramp(np.array([5.0, 10.0, 30.0]), 0.0, 20.0)
    array([0.25, 0.5 , 1.  ])
    """
    return np.clip((values - bad) / (good - bad), 0, 1)
