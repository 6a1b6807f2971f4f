"""Many streams, few threads: whoever has signal stands in a line, and threads work it off.

A thread that has finished with one stream takes the next by itself, and
everything that was finished meanwhile is delivered to the event loop at once:
the more streams there are, the fewer times threads and loop wake one another.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

#: Work of a stream, done on a thread, and what takes its outcome or its error on the event loop.
Work = Callable[[], list[str]]
Take = Callable[[list[str], BaseException | None], None]


class FairQueue:
    """The line of streams, and the threads at its end.

    Parameters
    ----------
    pool : executor
    threads : int
        How many of the pool's to use.
    """

    def __init__(self, pool: ThreadPoolExecutor, threads: int) -> None:
        self._pool, self._idle = pool, threads
        self._lock = threading.Lock()
        self._line: deque[tuple[asyncio.AbstractEventLoop, Work, Take]] = deque()
        self._done: deque[tuple[Take, list[str], BaseException | None]] = deque()
        self._notified = False

    def submit(self, work: Work, take: Take) -> None:
        """Stand in line; call it on the event loop, where ``take`` will be called, too."""
        with self._lock:
            self._line.append((asyncio.get_running_loop(), work, take))
            if not self._idle:
                return
            self._idle -= 1
        self._pool.submit(self._work_off)

    def _work_off(self) -> None:
        while True:
            with self._lock:
                if not self._line:
                    self._idle += 1
                    return
                loop, work, take = self._line.popleft()
            outcome: list[str] = []
            trouble: BaseException | None = None
            try:
                outcome = work()
            except BaseException as error:  # whatever it is, the stream has to learn of it
                trouble = error
            with self._lock:
                self._done.append((take, outcome, trouble))
                tell, self._notified = not self._notified, True
            if tell:
                loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            done, self._done, self._notified = self._done, deque(), False
        for take, outcome, trouble in done:
            take(outcome, trouble)
