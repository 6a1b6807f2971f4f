"""Which network a recipe trains, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from affekt.speech.network import PooledNetwork, VoiceNetwork, VoiceShape
from affekt.speech.whisper.network import EncodedVoice, WhisperShape, WhisperVoice
from affekt.train.recipe import AnyVoice, Recipe, WhisperRecipe
from affekt.train.voice.features import Measure, log_mel_and_pitch
from affekt.train.voice.teacher import encoded, load_teacher, whisper_mel


def network_of(recipe: AnyVoice) -> PooledNetwork:
    """The network of a recipe, its weights as they are at random."""
    if isinstance(recipe, WhisperRecipe):
        return (EncodedVoice if recipe.frozen else WhisperVoice)(shape_of(recipe))
    network = VoiceNetwork(VoiceShape(recipe.labels, recipe.corpora, **vars(recipe.network)))
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


def measure_of(recipe: AnyVoice, teacher: Sequence[Path]) -> Measure:
    """What the network of a recipe takes of a clip; ``teacher`` as for :func:`load_teacher`."""
    if not isinstance(recipe, WhisperRecipe):
        return log_mel_and_pitch()
    return encoded(load_teacher(teacher, shape_of(recipe))) if recipe.frozen else whisper_mel()
