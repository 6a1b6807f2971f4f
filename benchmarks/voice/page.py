"""The card page of `voice`: card.md.j2, filled from the figures that `benchmarks/voice/run.py run` kept alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from textwrap import wrap
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from affekt.corpora import CORPORA
from affekt.metrics.intervals import FEWEST_SPEAKERS
from affekt.metrics.paired import Curve, Level, Point, Stress, main_of, main_of_chance
from affekt.metrics.selective import lower_bound
from affekt.train.recipe import load_recipe, recipe_digest
from affekt.types import Estimate
from affekt.write.stress import condition_name, level_name
from affekt.write.tables import interval

WAYS = {
    "none": "speaker unknown",
    "any": "other speech of the speaker",
    "neutral": "neutral reference",
    "running": "the clips before",
}
#: Protocols in the order of the page: what the figure calls them, and whom they test after learning from what.
PLANS = {
    "ravdess": (
        "RAVDESS, after\nother corpora",
        "RAVDESS, six speaker folds; the other eight corpora first, then the training folds",
    ),
    "ravdess-scratch": ("RAVDESS from scratch", "RAVDESS, six speaker folds; trained on RAVDESS from scratch"),
    "ravdess-sentences": ("RAVDESS, the\nsentence unseen", "RAVDESS, six speaker folds, and the sentence unseen, too"),
    "savee": ("SAVEE", "SAVEE, four speaker folds (one man each); the other corpora first"),
    "tess": ("TESS", "TESS, each actress unseen; the other corpora first, then the other actress"),
    "left-out": (
        "left-out corpora\n(mean, four labels)",
        "an unseen corpus, four labels (angry, happy, neutral, sad); mean of the corpora",
    ),
}
OTHERS = {
    "ravdess": {
        "frozen WavLM-large, same folds (EmoBox)": 0.720,
        "frozen Whisper-large-v3, same folds (EmoBox)": 0.753,
    },
    "ravdess-scratch": {"best small network published (47 k parameters, five other speaker folds)": 0.623},
    "savee": {
        "two frozen large encoders, one speaker left out (EmoBox): the lower": 0.667,
        "two frozen large encoders, one speaker left out (EmoBox): the higher": 0.741,
    },
    "tess": {"MFCC and a random forest, across actresses": 0.17},
}
#: Clips that make the figure of one speaker worth naming twice.
MANY = 30
SEXES = {"female": "a woman", "male": "a man"}
#: Ways that a protocol is run in.
PROTOCOL_WAYS = ("none", "any", "neutral")
#: What is kept of the mean under a condition.
MEASURES = ("UAR", "difference", "changed", "silent")
EARLIER = "† By an earlier recipe than that of the voice today."
RUN = "python benchmarks/voice/run.py run --corpora SPEECH"
NINE = "--corpus NAME=PATH ..."
#: Of each file that is kept: the command behind its figures.
COMMANDS = {
    "card": "affekt info voice --format json",
    **{f"evaluate-{way}": f"affekt evaluate voice {NINE} --baseline {way} --format json" for way in WAYS},
    "evaluate-old": f"affekt evaluate FIRST.onnx {NINE} --compare voice --format json",
    **{f"protocol-{name}": f"affekt protocol {name} {NINE} --sounds ESC-10 --responses ROOMS -o RUN" for name in PLANS},
    "calibrate": f"{RUN} --only calibrate",
    "fairness": f"{RUN} --only calibrate",
    "stress": f"affekt stress voice {NINE} --sounds ESC-10 --format json",
    "out-of-domain": "python benchmarks/out_of_domain.py --sounds ESC-10 --output FILE.json",
    "reference": "python benchmarks/reference.py --corpora SPEECH --output FILE.json",
    "faithfulness": "python benchmarks/faithfulness.py SPEECH --output FILE.json",
}  # fmt: skip

Kept = Mapping[str, Any]


@dataclass(frozen=True)
class Aim:
    """What the project set out to reach.

    Parameters
    ----------
    words : str
    source : str
        A protocol, or the name of a corpus whose fixed test speakers are meant.
    way : str
        A key of ``WAYS``.
    least : float
        UAR.
    """

    words: str
    source: str
    way: str
    least: float


AIMS = (
    Aim("RAVDESS, six speaker folds, the other corpora first", "ravdess", "none", 0.70),
    Aim("RAVDESS, six speaker folds, trained from scratch", "ravdess-scratch", "none", 0.63),
    Aim("SAVEE, four speaker folds", "savee", "none", 0.70),
    Aim("TESS, across actresses", "tess", "none", 0.80),
    Aim("nEMO, fixed test speakers", "nemo", "none", 0.55),
    Aim("EMOVO, fixed test speakers", "emovo", "none", 0.55),
    Aim("URDU, fixed test speakers", "urdu", "none", 0.55),
    Aim("left-out corpora, four labels, mean", "left-out", "none", 0.65),
    Aim("RAVDESS, six speaker folds, the other corpora first", "ravdess", "any", 0.76),
    Aim("RAVDESS, six speaker folds, the other corpora first", "ravdess", "neutral", 0.76),
    Aim("left-out corpora, four labels, mean", "left-out", "any", 0.74),
    Aim("left-out corpora, four labels, mean", "left-out", "neutral", 0.74),
)


def read_kept(folder: Path) -> dict[str, Any]:
    """All files that are kept, by name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


# --- numbers


def estimate(values: Sequence[float]) -> Estimate:
    """[value, low, high, n] as an Estimate."""
    return Estimate(*values[:3], int(values[3]))


def mean_of(parts: Sequence[Estimate]) -> Estimate:
    """Mean of independent estimates, the same weight each.

    Its interval comes from theirs, which need not be symmetric: the distances to the edges
    add up as squares (Zou & Donner, 2008, doi:10.1002/sim.3095).
    """
    value = sum(e.value for e in parts) / len(parts)
    down, up = (
        math.sqrt(sum((e.value - edge(e)) ** 2 for e in parts)) / len(parts)
        for edge in (attrgetter("low"), attrgetter("high"))
    )
    return Estimate(value, value - down, value + up, sum(e.n for e in parts))


def shown(e: Estimate | Sequence[float] | None, *, sign: bool = False, places: int = 2) -> str:
    """``0.59 [0.52, 0.66]``, of an Estimate or of [value, low, high, n]."""
    if not e:
        return "not run"
    return interval(e if isinstance(e, Estimate) else estimate(e), sign=sign, places=places)


def speakers_uar(kept: Kept, corpus: str, way: str = "none", file: str = "") -> Estimate | None:
    """UAR of a corpus's fixed test speakers."""
    entry = kept.get(file or f"evaluate-{way}", {}).get("corpora", {}).get(corpus)
    return entry and estimate(entry["metrics"]["UAR"])


def protocol_rows(kept: Kept, name: str, labels: str = "") -> list[dict[str, Any]]:
    """Rows of a protocol, in all ways; of left-out with one set of labels."""
    rows = kept.get(f"protocol-{name}", [])
    return [row for row in rows if row["labels"] == (labels or ("four" if name == "left-out" else "all"))]


def mean_left_out(kept: Kept, labels: str, way: str, least: int) -> Estimate | None:
    """Mean over the unseen corpora that have so many of the labels."""
    rows = [row for row in protocol_rows(kept, "left-out", labels) if row["baseline"] == way]
    found = [estimate(row["metrics"]["UAR"]) for row in rows if len(row["classes"]) >= least]
    return mean_of(found) if found else None


def protocol_uar(kept: Kept, name: str, way: str) -> Estimate | None:
    """UAR of a protocol; of left-out the mean over the corpora that have all four labels."""
    if name == "left-out":
        return mean_left_out(kept, "four", way, 4)
    rows = [row for row in protocol_rows(kept, name) if row["baseline"] == way]
    return estimate(rows[0]["metrics"]["UAR"]) if rows else None


def reached(kept: Kept, aim: Aim) -> Estimate | None:
    """What the aim is to be compared with."""
    if aim.source in PLANS:
        return protocol_uar(kept, aim.source, aim.way)
    return speakers_uar(kept, aim.source, aim.way)


def tested_people(kept: Kept, aim: Aim) -> int:
    """Speakers behind the figure that an aim is compared with."""
    if aim.source in PLANS:
        return sum(row["speakers"] for row in protocol_rows(kept, aim.source) if row["baseline"] == aim.way)
    return int(kept[f"evaluate-{aim.way}"]["corpora"][aim.source]["speakers"])


def outcome(e: Estimate | None, least: float) -> str:
    """Whether an aim was met, and how sure that is."""
    if e is None:
        return "not run"
    if round(e.value, 3) >= least:
        return "met" if e.low >= least else "met; the interval reaches below it"
    gap = f"**missed by {least - e.value:.3f}**"
    return f"{gap}; the interval includes it" if e.high >= least else gap


def heads(speakers: int) -> str:
    """A number of speakers, marked where they are too few for an interval over speakers."""
    return f"{speakers} °" if speakers < FEWEST_SPEAKERS else str(speakers)


def title(corpus: str) -> str:
    """A corpus as its makers call it."""
    return CORPORA[corpus].title


def language(corpus: str) -> str:
    """The language of a corpus."""
    return " and ".join(CORPORA[corpus].languages)


def stress_of(found: Mapping[str, Any]) -> Stress:
    """The comparison as it was, as far as it was kept: of single corpora nothing but the UAR."""
    nothing = Estimate(0.0, 0.0, 0.0, 0)

    def points(corpora: Mapping[str, Any]) -> dict[str, Point]:
        return {
            name: Point(*(estimate(e[key]) if key in e else nothing for key in MEASURES), None, 0)
            for name, e in corpora.items()
        }  # fmt: skip

    curves = tuple(
        Curve(c["name"], c["title"], c["unit"], {row["level"]: points(row["corpora"]) for row in c["levels"]})
        for c in found["conditions"]
    )
    return Stress(
        found["model"], found["protocol"], points(found["clean"]), curves, found["chance"], tuple(found["warnings"]),
        tuple(found["stamps"]),
    )  # fmt: skip


# --- what the template asks for


def text(kept: Kept) -> str:
    """The page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters |= {"paragraph": paragraph, "shown": shown, "corpus_title": title}
    environment.tests |= {
        "measured": lambda name: f"protocol-{name}" in kept,
        "earlier": lambda name: earlier(kept, name),
        "protocol": lambda name: name.startswith("protocol-"),
    }
    functions = (
        by_language, command, condition_name, earlier, ends, extremes, heads, language, left_out_rows, level_name, made,
        main_of, main_of_chance, mean_gain, mean_left_out, mean_row, other_model, protocol_rows, protocol_uar,
        reference_mean, sexes, share, size_of, speakers_uar, stress_of, title, worst_level,
    )  # fmt: skip
    environment.globals |= {function.__name__: function for function in functions}
    evaluated = kept.get("evaluate-none", {}).get("corpora", {})
    page = environment.get_template("card.md.j2").render(
        {name: value for name, value in globals().items() if name.isupper()},
        kept=kept,
        card=kept["card"],
        evaluated=evaluated,
        aims=[aim_row(kept, aim) for aim in AIMS],
        ranked=sorted(evaluated, key=lambda name: above_chance(evaluated[name]).value),
        without_neutral=[name for name in kept["card"]["data"] if "neutral" not in CORPORA[name].labels],
    )
    return page.rstrip() + "\n"


def paragraph(text: str) -> str:
    """Text in lines of the page."""
    return "\n".join(wrap(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)) + "\n"


def command(kept: Kept, name: str) -> str:
    """The command behind the figures of a file: a protocol's as often as it was repeated."""
    rows = kept.get(name) if name.startswith("protocol-") else None
    seeds = max((row["seeds"] for row in rows), default=1) if isinstance(rows, list) else 1
    return COMMANDS[name] + (f" --seeds {seeds}" if seeds > 1 else "")


def earlier(kept: Kept, name: str) -> bool:
    """Whether a protocol was run by another recipe than that of the voice today."""
    today = recipe_digest(load_recipe("voice"))
    return any(row.get("recipe") != today for row in protocol_rows(kept, name))


def made(kept: Kept, *names: str) -> list[str]:
    """The commands of a section, and what has to be said about the files behind it."""
    lines = {}
    for name in names:
        remark = ""
        if name not in kept:
            remark = "not run: "
        elif other_model(kept, name):
            remark = "**of another model file than the card's; to be run again:** "
        elif name.startswith("protocol-") and earlier(kept, name.removeprefix("protocol-")):
            remark = "† gives other figures today: "
        lines[f"- {remark}`{command(kept, name)}`"] = None
    return list(lines)


def other_model(kept: Kept, name: str) -> bool:
    """Whether figures are of another network than the one that the page is about."""
    found = kept.get(name)
    if name == "evaluate-old" or not isinstance(found, dict) or "card" not in kept:
        return False
    return found["of"] != kept["card"]["of"]


def aim_row(kept: Kept, aim: Aim) -> dict[str, Any]:
    """An aim with what was reached, or nothing where it was not run."""
    e = reached(kept, aim)
    return {
        **vars(aim),
        "reached": e,
        "met": e is not None and round(e.value, 3) >= aim.least,
        "earlier": earlier(kept, aim.source),
        "n": f"{e.n}{' °' * (tested_people(kept, aim) < FEWEST_SPEAKERS)}" if e else "-",
        "outcome": outcome(e, aim.least),
    }


def size_of(kept: Kept, name: str) -> tuple[object, object, object]:
    """Labels with chance, speakers, and clips of a protocol."""
    rows = [row for row in protocol_rows(kept, name) if name != "left-out" or len(row["classes"]) == 4]
    rows = [row for row in rows if row["baseline"] == rows[0]["baseline"]]
    if not rows:
        return ("-", "-", "-")
    count = 4 if name == "left-out" else len(rows[0]["classes"])
    e = protocol_uar(kept, name, rows[0]["baseline"])
    return f"{count}, {1 / count:.3f}", heads(sum(row["speakers"] for row in rows)), e.n if e else "-"


def left_out_rows(kept: Kept) -> list[dict[str, Any]]:
    """Every corpus by a network that was not trained on it, among four labels and among all: its UAR in every way."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for labels in ("four", "all"):
        for row in protocol_rows(kept, "left-out", labels):
            count = len(row["classes"])
            few = labels == "four" and count < 4
            about = {"corpus": row["corpus"], "labels": count, "speakers": row["speakers"], "few": few, "uars": []}
            found.setdefault((row["corpus"], labels), about)["uars"].append(estimate(row["metrics"]["UAR"]))
    return list(found.values())


def mean_row(kept: Kept, names: Iterable[str], file: str) -> Estimate | None:
    """Mean UAR of the corpora; None where one is missing."""
    found = [speakers_uar(kept, name, file=file) for name in names]
    return mean_of([e for e in found if e]) if found and all(found) else None


def mean_gain(kept: Kept, names: Iterable[str]) -> Estimate | None:
    """Mean difference between the present voice and the first; None where one is missing."""
    entries = kept.get("evaluate-old", {}).get("corpora", {})
    gains = [entries.get(name, {}).get("gain") for name in names]
    return mean_of([estimate(gain["difference"]) for gain in gains]) if gains and all(gains) else None


def above_chance(entry: Mapping[str, Any]) -> Estimate:
    """How far the UAR of a corpus is on the way from chance (0) to 1."""
    e, chance = estimate(entry["metrics"]["UAR"]), entry["chance"]
    return Estimate(*((x - chance) / (1 - chance) for x in (e.value, e.low, e.high)), e.n)


def by_language(corpora: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The mean of a language's corpora above chance, the best first."""
    groups: dict[str, list[str]] = {}
    for name in corpora:
        groups.setdefault(language(name), []).append(name)
    rows = [
        {
            "language": spoken,
            "corpora": names,
            "speakers": sum(corpora[name]["speakers"] for name in names),
            "above": mean_of([above_chance(corpora[name]) for name in names]),
        }
        for spoken, names in groups.items()
    ]
    return sorted(rows, key=lambda row: -row["above"].value)


def extremes(found: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The worst and the best speaker: of all, and of those with many clips."""
    ranked = [(row, name) for name, entry in found["corpora"].items() for row in entry["speakers"] if row[4]]
    chosen = {
        f"The worst of the {len(ranked)} speakers": ranked,
        f"Of those with {MANY} clips or more": [item for item in ranked if item[0][3] >= MANY],
    }
    texts = {}
    for words, items in chosen.items():
        if items:
            ends = (pick(items, key=lambda item: item[0][4][0]) for pick in (min, max))
            texts[words] = tuple(
                f"{title(corpus)} {row[0]} ({SEXES.get(row[1], 'sex not known')}) with {shown(row[4])}, n={row[3]}"
                for row, corpus in ends
            )
    return texts  # type: ignore[return-value]


def ends(entry: Mapping[str, Any]) -> tuple[str, str]:
    """The worst and the best speaker of a corpus."""
    ranked = sorted((row for row in entry["speakers"] if row[4]), key=lambda row: row[4][0])
    texts = [f"{row[0]} ({(row[1] or '?')[0]}): {shown(row[4])}, n={row[3]}" for row in ranked]
    return texts[0] if texts else "-", texts[-1] if len(texts) > 1 else "-"


def sexes(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    """Women, men, and the difference; or why there is none."""
    if found := entry.get("sex"):
        women, men = (
            f"{shown(found[key])}, n={found[key][3]}, speakers: {heads(count)}"
            for key, count in zip(("female", "male"), found["speakers"], strict=True)
        )
        return women, men, shown(found["difference"], sign=True)
    known = {row[1] for row in entry["speakers"]}
    if len(known) > 1:
        return "fewer than ten clips of one sex", "", ""
    return {"female": "women only", "male": "men only"}.get(known.pop(), "not given by the corpus"), "", ""


def share(count: int, n: int) -> str:
    """A share in per cent with its two-sided 95 % interval."""
    low, high = lower_bound(count, n, error=0.025), 1 - lower_bound(n - count, n, error=0.025)
    return f"{100 * count / n:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def worst_level(curve: Curve) -> tuple[Level, Point]:
    """The level of a condition that costs most, and the scores there."""
    points = {level: main_of(points) for level, points in curve.points.items()}
    worst = min(points, key=lambda level: points[level].difference.value)
    return worst, points[worst]


def reference_mean(rows: Sequence[Mapping[str, Any]], kind: str) -> tuple[dict[float, Estimate], dict[float, float]]:
    """Mean UAR over corpora, and mean seconds of speech, by seconds asked for."""
    mean, speech = {}, {}
    for seconds in dict.fromkeys(row["seconds"] for row in rows):
        chosen = [row for row in rows if (row["kind"], row["seconds"]) == (kind, seconds)]
        mean[seconds] = mean_of([estimate(row["UAR"]) for row in chosen])
        speech[seconds] = sum(row["heard"] for row in chosen) / len(chosen)
    return mean, speech
