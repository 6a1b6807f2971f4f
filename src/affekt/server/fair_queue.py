"""Many clients, few threads: work is queued per client, and threads work it off.

A thread that has finished with one stream takes the next by itself, and
everything finished meanwhile is delivered to the event loop at once:
the more streams there are, the less often threads and loop wake each other.
Clients take turns, however much each has queued.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

#: The work, done on a thread, and the callback for its outcome or error, on the event loop.
Work = Callable[[], Any]
Take = Callable[[Any, BaseException | None], None]


class FairQueue:
    """The queue, and the threads that serve it.

    Parameters
    ----------
    pool : executor
    threads : int
        How many of the pool's threads to use.
    most : int, optional
        How many of them one client may have at a time; by default all.
    patience : float
        Seconds that an outcome may wait for others while a thread has more to do; waking the event loop costs as much
        as a step of a stream. Only where all work is short: it is not interrupted.
    """

    def __init__(
        self, pool: ThreadPoolExecutor, threads: int, *, most: int | None = None, patience: float = 0.0
    ) -> None:
        self._pool, self._idle, self._most, self._patience = pool, threads, most or threads, patience
        self._lock = threading.Lock()
        #: By client, the next one first.
        self._line: OrderedDict[str, deque[tuple[Work, Take]]] = OrderedDict()
        self._busy: Counter[str] = Counter()
        self._done: deque[tuple[Take, Any, BaseException | None]] = deque()
        self._notified = False
        self._loop: asyncio.AbstractEventLoop | None = None
        #: When the first of those that are done was.
        self._since = 0.0

    @property
    def is_free(self) -> bool:
        """Whether the queue is empty."""
        return not self._line

    def submit(self, work: Work, take: Take, *, client: str = "") -> None:
        """Queue work; call this on the event loop, where ``take`` will be called, too."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
            self._line.setdefault(client, deque()).append((work, take))
            if not self._idle or self._busy[client] >= self._most:
                return
            self._idle -= 1
        self._pool.submit(self._work_off)

    def future(self, work: Work, *, client: str = "") -> asyncio.Future[Any]:
        """Queue work, and return a future of its outcome; call this on the event loop."""
        found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def take(outcome: Any, error: BaseException | None) -> None:
            if not found.done():
                found.set_exception(error) if error else found.set_result(outcome)

        self.submit(work, take, client=client)
        return found

    def _next(self) -> tuple[str, Work, Take] | None:
        """The next work; its client goes to the end of the queue."""
        client = next((client for client in self._line if self._busy[client] < self._most), None)
        if client is None:
            return None
        waiting = self._line.pop(client)
        found = waiting.popleft()
        if waiting:
            self._line[client] = waiting
        self._busy[client] += 1
        return client, *found

    def _work_off(self) -> None:
        while True:
            with self._lock:
                found = self._next()
                self._idle += found is None
                is_due = found is None or time.monotonic() - self._since >= self._patience
                tell = is_due and bool(self._done) and not self._notified
                self._notified = self._notified or tell
            if tell and self._loop:
                self._loop.call_soon_threadsafe(self._deliver)
            if found is None:
                return
            client, work, take = found
            outcome: Any = None
            trouble: BaseException | None = None
            try:
                outcome = work()
            except BaseException as error:  # whatever it is, the caller must learn of it
                trouble = error
            with self._lock:
                self._busy[client] -= 1
                if not self._busy[client]:
                    del self._busy[client]
                if not self._done:
                    self._since = time.monotonic()
                self._done.append((take, outcome, trouble))

    def _deliver(self) -> None:
        with self._lock:
            done, self._done, self._notified = self._done, deque(), False
        for take, outcome, trouble in done:
            take(outcome, trouble)
