"""The page of attendance, in a real Chromium whose camera plays a drawn face; the server is a real one, too."""

import csv
import io
import re
from urllib.parse import urlsplit

import pytest

for package in ("sqlalchemy", "cryptography", "openpyxl", "onnx"):
    pytest.importorskip(package, reason="attendance needs the extra: pip install '.[attendance]'")

from PIL import Image

from affekt.server.serving import running
from affekt.server.settings import Attendance, Settings
from tests.drawn_faces import colour_embedder, drawn_face, write_pictures
from tests.test_server_attendance import TOKEN, Room, Wall
from tests.test_web_faces import SIZE, y4m
from tests.test_web_page import CHROMIUM, CONTRAST, NAMELESS, PATIENCE, QUIET, Line, Visit, sync_api
from tests.waiting import until

#: Markup, a formula and a path: text, wherever it is shown.
NASTY = "<img src=x onerror=alert(1)> =1+1 ../é"


def film(name):
    """Somebody who sways before the camera."""
    pictures = []
    for i in range(40):
        picture = Image.new("RGB", SIZE, (90, 110, 120))
        picture.paste(Image.fromarray(drawn_face(name, size=200 + i // 4)), (60 + i, 15 + i % 7))
        pictures.append(picture)
    return y4m(pictures + pictures[::-1])


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    camera = tmp_path_factory.mktemp("camera") / "ada.y4m"
    camera.write_bytes(film("Ada"))
    sync_api.expect.set_options(timeout=PATIENCE)
    with sync_api.sync_playwright() as play:
        options = [*QUIET, f"--use-file-for-fake-video-capture={camera}"]
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=options)
        yield chromium
        chromium.close()


class Desk(Visit):
    """A tab on the page of attendance."""

    def open(self, token=TOKEN, roster="7B"):
        self.page.goto(f"{self.server.url}/attendance")
        self.page.locator("#token").fill(token)
        self.page.locator("#token-form button").click()
        sync_api.expect(self.page.locator("#law")).to_contain_text("GDPR")
        if self.page.locator("#opened").is_hidden():
            self.page.locator("#class").fill(roster)
            self.press("#class-form button")
        self.page.locator("#opened").wait_for()

    def press(self, selector):
        self.page.locator(selector).click()

    def button(self, words):
        return self.page.get_by_role("button", name=words, exact=True)

    def fill(self, **fields):
        for field, value in fields.items():
            self.page.locator(f"#{field.replace('_', '-')}").fill(value)

    def consent(self, name):
        self.press("#consent-new")
        self.fill(consent_name=name, consent_by=name, consent_notice="2026-11", consent_recorded="Ms Hopper")
        self.press("#consent-form [type=submit]")
        self.page.locator("#consent-dialog").wait_for(state="hidden")

    def row(self, body, name):
        return self.page.locator(f"#{body} tr").filter(has=self.page.get_by_role("rowheader", name=name, exact=True))

    def begin(self):
        self.fill(**{"from": "09:30", "to": "10:00", "zone": "Europe/Berlin"})
        self.press("#session-form [type=submit]")
        self.page.locator("#session").wait_for()

    def filming(self, video):
        return self.page.evaluate(f"document.getElementById('{video}').srcObject !== null")


@pytest.fixture
def room(tmp_path):
    wall, embedder = Wall(), colour_embedder(tmp_path / "colours.onnx")
    given = Attendance(str(tmp_path / "a.sqlite"), tmp_path / "a.key", str(embedder), wall)
    with running(Settings(models={"face": "face"}, token=TOKEN, attendance=given)) as url:
        yield Room(url, wall)


@pytest.fixture
def visit(browser, room):
    made = []

    def make(**options):
        made.append(Desk(browser, room, **options))
        return made[-1]

    yield make
    for tab in made:
        tab.close()


@pytest.fixture
def enrolled(room, tmp_path):
    """Ada and Bo have faces, somebody with a nasty name has none."""
    for name in ("Ada", "Bo"):
        pictures = [path.read_bytes() for path in write_pictures(tmp_path, name)]
        assert room.enrol(room.consent(name).json()["id"], *pictures).status_code == 201
    room.http.post("/people", json={"roster": "7B", "name": NASTY})
    return room


@pytest.fixture
def tab(visit):
    """A tab in which nothing goes wrong, and out of which nothing goes elsewhere."""
    made = visit()
    yield made
    # The browser itself reports the 401 that made the page ask for the token.
    assert [said for said in made.errors if "401" not in said] == []
    assert {urlsplit(url).netloc for url in made.requests if not url.startswith(("blob:", "data:"))} == {
        urlsplit(made.server.url).netloc
    }


def test_without_the_token_nothing_is_told(tab, enrolled):
    tab.page.goto(f"{enrolled.url}/attendance")
    tab.fill(token="wrong-token")
    tab.press("#token-form button")
    sync_api.expect(tab.page.locator("#token-wrong")).to_have_text("This token is not the right one.")
    assert "Ada" not in tab.page.content() and tab.page.locator("#opened").is_hidden()


def test_somebody_consents_is_enrolled_by_camera_and_recognised(tab, room):
    tab.open()
    tab.consent("Ada")
    tab.row("people", "Ada").get_by_role("button", name="Enrol by camera").click()
    assert not tab.filming("enrol-video"), "the camera is off until they agree"
    assert tab.page.locator("#enrol-take").is_disabled()
    tab.page.locator("label[for=enrol-agree]").click()
    for count in range(1, 4):
        tab.press("#enrol-take:enabled")
        sync_api.expect(tab.page.locator("#enrol-count")).to_contain_text(f"{count} taken")
    tab.press("#enrol-send")
    sync_api.expect(tab.row("people", "Ada")).to_contain_text("photos")
    assert not tab.filming("enrol-video")
    assert room.people()["Ada"]["consent"]["recorded_by"] == "Ms Hopper"
    tab.begin()
    assert not tab.filming("video"), "a session alone opens no camera"
    tab.press("#camera")
    sync_api.expect(tab.row("rows", "Ada")).to_contain_text("on time")
    sync_api.expect(tab.page.locator("#in-view")).to_have_text("Ada")
    assert tab.page.evaluate(
        """() => { const c = document.getElementById("canvas");
        return c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some(x => x > 0) }"""
    )
    tab.press("#camera")
    assert not tab.filming("video")


def test_a_session_is_ended_corrected_and_exported(tab, enrolled):
    tab.open()
    tab.begin()
    tab.press("#camera")
    sync_api.expect(tab.row("rows", "Ada")).to_contain_text("on time")
    tab.press("#end")
    sync_api.expect(tab.page.locator("#session-state")).to_contain_text("ended at 09:39")
    assert not tab.filming("video")
    statuses = tab.page.locator("#rows .status").all_inner_texts()
    assert statuses == ["not checked", "on time", "absent"]
    tab.row("rows", "Bo").get_by_role("button", name="Correct").click()
    tab.page.locator("#correct-status").select_option("excused")
    tab.fill(correct_reason="at the doctor's", correct_by="Ms Hopper")
    tab.press("#correct-form [type=submit]")
    sync_api.expect(tab.row("rows", "Bo")).to_contain_text("absent to excused, Ms Hopper: at the doctor's")
    for kind in ("csv", "xlsx", "json", "html"):
        with tab.page.expect_download() as saving:
            tab.press(f"#export [data-format={kind}]")
        data = saving.value.path().read_bytes()
        assert saving.value.suggested_filename == f"attendance.{kind}" and len(data) > 400
        if kind == "csv":
            rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
            assert {row["name"]: row["status"] for row in rows}["Bo"] == "excused"


def test_the_buttons_of_a_session_are_there_when_the_session_is(tab, enrolled):
    tab.open()
    held = []
    tab.page.route("**/attendance/sessions/*", lambda route: held.append(route))
    tab.fill(**{"from": "09:30", "to": "10:00", "zone": "Europe/Berlin"})
    tab.press("#session-form [type=submit]")
    sync_api.expect(tab.page.locator("#sessions option")).to_contain_text("running")
    assert tab.page.locator("#session").is_hidden()
    until(lambda: held, waiting=lambda _: tab.page.wait_for_timeout(10))
    held[0].continue_()
    tab.page.locator("#session").wait_for()


def test_a_broken_line_is_mended_and_the_session_goes_on(browser, enrolled):
    line = Line(enrolled)
    tab = Desk(browser, line)
    line.url = line.url.rstrip("/")
    tab.open()
    tab.begin()
    tab.press("#camera")
    sync_api.expect(tab.page.locator("#in-view")).to_have_text("Ada")
    line.cut()
    sync_api.expect(tab.page.locator("#in-view")).to_have_text("The server is gone; trying again.")
    sync_api.expect(tab.page.locator("#in-view")).to_have_text("Ada")
    assert tab.filming("video")
    tab.close()
    line.close()
    told = [row["detail"] for row in enrolled.http.get("/audit").json()["audit"] if row["action"] == "camera"]
    assert told[:3] == ["page: connected", "page: disconnected", "page: connected"]


def test_a_camera_that_is_closed_while_the_browser_asks_stays_closed(tab, enrolled):
    tab.open()
    tab.begin()
    opened = tab.page.evaluate("""async () => { const { Film } = await import("/web/film.js");
      const film = new Film(document.createElement("video"), { side: 100, quality: 0.8 });
      const tracks = [];
      const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wish) => {
        const media = await get(wish);
        tracks.push(...media.getTracks());
        return media;
      };
      const first = film.open();
      const second = film.open();
      const third = [await first, await second];
      film.close();
      return [...third, tracks.length, tracks.filter((track) => track.readyState === "live").length] }""")
    assert opened == [False, True, 2, 0]


def test_a_name_is_text_wherever_it_stands(tab, enrolled):
    tab.open()
    tab.begin()
    for body in ("people", "rows"):
        assert tab.row(body, NASTY).locator("th bdi").inner_text() == NASTY
    assert tab.page.locator("main img").count() == 0
    tab.row("rows", NASTY).get_by_role("button", name="Correct").click()
    assert tab.text("#correct-title") == f"Correct {NASTY}"


def test_forgetting_asks_first_and_shows_the_receipt(tab, enrolled):
    tab.open()
    forget = tab.row("people", "Bo").get_by_role("button", name="Forget")
    forget.click()
    tab.page.locator("#sure-dialog .cancel").click()
    assert set(enrolled.people()) == {"Ada", "Bo", NASTY}
    forget.click()
    tab.press("#sure-yes")
    sync_api.expect(tab.page.locator("#receipt-text")).to_contain_text(re.compile("Bo, deleted: .*3 of templates"))
    assert set(enrolled.people()) == {"Ada", NASTY}
    sync_api.expect(tab.page.locator("#people tr")).to_have_count(2)


def test_what_the_server_refuses_is_said_in_the_dialog(visit, enrolled):
    tab = visit()
    tab.open()
    tab.press("#consent-new")
    tab.fill(consent_name="Cem", consent_by="Cem", consent_notice="1", consent_recorded="me", consent_on="2026-12-24")
    tab.press("#consent-form [type=submit]")
    sync_api.expect(tab.page.locator("#consent-form .wrong")).to_contain_text("still to come")
    tab.page.locator("#consent-dialog .cancel").click()
    assert "Cem" not in enrolled.people()


def test_the_camera_stays_off_before_the_window(tab, enrolled):
    enrolled.wall.now = enrolled.wall.now.replace(hour=8, minute=0)
    tab.open()
    tab.begin()
    tab.press("#camera")
    sync_api.expect(tab.page.locator("#problem-text")).to_contain_text("stays off until it opens")
    assert not tab.filming("video")


def test_it_speaks_german_and_changes_the_language_at_once(visit, enrolled):
    tab = visit(locale="de-DE")
    tab.page.goto(f"{tab.server.url}/attendance")
    tab.fill(token=TOKEN)
    tab.press("#token-form button")
    sync_api.expect(tab.page.locator("#law")).to_contain_text("DSGVO")
    if tab.page.locator("#opened").is_hidden():
        tab.fill(**{"class": "7B"})
        tab.press("#class-form button")
    tab.begin()
    assert tab.page.evaluate("document.documentElement.lang") == "de"
    tab.press("#camera")
    sync_api.expect(tab.row("rows", "Ada")).to_contain_text("pünktlich")
    tab.press("#end")
    sync_api.expect(tab.page.locator("#session-state")).to_contain_text("beendet, vor ihrem Ende")
    assert tab.page.locator("#rows .status").all_inner_texts() == ["nicht geprüft", "pünktlich", "abwesend"]
    tab.page.locator("#language").select_option("fr")
    assert tab.page.locator("#rows .status").all_inner_texts() == ["non vérifié", "à l’heure", "absent"]
    sync_api.expect(tab.page.locator("#law")).to_contain_text("RGPD")
    sync_api.expect(tab.page.locator("#correct-status option").first).to_have_text("à l’heure")


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_no_width_scrolls_sideways(visit, enrolled, width):
    tab = visit(viewport={"width": width, "height": 780})
    tab.open()
    tab.begin()
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_and_everything_has_a_name(visit, enrolled, theme):
    tab = visit(color_scheme=theme, reduced_motion="reduce")
    tab.open()
    tab.begin()
    assert tab.page.evaluate(CONTRAST) == []
    assert tab.page.evaluate(NAMELESS) == []


def test_nothing_about_emotions_is_on_it(tab, enrolled):
    tab.open()
    tab.begin()
    assert not re.search("emotion|happy|angry|mood", tab.page.content(), re.IGNORECASE)
