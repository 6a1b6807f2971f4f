"""Pictures in: bytes, a path or an array to RGB, upright, in bounded memory.

Every property of a file (orientation, CMYK, 16 bits, transparency, a
palette, several frames) is handled here, so that all later code sees only
one format: uint8 (h, w, 3), red first.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import ImageError, ImageWarning, InputError

#: File extensions that a folder run treats as pictures.
PICTURES = frozenset(["avif", "bmp", "gif", "heic", "heif", "jfif", "jpe", "jpeg", "jpg", "png", "tif", "tiff", "webp"])
#: Formats that Pillow may open: others of its formats start programs (eps) or are no photos.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
#: Most pixels of a picture; a larger one is a scan or an attack, and is refused before it is decoded.
MOST_PIXELS = 120_000_000
#: Pictures with more pixels are read at a fraction of their size where the format can (jpeg).
LARGE = 16_000_000
#: Scans of a jpeg, its previews included; a progressive one has about ten. Each takes time, however few its bytes.
MOST_PASSES = 64
#: Share of pixels that have to look like skin with red and blue swapped before a picture counts as BGR.
_SWAPPED = 0.15

Picture = NDArray[np.uint8]
Source = str | os.PathLike[str] | bytes | IO[bytes] | NDArray[Any]


def read_picture(source: Source) -> Picture:
    """Read one picture.

    Parameters
    ----------
    source : path, bytes, binary file or array
        An array is (h, w, 3) or (h, w, 4) RGB, or (h, w) grey: uint8, uint16, or floats in [0, 1].
        Only the first frame of an animation is read.

    Returns
    -------
    uint8 array, shape (h, w, 3)
        RGB, upright.

    Raises
    ------
    ImageError
        If there is no such file, no picture in it, or more than 120 million pixels.
    InputError
        If an array is not a picture.

    Warns
    -----
    ImageWarning
        If an array seems to be BGR, as OpenCV reads pictures.

    Examples
    --------
    >>> read_picture(np.zeros((2, 3), np.uint8)).shape
    (2, 3, 3)
    """
    if isinstance(source, np.ndarray):
        return from_array(source)
    with _opened(source) as (picture, name):
        return _upright(picture, name)


def is_picture(head: bytes) -> bool:
    r"""Whether a file is a picture by its first 16 bytes.

    Examples
    --------
    >>> is_picture(b"\x89PNG" + bytes(12)), is_picture(b"RIFF....WAVEfmt ")
    (True, False)
    """
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    if head[4:8] == b"ftyp":
        return head[8:12] in (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
    return head.startswith((b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"P5", b"P6"))


def read_frame(data: bytes, *, most_pixels: int) -> Picture:
    """Decode one camera frame, an untrusted jpeg, in bounded time and memory.

    Parameters
    ----------
    data : bytes
    most_pixels : int
        Width times height; a larger frame is not decoded.

    Returns
    -------
    uint8 array, shape (h, w, 3)
        RGB.

    Raises
    ------
    ImageError
        If it is not a jpeg, is damaged or too large, or has more scans than a camera produces.

    Examples
    --------
    >>> read_frame(b"GIF89a", most_pixels=100)
    Traceback (most recent call last):
    affekt.errors.ImageError: a frame of 6 bytes is no jpeg.
    """
    from PIL import Image  # 40 ms, and voices never need it

    if not data.startswith(b"\xff\xd8"):
        raise ImageError(f"a frame of {len(data)} bytes is no jpeg.")
    if _passes(io.BytesIO(data)) > MOST_PASSES:
        raise ImageError(f"a frame with more than {MOST_PASSES} passes over the picture; send baseline jpeg.")
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            width, height = picture.size
            if width * height > most_pixels:
                raise ImageError(f"a frame of {width} x {height}; allowed: {most_pixels:,} pixels. Send it smaller.")
            return np.ascontiguousarray(np.asarray(picture.convert("RGB"), np.uint8))
    except ImageError:
        raise
    except Exception as error:  # whatever a decoder raises on a file of strangers is that file's failure
        raise ImageError(f"a frame of {len(data)} bytes cannot be read as jpeg ({str(error)[:100]}).") from error


def from_array(array: NDArray[Any]) -> Picture:
    """An array as RGB; parameters and errors as of :func:`read_picture`."""
    kind = array.dtype
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InputError(
            f"an array of shape {array.shape}; allowed: (h, w), (h, w, 3) or (h, w, 4), red first, of a pixel or more."
        )
    if array.shape[0] * array.shape[1] > MOST_PIXELS:
        raise InputError(f"an array of {array.shape[0]} x {array.shape[1]} pixels; allowed: {MOST_PIXELS:,}.")
    if kind.kind == "f":
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise InputError("an array of floats holds values outside [0, 1]; give floats in [0, 1], or uint8.")
        array = np.round(255 * array)
    elif kind == np.uint16:
        array = array >> 8
    elif kind != np.uint8:
        raise InputError(f"an array of type {kind}; allowed: uint8, uint16, or floats in [0, 1].")
    pixels = array.astype(np.uint8)
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    if pixels.shape[2] == 4:
        alpha = pixels[:, :, 3:].astype(np.uint16)
        pixels = ((pixels[:, :, :3] * alpha + 255 * (255 - alpha)) // 255).astype(np.uint8)
    if looks_swapped(pixels):
        warnings.warn(
            "the picture seems to be BGR, as cv2.imread gives it: faces are blue. Give RGB: array[:, :, ::-1].",
            ImageWarning,
            stacklevel=3,
        )
    return np.ascontiguousarray(pixels)


def looks_swapped(pixels: Picture) -> bool:
    """Whether red and blue seem to be swapped: much of the picture has the colour of skin only when swapped back.

    Examples
    --------
    >>> skin = np.full((8, 8, 3), (200, 150, 120), np.uint8)
    >>> looks_swapped(skin), looks_swapped(skin[:, :, ::-1])
    (False, True)
    """
    small = pixels[:: max(1, pixels.shape[0] // 64), :: max(1, pixels.shape[1] // 64)].astype(np.int16)
    return bool(_skin(small[:, :, ::-1]) > _SWAPPED and _skin(small) < 0.1 * _skin(small[:, :, ::-1]))


def _skin(pixels: NDArray[np.int16]) -> float:
    """Share of pixels of the colour of skin, dark and light (Kovac et al., 2003, without its bound on red)."""
    red, green, blue = pixels[:, :, 0], pixels[:, :, 1], pixels[:, :, 2]
    spread = pixels.max(axis=2) - pixels.min(axis=2)
    found = (red > 60) & (green > 30) & (blue > 15) & (spread > 15) & (red - green > 12) & (green > blue)
    return float(np.mean(found))


@contextmanager
def _opened(source: Any) -> Iterator[tuple[Any, str]]:
    """A source as Pillow's picture, not decoded yet, and its name."""
    from PIL import Image, UnidentifiedImageError  # 40 ms, and voices never need it

    Image.init()
    known = [name for name in FORMATS if name in Image.OPEN]
    name = name_of(source)
    try:
        file: Any = io.BytesIO(source) if isinstance(source, (bytes, bytearray, memoryview)) else source
        if isinstance(source, (str, os.PathLike)):
            if Path(source).is_dir():
                raise ImageError(f"{name}: is a folder. Name the pictures in it.")
            with open(source, "rb") as opened, _opened_quietly(opened, known) as picture:
                yield picture, name
            return
        if not hasattr(file, "read"):
            raise InputError(f"a {type(source).__name__} is no picture: give a path, bytes, a binary file or an array.")
        with _opened_quietly(file, known) as picture:
            yield picture, name
    except FileNotFoundError:
        raise ImageError(f"{name}: no such file.") from None
    except (ImageError, InputError, ImageWarning):
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name}: {_what_it_is(source)}") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{name}: says that it has more than {MOST_PIXELS:,} pixels. Shrink it first.") from None
    except Exception as error:  # whatever a decoder raises on a file of strangers is that file's failure
        reason = str(getattr(error, "strerror", None) or error)[:200]
        raise ImageError(f"{name}: cannot be read as a picture ({reason}). Export it again as jpeg or png.") from error


def _opened_quietly(file: Any, formats: list[str]) -> Any:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large pictures, which are bounded here, and of damaged metadata
        return Image.open(file, formats=formats)


def _what_it_is(source: Any) -> str:
    """Why Pillow does not know a file."""
    head = b""
    if isinstance(source, (bytes, bytearray, memoryview)):
        head = bytes(source[:32])
    elif isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            head = file.read(32)
    if not head and isinstance(source, (str, os.PathLike, bytes)):
        return "is empty (0 bytes). Copy or export it again."
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"heim", b"hevc"):
        return "is a HEIC picture, which is not read here. Export it as jpeg (on an iPhone: Settings, Camera, Formats)."
    if head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis"):
        return (
            "is an AVIF picture, which this Pillow does not read. Export it as jpeg, or install Pillow 11.3 or newer."
        )
    return "is no picture that can be read. Readable are jpeg, png, webp, gif, bmp, tiff and avif."


def _upright(picture: Any, name: str) -> Picture:
    from PIL import Image, ImageOps

    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise ImageError(f"{name}: {width} x {height} pixels; allowed: {MOST_PIXELS:,} in all. Shrink it first.")
    if picture.format in ("JPEG", "MPO") and _passes(picture.fp) > MOST_PASSES:
        raise ImageError(f"{name}: more than {MOST_PASSES} passes over the picture take too long. Export it again.")
    if width * height > LARGE:
        picture.draft("RGB", (width // 2, height // 2))  # of jpeg only, at a fraction of the cost
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged metadata
        picture.load()
        picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        return from_array(_scaled(np.asarray(picture)))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        # On white, as a browser shows it.
        layer = picture.convert("RGBA")
        picture = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        picture.alpha_composite(layer)
    return np.ascontiguousarray(np.asarray(picture.convert("RGB"), np.uint8))


def _passes(file: IO[bytes]) -> int:
    """Scans of a jpeg. In coded data 0xff is followed by 0 or a restart, so the marker is no chance."""
    here, count, last = file.tell(), 0, b""
    file.seek(0)
    while part := file.read(1 << 20):
        count += (last + part).count(b"\xff\xda")
        last = part[-1:]
    file.seek(here)
    return count


def _scaled(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey of 16 or 32 bits to 8: by its type's full scale, or its own range where that is none."""
    highest = float(values.max(initial=0))
    scale = 255 / max(highest, 65_535.0 if highest > 255 else 255.0)
    return np.clip(np.round(scale * values.astype(np.float64)), 0, 255).astype(np.uint8)


def name_of(source: Any) -> str:
    """The name of a source in a message or a record."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"{len(source)} bytes"
    if isinstance(source, np.ndarray):
        return "array"
    return str(getattr(source, "name", "picture"))
