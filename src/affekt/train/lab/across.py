"""Cross-corpus training: one model per corpus, tested on every other one and on held-out speakers of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from affekt.data.audit import NOTHING_ELSE, audit_folds
from affekt.data.splits import Split
from affekt.errors import InputError
from affekt.metrics.report import report
from affekt.speech.inputs import Inputs
from affekt.train.lab.experiment import Experiment, Protocol
from affekt.train.lab.folds import (
    Fold,
    Learner,
    array_learner,
    fitted_to,
    kept_answers,
    labels_of,
    run_protocol,
)
from affekt.train.lab.material import Material, load_material
from affekt.train.lab.reproduce import Progress, claim
from affekt.types import Report, Sample

#: Trains in seconds: what one would try first.
PLAIN = Experiment(
    name="cross-corpus",
    title="the usual 180 features and a logistic regression",
    inputs=Inputs("usual-180"),
    models=("logistic-regression",),
)
#: No speaker of the tested corpus chooses anything, so there is nothing to choose an epoch by.
WITHIN = Protocol(copies="none", choose="last")


@dataclass(frozen=True)
class _Run:
    """What all models of a matrix share; ``place`` says where the clips of a corpus stand in the material."""

    experiment: Experiment
    material: Material
    place: Mapping[str, Sequence[int]]
    output: Path
    progress: Progress

    def part(self, rows: Sequence[int]) -> Material:
        """Some clips and their inputs."""
        return Material(tuple(self.material.samples[row] for row in rows), self.material.inputs[:, list(rows)])

    def learner(self, material: Material, where: str) -> Learner:
        """The first model of the recipe, over some of the clips."""
        experiment, told = self.experiment, self.progress.line
        return array_learner(
            experiment, material, model=experiment.models[0], tick=lambda line: told(f"{where}: {line}")
        )


def common_labels(corpora: Mapping[str, Sequence[Sample]], wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """The labels that all corpora have, in order, so that every cell of the matrix has the same task and chance.

    Raises
    ------
    InputError
        If there are fewer than two, or a corpus lacks one that is wanted.
    """
    own = {name: {str(s.label) for s in samples if s.label is not None} for name, samples in corpora.items()}
    shared = set.intersection(*own.values())
    lacking = [f"{name} lacks {label}" for name, labels in own.items() for label in wanted if label not in labels]
    if lacking:
        raise InputError(f"{'; '.join(lacking)}. All have {', '.join(sorted(shared)) or 'none'} in common.")
    chosen = tuple(sorted(wanted or shared))
    if len(chosen) < 2:
        each = "; ".join(f"{name}: {', '.join(sorted(labels))}" for name, labels in own.items())
        raise InputError(f"the corpora have {len(chosen)} labels in common, and two are needed. They have {each}.")
    return chosen


def train_across(
    experiment: Experiment,
    corpora: Mapping[str, Sequence[Sample]],
    output: Path,
    *,
    labels: Sequence[str],
    progress: Progress,
) -> tuple[dict[tuple[str, str], Report], tuple[str, ...]]:
    """Train on each corpus and test on every other, and within each by folds of speakers.

    Parameters
    ----------
    experiment : Experiment
        Of speech; its inputs and its first model are used, without copies.
    corpora : mapping of str to samples
    output : Path
        Folder of the run: the features and the answers; the same call resumes an interrupted one.
    labels : sequence of str
        The labels that take part, see :func:`common_labels`.
    progress : Progress

    Returns
    -------
    dict of (trained, tested) to Report, tuple of str
        The reports (on held-out speakers where the two corpora are the same), and warnings.

    Raises
    ------
    InputError
        If the recipe is of faces, or the folder holds another run.
    """
    if experiment.modality != "speech" or not experiment.models:
        raise InputError(f"{experiment.name} is no lab recipe of speech; leave --recipe out, or give one of speech.")
    experiment = replace(experiment, copies=(), merge={}, keep=())
    # A user's own table may name other corpora; here each clip belongs to the corpus it was given under.
    samples = [replace(s, corpus=name) for name, own in corpora.items() for s in own if s.label in labels]
    claim(output, experiment, [*labels, *(sample.id for sample in samples)])
    material = load_material(experiment, samples, output / "cache", tick=progress.clips(len(samples)))
    warnings = [f"left out: {line}" for line in material.unread]
    place = {name: [i for i, s in enumerate(material.samples) if s.corpus == name] for name in corpora}
    run = _Run(experiment, material, place, output, progress)
    reports: dict[tuple[str, str], Report] = {}
    for name, rows in place.items():
        own = run.part(rows)
        learner = run.learner(own, f"within {name}")
        within = None
        speakers = {sample.speaker for sample in own.samples}
        if len(speakers) > 1 and None not in speakers:
            protocols, changed = fitted_to(experiment, {name: WITHIN}, own.samples)
            warnings += changed
            folder = output / "within" / name
            within = run_protocol(experiment, protocols[name], own.samples, learner=learner, folder=folder).report
        else:
            warnings.append(
                f"{name}: its speakers are not known, or there is one only: it is not tested within itself."
            )
        others = [other for other in corpora if other != name]
        found = _tested_on_others(run, name, others) if others else {}
        for other in corpora:
            of_pair = within if other == name else found[other]
            if of_pair is not None:
                reports[name, other] = of_pair
    return reports, tuple(warnings)


def _tested_on_others(run: _Run, name: str, others: Sequence[str]) -> dict[str, Report]:
    """The reports of a model of one corpus, trained once, on each of the others."""
    material, place = run.material, run.place
    learned = place[name]
    both = run.part([*learned, *(row for other in others for row in place[other])])
    numbers = np.arange(len(both.samples))
    columns = np.stack([np.zeros_like(numbers), numbers], axis=1)
    split = Split(both.samples[: len(learned)], (), both.samples[len(learned) :], by="corpus")
    sides = {"train": columns[: len(learned)], "dev": columns[:0], "test": columns[len(learned) :]}
    fold = Fold(replace(WITHIN, split="corpus"), split, NOTHING_ELSE, sides)
    learner = run.learner(both, f"trained on {name}")
    answers = kept_answers(learner, fold, both.samples, run.output / "across" / name)
    labels, table = labels_of(both.samples), np.array(answers["scores"])
    found, start = {}, 0
    for other in others:
        samples = [material.samples[row] for row in place[other]]
        scores = table[start : start + len(samples)]
        start += len(samples)
        pair = Split(split.train, (), tuple(samples), by="corpus")
        found[other] = report(
            samples,
            [labels[i] for i in scores.argmax(1)],
            rng=np.random.default_rng(0),
            protocol=f"{other}: all speakers; trained on {name} alone; {len(labels)} labels that all corpora have",
            scores=scores if answers["calibrated"] else None,
            labels=labels,
            findings=audit_folds([(pair, NOTHING_ELSE)]),
        )
    return found
