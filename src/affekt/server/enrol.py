"""``/v1/references``: take and forget voice references."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response

from affekt.errors import AudioError
from affekt.server.jobs import alone
from affekt.server.references import LONGEST
from affekt.server.refusals import Refusal, documented
from affekt.server.service import Service
from affekt.server.slots import client_of
from affekt.server.uploads import Upload, read_form
from affekt.speech.audio import blocks
from affekt.speech.waveform import RATE

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "model": {"type": "string", "description": "A name of /v1/models that has to adapt."},
                    },
                }
            }
        },
    }
}

_KEPT = (
    "Held for a while (`kept` in `/v1/settings`), in memory. With `--store` numbers that the models make of the voice "
    "are stored instead of the sound: they outlive the server, and its processes share them."
)


def routes(service: Service) -> APIRouter:
    """The addresses and what answers there."""
    router = APIRouter(tags=["voice references"])

    @router.post(
        "/v1/references", summary="Say how a speaker sounds when nothing is the matter (5 to 60 s)", status_code=201,
        openapi_extra=BODY, responses=documented(408, 413, 415, 422, 429, 501), description=_KEPT,
    )  # fmt: skip
    async def add(request: Request) -> dict[str, Any]:
        alone(service)
        client = client_of(request.scope)
        with service.recordings.one(client):
            form = await read_form(request, service.settings.limits)
            try:
                if len(form.uploads) != 1:
                    raise Refusal(422, f"a reference is one recording, and there are {len(form.uploads)}.")
                work = partial(_add, service, form.uploads[0], form.fields.get("model") or None, client)
                made: dict[str, Any] = await service.engine.files.future(work, client=client)
                return made
            finally:
                form.close()

    @router.delete(
        "/v1/references/{name}", summary="Forget one", status_code=204, responses=documented(404, 422),
        response_class=Response,
    )  # fmt: skip
    async def forget(name: str) -> Response:
        await asyncio.to_thread(service.references.remove, name)
        return Response(status_code=204)

    return router


def _add(service: Service, upload: Upload, model: str | None, client: str) -> dict[str, Any]:
    """Take a reference, and check that the model can use it."""
    added = service.references.add(_decoded(upload), client)
    try:
        service.recognizer(model, None, reference=added["reference"])
    except Exception:
        service.references.remove(added["reference"])
        raise
    return added


def _decoded(upload: Upload) -> np.ndarray:
    parts: list[np.ndarray] = []
    try:
        for block in blocks(upload, warn=lambda sentence: None):  # type: ignore[arg-type]
            parts.append(block)
            if sum(map(len, parts)) > LONGEST * RATE:
                raise Refusal(413, f"a reference is at most {LONGEST:g} s long.")
    except AudioError as error:
        raise Refusal(415, upload.named(str(error))) from None
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
