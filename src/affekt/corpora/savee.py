"""SAVEE: Surrey Audio-Visual Expressed Emotion.

Haq and Jackson (2009), Proc. AVSP, pages 53-58. For research, after registration.

Names: emotion and number, such as ``AudioData/DC/a01`` with the speaker as folder,
or ``DC_a01`` where the copy is flat; both give the id ``savee/DC_a01``.

Trap: the texts 01 to 03 are the same in every emotion (only the recordings show this, not the names). The others
belong to one emotion each, so their words give the label away. The sentence here is the number for the common texts,
``01``, and emotion and number for the others, ``a04``. Four speakers, all male: an interval over speakers is wide.
Neutral has 30 clips per speaker, every other emotion 15.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from affekt.corpora.corpus import Clip, Corpus

FLAT = re.compile(r"(DC|JE|JK|KL)_(sa|su|[adfhn])(\d{2})", re.ASCII)
COMMON = ("01", "02", "03")
EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fear",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprise",
}


def parse(path: PurePosixPath) -> Clip | None:
    """Read one name, flat (``DC_a01``) or below the speaker's folder (``DC/a01``)."""
    match = FLAT.fullmatch(path.stem) or FLAT.fullmatch(f"{path.parent.name}_{path.stem}")
    if match is None:
        return None
    speaker, emotion, number = match.groups()
    return Clip(
        name=f"{speaker}_{emotion}{number}",
        label=EMOTIONS[emotion],
        speaker=speaker,
        sentence=number if number in COMMON else f"{emotion}{number}",
        sex="male",
    )


CORPUS = Corpus(
    name="savee",
    title="SAVEE",
    languages=("English",),
    licence="research only, after registration",
    home="http://kahlan.eps.surrey.ac.uk/savee/",
    clips=480,
    speakers=4,
    labels=("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
    example="DC_a01.wav (or DC/a01.wav)",
    parse=parse,
)
