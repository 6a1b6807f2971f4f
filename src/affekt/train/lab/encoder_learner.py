"""An encoder as a learner of the lab, and its model file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from affekt.data.labelling import relabel
from affekt.errors import ModelError
from affekt.metrics.calibration import fit_temperature
from affekt.models.card import STAMPED, Card
from affekt.models.onnx import LARGEST, softmax
from affekt.train.export import export
from affekt.train.lab.architectures import parameter_count
from affekt.train.lab.checkpoint import load_encoder
from affekt.train.lab.encoder import FRAME, HOP_FRAMES, WINDOW_FRAMES, Encoder, EncoderNetwork, Head
from affekt.train.lab.encoder_clips import EncoderClips, Views, weights_hash
from affekt.train.lab.experiment import AS_PUBLISHED, HONEST, EncoderRecipe, as_experiment, model_name
from affekt.train.lab.fit import Task, Tick, all_logits, fit_network, load_best, one_group
from affekt.train.lab.folds import (
    Fold,
    Learner,
    Outcome,
    classes_of,
    fold_report,
    kept_answers,
    labels_of,
    make_folds,
)
from affekt.train.sources import LICENCE, split_hash, training_data
from affekt.types import Report, Sample

#: Samples that the engine reads on either side of a window: a compromise, as the encoder's context is unbounded.
CONTEXT = 32_000
#: How much slower the encoder learns than its head, which begins with random weights.
ENCODER_SHARE = 0.02
LONGEST_GRADIENT = 1.0
LIMITS = (
    "The encoder looks at all that it is given: a window's scores depend a little on the speech around it, "
    "and so on how much is read at a time.",
    "Trained on acted speech; how people sound in daily life differs.",
    "It hears how something is said, not what somebody feels. Not for decisions about people; in the EU, inferring "
    "emotions at work and in education is forbidden but for medical or safety reasons (AI Act, Article 5(1)(f)).",
)


@dataclass(frozen=True)
class EncoderRun:
    """An encoder recipe with its encoder and its clips: what all folds have in common."""

    recipe: EncoderRecipe
    encoder: Encoder
    views: Views

    @property
    def size(self) -> int:
        """Bytes of the encoder's weights: the model file is a little larger."""
        return 4 * sum(p.numel() for p in self.encoder.parameters())

    @property
    def too_large(self) -> str:
        """Why there can be no model file that affekt opens; empty if there can."""
        size, checkpoint = f"{self.size >> 20} MB", self.recipe.checkpoint
        sentence = f"the model file of {checkpoint} would be {size}; affekt opens files up to {LARGEST >> 20} MB."
        return sentence if self.size > LARGEST else ""


def encoder_learner(run: EncoderRun, *, tick: Tick) -> Learner:
    """The head on frozen states, or the whole network, fitted clip by clip."""

    def learn(fold: Fold, samples: Sequence[Sample], place: Path) -> dict[str, Any]:
        labels, choose = labels_of(samples), fold.protocol.choose
        numbers = classes_of(samples, labels)
        clips = {side: EncoderClips(run.views, rows[:, 1], numbers[rows[:, 1]]) for side, rows in fold.rows.items()}
        watch = clips[choose] if choose != "last" and len(clips[choose].rows) else None
        task = Task(clips["train"], watch, len(labels), run.recipe.seed, _groups, LONGEST_GRADIENT)
        network = _network(run, len(labels))
        history = fit_network(
            network, task, run.recipe.fit, folder=place, tick=lambda line: tick(f"{place.name}: {line}")
        )
        scores = softmax(all_logits(network, clips["test"]).numpy())
        return {"scores": np.round(scores, 6).tolist(), "calibrated": True, "history": list(history)}

    return Learner(model_name(run.recipe), learn, lambda classes: parameter_count(_network(run, classes)))


def write_encoder(run: EncoderRun, outcome: Outcome, *, folder: Path, path: Path) -> tuple[Path, float]:
    """Write the network of a protocol's first fold as one ONNX file with its card.

    Its scores are those of that fold's test clips; its temperature is fitted on
    those in dev, and 1 where there are none.

    Parameters
    ----------
    run : EncoderRun
    outcome : Outcome
        What the protocol gave.
    folder : Path
        Of the protocol and model in the run, where the checkpoints are.
    path : Path

    Returns
    -------
    Path, float
        The file, and the largest difference between it and the network.

    Raises
    ------
    ModelError
        If the file would be too large to be opened, or differs from the network.
    """
    if run.too_large:
        raise ModelError(f"{run.too_large} Choose a smaller checkpoint.")
    experiment, protocol = as_experiment(run.recipe), outcome.protocol
    samples = relabel(run.views.samples, protocol.labels)
    labels, fold = labels_of(samples), make_folds(experiment, protocol, samples)[0]
    network = _network(run, len(labels))
    load_best(network, folder / "fold-1")
    dev, temperature = fold.rows["dev"][:, 1], 1.0
    if len(dev):
        clips = EncoderClips(run.views, dev, classes_of(samples, labels)[dev])
        temperature = fit_temperature(all_logits(network, clips).numpy(), clips.classes)
    answers = kept_answers(encoder_learner(run, tick=lambda line: None), fold, samples, folder / "fold-1")
    scores = softmax(np.log(np.maximum(np.array(answers["scores"]), 1e-9)), temperature)
    found = fold_report(experiment, (fold,), samples, [{**answers, "scores": scores}])
    card = replace(_card(run, fold, found, labels=labels), temperature=temperature)
    whole = EncoderNetwork(run.encoder, network) if isinstance(network, Head) else network
    return path, export(whole.cpu(), card, path)


def device() -> str:
    """The device that encoders are trained on: the GPU if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def _network(run: EncoderRun, classes: int) -> Head | EncoderNetwork:
    """What a fold trains, as it is at first: the head, or a copy of the whole network."""
    torch.manual_seed(run.recipe.seed)
    head = Head(run.encoder.layers, run.encoder.width, classes)
    if run.recipe.frozen:
        return head.to(device())
    encoder = load_encoder(run.recipe.checkpoint)
    encoder.thaw()
    return EncoderNetwork(encoder, head).to(device())


def _groups(network: nn.Module, learning_rate: float) -> list[dict[str, Any]]:
    if not isinstance(network, EncoderNetwork):
        return one_group(network, learning_rate)
    slow = [p for p in network.encoder.parameters() if p.requires_grad]
    return [
        *one_group(network.head, learning_rate),
        {"params": slow, "lr": ENCODER_SHARE * learning_rate},
    ]


def _card(run: EncoderRun, fold: Fold, report: Report, *, labels: tuple[str, ...]) -> Card:
    corpora = sorted({str(s.corpus) for s in fold.split.train})
    name = AS_PUBLISHED if fold.protocol == as_experiment(run.recipe).as_published else HONEST
    kept = ("UAR", "WA")
    scores = {metric: (e.value, e.low, e.high, e.n) for metric, e in report.metrics.items() if metric in kept}
    stamped = tuple(f"{STAMPED}: {stamp}." for stamp in report.stamps)
    return Card(
        name=run.recipe.name,
        modality="speech",
        labels=labels,
        input={
            "sampling_rate": 16_000,
            "frame": FRAME,
            "window": WINDOW_FRAMES * FRAME,
            "hop": HOP_FRAMES * FRAME,
            "context": CONTEXT,
        },
        data=training_data(fold.split, corpora),
        split=split_hash(fold.split),
        scores={f"{' + '.join(corpora)}, {name}": scores},
        licence=f"{LICENCE}; the terms of {model_name(run.recipe)} apply, too",
        limits=(*stamped, *LIMITS),
        recipe={**asdict(run.recipe), "checkpoint": model_name(run.recipe), "encoder": weights_hash(run.encoder)},
    )
