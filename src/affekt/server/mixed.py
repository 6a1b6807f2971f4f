"""Streams of pictures and sound together: messages of both kinds, their queue and their worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from affekt.recognize.live_media import LiveMedia
from affekt.server.frames import FrameFormat, FrameInbox, FrameWorker, SentFrame
from affekt.server.refusals import Refusal
from affekt.server.settings import Limits
from affekt.server.signals import SampleFormat, SignalInbox, SignalWorker

if TYPE_CHECKING:
    from affekt.server.service import Service

#: The first byte of a message: a frame, followed by its time and jpeg; or signal.
FRAME, SIGNAL = b"F", b"S"


@dataclass(frozen=True)
class MixedFormat:
    """A stream of jpeg pictures and 16-bit sound, on one clock."""

    form: str
    sound: SampleFormat

    #: Fields that a client may set.
    KEYS = ("sampling_rate",)
    #: What is counted when a stream is taken up again: sound is sent again, frames are not.
    COUNTED = "samples"
    #: Events that can be sent again.
    REMEMBERED = 256
    #: What may be sent.
    WORDS = "frames and signal"

    @classmethod
    def of(cls, form: str, table: dict[str, Any]) -> MixedFormat:
        """From the first message.

        Raises
        ------
        Refusal
            1008 if it asks for something that there is not.
        """
        return cls(form, SampleFormat.of("pcm16", table))

    @property
    def told(self) -> dict[str, Any]:
        """What a live stream has to know."""
        return self.sound.told

    def check_size(self, size: int, limits: Limits) -> None:
        """Refuse a message that is too large for either kind with 1009."""
        FrameFormat("jpeg").check_size(size - 1, limits)

    def inbox(self, limits: Limits) -> MixedInbox:
        """The queue for incoming messages."""
        return MixedInbox(self.sound, limits)

    def worker(self, live: LiveMedia, service: Service) -> MixedWorker:
        """The worker for these messages."""
        tape = service.store.tape("pcm16", self.sound.sampling_rate) if service.store else None
        frames = FrameWorker(live, most_pixels=service.settings.limits.frame_pixels)
        return MixedWorker(frames, SignalWorker(live, self.sound, tape=tape))


class MixedInbox:
    """Waiting signal, and the newest frame; they take turns.

    Parameters
    ----------
    kind : SampleFormat
    limits : Limits
    """

    def __init__(self, kind: SampleFormat, limits: Limits) -> None:
        self._kind, self._limits = kind, limits
        self._signal, self._frames = SignalInbox(kind, limits), FrameInbox(limits)
        self._is_frames_turn = False

    @property
    def count(self) -> int:
        """Samples that have come."""
        return self._signal.count

    @property
    def seconds(self) -> float:
        """How long the stream is."""
        return max(self._signal.seconds, self._frames.seconds)

    @property
    def full(self) -> bool:
        """Whether the sender has to wait: sound is never dropped."""
        return self._signal.full

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return self._signal.empty and self._frames.empty

    @property
    def due(self) -> bool:
        """Whether there is enough to work on."""
        return self._signal.due or self._frames.due

    def add(self, data: bytes) -> None:
        """Take a message.

        Raises
        ------
        Refusal
            1003 if it does not say what it is, or is neither; 1009 if it is too large.
        """
        kind, rest = data[:1], data[1:]
        if kind == FRAME:
            self._frames.add(rest)
        elif kind == SIGNAL:
            self._kind.check_size(len(rest), self._limits)
            self._signal.add(rest)
        else:
            raise Refusal(
                1003, f"a message begins with F (a frame: its time, a jpeg) or S (signal), not with {kind!r:.20}."
            )

    def resumed(self) -> None:
        """The client is back, and begins a new message."""
        self._signal.resumed()

    def next(self) -> tuple[bytes | SentFrame | None, float]:
        """A frame or a piece of signal, in turn; and how many seconds of sound it is."""
        takes_frame = self._frames.due and (self._is_frames_turn or not self._signal.due)
        self._is_frames_turn = not takes_frame
        if takes_frame:
            return self._frames.next()[0], 0.0
        return self._signal.next()


class MixedWorker:
    """Processes frames and signal, on one live stream. Only one thread at a time may use it."""

    #: Nothing is worked out beside them.
    aside = None

    def __init__(self, frames: FrameWorker, signal: SignalWorker) -> None:
        self._frames, self._signal = frames, signal

    def feed(self, piece: bytes | SentFrame | None, last: bool) -> list[str]:
        """A frame or bytes of signal in, events as JSON out."""
        if isinstance(piece, SentFrame):
            events = self._frames.feed(piece, False)
            return events + (self._signal.feed(b"", True) if last else [])
        return self._signal.feed(piece or b"", last)
