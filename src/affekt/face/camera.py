"""A live camera: its newest frame on request, even after it was unplugged and came back."""

from __future__ import annotations

import math
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from affekt.errors import ImageError, InputError
from affekt.face.video import Frame, check_frame_size, upright

#: What an address may begin with; cameras in a network speak RTSP, or send jpegs over HTTP.
NETWORK = ("rtsp://", "rtsps://", "http://", "https://")
_WEBCAM = re.compile(r"webcam(?::(\d{1,2}))?")
#: FFmpeg's device of a system, and how it names the n-th camera.
_DEVICES = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}:none"), "win32": ("vfwcap", "{}")}


def is_camera(source: str) -> bool:
    """Whether a source names a camera: ``webcam:0``, ``rtsp://...``, ``http://...``.

    Examples
    --------
    >>> is_camera("webcam:0"), is_camera("rtsp://10.0.0.7/live"), is_camera("clip.mp4")
    (True, True, False)
    """
    return source == "webcam" or source.startswith("webcam:") or source.lower().startswith(NETWORK)


@dataclass(frozen=True)
class CameraOptions:
    """How a camera is followed. Times in seconds.

    Parameters
    ----------
    seconds : float or None
        Stop after so long; None: never.
    patience : float
        How long to wait for a camera that is silent or gone before giving up; with infinity, also wait for it at
        the start.
    pause : float
        Between two attempts to reconnect.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    seconds: float | None = None
    patience: float = 60.0
    pause: float = 1.0

    def __post_init__(self) -> None:
        given = (1.0 if self.seconds is None else self.seconds, self.patience, self.pause)
        if not all(value > 0 for value in given):
            raise InputError(f"{self}: times are seconds above 0.")


class Camera:
    """A webcam or a network camera.

    A thread reads it and keeps only the newest frame: a slow consumer gets fewer
    frames, never old ones. Times are seconds since the first frame by the
    clock of this machine, so a camera that was gone leaves a gap.

    Parameters
    ----------
    name : str
        ``webcam:0`` for the first one, ``rtsp://...``, or ``http://...`` of one that sends jpegs. The password of an
        address is not shown in messages.
    options : CameraOptions, optional
    warn : callable, optional
        Called with a sentence, from another thread, when the camera disconnects and when it is back.

    Raises
    ------
    InputError
        If the name is none of these.

    Examples
    --------
    >>> Camera("rtsp://teacher:secret@10.0.0.7/live").name
    'rtsp://10.0.0.7/live'
    """

    def __init__(
        self, name: str, options: CameraOptions | None = None, *, warn: Callable[[str], None] = lambda sentence: None
    ) -> None:
        webcam = _WEBCAM.fullmatch(name)
        if webcam is None and not name.lower().startswith(NETWORK):
            raise InputError(f"{name}: is no camera; allowed: webcam:0, {', '.join(NETWORK)}...")
        self._address, self._number = name, int(webcam[1] or 0) if webcam else None
        self.name = re.sub(r"//[^/]*@", "//", name)
        self._options, self._warn = options or CameraOptions(), warn
        self._stop, self._changed = threading.Event(), threading.Condition()
        self._newest: tuple[float, Any] | None = None
        self._ended: BaseException | None = None

    def stop(self) -> None:
        """End :meth:`frames`, from any thread, or from a signal handler."""
        self._stop.set()

    def frames(self) -> Iterator[Frame]:
        """Frames as they come, until the time is over, :meth:`stop`, or the camera is gone for good.

        Raises
        ------
        ImageError
            If it cannot be opened at first, or stays away.
        """
        return (frame for frame in self.turns() if frame is not None)

    def turns(self, idle: float = 0.5) -> Iterator[Frame | None]:
        """As :meth:`frames`, plus None after every ``idle`` seconds without a frame, so callers can check the time.

        Raises
        ------
        ImageError
            If it cannot be opened at first, or stays away.
        """
        self._ended = self._newest = None
        reader = threading.Thread(target=self._read, name="camera", daemon=True)
        reader.start()
        began: float | None = None
        last, silent = -1.0, 0.0
        try:
            while not self._stop.is_set():
                with self._changed:
                    self._changed.wait_for(lambda: self._newest is not None or self._ended is not None, timeout=0.1)
                    taken, self._newest = self._newest, None
                if taken is None:
                    if self._ended is not None:
                        raise self._ended
                    if began is not None and self._over(time.monotonic() - began):
                        return
                    silent += 0.1
                    if silent >= idle:
                        silent = 0.0
                        yield None
                    continue
                silent = 0.0
                began = taken[0] if began is None else began
                now = max(taken[0] - began, last + 0.001)
                if self._over(now):
                    return
                last = now
                yield Frame(now, upright(taken[1]))
        finally:
            self._stop.set()
            reader.join(timeout=5)

    def _over(self, now: float) -> bool:
        return self._options.seconds is not None and now >= self._options.seconds

    def _read(self) -> None:
        """Keep the newest frame; runs in a thread of its own."""
        seen, gone_at = False, 0.0
        while not self._stop.is_set():
            reason = "it stopped sending"
            try:
                for frame in self._decoded():
                    if gone_at:
                        self._warn(f"{self.name}: is back after {time.monotonic() - gone_at:.0f} s.")
                    seen, gone_at = True, 0.0
                    with self._changed:
                        self._newest = (time.monotonic(), frame)
                        self._changed.notify()
                    if self._stop.is_set():
                        return
            except Exception as error:  # whatever a driver or a camera of the network does wrong
                reason = str(getattr(error, "strerror", None) or error)[:200].replace(self._address, self.name)
            now, gives_up = time.monotonic(), self._options.patience < math.inf
            if not gone_at and (seen or not gives_up):
                gone_at = now
                self._warn(f"{self.name}: is gone ({reason}); waiting for it to come back.")
            if (not seen and gives_up) or now - gone_at > self._options.patience:
                state = "cannot be opened" if not seen else f"did not come back within {self._options.patience:g} s"
                with self._changed:
                    self._ended = ImageError(f"{self.name}: {state} ({reason}). {self._advice()}")
                    self._changed.notify()
                return
            self._stop.wait(self._options.pause)

    def _advice(self) -> str:
        if self._number is not None:
            return "Is it plugged in, and used by no other program? webcam:0 is the first, webcam:1 the second."
        return "Are address, user and password right, and is the camera reachable from here?"

    def _decoded(self) -> Iterator[Any]:
        import av

        av.logging.set_level(av.logging.PANIC)
        silence = min(self._options.patience, 60.0)
        if self._number is None:
            form, address = None, self._address
            options = {
                "rtsp_flags": "prefer_tcp",
                "fflags": "nobuffer",
                "protocol_whitelist": "rtsp,rtp,tcp,udp,tls,http,https",
            }
            if address.lower().startswith("rtsps"):
                options["protocol_whitelist"] = "rtsp,rtsps,rtp,srtp,tcp,udp,tls"
        else:
            system = "linux" if sys.platform.startswith("linux") else sys.platform
            form, pattern = _DEVICES.get(system, _DEVICES["linux"])
            address, options = pattern.format(self._number), {"framerate": "30"} if system == "darwin" else {}
        with av.open(address, "r", format=form, options=options, timeout=(10.0, max(silence, 1.0))) as container:
            if not container.streams.video:
                raise ImageError("it sends no video")
            track = container.streams.video[0]
            check_frame_size(self.name, track.codec_context.width, track.codec_context.height)
            errors = 0
            for packet in container.demux(track):
                try:
                    yield from packet.decode()
                    errors = 0
                except av.FFmpegError:  # a damaged packet, as radio brings them
                    errors += 1
                    if errors > 100:
                        raise
