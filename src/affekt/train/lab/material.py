"""The clips of an experiment as arrays: each clip as it is, and its augmented copies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt._files import atomic_write
from affekt.corpora import CORPORA, read_corpus
from affekt.corpora.pictures import is_picture
from affekt.data.numbers import numbers_instead
from affekt.errors import AffektError, InputError, UnknownName
from affekt.speech.augment import apply_steps, draw_step
from affekt.speech.inputs import Inputs, input_of
from affekt.speech.stretch import read_stretch
from affekt.train.lab.experiment import Experiment
from affekt.train.sources import OWN
from affekt.types import Sample

#: Part of every cache file's name: another number when the arrays change.
VERSION = 1

Tick = Callable[[], object]


@dataclass(frozen=True)
class Material:
    """Samples with their inputs; row i of ``inputs[0]`` is sample i, of ``inputs[c]`` its c-th copy.

    Parameters
    ----------
    samples : tuple of Sample
        Those that could be read.
    inputs : float32 array, shape (1 + copies, n, ...)
    unread : tuple of str
        ``path: reason`` of those that could not.
    """

    samples: tuple[Sample, ...]
    inputs: NDArray[np.float32]
    unread: tuple[str, ...] = ()


def read_samples(experiment: Experiment, folders: dict[str, Path]) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
    """The clips that take part in an experiment, and what to know about them.

    Returns
    -------
    tuple of Sample, tuple of str
        The samples, merged and chosen as the recipe says; and warnings.

    Raises
    ------
    InputError
        If a required corpus has no folder, a given one is not in the recipe, or fewer than two classes remain.
    CorpusError
        If a folder is not what it should be.
    """
    allowed = (*experiment.corpora, *experiment.optional, OWN)
    for name in folders:
        if name not in allowed:
            raise UnknownName("corpus of this recipe", name, allowed)
    missing = [name for name in experiment.corpora if name not in folders and OWN not in folders]
    if missing or not folders:
        needed = missing or list(allowed[:-1])
        raise InputError(
            f"the recipe {experiment.name} needs {', '.join(needed)}: add --corpus NAME=PATH for each, "
            f"or --corpus {OWN}=PATH for recordings of your own."
        )
    samples: list[Sample] = []
    warnings = []
    for name, path in folders.items():
        reading = read_corpus(name, path)
        samples += reading.samples
        published = CORPORA[name].clips
        if published and len(reading.samples) < published:
            what = "pictures" if CORPORA[name].modality == "face" else "clips"
            warnings.append(f"{name}: {len(reading.samples)} of its {published} {what} are there.")
        warnings += [f"{name}: {warning}" for warning in reading.warnings]
    there = experiment.published.corpora
    if there and set(there) != set(folders):
        warnings.append(f"the published figure is of {' + '.join(there)}; this is {' + '.join(folders)}.")
    if set(folders) == {OWN} and (experiment.keep or experiment.merge):
        warnings.append("the recipe's choice of emotions (keep, merge) is left out: all labels of your own take part.")
        experiment = replace(experiment, keep=(), merge={})
    wanted = {"speech": "recordings", "face": "pictures"}[experiment.modality]
    if other := next((s for s in samples if is_picture(s) != (experiment.modality == "face")), None):
        raise InputError(f"{other.id}: the recipe {experiment.name} learns from {wanted}, and this is none.")
    return _chosen(experiment, samples), tuple(warnings)


def _chosen(experiment: Experiment, samples: Sequence[Sample]) -> tuple[Sample, ...]:
    merged = [replace(s, label=experiment.merge.get(s.label or "", s.label)) for s in samples]
    kept = [s for s in merged if s.label is not None and (not experiment.keep or s.label in experiment.keep)]
    kept = [s for s in kept if not experiment.sex or s.sex == experiment.sex]
    labels = sorted({str(s.label) for s in kept})
    if len(labels) < 2:
        raise InputError(
            f"the recipe {experiment.name} keeps {len(kept)} of {len(samples)} clips, of the emotions "
            f"{', '.join(labels) or 'none'}; at least two emotions are needed. Check keep, merge and sex."
            f"{numbers_instead(samples)}"
        )
    return tuple(kept)


def load_material(experiment: Experiment, samples: Sequence[Sample], cache: Path, *, tick: Tick) -> Material:
    """Read every clip once and compute what the models see of it and of its copies.

    Parameters
    ----------
    experiment : Experiment
    samples : sequence of Sample
    cache : Path
        Folder; the same clips and the same recipe are computed once.
    tick : callable
        Called after each clip.

    Raises
    ------
    InputError
        If fewer than half of the clips can be read.
    """
    key = _key(experiment, samples)
    array_file, facts_file = cache / f"{key}.npy", cache / f"{key}.json"
    if array_file.exists() and facts_file.exists():
        facts = json.loads(facts_file.read_text(encoding="utf-8"))
        kept = tuple(samples[i] for i in facts["read"])
        return Material(kept, np.load(array_file, allow_pickle=False), tuple(facts["unread"]))
    rows, read_rows, unread = [], [], []
    for i, sample in enumerate(samples):
        try:
            rows.append(_views(experiment, sample))
            read_rows.append(i)
        except AffektError as error:
            unread.append(str(error))
        tick()
    check_unread(unread, samples)
    inputs = np.stack(rows, axis=1)
    cache.mkdir(parents=True, exist_ok=True)
    with atomic_write(array_file, "wb") as file:
        np.save(file, inputs, allow_pickle=False)
    with atomic_write(facts_file) as file:
        json.dump({"read": read_rows, "unread": unread}, file)
    return Material(tuple(samples[i] for i in read_rows), inputs, tuple(unread))


def _views(experiment: Experiment, sample: Sample) -> NDArray[np.float32]:
    """The inputs of a clip and of its copies, shape (1 + copies, ...)."""
    inputs: Inputs = experiment.inputs
    signal = read_stretch(sample, sampling_rate=inputs.sampling_rate)
    views = [input_of(signal, inputs)]
    for number, chain in enumerate(experiment.copies, start=1):
        # Seeded by the clip's own name, so neither the order of clips nor a missing one changes a copy.
        digest = hashlib.sha256(f"{experiment.seed}/{number}/{sample.id}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8]))
        steps = [draw_step(name, rng, **ranges) for name, ranges in chain.items()]
        views.append(input_of(apply_steps(signal, inputs.sampling_rate, steps), inputs))
    return np.stack(views)


def _key(experiment: Experiment, samples: Sequence[Sample]) -> str:
    facts = {
        "version": VERSION,
        "inputs": asdict(experiment.inputs),
        "copies": [dict(chain) for chain in experiment.copies],
        "seed": experiment.seed,
    }
    return cache_key(facts, samples)


def cache_key(facts: Mapping[str, Any], samples: Sequence[Sample]) -> str:
    """The name of a cache file: another one when the facts, the clips, their stretches or their sizes change."""
    clips = [
        (s.id, s.path, s.start, s.end, Path(s.path).stat().st_size if Path(s.path).exists() else -1) for s in samples
    ]
    return hashlib.sha256(json.dumps({**facts, "clips": clips}, sort_keys=True).encode()).hexdigest()[:16]


def check_unread(unread: Sequence[str], samples: Sequence[Sample]) -> None:
    """Refuse a run if more than half of its clips cannot be read."""
    if 2 * len(unread) > len(samples):
        raise InputError(f"{len(unread)} of {len(samples)} clips cannot be read. The first: {unread[0]}")
