"""What ``--store`` keeps for a while: jobs and voice references, in one SQLite file that all processes share.

All SQL is here. Personal data is really erased: deleted rows are overwritten, and the
write-ahead log (WAL) is emptied.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from affekt.errors import InputError
from affekt.server.uploads import Upload

NAME = "affekt.sqlite"
#: Seconds without a heartbeat after which a process counts as dead: long, because an overloaded machine
#: may let a process wait, and starting a job twice loads it more.
DEAD = 10.0
#: Seconds for recordings to be copied into the folder; older ones were left by a dead process.
ARRIVAL = 600.0
#: How often a job is started: a recording that kills its process must not go on killing processes.
ATTEMPTS = 3
KILLED = f"the server was killed {ATTEMPTS} times while it worked on this; see its log."
#: Seconds to wait while another process writes.
PATIENCE = 10.0

_APPLICATION, _VERSION = 0x6166666B, 1  # "affk"
_SCHEMA = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    client TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('arriving', 'waiting', 'running', 'done', 'failed')),
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    heartbeat REAL NOT NULL,
    claim TEXT UNIQUE,
    attempts INTEGER NOT NULL DEFAULT 0,
    progress REAL NOT NULL DEFAULT 0,
    request TEXT,
    outcome TEXT
);
CREATE TABLE voice_references (
    name TEXT PRIMARY KEY,
    client TEXT NOT NULL,
    created REAL NOT NULL,
    expires REAL NOT NULL,
    baselines TEXT NOT NULL
);
"""


class HeldJob(NamedTuple):
    """What counts against the limits of a client."""

    name: str
    client: str
    finished: float | None


class JobRow(NamedTuple):
    """How far a job is; ``outcome`` is JSON, or None while there is none."""

    name: str
    state: str
    progress: float
    outcome: str | None


@dataclass(frozen=True)
class ClaimedJob:
    """A job that only this process works on.

    Parameters
    ----------
    name : str
    claim : str
        New each time a job is started: a process with an old claim has lost the job.
    request : str
        JSON.
    """

    name: str
    claim: str
    request: str


class Database:
    """Jobs and voice references of a store.

    Several processes may have it open; the threads of one take turns.

    Parameters
    ----------
    folder : Path
        On a local disk: the processes share memory through a file in it.
    clock : callable
        Seconds since 1970, because times are compared across processes and restarts.

    Raises
    ------
    InputError
        If the file is damaged or not a store; it is left as it is.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock, self._lock = folder, clock, threading.Lock()
        self._deleted = True  # whether the WAL may hold deleted data; a killed server may have left some
        path = folder / NAME
        try:
            # Created here, so that it is never readable by others; the files SQLite adds get the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
            path.chmod(0o600)
            self._connection = sqlite3.connect(path, PATIENCE, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(path)
            except BaseException:
                self._connection.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise InputError(_cannot(path, f"cannot be used ({error})")) from None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _prepare(self, path: Path) -> None:
        db = self._connection
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise InputError(_cannot(path, "is damaged"))
        if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            db.execute("PRAGMA journal_mode = WAL").fetchone()
        # In WAL mode this outlives kill -9; only a power cut may lose the last writes.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA secure_delete = ON").fetchone()
        with self._transaction():
            found = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
            if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                for statement in _SCHEMA.split(";\n"):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {_APPLICATION}")
                db.execute(f"PRAGMA user_version = {_VERSION}")
            elif found != [_APPLICATION, _VERSION]:
                raise InputError(_cannot(path, "is of another program, or of another version of affekt"))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _read(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    # Jobs. The recordings of one are files beside the database until it is done.

    def held(self) -> list[HeldJob]:
        """All jobs, to count them."""
        return [HeldJob(*row) for row in self._read(_HELD)]  # type: ignore[arg-type]

    def add_job(
        self, client: str, request: str, recordings: Sequence[Upload],
        *, room: Callable[[Sequence[HeldJob]], Sequence[str]],
    ) -> str:  # fmt: skip
        """Add a job; return its name.

        ``room`` takes the existing jobs and returns the names of those that must go, or raises. This and the
        insertion are one transaction across all processes.
        """
        name, now = secrets.token_urlsafe(12), self._clock()
        with self._transaction() as db:
            self._drop(db, room([HeldJob(*row) for row in db.execute(_HELD)]))
            db.execute(
                "INSERT INTO jobs (state, name, client, created, heartbeat, request) "
                "VALUES ('arriving', ?, ?, ?, ?, ?)",
                (name, client, now, now + ARRIVAL, request),
            )
        try:
            for index, recording in enumerate(recordings):
                path = self._folder / f"job-{name}-{index}.waiting"
                with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    recording.seek(0)
                    shutil.copyfileobj(recording, file)
            with self._transaction() as db:
                if not db.execute("UPDATE jobs SET state = 'waiting' WHERE name = ?", (name,)).rowcount:
                    raise TimeoutError(f"recordings took more than {ARRIVAL:g} s to be written to the store")
        except BaseException:
            with self._transaction() as db:
                self._drop(db, [name])
            raise
        return name

    def recordings(self, name: str) -> list[Path]:
        """The files of a job, in order."""
        return sorted(self._folder.glob(f"job-{name}-*.waiting"), key=lambda path: int(path.stem.rsplit("-", 1)[1]))

    def claim(self) -> ClaimedJob | None:
        """Claim the job that has waited longest; None if there is none."""
        claim, now = secrets.token_urlsafe(12), self._clock()
        with self._transaction() as db:
            row = db.execute(
                "SELECT name, request FROM jobs WHERE state = 'waiting' ORDER BY number LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE jobs SET state = 'running', claim = ?, started = ?, heartbeat = ?, attempts = attempts + 1 "
                "WHERE name = ?",
                (claim, now, now, row[0]),
            )
        return ClaimedJob(row[0], claim, row[1])

    def beat(self, progress: Mapping[str, float], *, kept: float) -> set[str]:
        """Report that this process is alive and how far its jobs are; return the claims it has lost.

        A job is lost if it was deleted, or if another process took this one for dead. This also requeues the jobs of
        dead processes and deletes what has expired.

        Parameters
        ----------
        progress : mapping of str to float
            Claim to the share that is done, 0 to 1.
        kept : float
            Seconds that a finished job is kept.
        """
        now, lost = self._clock(), set()
        with self._transaction() as db:
            for claim, share in progress.items():
                changed = db.execute(
                    "UPDATE jobs SET heartbeat = ?, progress = max(progress, ?) WHERE claim = ? AND state = 'running'",
                    (now, share, claim),
                )
                if not changed.rowcount:
                    lost.add(claim)
            old = now - kept, now - DEAD
            gone = db.execute(
                "SELECT name FROM jobs WHERE finished < ? OR (state = 'arriving' AND heartbeat < ?)", old
            ).fetchall()
            self._drop(db, [name for (name,) in gone])
            expired = db.execute("DELETE FROM voice_references WHERE expires <= ?", (now,)).rowcount
            killed = db.execute(
                "SELECT name, attempts FROM jobs WHERE state = 'running' AND heartbeat < ?", (now - DEAD,)
            ).fetchall()
            for name, attempts in killed:
                if attempts >= ATTEMPTS:
                    self._end(db, name, "failed", json.dumps({"reason": KILLED}))
                else:
                    db.execute("UPDATE jobs SET state = 'waiting', claim = NULL WHERE name = ?", (name,))
            self._deleted |= bool(expired)
        if self._deleted:
            self._overwrite()
        return lost

    def release(self, claim: str) -> None:
        """Requeue an unfinished job because the server is stopping; this does not count as an attempt."""
        with self._transaction() as db:
            db.execute(
                "UPDATE jobs SET state = 'waiting', claim = NULL, attempts = attempts - 1 "
                "WHERE claim = ? AND state = 'running'",
                (claim,),
            )

    def finish(self, claim: str, state: str, outcome: str) -> None:
        """Mark a job as done or failed, with its outcome in JSON; does nothing if the job was lost."""
        with self._transaction() as db:
            row = db.execute("SELECT name FROM jobs WHERE claim = ? AND state = 'running'", (claim,)).fetchone()
            if row is not None:
                self._end(db, row[0], state, outcome)

    def job(self, name: str, *, kept: float) -> JobRow | None:
        """The state of a job."""
        rows = self._read(
            "SELECT name, state, progress, outcome FROM jobs "
            "WHERE name = ? AND state != 'arriving' AND (finished IS NULL OR finished >= ?)",
            name,
            self._clock() - kept,
        )
        return JobRow(*rows[0]) if rows else None  # type: ignore[arg-type]

    def remove_job(self, name: str) -> str | None:
        """Delete a job with its recordings; its worker notices at the next beat. Returns its claim, or None."""
        with self._transaction() as db:
            row = db.execute("SELECT claim FROM jobs WHERE name = ?", (name,)).fetchone()
            self._drop(db, [name] if row else [])
        claim: str | None = row[0] if row else None
        return claim

    def _end(self, db: sqlite3.Connection, name: str, state: str, outcome: str) -> None:
        """The request is deleted; the client is kept, because results count against its share."""
        for path in self.recordings(name):
            path.unlink(missing_ok=True)
        db.execute(
            "UPDATE jobs SET state = ?, finished = ?, outcome = ?, request = NULL WHERE name = ?",
            (state, self._clock(), outcome, name),
        )
        self._deleted = True

    def _drop(self, db: sqlite3.Connection, names: Sequence[str]) -> None:
        # Files first: a kill in between leaves a job without files, never files without a job.
        for name in names:
            for path in self.recordings(name):
                path.unlink(missing_ok=True)
            db.execute("DELETE FROM jobs WHERE name = ?", (name,))
            self._deleted = True

    def _overwrite(self) -> None:
        """Empty the write-ahead log, which still holds deleted data; while others read, it stays."""
        with self._lock:
            self._connection.execute("PRAGMA busy_timeout = 0").fetchone()
            try:
                self._deleted = bool(self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
            finally:
                self._connection.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}").fetchone()

    # Voice references.

    def add_reference(self, client: str, baselines: str, *, kept: float, room: Callable[[Sequence[str]], None]) -> str:
        """Keep the baselines of a speaker (JSON); return the reference's name.

        ``room`` takes the clients of all existing references, and raises if there is no room.
        """
        name, now = secrets.token_urlsafe(12), self._clock()
        with self._transaction() as db:
            room([client for (client,) in db.execute("SELECT client FROM voice_references WHERE expires > ?", (now,))])
            db.execute(
                "INSERT INTO voice_references (name, client, created, expires, baselines) VALUES (?, ?, ?, ?, ?)",
                (name, client, now, now + kept, baselines),
            )
        return name

    def reference(self, name: str) -> str | None:
        """The baselines of a reference, as JSON."""
        rows = self._read("SELECT baselines FROM voice_references WHERE name = ? AND expires > ?", name, self._clock())
        return str(rows[0][0]) if rows else None

    def remove_reference(self, name: str) -> bool:
        """Delete a reference; return whether it existed."""
        with self._transaction() as db:
            found = db.execute(
                "DELETE FROM voice_references WHERE name = ? AND expires > ?", (name, self._clock())
            ).rowcount
            self._deleted |= bool(found)
        return bool(found)


_HELD = "SELECT name, client, finished FROM jobs ORDER BY number"


def _cannot(path: Path, what: str) -> str:
    return f"--store: {path} {what}; move it away, or give another folder."
