"""Kill a process that writes rows (kill -9) at random points: is each acknowledged row there, exactly once?

Usage: python benchmarks/attendance_kill.py [--kills 200] [--store PATH|URL] [--output PATH.json]

A child process opens the session, says that it is ready, and marks people as fast as it can. It reports each
acknowledged row through a pipe, and is killed between 0 and 150 ms after it was ready. After every twenty
kills the store is reopened and compared.
Kills only: what a power cut does depends on whether the disk tells the truth about flushing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from affekt.attendance.key import Key
from affekt.attendance.session import table
from affekt.attendance.store import SEEN, Store
from tests.attendance_people import START, Clock, Look, face, roster_of, session_of

NAMES = ("Ada", "Bo", "Cem", "Dea")


def write_until_killed(url: str, key: Key, pipe: int) -> None:
    """The camera."""
    from affekt.attendance.roster import Roster

    session = session_of(Roster(Store(url, clock=Clock()), "7B", key))
    os.write(pipe, b"ready\n")
    for number in range(1_000_000):
        name = NAMES[number % len(NAMES)]
        for look in range(3):
            at = START + timedelta(seconds=0.3 * look)
            for event in session.see([Look(f"t{number}", face(name, look))], at):
                if event.kind == "marked":
                    os.write(pipe, f"{session._run}:{event.track}:1\n".encode())


def main() -> None:
    """Kill, compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--store")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    folder, rng = Path(tempfile.mkdtemp()), np.random.default_rng(0)
    url, key = options.store or str(folder / "a.sqlite"), Key.open(folder / "a.key", make=True)
    store = Store(url, clock=Clock())
    roster_of(store, key, NAMES)
    session = session_of(roster_of(store, key, []))
    store.close()  # a child must not share a connection
    told: list[str] = []
    lost = doubled = unsaid = 0
    for kill in range(options.kills):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            try:
                write_until_killed(url, key, writing)
            finally:
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            assert pipe.readline() == b"ready\n"
            time.sleep(float(rng.uniform(0, 0.15)))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            told += [line.decode() for line in pipe.read().split(b"\n")[:-1]]
        if kill % 20 == 19 or kill == options.kills - 1:
            kept = [row["track"] for row in store.rows(sa.select(SEEN.c.track).where(SEEN.c.session == session.id))]
            lost, doubled, unsaid = len(set(told) - set(kept)), len(kept) - len(set(kept)), len(set(kept) - set(told))
            print(f"{kill + 1} kills: {len(told)} acknowledged, {lost} lost, {doubled} doubled, {unsaid} not told yet")
            store.close()
    people = {row.name: row.times for row in table(store, session.id)}
    found = {
        "date": datetime.now(UTC).date().isoformat(), "machine": platform.platform(),
        "store": "PostgreSQL" if "://" in url else "SQLite", "kills": options.kills, "acknowledged": len(told),
        "lost": lost, "doubled": doubled, "written but not told": unsaid, "rows of people": people,
    }  # fmt: skip
    print(json.dumps(found))
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    raise SystemExit(bool(lost or doubled))


if __name__ == "__main__":
    main()
