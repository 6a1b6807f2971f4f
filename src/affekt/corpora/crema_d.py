"""CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset.

Cao, Cooper, Keutmann, Gur, Nenkova and Verma (2014), IEEE Transactions on Affective
Computing 5(4): 377-390. Open Database License (ODbL) 1.0.

Names: actor_sentence_emotion_intensity, such as ``1001_DFA_ANG_XX``; LO, MD, HI or
XX (unspecified). One published name ends in a single X, ``1040_ITH_SAD_X``: it is
read as XX, and the reading says so.

Two tables of the distribution are used where they lie in the folder:
``VideoDemographics.csv`` gives sex and ``meta["age"]`` (the names tell neither), and
``tabulatedVotes.csv`` what listeners heard: ``meta["votes"]``, a share for each label,
and ``meta["voters"]``, the number of voters. Only votes on the voice alone are used
(rows numbered 1xxxxx; 2xxxxx saw the face, 3xxxxx both).

Trap: the label is field 3. A published 93.88 % used field 2, the sentence. The label
is what the actor meant; listeners who hear only the voice agree with it in 40.9 % of the votes.
``1076_MTI_SAD_XX`` is silent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from affekt.corpora.corpus import Clip, Corpus, Reading, read_folder
from affekt.corpora.table import read_table
from affekt.errors import CorpusError
from affekt.types import Sample

NAME = re.compile(
    r"(10(?!00)[0-8]\d|109[01])_(DFA|IEO|IOM|ITH|ITS|IWL|IWW|MTI|TAI|TIE|TSI|WSI)_(ANG|DIS|FEA|HAP|NEU|SAD)_([A-Z]{1,2})",
    re.ASCII,
)
EMOTIONS = {"ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"}
SEXES = {"male": "male", "female": "female"}

DEMOGRAPHICS, VOTES = "VideoDemographics.csv", "tabulatedVotes.csv"
VOTE_COLUMNS = {"A": "angry", "D": "disgust", "F": "fear", "H": "happy", "N": "neutral", "S": "sad"}
VOICE_ROWS = range(100_000, 200_000)


def parse(path: PurePosixPath) -> Clip | None:
    """Read one name. Any other intensity code counts as unspecified; :func:`read` reports it."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return None
    actor, sentence, emotion, intensity = match.groups()
    meta = {"intensity": INTENSITIES.get(intensity, INTENSITIES["XX"])}
    return Clip(path.stem, EMOTIONS[emotion], actor, sentence, meta=meta)


def read(path: str | os.PathLike[str]) -> Reading:
    """Read the names, then the two tables, where they are.

    Raises
    ------
    CorpusError
        If the folder is not CREMA-D, or a table lacks a column or holds something else.
    """
    reading = read_folder(CORPUS, path)
    folder = Path(path).expanduser()
    actors, votes = _demographics(folder), _votes(folder)
    samples = tuple(_completed(sample, actors, votes) for sample in reading.samples)
    odd = [sample.id for sample in samples if sample.id.rsplit("_", 1)[1] not in INTENSITIES]
    note = f"{len(odd)} with an intensity beside {', '.join(INTENSITIES)}, taken as unspecified: {', '.join(odd)}."
    return replace(reading, samples=samples, warnings=(*reading.warnings, *([note] if odd else [])))


def _completed(sample: Sample, actors: Mapping[str, Any], votes: Mapping[str, Any]) -> Sample:
    sex, about = actors.get(sample.speaker or "", (None, {}))
    heard = votes.get(_voted(PurePosixPath(sample.path).stem), {})
    return replace(sample, sex=sex, meta={**sample.meta, **about, **heard})


def _voted(stem: str) -> str:
    """The name as in the table of votes: always with two letters of intensity."""
    return f"{stem}X" if stem.endswith("_X") else stem


def _demographics(folder: Path) -> dict[str, tuple[str, dict[str, int]]]:
    file = _nearest(folder, DEMOGRAPHICS)
    if file is None:
        return {}
    table, actors = read_table(file, needed=["ActorID", "Age", "Sex"]), {}
    for line, row in table.rows:
        if row["Sex"].lower() not in SEXES:
            raise CorpusError(f"{file}, line {line}: Sex is {row['Sex']!r}; allowed: Female, Male.")
        actors[row["ActorID"]] = SEXES[row["Sex"].lower()], {"age": _count(file, line, "Age", row["Age"])}
    return actors


def _votes(folder: Path) -> dict[str, dict[str, Any]]:
    file = _nearest(folder, VOTES)
    if file is None:
        return {}
    table, votes = read_table(file, needed=[*VOTE_COLUMNS, "fileName"]), {}
    numbers = table.columns[0]
    if numbers in VOTE_COLUMNS or numbers == "fileName":
        raise CorpusError(
            f"{file}: the first column is {numbers!r}; it must hold the row numbers, which tell votes on "
            "the voice (1xxxxx) from votes on the face. Copy the file again, unchanged."
        )
    for line, row in table.rows:
        if _count(file, line, numbers, row[numbers]) not in VOICE_ROWS:
            continue
        counts = {label: _count(file, line, letter, row[letter]) for letter, label in VOTE_COLUMNS.items()}
        if total := sum(counts.values()):
            shares = {label: count / total for label, count in counts.items()}
            votes[_voted(PurePosixPath(row["fileName"]).stem)] = {"votes": shares, "voters": total}
    return votes


def _nearest(folder: Path, name: str) -> Path | None:
    return min(folder.rglob(name), key=lambda path: (len(path.parts), path), default=None)


def _count(file: Path, line: int, column: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise CorpusError(f"{file}, line {line}: {column or 'the first column'} is {text!r}; a whole number is needed.")
    return int(text)


CORPUS = Corpus(
    name="crema_d",
    title="CREMA-D",
    languages=("English",),
    licence="ODbL 1.0",
    home="https://github.com/CheyneyComputerScience/CREMA-D",
    clips=7442,
    speakers=91,
    labels=("angry", "disgust", "fear", "happy", "neutral", "sad"),
    example="1001_DFA_ANG_XX.wav",
    parse=parse,
    read=read,
)
