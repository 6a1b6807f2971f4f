"""The card page of `voice`, from the figures that `benchmarks/voice/run.py run` kept and nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from affekt.corpora import CORPORA
from affekt.metrics.intervals import FEWEST_SPEAKERS
from affekt.metrics.paired import Curve, Point, Stress, main_of
from affekt.metrics.selective import lower_bound
from affekt.train.recipe import load_recipe, recipe_digest
from affekt.types import Estimate
from affekt.write.stress import level_name

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
    "ravdess-alone": ("RAVDESS alone", "RAVDESS, six speaker folds; learned from RAVDESS alone"),
    "ravdess-sentences": ("RAVDESS, the\nsentence unseen", "RAVDESS, six speaker folds, and the sentence unseen, too"),
    "savee": ("SAVEE", "SAVEE, four speaker folds (one man each); the other corpora first"),
    "tess": ("TESS", "TESS, each actress unseen; the other corpora first, then the other actress"),
    "left-out": (
        "left-out corpora\n(mean, four labels)",
        "a corpus never met, four labels (angry, happy, neutral, sad); mean of the corpora",
    ),
}
OTHERS = {
    "ravdess": {
        "frozen WavLM-large, same folds (EmoBox)": 0.720,
        "frozen Whisper-large-v3, same folds (EmoBox)": 0.753,
    },
    "ravdess-alone": {"best small network published (47 k parameters, five other speaker folds)": 0.623},
    "savee": {
        "two frozen large encoders, one speaker left out (EmoBox): the lower": 0.667,
        "two frozen large encoders, one speaker left out (EmoBox): the higher": 0.741,
    },
    "tess": {"MFCC and a random forest, across actresses": 0.17},
}
#: Clips that make the figure of one speaker worth naming twice.
MANY = 30
#: Ways that a protocol is run in.
TOLD = ("none", "any", "neutral")
#: What is kept of the mean under a condition.
MEASURES = ("UAR", "difference", "changed", "silent")
ORDERS = {
    "most important first": "the map's, most important first",
    "loudest first": "loudest first",
    "random": "random",
    "least important first": "the map's, least important first",
}
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
    Aim("RAVDESS, six speaker folds, alone", "ravdess-alone", "none", 0.63),
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
    down, up = (math.sqrt(sum((e.value - edge(e)) ** 2 for e in parts)) / len(parts) for edge in (_low, _high))
    return Estimate(value, value - down, value + up, sum(e.n for e in parts))


def _low(e: Estimate) -> float:
    return e.low


def _high(e: Estimate) -> float:
    return e.high


def shown(e: Estimate | None, *, sign: bool = False, places: int = 2) -> str:
    """``0.59 [0.52, 0.66]``."""
    if e is None:
        return "not run"
    value, low, high = (f"{round(x, places) + 0.0:{'+' if sign else ''}.{places}f}" for x in (e.value, e.low, e.high))
    return f"{value} [{low}, {high}]".replace("-", "\N{MINUS SIGN}")


def speakers_uar(kept: Kept, corpus: str, way: str = "none", file: str = "") -> Estimate | None:
    """UAR of a corpus's fixed test speakers."""
    entry = kept.get(file or f"evaluate-{way}", {}).get("corpora", {}).get(corpus)
    return entry and estimate(entry["metrics"]["UAR"])


def protocol_rows(kept: Kept, name: str, labels: str = "") -> list[dict[str, Any]]:
    """Rows of a protocol, in all ways; of left-out with one set of labels."""
    rows = kept.get(f"protocol-{name}", [])
    return [row for row in rows if row["labels"] == (labels or ("four" if name == "left-out" else "all"))]


def _mean_left_out(kept: Kept, labels: str, way: str, least: int) -> Estimate | None:
    """Mean over the corpora never met that have so many of the labels."""
    rows = [row for row in protocol_rows(kept, "left-out", labels) if row["baseline"] == way]
    found = [estimate(row["metrics"]["UAR"]) for row in rows if len(row["classes"]) >= least]
    return mean_of(found) if found else None


def protocol_uar(kept: Kept, name: str, way: str) -> Estimate | None:
    """UAR of a protocol; of left-out the mean over the corpora that have all four labels."""
    if name == "left-out":
        return _mean_left_out(kept, "four", way, 4)
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


def evaluation(e: Estimate | None, least: float) -> str:
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


# --- pieces of Markdown


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A table, with an empty line after it."""
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines), ""]


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
    lines = []
    for name in names:
        if name not in kept:
            lines.append(f"- not run: `{command(kept, name)}`")
        elif other_model(kept, name):
            lines.append(f"- **of another model file than the card's; to be run again:** `{command(kept, name)}`")
        elif name.startswith("protocol-") and earlier(kept, name.removeprefix("protocol-")):
            lines.append(f"- † gives other figures today: `{command(kept, name)}`")
        else:
            lines.append(f"- `{command(kept, name)}`")
    return ["Commands:" if len(set(lines)) > 1 else "Command:", "", *dict.fromkeys(lines), ""]


def test_set(kept: Kept, name: str) -> list[str]:
    """What has to be said of figures of a part of the clips."""
    clips = kept.get(name, {}).get("clips")
    return [f"**A test_set run with {clips} clips of each corpus.**", ""] if clips else []


def other_model(kept: Kept, name: str) -> bool:
    """Whether figures are of another network than the one that the page is about."""
    found = kept.get(name)
    if name == "evaluate-old" or not isinstance(found, dict) or "card" not in kept:
        return False
    return found["of"] != kept["card"]["of"]


def paragraph(*sentences: str) -> list[str]:
    """Sentences in lines of the page, with an empty line after them."""
    return [*wrap(" ".join(sentences), 120, break_long_words=False, break_on_hyphens=False), ""]


def picture(words: str, name: str) -> list[str]:
    """A figure below the folder of the page."""
    return [f"![{words}](../{name})", ""]


# --- sections


def text(kept: Kept) -> str:
    """The page."""
    parts = (
        what_it_is, in_short, with_baseline, aims, protocols, left_out, test_speakers, labels, people, sureness, refusal,
        robustness, reference, explanations, limits, commands,
    )  # fmt: skip
    lines = [line for part in parts for line in part(kept)]
    return "\n".join(lines).rstrip() + "\n"


def what_it_is(kept: Kept) -> list[str]:
    """Labels, input, licence, data."""
    card = kept["card"]
    rate = card["sampling_rate"]
    rows = [
        (title(name), language(name), entry["clips"], entry["speakers"], entry["licence"])
        for name, entry in card["data"].items()
    ]
    told = (
        "It can be told how a speaker usually sounds."
        if card["baseline"]
        else "It cannot be told how a speaker sounds."
    )
    return [
        "# voice",
        "",
        *paragraph(
            "Written by `python benchmarks/voice/run.py write` from the figures kept in `benchmarks/results/voice/`; not "
            "by hand.",
        ),
        *paragraph(
            f"{len(card['labels'])} labels: {', '.join(card['labels'])}. Takes mono sound at {rate} Hz; a window is "
            f"{card['window'] / rate:g} s, a new one starts every {card['hop'] / rate:g} s. {told}",
        ),
        *paragraph(
            f"Licence of the weights: {card['licence']}.",
        ),
        *table(("learned from", "language", "clips", "speakers", "licence of the corpus"), rows),
        *paragraph(
            "All of it but URDU (talk shows) is acted. Clips and speakers are those of training; dev speakers chose",
            f"the epoch and the temperature ({card['temperature']:.3f}). Nothing was fitted to test speakers; but who",
            "made this model had seen how earlier ones did on the same speakers.",
        ),
        *paragraph(
            "All figures are of speakers that nothing was learned from. **UAR** is the mean of the recalls of the "
            "labels, so",
            "guessing gives 1 / number of labels (**chance**), and unless said otherwise the answer is the best among "
            "the labels",
            "of the corpus. In brackets: 95 % intervals over speakers, over clips where there are fewer than three "
            "speakers (then",
            "they say nothing about other people, and ° marks them). n counts clips.",
        ),
    ]


def in_short(kept: Kept) -> list[str]:
    """The page in a few sentences."""
    run = [(aim, e) for aim in AIMS if (e := reached(kept, aim))]
    met = sum(round(e.value, 3) >= aim.least for aim, e in run)
    lines = [
        "## In short",
        "",
        f"- **{met} of {len(AIMS)} aims are met**, {len(run) - met} are missed, {len(AIMS) - len(run)} are not run.",
    ]
    corpora = kept.get("evaluate-none", {}).get("corpora", {})
    if corpora:
        now = {words: f"evaluate-{way}" for way, words in WAYS.items()}
        files = {"the first `voice`, speaker unknown": "evaluate-old", **now}
        means = "; ".join(f"{words}: {mean_row(kept, list(corpora), file)}" for words, file in files.items())
        lines.append(f"- **Fixed test speakers**, mean UAR of {len(corpora)} corpora: {means}.")
        ranked = sorted(corpora, key=lambda name: _above_chance(*_uar_and_chance(corpora[name])).value)
        lines.append(f"- **Best and worst**, measured from chance: {title(ranked[-1])}, and {title(ranked[0])}.")
        lines.append(
            "- All UARs are of its best guess, however unsure it is of that. It is no measure of what people feel."
        )
    return [*lines, ""]


def _uar_and_chance(entry: Mapping[str, Any]) -> tuple[Estimate, float]:
    return estimate(entry["metrics"]["UAR"]), entry["chance"]


def with_baseline(kept: Kept) -> list[str]:
    """The ways to know a speaker, in the words that all tables use."""
    without = [title(name) for name in kept["card"]["data"] if "neutral" not in CORPORA[name].labels]
    return [
        "## Four ways to know the speaker",
        "",
        *paragraph(
            "Every table says which of these it is about; figures of one way must not be set beside those of another.",
        ),
        *table(
            ("way", "what the model is told of who speaks", "what that takes in use"),
            [
                ("**speaker unknown**", "nothing: the clip alone", "nothing; the default"),
                (
                    "**other speech of the speaker**",
                    "how they sound in their other clips of the corpus, nothing labelled; these are test clips, "
                    "too, and "
                    "all emotions are about equally frequent among them",
                    "recordings of the same person, such as the rest of a call",
                ),
                (
                    "**neutral reference**",
                    "how they sound in their other clips that are labelled neutral",
                    "some seconds of calm speech, recorded once",
                ),
                (
                    "**the clips before**",
                    "as other speech, but only what came before in an order drawn once",
                    "nothing; a stream that goes on",
                ),
            ],
        ),
        *paragraph(
            f"{', '.join(without)} has no neutral clips: what stands there under *neutral reference* is *speaker "
            f"unknown*."
            if without
            else "",
            "No published figure below knows anything of the speaker: compare them with *speaker unknown* alone.",
        ),
    ]


def aims(kept: Kept) -> list[str]:
    """What was aimed at, and what was reached."""
    found = [(aim, reached(kept, aim)) for aim in AIMS]
    rows = [
        (
            aim.words + " †" * earlier(kept, aim.source),
            WAYS[aim.way],
            f"{aim.least:.2f}",
            shown(e, places=3),
            f"{e.n}{' °' * (tested_people(kept, aim) < FEWEST_SPEAKERS)}" if e else "-",
            evaluation(e, aim.least),
        )
        for aim, e in found
    ]
    return [
        "## Aims, and what was reached",
        "",
        *table(("what", "way", "aim (UAR)", "reached (UAR)", "n", ""), rows),
        *(paragraph(EARLIER) if any(earlier(kept, aim.source) for aim in AIMS) else []),
    ]  # fmt: skip


def protocols(kept: Kept) -> list[str]:
    """The big table, with what others published under each protocol."""
    rows: list[tuple[object, ...]] = []
    for name, (_, words) in PLANS.items():
        first = next(iter(protocol_rows(kept, name)), None)
        cells = [shown(protocol_uar(kept, name, way), places=3) for way in TOLD]
        about = _about(kept, name, first)
        rows.append((f"`{name}`{' †' * earlier(kept, name)}: {words}", *about, *cells))
        rows += [
            (f"*published:* {who}", "", "", "", f"*{value:.3f}*", "-", "-")
            for who, value in OTHERS.get(name, {}).items()
        ]
    drawn = any(f"protocol-{name}" in kept for name in PLANS)
    return [
        "## Protocols: the recipe on speakers, sentences and corpora it never met",
        "",
        *paragraph(
            "These are of the recipe, trained anew for every fold, not of the shipped file. Published figures stand "
            "below the",
            "protocol that is nearest to theirs; they have no interval, and where their folds differ that is said. "
            "Folds that begin with the other corpora end some of the way from there, how far was chosen on EMOVO; the "
            "[model log](../model-log.md) has what all of the way would have given.",
        ),
        *table(
            ("protocol (UAR)", "labels, chance", "speakers", "n", *(WAYS[way] for way in TOLD)),
            rows,
        ),
        *(picture("UAR by protocol, with aims and published figures", "voice-protocols.png") if drawn else []),
        *_further(kept),
        *paragraph(
            "Where a fold was trained from several seeds, n counts its clips once for each.",
            *[EARLIER] * any(earlier(kept, name) for name in PLANS),
        ),
        *made(kept, *(f"protocol-{name}" for name in PLANS)),
    ]  # fmt: skip


def _about(kept: Kept, name: str, first: Mapping[str, Any] | None) -> tuple[object, object, object]:
    """Labels with chance, speakers, and clips."""
    if first is None:
        return ("-", "-", "-")
    e = protocol_uar(kept, name, first["baseline"])
    rows = [row for row in protocol_rows(kept, name) if row["baseline"] == first["baseline"]]
    rows = [row for row in rows if name != "left-out" or len(row["classes"]) == 4]
    count = len(first["classes"]) if name != "left-out" else 4
    return f"{count}, {1 / count:.3f}", heads(sum(row["speakers"] for row in rows)), e.n if e else "-"


def _further(kept: Kept) -> list[str]:
    rows = [
        (
            f"`{name}`", WAYS[row["baseline"]],
            *(shown(estimate(row["metrics"][metric])) for metric in ("WA", "macro F1", "ECE")),
            f"{row['worst_speaker']['speaker']}: {row['worst_speaker']['UAR']:.2f}", row["seeds"],
        )
        for name in PLANS if name != "left-out" for row in protocol_rows(kept, name)
    ]  # fmt: skip
    return table(("protocol", "way", "WA", "macro F1", "ECE", "worst speaker (UAR)", "seeds"), rows) if rows else []


def left_out(kept: Kept) -> list[str]:
    """Every corpus by a network that never met it."""
    rows: dict[tuple[str, str], list[object]] = {}
    for labels in ("four", "all"):
        for row in protocol_rows(kept, "left-out", labels):
            e, key = estimate(row["metrics"]["UAR"]), (row["corpus"], labels)
            head = [
                title(row["corpus"]),
                language(row["corpus"]),
                f"{len(row['classes'])}, {1 / len(row['classes']):.3f}",
                heads(row["speakers"]),
                e.n,
            ]
            rows.setdefault(key, head).append(shown(e))
    if not rows:
        return ["## A corpus never met", "", *made(kept, "protocol-left-out")]
    short = [row for row in protocol_rows(kept, "left-out", "four") if len(row["classes"]) < 4]
    sets = (("those with all four", "four", 4), *[("among the four", "four", 2)] * bool(short), ("among all", "all", 2))
    means = [
        (f"**mean, {words}**", "", "", "", "", *(shown(_mean_left_out(kept, labels, way, least)) for way in TOLD))
        for words, labels, least in sets
    ]
    who = ", ".join(dict.fromkeys(title(row["corpus"]) for row in short))
    done, there = list(dict.fromkeys(title(corpus) for corpus, _ in rows)), len(kept["card"]["data"])
    so_far = f" **Run so far for {len(done)} of {there} corpora ({', '.join(done)}): the means are of these alone.**"
    return [
        "## A corpus never met",
        "",
        *paragraph(
            "Each corpus by a network that learned from the training speakers of the others: another room, often "
            "another",
            "language, and all of the corpus's speakers are new. First among the four labels that most corpora share, "
            "then among",
            "all of the corpus."
            + (f" {who} has fewer than the four and does not count in the aim's mean." if who else "")
            + (so_far if len(done) < there else ""),
            "EMOVO's training and dev speakers, judged so, had a part in how the heads that know the speaker are",
            "taught and in how long folds are learned from: its figures are a little too kind.",
        ),
        *table(
            (
                "left out (UAR)",
                "language",
                "labels, chance",
                "speakers",
                "n",
                *(WAYS[w] for w in TOLD),
            ),
            [*rows.values(), *means],
        ),
        *picture("UAR of corpora never met", "voice-left-out.png"),
    ]


def test_speakers(kept: Kept) -> list[str]:
    """The first voice and the present one on the fixed test speakers."""
    old, new = kept.get("evaluate-old"), kept.get("evaluate-none")
    names = list((new or old or {"corpora": {}})["corpora"])
    rows: list[tuple[object, ...]] = [_beside(kept, name) for name in names]
    means = [mean_row(kept, names, file) for file in ("evaluate-old", *(f"evaluate-{way}" for way in WAYS))]
    rows.append(("**mean of the corpora**", "", "", "", *means[:2], _mean_gain(kept, names), *means[2:]))
    same = old and new and old["of"] == new["of"]
    return [
        "## Fixed test speakers: the first voice, and the present one",
        "",
        *(["**Both columns are of the same file: no new voice has been measured yet.**", ""] if same else []),
        *table(
            ("test speakers (UAR)", "speakers", "n", "chance", "first voice, speaker unknown", "now, speaker unknown",
             "now minus first, in pairs", *(f"now, {WAYS[way]}" for way in ("any", "neutral", "running"))),
            rows,
        ),
        *(picture("UAR on the fixed test speakers, first voice and now", "voice-test-speakers.png") if names else []),
        *paragraph(
            "The first voice is the first that was released under this name; it could not be told of a speaker.",
            "The difference is of the same clips, and its interval draws speakers with both answers.",
        ),
        *made(kept, "evaluate-none", "evaluate-old", "evaluate-any", "evaluate-neutral", "evaluate-running"),
    ]  # fmt: skip


def _beside(kept: Kept, name: str) -> tuple[object, ...]:
    entry = (kept.get("evaluate-none") or kept["evaluate-old"])["corpora"][name]
    gain = kept.get("evaluate-old", {}).get("corpora", {}).get(name, {}).get("gain")
    return (
        title(name), heads(entry["speakers"]), entry["metrics"]["UAR"][3], f"{entry['chance']:.3f}",
        shown(speakers_uar(kept, name, file="evaluate-old")), shown(speakers_uar(kept, name)),
        f"{shown(estimate(gain['difference']), sign=True)}, p = {gain['p']:.3f}" if gain else "not run",
        *(shown(speakers_uar(kept, name, way)) for way in ("any", "neutral", "running")),
    )  # fmt: skip


def mean_row(kept: Kept, names: Sequence[str], file: str) -> str:
    """Mean UAR of the corpora; not run where one is missing."""
    found = [speakers_uar(kept, name, file=file) for name in names]
    return shown(mean_of([e for e in found if e]) if found and all(found) else None)


def _mean_gain(kept: Kept, names: Sequence[str]) -> str:
    entries = kept.get("evaluate-old", {}).get("corpora", {})
    found = [estimate(entries[name]["gain"]["difference"]) for name in names if entries.get(name, {}).get("gain")]
    return shown(mean_of(found), sign=True) if found and len(found) == len(names) else "not run"


def labels(kept: Kept) -> list[str]:
    """Recall of each label in each corpus."""
    if "evaluate-none" not in kept:
        return []
    corpora = kept["evaluate-none"]["corpora"]
    names = list(dict.fromkeys(label for entry in corpora.values() for label in entry["recalls"]))
    rows = [
        (
            title(corpus),
            *(shown(estimate(entry["recalls"][label])) if label in entry["recalls"] else "" for label in sorted(names)),
        )
        for corpus, entry in corpora.items()
    ]
    return [
        "### Label by label",
        "",
        *paragraph(
            "Recall on the fixed test speakers, *speaker unknown*; empty where the corpus does not have the label.",
        ),
        *table(("recall", *sorted(names)), rows),
    ]


def people(kept: Kept) -> list[str]:
    """Fairness: sex, age, language, corpus, the worst speaker."""
    if "fairness" not in kept:
        return ["## Who is understood how well", "", *made(kept, "fairness")]
    return [
        "## Who is understood how well",
        "",
        *paragraph(
            "Fixed test speakers, *speaker unknown*.",
        ),
        *test_set(kept, "fairness"),
        *_sentences_of_people(kept["fairness"]),
        "",
        *table(
            ("test speakers (UAR)", "language", "chance", "women", "men", "women minus men", "worst "
            "speaker", "best speaker",
             "speakers with a figure"),
            [_row_of_people(kept, name) for name in kept["fairness"]["corpora"]],
        ),
        *picture("UAR of every test speaker, women and men", "voice-speakers.png"),
        *_by_language(kept),
        *paragraph(
            "A speaker gets a figure of their own with ten clips or more. One speaker's figure is from few clips, so "
            "the worst of",
            "many is worse, and the best better, by chance alone; their intervals are over clips.",
        ),
        *made(kept, "fairness"),
    ]  # fmt: skip


def _sentences_of_people(found: Mapping[str, Any]) -> list[str]:
    lines = []
    if found["mean"]:
        women, men, gap = (estimate(found["mean"][key]) for key in ("female", "male", "difference"))
        sure = gap.low > 0 or gap.high < 0
        who = "women" if gap.value > 0 else "men"
        lines.append(
            f"- **Sex.** In the mean of the {len(found['both'])} corpora with three or more test speakers of "
            f"either sex "
            f"({', '.join(map(title, found['both']))}), women get {shown(women)} and men {shown(men)}: a difference of "
            f"{shown(gap, sign=True)}, n={gap.n}. "
            + (f"It understands {who} better." if sure else "That is no difference that these speakers could show.")
        )
    ranked = [(row, name) for name, entry in found["corpora"].items() for row in entry["speakers"] if row[4]]
    many = [item for item in ranked if item[0][3] >= MANY]
    lines.append(
        "- **Age** is known for TESS alone: OAF was 64, YAF 26, and only OAF is a fixed test speaker. The "
        "protocol `tess` "
        "above tests both and names the one understood worse. Nothing is known about children or about other old "
        "people."
    )
    for chosen, words in (
        (ranked, f"The worst of the {len(ranked)} speakers"),
        (many, f"Of those with {MANY} clips or more"),
    ):
        if chosen:
            worst, best = (pick(chosen, key=lambda item: item[0][4][0]) for pick in (min, max))
            lines.append(f"- **{words}**: {_named(*worst)}; the best: {_named(*best)}.")
    return lines


def _named(row: Sequence[Any], corpus: str) -> str:
    """A speaker with their UAR."""
    sex = {"female": "a woman", "male": "a man"}.get(row[1], "sex not known")
    return f"{title(corpus)} {row[0]} ({sex}) with {shown(estimate(row[4]))}, n={row[3]}"


def _row_of_people(kept: Kept, name: str) -> tuple[object, ...]:
    entry = kept["fairness"]["corpora"][name]
    known = kept.get("evaluate-none", {}).get("corpora", {}).get(name)
    ranked = sorted((row for row in entry["speakers"] if row[4]), key=lambda row: row[4][0])
    ends = [f"{row[0]} ({(row[1] or '?')[0]}): {shown(estimate(row[4]))}, n={row[3]}" for row in ranked]
    return (
        title(name),
        language(name),
        f"{known['chance']:.3f}" if known else "-",
        *_sexes(entry),
        ends[0] if ends else "-",
        ends[-1] if len(ends) > 1 else "-",
        f"{len(ranked)} of {len(entry['speakers'])}",
    )


def _sexes(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    """Women, men, and the difference; or why there is none."""
    if found := entry.get("sex"):
        women, men, gap = (estimate(found[key]) for key in ("female", "male", "difference"))
        both = (
            f"{shown(e)}, n={e.n}, speakers: {heads(count)}"
            for e, count in zip((women, men), found["speakers"], strict=True)
        )
        return (*both, shown(gap, sign=True))  # type: ignore[return-value]
    sexes = {row[1] for row in entry["speakers"]}
    if len(sexes) > 1:
        return "fewer than ten clips of one sex", "", ""
    return {"female": "women only", "male": "men only"}.get(sexes.pop(), "not told by the corpus"), "", ""


def _by_language(kept: Kept) -> list[str]:
    if "evaluate-none" not in kept:
        return []
    groups: dict[str, list[str]] = {}
    for name in kept["evaluate-none"]["corpora"]:
        groups.setdefault(language(name), []).append(name)
    rows = []
    for spoken, names in groups.items():
        entries = [kept["evaluate-none"]["corpora"][name] for name in names]
        above = [_above_chance(estimate(entry["metrics"]["UAR"]), entry["chance"]) for entry in entries]
        e = mean_of(above)
        rows.append(
            (spoken, ", ".join(map(title, names)), sum(entry["speakers"] for entry in entries), e.n, shown(e), e.value)
        )
    ranked = [row[:5] for row in sorted(rows, key=lambda row: -float(row[5]))]
    return [
        *paragraph(
            "**Language and corpus** cannot be told apart: most languages are one corpus. So that corpora with few "
            "labels and with",
            "many compare, this is how far the UAR is on the way from chance (0) to 1, the mean of a language's "
            "corpora:",
        ),
        *table(("language", "corpora", "test speakers", "n", "above chance"), ranked),
    ]


def _above_chance(e: Estimate, chance: float) -> Estimate:
    return Estimate(*((x - chance) / (1 - chance) for x in (e.value, e.low, e.high)), e.n)


def sureness(kept: Kept) -> list[str]:
    """Calibration."""
    names = list(kept.get("evaluate-none", {"corpora": {}})["corpora"])
    rows = [(title(name), *(_ece(kept, name, way) for way in WAYS)) for name in names]
    return [
        "## How sure it is",
        "",
        *paragraph(
            "Expected calibration error: the mean distance between confidence and the share of right answers, 0 where "
            "confidence",
            "means what it says. The temperature was fitted on dev speakers, among all eight labels; what that is "
            "worth on test speakers stands in the table after this one. Among the labels of a corpus alone:",
        ),
        *table(("ECE on test speakers", *WAYS.values()), rows),
        *(picture("Reliability, and risk over coverage", "voice-reliability.png") if "calibrate" in kept else []),
        *made(kept, "calibrate"),
    ]


def _ece(kept: Kept, name: str, way: str) -> str:
    entry = kept.get(f"evaluate-{way}", {}).get("corpora", {}).get(name)
    return shown(estimate(entry["metrics"]["ECE"]) if entry else None)


def refusal(kept: Kept) -> list[str]:
    """Abstention, label sets, and sounds that nobody speaks in."""
    card = kept["card"]
    promise = card["promise"]
    lines = ["### Not sure, and label sets", ""]
    if card["threshold"] and promise:
        lines += [
            *paragraph(
                f"Below a confidence of {card['threshold']:.2f} it says that it is not sure. That was chosen on "
                f"{promise['speakers']} dev "
                f"speakers for {promise['precision']:.0%} right answers; what it is worth on test speakers, *speaker "
                f"unknown*, among all "
                "labels, is this:",
            ),
        ]
    else:
        lines += ["Its card has no threshold: it always answers, however unsure it is.", ""]
    found = kept.get("calibrate", {})
    rows = [
        ("all" if name == "all" else title(name), heads(row["speakers"]), row["coverage"][3],
         f"{shown(estimate(row['precision']))}, n={row['precision'][3]}" if row["precision"][3] else "no answer",
         *(shown(estimate(row[key])) for key in ("coverage", "set_coverage", "set_size", "ece")))
        for name, row in found.get("test", {}).items()
    ]  # fmt: skip
    lines += test_set(kept, "calibrate")
    if rows:
        head = ("test speakers of", "speakers", "n", "right when sure", "answered",
                f"sets for {found['coverage']:.0%} hold the truth", "labels in a set", "ECE")  # fmt: skip
        lines += table(head, rows)
    return [*lines, *out_of_domain(kept)]


def out_of_domain(kept: Kept) -> list[str]:
    """What it says when nobody speaks."""
    lines = ["### When nobody speaks", ""]
    if found := kept.get("out-of-domain"):
        rows = []
        for kind, counts in found["sounds"].items():
            n = sum(counts.values())
            name = f"**{kind}**" if kind.endswith(", all") else kind
            rows.append((name, n, *(share(counts[answer], n) for answer in ("no speech", "unsure", "sure"))))
        lines += [
            *paragraph(
                f"Sounds without speech, at a threshold of {found['threshold']:.2f}: ESC-10's fold 5, which training "
                f"left alone, and made "
                "ones. *No speech* is right, *not sure* is harmless, *a label* is wrong. Intervals (Clopper-Pearson) "
                "are over sounds.",
            ),
            *table(("sounds", "n", "no speech", "not sure", "a label"), rows),
        ]
    return [*lines, *made(kept, "out-of-domain")]


def share(count: int, n: int) -> str:
    """A share in per cent with its two-sided 95 % interval."""
    low, high = lower_bound(count, n, error=0.025), 1 - lower_bound(n - count, n, error=0.025)
    return f"{100 * count / n:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def robustness(kept: Kept) -> list[str]:
    """What noise, rooms, channels leave of it."""
    if "stress" not in kept:
        return ["## How robust it is", "", *made(kept, "stress")]
    stress = stress_of(kept["stress"])
    clean = main_of(stress.clean).recall
    rows = []
    for curve in stress.curves:
        points = {level: main_of(points) for level, points in curve.points.items()}
        worst = min(points, key=lambda level: points[level].difference.value)
        levels = "; ".join(f"{level_name(level)}: {point.recall.value:.2f}" for level, point in points.items())
        name = curve.unit if curve.unit.startswith(curve.title) else f"{curve.title}{curve.unit and f' ({curve.unit})'}"
        rows.append((
            name, levels, level_name(worst), shown(points[worst].difference, sign=True),
            f"{100 * points[worst].changed.value:.0f} %", f"{100 * points[worst].silent.value:.0f} %",
        ))  # fmt: skip
    return [
        "## How robust it is",
        "",
        *paragraph(
            f"The mean over the corpora is {shown(clean)} on clean clips (n={clean.n}), chance "
            f"{next(iter(stress.chance.values())):.2f}; "
            "*speaker unknown*. The same clips under each condition, at each level, and the level that costs most:",
        ),
        *table(
            ("condition", "UAR by level", "worst", "minus clean, in pairs", "answers changed", "no speech found"), rows
        ),
        *picture("UAR under every condition", "voice-stress.png"),
        stress.protocol,
        "",
        *(f"- {sentence}" for sentence in stress.warnings),
        "",
        *made(kept, "stress"),
    ]


def reference(kept: Kept) -> list[str]:
    """What more seconds of the speaker are worth."""
    lines = ["## How many seconds of the speaker it takes", ""]
    if found := kept.get("reference"):
        rows = []
        for kind in dict.fromkeys(row["kind"] for row in found["rows"]):
            mean, heard = reference_mean(found["rows"], kind)
            rows.append((WAYS[kind], *(f"{shown(e)} ({heard[seconds]:.1f} s)" for seconds, e in mean.items())))
        seconds = dict.fromkeys(row["seconds"] for row in found["rows"])
        n = sum(row["UAR"][3] for row in found["rows"] if (row["kind"], row["seconds"]) == (rows and _first(found), 0))
        lines += [
            *paragraph(
                f"Mean UAR of the corpora on test speakers, {n} clips in all, against how much other speech the "
                f"speaker is known from; "
                "in round brackets, how much there was in the mean. Some corpora do not have 30 s of a speaker.",
            ),
            *table(("way (UAR)", *(f"{s} s" for s in seconds)), rows),
            *picture("UAR over seconds of reference", "voice-reference.png"),
        ]
    return [*lines, *made(kept, "reference")]


def _first(found: Mapping[str, Any]) -> str:
    return str(found["rows"][0]["kind"])


def reference_mean(rows: Sequence[Mapping[str, Any]], kind: str) -> tuple[dict[float, Estimate], dict[float, float]]:
    """Mean UAR over corpora, and mean seconds heard, by seconds asked for."""
    mean, heard = {}, {}
    for seconds in dict.fromkeys(row["seconds"] for row in rows):
        chosen = [row for row in rows if (row["kind"], row["seconds"]) == (kind, seconds)]
        mean[seconds] = mean_of([estimate(row["UAR"]) for row in chosen])
        heard[seconds] = sum(row["heard"] for row in chosen) / len(chosen)
    return mean, heard


def explanations(kept: Kept) -> list[str]:
    """Whether the maps show what it uses."""
    lines = ["## Whether its explanations are true", ""]
    if found := kept.get("faithfulness"):
        rows = [
            (words, shown(estimate(found["orders"][name]["area"]), places=3),
             *(("", "") if name == "most important first" else (
                 shown(estimate(found["orders"][name]["more"]), sign=True, places=3),
                 f"{found['orders'][name]['clips']:.0%}",
             )))
            for name, words in ORDERS.items()
        ]  # fmt: skip
        lines += [
            *paragraph(
                f"{found['clips']} clips of {found['speakers']} test speakers, *speaker unknown*: patches of the "
                f"spectrogram are masked one "
                "after the other. The less of the answer's probability is left (area under the curve), the more the "
                "order knows of "
                "what the model uses ([how](../explain.md)).",
            ),
            *table(("order of masking", "area left", "more than the map leaves", "clips where it leaves more"), rows),
        ]
    return [*lines, *made(kept, "faithfulness")]


def limits(kept: Kept) -> list[str]:
    """What it must not be used for, and where it fails."""
    card = kept["card"]
    own = [
        "Nearly all of what it learned from, and is judged on, is acted in quiet rooms. Nothing here says how "
        "well it does on "
        "what people say in daily life.",
        "The corpora's terms go on: those with NC forbid commercial use, those with ND and the research-only ones "
        "also what is made "
        "from them. The licence of the code does not change that.",
        "How a speaker sounds (the numbers behind *other speech* and *neutral reference*) may tell one person "
        "from another: treat "
        "it as personal data.",
    ]
    return ["## Limits", "", *(f"- {sentence}" for sentence in (*card["limits"], *own)), ""]


def _state(kept: Kept, name: str) -> str:
    if other_model(kept, name):
        return "of another model file"
    return "kept" if name in kept else "not run"


def commands(kept: Kept) -> list[str]:
    """Every file with its command."""
    rows = [
        (f"`{name}.json`", f"`{command(kept, name)}`", _state(kept, name))
        for name in COMMANDS
    ]  # fmt: skip
    return [
        "## Every figure's command",
        "",
        *paragraph(
            "`NAME=PATH` stands for the nine corpora, once `--corpus` for each; SPEECH is the folder that holds them "
            "by name. All at once,",
            "and the page anew:",
        ),
        "```sh",
        f"{RUN} --sounds ESC-10 --old FIRST.onnx --protocols RUN",
        "python benchmarks/voice/run.py write",
        "```",
        "",
        *table(("file in `benchmarks/results/voice/`", "command behind it", ""), rows),
    ]
