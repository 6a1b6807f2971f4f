"""The recogniser: an opened model, ready for recordings and streams."""

from __future__ import annotations

import copy
import os
import threading
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np

from affekt.errors import InputError
from affekt.labels import Labels, label_map, loss_of
from affekt.models.card import label_set, least_probability
from affekt.models.zoo import load_model
from affekt.recognize.modalities import modality
from affekt.recognize.trace import Trace
from affekt.speech.activity import Piece
from affekt.speech.audio import Source, name_of
from affekt.speech.baseline import LEAST_SECONDS, Accumulator, Baseline
from affekt.speech.channels import ReadOptions, channel_names
from affekt.speech.stream import Stream, StreamOptions
from affekt.timeline.segments import Listener
from affekt.timeline.summary import summaries, summarise
from affekt.types import Prediction, Result, Sample

if TYPE_CHECKING:
    from affekt.face.stream import FaceOptions


class Recognizer:
    """Recognises emotions with one model, in the modality that its card names.

    Creating one opens the model; reuse it for many recordings. It
    may be shared between threads.

    Parameters
    ----------
    model : str or path
        A name in ``affekt models``, or an ``.onnx`` file made by affekt.
    labels : str, sequence or mapping, optional
        Restrict or merge the labels; see :func:`affekt.labels.label_map`.
    options : StreamOptions or FaceOptions, optional
        How streams of the model's modality work.
    threads : int
        Cores that one recording may use.
    threshold : float, optional
        Confidence below which predictions have no label, 0 to 1. By default the
        card's, chosen for all of the model's labels; with 0 there is always a label.

    Raises
    ------
    InputError
        If threads or threshold are out of range.
    ModelError
        If the model cannot be opened.
    UnknownName
        If a model or label does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> Recognizer().predict((np.zeros(16000), 16000))  # a second of silence
    []
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "voice",
        *,
        labels: Labels | None = None,
        options: StreamOptions | FaceOptions | None = None,
        threads: int = 1,
        threshold: float | None = None,
    ) -> None:
        if threads < 1:
            raise InputError(f"threads is {threads}; allowed: 1 or more.")
        if threshold is not None and not 0 <= threshold <= 1:
            raise InputError(f"threshold is {threshold}; allowed: 0 (always answer) to 1.")
        opened = load_model(model, threads=threads)
        self.card = opened.card
        self._modality = modality(self.card.modality)
        self.label_map = label_map(labels, self.card.labels)
        self.threshold = self.card.threshold if threshold is None else threshold
        kind = self._modality.load("options") if options is not None and self._modality.options else None
        if kind and not isinstance(options, kind):
            given = type(options).__name__
            raise InputError(
                f"options are {given}; {self.card.name} is a model of {self.card.modality}: {kind.__name__}."
            )
        setup = self._modality.load("setup")
        self._setup = setup(opened, self.label_map, threshold=self.threshold, options=options, threads=threads)
        self._reading: dict[str, Any] = self._setup.reading

    @property
    def network(self) -> Any:
        """What its streams run: an object with ``run``, see :class:`affekt.speech.waveform.VoiceModel`."""
        return self._setup.network

    @property
    def baseline(self) -> Baseline | None:
        """How the speaker of the recordings usually sounds; None where this is not known."""
        baseline: Baseline | None = getattr(self._setup, "baseline", None)
        return baseline

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the scores, in order."""
        return tuple(self.label_map.sources)

    def stream(self, *, listener: Listener | None = None, **form: Any) -> Stream:
        """Open a stream to feed as the signal arrives.

        Parameters
        ----------
        listener : Listener, optional
            Notified of more than the segments.
        **form
            Describes the signal, by modality: for speech ``sampling_rate``, in hertz.

        Raises
        ------
        InputError
            If the form is not that of the model's modality.
        """
        known = signature(self._setup.stream).parameters
        if strange := [key for key in form if key not in known]:
            raise InputError(
                f"{strange[0]} is not for a stream of {self.card.modality} ({self.card.name}); leave it out."
            )
        stream: Stream = self._setup.stream(listener=listener, **form)
        return stream

    def adapt(self, clips: Source | Iterable[Source], *, kind: str = "neutral") -> Recognizer:
        """A recogniser with the baseline of one speaker, from some of their speech.

        It shares the opened model with this one and is for that speaker only.
        It helps from 3 s of speech; 10 s are good.

        Parameters
        ----------
        clips : one source, or several
            As for :meth:`predict`; all of one speaker.
        kind : str
            ``neutral``: the speech is without emotion. ``any``: the speech may have
            any emotion, without labels.

        Returns
        -------
        Recognizer

        Raises
        ------
        InputError
            If the model takes no baseline, the kind does not exist, or there is too
            little speech: less than one second of neutral or eight seconds of any.
        AudioError
            If a clip cannot be read.
        """
        if kind not in LEAST_SECONDS:
            raise InputError(f"kind is {kind!r}; allowed: {', '.join(LEAST_SECONDS)}.")
        accumulator = Accumulator()
        for clip in several(clips):
            accumulator.join(self.accumulate(clip))
        if (baseline := accumulator.baseline(kind)) is None:
            least = LEAST_SECONDS[kind]
            raise InputError(
                f"the voice reference holds {int(10 * accumulator.seconds) / 10:.1f} s of speech; "
                f"give {least:g} s or more, better 10 s."
            )
        return self.with_baseline(baseline)

    def accumulate(self, source: Source | Sample) -> Accumulator:
        """Accumulate the embeddings of the speech in a recording, for a :class:`Baseline`.

        Raises
        ------
        InputError
            If the model takes no baseline.
        AudioError
            If it cannot be read.
        """
        stream = self._checked_for_baseline().with_baseline(None).stream()
        for block in self._modality.load("reader")(source, **self._reading):
            stream.feed(block if block.ndim == 1 else block.mean(axis=1))
        stream.flush()
        return stream.accumulator

    def with_baseline(self, baseline: Baseline | None = None, *, running: bool = False) -> Recognizer:
        """A recogniser that shares the opened model and compares speech with this speaker baseline.

        With ``running`` each of its streams learns as it goes how its speaker
        usually sounds, and compares speech with what came before.
        """
        other = copy.copy(self._checked_for_baseline() if baseline or running else self)
        other._setup = replace(self._setup, baseline=baseline, running=running)
        return other

    def reading(self, *, channel: str = "mix", track: str | int | None = None) -> Recognizer:
        """A recogniser that shares the opened model and reads other channels or another sound track.

        Parameters
        ----------
        channel : str
            ``mix``, the default: all channels, mixed as players do. ``left``, ``right``, ``1`` to ``n``: one channel.
            ``each``: every channel has its own timeline, and ``who`` of a prediction is the channel.
        track : str or int, optional
            Number (from 1) or language of a video's sound track; by default the one that players choose.

        Raises
        ------
        InputError
            If there is no such channel, or it is not a speech model.

        Examples
        --------
        >>> call = np.zeros((16000, 2), np.float32)
        >>> Recognizer().reading(channel="each").predict((call, 16000))
        []
        """
        if not self._modality.channels:
            raise InputError(f"channels and tracks are for sound; {self.card.name} is a model of {self.card.modality}.")
        other = copy.copy(self)
        other._reading = {"options": ReadOptions(channel, None if track is None else str(track))}
        return other

    def with_options(self, **changes: Any) -> Recognizer:
        """A recogniser that shares the opened model, with other options for its streams.

        Parameters
        ----------
        **changes
            Fields of the options of its modality: for speech :class:`~affekt.speech.stream.StreamOptions`, for faces
            :class:`~affekt.face.stream.FaceOptions`.

        Raises
        ------
        InputError
            If its modality has no such option, or a value is out of range.

        Examples
        --------
        >>> Recognizer().with_options(smoothing=0)
        Traceback (most recent call last):
        affekt.errors.InputError: smoothing is no option of speech; allowed: block, shortest, activity.
        """
        known = [f.name for f in fields(self._setup.options)]
        for name in changes:
            if name not in known:
                raise InputError(f"{name} is no option of {self.card.modality}; allowed: {', '.join(known) or 'none'}.")
        other = copy.copy(self)
        other._setup = replace(self._setup, options=replace(self._setup.options, **changes))
        other._reading = {**self._reading, **other._setup.reading}
        return other

    def _checked_for_baseline(self) -> Recognizer:
        if not self._modality.baseline:
            raise InputError(f"speaker baselines are for speech; {self.card.name} is a model of {self.card.modality}.")
        if not self.card.baseline:
            raise InputError(f"the model {self.card.name} takes no speaker baseline; voice does.")
        return self

    def label_set(self, prediction: Prediction, coverage: float = 0.9) -> tuple[str, ...]:
        """A set of labels that contains the true one as often as ``coverage`` says.

        A conformal set: the less sure the model is, the more labels. The
        guarantee holds for clips like those of the dev speakers. Coverage is lower
        for other speakers, languages and rooms; the card's page says by how much.

        Parameters
        ----------
        prediction : Prediction
            Made by this recogniser.
        coverage : float
            0.5 to 0.99; rounded up to a whole per cent.

        Returns
        -------
        tuple of str
            The most probable first; empty where there is no speech.

        Raises
        ------
        InputError
            If the model has no calibrated label sets, the coverage is out of
            range, or the prediction has other labels than the model.
        """
        least = least_probability(self.card, coverage)
        if prediction.scores and set(prediction.scores) != set(self.card.labels):
            raise InputError(
                f"a prediction among {', '.join(prediction.scores)}; label sets hold for all labels of the model: "
                f"{', '.join(self.card.labels)}. Recognise without restricting or merging them."
            )
        return label_set(prediction.scores, least)

    def predict(self, source: Source) -> list[Prediction]:
        """Emotions over time in one recording, as segments of speech.

        Parameters
        ----------
        source : path, bytes, binary file, "-" or (array, sampling_rate)
            Any common format, rate, length and number of channels.

        Returns
        -------
        list of Prediction
            In order of time; empty where nobody speaks.

        Raises
        ------
        AudioError
            If it cannot be read.
        """
        return list(self.analyse(source).predictions)

    def analyse(
        self,
        source: Source | Sample,
        *,
        trace: Trace | None = None,
        stop: threading.Event | None = None,
        piece: Piece | None = None,
    ) -> Result:
        """Like :meth:`predict`, with the summary, the duration and what was odd about the recording.

        Parameters
        ----------
        source
            As for :meth:`predict`, or a Sample: then only its stretch, with times from its start.
        trace : Trace, optional
            Filled with what a plot of the recording needs.
        stop : threading.Event, optional
            When another thread sets it, the work ends within a block.
        piece : Piece, optional
            For speech: analyse only this part, between two pauses; times are those of the whole recording.

        Raises
        ------
        AudioError
            If it cannot be read.
        InterruptedError
            If it was stopped.
        """
        problems: list[str] = []
        streams: list[Stream] = []
        names: tuple[str | None, ...] = (None,)
        predictions: list[Prediction] = []
        form = {"piece": piece} if piece else {}
        for block in self._modality.load("reader")(source, warn=problems.append, **self._reading):
            if stop and stop.is_set():
                raise InterruptedError("stopped before its end")
            has_channels = self._modality.channels and block.ndim == 2
            columns = block.T if has_channels else (block,)
            if not streams:
                names = channel_names(len(columns)) if has_channels else (None,)
                streams = [self.stream(listener=trace.listener(who) if trace else None, **form) for who in names]
            for who, stream, column in zip(names, streams, columns, strict=True):
                predictions += _by(who, stream.feed(column))
            if trace and self._modality.channels:
                trace.see(block)
            if trace and trace.on_piece:
                trace.on_piece(block, streams[0])
            if piece and all(stream.ended for stream in streams):
                break
        streams = streams or [self.stream()]
        for who, stream in zip(names, streams, strict=True):
            predictions += _by(who, stream.flush())
        predictions.sort(key=lambda p: p.start)
        if self.label_map.lost:
            problems.insert(0, loss_of(self.label_map.lost, self.labels))
        for problem in problems[bool(self.label_map.lost) :]:
            warnings.warn(problem, self._modality.load("warning"), stacklevel=3)
        return Result(
            name_of(source),
            streams[0].position,
            tuple(predictions),
            replace(summarise(predictions), modality=self.card.modality),
            self.card.name,
            self.labels,
            tuple(problems),
            self._baseline_of(streams),
            summaries(predictions),
        )

    def _baseline_of(self, streams: Sequence[Stream]) -> str:
        """The kind of baseline used; ``none`` for a speaker who says too little, however long the recording."""
        if not self._modality.baseline:
            return "none"
        if self._setup.running:
            return "running" if any(stream.speaker_known for stream in streams) else "none"
        return self._setup.baseline.kind if self._setup.baseline else "none"


def _by(who: str | None, predictions: list[Prediction]) -> list[Prediction]:
    return predictions if who is None else [replace(p, who=who) for p in predictions]


def several(clips: Source | Iterable[Source]) -> list[Source]:
    """One source or several, as a list; a pair (array, sampling_rate) is one."""
    is_pair = isinstance(clips, tuple) and len(clips) == 2 and isinstance(clips[0], np.ndarray)
    if is_pair or isinstance(clips, (str, bytes, os.PathLike)) or hasattr(clips, "read"):
        return [clips]  # type: ignore[list-item]
    return list(clips)  # type: ignore[arg-type]


def predict(
    source: Source, *, model: str | os.PathLike[str] = "voice", labels: Labels | None = None, channel: str = "mix"
) -> list[Prediction]:
    """Emotions over time in one recording.

    Opens the model each time; for many recordings create one :class:`Recognizer`.

    Parameters
    ----------
    source : path, bytes, binary file, "-" or (array, sampling_rate)
    model : str or path
    labels : str, sequence or mapping, optional
    channel : str
        ``mix``, ``left``, ``right``, ``1`` to ``n``, or ``each``: see :meth:`Recognizer.reading`.

    Returns
    -------
    list of Prediction
        Segments of speech in order of time; empty where nobody speaks.

    Raises
    ------
    AudioError
        If it cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> predict((np.zeros(16000), 16000))
    []
    """
    recognizer = Recognizer(model, labels=labels)
    return (recognizer if channel == "mix" else recognizer.reading(channel=channel)).predict(source)
