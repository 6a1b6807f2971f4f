"""A live stream of speech: signal in, events out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.recognize.recognizer import Recognizer
from affekt.speech.channels import channel_names
from affekt.speech.decode import check_sampling_rate
from affekt.speech.stream import checked_signal
from affekt.speech.waveform import RATE
from affekt.timeline.segments import Listener
from affekt.timeline.summary import Summary
from affekt.types import Prediction
from affekt.write.fields import table_of, thousandths

#: What ``docs/events-2.schema.json`` describes.
SCHEMA = "events-2"
#: All types of events; see :class:`Live`.
TYPES = ("level", "speech_start", "speech_end", "partial", "segment", "summary")
#: Processing steps per second of a stream.
STEPS = 10
#: Decibels that stand for digital silence.
SILENCE = -120.0


@dataclass(frozen=True)
class Event:
    """Something that happened in a live stream.

    Parameters
    ----------
    type : str
        One of :data:`TYPES`.
    fields : mapping
        The fields of the type, and always ``time``: when the event was known, in seconds of the stream. Ready for JSON.
    prediction : Prediction, optional
        For a partial, a segment or a summary: the prediction itself, not rounded.

    Examples
    --------
    >>> Event("speech_start", {"time": 1.3, "start": 1.1}).as_table()
    {'type': 'speech_start', 'time': 1.3, 'start': 1.1}
    """

    type: str
    fields: Mapping[str, Any]
    prediction: Prediction | None = None

    @property
    def time(self) -> float:
        """Seconds of the stream when this was known."""
        return float(self.fields["time"])

    @property
    def stable(self) -> bool:
        """Whether this is final: a partial and the segment in progress are not."""
        return self.type != "partial" and self.fields.get("stable", True)

    def by(self, who: str) -> Event:
        """The same event with the field ``who``."""
        prediction = None if self.prediction is None else replace(self.prediction, who=who)
        return Event(self.type, {**self.fields, "who": who}, prediction)

    def as_table(self) -> dict[str, Any]:
        """The event as plain values for JSON."""
        return {"type": self.type, **self.fields}


class Live:
    """A live stream: signal in, events out, as early as they are known.

    The events are, with times in seconds of the stream:

    - ``level``: ``rms`` and ``peak`` in dB of full scale, for every 0.1 s;
    - ``speech_start``: somebody seems to have been speaking since ``start``; sent before it is certain;
    - ``speech_end``: the final ``start`` and ``end``. Each start has its end; if the two are
      equal, there was no speech;
    - ``partial``: what the last seconds of the speech in progress sound like. Partials of one
      region of speech follow one another without a gap;
    - ``segment``: with ``stable`` true, what :meth:`Recognizer.predict` gives, as soon as it is
      final; with ``stable`` false, the segment in progress, as if the speech ended here;
    - ``summary``: of the whole stream, once, at the end.

    How the signal is cut into chunks only changes when events come out. Of the
    segments in progress, only the newest of each chunk is reported.

    Parameters
    ----------
    recognizer : Recognizer
        Made with ``options=LIVE``; many streams may share it.
    sampling_rate : int
        Of the signal to be fed, in hertz.

    Raises
    ------
    InputError
        If the sampling rate is not allowed.

    Examples
    --------
    >>> from affekt import LIVE, Recognizer
    >>> live = Live(Recognizer(options=LIVE))
    >>> [event.type for event in live.feed(np.zeros(1600, np.float32)) + live.flush()]
    ['level', 'summary']
    """

    def __init__(self, recognizer: Recognizer, *, sampling_rate: int = RATE) -> None:
        check_sampling_rate(sampling_rate)
        self._closed: list[tuple[float, float]] = []
        listener = Listener(region=lambda start, end: self._closed.append((start, end)))
        self._stream = recognizer.stream(sampling_rate=sampling_rate, listener=listener)
        self._rate, self._hop = sampling_rate, recognizer.network.input.hop / RATE
        self._waiting = np.zeros(0, np.float32)
        self._steps = self._taken = 0
        self._speech = _Speech()
        self._reached: float | None = None
        self._summary = Summary()
        self._over = False

    @property
    def position(self) -> float:
        """Seconds fed so far."""
        return (self._taken + len(self._waiting)) / self._rate

    def feed(self, signal: NDArray[np.floating]) -> list[Event]:
        """Take the next piece of signal.

        Parameters
        ----------
        signal : array, shape (n,)
            Mono samples of any length, full scale [-1, 1].

        Returns
        -------
        list of Event
            In order of time; often none.

        Raises
        ------
        InputError
            If the signal has another shape, holds NaN or infinity, or the stream was flushed.
        """
        if self._over:
            raise InputError("the stream was flushed; make a new one for the next recording.")
        self._waiting = np.concatenate([self._waiting, checked_signal(signal)])
        events: list[Event] = []
        # On a fixed grid, so that events do not depend on how the signal is cut.
        done = 0
        while len(self._waiting) - done >= (size := round((self._steps + 1) * self._rate / STEPS) - self._taken):
            step = self._waiting[done : done + size]
            done, self._steps, self._taken = done + size, self._steps + 1, self._taken + size
            events += [_level(step, self._now()), *self._step(step)]
        self._waiting = self._waiting[done:].copy()
        return _newest_only(events)

    def flush(self) -> list[Event]:
        """End the signal. Returns the ends of speech, the last segments and the summary; empty the second time."""
        if self._over:
            return []
        rest, self._waiting = self._waiting, np.zeros(0, np.float32)
        self._taken += len(rest)
        events = self._step(rest)
        self._over = True
        segments = self._stream.flush()
        events += self._settled(segments) + self._speech.give_up(self._now())
        return [*_newest_only(events), _event("summary", self._now(), self._summary.prediction())]

    def _now(self) -> float:
        return self._taken / self._rate

    def _step(self, signal: NDArray[np.float32]) -> list[Event]:
        events = self._settled(self._stream.feed(signal))
        events += self._speech.look(self._stream, self._now())
        return events + self._in_progress()

    def _settled(self, segments: list[Prediction]) -> list[Event]:
        """What became final: each region's start if it has not been announced, its segments, its end."""
        events: list[Event] = []
        now = self._now()
        for start, end in self._closed:
            self._reached = None
            events += self._speech.begin(start, now)
            while segments and segments[0].start < end:
                events.append(self._segment(segments.pop(0)))
            events += self._speech.end(start, end, now)
        self._closed.clear()
        return events + [self._segment(segment) for segment in segments]

    def _segment(self, segment: Prediction) -> Event:
        self._summary.add(segment)
        return _event("segment", self._now(), segment, stable=True)

    def _in_progress(self) -> list[Event]:
        """A partial and the segment so far, when the speech in progress has grown by a hop."""
        growing = self._stream.growing
        if growing is None or (self._reached is not None and growing[1] < self._reached + self._hop):
            return []
        found = self._stream.so_far()
        if found is None:
            return []
        window, segment = found
        newest = replace(window, start=growing[0] if self._reached is None else self._reached, end=growing[1])
        self._reached = growing[1]
        now = self._now()
        return [_event("partial", now, newest), _event("segment", now, segment, stable=False)]


class _Speech:
    """Announces each start of speech once, as early as possible, and each end."""

    def __init__(self) -> None:
        self._announced: float | None = None
        # End of the evidence behind the announced start; None once there is no doubt.
        self._doubt: float | None = None

    def look(self, stream: Any, now: float) -> list[Event]:
        """Called after each step; returns the new events."""
        if growing := stream.growing:
            return self.begin(growing[0], now)
        if self._announced is not None:
            # The engine is past the evidence and has not found speech in it.
            return self.give_up(now) if self._doubt is not None and stream.earliest > self._doubt else []
        if hint := stream.hint():
            self._announced, self._doubt = hint
            return [_span("speech_start", now, start=hint[0])]
        return []

    def begin(self, start: float, now: float) -> list[Event]:
        """Speech that begins here is certain."""
        events = self.give_up(now) if self._doubt is not None and start > self._doubt else []
        self._doubt = None
        if self._announced is None:
            self._announced = start
            events.append(_span("speech_start", now, start=start))
        return events

    def end(self, start: float, end: float, now: float) -> list[Event]:
        """Speech is over."""
        self._announced = None
        return [_span("speech_end", now, start=start, end=end)]

    def give_up(self, now: float) -> list[Event]:
        """The announced start was not speech."""
        announced, self._announced, self._doubt = self._announced, None, None
        return [] if announced is None else [_span("speech_end", now, start=announced, end=announced)]


class LiveChannels:
    """A live stream of several channels, each with its own :class:`Live`: ``who`` of an event is the channel.

    Parameters
    ----------
    recognizer : Recognizer
        Made with ``options=LIVE``.
    channels : int
    sampling_rate : int
        Of the signal to be fed, in hertz.

    Examples
    --------
    >>> from affekt import LIVE, Recognizer
    >>> live = LiveChannels(Recognizer(options=LIVE), 2)
    >>> [event.fields["who"] for event in live.feed(np.zeros((1600, 2), np.float32))]
    ['left', 'right']
    """

    def __init__(self, recognizer: Recognizer, channels: int, *, sampling_rate: int = RATE) -> None:
        self._lives = {who: Live(recognizer, sampling_rate=sampling_rate) for who in channel_names(channels)}

    @property
    def position(self) -> float:
        """Seconds fed so far."""
        return next(iter(self._lives.values())).position

    def feed(self, signal: NDArray[np.floating]) -> list[Event]:
        """Take the next piece of signal, (n, channels); as :meth:`Live.feed`.

        Raises
        ------
        InputError
            If the signal has another shape, holds NaN or infinity, or the stream was flushed.
        """
        if np.ndim(signal) != 2 or np.shape(signal)[1] != len(self._lives):
            raise InputError(f"a signal of shape {np.shape(signal)}; allowed: (n, {len(self._lives)}).")
        return self._merged([live.feed(column) for live, column in zip(self._lives.values(), signal.T, strict=True)])

    def flush(self) -> list[Event]:
        """As :meth:`Live.flush`: a summary of each channel."""
        return self._merged([live.flush() for live in self._lives.values()])

    def _merged(self, found: list[list[Event]]) -> list[Event]:
        events = [event.by(who) for who, some in zip(self._lives, found, strict=True) for event in some]
        return sorted(events, key=lambda event: event.time)


def open_live(recognizer: Recognizer, *, channels: int = 1, sampling_rate: int = RATE) -> Live | LiveChannels:
    """A live stream of a recogniser: for one signal, or for several separate channels."""
    if channels == 1:
        return Live(recognizer, sampling_rate=sampling_rate)
    return LiveChannels(recognizer, channels, sampling_rate=sampling_rate)


def _event(kind: str, now: float, prediction: Prediction, **more: Any) -> Event:
    table = table_of(prediction)
    if kind != "segment":
        del table["modality"]
    return Event(kind, {"time": thousandths(now), **more, **table}, prediction)


def _span(kind: str, now: float, **times: float) -> Event:
    return Event(kind, {"time": thousandths(now), **{name: thousandths(t) for name, t in times.items()}})


def _level(signal: NDArray[np.float32], now: float) -> Event:
    wide = signal.astype(np.float64)
    rms, peak = math.sqrt(float(wide @ wide) / len(wide)), max(float(signal.max()), -float(signal.min()))
    return Event("level", {"time": thousandths(now), "rms": _decibels(rms), "peak": _decibels(peak)})


def _decibels(amplitude: float) -> float:
    return round(max(SILENCE, 20 * math.log10(amplitude)), 1) if amplitude > 0 else SILENCE


def _newest_only(events: list[Event]) -> list[Event]:
    """Of the segments in progress, keep only the newest, unless a final one comes after it."""
    last = next((event for event in reversed(events) if event.type == "segment"), None)
    return [event for event in events if event.type != "segment" or event.stable or event is last]
