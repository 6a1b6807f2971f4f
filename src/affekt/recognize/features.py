"""Features of recordings as tables: common feature sets, and the embeddings of a model, per clip or per frame."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from affekt._files import atomic_write
from affekt.errors import AudioError, InputError, MissingExtra, UnknownName
from affekt.models.zoo import model_path
from affekt.recognize.recognizer import Recognizer, several
from affekt.speech.audio import Source, name_of
from affekt.speech.channels import ReadOptions, channel_names
from affekt.speech.decode import check_sampling_rate
from affekt.speech.feature_columns import SETS, Times
from affekt.speech.stretch import stretch_blocks
from affekt.speech.waveform import RATE
from affekt.timeline.segments import Listener
from affekt.types import Audio, Sample
from affekt.write.features import FeatureTable, joined

#: Part of every cache file's name; increased when the values of a feature change.
VERSION = 1
#: Hertz to which librosa resamples by default, and so the rate of most published features.
USUAL_RATE = 22_050
EMBEDDING = "embedding"
#: What cards and recipes call a set, and whether they mean it frame-wise.
ALSO = {"mfcc-40-mean": ("mfcc", False), "mfcc-40": ("mfcc", True)}
#: Why a set is refused; the key says whether frames were asked for.
_OTHER_WAY = {
    True: "{} is of whole clips; it has no frames.",
    False: "{} is frame-wise; ask for frames (--frames, frames=True).",
}
#: What ``all`` stands for per clip; frame-wise it is not allowed, as frames of different lengths make no table.
ALL = ("usual-180", "usual-162", "mfcc", "egemaps", EMBEDDING)
#: Longest signal, in seconds, whose spectrum is held in memory; an embedding takes any length.
LONGEST = 3600.0

#: Values (n, d), start and end of each row (n, 2), and the number of the channel of each row (n,).
_Rows = tuple[NDArray[np.float32], Times, NDArray[np.int64]]


@dataclass(frozen=True)
class FeatureOptions:
    """Which features to compute, and from what.

    Parameters
    ----------
    sets : tuple of str
        Names in ``affekt.speech.feature_columns.SETS``, ``embedding``, or ``all`` alone; ``mfcc-40-mean``, as
        cards call it, is ``mfcc``, and ``mfcc-40`` is that with ``frames``.
    frames : bool
        A row per frame (of an embedding: per window of speech) instead of one per clip.
    sampling_rate : int
        Hertz to which recordings are resampled first; an embedding always uses 16 kHz.
    model : str or path
        The model that gives the embedding.
    channel, track
        As for :meth:`affekt.Recognizer.reading`.
    cache : Path or None
        Folder for computed features, made if missing. Keys are the recordings' bytes: a moved file is found again.

    Raises
    ------
    UnknownName
        If there is no such set.
    InputError
        If a set has no frames, or only frames; or if several sets are asked for frame-wise.
    """

    sets: tuple[str, ...] = ("usual-180",)
    frames: bool = False
    sampling_rate: int = USUAL_RATE
    model: str | os.PathLike[str] = "voice"
    channel: str = "mix"
    track: str | None = None
    cache: Path | None = None

    def __post_init__(self) -> None:
        for name in self.sets:
            if name in ALSO and ALSO[name][1] is not self.frames:
                raise InputError(_OTHER_WAY[self.frames].format(name))
        object.__setattr__(self, "sets", tuple(ALSO[name][0] if name in ALSO else name for name in self.sets))
        known = [*SETS, EMBEDDING, "all"]
        for name in self.sets:
            if name not in known:
                raise UnknownName("feature set", name, known)
        if not self.sets or ("all" in self.sets and len(self.sets) > 1) or len(set(self.sets)) < len(self.sets):
            raise InputError(f"feature sets {', '.join(self.sets) or '-'}: give each once, and all alone.")
        if self.frames and (len(self.sets) > 1 or self.sets == ("all",)):
            raise InputError(
                f"frame-wise {', '.join(self.sets)}: each set has frames of its own, which make no common table; give "
                "one set."
            )
        for name in self.sets:
            chosen = SETS.get(name)
            if chosen and self.frames and chosen.frames is None:
                raise InputError(_OTHER_WAY[True].format(name))
            if chosen and not self.frames and chosen.clip is None:
                raise InputError(_OTHER_WAY[False].format(name))
        check_sampling_rate(self.sampling_rate)
        ReadOptions(self.channel, self.track)


class FeatureReader:
    """Reads recordings as tables of features. Creating one loads what the sets need; reuse it for many recordings.

    Parameters
    ----------
    options : FeatureOptions

    Raises
    ------
    MissingExtra
        If a set needs a package that is not installed; ``all`` leaves such a set out, with a note.
    InputError
        If the model gives no embeddings.

    Examples
    --------
    >>> FeatureReader(FeatureOptions(("mfcc",))).read((np.zeros(22050), 22050)).values.shape
    (1, 40)
    """

    def __init__(self, options: FeatureOptions) -> None:
        self.options = options
        self.notes: tuple[str, ...] = ()
        wanted = ALL if options.sets == ("all",) else options.sets
        self._recognizer: Recognizer | None = None
        self._digest = ""
        names: dict[str, tuple[str, ...]] = {}
        for name in wanted:
            try:
                names[name] = self._open_model() if name == EMBEDDING else SETS[name].names(options.frames)
            except MissingExtra as error:
                if options.sets != ("all",):
                    raise
                self.notes += (f"{name} is left out: {error}",)
        self._sets = tuple(names)
        self.columns = tuple(
            f"{key}/{name}" if len(names) > 1 else name for key, group in names.items() for name in group
        )

    def _open_model(self) -> tuple[str, ...]:
        """Open the model of the embedding; returns the names of its columns."""
        recognizer = Recognizer(self.options.model)
        size = recognizer.card.baseline
        if not size:
            raise InputError(
                f"the model {recognizer.card.name} gives no embeddings (its card has no baseline); voice and "
                "voice-small do."
            )
        self._recognizer = recognizer
        if self.options.cache:
            self._digest = hashlib.sha256(model_path(self.options.model).read_bytes()).hexdigest()
        return tuple(f"{EMBEDDING}_{i}" for i in range(size))

    def read(self, source: Source | Sample) -> FeatureTable:
        """The features of one recording, or of the stretch that a sample covers.

        Raises
        ------
        AudioError
            If it cannot be read, or its features cannot be computed; names it.
        """
        content = self._content(source)
        parts = [self._kept(source, name, content) for name in self._sets]
        # Sets can differ in their rows only frame-wise, and then there is only one set.
        _, times, channels = parts[0]
        values = np.concatenate([part[0] for part in parts], axis=1)
        notes = list(self.notes)
        count = len(values)
        facts: dict[str, tuple[str, ...]] = {}
        if self.options.channel == "each":
            names = channel_names(int(channels.max(initial=0)) + 1)
            facts["channel"] = tuple(str(names[i]) for i in channels)
        if isinstance(source, Sample):
            times = times + source.start
            known = {"id": source.id, "label": source.label or "", "speaker": source.speaker or ""}
            facts |= {name: (fact,) * count for name, fact in known.items()}
        start, end = times[:, 0], times[:, 1]
        if EMBEDDING in self._sets and (not count or np.isnan(values).any()):
            notes.append(f"{name_of(source)}: no speech is found in it, so there is no embedding.")
        return FeatureTable(self.columns, values, (name_of(source),) * count, start, end, facts, tuple(notes))

    def _content(self, source: Source | Sample) -> str:
        """The key of a source's cache entry; empty where nothing is cached."""
        path = source.path if isinstance(source, Sample) else source
        if self.options.cache is None or not isinstance(path, (str, os.PathLike)) or os.fspath(path) == "-":
            return ""
        try:
            with open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise AudioError(f"{os.fspath(path)}: cannot be opened ({error.strerror or error}).") from None

    def _kept(self, source: Source | Sample, name: str, content: str) -> _Rows:
        """The rows of one set, from the cache if they are there."""
        cache = self.options.cache
        if not content or cache is None:
            return self._computed(source, name)
        stretch = (source.start, source.end) if isinstance(source, Sample) else ()
        asked = self.options
        facts = (content, name, asked.frames, asked.channel, asked.track, stretch, VERSION)
        of = self._digest if name == EMBEDDING else asked.sampling_rate
        path = Path(cache) / f"{hashlib.sha256(repr((facts, of)).encode()).hexdigest()}.npz"
        try:
            with np.load(path, allow_pickle=False) as kept:
                return kept["values"], kept["times"], kept["channels"]
        except (OSError, ValueError, EOFError, KeyError, BadZipFile):
            pass  # no cache file, or a broken one, which is rebuilt
        made = self._computed(source, name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise InputError(f"the cache {str(asked.cache)!r} is a file; name a folder.") from None
        with atomic_write(path, "wb") as file:
            np.savez(file, values=made[0], times=made[1], channels=made[2])
        return made

    def _computed(self, source: Source | Sample, name: str) -> _Rows:
        rate = RATE if name == EMBEDDING else self.options.sampling_rate
        signals = self._signals(source, name, rate)
        try:
            made = [self._embedded(signal) if name == EMBEDDING else self._measured(signal, name) for signal in signals]
        except InputError as error:
            raise AudioError(f"{name_of(source)}: {error}") from None
        counts = [len(values) for values, _ in made]
        values, times = (np.concatenate([part[i] for part in made]) for i in (0, 1))
        return values.astype(np.float32), times, np.repeat(np.arange(len(made)), counts)

    def _signals(self, source: Source | Sample, name: str, rate: int) -> list[NDArray[np.float32]]:
        """Each channel asked for (n,), n at least 1."""
        parts, total = [], 0
        options = ReadOptions(self.options.channel, self.options.track)
        for block in stretch_blocks(source, sampling_rate=rate, options=options):
            total += len(block)
            if name != EMBEDDING and total > LONGEST * rate:
                raise AudioError(
                    f"{name_of(source)}: is longer than {LONGEST / 60:g} min, and the spectrum of all of it would be "
                    f"held in memory; give a stretch of it, or the set {EMBEDDING}."
                )
            parts.append(block if block.ndim == 2 else block[:, None])
        if not total:
            raise AudioError(f"{name_of(source)}: holds no sound.")
        return [np.ascontiguousarray(column) for column in np.concatenate(parts).T]

    def _measured(self, signal: NDArray[np.float32], name: str) -> tuple[NDArray[np.float32], Times]:
        chosen, rate = SETS[name], self.options.sampling_rate
        if self.options.frames:
            assert chosen.frames is not None
            return chosen.frames(signal, rate)
        assert chosen.clip is not None
        return chosen.clip(signal, rate)[None], np.array([[0.0, len(signal) / rate]])

    def _embedded(self, signal: NDArray[np.float32]) -> tuple[NDArray[np.float32], Times]:
        """Embeddings of the windows of speech; or their mean, with each region of speech weighted by its length."""
        assert self._recognizer is not None
        size = self._recognizer.card.baseline
        rows, times = [np.zeros((0, size), np.float32)], [np.zeros((0, 2))]

        def keep(when: Times, embeddings: NDArray[np.floating]) -> None:
            rows.append(embeddings.astype(np.float32))
            times.append(when)

        stream = self._recognizer.stream(listener=Listener(embeddings=keep if self.options.frames else None))
        stream.feed(signal)
        stream.flush()
        if self.options.frames:
            return np.concatenate(rows), np.concatenate(times)
        mean = stream.accumulator.mean
        row = np.full(size, np.nan, np.float32) if mean is None else mean.astype(np.float32)
        return row[None], np.array([[0.0, len(signal) / RATE]])


def features(
    sources: Source | Sample | Iterable[Source | Sample],
    sets: str | Sequence[str] = "usual-180",
    *,
    tick: Callable[[], object] = lambda: None,
    **options: object,
) -> FeatureTable:
    """Features of recordings as a table: common acoustic sets, or the embedding of the voice model.

    Parameters
    ----------
    sources : one source, or several
        Paths of any common format, arrays ``(signal, sampling_rate)``, or Samples, of which only the stretch is used.
    sets : str, or sequence of str
        ``usual-180``, ``usual-162``, ``mfcc``, ``egemaps``, ``embedding``, ``mfcc-chroma-contrast``, ``voice-312``;
        frame-wise also ``log-mel-128`` and ``mfcc-deltas-120``. Several are put side by side, with the set's name in
        front of each column (``mfcc/mfcc_0_mean``); ``all`` means the first five.
    tick : callable
        Called after each recording.
    **options
        Fields of :class:`FeatureOptions`: ``frames``, ``sampling_rate``, ``model``, ``channel``, ``track``, ``cache``.

    Returns
    -------
    FeatureTable
        ``values`` (n, d) with the names of their ``columns``, and ``path``, ``start``, ``end`` of each row;
        ``to_frame()`` makes it a pandas DataFrame.

    Raises
    ------
    UnknownName
        If there is no such set or option.
    InputError
        If a set has no frames, or only frames, or no source is given.
    AudioError
        If a recording cannot be read.
    MissingExtra
        If a set needs a package that is not installed.

    Examples
    --------
    >>> table = features((np.zeros(22050), 22050))
    >>> table.values.shape, table.columns[:2]
    ((1, 180), ('mfcc_0_mean', 'mfcc_1_mean'))
    >>> features((np.zeros(22050), 22050), "mfcc", frames=True)
    FeatureTable(44 rows x 40 features of 1 recording)
    """
    known = [name for name in FeatureOptions.__dataclass_fields__ if name != "sets"]
    for name in options:
        if name not in known:
            raise UnknownName("option of features", name, known)
    asked = FeatureOptions((sets,) if isinstance(sets, str) else tuple(sets), **options)  # type: ignore[arg-type]
    if asked.cache is not None:
        asked = replace(asked, cache=Path(asked.cache))
    reader, tables = FeatureReader(asked), []
    given = [sources] if isinstance(sources, (Sample, Audio)) else several(sources)  # type: ignore[arg-type]
    for source in given:
        tables.append(reader.read(source))
        tick()
    if not tables:
        raise InputError("no recordings: give at least one.")
    return joined(tables)
