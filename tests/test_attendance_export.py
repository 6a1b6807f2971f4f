"""Files of a session: every format says the same, formulas and markup in names do nothing, emotions only when asked."""

import csv
import io
import json
import re
from datetime import date

import pytest

for package in ("sqlalchemy", "cryptography", "openpyxl"):
    pytest.importorskip(package, reason="attendance needs the extra: pip install '.[attendance]'")

from openpyxl import load_workbook

from affekt.attendance import export
from affekt.attendance.export import CLOSING, WRITERS, sheets
from affekt.attendance.key import Key
from affekt.attendance.roster import Consent, Photo
from affekt.attendance.session import Rules, Session, correct, open_session
from affekt.attendance.store import Store
from affekt.attendance.window import window
from affekt.errors import InputError, UnknownName
from tests.attendance_people import EMBEDDER, START, Clock, face, roster_of, session_of, walk_by

FORMULA, MARKUP = '=HYPERLINK("http://evil","Ada")', "<script>alert(1)</script> & Söhne 👩‍🎓"


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path / "attendance.sqlite"), clock=Clock())
    roster = roster_of(store, Key.open(tmp_path / "k", make=True), ["Ada", "Bo"])
    for name in (FORMULA, MARKUP):
        roster.consent(name, Consent("x", "2026-11", date(2026, 11, 1)))
        roster.enrol(name, [Photo(face(name, look)) for look in range(3)], embedder=EMBEDDER)
    roster.add("+491234")
    session = session_of(roster)
    walk_by(session, FORMULA)
    walk_by(session, "Ada")
    session.close(session.window.closes)
    correct(store, session.id, roster.find("Bo").id, status="late", reason="=1+1", by="@Ms Hopper")
    yield store
    store.close()


def test_csv_opens_in_a_spreadsheet_and_runs_nothing(store):
    text = export.csv(sheets(store)).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["name"] for row in rows] == ["'+491234", MARKUP, "'" + FORMULA, "Ada", "Bo"]
    assert {row["name"]: row["status"] for row in rows}["'" + FORMULA] == "on time"
    assert rows[3]["first seen"] == "09:30:00"
    assert (rows[0]["day"], rows[0]["zone"]) == ("2026-11-27", "Europe/Berlin")
    assert rows[4]["corrected"] == "absent -> late, @Ms Hopper: =1+1"
    assert not re.search(r'(^|,)"?[=+@-]', text, re.MULTILINE)


def test_xlsx_has_a_summary_and_a_sheet_per_day_with_text_for_text(store):
    book = load_workbook(io.BytesIO(export.xlsx(sheets(store))))
    assert book.sheetnames == ["Summary", "2026-11-27"]
    cells = [cell for page in book for row in page.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s", "n"}
    day = book["2026-11-27"]
    names = [day.cell(row, 1) for row in range(3, 8)]
    assert [cell.value for cell in names] == ["+491234", MARKUP, FORMULA, "Ada", "Bo"]
    assert [cell.quotePrefix for cell in names] == [True, False, True, False, False]
    rules = [rule.formula[0] for area in day.conditional_formatting for rule in area.rules]
    assert '$B3="absent"' in rules
    summary = {row[1].value: row for row in book["Summary"].iter_rows(min_row=2) if row[1].value}
    assert [cell.value for cell in summary["Ada"][:3]] == ["7B", "Ada", 1]
    assert book["Summary"].freeze_panes == "A2"


def test_two_sessions_of_a_day_share_a_sheet(store, tmp_path):
    later = window("11:00", "11:30", "Europe/Berlin", day=date(2026, 11, 27))
    open_session(store, "7B", later, Rules())
    other = window("09:30", "10:00", "Europe/Berlin", day=date(2026, 11, 28))
    open_session(store, "7B", other, Rules())
    book = load_workbook(io.BytesIO(export.xlsx(sheets(store))))
    assert book.sheetnames == ["Summary", "2026-11-27", "2026-11-28"]
    titles = [row[0].value for row in book["2026-11-27"].iter_rows() if "Europe/Berlin" in str(row[0].value)]
    assert len(titles) == 2
    assert "still running" in titles[1]


def test_json_has_utc_and_every_correction(store):
    found = json.loads(export.json(sheets(store)))
    assert (found["schema"], found["note"]) == ("affekt.attendance/1", CLOSING)
    session = found["sessions"][0]
    rows = {row["name"]: row for row in session["rows"]}
    assert (session["opens"], rows["Ada"]["first"]) == ("2026-11-27T08:30:00+00:00", START.isoformat())
    assert rows["Bo"]["corrections"][0]["before"] == "absent"
    assert rows["+491234"]["status"] == "not checked"


def test_html_escapes_and_loads_nothing(store):
    text = export.html(sheets(store)).decode()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Söhne 👩‍🎓" in text
    assert not re.search(r"(src|href)=", text)
    assert "default-src 'none'" in text
    assert "@media print" in text


def test_every_format_is_written(store):
    assert {name: len(writer(sheets(store))) > 200 for name, writer in WRITERS.items()} == dict.fromkeys(WRITERS, True)


def test_emotions_are_not_in_the_default_export(store):
    with pytest.raises(InputError, match="no emotions were inferred"):
        sheets(store, emotions=True)
    for writer in (export.csv, export.json, export.html):
        assert b"emotion" not in writer(sheets(store))


def test_what_is_said_of_a_session_that_ended_early_or_has_nobody(tmp_path):
    store = Store(str(tmp_path / "a.sqlite"), clock=Clock())
    with pytest.raises(InputError, match="there is no session yet"):
        sheets(store)
    with pytest.raises(UnknownName, match="unknown session 'x'"):
        sheets(store, session="x")
    span = window("09:30", "10:00", "Europe/Berlin", day=date(2026, 11, 27))
    number, _ = open_session(store, "7B", span, Rules())
    roster = roster_of(store, Key.open(tmp_path / "k", make=True), [])
    Session(store, number, *roster.gallery(EMBEDDER)).close(START)
    sheet = sheets(store)[0]
    assert sheet.remarks == ["the session was ended at 09:30:00, before its end"]
    assert b"nobody is on the roster" in export.html([sheet])
    assert len(export.xlsx([sheet])) > 200
    store.close()


def test_times_have_their_offset_where_a_window_has_two(tmp_path):
    store = Store(str(tmp_path / "a.sqlite"), clock=Clock())
    open_session(store, "7B", window("01:30", "03:30", "Europe/Berlin", day=date(2026, 10, 25)), Rules())
    sheet = sheets(store)[0]
    assert [sheet.clock(sheet.window.opens), sheet.clock(sheet.window.closes)] == ["01:30:00+0200", "03:30:00+0100"]
    store.close()
