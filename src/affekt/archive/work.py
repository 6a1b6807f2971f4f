"""What a worker does with a shard: read, recognise, commit. What goes wrong with an input becomes its record."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import signal
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from affekt.archive.engine import Tell, Work
from affekt.archive.records import FORMATS, Origin, encoded, failed, recognised
from affekt.archive.shards import Shard
from affekt.archive.sources import Input
from affekt.archive.store import Store, file_system, is_address, is_denied, open_store
from affekt.errors import AffektError, AudioWarning, LossWarning, MissingExtra
from affekt.labels import Labels
from affekt.recognize.batch import failure_of
from affekt.recognize.recognizer import Recognizer
from affekt.speech.activity import Piece
from affekt.timeline.summary import summaries, summarise
from affekt.types import Prediction, Result, Sample

#: Seconds before a second try of what lies elsewhere; twice as long before each further one.
PAUSE = 0.5
#: The most that a person reads of why a recording failed.
_LONGEST_REASON = 500


@dataclass(frozen=True)
class Job:
    """The settings with which all shards of an archive are processed.

    Parameters
    ----------
    output : str
        A folder, or an fsspec address.
    origin : Origin
    model : str
        A name in ``affekt models``, or an ``.onnx`` file.
    labels : str, sequence or mapping, optional
        As for :class:`~affekt.recognize.recognizer.Recognizer`.
    tries : int
        Attempts before an input is set aside.
    limit : float
        Seconds that an input may take, in addition to its own length.
    """

    output: str
    origin: Origin
    model: str = "voice"
    labels: Labels | None = None
    tries: int = 3
    limit: float = 600.0


#: A file of this machine, an input and a piece to what is predicted of it.
Analyse = Callable[[str, Input, Piece | None], Result]
#: Opens what a worker needs, once.
Opener = Callable[[Job], Analyse]


def open_model(job: Job) -> Analyse:
    """The model of a job, opened."""
    recognizer = Recognizer(job.model, labels=job.labels, threshold=job.origin.threshold)

    def analyse(path: str, one: Input, piece: Piece | None) -> Result:
        chosen = recognizer.reading(channel=one.channel or job.origin.channel)
        source = path if one.end is None and not one.start else Sample(one.uri, path, start=one.start, end=one.end)
        with warnings.catch_warnings():
            # They are part of the record.
            warnings.simplefilter("ignore", AudioWarning)
            warnings.simplefilter("ignore", LossWarning)
            return chosen.analyse(source, piece=piece)

    return analyse


def open_work(job: Job, opener: Opener = open_model) -> Work:
    """A worker: opens the model and the output, and gives what works on shards."""
    analyse, store = opener(job), open_store(job.output)

    def work(shard: Shard, tell: Tell) -> dict[str, Any]:
        begun, before, again = time.monotonic(), store.again, 0
        records, partial = [], []

        def cost() -> dict[str, float]:
            return {"took": time.monotonic() - begun, "again": again + store.again - before}

        for index, one in enumerate(shard.inputs):
            if index in shard.set_aside:
                records.append(failed(one, *shard.set_aside[index]))
                continue
            seconds = job.limit + (shard.seconds if shard.piece else one.seconds(math.inf))
            tell(index, seconds)
            with _limited(seconds):
                found, repeats = _tried(analyse, one, shard.piece, job.tries)
            again += repeats
            if isinstance(found, Result) and shard.piece:
                partial.append(found)
            records.append(recognised(one, found) if isinstance(found, Result) else failed(one, *found))
        if shard.piece:
            content = json.dumps(_piece_record(partial[0]) if partial else records[0]["error"]).encode()
            store.write(piece_name(shard.number), content)
            return commit(store, shard, cost())
        return commit_part(store, shard, records, job.origin, cost=cost)

    return work


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Let the system end this process, whatever it is waiting for, unless it finishes in time.

    Python cannot interrupt a decoder that hangs. Where the system has no such timer, there is no limit.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _tried(analyse: Analyse, one: Input, piece: Piece | None, tries: int) -> tuple[Result | tuple[str, str], int]:
    """The result, or the kind of failure and its reason; and how often a server had to be asked again."""
    path, again = one.uri, 0
    for number in range(tries):
        try:
            with _on_this_machine(one) as path:
                return replace(analyse(path, one, piece), source=one.uri), again
        except MissingExtra:
            raise  # not this recording's fault
        except Exception as error:  # files of strangers raise what nobody has thought of, and may not stop the rest
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            found = _kind(error, one.uri), failure_of(path, error).reason[:_LONGEST_REASON]
            if found[0] == "forbidden":
                break
            if number + 1 < tries and is_address(one.uri):
                again += 1
                time.sleep(PAUSE * 2**number)
    return found, again


def _kind(error: BaseException, uri: str) -> str:
    if isinstance(error, FileNotFoundError) or not (is_address(uri) or os.path.exists(uri)):
        return "missing"
    if isinstance(error, PermissionError) or (is_address(uri) and is_denied(error)):
        return "forbidden"
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, OSError):
        return "connection" if is_address(uri) else "unreadable"
    return "unreadable" if isinstance(error, AffektError) else "fault"


@contextmanager
def _on_this_machine(one: Input) -> Iterator[str]:
    """A local file to read: for remote files, a temporary copy.

    A broken connection then fails the copying, not the decoder.
    """
    if not is_address(one.uri):
        yield one.uri
        return
    with tempfile.TemporaryDirectory(prefix="affekt-") as folder:
        copy = os.path.join(folder, one.uri.rsplit("/", 1)[-1] or "recording")
        system, path = file_system(one.uri)
        try:
            system.get_file(path, copy)
        except (OSError, AffektError):
            raise
        except Exception as error:  # each file system has errors of its own
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        yield copy


def state_name(number: int) -> str:
    """The object that says that a shard is committed."""
    return f"state/{number // 1000:05d}/{number:08d}.json"


def merged_name(group: int) -> str:
    """The object that says that the pieces of a long input became its record."""
    return f"state/{group // 1000:05d}/{group:08d}.merged.json"


def part_name(number: int, form: str) -> str:
    """The object that holds a shard's records."""
    return f"data/{number // 1000:05d}/part-{number:08d}{FORMATS[form]}"


def piece_name(number: int) -> str:
    """The object that holds what was predicted of a piece."""
    return f"pieces/{number:08d}.json"


def commit(store: Store, shard: Shard, state: dict[str, Any]) -> dict[str, Any]:
    """Say that a shard is done: from here on it is never worked on again."""
    state = {"shard": shard.number, **state}
    store.write(state_name(shard.number), json.dumps(state).encode())
    return state


def commit_part(
    store: Store,
    shard: Shard,
    records: list[dict[str, Any]],
    origin: Origin,
    *,
    cost: Callable[[], Mapping[str, float]],
) -> dict[str, Any]:
    """Write a shard's records, and then that it is done.

    Killed between the two, the shard is worked on again, and its part replaced by the same records: the name of
    a part is that of its shard.
    """
    content = encoded(records, origin)
    store.write(part_name(shard.number, origin.form), content)
    state = {**cost(), **tally(records, len(content))}
    if shard.piece:
        state = {"shard": shard.number, **state}
        store.write(merged_name(shard.group), json.dumps(state).encode())
        return state
    return commit(store, shard, state)


def tally(records: list[dict[str, Any]], size: int) -> dict[str, Any]:
    """What a state says of records: how many, seconds of sound, failures by kind, bytes."""
    kinds = Counter(one["error"]["kind"] for one in records if one["error"])
    sound = sum(one.get("duration") or 0.0 for one in records)
    return {"records": len(records), "sound": sound, "failed": dict(kinds), "bytes": size}


def _piece_record(result: Result) -> dict[str, Any]:
    """All of it, not rounded: the summary of the whole is computed of these."""
    rows = [[p.start, p.end, dict(p.scores), p.quality, p.threshold, p.reason, p.who] for p in result.predictions]
    return {"duration": result.duration, "model": result.model, "warnings": result.warnings, "rows": rows}


def merge(store: Store, shards: list[Shard], origin: Origin) -> dict[str, Any]:
    """Make the record of a long input of its pieces, and commit it in place of them."""
    pieces = [json.loads(store.read(piece_name(shard.number))) for shard in shards]
    (one,) = shards[0].inputs
    broken = next((piece for piece in pieces if "kind" in piece), None)
    if broken:
        records = [failed(one, broken["kind"], broken["reason"])]
    else:
        found = [
            Prediction(start, end, scores, "speech", quality, threshold, reason, who)
            for piece in pieces
            for start, end, scores, quality, threshold, reason, who in piece["rows"]
        ]
        found.sort(key=lambda p: p.start)
        result = Result(
            one.uri,
            max(piece["duration"] for piece in pieces),
            tuple(found),
            summarise(found),
            pieces[0]["model"],
            tuple(origin.labels),
            tuple(dict.fromkeys(warning for piece in pieces for warning in piece["warnings"])),
            summaries=summaries(found),
        )
        records = [recognised(one, result)]
    state = commit_part(store, shards[0], records, origin, cost=lambda: {"took": 0.0})
    for shard in shards:
        store.remove(piece_name(shard.number))
    return state


def digest_of(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
