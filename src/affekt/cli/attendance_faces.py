"""What the attendance commands do with faces: enrolled photos from pictures, session input from frames."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from affekt.attendance.roster import Photo
from affekt.errors import ImageError, InputError
from affekt.face.camera import Camera, CameraOptions
from affekt.face.detect import Detector
from affekt.face.identity import open_embedder
from affekt.face.image import read_picture
from affekt.face.sightings import measured, one_face

#: Pictures that --webcam takes, the seconds between them, and how long it tries.
PICTURES, PAUSE, PATIENCE = 3, 0.8, 30.0
#: Pixels of the longer side of a photo that is kept, around the face.
_KEPT = 600


def facts_of(embedder: str) -> tuple[str, float, float]:
    """Name, usual and least threshold of an embedder."""
    found = open_embedder(embedder)
    return found.name, found.usual, found.least


class Faces:
    """A detector and an embedder, for enrolment.

    Parameters
    ----------
    embedder : str
        ``dlib`` or the path of an ONNX file.
    """

    def __init__(self, embedder: str) -> None:
        self.detector, self.embedder = Detector(), open_embedder(embedder)
        self.facts = (self.embedder.name, self.embedder.usual, self.embedder.least)

    def from_files(self, paths: Sequence[Path]) -> tuple[list[Photo], list[str]]:
        """The faces in photos, and why other photos have none that is good enough."""
        found, failures = [], []
        for path in paths:
            try:
                found.append(self.from_pixels(read_picture(path), path.name))
            except ImageError as error:
                failures.append(str(error))
            except InputError as error:
                failures.append(f"{path.name}: {error}")
        return found, failures

    def from_pixels(self, pixels: NDArray[np.uint8], source: str) -> Photo:
        """The face of a picture (h, w, 3), RGB."""
        faces = one_face(pixels, self.detector)
        vector = self.embedder.embed(pixels, faces)[0]
        measures = {name: round(value, 4) for name, value in measured(pixels, faces)[0].items()}
        return Photo(vector, measures, _jpeg(pixels, faces.boxes[0]), source)

    def from_webcam(self) -> list[Photo]:
        """Some pictures of whoever sits before the camera of this machine."""
        found: list[Photo] = []
        began = last = time.monotonic()
        told = ""
        camera = Camera("webcam", CameraOptions(patience=PATIENCE), warn=lambda text: click.echo(text, err=True))
        for frame in camera.turns():
            now = time.monotonic()
            if now - began > PATIENCE:
                raise ImageError(f"the camera gave no good picture in {PATIENCE:.0f} s. {told}".rstrip())
            if frame is None or (found and now - last < PAUSE):
                continue
            try:
                found.append(self.from_pixels(frame.pixels, f"picture {len(found) + 1}"))
            except InputError as error:
                if str(error) != told:
                    told = str(error)
                    click.echo(told, err=True)
                continue
            last = now
            click.echo(f"picture {len(found)} of {PICTURES}", err=True)
            if len(found) == PICTURES:
                break
        return found


def _jpeg(pixels: NDArray[np.uint8], box: NDArray[np.float32]) -> bytes:
    """The face with some room around it, without the file's metadata (place, camera)."""
    from PIL import Image

    left, top, width, height = (float(x) for x in box)
    image = Image.fromarray(pixels)
    image = image.crop((
        max(0, round(left - width / 2)), max(0, round(top - height / 2)),
        min(image.width, round(left + 1.5 * width)), min(image.height, round(top + 1.5 * height)),
    ))  # fmt: skip
    image.thumbnail((_KEPT, _KEPT))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()
