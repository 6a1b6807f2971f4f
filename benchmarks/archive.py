"""Hours of sound per hour of `affekt archive run`, beside a plain loop; its memory, and its planning, at scale.

Three tables:

- each format, from local files: a loop over `Recognizer.predict`, then the local engine with one worker and with two,
  all in one run; by the clock, which needs a machine that does nothing else, and in seconds of processor per hour of
  sound (those of workers with what it takes to start them);
- memory of the driver and of its largest worker over 1 to 1,000 simulated hours: one short file named again and again
  by a manifest, with a stub in place of the model;
- planning and committing a manifest of many rows, with the stub.

Usage: python benchmarks/archive.py [--quick] [--minutes 20] [--rows 1000000] [--output FILE]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np
import soundfile
import soxr
from rich.console import Console
from rich.table import Table
from speed import HERE, machine, packages

from affekt.archive.local import Processes
from affekt.archive.run import RunOptions, run_archive
from affekt.archive.sources import Input
from affekt.archive.status import status
from affekt.archive.work import Analyse, Job
from affekt.recognize.recognizer import Recognizer
from affekt.speech.activity import Piece
from affekt.speech.audio import read
from affekt.types import Prediction, Result

RATE = 16_000
#: Seconds of each file, and of a row of a simulated manifest.
FILE, ROW = 120.0, 60.0
FORMATS = {
    "wav, 16 kHz": ("wav", 16_000, 1, {"subtype": "PCM_16"}),
    "wav, 8 kHz mu-law, stereo": ("wav", 8_000, 2, {"subtype": "ULAW"}),
    "mp3, 44.1 kHz, stereo": ("mp3", 44_100, 2, {}),
    "opus, 48 kHz": ("ogg", 48_000, 1, {"format": "OGG", "subtype": "OPUS"}),
}


def open_stub(job: Job) -> Analyse:
    """What stands for the model: as many segments as a minute of speech has, and no work."""
    labels = tuple(job.origin.labels)
    scores = dict.fromkeys(labels, 1 / len(labels))
    found = tuple(Prediction(5.0 * i, 5.0 * i + 4, scores) for i in range(int(ROW / 5)))

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
    """Seconds of processor that this process and those of it that ended took: the same on a busy machine."""
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


def engine(folder: Path, out: Path, model: str, workers: int) -> tuple[float, float]:
    """Hours per hour of the local engine: by the clock of a whole run, and of its workers once they are open."""
    begun = perf_counter()
    run_archive(
        [str(folder)], str(out), Processes(workers), options=RunOptions(model=model, shard=2 * FILE, form="jsonl")
    )
    counts = status(str(out))
    return counts.sound / (perf_counter() - begun), counts.rate or 0.0


def speeds(place: Path, model: str, minutes: float) -> list[dict[str, Any]]:
    rows = []
    for number, form in enumerate(FORMATS):
        folder = place / f"in{number}"
        paths = write_files(folder, form, minutes)
        hours = len(paths) * FILE / 3600
        plain, used = loop(paths, model)
        row: dict[str, Any] = {"format": form, "hours": hours, "loop": plain, "CPU s/h": used / hours}
        for workers in (1, 2):
            used = processor()
            whole, open_ = engine(folder, place / f"out{number}-{workers}", model, workers)
            used = processor() - used
            row |= {f"{workers} w.": whole, f"{workers} w., open": open_, f"{workers} w., CPU s/h": used / hours}
        row["scaling"] = row["2 w., open"] / row["1 w., open"] / 2
        rows.append(row)
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
        file.writelines(f"{sound.name},{ROW * i:g},{ROW * (i + 1):g}\n" for i in range(rows))
    begun, planned = perf_counter(), [0.0]

    def on_progress(now: Any) -> None:
        planned[0] = planned[0] or perf_counter() - begun

    options = RunOptions(model="voice-small", form="jsonl")
    run_archive([str(manifest)], str(place / f"sim{rows}"), Processes(1), options=options, on_progress=on_progress,
                opener=open_stub)  # fmt: skip
    counts = status(str(place / f"sim{rows}"))
    assert counts.records == rows
    found = {
        "rows": rows,
        "hours": rows * ROW / 3600,
        "planning_seconds": planned[0],
        "seconds": perf_counter() - begun,
        "shards": counts.shards,
        "driver_megabytes": peak_megabytes(),
        "worker_megabytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "output_megabytes": counts.bytes / 1e6,
    }
    click.echo(json.dumps(found))


def peak_megabytes() -> float:
    """The most memory that this process held; `getrusage` would count what its parent held when it was started."""
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
@click.option("--minutes", default=20.0, show_default=True, help="Of sound in each format.")
@click.option("--rows", default=1_000_000, show_default=True, help="Of the largest manifest.")
@click.option("--output", type=click.Path(path_type=Path), help="JSON file to write.")
@click.option("--simulate", "simulated_rows", type=int, hidden=True)
@click.option("--place", type=click.Path(path_type=Path), hidden=True)
def main(
    quick: bool,
    model: str,
    minutes: float,
    rows: int,
    output: Path | None,
    simulated_rows: int | None,
    place: Path | None,
) -> None:
    """Measure, print the tables, and write them."""
    if simulated_rows and place:
        simulate(place, simulated_rows)
        return
    minutes, rows = (4.0, 20_000) if quick else (minutes, rows)
    with tempfile.TemporaryDirectory() as folder:
        formats = speeds(Path(folder), model, minutes)
        tell("hours of sound per hour", formats)
        hours = (1, 10, 100) if quick else (1, 10, 100, 1000)
        memory = [simulated(Path(folder), round(h * 3600 / ROW)) for h in hours]
        tell("memory over simulated hours, stub", memory)
        scale = [simulated(Path(folder), rows)]
        tell("a large manifest, stub", scale)
    if output:
        found = {"formats": formats, "memory": memory, "scale": scale}
        when = datetime.now(UTC).isoformat(timespec="seconds")
        output.write_text(json.dumps({"date": when, **machine(), "packages": packages(), **found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
