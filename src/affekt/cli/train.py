"""``affekt train``: a model by a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from affekt._optional import require
from affekt.cli.terminal import folders, polite


@click.command()
@click.argument("recipe")
@click.option("--corpus", "corpora", multiple=True, metavar="NAME=PATH", help="A corpus of the recipe; once for each.")
@click.option(
    "--sounds",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Noises: ESC-10; its fold 5 is left alone.",
)
@click.option(
    "--responses", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Room impulse responses (wav)."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the run; an interrupted run goes on.",
)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@polite
def train(recipe: str, corpora: Sequence[str], threads: int, output: Path, **extras: Path | None) -> None:
    """Train a model by a RECIPE: the name of one that ships with affekt, or FILE.toml."""
    require("torch", extra="train").set_num_threads(threads)
    from affekt.train.activity import ActivityRecipe, run_activity
    from affekt.train.recipe import load_recipe
    from affekt.train.run import run
    from affekt.train.sources import Sources, noise_paths, response_paths

    sources = Sources(folders(corpora), noise_paths(extras["sounds"]), response_paths(extras["responses"]))

    def report(line: str) -> None:
        click.echo(line, err=True)

    if recipe == "activity":
        click.echo(run_activity(ActivityRecipe(), sources, output, report=report))
    else:
        click.echo(run(load_recipe(recipe), sources, output, report=report))
