"""Erasing somebody's records: everywhere, for good, and nobody else's."""

from dataclasses import replace

import pytest

from affekt.archive.forget import Forgotten, forget
from affekt.archive.status import status
from affekt.archive.store import LocalStore, locked
from affekt.errors import InputError, StoreError
from tests.archive_stub import OPTIONS, run, write_files
from tests.test_archive_run import FullDisk, names, records


@pytest.fixture
def manifest(tmp_path):
    write_files(tmp_path / "in", 24)
    rows = [f"in/n{i:03d}.wav,,,{'Ann' if i % 3 == 0 else 'Bob'}" for i in range(24)]
    # Ann's and Bob's turns in one file, and a long call that becomes pieces.
    rows += ["in/n001.wav,0,5,Ann", "in/n001.wav,5,9,Bob", "in/n002.wav,0,90,Ann"]
    path = tmp_path / "m.csv"
    path.write_text("uri,start,end,speaker\n" + "\n".join(rows) + "\n")
    return path


def all_bytes(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_speaker_is_erased_from_parts_and_plan_and_does_not_come_back(manifest, tmp_path, form):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    out, options = tmp_path / "out", replace(OPTIONS, form=form)
    run([manifest], out, options=options)
    before = status(str(out))
    assert (before.records, before.inputs) == (27, 27)
    assert forget(str(out), speakers=["Ann"]) == Forgotten(10, 0)
    after = status(str(out))
    assert (after.records, after.inputs, after.shards) == (17, 17, before.shards)
    assert b"Ann" not in all_bytes(out)
    run([manifest], out, options=options)
    assert status(str(out)).records == 17
    if form == "jsonl":
        assert {one["speaker"] for one in records(out)} == {"Bob"} and len(records(out)) == 17
        assert b"n003" not in all_bytes(out)


def test_what_is_not_worked_on_yet_is_left_out(manifest, tmp_path):
    from affekt.archive.run import run_archive
    from tests.archive_stub import open_stub

    out = tmp_path / "out"
    with pytest.raises(StoreError, match="disk is full"):
        run_archive([str(manifest)], str(out), FullDisk(), options=OPTIONS, opener=open_stub)
    committed = {name for name in names(out) if int(name[1:]) % 3 == 0}
    found = forget(str(out), speakers=["Ann"])
    assert found == Forgotten(len(committed), 10 - len(committed)) and found.planned
    run([], out)
    assert {one["speaker"] for one in records(out)} == {"Bob"} and len(records(out)) == 17
    # New recordings are numbered on, though the last shards have nothing in them.
    write_files(tmp_path / "more", 3)
    run([tmp_path / "more"], out)
    assert len(records(out)) == 20


def test_a_recording_is_erased_by_its_path_or_address(manifest, tmp_path, monkeypatch):
    out = tmp_path / "out"
    run([manifest], out)
    monkeypatch.chdir(tmp_path)
    assert forget(str(out), uris=["in/n001.wav", str(tmp_path / "in/n004.wav")]) == Forgotten(4, 0)
    assert not {"n001", "n004"} & set(names(out))
    run([manifest], out)
    assert not {"n001", "n004"} & set(names(out)) and len(names(out)) == 23


def test_what_cannot_be_forgotten_is_said(manifest, tmp_path):
    out = tmp_path / "out"
    run([manifest], out)
    with pytest.raises(InputError, match="give --speaker NAME or --uri ADDRESS"):
        forget(str(out))
    with pytest.raises(InputError, match="knows no Cid"):
        forget(str(out), speakers=["Cid"])
    with pytest.raises(StoreError, match="is no output of"):
        forget(str(tmp_path / "in"), speakers=["Ann"])
    with locked(LocalStore(str(out))), pytest.raises(StoreError, match="another `affekt archive`"):
        forget(str(out), speakers=["Ann"])
