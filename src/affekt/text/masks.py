"""Masks of a text for occlusion: words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError
from affekt.text.tokens import tokens_of


class WordMasker:
    """A text whose words can be left out.

    Words are those of the tokeniser, with endings such as n't separate: "not"
    and "n't" are words. Punctuation marks and emoji are words, too.

    Parameters
    ----------
    text : str

    Attributes
    ----------
    text : str
    signal : str array, shape (n,)
        Its characters.
    places : tuple of (start, end)
        Of the words: characters of the text.
    shape : (w, 1)
        Words.

    Raises
    ------
    InputError
        If the text has no words.

    Examples
    --------
    >>> masker = WordMasker("I don't care :(")
    >>> str(masker.masked([False, False, True, False, False]))
    'I do    care :('
    """

    def __init__(self, text: str) -> None:
        self.text, self.signal = text, np.array(list(text) or [""])
        self.places = tuple((token.start, token.end) for token in tokens_of(text))
        if not self.places:
            raise InputError(f"{text[:40]!r} has no words to leave out.")
        self.shape = (len(self.places), 1)

    def masked(self, words: NDArray[np.bool_] | Sequence[bool]) -> NDArray[np.str_]:
        """The text, as an array without axes, with blanks for the words (w,) that are True."""
        text = list(self.text)
        for (start, end), is_masked in zip(self.places, np.ravel(words), strict=True):
            if is_masked:
                text[start:end] = " " * (end - start)
        return np.array("".join(text))
