"""TurEV-DB: Turkish Emotion-Voice Database.

Canpolat, Ormanoğlu and Zeyrek (2020), Proc. SLTU, pages 368-375. CC BY-NC-ND 4.0.

Names: speaker_emotion_word, below a folder for the emotion, such as
``Sound Source/Sad/7895_hl_ogul``. The two letters stand for the emotion too and
must agree with the folder; where there is no emotion folder, they decide.

Trap: single words, not sentences, and speaker 1157 is only angry or sad: that
voice already gives half of the label away. Speaker 7895's sad ``ogul`` is called
``ogul1``; the word is ``ogul`` all the same. The names do not tell the sex.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from affekt.corpora.corpus import Clip, Corpus

NAME = re.compile(r"(\d{4})_(hl|kz|mt|sk)_([a-z]+)(\d?)", re.ASCII)
EMOTIONS = {"hl": "sad", "kz": "angry", "mt": "happy", "sk": "calm"}


def parse(path: PurePosixPath) -> Clip | str | None:
    """Read one name; a folder that contradicts it is a reason to skip the clip."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return None
    speaker, letters, word, _ = match.groups()
    label, folder = EMOTIONS[letters], path.parent.name.lower()
    if folder in EMOTIONS.values() and folder != label:
        return f"the folder says {folder}, the letters {letters} in the name say {label}"
    return Clip(path.stem, label, speaker, word, meta={"letters": letters})


CORPUS = Corpus(
    name="turev_db",
    title="TurEV-DB",
    languages=("Turkish",),
    licence="CC BY-NC-ND 4.0",
    home="https://aclanthology.org/2020.sltu-1.52/",
    clips=1735,
    speakers=6,
    labels=("angry", "calm", "happy", "sad"),
    example="Sad/7895_hl_ogul.wav",
    parse=parse,
)
