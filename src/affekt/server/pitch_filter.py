"""``voices: low | high``: answers only for voices on one side of a pitch.

It is only a pitch range: it knows neither sex nor person. Many men and women
speak on the other side of the border, and so do people who are excited.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.recognize.live import Event
from affekt.speech.pitch import f0
from affekt.timeline.summary import Summary
from affekt.write.fields import table_of

#: The border between low and high, in hertz.
BORDER = 165.0
#: Pitch values per second, and seconds per block.
_RATE, _BLOCK = 100, 0.5
#: Seconds of pitch that are remembered; for a longer segment, its end decides.
_MEMORY = 600


class PitchFilter:
    """Marks the events of speech in the other pitch range.

    Parameters
    ----------
    wanted : str
        ``low`` or ``high``.
    sampling_rate : int
        Of the signal that will be fed, in hertz.
    """

    def __init__(self, wanted: str, sampling_rate: int) -> None:
        self._wanted, self._rate, self._size = wanted, sampling_rate, int(_BLOCK * sampling_rate)
        self._rest = np.zeros(0, np.float32)
        self._track = np.zeros(0, np.float32)
        self._begin = 0
        self._kept = Summary()

    def feed(self, signal: NDArray[np.float32]) -> None:
        """Take the next piece of signal (n,)."""
        self._rest = np.concatenate([self._rest, signal])
        while len(self._rest) >= self._size:
            # The last frame is the first of the next block.
            found = f0(self._rest[: self._size], self._rate)[: round(_BLOCK * _RATE)]
            self._track = np.concatenate([self._track, found.astype(np.float32)])
            self._rest = self._rest[self._size :]
        gone = max(0, len(self._track) - _MEMORY * _RATE)
        self._track, self._begin = self._track[gone:], self._begin + gone

    def pitch(self, start: float, end: float) -> float | None:
        """Median in hertz between two times in seconds; None if nothing is voiced."""
        first, last = (max(0, round(time * _RATE) - self._begin) for time in (start, end))
        voiced = self._track[first:last]
        voiced = voiced[np.isfinite(voiced)]
        return round(float(np.median(voiced)), 1) if len(voiced) else None

    def marked(self, event: Event) -> dict[str, Any]:
        """An event as JSON has it; segments of the other range are skipped, and the summary is of the rest."""
        table = event.as_table()
        if event.type == "summary":
            # The summary is computed again from the segments kept.
            table = {key: value for key, value in table.items() if key not in ("unsure", "best", "reason")}
            kept, whole = self._kept.prediction(), event.prediction
            if not kept.scores or whole is None:
                return {**table, **_NOTHING}
            # Of what was kept, over the time of all that was said.
            fields = table_of(replace(kept, start=whole.start, end=whole.end))
            del fields["modality"]
            return {**table, **fields}
        if event.type != "segment":
            return table
        hertz = self.pitch(table["start"], table["end"])
        if hertz is not None and (hertz > BORDER) != (self._wanted == "high"):
            left = {key: value for key, value in table.items() if key not in ("unsure", "best")}
            return {**left, "skipped": True, "label": None}
        if table["stable"] and event.prediction:
            self._kept.add(event.prediction)
        return table


_NOTHING: dict[str, Any] = {"label": None, "confidence": 0.0, "scores": {}}
