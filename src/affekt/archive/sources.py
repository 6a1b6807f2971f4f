"""What an archive consists of: folders, patterns, addresses and manifests, as a stream of inputs, never a list."""

from __future__ import annotations

import csv
import glob
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import IO, Any

from affekt._optional import require
from affekt.archive.ordered import mapped
from affekt.archive.seen import Seen
from affekt.archive.store import file_system, is_address, is_denied, refusal
from affekt.errors import AffektError, InputError, UnknownName
from affekt.recognize.modalities import extensions
from affekt.speech.audio import length
from affekt.speech.channels import ReadOptions
from affekt.speech.container import open_sound

#: The columns of a manifest; the first must be there.
COLUMNS = ("uri", "start", "end", "channel", "speaker")
MANIFESTS = (".csv", ".parquet")
#: Bytes of a second, for shards of about the same length: of bare samples (16 kHz, 16 bits), of what is compressed.
_BARE, _COMPRESSED = 32_000, 8_000
_BARE_EXTENSIONS = frozenset(["wav", "wave", "aif", "aiff", "aifc", "au", "snd", "caf", "w64", "rf64", "sph"])
#: A file may be this many times longer than its size suggests (8 kHz mu-law, opus at 6 kbit/s); where reading the
#: header needs a connection, the rarest cases are ignored.
_SPARSEST, _SPARSE = 12, 4
#: What is taken for the seconds of a file of which nothing is known.
_UNKNOWN = 300.0
#: Bytes that a question about a header reads at once.
_HEADER = 1 << 18
#: Examples of what is wrong that a message names.
_EXAMPLES = 3


@dataclass(frozen=True)
class Input:
    """One recording, or a stretch of one: what gets one record.

    Parameters
    ----------
    uri : str
        An absolute path, or an fsspec address.
    start, end : float
        Seconds; ``end=None`` means to the end of the file.
    channel : str, optional
        Of a manifest; by default that of the run.
    speaker : str, optional
        Written into the record; by it :func:`affekt.archive.forget.forget` finds a person's records.
    size : int, optional
        Bytes of the file, where listing it said so.
    """

    uri: str
    start: float = 0.0
    end: float | None = None
    channel: str | None = None
    speaker: str | None = None
    size: int | None = None

    @property
    def key(self) -> str:
        """What distinguishes it from other inputs."""
        return f"{self.uri}\0{self.start!r}\0{self.end!r}\0{self.channel or ''}"

    @property
    def name(self) -> str:
        """What to call it in a message: its address, and its stretch."""
        stretch = "" if not self.start and self.end is None else f" [{self.start:.10g}, {self.end or 'end'})"
        return f"{self.uri}{stretch}"

    def seconds(self, longest: float) -> float:
        """About how long it is; exactly only where it may be longer than ``longest`` and its header can be read."""
        if self.end is not None:
            return self.end - self.start
        guess = self._guess()
        try:
            if self.is_asked_about(longest):
                guess = _stated(self.uri) if is_address(self.uri) else length(self.uri)[0]
        except Exception:  # also what file systems raise; said of it when its turn comes
            guess = self._guess()
        return max(1.0, guess - self.start)

    def is_asked_about(self, longest: float) -> bool:
        """Whether its size leaves open if it is longer than so many seconds."""
        sparse = _SPARSE if is_address(self.uri) else _SPARSEST
        return self.end is None and self.size is not None and sparse * self._guess() > longest

    def _guess(self) -> float:
        if self.size is None:
            return _UNKNOWN
        extension = os.path.splitext(self.uri)[1][1:].lower()
        return self.size / (_BARE if extension in _BARE_EXTENSIONS else _COMPRESSED)


def _stated(address: str) -> float:
    """Seconds by the header of a file that lies elsewhere, of which only that is read."""
    system, path = file_system(address)
    with ExitStack() as stack:
        file = stack.enter_context(system.open(path, "rb", block_size=_HEADER))
        return float(open_sound(file, stack).duration / 1e6)


def inputs(sources: Iterable[str], *, allow_missing: bool = False) -> Iterator[Input]:
    """All recordings that the sources name, as they are found.

    Parameters
    ----------
    sources : iterable of str
        Folders (with all of their folders), patterns (``calls/**/*.wav``), recordings, manifests (``.csv``,
        ``.parquet``), or fsspec addresses of any of these.
    allow_missing : bool
        Missing files of a manifest get a record that says so; by default the manifest is refused.

    Yields
    ------
    Input
        One may come twice where sources overlap.

    Raises
    ------
    InputError
        If a source names nothing, or a manifest is wrong: says the lines.
    MissingExtra
        If an address or a manifest needs a package.
    StoreError
        If an address cannot be listed.
    """
    for source in sources:
        if source.lower().endswith(MANIFESTS):
            yield from _of_manifest(source, allow_missing)
        elif is_address(source):
            yield from _of_address(source)
        else:
            yield from _of_path(source)


def _of_path(source: str) -> Iterator[Input]:
    known, found = extensions("speech"), False
    if os.path.isdir(source):
        paths = _walk(source, known)
    elif glob.has_magic(source) and not os.path.lexists(source):
        paths = (path for path in glob.iglob(source, recursive=True) if os.path.isfile(path))
    elif os.path.isfile(source):
        paths = iter([source])
    else:
        raise InputError(f"{source}: no such file or folder. Name a folder, a pattern, a manifest or an address.")
    for path in paths:
        found = True
        yield Input(os.path.abspath(path), size=os.stat(path).st_size)
    if not found:
        raise InputError(f"{source}: holds no recordings ({', '.join(sorted(known)[:6])}, ...).")


def _walk(folder: str, known: frozenset[str]) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise error

    for where, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        for name in sorted(names):
            if _is_recording(name, known):
                yield os.path.join(where, name)


def _is_recording(name: str, known: frozenset[str]) -> bool:
    # Finder leaves a "._talk.wav" beside each "talk.wav" on foreign disks; it holds no sound.
    return os.path.splitext(name)[1][1:].lower() in known and not name.startswith("._")


def _of_address(source: str) -> Iterator[Input]:
    system, path = file_system(source)
    known, found = extensions("speech"), False
    system.invalidate_cache()  # of what this process listed before
    try:
        if glob.has_magic(path):
            entries: Iterable[Mapping[str, Any]] = system.glob(path, detail=True).values()
        elif os.path.splitext(path)[1][1:].lower() in known:
            entries = [system.info(path)]
        else:
            found_in = system.walk(path, detail=True, on_error="raise")
            entries = (entry for _, _, files in found_in for entry in files.values())
        for entry in entries:
            if entry["type"] == "file" and _is_recording(entry["name"].rsplit("/", 1)[-1], known):
                found = True
                yield Input(system.unstrip_protocol(entry["name"]), size=entry.get("size"))
    except AffektError:
        raise
    except FileNotFoundError as error:
        # The file system of http says so of a server that is not there, too.
        why = error.__cause__ or error
        raise InputError(f"{source}: no such bucket, folder or file ({why}). Correct the address.") from error
    except Exception as error:
        raise refusal(source, error) from error
    if not found:
        raise InputError(f"{source}: holds no recordings ({', '.join(sorted(known)[:6])}, ...).")


def _of_manifest(source: str, allow_missing: bool) -> Iterator[Input]:
    """Each row as an input; what is wrong with some of them is raised when all were seen.

    The planner commits nothing until then, so a manifest is accepted as a whole or not at all.
    """
    folder = source.rsplit("/", 1)[0] if is_address(source) else os.path.dirname(os.path.abspath(source))
    missing = _Problems(source, "files that are not there", "Correct them, or keep them with --allow-missing")
    twice = _Problems(
        source, "what an earlier row named", "Each stretch of a recording gets one record: leave them out"
    )
    seen = Seen()

    def is_there(one: tuple[str, Input]) -> tuple[str, Input, bool]:
        line, found = one
        size = _size(found)
        return line, replace(found, size=size or None), size is not None

    with _opened(source) as file:
        rows = _parquet_rows(file, source) if source.lower().endswith(".parquet") else _csv_rows(file, source)
        named = ((line, _input(row, f"{source}, {line}", folder)) for line, row in rows)
        count = 0
        for line, found, there in mapped(is_there, named, is_slow=lambda one: _is_far(one[1])):
            count += 1
            if not there and not allow_missing:
                missing.add(line, found.uri)
            if seen.add(found.key):
                yield found
            else:
                twice.add(line, found.name)
    missing.check()
    twice.check()
    if not count:
        raise InputError(f"{source}: has no rows; each row is one recording, with its uri.")


def _is_far(one: Input) -> bool:
    """Whether a server is asked about it; of a stretch that has an end it is not, to save that."""
    return is_address(one.uri) and one.end is None


def _size(one: Input) -> int | None:
    """Bytes of the file, 0 where they are not known, and None where there is no file."""
    try:
        if not is_address(one.uri):
            return os.stat(one.uri).st_size
        if not _is_far(one):
            return 0
        system, path = file_system(one.uri)
        return int(system.info(path).get("size") or 0)
    except FileNotFoundError:
        return None
    except Exception as error:
        if not is_address(one.uri):
            return None
        if is_denied(error):
            raise refusal(one.uri, error) from error
        return 0  # nobody knows whether what does not answer now is there; its record will say


class _Problems:
    """Rows with the same thing wrong: a count and some examples, however many there are."""

    def __init__(self, source: str, what: str, advice: str) -> None:
        self._source, self._what, self._advice = source, what, advice
        self._count, self._examples = 0, list[str]()

    def add(self, line: str, text: str) -> None:
        self._count += 1
        if len(self._examples) < _EXAMPLES:
            self._examples.append(f"{line}: {text}")

    def check(self) -> None:
        if self._count:
            more = ", ..." if self._count > _EXAMPLES else ""
            raise InputError(
                f"{self._source}: {'1 row names' if self._count == 1 else f'{self._count} rows name'} {self._what} "
                f"({'; '.join(self._examples)}{more}). {self._advice}."
            )


def _opened(source: str) -> IO[bytes]:
    if not is_address(source):
        if not os.path.isfile(source):
            raise InputError(f"{source}: no such manifest. Give a .csv or .parquet file with the columns uri, ...")
        return open(source, "rb")
    system, path = file_system(source)
    try:
        file: IO[bytes] = system.open(path, "rb")
    except Exception as error:
        raise refusal(source, error) from error
    return file


def _csv_rows(file: IO[bytes], source: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
    try:
        names = reader.fieldnames or ()
        if len(names) == 1 and ";" in names[0]:
            raise InputError(
                f"{source}: separates its columns by semicolons. Save it with commas: {','.join(COLUMNS)}."
            )
        _check_columns(names, source)
        for row in reader:
            if None in row or None in row.values():
                raise InputError(
                    f"{source}, line {reader.line_num}: has another number of values than the first line has columns."
                )
            yield f"line {reader.line_num}", row
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{source}: is no CSV in UTF-8 ({error}). Save it as one.") from error


def _parquet_rows(file: IO[bytes], source: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    parquet = require("pyarrow.parquet", extra="archive")
    try:
        table = parquet.ParquetFile(file)
    except Exception as error:
        raise InputError(f"{source}: is no Parquet file ({error}).") from error
    _check_columns(table.schema_arrow.names, source)
    number = 0
    for batch in table.iter_batches(batch_size=4096):
        for row in batch.to_pylist():
            number += 1
            yield f"row {number}", row


def _check_columns(names: Iterable[str], source: str) -> None:
    for name in names:
        if name not in COLUMNS:
            raise UnknownName(f"column of {source}", name, COLUMNS)
    if "uri" not in names:
        raise InputError(f"{source}: has no column uri; columns are {', '.join(COLUMNS)}, of which uri must be there.")


def _input(row: Mapping[str, Any], where: str, folder: str) -> Input:
    uri = str(row["uri"] or "").strip()
    if not uri:
        raise InputError(f"{where}: uri is empty; give a path, from the manifest's folder on, or an address.")
    if not is_address(uri):
        uri = f"{folder}/{uri}" if is_address(folder) else os.path.abspath(os.path.join(folder, uri))
    start = _number(row, "start", where) or 0.0
    end = _number(row, "end", where)
    if start < 0 or (end is not None and end <= start):
        raise InputError(f"{where}: start {start:.10g}, end {end} is no interval; give seconds, 0 <= start < end.")
    channel = _text(row, "channel")
    if channel is not None:
        try:
            ReadOptions(channel)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    return Input(uri, start, end, channel, _text(row, "speaker"))


def _text(row: Mapping[str, Any], column: str) -> str | None:
    value = row.get(column)
    return None if value is None or not str(value).strip() else str(value).strip()


def _number(row: Mapping[str, Any], column: str, where: str) -> float | None:
    if (text := _text(row, column)) is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e9:
        raise InputError(f"{where}: {column} is {text!r}; give seconds, such as 12.5, or nothing.")
    return value
