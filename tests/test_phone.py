"""The offline page that ``make phone`` builds, in a real Chromium: Python's answers, and not a byte leaves it."""

import contextlib
import functools
import http.server
import importlib.util
import json
import os
import re
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr

import affekt

sync_api = pytest.importorskip("playwright.sync_api", reason="the page is driven by playwright, of the group 'dev'")
CHROMIUM = os.environ.get("AFFEKT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
if not CHROMIUM:
    pytest.skip("no Chromium: install it, or name it in AFFEKT_CHROMIUM", allow_module_level=True)
if not shutil.which("npm"):
    pytest.skip("no npm: it brings the runtime of the page; install Node.js", allow_module_level=True)

ROOT = Path(__file__).parent.parent
PATIENCE = 60_000  # milliseconds; an idle machine needs a few thousand for the longest recording
#: How far a score may be from Python's, and in the mean a sixth of that: networks in 8 bits may round a hair to the
#: other side. What a microphone heard is saved in 16 bits besides.
EIGHT_BITS, MICROPHONE = 0.03, 0.06
#: How far the quality may be.
NEAR = 1e-3
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream",
         "--use-fake-device-for-media-stream"]  # fmt: skip


@contextlib.contextmanager
def served(folder):
    """A folder on a port of its own: its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quietly, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Quietly(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The page as it is built and served: its address."""
    spec = importlib.util.spec_from_file_location("phone_build", ROOT / "phone" / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    folder = tmp_path_factory.mktemp("phone") / "dist"
    try:
        build.build(folder)
    except SystemExit as missing:
        pytest.skip(f"the page cannot be built here: {missing}")
    with served(folder) as address:
        yield address, folder


@pytest.fixture(scope="module")
def recordings(clips, tmp_path_factory):
    """The committed clips at 16 kHz, where no resampling is needed, and a conversation of them all, with pauses."""
    folder = tmp_path_factory.mktemp("recordings")
    signals = [soxr.resample(*sf.read(path, dtype="float32"), 16_000) for path in clips]
    made = {path.name: signal for path, signal in zip(clips, signals, strict=True)}
    pauses = [np.zeros(int(16_000 * seconds), np.float32) for seconds in (0.1, 0.8, 1.5)]
    spoken = [part for i, signal in enumerate(signals) for part in (signal[9_600:], pauses[i % 3])]
    # Without the pauses, too: regions longer than a window, in which labels change.
    loud = [signal[slice(*np.flatnonzero(np.abs(signal) > 0.02)[[0, -1]])] for signal in signals]
    made |= {"conversation.wav": np.concatenate(spoken), "breathless.wav": np.concatenate(loud)}
    for name, signal in made.items():
        sf.write(folder / name, signal, 16_000, subtype="FLOAT" if name == "breathless.wav" else "PCM_16")
    return folder


@pytest.fixture(scope="module")
def browser(recordings):
    sync_api.expect.set_options(timeout=PATIENCE)
    spoken = f"--use-file-for-fake-audio-capture={recordings / 'conversation.wav'}%noloop"
    with sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, spoken])
        yield chromium
        chromium.close()


class Phone:
    """A tab of the size of a phone that remembers what went wrong in it and what it asked for."""

    def __init__(self, browser, site, **options):
        self.address = site[0]
        self.context = browser.new_context(
            viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True, accept_downloads=True, **options
        )
        self.context.set_default_timeout(PATIENCE)
        self.asked, self.errors = [], []
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page = self.context.new_page()
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.open()

    def open(self):
        self.page.goto(self.address)
        self.page.locator("body[data-ready]").wait_for()

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def choose(self, *paths):
        """Choose files and wait until none of them is waited for."""
        self.page.set_input_files("#files", [str(path) for path in paths])
        self.page.wait_for_function(
            "count => { const all = [...document.querySelectorAll('.recording-state')]; "
            "return all.length >= count && all.every(x => !/^(waiting|running|finishing)/.test(x.textContent)); }",
            arg=len(paths),
        )

    def result(self, index=0):
        """What the page saves of a recording as JSON."""
        if self.page.locator(".recording").nth(index).is_visible():
            self.page.locator(".recording").nth(index).click()
        with self.page.expect_download() as saving:
            self.page.locator('[data-format="json"]').click()
        document = json.loads(Path(saving.value.path()).read_text(encoding="utf-8"))
        assert document["schema"] == "affekt.predictions/2"
        return document["results"][0]


@pytest.fixture
def phone(browser, site):
    one = Phone(browser, site)
    yield one
    one.context.close()
    assert one.errors == []
    assert [url for url in one.asked if not url.startswith((site[0], "blob:", "data:"))] == []


@pytest.fixture(scope="module")
def recognizer():
    return affekt.Recognizer("voice-small")


def same(found, expected, near=EIGHT_BITS, quality=NEAR):
    """Fail unless a result of the page says what one of Python does: times to the millisecond, scores to ``near``."""
    differences = []
    assert [(s["start"], s["end"]) for s in found["segments"]] == [
        (pytest.approx(p.start, abs=5e-4), pytest.approx(p.end, abs=5e-4)) for p in expected.predictions
    ]
    for segment, prediction in zip(
        [*found["segments"], found["summary"]], [*expected.predictions, expected.summary], strict=True
    ):
        assert segment["scores"] == pytest.approx(dict(prediction.scores), abs=near)
        differences += [abs(segment["scores"][label] - score) for label, score in prediction.scores.items()]
        assert segment["quality"] == pytest.approx(prediction.quality, abs=quality)
        assert segment["threshold"] == prediction.threshold
        # What hangs on a hair may fall to either side.
        first, second = sorted(prediction.scores.values(), reverse=True)[:2]
        if first - second > 2 * near:
            assert segment["best"] == prediction.best
        if abs(prediction.confidence - prediction.threshold) > near and first - second > 2 * near:
            assert (segment["label"], segment["reason"]) == (prediction.label, prediction.reason)
    assert np.mean(differences) < near / 6
    assert found["duration"] == pytest.approx(expected.duration, abs=6e-4)
    assert (found["model"], tuple(found["labels"])) == (expected.model, expected.labels)


def test_clips_have_the_scores_of_python(phone, recordings, clips, recognizer):
    paths = [recordings / path.name for path in clips]
    phone.choose(*paths)
    for index, path in enumerate(paths):
        same(phone.result(index), recognizer.analyse(path))


@pytest.mark.parametrize("name", ["conversation.wav", "breathless.wav"])
def test_long_recordings_have_the_segments_of_python(phone, recordings, recognizer, name):
    phone.choose(recordings / name)
    # Before it plays, the card is about the whole, though the second one's first segment starts at 0.
    sync_api.expect(phone.page.locator("#now-title")).to_have_text("Overall")
    found = phone.result()
    assert len(found["segments"]) > 4
    assert (found["segments"][0]["start"] == 0) == (name == "breathless.wav")
    phone.page.locator(".segment").first.click()
    sync_api.expect(phone.page.locator("#now-title")).to_have_text("Here")
    same(found, recognizer.analyse(recordings / name))


def test_other_rates_and_forms_are_resampled_as_python_does(phone, clips, recognizer, tmp_path):
    signal, rate = sf.read(clips[4], dtype="float32")
    stereo = np.stack([signal, 0.5 * signal], axis=1)
    paths = [clips[4], *(tmp_path / name for name in ("stereo.wav", "cd.wav", "call.wav", "cd.ogg", "same.flac"))]
    sf.write(paths[1], stereo, rate, subtype="PCM_24")
    sf.write(paths[2], soxr.resample(signal, rate, 44_100), 44_100, subtype="DOUBLE")
    sf.write(paths[3], soxr.resample(signal, rate, 8_000), 8_000, subtype="PCM_U8")
    # These two the browser decodes.
    sf.write(paths[4], soxr.resample(signal, rate, 44_100), 44_100)
    sf.write(paths[5], signal, rate)
    phone.choose(*paths)
    for index, path in enumerate(paths):
        same(phone.result(index), recognizer.analyse(path))


def test_the_larger_model_is_fetched_when_chosen_and_agrees(phone, recordings, clips):
    assert not any("voice.onnx" in url for url in phone.asked)
    phone.page.select_option("#model", "voice")
    phone.choose(recordings / clips[0].name)
    same(phone.result(), affekt.Recognizer("voice").analyse(recordings / clips[0].name))


def test_what_is_spoken_is_shown_and_found_again(phone):
    phone.page.locator("#consent").check()
    phone.page.locator("#record").click()
    # While it is spoken: first what it sounds like now, then a segment.
    sync_api.expect(phone.page.locator("#heard-confidence")).to_contain_text("%")
    phone.page.locator(".segment").first.wait_for()
    phone.page.locator("#record").click()
    sync_api.expect(phone.page.locator("#now-title")).to_have_text("Overall")
    with phone.page.expect_download() as saving:
        phone.page.locator('[data-format="wav"]').click()
    same(
        phone.result(),
        affekt.Recognizer("voice-small").analyse(saving.value.path()),
        near=MICROPHONE,
        quality=MICROPHONE,
    )


def test_one_recording_may_follow_another_at_once(phone):
    phone.page.locator("#consent").check()
    for name in ("Microphone 1", "Microphone 2"):
        phone.page.locator("#record").click()
        sync_api.expect(phone.page.locator("#view-name")).to_have_text(name)
        phone.page.locator(".segment").first.wait_for()
        phone.page.locator("#record").click()
        sync_api.expect(phone.page.locator("#record-text")).to_have_text("Record")
    sync_api.expect(phone.page.locator(".recording-state").filter(has_text="%")).to_have_count(2)
    for index in range(2):
        found = phone.result(index)
        with phone.page.expect_download() as saving:
            phone.page.locator('[data-format="wav"]').click()
        same(found, affekt.Recognizer("voice-small").analyse(saving.value.path()), near=MICROPHONE, quality=MICROPHONE)


def test_what_takes_long_can_be_cancelled(phone, recordings, tmp_path):
    signal, rate = sf.read(recordings / "conversation.wav", dtype="float32")
    sf.write(tmp_path / "long.wav", np.tile(signal, 20), rate)
    phone.page.set_input_files("#files", str(tmp_path / "long.wav"))
    phone.page.get_by_role("button", name="Cancel").click()
    sync_api.expect(phone.page.locator(".recording-state")).to_have_text("Cancelled.")


def test_without_consent_the_microphone_stays_closed(phone):
    phone.page.evaluate("() => { navigator.mediaDevices.getUserMedia = () => { window.opened = true } }")
    phone.page.locator("#record").click(force=True)  # it says that it is disabled, and why when it is pressed
    sync_api.expect(phone.page.locator("#problem-text")).to_contain_text("until you agree")
    assert phone.page.evaluate("window.opened") is None


def test_it_works_without_a_network_once_loaded(phone, recordings, clips, recognizer):
    phone.context.set_offline(True)
    phone.open()
    assert phone.text("#kept-text") == "Works offline"
    phone.choose(recordings / clips[0].name)
    same(phone.result(), recognizer.analyse(recordings / clips[0].name))


def test_a_model_that_was_never_loaded_is_asked_for_when_there_is_a_network(phone, recordings, clips):
    phone.context.set_offline(True)
    phone.page.select_option("#model", "voice")
    phone.choose(recordings / clips[0].name)
    assert "The file voice.onnx could not be loaded, and there is no network." in phone.text(".recording-state")
    phone.context.set_offline(False)
    phone.page.get_by_role("button", name="Try again", exact=True).click()
    phone.page.locator("#results-summary:not(:empty)").wait_for()
    phone.errors = [said for said in phone.errors if "Failed to load resource" not in said]


def test_bad_files_say_what_is_wrong_and_the_others_go_on(phone, recordings, clips, tmp_path):
    whole = (recordings / clips[0].name).read_bytes()
    bad = {
        "text.wav": (b"this is no sound", "not a recording that the browser can read"),
        "empty.mp3": (b"", "not a recording that the browser can read"),
        "header.wav": (whole[:44], "holds no samples"),
        "rate.wav": (whole[:24] + (1000).to_bytes(4, "little") + whole[28:], "1000 Hz; allowed: 4000 to 768000 Hz"),
    }
    for name, (data, _) in bad.items():
        (tmp_path / name).write_bytes(data)
    sf.write(tmp_path / "nan.wav", np.full(16_000, np.nan, np.float32), 16_000, subtype="FLOAT")
    sf.write(tmp_path / "silence.wav", np.zeros(16_000, np.float32), 16_000)
    phone.choose(*(tmp_path / name for name in (*bad, "nan.wav", "silence.wav")), recordings / clips[0].name)
    said = phone.page.locator(".recording-state").all_inner_texts()
    for words, (_, expected) in zip(said, bad.values(), strict=False):
        assert expected in words
    assert "NaN, infinite or absurd samples, the first at 0.000 s" in said[4]
    assert said[5].startswith("No speech") and "%" in said[6]


def test_neither_the_page_nor_its_worker_may_ask_anybody_else(phone):
    elsewhere = phone.address.replace("127.0.0.1", "localhost")
    refused = "address => fetch(address).then(() => 'answered', () => 'refused')"
    assert phone.page.evaluate(refused, elsewhere) == "refused"
    assert phone.page.workers[0].evaluate(refused, elsewhere) == "refused"
    served = phone.page.evaluate(
        "() => fetch('worker.js').then(answer => answer.headers.get('Content-Security-Policy'))"
    )
    assert "script-src 'self' 'wasm-unsafe-eval';" in served and "connect-src 'self';" in served
    assert served == phone.page.locator("meta[http-equiv]").get_attribute("content")
    phone.errors = [said for said in phone.errors if "Content Security Policy" not in said]
    assert all(url.startswith(phone.address) for url in phone.asked)


def test_it_can_be_installed(phone, site):
    manifest = json.loads((site[1] / "manifest.webmanifest").read_text(encoding="utf-8"))
    sizes = {icon["sizes"] for icon in manifest["icons"]}
    assert {"192x192", "512x512"} <= sizes and manifest["display"] == "standalone"
    assert all((site[1] / icon["src"]).exists() for icon in manifest["icons"])
    # Chromium's own check; in a headless one the only thing that may be missing is a window.
    errors = phone.context.new_cdp_session(phone.page).send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [error["errorId"] for error in errors if error["errorId"] != "in-incognito"] == []


def test_a_new_version_comes_when_the_page_is_opened_again(browser, site, tmp_path):
    folder = tmp_path / "site"
    shutil.copytree(site[1], folder, copy_function=os.link)
    with served(folder) as address:
        phone = Phone(browser, (address, folder))
        for name, old, new in (
            ("index.html", "How does a voice sound?</h1>", "Anew</h1>"),
            ("sw.js", "affekt-${VERSION}", "affekt-2-${VERSION}"),
        ):
            text = (folder / name).read_text(encoding="utf-8")
            (folder / name).unlink()  # it is the same file as that of the other tests
            (folder / name).write_text(
                text.replace(old, new).replace(' data-t="tabs.speech.title"', ""), encoding="utf-8"
            )
        phone.open()
        sync_api.expect(phone.page.locator("#kept-text")).to_have_text("New version: close and reopen")
        assert phone.text("#source-title") == "How does a voice sound?"

        def reopened():
            phone.page.close()
            phone.page = phone.context.new_page()
            phone.page.set_default_timeout(PATIENCE / 4)
            # Seen once: a page opened just while the new version takes over never loads; who sees that closes it again.
            with contextlib.suppress(sync_api.TimeoutError):
                phone.open()
                return phone.text("#source-title")
            return "not loaded"

        # The browser lets go of the old version a moment after its last page.
        assert "Anew" in (reopened() for _ in range(20))
        assert phone.text("#kept-text") == "Works offline"
        (kept,) = phone.page.evaluate("caches.keys()")
        assert kept.startswith("affekt-2-")
        phone.context.close()


def test_docs_state_the_size(site):
    _, folder = site
    first = sum(path.stat().st_size for path in folder.iterdir() if path.name != "voice.onnx") / 1e6
    stated = re.search(r"\*\*([\d.]+) MB\*\* to install", (ROOT / "docs" / "phone.md").read_text(encoding="utf-8"))
    assert stated and float(stated[1]) == pytest.approx(first, abs=0.3)


def test_every_text_of_its_own_is_there_in_four_languages_and_on_the_page():
    source = (ROOT / "phone" / "phrases.js").read_text(encoding="utf-8")
    entries = re.findall(r'^  "([\w.-]+)": (\{ .* \}),$', source, re.M)
    table = {key: json.loads(re.sub(r"(\{|,) (\w\w): ", r'\1 "\2": ', entry)) for key, entry in entries}
    assert len(table) > 15 and all(tuple(texts) == ("en", "de", "fr", "es") for texts in table.values())
    page = (ROOT / "phone" / "index.html").read_text(encoding="utf-8")
    shown = dict(re.findall(r'data-t="(phone[\w.-]+)"[^>]*>([^<]+)<', page))
    assert shown and {key: table[key]["en"] for key in shown} == shown


def test_it_speaks_the_language_of_the_browser(browser, site, recordings, clips):
    phone = Phone(browser, site, locale="de-DE")
    assert phone.text("#record-text") == "Aufnehmen" and phone.text("#kept-text") == "Geht ohne Netz"
    phone.page.select_option("#language", "fr")
    assert phone.text("#record-text") == "Enregistrer"
    phone.context.close()
    assert phone.errors == []


def test_nothing_is_wider_than_a_phone(phone, recordings):
    phone.choose(recordings / "conversation.wav")
    phone.page.evaluate("document.getElementById('install').hidden = false")  # where the browser offers to install it
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 390
