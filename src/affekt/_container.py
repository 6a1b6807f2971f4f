"""Containers of sound and pictures: how they are opened, and one pass over their packets for all that read them.

Sound and pictures are decoded by columns that do not know one another. What
both need stands here: which formats may be opened, the loop that gets past
damage, and the hand-out of packets where a file is read once for both.
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
#: So many errors of a container in a row are its end.
MOST_ERRORS = 100
#: Bytes of packets that wait for a reader which is behind; the one ahead then waits for it.
MOST_WAITING = 32 << 20
#: Bytes of the packets of one track of subtitles; more is no text.
MOST_KEPT = 64 << 20


def open_container(file: Any, stack: ExitStack, formats: str, **options: str) -> Any:
    """A path or binary file as PyAV's container, closed by the stack.

    Parameters
    ----------
    file : path or binary file
        Nothing is opened by address.
    stack : ExitStack
    formats : str
        Names of the demuxers that may read it, with commas between.
    options : str
        Of the demuxer.

    Raises
    ------
    av.FFmpegError, ValueError, OSError
        If it cannot be opened.
    """
    import av  # 70 ms, and bare samples never need it

    av.logging.set_level(av.logging.PANIC)
    # Belt and braces: no format that names other files, and no way to open one.
    options = {"format_whitelist": formats, "protocol_whitelist": "none", **options}
    return stack.enter_context(av.open(file, "r", options=options, metadata_errors="replace"))


def tracks_asked_for(tracks: Sequence[Any], wanted: str) -> list[Any]:
    """The tracks of a number (from 1) or a language (``en`` and ``eng`` are both English)."""
    number = int(wanted) if wanted.isdecimal() else 0
    return [
        track
        for i, track in enumerate(tracks, 1)
        if i == number or (not wanted.isdecimal() and (track.language or "").lower().startswith(wanted.lower()))
    ]


class Packets:
    """One pass over a container: each track gets its packets from it, whichever track asks first.

    Packets of the others wait meanwhile, up to ``MOST_WAITING`` bytes; then whoever asks waits for those who are
    behind. So tracks that are read together are each read by a thread of its own, and the order in which a
    file holds its packets does not matter, nor does memory grow with its length.

    Parameters
    ----------
    container : av container
    tracks : sequence of av streams
        Those that will be read; all others are passed over.
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
        """The decoded frames of a track; of a packet that cannot be decoded, ``lost`` is called instead.

        When it ends, or is closed, the track is left.
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
        """Nobody reads this track any more: its packets are passed over, and none of the others waits for it."""
        with self._change:
            self._waiting.pop(track.index, None)
            self._change.notify_all()

    def drain(self) -> None:
        """Read on to the end, for the sake of what is kept, after all others were read or given up."""
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
            self._packets = None  # a new one goes on behind what could not be read
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
    """A file that is open once for its sound, its pictures and its subtitles.

    Parameters
    ----------
    path : str
    container : av container
    packets : Packets
    sound, picture, subtitles : av stream or None
        The tracks that are read; of sound and pictures those that a player would play.
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
    """A file opened once for all that is wanted of it; None where it cannot be, and whoever reads it alone says why.

    Parameters
    ----------
    path : str
    stack : ExitStack
    sound, picture : bool
        What is wanted.
    subtitles : callable
        Takes the container, and gives the track to be kept, or None.
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
