"""How many clips there are of each label, speaker, corpus, sex and sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.errors import UnknownName
from affekt.types import Sample

UNKNOWN = "unknown"


FIELDS = ("label", "speaker", "sex", "sentence")


@dataclass(frozen=True)
class Counts:
    """How many clips there are of each row and column.

    Parameters
    ----------
    of : (str, str)
        What the rows and the columns are, such as ``("speaker", "label")``.
    rows, columns : tuple of str
        Their names, in natural order (``SM2`` before ``SM10``); unknown values count as ``unknown``, which is last.
    counts : int array, shape (rows, columns)
    """

    of: tuple[str, str]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: NDArray[np.int64]


def count(samples: Iterable[Sample], rows: str, columns: str) -> Counts:
    """Count clips by two of their fields.

    Parameters
    ----------
    samples : iterable of Sample
    rows, columns : str
        ``label``, ``speaker``, ``sex`` or ``sentence``.

    Raises
    ------
    UnknownName
        If there is no such field.

    Examples
    --------
    >>> count([Sample("a/1", "", "sad", "s2"), Sample("a/2", "", "sad", "s10")], "label", "speaker").columns
    ('s2', 's10')
    """
    for name in (rows, columns):
        if name not in FIELDS:
            raise UnknownName("field", name, FIELDS)
    samples = list(samples)
    names = names_of(samples, rows), names_of(samples, columns)
    table = np.zeros((len(names[0]), len(names[1])), np.int64)
    places = [{name: i for i, name in enumerate(axis)} for axis in names]
    for sample in samples:
        table[places[0][name_of(sample, rows)], places[1][name_of(sample, columns)]] += 1
    return Counts((rows, columns), *names, table)


def names_of(samples: Iterable[Sample], by: str) -> tuple[str, ...]:
    """The names in a field of samples, each once, in natural order."""
    return tuple(sorted({name_of(sample, by) for sample in samples}, key=natural))


def name_of(sample: Sample, by: str) -> str:
    """The value of a field of a sample: its label, speaker, sex or sentence; ``unknown`` where it is empty."""
    return str(getattr(sample, by) or UNKNOWN)


def natural(name: str) -> tuple[object, ...]:
    """The sort key of natural order: numbers by size, ``unknown`` last.

    Examples
    --------
    >>> sorted(["unknown", "SM10", "SM2"], key=natural)
    ['SM2', 'SM10', 'unknown']
    """
    parts = re.split(r"(\d+)", name)
    return name == UNKNOWN, *((int(part), "") if part.isdecimal() else (-1, part) for part in parts)
