"""How much a graph computes from its constants alone: constant folding runs when a file is opened, before any input.

The count is an upper bound from the sizes of constants, so that a file of a few hundred bytes cannot demand
hours of work or all memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from affekt.errors import ModelError

#: Elements that may be computed from constants, in total; our own models need a million, for weights passed through.
MOST = 200_000_000
#: Most values of a constant whose values are used at all: shapes and repetitions are shorter.
SHORT = 16

#: Operators whose result is as large as what goes in, at the most.
_MOVING = frozenset({
    "Cast", "Concat", "DequantizeLinear", "Flatten", "Identity", "Reshape", "Shape", "Slice", "Split", "Squeeze",
    "Transpose", "Unsqueeze",
})  # fmt: skip
#: Operators whose result is as large as the numbers in their inputs say.
_STRETCHING = frozenset({
    "AffineGrid", "BlackmanWindow", "ConstantOfShape", "DFT", "Expand", "EyeLike", "HammingWindow", "HannWindow",
    "MelWeightMatrix", "OneHot", "Pad", "Range", "Resize", "STFT", "Tile", "Upsample",
})  # fmt: skip
#: Of these, those whose first input is what is stretched.
_DATA_FIRST = frozenset({"Expand", "Pad", "Tile"})


class ConstantWork:
    """Counts the computed elements, node by node in the order of the graph."""

    def __init__(self) -> None:
        self._sizes: dict[str, float] = {}
        self._values: dict[str, Sequence[int]] = {}
        self._total = 0.0

    def tensor(self, name: str, size: float, values: Sequence[int] = ()) -> None:
        """A constant: how many elements it has and, where they are few whole numbers, which."""
        self._sizes[name] = size
        if values:
            self._values[name] = values

    def node(self, operator: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """The next node. One that depends on an input of the graph counts nothing.

        Raises
        ------
        ModelError
            If the whole is too much.
        """
        if any(name not in self._sizes for name in inputs):
            return
        sizes = [self._sizes[name] for name in inputs]
        if operator in _MOVING:
            size = sum(sizes)
        elif operator in _STRETCHING:
            size = self._stretched(operator, inputs)
        else:
            # No matter how axes are broadcast, multiplied or summed, it is no more than each with each.
            size = math.prod(sizes) if sizes else math.inf
        self._total += size
        if self._total > MOST:
            raise ModelError(
                f"computes too much of its constants alone ({operator}), which would be done whenever it is opened; "
                "export it with constants folded."
            )
        self._sizes.update(dict.fromkeys(outputs, size))

    def _stretched(self, operator: str, inputs: Sequence[str]) -> float:
        told = inputs[1:] if operator in _DATA_FIRST else inputs
        if not told or any(name not in self._values for name in told):
            return math.inf
        numbers = [math.prod(max(1, abs(v)) for v in self._values.get(name, ())) for name in inputs]
        return math.prod(float(self._sizes[name]) * number for name, number in zip(inputs, numbers, strict=True))
