"""``POST /v1/predict``: recordings, pictures, videos and texts in, what the command line writes out."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response
from numpy.typing import NDArray

from affekt.errors import AudioError, ImageError, InputError, TextError, UnknownName
from affekt.explain.sentence import highlight
from affekt.recognize.media import MediaRecognizer
from affekt.recognize.modalities import MODALITIES, extensions, modality_of
from affekt.recognize.recognizer import Recognizer
from affekt.recognize.trace import Trace
from affekt.server.engine import Engine
from affekt.server.films import film_length, recognise_film
from affekt.server.refusals import Failure, Refusal, documented
from affekt.server.service import Service
from affekt.server.slots import client_of
from affekt.server.uploads import Form, Upload, read_form, read_words, stated_seconds
from affekt.speech.audio import MIX
from affekt.speech.channels import ReadOptions
from affekt.text.captions import Text
from affekt.timeline.segments import Listener
from affekt.types import Prediction, Result
from affekt.write.predictions import ONE_RECORDING, WRITERS, document

_CSV = "text/csv; charset=utf-8"
MEDIA = {"json": "application/json", "jsonl": "application/x-ndjson", "csv": _CSV, "shares": _CSV}
PLAIN = "text/plain; charset=utf-8"
#: The ``explanation`` of each segment of a result, as JSON has it.
Explanations = list[dict[str, Any]]
#: Seconds between two boxes of a face, and how many are kept of a video.
BOX_STEP, MOST_BOXES = 0.2, 100_000
#: Seconds by which the stated length of a file may be off.
TOLERANCE = 0.1
#: For the OpenAPI description: the content of a success, by format.
CONTENT: dict[str, Any] = {media.split(";")[0]: {} for media in (*MEDIA.values(), PLAIN)}

#: The request's body, for the OpenAPI description: the form is read by hand, within the limits.
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                            "description": "Recordings, pictures and videos of any common format; texts.",
                        },
                        "captions": {
                            "type": "string",
                            "format": "binary",
                            "description": "What is said in the one video of the request: srt, vtt or csv.",
                        },
                        "modality": {
                            "type": "string",
                            "enum": ["auto", "speech", "face", "text", "fusion"],
                            "default": "auto",
                            "description": "auto: faces of pictures, all of videos, words of texts by their names "
                            "(txt, srt, vtt, csv, tsv), else voices.",
                        },
                        "model": {
                            "type": "string",
                            "description": "A name of /v1/models; by default the first of the modality.",
                        },
                        "labels": {"type": "string", "description": "A set's name, or labels: angry,sad."},
                        "format": {"type": "string", "enum": list(WRITERS), "default": "json"},
                        "reference": {"type": "string", "description": "Id of the speaker's voice reference."},
                        "channel": {
                            "type": "string",
                            "default": "mix",
                            "description": "mix, left, right, 1 to n; each: every channel its own timeline.",
                        },
                        "track": {"type": "string", "description": "Number or language of a video's sound track."},
                        "boxes": {
                            "type": "string",
                            "enum": ["no", "yes"],
                            "default": "no",
                            "description": "In json: where each face of a video is, five times a second.",
                        },
                        "explain": {
                            "type": "string",
                            "enum": ["no", "yes"],
                            "default": "no",
                            "description": "In json, of texts: what each word weighs; not of jobs.",
                        },
                    },
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["text"],
                    "properties": {
                        "text": {"type": "string", "description": "Sentences to judge, instead of files."},
                        "model": {"type": "string"},
                        "labels": {"type": "string"},
                        "format": {"type": "string", "enum": list(WRITERS), "default": "json"},
                        "explain": {"type": "string", "enum": ["no", "yes"], "default": "no"},
                    },
                }
            },
        },
    }
}


FIELDS = tuple(
    name
    for name in BODY["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    if name not in ("files", "captions")
)


@dataclass(frozen=True)
class PredictRequest:
    """What a request asks for."""

    model: str | None
    labels: str | None
    form: str
    reference: str | None
    reading: ReadOptions = MIX
    boxes: bool = False
    modality: str | None = None
    explain: bool = False

    @classmethod
    def of(cls, fields: Mapping[str, str], count: int) -> PredictRequest:
        """From a form.

        Raises
        ------
        InputError
            If there is no such field, format, channel or track, or several recordings and a format that holds one.
        """
        for name in fields:
            if name not in FIELDS:
                raise UnknownName("field", name[:100], FIELDS)
        form = fields.get("format") or "json"
        if form not in WRITERS:
            raise UnknownName("format", form[:100], WRITERS)
        if form in ONE_RECORDING and count != 1:
            raise InputError(f"{form} holds one recording, and there are {count}; send them one by one.")
        for name in ("boxes", "explain"):
            if fields.get(name, "no") not in ("no", "yes"):
                raise UnknownName(name, fields[name][:100], ("no", "yes"))
        modality = fields.get("modality") or "auto"
        if modality not in ("auto", *MODALITIES):
            raise UnknownName("modality", modality[:100], ("auto", *MODALITIES))
        if (explain := fields.get("explain") == "yes") and form != "json":
            raise InputError(f"explain has no place in {form}; ask for json.")
        reading = ReadOptions(fields.get("channel") or "mix", fields.get("track") or None)
        model, labels, reference = (fields.get(name) or None for name in ("model", "labels", "reference"))
        wanted = None if modality == "auto" else modality
        return cls(model, labels, form, reference, reading, fields.get("boxes") == "yes", wanted, explain)

    @property
    def of_one_modality(self) -> dict[str, bool]:
        """Options that only one modality has, and whether each was given."""
        return {"labels": bool(self.labels), "reference": bool(self.reference), "channel or track": self.reading != MIX}

    def model_for(self, upload: Upload, engine: Engine) -> str | None:
        """The model for a file: the one asked for, or the first of its modality; None is the default.

        Raises
        ------
        InputError
            If the model has another modality, or there is none of the right one.
        """
        if self.model is not None:
            found = engine.card(self.model).modality
            if self.modality not in (None, found):
                raise InputError(f"{self.model} is a model of {found}, not of {self.modality}.")
            return self.model
        if self.modality is not None:
            name = engine.first_of(self.modality)
            if name is None:
                raise InputError(f"this server has no model of {self.modality}; see /v1/models.")
            return None if self.modality == engine.card(engine.default_model).modality else name
        if self.reference is not None:
            return None
        head = upload.read(16)
        upload.seek(0)
        wanted = modality_of(head)
        if wanted is None and not any(self.of_one_modality.values()) and film_length(upload) is not None:
            wanted = "fusion"
        elif wanted is None and upload.source.lower().rpartition(".")[2] in extensions("text"):
            wanted = "text"
        return engine.first_of(wanted) if wanted else None


class ProgressTrace(Trace):
    """Follows the processing of a recording: its progress, whether it is too long, and where faces are.

    Parameters
    ----------
    upload : Upload
    seconds : float
        Longer ones are refused.
    instead : str
        What else takes longer ones, in words.
    notify : callable
        Takes the share that is done, 0 to 1.
    boxes : bool
        Whether to keep where faces are.
    """

    def __init__(
        self,
        upload: Upload,
        seconds: float,
        notify: Callable[[float], None],
        *,
        boxes: bool = False,
        instead: str = "",
    ) -> None:
        super().__init__(on_piece=self._reach)
        self._upload, self._limit, self._notify, self._wanted = upload, seconds, notify, boxes
        self._instead = instead
        #: Seconds of a video that is not read through the upload; 0 if unknown.
        self.length = 0.0
        #: Times and boxes of each face, by the face's name.
        self.boxes: dict[str, list[tuple[float, ...]]] = {}
        self._room = MOST_BOXES
        #: The position of each stream of one recording, in seconds.
        self._reached: dict[int, float] = {}

    def listener(self, who: str | None = None) -> Listener:
        """Nothing is kept."""
        return Listener()

    def see(self, signal: NDArray[np.float32], *, step: int = 160) -> None:
        """Nothing is kept."""

    def _reach(self, piece: Any, stream: Any) -> None:
        """Report progress."""
        self.check(stream.position)
        self._reached[id(stream)] = stream.position
        slowest = min(self._reached.values())
        self._notify(min(1.0, slowest / self.length) if self.length else self._upload.share)
        for face in getattr(stream, "current", ()) if self._wanted else ():
            self._keep_box(face)

    def check(self, seconds: float) -> None:
        """Refuse a recording of at least so many seconds with 413 if that is too long."""
        if seconds > self._limit:
            longer = f"{self._upload.source}: is longer than {self._limit:g} s, which is allowed here"
            raise Refusal(413, f"{longer}{self._instead}.")

    def _keep_box(self, face: Prediction) -> None:
        if face.box is None or face.who is None or not self._room:
            return
        kept = self.boxes.setdefault(face.who, [])
        if not kept or face.start - kept[-1][0] >= BOX_STEP - 1e-6:
            kept.append((face.start, *face.box))
            self._room -= 1


def recognise(
    recognizer: Recognizer | MediaRecognizer,
    upload: Upload,
    *,
    watch: ProgressTrace,
    stop: threading.Event,
    captions: Upload | None = None,
) -> Result | Failure:
    """Process one recording, on a thread.

    Raises
    ------
    Refusal
        413 if it is too long.
    InterruptedError
        If it was stopped.
    """
    upload.stop = stop
    try:
        if isinstance(recognizer, MediaRecognizer):
            result = recognise_film(recognizer, upload, captions, trace=watch, stop=stop)
        else:
            source: Any = Text(upload.read().decode("utf-8")) if upload.is_written else upload
            result = recognizer.analyse(source, trace=watch, stop=stop)
    except (AudioError, ImageError, InputError, TextError) as error:
        reason = str(error).removeprefix(f"{upload.name}: ")
        return Failure(source=upload.source, reason=reason)
    if stop.is_set():  # its file ended early
        raise InterruptedError("stopped before its end")
    boxes = {who: tuple(places) for who, places in watch.boxes.items()}
    return replace(result, source=upload.source, warnings=tuple(map(upload.named, result.warnings)), boxes=boxes)


def written(
    results: Sequence[Result], failures: Sequence[Failure], form: str, explanations: Sequence[Explanations] = ()
) -> str:
    """Results as text in one of the writers' formats; ``explanations`` are those of each result's segments.

    Raises
    ------
    Refusal
        415 if there are only failures, or failures that the format cannot hold.
    """
    if failures and (not results or form != "json"):
        reason = "; ".join(f"{failure.source}: {failure.reason}" for failure in failures)
        raise Refusal(415, reason[:1000], failures=failures)
    if failures or any(explanations):
        table = {**document(results), **({"failures": [f.model_dump() for f in failures]} if failures else {})}
        for record, explained in zip(table["results"], explanations, strict=False):
            for segment, explanation in zip(record["segments"], explained, strict=False):
                segment["explanation"] = explanation
        return json.dumps(table, ensure_ascii=False, indent=2) + "\n"
    file = io.StringIO()
    WRITERS[form](results, file)
    return file.getvalue()


def ask_of(form: Form) -> PredictRequest:
    """What a form asks for; where that makes no sense its recordings are forgotten."""
    try:
        ask = PredictRequest.of(form.fields, len(form.uploads))
        if form.captions and len(form.uploads) != 1:
            raise InputError(
                f"captions are of one video, and there are {len(form.uploads)} files; send them one by one."
            )
        return ask
    except InputError:
        form.close()
        raise


@dataclass(frozen=True)
class RequestWork:
    """Processes the recordings of one request, one after the other on one thread.

    Parameters
    ----------
    service : Service
    form : Form
        Closed when the work is done.
    ask : PredictRequest
    job : bool
        Whether this is a background job; its recordings may be longer.
    notify : callable
        Takes how much is done, 0 to 1.
    stop : threading.Event
        When it is set, the work stops within a block.
    """

    service: Service
    form: Form
    ask: PredictRequest
    job: bool = False
    notify: Callable[[float], None] = lambda share: None
    stop: threading.Event = field(default_factory=threading.Event)
    explanations: list[Explanations] = field(default_factory=list)

    def run(self) -> tuple[list[Result], list[Failure]]:
        """Do the work; the recordings are deleted afterwards."""
        try:
            if self.job and self.ask.explain:
                raise InputError("explain is for texts, which are no long recordings; send them to /v1/predict.")
            outcomes = [self._one(self._recognizer(upload), i) for i, upload in enumerate(self.form.uploads)]
        finally:
            self.form.close()
        results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
        if self.service.store:
            self.service.store.results(results)
        return results, [outcome for outcome in outcomes if isinstance(outcome, Failure)]

    def _recognizer(self, upload: Upload) -> Recognizer | MediaRecognizer:
        """The recogniser asked for; if no model was, the one for such a file."""
        ask, engine = self.ask, self.service.engine
        name = ask.model_for(upload, engine)
        kind = engine.card(name or engine.default_model).modality
        if self.form.captions and kind != "fusion":
            raise InputError(
                f"captions are of a video whose voice and faces are looked at, too, and this is a file of {kind}; "
                "leave them out, or say modality=fusion."
            )
        if kind == "fusion":
            if given := [option for option, value in ask.of_one_modality.items() if value]:
                raise InputError(f"{', '.join(given)}: is for one modality; say modality=speech, or modality=face.")
            return engine.media(name or engine.default_model)
        recognizer = self.service.recognizer(name, ask.labels, reference=ask.reference)
        return (
            recognizer.reading(channel=ask.reading.channel, track=ask.reading.track)
            if ask.reading != MIX
            else recognizer
        )

    def _one(self, recognizer: Recognizer | MediaRecognizer, index: int) -> Result | Failure:
        upload, count = self.form.uploads[index], len(self.form.uploads)
        seconds = self.service.settings.limits.length(recognizer.card.modality, job=self.job)
        most = self.service.settings.limits.length(recognizer.card.modality, job=True)
        watch = ProgressTrace(
            upload,
            seconds,
            lambda share: self.notify((index + share) / count),
            boxes=self.ask.boxes,
            instead=f"; POST /v1/jobs takes up to {most:g} s" if most > seconds else "",
        )
        is_media = isinstance(recognizer, MediaRecognizer)
        if recognizer.card.modality == "text" and upload.size > self.service.settings.limits.text_bytes:
            raise Refusal(
                413, f"{upload.source}: has {upload.size} bytes; of a text {self.service.settings.limits.text_bytes} "
                "are allowed here.",
            )  # fmt: skip
        watch.length = (film_length(upload) or 0.0) if is_media else 0.0
        if recognizer.card.modality == "speech":  # now, not after half an hour of processing
            watch.check((stated_seconds(upload) or 0.0) - TOLERANCE)
        outcome = recognise(recognizer, upload, watch=watch, stop=self.stop, captions=self.form.captions)
        if isinstance(outcome, Result):
            self.explanations.append(self._weighed(recognizer, outcome) if self.ask.explain else [])
        if self.service.store and isinstance(outcome, Result):
            upload.stop = None
            self.service.store.recording(upload)
        self.service.metrics.recording(outcome.duration if isinstance(outcome, Result) else None)
        return outcome

    def _weighed(self, recognizer: Recognizer | MediaRecognizer, result: Result) -> Explanations:
        """The weight of each word of a text, as in the JSON format."""
        if not isinstance(recognizer, Recognizer) or recognizer.card.modality != "text":
            raise InputError(f"explain is for texts; {recognizer.card.name} is a model of {recognizer.card.modality}.")
        most = self.service.settings.limits.sentences
        if len(result.predictions) > most:
            raise InputError(
                f"explain weighs every word: {result.source} has {len(result.predictions)} sentences, and {most} are "
                "allowed here; send fewer, or leave explain out."
            )
        found = []
        for p in result.predictions:
            if self.stop.is_set():
                raise InterruptedError("stopped before its end")
            found.append(highlight(recognizer, p).as_json())
        return found


def routes(service: Service) -> APIRouter:
    """The address and what answers there."""
    router = APIRouter(tags=["recordings"])

    @router.post(
        "/v1/predict",
        summary="Emotions over time in recordings",
        responses={
            200: {"description": "What `affekt predict --format ...` writes.", "content": CONTENT},
            **documented(408, 413, 415, 422, 429, 503),
        },
        openapi_extra=BODY,
        response_class=Response,
    )
    async def predict(request: Request) -> Response:
        with service.recordings.one(client_of(request.scope)):
            is_json = request.headers.get("content-type", "").lower().startswith("application/json")
            form = await (read_words if is_json else read_form)(request, service.settings.limits)
            ask = ask_of(form)
            task = RequestWork(service, form, ask)
            results, failures = await _in_time(task, client_of(request.scope))
            text = written(results, failures, ask.form, task.explanations)
        return Response(text, media_type=MEDIA.get(ask.form, PLAIN))

    return router


async def _in_time(task: RequestWork, client: str) -> tuple[list[Result], list[Failure]]:
    limits = task.service.settings.limits
    running = task.service.engine.files.future(task.run, client=client)
    try:
        async with asyncio.timeout(limits.timeout):
            found: tuple[list[Result], list[Failure]] = await asyncio.shield(running)
            return found
    except TimeoutError:
        raise Refusal(
            503, f"the work took longer than {limits.timeout:g} s; send long recordings to /v1/jobs."
        ) from None
    finally:
        task.stop.set()
        running.add_done_callback(lambda future: future.cancelled() or future.exception())
