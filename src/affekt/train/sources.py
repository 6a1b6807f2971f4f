"""What a run learns from: folders of corpora, sounds and impulse responses, and the split."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affekt.corpora import CORPORA, read_corpus
from affekt.data.splits import Split, fixed_split
from affekt.errors import InputError

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
        Of a recipe that starts from Whisper: its weights, as for :func:`affekt.train.voice.teacher.load_teacher`.
    """

    corpora: Mapping[str, Path]
    sounds: Sequence[str] = ()
    responses: Sequence[str] = ()
    teacher: Sequence[Path] = ()


def noise_paths(folder: Path | None, folds: Sequence[str] = ("1", "2", "3", "4")) -> list[str]:
    """Sounds in a folder. Those named as in ESC-10 (``5-186924-A``) only of some folds: fold 5 is left for judging."""
    esc = re.compile(r"([1-5])-\d+-[A-Z]")
    found = [(path, esc.match(Path(path).name)) for path in _audio(folder)]
    return [path for path, named in found if named is None or named[1] in folds]


def response_paths(folder: Path | None, held_out: str = "rir4.wav") -> list[str]:
    """Mono impulse responses in a folder, but one that is left for judging."""
    names = [(path, Path(path).name) for path in _audio(folder)]
    return [path for path, name in names if "stereo" not in name and "48000" not in name and name != held_out]


def _audio(folder: Path | None) -> list[str]:
    if folder is None:
        return []
    return sorted(str(path) for path in folder.rglob("*") if path.suffix.lower() in (".wav", ".opus", ".ogg", ".flac"))


def read_split(name: str, needed: Sequence[str], corpora: Mapping[str, Path]) -> Split:
    """Read the corpora a recipe needs and split them by the committed speakers.

    Raises
    ------
    InputError
        If a corpus has no folder.
    CorpusError
        If a folder is not what it should be.
    """
    missing = [corpus for corpus in needed if corpus not in corpora]
    if missing:
        raise InputError(f"the recipe {name} needs {', '.join(missing)}: add --corpus NAME=PATH for each.")
    return fixed_split([sample for corpus in needed for sample in read_corpus(corpus, corpora[corpus]).samples])


def training_data(split: Split, corpora: Sequence[str]) -> dict[str, Any]:
    """What a card says of the training data: licence, clips and speakers of each corpus."""
    clips = Counter(sample.corpus for sample in split.train)
    speakers = {name: len({s.speaker for s in split.train if s.corpus == name} - {None}) for name in corpora}
    return {
        name: {"licence": CORPORA[name].licence, "clips": clips[name], "speakers": speakers[name]} for name in corpora
    }


def split_hash(split: Split) -> str:
    """SHA-256 of which sample is on which side."""
    lines = [f"{side} {s.id}" for side in ("train", "dev", "test") for s in getattr(split, side)]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
