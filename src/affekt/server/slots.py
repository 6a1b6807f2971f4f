"""So many at a time, and not one more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from affekt.server.refusals import busy


class Slots:
    """Counts who is being served; whoever is too many is told to come back later.

    Parameters
    ----------
    limit : int
    what : str
        In the plural, for the message.
    """

    def __init__(self, limit: int, what: str) -> None:
        self._limit, self._what = limit, what
        self.taken = 0

    def take(self) -> None:
        """Take one.

        Raises
        ------
        Refusal
            429, if there is none.
        """
        if self.taken >= self._limit:
            raise busy(f"the server already works on {self._limit} {self._what}; try again in a while.")
        self.taken += 1

    def free(self) -> None:
        """Give it back."""
        self.taken -= 1

    @contextmanager
    def one(self) -> Iterator[None]:
        """One while the block runs."""
        self.take()
        try:
            yield
        finally:
            self.free()
