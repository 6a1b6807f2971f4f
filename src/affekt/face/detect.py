"""Where the faces are in a picture: boxes, five points and scores.

**Box convention.** A box is what a person draws around a face by hand (dlib's training boxes): near square, from the
brows to the chin and from ear to ear. YuNet's boxes reach up to the hairline and are narrower; they are mapped:
width x 1.11, height x 0.85, centre moved down by 0.06 of YuNet's height. :func:`emotion_crop` gives the square that
the emotion network takes: YuNet's height as its side, around the centre of YuNet's box.

**Points** are, as in YuNet: the person's right eye, left eye, tip of the nose, right and left corner of the mouth.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError, ModelError, UnknownName
from affekt.face.haar import LEAST, Cascade
from affekt.face.track import overlaps as pairwise_overlaps
from affekt.models.card import Card
from affekt.models.downloads import DOWNLOADS, downloaded
from affekt.models.onnx import Model, class_names, open_foreign
from affekt.models.zoo import MODELS, load_model

Floats = NDArray[np.float32]

#: Width in pixels of the cells of our network.
STRIDES = (8, 16, 32)
#: Sides of the picture are padded to a multiple of this.
MULTIPLE = 32
#: Pixels of the smallest face that the network was taught to find.
FINEST = 16.0
#: A box is exp(t) times this many cells wide; points lie up to this many cells away.
REACH = 4.0
#: From YuNet's box to ours: width, height, and how far down the centre moves, in YuNet's heights.
YUNET_WIDTH, YUNET_HEIGHT, YUNET_DOWN = 1.11, 0.85, 0.06
#: A picture is enlarged by no more than this to find smaller faces.
ENLARGED = 4.0
#: Least score of a face where neither the options nor the model's card gives one.
USUAL = 0.6
#: Grey of the padding: the value that affects the network least.
PADDING = 128


@dataclass(frozen=True)
class Faces:
    """The faces of one picture, highest score first.

    Parameters
    ----------
    boxes : float32 array, shape (n, 4)
        Left, top, width, height, in pixels of the picture. May reach beyond it.
    points : float32 array, shape (n, 5, 2)
        x and y of right eye, left eye, nose, right and left corner of the mouth (the person's right and left);
        NaN from a model without points.
    scores : float32 array, shape (n,)
        From 0 to 1.
    classes : float32 array, shape (n, k)
        Score of each class of a detector that knows more than ``face``, in the order of ``Detector.names``.
    """

    boxes: Floats
    points: Floats
    scores: Floats
    classes: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, rows: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> Faces:
        """Some of the faces, in the order of ``rows``."""
        return Faces(self.boxes[rows], self.points[rows], self.scores[rows], self.classes[rows])

    def moved(self, scale: float, left: float, top: float) -> Faces:
        """Subtract (left, top) from all coordinates, then divide by ``scale``."""
        corner, unit = np.array([left, top], np.float32), np.float32(scale)
        boxes = np.concatenate([self.boxes[:, :2] - corner, self.boxes[:, 2:]], axis=1) / unit
        points = (self.points - corner) / unit
        return Faces(boxes.astype(np.float32), points.astype(np.float32), self.scores, self.classes)


@dataclass(frozen=True, kw_only=True)
class DetectOptions:
    """How faces are detected.

    Parameters
    ----------
    threshold : float, optional
        Least score of a face, above 0 and below 1; else the one on the model's card, or 0.6.
    overlap : float
        Of two faces that overlap more than this (intersection over union), the one with the higher score is kept.
    longest : int
        A picture with a side longer than this many pixels is shrunk to it, which keeps large pictures fast.
    smallest : float, optional
        Side, in pixels of the picture, of the smallest face that has to be found. The picture is then shrunk or
        enlarged (up to four times) so that such a face is 16 pixels, whatever ``longest`` says.
    most : int
        At most this many faces, those with the highest scores.
    """

    threshold: float | None = None
    overlap: float = 0.4
    longest: int = 640
    smallest: float | None = None
    most: int = 1000

    def __post_init__(self) -> None:
        if not (0 < self.overlap < 1 and (self.threshold is None or 0 < self.threshold < 1)):
            raise InputError(
                f"threshold {self.threshold}, overlap {self.overlap}; both must lie between 0 and 1. Use the defaults."
            )
        if self.longest < MULTIPLE or self.most < 1 or (self.smallest is not None and not self.smallest > 0):
            raise InputError(
                f"longest {self.longest}, smallest {self.smallest}, most {self.most}; longest must be {MULTIPLE} or "
                "more, the others positive."
            )


class Detector:
    """Finds faces with affekt's own network, YuNet, a YOLOv8-style export, or OpenCV's Haar cascade.

    Parameters
    ----------
    model : name, path or Model
        ``detector``, which ships; ``yunet``, after ``affekt models download yunet``; ``haar``, which needs
        ``affekt[face]``; an ``.onnx`` file of affekt's; YuNet as OpenCV's model zoo has it; or an export with one
        output (1, 4 + k, n), or (1, 4 + 1 + 15, n) with five points, as YOLOv8 writes it. The kind is recognised from
        its outputs.
    options : DetectOptions
    threads : int
        How many cores one picture may use.

    Attributes
    ----------
    names : tuple of str
        Of the classes: ``("face",)``, or those of a YOLOv8-style export.
    threshold : float
        Least score of a face.
    name : str
        What it was opened by.

    Raises
    ------
    ModelError
        If the file is missing, damaged, or gives something else.
    UnknownName
        If it is neither a name nor an ``.onnx`` file.
    MissingExtra
        If the cascade is asked for and OpenCV is not installed.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Model = "detector",
        options: DetectOptions | None = None,
        *,
        threads: int = 1,
    ) -> None:
        self.options, self.threads = options or DetectOptions(), threads
        self.name = model.card.name if isinstance(model, Model) else str(model)
        self._finder: Finder = Haar(threads) if model == "haar" else _opened(model, threads)
        self.names = self._finder.names
        self.threshold = self.options.threshold or self._finder.threshold

    def detect(self, image: NDArray[np.uint8]) -> Faces:
        """Find the faces of a picture.

        Parameters
        ----------
        image : uint8 array, shape (h, w, 3)
            RGB. Our own network uses only its lightness.

        Returns
        -------
        Faces

        Raises
        ------
        InputError
            If it is not such an array.
        """
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(
                f"a picture of shape {np.shape(image)} and type {getattr(image, 'dtype', type(image).__name__)}; "
                "give uint8 of shape (h, w, 3), RGB."
            )
        if min(image.shape[:2]) < 1:
            raise InputError(f"a picture of shape {image.shape} has no pixels; give one of 1 x 1 or more.")
        seen, scale = self._scaled(image)
        found = self._finder.find(seen, self.threshold)
        kept = found.take(suppress(found.boxes, found.scores, self.options.overlap)[: self.options.most])
        return kept.moved(scale, 0, 0)

    def _scaled(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
        """The picture at the size that the network takes, and the scale factor."""
        height, width = image.shape[:2]
        fixed = self._finder.size
        if fixed:
            # A graph of a fixed size sees the whole picture as large as it fits.
            scale = min(fixed[0] / height, fixed[1] / width, self._finder.largest)
        elif self.options.smallest is not None:
            scale = min(self._finder.finest / self.options.smallest, ENLARGED)
        else:
            scale = min(1.0, self.options.longest / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        return resized(image, *size, grey=self._finder.grey), scale


class Finder(Protocol):
    """What finds faces in a picture of the size that it wants."""

    #: Of the classes; least score; whether it takes lightness (h, w); side in pixels of the smallest face it finds.
    names: tuple[str, ...]
    threshold: float
    grey: bool
    finest: float
    #: The only size (h, w) that it takes, if there is one, and how much a picture may be enlarged to it.
    size: tuple[int, int] | None
    largest: float

    def find(self, seen: NDArray[np.uint8], threshold: float) -> Faces:
        """Faces with at least this score, duplicates included, in pixels of ``seen``."""
        ...


class NetworkFinder:
    """A detector's ONNX file.

    Parameters
    ----------
    model : Model
    kind : str
        A key of :data:`DECODERS`.
    """

    def __init__(self, model: Model, kind: str) -> None:
        self._model, self._kind = model, kind
        self.finest = FINEST
        self.names = class_names(model.metadata) if kind.startswith("yolo") else ("face",)
        least = model.card.input.get("least")
        self.threshold = float(least) if type(least) is float and 0 < least < 1 else model.card.threshold or USUAL
        self.grey = kind == "affekt"
        self.largest = 1.0 if kind == "yunet" else math.inf
        height, width = model.shapes[0][2:]
        is_fixed = isinstance(height, int) and isinstance(width, int)
        self.size: tuple[int, int] | None = (height, width) if is_fixed else None

    def find(self, seen: NDArray[np.uint8], threshold: float) -> Faces:
        """Run the network and decode what it gives."""
        return DECODERS[self._kind](self._model.run(self._input(seen)), threshold)

    def _input(self, seen: NDArray[np.uint8]) -> Floats:
        """The picture padded right and below, channels first, as this model wants it."""
        fixed = self._model.shapes[0][2:]
        height, width = (
            side if isinstance(side, int) else -(-length // MULTIPLE) * MULTIPLE
            for side, length in zip(fixed, seen.shape[:2], strict=True)
        )
        channels = seen[None] if seen.ndim == 2 else seen.transpose(2, 0, 1)
        if self._kind == "yunet":
            channels = channels[::-1]  # it was trained on BGR
        padded = np.full((1, len(channels), height, width), 0 if self._kind == "yunet" else PADDING, np.float32)
        padded[0, :, : seen.shape[0], : seen.shape[1]] = channels
        if self._kind.startswith("yolo"):
            padded /= 255
        return padded


def emotion_crop(boxes: Floats) -> Floats:
    """The square around each face that the emotion network takes.

    Its side is 1.0 times the height of YuNet's box, that is 1 / 0.85 of ours, and its centre that of YuNet's box,
    which lies 0.06 of that side above ours.

    Parameters
    ----------
    boxes : array, shape (n, 4)
        As :class:`Faces` has them.

    Returns
    -------
    float32 array, shape (n, 4)
        Left, top, side, side.

    Examples
    --------
    >>> emotion_crop(np.float32([[100, 100, 85, 85]])).round(2).tolist()
    [[92.5, 86.5, 100.0, 100.0]]
    """
    side = boxes[:, 3] / YUNET_HEIGHT
    left = boxes[:, 0] + boxes[:, 2] / 2 - side / 2
    top = boxes[:, 1] + boxes[:, 3] / 2 - YUNET_DOWN * side - side / 2
    return np.stack([left, top, side, side], axis=1).astype(np.float32)


def from_yunet(boxes: Floats) -> Floats:
    """YuNet's boxes (n, 4), left, top, width, height, in our convention."""
    left, top, width, height = np.moveaxis(np.asarray(boxes, np.float32), -1, 0)
    x, y = left + width / 2, top + height * (0.5 + YUNET_DOWN)
    ours = YUNET_WIDTH * width, YUNET_HEIGHT * height
    return np.stack([x - ours[0] / 2, y - ours[1] / 2, *ours], axis=-1).astype(np.float32)


def resized(image: NDArray[np.uint8], height: int, width: int, *, grey: bool = False) -> NDArray[np.uint8]:
    """A picture (h, w, 3) at another size, every source pixel counted; with ``grey`` its lightness (h, w)."""
    from av import VideoFrame
    from PIL import Image

    given = image.shape[:2]
    if given == (height, width):
        # Pillow is three times as fast at this, and at most one level of grey away.
        return np.asarray(Image.fromarray(image).convert("L")) if grey else image
    if min(*given, height, width) < MULTIPLE:  # below what the scaler takes
        rows = np.minimum(np.arange(height) * given[0] // height, given[0] - 1)
        columns = np.minimum(np.arange(width) * given[1] // width, given[1] - 1)
        small: NDArray[np.uint8] = image[rows][:, columns]
        return np.rint(small @ np.array([0.299, 0.587, 0.114])).astype(np.uint8) if grey else small
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    # As wide as its levels go: swscale would squeeze them into 16 to 235.
    found = frame.reformat(width, height, "gray" if grey else "rgb24", interpolation="BILINEAR", dst_color_range="JPEG")
    return np.asarray(found.to_ndarray(), np.uint8)


def overlaps(box: Floats, boxes: Floats) -> Floats:
    """Intersection over union of one box (4,) with others (n, 4); 0 where either has no area."""
    found: Floats = pairwise_overlaps(box[None], boxes)[0]
    return found


def suppress(boxes: Floats, scores: Floats, overlap: float) -> NDArray[np.intp]:
    """Rows to keep, highest score first: none overlaps a kept row with a higher score by more than ``overlap``."""
    waiting, kept = np.argsort(-scores, kind="stable"), []
    while len(waiting):
        kept.append(waiting[0])
        shared = overlaps(boxes[waiting[0]], boxes[waiting[1:]])
        waiting = waiting[1:][shared <= overlap]
    return np.asarray(kept, np.intp)


def decode_affekt(outputs: Sequence[Floats], threshold: float) -> Faces:
    """Faces of our network's three maps (1, 15, h, w): logit of the score, box, points.

    A cell (row, column) of stride s gives the centre ``s (column + 0.5 + x, row + 0.5 + y)``, the size
    ``4 s exp(w), 4 s exp(h)`` and points ``s (column + 0.5 + 4 x, row + 0.5 + 4 y)``.
    """
    least = math.log(threshold / (1 - threshold))
    found = []
    for stride, cells in zip(STRIDES, outputs, strict=True):
        rows, columns = np.nonzero(cells[0, 0] >= least)
        values = cells[0, :, rows, columns]  # (n, 15)
        at = np.stack([columns, rows], axis=1) + np.float32(0.5)
        size = REACH * stride * np.exp(np.minimum(values[:, 3:5], 4))
        centre = stride * (at + values[:, 1:3])
        points = stride * (at[:, None] + REACH * values[:, 5:].reshape(-1, 5, 2))
        found.append((np.concatenate([centre - size / 2, size], axis=1), points, 1 / (1 + np.exp(-values[:, 0]))))
    boxes, points, scores = (np.concatenate(parts).astype(np.float32) for parts in zip(*found, strict=True))
    return Faces(boxes, points, scores, scores[:, None])


def decode_yunet(outputs: Sequence[Floats], threshold: float) -> Faces:
    """Faces of YuNet's twelve outputs (class, object, box and points of three strides), in our box convention."""
    found = []
    for level, stride in enumerate(STRIDES):
        face, thing, box, point = (output[0] for output in outputs[level::3])
        score = np.sqrt(np.clip(face[:, 0], 0, 1) * np.clip(thing[:, 0], 0, 1))
        cells = np.flatnonzero(score >= threshold)
        side = round(math.sqrt(len(score)))
        at = np.stack([cells % side, cells // side], axis=1).astype(np.float32)
        size = stride * np.exp(box[cells, 2:])
        corner = stride * (at + box[cells, :2]) - size / 2
        points = stride * (at[:, None] + point[cells].reshape(-1, 5, 2))
        found.append((np.concatenate([corner, size], axis=1), points, score[cells]))
    boxes, points, scores = (np.concatenate(parts).astype(np.float32) for parts in zip(*found, strict=True))
    return Faces(from_yunet(boxes), points, scores, scores[:, None])


def decode_yolo(outputs: Sequence[Floats], threshold: float) -> Faces:
    """Faces of a YOLOv8-style output (1, 4 + k, n): centre, size, and a score of each of k classes."""
    table = outputs[0][0].T  # (n, 4 + k)
    table = table[table[:, 4:].max(axis=1, initial=0) >= threshold]
    size, classes = table[:, 2:4], table[:, 4:]
    boxes = np.concatenate([table[:, :2] - size / 2, size], axis=1).astype(np.float32)
    nowhere = np.full((len(boxes), 5, 2), np.nan, np.float32)
    return Faces(boxes, nowhere, classes.max(axis=1, initial=0).astype(np.float32), classes.astype(np.float32))


def decode_yolo_points(outputs: Sequence[Floats], threshold: float) -> Faces:
    """As :func:`decode_yolo` of (1, 4 + 1 + 15, n): one class, then x, y and visibility of five points."""
    table = outputs[0][0].T
    table = table[table[:, 4] >= threshold]
    found = decode_yolo([table[:, :5].T[None]], threshold)
    points = table[:, 5:].reshape(-1, 5, 3)[:, :, :2].astype(np.float32)
    return Faces(found.boxes, points, found.scores, found.classes)


#: Kind of detector to the function that decodes its outputs to faces, in pixels of its input.
DECODERS: dict[str, Callable[[Sequence[Floats], float], Faces]] = {
    "affekt": decode_affekt,
    "yunet": decode_yunet,
    "yolo": decode_yolo,
    "yolo-points": decode_yolo_points,
}
_YUNET = tuple(f"{part}_{stride}" for part in ("cls", "obj", "bbox", "kps") for stride in STRIDES)


def _opened(model: str | os.PathLike[str] | Model, threads: int) -> NetworkFinder:
    """A detector's file, of a kind that is known."""
    if isinstance(model, Model):
        opened = model
    elif str(model) in MODELS:
        opened = load_model(str(model), threads=threads)
    else:
        model = downloaded(str(model)) if str(model) in DOWNLOADS else model
        if Path(model).suffix != ".onnx":
            raise UnknownName("detector", str(model), ["detector", "haar", *DOWNLOADS, "FILE.onnx"])
        card = Card(name=Path(model).stem, modality="face", task="detection", labels=("background", "face"))
        opened = open_foreign(model, card, threads=threads)
    if opened.outputs == _YUNET:
        return NetworkFinder(opened, "yunet")
    if len(opened.inputs) == 1 and opened.outputs == tuple(f"stride{stride}" for stride in STRIDES):
        return NetworkFinder(opened, "affekt")
    if len(opened.inputs) == 1 and len(opened.outputs) == 1 and "names" in opened.metadata:
        points = str(opened.metadata.get("kpt_shape", "")) == "[5, 3]"
        return NetworkFinder(opened, "yolo-points" if points else "yolo")
    raise ModelError(
        f"{opened.card.name}: gives {', '.join(opened.outputs)[:200]}; a detector is affekt's own (stride8, stride16, "
        "stride32), YuNet of 2023, or a YOLOv8 export with its class names in the metadata."
    )


class Haar:
    """OpenCV's cascade; its scores are n / (n + 3) of n windows that agree."""

    def __init__(self, threads: int) -> None:
        self._cascade = Cascade(threads)
        self.names: tuple[str, ...] = ("face",)
        self.threshold, self.grey = 0.5, True
        self.finest, self.largest = float(LEAST), 1.0
        self.size: tuple[int, int] | None = None

    def find(self, seen: NDArray[np.uint8], threshold: float) -> Faces:
        """Slide the cascade over the picture."""
        boxes, scores = self._cascade.find(seen, threshold)
        return Faces(boxes, np.full((len(boxes), 5, 2), np.nan, np.float32), scores, scores[:, None])
