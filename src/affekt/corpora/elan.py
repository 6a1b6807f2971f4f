"""ELAN: the annotations of the tier ``emotion`` as ground truth for the recording beside ``a.eaf``.

The recording is the one that the file names (its name only, in the same folder), or ``a.wav``. The participant of a
tier is the speaker. The package pympi-ling reads them (extra ``annotations``).

Trap: annotations of a tier that depends on another one (symbolic association) have no times of their own; those of
the annotation that they are attached to are used.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from affekt._optional import require
from affekt.corpora.annotations import Annotated, Annotation, own_annotations, read_annotated
from affekt.corpora.corpus import Reading
from affekt.errors import CorpusError


def parse(path: Path) -> Annotated:
    """Read the tiers of one ELAN file."""
    elan = require("pympi.Elan", extra="annotations")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about versions that the package does not know
            found = elan.Eaf(str(path))
            tiers = {str(name): _annotations(found, name) for name in found.get_tier_names()}
    # The package raises plain exceptions, and whatever its parser stumbles over.
    except Exception as error:
        raise CorpusError(
            f"it cannot be read as an ELAN file ({type(error).__name__}: {error}). Open it in ELAN and save it again."
        ) from None
    media = next((m.get("RELATIVE_MEDIA_URL") or m.get("MEDIA_URL") for m in found.media_descriptors), "")
    return Annotated(tiers, str(media or ""))


def _annotations(found: Any, tier: str) -> list[Annotation]:
    speaker = found.tiers[tier][2].get("PARTICIPANT") or None
    # In a dependent tier, the fourth is the text of the parent annotation.
    rows = [row[:3] for row in found.get_annotation_data_for_tier(tier)]
    return [
        Annotation(a / 1000, b / 1000, str(text), speaker) for a, b, text in rows if a is not None and b is not None
    ]


def read(path: str | os.PathLike[str]) -> Reading:
    """Read an ELAN file, or all of a folder."""
    require("pympi.Elan", extra="annotations")
    return read_annotated(CORPUS, path, (".eaf",), parse)


CORPUS = own_annotations(
    "elan", "ELAN annotations", "an ELAN file, or a folder of ELAN files with their recordings, such as a.eaf", read
)
