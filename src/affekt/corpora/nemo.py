"""nEMO: a Polish emotional speech corpus.

Christop (2024), Proc. LREC-COLING, arXiv:2404.06292. CC BY-NC-SA 4.0.

Names: speaker_emotion_sentence, such as ``EB0_anger_1``. The names do not tell
the sex of a speaker, so it is ``None``.

Trap: nine speakers, and the same 90 sentences in every emotion: split by
speaker. Speaker MP0 has half as many clips as the others.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from affekt.corpora.corpus import Clip, Corpus

NAME = re.compile(
    r"(EB0|IC0|KD0|KS0|MK0|MP0|SM0|TP0|WR0)_(anger|fear|happiness|neutral|sadness|surprised)_([1-9]\d?)", re.ASCII
)
EMOTIONS = {
    "anger": "angry",
    "fear": "fear",
    "happiness": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprised": "surprise",
}


def parse(path: PurePosixPath) -> Clip | None:
    """Read one name."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return None
    speaker, emotion, sentence = match.groups()
    return Clip(path.stem, EMOTIONS[emotion], speaker, sentence)


CORPUS = Corpus(
    name="nemo",
    title="nEMO",
    languages=("Polish",),
    licence="CC BY-NC-SA 4.0",
    home="https://github.com/amu-cai/nEMO",
    clips=4481,
    speakers=9,
    labels=("angry", "fear", "happy", "neutral", "sad", "surprise"),
    example="EB0_anger_1.wav",
    parse=parse,
)
