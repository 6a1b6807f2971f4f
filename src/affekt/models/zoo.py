"""The models that ship with affekt, and finding one by name or path."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from affekt.errors import UnknownName
from affekt.models.onnx import Model, open_model

#: Name to file in ``affekt/models/weights`` and what it does.
MODELS: dict[str, tuple[str, str]] = {
    "voice": ("voice.onnx", "eight emotions in the voice; takes a speaker baseline"),
    "voice-small": ("voice-small.onnx", "the same at a fraction of the cost, with less accuracy"),
    "activity": ("activity.onnx", "where somebody speaks"),
    "face": ("face.onnx", "seven emotions in the face"),
    "text": ("text.onnx", "seven emotions in written words; 28 as an option"),
    "detector": ("detector.onnx", "faces in pictures"),
    "fusion": ("fusion.onnx", "voice, face and words pooled"),
}


def model_path(name: str | os.PathLike[str]) -> Path:
    """Path of a model, given a name in ``MODELS`` or the path of an ``.onnx`` file.

    Raises
    ------
    UnknownName
        If it is neither.

    Examples
    --------
    >>> model_path("voice").name
    'voice.onnx'
    """
    if str(name) in MODELS:
        return Path(str(files("affekt.models") / "weights" / MODELS[str(name)][0]))
    if Path(name).suffix == ".onnx":
        return Path(name)
    raise UnknownName("model", str(name), [*MODELS, "PATH.onnx"])


def load_model(name: str | os.PathLike[str], *, threads: int = 1) -> Model:
    """Open a model by name or path; see :func:`affekt.models.onnx.open_model` for what can go wrong."""
    return open_model(model_path(name), threads=threads)
