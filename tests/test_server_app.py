"""The server over HTTP: what it answers is what the command line writes, and it says no in time and with a reason."""

import asyncio
import gc
import io
import json
import logging
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace

import numpy as np
import pytest
import soundfile

for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "httpx", "websockets"):
    pytest.importorskip(package, reason="the server needs the extra: pip install '.[serve]'")

import httpx
from click.testing import CliRunner
from fastapi import FastAPI

from affekt.cli import main
from affekt.client import results_of
from affekt.recognize.recognizer import Recognizer
from affekt.server.app import make_app
from affekt.server.pages import folder
from affekt.server.serving import running
from affekt.server.settings import Limits, Settings
from affekt.speech.audio import read
from affekt.write.predictions import ONE_RECORDING, WRITERS
from tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore::affekt.errors.AudioWarning", "ignore::affekt.errors.LossWarning")


@pytest.fixture(scope="module")
def server():
    with running() as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


@contextmanager
def serving(**settings):
    with running(Settings(**settings)) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def parts(*paths):
    return [("files", (path.name, path.read_bytes())) for path in paths]


def silence(seconds, rate=16_000):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(int(seconds * rate), np.float32), rate, format="WAV")
    return file.getvalue()


def text_of(results, form):
    file = io.StringIO()
    WRITERS[form](results, file)
    return file.getvalue()


@pytest.mark.parametrize("form", WRITERS)
def test_the_answer_is_what_the_writer_writes(server, clips, form):
    result = replace(Recognizer().analyse(clips[4]), source=clips[4].name)
    answer = server.post("/v1/predict", files=parts(clips[4]), data={"format": form})
    assert (answer.status_code, answer.text) == (200, text_of([result], form))


def test_the_answer_is_what_the_command_line_writes(server, clips):
    told = CliRunner().invoke(main, ["predict", "--format", "json", *map(str, clips[:3])])
    expected = json.loads(told.stdout)
    for record in expected["results"]:
        record["source"] = os.path.basename(record["source"])
    assert server.post("/v1/predict", files=parts(*clips[:3])).json() == expected


def test_fields_may_stand_in_the_query_and_labels_are_those_asked_for(server, clips):
    answer = server.post("/v1/predict?labels=angry,sad", files=parts(clips[0])).json()
    assert answer["results"][0]["labels"] == ["angry", "sad"]
    merged = server.post("/v1/predict", files=parts(clips[0]), data={"labels": "bad=angry+sad,good=happy"}).json()
    assert merged["results"][0]["labels"] == ["bad", "good"]


def test_each_channel_of_a_call_has_its_own_timeline(server, clips):
    first, second = (read(path).signal[:48_000] for path in clips[:2])
    file = io.BytesIO()
    soundfile.write(file, np.stack([first, second], axis=1), 16_000, format="WAV")
    upload = [("files", ("call.wav", file.getvalue()))]
    (result,) = server.post("/v1/predict", files=upload, data={"channel": "each"}).json()["results"]
    assert {p["who"] for p in result["segments"]} == {"left", "right"} == set(result["summaries"])
    (left,) = server.post("/v1/predict", files=upload, data={"channel": "left"}).json()["results"]
    alone = [{k: v for k, v in p.items() if k != "who"} for p in result["segments"] if p["who"] == "left"]
    assert alone == left["segments"]
    assert server.post("/v1/predict", files=upload, data={"channel": "3"}).status_code == 415


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"lables": "four"}, "unknown field 'lables': did you mean 'labels'?"),
        ({"threshold": "0"}, "unknown field 'threshold'"),
        ({"channel": "middle"}, "allowed: mix, left, right, each"),
        ({"track": "-1"}, "allowed: a number from 1, or a language"),
    ],
)
def test_a_field_that_would_change_nothing_is_refused(server, clips, field, said):
    answer = server.post("/v1/predict", files=parts(clips[0]), data=field)
    assert answer.status_code == 422 and said in answer.text
    assert server.post("/v1/jobs", files=parts(clips[0]), data=field).status_code == 422


def test_a_broken_recording_stands_beside_the_others_and_alone_is_a_415(server, clips):
    broken = ("files", ("notes.wav", b"dear diary"))
    answer = server.post("/v1/predict", files=[*parts(clips[0]), broken]).json()
    assert [r["source"] for r in answer["results"]] == [clips[0].name]
    assert [f["source"] for f in answer["failures"]] == ["notes.wav"]
    alone = server.post("/v1/predict", files=[broken])
    assert alone.status_code == 415 and alone.json()["failures"][0]["reason"].startswith("is not a recording")
    in_text = server.post("/v1/predict", files=[*parts(clips[0]), broken], data={"format": "csv"})
    assert in_text.status_code == 415  # a table has no place to say so


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"format": "jso"}, "did you mean 'json'"),
        ({"labels": "angri,sad"}, "did you mean 'angry'"),
        ({"model": "/etc/passwd"}, "unknown model"),
        ({"model": "../voice.onnx"}, "unknown model"),
        ({"reference": "nobody"}, "unknown reference"),
    ],
)
def test_what_makes_no_sense_is_a_422_that_says_why(server, clips, data, says):
    answer = server.post("/v1/predict", files=parts(clips[0]), data=data)
    assert answer.status_code == 422 and says in answer.json()["reason"]


@pytest.mark.parametrize("form", ONE_RECORDING)
def test_formats_of_one_recording_refuse_two(server, clips, form):
    answer = server.post("/v1/predict", files=parts(*clips[:2]), data={"format": form})
    assert answer.status_code == 422 and "one recording" in answer.json()["reason"]


def test_what_is_no_form_is_refused(server):
    assert server.post("/v1/predict", content=b"RIFF").status_code == 415
    assert server.post("/v1/predict", files=[("other", ("a", b""))]).status_code == 422
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    assert server.post("/v1/predict", content=b"no boundary here", headers=head).status_code == 422


@pytest.mark.parametrize(
    "name", ["../../evil.wav", "/etc/passwd", "a\x00b.wav", "\u202egnp.wav", "x" * 4000, "%2e%2e/a"]
)
def test_names_from_outside_are_shown_and_never_reach_the_file_system(server, clips, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = server.post("/v1/predict", files=[("files", (name, clips[0].read_bytes()))])
    assert answer.status_code in (200, 422)
    if answer.status_code == 200:
        assert answer.json()["results"][0]["source"].isprintable()
    assert list(tmp_path.rglob("*")) == []


def test_nothing_is_left_in_the_temporary_folder(server, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name, data in (("long.wav", silence(60)), ("broken.wav", b"RIFF" + bytes(3 << 20))):
        server.post("/v1/predict", files=[("files", (name, data))])
    assert list(tmp_path.iterdir()) == []


def test_store_keeps_what_came_and_what_was_answered_under_names_of_its_own(clips, tmp_path):
    with serving(store=tmp_path) as server:
        assert server.get("/v1/settings").json()["store"] is True
        server.post("/v1/predict", files=[("files", ("../mine.wav", clips[0].read_bytes()))])
        server.post("/v1/predict", files={"files": ("notes.wav", b"dear diary")})  # no recording: nothing is kept
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    (recording,) = tmp_path.glob("*.recording")
    (results,) = tmp_path.glob("*.json")
    assert recording.read_bytes() == clips[0].read_bytes()
    assert json.loads(results.read_text())["results"][0]["source"] == "../mine.wav"
    assert len(list(tmp_path.iterdir())) == 3  # and the database


def test_a_full_store_keeps_nothing_more_and_says_so(clips, tmp_path, caplog):
    with caplog.at_level(logging.ERROR), serving(store=tmp_path, limits=Limits(store_bytes=100)) as server:
        assert server.post("/v1/predict", files=parts(clips[0])).status_code == 200
    assert [path.name for path in tmp_path.iterdir()] == ["affekt.sqlite"] and "store is full" in caplog.messages


def test_what_a_killed_server_left_in_the_store_is_swept(tmp_path):
    old, new = tmp_path / ".a.json.0123.part", tmp_path / ".b.json.4567.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    make_app(Settings(store=tmp_path)).state.service.database.close()
    assert sorted(tmp_path.iterdir()) == [new, tmp_path / "affekt.sqlite"]


def test_too_large_is_a_413_whether_or_not_the_length_is_said(clips):
    with serving(limits=Limits(upload_bytes=100_000)) as server:
        files = {"files": ("a.wav", bytes(300_000))}
        said = server.post("/v1/predict", files=files)
        request = server.build_request("POST", "/v1/predict", files=files)
        body, head = request.read(), {"Content-Type": request.headers["Content-Type"]}
        pieces = (body[i : i + 10_000] for i in range(0, len(body), 10_000))
        unsaid = server.post("/v1/predict", content=pieces, headers=head)
        for answer in (said, unsaid):
            assert answer.status_code == 413 and answer.json()["code"] == "too_large", answer.text


def test_too_long_is_a_413_and_too_many_files_a_422(clips):
    with serving(limits=Limits(seconds=5, files=2)) as server:
        assert server.post("/v1/predict", files=parts(clips[0])).status_code == 200
        long = server.post("/v1/predict", files={"files": ("long.wav", silence(30))})
        assert long.status_code == 413 and "longer than 5 s" in long.json()["reason"]
        assert long.json()["reason"].endswith("; POST /v1/jobs takes up to 21600 s.")
        assert server.post("/v1/predict", files=parts(*clips[:3])).status_code == 422


def half_a_request(url, clip):
    """A socket on which half an upload was sent, and the other half."""
    request = httpx.Request("POST", url.join("/v1/predict"), files={"files": ("a.wav", clip.read_bytes())})
    body = request.read()
    head = f"POST /v1/predict HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nContent-Length: {len(body)}\r\n"
    head += f"Content-Type: {request.headers['content-type']}\r\nConnection: close\r\n\r\n"
    connection = socket.create_connection((url.host, url.port), timeout=30)
    connection.sendall(head.encode() + body[: len(body) // 2])
    return connection, body[len(body) // 2 :]


def read_all(connection):
    with connection:
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_whoever_comes_when_all_places_are_taken_is_told_to_come_back(clips):
    with serving(limits=Limits(queue=1)) as server:
        connection, rest = half_a_request(server.base_url, clips[0])
        codes = []

        def refused():  # as soon as the server has begun to read the half one
            answer = server.post("/v1/predict", files=parts(clips[0]))
            codes.append(answer.status_code)
            return answer.status_code == 429 and answer

        assert int(until(refused).headers["Retry-After"]) > 0 and set(codes) <= {200, 429}
        connection.sendall(rest)
        assert read_all(connection).startswith(b"HTTP/1.1 200")
        assert server.post("/v1/predict", files=parts(clips[0])).status_code == 200


def test_an_upload_that_never_ends_is_a_408(clips):
    with serving(limits=Limits(timeout=0.3)) as server:
        connection, _ = half_a_request(server.base_url, clips[0])
        assert b"408" in read_all(connection)[:20]


def test_token_is_asked_for_where_something_is_done_or_told(clips):
    with serving(token="correct-horse") as server:
        for path in ("/v1/models", "/v1/labels", "/v1/settings", "/metrics"):
            for given in ({}, {"Authorization": "Bearer wrong-horse"}, {"Authorization": "correct-horse"}):
                answer = server.get(path, headers=given)
                assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
            assert server.get(path, headers={"Authorization": "Bearer correct-horse"}).status_code == 200
        assert server.post("/v1/predict", files=parts(clips[0])).status_code == 401
        assert server.get("/healthz").status_code == server.get("/readyz").status_code == 200
        assert server.get("/v1/nothing").status_code == 401


def test_pages_of_other_sites_are_refused_unless_allowed(clips):
    with serving(origins=("https://friend.example",)) as server:
        own = str(server.base_url).rstrip("/")
        for origin, status in (
            (own, 200),
            ("https://friend.example", 200),
            ("https://evil.example", 403),
            ("null", 403),
        ):
            answer = server.post("/v1/predict", files=parts(clips[0]), headers={"Origin": origin})
            assert answer.status_code == status, origin
        seen = server.get("/v1/models", headers={"Origin": "https://friend.example"}).headers
        assert seen["Access-Control-Allow-Origin"] == "https://friend.example"
    with serving() as server:
        assert "Access-Control-Allow-Origin" not in server.get("/v1/models", headers={"Origin": "https://a.b"}).headers


def finished(server, name):
    seen = []

    def over():
        job = server.get(f"/v1/jobs/{name}").json()
        if job["state"] not in ("waiting", "running"):
            return job
        seen.append(job["progress"])
        return None

    job = until(over)
    assert seen == sorted(seen) and all(0 <= share < 1 for share in seen)
    return job


def test_a_job_gives_what_a_request_gives(server, clips):
    name = server.post("/v1/jobs", files=parts(*clips[:2])).json()["job"]
    job = finished(server, name)
    assert (job["state"], job["progress"]) == ("done", 1.0)
    assert job["results"] == server.post("/v1/predict", files=parts(*clips[:2])).json()["results"]
    assert server.delete(f"/v1/jobs/{name}").status_code == 204
    assert server.get(f"/v1/jobs/{name}").status_code == 404
    text = finished(server, server.post("/v1/jobs", files=parts(clips[4]), data={"format": "srt"}).json()["job"])
    assert text["text"] == server.post("/v1/predict", files=parts(clips[4]), data={"format": "srt"}).text


def test_a_job_that_fails_says_why(server):
    job = finished(server, server.post("/v1/jobs", files={"files": ("n.wav", b"dear diary")}).json()["job"])
    assert job["state"] == "failed" and "not a recording" in job["reason"]


def test_a_job_can_be_stopped_and_no_more_are_held_than_allowed(clips):
    with serving(limits=Limits(jobs=2, share=1), threads=1) as server:
        long = {"files": ("long.wav", silence(1200, 8000))}
        names = [server.post("/v1/jobs", files=long).json()["job"] for _ in range(2)]
        more = server.post("/v1/jobs", files=parts(clips[0]))
        states = {server.get(f"/v1/jobs/{name}").json()["state"] for name in names}
        assert more.status_code == (429 if "done" not in states else 202)
        for name in names:
            server.delete(f"/v1/jobs/{name}")
        assert server.post("/v1/jobs", files=parts(clips[0])).status_code == 202


def test_finished_jobs_give_way_to_new_ones(clips):
    with serving(limits=Limits(jobs=1)) as server:
        first = server.post("/v1/jobs", files=parts(clips[0])).json()["job"]
        finished(server, first)
        assert server.post("/v1/jobs", files=parts(clips[0])).status_code == 202
        assert server.get(f"/v1/jobs/{first}").status_code == 404


def test_references_have_a_length_and_a_number(server, clips):
    def send(data, server=server):
        return server.post("/v1/references", files={"file": ("me.wav", data)})

    assert send(silence(2)).status_code == 422 and send(silence(70)).status_code == 413
    assert send(b"dear diary").status_code == 415
    assert server.delete("/v1/references/nobody").status_code == 404
    voice = np.concatenate([soundfile.read(path, dtype="float32")[0] for path in clips[:4]])
    file = io.BytesIO()
    soundfile.write(file, voice, 48_000, format="WAV")
    answer = send(file.getvalue())
    name = answer.json()["reference"]
    known = server.post("/v1/predict", files=parts(clips[0]), data={"reference": name}).json()
    assert known["results"][0]["baseline"] == "neutral"
    assert known["results"][0]["model"] == "voice"
    assert server.delete(f"/v1/references/{name}").status_code == 204
    assert server.post("/v1/predict", files=parts(clips[0]), data={"reference": name}).status_code == 422


def test_references_are_forgotten_in_time_and_no_more_are_held_than_allowed():
    from affekt.server.references import References
    from affekt.server.refusals import Refusal

    now = [0.0]
    held = References(2, 60.0, clock=lambda: now[0])
    names = [held.add(np.zeros(16_000 * 6, np.float32))["reference"] for _ in range(2)]
    with pytest.raises(Refusal, match="already holds 2"):
        held.add(np.zeros(16_000 * 6, np.float32))
    now[0] = 61.0
    with pytest.raises(Refusal, match="no such reference"):
        held.remove(names[0])
    held.add(np.zeros(16_000 * 6, np.float32))


@pytest.mark.parametrize("form", WRITERS)
def test_converting_is_what_asking_for_the_format_gives(server, clips, form):
    document = server.post("/v1/predict", files=parts(clips[4])).json()
    converted = server.post(f"/v1/convert?format={form}", json=document)
    asked = server.post("/v1/predict", files=parts(clips[4]), data={"format": form})
    assert (converted.status_code, converted.text) == (200, asked.text)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{",
        b"[" + b"[]," * 300_000 + b"[]]", b'{"results": 3}', b'{"results": [3]}', b'{"results": [{}]}', b"[" * 100_000,
        b'{"results": [{"source": "a", "duration": NaN, "segments": [], "summary": {}, "model": "m", "labels": []}]}',
        b'{"schema": "other/1", "results": []}',
        b'{"results": [{"source": "a", "duration": 1e308, "segments": [], "summary": {"start": 0, "end": 1, '
        b'"quality": 1, "scores": {}}, "model": "m", "labels": []}]}',
    ],
)  # fmt: skip
def test_what_is_no_result_is_not_converted(server, body):
    answer = server.post("/v1/convert?format=csv", content=body)
    assert answer.status_code == 422 and len(answer.json()["reason"]) > 10


def test_results_read_back_are_those_written(clips):
    unsure = Recognizer(threshold=0.95)
    written = json.loads(text_of([r.analyse(clip) for r in (unsure, Recognizer()) for clip in clips[:6]], "json"))
    assert any("unsure" in segment for record in written["results"] for segment in record["segments"])
    assert json.loads(text_of(results_of(written), "json")) == written


def test_a_segment_that_a_stream_skipped_is_converted_to_one_without_an_answer(server, clips):
    document = server.post("/v1/predict", files=parts(clips[4])).json()
    document["results"][0]["segments"][0]["skipped"] = True
    converted = server.post("/v1/convert?format=json", json=document).json()["results"][0]["segments"][0]
    assert converted["label"] is None and converted["scores"] == {}


def test_metrics_count_and_name_routes_as_they_are_written(server, clips):
    def number(name):
        return sum(
            float(line.split()[-1]) for line in server.get("/metrics").text.splitlines() if line.startswith(name)
        )

    before = number("affekt_recordings_total"), number("affekt_recorded_seconds_total")
    server.post("/v1/predict", files=parts(clips[0]))
    server.get("/v1/jobs/my-secret-number")
    server.get("/my-secret-path")
    assert number("affekt_recordings_total") == before[0] + 1
    length = soundfile.info(clips[0]).duration
    assert number("affekt_recorded_seconds_total") == pytest.approx(before[1] + length, abs=0.01)
    text = server.get("/metrics").text
    assert 'route="/v1/jobs/{name}",status="404"' in text and "secret" not in text


def test_the_log_has_lines_of_json_and_nothing_of_the_content(server, clips):
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage() + json.dumps(getattr(record, "fields", {})))
    logger = logging.getLogger("affekt.server")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        server.post("/v1/predict?labels=angry,sad", files=[("files", ("secret-name.wav", clips[0].read_bytes()))])
        server.get("/v1/jobs/secret-number")
        server.get("/healthz")  # a line is written when the answer is out, and before the next request is read
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    lines = [line for line in lines if "/metrics" not in line and "/healthz" not in line]
    assert len(lines) == 2 and '"status": 200' in lines[0]
    assert not any(word in line for line in lines for word in ("secret", "angry", "127.0.0.1"))


def test_the_page_and_its_files_come_from_the_package_under_a_strict_policy(server):
    for path in ("/", "/docs", "/openapi.json"):
        answer = server.get(path)
        assert answer.status_code == 200, path
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert server.get("/web/docs.js").headers["Content-Type"].startswith("text/javascript")
    for path in ("/web/../settings.py", "/web/%2e%2e/settings.py", "/web/nothing.js", "/web/"):
        assert server.get(path).status_code == 404
    for name in ("docs.html", "docs.js", "docs.css"):
        assert "//" not in (folder() / name).read_text().replace("// The description", "")


def test_models_and_labels_are_the_cards(server):
    model, faces, text, fusion = server.get("/v1/models").json()["models"]
    assert (text["modality"], fusion["modality"]) == ("text", "fusion")
    assert server.get("/v1/labels?model=fusion").json() == {"labels": fusion["labels"], "maps": []}
    assert (faces["name"], faces["modality"], faces["default"]) == ("face", "face", False)
    assert model["card"]["baseline"]
    card = Recognizer().card
    assert model["default"] and tuple(model["labels"]) == card.labels and model["card"]["licence"] == card.licence
    told = server.get("/v1/labels").json()
    assert tuple(told["labels"]) == card.labels and "valence" in told["maps"]
    assert server.get("/v1/labels?model=nothing").status_code == 422


def test_several_requests_at_once_give_what_each_gives_alone(server, clips):
    alone = [server.post("/v1/predict", files=parts(clip)).json() for clip in clips]
    found = [None] * len(clips)

    def ask(i):
        found[i] = server.post("/v1/predict", files=parts(clips[i])).json()

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(clips))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone


def test_any_request_gets_an_answer_that_the_description_names(server):
    schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis, of the extra dev")
    from hypothesis import HealthCheck, Phase, given, settings

    schema = schemathesis.openapi.from_url(f"{server.base_url}/openapi.json")
    checks = (
        schemathesis.checks.not_a_server_error,
        schemathesis.specs.openapi.checks.status_code_conformance,
        schemathesis.specs.openapi.checks.content_type_conformance,
        schemathesis.specs.openapi.checks.response_schema_conformance,
    )
    tried = set()
    for operation in (found.ok() for found in schema.get_all_operations()):
        tried.add(operation.path)

        @given(case=operation.as_strategy())
        @settings(
            max_examples=8, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def answers(case):
            case.call_and_validate(base_url=str(server.base_url), checks=checks)

        answers()
    assert len(tried) >= 11


class Process:
    """`affekt serve` as people start it."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "affekt", "serve", "--port", "0", *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.url = httpx.URL(self.process.stderr.readline().split()[3])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def test_a_server_that_is_told_to_go_answers_what_it_has_begun(clips):
    from websockets.sync.client import connect

    with Process() as server, connect(f"ws://{server.url.host}:{server.url.port}/v1/stream") as stream:
        stream.send('{"type": "hello", "sampling_rate": 16000, "format": "float32"}')
        stream.send(np.zeros(8000, np.float32).tobytes())
        assert json.loads(stream.recv())["type"] == "ready"
        assert json.loads(stream.recv())["type"] == "level"
        connection, rest = half_a_request(server.url, clips[0])
        until(lambda: "affekt_requests" in httpx.get(server.url.join("/metrics")).text)  # it has the half request, too
        server.process.terminate()
        events = [json.loads(message)["type"] for message in stream]
        assert events[-1] == "summary" and stream.protocol.close_code == 1001
        connection.sendall(rest)
        assert read_all(connection).startswith(b"HTTP/1.1 200")
        assert server.process.wait(30) in (0, -15)


def test_several_processes_share_a_port_and_refuse_what_needs_one_memory_or_a_store(clips):
    with Process("--workers", "2", "--threads", "1") as server:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            assert client.post("/v1/predict", files=parts(clips[0])).status_code == 200
            answer = client.post("/v1/jobs", files=parts(clips[0]))
            assert answer.status_code == 501 and "--store" in answer.json()["reason"]
        server.process.terminate()
        server.process.wait(30)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--limit", "stream=3"], "did you mean 'streams'"),
        (["--limit", "streams=many"], "streams=NUMBER"),
        (["--limit", "streams=0"], "above 0"),
        (["--model", "nothing"], "unknown model"),
        (["--store", "/no/such/folder"], "no such folder"),
        (["--token", "a b"], "the token must be"),
    ],
)
def test_wrong_options_are_told_at_the_start(arguments, says):
    told = CliRunner().invoke(main, ["serve", *arguments])
    assert told.exit_code == 2 and says in told.output


def test_a_port_that_is_taken_is_told(server):
    told = CliRunner().invoke(main, ["serve", "--port", str(server.base_url.port)])
    assert told.exit_code == 2
    assert f"port {server.base_url.port} is taken" in told.output
    assert f"Use --port {server.base_url.port + 1}" in told.output
    # Before models are opened, which takes longer than anybody likes to wait for that.
    told = CliRunner().invoke(main, ["serve", "--port", str(server.base_url.port), "--model", "nothing"])
    assert "is taken" in told.output


def test_the_application_can_be_made_without_settings():
    assert make_app().state.service.settings == Settings()


@contextmanager
def another_client(url):
    """Somebody else: this machine has many addresses of its own."""
    with httpx.Client(base_url=url, timeout=60, transport=httpx.HTTPTransport(local_address="127.0.0.2")) as client:
        yield client


def sent(url, data, *, source="127.0.0.1"):
    """A socket on which these bytes were sent."""
    url = httpx.URL(url)
    connection = socket.create_connection((url.host, url.port), timeout=30, source_address=(source, 0))
    connection.sendall(data)
    return connection


@pytest.mark.parametrize("data", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
def test_whoever_sends_no_request_or_half_of_one_is_hung_up_on(data):
    with running(Settings(limits=Limits(header=0.2))) as url:
        answer = read_all(sent(url, data))
        assert answer == b"" if not data else answer.startswith(b"HTTP/1.1 408") and b'"slow"' in answer


def test_a_header_that_comes_in_drops_has_one_deadline():
    with running(Settings(limits=Limits(header=0.3))) as url, sent(url, b"GET / HTTP/1.1\r\n") as connection:
        connection.settimeout(0.05)
        answer = b""
        while b"408" not in answer:  # for ever, where each drop gives more time
            connection.sendall(b"X: y\r\n")
            with suppress(TimeoutError):
                answer = connection.recv(1000)


def test_a_request_after_another_has_the_same_deadline():
    with running(Settings(limits=Limits(header=0.2))) as url:
        answer = read_all(sent(url, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /he"))
        assert answer.startswith(b"HTTP/1.1 200") and b"HTTP/1.1 408" in answer


def test_a_body_that_comes_in_drops_is_a_408_long_before_the_time_for_an_upload(clips):
    with serving(limits=Limits(header=0.2, rate=1e6)) as server:
        connection, _ = half_a_request(server.base_url, clips[0])
        assert b"408" in read_all(connection)[:20]


def test_one_client_that_uploads_in_drops_leaves_places_for_others(clips):
    with serving(limits=Limits(queue=4)) as server:
        held = [half_a_request(server.base_url, clips[0])[0] for _ in range(4)]
        # The server has begun to read the half ones.
        until(lambda: server.post("/v1/predict", files=parts(clips[0])).status_code == 429)
        with another_client(server.base_url) as other:
            assert other.post("/v1/predict", files=parts(clips[0])).status_code == 200
        for connection in held:
            connection.close()


def test_one_client_cannot_have_all_jobs_and_references(clips):
    with serving(limits=Limits(jobs=2, references=2), threads=1) as server, another_client(server.base_url) as other:
        long = {"files": ("long.wav", silence(1200, 8000))}
        name = server.post("/v1/jobs", files=long).json()["job"]
        assert server.post("/v1/jobs", files=long).status_code == 429
        assert other.post("/v1/jobs", files=parts(clips[0])).status_code == 202
        assert server.delete(f"/v1/jobs/{name}").status_code == 204
    from affekt.server.references import References
    from affekt.server.refusals import Refusal

    held = References(2, 60.0, share=0.5)
    held.add(np.zeros(16_000 * 6, np.float32), "a")
    with pytest.raises(Refusal, match="1 references of yours"):
        held.add(np.zeros(16_000 * 6, np.float32), "a")
    held.add(np.zeros(16_000 * 6, np.float32), "b")


def test_connections_that_send_nothing_shut_nobody_out():
    with running(Settings(limits=Limits(connections=8))) as url, another_client(url) as other:
        held = [sent(url, b"") for _ in range(60)]
        held += [sent(url, b"GET /he", source="127.0.0.3") for _ in range(60)]
        assert other.get("/healthz").status_code == 200
        assert other.get("/v1/settings").status_code == 200
        assert httpx.get(f"{url}/healthz").status_code == 200  # the client that holds them gets in, too
        for connection in held:
            connection.close()


def test_health_is_told_when_every_connection_works():
    head = "POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    head += "Content-Length: 99\r\nExpect: 100-continue\r\n\r\n"
    with running(Settings(limits=Limits(connections=2, share=1))) as url:
        held = [sent(url, head.encode()) for _ in range(2)]
        assert all(connection.recv(99).startswith(b"HTTP/1.1 100") for connection in held)
        with another_client(url) as other:
            assert other.get("/v1/settings").status_code == 429
            assert other.get("/healthz").status_code == other.get("/readyz").status_code == 200
        for connection in held:
            connection.close()


def test_whoever_reads_no_answer_is_hung_up_on():
    with running(Settings(limits=Limits(header=0.2, stall=0.2))) as url, sent(url, b"") as connection:
        connection.settimeout(1)
        with suppress(OSError):
            while True:  # until nothing more is taken, because nobody reads the answers
                connection.sendall(100 * b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        with suppress(ConnectionError):
            while connection.recv(1 << 20):  # what lay in the kernel, and then no more
                pass


def test_a_reused_connection_is_answered_at_once(server):
    server.get("/healthz")
    took = []
    for _ in range(9):
        began = time.perf_counter()
        server.get("/healthz")
        took.append(time.perf_counter() - began)
    assert sorted(took)[4] < 0.03  # 44 ms where a small packet waits for the other side's acknowledgement


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil", "[x"]
)
def test_a_name_that_is_not_the_servers_gets_nothing(server, clips, host):
    # A page whose own name leads to this machine is of one origin with what answers here.
    answer = server.post("/v1/predict", files=parts(clips[0]), headers={"Host": host, "Origin": f"http://{host}"})
    assert answer.status_code == 403 and "--allowed-hosts" in answer.json()["reason"]
    assert server.get("/", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    "host", ["localhost:1", "LOCALHOST", "a.localhost", "127.0.0.1", "[::1]:80", "192.0.2.1", "me.home"]
)
def test_addresses_localhost_and_names_that_were_told_are_the_servers(host):
    with serving(hosts=("me.home",)) as server:
        assert server.get("/v1/settings", headers={"Host": host}).status_code == 200


def test_behind_a_proxy_that_is_known_each_of_its_clients_counts(clips):
    with serving(limits=Limits(jobs=2), threads=1, proxies=("127.0.0.1",)) as server:
        long = {"files": ("long.wav", silence(1200, 8000))}
        told = [
            server.post("/v1/jobs", files=long, headers={"X-Forwarded-For": address})
            for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")
        ]
        assert [answer.status_code for answer in told] == [202, 429, 202]
        for answer in told[::2]:
            server.delete(f"/v1/jobs/{answer.json()['job']}")


def test_converting_has_places_a_size_and_a_thread_of_its_own(clips):
    with serving(limits=Limits(convert_bytes=100_000)) as server:
        head = b"POST /v1/convert?format=csv HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{"
        held = []

        def full():
            held.append(sent(server.base_url, head))  # one more each time: a place may have been taken for a moment
            return server.post("/v1/convert?format=csv", json={"results": []}).status_code == 429

        until(full)
        for connection in held:
            connection.close()
        until(lambda: server.post("/v1/convert?format=csv", json={"results": []}).status_code == 200)
        large = server.post("/v1/convert?format=csv", content=bytes(200_000))
        assert large.status_code == 413 and "0.1 MB" in large.json()["reason"]


def test_a_large_conversion_stops_nobody_else(server, clips):
    document = server.post("/v1/predict", files=parts(clips[4])).json()
    document["results"] *= (7 << 20) // len(json.dumps(document))
    body, over, took = json.dumps(document).encode(), threading.Event(), []

    def watch():
        with httpx.Client(base_url=server.base_url, timeout=60) as client:
            while not over.is_set():
                began = time.perf_counter()
                client.get("/healthz")
                took.append(time.perf_counter() - began)

    thread = threading.Thread(target=watch)
    thread.start()
    answer = server.post("/v1/convert?format=csv", content=body)
    over.set()
    thread.join()
    # On the event loop this body took the server 7 to 10 s.
    assert answer.status_code == 200 and max(took) < 4.0


def test_what_breaks_is_told_in_json_under_the_policy_and_logged_with_its_cause(caplog):
    app = make_app(Settings())

    @app.get("/v1/break")
    async def broken():
        raise ZeroDivisionError("a secret")

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.get("/v1/break")

    with caplog.at_level(logging.ERROR, "affekt.server"):
        answer = asyncio.run(ask())
    assert answer.status_code == 500 and answer.json()["code"] == "broken" and "secret" not in answer.text
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    (record,) = [record for record in caplog.records if record.name == "affekt.server" and record.exc_info]
    assert record.exc_info[0] is ZeroDivisionError


def test_an_app_of_ones_own_can_mount_it(clips):
    voice = make_app(Settings(token="correct-horse"))
    app = FastAPI(lifespan=lambda _: voice.router.lifespan_context(voice))
    app.mount("/voice", voice)

    @app.get("/mine")
    def mine():
        return "mine"

    async def ask():
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client,
        ):
            known = {"Authorization": "Bearer correct-horse"}
            page, health, stranger = [await client.get(f"/voice{path}") for path in ("/", "/healthz", "/v1/models")]
            assert (await client.get("/mine")).json() == "mine"
            found = await client.post("/voice/v1/predict", files=parts(clips[0]), headers=known)
            return page.status_code, health.status_code, stranger.status_code, found

    *codes, found = asyncio.run(ask())
    assert codes == [200, 200, 401]
    assert found.status_code == 200 and found.json()["results"][0]["shares"]["seconds"]


def test_a_client_that_hangs_up_is_not_logged_as_an_exception(clips, caplog):
    with caplog.at_level(logging.WARNING), serving() as server:
        connection, _ = half_a_request(server.base_url, clips[0])
        connection.close()
        until(lambda: 'status="499"' in server.get("/metrics").text)
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.parametrize("path", ["/", "/docs", "/web/docs.js", "/healthz", "/v1/settings"])
def test_head_is_get_without_the_body(server, path):
    told, got = server.head(path), server.get(path)
    assert (told.status_code, told.content) == (200, b"")
    assert told.headers["Content-Length"] == got.headers["Content-Length"]


def test_what_a_client_sent_is_not_sent_back_at_length(server, clips):
    answer = server.post("/v1/predict", files=parts(clips[0]), data={"labels": ",".join(["angri"] * 680)})
    assert answer.status_code == 422 and len(answer.json()["reason"]) <= 1000


def test_a_server_that_is_closed_lets_go_of_its_models(clips):
    def opened():
        # By type alone: to ask a weak proxy what it is an instance of calls what may be gone.
        return {id(found) for found in gc.get_objects() if type(found) is Recognizer}

    gc.collect()
    before = opened()
    with serving() as server:
        assert server.post("/v1/predict", files=parts(clips[0])).status_code == 200
        assert opened() - before
    gc.collect()
    assert not opened() - before


def test_where_others_can_reach_it_the_server_asks_for_a_token_that_it_made():
    with Process("--host", "0.0.0.0") as server:
        token = server.process.stderr.readline().split()[-1]
        models = server.url.copy_with(host="127.0.0.1").join("/v1/models")
        assert httpx.get(models).status_code == 401
        assert httpx.get(models, headers={"Authorization": f"Bearer {token}"}).status_code == 200
        assert httpx.get(models.join("/healthz")).status_code == 200


def test_to_ask_for_no_token_has_to_be_said():
    with Process("--host", "0.0.0.0", "--open") as server:
        assert "anyone who can reach this machine" in server.process.stderr.readline()
        assert httpx.get(server.url.copy_with(host="127.0.0.1").join("/v1/models")).status_code == 200
    told = CliRunner().invoke(main, ["serve", "--open", "--token", "x"])
    assert told.exit_code == 2 and "give one of them" in told.stderr
