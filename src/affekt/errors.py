"""Every error that affekt raises on purpose.

::

    AffektError
    ├── InputError(ValueError)       an invalid argument or signal
    │   └── UnknownName              a label, format, model, ... that does not exist; suggests the nearest match
    ├── AudioError                   a recording that cannot be read; says the file and the reason
    ├── ImageError                   a picture or a video that cannot be read; says the file and the reason
    ├── TextError                    a text, subtitles or a table of messages that cannot be read; says the file and why
    ├── ModelError                   a model file that is wrong, truncated, foreign or unsafe
    ├── CorpusError                  a corpus folder that is not what its reader expects
    ├── StoreError                   a database that cannot be used, or is full
    └── MissingExtra(ImportError)    an optional package is not installed; says the pip command

    AudioWarning(UserWarning)        a recording was read, but something about it is wrong
    ImageWarning(UserWarning)        a picture or a video was read, but something about it is wrong
    TextWarning(UserWarning)         a text was read, but something about it is wrong
    LossWarning(UserWarning)         a label map throws something away
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class AffektError(Exception):
    """The root: catch this to catch everything affekt raises on purpose."""


class InputError(AffektError, ValueError):
    """An invalid argument or signal."""


class UnknownName(InputError):
    """A name that does not exist; the message suggests the nearest one that does.

    Examples
    --------
    >>> str(UnknownName("label", "angri", ["angry", "sad"]))
    "unknown label 'angri': did you mean 'angry'? Allowed: angry, sad."
    """

    def __init__(self, kind: str, given: str, allowed: Iterable[str]) -> None:
        names = sorted(allowed)
        near = get_close_matches(str(given), names, n=1)
        hint = f": did you mean {near[0]!r}?" if near else "."
        super().__init__(f"unknown {kind} {given!r}{hint} Allowed: {', '.join(names)}.")
        self.kind, self.given, self.allowed = kind, given, names


class AudioError(AffektError):
    """A recording that cannot be read."""


class ImageError(AffektError):
    """A picture or a video that cannot be read."""


class TextError(AffektError):
    """A text, subtitles or a table of messages that cannot be read."""


class ModelError(AffektError):
    """A model file that is wrong, truncated, foreign or unsafe."""


class CorpusError(AffektError):
    """A corpus folder that is not what its reader expects."""


class StoreError(AffektError):
    """A database that cannot be used, is full, or was not made by affekt."""


class MissingExtra(AffektError, ImportError):
    """An optional package is not installed."""


class AudioWarning(UserWarning):
    """A recording was read, but something about it is wrong."""


class ImageWarning(UserWarning):
    """A picture or a video was read, but something about it is wrong."""


class TextWarning(UserWarning):
    """A text was read, but something about it is wrong."""


class LossWarning(UserWarning):
    """A label map throws something away."""
