"""The one engine: signal in pieces, Predictions out. A file is one stream, fed and flushed.

Everything is laid out on grids that depend on the signal alone (blocks of
speech activity from its start, pieces of windows from the start of a region of
speech), never on how the signal was cut into chunks, so any chunking gives the
same numbers to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from affekt.errors import InputError, ModelError
from affekt.labels import LabelMap
from affekt.models.onnx import Model, softmax
from affekt.models.zoo import load_model
from affekt.speech.activity import CONTEXT, HOP, Activity, ActivityOptions, Piece
from affekt.speech.baseline import Accumulator, Baseline
from affekt.speech.decode import check_sampling_rate
from affekt.speech.feature_model import FeatureModel
from affekt.speech.frames import Buffer
from affekt.speech.quality import RATING, Meter
from affekt.speech.waveform import RATE, SHORTEST, ActivityModel, VoiceModel
from affekt.timeline.segments import Decision, Listener, Region
from affekt.types import Prediction

#: Seconds of apparent speech needed to report it before it is certain.
HINT = 0.1


@dataclass(frozen=True)
class StreamOptions:
    """Options of a stream. Times in seconds.

    Parameters
    ----------
    block : float
        How much signal is processed at a time. Small values reduce latency,
        large ones reduce cost; the answer is the same except for rounding.
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
class SpeechSetup:
    """Models and options of a speech stream; many streams may share one setup.

    Parameters
    ----------
    network : VoiceModel or FeatureModel
    activity : ActivityModel
    labels : LabelMap
        From the model's labels to those asked for.
    options : StreamOptions
    threshold : float
        Minimum confidence for a segment to have a label, 0 to 1; segment boundaries do not depend on it.
    baseline : Baseline, optional
        How the speaker usually sounds.
    running : bool
        Learn the baseline from the stream itself: each region of speech is
        compared with all earlier ones. Only for a stream of one speaker.
    """

    network: VoiceModel | FeatureModel
    activity: ActivityModel
    labels: LabelMap
    options: StreamOptions
    threshold: float = 0.0
    baseline: Baseline | None = None
    running: bool = False

    @property
    def reading(self) -> dict[str, Any]:
        """How its sources are to be read: as they are."""
        return {}

    def stream(
        self, *, sampling_rate: int = RATE, listener: Listener | None = None, piece: Piece | None = None
    ) -> Stream:
        """A stream to feed with signal at ``sampling_rate`` hertz, whose answers are those of a piece of it."""
        return Stream(self, sampling_rate=sampling_rate, listener=listener, piece=piece)


def open_speech(
    model: Model, labels: LabelMap, *, threshold: float, options: StreamOptions | None = None, threads: int = 1
) -> SpeechSetup:
    """Set up streams of a model of emotions in speech, with the activity model that ships.

    Raises
    ------
    ModelError
        If the model is not one of emotions in speech.
    """
    if model.card.task != "emotion":
        raise ModelError(f"{model.card.name} is a model for {model.card.task}, not for emotions in speech.")
    network = FeatureModel(model) if "features" in model.card.input else VoiceModel(model)
    activity = ActivityModel(load_model("activity", threads=threads))
    return SpeechSetup(network, activity, labels, options or StreamOptions(), threshold)


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
    setup : SpeechSetup
    sampling_rate : int
        Hertz of what will be fed; resampled to 16 kHz as it comes.
    listener : Listener, optional
        Notified of events other than segments.
    piece : Piece, optional
        The part of the signal to analyse. Feed everything from the start: signal before the piece costs only
        resampling, and once ``ended`` is true the rest need not be fed.

    Raises
    ------
    InputError
        If the sampling rate is not allowed, or the piece does not begin with a block of the activity.
    """

    def __init__(
        self,
        setup: SpeechSetup,
        *,
        sampling_rate: int = RATE,
        listener: Listener | None = None,
        piece: Piece | None = None,
    ) -> None:
        check_sampling_rate(sampling_rate)
        self._speech = setup.activity
        self._activity = Activity(self._speech, setup.options.activity, piece)
        self._taken = 0
        self._buffer, self._listener = Buffer(self._activity.begin), listener or Listener()
        self._reader = _RegionReader(setup, self._listener)
        self._resampler = None
        if sampling_rate != RATE:
            self._resampler = soxr.ResampleStream(sampling_rate, RATE, 1, dtype="float32", quality="HQ")
        self._over = False

    @property
    def position(self) -> float:
        """Seconds of signal taken so far."""
        return self._taken / RATE

    @property
    def ended(self) -> bool:
        """Whether the piece that is wanted is over; always False of a whole signal."""
        return self._activity.ended

    @property
    def accumulator(self) -> Accumulator:
        """The embeddings of the finished regions, if the model has embeddings."""
        return self._reader.accumulator

    @property
    def speaker_known(self) -> bool:
        """Whether any of the speech was compared with a speaker baseline."""
        return self._reader.speaker_known

    def glance(self) -> Prediction | None:
        """What the last seconds of the speech in progress sound like, as if it ended here; None where nobody speaks.

        For immediate display: it covers one window without the following
        signal, so :meth:`feed` may later decide otherwise.
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
        """Earliest time, in seconds, at which future speech can begin."""
        return self._activity.earliest / RATE

    def hint(self) -> tuple[float, float] | None:
        """Start and end, in seconds, of what sounds like the beginning of new speech; None where there is none.

        For showing at once that somebody speaks: the newest signal is analysed without
        the signal that follows, so :meth:`feed` may later find nothing.
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
        # In bounded chunks, so that a whole file fed at once is not held twice.
        done: list[Prediction] = []
        skipped = min(len(signal), max(0, self._activity.begin - self._taken))
        self._taken += len(signal)
        for start in range(skipped, len(signal), RATE):
            if self.ended:
                break
            part = signal[start : start + RATE]
            self._buffer.append(part)
            done += self._finish(self._activity.feed(part))
            if growing := self._activity.growing:
                done += self._reader.grow(growing, self._buffer)
            self._buffer.forget(self._needed_from())
        return done

    def _needed_from(self) -> int:
        """The first sample that a model may still need; :meth:`hint` needs context, too."""
        growing, needed = self._activity.growing, self._reader.needed_from
        before = (CONTEXT + 1) * HOP + round(self._activity.options.margin * RATE)
        if growing is None or needed is None:
            return self._activity.earliest - before
        return min(needed, growing[1] - before)

    def _finish(self, regions: list[tuple[int, int]]) -> list[Prediction]:
        done: list[Prediction] = []
        for region in regions:
            done += self._reader.close(region, self._buffer)
            if self._listener.region:
                self._listener.region(region[0] / RATE, region[1] / RATE)
        return done


class _RegionReader:
    """Runs the model over a region of speech as it grows, piece by piece."""

    def __init__(self, setup: SpeechSetup, listener: Listener) -> None:
        self._setup, self._listener = setup, listener
        self._card, self._windows = setup.network.card, setup.network.input.windows
        self._decision = Decision(tuple(setup.labels.sources), RATE, "speech", RATING, setup.threshold)
        self._hop, self._window = self._windows.hop, self._windows.window
        self._context, self._block = setup.network.input.context, setup.network.input.block
        self._windows_at_once = max(1, round(setup.options.block * RATE / self._hop))
        self._shortest = max(1, math.ceil(setup.options.shortest * RATE / self._hop))
        self._region: Region | None = None
        self._embeddings: list[NDArray[np.floating]] = []
        self._meter = Meter(self._window, self._hop)
        self.accumulator, self.speaker_known = Accumulator(), False

    @property
    def needed_from(self) -> int | None:
        """First sample of the region in progress that is still to be read; None between regions."""
        region = self._region
        return self._read_from(region.start, region.count) if region else None

    def _read_from(self, start: int, window: int) -> int:
        """Where the reading of a region begins for a window: in whole hops, or windows would fall between ours."""
        if self._block:
            return start + window * self._hop // self._block * self._block
        return start + max(0, window - math.ceil(self._context / self._hop)) * self._hop

    def _read_to(self, start: int, window: int) -> int:
        """The sample up to which a region must go on, or be over, for a window to be final."""
        end = window * self._hop + self._window
        if self._block:
            end = -(-end // self._block) * self._block
        return start + end + self._context

    def glance(self, region: tuple[int, int], buffer: Buffer) -> Prediction | None:
        """The last window of a region in progress, as if the region ended here."""
        start, end = region
        first = max(start, end - self._window)
        # Of a model of blocks the window is one.
        before = 0 if self._block else math.ceil(self._context / self._hop) * self._hop
        begin = first - min(before, (first - start) // self._hop * self._hop)
        signal = buffer.take(begin, end)
        if len(signal) < SHORTEST:
            return None
        logits = self._run(signal)[1][0, (first - begin) // self._hop]
        (row,) = self._rows(logits[None], signal[first - begin :], first)
        return self._decision.prediction(first, end, row)

    def so_far(self, region: tuple[int, int], buffer: Buffer) -> tuple[Prediction, Prediction] | None:
        """The last window and the last segment of a region in progress, as if the region ended here."""
        left = self._window_count(region[1] - region[0]) - (self._region.count if self._region else 0)
        if self._region is None or left < 1:
            return None
        attempt = self._region.copy()
        segments = self._read(attempt, buffer, region[1], left, final=False)
        window = self._decision.prediction(max(region[0], region[1] - self._window), region[1], attempt.last)
        return window, (segments + attempt.finish(region[1]))[-1]

    def grow(self, region: tuple[int, int], buffer: Buffer) -> list[Prediction]:
        """Read as many whole pieces as lie safely inside a region that is not over."""
        if self._region is None:
            self._region = Region(
                region[0], self._windows, self._decision, shortest=self._shortest, on_hop=self._listener.hop
            )
        state, step = self._region, max(1, self._block // self._hop)
        done: list[Prediction] = []
        while True:
            # Of a model of blocks, the last window that ends with a block: a later one would need all of the next.
            last = (state.count + self._windows_at_once - 1) // step * step
            last = last if last >= state.count else last + step
            end = self._read_to(state.start, last)
            if end > region[1]:
                return done
            done += self._read(state, buffer, end, last - state.count + 1)

    def close(self, region: tuple[int, int], buffer: Buffer) -> list[Prediction]:
        """Read the rest of a region that is over."""
        done = self.grow(region, buffer)
        state, self._region = self._region, None
        assert state is not None
        left = self._window_count(region[1] - region[0]) - state.count
        if left > 0:
            done += self._read(state, buffer, region[1], left)
        if self._embeddings:
            self.accumulator.add(np.concatenate(self._embeddings), (region[1] - region[0]) / RATE)
            self._embeddings = []
        return done + state.finish(region[1])

    def _window_count(self, samples: int) -> int:
        """Windows that lie in a region whole, and one more that reaches its end."""
        if samples < SHORTEST:
            return 0
        return 1 + max(0, math.ceil((samples - self._window) / self._hop))

    def _run(self, signal: NDArray[np.float32]) -> tuple[NDArray[np.floating], ...]:
        """The model's outputs, with the speaker baseline that was known before this region."""
        known = self.accumulator.baseline() if self._setup.running else None
        baseline = known or self._setup.baseline
        self.speaker_known = self.speaker_known or bool(baseline)
        return self._setup.network.run(signal[None], baseline.row if baseline else None)  # type: ignore[arg-type]

    def _read(self, state: Region, buffer: Buffer, end: int, count: int, *, final: bool = True) -> list[Prediction]:
        """Run the model over the next windows of a region, up to a sample; only what is final is passed on and kept."""
        first = state.start + state.count * self._hop
        start = self._read_from(state.start, state.count)
        signal = buffer.take(start, end)
        outputs = self._run(signal)
        logits, skipped = outputs[1][0], (first - start) // self._hop
        logits = logits[skipped : skipped + count]
        if len(logits) < count:
            raise ModelError(f"the model {self._card.name} gave {len(logits)} windows of {count}; its card is wrong.")
        if final and self._card.baseline:
            self._embeddings.append(outputs[2][0][skipped : skipped + count])
            if self._listener.embeddings:
                starts = first + self._hop * np.arange(count)
                times = np.column_stack([starts, np.minimum(starts + self._window, end)]) / RATE
                self._listener.embeddings(times, self._embeddings[-1])
        if final and self._listener.logits:
            self._listener.logits(logits)
        return state.add(self._rows(logits, signal[first - start :], first), end)

    def _rows(self, logits: NDArray[np.floating], signal: NDArray[np.float32], start: int) -> NDArray[np.float64]:
        """Scores, quality and measures of windows: (w, k + 1 + m), of the signal from a sample on."""
        probabilities = softmax(logits, self._card.temperature)
        mapped = [
            self._setup.labels.apply(dict(zip(self._card.labels, p, strict=True))) for p in probabilities.tolist()
        ]
        scores = np.array([list(row.values()) for row in mapped])
        measures = self._meter.measures(signal, start, len(logits))
        return np.column_stack([scores, RATING.qualities(measures), measures])
