"""Output of every decoder: blocks of samples with their channels, not yet mixed or resampled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

SAMPLING_RATE = 16_000

Warn = Callable[[str], None]


@dataclass(frozen=True)
class Decoded:
    """Blocks of one recording as its decoder gives them: shape (n, channels), any real type.

    Parameters
    ----------
    sampling_rate : int
    blocks : iterator
    promised : float
        Seconds; 0 where the header does not say.
    speakers : tuple of str
        Where each channel is played, as ``FL``, ``FR``, ``FC``, ``LFE``; empty where that is not known.
    """

    sampling_rate: int
    blocks: Iterator[NDArray[Any]]
    promised: float = 0.0
    speakers: tuple[str, ...] = ()


class DecodingError(Exception):
    """The decoder cannot go on."""


@dataclass(frozen=True)
class Named:
    """What to call a recording, and whom to tell that it is odd."""

    name: str
    warn: Warn

    def __str__(self) -> str:
        return self.name
