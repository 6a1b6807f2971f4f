"""Video in: frames with their own time stamps, upright, one at a time."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt._container import FORMATS, Packets, Shared, open_container
from affekt.errors import ImageError

#: What a folder run takes for a video.
# fmt: off
VIDEOS = frozenset([
    "3g2", "3gp", "asf", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "ts", "vob",
    "webm", "wmv",
])
# fmt: on
#: Containers that PyAV may open.
CONTAINERS = f"{FORMATS},yuv4mpegpipe,h264,hevc,m4v,mpegvideo"
#: Most pixels of a frame.
MOST_PIXELS = 40_000_000
#: Seconds by which a time stamp may run ahead; one further ahead is damaged.
LONGEST_GAP = 24 * 3600.0


@dataclass(frozen=True)
class Frame:
    """One picture of a video.

    Parameters
    ----------
    time : float
        Seconds from the start of the video, as a player shows it.
    pixels : uint8 array, shape (h, w, 3)
        RGB, upright.
    """

    time: float
    pixels: NDArray[np.uint8]


class Video:
    """A video as frames in order of time, read as they are asked for; memory does not grow with its length.

    Parameters
    ----------
    source : path, bytes, binary file or Shared
        Addresses (URLs) are not opened.
    stack : ExitStack
        Closes the decoder.

    Attributes
    ----------
    size : (int, int)
        Width and height of the frames, upright.
    rate : float
        Frames per second on average; 0 where it is not known.
    duration : float
        Seconds by the header; 0 where it is not known.
    lost : int
        Packets that could not be decoded so far.

    Raises
    ------
    ImageError
        If there is no such file, no video in it, or its frames are too large.
    """

    def __init__(self, source: Any, stack: ExitStack) -> None:
        is_path = isinstance(source, (str, os.PathLike))
        self.name = os.fspath(source) if is_path else str(getattr(source, "name", "video"))
        try:
            if isinstance(source, Shared):
                self.name, self._container = source.path, source.container
            else:
                file = stack.enter_context(open(source, "rb")) if is_path else source  # noqa: SIM115
                file = io.BytesIO(file) if isinstance(file, (bytes, bytearray, memoryview)) else file
                self._container = open_container(file, stack, CONTAINERS)
        except FileNotFoundError:
            raise ImageError(f"{self.name}: no such file.") from None
        except Exception as error:  # whatever a decoder raises on a file of strangers is that file's failure
            reason = str(getattr(error, "strerror", None) or error)[:200]
            raise ImageError(f"{self.name}: is no video that can be read ({reason}).") from None
        if not self._container.streams.video:
            sound = " It has sound: use a model of speech." if self._container.streams.audio else ""
            raise ImageError(f"{self.name}: has no video track.{sound}")
        track: Any = self._container.streams.best("video") or self._container.streams.video[0]
        if track.codec_context is None:
            raise ImageError(f"{self.name}: its video is of a kind that is not known here. Convert it to mp4 (h264).")
        track.thread_type = "AUTO"
        width, height = track.codec_context.width, track.codec_context.height
        check_frame_size(self.name, width, height)
        self._track, self.size = track, (width, height)
        self.rate = float(track.average_rate or 0)
        start = self._container.start_time
        self._start = float(start) / 1e6 if start is not None else None
        self.duration = float(self._container.duration) / 1e6 if self._container.duration else 0.0
        self.lost = 0
        self._packets = source.packets if isinstance(source, Shared) else Packets(self._container, [track])

    def frames(self, *, rate: float = 0.0) -> Iterator[Frame]:
        """Frames in order of time; with ``rate``, at most this many per second: the others are not converted.

        A packet that cannot be decoded is counted in ``lost`` and skipped. Two frames never have the same time.
        """
        last, due = -1.0, 0.0
        for frame in self._packets.frames(self._track, self._lose):
            time = self._time(frame, last)
            if time <= last:
                continue
            last = time
            if rate and time + 1e-6 < due:
                continue
            due = max(due + 1 / rate, time + 0.5 / rate) if rate else 0.0
            yield Frame(time, upright(frame))

    def _time(self, frame: Any, last: float) -> float:
        """Seconds since the start; a frame without a time stamp, or with a damaged one, follows the one before."""
        step = 1 / self.rate if self.rate else 0.04
        if frame.time is None:
            return last + step if last >= 0 else 0.0
        if self._start is None:
            self._start = float(frame.time)
        time = float(frame.time) - self._start
        if time > max(last, 0) + LONGEST_GAP or time < last - 1.0:  # damaged, or the clock began anew
            self._start += time - (last + step)
            return last + step
        return max(0.0, time)

    def _lose(self) -> None:
        self.lost += 1


def check_frame_size(name: str, width: int, height: int) -> None:
    """Raise ImageError if frames are too large to process."""
    if width * height > MOST_PIXELS:
        raise ImageError(f"{name}: frames of {width} x {height}; allowed: {MOST_PIXELS:,} pixels. Shrink it.")


def upright(frame: Any) -> NDArray[np.uint8]:
    """A decoded frame as RGB, turned as its track says."""
    pixels = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels
