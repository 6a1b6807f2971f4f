"""``/v1/jobs``: long recordings, processed in the background, with progress."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from affekt.errors import AffektError
from affekt.server.predict import BODY, PredictRequest, RequestWork, ask_of, written
from affekt.server.refusals import Failure, Refusal, busy, documented
from affekt.server.service import Service
from affekt.server.settings import Limits
from affekt.server.slots import client_of, most
from affekt.server.uploads import Form, read_form
from affekt.types import Result
from affekt.write.predictions import document

#: For the OpenAPI description.
_KEPT = "A finished job is held for a while (`kept` in `/v1/settings`), then forgotten."


class Job:
    """Recordings that are being processed, or were."""

    def __init__(self, form: str, client: str = "") -> None:
        self.name, self.form, self.client = secrets.token_urlsafe(12), form, client
        self.progress = 0.0
        self.finished: float | None = None
        self.work: RequestWork | None = None
        self.future: Future[tuple[list[Result], list[Failure]]] | None = None

    def notify(self, share: float) -> None:
        """Set the share that is done; it never falls, although decoders jump about in a file."""
        self.progress = max(self.progress, min(share, 0.999))

    def stop(self) -> None:
        """Do not start, or stop within a block."""
        if self.work:
            self.work.stop.set()
        if self.future and self.future.cancel() and self.work:
            self.work.form.close()

    @property
    def state(self) -> str:
        """waiting, running, done or failed."""
        if self.future is None or not (self.future.running() or self.future.done()):
            return "waiting"
        if self.future.running():
            return "running"
        return "failed" if self.future.cancelled() or self.future.exception() else "done"

    def as_table(self) -> dict[str, Any]:
        """The job as a client sees it."""
        state = self.state
        table: dict[str, Any] = {"job": self.name, "state": state, "progress": round(self.progress, 3)}
        if state == "done" and self.future:
            results, failures = self.future.result()
            try:
                return {**table, "progress": 1.0, **outcome_of(results, failures, self.form)}
            except Refusal as refusal:
                return {**table, "state": "failed", **failure_of(refusal)}
        if state == "failed" and self.future:
            table |= failure_of(None if self.future.cancelled() else self.future.exception())
        return table


class JobQueue(Protocol):
    """Where jobs are: in memory (:class:`Jobs`) or in a store (``stored_jobs``)."""

    def open(self) -> None:
        """Start working: the server starts."""

    def stop(self) -> None:
        """Stop everything: the server stops."""

    def room(self, client: str) -> None:
        """Check that there is room for one more of a client's jobs, or refuse with 429."""

    def begin(self, form: Form, ask: PredictRequest, client: str) -> str:
        """Have the work done that a form asks for, and see to the form; the job's name. Refuses as :meth:`room`."""

    def look(self, name: str) -> dict[str, Any]:
        """The job as a client sees it, or a refusal with 404."""

    def remove(self, name: str) -> None:
        """Stop and delete a job, or refuse with 404."""


class Held(Protocol):
    """What counts against the limits."""

    @property
    def name(self) -> str: ...
    @property
    def client(self) -> str: ...
    @property
    def finished(self) -> float | None: ...


def in_the_way(held: Sequence[Held], limits: Limits, client: str) -> list[str]:
    """The names of finished jobs that have to go for one more job of a client.

    Raises
    ------
    Refusal
        429 if too many are not finished yet.
    """
    allowed = most(limits.jobs, limits.share)
    unfinished = Counter(job.client for job in held if job.finished is None)
    if unfinished.total() >= limits.jobs:
        raise busy(f"the server already works on {limits.jobs} jobs; try again in a while.", 30)
    if unfinished[client] >= allowed:
        raise busy(f"the server already works on {allowed} jobs of yours; try again in a while.", 30)
    # The results of the client with the most go first, so that nobody can push out those of others.
    done = [job for job in held if job.finished is not None]
    counts = Counter(job.client for job in held)
    done.sort(key=lambda job: (-counts[job.client], job.finished or 0.0))
    return [job.name for job in done[: max(0, len(held) - limits.jobs + 1)]]


def no_such_job() -> Refusal:
    """404."""
    return Refusal(404, "there is no such job; results are kept for a while only.")


class Jobs:
    """The jobs at hand, in memory.

    Parameters
    ----------
    service : Service
    clock : callable
        A monotonic clock, in seconds.
    """

    def __init__(self, service: Service, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._service, self._clock, self._limits = service, clock, service.settings.limits
        self._held: dict[str, Job] = {}
        self._lock = threading.Lock()

    def open(self) -> None:
        """Nothing to do: no earlier jobs wait."""

    def stop(self) -> None:
        """Stop everything: the server stops."""
        for job in list(self._held.values()):
            job.stop()

    def room(self, client: str) -> None:
        """Check that there is room for one more of a client's jobs, or refuse with 429."""
        with self._lock:
            self._forget_old()
            in_the_way(list(self._held.values()), self._limits, client)

    def begin(self, form: Form, ask: PredictRequest, client: str) -> str:
        """Start the work; return the job's name."""
        job = Job(ask.form, client)
        job.work = RequestWork(self._service, form, ask, True, job.notify)
        with self._lock:
            self._forget_old()
            try:
                names = in_the_way(list(self._held.values()), self._limits, client)
            except Refusal:
                form.close()
                raise
            for name in names:
                del self._held[name]
            self._held[job.name] = job
            job.future = self._service.engine.jobs.submit(job.work.run)
        job.future.add_done_callback(lambda future: setattr(job, "finished", self._clock()))
        return job.name

    def look(self, name: str) -> dict[str, Any]:
        """The job as a client sees it, or a refusal with 404."""
        return self._find(name).as_table()

    def remove(self, name: str) -> None:
        """Stop and delete a job, or refuse with 404."""
        self._find(name, forget=True).stop()

    def _find(self, name: str, *, forget: bool = False) -> Job:
        with self._lock:
            self._forget_old()
            if name not in self._held:
                raise no_such_job()
            return self._held.pop(name) if forget else self._held[name]

    def _forget_old(self) -> None:
        before = self._clock() - self._limits.kept
        for job in [j for j in self._held.values() if j.finished is not None and j.finished < before]:
            del self._held[job.name]


def routes(service: Service, jobs: JobQueue) -> APIRouter:
    """The addresses and what answers there."""
    router = APIRouter(tags=["jobs"])
    where = f"{_KEPT} With `--store` they outlive the server and are shared by its processes."

    @router.post(
        "/v1/jobs", summary="Begin work on long recordings", status_code=202, openapi_extra=BODY, description=where,
        responses=documented(408, 413, 415, 422, 429, 501, 503),
    )  # fmt: skip
    async def begin(request: Request) -> dict[str, str]:
        alone(service)
        client = client_of(request.scope)
        await asyncio.to_thread(jobs.room, client)
        with service.recordings.one(client):
            form = await read_form(request, service.settings.limits)
            ask = ask_of(form)
            return {"job": await asyncio.to_thread(jobs.begin, form, ask, client)}

    @router.get("/v1/jobs/{name}", summary="How far it is, and its results", responses=documented(404, 422))
    async def look(name: str) -> JSONResponse:
        return JSONResponse(await asyncio.to_thread(jobs.look, name))

    @router.delete(
        "/v1/jobs/{name}", summary="Stop and forget", status_code=204, responses=documented(404, 422),
        response_class=Response,
        description="Its recordings and results are deleted, whichever process works on it: it ends within a second.",
    )  # fmt: skip
    async def forget(name: str) -> Response:
        await asyncio.to_thread(jobs.remove, name)
        return Response(status_code=204)

    return router


def alone(service: Service) -> None:
    """Refuse if several processes would have to share what is held in memory; they can share a store.

    Raises
    ------
    Refusal
        501.
    """
    if service.settings.workers > 1 and service.database is None:
        raise Refusal(
            501, "this server runs as several processes, which share no memory; "
            "for this it needs --store FOLDER, which they share, or --workers 1.",
        )  # fmt: skip


def outcome_of(results: list[Result], failures: list[Failure], form: str) -> dict[str, Any]:
    """The outcome of a finished job, as a client gets it.

    Raises
    ------
    Refusal
        If the format cannot hold these results.
    """
    text = written(results, failures, form)  # refuses what the format cannot hold
    if form == "json":
        failed = {"failures": [failure.model_dump() for failure in failures]} if failures else {}
        return {**document(results), **failed}
    return {**document(results), "format": form, "text": text}


def failure_of(error: BaseException | None) -> dict[str, Any]:
    """The outcome of a failed job, as a client gets it: the reason and, where known, the recordings."""
    if isinstance(error, Refusal):
        failures = [failure.model_dump() for failure in error.failures]
        return {"reason": error.reason, **({"failures": failures} if failures else {})}
    return {"reason": str(error) if isinstance(error, AffektError) else "stopped, or broken: see the server's log."}
