"""What was erased from an archive and must not come back, stored without names."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable

from affekt.archive.sources import Input
from affekt.archive.store import Store

#: Salted digests: the object names nobody.
FORGOTTEN = "forgotten.json"


class Erased:
    """The digests of what was erased: it is not planned again, and its name is nowhere."""

    def __init__(self, store: Store) -> None:
        self._store = store
        try:
            plain = json.loads(store.read(FORGOTTEN))
        except FileNotFoundError:
            plain = {"salt": secrets.token_hex(16), "digests": []}
        self._salt, self._digests = plain["salt"], set(plain["digests"])

    def _digest(self, text: str) -> str:
        return hashlib.blake2b(f"{self._salt}{text}".encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()

    def __contains__(self, one: Input) -> bool:
        if not self._digests:
            return False
        names = [f"uri {one.uri}", *([f"speaker {one.speaker}"] if one.speaker else [])]
        return any(self._digest(name) in self._digests for name in names)

    def add(self, kind: str, names: Iterable[str]) -> None:
        """Note names of a kind, uri or speaker, for good."""
        self._digests |= {self._digest(f"{kind} {name}") for name in names}
        plain = {"salt": self._salt, "digests": sorted(self._digests)}
        self._store.write(FORGOTTEN, json.dumps(plain).encode())
