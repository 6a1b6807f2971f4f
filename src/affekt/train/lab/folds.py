"""Running one protocol of an experiment: split, copy, scale, fit, test; and the audit of all that."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt._files import atomic_write
from affekt.data.audit import NOTHING_ELSE, Evidence, audit_folds
from affekt.data.labelling import relabel
from affekt.data.splits import KEYS, Split, folds, split_by_clip, split_by_series
from affekt.data.wording import in_words_of
from affekt.metrics.report import report
from affekt.train.lab.architectures import ARCHITECTURES, parameter_count
from affekt.train.lab.experiment import Experiment, Protocol
from affekt.train.lab.fit import Arrays, Task, Tick, fit, scaling
from affekt.train.lab.material import Material
from affekt.types import Report, Sample

#: Splits that are drawn once, rather than in folds.
DRAWN = {"clip": split_by_clip, "series": split_by_series}
#: Between the id of a clip and the number of its copy.
COPY = "#copy"


@dataclass(frozen=True)
class Outcome:
    """What came out of a protocol for one model.

    Parameters
    ----------
    model : str
    protocol : Protocol
    report : Report
        Over the test sides of all folds together.
    parameters : int or None
        Of a network, as Keras counts them.
    histories : tuple of tuple of dict
        Loss and accuracy by epoch, one entry per fold; empty for classifiers.
    """

    model: str
    protocol: Protocol
    report: Report
    parameters: int | None
    histories: tuple[tuple[dict[str, float], ...], ...]


@dataclass(frozen=True)
class Fold:
    """One split of the rows of a material, copies included, and what the audit needs to know.

    Rows are (copy, sample) pairs, shape (n, 2).
    """

    protocol: Protocol
    split: Split
    evidence: Evidence
    rows: dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Learner:
    """One kind of model, as a protocol needs it: fitted to a fold, then asked about its test clips.

    Parameters
    ----------
    name : str
    learn : callable
        Takes a fold, the relabelled samples and the folder of the fold's checkpoints. Returns ``scores``
        (n, k) of the test rows, whether they are ``calibrated``, and the ``history`` of the epochs: ready for JSON.
    parameters : callable
        Takes the number of classes, returns the number of parameters; None if the model is not a network.
    """

    name: str
    learn: Callable[[Fold, Sequence[Sample], Path], dict[str, Any]]
    parameters: Callable[[int], int | None]


def run_protocol(
    experiment: Experiment,
    protocol: Protocol,
    samples: Sequence[Sample],
    *,
    learner: Learner,
    folder: Path,
    evidence: Evidence = NOTHING_ELSE,
) -> Outcome:
    """Fit and test one model under one protocol.

    Parameters
    ----------
    experiment : Experiment
    protocol : Protocol
    samples : sequence of Sample
        Of the material, as read.
    learner : Learner
    folder : Path
        For checkpoints and answers; what is there is not computed again.
    evidence : Evidence
        What else is known of the samples: the hashes and thumbnails of pictures.

    Returns
    -------
    Outcome
    """
    samples = relabel(samples, protocol.labels)
    labels = labels_of(samples)
    made = make_folds(experiment, protocol, samples, evidence=evidence)
    answers = [
        kept_answers(learner, fold, samples, folder / f"fold-{number}") for number, fold in enumerate(made, start=1)
    ]
    found = fold_report(experiment, made, samples, answers)
    histories = tuple(tuple(answer["history"]) for answer in answers if answer["history"])
    return Outcome(learner.name, protocol, found, learner.parameters(len(labels)), histories)


def kept_answers(learner: Learner, fold: Fold, samples: Sequence[Sample], place: Path) -> dict[str, Any]:
    """A learner's answers to the test clips of a fold, saved to a file in the fold's folder."""
    path = place / "answers.json"
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    answers = learner.learn(fold, samples, place)
    place.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        json.dump(answers, file)
    return answers


def fold_report(
    experiment: Experiment,
    made: Sequence[Fold],
    samples: Sequence[Sample],
    answers: Sequence[Mapping[str, Any]],
) -> Report:
    """The report over the test sides of some folds together."""
    labels = labels_of(samples)
    tested = [
        _copy(samples[index], copy) if copy else samples[index]
        for fold in made
        for copy, index in fold.rows["test"].tolist()
    ]
    table = np.concatenate([np.array(answer["scores"]) for answer in answers])
    found = report(
        tested,
        [labels[i] for i in table.argmax(1)],
        rng=np.random.default_rng(0),
        protocol=describe(experiment, made[0].protocol, made),
        scores=table if all(answer["calibrated"] for answer in answers) else None,
        labels=labels,
        findings=audit_folds([(fold.split, fold.evidence) for fold in made]),
    )
    return replace(found, warnings=tuple(in_words_of(experiment.modality, line) for line in found.warnings))


def labels_of(samples: Sequence[Sample]) -> tuple[str, ...]:
    """The classes, in the order of their numbers."""
    return tuple(sorted({str(sample.label) for sample in samples}))


def classes_of(samples: Sequence[Sample], labels: Sequence[str]) -> NDArray[np.int64]:
    """The number of each sample's class, (n,)."""
    number = {label: i for i, label in enumerate(labels)}
    return np.array([number[str(sample.label)] for sample in samples], np.int64)


def make_folds(
    experiment: Experiment, protocol: Protocol, samples: Sequence[Sample], *, evidence: Evidence = NOTHING_ELSE
) -> tuple[Fold, ...]:
    """The folds of a protocol over (relabelled) samples, with everything the audit should see."""
    rng = np.random.default_rng(experiment.seed)
    copies = len(experiment.copies) if protocol.copies == "before split" else 0
    population = [*samples, *(_copy(s, c) for c in range(1, copies + 1) for s in samples)]
    if protocol.split in DRAWN:
        draw = DRAWN[protocol.split]
        splits: Sequence[Split] = [
            draw(population, rng, test=protocol.test, dev=0.1 if protocol.choose == "dev" else 0.0)
        ]
    else:
        splits = folds(population, protocol.folds, rng, by=protocol.split, dev=protocol.choose == "dev")
    later = len(experiment.copies) if protocol.copies == "train" else 0
    row_of = {s.id: (0, i) for i, s in enumerate(samples)}
    found = (_fold(split, row_of, protocol, later) for split in splits)
    return tuple(replace(fold, evidence=_with_pictures(fold.evidence, evidence)) for fold in found)


def fitted_to(
    experiment: Experiment, protocols: Mapping[str, Protocol], samples: Sequence[Sample]
) -> tuple[dict[str, Protocol], tuple[str, ...]]:
    """Protocols with no more folds than there are speakers, and what had to be changed.

    Raises
    ------
    InputError
        Before anything is computed: if there are fewer than two speakers, one is unknown, or a label cannot be made.
    """
    found, warnings = {}, []
    for name, protocol in protocols.items():
        there = len({KEYS[protocol.split](sample) for sample in samples})
        if protocol.split not in DRAWN and 2 <= there < protocol.folds:
            warnings.append(
                f"{name}: {there} folds instead of {protocol.folds}, as there are {there} {protocol.split}s."
            )
            protocol = replace(protocol, folds=there)
        if protocol.split not in DRAWN and protocol.choose == "dev" and protocol.folds < 3:
            warnings.append(f"{name}: the last epoch is kept, as two folds leave no {protocol.split} for dev.")
            protocol = replace(protocol, choose="last")
        make_folds(experiment, protocol, relabel(samples, protocol.labels))
        found[name] = protocol
    return found, tuple(warnings)


def _with_pictures(found: Evidence, known: Evidence) -> Evidence:
    """What a fold was made of, with what is known of its pictures."""
    return replace(found, thumbnails=known.thumbnails, hashes=known.hashes, traits=known.traits)


def _fold(split: Split, row_of: dict[str, tuple[int, int]], protocol: Protocol, later: int) -> Fold:
    def row(sample: Sample) -> tuple[int, int]:
        original, _, copy = sample.id.partition(COPY)
        return int(copy or 0), row_of[original][1]

    rows = {
        side: np.array([row(s) for s in getattr(split, side)], np.int64).reshape(-1, 2)
        for side in ("train", "dev", "test")
    }
    copied = [_copy(s, c).id for c in range(1, later + 1) for s in split.train]
    rows["train"] = np.concatenate([rows["train"] + [c, 0] for c in range(later + 1)])
    sides = {s.id: side for side in ("train", "dev", "test") for s in getattr(split, side)} | dict.fromkeys(
        copied, "train"
    )
    evidence = Evidence(
        copies={name: name.partition(COPY)[0] for name in sides if COPY in name},
        copy_sides={name: side for name, side in sides.items() if COPY in name},
        fitted_on=_fitted_on(protocol, sides),
        chosen_on=tuple(s.id for s in getattr(split, protocol.choose)) if protocol.choose != "last" else (),
    )
    return Fold(protocol, split, evidence, rows)


def _fitted_on(protocol: Protocol, sides: dict[str, str]) -> dict[str, tuple[str, ...]]:
    if protocol.scaler == "none":
        return {}
    return {"scaler": tuple(name for name, side in sides.items() if protocol.scaler == "all" or side == "train")}


def _copy(sample: Sample, number: int) -> Sample:
    return replace(sample, id=f"{sample.id}{COPY}{number}")


def array_learner(experiment: Experiment, material: Material, *, model: str, tick: Tick) -> Learner:
    """A model of ``ARCHITECTURES`` or ``CLASSIFIERS`` that learns from the arrays of a material."""

    def learn(fold: Fold, samples: Sequence[Sample], place: Path) -> dict[str, Any]:
        task, arrays = task_of(fold, material, samples, seed=experiment.seed)
        fitted = fit(model, task, experiment.fit, folder=place, tick=lambda line: tick(f"{place.name}: {line}"))
        scores = np.round(fitted.scores(arrays["test"].inputs), 6).tolist()
        tick(f"{model}, {place.name}: done")
        return {"scores": scores, "calibrated": fitted.calibrated, "history": list(fitted.history)}

    def parameters(classes: int) -> int | None:
        if model not in ARCHITECTURES:
            return None
        return parameter_count(ARCHITECTURES[model](material.inputs.shape[2:], classes))

    return Learner(model, learn, parameters)


def task_of(
    fold: Fold, material: Material, samples: Sequence[Sample], *, seed: int
) -> tuple[Task[Arrays], dict[str, Arrays]]:
    """What a model of arrays is fitted on in a fold, scaled as the protocol says, and the arrays of all sides."""
    protocol, labels = fold.protocol, labels_of(samples)
    numbers = classes_of(samples, labels)
    raw = {side: material.inputs[rows[:, 0], rows[:, 1]] for side, rows in fold.rows.items()}
    mean, deviation = scale_of(raw, protocol)
    arrays = {
        side: Arrays(((raw[side] - mean) / deviation).astype(np.float32), numbers[rows[:, 1]])
        for side, rows in fold.rows.items()
    }
    watch = arrays[protocol.choose] if protocol.choose != "last" and len(arrays[protocol.choose].inputs) else None
    return Task(arrays["train"], watch, len(labels), seed), arrays


def scale_of(
    raw: dict[str, NDArray[np.float32]], protocol: Protocol
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation of each column over what the protocol fits them on."""
    width = raw["train"].shape[-1]
    if protocol.scaler == "none":
        return np.zeros(width, np.float32), np.ones(width, np.float32)
    if protocol.scaler == "train":
        return scaling(raw["train"])
    return scaling(np.concatenate([array for array in raw.values() if len(array)]))


def describe(experiment: Experiment, protocol: Protocol, made: Sequence[Fold]) -> str:
    """A protocol in words."""
    corpora = " + ".join(sorted({str(s.corpus) for fold in made for s in fold.split.test}))
    tested = {
        "clip": f"{100 * protocol.test:g} % of the clips drawn at random",
        "series": f"{100 * protocol.test:g} % of the clips drawn at random, near-duplicates on one side",
        "speaker": f"{len(made)} folds, every speaker tested by a model not trained on them",
        "sentence": f"{len(made)} folds, every sentence tested by a model not trained on it",
        "corpus": f"{len(made)} folds, every corpus tested by a model not trained on it",
    }[protocol.split]
    copies = {
        "train": "augmented copies of training clips only",
        "before split": "augmented copies made before the split",
        "none": "no augmented copies",
    }[protocol.copies if experiment.copies else "none"]
    chosen = {"dev": "epoch chosen on dev", "test": "epoch chosen on test", "last": "last epoch"}[protocol.choose]
    scaler = f"scaler fitted on {protocol.scaler}" if protocol.scaler != "none" else "no scaler"
    words = f"{corpora}; label: {protocol.labels}; {tested}; {copies}; {scaler}; {chosen}"
    return in_words_of(experiment.modality, words)
