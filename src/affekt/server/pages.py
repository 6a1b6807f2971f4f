"""The page, its files, and the description of the interface. Everything comes from the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from affekt.server.refusals import Refusal


def folder() -> Path:
    """The folder of the page's files."""
    return Path(str(files("affekt") / "web"))


def static() -> StaticFiles:
    """The application behind /web."""
    return StaticFiles(directory=folder(), check_dir=False)


def routes(*, attendance: bool = False) -> APIRouter:
    """The addresses and what answers there."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page() -> Response:
        return _file("index.html")

    if attendance:

        @router.get("/attendance")
        async def roll() -> Response:
            return _file("attendance.html")

    @router.get("/docs")
    async def docs() -> Response:
        return _file("docs.html")

    @router.get("/favicon.ico")
    async def favicon() -> Response:
        return _file("favicon.svg")

    return router


def _file(name: str) -> Response:
    path = folder() / name
    if not path.is_file():
        raise Refusal(404, f"this installation has no {name}; the interface is described in /openapi.json.")
    return FileResponse(path)
