"""How well and how fast faces are found: affekt's detector beside YuNet and OpenCV's Haar cascade.

Usage: python benchmarks/detector.py --photos photos_dlib --more photos --yunet YUNET.onnx [--model PATH.onnx]
       [--output benchmarks/results/detector.json]

Truth is what people drew by hand: 43 boxes around faces in dlib's example photos. Boxes count as found from an
intersection over union of 0.5. The photos are scaled so that the median face has a given side, and turned about their
centre; a turned box keeps its size, as faces are about as wide as high. Haar needs opencv-python-headless < 5.
Times are of one core, whole calls: resizing, network, suppression.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import numpy as np

from affekt.face.detect import DetectOptions, Detector, Faces, resized
from affekt.train.face.detector_evaluate import Matches, joined, match

Find = Callable[[np.ndarray], Faces]
SIDES, TURNS = (64, 32, 18, 13), (-30, -15, 15, 30)
FRAMES = ((360, 640), (720, 1280))
REPEATS = 40
YUNET = "YuNet, mapped"


def read(path: Path) -> np.ndarray:
    """A picture as uint8 RGB (h, w, 3)."""
    with av.open(str(path)) as container:
        return np.ascontiguousarray(next(container.decode(video=0)).to_ndarray(format="rgb24"))


def photos_of(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """dlib's photos and the boxes drawn in them, (k, 4): left, top, width, height."""
    found = []
    for name in ("training.xml", "testing.xml"):
        path = next(folder.rglob(name))
        for image in ElementTree.parse(path).iter("image"):
            boxes = [[float(box.get(key)) for key in ("left", "top", "width", "height")] for box in image.iter("box")]
            found.append((read(path.parent / image.get("file")), np.float32(boxes)))
    return found


def haar(parameters: dict[str, Any]) -> Find | None:
    """OpenCV's cascade alt2, or None where OpenCV is not installed."""
    try:
        import cv2
    except ImportError:
        return None
    cv2.setNumThreads(1)
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")

    def find(image: np.ndarray) -> Faces:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        boxes = np.float32(cascade.detectMultiScale(grey, **parameters)).reshape(-1, 4)
        scores = np.ones(len(boxes), np.float32)
        return Faces(boxes, np.full((len(boxes), 5, 2), np.nan, np.float32), scores, scores[:, None])

    return find


def scaled(image: np.ndarray, boxes: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    height, width = (max(32, round(side * scale)) for side in image.shape[:2])
    return resized(image, height, width), boxes * np.float32(scale)


def turned(image: np.ndarray, boxes: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """The photo turned about its centre on a canvas that holds all of it."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    size = np.array(image.shape[1::-1])
    canvas = np.ceil(np.abs(turn) @ size).astype(int)
    y, x = np.indices(canvas[::-1])
    at = np.stack([x + 0.5, y + 0.5], axis=2) - canvas / 2
    source = at @ turn + size / 2 - 0.5  # the transpose is the inverse
    low = np.floor(source).astype(int)
    share = (source - low)[..., None]
    inside = ((source > -1) & (source < size)).all(axis=2)

    def pixels(dx: int, dy: int) -> np.ndarray:
        columns = np.clip(low[..., 0] + dx, 0, size[0] - 1)
        return image[np.clip(low[..., 1] + dy, 0, size[1] - 1), columns].astype(float)

    above = pixels(0, 0) * (1 - share[:, :, 0]) + pixels(1, 0) * share[:, :, 0]
    below = pixels(0, 1) * (1 - share[:, :, 0]) + pixels(1, 1) * share[:, :, 0]
    picture = (above * (1 - share[:, :, 1]) + below * share[:, :, 1]) * inside[..., None]
    centre = (boxes[:, :2] + boxes[:, 2:] / 2 - size / 2) @ turn.T + canvas / 2
    return np.rint(picture).astype(np.uint8), np.float32(np.hstack([centre - boxes[:, 2:] / 2, boxes[:, 2:]]))


def cell(matches: Matches) -> dict[str, list[float]]:
    """Precision and recall, each with its 95 % interval and n."""
    return {"precision": list(matches.precision()), "recall": list(matches.recall())}


def figures(find: Find, photos: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """Precision and recall as taken, by size and by turn."""
    sides = np.concatenate([np.sqrt(boxes[:, 2] * boxes[:, 3]) for _, boxes in photos])
    found = {"as taken": cell(joined([match(find(image), boxes) for image, boxes in photos]))}
    for side in SIDES:
        small = [scaled(image, boxes, side / float(np.median(sides))) for image, boxes in photos]
        found[f"median face {side} px"] = cell(joined([match(find(image), boxes) for image, boxes in small]))
    for degrees in TURNS:
        askew = [turned(image, boxes, degrees) for image, boxes in photos]
        found[f"turned {degrees:+d} degrees"] = cell(joined([match(find(image), boxes) for image, boxes in askew]))
    return found


def milliseconds(finders: dict[str, Find], image: np.ndarray) -> dict[str, dict[str, dict[str, float]]]:
    """Median and least time of a call for each detector and size, and the median ratio to YuNet's.

    Detectors take turns, so that other load on the machine slows all of them alike.
    """
    found: dict[str, dict[str, dict[str, float]]] = {name: {} for name in finders}
    for height, width in FRAMES:
        frame, times = resized(image, height, width), {name: [] for name in finders}
        for _ in range(REPEATS + 1):
            for name, find in finders.items():
                started = time.perf_counter()
                find(frame)
                times[name].append(1000 * (time.perf_counter() - started))
        for name, one in times.items():
            one = np.array(one[1:])  # the first call of each warms it up
            cell = {"median": float(np.median(one)), "least": float(one.min())}
            if YUNET in times:
                cell["to yunet"] = float(np.median(one / np.array(times[YUNET][1:])))
            found[name][f"{width}x{height}"] = cell
    return found


def detectors(model: str, yunet: Path | None) -> dict[str, tuple[Find, Find]]:
    """Name to what finds faces in photos, down to 13 px, and what is timed: every setting is the default there."""
    plain, fine = Detector(model).detect, Detector(model, DetectOptions(smallest=8.0)).detect
    found = {
        "affekt": (Detector(model, DetectOptions(smallest=16.0)).detect, plain),
        "affekt, smallest=8": (fine, fine),
    }
    if yunet:
        teacher = Detector(yunet, DetectOptions(threshold=0.6)).detect
        found[YUNET] = (teacher, teacher)
    if find := haar({"scaleFactor": 1.1, "minNeighbors": 3}):
        found["Haar alt2"] = (find, haar({"scaleFactor": 1.1, "minNeighbors": 3, "minSize": (24, 24)}))
    return found


def own_threshold(model: str) -> float:
    """The threshold on the card, chosen on mosaics of pictures held out."""
    from affekt.models.onnx import read_card
    from affekt.models.zoo import model_path

    return read_card(model_path(model)).threshold


def table(report: dict[str, Any]) -> str:
    """The report in Markdown: precision / recall, and milliseconds."""
    names = list(report["detectors"])
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for row in next(iter(report["detectors"].values()))["found"]:
        cells = [report["detectors"][name]["found"][row] for name in names]
        lines.append(
            f"| {row} | " + " | ".join(f"{c['precision'][0]:.2f} / {c['recall'][0]:.2f}" for c in cells) + " |"
        )
    for size in ("640x360", "1280x720"):
        cells = [report["detectors"][name]["milliseconds"][size] for name in names]
        lines.append(
            f"| ms at {size}, wall median / least | "
            + " | ".join(f"{c['median']:.1f} / {c['least']:.1f}" for c in cells)
            + " |"
        )
    if YUNET in names:
        for size in ("640x360", "1280x720"):
            ratios = [report["detectors"][name]["milliseconds"][size]["to yunet"] for name in names]
            lines.append(f"| times YuNet's at {size} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")
    for photo in next(iter(report["detectors"].values()))["faces"]:
        lines.append(
            f"| faces in {photo} | " + " | ".join(str(report["detectors"][n]["faces"][photo]) for n in names) + " |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--more", type=Path, required=True)
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--model", default="detector")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "detector.json")
    arguments = parser.parse_args()
    photos = photos_of(arguments.photos)
    more = {path.name: read(path) for path in sorted(arguments.more.glob("*.jpg"))}
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"processor": platform.machine(), "python": platform.python_version()},
        "threshold": own_threshold(arguments.model),
        "faces": sum(len(boxes) for _, boxes in photos),
        "detectors": {},
    }
    finders = detectors(arguments.model, arguments.yunet)
    times = milliseconds({name: timed for name, (_, timed) in finders.items()}, photos[0][0])
    for name, (find, timed) in finders.items():
        report["detectors"][name] = {
            "found": figures(find, photos),
            "milliseconds": times[name],
            "faces": {photo: len(timed(image)) for photo, image in more.items()},
        }
    print(table(report))
    arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
