"""The evaluation of `voice` and `voice-small`: measures one, keeps the figures, and writes its card page from them.

    python benchmarks/voice/run.py run --model MODEL --corpora SPEECH [--sounds ESC-10] [--old BEFORE.onnx]
        [--daily EMOSPEECH] [--protocols RUN] [--only STEP]
    python benchmarks/voice/run.py write --model MODEL

SPEECH holds the folders of the corpora by name. BEFORE.onnx is the model to compare with: for `voice` it is
`voice-small`, for `voice-small` the first voice. `run` keeps one small JSON for each step in benchmarks/results/MODEL/;
`write` makes docs/model-cards/MODEL.md and the figures docs/MODEL-*.png from these files alone, and from those of the
model before. For a step that was not run, the page says so; figures of another model file than the
card's are marked.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from affekt.data.splits import fixed_speakers
from affekt.types import Estimate, Sample

ROOT = Path(__file__).parent.parent.parent
KEPT = ROOT / "benchmarks" / "results"
#: Models that have a page.
MODELS = ("voice", "voice-small")
PROTOCOLS = ("ravdess", "ravdess-scratch", "ravdess-sentences", "savee", "tess", "left-out")
WAYS = ("none", "any", "neutral", "running")
CARD = (
    "name", "labels", "input", "temperature", "data", "split", "licence", "limits", "recipe", "baseline",
    "threshold", "promise", "conformal",
)  # fmt: skip
METRICS = ("UAR", "WA", "macro F1", "ECE")
FREE = ("UAR", "ECE", "coverage, all labels", "precision when sure, all labels")
#: Target coverage of label sets.
COVERAGE = 0.9
#: Points kept of a curve of risk over coverage.
POINTS = 50


@dataclass(frozen=True)
class Job:
    """What there is to measure with."""

    model: str
    corpora: Path | None
    sounds: Path | None
    old: Path | None
    protocols: Path | None
    clips: int | None
    jobs: int
    keep: Path
    daily: Path | None = None

    def pairs(self) -> list[str]:
        """The options --corpus of all nine corpora."""
        return [word for name in fixed_speakers() for word in ("--corpus", f"{name}={_needed(self.corpora) / name}")]

    def few(self) -> list[str]:
        """The option --clips, where the user asks for fewer or more clips than the program would take."""
        return ["--clips", str(self.clips)] if self.clips else []


class NotGiven(click.ClickException):
    """A step lacks something that was not given."""


def _needed(path: Path | None) -> Path:
    if path is None:
        raise NotGiven("nothing given for it")
    return path


# --- steps: each makes the tables of the files it is named after


def step_card(job: Job) -> dict[str, Any]:
    """What the card in the model file says, without its scores."""
    from affekt.models.onnx import read_card
    from affekt.models.zoo import model_path

    card = asdict(read_card(model_path(job.model)))
    return {"card": {key: card[key] for key in CARD}}


def step_evaluate(job: Job, way: str) -> dict[str, Any]:
    """Test speakers, with a speaker baseline."""
    words = ["evaluate", job.model, *job.pairs(), "--baseline", way, "--format", "json", "--jobs", str(job.jobs)]
    return {f"evaluate-{way}": evaluation(affekt_json(words))}


def step_old(job: Job) -> dict[str, Any]:
    """The model before on the same clips, and how much better this one is, in pairs."""
    words = ["evaluate", str(_needed(job.old)), *job.pairs(), "--compare", job.model, "--format", "json"]
    return {"evaluate-old": evaluation(affekt_json([*words, "--jobs", str(job.jobs)]))}


def step_daily(job: Job) -> dict[str, Any]:
    """Commands that people called at home, in streets and over the web: an unseen corpus."""
    words = ["evaluate", job.model, "--corpus", f"emospeech={_needed(job.daily)}", "--format", "json"]
    return {"daily": evaluation(affekt_json([*words, "--jobs", str(job.jobs)]))}


def step_stress(job: Job) -> dict[str, Any]:
    """Robustness: the mean in full, of each corpus the UAR."""
    sounds = ["--sounds", str(job.sounds)] if job.sounds else []
    words = ["stress", job.model, *job.pairs(), *sounds, "--format", "json", "--jobs", str(job.jobs), *job.few()]
    return {"stress": stressed(affekt_json(words))}


def step_out_of_domain(job: Job) -> dict[str, Any]:
    """Sounds that nobody speaks in."""
    words = ["--sounds", str(_needed(job.sounds)), "--model", job.model]
    return {"out-of-domain": script_json("out_of_domain", words)}


def step_reference(job: Job) -> dict[str, Any]:
    """UAR against seconds of reference."""
    table = script_json("reference", ["--corpora", str(_needed(job.corpora)), "--model", job.model, *job.few()])
    rows = [{**row, "UAR": listed(row["UAR"])} for row in table["rows"]]
    return {"reference": {"clips": table["clips"], "rows": rows}}


def step_faithfulness(job: Job) -> dict[str, Any]:
    """Deletion of what the maps of an explanation show."""
    return {
        "faithfulness": faithfulness(script_json("faithfulness", [str(_needed(job.corpora)), "--model", job.model]))
    }


def step_selective(job: Job) -> dict[str, Any]:
    """One pass over dev and test speakers: abstention, sets, reliability, and fairness."""
    from affekt.evaluate.calibrate import clean_logits
    from affekt.recognize.recognizer import Recognizer

    recognizer = Recognizer(job.model, threshold=0.0)
    logits, people = {}, {}
    for side in ("dev", "test"):
        samples = fixed_samples(_needed(job.corpora), side, job.clips)
        people |= speakers_of(samples)
        logits[side], failures = clean_logits(recognizer, samples)
        for failure in failures:
            click.echo(f"left out: {failure.source}: {failure.reason}", err=True)
    return {
        "calibrate": {"clips": job.clips, **selective(logits, recognizer.card)},
        "fairness": {"clips": job.clips, **fairness(logits["test"], people, recognizer.card.temperature)},
    }


STEPS: Mapping[str, Callable[[Job], dict[str, Any]]] = {
    "card": step_card,
    **{f"evaluate-{way}": lambda job, way=way: step_evaluate(job, way) for way in WAYS},
    "evaluate-old": step_old,
    "calibrate": step_selective,
    "daily": step_daily,
    "stress": step_stress,
    "out-of-domain": step_out_of_domain,
    "reference": step_reference,
    "faithfulness": step_faithfulness,
}
#: Steps for models that take a speaker baseline only.
WITH_BASELINE = ("evaluate-any", "evaluate-neutral", "evaluate-running", "reference")


# --- running the programs


def affekt_json(words: Sequence[str]) -> Any:
    """What a command of affekt writes with -o."""
    return _json_of([sys.executable, "-m", "affekt", *words, "-o"])


def script_json(name: str, words: Sequence[str]) -> Any:
    """What a program of benchmarks/ writes with --output."""
    return _json_of([sys.executable, str(program_path(name)), *words, "--output"])


def program_path(name: str) -> Path:
    """A program of benchmarks/."""
    return ROOT / "benchmarks" / f"{name}.py"


def _json_of(command: Sequence[str]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.json"
        click.echo(shlex.join([*command, str(path)]), err=True)
        found = subprocess.run([*command, str(path)], check=False)
        # 1: some recordings could not be read; they are named, and the rest is there.
        if found.returncode not in (0, 1) or not path.exists():
            raise click.ClickException(f"the command ended with {found.returncode}; see above.")
        return json.loads(path.read_text(encoding="utf-8"))


def graph_hash(model: str) -> str:
    """What tells a network apart from others, whatever its card says: 12 digits of the SHA-256 of the graph."""
    import onnx

    from affekt.models.zoo import model_path

    return hashlib.sha256(onnx.load(str(model_path(model))).graph.SerializeToString(deterministic=True)).hexdigest()[
        :12
    ]


# --- keeping only what the page needs


def listed(e: Mapping[str, Any] | Estimate) -> list[float]:
    """An estimate as [value, low, high, n], rounded."""
    e = e if isinstance(e, Mapping) else vars(e)
    return [round(float(e[key]), 4) + 0.0 for key in ("value", "low", "high")] + [int(e["n"])]


def evaluation(table: Mapping[str, Any]) -> dict[str, Any]:
    """Of each corpus: the metrics, the recalls, and the slices that people differ by."""
    return {
        "baseline": table["baseline"],
        "corpora": {name: _kept_of(entry) for name, entry in table["corpora"].items()},
    }


def _kept_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    main, free = entry["corpus labels"], entry["all labels"]
    kept = {
        "protocol": main["protocol"],
        "stamps": main["stamps"],
        "speakers": main["speakers"],
        "chance": round(main["chance"], 4),
        "metrics": {name: listed(main["metrics"][name]) for name in METRICS},
        "all labels": {name: listed(free["metrics"][name]) for name in FREE if name in free["metrics"]},
        "recalls": {label: listed(row["recall"]) for label, row in main["per_class"].items()},
        "slices": {
            name: listed(e) for name, e in main["slices"].items() if name.startswith(("sex=", "length=", "intensity="))
        },
        "failures": len(entry["failures"]),
    }
    if comparison := entry.get("comparison"):
        kept["gain"] = {"difference": listed(comparison["difference"]), "p": round(comparison["p_value"], 4)}
    return kept


def stressed(table: Mapping[str, Any]) -> dict[str, Any]:
    """The mean's measures, and of each corpus the UAR."""

    def points(corpora: Mapping[str, Any]) -> dict[str, Any]:
        first, *others = corpora
        mean = {key: listed(corpora[first][key]) for key in ("UAR", "difference", "changed", "silent")}
        return {first: mean, **{name: {"UAR": listed(corpora[name]["UAR"])} for name in others}}

    conditions = [
        {**{key: condition[key] for key in ("name", "title", "unit")},
         "levels": [{"level": row["level"], "corpora": points(row["corpora"])} for row in condition["levels"]]}
        for condition in table["conditions"]
    ]  # fmt: skip
    kept = {key: table[key] for key in ("model", "stamps", "protocol", "warnings", "chance")}
    return {**kept, "clean": points(table["clean"]), "conditions": conditions}


def faithfulness(table: Mapping[str, Any]) -> dict[str, Any]:
    """Mean area under the deletion curve of each order, and by how much it is more than the map's."""
    # The program lies one folder up, and is no package.
    spec = importlib.util.spec_from_file_location("faithfulness_program", program_path("faithfulness"))
    assert spec and spec.loader
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    rows = table["clips"]
    speakers = [str(row["speaker"]) for row in rows]
    column = {name: np.array([row[name] for row in rows], float) for name in (program.MAP, *program.OTHERS)}
    orders = {
        name: {
            "area": listed(program.interval(values, speakers)),
            "more": listed(program.interval(values - column[program.MAP], speakers)),
            "clips": round(float(np.mean(values > column[program.MAP])), 4),
        }
        for name, values in column.items()
    }
    return {"clips": len(rows), "speakers": len(set(speakers)), "orders": orders}


# --- what no command measures: abstention on test speakers, and groups of people


def fixed_samples(corpora: Path, side: str, clips: int | None) -> list[Sample]:
    """Labelled clips of the committed speakers of all corpora; so many of each, where a number is given."""
    from affekt.corpora import read_corpus
    from affekt.data.splits import draw_evenly, fixed_split

    found: list[Sample] = []
    for name in fixed_speakers():
        samples = getattr(fixed_split(read_corpus(name, corpora / name).samples), side)
        samples = [sample for sample in samples if sample.label is not None]
        found += draw_evenly(samples, clips, np.random.default_rng(0)) if clips else samples
    return found


def speakers_of(samples: Sequence[Sample]) -> dict[str, Sample]:
    """A clip of each speaker, one of the sex that most of their clips are filed under."""
    clips: dict[str, list[Sample]] = {}
    for sample in samples:
        clips.setdefault(f"{sample.corpus}/{sample.speaker}", []).append(sample)
    return {
        speaker: max(found, key=lambda one, found=found: sum(one.sex == other.sex for other in found))
        for speaker, found in clips.items()
    }


def selective(logits: Mapping[str, Any], card: Any) -> dict[str, Any]:
    """How well threshold and label sets hold, by side and corpus; reliability; risk over coverage of test speakers."""
    from affekt.evaluate.card_fit import calibration_scores
    from affekt.metrics.selective import risk_coverage

    kept: dict[str, Any] = {"coverage": COVERAGE, "threshold": card.threshold, "reliability": {}, "curves": {}}
    for side, clips in logits.items():
        # A card that was never calibrated has no sets to evaluate.
        rows = (
            calibration_scores(clips, card, coverage=COVERAGE, rng=np.random.default_rng(0)) if card.conformal else {}
        )
        kept[side] = {
            name: {"speakers": e.speakers, **{key: listed(getattr(e, key)) for key in SELECTIVE}}
            for name, e in rows.items()
        }
        bins = clips.reliability(card.temperature)
        kept["reliability"][side] = [[round(c, 4), round(a, 4), n] for c, a, n in bins]
    for name, part in logits["test"].by_corpus().items():
        curve = risk_coverage(part.truth, part.scores(card.temperature))
        rows = np.unique(np.linspace(0, len(curve.coverage) - 1, POINTS).round().astype(int))
        kept["curves"][name] = {
            "area": round(curve.area, 4),
            "coverage": curve.coverage[rows].round(4).tolist(),
            "risk": curve.risk[rows].round(4).tolist(),
        }
    return kept


SELECTIVE = ("ece", "precision", "coverage", "set_coverage", "set_size")


def fairness(clips: Any, people: Mapping[str, Sample], temperature: float) -> dict[str, Any]:
    """UAR of women and men, where there are ten clips of each, and of every speaker; among their corpus's labels."""
    from affekt.metrics.intervals import FEWEST_SPEAKERS
    from affekt.metrics.slices import LEAST

    parts = {name: part for name, part in clips.by_corpus().items() if name != "all"}
    corpora, drawn = {}, {}
    for name, part in parts.items():
        given = answers(part, name, temperature)
        sexes = [people[str(speaker)].sex for speaker in part.speakers]
        corpora[name] = {"speakers": _by_speaker(part, given, people)}
        if min(sexes.count(sex) for sex in ("female", "male")) >= LEAST:
            found = _by_sex(part, given, sexes)
            counts = [len({s for s, other in zip(part.speakers, sexes, strict=True) if other == sex}) for sex in found]
            corpora[name]["sex"] = {**_gap([found]), "speakers": counts}
            if min(counts) >= FEWEST_SPEAKERS:
                drawn[name] = found
    return {"corpora": corpora, "both": list(drawn), "mean": _gap(list(drawn.values())) if drawn else {}}


def answers(part: Any, corpus: str, temperature: float) -> list[str | None]:
    """The best label of each clip among those that its corpus has; None where there is no speech."""
    from affekt.evaluate.corpus import TestSet, restriction

    chosen = restriction(TestSet(corpus, ()), part.labels)
    rows = [chosen.apply(row) if row else {} for row in part.scores(temperature)]
    return [max(row, key=row.__getitem__) if row else None for row in rows]


def _by_speaker(part: Any, given: Sequence[str | None], people: Mapping[str, Sample]) -> list[list[Any]]:
    """Rows of speaker, sex, age or None, and UAR; speakers with fewer than ten clips or one label get no UAR."""
    from affekt.metrics.intervals import bootstrap
    from affekt.metrics.labels import unweighted_recall
    from affekt.metrics.slices import LEAST

    found = []
    for speaker in sorted(set(part.speakers)):
        rows = [i for i, other in enumerate(part.speakers) if other == speaker]
        truth = [part.truth[i] for i in rows]
        known = people[speaker]
        uar = None
        if len(rows) >= LEAST and len(set(truth)) > 1:
            answered = [given[i] for i in rows]
            rng = np.random.default_rng(0)
            uar = listed(bootstrap(unweighted_recall, truth, answered, groups=[speaker] * len(rows), rng=rng))
        found.append([speaker.partition("/")[2], known.sex, known.meta.get("age"), len(rows), uar])
    return found


def _by_sex(part: Any, given: Sequence[str | None], sexes: Sequence[str | None]) -> dict[str, tuple[Any, Any, int]]:
    """For each sex: UAR (1,), draws of it (draws,) over speakers of that sex, and clips."""
    from affekt.metrics.intervals import resample
    from affekt.metrics.labels import OF_TALLIES, tallies, unweighted_recall

    found = {}
    for sex in ("female", "male"):
        rows = [i for i, other in enumerate(sexes) if other == sex]
        counts = tallies([part.truth[i] for i in rows], [given[i] for i in rows])
        groups = [part.speakers[i] for i in rows]
        drawn = resample(counts, OF_TALLIES[unweighted_recall], groups, rng=np.random.default_rng(0))
        found[sex] = (*drawn, len(rows))
    return found


def _gap(corpora: Sequence[Mapping[str, tuple[Any, Any, int]]]) -> dict[str, list[float]]:
    """UAR of women, of men, and women minus men: means over corpora, the same weight each."""
    from affekt.metrics.intervals import estimates

    whole, drawn, count = {}, {}, {}
    for sex in ("female", "male"):
        whole[sex], drawn[sex] = (np.mean([entry[sex][i] for entry in corpora], axis=0) for i in (0, 1))
        count[sex] = sum(entry[sex][2] for entry in corpora)
    for table in (whole, drawn):
        table["difference"] = table["female"] - table["male"]
    count["difference"] = count["female"] + count["male"]
    return {name: listed(estimates(whole[name], drawn[name], [count[name]])[0]) for name in whole}


# --- protocols


def keep_protocols(folder: Path, keep: Path) -> list[str]:
    """Copy the rows that `affekt protocol` wrote, rounded; names of those that are there."""
    found = []
    for name in PROTOCOLS:
        if (path := folder / f"{name}.json").exists():
            rows = json.loads(path.read_text(encoding="utf-8"))
            for row in rows:
                row["metrics"] = {metric: listed(e) for metric, e in row["metrics"].items()}
                row["worst_speaker"]["UAR"] = round(row["worst_speaker"]["UAR"], 4)
            _write(keep / f"protocol-{name}.json", rows)
            found.append(name)
    return found


def _write(path: Path, table: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dense(table) + "\n", encoding="utf-8")


def dense(value: Any, depth: int = 1) -> str:
    """JSON with a line for each key, and lists of numbers and words on one line."""
    inner, outer = "\n" + depth * " ", "\n" + (depth - 1) * " "
    if isinstance(value, Mapping) and value:
        rows = (f"{json.dumps(str(key), ensure_ascii=False)}: {dense(v, depth + 1)}" for key, v in value.items())
        return f"{{{inner}{f',{inner}'.join(rows)}{outer}}}"
    if isinstance(value, list) and any(isinstance(entry, (list, Mapping)) for entry in value):
        rows = (dense(entry, depth + 1) for entry in value)
        return f"[{inner}{f',{inner}'.join(rows)}{outer}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


@click.group()
def main() -> None:
    """Measure a voice model, and write its card page."""


@main.command()
@click.option("--corpora", type=click.Path(exists=True, path_type=Path), help="Folder of the corpora by name.")
@click.option("--sounds", type=click.Path(exists=True, path_type=Path), help="Folder of ESC-10.")
@click.option("--model", default="voice", show_default=True, help="With --keep also a FILE.onnx that may follow it.")
@click.option("--old", type=click.Path(exists=True, path_type=Path), help="ONNX file of the model before.")
@click.option("--daily", type=click.Path(exists=True, path_type=Path), help="Folder of EmoSpeech.")
@click.option("--protocols", type=click.Path(exists=True, path_type=Path), help="Where affekt protocol wrote its JSON.")
@click.option("--only", multiple=True, type=click.Choice([*STEPS, "protocols"]), help="By default all that can be run.")
@click.option("--clips", type=int, help="Of each corpus, for stress, reference, calibrate: to try them.")
@click.option("--jobs", default=2, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Another folder for the JSON.")
def run(only: tuple[str, ...], **given: Any) -> None:
    """Measure, and keep the figures."""
    given["keep"] = given["keep"] or KEPT / given["model"]
    job = Job(**given)
    for name, step in STEPS.items():
        if not only or name in only:
            _run_step(name, step, job)
    if job.protocols and (not only or "protocols" in only):
        click.echo(f"protocols: {', '.join(keep_protocols(job.protocols, job.keep)) or 'none there'}")


def _run_step(name: str, step: Callable[[Job], dict[str, Any]], job: Job) -> None:
    from affekt.models.onnx import read_card
    from affekt.models.zoo import model_path

    if name in WITH_BASELINE and not read_card(model_path(job.model)).baseline:
        click.echo(f"{name}: {job.model} takes no speaker baseline; left out.", err=True)
        return
    try:
        tables = step(job)
    except NotGiven as error:
        click.echo(f"{name}: {error.message}; left out.", err=True)
        return
    for file, table in tables.items():
        of = {"of": graph_hash(job.model)}
        if name == "evaluate-old":  # of the model before, and of how much the model is better
            of = {"of": graph_hash(str(job.old)), "beside": graph_hash(job.model)}
        _write(job.keep / f"{file}.json", {**of, **table})
        click.echo(f"kept {job.keep / file}.json")


@main.command()
@click.option("--model", type=click.Choice(MODELS), default="voice", show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Another folder of the JSON.")
@click.option(
    "--docs", type=click.Path(path_type=Path), default=ROOT / "docs", help="Another folder for page, figures."
)
def write(model: str, keep: Path | None, docs: Path) -> None:
    """Make the page and its figures from what was kept."""
    import figures as pictures
    import page

    folder = keep or KEPT / model
    if not (folder / "card.json").exists():
        # The page is about a model even where nothing was measured yet.
        _run_step("card", step_card, Job(model, None, None, None, None, None, 1, folder))
    kept = page.read_kept(folder)
    if page.model_of(kept) != model:
        raise click.ClickException(
            f"{folder} holds figures of {page.model_of(kept)}, not of {model}; name that with --model."
        )
    path = docs / "model-cards" / f"{model}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page.text(kept, page.kept_before(model, KEPT)), encoding="utf-8")
    for name, figure in pictures.figures(kept).items():
        figure.savefig(docs / name, dpi=pictures.DPI)
        click.echo(f"{docs / name}: {(docs / name).stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
