"""The client, and the examples of docs/serve.md, against a real server."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "httpx", "websockets"):
    pytest.importorskip(package, reason="the server needs the extra: pip install '.[serve]'")

from affekt.client import Client, ServerError, results_of
from affekt.errors import InputError
from affekt.recognize.recognizer import Recognizer
from affekt.server.serving import running
from affekt.server.settings import Limits, Settings
from tests.test_server_pictures import filmed, scene
from tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore::affekt.errors.LossWarning")
DOCS = (Path(__file__).parent.parent / "docs" / "serve.md").read_text(encoding="utf-8")
ELSEWHERE = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def url():
    with running() as url:
        yield url


@pytest.fixture
def folder(clips, tmp_path):
    """A folder for the examples: call.wav (16 kHz, 16 bits), a drawn face as photo.jpg and clip.mp4, words."""
    from affekt.speech.audio import read

    soundfile.write(tmp_path / "call.wav", read(clips[4]).signal, 16_000, subtype="PCM_16")
    scene(80).save(tmp_path / "photo.jpg")
    (tmp_path / "clip.mp4").write_bytes(filmed([scene(20 + 2 * i) for i in range(12)]))
    (tmp_path / "clip.srt").write_text("1\n00:00:00,100 --> 00:00:00,400\nWell done!\n")
    (tmp_path / "story.txt").write_text("I won! Nobody cares.")
    return tmp_path


def test_results_are_those_of_the_recogniser(url, clips):
    (found,) = Client(url).predict(clips[4])
    expected = Recognizer().analyse(clips[4])
    assert (found.source, found.model, found.labels) == (clips[4].name, expected.model, expected.labels)
    assert found.summary.label == expected.summary.label
    for a, b in zip(found.predictions, expected.predictions, strict=True):
        np.testing.assert_allclose(
            [a.start, a.end, *a.scores.values()], [b.start, b.end, *b.scores.values()], atol=1e-3
        )


def test_a_path_bytes_and_an_array_are_the_same(url, clips):
    client = Client(url)
    signal, rate = soundfile.read(clips[4], dtype="float32")
    found = client.predict([clips[4], clips[4].read_bytes(), (signal, rate)])
    assert len(found) == 3 and len({str(result.predictions) for result in found}) == 1


def test_labels_models_settings_and_jobs(url, clips):
    client = Client(url)
    (found,) = client.predict(clips[4], labels="valence")
    assert found.labels == ("negative", "neutral", "positive")
    assert client.models()[0]["default"] and "valence" in client.labels("voice")["maps"]
    assert client.settings()["token_required"] is False
    name = client.start_job([clips[4]])
    job = until(lambda: (seen := client.job(name))["state"] not in ("waiting", "running") and seen)
    assert results_of(job)[0].summary.label == client.predict(clips[4])[0].summary.label
    client.stop_job(name)
    with pytest.raises(ServerError, match="no such job") as caught:
        client.job(name)
    assert caught.value.status == 404


def test_errors_say_what_the_server_says(url, tmp_path):
    client = Client(url)
    (tmp_path / "diary.wav").write_text("dear diary")
    with pytest.raises(ServerError, match="not a recording") as caught:
        client.predict(tmp_path / "diary.wav")
    assert caught.value.status == 415
    with pytest.raises(InputError, match="no such file"):
        client.predict(tmp_path / "nothing.wav")
    with pytest.raises(InputError, match="is not a recording"):
        client.predict({"a": 1})
    with pytest.raises(ServerError, match="did you mean 'angry'"):
        list(client.stream([], labels="angri,sad"))
    with pytest.raises(ServerError, match="too short|the reference is"):
        client.reference((np.zeros(16_000), 16_000))
    with pytest.raises(ServerError, match="Is `affekt serve` running there"):
        Client("http://127.0.0.1:9").models()
    with pytest.raises(ServerError):
        list(Client("http://127.0.0.1:9").stream([]))


def test_no_recording_is_dropped_in_silence(url, clips, tmp_path):
    (tmp_path / "diary.wav").write_text("dear diary")
    with pytest.raises(ServerError, match=r"1 of 2 recordings could not be read \(diary.wav: .*\)") as caught:
        Client(url).predict([clips[4], tmp_path / "diary.wav"])
    assert [result.source for result in caught.value.results] == [clips[4].name]
    assert list(caught.value.failures) == ["diary.wav"]


def test_what_breaks_the_chunks_is_raised_to_the_reader(url):
    def chunks():
        yield np.zeros(1600, np.float32)
        raise RuntimeError("the microphone was unplugged")

    with pytest.raises(RuntimeError, match="unplugged"):
        list(Client(url).stream(chunks()))


def test_the_token_is_an_argument_or_in_the_environment(clips, monkeypatch):
    with running(Settings(token="correct-horse")) as url:
        with pytest.raises(ServerError, match="token") as caught:
            Client(url).models()
        assert caught.value.status == 401
        assert Client(url, token="correct-horse").models()
        monkeypatch.setenv("AFFEKT_TOKEN", "correct-horse")
        assert Client(url).models() and list(Client(url).stream([]))[-1]["type"] == "summary"


# What stands in docs/serve.md


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", DOCS, re.S | re.M)


SHELL = [block for block in blocks("sh") if "$AFFEKT" in block]


def run(command, folder, url, **options):
    environment = {**os.environ, "AFFEKT": url, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False, **options
    )


def test_there_are_examples_of_each_kind():
    assert len(SHELL) == 6 and len(blocks("python")) == 5 and len(blocks("js")) == 2


@pytest.mark.parametrize("code", SHELL, ids=lambda code: code.split()[0])
def test_the_shell_examples_run(url, folder, code):
    for program in ("bash", *(p for p in ("curl", "ffmpeg") if p in code)):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    done = run(["bash", "-e", "-o", "pipefail", "-c", code], folder, url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_app_of_the_example_has_the_server_below_a_path_of_its_own():
    (code,) = [block for block in blocks("python") if "make_app" in block]
    names = {}
    exec(compile(code, "serve.md", "exec"), names)
    assert "/emotions" in {route.path for route in names["app"].routes}


TALKING = [block for block in blocks("python") if "make_app" not in block]


@pytest.mark.parametrize("code", TALKING, ids=["predict", "job", "stream", "frames"])
def test_the_python_examples_run(url, folder, code):
    assert ELSEWHERE in code
    done = run([sys.executable, "-c", code.replace(ELSEWHERE, url)], folder, url)
    assert done.returncode == 0, done.stderr
    given, model = ("clip.mp4", "face") if "clip.mp4" in code else ("call.wav", "voice")
    assert str(Recognizer(model).analyse(folder / given).summary.label) in done.stdout


@pytest.mark.parametrize("code", blocks("js"), ids=["fetch", "stream"])
def test_the_javascript_examples_run(url, folder, code):
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not installed")
    version = int(
        subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout[1:].split(".")[0]
    )
    if version < (22 if "WebSocket" in code else 18):
        pytest.skip(f"node {version} has no WebSocket or fetch of its own")
    before = (
        'import { readFile } from "node:fs/promises";\nconst AFFEKT = process.env.AFFEKT;\n'
        'const file = await readFile("call.wav");\n'
        "const samples = new Int16Array(file.buffer.slice(file.byteOffset + 44, file.byteOffset + file.length & ~1));\n"
    )
    (folder / "example.mjs").write_text(before + code)
    done = run([node, "example.mjs"], folder, url)
    assert done.returncode == 0, done.stderr
    assert Recognizer().analyse(folder / "call.wav").summary.label in done.stdout


def test_the_table_of_limits_is_that_of_the_code():
    table = DOCS.partition("\n## Limits\n")[2].partition("\n## ")[0]
    cells = dict(re.findall(r"\| `(\w+)` \| ([\d.]+) ", table))
    assert {name: float(number) for name, number in cells.items()} == vars(Limits())


def test_the_addresses_named_exist(url):
    import httpx

    known = httpx.get(f"{url}/openapi.json").json()["paths"]
    for path in re.findall(r"`(?:GET |POST |DELETE )?(/(?:v1|healthz|readyz|metrics)[^`?]*)", DOCS):
        plain_path = path.replace("{id}", "{name}")
        assert plain_path in known or plain_path in ("/v1/stream", "/v1"), path
