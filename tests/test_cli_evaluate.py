"""``affekt evaluate``: clip by clip, several corpora, LaTeX, figures as files, players on the page."""

import csv
import re

import pytest
from click.testing import CliRunner

from affekt.cli import main


@pytest.fixture(scope="module")
def pair(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips") / "a b"
    folder.mkdir()
    for path in clips[:4]:
        (folder / path.name).write_bytes(path.read_bytes())
    return f"RAVDESS={folder}"


def affekt(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_each_clip_has_a_row_errors_first(pair, tmp_path):
    done = affekt("evaluate", "voice", "--corpus", pair, "--clips", tmp_path / "c.csv")
    assert done.exit_code == 0, done.stderr
    with open(tmp_path / "c.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    assert [row["right"] for row in rows] == sorted(row["right"] for row in rows)
    for row in rows:
        scores = {name: float(cell) for name, cell in row.items() if name in ("angry", "calm", "happy", "sad")}
        assert row["corpus"] == "ravdess"
        assert row["id"].startswith("ravdess/")
        assert scores
        assert (row["label"] == row["truth"]) == (row["right"] == "1")


def test_the_page_plays_the_files_where_they_are_or_holds_them(pair, tmp_path):
    pytest.importorskip("matplotlib")
    done = affekt("evaluate", "voice", "--corpus", pair, "--format", "html", "-o", tmp_path / "e.html")
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "e.html").read_text(encoding="utf-8")
    addresses = re.findall(r'<audio controls preload="none" src="([^"]+)"', page)
    assert len(addresses) == 4
    assert all("a%20b/03-01-" in address and not address.startswith("/") for address in addresses)
    done = affekt(
        "evaluate", "voice", "--corpus", pair, "--format", "html", "-o", tmp_path / "f.html", "--embed-audio",
        "--figures", "svg", "--figures", "png",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "f.html").read_text(encoding="utf-8")
    assert len(re.findall(r'src="data:audio/mpeg;base64,[^"]{2000,}"', page)) == 4
    names = {path.name for path in (tmp_path / "f-figures").iterdir()}
    assert {"ravdess-confusion.svg", "ravdess-confusion.png", "ravdess-recall.svg"} <= names
    assert (tmp_path / "f-figures" / "ravdess-recall.svg").read_text(encoding="utf-8").lstrip().startswith("<?xml")


def test_several_corpora_have_one_summary(pair, tmp_path):
    folder = pair.partition("=")[2]
    rows = "\n".join(f"{i}.wav,{label}" for i, label in enumerate(("happy", "sad")))
    (tmp_path / "labels.csv").write_text(f"path,label\n{rows}\n", encoding="utf-8")
    from pathlib import Path

    for i, path in enumerate(sorted(Path(folder).iterdir())[:2]):
        (tmp_path / f"{i}.wav").write_bytes(path.read_bytes())
    both = ("--corpus", pair, "--corpus", f"folder={tmp_path}")
    text = affekt("evaluate", "voice", *both)
    assert text.exit_code == 0, text.stderr
    head, first, second, *_ = text.stdout.splitlines()
    assert head.split()[:4] == ["corpus", "clips", "speakers", "UAR"]
    assert (first.split()[0], second.split()[0]) == ("ravdess", "folder")
    latex = affekt("evaluate", "voice", *both, "--format", "latex").stdout
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") == 7
    assert r"95 \% interval" in latex
    assert r"\usepackage{booktabs}" in latex


def test_what_cannot_be_written_is_said_before_the_work(pair, tmp_path):
    assert "say where: -o FILE" in affekt("evaluate", "voice", "--corpus", pair, "--figures", "svg").stderr
    assert "--embed-audio is for --format html" in affekt("evaluate", "voice", "--corpus", pair, "--embed-audio").stderr
    assert "--clips" in affekt("evaluate", "voice", "--corpus", pair, "--clips", tmp_path / "no" / "c.csv").stderr
