"""Which texts came before, for more of them than memory should hold."""

from __future__ import annotations

import hashlib
import sqlite3


class Seen:
    """A set of texts on the disk, in a temporary file that nobody else sees.

    Examples
    --------
    >>> seen = Seen()
    >>> seen.add("a"), seen.add("b"), seen.add("a")
    (True, True, False)
    """

    def __init__(self) -> None:
        self._table = sqlite3.connect("", isolation_level=None)
        self._table.execute("PRAGMA journal_mode = OFF")
        self._table.execute("BEGIN")
        self._table.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID")

    def add(self, text: str) -> bool:
        """Whether the text is new."""
        digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest()
        found = self._table.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest,))
        return found.rowcount == 1
