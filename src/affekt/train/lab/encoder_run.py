"""An encoder recipe under its protocols, with the same folds, audit and report as the other lab recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from affekt.data.labelling import relabel
from affekt.errors import ModelError
from affekt.metrics.calibration import fit_temperature
from affekt.models.card import Card
from affekt.models.onnx import LARGEST, softmax
from affekt.train.export import export
from affekt.train.lab.architectures import parameter_count
from affekt.train.lab.checkpoint import load_encoder
from affekt.train.lab.encoder import FRAME, HOP_FRAMES, WINDOW_FRAMES, Encoder, EncoderNetwork, Head
from affekt.train.lab.encoder_clips import Views, load_views, weights_hash
from affekt.train.lab.encoder_fit import ClipTask, Trained, all_logits, device, fit_clips, load_best
from affekt.train.lab.experiment import EncoderRecipe, Experiment
from affekt.train.lab.fit import Tick
from affekt.train.lab.folds import (
    Fold,
    Learner,
    classes_of,
    fold_report,
    kept_answers,
    labels_of,
    make_folds,
    run_protocol,
)
from affekt.train.lab.material import Material, read_samples
from affekt.train.lab.reproduce import AS_PUBLISHED, HONEST, Progress, Reproduction, claim, protocols_of, slug
from affekt.train.sources import LICENCE, split_hash, training_data
from affekt.types import Report, Sample

#: What the engine reads on either side of a window, in samples: the encoder has no bound, this is a compromise.
CONTEXT = 32_000
LIMITS = (
    "The encoder looks at all that it is given: a window's scores depend a little on the speech around it, "
    "and so on how much is read at a time.",
    "Trained on acted speech; how people sound in daily life differs.",
    "It hears how something is said, not what somebody feels. Not for decisions about people; in the EU, inferring "
    "emotions at work and in education is forbidden but for medical or safety reasons (AI Act, Article 5(1)(f)).",
)


@dataclass(frozen=True)
class EncoderRun:
    """Everything that the folds of a run have in common.

    Parameters
    ----------
    recipe : EncoderRecipe
    experiment : Experiment
        The same, as the other lab recipes are written.
    encoder : Encoder
    views : Views
    output : Path
    tick : callable
        Takes a line of progress.
    """

    recipe: EncoderRecipe
    experiment: Experiment
    encoder: Encoder
    views: Views
    output: Path
    tick: Tick


def run_encoder(
    recipe: EncoderRecipe,
    folders: dict[str, Path],
    output: Path,
    *,
    protocols: Sequence[str] = ("as-published", "honest"),
    progress: Progress,
) -> Reproduction:
    """Run an encoder recipe's protocols on the same clips. Nothing is downloaded.

    Parameters
    ----------
    recipe : EncoderRecipe
    folders : dict of str to Path
        Corpus name to where it is.
    output : Path
        Folder of the run: the complete recipe, hidden states, checkpoints and
        answers. The same call goes on where an interrupted one stopped.
    protocols : sequence of str
        ``as-published``, ``honest``, or ``steps`` for everything in between, too.
    progress : Progress

    Returns
    -------
    Reproduction
        Its material has samples, but no inputs: what is learned from lies on disk.

    Raises
    ------
    InputError
        If a corpus or the checkpoint is missing, or the folder holds a run of another recipe or other clips.
    UnknownName
        If the checkpoint is of an unknown architecture, or a protocol does not exist.
    """
    experiment = as_experiment(recipe)
    chosen = protocols_of(experiment, protocols)
    run, warnings = _prepared(recipe, folders, output, progress)
    size = 4 * sum(p.numel() for p in run.encoder.parameters())
    if size > LARGEST:
        warnings += (f"{_too_large(recipe, size)} It can be scored, not exported.",)
    learner, views, outcomes = _learner(run), run.views, {}
    for name, protocol in chosen.items():
        folder = output / slug(name) / learner.name
        outcomes[name] = {
            learner.name: run_protocol(experiment, protocol, views.samples, learner=learner, folder=folder)
        }
    material = Material(views.samples, np.zeros((1, len(views.samples), 0), np.float32), views.unread)
    return Reproduction(experiment, outcomes, material, warnings)


def export_encoder(
    recipe: EncoderRecipe, folders: dict[str, Path], output: Path, *, protocol: str = "honest", progress: Progress
) -> tuple[Path, float]:
    """Write the network of a protocol's first fold as one ONNX file with its card.

    It is fitted first if :func:`run_encoder` was not there before. Its scores
    are those of that fold's test clips; its temperature is fitted on those in
    dev, and 1 where there are none.

    Parameters
    ----------
    recipe, folders, output, progress
        As of :func:`run_encoder`.
    protocol : str
        ``honest`` or ``as-published``; the card of the latter shows its stamps.

    Returns
    -------
    Path, float
        ``output/NAME.onnx``, and the largest difference between the file and the network.

    Raises
    ------
    InputError
        As :func:`run_encoder`.
    ModelError
        If the file would be too large to be opened, or differs from the network.
    """
    run, _ = _prepared(recipe, folders, output, progress)
    size = 4 * sum(p.numel() for p in run.encoder.parameters())
    if size > LARGEST:
        raise ModelError(f"{_too_large(recipe, size)} Choose a smaller checkpoint.")
    asked, name = run.experiment.protocol(protocol), HONEST if protocol == "honest" else AS_PUBLISHED
    samples = relabel(run.views.samples, asked.labels)
    labels = labels_of(samples)
    fold = make_folds(run.experiment, asked, samples)[0]
    place = output / slug(name) / model_name(recipe) / "fold-1"
    answers = kept_answers(_learner(run), fold, samples, place)
    trained = _trained(run, len(labels))
    load_best(trained, place / "best.pt")
    logits = all_logits(trained, run.views, fold.rows["dev"][:, 1]) if len(fold.rows["dev"]) else None
    truth = classes_of(samples, labels)[fold.rows["dev"][:, 1]]
    temperature = 1.0 if logits is None else fit_temperature(logits, truth)
    scores = softmax(np.log(np.maximum(np.array(answers["scores"]), 1e-9)), temperature)
    found = fold_report(run.experiment, (fold,), samples, [{**answers, "scores": scores}])
    card = replace(_card(run, fold, found, labels=labels, name=name), temperature=temperature)
    path = output / f"{recipe.name}.onnx"
    network = EncoderNetwork(run.encoder, trained) if isinstance(trained, Head) else trained
    return path, export(network.cpu(), card, path)


def as_experiment(recipe: EncoderRecipe) -> Experiment:
    """An encoder recipe as the other lab recipes are written: one model, no copies, no scaler.

    Examples
    --------
    >>> as_experiment(EncoderRecipe(checkpoint="facebook/hubert-base-ls960")).models
    ('hubert-base-ls960',)
    """
    shared = {key: getattr(recipe, key) for key in ("name", "title", "corpora", "optional", "keep", "merge")}
    shared |= {key: getattr(recipe, key) for key in ("sex", "seed", "published", "fit")}
    plain = {key: replace(getattr(recipe, key), copies="none", scaler="none") for key in ("as_published", "honest")}
    return Experiment(kind=recipe.kind, models=(model_name(recipe),), **shared, **plain)


def model_name(recipe: EncoderRecipe) -> str:
    """The checkpoint's own name, without whose it is or where it lies."""
    return Path(recipe.checkpoint).name or "encoder"


def _prepared(
    recipe: EncoderRecipe, folders: dict[str, Path], output: Path, progress: Progress
) -> tuple[EncoderRun, tuple[str, ...]]:
    experiment = as_experiment(recipe)
    encoder = load_encoder(recipe.checkpoint).to(device())
    samples, warnings = read_samples(experiment, folders)
    claim(output, recipe, [weights_hash(encoder), *(s.id for s in samples)])
    views = load_views(
        samples,
        encoder,
        output / "cache",
        frozen=recipe.frozen,
        seconds=recipe.seconds,
        tick=progress.clips(len(samples)),
    )
    warnings += tuple(f"left out: {line}" for line in views.unread)
    return EncoderRun(recipe, experiment, encoder, views, output, progress.line), warnings


def _learner(run: EncoderRun) -> Learner:
    """The head on frozen states, or the whole network, fitted clip by clip."""

    def learn(fold: Fold, samples: Sequence[Sample], place: Path) -> dict[str, Any]:
        protocol, labels = fold.protocol, labels_of(samples)
        watch = fold.rows[protocol.choose][:, 1] if protocol.choose != "last" else np.zeros(0, np.int64)
        task = ClipTask(run.views, classes_of(samples, labels), fold.rows["train"][:, 1], watch, run.recipe.seed)
        trained = _trained(run, len(labels))
        where = f"{place.parent.parent.name}, {place.name}"
        history = fit_clips(trained, task, run.recipe.fit, folder=place, tick=lambda text: run.tick(f"{where}: {text}"))
        logits = all_logits(trained, run.views, fold.rows["test"][:, 1])
        # Three times the size of the network, and of no more use: all epochs are done.
        (place / "checkpoint.pt").unlink()
        return {"scores": np.round(softmax(logits), 6).tolist(), "calibrated": True, "history": list(history)}

    return Learner(model_name(run.recipe), learn, lambda classes: parameter_count(_trained(run, classes)))


def _trained(run: EncoderRun, classes: int) -> Trained:
    """What a fold trains, as it is at first: the head, or a copy of the whole network."""
    torch.manual_seed(run.recipe.seed)
    head = Head(run.encoder.layers, run.encoder.width, classes)
    if run.recipe.frozen:
        return head
    encoder = load_encoder(run.recipe.checkpoint)
    encoder.thaw()
    return EncoderNetwork(encoder, head)


def _card(run: EncoderRun, fold: Fold, report: Report, *, labels: tuple[str, ...], name: str) -> Card:
    corpora = sorted({str(s.corpus) for s in fold.split.train})
    kept = ("UAR", "WA")
    scores = {name: (e.value, e.low, e.high, e.n) for name, e in report.metrics.items() if name in kept}
    stamped = tuple(f"Its scores are stamped: {stamp}." for stamp in report.stamps)
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


def _too_large(recipe: EncoderRecipe, size: int) -> str:
    return (
        f"the model file of {recipe.checkpoint} would be {size >> 20} MB; affekt opens files up to {LARGEST >> 20} MB."
    )
