"""The timings with one number of threads. Called by speed.py in a fresh process: timings.py FOLDER THREADS.

Reads what material.py wrote; writes FOLDER/timings-THREADS.json: name to seconds per hour of audio, one per round.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import numpy as np
import peers
from numpy.typing import NDArray

from affekt.labels import LabelMap
from affekt.models.onnx import Model
from affekt.models.zoo import load_model
from affekt.recognize.recognizer import Recognizer
from affekt.speech.activity import Activity
from affekt.speech.audio import blocks, read
from affekt.speech.stream import open_speech
from affekt.speech.waveform import ActivityModel, VoiceModel

RATE = 16_000


@dataclass(frozen=True)
class Task:
    """Something to time, and how many seconds of audio it works through."""

    run: Callable[[], object]
    seconds: float


def main(folder: Path, threads: int) -> None:
    pin(threads)
    settings = json.loads((folder / "settings.json").read_text())
    tasks = {**stages(folder, threads), **recordings(folder, threads), **others(folder, threads, settings)}
    times = measure(tasks, settings["repeats"])
    (folder / f"timings-{threads}.json").write_text(json.dumps(times))


def pin(threads: int) -> None:
    """One thread means one core, where the system can be told so."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def measure(tasks: dict[str, Task], repeats: int) -> dict[str, list[float]]:
    """Seconds per hour of audio, one per round.

    Every round runs every task once: a machine that slows down on the way
    slows down all of them, and ratios within a round stay valid.
    """
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(repeats + 1):
        print(f"  round {number} of {repeats}" + " (warm-up)" * (number == 0), file=sys.stderr)
        for name, task in tasks.items():
            start = perf_counter()
            task.run()
            elapsed = perf_counter() - start
            if number:
                times[name].append(elapsed * 3600 / task.seconds)
    return times


def stages(folder: Path, threads: int) -> dict[str, Task]:
    """The parts that a recording goes through in affekt."""
    path = folder / "speech-16k.wav"
    signal = read(path).signal
    activity = load_model("activity", threads=threads)
    runs: dict[str, Callable[[], object]] = {
        "decode": lambda: [None for _ in blocks(path)],
        "activity": lambda: detect(signal, activity),
    }
    for row, name in {"model": "voice", "small model": "voice-small"}.items():
        voice, pieces = VoiceModel(load_model(name, threads=threads)), pieces_of(signal, name, threads)
        runs[row] = lambda voice=voice, pieces=pieces: [voice.run(piece) for piece in pieces]
    if (folder / "front-end.onnx").exists():  # of voice-small, whose pieces come last
        front = peers.session_of(folder / "front-end.onnx", threads)
        runs["front end"] = lambda: [front.run(None, {"signal": piece}) for piece in pieces]
    return {name: Task(run, len(signal) / RATE) for name, run in runs.items()}


def detect(signal: NDArray[np.float32], model: Model) -> None:
    """Speech activity, fed second by second as the stream does it."""
    activity = Activity(ActivityModel(model))
    for start in range(0, len(signal), RATE):
        activity.feed(signal[start : start + RATE])
    activity.flush()


def pieces_of(signal: NDArray[np.float32], name: str, threads: int) -> list[NDArray[np.float32]]:
    """The signals (1, n) that a stream really runs a model on: pieces with their context."""
    pieces: list[NDArray[np.float32]] = []

    class Spy(VoiceModel):
        """A model that keeps what it is run on."""

        def run(self, signal: NDArray[np.float32], *rest: NDArray[np.float32] | None) -> tuple[NDArray, ...]:
            pieces.append(signal.copy())
            return super().run(signal, *rest)

    model = load_model(name, threads=threads)
    labels = LabelMap({label: (label,) for label in model.card.labels})
    setup = open_speech(model, labels, threshold=0.0, threads=threads)
    stream = replace(setup, network=Spy(model)).stream()
    stream.feed(signal)
    stream.flush()
    return pieces


def recordings(folder: Path, threads: int) -> dict[str, Task]:
    """Recordings in, results out: all of affekt, with the models open."""
    recognizer = Recognizer(threads=threads)
    files = ["speech-16k.wav", "speech-48k.wav", "speech.m4a", "speech.opus"]
    seconds = recognizer.analyse(folder / files[0]).duration
    tasks = {name: Task(lambda path=folder / name: recognizer.analyse(path), seconds) for name in files}
    small = Recognizer("voice-small", threads=threads)
    tasks["small"] = Task(lambda: small.analyse(folder / files[0]), seconds)
    for name in ("clips-16k", "clips-48k"):
        paths = sorted((folder / name).iterdir())
        tasks[name] = Task(lambda paths=paths: [recognizer.analyse(path) for path in paths], 3.0 * len(paths))
    return tasks


def others(folder: Path, threads: int, settings: dict[str, float]) -> dict[str, Task]:
    """The peers that are installed."""
    signal = read(folder / "speech-16k.wav").signal[: round(settings["peer_minutes"] * 60 * RATE)]
    seconds, tasks = len(signal) / RATE, {}
    if find_spec("librosa"):
        for name in ("16k", "48k"):
            paths = sorted((folder / f"clips-{name}").iterdir())
            run = lambda paths=paths: [peers.librosa_features(path) for path in paths]  # noqa: E731
            tasks[f"librosa-{name}"] = Task(run, 3.0 * len(paths))
    if (folder / "wav2vec2.onnx").exists():
        session = peers.session_of(folder / "wav2vec2.onnx", threads)
        part = signal[: round(settings["encoder_minutes"] * 60 * RATE)]
        tasks["wav2vec2"] = Task(lambda: peers.encode(session, part), len(part) / RATE)
    if find_spec("silero_vad"):
        silero = peers.silero_session(threads)
        tasks["silero"] = Task(lambda: peers.silero(silero, signal), seconds)
    if find_spec("webrtcvad"):
        tasks["webrtc"] = Task(lambda: peers.webrtc(signal), seconds)
    return tasks


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
