"""Atomic writing: no reader ever sees a half-written file."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

if sys.platform != "win32":
    import fcntl

#: Suffix of a file that is not complete yet.
PART = ".part"
#: Seconds after which an incomplete file that no process holds counts as left by a killed run.
STALE = 60.0


@contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "w", *, private: bool = False) -> Iterator[IO[Any]]:
    """Open a file that appears under its name only when it is complete.

    On any error, including a full disk or Ctrl-C, the old file (or none) stays. Incomplete versions of the same file
    that a killed run left behind are removed.

    Parameters
    ----------
    path : path
    mode : str
        ``"w"`` or ``"wb"``.
    private : bool
        Nobody but the owner may read it; by default the permissions are those of a plain ``open()``.

    Raises
    ------
    OSError
        If the folder does not exist, is not writable, or the disk is full.
    """
    target = Path(path)
    encoding, newline = (None, None) if "b" in mode else ("utf-8", "")
    if target.exists() and not target.is_file():
        # A device or a pipe cannot be replaced, and must not be.
        with open(target, mode, encoding=encoding, newline=newline) as file:
            yield file
        return
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder; make it first", str(target.parent))
    start = f".{target.name[:40]}."
    sweep(target.parent, start)
    name = target.parent / f"{start}{secrets.token_hex(6)}{PART}"
    # The kernel applies the umask; querying it here would change it for all threads.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(name, flags, 0o600 if private else 0o666)
    try:
        with open(handle, mode, encoding=encoding, newline=newline) as file:
            if sys.platform != "win32":
                with contextlib.suppress(OSError):  # a file system without locks
                    fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def sweep(folder: Path, start: str = ".") -> None:
    """Remove incomplete files left in a folder by a killed run: old ones that no process holds.

    Parameters
    ----------
    folder : Path
    start : str
        Prefix of their names.
    """
    if sys.platform == "win32":
        return
    for entry in folder.iterdir():
        if not (entry.name.startswith(start) and entry.name.endswith(PART)):
            continue
        # Whatever cannot be opened, locked or removed is not ours, or is being written.
        with contextlib.suppress(OSError):
            if time.time() - entry.lstat().st_mtime < STALE:
                continue
            with open(entry, "rb", opener=_unfollowed) as file:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                entry.unlink()


def _unfollowed(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
