"""The model ``text`` that ships: files in, results out; live streams; a challenge set, reported and not aimed at."""

import csv
import io
import json
from pathlib import Path

import jsonschema
import pytest

from affekt.errors import InputError, LossWarning, TextError, TextWarning, UnknownName
from affekt.labels import GOEMOTIONS
from affekt.recognize.live_text import LiveText, cue_of, open_live
from affekt.recognize.modalities import extensions, modality
from affekt.recognize.recognizer import Recognizer
from affekt.text.captions import Cue, Text
from affekt.text.masks import WordMasker
from affekt.types import Sample
from affekt.write.predictions import WRITERS, document

ROOT = Path(__file__).parent.parent
SCHEMA = json.loads((ROOT / "docs" / "predictions-2.schema.json").read_text(encoding="utf-8"))
SRT = (
    "1\n00:00:01,000 --> 00:00:03,000\nI am so happy for you!\n\n"
    "2\n00:00:04,000 --> 00:00:05,000\nI'm so sad and lonely.\n"
)


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer("text")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I am so happy for you, congratulations!", "happy"),
        ("I'm so sad and lonely, I cried all night.", "sad"),
        ("How dare you, I am so angry at you!", "angry"),
        ("I am terrified and scared of spiders.", "fear"),
        ("That is disgusting, it makes me sick.", "disgust"),
        ("Wow, I am so surprised, I did not expect that!", "surprise"),
        ("The meeting starts at nine.", "neutral"),
    ],
)
def test_plain_sentences(recognizer, text, label):
    (p,) = recognizer.predict(Text(text))
    assert p.best == label
    assert p.text == text


def test_subtitles_keep_their_times(recognizer, tmp_path):
    path = tmp_path / "film.srt"
    path.write_text(SRT)
    result = recognizer.analyse(path)
    assert [(p.start, p.end, p.best) for p in result.predictions] == [(1, 3, "happy"), (4, 5, "sad")]
    assert result.duration == 5
    assert result.summary.best == "happy"  # two seconds of three
    assert result.warnings == ()
    jsonschema.validate(document([result]), SCHEMA)


def test_what_is_odd_is_a_warning_and_part_of_the_result(recognizer):
    with pytest.warns(TextWarning, match="the two were exchanged"):
        result = recognizer.analyse(b"1\n0:0:5 --> 0:0:3\nHello\n")
    assert len(result.warnings) == 1


def test_nothing_to_read_abstains(recognizer):
    with pytest.warns(TextWarning, match="holds no words"):
        result = recognizer.analyse(b"")
    assert result.predictions == ()
    assert result.summary.best is None
    assert result.summary.modality == "text"


def test_one_emoji_is_a_sentence(recognizer):
    (p,) = recognizer.predict("😂".encode())
    assert p.best is not None
    assert p.text == "😂"
    assert p.quality < 0.6
    assert p.reason == "short: 1 word"


@pytest.mark.parametrize("text", ["Ich bin wirklich sehr traurig heute", "Мне очень грустно сегодня", "我今天很难过"])
def test_other_languages_are_not_known_and_it_says_so(recognizer, text):
    (p,) = recognizer.predict(Text(text))
    assert p.quality < 0.6
    assert "does not know" in p.reason


def test_binary_is_refused(recognizer):
    with pytest.raises(TextError, match="is a PDF"):
        recognizer.analyse(b"%PDF-1.7")


def test_all_writers_take_a_text(recognizer, tmp_path):
    path = tmp_path / "film.srt"
    path.write_text(SRT)
    result = recognizer.analyse(path)
    for name, write in WRITERS.items():
        file = io.StringIO()
        write([result], file)
        assert file.getvalue(), name
    lines = io.StringIO()
    WRITERS["jsonl"]([result], lines)
    assert json.loads(lines.getvalue())["segments"][0]["text"] == "I am so happy for you!"


def test_own_labels_and_common_words(recognizer):
    assert recognizer.labels == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    own = Recognizer("text", labels="goemotions")
    assert own.labels == GOEMOTIONS
    (p,) = own.predict(Text("Thank you so much!"))
    assert p.best == "gratitude"
    assert next(iter(own.network.present(["Thank you so much!"])[0])) == "gratitude"
    with pytest.warns(LossWarning, match="left out: disgust, fear, surprise"):
        four = Recognizer("text", labels="four")
    assert four.labels == ("angry", "happy", "neutral", "sad")
    with pytest.raises(UnknownName, match="unknown label 'angri': did you mean 'angry'"):
        Recognizer("text", labels="angri,sad")


def test_scores_of_words_are_sums_of_own_scores(recognizer):
    (common,) = recognizer.predict(Text("I love it, thank you."))
    (own,) = Recognizer("text", labels="goemotions").predict(Text("I love it, thank you."))
    for word, group in recognizer.label_map.sources.items():
        assert common.scores[word] == pytest.approx(sum(own.scores[label] for label in group), abs=1e-6)


def test_the_row_of_the_modality():
    row = modality("text")
    assert {"txt", "srt", "vtt", "csv"} <= extensions("text")
    assert not extensions("text") & extensions()
    assert row.load("masks") is WordMasker
    assert row.load("live") is open_live
    assert row.load("warning") is TextWarning


def test_what_other_modalities_have_is_refused(recognizer):
    with pytest.raises(InputError, match="are for sound"):
        recognizer.reading(channel="left")
    with pytest.raises(InputError, match="are for speech"):
        recognizer.with_baseline(running=True)
    with pytest.raises(InputError, match="smoothing is no option of text; allowed: none"):
        recognizer.with_options(smoothing=1)


def test_a_sample_is_a_stretch(recognizer, tmp_path):
    path = tmp_path / "film.srt"
    path.write_text(SRT)
    (p,) = recognizer.analyse(Sample("a", str(path), start=3.5)).predictions
    assert (p.start, p.end, p.best) == (0.5, 1.5, "sad")


def test_live_messages_are_answered_at_once(recognizer):
    live = open_live(recognizer)
    (event,) = live.feed('{"text": "I am so happy for you!", "start": 1, "end": 2, "who": "Ann"}')
    assert (event.type, event.fields["label"], event.fields["who"], event.time) == ("segment", "happy", "Ann", 2.0)
    assert event.fields["text"] == "I am so happy for you!"
    live.feed({"text": "Great!"})
    (summary,) = live.flush()
    assert summary.type == "summary"
    assert live.flush() == []
    with pytest.raises(InputError, match="was flushed"):
        live.feed({"text": "Hello"})


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("no json", "no JSON"),
        ("[1]", 'a message has "text"'),
        ({"words": "a"}, 'a message has "text"'),
        ({"text": " "}, "must be words"),
        ({"text": "a" * 20_000}, "10000 characters at most"),
        ({"text": "a", "start": 2, "end": 1}, "the end not before the start"),
        ({"text": "a", "start": "soon"}, "must be seconds"),
        ({"text": "a", "start": float("nan")}, "must be seconds"),
        ({"text": "a", "who": ""}, "must be a name"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_messages_that_are_none(message, said):
    with pytest.raises(InputError, match=said):
        cue_of(message)


def test_messages_may_be_bytes():
    assert cue_of(b'{"text": " a  b "}') == Cue(0, 0, "a b", None)


def test_a_live_stream_is_told_nothing(recognizer):
    with pytest.raises(InputError, match="is told nothing"):
        open_live(recognizer, sampling_rate=16_000)
    assert isinstance(open_live(recognizer), LiveText)


def test_the_challenge_set_is_sound(recognizer):
    with open(Path(__file__).parent / "text_challenge.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(set(row["expected"].split()) <= set(recognizer.labels) for row in rows)
    assert len({row["text"] for row in rows}) == len(rows)
    assert {row["kind"] for row in rows} >= {"negation", "emoji", "sarcasm", "other languages"}
    assert all(recognizer.predict(Text(row["text"])) for row in rows)
