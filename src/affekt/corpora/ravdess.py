"""RAVDESS: Ryerson Audio-Visual Database of Emotional Speech and Song (speech, audio only).

Livingstone and Russo (2018), PLoS ONE 13(5): e0196391. CC BY-NC-SA 4.0.

Names: modality-channel-emotion-intensity-statement-repetition-actor, such as
``03-01-05-02-01-01-12``; an even actor is female. Modality 01 is video with
sound, 02 video alone, 03 sound alone; channel 01 is speech, 02 song. Only 03-01
is read: the other modalities are the same takes again.

Trap: every clip has near-duplicates (2 sentences x 2 repetitions x 2 intensities), so
a split that is not by speaker leaks. The archive may hold the whole tree twice.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from affekt.corpora.corpus import Clip, Corpus

NAME = re.compile(r"(0[123])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])", re.ASCII)
EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
INTENSITIES = {"01": "normal", "02": "strong"}
OTHER_MODALITIES = {"01": "video with sound", "02": "video without sound"}


def parse(path: PurePosixPath) -> Clip | str | None:
    """Read one name; anything but spoken audio gives the reason to skip it."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return None
    modality, channel, emotion, intensity, statement, repetition, actor = match.groups()
    if modality in OTHER_MODALITIES:
        return f"modality {modality} is {OTHER_MODALITIES[modality]}; only 03 (audio) is read"
    if channel == "02":
        return "channel 02 is song; only 01 (speech) is read"
    return Clip(
        name=path.stem,
        label=EMOTIONS[emotion],
        speaker=actor,
        sentence=statement,
        sex="male" if int(actor) % 2 else "female",
        meta={"intensity": INTENSITIES[intensity], "repetition": int(repetition)},
    )


CORPUS = Corpus(
    name="ravdess",
    title="RAVDESS",
    languages=("English",),
    licence="CC BY-NC-SA 4.0",
    home="https://zenodo.org/records/1188976",
    clips=1440,
    speakers=24,
    labels=("angry", "calm", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
    example="03-01-05-02-01-01-12.wav",
    parse=parse,
)
