"""The model `fusion`: the weights of a log-opinion pool, learned on pairs that nothing else was learned from.

There are no labelled recordings with a voice, a face and words that may be
used. So moments are made up: a clip of a voice, a face and a text of one label,
drawn independently from what the three models held out. That is honest about how
sure each modality is, but says nothing about real moments: the three agree
by label only, never in time, and nobody here smiles while being angry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt._files import atomic_write
from affekt._optional import require
from affekt.errors import InputError
from affekt.models.card import KEY, Card
from affekt.models.onnx import open_model

Floats = NDArray[np.float64]

#: Lowest probability; smaller ones are raised to it.
LEAST = 1e-6


@dataclass(frozen=True)
class Moments:
    """What each modality says of made-up moments.

    Parameters
    ----------
    truth : int array, shape (n,)
    scores : array, shape (n, m, k)
        Calibrated probabilities.
    qualities : array, shape (n, m)
        0 where a modality is missing.
    """

    truth: NDArray[np.int64]
    scores: Floats
    qualities: Floats


def pair_by_label(
    answers: Mapping[str, tuple[Floats, NDArray[np.int64], Floats]],
    *,
    count: int,
    missing: float = 0.3,
    rng: np.random.Generator,
) -> Moments:
    """Draw moments: a label, then each modality's answer to a sample of that label.

    Parameters
    ----------
    answers : mapping of modality to (scores (n, k), labels (n,), qualities (n,))
        Of held-out samples.
    count : int
        Number of moments; every label occurs equally often.
    missing : float
        How often a modality is left out of a moment; never all of them.
    rng : numpy Generator

    Raises
    ------
    InputError
        If a modality has no sample of a label that another one has.
    """
    labels = sorted(set(np.concatenate([truth for _, truth, _ in answers.values()]).tolist()))
    for name, (_, truth, _) in answers.items():
        if lacking := set(labels) - set(truth.tolist()):
            raise InputError(f"{name} has no sample of {len(lacking)} of the labels; leave them out everywhere.")
    truth = np.array([labels[i % len(labels)] for i in range(count)])
    columns, qualities = [], []
    for scores, known, quality in answers.values():
        rows = np.array([rng.choice(np.flatnonzero(known == label)) for label in truth])
        columns.append(scores[rows])
        qualities.append(quality[rows])
    is_there = rng.random((count, len(answers))) >= missing
    is_there[~is_there.any(axis=1), int(rng.integers(len(answers)))] = True
    return Moments(truth, np.stack(columns, axis=1), np.stack(qualities, axis=1) * is_there)


def pooled_logits(weights: Floats, gain: float, moments: Moments) -> Floats:
    """Logits (n, k) of the pool, as its file computes them."""
    counted = weights * moments.qualities
    shares = counted / np.maximum(counted.sum(axis=1, keepdims=True), LEAST)
    in_effect = 1 / np.maximum((shares**2).sum(axis=1), LEAST)
    summed = (shares[:, :, None] * np.log(np.maximum(moments.scores, LEAST))).sum(axis=1)
    logits: Floats = (1 + gain * (np.minimum(in_effect, moments.qualities.shape[1]) - 1))[:, None] * summed
    return logits


def fit_pool(moments: Moments) -> tuple[Floats, float]:
    """Weights of the modalities (their mean is 1) and the gain of those that agree, by least log loss."""
    optimize: Any = require("scipy.optimize", extra="train")

    def loss(parameters: Floats) -> float:
        logits = pooled_logits(np.exp(parameters[:-1]), float(parameters[-1]), moments)
        logits = logits - logits.max(axis=1, keepdims=True)
        normal = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        # Weights have no scale of their own.
        return float(-normal[np.arange(len(normal)), moments.truth].mean() + 0.01 * parameters[:-1].mean() ** 2)

    found = optimize.minimize(
        loss, np.zeros(moments.scores.shape[1] + 1), method="Nelder-Mead", options={"maxiter": 2000}
    )
    weights = np.exp(found.x[:-1])
    return weights / weights.mean(), float(found.x[-1])


def export_pool(weights: Floats, gain: float, card: Card, path: Path) -> None:
    """Write the pool as ONNX with its card inside.

    Inputs: ``scores`` (b, m, k) and ``qualities`` (b, m); output: ``logits`` (b, k).
    """
    onnx = require("onnx", extra="train")
    make, numbers = onnx.helper.make_node, onnx.numpy_helper.from_array
    constants = {
        "weights": np.asarray(weights, np.float32), "gain": np.float32(gain), "one": np.float32(1),
        "least": np.float32(LEAST), "most": np.float32(len(weights)), "over": np.array([1], np.int64),
        "last": np.array([2], np.int64),
    }  # fmt: skip
    nodes = [
        make("Mul", ["qualities", "weights"], ["counted"]),
        make("ReduceSum", ["counted", "over"], ["total"], keepdims=1),
        make("Max", ["total", "least"], ["bounded"]),
        make("Div", ["counted", "bounded"], ["shares"]),
        make("Mul", ["shares", "shares"], ["squares"]),
        make("ReduceSum", ["squares", "over"], ["squared"], keepdims=1),
        make("Max", ["squared", "least"], ["some"]),
        make("Div", ["one", "some"], ["free"]),
        make("Min", ["free", "most"], ["in_effect"]),
        make("Sub", ["in_effect", "one"], ["more"]),
        make("Mul", ["more", "gain"], ["gained"]),
        make("Add", ["gained", "one"], ["factor"]),
        make("Max", ["scores", "least"], ["positive"]),
        make("Log", ["positive"], ["logs"]),
        make("Unsqueeze", ["shares", "last"], ["wide"]),
        make("Mul", ["logs", "wide"], ["parts"]),
        make("ReduceSum", ["parts", "over"], ["summed"], keepdims=0),
        make("Mul", ["summed", "factor"], ["logits"]),
    ]
    size, m, k = onnx.TensorProto.FLOAT, len(weights), len(card.labels)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "pool",
        [value("scores", size, ["b", m, k]), value("qualities", size, ["b", m])],
        [value("logits", size, ["b", k])],
        [numbers(np.asarray(array), name) for name, array in constants.items()],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.helper.set_model_props(model, {KEY: card.to_json()})
    onnx.checker.check_model(model)
    with atomic_write(path, "wb") as file:
        file.write(model.SerializeToString())


def fit_fusion(moments: Moments, card: Card, path: Path) -> tuple[Floats, float]:
    """Fit the pool and write the file; returns weights and gain.

    It has no temperature: each modality is calibrated before, and a single one is passed on as it is.

    Parameters
    ----------
    moments : Moments
    card : Card
        With the labels and ``input["modalities"]``.
    path : Path
    """
    weights, gain = fit_pool(moments)
    export_pool(weights, gain, card, path)
    open_model(path)
    return weights, gain
