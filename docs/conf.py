"""The documentation as a site: make docs builds it into site/. Nothing in it is loaded from elsewhere."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from affekt import __version__

project = "affekt"
author = "the affekt project"
copyright = "the affekt project, Apache-2.0"
version = release = __version__
html_title = f"affekt {version}"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
]
html_theme = "furo"
html_theme_options = {"source_repository": ""}
exclude_patterns = ["_build"]
# Headings of the pages are linked to, as #speaker-baselines.
myst_heading_anchors = 4
# Some pages link to files of the repository, which the site does not hold; tests/test_docs.py checks them.
suppress_warnings = ["myst.xref_missing", "myst.header"]
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}


def _escaped(app, ctx, lines):
    """Help texts are plain: a star in one, as in *.wav, begins no emphasis."""
    lines[:] = [line.replace("*", "\\*") for line in lines]


def setup(app):
    app.connect("sphinx-click-process-options", _escaped)
