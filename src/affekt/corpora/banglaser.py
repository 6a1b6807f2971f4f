"""BanglaSER: Bangla speech emotion recognition, recorded on telephones and laptops.

Das, Islam, Ahmed, Islam, Shatabda and Islam (2022), Data in Brief 42: 108091. CC BY 4.0.

Names as in RAVDESS, with other emotion numbers:
mode-statement type-emotion-intensity-statement-repetition-actor, such as
``03-01-01-01-02-03-27``; an even actor is female.

Trap: reading it with RAVDESS's table gives wrong labels without any error (01 is
happy here, neutral there). Three names start with 01-01 in place of 03-01; they
are audio all the same. Intensity follows from the emotion, so it gives the label away.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from affekt.corpora.corpus import Clip, Corpus

NAME = re.compile(r"0[13]-01-(0[1-5])-(0[12])-(0[123])-(0[123])-(0[1-9]|[12]\d|3[0-4])", re.ASCII)
EMOTIONS = {"01": "happy", "02": "sad", "03": "angry", "04": "surprise", "05": "neutral"}
INTENSITIES = {"01": "normal", "02": "strong"}


def parse(path: PurePosixPath) -> Clip | None:
    """Read one name."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return None
    emotion, intensity, statement, repetition, actor = match.groups()
    return Clip(
        name=path.stem,
        label=EMOTIONS[emotion],
        speaker=actor,
        sentence=statement,
        sex="male" if int(actor) % 2 else "female",
        meta={"intensity": INTENSITIES[intensity], "repetition": int(repetition)},
    )


CORPUS = Corpus(
    name="banglaser",
    title="BanglaSER",
    languages=("Bangla",),
    licence="CC BY 4.0",
    home="https://data.mendeley.com/datasets/t9h6p943xy/5",
    clips=1467,
    speakers=34,
    labels=("angry", "happy", "neutral", "sad", "surprise"),
    example="03-01-01-01-02-03-27.wav",
    parse=parse,
)
