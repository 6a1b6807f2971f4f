"""Give shards to workers, and handle workers that die: the same for all engines."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from affekt.archive.shards import Shard
from affekt.errors import StoreError

#: Takes the position of the input that is begun, and the seconds that it may take.
Tell = Callable[[int, float], None]
#: What a shard is done with, and whom to tell, to its state.
Work = Callable[[Shard, Tell], dict[str, Any]]
#: Kinds of failure of an input that its worker did not survive.
DIED, TIMEOUT = "died", "timeout"


@dataclass(frozen=True)
class Done:
    """A shard that is committed, and its state."""

    shard: Shard
    state: dict[str, Any]


@dataclass(frozen=True)
class Died:
    """A shard whose worker died, at which input (None: before the first), how, and whether it had taken too long."""

    shard: Shard
    index: int | None
    reason: str
    overdue: bool = False


class Executor(Protocol):
    """Workers that each opened what they need once. Exceptions of the work itself come out of :meth:`wait`."""

    @property
    def workers(self) -> int:
        """How many shards may be given out at once; it may change."""

    def open(self, fn: Callable[[], Work]) -> None:
        """Say what workers open when they start."""

    def submit(self, shard: Shard) -> None:
        """Give a shard to a worker that is free; there are never more shards than workers."""

    def wait(self) -> list[Done | Died]:
        """Wait until some are over, or there are more workers."""

    def close(self) -> None:
        """End all workers."""


def map_shards(
    fn: Callable[[], Work], shards: Iterable[Shard], executor: Executor, *, tries: int = 3
) -> Iterator[dict[str, Any]]:
    """Process shards with an executor's workers; yield each shard's state when it is committed.

    A worker that dies (out of memory, a crash in a decoder, a timeout) is replaced, and its shard is tried again
    alone: no other worker runs meanwhile, so that it has all of the memory. An input at which workers died ``tries``
    times is set aside, and the rest of its shard is done.

    Parameters
    ----------
    fn : callable
        Opens what a worker needs, and returns what works on shards; both happen in the worker.
    shards : iterable of Shard
        Read no faster than they are worked on.
    executor : Executor
    tries : int

    Yields
    ------
    dict
        The state of each shard.

    Raises
    ------
    StoreError
        If workers die before they start on any input.
    """
    source, retried = iter(shards), deque[Shard]()
    running, is_over = 0, False
    strikes: Counter[tuple[int, int | None]] = Counter()
    executor.open(fn)
    try:
        while True:
            while running < executor.workers and not (retried and running):
                shard = retried.popleft() if retried else next(source, None)
                if shard is None:
                    is_over = True
                    break
                executor.submit(shard)
                running += 1
                if strikes and any(number == shard.number for number, _ in strikes):
                    break
            if is_over and not running and not retried:
                return
            for event in executor.wait():
                running -= 1
                if isinstance(event, Done):
                    strikes = Counter({key: n for key, n in strikes.items() if key[0] != event.shard.number})
                    yield event.state
                    continue
                key = (event.shard.number, event.index)
                strikes[key] += 1
                retried.append(_next_try(event, strikes[key], tries))
    finally:
        executor.close()


def _next_try(event: Died, strikes: int, tries: int) -> Shard:
    """The shard to try now: without the input that killed its workers, if that was its last chance."""
    if strikes < tries:
        return event.shard
    if event.index is None:
        raise StoreError(
            f"workers die before their first recording ({event.reason}, {strikes} times). Use fewer --workers, or a "
            "machine with more memory."
        )
    times = f"{strikes} time{'s' * (strikes != 1)}"
    if event.overdue:
        why = TIMEOUT, f"it took longer than it may, {times}. Where it only is slow: a larger --limit, --retry-failed."
    else:
        why = DIED, f"the worker died of it {times} ({event.reason})."
    return replace(event.shard, set_aside={**event.shard.set_aside, event.index: why})
