"""Refusals: one exception, one form of answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from affekt.errors import AffektError, InputError

CODES = {
    400: "malformed", 401: "token", 403: "origin", 404: "not_found", 405: "method", 408: "slow", 413: "too_large",
    415: "unreadable", 422: "invalid", 429: "busy", 500: "broken", 501: "not_here", 503: "unavailable",
}  # fmt: skip

#: Headers of every answer.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; media-src 'self' blob:; connect-src 'self' ws: wss:; worker-src 'self' blob:; "
        "img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(self), geolocation=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}

#: Close code of a stream to the word for it.
CLOSINGS = {1001: "shutdown", 1003: "wrong_data", 1008: "policy", 1009: "too_large", 1013: "busy"}


#: Maximum number of characters in a reason.
MOST_WORDS = 1000


class Failure(BaseModel):
    """A recording that could not be worked on, and why."""

    source: str
    reason: str


class Problem(BaseModel):
    """What every answer that is not a success holds."""

    code: str
    reason: str
    failures: list[Failure] = []


class Refusal(Exception):
    """The server will not do this; ``status`` is HTTP's, or from 1000 on the close code of a stream."""

    def __init__(
        self, status: int, reason: str, *, headers: Mapping[str, str] | None = None, failures: Sequence[Failure] = ()
    ) -> None:
        if len(reason) > MOST_WORDS:  # no need to send back all that a client sent
            reason = f"{reason[: MOST_WORDS - 4]} ..."
        super().__init__(reason)
        self.status, self.reason, self.headers, self.failures = status, reason, dict(headers or {}), failures

    @property
    def code(self) -> str:
        """One word for programs."""
        return CODES.get(self.status) or CLOSINGS.get(self.status, "refused")

    def answer(self) -> JSONResponse:
        """As a response."""
        table: dict[str, Any] = {"code": self.code, "reason": self.reason}
        if self.failures:
            table["failures"] = [failure.model_dump() for failure in self.failures]
        return JSONResponse(table, self.status, self.headers)


def busy(what: str, seconds: int = 2) -> Refusal:
    """429, with how long to wait."""
    return Refusal(429, what, headers={"Retry-After": str(seconds)})


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI description: these answers are Problems."""
    return {status: {"model": Problem} for status in (401, 403, *statuses)}


def add_handlers(app: FastAPI) -> None:
    """Turn what can go wrong into answers of one form."""

    async def refuse(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refusal)
        return error.answer()

    async def say_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        reason = {404: "there is nothing here; see /docs.", 405: "this address takes other methods; see /docs."}
        text = reason.get(error.status_code, str(error.detail))
        return Refusal(error.status_code, text, headers=error.headers).answer()

    async def say_invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        problems = [f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors()]
        return Refusal(422, "; ".join(problems)[:500]).answer()

    async def say_ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, AffektError)
        return Refusal(422 if isinstance(error, InputError) else 500, str(error)).answer()

    app.add_exception_handler(Refusal, refuse)
    app.add_exception_handler(RequestValidationError, say_invalid)
    app.add_exception_handler(AffektError, say_ours)
    app.add_exception_handler(HTTPException, say_http)
