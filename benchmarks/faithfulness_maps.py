"""Whether maps of layers show what a voice's network uses, beside occlusion: deletion and insertion on dev clips.

    python benchmarks/faithfulness_maps.py FOLDER [--clips 10] [--model voice-small] [--output FILE.json]
    python benchmarks/faithfulness_maps.py FILE.json

FOLDER holds one folder per corpus (``ravdess``, ``emovo``, ...). Of each corpus so many clips of the fixed split's dev
speakers are drawn, label by label; corpora without dev speakers have none. The longest segment of a clip is cut into
patches of 0.2 s and eight bands. They are masked one after the other, most important first by the map (deletion: the
smaller the area under the probability of the predicted label, the better), or revealed one by one (insertion: the
larger, the better). Beside the maps: random orders, and the loudest patches first. A FILE that was kept is shown again.
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
from faithfulness import DRAWS, RATE, interval
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from affekt.corpora import read_corpus
from affekt.data.splits import draw_evenly, fixed_speakers, fixed_split
from affekt.explain import activations
from affekt.explain.attribution import Attribution, resized
from affekt.explain.network import MapNetwork, rebuild
from affekt.explain.occlusion import deletion, label_score, losses
from affekt.recognize.recognizer import Recognizer
from affekt.speech.audio import read
from affekt.speech.masks import Masker
from affekt.speech.spectral import hertz_to_mel
from affekt.types import Sample

RANDOM, LOUDEST = "random", "loudest first"
KINDS = ("deletion", "insertion")
#: The last maps that have frequencies, the last maps of all (time only), and those in the middle.
LAYERS = ("narrow", "blocks.0", "blocks.3")
#: Rows to a band while a map of mel bands from 80 to 7,600 Hz is laid on patches from 0 to 8,000 Hz.
FINE = 16

Mapper = Callable[[NDArray[np.float32], str], Attribution]


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--clips", default=10, show_default=True, help="Clips per corpus.")
@click.option("--model", default="voice-small", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="JSON with every clip's areas.")
def main(path: Path, clips: int, model: str, output: Path | None) -> None:
    """Measure, and print the table."""
    if path.is_file():
        show(json.loads(path.read_text(encoding="utf-8"))["clips"])
        return
    torch.set_num_threads(1)
    recognizer, methods, rng = Recognizer(model), mappers(rebuild(model)), np.random.default_rng(1)
    rows = []
    for corpus in (name for name, sides in fixed_speakers().items() if sides["dev"]):
        for sample in draw_evenly(fixed_split(read_corpus(corpus, path / corpus).samples).dev, clips, rng):
            rows += [row] if (row := areas(recognizer, methods, sample, rng)) else []
        click.echo(f"{corpus}: {len(rows)} clips so far", err=True)
    if output:
        kept = {"model": recognizer.card.name, "clips": rows}
        output.write_text(json.dumps(kept, separators=(",", ":")) + "\n", encoding="utf-8")
    show(rows)


def mappers(network: MapNetwork) -> dict[str, Mapper]:
    """The methods that need the layers, those of layers at several."""
    found: dict[str, Mapper] = {}
    for name in ("grad-cam", "grad-cam++"):
        for layer in LAYERS:
            found[f"{name} {layer}"] = lambda signal, label, method=activations.METHODS[name], layer=layer: method(
                network, signal, label, layer=layer
            )
    found["integrated-gradients"] = lambda signal, label: activations.integrated_gradients(network, signal, label)
    return found


def areas(
    recognizer: Recognizer, methods: dict[str, Mapper], sample: Sample, rng: np.random.Generator
) -> dict[str, Any] | None:
    """Areas under the curves of a clip's longest segment, by each order; None where nobody speaks."""
    signal = read(sample.path).signal
    segments = [p for p in recognizer.predict((signal, RATE)) if p.best and p.duration >= 0.5]
    if not segments:
        return None
    p = max(segments, key=lambda p: p.duration)
    part, label = signal[round(p.start * RATE) : round(p.end * RATE)], str(p.best)
    masker, score = Masker(part), label_score(recognizer, label)
    values, took, troubles = {}, {}, {}
    start = perf_counter()
    values["occlusion"] = losses(masker, score)
    took["occlusion"] = round(perf_counter() - start, 3)
    for name, method in methods.items():
        start = perf_counter()
        found = method(part, label)
        took[name] = round(perf_counter() - start, 3)
        if found.trouble:
            troubles[name] = found.trouble
        values[name] = on_patches(found, masker)
    values[LOUDEST] = masker.energy
    orders = {name: [np.argsort(-value.ravel(), kind="stable")] for name, value in values.items()}
    orders[RANDOM] = [rng.permutation(masker.energy.size) for _ in range(DRAWS)]
    row: dict[str, Any] = {
        "id": sample.id, "speaker": f"{sample.corpus}/{sample.speaker}", "label": label, "truth": sample.label,
        "confidence": round(p.confidence, 4), "seconds": round(p.duration, 2), "took": took, "troubles": troubles,
    }  # fmt: skip
    for kind in KINDS:
        row[kind] = {
            name: round(
                float(np.mean([deletion(masker, score, order, insert=kind == "insertion").area for order in some])), 4
            )
            for name, some in orders.items()
        }
    return row


def on_patches(found: Attribution, masker: Masker) -> NDArray[np.float64]:
    """A map of mel bands (80 to 7,600 Hz) by time as values of the patches (t, f); beyond its edges as they are."""
    columns, bands = masker.shape
    fine = found.resized((FINE * bands, columns))
    low, high = (float(hertz_to_mel(edge)) for edge in (80.0, 7600.0))
    top = float(hertz_to_mel(RATE / 2))
    mel = (np.arange(FINE * bands) + 0.5) / (FINE * bands) * top
    place = np.clip(((mel - low) / (high - low) * FINE * bands).astype(int), 0, FINE * bands - 1)
    return resized(fine[place], (bands, columns)).T


def show(rows: list[dict[str, Any]]) -> None:
    """The table of docs/explain.md: areas, and by how much they are better than those of the loudest first."""
    speakers = [row["speaker"] for row in rows]
    table = Table("order", *KINDS, "deletion better than loudest first by", "insertion by", "s", box=None)
    for name in rows[0]["deletion"]:
        cells = []
        for kind in KINDS:
            cells.append(short(np.array([row[kind][name] for row in rows]), speakers))
        for kind, sign in zip(KINDS, (-1, 1), strict=True):
            gains = [sign * (row[kind][name] - row[kind][LOUDEST]) for row in rows]
            cells.append(short(np.array(gains), speakers) if name != LOUDEST else "")
        took = [row["took"][name] for row in rows if name in row["took"]]
        table.add_row(name, *cells, f"{np.median(took):.2f}" if took else "")
    console = Console(width=150)
    console.print(table)
    troubled = sorted({(name, row["id"]) for row in rows for name in row["troubles"]})
    corpora = {name.split("/")[0] for name in speakers}
    console.print(
        f"{len(rows)} clips of {len(set(speakers))} speakers, {len(corpora)} corpora; "
        f"{len(troubled)} maps were zero everywhere or held no numbers"
    )


def short(values: NDArray[np.float64], speakers: list[str]) -> str:
    """Mean and interval in two decimals."""
    found = interval(values, speakers)
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


if __name__ == "__main__":
    main()
