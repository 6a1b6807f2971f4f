"""Video in: frames by their own clock, upright, past damage, in bounded memory."""

import io
import struct
from contextlib import ExitStack
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

import affekt
from affekt.errors import ImageError, ImageWarning
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


def turned(path, degrees):
    """A video whose track says that it is to be shown turned, as phones write them."""
    frames = np.zeros((48, 96, 3), np.uint8)
    frames[:24, :48] = 220  # the upper left is bright
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=10)
        track.width, track.height, track.pix_fmt = 96, 48, "yuv420p"
        for _ in range(5):
            container.mux(track.encode(av.VideoFrame.from_ndarray(frames, format="rgb24")))
        container.mux(track.encode())
    # The matrix of a track header: two of its numbers, in 16.16 fixed point.
    data = path.read_bytes()
    cos, sin = ((1 << 16) * round(f(np.deg2rad(degrees))) for f in (np.cos, np.sin))
    matrix = struct.pack(">9i", cos, sin, 0, -sin, cos, 0, 0, 0, 1 << 30)
    at = data.index(struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30), data.index(b"tkhd"))
    path.write_bytes(data[:at] + matrix + data[at + 36 :])
    return path


@pytest.mark.parametrize(
    ("degrees", "corner"), [(0, "upper left"), (90, "upper right"), (180, "lower right"), (270, "lower left")]
)
def test_a_video_of_a_phone_held_in_any_way_is_upright(tmp_path, degrees, corner):
    pixels = next(iter(frames_of(turned(tmp_path / "a.mp4", degrees)))).pixels
    assert pixels.shape[:2] == ((48, 96) if degrees % 180 == 0 else (96, 48))
    rows, columns = np.nonzero(pixels[..., 0] > 128)
    found = f"{'upper' if rows.mean() < pixels.shape[0] / 2 else 'lower'} "
    found += "left" if columns.mean() < pixels.shape[1] / 2 else "right"
    assert found == corner


def test_a_frame_every_second_and_a_single_frame(tmp_path):
    assert [f.time for f in frames_of(written(tmp_path / "slow.mp4", [0.0, 1.0, 2.0]))] == pytest.approx([0, 1, 2])
    assert [f.time for f in frames_of(written(tmp_path / "one.mp4", [0.0]))] == [0.0]


def test_a_video_of_no_length_has_no_frames(tmp_path):
    written(tmp_path / "a.mkv", [0.0, 0.04])
    data = (tmp_path / "a.mkv").read_bytes()
    empty = data[: data.index(b"\x1f\x43\xb6\x75") + 16]  # into the first cluster: all headers, no frame
    (tmp_path / "empty.mkv").write_bytes(empty)
    assert list(frames_of(tmp_path / "empty.mkv")) == []
    with pytest.warns(ImageWarning, match="has no frame"):
        result = affekt.Recognizer("face").analyse(tmp_path / "empty.mkv")
    assert (result.duration, result.predictions) == (0.0, ())


def test_a_video_cut_off_is_read_to_where_it_ends(tmp_path):
    data = written(tmp_path / "a.mkv", [i / 25 for i in range(100)], size=(160, 120)).read_bytes()
    frames = list(frames_of(data[: len(data) // 2]))
    assert 20 < len(frames) < 80
    mp4 = written(tmp_path / "a.mp4", [i / 25 for i in range(100)]).read_bytes()
    with pytest.raises(ImageError, match="no video that can be read"):
        list(frames_of(mp4[: len(mp4) // 2]))  # its table of contents stood at the end
