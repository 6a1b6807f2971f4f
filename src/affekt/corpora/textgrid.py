"""Praat TextGrids: the intervals of the tier ``emotion`` as ground truth for ``a.wav`` beside ``a.TextGrid``.

Long and short text forms, UTF-8 and UTF-16; the package praatio reads them (extra ``annotations``).

Trap: Praat's intervals cover the whole recording, so silence is an interval, too; an interval without text is ignored.
Points have no length and are left out.
"""

from __future__ import annotations

import os
from pathlib import Path

from affekt._optional import require
from affekt.corpora.annotations import Annotated, Annotation, own_annotations, read_annotated
from affekt.corpora.corpus import Reading
from affekt.errors import CorpusError


def parse(path: Path) -> Annotated:
    """Read the interval tiers of one TextGrid."""
    praatio = require("praatio.textgrid", extra="annotations")
    try:
        found = praatio.openTextgrid(
            str(path), includeEmptyIntervals=False, reportingMode="silence", duplicateNamesMode="rename"
        )
        tiers = {
            name: [Annotation(float(e[0]), float(e[1]), str(e[2])) for e in found.getTier(name).entries]
            for name in found.tierNames
            if isinstance(found.getTier(name), praatio.IntervalTier)
        }
    # The package raises whatever its parser stumbles over.
    except Exception as error:
        raise CorpusError(
            f"it cannot be read as a Praat TextGrid ({type(error).__name__}: {error}). Save it again in Praat as text."
        ) from None
    return Annotated(tiers)


def read(path: str | os.PathLike[str]) -> Reading:
    """Read a TextGrid, or all of a folder."""
    require("praatio.textgrid", extra="annotations")
    return read_annotated(CORPUS, path, (".textgrid",), parse)


CORPUS = own_annotations(
    "textgrid",
    "Praat TextGrids",
    "a TextGrid, or a folder of TextGrids with their recordings, such as a.TextGrid",
    read,
)
