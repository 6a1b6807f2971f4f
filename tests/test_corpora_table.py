"""One reader for all tables: delimiters, marks, encodings, times, columns by other words, accents."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

import affekt
from affekt.corpora.table import column_of, read_table, seconds_of
from affekt.errors import CorpusError
from affekt.evaluate.speakers import speakers_of

ROWS = [("a.wav", "angry", "ann"), ("b.wav", "sad", "bob")]


def folder_of(tmp_path, names=("a.wav", "b.wav")):
    for name in names:
        soundfile.write(tmp_path / name, np.zeros(48_000), 16_000)
    return tmp_path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("first", ["", "sep={}\r\n"])
def test_every_way_of_writing_gives_the_same_rows(tmp_path, delimiter, encoding, first):
    lines = [delimiter.join(cells) for cells in [("path", "label", "speaker"), *ROWS]]
    path = tmp_path / "labels.csv"
    path.write_bytes((first.format(delimiter) + "\r\n".join(lines)).encode(encoding))
    table = read_table(path, needed=["path", "label"])
    assert [tuple(row.values()) for _, row in table.rows] == ROWS
    assert table.rows[0][0] == (3 if first else 2)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2.5", 2.5), ("0,5", 0.5), (".5", 0.5), ("3", 3.0), ("3 s", 3.0), ("00:00:00,500", 0.5), ("01:05", 65.0),
        ("1:00:00.25", 3600.25), ("0 days 00:00:02.500000", 2.5), ("1 day, 0:00:01", 86401.0),
    ],
)  # fmt: skip
def test_times_as_spreadsheets_and_pandas_write_them(text, seconds):
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "1:2:3:4", "1;5", "0:00:", "1.2.3"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="could not convert"):
        seconds_of(text)


@pytest.mark.parametrize(("start", "end"), [("0,5", "2,5"), ("00:00:00,500", "00:00:02,500"), ("0.5", "2.5")])
def test_stretches_of_a_table(tmp_path, start, end):
    folder_of(tmp_path)
    (tmp_path / "labels.csv").write_text(f"path;start;end;label\na.wav;{start};{end};angry\nb.wav;;;sad\n")
    first, second = affekt.read_corpus("folder", tmp_path).samples
    assert (first.start, first.end, second.start, second.end) == (0.5, 2.5, 0.0, None)


def test_columns_by_other_words_are_read_and_named(tmp_path):
    folder_of(tmp_path)
    (tmp_path / "labels.csv").write_text("path,label,actor,gender,speling\na.wav,angry,ann,f,x\nb.wav,sad,bob,m,y\n")
    reading = affekt.read_corpus("folder", tmp_path)
    assert [(s.speaker, s.sex) for s in reading.samples] == [("ann", "female"), ("bob", "male")]
    said = " ".join(reading.warnings)
    assert "'actor' is read as 'speaker'" in said and "'gender' is read as 'sex'" in said
    assert column_of(("Path", "GENDER"), "sex") == "GENDER"


def test_a_column_that_looks_misspelt_is_named(tmp_path):
    folder_of(tmp_path)
    (tmp_path / "labels.csv").write_text("path,label,speeker\na.wav,angry,ann\nb.wav,sad,bob\n")
    warnings = affekt.read_corpus("folder", tmp_path).warnings
    assert any("'speeker' is not used; did you mean 'speaker'?" in sentence for sentence in warnings)


def test_a_label_that_looks_misspelt_is_named_and_short_words_are_understood(tmp_path):
    words = ("ang", "hap", "neu", "sad", "fea", "sur", "dis", "Suprised", "excited")
    for word in words:
        (tmp_path / word).mkdir()
        soundfile.write(tmp_path / word / f"{word}.wav", np.zeros(16_000), 16_000)
    reading = affekt.read_corpus("folder", tmp_path)
    labels = {str(s.label) for s in reading.samples}
    assert labels == {
        "angry", "happy", "neutral", "sad", "fear", "surprise", "disgust", "suprised", "excited"
    }  # fmt: skip
    assert [s for s in reading.warnings if "'suprised' (1 clip) is a class of its own; did you mean 'surprised'?" in s]
    assert not any("excited" in sentence for sentence in reading.warnings)


@pytest.mark.parametrize(("in_table", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_are_the_same_however_they_are_written(tmp_path, in_table, on_disk):
    name, inside = "Müller.wav", "été"
    (tmp_path / unicodedata.normalize(on_disk, inside)).mkdir()
    path = tmp_path / unicodedata.normalize(on_disk, f"{inside}/{name}")
    soundfile.write(path, np.zeros(16_000), 16_000)
    row = unicodedata.normalize(in_table, f"{inside}/{name}")
    (tmp_path / "labels.csv").write_text(f"path,label,speaker\n{row},angry,ann\n", encoding="utf-8")
    [sample] = affekt.read_corpus("folder", tmp_path).samples
    assert Path(sample.path).is_file()
    assert speakers_of([str(path)], f"{tmp_path / 'labels.csv'}:speaker") == {str(path): "ann"}


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("path;speaker\na.wav;ann\n", "speaker"),
        ("Path,Speaker\na.wav,ann\n", "speaker"),
        ("path,speaker\n.\\a.wav,ann\n", "speaker"),
        ("file\tWho\na.wav\tann\n", "Who"),
    ],
)
def test_speakers_from_any_table(tmp_path, text, column):
    folder_of(tmp_path)
    (tmp_path / "speakers.csv").write_text(text)
    source = str(tmp_path / "a.wav")
    assert speakers_of([source], f"{tmp_path / 'speakers.csv'}:{column}") == {source: "ann"}


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"path,label\n\xff\xfe\xfa,angry\n")
    with pytest.raises(CorpusError, match="is not UTF-8 text"):
        read_table(tmp_path / "labels.csv", needed=["path"])
