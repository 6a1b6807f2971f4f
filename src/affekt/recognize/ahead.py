"""Prepare the next pieces while the current one is being processed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

Piece = TypeVar("Piece")


def ahead(pieces: Iterable[Piece], most: int = 4) -> Iterator[Piece]:
    """The pieces of an iterable, made by a separate thread, at most ``most`` pieces ahead of the consumer.

    An exception of the iterable is raised here, in its place. When this iterator is closed, the thread ends after the
    piece that it is making.

    Examples
    --------
    >>> list(ahead(number * number for number in range(4)))
    [0, 1, 4, 9]
    """
    room, made, left = threading.Semaphore(most), threading.Semaphore(0), threading.Event()
    waiting: deque[tuple[Piece | None, BaseException | None]] = deque()

    def make() -> None:
        end: BaseException = StopIteration()
        try:
            for piece in pieces:
                waiting.append((piece, None))
                made.release()
                room.acquire()
                if left.is_set():
                    return
        except BaseException as error:  # for the consumer to handle
            end = error
        waiting.append((None, end))
        made.release()

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            made.acquire()
            piece, end = waiting.popleft()
            if isinstance(end, StopIteration):
                return
            if end is not None:
                raise end
            room.release()
            yield piece  # type: ignore[misc]  # without an end there is a piece
    finally:
        left.set()
        room.release()
        thread.join()
