"""Rows that last: killed writers, full disks, two cameras, wrong keys; on SQLite and on a real PostgreSQL."""

import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from datetime import date
from pathlib import Path

import numpy as np
import pytest

for package in ("sqlalchemy", "cryptography"):
    pytest.importorskip(package, reason="attendance needs the extra: pip install '.[attendance]'")

import sqlalchemy as sa

from affekt.attendance.key import Key
from affekt.attendance.roster import Consent, Roster
from affekt.attendance.session import Session, close_session, table
from affekt.attendance.store import ABOUT_PEOPLE, MARKS, PEOPLE, SEEN, TEMPLATES, Store
from affekt.errors import InputError, StoreError
from tests.attendance_people import EMBEDDER, START, Clock, Look, face, roster_of, session_of, walk_by

ROOT = Path(__file__).parent.parent


def server_program(name):
    """A program of PostgreSQL's server: on the path, or where Debian puts it."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


@pytest.fixture(scope="session")
def postgres():
    """The URL of a PostgreSQL server that is started for these tests alone."""
    pytest.importorskip("psycopg", reason="PostgreSQL needs the extra: pip install '.[postgres]'")
    if not (server_program("initdb") and server_program("postgres")):
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    # Not below pytest's own folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="affekt-postgres-"))
    # The server refuses to run as root: Debian's package brings a user for it.
    other = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    if other:
        shutil.chown(folder, "postgres", "postgres")
    data, options = str(folder / "data"), {"cwd": folder, "capture_output": True, "check": True, **other}
    subprocess.run([server_program("initdb"), "-D", data, "-U", "affekt", "-A", "trust", "--no-sync"], **options)
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    control = [server_program("pg_ctl"), "-D", data, "-w", "-l", str(folder / "log")]
    subprocess.run([*control, "-o", f"-p {port} -k {folder} -c listen_addresses=127.0.0.1", "start"], **{
        **options, "capture_output": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL,
    })  # fmt: skip
    yield f"postgresql://affekt@127.0.0.1:{port}"
    subprocess.run([*control, "-m", "immediate", "stop"], **options)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    """An empty database of either kind."""
    if request.param == "sqlite":
        return str(tmp_path / "attendance.sqlite")
    server = request.getfixturevalue("postgres")
    name = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    with sa.create_engine(
        f"{server.replace('postgresql', 'postgresql+psycopg')}/postgres", isolation_level="AUTOCOMMIT"
    ).connect() as db:
        db.execute(sa.text(f"DROP DATABASE IF EXISTS {name}"))
        db.execute(sa.text(f"CREATE DATABASE {name}"))
    return f"{server}/{name}"


@pytest.fixture
def key(tmp_path):
    return Key.open(tmp_path / "attendance.key", make=True)


@pytest.fixture
def store(url):
    opened = Store(url, clock=Clock())
    yield opened
    opened.close()


def test_a_session_from_consent_to_table(store, key):
    roster = roster_of(store, key, ["Ada", "Bo", "Cem", "Dea"])
    session = session_of(roster)
    events = walk_by(session, "Ada")
    assert [event.kind for event in events] == ["marked"]
    session.close(session.window.closes)
    rows = {row.name: row for row in table(store, session.id)}
    assert {name: row.status for name, row in rows.items()} == {
        "Ada": "on time", "Bo": "absent", "Cem": "absent", "Dea": "absent",
    }  # fmt: skip
    assert (rows["Ada"].first, rows["Ada"].times) == (START, 1)


def test_two_cameras_of_one_session_agree(url, store, key):
    roster = roster_of(store, key, ["Ada", "Bo", "Cem"])
    other = Store(url, clock=Clock())
    one, two = session_of(roster, camera="door"), session_of(Roster(other, "7B", key), camera="window")
    assert one.id == two.id
    errors = []

    def watch(session, names):
        try:
            for _ in range(5):
                for name in names:
                    walk_by(session, name)
        except Exception as error:  # seen below
            errors.append(error)

    threads = [threading.Thread(target=watch, args=pair) for pair in ((one, ["Ada", "Bo"]), (two, ["Bo", "Cem"]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    closed = [session.close(session.window.closes) for session in (one, two)]
    assert closed == [True, False]
    assert {row.name: (row.status, row.times) for row in table(store, one.id)} == {
        "Ada": ("on time", 1), "Bo": ("on time", 2), "Cem": ("on time", 1),
    }  # fmt: skip
    other.close()


def test_what_a_camera_writes_after_another_closed_the_session_counts(store, key):
    roster = roster_of(store, key, ["Ada", "Bo", "Cem"])
    one, two = session_of(roster, camera="door"), session_of(roster, camera="window")
    close_session(store, one.id, START)
    assert {row.status for row in table(store, one.id)} == {"absent"}
    walk_by(two, "Bo")
    assert {row.name: row.status for row in table(store, one.id)}["Bo"] == "on time"


def test_forgetting_leaves_nothing_and_the_others_alone(store, key):
    roster = roster_of(store, key, ["Ada Lovelace", "Bo", "Cem"])
    session = session_of(roster)
    walk_by(session, "Ada Lovelace")
    walk_by(session, "Bo")
    session.close(session.window.closes)
    person = roster.find("Ada Lovelace").id
    receipt = roster.forget("ada lovelace")
    assert (receipt.name, receipt.removed["templates"], receipt.removed["marks"]) == ("Ada Lovelace", 3, 1)
    for one in (*ABOUT_PEOPLE, PEOPLE):
        column = one.c.id if one is PEOPLE else one.c.person
        assert store.rows(sa.select(column).where(column == person)) == []
    assert [row.name for row in table(store, session.id)] == ["Bo", "Cem"]
    assert any("backups" in line for line in receipt.remains)
    if store.path:
        raw = b"".join(path.read_bytes() for path in store.path.parent.glob("attendance.sqlite*"))
        assert b"Lovelace" not in raw


def test_somebody_forgotten_while_the_session_runs_is_not_written_again(store, key):
    roster = roster_of(store, key, ["Ada", "Bo", "Cem"])
    session = session_of(roster)
    walk_by(session, "Ada")
    roster.forget("Ada")
    walk_by(session, "Ada", track="again")
    assert store.rows(sa.select(SEEN)) == []
    assert walk_by(session, "Bo")[-1].kind == "marked"


def test_templates_are_not_readable_without_the_key(store, key):
    roster_of(store, key, ["Ada"])
    tokens = [row["vector"] for row in store.rows(sa.select(TEMPLATES.c.vector))]
    vectors = [face("Ada", look).astype("<f4").tobytes() for look in range(3)]
    assert not any(vector[:16] in token for vector in vectors for token in tokens)
    assert sorted(map(key.unlock, tokens)) == sorted(vectors)


def test_another_key_is_found_out_before_anything_is_written(store, key, tmp_path):
    store.check_key(key)
    store.check_key(key)
    with pytest.raises(StoreError, match="encrypted with another key"):
        store.check_key(Key.open(tmp_path / "other.key", make=True))


# SQLite only.


def test_files_are_readable_by_their_owner_only(tmp_path, key):
    store = Store(str(tmp_path / "a.sqlite"))
    roster_of(store, key, ["Ada"])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    store.close()


def test_commits_are_flushed_to_the_disk(tmp_path):
    store = Store(str(tmp_path / "a.sqlite"))
    with store.writing() as db:
        assert db.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert db.execute(sa.text("PRAGMA synchronous")).scalar() == 2
    store.close()


WRITER = """
import sys
from datetime import timedelta
from affekt.attendance.key import Key
from affekt.attendance.roster import Roster
from affekt.attendance.store import Store
from tests.attendance_people import START, Clock, session_of, walk_by
from pathlib import Path
folder = Path(sys.argv[1])
roster = Roster(Store(str(folder / "a.sqlite"), clock=Clock()), "7B", Key.open(folder / "a.key"))
session = session_of(roster)
print("ready", flush=True)
for number in range(100000):
    for name in ("Ada", "Bo", "Cem", "Dea"):
        for event in walk_by(session, name, track=f"{name} {number}", looks=4):
            if event.kind == "marked":
                print(f"{session._run}:{event.track}:1", flush=True)
"""


def test_a_killed_writer_loses_no_acknowledged_row_and_doubles_none(tmp_path):
    """Two hundred kills at random points: ``benchmarks/attendance_kill.py``."""
    key = Key.open(tmp_path / "a.key", make=True)
    store = Store(str(tmp_path / "a.sqlite"), clock=Clock())
    roster = roster_of(store, key, ["Ada", "Bo", "Cem", "Dea"])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "OMP_NUM_THREADS": "1"}
    told = []
    for _ in range(2):  # the second run goes on with the session of the first
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
        ) as writer:
            assert writer.stdout.readline() == "ready\n"
            told += [writer.stdout.readline().strip() for _ in range(5)]
            writer.send_signal(signal.SIGKILL)
            told += [line.strip() for line in writer.stdout if line.endswith("\n")]
    kept = [row["track"] for row in store.rows(sa.select(SEEN.c.track))]
    assert set(told) <= set(kept)
    assert len(kept) == len(set(kept))
    assert len(set(kept) - set(told)) <= 2  # at most the one each was killed at: written, not told
    session = session_of(roster)
    session.close(session.window.closes)
    assert len(store.rows(sa.select(MARKS))) == 4
    assert sqlite3.connect(tmp_path / "a.sqlite").execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.close()


def test_a_full_disk_is_said_once_and_nothing_is_lost_when_there_is_room_again(tmp_path, key):
    store = Store(str(tmp_path / "a.sqlite"), clock=Clock())
    names = ["Ada", "Bo", "Cem"]
    roster = roster_of(store, key, names, photos=1)
    session = session_of(roster)

    def limit(pages):
        with store.writing() as db:
            db.execute(sa.text(f"PRAGMA max_page_count = {pages}"))

    with store.writing() as db:
        now = db.execute(sa.text("PRAGMA page_count")).scalar()
    limit(now)
    events = [event for _ in range(20) for name in names for event in walk_by(session, name, track=f"{name} {_}")]
    waiting = [event for event in events if event.kind == "waiting"]
    assert len(waiting) == 1
    told = [event for event in events if event.kind == "marked"]
    assert len(told) == len(store.rows(sa.select(SEEN))) < 20 * len(names), "what is told is on the disk"
    assert "the disk is full; nothing that was acknowledged is lost" in waiting[0].detail
    with pytest.raises(StoreError, match="disk is still full"):
        session.close(session.window.closes)
    limit(100_000)
    written, *later = session.see([], START)
    assert written.kind == "written"
    assert len(told) + len(later) == 20 * len(names)
    assert len(store.rows(sa.select(SEEN))) == 20 * len(names)
    assert session.close(session.window.closes)
    store.close()


def test_a_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE bookmarks (name)")
    with pytest.raises(StoreError, match="of another program"):
        Store(str(path))
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]


def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"these are notes, not a database" * 40)
    with pytest.raises(StoreError, match="cannot be used"):
        Store(str(path))
    assert path.read_bytes().startswith(b"these are notes")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nowhere/a.sqlite", "no such folder for the store"),
        ("oracle://scott:tiger@host/db", "store oracle://host/db"),
        ("postgresql://u:secret@127.0.0.1:1/none", "cannot be used"),
    ],
)
def test_stores_that_cannot_be_used_say_so_without_the_password(url, sentence):
    with pytest.raises((InputError, StoreError), match=sentence) as caught:
        Store(url)
    assert "secret" not in str(caught.value)
    assert "tiger" not in str(caught.value)


def test_a_key_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "k"
    Key.open(path, make=True)
    path.chmod(0o640)
    with pytest.raises(InputError, match="others may read this key file .mode 640.. Run: chmod 600"):
        Key.open(path)


def test_a_missing_key_says_what_is_lost(tmp_path):
    with pytest.raises(InputError, match="no such key file.*without it no face can be recognised"):
        Key.open(tmp_path / "none")


def test_a_file_that_is_no_key(tmp_path):
    path = tmp_path / "k"
    path.touch(0o600)
    path.write_text("hello")
    with pytest.raises(InputError, match="holds no key"):
        Key.open(path)


def test_a_new_key_is_not_written_over_an_old_one(tmp_path):
    first = Key.open(tmp_path / "k", make=True)
    assert Key.open(tmp_path / "k", make=True).unlock(first.lock(b"x")) == b"x"


def test_the_audit_trail_has_no_names(store, key):
    roster = roster_of(store, key, ["Ada Lovelace"])
    roster.consent("Ada Lovelace", Consent("Annabella Byron", "2026-12", date(2026, 11, 2), guardian=True))
    roster.forget("Ada Lovelace")
    from affekt.attendance.store import AUDIT

    said = " ".join(str(row) for row in store.rows(sa.select(AUDIT)))
    assert "forgotten" in said
    assert not any(word in said for word in ("Ada", "Lovelace", "Byron"))


def test_only_vectors_of_the_right_embedder_are_compared(store, key):
    roster = roster_of(store, key, ["Ada"])
    with pytest.raises(InputError, match="were enrolled with random-1, not with other-2"):
        roster.gallery(("other-2", 0.5, 0.4))
    assert len(roster.gallery(EMBEDDER)[0]) == 3


def test_a_session_object_needs_a_session(store, key):
    roster = roster_of(store, key, ["Ada"])
    with pytest.raises(InputError, match="unknown session 'none'"):
        Session(store, "none", *roster.gallery(EMBEDDER))
    assert np.isfinite(Look("x").openness)
