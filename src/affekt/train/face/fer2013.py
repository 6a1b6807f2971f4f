"""FER2013 with its own labels and the votes of FER+, split so that no part has near-duplicates of another."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.corpora.fer2013 import USAGES, Faces
from affekt.data.pictures import NEAR, nearest
from affekt.errors import InputError
from affekt.face.shape import LABELS

_TRAIN, _PUBLIC = USAGES.index("Training"), USAGES.index("PublicTest")


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


def label_given_votes(faces: Faces) -> NDArray[np.float32]:
    """Probabilities of FER2013's labels given a face's FER+ votes, smoothed.

    FER2013's labels agree with the majority of FER+ for two faces of three. A
    table of how often each label occurs with each vote, counted over the
    training faces, says what label to expect from a face's votes; unlike
    uniform label smoothing, it is right on average.

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
