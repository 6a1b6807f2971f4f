"""The only place that asks for an optional package."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from affekt.errors import MissingExtra


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional package, or say which extra brings it.

    Raises
    ------
    MissingExtra
        If the package is not installed.

    Examples
    --------
    >>> require("json", extra="train").__name__
    'json'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"this needs the package {module!r}, which is not installed. Run: pip install 'affekt[{extra}]'"
        ) from error
