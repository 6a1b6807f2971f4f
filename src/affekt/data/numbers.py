"""People's ratings of valence, arousal and dominance, on the scale of -1 to 1."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from affekt.errors import InputError
from affekt.labels import DIMENSIONS
from affekt.types import Sample

#: Lowest and highest value of a dimension.
SCALE = (-1.0, 1.0)


def has_number(sample: Sample, name: str) -> bool:
    """Whether a sample has something in the column of a dimension.

    Examples
    --------
    >>> has_number(Sample("a", "a.wav", meta={"arousal": "4"}), "arousal")
    True
    """
    return bool(str(sample.meta.get(name, "")).strip())


def numbered(samples: Iterable[Sample]) -> tuple[str, ...]:
    """Those of :data:`affekt.labels.DIMENSIONS` for which at least one sample has a number.

    Examples
    --------
    >>> numbered([Sample("a", "a.wav", meta={"arousal": "4"}), Sample("b", "b.wav")])
    ('arousal',)
    """
    given = list(samples)
    return tuple(name for name in DIMENSIONS if any(has_number(sample, name) for sample in given))


def numbers_instead(samples: Iterable[Sample]) -> str:
    """Advice, as a sentence, for clips that have numbers where labels are needed; empty if they have no numbers.

    Examples
    --------
    >>> numbers_instead([Sample("a", "a.wav", meta={"arousal": "4"})])
    ' There are numbers (arousal): affekt train dimensions learns from these.'
    """
    names = numbered(samples)
    return f" There are numbers ({', '.join(names)}): affekt train dimensions learns from these." if names else ""


def number_of(sample: Sample, name: str, scale: tuple[float, float]) -> float:
    """The number of a sample, rescaled to -1 to 1.

    Raises
    ------
    InputError
        If it is not a number, or lies outside the scale.

    Examples
    --------
    >>> number_of(Sample("a", "a.wav", meta={"arousal": "4"}), "arousal", (1, 7))
    0.0
    """
    low, high = scale
    try:
        value = float(sample.meta[name])
    except ValueError:
        raise InputError(f"{sample.id}: {name} is {sample.meta[name]!r}, which is no number.") from None
    if not low <= value <= high:
        raise InputError(
            f"{sample.id}: {name} is {value:g}, outside {low:g} to {high:g}. Say what the numbers run from and to: "
            "--scale LOW:HIGH, such as --scale 1:7."
        )
    return 2 * (value - low) / (high - low) - 1


def scale_of(text: str) -> tuple[float, float]:
    """``1:7`` as numbers.

    Raises
    ------
    InputError
        If it is not LOW:HIGH.

    Examples
    --------
    >>> scale_of("1:7")
    (1.0, 7.0)
    """
    try:
        low, high = map(float, text.split(":"))
    except ValueError:
        raise InputError(f"--scale is {text!r}; give LOW:HIGH, such as 1:7.") from None
    if not (np.isfinite([low, high]).all() and low < high):
        raise InputError(f"--scale is {text!r}; give a lower and a higher number, such as 1:7.")
    return low, high
