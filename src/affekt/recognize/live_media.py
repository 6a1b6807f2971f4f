"""A live stream of sound and pictures: both in, events of voice, faces and their fusion out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.face.video import Frame
from affekt.recognize.live import Event, Live
from affekt.recognize.live_faces import LiveFaces
from affekt.recognize.media import OFF_CAMERA, MediaRecognizer, MouthMotion, SpeakerOptions, fused_lanes, who_speaks
from affekt.speech.stream import LIVE
from affekt.timeline.summary import Summary
from affekt.types import Prediction
from affekt.write.fields import table_of, thousandths

#: All types of events; see :class:`LiveMedia`.
TYPES = ("level", "speech_start", "speech_end", "partial", "frame", "segment", "fused", "summary")
#: Seconds between two fused answers, and for how long the newest answer of a voice or a face counts as current.
STEP, RECENT = 0.2, 1.0
#: Most segments that wait for others of the same time, and for how many seconds; then those present are pooled.
MOST_WAITING, LONGEST_WAIT = 400, 600.0


class LiveMedia:
    """A live stream of sound and frames on one clock: voice and faces are answered as by two streams.

    Its events are those of :class:`Live` for the voice and of :class:`LiveFaces` for the faces, without their
    summaries, and in addition, with times in seconds of the stream:

    - ``fused``: the current fused answer of a person's voice and face, at most five times a second, with a ``reason``
      where they contradict each other; ``who`` is the face, or ``off camera`` where no mouth moves with the voice;
    - ``segment`` of the modality ``fusion``: as :class:`MediaRecognizer` gives them, at the end; in streams of more
      than ten minutes also from time to time, and a segment that lasts across such a moment is cut there;
    - ``summary``: of the fused segments, at the end.

    The sound begins at 0. The times of the frames must be on the same clock.

    Parameters
    ----------
    media : MediaRecognizer
        Many streams may share it.
    sampling_rate : int
        Hertz of the sound.

    Examples
    --------
    >>> live = LiveMedia(MediaRecognizer())
    >>> [event.type for event in live.feed(np.zeros(1600, np.float32))]
    ['level']
    >>> [event.type for event in live.feed(Frame(0.05, np.full((90, 160, 3), 128, np.uint8)))]
    ['frame']
    >>> [event.type for event in live.flush()]
    ['summary']
    """

    def __init__(self, media: MediaRecognizer, *, sampling_rate: int = 16_000) -> None:
        given = media.recognizers
        if set(given) != {"speech", "face"}:
            raise InputError(
                f"a live stream of sound and pictures needs models of speech and face; there are {', '.join(given)}."
            )
        soonest = {f.name: getattr(LIVE, f.name) for f in fields(LIVE)}
        self._voice = Live(given["speech"].with_options(**soonest), sampling_rate=sampling_rate)
        self._faces = LiveFaces(given["face"])
        self._pool, self._options = media.pool, SpeakerOptions()
        self._mouths = MouthMotion(self._options.bin)
        self._waiting: dict[str, list[Prediction]] = {"speech": [], "face": []}
        self._since = self._told = 0.0
        self._heard: Prediction | None = None
        self._whole = Summary()
        self._over = False

    @property
    def position(self) -> float:
        """Seconds fed so far, of sound or frames, whichever is further."""
        return max(self._voice.position, self._faces.position)

    def feed(self, piece: NDArray[np.floating] | Frame) -> list[Event]:
        """Take the next piece of sound, or the next frame.

        Parameters
        ----------
        piece : array, shape (n,), or Frame
            As for :meth:`Live.feed` and :meth:`LiveFaces.feed`.

        Raises
        ------
        InputError
            If the piece is neither sound nor a frame, or the stream was flushed.
        """
        if isinstance(piece, Frame):
            events = self._faces.feed(piece)
            self._mouths.see(piece, self._faces.current)
        else:
            events = self._voice.feed(piece)
        self._keep(events)
        is_news = any(event.type in ("frame", "partial") for event in events)
        is_due = is_news and self.position >= self._told + STEP
        now = [self._event("fused", p) for p in self._now()] if is_due else []
        return [*events, *now, *self._settled(is_last=False)]

    def flush(self) -> list[Event]:
        """End the stream: the last segments of each, then the fused ones and their summary. Empty after that."""
        if self._over:
            return []
        self._over = True
        events = [event for event in (*self._voice.flush(), *self._faces.flush()) if event.type != "summary"]
        self._keep(events)
        events += self._settled(is_last=True)
        return [*events, self._event("summary", self._whole.prediction())]

    def _keep(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.prediction is None:
                continue
            if event.type == "partial":
                (speaker,) = who_speaks([event.prediction], self._mouths, self._options)
                self._heard = replace(event.prediction, who=speaker)
            elif event.type == "segment" and event.stable:
                self._waiting[event.prediction.modality].append(event.prediction)

    def _now(self) -> list[Prediction]:
        """The fused answer of each face that is seen, and of a voice that belongs to none of them."""
        now = self.position
        self._told = now
        voice = self._heard if self._heard and now - self._heard.end <= RECENT else None
        seen = [face for face in self._faces.current if face.scores and now - face.end <= RECENT]
        given: dict[str | None, list[Prediction]] = {face.who: [face] for face in seen}
        if voice:
            speaker = voice.who if voice.who in given else OFF_CAMERA if seen else None
            given.setdefault(speaker, []).insert(0, voice)
        start = max(0.0, now - STEP)
        spans = {who: [replace(p, start=start, end=now, who=who) for p in some] for who, some in given.items()}
        return [self._pool.fuse(some) for some in spans.values() if any(p.quality > 0 for p in some)]

    def _settled(self, *, is_last: bool) -> list[Event]:
        """The fused segments, as for a video: at the end, or when many or old ones wait."""
        waiting = sum(map(len, self._waiting.values()))
        if not is_last and waiting < MOST_WAITING and self.position < self._since + LONGEST_WAIT:
            return []
        speech = self._waiting["speech"]
        speakers = who_speaks(speech, self._mouths, self._options)
        said = [replace(p, who=who) for p, who in zip(speech, speakers, strict=True)]
        fused = fused_lanes(self._pool, {"speech": said, "face": self._waiting["face"]})
        self._waiting = {"speech": [], "face": []}
        self._since, self._mouths = self.position, MouthMotion(self._options.bin)
        for p in fused:
            self._whole.add(p)
        return [self._event("segment", p, stable=True) for p in fused]

    def _event(self, kind: str, prediction: Prediction, **more: Any) -> Event:
        table = table_of(replace(prediction, modality="fusion"))
        if kind != "segment":
            del table["modality"]
        return Event(kind, {"time": thousandths(self.position), **more, **table}, prediction)


def open_live(media: MediaRecognizer, *, sampling_rate: int = 16_000) -> LiveMedia:
    """A live stream of sound and frames."""
    return LiveMedia(media, sampling_rate=sampling_rate)
