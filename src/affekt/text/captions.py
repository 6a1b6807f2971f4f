"""Words in: a text, subtitles (srt, vtt) or a table of messages (csv), as cues with their times.

The content decides what a file is: ``WEBVTT``, time codes, a header with a
column ``text``; everything else is a text. A cue of a text has no time: it starts and
ends at 0, like a picture, and cues keep the order of their sentences.
"""

from __future__ import annotations

import csv
import html
import io
import itertools
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from affekt.errors import InputError, TextError
from affekt.text.sentences import LONGEST, sentences_of
from affekt.types import Sample

EXTENSIONS = frozenset(["csv", "srt", "tsv", "txt", "vtt"])
#: Bytes of a file.
LARGEST = 64 << 20
#: Seconds of the latest cue: about eleven days.
LATEST = 1e6
#: Cues that are read at a time.
BLOCK = 256

Warn = Callable[[str], None]

_ARROW = re.compile(r"^\s*(\S+)\s*-+>\s*(\S+)(.*)$")
_CLOCK = re.compile(r"^(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d{1,9})?)$")
_TAG = re.compile(r"<[^<>\n]{0,200}>|\{\\[^{}\n]{0,200}\}")
_VOICE = re.compile(r"<v(?:\.[^ >]*)?[ \t]+([^>\n]{1,200})>")
_DESCRIPTION = re.compile(r"^(?:[\s♪♫#*-]|\[[^\]]*\]|\([^)]*\))+$")
#: Names of the columns of a table, the usual ones first.
_COLUMNS = {
    "text": ("text", "message", "sentence", "utterance", "transcript", "content", "caption"),
    "start": ("start", "begin", "time", "timestamp", "from", "onset"),
    "end": ("end", "stop", "to", "offset"),
    "who": ("speaker", "who", "name", "author", "sender", "user"),
}
#: First bytes of other kinds of file that could be mistaken for a text.
_OTHERS = {
    b"%PDF": "a PDF", b"PK\x03\x04": "an archive or an office document", b"\xd0\xcf\x11\xe0": "an office document",
    b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"GIF8": "a picture", b"RIFF": "a recording",
    b"ID3": "a recording", b"OggS": "a recording", b"fLaC": "a recording", b"\x1aE\xdf\xa3": "a video",
    b"\x1f\x8b": "a compressed file", b"\x7fELF": "a program", b"{\\rtf": "a document in rich text",
}  # fmt: skip


@dataclass(frozen=True)
class Text:
    """Words given directly, not as a file: :class:`~affekt.recognize.recognizer.Recognizer` treats them as text.

    Examples
    --------
    >>> [cue.text for cue in cues_of(Text("I won! Nobody cares."))]
    ['I won!', 'Nobody cares.']
    """

    text: str
    name: str = "text"


class Cue(NamedTuple):
    """Words and when they are said.

    Parameters
    ----------
    start, end : float
        Seconds, half-open; both 0 where the time is not known.
    text : str
        Without markup, on one line.
    who : str or None
        Who says them, if the file names the speaker.
    """

    start: float
    end: float
    text: str
    who: str | None = None


def cue_blocks(source: Any, *, warn: Warn = lambda sentence: None) -> Iterator[list[Cue]]:
    """The cues of a source, ``BLOCK`` at a time.

    Parameters
    ----------
    source, warn
        As for :func:`cues_of`.
    """
    cues = cues_of(source, warn=warn)
    for first in range(0, len(cues), BLOCK):
        yield cues[first : first + BLOCK]


def cues_of(source: Any, *, warn: Warn = lambda sentence: None) -> list[Cue]:
    """The cues of a text, of subtitles or of a table of messages, in order of their starts.

    Parameters
    ----------
    source : path, bytes, binary file, "-", Text or Sample
    warn : callable
        Takes a sentence when the source is odd but readable.

    Returns
    -------
    list of Cue
        Empty where there are no words.

    Raises
    ------
    TextError
        If it cannot be read, is too large, or holds no text.
    """
    if isinstance(source, Sample):
        return _of_sample(source, warn)
    if isinstance(source, Text):
        if len(source.text) > LARGEST:
            raise TextError(f"{source.name}: is longer than {LARGEST >> 20} million characters.")
        return [Cue(0.0, 0.0, sentence) for sentence in sentences_of(source.text)]
    name = _name(source)
    text = decoded(_bytes(source, name), name, warn)
    cues = _parsed(text, name, warn)
    if not cues:
        warn(f"{name}: holds no words.")
    return cues


def _of_sample(sample: Sample, warn: Warn) -> list[Cue]:
    """The cues of a segment, with times from its start; if the sample is a sentence, that sentence."""
    if sample.sentence is not None and not Path(sample.path).is_file():
        return cues_of(Text(sample.sentence, sample.id), warn=warn)
    end = math.inf if sample.end is None else sample.end
    inside = (
        cue
        for cue in cues_of(sample.path, warn=warn)
        if max(cue.start, sample.start) < min(cue.end, end) or cue.start == cue.end
    )
    return [
        cue._replace(start=max(cue.start, sample.start) - sample.start, end=min(cue.end, end) - sample.start)
        for cue in inside
    ]


def _name(source: Any) -> str:
    if isinstance(source, (str, os.PathLike)):
        return "standard input" if os.fspath(source) == "-" else os.fspath(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"{len(source)} bytes"
    return str(getattr(source, "name", "stream"))


def _bytes(source: Any, name: str) -> bytes:
    """All bytes of a source, one more than allowed at most."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    elif hasattr(source, "read"):
        data = source.read(LARGEST + 1)
        if not isinstance(data, bytes):
            raise InputError(f"{name}: is open as text; open it in binary mode, 'rb'.")
    elif not isinstance(source, (str, os.PathLike)):
        raise InputError(f"a {type(source).__name__}; give a path, bytes, a binary file or affekt.text.captions.Text.")
    elif os.fspath(source) == "-":
        data = sys.stdin.buffer.read(LARGEST + 1)
    else:
        data = _file_bytes(Path(source), name)
    if len(data) > LARGEST:
        raise TextError(f"{name}: is larger than {LARGEST >> 20} MB; split it.")
    return data


def _file_bytes(path: Path, name: str) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise TextError(f"{name}: is no file; give a text (txt, srt, vtt, csv).")
        with open(path, "rb") as file:
            return file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise TextError(f"{name}: {getattr(error, 'strerror', None) or error}.") from None


def decoded(data: bytes, name: str, warn: Warn) -> str:
    """Bytes to text: UTF-8, UTF-16 with or without its mark; else Windows-1252, with a warning.

    Raises
    ------
    TextError
        If they are not text.
    """
    for head, what in _OTHERS.items():
        if data.startswith(head):
            raise TextError(
                f"{name}: is {what}, not a text; allowed: txt, srt, vtt, csv. Save its words as one of them."
            )
    encoding = _utf16(data)
    if encoding:
        text = data.decode(encoding, "replace")
        if "\ufffd" in text:
            warn(f"{name}: some bytes are no {encoding.upper()}; they are shown as \ufffd.")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            text = data.decode("cp1252", "replace")
            warn(
                f"{name}: is no UTF-8 (at byte {error.start}); read as Windows-1252: check accents and quotation marks."
            )
    text = text.removeprefix("\ufeff")
    odd = sum(text.count(chr(code)) for code in range(32) if chr(code) not in "\t\n\r\x0b\x0c\x1b")
    if odd > 0.01 * len(text):
        raise TextError(
            f"{name}: holds bytes that are no text ({odd} of {len(text)} characters are control codes); "
            "allowed: txt, srt, vtt, csv in UTF-8 or UTF-16."
        )
    return text.replace("\x00", "")


def _utf16(data: bytes) -> str | None:
    """The kind of UTF-16, by its mark or by zeros in every other byte of the beginning."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    head = data[:2048]
    half = len(head) // 2
    if half >= 4:
        even, odd = head[0::2].count(0), head[1::2].count(0)
        if odd > 0.7 * half and even < 0.05 * half:
            return "utf-16-le"
        if even > 0.7 * half and odd < 0.05 * half:
            return "utf-16-be"
    return None


def _parsed(text: str, name: str, warn: Warn) -> list[Cue]:
    start = text.lstrip()[:65_536]
    if start.startswith("WEBVTT"):
        return timed(list(_subtitles(text, is_vtt=True)), name, warn)
    if any(
        _ARROW.match(line) for line in start.splitlines()[:50] if len(line) < 500 and line[:3].strip()[:1].isdigit()
    ):
        return timed(list(_subtitles(text, is_vtt=False)), name, warn)
    is_table = name.lower().endswith((".csv", ".tsv"))
    delimiter, columns = _heading(start)
    if "text" in columns and (is_table or len(columns) > 1):
        return timed(list(_rows(text, delimiter, columns, name)), name, warn)
    if is_table:
        found = start.splitlines()[0][:200] if start else "nothing"
        raise TextError(f"{name}: has no column of words; its first line is {found!r}. Name the column text.")
    return [Cue(0.0, 0.0, sentence) for sentence in sentences_of(text)]


def seconds_of(text: str) -> float | None:
    """A time code (``1:02:03,5``, ``02:03.5``) or a number of seconds; None if it is neither, or out of range.

    Examples
    --------
    >>> seconds_of("00:01:02,500"), seconds_of("62.5"), seconds_of("noon")
    (62.5, 62.5, None)
    """
    found = _CLOCK.match(text.strip())
    if found:
        seconds = 3600 * int(found[1] or 0) + 60 * int(found[2]) + float(found[3].replace(",", "."))
    else:
        try:
            seconds = float(text)
        except ValueError:
            return None
    return seconds if 0 <= seconds <= LATEST else None


class RawCue(NamedTuple):
    """A cue as its file has it: times may be missing, and out of order."""

    start: float | None
    end: float | None
    text: str
    who: str | None
    #: Whether its file says times at all.
    is_timed: bool = True


def _subtitles(text: str, *, is_vtt: bool) -> Iterator[RawCue]:
    """The cues of SubRip or WebVTT; blocks without an arrow are headings, notes and styles."""
    for block in re.split(r"\n[ \t]*\n+", text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.strip("\n").split("\n")
        timing = next((i for i, line in enumerate(lines[:3]) if "->" in line and len(line) < 500), None)
        if timing is None:
            continue
        found = _ARROW.match(lines[timing])
        words = " ".join(lines[timing + 1 :])
        start, end = (seconds_of(found[1]), seconds_of(found[2])) if found else (None, None)
        for who, said in _voices(words) if is_vtt else [(None, words)]:
            yield RawCue(start, end, plain(said, has_entities=is_vtt), who)


def plain(words: str, *, has_entities: bool = False) -> str:
    """Words without tags (``<i>``, ``{\\an8}``), on one line.

    Examples
    --------
    >>> plain("<i>I hate</i> {\\\\an8}this")
    'I hate this'
    """
    untagged = _TAG.sub("", words)
    return " ".join((html.unescape(untagged) if has_entities else untagged).split())


def _voices(words: str) -> Iterator[tuple[str | None, str]]:
    """What each voice of a WebVTT cue says."""
    pieces = _VOICE.split(words)
    if pieces[0].strip():
        yield None, pieces[0]
    for who, said in zip(pieces[1::2], pieces[2::2], strict=True):
        yield html.unescape(who).strip() or None, said


def _heading(start: str) -> tuple[str, dict[str, int]]:
    """The delimiter of a table and the places of its columns, by their names in its first line."""
    first = start.splitlines()[0] if start.strip() else ""
    delimiter = max(",;\t|", key=first.count)
    try:
        names = [name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter), [])]
    except csv.Error:
        return delimiter, {}
    columns = {}
    for column, known in _COLUMNS.items():
        place = next((names.index(name) for name in known if name in names), None)
        if place is not None:
            columns[column] = place
    return delimiter, columns


def _rows(text: str, delimiter: str, columns: dict[str, int], name: str) -> Iterator[RawCue]:
    """The rows of a table; what a row lacks is missing."""
    reader = csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=delimiter)
    is_timed = "start" in columns
    try:
        next(reader, None)
        for row in filter(None, reader):
            found = {column: row[place].strip() if place < len(row) else "" for column, place in columns.items()}
            start = seconds_of(found.get("start", ""))
            end = seconds_of(found["end"]) if "end" in columns else start
            yield RawCue(start, end, " ".join(found["text"].split()), found.get("who") or None, is_timed)
    except csv.Error as error:
        raise TextError(
            f"{name}: line {reader.line_num} is no line of a table ({error}); a cell holds 131,072 characters at most."
        ) from None


def timed(raw: Sequence[RawCue], name: str, warn: Warn) -> list[Cue]:
    """Cues in order of time; each kind of odd time is corrected by one rule and reported once.

    - Without a start: placed at the end of the cue before, without length. With an end that cannot be read: at its
      start, without length.
    - End before start: the two are swapped.
    - Out of order: sorted by their starts.
    - Overlapping: kept as they are; two people may speak at once.
    - Without words, or only descriptions ([door slams], (sighs), ♪): left out.
    """
    said = [one for one in raw if one.text and not _DESCRIPTION.match(one.text)]
    wordless = len(raw) - len(said)
    missing = reversed_ = 0
    cues: list[Cue] = []
    before = 0.0
    for one in said:
        start, end = one.start, one.end
        if one.is_timed and (start is None or end is None):
            missing += 1
        if start is None:
            start = end = before if one.is_timed else 0.0
        elif end is None:
            end = start
        if end < start:
            start, end, reversed_ = end, start, reversed_ + 1
        before = max(before, end)
        cues += [Cue(start, end, piece, one.who) for piece in _pieces(one.text)]
    ordered = sorted(cues, key=lambda cue: cue.start)
    overlaps = sum(later.start < earlier.end - 1e-9 for earlier, later in itertools.pairwise(ordered)
                   if later[:2] != earlier[:2])  # fmt: skip
    for count, what in (
        (wordless, "without words left out"),
        (missing, "without a time that can be read: they have no length"),
        (reversed_, "with the end before the start: the two were exchanged"),
        (
            sum(one is not other for one, other in zip(ordered, cues, strict=True)),
            "out of order: sorted by their starts",
        ),
        (overlaps, "overlapping the one before: each keeps its times"),
    ):
        if count:
            cue = "1 cue" if count == 1 else f"{count} cues"
            warn(f"{name}: {cue} {what}.")
    return ordered


def _pieces(text: str) -> list[str]:
    """A cue's words; in pieces only where they are too many for one."""
    return [text] if len(text) <= LONGEST else list(sentences_of(text))
