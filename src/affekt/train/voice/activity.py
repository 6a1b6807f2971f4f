"""Training of the speech activity network on clean speech with known boundaries, mixed with non-speech sounds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from affekt.errors import InputError
from affekt.models.card import Card
from affekt.speech.activity import CONTEXT
from affekt.speech.augment import coloured_noise
from affekt.speech.network import ActivityNetwork
from affekt.train.export import SpeechProbability, export
from affekt.train.sources import LICENCE, Sources, read_split, split_hash, training_data, with_own
from affekt.train.voice.clips import Clips, load_clips

HOP, WINDOW, RATE = 320, 400, 16_000


@dataclass(frozen=True)
class ActivityRecipe:
    """How the activity network is trained.

    Parameters
    ----------
    corpora : tuple of str
        Clean studio recordings: their energy tells where the speech is.
    clips : int
        How many clips of the training speakers are used.
    scenes : int
        How many scenes are put together from them, each of ``seconds``.
    gain : tuple of float
        Lowest and highest gain of a scene, dB.
    """

    name: str = "activity"
    corpora: tuple[str, ...] = ("ravdess", "savee", "emovo", "nemo", "tess")
    clips: int = 4000
    scenes: int = 3000
    seconds: float = 12.0
    batch: int = 32
    epochs: int = 40
    learning_rate: float = 5e-3
    gain: tuple[float, float] = (-55.0, 6.0)
    seed: int = 1


def energy_truth(signal: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where a clean studio recording holds speech, from its energy alone.

    A frame counts when it is within 35 dB of the loud ones and 9 dB above the
    quietest; gaps up to 0.2 s are filled, bursts under 0.06 s dropped. Only
    for clean recordings: in noise, a detector has to do better than this.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Mono, 16 kHz.

    Returns
    -------
    bool array, shape (t,)
        One per 20 ms.
    """
    if len(signal) < WINDOW:
        return np.zeros(0, bool)
    emphasised = np.append(signal[0], signal[1:] - 0.9 * signal[:-1])
    frames = np.lib.stride_tricks.sliding_window_view(emphasised, WINDOW)[::HOP]
    level = 10 * np.log10(np.mean(frames * frames, axis=1) + 1e-12)
    loud, quiet = np.percentile(level, [95, 5])
    active = level > max(loud - 35, min(quiet + 9, loud - 20))
    return drop_short(fill_short(active, 10), 3)


def fill_short(active: NDArray[np.bool_], longest: int) -> NDArray[np.bool_]:
    """Make inner gaps of up to ``longest`` frames active."""
    filled = ~drop_short(~active, longest + 1)
    inner = np.flatnonzero(active)
    if len(inner):
        filled[: inner[0]] = False
        filled[inner[-1] + 1 :] = False
    return filled & (len(inner) > 0)


def drop_short(active: NDArray[np.bool_], shortest: int) -> NDArray[np.bool_]:
    """Make runs of fewer than ``shortest`` frames inactive."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    kept = active.copy()
    for start, end in edges.reshape(-1, 2):
        if end - start < shortest:
            kept[start:end] = False
    return kept


class SceneMaker:
    """Scenes of known truth: pauses, clean speech, sounds; at any level and signal-to-noise ratio."""

    def __init__(self, speech: Clips, sounds: Clips, recipe: ActivityRecipe) -> None:
        self.speech, self.sounds, self.recipe = speech, sounds, recipe
        self.samples = int(recipe.seconds * RATE)

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """One scene: signal (n,) and truth (t,) per 20 ms."""
        signal, active = np.zeros(self.samples, np.float32), np.zeros(self.samples // HOP + 1, bool)
        position = int(rng.integers(0, RATE))
        share = rng.choice([0.0, 1.0], p=[0.3, 0.7])
        while share and position < self.samples - RATE // 2:
            clip = self.speech[int(rng.integers(len(self.speech)))]
            clip = clip / (np.abs(clip).max() + 1e-6) * 10 ** rng.uniform(-0.6, 0)
            position -= position % HOP
            clip = clip[: self.samples - position]
            signal[position : position + len(clip)] += clip
            truth = energy_truth(clip)
            at = position // HOP
            active[at : at + len(truth)] |= truth[: len(active) - at]
            position += len(clip) + int(rng.exponential(0.7) * RATE)
        frames = (self.samples - WINDOW) // HOP + 1
        return self._add_noise(signal, rng), active[:frames]

    def _add_noise(self, signal: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        level = 10 ** (rng.uniform(-70, -45) / 20)
        noise = coloured_noise(self.samples, rng.uniform(0, 2), rng) * level
        if rng.random() < 0.6:
            sound = self.sounds[int(rng.integers(len(self.sounds)))]
            sound = np.resize(sound, self.samples) / (np.sqrt(np.mean(sound**2)) + 1e-5)
            noise = noise + sound * (0.1 * 10 ** (-rng.uniform(-3 if not signal.any() else 2, 30) / 20))
        elif rng.random() < 0.4:
            noise = noise + coloured_noise(self.samples, rng.uniform(0, 2), rng) * (
                0.1 * 10 ** (-rng.uniform(3, 30) / 20)
            )
        mixed = (signal + noise) * 10 ** (rng.uniform(*self.recipe.gain) / 20)
        return np.clip(mixed, -1, 1).astype(np.float32)


def train_activity(
    speech: Clips, sounds: Clips, recipe: ActivityRecipe, *, report: Callable[[str], None]
) -> ActivityNetwork:
    """Train the network; sounds are examples of what is not speech.

    Parameters
    ----------
    speech, sounds : Clips
        Clean speech of training speakers, and sounds without speech.
    recipe : ActivityRecipe
    report : callable
        Takes a line of progress.

    Returns
    -------
    ActivityNetwork
        In evaluation mode.
    """
    torch.manual_seed(recipe.seed)
    network = ActivityNetwork()
    mel, truth = _scene_features(network, SceneMaker(speech, sounds, recipe), recipe)
    report(f"{len(mel)} scenes drawn, {float(truth.mean()):.2f} of their time speech")
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=1e-3)
    steps = recipe.epochs * -(-len(mel) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, steps)
    loss_of = nn.BCEWithLogitsLoss()
    for epoch in range(recipe.epochs):
        losses = []
        for rows in torch.randperm(len(mel)).split(recipe.batch):
            loss = loss_of(network.classify(mel[rows]), truth[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        report(f"epoch {epoch + 1} loss {np.mean(losses):.4f}")
    return network.eval()


def _scene_features(network: ActivityNetwork, maker: SceneMaker, recipe: ActivityRecipe) -> tuple[Tensor, Tensor]:
    """Log-mel (scenes, t, bands) and truth (scenes, t): the front end is not trained, so it runs once per scene."""
    rng, mel, truth = np.random.default_rng(recipe.seed), [], []
    for _ in range(recipe.scenes):
        signal, active = maker.draw(rng)
        with torch.no_grad():
            mel.append(network.log_mel(torch.from_numpy(signal[None]))[0])
        truth.append(torch.from_numpy(active).float())
    return torch.stack(mel), torch.stack(truth)


def run_activity(recipe: ActivityRecipe, sources: Sources, output: Path, *, report: Callable[[str], None]) -> Path:
    """Train and export the activity model; see :func:`affekt.train.voice.run.run` for the arguments.

    Raises
    ------
    InputError
        If a corpus or the sounds are missing.
    """
    if not sources.sounds:
        raise InputError("the recipe activity needs sounds that are no speech: add --sounds FOLDER (ESC-10).")
    recipe = with_own(recipe, sources.corpora)
    split = read_split(recipe.name, recipe.corpora, sources.corpora, seed=recipe.seed)
    drawn = np.random.default_rng(recipe.seed).permutation(len(split.train))[: recipe.clips]
    speech = load_clips([split.train[i] for i in sorted(drawn)], output / "cache")
    network = train_activity(speech, load_clips(sources.sounds, output / "cache"), recipe, report=report)
    card = Card(
        name=recipe.name,
        modality="speech",
        task="activity",
        labels=("silence", "speech"),
        input={"sampling_rate": 16_000, "frame": HOP, "hop": HOP, "window": HOP, "context": CONTEXT * HOP + WINDOW},
        data=training_data(split, recipe.corpora),
        split=split_hash(split),
        licence=LICENCE,
        recipe=json.loads(json.dumps(asdict(recipe))),
    )
    path = output / f"{recipe.name}.onnx"
    report(f"largest difference between file and network: {export(SpeechProbability(network), card, path):.1e}")
    return path
