"""The heads, retrained on the embeddings of the finished encoder.

A batch has few clips of a speaker, so while the encoder learns, the heads that
are conditioned on the speaker see poor baselines and learn to rely on them little. Embeddings
are cheap: here a baseline comes from as many clips as a user would have.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from affekt.speech.network import PooledNetwork, SpeakerConditionedHead
from affekt.train.recipe import AnyVoice
from affekt.train.voice.loop import Material, clip_embeddings, draw_weights
from affekt.train.voice.losses import masked_cross_entropy, smooth_targets

#: Steps for each head, clips of a step, and the highest rate.
STEPS, CLIPS, RATE = 600, 256, 2e-3
#: In how many ways each clip is seen: as recorded, and changed.
WAYS = 2
#: How often a clip's difference from its speaker's baseline is set onto the baseline of another speaker.
TRANSPLANTED = 0.5
#: Fewest clips that a baseline comes from. Three of any speech, for a single one says most of its own emotion.
FEWEST = {"any": 3, "neutral": 1}
#: How often all clips of a speaker are known, and how many are otherwise at most.
ALL, MOST = 0.4, 12


@dataclass(frozen=True)
class Embedded:
    """Embeddings of clips in several ways, and the clips of each speaker that a baseline may come from.

    Parameters
    ----------
    ways : tensor, shape (ways, clips, d)
    material : Material
    """

    ways: Tensor
    material: Material

    def others(self, kind: str) -> list[NDArray[np.int64]]:
        """For each clip the other clips of its speaker: all, or the neutral ones."""
        speakers = self.material.speakers
        usable = self.material.labels == self.material.neutral if kind == "neutral" else np.full(len(speakers), True)
        own = {int(s): np.flatnonzero((speakers == s) & usable) for s in np.unique(speakers)}
        return [own[int(s)][own[int(s)] != clip] for clip, s in enumerate(speakers)]


def taught(network: PooledNetwork, material: Material, recipe: AnyVoice, run: Path) -> PooledNetwork:
    """The network of a run, its heads retrained on the run's training clips; kept as ``taught.pt``.

    Parameters
    ----------
    network : PooledNetwork
        With the weights of the run; changed in place and given back.
    material, recipe
        As for :func:`teach_heads`.
    run : Path
        Folder of the run.
    """
    kept = run / "taught.pt"
    if kept.exists():
        network.load_state_dict(torch.load(kept, weights_only=True))
        return network.eval()
    teach_heads(network, material, recipe)
    torch.save(network.state_dict(), kept.with_suffix(".part"))
    kept.with_suffix(".part").replace(kept)
    return network


def teach_heads(network: PooledNetwork, material: Material, recipe: AnyVoice) -> None:
    """Train the speaker-conditioned heads anew; the encoder and the unconditioned head stay as they are.

    In half of the clips, the difference from the speaker's baseline is added to
    another speaker's baseline. Where a new microphone, language or corpus moves
    all embeddings, only the difference still means the same, and a head must be
    trained to rely on it alone.

    Parameters
    ----------
    network : PooledNetwork
        Changed in place, and left in evaluation mode.
    material : Material
        Training speakers.
    recipe : Recipe
        Its ``balance``, ``seed`` and ``objective.smoothing``.
    """
    ways = range(min(WAYS, material.features.ways))
    half = recipe.schedule.bfloat16
    found = [clip_embeddings(network, material, way=way, bfloat16=half) for way in ways]
    embedded = Embedded(torch.stack(found), material)
    torch.manual_seed(recipe.seed)
    for kind in network.known:
        others = embedded.others(kind)
        if any(map(len, others)):
            network.known[kind] = _taught(
                SpeakerConditionedHead(network.size, network.shape), embedded, (kind, others), recipe
            )
    network.eval()


def _taught(
    head: SpeakerConditionedHead, embedded: Embedded, baseline: tuple[str, list[NDArray[np.int64]]], recipe: AnyVoice
) -> SpeakerConditionedHead:
    kind, others = baseline
    material, rng = embedded.material, np.random.default_rng(recipe.seed)
    usable = np.flatnonzero([len(rows) > 0 for rows in others])
    chance = draw_weights(material, recipe.balance)[usable]
    optimiser = torch.optim.AdamW(head.parameters(), RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, STEPS + 1, pct_start=0.1)
    for _ in range(STEPS):
        rows = rng.choice(usable, CLIPS, p=chance / chance.sum())
        values = embedded.ways[int(rng.integers(len(embedded.ways)))]
        means = torch.stack([values[some_of(others[row], FEWEST[kind], rng)].mean(0) for row in rows])
        clips = values[torch.from_numpy(rows)]
        logits = _transplanted(head, clips, means, rng)
        allowed = torch.from_numpy(material.allowed[material.corpora[rows]])
        targets = smooth_targets(torch.from_numpy(material.labels[rows]), allowed, recipe.objective.smoothing)
        optimiser.zero_grad()
        masked_cross_entropy(logits, targets, allowed).backward()
        optimiser.step()
        schedule.step()
    return head


def _transplanted(head: nn.Module, clips: Tensor, means: Tensor, rng: np.random.Generator) -> Tensor:
    """Logits of clips, some of them with another speaker's baseline under their own difference."""
    difference = clips - means
    moved = torch.from_numpy(rng.random((len(clips), 1)) < TRANSPLANTED)
    clips = torch.where(moved, difference + means[torch.from_numpy(rng.permutation(len(means)))], clips)
    found: Tensor = head(F.dropout(clips, 0.2), F.dropout(difference, 0.2))
    return found


def some_of(rows: NDArray[np.int64], fewest: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """All of the rows, or a random subset whose size is drawn uniformly on a logarithmic scale."""
    if rng.random() < ALL or len(rows) <= fewest:
        return rows
    count = int(np.exp(rng.uniform(np.log(fewest), np.log(MOST + 1))))
    return rng.choice(rows, min(count, len(rows)), replace=False)
