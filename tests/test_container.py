"""One pass over a container for sound and pictures: what each gets is what it would get alone."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from fractions import Fraction

import av
import numpy as np
import pytest

from affekt import _container
from affekt._container import open_shared
from affekt.face.stream import frames_of
from affekt.speech.audio import blocks


def film(path, *, seconds=2.0, late=0.0, together=True, codec="mpeg4"):
    """A picture that grows brighter, and noise that starts ``late``; in the file one after the other, or together."""
    noise = (0.1 * np.random.default_rng(0).normal(size=(1, round(16_000 * seconds)))).astype(np.float32)
    with av.open(str(path), "w") as out:
        video, audio = out.add_stream(codec, rate=25), out.add_stream("aac", rate=16_000, layout="mono")
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        packets = []
        for number in range(round(25 * seconds)):
            picture = np.full((64, 96, 3), 20 + number, np.uint8)
            picture[::2, ::3] = 255 - picture[::2, ::3]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += video.encode(frame)
        packets += video.encode()
        for start in range(0, noise.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(noise[:, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, start + round(16_000 * late)
            packets += audio.encode(frame)
        packets += audio.encode()
        if together:
            packets.sort(key=lambda p: float(p.dts * p.time_base))
        for packet in packets:
            out.mux(packet)
    return str(path)


def both(path):
    """Sound and frames of one pass, and what is odd about each."""
    said = {"sound": [], "picture": []}
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        shared = open_shared(path, stack, sound=True, picture=True, subtitles=lambda container: None)
        sound = pool.submit(lambda: np.concatenate(list(blocks(shared, warn=said["sound"].append))))
        frames = pool.submit(lambda: list(frames_of(shared, warn=said["picture"].append, rate=0)))
        return sound.result(timeout=60), frames.result(timeout=60), said


def alone(path):
    said = {"sound": [], "picture": []}
    sound = np.concatenate(list(blocks(path, warn=said["sound"].append)))
    return sound, list(frames_of(path, warn=said["picture"].append, rate=0)), said


def assert_same(path):
    (sound, frames, said), (sound_alone, frames_alone, said_alone) = both(path), alone(path)
    np.testing.assert_array_equal(sound, sound_alone)
    assert [f.time for f in frames] == [f.time for f in frames_alone] and len(frames) > 10
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(frames, frames_alone, strict=True))
    assert said == said_alone
    return sound, frames, said


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.avi", "a.ts"])
def test_one_pass_gives_what_two_passes_give(tmp_path, name):
    assert_same(film(tmp_path / name))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_sound_that_starts_later_stays_on_the_clock_of_the_pictures(tmp_path, name):
    sound, frames, _ = assert_same(film(tmp_path / name, late=0.8))
    # The encoder begins 64 ms early, and mp4 has players skip that.
    assert not sound[: int(0.73 * 16_000)].any() and np.abs(sound[int(0.9 * 16_000) :]).max() > 0.1
    assert frames[0].time == 0


def test_damage_costs_each_track_what_it_costs_it_alone(tmp_path):
    path = tmp_path / "a.mkv"
    film(path, seconds=4.0)
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(3)
    for middle in (len(data) // 3, 2 * len(data) // 3):
        data[middle : middle + 900] = noise.integers(0, 256, 900, dtype=np.uint8).tobytes()
    path.write_bytes(data)
    *_, said = assert_same(str(path))
    assert said["sound"] or said["picture"]


def test_a_track_that_lies_behind_the_other_takes_no_memory(tmp_path, monkeypatch):
    path = film(tmp_path / "a.avi", seconds=4.0, together=False)
    monkeypatch.setattr(_container, "MOST_WAITING", 20_000)
    most = 0
    read = _container.Packets._read

    def watched(packets):
        nonlocal most
        read(packets)
        most = max(most, *packets._bytes.values())

    monkeypatch.setattr(_container.Packets, "_read", watched)
    assert_same(path)
    assert 0 < most < 40_000


def test_nobody_waits_for_a_track_that_was_left(tmp_path, monkeypatch):
    monkeypatch.setattr(_container, "MOST_WAITING", 2_000)
    with ExitStack() as stack:
        shared = open_shared(
            film(tmp_path / "a.mkv"), stack, sound=True, picture=True, subtitles=lambda container: None
        )
        reader = threading.Thread(target=lambda: next(iter(frames_of(shared, rate=0))))
        reader.start()
        reader.join(timeout=30)
        assert sum(len(block) for block in blocks(shared, warn=str)) == pytest.approx(32_000, abs=3_000)


def test_a_file_is_opened_once_and_what_has_neither_is_for_others_to_refuse(tmp_path, monkeypatch):
    path, opened = film(tmp_path / "a.mp4"), []
    really = av.open
    monkeypatch.setattr(av, "open", lambda *args, **options: opened.append(args) or really(*args, **options))
    both(path)
    assert len(opened) == 1
    (tmp_path / "no.mp4").write_bytes(b"no video" * 99)
    with ExitStack() as stack:
        nothing = lambda container: None  # noqa: E731
        assert open_shared(str(tmp_path / "no.mp4"), stack, sound=True, picture=True, subtitles=nothing) is None
        assert open_shared(str(tmp_path / "not there"), stack, sound=True, picture=True, subtitles=nothing) is None
