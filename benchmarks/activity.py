"""How well speech is found: precision and recall on held-out speakers, false alarms on other sounds.

Usage: python benchmarks/activity.py --corpora FOLDER --sounds ESC-10 [--output FILE.json]

The truth is where a clean studio clip holds energy (see ``energy_truth``); the clip is then mixed with noise that the
detector has to cope with. Sounds are those of ESC-10's fold 5, which training left alone. The peer is the classical
rule: a frame is speech when it is louder than the recent noise floor and its spectrum is peaked.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from affekt.corpora import read_corpus
from affekt.data.splits import fixed_split
from affekt.models.zoo import load_model
from affekt.speech.activity import HOP, WINDOW, Activity
from affekt.speech.audio import read
from affekt.speech.augment import add_noise, coloured_noise
from affekt.speech.waveform import ActivityModel
from affekt.train.sources import noise_paths
from affekt.train.voice.activity import energy_truth

RATE = 16_000
CORPORA = ("ravdess", "savee", "emovo", "nemo", "tess")
CLIPS = 60
Score = Callable[[np.ndarray], np.ndarray]


def network_score() -> Score:
    """The model ``activity``."""
    model = load_model("activity")
    return ActivityModel(model)


def rule_score(signal: np.ndarray) -> np.ndarray:
    """Energy 9 dB above the quietest tenth of the last seconds, and a spectral flatness below 0.3."""
    frames = np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=1))[:, 2:100] ** 2 + 1e-10
    level = 10 * np.log10(power.sum(axis=1))
    floor = np.array([np.percentile(level[max(0, i - 150) : i + 150], 10) for i in range(len(level))])
    flatness = np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)
    return ((level > np.maximum(floor + 9, -35)) & (flatness < 0.3)).astype(np.float32)


def regions(score: Score, signal: np.ndarray) -> list[tuple[int, int]]:
    machine = Activity(score)
    return machine.feed(signal) + machine.flush()


def frame_counts(score: Score, signal: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Hits, false alarms, misses in frames."""
    found = np.zeros(len(truth), bool)
    for start, end in regions(score, signal):
        found[start // HOP : end // HOP] = True
    return np.array([(truth & found).sum(), (~truth & found).sum(), (truth & ~found).sum()])


def scene(path: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A clip with a second of its margin on both sides: signal and truth."""
    signal = read(path).signal
    hiss = 1e-4 * rng.standard_normal(len(signal) + 2 * RATE).astype(np.float32)
    hiss[RATE:-RATE] += signal
    truth = np.zeros((len(hiss) - WINDOW) // HOP + 1, bool)
    own = energy_truth(signal)
    truth[RATE // HOP : RATE // HOP + len(own)] = own[: len(truth) - RATE // HOP]
    return hiss, truth


def speech_rows(detectors: dict[str, Score], corpora: Path, sounds: list[np.ndarray]) -> list[dict]:
    rows = []
    for corpus in CORPORA:
        samples = fixed_split(read_corpus(corpus, corpora / corpus).samples).test
        rng = np.random.default_rng(0)
        chosen = [samples[i] for i in rng.permutation(len(samples))[:CLIPS]]
        for condition in ("clean", "20 dB below", "ESC-10 at 10 dB", "pink noise at 10 dB"):
            counts = {name: np.zeros(3) for name in detectors}
            for sample in chosen:
                signal, truth = scene(sample.path, rng)
                signal = disturbed(signal, condition, sounds, rng)
                for name, score in detectors.items():
                    counts[name] += frame_counts(score, signal, truth)
            for name, (hits, alarms, misses) in counts.items():
                precision, recall = hits / max(1, hits + alarms), hits / max(1, hits + misses)
                frames = int(hits + misses)
                rows.append({"corpus": corpus, "condition": condition, "detector": name, "precision": precision,
                             "recall": recall, "speech frames": frames})  # fmt: skip
    return rows


def disturbed(signal: np.ndarray, condition: str, sounds: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    if condition == "20 dB below":
        return signal * np.float32(0.1)
    if condition == "ESC-10 at 10 dB":
        return add_noise(signal, np.resize(sounds[int(rng.integers(len(sounds)))], len(signal)), 10.0)
    if condition == "pink noise at 10 dB":
        return add_noise(signal, coloured_noise(len(signal), 1.0, rng), 10.0)
    return signal


def alarm_rows(detectors: dict[str, Score], paths: list[str], sounds: list[np.ndarray]) -> list[dict]:
    hours = sum(map(len, sounds)) / RATE / 3600
    rows = []
    for name, score in detectors.items():
        per_class: Counter[str] = Counter()
        seconds = 0.0
        for path, sound in zip(paths, sounds, strict=True):
            found = regions(score, sound)
            per_class[Path(path).parent.name] += len(found)
            seconds += sum(end - start for start, end in found) / RATE
        rows.append({"detector": name, "hours": hours, "alarms per hour": sum(per_class.values()) / hours,
                     "share of time": seconds / hours / 3600, "by class": dict(per_class)})  # fmt: skip
    return rows


def artificial_rows(detectors: dict[str, Score]) -> list[dict]:
    """Five minutes each of artificial sounds without speech."""
    rng, n = np.random.default_rng(0), 300 * RATE
    time = np.arange(n) / RATE
    notes = rng.choice([220.0, 277.2, 329.6, 440.0, 554.4], n // 4000 + 1).repeat(4000)[:n]
    phase = 2 * np.pi * np.cumsum(notes) / RATE
    music = 0.1 * sum(np.sin(k * phase) / k for k in range(1, 6)) * np.exp(-(time % 0.25) * 6)
    signals = {
        "digital silence": np.zeros(n), "hiss at -60 dB": 1e-3 * rng.standard_normal(n),
        "white noise": 0.1 * rng.standard_normal(n), "brown noise": 0.1 * coloured_noise(n, 2.0, rng),
        "a melody of harmonic tones": music, "mains hum": 0.1 * np.sin(2 * np.pi * 50 * time),
    }  # fmt: skip
    return [
        {"signal": kind, "detector": name, "alarms per hour": 12 * len(regions(score, signal.astype(np.float32)))}
        for kind, signal in signals.items()
        for name, score in detectors.items()
    ]


def show(rows: list[dict], title: str) -> None:
    table = Table(*rows[0], title=title, title_justify="left", box=None)
    for row in rows:
        table.add_row(*(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()))
    Console(width=160).print(table, end="\n\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--sounds", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    paths = noise_paths(options.sounds, folds=("5",))
    sounds = [read(path).signal for path in paths]
    detectors = {"activity": network_score(), "energy + flatness": rule_score}
    result = {
        "speech": speech_rows(detectors, options.corpora, sounds),
        "sounds": alarm_rows(detectors, paths, sounds),
        "artificial": artificial_rows(detectors),
    }
    show(result["speech"], f"Frames of 20 ms, {CLIPS} clips of test speakers per corpus")
    show(result["sounds"], "ESC-10, fold 5")
    show(result["artificial"], "Five minutes each without speech")
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
