"""How fast affekt is, and how it compares: prints a table, writes JSON. See README.md here.

Usage: python benchmarks/speed.py [--quick] [--clips DIR] [--output FILE]
"""

from __future__ import annotations

import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import psutil
from rich.console import Console
from rich.table import Table

from affekt.models.zoo import MODELS, model_path

HERE = Path(__file__).resolve().parent
THREADS = (1, 2)
#: How each library is told its number of threads before it starts.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
PACKAGES = (
    "affekt", "numpy", "onnxruntime", "soundfile", "soxr", "av", "librosa", "numba", "scipy", "torch", "transformers",
    "silero-vad", "webrtcvad-wheels", "webrtcvad",
)  # fmt: skip

#: What is timed, in the order of the table: name to its words.
ROWS = {
    "decode": "decode (16 kHz wav)",
    "activity": "speech activity",
    "model": "model voice",
    "small model": "model voice-small",
    "front end": "  of which front end",
    "rest": "rest (quality, smoothing, segments)",
    "speech-16k.wav": "affekt, 16 kHz wav",
    "speech-48k.wav": "affekt, 48 kHz wav",
    "speech.m4a": "affekt, m4a (aac)",
    "speech.opus": "affekt, opus",
    "small": "affekt, 16 kHz wav, voice-small",
    "clips-16k": "affekt, 16 kHz clips of 3 s",
    "clips-48k": "affekt, 48 kHz clips of 3 s",
    "librosa-16k": "librosa, 16 kHz clips of 3 s",
    "librosa-48k": "librosa, 48 kHz clips of 3 s",
    "wav2vec2": "wav2vec2-base, pieces of 10 s",
    "silero": "Silero VAD",
    "webrtc": "WebRTC VAD",
}
#: Rows that end a section of the table.
ENDS = {"rest", "clips-48k"}

#: Who is compared: a peer, and the part of affekt that does the like.
RATIOS = (
    ("librosa-16k", "clips-16k"),
    ("librosa-48k", "clips-48k"),
    ("librosa-48k", "speech-48k.wav"),
    ("wav2vec2", "model"),
    ("wav2vec2", "speech-16k.wav"),
    ("wav2vec2", "small model"),
    ("wav2vec2", "small"),
    ("silero", "activity"),
    ("webrtc", "activity"),
)

#: Timed inside a fresh process: statement to its words.
IMPORTS = {
    "import affekt": "import affekt",
    "from affekt import Recognizer": "from affekt import Recognizer",
    "import affekt; affekt.Recognizer()": "import, and open the models",
}


@dataclass(frozen=True)
class Settings:
    """How much is measured. All recordings hold the same speech, repeated."""

    clips: str
    minutes: float = 10
    peer_minutes: float = 3
    encoder_minutes: float = 1
    long_minutes: float = 120
    repeats: int = 5
    starts: int = 10


QUICK = {
    "minutes": 2, "peer_minutes": 0.5, "encoder_minutes": 1 / 3, "long_minutes": 10, "repeats": 2, "starts": 3,
}  # fmt: skip


@click.command()
@click.option("--quick", is_flag=True, help="Little audio and few repeats: to see that it works, not to measure.")
@click.option("--output", type=click.Path(path_type=Path), help="JSON file.  [default: results/speed-DATE.json here]")
@click.option(
    "--clips", type=click.Path(exists=True, file_okay=False, path_type=Path), default=HERE.parent / "examples",
    help="Folder of .wav files with speech.", show_default=True,
)  # fmt: skip
def main(quick: bool, output: Path | None, clips: Path) -> None:
    """Measure the speed and memory of affekt and of its peers on this machine."""
    # As an exception, so that the temporary folder goes and what was started ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    start = perf_counter()
    settings = Settings(str(clips.resolve()))
    report = measure(replace(settings, **QUICK) if quick else settings)
    report = {"date": report["date"], "quick": quick, "took_seconds": round(perf_counter() - start), **report}
    show(report, Console(width=None if sys.stdout.isatty() else 130, highlight=False))
    if quick and not output:
        click.echo("\nquick: to see that it works, not to measure; nothing is written without --output.")
        return
    output = output or HERE / "results" / f"speed-{report['date'][:10]}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report, indent=2) + "\n")
    click.echo(f"\nwritten to {output}")


def measure(settings: Settings) -> dict[str, Any]:
    """Everything, in fresh processes around a temporary folder that is deleted afterwards."""
    report: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), "packages": packages(),
        "models": {name: sha256(model_path(name).read_bytes()).hexdigest() for name in MODELS},
        "settings": {**asdict(settings), "clips": Path(settings.clips).name},
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="affekt-speed-") as temporary:
        folder = Path(temporary)
        (folder / "settings.json").write_text(json.dumps(asdict(settings)))
        tell("making recordings and graphs")
        run_script("material.py", folder)
        report["material"] = json.loads((folder / "material.json").read_text())
        report["seconds_per_hour"], report["ratios"] = timings(folder)
        report["start"] = starts(folder, settings.starts)
        report["memory"] = memory(folder, settings)
    return report


def tell(sentence: str) -> None:
    click.echo(sentence, err=True)


def machine() -> dict[str, Any]:
    """Where the numbers come from, and how busy it was with other things."""
    busy = psutil.cpu_percent(interval=1.0) / 100
    if busy > 0.1:
        tell(f"warning: {busy:.0%} of the processor is busy with something else; the times will be too long.")
    return {
        "cpu": cpu_model(), "cores": cores(), "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(), "python": platform.python_version(), "busy_before": round(busy, 3),
        "pinned": hasattr(os, "sched_setaffinity"),
    }  # fmt: skip


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1


def cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def packages() -> dict[str, str]:
    """Versions of what is measured and of what does the work; what is not installed is left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def run_script(name: str, *arguments: object, threads: int | None = None) -> None:
    """Run a script of this folder in a process of its own, with so many threads for every library."""
    limits = dict.fromkeys(THREAD_VARIABLES, str(threads)) if threads else {}
    command = [sys.executable, str(HERE / name), *map(str, arguments)]
    subprocess.run(command, check=True, env={**os.environ, **limits})


def timings(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Seconds per hour of audio, and ratios, by number of threads."""
    times, ratios = {}, {}
    for threads in (n for n in THREADS if n <= cores()):
        tell(f"timing with {threads} thread" + "s" * (threads > 1))
        run_script("timings.py", folder, threads, threads=threads)
        rounds = json.loads((folder / f"timings-{threads}.json").read_text())
        parts = zip(*(rounds[name] for name in ("speech-16k.wav", "decode", "activity", "model")), strict=True)
        rounds["rest"] = [whole - sum(rest) for whole, *rest in parts]
        times[str(threads)] = {name: spread(rounds[name]) for name in ROWS if name in rounds}
        ratios[str(threads)] = {
            f"{ROWS[peer]} / {ROWS[own]}": spread([p / o for p, o in zip(rounds[peer], rounds[own], strict=True)])
            for peer, own in RATIOS
            if peer in rounds
        }
    return times, ratios


def spread(values: list[float]) -> dict[str, float]:
    """Median, lowest, highest and their number."""
    three = statistics.median(values), min(values), max(values)
    return {**dict(zip(("median", "min", "max"), (float(f"{v:.4g}") for v in three), strict=True)), "n": len(values)}


def starts(folder: Path, repeats: int) -> dict[str, Any]:
    """Seconds until something is there, in fresh processes; the files are in the page cache."""
    tell("timing the start")
    found = {words: spread(timed_inside(code, repeats)) for code, words in IMPORTS.items()}
    clip = str(folder / "short.wav")
    whole = {
        "python, doing nothing": [sys.executable, "-c", "pass"],
        "affekt predict, a clip of 3 s": [sys.executable, "-m", "affekt", "predict", clip],
    }
    if find_spec("librosa"):
        code = f"import sys; sys.path.insert(0, {str(HERE)!r}); import peers; peers.librosa_features(sys.argv[1])"
        whole["librosa, 180 features of the same clip"] = [sys.executable, "-c", code, clip]
    return {**found, **{words: spread(timed_outside(command, repeats)) for words, command in whole.items()}}


def timed_inside(code: str, repeats: int) -> list[float]:
    """Seconds that a statement takes in a Python that has just started."""
    program = f"from time import perf_counter as t; a = t(); {code}; print(t() - a)"
    command = [sys.executable, "-c", program]
    return [float(subprocess.check_output(command)) for _ in range(repeats + 1)][1:]


def timed_outside(command: list[str], repeats: int) -> list[float]:
    """Seconds from the start of a process to its end."""
    times = []
    for _ in range(repeats + 1):
        start = perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(perf_counter() - start)
    return times[1:]


def memory(folder: Path, settings: Settings) -> dict[str, Any]:
    """Peak memory of ``affekt predict`` in megabytes for a minute and for hours, and their ratio."""
    tell("measuring memory")
    minute = [peak(folder / "minute.wav") for _ in range(3)]
    longest = [peak(folder / "long.wav")]
    return {
        "1 minute": spread(minute), f"{settings.long_minutes:g} minutes": spread(longest),
        "ratio": round(longest[0] / statistics.median(minute), 3),
    }  # fmt: skip


# The kernel counts the parent's memory as the child's own: start it from a small process.
_LAUNCHER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6)
"""


def peak(path: Path) -> float:
    command = [sys.executable, "-S", "-c", _LAUNCHER, sys.executable, "-m", "affekt", "predict", str(path)]
    return float(subprocess.check_output([*command, "--format", "json"]))


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report as tables."""
    where, settings = report["machine"], report["settings"]
    console.print(f"{where['cpu']}, {where['cores']} cores, {where['system']}, Python {where['python']}")
    material = report["material"]
    share, regions = material["speech_share"], material["regions_of_speech"]
    console.print(f"{share:.1%} of the recording is speech; regions: {regions}")
    if where["busy_before"] > 0.1:
        console.print(f"The machine was {where['busy_before']:.0%} busy before the first timing.")
    console.print()
    console.print(time_table(report["seconds_per_hour"], settings["repeats"]))
    console.print(plain_table("Ratios of time, peer / affekt", report["ratios"]["1"], report["ratios"], "x"))
    console.print(plain_table("Seconds to start, fresh process", report["start"], {"": report["start"]}, "s"))
    held = {name: value for name, value in report["memory"].items() if name != "ratio"}
    console.print(plain_table("Peak memory of affekt predict, MB", held, {"": held}, "MB"))
    console.print(f"ratio {report['memory']['ratio']:.3f}")
    for name, reason in material["skipped"].items():
        console.print(f"left out: {name} ({reason})")


def time_table(times: dict[str, Any], repeats: int) -> Table:
    table = Table(title=f"Seconds per hour of audio: median of {repeats} (lowest to highest)", title_justify="left")
    table.add_column("", no_wrap=True)
    for threads in times:
        table.add_column(f"{threads} thread" + "s" * (threads != "1"), justify="right")
        table.add_column("times real time", justify="right")
    for name, words in ROWS.items():
        cells = [entry.get(name) for entry in times.values()]
        if all(cells):
            speed = [text for cell in cells for text in (said(cell), faster(name, cell))]
            table.add_row(words, *speed, end_section=name in ENDS)
    return table


def faster(name: str, cell: dict[str, float]) -> str:
    speed = 3600 / cell["median"]
    return "" if name == "rest" else f"{speed:,.{int(speed < 10)}f}"


def plain_table(title: str, names: Any, columns: dict[str, Any], unit: str) -> Table:
    """One row per name, one column per number of threads (or one in all)."""
    table = Table(title=title, title_justify="left", show_header="" not in columns)
    table.add_column("", no_wrap=True)
    for threads in columns:
        table.add_column(f"{threads} thread" + "s" * (threads != "1"), justify="right")
    for name in names:
        table.add_row(name, *(f"{said(column[name])} {unit}" for column in columns.values()))
    return table


def said(cell: dict[str, float]) -> str:
    """A median with its range: three digits that count."""
    digits = 0 if cell["median"] >= 100 else 1 if cell["median"] >= 10 else 2 if cell["median"] >= 1 else 3
    if cell["n"] == 1:
        return f"{cell['median']:.{digits}f}"
    return f"{cell['median']:.{digits}f} ({cell['min']:.{digits}f} to {cell['max']:.{digits}f})"


if __name__ == "__main__":
    main()
