"""Decoded clips on disk: each recording is decoded once, then drawn from a memory map."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affekt._files import atomic_write
from affekt.errors import AudioError
from affekt.speech.audio import name_of, read
from affekt.speech.stretch import is_stretch, read_stretch
from affekt.types import Sample

Progress = Callable[[str], None]
Trim = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Clips:
    """Signals at 16 kHz, in one int16 array.

    Parameters
    ----------
    signal : int16 array, shape (n,)
    starts, ends : int64 arrays, shape (clips,)
        Clip i is ``signal[starts[i]:ends[i]]``.
    """

    signal: NDArray[np.int16]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """Clip ``index`` as float32, full scale [-1, 1]."""
        return self.signal[self.starts[index] : self.ends[index]].astype(np.float32) / np.float32(32768)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Samples of each clip."""
        return self.ends - self.starts

    def take(self, rows: NDArray[np.int64]) -> Clips:
        """Some of the clips, without reading or copying them."""
        return Clips(self.signal, self.starts[rows], self.ends[rows])


def load_clips(
    sources: Sequence[str | Sample],
    cache: Path,
    *,
    trim: Trim | None = None,
    unread: Progress | None = None,
) -> Clips:
    """Decode recordings to a cache folder, or open what an earlier call left there.

    Parameters
    ----------
    sources : sequence of str or Sample
        Recordings, or stretches of them.
    cache : Path
        Folder for the result; named by what is read and by ``trim``.
    trim : callable, optional
        Signal to signal: what to keep of a clip, such as the speech in it.
    unread : callable, optional
        Takes why a recording cannot be read; it then has no samples. Not called for what an earlier call left.

    Returns
    -------
    Clips

    Raises
    ------
    AudioError
        If a recording cannot be read, and ``unread`` is not given.
    """
    named = [[s.path, s.start, s.end] if isinstance(s, Sample) and is_stretch(s) else name_of(s) for s in sources]
    key = hashlib.sha256(json.dumps([named, getattr(trim, "__name__", "")]).encode()).hexdigest()[:16]
    starts_file, signal_file = cache / f"{key}.starts.npy", cache / f"{key}.signal.i16"
    if not starts_file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _decode_all(sources, (starts_file, signal_file), trim, unread)
    starts = np.load(starts_file)
    if not starts[-1]:  # nothing cannot be mapped
        return Clips(np.zeros(0, np.int16), starts[:-1], starts[1:])
    return Clips(np.memmap(signal_file, np.int16, "r", shape=(int(starts[-1]),)), starts[:-1], starts[1:])


def _decode_all(
    sources: Sequence[str | Sample], files: tuple[Path, Path], trim: Trim | None, unread: Progress | None
) -> None:
    starts_file, signal_file = files
    starts = [0]
    # Two runs may share a cache: neither may see half of what the other makes, so the bounds come last.
    with atomic_write(signal_file, "wb") as file:
        for source in sources:
            try:
                signal = read_stretch(source) if isinstance(source, Sample) else read(source).signal
                signal = trim(signal) if trim else signal
            except AudioError as error:
                if unread is None:
                    raise
                unread(str(error))
                signal = np.zeros(0, np.float32)
            file.write(np.clip(np.round(signal * 32768), -32768, 32767).astype("<i2").tobytes())
            starts.append(starts[-1] + len(signal))
    with atomic_write(starts_file, "wb") as file:
        np.save(file, np.asarray(starts))
