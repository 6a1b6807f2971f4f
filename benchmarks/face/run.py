"""The evaluation of the model `face`: scores it, keeps the figures, and writes its card page from what was kept.

    python benchmarks/face/run.py run --fer2013 FILE.npz [--model FILE.onnx] [--muxspace FOLDER --yunet FILE.onnx]
    python benchmarks/face/run.py write

`run` keeps benchmarks/results/face/face.json; `write` makes docs/model-cards/face.md from it alone. FILE.npz holds
FER2013's training part and public test with the votes of FER+; the public test chose nothing. FOLDER is a copy of
github.com/muxspace/facial_expressions, from whose labels nothing was learned; YuNet finds the faces there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from muxspace import read_muxspace
from page import page
from perturb import PERTURBED, perturbed

from affekt.corpora.fer2013 import Faces, read_fer2013
from affekt.face.shape import LABELS, VOTES
from affekt.metrics.report import report
from affekt.models.card import Card
from affekt.models.onnx import Model, open_model, softmax
from affekt.train.export import rewrite_card
from affekt.train.face.fer2013 import split_fer2013
from affekt.train.recipe import FaceRecipe, build
from affekt.types import Report, Sample

ROOT = Path(__file__).parent.parent.parent
KEPT = ROOT / "benchmarks" / "results" / "face" / "face.json"
WEIGHTS = ROOT / "src" / "affekt" / "models" / "weights" / "face.onnx"
PAGE = ROOT / "docs" / "model-cards" / "face.md"
METRICS = ("UAR", "WA", "macro F1", "ECE", "log loss", "top-2 accuracy")


def logits_of(model: Model, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, 7) and votes (n, 8) of faces (n, 48, 48), by the file alone."""
    parts = [model.run(rows.astype(np.float32))[:2] for rows in np.array_split(images, -(-len(images) // 64))]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def scored(truth: Sequence[str], scores: np.ndarray, labels: Sequence[str], name: str) -> dict[str, Any]:
    """Metrics with 95 % intervals over faces, per class, and the confusion."""
    samples = [Sample(f"{name}/{i}", "", label=label, speaker=str(i)) for i, label in enumerate(truth)]
    predicted = [labels[i] for i in scores.argmax(axis=1)]
    found = report(samples, predicted, rng=np.random.default_rng(0), scores=scores, labels=labels)
    return kept_of(found)


def kept_of(found: Report) -> dict[str, Any]:
    """What is kept of a report."""
    return {
        "metrics": {name: rounded(found.metrics[name]) for name in METRICS if name in found.metrics},
        "per_class": {
            label: {key: rounded(value) for key, value in row.items() if key != "support"}
            for label, row in found.per_class.items()
        },
        "labels": list(found.labels),
        "confusion": [list(row) for row in found.confusion],
        "reliability": [[round(c, 3), round(a, 3), n] for c, a, n in found.reliability if n],
    }


def rounded(estimate: Any) -> list[float]:
    """[value, low, high, n]."""
    return [*(round(float(x), 4) for x in (estimate.value, estimate.low, estimate.high)), estimate.n]


def public_test(model: Model, test: Faces, leaked: np.ndarray) -> dict[str, Any]:
    """FER2013's labels and FER+'s majority, with and without the faces that are also in the training part."""
    logits, votes = logits_of(model, test.images)
    scores, shares = softmax(logits, model.card.temperature), softmax(votes)
    truth = np.array([LABELS[i] for i in test.labels])
    agreed = test.majority >= 0
    people = np.array([VOTES[i] for i in test.majority])
    parts = {"all": np.ones(len(truth), bool), "without leaked": ~leaked}
    return {
        "labels": {name: scored(truth[rows].tolist(), scores[rows], LABELS, "public") for name, rows in parts.items()},
        "majority": {
            name: scored(people[rows & agreed].tolist(), shares[rows & agreed], VOTES, "public")
            for name, rows in parts.items()
        },
    }


def dev_faces(model: Model, dev: Faces) -> dict[str, Any]:
    """Scores on the dev faces, used for selection, and how they fall for smaller, turned and badly cropped faces."""
    found = {}
    for name in PERTURBED:
        logits, _ = logits_of(model, perturbed(dev.images, name))
        right = logits.argmax(axis=1) == dev.labels
        found[name] = [round(float(right.mean()), 4), len(right)]
    return found


def unseen(model: Model, folder: Path, yunet: Path) -> dict[str, Any]:
    """Muxspace's pictures: one face each, found by YuNet and cropped as the card says."""
    labels, images, missed = read_muxspace(folder, yunet, margin=float(model.card.input["margin"]))
    scores = softmax(logits_of(model, images)[0], model.card.temperature)
    known = np.array([label in LABELS for label in labels])
    return {"no face": missed, **scored([x for x in labels if x in LABELS], scores[known], LABELS, "muxspace")}


def speed(model: Model, images: np.ndarray) -> dict[str, Any]:
    """Milliseconds a face on one core: median, lowest and highest of rounds, one face at a time and eight at once."""
    found = {}
    for count in (1, 8):
        batch = images[:count].astype(np.float32)
        for _ in range(20):
            model.run(batch)
        times = []
        for _ in range(200 // count):
            start = time.perf_counter()
            model.run(batch)
            times.append(1000 * (time.perf_counter() - start) / count)
        found[str(count)] = [round(float(x), 2) for x in (np.median(times), min(times), max(times))]
    return found


def card_scores(table: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """What the card says the model is worth."""
    names = ("UAR", "WA", "macro F1", "ECE")
    found = {
        "FER2013 public test": table["test"]["labels"]["all"],
        "FER2013 public test without leaked faces": table["test"]["labels"]["without leaked"],
        "FER+ majority, public test": table["test"]["majority"]["all"],
    }
    if "muxspace" in table:
        found["muxspace"] = table["muxspace"]
    return {corpus: {name: entry["metrics"][name] for name in names} for corpus, entry in found.items()}


def recipe_of(card: Card) -> FaceRecipe:
    """The recipe that a card was trained by."""
    plain = {
        key: value for key, value in json.loads(card.to_json())["recipe"].items() if key not in ("strength", "members")
    }
    found: FaceRecipe = build(FaceRecipe, plain)
    return found


def run(args: argparse.Namespace) -> None:
    """Score the model on everything there is, keep it, and put the scores into its card."""
    path = args.model
    model = open_model(path)
    recipe = recipe_of(model.card)
    split = split_fer2013(*read_fer2013(args.fer2013), dev=recipe.dev, seed=recipe.seed)
    if split.digest != model.card.split:
        raise SystemExit("these are not the faces that the model's card is about: the split differs.")
    table: dict[str, Any] = {
        "card": {key: value for key, value in json.loads(model.card.to_json()).items() if key != "scores"},
        "bytes": path.stat().st_size,
        "leaked": int(split.leaked.sum()),
        "left_out": split.left_out,
        "dev_faces": len(split.dev),
        "speed": speed(model, split.dev.images),
        "dev": dev_faces(model, split.dev),
        "test": public_test(model, split.test, split.leaked),
    }
    if args.muxspace and args.yunet:
        table["muxspace"] = unseen(model, args.muxspace, args.yunet)
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    rewrite_card(path, replace(model.card, scores=card_scores(table)))
    for name, entry in card_scores(table).items():
        print(name, entry)


def main() -> None:
    """Parse, score or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run")
    runs.add_argument("--fer2013", type=Path, required=True)
    runs.add_argument("--model", type=Path, default=WEIGHTS)
    runs.add_argument("--muxspace", type=Path)
    runs.add_argument("--yunet", type=Path)
    commands.add_parser("write")
    args = parser.parse_args()
    if args.command == "run":
        run(args)
    else:
        PAGE.write_text(page(json.loads(KEPT.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
