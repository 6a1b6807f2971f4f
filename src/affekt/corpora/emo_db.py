"""EMO-DB: Berlin Database of Emotional Speech.

Burkhardt, Paeschke, Rolfes, Sendlmeier and Weiss (2005), Proc. Interspeech, pages 1517-1520.
Free for research; no formal licence is stated.

Names: speaker, text, emotion and version without separators, such as
``03a01Fa``: speaker 03, text a01, happiness (German *Freude*), version a. W anger,
L boredom, E disgust, A fear, F happiness, T sadness, N neutral.

Trap: the letters are German, so A is fear (*Angst*), not anger, and F is happiness,
not fear. Ten speakers and ten texts, and the published copy keeps only takes that
listeners recognised: scores are high, and a split must be by speaker. Boredom is
not among the eight emotions of the shipped model.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from affekt.corpora.corpus import Clip, Corpus

NAME = re.compile(r"(03|08|09|1[0-6])(a0[12457]|b0[1239]|b10)([WLEAFTN])([a-z])", re.ASCII)
EMOTIONS = {
    "W": "angry",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
MEN = ("03", "10", "11", "12", "15")


def parse(path: PurePosixPath) -> Clip | None:
    """Read one name; its letters are case-sensitive."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return None
    speaker, text, letter, version = match.groups()
    sex = "male" if speaker in MEN else "female"
    return Clip(path.stem, EMOTIONS[letter], speaker, text, sex, {"version": version})


CORPUS = Corpus(
    name="emo_db",
    title="EMO-DB",
    languages=("German",),
    licence="free for research, no formal licence",
    home="http://emodb.bilderbar.info/",
    clips=535,
    speakers=10,
    labels=("angry", "boredom", "disgust", "fear", "happy", "neutral", "sad"),
    example="03a01Fa.wav",
    parse=parse,
)
