"""A live stream of text: sentences in, events out."""

from __future__ import annotations

import json
from typing import Any

from affekt.errors import InputError
from affekt.recognize.live import Event
from affekt.recognize.recognizer import Recognizer
from affekt.text.captions import Cue
from affekt.timeline.summary import Summary
from affekt.write.fields import table_of, thousandths

#: All types of events; see :class:`LiveText`.
TYPES = ("segment", "summary")
#: Most characters of one message.
LONGEST = 10_000


class LiveText:
    """A live stream of text: each message is answered at once.

    The events are, with times in seconds of the stream:

    - ``segment``: for each message, with ``stable`` true and its ``text``;
    - ``summary``: of all messages, at the end.

    Parameters
    ----------
    recognizer : Recognizer
        With a model of text; many streams may share it.

    Examples
    --------
    >>> live = LiveText(Recognizer("text"))
    >>> [event.fields["label"] for event in live.feed({"text": "I am so happy for you!", "start": 1, "end": 3})]
    ['happy']
    >>> [event.type for event in live.flush()]
    ['summary']
    """

    def __init__(self, recognizer: Recognizer) -> None:
        self._stream: Any = recognizer.stream()
        self._whole = Summary()
        self._over = False

    @property
    def position(self) -> float:
        """Seconds to the end of the latest message."""
        return float(self._stream.position)

    def feed(self, message: Any) -> list[Event]:
        """Take the next message.

        Parameters
        ----------
        message : mapping, str or bytes
            ``text``, and optionally ``start`` and ``end`` in seconds and ``who``: as a mapping, or as JSON.

        Raises
        ------
        InputError
            If the message is not valid, or the stream was flushed.
        """
        events = []
        for segment in self._stream.feed([cue_of(message)]):
            self._whole.add(segment)
            fields = {"time": thousandths(self.position), "stable": True, **table_of(segment)}
            events.append(Event("segment", fields, segment))
        return events

    def flush(self) -> list[Event]:
        """End the stream. Returns the summary; empty the second time."""
        if self._over:
            return []
        self._over = True
        self._stream.flush()
        found = self._whole.prediction()
        table = {key: value for key, value in table_of(found).items() if key != "modality"}
        return [Event("summary", {"time": thousandths(self.position), **table}, found)]


def cue_of(message: Any) -> Cue:
    """A message as a cue.

    Raises
    ------
    InputError
        If it is not valid: not JSON, without words, or with invalid times.
    """
    if isinstance(message, (str, bytes, bytearray)):
        try:
            message = json.loads(message)
        except (ValueError, RecursionError):
            raise InputError('a message that is no JSON; send {"text": "...", "start": 1.5, "end": 3}.') from None
    if not isinstance(message, dict) or set(message) - {"text", "start", "end", "who"}:
        raise InputError('a message has "text", and optionally "start", "end" and "who".')
    text, who = message.get("text"), message.get("who")
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
        raise InputError(f'"text" of a message must be words, {LONGEST} characters at most.')
    if who is not None and (not isinstance(who, str) or not who):
        raise InputError('"who" of a message must be a name.')
    times = [message.get("start", 0.0), message.get("end", message.get("start", 0.0))]
    if any(type(time) not in (int, float) or not 0 <= time <= 1e9 for time in times) or times[1] < times[0]:
        raise InputError('"start" and "end" of a message must be seconds, the end not before the start.')
    return Cue(float(times[0]), float(times[1]), " ".join(text.split()), who)


def open_live(recognizer: Recognizer, **form: Any) -> LiveText:
    """A live stream of a recogniser; messages need no further description.

    Raises
    ------
    InputError
        If a description of the messages is given.
    """
    if form:
        raise InputError(f"{', '.join(form)}: a live stream of text is told nothing: each message has its times.")
    return LiveText(recognizer)
