"""The pages of docs/ do what they say: their Python runs, their links lead somewhere, the site has them all."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("**/*.md"))
#: Pages whose blocks of Python run as they stand, one after the other.
RUNNABLE = ("python.md", "quickstart.md", "dimensions.md")


@pytest.mark.parametrize("name", RUNNABLE)
def test_the_python_runs(name, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    space = {}
    for code in re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(encoding="utf-8"), re.S):
        exec(compile(code, name, "exec"), space)
    assert capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#:][^)#:]*)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_the_site_has_every_page():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    named = {
        line for block in re.findall(r"```{toctree}\n(.*?)```", index, re.S) for line in block.split("\n\n")[1].split()
    }
    pages = {str(path.relative_to(DOCS).with_suffix("")) for path in [*PAGES, *DOCS.glob("*.ipynb")]}
    assert named == pages - {"index"}


def test_the_reference_has_every_public_name():
    import affekt

    text = (DOCS / "reference.md").read_text(encoding="utf-8")
    missing = {name for name in affekt.__all__ if name[0] != "_" and f".{name}\n" not in text}
    assert missing <= {"LIVE"}  # a value, shown beside StreamOptions


def test_the_notebook_runs():
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("sklearn")
    book = nbformat.read(DOCS / "lab.ipynb", 4)
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()
    assert any("image/png" in output.get("data", {}) for cell in book.cells for output in cell.get("outputs", ()))
