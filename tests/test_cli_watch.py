"""``affekt watch`` as a user types it: a video without a face, in events."""

import json
import subprocess
import sys

import av
import numpy as np
import pytest


def watch(*args):
    command = [sys.executable, "-m", "affekt", "watch", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("watch") / "wall.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("mpeg4", rate=10)
        track.width, track.height, track.pix_fmt = 160, 120, "yuv420p"
        for number in range(10):
            picture = np.full((120, 160, 3), 100 + number, np.uint8)
            container.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(track.encode())
    return path


def test_a_video_is_watched_as_fast_as_it_plays_and_ends_with_a_summary(video, tmp_path):
    done = watch(video, "--seconds", 0.7, "-o", tmp_path / "events.jsonl")
    assert (done.returncode, done.stdout) == (0, "")
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["type"] for event in events] == ["frame"] * (len(events) - 1) + ["summary"]
    times = [event["time"] for event in events[:-1]]
    assert 1 <= len(times) <= 7 and times[-1] < 0.7
    assert all(event["faces"] == [] for event in events[:-1])
    assert json.loads(watch(video, "--seconds", 0.3).stdout.splitlines()[-1])["type"] == "summary"


def test_what_cannot_be_watched_is_said(video, tmp_path):
    for arguments, said in (
        ((video, "--model", "voice"), "voice is a model of speech; watch takes one of face"),
        ((video, "-o", tmp_path / "none" / "a.jsonl"), "give a file in a folder that exists"),
        (("webcam:x",), "webcam:x: is no camera"),
        (("webcam:96",), "webcam:96: cannot be opened"),
        ((tmp_path / "no.mp4",), "no such file"),
    ):
        done = watch(*arguments)
        assert done.returncode in (1, 2) and said in done.stderr, done.stderr
