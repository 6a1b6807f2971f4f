"""The recipe ``dimensions``: regression of people's ratings, evaluated on held-out speakers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affekt._files import atomic_write
from affekt._optional import require
from affekt.corpora import read_corpus
from affekt.corpora.pictures import is_picture
from affekt.data.audit import Evidence, audit_folds
from affekt.data.findings import Finding, stamps
from affekt.data.numbers import SCALE, has_number, number_of, numbered
from affekt.data.splits import Split, folds
from affekt.errors import AffektError, InputError, UnknownName
from affekt.labels import DIMENSIONS
from affekt.metrics.dimensions import dimension_metrics
from affekt.metrics.intervals import FEWEST_SPEAKERS
from affekt.metrics.slices import speaker_of
from affekt.models.onnx import Model
from affekt.models.zoo import load_model
from affekt.speech.inputs import Inputs
from affekt.speech.stretch import read_stretch
from affekt.speech.waveform import RATE, VoiceModel
from affekt.train.lab.dimensions_recipe import EMBEDDING, DimensionRecipe, parts_of
from affekt.train.lab.experiment import Experiment
from affekt.train.lab.material import cache_key, check_unread, load_material
from affekt.train.lab.regressors import answers, chosen_strength, fitted
from affekt.types import Estimate, Report, Sample

#: An embedding is the mean over at most so many seconds of a clip.
LONGEST = 60
#: Name of the baseline that always answers with the mean of the training clips.
MEAN = "mean of the training clips"
Tick = Callable[[], object]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """Clips with their features and the numbers that people gave them.

    Parameters
    ----------
    samples : tuple of Sample, shape (n,)
    names : tuple of str
        Dimensions that at least one clip has a number of.
    numbers : float64 array, shape (n, len(names))
        -1 to 1; NaN where a clip has none.
    features : mapping of str to float32 array, shape (n, d)
        By the name of the set.
    unread : tuple of str
        ``path: reason`` of clips that could not be read.
    """

    samples: tuple[Sample, ...]
    names: tuple[str, ...]
    numbers: Numbers
    features: Mapping[str, NDArray[np.float32]]
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class DimensionRun:
    """The results of the models of a recipe.

    Parameters
    ----------
    recipe : DimensionRecipe
    table : Table
    splits : tuple of Split
    reports : mapping of str to Report
        By model; the last one is :data:`MEAN`, which any model must beat.
    strengths : mapping of str to tuple of mapping
        By model and fold, how strongly each dimension's regressor is regularised.
    warnings : tuple of str
    """

    recipe: DimensionRecipe
    table: Table
    splits: tuple[Split, ...]
    reports: Mapping[str, Report]
    strengths: Mapping[str, tuple[Mapping[str, float], ...]]
    warnings: tuple[str, ...] = ()


def read_numbered(
    folders: Mapping[str, Path], *, scale: tuple[float, float] = SCALE
) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
    """The recordings of some corpora that have a number, and warnings about them.

    Raises
    ------
    InputError
        If there are none, a value is not a number or is off the scale, or they are pictures.
    CorpusError
        If a folder is not what it should be.
    """
    samples: list[Sample] = []
    warnings: list[str] = []
    for name, path in folders.items():
        reading = read_corpus(name, path)
        samples += reading.samples
        warnings += [f"{name}: {line}" for line in reading.warnings if "label" not in line and "class" not in line]
    names = numbered(samples)
    kept = tuple(s for s in samples if any(has_number(s, name) for name in names))
    if not kept:
        columns = sorted({key for sample in samples for key in sample.meta})
        raise InputError(
            f"none of {len(samples)} clips has a number for valence, arousal or dominance: give a table with such "
            f"columns. Other columns here: {', '.join(columns) or 'none'}. For labels: affekt train RECIPE, of affekt "
            "recipes."
        )
    if any(is_picture(sample) for sample in kept):
        raise InputError("the recipe dimensions learns from recordings; these are pictures.")
    for sample in kept:
        for name in names:
            if has_number(sample, name):
                number_of(sample, name, scale)
    if len(kept) < len(samples):
        warnings.append(f"{len(samples) - len(kept)} of {len(samples)} clips have no number and are left out.")
    return kept, tuple(warnings)


def load_table(
    recipe: DimensionRecipe,
    samples: Sequence[Sample],
    cache: Path,
    *,
    scale: tuple[float, float],
    tick: Callable[[int], Tick],
) -> Table:
    """Compute every set of features that the models need, once, and keep them in a folder."""
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    unread: dict[str, None] = {}
    for name in dict.fromkeys(parts_of(model)[0] for model in recipe.models):
        told = tick(len(samples))
        if name == EMBEDDING:
            rows, failed = _embeddings(recipe.encoder, samples, cache, tick=told)
        else:
            experiment = Experiment(name=recipe.name, inputs=Inputs(name))
            material = load_material(experiment, samples, cache, tick=told)
            ids = [sample.id for sample in material.samples]
            rows, failed = dict(zip(ids, material.inputs[0], strict=True)), material.unread
        found[name] = rows
        unread |= dict.fromkeys(failed)
    kept = tuple(s for s in samples if all(s.id in rows for rows in found.values()))
    names = numbered(kept)
    numbers = [[number_of(s, name, scale) if has_number(s, name) else np.nan for name in names] for s in kept]
    features = {name: np.stack([rows[s.id] for s in kept]) for name, rows in found.items()}
    return Table(kept, names, np.array(numbers, np.float64), features, tuple(unread))


def _embeddings(
    encoder: str, samples: Sequence[Sample], cache: Path, *, tick: Tick
) -> tuple[dict[str, NDArray[np.float32]], tuple[str, ...]]:
    """The mean embedding of each clip over its windows, by id, and the clips that could not be read."""
    model: Model = load_model(encoder)
    if not model.card.baseline:
        raise InputError(f"the model {encoder} gives no embeddings; voice and voice-small do.")
    network = VoiceModel(model)
    path = cache / f"{cache_key({'encoder': model.card.record(), 'longest': LONGEST}, samples)}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as kept:
            return dict(zip(kept["ids"].tolist(), kept["rows"], strict=True)), tuple(kept["unread"].tolist())
    rows, unread = {}, []
    for sample in samples:
        try:
            signal = read_stretch(sample, sampling_rate=RATE)[: LONGEST * RATE]
            rows[sample.id] = network.run(signal[None])[2][0].mean(axis=0)
        except AffektError as error:
            unread.append(str(error))
        tick()
    check_unread(unread, samples)
    cache.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, "wb") as file:
        np.savez(file, ids=np.array([*rows]), rows=np.stack([*rows.values()]), unread=np.array(unread, str))
    return rows, tuple(unread)


def train_dimensions(
    recipe: DimensionRecipe,
    table: Table,
    output: Path,
    *,
    line: Callable[[str], None],
    warnings: Sequence[str] = (),
) -> DimensionRun:
    """Fit and test every model on the same folds of speakers.

    Parameters
    ----------
    recipe : DimensionRecipe
    table : Table
    output : Path
        Folder of the run; finished folds are not computed again.
    line : callable
        Takes a line after each fold.
    warnings : sequence of str
        Earlier warnings, for the reports.

    Raises
    ------
    InputError
        If a speaker is unknown, there is only one, or a dimension has only one value.
    """
    for name, column in zip(table.names, table.numbers.T, strict=True):
        if len(np.unique(column[~np.isnan(column)])) < 2:
            raise InputError(f"{name}: all numbers are the same; there is nothing to learn.")
    speakers = {(s.corpus, s.speaker) for s in table.samples}
    count = min(recipe.folds, len(speakers))
    said = [*warnings, *(f"left out: {reason}" for reason in table.unread)]
    if count < recipe.folds:
        said.append(f"{count} folds instead of {recipe.folds}, as there are {len(speakers)} speakers.")
    splits = folds(table.samples, max(2, count), np.random.default_rng(recipe.seed), dev=False)
    findings = _audited(table, splits)
    row_of = {sample.id: i for i, sample in enumerate(table.samples)}
    tested = [row_of[s.id] for split in splits for s in split.test]
    reports, strengths = {}, {}
    for model in recipe.models:
        made = [
            _kept(recipe, table, split, model=model, place=output / model / f"fold-{number}.json")
            for number, split in enumerate(splits, start=1)
        ]
        line(f"{model}: {len(made)} folds done")
        strengths[model] = tuple(strength for strength, _ in made)
        answered = np.concatenate([np.array(rows, np.float64).reshape(-1, len(table.names)) for _, rows in made])
        reports[model] = _report(table, tested, answered, splits, findings=findings, warnings=said)
    constant = np.concatenate([np.tile(_means(table, split, row_of), (len(split.test), 1)) for split in splits])
    reports[MEAN] = _report(table, tested, constant, splits, findings=findings, warnings=said)
    return DimensionRun(recipe, table, splits, reports, strengths, tuple(said))


def _means(table: Table, split: Split, row_of: Mapping[str, int]) -> Numbers:
    found: Numbers = np.nanmean(table.numbers[[row_of[s.id] for s in split.train]], axis=0)
    return found


def _kept(
    recipe: DimensionRecipe, table: Table, split: Split, *, model: str, place: Path
) -> tuple[dict[str, float], list[list[float]]]:
    """The strengths chosen in a fold and the answers to its test clips; kept in a file when done."""
    if place.exists():
        strengths, rows = json.loads(place.read_text(encoding="utf-8"))
        return strengths, rows
    fits = fit_fold(recipe, table, split, model=model)
    row_of = {sample.id: i for i, sample in enumerate(table.samples)}
    features = table.features[parts_of(model)[0]][[row_of[s.id] for s in split.test]]
    rows = np.column_stack([answers(fit, features) for _, fit in fits.values()]).round(6).tolist()
    made = {name: strength for name, (strength, _) in fits.items()}, rows
    place.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(place) as file:
        json.dump(made, file)
    return made


def fit_fold(recipe: DimensionRecipe, table: Table, split: Split, *, model: str) -> dict[str, tuple[float, object]]:
    """A regressor of each dimension, fitted to the training clips of a fold that have its number, and its strength.

    The strength is chosen by inner folds of the training speakers, so nothing is fitted to or chosen on test clips.
    """
    row_of = {sample.id: i for i, sample in enumerate(table.samples)}
    name, regressor = parts_of(model)
    found: dict[str, tuple[float, object]] = {}
    for column, dimension in enumerate(table.names):
        samples = [s for s in split.train if not np.isnan(table.numbers[row_of[s.id], column])]
        if not samples:
            raise InputError(f"{dimension}: no training clip of a fold has a number; give numbers of more speakers.")
        rows = [row_of[s.id] for s in samples]
        features, numbers = table.features[name][rows], table.numbers[rows, column]
        strength = chosen_strength(regressor, features, numbers, _inner(recipe, samples), seed=recipe.seed)
        fit = fitted(regressor, features, numbers, strength=strength, seed=recipe.seed)
        found[dimension] = (strength, fit)
    return found


def _inner(recipe: DimensionRecipe, samples: Sequence[Sample]) -> list[tuple[list[int], list[int]]]:
    """Rows to fit and rows to try, by inner folds of speakers; none where there is one speaker only."""
    count = min(recipe.inner, len({(s.corpus, s.speaker) for s in samples}))
    if count < 2:
        return []
    row = {sample.id: i for i, sample in enumerate(samples)}
    made = folds(samples, count, np.random.default_rng(recipe.seed), dev=False)
    return [([row[s.id] for s in split.train], [row[s.id] for s in split.test]) for split in made]


def thirds(numbers: Numbers, name: str) -> list[str | None]:
    """Numbers as three labels, for the audit, which asks what gives a label away.

    Examples
    --------
    >>> thirds(np.array([-1, 0, 1, np.nan]), "arousal")
    ['low arousal', 'middle arousal', 'high arousal', None]
    >>> thirds(np.array([1.0, 1, 2]), "arousal")
    ['low arousal', 'low arousal', 'high arousal']
    """
    words, there = ("low", "middle", "high"), np.unique(numbers[~np.isnan(numbers)])
    # With only a few levels, each is a label, however many clips it has.
    lower, upper = (there[0], there[-2]) if len(there) < 4 else np.nanquantile(numbers, [1 / 3, 2 / 3])
    return [None if np.isnan(x) else f"{words[int(x > lower) + int(x > upper)]} {name}" for x in numbers]


def _audited(table: Table, splits: Sequence[Split]) -> tuple[Finding, ...]:
    """What an audit of the folds finds, the numbers of the first dimension taken for labels by thirds."""
    labels = dict(zip((s.id for s in table.samples), thirds(table.numbers[:, 0], table.names[0]), strict=True))

    def side(samples: Sequence[Sample]) -> tuple[Sample, ...]:
        # The numbers are the truth itself, not something that leaks it.
        meta = [{key: value for key, value in s.meta.items() if key not in DIMENSIONS} for s in samples]
        return tuple(replace(s, label=labels[s.id], meta=known) for s, known in zip(samples, meta, strict=True))

    made = []
    for split in splits:
        known = tuple(s.id for s in split.train)
        evidence = Evidence(fitted_on={"scaler": known, "strength": known})
        made.append((Split(side(split.train), (), side(split.test)), evidence))
    return audit_folds(made)


def _report(
    table: Table,
    tested: Sequence[int],
    answered: Numbers,
    splits: Sequence[Split],
    *,
    findings: Sequence[Finding],
    warnings: Sequence[str],
) -> Report:
    """CCC, RMSE and pairs in order of each dimension over the test clips of all folds together."""
    metrics: dict[str, Estimate] = {}
    groups = [speaker_of(table.samples[row]) for row in tested]
    for column, name in enumerate(table.names):
        truth = table.numbers[list(tested), column]
        there = np.flatnonzero(~np.isnan(truth))
        found = dimension_metrics(
            truth[there],
            answered[there, column],
            groups=[groups[i] for i in there],
            rng=np.random.default_rng(0),
        )
        metrics |= {f"{metric}, {name}": estimate for metric, estimate in found.items()}
    count, corpora = len(set(groups)), " + ".join(sorted({str(s.corpus) for s in table.samples}))
    said = [*warnings, f"for the audit the clips are labelled by thirds of {table.names[0]}."]
    if count < FEWEST_SPEAKERS:
        said.append(f"{count} speakers: the interval is over clips and says nothing about other speakers.")
    return Report(
        metrics,
        (),
        (),
        protocol=f"{corpora}; numbers: {', '.join(table.names)}; {len(splits)} folds, every speaker tested by a model "
        "not trained on them; scaler and strength fitted on train",
        warnings=tuple(said),
        stamps=stamps(findings),
        findings=tuple(findings),
        speakers=count,
    )


def chosen_models(recipe: DimensionRecipe, models: Sequence[str]) -> DimensionRecipe:
    """The recipe with some of its models only.

    Raises
    ------
    UnknownName
        If it has no such model.
    """
    for model in models:
        if model not in recipe.models:
            raise UnknownName(f"model of {recipe.name}", model, recipe.models)
    return replace(recipe, models=tuple(models)) if models else recipe


def claim_run(output: Path, recipe: DimensionRecipe, table: Table) -> None:
    """Write the recipe into the folder of a run, or refuse a folder that holds a run of other clips or numbers."""
    facts = {**asdict(recipe), "models": None, "title": None, "numbers": np.nan_to_num(table.numbers, nan=9).tolist()}
    first = f"# {cache_key(facts, table.samples)}\n"
    path = output / "recipe.toml"
    if path.exists() and not path.read_text(encoding="utf-8").startswith(first):
        raise InputError(
            f"{output} holds a run of another recipe, of other numbers or of other clips; choose another --output, or "
            "delete it."
        )
    output.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(first + require("tomli_w", extra="train").dumps(json.loads(json.dumps(asdict(recipe)))))
