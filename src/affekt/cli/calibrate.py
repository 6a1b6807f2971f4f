"""``affekt calibrate``: a model that knows when it is not sure."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._files import atomic_write
from affekt._optional import require
from affekt.cli.terminal import SOME_FAILED, Target, console, polite, progress, read_all, shown
from affekt.errors import CorpusError, InputError
from affekt.types import Estimate, Sample

if TYPE_CHECKING:
    from affekt.evaluate.calibrate import Calibration, Clips, Worth
    from affekt.models.card import Card


@dataclass(frozen=True)
class Job:
    """What ``affekt calibrate`` was asked for."""

    model: str
    corpora: tuple[str, ...]
    precision: float
    coverage: float
    output: Path | None
    in_place: bool
    plot: Path | None


@click.command()
@click.argument("model", metavar="FILE.onnx")
@click.option("--corpus", "corpora", multiple=True, required=True, metavar="NAME=PATH", help="Once for each corpus.")
@click.option(
    "--precision",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.7,
    show_default=True,
    help="Share of right answers among those given.",
)
@click.option(
    "--coverage", type=click.FloatRange(0.5, 0.99), default=0.9, show_default=True, help="Of the label sets shown."
)
@click.option("-o", "--output", type=Target(), metavar="NEW.onnx", help="Where the calibrated model goes.")
@click.option("--in-place", is_flag=True, help="Write the new card into FILE.onnx itself.")
@click.option("--plot", type=Target(), help="Picture (png, svg, pdf) of reliability, and of risk over coverage.")
@polite
def calibrate(**options: Any) -> int:
    """Fit the temperature, the gate, the threshold of "not sure" and the label sets of a model to dev speakers.

    The gate is what a poor signal costs: it is learned from the same clips
    under noise, babble, echo, a telephone, clipping and cut short, as many
    times as long as the clips themselves take. Each corpus gives its committed
    dev speakers; one without committed speakers, which the model must not have
    learned from, gives all. How sure the model is changes, and when it says so.
    Its best guesses stay as they are, but for some of long recordings, where
    the temperature moves segments and the gate lets good ones count more:
    evaluate it again then. Needs the extra train.
    """
    import numpy as np

    from affekt.evaluate import calibrate as work
    from affekt.models.zoo import load_model
    from affekt.recognize.recognizer import Recognizer

    job = Job(**options)
    _check(job)
    recognizer = Recognizer(job.model, threshold=0.0)
    samples = _dev_samples(job, recognizer.card)
    with progress(2 * len(samples)) as tick:
        clips, failures = work.listen(recognizer, samples, tick=tick)
        under = work.listen_under(recognizer, samples, tick=tick)
    rng = np.random.default_rng(0)
    found = work.calibrate(clips, recognizer.card, under=under, precision=job.precision, rng=rng)
    rows = work.worth(clips, found.card, coverage=job.coverage, rng=np.random.default_rng(0))
    load_model(_write(job, found.card))
    if job.plot:
        _draw(job.plot, clips, (recognizer.card, found.card))
    # Last, because whoever reads this may stop reading.
    _tell(job, (recognizer.card, found), clips, rows)
    for failure in failures:
        click.echo(f"error: {shown(failure.source)}: {shown(failure.reason)}", err=True)
    return SOME_FAILED if failures else 0


def _check(job: Job) -> None:
    require("onnx", extra="train")
    if (job.output is None) != job.in_place:
        raise InputError("say where the calibrated model goes: -o NEW.onnx, or --in-place to change FILE.onnx.")
    if job.output and job.output.suffix != ".onnx":
        raise InputError(f"--output {job.output}: a model file ends in .onnx.")
    if job.output and job.output.exists() and job.output.samefile(_source(job)):
        raise InputError(f"--output {job.output} is the model itself; give another name, or --in-place.")
    if job.plot:
        require("matplotlib", extra="plot")
        if job.plot.suffix not in (".png", ".svg", ".pdf"):
            raise InputError(f"--plot {job.plot}: allowed are .png, .svg and .pdf.")


def _source(job: Job) -> Path:
    from affekt.models.zoo import model_path

    return model_path(job.model)


def _dev_samples(job: Job, card: Card) -> list[Sample]:
    """Clips of dev speakers of every corpus that has some."""
    from affekt.cli.evaluate import known_split
    from affekt.evaluate.corpus import test_set_of

    readings = read_all(job.corpora)
    known = known_split(readings, card)
    found: list[Sample] = []
    for name, samples in readings.items():
        test_set = test_set_of(name, samples, card, side="dev", split_hash=known)
        if test_set is None:
            click.echo(f"{name}: has no dev speakers; left out.", err=True)
            continue
        if not test_set.held_out:
            raise InputError(
                f"{name}: the model may have learned from its dev speakers ({test_set.protocol}), and would be too sure "
                "of itself. Give a corpus, or a model, where it did not."
            )
        found += test_set.samples
    if not found:
        raise CorpusError(f"none of {', '.join(readings)} has dev speakers; give a corpus that has some.")
    return found


def _tell(job: Job, cards: tuple[Card, Calibration], clips: Clips, rows: Mapping[str, Worth]) -> None:
    from rich.table import Table

    (old, found), total = cards, rows["all"]
    before, after = found.loss
    lines = [
        f"{len(clips.truth)} clips of {total.speakers} dev speakers",
        f"temperature {found.card.temperature:.3f} (was {old.temperature:.3f}), "
        f"log loss {after:.4f} (was {before:.4f})",
        *_threshold_sentences(found),
    ]
    table = Table(
        "dev speakers of", "clips", "speakers", "ECE", "right when sure", "answered",
        f"sets of {job.coverage:.0%} hold the truth", "labels in a set", box=None, pad_edge=False,
    )  # fmt: skip
    for name, entry in rows.items():
        cells = (entry.ece, entry.precision, entry.coverage, entry.held, entry.size)
        table.add_row(name, str(entry.coverage.n), str(entry.speakers), *map(_cell, cells))
    click.echo("\n".join(lines))
    console().print(table)
    _tell_gate(found)
    click.echo(
        "Intervals are over speakers (over clips where there are fewer than three). All this was fitted on these very\n"
        "clips: judge it on test speakers (affekt evaluate). What is promised holds for clips like these; other\n"
        "speakers, languages and rooms get less."
    )


def _tell_gate(found: Calibration) -> None:
    """What a poor signal costs, and what saying so is worth on speakers that the gate was not learned from."""
    from rich.table import Table

    if not found.card.gate:
        click.echo("no gate: too few clips")
        return
    if not found.card.gate["curves"]:
        click.echo("gate on nothing: a poor signal is named but takes nothing off, for the scores tell it already")
    for name, (bad, good, floor) in found.card.gate["curves"].items():
        click.echo(f"gate on {name}: keeps {floor:.0%} of an answer at {bad:g}, all of it from {good:g} on")
    if not found.checks:
        return
    table = Table("learned on one half of the speakers, seen on the other", "clips", "log loss without", "with",
                  "ECE without", "with", box=None, pad_edge=False)  # fmt: skip
    for name, check in found.checks.items():
        numbers = (f"{x:.3f}" for x in (*check.loss, *check.ece))
        table.add_row(name, str(check.clips), *numbers)
    console().print(table)


def _threshold_sentences(found: Calibration) -> Sequence[str]:
    chosen = found.threshold
    if not chosen.met:
        return (
            f"no threshold gives {chosen.precision:.0%} right answers with a margin for so few clips: the model goes "
            "on answering always. Ask for less --precision, or give more dev speakers.",
        )
    return (
        f"threshold {chosen.value:.4f} for {chosen.precision:.0%} right answers: {chosen.seen} were right, "
        f"{chosen.bound:.3f} or more if clips were independent (95 %); answered {chosen.coverage}",
    )


def _cell(e: Estimate) -> str:
    return f"{e.value:.2f} [{e.low:.2f}, {e.high:.2f}]" if e.n else "-"


def _draw(path: Path, clips: Clips, cards: tuple[Card, Card]) -> None:
    from affekt.evaluate.calibrate import corpus_parts, reliability_of
    from affekt.metrics.selective import risk_coverage
    from affekt.plot.selective import draw_calibration
    from affekt.speech.quality import gate_of

    before, after = ((card.temperature, gate_of(card.gate)) for card in cards)
    bins = {"before": reliability_of(clips, *before), "after": reliability_of(clips, *after)}
    curves = {name: risk_coverage(part.truth, part.scores(*after)) for name, part in corpus_parts(clips).items()}
    promise = cards[1].promise
    figure = draw_calibration(bins, curves, coverage=promise["coverage"][0] if promise else None)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format=path.suffix[1:], dpi=150)


def _write(job: Job, card: Card) -> Path:
    """The model file with its new card; nothing appears under its name before it is whole."""
    from affekt.train.export import rewrite_card

    target = job.output or _source(job)
    part = target.with_suffix(".part.onnx")
    try:
        shutil.copyfile(_source(job), part)
        rewrite_card(part, card)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target
