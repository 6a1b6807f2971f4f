"""SQL queries on the records of an archive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from affekt._optional import require
from affekt.archive.records import FORMATS
from affekt.archive.run import existing
from affekt.archive.store import file_system, is_address, open_store
from affekt.errors import InputError
from affekt.labels import DIMENSIONS

#: A row for each record of what went well, with the summary's fields; for each segment; for each failure.
_VIEWS = """
CREATE VIEW records AS SELECT {described}, duration, {summary}, warnings FROM parts WHERE error IS NULL;
CREATE VIEW segments AS SELECT {described}, segment."start" + "start" AS "start", segment."end" + "start" AS "end",
    {segment} FROM (SELECT *, unnest(segments) AS segment FROM parts WHERE error IS NULL);
CREATE VIEW failures AS SELECT {described}, error.kind AS kind, error.reason AS reason FROM parts
    WHERE error IS NOT NULL;
"""
_ANSWER = ("label", "unsure", "best", "confidence", "quality", "reason", "who", "scores", "dimensions")


def query(output: str, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Query the records of an archive.

    Three tables can be queried. All have ``source``, ``channel`` and ``speaker``. ``records``: a row for each
    recording, with ``duration`` and the fields of its summary (``label``, ``best``, ``confidence``, ``quality``,
    ``reason``, and ``scores`` such as ``scores.angry``). ``segments``: a row for each segment, with ``start`` and
    ``end`` too, from the start of the file on. ``failures``: ``kind`` and ``reason``.

    Parameters
    ----------
    output : str
    sql : str
        In DuckDB's dialect.

    Returns
    -------
    list of str, list of tuple
        The names of the columns, and the rows.

    Raises
    ------
    InputError
        If DuckDB rejects the query; with DuckDB's message.
    StoreError
        If there is no archive.
    """
    duckdb = require("duckdb", extra="duckdb")
    store = open_store(output)
    origin = existing(store)
    if not any(True for _ in store.names("data")):
        raise InputError(f"{store.address}: nothing is committed there yet; wait for the first shard.")
    base = duckdb.connect()
    root = store.address
    if is_address(root):
        system, _ = file_system(root)
        base.register_filesystem(system)
    pattern = f"{root}/data/*/part-*{FORMATS[origin.form]}"
    if origin.form == "jsonl":
        parts = base.read_json(pattern, columns=_columns(origin.labels), format="newline_delimited")
    else:
        parts = base.read_parquet(pattern)
    parts.create_view("parts")
    summary = ", ".join(f"summary.{name} AS {name}" for name in _ANSWER)
    segment = ", ".join(f"segment.{name} AS {name}" for name in _ANSWER)
    base.execute(_VIEWS.format(described="source, channel, speaker", summary=summary, segment=segment))
    try:
        found = base.execute(sql)
        return [column[0] for column in found.description], found.fetchall()
    except duckdb.Error as error:
        raise InputError(f"--sql: {str(error).splitlines()[0]} Tables: records, segments, failures.") from error


def _columns(labels: Iterable[str]) -> dict[str, str]:
    """Lines of JSON with the columns that Parquet has; what a line leaves out is null."""
    scores = ", ".join(f'"{label.replace(chr(34), chr(34) * 2)}" DOUBLE' for label in labels)
    answer = (
        '"start" DOUBLE, "end" DOUBLE, label VARCHAR, unsure BOOLEAN, best VARCHAR, confidence DOUBLE, '
        f"quality DOUBLE, reason VARCHAR, who VARCHAR, scores STRUCT({scores}), "
        f"dimensions STRUCT({', '.join(f'{name} DOUBLE' for name in DIMENSIONS)})"
    )
    return {
        "source": "VARCHAR",
        "start": "DOUBLE",
        "end": "DOUBLE",
        "channel": "VARCHAR",
        "speaker": "VARCHAR",
        "duration": "DOUBLE",
        "summary": f"STRUCT({answer})",
        "segments": f"STRUCT({answer})[]",
        "warnings": "VARCHAR[]",
        "error": "STRUCT(kind VARCHAR, reason VARCHAR)",
    }
