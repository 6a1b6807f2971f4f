"""Clients of negligible cost: hand-written WebSockets, so that tests on one machine measure the server.

What a library does for every message (queues, tasks, masks) would cost more than recognition costs the server.
Masks are zero, which the protocol allows, so all clients send the same bytes.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import struct
from collections.abc import Callable
from time import perf_counter
from typing import Any

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(kind: int, payload: bytes) -> bytes:
    """A whole message as a client sends it, with a mask of zeros."""
    size = len(payload)
    head = bytes([128 | kind, 128 | size]) if size < 126 else struct.pack(">BBH", 128 | kind, 254, size)
    return head + bytes(4) + payload


class Client(asyncio.Protocol):
    """One stream: sends a frame whenever it is due, and tells of each event.

    Parameters
    ----------
    hello : dict
        The first message.
    frames : list of bytes
        Pieces of signal, from :func:`frame`, each due ``step`` seconds after the one before.
    step : float
        Seconds.
    tell : callable
        Takes each event that is no level, as a dict, the number of levels so far, and when it came.
    """

    def __init__(self, hello: dict[str, Any], frames: list[bytes], step: float, tell: Callable[..., None]) -> None:
        self._hello, self._frames, self._step, self._tell = hello, frames, step, tell
        self._loop = asyncio.get_running_loop()
        self._buffer, self._upgraded, self._number, self._began, self._levels = b"", False, 0, 0.0, 0
        self.sent: list[float] = []
        self.late: list[float] = []
        self.code = 0
        self.over: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: Any) -> None:
        """Ask to go on as a WebSocket."""
        self._transport, key = transport, base64.b64encode(secrets.token_bytes(16)).decode()
        lines = (
            "GET /v1/stream HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", "",
        )  # fmt: skip
        transport.write("\r\n".join(lines).encode())

    def connection_lost(self, _: Exception | None) -> None:
        """The end, whoever made it."""
        if not self.over.done():
            self.over.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take apart what came."""
        now = perf_counter()
        self._buffer += data
        if not self._upgraded:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.split(b"\r\n")[0] + b" ":
                self._transport.close()
                return
            self._upgraded, self._buffer = True, rest
            self._transport.write(frame(TEXT, json.dumps(self._hello).encode()))
        at = 0
        while (taken := self._take(at, now)) is not None:
            at = taken
        self._buffer = self._buffer[at:]

    def _take(self, at: int, now: float) -> int | None:
        """Read the message that begins there; where the next one does, or None if it is not whole."""
        data = self._buffer
        if len(data) < at + 4:
            return None
        kind, size, begin = data[at] & 15, data[at + 1] & 127, at + 2
        if size == 126:
            size, begin = struct.unpack_from(">H", data, begin)[0], begin + 2
        if len(data) < begin + size:
            return None
        self._message(kind, data[begin : begin + size], now)
        return begin + size

    def _message(self, kind: int, payload: bytes, now: float) -> None:
        if kind == PING:
            self._transport.write(frame(PONG, payload))
        elif kind == CLOSE:
            self.code = struct.unpack_from(">H", payload)[0] if len(payload) > 1 else 1005
            self._transport.write(frame(CLOSE, payload[:2]))
            self._transport.close()
        elif payload.startswith(b'{"type": "level"'):
            self._levels += 1
            self._tell(None, self._levels, now)
        elif payload.startswith(b'{"type": "ready"'):
            self._began = now
            self._loop.call_later(self._step, self._send)
        else:
            self._tell(json.loads(payload), self._levels, now)

    def _send(self) -> None:
        """The next piece: it is whole when its last sample was spoken."""
        if self._transport.is_closing():
            return
        now = perf_counter()
        self.late.append(now - self._began - (self._number + 1) * self._step)
        self.sent.append(now)
        self._transport.write(self._frames[self._number])
        self._number += 1
        if self._number == len(self._frames):
            self._transport.write(frame(TEXT, b'{"type": "end"}'))
            return
        due = self._began + (self._number + 1) * self._step
        self._loop.call_later(max(0.0, due - perf_counter()), self._send)
