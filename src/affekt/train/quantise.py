"""Matrix products, or convolutions, of a model file in int8: a quarter of the bytes, and twice as fast.

The scale of every activation is fixed beforehand from recordings, so an answer
depends on its own input alone, never on what else is in the batch, and a
stream still equals the file. Before a product is rounded, each column of an
activation is divided by a number, and the weights are multiplied by it
(Xiao et al., SmoothQuant, 2023): a few columns of a transformer are a hundred
times as large as the others, and would leave these no precision. The rounding
error of one weight is made up by those of correlated inputs (Frantar et al.,
GPTQ, 2023).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt._optional import require

#: Smallest matrix that is worth it, in weights.
LEAST = 60_000
#: Smallest filters of a convolution that are worth it, in weights.
LEAST_FILTERS = 2_000
#: Share of the difference between columns that goes from the activations into the weights.
SMOOTHING = 0.5
#: Share of the inputs' mean square added to the diagonal, so that the matrix of their products can be inverted.
DAMPING = 0.01
#: Largest weight: 7 bits and a sign would overflow in the 16 bit sums of processors without VNNI.
LARGEST = 63


@dataclass(eq=False)
class Seen:
    """What the calibration saw of the input of a product: ranges of its columns, and products of one with another."""

    low: NDArray[np.float64]  # (k,)
    high: NDArray[np.float64]  # (k,)
    moments: NDArray[np.float64]  # (k, k)

    def add(self, rows: NDArray[np.float32]) -> None:
        """See more rows (n, k)."""
        self.low, self.high = np.minimum(self.low, rows.min(axis=0)), np.maximum(self.high, rows.max(axis=0))
        self.moments += rows.T @ rows


@dataclass(frozen=True)
class Product:
    """A product with constant weights, and what the calibration saw of its input."""

    node: Any
    weights: NDArray[np.float32]  # (k, n)
    seen: Seen


def quantise_products(model: Any, part: str, recordings: Sequence[tuple[NDArray[np.float32], ...]]) -> Any:
    """A graph with its large matrix products in int8.

    Parameters
    ----------
    model : onnx.ModelProto
        In float32; changed.
    part : str
        Name of the module of the network whose products are rewritten.
    recordings : sequence of tuples of float32 arrays
        Inputs of the graph to see the ranges of activations on; each is run by itself.

    Returns
    -------
    onnx.ModelProto
    """
    onnx = require("onnx", extra="train")
    products = _products(onnx, model, part, recordings)
    replaced: list[Any] = []
    for node in model.graph.node:
        product = next((p for p in products if p.node.output[0] == node.output[0]), None)
        replaced += _in_int8(onnx, model.graph, product) if product else [node]
    del model.graph.node[:]
    model.graph.node.extend(replaced)
    used = {name for node in replaced for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    return model


def quantise_convolutions(model: Any, recordings: Iterable[tuple[NDArray[np.float32], ...]]) -> Any:
    """A graph with its large convolutions in int8, by ONNX Runtime's static quantisation.

    Each output channel of a convolution has a scale of its own. Depthwise
    networks gain nothing: a detector in int8 took half as long again.

    Parameters
    ----------
    model : onnx.ModelProto
        In float32.
    recordings : iterable of tuples of float32 arrays
        Inputs of the graph to see the ranges of activations on; each is run by itself.

    Returns
    -------
    onnx.ModelProto
    """
    require("onnx", extra="train")
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(recordings)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            found = next(self.left, None)
            return None if found is None else dict(zip(inputs, found, strict=True))

    inputs, card = [entry.name for entry in model.graph.input], list(model.metadata_props)
    _name_once(model.graph)
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in model.graph.initializer}
    large = [n.name for n in model.graph.node if n.op_type == "Conv" and sizes.get(n.input[1], 0) >= LEAST_FILTERS]
    if not large:  # which the runtime would take for all of them
        return model
    add_pre_process_metadata(model)  # the exporter folded what could be folded; else it is advised to
    with TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        # Weights of seven bits, as LARGEST says; activations without a sign, for with one it is slower than float32.
        options = {"per_channel": True, "reduce_range": True, "weight_type": QuantType.QInt8}
        options["activation_type"] = QuantType.QUInt8
        quantize_static(model, path, Reader(), quant_format=QuantFormat.QDQ, nodes_to_quantize=large, **options)
        found = require("onnx", extra="train").load_from_string(path.read_bytes())
    del found.metadata_props[:]
    found.metadata_props.extend(card)
    return found


def _name_once(graph: Any) -> None:
    """One name for each constant, in place of the nodes that give its value a second one."""
    constants, names, kept = {tensor.name for tensor in graph.initializer}, dict[str, str](), []
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in constants:
            names[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    for node in kept:
        node.input[:] = [names.get(name, name) for name in node.input]
    del graph.node[:]
    graph.node.extend(kept)


def dequantised(model: Any) -> None:
    """Put float32 weights back in place of those in int8, in a graph that was rewritten here."""
    onnx = require("onnx", extra="train")
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    replaced: list[Any] = []
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            rounded, scale, zero = (constants[name] for name in node.input)
            shape = (-1, *[1] * (rounded.ndim - 1)) if scale.ndim else ()
            weights = (rounded.astype(np.float32) - zero.reshape(shape)) * scale.reshape(shape)
            model.graph.initializer.append(onnx.numpy_helper.from_array(weights.astype(np.float32), node.output[0]))
            continue
        if node.op_type == "MatMulIntegerToFloat":
            evened, rounded = replaced[-2:]
            columns = constants[node.input[3]] / constants[rounded.input[1]]
            weights = constants[node.input[1]] * columns * constants[evened.input[1]][:, None]
            del replaced[-2:]
            name = f"{node.output[0]}_float"
            model.graph.initializer.append(onnx.numpy_helper.from_array(weights.astype(np.float32), name))
            node = onnx.helper.make_node("MatMul", [evened.input[0], name], list(node.output))
        replaced.append(node)
    del model.graph.node[:]
    model.graph.node.extend(replaced)


def _products(onnx: Any, model: Any, part: str, recordings: Sequence[tuple[NDArray[np.float32], ...]]) -> list[Product]:
    """The large products with constant weights, with the ranges of each column of their inputs over the recordings."""
    from onnxruntime import InferenceSession

    weights = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    nodes = [
        node
        for node in model.graph.node
        if node.op_type == "MatMul"
        and node.name.startswith(f"/{part}/")
        and np.ndim(weights.get(node.input[1], 0)) == 2
        and weights[node.input[1]].size >= LEAST
    ]
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    seen: dict[str, Seen] = {}
    for node in nodes:
        size = len(weights[node.input[1]])
        seen[node.input[0]] = Seen(np.zeros(size), np.zeros(size), np.zeros((size, size)))
    probe.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in seen)
    session = InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = [entry.name for entry in session.get_inputs()]
    for given in recordings:
        for one, rows in zip(
            seen.values(), session.run(list(seen), dict(zip(inputs, given, strict=True))), strict=True
        ):
            one.add(rows.reshape(-1, rows.shape[-1]))
    return [Product(node, weights[node.input[1]], seen[node.input[0]]) for node in nodes]


def rounded(
    weights: NDArray[np.float64], columns: NDArray[np.float64], moments: NDArray[np.float64]
) -> NDArray[np.int8]:
    """Weights (k, n) in units of ``columns`` (n,), rounded one row after the other.

    The error of a row is compensated in the rows after it, as far as their
    inputs correlate with its own: ``moments`` (k, k) are the inputs' products.
    """
    weights, found = weights.copy(), np.zeros(weights.shape, np.int8)
    damped = moments + DAMPING * moments.diagonal().mean() * np.eye(len(moments))
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    for row in range(len(weights)):
        found[row] = np.clip(np.round(weights[row] / columns), -LARGEST, LARGEST)
        error = (weights[row] - found[row] * columns) / upper[row, row]
        weights[row + 1 :] -= np.outer(upper[row, row + 1 :], error)
    return found


def _in_int8(onnx: Any, graph: Any, product: Product) -> list[Any]:
    node, name = product.node, product.node.output[0]
    largest = np.maximum(np.maximum(np.abs(product.seen.low), np.abs(product.seen.high)), 1e-5)
    # Columns are evened out between activations and weights; the mean of the divisors is 1.
    share = largest**SMOOTHING / np.maximum(np.abs(product.weights).max(axis=1), 1e-5) ** (1 - SMOOTHING)
    share = share / np.exp(np.log(share).mean())
    low, high = float((product.seen.low / share).min()), float((product.seen.high / share).max())
    scale = (high - low) / 255
    zero = round(-low / scale)
    weights = product.weights * share[:, None]
    columns = np.maximum(np.abs(weights).max(axis=0), 1e-12) / LARGEST
    constants = {
        "divisor": (1 / share).astype(np.float32),
        "scale": np.float32(scale),
        "zero": np.uint8(zero),
        "weights": rounded(weights, columns, product.seen.moments / np.outer(share, share)),
        "columns": (scale * columns).astype(np.float32),
        "one": np.float32(1),  # the scale is in the columns
    }
    graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(value), f"{name}_{key}") for key, value in constants.items()
    )
    make = onnx.helper.make_node
    names = {key: f"{name}_{key}" for key in (*constants, "evened", "rounded")}
    return [
        make("Mul", [node.input[0], names["divisor"]], [names["evened"]]),
        make("QuantizeLinear", [names["evened"], names["scale"], names["zero"]], [names["rounded"]]),
        # ONNX Runtime's own: the standard's MatMulInteger needs two more operations, and takes longer.
        make(
            "MatMulIntegerToFloat",
            [names[key] for key in ("rounded", "weights", "one", "columns", "zero")],
            [name],
            domain="com.microsoft",
        ),
    ]
