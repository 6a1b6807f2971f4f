"""``affekt calibrate``: temperature, threshold and label sets of a model."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._files import atomic_write
from affekt._optional import require
from affekt.cli.terminal import SOME_FAILED, Target, polite, progress, read_all, shown
from affekt.errors import CorpusError, InputError
from affekt.types import Sample

if TYPE_CHECKING:
    from affekt.metrics.calibration import LabelledLogits
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
    "--coverage",
    type=click.FloatRange(0.5, 0.99),
    default=0.9,
    show_default=True,
    help="Share of label sets that hold the true label.",
)
@click.option("-o", "--output", type=Target(), metavar="NEW.onnx", help="Where the calibrated model goes.")
@click.option("--in-place", is_flag=True, help="Write the new card into FILE.onnx itself.")
@click.option("--plot", type=Target(), help="Picture (png, svg, pdf) of reliability, and of risk over coverage.")
@polite
def calibrate(**options: Any) -> int:
    """Fit the temperature, the threshold of "not sure" and the label sets of a model to dev speakers.

    Of each corpus the committed dev speakers are used; of a corpus without
    committed speakers all are, and the model must not have been trained on it.
    The confidence changes. The best guesses stay, except in some long recordings,
    where the temperature moves segments: then evaluate the model again. Needs
    the extra train.
    """
    import numpy as np

    from affekt.evaluate.calibrate import clean_logits
    from affekt.evaluate.card_fit import calibrate as fit
    from affekt.evaluate.card_fit import calibration_scores
    from affekt.models.zoo import load_model
    from affekt.recognize.recognizer import Recognizer
    from affekt.write.calibration import to_text

    job = Job(**options)
    _check(job)
    recognizer = Recognizer(job.model, threshold=0.0)
    samples = _dev_samples(job, recognizer.card)
    with progress(len(samples)) as tick:
        clips, failures = clean_logits(recognizer, samples, tick=tick)
    rng = np.random.default_rng(0)
    found = fit(clips, recognizer.card, precision=job.precision, rng=rng)
    scores = calibration_scores(clips, found.card, coverage=job.coverage, rng=np.random.default_rng(0))
    load_model(_write(job, found.card))
    if job.plot:
        _draw(job.plot, clips, (recognizer.card, found.card))
    # Last, because the reader of a pipe may stop reading.
    click.echo(to_text(recognizer.card, found, scores, clips=len(clips.truth), coverage=job.coverage))
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
    from affekt.evaluate.corpus import known_split, select_test_set

    readings = read_all(job.corpora)
    known = known_split(readings, card)
    found: list[Sample] = []
    for name, samples in readings.items():
        test_set = select_test_set(name, samples, card, side="dev", split_hash=known)
        if test_set is None:
            click.echo(f"{name}: has no dev speakers; left out.", err=True)
            continue
        if not test_set.held_out:
            raise InputError(
                f"{name}: the model may have learned from its dev speakers ({test_set.protocol}), and would be "
                "overconfident. Give a corpus, or a model, where it did not."
            )
        found += test_set.samples
    if not found:
        raise CorpusError(f"none of {', '.join(readings)} has dev speakers; give a corpus that has some.")
    return found


def _draw(path: Path, clips: LabelledLogits, cards: tuple[Card, Card]) -> None:
    """The picture of a calibration, before and after, into a file."""
    from affekt.metrics.selective import risk_coverage
    from affekt.plot.selective import draw_calibration

    before, after = (card.temperature for card in cards)
    bins = {"before": clips.reliability(before), "after": clips.reliability(after)}
    curves = {name: risk_coverage(part.truth, part.scores(after)) for name, part in clips.by_corpus().items()}
    promise = cards[1].promise
    figure = draw_calibration(bins, curves, coverage=promise["coverage"][0] if promise else None)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format=path.suffix[1:], dpi=150)


def _write(job: Job, card: Card) -> Path:
    """The model file with its new card; the name appears only when the file is complete."""
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
