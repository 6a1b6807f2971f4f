"""Videos written are read back: times, sizes, colours, sound."""

from contextlib import ExitStack

import av
import numpy as np
import pytest

from affekt.errors import InputError
from affekt.face.video import Video
from affekt.write.video import VideoWriter, save_picture

TIMES = (0.0, 0.04, 0.08, 0.5, 0.501, 2.0)


def written(path, frames, *, sound=None):
    with open(path, "w+b") as file, ExitStack() as stack:
        writer = VideoWriter(path, file, stack, sound=sound)
        for time, pixels in frames:
            writer.add(time, pixels)
        writer.finish()
        return writer.silent


def back(path):
    with ExitStack() as stack:
        return list(Video(path, stack).frames())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_each_frame_keeps_its_own_time(tmp_path, suffix):
    frames = [(time, np.full((64, 96, 3), 40 * i, np.uint8)) for i, time in enumerate(TIMES)]
    written(tmp_path / f"a{suffix}", frames)
    found = back(tmp_path / f"a{suffix}")
    assert [frame.time for frame in found] == pytest.approx(TIMES, abs=0.0015)
    assert [round(float(frame.pixels.mean())) for frame in found] == pytest.approx([0, 40, 80, 120, 160, 200], abs=4)


def test_odd_sizes_and_colours_survive(tmp_path):
    red = np.zeros((33, 55, 3), np.uint8)
    red[..., 0] = 220
    written(tmp_path / "a.mp4", [(0.0, red), (0.1, red), (0.2, red[:20, :30])])
    found = back(tmp_path / "a.mp4")
    assert {frame.pixels.shape for frame in found} == {(34, 56, 3)}
    middle = found[0].pixels[10:20, 10:40].reshape(-1, 3).mean(axis=0)
    assert middle[0] > 190 and middle[1:].max() < 40  # red stayed red


def with_sound(path, codec, *, seconds=2.0, rate=48_000):
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=rate)
        sound.layout = "mono"
        for number in range(round(10 * seconds)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 9 * number, np.uint8), format="rgb24")
            container.mux(video.encode(frame))
        wave = (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)
        for start in range(0, len(wave), 1024):
            samples = wave[None, start : start + 1024]
            form = "fltp" if codec == "aac" else "s16"
            block = samples if form == "fltp" else (32767 * samples).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(block, format=form, layout="mono")
            frame.sample_rate, frame.pts = rate, start
            container.mux(sound.encode(frame))
        for stream in (video, sound):
            container.mux(stream.encode())
    return path


def test_sound_is_copied_at_its_time(tmp_path):
    given = with_sound(tmp_path / "given.mp4", "aac")
    assert not written(tmp_path / "a.mp4", [(i / 10, np.zeros((48, 64, 3), np.uint8)) for i in range(20)], sound=given)
    packets = []
    for path in (given, tmp_path / "a.mp4"):
        with av.open(str(path)) as container:
            track = container.streams.audio[0]
            packets.append([(float(p.pts * p.time_base), bytes(p)) for p in container.demux(track) if p.size])
    assert len(packets[0]) > 50
    assert [data for _, data in packets[0]] == [data for _, data in packets[1]]
    assert [t for t, _ in packets[0]] == pytest.approx([t for t, _ in packets[1]], abs=0.002)


def test_sound_that_no_container_takes_is_left_out_and_said(tmp_path):
    given = with_sound(tmp_path / "given.mkv", "pcm_s16le")
    assert written(tmp_path / "a.mp4", [(0.0, np.zeros((48, 64, 3), np.uint8))], sound=given)
    assert len(back(tmp_path / "a.mp4")) == 1


def test_a_suffix_of_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match="written as .mp4"):
        written(tmp_path / "a.avi", [])
    with pytest.raises(InputError, match="written as .jpg"), open(tmp_path / "a.tga", "wb") as file:
        save_picture(tmp_path / "a.tga", file, np.zeros((2, 2, 3), np.uint8))
