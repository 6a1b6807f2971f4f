"""Kill parts of a two-node Ray cluster (kill -9) while it works on an archive: does each record exist exactly once?

Usage: python benchmarks/archive_kill.py [--kills 50] [--seed 0] [--output PATH.json]

The nodes are processes on loopback, with one core each; a stub stands for the model. In turn, at a random moment after
the run started, one of these is killed: the driver; a worker, which is an actor in the middle of a shard or idle; the
second node; the head with the driver, after which a new cluster is started. A driver that is alive must finish
by itself; a dead one is restarted with the same command. The output is checked after each kill, and the
input grows when all of it is done.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from ray.cluster_utils import Cluster
from speed import machine, packages

ROOT = Path(__file__).parent.parent
VICTIMS = ("driver", "worker", "node", "head")
#: Files that a run begins with or gets, and seconds that each takes.
FILES, SECONDS = 160, 0.05
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


def start(tries: int = 10) -> Cluster:
    """A head and a second node; a busy machine may take longer than the 30 s that Ray gives it."""
    cluster = None
    while True:
        try:
            cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
            cluster.second = cluster.add_node(**NODE)
            return cluster
        except Exception:  # Ray has no class for it
            tries -= 1
            if not tries:
                raise
            if cluster:
                cluster.shutdown()


def raylets(node: Any) -> list[psutil.Process]:
    """The process of a node from which its workers stem."""
    return [psutil.Process(one.process.pid) for one in node.all_processes["raylet"]]


def workers(cluster: Cluster) -> list[psutil.Process]:
    """The actors of both nodes."""
    found = []
    for node in (cluster.head_node, cluster.second):
        with contextlib.suppress(psutil.Error):
            stem = [child for raylet in raylets(node) for child in raylet.children(recursive=True)]
            found += [one for one in stem if one.name().startswith("ray::_Worker")]
    return found


def committed(output: Path) -> Counter[str]:
    """Name of each input to how many records it has."""
    lines = [line for path in output.glob("data/*/*.jsonl") for line in path.read_text().splitlines()]
    return Counter(Path(json.loads(line)["source"]).stem for line in lines)


class Trial:
    """A cluster, an input that grows, and the run over it."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder, self.rng, self.count = folder, rng, 0
        self.cluster = start()
        self.grow()

    def grow(self) -> None:
        (self.folder / "in").mkdir(exist_ok=True)
        for number in range(self.count, self.count + FILES):
            (self.folder / "in" / f"n{number:05d}.wav").write_text("fine")
        self.count += FILES

    def begin(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        command = [
            sys.executable,
            str(ROOT / "tests/archive_stub.py"),
            str(self.folder / "in"),
            str(self.folder / "out"),
        ]
        return subprocess.Popen(
            [*command, self.cluster.address],
            env={**os.environ, "PYTHONPATH": path, "STUB_SECONDS": str(SECONDS)},
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "stderr").open("ab"),
        )

    def kill(self, victim: str, driver: subprocess.Popen[bytes]) -> bool:
        """Kill it, if there is one."""
        if victim == "worker":
            found = workers(self.cluster)
            if found:
                self.rng.choice(found).kill()
            return bool(found)
        if victim in ("driver", "head"):
            driver.kill()
        if victim in ("node", "head"):
            node = self.cluster.second if victim == "node" else self.cluster.head_node
            for one in [process for infos in node.all_processes.values() for process in infos]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one.process.pid, signal.SIGKILL)
        return True

    def repair(self, victim: str) -> None:
        if victim == "node":
            try:
                self.cluster.remove_node(self.cluster.second, allow_graceful=False)
                self.cluster.second = self.cluster.add_node(**NODE)
                return
            except Exception:  # it took too long
                victim = "head"
        if victim == "head":
            with contextlib.suppress(Exception):  # it is dead
                self.cluster.shutdown()
            self.cluster = start()

    def turn(self, victim: str) -> dict[str, Any]:
        """One kill, and what is there afterwards."""
        before = committed(self.folder / "out").total()
        driver = self.begin()
        # Most of them after the first shard: what comes before is little.
        wanted = before + self.rng.choice([0, 20, 40, 60, 80])
        pause, end = self.rng.uniform(0, 1.5), time.monotonic() + 60
        while driver.poll() is None and committed(self.folder / "out").total() < wanted and time.monotonic() < end:
            time.sleep(0.05)
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(pause)
        was_over = driver.poll() is not None
        hit = self.kill(victim, driver)
        at = committed(self.folder / "out").total()
        status = driver.wait(900)
        found = committed(self.folder / "out")
        doubled = sum(n - 1 for n in found.values())
        ended = status == 0 if victim in ("worker", "node") else None
        self.repair(victim)
        return {"victim": victim, "hit": hit, "was_over": was_over, "at": at, "of": self.count, "doubled": doubled,
                "ended_by_itself": ended, "after": found.total()}  # fmt: skip

    def finish(self) -> dict[str, int]:
        """Run it to its end; what is lost and doubled then."""
        status = self.begin().wait(900)
        found = committed(self.folder / "out")
        lost = sum(f"n{number:05d}" not in found for number in range(self.count))
        return {"status": status, "lost": lost, "doubled": sum(n - 1 for n in found.values()), "of": self.count}


def main() -> None:
    """Kill, compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    os.environ["STUB_SECONDS"] = str(SECONDS)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        trial, turns = Trial(Path(folder), random.Random(options.seed)), []
        while sum(turn["hit"] and not turn["was_over"] for turn in turns) < options.kills:
            # The head in one of ten: a new cluster takes long.
            victim = "head" if len(turns) % 10 == 9 else VICTIMS[len(turns) % 3]
            turns.append(trial.turn(victim))
            print(turns[-1], flush=True)
            if turns[-1]["after"] >= trial.count:
                trial.grow()
        last = trial.finish()
        print(last, (Path(folder) / "stderr").read_text()[-2000:])
        trial.cluster.shutdown()
    counted = [turn for turn in turns if turn["hit"] and not turn["was_over"]]
    found = {
        "kills": dict(Counter(turn["victim"] for turn in counted)),
        "in_the_middle": sum(turn["at"] % FILES > 0 for turn in counted),
        "runs_that_went_on_by_themselves": sum(turn["ended_by_itself"] is True for turn in counted),
        "runs_that_did_not": sum(turn["ended_by_itself"] is False for turn in counted),
        "records": last["of"],
        "lost": last["lost"],
        "doubled": max([last["doubled"], *(turn["doubled"] for turn in turns)]),
        "seconds": time.monotonic() - begun,
    }
    print(json.dumps(found, indent=2))
    if options.output:
        when = datetime.now(UTC).isoformat(timespec="seconds")
        options.output.write_text(
            json.dumps({"date": when, **machine(), "packages": packages(), **found}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
