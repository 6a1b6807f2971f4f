"""The card page of a voice model: card.md.j2, filled from the figures that `benchmarks/voice/run.py run` kept alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from textwrap import wrap
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from affekt.corpora import CORPORA
from affekt.metrics.intervals import FEWEST_SPEAKERS
from affekt.metrics.paired import Curve, Level, Point, Stress, main_of, main_of_chance
from affekt.metrics.selective import lower_bound
from affekt.train.recipe import Recipe, Teaching, frozen, load_recipe, recipe_digest
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
        "RAVDESS, other\ncorpora allowed",
        "RAVDESS, six speaker folds; the other eight corpora may come first",
    ),
    "ravdess-scratch": ("RAVDESS alone", "RAVDESS, six speaker folds; trained on RAVDESS alone"),
    "ravdess-sentences": ("RAVDESS, the\nsentence unseen", "RAVDESS, six speaker folds, and the sentence unseen, too"),
    "savee": ("SAVEE", "SAVEE, four speaker folds (one man each); the other corpora may come first"),
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
EARLIER = "† Not run with the model's current recipe: the note before the command says how."
HEADS = "† heads only, on the distilled encoder: "
NINE = "--corpus NAME=PATH ..."
TAUGHT = " --teacher WHISPER --unlabelled SPEECH"
#: How the share of fine-tuning kept in each fold is chosen.
HOW_FAR = (
    "how much, and whether the fold starts from the other corpora at all (rows that count it), is chosen in each fold "
    "on some of its training speakers"
)
#: How that share was chosen before.
ONCE = "; with † the share is 0.7, chosen on EMOVO"
#: Whisper's sizes by the width of its encoder.
WHISPERS = {384: "tiny", 512: "base", 768: "small"}
DOUBT = (
    "Whisper's training data is not published, so these corpora may have been part of it. The same doubt applies to "
    "EmoBox's figure with Whisper-large-v3."
)

Kept = Mapping[str, Any]


@dataclass(frozen=True)
class Before:
    """The model that another is compared with.

    Parameters
    ----------
    name : str
        On the page.
    file : str
        What ``--old`` takes.
    words : str
        What it is, and that it has no speaker baseline here.
    kept : str
        Folder of its own figures, if there is one.
    """

    name: str
    file: str
    words: str
    kept: str = ""


BEFORE = {
    "voice": Before(
        "voice-small",
        "src/affekt/models/weights/voice-small.onnx",
        "`voice-small` is the network formerly called `voice`; here it gets no speaker baseline.",
        "voice-small",
    ),
    "voice-small": Before(
        "the first voice",
        "FIRST.onnx",
        "The first voice is the first released model, then named `voice`; it took no speaker baseline.",
    ),
}


@dataclass(frozen=True)
class Aim:
    """What the project set out to reach.

    Parameters
    ----------
    words : str
    source : str
        A protocol, or the name of a corpus whose fixed test speakers are meant, or ``calibrate`` or ``stress``.
    way : str
        A key of ``WAYS``.
    mark : float
        UAR; of ``calibrate`` the expected calibration error, of ``stress`` the UAR that is lost.
    at_most : bool
        Whether less is better.
    """

    words: str
    source: str
    way: str
    mark: float
    at_most: bool = False


RAVDESS = "RAVDESS, six speaker folds, other corpora allowed"
SAVEE = "SAVEE, four speaker folds"
LEFT_OUT = "left-out corpora, four labels, mean"
#: The condition and level under which an aim is set for what is lost.
LOST = ("noise", 10)
AIMS = {
    "voice": (
        Aim(RAVDESS, "ravdess", "none", 0.80),
        Aim(RAVDESS, "ravdess", "any", 0.86),
        Aim(SAVEE, "savee", "none", 0.70),
        Aim("TESS, across actresses", "tess", "none", 0.88),
        Aim("nEMO, fixed test speakers", "nemo", "none", 0.66),
        Aim("EMOVO, fixed test speakers", "emovo", "none", 0.58),
        Aim("URDU, fixed test speakers", "urdu", "none", 0.55),
        Aim(LEFT_OUT, "left-out", "none", 0.66),
        Aim(LEFT_OUT, "left-out", "any", 0.76),
        Aim("ECE, all fixed test speakers, all labels", "calibrate", "none", 0.05, at_most=True),
        Aim("UAR lost in white noise at 10 dB, mean of the corpora", "stress", "none", 0.08, at_most=True),
    ),
    "voice-small": (
        Aim(RAVDESS, "ravdess", "none", 0.74),
        Aim(RAVDESS, "ravdess", "any", 0.81),
        Aim(SAVEE, "savee", "none", 0.62),
        Aim(LEFT_OUT, "left-out", "none", 0.62),
        Aim(LEFT_OUT, "left-out", "any", 0.71),
    ),
}


def model_of(kept: Kept) -> str:
    """The model that the page is about."""
    return str(kept["card"]["name"])


def run_of(model: str) -> str:
    """The command that measures a model."""
    return f"python benchmarks/voice/run.py run --model {model} --corpora SPEECH"


def commands(model: str) -> dict[str, str]:
    """The command behind the figures of each kept file."""
    before = BEFORE[model]
    teacher = " --teacher WHISPER" if load_recipe(model).kind == "whisper" else ""
    noises = f"--sounds ESC-10 --responses ROOMS{teacher} -o RUN"
    tuned = f"affekt protocol left-out --only emovo --only banglaser --recipe {model} {NINE} {noises}"
    calibrate = f"{run_of(model)} --only calibrate"
    return {
        "card": f"affekt info {model} --format json",
        **{f"evaluate-{way}": f"affekt evaluate {model} {NINE} --baseline {way} --format json" for way in WAYS},
        "evaluate-old": f"affekt evaluate {before.file} {NINE} --compare {model} --format json",
        **{f"protocol-{name}": f"affekt protocol {name} --recipe {model} {NINE} {noises}" for name in PLANS},
        **({"protocol-left-out-tuned": tuned} if teacher else {}),
        "calibrate": calibrate,
        "fairness": calibrate,
        "daily": f"affekt evaluate {model} --corpus emospeech=PATH --format json",
        "stress": f"affekt stress {model} {NINE} --sounds ESC-10 --format json",
        "out-of-domain": f"python benchmarks/out_of_domain.py --sounds ESC-10 --model {model} --output FILE.json",
        "reference": f"python benchmarks/reference.py --corpora SPEECH --model {model} --output FILE.json",
        "faithfulness": f"python benchmarks/faithfulness.py SPEECH --model {model} --output FILE.json",
    }


def read_kept(folder: Path) -> dict[str, Any]:
    """All files that are kept, by name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def kept_before(model: str, folder: Path) -> Kept | None:
    """What was kept of the model before, in a folder that holds a folder for each; None where there is nothing."""
    name = BEFORE[model].kept
    return read_kept(folder / name) or None if name else None


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
    """``0.59 [0.52, 0.66]``, from an Estimate or from [value, low, high, n]."""
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
    if aim.source == "calibrate":
        found = kept.get("calibrate", {}).get("test", {}).get("all")
        return found and estimate(found["ece"])
    if aim.source == "stress":
        return lost(kept)
    return speakers_uar(kept, aim.source, aim.way)


def lost(kept: Kept) -> Estimate | None:
    """The mean UAR on clean clips less that under ``LOST``, in pairs."""
    condition, level = LOST
    curves = stress_of(kept["stress"]).curves if "stress" in kept else ()
    points = next((curve.points.get(level) for curve in curves if curve.name == condition), None)
    return negated(main_of(points).difference) if points else None


def negated(e: Estimate) -> Estimate:
    """The same with the other sign."""
    return Estimate(-e.value, -e.high, -e.low, e.n)


def over_clips(kept: Kept, aim: Aim) -> bool:
    """Whether the figure behind an aim has too few speakers for an interval over speakers."""
    if aim.source in ("calibrate", "stress"):
        return False
    if aim.source in PLANS:
        rows = [row for row in protocol_rows(kept, aim.source) if row["baseline"] == aim.way]
        return sum(row["speakers"] for row in rows) < FEWEST_SPEAKERS
    return int(kept[f"evaluate-{aim.way}"]["corpora"][aim.source]["speakers"]) < FEWEST_SPEAKERS


def outcome(e: Estimate | None, mark: float, *, at_most: bool = False) -> str:
    """Whether an aim was met, and how sure that is."""
    if e is None:
        return "not run"
    if at_most:
        return outcome(negated(e), -mark)
    if round(e.value, 3) >= mark:
        return "met" if e.low >= mark else "met; the interval reaches beyond it"
    gap = f"**missed by {mark - e.value:.3f}**"
    return f"{gap}; the interval includes it" if e.high >= mark else gap


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
    """The comparison as far as it was kept: for single corpora only the UAR."""
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


def text(kept: Kept, old: Kept | None = None) -> str:
    """The page of a model, with what was kept of the model before it, if anything was."""
    model = model_of(kept)
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
        reference_mean, sexes, share, size_of, speakers_uar, stress_of, title, words_of, worst_level,
    )  # fmt: skip
    environment.globals |= {function.__name__: function for function in functions}
    evaluated = kept.get("evaluate-none", {}).get("corpora", {})
    page = environment.get_template("card.md.j2").render(
        {name: value for name, value in globals().items() if name.isupper()},
        kept=kept,
        old=old,
        card=kept["card"],
        whisper=kept["card"]["recipe"].get("kind") == "whisper",
        before=BEFORE[model],
        RUN=run_of(model),
        COMMANDS=commands(model),
        evaluated=evaluated,
        aims=[aim_row(kept, aim, old) for aim in AIMS[model]],
        ranked=sorted(evaluated, key=lambda name: above_chance(evaluated[name]).value),
        without_neutral=[name for name in kept["card"]["data"] if "neutral" not in CORPORA[name].labels],
    )
    return page.rstrip() + "\n"


def paragraph(text: str) -> str:
    """Text in lines of the page."""
    return "\n".join(wrap(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)) + "\n"


def command(kept: Kept, name: str) -> str:
    """The command behind the figures of a file: a protocol's as often as it was repeated, and with its teacher."""
    rows = kept.get(name) if name.startswith("protocol-") else None
    seeds = max((row["seeds"] for row in rows), default=1) if isinstance(rows, list) else 1
    recipe, remark = load_recipe(model_of(kept)), earlier(kept, name.removeprefix("protocol-"))
    is_taught = isinstance(recipe, Recipe) and recipe.distillation.steps > 0 and rows and remark in ("", HEADS)
    options = (TAUGHT if is_taught else "") + (" --frozen" if remark == HEADS else "")
    usual = {"others": 10, "epochs": 30, "tuned": 0}
    own = rows[0] if isinstance(rows, list) and rows else {}
    options += "".join(f" --{key} {own[key]}" for key in usual if own.get(key, usual[key]) != usual[key])
    words = commands(model_of(kept))[name].replace(" -o RUN", f"{options} -o RUN")
    return words + (f" --seeds {seeds}" if seeds > 1 else "")


def earlier(kept: Kept, name: str) -> str:
    """A note on a protocol run with another recipe than the model's current one; empty for the current one."""
    recipe = load_recipe(model_of(kept))
    digests = {row.get("recipe") for row in protocol_rows(kept, name)}
    if digests <= {recipe_digest(recipe)}:
        return ""
    if isinstance(recipe, Recipe) and recipe.distillation.steps:
        if digests == {recipe_digest(frozen(recipe))}:
            return HEADS
        if digests == {recipe_digest(replace(recipe, distillation=Teaching()))}:
            return "† without the teacher: "
    return "† gives other figures today: "


def made(kept: Kept, *names: str) -> list[str]:
    """The commands of a section, and what has to be said about the files behind it."""
    lines = {}
    for name in names:
        remark = ""
        if name not in kept:
            remark = "not run: "
        elif other_model(kept, name):
            remark = "**of another model file than the card's; to be run again:** "
        elif name.startswith("protocol-"):
            remark = earlier(kept, name.removeprefix("protocol-"))
        lines[f"- {remark}`{command(kept, name)}`"] = None
    return list(lines)


def other_model(kept: Kept, name: str) -> bool:
    """Whether figures are from another network than the one that the page is about."""
    found = kept.get(name)
    if not isinstance(found, dict) or "card" not in kept:
        return False
    return found["beside" if name == "evaluate-old" else "of"] != kept["card"]["of"]


def aim_row(kept: Kept, aim: Aim, old: Kept | None) -> dict[str, Any]:
    """An aim with what was reached, or nothing where it was not run; and what the model before reaches."""
    e = reached(kept, aim)
    said = outcome(e, aim.mark, at_most=aim.at_most)
    return {
        **vars(aim),
        "sign": "≤" if aim.at_most else "≥",
        "reached": e,
        "before": reached(old, aim) if old else None,
        "met": said.startswith("met"),
        "earlier": earlier(kept, aim.source),
        "n": f"{e.n}{' °' * over_clips(kept, aim)}" if e else "-",
        "outcome": said,
    }


def words_of(kept: Kept, name: str) -> str:
    """Whom a protocol tests after learning from what, as its folds were run."""
    row = next(iter(protocol_rows(kept, name)), {})
    said = [PLANS[name][1]]
    if "chosen" in row:
        said.append(f"they did {row['chosen'] - row['alone']} of {row['chosen']} times, as training speakers chose")
    if row.get("tuned"):
        part = f" ({row['share']:g} of its change in weights kept)" if row.get("share", 1) != 1 else ""
        said.append(f"both stages, {row['tuned']} epoch{'s' * (row['tuned'] > 1)} of the second{part}")
    return "; ".join(said)


def size_of(kept: Kept, name: str) -> tuple[object, object, object]:
    """Labels with chance, speakers, and clips of a protocol."""
    rows = [row for row in protocol_rows(kept, name) if name != "left-out" or len(row["classes"]) == 4]
    rows = [row for row in rows if row["baseline"] == rows[0]["baseline"]]
    if not rows:
        return ("-", "-", "-")
    count = 4 if name == "left-out" else len(rows[0]["classes"])
    e = protocol_uar(kept, name, rows[0]["baseline"])
    return f"{count}, {1 / count:.3f}", heads(sum(row["speakers"] for row in rows)), e.n if e else "-"


def left_out_rows(kept: Kept, name: str = "left-out") -> list[dict[str, Any]]:
    """Every corpus by a network that was not trained on it, among four labels and among all: its UAR in every way."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for labels in ("four", "all"):
        for row in protocol_rows(kept, name, labels):
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
    """Mean difference between the model and the one before; None where one is missing."""
    entries = kept.get("evaluate-old", {}).get("corpora", {})
    gains = [entries.get(name, {}).get("gain") for name in names]
    return mean_of([estimate(gain["difference"]) for gain in gains]) if gains and all(gains) else None


def above_chance(entry: Mapping[str, Any]) -> Estimate:
    """The UAR of a corpus, rescaled so that chance is 0 and perfect is 1."""
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
