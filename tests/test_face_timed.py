"""Pictures that say when they were taken."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from PIL import Image

from affekt.errors import InputError
from affekt.face.timed import timed_pictures

BERLIN = ZoneInfo("Europe/Berlin")


def picture(grey):
    return np.full((4, 4, 3), grey, np.uint8)


def write(folder, name, taken=None, offset=None):
    image, exif = Image.new("RGB", (8, 8)), Image.Exif()
    if taken:
        part = exif.get_ifd(0x8769)
        part[0x9003] = taken
        if offset:
            part[0x9011] = offset
    image.save(folder / name, exif=exif)


def test_pictures_come_in_the_order_they_were_taken(tmp_path):
    write(tmp_path, "a.jpg", "2026:11:27 09:40:00")
    write(tmp_path, "b.jpg", "2026:11:27 09:30:00", "+05:00")
    write(tmp_path, "door_2026-11-27_09-35-07.png")
    write(tmp_path, "20261127T093508.png")
    (tmp_path / "notes.txt").write_text("no picture")
    found = timed_pictures(tmp_path, BERLIN)
    assert [(path.name, moment) for moment, path in found] == [
        ("b.jpg", datetime(2026, 11, 27, 4, 30, tzinfo=UTC)),
        ("door_2026-11-27_09-35-07.png", datetime(2026, 11, 27, 8, 35, 7, tzinfo=UTC)),
        ("20261127T093508.png", datetime(2026, 11, 27, 8, 35, 8, tzinfo=UTC)),
        ("a.jpg", datetime(2026, 11, 27, 8, 40, tzinfo=UTC)),
    ]


@pytest.mark.parametrize("name", ["IMG_0001.png", "2026-13-40_99-99-99.png", "2026-02-31_09-30-00.png"])
def test_a_picture_without_a_time_is_named(tmp_path, name):
    write(tmp_path, name)
    with pytest.raises(InputError, match=f"1 pictures do not say when they were taken, such as {name}. Name them like"):
        timed_pictures(tmp_path, BERLIN)


def test_a_folder_without_pictures_says_so(tmp_path):
    with pytest.raises(InputError, match="holds no pictures; give a folder of jpeg or png files"):
        timed_pictures(tmp_path, BERLIN)


def test_a_picture_that_is_damaged_but_named_has_its_time(tmp_path):
    (tmp_path / "2026-11-27_09-30-00.jpg").write_bytes(b"\xff\xd8 nothing")
    assert timed_pictures(tmp_path, BERLIN)[0][0] == datetime(2026, 11, 27, 8, 30, tzinfo=UTC)
