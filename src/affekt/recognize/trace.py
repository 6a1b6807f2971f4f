"""What a plot of a recording needs, collected during recognition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.timeline.segments import Listener
from affekt.types import Prediction


class Trace:
    """Collects what a plot of a recording needs: envelope, regions of speech, scores of every hop.

    Memory use grows by about 150 kB per minute.

    Parameters
    ----------
    on_piece : callable, optional
        Called with each piece of the recording (a frame of a video, say) and the stream that has just taken it.
    """

    def __init__(self, *, on_piece: Callable[[Any, Any], None] | None = None) -> None:
        self.on_piece = on_piece
        self.hops: list[Prediction] = []
        self.regions: list[tuple[float, float]] = []
        self._envelope: list[NDArray[np.float32]] = []
        self._rest = np.zeros(0, np.float32)

    def listener(self, who: str | None = None) -> Listener:
        """The listener to give to the stream, or to the stream of one channel."""

        def hop(prediction: Prediction) -> None:
            self.hops.append(prediction if who is None else replace(prediction, who=who))

        return Listener(hop=hop, region=lambda start, end: self.regions.append((start, end)))

    @property
    def envelope(self) -> NDArray[np.float32]:
        """Lowest and highest sample in every 10 ms, shape (m, 2)."""
        return np.concatenate(self._envelope) if self._envelope else np.zeros((0, 2), np.float32)

    def see(self, signal: NDArray[np.float32], *, step: int = 160) -> None:
        """Take the next piece of signal, (n,) or (n, channels)."""
        signal = np.concatenate([self._rest, signal if signal.ndim == 1 else signal.mean(axis=1)])
        whole = len(signal) // step * step
        frames = signal[:whole].reshape(-1, step)
        self._envelope.append(
            np.column_stack([frames.min(axis=1), frames.max(axis=1)]) if whole else np.zeros((0, 2), np.float32)
        )
        self._rest = signal[whole:]
