"""URDU: spontaneous emotional speech cut from Urdu talk shows.

Latif, Qayyum, Usman and Qadir (2018), Proc. FIT, arXiv:1812.10411. For research.

Names: speaker_file_emotion and number, below a folder for the emotion, such as
``Angry/SM1_F10_A010``; SM speakers are male, SF female. The letter must agree
with the folder; where there is no emotion folder, the letter decides.

Trap: the paper counts 38 speakers, but the names have only 29 (SM8 to SM16 do not
occur), and SM5 alone has 80 of the 400 clips. The speech is not read, so there is
no sentence.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from affekt.corpora.corpus import Clip, Corpus

NAME = re.compile(r"(S[FM]\d+)_F(\d+)_([AHNS])\d+", re.ASCII)
EMOTIONS = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"}
SEXES = {"SF": "female", "SM": "male"}


def parse(path: PurePosixPath) -> Clip | str | None:
    """Read one name; a folder that contradicts it is a reason to skip the clip."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return None
    speaker, file, letter = match.groups()
    label, folder = EMOTIONS[letter], path.parent.name.lower()
    if folder in EMOTIONS.values() and folder != label:
        return f"the folder says {folder}, the letter {letter} in the name says {label}"
    return Clip(path.stem, label, speaker, sex=SEXES[speaker[:2]], meta={"file": int(file)})


CORPUS = Corpus(
    name="urdu",
    title="URDU",
    languages=("Urdu",),
    licence="research only",
    home="https://github.com/siddiquelatif/URDU-Dataset",
    clips=400,
    speakers=38,
    labels=("angry", "happy", "neutral", "sad"),
    example="Angry/SM1_F10_A010.wav",
    parse=parse,
)
