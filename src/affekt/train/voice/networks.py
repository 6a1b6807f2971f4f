"""Which network a recipe trains, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from affekt.speech.network import EncodedVoice, PooledNetwork, VoiceNetwork, VoiceShape
from affekt.speech.whisper.network import WhisperShape, WhisperVoice
from affekt.train.recipe import AnyVoice, FrozenRecipe, Recipe, WhisperRecipe
from affekt.train.voice.features import Measure, log_mel_and_pitch
from affekt.train.voice.teacher import digest, encoded, load_teacher, whisper_mel


def network_of(recipe: AnyVoice) -> PooledNetwork:
    """The network of a recipe, its weights as they are at random."""
    if isinstance(recipe, WhisperRecipe):
        return (EncodedVoice if recipe.frozen else WhisperVoice)(shape_of(recipe))
    shape = VoiceShape(recipe.labels, recipe.corpora, **vars(recipe.network))
    if isinstance(recipe, FrozenRecipe):
        return EncodedVoice(shape)
    network = VoiceNetwork(shape)
    # Channels last in memory: a training step in float32 takes a sixth less.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # its stubs lack that form
    return network


def shape_of(recipe: WhisperRecipe) -> WhisperShape:
    """Sizes of the network of a recipe."""
    return WhisperShape(recipe.labels, recipe.corpora, **vars(recipe.network))


def teacher_frames(recipe: Recipe, teacher: Sequence[Path]) -> Measure:
    """Frames of Whisper's layers, from which a network of our own learns."""
    shape = WhisperShape(recipe.labels, **vars(recipe.distillation.teacher))
    return encoded(load_teacher(teacher, shape))


def taught_frames(recipe: FrozenRecipe, state: Mapping[str, torch.Tensor]) -> Measure:
    """Frames of the network of a recipe, with the weights that its teacher taught it."""
    network = network_of(replace(recipe.whole, corpora=())).eval()
    network.load_state_dict({name: state[name] for name in network.state_dict()})
    features, shape = log_mel_and_pitch(), network.shape
    facts = {"encoder": digest(network), "features": dict(features.facts)}
    size, rate = shape.levels * shape.channels, 16_000 / shape.frame_samples
    return Measure(lambda signal: (network.encode(*features.run(signal)),), (size,), rate, facts)


def measure_of(recipe: AnyVoice, teacher: Sequence[Path]) -> Measure:
    """What the network of a recipe takes of a clip; ``teacher`` as for :func:`load_teacher`."""
    if not isinstance(recipe, WhisperRecipe):
        return log_mel_and_pitch()
    return encoded(load_teacher(teacher, shape_of(recipe))) if recipe.frozen else whisper_mel()
