"""Fits and evaluates the model `fusion`, which pools voice, face and text, on moments built from held-out samples.

Usage: python benchmarks/fusion.py --corpus ravdess=DIR --corpus emovo=DIR ... --fer2013 FILE.npz [--goemotions DIR]
       [--output FILE.onnx] [--keep benchmarks/results/fusion.json]

Voice: fitted on clips of the committed dev speakers, evaluated on test speakers. Faces: fitted on the first half of the
faces that the model was calibrated on, evaluated on the second. Texts: likewise, GoEmotions' dev part with one of our
labels. A moment is a clip, a face and a text of one label: only the label links them, unlike in real moments.
"""

from __future__ import annotations

import json
import platform
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np

from affekt.cli.terminal import read_all
from affekt.corpora.fer2013 import read_fer2013
from affekt.data.splits import fixed_split
from affekt.labels import COMMON, GOEMOTIONS, LABEL_SETS, LabelMap
from affekt.metrics.selective import choose_threshold, outcomes
from affekt.models.card import Card
from affekt.models.onnx import open_model, softmax
from affekt.models.zoo import load_model
from affekt.recognize.fusion import Pool
from affekt.recognize.recognizer import Recognizer
from affekt.text.captions import Text
from affekt.train.face.fer2013 import split_fer2013
from affekt.train.fusion import fit_fusion, pair_by_label
from affekt.train.text.texts import read_goemotions

LABELS = tuple(LABEL_SETS["calm-is-neutral"])
#: Share of the answers that are to be right where it is sure enough to give one.
PRECISION = 0.8
LIMITS = (
    "Its weights come from made-up moments: a voice, a face and a text of one label, drawn apart from one another. How "
    "often the three contradict each other in life, and what that means, it does not know.",
    "It is no better than the models whose answers it pools, and has their limits.",
)


def voices(corpora: tuple[str, ...], side: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, labels and qualities of clips of dev or test speakers."""
    recognizer = Recognizer("voice", labels="calm-is-neutral")
    scores, truth, qualities = [], [], []
    for samples in read_all(corpora).values():
        for sample in getattr(fixed_split(samples), side):
            label = "neutral" if sample.label == "calm" else sample.label
            if label in LABELS:
                found = recognizer.analyse(sample).summary
                if found.scores:
                    scores.append([found.scores[name] for name in LABELS])
                    truth.append(LABELS.index(label))
                    qualities.append(found.quality)
    return np.array(scores), np.array(truth), np.array(qualities)


def faces(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The same of the dev faces, in two halves; crops have no detector, and all count as good."""
    model = load_model("face")
    recipe = model.card.recipe
    dev = split_fer2013(*read_fer2013(path), dev=int(recipe["dev"]), seed=int(recipe["seed"])).dev
    logits = np.concatenate([model.run(dev.images[i : i + 64].astype(np.float32))[0] for i in range(0, len(dev), 64)])
    mapped = LabelMap({label: (label,) for label in LABELS})
    rows = [
        mapped.apply(dict(zip(model.card.labels, row, strict=True))) for row in softmax(logits, model.card.temperature)
    ]
    scores = np.array([list(row.values()) for row in rows])
    truth = np.array([LABELS.index(model.card.labels[label]) for label in dev.labels])
    half = np.arange(len(dev)) < len(dev) // 2
    ones = np.ones(len(dev))
    return {"dev": (scores[half], truth[half], ones[half]), "test": (scores[~half], truth[~half], ones[~half])}


def texts(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The same of GoEmotions' dev part, where a text has one label of ours."""
    recognizer = Recognizer("text", labels="calm-is-neutral")
    given = read_goemotions(folder, "dev")
    word_of = {own: word for word, group in COMMON["goemotions"].items() for own in group}
    kept: list[tuple[list[float], int, float]] = []
    for text, row in zip(given.texts, given.labels, strict=True):
        words = {word_of[GOEMOTIONS[i]] for i in np.flatnonzero(row)}
        found = recognizer.analyse(Text(text)).summary if len(words) == 1 else None
        if found is not None and found.scores:
            kept.append(([found.scores[name] for name in LABELS], LABELS.index(words.pop()), found.quality))
    scores, truth, qualities = (np.array(column) for column in zip(*kept, strict=True))
    half = np.arange(len(kept)) % 2 == 0
    return {side: (scores[h], truth[h], qualities[h]) for side, h in (("dev", half), ("test", ~half))}


Answers = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]


def judged(answers: Answers, pool: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> dict[str, Any]:
    """Share of right answers (all labels count the same), log loss and ECE of a pool on moments.

    Intervals are over samples: each time the clips, faces and texts are drawn again, and paired again.
    """

    def once(given: Answers, seed: int, count: int) -> tuple[float, float, float]:
        moments = pair_by_label(given, count=count, missing=0.0, rng=np.random.default_rng(seed))
        found = pool(moments.scores, moments.qualities)
        right = found.argmax(axis=1) == moments.truth
        loss = -np.log(np.maximum(found[np.arange(len(found)), moments.truth], 1e-9)).mean()
        bins = np.minimum((found.max(axis=1) * 15).astype(int), 14)
        gaps = [abs(right[bins == b].mean() - found.max(axis=1)[bins == b].mean()) * (bins == b).mean()
                for b in np.unique(bins)]  # fmt: skip
        return float(right.mean()), float(loss), float(sum(gaps))

    rng = np.random.default_rng(0)
    draws = []
    for seed in range(200):
        rows = {name: rng.integers(len(truth), size=len(truth)) for name, (_, truth, _) in answers.items()}
        again = {name: tuple(column[rows[name]] for column in part) for name, part in answers.items()}
        draws.append(once(again, seed, 2100)[0])
    low, high = np.quantile(draws, [0.025, 0.975])
    accuracy, loss, error = once(answers, 1, 14_000)
    least = min(len(truth) for _, truth, _ in answers.values())
    return {"accuracy": [round(float(x), 4) for x in (accuracy, low, high)] + [least],
            "log loss": round(loss, 4), "ECE": round(error, 4)}  # fmt: skip


@click.command()
@click.option("--corpus", "corpora", multiple=True, required=True, metavar="NAME=DIR")
@click.option("--fer2013", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--goemotions", type=click.Path(exists=True, path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), default=Path("fusion.onnx"))
@click.option("--keep", type=click.Path(path_type=Path))
def main(corpora: tuple[str, ...], fer2013: Path, goemotions: Path | None, output: Path, keep: Path | None) -> None:
    """Fit on dev, judge on test, and print what each modality and each pair of them is worth."""
    warnings.simplefilter("ignore")
    by_side: dict[str, dict[str, Any]] = {side: {"speech": voices(corpora, side)} for side in ("dev", "test")}
    for name, parts in {"face": faces(fer2013), **({"text": texts(goemotions)} if goemotions else {})}.items():
        for side, part in parts.items():
            by_side[side][name] = part
    names = tuple(by_side["dev"])
    moments = pair_by_label(by_side["dev"], count=14_000, missing=0.3, rng=np.random.default_rng(0))
    licence = "non-commercial research only; the terms of what its models learned from apply"
    data = {pair.partition("=")[0]: {"licence": "see voice", "clips": 0, "speakers": 0} for pair in corpora}
    card = Card(
        "fusion", "fusion", LABELS, input={"modalities": list(names)}, data=data, licence=licence, limits=LIMITS
    )
    weights, gain = fit_fusion(moments, card, output)
    pool = Pool(open_model(output))
    fitted = pool.pool(moments.scores, moments.qualities)
    sure = [dict(zip(LABELS, row.tolist(), strict=True)) for row in fitted]
    said = outcomes([LABELS[label] for label in moments.truth], sure)
    few = (said[0][:3000], said[1][:3000])  # no more than there are samples behind them
    chosen = choose_threshold(few, [str(i) for i in range(3000)], precision=PRECISION, rng=np.random.default_rng(0))
    fit_fusion(moments, replace(card, threshold=chosen.value if chosen.met else 0.0), output)
    pool = Pool(open_model(output))
    report: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": platform.machine(),
        "weights": dict(zip(names, weights.round(3).tolist(), strict=True)),
        "gain": round(gain, 3),
        "threshold": pool.network.card.threshold,
        "samples": {side: {n: len(part[1]) for n, part in parts.items()} for side, parts in by_side.items()},
    }
    for mask in range(1, 1 << len(names)):
        there = [name for i, name in enumerate(names) if mask >> i & 1]
        is_there = np.array([mask >> i & 1 for i in range(len(names))])
        report[" + ".join(there)] = judged(by_side["test"], lambda s, q, m=is_there: pool.pool(s, q * m))
    report["mean of the probabilities"] = judged(by_side["test"], lambda s, q: s.mean(axis=1))
    print(json.dumps(report, indent=1))
    if keep:
        keep.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
