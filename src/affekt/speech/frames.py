"""A signal that arrives in pieces, addressed by absolute sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Buffer:
    """The recent past of a signal: appended to at the end, forgotten from the start.

    Parameters
    ----------
    start : int
        The absolute sample that is appended first.
    """

    def __init__(self, start: int = 0) -> None:
        self._parts: list[NDArray[np.float32]] = []
        self._start = self._end = self._needed = start

    @property
    def end(self) -> int:
        """Samples seen so far."""
        return self._end

    def append(self, signal: NDArray[np.float32]) -> None:
        """Add samples (n,) at the end."""
        self._parts.append(signal)
        self._end += len(signal)

    def forget(self, before: float) -> None:
        """Drop what lies before an absolute sample."""
        self._needed = max(self._needed, int(min(before, self._end)))
        while self._parts and self._start + len(self._parts[0]) <= before:
            self._start += len(self._parts.pop(0))

    def take(self, start: int, end: int) -> NDArray[np.float32]:
        """The samples [start, end), which must not be forgotten and must have arrived."""
        if start < max(self._start, self._needed) or end > self._end:
            raise IndexError(f"[{start}, {end}) is not in the buffer [{max(self._start, self._needed)}, {self._end}).")
        if len(self._parts) > 1:
            # The joined copy leaves out what is forgotten, or it would grow with every join.
            self._parts[0] = self._parts[0][self._needed - self._start :]
            self._start = self._needed
            self._parts = [np.concatenate(self._parts)]
        joined = self._parts[0] if self._parts else np.zeros(0, np.float32)
        return joined[start - self._start : end - self._start]
