"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "w") -> Iterator[IO]:
    """Open a file that appears under its name only when it is complete.

    On any error, a full disk or Ctrl-C among them, the old file (or none) stays.

    Raises
    ------
    OSError
        If the folder does not exist, is not writable, or the disk is full.
    """
    target = Path(path)
    binary = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    handle, name = tempfile.mkstemp(dir=target.parent or ".", prefix=f".{target.name[:40]}.")
    try:
        with os.fdopen(handle, mode, **binary) as file:
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
