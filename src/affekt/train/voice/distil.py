"""A first stage without labels: the network learns the frames of Whisper's first layers.

A few thousand acted clips cannot teach what a voice is. A network that has to
predict what Whisper makes of a voice learns it from any speech (Hinton, Vinyals &
Dean, Distilling the knowledge in a neural network, 2015). The teacher hears
clips as they were recorded, the network the same ones with noise, in rooms
and over a telephone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from affekt.errors import InputError
from affekt.train.muon import Muon
from affekt.train.pace import Pace
from affekt.train.precision import half_precision
from affekt.train.recipe import Recipe
from affekt.train.resumable import average, load_checkpoint, save_checkpoint
from affekt.train.voice.clips import Clips
from affekt.train.voice.features import Changes, Features, features_of_clips, log_mel_and_pitch
from affekt.train.voice.loop import ENDS, LEAST
from affekt.train.voice.networks import network_of, teacher_frames
from affekt.train.voice.perturb import spec_augment

#: Frames of the network's features, and of the network, for each of the teacher's.
FEATURES, FRAMES = 8, 2
#: The teacher's frames up to which a longer clip is drawn more often.
LONGEST = 150
#: Clips whose frames the teacher's mean and deviation come from, steps between two checkpoints, decay of the average.
MEASURED, EVERY, AVERAGING = 1_500, 500, 0.999


@dataclass(frozen=True)
class Lesson:
    """The same clips for the network, in some ways, and for the teacher, as recorded."""

    heard: Features
    taught: Features

    def draw(self, clip: int, frames: int, rng: np.random.Generator) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        """A stretch of up to so many of the teacher's frames, and the features of the same stretch."""
        taught, heard = self.taught.get(clip), self.heard.get(clip, int(rng.integers(self.heard.ways)))
        size = min(frames, len(taught), len(heard) // FEATURES)
        start = int(rng.integers(0, min(len(taught), len(heard) // FEATURES) - size + 1))
        return heard[start * FEATURES : (start + size) * FEATURES], taught[start : start + size]


class Distiller(nn.Module):
    """A network, and what makes the teacher's frames of its own."""

    def __init__(self, recipe: Recipe, values: int) -> None:
        super().__init__()
        self.network = network_of(recipe)
        self.translate = nn.Conv1d(recipe.network.levels * recipe.network.channels, values, 1)

    def forward(self, *sound: Tensor, mask: Tensor) -> Tensor:
        """Features, each (b, c, t), to the teacher's frames (b, values, t / 8)."""
        with half_precision():
            frames = self.network.encode(*sound, mask=mask)
        found: Tensor = self.translate(F.avg_pool1d(frames.float(), FRAMES))
        return found


class Distillation:
    """A run: the network with its average, its optimisers, and how far it is."""

    def __init__(self, recipe: Recipe, lessons: Sequence[Lesson]) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.lessons, given = recipe, lessons, recipe.distillation
        values = lessons[0].taught.values.shape[1]
        self.network = Distiller(recipe, values)
        self.averaged = copy.deepcopy(self.network).eval()
        named = [(name.split(".")[1], p) for name, p in self.network.named_parameters() if p.requires_grad]
        hidden = [p for part, p in named if p.dim() > 1 and part not in (*ENDS, "narrow_embedding", "weight")]
        chosen = {id(p) for p in hidden}
        rest = [p for part, p in named if id(p) not in chosen and part not in (*ENDS, "narrow_embedding")]
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, given.learning_rate, weight_decay=0.01),
            Muon(hidden, lr=given.encoder_rate, weight_decay=0.01),
        ]
        self.schedulers = [
            torch.optim.lr_scheduler.OneCycleLR(
                one, one.param_groups[0]["lr"], given.steps + 1, pct_start=0.05, cycle_momentum=False
            )
            for one in self.optimisers
        ]
        self.epoch, self.step = 0, 0
        lengths = [np.minimum(one.taught.lengths, LONGEST).astype(float) for one in lessons]
        self.chances = np.concatenate(lengths) / np.sum([part.sum() for part in lengths])
        self.clips = [(lesson, clip) for lesson in lessons for clip in range(len(lesson.taught))]
        rng, first = np.random.default_rng(recipe.seed), lessons[0].taught
        some = np.concatenate([first.get(int(i)) for i in rng.permutation(len(first))[:MEASURED]]).astype(np.float32)
        self.mean, self.deviation = (torch.from_numpy(x)[:, None] for x in (some.mean(0), some.std(0) + 0.01))

    def train_step(self) -> float:
        """A step; it depends on its number and the recipe alone. Returns the error, as a share of the variance."""
        given, rng = self.recipe.distillation, np.random.default_rng([self.recipe.seed, self.step, 2])
        sizes = self.lessons[0].heard.sizes
        heard = np.zeros((given.batch, given.frames * FEATURES, sum(sizes)), np.float16)
        taught = np.zeros((given.batch, given.frames, len(self.mean)), np.float16)
        mask = np.zeros((given.batch, 1, given.frames * FEATURES), np.float32)
        for row, number in enumerate(rng.choice(len(self.clips), given.batch, p=self.chances)):
            lesson, clip = self.clips[number]
            one, other = lesson.draw(clip, given.frames, rng)
            heard[row, : len(one)], taught[row, : len(other)], mask[row, :, : len(one)] = one, other, 1
        mel, salience = torch.from_numpy(heard).float().transpose(1, 2).split(sizes, dim=1)
        real = torch.from_numpy(mask)
        wanted = (torch.from_numpy(taught).float().transpose(1, 2) - self.mean) / self.deviation
        self.network.train()
        torch.manual_seed(self.recipe.seed * 100_003 + self.step)  # dropout, too, depends on the step alone
        found = self.network(spec_augment(mel, self.recipe.objective, rng, real), salience, mask=real)
        weight = real[:, :, ::FEATURES]
        error = ((found - wanted) ** 2 * weight).sum() / (weight.sum() * len(self.mean))
        turned = ((1 - F.cosine_similarity(found, wanted, dim=1, eps=1e-4)[:, None]) * weight).sum() / weight.sum()
        self.network.zero_grad()
        (error + turned).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        for optimiser, scheduler in zip(self.optimisers, self.schedulers, strict=True):
            optimiser.step()
            scheduler.step()
        self.step += 1
        average(self.averaged, self.network, step=self.step, decay=AVERAGING)
        return float(error.detach())


def distil(
    recipe: Recipe,
    given: tuple[Sequence[Clips], Changes, Sequence[Path]],
    output: Path,
    *,
    report: Callable[[str], None],
) -> dict[str, Tensor]:
    """Train by the teacher, or open what an earlier call left.

    Parameters
    ----------
    recipe : Recipe
        Its ``distillation`` says how long.
    given : sequence of Clips, Changes and sequence of Path
        What is heard, how clips are changed, and the teacher's weights.
    output : Path
        Folder of the run; ``distilled.pt`` is kept there.
    report : callable

    Returns
    -------
    dict of str to tensor
        Weights to start from.

    Raises
    ------
    InputError
        If there is no teacher.
    """
    kept, checkpoint = output / "distilled.pt", output / "distillation.pt"
    if kept.exists():
        found: dict[str, Tensor] = torch.load(kept, weights_only=True)
        return found
    if not given[2]:
        raise InputError(
            f"the recipe {recipe.name} learns from a teacher first: add --teacher FILE for each file of Whisper's "
            "weights, or set distillation.steps to 0."
        )
    run = Distillation(recipe, lessons_of(recipe, given, output / "cache"))
    if checkpoint.exists():
        load_checkpoint(run, checkpoint)
    pace, errors = Pace(recipe.distillation.steps, report, done=run.step), list[float]()
    while run.step < recipe.distillation.steps:
        errors.append(run.train_step())
        pace()
        if run.step % EVERY == 0 or run.step == recipe.distillation.steps:
            report(f"teacher's frames after {run.step:,} steps: {np.mean(errors):.3f} of their variance unexplained")
            save_checkpoint(run, checkpoint)
            errors.clear()
    state: dict[str, Tensor] = run.averaged.network.state_dict()
    torch.save(state, kept.with_suffix(".part"))
    kept.with_suffix(".part").replace(kept)
    return state


def lessons_of(recipe: Recipe, given: tuple[Sequence[Clips], Changes, Sequence[Path]], cache: Path) -> list[Lesson]:
    """What is heard and taught of clips that are long enough; ``given`` as for :func:`distil`."""
    heard, changes, teacher = given
    # At another speed it would no longer be what the teacher heard.
    changes = replace(changes, ways=recipe.distillation.ways, chances=replace(changes.chances, speed=0.0))
    measure, lessons = teacher_frames(recipe, teacher), []
    for clips in heard:
        clips = clips.take(np.flatnonzero(clips.lengths >= LEAST * 16_000))
        alone = np.arange(len(clips))
        taught = features_of_clips(clips, alone, replace(changes, ways=0), cache, measure=measure)
        lessons.append(Lesson(features_of_clips(clips, alone, changes, cache, measure=log_mel_and_pitch()), taught))
    return [lesson for lesson in lessons if len(lesson.taught)]
