"""Texts, subtitles and tables in, cues out; what is odd about them is said, what is no text is refused."""

import io
import time

import pytest

from affekt.errors import InputError, TextError
from affekt.text.captions import BLOCK, Cue, Text, cue_blocks, cues_of, seconds_of
from affekt.text.sentences import LONGEST, sentences_of
from affekt.types import Sample

SRT = "1\n00:00:01,000 --> 00:00:02,500\n<i>I won!</i>\nNobody cares.\n\n2\n00:00:03,000 --> 00:00:04,000\nOh.\n"


def read(source):
    said = []
    return cues_of(source, warn=said.append), said


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("I won. Nobody cares!", ["I won.", "Nobody cares!"]),
        ("Dr. Smith met J. K. Jones at 3.30 p.m. yesterday.", ["Dr. Smith met J. K. Jones at 3.30 p.m. yesterday."]),
        ('"Why?" she asked. "No." He left.', ['"Why?" she asked.', '"No."', "He left."]),
        ("We paid $3.50 etc. It was fine.", ["We paid $3.50 etc.", "It was fine."]),
        ("No. 5 is alive. No. It is not.", ["No. 5 is alive.", "No.", "It is not."]),
        ("Well... maybe. What?! Yes", ["Well... maybe.", "What?!", "Yes"]),
        ("so do I. You too.", ["so do I.", "You too."]),
        ("我很高兴。真的吗？是的", ["我很高兴。", "真的吗？", "是的"]),
        ("أنا سعيد؟ نعم.", ["أنا سعيد؟", "نعم."]),
        ("मैं खुश हूँ। सच में।", ["मैं खुश हूँ।", "सच में।"]),
        ("😀", ["😀"]),
        ("one line\n\nanother\nAnd a third", ["one line", "another", "And a third"]),
        ("this was wrapped\nby its width", ["this was wrapped by its width"]),
        ("", []),
        (" \n\t\n", []),
    ],
)
def test_where_sentences_end(text, sentences):
    assert list(sentences_of(text)) == sentences


def test_a_sentence_that_is_too_long_is_cut_between_words():
    pieces = list(sentences_of("word " * 1000))
    assert max(map(len, pieces)) <= LONGEST
    assert " ".join(pieces).split() == ["word"] * 1000


def test_a_text_has_no_times():
    assert read(b"I won. Nobody cares!") == ([Cue(0, 0, "I won."), Cue(0, 0, "Nobody cares!")], [])


def test_subrip_without_markup():
    assert read(SRT.encode()) == ([Cue(1, 2.5, "I won! Nobody cares."), Cue(3, 4, "Oh.")], [])
    assert read(SRT.replace("\n", "\r\n").encode()) == read(SRT.encode())


def test_webvtt_has_voices_notes_and_entities():
    vtt = (
        "WEBVTT - a talk\n\nNOTE nothing\n\nSTYLE\n::cue {}\n\nintro\n01:02.500 --> 01:04.000 align:start\n"
        "<v Ann>R&amp;B <b>rocks</b></v> <v.loud Bob>No</v>\n"
    )
    assert read(vtt.encode())[0] == [Cue(62.5, 64, "R&B rocks", "Ann"), Cue(62.5, 64, "No", "Bob")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_is_known_by_its_columns(delimiter):
    table = f"Speaker{delimiter}Start{delimiter}end{delimiter}Text\nAnn{delimiter}0:01{delimiter}2.5{delimiter}Hi\n"
    assert read(table.encode())[0] == [Cue(1, 2.5, "Hi", "Ann")]


def test_a_table_may_have_words_only(tmp_path):
    path = tmp_path / "chat.csv"
    path.write_text('message\n"Hello, you"\n\nBye\n')
    assert read(path) == ([Cue(0, 0, "Hello, you"), Cue(0, 0, "Bye")], [])


def test_a_message_without_an_end_has_no_length():
    assert read(b"time,text\n5,Hi\n")[0] == [Cue(5, 5, "Hi")]


def test_a_table_without_words_says_what_it_has(tmp_path):
    path = tmp_path / "chat.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(TextError, match="no column of words; its first line is 'a,b'. Name the column text"):
        cues_of(path)


def test_a_cell_that_is_too_large_is_refused():
    with pytest.raises(TextError, match="line 2 is no line of a table"):
        cues_of(b'start,text\n1,"' + b"a" * 200_000 + b'"\n')


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-8", 0), ("utf-8-sig", 0), ("utf-16", 0), ("utf-16-le", 0), ("utf-16-be", 0), ("cp1252", 1)],
)
def test_encodings(encoding, said):
    cues, warnings = read("Déjà vu, “naïve” café. Ça va bien?".encode(encoding))
    assert [cue.text for cue in cues] == ["Déjà vu, “naïve” café.", "Ça va bien?"]
    assert len(warnings) == said
    assert all("read as Windows-1252" in sentence for sentence in warnings)


def timed(*times):
    blocks = [f"{i}\n{start} --> {end}\nword {i}\n" for i, (start, end) in enumerate(times, 1)]
    cues, said = read("\n".join(blocks).encode())
    return [(cue.start, cue.end, cue.text[-1]) for cue in cues], said


def test_reversed_times_are_exchanged():
    cues, said = timed(("0:00:05,000", "0:00:03,000"))
    assert cues == [(3, 5, "1")]
    assert "the two were exchanged" in said[0]


def test_cues_that_overlap_keep_their_times():
    cues, said = timed(("0:00:01,000", "0:00:04,000"), ("0:00:03,000", "0:00:05,000"))
    assert cues == [(1, 4, "1"), (3, 5, "2")]
    assert len(said) == 1
    assert "overlap" in said[0]


def test_cues_out_of_order_are_sorted():
    cues, said = timed(("0:00:05,000", "0:00:06,000"), ("0:00:01,000", "0:00:02,000"))
    assert cues == [(1, 2, "2"), (5, 6, "1")]
    assert "sorted by their starts" in said[0]


def test_a_cue_without_a_time_stands_where_the_one_before_ended():
    cues, said = timed(("0:00:01,000", "0:00:02,000"), ("soon", "later"), ("0:00:04,000", "??"))
    assert cues == [(1, 2, "1"), (2, 2, "2"), (4, 4, "3")]
    assert len(said) == 1
    assert "2 cues without a time that can be read" in said[0]


def test_descriptions_of_sounds_are_no_words():
    cues, said = read(b"1\n0:0:1 --> 0:0:2\n[door slams]\n\n2\n0:0:3 --> 0:0:4\n\n\n3\n0:0:5 --> 0:0:6\nHi [laughs]\n")
    assert [cue.text for cue in cues] == ["Hi [laughs]"]
    assert len(said) == 1
    assert "without words left out" in said[0]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"%PDF-1.7 ...", "a PDF"),
        (b"PK\x03\x04....", "office document"),
        (b"RIFF....WAVE", "a recording"),
        (b"\x89PNG\r\n", "a picture"),
        (bytes(range(256)) * 40, "no text"),
        (b"a\x00\x01\x02" * 100, "no text"),
    ],
)
def test_what_is_no_text_is_refused_in_a_sentence(data, what):
    with pytest.raises(TextError, match=f"{what}.*allowed: txt, srt, vtt, csv"):
        cues_of(data)


@pytest.mark.parametrize("data", [b"", b"  \n", b"\xef\xbb\xbf", b"\xff\xfe", b"WEBVTT\n"])
def test_nothing_to_read_is_said(data):
    cues, said = read(data)
    assert cues == []
    assert said == [f"{len(data)} bytes: holds no words."]


def test_ten_megabytes_on_one_line_take_seconds():
    started = time.process_time()
    cues = cues_of(b"I am so happy today " * 500_000)
    assert time.process_time() - started < 5
    assert max(len(cue.text) for cue in cues) <= LONGEST
    assert sum(len(cue.text.split()) for cue in cues) == 2_500_000


def test_ten_megabytes_of_one_word_take_seconds():
    started = time.process_time()
    assert len(cues_of(b"a" * 10_000_000)) == 16_667
    assert time.process_time() - started < 5


def test_a_file_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr("affekt.text.captions.LARGEST", 1 << 20)
    with pytest.raises(TextError, match="larger than 1 MB; split it"):
        cues_of(b"a" * ((1 << 20) + 1))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(TextError, match="No such file"):
        cues_of(tmp_path / "none.txt")
    with pytest.raises(TextError, match="is no file"):
        cues_of(tmp_path)


def test_what_is_no_source_is_refused():
    with pytest.raises(InputError, match="open as text"):
        cues_of(io.StringIO("a"))
    with pytest.raises(InputError, match="a int; give a path"):
        cues_of(3)


def test_a_sample_is_a_stretch_or_a_sentence(tmp_path):
    path = tmp_path / "a.srt"
    path.write_text(SRT)
    assert cues_of(Sample("a", str(path), start=2, end=3.5)) == [
        Cue(0, 0.5, "I won! Nobody cares."),
        Cue(1, 1.5, "Oh."),
    ]
    assert cues_of(Sample("a", "a", sentence="I won.")) == [Cue(0, 0, "I won.")]


def test_blocks_hold_all_cues_in_order():
    text = Text("\n".join(f"Line {i}" for i in range(600)))
    blocks = list(cue_blocks(text))
    assert max(map(len, blocks)) == BLOCK
    assert [cue for block in blocks for cue in block] == cues_of(text)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "1e9", "", "1:2:3:4", "noon"])
def test_what_is_no_time(text):
    assert seconds_of(text) is None
