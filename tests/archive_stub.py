"""Works on an archive with a stub in place of the model: python archive_stub.py SOURCE OUT [ADDRESS OF RAY]."""

import os
import re
import signal
import sys
import time
from pathlib import Path

from affekt.archive.local import Processes
from affekt.archive.run import RunOptions, run_archive
from affekt.errors import AudioError
from affekt.types import Prediction, Result

LABELS = ("angry", "calm", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def open_stub(job):
    """What stands for the model: reads the text in a file, and does what it says."""
    slow = float(os.environ.get("STUB_SECONDS", "0"))

    def analyse(path, one, piece):
        words = Path(path).read_text(encoding="utf-8")
        time.sleep(slow)
        if words == "broken":
            raise AudioError(f"{path}: is broken.")
        if words == "strange":
            raise RuntimeError("nobody thought of this")
        if words == "endless":
            # Holds Python's own lock: no thread of the process can do anything about it.
            re.match(r"(a*)*b", "a" * 60)
        if words == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        scores = dict.fromkeys(LABELS, 1 / len(LABELS))
        found = Prediction(1.0, 2.0, scores)
        return Result(path, 2.0, (found,), found, "stub", LABELS)

    return analyse


def write_files(folder: Path, count: int, **special: str) -> Path:
    """Files that the stub reads; of some by their name what else they say."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"n{number:03d}.wav").write_text(special.get(f"n{number:03d}", "fine"), encoding="utf-8")
    return folder


OPTIONS = RunOptions(model="voice-small", form="jsonl", shard=20)


def run(sources, output, *, workers=1, options=OPTIONS, executor=None, **more):
    """Work on an archive with the stub."""
    executor = executor or Processes(workers)
    run_archive([str(s) for s in sources], str(output), executor, options=options, opener=open_stub, **more)


if __name__ == "__main__":
    source, output, *address = sys.argv[1:]
    if address:
        from affekt.archive.ray import RayActors

        # Workers look this module up by its name, and would not find __main__.
        from tests.archive_stub import run

        run([source], output, executor=RayActors(*address))
    else:
        run([source], output, workers=2)
