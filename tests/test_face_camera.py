"""Cameras: one of the network is a server of jpegs in the test, which goes away and comes back."""

import io
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

import affekt
from affekt.errors import ImageError, InputError
from affekt.face.camera import Camera, CameraOptions, is_camera


def jpeg(level):
    file = io.BytesIO()
    Image.fromarray(np.full((48, 64, 3), level, np.uint8)).save(file, "JPEG")
    return file.getvalue()


class Jpegs(BaseHTTPRequestHandler):
    """Sends ``server.bursts`` of jpegs, one burst for each connection; then nothing is there any more."""

    def do_GET(self):
        if not self.server.bursts:
            self.send_error(503)
            return
        levels = self.server.bursts.pop(0)
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace;boundary=frame")
        self.end_headers()
        for level in levels:
            data = jpeg(level)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data + b"\r\n")
            self.wfile.flush()
            self.server.pace.wait(0.03)

    def log_message(self, *_):
        pass


@pytest.fixture
def served():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Jpegs)
    server.pace, server.bursts = threading.Event(), []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server, f"http://user:secret@127.0.0.1:{server.server_port}/video"
    server.pace.set()
    server.shutdown()
    server.server_close()


def test_a_camera_is_told_from_a_file():
    assert all(map(is_camera, ["webcam:0", "rtsp://a/b", "RTSP://a", "http://a/b.mjpg", "webcam:x"]))
    assert not any(map(is_camera, ["webcam.mp4", "a/rtsp.mp4", "-", "folder/"]))
    with pytest.raises(InputError, match="webcam:x: is no camera; allowed: webcam:0"):
        Camera("webcam:x")
    assert Camera("rtsp://me:p@ss@door/1").name == "rtsp://door/1"
    with pytest.raises(InputError, match="seconds above 0"):
        CameraOptions(seconds=0)


def test_a_camera_that_is_not_there_says_what_to_do_and_hides_the_password():
    with pytest.raises(
        ImageError, match=r"rtsp://127.0.0.1:1/x: cannot be opened .*address, user and password"
    ) as said:
        list(Camera("rtsp://me:secret@127.0.0.1:1/x").frames())
    assert "secret" not in str(said.value)
    with pytest.raises(ImageError, match="webcam:97: cannot be opened .* Is it plugged in"):
        list(Camera("webcam:97").frames())


def test_a_camera_that_goes_away_and_comes_back_leaves_a_gap(served):
    server, address = served
    server.bursts = [[60] * 12, [200] * 12]
    said = []
    camera = Camera(address, CameraOptions(patience=0.3, pause=0.2), warn=said.append)
    frames = []
    with pytest.raises(ImageError, match="did not come back within 0.3 s"):
        for frame in camera.frames():
            frames.append(frame)
    levels = [float(frame.pixels.mean()) for frame in frames]
    times = [frame.time for frame in frames]
    assert times[0] == 0.0 and all(b > a for a, b in pairwise(times))
    assert min(levels) < 70 and max(levels) > 190
    first_back = next(i for i, level in enumerate(levels) if level > 130)
    assert times[first_back] - times[first_back - 1] > 0.15
    assert [("gone" in s, "is back" in s) for s in said][:2] == [(True, False), (False, True)]
    assert not any("secret" in s for s in said)


def test_who_is_slow_gets_the_newest_frame_only(served):
    server, address = served
    server.bursts = [list(range(20, 220, 4))]
    seen = []
    with pytest.raises(ImageError):
        for frame in Camera(address, CameraOptions(patience=0.1, pause=0.1)).frames():
            seen.append((frame.time, float(frame.pixels.mean())))
            server.pace.wait(0.15)  # a slow consumer
    assert 3 <= len(seen) < 25
    # 4 grey levels every 30 ms or more: an old frame would be dark at a late time.
    assert all(level < 20 + 4 * (t + 0.35) / 0.03 for t, level in seen) and seen[-1][1] > 100


def test_it_stops_when_the_time_is_over_or_it_is_told_to(served):
    server, address = served
    server.bursts = [[90] * 200, [90] * 200]
    began = time.monotonic()
    frames = list(Camera(address, CameraOptions(seconds=0.4)).frames())
    assert len(frames) >= 2 and frames[-1].time < 0.4 and time.monotonic() - began < 5
    camera = Camera(address)
    for number, _ in enumerate(camera.frames()):
        if number == 3:
            camera.stop()
    assert number == 3


def test_a_recogniser_takes_a_camera(served):
    server, address = served
    server.bursts = [[90] * 200]
    result = affekt.Recognizer("face").analyse(Camera(address, CameraOptions(seconds=0.5)))
    assert result.source == address.replace("user:secret@", "") and result.predictions == ()
    assert 0.3 < result.duration < 0.7


def test_a_camera_that_is_waited_for_gives_turns_without_a_picture(served):
    server, address = served
    said = []
    camera = Camera(address, CameraOptions(patience=float("inf"), pause=0.05), warn=said.append)
    got, empty = [], 0
    for turn in camera.turns(idle=0.2):
        if turn is None:
            empty += 1
            server.bursts = server.bursts or [[120] * 20]  # it is plugged in only now
        else:
            got.append(turn)
        if len(got) == 3:
            break
    assert empty >= 1 and "gone" in said[0] and "is back" in said[1]
    assert not any("secret" in sentence for sentence in said)
