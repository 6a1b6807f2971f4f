"""The models and the threads that everybody shares."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from affekt.errors import UnknownName
from affekt.labels import parse_labels
from affekt.models.card import Card
from affekt.recognize.recognizer import Recognizer
from affekt.server.fair_queue import FairQueue
from affekt.server.settings import Settings
from affekt.speech.stream import LIVE, StreamOptions

#: Recognisers held open: one per model and choice of labels, some 10 MB each.
OPEN = 16


class Engine:
    """Opened models, and threads: for streams, for recordings that somebody waits for, and for jobs.

    Three pools, so that what is long never stands before what is urgent.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: OrderedDict[tuple[str, str, bool], Recognizer] = OrderedDict()
        self._lock = threading.Lock()
        # One more than feed streams, for opening them.
        self.live = ThreadPoolExecutor(settings.cores + 1, "live")
        self.queue = FairQueue(self.live, settings.cores)
        self.files = ThreadPoolExecutor(settings.cores, "files")
        self.jobs = ThreadPoolExecutor(settings.cores, "jobs")
        # One: a body of JSON takes twenty times its size while it is read.
        self.conversions = ThreadPoolExecutor(1, "conversions")

    def recognizer(self, model: str | None, labels: str | None, *, live: bool = False) -> Recognizer:
        """A recogniser, opened once. Takes some 60 ms the first time: call it on a thread.

        Raises
        ------
        UnknownName
            If the server has no model of that name, or the model no such label.
        InputError
            If the labels make no sense.
        """
        name = model or self._settings.default_model
        if name not in self._settings.models:
            raise UnknownName("model", name[:100], self._settings.models)
        key = (name, (labels or "").strip(), live)
        with self._lock:
            if key not in self._opened:
                options = LIVE if live else StreamOptions()
                asked = parse_labels(key[1] or None)
                self._opened[key] = Recognizer(self._settings.models[name], labels=asked, options=options)
            self._opened.move_to_end(key)
            while len(self._opened) > OPEN:
                self._opened.popitem(last=False)
            return self._opened[key]

    @property
    def default_model(self) -> str:
        """The model of those who name none."""
        return self._settings.default_model

    @property
    def ready(self) -> bool:
        """Whether the default model is open; without a wait, so that health is told whatever goes on."""
        return (self._settings.default_model, "", True) in self._opened

    def cards(self) -> dict[str, Card]:
        """The card of every model, by the name that clients use."""
        return {name: self.recognizer(name, None).card for name in self._settings.models}

    def close(self) -> None:
        """Let the threads finish."""
        for pool in (self.live, self.files, self.jobs, self.conversions):
            pool.shutdown(cancel_futures=True)
