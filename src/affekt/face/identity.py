"""Face embeddings: an aligned face to a unit vector, close to those of the same person.

Two engines: dlib's ResNet (extra ``attendance``), and any ONNX file whose card has the task ``identity``.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from affekt._optional import require
from affekt.errors import ModelError
from affekt.face.detect import Faces
from affekt.models.card import Card
from affekt.models.onnx import open_model

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

EXTRA = "attendance"
#: Side of the face that dlib's network takes, and how much is left around it.
_DLIB_SIDE, _DLIB_PADDING = 150, 0.25
#: Cosine from which two faces count as one person's where a gallery is too small to fit a threshold; see docs.
_DLIB_USUAL = 0.945
#: No gallery's threshold goes below this: strangers may be more alike than the few who are enrolled.
_DLIB_LEAST = 0.93
#: The six points of either eye among the 68, from corner to corner around it.
_EYES = (slice(36, 42), slice(42, 48))
#: The tip of the nose, and where the jaw begins at the person's right and left ear.
_NOSE, _JAW = 30, (0, 16)


class Embedder(Protocol):
    """What tells people apart.

    Attributes
    ----------
    name : str
        Stored with every template: vectors of different embedders cannot be compared.
    size : int
        Length of a vector.
    usual : float
        Cosine from which on two faces count as the same person where no threshold could be fitted.
    least : float
        The lowest threshold that a gallery may get.
    """

    name: str
    size: int
    usual: float
    least: float

    def embed(self, pixels: Picture, faces: Faces) -> Floats:
        """Unit vectors (n, size) of the faces of a picture (h, w, 3), RGB."""
        ...

    def signs(self, pixels: Picture, faces: Faces) -> NDArray[np.float64]:
        """Signs of life (n, 2): how far the face is turned to a side, -1 to 1; how far its eyes are open.

        NaN where they cannot be measured.
        """
        ...


def open_embedder(model: str | os.PathLike[str] = "dlib", *, threads: int = 1) -> Embedder:
    """Open an embedder.

    Parameters
    ----------
    model : name or path
        ``dlib``, or an ``.onnx`` file whose card has the task ``identity``.
    threads : int
        How many cores one run of an ONNX file may use.

    Raises
    ------
    MissingExtra
        If ``dlib`` is not installed.
    ModelError
        If the file is missing, damaged, or not for identities.
    """
    return DlibEmbedder() if str(model) == "dlib" else OnnxEmbedder(model, threads=threads)


class DlibEmbedder:
    """dlib's ResNet, 128 numbers; faces are aligned by dlib's 68 points, found in our detector's boxes.

    Our five points aligned worse than dlib's own on half of the people of ORL: see ``benchmarks/identity.py``.
    It was trained on some 3 million pictures of 7,485 adults, mostly public figures. Several threads may share one;
    they take turns.
    """

    size, usual, least = 128, _DLIB_USUAL, _DLIB_LEAST

    def __init__(self) -> None:
        self._dlib = require("dlib", extra=EXTRA)
        models = require("face_recognition_models", extra=EXTRA)
        self._points = self._dlib.shape_predictor(models.pose_predictor_model_location())
        self._network = self._dlib.face_recognition_model_v1(models.face_recognition_model_location())
        self._lock = threading.Lock()
        self.name = "dlib-resnet-1"

    def embed(self, pixels: Picture, faces: Faces) -> Floats:
        """Unit vectors (n, 128); about 80 ms a face on one core."""
        found = np.zeros((len(faces), self.size), np.float32)
        pixels = np.ascontiguousarray(pixels)
        with self._lock:
            for row, shape in enumerate(self._shapes(pixels, faces)):
                chip = self._dlib.get_face_chip(pixels, shape, _DLIB_SIDE, _DLIB_PADDING)
                found[row] = self._network.compute_face_descriptor(chip)
        return unit(found)

    def signs(self, pixels: Picture, faces: Faces) -> NDArray[np.float64]:
        """Turn, from the nose between both ends of the jaw, and eye aspect ratio (Soukupova & Cech, 2016): (n, 2).

        The ratio of height to width is about 0.3 for open eyes, below 0.2 for shut ones.
        """
        with self._lock:
            shapes = self._shapes(np.ascontiguousarray(pixels), faces)
        rows = [np.array([(part.x, part.y) for part in shape.parts()], float) for shape in shapes]
        return np.array([(_jaw_turn(row), _eye_ratio(row)) for row in rows]).reshape(-1, 2)

    def _shapes(self, pixels: Picture, faces: Faces) -> list[Any]:
        """dlib's 68 points of each face; dlib takes only contiguous pictures."""
        rectangles = [
            self._dlib.rectangle(round(left), round(top), round(left + width), round(top + height))
            for left, top, width, height in faces.boxes.tolist()
        ]
        return [self._points(pixels, rectangle) for rectangle in rectangles]


def _jaw_turn(points: NDArray[np.float64]) -> float:
    """How far a face is turned to the person's left, -1 to 1, among 68 points (68, 2)."""
    right, left = (float(np.linalg.norm(points[_NOSE] - points[end])) for end in _JAW)
    return (right - left) / max(right + left, 1e-6)


def _eye_ratio(points: NDArray[np.float64]) -> float:
    """Height by width of the eyes among 68 points (68, 2)."""
    ratios = []
    for eye in _EYES:
        outer, up1, up2, inner, down2, down1 = points[eye]
        heights = float(np.linalg.norm(up1 - down1) + np.linalg.norm(up2 - down2))
        ratios.append(heights / max(2 * float(np.linalg.norm(outer - inner)), 1e-6))
    return float(np.mean(ratios))


@dataclass(frozen=True)
class IdentityInput:
    """What an ONNX embedder takes: the ``input`` of its card.

    Parameters
    ----------
    size : int
        Side of the square face, in pixels.
    points : tuple
        Positions of right eye, left eye, nose, right and left corner of the mouth in it: five pairs, in pixels.
    channels : str
        ``rgb``, ``bgr`` or ``grey``.
    mean, scale : float
        A pixel (0 to 255) is given as ``(pixel - mean) / scale``.
    usual, least : float
        Cosines: see :class:`Embedder`.
    """

    size: int = 112
    points: tuple[tuple[float, float], ...] = (
        (38.3, 51.7), (73.5, 51.5), (56.0, 71.7), (41.5, 92.4), (70.7, 92.2),
    )  # fmt: skip
    channels: str = "rgb"
    mean: float = 127.5
    scale: float = 127.5
    usual: float = 0.5
    least: float = 0.3

    @classmethod
    def of(cls, card: Card) -> IdentityInput:
        """What the model with this card takes.

        Raises
        ------
        ModelError
            If it is not for identities, or its card does not say what it takes.
        """
        if card.modality != "face" or card.task != "identity":
            raise ModelError(
                f"the model {card.name} is one of {card.modality} for {card.task}; an embedder's card says modality "
                "'face' and task 'identity'."
            )
        unknown = sorted(set(card.input) - {f.name for f in fields(cls)})
        if unknown:
            raise ModelError(f"the model's card is wrong: its input has {', '.join(unknown)}; upgrade affekt.")
        found = cls(**card.input)
        points = np.shape(found.points)
        if type(found.size) is not int or not 16 <= found.size <= 512 or points != (5, 2):
            raise ModelError(f"the model's card is wrong: its input is {found}; give five points and a size of 16-512.")
        if found.channels not in ("rgb", "bgr", "grey") or not found.scale > 0:
            raise ModelError("the model's card is wrong: channels are rgb, bgr or grey, and the scale is positive.")
        if not -1 <= found.least <= found.usual <= 1:
            raise ModelError("the model's card is wrong: least and usual are cosines, least the smaller one.")
        return found


class OnnxEmbedder:
    """An ONNX file that takes aligned faces (n, c, s, s) and gives vectors (n, d); its card has the task ``identity``.

    Faces are aligned by the five points of the detector.
    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 1) -> None:
        self._model = open_model(path, threads=threads)
        self._input = IdentityInput.of(self._model.card)
        self.name, self.usual, self.least = self._model.card.name, self._input.usual, self._input.least
        channels = 1 if self._input.channels == "grey" else 3
        side = self._input.size
        self.size = int(self._model.run(np.zeros((1, channels, side, side), np.float32))[0].shape[-1])

    def embed(self, pixels: Picture, faces: Faces) -> Floats:
        """Unit vectors (n, size)."""
        if not len(faces):
            return np.zeros((0, self.size), np.float32)
        given = np.stack([aligned(pixels, points, self._input) for points in faces.points])
        return unit(np.concatenate([self._model.run(face[None])[0].reshape(1, -1) for face in given]))

    def signs(self, pixels: Picture, faces: Faces) -> NDArray[np.float64]:
        """Turn, from the nose between the eyes; NaN for the eyes, which five points do not say: (n, 2)."""
        return np.column_stack([signed_turn(faces.points), np.full(len(faces), np.nan)])


def aligned(pixels: Picture, points: Floats, wanted: IdentityInput) -> Floats:
    """A face turned, scaled and moved so that its five points (5, 2) lie where the network expects them: (c, s, s)."""
    from PIL import Image

    turn, shift = similarity(np.asarray(wanted.points, np.float64), points.astype(np.float64))
    matrix = (turn[0, 0], turn[0, 1], shift[0], turn[1, 0], turn[1, 1], shift[1])
    image = Image.fromarray(pixels).transform(
        (wanted.size, wanted.size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    face = np.asarray(image.convert("L") if wanted.channels == "grey" else image, np.float32)
    face = face[None] if face.ndim == 2 else face.transpose(2, 0, 1)
    if wanted.channels == "bgr":
        face = face[::-1]
    return np.ascontiguousarray((face - np.float32(wanted.mean)) / np.float32(wanted.scale))


def similarity(
    source: NDArray[np.float64], target: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The turn and scale (2, 2), and the shift (2,), that bring points (n, 2) nearest to others (least squares).

    Examples
    --------
    >>> turn, shift = similarity(np.array([[0.0, 0], [1, 0]]), np.array([[5.0, 5], [5, 7]]))
    >>> turn.round(6).tolist(), shift.tolist()
    ([[0.0, -2.0], [2.0, 0.0]], [5.0, 5.0])
    """
    centre, goal = source.mean(axis=0), target.mean(axis=0)
    (x, y), (u, v) = (source - centre).T, (target - goal).T
    total = max(float((x**2 + y**2).sum()), 1e-12)
    along, across = float((x * u + y * v).sum()) / total, float((x * v - y * u).sum()) / total
    turn = np.array([[along, -across], [across, along]])
    return turn, goal - turn @ centre


def signed_turn(points: Floats) -> NDArray[np.float64]:
    """How far faces are turned to the person's left (n,), -1 to 1: the nose between the eyes of points (n, 5, 2)."""
    right, left, nose = (points[:, index].astype(np.float64) for index in (0, 1, 2))
    across = left - right
    along = np.sum((nose - right) * across, axis=1) / np.maximum(np.sum(across**2, axis=1), 1e-9)
    found: NDArray[np.float64] = np.nan_to_num(np.clip(2 * (along - 0.5), -1, 1))
    return found


def unit(vectors: Floats) -> Floats:
    """Vectors (n, d) of length 1."""
    found: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return found.astype(np.float32)
