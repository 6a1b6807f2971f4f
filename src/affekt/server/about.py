"""What the server offers and how it is doing: models, labels, settings, health, metrics."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from affekt.explain.live_map import gives_map
from affekt.labels import LABEL_SETS
from affekt.server.refusals import Refusal, documented
from affekt.server.service import Service


def routes(service: Service) -> APIRouter:
    """The addresses and what answers there."""
    router = APIRouter(tags=["about"])

    @router.get("/v1/models", summary="The models at hand, with their cards", responses=documented())
    async def models() -> dict[str, Any]:
        cards = await asyncio.to_thread(service.engine.cards)
        default = service.settings.default_model
        rows = [
            {
                "name": name, "default": name == default, "labels": card.labels, "modality": card.modality,
                "formats": service.engine.modality(name).formats, "page": service.engine.modality(name).page,
                "map": gives_map(card), "card": card.record(),
            }
            for name, card in cards.items()
        ]  # fmt: skip
        return {"models": rows}

    @router.get("/v1/labels", summary="A model's labels, and the sets that they map to", responses=documented(422))
    async def labels(model: str | None = Query(None, max_length=200)) -> dict[str, Any]:
        card = await asyncio.to_thread(service.engine.card, model or service.settings.default_model)
        if card.modality == "fusion":  # has the labels of the models that it pools
            return {"labels": card.labels, "maps": []}
        recognizer = await asyncio.to_thread(service.engine.recognizer, model, None)
        maps = [name for name, groups in LABEL_SETS.items() if _fits(groups, set(card.labels))]
        return {"labels": recognizer.labels, "maps": maps}

    @router.get("/v1/settings", summary="Limits, and what the server does with recordings", responses=documented())
    async def settings() -> dict[str, Any]:
        return service.settings.as_table()

    @router.get("/healthz", summary="Whether the process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz", summary="Whether it takes work", responses=documented(503))
    async def readyz() -> JSONResponse:
        if service.closing:
            raise Refusal(503, "the server is shutting down.")
        if not service.engine.ready:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(service.engine.live, partial(service.engine.recognizer, None, None, live=True))
        return JSONResponse({"status": "ready"})

    @router.get("/metrics", summary="Numbers for Prometheus", response_class=Response, responses=documented())
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def _fits(groups: dict[str, tuple[str, ...]], known: set[str]) -> bool:
    """Whether at least two labels of a set can be derived from a model's."""
    return sum(bool(known & set(sources)) for sources in groups.values()) > 1
