"""How usable a face in a picture is: size, blur, pose, light, and how sure the detector is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from affekt.timeline.quality import Measure, Rating

#: The reason given where nothing is wrong with the picture.
AMBIGUOUS = "the face itself is ambiguous"
#: What is measured, in the order of the columns of :func:`face_measures`.
MEASURES: dict[str, Measure] = {
    "size": Measure(lambda x: f"small: {x:.0f} pixels high", bad=8, good=44),
    "sharpness": Measure(lambda x: "blurred", bad=0.0, good=0.12),
    "turn": Measure(lambda x: f"turned away by some {90 * x:.0f} degrees", bad=1.0, good=0.35),
    "tilt": Measure(lambda x: f"tilted by {x:.0f} degrees", bad=75, good=15),
    "light": Measure(lambda x: "too dark or too bright", bad=0.01, good=0.07),
    "visible": Measure(lambda x: "partly hidden, or hardly a face", bad=0.3, good=0.75),
}
NAMES = tuple(MEASURES)
RATING = Rating(MEASURES, AMBIGUOUS)


def face_measures(
    crops: NDArray[np.float32], boxes: NDArray[np.float32], points: NDArray[np.float32], scores: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Measure faces.

    Parameters
    ----------
    crops : float32 array, shape (n, s, s)
        Grey, 0 to 255.
    boxes : float32 array, shape (n, 4)
        Left, top, width and height in pixels.
    points : float32 array, shape (n, 5, 2)
        Right eye, left eye, nose, right and left corner of the mouth, in pixels; NaN where they are not known.
    scores : float32 array, shape (n,)
        How sure the detector is.

    Returns
    -------
    float64 array, shape (n, 6)
        Columns as in :data:`MEASURES`: pixels; energy of fine detail; 0 (to the camera) to 1 (profile); degrees;
        contrast; score.
    """
    if not len(crops):
        return np.zeros((0, len(MEASURES)))
    grey = crops.astype(np.float64) / 255
    contrast = grey.std(axis=(1, 2))
    inner = grey[:, 1:-1, 1:-1]
    laplacian = 4 * inner - grey[:, :-2, 1:-1] - grey[:, 2:, 1:-1] - grey[:, 1:-1, :-2] - grey[:, 1:-1, 2:]
    sharpness = laplacian.std(axis=(1, 2)) / np.maximum(contrast, 1e-3)
    turn, tilt = _pose(points.astype(np.float64))
    columns = (boxes[:, 3], sharpness, turn, tilt, contrast, scores)
    return np.column_stack([np.asarray(column, np.float64) for column in columns])


def _pose(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far a face is turned to a side (n,), 0 to 1, and tilted (n,), in degrees, from its five points."""
    right, left, nose = points[:, 0], points[:, 1], points[:, 2]
    across = left - right
    distance = np.maximum(np.linalg.norm(across, axis=1), 1e-6)
    # In a frontal face the nose is half-way between the eyes; in a profile it is at one of them or beyond.
    along = np.sum((nose - right) * across, axis=1) / distance**2
    turn = np.clip(2 * np.abs(along - 0.5), 0, 1)
    tilt = np.abs(np.degrees(np.arctan2(across[:, 1], across[:, 0])))
    return np.nan_to_num(turn), np.nan_to_num(tilt)
