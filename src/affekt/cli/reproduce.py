"""``affekt reproduce``: a well-known recipe as published and as it should be, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from affekt.cli.figures import figures_option
from affekt.cli.lab import PROTOCOLS, LabJob, lab_options, run_lab
from affekt.cli.terminal import polite


@click.command()
@click.argument("recipe")
@click.option("--corpus", "corpora", multiple=True, metavar="NAME=PATH", help="A corpus of the recipe; once for each.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the run; an interrupted run is resumed.",
)
@click.option("--steps", is_flag=True, help="Also every step from the published protocol to the honest one.")
@lab_options
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@figures_option
@polite
def reproduce(steps: bool, **options: Any) -> int:
    """Run a well-known RECIPE as it was published and as it should be, and show both.

    The audit looks at each protocol before it is scored; scores of a split with
    a severe finding are stamped. OUTPUT gets index.html, report.md,
    report.json, and what is needed to go on after an interruption.
    """
    return run_lab(LabJob(protocols=("steps",) if steps else PROTOCOLS, **options))
