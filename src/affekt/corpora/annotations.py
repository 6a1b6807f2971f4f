"""What the readers of annotation files share: the intervals of a tier become segments of the recording beside it.

If a file has several tiers, the one called ``emotion`` is read (also ``Emotion (Ann)``, one for each person); a single
tier is read whatever its name. ``PATH#TIER`` names another, and ``PATH#*`` takes all, one tier for each person.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from affekt.corpora.corpus import AUDIO_SUFFIXES, Corpus, Reading, reading_of
from affekt.corpora.folder import doubted, label_of
from affekt.errors import CorpusError
from affekt.types import Sample

#: Texts that mean no emotion, or an unknown one: not used as ground truth.
NO_TRUTH = ("", "-", "?", "unsure", "silence", "<na>")
EVERY = "*"
_PERSON = re.compile(r"(.*?)\s*\((.+)\)")
#: What affekt's own writers add to a label: affekt's predictions, corrected by hand, can be read as well.
_CONFIDENCE = re.compile(r"\s+\d{1,3}\s*%\??$")


@dataclass(frozen=True)
class Annotation:
    """One interval of a tier.

    Parameters
    ----------
    start, end : float
        Seconds.
    text : str
        As written in the file.
    speaker : str or None
    """

    start: float
    end: float
    text: str
    speaker: str | None = None


@dataclass(frozen=True)
class Annotated:
    """What one annotation file says.

    Parameters
    ----------
    tiers : mapping of str to sequence of Annotation
    recording : str
        Name of the recording, if the file gives it.
    """

    tiers: Mapping[str, Sequence[Annotation]]
    recording: str = ""


Parse = Callable[[Path], Annotated]


def read_annotated(corpus: Corpus, path: str | os.PathLike[str], suffixes: Sequence[str], parse: Parse) -> Reading:
    """Read an annotation file, or all of them below a folder; the recording of each lies beside it.

    Parameters
    ----------
    corpus : Corpus
    path : path
        A file or a folder, optionally followed by ``#TIER``.
    suffixes : sequence of str
        Of the annotation files, in lower case.
    parse : callable
        Takes a path, returns an Annotated; raises CorpusError if it cannot.

    Raises
    ------
    CorpusError
        If there is no such file, none that can be read, or no recording beside any of them.
    """
    given, tier = place_and_tier(path)
    files = annotation_files(corpus, given, suffixes)
    found: dict[str, Sample] = {}
    skipped: list[str] = []
    predicted: list[str] = []
    for file in files:
        name = file.relative_to(given) if given.is_dir() else Path(file.name)
        try:
            said = parse(file)
            recording = recording_of(file, said.recording)
            chosen = chosen_tiers(said.tiers, tier)
        except CorpusError as error:
            skipped.append(f"{name}: {error}")
            continue
        if _is_predicted(said):
            predicted.append(str(name))
        for tier_name in chosen:
            for one in said.tiers[tier_name]:
                who = one.speaker or _person(tier_name, tier)
                sample = sample_of(corpus, name.with_suffix("").as_posix(), recording, replace(one, speaker=who))
                if sample is not None:
                    found.setdefault(sample.id, sample)
    if not found and skipped:
        raise CorpusError(f"{given}: none of {len(files)} annotation files can be used. The first: {skipped[0]}")
    if not found:
        raise CorpusError(f"{given}: no interval has a label. Write one into each, such as angry, or choose a tier.")
    notes = [
        f"{len(predicted)} of {len(files)} annotation files look like predictions ({predicted[0]}: its labels have a "
        "confidence). What nobody corrected is no truth: a model agrees with itself."
    ] if predicted else []  # fmt: skip
    return doubted(reading_of(found.values(), skipped), notes)


def _is_predicted(said: Annotated) -> bool:
    """Whether a file has what affekt's own writers add: a confidence after any label, or a tier of confidences."""
    if any(tier.casefold().startswith("confidence") for tier in said.tiers):
        return True
    return any(_CONFIDENCE.search(one.text) for tier in said.tiers.values() for one in tier)


def place_and_tier(path: str | os.PathLike[str]) -> tuple[Path, str]:
    """A path and the tier after its ``#``; the tier is empty where there is none.

    Examples
    --------
    >>> place_and_tier("talks/a.eaf#mood")[1], place_and_tier("talks")[1]
    ('mood', '')
    """
    plain = Path(path).expanduser()
    if plain.exists() or "#" not in plain.name:
        return plain, ""
    before, _, tier = str(plain).rpartition("#")
    return Path(before), tier


def annotation_files(corpus: Corpus, given: Path, suffixes: Sequence[str]) -> list[Path]:
    """The annotation files at a path, sorted.

    Raises
    ------
    CorpusError
        If there are none.
    """
    if not given.exists():
        raise CorpusError(f"{given} does not exist. Give {corpus.home}.")
    if given.is_file():
        return [given]
    below = [Path(where, name) for where, _, names in os.walk(given) for name in names]
    files = sorted(file for file in below if file.suffix.lower() in suffixes)
    if not files:
        raise CorpusError(f"{given} holds no {' or '.join(suffixes)} file ({corpus.title}). Give {corpus.home}.")
    return files


def recording_of(file: Path, named: str = "") -> Path:
    """The recording an annotation file is about, in the same folder: with the same name, or the one the file names.

    Raises
    ------
    CorpusError
        If there is none.
    """
    # Only the last part: an annotation file must not point the reader at other files of this machine.
    inside = re.split(r"[/\\]", named)[-1]
    by_name = {entry.name.lower(): entry for entry in file.parent.iterdir() if entry.is_file()}
    stems = [file.stem, *([Path(inside).stem] if inside else [])]
    wanted = [*([inside] if inside else []), *(f"{stem}{suffix}" for stem in stems for suffix in AUDIO_SUFFIXES)]
    for name in wanted:
        entry = by_name.get(name.lower())
        if entry is not None and entry.suffix.lower() in AUDIO_SUFFIXES:
            return entry
    raise CorpusError(f"no recording lies beside it. Put {file.stem}.wav into the same folder.")


def chosen_tiers(tiers: Mapping[str, Sequence[Annotation]], wanted: str = "") -> list[str]:
    """The tiers that hold the ground truth: those asked for, those called emotion, or the only one.

    Raises
    ------
    CorpusError
        If there are no tiers, or it is not clear which one is meant.

    Examples
    --------
    >>> chosen_tiers({"words": (), "Emotion (Ann)": (), "Emotion (Bob)": ()})
    ['Emotion (Ann)', 'Emotion (Bob)']
    """
    if not tiers:
        raise CorpusError("there are no tiers of intervals in it. Add one called emotion, with a label per interval.")
    if wanted == EVERY:
        return list(tiers)
    kinds: dict[str, list[str]] = {}
    for name in tiers:
        parts = _PERSON.fullmatch(name)
        kinds.setdefault((parts[1] if parts else name).strip().casefold(), []).append(name)
    if wanted:
        exact = [name for name in tiers if name.casefold() == wanted.casefold()]
        meant = exact or kinds.get(wanted.casefold(), [])
    else:
        named = kinds.get("emotion") or kinds.get("emotions") or []
        likely = named or [name for kind, names in kinds.items() if "emotion" in kind for name in names]
        meant = likely if len({k for k, names in kinds.items() if {*names} & {*likely}}) == 1 else []
        meant = meant or (list(tiers) if len(kinds) == 1 else [])
    if meant:
        return meant
    said = f"has no tier {wanted!r}" if wanted else "does not say which tier is the truth"
    raise CorpusError(
        f"it {said}: {', '.join(map(repr, tiers))}. Name one behind the path: PATH#TIER, or PATH#{EVERY} for all."
    )


def sample_of(corpus: Corpus, name: str, recording: Path, one: Annotation) -> Sample | None:
    """The sample of an annotation, or None where it gives no emotion."""
    word = _CONFIDENCE.sub("", " ".join(one.text.split()))
    if word.casefold() in NO_TRUTH or not 0 <= one.start < one.end:
        return None
    who = f",{one.speaker}" if one.speaker else ""
    return Sample(
        id=f"{corpus.name}/{name}@{one.start:.10g}-{one.end:.10g}{who}",
        path=str(recording),
        label=label_of(word),
        speaker=one.speaker,
        start=one.start,
        end=one.end,
        corpus=corpus.name,
    )


def texts(file: Path) -> str:
    """The text of a file, UTF-8 or UTF-16.

    Raises
    ------
    CorpusError
        If it is neither.
    """
    data = file.read_bytes()
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise CorpusError("it is not UTF-8 text. Export it again in UTF-8.") from None


def own_annotations(name: str, title: str, home: str, read: Callable[..., Reading]) -> Corpus:
    """The corpus made of annotation files of one format."""
    example = home.rpartition("such as ")[2]
    return Corpus(name, title, (), "yours", home, None, None, (), example, None, read)


def _person(tier: str, wanted: str) -> str | None:
    parts = _PERSON.fullmatch(tier)
    if parts:
        return parts[2]
    return tier if wanted == EVERY else None


def paired(files: Iterable[Path]) -> dict[str, Path]:
    """Recordings by name, with ``_`` for spaces, as in a space-separated format.

    Examples
    --------
    >>> paired([Path("two people.wav")])
    {'two_people': PosixPath('two people.wav')}
    """
    return {re.sub(r"\s+", "_", file.stem): file for file in files if file.suffix.lower() in AUDIO_SUFFIXES}
