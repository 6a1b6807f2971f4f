"""Erasing a person's, or a recording's, records from an archive: the right of Article 17 GDPR, and retention."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from affekt.archive.erased import Erased
from affekt.archive.records import Origin, decoded, encoded
from affekt.archive.run import existing
from affekt.archive.shards import Plan, Shard
from affekt.archive.sources import Input
from affekt.archive.store import Store, is_address, locked, open_store
from affekt.archive.work import merged_name, part_name, piece_name, state_name, tally
from affekt.errors import InputError
from affekt.write.fields import utf8


@dataclass(frozen=True)
class Forgotten:
    """What was erased: records, and planned recordings that had none yet."""

    records: int
    planned: int


def forget(output: str, *, speakers: Collection[str] = (), uris: Collection[str] = ()) -> Forgotten:
    """Erase all records of people, or of recordings: from the parts, the plan, and what is not merged yet.

    Each part is replaced as a whole. Later runs do not process these recordings or people again. Copies made
    elsewhere, and the recordings themselves, are not touched.

    Parameters
    ----------
    output : str
    speakers, uris : collection of str
        As written in the manifest; a uri also as in its record.

    Returns
    -------
    Forgotten

    Raises
    ------
    InputError
        If none is given, or the archive knows none of them.
    StoreError
        If there is no archive, or a run is writing to it.
    """
    if not speakers and not uris:
        raise InputError("nothing to forget: give --speaker NAME or --uri ADDRESS.")
    store = open_store(output)
    origin = existing(store)
    wanted = {utf8(name) for name in uris} | {os.path.abspath(name) for name in uris if not is_address(name)}
    with locked(store):
        plan, records, planned = Plan(store), 0, 0

        def is_meant(one: Input) -> bool:
            return one.speaker in speakers or one.uri in wanted or utf8(one.uri) in wanted

        touched = [shard for shard in plan if any(map(is_meant, shard.inputs))]
        if not touched:
            names = ", ".join([*speakers, *uris])
            raise InputError(f"{store.address}: knows no {names}. `affekt archive query` lists speakers and sources.")
        # First what keeps them from coming back; killed after it, the same command erases the rest.
        erased = Erased(store)
        erased.add("speaker", speakers)
        erased.add("uri", {one.uri for shard in touched for one in filter(is_meant, shard.inputs)} if uris else ())
        for shard in touched:
            meant = [one for one in shard.inputs if is_meant(one)]
            if shard.piece:
                store.remove(piece_name(shard.number))
                if shard.number != shard.group:
                    continue
            gone = _rewrite(store, shard, origin, meant)
            records, planned = records + gone, planned + len(meant) - gone
        plan.without(is_meant)
    return Forgotten(records, planned)


def _rewrite(store: Store, shard: Shard, origin: Origin, meant: list[Input]) -> int:
    """Replace a shard's part by one without the records of some inputs; how many these were."""
    keys = {(utf8(one.uri), one.start, one.end, one.channel) for one in meant}

    def is_kept(record: Mapping[str, Any]) -> bool:
        return (record["source"], record["start"], record["end"], record["channel"]) not in keys

    name = part_name(shard.number, origin.form)
    try:
        records = decoded(store.read(name), origin)
    except FileNotFoundError:
        return 0
    kept = [one for one in records if is_kept(one)]
    content = encoded(kept, origin)
    store.write(name, content)
    state = merged_name(shard.group) if shard.piece else state_name(shard.number)
    try:
        before = json.loads(store.read(state))
    except FileNotFoundError:  # killed between its part and its state; a run will write both
        return len(records) - len(kept)
    store.write(state, json.dumps({**before, **tally(kept, len(content))}).encode())
    return len(records) - len(kept)
