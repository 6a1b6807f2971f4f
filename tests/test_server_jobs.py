"""Jobs and voice references in a store: they outlive the server, its processes share them, and they go in time."""

import io
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile

for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "httpx"):
    pytest.importorskip(package, reason="the server needs the extra: pip install '.[serve]'")

import httpx
from click.testing import CliRunner

from affekt.cli import main
from affekt.errors import InputError
from affekt.server.database import ARRIVAL, ATTEMPTS, DEAD, NAME, Database
from affekt.server.refusals import Refusal
from affekt.server.serving import running
from affekt.server.settings import Limits, Settings
from affekt.server.uploads import Upload
from tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore::affekt.errors.AudioWarning", "ignore::affekt.errors.LossWarning")


@contextmanager
def serving(folder, **settings):
    with running(Settings(store=folder, **settings)) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def parts(*paths):
    return [("files", (path.name, path.read_bytes())) for path in paths]


def sound(signal, rate=16_000):
    file = io.BytesIO()
    soundfile.write(file, signal, rate, format="WAV")
    return file.getvalue()


def neutral(clips):
    return sound(np.concatenate([soundfile.read(path, dtype="float32")[0] for path in clips[:4]]), 48_000)


def finished(server, name):
    """The job that is over."""
    return until(lambda: (job := server.get(f"/v1/jobs/{name}").json())["state"] not in ("waiting", "running") and job)


def waiting(database, *paths, client="a", **fields):
    """A job that nobody works on yet; its name."""
    request = json.dumps({"fields": fields, "sources": [path.name for path in paths]})
    uploads = [Upload(path.name, path.open("rb"), path.stat().st_size) for path in paths]
    name = database.add_job(client, request, uploads, room=lambda held: [])
    for upload in uploads:
        upload.close()
    return name


@contextmanager
def opened(folder, **options):
    database = Database(folder, **options)
    yield database
    database.close()


@pytest.fixture
def clock():
    """Seconds that a test sets."""

    def now():
        return now.seconds

    now.seconds = 1e9
    return now


def files(folder):
    return sorted(path.name for path in folder.glob("*.waiting"))


def test_a_job_and_a_reference_survive_a_restart(clips, tmp_path):
    with serving(tmp_path) as server:
        name = server.post("/v1/jobs", files=parts(*clips[:2])).json()["job"]
        before = finished(server, name)
        assert before["results"] == server.post("/v1/predict", files=parts(*clips[:2])).json()["results"]
        reference = server.post("/v1/references", files={"file": ("me.wav", neutral(clips))}).json()["reference"]
        known = server.post("/v1/predict", files=parts(clips[0]), data={"reference": reference}).json()
        assert known["results"][0]["baseline"] == "neutral"
    with serving(tmp_path) as server:
        assert server.get(f"/v1/jobs/{name}").json() == before
        again = server.post("/v1/predict", files=parts(clips[0]), data={"reference": reference}).json()
        assert again == known


def test_a_stored_reference_is_as_good_as_one_in_memory(clips, tmp_path):
    answers = []
    for settings in (Settings(), Settings(store=tmp_path)):
        with running(settings) as url, httpx.Client(base_url=url, timeout=60) as server:
            reference = server.post("/v1/references", files={"file": ("me.wav", neutral(clips))}).json()["reference"]
            answers.append(server.post("/v1/predict", files=parts(clips[0]), data={"reference": reference}).json())
    assert answers[0] == answers[1] and answers[0]["results"][0]["baseline"] == "neutral"


def test_what_waited_when_the_server_ended_is_taken_up(clips, tmp_path):
    with opened(tmp_path) as database:
        name = waiting(database, clips[0], format="csv")
    with serving(tmp_path) as server:
        job = finished(server, name)
        assert job["text"] == server.post("/v1/predict", files=parts(clips[0]), data={"format": "csv"}).text


def test_what_a_dead_process_worked_on_is_begun_again_and_ends_with_the_same_result(clips, tmp_path, clock):
    clock.seconds = time.time() - 2 * DEAD
    with opened(tmp_path, clock=clock) as database:
        name = waiting(database, *clips[:2])
        assert database.claim().name == name
    with serving(tmp_path) as server:
        job = finished(server, name)
        assert job["results"] == server.post("/v1/predict", files=parts(*clips[:2])).json()["results"]
    assert files(tmp_path) == []


def test_a_server_that_is_stopped_puts_its_job_back_and_this_is_no_attempt(tmp_path, conversation):
    with serving(tmp_path, threads=1) as server:
        name = server.post("/v1/jobs", files={"files": ("long.wav", sound(np.tile(conversation, 20)))}).json()["job"]
        until(lambda: server.get(f"/v1/jobs/{name}").json()["progress"])
    with sqlite3.connect(tmp_path / NAME) as database:
        assert database.execute("SELECT name, state, attempts FROM jobs").fetchall() == [(name, "waiting", 0)]
    database.close()
    assert files(tmp_path) == [f"job-{name}-0.waiting"]


def test_a_job_that_kills_its_process_again_and_again_fails_and_says_so(clips, tmp_path, clock):
    with opened(tmp_path, clock=clock) as database:
        name = waiting(database, clips[0])
        for _ in range(ATTEMPTS):
            assert database.claim().name == name
            clock.seconds += DEAD + 1
            database.beat({}, kept=60)
        assert database.claim() is None
        job = database.job(name, kept=60)
        assert job.state == "failed" and "killed 3 times" in json.loads(job.outcome)["reason"]
        assert files(tmp_path) == []


def test_whoever_was_taken_for_dead_has_lost_the_job_and_cannot_end_it(clips, tmp_path, clock):
    with opened(tmp_path, clock=clock) as database, opened(tmp_path, clock=clock) as other:
        name = waiting(database, clips[0])
        slow = database.claim().claim
        clock.seconds += DEAD + 1
        assert other.beat({}, kept=60) == set()
        quick = other.claim().claim
        assert database.beat({slow: 0.5}, kept=60) == {slow} and other.beat({quick: 0.1}, kept=60) == set()
        database.finish(slow, "done", '{"by": "slow"}')
        assert database.job(name, kept=60).state == "running"
        other.finish(quick, "done", '{"by": "quick"}')
        database.release(slow)
        assert database.job(name, kept=60)[1:] == ("done", 0.1, '{"by": "quick"}')


def test_two_claim_a_job_and_one_gets_it(clips, tmp_path):
    with opened(tmp_path) as database, opened(tmp_path) as other:
        names = [waiting(database, clips[0]) for _ in range(2)]
        assert [each.claim().name for each in (other, database)] == names  # whoever waited longest is first
        assert database.claim() is other.claim() is None


def test_two_servers_share_jobs_and_references(clips, tmp_path):
    with serving(tmp_path) as one, serving(tmp_path) as other:
        name = one.post("/v1/jobs", files=parts(clips[0])).json()["job"]
        assert finished(other, name) == one.get(f"/v1/jobs/{name}").json()
        reference = one.post("/v1/references", files={"file": ("me.wav", neutral(clips))}).json()["reference"]
        known = other.post("/v1/predict", files=parts(clips[0]), data={"reference": reference}).json()
        assert known["results"][0]["baseline"] == "neutral"
        assert other.delete(f"/v1/references/{reference}").status_code == 204
        assert one.delete(f"/v1/references/{reference}").status_code == 404
        refused = one.post("/v1/predict", files=parts(clips[0]), data={"reference": reference})
        assert refused.status_code == 422 and "deleted" in refused.json()["reason"]
        assert other.delete(f"/v1/jobs/{name}").status_code == 204
        assert one.get(f"/v1/jobs/{name}").status_code == one.delete(f"/v1/jobs/{name}").status_code == 404


def test_a_job_that_another_server_works_on_can_be_stopped(tmp_path, conversation):
    long = {"files": ("long.wav", sound(np.tile(conversation, 20)))}
    with serving(tmp_path, threads=1, limits=Limits(jobs=2)) as one, opened(tmp_path) as other:
        name = one.post("/v1/jobs", files=long).json()["job"]
        until(lambda: other.job(name, kept=60).progress)
        assert other.remove_job(name)
        assert files(tmp_path) == []
        assert one.get(f"/v1/jobs/{name}").status_code == 404
        finished(one, waiting(other))  # its only thread is free
    assert list(tmp_path.iterdir()) == [tmp_path / NAME]  # it came to no end that would have been kept


def test_limits_and_shares_hold_over_all_servers(clips, tmp_path):
    limits = Limits(jobs=2, references=2)
    with serving(tmp_path, limits=limits) as server, opened(tmp_path) as other:
        name = waiting(other, clips[0], client="127.0.0.1")
        with other._transaction() as db:  # as if another server worked on it for long
            db.execute("UPDATE jobs SET state = 'running', claim = 'x', heartbeat = 1e12")
        told = server.post("/v1/jobs", files=parts(clips[0]))
        assert told.status_code == 429 and "1 jobs of yours" in told.json()["reason"]
        other.remove_job(name)
        assert server.post("/v1/jobs", files=parts(clips[0])).status_code == 202
        other.add_reference("127.0.0.1", "{}", kept=60, room=lambda clients: None)
        told = server.post("/v1/references", files={"file": ("me.wav", neutral(clips))})
        assert told.status_code == 429 and "1 references of yours" in told.json()["reason"]


def test_what_has_expired_is_deleted_with_its_files_and_cannot_be_read_in_the_store(clips, tmp_path, clock):
    with opened(tmp_path, clock=clock) as database:
        name = waiting(database, clips[0], labels="a-secret")
        database.finish(database.claim().claim, "done", '{"text": "what-was-found"}')
        database.add_reference("a", '{"mean": "voice-of-somebody"}', kept=60, room=lambda clients: None)
        reference = database.add_reference("a", "{}", kept=90, room=lambda clients: None)
        secrets = [b"a-secret", b"what-was-found", b"voice-of-somebody", name.encode()]
        assert any(secret in path.read_bytes() for path in tmp_path.iterdir() for secret in secrets)
        clock.seconds += 61
        assert database.job(name, kept=60) is None  # whether or not it is deleted yet
        database.beat({}, kept=60)
        assert database.held() == [] and database.reference(reference) == "{}"
        assert not any(secret in path.read_bytes() for path in tmp_path.iterdir() for secret in secrets)


def test_what_was_deleted_while_somebody_read_is_overwritten_at_the_next_beat(tmp_path):
    def kept():
        return any(b"voice-of-somebody" in path.read_bytes() for path in tmp_path.iterdir())

    with opened(tmp_path) as database, opened(tmp_path) as other:
        name = database.add_reference("a", '"voice-of-somebody"', kept=60, room=lambda clients: None)
        other._connection.execute("BEGIN")
        other._connection.execute("SELECT * FROM voice_references").fetchall()
        assert database.remove_reference(name)
        database.beat({}, kept=60)
        assert kept()
        other._connection.execute("COMMIT")
        database.beat({}, kept=60)
        assert not kept()


def test_recordings_that_a_killed_server_did_not_write_to_the_end_are_deleted(clips, tmp_path, clock):
    with opened(tmp_path, clock=clock) as database:
        name = waiting(database, clips[0])
        with database._transaction() as db:
            db.execute("UPDATE jobs SET state = 'arriving', heartbeat = ?", (clock() + ARRIVAL,))
        database.beat({}, kept=60)
        assert database.claim() is database.job(name, kept=60) is None and len(files(tmp_path)) == 1
        clock.seconds += ARRIVAL + DEAD + 1
        database.beat({}, kept=60)
        assert database.held() == [] and files(tmp_path) == []


def test_a_job_that_is_refused_leaves_no_recording(clips, tmp_path):
    def full(held):
        raise Refusal(429, "full")

    with opened(tmp_path) as database, clips[0].open("rb") as file:
        with pytest.raises(Refusal, match="full"):
            database.add_job("a", "{}", [Upload("a.wav", file, 1)], room=full)
        assert database.held() == []
    assert files(tmp_path) == []


def test_a_job_whose_recordings_were_deleted_by_hand_fails_and_says_so(clips, tmp_path):
    with opened(tmp_path) as database:
        name = waiting(database, *clips[:2])
    (tmp_path / f"job-{name}-1.waiting").unlink()
    with serving(tmp_path) as server:
        job = finished(server, name)
        assert job["state"] == "failed" and "are gone" in job["reason"]


def test_a_full_store_takes_no_job(clips, tmp_path):
    with serving(tmp_path, limits=Limits(store_bytes=1000)) as server:
        answer = server.post("/v1/jobs", files=parts(clips[0]))
        assert answer.status_code == 503 and "full" in answer.json()["reason"]
    assert files(tmp_path) == []


def test_nobody_else_can_read_what_is_in_the_store(clips, tmp_path):
    tmp_path.chmod(0o755)
    with serving(tmp_path), opened(tmp_path) as database:
        with database._transaction() as db:
            db.execute("UPDATE jobs SET claim = claim")
        waiting(database, clips[0])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert {NAME, f"{NAME}-wal", f"{NAME}-shm"} <= set(modes) and set(modes.values()) == {0o600}
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", [b"dear diary" * 1000, b"SQLite format 3\x00" + bytes(5000)])
def test_a_damaged_database_is_told_at_the_start_and_left_as_it_is(tmp_path, damage):
    (tmp_path / NAME).write_bytes(damage)
    told = CliRunner().invoke(main, ["serve", "--port", "0", "--store", str(tmp_path), "--workers", "2"])
    assert told.exit_code == 2 and NAME in told.output and "move it away" in told.output
    assert (tmp_path / NAME).read_bytes() == damage


def test_a_page_of_the_database_that_was_damaged_is_told(tmp_path, clips):
    with opened(tmp_path) as database:
        for _ in range(50):
            database.add_reference("a", "x" * 1000, kept=60, room=lambda clients: None)
    data = bytearray((tmp_path / NAME).read_bytes())
    data[4096 * 2 :] = os.urandom(len(data) - 4096 * 2)
    (tmp_path / NAME).write_bytes(data)
    with pytest.raises(InputError, match="move it away"):
        Database(tmp_path)
    assert (tmp_path / NAME).read_bytes() == data


def test_a_database_of_another_program_is_not_touched(tmp_path):
    with sqlite3.connect(tmp_path / NAME) as foreign:
        foreign.execute("CREATE TABLE jobs (name)")
    foreign.close()
    with pytest.raises(InputError, match="of another program"):
        Database(tmp_path)
    with sqlite3.connect(tmp_path / NAME) as foreign:
        assert foreign.execute("SELECT sql FROM sqlite_master").fetchall() == [("CREATE TABLE jobs (name)",)]
    foreign.close()


def test_a_link_is_no_database(tmp_path):
    (tmp_path / "elsewhere").touch(mode=0o644)
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="cannot be used"):
        Database(tmp_path)
    assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) == 0o644


def test_a_reference_of_another_model_is_not_used(clips, tmp_path):
    with serving(tmp_path) as server, opened(tmp_path) as database:
        reference = server.post("/v1/references", files={"file": ("me.wav", neutral(clips))}).json()["reference"]
        with database._transaction() as db:
            db.execute('UPDATE voice_references SET baselines = replace(baselines, \'"card": "\', \'"card": "0\')')
        refused = server.post("/v1/predict", files=parts(clips[0]), data={"reference": reference})
        assert refused.status_code == 422 and "another model" in refused.json()["reason"]


def started(folder, log):
    """`affekt serve` as people start it, and its address. It logs to a file: a pipe that nobody reads gets full."""
    command = [sys.executable, "-m", "affekt", "serve", "--port", "0", "--threads", "1", "--store", str(folder)]
    with log.open("w") as file:
        process = subprocess.Popen(command, stderr=file)
    until(lambda: log.read_text().endswith("\n") or process.poll() is not None)
    assert process.poll() is None, log.read_text()
    return process, httpx.URL(log.read_text().split()[3])


def test_a_job_survives_kill_9(tmp_path, conversation):
    (store := tmp_path / "store").mkdir()
    long = {"files": ("long.wav", sound(np.tile(conversation, 20)))}
    process, url = started(store, tmp_path / "log")
    with httpx.Client(base_url=url, timeout=60) as server:
        name = server.post("/v1/jobs", files=long).json()["job"]
        job = until(lambda: (seen := server.get(f"/v1/jobs/{name}").json())["progress"] and seen)
        assert job["state"] == "running"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert files(store) == [f"job-{name}-0.waiting"]
    with opened(store) as database, database._transaction() as db:  # instead of a wait
        db.execute("UPDATE jobs SET heartbeat = heartbeat - ?", (DEAD,))
    process, url = started(store, tmp_path / "log")
    try:
        with httpx.Client(base_url=url, timeout=60) as server:
            job = finished(server, name)
            assert job["state"] == "done" and files(store) == []
            assert job["results"] == server.post("/v1/predict", files=long).json()["results"]
    finally:
        process.kill()
        process.wait()
