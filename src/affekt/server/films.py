"""Videos in a request: whether a file holds moving pictures, and all that is recognised in it."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import av

from affekt._container import open_container
from affekt.face.video import CONTAINERS
from affekt.recognize.media import MediaRecognizer
from affekt.server.uploads import Upload
from affekt.text.captions import Cue, cues_of
from affekt.types import Result

#: What containers that may hold pictures begin with, and where: mp4 and mov, Matroska, AVI, ASF, FLV, MPEG, MXF.
_BEGINNINGS = (
    (4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"wide"), (0, b"\x1aE\xdf\xa3"), (8, b"AVI "), (0, b"0&\xb2u"),
    (0, b"FLV"), (0, b"\x00\x00\x01\xba"), (0, b"G"), (0, b"\x06\x0e+4"),
)  # fmt: skip


def film_length(upload: Upload) -> float | None:
    """Seconds of a video by its header, 0 where it does not say; None where a file has no moving pictures.

    The cover picture of a recording does not count.
    """
    head = upload.read(16)
    upload.seek(0)
    if not any(head[at : at + len(word)] == word for at, word in _BEGINNINGS):
        return None
    try:
        with ExitStack() as stack:
            container = open_container(upload, stack, CONTAINERS)
            cover = av.stream.Disposition.attached_pic
            if all(track.disposition & cover for track in container.streams.video):
                return None
            return float(container.duration) / 1e6 if container.duration else 0.0
    except Exception:  # whatever it is, the reader of the file will report it
        return None
    finally:
        upload.seek(0)


def recognise_film(
    media: MediaRecognizer, upload: Upload, captions: Upload | None, *, trace: Any, stop: threading.Event
) -> Result:
    """Voice, faces and words of one video.

    Raises
    ------
    AffektError
        If it cannot be read, or its captions cannot.
    InterruptedError
        If it was stopped.
    """
    upload.stop = stop
    said: list[str] = []
    # Without separate captions, the subtitles inside the video are used.
    cues: list[Cue] | None = cues_of(captions, warn=said.append) if captions else None
    with upload.path() as path:
        try:
            result = media.analyse(path, captions=cues, trace=trace, stop=stop)
        except Exception as error:
            error.args = tuple(arg.replace(path, upload.name) if isinstance(arg, str) else arg for arg in error.args)
            raise
    named = [sentence.replace(path, upload.source) for sentence in result.warnings]
    if captions:
        named += [captions.named(sentence) for sentence in said]
    return replace(result, source=upload.source, warnings=tuple(named))
