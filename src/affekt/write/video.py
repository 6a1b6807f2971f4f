"""Frames out: a picture file, or a video with the times of its frames kept and its sound copied."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError

#: Picture suffixes and Pillow's names of their formats.
PICTURES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
#: Video suffixes and FFmpeg's names of their containers.
VIDEOS = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov"}
#: Sound that may be copied into any of them.
SOUNDS = frozenset(["aac", "ac3", "alac", "eac3", "flac", "mp2", "mp3", "opus"])
#: Ticks per second of what is written.
CLOCK = 90_000


def save_picture(path: Path, file: Any, pixels: NDArray[np.uint8]) -> None:
    """Write pixels (h, w, 3) into an open binary file, in the format that the path's suffix names.

    Raises
    ------
    InputError
        If the suffix is not that of a picture.
    """
    from PIL import Image

    if path.suffix.lower() not in PICTURES:
        raise InputError(f"{path}: a picture is written as {', '.join(PICTURES)}.")
    Image.fromarray(pixels).save(file, PICTURES[path.suffix.lower()], quality=92)


class VideoWriter:
    """A video written frame by frame, with constant memory use.

    Parameters
    ----------
    path : Path
        Its suffix selects the container: .mp4, .mkv, .mov.
    file : binary file
        Open for writing, seekable.
    stack : ExitStack
        Closes what is opened.
    sound : path, optional
        A video whose sound is copied as it is, if the container can hold it.

    Attributes
    ----------
    silent : bool
        Whether there is sound that could not be copied.

    Raises
    ------
    InputError
        If the suffix is not that of a video.
    """

    def __init__(self, path: Path, file: Any, stack: ExitStack, *, sound: str | os.PathLike[str] | None = None) -> None:
        import av

        if path.suffix.lower() not in VIDEOS:
            raise InputError(f"{path}: a video is written as {', '.join(VIDEOS)}.")
        self._container: Any = stack.enter_context(av.open(file, "w", format=VIDEOS[path.suffix.lower()]))
        self._video: Any = None
        self._last, self._size = -1, (0, 0)
        self.silent = False
        self._packets: Iterator[tuple[float, Any]] = iter(())
        if sound is not None:
            self._packets = self._open_sound(stack.enter_context(av.open(os.fspath(sound), metadata_errors="replace")))

    def _open_sound(self, given: Any) -> Iterator[tuple[float, Any]]:
        """Packets of sound and when they are due, seconds from the start of the video that they come from."""
        if not given.streams.audio:
            return iter(())
        track = given.streams.best("audio") or given.streams.audio[0]
        if track.codec_context is None or track.codec_context.name not in SOUNDS:
            self.silent = True
            return iter(())
        self._sound = self._container.add_stream_from_template(track)
        return self._sound_packets(given, track)

    def _sound_packets(self, given: Any, track: Any) -> Iterator[tuple[float, Any]]:
        start = float(given.start_time or 0) / 1e6
        offset = round(start / float(track.time_base))
        for packet in given.demux(track):
            if packet.dts is None or packet.pts is None:
                continue
            packet.pts, packet.dts = packet.pts - offset, packet.dts - offset
            packet.stream = self._sound
            yield float(packet.pts * track.time_base), packet

    def add(self, time: float, pixels: NDArray[np.uint8]) -> None:
        """Write the next frame, (h, w, 3), RGB; one of another size than the first is scaled to it."""
        import av

        height, width = pixels.shape[:2]
        if self._video is None:
            self._size = (width + width % 2, height + height % 2)  # the encoder stores colours for 2 x 2 pixels
            self._video = self._container.add_stream("libx264", options={"preset": "veryfast", "crf": "20"})
            self._video.width, self._video.height = self._size
            self._video.pix_fmt = "yuv420p"
            self._video.codec_context.time_base = Fraction(1, CLOCK)
        self._write_sound(time)
        padded = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
        if (frame.width, frame.height) != self._size:
            frame = frame.reformat(*self._size)
        self._last = max(self._last + 1, round(time * CLOCK))
        frame.pts, frame.time_base = self._last, Fraction(1, CLOCK)
        for packet in self._video.encode(frame):
            self._container.mux(packet)

    def _write_sound(self, until: float) -> None:
        for time, packet in self._packets:
            self._container.mux(packet)
            if time >= until:
                return

    def finish(self) -> None:
        """Write what is left; without this call the file is incomplete."""
        if self._video is not None:
            for packet in self._video.encode():
                self._container.mux(packet)
        self._write_sound(float("inf"))
