"""The model file of a lab recipe: the model of the first fold, with a card that states its scores."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from affekt.data.labelling import relabel
from affekt.face.shape import SIZE
from affekt.models.card import STAMPED, Card
from affekt.train.lab.experiment import AS_PUBLISHED, HONEST, Experiment, Protocol
from affekt.train.lab.export import export_fitted
from affekt.train.lab.fit import fit
from affekt.train.lab.folds import Fold, Outcome, labels_of, make_folds, scale_of, task_of
from affekt.train.lab.material import Material
from affekt.train.sources import LICENCE, split_hash, training_data
from affekt.types import Report

#: Window and hop of the engine, in samples at 16 kHz.
WINDOW, HOP = 48_000, 24_000
#: Grey value of white.
LIGHTEST = np.float32(255)
LIMITS = {
    "speech": (
        "The file is the model of the first fold; the scores are those of all folds together, on whole clips.",
        "affekt predict gives it windows of 3 s cut to the speech: what was learned from whole clips can be worth far "
        "less there. Run affekt evaluate on the file before you trust it.",
        "A recipe of the field, for study. Not for decisions about people.",
        "It hears how something is said, not what somebody feels. In the EU, inferring emotions at work and in "
        "education is forbidden but for medical or safety reasons (AI Act, Article 5(1)(f)).",
    ),
    "face": (
        "Its confidence was not calibrated. Run affekt evaluate on the file before you trust it.",
        "A recipe of the field, for study. Not for decisions about people.",
        "It knows how faces are labelled, not what somebody feels. In the EU, inferring emotions at work and in "
        "education is forbidden but for medical or safety reasons (AI Act, Article 5(1)(f)).",
    ),
}


def write_model(
    experiment: Experiment, outcome: Outcome, material: Material, *, folder: Path, path: Path
) -> tuple[Path, float]:
    """Write the model of the first fold of a protocol as one ONNX file.

    Parameters
    ----------
    experiment : Experiment
    outcome : Outcome
        What the protocol gave; its scores go into the card.
    material : Material
    folder : Path
        Of the protocol and model in the run, where the checkpoints are.
    path : Path
        The file.

    Returns
    -------
    Path, float
        The file, and the largest difference of a probability between it and the model.
    """
    protocol = outcome.protocol
    samples = relabel(material.samples, protocol.labels)
    labels = labels_of(samples)
    fold = make_folds(experiment, protocol, samples)[0]
    task, _ = task_of(fold, material, samples, seed=experiment.seed)
    fitted = fit(outcome.model, task, experiment.fit, folder=folder / "fold-1", tick=lambda line: None)
    raw = {side: material.inputs[rows[:, 0], rows[:, 1]] for side, rows in fold.rows.items()}
    card = card_of(experiment, protocol, fold, report=outcome.report, labels=labels)
    rng = np.random.default_rng(0)
    probe, scale = raw["test"][rng.permutation(len(raw["test"]))[:64]], scale_of(raw, protocol)
    if experiment.modality == "face":
        # The file takes grey values from 0 to 255, as all models of faces do; the network learned from 0 to 1.
        probe, scale = probe * LIGHTEST, (scale[0] * LIGHTEST, scale[1] * LIGHTEST)
    return path, export_fitted(fitted, scale, card, path, probe=probe)


def card_of(experiment: Experiment, protocol: Protocol, fold: Fold, *, report: Report, labels: tuple[str, ...]) -> Card:
    """The card: whoever opens the file sees the stamps before the scores."""
    corpora = sorted({str(s.corpus) for s in fold.split.train})
    name = AS_PUBLISHED if protocol == experiment.as_published else HONEST
    stamped = tuple(f"{STAMPED}: {stamp}." for stamp in report.stamps)
    scores = {metric: (e.value, e.low, e.high, e.n) for metric, e in report.metrics.items() if metric in ("UAR", "WA")}
    sound = {"sampling_rate": 16_000, "frame": HOP, "window": WINDOW, "hop": HOP, "features": asdict(experiment.inputs)}
    return Card(
        name=experiment.name,
        modality=experiment.modality,
        labels=labels,
        input={"size": SIZE, "channels": 1, "margin": 1.0} if experiment.modality == "face" else sound,
        data=training_data(fold.split, corpora),
        split=split_hash(fold.split),
        scores={f"{' + '.join(corpora)}, {name}": scores},
        licence=LICENCE,
        limits=(*stamped, report.protocol, *LIMITS[experiment.modality]),
        recipe=asdict(experiment),
    )
