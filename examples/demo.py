"""A two-minute conversation put together from the clips in this folder, and what affekt hears in it.

Usage: python examples/demo.py FOLDER      writes conversation.wav, truth.csv and timeline.png there
"""

import csv
import sys
from pathlib import Path

import numpy as np
import soundfile

from affekt.plot.timeline import Timeline, draw_timeline
from affekt.recognize.recognizer import Recognizer
from affekt.recognize.trace import Trace
from affekt.speech.audio import read

HERE = Path(__file__).parent
EMOTIONS = {"01": "neutral", "03": "happy", "04": "sad", "05": "angry", "06": "fear", "08": "surprise"}
RATE = 16_000


def assemble(folder: Path, *, seconds: float = 120.0, seed: int = 7) -> list[tuple[float, float, str]]:
    """Write the conversation; return the intended emotions and when: (start, end, emotion)."""
    rng, parts, truth, position = np.random.default_rng(seed), [], [], 0
    clips = sorted(HERE.glob("*.wav"))
    while position < seconds * RATE:
        for clip in rng.permutation(clips):
            signal = read(clip).signal
            truth.append((position / RATE, (position + len(signal)) / RATE, EMOTIONS[clip.stem.split("-")[2]]))
            pause = np.zeros(int(rng.uniform(0.1, 0.8) * RATE), np.float32)
            parts += [signal, pause]
            position += len(signal) + len(pause)
            if position >= seconds * RATE:
                break
    soundfile.write(folder / "conversation.wav", np.concatenate(parts), RATE)
    with (folder / "truth.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("start", "end", "label"), *truth])
    return truth


def right_share(cells, truth) -> float:
    """Share of the speech in which the emotion heard was the one meant."""
    right = total = 0.0
    for cell in cells:
        middle = (cell.start + cell.end) / 2
        meant = next((label for start, end, label in truth if start <= middle < end), None)
        if meant:
            total += cell.duration
            right += cell.duration * (cell.label == meant)
    return right / total


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    truth, trace = assemble(folder), Trace()
    result = Recognizer().analyse(folder / "conversation.wav", trace=trace)
    figure = draw_timeline(
        Timeline(
            "A conversation of two actors the model has never heard",
            result.duration,
            trace.envelope,
            trace.regions,
            trace.hops,
            result.predictions,
            result.labels,
            truth,
        )
    )
    figure.savefig(folder / "timeline.png", dpi=110)
    share = right_share(trace.hops, truth)
    print(f"{share:.0%} of the speech was heard as it was meant (guessing among 8 emotions: 12 %).")
    print(f"Picture: {folder / 'timeline.png'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output"))
