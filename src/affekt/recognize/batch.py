"""Many recordings: finding them, and working through them without stopping at a broken one."""

from __future__ import annotations

import glob
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from affekt.errors import AffektError
from affekt.recognize.recognizer import Recognizer
from affekt.speech.audio import EXTENSIONS
from affekt.types import Result


@dataclass(frozen=True)
class Failure:
    """A recording that could not be worked on, and why."""

    source: str
    reason: str


def find_recordings(paths: Iterable[str], *, recursive: bool = False) -> tuple[list[str], list[Failure]]:
    """Turn what a user names into recordings.

    Parameters
    ----------
    paths : iterable of str
        Files (whatever their name), folders, patterns (``calls/*.m4a``), or ``-``.
    recursive : bool
        Look into the folders of a folder, too. Links to folders are not followed.

    Returns
    -------
    list of str, list of Failure
        Each recording once, in the order named, sorted within a folder; and what was not found.
    """
    found: dict[str, None] = {}
    failures: list[Failure] = []
    for path in paths:
        try:
            found.update(dict.fromkeys(_expand(path, recursive)))
        except (AffektError, OSError) as error:
            failures.append(Failure(path, getattr(error, "strerror", None) or str(error)))
    return list(found), failures


def predict_many(recognizer: Recognizer, sources: Iterable[str], *, jobs: int = 1) -> Iterator[Result | Failure]:
    """Work through recordings on several threads; results come in the order of the sources.

    Parameters
    ----------
    recognizer : Recognizer
    sources : iterable of str
        Paths; read no faster than they are worked on.
    jobs : int
        Recordings at a time.

    Yields
    ------
    Result or Failure
        One per source.
    """
    waiting: deque[Future[Result | Failure]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for source in sources:
                waiting.append(pool.submit(_attempt, recognizer, source))
                if len(waiting) > 2 * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            # After Ctrl-C, or when the caller stops asking: do not begin what nobody waits for.
            for future in waiting:
                future.cancel()


def _attempt(recognizer: Recognizer, source: str) -> Result | Failure:
    try:
        return recognizer.analyse(source)
    except (AffektError, OSError, MemoryError) as error:
        return Failure(source, _reason(error, source))


def _reason(error: BaseException, source: str) -> str:
    """The error's words without the name, which is said anyway."""
    return (str(error) or type(error).__name__).removeprefix(f"{source}: ").removeprefix("standard input: ")


def _expand(path: str, recursive: bool) -> list[str]:
    if path == "-" or os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        return _in_folder(Path(path), recursive)
    if glob.has_magic(path) and not os.path.lexists(path):
        return _matching(path, recursive)
    # Not there, or not a plain file: let the reader say so in its words.
    return [path]


def _in_folder(folder: Path, recursive: bool) -> list[str]:
    recordings = []
    for where, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        recordings += [os.path.join(where, name) for name in sorted(names) if _is_recording(name)]
        if not recursive:
            break
    if not recordings:
        deeper = "" if recursive else " Its own folders were not looked into; --recursive does."
        raise AffektError(f"holds no recordings ({', '.join(sorted(EXTENSIONS)[:6])}, ...).{deeper}")
    return recordings


def _matching(pattern: str, recursive: bool) -> list[str]:
    matches = sorted(glob.glob(pattern, recursive=True))
    if not matches:
        raise AffektError("no file matches this pattern.")
    recordings = []
    for match in matches:
        recordings += _in_folder(Path(match), recursive) if os.path.isdir(match) else [match]
    return recordings


def _is_recording(name: str) -> bool:
    return name.rpartition(".")[2].lower() in EXTENSIONS and not name.startswith("._")


def _raise(error: OSError) -> None:
    raise error
