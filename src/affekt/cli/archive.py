"""``affekt archive``: thousands of hours into one output, shard by shard."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from affekt.cli.terminal import SOME_FAILED, clock, console, polite, shown
from affekt.errors import InputError

if TYPE_CHECKING:
    from affekt.archive.engine import Executor
    from affekt.archive.status import Counts


@click.group()
def archive() -> None:
    """Process thousands of hours on all cores, and resume where it stopped."""


@archive.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("-o", "--output", required=True, metavar="OUT", help="Folder or fsspec address (s3://...).")
@click.option("--model", default="voice", show_default=True, help="A name from `affekt models`, or FILE.onnx.")
@click.option("--labels", metavar="LABELS", help="A set of labels, or some of the model's: angry,sad.")
@click.option("--threshold", type=click.FloatRange(0, 1), help="Not sure below this confidence; by default the card's.")
@click.option("--channel", default="mix", show_default=True, help="mix, left, right, each, or a number from 1.")
@click.option("--format", "form", type=click.Choice(["parquet", "jsonl"]), default="parquet", show_default=True)
@click.option("--shard", type=float, default=3600.0, show_default=True, help="Seconds of sound committed together.")
@click.option("--tries", type=int, default=3, show_default=True, help="Attempts before a recording is set aside.")
@click.option("--limit", type=float, default=600.0, show_default=True, help="Seconds per recording, plus its length.")
@click.option("--workers", type=click.IntRange(1, 10_000), help="Processes, or actors; by default one per core.")
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True)
@click.option("--address", metavar="ray://HOST:PORT", help="Address of a Ray cluster; by default this machine's.")
@click.option("--allow-missing", is_flag=True, help="Missing files of a manifest get records that say so.")
@click.option("--retry-failed", is_flag=True, help="Process shards again in which something failed.")
@click.option("--metrics", type=click.Path(dir_okay=False), help="Keep Prometheus metrics in this text file.")
@polite
def run(sources: tuple[str, ...], output: str, metrics: str | None, **options: Any) -> int:
    """Recognise all recordings of SOURCE...: exactly one record of each goes into OUT.

    SOURCE is a folder, a pattern, a manifest (.csv or .parquet with the columns
    uri, start, end, channel, speaker) or an fsspec address. Without any, the
    earlier plan goes on. If it is killed at any time, the same command resumes
    where it stopped. The exit status is 1 when some recordings failed.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from affekt.archive.run import Progress, RunOptions, run_archive
    from affekt.archive.status import Counts, write_metrics
    from affekt.archive.status import status as status_of

    executor = _engine(options.pop("engine"), options.pop("address"), options.pop("workers"))
    terminal = Console(stderr=True)
    columns = (TextColumn("shards"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=terminal, disable=not terminal.is_terminal, transient=True) as bar:
        task, counts = bar.add_task(""), Counts()

        def on_progress(now: Progress) -> None:
            nonlocal counts
            bar.update(task, completed=now.done, total=now.shards)
            if now.state is None:
                counts = status_of(output)
            else:
                counts.add(now.state)
            counts.done = now.done
            if metrics:
                write_metrics(metrics, counts)

        run_archive(sources, output, executor, options=RunOptions(**options), on_progress=on_progress)
    click.echo(f"{shown(output)}: {_sentence(counts)}")
    return SOME_FAILED if counts.failed else 0


def _engine(name: str, address: str | None, workers: int | None) -> Executor:
    if name == "local":
        if address:
            raise InputError(f"--address {address} is of a Ray cluster; add --engine ray.")
        from affekt.archive.local import Processes

        return Processes(workers)
    from affekt.archive.ray import RayActors

    return RayActors(address, workers)


@archive.command()
@click.argument("output", metavar="OUT")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@polite
def status(output: str, as_json: bool) -> None:
    """The progress of the archive in OUT: what is done, what failed and why, the speed, and the time left."""
    from affekt.archive.status import status as status_of

    counts = status_of(output)
    if as_json:
        click.echo(json.dumps(counts.record(), indent=2))
        return
    click.echo(f"records    {counts.records} of {counts.inputs}; {counts.done} of {counts.shards} shards")
    kinds = ", ".join(f"{kind} {number}" for kind, number in counts.failed.most_common())
    click.echo(f"failed     {counts.failed.total()}" + (f": {kinds}" if kinds else ""))
    if counts.again:
        times = f"{counts.again} time{'s' * (counts.again != 1)}"
        click.echo(f"asked      {times} again: a store was busy, or a connection broke")
    click.echo(f"sound      {counts.sound / 3600:.2f} h, {counts.bytes / 1e6:.2f} MB of records")
    if counts.rate is not None:
        workers = f"{counts.workers} worker{'s' * (counts.workers != 1)}"
        click.echo(f"speed      {counts.rate:,.0f} hours of sound per hour with {workers}")
    if counts.done < counts.shards and counts.remaining is not None:
        click.echo(f"left       about {clock(counts.remaining)}")


@archive.command()
@click.argument("output", metavar="OUT")
@click.option("--sql", required=True, metavar="QUESTION", help="In DuckDB's dialect.")
@click.option("--format", "form", type=click.Choice(["text", "csv", "jsonl"]), default="text", show_default=True)
@polite
def query(output: str, sql: str, form: str) -> None:
    """Query the records in OUT, for example how often each speaker is angry.

    Tables: records (one row for each recording: source, channel, speaker,
    duration, label, best, confidence, quality, reason, scores), segments (with
    start and end, too) and failures (source, kind, reason).
    """
    from affekt.archive.query import query as ask

    columns, rows = ask(output, sql)
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([columns, *rows])
    elif form == "jsonl":
        for row in rows:
            click.echo(json.dumps(dict(zip(columns, row, strict=True)), default=str))
    else:
        from rich.table import Table

        table = Table(*columns, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(f"{x:.4g}" if isinstance(x, float) else shown("" if x is None else str(x)) for x in row))
        console().print(table)


@archive.command()
@click.argument("output", metavar="OUT")
@click.option("--speaker", "speakers", multiple=True, metavar="NAME", help="As the manifest has it; may be repeated.")
@click.option("--uri", "uris", multiple=True, metavar="ADDRESS", help="A recording, as its record has it.")
@polite
def forget(output: str, speakers: tuple[str, ...], uris: tuple[str, ...]) -> None:
    """Erase the records of people or recordings from OUT for good: they are not processed again.

    The recordings themselves, and copies of OUT elsewhere, are not touched.
    """
    from affekt.archive.forget import forget as erase

    found = erase(output, speakers=speakers, uris=uris)
    click.echo(f"{shown(output)}: records erased: {found.records}; not yet processed, and left out: {found.planned}.")


def _sentence(counts: Counts) -> str:
    said = f"{counts.records} records, {counts.sound / 3600:.2f} h of sound"
    if counts.again:
        said += (
            f", asked again {counts.again} time{'s' * (counts.again != 1)} (a store was busy, or a connection broke)"
        )
    if not counts.failed:
        return f"{said}."
    kinds = ", ".join(f"{kind} {number}" for kind, number in counts.failed.most_common())
    return f"{said}; {counts.failed.total()} failed ({kinds}): their records say why. Try them again: --retry-failed."
