"""The training loop of one face network: small faces first, averaged weights, checkpoints that resume."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from affekt.corpora.fer2013 import Faces
from affekt.face.network import FaceEnsemble, FaceNetwork
from affekt.face.shape import LABELS
from affekt.metrics.labels import accuracy, unweighted_recall
from affekt.train.face.augment import changed
from affekt.train.face.fer2013 import label_given_votes
from affekt.train.face.recipe import FaceObjective, FaceRecipe, FaceSchedule
from affekt.train.muon import Muon
from affekt.train.pace import Pace
from affekt.train.precision import half_precision
from affekt.train.resumable import average, load_checkpoint, save_checkpoint


@dataclass(frozen=True)
class FaceTargets:
    """What the heads learn of each face.

    Parameters
    ----------
    labels : tensor, shape (n, 7)
    votes : tensor, shape (n, 8)
    voted : tensor, shape (n,)
        1 where there are votes to learn from, else 0.
    """

    labels: Tensor
    votes: Tensor
    voted: Tensor

    def take(self, rows: Tensor) -> FaceTargets:
        """Targets of some of the faces."""
        return FaceTargets(self.labels[rows], self.votes[rows], self.voted[rows])

    def mixed(self, partner: Tensor, share: Tensor) -> FaceTargets:
        """Targets of faces mixed with others; ``share`` (b, 1) is the weight of the face itself."""

        def mix(one: Tensor, weight: Tensor) -> Tensor:
            return weight * one + (1 - weight) * one[partner]

        votes = mix(self.votes * self.voted[:, None], share)
        voted = mix(self.voted, share[:, 0])
        return FaceTargets(mix(self.labels, share), votes / voted.clamp(min=1e-6)[:, None], voted)


def targets_of(faces: Faces, objective: FaceObjective, teachers: list[FaceNetwork]) -> FaceTargets:
    """Labels smoothed by the votes, then labels and votes mixed with the answers of earlier networks."""
    one_hot = F.one_hot(torch.from_numpy(faces.labels), len(LABELS)).float()
    expected = torch.from_numpy(label_given_votes(faces))
    labels = (1 - objective.smoothing) * one_hot + objective.smoothing * expected
    votes = torch.from_numpy(faces.votes)
    voted = votes.sum(dim=1)
    if teachers:
        taught = [torch.from_numpy(logits).softmax(dim=1) for logits in face_logits(FaceEnsemble(teachers), faces)]
        share = objective.distillation
        labels = (1 - share) * labels + share * taught[0]
        known = voted[:, None] > 0
        votes = torch.where(known, (1 - share) * votes + share * taught[1], votes)
    return FaceTargets(labels, votes, voted)


class FaceTrainer:
    """State of the training of one network: weights, their running average, optimiser, epoch.

    Parameters
    ----------
    recipe : FaceRecipe
    faces : Faces
    number : int
        Which of the recipe's networks.
    before : list of FaceNetwork
        Earlier networks, the last of each chain, which teach this one. It starts from the last of them if that is of
        its chain.
    """

    def __init__(
        self, recipe: FaceRecipe, faces: Faces, *, number: int = 0, before: list[FaceNetwork] | None = None
    ) -> None:
        self.part, self.seed = recipe.part(number), recipe.seed + 1000 * number
        torch.manual_seed(self.seed)
        schedule = self.part.schedule
        self.images = torch.from_numpy(faces.images)
        self.targets = targets_of(faces, self.part.objective, before or [])
        self.network = FaceNetwork(recipe.network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if before and recipe.place(number)[1]:
            self.network.load_state_dict(before[-1].state_dict())
        self.averaged = copy.deepcopy(self.network).eval()
        self.optimisers = _optimisers(self.network, schedule)
        self.steps_per_epoch = max(1, len(faces) // schedule.batch)
        steps = sum(schedule.epochs) * self.steps_per_epoch
        self.schedulers = [
            torch.optim.lr_scheduler.OneCycleLR(
                one, one.param_groups[0]["lr"], steps + 1, pct_start=0.1, cycle_momentum=False
            )
            for one in self.optimisers
        ]
        self.epoch, self.step = 0, 0

    @property
    def size(self) -> int:
        """Pixels of a side in this epoch."""
        ends = np.cumsum(self.part.schedule.epochs)
        return self.part.schedule.sizes[int(np.searchsorted(ends, self.epoch, side="right"))]

    def run_epoch(self, tick: Callable[[], object] = lambda: None) -> float:
        """Train on every face once; return the mean loss. ``tick`` is called after each step."""
        self.network.train()
        # All randomness depends only on the epoch, or a resumed run would give another result.
        torch.manual_seed(self.seed * 100_003 + self.epoch)
        rng = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        order = torch.randperm(len(self.images), generator=rng)
        batches = order[: self.steps_per_epoch * self.part.schedule.batch].chunk(self.steps_per_epoch)
        losses = []
        for rows in batches:
            losses.append(self._train_step(rows, rng))
            tick()
        self.epoch += 1
        return float(np.mean(losses))

    def _train_step(self, rows: Tensor, rng: torch.Generator) -> float:
        changes = self.part.augment
        faces = changed(self.images[rows].float(), self.size, changes, rng)
        targets = self.targets.take(rows)
        if float(torch.rand(1, generator=rng)) < changes.mixup:
            # Normalised first, or the face of more contrast would hide the other.
            drawn = np.random.default_rng(int(torch.randint(1 << 31, (1,), generator=rng)))
            share = torch.from_numpy(drawn.beta(changes.mixup_shape, changes.mixup_shape, len(rows))).float()
            partner = torch.randperm(len(rows), generator=rng)
            weight = share[:, None, None]
            level = (faces - faces.mean((1, 2), True)) / (faces.std((1, 2), keepdim=True) + 1)
            faces = 128 + 50 * (weight * level + (1 - weight) * level[partner])
            targets = targets.mixed(partner, share[:, None])
        with half_precision(self.part.schedule.bfloat16):
            logits, votes = self.network(faces)
        loss = face_loss((logits.float(), votes.float()), targets, self.part.objective.votes)
        self.network.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        for optimiser, scheduler in zip(self.optimisers, self.schedulers, strict=True):
            optimiser.step()
            scheduler.step()
        self.step += 1
        average(self.averaged, self.network, step=self.step, decay=self.part.schedule.averaging)
        return float(loss.detach())

    def save(self, path: Path) -> None:
        """Write a checkpoint that appears only when complete."""
        save_checkpoint(self, path)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint."""
        load_checkpoint(self, path)


def _optimisers(network: FaceNetwork, schedule: FaceSchedule) -> list[torch.optim.Optimizer]:
    """One for the convolutions, one for all else; norms and biases do not decay."""
    named = list(network.parameters())
    groups: list[dict[str, Any]] = [
        {"params": [p for p in named if p.dim() == 2]},
        {"params": [p for p in named if p.dim() == 1], "weight_decay": 0.0},
    ]
    return [
        torch.optim.AdamW(groups, lr=schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True),
        Muon(
            [p for p in named if p.dim() == 4],
            lr=schedule.convolution_rate,
            weight_decay=schedule.weight_decay,
        ),
    ]


def face_loss(found: tuple[Tensor, Tensor], targets: FaceTargets, votes_weight: float) -> Tensor:
    """Cross-entropy of labels, and of votes where there are any."""
    logits, votes = found
    of_labels = -(targets.labels * F.log_softmax(logits, dim=1)).sum(dim=1).mean()
    of_votes = -(targets.votes * F.log_softmax(votes, dim=1)).sum(dim=1)
    return of_labels + votes_weight * (of_votes * targets.voted).sum() / targets.voted.sum().clamp(min=1)


def face_logits(
    ensemble: FaceEnsemble, faces: Faces, *, batch: int = 256
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits (n, 7) and votes (n, 8) of every face, in evaluation mode."""
    ensemble.eval()
    batches = np.array_split(faces.images, max(1, -(-len(faces) // batch)))
    with torch.no_grad():
        parts = [ensemble(torch.from_numpy(rows).float())[:2] for rows in batches]
    logits, votes = (torch.cat([part[i] for part in parts]).numpy() for i in range(2))
    return logits, votes


def face_scores(found: tuple[NDArray[np.float32], NDArray[np.float32]], faces: Faces) -> dict[str, float]:
    """WA and UAR of the labels, and WA of the votes where the people have a majority."""
    truth, predicted = ([str(i) for i in of] for of in (faces.labels, found[0].argmax(axis=1)))
    agreed = faces.majority >= 0
    scores = {"wa": accuracy(truth, predicted), "uar": unweighted_recall(truth, predicted)}
    if agreed.any():
        scores["votes"] = float((found[1].argmax(axis=1) == faces.majority)[agreed].mean())
    return {name: round(value, 4) for name, value in scores.items()}


def train_network(trainer: FaceTrainer, dev: Faces, folder: Path, *, report: Callable[[str], None]) -> FaceNetwork:
    """Train one network to the end, or on from its last checkpoint; its averaged weights are the result.

    No epoch is chosen: the rate falls to zero, and the last epoch is the best except by chance. ``folder`` holds
    ``checkpoint.pt`` and ``log.jsonl``; a finished network stands as ``averaged.pt``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    averaged: FaceNetwork = trainer.averaged
    finished, checkpoint, log = folder / "averaged.pt", folder / "checkpoint.pt", folder / "log.jsonl"
    if finished.exists():
        averaged.load_state_dict(torch.load(finished, weights_only=True))
        return averaged.eval()
    if checkpoint.exists():
        trainer.load(checkpoint)
        report(f"resumed after epoch {trainer.epoch}")
    last = sum(trainer.part.schedule.epochs)
    pace = Pace(last * trainer.steps_per_epoch, report, done=trainer.step)
    while trainer.epoch < last:
        size, loss = trainer.size, trainer.run_epoch(pace)
        line: dict[str, Any] = {"epoch": trainer.epoch, "size": size, "loss": round(loss, 4)}
        line |= face_scores(face_logits(FaceEnsemble([trainer.averaged], mirror=False), dev), dev)
        trainer.save(checkpoint)
        lines = [json.loads(old) for old in log.read_text().splitlines()] if log.exists() else []
        kept = [old for old in lines if old["epoch"] < line["epoch"]]
        log.write_text("".join(json.dumps(entry) + "\n" for entry in [*kept, line]))
        report(json.dumps(line))
    torch.save(averaged.state_dict(), folder / "averaged.part")
    (folder / "averaged.part").replace(finished)
    return averaged.eval()
