"""FER2013 (Goodfellow et al., 2013): 35,887 grey faces of 48 x 48 pixels in seven classes, from web searches.

Two forms are read. ``fer2013.csv``, as it was published: the columns ``emotion`` (0 angry, 1 disgust, 2 fear, 3 happy,
4 sad, 5 surprise, 6 neutral), ``pixels`` and ``Usage`` (Training 28,709, PublicTest 3,589, PrivateTest 3,589); the
votes of FER+ (Barsoum et al., 2016) are read from ``fer2013new.csv`` beside it. Or an ``.npz`` of arrays:
``images`` (n, 48, 48) uint8, ``emotion`` and ``usage`` (n,), ``ferplus`` (n, 10), -1 for no votes, ``id`` (n,), and the
names ``emotion_names`` and ``ferplus_names``. A copy as class folders is read by the corpus ``folder``.

A sample is a row: its path is the file, ``#`` and the number of the row from 0.

Traps: nobody knows who the people are, so nothing can be split by person. Of the public test, 280 faces (7.8 %) are
also in the training part, pixel for pixel, and more are frames from the same shoot; copies do not always have the
same label. The labels come from the search word and a quick check: a majority of ten people agrees with two labels
in three. Disgust is one face in 66.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.corpora.corpus import Corpus, Reading, reading_of
from affekt.errors import CorpusError
from affekt.face.shape import LABELS, SIZE, VOTES
from affekt.types import Sample

#: What FER2013 calls its parts, in the order of the numbers in an archive.
USAGES = ("Training", "PublicTest", "PrivateTest")
#: FER2013's own order of its classes, in our words.
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
#: The columns of FER+.
PEOPLE = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
#: The file of FER+ that lies beside the table.
VOTES_FILE = "fer2013new.csv"
#: Single votes count as mistakes by one of ten people; FER+ leaves them out as well.
FEWEST_VOTES = 2
#: Their words to ours.
_NAMES = {"anger": "angry", "happiness": "happy", "sadness": "sad"}
_ARRAYS = ("images", "emotion", "usage", "ferplus", "id", "emotion_names", "ferplus_names")


@dataclass(frozen=True)
class Faces:
    """Faces with two kinds of labels.

    Parameters
    ----------
    images : uint8 array, shape (n, 48, 48)
    labels : int64 array, shape (n,)
        FER2013's labels, as indices into ``LABELS``.
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
        """Some of the faces, by indices or by a boolean mask."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        ids = tuple(self.ids[i] for i in rows)
        return Faces(self.images[rows], self.labels[rows], self.votes[rows], self.majority[rows], ids)


def read(path: str | os.PathLike[str]) -> Reading:
    """Read FER2013 as samples: the file itself, or the folder that contains it.

    The ``meta`` of each sample has its ``usage`` (one of ``USAGES``), and the label that most people chose
    (``majority``) if FER+ is there and there is a majority.

    Raises
    ------
    CorpusError
        If there is no such file, or it is not FER2013.
    """
    file = _file(Path(path).expanduser())
    faces, usage = read_fer2013(file)
    samples = []
    for row, (id, label, part) in enumerate(zip(faces.ids, faces.labels.tolist(), usage.tolist(), strict=True)):
        meta = {"usage": USAGES[part]}
        if faces.majority[row] >= 0:
            meta["majority"] = VOTES[faces.majority[row]]
        samples.append(Sample(f"{NAME}/{id}", f"{file}#{row}", LABELS[label], corpus=NAME, meta=meta))
    return reading_of(samples, (), modality="face")


def _file(given: Path) -> Path:
    if given.is_file():
        return given
    found = [given / f"{NAME}.csv", *sorted(given.glob(f"{NAME}*.npz"))] if given.is_dir() else []
    if file := next((file for file in found if file.is_file()), None):
        return file
    what = "holds no fer2013.csv and no fer2013*.npz" if given.is_dir() else "does not exist"
    raise CorpusError(
        f"{given} {what}. Give fer2013.csv, an .npz of its arrays, or the folder of one; class folders of pictures "
        "are the corpus folder."
    )


def read_fer2013(path: Path) -> tuple[Faces, NDArray[np.int64]]:
    """Read FER2013, with FER+ if it is there, from its table or from one archive of arrays.

    Parameters
    ----------
    path : Path
        ``.csv`` or ``.npz``, as the module says.

    Returns
    -------
    Faces, int64 array (n,)
        All faces, and the usage of each, as an index into ``USAGES``.

    Raises
    ------
    CorpusError
        If the file cannot be read, or something is missing, unknown or of the wrong shape.
    """
    table = _table(path) if path.suffix.lower() == ".csv" else _archive(path)
    images, count = table["images"], len(table["images"])
    if not count:
        raise CorpusError(f"{path}: has no faces. Copy the file again.")
    if images.shape != (count, SIZE, SIZE) or images.dtype != np.uint8 or table["ferplus"].shape[0] != count:
        raise CorpusError(
            f"{path}: images are {images.dtype} of shape {images.shape} with votes of shape {table['ferplus'].shape}; "
            f"allowed: uint8 of shape (n, {SIZE}, {SIZE}) and n rows of votes."
        )
    emotion, usage = table["emotion"].astype(np.int64), table["usage"].astype(np.int64)
    for name, values, allowed in (("emotion", emotion, len(EMOTIONS)), ("usage", usage, len(USAGES))):
        if values.shape != (count,) or ((values < 0) | (values >= allowed)).any():
            raise CorpusError(
                f"{path}: {name} has {values.size} values up to {values.max(initial=0)}; allowed: {count} of "
                f"0 to {allowed - 1}."
            )
    order = np.array([LABELS.index(_NAMES.get(str(name), str(name))) for name in table["emotion_names"]])
    votes, majority = _shares(table["ferplus"], [str(name) for name in table["ferplus_names"]])
    ids = tuple(id.decode() if isinstance(id, bytes) else str(id) for id in table["id"])
    return Faces(images, order[emotion].astype(np.int64), votes, majority, ids), usage


def _archive(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            table = {name: archive[name] for name in archive.files}
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: cannot be read as an archive of arrays ({str(error)[:80]}).") from None
    if missing := [name for name in _ARRAYS if name not in table]:
        raise CorpusError(f"{path}: lacks {', '.join(missing)}; needed: {', '.join(_ARRAYS)}.")
    return table


def _table(path: Path) -> dict[str, Any]:
    """The published table, as the arrays that an archive has."""
    images, emotions, usages = [], [], []
    for line, row in _rows(path, ("emotion", "pixels", "Usage")):
        pixels = np.fromstring(row["pixels"], np.int64, sep=" ")
        known = row["emotion"].isdecimal() and int(row["emotion"]) < len(EMOTIONS) and row["Usage"] in USAGES
        if not known or len(pixels) != SIZE * SIZE or pixels.min() < 0 or pixels.max() > 255:
            raise CorpusError(
                f"{path}, line {line}: emotion {row['emotion'][:20]!r}, {len(pixels)} pixels, Usage "
                f"{row['Usage'][:20]!r}; allowed: 0 to {len(EMOTIONS) - 1}, {SIZE * SIZE} pixels of 0 to 255, "
                f"{', '.join(USAGES)}."
            )
        images.append(pixels.astype(np.uint8).reshape(SIZE, SIZE))
        emotions.append(int(row["emotion"]))
        usages.append(USAGES.index(row["Usage"]))
    votes, names = _votes_beside(path, len(images))
    return {
        "images": np.array(images, np.uint8).reshape(-1, SIZE, SIZE),
        "emotion": np.array(emotions, np.int64),
        "usage": np.array(usages, np.int64),
        "ferplus": votes,
        "id": [name or f"row{row:05d}" for row, name in enumerate(names)],
        "emotion_names": EMOTIONS,
        "ferplus_names": PEOPLE,
    }


def _votes_beside(path: Path, count: int) -> tuple[NDArray[np.int64], list[str]]:
    """FER+'s votes (n, 10), -1 for none, and its names of the faces, empty where there are none."""
    file = path.parent / VOTES_FILE
    if not file.is_file():
        return np.full((count, len(PEOPLE)), -1), [""] * count
    rows = list(_rows(file, ("Image name", *PEOPLE)))
    if len(rows) != count:
        raise CorpusError(f"{file}: has {len(rows)} rows and {path.name} {count}; both list all faces in one order.")
    for line, row in rows:
        if not all(row[name].isdecimal() for name in PEOPLE):
            raise CorpusError(f"{file}, line {line}: a count of votes is no whole number. Copy the file again.")
    votes = np.array([[int(row[name]) for name in PEOPLE] for _, row in rows])
    return votes, [PurePosixPath(row["Image name"]).stem for _, row in rows]


def _rows(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Line number and row; one at a time, as the table is hundreds of megabytes of text."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file, restval="")
            if missing := [name for name in needed if name not in (lines.fieldnames or ())]:
                raise CorpusError(f"{path}: has no column {', '.join(missing)}; needed: {', '.join(needed)}.")
            for row in lines:
                yield lines.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{path}: cannot be read as a table ({str(error)[:80]}).") from None


def _shares(votes: NDArray[Any], names: list[str]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Shares (n, 8) and majority (n,) of votes (n, 10)."""
    counted = np.where(votes >= FEWEST_VOTES, votes, 0).astype(np.float32)
    ours = [_NAMES.get(name, name) for name in names]
    columns = counted[:, [ours.index(name) for name in VOTES]]
    shares = columns / np.maximum(columns.sum(axis=1, keepdims=True), 1)
    majority = np.where(columns.max(axis=1) > counted.sum(axis=1) / 2, columns.argmax(axis=1), -1)
    # If most people saw no emotion or no face, there is nothing to learn about emotions.
    shares[columns.sum(axis=1) < counted.sum(axis=1) / 2] = 0
    return shares, majority.astype(np.int64)


NAME = "fer2013"
CORPUS = Corpus(
    name=NAME,
    modality="face",
    title="FER2013",
    languages=(),
    licence="no open licence known, research; FER+ votes: MIT",
    home="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
    clips=35_887,
    speakers=None,
    labels=LABELS,
    example="fer2013.csv",
    parse=None,
    read=read,
)
