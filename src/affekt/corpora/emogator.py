"""EmoGator: vocal bursts (laughs, sighs, moans, groans) in 30 categories of emotion.

Buhl (2023), arXiv:2301.00508. Apache 2.0.

Names: contributor-category-instance, such as ``000001-03-2``: contributors 000001 to
000357, each with three instances of all categories 01 to 30. Nothing tells sex, age
or language.

The categories are finer than affekt's words, so the mapping is lossy: amusement,
ecstasy, elation and triumph all become ``happy``, disappointment and sadness become
``sad``, and bad and good surprise become ``surprise``.
A category without a matching word (awe, contempt, pride, ...) gives no label:
13,923 clips have one, 18,207 have none. ``meta["category"]`` keeps all thirty.

Trap: this is not speech. There are no words, hence no sentence. affekt's speech detector
takes most bursts for speech, so it does not keep them out. If you train or
evaluate a speech model on them, say so. The three instances of a category are takes
of one person, and in 20 cases two of them are the same file: split by contributor.
Sampling rate and channels differ by contributor (48 kHz, 44.1 kHz; 1,706 clips in stereo).
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from affekt.corpora.corpus import Clip, Corpus

NAME = re.compile(r"(000(?!000)(?:[0-2]\d\d|3[0-4]\d|35[0-7]))-(0[1-9]|[12]\d|30)-([123])", re.ASCII)
#: In the order of the published list: the first is 01.
CATEGORIES = (
    "adoration", "amusement", "anger", "awe", "confusion", "contempt", "contentment", "desire", "disappointment",
    "disgust", "distress", "ecstasy", "elation", "embarrassment", "fear", "guilt", "interest", "neutral", "pain",
    "pride", "realization", "relief", "romantic love", "sadness", "serenity", "shame", "surprise (negative)",
    "surprise (positive)", "sympathy", "triumph",
)  # fmt: skip
#: affekt's words, and the categories that each stands for.
EMOTIONS: dict[str, tuple[str, ...]] = {
    "angry": ("anger",),
    "calm": ("serenity",),
    "disgust": ("disgust",),
    "fear": ("fear",),
    "happy": ("amusement", "ecstasy", "elation", "triumph"),
    "neutral": ("neutral",),
    "sad": ("disappointment", "sadness"),
    "surprise": ("surprise (negative)", "surprise (positive)"),
}
LABELS = {category: label for label, group in EMOTIONS.items() for category in group}


def parse(path: PurePosixPath) -> Clip | None:
    """Read one name; the label is ``None`` for a category without a word in affekt."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return None
    contributor, number, instance = match.groups()
    category = CATEGORIES[int(number) - 1]
    meta = {"category": category, "repetition": int(instance)}
    return Clip(path.stem, LABELS.get(category), contributor, meta=meta)


CORPUS = Corpus(
    name="emogator",
    title="EmoGator",
    languages=(),
    licence="Apache 2.0",
    home="https://github.com/fredbuhl/EmoGator",
    clips=32130,
    speakers=357,
    labels=tuple(EMOTIONS),
    example="000001-03-2.mp3",
    parse=parse,
)
