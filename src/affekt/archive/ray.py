"""The engine of many machines: actors of a Ray cluster, each with one opened model.

Actors of Ray Core, not ``map_batches`` of Ray Data: if an actor dies, Ray Data tries its whole batch again and
never says which recording was the cause; here that recording is set aside, as with the other engine.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from affekt._optional import require
from affekt.archive.engine import Died, Done, Work
from affekt.archive.shards import Shard
from affekt.errors import StoreError

#: Seconds that the first actor may take to be there: a node may have to be started for it.
PATIENCE = 600.0
#: Actors that may die before they are open, for each that is wanted, until it is taken to be no accident.
_UNOPENED = 3


@dataclass
class _Member:
    """An actor, what says that it is open, and the shard that it works on with what will say that it is done."""

    name: str
    actor: Any
    opening: Any
    shard: Shard | None = None
    working: Any = None


class RayActors:
    """Workers as actors of a cluster.

    Only actors that are open get shards: while a node that died is replaced, or a new one is started by the
    autoscaler, the others go on. All nodes must have affekt, and see the recordings and the output under the same
    names.

    Parameters
    ----------
    address : str, optional
        Of a cluster, such as ``ray://head:10001``; by default the cluster of this machine, or a new one.
    workers : int, optional
        By default one for each core of the cluster.
    """

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        self._ray: Any = require("ray", extra="ray")
        if not self._ray.is_initialized():
            if address and address not in ("auto", "local"):
                _knock(address)
            try:
                self._ray.init(address=address, log_to_driver=False, configure_logging=False)
            except Exception as error:  # Ray's own, by the kind of address
                raise StoreError(
                    f"--address {address}: no Ray cluster answers there ({type(error).__name__}: {error})."
                ) from error
        self._wanted = workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        self._team: list[_Member] = []
        self._fn: Callable[[], Work] | None = None
        self._board: Any = None
        self._begun = self._unopened = 0

    @property
    def workers(self) -> int:
        """How many actors are open now: what may be given out."""
        return sum(one.opening is None for one in self._team)

    def open(self, fn: Callable[[], Work]) -> None:
        """Begin actors, and wait until the first is open."""
        self._fn = fn
        # On the caller's node, which outlives all others as far as this run goes, and on no core of its own.
        place = require("ray.util.scheduling_strategies", extra="ray").NodeAffinitySchedulingStrategy(
            self._ray.get_runtime_context().get_node_id(), soft=False
        )
        self._board = self._ray.remote(num_cpus=0, scheduling_strategy=place)(_Board).remote()
        for _ in range(self._wanted):
            self._begin()
        opening = [one.opening for one in self._team]
        ready, _ = self._ray.wait(opening, timeout=PATIENCE)
        if not ready:
            raise StoreError(f"no worker could be started within {PATIENCE:g} s; has the cluster a core that is free?")
        self._note_open(ready)

    def submit(self, shard: Shard) -> None:
        """Give a shard to an actor that is free."""
        member = next(one for one in self._team if one.opening is None and one.shard is None)
        member.shard, member.working = shard, member.actor.work.remote(shard.record())

    def wait(self) -> list[Done | Died]:
        """Wait until a shard is over, or an actor is open that was not."""
        working = {one.working: one for one in self._team if one.shard}
        opening = [one.opening for one in self._team if one.opening is not None]
        ready, _ = self._ray.wait([*working, *opening], num_returns=1, timeout=None if working else PATIENCE)
        if not ready:
            raise StoreError(f"all workers are gone, and no other was there within {PATIENCE:g} s. Run it again.")
        self._note_open([one for one in ready if one not in working])
        return [self._over(working[one]) for one in ready if one in working]

    def close(self) -> None:
        """End all actors."""
        for actor in [one.actor for one in self._team] + [self._board] * (self._board is not None):
            self._ray.kill(actor)
        self._team = []

    def _begin(self) -> None:
        self._begun += 1
        name = f"worker {self._begun}"
        actor = self._ray.remote(num_cpus=1, max_restarts=0)(_Worker).remote(self._fn, self._board, name)
        self._team.append(_Member(name, actor, actor.ready.remote()))

    def _replace(self, member: _Member) -> None:
        self._team.remove(member)
        self._ray.kill(member.actor)  # one that only cannot be reached would go on
        self._begin()

    def _note_open(self, ready: list[Any]) -> None:
        errors = self._ray.exceptions
        for one in [one for one in self._team if one.opening in ready]:
            try:
                self._ray.get(one.opening)
                one.opening, self._unopened = None, 0
            except errors.RayTaskError as error:
                raise _surroundings(error) from error
            except errors.RayError as error:
                if getattr(error, "actor_init_failed", False):
                    raise StoreError(f"a worker cannot open what it needs: {_last_line(error)}") from error
                # It, or its node, died meanwhile.
                self._unopened += 1
                if self._unopened >= _UNOPENED * self._wanted:
                    raise StoreError(
                        f"workers die before they are open, {self._unopened} of them one after the other "
                        f"({_last_line(error)}). Use fewer --workers, or machines with more memory."
                    ) from error
                self._replace(one)

    def _over(self, member: _Member) -> Done | Died:
        errors, shard = self._ray.exceptions, member.shard
        assert shard is not None
        try:
            state = self._ray.get(member.working)
        except errors.RayTaskError as error:
            raise _surroundings(error) from error
        except errors.RayError as error:
            self._replace(member)
            index, is_overdue = self._ray.get(self._board.asked.remote(member.name, shard.number))
            return Died(shard, index, f"{type(error).__name__}", is_overdue)
        member.shard = member.working = None
        return Done(shard, state)


def _knock(address: str) -> None:
    """Raise StoreError where nobody answers: Ray itself would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise StoreError(
            f"--address {address}: nobody answers there ({error}); give ray://HOST:PORT, such as ray://head:10001."
        ) from error


def _surroundings(error: Any) -> Exception:
    """What a worker could not go on after: no recording's fault."""
    cause = error.cause
    return cause if isinstance(cause, OSError) else StoreError(_last_line(cause))


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


class _Board:
    """Who began with which input: asked when an actor is dead and cannot say it."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[int, int, float]] = {}

    def note(self, name: str, number: int, index: int, seconds: float) -> None:
        self._begun[name] = (number, index, time.monotonic() + seconds)

    def asked(self, name: str, number: int) -> tuple[int | None, bool]:
        """The input of a shard, and whether its time is over: by this clock alone, whatever others say."""
        shard, index, end = self._begun.get(name, (-1, -1, 0.0))
        return (index, time.monotonic() >= end) if shard == number else (None, False)


class _Worker:
    """What an actor is: opened once, and then given shards."""

    def __init__(self, fn: Callable[[], Work], board: Any, name: str) -> None:
        self._work, self._board, self._name = fn(), board, name

    def ready(self) -> None:
        """Answer when open."""

    def work(self, plain: dict[str, Any]) -> dict[str, Any]:
        ray, shard = require("ray", extra="ray"), Shard.of(plain)

        def tell(index: int, seconds: float) -> None:
            # Waited for, or it would die with who says it.
            ray.get(self._board.note.remote(self._name, shard.number, index, seconds))

        return self._work(shard, tell)
