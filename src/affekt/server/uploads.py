"""Recordings that come with a request: in memory or a nameless temporary file, gone when the work is done.

What a client calls a file is shown back to it and goes nowhere else.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from affekt.server.refusals import Refusal
from affekt.server.settings import Limits

#: What decoders and their messages see instead of the client's name.
NAME = "recording"
_FIELDS = 16
_LONGEST = 4096


class Upload:
    """One recording, as a binary file for decoders.

    Parameters
    ----------
    source : str
        What the client calls it.
    file : binary file
        Open for reading; :meth:`close` deletes it.
    size : int
        Bytes.
    """

    name = NAME

    def __init__(self, source: str, file: IO[bytes], size: int) -> None:
        self.source, self.size, self._file = source, size, file
        #: When it is set, decoders come to an end: some work long without giving anything.
        self.stop: threading.Event | None = None

    def read(self, size: int = -1, /) -> bytes:
        """As of a file."""
        return b"" if self.stop and self.stop.is_set() else self._file.read(size)

    def readinto(self, buffer: Any, /) -> int:
        """As of a file."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """As of a file."""
        self._file.seek(offset, whence)
        return self._file.tell()

    def tell(self) -> int:
        """As of a file."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Forget what it holds."""
        self._file.close()

    @property
    def share(self) -> float:
        """How much of it a decoder has passed, 0 to 1."""
        return min(1.0, self._file.tell() / self.size) if self.size and not self._file.closed else 0.0

    def named(self, sentence: str) -> str:
        """A message of the decoder, with the client's name for the recording."""
        start = f"{NAME}: "
        return f"{self.source}: {sentence[len(start) :]}" if sentence.startswith(start) else sentence


@dataclass(frozen=True)
class Form:
    """A request with recordings."""

    fields: Mapping[str, str]
    uploads: tuple[Upload, ...]

    def close(self) -> None:
        """Forget the recordings."""
        for upload in self.uploads:
            upload.close()


async def read_form(request: Request, limits: Limits) -> Form:
    """Take the recordings and fields of a multipart request; fields may stand in the query, too.

    Raises
    ------
    Refusal
        408 if it takes too long, 413 if it is too large, 415 if it is no multipart form, 422 if there are no files.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Refusal(415, "send recordings as multipart/form-data, in fields named files.")
    try:
        async with asyncio.timeout(limits.timeout):
            form = await request.form(max_files=limits.files, max_fields=_FIELDS, max_part_size=_LONGEST)
    except TimeoutError:
        raise Refusal(408, f"the upload took longer than {limits.timeout:g} s.") from None
    except HTTPException as error:
        raise Refusal(422, f"the form cannot be read: {error.detail}") from None
    given = form.multi_items()
    files = [value for key, value in given if isinstance(value, UploadFile) and key in ("files", "file")]
    if not files:
        raise Refusal(422, "no recording: send one or more in fields named files.")
    texts = {key: value for key, value in given if isinstance(value, str)}
    # What is said of a file is printed, so its name is: at most a file system's length, without control characters.
    names = ["".join(c for c in file.filename or "" if c.isprintable())[-255:] or "recording" for file in files]
    uploads = tuple(Upload(name, file.file, file.size or 0) for name, file in zip(names, files, strict=True))
    return Form({**request.query_params, **texts}, uploads)
