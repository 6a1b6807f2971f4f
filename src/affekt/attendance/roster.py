"""The people of a class: their consent, their faces, and their rights.

Nothing about a face is stored without a record of consent. People who did not consent stay on the roster without a
face: the camera marks them neither present nor absent; a person does.
"""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from affekt.attendance.gallery import FALSE_ACCEPTS, Gallery
from affekt.attendance.key import Key
from affekt.attendance.store import (
    AUDIT,
    CONSENTS,
    CORRECTIONS,
    EMOTIONS,
    MARKS,
    PEOPLE,
    SEEN,
    SESSIONS,
    TEMPLATES,
    Receipt,
    Store,
    new_id,
)
from affekt.errors import InputError, UnknownName

#: Most characters of a name.
LONGEST_NAME = 100
#: A photo this similar to an enrolled one is the same photo or a copy: it adds nothing.
SAME_PHOTO = 0.9995


@dataclass(frozen=True)
class Consent:
    """That somebody agreed, to what, and when.

    Parameters
    ----------
    given_by : str
        The person, or their guardian.
    notice : str
        Which version of the notice they had read.
    given_on : date
    guardian : bool
        Whether ``given_by`` is the guardian of a minor.
    recorded_by : str
        Who wrote it down.
    """

    given_by: str
    notice: str
    given_on: date
    guardian: bool = False
    recorded_by: str = ""


@dataclass(frozen=True)
class Photo:
    """A face to be enrolled, that passed the quality gate.

    Parameters
    ----------
    vector : float32 array, shape (d,)
    measures : mapping of str to float
        Of its quality.
    picture : bytes, optional
        The photo itself, where it is to be kept.
    source : str
        What to call it in a message; it is not kept.
    """

    vector: NDArray[np.float32]
    measures: Mapping[str, float] = field(default_factory=dict)
    picture: bytes | None = None
    source: str = "photo"


@dataclass(frozen=True)
class Person:
    """Somebody on a roster.

    Parameters
    ----------
    id, name, roster : str
    minor : bool
    photos : int
        Faces enrolled; 0 for people who did not consent or are not enrolled yet.
    consent : Consent or None
        The newest consent that was not withdrawn.
    keep_until : datetime or None
        When the face will be deleted.
    """

    id: str
    name: str
    roster: str
    minor: bool
    photos: int
    consent: Consent | None
    keep_until: datetime | None


class Roster:
    """The people of one class.

    Parameters
    ----------
    store : Store
    name : str
        Of the class.
    key : Key
        What faces are encrypted with.
    """

    def __init__(self, store: Store, name: str, key: Key) -> None:
        self.store, self.name, self._key = store, checked_name(name, "roster"), key

    def people(self) -> list[Person]:
        """All of them, by name."""
        photos = {
            row["person"]: row["n"]
            for row in self.store.rows(
                sa.select(TEMPLATES.c.person, sa.func.count().label("n")).group_by(TEMPLATES.c.person)
            )
        }
        consents = {
            row["person"]: Consent(
                row["given_by"], row["notice"], date.fromisoformat(row["given_on"]), row["guardian"], row["recorded_by"]
            )
            for row in self.store.rows(
                sa.select(CONSENTS).where(CONSENTS.c.withdrawn.is_(None)).order_by(CONSENTS.c.recorded)
            )
        }
        rows = self.store.rows(sa.select(PEOPLE).where(PEOPLE.c.roster == self.name).order_by(PEOPLE.c.folded))
        return [
            Person(
                row["id"], row["name"], self.name, row["minor"], photos.get(row["id"], 0), consents.get(row["id"]),
                row["keep_until"],
            )
            for row in rows
        ]  # fmt: skip

    def find(self, name: str) -> Person:
        """The person with this name.

        Raises
        ------
        UnknownName
            If nobody has.
        """
        people = {folded(person.name): person for person in self.people()}
        if folded(name) not in people:
            raise UnknownName("person", name, [person.name for person in people.values()] or ["nobody yet"])
        return people[folded(name)]

    def add(self, name: str, *, minor: bool = False) -> Person:
        """Put somebody on the roster, without a face; who is already on it stays, and is marked if ``minor`` is set."""
        name = checked_name(name, "person")
        with self.store.writing() as db:
            found = db.execute(
                sa.select(PEOPLE.c.id).where(PEOPLE.c.roster == self.name, PEOPLE.c.folded == folded(name))
            ).scalar()
            if found is None:
                row: dict[str, Any] = {
                    "id": new_id(),
                    "roster": self.name,
                    "name": name,
                    "folded": folded(name),
                    "minor": minor,
                }
                db.execute(PEOPLE.insert().values(**row, added=self.store.clock()))
                self.store.note("added to a roster", person=row["id"], db=db)
            elif minor:
                db.execute(PEOPLE.update().where(PEOPLE.c.id == found).values(minor=True))
        return self.find(name)

    def consent(self, name: str, consent: Consent) -> Person:
        """Record somebody's consent; they are put on the roster if needed.

        Raises
        ------
        InputError
            If a minor's guardian is missing, or the record is incomplete or dated in the future.
        """
        for value, what in ((consent.given_by, "who gave it"), (consent.notice, "the version of the notice")):
            checked_name(value, what)
        if consent.given_on > (self.store.clock() + timedelta(hours=14)).date():
            raise InputError(f"consent given on {consent.given_on}, which is still to come; give the day it was given.")
        person = self.add(name, minor=consent.guardian)
        if person.minor and not consent.guardian:
            raise InputError(f"{person.name} is a minor: consent is given by a guardian (--guardian NAME).")
        row = {
            "id": new_id(), "person": person.id, "given_by": consent.given_by, "guardian": consent.guardian,
            "notice": consent.notice, "given_on": consent.given_on.isoformat(), "recorded": self.store.clock(),
            "recorded_by": consent.recorded_by,
        }  # fmt: skip
        with self.store.writing() as db:
            db.execute(CONSENTS.insert().values(**row))
            self.store.note("consent recorded", f"notice {consent.notice}", person=person.id, db=db)
        return self.find(name)

    def consented(self, name: str) -> Person:
        """The person with this name, who must have consented.

        Raises
        ------
        InputError
            If nobody has, or no consent is on record.
        """
        for person in self.people():
            if folded(person.name) == folded(name) and person.consent:
                return person
        raise InputError(
            f"{name}: no consent is on record, so no face is kept. First: affekt attendance consent {name!r} "
            f"--roster {self.name!r} --given-by WHO --notice VERSION"
        )

    def withdraw(self, name: str) -> Receipt:
        """Withdraw consent: the faces are deleted at once, the name stays on the roster."""
        person = self.find(name)
        with self.store.writing() as db:
            statement = CONSENTS.update().where(CONSENTS.c.person == person.id, CONSENTS.c.withdrawn.is_(None))
            db.execute(statement.values(withdrawn=self.store.clock()))
        return self.store.erase(person.id, only=(TEMPLATES, EMOTIONS), action="consent withdrawn")

    def enrol(
        self, name: str, photos: Sequence[Photo], *, embedder: tuple[str, float, float], keep: timedelta | None = None,
        although_similar: bool = False,
    ) -> list[str]:  # fmt: skip
        """Keep the faces of somebody who consented; returns notes.

        Parameters
        ----------
        name : str
        photos : sequence of Photo
        embedder : (name, usual, least)
            Of the embedder that made the vectors.
        keep : timedelta, optional
            Time after which :meth:`sweep` deletes them.
        although_similar : bool
            Enrol even if the face resembles somebody else's, as with twins.

        Raises
        ------
        InputError
            If there is no consent, the photos are not of one person, or the face is enrolled under another name.
        """
        person = self.consented(name)
        if not photos:
            raise InputError(f"{name}: no photo; give one at least, better three or more.")
        gallery, _ = self.gallery(embedder)
        own = [vector for vector, owner in zip(*self._vectors(embedder[0]), strict=True) if owner == person.name]
        notes, fresh = self._fresh(photos, own)
        limit = gallery.threshold.value if gallery.threshold.fitted else embedder[1]
        self._check_alone(person, fresh, (gallery, limit), although_similar)
        self._check_one_person(fresh, own, limit)
        with self.store.writing() as db:
            for photo in fresh:
                row = {
                    "id": new_id(), "person": person.id, "embedder": embedder[0], "added": self.store.clock(),
                    "vector": self._key.lock(photo.vector.astype("<f4").tobytes()), "measures": dict(photo.measures),
                    "photo": self._key.lock(photo.picture) if photo.picture else None,
                }  # fmt: skip
                db.execute(TEMPLATES.insert().values(**row))
            until = None if keep is None else self.store.clock() + keep
            db.execute(PEOPLE.update().where(PEOPLE.c.id == person.id).values(keep_until=until))
            self.store.note("enrolled", f"{len(fresh)} photos", person=person.id, db=db)
        if len(own) + len(fresh) < 3:
            notes.append(f"{person.name} has {len(own) + len(fresh)} photo(s); with three or more fewer looks fail.")
        return notes

    def _fresh(self, photos: Sequence[Photo], own: Sequence[NDArray[np.float32]]) -> tuple[list[str], list[Photo]]:
        """Photos that are not there already, and what to say about the others."""
        notes: list[str] = []
        fresh: list[Photo] = []
        for photo in photos:
            if any(float(photo.vector @ other) > SAME_PHOTO for other in (*own, *(p.vector for p in fresh))):
                notes.append(f"{photo.source}: is there already, or the same as another; it is left out.")
            else:
                fresh.append(photo)
        if not fresh:
            raise InputError("all of these photos are there already; give others.")
        return notes, fresh

    def _check_alone(
        self, person: Person, photos: Sequence[Photo], limits: tuple[Gallery, float], although_similar: bool
    ) -> None:
        """Check that nobody else has this face."""
        gallery, limit = limits
        if not len(gallery) or although_similar:
            return
        scores = gallery.scores(np.stack([photo.vector for photo in photos]))
        for photo, row in zip(photos, scores, strict=True):
            for other in np.argsort(-row):
                if row[other] < limit:
                    break
                if gallery.people[other] != person.name:
                    raise InputError(
                        f"{photo.source}: the face of {person.name} is as good as that of {gallery.people[other]} "
                        f"(similarity {row[other]:.3f}, from {limit:.3f} on it counts as the same). One person under "
                        "two names: use one of them. Twins or siblings: --although-similar; they will often stay "
                        "unknown."
                    )

    def _check_one_person(self, photos: Sequence[Photo], own: Sequence[NDArray[np.float32]], limit: float) -> None:
        """Check that all photos are of one person: each resembles at least one of the others."""
        if len(photos) + len(own) < 2:
            return
        vectors = np.stack([*(photo.vector for photo in photos), *own])
        cosines = vectors @ vectors.T
        np.fill_diagonal(cosines, -1)
        # Half-way between a stranger and the limit: a poor photo of the same person passes, another person does not.
        least = limit - (1 - limit)
        for photo, row in zip(photos, cosines, strict=False):
            if row.max() < least:
                raise InputError(
                    f"{photo.source}: is not of the same person as the other photos (similarity {row.max():.3f}, "
                    f"expected {least:.3f} or more). Leave it out, or take a better one."
                )

    def _vectors(self, embedder: str) -> tuple[list[NDArray[np.float32]], list[str]]:
        rows = self.store.rows(
            sa.select(TEMPLATES.c.vector, TEMPLATES.c.embedder, PEOPLE.c.name)
            .join(PEOPLE, PEOPLE.c.id == TEMPLATES.c.person)
            .where(PEOPLE.c.roster == self.name)
            .order_by(PEOPLE.c.folded, TEMPLATES.c.added)
        )
        if others := sorted({row["embedder"] for row in rows} - {embedder}):
            raise InputError(
                f"the faces of {self.name} were enrolled with {', '.join(others)}, not with {embedder}; use the same, "
                "or enrol everybody again."
            )
        vectors = [np.frombuffer(self._key.unlock(row["vector"]), "<f4").astype(np.float32) for row in rows]
        return vectors, [row["name"] for row in rows]

    def gallery(
        self, embedder: tuple[str, float, float], *, target: float = FALSE_ACCEPTS
    ) -> tuple[Gallery, dict[str, str]]:
        """The faces of the class, decrypted, and the ids of their names.

        Raises
        ------
        InputError
            If they were enrolled with another embedder.
        """
        vectors, names = self._vectors(embedder[0])
        stacked = np.stack(vectors) if vectors else np.zeros((0, 1), np.float32)
        found = Gallery(names, stacked, usual=embedder[1], least=embedder[2], target=target)
        return found, {person.name: person.id for person in self.people()}

    def forget(self, name: str) -> Receipt:
        """Delete somebody with everything about them, verified."""
        return self.store.erase(self.find(name).id)

    def export(self, name: str) -> dict[str, Any]:
        """Everything that is kept about somebody, as plain dicts, lists, texts and numbers."""
        person = self.find(name)

        def about(table: sa.Table) -> list[dict[str, Any]]:
            rows = self.store.rows(sa.select(table).where(table.c.person == person.id))
            return [{key: plain(value) for key, value in row.items() if key != "person"} for row in rows]

        faces = []
        for row in self.store.rows(sa.select(TEMPLATES).where(TEMPLATES.c.person == person.id)):
            vector = np.frombuffer(self._key.unlock(row["vector"]), "<f4")
            photo = base64.b64encode(self._key.unlock(row["photo"])).decode() if row["photo"] else None
            kept = {key: plain(row[key]) for key in ("embedder", "measures", "added")}
            faces.append({**kept, "vector": [round(float(x), 6) for x in vector], "photo": photo})
        sessions = {
            row["id"]: {key: plain(row[key]) for key in ("roster", "opens", "closes", "zone")}
            for row in self.store.rows(sa.select(SESSIONS))
        }
        rows = {table.name: about(table) for table in (CONSENTS, SEEN, MARKS, CORRECTIONS, EMOTIONS, AUDIT)}
        met = {row["session"] for name in ("seen", "marks") for row in rows[name]}
        return {
            "schema": "affekt.person/1",
            "name": person.name,
            "roster": person.roster,
            "minor": person.minor,
            "keep_until": plain(person.keep_until),
            "exported": plain(self.store.clock()),
            **rows,
            "faces": faces,
            "sessions": {id: about for id, about in sessions.items() if id in met},
        }


def rosters(store: Store) -> list[str]:
    """The names of all classes with at least one person, in order."""
    return [row["roster"] for row in store.rows(sa.select(PEOPLE.c.roster).distinct().order_by(PEOPLE.c.roster))]


def sweep(store: Store) -> dict[str, int]:
    """Delete faces and sessions whose retention time is over; returns how many of each."""
    now = store.clock()
    people = store.rows(sa.select(PEOPLE.c.id).where(PEOPLE.c.keep_until <= now))
    for row in people:
        store.erase(row["id"], only=(TEMPLATES, EMOTIONS), action="face deleted: its time was over")
    with store.writing() as db:
        db.execute(PEOPLE.update().where(PEOPLE.c.keep_until <= now).values(keep_until=None))
        sessions = db.execute(SESSIONS.delete().where(SESSIONS.c.keep_until <= now)).rowcount
        if sessions:
            store.note("sessions deleted: their time was over", f"{sessions}", db=db)
    return {"faces": len(people), "sessions": sessions}


def checked_name(name: str, what: str) -> str:
    """A name as it is stored: composed (NFC), without surrounding spaces.

    Any script, any emoji: it is data, never a path, a formula or markup.

    Raises
    ------
    InputError
        If it is empty, too long, or has characters that cannot be seen.

    Examples
    --------
    >>> checked_name("  Zoe\\u0308 ", "person")
    'Zoë'
    """
    kept = " ".join(unicodedata.normalize("NFC", name).split(" ")).strip()
    # Joiners are part of emoji and of some scripts; what turns the direction of text could disguise a name.
    hidden = [c for c in kept if not c.isprintable() and c not in "\u200c\u200d"]
    if not kept or len(kept) > LONGEST_NAME or hidden:
        why = "is empty" if not kept else "holds characters that cannot be seen" if hidden else "is too long"
        raise InputError(f"{what} {name[:60]!r} {why}; allowed: 1 to {LONGEST_NAME} printable characters.")
    return kept


def folded(name: str) -> str:
    """A name as names are compared: without case, composed.

    Examples
    --------
    >>> folded("STRASSE") == folded("Straße")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).strip()


def plain(value: Any) -> Any:
    """A value as JSON has it; instants as ISO 8601 in UTC."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
