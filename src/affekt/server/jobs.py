"""``/v1/jobs``: long recordings, worked on while nobody waits, with how far they are."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from affekt.errors import AffektError
from affekt.server.predict import BODY, RequestWork, ask_of, written
from affekt.server.refusals import Failure, Refusal, busy, documented
from affekt.server.service import Service
from affekt.server.slots import client_of, most
from affekt.server.uploads import read_form
from affekt.types import Result
from affekt.write.predictions import document


class Job:
    """Recordings that are worked on, or were."""

    def __init__(self, form: str, client: str = "") -> None:
        self.name, self.form, self.client = secrets.token_urlsafe(12), form, client
        self.progress = 0.0
        self.finished: float | None = None
        self.work: RequestWork | None = None
        self.future: Future[tuple[list[Result], list[Failure]]] | None = None

    def notify(self, share: float) -> None:
        """How much is done; never less than before, because decoders jump about in a file."""
        self.progress = max(self.progress, min(share, 0.999))

    def stop(self) -> None:
        """Do not begin, or end within a block."""
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
        """What a client gets of it."""
        state = self.state
        table: dict[str, Any] = {"job": self.name, "state": state, "progress": round(self.progress, 3)}
        if state == "done" and self.future:
            results, failures = self.future.result()
            try:
                return {**table, "progress": 1.0, **_outcome(results, failures, self.form)}
            except Refusal as refusal:
                failed = [failure.model_dump() for failure in refusal.failures]
                return {**table, "state": "failed", "reason": refusal.reason, "failures": failed}
        if state == "failed":
            table["reason"] = _reason(self.future)
        return table


@dataclass(frozen=True)
class Jobs:
    """The jobs at hand.

    Parameters
    ----------
    limit : int
        How many, finished ones among them.
    kept : float
        Seconds that a finished one is held.
    pool : executor
    share : float
        How much of the limit one client may have.
    clock : callable
        Seconds that only ever grow.
    """

    limit: int
    kept: float
    pool: ThreadPoolExecutor
    held: dict[str, Job]
    share: float = 1.0
    clock: Callable[[], float] = time.monotonic

    def room(self, client: str) -> None:
        """Make room for one more of a client.

        Raises
        ------
        Refusal
            429 if too many are not finished yet.
        """
        self._forget_old()
        allowed = most(self.limit, self.share)
        unfinished = Counter(job.client for job in self.held.values() if job.finished is None)
        if unfinished.total() >= self.limit:
            raise busy(f"the server already works on {self.limit} jobs; try again in a while.", 30)
        if unfinished[client] >= allowed:
            raise busy(f"the server already works on {allowed} jobs of yours; try again in a while.", 30)
        # The results of whoever has most go first, so that nobody can push out those of others.
        done = [job for job in self.held.values() if job.finished is not None]
        counts = Counter(job.client for job in self.held.values())
        done.sort(key=lambda job: (-counts[job.client], job.finished or 0.0))
        for job in done[: max(0, len(self.held) - self.limit + 1)]:
            del self.held[job.name]

    def start(self, job: Job, work: RequestWork) -> None:
        """Have it done."""
        self.held[job.name] = job
        job.work = work
        job.future = self.pool.submit(work.run)
        job.future.add_done_callback(lambda future: setattr(job, "finished", self.clock()))

    def find(self, name: str) -> Job:
        """By its name.

        Raises
        ------
        Refusal
            404 if there is no such, or it was forgotten.
        """
        self._forget_old()
        if name not in self.held:
            raise Refusal(404, "there is no such job; results are kept for a while only.")
        return self.held[name]

    def remove(self, name: str) -> None:
        """Stop and forget one."""
        self.find(name).stop()
        del self.held[name]

    def stop(self) -> None:
        """Stop all: the server ends."""
        for job in self.held.values():
            job.stop()

    def _forget_old(self) -> None:
        before = self.clock() - self.kept
        for job in [j for j in self.held.values() if j.finished is not None and j.finished < before]:
            del self.held[job.name]


def routes(service: Service, jobs: Jobs) -> APIRouter:
    """The addresses and what answers there."""
    router = APIRouter(tags=["jobs"])
    limits = service.settings.limits

    @router.post(
        "/v1/jobs", summary="Begin work on long recordings", status_code=202, openapi_extra=BODY,
        responses=documented(408, 413, 415, 422, 429, 501),
    )  # fmt: skip
    async def begin(request: Request) -> dict[str, str]:
        alone(service)
        client = client_of(request.scope)
        jobs.room(client)
        with service.recordings.one(client):
            form = await read_form(request, limits)
            ask = ask_of(form)
            try:
                jobs.room(client)
            except Refusal:
                form.close()
                raise
            job = Job(ask.form, client)
            jobs.start(job, RequestWork(service, form, ask, limits.job_seconds, job.notify))
        return {"job": job.name}

    @router.get("/v1/jobs/{name}", summary="How far it is, and its results", responses=documented(404, 422))
    async def look(name: str) -> JSONResponse:
        return JSONResponse(jobs.find(name).as_table())

    @router.delete(
        "/v1/jobs/{name}", summary="Stop and forget", status_code=204, responses=documented(404, 422),
        response_class=Response,
    )  # fmt: skip
    async def forget(name: str) -> Response:
        jobs.remove(name)
        return Response(status_code=204)

    return router


def alone(service: Service) -> None:
    """What is held in memory is there for the next request only where there is one process.

    Raises
    ------
    Refusal
        501.
    """
    if service.settings.workers > 1:
        raise Refusal(
            501, "this server runs as several processes, which share no memory; it needs --workers 1 for this."
        )


def _outcome(results: list[Result], failures: list[Failure], form: str) -> dict[str, Any]:
    text = written(results, failures, form)  # refuses what the format has no place for
    if form == "json":
        failed = {"failures": [failure.model_dump() for failure in failures]} if failures else {}
        return {**document(results), **failed}
    return {**document(results), "format": form, "text": text}


def _reason(future: Future[Any] | None) -> str:
    error = None if future is None or future.cancelled() else future.exception()
    if isinstance(error, Refusal):
        return error.reason
    return str(error) if isinstance(error, AffektError) else "stopped, or broken: see the server's log."
