"""TESS: Toronto Emotional Speech Set.

Pichora-Fuller and Dupuis (2020), Borealis, doi:10.5683/SP2/E8H2MF. CC BY-NC-ND 4.0.

Names: speaker_word_emotion, such as ``OAF_back_angry``; ``ps`` is pleasant
surprise. OAF is the older actress (64 years), YAF the younger (26). The file name
decides, not the folder: folder names differ between copies. One file is called
``OA_bite_neutral``; it is by OAF, and its id is ``OAF_bite_neutral``.

Trap: two speakers and one carrier sentence ("Say the word ..."); a random split
scores 99 % and means nothing. Train on one actress, test on the other. Archives
hold the whole tree twice.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from affekt.corpora.corpus import Clip, Corpus

NAME = re.compile(r"(OAF?|YAF)_([a-z]+)_([a-z]+)", re.IGNORECASE | re.ASCII)
SPEAKERS = {"OA": "OAF", "OAF": "OAF", "YAF": "YAF"}
AGES = {"OAF": 64, "YAF": 26}
EMOTIONS = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "surprise",
    "sad": "sad",
}


def parse(path: PurePosixPath) -> Clip | None:
    """Read one name, in any case; the sentence is the word that was spoken."""
    match = NAME.fullmatch(path.stem)
    if match is None or match[3].lower() not in EMOTIONS:
        return None
    speaker, word, emotion = SPEAKERS[match[1].upper()], match[2].lower(), match[3].lower()
    return Clip(
        name=f"{speaker}_{word}_{emotion}",
        label=EMOTIONS[emotion],
        speaker=speaker,
        sentence=word,
        sex="female",
        meta={"age": AGES[speaker]},
    )


CORPUS = Corpus(
    name="tess",
    title="TESS",
    languages=("English",),
    licence="CC BY-NC-ND 4.0",
    home="https://doi.org/10.5683/SP2/E8H2MF",
    clips=2800,
    speakers=2,
    labels=("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
    example="OAF_back_angry.wav",
    parse=parse,
)
