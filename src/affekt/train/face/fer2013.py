"""FER2013 with its own labels and the votes of FER+, divided so that no face of one part is nearly one of another."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.face.shape import LABELS, SIZE, VOTES

#: Of two faces, the correlation of their 12 x 12 means from which on they are near-duplicates, mirrored or not.
#: All 294 pairs of the known list of pixel- and near-duplicates are above 0.99; a series of one shooting is, too.
NEAR = 0.95
#: Single votes are slips of one of ten people; FER+ leaves them out as well.
FEWEST_VOTES = 2
#: The names of the file to ours.
_NAMES = {
    "anger": "angry",
    "happiness": "happy",
    "sadness": "sad",
}
_TRAIN, _PUBLIC = 0, 1


@dataclass(frozen=True)
class Faces:
    """Faces with two kinds of labels.

    Parameters
    ----------
    images : uint8 array, shape (n, 48, 48)
    labels : int64 array, shape (n,)
        Of FER2013, as places in ``LABELS``.
    votes : float32 array, shape (n, 8)
        Shares of the votes in the order of ``VOTES``; zeros where people saw no face, did not know, or were not asked.
    majority : int64 array, shape (n,)
        The label in ``VOTES`` that more than half of the people chose; -1 where there is none.
    ids : tuple of str
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    votes: NDArray[np.float32]
    majority: NDArray[np.int64]
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[Any]) -> Faces:
        """Some of the faces, by index or by truth value."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        ids = tuple(self.ids[i] for i in rows)
        return Faces(self.images[rows], self.labels[rows], self.votes[rows], self.majority[rows], ids)


@dataclass(frozen=True)
class FaceSplit:
    """Faces to learn from, to choose by, and to score once.

    Parameters
    ----------
    train, dev : Faces
        Both from FER2013's training part. No face of ``dev`` has a near-duplicate anywhere.
    test : Faces
        FER2013's public test, all of it.
    leaked : bool array, shape (test faces,)
        Which of them stand in FER2013's training part, pixel for pixel; they are not in ``train``.
    left_out : int
        Faces of the training part that are near-duplicates of one in ``test``.
    """

    train: Faces
    dev: Faces
    test: Faces
    leaked: NDArray[np.bool_]
    left_out: int

    @property
    def digest(self) -> str:
        """SHA-256 of which face is on which side."""
        lines = [f"{side} {id}" for side in ("train", "dev", "test") for id in getattr(self, side).ids]
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def read_fer2013(path: Path) -> tuple[Faces, NDArray[np.int64]]:
    """Read FER2013 and FER+ from one archive of arrays.

    Parameters
    ----------
    path : Path
        ``.npz`` with ``images`` (n, 48, 48) uint8, ``emotion`` (n,), ``usage`` (n,): 0 training, 1 public test,
        ``ferplus`` (n, 10): votes, -1 for none, ``id`` (n,), and the names ``emotion_names``, ``ferplus_names``.

    Returns
    -------
    Faces, int64 array (n,)
        All of them, and the usage of each.

    Raises
    ------
    InputError
        If the file cannot be read, or an array is missing or of another shape.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            table = {name: archive[name] for name in archive.files}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as an archive of arrays ({str(error)[:80]}).") from None
    needed = ("images", "emotion", "usage", "ferplus", "id", "emotion_names", "ferplus_names")
    if missing := [name for name in needed if name not in table]:
        raise InputError(f"{path}: lacks {', '.join(missing)}; needed: {', '.join(needed)}.")
    images, count = table["images"], len(table["images"])
    if images.shape != (count, SIZE, SIZE) or images.dtype != np.uint8 or table["ferplus"].shape[0] != count:
        raise InputError(
            f"{path}: images are {images.dtype} of shape {images.shape} with votes of shape {table['ferplus'].shape}; "
            f"allowed: uint8 of shape (n, {SIZE}, {SIZE}) and n rows of votes."
        )
    order = np.array([LABELS.index(_NAMES.get(str(name), str(name))) for name in table["emotion_names"]])
    votes, majority = _shares(table["ferplus"], [str(name) for name in table["ferplus_names"]])
    ids = tuple(_text(id) for id in table["id"])
    labels = order[table["emotion"].astype(np.int64)].astype(np.int64)
    return Faces(images, labels, votes, majority, ids), table["usage"].astype(np.int64)


def _text(id: Any) -> str:
    return id.decode() if isinstance(id, bytes) else str(id)


def _shares(votes: NDArray[Any], names: list[str]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Shares (n, 8) and majority (n,) of votes (n, 10)."""
    counted = np.where(votes >= FEWEST_VOTES, votes, 0).astype(np.float32)
    ours = [_NAMES.get(name, name) for name in names]
    columns = counted[:, [ours.index(name) for name in VOTES]]
    shares = columns / np.maximum(columns.sum(axis=1, keepdims=True), 1)
    majority = np.where(columns.max(axis=1) > counted.sum(axis=1) / 2, columns.argmax(axis=1), -1)
    # Where most people saw no emotion or no face, there is nothing to learn of emotions.
    shares[columns.sum(axis=1) < counted.sum(axis=1) / 2] = 0
    return shares, majority.astype(np.int64)


def split_fer2013(faces: Faces, usage: NDArray[np.int64], *, dev: int, seed: int) -> FaceSplit:
    """Divide FER2013 into faces to learn from, to choose by, and to score once.

    Parameters
    ----------
    faces : Faces
    usage : int64 array, shape (n,)
        0 training, 1 public test; others are left alone.
    dev : int
        Faces to choose by; drawn from those of the training part that have no near-duplicate, every label by its
        share of them.
    seed : int

    Raises
    ------
    InputError
        If there are too few faces without a near-duplicate.
    """
    of_train, of_test = np.flatnonzero(usage == _TRAIN), np.flatnonzero(usage == _PUBLIC)
    among, other = nearest(faces.images[of_train], faces.images[of_test])
    alone = of_train[(among < NEAR) & (other < NEAR)]
    if dev < 1 or len(alone) < 2 * dev:
        raise InputError(
            f"dev is {dev} faces; {len(alone)} of {len(of_train)} have no near-duplicate; allowed: 1 to half of them."
        )
    order = np.random.default_rng(seed).permutation(alone)
    # Sorted by label, every k-th face is a draw that keeps the labels' shares.
    ranked = order[np.argsort(faces.labels[order], kind="stable")]
    chosen = np.sort(ranked[np.linspace(0, len(ranked) - 1, dev).round().astype(int)])
    train = np.setdiff1d(of_train[other < NEAR], chosen)
    pixels = {faces.images[i].tobytes() for i in of_train}
    leaked = np.array([faces.images[i].tobytes() in pixels for i in of_test], bool)
    return FaceSplit(faces.take(train), faces.take(chosen), faces.take(of_test), leaked, int((other >= NEAR).sum()))


def nearest(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How alike the most similar face is, for each face: of the same set, and of another.

    Parameters
    ----------
    images, others : uint8 arrays, shapes (n, 48, 48) and (m, 48, 48)

    Returns
    -------
    float32 arrays, shape (n,)
        The correlation of the means of 4 x 4 pixels, mirrored or not; -1 where there is nothing to compare with.
    """
    plain, mirrored = _thumbnails(images), _thumbnails(images[:, :, ::-1])
    strange = _thumbnails(others)
    among, other = np.full(len(images), -1, np.float32), np.full(len(images), -1, np.float32)
    for start in range(0, len(images), 2048):
        rows = slice(start, start + 2048)
        for thumbnails in (plain[rows], mirrored[rows]):
            alike = thumbnails @ plain.T
            alike[np.arange(len(alike)), np.arange(start, start + len(alike))] = -1
            among[rows] = np.maximum(among[rows], alike.max(axis=1))
            if len(strange):
                other[rows] = np.maximum(other[rows], (thumbnails @ strange.T).max(axis=1))
    return among, other


def _thumbnails(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Means of 4 x 4 pixels, with mean 0 and length 1: (n, 144)."""
    cells = images.reshape(len(images), SIZE // 4, 4, SIZE // 4, 4).astype(np.float32).mean(axis=(2, 4))
    flat = cells.reshape(len(images), (SIZE // 4) ** 2)
    centred = flat - flat.mean(axis=1, keepdims=True)
    found: NDArray[np.float32] = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-3)
    return found


def label_given_votes(faces: Faces) -> NDArray[np.float32]:
    """How FER2013 labels faces that people vote on so: what a label says beyond chance, smoothed.

    FER2013's labels agree with the majority of FER+ for two faces of three. A
    table of how often each label stands beside each vote, counted over the
    faces to learn from, says what label to expect of a face's votes; unlike
    uniform label smoothing it is right on average.

    Returns
    -------
    float32 array, shape (n, 7)
        Probabilities in the order of ``LABELS``. A face without votes gets the labels' shares.
    """
    one_hot = np.eye(len(LABELS), dtype=np.float64)[faces.labels]
    share = one_hot.mean(axis=0)
    counts = faces.votes.T.astype(np.float64) @ one_hot + 5 * share  # (8, 7)
    table = counts / counts.sum(axis=1, keepdims=True)
    voted = faces.votes.sum(axis=1, keepdims=True)
    found: NDArray[np.float32] = (faces.votes @ table + (1 - voted) * share).astype(np.float32)
    return found
