"""``POST /v1/convert``: results in our JSON to any other format, so that a page can offer them all."""

from __future__ import annotations

import io
import json
from typing import Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from affekt.client import results_of
from affekt.errors import UnknownName
from affekt.server.predict import CONTENT, MEDIA, PLAIN
from affekt.server.refusals import Refusal, documented
from affekt.write.predictions import WRITERS

#: Bytes; an hour of speech is about one million.
LARGEST = 32 << 20
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


def routes() -> APIRouter:
    """The address and what answers there."""
    router = APIRouter(tags=["recordings"])

    @router.post(
        "/v1/convert",
        summary="Results in another format",
        response_class=Response,
        responses={200: {"content": CONTENT}, **documented(413, 422)},
        openapi_extra=BODY,
    )
    async def convert(request: Request, format: str = Query(json_schema_extra={"enum": list(WRITERS)})) -> Response:
        if format not in WRITERS:
            raise UnknownName("format", format[:100], WRITERS)
        results = results_of(await _document(request))
        file = io.StringIO()
        WRITERS[format](results, file)
        return Response(file.getvalue(), media_type=MEDIA.get(format, PLAIN))

    return router


async def _document(request: Request) -> Any:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise Refusal(413, f"the results are larger than {LARGEST / 1e6:g} MB.")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(422, f"the body is not JSON: {str(error)[:200]}.") from None
