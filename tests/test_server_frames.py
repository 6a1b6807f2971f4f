"""Live streams of faces: a drawn face in jpeg frames over a real WebSocket, hostile frames, and what is dropped."""

import asyncio
import io
import json
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest

for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "httpx", "websockets"):
    pytest.importorskip(package, reason="the server needs the extra: pip install '.[serve]'")

import httpx
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import affekt
from affekt.errors import InputError
from affekt.explain.live_map import live_map
from affekt.face.video import Frame
from affekt.models.card import Card
from affekt.recognize.live_faces import LiveFaces
from affekt.recognize.modalities import MODALITIES
from affekt.server.fair_queue import FairQueue
from affekt.server.frames import FrameInbox
from affekt.server.live_maps import FaceMaps
from affekt.server.metrics import Metrics
from affekt.server.serving import running
from affekt.server.sessions import Session
from affekt.server.settings import Limits, Settings
from affekt.server.streams import FORMATS
from tests.conftest import drawn_face

DOCS = Path(__file__).parent.parent / "docs"
VALIDATOR = jsonschema.Draft202012Validator(json.loads((DOCS / "events-2.schema.json").read_text(encoding="utf-8")))
HELLO = {"type": "hello", "format": "jpeg"}
END = '{"type": "end"}'


@pytest.fixture(scope="module")
def url():
    with running() as url:
        yield url


def jpeg(picture, **options):
    file = io.BytesIO()
    picture.save(file, "JPEG", **{"quality": 85, **options})
    return file.getvalue()


@pytest.fixture(scope="module")
def face():
    scene = Image.new("RGB", (320, 240), (120, 125, 130))
    scene.paste(drawn_face(160), (80, 40))
    return jpeg(scene)


def frame(time, data):
    return struct.pack("<d", time) + data


def opened(url, **options):
    return connect(url.replace("http", "ws") + "/v1/stream", **options)


@contextmanager
def greeted(url, **hello):
    with opened(url) as stream:
        stream.send(json.dumps({**HELLO, **hello}))
        ready = json.loads(stream.recv())
        assert ready["type"] == "ready", ready
        yield stream, ready


def asked(stream, message):
    stream.send(message)
    event = json.loads(stream.recv(timeout=20))
    VALIDATOR.validate(event)
    return event


def rest_of(stream):
    events = []
    try:
        while True:
            events.append(json.loads(stream.recv(timeout=20)))
    except ConnectionClosed:
        return events, stream.protocol.close_code


def test_every_format_of_a_modality_has_its_row():
    assert sorted(FORMATS) == sorted(form for row in MODALITIES.values() for form in row.formats)


def test_a_face_in_frames_has_a_box_a_name_scores_and_at_the_end_a_segment(url, face):
    with greeted(url) as (stream, ready):
        assert ready["model"] == "face" and set(ready["labels"]) == set(affekt.Recognizer("face").labels)
        seen = [asked(stream, frame(i / 10, face)) for i in range(10)]
        stream.send(END)
        events, code = rest_of(stream)
    assert code == 1000
    assert [e["type"] for e in seen] == ["frame"] * 10 and [e["frame"] for e in seen] == list(range(1, 11))
    assert [e["time"] for e in seen] == pytest.approx([i / 10 for i in range(10)])
    (found,) = seen[0]["faces"]
    left, top, width, height = found["box"]
    assert 0.25 < left < left + width < 0.75 and 0.17 < top < top + height < 0.85
    assert found["who"] == "face 1" and sum(found["scores"].values()) == pytest.approx(1)
    assert seen[0]["size"] == [320, 240]
    assert [e["type"] for e in events] == ["segment", "summary"]
    assert events[0]["who"] == "face 1" and events[0]["stable"] and "who" in events[1]
    batch = affekt.Recognizer("face").predict(face)[0]
    assert found["scores"] == pytest.approx(dict(batch.scores), abs=1e-4)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"?", "no jpeg"),
        (b"not a jpeg at all", "no jpeg"),
        (b"\xff\xd8" + bytes(500), "cannot be read"),
        ("cut", "cannot be read"),
        ("bomb", "9000 x 9000; allowed: 2,088,960 pixels"),
        ("great bomb", "exceeds limit"),
        ("passes", "passes over the picture"),
        ("png", "no jpeg"),
    ],
)
def test_a_hostile_frame_is_an_event_and_the_stream_goes_on(url, face, data, words):
    if data == "cut":
        data = face[: len(face) // 2]
    elif data in ("bomb", "great bomb"):  # says that it is larger than it is
        at, side = face.index(b"\xff\xc0"), 9_000 if data == "bomb" else 60_000
        data = face[: at + 5] + struct.pack(">HH", side, side) + face[at + 9 :]
    elif data == "passes":
        data = face + 70 * b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    elif data == "png":
        file = io.BytesIO()
        drawn_face(60).save(file, "PNG")
        data = file.getvalue()
    with greeted(url) as (stream, _):
        asked(stream, frame(0, face))
        error = asked(stream, frame(0.1, data))
        assert error["type"] == "frame_error" and words in error["reason"] and error["frame"] == 2
        after = asked(stream, frame(0.2, face))
        assert after["type"] == "frame" and after["faces"][0]["who"] == "face 1"


def test_a_frame_that_is_not_later_is_an_event(url, face):
    with greeted(url) as (stream, _):
        asked(stream, frame(1, face))
        error = asked(stream, frame(0.5, face))
        assert error["type"] == "frame_error" and "give them in order" in error["reason"]
        assert asked(stream, frame(1.1, face))["type"] == "frame"


@pytest.mark.parametrize("data", [b"", b"short", struct.pack("<d", float("nan")) + b"\xff\xd8", struct.pack("<d", -1)])
def test_a_message_without_a_time_ends_the_stream_with_a_reason(url, data):
    with greeted(url) as (stream, _):
        stream.send(data)
        (error,), code = rest_of(stream)
        assert code == 1003 and "float64" in error["reason"]


def test_frames_that_are_too_large_are_refused():
    with running(Settings(limits=Limits(picture_bytes=1000))) as url, greeted(url) as (stream, _):
        stream.send(frame(0, bytes(1001)))
        (error,), code = rest_of(stream)
        assert code == 1009 and "allowed: 1000" in error["reason"]


def test_a_stream_that_is_too_long_is_ended():
    with running(Settings(limits=Limits(stream_seconds=2))) as url, greeted(url) as (stream, _):
        asked(stream, frame(3, b"?"))
        stream.send(frame(4, b"?"))
        (error,), code = rest_of(stream)
        assert code == 1008 and "longer than 2 s" in error["reason"]


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        ({"model": "voice"}, "the model voice takes pcm16 or float32, not jpeg"),
        ({"model": "face", "format": "pcm16"}, "the model face takes jpeg, not pcm16"),
        ({"sampling_rate": 16_000}, "unknown key of a stream of jpeg 'sampling_rate'"),
        ({"voices": "low"}, "unknown key"),
        ({"format": "mp4"}, "pcm16, float32, jpeg"),
        ({"format": 7}, "pcm16, float32, jpeg"),
        ({"labels": "hapy,sad"}, "happy"),
        ({"map": "yes"}, "map is 'yes'; allowed: true or false"),
        ({"format": "pcm16", "map": True}, "unknown key of a stream of pcm16 'map'"),
        ({"format": "jpeg+pcm16", "map": True}, "unknown key of a stream of jpeg+pcm16 'map'"),
    ],
)
def test_a_hello_that_makes_no_sense_is_refused_in_words(url, hello, words):
    with opened(url) as stream:
        stream.send(json.dumps({**HELLO, **hello}))
        (error,), code = rest_of(stream)
    assert code == 1008 and words in error["reason"]


def test_stale_frames_are_dropped_and_counted():
    inbox = FrameInbox(Limits())
    assert inbox.empty and not inbox.due
    for time in (0.0, 0.1, 0.2):
        inbox.add(frame(time, b"jpeg"))
    newest, _ = inbox.next()
    assert (newest.number, newest.time, newest.dropped, inbox.count) == (3, 0.2, 2, 3)
    assert inbox.empty and inbox.next() == (None, 0.0)
    inbox.add(frame(0.3, b"jpeg"))
    newest, passed = inbox.next()
    assert (newest.number, newest.dropped) == (4, 0) and passed == pytest.approx(0.1)


def test_a_sender_that_is_too_fast_is_told_what_was_dropped_and_holds_up_nobody(url, face):
    with greeted(url) as (fast, _), greeted(url) as (calm, _):
        for i in range(200):
            fast.send(frame(i / 1000, face))
        assert asked(calm, frame(0, face))["type"] == "frame"
        fast.send(END)
        events, code = rest_of(fast)
    frames = [e for e in events if e["type"] == "frame"]
    assert code == 1000 and len(frames) + sum(e["dropped"] for e in frames) == 200 and frames[-1]["frame"] == 200


def test_a_broken_line_is_taken_up_again(url, face):
    with greeted(url) as (stream, ready):
        asked(stream, frame(0, face))
        stream.socket.close()
    with opened(url) as stream:
        stream.send(json.dumps({"type": "resume", "session": ready["session"], "received": 1}))
        again = json.loads(stream.recv())
        assert again["frames"] == 1
        assert asked(stream, frame(0.5, face))["faces"][0]["who"] == "face 1"


def test_frames_are_not_stored_even_where_sound_is(tmp_path, face):
    with running(Settings(store=tmp_path)) as url, greeted(url) as (stream, _):
        asked(stream, frame(0, face))
        stream.send(END)
        rest_of(stream)
        assert not [path for path in tmp_path.iterdir() if "sqlite" not in path.name]


def test_models_say_what_they_take(url):
    models = {m["name"]: m for m in httpx.get(f"{url}/v1/models").json()["models"]}
    assert models["face"]["formats"] == ["jpeg"] and models["face"]["page"] == "camera.js"
    assert models["face"]["map"] and not models["voice"]["map"]
    assert models["voice"]["modality"] == "speech" and models["voice"]["default"]


def test_noise_has_no_face(url):
    noise = np.random.default_rng(0).integers(90, 110, (120, 160, 3), dtype=np.uint8)
    with greeted(url) as (stream, _):
        assert asked(stream, frame(0, jpeg(Image.fromarray(noise))))["faces"] == []


def test_with_maps_the_boxes_come_as_without(url, face):
    answers = {}
    for wanted in (False, True):
        with greeted(url, map=wanted) as (stream, _):
            seen, number = [], 0
            while number < 10 or (wanted and number < 2000 and seen[-1]["type"] != "map"):
                stream.send(frame(number / 1000, face))
                number += 1
                while sum(e["type"] == "frame" for e in seen) < number:
                    seen.append(json.loads(stream.recv(timeout=20)))
                    VALIDATOR.validate(seen[-1])
            stream.send(END)
            seen += rest_of(stream)[0]
        answers[wanted] = seen
    boxes = {
        wanted: [e["faces"][0]["box"] for e in seen if e["type"] == "frame"][:10] for wanted, seen in answers.items()
    }
    assert boxes[True] == boxes[False]
    assert "map" not in {e["type"] for e in answers[False]}
    found = next(e for e in answers[True] if e["type"] == "map")
    assert (found["who"], found["label"]) == ("face 1", "happy")
    assert max(map(max, found["values"])) == 1 and found["covered"] < found["confidence"]
    assert answers[True][-1]["type"] == "summary", "nothing comes after the end"


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_maps_begin_at_most_twice_a_second_however_fast_frames_come(face):
    live, clock = LiveFaces(affekt.Recognizer("face")), Clock()
    maps, begun = FaceMaps(live, clock=clock), []
    assert maps.next() is None, "nothing was seen yet"
    pixels = np.asarray(Image.open(io.BytesIO(face)))
    for number in range(30):  # at 20 frames a second by the clock; the frames say that they are ten times as far apart
        live.feed(Frame(number / 2, pixels))
        clock.now += 0.05
        begun += [clock.now] if maps.next() else []
    assert len(begun) == 3 and min(np.diff(begun)) >= 0.5


def test_a_map_that_comes_too_late_is_dropped(face):
    live = LiveFaces(affekt.Recognizer("face"))
    pixels, maps = np.asarray(Image.open(io.BytesIO(face))), FaceMaps(live)
    live.feed(Frame(0.0, pixels))
    found = maps.next()()
    (text,) = maps.events(found)
    VALIDATOR.validate(json.loads(text))
    live.feed(Frame(0.9, pixels))
    assert maps.events(found) == [text], "the face is still there"
    live.feed(Frame(1.1, pixels))
    assert maps.events(found) == [], "more than a second old"
    live.feed(Frame(1.2, np.full_like(pixels, 120)))
    assert maps.next() is None and maps.events(found) == [], "the face is gone"


def test_no_map_is_an_event_that_says_why(face):
    live = LiveFaces(affekt.Recognizer("face"))
    live.feed(Frame(0.0, np.asarray(Image.open(io.BytesIO(face)))))
    maps = FaceMaps(live)
    broken = live.largest._replace(crop=np.full((48, 48), np.nan, np.float32))
    (text,) = maps.events(live_map(live.recognizer, broken))
    VALIDATOR.validate(json.loads(text))
    assert json.loads(text)["reason"].startswith("no map: ")


def test_maps_are_refused_of_a_model_that_takes_no_crops_of_faces(tmp_path, face):
    one_stage = SimpleNamespace(
        recognizer=SimpleNamespace(card=Card("yolo", "face", ("happy", "sad"), task="detection"))
    )
    with pytest.raises(InputError, match="the model yolo gives no map: it is one for detection"):
        FaceMaps(one_stage)
    with running(Settings(models={"voice": "voice-small"})) as url, opened(url) as stream:
        stream.send(json.dumps({**HELLO, "map": True}))
        (error,), code = rest_of(stream)
    assert code == 1008 and "takes pcm16 or float32, not jpeg" in error["reason"]


class Slow:
    """Work beside a stream that is not done until it is let go."""

    def __init__(self):
        self.go, self.begun = threading.Event(), 0

    def next(self):
        self.begun += 1
        return lambda: self.go.wait(20)

    def events(self, found):
        return [json.dumps({"type": "late", "found": found})]


def test_work_beside_a_stream_holds_up_nothing_and_is_lost_with_the_stream():
    async def go():
        slow, pools = Slow(), (ThreadPoolExecutor(1), ThreadPoolExecutor(1))
        worker = SimpleNamespace(aside=slow, feed=lambda piece, last: [json.dumps({"type": "frame"})])
        queues = tuple(FairQueue(pool, 1) for pool in pools)
        session = Session(worker, FORMATS["jpeg"]("jpeg"), queues, limits=Limits(), metrics=Metrics())
        for number in range(5):
            await session.take(frame(number / 10, b"?"))
            assert await session.after(number) == ['{"type": "frame"}']
        assert slow.begun == 1, "one at a time"
        slow.go.set()
        assert await session.after(5) == ['{"type": "late", "found": true}']
        slow.go.clear()
        await session.take(frame(0.5, b"?"))
        await session.after(6)
        assert slow.begun == 2
        session.end()
        await session.after(7)
        assert session.done
        slow.go.set()
        await asyncio.to_thread(pools[1].shutdown)
        assert session.events == 8
        pools[0].shutdown()

    asyncio.run(go())
