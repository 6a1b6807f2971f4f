"""NIST RTTM: ``SPEAKER`` lines of a file, with the emotion in the orthography field or the name field.

The second field names the recording, without its extension, anywhere below the folder of the file; spaces in its name
are written ``_``. The speaker is the eighth field, unless that is the emotion itself, as when speakers are not told
apart.

Trap: the output of a diarisation has only speaker names and no emotions; it is refused, as ``spk1`` is not a label.
"""

from __future__ import annotations

import os
from pathlib import Path

from affekt.corpora.annotations import (
    Annotation,
    annotation_files,
    own_annotations,
    paired,
    place_and_tier,
    sample_of,
    texts,
)
from affekt.corpora.corpus import Reading, reading_of
from affekt.corpora.folder import SYNONYMS, doubted, label_of
from affekt.errors import CorpusError
from affekt.labels import VOICE
from affekt.types import Sample


def lines_of(path: Path) -> list[tuple[str, Annotation]]:
    """The name of the recording and the annotation of each ``SPEAKER`` line.

    Raises
    ------
    CorpusError
        If a line is malformed, or none has an emotion.
    """
    found = []
    for number, line in enumerate(texts(path).splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0].startswith(";") or fields[0].upper() != "SPEAKER":
            continue
        try:
            source, start, length, text, name = fields[1], float(fields[3]), float(fields[4]), fields[5], fields[7]
        except (IndexError, ValueError):
            raise CorpusError(
                f"{path}, line {number}: is {line[:60]!r}; a line is SPEAKER, recording, channel, start, length, "
                "emotion, <NA>, name, with blanks between them."
            ) from None
        alone = text.casefold() == "<na>"
        label, speaker = (name, None) if alone or name == text else (text, name)
        speaker = None if speaker and speaker.casefold() == "<na>" else speaker
        found.append((source, Annotation(start, start + length, label, speaker)))
    known = {*VOICE, *SYNONYMS, *SYNONYMS.values()}
    if not any(label_of(one.text) in known for _, one in found):
        words = ", ".join(sorted({one.text for _, one in found})[:5]) or "no SPEAKER lines"
        raise CorpusError(
            f"{path}: no emotion in it ({words}). The sixth field of a SPEAKER line, or the eighth, is to be an "
            "emotion, such as angry."
        )
    return found


def read(path: str | os.PathLike[str]) -> Reading:
    """Read an RTTM file, or all of a folder."""
    given, _ = place_and_tier(path)
    files = annotation_files(CORPUS, given, (".rttm",))
    folder = given if given.is_dir() else given.parent
    recordings = paired(Path(where, name) for where, _, names in os.walk(folder) for name in names)
    found: dict[str, Sample] = {}
    missing: dict[str, None] = {}
    for file in files:
        for source, one in lines_of(file):
            recording = recordings.get(source) or recordings.get(Path(source).stem)
            sample = None if recording is None else sample_of(CORPUS, source, recording, one)
            if recording is None:
                missing[source] = None
            elif sample is not None:
                found.setdefault(sample.id, sample)
    skipped = [f"{source}: no recording of this name lies below {folder}" for source in missing]
    if not found:
        why = skipped[0] if skipped else "no line has a label"
        raise CorpusError(f"{given}: nothing to read: {why}. Put the recordings beside the RTTM file.")
    return doubted(reading_of(found.values(), skipped))


CORPUS = own_annotations(
    "rttm", "RTTM", "an RTTM file, or a folder of RTTM files with their recordings, such as talks.rttm", read
)
