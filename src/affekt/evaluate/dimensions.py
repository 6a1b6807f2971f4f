"""Predicted valence, arousal and dominance against human ratings, where a corpus has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from affekt.data.numbers import SCALE, has_number, number_of
from affekt.errors import InputError
from affekt.labels import DIMENSIONS
from affekt.metrics.dimensions import dimension_metrics
from affekt.metrics.slices import speaker_of
from affekt.types import Report, Sample


def with_dimensions(
    report: Report,
    samples: Sequence[Sample],
    said: Sequence[Mapping[str, float]],
    *,
    scale: tuple[float, float] | None = None,
) -> Report:
    """A report with ``CCC``, ``RMSE`` and ``pairs in order`` of each dimension for which samples have ratings.

    Parameters
    ----------
    report : Report
    samples : sequence of Sample
        Their ``meta`` may have ``valence``, ``arousal`` and ``dominance``; empty cells do not count.
    said : sequence of mappings
        The answer to each sample: dimension to a value from -1 to 1 (:attr:`affekt.types.Prediction.dimensions`).
        Missing dimensions do not count.
    scale : (low, high), optional
        Range of the ratings; RMSE is in units of -1 to 1. By default the range is -1 to 1, and a column with other
        values is left out with a warning, because it may mean something else.

    Raises
    ------
    InputError
        If a scale is given, and a cell is not a number or lies outside it.
    """
    metrics, warnings = dict(report.metrics), list(report.warnings)
    for name in DIMENSIONS:
        try:
            rows = [
                (number_of(sample, name, scale or SCALE), answer[name], speaker_of(sample))
                for sample, answer in zip(samples, said, strict=True)
                if has_number(sample, name) and name in answer
            ]
        except InputError as error:
            if scale:
                raise
            warnings.append(f"{name} was not compared. {error}")
            continue
        if len(rows) > 1:
            truth, answers, speakers = zip(*rows, strict=True)
            found = dimension_metrics(truth, answers, groups=speakers, rng=np.random.default_rng(0))
            metrics |= {f"{metric}, {name}": estimate for metric, estimate in found.items()}
    return replace(report, metrics=metrics, warnings=tuple(warnings))
