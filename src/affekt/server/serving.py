"""Starting a server and ending it well: sockets, processes, signals, the log."""

from __future__ import annotations

import json
import logging
import multiprocessing
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn

from affekt.errors import AudioWarning, ImageWarning, LossWarning, TextWarning
from affekt.server.access import log
from affekt.server.app import make_app
from affekt.server.connections import HttpProtocol, StreamProtocol
from affekt.server.service import Service
from affekt.server.settings import Settings

#: Bytes that may lie unread in the kernel for one client, and how long: this also bounds a stream's memory.
SEND_BUFFER, GIVE_UP_MS = 256 << 10, 60_000
#: Connections that wait to be accepted.
WAITING = 512
#: Seconds between pings of a stream, and until the stream counts as lost.
PING = 20.0
#: Seconds after which a thread gives way to others. A model runs outside Python, for a fraction of a millisecond,
#: and then needs the GIL again: with Python's default of 5 ms it mostly waits.
GIVE_WAY = 0.0001


class JsonFormatter(logging.Formatter):
    """A log of JSON lines; never what somebody said, a file name, or a client."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as one line."""
        table = {"time": round(record.created, 3), "level": record.levelname.lower(), "event": record.getMessage()}
        table.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0]:
            # Without the message: it may hold a client's words.
            table["error"] = record.exc_info[0].__name__
            table["where"] = _where(record)
        return json.dumps(table)


def _where(record: logging.LogRecord) -> list[str]:
    trace, found = record.exc_info[2] if record.exc_info else None, []
    while trace is not None:
        found.append(f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return found[-6:]


class Server(uvicorn.Server):
    """uvicorn, which lets streams end before it hangs up."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new streams, end those there are with all their events, then do what uvicorn does."""
        log.info("stopping", extra={"fields": {"streams": len(self._service.sessions)}})
        await self._service.wind_up()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 picks any free one.

    Raises
    ------
    OSError
        If the address is taken or not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Where there is no uvloop: asyncio turns Nagle's algorithm off where a socket says that it is TCP, and only there.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GIVE_UP_MS)
    try:
        found.bind((host, port))
        # Now, so that clients that read the address can connect at once and wait.
        found.listen(WAITING)
    except OSError:
        found.close()
        raise
    found.set_inheritable(True)
    return found


def serve(settings: Settings, listening: socket.socket) -> None:
    """Serve until a signal says otherwise."""
    set_up_log()
    sys.setswitchinterval(GIVE_WAY)
    for category in (AudioWarning, ImageWarning, LossWarning, TextWarning):  # results carry these
        warnings.simplefilter("ignore", category)
    server(settings).run(sockets=[listening])


def server(settings: Settings) -> Server:
    """A server that is not started yet."""
    app, limits = make_app(settings), settings.limits
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=list(settings.proxies),
        http=partial(HttpProtocol, connections=app.state.service.connections),  # type: ignore[arg-type]
        ws=partial(StreamProtocol, connections=app.state.service.connections),  # type: ignore[arg-type]
        # A little above the limit, so that our own refusal is sent.
        ws_max_size=max(4 * limits.frame_bytes, 2 * limits.picture_bytes),
        ws_ping_interval=PING,
        ws_ping_timeout=PING,
        # Compression would take more memory per stream than all the rest.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=int(limits.timeout) + 1,
    )
    return Server(config, app.state.service)


def set_up_log() -> None:
    """JSON lines on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name, level in (("affekt.server", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    logging.Formatter.converter = time.gmtime


def serve_many(settings: Settings, listening: socket.socket) -> None:
    """Serve with several processes at one socket; one that dies is started again."""
    set_up_log()
    context = multiprocessing.get_context("spawn")
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    workers = [_start(context, settings, listening) for _ in range(settings.workers)]
    while not stopping.wait(0.5):
        for index, worker in enumerate(workers):
            if not worker.is_alive():
                log.error("worker died", extra={"fields": {"exit": worker.exitcode}})
                workers[index] = _start(context, settings, listening)
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join()


def _start(context: Any, settings: Settings, listening: socket.socket) -> Any:
    worker = context.Process(target=serve, args=(settings, listening))
    worker.start()
    return worker


@contextmanager
def running(settings: Settings | None = None) -> Iterator[str]:
    """A server on a thread and any free port of this machine, for as long as the block runs.

    Yields
    ------
    str
        Its address.

    Examples
    --------
    >>> from affekt.client import Client
    >>> with running() as url:
    ...     Client(url).settings()["store"]
    False
    """
    listening = listen("127.0.0.1", 0)
    found = server(settings or Settings())
    thread = threading.Thread(target=found.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not found.started and thread.is_alive():
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        found.should_exit = True
        thread.join()
