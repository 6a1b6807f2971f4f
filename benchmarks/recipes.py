"""The well-known recipes: keeps the figures of runs and writes the tables of the documentation.

python benchmarks/recipes.py RUN...     # folders that `affekt reproduce` wrote
python benchmarks/recipes.py            # only the tables, from the figures that are kept
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "benchmarks" / "results" / "recipes"
PAGE = ROOT / "docs" / "how-we-evaluate.md"
ORDER = (
    *("tess-conv1d", "ravdess-eight", "ravdess-dnn180", "four-corpora-cnn", "crema-d-mel", "encoder"),
    *("fer2013-cnn", "fer2013-cnn-quick"),
)
ENDS = ("as published", "honest")


def keep(run: Path) -> None:
    """What the tables need of a run, as ``benchmarks/results/recipes/RECIPE.json``."""
    table = json.loads((run / "report.json").read_text(encoding="utf-8"))
    kept = {key: table[key] for key in ("recipe", "published", "warnings")}
    kept["protocols"] = {
        name: {model: _outcome(entry) for model, entry in models.items()} for name, models in table["protocols"].items()
    }
    path = KEPT / f"{table['recipe']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _outcome(entry: Mapping[str, Any]) -> dict[str, Any]:
    report = entry["report"]
    return {
        "parameters": entry["parameters"],
        "protocol": report["protocol"],
        "classes": len(report["labels"]),
        "speakers": report["speakers"],
        "stamps": report["stamps"],
        "findings": [f"{f['severity']}: {f['name']}" for f in report["findings"]],
        **{
            name: {key: round(value, 4) for key, value in report["metrics"][name].items()}
            for name in ("WA", "UAR", "macro F1")
        },
    }


def comparison(kept: Sequence[Mapping[str, Any]]) -> str:
    """One row per recipe and model: published, as published here, honest here."""
    lines = [
        "| recipe, model | published WA | as published here: WA, chance, clips | honest here: UAR, chance, clips "
        "| honest WA |",
        "|---|---|---|---|---|",
    ]
    for table in kept:
        first, last = (list(table["protocols"].values())[i] for i in (0, -1))
        for place, model in enumerate(first):
            published = _percent(table["published"]) if not place else ""
            one, other = first[model], last[model]
            lines.append(
                f"| {table['recipe']}, {model} | {published} | {_shown(one, 'WA')} | {_shown(other, 'UAR')} "
                f"| {_interval(other['WA'])} |"
            )
    return "\n".join(lines)


def steps(kept: Sequence[Mapping[str, Any]]) -> str:
    """One row per step of the recipes that were run with ``--steps``."""
    lines = ["| recipe | protocol | classes | WA | UAR | stamped |", "|---|---|---|---|---|---|"]
    for table in kept:
        if len(table["protocols"]) < 3:
            continue
        for name, models in table["protocols"].items():
            model, entry = next(iter(models.items()))
            stamps = ", ".join(entry["stamps"]) or "-"
            cells = (entry["classes"], _interval(entry["WA"]), _interval(entry["UAR"]), stamps)
            lines.append(f"| {table['recipe']}, {model} | {name} | " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _shown(entry: Mapping[str, Any], metric: str) -> str:
    return f"{_interval(entry[metric])}, {1 / entry['classes']:.2f}, {entry[metric]['n']}"


def _interval(e: Mapping[str, float]) -> str:
    return f"{e['value']:.2f} [{e['low']:.2f}, {e['high']:.2f}]"


def _percent(published: Mapping[str, Any]) -> str:
    low, high = (f"{published[key]:.3g}" for key in ("low", "high"))
    return low if low == high else f"{low} to {high}"


def all_kept() -> list[dict[str, Any]]:
    """The figures that are kept, in the order of the page."""
    paths = [KEPT / f"{name}.json" for name in ORDER]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def filled(text: str) -> str:
    """The page with both tables made anew."""
    kept = all_kept()
    for name, table in (("recipes", comparison(kept)), ("steps", steps(kept))):
        text = re.sub(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", rf"\g<1>\n{table}\n\g<2>", text, flags=re.S)
    return text


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        keep(Path(folder))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
