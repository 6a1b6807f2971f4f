"""A recipe as it was published and as it should be, side by side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from affekt._files import atomic_write
from affekt._optional import require
from affekt.errors import InputError, UnknownName
from affekt.train.lab.architectures import ARCHITECTURES
from affekt.train.lab.classifiers import CLASSIFIERS
from affekt.train.lab.experiment import EncoderRecipe, Experiment, Protocol, ladder
from affekt.train.lab.fit import Tick
from affekt.train.lab.folds import Outcome, array_learner, fitted_to, run_protocol
from affekt.train.lab.material import Material, load_material, read_samples
from affekt.types import Estimate
from affekt.write.report import record as report_record

AS_PUBLISHED, HONEST = "as published", "honest"
#: Keys of a recipe that no number depends on, nor on which models are asked for.
WORDS = ("title", "published", "parameters", "models")


@dataclass(frozen=True)
class Reproduction:
    """What a recipe gives under several protocols.

    Parameters
    ----------
    experiment : Experiment
    outcomes : mapping of str to mapping of str to Outcome
        Protocol name to model to outcome; the first protocol is the published
        one, the last the honest one.
    warnings : tuple of str
        What differs from the published experiment, and clips that could not be read.
    """

    experiment: Experiment
    outcomes: Mapping[str, Mapping[str, Outcome]]
    material: Material
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What a reproduction is asked for.

    Parameters
    ----------
    protocols : tuple of str
        ``as-published``, ``honest``, or ``steps`` for everything in between, too.
    models : tuple of str
        Of the recipe's; empty: all.
    """

    protocols: tuple[str, ...] = ("as-published", "honest")
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """Whom to tell: after each clip read (with the number of all), and a line after each epoch."""

    clips: Callable[[int], Callable[[], object]]
    line: Tick


def reproduce(
    experiment: Experiment, folders: dict[str, Path], output: Path, *, asked: Asked, progress: Progress
) -> Reproduction:
    """Run a recipe's protocols on the same clips.

    Parameters
    ----------
    experiment : Experiment
    folders : dict of str to Path
        Corpus name to where it is.
    output : Path
        Folder of the run: the complete recipe, the arrays, checkpoints and
        answers. The same call goes on where an interrupted one stopped.
    asked : Asked
    progress : Progress

    Returns
    -------
    Reproduction

    Raises
    ------
    InputError
        If a corpus is missing, or the folder holds a run of another recipe or other clips.
    UnknownName
        If there is no such model in the recipe.
    """
    for name in experiment.models:
        if name not in (*ARCHITECTURES, *CLASSIFIERS):
            raise UnknownName("model", name, [*ARCHITECTURES, *CLASSIFIERS])
    for name in asked.models:
        if name not in experiment.models:
            raise UnknownName(f"model of {experiment.name}", name, experiment.models)
    samples, warnings = read_samples(experiment, folders)
    protocols, changes = fitted_to(experiment, protocols_of(experiment, asked.protocols), samples)
    claim(output, experiment, [s.id for s in samples])
    material = load_material(experiment, samples, output / "cache", tick=progress.clips(len(samples)))
    warnings += changes + tuple(f"left out: {line}" for line in material.unread)
    outcomes = {
        name: _models(experiment, protocol, material, asked=asked, folder=output / slug(name), line=progress.line)
        for name, protocol in protocols.items()
    }
    return Reproduction(experiment, outcomes, material, warnings)


def _models(
    experiment: Experiment, protocol: Protocol, material: Material, *, asked: Asked, folder: Path, line: Tick
) -> dict[str, Outcome]:
    found = {}
    for model in asked.models or experiment.models:
        tell = partial(_tell, line, f"{folder.name}, {model}")
        learner = array_learner(experiment, material, model=model, tick=tell)
        found[model] = run_protocol(experiment, protocol, material.samples, learner=learner, folder=folder / model)
    return found


def _tell(line: Tick, where: str, text: str) -> None:
    line(f"{where}: {text}")


def protocols_of(experiment: Experiment, names: Sequence[str]) -> dict[str, Protocol]:
    """The protocols asked for, by the name they are shown with; ``steps`` is everything in between, too."""
    if "steps" in names:
        return ladder(experiment)
    table = {"as-published": AS_PUBLISHED, "honest": HONEST}
    for name in names:
        if name not in table:
            raise UnknownName("protocol", name, [*table, "steps"])
    return {table[name]: experiment.protocol(name) for name in names}


def claim(output: Path, recipe: Experiment | EncoderRecipe, facts: Sequence[str]) -> None:
    """Write the complete recipe into the folder of a run, or refuse a folder that belongs to another one.

    ``facts`` are what else the numbers depend on: the clips' ids, the weights' hash.
    """
    table = json.loads(json.dumps(asdict(recipe)))
    counted = {"facts": list(facts), **{key: value for key, value in table.items() if key not in WORDS}}
    first = f"# {hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()}\n"
    path = output / "recipe.toml"
    if path.exists() and not path.read_text(encoding="utf-8").startswith(first):
        raise InputError(
            f"{output} holds a run of another recipe, of other weights or of other clips; choose another --output, "
            "or delete it."
        )
    output.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(first + require("tomli_w", extra="train").dumps(table))


def slug(name: str) -> str:
    """A protocol's name as a folder's name."""
    return "-".join("".join(c if c.isalnum() else " " for c in name).split())


@dataclass(frozen=True)
class Row:
    """One line of the comparison: a model under a protocol."""

    protocol: str
    model: str
    parameters: int | None
    accuracy: Estimate
    recall: Estimate
    classes: int
    stamps: tuple[str, ...]


def rows(reproduction: Reproduction) -> tuple[Row, ...]:
    """The comparison, protocol by protocol, the selected model first."""
    return tuple(
        Row(
            name,
            model,
            outcome.parameters,
            outcome.report.metrics["WA"],
            outcome.report.metrics["UAR"],
            len(outcome.report.labels),
            outcome.report.stamps,
        )
        for name, outcomes in reproduction.outcomes.items()
        for model, outcome in outcomes.items()
    )


def parameter_sentences(reproduction: Reproduction) -> list[str]:
    """Parameter counts beside the published ones."""
    published, first = reproduction.experiment.parameters, next(iter(reproduction.outcomes.values()))
    return [
        f"{model}: {outcome.parameters:,} parameters"
        + (f" (published: {published[model]:,})" if model in published else "")
        for model, outcome in first.items()
        if outcome.parameters
    ]


def reproduction_table(reproduction: Reproduction) -> dict[str, Any]:
    """A reproduction as plain dicts, lists, texts and numbers; ``"schema": "affekt/reproduction-1"``."""
    experiment = reproduction.experiment
    return {
        "schema": "affekt/reproduction-1",
        "recipe": experiment.name,
        "published": asdict(experiment.published),
        "warnings": list(reproduction.warnings),
        "protocols": {
            name: {
                model: {"parameters": outcome.parameters, "report": report_record(outcome.report)}
                for model, outcome in outcomes.items()
            }
            for name, outcomes in reproduction.outcomes.items()
        },
    }
