"""Voice references: what a speaker sounds like when nothing is the matter. In memory, for a while."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.recognize.recognizer import Recognizer
from affekt.server.engine import Engine
from affekt.server.refusals import Refusal, busy
from affekt.server.slots import most
from affekt.speech.waveform import RATE

SHORTEST, LONGEST = 5.0, 60.0
#: Model, labels and whether for a stream.
Choice = tuple[str | None, str | None, bool]


class Reference:
    """One speaker's neutral speech, and the recognisers that were adapted to it."""

    def __init__(self, signal: NDArray[np.float32], expires: float, client: str = "") -> None:
        self.signal, self.expires, self.client = signal, expires, client
        self.adapted: OrderedDict[Choice, Recognizer] = OrderedDict()


class References:
    """The references at hand.

    Parameters
    ----------
    limit : int
        How many.
    kept : float
        Seconds.
    share : float
        How much of the limit one client may have.
    clock : callable
        Seconds that only ever grow.
    """

    def __init__(
        self, limit: int, kept: float, *, share: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._most, self._kept, self._clock = limit, most(limit, share), kept, clock
        self._held: dict[str, Reference] = {}
        self._lock = threading.Lock()

    def add(self, signal: NDArray[np.float32], client: str = "") -> dict[str, Any]:
        """Keep a signal (n,) at 16 kHz, of a client.

        Raises
        ------
        Refusal
            422 if it is too short or too long, 429 if there are too many.
        """
        seconds = len(signal) / RATE
        if not SHORTEST <= seconds <= LONGEST:
            raise Refusal(422, f"the reference is {seconds:.1f} s long; allowed: {SHORTEST:g} to {LONGEST:g} s.")
        with self._lock:
            self._forget_old()
            if len(self._held) >= self._limit:
                raise busy(f"the server already holds {self._limit} references; try again in a while.", 60)
            if sum(held.client == client for held in self._held.values()) >= self._most:
                raise busy(f"the server already holds {self._most} references of yours; delete one.", 60)
            name = secrets.token_urlsafe(12)
            self._held[name] = Reference(signal, self._clock() + self._kept, client)
        return {"reference": name, "seconds": round(seconds, 3), "expires": self._kept}

    def remove(self, name: str) -> None:
        """Forget one.

        Raises
        ------
        Refusal
            404 if there is no such.
        """
        with self._lock:
            self._forget_old()
            if self._held.pop(name, None) is None:
                raise Refusal(404, "there is no such reference; it may have expired.")

    def adapted(self, name: str, choice: Choice, engine: Engine) -> Recognizer:
        """A recogniser that knows this speaker's usual voice.

        Raises
        ------
        Refusal
            422 if there is no such reference.
        InputError
            If the model cannot adapt.
        """
        with self._lock:
            self._forget_old()
            if name not in self._held:
                raise Refusal(422, "unknown reference: it has expired, or the server was started again.")
            reference = self._held[name]
        if choice not in reference.adapted:
            plain = engine.recognizer(choice[0], choice[1], live=choice[2])
            reference.adapted[choice] = plain.adapt([(reference.signal, RATE)])
            while len(reference.adapted) > 4:
                reference.adapted.popitem(last=False)
        return reference.adapted[choice]

    def _forget_old(self) -> None:
        now = self._clock()
        for name in [name for name, held in self._held.items() if held.expires <= now]:
            del self._held[name]
