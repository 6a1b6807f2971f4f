"""Words, marks and emoji, and the numbers they become."""

import itertools

import numpy as np
import pytest

from affekt.errors import ModelError
from affekt.text.tokens import (
    CAPITALISED,
    CAPITALS,
    FIRST,
    GRAMS,
    LONGEST,
    PLAIN,
    STRETCHED,
    Vocabulary,
    grams_of,
    tokens_of,
)

WORDS = ("i", "am", "not", "happy", "n't", "do")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I don’t know", ["i", "do", "n't", "know"]),
        ("it's we'll I'm", ["it", "'s", "we", "'ll", "i", "'m"]),
        ("sooo goooood", ["soo", "good"]),
        ("😂😂 👍🏽 ❤️", ["😂", "😂", "👍", "❤"]),
        (":) :-( <3 ;)", [":)", ":-(", "<3", ";)"]),
        ("see https://a.b/c r/funny 3.50", ["see", "<link>", "<r/>", "<number>"]),
        ("[NAME] won!!!!!", ["[name]", "won", "!!!"]),
        ("", []),
        ("   ", []),
        ("n't", ["n't"]),
    ],
)
def test_words_of_a_text(text, words):
    assert [token.word for token in tokens_of(text)] == words


def test_how_words_are_written():
    assert [token.style for token in tokens_of("NO No no nooo I")] == [CAPITALS, CAPITALISED, PLAIN, STRETCHED, PLAIN]


def test_tokens_say_where_they_stand():
    text = "I DON'T know, 我很高兴 😂!"
    tokens = list(tokens_of(text))
    assert "".join(text[token.start : token.end] for token in tokens) == text.replace(" ", "")
    assert all(a.end <= b.start for a, b in itertools.pairwise(tokens))


def test_a_word_of_the_vocabulary_is_one_number_and_any_other_its_ngrams():
    encoded = Vocabulary(WORDS, 100).encode(["I am unhappy"])
    assert encoded[0, :2, 1].tolist() == [FIRST, FIRST + 1]
    assert not encoded[0, :2, 2:].any()
    assert encoded[0, 2, 1:].min() >= FIRST + len(WORDS)
    assert encoded.max() < Vocabulary(WORDS, 100).size


def test_texts_of_other_lengths_do_not_change_one():
    vocabulary = Vocabulary(WORDS, 100)
    alone = vocabulary.encode(["I am"])
    beside = vocabulary.encode(["I am", "a supercalifragilistic day it is"])
    assert np.array_equal(beside[0, :2, : alone.shape[2]], alone[0])
    assert not beside[0, 2:].any()


def test_nothing_is_padding():
    assert Vocabulary(WORDS, 100).encode([""]).tolist() == [[[0.0, 0.0]]]
    assert Vocabulary(WORDS, 100).encode([]).shape == (0, 1, 2)


def test_long_words_and_texts_are_bounded():
    encoded = Vocabulary(WORDS, 100).encode(["xyz" * 100_000, "a " * 10_000])
    assert encoded.shape == (2, LONGEST, 1 + GRAMS)


def test_stray_surrogates_have_ngrams_too():
    assert len(grams_of("\udce9\udce9", 50)) > 0


@pytest.mark.parametrize(("words", "buckets"), [((), 5), (("a", "a"), 5), (("a",), 0)])
def test_a_vocabulary_that_is_wrong(words, buckets):
    with pytest.raises(ModelError, match="vocabulary is wrong"):
        Vocabulary(words, buckets)
