"""Progress of an archive, from what is committed: it uses no clock, so no wrong clock can mislead it."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from affekt._files import atomic_write
from affekt.archive.run import RUN, existing
from affekt.archive.shards import Plan
from affekt.archive.store import open_store


@dataclass
class Counts:
    """What is committed of an archive, counted up shard by shard.

    Parameters
    ----------
    shards, done : int
        Planned and committed.
    inputs, records : int
        Planned recordings, and records written: those of failures too.
    failed : Counter
        Kind of failure to records.
    sound, took : float
        Seconds of sound in the records, and worker seconds spent on them.
    bytes : int
        Of the records.
    again : int
        How often a request to another machine had to be repeated.
    planned, left : float
        About how many seconds of sound are committed, and how many are not yet.
    workers : int
        Of the last run.
    """

    shards: int = 0
    done: int = 0
    inputs: int = 0
    records: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    sound: float = 0.0
    took: float = 0.0
    bytes: int = 0
    again: int = 0
    planned: float = 0.0
    left: float = 0.0
    workers: int = 1

    def add(self, state: dict[str, Any]) -> None:
        """Count a state that was committed."""
        self.records += state.get("records", 0)
        self.failed.update(state.get("failed", {}))
        self.sound += state.get("sound", 0.0)
        self.took += state["took"]
        self.bytes += state.get("bytes", 0)
        self.again += state.get("again", 0)

    @property
    def rate(self) -> float | None:
        """Hours of sound per hour, of all workers together; None before anything is committed."""
        return self.sound / self.took * self.workers if self.took and self.sound else None

    @property
    def remaining(self) -> float | None:
        """Seconds until everything is committed, at the speed so far; None if it cannot be estimated."""
        return self.left / self.planned * self.took / self.workers if self.planned and self.took else None

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "shards": self.shards,
            "done": self.done,
            "inputs": self.inputs,
            "records": self.records,
            "failed": dict(sorted(self.failed.items())),
            "sound_hours": round(self.sound / 3600, 4),
            "worker_hours": round(self.took / 3600, 4),
            "workers": self.workers,
            "hours_per_hour": self.rate and round(self.rate, 1),
            "remaining_seconds": None if self.remaining is None else round(self.remaining, 1),
            "bytes": self.bytes,
            "asked_again": self.again,
        }

    def prometheus(self) -> str:
        """As Prometheus reads it from a text file."""
        rows: list[tuple[str, str, str, dict[str, float]]] = [
            ("shards", "gauge", "Shards planned.", {"": self.shards}),
            ("shards_done", "gauge", "Shards committed.", {"": self.done}),
            ("records", "gauge", "Records written.", {"": self.records}),
            ("failed_records", "gauge", "Records of failures.", {f'{{kind="{k}"}}': n for k, n in self.failed.items()}),
            ("sound_seconds", "gauge", "Seconds of sound recognised.", {"": self.sound}),
            ("worker_seconds", "gauge", "Seconds of workers that it took.", {"": self.took}),
            ("output_bytes", "gauge", "Bytes of the records.", {"": self.bytes}),
            ("asked_again", "gauge", "Calls of stores and servers that were made again.", {"": self.again}),
        ]
        lines = []
        for name, kind, words, values in rows:
            lines += [f"# HELP affekt_archive_{name} {words}", f"# TYPE affekt_archive_{name} {kind}"]
            lines += [f"affekt_archive_{name}{label} {value}" for label, value in values.items()]
        return "\n".join(lines) + "\n"


def status(output: str) -> Counts:
    """How far the archive of an output is.

    Raises
    ------
    StoreError
        If there is none.
    """
    store = open_store(output)
    existing(store)
    plan, counts, done = Plan(store), Counts(), set[int]()
    for name in store.names("state"):
        counts.add(json.loads(store.read(name)))
        stem = name.rsplit("/", 1)[-1].removesuffix(".json")
        if stem.isdecimal():
            done.add(int(stem))
    counts.shards, counts.done, counts.inputs = plan.shards, len(done), plan.inputs
    counts.planned = sum(shard.seconds for shard in plan if shard.number in done)
    counts.left = max(0.0, plan.seconds - counts.planned)
    with suppress(FileNotFoundError):  # nothing is committed yet
        counts.workers = json.loads(store.read(RUN))["workers"]
    return counts


def write_metrics(path: str, counts: Counts) -> None:
    """Put counts into a text file that the Prometheus node exporter collects."""
    with atomic_write(path) as file:
        file.write(counts.prometheus())
