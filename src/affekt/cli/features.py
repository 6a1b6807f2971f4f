"""``affekt features``: acoustic features and embeddings of recordings as a table."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from affekt._files import atomic_write
from affekt._optional import require
from affekt.cli.terminal import SOME_FAILED, Target, polite, progress, read_all, shown
from affekt.errors import AffektError, InputError
from affekt.types import Sample
from affekt.write.features import WRITERS, FeatureTable, joined

#: Names of the most used sets first; ``affekt.speech.feature_columns.SETS`` has them all.
SETS = "usual-180, usual-162, mfcc, egemaps, embedding, mfcc-chroma-contrast, voice-312, all"
FRAMES_ONLY = "log-mel-128, mfcc-deltas-120"


@dataclass(frozen=True)
class Job:
    """What ``affekt features`` was asked for."""

    paths: tuple[str, ...]
    corpora: tuple[str, ...]
    sets: tuple[str, ...]
    frames: bool
    form: str | None
    output: Path | None
    sampling_rate: int
    model: str
    channel: str
    track: str | None
    cache: Path | None
    recursive: bool

    @property
    def writer(self) -> str:
        """The format asked for, or the one that the file's name says."""
        suffix = "" if self.output is None else self.output.suffix.lower().lstrip(".")
        return self.form or (suffix if suffix in WRITERS else "csv")


@click.command()
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("--corpus", "corpora", multiple=True, metavar="NAME=PATH", help="Adds columns id, label and speaker.")
@click.option(
    "--set",
    "sets",
    multiple=True,
    default=("usual-180",),
    show_default=True,
    metavar="NAME",
    help=f"{SETS}; with --frames also {FRAMES_ONLY}. May be repeated.",
)
@click.option("--frames", is_flag=True, help="A row for each frame (embedding: window of speech), not for each clip.")
@click.option(
    "--format",
    "-f",
    "form",
    type=click.Choice(list(WRITERS)),
    help="parquet needs the extra parquet. [default: by the name of -o, else csv]",
)
@click.option("-o", "--output", type=Target(), help="File to write. [default: csv to standard output]")
@click.option(
    "--sampling-rate",
    type=int,
    default=22_050,
    show_default=True,
    help="Recordings are resampled to this rate in Hz first; embeddings always use 16000.",
)
@click.option(
    "--model", default="voice", show_default=True, help="Whose embedding: voice, voice-small, or FILE.onnx of a recipe."
)
@click.option("--channel", default="mix", show_default=True, metavar="mix|left|right|1..n|each")
@click.option("--track", metavar="N|LANGUAGE", help="Sound track of a video. [default: the one that players play]")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that keeps what was computed; a second call reads it. [default: nothing is kept]",
)
@click.option("-r", "--recursive", is_flag=True, help="Include subfolders.")
@polite
def features(**options: Any) -> int:
    """Acoustic features and embeddings of recordings, as a table.

    PATH is a recording in any common format (sound or video), a folder, a
    pattern, or - for standard input. A table has the columns path, start, end
    (seconds), then the features by their usual names. docs/features.md lists
    the columns.

    The exit status is 1 when some recordings failed; they are named, and the
    others are written.
    """
    job = Job(**options)
    _check(job)
    from affekt.recognize.batch import failure_of
    from affekt.recognize.features import FeatureOptions, FeatureReader
    from affekt.speech.audio import name_of

    asked = FeatureOptions(job.sets, job.frames, job.sampling_rate, job.model, job.channel, job.track, job.cache)
    sources, failures = _sources(job)
    reader = FeatureReader(asked)
    tables: list[FeatureTable] = []
    with progress(len(sources)) as tick:
        for source in sources:
            try:
                tables.append(reader.read(source))
            except (AffektError, OSError, MemoryError) as error:
                failures.append(failure_of(name_of(source), error))
            tick()
    for failure in failures:
        click.echo(f"error: {shown(failure.source)}: {shown(failure.reason)}", err=True)
    if tables:
        table = joined(tables)
        for note in table.notes:
            click.echo(f"note: {shown(note)}", err=True)
        _write(job, table)
    if failures:
        rest = "; the others were written." if tables else "."
        click.echo(f"{len(failures)} of {len(failures) + len(tables)} inputs failed{rest}", err=True)
    return SOME_FAILED if failures else 0


def _check(job: Job) -> None:
    if not job.paths and not job.corpora:
        raise click.UsageError("Missing argument 'PATH...', or --corpus NAME=PATH.")
    if job.writer == "parquet":
        require("pyarrow", extra="parquet")
    if job.output is None and job.writer != "csv":
        raise InputError(f"{job.writer} is not text; say where to write it: -o FILE.{job.writer}.")
    if job.output is not None and job.output.is_dir():
        raise InputError(f"-o {job.output} is a folder; give a file in it.")
    if job.output is not None and not job.output.parent.is_dir():
        raise InputError(f"-o {job.output}: there is no folder {job.output.parent}; make it first.")


def _sources(job: Job) -> tuple[list[str | Sample], list[Any]]:
    """The recordings asked for, and what was not found."""
    from affekt.corpora.pictures import is_picture
    from affekt.recognize.batch import find_recordings

    left_out: Counter[str] = Counter()
    found: Sequence[str] = ()
    failures: list[Any] = []
    if job.paths:
        found, failures = find_recordings(job.paths, recursive=job.recursive, left_out=left_out, modality="speech")
    output = job.output if job.output is not None and job.output.exists() else None
    if output and any(path != "-" and os.path.exists(path) and os.path.samefile(output, path) for path in found):
        raise InputError(f"-o {job.output} is one of the recordings; give another file.")
    if left_out:
        kinds = ", ".join(f"{count} {kind}" for kind, count in left_out.most_common(5))
        click.echo(f"note: files left out, because their names are not those of recordings: {shown(kinds)}", err=True)
    samples = [sample for reading in read_all(job.corpora).values() for sample in reading]
    if found and samples:
        raise InputError("give paths, or --corpus; a corpus has columns that paths have not.")
    if picture := next((sample for sample in samples if is_picture(sample)), None):
        raise InputError(f"{picture.id} is a picture; these are features of sound.")
    return [*found, *samples], failures


def _write(job: Job, table: FeatureTable) -> None:
    writer = WRITERS[job.writer]
    if job.output is None:
        writer(table, sys.stdout.buffer)
        return
    with atomic_write(job.output, "wb") as file:
        writer(table, file)
    click.echo(f"written: {job.output} ({len(table)} rows, {len(table.columns)} features)", err=True)
