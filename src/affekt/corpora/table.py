"""Tables as spreadsheets, databases and other tools write them, as rows; the one reader of tables in affekt.

Errors name the column, the row and what to do.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from affekt.errors import CorpusError

DELIMITERS = ",;\t|"

# What other tables call the columns that are needed here.
OTHER_WORDS: dict[str, tuple[str, ...]] = {
    "path": (
        "file",
        "filename",
        "file_name",
        "filepath",
        "file_path",
        "audio",
        "wav",
        "clip",
        "recording",
        "source",
        "image",
        "picture",
    ),
    "label": ("emotion", "class", "category", "target", "emo"),
    "speaker": ("actor", "speaker_id", "spk", "subject", "person"),
    "sex": ("gender",),
    "sentence": ("text", "utterance", "transcript", "transcription"),
    "start": ("begin", "onset", "start_time", "from"),
    "end": ("stop", "offset", "end_time", "to"),
}
_CLOCK = re.compile(r"(?:(\d+)\s*days?,?\s+)?(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d+)?|[.,]\d+)\s*s?", re.IGNORECASE)


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
    """Read a table of text with a header line.

    Cells may be separated by commas, semicolons, tabs or bars; the text may be
    UTF-8 or UTF-16, with or without a byte order mark; a first line ``sep=;`` (as
    Excel writes it) is understood.

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
        If it is not such a text, a column is missing or occurs twice, or a row has too many cells.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "labels.csv")
    ...     _ = file.write_text("path,label\\na.wav, angry\\n", encoding="utf-8")
    ...     read_table(file, needed=["path", "label"]).rows
    ((2, {'path': 'a.wav', 'label': 'angry'}),)
    """
    text, first = _text(path), 0
    head, _, rest = text.partition("\n")
    delimiter = max(DELIMITERS, key=head.count)
    if stated := re.fullmatch(r"\ufeff?sep=(.)\r?", head, re.IGNORECASE):
        delimiter, text, first = stated[1], rest, 1
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        columns = tuple(name.strip().lower() if lower else name.strip() for name in next(lines, []))
        _check_columns(path, columns, needed)
        return Table(path, columns, tuple(_rows(path, columns, lines, first)))
    except csv.Error as error:
        raise CorpusError(f"{path}: is not a CSV table ({error}). Export it again.") from None


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror}). Give a table in CSV.") from None
    half = data[:200]
    # Without a mark: in UTF-16, every other byte of Western text is 0.
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(half) > 3 and half[1::2].count(0) > len(half) // 4)
    try:
        if wide:
            return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-16-le")
        # Spreadsheets put a byte order mark first; it must not become part of a column's name.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CorpusError(f"{path}: is not UTF-8 text. Export the table as CSV in UTF-8.") from None


def seconds_of(text: str) -> float:
    """A time as tables have it, in seconds: ``1.5``, ``1,5``, ``0:01:05,250``, ``0 days 00:01:05.25``.

    Raises
    ------
    ValueError
        If it is no such time.

    Examples
    --------
    >>> [seconds_of(text) for text in ("2.5", "0,5", "01:05", "1:00:00,5", "0 days 00:00:02.500000")]
    [2.5, 0.5, 65.0, 3600.5, 2.5]
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return float(text)  # nan, inf and -1 are numbers, too; the caller decides what is allowed
    days, hours, minutes, seconds = (float((part or "0").replace(",", ".")) for part in found.groups())
    return ((24 * days + hours) * 60 + minutes) * 60 + seconds


def column_of(columns: Sequence[str], name: str) -> str | None:
    """The column for something, by its name or, where there is none, by one of the other usual words for it.

    Examples
    --------
    >>> column_of(("path", "gender"), "sex"), column_of(("path", "Sex"), "sex"), column_of(("path",), "sex")
    ('gender', 'Sex', None)
    """
    by_case = {column.lower(): column for column in reversed(columns)}
    return next((by_case[word] for word in (name, *OTHER_WORDS.get(name, ())) if word in by_case), None)


def same_file(folder: Path, inside: str) -> Path:
    """A path below a folder, even if the disk stores accents in another form (NFC, NFD)."""
    where = folder / inside
    if where.is_file() or (where.name.isascii() and str(inside).isascii()):
        return where
    found = folder
    for part in Path(inside).parts:
        wanted = unicodedata.normalize("NFC", part)
        near = found / part
        if not near.exists() and found.is_dir():
            near = next((p for p in found.iterdir() if unicodedata.normalize("NFC", p.name) == wanted), near)
        found = near
    return found


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


def _rows(
    path: Path, columns: Sequence[str], lines: Iterator[list[str]], first: int
) -> Iterator[tuple[int, dict[str, str]]]:
    # The header was the first line read; the reader counts on from it, and over line breaks in quotes.
    for cells in lines:
        number = first + lines.line_num  # type: ignore[attr-defined]
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(columns):
            raise CorpusError(
                f"{path}, line {number}: {len(cells)} cells under {len(columns)} columns. "
                "Put quotes around a cell that holds the delimiter."
            )
        padded = [*cells, *[""] * (len(columns) - len(cells))]
        yield number, {name: cell.strip() for name, cell in zip(columns, padded, strict=True)}
