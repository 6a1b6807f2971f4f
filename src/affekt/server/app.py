"""The application: all routes behind one gate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from affekt import __version__
from affekt.server import about, convert, enrol, jobs, pages, predict, streams
from affekt.server.access import AccessMiddleware
from affekt.server.refusals import add_handlers
from affekt.server.service import Service
from affekt.server.settings import Settings
from affekt.server.stored_jobs import StoredJobs

_ABOUT = """Emotions in the voice: recordings and live streams in, a timeline of emotions out.

Live streams: a WebSocket at /v1/stream. Send `{"type": "hello", "sampling_rate": 16000, "format": "pcm16"}`, then
signal as binary messages, then `{"type": "end"}`; events come back as JSON.
"""


def make_app(settings: Settings | None = None) -> FastAPI:
    """A server, ready for uvicorn.

    Parameters
    ----------
    settings : Settings, optional

    Returns
    -------
    FastAPI
        Its ``state.service`` holds what is going on.
    """
    service = Service(settings or Settings())
    held: jobs.JobQueue = StoredJobs(service, service.database) if service.database else jobs.Jobs(service)

    desk = None
    if service.settings.attendance:  # its imports need their own extra
        from affekt.server import attendance, attendance_watch

        desk = attendance.Desk(service, service.settings.attendance)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        held.open()
        yield
        service.closing = True
        held.stop()
        service.engine.close()
        if service.database:
            service.database.close()
        if desk:
            desk.close()

    app = FastAPI(
        title="affekt", version=__version__, description=_ABOUT, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.state.service = service
    app.include_router(predict.routes(service))
    app.include_router(jobs.routes(service, held))
    app.include_router(convert.routes(service))
    app.include_router(enrol.routes(service))
    app.include_router(about.routes(service))
    app.include_router(streams.routes(service))
    if desk:
        app.include_router(attendance.routes(desk))
        app.include_router(attendance_watch.routes(desk))
    app.include_router(pages.routes(attendance=desk is not None))
    app.mount("/web", pages.static())
    add_handlers(app)
    app.add_middleware(AccessMiddleware, service=service)
    if service.settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.settings.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
        )
    return app
