"""The examples of the documentation are run as they stand."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from affekt.cli import main

DOCS = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(name):
    """The blocks of code of a page, in order: (language, text)."""
    return BLOCK.findall((DOCS / name).read_text(encoding="utf-8"))


def typed(line, corpus):
    """Run a line of a page as a user would."""
    program, *arguments = shlex.split(line.replace("RAVDESS", str(corpus)))
    assert program == "affekt"
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, f"{line}\n{done.output}"
    return done


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_own_models_are_made_adopted_and_used_as_the_page_says(clips, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    pytest.importorskip("skl2onnx")
    corpus = tmp_path / "corpus"
    shutil.copytree(clips[0].parent, corpus)
    monkeypatch.chdir(tmp_path)
    variables = {}
    said = []
    for language, text in blocks("own-model.md"):
        if language == "python":
            exec(compile(text, "own-model.md", "exec"), variables)  # the page's own code
        else:
            said += [typed(line, corpus).stdout for line in text.splitlines()]
    assert sum("written: my-" in text for text in said) == 3
    assert sum("gives probabilities" in text for text in said) == 2
    assert sum("UAR" in text for text in said) == 2


def test_the_examples_of_features_are_true(monkeypatch):
    monkeypatch.chdir(DOCS.parent)
    for language, text in blocks("features.md"):
        if language == "python":
            exec(compile(text, "features.md", "exec"), {})


def test_every_set_of_the_page_is_one_of_the_program_and_the_other_way_round():
    from affekt.recognize.features import EMBEDDING
    from affekt.speech.feature_columns import SETS

    page = (DOCS / "features.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([\w-]+)` \| (?:\d+|-) \|", page, re.MULTILINE)
    assert set(listed) == {*SETS, EMBEDDING}


def test_commands_of_the_page_of_features_exist():
    done = subprocess.run(
        [sys.executable, "-m", "affekt", "features", "--help"], capture_output=True, text=True, check=False
    )
    asked = {
        word
        for language, text in blocks("features.md")
        if language == "console"
        for word in text.split()
        if word.startswith("--")
    }
    assert all(option in done.stdout for option in asked)
