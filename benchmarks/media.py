"""Video end to end: voice, faces, who speaks, what they say together, beside each alone: real-time factor and memory.

Usage: python benchmarks/media.py --video FILE.mp4 [--minutes 1,10,60] [--output FILE.json]

FILE holds sound and faces at 640 x 360; it is repeated to the lengths that are measured, and each length runs in a
process of its own, on the cores given (--cores). CPU time is given beside wall-clock time, because other
load hardly changes it; the load says how busy the machine was.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import av
import click

from affekt.recognize.media import MediaRecognizer
from affekt.recognize.recognizer import Recognizer


def repeated(source: Path, target: Path, times: int) -> None:
    """The packets of a video so many times, one after the other."""
    with av.open(str(target), "w") as out:
        tracks: dict[int, Any] = {}
        shift = 0.0
        for _ in range(times):
            with av.open(str(source)) as given:
                for number, track in enumerate(given.streams):
                    tracks.setdefault(number, out.add_stream_from_template(track))
                for packet in given.demux():
                    if packet.dts is None:
                        continue
                    move = round(shift / float(packet.time_base))
                    packet.pts, packet.dts = packet.pts + move, packet.dts + move
                    packet.stream = tracks[packet.stream_index]
                    out.mux(packet)
                shift += float(given.duration or 0) / 1e6 + 0.1  # encoders begin before 0


def timed(path: Path, what: str, threads: int) -> dict[str, float]:
    """Seconds of the work and of the video, and the most memory held, in MiB."""
    warnings.simplefilter("ignore")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    models = {"voice": "voice", "faces": "face"}
    recognizer: Any = Recognizer(models[what], threads=threads) if what in models else MediaRecognizer(threads=threads)
    began, used = perf_counter(), process_time()
    result = recognizer.analyse(str(path))
    took, used = perf_counter() - began, process_time() - used
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "took": round(took, 2),
        "processor": round(used, 2),
        "duration": round(result.duration, 1),
        "MiB": round(held, 1),
        "load": round(os.getloadavg()[0], 1),
    }


@click.command()
@click.option("--video", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--cores", default=2, show_default=True)
@click.option("--minutes", default="1,10,60", show_default=True, help="Lengths that are measured, the shortest first.")
@click.option("--output", type=click.Path(path_type=Path))
@click.option("--part", hidden=True)
def main(video: Path, cores: int, minutes: str, output: Path | None, part: str | None) -> None:
    """Measure and print."""
    if part:
        print(json.dumps(timed(video, part, cores)))
        return
    report: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "cores": cores,
    }
    with tempfile.TemporaryDirectory() as folder:
        lengths = [float(length) for length in minutes.split(",")]
        with av.open(str(video)) as given:
            seconds = float(given.duration or 0) / 1e6
        for length in lengths:
            times = max(1, round(60 * length / seconds))
            path = Path(folder) / f"{times}.mp4"
            repeated(video, path, times)
            for what in ("voice", "faces", "all") if length == lengths[0] else ("all",):
                command = [sys.executable, __file__, "--video", str(path), "--cores", str(cores), "--part", what]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
                row = json.loads(done.stdout.splitlines()[-1])
                row["times real time"] = round(row["duration"] / row["took"], 2)
                row["processor seconds a second"] = round(row["processor"] / row["duration"], 3)
                report[f"{what}, {row['duration'] / 60:.1f} min"] = row
                print(f"{what:6} {row}", flush=True)
                if output:  # after each, for a long run may be cut short
                    output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
