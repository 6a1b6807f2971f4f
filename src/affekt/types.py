"""The data types of affekt: Audio, Sample, Prediction, Report.

All are frozen and validated when created. Times are seconds, intervals are
half-open, scores are probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from affekt.errors import InputError, UnknownName
from affekt.labels import dimensions

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from affekt.timeline.shares import Shares

#: Methods of Predictions, Results and Reports that are defined in a higher layer, and their modules; loaded on first
#: use, like the public names of the package.
_ABOVE = {
    "shares_of": "timeline.shares",
    "whole_table_of": "write.fields",
    "whole_record": "write.predictions",
    "prediction_html": "plot.notebook",
    "result_html": "plot.notebook",
    "report_html": "plot.notebook",
    "draw_result": "plot.timeline",
}


def _above(name: str) -> Any:
    """The function of that name in the table above."""
    return getattr(import_module(f"affekt.{_ABOVE[name]}"), name)


@dataclass(frozen=True, eq=False)
class Audio:
    """A mono recording in memory, as returned by :func:`affekt.speech.audio.read`.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Mono samples; full scale is [-1, 1], but louder is allowed.
    sampling_rate : int
        Hertz.
    """

    signal: np.ndarray
    sampling_rate: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.signal) / self.sampling_rate


@dataclass(frozen=True)
class Sample:
    """What is known about one recording, or a stretch of one.

    Parameters
    ----------
    id : str
        ``corpus/relative path`` without extension: the same on every machine.
    path : str
        Where the file is on this machine.
    label : str or None
        The emotion, in affekt's words (``angry``, not ``rab`` or ``05``).
    speaker : str or None
        ``None`` means unknown; a split by speaker then raises an error.
    start, end : float
        Seconds; ``end=None`` means to the end of the file.
    """

    id: str
    path: str
    label: str | None = None
    speaker: str | None = None
    start: float = 0.0
    end: float | None = None
    corpus: str | None = None
    sentence: str | None = None
    sex: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.id:
            raise InputError("a Sample needs an id, such as 'ravdess/Actor_01/03-01-05-01-01-01-01'.")
        if self.start < 0 or (self.end is not None and self.end <= self.start):
            raise InputError(f"{self.id}: start {self.start} and end {self.end} are not an interval in seconds.")
        if self.sex not in (None, "female", "male"):
            raise InputError(f"{self.id}: sex is {self.sex!r}; allowed: 'female', 'male', None.")


#: Longest time, in seconds, at which a float still resolves milliseconds.
_LONGEST = 1e12


@dataclass(frozen=True)
class Prediction:
    """What a model predicts for ``[start, end)`` of a recording.

    Empty ``scores`` mean that the model abstains (for example, without speech);
    ``label`` is then ``None`` and ``confidence`` 0. ``label`` is also ``None``
    when the confidence is below ``threshold``; ``best`` says what the model
    would have guessed.

    Parameters
    ----------
    start, end : float
        Seconds, half-open.
    scores : mapping of str to float
        Label to probability; sums to 1, in the model's label order.
    modality : str
        ``speech``, ``face``, ``text`` or ``fusion``.
    quality : float
        How usable the signal is, from 0 (useless) to 1 (nothing wrong), as measured
        (noise, echo, clipping, bandwidth, pauses, length). It does not change the scores.
    threshold : float
        The minimum confidence for a label, 0 to 1; with 0 there always is one.
    reason : str
        Why the answer is weak, in words: ``short: 0.8 s without its pauses``. Empty if
        the signal is good and the model is sure.
    who : str or None
        Whose expression it is: a speaker, a channel (``"left"``, ``"channel 3"``) or the id of a track; None if people
        are not told apart.
    box : (left, top, width, height) or None
        Where the face is in the picture, as fractions of its width and height: each in [0, 1], and inside the picture.
    text : str or None
        The words that were judged, for an answer to words (modality ``text``); otherwise None.

    Raises
    ------
    InputError
        If the interval is empty or negative, the scores are not probabilities, or the box is invalid.

    Examples
    --------
    >>> p = Prediction(0.0, 2.5, {"happy": 0.75, "sad": 0.25})
    >>> p.label, p.confidence
    ('happy', 0.75)
    >>> p = Prediction(0.0, 2.5, {"happy": 0.55, "sad": 0.45}, threshold=0.6)
    >>> p.label, p.best, p.unsure
    (None, 'happy', True)
    >>> p
    <Prediction 0.00-2.50 s: not sure, perhaps happy (55 %)>
    """

    start: float
    end: float
    scores: Mapping[str, float]
    modality: str = "speech"
    quality: float = 1.0
    threshold: float = 0.0
    reason: str = ""
    who: str | None = None
    box: tuple[float, float, float, float] | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end <= _LONGEST:
            raise InputError(f"start {self.start} and end {self.end} are not an interval in seconds.")
        if not 0 <= self.quality <= 1:
            raise InputError(f"quality is {self.quality}; allowed: 0 to 1.")
        if not 0 <= self.threshold <= 1:
            raise InputError(f"threshold is {self.threshold}; allowed: 0 (always a label) to 1.")
        if any(not 0 <= p <= 1 for p in self.scores.values()):
            raise InputError(f"scores must be probabilities; got {dict(self.scores)}.")
        if self.scores and abs(sum(self.scores.values()) - 1) > 1e-3:
            raise InputError(f"scores must sum to 1; they sum to {sum(self.scores.values()):.4f}.")
        if self.who is not None and not self.who:
            raise InputError("who is an empty text; give a name, or None where nobody is told apart.")
        if self.box is not None and not _is_box(self.box):
            raise InputError(
                f"box is {self.box}; allowed: (left, top, width, height), each from 0 to 1, inside the picture."
            )

    @property
    def label(self) -> str | None:
        """The most probable label, or None when the model abstains or is not sure enough."""
        return None if self.unsure else self.best

    @property
    def best(self) -> str | None:
        """The most probable label, whatever its confidence, or None when there are no scores."""
        return max(self.scores, key=self.scores.__getitem__) if self.scores else None

    @property
    def unsure(self) -> bool:
        """Whether there is a best guess whose confidence is below ``threshold``."""
        return bool(self.scores) and self.confidence < self.threshold

    @property
    def confidence(self) -> float:
        """The probability of ``best``, calibrated on speakers the model did not learn from."""
        return max(self.scores.values(), default=0.0)

    @property
    def dimensions(self) -> dict[str, float]:
        """Valence, arousal and dominance, -1 to 1, derived from ``scores``; see :func:`affekt.labels.dimensions`."""
        return dimensions(self.scores)

    @property
    def answer(self) -> str:
        """The answer in words: the label, ``not sure, perhaps happy``, or ``no speech``, ``no face``, ``no words``."""
        if self.unsure:
            return f"not sure, perhaps {self.best}"
        return self.label or {"face": "no face", "text": "no words"}.get(self.modality, "no speech")

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers, ready for :func:`json.dumps`: fields and derived properties.

        Times are rounded to milliseconds, scores to four decimals that sum to 1. ``label``, ``best``, ``unsure`` and
        ``confidence`` are always present; ``who``, ``text``, ``box`` and ``reason`` only if set.

        Examples
        --------
        >>> Prediction(0.0, 2.5, {"happy": 0.55, "sad": 0.45}, threshold=0.6).to_dict()["best"]
        'happy'
        """
        found: dict[str, Any] = _above("whole_table_of")(self)
        return found

    def __repr__(self) -> str:
        who = "" if self.who is None else f", {self.who}"
        sure = f" ({100 * self.confidence:.0f} %)" if self.scores else ""
        return f"<Prediction {self.start:.2f}-{self.end:.2f} s{who}: {self.answer}{sure}>"

    def _repr_html_(self) -> str:
        """For a notebook: the answer, and a bar for each score."""
        return str(_above("prediction_html")(self))


def _is_box(box: tuple[float, ...]) -> bool:
    if len(box) != 4 or not all(0 <= x <= 1 for x in box):
        return False
    left, top, width, height = box
    # Tolerate a millionth: callers that divide pixels introduce rounding errors.
    return width > 0 and height > 0 and left + width <= 1 + 1e-6 and top + height <= 1 + 1e-6


@dataclass(frozen=True)
class Result:
    """All predictions for one recording.

    Parameters
    ----------
    source : str
        The name that the user gave: a path, ``-``, ``microphone``.
    duration : float
        Seconds.
    predictions : tuple of Prediction
        The segments, in chronological order; none when nobody speaks.
    summary : Prediction
        The recording as a whole; it abstains when nobody speaks.
    model : str
        The model's name.
    labels : tuple of str
        All labels the model can predict, in its order.
    warnings : tuple of str
        Part of the result, not a footnote.
    baseline : str
        Source of the speaker baseline: ``none``, ``neutral``
        (speech without emotion), ``any`` (other, unlabelled speech)
        or ``running`` (earlier speech in this recording).
    summaries : mapping of str to Prediction
        The summary of each person, by ``who``, if predictions say who it is.
    boxes : mapping of str to tuple
        For a video, on request: (time, left, top, width, height) of each face over time, by ``who``.

    Raises
    ------
    InputError
        If the duration is not a number of seconds.
    UnknownName
        If a prediction scores a label that is not among ``labels``.

    Examples
    --------
    >>> p = Prediction(0.0, 2.5, {"happy": 0.75, "sad": 0.25})
    >>> found = Result("a.wav", 2.5, (p,), p, "voice-1", ("happy", "sad"))
    >>> found.summary.label, found.shares.most_frequent
    ('happy', 'happy')
    >>> found
    <Result 'a.wav', 2.5 s: 1 segment, most often happy>
    """

    source: str
    duration: float
    predictions: tuple[Prediction, ...]
    summary: Prediction
    model: str
    labels: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    baseline: str = "none"
    summaries: Mapping[str, Prediction] = field(default_factory=dict)
    boxes: Mapping[str, tuple[tuple[float, ...], ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.duration <= _LONGEST:
            raise InputError(f"{self.source!r}: duration is {self.duration}; give seconds, 0 to {_LONGEST:g}.")
        for label in (label for p in (*self.predictions, self.summary, *self.summaries.values()) for label in p.scores):
            if label not in self.labels:
                raise UnknownName("label", label, self.labels)

    @cached_property
    def shares(self) -> Shares:
        """How the time is divided among the labels: in total, over time (``bins``) and per person (``people``).

        The seconds of the labels, ``unsure`` and ``silence`` add up to the duration. Shares are fractions of the time
        with something to judge (speech, a face, words), so silence has none. With several modalities the fused
        answers count. A picture, or a text without times, has no seconds to divide.
        """
        found: Shares = _above("shares_of")(self.predictions, self.duration, labels=self.labels)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers: what the format ``json`` writes about one recording.

        Each segment and summary is written as by :meth:`Prediction.to_dict`.

        Examples
        --------
        >>> p = Prediction(0.0, 2.5, {"happy": 0.75, "sad": 0.25})
        >>> Result("a.wav", 2.5, (p,), p, "voice-1", ("happy", "sad")).to_dict()["shares"]["seconds"]
        {'happy': 2.5, 'sad': 0.0}
        """
        found: dict[str, Any] = _above("whole_record")(self)
        return found

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the segments over time or, for a long recording, the share of each label in equal time bins.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default new Axes without a window. In a notebook ``result.plot().figure`` shows them.

        Returns
        -------
        matplotlib Axes
            Not shown, not saved: ``result.plot().figure.savefig(path)`` does that.

        Raises
        ------
        MissingExtra
            If matplotlib is not installed.
        InputError
            If there is no time axis: for a picture, or a text without times.
        """
        axes: Axes = _above("draw_result")(self, ax=ax)
        return axes

    def __repr__(self) -> str:
        count = len(self.predictions)
        often = self.shares.most_frequent
        said = f"most often {often}" if often is not None else self.summary.answer
        return f"<Result {self.source!r}, {self.duration:.1f} s: {count} segment{'s' * (count != 1)}, {said}>"

    def _repr_html_(self) -> str:
        """For a notebook: a small picture of the timeline, and the shares of the labels."""
        return str(_above("result_html")(self))


@dataclass(frozen=True)
class Estimate:
    """A number with its uncertainty: value, 95 % confidence interval and sample count."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] n={self.n}"


@dataclass(frozen=True)
class Report:
    """Evaluation of a model on some samples: no number without n and a confidence interval.

    Parameters
    ----------
    metrics : mapping of str to Estimate
        ``UAR``, ``WA``, ``macro F1``; if scores are given, also ``log loss``, ``Brier``,
        ``ECE``, ``top-2 accuracy``.
    labels : tuple of str
        The classes that occur, in the order of the confusion matrix.
    confusion : tuple of tuple of int, shape (k, k + 1)
        Rows are the truth, columns the prediction; the last column counts
        answers outside ``labels``, and missing answers.
    slices : mapping
        Slice name (``speaker=19``) to its UAR.
    protocol : str
        In words: who was tested, and who was trained on.
    warnings : tuple of str
        Part of the result, not a footnote.
    per_class : mapping of str to mapping
        Label to its ``precision``, ``recall``, ``f1`` (Estimate) and ``support`` (clips).
    stamps : tuple of str
        Short reasons why the numbers are too good to be true. They are
        shown wherever the report is shown.
    findings : tuple
        What an audit of the data found.
    chance : float or None
        Chance level of the UAR: 1 / k.
    p_value : float or None
        Share of label permutations that score at least as well, see
        :func:`affekt.metrics.permutation.chance_test`.
    speakers : int
        How many known speakers were tested.
    reliability : tuple of (confidence, accuracy, n), one per bin
        Bins of equal width from 0 to 1; mean confidence and accuracy of the n clips in each.
    """

    metrics: Mapping[str, Estimate]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    slices: Mapping[str, Estimate] = field(default_factory=dict)
    protocol: str = ""
    warnings: tuple[str, ...] = ()
    per_class: Mapping[str, Mapping[str, Estimate | int]] = field(default_factory=dict)
    stamps: tuple[str, ...] = ()
    findings: tuple[Any, ...] = ()
    chance: float | None = None
    p_value: float | None = None
    speakers: int = 0
    reliability: tuple[tuple[float, float, int], ...] = ()

    def _repr_html_(self) -> str:
        """For a notebook: the metrics with their intervals, and the confusion matrix as shaded cells."""
        return str(_above("report_html")(self))
