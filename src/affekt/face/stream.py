"""Frames in, expressions of faces out: one picture, a video or a camera."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affekt._container import Shared
from affekt.errors import InputError, ModelError
from affekt.face.align import crops
from affekt.face.camera import Camera
from affekt.face.detect import Detector, Faces, emotion_crop
from affekt.face.image import PICTURES, is_picture, name_of, read_picture
from affekt.face.quality import RATING, face_measures
from affekt.face.track import Tracker
from affekt.face.video import VIDEOS, Frame, Video
from affekt.labels import VOICE, LabelMap
from affekt.models.card import Card
from affekt.models.onnx import Model, softmax
from affekt.timeline.segments import Decision, Listener, Region, Windows
from affekt.types import Prediction, Sample

EXTENSIONS = PICTURES | VIDEOS
#: Positions on the time axis are milliseconds.
RATE = 1000


@dataclass(frozen=True)
class FaceInput:
    """What a model of faces takes: the ``input`` of its card.

    Parameters
    ----------
    size : int
        Side of the square grey crop, in pixels.
    channels : int
        1: grey.
    margin : float
        Side of the crop in the picture, in heights of the detector's box.
    labels, votes : tuple of str
        Of FER2013 and of FER+, where the model has both heads.

    Raises
    ------
    ModelError
        If a value is out of range.
    """

    size: int = 48
    channels: int = 1
    margin: float = 1.0
    labels: tuple[str, ...] = ()
    votes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if type(self.size) is not int or not 16 <= self.size <= 512 or self.channels != 1:
            raise ModelError(
                f"the model's card is wrong: its input is {self}; allowed: grey crops of 16 to 512 pixels."
            )
        if not 0.5 <= self.margin <= 3:
            raise ModelError(f"the model's card is wrong: margin is {self.margin}; allowed: 0.5 to 3.")

    @classmethod
    def of(cls, card: Card) -> FaceInput:
        """What the model with this card takes.

        Raises
        ------
        ModelError
            If the model is of another modality, or its card does not say what it takes.
        """
        if card.modality != "face":
            raise ModelError(f"the model {card.name} is one of {card.modality}, not of faces.")
        unknown = sorted(set(card.input) - {f.name for f in fields(cls)})
        if unknown:
            raise ModelError(f"the model's card is wrong: its input has {', '.join(unknown)}; upgrade affekt.")
        return cls(**card.input)


def takes(card: Card) -> str:
    """What a model of faces takes, in a sentence."""
    if card.task == "detection" and card.labels == ("background", "face"):
        return "Takes pictures of any size, RGB; looks at their lightness only."
    if card.task == "detection":
        return "Takes pictures, RGB; finds faces and their expressions at once."
    given = FaceInput.of(card)
    return f"Takes grey crops of faces, {given.size} x {given.size} pixels."


@dataclass(frozen=True)
class FaceOptions:
    """How faces are followed and their answers smoothed.

    Parameters
    ----------
    rate : float
        Most frames of a video analysed per second; 0: all.
    smoothing : float
        Seconds over which the scores of a face are averaged (exponentially, looking back); 0: not at all.
    shortest : float
        Seconds that a change of label has to last before it makes a segment.
    lost : float
        Seconds without a face after which its segment ends.
    hop : float
        Seconds between two points of the timeline.
    detector : name or path, optional
        The face detector, as :class:`affekt.face.detect.Detector` takes it; by default the one that ships.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    rate: float = 30.0
    smoothing: float = 0.4
    shortest: float = 0.4
    lost: float = 0.5
    hop: float = 0.04
    detector: str | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("rate", 0, 240), ("smoothing", 0, 10), ("shortest", 0, 60), ("lost", 0.04, 60), ("hop", 0.001, 1),
        ):  # fmt: skip
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name} is {getattr(self, name)}; allowed: {low} to {high}.")


@dataclass(frozen=True)
class FaceSetup:
    """All that a stream of faces runs with; many streams may share one."""

    network: Model
    detector: Detector
    labels: LabelMap
    options: FaceOptions = field(default_factory=FaceOptions)
    threshold: float = 0.0

    def __post_init__(self) -> None:
        wanted = self.options.detector
        if wanted is None:
            return
        if self.is_one_stage:
            raise InputError(f"{self.network.card.name} finds faces itself; leave the detector out.")
        if wanted != self.detector.name:
            object.__setattr__(self, "detector", Detector(wanted, threads=self.detector.threads))

    @property
    def is_one_stage(self) -> bool:
        """Whether the detector's classes are the expressions."""
        return self.network.card.task == "detection"

    @property
    def reading(self) -> dict[str, Any]:
        """How its sources are to be read."""
        return {"rate": self.options.rate}

    def stream(self, *, listener: Listener | None = None) -> FaceStream:
        """A stream to feed with frames."""
        return FaceStream(self, listener=listener)


def open_faces(
    model: Model, labels: LabelMap, *, threshold: float, options: FaceOptions | None = None, threads: int = 1
) -> FaceSetup:
    """Set up streams of a model of expressions, with the detector that ships or the one that the options name.

    A detector whose classes are expressions, such as a YOLOv8-style export, gives both at once.

    Raises
    ------
    InputError
        If both such a detector and another one are asked for.
    ModelError
        If the model is not for emotions in faces.
    """
    card = model.card
    if card.task == "detection" and set(card.labels) <= set(VOICE):
        return FaceSetup(model, Detector(model, threads=threads), labels, options or FaceOptions(), threshold)
    if card.task != "emotion":
        raise ModelError(
            f"{card.name} is a model for {card.task} (of {', '.join(card.labels[:8])}), not for emotions in faces."
        )
    FaceInput.of(card)
    return FaceSetup(model, Detector(threads=threads), labels, options or FaceOptions(), threshold)


def frames_of(source: Any, *, warn: Any = lambda sentence: None, rate: float = 30.0) -> Iterator[Frame]:
    """The frames of a picture, a video or a camera, or of the segment that a sample covers.

    Parameters
    ----------
    source : path, bytes, binary file, Shared, array (h, w, 3), Camera or Sample
        Pictures and videos are told apart by their content, not by their names.
    warn : callable
        Takes a sentence when the source is odd but readable.
    rate : float
        Frames per second, at most; 0: all.

    Raises
    ------
    ImageError
        If there is neither a picture nor a video in it.
    """
    if isinstance(source, Sample):
        end = math.inf if source.end is None else source.end
        for frame in frames_of(source.path, warn=warn, rate=rate):
            if frame.time >= end:
                return
            if frame.time >= source.start:
                yield Frame(frame.time - source.start, frame.pixels)
        return
    if isinstance(source, Camera):
        yield from source.frames()
        return
    if isinstance(source, np.ndarray) or not (isinstance(source, Shared) or _may_be_video(source)):
        yield Frame(0.0, read_picture(source))
        return
    with ExitStack() as stack:
        video = Video(source, stack)
        count, name = 0, source.path if isinstance(source, Shared) else name_of(source)
        for count, frame in enumerate(video.frames(rate=rate), 1):  # noqa: B007
            yield frame
        if not count:
            warn(f"{name}: has no frame that can be shown.")
        if video.lost:
            packets = "a packet" if video.lost == 1 else f"{video.lost} packets"
            warn(f"{name}: is damaged; {packets} of its video could not be decoded.")


def _may_be_video(source: Any) -> bool:
    """Whether a source is not a picture by its first bytes."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        head = bytes(source[:16])
    elif hasattr(source, "read"):
        head = source.read(16)
        source.seek(0)
    else:
        try:
            with open(source, "rb") as file:
                head = file.read(16)
        except OSError:
            return False  # the reader of pictures says what is wrong
    return bool(head) and not is_picture(head)


class CloseUp(NamedTuple):
    """What the network was given of a face.

    Parameters
    ----------
    crop : float32 array, shape (s, s)
        Grey values, 0 to 255.
    prediction : Prediction
        The face as it is now, with its box.
    area : (float, float, float, float)
        The crop as shares of that box, from its top left: left, top, width, height. It extends beyond the box.
    """

    crop: NDArray[np.float32]
    prediction: Prediction
    area: tuple[float, float, float, float]


class FaceStream:
    """Expressions of faces in frames that arrive one by one. Made by :meth:`Recognizer.stream`.

    Attributes
    ----------
    current : list of Prediction
        Of the newest frame, one for each face, largest first, with its box; not smoothed into segments.
    largest : CloseUp or None
        The largest face in the newest frame; None without a face, or if the detector's classes are expressions.
    """

    def __init__(self, setup: FaceSetup, *, listener: Listener | None = None) -> None:
        self._setup, self._listener = setup, listener or Listener()
        self._input = FaceInput() if setup.is_one_stage else FaceInput.of(setup.network.card)
        self._tracker = Tracker()
        self._people: dict[str, _Person] = {}
        self._decision = Decision(tuple(setup.labels.sources), RATE, "face", RATING, setup.threshold)
        self._times: list[float] = []
        self._count, self._over = 0, False
        self.current: list[Prediction] = []
        self.largest: CloseUp | None = None

    @property
    def position(self) -> float:
        """Seconds taken so far: to the end of the newest frame; 0 of a single picture."""
        if self._count < 2:
            return 0.0
        return self._times[-1] + (self._times[-1] - self._times[0]) / max(1, len(self._times) - 1)

    def look(self, frame: Frame) -> Faces:
        """Find the faces of a frame; another thread may do this for the next frame while this one is fed.

        Raises
        ------
        InputError
            If the frame is no picture.
        """
        return self._setup.detector.detect(frame.pixels)

    def feed(self, frame: Frame, faces: Faces | None = None) -> list[Prediction]:
        """Take the next frame.

        Parameters
        ----------
        frame : Frame
            Later than the one before.
        faces : Faces, optional
            What :meth:`look` returned for it, if that was called before.

        Returns
        -------
        list of Prediction
            The segments that became final; often none.

        Raises
        ------
        InputError
            If the frame is no picture, not later than the one before, or the stream was flushed.
        """
        if self._over:
            raise InputError("the stream was flushed; make a new one for the next video.")
        pixels = frame.pixels
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise InputError(f"a frame of shape {pixels.shape} and type {pixels.dtype}; allowed: uint8 (h, w, 3), RGB.")
        if self._times and frame.time <= self._times[-1]:
            raise InputError(f"a frame at {frame.time:.9g} s after one at {self._times[-1]:.9g} s; give them in order.")
        self._times, self._count = [*self._times[-30:], frame.time], self._count + 1
        faces = self.look(frame) if faces is None else faces
        faces = faces.take(np.argsort(-faces.boxes[:, 3], kind="stable"))  # the largest is face 1
        given, rows = self._rows(pixels, faces)
        size = np.array([pixels.shape[1], pixels.shape[0]] * 2, np.float64)
        self.current = []
        done: list[Prediction] = []
        for track, row, box in zip(self._tracker.update(faces.boxes, frame.time), rows, faces.boxes, strict=True):
            person = self._people.get(track.name)
            if person is None:
                person = self._people[track.name] = _Person(track.name, self._decision, self._setup, self._listener)
            done += person.see(row, _share(box.astype(np.float64) / size), frame.time)
            self.current.append(person.now(frame.time))
        has_largest = bool(self.current) and not self._setup.is_one_stage
        self.largest = self._close_up(given[0], faces.boxes[0], size) if has_largest else None
        for name, person in list(self._people.items()):
            if frame.time - person.time > self._setup.options.lost:
                done += person.leave()
                if all(track.name != name for track in self._tracker.tracks):
                    del self._people[name]
        self.current.sort(key=lambda p: -p.box[3] if p.box else 0.0)
        return sorted(done, key=lambda p: p.start)

    def flush(self) -> list[Prediction]:
        """End the stream: returns the faces of a single picture, else the segments that were still open."""
        if self._over:
            return []
        self._over = True
        if self._count < 2:
            return self.current
        done = [p for person in self._people.values() for p in person.leave(self.position)]
        return sorted(done, key=lambda p: p.start)

    def _close_up(self, crop: NDArray[np.float32], box: NDArray[np.float32], size: NDArray[np.float64]) -> CloseUp:
        """What was given of the face that came first, by its box and the picture's size (4,) in pixels."""
        prediction = self.current[0]
        left, top, side, _ = emotion_crop(box[None])[0].tolist()
        x, y, wide, high = (np.array(prediction.box) * size).tolist()
        more = (self._input.margin - 1) / 2 * side  # the margin reaches beyond that square on all sides
        area = ((left - more - x) / wide, (top - more - y) / high, (side + 2 * more) / wide, (side + 2 * more) / high)
        return CloseUp(crop, prediction, area)

    def _rows(self, pixels: NDArray[np.uint8], faces: Faces) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Crops of the faces (n, s, s); scores, quality and measures of each (n, k + 1 + m)."""
        labels, card = self._setup.labels, self._setup.network.card
        if not len(faces.boxes):
            none = np.zeros((0, self._input.size, self._input.size), np.float32)
            return none, np.zeros((0, len(self._decision.labels) + 1))
        given = crops(pixels, emotion_crop(faces.boxes), size=self._input.size, margin=self._input.margin)
        if self._setup.is_one_stage:
            probabilities = (faces.classes / faces.classes.sum(axis=1, keepdims=True)).tolist()
        else:
            probabilities = softmax(self._setup.network.run(given)[0], card.temperature).tolist()
        mapped = [labels.apply(dict(zip(card.labels, p, strict=True))) for p in probabilities]
        measures = face_measures(given, faces.boxes, faces.points, faces.scores)
        scores = np.array([list(row.values()) for row in mapped])
        return given, np.column_stack([scores, RATING.qualities(measures), measures])


class _Person:
    """The answers about one face over time: smoothed, put on a grid of hops, made into segments."""

    def __init__(self, name: str, decision: Decision, setup: FaceSetup, listener: Listener) -> None:
        self._name, self._decision, self._listener = name, decision, listener
        self._options = setup.options
        self._hop = max(1, round(setup.options.hop * RATE))
        self._region: Region | None = None
        self._first = self.time = 0.0
        self._row: NDArray[np.float64] = np.zeros(0)
        self._box = (0.0, 0.0, 1.0, 1.0)
        self._boxes: list[tuple[float, tuple[float, float, float, float]]] = []

    def see(self, row: NDArray[np.float64], box: tuple[float, float, float, float], time: float) -> list[Prediction]:
        """The face is here now; returns the segments that became final."""
        done: list[Prediction] = []
        if self._region is not None and time - self.time > self._options.lost:
            done = self.leave()
        if self._region is None:
            start = round(time * RATE)
            shortest = max(1, math.ceil(self._options.shortest * RATE / self._hop))
            windows = Windows(self._hop, self._hop, RATE)
            self._region = Region(start, windows, self._decision, shortest=shortest, on_hop=self._hop_listener())
            self._first, self._row, self._boxes = time, row, []
        else:
            done += self._fill(time)
            kept = math.exp(-(time - self.time) / self._options.smoothing) if self._options.smoothing else 0.0
            self._row = kept * self._row + (1 - kept) * row
        if not self._boxes or time - self._boxes[-1][0] >= 0.2:
            self._boxes.append((time, box))
        self.time, self._box = time, box
        return done

    def now(self, time: float) -> Prediction:
        """The newest answer, as of this moment."""
        found = self._decision.prediction(round(time * RATE), round(time * RATE), self._row)
        return replace(found, start=time, end=time, who=self._name, box=self._box)

    def leave(self, end: float | None = None) -> list[Prediction]:
        """The face is gone: returns the segments still open, ended where it was last seen."""
        region, self._region = self._region, None
        if region is None:
            return []
        last = self.time + self._options.hop
        if end is not None and end - self.time < self._options.lost:
            last = max(last, end)
        self._region = region
        done = self._fill(last)
        self._region = None
        return done + self._named(region.finish(round(last * RATE)))

    def _fill(self, time: float) -> list[Prediction]:
        """Fill the hops up to a time with the previous answer: without frames, a face counts as unchanged."""
        assert self._region is not None
        due = (round(time * RATE) - self._region.start) // self._hop - self._region.count
        if due <= 0:
            return []
        return self._named(self._region.add(np.repeat(self._row[None], due, axis=0), round(time * RATE)))

    def _named(self, segments: list[Prediction]) -> list[Prediction]:
        """Segments with the name of the face, and where it mostly was meanwhile."""
        named = []
        for segment in segments:
            inside = [box for time, box in self._boxes if segment.start <= time < segment.end] or [self._box]
            named.append(replace(segment, who=self._name, box=_share(np.median(inside, axis=0))))
            self._boxes = [entry for entry in self._boxes if entry[0] >= segment.end] or self._boxes[-1:]
        return named

    def _hop_listener(self) -> Any:
        if self._listener.hop is None:
            return None
        notify = self._listener.hop
        return lambda p: notify(replace(p, who=self._name, box=self._box))


def _share(box: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """A box in shares of the picture, cut to what is inside of it."""
    start = np.clip(box[:2], 0, 1 - 1e-6)
    size = np.clip(box[:2] + box[2:], start + 1e-6, 1) - start
    left, top, width, height = (float(x) for x in (*start, *size))
    return left, top, width, height
