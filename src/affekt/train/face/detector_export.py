"""From a trained detector to one ONNX file with its card, checked against the network it came from."""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from affekt._files import atomic_write
from affekt._optional import require
from affekt.errors import ModelError
from affekt.face.detect import FINEST, MULTIPLE, STRIDES
from affekt.face.detector_network import DetectorNetwork, PictureDetector
from affekt.models.card import KEY, Card
from affekt.models.onnx import open_model
from affekt.train.face.detector_recipe import DetectorRecipe
from affekt.train.face.detector_teacher import Taught, person

OPSET = 17
TOLERANCE = 0.05
#: Weights of so many numbers and more are written in half precision.
MANY = 128
#: Of the corpora that the shipped model was taught on.
LICENCES = {
    "lfw": "pictures from the news; research (LFW gives no licence)",
    "muxspace": "Apache-2.0 for the collection; pictures from the web, research",
    "orl": "free with credit to AT&T Laboratories Cambridge",
    "pets": "Kaggle Dogs vs. Cats; research",
    "stanford40": "Stanford 40 Actions; pictures from the web, research",
    "humans": "Human-Segmentation-Dataset; pictures from the web, licence not stated",
    "pose": "Animal-Pose; pictures of PASCAL VOC and the web, research",
    "caltech": "Caltech-101 without its two classes of faces; pictures from the web, research",
    "houses": "Houses-dataset; pictures of real estate from the web, research",
    "clothing": "CC0 (clothing-dataset-small)",
}
LIMITS = (
    "Looks at lightness only: all pictures that taught it are grey.",
    "Misses many faces below 20 pixels; faces turned by more than 30 degrees or half hidden were not measured.",
    "Taught by another detector (YuNet) on mosaics of portraits and scenes from the web: it inherits what that one "
    "misses.",
    "Finds faces; it does not tell whose, and must not be used to watch people.",
)


def card_of(recipe: DetectorRecipe, taught: Taught) -> Card:
    """The card of a detector taught on some pictures."""
    corpora = [name.split("/")[0] for name in taught.names]
    data = {
        corpus: {
            "clips": corpora.count(corpus),
            "speakers": len({person(name) for name in taught.names if name.split("/")[0] == corpus}),
            "licence": LICENCES.get(corpus, "not stated"),
        }
        for corpus in sorted(set(corpora))
    }
    return Card(
        name=recipe.name,
        modality="face",
        task="detection",
        labels=("background", "face"),
        input={"channels": [1, 3], "range": [0, 255], "multiple": MULTIPLE, "smallest": FINEST},
        data=data,
        licence="research: the pictures that taught it have no open licence",
        limits=LIMITS,
        recipe=json.loads(json.dumps(asdict(recipe))),
    )


def export_detector(network: DetectorNetwork, card: Card, path: Path) -> float:
    """Write the network with its card, its weights in half precision.

    Parameters
    ----------
    network : DetectorNetwork
    card : Card
    path : Path
        Written only if the file agrees with the network.

    Returns
    -------
    float
        The largest difference seen, on noise of four shapes.

    Raises
    ------
    ModelError
        If they differ by more than 0.05: of logits, and of boxes in cells.
    """
    onnx = require("onnx", extra="train")
    whole = PictureDetector(network).eval()
    model = onnx.load_from_string(_graph(whole))
    store_in_half(model)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: card.to_json()})
    model.producer_name, model.doc_string = "affekt", "a picture in, scores, boxes and points of faces out"
    part = path.with_suffix(".part.onnx")
    with atomic_write(part, "wb") as file:
        file.write(model.SerializeToString())
    difference = _difference(whole, part)
    if difference > TOLERANCE:
        part.unlink()
        raise ModelError(f"{path}: the file and the network differ by {difference:.1e}; allowed: {TOLERANCE:.0e}.")
    part.replace(path)
    return difference


def _graph(whole: PictureDetector) -> bytes:
    file, outputs = io.BytesIO(), [f"stride{stride}" for stride in STRIDES]
    with warnings.catch_warnings():
        # Deprecated in favour of an exporter that needs two more packages for the same graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            whole,
            (torch.zeros(1, 1, 64, 96),),
            file,  # type: ignore[arg-type]
            input_names=["picture"],
            output_names=outputs,
            dynamic_axes={
                "picture": {0: "b", 1: "c", 2: "h", 3: "w"},
                **{name: {0: "b", 2: "h", 3: "w"} for name in outputs},
            },
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()


def store_in_half(model: Any) -> None:
    """Write the weights as float16, and have them cast back to float32 when the file is opened."""
    onnx = require("onnx", extra="train")
    casts = []
    for weights in model.graph.initializer:
        values = onnx.numpy_helper.to_array(weights)
        if values.dtype != np.float32 or values.size < MANY:
            continue
        name = weights.name
        weights.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _difference(whole: PictureDetector, path: Path) -> float:
    model, rng, largest = open_model(path), np.random.default_rng(0), 0.0
    for shape in ((1, 1, 32, 32), (2, 3, 64, 96), (1, 3, 160, 64), (1, 1, 384, 640)):
        picture = rng.uniform(0, 255, shape).astype(np.float32)
        with torch.no_grad():
            expected = whole(torch.from_numpy(picture))
        found = model.run(picture)
        largest = max(largest, *(float(np.abs(f - e.numpy()).max()) for f, e in zip(found, expected, strict=True)))
    return largest
