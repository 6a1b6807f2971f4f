"""Pictures and videos over HTTP: a drawn face, found by what the file holds; bounds in bytes, pixels and seconds."""

import io
import json
import struct
import threading
from pathlib import Path

import jsonschema
import numpy as np
import pytest

for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "httpx"):
    pytest.importorskip(package, reason="the server needs the extra: pip install '.[serve]'")

import av
import httpx
import soundfile
from PIL import Image

import affekt
from affekt.server.serving import running
from affekt.server.settings import Limits, Settings
from affekt.server.uploads import Upload
from tests.conftest import drawn_face
from tests.test_server_jobs import finished

pytestmark = pytest.mark.filterwarnings("ignore::affekt.errors.LossWarning")
SCHEMA = json.loads((Path(__file__).parent.parent / "docs" / "predictions-2.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def server():
    with running() as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def picture():
    return encoded(scene(80), "PNG")


@pytest.fixture(scope="module")
def video():
    """Two seconds of a face that moves to the right."""
    return filmed([scene(20 + 2 * i) for i in range(50)])


def scene(left):
    found = Image.new("RGB", (320, 240), (120, 125, 130))
    found.paste(drawn_face(160), (left, 40))
    return found


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def filmed(pictures, rate=25):
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        track = container.add_stream("mpeg4", rate=rate)
        track.width, track.height, track.bit_rate = *pictures[0].size, 2_000_000
        for image in pictures:
            container.mux(track.encode(av.VideoFrame.from_image(image)))
        container.mux(track.encode())
    return file.getvalue()


def posted(server, *files, path="/v1/predict", **fields):
    return server.post(path, files=[("files", file) for file in files], data=fields)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_a_picture_is_known_by_what_it_holds(server, form):
    answer = posted(server, ("holiday.wav", encoded(scene(80), form)))
    assert answer.status_code == 200
    jsonschema.validate(answer.json(), SCHEMA)
    (result,) = answer.json()["results"]
    assert (result["model"], result["source"], result["duration"]) == ("face", "holiday.wav", 0.0)
    (face,) = result["segments"]
    assert face["who"] == "face 1" and face["modality"] == "face" and 0.25 < face["box"][0] < 0.5


def test_pictures_and_voices_in_one_request_each_get_their_model(server, picture, clips):
    answer = posted(server, ("a.png", picture), ("b.wav", clips[0].read_bytes()))
    assert [r["model"] for r in answer.json()["results"]] == ["face", affekt.Recognizer().card.name]


def test_a_video_has_segments_and_where_it_is_asked_for_boxes(server, video):
    (result,) = posted(server, ("a.mp4", video), model="face").json()["results"]
    assert result["duration"] == pytest.approx(2.0, abs=0.05) and "boxes" not in result
    assert {s["who"] for s in result["segments"]} == {"face 1"}
    answer = posted(server, ("a.mp4", video), model="face", boxes="yes")
    jsonschema.validate(answer.json(), SCHEMA)
    places = np.array(answer.json()["results"][0]["boxes"]["face 1"])
    assert np.diff(places[:, 0]) == pytest.approx(0.2) and len(places) == 10
    assert (np.diff(places[:, 1])[1:] > 0.01).all()


@pytest.mark.filterwarnings("ignore::affekt.errors.ImageWarning")
def test_a_video_without_sound_has_faces_and_says_that_nothing_is_heard(server, video):
    (result,) = posted(server, ("a.mp4", video)).json()["results"]
    assert {s["modality"] for s in result["segments"]} == {"face", "fusion"}
    assert result["warnings"] == ["voice: the file has no sound that can be read."]
    assert posted(server, ("a.mp4", video), modality="speech").status_code == 415


def test_the_same_as_the_library(server, picture):
    (result,) = posted(server, ("a.png", picture), labels="valence").json()["results"]
    (expected,) = affekt.Recognizer("face", labels="valence").predict(picture)
    (found,) = result["segments"]
    assert found["scores"] == pytest.approx(dict(expected.scores), abs=1e-4)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda p: p[: len(p) // 2], "cannot be read as a picture"),
        (lambda p: b"\x89PNG\r\n\x1a\n" + bytes(100), "picture"),
        (lambda p: bombed(p), "pixels"),
        (lambda p: b"\xff\xd8\xff\xe0" + bytes(64), "picture"),
    ],
)
def test_a_picture_that_cannot_be_read_is_a_failure_with_a_reason(server, picture, data, words):
    answer = posted(server, ("a.png", data(picture)))
    assert answer.status_code == 415 and words in answer.json()["reason"]
    assert answer.json()["failures"][0]["source"] == "a.png"


def bombed(png):
    """Says that it has 3,600,000,000 pixels."""
    import zlib

    head = b"IHDR" + struct.pack(">II", 60_000, 60_000) + png[24:29]
    return png[:12] + head + struct.pack(">I", zlib.crc32(head)) + png[33:]


def test_videos_have_a_bound_of_their_own(video, picture):
    with (
        running(Settings(limits=Limits(video_seconds=1, video_job_seconds=1.5))) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        answer = posted(client, ("a.mp4", video), model="face")
        assert answer.status_code == 413 and "a.mp4: is longer than 1 s" in answer.json()["reason"]
        assert posted(client, ("a.png", picture)).status_code == 200
        job = posted(client, ("a.mp4", video), model="face", path="/v1/jobs").json()["job"]
        found = finished(client, job)
        assert found["state"] == "failed" and "longer than 1.5 s" in found["reason"]


def test_no_model_of_faces_no_answer_about_a_picture(picture):
    with running(Settings(models={"voice": "voice"})) as url, httpx.Client(base_url=url, timeout=60) as client:
        assert posted(client, ("a.png", picture)).status_code == 415


def test_what_is_asked_of_boxes_is_yes_or_no(server, picture):
    answer = posted(server, ("a.png", picture), boxes="maybe")
    assert answer.status_code == 422 and "maybe" in answer.json()["reason"]


def test_a_decoder_that_was_stopped_finds_the_end_of_its_file():
    upload = Upload("a.mp4", io.BytesIO(b"0123456789"), 10)
    upload.stop = threading.Event()
    buffer = bytearray(4)
    assert upload.read(4) == b"0123" and upload.readinto(buffer) == 4
    upload.stop.set()
    assert upload.read(4) == b"" and upload.readinto(buffer) == 0


def test_faces_have_no_voice_reference(server, clips):
    sounds = [soundfile.read(clip) for clip in clips[:2]]
    file = io.BytesIO()
    soundfile.write(file, np.concatenate([sound for sound, _ in sounds]), sounds[0][1], format="WAV")
    answer = server.post("/v1/references", files={"file": file.getvalue()}, data={"model": "face"})
    assert answer.status_code == 422 and "face is a model of face" in answer.json()["reason"]
