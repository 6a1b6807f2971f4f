"""The training loop: balanced draws, augmentation, averaged weights, checkpoints that resume."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from affekt.evaluate.metrics import unweighted_recall
from affekt.speech.augment import apply, draw
from affekt.speech.network import VoiceNetwork, VoiceShape, features_mask
from affekt.train.clips import Clips
from affekt.train.losses import MASKED, corpus_logits, masked_cross_entropy, smooth_targets
from affekt.train.recipe import Objective, Recipe

RATE = 16_000


@dataclass(frozen=True)
class Material:
    """Clips with their labels and corpora as indices, and which classes each corpus has.

    Parameters
    ----------
    labels, corpora : int64 arrays, shape (clips,)
    allowed : bool array, shape (corpora, k)
    """

    clips: Clips
    labels: NDArray[np.int64]
    corpora: NDArray[np.int64]
    allowed: NDArray[np.bool_]


@dataclass(frozen=True)
class Batch:
    """Signals of different length, padded with zeros."""

    signal: Tensor  # (b, n)
    lengths: Tensor  # (b,)
    labels: Tensor  # (b,)
    corpora: Tensor  # (b,)


class EpochBatches(Dataset):
    """The batches of one epoch; each is a function of (seed, epoch, number) alone, so that a run can resume."""

    def __init__(self, material: Material, recipe: Recipe, epoch: int, extras: tuple[Sequence, Sequence]) -> None:
        self.material, self.recipe, self.epoch = material, recipe, epoch
        self.sounds, self.responses = extras
        self.plan = plan_epoch(material, recipe, np.random.default_rng([recipe.seed, epoch]))

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, number: int) -> Batch:
        rng = np.random.default_rng([self.recipe.seed, self.epoch, number])
        signals = [self._clip(int(index), rng) for index in self.plan[number]]
        return collate(signals, self.material, self.plan[number])

    def _clip(self, index: int, rng: np.random.Generator) -> NDArray[np.float32]:
        signal = crop(self.material.clips[index], int(self.recipe.schedule.seconds * RATE), rng)
        return apply(signal, draw(rng, self.recipe.augment), sounds=self.sounds, responses=self.responses)


def plan_epoch(material: Material, recipe: Recipe, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Draw an epoch's clips, balanced over corpora and classes, in batches of similar length."""
    schedule = recipe.schedule
    picked = rng.choice(len(material.clips), schedule.clips, p=draw_weights(material, recipe.balance))
    groups = np.array_split(picked, max(1, len(picked) // (16 * schedule.batch)))
    batches: list[NDArray[np.int64]] = []
    for group in groups:
        ordered = group[np.argsort(material.clips.lengths[group], kind="stable")]
        batches += np.array_split(ordered, max(1, len(ordered) // schedule.batch))
    return [batches[i] for i in rng.permutation(len(batches))]


def draw_weights(material: Material, balance: float) -> NDArray[np.float64]:
    """Probability of each clip: a corpus counts by its size to the power ``balance``, its classes alike."""
    weights = np.zeros(len(material.labels))
    for corpus in np.unique(material.corpora):
        of_corpus = material.corpora == corpus
        classes = np.unique(material.labels[of_corpus])
        for label in classes:
            group = of_corpus & (material.labels == label)
            weights[group] = of_corpus.sum() ** balance / len(classes) / group.sum()
    return weights / weights.sum()


def crop(signal: NDArray[np.float32], longest: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A random stretch of up to ``longest`` samples; now and then a shorter one, as in live speech."""
    size = min(len(signal), longest)
    if rng.random() < 0.3 and size > RATE:
        size = int(rng.integers(RATE, size))
    start = int(rng.integers(0, len(signal) - size + 1))
    return signal[start : start + size]


def collate(signals: Sequence[NDArray[np.float32]], material: Material, indices: NDArray[np.int64]) -> Batch:
    """Pad signals to one length; at least one second, so that every layer has something to see."""
    longest = max(RATE, *(len(signal) for signal in signals))
    padded = np.zeros((len(signals), longest), np.float32)
    for row, signal in zip(padded, signals, strict=True):
        row[: len(signal)] = signal
    lengths = torch.tensor([max(len(signal), 800) for signal in signals])
    return Batch(
        torch.from_numpy(padded),
        lengths,
        torch.from_numpy(material.labels[indices]),
        torch.from_numpy(material.corpora[indices]),
    )


def features_of(network: VoiceNetwork, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Log-mel (b, bands, t), salience (b, lags, t) and mask (b, 1, t) of a padded batch."""
    mask = features_mask(network.shape.front, batch.lengths, batch.signal.shape[1])
    mel, salience = network.features(batch.signal, mask)
    return mel, salience, mask


def spec_augment(mel: Tensor, objective: Objective, rng: np.random.Generator) -> Tensor:
    """Hide two bands of frequency and two stretches of time behind the clip's mean (Park et al., SpecAugment, 2019)."""
    mel = mel.clone()
    count, bands, frames = mel.shape
    mean = mel.mean(dim=(1, 2))
    for row in range(count):
        for _ in range(2):
            size = int(rng.integers(0, objective.frequency_mask + 1))
            start = int(rng.integers(0, bands - size + 1))
            mel[row, start : start + size] = mean[row]
            size = min(int(rng.integers(0, objective.time_mask + 1)), frames // 5)
            start = int(rng.integers(0, frames - size + 1))
            mel[row, :, start : start + size] = mean[row]
    return mel


def mix_pairs(corpora: Tensor, rng: np.random.Generator) -> Tensor:
    """For each clip another one of its corpus in the batch, or itself; shape (b,)."""
    partner = np.arange(len(corpora))
    for corpus in np.unique(corpora.numpy()):
        group = np.flatnonzero(corpora.numpy() == corpus)
        partner[group] = rng.permutation(group)
    return torch.from_numpy(partner)


class Trainer:
    """State of a run: network, averaged weights, optimiser, epoch."""

    def __init__(self, recipe: Recipe, material: Material, extras: tuple[Sequence, Sequence]) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.material, self.extras = recipe, material, extras
        sizes = recipe.network
        self.network = VoiceNetwork(
            VoiceShape(
                recipe.labels,
                recipe.corpora,
                planes=sizes.planes,
                channels=sizes.channels,
                dilations=sizes.dilations,
                dropout=sizes.dropout,
            )
        )
        self.averaged = copy.deepcopy(self.network).eval()
        schedule = recipe.schedule
        steps = schedule.epochs * len(plan_epoch(material, recipe, np.random.default_rng(0)))
        self.optimiser = torch.optim.AdamW(self._groups(schedule.weight_decay), lr=schedule.learning_rate)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, schedule.learning_rate, steps + 1, pct_start=0.1
        )
        self.epoch, self.step = 0, 0
        self.allowed = torch.from_numpy(material.allowed)

    def _groups(self, decay: float) -> list[dict]:
        trained = [p for p in self.network.parameters() if p.requires_grad]
        return [
            {"params": [p for p in trained if p.dim() > 1], "weight_decay": decay},
            {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
        ]

    def run_epoch(self) -> float:
        """Train on one epoch; return its mean loss."""
        self.network.train()
        # Dropout, too, must depend on the epoch alone, or a resumed run would be another one.
        torch.manual_seed(self.recipe.seed * 100_003 + self.epoch)
        batches = EpochBatches(self.material, self.recipe, self.epoch, self.extras)
        loader = DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=8)
        rng = np.random.default_rng([self.recipe.seed, self.epoch, 1 << 20])
        losses = [self._train_step(batch, rng) for batch in loader]
        self.epoch += 1
        return float(np.mean(losses))

    def _train_step(self, batch: Batch, rng: np.random.Generator) -> float:
        loss = self.loss(batch, rng)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.scheduler.step()
        self._average()
        return float(loss.detach())

    def loss(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        """Loss of a batch, with masking, mixing of embeddings and the per-corpus heads."""
        objective, network = self.recipe.objective, self.network
        with torch.no_grad():
            mel, salience, mask = features_of(network, batch)
        frames = network.encode(spec_augment(mel, objective, rng), salience, mask)
        embedding = network.embed(frames, mask)
        allowed = self.allowed[batch.corpora]
        targets = smooth_targets(batch.labels, allowed, objective.smoothing)
        if objective.mixup:
            partner = mix_pairs(batch.corpora, rng)
            share = torch.from_numpy(rng.beta(objective.mixup, objective.mixup, len(partner))).float()[:, None]
            embedding = share * embedding + (1 - share) * embedding[partner]
            targets = share * targets + (1 - share) * targets[partner]
        embedding = network.dropout(embedding)
        loss = masked_cross_entropy(network.head(embedding), targets, allowed)
        if objective.corpus_heads:
            own = corpus_logits(network.corpus_heads, embedding, batch.corpora)
            loss = loss + objective.corpus_heads * masked_cross_entropy(own, targets, allowed)
        return loss

    def _average(self) -> None:
        self.step += 1
        # Young averages forget faster, or the random start would linger for epochs.
        decay = min(self.recipe.schedule.averaging, (1 + self.step) / (10 + self.step))
        pairs = zip(self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True)
        for average, value in pairs:
            if average.dtype.is_floating_point:
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(value)

    def save(self, path: Path) -> None:
        """Write a checkpoint that appears only when complete."""
        state = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "counters": torch.tensor([self.epoch, self.step]),
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint."""
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.epoch, self.step = (int(value) for value in state["counters"])


def clip_logits(network: VoiceNetwork, material: Material, *, batch: int = 32) -> NDArray[np.float32]:
    """Logits of every clip as a whole, shape (clips, k); in evaluation mode."""
    order = np.argsort(material.clips.lengths, kind="stable")
    logits = np.zeros((len(order), len(network.shape.labels)), np.float32)
    network.eval()
    with torch.no_grad():
        for part in np.array_split(order, max(1, len(order) // batch)):
            data = collate([material.clips[int(i)] for i in part], material, part)
            mel, salience, mask = features_of(network, data)
            logits[part] = network.head(network.embed(network.encode(mel, salience, mask), mask)).numpy()
    return logits


def corpus_recalls(logits: NDArray[np.float32], material: Material, names: Sequence[str]) -> dict[str, float]:
    """UAR of each corpus over the classes that it has."""
    chosen = np.where(material.allowed[material.corpora], logits, MASKED).argmax(axis=1)
    found = {}
    for corpus in np.unique(material.corpora):
        rows = material.corpora == corpus
        truth, predicted = material.labels[rows].astype(str), chosen[rows].astype(str)
        found[names[corpus]] = unweighted_recall(truth.tolist(), predicted.tolist())
    return found


def train(trainer: Trainer, dev: Material, run: Path, *, report: Callable[[str], None]) -> None:
    """Train to the end, or on from the last checkpoint; the best epoch on dev speakers is kept as ``best.pt``."""
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        trainer.load(checkpoint)
        report(f"resumed after epoch {trainer.epoch}")
    best = max((line["dev"] for line in _history(run)[: trainer.epoch]), default=0.0)
    while trainer.epoch < trainer.recipe.schedule.epochs:
        loss = trainer.run_epoch()
        recalls = corpus_recalls(clip_logits(trainer.averaged, dev), dev, trainer.recipe.corpora)
        score = float(np.mean(list(recalls.values())))
        line: dict[str, Any] = {"epoch": trainer.epoch, "loss": round(loss, 4), "dev": round(score, 4)}
        line["recalls"] = {name: round(value, 3) for name, value in recalls.items()}
        if score >= best:
            best = score
            torch.save(trainer.averaged.state_dict(), run / "best.pt")
        trainer.save(checkpoint)
        _append(run, line)
        report(json.dumps(line))


def kept_epoch(run: Path) -> dict[str, int]:
    """Which epoch ``best.pt`` is from, and after how many the run ended."""
    lines = _history(run)
    best = max(lines, key=lambda line: (line["dev"], line["epoch"]))
    return {"kept_epoch": best["epoch"], "epochs_run": len(lines)}


def _history(run: Path) -> list[dict]:
    path = run / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _append(run: Path, line: dict) -> None:
    kept = [old for old in _history(run) if old["epoch"] < line["epoch"]]
    (run / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in [*kept, line]))
