"""Folders of pictures that record when they were taken."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from affekt.errors import InputError
from affekt.face.image import PICTURES

#: A date and a time in the name of a file.
_TIMED = re.compile(r"(20\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)[-_.T ]?([0-2]\d)[-_.:h]?([0-5]\d)[-_.:m]?([0-5]\d)(?!\d)")
_EXIF, _TAKEN, _ZONE = 0x8769, 0x9003, 0x9011


def timed_pictures(folder: Path, zone: tzinfo) -> list[tuple[datetime, Path]]:
    """The pictures of a folder with the times they were taken, in order.

    A time is that of the camera (EXIF), or of the file's name, such as ``2026-11-28_09-31-05.jpg``; both are local
    time in ``zone`` unless EXIF gives the offset. The file's modification time is ignored: copying changes it.

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
