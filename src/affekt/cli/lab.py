"""What ``affekt train`` and ``affekt reproduce`` share: running a recipe of the lab and showing what came out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._files import atomic_write
from affekt._optional import require
from affekt.cli.figures import write_figures
from affekt.cli.terminal import SOME_FAILED, console, folders, shown
from affekt.errors import InputError

if TYPE_CHECKING:
    from affekt.train.lab.reproduce import Progress, Reproduction
    from affekt.types import Report

PROTOCOLS = ("as-published", "honest")


@dataclass(frozen=True)
class LabJob:
    """What is asked of a recipe of the lab.

    Parameters
    ----------
    recipe : str
    corpora : tuple of str
        ``NAME=PATH``.
    output : Path
    protocols : tuple of str
        Of ``as-published`` and ``honest``; or ``steps``.
    models : tuple of str
        Of the recipe's; empty: all of them, or when one is to be written the selected one.
    sex, checkpoint : str or None
        Take the place of what the recipe says.
    export : bool
        Whether model files are written.
    figures : tuple of str
        Formats that the figures are written in as well.
    """

    recipe: str
    corpora: tuple[str, ...]
    output: Path
    protocols: tuple[str, ...]
    models: tuple[str, ...] = ()
    sex: str | None = None
    checkpoint: str | None = None
    threads: int = 2
    export: bool = False
    figures: tuple[str, ...] = ()


def lab_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that take the place of what a recipe says."""
    for option in (
        click.option("--checkpoint", help="For an encoder recipe: a folder, or a name on the hub to download."),
        click.option("--sex", type=click.Choice(["female", "male"]), help="Only these voices."),
        click.option(
            "--model", "models", multiple=True, help="For a recipe with several models: which ones; may be repeated."
        ),
    ):
        command = option(command)
    return command


def run_lab(job: LabJob) -> int:
    """Run protocols of a recipe, write the reports (and the models), print the comparison."""
    require("torch", extra="lab").set_num_threads(job.threads)
    from affekt.train.lab.experiment import EncoderRecipe, Experiment
    from affekt.train.lab.reproduce import Selection, reproduce
    from affekt.train.recipe import load_recipe

    recipe = load_recipe(job.recipe)
    if not isinstance(recipe, (Experiment, EncoderRecipe)):
        raise InputError(f"{job.recipe} has one protocol only: use affekt train {job.recipe}.")
    if job.checkpoint and not isinstance(recipe, EncoderRecipe):
        raise InputError(f"--checkpoint is for encoder recipes; {job.recipe} is not one.")
    recipe = replace(recipe, sex=job.sex) if job.sex else recipe
    if isinstance(recipe, EncoderRecipe):
        recipe = _with_checkpoint(job, recipe)
    models = job.models or (recipe.models[:1] if job.export and isinstance(recipe, Experiment) else ())
    with lab_progress() as progress:
        selection = Selection(job.protocols, models)
        done = reproduce(recipe, folders(job.corpora), job.output, selection=selection, progress=progress)
    files = [job.output / name for name in ("index.html", "report.md", "report.json", "recipe.toml")]
    files += write_models(done, job.output) if job.export else []
    write_comparison(done, job.output)
    if job.figures:
        from affekt.plot.reproduce import reproduction_figures
        from affekt.train.lab.reproduce import rows

        write_figures(job.output / "figures", job.figures, reproduction_figures(done, rows(done)))
    print_comparison(done)
    click.echo(f"written: {', '.join(map(str, files))}")
    return SOME_FAILED if any(warning.startswith("left out") for warning in done.warnings) else 0


def _with_checkpoint(job: LabJob, recipe: Any) -> Any:
    """The recipe with the checkpoint asked for, downloaded if it is not there."""
    from affekt.train.lab.checkpoint import download_checkpoint, needs_download

    if job.models:
        raise InputError(f"{job.recipe} has one model: leave --model out, or choose another with --checkpoint.")
    recipe = replace(recipe, checkpoint=job.checkpoint) if job.checkpoint else recipe
    if needs_download(recipe.checkpoint):
        click.echo(f"downloading {recipe.checkpoint} from huggingface.co, once", err=True)
        download_checkpoint(recipe.checkpoint)
    return recipe


def write_models(done: Reproduction, output: Path) -> list[Path]:
    """One ONNX file for each model of the (only) protocol of a run."""
    from affekt.train.lab.encoder_learner import EncoderRun, write_encoder
    from affekt.train.lab.model import write_model
    from affekt.train.lab.reproduce import slug

    ((protocol, outcomes),) = done.outcomes.items()
    written = []
    for model, outcome in outcomes.items():
        folder = output / slug(protocol) / model
        path = output / f"{done.experiment.name}{'' if len(outcomes) == 1 else f'-{model}'}.onnx"
        if isinstance(done.clips, EncoderRun):
            write_encoder(done.clips, outcome, folder=folder, path=path)
        else:
            write_model(done.experiment, outcome, done.clips, folder=folder, path=path)
        written.append(path)
    return written


@contextmanager
def lab_progress() -> Iterator[Progress]:
    """Two bars on a terminal, or lines in a log: clips read, and the last epoch."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bars

    from affekt.train.lab.reproduce import Progress
    from affekt.train.pace import Pace

    screen = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, console=screen, disable=not screen.is_terminal, transient=True) as bars:
        epochs = bars.add_task("", total=None, visible=False)

        def clips(total: int) -> Callable[[], object]:
            if not screen.is_terminal:
                return Pace(total, lambda text: click.echo(text, err=True), what="clip")
            task = bars.add_task("clips", total=total)
            return lambda: bars.advance(task)

        def line(text: str) -> None:
            if screen.is_terminal:
                bars.update(epochs, description=text, visible=True)
            else:
                click.echo(text, err=True)

        yield Progress(clips, line)


def write_comparison(done: Reproduction, output: Path) -> None:
    """index.html, report.md and report.json into the folder of the run."""
    from affekt.plot.reproduce import reproduction_page
    from affekt.train.lab.reproduce import reproduction_table, rows

    texts = {
        "report.json": json.dumps(reproduction_table(done), indent=1, ensure_ascii=False) + "\n",
        "report.md": markdown(done),
        "index.html": reproduction_page(done, rows(done)),
    }
    for name, text in texts.items():
        with atomic_write(output / name) as file:
            file.write(text)


def print_comparison(done: Reproduction) -> None:
    """The comparison as a table, then the findings of each protocol."""
    from rich.table import Table
    from rich.text import Text

    from affekt.train.lab.reproduce import parameter_sentences, rows

    experiment, screen = done.experiment, console()
    screen.print(Text(f"{experiment.name}: {experiment.title}"))
    screen.print(Text(f"published: {experiment.published}; {experiment.published.what}"))
    for sentence in (*parameter_sentences(done), *done.warnings):
        screen.print(Text(shown(sentence)))
    table = Table("protocol", "model", "classes", "chance", "WA", "UAR", "stamped", box=None, pad_edge=False)
    for row in rows(done):
        cells = (row.protocol, row.model, row.classes, f"{1 / row.classes:.2f}", row.accuracy, row.recall)
        table.add_row(*(Text(str(cell)) for cell in cells), Text("STAMPED" if row.stamps else "-"))
    screen.print(table)
    for name, outcomes in done.outcomes.items():
        _print_findings(name, next(iter(outcomes.values())).report)


def _print_findings(name: str, report: Report) -> None:
    from rich.text import Text

    screen = console()
    screen.print(Text(f"\n{name}: {report.protocol}"))
    if report.stamps:
        screen.print(Text(f"  STAMPED: {', '.join(report.stamps)}"))
    for finding in report.findings:
        screen.print(Text(f"  {finding.severity}: {finding.what}"))
        screen.print(Text(f"    inflates: {finding.inflates}"))
        screen.print(Text(f"    remedy: {finding.remedy}"))
    if not report.findings:
        screen.print(Text("  the audit found nothing"))


def markdown(done: Reproduction) -> str:
    """The comparison as a Markdown page."""
    from affekt.train.lab.reproduce import parameter_sentences, rows
    from affekt.write.report import to_markdown
    from affekt.write.tables import markdown_table

    experiment = done.experiment
    lines = [
        f"# {experiment.name}: {experiment.title}",
        "",
        f"Published: {experiment.published}. {experiment.published.what}.",
    ]
    lines += ["", *(f"- {sentence}" for sentence in (*parameter_sentences(done), *done.warnings)), ""]
    cells = [(r.protocol, r.model, r.classes, r.accuracy, r.recall, ", ".join(r.stamps) or "-") for r in rows(done)]
    lines += markdown_table(("protocol", "model", "classes", "WA", "UAR", "stamped"), cells)
    for name, outcomes in done.outcomes.items():
        for model, outcome in outcomes.items():
            lines += ["", f"## {name}: {model}", "", to_markdown(outcome.report)]
    return "\n".join(lines) + "\n"
