"""Whether the maps of `affekt predict --explain --plot` show what the model uses: deletion on clips of test speakers.

    python benchmarks/faithfulness.py FOLDER [--clips 7] [--model voice] [--output FILE.json]

FOLDER holds one folder per corpus (``ravdess``, ``tess``, ...). ``--clips`` clips of the fixed
split's test speakers are drawn per corpus, label by label. Patches are masked one by one, in the order of the map and
in others; the smaller the area under the probability of the predicted label, the better that order reflects what the
model uses.
"""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from affekt.corpora import read_corpus
from affekt.data.splits import draw_evenly, fixed_speakers, fixed_split
from affekt.explain.occlusion import deletion, label_score, occlusion_map, orders
from affekt.metrics.intervals import estimates, resample
from affekt.recognize.recognizer import Recognizer
from affekt.speech.audio import read
from affekt.speech.masks import Masker
from affekt.types import Estimate, Sample

RATE = 16_000
MAP = "most important first"
OTHERS = ("random", "loudest first", "least important first")
#: Random orders per clip.
DRAWS = 3


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--clips", default=7, show_default=True, help="Clips per corpus.")
@click.option("--model", default="voice", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="JSON with every clip's areas.")
def main(folder: Path, clips: int, model: str, output: Path | None) -> None:
    """Measure, and print the table."""
    recognizer, rng = Recognizer(model), np.random.default_rng(1)
    samples = [
        sample
        for corpus in fixed_speakers()
        for sample in draw_evenly(fixed_split(read_corpus(corpus, folder / corpus).samples).test, clips, rng)
    ]
    rows = [row for sample in samples if (row := areas(recognizer, sample, rng))]
    show(rows)
    if output:
        output.write_text(json.dumps({"model": recognizer.card.name, "clips": rows}, indent=1) + "\n", encoding="utf-8")


def areas(recognizer: Recognizer, sample: Sample, rng: np.random.Generator) -> dict[str, object] | None:
    """Areas under the deletion curves of a clip's longest segment; None where nobody speaks."""
    signal = read(sample.path).signal
    segments = [p for p in recognizer.predict((signal, RATE)) if p.best and p.duration >= 0.5]
    if not segments:
        return None
    p = max(segments, key=lambda p: p.duration)
    part, score = signal[round(p.start * RATE) : round(p.end * RATE)], label_score(recognizer, p.best or "")
    masker, start = Masker(part), perf_counter()
    found = occlusion_map(part, score, label=p.best or "")
    seconds = perf_counter() - start
    named: dict[str, list[float]] = {}
    for i in range(DRAWS):
        for name, order in orders(found.values, masker.energy, rng):
            if i == 0 or name == "random":
                named.setdefault(name, []).append(deletion(masker, score, order).area)
    return {
        "id": sample.id, "speaker": f"{sample.corpus}/{sample.speaker}", "label": p.best, "confidence": p.confidence,
        "seconds": p.duration, "took": seconds, **{name: float(np.mean(values)) for name, values in named.items()},
    }  # fmt: skip


def interval(values: np.ndarray, speakers: list[str]) -> Estimate:
    """Mean over clips with its 95 % interval, by drawing speakers."""
    sums = np.column_stack([values, np.ones(len(values))])
    whole, drawn = resample(sums, lambda s: s[..., 0] / s[..., 1], speakers, rng=np.random.default_rng(0))
    return estimates(whole, drawn, [len(values)])[0]


def show(rows: list[dict[str, object]]) -> None:
    """The table: areas, and how much less the map's order leaves."""
    speakers = [str(row["speaker"]) for row in rows]
    column = {name: np.array([row[name] for row in rows], float) for name in (MAP, *OTHERS)}
    table = Table("order", "area [95 %]", "area less the map's [95 %]", "clips where the map's is less", box=None)
    for name, values in column.items():
        gap = values - column[MAP]
        rest = ("", "") if name == MAP else (str(interval(gap, speakers)), f"{np.mean(gap > 0):.0%}")
        table.add_row(name, str(interval(values, speakers)), *rest)
    console = Console(width=130)
    console.print(table)
    lengths, took = (np.array([row[key] for row in rows], float) for key in ("seconds", "took"))
    console.print(
        f"{len(rows)} clips of {len(set(speakers))} speakers, {len({s.split('/')[0] for s in speakers})} corpora; "
        f"segments of {np.median(lengths):.1f} s (longest {lengths.max():.1f}); "
        f"a map took {np.median(took):.2f} s (longest {took.max():.1f})"
    )


if __name__ == "__main__":
    main()
