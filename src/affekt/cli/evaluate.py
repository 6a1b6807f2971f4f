"""``affekt evaluate``: what a model is worth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._files import atomic_write
from affekt._optional import require
from affekt.cli.terminal import SOME_FAILED, Target, polite, progress, read_all, shown
from affekt.errors import InputError
from affekt.types import Report, Sample

if TYPE_CHECKING:
    from affekt.evaluate.corpus import Evaluation, TestSet
    from affekt.metrics.permutation import Comparison
    from affekt.models.card import Card

MAIN, FREE = "corpus labels", "all labels"
CARD_METRICS = ("UAR", "WA", "macro F1")
SCHEMA = "affekt/evaluation-1"


@dataclass(frozen=True)
class Job:
    """What ``affekt evaluate`` was asked for."""

    model: str
    corpora: tuple[str, ...]
    side: str
    form: str
    output: Path | None
    jobs: int
    write_card: bool
    compare: str | None
    slices: bool
    baseline: str = "none"


@dataclass(frozen=True)
class Judged:
    """What came out for one corpus: the evaluation, and how another model compares.

    ``versus`` is what has to be said about the other model.
    """

    evaluation: Evaluation
    comparison: Comparison | None = None
    versus: tuple[str, ...] = ()

    @property
    def report(self) -> Report:
        """The report among the corpus's labels, with the UAR among all of the model's beside it."""
        main, free = self.evaluation.reports[MAIN], self.evaluation.reports[FREE]
        return replace(main, metrics={**main.metrics, "UAR, all labels": free.metrics["UAR"]})


@click.command()
@click.argument("model")
@click.option("--corpus", "corpora", multiple=True, required=True, metavar="NAME=PATH", help="Once for each corpus.")
@click.option(
    "--side",
    type=click.Choice(["test", "dev", "all"]),
    default="test",
    show_default=True,
    help="Of the committed speakers; a corpus without any is tested as a whole.",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "markdown", "html"]), default="text", show_default=True
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
    help="What MODEL is told of each speaker: nothing; or how they sound in their other neutral clips, in any of "
    "their other clips (nothing labelled), or in those before.",
)
@click.option("--slices", is_flag=True, help="List the UAR of every sex, length, speaker, ... in the text.")
@polite
def evaluate(**options: Any) -> int:
    """What MODEL is worth on the fixed test speakers of corpora, with 95 % intervals over speakers.

    The exit status is 1 when some recordings could not be read; they are left
    out of the scores, and named.
    """
    job = Job(**options)
    _check(job)
    judged = _judge_all(job)
    text = WRITERS[job.form](job, judged)
    if job.output:
        with atomic_write(job.output) as file:
            file.write(text)
    elif text:
        click.echo(text, nl=not text.endswith("\n"))
    if job.write_card:
        _write_scores(job.model, judged)
    failures = [failure for entry in judged.values() for failure in entry.evaluation.failures]
    for failure in failures:
        click.echo(f"error: {shown(failure.source)}: {shown(failure.reason)}", err=True)
    return SOME_FAILED if failures else 0


def _check(job: Job) -> None:
    if job.write_card and (job.side != "test" or Path(job.model).suffix != ".onnx"):
        raise InputError("--write-card writes test scores into a FILE.onnx; give one, and no other --side.")
    if job.write_card and job.baseline != "none":
        raise InputError(
            "--write-card writes what the model is worth when it knows nothing of a speaker; no --baseline."
        )
    if job.form == "html":
        if not job.output:
            raise InputError("--format html is a page with pictures; say where to write it: -o FILE.html.")
        require("matplotlib", extra="plot")
    if job.output and job.output.is_dir():
        raise InputError(f"-o {job.output} is a folder; give a file in it.")
    if job.output and not job.output.parent.is_dir():
        raise InputError(f"-o {job.output}: there is no folder {job.output.parent}; make it first.")


def _judge_all(job: Job) -> dict[str, Judged]:
    from affekt.evaluate.corpus import evaluate, test_set_of
    from affekt.recognize.recognizer import Recognizer

    models = [Recognizer(model) for model in (job.model, job.compare) if model is not None]
    readings = read_all(job.corpora)
    hashes = [known_split(readings, recognizer.card) for recognizer in models]
    judged = {}
    for name, samples in readings.items():
        pairs = zip(models, hashes, strict=True)
        test_sets = [test_set_of(name, samples, m.card, side=job.side, split_hash=known) for m, known in pairs]
        if test_sets[0] is None:
            click.echo(f"{name}: has no {job.side} speakers; left out.", err=True)
            continue
        test_sets[0] = replace(test_sets[0], baseline=job.baseline)
        findings = _findings(test_sets[0], samples)
        passes = len(models) + (job.baseline != "none")  # speakers are heard first
        with progress(passes * len(test_sets[0].samples)) as tick:
            evaluations = [
                evaluate(model, test_set, jobs=job.jobs, tick=tick, findings=findings)
                for model, test_set in zip(models, test_sets, strict=True)
                if test_set is not None
            ]
        judged[name] = _compared(evaluations, test_sets[0].samples) if job.compare else Judged(evaluations[0])
    return judged


def known_split(readings: Mapping[str, Sequence[Sample]], card: Card) -> str:
    """Hash of the committed split of the corpora a card lists, in full; empty when not all of them are at hand."""
    from affekt.data.splits import fixed_speakers, fixed_split
    from affekt.train.sources import split_hash

    if not set(card.data) <= set(readings) & set(fixed_speakers()):
        return ""
    return split_hash(fixed_split([sample for name in card.data for sample in readings[name]]))


def _findings(test_set: TestSet, samples: Sequence[Sample]) -> tuple[Any, ...]:
    """What an audit of the committed split finds; nothing where it is not known to be the model's."""
    from affekt.data.audit import audit
    from affekt.data.splits import fixed_speakers, fixed_split

    if test_set.corpus not in fixed_speakers() or not test_set.held_out:
        return ()
    return audit(fixed_split(samples))


def _compared(evaluations: Sequence[Evaluation], samples: Sequence[Sample]) -> Judged:
    import numpy as np

    from affekt.metrics.permutation import paired_test
    from affekt.metrics.slices import speaker_of

    first, second = (evaluation.predicted[MAIN] for evaluation in evaluations)
    both = [sample for sample in samples if sample.id in first and sample.id in second]
    found = paired_test(
        [str(sample.label) for sample in both],
        [first[sample.id] for sample in both],
        [second[sample.id] for sample in both],
        groups=[speaker_of(sample) for sample in both],
        rng=np.random.default_rng(0),
    )
    other = evaluations[1].reports[MAIN]
    said = (*(stamp.upper() for stamp in other.stamps), other.protocol, f"UAR {other.metrics['UAR']}", *other.warnings)
    return Judged(evaluations[0], found, said)


def _comparison(job: Job, entry: Judged) -> list[str]:
    """The paired test and what has to be said about the other model, in sentences."""
    if entry.comparison is None:
        return []
    return [f"{job.compare} minus {job.model}: UAR {entry.comparison}", *(f"{job.compare}: {s}" for s in entry.versus)]


def _text(job: Job, judged: Mapping[str, Judged]) -> str:
    from affekt.write.report import to_text

    blocks = []
    for entry in judged.values():
        lines = [to_text(entry.report, slices=job.slices), *(f"  {sentence}" for sentence in _comparison(job, entry))]
        blocks.append("\n".join(shown(line) for line in "\n".join(lines).split("\n")))
    return "\n\n".join(blocks)


def _json(job: Job, judged: Mapping[str, Judged]) -> str:
    from affekt.write.report import as_table, estimate_table

    table: dict[str, Any] = {
        "schema": SCHEMA,
        "model": job.model,
        "side": job.side,
        "baseline": job.baseline,
        "corpora": {},
    }
    for name, entry in judged.items():
        reports: dict[str, Any] = {kind: as_table(report) for kind, report in entry.evaluation.reports.items()}
        reports["failures"] = [{"path": f.source, "reason": f.reason} for f in entry.evaluation.failures]
        if entry.comparison:
            reports["comparison"] = {
                "model": job.compare,
                "metric": "UAR",
                "difference": estimate_table(entry.comparison.difference),
                "p_value": entry.comparison.p_value,
                "speakers": entry.comparison.speakers,
                "notes": list(entry.versus),
            }
        table["corpora"][name] = reports
    return json.dumps(table, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _markdown(job: Job, judged: Mapping[str, Judged]) -> str:
    from affekt.write.report import escaped, to_markdown

    blocks = [f"# {escaped(job.model)}\n"]
    for entry in judged.values():
        blocks.append(to_markdown(entry.report))
        if sentences := _comparison(job, entry):
            blocks.append("\n".join(f"- {escaped(sentence)}" for sentence in sentences) + "\n")
    return "\n".join(blocks)


def _html(job: Job, judged: Mapping[str, Judged]) -> str:
    from affekt.plot.page import Section
    from affekt.plot.scores import report_page

    further = [
        Section(f"{name}: against {job.compare}", sentences)
        for name, entry in judged.items()
        if (sentences := _comparison(job, entry))
    ]
    reports = {name: entry.report for name, entry in judged.items()}
    return report_page(reports, title=f"What {job.model} is worth", further=further)


WRITERS = {"text": _text, "json": _json, "markdown": _markdown, "html": _html}


def _write_scores(model: str, judged: Mapping[str, Judged]) -> None:
    from affekt.models.onnx import read_card
    from affekt.models.zoo import model_path
    from affekt.train.export import rewrite_card

    path = model_path(model)
    rewrite_card(path, _scored(read_card(path), {name: entry.report for name, entry in judged.items()}))


def _scored(card: Card, reports: Mapping[str, Report]) -> Card:
    """The card with the reports' scores, and with their stamps among its limits."""
    scores = {
        name: {
            metric: [round(e.value, 4), round(e.low, 4), round(e.high, 4), e.n]
            for metric, e in report.metrics.items()
            if metric in (*CARD_METRICS, "UAR, all labels")
        }
        for name, report in reports.items()
    }
    heads = {name: f"The scores on {name} are stamped: " for name in reports}
    kept = [limit for limit in card.limits if not limit.startswith(tuple(heads.values()))]
    stamped = [f"{heads[name]}{'; '.join(report.stamps)}." for name, report in reports.items() if report.stamps]
    return replace(card, scores={**card.scores, **scores}, limits=(*kept, *stamped))
