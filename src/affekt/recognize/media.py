"""Voice, faces and words of one video on one clock: who speaks, and the fused answer of the three."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt._container import Shared, open_shared
from affekt.errors import AffektError, AudioError, ImageError, ImageWarning, InputError
from affekt.face.align import crops
from affekt.face.stream import frames_of
from affekt.face.video import Frame
from affekt.models.card import Card
from affekt.models.zoo import load_model
from affekt.recognize.ahead import ahead
from affekt.recognize.fusion import WORDS, Pool
from affekt.recognize.recognizer import Recognizer
from affekt.recognize.trace import Trace
from affekt.speech.audio import blocks
from affekt.text.captions import Cue, cues_of
from affekt.text.embedded import cues_of_packets, names_track, subtitles_of
from affekt.timeline.summary import Summary, summaries, summarise
from affekt.types import Prediction, Result

#: The labels that all modalities have.
LABELS = "calm-is-neutral"
#: Whose voice it is when no mouth in the picture moves with it.
OFF_CAMERA = "off camera"


@dataclass(frozen=True)
class SpeakerOptions:
    """When a voice is assigned to a face. Times in seconds.

    Parameters
    ----------
    bin : float
        Length of a bin of mouth motion.
    visible : float
        Share of a stretch of speech for which a face has to be seen, 0 to 1.
    moving : float
        Least motion of a speaking mouth; see :class:`MouthMotion`.
    more : float
        Least ratio of its motion to that while nobody speaks.
    """

    bin: float = 0.2
    visible: float = 0.5
    moving: float = 0.05
    more: float = 1.3


#: Where captions come from: a subtitle file, the language or number of one of the video's own tracks (``"de"``,
#: ``"2"``), cues, or a callable that returns the cues of a source.
Captions = str | os.PathLike[str] | Sequence[Cue] | Callable[[Any], Iterable[Cue]]


def captions_beside(source: str | os.PathLike[str]) -> Path | None:
    """The subtitle file with the name of a video, in the same folder.

    Examples
    --------
    >>> captions_beside("no/such/film.mp4") is None
    True
    """
    beside = (Path(source).with_suffix(suffix) for suffix in (".srt", ".vtt"))
    return next((path for path in beside if path.is_file()), None)


class MediaRecognizer:
    """Recognises emotions in the sound, the pictures and the captions of a video.

    Parameters
    ----------
    models : mapping of modality to model, optional
        Names or ``.onnx`` files, by default the models that ship; a modality that is left out is not analysed.
    captions : path, str, sequence of Cue, or callable, optional
        The default for :meth:`analyse`.
    threshold : float, optional
        Confidence below which fused answers have no label; by default that of the model `fusion`.
    threads : int
        Cores that each network may use. Voice and faces are processed in parallel.

    Raises
    ------
    ModelError, UnknownName, InputError
        If a model cannot be opened, or is one of another modality.
    """

    def __init__(
        self,
        models: Mapping[str, Any] | None = None,
        *,
        captions: Captions | None = None,
        threshold: float | None = None,
        threads: int = 1,
    ) -> None:
        self._captions = captions
        self._models = dict(models or {"speech": "voice", "face": "face", "text": "text"})
        self._threads = threads
        self.pool = Pool(load_model("fusion"), threshold)
        # The text model is opened only when there are captions.
        self._recognizers = {name: self._opened(name, self._models[name]) for name in self._models if name != "text"}
        self._speaking = SpeakerOptions()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of all scores, in order."""
        return self.pool.labels

    @property
    def card(self) -> Card:
        """The card of the model that pools the others."""
        return self.pool.network.card

    @property
    def recognizers(self) -> Mapping[str, Recognizer]:
        """Those of sound and pictures, by modality."""
        return {name: one for name, one in self._recognizers.items() if name != "text"}

    def analyse(
        self,
        source: str | os.PathLike[str],
        *,
        captions: Captions | None = None,
        trace: Trace | None = None,
        stop: threading.Event | None = None,
    ) -> Result:
        """The predictions of all modalities of a video, and the fused ones.

        Parameters
        ----------
        source : path
        captions : path, str, sequence of Cue, or callable, optional
            What is said, and when: a subtitle file, the language or number of one of the video's own tracks, cues,
            or a callable that returns the cues of the source, such as a speech recogniser. By default the subtitle
            file of the same name beside it (``film.srt`` for ``film.mp4``), else the video's own, if there are any.
        trace : Trace, optional
            Filled with the envelope of the sound and the stretches of speech.
        stop : threading.Event, optional
            When another thread sets it, the work ends within a block.

        Returns
        -------
        Result
            Its predictions are those of each modality (``modality``) and person (``who``), and the fused ones
            (``fusion``), from which its summary is made.

        Raises
        ------
        AffektError
            If there is neither sound nor a picture in it, or it cannot be read.
        InterruptedError
            If it was stopped.
        """
        problems: list[str] = []
        name = os.fspath(source)
        streams = {
            name: one.stream(listener=trace.listener() if trace and name == "speech" else None)
            for name, one in self._recognizers.items()
            if name != "text"
        }
        lanes = Lanes(streams, MouthMotion(self._speaking.bin), trace)
        cues, track = self._given(source, self._captions if captions is None else captions, problems)
        with ExitStack() as stack:
            shared = open_shared(
                name, stack, sound="speech" in streams, picture="face" in streams,
                subtitles=lambda c: None if cues is not None else subtitles_of(c, name, track, problems.append),
            )  # fmt: skip
            lanes.read(name, shared, stop)
            if shared and shared.subtitles is not None:
                shared.packets.drain()
                cues = cues_of_packets(shared.packets.kept, shared.begin, name, problems.append)
        words = self._judged(cues or [], problems)
        if len(lanes.missing) == len(streams) and not words:
            missing = [lanes.missing[name] for name in streams]  # the sound's first, whichever thread failed first
            raise missing[0] if missing else InputError("no modality is asked for; give models or captions.")
        problems += lanes.problems
        found: dict[str, list[Prediction]] = {**lanes.found, "text": words}
        duration = max([stream.position for stream in streams.values()] + [p.end for p in words], default=0.0)
        speakers = who_speaks(found["speech"], lanes.mouths, self._speaking)
        found["speech"] = [replace(p, who=who) for p, who in zip(found["speech"], speakers, strict=True)]
        found["text"] = [p if p.who else replace(p, who=_speaker_of(p, found["speech"])) for p in words]
        fused = fused_lanes(self.pool, found)
        for problem in problems:
            warnings.warn(problem, ImageWarning, stacklevel=2)
        everything = sorted([p for part in found.values() for p in part] + fused, key=lambda p: p.start)
        names = [one.card.name for name, one in self._recognizers.items() if name != "text" or words]
        return Result(
            os.fspath(source),
            duration,
            tuple(everything),
            replace(summarise(fused), modality="fusion"),
            " + ".join(names),
            self.labels,
            tuple(problems),
            summaries=summaries(fused),
        )

    def _given(
        self, source: str | os.PathLike[str], captions: Captions | None, problems: list[str]
    ) -> tuple[Sequence[Cue] | None, str | None]:
        """The cues given or found beside the video; None if its own are to be read, and then from which track."""
        if "text" not in self._models:
            if captions is not None:
                raise InputError("captions need a model of text; name one, such as models={'text': 'text'}.")
            return [], None
        captions = captions_beside(source) if captions is None else captions
        if captions is None or names_track(captions):
            return None, captions if isinstance(captions, str) else None
        if callable(captions):
            return list(captions(source)), None
        if isinstance(captions, (str, os.PathLike)):
            return cues_of(captions, warn=problems.append), None
        return captions, None

    def _judged(self, cues: Sequence[Cue], problems: list[str]) -> list[Prediction]:
        """The predictions for the captions; the text model is opened when there are some."""
        if not cues:
            return []
        if "text" not in self._recognizers:
            self._recognizers["text"] = self._opened("text", self._models["text"])
        stream: Any = self._recognizers["text"].stream()
        timed = [cue for cue in cues if cue.end > cue.start]
        if len(timed) < len(cues):
            problems.append(f"captions without times are left out: {len(cues) - len(timed)} of {len(cues)}.")
        words: list[Prediction] = stream.feed(timed)
        return words + list(stream.flush())

    def _opened(self, name: str, model: Any) -> Recognizer:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # calm is neutral here, and nothing is lost by it
            opened = Recognizer(model, labels=LABELS, threads=self._threads)
        if opened.card.modality != name:
            raise InputError(f"{opened.card.name} is a model of {opened.card.modality}, not of {name}.")
        return opened


class Lanes:
    """Voice and faces of one video, each processed by its own thread, in one pass over the file.

    Parameters
    ----------
    streams : mapping of modality to stream
    mouths : MouthMotion
        Receives every frame.
    trace : Trace, optional
        Receives all sound; its ``on_piece`` is called for sound and for pictures, never for both at once.

    Attributes
    ----------
    found : dict of modality to list of Prediction
    missing : dict of modality to error
        Why there is nothing to hear or see.
    """

    def __init__(self, streams: Mapping[str, Any], mouths: MouthMotion, trace: Trace | None) -> None:
        self._streams, self.mouths, self._trace = streams, mouths, trace
        self.found: dict[str, list[Prediction]] = {"speech": [], "face": []}
        self.missing: dict[str, AffektError] = {}
        self._said: dict[str, list[str]] = {"speech": [], "face": []}
        self._failed, self._lock = threading.Event(), threading.Lock()

    @property
    def problems(self) -> list[str]:
        """What is odd about sound and pictures."""
        return [sentence for said in self._said.values() for sentence in said]

    def read(self, path: str, shared: Shared | None, stop: threading.Event | None) -> None:
        """Read to the end.

        Raises
        ------
        AffektError
            If the sound or the pictures fail after they have begun.
        InterruptedError
            If it was stopped.
        """
        with ThreadPoolExecutor(max_workers=2) as pool:
            jobs = [pool.submit(self._follow, name, path, shared, stop) for name in self._streams]
            try:
                for job in jobs:
                    job.result()
            except BaseException:
                self._failed.set()  # the other one is not needed any more
                raise

    def _follow(self, name: str, path: str, shared: Shared | None, stop: threading.Event | None) -> None:
        """Feed one stream with all its pieces."""
        track = None if shared is None else shared.sound if name == "speech" else shared.picture
        stream, has_begun = self._streams[name], False
        try:
            with closing(self._pieces(name, path if track is None else shared)) as pieces:
                for piece in pieces:
                    has_begun = True
                    if self._failed.is_set():
                        return
                    if stop and stop.is_set():
                        raise InterruptedError("stopped before its end")
                    if name == "face":
                        frame, faces = piece
                        self.found[name] += stream.feed(frame, faces)
                        self.mouths.see(frame, stream.current)
                    else:
                        self.found[name] += stream.feed(piece)
                        if self._trace:
                            self._trace.see(piece)
                    if self._trace and self._trace.on_piece:
                        with self._lock:
                            self._trace.on_piece(piece, stream)
            self.found[name] += stream.flush()
        except BaseException as error:
            if isinstance(error, (AudioError, ImageError)) and not has_begun:
                self.missing[name] = error
                what = "pictures" if name == "face" else "sound"
                self._said[name].append(f"{WORDS[name]}: the file has no {what} that can be read.")
                return
            self._failed.set()
            raise
        finally:
            if shared and track is not None:
                shared.packets.leave(track)

    def _pieces(self, name: str, source: Any) -> Generator[Any, None, None]:
        """Blocks of sound; or frames with their faces, detected ahead while the current frame is classified."""
        warn = self._said[name].append
        if name == "speech":
            yield from blocks(source, warn=warn)
            return
        look = self._streams[name].look
        yield from ahead((frame, look(frame)) for frame in frames_of(source, warn=warn))


class MouthMotion:
    """How much the mouth of each face moves, over time.

    It is the motion of the lower half of a face less that of its upper half,
    because a moving head or a shaking camera moves both. Each is the mean change
    of grey values within a twelfth of a second, in standard deviations of the face.

    Parameters
    ----------
    width : float
        Seconds of a bin.
    """

    #: Size of a crop in pixels, seconds between compared crops, and the rows and columns of mouth and eyes.
    SIZE, STEP = 32, 1 / 12
    MOUTH, EYES = (slice(19, 31), slice(7, 25)), (slice(4, 16), slice(4, 28))

    def __init__(self, width: float) -> None:
        self.width = width
        self._before: dict[str, tuple[float, NDArray[np.float32]]] = {}
        self._sums: dict[str, dict[int, list[float]]] = {}

    def see(self, frame: Frame, faces: Iterable[Prediction]) -> None:
        """Take the faces of the next frame."""
        given = [p for p in faces if p.box is not None and p.who is not None]
        if not given:
            return
        height, width = frame.pixels.shape[:2]
        boxes = np.array([p.box for p in given], np.float32) * np.array([width, height, width, height], np.float32)
        for p, crop in zip(given, crops(frame.pixels, boxes, size=self.SIZE, margin=1.0), strict=True):
            who = str(p.who)
            time, before = self._before.get(who, (-1e9, crop))
            if frame.time - time < self.STEP:
                continue
            self._before[who] = frame.time, crop
            if frame.time - time > 4 * self.STEP:
                continue
            change = np.abs(crop - before) / (crop.std() + 4)
            motion = float(change[self.MOUTH].mean() - change[self.EYES].mean())
            self._sums.setdefault(who, {}).setdefault(int(frame.time / self.width), []).append(max(0.0, motion))

    @property
    def people(self) -> list[str]:
        """Whose mouths were seen."""
        return list(self._sums)

    def between(self, who: str, start: float, end: float) -> tuple[float, float]:
        """Mean motion of a mouth, and the share of the time in which it was seen."""
        bins = range(int(start / self.width), max(int(start / self.width) + 1, int(np.ceil(end / self.width))))
        values = [np.mean(self._sums[who][i]) for i in bins if i in self._sums.get(who, {})]
        return (float(np.mean(values)), len(values) / len(bins)) if values else (0.0, 0.0)

    def at_rest(self, who: str, speech: Sequence[Prediction]) -> float | None:
        """Mean motion of a mouth while nobody speaks; None if it was seen so for less than a second."""
        seen = self._sums.get(who, {})
        quiet = [np.mean(values) for i, values in seen.items()
                 if not any(p.start < (i + 1) * self.width and i * self.width < p.end for p in speech)]  # fmt: skip
        return float(np.mean(quiet)) if len(quiet) * self.width >= 1.0 else None


def who_speaks(speech: Sequence[Prediction], mouths: MouthMotion, options: SpeakerOptions) -> list[str | None]:
    """Whose voice each stretch of speech is: the face whose mouth moves most, ``off camera``, or None without faces."""
    found: list[str | None] = []
    rest = {who: mouths.at_rest(who, speech) for who in mouths.people}
    for p in speech:
        best, most = OFF_CAMERA, 0.0
        for who in mouths.people:
            motion, seen = mouths.between(who, p.start, p.end)
            least = max(options.moving, options.more * (rest[who] or 0.0))
            if seen >= options.visible and motion >= least and motion > most:
                best, most = who, motion
        found.append(best if mouths.people else None)
    return found


def _speaker_of(caption: Prediction, speech: Sequence[Prediction]) -> str | None:
    """Who speaks for most of a caption."""
    shared: dict[str | None, float] = {}
    for p in speech:
        together = min(p.end, caption.end) - max(p.start, caption.start)
        if together > 0:
            shared[p.who] = shared.get(p.who, 0.0) + together
    return max(shared, key=lambda who: shared[who]) if shared else None


def fused_lanes(pool: Pool, found: Mapping[str, Sequence[Prediction]]) -> list[Prediction]:
    """The fused predictions of voice, face and words for each person.

    A lane is cut wherever a segment of any modality begins or ends. The predictions in between are
    pooled, and neighbours with the same best label are joined. Where all qualities are 0, there is no fused answer.

    Parameters
    ----------
    pool : Pool
    found : mapping of modality to predictions
        Those of one modality and person do not overlap.

    Returns
    -------
    list of Prediction
        In order of time, by person.
    """
    fused: list[Prediction] = []
    everything = [p for part in found.values() for p in part if p.scores]
    for who in dict.fromkeys(p.who for p in everything):
        lane = [p for p in everything if p.who == who]
        edges = sorted({edge for p in lane for edge in (p.start, p.end)})
        parts: list[Prediction] = []
        for start, end in pairwise(edges):
            here = {p.modality: p for p in lane if p.start <= start and end <= p.end}
            if any(p.quality > 0 for p in here.values()):
                parts.append(pool.fuse([replace(p, start=start, end=end) for p in here.values()]))
        fused += _joined(parts)
    return sorted(fused, key=lambda p: p.start)


def _joined(parts: Sequence[Prediction]) -> Iterator[Prediction]:
    """Neighbours with the same best label and nothing between them, as their mean."""
    group: list[Prediction] = []
    for part in parts:
        if group and (part.best != group[-1].best or part.start > group[-1].end):
            yield _mean(group)
            group = []
        group.append(part)
    if group:
        yield _mean(group)


def _mean(group: Sequence[Prediction]) -> Prediction:
    summary = Summary()
    for part in group:
        summary.add(part)
    # A disagreement is not a weakness of the signal: it is kept, whatever the quality.
    longest = max((p for p in group if p.reason), key=lambda p: p.duration, default=None)
    return replace(summary.prediction(), reason=longest.reason if longest else "", who=group[0].who)
