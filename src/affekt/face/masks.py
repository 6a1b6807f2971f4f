"""Masks of a face for occlusion: the cells of a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError

#: What a masked cell shows: the mean grey of the face, or the face so blurred that no feature is left.
FILLS = ("mean", "blur")
#: Standard deviation of the blur, in sides of the face.
BLUR = 1 / 6


@dataclass(frozen=True)
class MaskOptions:
    """How a face is divided into cells, and what replaces a masked cell.

    Parameters
    ----------
    cells : int
        Cells on each side of the grid.
    fill : str
        ``mean`` or ``blur``.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    cells: int = 8
    fill: str = "mean"

    def __post_init__(self) -> None:
        if not 1 <= self.cells <= 64 or self.fill not in FILLS:
            raise InputError(f"cells is {self.cells} and fill {self.fill!r}; allowed: 1 to 64, and {', '.join(FILLS)}.")


class Masker:
    """A face whose cells can be masked.

    Parameters
    ----------
    signal : float32 array, shape (s, s)
        Grey values, as the network takes them.
    options : MaskOptions

    Raises
    ------
    InputError
        If the face has another shape, or fewer pixels than cells on a side.

    Examples
    --------
    >>> masker = Masker(np.arange(16, dtype=np.float32).reshape(4, 4), MaskOptions(cells=2))
    >>> masker.masked(np.array([True, False, False, False]))[0].tolist()
    [7.5, 7.5, 2.0, 3.0]
    """

    def __init__(self, signal: NDArray[np.float32], options: MaskOptions | None = None) -> None:
        self.signal, options = np.asarray(signal, np.float32), options or MaskOptions()
        if self.signal.ndim != 2 or min(self.signal.shape) < options.cells:
            raise InputError(
                f"a face of shape {self.signal.shape} for {options.cells} x {options.cells} cells; "
                "allowed: (s, s), grey, with a pixel or more for each cell."
            )
        self.shape = (options.cells, options.cells)
        rows, columns = (np.arange(side) * options.cells // side for side in self.signal.shape)
        self._cell = rows[:, None] * options.cells + columns
        if options.fill == "mean":
            self._fill = np.full_like(self.signal, self.signal.mean())
        else:
            self._fill = blurred(self.signal, BLUR * self.signal.shape[1])

    @property
    def energy(self) -> NDArray[np.float64]:
        """How much of the face masking each cell takes away, (cells, cells), summing to 1."""
        loss = (self.signal - self._fill).astype(np.float64) ** 2
        total = np.bincount(self._cell.ravel(), loss.ravel(), minlength=self.shape[0] * self.shape[1])
        found: NDArray[np.float64] = total.reshape(self.shape) / max(total.sum(), 1e-30)
        return found

    def masked(self, patches: NDArray[np.bool_]) -> NDArray[np.float32]:
        """The face (s, s) without the cells that are True, (cells * cells,) row by row, or (cells, cells)."""
        chosen = np.asarray(patches, bool).ravel()[self._cell]
        return np.where(chosen, self._fill, self.signal)


def blurred(face: NDArray[np.float32], deviation: float) -> NDArray[np.float32]:
    """A face (h, w) blurred by a Gaussian with this standard deviation in pixels; its edge pixels are repeated.

    Examples
    --------
    >>> blurred(np.full((5, 5), 3, np.float32), 2.0).round(4).max()
    np.float32(3.0)
    """
    reach = int(np.ceil(3 * deviation))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel /= kernel.sum()
    found = np.pad(face.astype(np.float64), reach, mode="edge")
    for axis in (0, 1):
        found = np.apply_along_axis(np.convolve, axis, found, kernel, mode="valid")
    return found.astype(np.float32)
