"""OpenCV's Haar cascade (Viola and Jones, 2001; frontal, alt2) as a detector, for comparison."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affekt._optional import require
from affekt.errors import ModelError

Floats = NDArray[np.float32]

FILE = "haarcascade_frontalface_alt2.xml"
#: The picture is shrunk by this from one pass to the next.
STEP = 1.1
#: Pixels of the smallest window: the one that the cascade was trained on is 20.
LEAST = 24
#: From its boxes to ours: side, and how far down the centre moves, in sides. Medians over faces that YuNet finds, too.
SIDE, DOWN = 0.91, 0.09
#: This many windows that agree give a score of one half.
HALF = 3.0


class Cascade:
    """The cascade, which needs ``pip install '.[face]'``.

    Parameters
    ----------
    threads : int
        Of OpenCV, for the whole process.
    """

    def __init__(self, threads: int = 1) -> None:
        cv2 = require("cv2", extra="face")
        if not hasattr(cv2, "CascadeClassifier"):
            raise ModelError(f"OpenCV {cv2.__version__} has no cascades; run: pip install 'opencv-python-headless<5'")
        path = Path(cv2.data.haarcascades) / FILE
        self._cascade = cv2.CascadeClassifier(str(path))
        if self._cascade.empty():
            raise ModelError(f"{path}: cannot be read; install opencv-python-headless<5 again.")
        cv2.setNumThreads(threads)

    def find(self, grey: NDArray[np.uint8], threshold: float) -> tuple[Floats, Floats]:
        """Boxes (n, 4) in our convention and scores (n,) of the faces in a grey picture (h, w).

        A score is n / (n + 3) of n windows that agree; the cascade itself says only yes or no.
        """
        if min(grey.shape) < LEAST:
            return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        agree = max(1, math.ceil(HALF * threshold / (1 - threshold) - 1e-6))
        found, windows = self._cascade.detectMultiScale2(
            np.ascontiguousarray(grey), scaleFactor=STEP, minNeighbors=agree, minSize=(LEAST, LEAST)
        )
        boxes = np.asarray(found, np.float32).reshape(-1, 4)
        count = np.asarray(windows, np.float32).reshape(-1)
        side = SIDE * boxes[:, 2]
        x = boxes[:, 0] + boxes[:, 2] / 2
        y = boxes[:, 1] + boxes[:, 3] * (0.5 + DOWN)
        ours = np.stack([x - side / 2, y - side / 2, side, side], axis=1).astype(np.float32)
        return ours, (count / (count + np.float32(HALF))).astype(np.float32)
