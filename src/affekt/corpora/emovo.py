"""EMOVO: an Italian emotional speech corpus.

Costantini, Iaderola, Paoloni and Todisco (2014), Proc. LREC, pages 3501-3504. For research.

Names: emotion-speaker-sentence, such as ``rab-f1-b1``: speakers f1-f3 are female,
m1-m3 male; 14 sentences, each spoken once per emotion and speaker.

Trap: six speakers, and all say the same 14 sentences: split by speaker. Some of
the sentences make no sense on purpose.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from affekt.corpora.corpus import Clip, Corpus

NAME = re.compile(r"(dis|gio|neu|pau|rab|sor|tri)-([fm][123])-([bdln]\d)", re.ASCII)
EMOTIONS = {
    "dis": "disgust",
    "gio": "happy",
    "neu": "neutral",
    "pau": "fear",
    "rab": "angry",
    "sor": "surprise",
    "tri": "sad",
}
SEXES = {"f": "female", "m": "male"}


def parse(path: PurePosixPath) -> Clip | None:
    """Read one name; the folder, which repeats the speaker, is not needed."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return None
    emotion, speaker, sentence = match.groups()
    return Clip(path.stem, EMOTIONS[emotion], speaker, sentence, SEXES[speaker[0]])


CORPUS = Corpus(
    name="emovo",
    title="EMOVO",
    languages=("Italian",),
    licence="research only",
    home="https://aclanthology.org/L14-1478/",
    clips=588,
    speakers=6,
    labels=("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
    example="rab-f1-b1.wav",
    parse=parse,
)
