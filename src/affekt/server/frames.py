"""Streams of pictures: timed jpeg frames, the newest one waiting, and their worker. Never stored."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from affekt.errors import ImageError, InputError
from affekt.face.image import read_frame
from affekt.face.video import Frame
from affekt.recognize.live_faces import LiveFaces
from affekt.recognize.live_media import LiveMedia
from affekt.server.live_maps import FaceMaps
from affekt.server.refusals import Refusal
from affekt.server.settings import Limits

if TYPE_CHECKING:
    from affekt.server.service import Service

#: In front of each jpeg: seconds since the stream began, a little-endian float64.
TIME = struct.Struct("<d")


class SentFrame(NamedTuple):
    """A frame as it came: its number from 1 on, its time, the jpeg, and how many before it were dropped."""

    number: int
    time: float
    jpeg: bytes
    dropped: int


@dataclass(frozen=True)
class FrameFormat:
    """A stream of jpeg pictures, each with its time in front of it; with ``map`` also what the network looks at."""

    form: str
    map: bool = False

    #: Fields that a client may set.
    KEYS = ("map",)
    #: What is counted when a stream is taken up again.
    COUNTED = "frames"
    #: Events that can be sent again: a frame with many faces has a long one, and an old one is of no use.
    REMEMBERED = 64
    #: What may be sent.
    WORDS = "frames"

    @classmethod
    def of(cls, form: str, table: dict[str, Any]) -> FrameFormat:
        """From the first message.

        Raises
        ------
        Refusal
            1008 if ``map`` is neither true nor false.
        """
        wanted = table.get("map", False)
        if not isinstance(wanted, bool):
            raise Refusal(1008, f"hello: map is {str(wanted)[:100]!r}; allowed: true or false.")
        return cls(form, wanted)

    @property
    def told(self) -> dict[str, Any]:
        """What a live stream has to know about the format."""
        return {}

    def check_size(self, size: int, limits: Limits) -> None:
        """Refuse a message that is too large with 1009."""
        if size > limits.picture_bytes:
            raise Refusal(1009, f"a frame of {size} bytes; allowed: {limits.picture_bytes}. Send it smaller.")

    def inbox(self, limits: Limits) -> FrameInbox:
        """The queue for incoming frames."""
        return FrameInbox(limits)

    def worker(self, live: LiveFaces, service: Service) -> FrameWorker:
        """The worker for these frames.

        Raises
        ------
        InputError
            If a map is asked for and the model gives none.
        """
        maps = FaceMaps(live) if self.map else None
        return FrameWorker(live, most_pixels=service.settings.limits.frame_pixels, aside=maps)


class FrameInbox:
    """Holds the newest unprocessed frame; one still there when the next comes is dropped.

    Parameters
    ----------
    limits : Limits
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        #: Frames that have come.
        self.count = 0
        #: How long the stream is: the time of the newest frame.
        self.seconds = 0.0
        self._waiting: SentFrame | None = None
        self._looked = 0.0

    #: A sender never waits: stale frames are useless.
    full = False

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return self._waiting is None

    @property
    def due(self) -> bool:
        """Whether there is something to look at."""
        return self._waiting is not None

    def add(self, data: bytes) -> None:
        """Take a frame.

        Raises
        ------
        Refusal
            1003 if it does not start with a time.
        """
        time = TIME.unpack_from(data)[0] if len(data) > TIME.size else math.nan
        if not (math.isfinite(time) and time >= 0):
            raise Refusal(1003, "a frame is its time in seconds, a little-endian float64 from 0 on, and then a jpeg.")
        self.count += 1
        self.seconds = max(self.seconds, time)
        dropped = self._waiting.dropped + 1 if self._waiting else 0
        self._waiting = SentFrame(self.count, time, data[TIME.size :], dropped)

    def resumed(self) -> None:
        """Nothing to do: frames are complete or absent."""

    def next(self) -> tuple[SentFrame | None, float]:
        """The frame that waits, and how many seconds after the one before it was taken."""
        frame, self._waiting = self._waiting, None
        if frame is None:
            return None, 0.0
        passed, self._looked = max(0.0, frame.time - self._looked), max(frame.time, self._looked)
        return frame, passed


class FrameWorker:
    """Processes a stream of frames. Only one thread at a time may use it.

    A frame that cannot be read or comes too early gives an event, and the stream goes on.

    Parameters
    ----------
    live : LiveFaces or LiveMedia
    most_pixels : int
        Largest size of a frame.
    aside : FaceMaps, optional
        Maps of what the frames show.
    """

    def __init__(self, live: LiveFaces | LiveMedia, *, most_pixels: int, aside: FaceMaps | None = None) -> None:
        self._live, self._most, self.aside = live, most_pixels, aside

    def feed(self, piece: SentFrame | None, last: bool) -> list[str]:
        """A frame in, events as JSON out."""
        tables = [] if piece is None else self._look(piece)
        if last:
            tables += [event.as_table() for event in self._live.flush()]
        return [json.dumps(table, ensure_ascii=False, allow_nan=False) for table in tables]

    def _look(self, frame: SentFrame) -> list[dict[str, Any]]:
        about = {"frame": frame.number, "dropped": frame.dropped}
        try:
            pixels = read_frame(frame.jpeg, most_pixels=self._most)
            events = self._live.feed(Frame(frame.time, pixels))
        except (ImageError, InputError) as error:
            time = round(frame.time, 3)
            return [{"type": "frame_error", "time": time, **about, "reason": f"frame {frame.number}: {error}"}]
        size = {"size": [pixels.shape[1], pixels.shape[0]]}
        return [{**event.as_table(), **(about | size if event.type == "frame" else {})} for event in events]
