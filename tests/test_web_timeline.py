"""The timeline of the page: what is seen of a recording, shares, keys, the list, and hearing again."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from tests.conftest import drawn_face
from tests.test_web_page import CHROMIUM, NAMELESS, PATIENCE, QUIET, Server, Visit, sync_api

LABELS = ["angry", "calm", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


def answer(duration, *, who=(None,), length=2.0, pause=1.0, seed=3):
    """A result as the server gives it: segments of about one length, every fifth not sure."""
    rng = np.random.default_rng(seed)
    segments = []
    for name in who:
        starts = np.arange(0.5, duration - length, length + pause)
        for i, start in enumerate(starts):
            scores = dict(zip(LABELS, rng.dirichlet(np.ones(8)).tolist(), strict=True))
            best = max(scores, key=scores.get)
            said = {"start": float(start), "end": float(start + length), "scores": scores, "best": best}
            why = {"label": None, "reason": "the expression itself is ambiguous"} if i % 5 == 4 else {"label": best}
            segments.append({**said, "confidence": scores[best], "quality": 0.9, "who": name, "reason": "", **why})
    segments.sort(key=lambda segment: segment["start"])
    summary = {**segments[0], "start": 0.0, "end": duration, "who": None}
    table = dict.fromkeys(who, summary) if len(who) > 1 else {}
    fields = {"labels": LABELS, "summary": summary, "summaries": table, "segments": segments, "warnings": []}
    return {"source": "talk.mp3", "model": "voice", "duration": duration, **fields}


@pytest.fixture(scope="module")
def server():
    running = Server()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser():
    sync_api.expect.set_options(timeout=PATIENCE)
    with sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


class TimelineVisit(Visit):
    """A tab in which a recording is shown whose answer is made up."""

    def show(self, result):
        body = json.dumps({"results": [result]})
        self.page.route("**/v1/predict", lambda route: route.fulfill(content_type="application/json", body=body))
        sound = {"name": "talk.mp3", "mimeType": "audio/mpeg", "buffer": b"nothing that a browser plays"}
        self.page.set_input_files("#files", [sound])
        self.page.locator("#results-summary:not(:empty)").wait_for()
        self.page.locator("#over-time").scroll_into_view_if_needed()
        return self.page

    def point(self, share):
        box = self.page.locator("#over-time").bounding_box()
        x, y = box["x"] + share * box["width"], box["y"] + 30
        self.page.mouse.move(x, y)
        self.page.mouse.move(x + 1, y)
        return x

    def wheel(self, pixels):
        """Turn the wheel once the page has come to rest: until then it scrolls that, and the pointer is elsewhere."""
        before = self.seen
        self.page.evaluate(
            """() => new Promise((done) => {
              let timer;
              const wait = () => { clearTimeout(timer); timer = setTimeout(done, 400); };
              addEventListener("scroll", wait);
              wait();
            })"""
        )
        self.page.mouse.wheel(0, pixels)
        for _ in range(50):
            if self.settled != before:
                return
        raise AssertionError("the wheel does nothing")

    @property
    def seen(self):
        """What the axis of time was drawn for."""
        return self.page.evaluate("document.getElementById('over-time').dataset.seen")

    @property
    def settled(self):
        frames = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        self.page.evaluate(frames)
        return self.seen

    def range(self):
        return [float(number) for number in self.settled.split()]


@pytest.fixture
def tab(browser, server):
    one = TimelineVisit(browser, server)
    one.open()
    yield one
    one.close()
    assert one.errors == []


# --- what is seen ----------------------------------------------------------------------------------


def test_zooming_keeps_the_time_under_the_pointer(tab):
    script = """async () => { const { View } = await import("/web/view.js");
      const off = [];
      for (const share of [0, 0.1, 0.5, 0.93, 1]) {
        const view = new View();
        view.all(10800);
        for (const factor of [0.5, 0.3, 0.9, 1.1, 0.2]) {
          const time = view.timeAt(share);
          view.zoom(factor, time);
          off.push(Math.abs(view.share(time) - share));
          if (view.from < 0 || view.to > 10800 + 1e-9) off.push(Infinity);
        }
        view.zoom(1e9, view.timeAt(share));
        off.push(view.whole && view.from === 0 ? 0 : Infinity);
        view.zoom(1e-9, view.timeAt(share));
        off.push(Math.abs(view.span - 0.5));
      }
      return Math.max(...off); }"""
    assert tab.page.evaluate(script) < 1e-6


def test_the_wheel_zooms_where_the_pointer_is_and_dragging_moves_what_is_seen(tab):
    tab.show(answer(120.0))
    tab.point(0.7)
    under = tab.text(".readout-time")
    tab.wheel(-400)
    start, end = tab.range()
    assert end - start < 60
    tab.point(0.7)
    assert tab.text(".readout-time") == under
    x = tab.point(0.5)
    tab.page.mouse.down()
    tab.page.mouse.move(x + 40, 400)
    tab.page.mouse.move(x + 100, 400)
    tab.page.mouse.up()
    moved = tab.range()
    assert moved[0] < start and moved[1] - moved[0] == pytest.approx(end - start, abs=0.01)
    width = tab.page.locator("#over-time").bounding_box()["width"]
    assert start - moved[0] == pytest.approx(100 / width * (end - start), rel=0.03)
    assert tab.page.locator("#seek").get_attribute("aria-valuenow") == "0.0"  # a drag is no click


def test_two_fingers_zoom(tab):
    tab.show(answer(120.0))
    box = tab.page.locator("#over-time").bounding_box()
    script = """([left, right, y]) => {
      const root = document.getElementById("over-time");
      const send = (type, id, x) =>
        root.dispatchEvent(new PointerEvent(type, { pointerId: id, clientX: x, clientY: y, bubbles: true }));
      const [middle, wide] = [(left + right) / 2, (right - left) / 10];
      send("pointerdown", 1, middle - wide);
      send("pointerdown", 2, middle + wide);
      send("pointermove", 1, middle - 2 * wide);
      send("pointermove", 2, middle + 2 * wide);
      send("pointerup", 1, middle - 2 * wide);
      send("pointerup", 2, middle + 2 * wide);
    }"""
    tab.page.evaluate(script, [box["x"], box["x"] + box["width"], box["y"] + 20])
    start, end = tab.range()
    assert end - start == pytest.approx(60, abs=1) and (start + end) / 2 == pytest.approx(60, abs=1)


@pytest.mark.parametrize("seconds", [1200.0, 10_800.0])
def test_a_long_recording_is_shares_until_one_comes_closer(tab, seconds):
    page = tab.show(answer(seconds))
    assert page.locator(".span").count() == 0 and page.locator("#bins").is_visible()
    assert "shares of" in tab.text("#spans-name")
    assert page.locator("#overview").is_visible()
    # The swatch in the list is that of the words beside it, not of the mean of all segments.
    colour = "e => [getComputedStyle(e).backgroundColor, e.className]"
    assert page.locator(".recording .chip").evaluate(colour) == page.locator("#heard-chip").evaluate(colour)
    tab.point(0.5)
    assert re.search(r"\d+ %", tab.text("#readout"))
    for _ in range(12):
        tab.wheel(-400)
        if page.locator(".span").count():
            break
    assert 0 < page.locator(".span").count() < 400
    assert tab.text("#spans-name") == "Emotions"
    page.locator("#zoom-all").click()
    assert tab.range() == [0, seconds]


def test_the_overview_moves_what_is_seen(tab):
    page = tab.show(answer(1200.0))
    box = page.locator("#overview").bounding_box()
    place = lambda share: (box["x"] + share * box["width"], box["y"] + 10)  # noqa: E731
    page.mouse.move(*place(0.5))
    page.mouse.down()
    page.mouse.move(*place(0.55))
    page.mouse.move(*place(0.6))
    page.mouse.up()
    assert tab.range() == pytest.approx([600, 720], abs=3)
    page.mouse.move(*place(0.55))
    page.mouse.down()
    page.mouse.move(*place(0.3))
    page.mouse.up()
    assert tab.range() == pytest.approx([300, 420], abs=6)


def test_shares_are_the_seconds_of_the_segments(tab):
    result = answer(600.0, who=("left", "right"))
    script = """async result => { const m = await import("/web/bins.js");
      const bins = m.binned(result.segments, 15);
      return [m.shares(result.segments, { to: result.duration }), bins] }"""
    whole, bins = tab.page.evaluate(script, result)
    spoken = sum(s["end"] - s["start"] for s in result["segments"])
    # Both speak at the same times: in all the time is divided between them, in bins each lane has its own.
    assert whole["spoken"] == pytest.approx(spoken / 2) and whole["silent"] == pytest.approx(600 - spoken / 2)
    assert sum(whole["seconds"].values()) + whole["unsure"] == pytest.approx(spoken / 2)
    assert sum(one["spoken"] for one in bins) == pytest.approx(spoken)
    for label, seconds in whole["seconds"].items():
        assert sum(one["seconds"].get(label, 0) for one in bins) == pytest.approx(2 * seconds)
    assert all(sum(one["scores"].values()) == pytest.approx(1) for one in bins)


def test_more_than_a_few_segments_are_led_by_the_most_frequent_label(tab):
    result = answer(1200.0)
    tab.show(result)
    length = dict.fromkeys(LABELS, 0.0)
    for segment in result["segments"]:
        if segment["label"]:
            length[segment["label"]] += segment["end"] - segment["start"]
    most = max(length, key=length.get)
    spoken = sum(s["end"] - s["start"] for s in result["segments"])
    unsure = spoken - sum(length.values())
    shares = [f"{100 * seconds / spoken:.0f} % of speech" for seconds in (length[most], unsure)]
    expected = f"Most often {most} ({shares[0]}), not sure ({shares[1]}); {len(result['segments'])} segments."
    assert tab.text("#results-summary").startswith(expected)
    assert tab.page.locator(".share-table tbody tr").count() == len([x for x in length.values() if x]) + 2
    assert "Silence" in tab.text(".share-table")


def test_what_is_not_sure_has_a_striped_swatch_everywhere(tab):
    page = tab.show(answer(30.0))
    for row in page.locator(".segment").all():
        is_unsure = row.locator(".segment-label").inner_text() == "Not sure"
        assert ("unsure" in row.locator(".chip").get_attribute("class")) == is_unsure
    assert page.locator(".span.unsure").count() == page.locator(".chip.unsure").count() - 2  # the legend, the shares
    stripes = "[...document.querySelectorAll('.unsure')].every(e => getComputedStyle(e).backgroundImage !== 'none')"
    assert page.evaluate(stripes)
    assert page.locator("#legend li").count() == len(LABELS) + 1


def test_names_stand_in_segments_only_where_they_fit(tab):
    page = tab.show(answer(120.0))
    fits = """() => [...document.querySelectorAll(".span")].filter(s => s.scrollWidth > s.clientWidth + 1).length"""
    assert page.evaluate(fits) == 0
    page.locator("#zoom-in").click()
    page.locator("#zoom-in").click()
    page.locator("#zoom-in").click()
    tab.range()
    assert page.evaluate(fits) == 0
    assert page.locator(".span:not(:empty)").count() > 0


# --- lanes -----------------------------------------------------------------------------------------


def test_each_channel_has_a_lane_and_a_number_chooses_it(tab):
    page = tab.show(answer(60.0, who=("left", "right")))
    assert page.locator(".lane-tag").all_inner_texts() == ["1 Left", "2 Right"]
    page.keyboard.press("2")
    sync_api.expect(page.locator(".lane-tag.chosen")).to_have_text("2 Right")
    tops = page.evaluate("[...document.querySelectorAll('.span.faded')].map(s => s.offsetTop)")
    assert tops and set(tops) == {4}
    page.keyboard.press("2")
    sync_api.expect(page.locator(".lane-tag.chosen")).to_have_count(0)


# --- keys ------------------------------------------------------------------------------------------


def test_keys_move_zoom_and_go_from_segment_to_segment(tab):
    result = answer(60.0)
    page = tab.show(result)
    press, now = page.keyboard.press, lambda: float(page.locator("#seek").get_attribute("aria-valuenow"))
    press("j")
    assert now() == result["segments"][0]["start"]
    press("j")
    assert now() == result["segments"][1]["start"]
    press("k")
    assert now() == result["segments"][0]["start"]
    press("ArrowRight")
    press("Shift+ArrowRight")
    assert now() == result["segments"][0]["start"] + 6
    press("+")
    start, end = tab.range()
    assert end - start == pytest.approx(30)
    press("0")
    assert tab.range() == [0, 60]
    press(".")
    assert page.locator("#speed").input_value() == "1.25"
    assert page.evaluate("document.getElementById('audio').playbackRate") == 1.25
    press(",")
    press(",")
    assert page.evaluate("document.getElementById('audio').playbackRate") == 0.75


def test_the_keys_are_shown_and_can_be_turned_off(tab):
    page = tab.show(answer(60.0))
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    sync_api.expect(dialog).to_be_visible()
    assert page.evaluate(NAMELESS) == []
    page.locator("#keys-on").uncheck()
    page.keyboard.press("Escape")
    sync_api.expect(dialog).to_be_hidden()
    page.keyboard.press("j")
    assert page.locator("#seek").get_attribute("aria-valuenow") == "0.0"
    page.locator("#seek").focus()
    page.keyboard.press("j")
    assert page.locator("#seek").get_attribute("aria-valuenow") == "0.5"


def test_letters_that_are_typed_are_no_keys(tab):
    page = tab.show(answer(60.0))
    page.locator("#model").focus()
    page.keyboard.press("j")
    assert page.locator("#seek").get_attribute("aria-valuenow") == "0.0"


# --- the list --------------------------------------------------------------------------------------


def test_a_long_list_is_one_tab_stop_and_only_what_is_seen_is_made(tab):
    result = answer(1740.0)
    page = tab.show(result)
    total = len(result["segments"])
    assert total == 580
    rows = page.locator("#segments .segment")
    assert rows.count() < 40
    assert page.locator('#segments .segment[tabindex="0"]').count() == 1
    assert page.locator("#segments li").first.get_attribute("aria-setsize") == str(total)
    rows.first.focus()
    page.keyboard.press("End")
    focused = "document.activeElement.closest('li').getAttribute('aria-posinset')"
    assert page.evaluate(focused) == str(total)
    page.keyboard.press("ArrowUp")
    assert page.evaluate(focused) == str(total - 1)
    assert page.evaluate("document.activeElement.innerText").startswith(
        result["segments"][-2]["label"].capitalize() if result["segments"][-2]["label"] else "Not sure"
    )
    page.keyboard.press("Home")
    assert page.evaluate(focused) == "1"
    page.keyboard.press("Tab")
    assert not page.evaluate("document.getElementById('segments').contains(document.activeElement)")


def test_rows_of_the_list_stand_one_below_the_other(tab):
    page = tab.show(answer(1740.0))
    page.evaluate("document.getElementById('segments').scrollTop = 9000")
    gaps = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
      const boxes = [...document.querySelectorAll("#segments li")]
        .map(e => [Number(e.getAttribute("aria-posinset")), e.getBoundingClientRect()]).sort((a, b) => a[0] - b[0]);
      done(boxes.slice(1).map(([i, box], j) => i === boxes[j][0] + 1 ? Math.abs(box.top - boxes[j][1].bottom) : 0));
    })))"""
    assert max(page.evaluate(gaps)) <= 1


# --- hearing again ---------------------------------------------------------------------------------


def test_a_recording_is_heard_again_with_other_settings_and_no_file_is_chosen_again(tab, clips):
    page = tab.page
    tab.upload(clips[0])
    assert page.locator("#again").is_hidden()
    choosers = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    page.locator("#labels").select_option("valence")
    page.locator("#again").click()
    page.locator('#legend li:has-text("Positive")').wait_for()
    assert page.locator("#again").is_hidden()
    assert page.locator("#bars li").count() == 3
    assert choosers == [] and sum(url.endswith("v1/predict") for url in tab.requests) == 2


def test_what_was_found_stays_where_hearing_again_fails(browser, server, clips):
    tab = TimelineVisit(browser, server)
    page = tab.open()
    tab.upload(clips[0])
    said = tab.text("#results-summary")
    page.route("**/v1/predict", lambda route: route.fulfill(status=503, json={"reason": "the server is busy."}))
    page.locator("#labels").select_option("valence")
    page.locator("#again").click()
    sync_api.expect(page.locator("#problem-text")).to_contain_text("The server is busy")
    assert tab.text("#results-summary") == said and page.locator("#again").is_visible()
    tab.close()


def test_settings_of_texts_apply_at_once(tab):
    page = tab.page
    page.locator("input[name=tab][value=text]").check()
    page.locator("#text-words").fill("I won, and I am so happy!")
    page.locator("#text-ask").click()
    sync_api.expect(page.locator("#text-summary")).to_contain_text("1 sentence")
    page.locator("#text-labels").select_option("valence")
    sync_api.expect(page.locator("#text-heard")).to_have_text("Positive")
    assert page.locator("#text-bars li").count() == 3


def test_a_picture_is_looked_at_again_with_other_settings(tab):
    page = tab.page
    page.locator("input[name=tab][value=face]").check()
    file = io.BytesIO()
    picture = Image.new("RGB", (320, 240), (120, 125, 130))
    picture.paste(drawn_face(160), (60, 40))
    picture.save(file, "PNG")
    page.set_input_files("#faces-files", [{"name": "face.png", "mimeType": "image/png", "buffer": file.getvalue()}])
    page.locator("#faces-results-summary:not(:empty)").wait_for()
    page.locator("#faces-labels").select_option("valence")
    page.locator("#faces-again").click()
    sync_api.expect(page.locator("#faces-bars li")).to_have_count(3)
    assert page.locator("#faces-again").is_hidden()


def test_failures_are_counted_and_stand_in_full(browser, server, tmp_path):
    tab = TimelineVisit(browser, server)
    page = tab.open()
    paths = [tmp_path / f"{'a long name ' * 8}{i}.wav" for i in range(3)]
    for path in paths:
        path.write_bytes(b"this is no sound")
    page.set_input_files("#files", [str(path) for path in paths])
    sync_api.expect(page.locator("#failures-count")).to_have_text("3 files failed")
    sync_api.expect(page.locator("#recordings-count")).to_have_text("3 recordings: 3 failed")
    page.locator("#failures-count").click()
    clipped = "[...document.querySelectorAll('#failures-list *')].some(e => e.scrollWidth > e.clientWidth + 1)"
    assert page.locator("#failures-list li").count() == 3 and not page.evaluate(clipped)
    assert all(path.name in tab.text("#failures-list") for path in paths)
    tab.close()


def test_an_example_can_be_tried(tab):
    tab.page.locator("#example").click()
    tab.page.locator("#results-summary:not(:empty)").wait_for()
    assert tab.page.locator(".segment-label").all_inner_texts() == ["Neutral", "Happy", "Angry", "Sad"]


# --- languages -------------------------------------------------------------------------------------


def test_the_page_speaks_the_language_of_the_browser(browser, server):
    tab = TimelineVisit(browser, server, locale="de-DE")
    page = tab.open()
    page = tab.show(answer(60.0))
    assert page.evaluate("document.documentElement.lang") == "de"
    assert tab.text("#record-text") == "Aufnehmen" and page.title().startswith("affekt: Wie klingt")
    assert "Segmente" in tab.text("#results-summary") and "Nicht sicher" in tab.text("#legend")
    assert page.locator("#seek").get_attribute("aria-valuetext") == "0:00.0 von 1:00.0"
    assert page.evaluate("localStorage.getItem('affekt.language')") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280 and tab.errors == []
    tab.close()


def test_another_language_is_kept_and_says_at_once_what_is_there(tab):
    page = tab.show(answer(60.0))
    for code, record, segments in (("fr", "Enregistrer", "segments."), ("es", "Grabar", "segmentos.")):
        page.locator("#language").select_option(code)
        assert page.evaluate("document.documentElement.lang") == code
        assert tab.text("#record-text") == record and segments in tab.text("#results-summary")
    assert set(page.locator(".segment-label").all_inner_texts()) & {"Enfadado", "Alegre", "Triste", "No seguro"}
    page.reload()
    page.locator("#model option").first.wait_for(state="attached")
    assert tab.text("#record-text") == "Grabar"


@pytest.mark.parametrize("language", ["de", "fr", "es"])
@pytest.mark.parametrize("width", [320, 1280])
def test_no_language_scrolls_sideways(browser, server, language, width):
    tab = TimelineVisit(browser, server, locale=language, viewport={"width": width, "height": 780})
    tab.open()
    page = tab.show(answer(1200.0, who=("left", "right")))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("face", "fusion", "text"):
        page.locator(f"input[name=tab][value={name}]").check()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    tab.close()


# --- faces and videos over the same axis ------------------------------------------------------------


def film(duration, *, fusion):
    """A result of a video: two faces, each of which is seen most of the time, and for videos what is said of them."""
    found = answer(duration, who=("face 1", "face 2"))
    kinds = ("fusion", "face", "speech") if fusion else ("face",)
    segments = [{**s, "modality": kind, "box": [0.1, 0.1, 0.3, 0.3]} for s in found["segments"] for kind in kinds]
    if fusion:
        segments[0]["reason"] = "voice angry, face happy"
    return {**found, "source": "talk.mp4", "model": "fusion" if fusion else "face", "segments": segments}


class FilmVisit(TimelineVisit):
    """A tab of faces or of videos in which a video is shown whose answer is made up."""

    def show(self, result):
        tab, prefix, root = ("fusion", "video", "tracks") if result["model"] == "fusion" else ("face", "faces", "lanes")
        self.root = f"#{prefix}-{root}"
        self.page.locator(f"input[name=tab][value={tab}]").check()
        body = json.dumps({"results": [result]})
        self.page.route("**/v1/predict", lambda route: route.fulfill(content_type="application/json", body=body))
        kind = {"name": "talk.mp4", "mimeType": "video/mp4", "buffer": b"nothing that a browser plays"}
        self.page.set_input_files(f"#{prefix}-files", [kind])
        self.page.locator(f"#{prefix}-results-summary:not(:empty)").wait_for()
        self.page.locator(self.root).scroll_into_view_if_needed()
        return self.page

    @property
    def seen(self):
        return self.page.locator(f"{self.root} .over-time").get_attribute("data-seen")

    def point(self, share):
        box = self.page.locator(f"{self.root} .axis").bounding_box()
        strip = self.page.locator(f"{self.root} li canvas, {self.root} .strip canvas").first.bounding_box()
        x, y = box["x"] + share * box["width"], strip["y"] + strip["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.move(x + 1, y)
        return x


@pytest.fixture(params=[False, True], ids=["faces", "video"])
def lanes(request, browser, server):
    one = FilmVisit(browser, server)
    one.open()
    one.show(film(1200.0, fusion=request.param))
    yield one
    one.close()
    assert one.errors == []


def test_lanes_zoom_where_the_pointer_is_and_come_back_to_all(lanes):
    lanes.point(0.7)
    under = lanes.text(f"{lanes.root} .readout-time")
    assert re.search(r"\d+ %", lanes.text(f"{lanes.root} .readout")), "shares of a bin"
    lanes.wheel(-400)
    start, end = lanes.range()
    assert end - start < 600 and start < 840 < end
    lanes.point(0.7)
    assert lanes.text(f"{lanes.root} .readout-time").split(" to ")[0][:2] == under.split(" to ")[0][:2]
    lanes.page.locator(f"{lanes.root} .zoom button").nth(1).click()
    assert lanes.range() == [0, 1200]


def test_lanes_say_segments_when_one_comes_closer(lanes):
    """What is under the pointer is a bin of equal time while segments are too narrow, and then a segment."""
    lanes.point(0.5)
    assert " to " in lanes.text(f"{lanes.root} .readout-time")
    for _ in range(12):
        lanes.wheel(-400)
        lanes.point(0.5)
        if " to " not in lanes.text(f"{lanes.root} .readout-time"):
            return
    raise AssertionError("bins however close one comes")


def test_lanes_have_an_overview_a_legend_and_the_keys(lanes):
    page = lanes.page
    assert page.locator(f"{lanes.root} .overview").is_visible()
    assert page.locator(f"{lanes.root} .colour-legend li").count() == len(LABELS) + 1
    page.keyboard.press("+")
    start, end = lanes.range()
    assert end - start == pytest.approx(600)
    page.keyboard.press("0")
    assert lanes.range() == [0, 1200]
    page.locator(f"{lanes.root} [role=slider]").focus()
    page.keyboard.press("PageUp")
    assert page.locator(f"{lanes.root} [role=slider]").get_attribute("aria-valuenow") is not None
    assert page.evaluate(NAMELESS) == []


def test_dragging_moves_what_is_seen_of_lanes_and_is_no_click(lanes):
    lanes.point(0.5)
    lanes.wheel(-400)
    start, end = lanes.range()
    x = lanes.point(0.5)
    y = lanes.page.locator(f"{lanes.root} li canvas, {lanes.root} .strip canvas").first.bounding_box()["y"] + 9
    lanes.page.mouse.down()
    lanes.page.mouse.move(x + 40, y)
    lanes.page.mouse.move(x + 100, y)
    lanes.page.mouse.up()
    moved = lanes.range()
    assert moved[0] < start and moved[1] - moved[0] == pytest.approx(end - start, abs=0.01)
