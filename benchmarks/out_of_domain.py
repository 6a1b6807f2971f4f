"""What a model says about sounds without speech: silence, unsure, or a label it is sure of.

Usage: python benchmarks/out_of_domain.py --sounds ESC-10 [--model FILE.onnx] [--threshold 0.7] [--output FILE.json]

Sounds are those of ESC-10's fold 5, which training left alone, and made ones: silence, noises and tones at
several levels. The right answer to each is that nobody speaks. Intervals are those of Clopper and Pearson, over sounds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from affekt.metrics.selective import lower_bound
from affekt.recognize.recognizer import Recognizer
from affekt.speech.augment import coloured_noise
from affekt.train.sources import noise_paths

RATE, SECONDS = 16_000, 5
LEVELS = (-50, -30, -10)  # dB below full scale
TONES = (110, 220, 440, 880, 1760)  # hertz
ANSWERS = ("no speech", "unsure", "sure")


def made_sounds(rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Names and signals (n,) at 16 kHz."""
    time = np.arange(SECONDS * RATE) / RATE
    yield "silence", np.zeros(len(time), np.float32)
    for level in LEVELS:
        gain = 10 ** (level / 20)
        for power, colour in enumerate(("white", "pink", "brown")):
            for _ in range(4):
                noise = coloured_noise(len(time), power, rng)
                yield f"{colour} noise", (gain * noise / np.abs(noise).max()).astype(np.float32)
        for frequency in TONES:
            tone = np.sin(2 * np.pi * frequency * time)
            harmonics = sum(np.sin(2 * np.pi * k * frequency * time) / k for k in range(1, 8) if k * frequency < 8000)
            yield "pure tone", (gain * tone).astype(np.float32)
            yield "harmonic tone", (gain * harmonics / np.abs(harmonics).max()).astype(np.float32)


def answers_of(recognizer: Recognizer, sounds: list[tuple[str, object]]) -> dict[str, dict[str, int]]:
    """Kind of sound to how many got each answer, for the recording as a whole."""
    table: dict[str, dict[str, int]] = {}
    for kind, source in sounds:
        summary = recognizer.analyse(source).summary  # type: ignore[arg-type]
        answer = "no speech" if not summary.scores else "unsure" if summary.unsure else "sure"
        counts = table.setdefault(kind, dict.fromkeys(ANSWERS, 0))
        counts[answer] += 1
    return table


def share(count: int, n: int) -> str:
    """A share with its two-sided 95 % interval."""
    low = lower_bound(count, n, error=0.025)
    high = 1 - lower_bound(n - count, n, error=0.025)
    return f"{count / n:.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    """Parse, listen, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", type=Path, required=True, help="Folder of ESC-10.")
    parser.add_argument("--model", default="voice")
    parser.add_argument("--threshold", type=float, help="Instead of the card's.")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    recognizer = Recognizer(args.model, threshold=args.threshold)
    paths = noise_paths(args.sounds, folds=("5",))
    recorded = [(f"ESC-10 {Path(path).parent.name[4:].replace('_', ' ').lower()}", path) for path in paths]
    made = [(kind, (signal, RATE)) for kind, signal in made_sounds(np.random.default_rng(0))]
    counts = answers_of(recognizer, recorded + made)
    for name, kinds in {
        "ESC-10, fold 5, all": [kind for kind in counts if kind.startswith("ESC-10")],
        "made sounds, all": [kind for kind in counts if not kind.startswith("ESC-10")],
    }.items():
        counts[name] = {answer: sum(counts[kind][answer] for kind in kinds) for answer in ANSWERS}
    screen = Table("sounds", "n", *ANSWERS, title=f"{recognizer.card.name}, threshold {recognizer.threshold:g}")
    for kind, row in counts.items():
        n = sum(row.values())
        screen.add_row(kind, str(n), *(share(row[answer], n) for answer in ANSWERS))
    Console(width=120).print(screen)
    if args.output:
        result = {"model": recognizer.card.name, "threshold": recognizer.threshold, "sounds": counts}
        args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
