"""The tabs of videos and texts, in a real Chromium whose camera and microphone play files; the server is real, too."""

import json
import re

import pytest

from tests.test_server_films import sounding
from tests.test_server_pictures import scene
from tests.test_web_faces import y4m
from tests.test_web_page import CHROMIUM, CONTRAST, NAMELESS, PATIENCE, QUIET, Line, Server, Visit, sync_api
from tests.waiting import until

#: The strips of the lanes.
STRIP = "#video-tracks .strip canvas"


@pytest.fixture(scope="module")
def files(tmp_path_factory, clips):
    """A video with its captions, a camera, and a text."""
    from affekt.speech.audio import read

    folder = tmp_path_factory.mktemp("videos")
    pictures = [scene(20 + 2 * i) for i in range(20)]
    (folder / "a.mp4").write_bytes(sounding(pictures, read(clips[4]).signal[16_000:48_000]))
    words = "WEBVTT\n\n00:00.200 --> 00:01.800\n<v face 1>I hate you, you make me furious!\n"
    (folder / "a.vtt").write_text(words, encoding="utf-8")
    (folder / "camera.y4m").write_bytes(y4m(pictures + pictures[::-1], rate=10))
    (folder / "story.txt").write_text("I won! 😀 Nobody cares.", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def server():
    running = Server()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser(files, clips):
    sync_api.expect.set_options(timeout=PATIENCE)
    with sync_api.sync_playwright() as play:
        fakes = [
            f"--use-file-for-fake-video-capture={files / 'camera.y4m'}",
            f"--use-file-for-fake-audio-capture={clips[4]}",
        ]
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *fakes])
        yield chromium
        chromium.close()


class VideoVisit(Visit):
    """A tab that shows videos, and what went over its streams."""

    def open(self, tab="fusion"):
        self.sent, self.received = [], []
        self.page.on("websocket", self._listen)
        super().open()
        self.page.locator(f"input[name=tab][value={tab}]").check()
        return self.page

    def _listen(self, ws):
        ws.on("framesent", lambda data: self.sent.append(data))
        ws.on("framereceived", lambda text: self.received.append(json.loads(text)))

    def film(self):
        self.page.locator("#video-consent").check()
        self.page.locator("#video-camera").click()
        self.page.locator(STRIP).first.wait_for()

    def filming(self):
        return self.page.evaluate("document.getElementById('video-video').srcObject !== null")

    def upload(self, *paths):
        self.page.set_input_files("#video-files", [str(path) for path in paths])
        self.page.locator("#video-results-summary:not(:empty)").wait_for()

    def lanes(self):
        return self.page.locator("#video-tracks .strip-name").all_inner_texts()


@pytest.fixture
def visit(browser, server):
    made = []

    def make(other=None, **options):
        made.append(VideoVisit(browser, other or server, **options))
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


def test_nothing_is_filmed_heard_or_sent_before_the_switch_is_on(tab):
    tab.page.locator("#video-camera").click(force=True)
    sync_api.expect(tab.page.locator("#problem-text")).to_contain_text("stay off until you agree")
    assert not tab.filming() and not tab.sent


def test_camera_and_microphone_go_over_one_line_and_are_answered_together(tab):
    tab.film()
    sync_api.expect(tab.page.locator("#video-now-title")).to_have_text("Now: face 1")
    sync_api.expect(tab.page.locator("#video-tracks")).to_contain_text("Voice")
    assert {"Together", "Face", "Voice"} <= set(tab.lanes())
    sync_api.expect(tab.page.locator("#video-state")).to_contain_text("pictures a second")
    tab.page.locator("#video-camera").click()
    sync_api.expect(tab.page.locator("#video-results-summary")).to_contain_text("Overall")
    assert not tab.filming() and "not kept" in tab.text("#video-empty")
    first = json.loads(tab.sent[0])
    assert first["format"] == "jpeg+pcm16" and tab.sent[-1] == '{"type":"end"}'
    kinds = {bytes(data)[:1] for data in tab.sent if isinstance(data, bytes)}
    assert kinds == {b"F", b"S"}
    types = {event["type"] for event in tab.received}
    assert {"frame", "level", "partial", "fused", "segment", "summary"} <= types
    assert {event["dropped"] for event in tab.received if event["type"] == "frame"} == {0}


def test_taking_the_consent_back_or_leaving_the_tab_closes_both(tab):
    tab.film()
    tab.page.locator("#video-consent").uncheck()
    sync_api.expect(tab.page.locator("#video-camera-text")).to_have_text("Start camera and sound")
    assert not tab.filming()
    sync_api.expect(tab.page.locator("#video-results-summary")).not_to_be_empty()
    tab.film()
    tab.page.locator("input[name=tab][value=speech]").check()
    sync_api.expect(tab.page.locator("#view")).to_be_visible()
    assert not tab.filming() and tab.page.locator("#video-view").is_hidden()


def test_a_video_has_lanes_boxes_captions_and_its_contradictions(tab, files):
    tab.upload(files / "a.mp4", files / "a.vtt")
    assert {"Together", "Voice", "Face", "Words"} == set(tab.lanes())
    assert tab.text("#video-name") == "a.mp4, with a.vtt, 2.0 s"
    # What is shown is what the server said.
    answer = tab.page.request.post(
        f"{tab.server.url}v1/predict",
        multipart={"files": {"name": "a.mp4", "mimeType": "video/mp4", "buffer": (files / "a.mp4").read_bytes()},
                   "captions": {"name": "a.vtt", "mimeType": "text/plain", "buffer": (files / "a.vtt").read_bytes()}},
    )  # fmt: skip
    fused = [s for s in answer.json()["results"][0]["segments"] if s["modality"] == "fusion"]
    assert tab.page.locator("#video-segments > li").count() == len(fused)
    torn = next(s for s in fused if s.get("reason"))
    assert torn["reason"] in tab.text("#video-segments")
    tab.page.locator("#video-segments .segment-why").first.click()
    sync_api.expect(tab.page.locator("#video-contradiction")).to_have_text(
        f"They contradict each other: {torn['reason']}."
    )
    # A second later, where the words are.
    strip = tab.page.locator(STRIP).first
    strip.click(position={"x": strip.bounding_box()["width"] / 2, "y": 8})
    sync_api.expect(tab.page.locator("#video-parts")).to_contain_text("I hate you")


def test_a_click_in_a_lane_seeks_the_player(tab, files):
    tab.upload(files / "a.mp4")
    strip = tab.page.locator(STRIP).first
    wide = strip.bounding_box()["width"]
    strip.click(position={"x": wide / 2, "y": 8})
    tab.page.wait_for_function("document.getElementById('video-video').currentTime > 0.8")
    assert tab.page.evaluate("document.getElementById('video-video').currentTime") == pytest.approx(1.0, abs=0.1)


def test_captions_alone_are_those_of_the_video_that_is_shown(tab, files):
    tab.page.set_input_files("#video-files", str(files / "a.vtt"))
    sync_api.expect(tab.page.locator("#problem-text")).to_contain_text("choose it, too")
    tab.upload(files / "a.mp4")
    assert "Words" not in tab.lanes()
    tab.page.set_input_files("#video-files", str(files / "a.vtt"))
    sync_api.expect(tab.page.locator("#video-name")).to_contain_text("with a.vtt")
    sync_api.expect(tab.page.locator("#video-tracks")).to_contain_text("Words")


def test_a_broken_line_is_mended_with_a_new_stream(browser, server):
    line = Line(server)
    tab = VideoVisit(browser, line)
    tab.open()
    tab.film()
    line.cut()
    until(
        lambda: sum(event["type"] == "ready" for event in tab.received) > 1,
        waiting=lambda _: tab.page.wait_for_timeout(20),
    )
    sync_api.expect(tab.page.locator("#video-now-title")).to_have_text("Now: face 1")
    tab.page.locator("#video-camera").click()
    sync_api.expect(tab.page.locator("#video-results-summary")).not_to_be_empty()
    tab.close()
    line.close()


def test_a_sentence_has_its_words_highlighted(visit):
    tab = visit()
    tab.open("text")
    tab.page.locator("#text-ask").click()
    sync_api.expect(tab.page.locator("#problem-text")).to_contain_text("write a sentence")
    tab.page.fill("#text-words", "😀 I am so happy! <b>We</b> hate waiting.")
    tab.page.locator("#text-ask").click()
    sync_api.expect(tab.page.locator("#text-summary")).to_contain_text("2 sentences; overall")
    first = tab.page.locator("#text-sentences .sentence-words").first
    assert first.inner_text() == "😀 I am so happy!" and "happy" in first.locator("mark").all_inner_texts()
    tab.page.locator("#text-sentences button").first.click()
    assert tab.text("#text-now-title") == "This sentence" and tab.text("#text-heard") == "Happy"
    assert re.search(r'rests on .*"happy"', tab.text("#text-heard-why"))
    assert tab.page.locator("#text-sentences b").count() == 0


def test_texts_that_are_dropped_come_to_their_tab(visit, files):
    tab = visit()
    tab.open("speech")
    tab.page.set_input_files("#files", str(files / "story.txt"))
    sync_api.expect(tab.page.locator("#text-summary")).to_contain_text("sentences")
    assert tab.page.locator("#main").get_attribute("data-tab") == "text"
    tab.page.set_input_files("#text-files", {"name": "long.txt", "mimeType": "text/plain", "buffer": b"No. " * 201})
    sync_api.expect(tab.page.locator("#text-warnings")).to_contain_text("No word weights: explain weighs every word")
    assert tab.page.locator("#text-sentences li").count() == 201
    tab.errors.clear()  # the browser itself reports the 422


@pytest.mark.parametrize("width", [320, 1280])
def test_no_width_scrolls_sideways(visit, files, width):
    tab = visit(viewport={"width": width, "height": 780})
    tab.open()
    tab.upload(files / "a.mp4", files / "a.vtt")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    tab.page.locator("input[name=tab][value=text]").check()
    tab.page.set_input_files("#text-files", str(files / "story.txt"))
    tab.page.locator("#text-sentences li").first.wait_for()
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_and_everything_has_a_name(visit, files, theme):
    tab = visit(color_scheme=theme, reduced_motion="reduce")
    tab.open()
    tab.upload(files / "a.mp4", files / "a.vtt")
    tab.page.locator("#video-segments .segment-why").first.click()
    for name in ("fusion", "text"):
        tab.page.locator(f"input[name=tab][value={name}]").check()
        assert tab.page.evaluate(CONTRAST) == []
        assert tab.page.evaluate(NAMELESS) == []


def test_a_server_without_models_of_all_has_the_tabs_of_its_models(visit):
    plain = Server("--model", "voice", "--model", "text")
    tab = visit(plain)
    try:
        Visit.open(tab)
        sync_api.expect(tab.page.locator("input[name=tab][value=text]")).to_be_enabled()
        shown = tab.page.locator(".tabs label:visible").all_inner_texts()
        assert shown == ["Voice", "Text"]
    finally:
        plain.stop()
