"""Words that are left out."""

import pytest

from affekt.errors import InputError
from affekt.text.masks import WordMasker


def test_nothing_masked_is_the_text_and_all_masked_is_blank():
    masker = WordMasker("I DON'T care :( 😂")
    assert str(masker.masked([False] * masker.shape[0])) == masker.text
    assert not str(masker.masked([True] * masker.shape[0])).strip()


def test_words_keep_their_places():
    masker = WordMasker("not happy, not sad")
    for i, (start, end) in enumerate(masker.places):
        left = str(masker.masked([j == i for j in range(masker.shape[0])]))
        assert len(left) == len(masker.text)
        assert left[:start] + masker.text[start:end] + left[end:] == masker.text


def test_a_text_without_words():
    with pytest.raises(InputError, match="has no words to leave out"):
        WordMasker("  ")
