"""What is stored about people and sessions, in SQLite or PostgreSQL. All SQL is here.

A row is acknowledged (the call returns) only when it is durable: SQLite runs with a write-ahead log that is flushed to
the disk at every commit, PostgreSQL as its server is configured. Every write is idempotent.
Names are in one table only; everything else knows people by a random id. Instants are UTC.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from affekt.attendance.key import Key
from affekt.errors import InputError, StoreError

VERSION = "1"
#: Seconds to wait for another process that writes.
PATIENCE = 10.0
#: Encrypted when the store is made, so that a wrong key is found out before anything is written with it.
_PROBE = b"affekt attendance"


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware datetime as text in UTC that sorts by time, the same in every database."""

    impl = sa.String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:
        """To text."""
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:
        """From text."""
        return None if value is None else datetime.fromisoformat(value)


_TABLES = sa.MetaData()


def _person(**options: Any) -> sa.Column[Any]:
    return sa.Column("person", sa.ForeignKey("people.id", ondelete="CASCADE"), **options)


def _session(**options: Any) -> sa.Column[Any]:
    return sa.Column("session", sa.ForeignKey("sessions.id", ondelete="CASCADE"), **options)


SETTINGS = sa.Table(
    "settings", _TABLES, sa.Column("key", sa.String(40), primary_key=True), sa.Column("value", sa.LargeBinary)
)
PEOPLE = sa.Table(
    "people",
    _TABLES,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("roster", sa.String(100), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    # The name without case: two spellings of one name are one person.
    sa.Column("folded", sa.String(400), nullable=False),
    sa.Column("minor", sa.Boolean, nullable=False),
    sa.Column("added", Instant, nullable=False),
    sa.Column("keep_until", Instant),
    sa.UniqueConstraint("roster", "folded"),
)
CONSENTS = sa.Table(
    "consents",
    _TABLES,
    sa.Column("id", sa.String(32), primary_key=True),
    _person(nullable=False, index=True),
    sa.Column("given_by", sa.String(200), nullable=False),
    sa.Column("guardian", sa.Boolean, nullable=False),
    sa.Column("notice", sa.String(200), nullable=False),
    sa.Column("given_on", sa.String(10), nullable=False),
    sa.Column("recorded", Instant, nullable=False),
    sa.Column("recorded_by", sa.String(200), nullable=False),
    sa.Column("withdrawn", Instant),
)
TEMPLATES = sa.Table(
    "templates",
    _TABLES,
    sa.Column("id", sa.String(32), primary_key=True),
    _person(nullable=False, index=True),
    sa.Column("embedder", sa.String(100), nullable=False),
    sa.Column("vector", sa.LargeBinary, nullable=False),
    sa.Column("photo", sa.LargeBinary),
    sa.Column("measures", sa.JSON, nullable=False),
    sa.Column("added", Instant, nullable=False),
)
SESSIONS = sa.Table(
    "sessions",
    _TABLES,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("roster", sa.String(100), nullable=False),
    sa.Column("opens", Instant, nullable=False),
    sa.Column("closes", Instant, nullable=False),
    sa.Column("zone", sa.String(60), nullable=False),
    sa.Column("rules", sa.JSON, nullable=False),
    sa.Column("made", Instant, nullable=False),
    sa.Column("closed", Instant),
    sa.Column("ended", Instant),
    sa.Column("keep_until", Instant),
    sa.UniqueConstraint("roster", "opens", "closes"),
)
SEEN = sa.Table(
    "seen",
    _TABLES,
    _session(primary_key=True),
    _person(primary_key=True),
    sa.Column("camera", sa.String(100), primary_key=True),
    sa.Column("track", sa.String(100), primary_key=True),
    sa.Column("first", Instant, nullable=False),
    sa.Column("last", Instant, nullable=False),
    sa.Column("looks", sa.Integer, nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("similarity", sa.Float, nullable=False),
    sa.Column("alive", sa.Boolean),
)
MARKS = sa.Table(
    "marks",
    _TABLES,
    _session(primary_key=True),
    _person(primary_key=True),
    sa.Column("status", sa.String(40), nullable=False),
    sa.Column("first", Instant),
    sa.Column("last", Instant),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("confidence", sa.Float),
    sa.Column("similarity", sa.Float),
)
CORRECTIONS = sa.Table(
    "corrections",
    _TABLES,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    _session(nullable=False, index=True),
    _person(nullable=False, index=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("before", sa.String(40), nullable=False),
    sa.Column("after", sa.String(40), nullable=False),
    sa.Column("reason", sa.String(1000), nullable=False),
    sa.UniqueConstraint("session", "person", "number"),
)
EMOTIONS = sa.Table(
    "emotions",
    _TABLES,
    _session(primary_key=True),
    _person(primary_key=True),
    sa.Column("camera", sa.String(100), primary_key=True),
    sa.Column("track", sa.String(100), primary_key=True),
    sa.Column("purpose", sa.String(40), nullable=False),
    sa.Column("scores", sa.JSON, nullable=False),
    sa.Column("unsure", sa.Float, nullable=False),
    sa.Column("looks", sa.Integer, nullable=False),
)
AUDIT = sa.Table(
    "audit",
    _TABLES,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("action", sa.String(60), nullable=False),
    # No foreign keys: what was done outlives whom it was done to, without their name.
    sa.Column("session", sa.String(32)),
    sa.Column("person", sa.String(32)),
    sa.Column("detail", sa.String(1000), nullable=False),
)
#: Every table that holds something about one person.
ABOUT_PEOPLE = (CONSENTS, TEMPLATES, SEEN, MARKS, CORRECTIONS, EMOTIONS)


@dataclass(frozen=True)
class Receipt:
    """That a person was forgotten, and what was checked.

    Parameters
    ----------
    name, roster : str
    at : datetime
    removed : mapping of str to int
        Table to rows.
    verified : tuple of str
        What was checked afterwards and found to hold nothing about them.
    remains : tuple of str
        What this program cannot reach.
    """

    name: str
    roster: str
    at: datetime
    removed: Mapping[str, int]
    verified: tuple[str, ...]
    remains: tuple[str, ...]


class Store:
    """A database of people and sessions.

    Parameters
    ----------
    url : str
        A path of an SQLite file, which is made with mode 600, or a URL such as
        ``postgresql+psycopg://user@host/database``.
    clock : callable
        Aware datetime.

    Raises
    ------
    InputError
        If the URL is not valid.
    StoreError
        If the database cannot be used, or is not one of these.
    """

    def __init__(self, url: str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self.path = None if "://" in url else Path(url)
        try:
            self.engine = sa.create_engine(
                sa.URL.create("sqlite", database=str(self.path)) if self.path else _psycopg(url),
                **({"connect_args": {"timeout": PATIENCE}} if self.path else {"pool_pre_ping": True}),
            )
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
            raise InputError(
                f"store {_hidden(url)}: {_first_line(error)}. Give a path, or postgresql://user@host/database, which "
                "needs: pip install '.[postgres]'"
            ) from None
        self.name = str(self.path) if self.path else self.engine.url.render_as_string(hide_password=True)
        if self.path:
            self._prepare_file(self.path)
        with self.writing() as db:
            if not self.path:  # two that make the tables at once would trip over one another
                db.execute(sa.text("SELECT pg_advisory_xact_lock(6166666)"))
            present = set(sa.inspect(db).get_table_names())
            if self.path and present and not {"settings", "people", "seen"} <= present:
                raise StoreError(f"{self.name}: is a database of another program. Name another file.")
            _TABLES.create_all(db)
            version = self._setting(db, "version")
            if version is None:
                db.execute(SETTINGS.insert().values(key="version", value=VERSION.encode()))
            elif version != VERSION.encode():
                raise StoreError(
                    f"{self.name}: is of version {version.decode()}, this affekt reads {VERSION}. Upgrade."
                )

    def close(self) -> None:
        """Close the database."""
        self.engine.dispose()

    def check_key(self, key: Key) -> None:
        """Make sure that this is the key everything here is encrypted with; the first one is remembered.

        Raises
        ------
        StoreError
            If it is another.
        """
        with self.writing() as db:
            probe = self._setting(db, "probe")
            if probe is None:
                db.execute(SETTINGS.insert().values(key="probe", value=key.lock(_PROBE)))
            else:
                key.unlock(probe)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction; when the block is left without an error, what was written is durable."""
        with self._said(), self.engine.begin() as db:
            yield db

    def rows(self, statement: sa.Select[Any]) -> list[dict[str, Any]]:
        """What a query finds, as dicts."""
        with self._said(), self.engine.connect().execution_options(reading=True) as db:
            return [dict(row) for row in db.execute(statement).mappings()]

    def put(self, db: sa.Connection, table: sa.Table, row: Mapping[str, Any], *, replace: bool = True) -> bool:
        """Write a row under its primary key, or replace the one that is there; whether anything was written."""
        insert = (sqlite.insert if self.path else postgresql.insert)(table).values(**row)
        keys = [column.name for column in table.primary_key]
        others = {name: insert.excluded[name] for name in row if name not in keys}
        done = insert.on_conflict_do_update(index_elements=keys, set_=others) if replace else (
            insert.on_conflict_do_nothing()
        )  # fmt: skip
        return bool(db.execute(done).rowcount)

    def note(
        self, action: str, detail: str = "", *, session: str | None = None, person: str | None = None,
        db: sa.Connection | None = None,
    ) -> None:  # fmt: skip
        """Write into the audit trail. Never a name."""
        statement = AUDIT.insert().values(
            at=self.clock(), action=action, session=session, person=person, detail=detail[:1000]
        )
        if db is not None:
            db.execute(statement)
            return
        with self.writing() as own:
            own.execute(statement)

    def audit(self, session: str | None = None) -> list[dict[str, Any]]:
        """The audit trail, oldest first; of one session only, if it is named."""
        query = sa.select(AUDIT).order_by(AUDIT.c.number)
        return self.rows(query if session is None else query.where(AUDIT.c.session == session))

    def erase(self, person: str, *, only: Sequence[sa.Table] = (), action: str = "forgotten") -> Receipt:
        """Delete a person, or only what some tables hold about them; then verify that nothing is left.

        Raises
        ------
        StoreError
            If something is still there: the store must then not be used for people.
        """
        found = self.rows(sa.select(PEOPLE).where(PEOPLE.c.id == person))
        if not found:
            raise InputError("this person is not in the store.")
        name, tables = found[0]["name"], only or ABOUT_PEOPLE
        tokens = [row["vector"] for row in self.rows(sa.select(TEMPLATES.c.vector).where(TEMPLATES.c.person == person))]
        removed = {}
        with self.writing() as db:
            for table in tables:
                removed[table.name] = db.execute(table.delete().where(table.c.person == person)).rowcount
            if not only:
                removed["people"] = db.execute(PEOPLE.delete().where(PEOPLE.c.id == person)).rowcount
            self.note(action, f"{sum(removed.values())} rows", person=person, db=db)
        verified = self._verify(person, tables, [] if only else [name], tokens)
        remains = ["files that were exported earlier", "backups of the store and of its disk"]
        if not self.path:
            remains.append("the database server's own log (WAL) and its archives")
        return Receipt(name, found[0]["roster"], self.clock(), removed, verified, tuple(remains))

    def _verify(
        self, person: str, tables: Sequence[sa.Table], names: Sequence[str], tokens: Sequence[bytes]
    ) -> tuple[str, ...]:
        """Say what is free of a person now; raises if something is not."""
        left = [t.name for t in tables if self.rows(sa.select(t.c.person).where(t.c.person == person).limit(1))]
        others = " ".join(row["name"] for row in self.rows(sa.select(PEOPLE.c.name)))
        verified = ["no row of the tables " + ", ".join(table.name for table in tables)]
        with self._said():
            self._rewrite(tables)
        if not self.path:
            verified.append("the tables were rewritten (VACUUM FULL)")
        if self.path:
            raw = b"".join(p.read_bytes() for p in _files_of(self.path) if p.exists())
            wanted = [*tokens, *(name.encode() for name in names if len(name) > 3 and name not in others)]
            left += ["the file itself"] if any(token in raw for token in wanted) else []
            verified.append(f"the bytes of {', '.join(p.name for p in _files_of(self.path) if p.exists())}")
        if left:
            raise StoreError(
                f"{self.name}: {', '.join(left)} still holds something of the person, perhaps because another process "
                "has the store open. Stop it and forget them again."
            )
        return tuple(verified)

    def _rewrite(self, tables: Sequence[sa.Table]) -> None:
        """Rewrite tables so that no copy of deleted rows is left between the others."""
        if self.path:
            connection = self.engine.raw_connection()
            try:
                for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                    connection.cursor().execute(statement)
            finally:
                connection.close()
            return
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
            for table in (*tables, PEOPLE):
                db.execute(sa.text(f"VACUUM FULL {table.name}"))

    def _prepare_file(self, path: Path) -> None:
        if not path.parent.is_dir():
            raise InputError(f"{path.parent}: no such folder for the store; make it first.")
        try:
            # Made here, so that nobody else can read it for a moment; what SQLite puts beside it has the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
        except OSError as error:
            raise StoreError(f"{path}: cannot be used ({error.strerror}).") from None

        @sa.event.listens_for(self.engine, "connect")
        def connected(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # SQLAlchemy's own BEGIN, below
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
                connection.execute(f"PRAGMA {pragma}").fetchone()

        @sa.event.listens_for(self.engine, "begin")
        def begun(connection: sa.Connection) -> None:
            reads = connection.get_execution_options().get("reading")
            connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    def _setting(self, db: sa.Connection, key: str) -> bytes | None:
        found: bytes | None = db.execute(sa.select(SETTINGS.c.value).where(SETTINGS.c.key == key)).scalar()
        return found

    @contextmanager
    def _said(self) -> Iterator[None]:
        """What a database complains about, as one sentence."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            reason = _first_line(error.orig or error)
            if "full" in reason or "No space" in reason or "disk I/O" in reason:
                raise StoreError(
                    f"{self.name}: the disk is full; nothing that was acknowledged is lost. Make room: what is waiting "
                    "is written as soon as there is some."
                ) from None
            raise StoreError(f"{self.name}: the store cannot be used ({reason}).") from None


def new_id() -> str:
    """An id that says nothing about whose it is."""
    return secrets.token_hex(12)


def _files_of(path: Path) -> tuple[Path, ...]:
    return path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-journal")


def _psycopg(url: str) -> sa.URL:
    """A URL of PostgreSQL, for the driver that the extra brings."""
    parsed = sa.make_url(url)
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername in ("postgres", "postgresql") else parsed


def _hidden(url: str) -> str:
    """A URL without what stands before its host."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
