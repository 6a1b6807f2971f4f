"""Slow requests, many at once, with answers in order: asking a server about each file in turn takes too long."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")
#: Questions at once, and how many items may wait behind the first.
_THREADS, _WAITING = 16, 64


def mapped(fn: Callable[[_T], _R], items: Iterable[_T], *, is_slow: Callable[[_T], bool]) -> Iterator[_R]:
    """``map`` in order, in memory that holds some dozens; what is slow happens in threads.

    Examples
    --------
    >>> list(mapped(abs, [-1, 2, -3], is_slow=lambda number: number < 0))
    [1, 2, 3]
    """
    waiting = deque[Future[_R] | tuple[_R]]()

    def first() -> _R:
        one = waiting.popleft()
        return one[0] if isinstance(one, tuple) else one.result()

    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(fn, item) if is_slow(item) else (fn(item),))
                while waiting and (len(waiting) > _WAITING or isinstance(waiting[0], tuple)):
                    yield first()
            while waiting:
                yield first()
        finally:
            pool.shutdown(cancel_futures=True)
