"""A live stream of faces: frames in, events out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from affekt.errors import InputError
from affekt.face.stream import CloseUp
from affekt.face.video import Frame
from affekt.recognize.live import Event
from affekt.recognize.recognizer import Recognizer
from affekt.timeline.summary import Summary
from affekt.types import Prediction
from affekt.write.fields import table_of, thousandths

#: All types of events; see :class:`LiveFaces`.
TYPES = ("frame", "segment", "summary")
#: Most faces reported per frame, the largest first; a crowd would make the event too long.
MOST_FACES = 24
#: Most people who get their own summary.
MOST_PEOPLE = 200


class LiveFaces:
    """A live stream of faces: each frame is answered at once.

    The events are, with times in seconds of the stream:

    - ``frame``: for each frame that is fed, ``faces``: where each one is (``box``), whose it is
      (``who``) and its scores now, smoothed over the last moments; the largest first, at most 24;
    - ``segment``: with ``stable`` true, as :meth:`Recognizer.predict` gives it, when it is final;
    - ``summary``: at the end, once for each person where there are several, then the whole.

    Parameters
    ----------
    recognizer : Recognizer
        With a model of faces; many streams may share it.

    Examples
    --------
    >>> import numpy as np
    >>> live = LiveFaces(Recognizer("face"))
    >>> wall = Frame(0.0, np.full((90, 160, 3), 128, np.uint8))
    >>> [event.as_table() for event in live.feed(wall)]
    [{'type': 'frame', 'time': 0.0, 'faces': []}]
    >>> [event.type for event in live.flush()]
    ['summary']
    """

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer = recognizer
        self._stream: Any = recognizer.stream()
        self._whole, self._people = Summary(), dict[str, Summary]()
        self._over = False

    @property
    def position(self) -> float:
        """Seconds fed so far."""
        return float(self._stream.position)

    @property
    def current(self) -> list[Prediction]:
        """The faces of the newest frame, the largest first, not rounded."""
        current: list[Prediction] = self._stream.current
        return current

    @property
    def largest(self) -> CloseUp | None:
        """The network's input for the largest face in the newest frame; None where there is none."""
        largest: CloseUp | None = self._stream.largest
        return largest

    def feed(self, frame: Frame) -> list[Event]:
        """Take the next frame.

        Returns
        -------
        list of Event
            What became final, then what the frame shows.

        Raises
        ------
        InputError
            If the frame is not a picture, is not later than the one before, or the stream was flushed.
        """
        events = self._settled(self._stream.feed(frame), frame.time)
        faces = [_now(face) for face in self._stream.current[:MOST_FACES]]
        return [*events, Event("frame", {"time": thousandths(frame.time), "faces": faces})]

    def flush(self) -> list[Event]:
        """End the stream. Returns the last segments and the summaries; empty the second time."""
        if self._over:
            return []
        self._over = True
        now = self.position
        events = self._settled(self._stream.flush(), now)
        several = list(self._people.values()) if len(self._people) > 1 else []
        for summary in [*several, self._whole]:
            found = summary.prediction()
            table = {key: value for key, value in table_of(found).items() if key != "modality"}
            events.append(Event("summary", {"time": thousandths(now), **table}, found))
        return events

    def _settled(self, segments: Sequence[Prediction], now: float) -> list[Event]:
        for segment in segments:
            self._whole.add(segment)
            if segment.who is not None and (segment.who in self._people or len(self._people) < MOST_PEOPLE):
                self._people.setdefault(segment.who, Summary()).add(segment)
        return [
            Event("segment", {"time": thousandths(now), "stable": True, **table_of(segment)}, segment)
            for segment in segments
        ]


def open_live(recognizer: Recognizer, **form: Any) -> LiveFaces:
    """A live stream of a recogniser; frames need no further description.

    Raises
    ------
    InputError
        If a description of the frames is given.
    """
    if form:
        raise InputError(f"{', '.join(form)}: a live stream of faces is told nothing: each frame has its time.")
    return LiveFaces(recognizer)


def _now(face: Prediction) -> dict[str, Any]:
    """A face of one frame as JSON has it; its times are the frame's."""
    return {key: value for key, value in table_of(face).items() if key not in ("start", "end", "modality")}
