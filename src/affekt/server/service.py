"""All that one server process holds: settings, models, what is going on."""

from __future__ import annotations

import asyncio

from affekt.recognize.recognizer import Recognizer
from affekt.server.connections import Connections
from affekt.server.database import Database
from affekt.server.engine import Engine
from affekt.server.metrics import Metrics
from affekt.server.references import References, StoredReferences
from affekt.server.sessions import Sessions
from affekt.server.settings import Settings
from affekt.server.slots import Slots
from affekt.server.store import Store

#: Results that are taken in to be converted at a time.
CONVERSIONS = 4


class Service:
    """The state that the routes share; one per process.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    InputError
        If the store cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        limits = settings.limits
        self.settings, self.engine, self.metrics = settings, Engine(settings), Metrics()
        self.connections = Connections(limits, proxies=settings.proxies)
        self.recordings = Slots(limits.queue, "requests", share=limits.share)
        self.conversions = Slots(CONVERSIONS, "conversions", share=limits.share)
        #: Connections whose stream has not begun yet.
        self.greetings = Slots(limits.streams, "new streams", share=limits.share)
        self.sessions = Sessions(limits.streams, share=limits.share)
        self.metrics.streams.set_function(lambda: len(self.sessions))
        self.store = Store(settings.store, limit=limits.store_bytes) if settings.store else None
        self.database = Database(settings.store) if settings.store else None
        self.references: References | StoredReferences = (
            StoredReferences(self.database, self.engine, limits)
            if self.database
            else References(limits.references, limits.kept, share=limits.share)
        )
        self.closing = False

    def recognizer(
        self, model: str | None, labels: str | None, *, reference: str | None = None, live: bool = False
    ) -> Recognizer:
        """The recogniser that a client asks for. Takes a while: call it on a thread.

        Raises
        ------
        Refusal
            If there is no such reference.
        InputError
            If there is no such model or label, or the model cannot adapt to a voice.
        """
        if reference is None:
            return self.engine.recognizer(model, labels, live=live)
        return self.references.adapted(reference, (model, labels, live), self.engine)

    async def wind_up(self) -> None:
        """Take no new streams; end the open ones, and wait until their clients have all events."""
        self.closing = True
        owners = [session.owner for session in self.sessions if session.owner and not session.owner.done()]
        for session in self.sessions:
            session.end()
        if owners:
            await asyncio.wait(owners, timeout=self.settings.limits.stall)
