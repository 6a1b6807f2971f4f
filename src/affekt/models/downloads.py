"""Third-party models that affekt can use but does not ship: their sources, and the folder they are kept in.

Nothing is downloaded unless ``affekt models download NAME`` is called.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from affekt._files import atomic_write
from affekt.errors import ModelError, UnknownName

#: Seconds without an answer after which an address is given up.
WAIT = 30.0


@dataclass(frozen=True)
class Download:
    """A third-party file to download.

    Parameters
    ----------
    file : str
        Its name in the folder.
    addresses : tuple of str
        URLs of the same file; the first that responds is used.
    sha256 : str
        Hash of its content. A file with another hash is rejected.
    size : int
        Bytes.
    licence, purpose : str
    """

    file: str
    addresses: tuple[str, ...]
    sha256: str
    size: int
    licence: str
    purpose: str


DOWNLOADS: dict[str, Download] = {
    "yunet": Download(
        file="face_detection_yunet_2023mar.onnx",
        addresses=(
            "https://huggingface.co/opencv/face_detection_yunet/resolve/main/face_detection_yunet_2023mar.onnx",
            "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
            "face_detection_yunet_2023mar.onnx",
        ),
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        size=232_589,
        licence="MIT (Shiqi Yu, Yuantao Feng)",
        purpose="faces in pictures; OpenCV's YuNet of March 2023",
    ),
}


def entry(name: str) -> Download:
    """The row of a name.

    Raises
    ------
    UnknownName
        If there is none.

    Examples
    --------
    >>> entry("yunet").size
    232589
    """
    if name not in DOWNLOADS:
        raise UnknownName("model to download", name, DOWNLOADS)
    return DOWNLOADS[name]


def model_folder(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Where downloaded models are kept: the platform's cache folder.

    Parameters
    ----------
    environment : mapping
        ``AFFEKT_MODELS`` names another folder.
    platform : str
        As ``sys.platform``.

    Examples
    --------
    >>> model_folder({"XDG_CACHE_HOME": "/var/cache"}, "linux").as_posix()
    '/var/cache/affekt/models'
    """
    if chosen := environment.get("AFFEKT_MODELS"):
        return Path(chosen)
    if platform == "win32":
        above = Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif platform == "darwin":
        above = Path.home() / "Library" / "Caches"
    else:
        above = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return above / "affekt" / "models"


def downloaded(name: str) -> Path:
    """The file of a downloaded model.

    Raises
    ------
    ModelError
        If it was not downloaded; the message names the command that does.
    """
    path = model_folder() / entry(name).file
    if not path.is_file():
        raise ModelError(f"{name} does not ship with affekt and was not downloaded. Run: affekt models download {name}")
    return path


def download(wanted: Download, folder: Path, *, addresses: Sequence[str] = ()) -> Path:
    """Download a file unless it already exists.

    Parameters
    ----------
    wanted : Download
    folder : Path
        Created if missing. The file appears in it only when it is complete and its hash is right.
    addresses : sequence of str, optional
        Tried in place of ``wanted.addresses``: a mirror, or ``file:///...``.

    Returns
    -------
    Path

    Raises
    ------
    ModelError
        If no address responds, or the content is another file.
    """
    path = folder / wanted.file
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == wanted.sha256:
        return path
    reasons = []
    for address in addresses or wanted.addresses:
        try:
            data = _bytes_of(address, wanted.size)
        except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: no address
            reasons.append(f"{address}: {error}")
            continue
        found = hashlib.sha256(data).hexdigest()
        if found != wanted.sha256:
            reasons.append(
                f"{address}: gave {len(data)} bytes with the sha256 {found}; expected {wanted.size} bytes, "
                f"{wanted.sha256}"
            )
            continue
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, "wb") as file:
            file.write(data)
        return path
    raise ModelError(
        f"{wanted.file} could not be had; nothing was written. {'; '.join(reasons)}. Without a network, copy the file "
        "from another computer and give --from FILE."
    )


def _bytes_of(address: str, size: int) -> bytes:
    """What an address gives, at most one byte more than it should."""
    if not address.startswith(("https://", "http://", "file://")):
        raise ValueError("is no address; allowed: https://, http://, file://")
    request = urllib.request.Request(address, headers={"User-Agent": "affekt"})  # noqa: S310  the scheme is checked
    with urllib.request.urlopen(request, timeout=WAIT) as answer:  # noqa: S310
        data: bytes = answer.read(size + 1)
    return data
