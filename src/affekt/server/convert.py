"""``POST /v1/convert``: results from our JSON to any other format, so that a page can offer all formats."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from affekt.client import results_of
from affekt.errors import UnknownName
from affekt.server.predict import CONTENT, MEDIA, PLAIN
from affekt.server.refusals import Refusal, documented
from affekt.server.service import Service
from affekt.server.slots import client_of
from affekt.write.predictions import WRITERS

#: Lists and objects in a body. Python parses JSON in one go, and the whole server waits meanwhile.
CONTAINERS = 200_000
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["results"],
                    "properties": {"results": {"type": "array", "items": {"type": "object"}}},
                }
            }
        },
    }
}


def routes(service: Service) -> APIRouter:
    """The address and what answers there."""
    router = APIRouter(tags=["recordings"])

    @router.post(
        "/v1/convert",
        summary="Results in another format",
        response_class=Response,
        responses={200: {"content": CONTENT}, **documented(408, 413, 422, 429)},
        openapi_extra=BODY,
    )
    async def convert(request: Request, format: str = Query(json_schema_extra={"enum": list(WRITERS)})) -> Response:
        if format not in WRITERS:
            raise UnknownName("format", format[:100], WRITERS)
        with service.conversions.one(client_of(request.scope)):
            body = await _body(request, service.settings.limits.convert_bytes)
            loop = asyncio.get_running_loop()
            text = await loop.run_in_executor(service.engine.conversions, _converted, body, format)
        return Response(text, media_type=MEDIA.get(format, PLAIN))

    return router


async def _body(request: Request, most: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise Refusal(413, f"the results are larger than {most / 1e6:g} MB.")
    return bytes(body)


def _converted(body: bytes, form: str) -> str:
    """Convert JSON to another format, on a thread: a long recording takes seconds."""
    if body.count(b"[") + body.count(b"{") > CONTAINERS:
        raise Refusal(422, f"the body holds more than {CONTAINERS} lists and objects; results of a week have fewer.")
    try:
        table = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(422, f"the body is not JSON: {str(error)[:200]}.") from None
    file = io.StringIO()
    WRITERS[form](results_of(table), file)
    return file.getvalue()
