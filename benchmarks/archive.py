"""Hours of sound per hour of `affekt archive run`, beside a plain loop; its memory, and its planning, at scale.

Tables:

- each format: a loop over `Recognizer.predict`, the local engine with one worker and with two, one worker that reads
  from an S3 server on loopback (moto), and one actor of Ray, all in one run; by the clock, and in seconds of processor
  per hour of sound. Wall-clock time of workers starts when they are open, and needs an otherwise idle machine:
  `others` says how much of it other processes used during the loop;
- memory of the driver and of its largest worker over 1 to 1,000 simulated hours: one short file named again and again
  by a manifest, with a stub in place of the model;
- everything but the model, at a million recordings: listing, planning a manifest, committing, resuming when all is
  done, status, a query; and listing and putting objects in S3. This shows what breaks first.

Usage: python benchmarks/archive.py [--quick] [--minutes 10] [--rows 1000000] [--part NAME] [--output FILE]
"""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np
import psutil
import soundfile
import soxr
from rich.console import Console
from rich.table import Table
from speed import HERE, machine, packages

from affekt.archive.engine import Executor
from affekt.archive.local import Processes
from affekt.archive.query import query
from affekt.archive.run import RunOptions, run_archive
from affekt.archive.sources import Input, inputs
from affekt.archive.status import status
from affekt.archive.store import open_store
from affekt.archive.work import Analyse, Job
from affekt.recognize.recognizer import Recognizer
from affekt.speech.activity import Piece
from affekt.speech.audio import read
from affekt.types import Prediction, Result

RATE = 16_000
#: Seconds of each file, and of a row of a simulated manifest; segments of a simulated record.
FILE, ROW, SEGMENTS = 120.0, 60.0, 4
#: Files of a folder that is listed, and objects that are put to S3 and listed there.
PER_FOLDER, OBJECTS = 1000, 5000
PARTS = {
    "formats": "hours of sound per hour",
    "listing": "listing",
    "memory": "memory over simulated hours, stub",
    "scale": "a large manifest, stub",
}
FORMATS = {
    "wav, 16 kHz": ("wav", 16_000, 1, {"subtype": "PCM_16"}),
    "wav, 8 kHz mu-law, stereo": ("wav", 8_000, 2, {"subtype": "ULAW"}),
    "mp3, 44.1 kHz, stereo": ("mp3", 44_100, 2, {}),
    "opus, 48 kHz": ("ogg", 48_000, 1, {"format": "OGG", "subtype": "OPUS"}),
}


def open_stub(job: Job) -> Analyse:
    """A stub for the model: some segments, and no work."""
    labels = tuple(job.origin.labels)
    scores = dict.fromkeys(labels, 1 / len(labels))
    step = ROW / SEGMENTS
    found = tuple(Prediction(step * i, step * i + 4, scores) for i in range(SEGMENTS))

    def analyse(path: str, one: Input, piece: Piece | None) -> Result:
        return Result(path, ROW, found, found[0], "stub", labels)

    return analyse


def write_files(folder: Path, form: str, minutes: float) -> list[Path]:
    """Speech with pauses, from the clips in examples/, as files of two minutes."""
    suffix, rate, channels, options = FORMATS[form]
    clips = [read(path).signal for path in sorted((HERE.parent / "examples").glob("*.wav"))]
    speech = np.concatenate([part for clip in clips for part in (clip, np.zeros(RATE // 2, np.float32))])
    signal = soxr.resample(np.resize(speech, int(FILE * RATE)), RATE, rate)
    folder.mkdir()
    paths = [folder / f"{number:04d}.{suffix}" for number in range(max(2, round(minutes * 60 / FILE)))]
    for path in paths:
        soundfile.write(path, np.column_stack([signal] * channels), rate, **options)
    return paths


def processor() -> float:
    """CPU seconds of this process and its finished children; hardly affected by other load."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def loop(paths: list[Path], model: str) -> tuple[float, float]:
    """Hours per hour, and seconds of processor, of what people write: one model, one file after the other."""
    recognizer = Recognizer(model)
    begun, used = perf_counter(), processor()
    for path in paths:
        recognizer.predict(path)
    return len(paths) * FILE / (perf_counter() - begun), processor() - used


def engine(source: str, out: Path, model: str, executor: Executor) -> float:
    """Hours per hour of an engine's workers once they are open."""
    run_archive([source], str(out), executor, options=RunOptions(model=model, shard=2 * FILE, form="jsonl"))
    counts = status(str(out))
    assert not counts.failed, counts.failed
    return counts.rate or 0.0


@contextmanager
def s3() -> Iterator[Any]:
    """An S3 server on loopback, in a process of its own, and its file system."""
    import fsspec

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = (
        f"import time; from moto.server import ThreadedMotoServer as S; S('127.0.0.1', {port}, verbose=False).start()"
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([sys.executable, "-c", f"{words}; time.sleep(1e6)"], **quiet)  # type: ignore[call-overload]
    os.environ.update(AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b",
                      AWS_DEFAULT_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true")  # fmt: skip
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            server.poll()
        fsspec.filesystem("s3").clear_instance_cache()
        system = fsspec.filesystem("s3")
        system.mkdir("bench")
        yield system
    finally:
        server.kill()


def speeds(place: Path, model: str, minutes: float) -> list[dict[str, Any]]:
    """Each format by each engine."""
    from affekt.archive.ray import RayActors

    rows = []
    with s3() as system:
        for number, form in enumerate(FORMATS):
            folder = place / f"in{number}"
            paths = write_files(folder, form, minutes)
            system.put([str(path) for path in paths], f"bench/{number}/")
            hours = len(paths) * FILE / 3600
            psutil.cpu_percent()
            plain, used = loop(paths, model)
            share = used / (hours * 3600 / plain) / (os.cpu_count() or 1)
            others = max(0.0, psutil.cpu_percent() / 100 - share)
            row: dict[str, Any] = {"format": form, "hours": hours, "loop": plain, "loop, CPU s/h": used / hours}
            ways: dict[str, tuple[str, Callable[[], Executor]]] = {
                "1 worker": (str(folder), lambda: Processes(1)),
                "2 workers": (str(folder), lambda: Processes(2)),
                "S3, 1 worker": (f"s3://bench/{number}", lambda: Processes(1)),
                "Ray, 1 actor": (str(folder), lambda: RayActors("local", 1)),
            }
            for way, (source, executor) in ways.items():
                used = processor()
                row[way] = engine(source, place / f"out{number}-{way}", model, executor())
                if way[0] in "12":
                    row[f"{way}, CPU s/h"] = (processor() - used) / hours
            rows.append({**row, "scaling": row["2 workers"] / row["1 worker"] / 2, "others": others})
    return rows


def simulated(place: Path, rows: int) -> dict[str, Any]:
    """One run over a manifest of so many rows with the stub, in a process of its own."""
    command = [sys.executable, __file__, "--simulate", str(rows), "--place", str(place)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def simulate(place: Path, rows: int) -> None:
    """What :func:`simulated` starts: prints a line of JSON."""
    sound, manifest = place / f"short{rows}.wav", place / f"m{rows}.csv"
    soundfile.write(sound, np.zeros(RATE, np.float32), RATE)
    with manifest.open("w") as file:
        file.write("uri,start,end\n")
        file.writelines(f"{sound.name},{ROW * i:.0f},{ROW * (i + 1):.0f}\n" for i in range(rows))
    options, out = RunOptions(model="voice-small"), str(place / f"sim{rows}")
    laps, begun = [processor()], perf_counter()

    def on_progress(now: Any) -> None:
        if len(laps) == 1:
            laps.append(processor())

    def work() -> None:
        run_archive([str(manifest)], out, Processes(1), options=options, on_progress=on_progress, opener=open_stub)
        laps.append(processor())

    work()
    took, driver = perf_counter() - begun, peak_megabytes()
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    work()
    counts = status(out)
    laps.append(processor())
    assert counts.records == rows
    assert query(out, 'SELECT sum("end" - start) FROM segments')[1][0][0] == 4 * SEGMENTS * rows
    laps.append(processor())
    stages = ("plan", "commit", "go on", "status", "question")
    found = {
        "rows": rows,
        "hours": rows * ROW / 3600,
        "shards": counts.shards,
        **{f"{stage}, CPU s": after - before for stage, before, after in zip(stages, laps, laps[1:], strict=False)},
        "plan and commit, s": took,
        "driver, MB": driver,
        "worker, MB": worker,
        "all of it, MB": peak_megabytes(),
        "records, MB": counts.bytes / 1e6,
    }
    click.echo(json.dumps(found))


def listings(place: Path, files: int) -> list[dict[str, Any]]:
    """Files listed per second, in nested folders and in S3; and objects put there per second."""
    for number in range(files):
        if not number % PER_FOLDER:
            folder = place / "many" / f"{number // PER_FOLDER:04d}"
            folder.mkdir(parents=True)
        os.close(os.open(folder / f"{number:07d}.wav", os.O_CREAT | os.O_WRONLY))
    begun, used = perf_counter(), processor()
    assert sum(1 for _ in inputs([str(place / "many")])) == files
    seconds, used = perf_counter() - begun, processor() - used
    rows = [{"what": "files of a disk, listed", "number": files, "s": seconds, "CPU s": used}]
    with s3():
        store = open_store("s3://bench/many")
        for what, number in (("objects of S3 (moto), put", OBJECTS), ("objects of S3 (moto), listed", OBJECTS)):
            begun, used = perf_counter(), processor()
            if what.endswith("put"):
                for i in range(number):
                    store.write(f"{i // PER_FOLDER:04d}/{i:07d}.wav", b"")
            else:
                assert sum(1 for _ in inputs(["s3://bench/many"])) == number
            seconds, used = perf_counter() - begun, processor() - used
            rows.append({"what": what, "number": number, "s": seconds, "CPU s": used})
    return rows


def peak_megabytes() -> float:
    """Peak memory of this process; `getrusage` would include its parent's memory at the start."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def tell(title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows as a table."""
    table = Table(*rows[0], title=title, box=None)
    for row in rows:
        table.add_row(*(f"{value:,.2f}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(width=160).print(table)


@click.command()
@click.option("--quick", is_flag=True, help="Little of everything: to see that it works.")
@click.option("--model", default="voice", show_default=True)
@click.option("--minutes", default=10.0, show_default=True, help="Of sound in each format.")
@click.option("--rows", default=1_000_000, show_default=True, help="Of the largest manifest.")
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)), help="Only this; may be repeated.")
@click.option("--output", type=click.Path(path_type=Path), help="JSON file to write; keeps parts that are there.")
@click.option("--simulate", "simulated_rows", type=int, hidden=True)
@click.option("--place", type=click.Path(path_type=Path), hidden=True)
def main(
    quick: bool,
    model: str,
    minutes: float,
    rows: int,
    parts: tuple[str, ...],
    output: Path | None,
    simulated_rows: int | None,
    place: Path | None,
) -> None:
    """Measure, print the tables, and write them."""
    if simulated_rows and place:
        simulate(place, simulated_rows)
        return
    minutes, rows = (2.0, 20_000) if quick else (minutes, rows)
    hours = (1, 10, 100) if quick else (1, 10, 100, 1000)
    found = json.loads(output.read_text()) if output and output.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        measured: dict[str, Callable[[], list[dict[str, Any]]]] = {
            "formats": lambda: speeds(place, model, minutes),
            "listing": lambda: listings(place, rows),
            "memory": lambda: [simulated(place, round(h * 3600 / ROW)) for h in hours],
            "scale": lambda: [simulated(place, rows)],
        }
        for part in parts or PARTS:
            about = {"date": datetime.now(UTC).isoformat(timespec="seconds"), **machine(), "packages": packages()}
            rows_of_part = measured[part]()
            tell(PARTS[part], rows_of_part)
            found[part] = {"about": about, "rows": rows_of_part}
            if output:
                output.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
