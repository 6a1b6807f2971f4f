"""``affekt reproduce``: a well-known recipe as published and as it should be, side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._files import atomic_write
from affekt._optional import require
from affekt.cli.terminal import SOME_FAILED, console, folders, polite, shown
from affekt.errors import InputError

if TYPE_CHECKING:
    from affekt.train.lab.reproduce import Progress, Reproduction

PROTOCOLS = ("as-published", "honest")


@click.command()
@click.argument("recipe")
@click.option("--corpus", "corpora", multiple=True, metavar="NAME=PATH", help="A corpus of the recipe; once for each.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the run; an interrupted run goes on.",
)
@click.option("--model", "models", multiple=True, help="Only this model of the recipe; may come several times.")
@click.option("--steps", is_flag=True, help="Also every step from the published protocol to the honest one.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@polite
def reproduce(
    recipe: str, corpora: Sequence[str], output: Path, models: Sequence[str], steps: bool, threads: int
) -> int:
    """Run a well-known RECIPE as it was published and as it should be, and show both.

    The audit looks at each protocol before it is scored; scores of a split with
    a severe finding are stamped. OUTPUT gets index.html, report.md,
    report.json, and what is needed to go on after an interruption.
    """
    return run_lab(
        recipe, corpora, output, models=models, protocols=("steps",) if steps else PROTOCOLS, threads=threads
    )


def run_lab(
    recipe: str,
    corpora: Sequence[str],
    output: Path,
    *,
    models: Sequence[str],
    protocols: Sequence[str],
    threads: int,
    export: bool = False,
) -> int:
    """Run protocols of a lab recipe, write the reports (and the models), print the comparison."""
    require("torch", extra="lab").set_num_threads(threads)
    from affekt.train.lab.experiment import Experiment
    from affekt.train.lab.reproduce import Asked
    from affekt.train.lab.reproduce import reproduce as reproduce_lab
    from affekt.train.recipe import load_recipe

    experiment = load_recipe(recipe)
    if not isinstance(experiment, Experiment):
        raise InputError(f"{recipe} is no lab recipe: it has one protocol only. Use affekt train {recipe}.")
    asked = Asked(tuple(protocols), tuple(models) or (experiment.models[:1] if export else ()))
    with lab_progress() as progress:
        done = reproduce_lab(experiment, folders(corpora), output, asked=asked, progress=progress)
    write_comparison(done, output)
    print_comparison(done)
    files = [output / name for name in ("index.html", "report.md", "report.json", "recipe.toml")]
    files += write_models(done, output) if export else []
    click.echo(f"written: {', '.join(str(file) for file in files)}")
    return SOME_FAILED if any(warning.startswith("left out") for warning in done.warnings) else 0


def write_models(done: Reproduction, output: Path) -> list[Path]:
    """One ONNX file for each model of the (only) protocol of a run."""
    from affekt.train.lab.model import write_model
    from affekt.train.lab.reproduce import slug

    ((protocol, outcomes),) = done.outcomes.items()
    return [
        write_model(
            done.experiment,
            outcome,
            done.material,
            folder=output / slug(protocol) / model,
            path=output / f"{done.experiment.name}{'' if len(outcomes) == 1 else f'-{model}'}.onnx",
        )[0]
        for model, outcome in outcomes.items()
    ]


@contextmanager
def lab_progress() -> Iterator[Progress]:
    """Two bars on a terminal, or lines in a log: clips read, and the last epoch."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bars

    from affekt.train.lab.reproduce import Progress

    screen = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, console=screen, disable=not screen.is_terminal, transient=True) as bars:
        epochs = bars.add_task("", total=None, visible=False)

        def clips(total: int) -> Callable[[], object]:
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
    from affekt.plot.reproduction import reproduction_page
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
        table.add_row(*(Text(str(cell)) for cell in cells), Text(", ".join(row.stamps) or "-"))
    screen.print(table)
    for name, outcomes in done.outcomes.items():
        outcome: Any = next(iter(outcomes.values()))
        screen.print(Text(f"\n{name}: {outcome.report.protocol}"))
        for finding in outcome.report.findings:
            screen.print(Text(f"  {finding.severity}: {finding.what}"))
            screen.print(Text(f"    inflates: {finding.inflates}"))
            screen.print(Text(f"    mend: {finding.mend}"))
        if not outcome.report.findings:
            screen.print(Text("  the audit found nothing"))


def markdown(done: Reproduction) -> str:
    """The comparison as a Markdown page."""
    from affekt.evaluate.writing import to_markdown
    from affekt.train.lab.reproduce import parameter_sentences, rows

    experiment = done.experiment
    lines = [
        f"# {experiment.name}: {experiment.title}",
        "",
        f"Published: {experiment.published}. {experiment.published.what}.",
    ]
    lines += ["", *(f"- {sentence}" for sentence in (*parameter_sentences(done), *done.warnings)), ""]
    lines += ["| protocol | model | classes | WA | UAR | stamped |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows(done):
        cells = (row.protocol, row.model, row.classes, row.accuracy, row.recall, ", ".join(row.stamps) or "-")
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    for name, outcomes in done.outcomes.items():
        for model, outcome in outcomes.items():
            lines += ["", f"## {name}: {model}", "", to_markdown(outcome.report)]
    return "\n".join(lines) + "\n"
