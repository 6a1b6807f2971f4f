"""Sound and pictures on one clock, live: what two streams say, and what both say together."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from affekt import LIVE, Recognizer
from affekt.errors import InputError
from affekt.face.video import Frame
from affekt.recognize.live import Live
from affekt.recognize.live_faces import LiveFaces
from affekt.recognize.live_media import STEP, TYPES, LiveMedia
from affekt.recognize.media import MediaRecognizer, fused_lanes, who_speaks
from affekt.speech.audio import read
from tests.conftest import drawn_face

DOCS = Path(__file__).parent.parent / "docs"
VALIDATOR = jsonschema.Draft202012Validator(json.loads((DOCS / "events-2.schema.json").read_text(encoding="utf-8")))
pytestmark = pytest.mark.filterwarnings("ignore::affekt.errors.LossWarning")


@pytest.fixture(scope="module")
def media():
    return MediaRecognizer()


@pytest.fixture(scope="module")
def signal(clips):
    return read(clips[4]).signal[:56_000]


@pytest.fixture(scope="module")
def frames():
    found = []
    for i in range(36):
        scene = Image.new("RGB", (320, 240), (120, 125, 130))
        scene.paste(drawn_face(160, smile=i < 18), (40 + 2 * i, 40))
        found.append(Frame(i / 10, np.asarray(scene)))
    return found


def interleaved(live, signal, frames, size=1600):
    """Sound and frames in the order of their times."""
    events, waiting = [], list(frames)
    for start in range(0, len(signal), size):
        while waiting and waiting[0].time <= start / 16_000:
            events += live.feed(waiting.pop(0))
        events += live.feed(signal[start : start + size])
    for frame in waiting:
        events += live.feed(frame)
    return events + live.flush()


def alone(live, pieces):
    return [event for piece in pieces for event in live.feed(piece)] + live.flush()


def tables(events):
    return [event.as_table() for event in events if event.type not in ("summary", "fused")]


def is_of_faces(table):
    return table["type"] == "frame" or table.get("modality") == "face"


@pytest.mark.parametrize("size", [1600, 4000])
def test_voice_and_faces_are_answered_as_by_streams_of_one_modality(media, signal, frames, size):
    events = interleaved(LiveMedia(media), signal, frames, size)
    found = [table for table in tables(events) if table.get("modality") != "fusion"]
    labels = "calm-is-neutral"
    pieces = [signal[i : i + size] for i in range(0, len(signal), size)]
    voice = alone(Live(Recognizer(labels=labels, options=LIVE)), pieces)
    faces = alone(LiveFaces(Recognizer("face", labels=labels)), frames)
    assert [table for table in found if not is_of_faces(table)] == tables(voice)
    assert [table for table in found if is_of_faces(table)] == tables(faces)


def test_what_is_fused_at_the_end_is_what_a_video_of_the_same_would_say(media, signal, frames):
    live = LiveMedia(media)
    mouths = live._mouths
    events = interleaved(live, signal, frames)
    final = [e.prediction for e in events if e.type == "segment" and e.stable]
    speech, faces, fused = ([p for p in final if p.modality == m] for m in ("speech", "face", "fusion"))
    said = [
        type(p)(**{**vars(p), "who": who})
        for p, who in zip(speech, who_speaks(speech, mouths, live._options), strict=True)
    ]
    assert speech and faces and fused
    assert fused == fused_lanes(media.pool, {"speech": said, "face": faces})
    assert events[-1].type == "summary" and events[-1].fields["scores"]


def test_events_are_those_that_the_schema_describes_and_come_at_most_five_times_a_second(media, signal, frames):
    events = interleaved(LiveMedia(media), signal, frames)
    for event in events:
        VALIDATOR.validate(event.as_table())
    assert {event.type for event in events} == set(TYPES)
    fused = [event for event in events if event.type == "fused"]
    times = sorted({event.time for event in fused})
    assert np.diff(times).min() >= STEP - 2e-3
    assert {event.fields.get("who") for event in fused} <= {"face 1", "off camera", None}


def test_dropping_one_kind_leaves_the_other(media, signal, frames):
    for given in ((signal, []), (signal[:0], frames)):
        events = interleaved(LiveMedia(media), *given)
        summary = events[-1].fields
        assert summary["scores"] and {e.fields["modality"] for e in events if e.type == "segment"} >= {"fusion"}
    live = LiveMedia(media)
    assert [event.type for event in live.flush()] == ["summary"] and live.flush() == []
    with pytest.raises(InputError, match="flushed"):
        live.feed(signal)


def test_a_long_stream_is_pooled_from_time_to_time_and_forgets(media, frames):
    live = LiveMedia(media)
    events = [event for frame in frames[:20] for event in live.feed(frame)]
    assert not any(event.fields.get("modality") == "fusion" for event in events)
    live.feed(Frame(20.0, np.zeros((90, 160, 3), np.uint8)))  # the face is gone: its segments are final
    events = live.feed(Frame(700.0, np.zeros((90, 160, 3), np.uint8)))
    assert [event.fields["modality"] for event in events if event.type == "segment"] == ["fusion"]
    assert live._waiting == {"speech": [], "face": []} and live._mouths.people == []
    assert [event.type for event in live.flush()] == ["summary"]


def test_a_contradiction_is_said_while_it_lasts(media, signal, frames):
    live = LiveMedia(media)
    for frame in frames[:10]:
        live.feed(frame)
    face = live._faces.current[0]
    angry = {label: 0.76 if label == "angry" else 0.04 for label in media.labels}
    happy = {label: 0.76 if label == "happy" else 0.04 for label in media.labels}
    live._faces._stream.current = [type(face)(0.9, 0.9, happy, modality="face", who="face 1", box=face.box)]
    live._heard = type(face)(0.5, 0.9, angry, who="face 1")
    (fused,) = live._now()
    assert fused.reason == "voice angry, face happy" and fused.who == "face 1"


def test_both_kinds_of_models_are_needed():
    with pytest.raises(InputError, match="needs models of speech and face; there are speech"):
        LiveMedia(MediaRecognizer({"speech": "voice"}))
