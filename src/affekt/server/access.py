"""What every request passes: token, origin, size, headers, a line in the log, a count."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import logging
import re
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from affekt.server.refusals import HEADERS, Refusal, busy
from affekt.server.service import Service
from affekt.server.settings import Limits, Settings

#: Open without a token: the page asks for it, and monitoring has none.
OPEN = re.compile(r"/|/web/.*|/attendance|/docs|/openapi\.json|/favicon\.ico|/healthz|/readyz")

_SAFE = {"GET", "HEAD", "OPTIONS"}

#: What is answered whatever goes on, and to whom else nothing can be answered.
HEALTH = {"/healthz", "/readyz"}

#: Seconds that a refused client gets to finish sending; many read no answer before they have.
PATIENCE = 2.0

log = logging.getLogger("affekt.server")


def check_access(headers: Headers, settings: Settings) -> None:
    """Check that the client knows the token; browsers may give it as a WebSocket subprotocol.

    Raises
    ------
    Refusal
        401.
    """
    if settings.token is None:
        return
    scheme, _, given = headers.get("authorization", "").partition(" ")
    offers = [given.strip()] if scheme.lower() == "bearer" else []
    words = headers.get("sec-websocket-protocol", "").split(",")
    offers += [word.strip().removeprefix("bearer.") for word in words if word.strip().startswith("bearer.")]
    wanted = settings.token.encode()
    if not any(hmac.compare_digest(offer.encode("utf-8", "replace"), wanted) for offer in offers):
        challenge = {"WWW-Authenticate": "Bearer"}
        raise Refusal(401, "this server wants a token: Authorization: Bearer TOKEN.", headers=challenge)


def check_host(headers: Headers, settings: Settings) -> None:
    """Check that the client called the server by one of its own names.

    A foreign page can point its own host name at this machine (DNS rebinding); the browser then treats both as the
    same origin. IP addresses are safe.

    Raises
    ------
    Refusal
        403.
    """
    given = headers.get("host")
    if given is None or "*" in settings.hosts:
        return  # browsers always say it
    try:
        name = (urlsplit(f"//{given}").hostname or "").rstrip(".")
    except ValueError:
        name = ""
    if not is_address(name) and name not in settings.hosts and name != "localhost" and not name.endswith(".localhost"):
        raise Refusal(403, "this server is not called by that name; --allowed-hosts NAME allows one.")


def is_address(name: str) -> bool:
    """Whether this is an IP address rather than a name."""
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def path_of(scope: Scope) -> str:
    """The path within this application, even if another application has mounted it."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def check_origin(headers: Headers, settings: Settings) -> None:
    """Check that a requesting page, if any, is the server's own or allowed.

    Browsers let any page open streams and send forms to any address.

    Raises
    ------
    Refusal
        403.
    """
    origin = headers.get("origin")
    if origin is None or origin in settings.origins or "*" in settings.origins:
        return
    if urlsplit(origin).netloc != headers.get("host"):
        raise Refusal(403, "pages of other sites may not use this server; --cors ORIGIN allows one.")


class AccessMiddleware:
    """Stands before the routes.

    Parameters
    ----------
    app : ASGI application
    service : Service
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service, self._limits = app, service, service.settings.limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head = scope["method"] == "HEAD"  # as GET; the protocol leaves out the body
        visit = _Request({**scope, "method": "GET"} if head else scope, receive, send, limits=self._limits)
        try:
            self._check(scope)
            visit.check_length()
            await self._app(visit.scope, visit.receive, visit.send)
        except Refusal as refusal:
            await visit.refuse(refusal)
        except ClientDisconnect:
            visit.status = GONE
        except Exception as error:
            log.error("broken", exc_info=error, extra={"fields": {"route": visit.route}})
            await visit.refuse(Refusal(500, "the server broke down on this request; its log says where."))
        finally:
            self._note(visit)

    def _check(self, scope: Scope) -> None:
        headers, settings = Headers(scope=scope), self._service.settings
        check_host(headers, settings)
        if self._service.connections.crowded and path_of(scope) not in HEALTH:
            raise busy("the server has as many connections as it can; try again in a while.")
        if scope["method"] not in _SAFE:
            check_origin(headers, settings)
        if scope["method"] != "OPTIONS" and not OPEN.fullmatch(path_of(scope)):
            check_access(headers, settings)

    def _note(self, visit: _Request) -> None:
        seconds = time.perf_counter() - visit.began
        method, route = visit.scope["method"], visit.route
        self._service.metrics.request(method if method in KNOWN else "other", route, visit.status, seconds)
        fields = {"method": method, "route": route, "status": visit.status, "seconds": round(seconds, 4)}
        log.info("request", extra={"fields": {**fields, "bytes": visit.taken}})


#: Logged status when the client hung up, as in nginx.
GONE = 499
KNOWN = {*_SAFE, "POST", "DELETE", "PUT", "PATCH"}


class _Request:
    """One request: counts incoming bytes, adds headers to the answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, limits: Limits) -> None:
        self.scope, self._receive, self._send, self._limits = scope, receive, send, limits
        self.headers = Headers(scope=scope)
        self.taken, self.status, self.began = 0, 500, time.perf_counter()
        self._more, self._waited, self._answered = True, 0.0, False

    @property
    def route(self) -> str:
        """The route pattern rather than the path, so that metrics have few labels."""
        path = getattr(self.scope.get("route"), "path", None)
        return path or ("/web" if path_of(self.scope).startswith("/web/") else "other")

    def check_length(self) -> None:
        """Refuse a request at once if its stated length is too large."""
        length = self.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._limits.upload_bytes:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next piece of the request; only the time spent waiting for it counts.

        Raises
        ------
        Refusal
            408 if the body arrives below the minimum rate, 413 if it is too large.
        """
        if not self._more:
            return await self._receive()
        limits, began = self._limits, time.perf_counter()
        try:
            async with asyncio.timeout(max(0.0, limits.header + self.taken / limits.rate - self._waited)):
                message = await self._receive()
        except TimeoutError:
            reason = f"the upload came at less than {limits.rate:g} bytes a second for {limits.header:g} s or longer."
            raise Refusal(408, reason) from None
        self._waited += time.perf_counter() - began
        self._more = bool(message.get("more_body"))
        self.taken += len(message.get("body", b""))
        if self.taken > limits.upload_bytes:
            raise self._too_large()
        return message

    async def refuse(self, refusal: Refusal) -> None:
        """Send the refusal, unless an answer has begun: that cannot be taken back."""
        if not self._answered:
            await refusal.answer()(self.scope, self._receive, self.send)

    async def send(self, message: Message) -> None:
        """The next piece of the answer."""
        if message["type"] == "http.response.start":
            self.status, self._answered = message["status"], True
            if self.status >= 400:
                await self._drain()
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-cache" if OPEN.fullmatch(path_of(self.scope)) else "no-store")
        await self._send(message)

    async def _drain(self) -> None:
        """Read on for a while and discard the data, so that the client gets to read the answer."""
        if not self.taken and "expect" in self.headers:
            return  # it waits to be told to send
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self._more:
                    self._more = bool((await self._receive()).get("more_body"))

    def _too_large(self) -> Refusal:
        return Refusal(
            413, f"the request is larger than {self._limits.upload_bytes / 1e6:g} MB, which is allowed here."
        )
