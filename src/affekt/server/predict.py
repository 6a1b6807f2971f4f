"""``POST /v1/predict``: recordings, pictures and videos in, what the command line writes out."""

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

from affekt.errors import AudioError, ImageError, InputError, UnknownName
from affekt.recognize.recognizer import Recognizer
from affekt.recognize.trace import Trace
from affekt.server.refusals import Failure, Refusal, documented
from affekt.server.service import Service
from affekt.server.slots import client_of
from affekt.server.uploads import Form, Upload, read_form
from affekt.speech.audio import MIX
from affekt.speech.channels import ReadOptions
from affekt.timeline.segments import Listener
from affekt.types import Prediction, Result
from affekt.write.predictions import ONE_RECORDING, WRITERS, document

MEDIA = {"json": "application/json", "jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
PLAIN = "text/plain; charset=utf-8"
#: Seconds between two boxes of a face, and how many are kept of a video.
BOX_STEP, MOST_BOXES = 0.2, 100_000
#: For the OpenAPI description: what a success is, by format.
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
                            "description": "Recordings, pictures and videos of any common format.",
                        },
                        "model": {
                            "type": "string",
                            "description": "A name of /v1/models; by default that of faces for pictures, of voices "
                            "for all that may have sound.",
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
                    },
                }
            }
        },
    }
}


FIELDS = tuple(
    name for name in BODY["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"] if name != "files"
)


@dataclass(frozen=True)
class PredictRequest:
    """What is wanted of a request's recordings."""

    model: str | None
    labels: str | None
    form: str
    reference: str | None
    reading: ReadOptions = MIX
    boxes: bool = False

    @classmethod
    def of(cls, fields: Mapping[str, str], count: int) -> PredictRequest:
        """From a form.

        Raises
        ------
        InputError
            If there is no such field, format, channel or track, or the format holds one recording and there are more.
        """
        for name in fields:
            if name not in FIELDS:
                raise UnknownName("field", name[:100], FIELDS)
        form = fields.get("format") or "json"
        if form not in WRITERS:
            raise UnknownName("format", form[:100], WRITERS)
        if form in ONE_RECORDING and count != 1:
            raise InputError(f"{form} holds one recording, and there are {count}; send them one by one.")
        if fields.get("boxes", "no") not in ("no", "yes"):
            raise UnknownName("boxes", fields["boxes"][:100], ("no", "yes"))
        reading = ReadOptions(fields.get("channel") or "mix", fields.get("track") or None)
        model, labels, reference = (fields.get(name) or None for name in ("model", "labels", "reference"))
        return cls(model, labels, form, reference, reading, fields.get("boxes") == "yes")


class ProgressTrace(Trace):
    """Looks on while a recording is worked on: how far it is, whether it is too long, and where faces are.

    Parameters
    ----------
    upload : Upload
    seconds : float
        Longer ones are refused.
    notify : callable
        Takes how much is done, 0 to 1.
    boxes : bool
        Whether to keep where faces are.
    """

    def __init__(self, upload: Upload, seconds: float, notify: Callable[[float], None], *, boxes: bool = False) -> None:
        super().__init__(on_piece=self._reach)
        self._upload, self._limit, self._notify, self._wanted = upload, seconds, notify, boxes
        #: Time and box of each face, by its name.
        self.boxes: dict[str, list[tuple[float, ...]]] = {}
        self._room = MOST_BOXES

    def listener(self, who: str | None = None) -> Listener:
        """Nothing is kept but boxes."""
        return Listener(hop=self._keep_box) if self._wanted else Listener()

    def see(self, signal: NDArray[np.float32], *, step: int = 160) -> None:
        """Nothing is kept."""

    def _reach(self, piece: Any, stream: Any) -> None:
        """Tell how far it is."""
        if stream.position > self._limit:
            raise Refusal(413, f"{self._upload.source}: is longer than {self._limit:g} s, which is allowed here.")
        self._notify(self._upload.share)

    def _keep_box(self, face: Prediction) -> None:
        if face.box is None or face.who is None or not self._room:
            return
        kept = self.boxes.setdefault(face.who, [])
        if not kept or face.start - kept[-1][0] >= BOX_STEP - 1e-6:
            kept.append((face.start, *face.box))
            self._room -= 1


def recognise(
    recognizer: Recognizer, upload: Upload, *, watch: ProgressTrace, stop: threading.Event
) -> Result | Failure:
    """Work on one recording, on a thread.

    Raises
    ------
    Refusal
        413 if it is too long.
    InterruptedError
        If it was stopped.
    """
    upload.stop = stop
    try:
        result = recognizer.analyse(upload, trace=watch, stop=stop)  # type: ignore[arg-type]
    except (AudioError, ImageError, InputError) as error:
        reason = str(error).removeprefix(f"{upload.name}: ")
        return Failure(source=upload.source, reason=reason)
    if stop.is_set():  # its file ended early
        raise InterruptedError("stopped before its end")
    boxes = {who: tuple(places) for who, places in watch.boxes.items()}
    return replace(result, source=upload.source, warnings=tuple(map(upload.named, result.warnings)), boxes=boxes)


def written(results: Sequence[Result], failures: Sequence[Failure], form: str) -> str:
    """Results as text in one of the writers' formats.

    Raises
    ------
    Refusal
        415 if there are failures that the format has no place for, or nothing else.
    """
    if failures and (not results or form != "json"):
        reason = "; ".join(f"{failure.source}: {failure.reason}" for failure in failures)
        raise Refusal(415, reason[:1000], failures=failures)
    if failures:
        table = {**document(results), "failures": [failure.model_dump() for failure in failures]}
        return json.dumps(table, ensure_ascii=False, indent=2) + "\n"
    file = io.StringIO()
    WRITERS[form](results, file)
    return file.getvalue()


def ask_of(form: Form) -> PredictRequest:
    """What a form asks for; where that makes no sense its recordings are forgotten."""
    try:
        return PredictRequest.of(form.fields, len(form.uploads))
    except InputError:
        form.close()
        raise


@dataclass(frozen=True)
class RequestWork:
    """The recordings of one request, one after the other on one thread.

    Parameters
    ----------
    service : Service
    form : Form
        Closed when the work is done.
    ask : PredictRequest
    job : bool
        Whether nobody waits, and recordings may be longer.
    notify : callable
        Takes how much is done, 0 to 1.
    stop : threading.Event
        When it is set the work ends within a block.
    """

    service: Service
    form: Form
    ask: PredictRequest
    job: bool = False
    notify: Callable[[float], None] = lambda share: None
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> tuple[list[Result], list[Failure]]:
        """Do it; the recordings are gone afterwards."""
        try:
            outcomes = [self._one(self._recognizer(upload), i) for i, upload in enumerate(self.form.uploads)]
        finally:
            self.form.close()
        results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
        if self.service.store:
            self.service.store.results(results)
        return results, [outcome for outcome in outcomes if isinstance(outcome, Failure)]

    def _recognizer(self, upload: Upload) -> Recognizer:
        """As it was asked for; where no model was, the one that reads such a file."""
        ask, name = self.ask, self.ask.model
        if name is None and ask.reference is None:
            name = self.service.engine.model_of_file(upload.read(16))
            upload.seek(0)
        recognizer = self.service.recognizer(name, ask.labels, reference=ask.reference)
        return (
            recognizer.reading(channel=ask.reading.channel, track=ask.reading.track)
            if ask.reading != MIX
            else recognizer
        )

    def _one(self, recognizer: Recognizer, index: int) -> Result | Failure:
        upload, count = self.form.uploads[index], len(self.form.uploads)
        seconds = self.service.settings.limits.length(recognizer.card.modality, job=self.job)
        watch = ProgressTrace(upload, seconds, lambda share: self.notify((index + share) / count), boxes=self.ask.boxes)
        outcome = recognise(recognizer, upload, watch=watch, stop=self.stop)
        if self.service.store and isinstance(outcome, Result):
            upload.stop = None
            self.service.store.recording(upload)
        self.service.metrics.recording(outcome.duration if isinstance(outcome, Result) else None)
        return outcome


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
            form = await read_form(request, service.settings.limits)
            ask = ask_of(form)
            results, failures = await _in_time(service, form, ask, client_of(request.scope))
            text = written(results, failures, ask.form)
        return Response(text, media_type=MEDIA.get(ask.form, PLAIN))

    return router


async def _in_time(
    service: Service, form: Form, ask: PredictRequest, client: str
) -> tuple[list[Result], list[Failure]]:
    limits = service.settings.limits
    task = RequestWork(service, form, ask)
    running = service.engine.files.future(task.run, client=client)
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
