"""The page, in a real Chromium with a microphone that plays a recording; the server is a real one, too."""

import base64
import contextlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import affekt
from affekt.plot.colours import FURTHER_COLOURS, LABEL_COLOURS, colours, ink
from affekt.write.predictions import ONE_RECORDING, SUFFIXES, WRITERS

for package in ("fastapi", "uvicorn", "multipart", "websockets", "prometheus_client"):
    pytest.importorskip(package, reason="the server needs the extra 'serve'")
sync_api = pytest.importorskip("playwright.sync_api", reason="the page is driven by playwright, of the extra 'dev'")
CHROMIUM = os.environ.get("AFFEKT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
if not CHROMIUM:
    pytest.skip("no Chromium: install it, or name it in AFFEKT_CHROMIUM", allow_module_level=True)

WEB = Path(affekt.__file__).parent / "web"
PATIENCE = 30_000  # milliseconds; what is waited for comes in a few hundred on an idle machine
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """``affekt serve`` in a process of its own."""

    def __init__(self, *options, port=None):
        self.port = port or free_port()
        command = [sys.executable, "-m", "affekt", "serve", "--port", str(self.port), *options]
        # A file: a pipe that nobody reads is full after some hundred requests, and the server waits for ever.
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.log)
        self.url = f"http://127.0.0.1:{self.port}/"
        self._wait()

    def _wait(self):
        for _ in range(1200):
            assert self.process.poll() is None, self._said()
            try:
                with urllib.request.urlopen(f"{self.url}readyz") as answer:
                    assert answer.status == 200
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the server did not begin in a minute")

    def _said(self):
        self.log.seek(0)
        return self.log.read().decode()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Line:
    """A line to a server that can be cut while bytes go over it."""

    def __init__(self, server):
        self._to = server.port
        self._ends = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}/"
        threading.Thread(target=self._answer, daemon=True).start()

    def cut(self):
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._door.close()
        self.cut()

    def _answer(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._door.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)


class Visit:
    """A tab that remembers what went wrong in it and where it wanted to go."""

    def __init__(self, browser, server, **options):
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.page = self.context.new_page()
        self.server = server
        self.requests, self.errors = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda ws: self.requests.append(ws.url))
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.set_default_timeout(PATIENCE)

    def open(self):
        self.page.goto(self.server.url)
        try:
            self.page.locator("#model option").first.wait_for(state="attached")
        except sync_api.TimeoutError as late:
            late.add_note(str(self.errors))
            raise
        return self.page

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def speak(self):
        self.page.locator("#consent").check()
        self.page.locator("#record").click()

    def upload(self, *paths):
        self.page.set_input_files("#files", [str(path) for path in paths])
        self.page.locator("#results-summary:not(:empty)").wait_for()

    def close(self):
        self.context.close()


@pytest.fixture(scope="module")
def surest(clips):
    """The clip of which the model is surest, and what `affekt predict` says of it."""
    recognizer = affekt.Recognizer()
    found = {path: recognizer.predict(path) for path in clips}
    path = max((path for path in found if len(found[path]) == 1), key=lambda path: found[path][0].confidence)
    assert found[path][0].confidence > 0.8
    return path, found[path][0]


@pytest.fixture(scope="module")
def server():
    running = Server()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser(surest, tmp_path_factory):
    path, _ = surest
    sound, rate = sf.read(path)
    spoken = tmp_path_factory.mktemp("microphone") / "spoken.wav"
    sf.write(spoken, np.concatenate([sound, np.zeros(60 * rate)]), rate, subtype="PCM_16")
    sync_api.expect.set_options(timeout=PATIENCE)
    with sync_api.sync_playwright() as play:
        options = [*QUIET, f"--use-file-for-fake-audio-capture={spoken}%noloop"]
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, server):
    made = []

    def make(other=None, **options):
        made.append(Visit(browser, other or server, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def tab(visit):
    """A tab on the page; whatever is done there, nothing goes wrong in it and nothing leaves the server."""
    one = visit()
    one.open()
    yield one
    assert one.errors == []
    origin = one.server.url
    allowed = (origin, origin.replace("http:", "ws:"), "blob:", "data:")
    assert [url for url in one.requests if not url.startswith(allowed)] == []


# --- speaking --------------------------------------------------------------------------------------


def test_what_is_spoken_is_heard_as_affekt_predict_hears_the_file(tab, surest):
    _, expected = surest
    tab.speak()
    bar = tab.page.locator(f'#bars li[data-label="{expected.label}"] [role="meter"]')
    sync_api.expect(tab.page.locator("#bars .best .bar-name")).to_have_text(expected.label.capitalize())
    # Chromium plays the clip over and over: what is asked of the bars is that they say so at some time, not now.
    sync_api.expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^(1[3-9]|[2-9]\d|100)$"))
    tab.page.locator(".segment").wait_for()
    assert tab.text(".segment-label") == expected.label.capitalize()
    sync_api.expect(tab.page.locator("#announcer")).to_contain_text(expected.label.capitalize())
    tab.page.locator("#record").click()
    tab.page.locator("#results-summary:not(:empty)").wait_for()
    assert tab.text("#results-summary").startswith(f"Overall: {expected.label}")
    surely = int(tab.text(".segment-sure").split(" %")[0])
    assert surely == pytest.approx(100 * expected.confidence, abs=15)
    with tab.page.expect_download() as saving:
        tab.page.locator('#downloads [data-format="wav"]').click()
    sound, rate = sf.read(saving.value.path())
    assert rate == 16_000 and sound.ndim == 1
    assert affekt.summarise(affekt.predict(saving.value.path())).label == expected.label


def test_without_consent_the_microphone_stays_closed_and_the_rest_works(tab, clips):
    tab.page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = () => { window.opened = true; return Promise.reject() } }"
    )
    tab.page.locator("#record").click(force=True)  # it says that it is disabled, and why when it is pressed
    sync_api.expect(tab.page.locator("#problem-text")).to_contain_text("until you agree")
    tab.page.locator("#reference-record").click()
    assert tab.page.evaluate("window.opened") is None
    tab.upload(clips[0])
    assert tab.page.locator(".segment").count() == 1


def test_taking_the_consent_back_closes_the_microphone(tab):
    tab.speak()
    sync_api.expect(tab.page.locator("#record-text")).to_have_text("Stop")
    tab.page.locator("#consent").uncheck()
    sync_api.expect(tab.page.locator("#record-text")).to_have_text("Record")


# --- files -----------------------------------------------------------------------------------------


def test_files_are_heard_drawn_and_listed(tab, clips):
    tab.upload(*clips[:2])
    tab.page.locator(".recording").nth(1).get_by_text("%").wait_for()
    for index, path in enumerate(clips[:2]):
        summary = affekt.summarise(affekt.predict(path))
        tab.page.locator(".recording").nth(index).click()
        assert path.name in tab.text("#view-name")
        assert f"{summary.label}, {100 * summary.confidence:.0f} %" in tab.text("#results-summary")
        for canvas in ("waveform", "spectrogram", "probabilities"):
            assert tab.page.evaluate(DISTINCT, canvas) > 2


DISTINCT = """id => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
  const canvas = document.getElementById(id);
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  done(new Set(new Uint32Array(data.buffer)).size);
})))"""


def test_files_can_be_dropped(tab, clips):
    data = base64.b64encode(clips[0].read_bytes()).decode()
    transfer = tab.page.evaluate_handle(
        """data => {
          const transfer = new DataTransfer();
          const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
          transfer.items.add(new File([bytes], "dropped.wav"));
          return transfer;
        }""",
        data,
    )
    tab.page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    tab.page.locator("#results-summary:not(:empty)").wait_for()
    assert "dropped.wav" in tab.text("#view-name")


def test_a_file_that_is_none_says_so_and_the_others_go_on(visit, clips, tmp_path):
    tab = visit()
    tab.open()
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"this is no sound")
    tab.page.set_input_files("#files", [str(broken), str(clips[0])])
    rows = tab.page.locator(".recording")
    rows.nth(1).get_by_text("%").wait_for()
    assert "broken.wav" in rows.nth(0).inner_text()
    # The answers come in any order.
    tab.page.get_by_role("button", name="Try again").wait_for()
    tab.page.locator("#failures-count").click()
    assert "Is not a recording that can be read" in tab.text("#failures-list")
    tab.page.select_option("#language", "de")
    assert "Ist keine lesbare Aufnahme" in tab.text("#failures-list")
    assert rows.nth(0).inner_text().count("Ist keine lesbare Aufnahme") == 1
    assert tab.page.locator("#failures-list [lang=en]").count() == 0
    assert all("415" in said for said in tab.errors)


def test_a_segment_plays_when_chosen(tab, clips):
    tab.upload(clips[0])
    tab.page.locator(".segment").click()
    sync_api.expect(tab.page.locator("#play")).to_have_text("Pause")
    sync_api.expect(tab.page.locator("#play")).to_have_text("Play")
    start = affekt.predict(clips[0])[0].start
    assert tab.page.evaluate("document.getElementById('audio').currentTime") > start


@pytest.mark.parametrize("form", [*WRITERS, "wav"])
def test_every_format_can_be_downloaded(tab, clips, form):
    tab.upload(clips[0])
    with tab.page.expect_download() as saving:
        tab.page.locator(f'#downloads [data-format="{form}"]').click()
    data = Path(saving.value.path()).read_bytes()
    assert saving.value.suggested_filename == clips[0].stem + {**SUFFIXES, "wav": ".wav"}[form]
    if form == "wav":
        sound, rate = sf.read(io.BytesIO(data))
        assert data[:4] == b"RIFF" and int.from_bytes(data[4:8], "little") == len(data) - 8
        assert rate == 16_000 and len(sound) / rate == pytest.approx(sf.info(clips[0]).duration, abs=0.01)
        return
    written = io.StringIO()
    result = affekt.Recognizer().analyse(clips[0])
    WRITERS[form]([result], written)
    mine = data.decode()
    if form in ("json", "jsonl"):
        assert json.loads(mine) == {**json.loads(written.getvalue().replace(str(clips[0]), clips[0].name))}
    else:
        assert mine == written.getvalue().replace(str(clips[0]), clips[0].name)


def test_all_recordings_go_into_one_file(tab, clips):
    tab.upload(*clips[:2])
    tab.page.locator(".recording").nth(1).get_by_text("%").wait_for()
    tab.page.locator("#scope").check()
    with tab.page.expect_download() as saving:
        tab.page.locator('#downloads [data-format="json"]').click()
    results = json.loads(Path(saving.value.path()).read_text())["results"]
    assert {result["source"] for result in results} == {path.name for path in clips[:2]}


# --- settings --------------------------------------------------------------------------------------


def test_labels_can_be_chosen_and_what_that_costs_is_said(tab, clips):
    tab.page.locator("#labels").select_option("own")
    for label in ("calm", "disgust", "fear", "surprise"):
        tab.page.locator(f'#own-labels input[value="{label}"]').uncheck()
    assert "confidence is then too high" in tab.text("#labels-note")
    tab.upload(clips[0])
    assert tab.page.locator("#bars li").count() == 4
    assert "left out" in tab.text("#warnings") and "left out" in tab.text(".segment-why")


def test_voices_are_all_unless_somebody_insists(tab, clips):
    assert tab.page.locator('input[name="voices"][value="all"]').is_checked()
    tab.page.locator('input[name="voices"][value="high"]').check(force=True)
    assert "not sex" in tab.text("#voices-note")
    tab.page.set_input_files("#files", str(clips[0]))
    assert "confirm it there" in tab.text("#problem-text")
    tab.page.locator("#voices-sure").check()
    tab.upload(clips[0])
    assert "All voices are shown" in tab.text("#warnings")


def test_the_card_stands_on_the_page(tab):
    tab.page.locator("#card summary").click()
    card = affekt.Recognizer().card
    assert all(limit in tab.text("#card-body") for limit in card.limits)
    assert all(corpus in tab.text("#card-body") for corpus in card.scores)


# --- the server goes and comes ---------------------------------------------------------------------


def test_a_broken_line_is_mended_and_nothing_is_lost(browser, server, surest):
    _, expected = surest
    line = Line(server)
    tab = Visit(browser, line)
    received = []
    told = lambda ws: ws.on("framereceived", lambda text: received.append(json.loads(text)))  # noqa: E731
    tab.page.on("websocket", told)
    tab.open()
    tab.speak()
    tab.page.locator("#bars .best").wait_for()
    line.cut()
    tab.page.locator(".segment").wait_for()
    tab.page.locator("#record").click()
    tab.page.locator("#results-summary:not(:empty)").wait_for()
    ready = [event for event in received if event["type"] == "ready"]
    assert len(ready) == 2 and ready[0]["session"] == ready[1]["session"] and ready[1]["samples"] > 0
    levels = [event["time"] for event in received if event["type"] == "level"]
    assert levels == pytest.approx([0.1 * (i + 1) for i in range(len(levels))])
    assert tab.text(".segment-label") == expected.label.capitalize()
    tab.close()
    line.close()


def test_a_server_that_is_gone_is_said_to_be_and_all_is_heard_when_it_is_back(visit, surest):
    _, expected = surest
    first = Server()
    tab = visit(first)
    tab.open()
    tab.speak()
    tab.page.locator("#bars .best").wait_for()
    first.stop()
    sync_api.expect(tab.page.locator("#server")).to_contain_text("Server unreachable")
    second = Server(port=first.port)
    try:
        sync_api.expect(tab.page.locator("#server")).to_contain_text("Server ready")
        tab.page.locator(".segment").wait_for()
        tab.page.locator("#record").click()
        tab.page.locator("#results-summary:not(:empty)").wait_for()
        assert tab.text(".segment-label") == expected.label.capitalize()
        assert tab.page.locator(".segment").count() == 1
    finally:
        second.stop()


def test_a_token_is_asked_for_and_goes_with_everything(visit, clips):
    guarded = Server("--token", "open-sesame-please")
    tab = visit(guarded)
    try:
        tab.page.goto(guarded.url)
        for word in ("wrong-token-here", "open-sesame-please"):
            tab.page.locator("#token").fill(word)
            tab.page.locator("#token").press("Enter")
        tab.page.locator("#model option").first.wait_for(state="attached")
        tab.upload(clips[0])
        tab.speak()
        tab.page.locator("#bars .best").wait_for()
        assert all("401" in said for said in tab.errors)
    finally:
        guarded.stop()


# --- everybody -------------------------------------------------------------------------------------


def test_everything_can_be_done_with_the_keyboard(tab, clips):
    press = tab.page.keyboard.press
    reached = []
    press("Tab")
    assert tab.page.evaluate("document.activeElement.className") == "skip"
    for _ in range(18):
        reached.append(tab.page.evaluate("document.activeElement.id"))
        press("Tab")
    order = ["theme", "record", "consent", "files", "model", "labels", "reference-record", "reference-file"]
    assert [name for name in dict.fromkeys(reached) if name in order] == order
    tab.page.locator("#consent").focus()
    press("Space")
    assert tab.page.locator("#consent").is_checked()
    tab.upload(clips[0])
    tab.page.locator("#seek").focus()
    press("ArrowRight")
    assert tab.page.locator("#seek").get_attribute("aria-valuenow") == "1.0"
    assert tab.text("#heard") == affekt.predict(clips[0])[0].label.capitalize()
    press("End")
    assert tab.page.locator("#seek").get_attribute("aria-valuenow") == f"{sf.info(clips[0]).duration:.1f}"
    tab.page.locator(".segment").focus()
    press("Enter")
    sync_api.expect(tab.page.locator("#play")).to_have_text("Pause")


NAMELESS = """() => [...document.querySelectorAll("button, input, select, [role=meter], [role=slider], canvas")]
  .filter(e => !e.closest("[aria-hidden=true], dialog:not([open])") && e.tagName !== "CANVAS")
  .filter(e => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length))
  .map(e => e.outerHTML)"""


def test_everything_has_a_name_and_the_page_has_landmarks(tab):
    assert tab.page.evaluate(NAMELESS) == []
    for landmark in ("banner", "main", "contentinfo"):
        assert tab.page.get_by_role(landmark).count() == 1
    assert tab.page.locator("h1").count() == 1
    assert tab.page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_no_width_scrolls_sideways(visit, clips, width):
    tab = visit(viewport={"width": width, "height": 780})
    tab.open()
    tab.page.locator("#labels").select_option("own")
    tab.page.locator("#card summary").click()
    tab.upload(*clips[:2])
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


CONTRAST = """() => {
  const rgb = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const luminance = c => rgb(c).map(x => x / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = e => { while (e && /rgba\\(0, 0, 0, 0\\)|transparent/.test(getComputedStyle(e).backgroundColor))
    e = e.parentElement; return e ? getComputedStyle(e).backgroundColor : "rgb(255, 255, 255)"; };
  return [...document.querySelectorAll("p, span, dt, dd, h1, h2, h3, legend, label, button, summary, strong")]
    .filter(e => e.offsetParent && e.textContent.trim() && !e.closest(":disabled, .hidden, .span, .skip, .faded"))
    .map(e => { const [a, b] = [luminance(getComputedStyle(e).color), luminance(ground(e))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.outerHTML.slice(0, 90)]; })
    .filter(([ratio]) => ratio < 4.5);
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_in_both_themes_and_the_switch_is_kept(visit, clips, theme):
    tab = visit(color_scheme=theme, reduced_motion="reduce")
    tab.open()
    tab.upload(clips[0])
    assert tab.page.evaluate(CONTRAST) == []
    ground = "getComputedStyle(document.body).backgroundColor"
    before = tab.page.evaluate(ground)
    tab.page.locator("#theme").click()
    tab.page.wait_for_function(f"{ground} !== '{before}'")
    assert tab.page.evaluate(CONTRAST) == []
    after = tab.page.evaluate(ground)
    tab.page.reload()
    assert tab.page.evaluate(ground) == after


# --- what the page computes itself -----------------------------------------------------------------


def test_colours_and_formats_are_those_of_the_package(tab):
    page = tab.page
    labels = [*LABEL_COLOURS, "bored"]
    script = """async labels => { const m = await import("/web/colours.js");
      return [m.LABEL_COLOURS, m.FURTHER_COLOURS, m.colours(labels), m.colours(["sad", "bored"]),
        Object.values(m.LABEL_COLOURS).map(m.ink)] }"""
    known, further, given, few, inks = page.evaluate(script, labels)
    assert known == LABEL_COLOURS and further == list(FURTHER_COLOURS)
    assert given == colours(labels) and few == colours(["sad", "bored"])
    assert inks == [ink(colour) for colour in LABEL_COLOURS.values()]
    formats = page.evaluate("async () => (await import('/web/download.js')).FORMATS")
    assert {name: suffix for name, suffix, _ in formats} == SUFFIXES
    assert {name for name, _, several in formats if not several} == set(ONE_RECORDING)


def test_mel_is_that_of_librosa(tab):
    librosa = pytest.importorskip("librosa")
    signal = np.round(np.random.default_rng(5).uniform(-0.5, 0.5, 4000) * 32768) / 32768
    script = """async signal => { const [m, s] = [await import("/web/mel.js"), await import("/web/samples.js")];
      const samples = s.Samples.of(signal);
      return Array.from({length: 20}, (_, i) => [...m.melFrame(samples, i * 160 - 256)]) }"""
    mine = np.array(tab.page.evaluate(script, signal.tolist()))
    power = librosa.feature.melspectrogram(
        y=signal, sr=16_000, n_fft=512, hop_length=160, n_mels=64, fmax=8000, pad_mode="constant"
    )
    assert mine == pytest.approx(10 * np.log10(power[:, :20].T + 1e-10), abs=0.01)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000])
def test_resampling_in_pieces_keeps_what_can_be_heard_and_folds_nothing(tab, rate):
    script = """async ([rate, hertz, size]) => { const { Resampler } = await import("/web/resampler.js");
      const signal = Float32Array.from({length: rate}, (_, i) => Math.sin(2 * Math.PI * hertz * i / rate));
      const [whole, parts] = [new Resampler(rate), new Resampler(rate)];
      const out = [];
      for (let i = 0; i < rate; i += size) out.push(...parts.feed(signal.slice(i, i + size)));
      return [[...whole.feed(signal)], out] }"""
    whole, parts = map(np.array, tab.page.evaluate(script, [rate, 1000, 128]))
    assert np.array_equal(whole, parts)
    assert 16_000 - len(whole) < 200
    inner = slice(200, -200)
    assert whole[inner] == pytest.approx(np.sin(2 * np.pi * 1000 * np.arange(len(whole)) / 16_000)[inner], abs=2e-4)
    if rate > 20_000:
        folded, _ = map(np.array, tab.page.evaluate(script, [rate, 9500, 128]))
        assert np.abs(folded[inner]).max() < 1e-3


def test_a_wav_of_the_page_is_read_as_it_was(tab, tmp_path):
    samples = np.array([0, 1, -1, 32767, -32768, 12345], np.int16)
    script = """async samples => { const { wav } = await import("/web/wav.js");
      return [...new Uint8Array(await wav(Int16Array.from(samples)).arrayBuffer())] }"""
    data = bytes(tab.page.evaluate(script, samples.tolist()))
    read, rate = sf.read(io.BytesIO(data), dtype="int16")
    assert rate == 16_000 and np.array_equal(read, samples)


def test_nothing_in_the_page_names_another_site():
    allowed = ("https://jfly.uni-koeln.de", "http://www.w3.org/2000/svg")
    for path in WEB.rglob("*"):
        if path.suffix not in (".js", ".css", ".html", ".svg") or path.name == "docs.html":
            continue
        text = path.read_text(encoding="utf-8")
        for word in allowed:
            text = text.replace(word, "")
        assert "http://" not in text and "https://" not in text, path
        if path.suffix == ".html":
            assert "style=" not in text and "onclick=" not in text and "<style" not in text
