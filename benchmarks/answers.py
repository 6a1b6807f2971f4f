"""Answers of the engine on a folder of recordings, saved and compared: does a code change alter any?

    python benchmarks/answers.py save FOLDER before.jsonl
    python benchmarks/answers.py compare before.jsonl after.jsonl

Every segment and summary of every recording is saved unrounded, and for each tenth recording also those with the
speaker's baseline taken from the recording itself, and the events of a live stream.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from affekt import LIVE, Recognizer, read
from affekt.recognize.live import Live
from affekt.speech.audio import EXTENSIONS

TOLERANCE = 1e-6


def table(p: Any) -> dict[str, Any]:
    """A Prediction, unrounded."""
    return {
        "start": p.start,
        "end": p.end,
        "scores": dict(p.scores),
        "quality": p.quality,
        "threshold": p.threshold,
        "reason": p.reason,
    }


def answer(recognizer: Recognizer, path: Path) -> dict[str, Any]:
    """The segments and the summary of one recording, or why it cannot be read."""
    try:
        result = recognizer.analyse(str(path))
    except Exception as error:  # whatever it is, it is the answer
        return {"error": type(error).__name__}
    parts = [table(p) for p in result.predictions]
    return {"duration": result.duration, "segments": parts, "summary": table(result.summary)}


def events(live: Recognizer, path: Path) -> list[dict[str, Any]]:
    """What a live stream says of one recording fed in pieces of 80 ms, but for levels."""
    stream, signal = Live(live), read(str(path)).signal
    found = [event for i in range(0, len(signal), 1280) for event in stream.feed(signal[i : i + 1280])]
    found += stream.flush()
    return [
        {"type": e.type, "time": e.time, **(table(e.prediction) if e.prediction else {})}
        for e in found
        if e.type != "level"
    ]


def save(folder: Path, output: Path) -> None:
    """Write one line of JSON per recording."""
    plain, live = Recognizer(), Recognizer(options=LIVE)
    running = plain.with_baseline(running=True)
    paths = sorted(p for p in folder.rglob("*") if p.suffix[1:].lower() in EXTENSIONS)
    with output.open("w", encoding="utf-8") as file:
        for i, path in enumerate(paths):
            row = {"path": str(path.relative_to(folder)), "answer": answer(plain, path)}
            if i % 10 == 0:
                row |= {"running": answer(running, path), "events": events(live, path)}
            file.write(json.dumps(row) + "\n")
    print(f"{len(paths)} recordings, answers in {output}")


def numbers(value: Any) -> tuple[list[float], Any]:
    """All numbers in a tree, and the tree without them."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return [], value
    if isinstance(value, (int, float)):
        return [float(value)], "number"
    parts = [(key, *numbers(part)) for key, part in (value.items() if isinstance(value, dict) else enumerate(value))]
    return [x for _, found, _ in parts for x in found], [(key, rest) for key, _, rest in parts]


def compare(before: Path, after: Path) -> int:
    """Print what differs; 0 if nothing does by more than the tolerance."""
    sides = [[json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in (before, after)]
    old, new = ({row["path"]: row for row in side} for side in sides)
    worst, count, differing = 0.0, 0, sorted(old.keys() ^ new.keys())
    for path in old.keys() & new.keys():
        (a, shape_a), (b, shape_b) = numbers(old[path]), numbers(new[path])
        count += len(a)
        if shape_a != shape_b:
            differing.append(path)
        elif a:
            distance = float(np.abs(np.array(a) - np.array(b)).max())
            worst = max(worst, distance)
            differing += [path] * (distance > TOLERANCE)
    print(f"{len(old)} and {len(new)} recordings, {count} numbers; largest difference {worst:.2e}")
    print(f"{len(differing)} recordings differ by more than {TOLERANCE:g}", *differing[:5])
    return int(bool(differing))


if __name__ == "__main__":
    command, first, second = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    sys.exit(save(first, second) if command == "save" else compare(first, second))
