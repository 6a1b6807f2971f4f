"""``affekt predict`` of texts: tables, formats, highlighted words, and what is refused."""

import csv
import io
import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from affekt import Recognizer, to_frame
from affekt.cli import main

ROOT = Path(__file__).parent.parent
SCHEMA = json.loads((ROOT / "docs" / "predictions-2.schema.json").read_text(encoding="utf-8"))
SRT = "1\n00:00:01,000 --> 00:00:03,000\nI am so happy for you!\n\n2\n00:00:04,000 --> 00:00:05,000\nI'm so sad.\n"


@pytest.fixture(scope="module")
def affekt():
    return lambda *words, **options: CliRunner().invoke(main, ["predict", *(str(word) for word in words)], **options)


def test_a_sentence(affekt):
    done = affekt("--text", "I am so happy for you! I'm so sad and lonely.")
    assert done.exit_code == 0
    assert "text: 2 sentences" in done.stdout
    assert "I am so happy for you!" in done.stdout
    assert "happy" in done.stdout
    assert "start" not in done.stdout  # a text has no times


def test_a_text_is_known_by_its_name(affekt, tmp_path):
    path = tmp_path / "film.srt"
    path.write_text(SRT)
    done = affekt(path)
    assert done.exit_code == 0
    assert "0:01.00" in done.stdout or "1.0" in done.stdout
    assert "in all" in done.stdout


def test_many_texts_have_a_line_each(affekt, tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("I am so happy. Thank you!")
    done = affekt(tmp_path / "a.txt", tmp_path / "b.txt")
    assert done.exit_code == 0
    assert done.stdout.count("happy") >= 2


def test_formats_and_standard_input(affekt, tmp_path):
    path = tmp_path / "chat.csv"
    path.write_text("speaker,start,text\nAnn,1,I am so happy for you!\nBob,2,I am so sad\n")
    done = affekt(path, "--format", "json")
    table = json.loads(done.stdout)
    jsonschema.validate(table, SCHEMA)
    assert [segment["who"] for segment in table["results"][0]["segments"]] == ["Ann", "Bob"]
    done = affekt("-", "--modality", "text", "--format", "csv", input="I am so happy.")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert rows[0]["source"] == "standard input"


def test_explained_words_in_the_terminal_in_json_and_on_a_page(affekt, tmp_path):
    done = affekt("--text", "I am so happy <today>.", "--explain")
    assert done.exit_code == 0
    assert "words that speak for the label" in done.stdout
    page = tmp_path / "words.html"
    done = affekt("--text", "I am so happy <today>.", "--explain", "--plot", page, "--format", "json")
    table = json.loads(done.stdout)
    jsonschema.validate(table, SCHEMA)
    words = table["results"][0]["segments"][0]["explanation"]["words"]
    assert [["I am so happy <today>."[int(a) : int(b)]] for a, b, _ in words][3] == ["happy"]
    html = page.read_text(encoding="utf-8")
    assert "&lt;" in html
    assert "<today>" not in html
    assert "<script" not in html


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--text", "a", "b.txt"), "--text is judged alone"),
        (("--text", " "), "--text holds no words"),
        (("--text", "a", "--reference", "b.wav"), "--reference: not for text"),
        (("--text", "a", "--channel", "left"), "--channel: not for text"),
        (("--text", "a", "--plot", "a.png"), "give --explain --plot FILE.html"),
        (("--text", "a", "--model", "face"), "face is a model of face; texts need one of text"),
        (("--text", "a", "--modality", "face"), "leave files and other modalities out"),
        ((), "Missing argument 'PATH...'"),
    ],
)
def test_what_does_not_go_together(affekt, words, said):
    done = affekt(*words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_texts_beside_recordings_are_refused(affekt, tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "b.wav").write_bytes(b"RIFF")
    done = affekt(tmp_path / "a.txt", tmp_path / "b.wav")
    assert done.exit_code == 2
    assert "1 of 2 files are texts; give them without the others" in done.stderr


def test_a_file_that_is_no_text_fails_in_a_sentence(affekt, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"%PDF-1.7 ")
    done = affekt(path)
    assert done.exit_code == 1
    assert "is a PDF, not a text" in done.stderr
    (tmp_path / "b.txt").write_text("I am so happy.")
    done = affekt(path, tmp_path / "b.txt")
    assert done.exit_code == 1
    assert "1 of 2 inputs failed; the others were written." in done.stderr


def test_empty_text_says_no_words(affekt, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("")
    done = affekt(path)
    assert done.exit_code == 0
    assert "no words" in done.stdout
    assert "holds no words" in done.stderr


def test_control_characters_do_not_reach_the_terminal(affekt):
    done = affekt("--text", "I am \x1b[31mhappy\x1b[0m", "--explain")
    assert "\x1b[31mhappy" not in done.stdout


def test_folders_are_looked_through_for_texts_only_where_asked(affekt, tmp_path):
    (tmp_path / "a.txt").write_text("I am so happy.")
    (tmp_path / "notes.md").write_text("nothing")
    done = affekt(tmp_path)
    assert done.exit_code == 1
    assert "holds no recordings" in done.stderr
    done = affekt(tmp_path, "--modality", "text")
    assert done.exit_code == 0
    assert "1 sentence" in done.stdout
    assert "1 .md" in done.stderr


def test_formats_of_stretches_warn_where_there_are_no_times(affekt, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("I am so happy. I am so sad.")
    for form in ("srt", "rttm", "audacity", "textgrid"):
        done = affekt(path, "--format", form)
        assert done.exit_code == 0
        assert f"has no times, so {form} holds none of its answers; json, jsonl and csv do." in done.stderr
    rows = list(csv.DictReader(io.StringIO(affekt(path, "--format", "csv").stdout)))
    assert [row["text"] for row in rows] == ["I am so happy.", "I am so sad."]
    frame = to_frame(Recognizer("text").analyse(path))
    assert list(frame["text"]) == ["I am so happy.", "I am so sad."]
    storage = pytest.importorskip("pyarrow.parquet")
    assert affekt(path, "--output", tmp_path / "a.parquet").exit_code == 0
    assert storage.read_table(tmp_path / "a.parquet")["text"].to_pylist() == ["I am so happy.", "I am so sad."]
    (tmp_path / "a.srt").write_text(SRT)
    assert "no times" not in affekt(tmp_path / "a.srt", "--format", "srt").stderr


def test_a_folder_of_texts_says_how_they_are_read(affekt, tmp_path):
    (tmp_path / "a.txt").write_text("I am so happy.")
    done = affekt(tmp_path)
    assert done.exit_code == 1
    assert "1 .txt (--modality text reads texts)" in done.stderr
    assert "subfolders" not in done.stderr
