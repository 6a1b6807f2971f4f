"""The line of work: clients take turns, and nobody has all threads."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("fastapi", reason="the server needs the extra: pip install '.[serve]'")

from affekt.server.fair_queue import FairQueue


def run(threads, tasks, **options):
    """Submit (client, work) while the only thread is held up; what came out, in order."""

    async def go():
        found, done, begin = [], asyncio.Event(), threading.Event()

        def take(outcome, error):
            found.append(error or outcome)
            if len(found) == len(tasks) + 1:
                done.set()

        with ThreadPoolExecutor(threads) as pool:
            queue = FairQueue(pool, threads, **options)
            queue.submit(begin.wait, take, client="first")
            for client, work in tasks:
                queue.submit(work, take, client=client)
            begin.set()
            await asyncio.wait_for(done.wait(), 10)
        return found[1:]

    return asyncio.run(go())


def test_clients_take_turns_however_much_each_has_in_line():
    tasks = [(name[0], lambda name=name: name) for name in ("a1", "a2", "a3", "a4", "b1", "c1", "b2")]
    assert run(1, tasks) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def test_an_error_reaches_whoever_waits_and_the_line_goes_on():
    def broken():
        raise OSError("no")

    outcome = run(1, [("a", broken), ("a", lambda: 2)])
    assert isinstance(outcome[0], OSError) and outcome[1] == 2


def test_one_client_never_has_all_threads():
    async def go():
        hold, began, done = threading.Event(), threading.Semaphore(0), asyncio.Event()

        def long():
            began.release()
            return hold.wait(10)

        with ThreadPoolExecutor(3) as pool:
            queue = FairQueue(pool, 3, most=2)
            for _ in range(5):
                queue.submit(long, lambda *_: None, client="greedy")
            assert began.acquire(timeout=5) and began.acquire(timeout=5)
            queue.submit(lambda: "mine", lambda outcome, error: done.set(), client="other")
            await asyncio.wait_for(done.wait(), 5)
            assert not began.acquire(blocking=False)
            hold.set()
            for _ in range(3):
                assert began.acquire(timeout=5)

    asyncio.run(go())


@pytest.mark.parametrize(("patience", "is_one"), [(10.0, True), (0.0, False)])
def test_outcomes_wait_for_one_another_while_there_is_more_to_do(monkeypatch, patience, is_one):
    deliveries, real = [], FairQueue._deliver

    def deliver(self):
        deliveries.append(len(self._done))
        real(self)

    monkeypatch.setattr(FairQueue, "_deliver", deliver)
    # Each takes long enough for the event loop to be there before the next is done.
    assert run(1, [("a", lambda i=i: time.sleep(0.02) or i) for i in range(1, 6)], patience=patience) == [1, 2, 3, 4, 5]
    assert (len(deliveries) == 1) == is_one and sum(deliveries) == 6
