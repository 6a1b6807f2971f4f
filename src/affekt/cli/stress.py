"""``affekt stress``: how robust a model is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affekt._files import atomic_write
from affekt._optional import require
from affekt.cli.figures import figures_option, write_figures
from affekt.cli.terminal import SOME_FAILED, Target, polite, progress, read_all, shown
from affekt.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from affekt.evaluate.corpus import TestSet
    from affekt.evaluate.stress import StressEvaluation
    from affekt.metrics.paired import Stress
    from affekt.recognize.recognizer import Recognizer


@dataclass(frozen=True)
class Job:
    """What ``affekt stress`` was asked for."""

    model: str
    corpora: tuple[str, ...]
    side: str
    sounds: Path | None
    conditions: str | None
    clips: int
    seed: int
    form: str
    output: Path | None
    jobs: int
    figures: tuple[str, ...] = ()


@click.command()
@click.argument("model")
@click.option("--corpus", "corpora", multiple=True, required=True, metavar="NAME=PATH", help="Once for each corpus.")
@click.option(
    "--side",
    type=click.Choice(["test", "dev"]),
    default="test",
    show_default=True,
    help="Part of the committed speakers; a corpus without any is tested as a whole.",
)
@click.option(
    "--sounds",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Recorded noises; of ESC-10 and ESC-50 only fold 5, which was not trained on.",
)
@click.option("--conditions", metavar="NAMES", help="Such as gain,noise,length. By default all that are possible.")
@click.option("--clips", type=click.IntRange(1), default=40, show_default=True, help="Clips per corpus.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed for the clips and the noise.")
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
@figures_option
@polite
def stress(**options: Any) -> int:
    """Robustness of MODEL when test clips are soft, noisy, reverberant, coded, clipped, short or fast.

    The same clips are recognised clean and under every condition, and compared in
    pairs. The exit status is 1 when some recordings could not be read; they
    are left out, and named.
    """
    job = Job(**options)
    _check(job)
    found = _evaluated(job)
    text = _written(job.form, found.stress)
    if job.output:
        with atomic_write(job.output) as file:
            file.write(text)
    else:
        click.echo(text, nl=not text.endswith("\n"))
    if job.figures and job.output:
        from affekt.plot.stress import stress_figures

        folder = job.output.with_name(f"{job.output.stem}-figures")
        write_figures(folder, job.figures, stress_figures(found.stress))
        click.echo(f"figures: {folder}", err=True)
    for failure in found.failures:
        click.echo(f"error: {shown(failure.source)}: {shown(failure.reason)}", err=True)
    return SOME_FAILED if found.failures else 0


def _check(job: Job) -> None:
    if job.form == "html":
        if not job.output:
            raise InputError("--format html is a page with pictures; say where to write it: -o FILE.html.")
        require("matplotlib", extra="plot")
    if job.figures and not job.output:
        raise InputError("--figures are written beside the report; say where: -o FILE.")
    if job.output and (job.output.is_dir() or not job.output.parent.is_dir()):
        raise InputError(f"-o {job.output}: give a file in a folder that exists.")
    if job.conditions and "sounds" in job.conditions.split(",") and not job.sounds:
        raise InputError("the condition 'sounds' needs recorded noises: --sounds FOLDER.")


def _evaluated(job: Job) -> StressEvaluation:
    from affekt.evaluate.stress import CONDITIONS, StressOptions, count_versions, stress
    from affekt.recognize.recognizer import Recognizer

    recognizer = Recognizer(job.model)
    names = [name.strip() for name in job.conditions.split(",")] if job.conditions else list(CONDITIONS)
    StressOptions(tuple(names))  # before anything is read
    test_sets = _test_sets(job, recognizer)
    if not job.conditions:
        names = _possible(names, test_sets, sounds=job.sounds is not None)
    options = StressOptions(tuple(names), job.clips, job.seed, job.jobs)
    with progress(count_versions(names), "versions") as tick:
        return stress(recognizer, test_sets, options, sounds=_sounds(job.sounds, names), tick=tick)


def _test_sets(job: Job, recognizer: Recognizer) -> list[TestSet]:
    from affekt.evaluate.corpus import known_split, select_test_set

    readings = read_all(job.corpora)
    known = known_split(readings, recognizer.card)
    test_sets = []
    for name, samples in readings.items():
        test_set = select_test_set(name, samples, recognizer.card, side=job.side, split_hash=known)
        if test_set is None:
            click.echo(f"{name}: has no {job.side} speakers; left out.", err=True)
        else:
            test_sets.append(test_set)
    if not test_sets:
        raise InputError(f"no corpus has {job.side} speakers; give another corpus or --side.")
    return test_sets


def _possible(names: Sequence[str], test_sets: Sequence[TestSet], *, sounds: bool) -> list[str]:
    """The conditions without those that lack something, each of which is named."""
    speakers = {(test_set.corpus, sample.speaker) for test_set in test_sets for sample in test_set.samples}
    lacking = {} if sounds else {"sounds": "needs --sounds FOLDER"}
    if len(speakers) < 2:
        lacking["babble"] = "needs a second speaker"
    for name, reason in lacking.items():
        click.echo(f"{name}: {reason}; left out.", err=True)
    return [name for name in names if name not in lacking]


def _sounds(folder: Path | None, names: Sequence[str]) -> list[np.ndarray]:
    from affekt.speech.audio import read
    from affekt.train.sources import noise_paths

    if folder is None or "sounds" not in names:
        return []
    paths = noise_paths(folder, folds=("5",))
    if not paths:
        raise InputError(f"--sounds {folder}: holds no wav, opus, ogg or flac (of ESC-10: none of fold 5).")
    return [read(path).signal for path in paths]


def _written(form: str, found: Stress) -> str:
    if form == "html":
        from affekt.plot.stress import stress_page

        return stress_page(found)
    from affekt.write.stress import FORMATS

    text = FORMATS[form](found)
    return "\n".join(shown(line) for line in text.split("\n")) if form == "text" else text
