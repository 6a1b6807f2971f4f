"""A whole run: corpora in, a calibrated model file out. Interrupted runs resume."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affekt._files import atomic_write
from affekt._optional import require
from affekt.corpora import CORPORA
from affekt.data.splits import Split
from affekt.errors import InputError
from affekt.metrics.calibration import fit_temperature
from affekt.metrics.slices import speaker_of
from affekt.models.card import Card
from affekt.models.onnx import open_model, read_card, softmax
from affekt.models.zoo import load_model
from affekt.speech.activity import Activity
from affekt.speech.network import PooledNetwork
from affekt.speech.waveform import SHORTEST, ActivityModel
from affekt.speech.whisper.network import WhisperShape, WhisperVoice
from affekt.train.export import export
from affekt.train.quantise import quantise_convolutions, quantise_products
from affekt.train.recipe import AnyVoice, WhisperRecipe, as_table, save_recipe
from affekt.train.sources import LICENCE, Sources, read_split, split_hash, training_data, with_own
from affekt.train.voice.clips import Clips, load_clips
from affekt.train.voice.distil import distil
from affekt.train.voice.features import Changes, Measure, features_of_clips
from affekt.train.voice.heads import taught
from affekt.train.voice.loop import Material, Trainer, between, clip_logits, corpus_recalls, kept_epoch, train
from affekt.train.voice.networks import measure_of, shape_of
from affekt.train.voice.teacher import load_teacher, whisper_mel
from affekt.types import Sample

Report = Callable[[str], None]

LIMITS = (
    "Trained on acted and broadcast speech; how people sound in daily life differs.",
    "Corpora disagree about how an emotion sounds, and cultures do: expect less on a language that is not in the data.",
    "It hears how something is said, not what somebody feels. Not for decisions about people; in the EU, inferring "
    "emotions at work and in education is forbidden but for medical or safety reasons (AI Act, Article 5(1)(f)).",
)
#: Of a model that starts from Whisper.
WHISPER = (
    "Its encoder starts from OpenAI's Whisper (MIT licence). What Whisper learned from is not published: that clips of "
    "the corpora it is tested on were among it cannot be excluded."
)
#: Of a model that learned from Whisper before it learned from labels.
TAUGHT = (
    "Before it learned from labels it learned the frames of OpenAI's Whisper (MIT licence), from the same clips and "
    "from {} recordings without labels. What Whisper learned from is not published: that clips of the corpora it is "
    "tested on were among it cannot be excluded."
)
#: Clips that the scales of activations in int8 come from, and that the file is compared with float32 on.
CALIBRATION = 300
#: Of a model without dev speakers.
UNCALIBRATED = "Its confidence is not calibrated, and its last epoch was kept: there were no dev speakers."


def run(recipe: AnyVoice, sources: Sources, output: Path, *, report: Report, start: Path | None = None) -> Path:
    """Train, calibrate and export by a recipe.

    Parameters
    ----------
    recipe : Recipe or WhisperRecipe
    sources : Sources
    output : Path
        Folder of the run: ``recipe.toml``, ``log.jsonl``, ``checkpoint.pt``,
        ``best.pt`` and at the end ``NAME.onnx``. The same call goes on with an
        interrupted run. The two stages over Whisper's layers have a folder each,
        ``frozen`` and ``tuned``.
    report : callable
        Takes a line of progress.
    start : Path, optional
        ``best.pt`` of another run whose network had the same sizes, to go on from its weights.

    Returns
    -------
    Path
        The model file.

    Raises
    ------
    InputError
        If a corpus of the recipe has no folder, ``start`` is of another network, or the run was begun with
        another recipe.
    CorpusError
        If a folder is not what it should be.
    """
    recipe = with_own(recipe, sources.corpora)
    split = read_split(recipe.name, recipe.corpora, sources.corpora, labels=recipe.labels, seed=recipe.seed)
    save_recipe(recipe, output)
    cache = output / "cache"
    split = Split(readable(split.train, cache, report), readable(split.dev, cache, report), split.test)
    if not split.dev:
        report("no clips of dev speakers: the last epoch is kept, and its confidence is not calibrated")
    report(f"{len(split.train)} clips to train on, {len(split.dev)} of dev speakers; their features come first")

    def stage(recipe: AnyVoice, folder: Path, state: Mapping[str, Tensor] | None) -> tuple[PooledNetwork, Material]:
        measure = measure_of(recipe, sources.teacher)
        changes = changes_of(recipe, sources, cache)
        material = material_of(split.train, recipe, cache, changes, measure=measure)
        dev = material_of(split.dev, recipe, cache, measure=measure)
        folder.mkdir(parents=True, exist_ok=True)
        trainer = Trainer(recipe, material, state=state)
        train(trainer, dev if len(split.dev) else None, folder, report=report)
        learned = torch.load(folder / "best.pt", weights_only=True)
        if state and isinstance(recipe, WhisperRecipe) and not recipe.frozen:
            learned = between(state, learned, recipe.share, head=recipe.share)
        trainer.averaged.load_state_dict(learned)
        report("the encoder is done; the speaker-conditioned heads are trained on its embeddings")
        return taught(trainer.averaged, material, recipe, folder), dev

    if not isinstance(recipe, WhisperRecipe):
        state = started(start, output) if start else None
        if recipe.distillation.steps and not start:
            report("the network learns a teacher's frames first")
            heard = [load_clips(split.train, cache, trim=speech_only)]
            if sources.unlabelled:
                heard.append(load_clips(sources.unlabelled, cache, trim=speech_only, unread=report))
            changes = changes_of(recipe, sources, cache)
            (output / "unlabelled.json").write_text(json.dumps(len(sources.unlabelled)), encoding="utf-8")
            state = distil(recipe, (heard, changes, sources.teacher), output, report=report)
        network, dev = stage(recipe, output, state)
        return in_int8(finish(recipe, network, (split, dev), output, report=report), split, cache, report=report)
    network, dev = stage(recipe, output / "frozen", started(start, output) if start else None)
    network = thawed(network, recipe, sources.teacher)
    if recipe.tuning.epochs:
        report("the heads are done; they and the encoder are tuned together")
        network, dev = stage(second_stage(recipe), output / "tuned", network.state_dict())
    else:
        dev = material_of(split.dev, replace(recipe, frozen=False), cache, measure=whisper_mel())
    return in_int8(finish(recipe, network, (split, dev), output, report=report), split, cache, report=report)


def second_stage(recipe: WhisperRecipe) -> WhisperRecipe:
    """The recipe as its second stage goes, in which the encoder learns, too."""
    return replace(recipe, frozen=False, schedule=recipe.tuning)


def thawed(network: PooledNetwork, recipe: WhisperRecipe, teacher: Sequence[Path]) -> PooledNetwork:
    """The teacher's layers and, over them, the heads that learned from what these layers give."""
    shape = shape_of(recipe)
    whole = WhisperVoice(shape)
    whole.load_state_dict({**whole.state_dict(), **network.state_dict()})
    whole.encoder = load_teacher(teacher, shape)
    return whole.eval()


def started(start: Path, output: Path) -> dict[str, Tensor]:
    """The weights that a run goes on from; which ones is kept beside its recipe.

    Raises
    ------
    InputError
        If the file is no weights.
    """
    try:
        data = start.read_bytes()
        state = torch.load(io.BytesIO(data), weights_only=True)
    except Exception as error:  # torch raises a different class for each cause
        raise InputError(f"{start}: cannot be read as weights ({str(error)[:80]}); give best.pt of a run.") from None
    with atomic_write(output / "start.json") as file:
        file.write(json.dumps({"start": hashlib.sha256(data).hexdigest()}) + "\n")
    found: dict[str, Tensor] = state
    return found


def finish(
    recipe: AnyVoice, network: PooledNetwork, given: tuple[Split, Material], output: Path, *, report: Report
) -> Path:
    """Calibrate a network on dev speakers, if there are any, and write the model file.

    ``given`` are the split and the clips of its dev speakers.
    """
    split, dev = given
    temperature, recalls = 1.0, {}
    if len(dev.labels):
        logits = clip_logits(network, dev)
        temperature, recalls = fit_temperature(logits, dev.labels), corpus_recalls(logits, dev, recipe.corpora)
    card = make_card(recipe, network, split, temperature)
    if not len(dev.labels):
        card = replace(card, limits=(*card.limits, UNCALIBRATED))
    if (output / "unlabelled.json").exists():
        count = json.loads((output / "unlabelled.json").read_text(encoding="utf-8"))
        card = replace(card, limits=(*card.limits, TAUGHT.format(f"{count:,}")))
    folder = next((output / stage for stage in ("tuned", "frozen") if (output / stage).exists()), output)
    start = output / "start.json"
    begun = json.loads(start.read_text(encoding="utf-8")) if start.exists() else {}
    card = replace(card, recipe={**card.recipe, **kept_epoch(folder), **begun})
    path = output / f"{recipe.name}.onnx"
    told = {"temperature": round(temperature, 4), "parity": export(network, card, path), "dev": recalls}
    report(json.dumps(told))
    return path


def in_int8(path: Path, split: Split, cache: Path, *, report: Report) -> Path:
    """The large products and convolutions of a model file in int8; scales come from clips that were learned from.

    Reports how far its answers to the clips of dev speakers are from those in float32.
    """
    learned, dev = (load_clips(part, cache, trim=speech_only) for part in (split.train, split.dev))
    card, rng = read_card(path), np.random.default_rng(0)

    def given(clips: Clips, row: int) -> tuple[NDArray[np.float32], ...]:
        signal = np.pad(clips[row], (0, max(0, SHORTEST - clips.lengths[row])))
        return signal[None], np.zeros((1, 1 + card.baseline), np.float32)

    plain, model = open_model(path), require("onnx", extra="train").load_from_string(path.read_bytes())
    recordings = [given(learned, int(row)) for row in rng.permutation(len(learned))[:CALIBRATION]]
    if "block" in card.input:  # Whisper's layers
        model = quantise_products(model, "encoder", recordings)
    else:
        model = quantise_convolutions(model, recordings)
    with atomic_write(path, "wb") as file:
        file.write(model.SerializeToString())
    rounded = open_model(path)
    differences, same = [], []
    for row in rng.permutation(len(dev))[:CALIBRATION]:
        one, other = (softmax(m.run(*given(dev, int(row)))[0], card.temperature) for m in (plain, rounded))
        differences.append(np.abs(one - other).max())
        same.append(one.argmax() == other.argmax())
    if same:
        told = {"int8: largest difference of a probability, median": float(np.median(differences))}
        report(json.dumps({**told, "same answer": float(np.mean(same)), "clips": len(same)}))
    return path


def readable(samples: Sequence[Sample], cache: Path, report: Report) -> tuple[Sample, ...]:
    """The samples that can be read; the others are told of and left out.

    Raises
    ------
    InputError
        If these are fewer than half.
    """
    reasons: list[str] = []
    lengths = load_clips(samples, cache, trim=speech_only, unread=reasons.append).lengths
    kept = tuple(sample for sample, length in zip(samples, lengths, strict=True) if length)
    if 2 * len(kept) < len(samples):
        raise InputError(f"{len(samples) - len(kept)} of {len(samples)} clips cannot be read. {' '.join(reasons[:1])}")
    for reason in reasons:
        report(f"left out: {reason}")
    return kept


def material_of(
    samples: Sequence[Sample],
    recipe: AnyVoice,
    cache: Path,
    changes: Changes | None = None,
    *,
    measure: Measure | None = None,
) -> Material:
    """Decode the samples, trimmed to the speech in them, take their features, and number labels and corpora."""
    clips = load_clips(samples, cache, trim=speech_only)
    speakers = numbered([speaker_of(sample) or sample.id for sample in samples])
    # One's own recordings may have any label.
    had = {name: CORPORA[name].labels or recipe.labels for name in recipe.corpora}
    allowed = np.array([[label in had[name] for label in recipe.labels] for name in recipe.corpora])
    return Material(
        features_of_clips(clips, speakers, changes or Changes(), cache, measure=measure),
        np.array([recipe.labels.index(sample.label or "") for sample in samples], np.int64),
        np.array([recipe.corpora.index(sample.corpus or "") for sample in samples], np.int64),
        speakers,
        allowed,
        recipe.labels.index("neutral") if "neutral" in recipe.labels else -1,
    )


def changes_of(recipe: AnyVoice, sources: Sources, cache: Path) -> Changes:
    """How the clips that are learned from are changed."""
    sounds, responses = (load_clips(paths, cache) for paths in (sources.sounds, sources.responses))
    schedule = recipe.schedule
    return Changes(schedule.ways, recipe.seed, recipe.augment, _all_signals(sounds), _all_signals(responses))


def numbered(names: Sequence[str]) -> NDArray[np.int64]:
    """Each name as its place among all, shape (n,)."""
    return np.unique(np.asarray(names, str), return_inverse=True)[1].astype(np.int64)


def speech_only(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """From the first to the last speech, as the recogniser will see it; all of a clip without any."""
    activity = Activity(_activity_model())
    regions = activity.feed(signal) + activity.flush()
    return signal[regions[0][0] : regions[-1][1]] if regions else signal


def make_card(recipe: AnyVoice, network: PooledNetwork, split: Split, temperature: float) -> Card:
    """The card of a freshly trained model; its scores are added when it is evaluated."""
    shape = network.shape
    return Card(
        name=recipe.name,
        modality="speech",
        labels=recipe.labels,
        input={
            "sampling_rate": 16_000,
            "frame": shape.frame_samples,
            "window": shape.window_frames * shape.frame_samples,
            "hop": shape.hop_frames * shape.frame_samples,
            "context": shape.context_samples,
            **({"block": shape.block_frames * shape.frame_samples} if isinstance(shape, WhisperShape) else {}),
        },
        baseline=network.size,
        temperature=temperature,
        data=training_data(split, recipe.corpora),
        split=split_hash(split),
        licence=LICENCE,
        limits=(*LIMITS, *([WHISPER] if isinstance(shape, WhisperShape) else [])),
        recipe=as_table(recipe),
    )


@cache
def _activity_model() -> ActivityModel:
    return ActivityModel(load_model("activity"))


def _all_signals(clips: Clips) -> list[NDArray[np.float32]]:
    return [clips[i] for i in range(len(clips))]
