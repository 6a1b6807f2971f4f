"""From FER2013 to a one-stage detector of emotions: one ONNX file like a YOLOv8 export, with its scores."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from affekt._files import atomic_write
from affekt._optional import require
from affekt.corpora.fer2013 import Faces, read_fer2013
from affekt.errors import ModelError
from affekt.face.detect import DetectOptions, Detector
from affekt.face.detector_network import DetectorNetwork
from affekt.face.shape import LABELS
from affekt.face.yolo_network import YoloNetwork
from affekt.models.card import KEY, Card
from affekt.models.onnx import open_model
from affekt.train.face.detector_evaluate import Matches, corners, joined, match, wilson
from affekt.train.face.detector_export import OPSET, store_in_half
from affekt.train.face.detector_loop import finish
from affekt.train.face.detector_mosaics import Mosaic
from affekt.train.face.fer2013 import split_fer2013
from affekt.train.face.recipe import FER2013
from affekt.train.face.yolo_loop import EmotionMosaics, YoloRun, taught_faces
from affekt.train.face.yolo_recipe import SCENES, YoloRecipe
from affekt.train.recipe import as_table

#: Side of the mosaics of dev faces that choose the threshold and are scored.
EDGE = 320
#: Thresholds to choose from: low ones too, as no label of an expression is sure.
CANDIDATES = np.arange(5, 91) / 100
#: Largest difference between file and network: of scores, and of boxes in pixels.
TOLERANCE = 0.5
LICENCE = "research only: no open licence of FER2013 is known"
LIMITS = (
    "Shows the form of a one-stage detector; a detector with the model face behind it knows expressions better.",
    "Learned faces that were cut out and set into mosaics: bodies, hair and real scenes are strange to it.",
    "It knows how faces are labelled, not what somebody feels. Not for decisions about people.",
)


def run_yolo(recipe: YoloRecipe, corpora: Mapping[str, Path], output: Path, *, report: Callable[[str], None]) -> Path:
    """Train, evaluate on mosaics of dev faces, and export. Resumes a stopped run.

    Parameters
    ----------
    recipe : YoloRecipe
    corpora : mapping
        ``fer2013`` to its file, as :func:`~affekt.corpora.fer2013.read_fer2013` takes it, and if there is one
        ``scenes`` to a folder of pictures without faces.
    output : Path
        Folder of the run; made if missing.
    report : callable
        Takes a line of progress.

    Returns
    -------
    Path
        The model.
    """
    output.mkdir(parents=True, exist_ok=True)
    split = split_fer2013(*read_fer2013(corpora[FER2013]), dev=recipe.dev, seed=recipe.seed)
    scenes = corpora.get(SCENES)

    def maker(faces: Faces) -> EmotionMosaics:
        return EmotionMosaics(taught_faces(faces, scenes, recipe.seed), faces.labels, recipe.mosaics, recipe.balance)

    report(f"{len(split.train)} faces to learn from, {len(split.dev)} to choose by; {split.left_out} left out")
    network = finish(YoloRun(recipe, split.train.labels), maker(split.train), output, report=report)
    card = Card(
        name=recipe.name,
        modality="face",
        task="detection",
        labels=LABELS,
        data={FER2013: {"licence": LICENCE, "clips": len(split.train), "speakers": 0}},
        split=split.digest,
        licence=LICENCE,
        limits=LIMITS,
        recipe=as_table(recipe),
    )
    path = output / f"{recipe.name}.onnx"
    report(f"largest difference between file and network: {export_yolo(network, card, path):.1e}")
    scores, least, mean = emotion_scores(path, maker(split.dev), recipe)
    export_yolo(network, replace(card, scores={"mosaics": scores}, input={"least": least}), path)
    report(f"threshold {least}; mosaics of dev faces: mean average precision {mean:.3f}, {scores}")
    return path


def export_yolo(network: DetectorNetwork, card: Card, path: Path) -> float:
    """Write the network like a YOLOv8 export (one output, class names in the metadata), with our card added.

    Returns
    -------
    float
        The largest difference seen between file and network.

    Raises
    ------
    ModelError
        If they differ by more than 0.5, of pixels.
    """
    onnx = require("onnx", extra="train")
    whole, file = YoloNetwork(network).eval(), io.BytesIO()
    with warnings.catch_warnings():
        # Deprecated in favour of an exporter that needs two more packages for the same graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            whole,
            (torch.zeros(1, 3, 64, 96),),
            file,  # type: ignore[arg-type]
            input_names=["images"],
            output_names=["output0"],
            dynamic_axes={"images": {0: "b", 2: "h", 3: "w"}, "output0": {0: "b", 2: "n"}},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(file.getvalue())
    store_in_half(model)
    del model.metadata_props[:]
    names = str(dict(enumerate(card.labels)))
    onnx.helper.set_model_props(model, {KEY: card.to_json(), "names": names, "task": "detect", "stride": "32"})
    model.producer_name, model.doc_string = "affekt", "a picture in, boxes and scores of emotions out"
    part = path.with_suffix(".part.onnx")
    with atomic_write(part, "wb") as written:
        written.write(model.SerializeToString())
    difference, opened = 0.0, open_model(part)
    for seed, shape in enumerate(((1, 3, 64, 96), (1, 3, 160, 64), (1, 3, 256, 320))):
        picture = np.random.default_rng(seed).uniform(0, 1, shape).astype(np.float32)
        with torch.no_grad():
            expected = whole(torch.from_numpy(picture)).numpy()
        difference = max(difference, float(np.abs(opened.run(picture)[0] - expected).max()))
    if difference > TOLERANCE:
        part.unlink()
        raise ModelError(f"{path}: the file and the network differ by {difference:.1e}; allowed: {TOLERANCE:.0e}.")
    part.replace(path)
    return difference


def emotion_scores(
    path: Path, maker: EmotionMosaics, recipe: YoloRecipe
) -> tuple[dict[str, list[float]], float, float]:
    """Scores on mosaics, the threshold of the best F1 of faces, and the mean average precision of the labels.

    The scores are precision and recall of faces, whatever their label, and the accuracy of the labels of faces found,
    each with its interval and n.
    """
    drawn = [maker.draw(np.random.default_rng((recipe.seed, 0, 0, number)), EDGE) for number in range(recipe.held_out)]
    detector = Detector(path, DetectOptions(threshold=0.05))
    found = [detector.detect(mosaic.rgb()) for mosaic in drawn]
    matches = joined(
        [match(faces, corners(m.boxes), corners(m.ignored)) for faces, m in zip(found, drawn, strict=True)]
    )
    least = matches.balanced_threshold(CANDIDATES)
    right = total = 0
    kept = [faces.take(faces.scores >= least) for faces in found]
    for faces, mosaic in zip(kept, drawn, strict=True):
        for label, row in zip(faces.classes.argmax(axis=1), range(len(faces)), strict=True):
            one = match(faces.take(np.array([row])), corners(mosaic.boxes))
            if not one.hits.any():
                continue
            nearest = np.abs(corners(mosaic.boxes) - faces.boxes[row]).sum(axis=1).argmin()
            right, total = right + int(label == maker.labels[mosaic.faces[nearest]]), total + 1
    precisions = [average_precision(_of_class(found, drawn, maker.labels, k)) for k in range(len(LABELS))]
    scores = {
        "precision": list(matches.precision(least)),
        "recall": list(matches.recall(least)),
        "accuracy": list(wilson(right, total)),
    }
    return scores, least, float(np.mean(precisions))


def _of_class(found: Sequence[Any], mosaics: Sequence[Mosaic], labels: NDArray[np.int64], number: int) -> Matches:
    """Matches of the boxes of one class with the faces of that label."""
    matches = []
    for faces, mosaic in zip(found, mosaics, strict=True):
        of_class = faces.take(faces.classes.argmax(axis=1) == number)
        boxes = corners(mosaic.boxes[labels[mosaic.faces] == number])
        matches.append(match(of_class, boxes, corners(mosaic.ignored)))
    return joined(matches)


def average_precision(matches: Matches) -> float:
    """Area under precision over recall, each precision the best at that recall or more; 0 without faces.

    Examples
    --------
    >>> average_precision(Matches(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 2))
    0.8333333333333333
    """
    if not matches.faces:
        return 0.0
    hits = matches.hits[np.argsort(-matches.scores, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[hits].sum() / matches.faces)
