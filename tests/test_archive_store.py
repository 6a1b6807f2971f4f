"""Stores that are busy, and connections that break."""

import http.server
import json
import os
import re
import threading

import numpy as np
import pytest
import soundfile

fsspec = pytest.importorskip("fsspec")

from fsspec.implementations.memory import MemoryFileSystem

from affekt.archive import store as store_module
from affekt.archive import work
from affekt.archive.run import run_archive
from affekt.archive.shards import cut
from affekt.archive.sources import Input, inputs
from affekt.archive.status import status
from affekt.archive.store import open_store
from affekt.errors import InputError, StoreError
from tests.archive_stub import OPTIONS, open_stub, write_files
from tests.test_archive_run import FullDisk


class Busy(MemoryFileSystem):
    """A store that answers 503 to so many of the next calls."""

    protocol = "busy"
    cachable = False
    refusals = 0

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace(f"{cls.protocol}://", "/"))

    def _answer(self):
        if Busy.refusals:
            Busy.refusals -= 1
            raise OSError("503 SlowDown")

    def pipe_file(self, *arguments, **options):
        self._answer()
        return super().pipe_file(*arguments, **options)

    def get_file(self, *arguments, **options):
        self._answer()
        return super().get_file(*arguments, **options)


class OneAfterAnother(FullDisk):
    """An engine in this process, whose disk is never full."""

    def wait(self):
        self.shards = self.shards[-1:]
        return super().wait()


@pytest.fixture
def busy(monkeypatch):
    fsspec.register_implementation("busy", Busy, clobber=True)
    monkeypatch.setattr(store_module, "_PAUSES", (0.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr(work, "PAUSE", 0.0)
    Busy.store.clear()
    Busy.refusals = 0
    return Busy()


def test_a_store_that_is_busy_is_asked_again_and_not_for_ever(busy):
    store = open_store("busy://out")
    Busy.refusals = 4
    store.write("a", b"1")
    assert store.read("a") == b"1"
    Busy.refusals = 5
    assert store.again == 4
    with pytest.raises(StoreError, match="does not answer as it should .OSError: 503 SlowDown.* run the same command"):
        store.write("a", b"2")
    assert store.read("a") == b"1"


def test_recordings_and_records_may_both_lie_in_a_store_that_is_busy(busy, tmp_path):
    for path in write_files(tmp_path / "in", 3).iterdir():
        busy.pipe_file(f"/in/{path.name}", path.read_bytes())

    def answers(output):
        run_archive(["busy://in"], output, OneAfterAnother(), options=OPTIONS, opener=open_stub)
        content = open_store(output).read("data/00000/part-00000000.jsonl")
        return [json.loads(line)["error"] for line in content.splitlines()]

    Busy.refusals = 2
    assert answers("busy://one") == [None] * 3
    found = [error for error in answers("busy://two") if error]
    assert found == []


def test_a_recording_that_never_comes_is_one_failure(busy, tmp_path):
    class Gone(Busy):
        protocol = "gone"

        def get_file(self, path, *arguments, **options):
            if "n001" in path:
                raise OSError("connection reset")
            return super().get_file(path, *arguments, **options)

    fsspec.register_implementation("gone", Gone, clobber=True)
    for path in write_files(tmp_path / "in", 3).iterdir():
        busy.pipe_file(f"/in/{path.name}", path.read_bytes())
    run_archive(["gone://in"], str(tmp_path / "out"), OneAfterAnother(), options=OPTIONS, opener=open_stub)
    lines = (tmp_path / "out/data/00000/part-00000000.jsonl").read_text().splitlines()
    assert [json.loads(line)["error"] for line in lines] == [
        None,
        {"kind": "connection", "reason": "connection reset."},
        None,
    ]
    with pytest.raises(InputError, match="no such bucket, folder or file"):
        run_archive(["gone://nothing"], str(tmp_path / "out"), OneAfterAnother(), options=OPTIONS, opener=open_stub)


class Faulty:
    """A server's application whose next answers are 503, or a connection that is cut, or a refusal."""

    def __init__(self, app):
        self.app, self.faults, self.asked = app, [], []

    def __call__(self, environ, start_response):
        self.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        fault = self.faults.pop(0) if self.faults else None
        if fault == "drop":
            environ["werkzeug.socket"].shutdown(2)
            start_response("200 OK", [])
            return []
        if fault:
            status, code = fault
            start_response(status, [("Content-Type", "application/xml")])
            words = {
                "RequestTimeTooSkewed": "The difference between the request time and the current time is too large"
            }
            return (
                []
                if environ["REQUEST_METHOD"] == "HEAD"
                else [f"<Error><Code>{code}</Code><Message>{words.get(code, code)}</Message></Error>".encode()]
            )
        return self.app(environ, start_response)


BUSY = ("503 Slow Down", "SlowDown")
SKEWED = ("403 Forbidden", "RequestTimeTooSkewed")


@pytest.fixture(scope="module")
def moto():
    """S3 on loopback; what it holds stays until the module is over."""
    s3fs, server = pytest.importorskip("s3fs"), pytest.importorskip("moto.server")
    serving = pytest.importorskip("werkzeug.serving")
    app = Faulty(server.DomainDispatcherApplication(server.create_backend_app))
    quiet = type("Quiet", (serving.WSGIRequestHandler,), {"log": lambda *_: None})
    found = serving.make_server("127.0.0.1", 0, app, threaded=True, request_handler=quiet)
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    app.url, app.system = f"http://127.0.0.1:{found.server_port}", s3fs.S3FileSystem
    yield app
    found.shutdown()
    thread.join()


@pytest.fixture
def s3(moto, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": moto.url,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(store_module, "_PAUSES", (0.0,) * 4)
    monkeypatch.setattr(work, "PAUSE", 0.0)
    # One try of s3fs for each of ours: its own pauses would be waited for.
    monkeypatch.setattr(moto.system, "retries", 1)
    moto.system.clear_instance_cache()
    moto.faults.clear()
    system = moto.system()
    for bucket in ("calls", "results"):
        if not system.exists(bucket):
            system.mkdir(bucket)
    yield moto
    moto.system.clear_instance_cache()


def put_files(s3, folder, tmp_path, count=3, **special):
    for path in write_files(tmp_path / folder, count, **special).iterdir():
        s3.system().pipe_file(f"calls/{folder}/{path.name}", path.read_bytes())


def work_on(source, output):
    """Run in this process; the errors of the records by source."""
    run_archive([source], output, OneAfterAnother(), options=OPTIONS, opener=open_stub)
    content = open_store(output).read("data/00000/part-00000000.jsonl")
    return {one["source"]: one["error"] for one in map(json.loads, content.splitlines())}


def test_from_a_bucket_into_a_bucket(s3, tmp_path):
    put_files(s3, "plain", tmp_path, n001="broken")
    found = work_on("s3://calls/plain", "s3://results/plain")
    assert {source: error and error["kind"] for source, error in found.items()} == {
        "s3://calls/plain/n000.wav": None,
        "s3://calls/plain/n001.wav": "unreadable",
        "s3://calls/plain/n002.wav": None,
    }
    assert (counts := status("s3://results/plain")).records == 3 and counts.again == 2  # the broken one
    before = len(s3.asked)
    assert work_on("s3://calls/plain", "s3://results/plain") == found
    assert not [path for method, path in s3.asked[before:] if method == "GET" and path.endswith(".wav")]


def test_a_bucket_that_throttles_or_drops_connections_is_asked_again_and_that_is_said(s3, tmp_path):
    put_files(s3, "busy", tmp_path)
    system, analysed = s3.system(), []

    def open_busy(job):
        analyse = open_stub(job)

        def with_faults(path, one, piece):
            analysed.append(one.uri)
            # For the next recording, or for the commit after the last.
            s3.faults += [BUSY, "drop"] if len(analysed) < 3 else [BUSY, BUSY, "drop"]
            return analyse(path, one, piece)

        return with_faults

    run_archive(["s3://calls/busy"], "s3://results/busy", OneAfterAnother(), options=OPTIONS, opener=open_busy)
    counts = status("s3://results/busy")
    # Some of the connections that are cut are opened again below.
    assert (counts.records, counts.failed) == (3, {}) and 4 <= counts.again <= 7 and len(analysed) == 3
    assert f"asked_again {counts.again}" in counts.prometheus()
    assert not s3.faults and len(system.find("results/busy/data")) == 1


def test_a_plan_that_cannot_be_listed_is_not_made_again(s3, tmp_path):
    put_files(s3, "once", tmp_path)
    work_on("s3://calls/once", "s3://results/once")
    store = open_store("s3://results/once")
    s3.faults += [BUSY, BUSY, "drop"]
    assert list(store.names("plan")) == ["plan/0000.jsonl"] and store.again >= 2
    s3.faults += [BUSY] * 5
    with pytest.raises(
        StoreError, match="s3://results/once: does not answer as it should .*run the same command again"
    ):
        list(store.names("plan"))


def test_who_has_no_access_is_told_at_once(s3, tmp_path, monkeypatch):
    put_files(s3, "mine", tmp_path)
    with pytest.raises(InputError, match="s3://nowhere: no such bucket, folder or file"):
        list(inputs(["s3://nowhere"]))
    # Whatever was mistyped, no bucket is made.
    with pytest.raises(StoreError, match="s3://reslts/out: there is no such bucket or folder .*Correct the address"):
        work_on("s3://calls/mine", "s3://reslts/out")
    assert not s3.system().exists("reslts")
    s3.faults += [SKEWED]
    with pytest.raises(StoreError, match="no access .*difference between the request time and the current time"):
        list(inputs(["s3://calls/mine"]))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    s3.system.clear_instance_cache()
    (tmp_path / "m.csv").write_text("uri\ns3://calls/mine/n000.wav\n")
    missing = "no access .*Unable to locate credentials.*AWS_ACCESS_KEY_ID"
    for source in ("s3://calls/mine", str(tmp_path / "m.csv"), "s3://calls/m.csv"):
        with pytest.raises(StoreError, match=missing):
            list(inputs([source]))
    with pytest.raises(StoreError, match=f"s3://results/mine: {missing}"):
        work_on(str(tmp_path / "mine"), "s3://results/mine")


def test_a_manifest_of_addresses_says_what_is_not_there_and_a_long_file_is_cut(s3, tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros(8_000 * 100), 8_000, subtype="ULAW")
    s3.system().pipe_file("calls/long/long.wav", (tmp_path / "long.wav").read_bytes())
    s3.system().pipe_file("calls/long/short.mp3", b"x" * 200_000)
    (tmp_path / "m.csv").write_text(
        "uri,end\ns3://calls/long/long.wav,\ns3://calls/long/no.wav,\ns3://calls/no.wav,9\n"
    )
    with pytest.raises(InputError, match="1 row names files that are not there .line 3: s3://calls/long/no.wav"):
        list(inputs([str(tmp_path / "m.csv")]))
    first, *others = inputs([str(tmp_path / "m.csv")], allow_missing=True)
    assert first.size == (tmp_path / "long.wav").stat().st_size and [one.size for one in others] == [None, None]
    before = len(s3.asked)
    shards = list(cut([first], seconds=40))
    assert [shard.piece and (shard.piece.start, shard.piece.end) for shard in shards] == [(0, 40), (40, None)]
    assert len(s3.asked) - before <= 3
    # By its size too short to be asked about.
    before = len(s3.asked)
    assert len(list(cut([Input("s3://calls/long/short.mp3", size=200_000)], seconds=100))) == 1
    assert len(s3.asked) == before


class Dropping(http.server.BaseHTTPRequestHandler):
    """Sends half of what it promised to the first who ask."""

    drops = 2

    def do_GET(self):
        body = b"fine" * 50_000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            cut = Dropping.drops > 0
            Dropping.drops -= cut
            self.wfile.write(body[: len(body) // 2] if cut else body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def test_a_server_that_drops_connections_is_asked_again(busy, tmp_path):
    pytest.importorskip("aiohttp")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Dropping)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}/n000.wav"
    try:
        for drops, kind in ((2, None), (9, "connection")):
            Dropping.drops, output = drops, str(tmp_path / f"out{drops}")
            error = work_on(address, f"local://{output}")[address]
            assert (error and error["kind"]) == kind and status(output).again in (1, 2)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    with pytest.raises(InputError, match=re.escape(address) + ": no such .*Cannot connect"):
        list(inputs([address]))
