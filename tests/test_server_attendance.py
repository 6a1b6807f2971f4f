"""Attendance over HTTP and a WebSocket: drawn faces, a clock that stands at the beginning of the window."""

import io
import json
import struct
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "httpx", "websockets"):
    pytest.importorskip(package, reason="the server needs the extra: pip install '.[serve]'")
for package in ("sqlalchemy", "cryptography", "openpyxl", "onnx"):
    pytest.importorskip(package, reason="attendance needs the extra: pip install '.[attendance]'")

import httpx
import openpyxl
from click.testing import CliRunner
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from affekt.cli import main
from affekt.errors import InputError
from affekt.server.serving import running
from affekt.server.settings import Attendance, Limits, Settings
from tests.drawn_faces import colour_embedder, drawn_face

TOKEN = "correct-horse"
HEAD = {"Authorization": f"Bearer {TOKEN}"}
WINDOW = {"start": "09:30", "end": "10:00", "zone": "Europe/Berlin", "day": "2026-11-27"}
START = datetime(2026, 11, 27, 8, 39, tzinfo=UTC)  # 09:39 in Berlin


class Wall:
    """The clock on the wall, set by hand."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


class Room:
    """A server that keeps attendance, and who talks to it."""

    def __init__(self, url, wall):
        self.url, self.wall, self.port = url, wall, urlsplit(url).port
        self.http = httpx.Client(base_url=f"{url}/v1/attendance", headers=HEAD, timeout=60)

    def consent(self, name, **more):
        given = {"roster": "7B", "name": name, "given_by": name, "notice": "2026-11", "given_on": "2026-11-01", **more}
        return self.http.post("/consents", json=given)

    def enrol(self, person, *pictures, **fields):
        files = [("files", (f"{i}.png", data)) for i, data in enumerate(pictures)]
        where = f"/people/{person}/faces"
        return self.http.post(where, params={"roster": "7B"}, files=files, data=fields)

    def people(self):
        return {person["name"]: person for person in self.http.get("/people?roster=7B").json()["people"]}

    def begin(self, **more):
        return self.http.post("/sessions", json={"roster": "7B", **WINDOW, **more})

    def rows(self, session):
        return {row["name"]: row for row in self.http.get(f"/sessions/{session}").json()["rows"]}

    @contextmanager
    def watch(self, session, camera="door"):
        address = self.url.replace("http", "ws") + "/v1/attendance/watch"
        with connect(address, subprotocols=[f"bearer.{TOKEN}"]) as stream:
            stream.send(json.dumps({"type": "hello", "session": session, "camera": camera}))
            yield stream


def encoded(pixels, form="PNG"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, quality=95)
    return file.getvalue()


def photos(name, count=3):
    return [encoded(drawn_face(name, shift=(3 * i - 3, 2 * i))) for i in range(count)]


def seen(stream, name, until="marked", most=5000):
    """Answers to frames of somebody, until one of a kind has come."""
    found = []
    for i in range(most):
        stream.send(struct.pack("<d", i) + encoded(drawn_face(name, shift=(i % 3 - 1, 0)), "JPEG"))
        while True:
            found.append(json.loads(stream.recv(timeout=30)))
            if found[-1]["type"] in ("frame", "frame_error", "closed"):
                break
        if until in {answer["type"] for answer in found}:
            return found
    raise AssertionError(found[-3:])


@pytest.fixture
def room(tmp_path):
    wall = Wall()
    embedder = colour_embedder(tmp_path / "colours.onnx")
    given = Attendance(str(tmp_path / "a.sqlite"), tmp_path / "a.key", str(embedder), wall)
    with running(Settings(models={"face": "face"}, token=TOKEN, attendance=given)) as url:
        yield Room(url, wall)


@pytest.fixture
def enrolled(room):
    for name in ("Ada", "Bo"):
        assert room.enrol(room.consent(name).json()["id"], *photos(name)).status_code == 201
    return room


def test_without_a_token_no_server_keeps_attendance(tmp_path):
    given = Attendance(str(tmp_path / "a.sqlite"), tmp_path / "a.key")
    with pytest.raises(InputError, match="needs a token"):
        Settings(attendance=given)
    done = CliRunner().invoke(main, ["serve", "--attendance", given.store, "--attendance-key", str(given.key)])
    assert done.exit_code == 2 and "needs a token" in done.output
    assert not list(tmp_path.iterdir())


def test_a_server_of_emotions_has_no_attendance():
    with running(Settings(models={"face": "face"}, token=TOKEN)) as url:
        assert httpx.get(f"{url}/v1/attendance", headers=HEAD).status_code == 404
        assert httpx.get(f"{url}/v1/settings", headers=HEAD).json()["attendance"] is False


def test_every_address_wants_the_token(room):
    paths = httpx.get(f"{room.url}/openapi.json").json()["paths"]
    ours = [(path, method) for path, methods in paths.items() if "attendance" in path for method in methods]
    assert len(ours) > 12
    for path, method in ours:
        assert httpx.request(method, room.url + path.replace("{number}", "x")).status_code == 401, path
    with connect(room.url.replace("http", "ws") + "/v1/attendance/watch") as stream:
        assert json.loads(stream.recv())["code"] == "token"


def test_no_face_without_consent(room):
    added = room.http.post("/people", json={"roster": "7B", "name": "Ada"})
    assert (added.status_code, added.json()["photos"], added.json()["consent"]) == (201, 0, None)
    refused = room.enrol(added.json()["id"], *photos("Ada"))
    assert refused.status_code == 422 and "no consent is on record" in refused.json()["reason"]
    assert room.consent("Ada").json()["consent"]["notice"] == "2026-11"
    made = room.enrol(added.json()["id"], *photos("Ada"), encoded(drawn_face("Ada")[:40, :40]), b"no picture")
    assert made.status_code == 201 and made.json()["person"]["photos"] == 3
    first, second = made.json()["failures"]
    assert "no face is found" in first["reason"] and second["source"] == "4.png"
    assert room.http.get("/people?roster=7B").json()["gallery"]["fitted"] is False


def test_consent_taken_back_and_being_forgotten_give_receipts(enrolled):
    ada, bo = (enrolled.people()[name]["id"] for name in ("Ada", "Bo"))
    exported = enrolled.http.get(f"/people/{ada}?roster=7B").json()
    assert len(exported["faces"]) == 3 and exported["faces"][0]["photo"] is None
    receipt = enrolled.http.delete(f"/people/{ada}/consent?roster=7B").json()
    assert receipt["removed"]["templates"] == 3 and receipt["verified"]
    assert enrolled.people()["Ada"]["photos"] == 0 and enrolled.people()["Ada"]["consent"] is None
    assert enrolled.http.delete(f"/people/{bo}?roster=7B").json()["schema"] == "affekt.receipt/1"
    assert set(enrolled.people()) == {"Ada"}
    gone = enrolled.http.delete(f"/people/{bo}?roster=7B")
    assert gone.status_code == 404 and gone.json()["code"] == "not_found"


def test_a_session_marks_who_is_seen_and_can_be_corrected(enrolled):
    enrolled.http.post("/people", json={"roster": "7B", "name": "=cmd|' /C calc'!A0 <b>/../é"})
    begun = enrolled.begin(late_after="5min")
    assert begun.status_code == 201 and begun.json()["window"] == "2026-11-27 09:30 to 10:00 Europe/Berlin"
    session = begun.json()["id"]
    assert enrolled.begin(late_after="5min").json()["id"] == session
    with enrolled.watch(session) as stream:
        assert json.loads(stream.recv())["type"] == "ready"
        marked, frame = seen(stream, "Ada")[-2:]
        assert (marked["name"], frame["faces"][0]["name"]) == ("Ada", "Ada")
        assert enrolled.rows(session)["Ada"]["status"] == "late", "it is on the disk when it is told"
        stream.send('{"type": "end"}')
        assert json.loads(stream.recv())["type"] == "summary"
    with enrolled.watch(session, "window") as stream:
        stream.recv()
        assert seen(stream, "Stranger", until="unknown")[-1]["faces"][0]["name"] is None
    assert enrolled.http.post(f"/sessions/{session}/close").json()["running"] is False
    assert "is closed; correct its rows" in enrolled.begin(late_after="5min").json()["reason"]
    rows = enrolled.rows(session)
    assert (rows["Ada"]["first_clock"][:5], rows["Ada"]["times"]) == ("09:39", 1)
    assert [row["status"] for row in rows.values()] == ["not checked", "late", "absent"]
    put = {"person": rows["Bo"]["person"], "status": "on time", "reason": "behind a pillar", "by": "Ms Hopper"}
    assert enrolled.http.post(f"/sessions/{session}/corrections", json={**put, "reason": " "}).status_code == 422
    assert enrolled.http.post(f"/sessions/{session}/corrections", json=put).status_code == 201
    (change,) = enrolled.rows(session)["Bo"]["corrections"]
    assert (change["before"], change["after"], change["by"]) == ("absent", "on time", "Ms Hopper")
    actions = [row["action"] for row in enrolled.http.get(f"/audit?session={session}").json()["audit"]]
    # A camera that goes is noted when its line is gone, which may be after the session was closed.
    assert actions.count("camera") in (3, 4)
    assert [a for a in actions if a != "camera"] == ["session opened", "session closed", "corrected"]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "json", "html"])
def test_rows_are_exported(enrolled, kind):
    enrolled.http.post("/people", json={"roster": "7B", "name": "=1+1"})
    session = enrolled.begin().json()["id"]
    answer = enrolled.http.get("/export", params={"format": kind, "session": session})
    assert answer.status_code == 200 and f'"attendance.{kind}"' in answer.headers["content-disposition"]
    if kind == "xlsx":
        cells = [cell for page in openpyxl.load_workbook(io.BytesIO(answer.content)) for row in page for cell in row]
        assert {cell.data_type for cell in cells if cell.value == "=1+1"} == {"s"}
    else:
        assert "=1+1" in answer.text and "emotion" not in answer.text
        assert kind != "csv" or "'=1+1" in answer.text


def test_a_bad_wish_is_refused_with_its_reason(enrolled):
    for change, reason in (
        ({"zone": "Mars"}, "zone 'Mars' is unknown"), ({"start": "10:30"}, "ends before it begins"),
        ({"day": "2026-11-26"}, "is over"), ({"roster": "8A"}, "nobody is on the roster of 8A"),
        ({"votes": 1}, "votes 1"), ({"keep": "long"}, "length of time"), ({"purpose": "medical"}, "purpose"),
    ):  # fmt: skip
        refused = enrolled.begin(**change)
        assert refused.status_code == 422 and reason in refused.json()["reason"], refused.text
    for path, status in (
        ("/sessions/none", 404), ("/people/none?roster=7B", 404), ("/people", 422), ("/export?format=pdf", 422),
        ("/export?format=csv", 422), ("/export?format=csv&session=none", 404), ("/export?format=csv&roster=8A", 422),
    ):  # fmt: skip
        assert enrolled.http.get(path).status_code == status, path
    tomorrow = enrolled.consent("Ada", given_on="2026-12-24")
    assert tomorrow.status_code == 422 and "still to come" in tomorrow.json()["reason"]
    many = enrolled.enrol(enrolled.people()["Ada"]["id"], *photos("Ada", 13))
    assert many.status_code == 422 and "allowed: 12" in many.json()["reason"]


def test_whoever_takes_consent_back_is_not_known_a_second_later(enrolled):
    session = enrolled.begin().json()["id"]
    with enrolled.watch(session) as stream:
        stream.recv()
        assert seen(stream, "Ada")[-1]["faces"][0]["name"] == "Ada"
        enrolled.http.delete(f"/people/{enrolled.people()['Ada']['id']}/consent?roster=7B")
        answers = seen(stream, "Ada", until="unknown")
        assert answers[-1]["faces"][0]["name"] is None


def test_the_end_of_the_window_closes_the_session(enrolled):
    session = enrolled.begin().json()["id"]
    with enrolled.watch(session) as stream:
        stream.recv()
        seen(stream, "Ada")
        enrolled.wall.now = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
        assert seen(stream, "Ada", until="closed")[-1] == {"type": "closed", "session": session}
    assert {name: row["status"] for name, row in enrolled.rows(session).items()} == {"Ada": "on time", "Bo": "absent"}
    with enrolled.watch(session) as stream:
        assert "is over" in json.loads(stream.recv())["reason"]


def test_nothing_is_looked_at_before_the_window_opens(enrolled):
    session = enrolled.begin(start="09:50").json()["id"]
    with enrolled.watch(session) as stream:
        stream.recv()
        (answer,) = seen(stream, "Ada", until="frame_error")
        assert "nothing is looked at before" in answer["reason"]
    assert enrolled.rows(session)["Ada"]["status"] == "not seen yet"


@pytest.mark.parametrize(
    ("first", "then", "code"),
    [
        ('{"type": "hello"}', None, 1008),
        ('{"type": "hello", "session": "none"}', None, 1008),
        ("SESSION", b"x" * (600 << 10), 1009),
        ("SESSION", '{"type": "what"}', 1003),
    ],
)
def test_a_camera_that_talks_nonsense_is_let_go(enrolled, first, then, code):
    session = enrolled.begin().json()["id"]
    address = enrolled.url.replace("http", "ws") + "/v1/attendance/watch"
    with connect(address, subprotocols=[f"bearer.{TOKEN}"]) as stream:
        stream.send(first.replace("SESSION", json.dumps({"type": "hello", "session": session})))
        if then:
            stream.recv()
            stream.send(then)
        assert json.loads(stream.recv())["type"] == "error"
        with pytest.raises(ConnectionClosed) as closed:
            stream.recv()
        assert closed.value.rcvd.code == code


def test_a_frame_that_is_none_costs_only_itself(enrolled):
    session = enrolled.begin().json()["id"]
    with enrolled.watch(session) as stream:
        stream.recv()
        for frame in (b"", b"12345678", b"12345678no jpeg"):
            stream.send(frame)
            assert json.loads(stream.recv())["type"] == "frame_error"
        assert seen(stream, "Ada")[-1]["faces"]


def test_an_upload_is_bounded_like_any_other(tmp_path):
    given = Attendance(str(tmp_path / "a.sqlite"), tmp_path / "a.key", str(colour_embedder(tmp_path / "c.onnx")))
    settings = Settings(models={"face": "face"}, token=TOKEN, attendance=given, limits=Limits(upload_bytes=1000))
    with running(settings) as url:
        room = Room(url, None)
        person = room.consent("Ada").json()["id"]
        assert room.enrol(person, *photos("Ada")).status_code == 413


def test_a_store_without_its_key_is_not_opened(room, tmp_path):
    room.consent("Ada")
    given = Attendance(str(tmp_path / "a.sqlite"), tmp_path / "other.key")
    with (
        pytest.raises(InputError, match="no such key file"),
        running(Settings(models={"face": "face"}, token=TOKEN, attendance=given)),
    ):
        pass
