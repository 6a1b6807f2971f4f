"""Latency of a server's events behind the sound, and how many live streams it can handle. See README.md here.

Starts `affekt serve` in a process of its own and plays speech with pauses to it over as many WebSockets as it
takes, in real time, from this process. Both share the machine's cores.

Usage: python benchmarks/serve.py [--quick] [--streams 1,10,50,100] [--seconds 30] [--output FILE]
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import click
import numpy as np
import psutil
from listeners import BINARY, Client, frame
from rich.console import Console
from rich.table import Table
from speed import HERE, machine, packages, tell

from affekt.speech.audio import read

RATE, CHUNK = 16_000, 1_600
#: Kept before the first frame of speech, see ActivityOptions.
MARGIN = 0.1
#: Latency targets in seconds, for 95 of 100 events (p95).
BEHIND, FIRST = 0.1, 0.5
COUNTS = "1,10,25,50,75,100,125,150,200,250,300,400"


@dataclass
class Heard:
    """What one client saw. Times in seconds."""

    sent: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    behind: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    partials: list[float] = field(default_factory=list)
    events: int = 0
    failure: str = ""

    def when(self, position: float) -> float:
        """When the sample at this second of the stream was handed over."""
        return self.sent[min(len(self.sent), max(1, round(position * RATE / CHUNK + 0.499))) - 1]


@click.command()
@click.option("--quick", is_flag=True, help="Few streams, few seconds: to see that it works, not to measure.")
@click.option("--streams", default=COUNTS, show_default=True, help="How many at a time, one round for each.")
@click.option("--seconds", default=30.0, show_default=True, help="Of speech per round.")
@click.option("--model", default="voice", show_default=True, help="Name or FILE.onnx.")
@click.option("--workers", default=1, show_default=True, help="Processes of the server.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="JSON file.  [default: results/serve-MODEL-DATE.json here]"
)
def main(quick: bool, streams: str, seconds: float, model: str, workers: int, output: Path | None) -> None:
    """Measure the latency and the capacity of live streams on this machine."""
    counts = [1, 4] if quick else [int(number) for number in streams.split(",")]
    seconds = 8.0 if quick else seconds
    date = datetime.now(UTC).isoformat(timespec="seconds")
    report: dict[str, Any] = {"date": date, "quick": quick, "machine": machine(), "packages": packages()}
    report |= {"seconds": seconds, "model": model, "workers": workers, "limits": {"behind": BEHIND, "first": FIRST}}
    with server(max(counts) + 10, workers, model) as (url, process):
        report["rounds"] = list(rounds(url, process, counts, seconds))
    held = [entry["streams"] for entry in report["rounds"] if entry["holds"]]
    report["holds"] = max(held, default=0)
    report["breaks"] = next((entry["streams"] for entry in report["rounds"] if not entry["holds"]), None)
    report["memory_per_stream_mb"] = memory_per_stream(report["rounds"])
    show(report, Console(width=None if sys.stdout.isatty() else 130, highlight=False))
    if quick and not output:
        click.echo("\nquick: to see that it works, not to measure; nothing is written without --output.")
        return
    output = output or HERE / "results" / f"serve-{model}-{date[:10]}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report, indent=2) + "\n")
    click.echo(f"\nwritten to {output}")


@contextmanager
def server(streams: int, workers: int, *models: str) -> Any:
    """`affekt serve` as people start it; yields its address and process."""
    arguments = ["--port", "0", "--limit", f"streams={streams}", "--limit", "share=1", "--workers", str(workers)]
    arguments += [word for model in models for word in ("--model", model)]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([sys.executable, "-m", "affekt", "serve", *arguments], stderr=log)
        try:
            address = ""
            while not address and process.poll() is None:
                log.seek(0)
                words = log.readline().split()
                address = words[3] if len(words) > 3 else ""
            yield address.replace("http", "ws") + "/v1/stream", psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


def rounds(url: str, process: psutil.Process, counts: list[int], seconds: float) -> Any:
    """One after the other, until two in a row break."""
    sound = speech(seconds)
    asyncio.run(play(url, sound[: 3 * RATE], 1))  # the first stream opens the model
    broken = 0
    for count in counts:
        tell(f"{count} streams")
        entry = measured(url, process, sound, count)
        yield entry
        broken = 0 if entry["holds"] else broken + 1
        if broken == 2:
            return


def measured(url: str, process: psutil.Process, sound: np.ndarray, count: int) -> dict[str, Any]:
    """One round: so many streams at a time."""
    own = psutil.Process()
    used, mine, began = cpu(process), own_cpu(own), perf_counter()
    peak: list[int] = []
    heard = asyncio.run(play(url, sound, count, lambda: peak.append(memory(process))))
    took = perf_counter() - began
    failures = [one.failure for one in heard if one.failure]
    entry: dict[str, Any] = {"streams": count, "failures": len(failures), "failure": next(iter(failures), "")}
    for name in ("behind", "first", "partials", "late"):
        entry[name] = quantiles([x for one in heard for x in getattr(one, name)])
    entry["events_per_second"] = round(sum(one.events for one in heard) / took, 1)
    entry["server_cores"] = round((cpu(process) - used) / took, 3)
    entry["client_cores"] = round((own_cpu(own) - mine) / took, 3)
    entry["server_memory_mb"] = round(max(peak, default=0) / 1e6, 1)
    entry["holds"] = not failures and entry["behind"]["p95"] <= BEHIND and entry["first"]["p95"] <= FIRST
    return entry


def cpu(process: psutil.Process) -> float:
    times = [p.cpu_times() for p in (process, *process.children(recursive=True))]
    return sum(t.user + t.system for t in times)


def own_cpu(process: psutil.Process) -> float:
    """Without that of the server, which is a child."""
    times = process.cpu_times()
    return times.user + times.system


def memory(process: psutil.Process) -> int:
    return sum(p.memory_info().rss for p in (process, *process.children(recursive=True)))


def quantiles(values: list[float]) -> dict[str, float]:
    """p50, p95, p99 in seconds, and how many."""
    if not values:
        return {"p50": 0.0, "p95": 0.0, "p99": 0.0, "n": 0}
    p50, p95, p99 = (round(float(x), 4) for x in np.quantile(values, (0.5, 0.95, 0.99)))
    return {"p50": p50, "p95": p95, "p99": p99, "n": len(values)}


def speech(seconds: float) -> np.ndarray:
    """The examples with pauses between them, as 16 bits."""
    clips = [read(path).signal for path in sorted((HERE.parent / "examples").glob("*.wav"))]
    pause = np.zeros(RATE, np.float32)
    whole = np.concatenate([part for clip in clips for part in (clip, pause)])
    whole = np.resize(whole, int(seconds * RATE))
    return (np.clip(whole, -1, 32767 / 32768) * 32768).astype("<i2")


async def play(url: str, sound: np.ndarray, count: int, tick: Any = lambda: None) -> list[Heard]:
    """So many clients at once, each at its own offset in the sound and within a tenth of a second."""
    rng = random.Random(count)
    heard = [Heard() for _ in range(count)]
    tasks = []
    frames = [frame(BINARY, sound[start : start + CHUNK].tobytes()) for start in range(0, len(sound), CHUNK)]
    for one in heard:
        begin = rng.randrange(len(frames))
        tasks.append(asyncio.create_task(client(url, frames[begin:] + frames[:begin], one, rng.random())))
    while not all(task.done() for task in tasks):
        await asyncio.wait(tasks, timeout=1.0)
        tick()
    return heard


async def client(url: str, frames: list[bytes], heard: Heard, wait: float) -> None:
    """One stream in real time."""
    await asyncio.sleep(wait)
    hello = {"type": "hello", "sampling_rate": RATE, "format": "pcm16"}
    place = urlsplit(url)
    loop = asyncio.get_running_loop()
    try:
        tell = partial(note, heard)
        _, one = await loop.create_connection(
            lambda: Client(hello, frames, CHUNK / RATE, tell), place.hostname, place.port
        )
        heard.sent, heard.late = one.sent, one.late
        await one.over
        if one.code != 1000 and not heard.failure:
            heard.failure = f"closed with {one.code}"
    except OSError as error:
        heard.failure = f"{type(error).__name__}: {error}"


def note(heard: Heard, event: dict[str, Any] | None, levels: int, now: float) -> None:
    """Record the delay of an event after the sound that it describes or that triggered it; None is a level."""
    heard.events += 1
    if event is None:
        # There is one for each tenth of a second.
        heard.behind.append(now - heard.when(0.1 * levels))
        return
    if event["type"] == "error":
        heard.failure = event["reason"]
        return
    heard.behind.append(now - heard.when(event["time"]))
    if event["type"] == "speech_start":
        heard.first.append(now - heard.when(event["start"] + MARGIN))
    elif event["type"] == "partial":
        heard.partials.append(now - heard.when(event["end"]))


def memory_per_stream(found: list[dict[str, Any]]) -> float | None:
    """Megabytes, from the slope over the rounds that hold."""
    points = [(entry["streams"], entry["server_memory_mb"]) for entry in found if entry["holds"]]
    if len(points) < 2:
        return None
    counts, sizes = np.array(points, float).T
    return round(float(np.polyfit(counts, sizes, 1)[0]), 3)


def show(report: dict[str, Any], console: Console) -> None:
    """The table."""
    table = Table("streams", "behind real time (ms)", "speech to first event (ms)", "newest partial (ms)", "failures",
                  "server cores", "client cores", "memory MB", "holds", box=None)  # fmt: skip
    for entry in report["rounds"]:
        cells = (" / ".join(f"{1000 * entry[k][p]:.0f}" for p in ("p50", "p95", "p99"))
                 for k in ("behind", "first", "partials"))  # fmt: skip
        table.add_row(
            str(entry["streams"]), *cells, str(entry["failures"]), f"{entry['server_cores']:.2f}",
            f"{entry['client_cores']:.2f}", f"{entry['server_memory_mb']:.0f}", "yes" if entry["holds"] else "no",
        )  # fmt: skip
    console.print("p50 / p95 / p99", table)
    console.print(
        f"holds {report['holds']} streams (95 % of events at most {BEHIND:g} s behind, of first events {FIRST:g} s "
        f"after the speech); breaks at {report['breaks']}; {report['memory_per_stream_mb']} MB per stream"
    )


if __name__ == "__main__":
    main()
