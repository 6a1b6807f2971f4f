"""Cues in, predictions out: a network that counts words, so that what the stream makes of it is known."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from affekt.errors import InputError, ModelError
from affekt.labels import GOEMOTIONS, label_map
from affekt.models.card import Card
from affekt.text.captions import Cue
from affekt.text.stream import WORDS, TextInput, TextModel, TextOptions, TextSetup, takes, text_measures
from affekt.text.tokens import Vocabulary, first_tokens
from affekt.timeline.segments import Listener

VOCABULARY = ("i", "am", "happy", "sad", "so", "very", "!", "😂", "and")


def card(**changes):
    return Card("m", **{"modality": "text", "labels": ("happy", "sad"), "input": {"buckets": 50}, **changes})


@dataclass
class Counting:
    """An ONNX session that counts the words happy and sad."""

    metadata: dict = field(default_factory=lambda: {WORDS: "\n".join(VOCABULARY)})
    card: Card = field(default_factory=card)
    seen: list = field(default_factory=list)

    def run(self, tokens):
        self.seen.append(tokens.shape)
        numbers = Vocabulary(VOCABULARY, 50)
        counts = [(tokens[:, :, 1:] == numbers.numbers(word)[0]).sum(axis=(1, 2)) for word in ("happy", "sad")]
        logits = np.stack(counts, axis=1).astype(np.float32) * 3
        return logits, logits - 1.5


def stream(*, listener=None, threshold=0.0, model=None):
    network = TextModel(model or Counting())
    labels = label_map(None, network.card.labels)
    return TextSetup(network, labels, TextOptions(), threshold).stream(listener=listener)


def cue(text, start=0.0, end=0.0, who=None):
    return Cue(start, end, text, who)


def test_each_cue_has_its_prediction_with_its_words_and_times():
    live = stream()
    happy, sad = live.feed([cue("I am so happy!", 1, 2.5, "Ann"), cue("I am very sad", 3, 4)])
    assert (happy.label, happy.start, happy.end, happy.who, happy.text) == ("happy", 1, 2.5, "Ann", "I am so happy!")
    assert (sad.label, sad.modality) == ("sad", "text")
    assert sum(sad.scores.values()) == pytest.approx(1)
    assert live.position == 4
    assert live.flush() == []


def test_any_chunking_gives_the_same():
    cues = [cue("happy " * (i % 7 + 1) + "sad " * (i % 3) + "so " * (i % 40), i, i + 1) for i in range(150)]
    whole = stream().feed(cues)
    live = stream()
    pieces = [p for first in range(0, 150, 11) for p in live.feed(cues[first : first + 11])]
    assert pieces == whole
    assert [p.start for p in whole] == list(range(150))


def test_texts_of_one_length_go_together():
    model = Counting()
    stream(model=model).feed([cue("happy " * (i % 50 + 1)) for i in range(128)])
    assert sum(rows for rows, *_ in model.seen) == 128
    assert [tokens for _, tokens, _ in model.seen] == sorted(tokens for _, tokens, _ in model.seen)


def test_not_sure_says_why():
    (p,) = stream(threshold=0.9).feed([cue("I am so very happy and so very sad")])
    assert p.unsure
    assert p.reason == "the words themselves are ambiguous"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Ich bin sehr traurig heute", "words that the model does not know: 100%"),
        ("happy", "short: 1 word"),
        ("???", "no words"),
        ("我很高兴", "words that the model does not know: 100%"),
        ("I am so happy", ""),
        ("😂", "short: 1 word"),
    ],
)
def test_quality_says_what_is_wrong_with_the_words(text, reason):
    (p,) = stream().feed([cue(text)])
    assert p.reason == reason
    assert 0 <= p.quality <= 1
    assert (p.quality < 0.6) == bool(reason)


def test_measures_leave_marks_and_numbers_out():
    assert text_measures(
        [first_tokens("I am 30 !!!"), first_tokens("Foo bar 😂")], Vocabulary(VOCABULARY, 50)
    ).tolist() == [
        [1.0, 2.0],
        [pytest.approx(1 / 3), 3.0],
    ]


def test_a_listener_is_notified_of_every_cue():
    hops, regions, logits = [], [], []
    live = stream(listener=Listener(hops.append, lambda *times: regions.append(times), logits.append), threshold=1.0)
    live.feed([cue("happy", 1, 2), cue("sad", 3, 4)])
    assert [p.label for p in hops] == ["happy", "sad"]
    assert regions == [(1, 2), (3, 4)]
    assert logits[0].shape == (2, 2)


def test_nothing_fed_gives_nothing():
    live = stream()
    assert live.feed([]) == []
    assert live.position == 0
    assert live.flush() == []


def test_what_is_no_cue_is_refused():
    with pytest.raises(InputError, match="lists of Cue"):
        stream().feed(["I am happy"])
    live = stream()
    live.flush()
    with pytest.raises(InputError, match="was flushed"):
        live.feed([cue("happy")])


def test_labels_that_are_present_have_thresholds_of_their_own():
    model = Counting(card=card(input={"buckets": 50, "thresholds": [0.5, 0.9]}))
    found = TextModel(model).present(["happy sad", "so", "sad sad happy"])
    assert [list(row) for row in found] == [["happy"], [], ["sad", "happy"]]
    with pytest.raises(InputError, match="gives each text one label"):
        TextModel(Counting()).present(["happy"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modality": "face"}, "is one of face, not of text"),
        ({"input": {"buckets": 0}}, "buckets is 0"),
        ({"input": {"buckets": 5, "colour": 1}}, "its input has colour; upgrade affekt"),
        ({"input": {"buckets": 5, "thresholds": [0.5]}}, "not one threshold for each label"),
        ({"input": {"buckets": 5, "thresholds": [0.5, 2]}}, "not all between 0 and 1"),
    ],
)
def test_a_card_that_is_wrong(changes, message):
    with pytest.raises(ModelError, match=message):
        TextInput.of(card(**changes))


def test_a_model_without_words_is_refused():
    with pytest.raises(ModelError, match="brings no words"):
        TextModel(Counting(metadata={}))


def test_what_it_takes():
    assert takes(card()) == "Takes sentences; looks at the first 128 words of each."


def test_common_words_and_own_labels():
    common = label_map(None, GOEMOTIONS)
    assert list(common.sources) == ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    assert sorted(own for group in common.sources.values() for own in group) == sorted(GOEMOTIONS)
    assert list(label_map("goemotions", GOEMOTIONS).sources) == list(GOEMOTIONS)
    with pytest.warns(match="left out: surprise"):
        valence = label_map("valence", GOEMOTIONS)
    assert valence.sources["negative"] == (
        "anger", "annoyance", "disapproval", "disgust", "fear", "nervousness",
        "disappointment", "embarrassment", "grief", "remorse", "sadness",
    )  # fmt: skip


def test_a_map_of_common_words_says_what_it_loses():
    with pytest.warns(match="left out: disgust, fear, surprise"):
        four = label_map("four", GOEMOTIONS)
    assert four.sources["angry"] == ("anger", "annoyance", "disapproval")
    with pytest.warns(match="left out: admiration"):
        own = label_map("joy,grief", GOEMOTIONS)
    assert own.sources == {"joy": ("joy",), "grief": ("grief",)}
    with pytest.raises(InputError, match="unknown label 'joyy'"):
        label_map("joyy,sad", GOEMOTIONS)
