"""The training loop: balanced draws, averaged weights, checkpoints that resume."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from affekt.errors import InputError
from affekt.metrics.labels import unweighted_recall
from affekt.speech.network import BASELINES, PooledNetwork
from affekt.train.muon import Muon
from affekt.train.pace import Pace
from affekt.train.precision import half_precision
from affekt.train.recipe import AnyVoice
from affekt.train.resumable import average, load_checkpoint, save_checkpoint
from affekt.train.voice.features import Features
from affekt.train.voice.losses import MASKED, corpus_logits, masked_cross_entropy, smooth_targets
from affekt.train.voice.networks import network_of
from affekt.train.voice.perturb import changed

#: Seconds: the least that a network is given, the shortest crop, by how much the ends of a clip are moved, and what
#: the length of a batch is a multiple of.
LEAST, SHORTEST, EDGE, ROUNDED = 1.0, 0.5, 0.08, 0.2
#: Of the network, what is no hidden layer.
ENDS = ("attention", "head", "known", "corpus_heads")
#: Of the network, what another model has taught already.
TAUGHT = ("encoder",)


@dataclass(frozen=True)
class Material:
    """Features of clips with their labels and corpora as indices, and which classes each corpus has.

    Parameters
    ----------
    labels, corpora, speakers : int64 arrays, shape (clips,)
    allowed : bool array, shape (corpora, k)
    neutral : int
        Which label is neutral; -1 for none.
    """

    features: Features
    labels: NDArray[np.int64]
    corpora: NDArray[np.int64]
    speakers: NDArray[np.int64]
    allowed: NDArray[np.bool_]
    neutral: int = -1

    def take(self, rows: NDArray[np.int64]) -> Material:
        """Some of the clips."""
        return Material(
            self.features.take(rows),
            self.labels[rows],
            self.corpora[rows],
            self.speakers[rows],
            self.allowed,
            self.neutral,
        )


@dataclass(frozen=True)
class Batch:
    """Features of different length, padded with zeros."""

    sound: tuple[Tensor, ...]  # each (b, c, t)
    mask: Tensor  # (b, 1, t): 1 where a frame is real
    labels: Tensor  # (b,)
    corpora: Tensor  # (b,)
    speakers: Tensor  # (b,)
    clips: Tensor  # (b,)


class EpochBatches(Dataset[Any]):
    """The batches of one epoch; each is a function of (seed, epoch, number) alone, so that a run can resume."""

    def __init__(self, material: Material, recipe: AnyVoice, epoch: int) -> None:
        self.material, self.recipe, self.epoch = material, recipe, epoch
        self.plan = plan_epoch(material, recipe, np.random.default_rng([recipe.seed, epoch]))

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, number: int) -> Batch:
        rng = np.random.default_rng([self.recipe.seed, self.epoch, number])
        features, longest = self.material.features, self.recipe.schedule.seconds
        crops = []
        for group in self.plan[number]:
            # Clips of one speaker keep voice and room, as those of one conversation do.
            way = 0 if rng.random() < self.recipe.schedule.unchanged else int(rng.integers(features.ways))
            crops += [crop(features.get(int(index), way), longest, rng, rate=features.rate) for index in group]
        return collate(crops, self.material, self.plan[number].reshape(-1))


def plan_epoch(material: Material, recipe: AnyVoice, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Draw an epoch's clips, balanced over corpora and classes, in batches of similar length.

    Returns
    -------
    list of int64 arrays, shape (groups, clips of a group)
        One array per batch; a row is clips of one speaker.
    """
    schedule = recipe.schedule
    weights = draw_weights(material, recipe.balance)
    firsts = rng.choice(len(material.features), max(1, schedule.clips // schedule.group), p=weights)
    own = {int(s): np.flatnonzero(material.speakers == s) for s in np.unique(material.speakers[firsts])}
    groups = np.stack(
        [group_of(i, own[int(material.speakers[i])], weights, size=schedule.group, rng=rng) for i in firsts]
    )
    per_batch = max(1, schedule.batch // schedule.group)
    batches: list[NDArray[np.int64]] = []
    for part in np.array_split(groups, max(1, len(groups) // (16 * per_batch))):
        ordered = part[np.argsort(material.features.lengths[part].max(axis=1), kind="stable")]
        batches += np.array_split(ordered, max(1, len(ordered) // per_batch))
    return [batches[i] for i in rng.permutation(len(batches))]


def group_of(
    first: int, own: NDArray[np.int64], weights: NDArray[np.float64], *, size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """A clip and others of its speaker, drawn by weight, each but once where there are enough."""
    others = own[own != first]
    if not len(others):
        return np.full(size, first)
    chance = weights[others] / weights[others].sum()
    return np.concatenate([[first], rng.choice(others, size - 1, replace=len(others) < size - 1, p=chance)])


def draw_weights(material: Material, balance: float) -> NDArray[np.float64]:
    """Probability of each clip: a corpus counts by its size to the power ``balance``, its classes alike."""
    weights = np.zeros(len(material.labels))
    for corpus in np.unique(material.corpora):
        of_corpus = material.corpora == corpus
        classes = np.unique(material.labels[of_corpus])
        for label in classes:
            group = of_corpus & (material.labels == label)
            weights[group] = of_corpus.sum() ** balance / len(classes) / group.sum()
    found: NDArray[np.float64] = weights / weights.sum()
    return found


def crop(frames: NDArray[np.float16], longest: float, rng: np.random.Generator, *, rate: float) -> NDArray[np.float16]:
    """A random stretch of up to ``longest`` seconds; now and then a shorter one, as in live speech.

    Its ends are moved a little: where speech is found to begin depends on noise and level.
    """
    size, shortest = min(len(frames), int(longest * rate)), int(SHORTEST * rate)
    if size > shortest:
        edge = max(1, round(EDGE * rate))
        size = int(rng.integers(shortest, size)) if rng.random() < 0.3 else size - int(rng.integers(0, edge))
    start = int(rng.integers(0, len(frames) - size + 1))
    return frames[start : start + size]


def collate(crops: Sequence[NDArray[np.float16]], material: Material, indices: NDArray[np.int64]) -> Batch:
    """Pad clips to one length; at least one second, so that every layer has something to see."""
    sizes, rate = material.features.sizes, material.features.rate
    longest = max(int(LEAST * rate), *(len(frames) for frames in crops))
    # Each new length costs the convolutions new machine code, a tenth of a run's time.
    step = max(1, round(ROUNDED * rate))
    longest = -(-longest // step) * step
    padded = np.zeros((len(crops), longest, crops[0].shape[1]), np.float16)
    mask = np.zeros((len(crops), 1, longest), np.float32)
    for row, frames in enumerate(crops):
        padded[row, : len(frames)] = frames
        mask[row, 0, : len(frames)] = 1
    values = torch.from_numpy(padded).float().transpose(1, 2)
    return Batch(
        values.split(sizes, dim=1),
        torch.from_numpy(mask),
        torch.from_numpy(material.labels[indices]),
        torch.from_numpy(material.corpora[indices]),
        torch.from_numpy(material.speakers[indices]),
        torch.from_numpy(np.asarray(indices)),
    )


def differences(
    embedding: Tensor, batch: Batch, rng: np.random.Generator, *, label: int | None = None
) -> tuple[Tensor, Tensor]:
    """Difference of each clip from the mean of a random subset of its speaker's other clips (of a label) in the batch.

    Returns
    -------
    tensor (b, d), bool tensor (b,)
        The difference, and whether there was another clip.
    """
    other = (batch.speakers[:, None] == batch.speakers) & (batch.clips[:, None] != batch.clips)
    if label is not None:
        other &= batch.labels == label
    chance = torch.from_numpy(rng.random((len(other), len(other)))).masked_fill(~other, 2.0)
    # The nearest to nothing is always kept, so that whoever has other clips has a baseline.
    keep = other & (chance <= torch.maximum(torch.from_numpy(rng.random((len(other), 1))), chance.amin(1, True)))
    count = keep.sum(dim=1, keepdim=True)
    return embedding - keep.float() @ embedding / count.clamp(min=1), count[:, 0] > 0


def mix_pairs(corpora: Tensor, rng: np.random.Generator) -> Tensor:
    """For each clip another one of its corpus in the batch, or itself; shape (b,)."""
    partner = np.arange(len(corpora))
    for corpus in np.unique(corpora.numpy()):
        group = np.flatnonzero(corpora.numpy() == corpus)
        partner[group] = rng.permutation(group)
    return torch.from_numpy(partner)


class Trainer:
    """State of a run: network, averaged weights, optimiser, epoch.

    ``state`` holds the starting weights, from another network of the same sizes;
    heads of corpora that it did not have start anew.
    """

    def __init__(
        self,
        recipe: AnyVoice,
        material: Material,
        *,
        state: Mapping[str, Tensor] | None = None,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.material = recipe, material
        self.network = network_of(recipe)
        if state is not None:
            # Weights that no head of this run has a place for, those of other corpora, are left behind.
            own = self.network.state_dict()
            try:
                self.network.load_state_dict({**own, **{name: value for name, value in state.items() if name in own}})
            except RuntimeError:
                raise InputError("the weights to start from are of a network of other sizes.") from None
        self.averaged = copy.deepcopy(self.network).eval()
        schedule = recipe.schedule
        steps = schedule.epochs * len(plan_epoch(material, recipe, np.random.default_rng(0)))
        self.optimisers = self._optimisers()
        self.schedulers = [
            torch.optim.lr_scheduler.OneCycleLR(
                one, one.param_groups[0]["lr"], steps + 1, pct_start=0.1, cycle_momentum=False
            )
            for one in self.optimisers
        ]
        self.epoch, self.step, self.steps = 0, 0, steps
        self.allowed = torch.from_numpy(material.allowed)

    def _optimisers(self) -> list[torch.optim.Optimizer]:
        """One for the matrices of hidden layers, one for all else."""
        schedule = self.recipe.schedule
        named = [(name, name.split(".")[0], p) for name, p in self.network.named_parameters() if p.requires_grad]
        taught = [p for _, part, p in named if part in TAUGHT]
        hidden = [p for _, part, p in named if p.dim() > 1 and part not in (*ENDS, *TAUGHT)]
        ends = [p for _, part, p in named if p.dim() > 1 and part in ENDS]
        vectors = [p for _, part, p in named if p.dim() <= 1 and part not in TAUGHT]
        decay, rate = schedule.weight_decay, schedule.learning_rate
        groups: list[dict[str, Any]] = [{"params": ends}, {"params": vectors, "weight_decay": 0.0}]
        optimisers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(groups, lr=rate, weight_decay=decay, fused=True),
            Muon(hidden, lr=schedule.encoder_rate, weight_decay=decay),
        ]
        if taught:  # a little decay would already pull it away from what it was taught
            optimisers.append(torch.optim.AdamW(taught, lr=schedule.taught_rate, weight_decay=0.0, fused=True))
        return optimisers

    def run_epoch(self, tick: Callable[[], object] = lambda: None) -> float:
        """Train on one epoch; return its mean loss. ``tick`` is called after each step."""
        self.network.train()
        # Dropout, too, must depend only on the epoch, or a resumed run would give another result.
        torch.manual_seed(self.recipe.seed * 100_003 + self.epoch)
        batches = EpochBatches(self.material, self.recipe, self.epoch)
        # With one thread there is one core, and a second process would only take turns with the first.
        alone = torch.get_num_threads() == 1
        loader = DataLoader(
            batches, batch_size=None, num_workers=0 if alone else 1, prefetch_factor=None if alone else 8
        )
        rng = np.random.default_rng([self.recipe.seed, self.epoch, 1 << 20])
        losses = []
        for batch in loader:
            losses.append(self._train_step(batch, rng))
            tick()
        self.epoch += 1
        return float(np.mean(losses))

    def _train_step(self, batch: Batch, rng: np.random.Generator) -> float:
        loss = self.loss(batch, rng)
        self.network.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        for optimiser, scheduler in zip(self.optimisers, self.schedulers, strict=True):
            optimiser.step()
            scheduler.step()
        self.step += 1
        average(self.averaged, self.network, step=self.step, decay=self.recipe.schedule.averaging)
        return float(loss.detach())

    def loss(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        """Loss of a batch, with other voices, masking, mixing of embeddings and the per-corpus heads."""
        objective, network = self.recipe.objective, self.network
        sound = changed((batch.sound, batch.mask), batch.speakers, self.recipe, rng)
        with half_precision(self.recipe.schedule.bfloat16):
            frames = network.encode(*sound, mask=batch.mask)
        embedding = network.embed(frames.float(), batch.mask)
        allowed = self.allowed[batch.corpora]
        targets = smooth_targets(batch.labels, allowed, objective.smoothing)
        baselines = {
            kind: differences(embedding, batch, rng, label=self.material.neutral if kind == "neutral" else None)
            for kind in BASELINES
        }
        if objective.mixup:
            partner = mix_pairs(batch.corpora, rng)
            share = torch.from_numpy(rng.beta(objective.mixup, objective.mixup, len(partner))).float()[:, None]

            def mix(x: Tensor) -> Tensor:
                return share * x + (1 - share) * x[partner]

            embedding, targets = mix(embedding), mix(targets)
            baselines = {kind: (mix(d), has & has[partner]) for kind, (d, has) in baselines.items()}
        embedding = network.dropout(embedding)
        loss = masked_cross_entropy(network.head(embedding), targets, allowed)
        for kind, (difference, has) in baselines.items():
            if objective.baselines and has.any():
                logits = network.known[kind](embedding[has], difference[has])
                loss = loss + objective.baselines * masked_cross_entropy(logits, targets[has], allowed[has])
        if objective.corpus_heads:
            own = corpus_logits(network.corpus_heads, embedding, batch.corpora)
            loss = loss + objective.corpus_heads * masked_cross_entropy(own, targets, allowed)
        return loss

    def save(self, path: Path) -> None:
        """Write a checkpoint that appears only when complete."""
        save_checkpoint(self, path)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint."""
        load_checkpoint(self, path)


def between(start: Mapping[str, Tensor], end: Mapping[str, Tensor], way: float, *, head: float) -> dict[str, Tensor]:
    """Interpolate between the weights that a run started from and those that it reached.

    From few speakers and corpora, a network also learns what is specific to them; some of the way
    back it can do better on others (Wortsman et al., Robust fine-tuning of
    zero-shot models, 2022). Where it did and where not is in docs/model-log.md.
    Weights that the start lacks are taken from the end.

    Parameters
    ----------
    start, end : mapping of str to tensor
    way, head : float
        Of all weights, and of those of the unconditioned head: 0 the start, 1 the end.
    """

    def share(name: str, value: Tensor) -> Tensor:
        if name not in start or not value.is_floating_point():
            return value
        return torch.lerp(start[name], value, head if name.startswith("head.") else way)

    return {name: share(name, value) for name, value in end.items()}


def clip_embeddings(
    network: PooledNetwork, material: Material, *, way: int = 0, batch: int = 32, bfloat16: bool = False
) -> Tensor:
    """Embedding of every clip as a whole, in one way, (clips, d); in evaluation mode.

    With ``bfloat16`` the encoder computes in half the bits, as it does while it learns: up to three times as fast,
    for errors of some 2 % of the deviation.
    """
    order = np.argsort(material.features.lengths, kind="stable")
    found = torch.zeros(len(order), network.size)
    network.eval()
    with torch.no_grad():
        for part in np.array_split(order, max(1, len(order) // batch)):
            data = collate([material.features.get(int(i), way) for i in part], material, part)
            with half_precision(bfloat16):
                frames = network.encode(*data.sound, mask=data.mask)
            found[torch.from_numpy(part)] = network.embed(frames.float(), data.mask)
    return found


def own_baselines(embeddings: Tensor, material: Material, *, label: int | None = None) -> tuple[Tensor, Tensor]:
    """For each clip the mean embedding of all other clips of its speaker, or of those of a label.

    Returns
    -------
    tensor (clips, d), bool tensor (clips,)
        The mean, and whether there was another clip.
    """
    speakers, labels = torch.from_numpy(material.speakers), torch.from_numpy(material.labels)
    mean, has = torch.zeros_like(embeddings), torch.zeros(len(embeddings), dtype=torch.bool)
    for speaker in speakers.unique():
        rows = speakers == speaker
        used = rows if label is None else rows & (labels == label)
        total, own = embeddings[used].sum(0), used[rows].float()[:, None]
        count = used.sum() - own
        mean[rows] = (total - own * embeddings[rows]) / count.clamp(min=1)
        has[rows] = count[:, 0] > 0
    return mean, has


def clip_logits(
    network: PooledNetwork, material: Material, *, embeddings: Tensor | None = None, baseline: str | None = None
) -> NDArray[np.float32]:
    """Logits of every clip as a whole, shape (clips, k).

    ``baseline`` is a key of ``BASELINES``: each clip is then compared with its
    speaker's other clips; where there are none, it is not.
    """
    found = clip_embeddings(network, material) if embeddings is None else embeddings
    network.eval()
    with torch.no_grad():
        logits = network.head(found)
        if baseline is not None:
            mean, has = own_baselines(found, material, label=material.neutral if baseline == "neutral" else None)
            logits[has] = network.known[baseline](found[has], (found - mean)[has])
    result: NDArray[np.float32] = logits.numpy()
    return result


def corpus_recalls(logits: NDArray[np.float32], material: Material, names: Sequence[str]) -> dict[str, float]:
    """UAR of each corpus over the classes that it has."""
    chosen = np.where(material.allowed[material.corpora], logits, MASKED).argmax(axis=1)
    found = {}
    for corpus in np.unique(material.corpora):
        rows = material.corpora == corpus
        truth, predicted = material.labels[rows].astype(str), chosen[rows].astype(str)
        found[names[corpus]] = unweighted_recall(truth.tolist(), predicted.tolist())
    return found


def train(trainer: Trainer, dev: Material | None, run: Path, *, report: Callable[[str], None]) -> None:
    """Train to the end, or on from the last checkpoint.

    The best epoch on dev speakers is kept as ``best.pt``; without dev speakers, the last.
    """
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        trainer.load(checkpoint)
        report(f"resumed after epoch {trainer.epoch}")
    best = max((line.get("dev", 1.0) for line in _history(run)[: trainer.epoch]), default=0.0)
    pace = Pace(trainer.steps, report, done=trainer.step)
    while trainer.epoch < trainer.recipe.schedule.epochs:
        loss = trainer.run_epoch(pace)
        line: dict[str, Any] = {"epoch": trainer.epoch, "loss": round(loss, 4), **_scores(trainer, dev)}
        if line.get("dev", 1.0) >= best:
            best = line.get("dev", 1.0)
            torch.save(trainer.averaged.state_dict(), run / "best.pt")
        trainer.save(checkpoint)
        kept = [old for old in _history(run) if old["epoch"] < line["epoch"]]
        (run / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in [*kept, line]))
        report(json.dumps(line))


def _scores(trainer: Trainer, dev: Material | None) -> dict[str, Any]:
    """Mean UAR over the corpora of dev speakers, without and with their baseline, and UAR of each corpus without."""
    if dev is None:
        return {}
    network, found, recalls = trainer.averaged, clip_embeddings(trainer.averaged, dev), {}
    for kind, baseline in {"dev": None, **{f"dev_{kind}": kind for kind in BASELINES}}.items():
        logits = clip_logits(network, dev, embeddings=found, baseline=baseline)
        recalls[kind] = corpus_recalls(logits, dev, trainer.recipe.corpora)
    scores: dict[str, Any] = {kind: round(float(np.mean(list(of.values()))), 4) for kind, of in recalls.items()}
    return {**scores, "recalls": {name: round(value, 3) for name, value in recalls["dev"].items()}}


def kept_epoch(run: Path) -> dict[str, int]:
    """Which epoch ``best.pt`` is from, and after how many the run ended."""
    lines = _history(run)
    best = max(lines, key=lambda line: (line.get("dev", 1.0), line["epoch"]))
    return {"kept_epoch": best["epoch"], "epochs_run": len(lines)}


def _history(run: Path) -> list[dict[str, Any]]:
    path = run / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
