"""Runs a model over labelled clips, to give the logits for fitting temperature, threshold and label sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from affekt.errors import AudioError
from affekt.metrics.calibration import LabelledLogits, RecordingLogits
from affekt.metrics.slices import speaker_of
from affekt.models.card import Card
from affekt.recognize.batch import Failure
from affekt.recognize.recognizer import Recognizer
from affekt.speech.audio import Source
from affekt.speech.stretch import stretch_blocks
from affekt.speech.waveform import RATE, WaveformInput
from affekt.timeline.segments import Listener, window_weights
from affekt.types import Sample


def recording_logits(recognizer: Recognizer, source: Source | Sample) -> RecordingLogits:
    """Run the engine over a recording and keep the logits of its windows.

    Parameters
    ----------
    recognizer : Recognizer
        With all its labels.
    source
        As for :meth:`Recognizer.predict`.

    Returns
    -------
    RecordingLogits

    Raises
    ------
    AudioError
        If it cannot be read.
    """
    card = recognizer.card
    windows = WaveformInput.of(card).windows
    logits, weights = [np.zeros((0, len(card.labels)))], [np.zeros(0)]
    pieces: list[NDArray[np.floating]] = []

    def close_region(start: float, end: float) -> None:
        # Windows since the last region belong to this one.
        if pieces:
            logits.append(np.concatenate(pieces).astype(np.float64))
            weights.append(window_weights(len(logits[-1]), round((end - start) * RATE), windows))
        pieces.clear()

    listener = Listener(region=close_region, logits=pieces.append)
    stream = recognizer.stream(listener=listener)
    for block in stretch_blocks(source):
        stream.feed(block)
    stream.flush()
    all_weights = np.concatenate(weights)
    return RecordingLogits(np.concatenate(logits), all_weights / max(1.0, all_weights.sum()))


def clean_logits(
    recognizer: Recognizer, samples: Sequence[Sample], *, tick: Callable[[], None] = lambda: None
) -> tuple[LabelledLogits, tuple[Failure, ...]]:
    """Run the engine over clips; those whose label the model does not have are left out.

    Parameters
    ----------
    recognizer : Recognizer
        With all its labels.
    samples : sequence of Sample
        Whole recordings with labels.
    tick : callable
        Called after each recording.

    Returns
    -------
    LabelledLogits, tuple of Failure
        The logits, and the clips that could not be read.
    """
    rows: list[tuple[Sample, RecordingLogits]] = []
    failures: list[Failure] = []
    for sample in samples:
        try:
            if sample.label in recognizer.card.labels:
                rows.append((sample, recording_logits(recognizer, sample)))
        except (AudioError, OSError) as error:
            failures.append(Failure(sample.path, str(error)))
        tick()
    return _labelled(rows, recognizer.card), tuple(failures)


def _labelled(rows: Sequence[tuple[Sample, RecordingLogits]], card: Card) -> LabelledLogits:
    return LabelledLogits(
        tuple(str(sample.label) for sample, _ in rows),
        tuple(speaker_of(sample) for sample, _ in rows),
        tuple(str(sample.corpus) for sample, _ in rows),
        tuple(found for _, found in rows),
        card.labels,
    )
