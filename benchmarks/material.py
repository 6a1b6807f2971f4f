"""What the speed benchmark listens to, and the graphs it compares with. Called by speed.py: material.py FOLDER.

Reads FOLDER/settings.json; writes recordings, ONNX files and FOLDER/material.json there.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from affekt.models.zoo import load_model
from affekt.recognize.recognizer import Recognizer
from affekt.speech.activity import Activity, ActivityOptions
from affekt.speech.audio import read
from affekt.speech.waveform import ActivityModel

LOW, HIGH = 16_000, 48_000
#: Seconds of one clip, as in the corpora that students train on.
CLIP = 3
#: Samples that the wav2vec2 encoder takes at a time: 10 s.
PIECE = 160_000
#: Cuts every pause that can be heard: what is left is nearly all speech.
NO_PAUSES = ActivityOptions(pause=0.1, margin=0.05)


def main(folder: Path) -> None:
    settings = json.loads((folder / "settings.json").read_text())
    loop = speech_only(sorted(Path(settings["clips"]).glob("*.wav")))
    write_recordings(loop, folder, settings)
    write_clips(folder, settings["peer_minutes"])
    skipped = write_graphs(folder)
    result = Recognizer().analyse(folder / "speech-16k.wav")
    share = sum(p.duration for p in result.predictions) / result.duration
    facts = {"speech_share": share, "regions_of_speech": len(regions(read(folder / "speech-16k.wav").signal))}
    (folder / "material.json").write_text(json.dumps({**facts, "skipped": skipped}))


def speech_only(paths: list[Path]) -> NDArray[np.float32]:
    """All clips one after the other at 48 kHz, (n,), with the pauses cut out."""
    if not paths:
        sys.exit("no .wav files to make speech of; name a folder with --clips.")
    parts = []
    for path in paths:
        signal = read(path, sampling_rate=HIGH).signal
        found = regions(read(path).signal, NO_PAUSES)
        parts += [faded(signal[start * HIGH // LOW : end * HIGH // LOW]) for start, end in found]
    return np.concatenate(parts)


def regions(signal: NDArray[np.float32], options: ActivityOptions | None = None) -> list[tuple[int, int]]:
    """Where somebody speaks in a signal (n,) at 16 kHz, in samples."""
    model = load_model("activity")
    activity = Activity(ActivityModel(model), options)
    return activity.feed(signal) + activity.flush()


def faded(signal: NDArray[np.float32], samples: int = 240) -> NDArray[np.float32]:
    """Five milliseconds of ramp at both ends, so that no cut clicks."""
    ramp = np.minimum(1, np.minimum(np.arange(len(signal)), np.arange(len(signal))[::-1]) / samples)
    return (signal * ramp).astype(np.float32)


def write_recordings(loop: NDArray[np.float32], folder: Path, settings: dict[str, Any]) -> None:
    """The same speech in every format, and the recordings of one minute and of hours."""
    count = round(settings["minutes"] * 60 * HIGH)
    soundfile.write(folder / "speech-48k.wav", np.resize(loop, count), HIGH, "PCM_16")
    speech = read(folder / "speech-48k.wav").signal
    soundfile.write(folder / "speech-16k.wav", speech, LOW, "PCM_16")
    soundfile.write(folder / "short.wav", np.resize(loop, CLIP * HIGH), HIGH, "PCM_16")
    with soundfile.SoundFile(folder / "speech.opus", "w", HIGH, 1, format="OGG", subtype="OPUS") as file:
        for block in seconds_of(loop, count, HIGH):
            file.write(block)
    write_m4a(folder / "speech.m4a", seconds_of(loop, count, HIGH))
    for name, minutes in (("minute.wav", 1), ("long.wav", settings["long_minutes"])):
        with soundfile.SoundFile(folder / name, "w", LOW, 1, "PCM_16") as file:
            for block in seconds_of(speech, round(minutes * 60 * LOW), LOW):
                file.write(block)


def seconds_of(loop: NDArray[np.float32], count: int, size: int) -> Iterator[NDArray[np.float32]]:
    """``count`` samples of an endlessly repeated signal, ``size`` at a time."""
    for start in range(0, count, size):
        yield loop.take(np.arange(start, min(start + size, count)), mode="wrap")


def write_m4a(path: Path, blocks: Iterator[NDArray[np.float32]]) -> None:
    with av.open(path, "w", format="mp4") as container:
        stream, done = container.add_stream("aac", rate=HIGH, layout="mono"), 0
        for block in blocks:
            frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = HIGH, done, Fraction(1, HIGH)
            done += len(block)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_clips(folder: Path, minutes: float) -> None:
    """The beginning of the speech cut into files of 3 s, at both rates."""
    for name, rate in (("16k", LOW), ("48k", HIGH)):
        (folder / f"clips-{name}").mkdir()
        signal = soundfile.read(folder / f"speech-{name}.wav", frames=round(minutes * 60 * rate))[0]
        for i in range(len(signal) // (CLIP * rate)):
            part = signal[i * CLIP * rate : (i + 1) * CLIP * rate]
            soundfile.write(folder / f"clips-{name}" / f"{i:04d}.wav", part, rate, "PCM_16")


def write_graphs(folder: Path) -> dict[str, str]:
    """Export what needs torch; return what could not be, and why."""
    if not find_spec("torch"):
        return dict.fromkeys(("front end", "wav2vec2"), "torch is not installed")
    import torch

    from affekt.speech.frontend import FrontEnd
    from affekt.speech.network import VoiceFeatures

    write_graph(VoiceFeatures(FrontEnd()), torch.randn(1, 64_000), folder / "front-end.onnx")
    if not find_spec("transformers"):
        return {"wav2vec2": "transformers is not installed"}
    write_graph(wav2vec2(), torch.randn(1, PIECE), folder / "wav2vec2.onnx", fixed=True)
    return {}


def wav2vec2() -> Any:
    """The encoder of wav2vec2-base, built from its configuration: speed does not depend on the weights."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = Wav2Vec2Model(Wav2Vec2Config(attn_implementation="eager"))

        def forward(self, signal: torch.Tensor) -> torch.Tensor:
            return self.encoder(signal).last_hidden_state

    torch.manual_seed(0)
    return Encoder()


def write_graph(network: Any, example: Any, path: Path, *, fixed: bool = False) -> None:
    """Export a network, and check that the graph gives its numbers."""
    import torch

    axes = None if fixed else {"signal": {1: "n"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), (example,), path, input_names=["signal"], dynamic_axes=axes, opset_version=17, dynamo=False
        )
    with torch.no_grad():
        wanted = network(example)
    wanted = wanted[0] if isinstance(wanted, tuple) else wanted
    difference = np.abs(session_of(path).run(None, {"signal": example.numpy()})[0] - wanted.numpy()).max()
    if difference > 1e-3:
        sys.exit(f"{path.name}: the graph and the network differ by {difference:.1e}; its time would mean nothing.")


def session_of(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
