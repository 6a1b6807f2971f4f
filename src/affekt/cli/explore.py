"""``affekt explore``: what is in a corpus, as pictures and one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from affekt._files import atomic_write
from affekt._optional import require
from affekt.cli.figures import figures_option, write_figures
from affekt.cli.terminal import SOME_FAILED, polite, progress, shown
from affekt.errors import InputError

if TYPE_CHECKING:
    from affekt.corpora import Corpus
    from affekt.data.explore import Exploration

#: Unreadable clips named on stderr; the page names more.
NAMED = 10


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--corpus", metavar="NAME", help="Which corpus it is: ravdess, tess, ... By default the names of its files say."
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Made if missing.")
@click.option(
    "--clips", type=click.IntRange(1, 5000), default=400, show_default=True, help="Clips decoded for spectra and map."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed for drawing the clips.")
@figures_option
@polite
def explore(path: Path, corpus: str | None, output: Path, clips: int, seed: int, figures: tuple[str, ...]) -> int:
    """Show what is in the corpus at PATH: DIR/index.html, and its pictures as PNG.

    Counts, lengths, one clip of each emotion and sex, spectra, pitch, what
    clips cluster by, and what to look out for. The exit status is 1 when
    clips could not be read; they are named, and the rest is shown.
    """
    import numpy as np

    from affekt.corpora import CORPORA, corpus_name, read_corpus
    from affekt.corpora.detect import detect_corpus
    from affekt.corpora.pictures import is_picture
    from affekt.data import explore as look
    from affekt.plot.explore_page import chapters, explore_page

    for module in ("matplotlib", "sklearn"):
        require(module, extra="lab")
    if corpus is None:
        corpus = detect_corpus(path)
        click.echo(f"{shown(str(path))} is {CORPORA[corpus].title} (--corpus {corpus}).", err=True)
    corpus = corpus_name(corpus)
    reading = read_corpus(corpus, path)
    if any(is_picture(sample) for sample in reading.samples):
        raise InputError(
            f"{path} holds pictures; explore looks at recordings. Use affekt audit {corpus} PATH for copies, labels "
            f"and classes, and affekt corpora check {corpus} PATH for what is there."
        )
    for sentence in reading.warnings:
        click.echo(f"warning: {shown(sentence)}", err=True)
    _make_folder(output)
    with progress(len(reading.samples) + min(clips, len(reading.samples)), "clips") as tick:
        data = look.explore(reading.samples, np.random.default_rng(seed), clips=clips, tick=tick)
    drawn, about = chapters(data), CORPORA[corpus]
    for chapter in drawn:
        with atomic_write(output / f"{chapter.name}.png", "wb") as file:
            file.write(chapter.png)
    if further := [form for form in figures if form != "png"]:
        write_figures(output, further, ((chapter.name, chapter.figure) for chapter in drawn))
    made = ("this page", f"affekt explore PATH --corpus {corpus} --clips {clips} --seed {seed} --output DIR")
    facts = [*_facts(about), made]
    text = explore_page(data, drawn, title=f"What is in {about.title}", facts=facts, skipped=reading.skipped)
    with atomic_write(output / "index.html") as file:
        file.write(text)
    return _tell(data, output)


def _facts(about: Corpus) -> list[tuple[str, object]]:
    languages = f"{', '.join(about.languages)}; " if about.languages else ""
    facts: list[tuple[str, object]] = [("corpus", f"{about.title} ({languages}licence: {about.licence})")]
    if about.clips and about.speakers:
        facts.append(("published", f"{about.clips:,} clips of {about.speakers} speakers, {about.home}"))
    return facts


def _make_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise InputError(f"--output {path} is a file; give a folder, which is made if it is missing.")
    path.mkdir(parents=True, exist_ok=True)


def _tell(data: Exploration, output: Path) -> int:
    """What was written and what was left out; the exit status."""
    from affekt.data.explore_notes import look_out

    for sentence in look_out(data):
        click.echo(f"note: {shown(sentence)}")
    click.echo(f"{len(data.samples):,} clips; see {output / 'index.html'}")
    for name, reason in list(data.unreadable.items())[:NAMED]:
        click.echo(f"error: {shown(name)}: {shown(reason)}", err=True)
    if count := len(data.unreadable):
        more = f" ({count - NAMED:,} more are named in index.html)" if count > NAMED else ""
        click.echo(f"{count:,} of {count + len(data.samples):,} clips could not be read{more}.", err=True)
    return SOME_FAILED if data.unreadable else 0
