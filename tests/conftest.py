"""Signals and folders that several tests use."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("affekt", deadline=None)
settings.load_profile("affekt")
# A shell tells its background jobs to ignore Ctrl-C, and they tell theirs: programs that tests start are not to.
signal.signal(signal.SIGINT, signal.default_int_handler)

EXAMPLES = Path(__file__).parent.parent / "examples"


def speech_like(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Vowel-like pulses with syllables and pauses: what the activity model takes for speech."""
    time = np.arange(int(seconds * 16_000)) / 16_000
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    voice = sum(np.sin(k * phase) * a for k, a in enumerate((1, 0.8, 0.9, 0.5, 0.3, 0.35, 0.2, 0.1), start=1))
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * time), 0, 1)
    return (0.08 * voice * syllables + 0.001 * rng.standard_normal(len(time))).astype(np.float32)


def drawn_face(size: int, *, smile: bool = True):
    """A face that nobody has, drawn: the detector finds it, and the model takes its smile for one."""
    from PIL import Image, ImageDraw, ImageFilter

    scale = 4
    picture = Image.new("RGB", (scale * size,) * 2, (90, 110, 120))
    pen = ImageDraw.Draw(picture)
    skin, shade, hair = (215, 170, 140), (194, 144, 117), (60, 40, 30)

    def at(*shares):
        return [share * scale * size for share in shares]

    pen.ellipse(at(0.2, 0.05, 0.8, 0.75), fill=hair)
    pen.rectangle(at(0.4, 0.75, 0.6, 1), fill=shade)
    pen.ellipse(at(0.25, 0.12, 0.75, 0.88), fill=skin)
    pen.pieslice(at(0.22, 0.06, 0.78, 0.6), 180, 360, fill=hair)
    pen.ellipse(at(0.27, 0.2, 0.73, 0.8), fill=skin)
    for x in (0.39, 0.61):
        pen.ellipse(at(x - 0.075, 0.40, x + 0.075, 0.475), fill=shade)
        pen.ellipse(at(x - 0.06, 0.41, x + 0.06, 0.465), fill=(245, 245, 240))
        pen.ellipse(at(x - 0.027, 0.41, x + 0.027, 0.465), fill=(40, 30, 25))
        pen.arc(at(x - 0.085, 0.335, x + 0.085, 0.44), 200, 340, fill=hair, width=round(0.022 * scale * size))
    pen.polygon(at(0.5, 0.43, 0.455, 0.585, 0.545, 0.585), fill=shade)
    pen.ellipse(at(0.45, 0.555, 0.55, 0.61), fill=shade)
    if smile:
        pen.chord(at(0.37, 0.56, 0.63, 0.75), 15, 165, fill=(160, 60, 60))
        pen.chord(at(0.39, 0.6, 0.61, 0.72), 20, 160, fill=(245, 240, 235))
    else:
        pen.ellipse(at(0.41, 0.665, 0.59, 0.705), fill=(160, 80, 75))
    return picture.filter(ImageFilter.GaussianBlur(1.2 * scale)).resize((size, size), Image.Resampling.LANCZOS)


@pytest.fixture(scope="session")
def clips():
    """The committed recordings, by name."""
    return sorted(EXAMPLES.glob("*.wav"))


@pytest.fixture(scope="session")
def conversation(clips):
    """Half a minute of real speech with pauses, 16 kHz."""
    from affekt.speech.audio import read

    pause = np.zeros(12_000, np.float32)
    return np.concatenate([part for path in clips[:8] for part in (read(path).signal, pause)])


@pytest.fixture(scope="session")
def corpora_folder():
    """Where the real corpora are; tests marked ``corpora`` need it."""
    folder = os.environ.get("AFFEKT_CORPORA")
    if not folder:
        pytest.skip("set AFFEKT_CORPORA to the folder that holds the corpora")
    return Path(folder)
