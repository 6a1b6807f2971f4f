"""Where somebody speaks: a state machine over frame probabilities, the same for a stream and a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.speech.frames import Buffer

SAMPLING_RATE = 16_000
HOP, WINDOW = 320, 400
#: Frames on either side that can change a frame's probability: the network's dilations 1 + 2 + 4 + 8 + 16.
CONTEXT = 31

Score = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Region = tuple[int, int]


@dataclass(frozen=True)
class ActivityOptions:
    """When speech begins and ends. Times in seconds, probabilities in [0, 1].

    Parameters
    ----------
    on, off : float
        Speech begins at a probability of ``on`` and ends below ``off``.
    shortest : float
        Speech shorter than this is ignored.
    pause : float
        A pause shorter than this does not end a region.
    margin : float
        Kept before the first and after the last frame of speech; at most half a pause.
    block : float
        How much signal is scored at a time: small for low latency, large for
        speed. It does not change the result.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    on: float = 0.5
    off: float = 0.3
    shortest: float = 0.2
    pause: float = 0.5
    margin: float = 0.1
    block: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.off <= self.on < 1:
            raise InputError(f"on is {self.on} and off is {self.off}; allowed: 0 < off <= on < 1.")
        if min(self.shortest, self.pause, self.block) < 0.02 or not 0 <= self.margin <= self.pause / 2:
            raise InputError("shortest, pause and block are at least 0.02 s; margin is at most half a pause.")


@dataclass(frozen=True)
class Piece:
    """A part of a signal between two pauses: all parts together have exactly the regions of the whole.

    A cut is made at the first frame, at or after a given second, where nobody
    speaks whatever came before: where a state machine that starts at that second in the
    state of speech has found a pause. From such a frame on, the regions do not
    depend on what lies before it. So every piece finds its own two cuts, and
    neighbouring pieces find the same one. If nobody ever pauses, a piece has no
    regions, and the previous piece continues through it.

    Parameters
    ----------
    start : float
        Seconds, whole blocks of :class:`ActivityOptions`: pieces are scored on the grid of the whole.
    end : float, optional
        The ``start`` of the next piece; by default the piece goes on to the end of the signal.

    Raises
    ------
    InputError
        If that is no interval.

    Examples
    --------
    >>> Piece(600, 1200).end
    1200
    """

    start: float = 0.0
    end: float | None = None

    def __post_init__(self) -> None:
        if self.start < 0 or (self.end is not None and self.end <= self.start):
            raise InputError(f"start {self.start} and end {self.end} are no interval; allowed: 0 <= start < end.")

    def frames(self, block: int) -> tuple[int, int | None]:
        """Start and end in frames; raises InputError unless the start is 0, or whole blocks and >= CONTEXT."""
        rate = SAMPLING_RATE / HOP
        start, end = round(self.start * rate), None if self.end is None else round(self.end * rate)
        if start % block or (start and start < CONTEXT):
            raise InputError(f"start is {self.start} s; allowed: multiples of the block, {block / rate:g} s.")
        return start, end


class Activity:
    """Finds speech in a signal that arrives in pieces.

    Parameters
    ----------
    score : callable
        Signal (n,) at 16 kHz to a probability of speech per 20 ms frame (t,);
        the model ``activity`` does it.
    options : ActivityOptions
    piece : Piece, optional
        The part of the signal that is wanted; what is fed begins at the sample ``begin``.
    """

    def __init__(self, score: Score, options: ActivityOptions | None = None, piece: Piece | None = None) -> None:
        self.options = options or ActivityOptions()
        self._score = score
        self._block = max(1, round(self.options.block * SAMPLING_RATE / HOP))
        first, last = (piece or Piece()).frames(self._block)
        self.begin = max(0, first - CONTEXT) * HOP
        self._buffer = Buffer(self.begin)
        self._scored = first
        self._machine = _Machine(self.options, first, last)
        self._length = self.begin

    @property
    def ended(self) -> bool:
        """Whether the end of the piece was found: nothing more will come."""
        return self._machine.ended

    def feed(self, signal: NDArray[np.float32]) -> list[Region]:
        """Take more signal (n,); return the regions that ended, in samples."""
        self._buffer.append(signal)
        self._length += len(signal)
        closed: list[Region] = []
        while self._frames_there() >= self._scored + self._block + CONTEXT:
            closed += self._advance(self._block, self._scored + self._block + CONTEXT)
        return closed

    def flush(self) -> list[Region]:
        """Say that the signal is over; return the regions that were still open."""
        closed: list[Region] = []
        while (left := self._frames_there() - self._scored) > 0:
            closed += self._advance(
                min(left, self._block), min(self._frames_there(), self._scored + self._block + CONTEXT)
            )
        return closed + self._machine.finish(self._length)

    @property
    def growing(self) -> Region | None:
        """The region in progress, from its start to the point that it certainly reaches; None in silence."""
        return self._machine.growing

    @property
    def earliest(self) -> int:
        """No future region starts before this sample."""
        region = self._machine.growing
        return region[0] if region else self._machine.earliest

    def _frames_there(self) -> int:
        return max(0, (self._length - WINDOW) // HOP + 1)

    def _advance(self, count: int, end: int) -> list[Region]:
        first = max(0, self._scored - CONTEXT)
        signal = self._buffer.take(first * HOP, (end - 1) * HOP + WINDOW)
        scores = self._score(signal)[self._scored - first :][:count]
        self._scored += count
        self._buffer.forget(max(0, self._scored - CONTEXT) * HOP)
        return self._machine.step(scores)


class _Machine:
    """Silence -> candidate -> speech -> maybe over -> silence.

    A machine that does not begin at the start of the signal assumes that somebody has been speaking until now: this
    assumed speech ends no earlier than any real speech would. It belongs to the previous piece. Everything after the
    end of this piece belongs to the next one; a second machine of this kind finds that end.
    """

    def __init__(self, options: ActivityOptions, first: int = 0, last: int | None = None) -> None:
        frames = SAMPLING_RATE / HOP
        self._on, self._off = options.on, options.off
        self._shortest, self._pause = round(options.shortest * frames), round(options.pause * frames)
        self._margin = round(options.margin * SAMPLING_RATE)
        self._now = first
        self._start: int | None = first or None
        self._last = first
        self._voiced = 0
        self._free_from = 0
        self._others = first > 0
        self._next = _Machine(options, last) if last else None

    @property
    def ended(self) -> bool:
        return self._next is not None and not self._next._others

    @property
    def growing(self) -> Region | None:
        if self._start is None or self._voiced < self._shortest or self._others:
            return None
        return self._begin(), self._last * HOP

    @property
    def earliest(self) -> int:
        frame = self._now if self._start is None else self._start
        return max(self._free_from, frame * HOP - self._margin)

    def step(self, scores: NDArray[np.float32]) -> list[Region]:
        closed: list[Region] = []
        for score in scores.tolist():
            if self.ended:
                break
            if self._next and self._now >= self._next._now:
                self._next._take(score)
            closed += self._take(score)
        return closed

    def _take(self, score: float) -> list[Region]:
        closed: list[Region] = []
        if score >= (self._on if self._start is None else self._off):
            self._start = self._now if self._start is None else self._start
            self._voiced += 1
            self._last = self._now + 1
        elif self._start is not None and self._now - self._last >= self._pause:
            closed = self._close(self._now * HOP)
        self._now += 1
        return closed

    def finish(self, length: int) -> list[Region]:
        return self._close(length) if self._start is not None else []

    def _begin(self) -> int:
        assert self._start is not None
        return max(self._free_from, self._start * HOP - self._margin)

    def _close(self, limit: int) -> list[Region]:
        start, end = self._begin(), min(limit, self._last * HOP + self._margin)
        enough = self._voiced >= self._shortest and not self._others
        self._others = False
        self._start, self._voiced = None, 0
        if not enough:
            return []
        self._free_from = end
        return [(start, end)]
