"""Recordings and words of a request: in memory or in an unnamed temporary file, gone when the work is done.

The client's name for a file is shown to that client and nowhere else.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from affekt.server.refusals import Refusal
from affekt.server.settings import Limits
from affekt.speech.decode import stated_length

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
        #: Whether it holds words from the request itself rather than a file.
        self.is_written = False
        #: When it is set, decoders stop: some work for long without output.
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

    @contextmanager
    def path(self) -> Iterator[str]:
        """A path at which it can be opened repeatedly while the block lasts."""
        if isinstance(self._file, tempfile.SpooledTemporaryFile):
            self._file.rollover()
        path = ""
        with suppress(OSError, ValueError):
            self._file.flush()
            path = f"/proc/self/fd/{self._file.fileno()}"
        if path and os.path.exists(path):
            yield path
            return
        with tempfile.NamedTemporaryFile(
            prefix="affekt-"
        ) as file:  # where the system cannot open a file without a name
            self.seek(0)
            shutil.copyfileobj(self._file, file)
            file.flush()
            yield file.name

    @property
    def share(self) -> float:
        """The share of it that a decoder has passed, 0 to 1."""
        return min(1.0, self._file.tell() / self.size) if self.size and not self._file.closed else 0.0

    def named(self, sentence: str) -> str:
        """A message of the decoder, with the client's name for the recording."""
        start = f"{NAME}: "
        return f"{self.source}: {sentence[len(start) :]}" if sentence.startswith(start) else sentence


def stated_seconds(upload: Upload) -> float | None:
    """Seconds of a recording by its header or its packets, without decoding it; None where neither says."""
    try:
        with ExitStack() as stack:
            found = stated_length(upload, stack)  # type: ignore[arg-type]
    except Exception:  # whatever it is, the reader of the file will report it
        found = None
    finally:
        upload.seek(0)
    return found[0] if found else None


@dataclass(frozen=True)
class Form:
    """A request with recordings, and perhaps the captions of one."""

    fields: Mapping[str, str]
    uploads: tuple[Upload, ...]
    captions: Upload | None = None

    @property
    def everything(self) -> tuple[Upload, ...]:
        """The recordings, and then the captions."""
        return self.uploads if self.captions is None else (*self.uploads, self.captions)

    def close(self) -> None:
        """Forget what it holds."""
        for upload in self.everything:
            upload.close()


async def read_form(request: Request, limits: Limits) -> Form:
    """Take the recordings and fields of a multipart request; fields may come in the query, too.

    Raises
    ------
    Refusal
        408 if it takes too long, 413 if it is too large, 415 if it is no multipart form, 422 if there are no files.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Refusal(415, "send recordings as multipart/form-data, in fields named files.")
    try:
        async with asyncio.timeout(limits.timeout):
            form = await request.form(max_files=limits.files + 1, max_fields=_FIELDS, max_part_size=_LONGEST)
    except TimeoutError:
        raise Refusal(408, f"the upload took longer than {limits.timeout:g} s.") from None
    except HTTPException as error:
        raise Refusal(422, f"the form cannot be read: {error.detail}") from None
    given = form.multi_items()
    files = [value for key, value in given if isinstance(value, UploadFile) and key in ("files", "file")]
    if not files:
        raise Refusal(422, "no recording: send one or more in fields named files.")
    texts = {key: value for key, value in given if isinstance(value, str)}
    captions = [value for key, value in given if isinstance(value, UploadFile) and key == "captions"]
    if len(files) > limits.files:
        raise Refusal(422, f"the form has {len(files)} files; allowed: {limits.files}.")
    if len(captions) > 1:
        raise Refusal(422, f"there are {len(captions)} captions; give one file, of one video.")
    uploads = tuple(map(_upload, files))
    form_of = Form({**request.query_params, **texts}, uploads, _upload(captions[0]) if captions else None)
    if form_of.captions and form_of.captions.size > limits.text_bytes:
        form_of.close()
        raise Refusal(413, f"the captions have {form_of.captions.size} bytes; allowed: {limits.text_bytes}.")
    return form_of


def _upload(file: UploadFile) -> Upload:
    # What is said of a file is printed, so its name is: at most a file system's length, without control characters.
    name = "".join(c for c in file.filename or "" if c.isprintable())[-255:] or "recording"
    return Upload(name, file.file, file.size or 0)


async def read_words(request: Request, limits: Limits) -> Form:
    """Take a request in JSON: ``text``, and what else a form may say.

    Raises
    ------
    Refusal
        408 if it takes too long, 413 if it is too large, 422 if there are no words.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(limits.timeout):
            async for part in request.stream():
                body += part
                if len(body) > limits.text_bytes:
                    raise Refusal(413, f"the text is larger than {limits.text_bytes} bytes, which is allowed here.")
        table = json.loads(body)
    except TimeoutError:
        raise Refusal(408, f"the request took longer than {limits.timeout:g} s.") from None
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise Refusal(422, 'no JSON of words; send {"text": "...", ...}, every value a text.')
    words = table.pop("text", "")
    if not words.strip():
        raise Refusal(422, 'no words; send {"text": "..."}.')
    data = words.encode("utf-8", "replace")
    upload = Upload("text", io.BytesIO(data), len(data))
    upload.is_written = True
    return Form({**request.query_params, "modality": "text", **table}, (upload,))
