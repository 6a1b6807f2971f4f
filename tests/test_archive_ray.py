"""Archives on a Ray cluster of two nodes on loopback, one of which is killed."""

import contextlib
import os
import signal
from functools import partial
from pathlib import Path

import pytest

ray = pytest.importorskip("ray")

from affekt.archive.engine import map_shards
from affekt.archive.ray import RayActors
from affekt.archive.run import run_archive
from affekt.archive.shards import Shard
from affekt.archive.sources import Input
from affekt.errors import ModelError, StoreError
from tests.archive_stub import OPTIONS, open_stub, write_files
from tests.test_archive_run import errors, names

ROOT = Path(__file__).parent.parent


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of one core, as processes of this machine."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT)]))
    monkeypatch.setenv("STUB_SECONDS", "0.03")
    small = {"num_cpus": 1, "object_store_memory": 80 << 20}
    found = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    found.second = found.add_node(**small)
    ray.init(address=found.address, log_to_driver=False)
    yield found
    ray.shutdown()
    found.shutdown()


def open_nothing(job):
    raise ModelError("the model is wrong.")


def open_after(folder, deaths):
    """Opens only after so many workers died of it."""
    for number in range(deaths):
        with contextlib.suppress(FileExistsError):
            (folder / str(number)).touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
    return lambda shard, tell: {"shard": shard.number}


def test_a_node_that_is_killed_costs_nothing_but_time(cluster, tmp_path):
    files = write_files(tmp_path / "in", 120, n007="broken", n050="deadly")
    killed, workers = [], []
    executor = RayActors()

    def on_progress(now):
        workers.append(executor.workers)
        if now.done >= 2 and not killed:
            killed.append(now.done)
            cluster.remove_node(cluster.second, allow_graceful=False)

    run_archive(
        [str(files)], str(tmp_path / "out"), executor, options=OPTIONS, on_progress=on_progress, opener=open_stub
    )
    assert killed and names(tmp_path / "out") == [f"n{i:03d}" for i in range(120)]
    assert errors(tmp_path / "out") == {"n007": "unreadable", "n050": "died"}
    for deaths in (1, 99):
        (tmp_path / f"deaths{deaths}").mkdir()
        opened = partial(open_after, tmp_path / f"deaths{deaths}", deaths)
        shards = [Shard(number, (Input("a"),), 1) for number in range(3)]
        states = map_shards(opened, shards, RayActors(workers=1))
        if deaths == 1:
            assert [state["shard"] for state in states] == [0, 1, 2]
        else:
            with pytest.raises(StoreError, match="workers die before they are open, 3 of them"):
                list(states)
    with pytest.raises(StoreError, match="the model is wrong"):
        run_archive([str(files)], str(tmp_path / "new"), RayActors(), options=OPTIONS, opener=open_nothing)


@pytest.mark.parametrize("address", ["ray://127.0.0.1:1", "127.0.0.1:1", "head"])
def test_an_address_where_nobody_answers_is_said_at_once(address):
    with pytest.raises(StoreError, match=r"nobody answers there .*ray://HOST:PORT"):
        RayActors(address)
