"""Feature tables -> files: csv, parquet, npz."""

from __future__ import annotations

import csv as csv_module
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from affekt._optional import require
from affekt.errors import InputError
from affekt.write.fields import utf8


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of recordings: one row per clip, or per frame.

    Parameters
    ----------
    columns : tuple of str
        Names of the d features.
    values : float32 array, shape (n, d)
        A row of NaN where nothing could be computed, such as an embedding of a clip without speech.
    path : tuple of str
        The recording of each row.
    start, end : float64 arrays, shape (n,)
        The stretch of each row in its recording, in seconds, half-open.
    facts : mapping of str to tuple of str
        What else is known of each row, by column: ``channel``; for a corpus ``id``, ``label`` and ``speaker``.
    notes : tuple of str
        What is missing, and why.
    """

    columns: tuple[str, ...]
    values: NDArray[np.float32]
    path: tuple[str, ...]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        files = len(set(self.path))
        rows, columns = self.values.shape
        return f"FeatureTable({rows} rows x {columns} features of {files} recording{'s' * (files != 1)})"

    def __len__(self) -> int:
        return len(self.values)

    @property
    def index(self) -> dict[str, Any]:
        """The columns that identify a row, by name: path, start, end and the facts."""
        return {"path": self.path, "start": self.start, "end": self.end, **self.facts}

    def to_frame(self) -> Any:
        """As a pandas DataFrame: ``path``, ``start``, ``end``, the facts, then a column per feature.

        Raises
        ------
        MissingExtra
            If pandas is not installed.
        """
        pandas = require("pandas", extra="parquet")
        named = pandas.DataFrame(dict(self.index))
        return pandas.concat([named, pandas.DataFrame(self.values, columns=list(self.columns))], axis=1)


def csv(table: FeatureTable, file: IO[bytes]) -> None:
    """Write a table of comma-separated values with a header; NaN is an empty cell.

    Values have all digits that a float32 has; times are rounded to microseconds.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv_module.writer(text, lineterminator="\n")
    index = table.index
    writer.writerow([*index, *table.columns])
    texts = [[_cell(value) for value in column] for name, column in index.items()]
    for named, row in zip(zip(*texts, strict=True), table.values, strict=True):
        writer.writerow([*named, *("" if np.isnan(value) else str(value) for value in row)])
    text.flush()
    text.detach()


def _cell(value: object) -> str:
    return utf8(value) if isinstance(value, str) else repr(round(float(value), 6))  # type: ignore[arg-type]


def parquet(table: FeatureTable, file: IO[bytes]) -> None:
    """Write an Apache Parquet file, one column per feature (float32).

    Raises
    ------
    MissingExtra
        If pyarrow is not installed.
    """
    pyarrow = require("pyarrow", extra="parquet")
    index = {
        name: [utf8(value) for value in column] if isinstance(column, tuple) else column
        for name, column in table.index.items()
    }
    features = {name: table.values[:, i] for i, name in enumerate(table.columns)}
    require("pyarrow.parquet", extra="parquet").write_table(pyarrow.table({**index, **features}), file)


def npz(table: FeatureTable, file: IO[bytes]) -> None:
    """Write arrays for ``numpy.load``: ``values`` (n, d), ``columns`` (d,), ``path``, ``start``, ``end``, the facts."""
    index: dict[str, Any] = {
        name: np.array([utf8(value) for value in column], np.str_) if isinstance(column, tuple) else column
        for name, column in table.index.items()
    }
    np.savez_compressed(file, values=table.values, columns=np.array(table.columns, np.str_), **index)


#: Formats and their writers; each takes a table and an open binary file.
WRITERS: dict[str, Callable[[FeatureTable, IO[bytes]], None]] = {"csv": csv, "parquet": parquet, "npz": npz}


def joined(parts: Sequence[FeatureTable]) -> FeatureTable:
    """Tables of the same columns, one below the other.

    Raises
    ------
    InputError
        If there is none, or their columns differ.
    """
    if not parts or len({(part.columns, tuple(part.facts)) for part in parts}) > 1:
        raise InputError(f"{len(parts)} tables of features; give at least one, all of the same columns.")
    first = parts[0]
    return FeatureTable(
        first.columns,
        np.concatenate([part.values for part in parts]),
        tuple(path for part in parts for path in part.path),
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.end for part in parts]),
        {name: tuple(fact for part in parts for fact in part.facts[name]) for name in first.facts},
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )
