"""After the logits: what a poor signal costs an answer, and why, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import ModelError
from affekt.types import Prediction

#: Below this factor an answer is weak, and says why.
WEAK = 0.9


NAMES = ("snr", "clipped", "bandwidth", "share", "seconds")


#: What is said of each, with its value.
WORDS: dict[str, Callable[[float], str]] = {
    "snr": lambda x: f"noise or echo: the speech is {x:.0f} dB above it",
    "clipped": lambda x: f"clipped: {100 * x:.{0 if x >= 0.01 else 1}f} % of the signal",
    "bandwidth": lambda x: f"narrow band: nothing above {x / 1000:.1f} kHz",
    "share": lambda x: f"mostly pauses: {100 * x:.0f} % of it is speech",
    "seconds": lambda x: f"short: {x:.1f} s without its pauses",
}


#: From where on a signal is poor enough to be named, where the model is not sure and no curve says why.
POOR: dict[str, Callable[[float], bool]] = {
    "snr": lambda x: x < 10,
    "clipped": lambda x: x > 0.02,
    "bandwidth": lambda x: x < 4000,
    "seconds": lambda x: x < 0.75,
    "share": lambda x: x < 0.3,
}


#: What is said where nothing is wrong with the signal.
AMBIGUOUS = "the voice itself is ambiguous"


@dataclass(frozen=True)
class Gate:
    """What each measure costs: curves whose product is a factor on how sure a model is.

    Parameters
    ----------
    curves : mapping of str to (bad, good, floor)
        Of names among :data:`NAMES`: ``floor`` at ``bad`` and beyond, 1 from ``good`` on, a straight line between.
        A measure without a curve costs nothing.

    Raises
    ------
    ModelError
        If there is no such measure, or a curve is none.

    Examples
    --------
    >>> gate = Gate({"seconds": (0.0, 2.0, 0.5)})
    >>> gate.factors(np.array([[40.0, 0.0, 8000.0, 0.8, 1.0]]))
    array([0.75])
    """

    curves: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, curve in self.curves.items():
            if name not in NAMES:
                raise ModelError(f"a gate on {name!r}; this affekt measures {', '.join(NAMES)}. Upgrade affekt.")
            if len(curve) != 3 or not np.isfinite(curve).all() or curve[0] == curve[1] or not 0 < curve[2] <= 1:
                raise ModelError(f"the gate's curve of {name} is {curve}; allowed: bad, good and floor in (0, 1].")

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Gate | None:
        """The gate of a model's card; None where it has none."""
        return cls({name: tuple(curve) for name, curve in table["curves"].items()}) if table else None

    def costs(self, measures: NDArray[np.float64]) -> NDArray[np.float64]:
        """The factor of every measure (w, 5), each in (0, 1]."""
        table = np.ones_like(measures)
        for name, (bad, good, floor) in self.curves.items():
            column = NAMES.index(name)
            table[:, column] = floor + (1 - floor) * _ramp(measures[:, column], bad, good)
        return table

    def factors(self, measures: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much of an answer is kept, (w,) in (0, 1], from measures (w, 5)."""
        return self.costs(measures).prod(axis=1)

    def reason(self, measures: NDArray[np.float64], factor: float, *, unsure: bool = False) -> str:
        """Why an answer is weak, from its measures (5,): the one that costs most. Empty where it is strong.

        What no curve is on may still be why the model is not sure: a poor
        signal is named before the voice is called ambiguous.

        Parameters
        ----------
        measures : array, shape (5,)
        factor : float
            What was kept of the answer.
        unsure : bool
            Whether the model itself is not sure.
        """
        if factor < WEAK:
            named = NAMES[int(self.costs(measures[None])[0].argmin())]
        elif not unsure:
            return ""
        else:
            named = next((name for name, poor in POOR.items() if poor(measures[NAMES.index(name)])), "")
        return WORDS[named](float(measures[NAMES.index(named)])) if named else AMBIGUOUS


class Weakest:
    """Why an answer about a whole is weak: of the reasons of its parts the one that costs most.

    Cost is length times what was not kept, or a hundredth where all was kept.
    One short part does not make a long recording weak, so a whole has a reason
    only if it kept less than ``WEAK`` or is not sure.

    Examples
    --------
    >>> weakest = Weakest()
    >>> weakest.add(Prediction(0, 1, {}, quality=0.8, reason="one"))
    >>> weakest.add(Prediction(1, 2, {}, quality=0.2, reason="two"))
    >>> weakest.reason(0.5), weakest.reason(1.0)
    ('two', '')
    """

    def __init__(self) -> None:
        self._told, self._cost = "", -1.0

    def add(self, part: Prediction) -> None:
        """Take the next part."""
        cost = part.duration * max(0.01, 1 - part.quality)
        if part.reason and cost > self._cost:
            self._told, self._cost = part.reason, cost

    def reason(self, quality: float, *, unsure: bool = False) -> str:
        """Of a whole that kept so much of its parts; empty where no part had a reason."""
        return self._told if quality < WEAK or unsure else ""


def weakened(scores: NDArray[np.float64], factor: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Scores (..., k) of which only a share (...) is kept; the rest is spread evenly, so no rank changes.

    Examples
    --------
    >>> weakened(np.array([0.8, 0.2]), 0.5)
    array([0.65, 0.35])
    """
    kept = np.asarray(factor)[..., None]
    return kept * scores + (1 - kept) / scores.shape[-1]


def _ramp(values: NDArray[np.float64], bad: float, good: float) -> NDArray[np.float64]:
    """0 at ``bad`` and beyond, 1 from ``good`` on."""
    return np.clip((values - bad) / (good - bad), 0, 1)
