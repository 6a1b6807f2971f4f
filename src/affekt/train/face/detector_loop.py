"""Training of the detector, step by step; a stopped run resumes where it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from affekt._files import atomic_write
from affekt.errors import InputError
from affekt.face.detector_network import DetectorNetwork, DetectorShape, normalised
from affekt.train.face.detector_loss import flattened, losses, total, truth_of
from affekt.train.face.detector_mosaics import Mosaic, MosaicMaker
from affekt.train.face.detector_recipe import DetectorRecipe, DetectorSchedule
from affekt.train.face.detector_teacher import Taught
from affekt.train.face.yolo_recipe import YoloRecipe
from affekt.train.muon import Muon
from affekt.train.pace import Pace
from affekt.train.precision import half_precision
from affekt.train.resumable import average

#: Steps between two checkpoints, and between two lines of progress.
CHECKPOINT, PROGRESS = 100, 20


class DetectorRun:
    """A network in training: its weights, their running average, the optimisers, and how many steps are done."""

    def __init__(self, recipe: DetectorRecipe | YoloRecipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.step = recipe, 0
        self.network = self.new_network()
        self.average = self.new_network()
        self.average.load_state_dict(self.network.state_dict())
        schedule = recipe.schedule
        matrices: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        undecayed: list[nn.Parameter] = []
        for name, parameter in self.network.named_parameters():
            is_head = name.endswith("out.weight")
            if parameter.ndim == 4 and parameter.shape[1] > 1 and not is_head:
                matrices.append(parameter)
            else:
                (others if parameter.ndim == 4 else undecayed).append(parameter)
        self.optimisers: list[torch.optim.Optimizer] = [
            Muon(matrices, schedule.matrix_rate, weight_decay=schedule.weight_decay),
            torch.optim.AdamW(
                [{"params": others, "weight_decay": schedule.weight_decay}, {"params": undecayed, "weight_decay": 0}],
                schedule.learning_rate,
            ),
        ]

    def new_network(self) -> DetectorNetwork:
        """The untrained network of the recipe."""
        assert isinstance(self.recipe, DetectorRecipe)
        return network_of(self.recipe)

    def losses(self, cells: Tensor, mosaics: list[Mosaic]) -> tuple[dict[str, Tensor], Tensor]:
        """The parts of the loss of cells (b, n, values), and their weighted sum."""
        assert isinstance(self.recipe, DetectorRecipe)
        parts = losses(cells, truth_of(mosaics), mosaics[0].picture.shape[-1])
        return parts, total(parts, self.recipe)

    def advance(self, mosaics: list[Mosaic]) -> dict[str, float]:
        """One step on a batch; the parts of its loss."""
        schedule = self.recipe.schedule
        share = rate(self.step, schedule)
        for optimiser, highest in zip(self.optimisers, (schedule.matrix_rate, schedule.learning_rate), strict=True):
            for group in optimiser.param_groups:
                group["lr"] = share * highest
        pictures = torch.stack([mosaic.picture for mosaic in mosaics])[:, None]
        self.network.train()
        with half_precision(schedule.bfloat16):
            maps = self.network(normalised(pictures).to(memory_format=torch.channels_last))
        parts, loss = self.losses(flattened(maps), mosaics)
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        with torch.no_grad():
            average(self.average, self.network, step=self.step, decay=schedule.averaging)
        return {name: float(part.detach()) for name, part in parts.items()}

    def state(self) -> dict[str, Any]:
        """Everything that :meth:`restore` needs."""
        return {
            "recipe": json.dumps(asdict(self.recipe)),
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a checkpoint.

        Raises
        ------
        InputError
            If it was made by another recipe.
        """
        schedule, given = self.recipe.schedule, json.loads(state["recipe"])
        steps = given["schedule"]["steps"]
        given["schedule"]["steps"] = schedule.steps
        before = replace(schedule, steps=min(steps, schedule.steps))
        is_falling = state["step"] > before.steps - falling_steps(before)
        if given != json.loads(json.dumps(asdict(self.recipe))) or (steps != schedule.steps and is_falling):
            raise InputError("the checkpoint was made by another recipe; give a new output folder, or that recipe.")
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)


def network_of(recipe: DetectorRecipe) -> DetectorNetwork:
    """The untrained network of a recipe."""
    return DetectorNetwork(DetectorShape(recipe.stem, recipe.channels, recipe.blocks, recipe.neck))


def rate(step: int, schedule: DetectorSchedule) -> float:
    """Learning rate as a share of its maximum: it rises, stays, and falls to a hundredth."""
    rising = 0.02 + 0.98 * step / max(1, schedule.warm_up)
    falling = 0.01 + 0.99 * (schedule.steps - step) / max(1, falling_steps(schedule))
    return max(0.01, min(1.0, rising, falling))


def falling_steps(schedule: DetectorSchedule) -> int:
    """How many steps at the end have a falling learning rate."""
    return round(schedule.falling * schedule.steps)


def mosaics_of_step(maker: MosaicMaker, recipe: DetectorRecipe | YoloRecipe, step: int) -> list[Mosaic]:
    """The batch of one step, the same whenever it is drawn."""
    side = recipe.mosaics.sides[step % len(recipe.mosaics.sides)]
    drawn = [np.random.default_rng((recipe.seed, step, number)) for number in range(recipe.schedule.batch)]
    return [maker.draw(rng, side) for rng in drawn]


def train_detector(
    taught: Taught,
    recipe: DetectorRecipe,
    output: Path,
    *,
    report: Callable[[str], None],
    start: Path | None = None,
) -> DetectorNetwork:
    """Train, or resume training.

    Parameters
    ----------
    taught : Taught
        Without the pictures held out.
    recipe : DetectorRecipe
    output : Path
        Folder of the checkpoint, ``checkpoint.pt``.
    report : callable
        Takes a line of progress.
    start : Path, optional
        Checkpoint of another run with the same sizes; a new run starts from its averaged weights.

    Returns
    -------
    DetectorNetwork
        Its averaged weights, in evaluation mode.
    """
    run = DetectorRun(recipe)
    if start:
        weights = torch.load(start, weights_only=True)["average"]
        run.network.load_state_dict(weights)
        run.average.load_state_dict(weights)
    return finish(run, MosaicMaker(taught, recipe.mosaics), output, report=report)


def finish(run: DetectorRun, maker: MosaicMaker, output: Path, *, report: Callable[[str], None]) -> DetectorNetwork:
    """Take all steps of a run, from the checkpoint in ``output`` if any; return the averaged network."""
    recipe, checkpoint = run.recipe, output / "checkpoint.pt"
    if checkpoint.exists():
        run.restore(torch.load(checkpoint, weights_only=True))
        report(f"going on after step {run.step}")
    seen: list[dict[str, float]] = []
    pace = Pace(recipe.schedule.steps, report, done=run.step)
    while run.step < recipe.schedule.steps:
        seen.append(run.advance(mosaics_of_step(maker, recipe, run.step)))
        pace()
        if run.step % PROGRESS == 0:
            means = {name: np.mean([parts[name] for parts in seen]) for name in seen[0]}
            report(f"step {run.step} " + " ".join(f"{name} {mean:.4f}" for name, mean in means.items()))
            seen = []
        if run.step % CHECKPOINT == 0 or run.step == recipe.schedule.steps:
            with atomic_write(checkpoint, "wb") as file:
                torch.save(run.state(), file)
    return run.average.eval()
