"""The tab of faces, in a real Chromium whose camera plays a drawn face; the server is a real one, too."""

import io
import json

import av
import numpy as np
import pytest
from PIL import Image

import affekt
from tests.conftest import drawn_face
from tests.test_web_page import CHROMIUM, CONTRAST, NAMELESS, PATIENCE, QUIET, Line, Server, Visit, sync_api
from tests.waiting import until

SIZE = (320, 240)


def scene(left):
    found = Image.new("RGB", SIZE, (120, 125, 130))
    found.paste(drawn_face(160), (left, 40))
    return found


def y4m(pictures, rate=25):
    """Pictures as a camera of Chromium takes them."""
    file = io.BytesIO()
    file.write(f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F{rate}:1 Ip A1:1 C420jpeg\n".encode())
    for picture in pictures:
        light, blue, red = (np.asarray(plane) for plane in picture.convert("YCbCr").split())
        file.write(b"FRAME\n" + light.tobytes() + blue[::2, ::2].tobytes() + red[::2, ::2].tobytes())
    return file.getvalue()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A picture, a video in which the face moves to the right, and a camera."""
    folder = tmp_path_factory.mktemp("faces")
    pictures = [scene(20 + 2 * i) for i in range(50)]
    pictures[0].save(folder / "face.png")
    with av.open(str(folder / "face.webm"), "w") as container:
        track = container.add_stream("libvpx", rate=25)
        track.width, track.height, track.bit_rate = *SIZE, 2_000_000
        for picture in pictures:
            container.mux(track.encode(av.VideoFrame.from_image(picture)))
        container.mux(track.encode())
    (folder / "camera.y4m").write_bytes(y4m(pictures[:25] + pictures[25:0:-1]))
    return folder


@pytest.fixture(scope="module")
def server():
    running = Server()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser(files):
    sync_api.expect.set_options(timeout=PATIENCE)
    with sync_api.sync_playwright() as play:
        options = [*QUIET, f"--use-file-for-fake-video-capture={files / 'camera.y4m'}"]
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=options)
        yield chromium
        chromium.close()


class FaceVisit(Visit):
    """A tab that shows faces, and what went over its streams."""

    def open(self):
        self.sent, self.received, self.most = [], [], 0
        self.page.on("websocket", self._listen)
        super().open()
        self.page.locator("input[name=tab][value=face]").check()
        self.page.locator("#faces-labels option").first.wait_for(state="attached")
        return self.page

    def _listen(self, ws):
        ws.on("framesent", lambda data: self._note(self.sent, data))
        ws.on("framereceived", lambda text: self._note(self.received, json.loads(text)))

    def _note(self, where, what):
        where.append(what)
        answers = sum(event["type"] in ("frame", "frame_error") for event in self.received)
        self.most = max(self.most, sum(isinstance(data, bytes) for data in self.sent) - answers)

    def film(self):
        self.page.locator("#faces-consent").check()
        self.page.locator("#faces-camera").click()
        self.page.locator("#faces-lanes .lane").first.wait_for()

    def filming(self):
        return self.page.evaluate("document.getElementById('faces-video').srcObject !== null")

    def drawn(self):
        """Whether anything is drawn over the picture."""
        return self.page.evaluate(
            """() => { const c = document.getElementById("faces-canvas");
            return c.width && c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some(x => x > 0) }"""
        )

    def upload(self, *paths):
        self.page.set_input_files("#faces-files", [str(path) for path in paths])
        self.page.locator("#faces-results-summary:not(:empty)").wait_for()


@pytest.fixture
def visit(browser, server):
    made = []

    def make(other=None, **options):
        made.append(FaceVisit(browser, other or server, **options))
        return made[-1]

    yield make
    for tab in made:
        tab.close()


@pytest.fixture
def tab(visit):
    made = visit()
    made.open()
    yield made
    assert made.errors == []
    assert all(url.split("://")[1].startswith(f"127.0.0.1:{made.server.port}/") or url.startswith("blob:")
               for url in made.requests)  # fmt: skip


def test_nothing_is_filmed_or_sent_before_the_switch_is_on(tab):
    assert not tab.page.locator("#faces-consent").is_checked()
    tab.page.locator("#faces-camera").click(force=True)
    sync_api.expect(tab.page.locator("#problem-text")).to_contain_text("stays off until you agree")
    assert not tab.filming() and not tab.sent
    assert not any(url.startswith("ws") for url in tab.requests)


def test_the_camera_shows_boxes_bars_and_lanes_and_is_summed_up(tab):
    tab.film()
    sync_api.expect(tab.page.locator("#faces-heard")).to_have_text("Happy")
    sync_api.expect(tab.page.locator("#faces-state")).to_contain_text("pictures a second")
    sync_api.expect(tab.page.locator("#faces-now-title")).to_have_text("Now: face 1")
    assert tab.filming() and tab.drawn()
    assert tab.text(".lane-name strong") == "face 1"
    tab.page.locator("#faces-camera").click()
    sync_api.expect(tab.page.locator("#faces-results-summary")).to_contain_text("Overall: happy")
    assert "face 1: Happy" in tab.text("#faces-segments")
    assert not tab.filming() and not tab.drawn()
    assert "not kept" in tab.text("#faces-empty")
    assert tab.sent[-1] == '{"type":"end"}' and tab.received[-1]["type"] == "summary"
    assert tab.most == 1, "only one picture is on its way"
    assert {event["dropped"] for event in tab.received if event["type"] == "frame"} == {0}


def test_the_box_is_where_the_face_is_also_in_the_mirror(tab):
    tab.film()
    tab.page.locator("#faces-mirror").uncheck()
    tab.page.locator("#faces-camera").click()
    sync_api.expect(tab.page.locator("#faces-results-summary")).not_to_be_empty()
    sent = [data for data in tab.sent if isinstance(data, bytes)]
    for data, event in zip(sent, [e for e in tab.received if e["type"] == "frame"], strict=False):
        (box,) = [p.box for p in affekt.Recognizer("face").predict(data[8:])]
        assert event["faces"][0]["box"] == pytest.approx(box, abs=1e-3)
        break


BLUE = """() => { const c = document.getElementById("faces-canvas");
  const { width, height, data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
  let [x, y, count] = [0, 0, 0];
  for (let i = 0; i < data.length; i += 4)
    if (data[i + 2] > 200 && data[i] < 60 && data[i + 3] > 80)
      [x, y, count] = [x + ((i / 4) % width), y + Math.floor(i / 4 / width), count + 1];
  return count && [x / count / width, y / count / height] }"""


def test_what_the_network_looks_at_lies_over_the_face_only_when_asked_for(tab):
    page = tab.page
    assert not page.locator("#faces-map").is_checked()
    page.locator("#faces-map").check()
    tab.film()
    sync_api.expect(page.locator("#faces-legend-text")).to_contain_text("Covering this changes the answer most: happy")
    mirrored = until(lambda: page.evaluate(BLUE), waiting=lambda _: page.wait_for_timeout(20))
    page.locator("#faces-map").uncheck()
    assert page.locator("#faces-legend").is_hidden()
    page.locator("#faces-camera").click()
    sync_api.expect(page.locator("#faces-results-summary")).not_to_be_empty()
    assert json.loads(tab.sent[0])["map"] is True
    found = [event for event in tab.received if event["type"] == "map"]
    assert found and all(event["label"] == "happy" for event in found)
    assert mirrored[1] > 0.5, "the mouth of the drawn face is in the lower half of the picture"
    page.locator("#faces-camera").click()

    def hellos():
        return [json.loads(data) for data in tab.sent if isinstance(data, str) and "hello" in data]

    until(lambda: len(hellos()) > 1, waiting=lambda _: page.wait_for_timeout(20))
    page.locator("#faces-map").check()
    sync_api.expect(page.locator("#faces-map-note")).to_have_text("From the next camera start on.")
    assert "map" not in hellos()[1]


def test_the_map_is_where_the_crop_is_also_in_the_mirror(tab):
    """A map that is 1 at its left top alone, over a box in the right half of the picture."""
    places = tab.page.evaluate("""async () => { const { drawFaces } = await import("/web/boxes.js");
      const canvas = document.getElementById("faces-canvas");
      document.getElementById("faces-stage").style.aspectRatio = "4 / 3";
      const values = Array.from({ length: 7 }, (_, y) => Array.from({ length: 7 }, (_, x) => Number(x + y === 0)));
      const map = { who: "face 1", area: [0, 0, 1, 1], values };
      const face = { who: "face 1", box: [0.5, 0.25, 0.4, 0.4], scores: {} };
      return [false, true].map((mirror) => {
        drawFaces(canvas, [face], { mirror, map });
        return (BLUE)();
      }) }""".replace("BLUE", BLUE))  # fmt: skip
    (x, y), (mirrored, same) = places
    assert x == pytest.approx(0.5 + 0.4 / 14, abs=0.02) and y == pytest.approx(0.25 + 0.4 / 14, abs=0.03)
    assert mirrored == pytest.approx(1 - x, abs=0.01) and same == pytest.approx(y, abs=0.01)


def test_taking_the_consent_back_closes_the_camera(tab):
    tab.film()
    tab.page.locator("#faces-consent").uncheck()
    sync_api.expect(tab.page.locator("#faces-camera-text")).to_have_text("Start camera")
    assert not tab.filming()
    sync_api.expect(tab.page.locator("#faces-results-summary")).not_to_be_empty()
    count = len(tab.sent)
    tab.page.locator("#faces-camera").click(force=True)
    sync_api.expect(tab.page.locator("#problem-text")).to_contain_text("until you agree")
    assert len(tab.sent) == count


def test_the_other_tab_closes_the_camera(tab):
    tab.film()
    tab.page.locator("input[name=tab][value=speech]").check()
    sync_api.expect(tab.page.locator("#view")).to_be_visible()
    assert not tab.filming() and tab.page.locator("#faces-view").is_hidden()


def test_a_picture_is_shown_with_its_faces(tab, files):
    tab.upload(files / "face.png")
    (expected,) = affekt.predict(str(files / "face.png"), model="face")
    said = "Not sure" if expected.unsure else expected.best.capitalize()
    assert tab.text("#faces-heard") == said
    assert tab.page.locator("#faces-picture").is_visible() and tab.drawn()
    assert tab.page.locator("#faces-lanes").is_hidden()
    assert tab.text(".segment-label").startswith("face 1: ")


def test_a_video_has_lanes_and_boxes_that_move(tab, files):
    tab.upload(files / "face.webm")
    assert tab.text(".lane-name strong") == "face 1"
    places = tab.page.evaluate("""async () => { const { Seen } = await import("/web/seen.js");
      const seen = new Seen("a", { file: new File([], "a") });
      const segment = { who: "face 1", start: 0, end: 2, scores: {}, box: [0.5, 0, 0.1, 0.1] };
      const boxes = { "face 1": [[0, 0, 0, 0.1, 0.1], [0.2, 0.2, 0, 0.1, 0.1]] };
      seen.take({ labels: [], duration: 2, segments: [segment], boxes });
      return [0.1, 0.2, 1].map((time) => seen.facesAt(time)[0].box[0]) }""")
    assert places == pytest.approx([0.1, 0.2, 0.2])
    tab.page.locator(".segment").first.click()
    sync_api.expect(tab.page.locator("#faces-now-title")).to_have_text("Here: face 1")
    assert tab.drawn()


def test_a_picture_that_is_given_to_voices_comes_to_faces(visit, files):
    tab = visit()
    tab.open()
    tab.page.locator("input[name=tab][value=speech]").check()
    tab.page.set_input_files("#files", str(files / "face.png"))
    tab.page.locator("#faces-results-summary:not(:empty)").wait_for()
    assert tab.page.locator("#main").get_attribute("data-tab") == "face"


def test_what_is_no_picture_says_why_and_can_be_tried_again(tab, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing more")
    tab.page.set_input_files("#faces-files", str(tmp_path / "broken.png"))
    sync_api.expect(tab.page.locator(".recording.failed")).to_contain_text("picture")
    assert tab.page.get_by_role("button", name="Try again").is_visible()
    tab.errors.clear()  # the browser itself reports the 415


def test_a_broken_line_is_mended_with_a_new_stream(browser, server):
    line = Line(server)
    tab = FaceVisit(browser, line)
    tab.open()
    tab.film()
    before = len([event for event in tab.received if event["type"] == "ready"])
    line.cut()
    sync_api.expect(tab.page.locator("#faces-heard")).to_have_text("Happy")
    until(
        lambda: len([event for event in tab.received if event["type"] == "ready"]) > before,
        waiting=lambda _: tab.page.wait_for_timeout(20),
    )
    sync_api.expect(tab.page.locator("#faces-heard")).to_have_text("Happy")
    tab.page.locator("#faces-camera").click()
    sync_api.expect(tab.page.locator("#faces-results-summary")).not_to_be_empty()
    tab.close()
    line.close()


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_no_width_scrolls_sideways(visit, files, width):
    tab = visit(viewport={"width": width, "height": 780})
    tab.open()
    tab.upload(files / "face.png", files / "face.webm")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_and_everything_has_a_name(visit, files, theme):
    tab = visit(color_scheme=theme, reduced_motion="reduce")
    tab.open()
    tab.upload(files / "face.webm")
    assert tab.page.evaluate(CONTRAST) == []
    assert tab.page.evaluate(NAMELESS) == []


def test_a_server_without_a_model_of_faces_has_no_such_tab(visit):
    plain = Server("--model", "voice")
    tab = visit(plain)
    try:
        Visit.open(tab)
        sync_api.expect(tab.page.locator("#tabs")).to_be_hidden()
    finally:
        plain.stop()
