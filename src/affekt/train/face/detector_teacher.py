"""Pictures for the detector's mosaics, with the faces that a teacher (YuNet) sees in them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from affekt._files import atomic_write
from affekt.errors import CorpusError
from affekt.face.detect import Detector, resized

#: Longer side of a stored picture.
SIDE = 256
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".pgm", ".ppm"})
#: Corpora whose files are named after the person in them: ``Some_Body_0001.jpg``.
NAMED = ("lfw", "muxspace")
#: Of every so many people, one is held out.
HELD_OUT = 20


@dataclass(frozen=True)
class Taught:
    """Grey pictures, and the faces in them.

    Parameters
    ----------
    pictures : uint8 array, shape (n, 256, 256)
        Each lies in the upper left corner.
    sizes : int array, shape (n, 2)
        Height and width of each.
    owners : int array, shape (m,)
        Row of the picture that a face is in.
    boxes : float32 array, shape (m, 4)
        In the convention of :mod:`affekt.face.detect`.
    points : float32 array, shape (m, 5, 2)
    scores : float32 array, shape (m,)
        Of the teacher.
    names : tuple of str
        Path of each picture, below its folder.
    """

    pictures: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    owners: NDArray[np.int64]
    boxes: NDArray[np.float32]
    points: NDArray[np.float32]
    scores: NDArray[np.float32]
    names: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write everything as one ``.npz``."""
        with atomic_write(path, "wb") as file:
            np.savez(file, **{**vars(self), "names": np.asarray(self.names)})

    @classmethod
    def load(cls, path: Path) -> Taught:
        """Read what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as table:
            return cls(**{**dict(table), "names": tuple(table["names"].tolist())})

    def part(self, *, held_out: bool) -> Taught:
        """The pictures held out, or the others. A person's pictures stay together where the name tells who it is."""
        digits = [hashlib.sha256(person(name).encode()).digest()[0] for name in self.names]
        drawn = (np.array(digits) * HELD_OUT < 256) == held_out
        rows = np.cumsum(drawn) - 1
        faces = drawn[self.owners]
        return Taught(
            self.pictures[drawn],
            self.sizes[drawn],
            rows[self.owners[faces]],
            self.boxes[faces],
            self.points[faces],
            self.scores[faces],
            tuple(name for name, is_in in zip(self.names, drawn, strict=True) if is_in),
        )


def person(name: str) -> str:
    """Who is in a picture, from its path: ``lfw/Some_Body_0001.jpg`` and ``orl/s1/2.pgm`` say it; else the path."""
    folder, _, last = name.rpartition("/")
    stem = last.rsplit(".", 1)[0]
    if folder.startswith("orl"):
        return folder
    who, _, number = stem.rpartition("_")
    return who if number.isdecimal() and who and folder.split("/")[0] in NAMED else name


def read_grey(path: Path, longest: int = SIDE) -> NDArray[np.uint8]:
    """A picture's lightness (h, w), its longer side at most ``longest``."""
    with av.open(str(path)) as container:
        image = np.asarray(next(container.decode(video=0)).to_ndarray(format="rgb24"), np.uint8)
    scale = min(1.0, longest / max(image.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return resized(image, height, width, grey=True)


def teach(
    folders: Mapping[str, tuple[Path, int]], teacher: Detector, *, seed: int, report: Callable[[str], None]
) -> Taught:
    """Look for faces in the pictures of some folders.

    Parameters
    ----------
    folders : mapping
        Name to folder and how many of its pictures are drawn, at most.
    teacher : Detector
        With a low threshold: detections of low score later count as neither face nor background.
    seed : int
        Of the draw.
    report : callable
        Takes a line of progress.

    Raises
    ------
    CorpusError
        If a folder holds no picture.
    """
    pictures, sizes, names, found = [], [], [], []
    for name, (folder, most) in folders.items():
        for path in draw_pictures(folder, most, seed):
            try:
                grey = read_grey(path)
            except (OSError, StopIteration, ValueError) as error:
                report(f"{path} is passed over: {error}")
                continue
            canvas = np.zeros((SIDE, SIDE), np.uint8)
            canvas[: grey.shape[0], : grey.shape[1]] = grey
            pictures.append(canvas)
            sizes.append(grey.shape)
            names.append(f"{name}/{path.relative_to(folder).as_posix()}")
            found.append(teacher.detect(np.ascontiguousarray(np.stack([grey] * 3, axis=2))))
        report(f"{name}: {len(pictures)} pictures, {sum(map(len, found))} faces so far")
    owners = np.repeat(np.arange(len(found)), [len(faces) for faces in found])
    return Taught(
        np.stack(pictures),
        np.asarray(sizes, np.int64),
        owners,
        np.concatenate([faces.boxes for faces in found]),
        np.concatenate([faces.points for faces in found]),
        np.concatenate([faces.scores for faces in found]),
        tuple(names),
    )


def draw_pictures(folder: Path, most: int, seed: int) -> Sequence[Path]:
    """Up to ``most`` pictures of a folder, the same ones on every machine."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise CorpusError(f"{folder}: no picture ({', '.join(sorted(SUFFIXES))}) lies below it.")
    order = np.random.default_rng(seed).permutation(len(paths))[:most]
    return [paths[row] for row in sorted(order)]
