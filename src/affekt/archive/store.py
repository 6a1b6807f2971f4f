"""Where an archive's output lies: a folder, or any address that fsspec knows. Objects appear whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

from affekt._files import atomic_write
from affekt._optional import require
from affekt.errors import MissingExtra, StoreError

if os.name == "posix":
    import fcntl


#: Seconds between tries of an object store.
_PAUSES = (0.5, 1.0, 2.0, 4.0)
#: Protocols without folders: to make one there would make a bucket, whatever was mistyped.
_BUCKETS = frozenset(["s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss"])


class Store(Protocol):
    """Named objects; a name is a relative path with slashes."""

    address: str
    again: int

    def read(self, name: str) -> bytes:
        """The object of a name; raises FileNotFoundError where there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Put an object in place of any that has the name; nobody sees half of it."""

    def open(self, name: str) -> IO[bytes]:
        """The object of a name, to be read in pieces."""

    def put(self, name: str, file: IO[bytes]) -> None:
        """As :meth:`write`, with what a file holds from its start."""

    def names(self, folder: str) -> Iterator[str]:
        """All names below a folder, in no order; none where it does not exist."""

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""


def is_address(source: str) -> bool:
    """Whether this names a protocol, such as ``s3://``.

    Examples
    --------
    >>> is_address("s3://calls/2026"), is_address("calls/2026")
    (True, False)
    """
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)", source))


def file_system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it.

    Raises
    ------
    MissingExtra
        If fsspec, or the package that brings the protocol, is not installed.
    StoreError
        If there is no such protocol, or the account has no access.
    """
    fsspec = require("fsspec", extra="archive")
    try:
        system, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        # fsspec says which: "Install s3fs to access S3".
        raise MissingExtra(f"{address}: {error}. Run: pip install with the package that it names.") from error
    except Exception as error:
        if is_denied(error):
            raise refusal(address, error) from error
        raise StoreError(
            f"{address}: cannot be opened ({type(error).__name__}: {error}). Correct the address."
        ) from error
    return system, path


def is_denied(error: BaseException) -> bool:
    """Whether a file system refuses for lack of credentials, or for wrong ones: trying again is no use."""
    said = f"{type(error).__name__} {error}".lower()
    return isinstance(error, PermissionError) or any(word in said for word in ("credential", "access key", "forbidden"))


def refusal(address: str, error: BaseException) -> StoreError:
    """What to say of an address after an error of its file system; each has errors of its own."""
    why = f"{type(error).__name__}: {error}".rstrip(". ")
    if isinstance(error, FileNotFoundError):
        return StoreError(f"{address}: there is no such bucket or folder ({why}). Correct the address, or make it.")
    if is_denied(error):
        return StoreError(
            f"{address}: no access ({why}). Give credentials, with the right to list, read and write, where the "
            "protocol's package looks for them: for s3:// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws. "
            "Where they are right: a clock that is minutes wrong is refused, too."
        )
    return StoreError(
        f"{address}: does not answer as it should ({why}). Check the address; what is committed stays: run the same "
        "command again when it answers."
    )


def open_store(address: str) -> Store:
    """The store at a folder's path or an fsspec address; the folder is made when it is first written to."""
    return RemoteStore(address) if is_address(address) else LocalStore(address)


class LocalStore:
    """A folder."""

    #: Nothing is tried again on a disk.
    again = 0

    def __init__(self, address: str) -> None:
        self.address = os.path.abspath(address)
        self._folder = Path(self.address)
        if self._folder.exists() and not self._folder.is_dir():
            raise StoreError(f"{address}: is a file; an archive's output is a folder. Give another --output.")

    def read(self, name: str) -> bytes:
        """The object of a name."""
        return (self._folder / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Put an object in place, by a rename."""
        self.put(name, io.BytesIO(content))

    def open(self, name: str) -> IO[bytes]:
        """The object of a name, to be read in pieces."""
        return open(self._folder / name, "rb")

    def put(self, name: str, file: IO[bytes]) -> None:
        """Put an object in place, by a rename."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        file.seek(0)
        with atomic_write(path, "wb") as target:
            shutil.copyfileobj(file, target)

    def names(self, folder: str) -> Iterator[str]:
        """All names below a folder."""

        def refuse(error: OSError) -> None:
            # A plan that cannot be listed would seem to be empty, and a second one would be made.
            if not isinstance(error, FileNotFoundError):
                raise error

        for where, _, files in os.walk(self._folder / folder, onerror=refuse):
            for file in files:
                if not file.startswith("."):
                    yield (Path(where) / file).relative_to(self._folder).as_posix()

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        (self._folder / name).unlink(missing_ok=True)


class RemoteStore:
    """A prefix of an object store, or a folder of another machine."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._system, self._root = file_system(self.address)
        protocol = self._system.protocol
        self._has_folders = _BUCKETS.isdisjoint([protocol] if isinstance(protocol, str) else protocol)
        #: How many calls had to be made again.
        self.again = 0

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def read(self, name: str) -> bytes:
        """The object of a name."""
        content: bytes = self._tried(lambda: self._system.cat_file(self._path(name)))
        return content

    def write(self, name: str, content: bytes) -> None:
        """Put an object as a whole."""
        self._made(name, lambda path: self._system.pipe_file(path, content))

    def open(self, name: str) -> IO[bytes]:
        """A copy of an object: a broken connection then fails the copying, not the reading."""
        file = tempfile.NamedTemporaryFile()  # noqa: SIM115  # the caller's, to read and to close
        self._tried(lambda: self._system.get_file(self._path(name), file.name))
        return file

    def put(self, name: str, file: IO[bytes]) -> None:
        """Put an object as a whole, from a file of this machine."""
        file.seek(0)
        with tempfile.NamedTemporaryFile() as copy:
            shutil.copyfileobj(file, copy)
            copy.flush()
            self._made(name, lambda path: self._system.put_file(copy.name, path))

    def names(self, folder: str) -> Iterator[str]:
        """All names below a folder."""
        root = self._path("").lstrip("/")

        def listed() -> list[str]:
            self._system.invalidate_cache()
            # A failed listing must raise: a plan that seems to be empty would be made a second time.
            found = self._system.walk(self._path(folder), on_error="raise")
            return [f"{where}/{file}".lstrip("/")[len(root) :] for where, _, files in found for file in files]

        try:
            yield from self._tried(listed)
        except FileNotFoundError:
            return

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        with suppress(FileNotFoundError):
            self._tried(lambda: self._system.rm_file(self._path(name)))

    def _made(self, name: str, put: Callable[[str], None]) -> None:
        path = self._path(name)
        try:
            if self._has_folders:
                self._tried(lambda: self._system.makedirs(path.rsplit("/", 1)[0], exist_ok=True))
            self._tried(lambda: put(path))
        except FileNotFoundError as error:
            raise refusal(self.address, error) from error

    def _tried(self, call: Callable[[], Any]) -> Any:
        """What a call gives; tried again where the store is busy (503) or the connection broke."""
        pauses = iter(_PAUSES)
        while True:
            try:
                return call()
            except FileNotFoundError:
                raise
            except Exception as error:
                if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                    raise
                pause = next(pauses, None)
                if pause is None or is_denied(error):
                    raise refusal(self.address, error) from error
            self.again += 1
            time.sleep(pause)


@contextmanager
def locked(store: Store) -> Iterator[None]:
    """Keep other processes of this machine from writing to a folder; a killed process leaves no lock.

    Object stores have no locks: two runs at once cost twice the work there, but their records are the same.

    Raises
    ------
    StoreError
        If another process holds it.
    """
    if not isinstance(store, LocalStore) or os.name != "posix":
        yield
        return
    os.makedirs(store.address, exist_ok=True)
    with open(os.path.join(store.address, ".lock"), "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"{store.address}: another `affekt archive` writes there. Wait for it, or stop it and try again."
            ) from None
        yield
