"""What training runs that can be stopped have in common: a running average of the weights, and a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn


class Resumable(Protocol):
    """A training run: networks, optimisers with their schedulers, and how far it is."""

    network: Any
    averaged: Any
    optimisers: Any
    schedulers: Any
    epoch: int
    step: int


def average(averaged: nn.Module, network: nn.Module, *, step: int, decay: float) -> None:
    """Move the running average of the weights towards the network, after its ``step``-th step."""
    # Young averages forget faster, or the random start would linger for epochs.
    decay = min(decay, (1 + step) / (10 + step))
    for kept, value in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(value, 1 - decay)
        else:
            kept.copy_(value)


def save_checkpoint(run: Resumable, path: Path) -> None:
    """Write a checkpoint that appears only when complete."""
    state = {
        "network": run.network.state_dict(),
        "averaged": run.averaged.state_dict(),
        "optimisers": [one.state_dict() for one in run.optimisers],
        "schedulers": [one.state_dict() for one in run.schedulers],
        "counters": torch.tensor([run.epoch, run.step]),
    }
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def load_checkpoint(run: Resumable, path: Path) -> None:
    """Continue from a checkpoint."""
    state = torch.load(path, weights_only=True)
    run.network.load_state_dict(state["network"])
    run.averaged.load_state_dict(state["averaged"])
    for optimiser, kept in zip(run.optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(kept)
    for scheduler, kept in zip(run.schedulers, state["schedulers"], strict=True):
        scheduler.load_state_dict(kept)
    run.epoch, run.step = (int(value) for value in state["counters"])
