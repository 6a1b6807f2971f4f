"""Emotion recognition from the voice: offline, in real time, and honest about its confidence.

>>> import affekt
>>> affekt.summarise([]).label is None
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from affekt.client import Client as Client
    from affekt.corpora import read_corpus as read_corpus
    from affekt.errors import AffektError as AffektError
    from affekt.recognize.features import features as features
    from affekt.recognize.recognizer import Recognizer as Recognizer
    from affekt.recognize.recognizer import predict as predict
    from affekt.speech.audio import read as read
    from affekt.speech.stream import LIVE as LIVE
    from affekt.speech.stream import Stream as Stream
    from affekt.speech.stream import StreamOptions as StreamOptions
    from affekt.timeline.summary import summarise as summarise
    from affekt.types import Audio as Audio
    from affekt.types import Prediction as Prediction
    from affekt.types import Report as Report
    from affekt.types import Result as Result
    from affekt.types import Sample as Sample
    from affekt.write.frame import to_frame as to_frame

__version__ = "0.1.0"

#: Public name to the module that defines it. Modules are loaded on first use, so that importing affekt is cheap.
_EXPORTS = {
    "AffektError": "errors",
    "Audio": "types",
    "Client": "client",
    "LIVE": "speech.stream",
    "Prediction": "types",
    "Recognizer": "recognize.recognizer",
    "Report": "types",
    "Result": "types",
    "Sample": "types",
    "Stream": "speech.stream",
    "StreamOptions": "speech.stream",
    "features": "recognize.features",
    "predict": "recognize.recognizer",
    "read": "speech.audio",
    "read_corpus": "corpora",
    "summarise": "timeline.summary",
    "to_frame": "write.frame",
}

__all__ = ["__version__", *_EXPORTS]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'affekt' has no attribute {name!r}")
    return getattr(import_module(f"affekt.{_EXPORTS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
