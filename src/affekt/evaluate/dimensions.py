"""Derived valence, arousal and dominance against numbers that people gave, where a corpus has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from affekt.errors import InputError
from affekt.labels import DIMENSIONS
from affekt.metrics.dimensions import dimension_metrics
from affekt.metrics.slices import speaker_of
from affekt.types import Prediction, Report, Sample

#: What dimensions run from and to.
SCALE = (-1.0, 1.0)


def with_dimensions(
    report: Report,
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    *,
    scale: tuple[float, float] | None = None,
) -> Report:
    """A report with ``CCC``, ``RMSE`` and ``pairs in order`` of each dimension that samples have a number of.

    Parameters
    ----------
    report : Report
    samples : sequence of Sample
        Their ``meta`` may have ``valence``, ``arousal`` and ``dominance``; cells that are empty do not count.
    predictions : sequence of Prediction
        One per sample; those without dimensions do not count.
    scale : (low, high), optional
        What the numbers run from and to; RMSE is in units of -1 to 1. By default they are taken for -1 to 1, and a
        column that is something else is left out with a warning: it may be there for another reason.

    Raises
    ------
    InputError
        If a scale is given, and a cell is no number or lies outside it.
    """
    metrics, warnings = dict(report.metrics), list(report.warnings)
    for name in DIMENSIONS:
        try:
            rows = [
                (number_of(sample, name, scale or SCALE), prediction.dimensions[name], speaker_of(sample))
                for sample, prediction in zip(samples, predictions, strict=True)
                if str(sample.meta.get(name, "")).strip() and prediction.dimensions
            ]
        except InputError as error:
            if scale:
                raise
            warnings.append(f"{name} was not compared. {error}")
            continue
        if len(rows) > 1:
            truth, said, speakers = zip(*rows, strict=True)
            found = dimension_metrics(truth, said, groups=speakers, rng=np.random.default_rng(0))
            metrics |= {f"{metric}, {name}": estimate for metric, estimate in found.items()}
    return replace(report, metrics=metrics, warnings=tuple(warnings))


def number_of(sample: Sample, name: str, scale: tuple[float, float]) -> float:
    """The number of a sample as -1 to 1.

    Raises
    ------
    InputError
        If it is no number, or lies outside the scale.

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
        If it is no LOW:HIGH.

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
