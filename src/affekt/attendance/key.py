"""The key that face templates and photos are encrypted with: a file of its own, which only its owner may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from affekt.errors import InputError, StoreError


class Key:
    """Encrypts and decrypts (Fernet: AES-128-CBC with HMAC-SHA256).

    Parameters
    ----------
    secret : bytes
        As :meth:`cryptography.fernet.Fernet.generate_key` makes it.
    """

    def __init__(self, secret: bytes) -> None:
        try:
            self._fernet = Fernet(secret)
        except ValueError:
            raise InputError("the key file holds no key; restore it from where you keep its copy.") from None

    @classmethod
    def open(cls, path: Path, *, make: bool = False) -> Key:
        """The key in a file; with ``make`` a new one where there is no file.

        Raises
        ------
        InputError
            If it is missing, holds no key, or others may read it.
        """
        if make and not path.exists():
            if not path.parent.is_dir():
                raise InputError(f"{path.parent}: no such folder for the key file; make it first.")
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(Fernet.generate_key() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            secret = path.read_bytes().strip()
        except FileNotFoundError:
            raise InputError(
                f"{path}: no such key file. Name the one that the store was made with (--key); without it no face can "
                "be recognised, and all have to be enrolled again."
            ) from None
        if os.name == "posix" and mode & 0o077:
            raise InputError(f"{path}: others may read this key file (mode {mode:o}). Run: chmod 600 {path}")
        return cls(secret)

    def lock(self, data: bytes) -> bytes:
        """Encrypt data."""
        return self._fernet.encrypt(data)

    def unlock(self, token: bytes) -> bytes:
        """Decrypt a token.

        Raises
        ------
        StoreError
            If it was encrypted with another key, or was changed since.
        """
        try:
            return self._fernet.decrypt(token)
        except InvalidToken:
            raise StoreError(
                "what is stored was encrypted with another key, or is damaged. Name the right key file (--key)."
            ) from None
