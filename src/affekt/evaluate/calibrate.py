"""Runs a model over labelled clips, clean and under conditions: what temperature, threshold and gate are fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from affekt.errors import AudioError
from affekt.evaluate.stress import CONDITIONS, babble, changed_signal
from affekt.metrics.calibration import LabelledLogits, RecordingLogits
from affekt.metrics.slices import speaker_of
from affekt.models.card import Card
from affekt.recognize.batch import Failure
from affekt.recognize.recognizer import Recognizer
from affekt.speech.audio import Source
from affekt.speech.quality import NAMES
from affekt.speech.stretch import read_stretch, stretch_blocks
from affekt.speech.waveform import RATE, WaveformInput
from affekt.timeline.segments import Listener, window_weights
from affekt.types import Sample

#: The conditions that a gate is fitted under, beside the clean clips: every level of these.
FITTED_UNDER = ("noise", "babble", "reverb", "channel", "clipping", "length")
#: Versions of each clip under conditions, out of all levels in turn.
VERSIONS = 5
#: Clips whose speakers make babble.
BABBLE_CLIPS = 40

Signal = NDArray[np.float32]


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
    measures: list[NDArray[np.float64]] = [np.zeros((0, len(NAMES)))]

    def close_region(start: float, end: float) -> None:
        # What came since the last region belongs to this one.
        if pieces:
            logits.append(np.concatenate(pieces).astype(np.float64))
            weights.append(window_weights(len(logits[-1]), round((end - start) * RATE), windows))
        pieces.clear()

    listener = Listener(region=close_region, logits=pieces.append, measures=measures.append)
    stream = recognizer.stream(listener=listener)
    for block in stretch_blocks(source):
        stream.feed(block)
    stream.flush()
    all_weights = np.concatenate(weights)
    return RecordingLogits(np.concatenate(logits), all_weights / max(1.0, all_weights.sum()), np.concatenate(measures))


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
    rows: list[tuple[Sample, RecordingLogits, str]] = []
    failures: list[Failure] = []
    for sample in samples:
        try:
            if sample.label in recognizer.card.labels:
                rows.append((sample, recording_logits(recognizer, sample), ""))
        except (AudioError, OSError) as error:
            failures.append(Failure(sample.path, str(error)))
        tick()
    return _labelled(rows, recognizer.card), tuple(failures)


def logits_under_conditions(
    recognizer: Recognizer, samples: Sequence[Sample], *, seed: int = 0, tick: Callable[[], None] = lambda: None
) -> LabelledLogits:
    """Run the engine over clips under :data:`FITTED_UNDER`, each in :data:`VERSIONS` of all levels, to fit a gate to.

    Parameters
    ----------
    recognizer : Recognizer
        With all its labels.
    samples : sequence of Sample
        As for :func:`clean_logits`, which names those that cannot be read; here they are left out.
    seed : int
        Draws all noise.
    tick : callable
        Called for each recording.

    Returns
    -------
    LabelledLogits
    """
    levels = [(name, level) for name in FITTED_UNDER for level in CONDITIONS[name].levels]
    order = np.random.default_rng(seed).permutation(len(levels))
    known = [sample for sample in samples if sample.label in recognizer.card.labels]
    spread = np.unique(np.linspace(0, max(0, len(known) - 1), BABBLE_CLIPS).astype(int))
    voices = [(speaker_of(known[i]), _decoded(known[i])) for i in spread if known]
    rows: list[tuple[Sample, RecordingLogits, str]] = []
    for number, sample in enumerate(known):
        tick()
        signal = _decoded(sample)
        if signal is None:
            continue
        energy = np.square(signal.astype(np.float64))
        middle = float(energy @ np.arange(len(energy)) / max(float(energy.sum()), 1e-20)) / RATE
        others = [voice for who, voice in voices if voice is not None and who != speaker_of(sample)]
        for version in range(VERSIONS):
            name, level = levels[order[(number * VERSIONS + version) % len(levels)]]
            rng, is_babble = np.random.default_rng([seed, number]), CONDITIONS[name].noise == "babble"
            if is_babble and not others:
                continue
            sounds = [babble(others, len(signal), rng)] if is_babble else []
            changed = changed_signal(signal, CONDITIONS[name], level, rng=rng, sounds=sounds, middle=middle)
            rows.append((sample, recording_logits(recognizer, changed), name))
    return _labelled(rows, recognizer.card)


def _labelled(rows: Sequence[tuple[Sample, RecordingLogits, str]], card: Card) -> LabelledLogits:
    """Rows of clip, logits and condition; all clean, or all under conditions."""
    return LabelledLogits(
        tuple(str(sample.label) for sample, _, _ in rows),
        tuple(speaker_of(sample) for sample, _, _ in rows),
        tuple(str(sample.corpus) for sample, _, _ in rows),
        tuple(found for _, found, _ in rows),
        card.labels,
        tuple(condition for _, _, condition in rows if condition),
    )


def _decoded(sample: Sample) -> Signal | None:
    """The signal (n,) at 16 kHz; None where there is none to be had."""
    try:
        return read_stretch(sample)
    except (AudioError, OSError):
        return None
