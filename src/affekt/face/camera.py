"""Faces live: a webcam or a network camera that may go and come back, and folders of pictures with their times."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import ImageError, InputError
from affekt.face.image import PICTURES

Picture = NDArray[np.uint8]
#: Gives the pictures of a camera until it fails.
Opener = Callable[[str], Iterator[Picture]]

#: Seconds between two tries to reach a camera: the first, and the longest.
RETRY = (1.0, 30.0)
#: Seconds without a frame after which somebody is told.
SILENT = 5.0
#: Seconds after which a caller hears that there is no frame yet.
_TURN = 0.5
_NETWORK = re.compile(r"(rtsps?|https?)://", re.IGNORECASE)
#: A date and a time in the name of a file.
_TIMED = re.compile(r"(20\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)[-_.T ]?([0-2]\d)[-_.:h]?([0-5]\d)[-_.:m]?([0-5]\d)(?!\d)")
_EXIF, _TAKEN, _ZONE = 0x8769, 0x9003, 0x9011


class Camera:
    """The newest frame of a camera, whatever happens to the camera.

    A thread reads; a frame that nobody took in time is replaced by the next, so that what is seen is now. When the
    camera fails it is opened again, more and more rarely, until it is back.

    Parameters
    ----------
    source : str
        ``webcam``, ``webcam:1``, ``rtsp://...`` or ``http://...``.
    notify : callable
        Takes a sentence when the camera goes, is silent, or is back. Passwords in addresses are left out.
    opener : callable
        The source to its pictures, RGB (h, w, 3).
    """

    def __init__(
        self, source: str, *, notify: Callable[[str], None] = lambda sentence: None, opener: Opener | None = None
    ) -> None:
        self._source, self._notify, self._opener = source, notify, opener or open_camera
        self._newest: Picture | None = None
        self._arrived, self._stop = threading.Condition(), threading.Event()
        self._name = re.sub(r"//[^/@]*@", "//", source)
        self._thread = threading.Thread(target=self._read, daemon=True)

    def frames(self) -> Iterator[Picture | None]:
        """Frames as they come, each once; None twice a second where there is none. Ends when nobody asks any more."""
        self._thread.start()
        silent = 0.0
        try:
            while True:
                with self._arrived:
                    if self._newest is None:
                        self._arrived.wait(_TURN)
                    frame, self._newest = self._newest, None
                silent = 0.0 if frame is not None else silent + _TURN
                if silent == SILENT:
                    self._notify(f"{self._name}: no picture for {SILENT:.0f} s.")
                yield frame
        finally:
            self._stop.set()

    def _read(self) -> None:
        pause, lost = RETRY[0], False
        while not self._stop.is_set():
            try:
                for pixels in self._opener(self._source):
                    if self._stop.is_set():
                        return
                    if lost:
                        self._notify(f"{self._name}: the camera is back.")
                    pause, lost = RETRY[0], False
                    with self._arrived:
                        self._newest = pixels
                        self._arrived.notify()
                reason = "it sends no more"
            except Exception as error:  # whatever a driver or a network raises: the camera is gone for now
                reason = str(getattr(error, "strerror", None) or error)[:200].replace(self._source, self._name)
            if not lost:
                self._notify(f"{self._name}: the camera is gone ({reason}); it is tried again until it is back.")
            lost = True
            self._stop.wait(pause)
            pause = min(2 * pause, RETRY[1])


def is_camera(source: str) -> bool:
    """Whether a source is a camera and not a file.

    Examples
    --------
    >>> is_camera("webcam:1"), is_camera("RTSP://host/stream"), is_camera("morning.mp4")
    (True, True, False)
    """
    return bool(re.fullmatch(r"webcam(:\d+)?", source) or _NETWORK.match(source))


def open_camera(source: str) -> Iterator[Picture]:
    """The pictures of a camera, as FFmpeg reads it, until it fails.

    Raises
    ------
    ImageError
        If it cannot be opened.
    """
    import av

    av.logging.set_level(av.logging.PANIC)
    if _NETWORK.match(source):
        address, form, options = source, None, {"rtsp_transport": "tcp", "timeout": "5000000"}
    else:
        number = int(source.partition(":")[2] or 0)
        form, address = {
            "darwin": ("avfoundation", str(number)),
            "win32": ("dshow", f"video={number}"),
        }.get(sys.platform, ("v4l2", f"/dev/video{number}"))
        options = {"framerate": "30"} if sys.platform == "darwin" else {}
    try:
        container: Any = av.open(address, "r", format=form, options=options, timeout=(10.0, 10.0))
    except Exception as error:  # av raises a class for each cause
        raise ImageError(f"the camera cannot be opened ({getattr(error, 'strerror', None) or error}).") from None
    with container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def timed_pictures(folder: Path, zone: tzinfo) -> list[tuple[datetime, Path]]:
    """The pictures of a folder with when they were taken, in order.

    A time is that of the camera (EXIF), or of the file's name, such as ``2026-11-28_09-31-05.jpg``; both are on the
    wall in ``zone`` unless EXIF says the offset. The time of the file itself is not believed: copying changes it.

    Raises
    ------
    InputError
        If there are none, or one has no time.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower().lstrip(".") in PICTURES)
    if not paths:
        raise InputError(f"{folder}: holds no pictures; give a folder of jpeg or png files, a video or a camera.")
    found, without = [], []
    for path in paths:
        taken = _taken(path, zone)
        found += [(taken, path)] if taken else []
        without += [] if taken else [path.name]
    if without:
        raise InputError(
            f"{folder}: {len(without)} pictures do not say when they were taken, such as {without[0]}. Name them like "
            "2026-11-28_09-31-05.jpg."
        )
    return sorted(found)


def _taken(path: Path, zone: tzinfo) -> datetime | None:
    from PIL import Image

    text = offset = None
    try:
        with Image.open(path) as picture:
            exif = picture.getexif().get_ifd(_EXIF)
            text, offset = exif.get(_TAKEN), exif.get(_ZONE)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        pass  # whoever reads the picture itself says what is wrong with it
    try:
        if text:
            wall = datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S")
            zoned = datetime.fromisoformat(f"{wall.isoformat()}{str(offset).strip()}") if offset else wall
            return (zoned if zoned.tzinfo else zoned.replace(tzinfo=zone)).astimezone(UTC)
        if named := _TIMED.search(path.stem):
            return datetime(*map(int, named.groups()), tzinfo=zone).astimezone(UTC)  # type: ignore[arg-type, misc]
    except ValueError:
        return None
    return None
