"""One live stream: signal waits its turn, one thread at a time feeds it, events wait for whoever reads them.

A session outlives its connection for a while, so that a client can come back.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import secrets
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from affekt.errors import AffektError
from affekt.recognize.live import STEPS, Live, LiveChannels
from affekt.server.fair_queue import FairQueue
from affekt.server.metrics import Metrics
from affekt.server.pitch_filter import PitchFilter
from affekt.server.refusals import Refusal
from affekt.server.settings import Limits
from affekt.server.slots import most
from affekt.server.store import StreamRecording
from affekt.speech.audio import MIX
from affekt.speech.channels import ReadOptions

log = logging.getLogger("affekt.server")

#: Bytes of a sample, its type, and what full scale is.
FORMATS = {"pcm16": (2, "<i2", 32768.0), "float32": (4, "<f4", 1.0)}
#: Events that can be sent again.
REMEMBERED = 1024


class StreamWorker:
    """What hears a stream: a Live, and what else was asked for. One thread at a time uses it.

    Parameters
    ----------
    live : Live or LiveChannels
    kind : SampleFormat
    voices : PitchFilter, optional
        Whose speech counts.
    tape : StreamRecording, optional
        Where it is kept.
    """

    def __init__(
        self,
        live: Live | LiveChannels,
        kind: SampleFormat,
        *,
        voices: PitchFilter | None = None,
        tape: StreamRecording | None = None,
    ) -> None:
        self._live, self._kind, self._voices, self._tape = live, kind, voices, tape

    def feed(self, piece: bytes, last: bool) -> list[str]:
        """Bytes of signal in, events as JSON out."""
        events = []
        if piece:
            signal = self._kind.signal(piece)
            events = self._live.feed(signal)
            if self._voices:
                self._voices.feed(signal)
        if last:
            events += self._live.flush()
        tables = [self._voices.marked(event) if self._voices else event.as_table() for event in events]
        texts = [json.dumps(table, ensure_ascii=False, allow_nan=False) for table in tables]
        if self._tape:
            self._tape.add(piece, texts, last)
        return texts


@dataclass(frozen=True)
class SampleFormat:
    """What a stream is made of: the form of its samples, their rate in hertz, the channels, and which are read."""

    form: str
    sampling_rate: int
    channels: int = 1
    reading: ReadOptions = MIX

    @property
    def width(self) -> int:
        """Bytes of a sample of all channels."""
        return FORMATS[self.form][0] * self.channels

    def signal(self, data: bytes) -> np.ndarray:
        """Bytes to float32 samples: (n,), or (n, channels) of ``each``."""
        _, kind, scale = FORMATS[self.form]
        samples = (np.frombuffer(data, kind).astype(np.float32) / np.float32(scale)).reshape(-1, self.channels)
        if self.reading.channel == "each":
            return samples
        if self.reading.number is None:
            return samples[:, 0] if self.channels == 1 else samples.mean(axis=1)
        return np.ascontiguousarray(samples[:, self.reading.number])


class Session:
    """A stream between a client and what hears it. Everything but the feeding happens on the event loop.

    Parameters
    ----------
    worker : StreamWorker
    kind : SampleFormat
    queue : FairQueue
        Where it stands in line.
    limits : Limits
    metrics : Metrics
    """

    def __init__(
        self, worker: StreamWorker, kind: SampleFormat, queue: FairQueue, *, limits: Limits, metrics: Metrics
    ) -> None:
        self.name = secrets.token_urlsafe(16)
        self.kind = kind
        #: Whose it is.
        self.client = ""
        self.owner: asyncio.Task[None] | None = None
        #: What the client gets when it begins, and again when it comes back.
        self.greeting: dict[str, Any] = {}
        self.samples = self.events = 0
        self.over = self.done = False
        self._worker, self._queue, self._limits, self._metrics = worker, queue, limits, metrics
        self._waiting = bytearray()
        self._since = 0.0
        self._fed = 0
        self._remembered: deque[str] = deque(maxlen=REMEMBERED)
        self.failure: Refusal | None = None
        self._working = False
        self._changed = asyncio.Event()
        self._half = b""

    async def take(self, data: bytes) -> None:
        """Take signal; waits while too much of it waits already.

        Raises
        ------
        Refusal
            If the stream was too long, or what came before was no signal.
        """
        # Less than two steps would be too little to work on, and nothing would ever make room.
        room = int(max(self._limits.backlog, 2 / STEPS) * self.kind.sampling_rate) * self.kind.width
        while len(self._waiting) > room and not self.failure:
            await self._change()
        if self.failure:
            raise self.failure
        if self.samples > self._limits.stream_seconds * self.kind.sampling_rate:
            raise Refusal(1008, f"the stream is longer than {self._limits.stream_seconds:g} s, which is allowed here.")
        data = self._half + data
        whole = len(data) // self.kind.width * self.kind.width
        self._half = data[whole:]
        if not self._waiting:
            self._since = time.perf_counter()
        self._waiting += data[:whole]
        self.samples += whole // self.kind.width
        self._work()

    def end(self) -> None:
        """No more signal will come."""
        self.over = True
        self._work()

    def resumed(self, received: int) -> None:
        """Check that a client that has so many events can be given the rest.

        Raises
        ------
        Refusal
            If what it lacks is forgotten.
        """
        if not self.events - len(self._remembered) <= received <= self.events:
            raise Refusal(1008, f"events from {received} on cannot be sent again; begin a new stream.")
        # What was cut in the middle of a sample is sent again, whole.
        self._half = b""

    async def after(self, count: int) -> list[str]:
        """The events behind the first ``count``, as soon as there are any; none when there will be no more.

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

    @property
    def _due(self) -> bool:
        """Whether there is enough for something new to be heard: a Live works in steps."""
        rate = self.kind.sampling_rate
        return self.samples >= math.ceil((self._fed * STEPS // rate + 1) * rate / STEPS)

    def _work(self) -> None:
        """Have the next piece worked on, at most a second, so that other streams come to their turn."""
        if self._working or self.done or self.failure or not (self.over or self._due):
            return
        size = self.kind.sampling_rate * self.kind.width
        piece, since = bytes(self._waiting[:size]), self._since
        del self._waiting[:size]
        self._since = time.perf_counter()
        last = self.over and not self._waiting
        self._working = True
        self._fed += len(piece) // self.kind.width
        self._queue.submit(
            lambda: self._worker.feed(piece, last),
            lambda events, error: self._take_events(events, error, last, (len(piece), since)),
        )

    def _take_events(
        self, events: list[str], error: BaseException | None, last: bool, piece: tuple[int, float]
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
            size, since = piece
            seconds = size / self.kind.width / self.kind.sampling_rate
            self._metrics.streamed(seconds, time.perf_counter() - since if size else 0.0)
            self._work()
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
            # Of those who have most, so that nobody can push out the broken streams of others.
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
        """Keep one for a while whose client is gone."""
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
