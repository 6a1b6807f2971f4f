"""The first layers of Whisper's encoder under the heads of affekt: waveform in, logits out.

Whisper (Radford et al., Robust speech recognition via large-scale weak
supervision, 2022) was trained on far more speech than there is acted emotion. Its
first layers are cheap, and keep the acoustic cues of emotion.

Whisper encodes 30 seconds as a whole. Here the signal is cut into blocks of fixed
length, each encoded independently. So a block of a stream is the same
as that of a file, and the cost per block does not grow with the length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affekt.errors import InputError
from affekt.speech.frontend import FrontEnd, mel_edges, mel_filters
from affekt.speech.network import EncodedVoice, PooledShape, Spectrum, constant
from affekt.speech.spectral import mel_to_hertz

#: Whisper's front end. Its filters have an area of 1, not a peak of 1, which :class:`WhisperFeatures` makes good.
WHISPER_FRONT = FrontEnd(window=400, hop=160, bands=80, low=0.0, high=8000.0, lags=0)
#: Frames of the front end that become one of the encoder's output: a stride of 2, then the mean over 4.
STRIDE = 8
#: Dynamic range: lower values are raised to this far below a block's loudest band, as in Whisper: 8 decades, 80 dB.
RANGE = 8.0
#: Least power of a band. Whisper's is 1e-10, which quiet recordings reach before :data:`RANGE` does.
FLOOR = 1e-16
#: Level given to the loudest band of a block, in decades: about that of speech in recordings of usual level.
LOUDEST = 1.5


@dataclass(frozen=True)
class WhisperShape(PooledShape):
    """The sizes of :class:`WhisperVoice`.

    Parameters
    ----------
    channels : int
        Width of the encoder.
    levels : int
        How many of its last layers are pooled.
    layers : int
        Of Whisper's encoder.
    attention_heads : int
        Of each layer.
    block_frames : int
        Frames of the encoder's output in a block: the stretch that is seen together.
    """

    channels: int = 512
    levels: int = 2
    heads: int = 8
    window_frames: int = 40
    hop_frames: int = 5
    layers: int = 3
    attention_heads: int = 8
    block_frames: int = 40

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.levels <= self.layers or self.channels % self.attention_heads:
            raise InputError(
                f"{self.levels} of {self.layers} layers with {self.attention_heads} heads for {self.channels} "
                "channels; give no more levels than layers, and heads that divide the channels."
            )

    @property
    def frame_samples(self) -> int:
        """Samples between two frames of the encoder's output."""
        return STRIDE * WHISPER_FRONT.hop

    @property
    def context_samples(self) -> int:
        """Samples behind a block of which its last frames see a part."""
        return WHISPER_FRONT.window - WHISPER_FRONT.hop


class WhisperFeatures(nn.Module):
    """Signal (b, n) to the common logarithm of mel band power (b, 80, t), absolute level kept.

    Frame i covers samples ``[160 i, 160 i + 400)``, without the padding of half a window that Whisper has.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = Spectrum(WHISPER_FRONT)
        edges = mel_to_hertz(mel_edges(WHISPER_FRONT))
        filters = mel_filters(WHISPER_FRONT) * (2 / (edges[2:] - edges[:-2]))
        self.filters = constant(filters[self.spectrum.order])

    def forward(self, signal: Tensor) -> Tensor:
        power = (self.spectrum(signal) @ self.filters).transpose(1, 2)
        return torch.log10(power.clamp(min=FLOOR))


class Layer(nn.Module):
    """One layer of a transformer whose norms come first (Xiong et al., 2020)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.hidden_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, hidden: Tensor | None) -> Tensor:
        """Frames (b, t, c) to frames; ``hidden`` (b, 1, 1, t) is added to the scores of frames that nobody may see."""
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.query_key_value(self.attention_norm(x)).chunk(3, -1)
        )
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        if hidden is not None:
            scores = scores + hidden
        x = x + self.output((torch.softmax(scores, -1) @ value).transpose(1, 2).flatten(2))
        found: Tensor = x + self.narrow(F.gelu(self.widen(self.hidden_norm(x))))
        return found


def sinusoids(length: int, width: int) -> np.ndarray:
    """Whisper's position encodings, (length, width): sines, then cosines (Vaswani et al., 2017)."""
    rates = np.exp(-np.log(10_000) * np.arange(width // 2) / (width // 2 - 1))
    angles = np.arange(length)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


class WhisperLayers(nn.Module):
    """Log-mel (b, 80, t) to the mean over four frames of Whisper's last layers (b, levels * channels, t / 8)."""

    def __init__(self, shape: WhisperShape) -> None:
        super().__init__()
        self.shape, width = shape, shape.channels
        # Convolutions over three frames, as matrix products: these can be done in int8.
        self.first, self.second = nn.Linear(3 * WHISPER_FRONT.bands, width), nn.Linear(3 * width, width)
        self.positions = constant(sinusoids(4 * shape.block_frames, width))
        self.layers = nn.ModuleList(Layer(width, shape.attention_heads) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, log_mel: Tensor, mask: Tensor | None = None) -> Tensor:
        """Blocks of t frames each are encoded by themselves; mask (b, 1, t) is 1 where a clip is."""
        count, _, frames = log_mel.shape
        block = STRIDE * self.shape.block_frames
        if not torch.onnx.is_in_onnx_export() and frames < block:
            block = -(-frames // STRIDE) * STRIDE  # one block, no longer than it must be
        real = torch.ones_like(log_mel[:, :1]) if mask is None else mask
        behind = (block - frames % block) % block
        blocks, real = (
            F.pad(part, (0, behind)).transpose(1, 2).unflatten(1, (-1, block)).flatten(0, 1) for part in (log_mel, real)
        )
        found = self._encode(blocks, real)  # (b * blocks, block / 8, c)
        joined: Tensor = found.unflatten(0, (count, -1)).flatten(1, 2)
        return joined[:, : (frames + STRIDE - 1) // STRIDE].transpose(1, 2)

    def _encode(self, log_mel: Tensor, real: Tensor) -> Tensor:
        x = real * normalised(log_mel, real)
        x = real * F.gelu(self.first(three_frames(x)))
        x = F.gelu(self.second(three_frames(x, stride=2)))
        x = x + self.positions[: x.shape[1]]
        real = real[:, ::2, 0]
        hidden = ((real - 1) * 1e4)[:, None, None]
        reached = []
        for layer in self.layers:
            x = layer(x, hidden)
            reached.append(x)
        seen = real.unflatten(1, (-1, 4))[..., None]
        total = seen.sum(2).clamp(min=1)
        return torch.cat(
            [
                (self.norm(x).unflatten(1, (-1, 4)) * seen).sum(2) / total
                for x in reached[len(reached) - self.shape.levels :]
            ],
            dim=-1,
        )


def three_frames(x: Tensor, stride: int = 1) -> Tensor:
    """Frames (b, t, c) beside those before and after them, (b, t / stride, 3 c); nothing lies beyond the ends."""
    padded, frames = F.pad(x, (0, 0, 1, 1)), x.shape[1]
    return torch.cat([padded[:, i : i + frames : stride] for i in range(3)], dim=2)


def normalised(log_mel: Tensor, real: Tensor) -> Tensor:
    """Log-mel (b, t, bands) as Whisper takes it; each block's loudest band has one level, so gain changes nothing."""
    loudest = torch.where(real > 0, log_mel, -20.0).amax(dim=(1, 2), keepdim=True)
    return ((log_mel - loudest).clamp(min=-RANGE) + LOUDEST + 4) / 4


class WhisperVoice(EncodedVoice):
    """Emotions from the waveform by the first layers of Whisper."""

    shape: WhisperShape

    def __init__(self, shape: WhisperShape) -> None:
        super().__init__(shape)
        self.measured, self.encoder = WhisperFeatures(), WhisperLayers(shape)

    def features(self, signal: Tensor) -> tuple[Tensor]:
        """Signal (b, n) to log-mel (b, 80, t)."""
        return (self.measured(signal),)

    def encode(self, *sound: Tensor, mask: Tensor | None = None) -> Tensor:
        """Log-mel (b, 80, t) to frames (b, levels * channels, t / 8)."""
        (log_mel,) = sound
        return super().encode(self.encoder(log_mel, mask), mask=mask)
