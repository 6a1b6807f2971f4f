"""The engine of one machine: processes, each with one opened model."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from affekt.archive.engine import Died, Done, Work
from affekt.archive.shards import Shard
from affekt.errors import StoreError


@dataclass
class _Worker:
    """A process, what connects to it, the shard it works on and the input that it began."""

    process: SpawnProcess
    connection: Connection
    shard: Shard | None = None
    index: int | None = None


class Processes:
    """Workers as processes of this machine.

    They are started as new programs, so that nothing of the caller's threads or models is in them, and end by
    themselves when the caller is killed.

    Parameters
    ----------
    workers : int
        By default one per core.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1
        self._context = multiprocessing.get_context("spawn")
        self._fn: Callable[[], Work] | None = None
        self._team: list[_Worker] = []

    def open(self, fn: Callable[[], Work]) -> None:
        """Say what workers open when they start; they start when there is something to do."""
        self._fn = fn

    def submit(self, shard: Shard) -> None:
        """Give a shard to a worker that is free, or to a new one."""
        worker = next((one for one in self._team if one.shard is None), None) or self._start()
        worker.shard, worker.index = shard, None
        with contextlib.suppress(OSError):  # it died while it was idle; wait() finds that out
            worker.connection.send_bytes(json.dumps(shard.record()).encode())

    def wait(self) -> list[Done | Died]:
        """Wait until some shards are over, and replace workers that died."""
        events: list[Done | Died] = []
        while not events:
            busy = {one.connection: one for one in self._team if one.shard}
            for connection in wait(list(busy)):
                event = self._heard(busy[connection])  # type: ignore[index]
                events += [event] if event else []
        return events

    def close(self) -> None:
        """End all workers, at once."""
        for one in self._team:
            one.process.kill()
        for one in self._team:
            one.process.join()
            one.connection.close()
        self._team = []

    def _start(self) -> _Worker:
        here, there = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._fn, there), daemon=True)
        process.start()
        # Only the worker may hold its end, or its death would not be seen here.
        there.close()
        self._team.append(_Worker(process, here))
        return self._team[-1]

    def _heard(self, worker: _Worker) -> Done | Died | None:
        assert worker.shard is not None
        try:
            message = json.loads(worker.connection.recv_bytes())
        except (EOFError, OSError):
            return self._bury(worker)
        if "begun" in message:
            worker.index = message["begun"]
            return None
        if "error" in message:
            raise _error_of(message["error"])
        shard, worker.shard = worker.shard, None
        return Done(shard, message["state"])

    def _bury(self, worker: _Worker) -> Died:
        worker.process.join()
        worker.connection.close()
        self._team.remove(worker)
        assert worker.shard is not None
        code = worker.process.exitcode or 0
        reason = f"signal {-code}, {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return Died(worker.shard, worker.index, reason, -code == getattr(signal, "SIGALRM", None))


def _error_of(plain: dict[str, Any]) -> Exception:
    """What a worker could not go on after: of its disk, or its surroundings; no recording's fault."""
    if plain["errno"]:
        return OSError(plain["errno"], os.strerror(plain["errno"]), plain["file"])
    return StoreError(plain["text"])


def _serve(fn: Callable[[], Work], connection: Connection) -> None:
    """What a worker does: open, and work on shards until nobody gives any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's

    def send(**message: Any) -> None:
        connection.send_bytes(json.dumps(message).encode())

    try:
        work = fn()
        while True:
            shard = Shard.of(json.loads(connection.recv_bytes()))
            send(state=work(shard, lambda index, seconds: send(begun=index)))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        number = getattr(error, "errno", None)
        plain = {"errno": number, "file": getattr(error, "filename", None), "text": f"{error or type(error).__name__}"}
        send(error=plain)
