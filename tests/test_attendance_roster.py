"""People: consent first, no face twice, names that are anything, and the rights of whoever is in it."""

import json
from datetime import date, timedelta

import pytest

for package in ("sqlalchemy", "cryptography"):
    pytest.importorskip(package, reason="attendance needs the extra: pip install '.[attendance]'")

import sqlalchemy as sa

from affekt.attendance.key import Key
from affekt.attendance.roster import Consent, Photo, Roster, checked_name, folded, sweep
from affekt.attendance.session import table
from affekt.attendance.store import SESSIONS, TEMPLATES, Store
from affekt.errors import InputError, UnknownName
from tests.attendance_people import EMBEDDER, Clock, face, roster_of, session_of, walk_by

AGREED = Consent("Ada", "2026-11", date(2026, 11, 1))


@pytest.fixture
def key(tmp_path):
    return Key.open(tmp_path / "attendance.key", make=True)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    opened = Store(str(tmp_path / "attendance.sqlite"), clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def roster(store, key):
    return Roster(store, "7B", key)


def photos(name, looks=3, **options):
    return [Photo(face(name, look), source=f"{name}{look}.jpg", **options) for look in range(looks)]


def templates(store):
    return store.rows(sa.select(TEMPLATES))


def test_nothing_is_enrolled_without_consent(store, roster):
    with pytest.raises(InputError, match="no consent is on record, so no face is kept. First: affekt attendance con"):
        roster.enrol("Ada", photos("Ada"), embedder=EMBEDDER)
    roster.add("Ada")
    with pytest.raises(InputError, match="no consent is on record"):
        roster.enrol("Ada", photos("Ada"), embedder=EMBEDDER)
    assert templates(store) == []


def test_withdrawing_consent_deletes_the_face_and_keeps_the_name(store, roster):
    roster.consent("Ada", AGREED)
    roster.enrol("Ada", photos("Ada"), embedder=EMBEDDER)
    receipt = roster.withdraw("Ada")
    assert receipt.removed == {"templates": 3, "emotions": 0}
    assert templates(store) == []
    assert (roster.find("Ada").photos, roster.find("Ada").consent) == (0, None)
    with pytest.raises(InputError, match="no consent is on record"):
        roster.enrol("Ada", photos("Ada"), embedder=EMBEDDER)
    roster.consent("Ada", AGREED)
    assert roster.enrol("Ada", photos("Ada"), embedder=EMBEDDER) == []


def test_a_minor_needs_a_guardian_ever_after(roster):
    assert roster.consent("Ada", Consent("Annabella", "2026-11", date(2026, 11, 1), guardian=True)).minor
    with pytest.raises(InputError, match="Ada is a minor: consent is given by a guardian"):
        roster.consent("Ada", AGREED)


@pytest.mark.parametrize(
    ("consent", "sentence"),
    [
        (Consent("", "2026-11", date(2026, 11, 1)), "who gave it '' is empty"),
        (Consent("Ada", " ", date(2026, 11, 1)), "the version of the notice ' ' is empty"),
        (Consent("Ada", "2026-11", date(2027, 1, 1)), "which is still to come"),
    ],
)
def test_incomplete_consents_are_refused(roster, consent, sentence):
    with pytest.raises(InputError, match=sentence):
        roster.consent("Ada", consent)
    assert roster.people() == []


def test_photos_are_kept_only_when_they_are_given(store, roster, key):
    roster.consent("Ada", AGREED)
    roster.enrol("Ada", photos("Ada"), embedder=EMBEDDER)
    assert {row["photo"] for row in templates(store)} == {None}
    roster.consent("Bo", AGREED)
    roster.enrol("Bo", photos("Bo", picture=b"\xff\xd8 a picture of Bo"), embedder=EMBEDDER)
    kept = [row["photo"] for row in templates(store) if row["photo"]]
    assert [key.unlock(token) for token in kept] == [b"\xff\xd8 a picture of Bo"] * 3
    assert b"picture of Bo" not in store.path.read_bytes()


def test_the_same_face_under_two_names_is_refused_and_nothing_is_lost(store, roster):
    for name in ("Ada", "Bo", "Cem"):
        roster.consent(name, AGREED)
    roster.enrol("Ada", photos("Ada"), embedder=EMBEDDER)
    roster.enrol("Cem", photos("Cem"), embedder=EMBEDDER)
    again = [Photo(face("Ada", 7), source="new.jpg")]
    with pytest.raises(InputError, match="new.jpg: the face of Bo is as good as that of Ada.*--although-similar"):
        roster.enrol("Bo", again, embedder=EMBEDDER)
    assert len(templates(store)) == 6
    roster.enrol("Bo", again, embedder=EMBEDDER, although_similar=True)
    assert [pair[:2] for pair in roster.gallery(EMBEDDER)[0].similar()] == [("Ada", "Bo")]


def test_a_photo_of_somebody_else_among_ones_own_is_refused(store, roster):
    roster.consent("Ada", AGREED)
    mixed = [*photos("Ada"), Photo(face("Stranger", 0), source="wrong.jpg")]
    with pytest.raises(InputError, match="wrong.jpg: is not of the same person as the other photos"):
        roster.enrol("Ada", mixed, embedder=EMBEDDER)
    assert templates(store) == []


def test_the_same_photo_twice_counts_once(store, roster):
    roster.consent("Ada", AGREED)
    notes = roster.enrol("Ada", [*photos("Ada"), photos("Ada")[0]], embedder=EMBEDDER)
    assert "Ada0.jpg: is there already, or the same as another" in notes[0]
    assert len(templates(store)) == 3
    with pytest.raises(InputError, match="all of these photos are there already"):
        roster.enrol("Ada", photos("Ada")[:1], embedder=EMBEDDER)


def test_one_photo_is_enough_but_said_to_be_few(roster):
    roster.consent("Ada", AGREED)
    assert "has 1 photo" in roster.enrol("Ada", photos("Ada", 1), embedder=EMBEDDER)[0]


@pytest.mark.parametrize("name", ["../../etc/passwd", "=HYPERLINK(1)", "👩‍🎓 Ada", "O'Brien; DROP TABLE people", "李"])
def test_any_visible_name_is_kept_as_it_is(store, roster, name):
    roster.consent(name, AGREED)
    roster.enrol(name, photos("Ada"), embedder=EMBEDDER)
    assert [person.name for person in roster.people()] == [name]
    assert roster.export(name)["name"] == name
    assert roster.forget(name).name == name
    assert roster.people() == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("", "is empty"), ("  ", "is empty"), ("a\nb", "cannot be seen"), ("a\u202eb", "cannot be seen"),
     ("a\x00", "cannot be seen"), ("x" * 101, "is too long")],
)  # fmt: skip
def test_names_that_nobody_can_read_are_refused(name, sentence):
    with pytest.raises(InputError, match=f"{sentence}; allowed: 1 to 100 printable characters"):
        checked_name(name, "person")


def test_two_spellings_of_a_name_are_one_person(roster):
    roster.add("Zoë")
    roster.add("zoe\u0308 ")
    assert [person.name for person in roster.people()] == ["Zoë"]
    assert folded("ZOË") == folded("zoe\u0308")


def test_classes_do_not_see_one_another(store, roster, key):
    roster.add("Ada")
    other = Roster(store, "8C", key)
    assert other.people() == []
    with pytest.raises(UnknownName, match="nobody yet"):
        other.find("Ada")


def test_an_export_has_everything_about_one_person_and_nothing_about_others(store, key):
    roster = roster_of(store, key, ["Ada", "Bo", "Cem"])
    session = session_of(roster)
    walk_by(session, "Ada")
    walk_by(session, "Bo")
    session.close(session.window.closes)
    found = json.loads(json.dumps(roster.export("Ada"), allow_nan=False))
    assert (found["schema"], found["name"], found["roster"]) == ("affekt.person/1", "Ada", "7B")
    assert [len(face["vector"]) for face in found["faces"]] == [128] * 3
    assert found["marks"][0]["status"] == "on time"
    assert [row["given_by"] for row in found["consents"]] == ["Ada"]
    assert set(found["sessions"]) == {session.id}
    assert "Bo" not in json.dumps(found)
    assert roster.find("Bo").id not in json.dumps(found)


def test_sweeping_deletes_what_is_over_and_nothing_else(store, key, clock):
    roster = roster_of(store, key, ["Ada", "Bo", "Cem"])
    session = session_of(roster, keep=timedelta(days=30))
    walk_by(session, "Ada")
    session.close(session.window.closes)
    assert sweep(store) == {"faces": 0, "sessions": 0}
    clock.move(days=31)
    assert sweep(store) == {"faces": 0, "sessions": 1}
    assert store.rows(sa.select(SESSIONS)) == []
    clock.move(days=335)
    assert sweep(store) == {"faces": 3, "sessions": 0}
    assert templates(store) == []
    assert [person.name for person in roster.people()] == ["Ada", "Bo", "Cem"]
    assert sweep(store) == {"faces": 0, "sessions": 0}


def test_who_has_no_face_enrolled_is_never_called_absent(store, key):
    roster = roster_of(store, key, ["Ada", "Bo"])
    roster.add("Declined")
    session = session_of(roster)
    session.close(session.window.closes)
    assert {row.name: row.status for row in table(store, session.id)} == {
        "Ada": "absent", "Bo": "absent", "Declined": "not checked",
    }  # fmt: skip
