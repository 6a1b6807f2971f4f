"""The pictures of samples: each a file of its own, or a row of FER2013's table or archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affekt.corpora.corpus import ROW, modality_of
from affekt.corpora.fer2013 import read_fer2013
from affekt.errors import CorpusError, ImageError
from affekt.face.image import Picture, read_picture
from affekt.types import Sample


def is_picture(sample: Sample) -> bool:
    """Whether a sample is a picture, by its path."""
    return modality_of(sample.path) == "face"


def read_pictures(samples: Iterable[Sample]) -> Iterator[tuple[Sample, Picture | ImageError]]:
    """The pictures of samples, in their order.

    A table or an archive is read only once if its rows are next to one another.

    Parameters
    ----------
    samples : iterable of Sample

    Yields
    ------
    Sample, and uint8 array (h, w, 3) or ImageError
        RGB; or why the picture cannot be read.

    Raises
    ------
    CorpusError
        If a table or archive cannot be read, or has no such row.
    """
    name = ""
    images: NDArray[np.uint8] = np.zeros((0, 0, 0), np.uint8)
    for sample in samples:
        if found := ROW.fullmatch(sample.path):
            if found[1] != name:
                name, images = found[1], read_fer2013(Path(found[1]))[0].images
            if int(found[2]) >= len(images):
                raise CorpusError(f"{sample.path}: there are {len(images)} rows. Read the samples again.")
            yield sample, np.repeat(images[int(found[2])][:, :, None], 3, axis=2)
            continue
        try:
            yield sample, read_picture(sample.path)
        except ImageError as error:
            yield sample, error


def grey(picture: Picture) -> NDArray[np.float32]:
    """Grey values (h, w), 0 to 255, of a picture (h, w, 3).

    Examples
    --------
    >>> grey(np.full((1, 2, 3), 7, np.uint8)).tolist()
    [[7.0, 7.0]]
    """
    weighted = picture @ np.array([0.299, 0.587, 0.114], np.float32)
    # A picture with equal channels keeps its exact values.
    equal = (picture[:, :, 0] == picture[:, :, 1]) & (picture[:, :, 1] == picture[:, :, 2])
    found: NDArray[np.float32] = np.where(equal, picture[:, :, 0], weighted).astype(np.float32)
    return found
