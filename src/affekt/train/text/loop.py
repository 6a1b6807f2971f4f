"""The training loop of one text network: two corpora in turn, averaged weights, checkpoints that resume."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from affekt.labels import COMMON, GOEMOTIONS
from affekt.text.network import TextNetwork
from affekt.text.shape import DAIR
from affekt.text.tokens import Vocabulary, first_tokens, grams_of
from affekt.train.pace import Pace
from affekt.train.precision import half_precision
from affekt.train.resumable import average, load_checkpoint, save_checkpoint
from affekt.train.text.recipe import TextRecipe
from affekt.train.text.texts import Texts

#: What each label of dair-ai is among GoEmotions': joy without love, which stands by itself.
GROUPED = {
    "anger": COMMON["goemotions"]["angry"],
    "fear": COMMON["goemotions"]["fear"],
    "joy": tuple(label for label in COMMON["goemotions"]["happy"] if label != "love"),
    "love": ("love",),
    "sadness": COMMON["goemotions"]["sad"],
    "surprise": ("surprise",),
}
#: N-grams of a word while learning.
_GRAMS = 10
#: Batches that are sorted by length together.
_SORTED = 50
#: Steps between two that enter the running average: the tables are large, and few steps move them little.
_AVERAGED = 8


def common_of(labels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Labels of GoEmotions (n, 28) as affekt's words (n, 7): present where one of a word's labels is."""
    groups = COMMON["goemotions"].values()
    return np.stack([labels[:, [GOEMOTIONS.index(own) for own in group]].any(axis=1) for group in groups], axis=1)


@dataclass(frozen=True, eq=False)
class Targets:
    """What the outputs learn of GoEmotions' texts: probabilities.

    Parameters
    ----------
    one, present : tensor, shape (n, 28)
    common : tensor, shape (n, 7)
    """

    one: Tensor
    present: Tensor
    common: Tensor


def targets_of(texts: Texts, *, taught: Sequence[Tensor] = (), share: float = 0.0) -> Targets:
    """Labels, and by a share what earlier networks say of the same texts."""
    present = torch.from_numpy(texts.labels).float()
    common = torch.from_numpy(common_of(texts.labels)).float()
    one = present / present.sum(dim=1, keepdim=True).clamp(min=1)
    if taught:
        one, present, common = (
            (1 - share) * given + share * said for given, said in zip((one, present, common), taught, strict=False)
        )
    return Targets(one, present, common)


class Encoded:
    """Texts as rows for learning: of each token how it is written, its word or 0, its n-grams."""

    def __init__(self, texts: Sequence[str], vocabulary: Vocabulary) -> None:
        first = vocabulary.size - vocabulary.buckets
        self.rows: list[NDArray[np.int32]] = []
        for text in texts:
            tokens = first_tokens(text)
            rows = np.zeros((max(1, len(tokens)), 2 + _GRAMS), np.int32)
            for row, token in zip(rows, tokens, strict=False):
                grams = [first + bucket for bucket in grams_of(token.word, vocabulary.buckets)[:_GRAMS]]
                row[0] = token.style
                row[1] = vocabulary.numbers(token.word)[0] if vocabulary.knows(token.word) else 0
                row[2 : 2 + len(grams)] = grams
            self.rows.append(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, places: Sequence[int] | NDArray[np.int64]) -> Tensor:
        """Rows of some texts, padded: (b, t, 2 + g)."""
        chosen = [self.rows[i] for i in places]
        found = np.zeros((len(chosen), max(len(rows) for rows in chosen), 2 + _GRAMS), np.int64)
        for one, rows in zip(found, chosen, strict=True):
            one[: len(rows)] = rows
        return torch.from_numpy(found)

    def batches(self, size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        """All texts once, in batches of about one length, in random order."""
        order = rng.permutation(len(self))
        found = []
        for start in range(0, len(order), size * _SORTED):
            part = order[start : start + size * _SORTED]
            part = part[np.argsort([len(self.rows[i]) for i in part], kind="stable")]
            found += [part[i : i + size] for i in range(0, len(part), size)]
        return [found[i] for i in rng.permutation(len(found))]


def answers(network: TextNetwork, rows: Tensor, *, unknown: float = 0.0) -> tuple[Tensor, ...]:
    """The outputs for rows (b, t, 2 + g); a share of the words is taken for unknown ones."""
    words, grams = rows[:, :, 1:2], rows[:, :, 2:]
    known = words > 0
    if unknown:
        known = known & (torch.rand(words.shape) >= unknown)
    chosen = torch.where(known, F.pad(words, (0, grams.shape[2] - 1)), grams)
    return network.answers(rows, chosen)


def outputs(network: TextNetwork, encoded: Encoded, *, size: int = 256) -> list[NDArray[np.float32]]:
    """All outputs of a network for many texts, in their order."""
    network.eval()
    order = np.argsort([len(rows) for rows in encoded.rows], kind="stable")
    parts = []
    with torch.no_grad():
        for start in range(0, len(order), size):
            parts.append([one.numpy() for one in answers(network, encoded.batch(order[start : start + size]))])
    back = np.argsort(order, kind="stable")
    return [np.concatenate(pieces)[back] for pieces in zip(*parts, strict=True)]


@dataclass(frozen=True, eq=False)
class Material:
    """All that networks of a run learn from.

    Parameters
    ----------
    vocabulary : Vocabulary
    vectors : array, shape (words, embedding)
    goemotions, dair : Encoded
    texts : Texts
        GoEmotions', as encoded.
    dair_labels : int array
    """

    vocabulary: Vocabulary
    vectors: NDArray[np.float32]
    goemotions: Encoded
    dair: Encoded
    texts: Texts
    dair_labels: NDArray[np.int64]


class TextTrainer:
    """State of the training of one network: weights, their running average, optimiser, epoch.

    Parameters
    ----------
    recipe : TextRecipe
    material : Material
    number : int
        Which of the recipe's networks.
    taught : sequence of tensor
        Probabilities of the outputs that earlier networks give GoEmotions' texts; none for those that learn alone.
    """

    def __init__(
        self, recipe: TextRecipe, material: Material, *, number: int = 0, taught: Sequence[Tensor] = ()
    ) -> None:
        self.recipe, self.material, self.seed = recipe, material, recipe.seed + 1000 * number
        torch.manual_seed(self.seed)
        self.targets = targets_of(material.texts, taught=taught, share=recipe.objective.distillation)
        self.dair_labels = torch.from_numpy(material.dair_labels)
        words = len(material.vocabulary.words)
        self.network = TextNetwork(recipe.network, words=words, buckets=material.vocabulary.buckets)
        self.network.start(material.vectors)
        self.averaged = copy.deepcopy(self.network).eval()
        self.schedule = schedule = recipe.of(number)
        table = self.network.table.weight
        self.rest = [weight for weight in self.network.parameters() if weight is not table]
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(
                self.rest, lr=schedule.learning_rate, betas=(0.9, 0.98), weight_decay=schedule.weight_decay
            ),
            # A batch touches few rows; dense steps over all of them took four times as long as the network.
            torch.optim.SparseAdam([table], lr=schedule.table_rate, betas=(0.9, 0.98)),
        ]
        steps = schedule.epochs * math.ceil(len(material.goemotions) / schedule.batch)
        self.schedulers = [
            torch.optim.lr_scheduler.LambdaLR(one, lambda step: _rate(step / steps)) for one in self.optimisers
        ]
        self.grouped = torch.tensor([[own in GROUPED[label] for own in GOEMOTIONS] for label in DAIR])
        self.epoch, self.step, self.steps = 0, 0, steps

    def run_epoch(self, tick: Callable[[], object] = lambda: None) -> float:
        """Train on every text of GoEmotions once; return the mean loss. ``tick`` is called after each step."""
        self.network.train()
        # All randomness depends only on the epoch, or a resumed run would give another result.
        torch.manual_seed(self.seed * 100_003 + self.epoch)
        rng = np.random.default_rng([self.seed, self.epoch])
        size, turn = self.schedule.batch, self.schedule.turn
        others = self.material.dair.batches(size, rng) if len(self.material.dair) else []
        losses = []
        for number, places in enumerate(self.material.goemotions.batches(size, rng)):
            loss = self._goemotions_loss(places)
            losses.append(loss.item())
            if others and number % turn == 0:
                loss = loss + self._dair_loss(others[number // turn % len(others)])
            self._step(loss)
            tick()
        self.epoch += 1
        return float(np.mean(losses))

    def _step(self, loss: Tensor) -> None:
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.rest, 2.0)
        for optimiser, scheduler in zip(self.optimisers, self.schedulers, strict=True):
            optimiser.step()
            scheduler.step()
        self.step += 1
        if self.step % _AVERAGED == 0:
            step, decay = self.step // _AVERAGED, self.schedule.averaging**_AVERAGED
            average(self.averaged, self.network, step=step, decay=decay)

    def _answers(self, rows: Tensor) -> tuple[Tensor, ...]:
        with half_precision(self.schedule.bfloat16):
            found = answers(self.network, rows, unknown=self.recipe.network.unknown)
        return tuple(one.float() for one in found)

    def _goemotions_loss(self, places: NDArray[np.int64]) -> Tensor:
        weights, rows = self.recipe.objective, self.material.goemotions.batch(places)
        one, present, common, _ = self._answers(rows)
        wanted = torch.from_numpy(places)
        right = self.targets
        return (
            weights.one * -(right.one[wanted] * one.log_softmax(dim=1)).sum(dim=1).mean()
            + weights.present * _binary(present, right.present[wanted])
            + weights.common * _binary(common, right.common[wanted])
        )

    def _dair_loss(self, places: NDArray[np.int64]) -> Tensor:
        weights, labels = self.recipe.objective, self.dair_labels[torch.from_numpy(places)]
        one, _, _, dair = self._answers(self.material.dair.batch(places))
        grouped = one.log_softmax(dim=1)[:, None].masked_fill(~self.grouped, -1e4).logsumexp(dim=2)
        loss: Tensor = weights.dair * F.cross_entropy(dair, labels, label_smoothing=0.05)
        return loss + weights.grouped * F.nll_loss(grouped, labels)


def _binary(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy summed over the labels of a text."""
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum(dim=1).mean()


def _rate(share: float) -> float:
    """Of the highest rate, at a share of the run."""
    return min(1.0, share * 12) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def train_network(trainer: TextTrainer, folder: Path, *, report: Callable[[str], None]) -> TextNetwork:
    """Train to the end, from where ``folder`` stopped; the averaged network."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.is_file():
        load_checkpoint(trainer, checkpoint)
    pace = Pace(trainer.steps, report, done=trainer.step)
    while trainer.epoch < trainer.schedule.epochs:
        loss = trainer.run_epoch(pace)
        save_checkpoint(trainer, checkpoint)
        line = json.dumps({"epoch": trainer.epoch, "loss": round(loss, 4)})
        with open(folder / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(line + "\n")
        report(line)
    return trainer.averaged.eval()
