"""A model that learned numbers as one ONNX file: features (or sound) in, logits of the corners of its dimensions out.

The file has the form of every other model, so that segments, summaries, servers and pages need not know it: the
logarithms of the probabilities of the corners, whose mean place is the number (:func:`affekt.labels.corners`).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from affekt._files import atomic_write
from affekt._optional import require
from affekt.data.splits import Split
from affekt.errors import ModelError
from affekt.labels import corner_of, corners
from affekt.models.card import KEY, STAMPED, Card
from affekt.models.onnx import open_model, softmax
from affekt.models.zoo import load_model, model_path
from affekt.speech.inputs import Inputs
from affekt.train.lab.dimensions import DimensionRun, fit_fold
from affekt.train.lab.dimensions_recipe import EMBEDDING, parts_of
from affekt.train.lab.export import FLOOR, OPSET, TOLERANCE
from affekt.train.lab.model import HOP, LIMITS, WINDOW
from affekt.train.lab.regressors import answers
from affekt.train.sources import LICENCE, split_hash, training_data
from affekt.types import Report

#: Limits of such a model, besides those of every lab model.
CORNERS = (
    "It learned numbers, not emotions: its labels are the corners of its dimensions, and their scores are no "
    "probabilities but a place between them, which `dimensions` says in numbers."
)
#: Rows on which the file and the model are compared.
PROBES = 64


class Kernel(nn.Module):
    """A support vector regression with a Gaussian kernel."""

    support: Tensor
    dual: Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.register_buffer("support", _floats(model.support_vectors_))
        self.register_buffer("dual", _floats(model.dual_coef_[0])[:, None])
        self.offset, self.gamma = float(model.intercept_[0]), float(model.gamma)

    def forward(self, rows: Tensor) -> Tensor:
        """Features (..., d) to numbers (..., 1)."""
        distance = (rows**2).sum(-1, keepdim=True) - 2 * rows @ self.support.T + (self.support**2).sum(1)
        found: Tensor = torch.exp(-self.gamma * distance) @ self.dual + self.offset
        return found


class Scaled(nn.Module):
    """A regressor of scikit-learn behind its scaler."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, pipeline: Any) -> None:
        super().__init__()
        scaler, model = (step for _, step in pipeline.steps)
        self.register_buffer("mean", _floats(scaler.mean_))
        self.register_buffer("deviation", _floats(scaler.scale_))
        self.inner = _as_network(model)

    def forward(self, rows: Tensor) -> Tensor:
        """Features (..., d) to numbers (..., 1)."""
        found: Tensor = self.inner((rows - self.mean) / self.deviation)
        return found


class Corners(nn.Module):
    """Numbers of several dimensions, as the probabilities of the corners between which they lie."""

    def __init__(self, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)

    def forward(self, rows: Tensor) -> Tensor:
        """Features (..., d) to probabilities (..., 2 ** dimensions), in the order of ``corners``."""
        highs = [(head(rows).clamp(-1, 1) + 1) / 2 for head in self.heads]
        # One by one, so that the number of corners stands in the file.
        found = [torch.ones_like(highs[0])]
        for high in highs:
            found = [corner * end for corner in found for end in (1 - high, high)]
        return torch.cat(found, -1)


class OfFeatures(nn.Module):
    """Features of a window (b, d) to the logits of the corners (b, k)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, features: Tensor) -> Tensor:
        return torch.log(self.inner(features) + FLOOR)


class OfEmbeddings(OfFeatures):
    """Embeddings of windows (b, w, d) to the logits of the whole (b, k) and of each window (b, w, k)."""

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        corner = self.inner(features)
        return torch.log(corner.mean(1) + FLOOR), torch.log(corner + FLOOR)


def write_dimensions(run: DimensionRun, model: str, path: Path) -> float:
    """Write a model of the first fold as one ONNX file, and compare the two.

    Parameters
    ----------
    run : DimensionRun
    model : str
        One of the recipe's models.
    path : Path
        Written only if the file agrees with the model.

    Returns
    -------
    float
        Largest difference of a number, on the scale of -1 to 1.

    Raises
    ------
    ModelError
        If they differ by more than 1e-4.
    """
    onnx = require("onnx", extra="train")
    split, table = run.splits[0], run.table
    fits = [fit for _, fit in fit_fold(run.recipe, table, split, model=model).values()]
    network = Corners([Scaled(fit) for fit in fits]).eval()
    name = parts_of(model)[0]
    embedded = name == EMBEDDING
    probe = table.features[name][:PROBES]
    data = _graph(OfEmbeddings(network) if embedded else OfFeatures(network), probe, windows=embedded)
    file = onnx.load_from_string(data)
    if embedded:
        file = _behind(file, onnx.load(str(model_path(run.recipe.encoder))))
    card = _card(run, model, split)
    del file.metadata_props[:]
    onnx.helper.set_model_props(file, {KEY: card.to_json()})
    file.producer_name, file.doc_string = "affekt", f"{card.name}: {', '.join(table.names)}"
    part = path.with_suffix(".part.onnx")
    with atomic_write(part, "wb") as target:
        target.write(file.SerializeToString())
    found = _numbers(network, probe, part, embedded=embedded, names=table.names)
    difference = float(np.abs(found - np.column_stack([answers(fit, probe) for fit in fits])).max())
    if difference > TOLERANCE:
        part.unlink()
        raise ModelError(f"{path}: the file and the model differ by {difference:.1e}; allowed: {TOLERANCE:.0e}.")
    part.replace(path)
    return difference


def _as_network(model: Any) -> nn.Module:
    """A fitted regressor as a network."""
    if hasattr(model, "support_vectors_"):
        return Kernel(model)
    if not hasattr(model, "coefs_"):
        return _linear(model.coef_[None], np.array([model.intercept_]))
    layers: list[nn.Module] = []
    for weights, offset in zip(model.coefs_, model.intercepts_, strict=True):
        layers += [_linear(weights.T, offset), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _linear(weights: NDArray[Any], offset: NDArray[Any]) -> nn.Linear:
    layer = nn.Linear(weights.shape[1], weights.shape[0])
    layer.load_state_dict({"weight": _floats(weights), "bias": _floats(offset)})
    return layer


def _floats(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def _graph(network: nn.Module, probe: NDArray[np.float32], *, windows: bool) -> bytes:
    given = torch.from_numpy(probe[:2])
    file = io.BytesIO()
    outputs = {"logits": {0: "b"}, **({"window_logits": {0: "b", 1: "w"}} if windows else {})}
    with warnings.catch_warnings():
        # Deprecated in favour of an exporter that needs two more packages for the same graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (given[:, None] if windows else given,),
            file,  # type: ignore[arg-type]
            input_names=["features"],
            output_names=[*outputs],
            dynamic_axes={"features": {0: "b", **({1: "w"} if windows else {})}, **outputs},
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()


def _behind(head: Any, voice: Any) -> Any:
    """The head behind the embeddings of a voice model: sound in, logits of the whole and of windows out."""
    onnx, compose = require("onnx", extra="train"), require("onnx.compose", extra="train")
    extractor = require("onnx.utils", extra="train").Extractor(voice)
    front = extractor.extract_model(["signal"], ["embeddings"])
    for model in (front, head):
        model.ir_version = max(front.ir_version, head.ir_version)
    # Models can be joined only when they state the same versions.
    head = onnx.version_converter.convert_version(head, front.opset_import[0].version)
    outputs = [output.name for output in head.graph.output]
    joined = compose.merge_models(front, head, io_map=[("embeddings", "features")], prefix2="head/")
    for name, output in zip(outputs, joined.graph.output, strict=True):
        joined.graph.node.append(onnx.helper.make_node("Identity", [output.name], [name]))
        output.name = name
    return joined


def _numbers(
    network: nn.Module, probe: NDArray[np.float32], path: Path, *, embedded: bool, names: Sequence[str]
) -> NDArray[np.float64]:
    """The file's answers to features, as numbers; for a file that takes sound, the answers of its head."""
    if embedded:
        open_model(path)
        with torch.no_grad():
            probabilities = network(torch.from_numpy(probe)).numpy().astype(np.float64)
    else:
        probabilities = softmax(open_model(path).run(probe)[0])
    places = np.array([[corner_of(label)[name] for name in names] for label in corners(names)])
    found: NDArray[np.float64] = probabilities @ places
    return found


def _card(run: DimensionRun, model: str, split: Split) -> Card:
    """The card: whoever opens the file sees the stamps before the scores."""
    report: Report = run.reports[model]
    name = parts_of(model)[0]
    corpora = sorted({str(s.corpus) for s in split.train})
    if name == EMBEDDING:
        taken = dict(load_model(run.recipe.encoder).card.input)
    else:
        taken = {"sampling_rate": 16_000, "frame": HOP, "window": WINDOW, "hop": HOP, "features": asdict(Inputs(name))}
    limits = (
        *(f"{STAMPED}: {stamp}." for stamp in report.stamps),
        report.protocol,
        CORNERS,
        *LIMITS["speech"],
        *([f"Its sound goes through {run.recipe.encoder}, whose card holds for it, too."] if name == EMBEDDING else []),
    )
    return Card(
        name=run.recipe.name,
        modality="speech",
        labels=corners(run.table.names),
        input=taken,
        data=training_data(split, corpora),
        split=split_hash(split),
        scores={
            f"{' + '.join(corpora)}, honest": {
                metric: (e.value, e.low, e.high, e.n) for metric, e in report.metrics.items() if np.isfinite(e.value)
            }
        },
        licence=LICENCE,
        limits=limits,
        recipe={**asdict(run.recipe), "model": model},
    )
