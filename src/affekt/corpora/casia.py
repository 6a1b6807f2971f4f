"""CASIA: Chinese emotional speech corpus of the Institute of Automation, Chinese Academy of Sciences.

Distributed by the Chinese Linguistic Data Consortium, for research.

Names: speaker/emotion/number, such as ``liuchanhg/angry/201``; some copies have all three in one
name, in any order: ``201-angry-liuchanhg``, ``liuchanhg_angry_201``. The emotions are angry,
fear, happy, neutral (in one part ``normal``), sad and surprise. Of the four speakers two
are men and two women; the names do not tell which, so the sex is ``None``.

The whole corpus is two parts of equal layout: 300 texts that everyone reads in every
emotion, and 100 more for each emotion whose words fit it (``不同文本100``, where speakers
are spelled ``Chang.Liu``). A number there has a ``d`` before it, and the sentence is
``angry-d001``, as a number is a different text in each emotion. Most copies in circulation
are an excerpt of 1,200 clips, the texts 201 to 250.

Trap: four speakers, and the same sentences in every emotion: split by speaker. In the
second part, the words give the label away.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from affekt.corpora.corpus import Clip, Corpus

SPEAKERS = {
    "liuchanhg": "liuchanhg", "liuchang": "liuchanhg", "chang.liu": "liuchanhg",
    "wangzhe": "wangzhe", "zhe.wang": "wangzhe",
    "zhaoquanyin": "zhaoquanyin", "quanyin.zhao": "zhaoquanyin",
    "zhaozuoxiang": "zhaozuoxiang", "zuoxiang.zhao": "zhaozuoxiang",
}  # fmt: skip
EMOTIONS = {
    "angry": "angry",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "normal": "neutral",
    "sad": "sad",
    "surprise": "surprise",
}
NUMBER = re.compile(r"(d?)(\d{3})", re.ASCII)
OWN_TEXTS = "不同文本"


def parse(path: PurePosixPath) -> Clip | str | None:
    """Read the words of a path; two speakers or two emotions in it are a reason to skip the clip."""
    parts = [part.lower() for part in (*path.parent.parts, path.stem)]
    words = [word for part in parts for word in re.split("[-_]", part)]
    speakers = {SPEAKERS[word] for word in words if word in SPEAKERS}
    emotions = {EMOTIONS[word] for word in words if word in EMOTIONS}
    numbers = [match for word in re.split("[-_]", parts[-1]) if (match := NUMBER.fullmatch(word))]
    if not speakers or not emotions or len(numbers) != 1:
        return None
    if len(speakers) > 1 or len(emotions) > 1:
        return f"the path says {' and '.join(sorted(speakers if len(speakers) > 1 else emotions))}"
    [speaker], [emotion], [number] = speakers, emotions, numbers
    own = bool(number[1]) or any("." in word for word in words if word in SPEAKERS) or OWN_TEXTS in "".join(parts)
    text = f"d{number[2]}" if own else number[2]
    return Clip(f"{speaker}_{emotion}_{text}", emotion, speaker, f"{emotion}-{text}" if own else text)


CORPUS = Corpus(
    name="casia",
    title="CASIA",
    languages=("Mandarin",),
    licence="research only",
    home="http://www.chineseldc.org/",
    clips=9600,
    speakers=4,
    labels=("angry", "fear", "happy", "neutral", "sad", "surprise"),
    example="liuchanhg/angry/201.wav",
    parse=parse,
)
