"""Predictions as Parquet and as a database in audformat, read back by those packages."""

import sys

import pytest
from click.testing import CliRunner

from affekt.cli import main
from affekt.corpora import read_corpus
from affekt.errors import InputError, MissingExtra
from affekt.types import Prediction, Result
from affekt.write.binary import audformat, parquet

LABELS = ("happy", "sad")


def results(folder):
    sure = Prediction(0.0, 1.5, {"happy": 0.8, "sad": 0.2}, who="Ann")
    unsure = Prediction(1.5, 2.0, {"happy": 0.55, "sad": 0.45}, threshold=0.6)
    nothing = Prediction(0.0, 3.0, {})
    return [
        Result(str(folder / "a.wav"), 2.0, (sure, unsure), sure, "voice-1", LABELS),
        Result(str(folder / "b.wav"), 3.0, (), nothing, "voice-1", LABELS),
    ]


def test_parquet_has_a_row_per_segment_and_loses_no_source(tmp_path):
    storage = pytest.importorskip("pyarrow.parquet")
    parquet(results(tmp_path), tmp_path / "out.parquet")
    table = storage.read_table(tmp_path / "out.parquet")
    rows = table.to_pylist()
    assert [(row["label"], row["best"], row["happy"]) for row in rows] == [
        ("happy", "happy", 0.8), (None, "happy", 0.55), (None, None, None),
    ]  # fmt: skip
    assert (rows[0]["who"], rows[0]["start"], rows[0]["end"]) == ("Ann", 0.0, 1.5)
    assert rows[2]["source"].endswith("b.wav")
    assert table.schema.metadata[b"model"] == b"voice-1"


def test_a_label_called_as_a_column_is_refused(tmp_path):
    pytest.importorskip("pyarrow")
    p = Prediction(0.0, 1.0, {"start": 1.0})
    with pytest.raises(InputError, match="'start' is the name of a column"):
        parquet([Result("a.wav", 1.0, (p,), p, "m", ("start",))], tmp_path / "x.parquet")


def test_a_label_called_text_is_refused_only_beside_words(tmp_path):
    storage = pytest.importorskip("pyarrow.parquet")
    p = Prediction(0.0, 1.0, {"text": 1.0})
    parquet([Result("a.wav", 1.0, (p,), p, "m", ("text",))], tmp_path / "x.parquet")
    assert storage.read_table(tmp_path / "x.parquet").to_pylist()[0]["text"] == 1.0
    p = Prediction(0.0, 1.0, {"text": 1.0}, text="So be it.")
    with pytest.raises(InputError, match="'text' is the name of a column"):
        parquet([Result("a.txt", 1.0, (p,), p, "m", ("text",))], tmp_path / "x.parquet")


def test_an_audformat_database_is_read_by_its_package_and_by_ours(tmp_path):
    package = pytest.importorskip("audformat")
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").touch()
    audformat(results(tmp_path), tmp_path)
    frame = package.Database.load(str(tmp_path), load_data=True)["predictions"].df
    assert frame.reset_index()["file"].tolist() == ["a.wav", "a.wav", "b.wav"]
    assert frame["emotion"].isna().tolist() == [False, True, True]
    reading = read_corpus("audformat", tmp_path)
    assert "predictions of a model" in reading.warnings[0]
    [sample] = reading.samples
    assert (sample.label, sample.start, sample.end) == ("happy", 0.0, 1.5)
    audformat(results(tmp_path), tmp_path)  # one's own may be written again
    (tmp_path / "db.yaml").write_text("name: other\n", encoding="utf-8")
    with pytest.raises(InputError, match="another database"):
        audformat(results(tmp_path), tmp_path)


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"'.\[parquet\]"):
        parquet(results(tmp_path), tmp_path / "x.parquet")


def test_the_command_writes_both_and_not_to_the_screen(clips, tmp_path):
    pytest.importorskip("audformat")
    storage = pytest.importorskip("pyarrow.parquet")
    words = ["predict", *map(str, clips[:2])]
    done = CliRunner().invoke(main, [*words, "--format", "parquet", "-o", str(tmp_path / "x.parquet")])
    assert done.exit_code == 0, done.output
    assert set(storage.read_table(tmp_path / "x.parquet")["source"].to_pylist()) == set(map(str, clips[:2]))
    (tmp_path / "db").mkdir()
    done = CliRunner().invoke(main, [*words, "--format", "audformat", "-o", str(tmp_path / "db")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "db" / "db.yaml").exists()
    refused = CliRunner().invoke(main, [*words, "--format", "parquet"])
    assert "say where to write it: --output" in refused.stderr
