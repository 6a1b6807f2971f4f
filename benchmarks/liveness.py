"""How often a still photo passes for a live face, and whether live faces do.

Usage: python benchmarks/liveness.py --orl ORL --videos FOLDER [--output benchmarks/results/liveness.json]

A still photo is held before a camera: it moves, nears, tilts and is turned about its vertical axis (a plane in
perspective, up to 30 degrees), under light that changes and noise, for six seconds at ten frames per second. People 1
to 20 of AT&T's faces (ORL) were looked at when the limits were chosen; people 21 to 40 were not. Living faces are the
two clips at hand, so that whether people pass in time is hardly known.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from affekt.attendance.gallery import wilson
from affekt.attendance.liveness import Liveness
from affekt.face.detect import Detector
from affekt.face.identity import open_embedder
from affekt.face.image import read_picture
from affekt.face.sightings import Watch, Watcher
from affekt.face.stream import frames_of

START, RATE, SECONDS = datetime(2026, 1, 1, tzinfo=UTC), 10, 6
CHALLENGES = ("blink", "turn", "any")


def held(photo: np.ndarray, rng: np.random.Generator, *, turned: float) -> list[np.ndarray]:
    """Frames (240, 320, 3) of a photo held in a hand; ``turned`` is how far it is swung about its vertical axis."""
    time = np.arange(RATE * SECONDS) / RATE
    sway = [
        rng.uniform(0.5, 1) * np.sin(2 * np.pi * rng.uniform(0.1, 0.5) * time + rng.uniform(0, 6)) for _ in range(5)
    ]
    image, frames = Image.fromarray(photo), []
    height, width = photo.shape[:2]
    for x, y, near, tilt, swing in np.stack(sway, axis=1):
        angle, yaw, scale = np.radians(4 * tilt), np.radians(turned * swing), 1.7 * (1 + 0.08 * near)
        # Corners of the photo in space, one and a half widths away, on the picture.
        corners = np.array([(-width, -height), (width, -height), (width, height), (-width, height)]) * scale / 2
        depth = 1 + corners[:, 0] * np.sin(yaw) / (1.5 * width * scale)
        flat = np.column_stack([corners[:, 0] * np.cos(yaw), corners[:, 1]]) / depth[:, None]
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        places = flat @ turn.T + (160 + 12 * x, 120 + 8 * y)
        source = [(0, 0), (width, 0), (width, height), (0, height)]
        system, goal = [], []
        for (u, v), (px, py) in zip(source, places, strict=True):
            system += [[px, py, 1, 0, 0, 0, -u * px, -u * py], [0, 0, 0, px, py, 1, -v * px, -v * py]]
            goal += [u, v]
        found = image.transform((320, 240), Image.Transform.PERSPECTIVE, np.linalg.solve(system, goal).tolist(),
                                Image.Resampling.BILINEAR, fillcolor=(96, 96, 96))  # fmt: skip
        light = 1 + 0.06 * np.sin(near * 3)
        noisy = np.asarray(found, np.float64) * light + rng.normal(0, 3, (240, 320, 1))
        frames.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return frames


def outcomes(watcher: Watcher, frames: list[tuple[float, np.ndarray]]) -> tuple[dict[str, float | None], list[tuple]]:
    """Challenge to the seconds after which a track met it, None for never; and what was measured."""
    tracks: dict[str, dict[str, Liveness]] = {}
    found: dict[str, float | None] = dict.fromkeys(CHALLENGES)
    measures = []
    for seconds, pixels in frames:
        for sighting in watcher.look(pixels, seconds):
            measures.append((sighting.turn, sighting.openness))
            own = tracks.setdefault(sighting.track, {name: Liveness(name) for name in CHALLENGES})
            for name, live in own.items():
                if live.feed(sighting.turn, sighting.openness, START + timedelta(seconds=seconds)):
                    found[name] = seconds if found[name] is None else found[name]
    return found, measures


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orl", type=Path, required=True)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--photos", type=int, default=3, help="of each person")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    detector, embedder, rng = Detector(), open_embedder(), np.random.default_rng(0)

    def watcher() -> Watcher:
        return Watcher(detector, embedder, Watch(wanted=lambda track, time: 0.0, signs=True))

    found: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "seconds": SECONDS, "rate": RATE}
    for turned in (0, 30):
        for people in (range(1, 21), range(21, 41)):
            passed: dict[str, dict[int, list[bool]]] = {name: {} for name in CHALLENGES}
            spans = []
            for person in people:
                for number in range(1, options.photos + 1):
                    photo = read_picture(options.orl / f"s{person}" / f"{number}.pgm")
                    frames = [(i / RATE, frame) for i, frame in enumerate(held(photo, rng, turned=turned))]
                    result, measures = outcomes(watcher(), frames)
                    if measures:
                        spans.append(np.ptp(np.sort([m[0] for m in measures])[1:-1]))
                    for name, seconds in result.items():
                        passed[name].setdefault(person, []).append(seconds is not None)
            rates = {
                name: wilson(float(np.mean([np.mean(v) for v in own.values()])), len(own), sum(map(len, own.values())))
                for name, own in passed.items()
            }
            key = f"still photos, swung by {turned} degrees, people {min(people)} to {max(people)}"
            found[key] = {name: [r.value, r.low, r.high, r.n] for name, r in rates.items()}
            found[key]["turn seen, 50 and 95 %"] = [float(q) for q in np.quantile(spans, [0.5, 0.95])]
            print(key, json.dumps(found[key]), flush=True)
    for path in sorted(options.videos.glob("*.mp4")):
        frames = [(frame.time, frame.pixels) for frame in frames_of(path, rate=25)]
        result, measures = outcomes(watcher(), frames)
        turns = [m[0] for m in measures]
        found[f"clip {path.stem}"] = {"met after seconds": result, "turn from and to": [min(turns), max(turns)]}
        print(path.stem, json.dumps(found[f"clip {path.stem}"]))
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
