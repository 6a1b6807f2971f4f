"""Feature-based models in the form the stream needs: windows of audio in, logits of each window out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from affekt.errors import AffektError, ModelError
from affekt.models.onnx import Model
from affekt.speech.inputs import Inputs, input_of
from affekt.speech.waveform import WaveformInput


class FeatureModel:
    """A model trained on features of whole clips, run on windows of speech.

    Parameters
    ----------
    model : Model
        With a card whose ``input`` says how the features are computed.

    Raises
    ------
    ModelError
        If the card's ``input`` makes no sense, or the graph does not take features.
    """

    def __init__(self, model: Model) -> None:
        self.card, self.input, self._model = model.card, WaveformInput.of(model.card), model
        if list(model.inputs.items()) not in ([("features", 2)], [("features", 3)]) or model.outputs != ("logits",):
            raise ModelError(
                f"the model {model.card.name} takes {model.inputs} and gives {', '.join(model.outputs)}; one of "
                "features takes 'features' (b, d) or (b, t, d) and gives 'logits'."
            )
        try:
            table: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in self.input.features.items()}
            # What was skipped in training is the silence before the speech, which the stream has cut off already.
            self._inputs = replace(Inputs(**table), skip=0.0)
        except (AffektError, TypeError) as error:
            raise ModelError(
                f"the model {model.card.name} does not say how its features are computed ({error})."
            ) from None

    def run(
        self, signal: NDArray[np.float32], baseline: None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits of the mean window (b, k) and of every window (b, w, k) of signals (b, n) at 16 kHz; no baseline."""
        given, rate = self.input, self._inputs.sampling_rate
        count = 1 + max(0, math.ceil((signal.shape[1] - given.window) / given.hop))
        starts = np.arange(count) * given.hop
        windows = [row[start : start + given.window] for row in signal for start in starts]
        if rate != given.sampling_rate:
            windows = [soxr.resample(window, given.sampling_rate, rate) for window in windows]
        rows = np.stack([input_of(np.ascontiguousarray(window, np.float32), self._inputs) for window in windows])
        logits = np.concatenate([self._model.run(batch)[0] for batch in self._batches(rows)])
        logits = logits.reshape(len(signal), count, -1)
        return logits.mean(axis=1), logits

    def _batches(self, rows: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """All windows at once, or one by one where the graph takes no more."""
        return [row[None] for row in rows] if self._model.shapes[0][0] == 1 else [rows]
