"""Is a corpus complete, and can every clip be read? Every recording, or picture, is decoded once, one at a time."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import soundfile
from numpy.typing import NDArray

from affekt.corpora import CORPORA, read_corpus
from affekt.corpora.corpus import Corpus, Reading
from affekt.corpora.pictures import is_picture, read_pictures
from affekt.errors import AudioError, ImageError, UnknownName
from affekt.speech.audio import blocks
from affekt.speech.decode import HIGHEST_RATE, LOWEST_RATE
from affekt.speech.decoded import SAMPLING_RATE
from affekt.speech.stretch import bounds
from affekt.types import Sample

SHORTEST, LONGEST = 0.3, 60.0  # seconds
ONE_COLOUR = 1.0  # standard deviation of the pixels of a picture
SILENT = 1e-3  # peak: -60 dB of full scale
LATE = 0.02  # seconds by which a clip may run past the end of its recording: tables are rounded
TRUNCATED = "is truncated"  # how the sentence of affekt.speech.audio begins
MOST_NAMES = 10
UNKNOWN = "unknown"  # the label of clips without one

# The speakers of the corpora whose naming scheme lists them all.
SPEAKERS: dict[str, tuple[str, ...]] = {
    "ased": tuple(f"{n:02d}" for n in range(1, 66)),
    "banglaser": tuple(f"{n:02d}" for n in range(1, 35)),
    "casia": ("liuchanhg", "wangzhe", "zhaoquanyin", "zhaozuoxiang"),
    "crema_d": tuple(str(n) for n in range(1001, 1092)),
    "emo_db": ("03", *(f"{n:02d}" for n in range(8, 17))),
    "emogator": tuple(f"{n:06d}" for n in range(1, 358)),
    "emovo": ("f1", "f2", "f3", "m1", "m2", "m3"),
    "nemo": ("EB0", "IC0", "KD0", "KS0", "MK0", "MP0", "SM0", "TP0", "WR0"),
    "ravdess": tuple(f"{n:02d}" for n in range(1, 25)),
    "savee": ("DC", "JE", "JK", "KL"),
    "tess": ("OAF", "YAF"),
}


@dataclass(frozen=True)
class Duplicate:
    """Clips that contain exactly the same sound.

    Parameters
    ----------
    ids, labels, speakers : tuples of str or None
        One for each clip, in the order of the ids.
    """

    ids: tuple[str, ...]
    labels: tuple[str | None, ...]
    speakers: tuple[str | None, ...]

    @property
    def conflict(self) -> bool:
        """Whether the clips have different labels, so that one of them must be wrong."""
        return len(set(self.labels) - {None}) > 1

    @property
    def across_speakers(self) -> bool:
        """Whether the clips are attributed to different speakers: a split by speaker then leaks."""
        return len(set(self.speakers)) > 1

    def __str__(self) -> str:
        names = (f"{id} ({label})" if self.conflict else id for id, label in zip(self.ids, self.labels, strict=True))
        return " = ".join(names) + (", said to be of different speakers" if self.across_speakers else "")


@dataclass(frozen=True)
class Check:
    """What was found in a corpus, compared with what was published.

    Parameters
    ----------
    corpus : str
        A key of ``CORPORA``.
    clips, speakers : int
        Found; unknown speakers are not counted.
    clips_published, speakers_published : int or None
        ``None`` where any number will do.
    labels, per_speaker : mapping of str to int
        Clips of each label and of each speaker.
    missing_labels, missing_speakers : tuple of str
        Those without any clip; speakers only where the naming scheme lists them.
    unreadable : tuple of str
        Recordings that cannot be decoded: ``id: reason``.
    cut_short : tuple of str
        Recordings that end earlier than their header, or the clip's end time, says.
    odd_levels : tuple of str
        Recordings that are silent, clipped or far too loud.
    duplicates : tuple of Duplicate
    sampling_rates : mapping of int to int
        Hertz to clips.
    odd_rates, odd_lengths : tuple of str
        ``id: reason``: a different rate from most clips; below 0.3 s or above 60 s.
    seconds : float
        Of all clips that can be read.
    skipped, warnings : tuple of str
        As the reading reports them.
    sizes : mapping of str to int
        For pictures, ``width x height`` to how many have that size.
    """

    corpus: str
    clips: int
    clips_published: int | None
    speakers: int
    speakers_published: int | None
    labels: Mapping[str, int]
    per_speaker: Mapping[str, int]
    missing_labels: tuple[str, ...]
    missing_speakers: tuple[str, ...]
    unreadable: tuple[str, ...]
    cut_short: tuple[str, ...]
    odd_levels: tuple[str, ...]
    duplicates: tuple[Duplicate, ...]
    sampling_rates: Mapping[int, int]
    odd_rates: tuple[str, ...]
    odd_lengths: tuple[str, ...]
    seconds: float
    skipped: tuple[str, ...]
    warnings: tuple[str, ...]
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def problems(self) -> tuple[str, ...]:
        """What makes the corpus incomplete or wrong, in sentences; none when it is as published."""
        missing = (self.clips_published or 0) - self.clips
        conflicts = sum(duplicate.conflict for duplicate in self.duplicates)
        published = self.clips_published or 0
        clip, recordings, sounds = ("picture",) + ("pictures",) * 2 if self.sizes else ("clip", "recordings", "sounds")
        found = {
            f"published {clip}s missing: {missing} of {published}": missing > 0,
            f"more {clip}s than published: {self.clips} of {published}": missing < 0 < published,
            f"no {clip} of the labels {_first(self.missing_labels)}": self.missing_labels,
            f"no {clip} of the speakers {_first(self.missing_speakers)}": self.missing_speakers,
            f"{recordings} that cannot be read: {len(self.unreadable)}": self.unreadable,
            f"recordings that end too early: {len(self.cut_short)}": self.cut_short,
            f"{sounds} that stand under two labels: {conflicts}": conflicts,
        }
        return tuple(sentence for sentence, holds in found.items() if holds)


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


@dataclass(frozen=True)
class _ClipFacts:
    """What decoding a clip gave; ``cut`` and ``odd`` are sentences, and ``failure`` is why there is nothing else."""

    sample: Sample
    digest: str = ""
    seconds: float = 0.0
    rate: int | None = None  # None: only a decoder without a header reader can read it
    cut: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()
    failure: str = ""
    size: str = ""  # of a picture


def check_corpus(name: str, path: str | os.PathLike[str], *, tick: Callable[[], object] = lambda: None) -> Check:
    """Read a corpus and decode every clip: what is there, and what is missing, broken, duplicated or odd.

    Memory use does not grow with the corpus: one block of one clip is read at a time.

    Parameters
    ----------
    name : str
        A key of ``CORPORA``.
    path : str or path
        Its folder.
    tick : callable
        Called after each clip.

    Returns
    -------
    Check

    Raises
    ------
    UnknownName
        If there is no such corpus.
    CorpusError
        If the folder does not hold it.

    Examples
    --------
    >>> import tempfile
    >>> from affekt.corpora.synthetic import write_synthetic
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_synthetic(folder, speakers=2, clips_per_label=1, labels=["angry", "sad"])
    ...     check = check_corpus("folder", folder)
    >>> check.clips, check.labels, check.problems
    (4, {'angry': 2, 'sad': 2}, ())
    """
    return check_reading(name, read_corpus(name, path), tick=tick)


def check_reading(name: str, reading: Reading, *, tick: Callable[[], object] = lambda: None) -> Check:
    """As :func:`check_corpus`, for a corpus that has been read.

    Raises
    ------
    UnknownName
        If there is no such corpus.
    """
    if name not in CORPORA:
        raise UnknownName("corpus", name, CORPORA)
    if reading.samples and all(is_picture(sample) for sample in reading.samples):
        return _summed(CORPORA[name], reading, _look_at(reading.samples, tick))
    recordings: dict[str, list[Sample]] = defaultdict(list)
    for sample in reading.samples:
        recordings[sample.path].append(sample)
    clips = []
    for samples in recordings.values():
        clips += _read_clips(samples)
        for _ in samples:
            tick()
    return _summed(CORPORA[name], reading, clips)


def _look_at(samples: Sequence[Sample], tick: Callable[[], object]) -> list[_ClipFacts]:
    """Decode pictures, one after the other."""
    found = []
    for sample, picture in read_pictures(samples):
        tick()
        if isinstance(picture, ImageError):
            found.append(_ClipFacts(sample, failure=_without(sample.path, str(picture))))
            continue
        size, one_colour = f"{picture.shape[1]} x {picture.shape[0]}", picture.std() < ONE_COLOUR
        digest = hashlib.sha256(size.encode() + picture.tobytes()).hexdigest()
        found.append(_ClipFacts(sample, digest, size=size, odd=("is of one colour.",) if one_colour else ()))
    return found


def _summed(corpus: Corpus, reading: Reading, clips: Sequence[_ClipFacts]) -> Check:
    labels = Counter(sample.label or UNKNOWN for sample in reading.samples)
    speakers = Counter(sample.speaker for sample in reading.samples if sample.speaker is not None)
    readable = [clip for clip in clips if not clip.failure]
    rates = Counter(clip.rate for clip in readable if clip.rate)
    usual = rates.most_common(1)[0][0] if rates else None
    expected = corpus.labels if corpus.clips else ()
    return Check(
        corpus=corpus.name,
        clips=len(reading.samples),
        clips_published=corpus.clips,
        speakers=len(speakers),
        speakers_published=corpus.speakers,
        labels=dict(sorted(labels.items())),
        per_speaker=dict(sorted(speakers.items())),
        missing_labels=tuple(label for label in expected if label not in labels),
        missing_speakers=tuple(speaker for speaker in SPEAKERS.get(corpus.name, ()) if speaker not in speakers),
        unreadable=tuple(f"{clip.sample.id}: {clip.failure}" for clip in clips if clip.failure),
        cut_short=tuple(f"{clip.sample.id}: {reason}" for clip in readable for reason in clip.cut),
        odd_levels=tuple(f"{clip.sample.id}: {reason}" for clip in readable for reason in clip.odd),
        duplicates=tuple(_duplicates(readable)),
        sampling_rates=dict(sorted(rates.items())),
        odd_rates=tuple(
            f"{clip.sample.id}: {clip.rate} Hz, most have {usual} Hz"
            for clip in readable
            if clip.rate not in (usual, None)
        ),
        odd_lengths=tuple(
            f"{clip.sample.id}: {clip.seconds:.2f} s"
            for clip in readable
            if not clip.size and not SHORTEST <= clip.seconds <= LONGEST
        ),
        seconds=sum(clip.seconds for clip in readable),
        skipped=reading.skipped,
        warnings=reading.warnings,
        sizes=dict(Counter(clip.size for clip in readable if clip.size).most_common()),
    )


def _duplicates(clips: Iterable[_ClipFacts]) -> Iterator[Duplicate]:
    groups: dict[str, list[Sample]] = defaultdict(list)
    for clip in clips:
        groups[clip.digest].append(clip.sample)
    for samples in groups.values():
        if len(samples) > 1:
            ids, labels, speakers = zip(*((s.id, s.label, s.speaker) for s in samples), strict=True)
            yield Duplicate(ids, labels, speakers)


class _ClipReader:
    """Collects one clip while its recording is decoded."""

    def __init__(self, sample: Sample, rate: int) -> None:
        self.sample, self.rate = sample, rate
        self.digest, self.length, self.peak = hashlib.sha256(str(rate).encode()), 0, 0.0
        self.start, end = bounds(sample, rate)
        self.end = math.inf if end is None else end

    def take(self, block: NDArray[np.float32], done: int) -> None:
        """A block (n,) that comes ``done`` samples after the start of the recording."""
        part = block[max(0, self.start - done) : int(min(len(block), max(0, self.end - done)))]
        self.digest.update(np.ascontiguousarray(part).data)
        self.length += len(part)
        self.peak = max(self.peak, float(np.abs(part).max(initial=0.0)))

    def result(self, rate: int | None) -> _ClipFacts:
        """What it was; ``rate`` is what the header says."""
        sample, seconds = self.sample, self.length / self.rate
        if not self.length:
            return _ClipFacts(sample, failure=f"starts at {sample.start:.10g} s, after the end of the recording.")
        ends = sample.start + seconds
        cut = sample.end is not None and sample.end - ends > LATE
        return _ClipFacts(
            sample,
            self.digest.hexdigest(),
            seconds,
            rate,
            cut=(f"should end at {sample.end:.10g} s, and the recording ends at {ends:.2f} s.",) if cut else (),
            odd=("is silent.",) if self.peak < SILENT else (),
        )


def _read_clips(samples: Sequence[Sample]) -> list[_ClipFacts]:
    """Decode one recording once, whatever the number of clips in it."""
    path, done = samples[0].path, 0
    sentences: list[str] = []
    stated = _own_rate(path)
    rate = stated if stated and LOWEST_RATE <= stated <= HIGHEST_RATE else SAMPLING_RATE
    readers = [_ClipReader(sample, rate) for sample in samples]
    try:
        for block in blocks(path, sampling_rate=rate, warn=sentences.append):
            for reader in readers:
                reader.take(block, done)
            done += len(block)
    except AudioError as error:
        return [_ClipFacts(sample, failure=_without(path, str(error))) for sample in samples]
    first, *others = [reader.result(stated) for reader in readers]
    sentences = [_without(path, sentence) for sentence in sentences]
    cut = tuple(sentence for sentence in sentences if sentence.startswith(TRUNCATED))
    odd = tuple(sentence for sentence in sentences if not sentence.startswith(TRUNCATED))
    return [replace(first, cut=cut + first.cut, odd=odd + first.odd), *others]


def _own_rate(path: str) -> int | None:
    """The header's sampling rate in hertz: read at that rate, nothing is resampled and equal sounds stay equal."""
    try:
        return int(soundfile.info(path).samplerate)
    except (soundfile.SoundFileError, OSError, ValueError, TypeError):
        return None  # what is wrong, if anything, decoding will tell in better words


def _without(path: str, sentence: str) -> str:
    return sentence.removeprefix(f"{path}: ")
