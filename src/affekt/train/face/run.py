"""A whole run: FER2013 in, a calibrated model file out. Interrupted runs resume.

The networks are trained one after the other on FER2013's training part less
3,000 dev faces and less near-duplicates of the public test. The dev faces
choose the adjustment for rare labels and the temperature. Nothing here is
trained, chosen or calibrated on the public test.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from affekt.corpora.fer2013 import Faces, read_fer2013
from affekt.errors import InputError
from affekt.face.network import FaceEnsemble, FaceNetwork
from affekt.face.shape import LABELS, SIZE, VOTES
from affekt.metrics.calibration import fit_temperature
from affekt.metrics.labels import accuracy, unweighted_recall
from affekt.metrics.selective import ERROR, choose_threshold, conformal_quantiles, outcomes
from affekt.models.card import Card
from affekt.models.onnx import open_model, softmax
from affekt.train.export import rewrite_card
from affekt.train.face.export import export_faces
from affekt.train.face.fer2013 import FaceSplit, split_fer2013
from affekt.train.face.loop import FaceTrainer, face_logits, face_scores, train_network
from affekt.train.face.recipe import FER2013, FaceRecipe
from affekt.train.recipe import as_table, save_recipe

Report = Callable[[str], None]

LICENCE = "research only: no open licence of FER2013 is known"
CORPUS_LICENCE = "FER2013: no open licence known, research; FER+ votes: MIT"
LIMITS = (
    "Learned from pictures found on the web by the word for an emotion: posed, acted and stock faces, and cartoons.",
    "Two faces of three have the label that most people would give them; it knows how faces are labelled, not what "
    "somebody feels. Faces show less of feelings, and in more ways, than such labels say (Barrett et al., 2019).",
    "Nobody knows who the people are: expect differences by age, skin and culture that were not measured.",
    "Faces that are turned away, covered, or smaller than 32 pixels are recognised less well.",
    "Not for decisions about people; in the EU, inferring emotions at work and in education is forbidden but for "
    "medical or safety reasons (AI Act, Article 5(1)(f)).",
)
#: Networks in a file: two are below 10 MB, and below 3 ms a face on one core.
MOST = 2
#: Faces that the scales of activations in int8 come from.
CALIBRATION = 512
#: Precision to reach on the answers that the model is confident enough to give.
PRECISION = 0.75
#: Strengths of the adjustment for rare labels to choose from.
STRENGTHS = tuple(round(0.1 * step, 1) for step in range(11))


@dataclass(frozen=True)
class Choice:
    """What the dev faces chose: networks, the adjustment for rare labels, and the resulting logits and votes."""

    networks: list[FaceNetwork]
    strength: float
    logits: NDArray[np.float32]
    votes: NDArray[np.float32]


def run_faces(recipe: FaceRecipe, path: Path, output: Path, *, report: Report) -> Path:
    """Train, choose, calibrate and export by a recipe.

    Parameters
    ----------
    recipe : FaceRecipe
    path : Path
        FER2013 as :func:`~affekt.corpora.fer2013.read_fer2013` takes it.
    output : Path
        Folder of the run: ``recipe.toml``, of each network ``network-N/`` with ``log.jsonl``, ``checkpoint.pt`` and
        ``averaged.pt``, and at the end ``NAME.onnx``. The same call goes on with an interrupted run.
    report : callable
        Takes a line of progress.

    Returns
    -------
    Path
        The model file.

    Raises
    ------
    CorpusError
        If the faces cannot be read.
    InputError
        If the run was begun with another recipe.
    """
    split = read_split(recipe, path)
    save_recipe(recipe, output)
    report(f"{len(split.train)} faces to learn from, {len(split.dev)} to choose by; {split.left_out} left out")
    return finish_faces(recipe, split, run_networks(recipe, split, output, report=report), output, report=report)


def read_split(recipe: FaceRecipe, path: Path) -> FaceSplit:
    """FER2013 divided as the recipe says."""
    return split_fer2013(*read_fer2013(path), dev=recipe.dev, seed=recipe.seed)


def run_networks(recipe: FaceRecipe, split: FaceSplit, output: Path, *, report: Report) -> list[FaceNetwork]:
    """Train all networks of a recipe, one after the other; returns the last of each chain."""
    last: list[FaceNetwork] = []
    for number in range(sum(recipe.networks)):
        report(f"network {number + 1} of {sum(recipe.networks)}")
        trainer = FaceTrainer(recipe, split.train, number=number, before=list(last))
        chain, _ = recipe.place(number)
        last = [*last[:chain], train_network(trainer, split.dev, output / f"network-{number + 1}", report=report)]
    return last


def finish_faces(
    recipe: FaceRecipe, split: FaceSplit, networks: list[FaceNetwork], output: Path, *, report: Report
) -> Path:
    """Choose and calibrate on the dev faces, and write the model file.

    One network is taken, or the mean of two; and the strength of the adjustment for rare labels.
    """
    prior = np.bincount(split.train.labels, minlength=len(LABELS)) / len(split.train)
    choices: list[tuple[float, Choice]] = []
    for members in (list(few) for count in range(1, MOST + 1) for few in combinations(networks, count)):
        logits, votes = face_logits(FaceEnsemble(members), split.dev)
        strength, worth = best_strength(logits, split.dev, prior)
        choices.append((worth, Choice(members, strength, logits + adjustment(strength, prior), votes)))
    choice = max(choices, key=lambda pair: pair[0])[1]
    ensemble = FaceEnsemble(choice.networks, adjustment=torch.from_numpy(adjustment(choice.strength, prior)))
    path = output / f"{recipe.name}.onnx"
    rows = np.random.default_rng(recipe.seed).permutation(len(split.train))[:CALIBRATION]
    card = face_card(recipe, split, choice=choice)
    difference = export_faces(ensemble, card, path, seen=split.train.images[rows])
    written = open_model(path)
    batches = np.array_split(split.dev.images.astype(np.float32), max(1, len(split.dev) // 64))
    logits, votes = (np.concatenate(parts) for parts in list(zip(*map(written.run, batches), strict=True))[:2])
    # What is calibrated is what the file says, rounding and all.
    card = face_card(recipe, split, choice=replace(choice, logits=logits, votes=votes))
    rewrite_card(path, card)
    found = {
        "members": len(choice.networks),
        "strength": choice.strength,
        "temperature": round(card.temperature, 4),
        "threshold": card.threshold,
        "parity": difference,
        "dev": face_scores((choice.logits, choice.votes), split.dev),
        "dev in int8": face_scores((logits, votes), split.dev),
        "same answer in int8": round(float((logits.argmax(axis=1) == choice.logits.argmax(axis=1)).mean()), 4),
    }
    report(json.dumps(found))
    return path


def adjustment(strength: float, prior: NDArray[np.float64]) -> NDArray[np.float32]:
    """What is added to the logits of labels with shares ``prior``: 0 leaves them, 1 makes all labels equally likely."""
    if not 0 <= strength <= 1:
        raise InputError(f"strength is {strength}; allowed: 0 to 1.")
    return (-strength * np.log(np.maximum(prior, 1e-6))).astype(np.float32)


def best_strength(logits: NDArray[np.float32], dev: Faces, prior: NDArray[np.float64]) -> tuple[float, float]:
    """The strength at which the sum of WA and UAR is greatest (the weakest in a tie), and that sum."""
    truth = [str(label) for label in dev.labels]

    def worth(strength: float) -> float:
        predicted = [str(label) for label in (logits + adjustment(strength, prior)).argmax(axis=1)]
        return accuracy(truth, predicted) + unweighted_recall(truth, predicted)

    best = max(STRENGTHS, key=lambda strength: (round(worth(strength), 6), -strength))
    return best, worth(best)


def face_card(recipe: FaceRecipe, split: FaceSplit, *, choice: Choice) -> Card:
    """The card of a freshly trained model, calibrated on the dev faces; its scores are added when it is evaluated."""
    temperature = fit_temperature(choice.logits, split.dev.labels)
    truth = [LABELS[label] for label in split.dev.labels]
    scores = [dict(zip(LABELS, row.tolist(), strict=True)) for row in softmax(choice.logits, temperature)]
    faces = [str(number) for number in range(len(truth))]  # nobody knows who is who
    rng = np.random.default_rng(recipe.seed)
    chosen = choose_threshold(outcomes(truth, scores), faces, precision=PRECISION, rng=rng)
    promise = {
        "precision": PRECISION,
        "error": ERROR,
        "bound": round(chosen.bound, 4),
        "seen": [round(x, 4) for x in astuple(chosen.seen)],
        "coverage": [round(x, 4) for x in astuple(chosen.coverage)],
        "speakers": len(faces),
        "corpora": [FER2013],
        "method": "fixed-sequence tests with Clopper-Pearson bounds over faces",
    }
    quantiles = conformal_quantiles(truth, scores)
    return Card(
        name=recipe.name,
        modality="face",
        labels=LABELS,
        input={"size": SIZE, "channels": 1, "margin": 1.0, "votes": list(VOTES)},
        temperature=temperature,
        threshold=chosen.value if chosen.met else 0.0,
        promise=promise if chosen.met else {},
        conformal={
            "method": "split conformal, least ambiguous sets (Sadinle, Lei & Wasserman, 2019)",
            "clips": len(truth),
            "speakers": len(faces),
            "quantiles": {f"{share:.2f}": math.floor(1e6 * least) / 1e6 for share, least in quantiles.items()},
        },
        # FER2013 does not say who is who.
        data={FER2013: {"licence": CORPUS_LICENCE, "clips": len(split.train), "speakers": 0}},
        split=split.digest,
        licence=LICENCE,
        limits=LIMITS,
        recipe={**as_table(recipe), "strength": choice.strength, "members": len(choice.networks)},
    )
