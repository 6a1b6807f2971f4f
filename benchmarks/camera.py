"""Latency from a camera's picture to the boxes over it, and how many cameras a server can handle. See README.md here.

Starts `affekt serve` in a process of its own. First a real Chromium whose camera plays a film of one face shows it on
the page; then clients send the same film in jpeg frames over as many WebSockets as asked for, in real time. Server,
browser and clients share the machine's cores.

Usage: python benchmarks/camera.py [--quick] [--streams 1,2,4,8] [--seconds 20] [--picture FILE] [--output FILE]
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import struct
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np
import psutil
from PIL import Image
from rich.console import Console
from rich.table import Table
from serve import cpu, memory, quantiles, server
from speed import HERE, machine, packages, tell
from websockets.asyncio.client import connect

#: What the browser's camera gives, and frames per second of it.
SIZE, RATE = (640, 480), 30
#: Pixels of the longer side of what the page sends, quality of its jpeg, and frames per second of a client.
SIDE, QUALITY, SENT = 480, 80, 15
#: Targets: seconds from a picture to its boxes, and frames per second.
LATE, LEAST = 0.150, 15.0
LISTEN = """() => { window.found = []; const video = document.getElementById("faces-video");
  video.addEventListener("answered", ({ detail }) => requestAnimationFrame(() =>
    window.found.push([detail.taken, detail.shown, performance.now()]))) }"""


@click.command()
@click.option("--quick", is_flag=True, help="Few streams, few seconds: to see that it works, not to measure.")
@click.option("--streams", default="1,2,4,6,8,12", show_default=True, help="How many at a time, one round for each.")
@click.option("--seconds", default=20.0, show_default=True, help="Of film per round.")
@click.option("--picture", type=click.Path(path_type=Path, exists=True), help="With a face.  [default: matplotlib's]")
@click.option("--output", type=click.Path(path_type=Path), help="JSON file.  [default: results/camera-DATE.json here]")
def main(quick: bool, streams: str, seconds: float, picture: Path | None, output: Path | None) -> None:
    """Measure the latency and the capacity of cameras on this machine."""
    counts = [1, 2] if quick else [int(number) for number in streams.split(",")]
    seconds = 4.0 if quick else seconds
    film = filmed(picture or hopper())
    date = datetime.now(UTC).isoformat(timespec="seconds")
    report: dict[str, Any] = {"date": date, "quick": quick, "machine": machine(), "packages": packages()}
    report |= {"load_before": os.getloadavg()[0], "seconds": seconds, "aims": {"late": LATE, "rate": LEAST}}
    with server(max(counts) + 10, 1) as (url, process):
        report["page"] = on_the_page(url, film, seconds)
        report["page, with maps"] = on_the_page(url, film, seconds, maps=True)
        report["rounds"] = []
        asyncio.run(play(url, film, 1, 2.0))
        for count in counts:
            tell(f"{count} cameras")
            report["rounds"].append(measured(url, process, film, (count, seconds)))
    report["load_after"] = os.getloadavg()[0]
    show(report, Console(width=None if sys.stdout.isatty() else 130, highlight=False))
    if quick and not output:
        click.echo("\nquick: to see that it works, not to measure; nothing is written without --output.")
        return
    output = output or HERE / "results" / f"camera-{date[:10]}.json"
    output.write_text(json.dumps(report, indent=2) + "\n")
    click.echo(f"\nwritten to {output}")


def hopper() -> Path:
    """A public-domain portrait that comes with matplotlib."""
    import matplotlib.cbook

    return Path(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))


def filmed(path: Path) -> list[Image.Image]:
    """Three seconds of a picture that moves a little, there and back."""
    whole = Image.open(path).convert("RGB")
    whole = whole.resize((SIZE[0] + 40, round(whole.height * (SIZE[0] + 40) / whole.width)))
    room = max(0, whole.height - SIZE[1])
    places = [(20 + 20 * np.sin(t), min(room, 120 + 40 * np.cos(t))) for t in np.linspace(0, 2 * np.pi, 3 * RATE)]
    return [whole.crop((int(x), int(y), int(x) + SIZE[0], int(y) + SIZE[1])) for x, y in places]


def y4m(film: list[Image.Image]) -> bytes:
    """A film as Chromium's camera takes it."""
    file = io.BytesIO()
    file.write(f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
    for picture in film:
        light, blue, red = (np.asarray(plane) for plane in picture.convert("YCbCr").split())
        file.write(b"FRAME\n" + light.tobytes() + blue[::2, ::2].tobytes() + red[::2, ::2].tobytes())
    return file.getvalue()


def on_the_page(url: str, film: list[Image.Image], seconds: float, *, maps: bool = False) -> dict[str, Any] | None:
    """The whole way: camera, page, server, page; None without a browser. With maps or without."""
    chromium = os.environ.get("AFFEKT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if not chromium:
        click.echo("no Chromium or no playwright: the page is not measured.", err=True)
        return None
    with tempfile.NamedTemporaryFile(suffix=".y4m") as camera, sync_playwright() as play:
        camera.write(y4m(film))
        camera.flush()
        flags = ["--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream"]
        flags += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera.name}"]
        browser = play.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(url.replace("ws", "http", 1).removesuffix("/v1/stream"))
        page.locator("input[name=tab][value=face]").check()
        page.locator("#faces-map").set_checked(maps)
        page.locator("#faces-consent").check()
        page.locator("#faces-camera").click()
        page.locator("#faces-lanes .lane").first.wait_for()
        tell("the page")
        page.wait_for_timeout(2000)
        page.evaluate(LISTEN)
        page.wait_for_timeout(1000 * seconds)
        found = np.array(page.evaluate("window.found")) / 1000
        browser.close()
    late = {"drawn": found[:, 1] - found[:, 0], "next_refresh": found[:, 2] - found[:, 0]}
    rate = (len(found) - 1) / (found[-1, 1] - found[0, 1])
    held = quantiles(late["drawn"].tolist())["p95"] <= LATE and rate >= LEAST
    return {"rate": round(float(rate), 2), **{k: quantiles(v.tolist()) for k, v in late.items()}, "holds": bool(held)}


def measured(url: str, process: psutil.Process, film: list[Image.Image], asked: tuple[int, float]) -> dict[str, Any]:
    """One round: so many cameras at a time, for so many seconds."""
    used, began = cpu(process), perf_counter()
    found = asyncio.run(play(url, film, *asked))
    took = perf_counter() - began
    entry: dict[str, Any] = {"streams": asked[0], "late": quantiles([x for one in found for x in one["late"]])}
    entry["rate"] = round(sum(len(one["late"]) for one in found) / asked[1] / asked[0], 2)
    entry["dropped"] = round(sum(one["dropped"] for one in found) / max(1, sum(one["sent"] for one in found)), 4)
    spent = cpu(process) - used
    entry["server_cores"] = round(spent / took, 3)
    entry["cpu_per_frame"] = round(spent / max(1, entry["late"]["n"]), 4)
    entry["server_memory_mb"] = round(memory(process) / 1e6, 1)
    entry["holds"] = bool(entry["late"]["p95"] <= LATE and entry["rate"] >= 0.95 * SENT)
    return entry


async def play(url: str, film: list[Image.Image], count: int, seconds: float) -> list[dict[str, Any]]:
    """So many clients at once, each at its own place of the film."""
    frames = [jpeg(picture) for picture in film[:: RATE // SENT]]
    return await asyncio.gather(
        *(client(url, np.roll(np.arange(len(frames)), i).tolist(), frames, seconds) for i in range(count))
    )


def jpeg(picture: Image.Image) -> bytes:
    """A frame as the page sends it."""
    file = io.BytesIO()
    picture.resize((SIDE, SIDE * SIZE[1] // SIZE[0])).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


async def client(url: str, order: list[int], frames: list[bytes], seconds: float) -> dict[str, Any]:
    """One camera in real time, which waits for no answer: the server drops frames that it cannot process in time."""
    sent: list[float] = []
    late: list[float] = []
    dropped = 0
    async with connect(url, max_size=None) as socket:
        await socket.send(json.dumps({"type": "hello", "format": "jpeg"}))
        json.loads(await socket.recv())

        async def send() -> None:
            began = perf_counter()
            for i in range(round(seconds * SENT)):
                await asyncio.sleep(max(0.0, began + i / SENT - perf_counter()))
                sent.append(perf_counter())
                await socket.send(struct.pack("<d", i / SENT) + frames[order[i % len(order)]])
            await socket.send('{"type": "end"}')

        sending = asyncio.create_task(send())
        async for message in socket:
            event = json.loads(message)
            if event["type"] == "frame":
                late.append(perf_counter() - sent[event["frame"] - 1])
                dropped += event["dropped"]
        await sending
    return {"sent": len(sent), "late": late, "dropped": dropped}


def show(report: dict[str, Any], console: Console) -> None:
    """The tables."""
    for name in ("page", "page, with maps"):
        if page := report[name]:
            words = " / ".join(f"{1000 * page['drawn'][p]:.0f}" for p in ("p50", "p95", "p99"))
            console.print(
                f"on the {name}: {page['rate']:.1f} frames a second; camera to box {words} ms (p50 / p95 / p99)"
            )
    table = Table("cameras", "frame to answer (ms)", "answered a second, each", "dropped", "server cores",
                  "server's ms a frame", "memory MB", "holds", box=None)  # fmt: skip
    for entry in report["rounds"]:
        cells = [
            str(entry["streams"]), " / ".join(f"{1000 * entry['late'][p]:.0f}" for p in ("p50", "p95", "p99")),
            f"{entry['rate']:.1f}", f"{entry['dropped']:.1%}", f"{entry['server_cores']:.2f}",
            f"{1000 * entry['cpu_per_frame']:.1f}", f"{entry['server_memory_mb']:.0f}",
        ]  # fmt: skip
        table.add_row(*cells, "yes" if entry["holds"] else "no")
    console.print(table)


if __name__ == "__main__":
    main()
