"""Where the time of a model's network goes: milliseconds by kind of operation, as ONNX Runtime counts them itself.

Usage: python benchmarks/operations.py FILE.onnx ... [--seconds 40] [--rounds 9]

One thread, noise, the median of the rounds; leave the machine alone meanwhile.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import numpy as np
import onnxruntime
from rich.console import Console
from rich.table import Table

from affekt.speech.waveform import RATE

#: Kinds of operations, by ONNX Runtime's names; all others are the rest.
KINDS = {
    "products": "MatMul Gemm MatMulIntegerToFloat MatMulInteger FusedMatMul",
    "softmax": "Softmax",
    "convolutions": "Conv QLinearConv FusedConv NhwcFusedConv",
    "GELU": "BiasGelu Gelu Erf",
    "norms": "LayerNormalization",
    "rounding to int8": "QuantizeLinear DequantizeLinear Cast",
    "copies": "Slice Concat Transpose Pad Split Reshape Tile Gather Expand ReorderInput ReorderOutput",
}
#: What nodes of the front end have in their names.
FRONT = ("measured", "features", "spectrum")


def profile(model: Path, seconds: float, rounds: int) -> dict[str, float]:
    """Milliseconds of each kind, and of all."""
    with TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.enable_profiling = 1, True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        signal, *others = session.get_inputs()
        noise = 0.1 * np.random.default_rng(0).standard_normal((1, int(RATE * seconds)))
        given = {signal.name: noise.astype(np.float32)}
        given |= {one.name: np.zeros((1, one.shape[1]), np.float32) for one in others}
        for _ in range(rounds + 1):
            session.run(None, given)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    nodes = [event for event in events if event.get("cat") == "Node" and event["name"].endswith("kernel_time")]
    count = len(nodes) // (rounds + 1)
    found = []
    for start in range(count, len(nodes), count):  # the first round makes room for all that follows
        spent = Counter[str]()
        for event in nodes[start : start + count]:
            spent[kind_of(event["name"], event["args"]["op_name"])] += event["dur"] / 1000
        found.append(spent | {"all": sum(spent.values())})
    return {kind: median(spent.get(kind, 0.0) for spent in found) for kind in ("all", "front end", *KINDS, "the rest")}


def kind_of(node: str, operator: str) -> str:
    """Of a node of the graph."""
    if any(part in node for part in FRONT):
        return "front end"
    return next((kind for kind, operators in KINDS.items() if operator in operators.split()), "the rest")


@click.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--seconds", default=40.0, show_default=True, help="Of sound at once.")
@click.option("--rounds", default=9, show_default=True)
def main(models: tuple[Path, ...], seconds: float, rounds: int) -> None:
    """Print a table of milliseconds."""
    found = {model.name: profile(model, seconds, rounds) for model in models}
    table = Table("ms", *found, box=None)
    for kind in next(iter(found.values())):
        table.add_row(kind, *(f"{spent[kind]:.1f}" for spent in found.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
