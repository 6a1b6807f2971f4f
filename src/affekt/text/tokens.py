"""From a text to the numbers a network takes: words, their characters, and how they are written.

The result depends only on the text and the vocabulary: no file, no
locale, no random numbers. A word of the vocabulary is one number; any other
word is the numbers of its character n-grams, hashed (Bojanowski et al.,
Enriching word vectors with subword information, 2017).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from affekt.errors import ModelError

#: How a token is written: nothing of note, CAPITALS, Capitalised, stretched (sooo).
PLAIN, CAPITALS, CAPITALISED, STRETCHED = 1, 2, 3, 4
#: The first number of a word; those before are padding and how a token is written.
FIRST = 5
#: N-grams of a word that is not in the vocabulary.
GRAMS = 15
#: Most tokens of a text that are used.
LONGEST = 128

_EMOTICON = (
    r"(?:<3+|</3|[:;=xX8]['`]?[-o^]?[)(\]\[DPpOo/\\|*3@$]+(?![A-Za-z0-9])|\^[._-]?\^|[oO>T;-][._][oO<T;-](?!\w))"
)
_TOKEN = re.compile(
    rf"https?://\S+|www\.\S+|\[[A-Za-z]+\]|[ur]/\w+|{_EMOTICON}"
    r"|\d+(?:[.,:]\d+)*%?"
    r"|[^\W\d_]+(?:['’`´][^\W\d_]+)*"
    r"|!+|\?+|\.{2,}|[!?]{2,}"
    r"|\S[\u200d\ufe0f\U0001f3fb-\U0001f3ff]*"
)
_ENDING = re.compile(r"^(.+?)(n't|'(?:s|m|re|ve|ll|d))$")
_STRETCH = re.compile(r"(\w)\1{2,}")
_MODIFIERS = "\u200d\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
_APOSTROPHES = str.maketrans("’`´‘", "''''")


class Token(NamedTuple):
    """A word, a mark or an emoji of a text.

    Parameters
    ----------
    word : str
        As the vocabulary has it.
    style : int
        How it is written.
    start, end : int
        Where it stands: characters of the text.
    """

    word: str
    style: int
    start: int
    end: int


def tokens_of(text: str) -> Iterator[Token]:
    """The tokens of a text, in order.

    Examples
    --------
    >>> [token.word for token in tokens_of("I DON'T know... 😂 :)")]
    ['i', 'do', "n't", 'know', '...', '😂', ':)']
    """
    for found in _TOKEN.finditer(text):
        start = found.start()
        for word, style, first, last in _read(found.group()):
            yield Token(word, style, start + first, start + last)


@lru_cache(1 << 16)
def _read(raw: str) -> tuple[tuple[str, int, int, int], ...]:
    """Split the text between two spaces into words, each with its style and its place."""
    if not raw[0].isalpha() or raw.startswith(("http", "www.")) or "/" in raw:
        return ((_sign(raw), PLAIN, 0, len(raw)),)
    word = raw if raw.isascii() else unicodedata.normalize("NFKC", raw).translate(_APOSTROPHES)
    word, style = word.lower(), PLAIN
    if _STRETCH.search(word):
        word, style = _STRETCH.sub(r"\1\1", word), STRETCHED
    elif raw.isupper() and len(raw) > 1:
        style = CAPITALS
    elif raw[0].isupper() and len(raw) > 1:
        style = CAPITALISED
    ending = _ENDING.match(word)
    if ending is None:
        return ((word, style, 0, len(raw)),)
    middle = max(1, len(raw) - len(ending[2]))
    return ((ending[1], style, 0, middle), (ending[2], PLAIN, middle, len(raw)))


def _sign(raw: str) -> str:
    """What is no word, as the vocabulary has it."""
    if raw[0].isdigit():
        return "<number>"
    if raw.startswith(("http", "www.")):
        return "<link>"
    if raw.startswith("[") and len(raw) > 2:
        return raw.lower()
    if raw.startswith(("u/", "r/")):
        return f"<{raw[0]}/>"
    if raw[0] in "!?.":
        return raw[:3]
    return unicodedata.normalize("NFKC", raw).translate(_APOSTROPHES).rstrip(_MODIFIERS) or raw


@lru_cache(1 << 16)
def is_word(word: str) -> bool:
    """Whether a token is a word or an emoji, not a number, a link or a mark.

    Examples
    --------
    >>> [is_word(word) for word in ("yes", "😂", "很", "<number>", "!!", "。", "“")]
    [True, True, True, False, False, False, False]
    """
    return word[0].isalpha() or unicodedata.category(word[0]) == "So"


def grams_of(word: str, buckets: int) -> list[int]:
    """The buckets of a word's n-grams of 3 to 5 characters, its ends marked, at most ``GRAMS``.

    Examples
    --------
    >>> len(grams_of("yay", 100))
    6
    """
    marked = f"<{word}>"
    found = [marked[i : i + n] for n in (3, 4, 5) for i in range(len(marked) - n + 1)] or [marked]
    return [crc32(gram.encode("utf-8", "surrogatepass")) % buckets for gram in found[:GRAMS]]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words that a network knows, and how many buckets it has for the n-grams of all others.

    Parameters
    ----------
    words : sequence of str
        Their numbers count from ``FIRST``.
    buckets : int
        Their numbers come after the words'.

    Examples
    --------
    >>> Vocabulary(("good",), 50).encode(["good", "Good!"])[:, :, :2].astype(int).tolist()
    [[[1, 5], [0, 0]], [[3, 5], [1, 20]]]
    """

    words: Sequence[str]
    buckets: int
    _numbers: dict[str, tuple[int, ...]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.buckets < 1 or not self.words or len(set(self.words)) < len(self.words):
            raise ModelError("the model's vocabulary is wrong: it has no words, one twice, or no buckets.")
        self._numbers.update((word, (number,)) for number, word in enumerate(self.words, FIRST))

    @property
    def size(self) -> int:
        """Rows of the network's table."""
        return FIRST + len(self.words) + self.buckets

    def numbers(self, word: str) -> tuple[int, ...]:
        """The rows of a word: its own, or those of its n-grams."""
        known = self._numbers.get(word)
        if known is None:
            first = FIRST + len(self.words)
            known = tuple(first + bucket for bucket in grams_of(word, self.buckets))
        return known

    def knows(self, word: str) -> bool:
        """Whether a word is one of the vocabulary's."""
        return word in self._numbers

    def rows(self, tokens: Sequence[Token]) -> list[tuple[int, ...]]:
        """Of each token how it is written, then the rows of its word."""
        known = self._numbers
        return [(token.style, *(known.get(token.word) or self.numbers(token.word))) for token in tokens]

    def padded(self, rows: Sequence[Sequence[tuple[int, ...]]]) -> NDArray[np.float32]:
        """The rows of several texts as an array (b, t, 1 + g), with 0 for padding; of an empty text all is padding."""
        longest = max((len(row) for row in rows), default=1) or 1
        widest = max((len(token) for row in rows for token in row), default=2)
        nothing = (0,) * widest
        full = [[token + nothing[len(token) :] for token in row] + [nothing] * (longest - len(row)) for row in rows]
        return np.array(full, np.float32).reshape(len(rows), longest, widest)

    def encode(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """What a network takes for texts, shape (b, t, 1 + g) with g up to ``GRAMS``."""
        return self.padded([self.rows(first_tokens(text)) for text in texts])


def first_tokens(text: str) -> list[Token]:
    """The tokens of a text that are looked at: the first ``LONGEST``."""
    return list(islice(tokens_of(text), LONGEST))
