"""Fits one model of a lab recipe and computes its scores; contains the training loop of all lab networks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

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
from affekt.train.pace import Pace

Tick = Callable[[str], None]
History = tuple[dict[str, float], ...]

SECONDS_BETWEEN_CHECKPOINTS = 20.0

C = TypeVar("C", bound="Clips")


class Clips(Protocol):
    """Clips that a network learns from: what :class:`Training` asks of them.

    ``classes`` are their class numbers, (n,). Those of different lengths go through the network ``one_by_one``.
    """

    @property
    def classes(self) -> NDArray[np.int64]: ...

    @property
    def one_by_one(self) -> bool: ...

    def logits(self, network: nn.Module, rows: Tensor) -> Tensor:
        """Logits (len(rows), k) of some of the clips."""
        ...


@dataclass(frozen=True)
class Arrays:
    """Inputs (n, ...) float32 and class numbers (n,)."""

    inputs: NDArray[np.float32]
    classes: NDArray[np.int64]
    one_by_one: bool = field(default=False, init=False)

    def logits(self, network: nn.Module, rows: Tensor) -> Tensor:
        """Logits (len(rows), k) of some rows."""
        found: Tensor = network(torch.from_numpy(self.inputs)[rows])
        return found


def one_group(network: nn.Module, learning_rate: float) -> list[dict[str, Any]]:
    """All parameters of a network, for the optimizer, with one learning rate."""
    return [{"params": list(network.parameters()), "lr": learning_rate}]


@dataclass(frozen=True)
class Task(Generic[C]):
    """What one model is fitted on.

    Parameters
    ----------
    train : Arrays, or other Clips
    watch : the same, or None
        What chooses the epoch; ``None``: the last one is kept.
    count : int
        Number of classes.
    seed : int
    groups : callable
        Network and learning rate to the parameter groups of the optimizer.
    longest_gradient : float or None
        Gradients are clipped to this norm; ``None``: they are not.
    """

    train: C
    watch: C | None
    count: int
    seed: int
    groups: Callable[[nn.Module, float], list[dict[str, Any]]] = one_group
    longest_gradient: float | None = None


@dataclass(frozen=True)
class Fitted:
    """A fitted model.

    Parameters
    ----------
    scores : callable
        Inputs (n, ...) to probabilities (n, k).
    calibrated : bool
        Whether the scores are probabilities, or only a soft form of a decision.
    history : tuple of dict
        One entry per epoch: loss, accuracy, watched loss and accuracy; empty for classifiers.
    model : object
        The network or the classifier itself.
    """

    scores: Callable[[NDArray[np.float32]], NDArray[np.float64]]
    calibrated: bool
    history: History
    model: Any


def fit(name: str, task: Task[Arrays], options: Fit, *, folder: Path, tick: Tick) -> Fitted:
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
        network = _network(ARCHITECTURES[name], task)
        history = fit_network(network, task, options, folder=folder, tick=tick)

        def scores(inputs: NDArray[np.float32]) -> NDArray[np.float64]:
            return softmax(all_logits(network, Arrays(inputs, np.zeros(len(inputs), np.int64))).numpy())

        return Fitted(scores, True, history, network)
    if name in CLASSIFIERS:
        return _fit_classifier(CLASSIFIERS[name](task.seed), task)
    raise UnknownName("model", name, [*ARCHITECTURES, *CLASSIFIERS])


def _network(make: Callable[[tuple[int, ...], int], nn.Module], task: Task[Arrays]) -> nn.Module:
    torch.manual_seed(task.seed)
    shape = task.train.inputs.shape[1:]
    try:
        return make(shape, task.count)
    except RuntimeError as error:
        raise InputError(f"the network cannot take inputs of shape {shape} ({error}); check [inputs].") from None


def _fit_classifier(classifier: Any, task: Task[Arrays]) -> Fitted:
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


class Training:
    """A network in training, with everything that a checkpoint has to bring back."""

    def __init__(self, network: nn.Module, task: Task[Any], options: Fit) -> None:
        self.network, self.task, self.options = network, task, options
        groups = task.groups(network, options.learning_rate)
        self.optimizer = torch.optim.Adam(groups, options.learning_rate)
        self.history: list[dict[str, float]] = []
        self.best, self.kept = -1.0, network.state_dict()

    def epoch(self, tick: Callable[[], object] = lambda: None) -> None:
        """One pass in an order that depends on the seed and the epoch alone; the best epoch so far is kept.

        ``tick`` is called after each batch.
        """
        number, train = len(self.history), self.task.train
        torch.manual_seed(self.task.seed * 100_003 + number)
        order = torch.randperm(len(train.classes))
        self.network.train()
        loss_sum = hits = 0.0
        for batch in order.split(self.options.batch):
            tick()
            if len(batch) == 1 and len(order) > 1 and not train.one_by_one:
                continue  # a batch norm cannot be trained on one clip
            loss, right = self._step(batch)
            loss_sum, hits = loss_sum + loss, hits + right
        self.history.append({"epoch": number + 1, "loss": loss_sum / len(order), "accuracy": hits / len(order)})
        if self.task.watch is not None:
            self.history[-1] |= self._watched(self.task.watch)
        gained = self.history[-1].get("watched accuracy", float(len(self.history)))
        if gained > self.best:
            self.best = gained
            self.kept = {name: value.clone() for name, value in self.network.state_dict().items()}

    def _step(self, batch: Tensor) -> tuple[float, float]:
        """One step of the optimizer; returns the sum of the losses and the number of hits."""
        train = self.task.train
        self.optimizer.zero_grad()
        loss_sum = hits = 0.0
        for part in batch.split(1) if train.one_by_one else (batch,):
            logits = train.logits(self.network, part)
            classes = torch.from_numpy(train.classes)[part].to(logits.device)
            loss = nn.functional.cross_entropy(logits, classes)
            (loss * len(part) / len(batch)).backward()
            loss_sum += loss.item() * len(part)
            hits += (logits.argmax(1) == classes).sum().item()
        if self.task.longest_gradient is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.task.longest_gradient)
        self.optimizer.step()
        return loss_sum, hits

    def _watched(self, watch: Clips) -> dict[str, float]:
        logits, classes = all_logits(self.network, watch), torch.from_numpy(watch.classes)
        loss = nn.functional.cross_entropy(logits, classes).item()
        return {"watched loss": loss, "watched accuracy": (logits.argmax(1) == classes).float().mean().item()}

    def save(self, path: Path) -> None:
        """Everything that the next epoch depends on."""
        state = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(), "kept": self.kept}
        _save(state | {"history": self.history, "best": self.best}, path)

    def load(self, path: Path) -> None:
        """Resume from what :meth:`save` wrote."""
        state = torch.load(path, weights_only=True, map_location=next(self.network.parameters()).device)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.kept, self.history, self.best = state["kept"], state["history"], state["best"]


def fit_network(network: nn.Module, task: Task[Any], options: Fit, *, folder: Path, tick: Tick) -> History:
    """Fit a network, or resume. It keeps the weights of its best epoch, also saved to the folder as ``best.pt``.

    Returns
    -------
    tuple of dict
        One entry per epoch: loss, accuracy, watched loss and accuracy.
    """
    best, log, checkpoint = (folder / name for name in ("best.pt", "log.jsonl", "checkpoint.pt"))
    if best.exists() and log.exists():
        load_best(network, folder)
        return tuple(json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())
    folder.mkdir(parents=True, exist_ok=True)
    training = Training(network, task, options)
    if checkpoint.exists():
        training.load(checkpoint)
    saved = monotonic()
    steps = -(-len(task.train.classes) // options.batch)
    pace = Pace(options.epochs * steps, tick, done=len(training.history) * steps)
    while not is_done(training.history, options):
        training.epoch(pace)
        # Small networks take less time for an epoch than for a checkpoint.
        if monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
            training.save(checkpoint)
            saved = monotonic()
        tick(epoch_line(training.history[-1]))
    network.load_state_dict(training.kept)
    _save(training.kept, best)
    with atomic_write(log) as file:
        file.write("".join(json.dumps(entry) + "\n" for entry in training.history))
    # The checkpoint is up to four times the size of the network, and not needed when all epochs are done.
    checkpoint.unlink(missing_ok=True)
    return tuple(training.history)


def load_best(network: nn.Module, folder: Path) -> None:
    """Bring back what :func:`fit_network` kept."""
    network.load_state_dict(torch.load(folder / "best.pt", weights_only=True, map_location="cpu"))


def all_logits(network: nn.Module, clips: Clips, *, batch: int = 256) -> Tensor:
    """Logits (n, k) of some clips, in evaluation mode."""
    network.eval()
    with torch.no_grad():
        parts = torch.arange(len(clips.classes)).split(1 if clips.one_by_one else batch)
        return torch.cat([clips.logits(network, part).cpu() for part in parts])


def _save(state: dict[str, Any], path: Path) -> None:
    with atomic_write(path, "wb") as file:
        torch.save(state, file)


def is_done(history: Sequence[Mapping[str, float]], options: Fit) -> bool:
    """Whether all epochs are done, or the patience has run out."""
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
