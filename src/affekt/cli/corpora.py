"""``affekt corpora``: the corpora affekt can read, a check of a copy, and synthetic tones for trying things out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from affekt.cli.terminal import SOME_FAILED, clock, console, polite, progress, shown

FORMATS = click.Choice(["text", "json"])
MOST_LINES = 10


@click.group(invoke_without_command=True)
@click.option("-f", "--format", "form", type=FORMATS, default="text", show_default=True)
@click.pass_context
def corpora(ctx: click.Context, form: str) -> None:
    """The corpora that affekt can read: what they hold, and where to get them."""
    if ctx.invoked_subcommand is None:
        _list(form)


@polite
def _list(form: str) -> None:
    from affekt.corpora import CORPORA

    if form == "json":
        click.echo(json.dumps([_facts(corpus) for corpus in CORPORA.values()], indent=2, ensure_ascii=False))
        return
    from rich.table import Table

    table = Table(
        "name",
        "title",
        "modality",
        "language",
        "clips",
        "speakers",
        "licence",
        "labels",
        "where",
        box=None,
        pad_edge=False,
    )
    for corpus in CORPORA.values():
        table.add_row(
            corpus.name,
            corpus.title,
            corpus.modality,
            ", ".join(corpus.languages) or "any",
            str(corpus.clips or "any"),
            str(corpus.speakers or "any"),
            corpus.licence,
            ", ".join(corpus.labels) or "any",
            corpus.home,
        )
    console().print(table)


def _facts(corpus: Any) -> dict[str, Any]:
    names = ("name", "modality", "title", "languages", "labels", "clips", "speakers", "licence", "home", "example")
    return {name: getattr(corpus, name) for name in names}


@corpora.command()
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("-f", "--format", "form", type=FORMATS, default="text", show_default=True)
@polite
def check(name: str, path: Path, form: str) -> int:
    """Is the corpus NAME at PATH complete? Decodes every clip.

    Exit status: 0 as published, 1 when clips, labels or speakers are missing, cannot be read or contradict one
    another, 2 when PATH is not this corpus.
    """
    from affekt.corpora import corpus_name, read_corpus
    from affekt.corpora.check import check_reading

    name = corpus_name(name)
    reading = read_corpus(name, path)
    with progress(len(reading.samples), "clips") as tick:
        found = check_reading(name, reading, tick=tick)
    if form == "json":
        doubles = [{**asdict(double), "conflict": double.conflict} for double in found.duplicates]
        facts = {**asdict(found), "duplicates": doubles, "problems": found.problems}
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        for line in _lines(found):
            click.echo(line)
    return SOME_FAILED if found.problems else 0


def _lines(found: Any) -> list[str]:
    """A check for people, line by line."""
    if found.sizes:
        return _picture_lines(found)
    rates = ", ".join(f"{rate} Hz ({count})" for rate, count in found.sampling_rates.items())
    lines = [
        f"{found.corpus}: {_of(found.clips, found.clips_published)} clips "
        f"of {_of(found.speakers, found.speakers_published)} speakers, {clock(found.seconds)} in all",
        f"  labels    {_counts(found.labels)}",
        f"  speakers  {_counts(found.per_speaker) or 'unknown'}",
        f"  rates     {rates or 'unknown'}",
    ]
    for what, items in (
        ("cannot be read", found.unreadable),
        ("ends too early", found.cut_short),
        ("the same sound under two labels", [d for d in found.duplicates if d.conflict]),
        ("the same sound twice", [d for d in found.duplicates if not d.conflict]),
        ("another sampling rate", found.odd_rates),
        ("odd length", found.odd_lengths),
        ("odd level", found.odd_levels),
        ("skipped", found.skipped),
    ):
        lines += _section(what, [str(item) for item in items])
    return lines + _last_lines(found)


def _picture_lines(found: Any) -> list[str]:
    """A check of pictures for people, line by line."""
    sizes = list(found.sizes.items())
    more = f" and {len(sizes) - MOST_LINES} more" if len(sizes) > MOST_LINES else ""
    lines = [
        f"{found.corpus}: {_of(found.clips, found.clips_published)} pictures of {found.speakers} people",
        f"  labels    {_counts(found.labels)}",
        f"  people    {_counts(found.per_speaker) or 'unknown'}",
        f"  sizes     {', '.join(f'{size} ({count})' for size, count in sizes[:MOST_LINES])}{more}",
    ]
    for what, items in (
        ("cannot be read", found.unreadable),
        ("the same picture under two labels", [d for d in found.duplicates if d.conflict]),
        ("the same picture twice", [d for d in found.duplicates if not d.conflict]),
        ("nothing to see", found.odd_levels),
        ("skipped", found.skipped),
    ):
        lines += _section(what, [str(item) for item in items])
    return lines + _last_lines(found)


def _last_lines(found: Any) -> list[str]:
    lines = [f"note: {shown(sentence)}" for sentence in found.warnings]
    lines += [f"wrong: {shown(sentence)}" for sentence in found.problems]
    return lines if found.problems else [*lines, "nothing is missing or broken."]


def _of(found: int, published: int | None) -> str:
    return str(found) if published is None else f"{found} of {published}"


def _counts(table: Any) -> str:
    return shown(", ".join(f"{name} {count}" for name, count in table.items()))


def _section(what: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    more = [f"  and {len(items) - MOST_LINES} more: --format json"] if len(items) > MOST_LINES else []
    return [f"{what}: {len(items)}", *(f"  {shown(item)}" for item in items[:MOST_LINES]), *more]


@corpora.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--layout", default="synthetic", show_default=True, metavar="NAME", help="Corpus whose names clips get.")
@click.option("--speakers", type=int, help="Six, or as many as the layout has, by default.")
@click.option("--clips", type=int, default=4, show_default=True, help="Clips per label and speaker.")
@click.option("--labels", help="Some of the layout's labels, with commas between; all by default.")
@click.option("--seed", type=int, default=0, show_default=True, help="A different number gives different tones.")
@polite
def synthetic(folder: Path, layout: str, speakers: int | None, clips: int, labels: str | None, seed: int) -> None:
    """Write tones with known answers into FOLDER, to try every command without recordings.

    Layouts: synthetic, crema_d, ravdess, savee, tess.
    """
    from affekt.corpora.synthetic import write_synthetic

    chosen = None if labels is None else [label.strip() for label in labels.split(",") if label.strip()]
    paths = write_synthetic(folder, layout=layout, speakers=speakers, clips_per_label=clips, labels=chosen, seed=seed)
    reader = "synthetic" if layout == "synthetic" else "folder"  # as anything else, it is far from complete
    click.echo(f"{len(paths)} clips in {shown(str(folder))}; try: affekt corpora check {reader} {shown(str(folder))}")
