"""Video in: frames by their own clock, upright, past damage, in bounded memory."""

import io
from contextlib import ExitStack
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from affekt.errors import ImageError
from affekt.face.stream import frames_of
from affekt.face.video import Video
from affekt.types import Sample


def written(path, times, *, size=(64, 48), codec="mpeg4", form=None):
    """A video whose i-th frame is at a time and as bright as its number says."""
    with av.open(str(path), "w", format=form) as container:
        track = container.add_stream(codec, rate=25)
        track.width, track.height, track.pix_fmt = *size, "yuv420p"
        track.codec_context.time_base = Fraction(1, 1000)
        for number, time in enumerate(times):
            picture = np.full((size[1], size[0], 3), 20 + 10 * number % 220, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
def test_frames_have_their_own_times(tmp_path, name):
    times = [0.0, 0.04, 0.08, 0.5, 0.54, 2.0, 2.04]  # a variable rate
    frames = list(frames_of(written(tmp_path / name, times), rate=0))
    assert [f.time for f in frames] == pytest.approx(times, abs=0.002)
    assert [f.pixels.shape for f in frames] == [(48, 64, 3)] * 7
    brightness = [int(f.pixels.mean()) for f in frames]
    assert brightness == sorted(brightness)


def test_no_more_frames_than_asked_for(tmp_path):
    path = written(tmp_path / "a.mp4", [i / 50 for i in range(100)])
    assert len(list(frames_of(path, rate=10))) == pytest.approx(20, abs=1)
    assert len(list(frames_of(path, rate=0))) == 100


def test_a_stretch_of_a_video(tmp_path):
    path = written(tmp_path / "a.mp4", [i / 10 for i in range(30)])
    frames = list(frames_of(Sample("x", str(path), start=1.0, end=2.0), rate=0))
    assert len(frames) == 10 and frames[0].time == pytest.approx(0.0, abs=1e-6)


def test_pictures_and_videos_are_told_apart_by_what_they_hold(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    Image.fromarray(np.full((9, 9, 3), 80, np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "picture.mp4")
    assert [f.time for f in frames_of(tmp_path / "picture.mp4")] == [0.0]
    written(tmp_path / "b.mp4", [0.0, 0.04])
    (tmp_path / "b.mp4").rename(tmp_path / "video.jpg")
    assert len(list(frames_of((tmp_path / "video.jpg").read_bytes()))) == 2


def test_damage_in_the_middle_costs_some_frames(tmp_path):
    data = bytearray(written(tmp_path / "a.mkv", [i / 25 for i in range(100)], size=(160, 120)).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = np.random.default_rng(0).integers(0, 256, 200, dtype=np.uint8).tobytes()
    frames = list(frames_of(bytes(data), rate=0))
    assert len(frames) > 60 and frames[-1].time == pytest.approx(3.96, abs=0.05)
    assert all(a.time < b.time for a, b in pairwise(frames))


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"not a video" * 99, "no video that can be read"), (b"RIFF\0\0\0\0AVI ", "no video that can be")],
)
def test_what_is_no_video_says_so(data, said):
    with pytest.raises(ImageError, match=said):
        list(frames_of(data))


def test_a_recording_without_a_picture_says_that_it_has_sound(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        track = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), "s16", "mono")
        frame.sample_rate = 16_000
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    with pytest.raises(ImageError, match="has no video track. It has sound"):
        list(frames_of(tmp_path / "a.mp4"))


def test_nothing_is_opened_by_address_unless_asked(tmp_path):
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n")
    with ExitStack() as stack, pytest.raises(ImageError, match="no video that can be read"):
        Video(tmp_path / "list.m3u8", stack)
    with ExitStack() as stack, pytest.raises(ImageError):
        Video(io.BytesIO(b"ffconcat version 1.0\nfile 'a.mp4'\n"), stack)
