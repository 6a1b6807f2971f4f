"""Runs: one record of each input, whatever is broken, whatever is killed, however often it is begun again."""

import contextlib
import errno
import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from affekt.archive.engine import Died, map_shards
from affekt.archive.local import Processes
from affekt.archive.records import Origin, decoded, encoded
from affekt.archive.run import ORIGIN, RunOptions, run_archive
from affekt.archive.shards import Shard
from affekt.archive.sources import Input
from affekt.archive.status import status
from affekt.archive.store import LocalStore, locked
from affekt.archive.work import Job, open_model, open_work, part_name
from affekt.errors import InputError, ModelError, StoreError, UnknownName
from affekt.recognize.recognizer import Recognizer
from affekt.write.predictions import record
from tests.archive_stub import OPTIONS, run, write_files

#: Times that something is killed at a random point; set it to 50 for the whole test.
KILLS = int(os.environ.get("AFFEKT_KILLS", "3"))
STUB = Path(__file__).parent / "archive_stub.py"


def records(output) -> list[dict]:
    lines = [line for path in sorted(Path(output).glob("data/*/*.jsonl")) for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def names(output) -> list[str]:
    return sorted(Path(one["source"]).stem for one in records(output))


def errors(output) -> dict[str, str]:
    return {Path(one["source"]).stem: one["error"]["kind"] for one in records(output) if one["error"]}


def run_model(sources, output, **options):
    options = RunOptions(**{"model": "voice-small", "form": "jsonl", **options})
    run_archive([str(s) for s in sources], str(output), Processes(1), options=options)


def test_records_are_those_of_the_recogniser_and_a_long_file_cut_in_pieces_has_the_record_of_the_whole(
    tmp_path, conversation
):
    gap = np.zeros(9_000, np.float32)
    long = np.concatenate([conversation, gap, conversation[::-1], gap, conversation])
    soundfile.write(tmp_path / "call.wav", np.column_stack([long, long[::-1]]), 16_000)
    soundfile.write(tmp_path / "short.flac", conversation, 44_100)
    told = []
    options = RunOptions(model="voice-small", form="jsonl", shard=20, channel="each")
    run_archive([str(tmp_path)], str(tmp_path / "out"), Processes(1), options=options, on_progress=told.append)
    found = {Path(one["source"]).name: one for one in records(tmp_path / "out")}
    recognizer = Recognizer("voice-small").reading(channel="each")
    for name in ("call.wav", "short.flac"):
        expected = record(recognizer.analyse(str(tmp_path / name)))
        assert {key: found[name][key] for key in expected} == expected
    assert len(found) == len(records(tmp_path / "out")) == 2
    assert told[-1].done == told[-1].shards > 4
    assert not list((tmp_path / "out/pieces").iterdir())


def test_a_manifest_gives_stretches_channels_and_speakers(tmp_path, conversation):
    soundfile.write(tmp_path / "call.wav", np.column_stack([conversation, 0 * conversation]), 16_000)
    (tmp_path / "m.csv").write_text("uri,start,end,channel,speaker\ncall.wav,2,12,left,Ann\ncall.wav,2,12,right,\n")
    run_model([tmp_path / "m.csv"], tmp_path / "out")
    left, right = records(tmp_path / "out")
    assert (left["speaker"], left["start"], left["end"], left["channel"]) == ("Ann", 2, 12, "left")
    assert left["segments"] and left["duration"] == 10 and not right["segments"] and right["speaker"] is None


def test_what_is_broken_or_kills_its_worker_is_set_aside_and_the_rest_is_done(tmp_path):
    files = write_files(tmp_path / "in", 12, n003="broken", n005="deadly", n008="deadly", n010="strange")
    (tmp_path / "m.csv").write_text("uri\n" + "".join(f"in/n{i:03d}.wav\n" for i in range(13)))
    run([tmp_path / "m.csv"], tmp_path / "out", workers=2, options=replace(OPTIONS, allow_missing=True))
    assert names(tmp_path / "out") == [f"n{i:03d}" for i in range(13)]
    kinds = {"n003": "unreadable", "n005": "died", "n008": "died", "n010": "fault", "n012": "missing"}
    assert errors(tmp_path / "out") == kinds
    (why,) = [one["error"]["reason"] for one in records(tmp_path / "out") if "n005" in one["source"]]
    assert why == "the worker died of it 3 times (signal 9, SIGKILL)."
    counts = status(str(tmp_path / "out"))
    assert (counts.records, counts.inputs) == (13, 13)
    assert counts.failed == {"died": 2, "unreadable": 1, "missing": 1, "fault": 1}
    # What was mended is tried again when asked for, and only then.
    write_files(files, 13)
    run([], tmp_path / "out")
    assert len(errors(tmp_path / "out")) == 5
    run([], tmp_path / "out", options=replace(OPTIONS, retry_failed=True))
    assert errors(tmp_path / "out") == {} and len(names(tmp_path / "out")) == 13


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer of the system")
def test_a_recording_that_never_comes_to_an_end_is_set_aside(tmp_path):
    write_files(tmp_path / "in", 4, n001="endless")
    run([tmp_path / "in"], tmp_path / "out", options=replace(OPTIONS, tries=2, limit=0.2))
    assert names(tmp_path / "out") == [f"n{i:03d}" for i in range(4)]
    (one,) = [one for one in records(tmp_path / "out") if one["error"]]
    assert one["error"] == {
        "kind": "timeout",
        "reason": "it took longer than it may, 2 times. Where it only is slow: a larger --limit, --retry-failed.",
    }
    with pytest.raises(InputError, match="limit is 0 s; give the seconds"):
        RunOptions(limit=0)


def test_a_piece_that_is_broken_is_one_failure_and_can_be_tried_again(tmp_path):
    files = write_files(tmp_path / "in", 1, n000="broken")
    (tmp_path / "m.csv").write_text("uri,end\nin/n000.wav,100\n")
    run([tmp_path / "m.csv"], tmp_path / "out")
    assert errors(tmp_path / "out") == {"n000": "unreadable"} and len(records(tmp_path / "out")) == 1
    write_files(files, 1)
    run([], tmp_path / "out", options=replace(OPTIONS, retry_failed=True))
    (one,) = records(tmp_path / "out")
    assert one["error"] is None and len(one["segments"]) == 5  # of the stub, the same in each piece


def test_what_came_to_the_folder_later_is_added(tmp_path):
    write_files(tmp_path / "in", 3)
    run([tmp_path / "in"], tmp_path / "out")
    write_files(tmp_path / "in", 5)
    run([tmp_path / "in"], tmp_path / "out")
    assert names(tmp_path / "out") == [f"n{i:03d}" for i in range(5)]
    run([tmp_path / "in", tmp_path / "in/n001.wav"], tmp_path / "out")
    assert len(records(tmp_path / "out")) == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "voice"}, "model voice-small, and now voice"),
        ({"form": "parquet"}, "form jsonl, and now parquet"),
        ({"threshold": 0.9}, "threshold 0.4.*, and now 0.9"),
        ({"labels": "angry,sad"}, "labels angry, calm.*, and now angry, sad"),
        ({"channel": "left"}, "channel mix, and now left"),
    ],
)
@pytest.mark.filterwarnings("ignore::affekt.errors.LossWarning")
def test_other_models_and_options_are_not_mixed(tmp_path, changes, words):
    pytest.importorskip("pyarrow")
    write_files(tmp_path / "in", 1)
    run([tmp_path / "in"], tmp_path / "out")
    with pytest.raises(StoreError, match=f"{words}.* Results are not mixed: .* another --output"):
        run([tmp_path / "in"], tmp_path / "out", options=replace(OPTIONS, **changes))


def test_outputs_of_another_version_or_that_are_none_are_refused(tmp_path):
    write_files(tmp_path / "in", 1)
    run([tmp_path / "in"], tmp_path / "out")
    origin = tmp_path / "out" / ORIGIN
    plain = json.loads(origin.read_text())
    origin.write_text(json.dumps({**plain, "version": "0.0.1"}))
    with pytest.raises(StoreError, match=r"version 0.0.1, and now"):
        run([], tmp_path / "out")
    origin.write_text(json.dumps({**plain, "schema": "affekt.archive/9"}))
    with pytest.raises(StoreError, match="is not what this affekt writes"):
        run([], tmp_path / "out")
    with pytest.raises(StoreError, match="is a file"):
        run([], origin)
    with pytest.raises(StoreError, match="is no output of"):
        status(str(tmp_path / "in"))


def test_a_wrong_manifest_leaves_nothing_planned(tmp_path):
    write_files(tmp_path / "in", 2)
    (tmp_path / "m.csv").write_text("uri\nin/n000.wav\nin/n007.wav\n")
    with pytest.raises(InputError, match="1 row names files that are not there"):
        run([tmp_path / "m.csv"], tmp_path / "out")
    assert not list((tmp_path / "out").glob("plan/*"))
    with pytest.raises(InputError, match="nothing is planned there yet"):
        run([], tmp_path / "out")


def test_models_of_other_things_than_sound_and_options_out_of_range_are_refused(tmp_path):
    with pytest.raises(ModelError, match="face is a model of face; archives are of sound"):
        run([tmp_path], tmp_path / "out", options=RunOptions(model="face", form="jsonl"))
    with pytest.raises(InputError, match="shard is 1 s"):
        RunOptions(shard=1)
    with pytest.raises(UnknownName, match="did you mean 'parquet'"):
        RunOptions(form="parket")


def test_two_runs_do_not_write_to_one_folder(tmp_path):
    write_files(tmp_path / "in", 1)
    with locked(LocalStore(str(tmp_path / "out"))), pytest.raises(StoreError, match="another `affekt archive`"):
        run([tmp_path / "in"], tmp_path / "out")


class FullDisk:
    """An engine whose worker finds the disk full at its second shard."""

    workers = 1

    def __init__(self):
        self.shards, self.work = [], None

    def open(self, fn):
        self.work = fn()

    def submit(self, shard):
        self.shards.append(shard)

    def wait(self):
        from affekt.archive.engine import Done

        if len(self.shards) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/out/data")
        return [Done(self.shards[-1], self.work(self.shards[-1], lambda index, seconds: None))]

    def close(self):
        pass


def test_a_full_disk_says_how_to_go_on_and_what_is_committed_stays(tmp_path):
    from tests.archive_stub import open_stub

    write_files(tmp_path / "in", 45)
    with pytest.raises(StoreError, match=r"/out/data: the disk is full. What is committed stays; make room"):
        run_archive([str(tmp_path / "in")], str(tmp_path / "out"), FullDisk(), options=OPTIONS, opener=open_stub)
    assert len(records(tmp_path / "out")) == 20
    run([], tmp_path / "out")
    assert len(set(names(tmp_path / "out"))) == len(records(tmp_path / "out")) == 45


def die_at_once():
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_that_die_before_they_begin_end_the_run():
    with pytest.raises(StoreError, match=r"die before their first recording \(signal 9, SIGKILL, 2 times\)"):
        list(map_shards(die_at_once, [Shard(0, (Input("a"),), 1)], Processes(1), tries=2))


def refuse_to_open():
    raise ModelError("the model is wrong.")


def test_what_a_worker_cannot_open_is_said():
    with pytest.raises(StoreError, match="the model is wrong"):
        list(map_shards(refuse_to_open, [Shard(0, (Input("a"),), 1)], Processes(1)))


class Fragile:
    """An engine without processes, whose workers die at given inputs; it keeps what was asked of it."""

    def __init__(self, deadly, workers=3):
        self.workers, self.deadly, self.log, self.running = workers, deadly, [], []

    def open(self, fn):
        self.work = fn()

    def submit(self, shard):
        self.running.append(shard)
        assert len(self.running) <= self.workers
        self.log.append([one.number for one in self.running])

    def wait(self):
        from affekt.archive.engine import Done

        shard = self.running.pop(0)
        for index in range(len(shard.inputs)):
            if (shard.number, index) in self.deadly and index not in shard.set_aside:
                return [Died(shard, index, "signal 9")]
        return [Done(shard, {"shard": shard.number, "set_aside": len(shard.set_aside)})]

    def close(self):
        self.log.append("closed")


def test_a_shard_whose_worker_died_is_tried_again_alone():
    shards = (Shard(number, (Input("a"), Input("b")), 1) for number in range(6))
    executor = Fragile({(1, 0), (1, 1)})
    states = list(map_shards(lambda: None, shards, executor, tries=2))
    assert sorted(state["shard"] for state in states) == list(range(6))
    assert {state["shard"]: state["set_aside"] for state in states}[1] == 2
    assert [line for line in executor.log if line[-1] == 1] == [[0, 1], [1], [1], [1], [1]]
    assert executor.log[-1] == "closed"


def test_records_come_back_from_both_formats(tmp_path, conversation):
    pytest.importorskip("pyarrow")
    soundfile.write(tmp_path / "a.wav", np.column_stack([conversation, conversation[::-1]]), 16_000)
    origin = Origin("1", "voice-small", "12", {}, 0.0, "each", "jsonl")
    origin = replace(origin, labels={label: (label,) for label in Recognizer("voice-small").labels})
    store = LocalStore(str(tmp_path / "out"))
    shard = Shard(0, (Input(str(tmp_path / "a.wav"), speaker="Ann"), Input("/nowhere.wav")), 1)
    found = {}
    for form in ("jsonl", "parquet"):
        job = Job(store.address, replace(origin, form=form), "voice-small")
        open_work(job, open_model)(shard, lambda index, seconds: None)
        content = store.read(part_name(0, form))
        found[form] = decoded(content, job.origin)
        assert decoded(encoded(found[form], job.origin), job.origin) == found[form]
    for key in ("source", "speaker", "duration", "error"):
        assert [one.get(key) for one in found["jsonl"]] == [one[key] for one in found["parquet"]]
    assert list(found["parquet"][0]["summaries"]) == list(found["jsonl"][0]["summaries"]) == ["left", "right"]
    line, row = found["jsonl"][0]["segments"][0], found["parquet"][0]["segments"][0]
    assert {key: row[key] for key in line if key != "modality"} == {k: v for k, v in line.items() if k != "modality"}


def test_a_part_says_in_its_footer_what_made_it(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_files(tmp_path / "in", 1)
    run([tmp_path / "in"], tmp_path / "out", options=replace(OPTIONS, form="parquet"))
    (path,) = Path(tmp_path / "out").glob("data/*/*.parquet")
    footer = {k.decode(): v.decode() for k, v in parquet.read_schema(path).metadata.items()}
    assert footer["affekt.schema"] == "affekt.archive/1" and footer["affekt.model"] == "voice-small"
    assert len(footer["affekt.sha256"]) == 64
    column = parquet.ParquetFile(path).metadata.row_group(0).column(0)
    assert column.compression == "ZSTD" and column.statistics.has_min_max


def test_an_output_may_lie_in_an_object_store(tmp_path):
    pytest.importorskip("fsspec")
    write_files(tmp_path / "in", 30)
    address = f"local://{tmp_path}/out"
    run([tmp_path / "in"], address)
    run([f"local://{tmp_path}/in"], address)  # other addresses are other inputs
    assert len(records(tmp_path / "out")) == 60 and status(address).records == 60


@pytest.mark.timeout(240 + 60 * KILLS)
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_killed_at_random_points_it_goes_on_without_repeats_or_loss(tmp_path):
    rng, count = random.Random(7), 60
    files = write_files(tmp_path / "in", count, n007="broken")
    environment = {**os.environ, "STUB_SECONDS": "0.01"}
    command = [sys.executable, str(STUB), str(files), str(tmp_path / "out")]
    for kill in range(KILLS):
        driver = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(rng.uniform(0.2, 2.5))
        children = _children(driver.pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(rng.choice(children) if children and kill % 2 else driver.pid, signal.SIGKILL)
        # Where a worker was killed, the run replaces it and ends by itself.
        assert driver.wait(60) in (0, -signal.SIGKILL)
        found = names(tmp_path / "out")
        assert len(set(found)) == len(found)
        if len(found) == count:  # begin again, with more
            count += 40
            write_files(files, count, n007="broken")
    subprocess.run(command, env=environment, check=True, timeout=60)
    assert names(tmp_path / "out") == [f"n{i:03d}" for i in range(count)]
    assert errors(tmp_path / "out") == {"n007": "unreadable"}
    assert not list(tmp_path.glob("out/data/*/.*"))


def _children(pid: int) -> list[int]:
    try:
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
