"""The signal of a Sample: its stretch of the recording. All code that reads samples cuts them here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from affekt.errors import AudioError
from affekt.speech.audio import MIX, Source, blocks, warn_user
from affekt.speech.channels import ReadOptions
from affekt.speech.decoded import SAMPLING_RATE, Warn
from affekt.types import Sample


def bounds(sample: Sample, sampling_rate: int) -> tuple[int, int | None]:
    """First sample of a stretch and the one behind its last, in a recording at so many hertz; None to the end.

    Examples
    --------
    >>> bounds(Sample("a", "a.wav", start=0.5, end=2.0), 16_000)
    (8000, 32000)
    """
    end = None if sample.end is None else round(sample.end * sampling_rate)
    return round(sample.start * sampling_rate), end


def starts_too_late(sample: Sample, seconds: float) -> AudioError:
    """What is wrong with a sample that starts where its recording, so many seconds long, ends, or behind that."""
    return AudioError(
        f"{sample.path}: is {seconds:.2f} s long and ends before {sample.id} starts, at {sample.start:.10g} s."
    )


def is_stretch(sample: Sample) -> bool:
    """Whether a sample is less than its whole recording, as far as can be said without reading it."""
    return sample.start > 0 or sample.end is not None


def stretch_blocks(
    source: Source | Sample,
    *,
    sampling_rate: int = SAMPLING_RATE,
    warn: Warn = warn_user,
    options: ReadOptions = MIX,
) -> Iterator[NDArray[np.float32]]:
    """Read a recording, or the stretch of it that a sample is, block by block.

    Nothing after the end of a stretch is decoded.

    Parameters
    ----------
    source : Sample, or as for :func:`affekt.speech.audio.blocks`
        ``start`` and ``end`` of a sample are seconds, half-open; an ``end`` after that of the recording is cut to it.
    sampling_rate : int
        Hertz of the result.
    warn : callable
        Takes what is odd about the recording.
    options : ReadOptions
        The channel, and of a video the sound track.

    Yields
    ------
    float32 array, shape (n,); of ``each`` channel (n, channels)
        The i-th value of a stretch is at ``start + i / sampling_rate`` seconds of the recording.

    Raises
    ------
    AudioError
        If the recording cannot be read, or ends before the stretch begins.
    """
    if not isinstance(source, Sample):
        yield from blocks(source, sampling_rate=sampling_rate, warn=warn, options=options)
        return
    start, end = bounds(source, sampling_rate)
    length = taken = 0
    for block in blocks(source.path, sampling_rate=sampling_rate, warn=warn, options=options):
        part = block[max(0, start - length) : None if end is None else max(0, end - length)]
        length, taken = length + len(block), taken + len(part)
        if len(part):
            yield part
        if end is not None and length >= end:
            break
    if not taken and start:
        raise starts_too_late(source, length / sampling_rate)


def read_stretch(sample: Sample, *, sampling_rate: int = SAMPLING_RATE, warn: Warn = warn_user) -> NDArray[np.float32]:
    """The signal of a sample (n,), n at least 1; parameters as for :func:`stretch_blocks`.

    Raises
    ------
    AudioError
        If the recording cannot be read, holds no sound, or ends before the stretch begins.
    """
    parts = list(stretch_blocks(sample, sampling_rate=sampling_rate, warn=warn))
    if not parts or not (signal := np.concatenate(parts)).size:
        raise AudioError(f"{sample.path}: holds no sound.")
    return signal
