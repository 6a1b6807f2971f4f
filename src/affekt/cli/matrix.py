"""``affekt matrix``: train on one corpus, test on another, for all pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from affekt._files import atomic_write
from affekt._optional import require
from affekt.cli.figures import figures_option, write_figures
from affekt.cli.terminal import SOME_FAILED, polite, progress, read_all, shown
from affekt.errors import InputError

if TYPE_CHECKING:
    from affekt.types import Sample
    from affekt.write.matrix import MatrixRun

    Readings = dict[str, tuple[Sample, ...]]

FORMATS = ("text", "markdown", "latex", "json", "csv")
#: Files of the run in other formats than the page.
FILES = {"matrix.json": "json", "matrix.csv": "csv", "matrix.tex": "latex"}


@click.command()
@click.option("--corpus", "corpora", multiple=True, required=True, metavar="NAME=PATH", help="Once for each corpus.")
@click.option("--model", "models", multiple=True, help="Test this model instead of training; may be repeated.")
@click.option("--recipe", help="A lab recipe of speech, or FILE.toml. [default: 180 features, logistic regression]")
@click.option("--labels", help="Some of the labels that all corpora have, with commas between. [default: all of them]")
@click.option(
    "--scale", metavar="LOW:HIGH", help="With --model: the range of the columns valence, arousal and dominance."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="On stdout.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Recordings at once (--model).")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@figures_option
@polite
def matrix(
    corpora: tuple[str, ...],
    models: tuple[str, ...],
    recipe: str | None,
    labels: str | None,
    scale: str | None,
    output: Path,
    form: str,
    jobs: int,
    threads: int,
    figures: tuple[str, ...],
) -> int:
    """Train on one corpus and test on another, for all pairs: the matrix of UAR, as a heat map.

    Without --model a model is trained on each corpus, with the labels that all share, and tested on all clips of
    every other; within a corpus, by folds of speakers. With --model each row is a model, tested on the speakers that
    `affekt evaluate` would test. OUTPUT gets index.html, matrix.json, matrix.csv, matrix.tex, and what is needed to go
    on after an interruption.
    """
    from affekt.plot.scores import draw_cross_corpus, figure_of
    from affekt.write.matrix import FORMATS as WRITERS

    if models and (recipe or labels):
        raise InputError("--recipe and --labels are for training; leave them out, or --model.")
    if scale and not models:
        raise InputError("--scale is for --model; what is trained here answers labels.")
    if output.exists() and not output.is_dir():
        raise InputError(f"-o {output} is a file; give a folder, which is made if it is missing.")
    require("matplotlib", extra="plot")
    readings = read_all(corpora)
    output.mkdir(parents=True, exist_ok=True)
    if models:
        run = _taken(models, readings, jobs, scale)
    else:
        require("torch", extra="lab").set_num_threads(threads)
        run = _trained(recipe, readings, output, labels)
    texts = {name: WRITERS[kind](run) for name, kind in FILES.items()}
    for name, text in {**texts, "index.html": _page(run)}.items():
        with atomic_write(output / name) as file:
            file.write(text)
    if figures:
        write_figures(output, figures, [("matrix", figure_of(draw_cross_corpus(run.matrix)))])
    text = WRITERS[form](run).rstrip("\n")
    click.echo("\n".join(shown(line) for line in text.split("\n")) if form == "text" else text)
    click.echo(f"written: {output / 'index.html'}", err=True)
    return SOME_FAILED if any(line.startswith("left out") for line in run.warnings) else 0


def _trained(recipe: str | None, readings: Readings, output: Path, labels: str | None) -> MatrixRun:
    from affekt.cli.lab import lab_progress
    from affekt.train.lab.across import PLAIN, common_labels, train_across
    from affekt.train.lab.experiment import Experiment
    from affekt.train.recipe import load_recipe
    from affekt.write.matrix import MatrixRun

    experiment = load_recipe(recipe) if recipe else PLAIN
    if not isinstance(experiment, Experiment):
        raise InputError(f"--recipe {recipe} is no lab recipe; affekt recipes lists them.")
    if len(readings) < 2:
        raise InputError("one corpus has no other to be tested on; give --corpus NAME=PATH for at least two.")
    wanted = [label.strip() for label in (labels or "").split(",") if label.strip()]
    chosen = common_labels(readings, wanted)
    with lab_progress() as told:
        reports, warnings = train_across(experiment, readings, output, labels=chosen, progress=told)
    return MatrixRun(f"Trained: {experiment.title}, {experiment.models[0]}", reports, chosen, warnings)


def _taken(models: tuple[str, ...], readings: Readings, jobs: int, scale: str | None) -> MatrixRun:
    from affekt.data.numbers import scale_of
    from affekt.evaluate.corpus import evaluate, known_split, select_test_set
    from affekt.recognize.recognizer import Recognizer
    from affekt.types import Report
    from affekt.write.evaluation import CORPUS_LABELS
    from affekt.write.matrix import MatrixRun

    reports: dict[tuple[str, str], Report] = {}
    warnings = []
    limits = scale_of(scale) if scale else None
    for name in models:
        recognizer = Recognizer(name)
        known = known_split(readings, recognizer.card)
        for corpus, samples in readings.items():
            test_set = select_test_set(corpus, samples, recognizer.card, split_hash=known)
            if test_set is None:
                warnings.append(f"{corpus}: has no test speakers; left empty.")
                continue
            if not test_set.held_out:
                warnings += [f"{Path(name).stem} on {corpus}: {sentence}" for sentence in test_set.warnings]
            with progress(len(test_set.samples), f"{name} on {corpus}") as tick:
                found = evaluate(recognizer, replace(test_set, scale=limits), jobs=jobs, tick=tick)
            reports[Path(name).stem, corpus] = found.reports[CORPUS_LABELS]
            warnings += [f"left out: {failure.source}: {failure.reason}" for failure in found.failures]
    return MatrixRun(f"Models: {', '.join(models)}", reports, (), tuple(dict.fromkeys(warnings)), finished=True)


def _page(run: MatrixRun) -> str:
    from affekt.plot.page import Section, Table, page
    from affekt.plot.scores import matrix_section
    from affekt.write.matrix import number_rows, pair_rows, sentences
    from affekt.write.report import FindingRow, finding_rows

    stamps = run.matrix.stamps
    first = [Section("Not what it looks like", severe=True, stamps=stamps)] if stamps else []
    head, *rows = pair_rows(run)
    caveats = [FindingRow("note", line) for line in run.warnings]
    for (trained, tested), report in run.reports.items():
        caveats += [
            FindingRow(row.severity, f"{trained} on {tested}: {row.what}", row.how_much, row.remedy, row.more)
            for row in finding_rows(report)
            if row.severity != "note"
        ]
    caveats.sort(key=lambda row: ("severe", "warning", "note").index(row.severity))
    told = sentences(run)[: -len(run.warnings) or None]
    table = Table([str(cell) for cell in head], rows)
    tables = [table]
    if numbers := number_rows(run):
        tables.append(Table([str(cell) for cell in numbers[0]], numbers[1:]))
    pairs = Section("All pairs", tables=tables, findings=caveats)
    return page("Across corpora", [*first, Section("What was done", told), matrix_section(run.matrix), pairs])
