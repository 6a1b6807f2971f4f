"""Jobs in a store: they outlive the process, and any process of the server may work on them."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from affekt.errors import AffektError
from affekt.server.database import ClaimedJob, Database, HeldJob
from affekt.server.jobs import failure_of, in_the_way, no_such_job, outcome_of
from affekt.server.predict import PredictRequest, RequestWork
from affekt.server.refusals import Refusal
from affekt.server.service import Service
from affekt.server.uploads import Form, Upload

#: Seconds between heartbeats: progress, and the deletion of a job, may take this long to show.
BEAT = 0.5

log = logging.getLogger("affekt.server")


class RunningJob:
    """A job that this process works on."""

    def __init__(self, job: ClaimedJob) -> None:
        self.job, self.progress, self.stop = job, 0.0, threading.Event()

    def notify(self, share: float) -> None:
        """Set the share that is done; it never falls, although decoders jump about in a file."""
        self.progress = max(self.progress, min(share, 0.999))


class StoredJobs:
    """The jobs of a store.

    One thread sends heartbeats, notices jobs deleted elsewhere, and claims waiting ones; others do the work.

    Parameters
    ----------
    service : Service
    database : Database
    """

    def __init__(self, service: Service, database: Database) -> None:
        self._service, self._database, self._limits = service, database, service.settings.limits
        self._running: dict[str, RunningJob] = {}
        self._lock, self._wake, self._ending = threading.Lock(), threading.Event(), False
        self._thread = threading.Thread(target=self._keep_beating, name="jobs-beat", daemon=True)

    def open(self) -> None:
        """Start working, with the jobs left from before."""
        self._thread.start()

    def stop(self) -> None:
        """Requeue the running jobs: the server stops."""
        self._ending = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        for running in self._at_hand().values():
            running.stop.set()

    def room(self, client: str) -> None:
        """Check that there is room for one more of a client's jobs, or refuse with 429."""
        in_the_way(self._database.held(), self._limits, client)

    def begin(self, form: Form, ask: PredictRequest, client: str) -> str:
        """Keep the recordings until a process works on them; return the job's name.

        Raises
        ------
        Refusal
            429 if there is no room for it, 503 if the store is full.
        """
        try:
            store = self._service.store
            if store and not store.room(sum(upload.size for upload in form.everything)):
                raise Refusal(503, "the server's store is full; whoever runs it has to make room.")
            sources = [upload.source for upload in form.everything]
            said = {"captions": True} if form.captions else {}
            request = json.dumps({"fields": dict(form.fields), "sources": sources, **said})

            def room(held: Sequence[HeldJob]) -> Sequence[str]:
                return in_the_way(held, self._limits, client)

            name = self._database.add_job(client, request, form.everything, room=room)
        finally:
            form.close()
        self._wake.set()
        return name

    def look(self, name: str) -> dict[str, Any]:
        """The job as a client sees it, or a refusal with 404."""
        row = self._database.job(name, kept=self._limits.kept)
        if row is None:
            raise no_such_job()
        progress = 1.0 if row.state == "done" else round(row.progress, 3)
        return {"job": row.name, "state": row.state, "progress": progress, **json.loads(row.outcome or "{}")}

    def remove(self, name: str) -> None:
        """Stop and delete a job, or refuse with 404."""
        self.look(name)
        claim = self._database.remove_job(name)
        if claim in (running := self._at_hand()):
            running[claim].stop.set()

    def beat(self) -> None:
        """Send a heartbeat, stop lost jobs, claim waiting ones."""
        running = self._at_hand()
        progress = {claim: job.progress for claim, job in running.items()}
        for claim in self._database.beat(progress, kept=self._limits.kept):
            running[claim].stop.set()
        while not self._ending and len(self._at_hand()) < self._service.settings.cores:
            if (claimed := self._database.claim()) is None:
                return
            with self._lock:
                self._running[claimed.claim] = job = RunningJob(claimed)
            self._service.engine.jobs.submit(self._work, job)

    def _at_hand(self) -> dict[str, RunningJob]:
        with self._lock:
            return dict(self._running)

    def _keep_beating(self) -> None:
        while not self._ending:
            try:
                self.beat()
            except (sqlite3.Error, OSError):  # a full disk, or a lock held too long: the next beat may do better
                log.exception("jobs are not worked on")
            self._wake.wait(BEAT)
            self._wake.clear()

    def _work(self, job: RunningJob) -> None:
        """Do a whole job, on a thread."""
        claim = job.job.claim
        try:
            self._database.finish(claim, *self._outcome(job))
        except InterruptedError:
            self._database.release(claim)  # to be claimed after a restart; does nothing if it was deleted
        except (sqlite3.Error, OSError):
            log.exception("a job's end could not be stored")  # without heartbeats it is started again
        finally:
            with self._lock:
                del self._running[claim]
            self._wake.set()

    def _outcome(self, job: RunningJob) -> tuple[str, str]:
        """State and outcome."""
        request = json.loads(job.job.request)
        try:
            ask = PredictRequest.of(request["fields"], len(request["sources"]) - bool(request.get("captions")))
            form = _form(request, self._database.recordings(job.job.name))
            work = RequestWork(self._service, form, ask, True, job.notify, job.stop)
            return "done", json.dumps(outcome_of(*work.run(), ask.form))
        except InterruptedError:
            raise
        except Exception as error:
            if not isinstance(error, (Refusal, AffektError)):
                log.exception("a job broke")
            return "failed", json.dumps(failure_of(error))


def _form(request: dict[str, Any], paths: Sequence[Path]) -> Form:
    """The recordings of a job as they came."""
    try:
        opened = [(path.open("rb"), path.stat().st_size) for path in paths]
    except FileNotFoundError:
        opened = []
    if len(opened) != len(request["sources"]):
        raise Refusal(404, "its recordings are gone; send them again.")  # deleted meanwhile, or by hand
    uploads = tuple(Upload(source, *given) for source, given in zip(request["sources"], opened, strict=True))
    if request.get("captions"):
        return Form(request["fields"], uploads[:-1], uploads[-1])
    return Form(request["fields"], uploads)
