"""Limits on simultaneous work, in all and per client."""

from __future__ import annotations

import ipaddress
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from affekt.server.refusals import busy


def client_of(scope: Mapping[str, Any]) -> str:
    """The client, as far as its address tells: for IPv6 the network, because one client has all of it.

    Examples
    --------
    >>> client_of({"client": ("192.0.2.7", 5000)}), client_of({"client": ("2001:db8::1:2:3:4", 5000)})
    ('192.0.2.7', '2001:db8::/64')
    """
    host = (scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address.packed, 64), strict=False))


def most(limit: int, share: float) -> int:
    """How many of a limit one client may have: at least one."""
    return max(1, math.ceil(limit * share))


class Slots:
    """Counts slots in use, in all and per client; whoever asks above a limit is told to come back later.

    Parameters
    ----------
    limit : int
    what : str
        In the plural, for the message.
    share : float
        How much of the limit one client may have, so that no client can shut out the others.
    """

    def __init__(self, limit: int, what: str, *, share: float = 1.0) -> None:
        self._limit, self._what, self._most = limit, what, most(limit, share)
        self._of: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Slots in use."""
        return self._of.total()

    def check(self, client: str) -> None:
        """Check that there is a slot for this client.

        Raises
        ------
        Refusal
            429, if there is none.
        """
        if self.taken >= self._limit:
            raise busy(f"the server already works on {self._limit} {self._what}; try again in a while.")
        if self._of[client] >= self._most:
            raise busy(f"the server already works on {self._most} {self._what} of yours; try again in a while.")

    @contextmanager
    def one(self, client: str) -> Iterator[None]:
        """One while the block runs; refuses as :meth:`check` does."""
        self.check(client)
        self._of[client] += 1
        try:
            yield
        finally:
            self._of[client] -= 1
            self._of += Counter()  # forgets clients that have none
