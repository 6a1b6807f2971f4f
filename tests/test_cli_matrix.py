"""``affekt matrix`` and ``affekt recipes`` as a user types them."""

import csv
import dataclasses
import json
import shutil

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from affekt.cli import main
from affekt.corpora.synthetic import write_synthetic
from affekt.errors import InputError
from affekt.models.onnx import read_card
from affekt.models.zoo import model_path
from affekt.train.export import rewrite_card
from affekt.train.lab.across import common_labels
from affekt.train.recipe import recipe_names
from affekt.types import Sample


def affekt(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    for name in ("savee", "tess"):
        write_synthetic(
            folder / name, layout=name, speakers=2, clips_per_label=6, labels=["angry", "happy", "sad"], seed=1
        )
    return [word for name in ("savee", "tess") for word in ("--corpus", f"{name.upper()}={folder / name}")]


@pytest.fixture(scope="module")
def done(corpora, tmp_path_factory):
    output = tmp_path_factory.mktemp("matrix") / "run"
    return affekt("matrix", *corpora, "-o", output, "--figures", "svg", "--threads", 1), output


def test_a_model_of_each_corpus_is_tested_on_every_other(done):
    result, output = done
    assert result.exit_code == 0, result.output
    table = json.loads((output / "matrix.json").read_text(encoding="utf-8"))
    assert {(pair["trained"], pair["tested"]) for pair in table["pairs"]} == {
        (a, b) for a in ("savee", "tess") for b in ("savee", "tess")
    }
    assert table["labels"] == ["angry", "happy", "sad"]
    for pair in table["pairs"]:
        estimate = pair["report"]["metrics"]["UAR"]
        assert estimate["low"] <= estimate["value"] <= estimate["high"]
        assert estimate["n"] == 36
        assert pair["report"]["chance"] == pytest.approx(1 / 3)


def test_the_table_comes_as_text_latex_csv_page_and_figure(done):
    result, output = done
    assert result.stdout.startswith("trained on / tested on") or "!!" in result.stdout
    assert (output / "matrix.tex").read_text(encoding="utf-8").count(r"\toprule") == 2
    with open(output / "matrix.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert next((row["trained"], row["tested"], row["clips"]) for row in rows) == ("savee", "savee", "36")
    assert "<h2>Across corpora" in (output / "index.html").read_text(encoding="utf-8")
    assert (output / "matrix.svg").exists()


def test_the_same_call_goes_on_with_what_was_done_and_another_is_refused(done, corpora):
    result, output = done
    again = affekt("matrix", *corpora, "-o", output, "--format", "csv")
    assert again.exit_code == 0, again.output
    assert again.stdout == (output / "matrix.csv").read_text(encoding="utf-8")
    other = affekt("matrix", *corpora, "-o", output, "--labels", "angry,sad")
    assert other.exit_code == 2
    assert "holds a run of another recipe" in other.stderr
    assert result.exit_code == 0


def test_what_cannot_be_done_is_said(corpora, tmp_path):
    assert "at least two" in affekt("matrix", *corpora[:2], "-o", tmp_path).stderr
    assert "savee lacks rage" in affekt("matrix", *corpora, "-o", tmp_path, "--labels", "rage,sad").stderr
    assert "no lab recipe of speech" in affekt("matrix", *corpora, "-o", tmp_path, "--recipe", "fer2013-cnn").stderr
    assert "is no lab recipe" in affekt("matrix", *corpora, "-o", tmp_path, "--recipe", "text").stderr
    words = ("--model", "voice", "--labels", "sad")
    assert "--labels are for training" in affekt("matrix", *corpora, "-o", tmp_path, *words).stderr


def test_models_are_taken_instead(clips, tmp_path):
    folder = tmp_path / "ravdess"
    folder.mkdir()
    for path in clips[:4]:
        (folder / path.name).write_bytes(path.read_bytes())
    found = affekt("matrix", "--corpus", f"ravdess={folder}", "--model", "voice-small", "-o", tmp_path / "run")
    assert found.exit_code == 0, found.output
    assert found.stdout.startswith("model / tested on") and "voice-small" in found.stdout
    assert "trained on" not in (tmp_path / "run" / "matrix.tex").read_text()
    assert (tmp_path / "run" / "matrix.csv").read_text().startswith("model,tested,")
    assert json.loads((tmp_path / "run" / "matrix.json").read_text())["pairs"][0]["model"] == "voice-small"
    # What a finished model learned from stands on its card, or nobody knows whether the tested were among it.
    own = tmp_path / "own.onnx"
    shutil.copy(model_path("voice-small"), own)
    rewrite_card(own, dataclasses.replace(read_card(own), data={}))
    found = affekt("matrix", "--corpus", f"ravdess={folder}", "--model", own, "-o", tmp_path / "other")
    assert "own on ravdess: whether the model learned from these recordings" in found.stdout
    assert "diagonal" not in found.stdout


def test_corpora_without_common_labels_are_refused():
    one = [Sample("a/1", "x", "angry", "s"), Sample("a/2", "x", "sad", "s")]
    two = [Sample("b/1", "x", "happy", "s"), Sample("b/2", "x", "sad", "s")]
    with pytest.raises(InputError, match=r"1 labels in common.*a: angry, sad; b: happy, sad"):
        common_labels({"a": one, "b": two})


def test_all_recipes_are_listed_with_what_is_known():
    text = affekt("recipes")
    assert text.exit_code == 0, text.output
    facts = json.loads(affekt("recipes", "--format", "json").stdout)
    assert [fact["name"] for fact in facts] == recipe_names()
    assert all(fact["what"] and fact["modality"] in ("speech", "face", "text") for fact in facts)
    assert all(name in text.stdout for name in recipe_names())
