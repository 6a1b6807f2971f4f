"""BAVED: Basic Arabic Vocal Emotions Dataset. Seven words, each at three levels of emotion.

Aouf (2019), https://github.com/40uf411/Basic-Arabic-Vocal-Emotions-Dataset.

Names: speaker-sex-age-word-level-record, such as ``0-m-21-0-1-105``, below a folder for
the word. The sentence is the word's number, and ``meta["word"]`` is the word.

Trap: a level is not an emotion. 0 is low (tired, down), 1 is how the speaker talks every
day, 2 is high, "positive or negative (happiness, joy, sadness, anger)": it is closest to
arousal. So no clip has a label; ``meta["level"]`` is the level, and a published
accuracy on BAVED refers to three levels of seven known words.

Speakers 46 and 53 have the same 21 recordings, bit by bit; both are read as speaker 46,
so that a split by speaker keeps them together. The page counts 61 speakers, and one
(52) has no clip. Five speakers (56, 55, 50, 47, 49) have 1,323 of the 1,935 clips. Some
speakers are children, from the age of 5. ``49-m-23-6-1-201`` lies in the folder of
another word: its sentence is unknown.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from affekt.corpora.corpus import Clip, Corpus

NAME = re.compile(r"(\d{1,3})-([fm])-(\d{1,2})-([0-6])-([0-2])-(\d{1,4})", re.ASCII)
SEXES = {"f": "female", "m": "male"}
WORDS = ("اعجبني", "لم يعجبني", "هذا", "الفيلم", "رائع", "مقول", "سيئ")
SAME_SPEAKER = {"53": "46"}


def parse(path: PurePosixPath) -> Clip | None:
    """Read one name; if the folder belongs to another word, the word is unknown."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return None
    speaker, sex, age, word, level, _ = match.groups()
    folder = path.parent.name
    known = folder == word or folder not in map(str, range(len(WORDS)))
    return Clip(
        name=path.stem,
        label=None,
        speaker=SAME_SPEAKER.get(speaker, speaker),
        sentence=word if known else None,
        sex=SEXES[sex],
        meta={"age": int(age), "level": int(level), **({"word": WORDS[int(word)]} if known else {})},
    )


CORPUS = Corpus(
    name="baved",
    title="BAVED",
    languages=("Arabic",),
    licence="not stated",
    home="https://github.com/40uf411/Basic-Arabic-Vocal-Emotions-Dataset",
    clips=1935,
    speakers=61,
    labels=(),
    example="0/0-m-21-0-1-105.wav",
    parse=parse,
)
