"""Protocols of the voice model: scores of its recipe on unseen speakers, sentences and corpora.

One pass over the other corpora serves several protocols: the network that has
not met RAVDESS is tested on all of it (``left-out``), and is where the folds of
RAVDESS start from.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from affekt._files import atomic_write
from affekt.corpora import read_corpus
from affekt.data.splits import fixed_split
from affekt.errors import InputError, UnknownName
from affekt.metrics.calibration import fit_temperature
from affekt.metrics.report import report
from affekt.models.onnx import softmax
from affekt.speech.network import BASELINES, PooledNetwork
from affekt.train.recipe import (
    AnyVoice,
    FrozenRecipe,
    Recipe,
    Teaching,
    WhisperRecipe,
    recipe_digest,
    save_recipe,
)
from affekt.train.sources import Sources
from affekt.train.voice.clips import load_clips
from affekt.train.voice.distil import distil
from affekt.train.voice.heads import taught
from affekt.train.voice.loop import Material, Trainer, between, clip_embeddings, clip_logits, corpus_recalls, train
from affekt.train.voice.networks import measure_of, taught_frames
from affekt.train.voice.run import changes_of, material_of, second_stage, speech_only, thawed
from affekt.types import Report, Sample
from affekt.write.report import estimate_record, worst_speaker

Tell = Callable[[str], None]
#: The labels that most corpora share, and that most published figures across corpora are about.
FOUR = ("angry", "happy", "neutral", "sad")


@dataclass(frozen=True)
class Plan:
    """Whom a protocol tests, and what the tested model learned from.

    Parameters
    ----------
    corpus : str
        Whose folds.
    by : str
        ``speaker``: the committed folds. ``sentence``: the same, and one
        sentence is trained on and the other tested, both ways.
    start : bool
        Whether the other corpora may come first.
    words : str
        For the report.
    """

    corpus: str
    by: str = "speaker"
    start: bool = True
    words: str = ""


OTHERS_FIRST = "the other corpora first if some of the training speakers do better so, then the training folds"
PLANS: Mapping[str, Plan] = {
    "ravdess": Plan("ravdess", words=f"EmoBox's six speaker folds; {OTHERS_FIRST}"),
    "ravdess-scratch": Plan(
        "ravdess", start=False, words="EmoBox's six speaker folds; trained on RAVDESS from scratch"
    ),
    "savee": Plan("savee", words=f"EmoBox's four speaker folds; {OTHERS_FIRST}"),
    "tess": Plan("tess", words="each actress unseen; the other corpora first, then the other actress"),
    "ravdess-sentences": Plan(
        "ravdess", "sentence", words=f"six speaker folds, and the sentence unseen, too; {OTHERS_FIRST}"
    ),
}
LEFT_OUT = "left-out"
#: Of a recipe over Whisper's layers, whose second stage costs as much for each fold as the model itself.
FROZEN = "; heads only, the encoder as Whisper left it"
#: Of one that learned from Whisper.
TAUGHT = "; heads only, the encoder as its teacher taught it"
DISTILLED = (
    "; before that, {steps:,} steps of distillation from a teacher, without labels, "
    "on recordings of none of the tested corpora"
)
#: In place of a corpus.
UNLABELLED = "unlabelled"
TUNED = "; heads first, then {epochs} of the encoder, too"
#: Shares of the way that are tried, and one training speaker of how many evaluates them.
WAYS, ONE_OF = (0.0, 0.25, 0.5, 0.7, 0.85, 1.0), 5
#: In how many ways a clip is changed under a frozen encoder, which has to hear each of them.
KEPT_WAYS = 2
#: Decay of the running average of weights in a short run, which must not be averaged over all of itself.
AVERAGING = 0.99
#: In place of a share: the fold is trained from scratch.
SCRATCH = None


@dataclass(frozen=True)
class Budget:
    """How long the parts of a protocol are trained.

    Parameters
    ----------
    seeds : int
        How often each fold is trained, each time from another seed.
    others : int
        Epochs over the other corpora.
    folds : int
        Epochs over the training folds, from the weights after the others or from scratch.
    batch : int
        Clips of a batch of the folds: they are few, and steps are needed.
    rate : float
        Share of the recipe's learning rates, over the training folds after the others.
    way : float
        How far to go from the weights after the other corpora to those after the folds; 0: within each fold, some of
        its training speakers choose among ``WAYS`` and training from scratch.
    tuned : int
        Of a recipe over Whisper's layers: epochs of its second stage over the training folds, or over the other
        corpora of ``left-out``; 0: heads only.
    """

    seeds: int = 1
    others: int = 10
    folds: int = 30
    batch: int = 32
    rate: float = 0.3
    way: float = 0.0
    tuned: int = 0


@dataclass(frozen=True)
class Job:
    """A recipe with its recordings and the folder of the run.

    Parameters
    ----------
    recipe : Recipe
    sources : Sources
    output : Path
    budget : Budget
    tell : callable
        Takes a line of progress.
    only : tuple of str
        Of ``left-out``: which corpora; by default all, one after the other.
    """

    recipe: AnyVoice
    sources: Sources
    output: Path
    budget: Budget
    tell: Tell
    only: tuple[str, ...] = ()

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """All labelled clips of the recipe's corpora, in order."""
        read = [s for name in self.recipe.corpora for s in read_corpus(name, self.sources.corpora[name]).samples]
        return tuple(sample for sample in read if sample.label is not None)

    @cached_property
    def material(self) -> Material:
        """The same clips, their features."""
        cache = self.output / "cache"
        changes, recipe = changes_of(self.recipe, self.sources, cache), self.recipe
        if isinstance(recipe, FrozenRecipe):
            measure = taught_frames(recipe, self.distilled or {})
            changes = replace(changes, ways=min(changes.ways, KEPT_WAYS))
        else:
            measure = measure_of(recipe, self.sources.teacher)
        return material_of(self.samples, self.recipe, cache, changes, measure=measure)

    @cached_property
    def tuning_material(self) -> Material:
        """The same clips, as the second stage over Whisper's layers takes them."""
        cache, recipe = self.output / "cache", self.recipe
        if isinstance(recipe, WhisperRecipe):
            recipe = second_stage(recipe)
        changes = changes_of(recipe, self.sources, cache)
        return material_of(self.samples, recipe, cache, changes, measure=measure_of(recipe, self.sources.teacher))

    @cached_property
    def distilled(self) -> Mapping[str, torch.Tensor] | None:
        """What a network that has a teacher starts from; another list of recordings is another folder."""
        if not isinstance(self.recipe, Recipe) or not self.recipe.distillation.steps:
            return None
        listed = json.dumps(sorted(map(str, self.sources.unlabelled)))
        output = self.output / f"distilled-{hashlib.sha256(listed.encode()).hexdigest()[:12]}"
        # Of no corpus, so that every head starts anew wherever this is the start.
        recipe = self.recipe.whole if isinstance(self.recipe, FrozenRecipe) else self.recipe
        recipe = replace(recipe, corpora=(UNLABELLED,))
        save_recipe(recipe, output)
        clips = load_clips(self.sources.unlabelled, output / "cache", trim=speech_only, unread=self.tell)
        changes = changes_of(recipe, self.sources, output / "cache")
        return distil(recipe, ([clips], changes, self.sources.teacher), output, report=self.tell)

    def rows(self, samples: Sequence[Sample]) -> NDArray[np.int64]:
        """Where samples stand in the material."""
        place = {sample.id: i for i, sample in enumerate(self.samples)}
        return np.array([place[sample.id] for sample in samples], np.int64)


def run_protocol(name: str, job: Job) -> list[dict[str, Any]]:
    """Run a protocol, or go on with an interrupted one.

    Parameters
    ----------
    name : str
        A key of ``PLANS``, or ``left-out``.
    job : Job

    Returns
    -------
    list of dict
        One row for each kind of speaker baseline (and corpus, and set of
        labels): ``protocol``, ``corpus``, ``baseline``, ``labels``, ``metrics``, and a digest of the ``recipe``.
        Also written to ``NAME.json`` in the folder of the run.

    Raises
    ------
    InputError
        If the protocol does not exist, or a corpus of the recipe has no folder.
    """
    if name not in (*PLANS, LEFT_OUT):
        raise InputError(f"protocol is {name!r}; allowed: {', '.join((*PLANS, LEFT_OUT))}.")
    if name != LEFT_OUT and not PLANS[name].start:
        job = replace(job, recipe=replace(job.recipe, corpora=(PLANS[name].corpus,)))
    if isinstance(job.recipe, Recipe) and job.recipe.distillation.steps and not job.sources.unlabelled:
        job.tell("without --unlabelled nothing is learned from a teacher: the tested corpora may not be heard for it")
        job = replace(job, recipe=replace(job.recipe, distillation=Teaching()))
    missing = [corpus for corpus in job.recipe.corpora if corpus not in job.sources.corpora]
    if missing:
        raise InputError(f"the protocol {name} needs {', '.join(missing)}: add --corpus NAME=PATH for each.")
    if isinstance(job.recipe, Recipe) and job.recipe.distillation.steps:
        _check_unlabelled(job)
    rows = _left_out_rows(job) if name == LEFT_OUT else _fold_rows(name, PLANS[name], job)
    with atomic_write(job.output / f"{name}.json") as file:
        file.write(json.dumps(rows, indent=1) + "\n")
    return rows


def _check_unlabelled(job: Job) -> None:
    """Refuse to hear, without labels, what is tested; before anything is computed."""
    if not job.sources.teacher:
        raise InputError(
            f"{job.recipe.name} learns from a teacher first: add --teacher FILE, or leave --unlabelled out."
        )
    folders = {Path(folder).resolve(): name for name, folder in job.sources.corpora.items()}
    tested = {Path(sample.path).resolve(): sample.corpus for sample in job.samples}
    for path in map(Path, job.sources.unlabelled):
        where = path.resolve()
        found = tested.get(where) or next((folders[folder] for folder in where.parents if folder in folders), None)
        if found:
            raise InputError(f"--unlabelled: {path} is of {found}, which is tested; leave it out.")


def _left_out_rows(job: Job) -> list[dict[str, Any]]:
    strangers = set(job.only) - set(job.recipe.corpora)
    if strangers:
        raise UnknownName("corpus of the recipe", sorted(strangers)[0], job.recipe.corpora)
    kept = job.output / f"{LEFT_OUT}.json"
    chosen = job.only or job.recipe.corpora
    before = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else []
    rows = [row for row in before if row["corpus"] not in chosen]
    if others := sorted({row["corpus"] for row in rows if row.get("tuned", 0) != job.budget.tuned}):
        raise InputError(
            f"{kept} holds {', '.join(others)} with another --tuned, and one mean must not be of both; choose another "
            "output folder, or run all corpora."
        )
    for corpus in chosen:
        network, temperature = without(corpus, job, tuned=job.budget.tuned)
        tested = np.array([i for i, sample in enumerate(job.samples) if sample.corpus == corpus])
        words = f"a corpus never met{_stages(job.recipe, job.budget.tuned)}"
        material = job.tuning_material if job.budget.tuned else job.material
        fold = _TestedFold(job, network, tested, temperature, material)
        rows += _rows(LEFT_OUT, corpus, [fold], words=words)
        job.tell(_told(rows[-6:] if rows[-1]["labels"] == "four" else rows[-3:]))
    return rows


def _fold_rows(name: str, plan: Plan, job: Job) -> list[dict[str, Any]]:
    state = without(plan.corpus, job)[0].state_dict() if plan.start else None
    tested, chosen = [], list[float | None]()
    for seed in range(1, job.budget.seeds + 1):
        for fold, (learned, held) in fold_rows(plan, job.samples).items():
            part = _Fold(plan, seed, learned, job.output / name / f"{fold}-seed{seed}")
            way = _way(part, job, state)
            network, material = _learned(part, job, None if way is SCRATCH else state, way)
            if part.can_choose(job):
                chosen.append(way)
            tested.append(_TestedFold(job, network, held, 1.0, material))
            job.tell(f"{name} {fold} seed {seed}: {_told(_rows(name, plan.corpus, tested[-1:]))}")
    words = f"{plan.words}{_stages(job.recipe, job.budget.tuned)}"
    facts = {"chosen": len(chosen), "alone": sum(way is SCRATCH for way in chosen)} if chosen else {}
    rows = [row | facts for row in _rows(name, plan.corpus, tested, words=words, seeds=job.budget.seeds)]
    job.tell(_told(rows))
    return rows


def _stages(recipe: AnyVoice, epochs: int = 0) -> str:
    if not isinstance(recipe, WhisperRecipe):
        words = DISTILLED.format(steps=recipe.distillation.steps) if recipe.distillation.steps else ""
        return words + TAUGHT if isinstance(recipe, FrozenRecipe) else words
    return TUNED.format(epochs="1 epoch" if epochs == 1 else f"{epochs} epochs") if epochs else FROZEN


@dataclass(frozen=True)
class _Fold:
    """One fold of a plan, trained once: its seed, the rows that it learns from, and its folder."""

    plan: Plan
    seed: int
    learned: NDArray[np.int64]
    output: Path

    def can_choose(self, job: Job) -> bool:
        """Whether it is open how far to go, and there are speakers to choose by."""
        is_open = self.plan.start and not job.budget.way
        return is_open and len(np.unique(job.material.speakers[self.learned])) > 1

    def recipe(self, job: Job, *, clips: int, start: bool) -> AnyVoice:
        """What is trained for the training folds: from what other corpora left, or from scratch."""
        schedule, share = job.recipe.schedule, job.budget.rate if start else 1.0
        averaging = 0.98 if start else AVERAGING
        schedule = replace(schedule, epochs=job.budget.folds, clips=clips, batch=job.budget.batch)
        schedule = replace(schedule, averaging=averaging, learning_rate=share * schedule.learning_rate)
        schedule = replace(schedule, encoder_rate=share * schedule.encoder_rate)
        return replace(job.recipe, corpora=(self.plan.corpus,), schedule=schedule, seed=self.seed)


def _way(fold: _Fold, job: Job, state: Mapping[str, torch.Tensor] | None) -> float | None:
    """How much of the way from what the other corpora left is gone; ``SCRATCH``: they play no part."""
    if state is None:
        return SCRATCH
    if job.budget.way:
        return job.budget.way
    if not fold.can_choose(job):
        job.tell(f"{fold.output.name}: all of the way, for there is one training speaker and nobody to choose by")
        return 1.0
    return _chosen_way(fold, job, state)


def _learned(
    fold: _Fold, job: Job, state: Mapping[str, torch.Tensor] | None, way: float | None
) -> tuple[PooledNetwork, Material]:
    """The network of a fold, and the material that it takes."""
    learned, output = fold.learned, fold.output
    recipe = fold.recipe(job, clips=len(learned), start=state is not None)
    network = _trained(recipe, job, learned, output, state=state, way=1.0 if way is SCRATCH else way)
    if not isinstance(recipe, WhisperRecipe) or not job.budget.tuned:
        return network, job.material
    tuning = second_stage(recipe)
    schedule = replace(tuning.schedule, epochs=job.budget.tuned, clips=len(learned), batch=job.budget.batch)
    tuning = replace(tuning, schedule=replace(schedule, averaging=recipe.schedule.averaging))
    whole = thawed(network, recipe, job.sources.teacher).state_dict()
    network = _trained(tuning, job, learned, output / "tuned", state=whole, way=recipe.share)
    return network, job.tuning_material


def without(corpus: str, job: Job, *, tuned: int = 0) -> tuple[PooledNetwork, float]:
    """The network that learned from the training speakers of the other corpora, and its temperature on dev speakers.

    ``tuned``: epochs of the second stage, of a recipe over Whisper's layers.
    """
    corpora = tuple(name for name in job.recipe.corpora if name != corpus)
    schedule = replace(job.recipe.schedule, epochs=job.budget.others)
    recipe: AnyVoice = replace(job.recipe, corpora=corpora, name=f"without-{corpus}", schedule=schedule)
    split = fixed_split([sample for sample in job.samples if sample.corpus != corpus])
    learned, dev = job.rows(split.train), job.rows(split.dev)
    output, judges = job.output / LEFT_OUT / f"without-{corpus}", dev if len(dev) else None
    network, material = _trained(recipe, job, learned, output, dev=judges, teach=True), job.material
    if tuned and isinstance(recipe, WhisperRecipe):
        whole = thawed(network, recipe, job.sources.teacher).state_dict()
        material = job.tuning_material
        recipe = second_stage(recipe)
        recipe = replace(recipe, schedule=replace(recipe.schedule, epochs=tuned, averaging=AVERAGING))
        network = _trained(
            recipe, job, learned, output / "tuned", dev=judges, state=whole, way=recipe.share, teach=True
        )
    if not len(dev):
        return network, 1.0
    return network, fit_temperature(clip_logits(network, material.take(dev)), job.material.labels[dev])


def fold_rows(plan: Plan, samples: Sequence[Sample]) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows to learn from and rows to test, by fold.

    Raises
    ------
    InputError
        If a speaker of the corpus is in no fold.
    """
    table = tomllib.loads((files("affekt.data") / "folds.toml").read_text(encoding="utf-8"))[plan.corpus]
    of_corpus = [i for i, sample in enumerate(samples) if sample.corpus == plan.corpus]
    fold_of = {speaker: fold for fold, speakers in table.items() for speaker in speakers}
    strangers = {samples[i].speaker for i in of_corpus} - set(fold_of)
    if strangers:
        raise InputError(f"{plan.corpus}: speakers in no fold: {', '.join(sorted(map(str, strangers)))}.")
    sentences = sorted({str(samples[i].sentence) for i in of_corpus}) if plan.by == "sentence" else [""]
    found = {}
    for fold in table:
        for sentence in sentences:
            held = [i for i in of_corpus if fold_of[str(samples[i].speaker)] == fold]
            learned = [i for i in of_corpus if fold_of[str(samples[i].speaker)] != fold]
            if sentence:
                held = [i for i in held if samples[i].sentence == sentence]
                learned = [i for i in learned if samples[i].sentence != sentence]
            if held and learned:
                found[f"fold{fold}{sentence and f'-sentence{sentence}'}"] = (np.array(learned), np.array(held))
    return found


def _trained(
    recipe: AnyVoice,
    job: Job,
    learned: NDArray[np.int64],
    output: Path,
    *,
    dev: NDArray[np.int64] | None = None,
    state: Mapping[str, torch.Tensor] | None = None,
    way: float = 1.0,
    teach: bool = False,
) -> PooledNetwork:
    """Train on rows of the material, or open what was trained before; folds have too few speakers to teach heads."""
    save_recipe(recipe, output)
    is_tuning = isinstance(recipe, WhisperRecipe) and not recipe.frozen
    material = _of_corpora(job.tuning_material if is_tuning else job.material, job.recipe, recipe)
    trainer = Trainer(recipe, material.take(learned), state=job.distilled if state is None else state)
    train(trainer, None if dev is None else material.take(dev), output, report=job.tell)
    learned_state = torch.load(output / "best.pt", weights_only=True)
    if state is not None:
        head = recipe.share if isinstance(recipe, WhisperRecipe) and is_tuning else 1.0
        learned_state = between(state, learned_state, way, head=head)
    trainer.averaged.load_state_dict(learned_state)
    return taught(trainer.averaged, trainer.material, recipe, output) if teach else trainer.averaged.eval()


def _chosen_way(fold: _Fold, job: Job, state: Mapping[str, torch.Tensor]) -> float | None:
    """What is best for one in five of the training speakers, after training on the others.

    A share of the way from what the other corpora left, or ``SCRATCH``: they are of no use.
    """
    learned, output = fold.learned, fold.output
    speakers = job.material.speakers[learned]
    judges = np.isin(speakers, np.unique(speakers)[::ONE_OF])
    clips = int((~judges).sum())
    inner = fold.recipe(job, clips=clips, start=True)
    network = _trained(inner, job, learned[~judges], output / "inner", state=state)
    end = {name: value.clone() for name, value in network.state_dict().items()}
    material = _of_corpora(job.material, job.recipe, inner).take(learned[judges])
    recalls: dict[float | None, float] = {}
    for way in WAYS:
        network.load_state_dict(between(state, end, way, head=1.0))
        (recalls[way],) = corpus_recalls(clip_logits(network, material), material, inner.corpora).values()
    anew = fold.recipe(job, clips=clips, start=False)
    network = _trained(anew, job, learned[~judges], output / "inner-scratch")
    (recalls[SCRATCH],) = corpus_recalls(clip_logits(network, material), material, inner.corpora).values()
    best = max((*WAYS, SCRATCH), key=lambda way: (recalls[way], -1 if way is SCRATCH else way))
    words = {way: "without the other corpora" if way is SCRATCH else f"{way:g} of the way" for way in recalls}
    told = ", ".join(f"{words[way]}: {recall:.3f}" for way, recall in recalls.items())
    job.tell(f"{output.name}: {words[best]}, by UAR of {len(set(speakers[judges]))} training speakers ({told})")
    return best


def _of_corpora(material: Material, recipe: AnyVoice, other: AnyVoice) -> Material:
    """The material with corpora numbered as in another recipe; of corpora that it lacks no clip may be taken."""
    place = np.array([other.corpora.index(name) if name in other.corpora else -1 for name in recipe.corpora])
    allowed = np.stack([material.allowed[recipe.corpora.index(name)] for name in other.corpora])
    return replace(material, corpora=place[material.corpora], allowed=allowed)


@dataclass(frozen=True)
class _TestedFold:
    """A network, the rows that it may be tested on, and the material that it takes."""

    job: Job
    network: PooledNetwork
    rows: NDArray[np.int64]
    temperature: float
    material: Material

    @cached_property
    def embeddings(self) -> torch.Tensor:
        return clip_embeddings(self.network, self.material.take(self.rows))

    def probabilities(self, labels: Sequence[str], baseline: str | None) -> tuple[list[Sample], NDArray[np.float64]]:
        """Samples with one of the labels, and the probabilities (n, k) among those labels."""
        recipe, material = self.job.recipe, self.material.take(self.rows)
        columns = [recipe.labels.index(label) for label in labels]
        kept = np.isin(material.labels, columns)
        # Who knows the speaker knows all of their clips, those of other emotions, too.
        logits = clip_logits(self.network, material, embeddings=self.embeddings, baseline=baseline)
        samples = [self.job.samples[row] for row in self.rows[kept]]
        return samples, softmax(logits[kept][:, columns] / self.temperature)


def _rows(
    protocol: str, corpus: str, tested: Sequence[_TestedFold], *, words: str = "", seeds: int = 1
) -> list[dict[str, Any]]:
    """Reports of all tested rows together: one for each set of labels and each kind of speaker baseline."""
    job = tested[0].job
    index = job.recipe.corpora.index(corpus)
    own = tuple(label for label, has in zip(job.recipe.labels, job.material.allowed[index], strict=True) if has)
    found = []
    sets = {"all": own, "four": tuple(label for label in FOUR if label in own)}
    for name, labels in sets.items():
        if (name == "four" and protocol != LEFT_OUT) or len(labels) < 3:
            continue
        for baseline in (None, *BASELINES):
            parts = [part.probabilities(labels, baseline) for part in tested]
            samples = [sample for part, _ in parts for sample in part]
            scores = np.concatenate([values for _, values in parts])
            found_report = _report(samples, scores, labels, protocol=f"{corpus}: {words}")
            row = {"protocol": protocol, "corpus": corpus, "baseline": baseline or "none", "labels": name}
            facts = {"classes": list(labels), "seeds": seeds, "words": words, "recipe": recipe_digest(job.recipe)}
            epochs = {"others": job.budget.others, "epochs": job.budget.folds}
            if isinstance(job.recipe, WhisperRecipe):
                epochs["tuned"] = job.budget.tuned
                facts |= {"share": job.recipe.share} if job.budget.tuned else {}
            found.append({**row, **facts, **epochs, **_numbers(found_report)})
    return found


def _report(samples: Sequence[Sample], scores: NDArray[np.float64], labels: Sequence[str], *, protocol: str) -> Report:
    given = [labels[i] for i in scores.argmax(axis=1)]
    rng = np.random.default_rng(0)
    return report(samples, given, rng=rng, protocol=protocol, scores=scores, labels=labels)


def _numbers(report: Report) -> dict[str, Any]:
    metrics = {name: estimate_record(report.metrics[name]) for name in ("UAR", "WA", "macro F1", "ECE")}
    worst = worst_speaker(report)
    named = {"speaker": worst[0], "UAR": worst[1].value} if worst else None
    return {"speakers": report.speakers, "metrics": metrics, "worst_speaker": named}


def _told(rows: Sequence[Mapping[str, Any]]) -> str:
    def one(row: Mapping[str, Any]) -> str:
        uar = row["metrics"]["UAR"]
        return (
            f"{row['labels']}, baseline {row['baseline']}: UAR {uar['value']:.3f} [{uar['low']:.3f}, {uar['high']:.3f}]"
        )

    return f"{rows[0]['corpus']}: " + "; ".join(map(one, rows))
