"""Whether maps of the model `face` show what it uses, and which parts of the face it uses.

    python benchmarks/face/maps.py faithfulness FER2013.npz [--faces 100]
    python benchmarks/face/maps.py regions FER2013.npz [--faces 500]
    python benchmarks/face/maps.py draw

The first two keep benchmarks/results/face/maps-faithfulness.json and maps-regions.json; `draw` makes the tables and
pictures of docs/explain.md of them. The faces are dev faces: a part of FER2013's training part that the network did not
learn from. The public test is not touched.

Faithfulness: the 8 x 8 cells of a face are masked one after the other, most important first by the map (deletion: the
smaller the area under the probability of the predicted label, the better), or revealed one by one (insertion: the
larger, the better). Beside the maps: random orders, a Gaussian at the centre, and the cells with the most contrast.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from affekt._files import atomic_write
from affekt.corpora.fer2013 import Faces, read_fer2013
from affekt.explain import activations
from affekt.explain.attribution import (
    REGIONS,
    Attribution,
    centre_map,
    face_occlusion,
    region_shares,
    regions,
)  # fmt: skip
from affekt.explain.network import MapNetwork, rebuild
from affekt.explain.occlusion import Score, deletion, label_score
from affekt.face.detect import DetectOptions, Detector
from affekt.face.masks import FILLS, Masker, MaskOptions
from affekt.face.network import normalised
from affekt.face.shape import LABELS
from affekt.metrics.intervals import estimates, resample
from affekt.models.card import Card
from affekt.models.zoo import load_model
from affekt.plot.attributions import estimate_rows, region_bars
from affekt.plot.style import blank_figure
from affekt.recognize.recognizer import Recognizer
from affekt.train.face.fer2013 import split_fer2013
from affekt.types import Estimate

ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "face"
FAITHFUL, SHARES = RESULTS / "maps-faithfulness.json", RESULTS / "maps-regions.json"
#: Random orders per face, and points of a curve after the first.
DRAWS, STEPS = 3, 8
CENTRE, RANDOM, CONTRAST = "centre (Gaussian)", "random", "contrast"
#: How many of the first faces are also compared with a network of shuffled weights, and blurred.
COMPARED = 40
#: Methods that are run on those faces only.
SLOW = ("score-cam stages.3",)
KINDS = ("deletion", "insertion")
#: Networks of shuffled weights; each face is compared with one of them.
SEEDS = 4
#: Pixels of a FER2013 face on the canvas on which the detector looks for its five points.
ENLARGED, CANVAS = 144, 256
LAYERS = ("stages.1", "stages.2", "stages.3")

Mapper = Callable[[NDArray[np.float32], str], Attribution]


@click.group()
def main() -> None:
    """Measure, or draw what was measured."""


def dev_faces(path: Path, card: Card) -> Faces:
    """The faces that the model was selected on, shuffled."""
    recipe = card.recipe
    dev = split_fer2013(*read_fer2013(path), dev=int(recipe["dev"]), seed=int(recipe["seed"])).dev
    return dev.take(np.random.default_rng(0).permutation(len(dev)))


def mappers(network: MapNetwork, score_of: Callable[[str], Score]) -> dict[str, Mapper]:
    """Every method, and those of layers at several layers."""
    found: dict[str, Mapper] = {"occlusion": lambda face, label: face_occlusion(face, score_of(label), label)}
    for name, method in activations.METHODS.items():
        if name in activations.WITHOUT_LAYER:
            found[name] = lambda face, label, method=method: method(network, face, label)
            continue
        for layer in LAYERS[-1 if name == "score-cam" else 0 :]:
            found[f"{name} {layer}"] = lambda face, label, method=method, layer=layer: method(
                network, face, label, layer=layer
            )
    return found


@main.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--faces", "count", default=100, show_default=True)
def faithfulness(path: Path, count: int) -> None:
    """Areas under the curves of deletion and insertion, and maps of a network that knows nothing."""
    torch.set_num_threads(1)
    recognizer, network, model = Recognizer("face"), rebuild("face"), load_model("face")
    scores = {label: label_score(recognizer, label) for label in model.card.labels}
    methods = mappers(network, scores.__getitem__)
    blind = [knows_nothing(seed) for seed in range(SEEDS)]
    rng, rows, alike = np.random.default_rng(1), [], {name: [] for name in blind[0]}
    others: dict[str, list[float | None]] = {name: [] for name in blind[0]}
    before: dict[str, NDArray[np.float64]] = {}
    dev = dev_faces(path, model.card).take(np.arange(count))
    for number, (face, id) in enumerate(zip(dev.images.astype(np.float32), dev.ids, strict=True)):
        label = model.card.labels[int(model.run(face[None])[0].argmax())]
        maps, took = {}, {}
        for name, method in methods.items():
            if name in SLOW and number >= COMPARED:
                continue
            start = perf_counter()
            maps[name] = method(face, label)
            took[name] = round(perf_counter() - start, 4)
        fills = FILLS if number < COMPARED else FILLS[:1]
        found = {fill: areas(Masker(face, MaskOptions(fill=fill)), scores[label], maps, rng) for fill in fills}
        rows.append({"id": id, "label": label, "took": took, **found})
        if number < COMPARED:
            for name, method in blind[number % SEEDS].items():
                here = maps[name].resized((8, 8))
                alike[name].append(correlation(here, method(face, label).resized((8, 8))))
                if name in before:
                    others[name].append(correlation(here, before[name]))
                before[name] = here
        if number % 20 == 19 or number == count - 1:
            click.echo(f"{number + 1} faces", err=True)
            kept = {"model": model.card.name, "faces": rows, "randomised": alike, "other face": others}
            with atomic_write(FAITHFUL) as file:
                file.write(json.dumps(kept, separators=(",", ":")) + "\n")
    show(json.loads(FAITHFUL.read_text(encoding="utf-8")))


def knows_nothing(seed: int) -> dict[str, Mapper]:
    """Every method, of a network whose weights were shuffled."""
    network = activations.randomised("face", seed=seed)
    return mappers(network, lambda label: torch_score(network, label))


def torch_score(network: MapNetwork, label: str) -> Score:
    """The log-probability of a label by a network in torch; faces (b, s, s) to (b,)."""
    place = network.target(label)

    def score(faces: NDArray[np.float32]) -> NDArray[np.float64]:
        with torch.no_grad():
            logits = network.logits(normalised(torch.from_numpy(faces))) / network.card.temperature
            found: NDArray[np.float64] = torch.log_softmax(logits, dim=1)[:, place].double().numpy()
        return found

    return score


def areas(
    masker: Masker, score: Score, maps: dict[str, Attribution], rng: np.random.Generator
) -> dict[str, dict[str, float]]:
    """Areas of deletion and insertion by each order."""
    values = {name: found.resized(masker.shape) for name, found in maps.items()}
    values |= {CENTRE: centre_map(masker.shape), CONTRAST: masker.energy}
    orders = {name: [np.argsort(-value.ravel(), kind="stable")] for name, value in values.items()}
    orders[RANDOM] = [rng.permutation(masker.energy.size) for _ in range(DRAWS)]
    return {
        kind: {name: area(masker, score, some, insert=kind == "insertion") for name, some in orders.items()}
        for kind in KINDS
    }


def area(masker: Masker, score: Score, orders: list[NDArray[np.int64]], *, insert: bool) -> float:
    """Mean area under the curves of some orders."""
    return round(
        float(np.mean([deletion(masker, score, order, steps=STEPS, insert=insert).area for order in orders])), 4
    )


def correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """Rank correlation (Spearman) of two maps; none where one has the same value everywhere."""
    ranks = [np.argsort(np.argsort(m.ravel(), kind="stable"), kind="stable") for m in (one, other)]
    if min(np.ptp(one), np.ptp(other)) == 0:
        return None
    return round(float(np.corrcoef(*ranks)[0, 1]), 4)


def mean_of(values: list[Any]) -> Estimate:
    """Mean over faces with its 95 % interval, by drawing faces."""
    sums = np.column_stack([values, np.ones(len(values))])
    ids = [str(i) for i in range(len(values))]
    whole, drawn = resample(sums, lambda s: s[..., 0] / s[..., 1], ids, rng=np.random.default_rng(0))
    return estimates(whole, drawn, [len(values)])[0]


def table_of(kept: dict[str, Any], fill: str = "mean") -> list[tuple[str, list[Estimate], list[Estimate]]]:
    """Each order, its areas of deletion and insertion, and by how much they are better than the centre's."""
    found = []
    for name in kept["faces"][0]["mean"]["deletion"]:
        rows = [row[fill] for row in kept["faces"] if name in row.get(fill, {}).get("deletion", {})]
        values = [mean_of([row[kind][name] for row in rows]) for kind in KINDS]
        gains = [
            mean_of([sign * (row[kind][name] - row[kind][CENTRE]) for row in rows])
            for kind, sign in zip(KINDS, (-1, 1), strict=True)
        ]
        found.append((name, values, gains))
    return found


def short(found: Estimate) -> str:
    """Value and interval in two decimals."""
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def show(kept: dict[str, Any]) -> None:
    """The tables of docs/explain.md."""
    console = Console(width=200)
    for fill in FILLS:
        table = Table("order", "deletion", "insertion", "n", "better than the centre by", "", "s", box=None, title=fill)
        for name, values, gains in table_of(kept, fill):
            took = [row["took"][name] for row in kept["faces"] if name in row["took"]]
            seconds = f"{np.median(took):.3f}" if took else ""
            table.add_row(name, *map(short, values), str(values[0].n), *map(short, gains), seconds)
        console.print(table)
    table = Table("method", "with the randomised network", "with another face", box=None)
    for name, values in kept["randomised"].items():
        pairs = [[v for v in given if v is not None] for given in (values, kept["other face"][name])]
        table.add_row(name, *(short(mean_of(pair)) if pair else "" for pair in pairs))
    console.print(table)


@main.command("regions")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--faces", "count", default=500, show_default=True)
def regions_of_faces(path: Path, count: int) -> None:
    """How maps divide between eyes, brows, mouth, nose and the rest."""
    torch.set_num_threads(1)
    recognizer, network, model = Recognizer("face"), rebuild("face"), load_model("face")
    scores = {label: label_score(recognizer, label) for label in model.card.labels}
    methods = {k: v for k, v in mappers(network, scores.__getitem__).items() if k in SHOWN}
    dev = dev_faces(path, model.card)
    logits = np.concatenate([model.run(part.astype(np.float32))[0] for part in np.array_split(dev.images, 50)])
    predicted = np.array(model.card.labels)[logits.argmax(axis=1)]
    rows, detector, missed = [], Detector(options=DetectOptions(longest=CANVAS)), 0
    for i in in_turn(predicted):
        if len(rows) == count:
            break
        points = five_points(detector, dev.images[i])
        if points is None:
            missed += 1
            continue
        face, label = dev.images[i].astype(np.float32), str(predicted[i])
        parts = regions(points, len(face))
        row: dict[str, Any] = {
            "id": dev.ids[i],
            "label": label,
            "truth": LABELS[int(dev.labels[i])],
        }
        row["area"] = np.bincount(parts.ravel(), minlength=len(REGIONS)).astype(float) / parts.size
        for name, method in methods.items():
            row[name] = region_shares(method(face, label).resized(parts.shape), parts)
        rows.append({k: np.round(v, 4).tolist() if isinstance(v, np.ndarray) else v for k, v in row.items()})
    kept = {"model": model.card.name, "regions": REGIONS, "without points": missed, "faces": rows}
    with atomic_write(SHARES) as file:
        file.write(json.dumps(kept, separators=(",", ":")) + "\n")
    click.echo(f"{len(rows)} faces; of {missed} more the detector found no points")


#: Methods whose shares are measured.
SHOWN = ("occlusion", "integrated-gradients", "grad-cam stages.2")


def in_turn(labels: NDArray[Any]) -> list[int]:
    """Places so that each label comes in turn while it lasts."""
    seen: dict[str, int] = {}
    keys = []
    for i, label in enumerate(labels.tolist()):
        seen[label] = seen.get(label, 0) + 1
        keys.append((seen[label], label, i))
    return [i for *_, i in sorted(keys)]


def five_points(detector: Detector, face: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Eyes, nose and corners of the mouth in pixels of a face (s, s), enlarged on a grey canvas for the detector."""
    large = np.asarray(Image.fromarray(face).resize((ENLARGED, ENLARGED), Image.Resampling.BILINEAR))
    edge = (CANVAS - ENLARGED) // 2
    found = detector.detect(np.repeat(np.pad(large, edge, constant_values=128)[:, :, None], 3, axis=2))
    if not len(found):
        return None
    points: NDArray[np.float32] = (found.points[0] - edge) * len(face) / ENLARGED
    return points


@main.command()
def draw() -> None:
    """The pictures of docs/explain.md, and its tables on the screen."""
    if FAITHFUL.exists():
        draw_areas(json.loads(FAITHFUL.read_text(encoding="utf-8")))
    if SHARES.exists():
        draw_shares(json.loads(SHARES.read_text(encoding="utf-8")))


def draw_areas(kept: dict[str, Any]) -> None:
    """Areas under the curves, with intervals."""
    show(kept)
    figure, found = blank_figure((11, 5.2), dpi=120), table_of(kept)
    for place, title in enumerate(("deletion: less is better", "insertion: more is better")):
        ax = figure.add_subplot(1, 2, place + 1)
        estimate_rows({name: values[place] for name, values, _ in found}, marked=(RANDOM, CENTRE, CONTRAST), ax=ax)
        ax.set_title(title, fontsize=10, loc="left")
        ax.set_xlabel("area under the probability of the label (mean, 95 %)", fontsize=9)
        if place:
            ax.set_yticklabels([])
    figure.savefig(ROOT / "docs" / "explain-faithfulness.png")


def shares_of(kept: dict[str, Any], method: str, label: str | None = None) -> list[Estimate]:
    """Share of each part by a method, of all faces or those of a predicted label."""
    rows = [row for row in kept["faces"] if sum(row[method]) > 0 and label in (None, row["label"])]
    return [mean_of([row[method][part] for row in rows]) for part in range(len(REGIONS))]


def draw_shares(kept: dict[str, Any]) -> None:
    """Which parts of the face speak for the predicted label."""
    table = Table("share of", *REGIONS, box=None)
    for method in (*SHOWN, "area"):
        table.add_row(f"all, {method}", *map(short, shares_of(kept, method)))
    for label in sorted({row["label"] for row in kept["faces"]}):
        table.add_row(f"{label}, {SHOWN[0]}", *map(short, shares_of(kept, SHOWN[0], label)))
    Console(width=200).print(table)
    methods = [name for name in SHOWN if name in kept["faces"][0]]
    figure = blank_figure((9, 3.5 * len(methods)), dpi=120)
    for place, (ax, method) in enumerate(zip(figure.subplots(len(methods), 1), methods, strict=True)):
        known = [row for row in kept["faces"] if sum(row[method]) > 0]
        bars = {f"all ({len(known)})": np.mean([row[method] for row in known], axis=0)}
        for label in sorted({row["label"] for row in known}):
            some = [row[method] for row in known if row["label"] == label]
            bars[f"{label} ({len(some)})"] = np.mean(some, axis=0)
        bars["area of the part"] = np.mean([row["area"] for row in kept["faces"]], axis=0)
        region_bars(bars, ax=ax)
        ax.set_xlabel(f"share of what speaks for the predicted label, by {method}", fontsize=9)
        if place:
            ax.get_legend().remove()
    figure.savefig(ROOT / "docs" / "explain-regions.png")


if __name__ == "__main__":
    main()
