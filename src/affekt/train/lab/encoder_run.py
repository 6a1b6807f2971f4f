"""An encoder recipe under its protocols, with the same folds, audit and report as the other lab recipes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from affekt._files import atomic_write
from affekt.data.audit import audit_folds
from affekt.data.labelling import relabel
from affekt.errors import ModelError
from affekt.metrics.calibration import fit_temperature
from affekt.metrics.report import report
from affekt.models.card import Card
from affekt.models.onnx import LARGEST, softmax
from affekt.train.export import export
from affekt.train.lab.architectures import parameter_count
from affekt.train.lab.checkpoint import load_encoder
from affekt.train.lab.encoder import FRAME, HOP_FRAMES, WINDOW_FRAMES, Encoder, EncoderNetwork, Head
from affekt.train.lab.encoder_clips import Views, load_views, weights_hash
from affekt.train.lab.encoder_fit import Lesson, Trained, all_logits, device, fit_clips, load_best
from affekt.train.lab.experiment import EncoderRecipe, Experiment, Protocol
from affekt.train.lab.fit import Tick
from affekt.train.lab.folds import Fold, Outcome, describe, make_folds
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
class Bench:
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
    bench, warnings = _bench(recipe, folders, output, progress)
    size = 4 * sum(p.numel() for p in bench.encoder.parameters())
    if size > LARGEST:
        warnings += (f"{_too_large(recipe, size)} It can be scored, not exported.",)
    outcomes = {name: {model_name(recipe): _outcome(bench, protocol, name)} for name, protocol in chosen.items()}
    views = bench.views
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
    bench, _ = _bench(recipe, folders, output, progress)
    size = 4 * sum(p.numel() for p in bench.encoder.parameters())
    if size > LARGEST:
        raise ModelError(f"{_too_large(recipe, size)} Choose a smaller checkpoint.")
    asked, name = bench.experiment.protocol(protocol), HONEST if protocol == "honest" else AS_PUBLISHED
    samples = relabel(bench.views.samples, asked.labels)
    labels = _labels(samples)
    fold = make_folds(bench.experiment, asked, samples)[0]
    place = _place(bench, name, 1)
    scores = np.array(_answers(bench, fold, samples, protocol=asked, place=place)["scores"])
    trained = _trained(bench, len(labels))
    load_best(trained, place / "best.pt")
    logits = all_logits(trained, bench.views, fold.rows["dev"][:, 1]) if len(fold.rows["dev"]) else None
    truth = _classes(samples, labels)[fold.rows["dev"][:, 1]]
    temperature = 1.0 if logits is None else fit_temperature(logits, truth)
    scores = softmax(np.log(np.maximum(scores, 1e-9)), temperature)
    judged = _report(bench, (fold,), samples, protocol=asked, scores=scores)
    card = replace(_card(bench, fold, judged, labels=labels, name=name), temperature=temperature)
    path = output / f"{recipe.name}.onnx"
    network = EncoderNetwork(bench.encoder, trained) if isinstance(trained, Head) else trained
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


def _bench(
    recipe: EncoderRecipe, folders: dict[str, Path], output: Path, progress: Progress
) -> tuple[Bench, tuple[str, ...]]:
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
    return Bench(recipe, experiment, encoder, views, output, progress.line), warnings


def _outcome(bench: Bench, protocol: Protocol, name: str) -> Outcome:
    samples = relabel(bench.views.samples, protocol.labels)
    made = make_folds(bench.experiment, protocol, samples)
    answers = [
        _answers(bench, fold, samples, protocol=protocol, place=_place(bench, name, number))
        for number, fold in enumerate(made, start=1)
    ]
    scores = np.concatenate([answer["scores"] for answer in answers])
    judged = _report(bench, made, samples, protocol=protocol, scores=scores)
    parameters = parameter_count(_trained(bench, len(_labels(samples))))
    histories = tuple(tuple(answer["history"]) for answer in answers)
    return Outcome(model_name(bench.recipe), protocol, judged, parameters, histories)


def _place(bench: Bench, name: str, number: int) -> Path:
    return bench.output / slug(name) / model_name(bench.recipe) / f"fold-{number}"


def _answers(bench: Bench, fold: Fold, samples: Sequence[Sample], *, protocol: Protocol, place: Path) -> dict[str, Any]:
    """Scores (n, k) of the test clips and the history; kept in a file when done."""
    path = place / "answers.json"
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    labels = _labels(samples)
    watch = fold.rows[protocol.choose][:, 1] if protocol.choose != "last" else np.zeros(0, np.int64)
    lesson = Lesson(bench.views, _classes(samples, labels), fold.rows["train"][:, 1], watch, bench.recipe.seed)
    trained = _trained(bench, len(labels))
    where = f"{place.parent.parent.name}, {place.name}"
    history = fit_clips(
        trained, lesson, bench.recipe.fit, folder=place, tick=lambda text: bench.tick(f"{where}: {text}")
    )
    logits = all_logits(trained, bench.views, fold.rows["test"][:, 1])
    answers = {"scores": np.round(softmax(logits), 6).tolist(), "history": list(history)}
    with atomic_write(path) as file:
        json.dump(answers, file)
    # Three times the size of the network, and of no more use.
    (place / "checkpoint.pt").unlink()
    return answers


def _trained(bench: Bench, classes: int) -> Trained:
    """What a fold trains, as it is at first: the head, or a copy of the whole network."""
    torch.manual_seed(bench.recipe.seed)
    head = Head(bench.encoder.layers, bench.encoder.width, classes)
    if bench.recipe.frozen:
        return head
    encoder = load_encoder(bench.recipe.checkpoint)
    encoder.thaw()
    return EncoderNetwork(encoder, head)


def _report(
    bench: Bench, made: Sequence[Fold], samples: Sequence[Sample], *, protocol: Protocol, scores: NDArray[np.float64]
) -> Report:
    """The test sides of some folds together; scores (n, k)."""
    labels = _labels(samples)
    return report(
        [samples[int(i)] for fold in made for i in fold.rows["test"][:, 1]],
        [labels[i] for i in scores.argmax(1)],
        rng=np.random.default_rng(0),
        protocol=describe(bench.experiment, protocol, made),
        scores=[dict(zip(labels, row.tolist(), strict=True)) for row in scores],
        findings=audit_folds([(fold.split, fold.evidence) for fold in made]),
    )


def _labels(samples: Sequence[Sample]) -> tuple[str, ...]:
    return tuple(sorted({str(s.label) for s in samples}))


def _classes(samples: Sequence[Sample], labels: Sequence[str]) -> NDArray[np.int64]:
    number = {label: i for i, label in enumerate(labels)}
    return np.array([number[str(s.label)] for s in samples], np.int64)


def _card(bench: Bench, fold: Fold, judged: Report, *, labels: tuple[str, ...], name: str) -> Card:
    corpora = sorted({str(s.corpus) for s in fold.split.train})
    kept = ("UAR", "WA")
    scores = {name: (e.value, e.low, e.high, e.n) for name, e in judged.metrics.items() if name in kept}
    stamped = tuple(f"Its scores are stamped: {stamp}." for stamp in judged.stamps)
    return Card(
        name=bench.recipe.name,
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
        licence=f"{LICENCE}; the terms of {model_name(bench.recipe)} apply, too",
        limits=(*stamped, *LIMITS),
        recipe={**asdict(bench.recipe), "checkpoint": model_name(bench.recipe), "encoder": weights_hash(bench.encoder)},
    )


def _too_large(recipe: EncoderRecipe, size: int) -> str:
    return (
        f"the model file of {recipe.checkpoint} would be {size >> 20} MB; affekt opens files up to {LARGEST >> 20} MB."
    )
