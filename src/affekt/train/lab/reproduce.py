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
from affekt.data.audit import NOTHING_ELSE
from affekt.errors import InputError, UnknownName
from affekt.train.lab.architectures import ARCHITECTURES
from affekt.train.lab.checkpoint import load_encoder
from affekt.train.lab.classifiers import CLASSIFIERS
from affekt.train.lab.encoder_clips import load_views, weights_hash
from affekt.train.lab.encoder_learner import EncoderRun, device, encoder_learner
from affekt.train.lab.experiment import AS_PUBLISHED, HONEST, EncoderRecipe, Experiment, Protocol, as_experiment, ladder
from affekt.train.lab.fit import Tick
from affekt.train.lab.folds import Outcome, array_learner, fitted_to, run_protocol
from affekt.train.lab.material import Material, load_material, read_samples
from affekt.train.lab.pictures import chosen_pictures, load_pictures
from affekt.types import Estimate, Sample
from affekt.write.report import record as report_record

#: Keys of a recipe that no result depends on; nor does any depend on which models are selected.
WORDS = ("title", "published", "parameters", "models")


@dataclass(frozen=True)
class Reproduction:
    """The results of a recipe under several protocols.

    Parameters
    ----------
    experiment : Experiment
    outcomes : mapping of str to mapping of str to Outcome
        Protocol name to model to outcome; the first protocol is the published
        one, the last the honest one.
    clips : Material or EncoderRun
        What the models learned from; an encoder recipe has no arrays.
    warnings : tuple of str
        What differs from the published experiment, and clips that could not be read.
    """

    experiment: Experiment
    outcomes: Mapping[str, Mapping[str, Outcome]]
    clips: Material | EncoderRun
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selection:
    """Which parts of a recipe are run.

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
    """Progress callbacks: after each clip read (given the total), and with a line after each epoch."""

    clips: Callable[[int], Callable[[], object]]
    line: Tick


def reproduce(
    recipe: Experiment | EncoderRecipe,
    folders: dict[str, Path],
    output: Path,
    *,
    selection: Selection,
    progress: Progress,
) -> Reproduction:
    """Run a recipe's protocols on the same clips. Nothing is downloaded.

    Parameters
    ----------
    recipe : Experiment or EncoderRecipe
    folders : dict of str to Path
        Corpus name to where it is.
    output : Path
        Folder of the run: the complete recipe, the arrays, checkpoints and
        answers. The same call resumes an interrupted one.
    selection : Selection
    progress : Progress

    Returns
    -------
    Reproduction

    Raises
    ------
    InputError
        If a corpus or the checkpoint is missing, or the folder holds a run of another recipe, weights or clips.
    UnknownName
        If there is no such model in the recipe, no such protocol, or the checkpoint is of an unknown architecture.
    """
    experiment = as_experiment(recipe) if isinstance(recipe, EncoderRecipe) else recipe
    for name in () if isinstance(recipe, EncoderRecipe) else experiment.models:
        if name not in (*ARCHITECTURES, *CLASSIFIERS):
            raise UnknownName("model", name, [*ARCHITECTURES, *CLASSIFIERS])
    for name in selection.models:
        if name not in experiment.models:
            raise UnknownName(f"model of {experiment.name}", name, experiment.models)
    samples, warnings = read_samples(experiment, folders)
    evidence = NOTHING_ELSE
    if experiment.modality == "face":
        samples, evidence = chosen_pictures(experiment, samples, tick=progress.clips(len(samples)))
        warnings += (f"{len(samples)} pictures take part.",)
    protocols, changes = fitted_to(experiment, protocols_of(experiment, selection.protocols), samples)
    clips = _load(recipe, samples, output, tick=progress.clips(len(samples)))
    read = clips if isinstance(clips, Material) else clips.views
    warnings += changes + tuple(f"left out: {line}" for line in read.unread)
    if isinstance(clips, EncoderRun) and clips.too_large:
        warnings += (f"{clips.too_large} It can be scored, not exported.",)
    outcomes: dict[str, dict[str, Outcome]] = {name: {} for name in protocols}
    for name, protocol in protocols.items():
        folder = output / slug(name)
        for model in selection.models or experiment.models:
            tick = partial(_tell, progress.line, f"{folder.name}, {model}")
            if isinstance(clips, Material):
                learner = array_learner(experiment, clips, model=model, tick=tick)
            else:
                learner = encoder_learner(clips, tick=tick)
            outcomes[name][model] = run_protocol(
                experiment, protocol, read.samples, learner=learner, folder=folder / model, evidence=evidence
            )
    return Reproduction(experiment, outcomes, clips, warnings)


def _load(
    recipe: Experiment | EncoderRecipe, samples: Sequence[Sample], output: Path, *, tick: Callable[[], object]
) -> Material | EncoderRun:
    ids, cache = [s.id for s in samples], output / "cache"
    if isinstance(recipe, Experiment):
        claim(output, recipe, ids)
        if recipe.modality == "face":
            return load_pictures(samples, tick=tick)
        return load_material(recipe, samples, cache, tick=tick)
    encoder = load_encoder(recipe.checkpoint).to(device())
    claim(output, recipe, [weights_hash(encoder), *ids])
    views = load_views(samples, encoder, cache, frozen=recipe.frozen, seconds=recipe.seconds, tick=tick)
    return EncoderRun(recipe, encoder, views)


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
