"""Streams of sound: what a client says of its samples, those that wait, and what hears them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from affekt.errors import InputError
from affekt.recognize.live import STEPS, Live, LiveChannels
from affekt.recognize.live_media import LiveMedia
from affekt.server.pitch_filter import PitchFilter
from affekt.server.refusals import Refusal
from affekt.server.settings import Limits
from affekt.server.store import StreamRecording
from affekt.speech.audio import MIX
from affekt.speech.channels import ReadOptions
from affekt.speech.decode import check_sampling_rate

if TYPE_CHECKING:
    from affekt.server.service import Service

#: Bytes of a sample, its type, and its full scale.
SAMPLES = {"pcm16": (2, "<i2", 32768.0), "float32": (4, "<f4", 1.0)}
#: Each costs as much as a stream.
MOST_CHANNELS = 2
VOICES = ("all", "low", "high")
#: Of events.
TEXT = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True)
class SampleFormat:
    """What a stream of sound is made of: the form of its samples, their rate in hertz, the channels, and who counts."""

    form: str
    sampling_rate: int
    channels: int = 1
    reading: ReadOptions = MIX
    voices: str = "all"

    #: Fields that a client may set.
    KEYS = ("sampling_rate", "channels", "channel", "voices", "reference")
    #: What is counted when a stream is taken up again.
    COUNTED = "samples"
    #: Events that can be sent again.
    REMEMBERED = 1024
    #: What may be sent.
    WORDS = "signal"

    @classmethod
    def of(cls, form: str, table: dict[str, Any]) -> SampleFormat:
        """From the first message.

        Raises
        ------
        Refusal
            1008 if it asks for something that there is not.
        """
        rate, voices = table.get("sampling_rate", 16_000), table.get("voices") or "all"
        if voices not in VOICES:
            raise Refusal(1008, f"hello: voices is one of {', '.join(VOICES)}.")
        try:
            check_sampling_rate(rate)
            reading = ReadOptions(table.get("channel") or "mix")
        except InputError as error:
            raise Refusal(1008, f"hello: {error}") from None
        channels = table.get("channels", 1)
        if type(channels) is not int or not 1 <= channels <= MOST_CHANNELS:
            raise Refusal(1008, f"hello: channels is {str(channels)[:100]}; allowed: 1 to {MOST_CHANNELS}.")
        if reading.number is not None and reading.number >= channels:
            raise Refusal(1008, f"hello: channel is {reading.channel}, and there are {channels}.")
        if reading.channel == "each" and voices != "all":
            raise Refusal(1008, "hello: voices are told apart in one channel; leave it out with channel each.")
        return cls(form, int(rate), channels, reading, voices)

    @property
    def width(self) -> int:
        """Bytes of a sample of all channels."""
        return SAMPLES[self.form][0] * self.channels

    @property
    def told(self) -> dict[str, Any]:
        """What a live stream has to know."""
        each = {"channels": self.channels} if self.reading.channel == "each" else {}
        return {"sampling_rate": self.sampling_rate, **each}

    def signal(self, data: bytes) -> np.ndarray:
        """Bytes to float32 samples: (n,), or (n, channels) of ``each``."""
        _, kind, scale = SAMPLES[self.form]
        samples = (np.frombuffer(data, kind).astype(np.float32) / np.float32(scale)).reshape(-1, self.channels)
        if self.reading.channel == "each":
            return samples
        if self.reading.number is None:
            return samples[:, 0] if self.channels == 1 else samples.mean(axis=1)
        return np.ascontiguousarray(samples[:, self.reading.number])

    def check_size(self, size: int, limits: Limits) -> None:
        """Refuse a message that is too large with 1009."""
        most = min(limits.frame_bytes, self.sampling_rate * self.width)
        if size > most:
            raise Refusal(1009, f"a message of {size} bytes; allowed: {most}, at most a second of signal.")

    def inbox(self, limits: Limits) -> SignalInbox:
        """The queue for incoming signal."""
        return SignalInbox(self, limits)

    def worker(self, live: Live | LiveChannels, service: Service) -> SignalWorker:
        """The worker for this signal."""
        tape = service.store.tape(self.form, self.sampling_rate, self.channels) if service.store else None
        return SignalWorker(live, self, tape=tape)


class SignalInbox:
    """Queued signal, up to a few seconds; then the sender has to wait.

    Parameters
    ----------
    kind : SampleFormat
    limits : Limits
    """

    def __init__(self, kind: SampleFormat, limits: Limits) -> None:
        self._kind, self._limits = kind, limits
        #: Samples that have come.
        self.count = 0
        self._waiting = bytearray()
        self._taken = 0
        self._half = b""

    @property
    def seconds(self) -> float:
        """How long the stream is."""
        return self.count / self._kind.sampling_rate

    @property
    def full(self) -> bool:
        """Whether the sender has to wait."""
        # Less than two steps would be too little to work on, and nothing would ever make room.
        seconds = max(self._limits.backlog, 2 / STEPS)
        return len(self._waiting) > int(seconds * self._kind.sampling_rate) * self._kind.width

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    @property
    def due(self) -> bool:
        """Whether there is enough signal for a new result: a Live works in steps."""
        rate = self._kind.sampling_rate
        return self.count >= math.ceil((self._taken * STEPS // rate + 1) * rate / STEPS)

    def add(self, data: bytes) -> None:
        """Take signal, cut anywhere."""
        data = self._half + data
        whole = len(data) // self._kind.width * self._kind.width
        self._half = data[whole:]
        self._waiting += data[:whole]
        self.count += whole // self._kind.width

    def resumed(self) -> None:
        """What was cut in the middle of a sample is sent again, whole."""
        self._half = b""

    def next(self) -> tuple[bytes, float]:
        """The next piece, at most a second, so that other streams get their turn; and its length in seconds."""
        size = self._kind.sampling_rate * self._kind.width
        piece = bytes(self._waiting[:size])
        del self._waiting[:size]
        samples = len(piece) // self._kind.width
        self._taken += samples
        return piece, samples / self._kind.sampling_rate


class SignalWorker:
    """Processes a stream: a Live, and what else was asked for. Only one thread at a time may use it.

    Parameters
    ----------
    live : Live, LiveChannels or LiveMedia
    kind : SampleFormat
    tape : StreamRecording, optional
        Where it is kept.
    """

    #: Nothing is worked out beside sound.
    aside = None

    def __init__(
        self, live: Live | LiveChannels | LiveMedia, kind: SampleFormat, *, tape: StreamRecording | None = None
    ) -> None:
        self._live, self._kind, self._tape = live, kind, tape
        self._voices = None if kind.voices == "all" else PitchFilter(kind.voices, kind.sampling_rate)

    def feed(self, piece: bytes, last: bool) -> list[str]:
        """Bytes of signal in, events as JSON out."""
        events = []
        if piece:
            signal = self._kind.signal(piece)
            events = self._live.feed(signal)
            if self._voices:
                self._voices.feed(signal)
        if last:
            events += self._live.flush()
        tables = [self._voices.marked(event) if self._voices else event.as_table() for event in events]
        texts = [TEXT.encode(table) for table in tables]
        if self._tape:
            self._tape.add(piece, texts, last)
        return texts
