"""The networks for the voice. Waveform in, logits out; the log-mel front end is part of the graph.

The receptive field of every layer is bounded, so cutting a long signal
with enough context on both sides gives the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affekt.errors import InputError
from affekt.speech.frontend import FrontEnd, mel_filters, salience_basis
from affekt.speech.spectral import hann


def constant(values: np.ndarray) -> nn.Parameter:
    """A float32 parameter that is not trained."""
    return nn.Parameter(torch.tensor(np.ascontiguousarray(values), dtype=torch.float32), requires_grad=False)


class Spectrum(nn.Module):
    """Power spectrum of every frame, as two matrix products at half the work of one.

    At the even bins the DFT of a frame is that of the sum of its two halves,
    at the odd bins that of their difference (Cooley & Tukey, 1965), so each
    product is only half as long.
    """

    def __init__(self, front: FrontEnd) -> None:
        super().__init__()
        self.front, self.middle = front, front.window // 2
        is_even = front.bins % 2 == 0
        self.order = np.concatenate([np.flatnonzero(is_even), np.flatnonzero(~is_even)])
        self.odd_from = int(is_even.sum())
        self.window = constant(hann(front.window))
        self.even = constant(self._basis(front.bins[is_even]))
        self.odd = constant(self._basis(front.bins[~is_even]))

    def _basis(self, bins: np.ndarray) -> np.ndarray:
        angle = 2 * np.pi * np.outer(np.arange(self.middle), bins) / self.front.window
        return np.concatenate([np.cos(angle), np.sin(angle)], axis=1)

    def forward(self, signal: Tensor) -> Tensor:
        """Signal (b, n) to power (b, t, bins), where column i is bin ``order[i]``."""
        frames = self._frames(signal) * self.window
        first, second = frames[..., : self.middle], frames[..., self.middle :]
        return torch.cat([_power((first + second) @ self.even), _power((first - second) @ self.odd)], dim=-1)

    def _frames(self, signal: Tensor) -> Tensor:
        hop = self.front.hop
        whole, rest = divmod(self.front.window, hop)
        padded = F.pad(signal, (0, (hop - rest) % hop))
        hops = padded[:, : padded.shape[1] // hop * hop].reshape(padded.shape[0], -1, hop)
        count = hops.shape[1] - (self.front.window - 1) // hop
        parts = [hops[:, i : i + count] for i in range(whole)] + [hops[:, whole:, :rest]] * (rest > 0)
        return torch.cat(parts, dim=-1)


def _power(parts: Tensor) -> Tensor:
    cosine, sine = parts.chunk(2, dim=-1)
    return cosine * cosine + sine * sine


class LogMel(nn.Module):
    """Signal (b, n) to log-mel band power (b, t, bands), absolute level kept."""

    def __init__(self, front: FrontEnd, floor: float) -> None:
        super().__init__()
        self.spectrum, self.floor = Spectrum(front), floor
        self.filters = constant(mel_filters(front)[self.spectrum.order])

    def forward(self, signal: Tensor) -> Tensor:
        return torch.log(self.spectrum(signal) @ self.filters + self.floor)


#: Frames, a second on either side, over which the level is measured.
LEVEL_FRAMES = 201


class VoiceFeatures(nn.Module):
    """Log-mel bands and pitch salience, with the level removed.

    The power is divided by its mean over a second on either side before the
    logarithm. So gain changes nothing, what lies 50 dB below the surrounding
    speech disappears in the floor, and no value depends on anything further away than that second.
    """

    def __init__(self, front: FrontEnd, *, level_frames: int = LEVEL_FRAMES, floor: float = 1e-5) -> None:
        super().__init__()
        self.spectrum, self.floor = Spectrum(front), floor
        self.filters = constant(mel_filters(front)[self.spectrum.order])
        basis = salience_basis(front)
        even, odd = (
            order[order < len(basis)]
            for order in (self.spectrum.order[: self.spectrum.odd_from], self.spectrum.order[self.spectrum.odd_from :])
        )
        self.low = (slice(0, len(even)), slice(self.spectrum.odd_from, self.spectrum.odd_from + len(odd)))
        self.salience = constant(basis[np.concatenate([even, odd])])
        self.level = nn.AvgPool1d(level_frames, stride=1, padding=level_frames // 2, count_include_pad=False)

    def forward(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Signal (b, n) to log-mel (b, bands, t) and salience (b, lags, t)."""
        power = self.spectrum(signal)
        bands = (power @ self.filters).transpose(1, 2)
        level = self.level(bands.sum(dim=1, keepdim=True))
        mel = torch.log(bands / (level + 1e-10) + self.floor)
        amplitude = torch.sqrt(torch.cat([power[..., low] for low in self.low], dim=-1) + 1e-14)
        salience = (amplitude @ self.salience) / (amplitude.sum(dim=-1, keepdim=True) + 1e-6)
        return mel, salience.transpose(1, 2)


@dataclass(frozen=True)
class PooledShape:
    """The sizes common to all emotion networks.

    Parameters
    ----------
    channels, levels : int
        A frame has ``levels`` stages of ``channels`` values.
    dropout : float
        Dropout of the embeddings.
    heads : int
        Number of attention heads; each weights its share of the channels.
    embedding : int
        Size of an embedding.
    hidden : int
        Hidden size of the speaker-conditioned heads.
    window_frames, hop_frames : int
        Encoder frames in a window, and between the starts of two windows.
    """

    labels: tuple[str, ...]
    corpora: tuple[str, ...] = ()
    channels: int = 192
    levels: int = 3
    dropout: float = 0.2
    heads: int = 4
    embedding: int = 256
    hidden: int = 128
    window_frames: int = 75
    hop_frames: int = 10

    def __post_init__(self) -> None:
        if self.levels * self.channels % self.heads:
            raise InputError(
                f"{self.heads} heads cannot share {self.levels} levels of {self.channels} channels alike; "
                "choose heads that divide their product."
            )

    @property
    def frame_samples(self) -> int:
        """Samples between two frames of the encoder."""
        raise NotImplementedError

    @property
    def context_samples(self) -> int:
        """Samples on either side that can change a frame of the encoder."""
        raise NotImplementedError


@dataclass(frozen=True)
class VoiceShape(PooledShape):
    """The sizes of :class:`VoiceNetwork`.

    Parameters
    ----------
    planes : (int, int)
        Channels over frequency and time, before and after frequency is halved once more.
    dilations
        Of the blocks over time.
    time_dropout : float
        Of whole channels inside the blocks.
    """

    front: FrontEnd = field(default_factory=FrontEnd)
    planes: tuple[int, int] = (32, 64)
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    time_dropout: float = 0.1

    @property
    def frame_samples(self) -> int:
        """Samples between two frames of the encoder: a stride of 4 after the front end."""
        return 4 * self.front.hop

    @property
    def context_samples(self) -> int:
        """Samples on either side that can change a frame of the encoder."""
        stem = 2 + 4 * 2 + 4
        return (LEVEL_FRAMES // 2 + stem + 4 * sum(self.dilations)) * self.front.hop + self.front.window


class Planes(nn.Module):
    """A residual block of two 3x3 convolutions over frequency and time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return F.relu(x + self.second(masked(F.relu(self.first(x)), mask)))


class Dilated(nn.Module):
    """A residual block over time: a dilated convolution and a mixing one."""

    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.wide = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.mix = nn.Conv1d(channels, channels, 1, bias=False)
        self.wide_norm, self.mix_norm = nn.BatchNorm1d(channels), nn.BatchNorm1d(channels)
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.mix_norm(self.mix(self.dropout(F.relu(self.wide_norm(self.wide(x)))))))


#: Sources of a speaker baseline: any speech of the speaker, unlabelled, or speech known to be neutral.
BASELINES = ("any", "neutral")


class SpeakerConditionedHead(nn.Module):
    """Logits of a clip whose speaker baseline (the mean embedding of other speech) is known."""

    def __init__(self, size: int, shape: PooledShape) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * size, shape.hidden),
            nn.ReLU(),
            nn.Dropout(shape.dropout),
            nn.Linear(shape.hidden, len(shape.labels)),
        )

    def forward(self, embedding: Tensor, difference: Tensor) -> Tensor:
        """Embedding and its difference from baseline, both (..., d), to logits (..., k)."""
        found: Tensor = self.layers(torch.cat([embedding, difference], dim=-1))
        return found


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """Zero what lies beyond the end of a shorter clip in a batch, as if the convolution's own padding began there.

    ``mask`` is (b, 1, t) at the rate of the front end; x may be at that rate, or at half, a quarter or an eighth of it.
    """
    if mask is None:
        return x
    step = round(mask.shape[-1] / x.shape[-1])
    mask = mask[..., ::step].to(x.dtype)  # else a network that computes in half the bits would fall back to all of them
    return x * (mask if x.dim() == 3 else mask[:, :, None])


class PooledNetwork(nn.Module):
    """What the networks for emotions share: attentive mean and deviation of frames over windows, and the heads.

    The pooling weights are positive numbers per frame, so a window's mean is a
    ratio of two plain averages: all windows of a long signal come out of one
    pass, at no cost (Okabe et al., Attentive statistics pooling, 2018).

    Parameters
    ----------
    shape : PooledShape
        Frames have ``levels * channels`` values; the attention looks at the last ``channels`` of them.
    """

    def __init__(self, shape: PooledShape) -> None:
        super().__init__()
        self.shape = shape
        self.attention = nn.Sequential(nn.Conv1d(shape.channels, 64, 1), nn.Tanh(), nn.Conv1d(64, shape.heads, 1))
        pooled = 2 * shape.levels * shape.channels
        self.narrow_embedding = nn.Sequential(
            nn.BatchNorm1d(pooled), nn.Linear(pooled, shape.embedding, bias=False), nn.BatchNorm1d(shape.embedding)
        )
        self.dropout = nn.Dropout(shape.dropout)
        self.head = nn.Linear(self.size, len(shape.labels))
        self.known = nn.ModuleDict({kind: SpeakerConditionedHead(self.size, shape) for kind in BASELINES})
        self.corpus_heads = nn.ModuleDict({c: nn.Linear(self.size, len(shape.labels)) for c in shape.corpora})

    @property
    def size(self) -> int:
        """Values of an embedding."""
        return self.shape.embedding

    def features(self, signal: Tensor) -> tuple[Tensor, ...]:
        """Signal (b, n) to what :meth:`encode` takes, each (b, c, t)."""
        raise NotImplementedError

    def encode(self, *sound: Tensor, mask: Tensor | None = None) -> Tensor:
        """What :meth:`features` gives to frames (b, levels * channels, t'); mask (b, 1, t) is 1 where a clip is."""
        raise NotImplementedError

    def weights(self, frames: Tensor) -> Tensor:
        """Positive weight of every frame by head, (b, heads, t); within e^-4 to e^4 so that no sum overflows."""
        return torch.exp(4 * torch.tanh(self.attention(frames[:, -self.shape.channels :])))

    def embed(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """Frames (b, c, t) to the embedding of the whole input, (b, d)."""
        weights = masked(self.weights(frames), mask)
        by_head = frames.unflatten(1, (weights.shape[1], -1))
        sums = [(values @ weights[..., None]).flatten(1) for values in (by_head, by_head * by_head)]
        return self._embedding(torch.cat(sums, dim=1), weights.sum(-1))

    def embed_windows(self, frames: Tensor) -> Tensor:
        """Frames (b, c, t) to the embedding of every window, (b, w, d).

        A window starts every ``hop_frames``; those that reach beyond the end
        are pooled over what there is, so the shortest input has one window.
        """
        size, hop = self.shape.window_frames, self.shape.hop_frames
        weights = self.weights(frames)
        weighted = frames * weights.repeat_interleave(frames.shape[1] // weights.shape[1], dim=1)
        stack = F.pad(torch.cat([weighted, weighted * frames, weights], dim=1), (0, size - 1))
        step = gcd(size, hop)  # what windows share is added up once
        pooled = F.avg_pool1d(F.avg_pool1d(stack, step), size // step, hop // step).transpose(1, 2)
        sums, totals = pooled.split([2 * frames.shape[1], weights.shape[1]], dim=-1)
        flat = self._embedding(sums.flatten(0, 1), totals.flatten(0, 1))
        found: Tensor = flat.unflatten(0, pooled.shape[:2])
        return found

    def _embedding(self, sums: Tensor, totals: Tensor) -> Tensor:
        """Weighted sums (n, 2c) and sums of weights (n, heads) to embeddings (n, d)."""
        means = sums / totals.repeat_interleave(sums.shape[1] // 2 // totals.shape[1], dim=1).repeat(1, 2)
        found: Tensor = self.narrow_embedding(moments(*means.chunk(2, dim=1)))
        return found

    def evaluate(self, embedding: Tensor, baseline: Tensor) -> Tensor:
        """Embeddings (b, w, d) to logits (b, w, k); baseline (b, 1 + d) as for :meth:`forward`."""
        kind, mean = baseline[:, None, :1], baseline[:, None, 1:]
        logits = self.head(embedding)
        for number, name in enumerate(BASELINES, 1):
            logits = torch.where(kind == number, self.known[name](embedding, embedding - mean), logits)
        found: Tensor = logits
        return found

    def forward(self, signal: Tensor, baseline: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Signal (b, n) at 16 kHz to logits of the whole (b, k), logits (b, w, k) and embeddings (b, w, d) of windows.

        ``baseline`` (b, 1 + d) is the speaker baseline: first 0 for none,
        or the position in ``BASELINES`` from 1 on, then the mean
        embedding of the windows of other speech of the speaker.
        """
        frames = self.encode(*self.features(signal))
        windows = self.embed_windows(frames)
        return self.evaluate(self.embed(frames)[:, None], baseline)[:, 0], self.evaluate(windows, baseline), windows


class EncodedVoice(PooledNetwork):
    """Emotions from precomputed encoder output, to train the heads while the encoder is frozen."""

    def __init__(self, shape: PooledShape) -> None:
        super().__init__(shape)
        self.frame_norm = nn.BatchNorm1d(shape.levels * shape.channels)

    def encode(self, *sound: Tensor, mask: Tensor | None = None) -> Tensor:
        """Frames of the encoder (b, levels * channels, t), each channel about its mean in units of its deviation."""
        (frames,) = sound
        return masked(self.frame_norm(frames), mask)


class VoiceNetwork(PooledNetwork):
    """Log-mel planes, then dilated convolutions over time, then the pooling of several stages.

    Early stages are pooled, too: pitch and spectrum over time themselves say much about
    a voice (multi-level pooling as in Desplanques et al., ECAPA-TDNN, 2020).
    """

    shape: VoiceShape

    def __init__(self, shape: VoiceShape) -> None:
        super().__init__(shape)
        one, two = shape.planes
        self.measured = VoiceFeatures(shape.front)
        self.mel_norm = nn.BatchNorm1d(shape.front.bands)
        self.stem = nn.Sequential(nn.Conv2d(1, one, 5, stride=4, padding=2, bias=False), nn.BatchNorm2d(one), nn.ReLU())
        self.middle = Planes(one)
        self.narrow = nn.Sequential(
            nn.Conv2d(one, two, 3, stride=(2, 1), padding=1, bias=False), nn.BatchNorm2d(two), nn.ReLU()
        )
        self.pitch = nn.Sequential(
            nn.Conv1d(shape.front.lags, 64, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm1d(64),
            nn.ReLU(),
            nn.Conv1d(64, 64, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm1d(64),
            nn.ReLU(),
        )
        rows = two * (shape.front.bands // 8)
        self.join = nn.Sequential(
            nn.Conv1d(rows + 64, shape.channels, 1, bias=False), nn.BatchNorm1d(shape.channels), nn.ReLU()
        )
        self.blocks = nn.ModuleList(Dilated(shape.channels, d, shape.time_dropout) for d in shape.dilations)
        last = len(shape.dilations)
        self.stages = [round(i * last / max(1, shape.levels - 1)) for i in range(shape.levels - 1)] + [last]

    def features(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Signal (b, n) to log-mel (b, bands, t) and pitch salience (b, lags, t)."""
        found: tuple[Tensor, Tensor] = self.measured(signal)
        return found

    def encode(self, *sound: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features (b, bands, t) and (b, lags, t) to frames of all stages (b, levels * channels, ceil(t / 4))."""
        mel, salience = sound
        x = masked(self.mel_norm(mel), mask)[:, None]
        x = masked(self.stem(x), mask)
        x = self.narrow(masked(self.middle(x, mask), mask))
        pitch = self.pitch(masked(salience, mask))
        x = masked(self.join(torch.cat([x.flatten(1, 2), pitch], dim=1)), mask)
        reached = [x]
        for block in self.blocks:
            reached.append(masked(block(reached[-1]), mask))
        return torch.cat([reached[stage] for stage in self.stages], dim=1)


def moments(mean: Tensor, square: Tensor) -> Tensor:
    """Mean and mean square to mean and deviation, side by side on the last axis."""
    return torch.cat([mean, torch.sqrt((square - mean * mean).clamp(min=1e-4))], dim=-1)


ACTIVITY_FRONT = FrontEnd(window=400, hop=320, bands=24, low=80.0, high=4000.0, lags=0)


class ActivityNetwork(nn.Module):
    """Speech or not, for every 20 ms: waveform (b, n) to log-odds (b, t)."""

    def __init__(self, channels: int = 32, dilations: tuple[int, ...] = (1, 2, 4, 8, 16)) -> None:
        super().__init__()
        self.log_mel = LogMel(ACTIVITY_FRONT, floor=1e-6)
        self.norm = nn.BatchNorm1d(ACTIVITY_FRONT.bands)
        sizes = [ACTIVITY_FRONT.bands] + [channels] * len(dilations)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv1d(a, b, 3, padding=d, dilation=d, bias=False), nn.BatchNorm1d(b), nn.ReLU())
            for a, b, d in zip(sizes, sizes[1:], dilations, strict=False)
        )
        self.head = nn.Conv1d(channels, 1, 1)

    def forward(self, signal: Tensor) -> Tensor:
        """Signal (b, n) at 16 kHz to log-odds (b, t)."""
        return self.classify(self.log_mel(signal))

    def classify(self, log_mel: Tensor) -> Tensor:
        """Log-mel (b, t, bands) to log-odds (b, t)."""
        x = self.norm(log_mel.transpose(1, 2))
        for layer in self.layers:
            x = layer(x)
        found: Tensor = self.head(x)[:, 0]
        return found
