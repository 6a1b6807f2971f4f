"""What `quality` says of real clips that are made worse step by step: a figure and a table.

Usage: python benchmarks/quality.py --corpora FOLDER --sounds ESC-10 --responses ROOMS [--clips 12] [--write]

FOLDER holds corpora under their names. Of each, clips are drawn evenly over the labels; of each clip up to 3 s of
speech are taken, as the speech activity finds them. With --write the figure becomes docs/quality.png and the numbers
benchmarks/results/quality.json. A band is from the 10th to the 90th percentile of the clips.
"""

from __future__ import annotations

import argparse
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import soxr
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from affekt.corpora import CORPORA, read_corpus
from affekt.data.splits import draw_evenly
from affekt.evaluate.stress import babble, cut
from affekt.models.zoo import load_model
from affekt.plot.style import FAINT, HUES, blank_figure, plain_axes
from affekt.speech.activity import Activity
from affekt.speech.audio import read
from affekt.speech.augment import Step, apply_steps
from affekt.speech.quality import NAMES, RATING, window_measures
from affekt.speech.waveform import ActivityModel
from affekt.train.sources import noise_paths, response_paths

Signal = NDArray[np.float32]
RATE, LONGEST = 16_000, 3
#: Quality may rise by this much from one level to the next and still counts as falling.
TOLERANCE = 0.02
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, eq=False)
class Clip:
    """Some seconds of speech (n,) at 16 kHz, and sounds of its own to mix with."""

    corpus: str
    signal: Signal
    sound: Signal
    voices: Signal
    room: Signal


@dataclass(frozen=True)
class Degradation:
    """One way to make a clip worse: its levels from mild to strong, and what each does."""

    title: str
    unit: str
    levels: tuple[Any, ...]
    apply: Callable[[Clip, Any], Signal]


def changed(name: str, **parameters: Any) -> Callable[[Clip], Signal]:
    """One change of :data:`affekt.speech.augment.CHANGES`."""
    return lambda clip: apply_steps(clip.signal, RATE, [Step(name, parameters)])


def noisy(clip: Clip, noise: Signal, snr: float) -> Signal:
    step = Step("noise", {"snr": snr, "colour": "recorded", "seed": 0})
    return apply_steps(clip.signal, RATE, [step], sounds=[noise])


def in_room(clip: Clip, share: float) -> Signal:
    """So many per cent of a recorded room, the rest dry: the microphone goes away from the speaker."""
    step = Step("reverb", {"room": "recorded", "rt60": 1.0, "direct": 0.0, "seed": 0})
    wet = apply_steps(clip.signal, RATE, [step], responses=[clip.room])
    return np.float32(1 - share / 100) * clip.signal + np.float32(share / 100) * wet


def telephone(clip: Clip, coding: str) -> Signal:
    """8 kHz, and back through mu-law (G.711) or AMR (3GPP TS 26.071) at so many kbit/s."""
    narrow = soxr.resample(clip.signal / np.float32(max(1.0, np.abs(clip.signal).max())), RATE, 8_000)
    if coding == "µ-law":
        steps = np.round(127 * np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256))
        coded = np.sign(steps) * np.expm1(np.abs(steps) / 127 * np.log(256)) / 255
    else:
        coded = through_amr(narrow, float(coding.split()[-1]))
    return soxr.resample(coded, 8_000, RATE).astype(np.float32)[: len(clip.signal)]


def through_amr(narrow: Signal, kbps: float) -> NDArray[np.float64]:
    """There and back, in memory."""
    av.logging.set_level(av.logging.PANIC)
    file = io.BytesIO()
    with av.open(file, "w", format="amr") as output:
        stream: Any = output.add_stream("libopencore_amrnb", rate=8_000)
        stream.layout, stream.bit_rate = "mono", round(1000 * kbps)
        frame = av.AudioFrame.from_ndarray((32767 * narrow).astype(np.int16)[None], "s16", "mono")
        frame.sample_rate = 8_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            output.mux(packet)
    file.seek(0)
    with av.open(file, "r") as coded:
        return np.concatenate([part.to_ndarray().ravel() for part in coded.decode(audio=0)]).astype(np.float64)


def middle(signal: Signal) -> float:
    """Time at the centre of the energy, in seconds."""
    energy = np.square(signal.astype(np.float64))
    return float(energy @ np.arange(len(energy)) / energy.sum()) / RATE


RATIOS, DECIBELS = (30, 20, 15, 10, 5, 0, -5), "SNR / dB"
DEGRADATIONS: dict[str, Degradation] = {
    "noise": Degradation(
        "white noise",
        DECIBELS,
        RATIOS,
        lambda c, x: changed("noise", snr=float(x), colour="white", seed=len(c.signal))(c),
    ),
    "sounds": Degradation("recorded sounds", DECIBELS, RATIOS, lambda c, x: noisy(c, c.sound, float(x))),
    "babble": Degradation("babble of 6 others", DECIBELS, RATIOS, lambda c, x: noisy(c, c.voices, float(x))),
    "reverb": Degradation(
        "synthetic room",
        "RT60 / s",
        (0.2, 0.4, 0.6, 0.8, 1.2, 1.6),
        lambda c, x: changed("reverb", room="synthetic", rt60=x, direct=0.0, seed=len(c.signal))(c),
    ),
    "rooms": Degradation("recorded rooms", "share of the room / %", (25, 50, 100), in_room),
    "band": Degradation(
        "low-pass", "edge / kHz", (7, 6, 5, 4, 3, 2, 1), lambda c, x: changed("band", low=0.0, high=1000.0 * x)(c)
    ),
    "clipping": Degradation(
        "clipping", "clipped samples / %", (0.1, 1, 3, 10, 20, 30), lambda c, x: changed("clipping", share=x / 100)(c)
    ),
    "length": Degradation(
        "length", "seconds", (2, 1.5, 1, 0.75, 0.5, 0.25, 0.1), lambda c, x: cut(c.signal, x, middle(c.signal))
    ),
    "opus": Degradation("Opus", "kbit/s", (24, 16, 12, 10, 8), lambda c, x: changed("codec", codec="opus", kbps=x)(c)),
    "mp3": Degradation("MP3", "kbit/s", (64, 48, 32, 24, 16, 8), lambda c, x: changed("codec", codec="mp3", kbps=x)(c)),
    "telephone": Degradation("telephone", "", ("µ-law", "AMR 12.2", "AMR 7.4", "AMR 4.75"), telephone),
}


def stretches(path: str, activity: ActivityModel) -> Iterator[Signal]:
    """The longest stretch of speech of a recording, up to 3 s around the middle of its energy."""
    signal = read(path).signal
    found = Activity(activity)
    regions = [*found.feed(signal), *found.flush()]
    if regions:
        start, end = max(regions, key=lambda region: region[1] - region[0])
        yield cut(signal[start:end], LONGEST, middle(signal[start:end]))


def draw_clips(args: argparse.Namespace) -> list[Clip]:
    """So many clips of each corpus, each with a sound, a babble and a room of its own."""
    activity = ActivityModel(load_model("activity"))
    found: list[tuple[str, Signal]] = []
    for name in sorted(CORPORA):
        if (args.corpora / name).is_dir():
            samples = [s for s in read_corpus(name, args.corpora / name).samples if s.label is not None]
            for sample in draw_evenly(samples, args.clips, np.random.default_rng(0)):
                found += [(name, signal) for signal in stretches(sample.path, activity)]
    sounds = [read(path).signal for path in noise_paths(args.sounds)[:: args.sound_step]]
    rooms = [read(path).signal for path in response_paths(args.responses, held_out="")]
    rng = np.random.default_rng(1)
    clips = []
    for i, (name, signal) in enumerate(found):
        others = [other for corpus, other in found if corpus != name]
        # Sounds come with silence around them: the loudest stretch of the length of the clip.
        sound = np.resize(sounds[i % len(sounds)], max(len(sounds[i % len(sounds)]), len(signal)))
        loud = cut(sound, len(signal) / RATE, middle(sound))
        clips.append(Clip(name, signal, loud, babble(others, len(signal), rng), rooms[i % len(rooms)]))
    return clips


def measured(signals: Sequence[Signal]) -> NDArray[np.float64]:
    """Measures of each signal as a whole: (n, m)."""
    return np.concatenate([window_measures(s, max(1, len(s)), 1, 1) for s in signals])


def evaluate(clips: Sequence[Clip]) -> dict[str, Any]:
    """Quality of the clips, clean and at each level, and for how many it falls at every level."""
    clean = measured([clip.signal for clip in clips])
    found: dict[str, Any] = {"clips": len(clips), "clean": summed(clean), "corpora": {}, "degradations": {}}
    for name in dict.fromkeys(clip.corpus for clip in clips):
        found["corpora"][name] = summed(clean[[clip.corpus == name for clip in clips]])
    for name, way in DEGRADATIONS.items():
        tables = {level: measured([way.apply(clip, level) for clip in clips]) for level in way.levels}
        steps = np.diff([RATING.qualities(table) for table in (clean, *tables.values())], axis=0)
        found["degradations"][name] = {
            "falls": round(float((steps <= TOLERANCE).all(axis=0).mean()), 3),
            "levels": {str(level): summed(table) for level, table in tables.items()},
        }
    return found


def summed(table: NDArray[np.float64]) -> dict[str, Any]:
    """Mean quality of clips with measures (n, m), its percentiles, medians of the measures, and what is named worst."""
    qualities = RATING.qualities(table)
    worst = Counter(NAMES[i] for i in RATING.shares(table).argmin(axis=1))
    low, median, high = np.percentile(qualities, [10, 50, 90]).round(3).tolist()
    return {
        "quality": round(float(qualities.mean()), 3),
        "low": low,
        "median": median,
        "high": high,
        "measures": dict(zip(NAMES, np.median(table, axis=0).round(3).tolist(), strict=True)),
        "worst": worst.most_common(1)[0][0],
    }


def draw(found: dict[str, Any]) -> Any:
    """A panel for each degradation, and one for the corpora."""
    figure = blank_figure((11, 8), dpi=150)
    axes = figure.subplots(3, 4, sharey=True).ravel()
    for ax, (name, way) in zip(axes, DEGRADATIONS.items(), strict=False):
        entry = found["degradations"][name]
        rows = {"clean": found["clean"], **entry["levels"]}
        panel(ax, f"{way.title}\nfalls for {entry['falls']:.0%} of clips", way.unit, rows, line=True)
    panel(axes[-1], "clean clips by corpus\n", "", found["corpora"], line=False)
    for ax in axes[::4]:
        ax.set_ylabel("quality, 0 to 1", fontsize=9)
    figure.suptitle(
        f"Quality of {found['clips']} real clips as they are made worse: mean, and 10th to 90th percentile", fontsize=12
    )
    return figure


def panel(ax: Any, title: str, unit: str, rows: dict[str, Any], *, line: bool) -> None:
    """Mean and band over the names of rows."""
    plain_axes(ax, (3, 3))
    places = np.arange(len(rows))
    mean, low, high = ([row[key] for row in rows.values()] for key in ("quality", "low", "high"))
    if line:
        ax.fill_between(places, low, high, color=HUES[1], alpha=0.4, linewidth=0)
        ax.plot(places, mean, color=HUES[0], marker="o", markersize=3)
    else:
        ax.vlines(places, low, high, color=HUES[1], linewidth=5)
        ax.plot(places, mean, color=HUES[0], marker="o", markersize=4, linestyle="")
    slanted = any(len(name) > 5 for name in rows)
    ax.set_xticks(places, list(rows), rotation=40 if slanted else 0, ha="right" if slanted else "center")
    ax.set_title(title, fontsize=9)
    ax.set_xlabel(unit, fontsize=9)
    ax.set_ylim(-0.02, 1.02)
    ax.grid(axis="y", color=FAINT, linewidth=0.4)


def show(found: dict[str, Any]) -> None:
    table = Table(title=f"quality of {found['clips']} clips")
    for head in ("", "level", "mean", "10 %", "median", "90 %", "worst", "falls for"):
        table.add_column(head)
    groups = {"clean": {"": found["clean"]}, "clean by corpus": found["corpora"]}
    falls = {}
    for name, entry in found["degradations"].items():
        groups[name], falls[name] = entry["levels"], f"{entry['falls']:.0%}"
    for name, rows in groups.items():
        for i, (level, row) in enumerate(rows.items()):
            numbers = (f"{row[key]:.2f}" for key in ("quality", "low", "median", "high"))
            table.add_row("" if i else name, level, *numbers, row["worst"], "" if i else falls.get(name, ""))
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--corpora", type=Path, required=True, help="folder of corpora, each under its name")
    parser.add_argument("--sounds", type=Path, required=True, help="folder of recorded sounds, such as ESC-10")
    parser.add_argument("--responses", type=Path, required=True, help="folder of impulse responses of rooms")
    parser.add_argument("--clips", type=int, default=12, help="of each corpus")
    parser.add_argument("--sound-step", type=int, default=7, help="of the sounds, every so many-th")
    parser.add_argument("--write", action="store_true", help="write docs/quality.png and results/quality.json")
    args = parser.parse_args()
    found = evaluate(draw_clips(args))
    show(found)
    if args.write:
        text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
        (ROOT / "benchmarks" / "results" / "quality.json").write_text(text, encoding="utf-8")
        draw(found).savefig(ROOT / "docs" / "quality.png")


if __name__ == "__main__":
    main()
