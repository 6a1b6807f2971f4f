"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that appears under its name only when it is complete.

    On any error, a full disk or Ctrl-C among them, the old file (or none) stays.

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
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
    try:
        with open(handle, mode, encoding=encoding, newline=newline) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; a result should have the permissions a plain open() gives.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
