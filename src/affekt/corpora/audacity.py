"""Audacity label tracks: ``a.txt`` beside ``a.wav``, a line for each label: start, end and text, tab-separated.

``Ann: happy`` is what Ann expresses. Lines of frequencies, which begin with a backslash, are skipped.

Trap: a label without length (start equal to end) marks a point, not a segment to recognise; it is left out.
Decimal commas are understood, as Audacity in French writes them.
"""

from __future__ import annotations

import os
from pathlib import Path

from affekt.corpora.annotations import Annotated, Annotation, own_annotations, read_annotated, texts
from affekt.corpora.corpus import Reading
from affekt.errors import CorpusError


def parse(path: Path) -> Annotated:
    """Read one label track; it has no tiers, so all of it is ground truth."""
    found = []
    for number, line in enumerate(texts(path).splitlines(), start=1):
        if not line.strip() or line.startswith("\\"):
            continue
        start, end, *rest = (*line.split("\t"), "", "")
        try:
            times = float(start.replace(",", ".")), float(end.replace(",", "."))
        except ValueError:
            raise CorpusError(
                f"line {number} is {line[:60]!r}; a label track has a line for each label: start, end and text, "
                "in seconds, with tabs between them. Export it in Audacity: File, Export Other, Export Labels."
            ) from None
        who, colon, label = rest[0].rpartition(": ")
        found.append(Annotation(*times, label if colon else rest[0], who.strip() or None))
    if not found:
        raise CorpusError("there are no labels in it. Give a label track as Audacity exports it.")
    return Annotated({"labels": found})


def read(path: str | os.PathLike[str]) -> Reading:
    """Read a label track, or all of a folder."""
    return read_annotated(CORPUS, path, (".txt",), parse)


CORPUS = own_annotations(
    "audacity",
    "Audacity label tracks",
    "a label track, or a folder of label tracks with their recordings, such as a.txt",
    read,
)
