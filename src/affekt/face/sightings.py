"""Frames in, sightings out: which face is where, and sometimes whose it may be.

Faces are detected and tracked in every frame. The vector that tells people apart costs twenty times as much, so
it is computed only for requested faces, and for only a few of them per frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.face.align import crops
from affekt.face.detect import Detector, Faces, emotion_crop
from affekt.face.identity import Embedder
from affekt.face.quality import NAMES, face_measures
from affekt.face.track import Tracker
from affekt.models.onnx import softmax

#: Side of the crops that quality is measured on.
_SIDE = 48

#: What a face must have to be enrolled: measure to (what is said otherwise, least, most).
ENROLMENT: dict[str, tuple[str, float, float]] = {
    "size": ("the face is too small: {0:.0f} pixels high, {1:.0f} are needed; come nearer", 56, np.inf),
    "sharpness": ("the face is blurred; hold still, clean the lens", 0.05, np.inf),
    "turn": ("the face is turned away by some {3:.0f} degrees; look into the camera", 0, 0.5),
    "tilt": ("the head is tilted by {0:.0f} degrees; hold it upright", 0, 30),
    "light": ("the face is too dark or too bright; change the light", 0.04, np.inf),
    "visible": ("the face is partly hidden, or hardly a face (detector {0:.2f}); show all of it", 0.65, 1),
}
#: What it must have to count in a session: less, because it is seen again.
LOOK: dict[str, tuple[str, float, float]] = {
    "size": ("too small: {0:.0f} pixels high", 32, np.inf),
    "sharpness": ("blurred", 0.03, np.inf),
    "turn": ("turned away by some {3:.0f} degrees", 0, 0.7),
    "tilt": ("tilted by {0:.0f} degrees", 0, 45),
    "light": ("too dark or too bright", 0.02, np.inf),
    "visible": ("partly hidden, or hardly a face", 0.6, 1),
}
#: Detections with a lower score are rarely faces: lamps, hands, patterns.
SURE = 0.6
Gate = Mapping[str, tuple[str, float, float]]


class Expression(NamedTuple):
    """What a model of emotions says of one look at a face."""

    scores: Mapping[str, float]
    unsure: bool


@dataclass(frozen=True)
class Sighting:
    """One face in one frame.

    Parameters
    ----------
    track : str
        The same for one face as long as it is tracked.
    box : tuple of float
        Left, top, width, height in pixels.
    vector : float32 array, shape (d,), or None
        Unit vector; None if it was not requested or the face is not good enough.
    problems : tuple of str
        Why it is not good enough.
    turn : float
        How far the face is turned to the person's left, -1 to 1; 0 looks into the camera.
    openness : float
        How far the eyes are open. ``turn`` and ``openness`` are NaN where they were not measured.
    expression : Expression or None
    """

    track: str
    box: tuple[float, float, float, float]
    vector: NDArray[np.float32] | None = None
    problems: tuple[str, ...] = ()
    turn: float = float("nan")
    openness: float = float("nan")
    expression: Expression | None = None


@dataclass(frozen=True)
class Watch:
    """How frames are watched.

    Parameters
    ----------
    wanted : callable
        Takes a track and a time; returns how urgently its vector is needed; 0: not now.
    most : int
        Vectors made per frame, at most: the most urgent ones.
    signs : bool
        Measure in every frame what shows that a face is alive.
    express : callable, optional
        Picture and faces to the :class:`Expression` of each.
    """

    wanted: Callable[[str, float], float] = lambda track, time: 1.0
    most: int = 4
    signs: bool = False
    express: Callable[[NDArray[np.uint8], Faces], list[Expression]] | None = None


@dataclass
class Watcher:
    """Turns the frames of one camera into sightings.

    Parameters
    ----------
    detector : Detector
    embedder : Embedder
    watch : Watch
    """

    detector: Detector
    embedder: Embedder
    watch: Watch = field(default_factory=Watch)

    def __post_init__(self) -> None:
        self._tracker = Tracker()

    def look(self, pixels: NDArray[np.uint8], time: float) -> list[Sighting]:
        """The faces of a frame (h, w, 3), RGB, at a time in seconds, later than the one before."""
        faces = self.detector.detect(pixels)
        tracks = [track.name for track in self._tracker.update(faces.boxes, time)]
        problems = [gate_problems(row, LOOK) for row in measured(pixels, faces)]
        urgency = np.array([self.watch.wanted(track, time) for track in tracks])
        urgency[[bool(problem) for problem in problems]] = 0
        chosen = [row for row in np.argsort(-urgency, kind="stable") if urgency[row] > 0][: self.watch.most]
        rows = np.asarray(sorted(chosen), np.intp)
        some = faces.take(rows)
        vectors = dict(zip(rows.tolist(), self.embedder.embed(pixels, some), strict=True)) if len(rows) else {}
        said = self.watch.express(pixels, some) if self.watch.express and len(rows) else []
        expressions = dict(zip(rows.tolist(), said, strict=False))
        signs = self.embedder.signs(pixels, faces) if self.watch.signs else np.full((len(faces), 2), np.nan)
        return [
            Sighting(
                track, _box(faces.boxes[row]), vectors.get(row), problems[row], float(signs[row, 0]),
                float(signs[row, 1]),
                expressions.get(row),
            )
            for row, track in enumerate(tracks)
        ]  # fmt: skip


def expressions(setup: object) -> Callable[[NDArray[np.uint8], Faces], list[Expression]]:
    """What a setup of :func:`affekt.face.stream.open_faces` says of single looks, for :class:`Watch`."""
    from affekt.face.stream import FaceInput, FaceSetup

    assert isinstance(setup, FaceSetup)
    card, given = setup.network.card, FaceInput.of(setup.network.card)

    def express(pixels: NDArray[np.uint8], faces: Faces) -> list[Expression]:
        cut = crops(pixels, emotion_crop(faces.boxes), size=given.size, margin=given.margin)
        found = []
        for row in softmax(setup.network.run(cut)[0], card.temperature).tolist():
            scores = setup.labels.apply(dict(zip(card.labels, row, strict=True)))
            found.append(Expression(scores, max(scores.values()) < setup.threshold))
        return found

    return express


def measured(pixels: NDArray[np.uint8], faces: Faces) -> list[dict[str, float]]:
    """The quality of each face, by the names of :data:`affekt.face.quality.MEASURES`."""
    grey = crops(pixels, emotion_crop(faces.boxes), size=_SIDE, margin=1.0)
    rows = face_measures(grey, faces.boxes, faces.points, faces.scores)
    return [dict(zip(NAMES, map(float, row), strict=True)) for row in rows]


def gate_problems(measures: Mapping[str, float], gate: Gate) -> tuple[str, ...]:
    """What keeps a face out, in words; nothing if it is good enough.

    Examples
    --------
    >>> good = {"size": 120, "sharpness": 0.2, "turn": 0.1, "tilt": 3, "light": 0.2, "visible": 0.9}
    >>> gate_problems({**good, "tilt": 60}, LOOK), gate_problems(good, ENROLMENT)
    (('tilted by 60 degrees',), ())
    """
    return tuple(
        words.format(measures[name], least, most, 90 * measures[name])
        for name, (words, least, most) in gate.items()
        if not least <= measures[name] <= most
    )


def one_face(pixels: NDArray[np.uint8], detector: Detector) -> Faces:
    """The only face in a picture used to enrol somebody.

    Raises
    ------
    InputError
        If there is none, there are several, or it is not good enough; the message says why.
    """
    faces = detector.detect(pixels)
    faces = faces.take(faces.scores >= min(SURE, faces.scores.max(initial=0.0)))
    if not len(faces):
        raise InputError("no face is found; use a picture of the face from the front, in good light.")
    heights = faces.boxes[:, 3]
    # People far in the background are not meant, and are not kept either.
    large = np.flatnonzero(heights > 0.4 * heights.max())
    if len(large) > 1:
        raise InputError(f"{len(large)} faces are in it, and whose it is must be certain; cut the picture to one face.")
    found = faces.take(large)
    if problems := gate_problems(measured(pixels, found)[0], ENROLMENT):
        raise InputError(f"{'; '.join(problems)}.")
    return found


def _box(row: NDArray[np.float32]) -> tuple[float, float, float, float]:
    left, top, width, height = (float(x) for x in row)
    return left, top, width, height
