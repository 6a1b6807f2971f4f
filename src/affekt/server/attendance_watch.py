"""``WS /v1/attendance/watch``: frames of a camera in, boxes and names out, rows into the store. Frames are not kept.

The messages are those of a stream of pictures (``docs/serve.md``), with a session's id instead of a model. Times are
those of the server: a client cannot say when somebody was there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from numpy import uint8
from numpy.typing import NDArray
from starlette.datastructures import Headers

from affekt.attendance.roster import checked_name
from affekt.attendance.session import Event, Session
from affekt.attendance.window import SteadyClock
from affekt.errors import AffektError, ImageError, StoreError
from affekt.face.detect import Detector
from affekt.face.image import read_frame
from affekt.face.sightings import Sighting, Watch, Watcher
from affekt.server.access import check_access, check_host, check_origin, log
from affekt.server.attendance import Desk
from affekt.server.frames import TIME
from affekt.server.refusals import Refusal
from affekt.server.slots import client_of
from affekt.server.streams import POLITE, chosen, patience, table_of

#: Seconds between checks whether the session was closed or its roster changed.
RENEW = 1.0


def routes(desk: Desk) -> APIRouter:
    """The address and what answers there."""
    router = APIRouter()

    @router.websocket("/v1/attendance/watch")
    async def watch(websocket: WebSocket) -> None:
        await Connection(desk, websocket).serve()

    return router


class Lookout:
    """A camera of a session: frames in, answers out. Its methods take a while: call them on a thread, one at a time."""

    def __init__(self, desk: Desk, session: str, camera: str) -> None:
        row = desk.session(session)
        self._desk = desk
        self._roster = desk.roster(row["roster"])
        self._clock = SteadyClock(desk.store.clock)
        self._faces = self._enrolled()
        gallery, ids = self._roster.gallery(desk.facts)
        self.session = Session(desk.store, session, gallery, ids, camera=checked_name(camera, "camera"))
        self._began = self._renewed = self._clock()
        watch = Watch(self._wanted, most=1, signs=self.session.rules.liveness != "none")
        self._watcher = Watcher(Detector(), desk.embedder, watch)
        self._last = self._began
        self._said: dict[str, str] = {}
        if row["closed"] or self._began >= self.session.window.closes:
            raise Refusal(1008, "the session is over.")
        self._clock.notify = self._note
        self._note("connected")

    def look(self, jpeg: bytes) -> list[dict[str, Any]]:
        """The answers to a frame; the last answer of a session is ``closed``."""
        now = max(self._clock(), self._last + timedelta(milliseconds=1))
        self._last = now
        if self._over(now):
            return [{"type": "closed", "session": self.session.id}]
        if now not in self.session.window:
            reason = f"the window is {self.session.window.text()}; nothing is looked at before."
            return [{"type": "frame_error", "reason": reason}]
        try:
            pixels = read_frame(jpeg, most_pixels=self._desk.service.settings.limits.frame_pixels)
        except ImageError as error:
            return [{"type": "frame_error", "reason": str(error)}]
        sightings = self._watcher.look(pixels, (now - self._began).total_seconds())
        events = self.session.see(sightings, now)
        for event in events:
            if event.kind == "unknown":
                self._said[event.track] = event.detail
        self._said = {sighting.track: self._said.get(sighting.track, "") for sighting in sightings}
        faces = [self._face(sighting, pixels) for sighting in sightings]
        return [*map(told, events), {"type": "frame", "faces": faces}]

    def leave(self) -> None:
        """Write what has accumulated; the session stays open."""
        with contextlib.suppress(StoreError):  # the disk is full: the rows already reported are on it
            self.session.flush(self._last)
            self._note("disconnected")

    def _over(self, now: Any) -> bool:
        """Whether the session is closed; this closes it once its window is over."""
        if now >= self.session.window.closes:
            self.session.close(self.session.window.closes)
            return True
        if (now - self._renewed).total_seconds() < RENEW:
            return False
        self._renewed = now
        if self._desk.session(self.session.id)["closed"]:
            return True
        if (faces := self._enrolled()) != self._faces:
            self._faces = faces
            self.session.renew(*self._roster.gallery(self._desk.facts))
        return False

    def _enrolled(self) -> dict[str, int]:
        return {person.id: person.photos for person in self._roster.people()}

    def _wanted(self, track: str, seconds: float) -> float:
        return self.session.wanted(track, self._began + timedelta(seconds=seconds))

    def _face(self, sighting: Sighting, pixels: NDArray[uint8]) -> dict[str, Any]:
        """A face, its box as fractions of the picture."""
        height, width = pixels.shape[:2]
        left, top, wide, high = sighting.box
        name = self.session.whose(sighting.track)
        why = "; ".join(sighting.problems) or self._said[sighting.track]
        return {
            "track": sighting.track,
            "box": [round(left / width, 4), round(top / height, 4), round(wide / width, 4), round(high / height, 4)],
            "name": name,
            "reason": "" if name else why,
        }

    def _note(self, sentence: str) -> None:
        with contextlib.suppress(StoreError):
            self._desk.store.note("camera", f"{self.session.camera}: {sentence}", session=self.session.id)


def told(event: Event) -> dict[str, Any]:
    """An event of a session, as JSON."""
    return {
        "type": event.kind, "at": event.at.isoformat(), "track": event.track, "name": event.name,
        "reason": event.detail,
    }  # fmt: skip


class Connection:
    """One WebSocket: a greeting, then a frame and its answer in turn."""

    def __init__(self, desk: Desk, websocket: WebSocket) -> None:
        self._desk, self._socket = desk, websocket
        self._service, self._limits = desk.service, desk.service.settings.limits
        self._client = client_of(websocket.scope)
        self._lookout: Lookout | None = None

    async def serve(self) -> None:
        """Talk until one side has had enough."""
        await self._socket.accept(subprotocol=chosen(self._socket.scope.get("subprotocols", [])))
        code = 1006
        try:
            headers, settings = Headers(scope=self._socket.scope), self._service.settings
            check_host(headers, settings)
            check_origin(headers, settings)
            check_access(headers, settings)
            with self._desk.cameras.one(self._client):
                await self._talk()
            code = 1000
        except (Refusal, AffektError) as error:
            refusal = error if isinstance(error, Refusal) else Refusal(1008, str(error))
            code = refusal.status if refusal.status >= 1000 else 1013 if refusal.status == 429 else 1008
            await self._close(code, {"type": "error", "code": refusal.code, "reason": refusal.reason})
        except WebSocketDisconnect as gone:
            code = gone.code
        finally:
            log.info("attendance", extra={"fields": {"code": code}})

    async def _talk(self) -> None:
        async with patience(min(self._limits.header, self._limits.idle), "no first message came"):
            hello = table_of(await self._socket.receive())
        session, camera = hello.get("session"), hello.get("camera", "page")
        if hello.get("type") != "hello" or not isinstance(session, str) or not isinstance(camera, str):
            raise Refusal(1008, 'the first message has to be {"type": "hello", "session": ID, "camera": NAME}.')
        lookout: Lookout = await self._work(partial(Lookout, self._desk, session, camera))
        try:
            await self._send({"type": "ready", "session": session})
            await self._frames(lookout)
        finally:
            await asyncio.shield(self._work(lookout.leave))

    async def _frames(self, lookout: Lookout) -> None:
        while not self._service.closing:
            async with patience(self._limits.idle, "nothing came"):
                message = await self._socket.receive()
            data = message.get("bytes")
            if data is None:
                if table_of(message).get("type") == "end":
                    return await self._close(1000, {"type": "summary", "session": lookout.session.id})
                raise Refusal(1003, 'after the first message come frames, as binary messages, and {"type": "end"}.')
            if len(data) > self._limits.picture_bytes:
                allowed = self._limits.picture_bytes
                raise Refusal(1009, f"a frame of {len(data)} bytes; allowed: {allowed}. Send it smaller.")
            answers = await self._work(partial(lookout.look, data[TIME.size :]))
            for answer in answers:
                await self._send(answer)
            if answers[-1]["type"] == "closed":
                return await self._close(1000)
        raise Refusal(1001, "the server is shutting down.")

    async def _work(self, work: Callable[[], Any]) -> Any:
        return await self._service.engine.queue.future(work, client=self._client)

    async def _send(self, table: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._limits.stall):
                await self._socket.send_text(json.dumps(table, ensure_ascii=False))
        except TimeoutError:
            raise Refusal(1013, f"answers were left unread for {self._limits.stall:g} s.") from None

    async def _close(self, code: int, last: dict[str, Any] | None = None) -> None:
        with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(POLITE):
                if last:
                    await self._socket.send_text(json.dumps(last, ensure_ascii=False))
                await self._socket.close(code)
