"""A fitted model of a lab recipe as one ONNX file: features in, logits out, the scaler inside."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from affekt._files import atomic_write
from affekt._optional import require
from affekt.errors import ModelError
from affekt.models.card import KEY, Card
from affekt.models.onnx import open_model, softmax
from affekt.train.lab.fit import Fitted

OPSET, OPSET_ML = 17, 3
#: Largest difference between the probabilities of a model and of its file.
TOLERANCE = 1e-4
#: Keeps the logarithm of a probability of 0 finite.
FLOOR = 1e-9


class Scaled(nn.Module):
    """A network behind its scaler."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("deviation", torch.from_numpy(deviation))

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.network((features - self.mean) / self.deviation)
        return found


class Nearest(nn.Module):
    """k nearest neighbours as a network: the converter's version needs an operator that loops."""

    points: Tensor
    votes: Tensor

    def __init__(self, points: NDArray[np.float32], classes: NDArray[np.int64], neighbours: int) -> None:
        super().__init__()
        self.register_buffer("points", torch.from_numpy(points.astype(np.float32)))
        self.register_buffer("votes", nn.functional.one_hot(torch.from_numpy(classes)).float())
        self.neighbours = neighbours

    def forward(self, features: Tensor) -> Tensor:
        flat = features.flatten(1)
        distance = (self.points**2).sum(1) - 2 * flat @ self.points.T
        nearest = distance.topk(self.neighbours, dim=1, largest=False).indices
        return torch.log(self.votes[nearest].mean(1) + FLOOR)


def export_fitted(
    fitted: Fitted,
    scale: tuple[NDArray[np.float32], NDArray[np.float32]],
    card: Card,
    path: Path,
    *,
    probe: NDArray[Any],
) -> float:
    """Write a fitted model with its card, and compare the two.

    Parameters
    ----------
    fitted : Fitted
    scale : (mean, deviation)
        What the inputs were standardised with, each of the last axis' length.
    card : Card
    path : Path
        Written only if the file agrees with the model.
    probe : float32 array, shape (n, ...)
        Inputs, not standardised, to compare on.

    Returns
    -------
    float
        Largest difference of a probability.

    Raises
    ------
    ModelError
        If they differ by more than 1e-4, or the classifier cannot be written.
    """
    onnx = require("onnx", extra="train")
    network = _as_network(fitted)
    data = _torch_graph(Scaled(network, *scale), probe) if network else _classical(fitted.model, scale, probe)
    model = onnx.load_from_string(data)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: card.to_json()})
    model.producer_name, model.doc_string = "affekt", f"{card.name}: features in, logits out"
    part = path.with_suffix(".part.onnx")
    with atomic_write(part, "wb") as file:
        file.write(model.SerializeToString())
    difference = _difference(fitted, scale, part, probe)
    if difference > TOLERANCE:
        part.unlink()
        raise ModelError(f"{path}: the file and the model differ by {difference:.1e}; allowed: {TOLERANCE:.0e}.")
    part.replace(path)
    return difference


def _as_network(fitted: Fitted) -> nn.Module | None:
    if isinstance(fitted.model, nn.Module):
        return fitted.model.eval()
    if type(fitted.model).__name__ == "KNeighborsClassifier":
        return Nearest(fitted.model._fit_X, fitted.model._y, fitted.model.n_neighbors).eval()
    return None


def _difference(fitted: Fitted, scale: tuple[NDArray[Any], NDArray[Any]], path: Path, probe: NDArray[Any]) -> float:
    (logits,) = open_model(path).run(probe)
    wanted = fitted.scores(((probe - scale[0]) / scale[1]).astype(np.float32))
    return float(np.abs(softmax(logits) - wanted).max())


def _torch_graph(network: nn.Module, probe: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        # Deprecated in favour of an exporter that needs two more packages for the same graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.from_numpy(probe[:2]),),
            file,  # type: ignore[arg-type]
            input_names=["features"],
            output_names=["logits"],
            dynamic_axes={"features": {0: "b"}, "logits": {0: "b"}},
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()


def _classical(classifier: Any, scale: tuple[NDArray[Any], NDArray[Any]], probe: NDArray[Any]) -> bytes:
    """scaler -> flatten -> classifier -> logarithm, as one graph."""
    onnx, compose = require("onnx", extra="train"), require("onnx.compose", extra="train")
    helper, types = onnx.helper, onnx.TensorProto
    body, scores, is_probability = _converted(classifier, int(np.prod(probe.shape[1:])))
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)]
    # Converters state the lowest versions that suffice; models can be joined only if their versions are the same.
    del body.opset_import[:]
    body.opset_import.extend(opsets)
    front = helper.make_graph(
        [
            helper.make_node("Sub", ["features", "mean"], ["centred"]),
            helper.make_node("Div", ["centred", "deviation"], ["scaled"]),
            helper.make_node("Flatten", ["scaled"], ["flat"], axis=1),
        ],
        "scaler",
        [helper.make_tensor_value_info("features", types.FLOAT, ["b", *probe.shape[1:]])],
        [helper.make_tensor_value_info("flat", types.FLOAT, ["b", int(np.prod(probe.shape[1:]))])],
        [onnx.numpy_helper.from_array(scale[0], "mean"), onnx.numpy_helper.from_array(scale[1], "deviation")],
    )
    steps = [helper.make_node("Add", ["given", "floor"], ["lifted"]), helper.make_node("Log", ["lifted"], ["logits"])]
    count = len(classifier.classes_)
    back = helper.make_graph(
        steps if is_probability else [helper.make_node("Identity", ["given"], ["logits"])],
        "logarithm",
        [helper.make_tensor_value_info("given", types.FLOAT, ["b", count])],
        [helper.make_tensor_value_info("logits", types.FLOAT, ["b", count])],
        [onnx.numpy_helper.from_array(np.float32(FLOOR), "floor")] if is_probability else [],
    )
    front, back = (
        helper.make_model(graph, opset_imports=opsets, ir_version=body.ir_version) for graph in (front, back)
    )
    joined = compose.merge_models(front, body, io_map=[("flat", "rows")], outputs=[scores])
    found: bytes = compose.merge_models(joined, back, io_map=[(scores, "given")]).SerializeToString()
    return found


def _converted(classifier: Any, width: int) -> tuple[Any, str, bool]:
    """The classifier as ONNX with input ``rows``, the name of its scores, and whether they are probabilities."""
    opsets = {"": OPSET, "ai.onnx.ml": OPSET_ML}
    if type(classifier).__name__ == "XGBClassifier":
        kind = require("onnxmltools.convert.common.data_types", extra="lab").FloatTensorType
        convert = require("onnxmltools", extra="lab").convert_xgboost
        body = convert(classifier, initial_types=[("rows", kind([None, width]))], target_opset=15)
        return body, "probabilities", True
    kind = require("skl2onnx.common.data_types", extra="lab").FloatTensorType
    is_probability = hasattr(classifier, "predict_proba")
    plain = {} if type(classifier).__name__ == "LinearSVC" else {"zipmap": False}
    options = plain if is_probability else {**plain, "raw_scores": True}
    body = require("skl2onnx", extra="lab").to_onnx(
        classifier,
        initial_types=[("rows", kind([None, width]))],
        options={id(classifier): options},
        target_opset=opsets,
    )
    return body, body.graph.output[1].name, is_probability
