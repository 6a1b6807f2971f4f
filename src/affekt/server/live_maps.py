"""Maps of the largest face of a live stream: at most twice a second, when there is time, and never stale."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial

from affekt.explain.live_map import LiveMap, check_gives_map, live_map
from affekt.face.stream import CloseUp
from affekt.recognize.live_faces import LiveFaces
from affekt.write.fields import thousandths

#: Seconds from the beginning of one map to the next, at least.
EVERY = 0.5
#: Seconds of the stream after which a map is of no use.
STALE = 1.0


class FaceMaps:
    """What the network looks at in the largest face; see :class:`affekt.server.sessions.Aside`.

    Parameters
    ----------
    live : LiveFaces
    clock : callable
        Seconds. Not the stream's own: sending faster than real time must give no more maps.

    Raises
    ------
    InputError
        If the model gives no maps.
    """

    def __init__(self, live: LiveFaces, *, clock: Callable[[], float] = time.monotonic) -> None:
        check_gives_map(live.recognizer.card)
        self._live, self._clock = live, clock
        self._began: float | None = None

    def next(self) -> Callable[[], LiveMap] | None:
        """The map of the newest frame, if one is due; call it while the stream is not fed."""
        close_up, now = self._live.largest, self._clock()
        if close_up is None or (self._began is not None and now < self._began + EVERY):
            return None
        self._began = now
        return partial(live_map, self._live.recognizer, close_up)

    def events(self, found: LiveMap) -> list[str]:
        """The map as an event, unless the face is gone, is another person's by now, or the map is too old."""
        newest = self._live.largest
        if newest is None or is_stale(found.close_up, newest):
            return []
        table = {"type": "map", "time": thousandths(found.close_up.prediction.start), **found.as_table()}
        return [json.dumps(table, ensure_ascii=False, allow_nan=False)]


def is_stale(before: CloseUp, newest: CloseUp) -> bool:
    """Whether a map of a face no longer applies to the newest frame."""
    one, other = before.prediction, newest.prediction
    return one.who != other.who or other.start > one.start + STALE
