"""Evaluation reports of predictions: metrics with n and intervals, and warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.metrics.intervals import FEWEST_SPEAKERS, bootstrap, estimates, resample
from affekt.metrics.labels import METRICS, class_scores_of, confusion, tallies
from affekt.metrics.permutation import chance_test
from affekt.metrics.probabilities import SCORE_METRICS, checked, reliability
from affekt.metrics.slices import slices, speaker_of, too_small
from affekt.types import Estimate, Report, Sample

#: Probabilities of each clip: an array (n, k), or one mapping {label: p} per clip, empty for no answer.
Scores = NDArray[np.floating] | Sequence[Mapping[str, float]]


def report(
    samples: Sequence[Sample],
    predicted: Sequence[str | None],
    *,
    rng: np.random.Generator,
    protocol: str = "",
    scores: Scores | None = None,
    labels: Sequence[str] = (),
    findings: Sequence[Any] = (),
) -> Report:
    """Evaluate predicted labels of samples.

    Parameters
    ----------
    samples : sequence of Sample, shape (n,)
        With labels and, for valid intervals, speakers.
    predicted : sequence of str or None, shape (n,)
        None means no answer, and counts as wrong.
    rng : numpy Generator
        For the bootstrap and the test against chance.
    protocol : str
        Who was tested, and who was trained on.
    scores : array, shape (n, k), or sequence of mappings {label: p}, optional
        Probabilities, for log loss, Brier score, ECE and top-2 accuracy. A row
        of NaN, or an empty mapping, means no answer.
    labels : sequence of str
        Labels of the columns if ``scores`` is an array; by default the true labels, sorted.
    findings : sequence
        What an audit found (:class:`affekt.data.audit.Finding`); the severe ones stamp the report.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If there are no samples, a label is unknown, the lengths differ, or scores are no probabilities.

    Examples
    --------
    >>> samples = [Sample(f"c/{i}", "x.wav", label="ab"[i % 2], speaker=str(i // 4)) for i in range(16)]
    >>> found = report(samples, ["a", "b"] * 7 + ["a", None], rng=np.random.default_rng(0))
    >>> print(found.metrics["UAR"])
    0.938 [0.812, 1.000] n=16
    """
    truth = [sample.label for sample in samples if sample.label is not None]
    if len(truth) < len(samples) or not samples:
        raise InputError(f"{len(samples)} samples, {len(truth)} of them with a label; every sample needs one.")
    speakers = [speaker_of(sample) for sample in samples]
    classes = tuple(sorted(set(truth)))
    metrics = {name: bootstrap(metric, truth, predicted, groups=speakers, rng=rng) for name, metric in METRICS.items()}
    found = Report(
        metrics,
        classes,
        tuple(tuple(int(n) for n in row) for row in confusion(truth, predicted, classes)),
        protocol=protocol,
        warnings=_warnings(speakers, predicted, classes),
        per_class=_per_class(truth, predicted, speakers, rng),
        findings=tuple(findings),
        stamps=tuple(dict.fromkeys(str(f.stamp) for f in findings if f.severity == "severe" and f.stamp)),
        chance=1 / len(classes),
        p_value=chance_test(truth, predicted, groups=speakers, rng=rng),
        speakers=len(set(speakers) - {None}),
    )
    if small := too_small(samples):
        names = ", ".join(small[:3]) + (", ..." if len(small) > 3 else "")
        sentence = f"{len(small)} slices have fewer than 10 clips or one class and get no number ({names})."
        found = replace(found, warnings=(*found.warnings, sentence))
    found = replace(found, slices=slices(samples, predicted, rng=rng))
    return found if scores is None else _with_scores(found, samples, (scores, labels or classes), rng)


def stamped(report: Report, stamp: str, warning: str = "") -> Report:
    """The same report with one more stamp, and a warning that says why.

    Examples
    --------
    >>> stamped(Report({}, ("a", "b"), ()), "trained on these clips").stamps
    ('trained on these clips',)
    """
    warnings = (warning, *report.warnings) if warning else report.warnings
    return replace(report, stamps=tuple(dict.fromkeys((*report.stamps, stamp))), warnings=warnings)


def _per_class(
    truth: Sequence[str], predicted: Sequence[str | None], speakers: Sequence[str | None], rng: np.random.Generator
) -> dict[str, dict[str, Estimate | int]]:
    labels = sorted(set(truth))

    def value(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        return class_scores_of(sums).reshape(len(sums), -1)

    support = [truth.count(label) for label in labels]
    found = estimates(*resample(tallies(truth, predicted), value, speakers, rng=rng), np.repeat(support, 3).tolist())
    return {
        label: {"precision": p, "recall": r, "f1": f, "support": n}
        for label, p, r, f, n in zip(labels, found[::3], found[1::3], found[2::3], support, strict=True)
    }


def _with_scores(
    report: Report, samples: Sequence[Sample], scores: tuple[Scores, Sequence[str]], rng: np.random.Generator
) -> Report:
    labels, table = _table(*scores)
    if len(table) != len(samples):
        raise InputError(f"{len(samples)} samples and {len(table)} rows of scores; give one for each sample.")
    rows = [i for i, sample in enumerate(samples) if sample.label in labels]
    if outside := len(samples) - len(rows):
        sentence = (
            f"{outside} of {len(samples)} clips have a label that gets no score: they count in UAR, WA and F1 only."
        )
        report = replace(report, warnings=(*report.warnings, sentence))
    if not rows:
        return report
    truth, speakers = [str(samples[i].label) for i in rows], [speaker_of(samples[i]) for i in rows]
    columns, kept = checked(truth, table[rows], labels)
    metrics = dict(report.metrics)
    for name, metric in SCORE_METRICS.items():
        drawn = resample(metric.statistics(columns, kept), metric.value, speakers, rng=rng)
        metrics[name] = estimates(*drawn, [len(rows)], biased=metric.biased)[0]
    return replace(report, metrics=metrics, reliability=reliability(truth, kept, labels))


def _table(scores: Scores, labels: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.floating]]:
    """Labels of the columns, and scores as an array (n, k), NaN where there is no answer."""
    if isinstance(scores, np.ndarray):
        return tuple(labels), scores
    columns = tuple(dict.fromkeys(label for row in scores for label in row)) or tuple(labels)
    return columns, np.array([[row.get(label, 0.0 if row else np.nan) for label in columns] for row in scores])


def _warnings(
    speakers: Sequence[str | None], predicted: Sequence[str | None], classes: Sequence[str]
) -> tuple[str, ...]:
    found = []
    if set(speakers) == {None}:
        found.append("no speaker is known: the intervals are over clips, too narrow where several are of one speaker.")
    elif None in speakers:
        found.append("some speakers are unknown: the intervals treat them as one.")
    if (count := len(set(speakers))) < FEWEST_SPEAKERS and set(speakers) != {None}:
        found.append(
            f"{count} speaker{'s' * (count != 1)}: the interval is over clips and says nothing about other speakers."
        )
    if len(classes) < 2:
        found.append(f"all clips are {classes[0]}: there is nothing to distinguish.")
    if missing := sum(label is None for label in predicted):
        found.append(f"{missing} of {len(predicted)} clips got no answer (no speech was found); they count as wrong.")
    return tuple(found)
