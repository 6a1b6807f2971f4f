"""ASED: Amharic Speech Emotion Dataset, version 1.

Retta, Almekhlafi, Sutcliffe, Mhamed, Ali and Feng (2022), arXiv:2201.02710. For research.

Names: emotion-sentence-repetition-sex-speaker, such as ``n1-01-02-02-05``; the
emotion is n1 neutral, f2 fear, h3 happy, s4 sad, a5 angry; sex 01 is female, 02
male. One name starts with a capital S.

Trap: sentences 03 to 07 are spoken in one emotion only, so the words give the label
away. The same number is a different text in each emotion, so the sentence is ``n1-03``.
Sentences 01 and 02 are common to all emotions (not all 65 speakers have clips of
them): the sentence is ``01``. Evaluate on those two.

The sex is kept as in the name. In one clip each of speakers 09, 15, 21, 23 and 25
it is male where all their other clips say female; the majority gives the
published 25 women and 40 men.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from affekt.corpora.corpus import Clip, Corpus

NAME = re.compile(r"(n1|f2|h3|s4|a5)-(0[1-7])-(0[12])-(0[12])-(0[1-9]|[1-5]\d|6[0-5])", re.ASCII)
EMOTIONS = {"n1": "neutral", "f2": "fear", "h3": "happy", "s4": "sad", "a5": "angry"}
SEXES = {"01": "female", "02": "male"}
COMMON_SENTENCES = ("01", "02")


def parse(path: PurePosixPath) -> Clip | None:
    """Read one name, in any case."""
    name = path.stem.lower()
    match = NAME.fullmatch(name)
    if match is None:
        return None
    emotion, sentence, repetition, sex, speaker = match.groups()
    return Clip(
        name=name,
        label=EMOTIONS[emotion],
        speaker=speaker,
        sentence=sentence if sentence in COMMON_SENTENCES else f"{emotion}-{sentence}",
        sex=SEXES[sex],
        meta={"repetition": int(repetition)},
    )


CORPUS = Corpus(
    name="ased",
    title="ASED",
    languages=("Amharic",),
    licence="research only",
    home="https://github.com/Ethio2021/ASED_V1",
    clips=2474,
    speakers=65,
    labels=("angry", "fear", "happy", "neutral", "sad"),
    example="n1-01-02-02-05.wav",
    parse=parse,
)
