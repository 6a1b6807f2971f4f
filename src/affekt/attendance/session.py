"""One session: sightings in, one row per person out, each row on the disk before it is reported.

A single frame never marks anybody. The looks at a track vote: the track is somebody's when enough looks, spread over
some time, say so and hardly any says otherwise. Only sightings strictly inside the window count.
"""

from __future__ import annotations

import secrets
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from affekt.attendance.gallery import Gallery, Match
from affekt.attendance.liveness import Liveness
from affekt.attendance.store import (
    CORRECTIONS,
    EMOTIONS,
    MARKS,
    PEOPLE,
    SEEN,
    SESSIONS,
    TEMPLATES,
    Store,
    new_id,
)
from affekt.attendance.window import Window, time_zone
from affekt.errors import InputError, StoreError, UnknownName

#: Every status a row may have.
STATUSES = ("on time", "late", "left early", "late and left early", "absent", "not checked", "excused")
#: Statuses that a person may enter by hand.
BY_HAND = ("on time", "late", "left early", "late and left early", "absent", "excused")
#: What emotions may be inferred for; anything else is refused.
PURPOSES = ("medical", "safety", "research-with-consent")
#: Least seconds between two looks that may both vote: neighbouring frames show the same.
APART = 0.1
#: How many of the newest looks of a track vote.
REMEMBERED = 9
#: Share of the looks that must name the same person.
MAJORITY = 2 / 3
#: Seconds after which a row is written again if only its last time has changed.
REWRITE = 1.0
#: How many tracks are remembered at a time.
_MOST_TRACKS = 2000


class Seen(Protocol):
    """A sighting, as :class:`affekt.face.sightings.Sighting` has it."""

    @property
    def track(self) -> str: ...
    @property
    def box(self) -> tuple[float, float, float, float]: ...
    @property
    def vector(self) -> NDArray[np.float32] | None: ...
    @property
    def turn(self) -> float: ...
    @property
    def openness(self) -> float: ...
    @property
    def expression(self) -> Any: ...


@dataclass(frozen=True)
class Rules:
    """The rules of a session; stored with its rows.

    Parameters
    ----------
    late_after : float
        Seconds after the window opens; anybody first seen from then on is late.
    leaves_before : float
        Seconds before the window closes; anybody last seen before that left early. 0: not judged, because a camera at
        the door sees people only once.
    votes : int
        Looks that must name a person before the person is marked; 2 or more.
    within : float
        Least time in seconds over which these looks must be spread.
    liveness : str
        ``none``, ``blink``, ``turn`` or ``any``: what a face must have done before it is marked.
    purpose : str
        Why emotions are inferred, one of ``PURPOSES``; empty: they are not.
    """

    late_after: float = 600.0
    leaves_before: float = 0.0
    votes: int = 3
    within: float = 0.4
    liveness: str = "none"
    purpose: str = ""

    def __post_init__(self) -> None:
        if not 2 <= self.votes <= REMEMBERED or not 0 <= self.within <= 60:
            raise InputError(
                f"votes {self.votes} within {self.within} s; allowed: 2 to {REMEMBERED} looks over 0 to 60 s."
            )
        if self.late_after < 0 or self.leaves_before < 0:
            raise InputError(
                f"late after {self.late_after} s, leaves {self.leaves_before} s early; give no less than 0."
            )
        if self.liveness not in ("none", "blink", "turn", "any"):
            raise UnknownName("liveness challenge", self.liveness, ("none", "blink", "turn", "any"))
        if self.purpose and self.purpose not in PURPOSES:
            raise UnknownName("purpose of inferring emotions", self.purpose, PURPOSES)


@dataclass(frozen=True)
class Row:
    """One person in one session, with corrections applied.

    Parameters
    ----------
    name : str
    person : str
        Their id.
    status : str
        One of ``STATUSES``; ``present`` while the session runs.
    first, last : datetime or None
    times : int
        How often they came into view: tracks, of all cameras.
    confidence : float or None
        Share of the looks at their best track that named them.
    similarity : float or None
        Mean cosine of those looks.
    corrections : tuple of mapping
        Oldest first: ``at``, ``by``, ``before``, ``after``, ``reason``.
    emotion : mapping or None
        ``scores``, ``unsure``, ``looks``, ``purpose``.
    """

    name: str
    person: str
    status: str
    first: datetime | None = None
    last: datetime | None = None
    times: int = 0
    confidence: float | None = None
    similarity: float | None = None
    corrections: tuple[Mapping[str, Any], ...] = ()
    emotion: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Event:
    """Something to tell: ``marked`` (its row is on the disk), ``waiting``, ``written``, ``unknown`` or ``alive``."""

    kind: str
    at: datetime
    track: str
    name: str | None = None
    match: Match | None = None
    detail: str = ""


@dataclass
class _Track:
    """What is known of one track."""

    looks: deque[tuple[datetime, Match, Any]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    name: str | None = None
    first: datetime | None = None
    count: int = 0
    named: int = 0
    similarity: float = 0.0
    written: datetime | None = None
    latest: datetime | None = None
    alive: Liveness | None = None
    scores: Counter[str] = field(default_factory=Counter)
    unsure: int = 0
    told: str = ""
    number: int = 0

    def feel(self, said: Sequence[Any]) -> None:
        """Add what expressions say to the sum; None says nothing."""
        for expression in said:
            if expression is not None:
                self.scores.update(expression.scores)
                self.unsure += expression.unsure


class Session:
    """A session as one camera sees it; several cameras may share one session.

    Made by :func:`open_session`.

    Parameters
    ----------
    store : Store
    id : str
    gallery : Gallery
    ids : mapping of str to str
        Name to the person's id.
    camera : str
    """

    def __init__(
        self, store: Store, id: str, gallery: Gallery, ids: Mapping[str, str], *, camera: str = "camera"
    ) -> None:
        row = _session_row(store, id)
        self.store, self.id, self.gallery, self.camera = store, id, gallery, camera
        self.window = Window(row["opens"], row["closes"], time_zone(row["zone"]))
        self.rules = Rules(**row["rules"])
        self.outside = 0
        self._ids = dict(ids)
        self._run = secrets.token_hex(4)  # tracks are numbered anew by each run of a camera
        self._tracks: dict[str, _Track] = {}
        self._waiting: dict[tuple[str, str], tuple[dict[str, Any], dict[str, Any] | None]] = {}
        self._untold: list[Event] = []
        self._full = False

    def wanted(self, track: str, now: datetime) -> float:
        """How urgently a look at a track is wanted; 0: not now."""
        known = self._tracks.get(track)
        if known is None or not known.looks:
            return 3.0
        since = (now - known.looks[-1][0]).total_seconds()
        if known.name is None:
            # One that stays unknown is asked less and less.
            pause = APART if known.count < REMEMBERED else 1.0
            return 2.0 + since if since >= pause else 0.0
        return min(1.0, since / 10) if since >= 2.0 else 0.0

    def see(self, sightings: Sequence[Seen], at: datetime) -> list[Event]:
        """Take the sightings of one frame; a row is on the disk before its ``marked`` event is returned."""
        if at not in self.window:
            self.outside += len(sightings)
            return []
        events: list[Event] = []
        looked = [sighting for sighting in sightings if sighting.vector is not None]
        matches = self.gallery.match(np.stack([s.vector for s in looked])) if looked else []  # type: ignore[misc]
        answers = dict(zip(map(id, looked), matches, strict=True))
        for sighting in sightings:
            track = self._tracks.setdefault(sighting.track, _Track())
            if self.rules.liveness != "none":
                track.alive = track.alive or Liveness(self.rules.liveness)
                if track.alive.feed(sighting.turn, sighting.openness, at):
                    events.append(Event("alive", at, sighting.track, track.name))
            if match := answers.get(id(sighting)):
                self._vote(track, match, sighting, at)
                if track.name is None and len(track.looks) >= self.rules.votes and match.reason != track.told:
                    track.told = match.reason
                    events.append(Event("unknown", at, sighting.track, None, match, match.reason or "not sure yet"))
            if track.name is not None:
                events += self._mark(track, sighting.track, at)
        events += self._write(at)
        while len(self._tracks) > _MOST_TRACKS:
            del self._tracks[next(iter(self._tracks))]
        return events

    def whose(self, track: str) -> str | None:
        """Whose track it is, once the row is on the disk; None before that, or without the required sign of life."""
        known = self._tracks.get(track)
        if known is None or known.name is None or (known.alive is not None and not known.alive.passed):
            return None
        waits = any(row["track"].split(":")[1] == track for row, _ in self._waiting.values())
        return None if known.written is None or waits else known.name

    def renew(self, gallery: Gallery, ids: Mapping[str, str]) -> None:
        """Continue with a changed gallery: somebody was enrolled, forgotten, or withdrew consent during the session."""
        gone = set(self.gallery.people) - set(gallery.people)
        self.gallery, self._ids = gallery, dict(ids)
        for name in [name for name, track in self._tracks.items() if track.name in gone]:
            del self._tracks[name]
        self._waiting = {key: row for key, row in self._waiting.items() if key[0] not in gone}
        self._untold = [event for event in self._untold if event.name not in gone]

    def by_name(self, sightings: Sequence[Any]) -> list[Any]:
        """For single pictures, minutes apart: put all looks at one person on one track, whatever the gaps."""
        looked = [sighting for sighting in sightings if sighting.vector is not None]
        matches = self.gallery.match(np.stack([sighting.vector for sighting in looked])) if looked else []
        return [
            replace(sighting, track=f"pictures of {match.nearest}" if match.name else sighting.track)
            for sighting, match in zip(looked, matches, strict=True)
        ]

    def _vote(self, track: _Track, match: Match, sighting: Seen, at: datetime) -> None:
        if track.looks and (at - track.looks[-1][0]).total_seconds() < APART:
            return
        track.looks.append((at, match, sighting.expression))
        track.count += 1
        track.feel([sighting.expression])
        names = Counter(look.name for _, look, _ in track.looks if look.name)
        name, votes = names.most_common(1)[0] if names else (None, 0)
        times = [time for time, look, _ in track.looks if look.name == name]
        sure = (
            votes >= self.rules.votes
            and votes >= MAJORITY * len(track.looks)
            and (times[-1] - times[0]).total_seconds() >= self.rules.within
        )
        if sure and name != track.name:
            # A tracker may pass a track on from one person to another: what the first had stays theirs.
            track.name, track.first, track.written = name, times[0], None
            track.named = track.count = votes
            track.number += 1
            track.scores.clear()
            track.unsure = 0
            track.feel([said for _, look, said in track.looks if look.name == name])
        elif not names and len(track.looks) == REMEMBERED:
            track.name = None
        if track.name is not None:
            own = [look.similarity for _, look, _ in track.looks if look.name == track.name]
            track.named, track.similarity = len(own), float(np.mean(own)) if own else track.similarity

    def _mark(self, track: _Track, name: str, at: datetime) -> list[Event]:
        """Have the track's row written, when it is new or has grown a second older."""
        track.latest = at
        passed = track.alive is None or track.alive.passed
        if passed and track.told == "alive?":
            track.told, track.written = "", None
        if track.written is not None and (at - track.written).total_seconds() < REWRITE:
            return []
        fresh = track.written is None
        track.written = at
        self._wait(track, name)
        if not passed and fresh and track.alive is not None:
            track.told = "alive?"
            return [Event("unknown", at, name, track.name, None, f"waits for a sign of life: {track.alive.ask}")]
        if fresh:
            self._untold.append(Event("marked", at, name, track.name, track.looks[-1][1]))
        return []

    def _wait(self, track: _Track, name: str) -> None:
        """Put a track's row among those that are to be written."""
        assert track.name is not None
        key = {"session": self.id, "person": self._ids[track.name], "camera": self.camera,
               "track": f"{self._run}:{name}:{track.number}"}  # fmt: skip
        row = {
            **key, "first": track.first, "last": track.latest, "looks": track.count,
            "confidence": track.named / max(1, len(track.looks)), "similarity": track.similarity,
            "alive": None if track.alive is None else track.alive.passed,
        }  # fmt: skip
        emotion = None
        if self.rules.purpose and (total := sum(track.scores.values())):
            looks = max(1, round(total))
            scores = {label: value / total for label, value in track.scores.items()}
            emotion = {**key, "purpose": self.rules.purpose, "scores": scores, "unsure": track.unsure / looks,
                       "looks": looks}  # fmt: skip
        self._waiting[track.name, key["track"]] = (row, emotion)

    def _write(self, at: datetime) -> list[Event]:
        """Write the waiting rows to disk; while it is full, they keep waiting and no ``marked`` is reported."""
        if not self._waiting:
            return []
        try:
            with self.store.writing() as db:
                gone = set(self._ids.values()) - set(db.execute(sa.select(PEOPLE.c.id)).scalars())
                for row, emotion in self._waiting.values():
                    if row["person"] in gone:  # forgotten while the session runs
                        continue
                    self.store.put(db, SEEN, row)
                    if emotion:
                        self.store.put(db, EMOTIONS, emotion)
                if db.execute(sa.select(SESSIONS.c.closed).where(SESSIONS.c.id == self.id)).scalar():
                    _settle(self.store, db, self.id)  # another camera closed it
        except StoreError as error:
            first, self._full = not self._full, True
            return [Event("waiting", at, "", None, None, str(error))] if first else []
        self._waiting.clear()
        recovered, self._full = self._full, False
        told, self._untold = self._untold, []
        said = [Event("written", at, "", None, None, "the store takes rows again; none was lost")] if recovered else []
        return [*said, *told]

    def flush(self, at: datetime) -> list[Event]:
        """Write what has grown since it was written last."""
        for name, track in self._tracks.items():
            if track.name is not None and track.latest is not None and track.latest != track.written:
                track.written = track.latest
                self._wait(track, name)
        return self._write(at)

    def close(self, at: datetime) -> bool:
        """End the session and write the absentees; an early end is noted. True if this call ended it.

        Raises
        ------
        StoreError
            If what still waits cannot be written; call it again when there is room.
        """
        self.flush(at)
        if self._waiting:
            raise StoreError(f"{self.store.name}: the disk is still full; make room and close the session again.")
        return close_session(self.store, self.id, at)


def open_session(
    store: Store, roster: str, window: Window, rules: Rules, *, keep: timedelta | None = None
) -> tuple[str, bool]:
    """The id of a roster's session in a window, created if there is none, and whether it is new.

    Raises
    ------
    InputError
        If it exists with other rules, or was closed.
    """
    row = {
        "id": new_id(), "roster": roster, "opens": window.opens, "closes": window.closes, "zone": window.zone.key,
        "rules": asdict(rules), "made": store.clock(), "keep_until": None if keep is None else window.closes + keep,
    }  # fmt: skip
    same = (SESSIONS.c.roster == roster, SESSIONS.c.opens == window.opens, SESSIONS.c.closes == window.closes)
    with store.writing() as db:
        found = db.execute(sa.select(SESSIONS).where(*same)).mappings().first()
        if found is None:
            db.execute(SESSIONS.insert().values(**row))
            store.note("session opened", window.text(), session=str(row["id"]), db=db)
            return str(row["id"]), True
    if found["closed"]:
        raise InputError(
            f"the session of {roster}, {window.text()}, is closed. Put what is missing in by hand: "
            f"affekt attendance correct {found['id']} NAME --status ... --reason ..."
        )
    if found["rules"] != asdict(rules):
        other = [f.name for f in fields(Rules) if found["rules"].get(f.name) != getattr(rules, f.name)]
        raise InputError(
            f"the session of {roster}, {window.text()}, runs already with other rules ({', '.join(other)}); give the "
            "same."
        )
    return str(found["id"]), False


def close_session(store: Store, session: str, at: datetime) -> bool:
    """End a session and write a row for everybody on its roster; False if it was closed already."""
    with store.writing() as db:
        row = db.execute(sa.select(SESSIONS).where(SESSIONS.c.id == session)).mappings().first()
        if row is None:
            raise UnknownName("session", session, db.execute(sa.select(SESSIONS.c.id)).scalars().all() or ["none yet"])
        first = row["closed"] is None
        if first:
            statement = SESSIONS.update().where(SESSIONS.c.id == session)
            db.execute(statement.values(closed=store.clock(), ended=min(at, row["closes"])))
            early = at < row["closes"]
            store.note("session closed", "before its end" if early else "", session=session, db=db)
        _settle(store, db, session)
    return first


def _settle(store: Store, db: sa.Connection, session: str) -> None:
    """Write everybody's row from what was seen."""
    about = dict(db.execute(sa.select(SESSIONS).where(SESSIONS.c.id == session)).mappings().one())
    faces = set(db.execute(sa.select(TEMPLATES.c.person).distinct()).scalars())
    people = db.execute(sa.select(PEOPLE.c.id).where(PEOPLE.c.roster == about["roster"])).scalars().all()
    rows = db.execute(sa.select(SEEN).where(SEEN.c.session == session)).mappings().all()
    # Who was recognised without a sign of life may be a photo, or somebody who sat still: a person has to look.
    seen, doubtful = _merged(rows), {row["person"] for row in rows if row["alive"] is False}
    for person in people:
        merged = seen.get(person)
        default = "absent" if person in faces and person not in doubtful else "not checked"
        status = status_of(merged, about) if merged else default
        empty = {"first": None, "last": None, "times": 0, "confidence": None, "similarity": None}
        store.put(db, MARKS, {"session": session, "person": person, "status": status, **(merged or empty)})


def _merged(rows: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """What all cameras saw of each person, as one."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["alive"] is False:  # recognised, and maybe a photo
            continue
        own = found.setdefault(row["person"], {"first": row["first"], "last": row["last"], "times": 0,
                                               "confidence": 0.0, "similarity": 0.0})  # fmt: skip
        own["first"], own["last"] = min(own["first"], row["first"]), max(own["last"], row["last"])
        own["times"] += 1
        if (row["confidence"], row["similarity"]) > (own["confidence"], own["similarity"]):
            own["confidence"], own["similarity"] = row["confidence"], row["similarity"]
    return found


def status_of(seen: Mapping[str, Any], session: Mapping[str, Any]) -> str:
    """The status of somebody who was seen, by the rules of the session."""
    rules = Rules(**session["rules"])
    late = seen["first"] > session["opens"] + timedelta(seconds=rules.late_after)
    left = rules.leaves_before > 0 and seen["last"] < session["closes"] - timedelta(seconds=rules.leaves_before)
    if session["ended"] and session["ended"] < session["closes"] and left:
        left = seen["last"] < session["ended"] - timedelta(seconds=rules.leaves_before)
    return {(False, False): "on time", (True, False): "late", (False, True): "left early"}.get(
        (late, bool(left)), "late and left early"
    )


def table(store: Store, session: str, *, emotions: bool = False) -> list[Row]:
    """Everybody's row, by name, with the corrections in it; while the session runs, as it stands."""
    about = _session_row(store, session)
    names = {r["id"]: r["name"] for r in store.rows(
        sa.select(PEOPLE.c.id, PEOPLE.c.name).where(PEOPLE.c.roster == about["roster"]).order_by(PEOPLE.c.folded)
    )}  # fmt: skip
    marks = {row["person"]: row for row in store.rows(sa.select(MARKS).where(MARKS.c.session == session))}
    if not about["closed"]:
        merged = _merged(store.rows(sa.select(SEEN).where(SEEN.c.session == session)))
        marks = {person: {"status": status_of(row, about), **row} for person, row in merged.items()}
    corrections: dict[str, list[dict[str, Any]]] = {}
    query = sa.select(CORRECTIONS).where(CORRECTIONS.c.session == session).order_by(CORRECTIONS.c.number)
    for row in store.rows(query):
        kept = {key: row[key] for key in ("at", "by", "before", "after", "reason")}
        corrections.setdefault(row["person"], []).append(kept)
    felt = _emotions(store, session) if emotions else {}
    found = []
    for person, name in names.items():
        mark = {key: value for key, value in marks.get(person, {}).items() if key not in ("session", "person")}
        own = tuple(corrections.get(person, ()))
        status = own[-1]["after"] if own else mark.pop("status", "not seen yet")
        mark.pop("status", None)
        found.append(Row(name, person, status, corrections=own, emotion=felt.get(person), **mark))
    return found


def _emotions(store: Store, session: str) -> dict[str, dict[str, Any]]:
    """Mean scores of each person, over looks."""
    found: dict[str, dict[str, Any]] = {}
    for row in store.rows(sa.select(EMOTIONS).where(EMOTIONS.c.session == session)):
        own = found.setdefault(row["person"], {"scores": Counter(), "unsure": 0.0, "looks": 0, "purpose": ""})
        own["scores"].update({label: row["looks"] * value for label, value in row["scores"].items()})
        own["unsure"] += row["looks"] * row["unsure"]
        own["looks"] += row["looks"]
        own["purpose"] = row["purpose"]
    for own in found.values():
        own["scores"] = {label: value / own["looks"] for label, value in own["scores"].items()}
        own["unsure"] /= own["looks"]
    return found


def correct(store: Store, session: str, person: str, *, status: str, reason: str, by: str) -> Row:
    """Correct the status of a row; the old status, who changed it and why stay on record.

    Raises
    ------
    InputError
        If the status is unknown, or the reason or the name of who corrects is missing.
    """
    if status not in BY_HAND:
        raise UnknownName("status", status, BY_HAND)
    if not reason.strip() or not by.strip():
        raise InputError("a correction needs a reason and the name of who makes it (--reason, --by).")
    current = {row.person: row for row in table(store, session)}
    if person not in current:
        raise InputError("this person is not on the roster of that session.")
    with store.writing() as db:
        number = db.execute(sa.select(sa.func.max(CORRECTIONS.c.number)).where(
            CORRECTIONS.c.session == session, CORRECTIONS.c.person == person
        )).scalar()  # fmt: skip
        row = {
            "id": new_id(), "number": (number or 0) + 1, "session": session, "person": person, "at": store.clock(),
            "by": by.strip()[:200], "before": current[person].status, "after": status, "reason": reason.strip()[:1000],
        }  # fmt: skip
        db.execute(CORRECTIONS.insert().values(**row))
        store.note("corrected", f"{current[person].status} to {status}", session=session, person=person, db=db)
    return next(row for row in table(store, session) if row.person == person)


def sessions(store: Store, roster: str | None = None) -> list[dict[str, Any]]:
    """All sessions, the oldest first."""
    query = sa.select(SESSIONS).order_by(SESSIONS.c.opens)
    return store.rows(query if roster is None else query.where(SESSIONS.c.roster == roster))


def _session_row(store: Store, session: str) -> dict[str, Any]:
    found = store.rows(sa.select(SESSIONS).where(SESSIONS.c.id == session))
    if not found:
        raise UnknownName("session", session, [row["id"] for row in sessions(store)] or ["none yet"])
    return found[0]
