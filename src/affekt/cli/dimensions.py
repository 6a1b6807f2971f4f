"""``affekt train dimensions``: a model of valence, arousal and dominance from columns of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from affekt._files import atomic_write
from affekt._optional import require
from affekt.cli.lab import lab_progress
from affekt.cli.terminal import SOME_FAILED, console, folders, shown
from affekt.errors import InputError

if TYPE_CHECKING:
    from affekt.train.lab.dimensions import DimensionRun
    from affekt.train.lab.dimensions_recipe import DimensionRecipe


@dataclass(frozen=True)
class DimensionJob:
    """What is asked of the recipe ``dimensions``."""

    recipe: DimensionRecipe
    corpora: tuple[str, ...]
    output: Path
    models: tuple[str, ...] = ()
    scale: str | None = None


def run_dimensions(job: DimensionJob) -> int:
    """Train every model by folds of speakers, write the comparison and the model file, print the comparison."""
    from affekt.data.numbers import SCALE, scale_of
    from affekt.train.lab.dimensions import chosen_models, claim_run, load_table, read_numbered, train_dimensions
    from affekt.train.lab.dimensions_export import write_dimensions

    recipe = chosen_models(job.recipe, job.models)
    given = folders(job.corpora)
    if not given:
        raise InputError(f"the recipe {recipe.name} needs numbers: give --corpus folder=TABLE.csv.")
    scale = scale_of(job.scale) if job.scale else SCALE
    require("sklearn", extra="lab")
    samples, warnings = read_numbered(given, scale=scale)
    with lab_progress() as told:
        table = load_table(recipe, samples, job.output / "cache", scale=scale, tick=told.clips)
        claim_run(job.output, recipe, table)
        run = train_dimensions(recipe, table, job.output, line=told.line, warnings=warnings)
    file = job.output / f"{recipe.name}.onnx"
    difference = write_dimensions(run, recipe.models[0], file)
    _write(run, job.output)
    _print(run)
    names = ["index.html", "report.md", "report.json", "recipe.toml"]
    click.echo(f"{recipe.models[0]} is in {file.name}, whose answers agree to within {difference:.0e}.", err=True)
    click.echo(f"written: {', '.join(str(job.output / name) for name in [*names, file.name])}")
    return SOME_FAILED if table.unread else 0


def _write(run: DimensionRun, output: Path) -> None:
    from affekt.write.dimensions import to_json, to_markdown

    texts = {
        "report.json": to_json(run.recipe.name, run.reports, run.strengths),
        "report.md": to_markdown(run.recipe.title, run.reports),
        "index.html": _page(run),
    }
    for name, text in texts.items():
        with atomic_write(output / name) as file:
            file.write(text)


def _page(run: DimensionRun) -> str:
    from affekt.plot.page import Section, Table, page
    from affekt.write.dimensions import model_rows
    from affekt.write.report import finding_rows

    report = next(iter(run.reports.values()))
    head, *rows = model_rows(run.reports)
    first = [Section("Not what it looks like", severe=True, stamps=report.stamps)] if report.stamps else []
    about = "CCC, RMSE (on -1 to 1) and the share of a speaker's pairs in order, with 95 % intervals over speakers."
    made = Section("Models", [report.protocol, about], [Table(head, rows)], findings=finding_rows(report))
    return page(run.recipe.title, [*first, made])


def _print(run: DimensionRun) -> None:
    from rich.table import Table
    from rich.text import Text

    from affekt.write.dimensions import model_rows
    from affekt.write.report import finding_sentences

    screen, report = console(), next(iter(run.reports.values()))
    screen.print(Text(f"{run.recipe.name}: {run.recipe.title}"))
    screen.print(Text(report.protocol))
    head, *rows = model_rows(run.reports)
    table = Table(*head, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    screen.print(table)
    lines: Sequence[str] = (*report.warnings, *finding_sentences(report))
    for line in lines:
        screen.print(Text(f"  {shown(line)}"))
