"""A CSV file as rows, with errors that name the column, the row and what to do."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from affekt.errors import CorpusError

DELIMITERS = ",;\t"

# What other tables call the columns that are needed here.
OTHER_WORDS: dict[str, tuple[str, ...]] = {
    "path": ("file", "filename", "file_name", "filepath", "file_path", "audio", "wav", "clip", "recording", "source"),
    "label": ("emotion", "class", "category", "target", "emo"),
}


@dataclass(frozen=True)
class Table:
    """What a CSV file holds.

    Parameters
    ----------
    path : Path
    columns : tuple of str
        Stripped; the case is kept.
    rows : tuple of (int, mapping)
        The line where a row ends, and its cells by column, stripped; a missing cell is ``""``.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]


def read_table(path: Path, *, needed: Sequence[str], lower: bool = False) -> Table:
    """Read a CSV file (comma, semicolon or tab; UTF-8) with a header line.

    Parameters
    ----------
    path : Path
    needed : sequence of str
        Columns that must be there.
    lower : bool
        Whether the case of column names is ignored; they are then in lower case.

    Raises
    ------
    CorpusError
        If it is no such text, a column is missing or comes twice, or a row has too many cells.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "labels.csv")
    ...     _ = file.write_text("path,label\\na.wav, angry\\n", encoding="utf-8")
    ...     read_table(file, needed=["path", "label"]).rows
    ((2, {'path': 'a.wav', 'label': 'angry'}),)
    """
    try:
        # Spreadsheets put a byte order mark first; it must not become part of a column's name.
        with open(path, encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            lines = csv.reader(file, delimiter=max(DELIMITERS, key=header.count), strict=True)
            columns = tuple(name.strip().lower() if lower else name.strip() for name in next(lines, []))
            _check_columns(path, columns, needed)
            return Table(path, columns, tuple(_rows(path, columns, lines)))
    except UnicodeDecodeError:
        raise CorpusError(f"{path}: is not UTF-8 text. Export the table as CSV in UTF-8.") from None
    except csv.Error as error:
        raise CorpusError(f"{path}: is not a CSV table ({error}). Export it again.") from None


def _check_columns(path: Path, columns: Sequence[str], needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in columns]
    if missing:
        there = ", ".join(column or '""' for column in columns) or "none"
        hints = "".join(_hint(name, [column for column in columns if column not in needed]) for name in missing)
        raise CorpusError(
            f"{path}: has no column {' and none '.join(map(repr, missing))}. "
            f"Needed: {', '.join(needed)}. It has: {there}.{hints}"
        )
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise CorpusError(f"{path}: the column {twice[0]!r} comes twice. Keep one of them.")


def _hint(name: str, columns: Sequence[str]) -> str:
    by_case = {column.lower(): column for column in columns}
    near = [word for word in OTHER_WORDS.get(name, ()) if word in by_case]
    near = near or get_close_matches(name.lower(), [*by_case], n=1)
    return f" Rename {by_case[near[0]]!r} to {name!r}?" if near else ""


def _rows(path: Path, columns: Sequence[str], lines: Iterator[list[str]]) -> Iterator[tuple[int, dict[str, str]]]:
    # The header was the first line read; the reader counts on from it, and over line breaks in quotes.
    for cells in lines:
        number = lines.line_num  # type: ignore[attr-defined]
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(columns):
            raise CorpusError(
                f"{path}, line {number}: {len(cells)} cells under {len(columns)} columns. "
                "Put quotes around a cell that holds the delimiter."
            )
        padded = [*cells, *[""] * (len(columns) - len(cells))]
        yield number, {name: cell.strip() for name, cell in zip(columns, padded, strict=True)}
