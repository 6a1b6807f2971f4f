"""Sentences about recordings, reworded for pictures: each sentence of an audit is written only once."""

from __future__ import annotations

import re
from dataclasses import replace

from affekt.data.findings import Finding

#: Words of speech to those of another modality, longer ones first; a word is replaced as a whole.
WORDS: dict[str, dict[str, str]] = {
    "speech": {},
    "face": {
        "find out who speaks and split": "find out who they are and split",
        "who recognises the corpus by its sound": "who recognises the corpus by its looks",
        "no speech was found": "no face was found",
        "spoken by one speaker only": "shown by one person only",
        "record more speakers": "add more people",
        "without sound": "without looking at a face",
        "nobody recorded": "nobody took",
        "listen, and": "look, and",
        "recordings": "pictures", "recording": "picture", "Recordings": "Pictures",
        "clips": "pictures", "clip": "picture", "Clips": "Pictures",
        "speakers": "people", "speaker": "person", "Speakers": "People", "Speaker": "Person",
        "voices": "faces", "voice": "face",
    },
}  # fmt: skip


def in_words_of(modality: str, text: str) -> str:
    """Reword a sentence about recordings and speakers for another modality.

    Examples
    --------
    >>> in_words_of("face", "some speakers are unknown: the intervals treat them as one.")
    'some people are unknown: the intervals treat them as one.'
    """
    words = WORDS[modality]
    if not words:
        return text
    found = re.compile(rf"\b({'|'.join(map(re.escape, words))})\b")
    return found.sub(lambda match: words[match[0]], text)


def finding_in_words_of(modality: str, finding: Finding) -> Finding:
    """Reword a finding for a modality; its examples are names and stay as they are."""
    return replace(
        finding,
        name=in_words_of(modality, finding.name),
        what=in_words_of(modality, finding.what),
        inflates=in_words_of(modality, finding.inflates),
        remedy=in_words_of(modality, finding.remedy),
        stamp=in_words_of(modality, finding.stamp),
    )
