"""Words that an answer rests on: known answers with a score that is known, and the law of deletion with the model."""

import numpy as np
import pytest

from affekt.errors import InputError
from affekt.explain.occlusion import deletion, label_score
from affekt.explain.sentence import Highlights, highlight, highlights
from affekt.plot.highlight import coloured, highlight_page
from affekt.recognize.recognizer import Recognizer
from affekt.text.captions import Text
from affekt.text.masks import WordMasker
from affekt.types import Prediction

TEXTS = (
    "I am so happy that we finally won the game yesterday.",
    "It was a long day and I am really sad about what happened.",
    "What the hell is wrong with you, this makes me so angry.",
    "Thank you so much for the flowers on the table.",
    "The thought of walking home alone at night scares me.",
)


def counting(word):
    return lambda texts: np.array([float(str(text).split().count(word)) for text in texts])


def test_the_word_that_counts_has_the_weight():
    found = highlights(WordMasker("a bad day is a bad day"), counting("bad"), label="bad")
    assert found.values.tolist() == [0, 1, 0, 0, 0, 1, 0]
    assert found.shares.max() == 1
    assert found.sentence == 'bad rests on "bad" (+1.0), "bad" (+1.0).'


def test_a_word_against_the_label_is_negative():
    found = highlights(WordMasker("not bad"), lambda texts: -counting("not")(texts), label="bad")
    assert found.values.tolist() == [-1, 0]
    assert found.sentence == 'no single word makes it bad; against it: "not" (-1.0).'


def test_weights_that_are_nothing_highlight_nothing():
    found = Highlights("a b", "x", ((0, 1), (2, 3)), np.array([1e-4, -1e-4]))
    assert found.shares.tolist() == [0, 0]
    assert coloured(found) == "a b"


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer("text", threshold=0)


def test_leaving_out_the_heaviest_words_first_loses_the_label_soonest(recognizer):
    rng, areas = np.random.default_rng(0), []
    for text in TEXTS:
        (p,) = recognizer.predict(Text(text))
        masker, score = WordMasker(text), label_score(recognizer, p.best)
        values = highlight(recognizer, p).values
        orders = [np.argsort(-values), *(rng.permutation(len(values)) for _ in range(5)), np.argsort(values)]
        curves = [deletion(masker, score, order).area for order in orders]
        areas.append([curves[0], np.mean(curves[1:-1]), curves[-1]])
    first, random, last = np.mean(areas, axis=0)
    assert first < random < last


def test_what_is_no_text_has_no_words(recognizer):
    with pytest.raises(InputError, match="has no words; give one of a text"):
        highlight(recognizer, Prediction(0, 1, {"happy": 1.0}))


def test_a_page_shows_every_sentence_as_text(recognizer):
    result = recognizer.analyse(Text("I am <b>so</b> happy. & you?"))
    page = highlight_page(result, [highlight(recognizer, p) for p in result.predictions])
    assert "<b>so" not in page
    assert "&amp;" in page
    assert page.count('class="row"') == len(result.predictions)
    assert "http" not in page


def test_highlighted_words_keep_the_text():
    found = Highlights("one <two> three", "x", ((0, 3), (5, 8), (10, 15)), np.array([1.0, -0.5, 0.01]))
    html = coloured(found)
    assert html.startswith('<mark class="for"')
    assert "&lt;<mark" in html
    assert html.endswith("&gt; three")
