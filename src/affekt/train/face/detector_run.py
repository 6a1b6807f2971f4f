"""From folders of pictures and a teacher to the model ``detector``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from affekt.errors import InputError
from affekt.face.detect import DetectOptions, Detector
from affekt.train.face.detector_evaluate import match_mosaics, match_pictures
from affekt.train.face.detector_export import card_of, export_detector
from affekt.train.face.detector_loop import train_detector
from affekt.train.face.detector_mosaics import MosaicMaker
from affekt.train.face.detector_recipe import DetectorRecipe
from affekt.train.face.detector_teacher import Taught, teach

#: Mosaics of held-out pictures, their side, and the precision that the threshold reaches on those pictures.
HELD_OUT, SIDE, PRECISION = 200, 384, 0.97
#: A teacher's score below which its faces are not even written down.
LEAST = 0.3


@dataclass(frozen=True)
class DetectorMaterial:
    """What a detector learns from.

    Parameters
    ----------
    folders : mapping
        Name of each corpus to its folder.
    teacher : str
        The detector that finds the faces in them, as ``Detector`` takes it: YuNet.
    start : Path, optional
        Checkpoint of another run, to start from its weights.
    """

    folders: Mapping[str, Path]
    teacher: str = "yunet"
    start: Path | None = None


def run_detector(
    recipe: DetectorRecipe, material: DetectorMaterial, output: Path, *, report: Callable[[str], None]
) -> Path:
    """Teach, train, evaluate on mosaics of held-out pictures, and export. Resumes a stopped run.

    Parameters
    ----------
    recipe : DetectorRecipe
    material : DetectorMaterial
    output : Path
        Folder of the run; made if missing.
    report : callable
        Takes a line of progress.

    Returns
    -------
    Path
        The model, ``detector.onnx`` in ``output``.

    Raises
    ------
    InputError
        If no corpus is given, or one that the recipe does not know.
    """
    if not material.folders or set(material.folders) - set(recipe.pictures):
        raise InputError(
            f"{recipe.name} learns from pictures of {', '.join(recipe.pictures)}; given: "
            f"{', '.join(material.folders) or 'none'}. Give --corpus NAME=FOLDER for some of them, or a recipe of your "
            "own."
        )
    output.mkdir(parents=True, exist_ok=True)
    stored = output / "taught.npz"
    if not stored.exists():
        teacher = Detector(material.teacher, DetectOptions(threshold=LEAST))
        folders = {name: (folder, recipe.pictures[name]) for name, folder in material.folders.items()}
        teach(folders, teacher, seed=recipe.seed, report=report).save(stored)
    taught = Taught.load(stored)
    network = train_detector(taught.part(held_out=False), recipe, output, report=report, start=material.start)
    card = card_of(recipe, taught.part(held_out=False))
    path = output / f"{recipe.name}.onnx"
    report(f"largest difference between file and network: {export_detector(network, card, path):.1e}")
    scores, threshold = held_out_scores(path, taught.part(held_out=True), recipe)
    export_detector(network, replace(card, scores=scores, threshold=threshold), path)
    report(f"threshold {threshold}; held out: {scores}")
    return path


def held_out_scores(
    path: Path, taught: Taught, recipe: DetectorRecipe, *, mosaics: int = HELD_OUT
) -> tuple[dict[str, Any], float]:
    """Precision and recall on held-out pictures, in mosaics and as they are; the latter choose the threshold.

    It is the lowest one with enough precision.
    """
    maker = MosaicMaker(taught, recipe.mosaics)
    drawn = [np.random.default_rng((recipe.seed, 0, 0, number)) for number in range(mosaics)]
    detector = Detector(path, DetectOptions(threshold=0.1))
    matches = {
        "mosaics": match_mosaics(detector, [maker.draw(rng, SIDE) for rng in drawn]),
        "pictures": match_pictures(detector, taught, recipe.mosaics),
    }
    threshold = matches["pictures"].threshold(PRECISION)
    scores = {
        name: {"precision": list(one.precision(threshold)), "recall": list(one.recall(threshold))}
        for name, one in matches.items()
    }
    return scores, threshold
