"""What to use as the label: the emotion, or one of the other things that published scores were about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from affekt.errors import InputError, UnknownName
from affekt.types import Sample

#: How to label a sample; None where a part of the label is unknown.
LABELLINGS: dict[str, Callable[[Sample], str | None]] = {
    "emotion": lambda sample: sample.label,
    "sex-emotion": lambda sample: _joined(sample.sex, sample.label),
    "speaker-emotion": lambda sample: _joined(sample.speaker, sample.label),
    "sentence": lambda sample: sample.sentence,
}


def relabel(samples: Iterable[Sample], how: str) -> tuple[Sample, ...]:
    """Give samples the label that a published experiment gave them.

    Anything except ``emotion`` is there only to show what such scores measure.

    Parameters
    ----------
    samples : iterable of Sample
    how : str
        A key of ``LABELLINGS`` (``emotion``, ``sex-emotion``, ``speaker-emotion``,
        ``sentence``), or a key of the samples' ``meta``.

    Returns
    -------
    tuple of Sample

    Raises
    ------
    UnknownName
        If it is neither.
    InputError
        If a part of the label is unknown for some of the samples.

    Examples
    --------
    >>> [sample] = relabel([Sample("tess/a", "a.wav", "angry", sex="female")], "sex-emotion")
    >>> sample.label
    'female_angry'
    """
    samples = tuple(samples)
    keys = {str(key) for sample in samples for key in sample.meta}
    if how not in LABELLINGS and how not in keys:
        raise UnknownName("label", how, {*LABELLINGS, *keys})
    name = LABELLINGS.get(how, partial(_from_meta, key=how))
    labels = [name(sample) for sample in samples]
    unnamed = [sample.id for sample, label in zip(samples, labels, strict=True) if label is None]
    if unnamed:
        raise InputError(
            f"{len(unnamed)} of {len(samples)} samples have no {how}, such as {unnamed[0]}. "
            "Leave them out, or choose another label."
        )
    return tuple(replace(sample, label=label) for sample, label in zip(samples, labels, strict=True))


def _joined(*parts: str | None) -> str | None:
    return None if None in parts else "_".join(str(part) for part in parts)


def _from_meta(sample: Sample, *, key: str) -> str | None:
    value: Any = sample.meta.get(key)
    return None if value is None else str(value)
