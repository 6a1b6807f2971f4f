"""Python client for a server started by ``affekt serve``. Needs the extra ``serve``."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from affekt._optional import require
from affekt.errors import AffektError, InputError
from affekt.types import Prediction, Result
from affekt.write.predictions import SCHEMA

Upload = str | os.PathLike[str] | bytes | tuple[NDArray[Any], int]


class ServerError(AffektError):
    """The server refused the request, or cannot be reached.

    Parameters
    ----------
    reason : str
    status : int
        The HTTP status, or from 1000 on the close code of a stream; 0 if there was no answer.
    results : sequence of Result
        Of several recordings, the results of those that could be read.
    failures : mapping of str to str
        The others, and why each could not be read.
    """

    def __init__(
        self,
        reason: str,
        status: int = 0,
        *,
        results: Sequence[Result] = (),
        failures: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason)
        self.status, self.results, self.failures = status, tuple(results), dict(failures or {})


def results_of(document: Any) -> list[Result]:
    """Read the results back from what the writer ``json`` wrote.

    Parameters
    ----------
    document : object
        Content of a ``.json`` file, read with :mod:`json`.

    Returns
    -------
    list of Result

    Raises
    ------
    InputError
        If the document is something else; says where it differs.

    Examples
    --------
    >>> segment = {"start": 0.0, "end": 2.0, "label": "sad", "quality": 1.0, "scores": {"happy": 0.25, "sad": 0.75}}
    >>> record = {"source": "a.wav", "model": "m", "duration": 2.0, "labels": ["happy", "sad"],
    ...           "summary": segment, "segments": [segment], "warnings": []}
    >>> results_of({"schema": "affekt.predictions/2", "results": [record]})[0].summary.label
    'sad'
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("results"), list):
        raise InputError("this is no document of results: an object with 'results', a list, was expected.")
    if document.get("schema", SCHEMA) != SCHEMA:
        raise InputError(f"the schema is {str(document['schema'])[:100]!r}; allowed: {SCHEMA!r}.")
    return [_result(record, f"results[{i}]") for i, record in enumerate(document["results"])]


def _result(record: Any, where: str) -> Result:
    try:
        return Result(
            source=_text(record["source"]),
            duration=float(record["duration"]),
            predictions=tuple(_prediction(p) for p in record["segments"]),
            summary=_prediction(record["summary"]),
            model=_text(record["model"]),
            labels=tuple(map(_text, record["labels"])),
            warnings=tuple(map(_text, record.get("warnings", ()))),
            baseline=_text(record.get("baseline", "none")),
            summaries={_text(who): _prediction(p) for who, p in record.get("summaries", {}).items()},
        )
    except KeyError as error:
        raise InputError(f"{where} has no {error.args[0]!r}.") from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{where} is no result: {str(error)[:200]}") from None


def _prediction(fields: Any) -> Prediction:
    # A stream marks what it was not asked to answer; in a file this is a segment without an answer.
    answered = {} if fields.get("skipped") else fields["scores"]
    scores = {_text(label): float(p) for label, p in answered.items()}
    best = max(scores.values(), default=0.0)
    return Prediction(
        float(fields["start"]),
        float(fields["end"]),
        scores,
        modality=_text(fields.get("modality", "speech")),
        quality=float(fields["quality"]),
        reason=_text(fields.get("reason", "")),
        who=None if fields.get("who") is None else _text(fields["who"]),
        text=None if fields.get("text") is None else _text(fields["text"]),
        box=tuple(float(x) for x in fields["box"]) if fields.get("box") else None,  # type: ignore[arg-type]
        # The file does not hold the threshold, only that the confidence was below it.
        threshold=min(1.0, best + 1e-4) if fields.get("unsure") else 0.0,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:100]!r} is no text.")
    return value


@dataclass(frozen=True)
class Client:
    """Client of a server started by ``affekt serve``.

    Parameters
    ----------
    url : str
        Address of the server.
    token : str, optional
        Access token that the server asks for; by default the value of ``AFFEKT_TOKEN``.
    timeout : float
        Maximum seconds to wait for an answer.

    Examples
    --------
    >>> client = Client("http://127.0.0.1:8000")
    >>> client.predict("call.wav")[0].summary.label  # doctest: +SKIP
    'happy'
    """

    url: str = "http://127.0.0.1:8000"
    token: str | None = None
    timeout: float = 300.0

    def models(self) -> list[dict[str, Any]]:
        """The available models: ``name``, ``default``, ``labels``, ``card``."""
        found: list[dict[str, Any]] = self._json("GET", "/v1/models")["models"]
        return found

    def labels(self, model: str | None = None) -> dict[str, Any]:
        """The ``labels`` of a model, and the label ``maps`` it supports."""
        found: dict[str, Any] = self._json("GET", "/v1/labels", params={"model": model} if model else {})
        return found

    def settings(self) -> dict[str, Any]:
        """Limits of the server, and its notice on what happens with recordings."""
        found: dict[str, Any] = self._json("GET", "/v1/settings")
        return found

    def predict(
        self,
        sources: Upload | Sequence[Upload],
        *,
        model: str | None = None,
        labels: str | None = None,
        reference: str | None = None,
    ) -> list[Result]:
        """Emotions over time in recordings.

        Parameters
        ----------
        sources : path, bytes, or (array, sampling_rate); or a list of them
        model : str, optional
            A name from :meth:`models`.
        labels : str, optional
            A set's name, or labels to choose between: ``angry,sad``.
        reference : str, optional
            An id from :meth:`reference`.

        Returns
        -------
        list of Result
            One for each recording, in order.

        Raises
        ------
        ServerError
            If the server cannot be reached or refuses, or if a recording could not be read. No recording is dropped
            silently: ``failures`` of the error says which failed and why, ``results`` holds the results of the others.
        InputError
            If a source is not a recording.
        """
        fields = _given(model=model, labels=labels, reference=reference)
        with ExitStack() as stack:
            files = [("files", _part(source, stack)) for source in _several(sources)]
            answer = self._answer("POST", "/v1/predict", files=files, data=fields)
        document = answer.json()
        found = results_of(document)
        if failures := {failure["source"]: failure["reason"] for failure in document.get("failures", ())}:
            named = "; ".join(f"{source}: {reason}" for source, reason in failures.items())
            count = f"{len(files) - len(found)} of {len(files)} recordings could not be read"
            words = f"{self.url}: {count} ({named}). The results of the others are in this error's results."
            raise ServerError(words, answer.status_code, results=found, failures=failures)
        return found

    def reference(self, source: Upload) -> str:
        """Upload neutral speech of a speaker (5 to 60 s) and return its id, valid for half an hour."""
        with ExitStack() as stack:
            files = [("file", _part(source, stack))]
            return str(self._json("POST", "/v1/references", files=files)["reference"])

    def start_job(
        self, sources: Upload | Sequence[Upload], *, model: str | None = None, labels: str | None = None
    ) -> str:
        """Start a job on long recordings; :meth:`job` reports its progress."""
        fields = _given(model=model, labels=labels)
        with ExitStack() as stack:
            files = [("files", _part(source, stack)) for source in _several(sources)]
            return str(self._json("POST", "/v1/jobs", files=files, data=fields)["job"])

    def job(self, name: str) -> dict[str, Any]:
        """The ``state`` of a job, its ``progress`` and, when done, its results, to be read with :func:`results_of`."""
        found: dict[str, Any] = self._json("GET", f"/v1/jobs/{name}")
        return found

    def stop_job(self, name: str) -> None:
        """Stop and delete a job."""
        self._answer("DELETE", f"/v1/jobs/{name}")

    def stream(
        self, chunks: Iterable[NDArray[np.floating]], *, sampling_rate: int = 16_000, **hello: str
    ) -> Iterator[dict[str, Any]]:
        """Send a signal as it arrives, and yield what the server recognises in it.

        Parameters
        ----------
        chunks : iterable of float arrays, shape (n,)
            Mono samples, full scale [-1, 1]; read in a separate thread.
        sampling_rate : int
            Hertz.
        **hello
            ``model``, ``labels``, ``reference``, ``voices``, as the server's page describes them.

        Yields
        ------
        dict
            Events, the ``summary`` last.

        Raises
        ------
        ServerError
            If the server cannot be reached, refuses, or closes the connection.
        """
        connect = require("websockets.sync.client", extra="client").connect
        closed = require("websockets.exceptions", extra="client").WebSocketException
        address = "ws" + self.url.rstrip("/").removeprefix("http") + "/v1/stream"
        try:
            with connect(address, additional_headers=self._headers(), max_size=None) as socket:
                greeting = {"type": "hello", "sampling_rate": sampling_rate, "format": "float32", **hello}
                socket.send(json.dumps(greeting))
                _event(socket.recv())
                broken: list[Exception] = []
                Thread(target=_send, args=(socket, chunks, sampling_rate, broken), daemon=True).start()
                for message in socket:
                    yield _event(message)
                if broken:
                    raise broken[0]
        except (OSError, closed) as error:
            raise ServerError(f"{self.url}: {error}", getattr(getattr(error, "rcvd", None), "code", 0)) from None

    def _headers(self) -> dict[str, str]:
        token = self.token or os.environ.get("AFFEKT_TOKEN")
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _json(self, method: str, path: str, **request: Any) -> Any:
        return self._answer(method, path, **request).json()

    def _answer(self, method: str, path: str, **request: Any) -> Any:
        httpx = require("httpx", extra="client")
        address = self.url.rstrip("/") + path
        try:
            answer = httpx.request(method, address, headers=self._headers(), timeout=self.timeout, **request)
        except httpx.HTTPError as error:
            raise ServerError(f"{self.url}: no answer ({error}). Is `affekt serve` running there?") from None
        if answer.is_error:
            try:
                reason = answer.json()["reason"]
            except (ValueError, KeyError, TypeError):
                reason = answer.text[:200]
            raise ServerError(f"{self.url}: {reason}", answer.status_code)
        return answer


def _given(**fields: str | None) -> dict[str, str]:
    return {key: value for key, value in fields.items() if value is not None}


def _several(sources: Upload | Sequence[Upload]) -> list[Any]:
    return sources if isinstance(sources, list) else [sources]


def _part(source: Upload, stack: ExitStack) -> tuple[str, Any]:
    """Name and content of a recording, as a form field."""
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if not path.is_file():
            raise InputError(f"{path}: no such file.")
        return path.name, stack.enter_context(open(path, "rb"))
    if isinstance(source, bytes):
        return "recording", source
    if not isinstance(source, tuple) or len(source) != 2:
        raise InputError(f"a {type(source).__name__} is not a recording: give a path, bytes or (array, rate).")
    signal, rate = source
    file = io.BytesIO()
    soundfile.write(file, np.asarray(signal), int(rate), format="WAV", subtype="FLOAT")
    return "array", file.getvalue()


def _send(socket: Any, chunks: Iterable[NDArray[np.floating]], sampling_rate: int, broken: list[Exception]) -> None:
    """Send the signal in messages of at most 1 s and 64 KiB, then the end; the reader reports errors in the chunks."""
    most = min(16_000, sampling_rate)
    try:
        for chunk in chunks:
            signal = np.asarray(chunk, "<f4")
            for start in range(0, len(signal), most):
                socket.send(signal[start : start + most].tobytes())
        socket.send('{"type": "end"}')
    except require("websockets.exceptions", extra="client").ConnectionClosed:
        return  # the same connection tells the reader
    except Exception as error:
        broken.append(error)
        socket.close()


def _event(message: str | bytes) -> dict[str, Any]:
    event = json.loads(message)
    if event.get("type") == "error":
        raise ServerError(event.get("reason", "the server broke off."))
    found: dict[str, Any] = event
    return found
