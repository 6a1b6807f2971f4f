"""Frames per second of faces in video: affekt beside Haar + mini-Xception (as the package `fer` does it) and YuNet.

Usage: python benchmarks/face/speed.py --picture PICTURE --yunet YUNET.onnx [--quick] [--output FILE.json]

PICTURE holds one face. Frames of 640 x 360 and 1280 x 720 are made of it, with one face and with ten, that move a
little, as h264. All rows of a setting run in turn in one process that may use one core, or two; ratios are of one
round. mini-Xception (Arriaga et al., 2017) has random weights: its speed does not depend on them, and ONNX Runtime is
kinder to it than the Keras of the package. Needs the extra `train`, psutil and opencv-python-headless < 5.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import av
import click
import numpy as np

from affekt.face.image import read_picture
from affekt.face.stream import frames_of
from affekt.recognize.recognizer import Recognizer

SIZES = {"640x360": (640, 360), "1280x720": (1280, 720)}
FACES = (1, 10)
MARGIN = 0.5


def face_of(picture: np.ndarray) -> np.ndarray:
    """The face of a picture, with what is around it."""
    from affekt.face.detect import Detector

    found = Detector().detect(picture)
    if len(found.boxes) != 1:
        raise click.UsageError(f"the picture holds {len(found.boxes)} faces; give one with one face.")
    left, top, width, height = found.boxes[0]
    rows = slice(max(0, int(top - MARGIN * height)), int(top + (1 + MARGIN) * height))
    return picture[rows, max(0, int(left - MARGIN * width)) : int(left + (1 + MARGIN) * width)]


def scene(face: np.ndarray, size: tuple[int, int], faces: int, step: int) -> np.ndarray:
    """A frame with so many faces, each a tenth or a third as high as the frame, shifted a little with every step."""
    from affekt.face.detect import resized

    width, height = size
    frame = np.full((height, width, 3), 96, np.uint8)
    side = round(height * (0.6 if faces == 1 else 0.36))
    small = resized(np.ascontiguousarray(face), side, round(side * face.shape[1] / face.shape[0]))
    columns = 1 if faces == 1 else 5
    for number in range(faces):
        x = round(width * (number % columns + 0.5) / columns - small.shape[1] / 2 + 6 * np.sin(step / 9 + number))
        y = round(height * (number // columns + 0.5) / -(-faces // columns) - side / 2)
        x = min(max(x, 0), width - small.shape[1])
        frame[y : y + side, x : x + small.shape[1]] = small
    return frame


def film(path: Path, face: np.ndarray, size: tuple[int, int], *, faces: int, frames: int, rate: int = 25) -> Path:
    """Such frames as a video."""
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "23"})
        track.width, track.height, track.pix_fmt = *size, "yuv420p"
        for step in range(frames):
            container.mux(track.encode(av.VideoFrame.from_ndarray(scene(face, size, faces, step), format="rgb24")))
        container.mux(track.encode())
    return path


def mini_xception(path: Path) -> Path:
    """The network of the package `fer`: 64 x 64 grey, seven labels, 58 thousand parameters."""
    import torch
    from torch import nn

    class Separable(nn.Sequential):
        def __init__(self, before: int, after: int) -> None:
            super().__init__(
                nn.Conv2d(before, before, 3, padding=1, groups=before, bias=False),
                nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after),
            )  # fmt: skip

    class Module(nn.Module):
        def __init__(self, before: int, after: int) -> None:
            super().__init__()
            self.beside = nn.Sequential(nn.Conv2d(before, after, 1, stride=2, bias=False), nn.BatchNorm2d(after))
            self.through = nn.Sequential(
                Separable(before, after), nn.ReLU(), Separable(after, after), nn.MaxPool2d(3, 2, 1)
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.beside(x) + self.through(x)

    stem = [nn.Conv2d(1, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()]  # fmt: skip
    network = nn.Sequential(
        *stem, Module(8, 16), Module(16, 32), Module(32, 64), Module(64, 128),
        nn.Conv2d(128, 7, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Softmax(1),
    ).eval()  # fmt: skip
    torch.onnx.export(
        network, (torch.zeros(2, 1, 64, 64),), str(path), input_names=["faces"], dynamo=False,
        dynamic_axes={"faces": {0: "b"}},
    )  # fmt: skip
    return path


def tasks(folder: Path, threads: int, yunet: Path) -> dict[str, Callable[[Path], object]]:
    """What is timed: name to what is done with a video."""
    import cv2
    import onnxruntime

    from affekt.face.align import crops
    from affekt.face.detect import Detector, emotion_crop, from_yunet
    from affekt.models.zoo import load_model

    cv2.setNumThreads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    xception = onnxruntime.InferenceSession(str(folder / "xception.onnx"), options, ["CPUExecutionProvider"])
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")
    recognizer, detector, network = (
        Recognizer("face", threads=threads),
        Detector(threads=threads),
        load_model("face", threads=threads),
    )

    def haar(path: Path) -> None:
        for frame in frames_of(path, rate=0):
            grey = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2GRAY)
            boxes = cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=(30, 30))
            given = [cv2.resize(grey[y : y + h, x : x + w], (64, 64)) for x, y, w, h in boxes]
            if given:
                xception.run(None, {"faces": (np.float32(given)[:, None] / 127.5 - 1)})

    def with_yunet(path: Path) -> None:
        finder = None
        for frame in frames_of(path, rate=0):
            if finder is None:
                finder = cv2.FaceDetectorYN.create(str(yunet), "", frame.pixels.shape[1::-1], 0.7)
            found = finder.detect(frame.pixels[:, :, ::-1])[1]
            if found is not None:
                given = crops(frame.pixels, emotion_crop(from_yunet(found[:, :4])), size=48, margin=1.0)
                network.run(given)

    def pixels(path: Path) -> list[np.ndarray]:
        return [frame.pixels for frame in frames_of(path, rate=0)]

    def detect(path: Path) -> list[Any]:
        return [detector.detect(frame) for frame in pixels(path)]

    return {
        "decode": pixels,
        "decode, detect": detect,
        "affekt": recognizer.with_options(rate=0).analyse,
        "Haar alt2 + mini-Xception": haar,
        "YuNet (cv2) + affekt's network": with_yunet,
    }


def measure(folder: Path, threads: int, yunet: Path, repeats: int) -> dict[str, Any]:
    """Frames per second of every task on every video, one figure per round."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    found: dict[str, Any] = {}
    todo = tasks(folder, threads, yunet)
    for path in sorted(folder.glob("*.mp4")):
        frames = len(list(frames_of(path, rate=0)))
        rates: dict[str, list[float]] = {name: [] for name in todo}
        for number in range(repeats + 1):
            for name, run in todo.items():
                start = perf_counter()
                run(path)
                if number:
                    rates[name].append(round(frames / (perf_counter() - start), 1))
        found[path.stem] = rates
    found["network, ms a face"] = network_times(threads, repeats)
    return found


def network_times(threads: int, repeats: int) -> dict[str, list[float]]:
    """Milliseconds a face of the network alone, one and ten at a time."""
    from affekt.models.zoo import load_model

    network, rng, found = load_model("face", threads=threads), np.random.default_rng(0), {}
    for count in FACES:
        faces = rng.uniform(0, 255, (count, 48, 48)).astype(np.float32)
        network.run(faces)
        times = []
        for _ in range(repeats):
            start = perf_counter()
            for _ in range(100):
                network.run(faces)
            times.append(round(10 * (perf_counter() - start) / count, 3))
        found[str(count)] = times
    return found


def memory(path: Path) -> list[float]:
    """MiB held after each tenth of a video."""
    import psutil

    process, held = psutil.Process(), []
    stream = Recognizer("face").stream()
    for number, frame in enumerate(frames_of(path, rate=0)):
        stream.feed(frame)
        if number % 1800 == 1799:
            held.append(round(process.memory_info().rss / 2**20, 1))
    stream.flush()
    return [*held, round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)]


@click.command()
@click.option("--picture", type=click.Path(exists=True, path_type=Path))
@click.option("--yunet", type=click.Path(exists=True, path_type=Path))
@click.option("--quick", is_flag=True, help="To see that it works, not to measure.")
@click.option("--output", type=click.Path(path_type=Path))
@click.option("--part", nargs=3, hidden=True)
def main(picture: Path, yunet: Path, quick: bool, output: Path | None, part: tuple[str, str, str] | None) -> None:
    """Measure frames per second and memory, and print both."""
    if part:
        what, folder, threads = part
        if what == "memory":
            print(json.dumps(memory(Path(folder))))
        else:
            print(json.dumps(measure(Path(folder), int(threads), yunet, 1 if quick else 5)))
        return
    import psutil

    busy = psutil.cpu_percent(3)
    report: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "busy_before": busy,
        "command": "python benchmarks/face/speed.py --picture PICTURE --yunet YUNET.onnx",
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        face = face_of(read_picture(picture))
        mini_xception(folder / "xception.onnx")
        for size, shape in SIZES.items():
            for faces in FACES:
                film(folder / f"{size}, {faces}.mp4", face, shape, faces=faces, frames=50 if quick else 250)
        for threads in (1, 2):
            report[f"threads {threads}"] = called("timings", folder, threads, yunet, quick)
        hour = film(folder / "hour.avi", face, (320, 180), faces=1, frames=1800 if quick else 18_000, rate=5)
        report["memory, MiB, an hour in tenths, then the peak"] = called("memory", hour, 1, yunet, quick)
    show(report)
    if output:
        output.write_text(json.dumps(report, indent=1) + "\n")


def called(what: str, where: Path, threads: int, yunet: Path, quick: bool) -> Any:
    """A part in a process of its own, which may use so many threads."""
    command = [sys.executable, __file__, "--yunet", str(yunet), "--part", what, str(where), str(threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    done = subprocess.run(command + ["--quick"] * quick, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def show(report: dict[str, Any]) -> None:
    """Print medians, and how many times as fast as each peer affekt is, within a round."""
    for threads in (1, 2):
        for video, rates in report[f"threads {threads}"].items():
            print(f"\n{video}; {threads} core" + "s" * (threads > 1))
            for name, values in rates.items():
                ratio = ""
                if "affekt" in rates and name not in ("decode", "decode, detect", "affekt"):
                    ratios = [a / b for a, b in zip(rates["affekt"], values, strict=True)]
                    ratio = f"   affekt is {statistics.median(ratios):.2f} times as fast"
                print(f"  {name:32} {statistics.median(values):8.2f}{ratio}")
    print("\nmemory", report["memory, MiB, an hour in tenths, then the peak"], "busy before:", report["busy_before"])


if __name__ == "__main__":
    main()
