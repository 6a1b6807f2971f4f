"""Streams of frames and sound on one WebSocket: the same answers as two streams, stale frames, bad messages."""

import json
import struct
from contextlib import contextmanager

import pytest

for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "httpx", "websockets"):
    pytest.importorskip(package, reason="the server needs the extra: pip install '.[serve]'")

from PIL import Image
from websockets.sync.client import connect

from affekt.server.mixed import MixedFormat, MixedInbox
from affekt.server.serving import running
from affekt.server.settings import Limits, Settings
from affekt.server.signals import SampleFormat
from affekt.speech.audio import read
from tests.conftest import drawn_face
from tests.test_server_frames import END, VALIDATOR, frame, jpeg, rest_of

pytestmark = pytest.mark.filterwarnings("ignore::affekt.errors.LossWarning")
HELLO = {"type": "hello", "format": "jpeg+pcm16", "sampling_rate": 16_000}


@pytest.fixture(scope="module")
def url():
    with running() as url:
        yield url


@pytest.fixture(scope="module")
def face():
    scene = Image.new("RGB", (320, 240), (120, 125, 130))
    scene.paste(drawn_face(160), (80, 40))
    return jpeg(scene)


@pytest.fixture(scope="module")
def sound(clips):
    return (read(clips[4]).signal[:56_000] * 32_767).astype("<i2").tobytes()


@contextmanager
def opened(url, hello):
    with connect(url.replace("http", "ws") + "/v1/stream") as stream:
        stream.send(json.dumps({key: value for key, value in hello.items() if value is not None}))
        ready = json.loads(stream.recv())
        assert ready["type"] == "ready", ready
        yield stream, ready


def spoken(url, messages, **hello):
    """All events of a stream; of a frame the answer is awaited before anything else is sent."""
    events = []
    with opened(url, {**HELLO, **hello}) as (stream, _):
        for message in messages:
            stream.send(message)
            is_frame = hello.get("format", "jpeg+pcm16") != "pcm16" and message[:1] != b"S"
            while is_frame and (not events or events[-1]["type"] not in ("frame", "frame_error")):
                events.append(json.loads(stream.recv(timeout=20)))
            events += [{"type": "sent"}] if is_frame else []
        stream.send(END)
        rest, code = rest_of(stream)
    assert code == 1000
    return [event for event in (*events, *rest) if event["type"] != "sent"]


def test_one_session_answers_as_two_of_one_modality_each(url, sound, face):
    pieces = [sound[i : i + 3200] for i in range(0, len(sound), 3200)]
    frames = [frame(i / 5, face) for i in range(17)]
    mixed = []
    for i, piece in enumerate(pieces):
        mixed += [b"S" + piece, *([b"F" + frames[i // 2]] if i % 2 == 0 and i // 2 < len(frames) else [])]
    together = spoken(url, mixed)
    for event in together:
        VALIDATOR.validate(event)
    labels = "calm-is-neutral"
    voice = spoken(url, pieces, format="pcm16", labels=labels)
    seen = spoken(url, frames, format="jpeg", labels=labels, sampling_rate=None)

    def heard(events):
        # Which segment in progress is told depends on how messages fell together.
        kinds = ("level", "speech_start", "speech_end", "partial")
        return [e for e in events if e["type"] in kinds or (e["type"] == "segment" and e["stable"])]

    assert heard([e for e in together if e.get("modality", "speech") == "speech"]) == heard(voice)
    faces = [e for e in together if e["type"] == "frame" or e.get("modality") == "face"]
    assert faces == [e for e in seen if e["type"] in ("frame", "segment")]
    assert {"fused", "summary"} <= {e["type"] for e in together}
    assert [e["modality"] for e in together if e["type"] == "segment"][-1] == "fusion"


def test_the_session_says_which_model_and_labels(url):
    with opened(url, HELLO) as (_, ready):
        assert ready["model"] == "fusion" and "calm" not in ready["labels"] and len(ready["labels"]) == 7


def test_stale_frames_are_dropped_and_counted_and_sound_is_not():
    inbox = MixedInbox(SampleFormat("pcm16", 16_000), Limits())
    for i in range(3):
        inbox.add(b"F" + struct.pack("<d", i / 10) + b"jpeg")
        inbox.add(b"S" + bytes(3200))
    assert inbox.count == 4800 and inbox.due and not inbox.empty
    found = [inbox.next()[0] for _ in range(2)]
    shown = next(piece for piece in found if not isinstance(piece, bytes))
    assert (shown.number, shown.dropped, shown.time) == (3, 2, 0.2)
    assert [len(piece) for piece in found if isinstance(piece, bytes)] == [9600]
    assert inbox.empty and not inbox.due and inbox.seconds == pytest.approx(0.3)


def test_frames_and_sound_take_turns():
    inbox = MixedInbox(SampleFormat("pcm16", 16_000), Limits())
    kinds = []
    for i in range(4):
        inbox.add(b"F" + struct.pack("<d", i / 10) + b"jpeg")
        for _ in range(3):
            inbox.add(b"S" + bytes(32_000))
        kinds.append(type(inbox.next()[0]) is bytes)
    assert kinds == [True, False, True, False]


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        (b"", 1003, "begins with F"),
        (b"X123", 1003, "not with b'X'"),
        (b"Fshort", 1003, "a frame is its time"),
        (b"F" + struct.pack("<d", -1) + b"jpeg", 1003, "a frame is its time"),
        (b"S" + bytes(40_000), 1009, "at most a second"),
        (b"F" + bytes(600_000), 1009, "a frame of"),
        ('{"type": "frame"}', 1003, "frames and signal, as binary messages"),
        ("nothing", 1003, "JSON object"),
    ],
)
def test_a_bad_message_ends_the_session_and_says_why(url, message, code, words):
    with opened(url, HELLO) as (stream, _):
        stream.send(message)
        events, closed = rest_of(stream)
    assert closed == code and words in events[-1]["reason"], events


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        ({"labels": "four"}, "labels are chosen of one modality"),
        ({"model": "voice"}, "the model voice takes pcm16 or float32, not jpeg+pcm16"),
        ({"model": "text"}, "the model text takes no streams"),
        ({"sampling_rate": 5}, "4000"),
        ({"channels": 2}, "unknown key of a stream of jpeg+pcm16 'channels'"),
        ({"format": "jpeg+float32"}, "jpeg, jpeg+pcm16"),
    ],
)
def test_a_bad_hello_is_refused(url, hello, words):
    with connect(url.replace("http", "ws") + "/v1/stream") as stream:
        stream.send(json.dumps({**HELLO, **hello}))
        answer = json.loads(stream.recv())
    assert answer["type"] == "error" and words in answer["reason"], answer


def test_a_frame_that_cannot_be_read_is_no_broken_session(url, sound, face):
    messages = [b"F" + frame(0.0, b"no jpeg"), b"S" + sound[:3200], b"F" + frame(0.1, face), b"F" + frame(0.1, face)]
    events = spoken(url, messages)
    told = [e for e in events if e["type"] in ("frame", "frame_error")]
    assert [e["type"] for e in told] == ["frame_error", "frame", "frame_error"]
    assert [e["frame"] for e in told] == [1, 2, 3] and events[-1]["type"] == "summary"
    assert any(e["type"] == "level" for e in events)


def test_a_session_that_broke_goes_on_with_its_sound(url, sound):
    with opened(url, HELLO) as (stream, ready):
        stream.send(b"S" + sound[:3201])  # half a sample is sent again
        while json.loads(stream.recv(timeout=20))["time"] < 0.1:
            pass
        with opened(url, {"type": "resume", "session": ready["session"], "received": 1}) as (again, back):
            assert back["samples"] == 1600
            again.send(b"S" + sound[3200:6400])
            again.send(END)
            events, code = rest_of(again)
    assert code == 1000 and [e["time"] for e in events if e["type"] == "level"] == [0.2]


def test_without_models_of_both_there_is_no_such_session():
    models = {"voice": "voice", "fusion": "fusion"}
    with running(Settings(models=models)) as url, connect(url.replace("http", "ws") + "/v1/stream") as stream:
        stream.send(json.dumps(HELLO))
        assert "needs models of speech and face" in json.loads(stream.recv())["reason"]


def test_the_format_asks_for_a_frame_or_a_second_of_sound():
    kind = MixedFormat.of("jpeg+pcm16", {"sampling_rate": 8000})
    assert kind.told == {"sampling_rate": 8000}
    assert kind.sound.width == 2
