"""Your own recordings, or pictures of faces: one sub-folder for each label, or a CSV file.

Sub-folders: ``angry/hello.wav``, or ``angry/anna/hello.wav`` if the speaker is
known; the parts of a split may be above them (``train/angry/hello.wav``). If there
is no audio, pictures are read in the same way (``fear/17.png``). A CSV file, given directly
or found in the folder as ``labels.csv`` or ``metadata.csv``, has the columns ``path`` and ``label``, and may have
``speaker``, ``sex``, ``sentence``, ``start``, ``end`` (seconds, or times such as 0:01:05.2) and ``corpus``;
any further column goes into ``meta``. Paths are relative to the CSV file. A row with a number for ``valence``,
``arousal`` or ``dominance`` needs no label.

The usual label names are mapped to affekt's (``anger`` and ``Angry`` are ``angry``); others
are only put in lower case.

Trap: without speakers nobody can say how well a model works on people it has not
heard, so a split by speaker raises an error. Two people called ``anna`` count as one.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath, PureWindowsPath

from affekt.corpora.corpus import (
    AUDIO_SUFFIXES,
    USAGES,
    Clip,
    Corpus,
    Reading,
    files_in,
    modality_of,
    read_folder,
    reading_of,
)
from affekt.corpora.table import Table, column_of, read_table, same_file, seconds_of
from affekt.errors import CorpusError
from affekt.labels import DIMENSIONS, VOICE
from affekt.types import Sample

TABLES = ("labels.csv", "metadata.csv")
COLUMNS = ("path", "label", "speaker", "sex", "sentence", "start", "end", "corpus")

# fmt: off
SYNONYMS = {
    "anger": "angry", "annoyed": "angry", "rage": "angry",
    "calmness": "calm", "relaxed": "calm",
    "disgusted": "disgust",
    "afraid": "fear", "anxious": "fear", "fearful": "fear", "scared": "fear",
    "happiness": "happy", "joy": "happy", "joyful": "happy",
    "neutrality": "neutral",
    "sadness": "sad",
    "pleasant surprise": "surprise", "ps": "surprise", "surprised": "surprise",
    "bored": "boredom",
    # abbreviations from IEMOCAP and others
    "ang": "angry", "hap": "happy", "neu": "neutral", "fea": "fear",
    "sur": "surprise", "dis": "disgust", "cal": "calm", "bor": "boredom",
}
SEXES = {
    "female": "female", "f": "female", "w": "female", "woman": "female",
    "male": "male", "m": "male", "man": "male",
}
# fmt: on


def label_of(word: str) -> str:
    """A label in affekt's words.

    Examples
    --------
    >>> label_of("Happiness"), label_of("pleasant_surprise"), label_of("Excited")
    ('happy', 'surprise', 'excited')
    """
    lowered = word.strip().lower()
    return SYNONYMS.get(lowered.replace("_", " "), lowered)


def parse(path: PurePosixPath) -> Clip | str:
    """Read ``label/clip`` or ``label/speaker/clip``; folders further down are part of the clip's name.

    ``train``, ``test`` and the like may come before the label; they become ``meta["usage"]``.
    """
    usage = path.parts[0] if _usage(path) else None
    inside = path.parts[1:] if usage else path.parts
    if len(inside) < 2:
        return "no folder says its label; put it in one, such as angry/"
    speaker = inside[1] if len(inside) > 2 else None
    return Clip(str(path.with_suffix("")), label_of(inside[0]), speaker, meta={"usage": usage} if usage else {})


def _usage(path: PurePosixPath) -> bool:
    """Whether the first folder is a part of a published split."""
    return len(path.parts) > 2 and path.parts[0].lower() in USAGES


def read(path: str | os.PathLike[str]) -> Reading:
    """Read your own recordings: a CSV file, a folder that holds one, or sub-folders named for their labels.

    Raises
    ------
    CorpusError
        If there is nothing there, a column or a label is missing, a cell cannot be
        understood, or the folders are the other way round (speaker/label).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "anger").mkdir()
    ...     Path(folder, "anger", "hello.wav").touch()
    ...     [sample] = read(folder).samples
    >>> sample.id, sample.label, sample.speaker
    ('folder/anger/hello', 'angry', None)
    """
    given = Path(path).expanduser()
    if not given.exists():
        raise CorpusError(f"{given} does not exist. Give a folder with one sub-folder for each label, or a CSV file.")
    if given.is_file():
        if given.suffix.lower() not in (".csv", ".tsv", ".txt"):
            raise CorpusError(f"{given} is no CSV file. Give one, or a folder with one sub-folder for each label.")
        return _read_csv(given, absolute=True)
    for name in TABLES:
        if (given / name).is_file():
            return _read_csv(given / name, absolute=False)
    _check_folders(given)
    return doubted(read_folder(CORPUS, given))


def doubted(reading: Reading, notes: Sequence[str] = ()) -> Reading:
    """A reading with warnings about labels that look misspelt."""
    known = {*VOICE, *SYNONYMS, *SYNONYMS.values()}
    counts = Counter(sample.label for sample in reading.samples if sample.label is not None)
    doubts = []
    for label, count in counts.items():
        near = [] if label in known else get_close_matches(label, known, n=1, cutoff=0.75)
        if near:
            clips = "1 clip" if count == 1 else f"{count} clips"
            doubts.append(f"the label {label!r} ({clips}) is a class of its own; did you mean {near[0]!r}? Rename it.")
    return replace(reading, warnings=(*notes, *doubts, *reading.warnings))


def _check_folders(folder: Path) -> None:
    files = files_in(folder, CORPUS.modality)
    if not files:
        raise CorpusError(
            f"{folder} holds no audio ({', '.join(AUDIO_SUFFIXES)}) and no pictures. Put the recordings into one "
            "sub-folder for each label, such as angry/, or list them in labels.csv (columns path, label)."
        )
    nested = [file for file in files if len(file.parts) > 2 and not _usage(file)]
    outer = {label_of(file.parts[0]) for file in nested}
    inner = {label_of(file.parts[1]) for file in nested}
    known = {*VOICE, *SYNONYMS.values()}
    if not inner or not inner <= known or outer & known:
        return
    deep = {file.parts[0] for file in nested}
    if len(deep) == 1:
        raise CorpusError(f"{folder}: the labels are one folder further down. Give {folder / deep.pop()}.")
    raise CorpusError(
        f"{folder}: the folders seem to be speaker/label ({min(outer)}/{min(inner)}); "
        "they must be label/speaker, or write a labels.csv (columns path, label, speaker)."
    )


def _read_csv(file: Path, *, absolute: bool) -> Reading:
    numbered = set(DIMENSIONS) & set(read_table(file, needed=[], lower=True).columns)
    table, notes = _renamed(read_table(file, needed=["path"] if numbered else ["path", "label"], lower=True))
    if not table.rows:
        raise CorpusError(f"{file}: has no rows. Write one for each recording: path, label.")
    _check_rows(table)
    taken: dict[str, tuple[int, Sample]] = {}
    skipped = []
    for line, row in table.rows:
        where, reason = _place(file.parent, row["path"], absolute=absolute)
        if not reason:
            sample = _sample(file.parent, where, row)
            before, other = taken.setdefault(sample.id, (line, sample))
            if other.label != sample.label:
                raise CorpusError(
                    f"{file}: {row['path']} is {other.label} in line {before} and {sample.label} in line {line}. "
                    "Keep one of them."
                )
            reason = f"the same clip as in line {before}" if before != line else ""
        if reason:
            skipped.append(f"{row['path']}: {reason} (line {line})")
    if not taken:
        raise CorpusError(f"{file}: none of its {len(table.rows)} rows can be used. The first is {skipped[0]!r}.")
    found = [sample for _, sample in taken.values()]
    return doubted(reading_of(found, skipped, modality=modality_of(found[0].path)), notes)


def _renamed(table: Table) -> tuple[Table, list[str]]:
    """The table with our words for its columns, and what was renamed or looks misspelt."""
    names, notes = {}, []
    for name in COLUMNS:
        column = column_of(table.columns, name)
        if column is not None and column != name:
            names[column] = name
            notes.append(f"{table.path.name}: the column {column!r} is read as {name!r}.")
    for column in table.columns:
        near = get_close_matches(column, COLUMNS, n=1, cutoff=0.8)
        if column not in COLUMNS and column not in names and near and near[0] not in table.columns:
            notes.append(f"{table.path.name}: the column {column!r} is not used; did you mean {near[0]!r}?")
    rows = tuple((line, {names.get(key, key): cell for key, cell in row.items()}) for line, row in table.rows)
    return replace(table, rows=rows), notes


def _check_rows(table: Table) -> None:
    wrong = [f"line {line}: {problem}" for line, row in table.rows if (problem := _problem(row))]
    if wrong:
        more = f" Rows with something wrong: {len(wrong)} of {len(table.rows)}." if len(wrong) > 1 else ""
        raise CorpusError(f"{table.path}, {wrong[0]}{more}")


def _problem(row: Mapping[str, str]) -> str:
    """What is wrong with a row, as a sentence; empty when nothing is."""
    if not row["path"]:
        return "no path. Name the recording, relative to the CSV file."
    if not row.get("label") and not any(row.get(name) for name in DIMENSIONS):
        numbered = any(name in row for name in DIMENSIONS)
        other = f" or a number ({', '.join(DIMENSIONS)})" if numbered else ""
        return f"{row['path']} has no label{other}. Write one, or delete the row."
    if row.get("sex") and row["sex"].lower() not in SEXES:
        return f"sex is {row['sex']!r}; allowed: female, male, or empty where it is unknown."
    try:
        start, end = _seconds(row.get("start"), 0.0), _seconds(row.get("end"), math.inf)
    except ValueError:
        return (
            f"start {row.get('start')!r} and end {row.get('end')!r} must be seconds, such as 1.25, "
            "or a time such as 0:01:05.2, or empty."
        )
    if not 0 <= start < end or math.isinf(start):
        return f"start {row.get('start')!r} and end {row.get('end')!r} are not an interval in seconds."
    return ""


def _seconds(text: str | None, default: float) -> float:
    return seconds_of(text) if text else default


def _place(folder: Path, text: str, *, absolute: bool) -> tuple[Path, str]:
    """Where a recording is, and the reason not to read it.

    A CSV file that came with a folder must not point the reader at other files of
    this machine; a CSV file that the user names directly may contain absolute paths.
    """
    if os.path.isabs(text) or PureWindowsPath(text).is_absolute():
        where = Path(os.path.normpath(text))
        if not absolute:
            return where, "an absolute path; write it relative to the CSV file, or give the CSV file itself"
    else:
        # As text: the file system might resolve ".." elsewhere after a link.
        inside = os.path.normpath(text.replace("\\", "/"))
        where = same_file(folder, inside)
        if inside.split(os.sep)[0] == "..":
            return where, f"leaves the folder of the CSV file; move the recording into {folder}"
    return where, "" if where.is_file() else "no such file"


def _sample(folder: Path, where: Path, row: Mapping[str, str]) -> Sample:
    start, end = _seconds(row.get("start"), 0.0), _seconds(row.get("end"), math.inf)
    name = where.relative_to(folder) if where.is_relative_to(folder) else where.relative_to(where.anchor)
    stretch = f"@{start:.10g}-{'' if math.isinf(end) else f'{end:.10g}'}" if start or not math.isinf(end) else ""
    return Sample(
        id=f"{CORPUS.name}/{name.with_suffix('').as_posix()}{stretch}",
        path=str(where),
        label=label_of(row["label"]) if row.get("label") else None,
        speaker=row.get("speaker") or None,
        start=start,
        end=None if math.isinf(end) else end,
        corpus=row.get("corpus") or CORPUS.name,
        sentence=row.get("sentence") or None,
        sex=SEXES.get(row.get("sex", "").lower()),
        meta={name: cell for name, cell in row.items() if name not in COLUMNS and cell},
    )


CORPUS = Corpus(
    name="folder",
    modality="any",
    title="your own recordings or pictures",
    languages=(),
    licence="yours",
    home="a folder with one sub-folder for each label, or a CSV file (columns path, label)",
    clips=None,
    speakers=None,
    labels=(),
    example="angry/anna/hello.wav",
    parse=parse,
    read=read,
)
