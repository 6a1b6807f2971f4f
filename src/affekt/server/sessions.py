"""One live stream: input is queued, one thread at a time processes it, and events wait for the client.

A session outlives its connection for a while, so that a client can come back.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Protocol

from affekt.errors import AffektError
from affekt.server.fair_queue import FairQueue
from affekt.server.metrics import Metrics
from affekt.server.refusals import Refusal
from affekt.server.settings import Limits
from affekt.server.slots import most

log = logging.getLogger("affekt.server")


class Inbox(Protocol):
    """The queue of input from a client."""

    @property
    def count(self) -> int:
        """Samples or frames that have come."""

    @property
    def seconds(self) -> float:
        """How long the stream is."""

    @property
    def full(self) -> bool:
        """Whether the sender has to wait."""

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""

    @property
    def due(self) -> bool:
        """Whether there is enough to work on."""

    def add(self, data: bytes) -> None:
        """Take a message, or refuse it."""

    def resumed(self) -> None:
        """The client is back, and begins a new message."""

    def next(self) -> tuple[Any, float]:
        """What to work on next, and how many seconds of the stream it is."""


class Aside(Protocol):
    """Optional work beside a stream, done when there is time, such as maps; called on the event loop."""

    def next(self) -> Callable[[], Any] | None:
        """The next piece of work, for a thread; None if there is none yet."""

    def events(self, found: Any) -> list[str]:
        """The result as JSON events; none if it came too late."""


class Worker(Protocol):
    """Processes a stream. Only one thread at a time may use it."""

    @property
    def aside(self) -> Aside | None:
        """The optional work beside the stream, if any."""

    def feed(self, piece: Any, last: bool) -> list[str]:
        """Take what an :class:`Inbox` gives; return events as JSON."""


class Format(Protocol):
    """The format of a stream, and all that depends on it: ``signals`` and ``frames`` have one each."""

    KEYS: ClassVar[tuple[str, ...]]
    COUNTED: ClassVar[str]
    REMEMBERED: ClassVar[int]
    WORDS: ClassVar[str]

    @property
    def form(self) -> str:
        """Its name, as a modality has it."""

    @property
    def told(self) -> dict[str, Any]:
        """What a live stream has to know of it."""

    def check_size(self, size: int, limits: Limits) -> None:
        """Refuse a message that is too large."""

    def inbox(self, limits: Limits) -> Inbox:
        """The queue for incoming messages."""

    def worker(self, live: Any, service: Any) -> Worker:
        """The worker that feeds a live stream."""


class Session:
    """A stream between a client and its worker. Everything but the feeding happens on the event loop.

    Parameters
    ----------
    worker : Worker
    kind : Format
    queues : (FairQueue, FairQueue)
        The queue for the stream, and the one for optional work beside it.
    limits : Limits
    metrics : Metrics
    """

    def __init__(
        self, worker: Worker, kind: Format, queues: tuple[FairQueue, FairQueue], *, limits: Limits, metrics: Metrics
    ) -> None:
        self.name = secrets.token_urlsafe(16)
        self.kind = kind
        #: Whose it is.
        self.client = ""
        self.owner: asyncio.Task[None] | None = None
        #: What the client gets when the stream begins, and again when it reconnects.
        self.greeting: dict[str, Any] = {}
        self.events = 0
        self.over = self.done = False
        self._worker, self._limits, self._metrics = worker, limits, metrics
        self._queue, self._aside_queue = queues
        self.inbox = kind.inbox(limits)
        self._since = 0.0
        self._remembered: deque[str] = deque(maxlen=kind.REMEMBERED)
        self.failure: Refusal | None = None
        self._working = self._working_aside = False
        self._changed = asyncio.Event()

    async def take(self, data: bytes) -> None:
        """Take a message; wait while the queue is full.

        Raises
        ------
        Refusal
            If the stream is too long, or the message has the wrong format.
        """
        while self.inbox.full and not self.failure:
            await self._change()
        if self.failure:
            raise self.failure
        if self.inbox.seconds > self._limits.stream_seconds:
            raise Refusal(1008, f"the stream is longer than {self._limits.stream_seconds:g} s, which is allowed here.")
        if self.inbox.empty:
            self._since = time.perf_counter()
        self.inbox.add(data)
        self._work()

    def end(self) -> None:
        """No more signal will come."""
        self.over = True
        self._work()

    def resumed(self, received: int) -> None:
        """Check that the rest of the events can be sent to a client that has so many.

        Raises
        ------
        Refusal
            If missing events are no longer held.
        """
        if not self.events - len(self._remembered) <= received <= self.events:
            raise Refusal(1008, f"events from {received} on cannot be sent again; begin a new stream.")
        self.inbox.resumed()

    async def after(self, count: int) -> list[str]:
        """The events after the first ``count``, as soon as there are any; none when the stream is over.

        Raises
        ------
        Refusal
            If the stream cannot go on.
        """
        while self.events <= count and not self.done:
            if self.failure:
                raise self.failure
            await self._change()
        first = len(self._remembered) - (self.events - count)
        if first < 0:
            raise Refusal(1013, "events were not read in time, and are lost.")
        return [self._remembered[i] for i in range(first, len(self._remembered))]

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _work(self) -> None:
        """Have the next piece worked on."""
        if self._working or self.done or self.failure or not (self.over or self.inbox.due):
            return
        waited, since = not self.inbox.empty, self._since
        piece, seconds = self.inbox.next()
        self._since = time.perf_counter()
        last = self.over and self.inbox.empty
        self._working = True
        self._queue.submit(
            lambda: self._worker.feed(piece, last),
            lambda events, error: self._take_events(events, error, last, (seconds, since if waited else None)),
            client=self.client,
        )

    def _take_events(
        self, events: list[str], error: BaseException | None, last: bool, piece: tuple[float, float | None]
    ) -> None:
        self._working = False
        if isinstance(error, AffektError):
            self.failure = Refusal(1003, str(error))
        elif error:
            log.error("stream broke down", exc_info=error)
            self.failure = Refusal(1011, "the server broke down on this stream.")
        else:
            self._remembered += events
            self.events += len(events)
            self.done = last
            seconds, since = piece
            self._metrics.streamed(seconds, 0.0 if since is None else time.perf_counter() - since)
            self._work_aside()
            self._work()
        self._changed.set()

    def _work_aside(self) -> None:
        """Start optional work beside the stream, unless something more urgent waits."""
        aside = self._worker.aside
        is_busy = self._working_aside or self.over or self.inbox.due
        if aside is None or is_busy or not (self._queue.is_free and self._aside_queue.is_free):
            return
        if work := aside.next():
            self._working_aside = True
            self._aside_queue.submit(work, self._take_aside, client=self.client)

    def _take_aside(self, found: Any, error: BaseException | None) -> None:
        self._working_aside = False
        if error:
            log.error("what is worked out beside a stream broke down", exc_info=error)
        elif self._worker.aside and not (self.done or self.failure):
            events = self._worker.aside.events(found)
            self._remembered += events
            self.events += len(events)
            self._changed.set()


class Sessions:
    """The streams at hand.

    Parameters
    ----------
    limit : int
        How many.
    share : float
        How much of that one client may have.
    """

    def __init__(self, limit: int, *, share: float = 1.0) -> None:
        self._limit, self._most = limit, most(limit, share)
        self._held: dict[str, Session] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._held.values()))

    def room(self, client: str) -> None:
        """Make room for one more of a client: a stream whose client is gone gives way, the oldest first.

        Raises
        ------
        Refusal
            1013 if there is none.
        """
        mine = [session for session in self if session.client == client]
        if len(mine) >= self._most and not self._drop_parked(mine):
            raise Refusal(1013, f"the server already serves {self._most} streams of yours; try again in a while.")
        if len(self) >= self._limit:
            # Of the clients with the most, so that nobody can push out the broken streams of others.
            counts = Counter(session.client for session in self)
            parked = sorted(self, key=lambda session: -counts[session.client])
            if not self._drop_parked(parked):
                raise Refusal(1013, f"the server already serves {self._limit} streams; try again in a while.")

    def _drop_parked(self, sessions: Iterable[Session]) -> bool:
        found = next((session for session in sessions if session.name in self._timers), None)
        if found is not None:
            self.remove(found)
        return found is not None

    def add(self, session: Session) -> None:
        """Take one in; refuses as :meth:`room` does."""
        self.room(session.client)
        self._held[session.name] = session

    def park(self, session: Session, seconds: float) -> None:
        """Keep a stream for a while after its client has gone."""
        self.keep(session)
        if session.name in self._held:
            loop = asyncio.get_running_loop()
            self._timers[session.name] = loop.call_later(seconds, self.remove, session)

    def keep(self, session: Session) -> None:
        """Its client is back."""
        if timer := self._timers.pop(session.name, None):
            timer.cancel()

    def remove(self, session: Session) -> None:
        """Forget one."""
        self.keep(session)
        self._held.pop(session.name, None)

    def find(self, name: Any) -> Session:
        """By its name.

        Raises
        ------
        Refusal
            1008 if there is no such.
        """
        if not isinstance(name, str) or name not in self._held:
            raise Refusal(1008, "there is no such session: it ended, or was broken for too long. Begin a new stream.")
        return self._held[name]
