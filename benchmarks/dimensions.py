"""How good derived valence, arousal and dominance are.

Each corpus is left out in turn. On the mean and standard deviation over time of Whisper's frozen layers, a classifier's
probabilities are turned into dimensions, and a ridge regression learns the places of the labels directly. The truth is
the place of the label. Then the model `voice` itself: BAVED's levels of arousal (nothing was learned from it), and
strong beside normal intensity of the same label, of test speakers.

Usage: python benchmarks/dimensions.py --corpus NAME=PATH ... --teacher WHEEL ... --baved PATH [--cache DIR]
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from affekt.corpora import read_corpus
from affekt.data.splits import fixed_split
from affekt.labels import DIMENSIONS, PLACES
from affekt.metrics.dimensions import dimension_metrics
from affekt.metrics.slices import speaker_of
from affekt.recognize.batch import Failure, predict_many
from affekt.recognize.recognizer import Recognizer
from affekt.types import Sample

OUTPUT = Path(__file__).parent / "results" / "dimensions.json"
Rows = NDArray[np.float64]


@click.command()
@click.option("--corpus", "corpora", multiple=True, required=True, metavar="NAME=PATH")
@click.option("--teacher", multiple=True, type=Path, help="Whisper's wheels; without, no corpus is left out.")
@click.option("--baved", type=Path)
@click.option("--cache", type=Path, default=Path("runs/dimensions"), show_default=True)
@click.option("--output", type=Path, default=OUTPUT)
def main(corpora: Sequence[str], teacher: Sequence[Path], baved: Path | None, cache: Path, output: Path) -> None:
    """Print tables and write JSON."""
    folders = dict(pair.split("=", 1) for pair in corpora)
    samples = [s for name, path in folders.items() for s in read_corpus(name, path).samples if s.label is not None]
    found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8")) if output.exists() else {}
    if teacher:
        found["left out"] = left_out(samples, pooled(samples, teacher, cache))
    recognizer = Recognizer()
    if baved is not None:
        levels = read_corpus("baved", baved).samples
        clips = [replace(s, meta={**s.meta, "place": s.meta["level"] - 1.0}) for s in levels]
        found["baved"] = ordered(recognizer, clips)
    strong = {"strong": 1.0, "normal": 0.0}
    test = [s for s in fixed_split(samples).test if s.meta.get("intensity") in strong]
    for name in sorted({str(s.corpus) for s in test}):
        # A speaker and a label: how intense, not which, is asked.
        clips = [
            replace(s, speaker=f"{s.speaker} {s.label}", meta={"place": strong[s.meta["intensity"]]})
            for s in test
            if s.corpus == name
        ]
        found[f"{name}, intensity"] = ordered(recognizer, clips)
    output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    click.echo(json.dumps({key: value for key, value in found.items() if key != "left out"}, indent=1))
    click.echo(json.dumps(found.get("left out", {}).get("mean"), indent=1))


def pooled(samples: Sequence[Sample], teacher: Sequence[Path], cache: Path) -> NDArray[np.float32]:
    """Mean and deviation over time of the frames of the frozen layers, (n, 2048)."""
    from affekt.train.recipe import load_recipe
    from affekt.train.voice.networks import measure_of
    from affekt.train.voice.run import material_of

    recipe = load_recipe("voice")
    features = material_of(samples, recipe, cache, measure=measure_of(recipe, teacher)).features
    rows = [features.get(i, 0).astype(np.float32) for i in range(len(samples))]
    return np.stack([np.concatenate([frames.mean(axis=0), frames.std(axis=0)]) for frames in rows])


def left_out(samples: Sequence[Sample], features: NDArray[np.float32]) -> dict[str, Any]:
    """Metrics of both ways on each corpus, learned from the others, and their means."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler

    corpora = np.array([s.corpus for s in samples])
    labels = np.array([s.label for s in samples])
    places = np.array([PLACES[label] for label in labels])
    found: dict[str, Any] = {}
    for name in sorted(set(corpora)):
        learned, test = np.flatnonzero(corpora != name), np.flatnonzero(corpora == name)
        scaler = StandardScaler().fit(features[learned])
        given, asked = scaler.transform(features[learned]), scaler.transform(features[test])
        weights = np.array([1 / np.sqrt((corpora[learned] == c).sum()) for c in corpora[learned]])
        weights /= weights.mean()
        ridge = Ridge(3000).fit(given, places[learned], sample_weight=weights)
        classifier = LogisticRegression(C=0.001, max_iter=60).fit(given, labels[learned], sample_weight=weights)
        derived = classifier.predict_proba(asked) @ np.array([PLACES[c] for c in classifier.classes_])
        speakers = [speaker_of(samples[i]) for i in test]
        found[name] = {
            way: {one: metrics(places[test, i], values[:, i], speakers) for i, one in enumerate(DIMENSIONS)}
            for way, values in {"derived": derived, "regression": ridge.predict(asked)}.items()
        }
        click.echo(f"{name}: {json.dumps(found[name])}")
    rows = list(found.values())
    found["mean"] = {
        way: {
            one: {
                metric: round(float(np.mean([row[way][one][metric][0] for row in rows])), 3)
                for metric in ("CCC", "pairs in order")
            }
            for one in DIMENSIONS
        }
        for way in ("derived", "regression")
    }
    return found


def ordered(recognizer: Recognizer, clips: Sequence[Sample]) -> dict[str, Any]:
    """How the model's arousal goes with the ``place`` of clips."""
    outcomes = predict_many(recognizer, clips, jobs=1)
    said = [
        (s, o.summary.dimensions["arousal"])
        for s, o in zip(clips, outcomes, strict=True)
        if not isinstance(o, Failure) and o.summary.scores
    ]
    places = np.array([s.meta["place"] for s, _ in said])
    return {"clips": len(said), **metrics(places, np.array([a for _, a in said]), [s.speaker for s, _ in said])}


def metrics(truth: Rows, predicted: Rows, speakers: Sequence[str | None]) -> dict[str, list[float]]:
    """Value, low and high of each metric."""
    found = dimension_metrics(truth, predicted, groups=speakers, rng=np.random.default_rng(0))
    return {name: [round(x, 3) for x in (e.value, e.low, e.high)] for name, e in found.items()}


if __name__ == "__main__":
    main()
