"""Waiting for what another thread or process does, with an end: a test that waits for ever says nothing."""

import time


def until(met, *, seconds=90.0, pause=0.005, waiting=time.sleep):
    """What ``met()`` answers as soon as it is true; between two looks ``waiting`` passes time, in a page its own."""
    deadline = time.monotonic() + seconds
    while not (found := met()):
        assert time.monotonic() < deadline, f"not met within {seconds:g} s"
        waiting(pause)
    return found
