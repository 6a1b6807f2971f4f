"""Stores that are busy, and connections that break."""

import json

import pytest

fsspec = pytest.importorskip("fsspec")

from fsspec.implementations.memory import MemoryFileSystem

from affekt.archive import store as store_module
from affekt.archive import work
from affekt.archive.run import run_archive
from affekt.archive.store import open_store
from affekt.errors import InputError
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
    with pytest.raises(OSError, match="503"):
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
    with pytest.raises(InputError, match="holds no recordings"):
        run_archive(["gone://nothing"], str(tmp_path / "out"), OneAfterAnother(), options=OPTIONS, opener=open_stub)
