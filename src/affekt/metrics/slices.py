"""UAR by slice: sex, speaker, corpus, language, length, intensity, sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from affekt.corpora import CORPORA
from affekt.errors import InputError, UnknownName
from affekt.metrics.intervals import bootstrap
from affekt.metrics.labels import unweighted_recall
from affekt.types import Estimate, Sample

#: A slice needs this many clips, and two classes, to be scored.
LEAST = 10
# Seconds: where short ends and where long begins.
SHORT, LONG = 1.5, 3.0


def duration(sample: Sample) -> float | None:
    """Seconds, from ``end`` or ``meta["duration"]``; None when neither is known."""
    if sample.end is not None:
        return sample.end - sample.start
    return sample.meta.get("duration")


def _languages(sample: Sample) -> tuple[str, ...]:
    named = sample.meta.get("language")
    if named:
        return (str(named),)
    # A multilingual corpus states the language for each clip only.
    languages = CORPORA[sample.corpus].languages if sample.corpus in CORPORA else ()
    return languages if len(languages) == 1 else ()


def _length(sample: Sample) -> tuple[str, ...]:
    seconds = duration(sample)
    if seconds is None:
        return ()
    return ("under 1.5 s" if seconds < SHORT else "over 3 s" if seconds > LONG else "1.5 to 3 s",)


def _known(value: object) -> tuple[str, ...]:
    return () if value is None else (str(value),)


#: What slices are made by: from a sample to the values that it has there.
SLICES: Mapping[str, Callable[[Sample], tuple[str, ...]]] = {
    "corpus": lambda sample: _known(sample.corpus),
    "language": _languages,
    "sex": lambda sample: _known(sample.sex),
    "length": _length,
    "intensity": lambda sample: _known(sample.meta.get("intensity")),
    "sentence": lambda sample: _known(sample.sentence),
    "speaker": lambda sample: _known(sample.speaker),
}
# Names of these are the corpus's own: two corpora may both have a speaker 01.
OF_A_CORPUS = ("intensity", "sentence", "speaker")


def slices(
    samples: Sequence[Sample],
    predicted: Sequence[str | None],
    *,
    rng: np.random.Generator,
    by: Sequence[str] = tuple(SLICES),
    draws: int = 300,
) -> dict[str, Estimate]:
    """UAR of each part of the samples that has at least 10 clips and two classes.

    Each UAR is a mean over the classes in that part, so parts with different classes
    are not comparable. A value that all samples share (such as one corpus) is left out.

    Parameters
    ----------
    samples : sequence of Sample, shape (n,)
        With labels.
    predicted : sequence of str or None, shape (n,)
    rng : numpy Generator
    by : sequence of str
        Keys of ``SLICES``.
    draws : int
        Of the bootstrap, which is over speakers; within one speaker it is over clips.

    Returns
    -------
    dict of str to Estimate
        ``sex=female``, ``length=over 3 s``, ``speaker=19``; :func:`too_small` names what is missing.

    Raises
    ------
    InputError
        If the lengths differ.
    UnknownName
        If ``by`` names something else.

    Examples
    --------
    >>> samples = [Sample(f"c/{i}", "x.wav", label="ab"[i % 2], sex=("male", "female")[i < 10]) for i in range(20)]
    >>> found = slices(samples, ["a", "b"] * 5 + ["a"] * 10, rng=np.random.default_rng(0))
    >>> {name: estimate.value for name, estimate in found.items()}
    {'sex=female': 1.0, 'sex=male': 0.5}
    """
    if len(samples) != len(predicted):
        raise InputError(f"{len(samples)} samples and {len(predicted)} answers; they must be as many.")
    found = {}
    for name, rows in _parts(samples, by).items():
        if _large_enough(samples, rows):
            found[name] = bootstrap(
                unweighted_recall,
                [str(samples[i].label) for i in rows],
                [predicted[i] for i in rows],
                groups=[speaker_of(samples[i]) for i in rows],
                rng=rng,
                draws=draws,
            )
    return found


def too_small(samples: Sequence[Sample], by: Sequence[str] = tuple(SLICES)) -> tuple[str, ...]:
    """Names of the parts with fewer than 10 clips, or one class: they get no number."""
    return tuple(name for name, rows in _parts(samples, by).items() if not _large_enough(samples, rows))


def speaker_of(sample: Sample) -> str | None:
    """The speaker, unique over corpora; None when unknown."""
    return None if sample.speaker is None else f"{sample.corpus}/{sample.speaker}"


def _parts(samples: Sequence[Sample], by: Sequence[str]) -> dict[str, list[int]]:
    several = len({sample.corpus for sample in samples}) > 1
    found: dict[str, list[int]] = {}
    for key in by:
        if key not in SLICES:
            raise UnknownName("slice", key, SLICES)
        parts: dict[str, list[int]] = {}
        for i, sample in enumerate(samples):
            prefix = f"{sample.corpus}/" if several and key in OF_A_CORPUS else ""
            for value in SLICES[key](sample):
                parts.setdefault(f"{key}={prefix}{value}", []).append(i)
        if len(parts) > 1:
            found |= dict(sorted(parts.items()))
    return found


def _large_enough(samples: Sequence[Sample], rows: Sequence[int]) -> bool:
    return len(rows) >= LEAST and len({samples[i].label for i in rows}) > 1
