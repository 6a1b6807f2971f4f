"""A sign of life: a blink or a turn of the head, which a photo held up to the camera does not show.

It stops neither a video played on a screen nor a mask. ``benchmarks/liveness.py`` measures what it costs and how often
a still photo passes.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime

import numpy as np

#: What is asked for.
ASKED = {
    "blink": "blink",
    "turn": "turn your head to the left and to the right",
    "any": "blink, or turn your head to the left and to the right",
}
#: Seconds of history that are used.
SPAN = 4.0
#: Eyes count as shut below the first share of their usual openness, and as open again from the second on.
SHUT, OPEN = 0.6, 0.85
#: Seconds that a blink lasts: anything shorter is noise, anything longer is somebody looking down.
BLINK = (0.05, 0.7)
#: How far the nose must move between the eyes from left to right; turning a photo gives less.
TURN = 0.4
#: Frames that must lie on either side.
HELD = 2


class Liveness:
    """What one track has shown so far.

    Parameters
    ----------
    challenge : str
        ``blink``, ``turn`` or ``any``.
    """

    def __init__(self, challenge: str) -> None:
        self.ask = ASKED[challenge]
        self.passed = False
        self._challenge = challenge
        self._turns: deque[tuple[datetime, float]] = deque()
        self._eyes: deque[tuple[datetime, float]] = deque()

    def feed(self, turn: float, openness: float, at: datetime) -> bool:
        """Take the measures of one frame; return True at the moment the challenge is met."""
        if self.passed:
            return False
        for values, value in ((self._turns, turn), (self._eyes, openness)):
            if np.isfinite(value):
                values.append((at, value))
            while values and (at - values[0][0]).total_seconds() > SPAN:
                values.popleft()
        self.passed = (self._challenge in ("turn", "any") and self._turned()) or (
            self._challenge in ("blink", "any") and self._blinked()
        )
        return self.passed

    def _turned(self) -> bool:
        values = np.sort([value for _, value in self._turns])
        if len(values) < 2 * HELD + 1:
            return False
        return bool(values[-HELD] - values[HELD - 1] >= TURN)

    def _blinked(self) -> bool:
        if len(self._eyes) < 6:
            return False
        times = np.array([(time - self._eyes[0][0]).total_seconds() for time, _ in self._eyes])
        values = np.array([value for _, value in self._eyes])
        usual = float(np.median(values))
        shut = np.flatnonzero(values < SHUT * usual)
        for run in np.split(shut, np.flatnonzero(np.diff(shut) > 1) + 1) if len(shut) else []:
            before, after = run[0] - 1, run[-1] + 1
            if before < 1 or after > len(values) - 2:
                continue
            opened = min(values[before - 1 : before + 1].max(), values[after : after + 2].max()) >= OPEN * usual
            if opened and BLINK[0] <= times[after] - times[before] <= BLINK[1]:
                return True
        return False
