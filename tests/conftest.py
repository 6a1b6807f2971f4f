"""Signals and folders that several tests use."""

import os
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def speech_like(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Vowel-like pulses with syllables and pauses: what the activity model takes for speech."""
    time = np.arange(int(seconds * 16_000)) / 16_000
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    voice = sum(np.sin(k * phase) * a for k, a in enumerate((1, 0.8, 0.9, 0.5, 0.3, 0.35, 0.2, 0.1), start=1))
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * time), 0, 1)
    return (0.08 * voice * syllables + 0.001 * rng.standard_normal(len(time))).astype(np.float32)


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
