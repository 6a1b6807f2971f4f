"""A run: plan what is new, process what is not committed yet, merge pieces into records."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

from affekt import __version__
from affekt._optional import require
from affekt.archive.engine import Executor, map_shards
from affekt.archive.erased import Erased
from affekt.archive.records import FORMATS, SCHEMA, Origin
from affekt.archive.shards import Plan, Shard
from affekt.archive.sources import inputs
from affekt.archive.store import Store, locked, open_store
from affekt.archive.work import Job, Opener, digest_of, merge, merged_name, open_model, open_work, state_name
from affekt.errors import InputError, ModelError, StoreError, UnknownName
from affekt.labels import Labels, label_map
from affekt.models.onnx import read_card
from affekt.models.zoo import model_path

#: Where an output says what made it.
ORIGIN = "archive.json"
#: And how many workers the last run had.
RUN = "run.json"


@dataclass(frozen=True)
class RunOptions:
    """How an archive is processed.

    Parameters
    ----------
    model : str
        A name in ``affekt models``, or an ``.onnx`` file, of speech.
    labels : str, sequence or mapping, optional
        As for :class:`~affekt.recognize.recognizer.Recognizer`.
    threshold : float, optional
        By default the card's.
    channel : str
        For recordings whose manifest does not give one.
    form : str
        ``parquet`` or ``jsonl``.
    shard : float
        Seconds of sound in a shard.
    tries : int
        Attempts before a recording is set aside.
    limit : float
        Seconds that a recording may take, in addition to its own length.
    allow_missing : bool
        Missing files of a manifest get a failure record.
    retry_failed : bool
        Process shards again in which something failed.
    """

    model: str = "voice"
    labels: Labels | None = None
    threshold: float | None = None
    channel: str = "mix"
    form: str = "parquet"
    shard: float = 3600.0
    tries: int = 3
    limit: float = 600.0
    allow_missing: bool = False
    retry_failed: bool = False

    def __post_init__(self) -> None:
        if self.form not in FORMATS:
            raise UnknownName("format", self.form, FORMATS)
        if not 20 <= self.shard <= 100_000 or not 1 <= self.tries <= 100:
            raise InputError(
                f"shard is {self.shard:g} s and tries {self.tries}; allowed: 20 to 100,000 s and 1 to 100."
            )
        if not 0 < self.limit <= 1e7:
            raise InputError(f"limit is {self.limit:g} s; give the seconds that a recording may take, such as 600.")
        if self.form == "parquet":
            require("pyarrow", extra="archive")


@dataclass(frozen=True)
class Progress:
    """What a run tells on its way: shards planned and committed, and the state that was committed last."""

    shards: int
    done: int
    state: dict[str, Any] | None = None


def run_archive(
    sources: Sequence[str],
    output: str,
    executor: Executor,
    *,
    options: RunOptions | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    opener: Opener = open_model,
) -> None:
    """Recognise all recordings of an archive; the output gets exactly one record for each.

    If the run is killed, the same call continues with the first shard that is not committed. If the sources have
    grown, the new recordings are added.

    Parameters
    ----------
    sources : sequence of str
        See :func:`affekt.archive.sources.inputs`; none: continue with what is planned.
    output : str
        A folder, or an fsspec address.
    executor : Executor
    options : RunOptions, optional
    on_progress : callable, optional
        Takes a :class:`Progress` at the start, and after each shard.
    opener : callable, optional
        Opens what stands for the model.

    Raises
    ------
    InputError
        If sources name nothing, a manifest is wrong, or there is neither a source nor a plan.
    StoreError
        If the output was made by another version, model or options; it is in use; or it cannot be written.
    """
    options = options or RunOptions()
    store = open_store(output)
    job = Job(store.address, _origin(options), os.fspath(options.model), options.labels, options.tries, options.limit)
    with locked(store), _explained(store):
        _check_origin(store, job.origin)
        plan = Plan(store)
        if sources:
            # Of a manifest that turns out to be wrong nothing is planned.
            erased, found = Erased(store), inputs(sources, allow_missing=options.allow_missing)
            plan.extend((one for one in found if one not in erased), seconds=options.shard)
        if not plan.shards:
            raise InputError(f"{store.address}: nothing is planned there yet; name a SOURCE.")
        store.write(ORIGIN, json.dumps({"schema": SCHEMA, **asdict(job.origin)}, indent=2).encode())
        done = _Committed(store)
        if options.retry_failed:
            done.forget_failed(plan)
        pieces, count = _Pieces(store, job.origin, done), len(done.shards)
        on_progress(Progress(plan.shards, count))
        workers = 0
        for state in map_shards(partial(open_work, job, opener), pieces.todo(plan), executor, tries=options.tries):
            if workers != executor.workers:
                workers = executor.workers
                store.write(RUN, json.dumps({"workers": workers}).encode())
            count += 1
            pieces.over(state["shard"])
            on_progress(Progress(plan.shards, count, state))
            for merged in pieces.merged():
                on_progress(Progress(plan.shards, count, merged))
        for merged in pieces.merged():
            on_progress(Progress(plan.shards, count, merged))
        # A run that was killed between a record and its pieces left these.
        for name in list(store.names("pieces")):
            store.remove(name)


def _origin(options: RunOptions) -> Origin:
    path = model_path(options.model)
    card = read_card(path)
    if card.modality != "speech" or card.task != "emotion":
        raise ModelError(f"{card.name} is a model of {card.modality}; archives are of sound: give a model of speech.")
    labels = {label: tuple(group) for label, group in label_map(options.labels, card.labels).sources.items()}
    threshold = card.threshold if options.threshold is None else options.threshold
    return Origin(__version__, card.name, digest_of(path), labels, threshold, options.channel, options.form)


def read_origin(store: Store) -> Origin | None:
    """What made the output of a store; None where there is none yet.

    Raises
    ------
    StoreError
        If there is something else.
    """
    try:
        plain = json.loads(store.read(ORIGIN))
        if plain.pop("schema") != SCHEMA:
            raise ValueError("another schema")
        return Origin(**{**plain, "labels": {label: tuple(group) for label, group in plain["labels"].items()}})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{store.address}/{ORIGIN}: is not what this affekt writes ({error}). Use the version that wrote it, or "
            "another --output."
        ) from error


def existing(store: Store) -> Origin:
    """What made the output of a store; raises StoreError where there is none."""
    if (origin := read_origin(store)) is None:
        raise StoreError(f"{store.address}: is no output of `affekt archive run`; there is no {ORIGIN}.")
    return origin


def _check_origin(store: Store, origin: Origin) -> None:
    """Raise StoreError unless the output is empty, or was begun by the very same."""
    there = read_origin(store)
    if there is None or there == origin:
        return
    differences = [
        f"{f.name} {_shown(getattr(there, f.name))}, and now {_shown(getattr(origin, f.name))}"
        for f in fields(Origin)
        if getattr(there, f.name) != getattr(origin, f.name)
    ]
    raise StoreError(
        f"{store.address}: was made with {'; '.join(differences)}. Results are not mixed: go on with the affekt, "
        "the model and the options that began it, or give another --output."
    )


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(value)
    return value[:12] if isinstance(value, str) else str(value)


@contextmanager
def _explained(store: Store) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise StoreError(
            f"{error.filename or store.address}: the disk is full. What is committed stays; make room, and run the "
            "same command again to go on."
        ) from error


class _Committed:
    """The numbers of the shards that are committed, and of the groups whose pieces became a record."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.shards, self.groups = set[int](), set[int]()
        for name in store.names("state"):
            stem = name.rsplit("/", 1)[-1].removesuffix(".json")
            (self.groups if stem.endswith(".merged") else self.shards).add(int(stem.removesuffix(".merged")))

    def forget_failed(self, plan: Plan) -> None:
        """Take those in which something failed for not committed."""
        failed = {n for n in self.shards if self._has_failed(state_name(n))}
        groups = {n for n in self.groups if self._has_failed(merged_name(n))}
        for group in groups:
            self._store.remove(merged_name(group))
        failed |= {shard.number for shard in plan if shard.piece and shard.group in groups}
        for number in failed:
            self._store.remove(state_name(number))
        self.shards, self.groups = self.shards - failed, self.groups - groups

    def _has_failed(self, name: str) -> bool:
        return bool(json.loads(self._store.read(name)).get("failed"))


class _Pieces:
    """Which shards are still to be worked on, and which long inputs have all of their pieces."""

    def __init__(self, store: Store, origin: Origin, done: _Committed) -> None:
        self._store, self._origin, self._done = store, origin, done
        self._left: dict[int, set[int]] = {}
        self._first: dict[int, Shard] = {}
        self._group: dict[int, int] = {}

    def todo(self, plan: Plan) -> Iterator[Shard]:
        """The shards that are not committed."""
        for shard in plan:
            if shard.piece:
                if shard.group in self._done.groups:
                    continue
                self._first.setdefault(shard.group, shard)
                self._left.setdefault(shard.group, set(range(shard.group, shard.group + shard.pieces)))
                self._group[shard.number] = shard.group
            if shard.number in self._done.shards:
                self.over(shard.number)
            else:
                yield shard

    def over(self, number: int) -> None:
        """Note that a shard is committed."""
        if number in self._group:
            self._left[self._group.pop(number)].discard(number)

    def merged(self) -> Iterator[dict[str, Any]]:
        """Make the records of the long inputs that are complete; the states of these."""
        for group in [group for group, left in self._left.items() if not left]:
            shard = self._first.pop(group)
            del self._left[group]
            yield merge(self._store, [replace(shard, number=group + i) for i in range(shard.pieces)], self._origin)
