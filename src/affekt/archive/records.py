"""Records: one for each input, as lines of JSON or rows of Parquet, with the fields that the writers have."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from affekt._optional import require
from affekt.archive.sources import Input
from affekt.labels import DIMENSIONS
from affekt.types import Result
from affekt.write.fields import utf8
from affekt.write.predictions import record

SCHEMA = "affekt.archive/1"
#: Format to the ending of its parts.
FORMATS = {"parquet": ".parquet", "jsonl": ".jsonl"}


@dataclass(frozen=True)
class Origin:
    """What produced an output; results of any other setup must not be mixed in.

    Parameters
    ----------
    version : str
        Of affekt.
    model, digest : str
        The model's name, and the SHA-256 of its file.
    labels : mapping of str to tuple of str
        Label to those of the model that it stands for.
    threshold : float
    channel : str
    form : str
        ``parquet`` or ``jsonl``.
    """

    version: str
    model: str
    digest: str
    labels: Mapping[str, tuple[str, ...]]
    threshold: float
    channel: str
    form: str


def recognised(one: Input, result: Result) -> dict[str, Any]:
    """The record of an input that went well: that of the writers, and what the manifest said."""
    return {**_described(one), **record(result), "source": utf8(one.uri), "error": None}


def failed(one: Input, kind: str, reason: str) -> dict[str, Any]:
    """The record of an input that could not be worked on, and why."""
    return {**_described(one), "error": {"kind": kind, "reason": utf8(reason)}}


def _described(one: Input) -> dict[str, Any]:
    return {
        "source": utf8(one.uri),
        "start": one.start,
        "end": one.end,
        "channel": one.channel,
        "speaker": None if one.speaker is None else utf8(one.speaker),
    }


def encoded(records: Sequence[Mapping[str, Any]], origin: Origin) -> bytes:
    """Records as the content of a part of an output."""
    if origin.form == "jsonl":
        lines = (json.dumps({"schema": SCHEMA, **one}, allow_nan=False) for one in records)
        return "".join(f"{line}\n" for line in lines).encode()
    arrow, parquet = require("pyarrow", extra="archive"), require("pyarrow.parquet", extra="archive")
    table = arrow.Table.from_pylist([_row(one) for one in records], schema=_schema(origin))
    file = io.BytesIO()
    parquet.write_table(table, file, compression="zstd")
    return file.getvalue()


def decoded(content: bytes, origin: Origin) -> list[dict[str, Any]]:
    """The records of a part, as :func:`encoded` takes them."""
    if origin.form == "jsonl":
        lines = [json.loads(line) for line in content.splitlines()]
        return [{key: value for key, value in line.items() if key != "schema"} for line in lines]
    parquet = require("pyarrow.parquet", extra="archive")
    rows: list[dict[str, Any]] = parquet.read_table(io.BytesIO(content)).to_pylist()
    for row in rows:
        row["summaries"] = {one.pop("who"): one for one in row["summaries"] or []}
    return rows


def _row(plain: Mapping[str, Any]) -> dict[str, Any]:
    people = [{"who": who, **summary} for who, summary in (plain.get("summaries") or {}).items()]
    return {**plain, "summaries": people}


def _schema(origin: Origin) -> Any:
    """The columns of a part; what is the same in all rows stands in the footer."""
    arrow = require("pyarrow", extra="archive")
    text, number = arrow.string(), arrow.float64()
    answer = [
        ("start", number),
        ("end", number),
        ("label", text),
        ("unsure", arrow.bool_()),
        ("best", text),
        ("confidence", number),
        ("quality", number),
        ("reason", text),
        ("who", text),
        ("scores", arrow.struct([(utf8(label), number) for label in origin.labels])),
        ("dimensions", arrow.struct([(name, number) for name in DIMENSIONS])),
    ]
    columns = {
        "source": text,
        "start": number,
        "end": number,
        "channel": text,
        "speaker": text,
        "duration": number,
        "summary": arrow.struct(answer),
        "summaries": arrow.list_(arrow.struct(answer)),
        "segments": arrow.list_(arrow.struct(answer)),
        "warnings": arrow.list_(text),
        "error": arrow.struct([("kind", text), ("reason", text)]),
    }
    footer = {"schema": SCHEMA, "version": origin.version, "model": origin.model, "sha256": origin.digest}
    return arrow.schema(list(columns.items()), metadata={f"affekt.{key}": utf8(value) for key, value in footer.items()})
