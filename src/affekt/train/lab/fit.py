"""Fitting one model of a lab recipe on arrays, and asking it for scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from affekt._files import atomic_write
from affekt.errors import InputError, UnknownName
from affekt.models.onnx import softmax
from affekt.train.lab.architectures import ARCHITECTURES
from affekt.train.lab.classifiers import CLASSIFIERS
from affekt.train.lab.experiment import Fit

Tick = Callable[[str], None]

SECONDS_BETWEEN_CHECKPOINTS = 20.0


@dataclass(frozen=True)
class Arrays:
    """Inputs (n, ...) float32 and class numbers (n,)."""

    inputs: NDArray[np.float32]
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """What one model is fitted on.

    Parameters
    ----------
    train : Arrays
    watch : Arrays or None
        What chooses the epoch; ``None``: the last one is kept.
    count : int
        Number of classes.
    seed : int
    """

    train: Arrays
    watch: Arrays | None
    count: int
    seed: int


@dataclass(frozen=True)
class Fitted:
    """A fitted model.

    Parameters
    ----------
    scores : callable
        Inputs (n, ...) to probabilities (n, k).
    calibrated : bool
        Whether these are probabilities, or a soft form of a decision only.
    history : tuple of dict
        One entry per epoch: loss, accuracy, watched loss and accuracy; empty for classifiers.
    model : object
        The network or the classifier itself.
    """

    scores: Callable[[NDArray[np.float32]], NDArray[np.float64]]
    calibrated: bool
    history: tuple[dict[str, float], ...]
    model: Any


def fit(name: str, task: Task, options: Fit, *, folder: Path, tick: Tick) -> Fitted:
    """Fit a model by its name.

    Parameters
    ----------
    name : str
        A key of ``ARCHITECTURES`` or of ``CLASSIFIERS``.
    task : Task
    options : Fit
    folder : Path
        For the checkpoint and the log of a network; a call with the same
        folder goes on where an earlier one stopped.
    tick : callable
        Takes a line after each epoch.

    Raises
    ------
    UnknownName
        If there is no such model.
    """
    if name in ARCHITECTURES:
        return _fit_network(ARCHITECTURES[name], task, options, folder=folder, tick=tick)
    if name in CLASSIFIERS:
        return _fit_classifier(CLASSIFIERS[name](task.seed), task)
    raise UnknownName("model", name, [*ARCHITECTURES, *CLASSIFIERS])


def _fit_classifier(classifier: Any, task: Task) -> Fitted:
    flat = task.train.inputs.reshape(len(task.train.inputs), -1)
    # Some classifiers want the classes numbered without gaps, and a training set may lack one.
    present, numbered = np.unique(task.train.classes, return_inverse=True)
    classifier.fit(flat, numbered)

    def scores(inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        rows = inputs.reshape(len(inputs), -1)
        full = np.zeros((len(rows), task.count))
        full[:, present] = _probabilities(classifier, rows, len(present))
        return full

    return Fitted(scores, hasattr(classifier, "predict_proba"), (), classifier)


def _probabilities(classifier: Any, rows: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    if hasattr(classifier, "predict_proba"):
        return np.asarray(classifier.predict_proba(rows), np.float64)
    decision = np.asarray(classifier.decision_function(rows), np.float64)
    return softmax(np.column_stack([-decision, decision]) if count == 2 else decision)


class _Training:
    """A network in training, with everything that a checkpoint has to bring back."""

    def __init__(self, network: nn.Module, task: Task, options: Fit) -> None:
        self.network, self.task, self.options = network, task, options
        self.optimizer = torch.optim.Adam(network.parameters(), options.learning_rate)
        self.history: list[dict[str, float]] = []
        self.best, self.kept = -1.0, network.state_dict()

    def epoch(self) -> None:
        """One pass in an order that depends on the seed and the epoch alone."""
        number, data = len(self.history), self.task.train
        torch.manual_seed(self.task.seed * 100_003 + number)
        order = torch.randperm(len(data.inputs))
        inputs, classes = torch.from_numpy(data.inputs), torch.from_numpy(data.classes)
        self.network.train()
        loss_sum = hits = 0.0
        for batch in order.split(self.options.batch):
            if len(batch) == 1 and len(order) > 1:
                continue  # a batch norm cannot be trained on one clip
            logits = self.network(inputs[batch])
            loss = nn.functional.cross_entropy(logits, classes[batch])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            loss_sum += loss.item() * len(batch)
            hits += (logits.argmax(1) == classes[batch]).sum().item()
        entry = {"epoch": number + 1, "loss": loss_sum / len(order), "accuracy": hits / len(order)}
        self.history.append(entry | self._watched())
        self._keep()

    def _watched(self) -> dict[str, float]:
        watch = self.task.watch
        if watch is None:
            return {}
        logits, classes = _logits(self.network, watch.inputs), torch.from_numpy(watch.classes)
        loss = nn.functional.cross_entropy(logits, classes).item()
        return {"watched loss": loss, "watched accuracy": (logits.argmax(1) == classes).float().mean().item()}

    def _keep(self) -> None:
        gained = self.history[-1].get("watched accuracy", float(len(self.history)))
        if gained > self.best:
            self.best = gained
            self.kept = {name: value.clone() for name, value in self.network.state_dict().items()}

    def save(self, path: Path) -> None:
        """Everything that the next epoch depends on."""
        state = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(), "kept": self.kept}
        with atomic_write(path, "wb") as file:
            torch.save(state | {"history": self.history, "best": self.best}, file)

    def load(self, path: Path) -> None:
        """Go on where :meth:`save` stopped."""
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.kept, self.history, self.best = state["kept"], state["history"], state["best"]


def _fit_network(
    make: Callable[[tuple[int, ...], int], nn.Module], task: Task, options: Fit, *, folder: Path, tick: Tick
) -> Fitted:
    torch.manual_seed(task.seed)
    try:
        network = make(task.train.inputs.shape[1:], task.count)
    except RuntimeError as error:
        shape = task.train.inputs.shape[1:]
        raise InputError(f"the network cannot take inputs of shape {shape} ({error}); check [inputs].") from None
    training, checkpoint = _Training(network, task, options), folder / "checkpoint.pt"
    if checkpoint.exists():
        training.load(checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    saved = monotonic()
    while not is_done(training.history, options):
        training.epoch()
        # Small networks take less time for an epoch than for a checkpoint.
        if is_done(training.history, options) or monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
            training.save(checkpoint)
            saved = monotonic()
        tick(epoch_line(training.history[-1]))
    network.load_state_dict(training.kept)
    with atomic_write(folder / "log.jsonl") as file:
        file.write("".join(json.dumps(entry) + "\n" for entry in training.history))
    return Fitted(lambda inputs: softmax(_logits(network, inputs).numpy()), True, tuple(training.history), network)


def _logits(network: nn.Module, inputs: NDArray[np.float32], *, batch: int = 256) -> Tensor:
    network.eval()
    with torch.no_grad():
        return torch.cat([network(torch.from_numpy(inputs[i : i + batch])) for i in range(0, len(inputs), batch)])


def is_done(history: Sequence[Mapping[str, float]], options: Fit) -> bool:
    """Whether the epochs, or the patience with what is watched, are used up."""
    values = [entry["watched accuracy"] for entry in history if "watched accuracy" in entry]
    since_best = len(values) - 1 - values.index(max(values)) if values else 0
    return len(history) >= options.epochs or 0 < options.patience <= since_best


def epoch_line(entry: Mapping[str, float]) -> str:
    """An epoch as a line of progress."""
    words = [f"epoch {entry['epoch']:.0f}", f"loss {entry['loss']:.3f}", f"accuracy {entry['accuracy']:.3f}"]
    words += [f"watched {entry['watched accuracy']:.3f}"] if "watched accuracy" in entry else []
    return ", ".join(words)


def scaling(inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation over clips (and frames) of each column; a constant column gets a deviation of 1."""
    axes = tuple(range(inputs.ndim - 1))
    mean, deviation = inputs.mean(axes, dtype=np.float64), inputs.std(axes, dtype=np.float64)
    return mean.astype(np.float32), np.where(deviation > 1e-9, deviation, 1).astype(np.float32)
