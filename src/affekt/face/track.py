"""Who is who from frame to frame: detections become tracks, each with a name of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]  # (n, 4): left, top, width, height


@dataclass
class Track:
    """One face over time.

    Parameters
    ----------
    name : str
        ``face 1``, ``face 2``, in order of appearance.
    box : float32 array, shape (4,)
        Where it was seen last, in pixels.
    time : float
        When that was, in seconds.
    speed : float32 array, shape (2,)
        Of its centre, in pixels per second.
    """

    name: str
    box: NDArray[np.float32]
    time: float
    speed: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))

    def expected(self, time: float) -> NDArray[np.float32]:
        """Where it should be now if it kept moving at the same speed; at most its own height away."""
        shift = np.clip(self.speed * (time - self.time), -self.box[3], self.box[3])
        return self.box + np.array([*shift, 0, 0], np.float32)

    def seen(self, box: NDArray[np.float32], time: float) -> None:
        """It is here now."""
        if time > self.time:
            moved = _centres(box[None])[0] - _centres(self.box[None])[0]
            self.speed = (0.5 * self.speed + 0.5 * moved / (time - self.time)).astype(np.float32)
        self.box, self.time = box, time


class Tracker:
    """Assigns every detection to a track: the one it overlaps most, or is nearest to, else a new one.

    A lost face keeps its name if it comes back within ``forget`` seconds, near
    where it was and about as large.

    Parameters
    ----------
    forget : float
        Seconds.

    Examples
    --------
    >>> tracker = Tracker()
    >>> [track.name for track in tracker.update(np.array([[0, 0, 10, 10], [50, 0, 10, 10]], np.float32), 0.0)]
    ['face 1', 'face 2']
    >>> [track.name for track in tracker.update(np.array([[51, 0, 10, 10]], np.float32), 0.04)]
    ['face 2']
    """

    def __init__(self, *, forget: float = 3.0) -> None:
        self._forget, self._count = forget, 0
        self.tracks: list[Track] = []

    def update(self, boxes: Boxes, time: float) -> list[Track]:
        """The track of each detection (n, 4) in the frame at this time."""
        self.tracks = [track for track in self.tracks if time - track.time <= self._forget]
        found: list[Track | None] = [None] * len(boxes)
        if len(boxes) and self.tracks:
            expected = np.array([track.expected(time) for track in self.tracks], np.float32)
            # Overlap first; a face that moved fast overlaps nothing, and is the nearest of its size.
            for likeness, least in ((overlaps(boxes, expected), 0.2), (_nearness(boxes, expected), 0.0)):
                for row, column in np.array(np.unravel_index(np.argsort(-likeness, axis=None), likeness.shape)).T:
                    if likeness[row, column] <= least:
                        break
                    track = self.tracks[column]
                    if found[row] is None and not any(other is track for other in found):
                        found[row] = track
        for row, track in enumerate(found):
            if track is None:
                self._count += 1
                found[row] = track = Track(f"face {self._count}", boxes[row], time)
                self.tracks.append(track)
            track.seen(boxes[row], time)
        return [track for track in found if track is not None]


def overlaps(one: Boxes, other: Boxes) -> NDArray[np.float32]:
    """Intersection over union of boxes (n, 4) with boxes (m, 4): (n, m).

    Examples
    --------
    >>> overlaps(np.array([[0, 0, 2, 2]], np.float32), np.array([[1, 0, 2, 2], [5, 5, 1, 1]], np.float32)).round(3)
    array([[0.333, 0.   ]], dtype=float32)
    """
    start = np.maximum(one[:, None, :2], other[None, :, :2])
    end = np.minimum(one[:, None, :2] + one[:, None, 2:], other[None, :, :2] + other[None, :, 2:])
    shared = np.prod(np.maximum(end - start, 0), axis=2)
    areas = np.prod(one[:, 2:], axis=1)[:, None] + np.prod(other[:, 2:], axis=1)[None]
    found: NDArray[np.float32] = shared / np.maximum(areas - shared, 1e-9)
    return found


def _nearness(one: Boxes, other: Boxes) -> NDArray[np.float32]:
    """1 at the same place, 0 from one and a half heights on or where one is more than 1.6 times as large: (n, m)."""
    distance = np.linalg.norm(_centres(one)[:, None] - _centres(other)[None], axis=2)
    height = np.minimum(one[:, None, 3], other[None, :, 3])
    ratio = one[:, None, 3] / other[None, :, 3]
    near = np.maximum(0, 1 - distance / (1.5 * height)) * ((ratio < 1.6) & (ratio > 1 / 1.6))
    found: NDArray[np.float32] = near.astype(np.float32)
    return found


def _centres(boxes: Boxes) -> NDArray[np.float32]:
    return (boxes[:, :2] + boxes[:, 2:] / 2).astype(np.float32)
