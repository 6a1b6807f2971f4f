"""``affekt evaluate``: evaluation of a model on test speakers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._files import atomic_write
from affekt._optional import require
from affekt.cli.evaluated import check_further, further_outputs, page_of, write_further
from affekt.cli.terminal import SOME_FAILED, Target, polite, progress, read_all, shown
from affekt.errors import InputError
from affekt.types import Sample

if TYPE_CHECKING:
    from affekt.evaluate.corpus import Evaluation, TestSet
    from affekt.write.evaluation import CorpusEvaluation, ModelEvaluation


@dataclass(frozen=True)
class Job:
    """What ``affekt evaluate`` was asked for."""

    model: str | None
    corpora: tuple[str, ...]
    side: str | None
    form: str
    output: Path | None
    jobs: int
    write_card: bool
    compare: str | None
    slices: bool
    baseline: str = "none"
    crop: str = "auto"
    trained_on: tuple[str, ...] = ()
    predictions: Path | None = None
    partial: bool = False
    scale: str | None = None
    further: Mapping[str, Any] = field(default_factory=dict)

    @property
    def part(self) -> str:
        """The part to test: for a model the committed test speakers, for predictions everything."""
        return self.side or ("all" if self.predictions else "test")


@click.command()
@click.argument("model", required=False)
@click.option(
    "--predictions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.csv",
    help="Instead of MODEL: answers of any system. Columns path (or id), then label, or a probability for each label; "
    "split (train, test) says which clips it was trained on.",
)
@click.option(
    "--partial", is_flag=True, help="With --predictions: leave out clips without a row, and stamp the report."
)
@click.option("--corpus", "corpora", multiple=True, required=True, metavar="NAME=PATH", help="Once for each corpus.")
@click.option(
    "--side",
    type=click.Choice(["test", "dev", "all"]),
    help="Part of the committed speakers, or of the split that a corpus was published with; a corpus with neither is "
    "tested as a whole. [default: test; with --predictions all]",
)
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown", "latex", "html"]),
    default="text",
    show_default=True,
)
@click.option("-o", "--output", type=Target(), help="File to write; html needs one.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Recordings at a time.")
@click.option("--write-card", is_flag=True, help="Write the scores into FILE.onnx (needs the extra train).")
@click.option("--compare", metavar="MODEL2", help="Is MODEL2 better on the same clips? With a paired test.")
@click.option(
    "--baseline",
    type=click.Choice(["none", "neutral", "any", "running"]),
    default="none",
    show_default=True,
    help="Speaker baseline that MODEL is given: none; or computed from the speaker's other neutral clips, from any of "
    "their other clips (no labels used), or from earlier ones.",
)
@click.option(
    "--crop",
    type=click.Choice(["auto", "whole", "detect"]),
    default="auto",
    show_default=True,
    help="For pictures. whole: each picture is one face; detect: use the largest face found in it; auto: whole for "
    "square pictures of at most 100 pixels, detect for others.",
)
@click.option(
    "--trained-on",
    multiple=True,
    metavar="NAME=PATH",
    help="For pictures: what MODEL was trained on. Near-duplicates of it are counted, and scored separately.",
)
@click.option(
    "--scale",
    metavar="LOW:HIGH",
    help="Range of the columns valence, arousal, dominance, in the corpora and in --predictions; they are then "
    "compared.  [default: -1:1]",
)
@click.option("--slices", is_flag=True, help="List the UAR of every sex, length, speaker, ... in the text.")
@further_outputs
@polite
def evaluate(**options: Any) -> int:
    """Evaluate MODEL, or anybody's predictions, on test speakers of corpora, with 95 % intervals over speakers.

    A model of faces is evaluated on pictures: class folders, or FER2013. The
    intervals are over people where they are known, else over pictures.

    The exit status is 1 when some recordings could not be read; they are left
    out of the scores, and named.
    """
    further = {name: options.pop(name) for name in ("clips", "figures", "embed_audio")}
    job = Job(**options, further=further)
    _check(job)
    check_further(job.output, job.form, further)
    found = _evaluate_table(job, job.predictions) if job.predictions else _evaluate_all(job)
    text = _written(job, found)
    if job.output:
        with atomic_write(job.output) as file:
            file.write(text)
    elif text:
        click.echo(text, nl=not text.endswith("\n"))
    write_further(found, job.output, further)
    if job.write_card:
        _write_card(found)
    failures = [failure for entry in found.corpora.values() for failure in entry.failures]
    for path, reason in failures:
        click.echo(f"error: {shown(path)}: {shown(reason)}", err=True)
    return SOME_FAILED if failures else 0


def _check(job: Job) -> None:
    if (job.model is None) == (job.predictions is None):
        raise click.UsageError("Give MODEL, or --predictions FILE.csv, and one of them.")
    if job.partial and not job.predictions:
        raise InputError("--partial is for --predictions; a model answers every clip.")
    model_only = {
        "--write-card": job.write_card,
        "--baseline": job.baseline != "none",
        "--crop": job.crop != "auto",
        "--trained-on": job.trained_on,
    }
    if job.predictions and (given := [name for name, is_given in model_only.items() if is_given]):
        raise InputError(f"{', '.join(given)}: for a model; predictions are taken as they are.")
    if job.write_card and (job.part != "test" or Path(str(job.model)).suffix != ".onnx"):
        raise InputError("--write-card writes test scores into a FILE.onnx; give one, and no other --side.")
    if job.write_card and job.baseline != "none":
        raise InputError("--write-card writes the scores without a speaker baseline; leave --baseline out.")
    if job.form == "html":
        if not job.output:
            raise InputError("--format html is a page with pictures; say where to write it: -o FILE.html.")
        require("matplotlib", extra="plot")
    if job.output and job.output.is_dir():
        raise InputError(f"-o {job.output} is a folder; give a file in it.")
    if job.output and not job.output.parent.is_dir():
        raise InputError(f"-o {job.output}: there is no folder {job.output.parent}; make it first.")


def _evaluate_all(job: Job) -> ModelEvaluation:
    """Evaluate the model, and the one to compare it with, on every corpus that has speakers on the side asked for."""
    from affekt.data.numbers import scale_of
    from affekt.evaluate.corpus import evaluate, known_split, select_test_set
    from affekt.recognize.recognizer import Recognizer
    from affekt.write.evaluation import ModelEvaluation

    scale = scale_of(job.scale) if job.scale else None
    models = [Recognizer(model) for model in (job.model, job.compare) if model is not None]
    readings = read_all(job.corpora)
    hashes = [known_split(readings, recognizer.card) for recognizer in models]
    learned = _learned(job)
    found = {}
    for name, samples in readings.items():
        pairs = zip(models, hashes, strict=True)
        selected = [
            select_test_set(name, samples, m.card, side=job.part, split_hash=known, numbers=job.compare is None)
            for m, known in pairs
        ]
        test_sets = [replace(t, crop=job.crop, trained_on=learned) for t in selected if t is not None]
        if len(test_sets) < len(models):
            click.echo(f"{name}: has no {job.part} speakers; left out.", err=True)
            continue
        test_sets[0] = replace(test_sets[0], baseline=job.baseline)
        test_sets = [replace(t, scale=scale) for t in test_sets]
        findings = _findings(test_sets[0], samples)
        passes = len(models) + (job.baseline != "none")  # the speakers' baselines come first
        with progress(passes * len(test_sets[0].samples)) as tick:
            evaluations = [
                evaluate(model, test_set, jobs=job.jobs, tick=tick, findings=findings)
                for model, test_set in zip(models, test_sets, strict=True)
            ]
        found[name] = _compared(evaluations, test_sets[0].samples)
    return ModelEvaluation(str(job.model), found, job.part, job.baseline, job.compare)


def _evaluate_table(job: Job, path: Path) -> ModelEvaluation:
    """Evaluate the predictions of a table, and the model to compare them with, on every corpus that has rows."""
    from affekt.corpora.pictures import is_picture
    from affekt.data.numbers import scale_of
    from affekt.evaluate.corpus import evaluate, select_test_set
    from affekt.evaluate.predictions import evaluate_predictions, predicted_test_set, read_predictions
    from affekt.models.card import Card
    from affekt.recognize.recognizer import Recognizer
    from affekt.write.evaluation import ModelEvaluation

    scale = scale_of(job.scale) if job.scale else None
    other = Recognizer(job.compare) if job.compare else None
    readings = read_all(job.corpora)
    table = read_predictions(path, [sample for samples in readings.values() for sample in samples])
    if other and not table.named:
        raise InputError(f"--compare asks which answers are right more often; {path} has numbers, and no labels.")
    found = {}
    for name, samples in readings.items():
        # Nothing is known about what made the table but the modality of the samples it answers to.
        nobody = Card(path.name, "face" if is_picture(samples[0]) else "speech", ("a", "b"))
        numbers = bool(table.dimensions) and other is None
        asked = select_test_set(name, samples, nobody, side=job.part, numbers=numbers)
        chosen = asked and predicted_test_set(asked, samples, table, partial=job.partial)
        if not chosen:
            click.echo(f"{name}: no row is of its {job.part} speakers; left out.", err=True)
            continue
        test_set, findings = replace(chosen[0], scale=scale), chosen[1]
        with progress((2 if other else 1) * len(test_set.samples)) as tick:
            evaluations = [evaluate_predictions(test_set, table, findings=findings, tick=tick)]
            if other:
                whole = select_test_set(name, samples, other.card, side="all")
                assert whole is not None
                theirs = replace(whole, samples=test_set.samples, scale=scale)
                evaluations.append(evaluate(other, theirs, jobs=job.jobs, tick=tick))
        found[name] = _compared(evaluations, test_set.samples)
    if not found:
        raise InputError(f"{path}: no row matches a tested clip; give the corpora that its rows come from.")
    return ModelEvaluation(path.name, found, job.part, job.baseline, job.compare)


def _learned(job: Job) -> tuple[Sample, ...]:
    """The pictures of --trained-on: the training part of a corpus that was published with a split, else all."""
    from affekt.corpora.pictures import is_picture
    from affekt.data.splits import is_published_split, published_split

    found: list[Sample] = []
    for name, samples in read_all(job.trained_on).items():
        if not all(is_picture(sample) for sample in samples):
            raise InputError(f"--trained-on {name}: holds recordings; near-duplicates are looked for among pictures.")
        found += published_split(samples).train if is_published_split(samples) else samples
    return tuple(found)


def _findings(test_set: TestSet, samples: Sequence[Sample]) -> tuple[Any, ...]:
    """What an audit of the committed split finds; nothing where it is not known to be the model's."""
    from affekt.data.audit import audit
    from affekt.data.splits import fixed_speakers, fixed_split

    if test_set.corpus not in fixed_speakers() or not test_set.held_out:
        return ()
    return audit(fixed_split(samples))


def _compared(evaluations: Sequence[Evaluation], samples: Sequence[Sample]) -> CorpusEvaluation:
    """The evaluation of the first model, compared with that of the second where there is one."""
    import numpy as np

    from affekt.metrics.permutation import paired_test
    from affekt.metrics.slices import speaker_of
    from affekt.write.evaluation import CARD_DIMENSIONS, CORPUS_LABELS, CorpusEvaluation

    failures = tuple((failure.source, failure.reason) for failure in evaluations[0].failures)
    if len(evaluations) == 1:
        return CorpusEvaluation(evaluations[0].reports, failures, clips=evaluations[0].clips)
    first, second = (evaluation.predicted[CORPUS_LABELS] for evaluation in evaluations)
    both = [sample for sample in samples if sample.id in first and sample.id in second]
    comparison = paired_test(
        [str(sample.label) for sample in both],
        [first[sample.id] for sample in both],
        [second[sample.id] for sample in both],
        groups=[speaker_of(sample) for sample in both],
        rng=np.random.default_rng(0),
    )
    other = evaluations[1].reports[CORPUS_LABELS]
    shown = [f"{name} {e}" for name, e in other.metrics.items() if name == "UAR" or name.startswith(CARD_DIMENSIONS)]
    notes = (*map(str.upper, other.stamps), other.protocol, *shown, *other.warnings)
    return CorpusEvaluation(evaluations[0].reports, failures, comparison, notes, evaluations[0].clips)


def _written(job: Job, found: ModelEvaluation) -> str:
    if job.form == "html" and job.output:
        return page_of(found, job.output, embed=job.further["embed_audio"])
    from affekt.write.evaluation import FORMATS, to_text

    if job.form == "text":
        return "\n".join(shown(line) for line in to_text(found, slices=job.slices).split("\n"))
    return FORMATS[job.form](found)


def _write_card(found: ModelEvaluation) -> None:
    """Write the scores into the card of the model file."""
    from affekt.models.onnx import read_card
    from affekt.models.zoo import model_path
    from affekt.train.export import rewrite_card
    from affekt.write.evaluation import with_scores

    path = model_path(found.model)
    rewrite_card(path, with_scores(read_card(path), {name: entry.report for name, entry in found.corpora.items()}))
