"""The offline page beside Python: how far scores differ, and how much faster than real time it runs; prints two tables.

Usage: make phone && python benchmarks/phone.py [--chromium PATH]
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import click
import numpy as np
import soundfile as sf
import soxr
from playwright.sync_api import Page, sync_playwright

import affekt

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("voice-small", "voice")
RATE = 16_000


def recordings(folder: Path) -> dict[str, list[Path]]:
    """By row of the table: the clips at 16 kHz, a conversation of them, other rates and forms; and ten minutes."""
    clips = sorted((ROOT / "examples").glob("*.wav"))
    signals = {path.stem: sf.read(path, dtype="float32") for path in clips}
    plain = {stem: soxr.resample(signal, rate, RATE) for stem, (signal, rate) in signals.items()}
    pauses = [np.zeros(int(RATE * seconds), np.float32) for seconds in (0.2, 0.7, 1.5)]
    talk = np.concatenate([x for i, signal in enumerate(plain.values()) for x in (signal[9_600:], pauses[i % 3])])
    long = np.tile(talk, -(-600 * RATE // len(talk)))[: 600 * RATE]

    def written(name: str, signal: np.ndarray, rate: int) -> Path:
        # Second by second: libsndfile's encoder of ogg crashes on a long signal in one piece.
        with sf.SoundFile(folder / name, "w", rate, 1) as file:
            for start in range(0, len(signal), rate):
                file.write(signal[start : start + rate])
        return folder / name

    other = [written(f"{rate}.wav", soxr.resample(talk, RATE, rate), rate) for rate in (8_000, 44_100, 48_000)]
    other += [written(f"talk.{form}", soxr.resample(talk, RATE, 44_100), 44_100) for form in ("flac", "ogg", "mp3")]
    return {
        "the 12 clips, 16 kHz wav": [written(f"{stem}.wav", signal, RATE) for stem, signal in plain.items()],
        "a conversation of them": [written("talk.wav", talk, RATE)],
        "wav at 8, 44.1, 48 kHz; flac, ogg, mp3": other,
        "ten minutes": [written("long.wav", long, RATE)],
    }


@contextmanager
def opened(folder: Path, chromium: str) -> Iterator[Page]:
    """The page in a headless Chromium, served from a thread."""

    class Quietly(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quietly, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page()
            print(f"Chromium {browser.version}")
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            page.locator("body[data-ready]").wait_for()
            yield page
            browser.close()
        server.shutdown()


def answered(page: Page, path: Path) -> tuple[dict, float]:
    """What the page saves of a file, and the seconds that it took from bytes to segments."""
    page.set_input_files("#files", str(path))
    page.wait_for_function(
        "name => document.getElementById('view-name').textContent.startsWith(name + ',')"
        " && !document.querySelector('#downloads button').disabled",
        arg=path.name,
        timeout=600_000,
    )
    with page.expect_download() as saving:
        page.click('[data-format="json"]')
    found = json.loads(Path(saving.value.path()).read_text(encoding="utf-8"))["results"][0]
    words = page.inner_text("#view-name").rpartition("computed in ")[2].split()
    minutes = float(words[0]) if words[1] == "min" else 0.0
    return found, 60 * minutes + float(words[-2])


def distance(found: dict, expected: affekt.Result) -> tuple[float, float]:
    """The largest difference of any time, in seconds, and of any score; infinite where segments are not as many."""
    pairs = list(zip(found["segments"], expected.predictions, strict=False))
    if len(found["segments"]) != len(expected.predictions):
        return np.inf, np.inf
    times = [abs(s[key] - getattr(p, key)) for s, p in pairs for key in ("start", "end")]
    return max(times, default=0.0), max(
        (abs(s["scores"][k] - x) for s, p in pairs for k, x in p.scores.items()), default=0
    )


@click.command()
@click.option("--chromium", default=lambda: os.environ.get("AFFEKT_CHROMIUM") or shutil.which("chromium"))
def main(chromium: str) -> None:
    """Compare and time."""
    with tempfile.TemporaryDirectory() as folder, opened(ROOT / "phone" / "dist", chromium) as page:
        material = recordings(Path(folder))
        print(f"load average {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores")
        for model in MODELS:
            recognizer = affekt.Recognizer(model)
            page.select_option("#model", model)
            answered(page, material["a conversation of them"][0])  # the model is loaded before anything is timed
            for row, paths in material.items():
                found, ours = zip(*(answered(page, path) for path in paths), strict=True)
                began = perf_counter()
                expected = [recognizer.analyse(path) for path in paths]
                python = perf_counter() - began
                apart = [distance(f, e) for f, e in zip(found, expected, strict=True)]
                seconds, scores = (max(values) for values in zip(*apart, strict=True))
                length = sum(e.duration for e in expected)
                speeds = [f"{took:5.1f} s ({length / took:3.0f} x)" for took in (sum(ours), python)]
                print(
                    f"{model:12} {row:40} times {seconds:.3f} s, scores {scores:.1e}; {length:4.0f} s of sound: "
                    f"page {speeds[0]}, Python {speeds[1]}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
