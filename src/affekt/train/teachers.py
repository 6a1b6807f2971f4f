"""What networks of earlier runs think of the clips that another one learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from affekt.errors import InputError
from affekt.speech.network import VoiceNetwork, VoiceShape
from affekt.train.loop import Material, clip_embeddings
from affekt.train.losses import MASKED
from affekt.train.recipe import Recipe


def teacher_targets(states: Sequence[Mapping[str, Tensor]], recipe: Recipe, material: Material, kept: Path) -> Tensor:
    """Mean probabilities that teachers give the classes of each clip, over all the ways in which it was changed.

    A label says what an actor was asked for, not how much of it can be heard.
    What several networks hear in a clip, however it is disturbed, tells which
    clips are plain and which could be something else; who learns from that is
    better than each of its teachers (Hinton et al., Distilling the knowledge in
    a neural network, 2015; Furlanello et al., Born-again neural networks, 2018).

    Parameters
    ----------
    states : sequence of mappings
        Weights of networks of the recipe's sizes and labels.
    recipe : Recipe
    material : Material
        The clips, of training speakers.
    kept : Path
        File that the result is kept in, and read from by a run that goes on.

    Returns
    -------
    tensor, shape (clips, k)
        Rows sum to 1; zero for classes that a clip's corpus does not have.

    Raises
    ------
    InputError
        If weights are of a network of other sizes.
    """
    if kept.exists():
        return torch.load(kept, weights_only=True)
    allowed = torch.from_numpy(material.allowed[material.corpora])
    total = torch.zeros(allowed.shape)
    for state in states:
        network = VoiceNetwork(VoiceShape(recipe.labels, recipe.corpora, **vars(recipe.network)))
        try:
            network.load_state_dict(dict(state))
        except RuntimeError:
            raise InputError("a teacher's weights are of a network of other sizes, labels or corpora.") from None
        for way in range(material.features.ways):
            with torch.no_grad():
                logits = network.head(clip_embeddings(network, material, way=way))
            total += torch.softmax(logits.masked_fill(~allowed, MASKED), dim=1)
    targets = total / (len(states) * material.features.ways)
    torch.save(targets, kept.with_suffix(".part"))
    kept.with_suffix(".part").replace(kept)
    return targets
