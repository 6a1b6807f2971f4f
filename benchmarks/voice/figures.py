"""The figures of a card page, from what `benchmarks/voice/run.py run` kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from page import (
    AIMS,
    BEFORE,
    PLANS,
    PROTOCOL_WAYS,
    WAYS,
    Kept,
    estimate,
    language,
    model_of,
    protocol_rows,
    protocol_uar,
    reference_mean,
    speakers_uar,
    stress_of,
    title,
)

from affekt.metrics.selective import RiskCoverage
from affekt.plot.card import draw_reference, draw_speakers, draw_ways
from affekt.plot.selective import draw_calibration
from affekt.plot.stress import draw_stress
from affekt.types import Estimate

DPI = 100


def figures(kept: Kept) -> dict[str, Any]:
    """Names of figures to what is drawn; those without figures behind them are left out."""
    found = {
        "protocols": protocols_figure(kept),
        "left-out": left_out_figure(kept),
        "test-speakers": test_figure(kept),
        "speakers": speakers_figure(kept),
        "reliability": reliability_figure(kept),
        "stress": draw_stress(stress_of(kept["stress"])) if "stress" in kept else None,
        "reference": reference_figure(kept),
    }
    return {f"{model_of(kept)}-{name}.png": figure for name, figure in found.items() if figure is not None}


def protocols_figure(kept: Kept) -> Any:
    """Protocols in three ways, beside aims and anchors."""
    rows = {}
    for name, (short, _) in PLANS.items():
        found = {WAYS[way]: protocol_uar(kept, name, way) for way in PROTOCOL_WAYS}
        rows[short] = {way: e for way, e in found.items() if e}
    if not any(rows.values()):
        return None
    marks = {
        f"aim, {words}": {
            PLANS[aim.source][0]: aim.mark for aim in AIMS[model_of(kept)] if aim.way == way and aim.source in PLANS
        }
        for way, words in {"none": "speaker unknown", "any": "with a speaker baseline"}.items()
    }
    short = {name: words for name, (words, _) in PLANS.items()}
    marks |= {
        "frozen WavLM-large (EmoBox)": {short["ravdess"]: 0.720},
        "frozen Whisper-large-v3 (EmoBox)": {short["ravdess"]: 0.753},
        "small network, 47 k parameters": {short["ravdess-scratch"]: 0.623},
        "better of two frozen encoders (EmoBox)": {short["savee"]: 0.741},
        "MFCC, random forest": {short["tess"]: 0.17},
    }
    chance = {}
    for name in PLANS:
        if first := next(iter(protocol_rows(kept, name)), None):
            chance[short[name]] = 0.25 if name == "left-out" else 1 / len(first["classes"])
    ax = draw_ways(rows, marks=marks, chance=chance)
    ax.set_title("UAR by protocol: unseen speakers, sentences and corpora", fontsize=11, loc="left")
    return ax.figure


def left_out_figure(kept: Kept) -> Any:
    """Unseen corpora, four labels."""
    rows: dict[str, dict[str, Estimate]] = {}
    chance: dict[str, float] = {}
    for row in protocol_rows(kept, "left-out"):
        few = "" if len(row["classes"]) == 4 else f" ({len(row['classes'])} labels)"
        name = f"{title(row['corpus'])}{few}"
        rows.setdefault(name, {})[WAYS[row["baseline"]]] = estimate(row["metrics"]["UAR"])
        chance[name] = 1 / len(row["classes"])
    if not rows:
        return None
    ax = draw_ways(rows, chance=chance)
    ax.set_title("unseen corpora: UAR among angry, happy, neutral, sad", fontsize=11, loc="left")
    return ax.figure


def test_figure(kept: Kept) -> Any:
    """The model and the one before, corpus by corpus."""
    model, before = model_of(kept), BEFORE[model_of(kept)].name
    files = {
        f"{before}, speaker unknown": "evaluate-old",
        **{f"{model}, {words}": f"evaluate-{way}" for way, words in WAYS.items()},
    }
    names = list(dict.fromkeys(name for file in files.values() for name in kept.get(file, {}).get("corpora", {})))
    rows = {
        title(name): {way: e for way, file in files.items() if (e := speakers_uar(kept, name, file=file))}
        for name in names
    }
    if not rows:
        return None
    chance = {
        title(name): kept[file]["corpora"][name]["chance"] for file in files.values() if file in kept for name in names
    }
    ax = draw_ways(rows, chance=chance, grey=f"{before}, speaker unknown")
    ax.set_title(f"fixed test speakers: {before}, and {model}", fontsize=11, loc="left")
    return ax.figure


def speakers_figure(kept: Kept) -> Any:
    """Every test speaker."""
    if "fairness" not in kept:
        return None
    rows = {
        f"{title(name)} ({language(name)})": [(row[1], row[4][0]) for row in entry["speakers"] if row[4]]
        for name, entry in kept["fairness"]["corpora"].items()
    }
    ax = draw_speakers(rows)
    ax.set_title("every test speaker with ten clips or more, speaker unknown", fontsize=11, loc="left")
    return ax.figure


def reliability_figure(kept: Kept) -> Any:
    """Reliability of dev and test speakers; risk over coverage by corpus."""
    if "calibrate" not in kept:
        return None
    found = kept["calibrate"]
    bins = {f"{side} speakers": rows for side, rows in found["reliability"].items()}
    curves = {
        name if name == "all" else title(name): RiskCoverage(np.array(c["coverage"]), np.array(c["risk"]), c["area"])
        for name, c in found["curves"].items()
    }
    answered = found.get("test", {}).get("all")
    return draw_calibration(bins, curves, coverage=answered["coverage"][0] if found["threshold"] and answered else None)


def reference_figure(kept: Kept) -> Any:
    """Both kinds of reference, side by side."""
    if "reference" not in kept:
        return None
    rows = kept["reference"]["rows"]
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    figure = Figure(figsize=(4.6 * len(kinds) + 1.8, 4.2), layout="constrained")
    for kind, ax in zip(kinds, figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0], strict=True):
        curves: dict[str, dict[float, Estimate]] = {}
        for row in rows:
            if row["kind"] == kind:
                curves.setdefault(title(row["corpus"]), {})[row["seconds"]] = estimate(row["UAR"])
        draw_reference(curves, reference_mean(rows, kind)[0], ax=ax).set_title(WAYS[kind], fontsize=11, loc="left")
        ax.label_outer()
        if kind != kinds[-1]:
            ax.get_legend().remove()
    return figure
