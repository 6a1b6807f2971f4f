"""Cameras that go and come back, and pictures that say when they were taken."""

import threading
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from PIL import Image

from affekt.errors import ImageError, InputError
from affekt.face import camera as module
from affekt.face.camera import Camera, is_camera, open_camera, timed_pictures

BERLIN = ZoneInfo("Europe/Berlin")


def picture(grey):
    return np.full((4, 4, 3), grey, np.uint8)


def taken(camera, count):
    """The first so many frames."""
    found = []
    for frame in camera.frames():
        if frame is not None:
            found.append(int(frame[0, 0, 0]))
        if len(found) == count:
            return found
    raise AssertionError


def test_a_camera_that_dies_and_comes_back_goes_on(monkeypatch):
    monkeypatch.setattr(module, "RETRY", (0.001, 0.002))
    said, opened, asked = [], [], threading.Semaphore(1)

    def opener(source):
        opened.append(source)
        if len(opened) in (2, 3):
            raise OSError(19, "No such device")
        for index in range(2):
            asked.acquire()
            yield picture(10 * len(opened) + index)

    found = []
    for frame in Camera("rtsp://user:secret@door/1", notify=said.append, opener=opener).frames():
        if frame is not None:
            found.append(int(frame[0, 0, 0]))
            asked.release()
        if len(found) == 4:
            break
    assert found == [10, 11, 40, 41]
    assert said[0] == "rtsp://door/1: the camera is gone (it sends no more); it is tried again until it is back."
    assert said[1] == "rtsp://door/1: the camera is back."
    assert "secret" not in " ".join(said)


def test_who_is_slow_gets_the_newest_frame_not_a_queue():
    read = threading.Event()

    def opener(source):
        for grey in range(100):
            yield picture(grey)
        read.set()
        threading.Event().wait(30)

    frames = Camera("webcam", opener=opener).frames()
    next(frames)
    assert read.wait(5)
    seen = [int(frame[0, 0, 0]) for frame in (next(frames),) if frame is not None]
    assert seen in ([99], [])


def test_a_silent_camera_is_said(monkeypatch):
    monkeypatch.setattr(module, "_TURN", 0.001)
    monkeypatch.setattr(module, "SILENT", 0.003)
    said = []

    def opener(source):
        threading.Event().wait(30)
        yield picture(0)

    frames = Camera("webcam", notify=said.append, opener=opener).frames()
    assert [next(frames) for _ in range(6)] == [None] * 6
    assert said == ["webcam: no picture for 0 s."]


def test_a_password_is_not_told_when_the_address_stands_in_the_error():
    said = []
    done = threading.Event()

    def notify(sentence):
        said.append(sentence)
        done.set()

    def opener(source):
        raise ValueError(f"cannot reach {source}")
        yield

    frames = Camera("rtsp://u:secret@host/1", notify=notify, opener=opener).frames()
    next(frames)
    assert done.wait(5)
    assert "secret" not in said[0]
    assert "cannot reach rtsp://host/1" in said[0]


def test_a_webcam_that_is_not_there_says_so():
    with pytest.raises(ImageError, match="the camera cannot be opened"):
        next(open_camera("webcam:93"))


@pytest.mark.parametrize(
    ("source", "expected"),
    [("webcam", True), ("webcam:2", True), ("rtsps://h/x", True), ("http://h/x.mjpg", True), ("webcam.mp4", False),
     ("rtsp", False), ("C:/x", False)],
)  # fmt: skip
def test_what_a_camera_is(source, expected):
    assert is_camera(source) is expected


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
