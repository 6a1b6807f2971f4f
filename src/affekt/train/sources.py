"""What a run learns from: folders of corpora, sounds and impulse responses, and the split."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from affekt.corpora import CORPORA, read_corpus
from affekt.corpora.pictures import is_picture
from affekt.data.numbers import numbers_instead
from affekt.data.splits import Split, fixed_split, split_by_speaker
from affekt.errors import InputError, UnknownName
from affekt.types import Sample

#: The corpus of one's own recordings.
OWN = "folder"
#: Of the weights.
LICENCE = "non-commercial research only; the terms of the corpora it learned from, listed with it, apply"


@dataclass(frozen=True)
class Sources:
    """Where the recordings are on this machine.

    Parameters
    ----------
    corpora : mapping of str to path
        Corpus name to its folder; all corpora of the recipe.
    sounds, responses : sequences of paths
        Recorded noises and impulse responses for augmentation; may be empty.
    teacher : sequence of paths
        Whisper's weights, for a recipe that starts or learns from them, as for
        :func:`affekt.train.voice.teacher.load_teacher`.
    unlabelled : sequence of str
        Recordings without labels, also used by a recipe that learns from a teacher.
    """

    corpora: Mapping[str, Path]
    sounds: Sequence[str] = ()
    responses: Sequence[str] = ()
    teacher: Sequence[Path] = ()
    unlabelled: Sequence[str] = ()


def noise_paths(folder: Path | None, folds: Sequence[str] = ("1", "2", "3", "4")) -> list[str]:
    """Sounds in a folder. Of those named as in ESC-10 (``5-186924-A``) only some folds: 5 is for evaluation."""
    esc = re.compile(r"([1-5])-\d+-[A-Z]")
    found = [(path, esc.match(Path(path).name)) for path in recordings_in(folder)]
    return [path for path, named in found if named is None or named[1] in folds]


def response_paths(folder: Path | None, held_out: str = "rir4.wav") -> list[str]:
    """Mono impulse responses in a folder, except one held out for evaluation."""
    names = [(path, Path(path).name) for path in recordings_in(folder)]
    return [path for path, name in names if "stereo" not in name and "48000" not in name and name != held_out]


def recordings_in(folder: Path | None) -> list[str]:
    """Recordings in a folder and its subfolders, in order; none of None."""
    if folder is None:
        return []
    return sorted(
        str(path) for path in folder.rglob("*") if path.suffix.lower() in (".wav", ".opus", ".ogg", ".flac", ".mp3")
    )


def with_own(recipe: Any, corpora: Mapping[str, Path]) -> Any:
    """The recipe for the user's own recordings: only the given corpora, including :data:`OWN`.

    Without other corpora its labels are those that the recordings have; with others they stay, and recordings with
    another label are left out. A recipe for other corpora stays as it is.

    Raises
    ------
    UnknownName
        If a corpus is neither the recipe's nor one's own.
    InputError
        If there are fewer than two labels.
    """
    if OWN not in corpora:
        return recipe
    for name in corpora:
        if name not in (*recipe.corpora, OWN):
            raise UnknownName("corpus of this recipe", name, (*recipe.corpora, OWN))
    changes: dict[str, Any] = {"corpora": tuple(corpora)}
    if set(corpora) == {OWN} and hasattr(recipe, "labels"):
        samples = own_samples(corpora[OWN])
        labels = tuple(sorted({str(s.label) for s in samples if s.label is not None}))
        if len(labels) < 2:
            raise InputError(
                f"{corpora[OWN]}: has the labels {', '.join(labels) or '-'}; at least two are needed."
                f"{numbers_instead(samples)}"
            )
        changes["labels"] = labels
    return replace(recipe, **changes)


def own_samples(path: Path) -> tuple[Sample, ...]:
    """The user's own recordings as one corpus; where a table names several, speakers are told apart by corpus.

    Raises
    ------
    InputError
        If they are pictures.
    """
    found = []
    for sample in read_corpus(OWN, path).samples:
        if is_picture(sample):
            raise InputError(f"{sample.id} is a picture; this recipe learns from recordings.")
        speaker = (
            sample.speaker if sample.corpus == OWN or sample.speaker is None else f"{sample.corpus} {sample.speaker}"
        )
        found.append(replace(sample, corpus=OWN, speaker=speaker))
    return tuple(found)


def read_split(
    name: str, needed: Sequence[str], corpora: Mapping[str, Path], *, labels: Sequence[str] = (), seed: int = 1
) -> Split:
    """Read the corpora a recipe needs and split them by the committed speakers, or by speakers drawn of one's own.

    Parameters
    ----------
    name : str
        Of the recipe.
    needed : sequence of str
        Names of corpora.
    corpora : mapping of str to Path
    labels : sequence of str
        Own recordings with another label are left out; empty: none are.
    seed : int
        Draws the speakers of one's own recordings.

    Raises
    ------
    InputError
        If a corpus has no folder, or own recordings are of too few speakers, or of unknown ones.
    CorpusError
        If a folder is not what it should be.
    """
    missing = [corpus for corpus in needed if corpus not in corpora]
    if missing:
        raise InputError(f"the recipe {name} needs {', '.join(missing)}: add --corpus NAME=PATH for each.")
    published = [corpus for corpus in needed if corpus != OWN]
    split = fixed_split([sample for corpus in published for sample in read_corpus(corpus, corpora[corpus]).samples])
    if OWN not in needed:
        return split
    own = [s for s in own_samples(corpora[OWN]) if not labels or s.label in labels]
    drawn = split_by_speaker(own, np.random.default_rng(seed))
    return Split(split.train + drawn.train, split.dev + drawn.dev, split.test + drawn.test)


def training_data(split: Split, corpora: Sequence[str]) -> dict[str, Any]:
    """What a card says of the training data: licence, clips and speakers of each corpus."""
    clips = Counter(sample.corpus for sample in split.train)
    speakers = {name: len({s.speaker for s in split.train if s.corpus == name} - {None}) for name in corpora}
    return {
        name: {"licence": CORPORA.get(name, CORPORA[OWN]).licence, "clips": clips[name], "speakers": speakers[name]}
        for name in corpora
    }


def split_hash(split: Split) -> str:
    """SHA-256 of which sample is on which side."""
    lines = [f"{side} {s.id}" for side in ("train", "dev", "test") for s in getattr(split, side)]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
