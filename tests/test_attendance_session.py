"""Sightings to rows: votes, windows, late and early, absentees, corrections, emotions."""

from collections import namedtuple
from datetime import timedelta

import numpy as np
import pytest

for package in ("sqlalchemy", "cryptography"):
    pytest.importorskip(package, reason="attendance needs the extra: pip install '.[attendance]'")

import sqlalchemy as sa

from affekt.attendance.key import Key
from affekt.attendance.session import Rules, close_session, correct, open_session, table
from affekt.attendance.store import AUDIT, EMOTIONS, MARKS, SEEN, Store
from affekt.errors import InputError, UnknownName
from tests.attendance_people import EMBEDDER, START, Clock, Look, face, roster_of, session_of, walk_by

Felt = namedtuple("Felt", "scores unsure")


@pytest.fixture
def roster(tmp_path):
    store = Store(str(tmp_path / "attendance.sqlite"), clock=Clock())
    yield roster_of(store, Key.open(tmp_path / "k", make=True), ["Ada", "Bo", "Cem", "Dea"])
    store.close()


def statuses(session):
    return {row.name: row.status for row in table(session.store, session.id)}


def test_a_single_frame_never_marks(roster):
    session = session_of(roster)
    for index in range(20):  # the same moment again and again, and moments too near to one another
        session.see([Look("t", face("Ada", index))], START + timedelta(milliseconds=index))
    assert roster.store.rows(sa.select(SEEN)) == []


def test_two_looks_are_too_few_and_three_are_enough(roster):
    session = session_of(roster)
    assert walk_by(session, "Ada", looks=2) == []
    assert [event.name for event in session.see([Look("face of Ada", face("Ada", 30))], START + timedelta(seconds=1))]


def test_a_stranger_stays_unknown_and_is_said_once(roster):
    session = session_of(roster)
    events = walk_by(session, "Stranger", looks=20)
    assert [(event.kind, event.name, event.detail) for event in events] == [
        ("unknown", None, "unlike everybody enrolled")
    ]
    session.close(session.window.closes)
    assert set(statuses(session).values()) == {"absent"}


def test_a_track_whose_looks_disagree_is_nobodys(roster):
    session = session_of(roster)
    for index in range(18):
        name = ("Ada", "Bo", "Stranger")[index % 3]
        session.see([Look("t", face(name, index))], START + timedelta(seconds=index))
    assert roster.store.rows(sa.select(SEEN)) == []


def test_a_track_that_passes_from_one_person_to_another_counts_for_both(roster):
    session = session_of(roster)
    walk_by(session, "Ada", track="t", looks=6)
    walk_by(session, "Bo", track="t", looks=12, at=START + timedelta(seconds=10))
    session.close(session.window.closes)
    rows = {row.name: row for row in table(roster.store, session.id)}
    assert (rows["Ada"].status, rows["Bo"].status) == ("on time", "on time")
    assert rows["Ada"].last < rows["Bo"].last


def test_only_what_lies_strictly_inside_the_window_counts(roster):
    session = session_of(roster)
    closes = session.window.closes
    walk_by(session, "Ada", at=START - timedelta(seconds=30), looks=9)
    walk_by(session, "Bo", at=closes, looks=9)
    assert roster.store.rows(sa.select(SEEN)) == []
    assert session.outside == 18
    # The last look inside is one microsecond before the end; what comes after adds nothing.
    events = walk_by(session, "Cem", at=closes - timedelta(seconds=1), looks=9, apart=0.25)
    assert [event.name for event in events] == ["Cem"]
    assert roster.store.rows(sa.select(SEEN.c.last))[0]["last"] < closes


@pytest.mark.parametrize(
    ("first", "last", "status"),
    [
        (0, 29, "on time"),
        (11, 29, "late"),
        (0, 10, "left early"),
        (11, 15, "late and left early"),
        (9.99, 26, "on time"),
    ],
)
def test_late_and_left_early(roster, first, last, status):
    session = session_of(roster, rules=Rules(late_after=600, leaves_before=300))
    for minutes in (first, last):
        walk_by(session, "Ada", at=START + timedelta(minutes=minutes), track=f"t{minutes}")
    session.close(session.window.closes)
    assert statuses(session)["Ada"] == status


def test_whoever_is_there_when_the_session_ends_early_did_not_leave_early(roster):
    session = session_of(roster, rules=Rules(leaves_before=300))
    walk_by(session, "Ada", at=START + timedelta(minutes=9))
    walk_by(session, "Bo", at=START)
    session.close(START + timedelta(minutes=10))
    assert (statuses(session)["Ada"], statuses(session)["Bo"]) == ("on time", "left early")


def test_absentees_are_written_also_when_the_session_ends_early(roster):
    session = session_of(roster)
    walk_by(session, "Ada")
    assert roster.store.rows(sa.select(MARKS)) == []
    assert session.close(START + timedelta(minutes=1))
    assert not session.close(START + timedelta(minutes=2))
    assert statuses(session) == {"Ada": "on time", "Bo": "absent", "Cem": "absent", "Dea": "absent"}
    assert any(row["detail"] == "before its end" for row in roster.store.rows(sa.select(AUDIT)))


def test_several_people_at_once(roster):
    session = session_of(roster)
    for index in range(5):
        looks = [Look(name, face(name, 20 + index)) for name in ("Ada", "Bo", "Cem", "X")]
        session.see(looks, START + timedelta(seconds=0.3 * index))
    session.close(session.window.closes)
    assert statuses(session) == {"Ada": "on time", "Bo": "on time", "Cem": "on time", "Dea": "absent"}


def test_times_seen_counts_appearances_not_frames(roster):
    session = session_of(roster)
    for number in range(3):
        walk_by(session, "Ada", track=f"t{number}", at=START + timedelta(minutes=number), looks=9)
    row = next(row for row in table(roster.store, session.id) if row.name == "Ada")
    assert (row.times, row.confidence) == (3, 1.0)
    assert 0.8 < row.similarity <= 1.0


def test_a_face_that_is_followed_stays_there_without_looks(roster):
    session = session_of(roster)
    walk_by(session, "Ada", track="t")
    session.see([Look("t")], START + timedelta(minutes=5))
    assert roster.store.rows(sa.select(SEEN.c.last))[0]["last"] == START + timedelta(minutes=5)


def test_the_last_second_of_a_track_is_written_at_the_close(roster):
    """A row is written again at most once a second; what came after that was lost at the close."""
    session = session_of(roster)
    walk_by(session, "Ada", looks=6)
    session.close(session.window.closes)
    assert roster.store.rows(sa.select(SEEN.c.last, SEEN.c.looks)) == [
        {"last": START + timedelta(seconds=1.5), "looks": 6}
    ]


def test_a_session_that_was_cut_off_goes_on(roster):
    first = session_of(roster)
    walk_by(first, "Ada")
    again = session_of(roster)
    assert again.id == first.id
    walk_by(again, "Bo", at=START + timedelta(minutes=12))
    walk_by(again, "Ada", at=START + timedelta(minutes=20))
    again.close(again.window.closes)
    assert statuses(again) == {"Ada": "on time", "Bo": "late", "Cem": "absent", "Dea": "absent"}


def test_a_running_session_with_other_rules_is_refused(roster):
    session = session_of(roster)
    with pytest.raises(InputError, match="runs already with other rules .votes, liveness.; give the same"):
        session_of(roster, rules=Rules(votes=5, liveness="blink"))
    session.close(session.window.closes)
    with pytest.raises(InputError, match=f"is closed. Put what is missing in by hand.*{session.id}"):
        open_session(roster.store, roster.name, session.window, Rules())


def test_corrections_keep_what_was_there_who_changed_it_and_why(roster):
    session = session_of(roster)
    session.close(session.window.closes)
    ada = roster.find("Ada").id
    correct(roster.store, session.id, ada, status="on time", reason="sat behind a pillar", by="Ms Hopper")
    row = correct(roster.store, session.id, ada, status="late", reason="came at 9:45", by="Ms Hopper")
    assert row.status == "late"
    assert [(c["before"], c["after"], c["reason"]) for c in row.corrections] == [
        ("absent", "on time", "sat behind a pillar"), ("on time", "late", "came at 9:45"),
    ]  # fmt: skip
    close_session(roster.store, session.id, session.window.closes)  # writes all rows again
    assert statuses(session)["Ada"] == "late"
    assert [row["status"] for row in roster.store.rows(sa.select(MARKS).where(MARKS.c.person == ada))] == ["absent"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"status": "present"}, "unknown status 'present'"),
        ({"reason": " "}, "needs a reason and the name"),
        ({"by": ""}, "needs a reason and the name"),
    ],
)
def test_corrections_without_a_reason_are_refused(roster, change, sentence):
    session = session_of(roster)
    with pytest.raises(InputError, match=sentence):
        correct(
            roster.store, session.id, roster.find("Ada").id, **{"status": "late", "reason": "r", "by": "b", **change}
        )
    assert next(row for row in table(roster.store, session.id) if row.name == "Ada").corrections == ()


def test_a_photo_without_a_sign_of_life_is_not_marked(roster):
    session = session_of(roster, rules=Rules(liveness="blink"))
    events = walk_by(session, "Ada", looks=12)
    assert [event.detail for event in events] == ["waits for a sign of life: blink"]
    assert {row.status for row in table(roster.store, session.id)} == {"not seen yet"}
    eyes = [0.3] * 8 + [0.1, 0.1] + [0.3] * 8
    events = []
    for index, openness in enumerate(eyes):
        at = START + timedelta(seconds=20 + 0.1 * index)
        events += session.see([Look("face of Ada", face("Ada", 40 + index), openness=openness)], at)
    assert [event.kind for event in events] == ["alive", "marked"]
    assert roster.store.rows(sa.select(SEEN.c.alive)) == [{"alive": True}]


def test_whoever_gave_no_sign_of_life_is_not_called_absent(roster):
    """Ann was recognised in a clip too short to turn her head in, and stood in the table as absent."""
    session = session_of(roster, rules=Rules(liveness="turn"))
    walk_by(session, "Ada", looks=12)
    session.close(session.window.closes)
    assert statuses(session) == {"Ada": "not checked", "Bo": "absent", "Cem": "absent", "Dea": "absent"}


def test_emotions_are_off_and_need_a_purpose(roster):
    felt = Felt({"happy": 0.75, "sad": 0.25}, False)
    plain = session_of(roster)
    for index in range(5):
        at = START + timedelta(seconds=index)
        plain.see([Look("t", face("Ada", index), expression=felt)], at)
    assert roster.store.rows(sa.select(EMOTIONS)) == []
    with pytest.raises(UnknownName, match="unknown purpose of inferring emotions 'curiosity'"):
        Rules(purpose="curiosity")
    session = session_of(roster, rules=Rules(purpose="medical"), end="10:30")
    for index in range(6):
        said = felt._replace(unsure=index % 2 == 0)
        session.see([Look("t", face("Ada", index), expression=said)], START + timedelta(seconds=2 * index))
    session.close(session.window.closes)
    assert {row.emotion for row in table(roster.store, session.id)} == {None}
    row = next(row for row in table(roster.store, session.id, emotions=True) if row.name == "Ada")
    assert row.emotion["scores"] == {"happy": pytest.approx(0.75), "sad": pytest.approx(0.25)}
    assert row.emotion["purpose"] == "medical"
    assert (row.emotion["unsure"], row.emotion["looks"]) == (0.5, 6)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"votes": 1}, "votes 1 within"),
        ({"votes": 10}, "allowed: 2 to 9 looks"),
        ({"late_after": -1}, "give no less than 0"),
        ({"liveness": "dance"}, "unknown liveness challenge 'dance'"),
    ],
)
def test_rules_that_make_no_sense(options, sentence):
    with pytest.raises(InputError, match=sentence):
        Rules(**options)


def test_looks_are_wanted_of_new_faces_first_and_of_known_ones_rarely(roster):
    session = session_of(roster)
    assert session.wanted("new", START) > session.wanted("face of Ada", START) - 1
    walk_by(session, "Ada", looks=5)
    end = START + timedelta(seconds=1.2)
    assert session.wanted("face of Ada", end + timedelta(seconds=0.5)) == 0
    assert 0 < session.wanted("face of Ada", end + timedelta(seconds=4)) <= 1
    walk_by(session, "Stranger", looks=9)
    end = START + timedelta(seconds=2.4)
    assert session.wanted("face of Stranger", end + timedelta(seconds=0.5)) == 0
    assert session.wanted("face of Stranger", end + timedelta(seconds=1.5)) > 1


def test_pictures_that_are_minutes_apart_vote_by_name(roster):
    session = session_of(roster)
    events = []
    for minute in range(4):
        looks = session.by_name(
            [Look(f"face {minute}", face("Ada", minute)), Look(f"face {minute}b", face("X", minute))]
        )
        events += session.see(looks, START + timedelta(minutes=minute))
    assert [event.name for event in events if event.kind == "marked"] == ["Ada"]
    row = next(row for row in table(roster.store, session.id) if row.name == "Ada")
    assert (row.first, row.last) == (START, START + timedelta(minutes=3))
    assert np.isclose(row.confidence, 1)


def test_whoever_takes_consent_back_while_it_runs_is_known_no_more(roster):
    session = session_of(roster)
    walk_by(session, "Ada", track="t")
    assert (session.whose("t"), session.whose("nobody")) == ("Ada", None)
    roster.withdraw("Ada")
    session.renew(*roster.gallery(EMBEDDER))
    assert session.whose("t") is None
    events = walk_by(session, "Ada", track="t", at=START + timedelta(seconds=10))
    assert {event.kind for event in events} == {"unknown"}
    assert walk_by(session, "Bo", at=START + timedelta(seconds=20))[0].name == "Bo"


def test_nobody_is_named_before_the_sign_of_life(roster):
    session = session_of(roster, rules=Rules(liveness="turn"))
    walk_by(session, "Ada", track="t")
    assert session.whose("t") is None
