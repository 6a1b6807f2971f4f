"""Media containers: opening them, and one pass over their packets shared by all readers.

Audio and video are decoded by modules that do not depend on each other. This
module holds what both need: which formats may be opened, the loop that skips
damaged packets, and the distribution of packets when a file is read once for both.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

#: Formats that may hold both. Playlists (hls, concat, dash, ...) are not among them: they make the decoder open other
#: files and addresses.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf,avi,mpeg,mpegts,flv,mxf"
#: After this many consecutive errors, reading of the container ends.
MOST_ERRORS = 100
#: Bytes of packets buffered for a slow reader; beyond that, faster readers wait for it.
MOST_WAITING = 32 << 20
#: Maximum bytes of packets of one subtitle track; a text track is never larger.
MOST_KEPT = 64 << 20


def open_container(file: Any, stack: ExitStack, formats: str, **options: str) -> Any:
    """Open a path or binary file as a PyAV container, which the stack closes.

    Parameters
    ----------
    file : path or binary file
        URLs are not opened.
    stack : ExitStack
    formats : str
        Names of the demuxers that may read it, separated by commas.
    options : str
        Options of the demuxer.

    Raises
    ------
    av.FFmpegError, ValueError, OSError
        If it cannot be opened.
    """
    import av  # 70 ms, and bare samples never need it

    av.logging.set_level(av.logging.PANIC)
    # Two safeguards: no format that refers to other files, and no way to open one.
    options = {"format_whitelist": formats, "protocol_whitelist": "none", **options}
    return stack.enter_context(av.open(file, "r", options=options, metadata_errors="replace"))


def tracks_asked_for(tracks: Sequence[Any], wanted: str) -> list[Any]:
    """The tracks with a number (from 1) or in a language (``en`` and ``eng`` are both English)."""
    number = int(wanted) if wanted.isdecimal() else 0
    return [
        track
        for i, track in enumerate(tracks, 1)
        if i == number or (not wanted.isdecimal() and (track.language or "").lower().startswith(wanted.lower()))
    ]


class Packets:
    """One pass over a container that gives each track its packets, whichever track asks first.

    Packets of the other tracks are buffered, up to ``MOST_WAITING`` bytes; beyond that, the reader that asks waits
    for the slower ones. Tracks that are read together must therefore each be read in a thread of their own. The
    order of packets in the file does not matter, and memory use does not grow with its length.

    Parameters
    ----------
    container : av container
    tracks : sequence of av streams
        Those that will be read; all others are skipped.
    kept : av stream, optional
        Its packets are few and wait until the end, in :attr:`kept`.

    Attributes
    ----------
    kept : list of av packets
        Up to ``MOST_KEPT`` bytes.
    """

    def __init__(self, container: Any, tracks: Sequence[Any], kept: Any = None) -> None:
        self._container, self._tracks = container, [*tracks, *([kept] if kept is not None else [])]
        self._waiting: dict[int, deque[Any]] = {track.index: deque() for track in tracks}
        self._bytes = dict.fromkeys(self._waiting, 0)
        self.kept: list[Any] = []
        self._kept_bytes = 0
        self._change = threading.Condition()
        self._packets: Any = None
        self._errors, self._is_over = 0, False

    def frames(self, track: Any, lost: Callable[[], None]) -> Iterator[Any]:
        """The decoded frames of a track; for a packet that cannot be decoded, ``lost`` is called instead.

        When the iterator ends or is closed, the track is given up (:meth:`leave`).
        """
        import av

        try:
            while (packet := self._next(track.index)) is not None:
                try:
                    yield from packet.decode()
                except (av.FFmpegError, OSError):
                    if packet.size:
                        lost()
        finally:
            self.leave(track)

    def leave(self, track: Any) -> None:
        """Stop reading this track: its packets are skipped, and the other readers no longer wait for it."""
        with self._change:
            self._waiting.pop(track.index, None)
            self._change.notify_all()

    def drain(self) -> None:
        """Read on to the end, to collect the kept packets, after all other tracks were read or given up."""
        with self._change:
            while not self._is_over:
                self._read()

    def _next(self, index: int) -> Any:
        """The next packet of a track; None at the end."""
        with self._change:
            while True:
                if index not in self._waiting:
                    return None
                if self._waiting[index]:
                    packet = self._waiting[index].popleft()
                    self._bytes[index] -= packet.size
                    self._change.notify_all()
                    return packet
                if self._is_over:
                    return None
                if any(self._bytes[other] > MOST_WAITING for other in self._waiting if other != index):
                    self._change.wait()
                else:
                    self._read()
                    self._change.notify_all()

    def _read(self) -> None:
        """Put one packet of the container where it belongs."""
        import av

        if self._packets is None:
            self._packets = self._container.demux(self._tracks)
        try:
            packet = next(self._packets, None)
        except (av.FFmpegError, OSError):
            self._errors += 1
            self._is_over = self._errors >= MOST_ERRORS
            self._packets = None  # a new demuxer continues after what could not be read
            return
        if packet is None:
            self._is_over = True
            return
        self._errors = 0
        index = packet.stream_index
        if index in self._waiting:
            self._waiting[index].append(packet)
            self._bytes[index] += packet.size
        elif index == self._tracks[-1].index and packet.size and self._kept_bytes + packet.size <= MOST_KEPT:
            self._kept_bytes += packet.size
            self.kept.append(packet)


@dataclass(frozen=True)
class Shared:
    """A file that is opened once for its audio, video and subtitles.

    Parameters
    ----------
    path : str
    container : av container
    packets : Packets
    sound, picture, subtitles : av stream or None
        The tracks that are read; for audio and video, those that a player would play.
    """

    path: str
    container: Any
    packets: Packets
    sound: Any = None
    picture: Any = None
    subtitles: Any = None

    @property
    def begin(self) -> float:
        """Time stamp of the start of the clock, in seconds."""
        return float(self.container.start_time or 0) / 1e6


def open_shared(
    path: str, stack: ExitStack, *, sound: bool, picture: bool, subtitles: Callable[[Any], Any]
) -> Shared | None:
    """Open a file once for several readers; None if that fails (a reader that opens it alone then says why).

    Parameters
    ----------
    path : str
    stack : ExitStack
    sound, picture : bool
        Which of the two to read.
    subtitles : callable
        Takes the container and returns the track to be kept, or None.
    """
    import av

    try:
        file = stack.enter_context(open(path, "rb"))  # noqa: SIM115
        container = open_container(file, stack, FORMATS)
    except (av.FFmpegError, ValueError, OSError):
        return None
    found = {"sound": container.streams.best("audio") if sound else None,
             "picture": container.streams.best("video") if picture else None}  # fmt: skip
    known = {name: track for name, track in found.items() if track is not None and track.codec_context is not None}
    kept = subtitles(container)
    return Shared(path, container, Packets(container, tuple(known.values()), kept), **known, subtitles=kept)
