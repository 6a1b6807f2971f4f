"""Reports: what predictions are worth, with n, intervals and warnings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affekt.errors import InputError
from affekt.evaluate.intervals import FEWEST_SPEAKERS, bootstrap
from affekt.evaluate.metrics import METRICS, confusion
from affekt.types import Report, Sample


def report(
    samples: Sequence[Sample], predicted: Sequence[str | None], *, rng: np.random.Generator, protocol: str = ""
) -> Report:
    """Judge predicted labels of samples.

    Parameters
    ----------
    samples : sequence of Sample, shape (n,)
        With labels and, for honest intervals, speakers.
    predicted : sequence of str or None, shape (n,)
        None means no answer, and counts as wrong.
    rng : numpy Generator
        For the bootstrap.
    protocol : str
        Who was tested, who was trained on.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If there are no samples, a label is unknown, or the lengths differ.
    """
    truth = [sample.label for sample in samples if sample.label is not None]
    if len(truth) < len(samples) or not samples:
        raise InputError(f"{len(samples)} samples, {len(truth)} of them with a label; every sample needs one.")
    speakers = [sample.speaker for sample in samples]
    labels = tuple(sorted(set(truth)))
    metrics = {name: bootstrap(metric, truth, predicted, groups=speakers, rng=rng) for name, metric in METRICS.items()}
    matrix = tuple(tuple(int(n) for n in row) for row in confusion(truth, predicted, labels))
    return Report(metrics, labels, matrix, protocol=protocol, warnings=_warnings(speakers, predicted))


def _warnings(speakers: Sequence[str | None], predicted: Sequence[str | None]) -> tuple[str, ...]:
    found = []
    if None in speakers:
        found.append("some speakers are unknown: the intervals treat them as one.")
    if (count := len(set(speakers))) < FEWEST_SPEAKERS:
        found.append(
            f"{count} speaker{'s' * (count != 1)}: the interval is over clips and says nothing about other speakers."
        )
    if missing := sum(label is None for label in predicted):
        found.append(f"{missing} of {len(predicted)} clips got no answer (no speech was found); they count as wrong.")
    return tuple(found)
