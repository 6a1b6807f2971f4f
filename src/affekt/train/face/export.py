"""From trained face networks to one ONNX file with its card, in int8 or with its weights in half precision."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from affekt._files import atomic_write
from affekt._optional import require
from affekt.errors import ModelError
from affekt.face.network import FaceEnsemble
from affekt.face.shape import SIZE
from affekt.models.card import KEY, Card
from affekt.models.onnx import open_model
from affekt.train.export import OPSET
from affekt.train.quantise import quantise_convolutions

OUTPUTS = ("logits", "votes", "maps")
#: Largest difference between file and network, for outputs of about 10: the cost of half-precision weights.
TOLERANCE = 0.05
#: Weights with at least so many values are stored in half precision.
_LARGE = 1024


def export_faces(ensemble: FaceEnsemble, card: Card, path: Path, *, seen: NDArray[np.uint8] | None = None) -> float:
    """Write face networks as ONNX with the card inside, and compare the two.

    The weights of convolutions are kept as float16 and widened when the file
    is opened; all is computed in float32. Given faces to calibrate the ranges of
    activations on, the convolutions are then quantised to int8.

    Parameters
    ----------
    ensemble : FaceEnsemble
    card : Card
    path : Path
        Written only if the file agrees with the networks, before it is rounded.
    seen : uint8 array, shape (n, 48, 48), optional
        Training faces.

    Returns
    -------
    float
        The largest difference seen, over batches of 1 and 3 faces.

    Raises
    ------
    ModelError
        If they differ by more than 0.05.
    """
    onnx = require("onnx", extra="train")
    plain = onnx.load_from_string(_graph(ensemble.eval()))
    part = path.with_suffix(".part.onnx")
    _write(plain, card, part)
    difference = face_parity(ensemble, part)
    if difference > TOLERANCE:
        raise ModelError(f"{path}: the file and the networks differ by {difference:.1e}; allowed: {TOLERANCE:.0e}.")
    if seen is not None:
        batches = np.array_split(seen.astype(np.float32), max(1, len(seen) // 16))
        _write(quantise_convolutions(plain, ((batch,) for batch in batches)), card, part)
    part.replace(path)
    return difference


def _write(model: Any, card: Card, path: Path) -> None:
    onnx = require("onnx", extra="train")
    written = onnx.ModelProto()
    written.CopyFrom(model)
    _halve_weights(written)
    del written.metadata_props[:]
    onnx.helper.set_model_props(written, {KEY: card.to_json()})
    written.producer_name, written.doc_string = "affekt", f"{card.name}: grey faces of {SIZE} x {SIZE} in, logits out"
    with atomic_write(path, "wb") as file:
        file.write(written.SerializeToString())


def face_parity(ensemble: FaceEnsemble, path: Path) -> float:
    """Largest difference between the outputs of networks and of their file, over batches of 1 and 3 faces."""
    model, rng, worst = open_model(path), np.random.default_rng(0), 0.0
    for count in (1, 3):
        # Blurred noise: a network hardly responds to ordinary noise.
        coarse = torch.from_numpy(rng.uniform(0, 255, (count, 1, 8, 8)).astype(np.float32))
        faces = torch.nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear")[:, 0]
        with torch.no_grad():
            wanted = ensemble(faces)
        for one, other in zip(wanted, model.run(faces.numpy()), strict=True):
            worst = max(worst, float(np.abs(one.numpy() - other).max()))
    return worst


def _graph(ensemble: FaceEnsemble) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        # Deprecated in favour of an exporter that needs two more packages for the same graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            ensemble,
            (torch.zeros(2, SIZE, SIZE),),
            file,  # type: ignore[arg-type]
            input_names=["faces"],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "b"} for name in ("faces", *OUTPUTS)},
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()


def _halve_weights(model: Any) -> None:
    """Keep large weights as float16, with an operator that widens each; it runs once, when the file is opened."""
    onnx = require("onnx", extra="train")
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < _LARGE:
            continue
        values = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        halved = onnx.numpy_helper.from_array(values, f"{tensor.name}_half")
        casts.append(onnx.helper.make_node("Cast", [halved.name], [tensor.name], to=onnx.TensorProto.FLOAT))
        tensor.CopyFrom(halved)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
