"""Databases in audformat: ``db.yaml`` and its tables (https://audeering.github.io/audformat/).

The ground truth is the column ``emotion`` (or the column whose scheme has that name) and the numbers in the columns
``valence``, ``arousal`` and ``dominance``, with or without ``emotion``. If several tables have
them, the train, dev and test tables are read together, or the one named after the path, ``PATH#TABLE``. The speaker and
the sex come from the same table, from another one with a row for each file, or from the labels of the scheme.

The package audformat reads them (extra ``audformat``). Trap: it accepts YAML tags that run code, and pickled tables;
here the header is read without tags, and only tables in CSV or Parquet are read.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from affekt._optional import require
from affekt.corpora.annotations import own_annotations, place_and_tier
from affekt.corpora.corpus import USAGES, Reading, reading_of
from affekt.corpora.folder import SEXES, doubted, label_of
from affekt.errors import CorpusError
from affekt.labels import DIMENSIONS
from affekt.types import Sample

HEADER = "db.yaml"
#: The third format of the package, .pkl, can run code when it is read.
PLAIN = (".csv", ".parquet")
#: How the ``source`` of a database written by affekt itself begins: no people rated it.
PREDICTED = "predictions of affekt's model "
#: Names of the columns and schemes to read; the first one found is used.
COLUMNS = {
    "label": ("emotion", "label"),
    "speaker": ("speaker",),
    "sex": ("sex", "gender"),
    **{name: (name,) for name in DIMENSIONS},
}
#: A table of ground truth has at least one of these columns.
TRUTH = ("label", *DIMENSIONS)


def read(path: str | os.PathLike[str]) -> Reading:
    """Read a database: its folder, or its ``db.yaml``.

    Raises
    ------
    CorpusError
        If it is no such database, of a version that the installed package cannot read, or has no table of emotions.
    """
    require("audformat", extra="audformat")
    given, wanted = place_and_tier(path)
    folder = given.parent if given.name == HEADER else given
    database = _header(folder)
    chosen = _tables(folder, database, wanted)
    facts, sexes = _facts_of_files(folder, database), _sexes(database)
    found: dict[str, Sample] = {}
    skipped: list[str] = []
    for name in chosen:
        for row in _rows(folder, database, name):
            if all(row.get(key) is None for key in TRUTH):
                continue
            known = {**facts.get(row["file"], {}), **{key: value for key, value in row.items() if value is not None}}
            known.setdefault("sex", sexes.get(known.get("speaker", "")))
            if os.path.normpath(row["file"]).split(os.sep)[0] == ".." or not (folder / row["file"]).is_file():
                skipped.append(f"{row['file']}: no such file in the folder of the database")
                continue
            sample = _sample(folder, known, _usage(database, name))
            found.setdefault(sample.id, sample)
    if not found:
        raise CorpusError(
            f"{folder}: no row of {', '.join(chosen)} can be used{f' ({skipped[0]})' if skipped else ''}. "
            "The media of the database must lie in its folder."
        )
    notes = ["its labels are predictions of a model, not what people rated."] if _is_predicted(database) else []
    return doubted(reading_of(found.values(), skipped), notes)


def _is_predicted(database: Any) -> bool:
    """Whether affekt wrote the database itself."""
    return str(database.source).startswith(PREDICTED)


def _header(folder: Path) -> Any:
    """The database without its tables."""
    if not (folder / HEADER).is_file():
        raise CorpusError(f"{folder} holds no {HEADER}. Give the folder of an audformat database.")
    package = require("audformat", extra="audformat")
    yaml = require("yaml", extra="audformat")
    try:
        # The package's own loader takes tags that run code.
        header = yaml.safe_load((folder / HEADER).read_text(encoding="utf-8"))
        database = package.Database.load_header_from_yaml(header)
        for table in (*database.tables.values(), *database.misc_tables.values()):
            table._df = None
    # YAML errors, and whatever a header of another version makes the package stumble over.
    except Exception as error:
        raise CorpusError(
            f"{folder / HEADER}: cannot be read as an audformat database by audformat {package.__version__} "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]}). It may be of another version: load and "
            "save it again with this one."
        ) from None
    return database


def _columns(database: Any, table: Any) -> dict[str, str]:
    """Each thing that is read from a table, to the name of its column."""
    schemes = {str(name): str(column.scheme_id or "") for name, column in table.columns.items()}
    found = {}
    for what, names in COLUMNS.items():
        named = [column for name in names for column in schemes if column.casefold() == name]
        by_scheme = [column for name in names for column, scheme in schemes.items() if scheme.casefold() == name]
        if named or by_scheme:
            found[what] = (named or by_scheme)[0]
    return found


def _tables(folder: Path, database: Any, wanted: str) -> list[str]:
    """Names of the tables that hold the ground truth."""
    columns = {name: set(_columns(database, table)) for name, table in database.tables.items()}
    with_numbers = [name for name, there in columns.items() if set(DIMENSIONS) & there]
    # If any table has labels, a table that has only numbers must be asked for by name.
    with_label = [name for name, there in columns.items() if "label" in there] or with_numbers
    there = ", ".join(f"{name} ({', '.join(table.columns)})" for name, table in database.tables.items()) or "none"
    if wanted and wanted not in (*with_label, *with_numbers):
        raise CorpusError(f"{folder}: no table {wanted!r} with a column emotion, or a number. Tables: {there}.")
    if not with_label:
        raise CorpusError(
            f"{folder}: no table has a column emotion, or one of a scheme called so, nor one of "
            f"{', '.join(DIMENSIONS)}. Tables: {there}. Rename one."
        )
    chosen = [wanted] if wanted else with_label
    if len(chosen) > 1 and not all(_usage(database, name) for name in chosen):
        raise CorpusError(
            f"{folder}: several tables have emotions: {', '.join(chosen)}. Name one behind the path: PATH#{chosen[0]}."
        )
    return chosen


def _usage(database: Any, name: str) -> str:
    """The part of the database's own split that a table is, in affekt's words, or nothing."""
    split = database.tables[name].split_id
    kind = str(database.splits[split].type if split in database.splits else split or "")
    return kind if USAGES.get(kind) in ("train", "dev", "test") else ""


def _rows(folder: Path, database: Any, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a table: file, start, end, and what is known of each."""
    files = [folder / f"db.{name}{suffix}" for suffix in PLAIN]
    present = [file for file in files if file.is_file()]
    if not present:
        raise CorpusError(
            f"{folder}: the table {name} is in neither {files[0].name} nor {files[1].name}. Tables in other formats "
            "are not read: save the database with storage_format='csv'."
        )
    table = database.tables[name]
    # In a separate folder: the package would prefer a pickled table that lies beside them.
    with TemporaryDirectory() as apart:
        shutil.copy(present[0], apart)
        try:
            table.load(str(Path(apart, f"db.{name}")))
        except Exception as error:
            raise CorpusError(
                f"{present[0]}: does not fit {HEADER} ({type(error).__name__}: {' '.join(str(error).split())[:200]}). "
                "Save the database again."
            ) from None
    columns, frame = _columns(database, table), table.df.reset_index()
    for row in frame.to_dict("records"):
        values = {what: _plain(row.get(column)) for what, column in columns.items()}
        times = {key: None if _plain(row.get(key)) is None else row[key].total_seconds() for key in ("start", "end")}
        yield {"file": str(row["file"]), **times, **values}


def _plain(value: Any) -> str | None:
    """A cell as text, or None where it is empty: NaN and NaT do not equal themselves."""
    return None if value is None or bool(value != value) or str(value) == "<NA>" else str(value)


def _facts_of_files(folder: Path, database: Any) -> dict[str, dict[str, Any]]:
    """Speaker and sex of each file, from tables with a row for each."""
    found: dict[str, dict[str, Any]] = {}
    for name, table in database.tables.items():
        if table.type == "filewise" and {"speaker", "sex"} & set(_columns(database, table)):
            for row in _rows(folder, database, name):
                facts = {key: row[key] for key in ("speaker", "sex") if row.get(key) is not None}
                found.setdefault(row["file"], {}).update(facts)
    return found


def _sexes(database: Any) -> dict[str, str]:
    """The sex of each speaker, where the labels of the scheme say it."""
    people = getattr(database.schemes["speaker"], "labels", None) if "speaker" in database.schemes else None
    found = {}
    for name, about in people.items() if isinstance(people, Mapping) else ():
        words = [str(about[key]) for key in COLUMNS["sex"] if key in about] if isinstance(about, Mapping) else []
        found.update({str(name): word for word in words[:1]})
    return found


def _sample(folder: Path, row: Mapping[str, Any], usage: str) -> Sample:
    start, end = float(row.get("start") or 0.0), row.get("end")
    stretch = f"@{start:.10g}-{'' if end is None else f'{end:.10g}'}" if start or end is not None else ""
    return Sample(
        id=f"{CORPUS.name}/{Path(row['file']).with_suffix('').as_posix()}{stretch}",
        path=str(folder / row["file"]),
        label=None if row.get("label") is None else label_of(row["label"]),
        speaker=row.get("speaker"),
        start=start,
        end=end,
        corpus=CORPUS.name,
        sex=SEXES.get(str(row.get("sex") or "").casefold()),
        meta={**({"usage": usage} if usage else {}), **{name: row[name] for name in DIMENSIONS if row.get(name)}},
    )


CORPUS = own_annotations(
    "audformat", "audformat databases", "the folder of an audformat database, such as msp/db.yaml", read
)
