"""What a corpus is, and the one function that reads a folder of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from affekt.errors import CorpusError
from affekt.face.image import PICTURES
from affekt.speech.audio import EXTENSIONS
from affekt.types import Sample

# In order of preference: of two copies of a clip side by side, the lossless one is kept.
_PREFERRED = ("wav", "flac", "opus", "ogg", "mp3")
AUDIO_SUFFIXES = tuple(f".{name}" for name in (*_PREFERRED, *sorted(EXTENSIONS.difference(_PREFERRED))))
_LOSSLESS = ("png", "bmp", "tiff", "tif", "pgm", "ppm")
PICTURE_SUFFIXES = tuple(f".{name}" for name in (*_LOSSLESS, *sorted(PICTURES.difference(_LOSSLESS))))
#: The path of a picture that is a row of a table or an archive.
ROW = re.compile(r"(.+\.(?:csv|npz))#(\d+)", re.IGNORECASE | re.DOTALL)
#: What files a corpus of a modality holds, in order of preference, and what they are called.
SUFFIXES: dict[str, tuple[str, ...]] = {"speech": AUDIO_SUFFIXES, "face": PICTURE_SUFFIXES}
FILES = {"speech": "audio", "face": "pictures"}
#: Publishers' names for the parts of their split, in lower case, to ours; ``public`` is dev if there is a test.
USAGES = {
    "train": "train", "training": "train",
    "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev",
    "publictest": "public",
    "test": "test", "testing": "test", "privatetest": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """What the name of one file says.

    Parameters
    ----------
    name : str
        The clip's name in its corpus, the same in every layout: two files with
        the same name are copies of one clip.
    label : str or None
        The emotion, in affekt's words. ``None``: there is none, or affekt has no word for it.
    speaker : str or None
        As the corpus writes it; two corpora may both have a speaker ``01``. ``None``: unknown.
    sentence : str or None
        What was said: two clips share it when the words are the same. ``None``: unknown.
    sex : str or None
        ``female``, ``male``, or ``None`` when the name does not tell.
    """

    name: str
    label: str | None
    speaker: str | None
    sentence: str | None = None
    sex: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


Parse = Callable[[PurePosixPath], Clip | str | None]


@dataclass(frozen=True)
class Corpus:
    """A published corpus: where it lives, how large it is, how its names are read.

    Parameters
    ----------
    name : str
        Key in ``CORPORA``, and the first part of every sample's id.
    title : str
        The name it is known by.
    languages : tuple of str
        In English words.
    licence : str
        Of the recordings, not of this code.
    home : str
        Address of the official page.
    clips, speakers : int or None
        As published; a copy may hold fewer. ``None`` where there is no fixed number.
    labels : tuple of str
        The emotions it has, in affekt's words, in alphabetical order; empty where any will do, or no clip has one.
    example : str
        A file name of this corpus, for error messages.
    parse : callable or None
        Takes a path relative to the folder; returns a Clip, ``None`` when the
        name is not one of this corpus, or a reason (str) to leave the clip out. ``None``: ``read`` reads one file.
    read : callable or None
        Takes the path the user gives, returns a Reading; for a corpus whose names do not
        contain everything. ``None``: :func:`read_folder` reads it.
    modality : str
        ``speech`` or ``face``; ``any`` where the files that are there decide.
    """

    name: str
    title: str
    languages: tuple[str, ...]
    licence: str
    home: str
    clips: int | None
    speakers: int | None
    labels: tuple[str, ...]
    example: str
    parse: Parse | None
    read: Callable[[str | os.PathLike[str]], Reading] | None = None
    modality: str = "speech"


@dataclass(frozen=True)
class Reading:
    """What was found in a folder.

    Parameters
    ----------
    samples : tuple of Sample
        In the order of their ids, which does not depend on the layout.
    skipped : tuple of str
        Audio files, or pictures, that are not samples: ``relative/path: reason``.
    warnings : tuple of str
        What will cause problems later (unknown speakers, only one class), in words.
    """

    samples: tuple[Sample, ...]
    skipped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_folder(corpus: Corpus, path: str | os.PathLike[str]) -> Reading:
    """Read the names of all audio files, or pictures, below a folder; no file is opened.

    The id of a sample is ``corpus/clip name``, without the folders in between:
    the flat, nested and twice nested layouts of a corpus give the same ids.
    Other files are ignored; links to folders are not followed.

    Parameters
    ----------
    corpus : Corpus
        Which corpus it should be.
    path : str or path
        The folder.

    Returns
    -------
    Reading
        The samples, and what was skipped and why.

    Raises
    ------
    CorpusError
        If there is no such folder, it holds no files of the modality, or no name fits.
    """
    folder = Path(path).expanduser()
    _check_folder(corpus, folder)
    files = files_in(folder, corpus.modality)
    if not files:
        raise CorpusError(_nothing_there(corpus, folder))
    reading = _read_names(corpus, folder, files)
    if not reading.samples:
        raise CorpusError(_nothing_fits(corpus, folder, reading.skipped))
    return reading


def _check_folder(corpus: Corpus, folder: Path) -> None:
    if not folder.exists():
        raise CorpusError(f"{folder} does not exist. Give the folder that {corpus.title} was unpacked into.")
    if not folder.is_dir():
        raise CorpusError(f"{folder} is a file. Give the folder that {corpus.title} was unpacked into.")


def files_in(folder: Path, modality: str) -> list[PurePosixPath]:
    """Paths of all files of a modality below a folder, relative to it; links to folders are not followed.

    For ``any`` modality: the audio files, or the pictures if there are none.
    """
    kinds = SUFFIXES if modality == "any" else {modality: SUFFIXES[modality]}
    # os.walk does not enter links to folders, so a loop of links cannot trap it.
    walked = [Path(where, name).relative_to(folder) for where, _, names in os.walk(folder) for name in names]
    for suffixes in kinds.values():
        order = {suffix: place for place, suffix in enumerate(suffixes)}
        paths = [PurePosixPath(path.as_posix()) for path in walked if path.suffix.lower() in order]
        if paths:
            return sorted(paths, key=lambda p: (str(p.with_suffix("")), order[p.suffix.lower()], p.suffix))
    return []


def modality_of(path: str | PurePosixPath) -> str:
    """The modality of a file, by its name: ``face`` of a picture, else ``speech``.

    Examples
    --------
    >>> modality_of("angry/a.png"), modality_of("fer2013.csv#7"), modality_of("angry/a.wav")
    ('face', 'face', 'speech')
    """
    is_row = ROW.fullmatch(str(path)) is not None
    return "face" if is_row or PurePosixPath(path).suffix.lower() in PICTURE_SUFFIXES else "speech"


def _read_names(corpus: Corpus, folder: Path, files: Sequence[PurePosixPath]) -> Reading:
    taken: dict[str, PurePosixPath] = {}
    samples, skipped = [], []
    for relative in files:
        clip = corpus.parse(relative) if corpus.parse else None
        if isinstance(clip, Clip) and clip.name not in taken:
            taken[clip.name] = relative
            samples.append(_sample(corpus, clip, folder / relative))
        else:
            skipped.append(f"{relative}: {_reason(corpus, clip, taken)}")
    return reading_of(samples, skipped, modality=modality_of(files[0]))


def reading_of(samples: Iterable[Sample], skipped: Iterable[str], *, modality: str = "speech") -> Reading:
    """Samples in the order of their ids, with warnings about what they cannot be used for.

    Examples
    --------
    >>> reading_of([Sample("folder/angry/a", "a.wav", "angry", "anna")], []).warnings[0]
    'only one speaker (anna): nobody is left to test on.'
    """
    ordered = tuple(sorted(samples, key=lambda sample: sample.id))
    speakers = {sample.speaker for sample in ordered} - {None}
    labels = {sample.label for sample in ordered}
    unknown = sum(sample.speaker is None for sample in ordered)
    who, what = ("person", "pictures") if modality == "face" else ("speaker", "clips")
    warnings = []
    if unknown:
        warnings.append(f"the {who} of {unknown} of {len(ordered)} {what} is unknown: they cannot be split by {who}.")
    if ordered and len(speakers) == 1 and not unknown:
        warnings.append(f"only one {who} ({next(iter(speakers))}): nobody is left to test on.")
    if labels == {None}:
        warnings.append(f"none of the {len(ordered)} {what} has a label.")
    elif len(labels) == 1:
        warnings.append(
            f"only one class: all {what} ({len(ordered)}) are {next(iter(labels))}; there is nothing to tell apart."
        )
    return Reading(ordered, tuple(skipped), tuple(warnings))


def _sample(corpus: Corpus, clip: Clip, path: Path) -> Sample:
    return Sample(
        id=f"{corpus.name}/{clip.name}",
        path=str(path),
        label=clip.label,
        speaker=clip.speaker,
        corpus=corpus.name,
        sentence=clip.sentence,
        sex=clip.sex,
        meta=clip.meta,
    )


def _reason(corpus: Corpus, clip: Clip | str | None, taken: Mapping[str, PurePosixPath]) -> str:
    if isinstance(clip, Clip):
        return f"the same clip as {taken[clip.name]}"
    return clip or f"not a {corpus.title} name, such as {corpus.example}"


def _nothing_there(corpus: Corpus, folder: Path) -> str:
    return (
        f"{folder} holds no {FILES[corpus.modality]} ({', '.join(SUFFIXES[corpus.modality])}). "
        f"Unpack {corpus.title} there ({corpus.home}), or give the folder that it was unpacked into; links to folders "
        "are not followed."
    )


def _nothing_fits(corpus: Corpus, folder: Path, skipped: tuple[str, ...]) -> str:
    what = "pictures" if modality_of(skipped[0].partition(": ")[0]) == "face" else "audio files"
    return (
        f"{folder} does not hold {corpus.title} ({corpus.name}): none of its {len(skipped)} {what} can be read. "
        f"The first is {skipped[0]!r}. A name looks like {corpus.example}. "
        "Give the folder of this corpus, or the name of the corpus that it holds."
    )
