"""Self-supervised encoders with an attentive head: waveform in, logits out, as one graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from affekt.speech.frontend import FrontEnd
from affekt.speech.network import Spectrum, constant, moments

RATE = 16_000
#: Samples between two frames: the encoders give one every 320; averaging pairs of them halves what is stored.
FRAME = 640
WINDOW_FRAMES, HOP_FRAMES = 75, 10


class Encoder(nn.Module):
    """What all encoders have in common: signal (b, n) to the hidden states of all layers (b, t, l, d).

    Each state is standardised over its d numbers: otherwise the layer with the
    largest would dominate, and some would not fit into float16.
    """

    layers: int
    width: int

    def hidden(self, signal: Tensor) -> list[Tensor]:
        """States (b, t, d) every 20 ms, from the first layer's input to the last layer's output."""
        raise NotImplementedError

    def thaw(self) -> None:
        """Make all but the layers that read the waveform trainable, as is usual in fine-tuning."""
        raise NotImplementedError

    def forward(self, signal: Tensor) -> Tensor:
        """Signal (b, n) at 16 kHz, n at least 400, to states (b, t, l, d) every 40 ms."""
        return torch.stack([_halved(F.layer_norm(x, (self.width,))) for x in self.hidden(signal)], dim=2)


def _halved(x: Tensor) -> Tensor:
    """Means of two frames (b, t, d) -> (b, ceil(t / 2), d); the last of an odd number stays alone."""
    x = x.transpose(1, 2)
    return F.avg_pool1d(torch.cat([x, x[..., -1:]], dim=-1), 2).transpose(1, 2)


class Waves(Encoder):
    """wav2vec 2.0, HuBERT or WavLM (Baevski et al., 2020; Hsu et al., 2021; Chen et al., 2022).

    Parameters
    ----------
    model : Module
        A model of the transformers library.
    normalize : bool
        Whether it was trained on signals of mean 0 and variance 1.
    """

    def __init__(self, model: Any, *, normalize: bool) -> None:
        super().__init__()
        self.model, self.normalize = model, normalize
        self.layers, self.width = model.config.num_hidden_layers + 1, model.config.hidden_size

    def hidden(self, signal: Tensor) -> list[Tensor]:
        """Hidden states of the model."""
        if self.normalize:
            mean = signal.mean(dim=1, keepdim=True)
            variance = ((signal - mean) ** 2).mean(dim=1, keepdim=True)
            signal = (signal - mean) / torch.sqrt(variance + 1e-7)
        return list(self.model(signal, output_hidden_states=True).hidden_states)

    def thaw(self) -> None:
        """Train all but the convolutions over the waveform."""
        self.model.requires_grad_(True)
        self.model.feature_extractor.requires_grad_(False)
        # In training, the library requires a gradient of its input, which a frozen front end does not need.
        self.model.feature_extractor._requires_grad = False


class WhisperMel(nn.Module):
    """Signal (b, n) to the log-mel spectrogram (b, bands, n // 160) that Whisper reads (Radford et al., 2022).

    Like that of the library's extractor, but of any length: not padded to 30 s.

    Parameters
    ----------
    filters : array, shape (201, bands)
    """

    def __init__(self, filters: NDArray[np.floating]) -> None:
        super().__init__()
        self.spectrum = Spectrum(FrontEnd(window=400, hop=160, low=0.0, high=RATE / 2))
        self.filters = constant(filters[self.spectrum.order])

    def forward(self, signal: Tensor) -> Tensor:
        padded = F.pad(signal[:, None], (200, 200), mode="reflect")[:, 0]
        mel = (self.spectrum(padded)[:, :-1] @ self.filters).transpose(1, 2)
        log = torch.log(mel.clamp(min=1e-10)) / math.log(10)
        return (torch.maximum(log, log.amax(dim=(1, 2), keepdim=True) - 8) + 4) / 4


class Whisper(Encoder):
    """The encoder half of Whisper, for signals of any length.

    Parameters
    ----------
    model : Module
        The encoder of the transformers library's WhisperModel.
    filters : array, shape (201, bands)
        Mel filters of its extractor.
    """

    def __init__(self, model: Any, filters: NDArray[np.floating]) -> None:
        super().__init__()
        self.model, self.mel = model, WhisperMel(filters)
        self.layers, self.width = len(model.layers) + 1, model.config.d_model
        half = self.width // 2
        self.rates = constant(np.exp(-math.log(10_000) / (half - 1) * np.arange(half)))

    def hidden(self, signal: Tensor) -> list[Tensor]:
        """The input of the first layer and the output of each layer, the last one after the final norm."""
        model = self.model
        x = F.gelu(model.conv2(F.gelu(model.conv1(self.mel(signal))))).transpose(1, 2)
        states = [x + self.positions(x)]
        for layer in model.layers:
            found = layer(states[-1], None)
            states.append(found[0] if isinstance(found, tuple) else found)
        return [*states[:-1], model.layer_norm(states[-1])]

    def thaw(self) -> None:
        """Train all but the two convolutions over the spectrogram."""
        self.model.layers.requires_grad_(True)
        self.model.layer_norm.requires_grad_(True)

    def positions(self, x: Tensor) -> Tensor:
        """Sinusoids (t, d) for x (b, t, d): the table that Whisper was trained with, without its end."""
        angle = torch.arange(x.shape[1], device=x.device)[:, None] * self.rates
        return torch.cat([angle.sin(), angle.cos()], dim=1)


class Head(nn.Module):
    """Weighted sum of the layers, then attentive mean and deviation, then logits.

    The pooling is that of :class:`affekt.speech.network.VoiceNetwork`: the
    weight of a frame is a positive number, so all windows come out of one pass.

    Parameters
    ----------
    layers, width : int
        Of the encoder.
    classes : int
    size : int
        Size that a frame is reduced to before pooling.
    """

    def __init__(self, layers: int, width: int, classes: int, *, size: int = 256) -> None:
        super().__init__()
        self.size = size
        self.mix = nn.Parameter(torch.zeros(layers))
        self.project = nn.Sequential(nn.Linear(width, size), nn.ReLU(), nn.Dropout(0.2))
        self.attention = nn.Sequential(nn.Linear(size, 64), nn.Tanh(), nn.Linear(64, 1))
        self.output = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * size, classes))

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """States (b, t, l, d) to logits of the whole (b, k) and of every window of 3 s (b, w, k)."""
        sums = self._sums(states)
        padded = F.pad(sums.transpose(1, 2), (0, WINDOW_FRAMES - 1))
        windows = F.avg_pool1d(padded, WINDOW_FRAMES, HOP_FRAMES).transpose(1, 2)
        return self.output(self._pooled(sums.mean(1))), self.output(self._pooled(windows))

    def whole(self, states: Tensor) -> Tensor:
        """Only the first of the two, which is all that training needs."""
        found: Tensor = self.output(self._pooled(self._sums(states).mean(1)))
        return found

    def _sums(self, states: Tensor) -> Tensor:
        """Weight, weighted frame and weighted square of every frame, (b, t, 1 + 2 * size)."""
        frames = self.project(torch.einsum("btld,l->btd", states, torch.softmax(self.mix, 0)))
        # Within e^-4 to e^4, so that no sum overflows.
        weights = torch.exp(4 * torch.tanh(self.attention(frames)))
        return torch.cat([weights, weights * frames, weights * frames * frames], dim=-1)

    def _pooled(self, sums: Tensor) -> Tensor:
        total = sums[..., :1]
        return moments(sums[..., 1 : self.size + 1] / total, sums[..., self.size + 1 :] / total)


class EncoderNetwork(nn.Module):
    """An encoder and a head: signal (b, n) at 16 kHz to logits (b, k) and window logits (b, w, k).

    Unlike :class:`affekt.speech.network.VoiceNetwork` it sees all that it is
    given: a window's logits depend a little on the signal around it.
    """

    def __init__(self, encoder: Encoder, head: Head) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.head(self.encoder(signal))
        return found

    def whole(self, signal: Tensor) -> Tensor:
        """Logits of the whole (b, k)."""
        return self.head.whole(self.encoder(signal))
