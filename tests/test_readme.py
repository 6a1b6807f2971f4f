"""The README does what it says: its Python runs, its commands parse, its files exist, its table is the card's."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from affekt.cli import main

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.S)
SHELL = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S) for line in block.splitlines() if line.strip()]
COMMANDS = [line.split("#")[0].strip() for line in SHELL]
RUNNABLE = [line for line in COMMANDS if re.match(r"(\.venv/bin/)?affekt ", line)]


def test_the_first_runnable_line_is_near_the_top():
    first = next(i for i, line in enumerate(TEXT.splitlines(), start=1) if line.startswith("make demo"))
    assert first < 25


@pytest.mark.parametrize("code", PYTHON)
def test_the_python_runs(code, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    exec(compile(code, "README.md", "exec"), {})


@pytest.mark.parametrize("line", RUNNABLE)
def test_the_commands_are_ones(line, monkeypatch, tmp_path):
    """Commands on the examples run; of the others every option has to exist."""
    monkeypatch.chdir(ROOT)
    words = shlex.split(line)[1:]
    words = [str(p) for word in words for p in (sorted(ROOT.glob(word)) if "*" in word else [word])]
    if words[0] in ("models", "info") or any("examples" in word for word in words):
        words = [str(tmp_path / w) if w.endswith((".json", ".png", ".csv", ".srt", ".jsonl")) else w for w in words]
        found = CliRunner().invoke(main, words)
        assert found.exit_code == 0, found.output
    else:
        command = words[:2] if words[0] == "corpora" and len(words) > 1 else words[:1]
        help_text = CliRunner().invoke(main, [*command, "--help"]).output
        for option in (w.split("=")[0] for w in words if w.startswith("--")):
            assert option in help_text, f"{option} is no option of affekt {words[0]}"


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#h][^)#]*)\)", TEXT))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists(), link


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|^)make ([a-z]+)", TEXT, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_the_table_is_the_cards():
    from affekt.models.onnx import read_card
    from affekt.models.zoo import model_path

    scores = read_card(model_path("voice")).scores
    rows = {
        cells[0]: cells for cells in re.findall(r"^\| (\w+) .*?\| (\d\.\d\d) \[(\d\.\d\d), (\d\.\d\d)\]", TEXT, re.M)
    }
    assert set(rows) == set(scores)
    for corpus, (_, *shown) in rows.items():
        assert [float(x) for x in shown] == [pytest.approx(value, abs=0.0051) for value in scores[corpus]["UAR"][:3]]


def test_the_tables_of_how_we_evaluate_are_those_of_the_runs_kept():
    spec = importlib.util.spec_from_file_location("recipes", ROOT / "benchmarks" / "recipes.py")
    recipes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipes)
    text = recipes.PAGE.read_text(encoding="utf-8")
    assert recipes.filled(text) == text
    assert len(recipes.all_kept()) >= 4
