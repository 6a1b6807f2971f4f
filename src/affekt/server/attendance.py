"""``/v1/attendance``: rosters, consent, faces, sessions, rows and corrections, where the server keeps attendance.

URLs contain ids, not names: a name is personal, and may hold a slash.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from affekt.attendance import LAW
from affekt.attendance.export import WRITERS, sheets
from affekt.attendance.gallery import Gallery
from affekt.attendance.key import Key
from affekt.attendance.roster import Consent, Person, Photo, Roster, plain, rosters, sweep
from affekt.attendance.session import BY_HAND, Rules, close_session, correct, open_session, sessions
from affekt.attendance.store import Receipt, Store
from affekt.attendance.window import Window, span, time_zone, window
from affekt.errors import ImageError, InputError, UnknownName
from affekt.face.detect import Detector
from affekt.face.identity import Embedder, open_embedder
from affekt.face.image import read_picture
from affekt.face.sightings import measured, one_face
from affekt.server.refusals import Refusal, documented
from affekt.server.service import Service
from affekt.server.settings import Attendance
from affekt.server.slots import Slots, client_of
from affekt.server.uploads import Upload, read_form

#: Photos per request, and simultaneous cameras: each occupies a core while it works.
PHOTOS, CAMERAS = 12, 8
#: Days that a face and the rows of a session are kept by default.
KEEP_FACES, KEEP_ROWS = "365d", "30d"
#: The content type of each format.
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "html": "text/html; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_TAGS = ["attendance"]
Text = Annotated[str, Field(max_length=1000)]
Short = Annotated[str, Field(max_length=100)]
RosterName = Annotated[str, Query(max_length=200, description="Of the class.")]
PHOTO_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "keep": {"type": "string", "description": "After so long the face is deleted, such as 365d."},
                        "although_similar": {"type": "string", "enum": ["yes", "no"]},
                    },
                }
            }
        },
    }
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewPerson(_Body):
    """A new person on a roster, without a face."""

    roster: Text
    name: Text


class NewConsent(_Body):
    """A record that somebody agreed."""

    roster: Text
    name: Text
    given_by: Text
    notice: Text
    given_on: date | None = None
    guardian: bool = False
    recorded_by: Annotated[str, Field(max_length=200)] = ""


class NewSession(_Body):
    """A window of time, and the rules in it; as the options of ``affekt attendance run``."""

    roster: Text
    start: Short
    end: Short
    zone: Short
    day: date | None = None
    overnight: bool = False
    late_after: Short = "10min"
    leaves_before: Short = ""
    votes: int = 3
    liveness: Short = "none"
    keep: Short = KEEP_ROWS


class NewCorrection(_Body):
    """The corrected row, who corrected it, and why."""

    person: Short
    status: Short
    reason: Text
    by: Annotated[str, Field(max_length=200)]


def opened(given: Attendance) -> tuple[Store, Key]:
    """The store and its key; both are made if there is no store.

    Raises
    ------
    InputError
        If a store is there and its key is not.
    """
    # An existing store already has a key: a new one could decrypt nothing in it.
    key = Key.open(given.key, make="://" in given.store or not Path(given.store).exists())
    store = Store(given.store, clock=given.clock)
    try:
        store.check_key(key)
    except BaseException:
        store.close()
        raise
    return store, key


class Desk:
    """The state that the attendance routes share; one per process.

    Parameters
    ----------
    service : Service
    given : Attendance
    """

    def __init__(self, service: Service, given: Attendance) -> None:
        self.service, self._given = service, given
        self.store, self._key = opened(given)
        self.cameras = Slots(CAMERAS, "cameras", share=1.0)
        self._embedder: Embedder | None = None
        self._lock = threading.Lock()
        sweep(self.store)

    def close(self) -> None:
        """Close the store and the embedder."""
        self.store.close()
        self._embedder = None

    @property
    def embedder(self) -> Embedder:
        """The model that tells people apart; opened once. Takes a second the first time: call it on a thread."""
        with self._lock:
            self._embedder = self._embedder or open_embedder(self._given.embedder)
            return self._embedder

    @property
    def facts(self) -> tuple[str, float, float]:
        """What a gallery has to know about the embedder."""
        return self.embedder.name, self.embedder.usual, self.embedder.least

    def roster(self, name: str) -> Roster:
        """The roster of a class."""
        return Roster(self.store, name, self._key)

    def person(self, roster: str, number: str) -> Person:
        """Somebody by their id.

        Raises
        ------
        Refusal
            404 if nobody on the roster has this id.
        """
        for person in self.roster(roster).people():
            if person.id == number:
                return person
        raise Refusal(404, "there is no such person on this roster; they may have been forgotten.")

    def session(self, number: str) -> dict[str, Any]:
        """The stored record of a session, without its rows.

        Raises
        ------
        Refusal
            404 if no session has this id.
        """
        for row in sessions(self.store):
            if row["id"] == number:
                return row
        raise Refusal(404, "there is no such session; its time may be over.")


def routes(desk: Desk) -> APIRouter:
    """The addresses and what answers there."""
    router = APIRouter(prefix="/v1/attendance", tags=_TAGS)  # type: ignore[arg-type]
    _add_people(router, desk)
    _add_faces(router, desk)
    _add_sessions(router, desk)
    return router


def _add_people(router: APIRouter, desk: Desk) -> None:
    @router.get("", summary="The classes, what a row may be set to, and what the law asks", responses=documented())
    def about() -> dict[str, Any]:
        return {"rosters": rosters(desk.store), "statuses": BY_HAND, "law": LAW, "photos": PHOTOS}

    @router.get("/people", summary="A roster, and how well the camera tells its people apart", responses=documented())
    def people(roster: RosterName) -> dict[str, Any]:
        found = desk.roster(roster)
        everybody = found.people()
        enrolled = any(person.photos for person in everybody)
        gallery = gallery_record(found.gallery(desk.facts)[0]) if enrolled else None
        return {"roster": found.name, "people": [person_record(p) for p in everybody], "gallery": gallery}

    @router.post(
        "/people", summary="Put somebody on a roster who is marked by hand only", status_code=201,
        responses=documented(422),
    )  # fmt: skip
    def add(given: NewPerson) -> dict[str, Any]:
        return person_record(desk.roster(given.roster).add(given.name))

    @router.get("/people/{number}", summary="All that is kept about somebody: their right", responses=documented(404))
    def export(number: str, roster: RosterName) -> dict[str, Any]:
        return desk.roster(roster).export(desk.person(roster, number).name)

    @router.delete("/people/{number}", summary="Forget somebody, with a receipt", responses=documented(404))
    def forget(number: str, roster: RosterName) -> dict[str, Any]:
        return receipt_record(desk.roster(roster).forget(desk.person(roster, number).name))

    @router.post("/consents", summary="Write down that somebody agreed", status_code=201, responses=documented(422))
    def consent(given: NewConsent) -> dict[str, Any]:
        day = given.given_on or desk.store.clock().date()
        agreed = Consent(given.given_by, given.notice, day, given.guardian, given.recorded_by)
        return person_record(desk.roster(given.roster).consent(given.name, agreed))

    @router.delete(
        "/people/{number}/consent", summary="Consent is taken back: the face is deleted", responses=documented(404)
    )
    def withdraw(number: str, roster: RosterName) -> dict[str, Any]:
        return receipt_record(desk.roster(roster).withdraw(desk.person(roster, number).name))


def _add_faces(router: APIRouter, desk: Desk) -> None:
    service = desk.service

    @router.post(
        "/people/{number}/faces", summary="Enrol the face of somebody who consented, from photos", status_code=201,
        openapi_extra=PHOTO_BODY, responses=documented(404, 408, 413, 415, 422, 429),
        description=f"At most {PHOTOS} photos, of one face each. They are looked at in memory and not kept.",
    )  # fmt: skip
    async def enrol(request: Request, number: str, roster: RosterName) -> dict[str, Any]:
        client = client_of(request.scope)
        with service.recordings.one(client):
            form = await read_form(request, service.settings.limits)
            try:
                if len(form.uploads) > PHOTOS:
                    raise Refusal(422, f"{len(form.uploads)} photos; allowed: {PHOTOS} at a time.")
                keep = span(form.fields.get("keep") or KEEP_FACES)
                similar = form.fields.get("although_similar") == "yes"
                work = partial(_enrol, desk, (roster, number), form.uploads, keep=keep, similar=similar)
                made: dict[str, Any] = await service.engine.files.future(work, client=client)
                return made
            finally:
                form.close()


def _enrol(
    desk: Desk, who: tuple[str, str], uploads: Sequence[Upload], *, keep: timedelta, similar: bool
) -> dict[str, Any]:
    """Keep the faces from photos that are good enough; say why the others are not."""
    roster, person = desk.roster(who[0]), desk.person(*who)
    if person.consent is None:  # before any face is looked at
        raise Refusal(422, f"{person.name}: no consent is on record, so no face is kept. Record it first.")
    detector, photos, failures = Detector(), [], []
    for upload in uploads:
        try:
            pixels = read_picture(upload)  # type: ignore[arg-type]
            faces = one_face(pixels, detector)
        except ImageError as error:
            failures.append({"source": upload.source, "reason": upload.named(str(error))})
        except InputError as error:
            failures.append({"source": upload.source, "reason": str(error)})
        else:
            measures = {name: round(value, 4) for name, value in measured(pixels, faces)[0].items()}
            photos.append(Photo(desk.embedder.embed(pixels, faces)[0], measures, source=upload.source))
    if not photos:
        reasons = " ".join(f"{failure['source']}: {failure['reason']}" for failure in failures)
        raise Refusal(422, f"none of the photos can be used; nothing is enrolled. {reasons}")
    notes = roster.enrol(person.name, photos, embedder=desk.facts, keep=keep, although_similar=similar)
    return {"person": person_record(roster.find(person.name)), "notes": notes, "failures": failures}


def _add_sessions(router: APIRouter, desk: Desk) -> None:
    @router.get("/sessions", summary="The sessions of a class, the newest first", responses=documented())
    def all_sessions(roster: RosterName) -> dict[str, Any]:
        return {"sessions": [session_record(row) for row in reversed(sessions(desk.store, roster))]}

    @router.post(
        "/sessions", summary="Open a session; one with the same roster and window goes on", status_code=201,
        responses=documented(422),
    )  # fmt: skip
    def begin(given: NewSession) -> dict[str, Any]:
        number, notes = _begun(desk, given)
        return {**shown(desk, number), "notes": notes}

    @router.get("/sessions/{number}", summary="A session with everybody's row", responses=documented(404))
    def rows(number: str) -> dict[str, Any]:
        return shown(desk, number)

    @router.post(
        "/sessions/{number}/close", summary="End a session: who was not seen gets a row", responses=documented(404)
    )
    def close(number: str) -> dict[str, Any]:
        desk.session(number)
        close_session(desk.store, number, desk.store.clock())
        return shown(desk, number)

    @router.post(
        "/sessions/{number}/corrections", summary="Put a row right; what it said before stays on record",
        status_code=201, responses=documented(404, 422),
    )  # fmt: skip
    def put_right(number: str, given: NewCorrection) -> dict[str, Any]:
        desk.session(number)
        correct(desk.store, number, given.person, status=given.status, reason=given.reason, by=given.by)
        return shown(desk, number)

    @router.get(
        "/export", summary="The rows as a file: of a session, or of all sessions of a class", response_class=Response,
        responses=documented(404, 422),
    )  # fmt: skip
    def export(format: str, session: str | None = None, roster: str | None = None) -> Response:
        if format not in WRITERS:
            raise UnknownName("format", format[:100], WRITERS)
        if (session is None) == (roster is None):
            raise Refusal(422, "name a session or a roster; one of the two.")
        if session is not None:
            desk.session(session)
        data = WRITERS[format](sheets(desk.store, roster=roster, session=session))
        headers = {"Content-Disposition": f'attachment; filename="attendance.{format}"'}
        return Response(data, media_type=_TYPES[format], headers=headers)

    @router.get("/audit", summary="What was done, and when; people by their ids only", responses=documented())
    def audit(session: str | None = None) -> dict[str, Any]:
        rows = desk.store.audit(session)
        return {"audit": [{key: plain(value) for key, value in row.items()} for row in rows]}


def _begun(desk: Desk, given: NewSession) -> tuple[str, list[str]]:
    """The id of a session whose window is not over, and what has to be said about it."""
    now = desk.store.clock()
    day = given.day or now.astimezone(time_zone(given.zone)).date()
    wanted = window(given.start, given.end, given.zone, day=day, overnight=given.overnight)
    if now >= wanted.closes:
        raise Refusal(422, f"the window {wanted.text()} is over; give a later one.")
    roster = desk.roster(given.roster)
    if not roster.people():
        raise Refusal(422, f"nobody is on the roster of {roster.name}; put somebody on it first.")
    rules = Rules(
        late_after=span(given.late_after).total_seconds(),
        leaves_before=span(given.leaves_before).total_seconds() if given.leaves_before else 0.0,
        votes=given.votes,
        liveness=given.liveness,
    )
    sweep(desk.store)
    for row in sessions(desk.store, roster.name):
        if (row["opens"], row["closes"]) == (wanted.opens, wanted.closes) and row["closed"]:
            raise Refusal(422, f"the session {wanted.text()} is closed; correct its rows by hand.")
    number, _ = open_session(desk.store, roster.name, wanted, rules, keep=span(given.keep))
    return number, list(wanted.notes)


def person_record(person: Person) -> dict[str, Any]:
    """Somebody on a roster, as JSON."""
    agreed = asdict(person.consent) if person.consent else None
    if agreed:
        agreed["given_on"] = agreed["given_on"].isoformat()
    return {**asdict(person), "consent": agreed, "keep_until": plain(person.keep_until)}


def gallery_record(gallery: Gallery) -> dict[str, Any]:
    """How well a gallery tells its people apart, as JSON."""
    limit = gallery.threshold
    return {
        **asdict(limit),
        "similar": [{"people": [one, other], "similarity": score} for one, other, score in gallery.similar()],
    }


def receipt_record(receipt: Receipt) -> dict[str, Any]:
    """A receipt, as JSON; what ``affekt attendance forget`` writes."""
    return {"schema": "affekt.receipt/1", **vars(receipt), "at": plain(receipt.at), "removed": dict(receipt.removed)}


def session_record(row: dict[str, Any]) -> dict[str, Any]:
    """A session without its rows, as JSON."""
    text = Window(row["opens"], row["closes"], time_zone(row["zone"])).text()
    kept = {
        key: plain(row[key]) for key in ("id", "roster", "opens", "closes", "zone", "closed", "ended", "keep_until")
    }
    return {**kept, "window": text, "rules": row["rules"], "running": row["closed"] is None}


def shown(desk: Desk, number: str) -> dict[str, Any]:
    """A session with everybody's row, as JSON: times in UTC and, beside them, in local time."""
    record = session_record(desk.session(number))
    (sheet,) = sheets(desk.store, session=number)
    rows = []
    for row in sheet.rows:
        corrections = [{key: plain(value) for key, value in c.items()} for c in row.corrections]
        kept = {key: plain(value) for key, value in vars(row).items() if key not in ("emotion", "corrections")}
        clocks = {"first_clock": sheet.clock(row.first), "last_clock": sheet.clock(row.last)}
        rows.append({**kept, **clocks, "corrections": corrections})
    return {**record, "rows": rows, "remarks": sheet.remarks, "now": plain(desk.store.clock())}
