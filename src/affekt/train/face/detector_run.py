"""From folders of pictures and a teacher to the model ``detector``."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from affekt.errors import InputError
from affekt.face.detect import DetectOptions, Detector
from affekt.train.face.detector_evaluate import match_mosaics, match_scenes
from affekt.train.face.detector_export import card_of, export_detector
from affekt.train.face.detector_loop import train_detector
from affekt.train.face.detector_mosaics import MosaicMaker
from affekt.train.face.detector_recipe import DetectorRecipe
from affekt.train.face.detector_teacher import Taught, teach
from affekt.train.recipe import build

#: Mosaics of pictures held out that choose the threshold, their side, and the precision it has to reach there.
HELD_OUT, SIDE, PRECISION = 200, 384, 0.95
#: A teacher's score below which its faces are not even written down.
LEAST = 0.3


@dataclass(frozen=True)
class DetectorMaterial:
    """What a detector learns from.

    Parameters
    ----------
    folders : mapping
        Name of each corpus to its folder and how many pictures are drawn, at most.
    teacher : Path
        A detector's ONNX file: YuNet.
    start : Path, optional
        Checkpoint of another run, to set out from its weights.
    """

    folders: Mapping[str, tuple[Path, int]]
    teacher: Path
    start: Path | None = None


def load_detector_recipe(path: Path | None = None) -> DetectorRecipe:
    """The recipe of the model that ships with affekt, or one of your own.

    Raises
    ------
    InputError
        If the file is not TOML, or has a key or a value that is not allowed.
    """
    text = path.read_text("utf-8") if path else (files("affekt.train") / "face" / "detector.toml").read_text("utf-8")
    try:
        recipe: DetectorRecipe = build(DetectorRecipe, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: is not TOML ({error}).") from None
    return recipe


def run_detector(
    recipe: DetectorRecipe, material: DetectorMaterial, output: Path, *, report: Callable[[str], None]
) -> Path:
    """Teach, train, measure on mosaics of pictures held out, export. Goes on where a stopped run was.

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
    """
    output.mkdir(parents=True, exist_ok=True)
    stored = output / "taught.npz"
    if not stored.exists():
        teacher = Detector(material.teacher, DetectOptions(threshold=LEAST))
        teach(material.folders, teacher, seed=recipe.seed, report=report).save(stored)
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
    """Precision and recall on pictures held out, and the least threshold of enough precision there.

    They are measured on mosaics, and on scenes as they are, if the recipe names any; those choose the threshold.
    """
    maker = MosaicMaker(taught, recipe.mosaics)
    drawn = [np.random.default_rng((recipe.seed, 0, 0, number)) for number in range(mosaics)]
    detector = Detector(path, DetectOptions(threshold=0.1))
    matches = {"mosaics": match_mosaics(detector, [maker.draw(rng, SIDE) for rng in drawn])}
    scenes = [row for row, name in enumerate(taught.names) if name.split("/")[0] in recipe.mosaics.scene_corpora]
    if scenes:
        matches["scenes"] = match_scenes(detector, taught, scenes, recipe.mosaics)
    threshold = matches["scenes" if scenes else "mosaics"].threshold(PRECISION)
    scores = {
        name: {"precision": list(one.precision(threshold)), "recall": list(one.recall(threshold))}
        for name, one in matches.items()
    }
    return scores, threshold
