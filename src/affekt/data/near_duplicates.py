"""The same clip twice: hashes and fingerprints of audio, and the search for near-duplicates."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from affekt.data.findings import Evidence
from affekt.errors import InputError
from affekt.speech.audio import read
from affekt.speech.decoded import SAMPLING_RATE
from affekt.speech.stretch import bounds, starts_too_late
from affekt.types import Sample

# 64 slots of time and 16 of frequency, 1,024 bits: coarse enough to survive codecs, fine enough to tell takes apart.
_SLOTS, _BANDS, _LOWEST, _HIGHEST = 64, 16, 150.0, 5000.0
_WINDOW_SECONDS, _HOP_SECONDS = 0.032, 0.016
# Anything 30 dB below the loudest slot counts as silence; otherwise mild noise would decide its bits.
_FLOOR = 1e-3

#: Share of bits in which two fingerprints of one recording may differ. On 360 RAVDESS clips, copies (gain, 16 bits,
#: mp3, Opus, 8 kHz, noise 20 dB below the voice) differ in at most 0.021, with noise at 10 dB in 0.057; two takes of
#: one sentence differ in 0.073 or more, other clips in 0.095 or more. Elsewhere (BanglaSER) two takes by one
#: speaker come down to 0.033, clips of two speakers to 0.054.
DUPLICATE_BITS = 0.04

# Other features: a twentieth of the usual distance of two clips. In d dimensions, about one pair in 20 ** d is that
# near by chance; below 8 dimensions, where this does happen, nothing is reported.
_TWIN_DISTANCE, _FEWEST_DIMENSIONS = 0.05, 8
_BLOCK = 1024


def content_hash(signal: NDArray[np.floating]) -> str:
    """SHA-256 of a signal rounded to 16 bits: the same for the same audio in any lossless format.

    Parameters
    ----------
    signal : array, shape (n,)
        Mono samples; full scale is [-1, 1].

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> content_hash(np.zeros(4)) == content_hash(np.full(4, 1e-6)) != content_hash(np.ones(4))
    True
    """
    # 32768, because decoders divide by it: 16-bit audio gives back its own integers.
    rounded = np.clip(np.round(np.asarray(signal, np.float64) * 32768), -32768, 32767).astype("<i2")
    return hashlib.sha256(rounded.tobytes()).hexdigest()


def fingerprint(signal: NDArray[np.floating], sampling_rate: int = SAMPLING_RATE) -> NDArray[np.uint8]:
    """What a clip sounds like, in 1,024 bits: the same for a copy that is louder, coded or slightly noisy.

    A bit says whether the step between two neighbouring bands grows from one
    slot of time to the next. A copy that was cut, shifted or stretched has
    a different fingerprint; digital silence has none (all bits 0).

    Parameters
    ----------
    signal : array, shape (n,)
        Mono samples.
    sampling_rate : int
        Hertz, at least 10,000.

    Returns
    -------
    uint8 array, shape (128,)
        Packed bits.

    References
    ----------
    The signs of energy differences along time and frequency: Haitsma and
    Kalker (2002), A highly robust audio fingerprinting system, Proc. ISMIR.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(16_000)
    >>> bool((fingerprint(noise) == fingerprint(0.1 * noise)).all())
    True
    """
    window, hop = round(_WINDOW_SECONDS * sampling_rate), round(_HOP_SECONDS * sampling_rate)
    padded = np.pad(np.asarray(signal, np.float32), (0, max(0, window - len(signal))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    spectrum = np.fft.rfft(frames * np.hanning(window).astype(np.float32), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2) @ _bands(window, sampling_rate)
    slots = _pooled(power)  # (slots + 1, bands + 1)
    level = np.log10(np.maximum(slots, _FLOOR * slots.max() + 1e-20))
    steps = np.diff(np.diff(level, axis=1), axis=0)
    # Not 0: between two silent slots rounding would decide.
    return np.packbits(steps > 1e-4)


@cache
def _bands(window: int, sampling_rate: int) -> NDArray[np.float32]:
    hertz = np.fft.rfftfreq(window, 1 / sampling_rate)[:, None]
    edges = np.geomspace(_LOWEST, _HIGHEST, _BANDS + 2)
    inside = (hertz >= edges[:-1]) & (hertz < edges[1:])
    found: NDArray[np.float32] = (inside / np.maximum(inside.sum(axis=0), 1)).astype(np.float32)
    return found


def _pooled(power: NDArray[Any]) -> NDArray[np.float64]:
    # Sums over equal shares of time, frames on an edge by their parts: short clips have fewer frames than slots.
    summed = np.vstack([np.zeros(power.shape[1]), np.cumsum(power, axis=0, dtype=np.float64)])
    edges = np.linspace(0, len(power), _SLOTS + 2)
    whole = np.minimum(edges.astype(int), len(power) - 1)
    at = summed[whole] + (edges - whole)[:, None] * (summed[whole + 1] - summed[whole])
    return np.diff(at, axis=0)


def evidence_of(samples: Iterable[Sample], *, tick: Callable[[], object] = lambda: None) -> Evidence:
    """Decode every clip once, for hashes, fingerprints and the properties of its file.

    Parameters
    ----------
    samples : iterable of Sample
        Fastest if the samples of one file are next to one another.
    tick : callable
        Called after each sample.

    Returns
    -------
    Evidence
        With ``features`` (fingerprints), ``hashes`` and ``traits``.

    Raises
    ------
    AudioError
        If a recording cannot be read, or ends before a sample starts.
    """
    features, hashes, traits = {}, {}, {}
    for path, group in groupby(samples, key=lambda sample: sample.path):
        audio, file = read(path), _file_traits(path)
        for sample in group:
            signal = audio.signal[slice(*bounds(sample, audio.sampling_rate))]
            if not len(signal) and sample.start:
                # All empty signals have the same hash: they would count as copies of one another.
                raise starts_too_late(sample, audio.duration)
            features[sample.id], hashes[sample.id] = fingerprint(signal, audio.sampling_rate), content_hash(signal)
            traits[sample.id] = {**file, **_signal_traits(signal, audio.sampling_rate)}
            tick()
    return Evidence(features=features, hashes=hashes, traits=traits)


def _file_traits(path: str) -> dict[str, float | str]:
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError:
        return {}  # a file that only PyAV can read has no such header
    return {"sampling rate": f"{info.samplerate} Hz", "coding": info.subtype, "channels": str(info.channels)}


def _signal_traits(signal: NDArray[np.float32], sampling_rate: int) -> dict[str, float | str]:
    power = np.square(signal, dtype=np.float64)
    loud = np.flatnonzero(power > 1e-3 * power.max(initial=0)) if power.any() else np.zeros(0, int)
    first, last = (loud[0], loud[-1] + 1) if len(loud) else (len(signal), len(signal))
    return {
        "duration": len(signal) / sampling_rate,
        "level": float(10 * np.log10(power.mean() + 1e-12)) if len(signal) else -120.0,
        "silence before": first / sampling_rate,
        "silence after": (len(signal) - last) / sampling_rate,
    }


def near_duplicates_of(
    features: Mapping[str, NDArray[Any]], judged: Sequence[str], others: Sequence[str]
) -> list[tuple[str, str]]:
    """The clips of ``judged`` that are almost the same as one of ``others``, each with its nearest match.

    Fingerprints (uint8) are compared bit by bit; other features by their distance,
    after scaling each to the same spread.

    Parameters
    ----------
    features : mapping of str to array, shape (d,)
    judged, others : sequence of str
        Ids; those without features are left out.

    Returns
    -------
    list of (str, str)
        In the order of ``judged``.

    Raises
    ------
    InputError
        If the features differ in length.

    Examples
    --------
    >>> bits = {"a": np.full(128, 85, np.uint8), "b": np.full(128, 85, np.uint8), "c": np.full(128, 170, np.uint8)}
    >>> near_duplicates_of(bits, ["a", "c"], ["b"])
    [('a', 'b')]
    """
    judged, others = ([id for id in ids if id in features] for ids in (judged, others))
    if not judged or not others:
        return []
    a, b = _matrix(features, judged), _matrix(features, others)
    if a.shape[1] != b.shape[1]:
        raise InputError(f"features have {a.shape[1]} and {b.shape[1]} numbers; give all clips the same kind.")
    prepared = (_signs(a), _signs(b)) if a.dtype == np.uint8 == b.dtype else _scaled(a, b)
    if prepared is None:
        return []
    return [(judged[i], others[j]) for i, j in _nearest(*prepared)]


def _matrix(features: Mapping[str, NDArray[Any]], ids: Sequence[str]) -> NDArray[Any]:
    rows = [np.ravel(features[id]) for id in ids]
    for id, row in zip(ids, rows, strict=True):
        if len(row) != len(rows[0]):
            raise InputError(f"features of {id} have {len(row)} numbers, those of {ids[0]} have {len(rows[0])}.")
    return np.stack(rows)


def _signs(packed: NDArray[Any]) -> NDArray[np.float32]:
    # As +-1 / sqrt(4 * share * bits), the squared distance is at most 1 when at most that share of the bits differs.
    bits = np.unpackbits(packed, axis=1).astype(np.float32)
    signs = (2 * bits - 1) / np.sqrt(4 * DUPLICATE_BITS * bits.shape[1]).astype(np.float32)
    signs[~packed.any(axis=1)] = np.nan  # silence is like nothing
    found: NDArray[np.float32] = signs
    return found


def _scaled(a: NDArray[Any], b: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    both = np.concatenate([a, b]).astype(np.float64)
    spread = both.std(axis=0)
    varied = np.isfinite(spread) & (spread > 1e-9 * (1 + np.abs(both).max(axis=0)))
    if varied.sum() < _FEWEST_DIMENSIONS:
        return None
    both = (both[:, varied] - both[:, varied].mean(axis=0)) / spread[varied]
    some = both[:: max(1, len(both) // 500)]
    usual = np.median(np.sqrt(np.maximum(_squared_distances(some, some)[np.triu_indices(len(some), 1)], 0)))
    both /= max(_TWIN_DISTANCE * usual, 1e-12)
    return both[: len(a)], both[len(a) :]


def _nearest(a: NDArray[Any], b: NDArray[Any]) -> Iterator[tuple[int, int]]:
    """For each row of a that is within 1 of a row of b: the two indices."""
    for start in range(0, len(a), _BLOCK):
        rows = a[start : start + _BLOCK]
        best, where = np.full(len(rows), np.inf), np.zeros(len(rows), int)
        for offset in range(0, len(b), _BLOCK):
            squared = np.nan_to_num(_squared_distances(rows, b[offset : offset + _BLOCK]), nan=np.inf)
            at = squared.argmin(axis=1)
            least = squared[np.arange(len(rows)), at]
            nearer = least < best
            best[nearer], where[nearer] = least[nearer], at[nearer] + offset
        # The tolerance covers pairs that differ in exactly that share of bits.
        yield from ((int(start + i), int(where[i])) for i in np.flatnonzero(best <= 1 + 1e-4))


def _squared_distances(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    return found
