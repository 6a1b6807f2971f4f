"""Importing optional packages, with an error that says how to install a missing one."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from affekt.errors import MissingExtra


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional package, or say which extra installs it.

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
            f"this needs the package {module!r}, which is not installed. "
            f"Run in the folder of affekt: pip install '.[{extra}]'"
        ) from error


def first_of(*modules: str) -> ModuleType:
    """Import the first installed package of several alternatives.

    Raises
    ------
    MissingExtra
        If none is installed; says how to install the first.

    Examples
    --------
    >>> first_of("no_such_package", "json").__name__
    'json'
    """
    for module in modules:
        try:
            return import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:  # it is installed, but broken
                raise
    raise MissingExtra(f"this needs {' or '.join(modules)}, and neither is installed. Run: pip install {modules[0]}")
