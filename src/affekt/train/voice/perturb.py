"""Changes made to features while a network learns: other voices, and hidden parts."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affekt.speech.frontend import FrontEnd, mel_edges, pitch_lags
from affekt.speech.spectral import hertz_to_mel, mel_to_hertz
from affekt.speech.whisper.network import WHISPER_FRONT
from affekt.train.recipe import AnyVoice, FrozenRecipe, Objective, WhisperRecipe


def changed(
    given: tuple[tuple[Tensor, ...], Tensor], speakers: Tensor, recipe: AnyVoice, rng: np.random.Generator
) -> tuple[Tensor, ...]:
    """The features of a batch, each (b, c, t), changed as the recipe says; what a frozen encoder gave stays.

    ``given`` are the features and their mask (b, 1, t).
    """
    (sound, mask), objective = given, recipe.objective
    if isinstance(recipe, FrozenRecipe):
        return sound
    if isinstance(recipe, WhisperRecipe):
        if recipe.frozen:
            return sound
        (mel,) = sound
        _, voice = np.unique(speakers.numpy(), return_inverse=True)
        mel = _tracts_changed(mel, WHISPER_FRONT, rng.normal(0, objective.formants, voice.max() + 1)[voice])
        return (spec_augment(mel, objective, rng, mask),)
    mel, salience = sound
    if objective.formants or objective.pitch:
        mel, salience = change_voices((mel, salience), speakers, objective, rng)
    return spec_augment(mel, objective, rng, mask), salience


def change_voices(
    sound: tuple[Tensor, Tensor], speakers: Tensor, objective: Objective, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Give each speaker of a batch another vocal tract and another pitch, drawn independently.

    Corpora have few speakers, and a network soon knows them by their voices. A
    longer or shorter vocal tract moves the formants (Jaitly & Hinton, Vocal
    tract length perturbation, 2013); the pitch salience moves along its lags,
    contour and all. All clips of a speaker change alike, or they could not be
    compared with one another.

    Parameters
    ----------
    sound : tensor (b, bands, t), tensor (b, lags, t)
        Log-mel bands and pitch salience.
    speakers : int64 tensor, shape (b,)
    objective : Objective
        Its ``formants`` and ``pitch``.
    rng : numpy.random.Generator

    Returns
    -------
    tensor (b, bands, t), tensor (b, lags, t)
        New ones; beyond an edge, the values at the edge are repeated.
    """
    mel, salience = sound
    front = FrontEnd(bands=mel.shape[1], lags=salience.shape[1])
    _, voice = np.unique(speakers.numpy(), return_inverse=True)
    tracts, pitches = (rng.normal(0, size, voice.max() + 1) for size in (objective.formants, objective.pitch))
    step = np.log(pitch_lags(front)[1] / pitch_lags(front)[0])
    lags = np.arange(front.lags) + pitches[voice, None] / step
    return _tracts_changed(mel, front, tracts[voice]), _read_at(salience, lags)


def _tracts_changed(mel: Tensor, front: FrontEnd, tracts: NDArray[np.float64]) -> Tensor:
    """Bands (b, bands, t) after all frequencies of a clip were moved by a factor; its logarithm is in (b,)."""
    edges = mel_edges(front)
    moved = hertz_to_mel(mel_to_hertz(edges[1:-1]) * np.exp(-tracts[:, None]))
    return _read_at(mel, (moved - edges[1]) / (edges[1] - edges[0]))


def _read_at(values: Tensor, positions: np.ndarray) -> Tensor:
    """Values (b, n, t) at positions (b, n) along their second axis, between two of them by a straight line."""
    last, frames = values.shape[1] - 1, values.shape[2]
    at = torch.from_numpy(positions).float().clamp(0, last)
    low = at.floor().long().clamp(max=last - 1)
    share = (at - low)[..., None]

    def taken(index: Tensor) -> Tensor:
        return values.gather(1, index[..., None].expand(-1, -1, frames))

    return torch.lerp(taken(low), taken(low + 1), share)


def spec_augment(mel: Tensor, objective: Objective, rng: np.random.Generator, mask: Tensor | None = None) -> Tensor:
    """Replace two frequency bands and two stretches of time by the clip's mean (Park et al., SpecAugment, 2019).

    ``mask`` (b, 1, t) is 1 where a clip is; the mean is over these frames.
    """
    mel = mel.clone()
    count, bands, frames = mel.shape
    real = torch.ones_like(mel[:, :1]) if mask is None else mask
    mean = (mel * real).sum(dim=(1, 2)) / (real.sum(dim=(1, 2)) * bands)
    for row in range(count):
        for _ in range(2):
            size = int(rng.integers(0, objective.frequency_mask + 1))
            start = int(rng.integers(0, bands - size + 1))
            mel[row, start : start + size] = mean[row]
            size = min(int(rng.integers(0, objective.time_mask + 1)), frames // 5)
            start = int(rng.integers(0, frames - size + 1))
            mel[row, :, start : start + size] = mean[row]
    return mel
