"""The features of many samples, decoded once and kept on disk."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt._files import atomic_write
from affekt._optional import require
from affekt.errors import AudioError, InputError, UnknownName
from affekt.speech.decoded import SAMPLING_RATE
from affekt.speech.functionals import SEQUENCES, VECTORS
from affekt.speech.stretch import read_stretch
from affekt.types import Sample

#: Part of every cache file's name: another number when the values of a feature change.
VERSION = 1

#: Seconds of openSMILE's longest window.
SHORTEST_SMILE = 0.06

Tick = Callable[[], object]


def egemaps(signal: NDArray[np.floating], sampling_rate: int) -> NDArray[np.float32]:
    """The 88 functionals of eGeMAPS v02, computed by openSMILE.

    openSMILE's licence allows private, research and educational use only: no commercial use.
    Eyben et al., The Geneva minimalistic acoustic parameter set, 2016.

    Parameters
    ----------
    signal : array, shape (n,)
    sampling_rate : int
        Hertz.

    Returns
    -------
    float32 array, shape (88,)

    Raises
    ------
    MissingExtra
        If the package ``opensmile`` is not installed.
    InputError
        If the signal is shorter than a window of openSMILE.
    """
    found: NDArray[np.float32] = smiled(signal, sampling_rate, "Functionals").to_numpy(np.float32)[0]
    return found


def smiled(signal: NDArray[np.floating], sampling_rate: int, level: str) -> Any:
    """openSMILE's features of a signal, as its own data frame; see :func:`egemaps`.

    Parameters
    ----------
    level : str
        ``Functionals``, or ``LowLevelDescriptors`` every 10 ms.
    """
    seconds = len(signal) / sampling_rate
    # It would warn, and give NaN.
    if seconds < SHORTEST_SMILE:
        raise InputError(
            f"{seconds:.3f} s are too short for eGeMAPS, whose windows have {SHORTEST_SMILE:g} s; leave it out."
        )
    return smile(level).process_signal(signal, sampling_rate)


@functools.cache
def smile(level: str) -> Any:
    """The extractor of a level; it takes a while to make."""
    opensmile = require("opensmile", extra="egemaps")
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=getattr(opensmile.FeatureLevel, level)
    )


#: Every kind of feature: name to signal (n,), sampling_rate -> (d,) or (t, d).
KINDS: dict[str, Callable[[Any, int], NDArray[np.float32]]] = {**VECTORS, **SEQUENCES, "egemaps": egemaps}


def features_of(
    samples: Iterable[Sample],
    kind: str,
    *,
    cache: Path | None = None,
    sampling_rate: int | None = None,
    tick: Tick | None = None,
) -> NDArray[np.float32] | list[NDArray[np.float32]]:
    """The features of every sample, from the cache if they are there.

    Parameters
    ----------
    samples : iterable of Sample
    kind : str
        A name in :data:`KINDS`.
    cache : Path or None
        Folder, created if missing. Files are named by their inputs (the recording's bytes, the stretch,
        the kind, the rate): a moved recording is found again, a changed one is not. None: no cache.
    sampling_rate : int or None
        Hertz to which every recording is resampled first; None is 16 kHz.
    tick : callable or None
        Called after each sample.

    Returns
    -------
    float32 array, shape (n, d), or list of float32 arrays, shape (t, d)
        A list when the kind is a sequence.

    Raises
    ------
    UnknownName
        If there is no such kind.
    AudioError
        If a recording cannot be read; names it. To continue after it, use :func:`feature_of`, which takes one sample.

    Examples
    --------
    >>> features_of([], "usual-180").shape
    (0, 0)
    """
    if kind not in KINDS:
        raise UnknownName("kind of feature", kind, KINDS)
    found = []
    for sample in samples:
        found.append(feature_of(sample, kind, cache=cache, sampling_rate=sampling_rate))
        if tick:
            tick()
    if kind in SEQUENCES:
        return found
    return np.stack(found) if found else np.zeros((0, 0), np.float32)


def feature_of(
    sample: Sample, kind: str, *, cache: Path | None = None, sampling_rate: int | None = None
) -> NDArray[np.float32]:
    """The features of one sample, (d,) or (t, d); see :func:`features_of`."""
    if kind not in KINDS:
        raise UnknownName("kind of feature", kind, KINDS)
    rate = sampling_rate or SAMPLING_RATE
    if cache is None:
        return _computed(sample, kind, rate)
    path = Path(cache) / f"{_key(sample, kind, rate)}.npy"
    kept = _kept(path, 2 if kind in SEQUENCES else 1)
    if kept is not None:
        return kept
    made = _computed(sample, kind, rate)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError(f"the cache {str(cache)!r} is a file; name a folder.") from None
    with atomic_write(path, "wb") as file:
        np.save(file, made, allow_pickle=False)
    return made


def _computed(sample: Sample, kind: str, rate: int) -> NDArray[np.float32]:
    return np.ascontiguousarray(KINDS[kind](read_stretch(sample, sampling_rate=rate), rate), dtype=np.float32)


def _key(sample: Sample, kind: str, rate: int) -> str:
    """A name for the features of a sample that depends on all that they depend on."""
    try:
        with open(sample.path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AudioError(f"{sample.path}: cannot be opened ({error.strerror or error}).") from None
    facts = (content, kind, rate, sample.start, sample.end, VERSION)
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _kept(path: Path, axes: int) -> NDArray[np.float32] | None:
    """What a cache file holds; None if there is none, or if it is broken and must be made again."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if isinstance(found, np.ndarray) and found.dtype == np.float32 and found.ndim == axes else None
