"""The one engine: signal in pieces, Predictions out. A file is one stream, fed and flushed.

Everything is laid out on grids that depend on the signal alone (blocks of
speech activity from its start, pieces of windows from the start of a region of
speech), never on how the signal was cut into chunks, so any chunking gives the
same numbers to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np
import soxr
from numpy.typing import NDArray

from affekt.errors import InputError, ModelError
from affekt.labels import LabelMap
from affekt.models.card import Card
from affekt.models.onnx import Model, softmax
from affekt.speech.activity import CONTEXT, HOP, Activity, ActivityOptions
from affekt.speech.baseline import Accumulator, Baseline
from affekt.speech.decode import check_sampling_rate
from affekt.speech.feature_model import ClipModel
from affekt.speech.frames import Buffer
from affekt.speech.quality import window_measures, window_qualities
from affekt.timeline.gate import Gate, weakened
from affekt.types import Prediction

RATE = 16_000
#: The model's front end needs this much to see one frame.
SHORTEST = 400
#: Seconds of what sounds like speech that it takes to say so before it is certain.
HINT = 0.1


@dataclass(frozen=True)
class StreamOptions:
    """How a stream works. Times in seconds.

    Parameters
    ----------
    block : float
        How much signal is worked on at a time. Small values give results
        sooner, large ones cost less; the answer is the same but for rounding.
    shortest : float
        A stretch of one emotion shorter than this joins its neighbour.
    activity : ActivityOptions
        When speech begins and ends.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    block: float = 40.0
    shortest: float = 1.0
    activity: ActivityOptions = field(default_factory=ActivityOptions)

    def __post_init__(self) -> None:
        if not 0.4 <= self.block <= 120 or not 0 <= self.shortest <= 60:
            raise InputError(
                f"block is {self.block} s and shortest {self.shortest} s; allowed: 0.4 to 120 and 0 to 60."
            )


#: For a microphone: small blocks, so that answers wait for nothing but the speaker. Each is read with its context,
#: which costs 1.4 times as much on speech with pauses, and 7 times in speech without any.
LIVE = StreamOptions(block=0.8, activity=ActivityOptions(block=0.2))


@dataclass(frozen=True)
class Listener:
    """Who wants to know more than the segments.

    Parameters
    ----------
    cell : callable
        Takes the cell of every window; cells are parts of an answer and always have a label.
    region : callable
        Takes start and end of every region of speech, in seconds.
    logits : callable, optional
        Takes the logits (w, k) of the windows of the region in progress, before
        the temperature, as they come; :func:`window_weights` says what each counts.
    measures : callable, optional
        Takes what :func:`affekt.speech.quality.window_measures` measured in the same windows, (w, 5).
    """

    cell: Callable[[Prediction], None]
    region: Callable[[float, float], None]
    logits: Callable[[NDArray[np.floating]], None] | None = None
    measures: Callable[[NDArray[np.float64]], None] | None = None


def window_weights(count: int, length: int, card: Card) -> NDArray[np.float64]:
    """How many samples each window counts for in the mean of a region.

    Parameters
    ----------
    count : int
        Windows of the region.
    length : int
        Samples of the region.
    card : Card
        Of the model.

    Returns
    -------
    array, shape (w,)
        Sums to ``length``.

    Examples
    --------
    >>> window_weights(1, 16_000, Card("m", "speech", ("a", "b")))
    array([16000.])
    """
    cells: list[Prediction] = []
    names = tuple(str(i) for i in range(count))
    listener = Listener(cells.append, lambda start, end: None)
    region = _Region(0, card, _Segments(_Answers(names), 1, listener))
    # Each window answers with a label of its own, so that the scores of a cell are its weights.
    region.add(np.eye(count), np.ones((count, 1)), length)
    region.finish(length)
    return RATE * sum((p.duration * np.array(list(p.scores.values())) for p in cells), np.zeros(count))


def checked_signal(signal: NDArray[np.floating]) -> NDArray[np.float32]:
    """A signal (n,) as float32, or InputError if it is none."""
    signal = np.asarray(signal)
    if signal.ndim != 1 or signal.dtype.kind != "f":
        raise InputError(f"a signal of shape {signal.shape} and type {signal.dtype}; allowed: floats of shape (n,).")
    with np.errstate(over="ignore"):
        signal = signal.astype(np.float32, copy=False)
    if not np.isfinite(signal).all():
        raise InputError("the signal holds NaN or infinite samples, or some beyond float32.")
    return signal


class Stream:
    """Emotions of a signal that arrives in pieces. Made by :meth:`Recognizer.stream`.

    Parameters
    ----------
    models : (Model, Model)
        The emotion model and the speech activity model.
    labels : LabelMap
        From the model's labels to those asked for.
    options : StreamOptions
    sampling_rate : int
        Hertz of what will be fed; resampled to 16 kHz as it comes.
    listener : Listener
    threshold : float
        Confidence that a segment needs to have a label, 0 to 1; where segments begin and end does not depend on it.
    baseline : Baseline, optional
        How the speaker usually sounds.
    running : bool
        Learn it from the stream itself: each region of speech is compared with
        all before it. Only for a stream of one speaker.
    """

    def __init__(
        self,
        models: tuple[Model | ClipModel, Model],
        labels: LabelMap,
        *,
        options: StreamOptions,
        sampling_rate: int = RATE,
        listener: Listener | None = None,
        threshold: float = 0.0,
        baseline: Baseline | None = None,
        running: bool = False,
    ) -> None:
        model, activity = models
        self._speech = lambda signal: activity.run(signal[None])[0][0]
        self._activity = Activity(self._speech, options.activity)
        self._buffer = Buffer()
        self._listener = listener
        self._reader = _Reader(
            model, labels, options, self._listener, threshold=threshold, baseline=baseline, running=running
        )
        self._resampler = None
        check_sampling_rate(sampling_rate)
        if sampling_rate != RATE:
            self._resampler = soxr.ResampleStream(sampling_rate, RATE, 1, dtype="float32", quality="HQ")
        self._over = False

    @property
    def position(self) -> float:
        """Seconds of signal taken so far."""
        return self._buffer.end / RATE

    @property
    def accumulator(self) -> Accumulator:
        """The embeddings of the regions that are over; of a model that gives any."""
        return self._reader.accumulator

    @property
    def speaker_known(self) -> bool:
        """Whether any of the speech was heard with the speaker's baseline known."""
        return self._reader.speaker_known

    def glance(self) -> Prediction | None:
        """What the last seconds of the speech in progress sound like, as if it ended here; None where nobody speaks.

        For showing something at once: one window, heard without what comes
        after it, so :meth:`feed` may later decide otherwise.
        """
        growing = self._activity.growing
        return self._reader.glance(growing, self._buffer) if growing and not self._over else None

    @property
    def growing(self) -> tuple[float, float] | None:
        """Start of the speech in progress and how far it reaches for sure, in seconds; None where nobody speaks."""
        growing = self._activity.growing
        return (growing[0] / RATE, growing[1] / RATE) if growing and not self._over else None

    @property
    def earliest(self) -> float:
        """No speech that is still to come begins before this second."""
        return self._activity.earliest / RATE

    def hint(self) -> tuple[float, float] | None:
        """Start and end, in seconds, of what sounds like the first of new speech; None where there is none.

        For saying at once that somebody speaks: the newest signal is heard
        without what comes after it, so :meth:`feed` may later find nothing.
        """
        options, earliest = self._activity.options, self._activity.earliest
        first = max(0, earliest // HOP - CONTEXT)
        signal = self._buffer.take(first * HOP, self._buffer.end)
        if self._over or self._activity.growing or len(signal) < SHORTEST:
            return None
        spoken = self._speech(signal) >= options.on
        spoken[: math.ceil(earliest / HOP) - first] = False
        frames = max(1, round(HINT * RATE / HOP))
        runs = np.flatnonzero(np.convolve(spoken, np.ones(frames), "valid") > frames - 0.5)
        if not len(runs):
            return None
        start = (first + int(runs[0])) * HOP
        return max(earliest, start - round(options.margin * RATE)) / RATE, (start + frames * HOP) / RATE

    def so_far(self) -> tuple[Prediction, Prediction] | None:
        """The last window and the segment of the speech in progress, as if it ended here; None where nobody speaks.

        The segment is the last one that :meth:`flush` would give of this
        speech; :meth:`feed` may later decide otherwise.
        """
        growing = self._activity.growing
        return self._reader.so_far(growing, self._buffer) if growing and not self._over else None

    def feed(self, signal: NDArray[np.floating]) -> list[Prediction]:
        """Take the next piece of signal.

        Parameters
        ----------
        signal : array, shape (n,)
            Mono samples of any length, full scale [-1, 1].

        Returns
        -------
        list of Prediction
            The segments that became final; often none.

        Raises
        ------
        InputError
            If the signal has another shape, holds NaN or infinity, or the stream was flushed.
        """
        if self._over:
            raise InputError("the stream was flushed; make a new one for the next recording.")
        signal = checked_signal(signal)
        return self._take(self._resampler.resample_chunk(signal) if self._resampler else signal)

    def flush(self) -> list[Prediction]:
        """Say that the signal is over; return the segments that were still open."""
        if self._over:
            return []
        rest = self._take(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True)) if self._resampler else []
        self._over = True
        return rest + self._finish(self._activity.flush())

    def _take(self, signal: NDArray[np.float32]) -> list[Prediction]:
        # In bounded bites, so that a whole file fed at once is not held twice.
        done: list[Prediction] = []
        for start in range(0, len(signal), RATE):
            part = signal[start : start + RATE]
            self._buffer.append(part)
            done += self._finish(self._activity.feed(part))
            if growing := self._activity.growing:
                done += self._reader.grow(growing, self._buffer)
            self._buffer.forget(self._needed_from())
        return done

    def _needed_from(self) -> int:
        """The first sample that a model may still have to hear; :meth:`hint` needs context, too."""
        growing, needed = self._activity.growing, self._reader.needed_from
        before = (CONTEXT + 1) * HOP + round(self._activity.options.margin * RATE)
        if growing is None or needed is None:
            return self._activity.earliest - before
        return min(needed, growing[1] - before)

    def _finish(self, regions: list[tuple[int, int]]) -> list[Prediction]:
        done: list[Prediction] = []
        for region in regions:
            done += self._reader.close(region, self._buffer)
            if self._listener:
                self._listener.region(region[0] / RATE, region[1] / RATE)
        return done


class _Reader:
    """Runs the model over a region of speech as it grows, piece by piece."""

    def __init__(
        self,
        model: Model | ClipModel,
        labels: LabelMap,
        options: StreamOptions,
        listener: Listener | None,
        *,
        threshold: float,
        baseline: Baseline | None = None,
        running: bool = False,
    ) -> None:
        self._model, self._labels, self._card = model, labels, model.card
        self.accumulator, self._baseline, self._running = Accumulator(), baseline, running
        self.speaker_known = False
        self._embeddings: list[NDArray[np.floating]] = []
        self._hop, self._window = self._card.hop, self._card.window
        # A whole number of hops, so that the windows of a piece fall on those of the region.
        self._context = math.ceil(self._card.context / self._hop) * self._hop
        self._windows_at_once = max(1, round(options.block * RATE / self._hop))
        self._shortest, self._listener = max(1, math.ceil(options.shortest * RATE / self._hop)), listener
        self._answers = _Answers(tuple(labels.sources), Gate.of(self._card.gate), threshold)
        self._region: _Region | None = None

    @property
    def needed_from(self) -> int | None:
        """First sample of the region in progress that is still to be read; None between regions."""
        region = self._region
        return region.start + max(0, region.windows * self._hop - self._context) if region else None

    def glance(self, region: tuple[int, int], buffer: Buffer) -> Prediction | None:
        """The last window of a region in progress, as if the region ended here."""
        start, end = region
        first = max(start, end - self._window)
        begin = first - min(self._context, (first - start) // self._hop * self._hop)
        signal = buffer.take(begin, end)
        if len(signal) < SHORTEST:
            return None
        logits = self._run(signal)[1][0, (first - begin) // self._hop]
        (scores,) = self._mapped(softmax(logits[None], self._card.temperature))
        return self._answers.prediction((first, end), scores, self._heard(signal[first - begin :], 1, told=False)[0])

    def so_far(self, region: tuple[int, int], buffer: Buffer) -> tuple[Prediction, Prediction] | None:
        """The last window and the last segment of a region in progress, as if the region ended here."""
        left = self._window_count(region[1] - region[0]) - (self._region.windows if self._region else 0)
        if self._region is None or left < 1:
            return None
        trial = self._region.copy()
        segments = self._read(trial, buffer, region[1], left, told=False)
        window = self._answers.prediction((max(region[0], region[1] - self._window), region[1]), *trial.last)
        return window, (segments + trial.finish(region[1]))[-1]

    def grow(self, region: tuple[int, int], buffer: Buffer) -> list[Prediction]:
        """Read as many whole pieces as lie safely inside a region that is not over."""
        if self._region is None:
            cells = _Segments(self._answers, self._shortest, self._listener)
            self._region = _Region(region[0], self._card, cells)
        state, done = self._region, []
        while (end := self._piece_end(state)) <= region[1]:
            done += self._read(state, buffer, end, self._windows_at_once)
        return done

    def close(self, region: tuple[int, int], buffer: Buffer) -> list[Prediction]:
        """Read the rest of a region that is over."""
        done = self.grow(region, buffer)
        state = self._region
        assert state is not None
        self._region = None
        left = self._window_count(region[1] - region[0]) - state.windows
        if left > 0:
            done += self._read(state, buffer, region[1], left)
        if self._embeddings:
            self.accumulator.add(np.concatenate(self._embeddings), (region[1] - region[0]) / RATE)
            self._embeddings = []
        return done + state.finish(region[1])

    def _run(self, signal: NDArray[np.float32]) -> tuple[NDArray[np.floating], ...]:
        """The model's outputs, told what was known of the speaker before this region."""
        known = self.accumulator.baseline() if self._running else None
        baseline = known or self._baseline
        self.speaker_known = self.speaker_known or bool(baseline)
        return self._model.run(signal[None], baseline.row) if baseline else self._model.run(signal[None])  # type: ignore[arg-type]

    def _piece_end(self, state: _Region) -> int:
        last = state.windows + self._windows_at_once - 1
        return state.start + last * self._hop + self._window + self._context

    def _window_count(self, samples: int) -> int:
        """Windows that lie in a region whole, and one more that reaches its end."""
        if samples < SHORTEST:
            return 0
        return 1 + max(0, math.ceil((samples - self._window) / self._hop))

    def _read(self, state: _Region, buffer: Buffer, end: int, count: int, *, told: bool = True) -> list[Prediction]:
        first = state.start + state.windows * self._hop
        start = max(state.start, first - self._context)
        signal = buffer.take(start, end)
        outputs = self._run(signal)
        logits, skipped = outputs[1][0], (first - start) // self._hop
        logits = logits[skipped : skipped + count]
        if len(logits) < count:
            raise ModelError(f"the model {self._card.name} gave {len(logits)} windows of {count}; its card is wrong.")
        if told and self._card.baseline:
            self._embeddings.append(outputs[2][0][skipped : skipped + count])
        if told and self._listener and self._listener.logits:
            self._listener.logits(logits)
        scores = self._mapped(softmax(logits, self._card.temperature))
        return state.add(scores, self._heard(signal[first - start :], count, told=told), end - state.start)

    def _heard(self, signal: NDArray[np.float32], count: int, *, told: bool) -> NDArray[np.float64]:
        """Quality of windows (w, 1); of a model with a gate the factor, and what was measured beside it (w, 6)."""
        gate, telling = self._answers.gate, self._listener.measures if told and self._listener else None
        measures = np.zeros((count, 0))
        if gate or telling:
            measures = window_measures(signal, self._window, self._hop, count)
        if telling:
            telling(measures)
        if gate:
            return np.column_stack([gate.factors(measures), measures])
        return window_qualities(signal, self._window, self._hop, count)[:, None]

    def _mapped(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = [self._labels.apply(dict(zip(self._card.labels, row, strict=True))) for row in probabilities.tolist()]
        return np.array([list(row.values()) for row in rows])


class _Region:
    """Windows of one region of speech in, cells and segments out.

    A cell is one hop long. Its scores are the mean of all windows that cover
    it, those that have it in their middle counting most.
    """

    def __init__(self, start: int, card: Card, segments: _Segments) -> None:
        self.start = start
        self._hop = card.hop
        reach = math.ceil(card.window / self._hop)
        self._weights = np.sin(np.pi * (np.arange(reach) + 0.5) / reach) ** 2
        self._rows: list[NDArray[np.float64]] = []
        self._segments = segments
        self.windows = 0
        self._cells = 0

    def add(self, scores: NDArray[np.float64], heard: NDArray[np.float64], length: int) -> list[Prediction]:
        """Take scores (w, k) and quality (w, 1 or 6) of the next windows; the region has ``length`` samples or more."""
        done: list[Prediction] = []
        for row in np.column_stack([scores, heard]):
            self._rows = [*self._rows, row][-len(self._weights) :]
            self.windows += 1
            done += self._emit(self._mean(0), min((self._cells + 1) * self._hop, length))
        return done

    @property
    def last(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores (k,) and quality (1 or 6,) of the newest window."""
        return self._segments.parted(self._rows[-1])

    def copy(self) -> _Region:
        """To try what would come of it; nobody is told of its cells."""
        other = copy(self)
        other._segments = self._segments.copy()
        return other

    def finish(self, end: int) -> list[Prediction]:
        """Cells that only the last windows cover, and the last segment."""
        done: list[Prediction] = []
        length = end - self.start
        shift = 1
        while self._rows and self._cells * self._hop < length:
            done += self._emit(self._mean(shift), min((self._cells + 1) * self._hop, length))
            shift += 1
        return done + self._segments.finish()

    def _mean(self, shift: int) -> NDArray[np.float64]:
        """Weighted mean of the recent windows, the newest of which began ``shift`` cells ago."""
        ages = np.arange(len(self._rows))[::-1] + shift
        weights = self._weights[np.minimum(ages, len(self._weights) - 1)]
        return weights @ np.array(self._rows) / weights.sum()

    def _emit(self, row: NDArray[np.float64], end: int) -> list[Prediction]:
        begin = self.start + self._cells * self._hop
        self._cells += 1
        return self._segments.add(_Cell(begin, self.start + end, *self._segments.parted(row)))


@dataclass(frozen=True)
class _Cell:
    """Scores (k,) and quality (1 or 6,) of one hop, from sample to sample."""

    start: int
    end: int
    scores: NDArray[np.float64]
    heard: NDArray[np.float64]


@dataclass(frozen=True)
class _Answers:
    """How scores and what was heard of the signal become Predictions."""

    labels: tuple[str, ...]
    gate: Gate | None = None
    threshold: float = 0.0

    def prediction(
        self, samples: tuple[int, int], scores: NDArray[np.float64], heard: NDArray[np.float64], *, whole: bool = True
    ) -> Prediction:
        """Of a stretch, from its scores (k,) and quality (1 or 6,); one that is not whole always has a label."""
        quality, threshold = min(1.0, max(0.0, float(heard[0]))), self.threshold if whole else 0.0
        given = weakened(scores, quality) if self.gate else scores
        table = dict(zip(self.labels, given.tolist(), strict=True))
        found = Prediction(samples[0] / RATE, samples[1] / RATE, table, quality=quality, threshold=threshold)
        reason = self.gate.reason(heard[1:], quality, unsure=found.unsure) if self.gate else ""
        return replace(found, reason=reason) if reason else found


class _Span:
    """A stretch of cells, as sums over its length: it takes no more room and no more time when it grows."""

    def __init__(self, cell: _Cell) -> None:
        length = cell.end - cell.start
        self.start, self.end, self.cells = cell.start, cell.end, 1
        self._scores, self._heard, self._length = cell.scores * length, cell.heard * length, length

    @property
    def winner(self) -> int:
        """Index of the most probable label."""
        return int(self._scores.argmax())

    def join(self, later: _Span) -> None:
        """Take the stretch that follows into this one."""
        self.end, self.cells = later.end, self.cells + later.cells
        self._scores = self._scores + later._scores
        self._heard, self._length = self._heard + later._heard, self._length + later._length

    def prediction(self, answers: _Answers, *, whole: bool = True) -> Prediction:
        """The mean of the cells."""
        scores, heard = self._scores / self._scores.sum(), self._heard / self._length
        return answers.prediction((self.start, self.end), scores, heard, whole=whole)


class _Segments:
    """Merges cells of one label; a change has to last before it counts."""

    def __init__(self, answers: _Answers, shortest: int, listener: Listener | None) -> None:
        self._answers, self._shortest, self._listener = answers, shortest, listener
        self._kept: _Span | None = None
        self._doubtful: _Span | None = None

    def copy(self) -> _Segments:
        """The same, without a listener."""
        other = copy(self)
        other._listener, other._kept, other._doubtful = None, copy(self._kept), copy(self._doubtful)
        return other

    def parted(self, row: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores (k,) and quality (1 or 6,) that stand in one row."""
        return row[: len(self._answers.labels)], row[len(self._answers.labels) :]

    def add(self, cell: _Cell) -> list[Prediction]:
        """Take the next cell; return a segment if it ended."""
        span = _Span(cell)
        if self._listener:
            self._listener.cell(span.prediction(self._answers, whole=False))
        if self._kept is None:
            self._kept = span
            return []
        same = span.winner == self._kept.winner
        if self._doubtful and (same or span.winner != self._doubtful.winner):
            self._kept.join(self._doubtful)
            self._doubtful = None
        if same:
            self._kept.join(span)
            return []
        if self._doubtful:
            self._doubtful.join(span)
        else:
            self._doubtful = span
        if self._doubtful.cells < self._shortest:
            return []
        if self._kept.cells < self._shortest:
            # The region began with too little of one label to stand alone.
            self._kept.join(self._doubtful)
            self._doubtful = None
            return []
        ended, self._kept, self._doubtful = self._kept, self._doubtful, None
        return [ended.prediction(self._answers)]

    def finish(self) -> list[Prediction]:
        """The region is over: what is too short to stand alone joins what it follows."""
        if self._kept is None:
            return []
        if self._doubtful:
            self._kept.join(self._doubtful)
        return [self._kept.prediction(self._answers)]
