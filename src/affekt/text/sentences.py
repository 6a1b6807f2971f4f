"""Where sentences end, by rules: marks, abbreviations, quotation marks, blank lines; of any script that marks ends."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Characters of a sentence; a longer one is cut between two words.
LONGEST = 600

#: Words before a full stop that do not end a sentence.
_ABBREVIATIONS = frozenset(
    """
    mr mrs ms dr prof rev st sr jr gen col capt lt sgt gov sen rep hon vs etc eg ie cf al ca approx dept est fig figs
    inc ltd co corp no nos vol pp ed eds ave blvd rd mt ft jan feb mar apr jun jul aug sep sept oct nov dec mon tue
    wed thu fri sat sun bzw usw ggf evtl nr str hr fr mme mlle sra dra ud uds e.g i.e u.s u.k a.m p.m z.b d.h
    """.split()  # noqa: SIM905
)
#: Those that end one where a capital follows, as often as not.
_MAY_END = frozenset(["a.m", "al", "co", "corp", "etc", "inc", "jr", "ltd", "p.m", "sr", "u.k", "u.s", "usw"])
_CLOSING = "\"'”’»)\\]}』」》〉"
# Ends of Latin, Greek and Cyrillic scripts, which a blank follows; and of others, which stand alone.
_END = re.compile(rf"[.!?…‽؟۔।॥։።]+[{_CLOSING}]*(?=\s)|[。！？｡]+[{_CLOSING}]*")
_WORD_BEFORE = re.compile(r"([^\s(\"'“‘«]+)$")
_INITIAL = re.compile(r"^[^\W\d_]$")
#: A line of at least this many characters may have been wrapped.
_WRAPPED = 50


def sentences_of(text: str) -> Iterator[str]:
    """The sentences of a text, in order, without blanks around them and line breaks within.

    A blank line ends a sentence. The end of a line ends one too, unless the
    next line begins with a small letter or the line is long enough to have been
    wrapped. A sentence of more than ``LONGEST`` characters is cut between words.

    Examples
    --------
    >>> list(sentences_of('Dr. Who came at 3.30 p.m. yesterday. "Why?" she asked. 我很高兴。真的吗？'))
    ['Dr. Who came at 3.30 p.m. yesterday.', '"Why?" she asked.', '我很高兴。', '真的吗？']
    """
    for block in _blocks(text):
        start = 0
        for found in _END.finditer(block):
            if _ends(block, start, found):
                yield from _cut(block[start : found.end()])
                start = found.end()
        yield from _cut(block[start:])


def _blocks(text: str) -> Iterator[str]:
    """Lines that belong together, joined."""
    block: list[str] = []
    for line in text.splitlines():
        line = line.strip()
        if block and not (line and _goes_on(block[-1], line)):
            yield " ".join(block)
            block = []
        if line:
            block.append(line)
    if block:
        yield " ".join(block)


def _goes_on(line: str, following: str) -> bool:
    if following[0].islower():
        return True
    return len(line) >= _WRAPPED and not _END.search(line[-4:] + " ")


def _ends(block: str, start: int, found: re.Match[str]) -> bool:
    """Whether a mark ends a sentence."""
    mark = found.group()
    if mark[0] in "。！？｡":
        return True
    following = block[found.end() : found.end() + 40].lstrip().lstrip("\"'“‘«([")
    if following[:1].islower():
        return False
    if mark != ".":
        return True
    word = _WORD_BEFORE.search(block[max(start, found.start() - 20) : found.start()])
    if word is None:
        return True
    before = word[1].lower()
    if before == "no":
        return not following[:1].isdigit()
    return before in _MAY_END or (before not in _ABBREVIATIONS and not (_INITIAL.match(before) and before != "i"))


def _cut(sentence: str) -> Iterator[str]:
    """A sentence without blanks around it, in pieces where it is too long; nothing of an empty one."""
    sentence = sentence.strip()
    start = 0
    while len(sentence) - start > LONGEST:
        end = sentence.rfind(" ", start + 1, start + LONGEST + 1)
        end = start + LONGEST if end < 0 else end
        yield sentence[start:end].strip()
        start = end
    if rest := sentence[start:].strip():
        yield rest
