"""Boxes to crops: the input of the face network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def crops(pixels: NDArray[np.uint8], boxes: NDArray[np.float32], *, size: int, margin: float) -> NDArray[np.float32]:
    """Square grey crops around faces.

    Parameters
    ----------
    pixels : uint8 array, shape (h, w, 3)
        RGB.
    boxes : float32 array, shape (n, 4)
        Left, top, width and height in pixels.
    size : int
        Side of the crops.
    margin : float
        Side of the square in the picture, in heights of the box.

    Returns
    -------
    float32 array, shape (n, size, size)
        0 to 255. What lies outside of the picture repeats its edge.

    Examples
    --------
    >>> crops(np.full((9, 9, 3), 128, np.uint8), np.array([[-4, 2, 6, 8]], np.float32), size=4, margin=1.0).shape
    (1, 4, 4)
    """
    from PIL import Image

    found = np.zeros((len(boxes), size, size), np.float32)
    height, width = pixels.shape[:2]
    for row, (left, top, wide, high) in enumerate(boxes.tolist()):
        side = max(1.0, margin * high)
        x, y = left + wide / 2 - side / 2, top + high / 2 - side / 2
        # Whole pixels with one to spare; the fraction is left to the resizing.
        first_x, first_y = int(np.floor(x)) - 1, int(np.floor(y)) - 1
        last_x, last_y = int(np.ceil(x + side)) + 1, int(np.ceil(y + side)) + 1
        part = pixels[max(0, first_y) : max(1, last_y), max(0, first_x) : max(1, last_x)]
        if not part.size:
            continue
        grey = part @ np.array([0.299, 0.587, 0.114], np.float32)
        outside = (
            (max(0, -first_y), max(0, last_y - height)),
            (max(0, -first_x), max(0, last_x - width)),
        )
        if any(map(any, outside)):
            grey = np.pad(grey, outside, mode="edge")
        image = Image.fromarray(grey.astype(np.float32), mode="F")
        box = (x - first_x, y - first_y, x - first_x + side, y - first_y + side)
        found[row] = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box))
    return np.clip(found, 0, 255)
