"""Videos and words over HTTP: one result as of the command line, captions, sentences, and what is refused."""

import io
import json
from pathlib import Path

import av
import jsonschema
import numpy as np
import pytest

for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "httpx"):
    pytest.importorskip(package, reason="the server needs the extra: pip install '.[serve]'")

import httpx
from click.testing import CliRunner

from affekt.cli import main
from affekt.client import results_of
from affekt.server.serving import running
from affekt.server.settings import Limits, Settings
from affekt.server.uploads import Upload
from affekt.speech.audio import read
from tests.test_server_jobs import finished
from tests.test_server_pictures import scene

pytestmark = pytest.mark.filterwarnings(
    "ignore::affekt.errors.ImageWarning", "ignore::affekt.errors.LossWarning", "ignore::affekt.errors.TextWarning"
)
SCHEMA = json.loads((Path(__file__).parent.parent / "docs" / "predictions-2.schema.json").read_text(encoding="utf-8"))
WORDS = b"1\n00:00:00,200 --> 00:00:01,800\nI am so happy for you!\n"


@pytest.fixture(scope="module")
def server():
    with running() as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def film(clips):
    """Two seconds of a face, with a voice."""
    return sounding([scene(20 + 2 * i) for i in range(20)], read(clips[4]).signal[16_000:48_000])


def sounding(pictures, signal, rate=10):
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        video = container.add_stream("mpeg4", rate=rate)
        video.width, video.height, video.bit_rate = *pictures[0].size, 2_000_000
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        for picture in pictures:
            container.mux(video.encode(av.VideoFrame.from_image(picture)))
        for start in range(0, len(signal), 1024):
            frame = av.AudioFrame.from_ndarray(signal[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, start
            container.mux(audio.encode(frame))
        for track in (video, audio):
            container.mux(track.encode())
    return file.getvalue()


def posted(server, *files, path="/v1/predict", captions=None, **fields):
    given = [("files", file) for file in files] + ([("captions", captions)] if captions else [])
    return server.post(path, files=given, data=fields)


def test_a_video_is_answered_as_on_the_command_line(server, film, tmp_path):
    (tmp_path / "a.mp4").write_bytes(film)
    (tmp_path / "a.srt").write_bytes(WORDS)
    told = CliRunner().invoke(main, ["predict", "--format", "json", str(tmp_path / "a.mp4")])
    (expected,) = json.loads(told.stdout)["results"]
    answer = posted(server, ("a.mp4", film), captions=("a.srt", WORDS))
    jsonschema.validate(answer.json(), SCHEMA)
    (result,) = answer.json()["results"]
    assert result == {**expected, "source": "a.mp4"}
    assert {s["modality"] for s in result["segments"]} == {"speech", "face", "text", "fusion"}
    assert result["summary"]["modality"] == "fusion" if "modality" in result["summary"] else True
    # The words survive the way back into results.
    (again,) = results_of(answer.json())
    assert {p.text for p in again.predictions if p.modality == "text"} == {"I am so happy for you!"}


def test_one_modality_of_a_video_is_what_its_model_says(server, film):
    for modality, model in (("speech", "voice"), ("face", "face")):
        (result,) = posted(server, ("a.mp4", film), modality=modality).json()["results"]
        assert {s["modality"] for s in result["segments"]} == {modality}
        assert result == posted(server, ("a.mp4", film), model=model).json()["results"][0]
    (result,) = posted(server, ("a.mp4", film), labels="valence").json()["results"]
    assert result["model"] == "voice", "labels are chosen of one modality"


def test_a_video_has_boxes_where_they_are_asked_for(server, film):
    (result,) = posted(server, ("a.mp4", film), boxes="yes").json()["results"]
    assert len(result["boxes"]["face 1"]) == 10


def test_a_video_in_a_job_with_captions_too(server, film, tmp_path):
    expected = posted(server, ("a.mp4", film), captions=("a.srt", WORDS)).json()["results"]
    stored = Settings(store=tmp_path)
    with running(stored) as url, httpx.Client(base_url=url, timeout=60) as keeping:
        for client in (server, keeping):
            job = posted(client, ("a.mp4", film), captions=("a.srt", WORDS), path="/v1/jobs").json()["job"]
            found = finished(client, job)
            assert found["results"] == expected


def test_sound_in_the_container_of_a_video_is_a_voice(server, clips):
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        signal = read(clips[4]).signal[:32_000]
        for start in range(0, len(signal), 1024):
            frame = av.AudioFrame.from_ndarray(signal[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, start
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
    assert posted(server, ("a.mp4", file.getvalue())).json()["results"][0]["model"] == "voice"


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"modality": "smell"}, 422, "Allowed: auto, face, fusion, speech, text"),
        ({"modality": "face", "model": "voice"}, 422, "voice is a model of speech, not of face"),
        ({"modality": "fusion", "labels": "four"}, 422, "labels: is for one modality"),
        ({"modality": "face", "captions": ("a.srt", WORDS)}, 422, "captions are of a video"),
        ({"captions": ("a.srt", b"%PDF-1.7")}, 415, "is a PDF, not a text"),
        ({"captions": ("a.srt", bytes(3 << 20))}, 413, "the captions have 3145728 bytes; allowed: 2097152"),
        ({"explain": "yes"}, 422, "explain is for texts"),
        ({"explain": "yes", "format": "csv"}, 422, "explain has no place in csv"),
        ({"modality": "text"}, 415, "allowed: txt, srt, vtt, csv"),
    ],
)
def test_what_makes_no_sense_of_a_video_says_why(server, film, fields, status, words):
    answer = posted(server, ("a.mp4", film), **fields)
    assert answer.status_code == status and words in answer.json()["reason"], answer.text
    assert "/proc/" not in answer.text and "recording" not in answer.json()["reason"].split(":")[0]


def test_a_video_that_is_too_long_or_damaged_is_refused_by_its_name(film):
    with (
        running(Settings(limits=Limits(video_seconds=1))) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        answer = posted(client, ("a.mp4", film))
        assert answer.status_code == 413 and "a.mp4: is longer than 1 s" in answer.json()["reason"]
        answer = posted(client, ("a.mp4", film[: len(film) // 3]), modality="fusion")
        assert answer.status_code == 415 and "/proc/" not in answer.text, answer.text


def test_a_server_without_a_model_of_faces_hears_videos_only(film):
    with running(Settings(models={"voice": "voice"})) as url, httpx.Client(base_url=url, timeout=60) as client:
        assert posted(client, ("a.mp4", film)).json()["results"][0]["model"] == "voice"
        answer = posted(client, ("a.mp4", film), modality="fusion")
        assert answer.status_code == 422 and "no model of fusion" in answer.json()["reason"]


@pytest.mark.parametrize(
    ("name", "data", "segments"),
    [
        ("a.txt", b"I won! Nobody cares.", [(0, 0), (0, 0)]),
        ("a.srt", WORDS, [(0.2, 1.8)]),
        ("a.vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>What a mess.\n", [(1, 2)]),
        ("a.csv", b"start,end,speaker,text\n0,1,Ann,hello there\n", [(0, 1)]),
    ],
)
def test_a_text_is_known_by_its_name(server, name, data, segments):
    (result,) = posted(server, (name, data)).json()["results"]
    assert [(s["start"], s["end"]) for s in result["segments"]] == segments
    assert result["model"] == "text" and all(s["text"] for s in result["segments"])


def test_a_sentence_is_asked_in_json_and_its_words_are_weighed(server):
    plain = server.post("/v1/predict", json={"text": "I won! Nobody cares."})
    told = CliRunner().invoke(main, ["predict", "--format", "json", "--text", "I won! Nobody cares."])
    assert plain.json() == json.loads(told.stdout)
    answer = server.post("/v1/predict", json={"text": "I am so happy!", "explain": "yes"})
    jsonschema.validate(answer.json(), SCHEMA)
    (segment,) = answer.json()["results"][0]["segments"]
    start, end, weight = max(segment["explanation"]["words"], key=lambda word: word[2])
    assert segment["text"][start:end] == "happy" and weight > 0.5
    # Words that look like a table are words all the same.
    (result,) = server.post("/v1/predict", json={"text": "text, start"}).json()["results"]
    assert [s["text"] for s in result["segments"]] == ["text, start"]


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        ({"content": b"{"}, 422, "no JSON of words"),
        ({"content": b"[1]"}, 422, "no JSON of words"),
        ({"json": {"text": 7}}, 422, "every value a text"),
        ({"json": {"text": " \n"}}, 422, "no words"),
        ({"json": {"text": "hello", "colour": "red"}}, 422, "unknown field 'colour'"),
        ({"json": {"text": "hello", "model": "face"}}, 422, "face is a model of face, not of text"),
        ({"json": {"text": "No. " * 201, "explain": "yes"}}, 422, "201 sentences, and 200 are allowed"),
        ({"content": b'{"text": "' + b"a" * (2 << 20) + b'"}'}, 413, "larger than 2097152 bytes"),
    ],
)
def test_words_that_are_none_say_why(server, given, status, words):
    headers = {"Content-Type": "application/json"}
    answer = server.post("/v1/predict", headers=headers, **given)
    assert answer.status_code == status and words in answer.json()["reason"], answer.text


def test_a_text_is_bounded_in_bytes(server):
    answer = posted(server, ("a.txt", b"Well. " * 400_000))
    assert answer.status_code == 413 and "a.txt: has 2400000 bytes" in answer.json()["reason"]


def test_an_upload_can_be_opened_twice(tmp_path):
    given = Upload("a.mp4", io.BytesIO(b"0123456789"), 10)
    with given.path() as path, open(path, "rb") as one, open(path, "rb") as other:
        assert (one.read(4), other.read(2), one.read(1)) == (b"0123", b"01", b"4")
    assert not Path(path).exists()
    with pytest.raises(ValueError, match="inside"), given.path():
        raise ValueError("inside")
    assert np.array_equal(np.frombuffer(given.read(), np.uint8), np.frombuffer(b"", np.uint8))
