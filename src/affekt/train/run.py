"""A whole run: corpora in, a calibrated model file out. Interrupted runs go on where they stopped."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from affekt._files import atomic_write
from affekt._optional import require
from affekt.corpora import CORPORA, read_corpus
from affekt.data.splits import Split, fixed_split
from affekt.errors import InputError
from affekt.evaluate.calibration import fit_temperature
from affekt.models.card import Card
from affekt.models.onnx import Model
from affekt.models.zoo import load_model
from affekt.speech.activity import Activity
from affekt.speech.network import VoiceNetwork
from affekt.train.clips import Clips, load_clips
from affekt.train.export import export
from affekt.train.loop import Material, Trainer, clip_logits, corpus_recalls, train
from affekt.train.recipe import Recipe, as_table
from affekt.types import Sample

Report = Callable[[str], None]

LIMITS = (
    "Trained on acted and broadcast speech; how people sound in daily life differs.",
    "Corpora disagree about how an emotion sounds, and cultures do: expect less on a language that is not in the data.",
    "It hears how something is said, not what somebody feels. Not for decisions about people; in the EU, inferring "
    "emotions at work and in education is forbidden but for medical or safety reasons (AI Act, Article 5(1)(f)).",
)


@dataclass(frozen=True)
class Sources:
    """Where the recordings are on this machine.

    Parameters
    ----------
    corpora : mapping of str to path
        Corpus name to its folder; all corpora of the recipe.
    sounds, responses : sequences of paths
        Recorded noises and impulse responses for augmentation; may be empty.
    """

    corpora: Mapping[str, Path]
    sounds: Sequence[str] = ()
    responses: Sequence[str] = ()


def run(recipe: Recipe, sources: Sources, output: Path, *, report: Report) -> Path:
    """Train, calibrate and export by a recipe.

    Parameters
    ----------
    recipe : Recipe
    sources : Sources
    output : Path
        Folder of the run: ``recipe.toml``, ``log.jsonl``, ``checkpoint.pt``,
        ``best.pt`` and at the end ``NAME.onnx``. The same call goes on with an
        interrupted run.
    report : callable
        Takes a line of progress.

    Returns
    -------
    Path
        The model file.

    Raises
    ------
    InputError
        If a corpus of the recipe has no folder, or the run was begun with another recipe.
    CorpusError
        If a folder is not what it should be.
    """
    _save_recipe(recipe, output)
    split = read_split(recipe, sources.corpora)
    material, dev = (material_of(samples, recipe, output / "cache") for samples in (split.train, split.dev))
    report(f"{len(material.clips)} clips to train on, {len(dev.clips)} of dev speakers")
    extras = tuple(_all_signals(load_clips(paths, output / "cache")) for paths in (sources.sounds, sources.responses))
    trainer = Trainer(recipe, material, extras)  # type: ignore[arg-type]
    train(trainer, dev, output, report=report)
    return finish(recipe, split, dev, output, report=report)


def noise_paths(folder: Path | None, folds: Sequence[str] = ("1", "2", "3", "4")) -> list[str]:
    """Sounds of ESC-10 by fold, the first character of a name; fold 5 is left for judging."""
    return [path for path in _audio(folder) if Path(path).name[0] in folds]


def response_paths(folder: Path | None, held_out: str = "rir4.wav") -> list[str]:
    """Mono impulse responses in a folder, but one that is left for judging."""
    return [
        path for path in _audio(folder) if "stereo" not in path and "48000" not in path and Path(path).name != held_out
    ]


def _audio(folder: Path | None) -> list[str]:
    if folder is None:
        return []
    return sorted(str(path) for path in folder.rglob("*") if path.suffix.lower() in (".wav", ".opus", ".ogg", ".flac"))


def finish(recipe: Recipe, split: Split, dev: Material, output: Path, *, report: Report) -> Path:
    """Calibrate the best epoch on dev speakers and write the model file."""
    network = Trainer(recipe, dev, ((), ())).averaged
    network.load_state_dict(torch.load(output / "best.pt", weights_only=True))
    logits = clip_logits(network, dev)
    temperature = fit_temperature(logits, dev.labels)
    card = make_card(recipe, network, split, temperature)
    difference = export(network, card, output / f"{recipe.name}.onnx")
    recalls = corpus_recalls(logits, dev, recipe.corpora)
    report(json.dumps({"temperature": round(temperature, 4), "parity": difference, "dev": recalls}))
    return output / f"{recipe.name}.onnx"


def read_split(recipe: Recipe, corpora: Mapping[str, Path]) -> Split:
    """Read the recipe's corpora and split them by the committed speakers."""
    missing = [name for name in recipe.corpora if name not in corpora]
    if missing:
        raise InputError(f"the recipe {recipe.name} needs {', '.join(missing)}: add --corpus NAME=PATH for each.")
    return fixed_split([sample for name in recipe.corpora for sample in read_corpus(name, corpora[name]).samples])


def material_of(samples: Sequence[Sample], recipe: Recipe, cache: Path) -> Material:
    """Decode the samples, trimmed to the speech in them, and number their labels and corpora."""
    clips = load_clips([sample.path for sample in samples], cache, trim=speech_only)
    allowed = np.array([[label in CORPORA[name].labels for label in recipe.labels] for name in recipe.corpora])
    return Material(
        clips,
        np.array([recipe.labels.index(sample.label or "") for sample in samples], np.int64),
        np.array([recipe.corpora.index(sample.corpus or "") for sample in samples], np.int64),
        allowed,
    )


def speech_only(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """From the first to the last speech, as the recogniser will see it; all of a clip without any."""
    activity = Activity(_score)
    regions = activity.feed(signal) + activity.flush()
    return signal[regions[0][0] : regions[-1][1]] if regions else signal


def make_card(recipe: Recipe, network: VoiceNetwork, split: Split, temperature: float) -> Card:
    """The card of a freshly trained model; its scores are added when it is evaluated."""
    shape = network.shape
    return Card(
        name=recipe.name,
        modality="speech",
        labels=recipe.labels,
        frame=shape.frame_samples,
        window=shape.window_frames * shape.frame_samples,
        hop=shape.hop_frames * shape.frame_samples,
        context=shape.context_samples(),
        temperature=temperature,
        data=_data(split, recipe),
        split=_split_hash(split),
        licence="CC BY-NC-SA 4.0 (the strictest of the corpora it was trained on; research use)",
        limits=LIMITS,
        recipe=as_table(recipe),
    )


def _score(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    return _activity_model().run(signal[None])[0][0]


@cache
def _activity_model() -> Model:
    return load_model("activity")


def _all_signals(clips: Clips) -> list[NDArray[np.float32]]:
    return [clips[i] for i in range(len(clips))]


def _data(split: Split, recipe: Recipe) -> dict[str, Any]:
    clips = Counter(sample.corpus for sample in split.train)
    speakers = {name: len({s.speaker for s in split.train if s.corpus == name}) for name in recipe.corpora}
    return {
        name: {"licence": CORPORA[name].licence, "clips": clips[name], "speakers": speakers[name]}
        for name in recipe.corpora
    }


def _split_hash(split: Split) -> str:
    lines = [f"{side} {s.id}" for side in ("train", "dev", "test") for s in getattr(split, side)]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _save_recipe(recipe: Recipe, output: Path) -> None:
    text = require("tomli_w", extra="train").dumps(json.loads(json.dumps(as_table(recipe))))
    path = output / "recipe.toml"
    output.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(f"{output} holds a run with another recipe; choose another output folder, or delete it.")
    with atomic_write(path) as file:
        file.write(text)
