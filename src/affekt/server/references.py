"""Voice references: what a speaker usually sounds like. Kept in memory or in a store, for a while."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.recognize.recognizer import Recognizer
from affekt.server.database import Database
from affekt.server.engine import Engine
from affekt.server.refusals import Refusal, busy
from affekt.server.settings import Limits
from affekt.server.slots import most
from affekt.speech.baseline import Baseline
from affekt.speech.waveform import RATE

SHORTEST, LONGEST = 5.0, 60.0
NO_SUCH = "there is no such reference; it may have expired."
#: Model, labels, and whether it is for a stream.
Choice = tuple[str | None, str | None, bool]


class Reference:
    """One speaker's neutral speech, and the recognisers that were adapted to it."""

    def __init__(self, signal: NDArray[np.float32], expires: float, client: str = "") -> None:
        self.signal, self.expires, self.client = signal, expires, client
        self.adapted: OrderedDict[Choice, Recognizer] = OrderedDict()


class References:
    """The references held in memory.

    Parameters
    ----------
    limit : int
        How many.
    kept : float
        Seconds.
    share : float
        How much of the limit one client may have.
    clock : callable
        A monotonic clock, in seconds.
    """

    def __init__(
        self, limit: int, kept: float, *, share: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._share, self._kept, self._clock = limit, share, kept, clock
        self._held: dict[str, Reference] = {}
        self._lock = threading.Lock()

    def add(self, signal: NDArray[np.float32], client: str = "") -> dict[str, Any]:
        """Keep a client's signal (n,) at 16 kHz.

        Raises
        ------
        Refusal
            422 if it is too short or too long, 429 if there are too many.
        """
        seconds = _checked_length(signal)
        with self._lock:
            self._forget_old()
            _check_room([held.client for held in self._held.values()], client, limit=self._limit, share=self._share)
            name = secrets.token_urlsafe(12)
            self._held[name] = Reference(signal, self._clock() + self._kept, client)
        return {"reference": name, "seconds": round(seconds, 3), "expires": self._kept}

    def remove(self, name: str) -> None:
        """Delete a reference.

        Raises
        ------
        Refusal
            404 if there is no such reference.
        """
        with self._lock:
            self._forget_old()
            if self._held.pop(name, None) is None:
                raise Refusal(404, NO_SUCH)

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


class StoredReferences:
    """The references of a store: not the sound, but the speaker baselines that the server's models derive from it.

    Parameters
    ----------
    database : Database
    engine : Engine
    limits : Limits
    """

    def __init__(self, database: Database, engine: Engine, limits: Limits) -> None:
        self._database, self._engine, self._limits = database, engine, limits

    def add(self, signal: NDArray[np.float32], client: str = "") -> dict[str, Any]:
        """Keep the baselines that the models derive from a client's signal (n,) at 16 kHz.

        Raises
        ------
        Refusal
            422 if it is too short or too long, 429 if there are too many.
        InputError
            If there is too little speech in it.
        """
        seconds, limits = _checked_length(signal), self._limits
        table = {}
        for model, card in self._engine.cards().items():
            for live in (False, True) if card.baseline else ():
                made = self._engine.recognizer(model, None, live=live).adapt([(signal, RATE)])
                if made.baseline:
                    numbers = {"mean": made.baseline.mean.tolist(), "seconds": made.baseline.seconds}
                    table[_key(model, live)] = {**numbers, "kind": made.baseline.kind, "card": _fingerprint(made)}

        def room(clients: Sequence[str]) -> None:
            _check_room(clients, client, limit=limits.references, share=limits.share)

        name = self._database.add_reference(client, json.dumps(table), kept=limits.kept, room=room)
        return {"reference": name, "seconds": round(seconds, 3), "expires": limits.kept}

    def remove(self, name: str) -> None:
        """Delete a reference.

        Raises
        ------
        Refusal
            404 if there is no such reference.
        """
        if not self._database.remove_reference(name):
            raise Refusal(404, NO_SUCH)

    def adapted(self, name: str, choice: Choice, engine: Engine) -> Recognizer:
        """A recogniser that knows this speaker's usual voice.

        Raises
        ------
        Refusal
            422 if there is no such reference, or the model has changed since it was given.
        InputError
            If the model cannot adapt.
        """
        found = self._database.reference(name)
        if found is None:
            raise Refusal(422, "unknown reference: it has expired, or was deleted.")
        model, labels, live = choice
        plain = engine.recognizer(model, labels, live=live)
        row = json.loads(found).get(_key(model or engine.default_model, live))
        if not plain.card.baseline:
            raise InputError(
                f"the model {plain.card.name} takes no voice reference; leave it out, or name another model."
            )
        if row is None or row["card"] != _fingerprint(plain):
            raise Refusal(422, "the reference was given when the server had another model; send it again.")
        return plain.with_baseline(Baseline(row["kind"], np.array(row["mean"]), row["seconds"]))


def _key(model: str, live: bool) -> str:
    return f"{'stream' if live else 'file'} {model}"


def _fingerprint(recognizer: Recognizer) -> str:
    """Of a model's card: a baseline fits one model only, and a server may be given a new one."""
    return hashlib.sha256(json.dumps(recognizer.card.record(), sort_keys=True, default=str).encode()).hexdigest()


def _checked_length(signal: NDArray[np.float32]) -> float:
    seconds = len(signal) / RATE
    if not SHORTEST <= seconds <= LONGEST:
        raise Refusal(422, f"the reference is {seconds:.1f} s long; allowed: {SHORTEST:g} to {LONGEST:g} s.")
    return seconds


def _check_room(clients: Sequence[str], client: str, *, limit: int, share: float) -> None:
    if len(clients) >= limit:
        raise busy(f"the server already holds {limit} references; try again in a while.", 60)
    allowed = most(limit, share)
    if sum(held == client for held in clients) >= allowed:
        raise busy(f"the server already holds {allowed} references of yours; delete one.", 60)
