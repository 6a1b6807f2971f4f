"""The models and the threads that everybody shares."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from affekt.errors import InputError, UnknownName
from affekt.labels import Labels, parse_labels
from affekt.models.card import Card
from affekt.models.onnx import read_card
from affekt.models.zoo import load_model, model_path
from affekt.recognize.fusion import Pool
from affekt.recognize.media import MediaRecognizer
from affekt.recognize.modalities import Modality, modality
from affekt.recognize.recognizer import Recognizer
from affekt.server.fair_queue import FairQueue
from affekt.server.settings import Settings

#: Recognisers held open: one per model and choice of labels, some 10 MB each.
OPEN = 16
#: Seconds that events of one stream may wait for those of others; they come as one.
TOGETHER = 0.01


class Engine:
    """Opened models, and threads: for streams, for requests, and for jobs.

    Separate pools, so that long work never delays urgent work.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: OrderedDict[tuple[str, str, bool], Recognizer] = OrderedDict()
        self._media: dict[str, MediaRecognizer] = {}
        self._cards: dict[str, Card] = {}
        self._lock = threading.Lock()
        # One more than feed streams, for opening them.
        self.live = ThreadPoolExecutor(settings.cores + 1, "live")
        self.queue = FairQueue(self.live, settings.cores, patience=TOGETHER)
        # One more than a single client may have, so that nobody waits for another's long recordings.
        self._files = ThreadPoolExecutor(settings.cores + 1, "files")
        self.files = FairQueue(self._files, settings.cores + 1, most=settings.cores)
        # One: work beside the streams must leave them the other cores.
        self._aside = ThreadPoolExecutor(1, "aside")
        self.aside = FairQueue(self._aside, 1)
        self.jobs = ThreadPoolExecutor(settings.cores, "jobs")
        # One: a JSON body takes twenty times its size while it is parsed.
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
                asked = parse_labels(key[1] or None)
                self._opened[key] = self._open(name, asked, live)
            self._opened.move_to_end(key)
            while len(self._opened) > OPEN:
                self._opened.popitem(last=False)
            return self._opened[key]

    def _open(self, name: str, labels: Labels | None, live: bool) -> Recognizer:
        row = self.modality(name)
        options = row.load("live_options") if live and row.live_options else None
        return Recognizer(self._settings.models[name], labels=labels, options=options)

    def media(self, name: str) -> MediaRecognizer:
        """The recogniser of voice, faces and words together, pooled by a model; opened once.

        Raises
        ------
        InputError
            If the server has neither a model of speech nor one of faces.
        """
        with self._lock:
            if name not in self._media:
                firsts = {kind: self.first_of(kind) for kind in ("speech", "face", "text")}
                models = {kind: self._settings.models[first] for kind, first in firsts.items() if first}
                if not models.keys() & {"speech", "face"}:
                    raise InputError(f"{name} needs models of speech or faces, and this server has none.")
                opened = MediaRecognizer(models)
                opened.pool = Pool(load_model(self._settings.models[name]))
                self._media[name] = opened
            return self._media[name]

    def card(self, name: str) -> Card:
        """A model's card, without opening it.

        Raises
        ------
        UnknownName
            If the server has no model of that name.
        """
        if name not in self._settings.models:
            raise UnknownName("model", name[:100], self._settings.models)
        if name not in self._cards:
            self._cards[name] = read_card(model_path(self._settings.models[name]))
        return self._cards[name]

    def modality(self, name: str) -> Modality:
        """The row of a model's modality."""
        return modality(self.card(name).modality)

    def first_of(self, kind: str) -> str | None:
        """The first model of a modality; None where there is none."""
        return next((name for name in self._settings.models if self.card(name).modality == kind), None)

    def model_of_format(self, form: str) -> str:
        """The first model that takes a live format, or the default where none does."""
        takers = (name for name in self._settings.models if form in self.modality(name).formats)
        return next(takers, self.default_model)

    @property
    def default_model(self) -> str:
        """The model for requests that name none."""
        return self._settings.default_model

    @property
    def ready(self) -> bool:
        """Whether the default model is open; never waits, so that health is always answered."""
        return (self._settings.default_model, "", True) in self._opened

    def cards(self) -> dict[str, Card]:
        """The card of every model, by the name that clients use."""
        return {name: self.card(name) for name in self._settings.models}

    def close(self) -> None:
        """Let the threads finish, and release the models: FastAPI keeps the routes of a closed app, and thus this."""
        for pool in (self.live, self._files, self._aside, self.jobs, self.conversions):
            pool.shutdown(cancel_futures=True)
        with self._lock:
            self._opened.clear()
            self._media.clear()
