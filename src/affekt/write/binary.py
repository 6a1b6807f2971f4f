"""Predictions -> files written with other packages: Parquet (pyarrow), and databases in audformat.

Both take results and a path, and hold any number of recordings: a row for each segment, with a column for each label.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from affekt._files import atomic_write
from affekt._optional import require
from affekt.corpora.audformat import PREDICTED
from affekt.errors import InputError
from affekt.types import Result
from affekt.write.fields import rounded, table_of, thousandths, utf8

#: Version of the columns, in the metadata of a Parquet file.
SCHEMA = "affekt.segments/1"
_TEXTS = ("source", "who", "modality", "label", "best", "reason", "text")
_NUMBERS = ("start", "end", "confidence", "quality")


def parquet(results: Iterable[Result], path: Path) -> None:
    """Write a Parquet file: source, times, who, label, best, confidence and so on, then a probability per label.

    ``label`` is null where the model is not sure; ``best`` is its best guess. A recording without segments has one
    row without either, so that no source is lost. Where there are words, ``text`` comes after ``reason``.

    Raises
    ------
    MissingExtra
        If pyarrow is not installed.
    InputError
        If a label has the name of another column.
    """
    pyarrow, storage = require("pyarrow", extra="parquet"), require("pyarrow.parquet", extra="parquet")
    results = list(results)
    labels = _labels(results)
    rows = [row for result in results for row in _rows(result)]
    columns: dict[str, Any] = {}
    words = ("text",) if any(row["text"] for row in rows) else ()
    for name in (
        "source",
        "start",
        "end",
        "who",
        "modality",
        "label",
        "best",
        "confidence",
        "quality",
        "reason",
        *words,
    ):
        kind = pyarrow.string() if name in _TEXTS else pyarrow.float64()
        columns[name] = pyarrow.array([row[name] for row in rows], kind)
    if clash := sorted(columns.keys() & {*labels}):
        raise InputError(f"the label {clash[0]!r} is the name of a column; give another one with --labels NAME=...")
    for label in labels:
        columns[label] = pyarrow.array([row["scores"].get(label) for row in rows], pyarrow.float64())
    models = ", ".join(dict.fromkeys(utf8(result.model) for result in results))
    table = pyarrow.table(columns).replace_schema_metadata({"schema": SCHEMA, "model": models})
    with atomic_write(path, "wb") as file:
        storage.write_table(table, file)


def audformat(results: Iterable[Result], folder: Path) -> None:
    """Write a database in audformat into a folder: ``db.yaml`` and ``db.predictions.csv``, one row per segment.

    File names are relative to the folder: choose the one that holds the recordings, and the database is complete.

    Raises
    ------
    MissingExtra
        If audformat is not installed.
    InputError
        If the folder holds another database.
    """
    package = require("audformat", extra="audformat")
    pandas = require("pandas", extra="audformat")
    results = list(results)
    header = folder / "db.yaml"
    if header.exists() and "affekt" not in header.read_text(encoding="utf-8", errors="replace")[:200]:
        raise InputError(f"{header} is of another database; give another folder.")
    models = ", ".join(dict.fromkeys(utf8(result.model) for result in results))
    database = package.Database("affekt", source=f"{PREDICTED}{models}", usage=package.define.Usage.OTHER)
    database.description = "Emotions as a model hears them, not as people rated them."
    labels = _labels(results)
    database.schemes["emotion"] = package.Scheme(labels=labels)
    database.schemes["probability"] = package.Scheme("float", minimum=0, maximum=1)
    database.schemes["who"] = package.Scheme("str")
    rows = [row for result in results for row in _rows(result) if row["end"] > row["start"]]
    index = package.segmented_index(
        [_relative(row["source"], folder) for row in rows],
        [pandas.Timedelta(seconds=row["start"]) for row in rows],
        [pandas.Timedelta(seconds=row["end"]) for row in rows],
    )
    # One stretch is one row: of several people or modalities at the same time, only the first is kept.
    kept = [i for i, twice in enumerate(index.duplicated()) if not twice]
    table = database["predictions"] = package.Table(index[kept])
    columns = {"emotion": "emotion", "confidence": "probability", "who": "who", **dict.fromkeys(labels, "probability")}
    for name, scheme in columns.items():
        key = {"emotion": "label"}.get(name, name)
        values = [rows[i]["scores"].get(name) if name in labels else rows[i][key] for i in kept]
        table[name] = package.Column(scheme_id=scheme)
        table[name].set(values)
    folder.mkdir(parents=True, exist_ok=True)
    database.save(str(folder), storage_format="csv")


#: Formats and their writers; each takes results and a path.
BINARY: dict[str, Callable[[Iterable[Result], Path], None]] = {"parquet": parquet, "audformat": audformat}
#: The package that each format needs; the extra has the name of the format.
NEEDED = {"parquet": "pyarrow", "audformat": "audformat"}


def _labels(results: Iterable[Result]) -> list[str]:
    return list(dict.fromkeys(utf8(label) for result in results for label in result.labels))


def _rows(result: Result) -> list[dict[str, Any]]:
    """The segments of a result as plain rows."""
    rows = []
    for p in result.predictions:
        fields = table_of(p)
        known = {key: fields[key] for key in ("start", "end", "label", "confidence", "quality")}
        names = {"who": utf8(p.who) if p.who else None, "best": utf8(p.best) if p.best else None}
        names["text"] = utf8(p.text) if p.text else None
        scores = {utf8(label): value for label, value in rounded(p.scores).items()}
        rows.append({**known, **names, "modality": p.modality, "reason": utf8(p.reason), "scores": scores})
    if not rows:
        empty = dict.fromkeys(("label", "best", "who", "text"))
        rows = [
            {**empty, "start": 0.0, "end": thousandths(result.duration), "confidence": 0.0, "reason": "",
             "quality": result.summary.quality, "modality": result.summary.modality, "scores": {}}
        ]  # fmt: skip
    return [{"source": utf8(result.source), **row} for row in rows]


def _relative(source: str, folder: Path) -> str:
    try:
        return Path(os.path.relpath(Path(source).resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive
        return source
