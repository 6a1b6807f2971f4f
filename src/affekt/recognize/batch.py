"""Many recordings: finding them, and processing them without stopping at a broken one."""

from __future__ import annotations

import glob
import os
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from affekt.errors import AffektError
from affekt.recognize.modalities import extensions
from affekt.recognize.recognizer import Recognizer
from affekt.recognize.trace import Trace
from affekt.speech.audio import Source, name_of
from affekt.types import Result, Sample


@dataclass(frozen=True)
class Failure:
    """A recording that could not be processed, and why."""

    source: str
    reason: str


def find_recordings(
    paths: Iterable[str],
    *,
    recursive: bool = False,
    left_out: Counter[str] | None = None,
    modality: str | None = None,
) -> tuple[list[str], list[Failure]]:
    """Turn what a user names into recordings.

    Parameters
    ----------
    paths : iterable of str
        Files (whatever their name), folders, patterns (``calls/*.m4a``), or ``-``.
    recursive : bool
        Search subfolders, too. Links to folders are not followed.
    left_out : Counter, optional
        Filled with the extensions of those files in folders that are not recordings by their names.
    modality : str, optional
        What to look for in folders; by default all modalities but text.

    Returns
    -------
    list of str, list of Failure
        Each recording once, in the order named, sorted within a folder; and what was not found.
    """
    found: dict[str, str] = {}
    failures: list[Failure] = []
    for path in paths:
        try:
            recordings = _expand(path, _Look(recursive, extensions(modality), failures, left_out))
        except (AffektError, OSError) as error:
            failures.append(failure_of(path, error))
            continue
        for recording in recordings:
            # ./a.wav is a.wav; a link to it is a second name, given on purpose.
            found.setdefault("-" if recording == "-" else os.path.abspath(recording), recording)
    return list(found.values()), failures


def predict_many(
    recognizer: Recognizer,
    sources: Iterable[Source | Sample],
    *,
    jobs: int = 1,
    with_baseline: Mapping[str, Recognizer] | None = None,
) -> Iterator[Result | Failure]:
    """Process recordings on several threads; results come in the order of the sources.

    Parameters
    ----------
    recognizer : Recognizer
    sources : iterable
        As for :meth:`Recognizer.analyse`; read no faster than they are processed.
    jobs : int
        Recordings at a time.
    with_baseline : mapping of str to Recognizer, optional
        For some paths, or ids of samples, another recogniser, which has the baseline of their speaker.

    Yields
    ------
    Result or Failure
        One per source.
    """
    waiting: deque[Future[Result | Failure]] = deque()
    over = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for source in sources:
                name = source.id if isinstance(source, Sample) else source
                chosen = with_baseline.get(name, recognizer) if with_baseline and isinstance(name, str) else recognizer
                waiting.append(pool.submit(attempt, chosen, source, stop=over))
                if len(waiting) > 2 * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            # After Ctrl-C, or when the caller stops asking: do not begin or finish work that nobody waits for.
            over.set()
            for future in waiting:
                future.cancel()


def attempt(
    recognizer: Recognizer, source: Source | Sample, *, trace: Trace | None = None, stop: threading.Event | None = None
) -> Result | Failure:
    """Process one recording; an error becomes a Failure, not an exception.

    Parameters
    ----------
    recognizer : Recognizer
    source
    trace, stop
        As for :meth:`Recognizer.analyse`.
    """
    try:
        return recognizer.analyse(source, trace=trace, stop=stop)
    except (AffektError, OSError, MemoryError) as error:
        return failure_of(name_of(source), error)


def failure_of(source: str, error: BaseException) -> Failure:
    """What went wrong with a source: the error message, without the source's name, which is reported anyway."""
    words = (str(error) or type(error).__name__).removeprefix(f"{source}: ").removeprefix("standard input: ")
    reason = getattr(error, "strerror", None) or words
    return Failure(source, reason if reason.endswith(".") else f"{reason}.")


@dataclass(frozen=True)
class _Look:
    """How folders are searched: whether recursively, for which extensions; and what was noted on the way."""

    recursive: bool
    known: frozenset[str]
    failures: list[Failure]
    left_out: Counter[str] | None


def _expand(path: str, look: _Look) -> list[str]:
    if path == "-" or os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        return _in_folder(path, look)
    if glob.has_magic(path) and not os.path.lexists(path):
        return _matching(path, look)
    # Missing, or not a plain file: let the reader report it.
    return [path]


def _in_folder(folder: str, look: _Look) -> list[str]:
    recordings: list[str] = []
    closed: list[OSError] = []
    for where, folders, names in os.walk(folder, onerror=closed.append):
        folders.sort()
        for name in sorted(names):
            extension = os.path.splitext(name)[1][1:].lower()
            # Finder leaves a "._talk.wav" beside each "talk.wav" on non-Mac disks; it holds no sound.
            if extension in look.known and not name.startswith("._"):
                recordings.append(os.path.join(where, name))
            elif look.left_out is not None and not name.startswith("."):
                look.left_out[f".{extension}" if extension else "without extension"] += 1
        if not look.recursive:
            break
    look.failures.extend(failure_of(str(error.filename or folder), error) for error in closed)
    if not recordings and not closed:
        unseen = folders and not look.recursive
        deeper = " Its subfolders were not searched; that is what --recursive does." if unseen else ""
        raise AffektError(f"holds no recordings ({', '.join(sorted(look.known)[:6])}, ...).{deeper}")
    return recordings


def _matching(pattern: str, look: _Look) -> list[str]:
    matches = sorted(glob.glob(pattern, recursive=True))
    if not matches:
        raise AffektError("no file matches this pattern.")
    recordings: list[str] = []
    for match in matches:
        try:
            recordings += _in_folder(match, look) if os.path.isdir(match) else [match]
        except AffektError as error:
            look.failures.append(failure_of(match, error))
    return recordings
