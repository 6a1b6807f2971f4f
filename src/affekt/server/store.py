"""What ``--store`` keeps: recordings, results and streams, under names that the server chooses."""

from __future__ import annotations

import io
import logging
import os
import secrets
import shutil
import time
import wave
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from affekt._files import atomic_write, sweep
from affekt.errors import InputError
from affekt.server.uploads import Upload
from affekt.types import Result
from affekt.write.predictions import WRITERS

#: Bytes of a stream between two checks of the size of the folder.
STEP = 1 << 20

log = logging.getLogger("affekt.server")


class Store:
    """A folder of recordings and results; the operator of the server deletes them.

    It is private, and has a size limit: beyond it nothing is kept, and the log says so.

    Parameters
    ----------
    folder : Path
    limit : int
        Bytes of all files in it.

    Raises
    ------
    InputError
        If others can read it, and that cannot be changed.
    """

    def __init__(self, folder: Path, *, limit: int = 10 << 30) -> None:
        self._folder, self._limit = folder, limit
        try:
            folder.chmod(0o700)
        except OSError as error:
            raise InputError(
                f"--store {folder}: cannot be made private ({error.strerror}); give one of yours."
            ) from None
        sweep(folder)

    def room(self, size: int) -> bool:
        """Whether this many more bytes are allowed; logged if not."""
        with os.scandir(self._folder) as entries:
            taken = sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
        if taken + size <= self._limit:
            return True
        log.error("store is full", extra={"fields": {"bytes": taken, "allowed": self._limit}})
        return False

    def recording(self, upload: Upload) -> None:
        """Keep a recording as it came; the client's name for it appears in the results only."""
        if not self.room(upload.size):
            return
        with atomic_write(self._path(".recording"), "wb", private=True) as file:
            upload.seek(0)
            shutil.copyfileobj(upload, file)

    def results(self, results: Sequence[Result]) -> None:
        """Keep results as the writer ``json`` formats them."""
        if not results:
            return
        text = io.StringIO()
        WRITERS["json"](results, text)
        if self.room(len(text.getvalue())):
            with atomic_write(self._path(".json"), private=True) as file:
                file.write(text.getvalue())

    def tape(self, form: str, sampling_rate: int, channels: int = 1) -> StreamRecording:
        """A new recording of a stream."""
        return StreamRecording(self._path(""), (form, sampling_rate, channels), room=self.room)

    def _path(self, suffix: str) -> Path:
        return self._folder / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(6)}{suffix}"


class StreamRecording:
    """Keeps a stream: signal as 16-bit WAV, events as JSON lines.

    Each piece is written at once; a broken stream leaves what came until then.
    """

    def __init__(self, path: Path, form: tuple[str, int, int], *, room: Callable[[int], bool]) -> None:
        self._path, self._room = path, room
        self._form, self._rate, self._channels = form
        self._sound: wave.Wave_write | None = None
        self._full, self._since = False, STEP

    def add(self, piece: bytes, events: Sequence[str], last: bool) -> None:
        """Keep the next piece; nothing more once the folder is full."""
        self._since += len(piece)
        if self._since >= STEP:
            self._full, self._since = self._full or not self._room(STEP), 0
        if not self._full:
            self._keep(piece, events)
        if last and self._sound is not None:
            self._sound.close()

    def _keep(self, piece: bytes, events: Sequence[str]) -> None:
        if self._sound is None:
            sound = self._path.with_suffix(".wav")
            sound.touch(mode=0o600)
            self._sound = wave.open(str(sound), "wb")  # noqa: SIM115
            self._sound.setnchannels(self._channels)
            self._sound.setsampwidth(2)
            self._sound.setframerate(self._rate)
        if self._form != "pcm16":
            signal = np.frombuffer(piece, "<f4")
            piece = (np.clip(signal, -1, 32767 / 32768) * 32768).round().astype("<i2").tobytes()
        self._sound.writeframes(piece)
        with open(self._path.with_suffix(".jsonl"), "a", encoding="utf-8", opener=_private) as file:
            file.writelines(f"{event}\n" for event in events)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
