"""Features of clips on disk: computed once, as recorded and changed in several ways, then drawn from a memory map.

Changing a clip and taking its spectrum costs about as much as a step of the
network on it, so a run that passes over its clips thirty times pays once for
each way, not once for each pass.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affekt._files import atomic_write
from affekt.speech.frontend import SAMPLING_RATE, FrontEnd
from affekt.speech.network import VoiceFeatures
from affekt.train.voice.augment import Chances, apply, draw
from affekt.train.voice.clips import Clips

Signal = NDArray[np.float32]
#: Samples of the shortest clip: a shorter one is filled up with silence.
SHORTEST = 4_000


@dataclass(frozen=True)
class Features:
    """Features of every clip, such as log-mel bands and pitch salience, in one or more ways.

    Parameters
    ----------
    values : float16 array, shape (frames, columns)
    starts, ends : int64 arrays, shape (ways, clips)
        Way w of clip i is ``values[starts[w, i]:ends[w, i]]``; way 0 is the clip as recorded.
    sizes : tuple of int
        Columns of each of the features, such as (bands, lags).
    rate : float
        Frames of a second.
    """

    values: NDArray[np.float16]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    sizes: tuple[int, ...]
    rate: float

    def __len__(self) -> int:
        found: int = self.starts.shape[1]
        return found

    @property
    def ways(self) -> int:
        """As recorded, and changed."""
        return len(self.starts)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Frames of each clip as recorded."""
        found: NDArray[np.int64] = self.ends[0] - self.starts[0]
        return found

    def get(self, clip: int, way: int = 0) -> NDArray[np.float16]:
        """A clip in one way, (frames, columns)."""
        return self.values[self.starts[way, clip] : self.ends[way, clip]]

    def take(self, rows: NDArray[np.int64]) -> Features:
        """Those of some of the clips, without reading or copying them."""
        return replace(self, starts=self.starts[:, rows], ends=self.ends[:, rows])


@dataclass(frozen=True)
class Measure:
    """What is computed of a clip.

    Parameters
    ----------
    run : callable
        Signal (1, n) to features, each (1, c, t).
    sizes : tuple of int
        The c of each.
    rate : float
        Frames of a second.
    facts : mapping
        Everything that the numbers depend on, for the name of the cache.
    """

    run: Callable[[Tensor], tuple[Tensor, ...]]
    sizes: tuple[int, ...]
    rate: float
    facts: Mapping[str, Any]


def log_mel_and_pitch() -> Measure:
    """What :class:`affekt.speech.network.VoiceNetwork` takes."""
    front = FrontEnd()
    return Measure(VoiceFeatures(front), (front.bands, front.lags), SAMPLING_RATE / front.hop, asdict(front))


@dataclass(frozen=True)
class Changes:
    """In how many ways clips are changed, and with what.

    Parameters
    ----------
    ways : int
        Besides the clip as recorded.
    seed : int
    chances : Chances
    sounds, responses : sequences of float32 arrays
        Recorded noises and impulse responses.
    """

    ways: int = 0
    seed: int = 1
    chances: Chances = field(default_factory=Chances)
    sounds: Sequence[Signal] = ()
    responses: Sequence[Signal] = ()


def features_of_clips(
    clips: Clips, speakers: NDArray[np.int64], changes: Changes, cache: Path, *, measure: Measure | None = None
) -> Features:
    """Compute the features of clips in a cache folder, or open what an earlier call left there.

    In each way, all clips of a speaker share one voice (speed) and one
    channel (room, colour, telephone), as in one conversation; noise and level
    are each clip's own.

    Parameters
    ----------
    clips : Clips
    speakers : int64 array, shape (clips,)
    changes : Changes
    cache : Path
        Folder for the result, named by everything that it depends on.
    measure : Measure, optional
        By default :func:`log_mel_and_pitch`.

    Returns
    -------
    Features
    """
    measure = measure or log_mel_and_pitch()
    key = _key(clips, speakers, changes, measure)
    bounds_file, values_file = cache / f"{key}.bounds.npy", cache / f"{key}.features.f16"
    if not bounds_file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        # Two runs may share a cache: neither may see, or write over, half of what the other makes.
        with atomic_write(values_file, "wb") as file:
            ends = _write(file, _signals(clips, speakers, changes), measure)
        with atomic_write(bounds_file, "wb") as file:
            np.save(file, np.concatenate([[0], ends]))
    bounds = np.load(bounds_file)
    shape = (changes.ways + 1, len(clips))
    starts, ends = bounds[:-1].reshape(shape), bounds[1:].reshape(shape)
    size = sum(measure.sizes)
    if not bounds[-1]:  # nothing cannot be mapped
        return Features(np.zeros((0, size), np.float16), starts, ends, measure.sizes, measure.rate)
    values = np.memmap(values_file, np.float16, "r", shape=(int(bounds[-1]), size))
    return Features(values, starts, ends, measure.sizes, measure.rate)


def _write(file: IO[bytes], signals: Iterable[Signal], measure: Measure) -> NDArray[np.int64]:
    sizes = []
    for signal in signals:
        with torch.no_grad():
            found = torch.cat(measure.run(torch.from_numpy(signal)[None]), dim=1)[0]
        values = found.T.to(torch.float16).numpy()
        file.write(values.tobytes())
        sizes.append(len(values))
    return np.cumsum(np.asarray(sizes, np.int64))


def _signals(clips: Clips, speakers: NDArray[np.int64], changes: Changes) -> Iterable[Signal]:
    for way in range(changes.ways + 1):
        for clip, speaker in enumerate(speakers):
            signal = np.ascontiguousarray(clips[clip])
            if way:
                own = draw(np.random.default_rng([changes.seed, way, 0, clip]), changes.chances)
                line = draw(np.random.default_rng([changes.seed, way, 1, int(speaker)]), changes.chances)
                change = replace(
                    own, speed=line.speed, response=line.response, colour=line.colour, telephone=line.telephone
                )
                signal = apply(signal, change, sounds=changes.sounds, responses=changes.responses)
            yield np.pad(signal, (0, max(0, SHORTEST - len(signal))))


def _key(clips: Clips, speakers: NDArray[np.int64], changes: Changes, measure: Measure) -> str:
    facts = [changes.ways, changes.seed, asdict(changes.chances), dict(measure.facts)]
    digest = hashlib.sha256(json.dumps(facts if changes.ways else facts[-1:]).encode())
    for part in (clips.starts, clips.ends, speakers if changes.ways else speakers[:0]):
        digest.update(np.ascontiguousarray(part).tobytes())
    # Lengths and some of the sound stand for all of it: reading a gigabyte to name a file would take its time.
    digest.update(np.ascontiguousarray(clips.signal[:: max(1, len(clips.signal) // 100_000)]).tobytes())
    for recorded in (*changes.sounds, *changes.responses) if changes.ways else ():
        digest.update(np.asarray([len(recorded), float(np.sum(recorded))]).tobytes())
    return digest.hexdigest()[:16]
