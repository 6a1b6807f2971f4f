"""People made of random unit vectors, for the tests of attendance: no pictures, no networks."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

EMBEDDER = ("random-1", 0.6, 0.5)
START = datetime(2026, 11, 27, 8, 30, tzinfo=UTC)  # 09:30 in Berlin


@dataclass(frozen=True)
class Look:
    """A sighting without a picture."""

    track: str
    vector: np.ndarray | None = None
    box: tuple[float, float, float, float] = (0.0, 0.0, 100.0, 100.0)
    turn: float = 0.0
    openness: float = 0.3
    expression: object = None


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now=START):
        self.now = now

    def __call__(self):
        return self.now

    def move(self, **span):
        self.now += timedelta(**span)


def unit(vector):
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def face(name, look=0, *, noise=0.35, size=128):
    """One look at somebody: near to all their others, far from everybody else's."""
    own = np.random.default_rng([len(name), *map(ord, name)])
    shift = np.random.default_rng([look + 1, *map(ord, name)])
    return unit(unit(own.standard_normal(size)) + noise * unit(shift.standard_normal(size)))


def roster_of(store, key, names, *, photos=3, name="7B"):
    """A roster with everybody's consent and photos."""
    from affekt.attendance.roster import Consent, Photo, Roster

    roster = Roster(store, name, key)
    for person in names:
        roster.consent(person, Consent(person, "2026-11", date(2026, 11, 1)))
        taken = [Photo(face(person, look)) for look in range(photos)]
        roster.enrol(person, taken, embedder=EMBEDDER, keep=timedelta(days=365))
    return roster


def session_of(roster, *, rules=None, camera="door", start="09:30", end="10:00", keep=None):
    """The session of a roster on 27 November 2026 in Berlin."""
    from affekt.attendance.session import Rules, Session, open_session
    from affekt.attendance.window import window

    span = window(start, end, "Europe/Berlin", day=date(2026, 11, 27))
    number, _ = open_session(roster.store, roster.name, span, rules or Rules(), keep=keep)
    gallery, ids = roster.gallery(EMBEDDER)
    return Session(roster.store, number, gallery, ids, camera=camera)


def walk_by(session, name, *, at=START, looks=5, track=None, apart=0.3, first=10):
    """Somebody is seen for a while; the events."""
    events = []
    for index in range(looks):
        seen = Look(track or f"face of {name}", face(name, first + index))
        events += session.see([seen], at + timedelta(seconds=apart * index))
    return events
