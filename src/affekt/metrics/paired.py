"""Paired comparison of answers to the same clips, clean and degraded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from affekt.errors import InputError
from affekt.metrics.intervals import DRAWS, Sums, estimates, resample
from affekt.metrics.labels import recall_of, tallies
from affekt.metrics.slices import speaker_of
from affekt.types import Estimate, Sample

#: Name of the mean over corpora, listed beside them.
MEAN = "mean of the corpora"

Level = float | str
#: A label, None where no speech was found, and its confidence.
Answer = tuple[str | None, float]


@dataclass(frozen=True)
class Point:
    """Scores of a model on clips under one condition, compared with the same clips clean.

    Parameters
    ----------
    recall : Estimate
        UAR; no answer counts as wrong.
    difference : Estimate
        UAR minus that of the clean clips; the interval resamples speakers, with both answers of each clip.
    changed : Estimate
        Share of clips whose answer differs from the clean one; a missing answer counts as different.
    silent : Estimate
        Share of clips in which no speech was found.
    confidence : Estimate or None
        Mean change of the confidence, over the clips answered both times; None if there are none.
    touched : int
        Clips whose signal the condition altered at all: a short clip has nothing to cut off.
    """

    recall: Estimate
    difference: Estimate
    changed: Estimate
    silent: Estimate
    confidence: Estimate | None
    touched: int


@dataclass(frozen=True)
class Curve:
    """One condition over its levels.

    Parameters
    ----------
    name, title, unit : str
        ``noise``, ``white noise``, ``SNR / dB``.
    points : mapping of level to mapping of corpus to Point
        With more than one corpus, their mean stands first, as :data:`MEAN`.
    """

    name: str
    title: str
    unit: str
    points: Mapping[Level, Mapping[str, Point]]


@dataclass(frozen=True)
class Stress:
    """How robust a model is: its scores on clean clips, and under each condition.

    Parameters
    ----------
    model : str
    protocol : str
        The speakers tested, the number of clips and the labels to choose from.
    clean : mapping of str to Point
        Corpus to the scores on the clean clips; :data:`MEAN` first.
    curves : tuple of Curve
    chance : mapping of str to float
        Chance level of the UAR, for the same names.
    warnings, stamps : tuple of str
    """

    model: str
    protocol: str
    clean: Mapping[str, Point]
    curves: tuple[Curve, ...]
    chance: Mapping[str, float]
    warnings: tuple[str, ...] = ()
    stamps: tuple[str, ...] = ()


@dataclass(frozen=True)
class _CorpusDraws:
    """One corpus: the five measures (1, 5) and draws of them (draws, 5)."""

    values: Sums
    drawn: Sums
    clips: int
    answered: int
    touched: int


def compared(
    samples: Sequence[Sample],
    clean: Sequence[Answer],
    changed: Sequence[Answer],
    *,
    rng: np.random.Generator,
    touched: Sequence[int] = (),
) -> dict[str, Point]:
    """Compare answers to altered clips with those to the clean ones, per corpus and on average.

    The mean gives every corpus the same weight, and its interval resamples the
    speakers of each corpus separately. If a corpus has fewer than three
    speakers, its clips are resampled instead.

    Parameters
    ----------
    samples : sequence of Sample, shape (n,)
        With labels.
    clean, changed : sequences of (label or None, confidence), shape (n,)
    rng : numpy Generator
        For the bootstrap.
    touched : sequence of int
        Numbers of the clips that were altered.

    Returns
    -------
    dict of str to Point
        :data:`MEAN` first if there is more than one corpus.

    Raises
    ------
    InputError
        If there is no clip, or the lengths differ.

    Examples
    --------
    >>> samples = [Sample(f"c/{i}", "", label="ab"[i % 2], speaker=str(i // 2), corpus="c") for i in range(8)]
    >>> clean = [("a", 0.75), ("b", 0.75)] * 4
    >>> point = compared(samples, clean, [("a", 0.5)] * 8, rng=np.random.default_rng(0))["c"]
    >>> point.recall.value, point.difference.value, point.changed.value, point.confidence.value
    (0.5, -0.5, 0.5, -0.25)
    """
    if not samples or not len(samples) == len(clean) == len(changed):
        raise InputError(
            f"{len(samples)} samples, {len(clean)} clean and {len(changed)} changed answers; give as many of each, "
            "and at least one."
        )
    parts: dict[str, _CorpusDraws] = {}
    for corpus in dict.fromkeys(str(sample.corpus) for sample in samples):
        rows = [i for i, sample in enumerate(samples) if str(sample.corpus) == corpus]
        answers = [clean[i] for i in rows], [changed[i] for i in rows]
        parts[corpus] = _part([samples[i] for i in rows], answers, len({*rows} & {*touched}), rng)
    points = {corpus: _point([part]) for corpus, part in parts.items()}
    return {MEAN: _point(list(parts.values())), **points} if len(parts) > 1 else points


def _part(
    samples: Sequence[Sample],
    answers: tuple[Sequence[Answer], Sequence[Answer]],
    touched: int,
    rng: np.random.Generator,
) -> _CorpusDraws:
    clean, changed = answers
    truth = [str(sample.label) for sample in samples]
    before, after = (tallies(truth, [label for label, _ in side]).reshape(len(samples), -1) for side in answers)
    further = [
        (new != old, new is None, (p - q) * (both := new is not None and old is not None), both, 1)
        for (old, q), (new, p) in zip(clean, changed, strict=True)
    ]
    statistics = np.hstack([before, after, np.array(further, np.float64)])
    drawn = resample(statistics, _measures, [speaker_of(sample) for sample in samples], rng=rng, draws=DRAWS)
    return _CorpusDraws(*drawn, len(samples), int(statistics[:, -2].sum()), touched)


def _measures(sums: Sums) -> Sums:
    """UAR, its difference from clean, shares changed and silent, change of confidence: (b, 5)."""
    width = (sums.shape[1] - 5) // 2
    before, after = (
        recall_of(side.reshape(len(sums), -1, 3)) for side in (sums[:, :width], sums[:, width : 2 * width])
    )
    changed, silent, moved, both, clips = sums[:, 2 * width :].T
    return np.stack([after, after - before, changed / clips, silent / clips, moved / np.maximum(both, 1)], axis=1)


def _point(parts: Sequence[_CorpusDraws]) -> Point:
    clips = sum(part.clips for part in parts)
    recall, difference, changed, silent, _ = _estimates(parts, clips)
    answered = [part for part in parts if part.answered]
    confidence = _estimates(answered, sum(part.answered for part in parts))[-1] if answered else None
    return Point(recall, difference, changed, silent, confidence, sum(part.touched for part in parts))


def _estimates(parts: Sequence[_CorpusDraws], count: int) -> list[Estimate]:
    values, drawn = (np.mean([getattr(part, name) for part in parts], axis=0) for name in ("values", "drawn"))
    return estimates(values, drawn, [count] * 5)


def chances(samples: Sequence[Sample]) -> dict[str, float]:
    """Chance level of the UAR, 1 / number of labels that occur, for each corpus and for their mean.

    Examples
    --------
    >>> chances([Sample("c/1", "", label="a", corpus="c"), Sample("c/2", "", label="b", corpus="c")])
    {'c': 0.5}
    """
    labels: dict[str, set[str | None]] = {}
    for sample in samples:
        labels.setdefault(str(sample.corpus), set()).add(sample.label)
    found = {corpus: 1 / len(known) for corpus, known in labels.items()}
    return {MEAN: sum(found.values()) / len(found), **found} if len(found) > 1 else found


def main_of(points: Mapping[str, Point]) -> Point:
    """The mean of the corpora, or the only corpus."""
    return next(iter(points.values()))


def main_of_chance(stress: Stress) -> float:
    """Chance level of the UAR, for the mean of the corpora or the only one."""
    return next(iter(stress.chance.values()))
