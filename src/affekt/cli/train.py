"""``affekt train``: a model by a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from affekt._optional import require
from affekt.cli.reproduce import PROTOCOLS, run_lab
from affekt.cli.terminal import folders, polite
from affekt.errors import InputError

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@dataclass(frozen=True)
class Job:
    """What ``affekt train`` was asked for."""

    recipe: str
    corpora: Sequence[str]
    sounds: Path | None
    responses: Path | None
    protocol: str
    models: Sequence[str]
    output: Path
    threads: int


@click.command()
@click.argument("recipe")
@click.option("--corpus", "corpora", multiple=True, metavar="NAME=PATH", help="A corpus of the recipe; once for each.")
@click.option("--sounds", type=FOLDER, help="Noises: ESC-10; its fold 5 is left alone.")
@click.option("--responses", type=FOLDER, help="Room impulse responses (wav).")
@click.option(
    "--protocol", type=click.Choice(PROTOCOLS), default="honest", show_default=True, help="Of a recipe that has two."
)
@click.option("--model", "models", multiple=True, help="Of a recipe with several models; by default the selected one.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the run; an interrupted run goes on.",
)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@polite
def train(**options: object) -> int:
    """Train a model by a RECIPE: the name of one that ships with affekt, or FILE.toml.

    The well-known recipes are scored by their honest protocol (speaker-disjoint
    folds) unless --protocol says otherwise; `affekt reproduce` runs both.
    """
    job = Job(**options)  # type: ignore[arg-type]
    require("torch", extra="train").set_num_threads(job.threads)
    from affekt.train.activity import ActivityRecipe, run_activity
    from affekt.train.recipe import Recipe, load_recipe
    from affekt.train.run import run
    from affekt.train.sources import Sources, noise_paths, response_paths

    def report(line: str) -> None:
        click.echo(line, err=True)

    recipe = ActivityRecipe() if job.recipe == "activity" else load_recipe(job.recipe)
    if not isinstance(recipe, (Recipe, ActivityRecipe)):
        chosen, threads = (job.protocol,), job.threads
        return run_lab(
            job.recipe, job.corpora, job.output, models=job.models, protocols=chosen, threads=threads, export=True
        )
    if job.models or job.protocol != "honest":
        raise InputError(f"{job.recipe} has one model and one protocol: leave --model and --protocol out.")
    sources = Sources(folders(job.corpora), noise_paths(job.sounds), response_paths(job.responses))
    if isinstance(recipe, ActivityRecipe):
        click.echo(run_activity(recipe, sources, job.output, report=report))
    else:
        click.echo(run(recipe, sources, job.output, report=report))
    return 0
