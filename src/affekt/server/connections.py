"""Connections with deadlines: clients that stall while sending or reading make room for others.

uvicorn has a deadline for idle connections only, so this is done where its protocol meets the socket. Deadlines
within a request are in :mod:`affekt.server.access`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from affekt.server.refusals import HEADERS, Refusal, busy
from affekt.server.settings import Limits
from affekt.server.slots import client_of, most

#: Connections above the limit, which are answered only about the health of the server.
RESERVE = 32


class Connections:
    """The open connections. When there are too many, one that waits for a request gives way to a new one.

    Parameters
    ----------
    limits : Limits
    proxies : sequence of str
        Addresses that stand for many clients; one may use all connections.
    """

    def __init__(self, limits: Limits, *, proxies: Sequence[str] = ()) -> None:
        self.limits, self._proxies = limits, frozenset(proxies)
        self._most = most(limits.connections, limits.share)
        self._held: dict[asyncio.Transport, str] = {}
        #: Connections without a request, the longest-waiting first.
        self._waiting: dict[asyncio.Transport, str] = {}

    def __len__(self) -> int:
        return len(self._held)

    @property
    def crowded(self) -> bool:
        """Whether there are so many that only questions about health are answered."""
        return len(self) > self.limits.connections

    def admit(self, transport: asyncio.Transport, client: str) -> bool:
        """Admit a new connection, if need be in place of an idle one; False if none is idle."""
        mine = sum(other == client for other in self._held.values())
        if mine >= self._most and client not in self._proxies:
            if not self._evict(client):
                return False
        elif len(self) >= self.limits.connections and self._waiting:
            self._evict(Counter(self._waiting.values()).most_common(1)[0][0])
        if len(self) >= self.limits.connections + RESERVE:
            return False
        self._held[transport] = client
        self.wait(transport)
        return True

    def wait(self, transport: asyncio.Transport) -> None:
        """The connection is waiting for a request."""
        if transport in self._held:
            self._waiting[transport] = self._held[transport]

    def work(self, transport: asyncio.Transport) -> None:
        """The connection has a request."""
        self._waiting.pop(transport, None)

    def leave(self, transport: asyncio.Transport) -> None:
        """The connection is closed."""
        self._held.pop(transport, None)
        self._waiting.pop(transport, None)

    def _evict(self, client: str) -> bool:
        found = next((transport for transport, owner in self._waiting.items() if owner == client), None)
        if found is None:
            return False
        self.leave(found)
        found.abort()
        return True


class HttpProtocol(H11Protocol):
    """uvicorn's HTTP protocol, with deadlines for a request to arrive and for an answer to be read.

    Parameters
    ----------
    connections : Connections
    """

    def __init__(self, *arguments: Any, connections: Connections, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._connections, self._limits = connections, connections.limits
        self._due: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        if self._connections.admit(transport, client_of({"client": self.client})):
            self._await_request()
        else:
            self._refuse(busy("the server has as many connections as it can; try again in a while."))

    def connection_lost(self, exc: Exception | None) -> None:
        """A client has disconnected."""
        self._connections.leave(self.transport)
        for timer in (self._due, self._unread):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Handle incoming data; a complete request lifts the deadline for one."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._has_request()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """A stream begins; it has its own deadlines."""
        self._has_request()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """The next request may come."""
        self._await_request()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """What was sent is not HTTP."""
        self._refuse(Refusal(400, "what came is no request of HTTP/1.1."))

    def pause_writing(self) -> None:
        """The answer goes out more slowly than it is produced."""
        super().pause_writing()
        self._unread = self._watch(self._limits.stall)

    def resume_writing(self) -> None:
        """The answer went out."""
        if self._unread:
            self._unread.cancel()
        super().resume_writing()

    def _await_request(self) -> None:
        self._connections.wait(self.transport)
        if self._due:
            self._due.cancel()
        self._due = self.loop.call_later(self._limits.header, self._give_up, self.transport.get_write_buffer_size())

    def _has_request(self) -> None:
        self._connections.work(self.transport)
        if self._due:
            self._due.cancel()

    def _give_up(self, unsent: int) -> None:
        """No request came in time. If the client is still reading the last answer, let it finish."""
        left = self.transport.get_write_buffer_size()
        if 0 < left < unsent:
            self._await_request()
        elif left or self.transport.is_closing() or not self.conn.trailing_data[0]:
            self.transport.abort()
        else:
            self._refuse(Refusal(408, f"the request was not there within {self._limits.header:g} s."))

    def _watch(self, seconds: float) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, self._check_reader, seconds, self.transport.get_write_buffer_size())

    def _check_reader(self, seconds: float, unsent: int) -> None:
        """A client that reads an answer below the minimum rate is gone, or obstructs on purpose."""
        if unsent - self.transport.get_write_buffer_size() < seconds * self._limits.rate:
            self.transport.abort()
        else:
            self._unread = self._watch(seconds)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer without the application, and hang up."""
        answer = refusal.answer()
        headers = {**HEADERS, "Cache-Control": "no-store", "Connection": "close", **dict(answer.headers)}
        lines = [f"HTTP/1.1 {refusal.status} {refusal.code}", *(f"{name}: {text}" for name, text in headers.items())]
        self.transport.write("\r\n".join([*lines, "", ""]).encode("latin-1") + bytes(answer.body))
        self.transport.close()


class StreamProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, of which the number is known.

    Parameters
    ----------
    connections : Connections
    """

    def __init__(self, *arguments: Any, connections: Connections, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._connections = connections

    def connection_lost(self, exc: Exception | None) -> None:
        """A client has disconnected."""
        self._connections.leave(self.transport)
        super().connection_lost(exc)
