"""The same picture twice: hashes and thumbnails of faces, and the search for near-duplicates."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.corpora.pictures import grey, read_pictures
from affekt.data.findings import Evidence
from affekt.errors import ImageError
from affekt.types import Sample

#: Two faces whose 12 x 12 means correlate at least this much are near-duplicates, mirrored or not.
#: All 294 pairs of the known list of pixel- and near-duplicates of FER2013 are above 0.99; so are series from one
#: shoot.
NEAR = 0.95
#: Pixels of a side of a thumbnail.
SIDE = 12
#: Key of ``meta``: the id of the first picture of a series linked by near-duplicates, over any number of steps.
SERIES = "series"
# Standard deviation of grey values below which a picture counts as one colour and matches no other.
_FLAT = 1.0
_ROWS = 2048


def thumbnails(images: NDArray[Any]) -> NDArray[np.float32]:
    """Means over 12 x 12 equal parts of grey pictures, each with mean 0 and length 1; zeros for a single colour.

    Parameters
    ----------
    images : array, shape (n, h, w)
        h and w are multiples of 12.

    Returns
    -------
    float32 array, shape (n, 144)
        Their inner products are correlations.
    """
    count, height, width = images.shape
    cells = images.reshape(count, SIDE, height // SIDE, SIDE, width // SIDE)
    flat = cells.astype(np.float32).mean(axis=(2, 4)).reshape(count, SIDE * SIDE)
    centred = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    found: NDArray[np.float32] = np.where(length > _FLAT * SIDE, centred / np.maximum(length, 1e-3), 0)
    return found


def thumbnail(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The thumbnail (144,) of a grey picture (h, w) of any size."""
    if values.shape[0] % SIDE or values.shape[1] % SIDE:
        from PIL import Image

        image = Image.fromarray(values, mode="F").resize((4 * SIDE, 4 * SIDE), Image.Resampling.BOX)
        values = np.asarray(image)
    found: NDArray[np.float32] = thumbnails(values[None])[0]
    return found


def mirrored(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Thumbnails (n, 144) of the mirror images."""
    return np.ascontiguousarray(rows.reshape(-1, SIDE, SIDE)[:, :, ::-1]).reshape(-1, SIDE * SIDE)


def picture_hash(values: NDArray[np.float32]) -> str:
    """SHA-256 of grey values (h, w): the same for the same pixels in any lossless format, in colour or grey."""
    rounded = np.round(values).astype(np.uint8)
    return hashlib.sha256(str(rounded.shape).encode() + rounded.tobytes()).hexdigest()


def evidence_of_pictures(samples: Iterable[Sample], *, tick: Callable[[], object] = lambda: None) -> Evidence:
    """Decode every picture once, for its hash, thumbnail and size.

    Pictures that cannot be read are left out.

    Parameters
    ----------
    samples : iterable of Sample
    tick : callable
        Called after each picture.

    Returns
    -------
    Evidence
        With ``thumbnails``, ``hashes`` and ``traits``.
    """
    small, hashes = {}, {}
    traits: dict[str, dict[str, float | str]] = {}
    for sample, picture in read_pictures(samples):
        if not isinstance(picture, ImageError):
            values = grey(picture)
            small[sample.id], hashes[sample.id] = thumbnail(values), picture_hash(values)
            size = f"{picture.shape[1]} x {picture.shape[0]}"
            traits[sample.id] = {"size": size, "lightness": float(values.mean()), "contrast": float(values.std())}
        tick()
    return Evidence(thumbnails=small, hashes=hashes, traits=traits)


def near_duplicate_pictures(
    small: Mapping[str, NDArray[np.float32]], judged: Sequence[str], others: Sequence[str]
) -> list[tuple[str, str]]:
    """The pictures of ``judged`` that are almost the same as one of ``others``, mirrored or not, with the nearest.

    Parameters
    ----------
    small : mapping of str to array, shape (144,)
        Of :func:`thumbnail`.
    judged, others : sequence of str
        Ids; those without a thumbnail are left out.

    Returns
    -------
    list of (str, str)
        In the order of ``judged``.

    Examples
    --------
    >>> one = thumbnails(np.random.default_rng(0).integers(0, 255, (2, 12, 12)))
    >>> near_duplicate_pictures({"a": one[0], "b": mirrored(one)[0], "c": one[1]}, ["a", "c"], ["b"])
    [('a', 'b')]
    """
    judged, others = ([id for id in ids if id in small] for ids in (judged, others))
    if not judged or not others:
        return []
    there, pairs = np.stack([small[id] for id in others]), []
    for start, alike in _correlations(np.stack([small[id] for id in judged]), there):
        nearest = alike.argmax(axis=1)
        for row in np.flatnonzero(alike[np.arange(len(alike)), nearest] >= NEAR):
            pairs.append((judged[start + row], others[nearest[row]]))
    return pairs


def _correlations(rows: NDArray[np.float32], there: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Correlations with all of ``there``, the larger of plain and mirrored, for some rows at a time."""
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        yield start, np.maximum(some @ there.T, mirrored(some) @ there.T)


def nearest(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """For each face, how similar the most similar other face is: in the same set, and in another.

    Parameters
    ----------
    images, others : uint8 arrays, shapes (n, 48, 48) and (m, 48, 48)

    Returns
    -------
    float32 arrays, shape (n,)
        The correlation of the means of 4 x 4 pixels, mirrored or not; -1 where there is nothing to compare with.
    """
    small, strange = thumbnails(images), thumbnails(others)
    among, other = np.full(len(images), -1, np.float32), np.full(len(images), -1, np.float32)
    for start, alike in _correlations(small, small):
        alike[np.arange(len(alike)), np.arange(start, start + len(alike))] = -1
        among[start : start + len(alike)] = alike.max(axis=1)
    for start, alike in _correlations(small, strange) if len(strange) else ():
        other[start : start + len(alike)] = alike.max(axis=1)
    return among, other


def with_series(samples: Sequence[Sample], small: Mapping[str, NDArray[np.float32]]) -> tuple[Sample, ...]:
    """Samples that say in ``meta`` which series of near-duplicates they belong to; a single picture is its own series.

    If A is a near-duplicate of B, and B of C, all three are one series: typically frames from one shoot.

    Parameters
    ----------
    samples : sequence of Sample
    small : mapping of str to array, shape (144,)
        Of :func:`thumbnail`; a picture without one is its own series.

    Examples
    --------
    >>> one = thumbnails(np.random.default_rng(0).integers(0, 255, (2, 12, 12)))
    >>> clips = [Sample(f"x/{i}", f"{i}.png") for i in range(3)]
    >>> found = with_series(clips, {"x/0": one[0], "x/1": one[1], "x/2": mirrored(one)[0]})
    >>> [sample.meta["series"] for sample in found]
    ['x/0', 'x/1', 'x/0']
    """
    places = [i for i, sample in enumerate(samples) if sample.id in small]
    first = list(range(len(samples)))

    def root(i: int) -> int:
        while first[i] != i:
            first[i] = first[first[i]]
            i = first[i]
        return i

    if places:
        table = np.stack([small[samples[i].id] for i in places])
        for start, alike in _correlations(table, table):
            for row, column in zip(*np.nonzero(alike >= NEAR), strict=True):
                low, high = sorted((root(places[start + row]), root(places[column])))
                first[high] = low
    return tuple(replace(s, meta={**s.meta, SERIES: samples[root(i)].id}) for i, s in enumerate(samples))
