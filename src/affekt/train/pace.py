"""Progress of a training run, and roughly how long it will take: a line every ten seconds."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

#: Seconds between two lines.
EVERY = 10.0


class Pace:
    """Called after each step; says every ten seconds how far it is.

    Parameters
    ----------
    total : int
        Steps of the whole run.
    say : callable
        Takes a line.
    what : str
        What a step is of, such as ``step`` or ``clip``.
    done : int
        Steps of a resumed run that an earlier call took; their time is unknown and not counted.
    clock : callable
        Returns seconds, from any starting point.

    Examples
    --------
    >>> times = iter([0.0, 5.0, 10.0])
    >>> pace = Pace(8, print, clock=lambda: next(times))
    >>> pace(); pace()
    step 2 of 8, 25 %, 0:10 so far, about 0:30 to go
    """

    def __init__(
        self,
        total: int,
        say: Callable[[str], object],
        *,
        what: str = "step",
        done: int = 0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._total, self._say, self._what, self._clock = total, say, what, clock
        self._before = self._done = done
        self._began = self._said = clock()

    def __call__(self) -> None:
        """One step more."""
        self._done += 1
        now = self._clock()
        if now - self._said < EVERY or self._done >= self._total:
            return
        self._said, passed = now, now - self._began
        left = passed / (self._done - self._before) * (self._total - self._done)
        self._say(
            f"{self._what} {self._done:,} of {self._total:,}, {100 * self._done / self._total:.0f} %, "
            f"{_clock(passed)} so far, about {_clock(left)} to go"
        )


def _clock(seconds: float) -> str:
    """Seconds as m:ss, or h:mm:ss where there are hours."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
