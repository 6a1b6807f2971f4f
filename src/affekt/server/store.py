"""What ``--store`` keeps: recordings, results and streams, under names of the server's own."""

from __future__ import annotations

import io
import secrets
import shutil
import time
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from affekt._files import atomic_write
from affekt.server.uploads import Upload
from affekt.types import Result
from affekt.write.predictions import WRITERS


class Store:
    """A folder that recordings and results are kept in; whoever runs the server deletes them.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def recording(self, upload: Upload) -> None:
        """Keep a recording as it came; what the client calls it stands in the results only."""
        with atomic_write(self._path(".recording"), "wb") as file:
            upload.seek(0)
            shutil.copyfileobj(upload, file)
        upload.seek(0)

    def results(self, results: Sequence[Result]) -> None:
        """Keep results as the writer ``json`` has them."""
        if results:
            text = io.StringIO()
            WRITERS["json"](results, text)
            with atomic_write(self._path(".json")) as file:
                file.write(text.getvalue())

    def tape(self, form: str, sampling_rate: int) -> StreamRecording:
        """For a stream."""
        return StreamRecording(self._path(""), form, sampling_rate)

    def _path(self, suffix: str) -> Path:
        return self._folder / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(6)}{suffix}"


class StreamRecording:
    """Keeps a stream: signal as WAV with 16 bits, events as lines of JSON.

    Each piece is written at once; a stream that breaks leaves what came until then.
    """

    def __init__(self, path: Path, form: str, sampling_rate: int) -> None:
        self._path, self._form, self._rate = path, form, sampling_rate
        self._sound: wave.Wave_write | None = None

    def add(self, piece: bytes, events: Sequence[str], last: bool) -> None:
        """Keep the next piece."""
        if self._sound is None:
            self._sound = wave.open(str(self._path.with_suffix(".wav")), "wb")  # noqa: SIM115
            self._sound.setnchannels(1)
            self._sound.setsampwidth(2)
            self._sound.setframerate(self._rate)
        if self._form != "pcm16":
            signal = np.frombuffer(piece, "<f4")
            piece = (np.clip(signal, -1, 32767 / 32768) * 32768).round().astype("<i2").tobytes()
        self._sound.writeframes(piece)
        with open(self._path.with_suffix(".jsonl"), "a", encoding="utf-8") as file:
            file.writelines(f"{event}\n" for event in events)
        if last:
            self._sound.close()
