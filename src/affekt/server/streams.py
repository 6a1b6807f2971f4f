"""``WS /v1/stream``: signal or frames in, events out, while they come. ``docs/serve.md`` describes the messages."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.datastructures import Headers

from affekt.errors import AffektError, UnknownName
from affekt.recognize.media import MediaRecognizer
from affekt.recognize.modalities import modality
from affekt.recognize.recognizer import Recognizer
from affekt.server.access import check_access, check_host, check_origin, log
from affekt.server.frames import FrameFormat
from affekt.server.mixed import MixedFormat
from affekt.server.refusals import Refusal
from affekt.server.service import Service
from affekt.server.sessions import Format, Session
from affekt.server.signals import SampleFormat
from affekt.server.slots import client_of

SCHEMA = "events-2"
#: Seconds for courtesies: a last message, a close.
POLITE = 2.0
#: What streams may be made of: the formats of all modalities. See :class:`affekt.server.sessions.Format`.
FORMATS: dict[str, Any] = {
    "pcm16": SampleFormat,
    "float32": SampleFormat,
    "jpeg": FrameFormat,
    "jpeg+pcm16": MixedFormat,
}
_TEXTS = ("labels", "model", "reference", "voices", "format", "channel")


@dataclass(frozen=True)
class Hello:
    """What a client asks for in a stream."""

    kind: Format
    model: str | None = None
    labels: str | None = None
    reference: str | None = None

    @classmethod
    def of(cls, table: dict[str, Any]) -> Hello:
        """From the first message.

        Raises
        ------
        Refusal
            1008 if it asks for something that there is not.
        """
        labels = table.get("labels")
        if isinstance(labels, list):
            table = {**table, "labels": ",".join(map(str, labels))}
        form = table.get("format") or "pcm16"
        if not isinstance(form, str) or form not in FORMATS:
            raise Refusal(1008, f"hello: format is one of {', '.join(FORMATS)}.")
        allowed = ("type", "format", "model", "labels", *FORMATS[form].KEYS)
        for key in table:
            if key not in allowed:
                raise Refusal(1008, f"hello: {UnknownName(f'key of a stream of {form}', str(key)[:100], allowed)}")
        for key in _TEXTS:
            if not isinstance(table.get(key), (str, type(None))):
                raise Refusal(1008, f"hello: {key} is {str(table[key])[:100]!r}; allowed: text.")
        texts = {key: table.get(key) or None for key in ("model", "labels", "reference")}
        return cls(FORMATS[form].of(form, table), **texts)


def routes(service: Service) -> APIRouter:
    """The address and what answers there."""
    router = APIRouter()

    @router.websocket("/v1/stream")
    async def stream(websocket: WebSocket) -> None:
        await Connection(service, websocket).serve()

    return router


class Connection:
    """One WebSocket, from its first message to its close."""

    def __init__(self, service: Service, websocket: WebSocket) -> None:
        self._service, self._limits, self._socket = service, service.settings.limits, websocket
        self._client = client_of(websocket.scope)
        self._session: Session | None = None
        self._sent = 0

    async def serve(self) -> None:
        """Talk until one side has had enough."""
        await self._socket.accept(subprotocol=chosen(self._socket.scope.get("subprotocols", [])))
        code = 1006
        try:
            code = await self._serve()
        except Refusal as refusal:
            code = refusal.status if refusal.status >= 1000 else 1013 if refusal.status == 429 else 1008
            await self._say_no(refusal, code)
        except WebSocketDisconnect as gone:
            code = gone.code
        finally:
            self._leave(code)

    async def _serve(self) -> int:
        check_host(self._socket.headers, self._service.settings)
        check_origin(self._socket.headers, self._service.settings)
        check_access(Headers(scope=self._socket.scope), self._service.settings)
        with self._service.greetings.one(self._client):
            async with patience(min(self._limits.header, self._limits.idle), "no first message came"):
                message = await self._socket.receive()
            session = self._session = await self._greet(table_of(message))
        # Its own task, so that a client that reconnects can end this connection.
        talk = session.owner = asyncio.create_task(self._talk(session))
        try:
            await asyncio.wait({talk})
        finally:
            talk.cancel()
        if talk.cancelled():
            self._session = None
            raise Refusal(1008, "the session goes on over another connection.")
        talk.result()
        code = 1001 if self._service.closing else 1000
        await self._close(code)
        return code

    async def _greet(self, table: dict[str, Any]) -> Session:
        if table.get("type") not in ("hello", "resume"):
            raise Refusal(1008, 'the first message has to be {"type": "hello", ...} or {"type": "resume", ...}.')
        if self._service.closing:
            raise Refusal(1001, "the server is shutting down.")
        if table["type"] == "resume":
            return await self._resume(table)
        self._service.sessions.room(self._client)
        hello = Hello.of(table)
        loop = asyncio.get_running_loop()
        try:
            session, ready = await loop.run_in_executor(self._service.engine.live, self._open, hello)
        except AffektError as error:
            raise Refusal(1008, str(error)) from None
        session.client = self._client
        self._service.sessions.add(session)
        self._service.metrics.opened()
        self._session = session
        await self._send(json.dumps({"type": "ready", "session": session.name, "schema": SCHEMA, **ready}))
        return session

    def _open(self, hello: Hello) -> tuple[Session, dict[str, Any]]:
        service, kind = self._service, hello.kind
        name = hello.model or service.engine.model_of_format(kind.form)
        row = service.engine.modality(name)
        if kind.form not in row.formats:
            takes = " or ".join(row.formats) or "no streams"
            raise Refusal(1008, f"hello: the model {name} takes {takes}, not {kind.form}.")
        recognizer: Recognizer | MediaRecognizer
        if row is modality("fusion"):
            if hello.labels:
                raise Refusal(1008, "hello: labels are chosen of one modality, and a stream of all has its own.")
            recognizer = service.engine.media(name)
        else:
            recognizer = service.recognizer(name, hello.labels, reference=hello.reference, live=True)
        live = row.load("live")(recognizer, **kind.told)
        queues = service.engine.queue, service.engine.aside
        session = Session(kind.worker(live, service), kind, queues, limits=self._limits, metrics=service.metrics)
        session.greeting = {"labels": recognizer.labels, "model": name}
        return session, session.greeting

    async def _resume(self, table: dict[str, Any]) -> Session:
        received = table.get("received", 0)
        session = self._service.sessions.find(table.get("session"))
        if type(received) is not int:
            raise Refusal(1008, "resume: received is the number of events that came, a whole number.")
        session.resumed(received)
        if session.owner and not session.owner.done():
            session.owner.cancel()
            await asyncio.wait({session.owner})
        self._service.sessions.keep(session)
        self._session, self._sent = session, received
        ready = {"type": "ready", "session": session.name, "schema": SCHEMA, **session.greeting}
        await self._send(json.dumps({**ready, session.kind.COUNTED: session.inbox.count, "events": session.events}))
        return session

    async def _talk(self, session: Session) -> None:
        """Read and write at once; whichever ends first ends both."""
        tasks = [asyncio.create_task(self._read(session)), asyncio.create_task(self._write(session))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, session: Session) -> None:
        while True:
            async with patience(self._limits.idle, "nothing came"):
                message = await self._socket.receive()
            data = message.get("bytes")
            if message["type"] == "websocket.receive" and data is not None:
                session.kind.check_size(len(data), self._limits)
                if session.over and not self._service.closing:
                    raise Refusal(1008, f"{session.kind.WORDS} after the end.")
                if not session.over:
                    await session.take(data)
            elif table_of(message).get("type") == "end":
                session.end()
            else:
                words = session.kind.WORDS
                raise Refusal(1003, f'after the first message come {words}, as binary messages, and {{"type": "end"}}.')

    async def _write(self, session: Session) -> None:
        while events := await session.after(self._sent):
            self._sent += len(events)
            await self._send(*events)

    async def _send(self, *texts: str) -> None:
        try:
            async with asyncio.timeout(self._limits.stall):
                for text in texts:
                    await self._socket.send_text(text)
        except TimeoutError:
            raise Refusal(1013, f"events were left unread for {self._limits.stall:g} s.") from None

    async def _say_no(self, refusal: Refusal, code: int) -> None:
        with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(POLITE):
                table = {"type": "error", "code": refusal.code, "reason": refusal.reason}
                await self._socket.send_text(json.dumps(table))
        await self._close(code)

    async def _close(self, code: int) -> None:
        with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(POLITE):
                await self._socket.close(code)

    def _leave(self, code: int) -> None:
        """Keep a session whose client lost its connection; drop one that ended or was refused."""
        session = self._session
        if session is not None and code in BROKEN:
            self._service.sessions.park(session, self._limits.resume)
        elif session is not None:
            self._service.sessions.remove(session)
        self._service.metrics.closed(code)
        seconds = session.inbox.seconds if session else 0.0
        log.info("stream", extra={"fields": {"code": code, "seconds": round(seconds, 3)}})


#: Close codes of connections that broke: going away, none given, lost, error on the other side, a restart.
BROKEN = {1001, 1005, 1006, 1011, 1012}


@contextlib.asynccontextmanager
async def patience(seconds: float, what: str) -> Any:
    """Limit the time of what the block awaits; refuse with 1008 after that."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Refusal(1008, f"{what} for {seconds:g} s.") from None


def table_of(message: Any) -> dict[str, Any]:
    """A text message as JSON."""
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code") or 1005)
    text = message.get("text")
    try:
        table = json.loads(text) if text is not None and len(text) <= 65_536 else None
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise Refusal(1003, "a text message has to hold a JSON object.")
    return table


def chosen(offered: list[str]) -> str | None:
    """The subprotocol to answer with: browsers require one that they offered."""
    return "affekt" if "affekt" in offered else next((word for word in offered if word.startswith("bearer.")), None)
