"""Fitting an encoder's head, or all of it, clip by clip: a clip is never filled up to the length of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from affekt._files import atomic_write
from affekt.train.lab.encoder import EncoderNetwork, Head
from affekt.train.lab.encoder_clips import Views
from affekt.train.lab.experiment import Fit
from affekt.train.lab.fit import epoch_line, is_done

#: How much slower the encoder learns than its head, which begins with random weights.
ENCODER_SHARE = 0.02
#: Longest gradient.
CLIP = 1.0

Trained = Head | EncoderNetwork


@dataclass(frozen=True)
class ClipTask:
    """What one network is fitted on: clips by their number, and the class of each.

    Parameters
    ----------
    views : Views
    classes : int64 array, shape (clips,)
    train, watch : int64 arrays
        Numbers of clips; ``watch`` chooses the epoch, and may be empty: then the last is kept.
    seed : int
    """

    views: Views
    classes: NDArray[np.int64]
    train: NDArray[np.int64]
    watch: NDArray[np.int64]
    seed: int


class ClipTraining:
    """A network in training, with everything that a checkpoint has to bring back."""

    def __init__(self, network: Trained, task: ClipTask, options: Fit) -> None:
        self.network, self.task, self.options = network.to(device()), task, options
        self.optimizer = torch.optim.Adam(_groups(network, options.learning_rate))
        self.history: list[dict[str, float]] = []
        self.best = -1.0

    def epoch(self) -> bool:
        """One pass in an order that depends on the seed and the epoch alone; returns whether it is the best so far."""
        number, task = len(self.history), self.task
        torch.manual_seed(task.seed * 100_003 + number)
        order = task.train[torch.randperm(len(task.train)).numpy()]
        self.network.train()
        loss = hits = 0.0
        for start in range(0, len(order), self.options.batch):
            one, other = self._step(order[start : start + self.options.batch])
            loss, hits = loss + one, hits + other
        self.history.append({"epoch": number + 1, "loss": loss / len(order), "accuracy": hits / len(order)})
        if len(task.watch):
            self.history[-1] |= self._watched()
        gained = self.history[-1].get("watched accuracy", float(number))
        is_best = gained > self.best
        self.best = max(self.best, gained)
        return is_best

    def _step(self, clips: NDArray[np.int64]) -> tuple[float, float]:
        """One step of the optimiser; returns the sum of the losses and the number of hits."""
        self.optimizer.zero_grad()
        loss_sum = hits = 0.0
        for clip in clips:
            logits, truth = logits_of(self.network, self.task.views[int(clip)]), int(self.task.classes[clip])
            loss = nn.functional.cross_entropy(logits[None], torch.tensor([truth], device=logits.device))
            (loss / len(clips)).backward()
            loss_sum, hits = loss_sum + loss.item(), hits + float(logits.argmax().item() == truth)
        nn.utils.clip_grad_norm_([p for group in self.optimizer.param_groups for p in group["params"]], CLIP)
        self.optimizer.step()
        return loss_sum, hits

    def _watched(self) -> dict[str, float]:
        logits = torch.from_numpy(all_logits(self.network, self.task.views, self.task.watch))
        classes = torch.from_numpy(self.task.classes[self.task.watch])
        accuracy = (logits.argmax(1) == classes).float().mean().item()
        return {"watched loss": nn.functional.cross_entropy(logits, classes).item(), "watched accuracy": accuracy}

    def save(self, path: Path) -> None:
        """Everything that the next epoch depends on."""
        state = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        _write(state | {"history": self.history, "best": self.best}, path)

    def load(self, path: Path) -> None:
        """Go on where :meth:`save` stopped."""
        state = torch.load(path, weights_only=True, map_location=device())
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history, self.best = state["history"], state["best"]


def fit_clips(
    network: Trained, task: ClipTask, options: Fit, *, folder: Path, tick: Callable[[str], None]
) -> tuple[dict[str, float], ...]:
    """Fit a network, or go on with it; its best epoch is left in it, and in the folder as ``best.pt``.

    Returns
    -------
    tuple of dict
        One entry per epoch: loss, accuracy, watched loss and accuracy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    training, checkpoint, best = ClipTraining(network, task, options), folder / "checkpoint.pt", folder / "best.pt"
    if checkpoint.exists():
        training.load(checkpoint)
    while not is_done(training.history, options):
        # Before the checkpoint: a run that is interrupted between the two repeats the epoch, and finds the same.
        if training.epoch():
            _write(network.state_dict(), best)
        training.save(checkpoint)
        tick(epoch_line(training.history[-1]))
    load_best(network, best)
    return tuple(training.history)


def load_best(network: Trained, path: Path) -> None:
    """Bring back what :func:`fit_clips` kept."""
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))


def logits_of(network: Trained, view: NDArray[np.float32]) -> Tensor:
    """Logits (k,) of one clip."""
    return network.whole(torch.from_numpy(view)[None].to(next(network.parameters()).device))[0]


def all_logits(network: Trained, views: Views, clips: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
    """Logits (n, k) of some clips, in evaluation mode."""
    network.eval()
    with torch.no_grad():
        return np.stack([logits_of(network, views[int(clip)]).cpu().numpy() for clip in clips])


def device() -> str:
    """Where networks are trained: on the graphics processor if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def _groups(network: Trained, learning_rate: float) -> list[dict[str, Any]]:
    head = network if isinstance(network, Head) else network.head
    groups = [{"params": list(head.parameters()), "lr": learning_rate}]
    if isinstance(network, EncoderNetwork):
        slow = [p for p in network.encoder.parameters() if p.requires_grad]
        groups.append({"params": slow, "lr": ENCODER_SHARE * learning_rate})
    return groups


def _write(state: dict[str, Any], path: Path) -> None:
    with atomic_write(path, "wb") as file:
        torch.save(state, file)
