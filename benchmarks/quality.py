"""The quality of speech over noise, rooms, codecs, clipping, bandwidth, pauses and length: whether it falls with each.

    python benchmarks/quality.py --corpora SPEECH --sounds ESC-10 --responses ROOMS [--clips N] [--write]

SPEECH holds the folders of the corpora by name. Clips are drawn evenly over the corpora, and each is changed by every
level of every condition, alone. `--write` keeps benchmarks/results/quality.json and draws docs/quality.png.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import av
import click
import numpy as np
import soundfile
from numpy.typing import NDArray

from affekt._optional import require
from affekt.speech.audio import EXTENSIONS, read
from affekt.speech.quality import quality

RATE = 16_000
RESULTS = Path(__file__).parent / "results" / "quality.json"
FIGURE = Path(__file__).parent.parent / "docs" / "quality.png"
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
#: How much a quality may rise from one level to the next and still count as falling.
SLACK = 0.02

Signal = NDArray[np.float32]
Change = Callable[[Signal, float, np.random.Generator], Signal]


def mixed(signal: Signal, noise: Signal, snr: float) -> Signal:
    """Speech with noise so many decibels below it."""
    power, other = np.mean(signal.astype(float) ** 2), np.mean(noise.astype(float) ** 2)
    return (signal + noise * np.sqrt(power / max(other, 1e-12) / 10 ** (snr / 10))).astype(np.float32)


def white(signal: Signal, snr: float, rng: np.random.Generator) -> Signal:
    return mixed(signal, rng.standard_normal(len(signal)).astype(np.float32), snr)


def convolved(signal: Signal, response: NDArray[np.floating]) -> Signal:
    """What a room makes of a signal, as long as it was."""
    size = 1 << (len(signal) + len(response)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(signal, size) * np.fft.rfft(response, size), size)[: len(signal)]
    return (0.5 * wet / np.abs(wet).max()).astype(np.float32)


def in_room(signal: Signal, seconds: float, rng: np.random.Generator) -> Signal:
    """Noise that dies away by 60 dB in so many seconds, behind the direct sound."""
    if not seconds:
        return signal
    size = int(seconds * RATE)
    response = rng.standard_normal(size) * 10 ** (-3 * np.arange(size) / size)
    response[0] = 8
    return convolved(signal, response)


def clipped(signal: Signal, gain: float, rng: np.random.Generator) -> Signal:
    return np.clip(signal / np.abs(signal).max() * 10 ** (gain / 20), -1, 1).astype(np.float32)


def low_passed(signal: Signal, hertz: float, rng: np.random.Generator) -> Signal:
    spectrum = np.fft.rfft(signal)
    spectrum[np.fft.rfftfreq(len(signal), 1 / RATE) > hertz] = 0
    return np.fft.irfft(spectrum, len(signal)).astype(np.float32)


def coded(signal: Signal, kilobits: float, rng: np.random.Generator, *, codec: str, form: str) -> Signal:
    """Through a codec and back."""
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        track = container.add_stream(codec, rate=RATE, layout="mono")
        track.bit_rate = int(1000 * kilobits)
        frame = av.AudioFrame.from_ndarray((np.clip(signal, -1, 1) * 32767).astype(np.int16)[None], "s16", "mono")
        frame.sample_rate, frame.pts = RATE, 0
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return read(file.getvalue()).signal


def shortened(signal: Signal, seconds: float, rng: np.random.Generator) -> Signal:
    size = int(seconds * RATE)
    middle = int((np.cumsum(signal.astype(float) ** 2) > 0.5 * np.sum(signal.astype(float) ** 2)).argmax())
    start = int(np.clip(middle - size // 2, 0, max(0, len(signal) - size)))
    return signal[start : start + size]


def with_pauses(signal: Signal, share: float, rng: np.random.Generator) -> Signal:
    """Room noise behind it, until it is so much of the whole."""
    pause = 1e-3 * np.abs(signal).max() * rng.standard_normal(int(len(signal) * (1 / share - 1)))
    return np.concatenate([signal, pause.astype(np.float32)])


#: Condition to its unit, its levels from mild to severe, and the change.
CONDITIONS: dict[str, tuple[str, tuple[float, ...], Change]] = {
    "white noise": ("SNR / dB", (40, 30, 25, 20, 15, 10, 5, 0), white),
    "reverberation": ("RT60 / s", (0.0, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.5), in_room),
    "clipping": ("gain / dB", (0, 3, 6, 10, 15, 20, 30), clipped),
    "bandwidth": ("highest / Hz", (8000, 6000, 5000, 4000, 3400, 2500, 1500), low_passed),
    "Opus": ("kbit/s", (32, 24, 16, 12, 8, 6), lambda s, k, r: coded(s, k, r, codec="libopus", form="ogg")),
    "MP3": ("kbit/s", (64, 48, 32, 24, 16, 8), lambda s, k, r: coded(s, k, r, codec="libmp3lame", form="mp3")),
    "pauses": ("share of the clip", (1.0, 0.8, 0.6, 0.4, 0.25, 0.15), with_pauses),
    "length": ("seconds", (3.0, 2.0, 1.5, 1.0, 0.7, 0.5, 0.3), shortened),
}


def drawn(corpora: Path, count: int, rng: np.random.Generator) -> list[Signal]:
    """Clips, evenly over the corpora, each from its first to its last speech."""
    folders = sorted(path for path in corpora.iterdir() if path.is_dir())
    found = []
    for folder in folders:
        files = sorted(folder.rglob("*.opus")) or sorted(folder.rglob("*.wav"))
        for number in rng.permutation(len(files))[: -(-count // len(folders))]:
            signal = read(files[number]).signal
            loud = np.flatnonzero(np.abs(signal) > 0.02 * np.abs(signal).max())
            if len(loud) and loud[-1] - loud[0] > RATE:
                found.append(signal[max(0, loud[0] - 1600) : loud[-1] + 1600])
    return found


@click.command()
@click.option("--corpora", type=FOLDER, required=True)
@click.option("--sounds", type=FOLDER, required=True)
@click.option("--responses", type=FOLDER, required=True)
@click.option("--clips", default=90, show_default=True)
@click.option("--write", is_flag=True)
def main(corpora: Path, sounds: Path, responses: Path, clips: int, write: bool) -> None:
    """Measure, print a table, and keep it."""
    rng = np.random.default_rng(0)
    signals = drawn(corpora, clips, rng)
    files = sorted(path for path in sounds.rglob("*") if path.suffix[1:].lower() in EXTENSIONS)
    noises = [read(path).signal for path in files[::20]]

    def recorded(signal: Signal, snr: float, rng: np.random.Generator) -> Signal:
        noise = noises[int(rng.integers(len(noises)))]
        return mixed(signal, np.resize(noise, len(signal)), snr)

    conditions = {**CONDITIONS, "recorded noise": ("SNR / dB", CONDITIONS["white noise"][1], recorded)}
    clean = [quality(signal) for signal in signals]
    found = {"clips": len(signals), "clean": [round(float(x), 3) for x in np.percentile(clean, [5, 25, 50, 75, 95])]}
    found["conditions"] = {}
    for name, (unit, levels, change) in conditions.items():
        rows = []
        for number, signal in enumerate(signals):
            rows.append([quality(change(signal, level, np.random.default_rng(number))) for level in levels])
        table = np.array(rows)
        falls = float(np.mean(np.all(np.diff(table, axis=1) <= SLACK, axis=1)))
        found["conditions"][name] = {
            "unit": unit,
            "levels": list(levels),
            "median": np.median(table, axis=0).round(3).tolist(),
            "low": np.percentile(table, 25, axis=0).round(3).tolist(),
            "high": np.percentile(table, 75, axis=0).round(3).tolist(),
            "steps that fall": round(float(np.mean(np.diff(table, axis=1) <= SLACK)), 3),
            "clips that only fall": round(falls, 3),
        }
        print(f"{name:15} {found['conditions'][name]}")
    rooms = {}
    for path in sorted(responses.rglob("*.wav")):
        response, rate = soundfile.read(path, always_2d=True)
        heard = read((response[:, 0].astype(np.float32), rate)).signal[: 2 * RATE]
        rooms[path.stem] = round(float(np.median([quality(convolved(signal, heard)) for signal in signals])), 3)
    found["rooms"] = rooms
    print("clean", found["clean"], "rooms", rooms)
    if write:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        draw(found)


def draw(found: dict) -> None:
    """All conditions, one panel each, into docs/quality.png."""
    figure = require("matplotlib.figure", extra="plot").Figure(figsize=(11, 6.6), layout="constrained")
    panels = figure.subplots(3, 3, sharey=True).flat
    title = f"Quality of {found['clips']} clips of nine corpora, each changed in one way"
    figure.suptitle(title, fontsize=12, x=0.01, ha="left")
    for axes, (name, rows) in zip(panels, found["conditions"].items(), strict=True):
        places = range(len(rows["levels"]))
        axes.fill_between(places, rows["low"], rows["high"], color="#56B4E9", alpha=0.4, linewidth=0)
        axes.plot(places, rows["median"], color="#0072B2", marker="o", markersize=4)
        axes.set_xticks(places, [f"{level:g}" for level in rows["levels"]], fontsize=8)
        axes.set_title(name, fontsize=10, loc="left")
        axes.set_xlabel(rows["unit"], fontsize=8)
        axes.set_ylim(0, 1.02)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    for row in range(0, 9, 3):
        figure.axes[row].set_ylabel("quality: median and middle half", fontsize=8)
    figure.savefig(FIGURE, dpi=110)


if __name__ == "__main__":
    main()
