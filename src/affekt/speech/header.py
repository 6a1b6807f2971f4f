"""What the header of a recording promises, whether the file still holds it, and whether it holds more.

Decoders read what is there and say nothing when half a file is missing: a copy
that stopped, a recorder that was switched off. They also stop where the header
says, when a recorder did not come to update it. Most formats write down their
own length, so both can be noticed without decoding anything.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from typing import IO, Any

# A header that is nothing but tiny chunks must not keep us walking for minutes.
_MOST_CHUNKS = 10_000


def is_truncated(file: IO[bytes]) -> bool:
    """Whether a file ends before its own header says it does.

    Formats that do not store their length (raw AAC, AMR, MPEG transport
    streams, FLAC in bytes, MP3 without a Xing or Info header, anything written
    to a pipe) count as complete.

    Parameters
    ----------
    file : binary file
        Seekable; left at its start.

    Examples
    --------
    >>> import io
    >>> is_truncated(io.BytesIO(b".snd" + bytes([0, 0, 0, 24, 0, 0, 1, 0]) + bytes(12)))
    True
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(16)
    file.seek(0)
    for offset, magic, promised_end in _FORMATS:
        if head[offset : offset + len(magic)] == magic:
            try:
                end = promised_end(file, size)
            except (struct.error, IndexError):  # too short for even this much of a header
                end = size + 2
            except (OverflowError, OSError, ValueError):  # a number that is no place in a file: the header is damaged
                end = 0
            file.seek(0)
            # A last padding byte is often forgotten.
            return end > size + 1
    return False


#: The first bytes of formats that hold bare samples, mostly; and where their kind is named.
_BARE = (b"RIFF", b"RF64", b"FORM", b".snd", b"caff", b"riff", b"NIST", b"Creative")
#: At least this many bytes after the end of the audio count as audio, too, unless they start with one of these tags.
_LEAST_REST = 4096
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"<?xml", b"LIST")


def has_bare_samples(file: IO[bytes]) -> bool:
    """Whether a file is of a format that mostly holds samples as they are: wav, aiff, au, caf, w64, sphere.

    Examples
    --------
    >>> has_bare_samples(io.BytesIO(b"RIFF....WAVE"))
    True
    """
    file.seek(0)
    head = file.read(12)
    file.seek(0)
    return head.startswith(_BARE) and head[8:11] != b"AVI"


def repaired(file: IO[bytes]) -> io.RawIOBase | None:
    """The file with the length in its header corrected, if the header says too little; else None.

    A recorder that is switched off before it updates its header leaves one that
    says 0 or 2 s before an hour of audio. Only for wav, au, aiff and caf.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(4)
    try:
        changes = _REPAIRS[head](file, size) if head in _REPAIRS else {}
    except (struct.error, IndexError, OverflowError, OSError, ValueError):
        changes = {}
    file.seek(0)
    return _Changed(file, size, changes) if changes else None


def _chunks(file: IO[bytes], size: int, form: str) -> dict[bytes, tuple[int, int]]:
    """Name to (start of its content, length) of the chunks of a RIFF (``<``), AIFF (``>``) or CAF file."""
    found: dict[bytes, tuple[int, int]] = {}
    header = struct.Struct(">4sq" if form == "caf" else f"{form}4sI")
    place = 8 if form == "caf" else 12
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        head = file.read(header.size)
        if len(head) < header.size:
            break
        name, length = header.unpack(head)
        # Chunks behind the sound: anything else there is sound that the header does not know of.
        if not name.isascii() or not name.strip().isalnum() or length < 0 or place + header.size + length > size + 1:
            if name in (b"data", b"SSND"):
                found[name] = (place + header.size, length)
            break
        found.setdefault(name, (place + header.size, length))
        place += header.size + length + (length % 2 if form != "caf" else 0)
    found[b""] = (place, size - place)
    return found


def _has_more(file: IO[bytes], chunks: dict[bytes, tuple[int, int]], name: bytes) -> bool:
    """Whether what follows the last chunk that makes sense is more of the chunk with the sound."""
    if name not in chunks:
        return False
    start, length = chunks[name]
    place, rest = chunks[b""]
    last = max(begin for key, (begin, _) in chunks.items() if key)
    file.seek(place)
    return start == last and length >= 0 and rest >= _LEAST_REST and not file.read(8).startswith(_TAGS)


def _wav_repair(file: IO[bytes], size: int) -> dict[int, bytes]:
    chunks = _chunks(file, size, "<")
    if b"ds64" in chunks or not _has_more(file, chunks, b"data"):
        return {}
    start = chunks[b"data"][0]
    return {
        4: struct.pack("<I", min(size - 8, 0xFFFFFFFF)),
        start - 4: struct.pack("<I", min(size - start, 0xFFFFFFFF)),
    }


def _aiff_repair(file: IO[bytes], size: int) -> dict[int, bytes]:
    chunks = _chunks(file, size, ">")
    if not _has_more(file, chunks, b"SSND") or b"COMM" not in chunks:
        return {}
    start, common = chunks[b"SSND"][0], chunks[b"COMM"][0]
    file.seek(common)
    channels, _, bits = struct.unpack(">hIh", file.read(8))
    frames = (size - start - 8) // (channels * -(-bits // 8))
    return {
        4: struct.pack(">I", min(size - 8, 0xFFFFFFFF)),
        common + 2: struct.pack(">I", min(frames, 0xFFFFFFFF)),
        start - 4: struct.pack(">I", min(size - start, 0xFFFFFFFF)),
    }


def _au_repair(file: IO[bytes], size: int) -> dict[int, bytes]:
    file.seek(4)
    start, length = struct.unpack(">II", file.read(8))
    return {8: b"\xff" * 4} if length != 0xFFFFFFFF and size - start - length >= _LEAST_REST else {}


def _caf_repair(file: IO[bytes], size: int) -> dict[int, bytes]:
    chunks = _chunks(file, size, "caf")
    if not _has_more(file, chunks, b"data"):
        return {}
    start = chunks[b"data"][0]
    return {start - 8: struct.pack(">q", size - start)}


_REPAIRS = {b"RIFF": _wav_repair, b"FORM": _aiff_repair, b".snd": _au_repair, b"caff": _caf_repair}


class _Changed(io.RawIOBase):
    """A file with other bytes in some places of its header."""

    def __init__(self, file: IO[bytes], size: int, changes: dict[int, bytes]) -> None:
        self._file, self._size, self._changes, self._place = file, size, changes, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence])
        return self._place

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._place)
        part = bytearray(self._file.read(len(buffer)))
        for place, new in self._changes.items():
            first = place - self._place
            if -len(new) < first < len(part):
                kept = new[max(0, -first) : max(0, len(part) - first)]
                part[max(0, first) : max(0, first) + len(kept)] = kept
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)


def _riff_end(file: IO[bytes], size: int) -> int:
    outer, kind = struct.unpack("<4xI4s", file.read(12))
    if kind != b"WAVE":
        found: int = 8 + outer
        return found
    long_size = 0
    for _ in range(_MOST_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            return 0
        name, length = struct.unpack("<4sI", header)
        if name == b"ds64":
            long_size = struct.unpack("<8xQ", file.read(16))[0]
            length -= 16
        if name == b"data":
            return file.tell() + _wave_size(length, long_size)
        file.seek(length + length % 2, os.SEEK_CUR)
    return 0


def _wave_size(length: int, long_size: int) -> int:
    """Writers that cannot seek leave 0, or about 2 or 4 GiB, with all the sound behind it."""
    if long_size:
        return long_size
    return 0 if 0x7FFF0000 <= length <= 0x7FFFFFFF or length >= 0xFFFF0000 else length


def _form_end(file: IO[bytes], size: int) -> int:
    return 8 + int(struct.unpack(">4xI", file.read(8))[0])


def _au_end(file: IO[bytes], size: int) -> int:
    start, length = struct.unpack(">4xII", file.read(12))
    return 0 if length == 0xFFFFFFFF else int(start + length)


def _caf_end(file: IO[bytes], size: int) -> int:
    file.seek(8)
    for _ in range(_MOST_CHUNKS):
        header = file.read(12)
        if len(header) < 12:
            return 0
        name, length = struct.unpack(">4sq", header)
        if name == b"data" or length < 0:
            return file.tell() + length if length > 0 else 0
        file.seek(length, os.SEEK_CUR)
    return 0


def _w64_end(file: IO[bytes], size: int) -> int:
    return int(struct.unpack("<16xQ", file.read(24))[0])


def _matroska_end(file: IO[bytes], size: int) -> int:
    file.seek(4)
    file.seek(_ebml_length(file), os.SEEK_CUR)
    if file.read(4) != b"\x18\x53\x80\x67":
        return 0
    length = _ebml_length(file)
    return file.tell() + length if length >= 0 else 0


def _ebml_length(file: IO[bytes]) -> int:
    """A length of one to eight bytes; -1 where the writer did not know it."""
    first = file.read(1)[0]
    more = 8 - first.bit_length()
    value = int.from_bytes(bytes([first & (0x7F >> more)]) + file.read(more), "big")
    return -1 if value == (1 << 7 * (more + 1)) - 1 else value


def _box_end(file: IO[bytes], size: int) -> int:
    end = 0
    for _ in range(_MOST_CHUNKS):
        file.seek(end)
        header = file.read(8)
        if len(header) < 8 or not header[4:].isalnum():
            break
        length = struct.unpack(">I", header[:4])[0]
        if length == 1:
            length = struct.unpack(">Q", file.read(8))[0]
        if length < 8:  # 0: to the end of the file
            break
        end += length
    return end


def _mp3_end(file: IO[bytes], size: int) -> int:
    head, start = file.read(10), 0
    if head[:3] == b"ID3":
        # Seven bits of each byte count.
        start = 10 + sum((byte & 0x7F) << 7 * place for place, byte in enumerate(head[9:5:-1]))
    file.seek(start)
    frame = file.read(200)
    found = max(frame.find(b"Xing"), frame.find(b"Info"))
    if found < 0:
        return start
    flags = struct.unpack_from(">I", frame, found + 4)[0]
    if not flags & 2:
        return start
    length = struct.unpack_from(">I", frame, found + 8 + 4 * (flags & 1))[0]
    # Writers do not agree on whether this counts the header's own frame.
    return start + int(0.99 * length)


def _ogg_end(file: IO[bytes], size: int) -> int:
    """The last page says that it is the last."""
    file.seek(max(0, size - 66_000))
    tail = file.read()
    page = tail.rfind(b"OggS")
    if page < 0:
        return 0
    is_last = tail[page + 5] & 4
    lengths = tail[page + 27 : page + 27 + tail[page + 26]]
    end = size - len(tail) + page + 27 + tail[page + 26] + sum(lengths)
    return end if is_last else size + 2


_FORMATS: tuple[tuple[int, bytes, Callable[[IO[bytes], int], int]], ...] = (
    (0, b"RIFF", _riff_end),
    (0, b"RF64", _riff_end),
    (0, b"FORM", _form_end),
    (0, b".snd", _au_end),
    (0, b"caff", _caf_end),
    (0, b"riff", _w64_end),
    (0, b"OggS", _ogg_end),
    (0, b"\x1aE\xdf\xa3", _matroska_end),
    (4, b"ftyp", _box_end),
    (4, b"moov", _box_end),
    (4, b"mdat", _box_end),
    (4, b"wide", _box_end),
    (0, b"ID3", _mp3_end),
    (0, b"\xff\xfb", _mp3_end),
    (0, b"\xff\xfa", _mp3_end),
    (0, b"\xff\xf3", _mp3_end),
    (0, b"\xff\xf2", _mp3_end),
)
