"""Shards: units of work, commit and retry; sized by seconds of sound, not by number of files."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from affekt.archive.ordered import mapped
from affekt.archive.seen import Seen
from affekt.archive.sources import Input
from affekt.archive.store import Store, is_address
from affekt.errors import StoreError
from affekt.speech.activity import ActivityOptions, Piece

#: Files of a shard at most, however short they are: what is lost when a process is killed.
MOST = 1000
#: Where a long file is cut: multiples of this, at which its activity is scored anyway.
GRID = ActivityOptions().block
#: A file longer than this many shards is cut; of what is left over, the last piece takes up to half a shard.
_LONG = 1.5


@dataclass(frozen=True)
class Shard:
    """Inputs that are worked on together, or one piece of a long one.

    Parameters
    ----------
    number : int
        From 0; names its objects in the output.
    inputs : tuple of Input
    seconds : float
        About how long they are together.
    piece : Piece, optional
        A piece of a long input, which is then the only input.
    group, pieces : int
        For a piece: the number of the first piece's shard, and how many pieces there are.
    set_aside : mapping of int to (str, str)
        Inputs, by their position, that killed their worker too often: kind and reason, for their record.
    """

    number: int
    inputs: tuple[Input, ...]
    seconds: float
    piece: Piece | None = None
    group: int = 0
    pieces: int = 1
    set_aside: Mapping[int, tuple[str, str]] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """As plain dicts, lists and numbers."""
        # Not by asdict, which takes most of the time of planning a million of them.
        plain = {
            **vars(self),
            "inputs": [{k: v for k, v in vars(i).items() if v} for i in self.inputs],
            "piece": self.piece and [self.piece.start, self.piece.end],
        }
        return {key: value for key, value in plain.items() if value or key in ("number", "inputs")}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Shard:
        """From what :meth:`record` gave."""
        return cls(
            **{
                "seconds": 0.0,
                **plain,
                "inputs": tuple(Input(**one) for one in plain["inputs"]),
                "piece": Piece(*plain["piece"]) if plain.get("piece") else None,
                "set_aside": {int(index): tuple(why) for index, why in plain.get("set_aside", {}).items()},
            }
        )


def cut(found: Iterable[Input], *, seconds: float, first: int = 0) -> Iterator[Shard]:
    """Inputs to shards, in memory that holds one shard.

    Parameters
    ----------
    found : iterable of Input
    seconds : float
        Of sound in a shard, about; rounded to whole blocks of the activity.
    first : int
        The number of the first shard.

    Yields
    ------
    Shard
        Short inputs together; a long one as pieces, cut where nobody speaks, see
        :class:`~affekt.speech.activity.Piece`.
    """
    seconds = max(1, round(seconds / GRID)) * GRID
    waiting: list[Input] = []
    filled, number = 0.0, first
    asked = mapped(
        lambda one: (one, one.seconds(seconds)),
        found,
        is_slow=lambda one: is_address(one.uri) and one.is_asked_about(seconds),
    )
    for one, length in asked:
        if length > _LONG * seconds:
            for piece in (pieces := _pieces(length, seconds)):
                group = number - pieces.index(piece)
                yield Shard(number, (one,), min(seconds, length - piece.start), piece, group, len(pieces))
                number += 1
            continue
        waiting, filled = [*waiting, one], filled + length
        if filled >= seconds or len(waiting) >= MOST:
            yield Shard(number, tuple(waiting), filled)
            waiting, filled, number = [], 0.0, number + 1
    if waiting:
        yield Shard(number, tuple(waiting), filled)


def _pieces(length: float, seconds: float) -> list[Piece]:
    count = max(2, round(length / seconds))
    return [Piece(i * seconds, (i + 1) * seconds if i + 1 < count else None) for i in range(count)]


class Plan:
    """All shards of an archive, in the order of their numbers, as objects ``plan/*.jsonl`` of its output.

    A later run adds what its sources have that is new; shards that are planned do not change.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parts = sorted(store.names("plan"))
        self.shards = self.inputs = 0
        self.seconds = 0.0
        for shard in self:
            self._count(shard)

    def __iter__(self) -> Iterator[Shard]:
        for name in self._parts:
            with self._store.open(name) as file:
                for line in file:
                    yield self._shard(line, name)

    def _shard(self, line: bytes, name: str) -> Shard:
        try:
            return Shard.of(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self._store.address}/{name}: is no plan of an archive ({error}). Bring back the file, or "
                "begin with another --output."
            ) from error

    def _count(self, shard: Shard) -> None:
        self.shards = max(self.shards, shard.number + 1)
        self.seconds += shard.seconds
        self.inputs += len(shard.inputs) * (shard.number == shard.group or not shard.piece)

    def extend(self, found: Iterable[Input], *, seconds: float) -> int:
        """Add the inputs that were not planned before; returns how many they were. All or none of them are added."""
        before, seen = self.inputs, Seen()
        for shard in self:
            for one in shard.inputs:
                seen.add(one.key)
        with tempfile.TemporaryFile() as lines:
            for shard in cut((one for one in found if seen.add(one.key)), seconds=seconds, first=self.shards):
                lines.write(json.dumps(shard.record()).encode() + b"\n")
                self._count(shard)
            if self.inputs > before:
                name = f"plan/{len(self._parts):04d}.jsonl"
                self._store.put(name, lines)
                self._parts.append(name)
        return self.inputs - before

    def without(self, is_meant: Callable[[Input], bool]) -> None:
        """Take inputs out of the plan; the numbers of all shards stay as they are."""
        for name in self._parts:
            with tempfile.TemporaryFile() as lines, self._store.open(name) as file:
                changed = False
                for line in file:
                    shard = self._shard(line, name)
                    kept = tuple(one for one in shard.inputs if not is_meant(one))
                    if len(kept) < len(shard.inputs):
                        # Of a piece nothing is left: a shard of nothing keeps its number.
                        shard = Shard(shard.number, kept, shard.seconds if kept else 0.0)
                        changed = True
                    lines.write(json.dumps(shard.record()).encode() + b"\n")
                if changed:
                    self._store.put(name, lines)
