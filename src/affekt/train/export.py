"""From a trained network to one ONNX file with its card, checked against the network it came from."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from affekt._files import atomic_write
from affekt._optional import require
from affekt.errors import ModelError
from affekt.models.card import KEY, Card
from affekt.models.onnx import open_model
from affekt.speech.waveform import RATE, output_names

OPSET = 17
TOLERANCE = 1e-4


class SpeechProbability(nn.Module):
    """The activity network with a sigmoid behind it: log-odds to probability."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.network(signal))


def export(network: nn.Module, card: Card, path: Path) -> float:
    """Write a network as ONNX with its card inside, and compare the two.

    Parameters
    ----------
    network : Module
        Signal (b, n) to the outputs of the card's modality.
    card : Card
    path : Path
        Written only if the file agrees with the network.

    Returns
    -------
    float
        The largest difference seen, on noise of five lengths.

    Raises
    ------
    ModelError
        If they differ by more than 1e-4.
    """
    onnx = require("onnx", extra="train")
    model = onnx.load_from_string(_graph(network.eval(), card))
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: card.to_json()})
    model.producer_name, model.doc_string = "affekt", f"{card.name}: waveform at {RATE} Hz in, logits out"
    with atomic_write(path.with_suffix(".part.onnx"), "wb") as file:
        file.write(model.SerializeToString())
    difference = parity(network, path.with_suffix(".part.onnx"))
    if difference > TOLERANCE:
        raise ModelError(f"{path}: the file and the network differ by {difference:.1e}; allowed: {TOLERANCE:.0e}.")
    path.with_suffix(".part.onnx").replace(path)
    return difference


def rewrite_card(path: Path, card: Card) -> None:
    """Put another card into a model file; the graph stays."""
    onnx = require("onnx", extra="train")
    model = onnx.load_from_string(path.read_bytes())
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: card.to_json()})
    with atomic_write(path, "wb") as file:
        file.write(model.SerializeToString())


def parity(network: nn.Module, path: Path) -> float:
    """Largest difference between a network and its file, on noise of five lengths and two batch sizes.

    Relative to the largest value of an output where that is above 1.
    """
    model, rng, worst = open_model(path), np.random.default_rng(0), 0.0
    for seconds in (0.05, 0.31, 1.0, 3.0, 7.7):
        signal = (0.1 * rng.standard_normal((1 + (seconds > 1), int(16_000 * seconds)))).astype(np.float32)
        for baseline in _baselines(model.card, rng):
            with torch.no_grad():
                wanted = network(*_given(signal, baseline))
            found = model.run(*(tensor.numpy() for tensor in _given(signal, baseline)))
            for one, other in zip(wanted if isinstance(wanted, tuple) else (wanted,), found, strict=True):
                scale = max(1.0, float(one.abs().max()))
                worst = max(worst, float(np.abs(one.numpy() - other).max()) / scale)
    return worst


def _baselines(card: Card, rng: np.random.Generator) -> list[NDArray[np.float32] | None]:
    """The kinds of speaker baseline that a model takes, and none."""
    if not card.baseline:
        return [None]
    mean = 0.5 * rng.standard_normal(card.baseline)
    return [np.array([kind, *mean], np.float32) for kind in (0, 1, 2)]


def _given(signal: NDArray[np.float32], baseline: NDArray[np.float32] | None) -> tuple[torch.Tensor, ...]:
    given = () if baseline is None else (torch.from_numpy(np.tile(baseline, (len(signal), 1))),)
    return (torch.from_numpy(signal), *given)


def _graph(network: nn.Module, card: Card) -> bytes:
    file, outputs = io.BytesIO(), output_names(card)
    inputs = ("signal", "baseline") if card.baseline else ("signal",)
    axes = {
        "signal": {0: "b", 1: "n"},
        **({"baseline": {0: "b"}} if card.baseline else {}),
        **{name: {0: "b", **({1: "t"} if name != "logits" else {})} for name in outputs},
    }
    baseline = np.zeros(1 + card.baseline, np.float32) if card.baseline else None
    with warnings.catch_warnings():
        # Deprecated in favour of an exporter that needs two more packages for the same graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            _given((0.1 * np.random.default_rng(0).standard_normal((2, 64_000))).astype(np.float32), baseline),
            file,  # type: ignore[arg-type]
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()
