"""The networks of the lab recipes, layer by layer as they were published.

Every entry of ``ARCHITECTURES`` takes the shape of one input, without the
batch, and the number of classes. Inputs are (b, d) for vectors and (b, t, d)
for sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]


def parameter_count(network: nn.Module) -> int:
    """Number of parameters as Keras counts them: with the moving statistics of a batch norm, without frozen zeros.

    Examples
    --------
    >>> parameter_count(nn.BatchNorm1d(8)), parameter_count(nn.Linear(2, 3))
    (32, 9)
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    moving = sum(2 * m.num_features for m in norms)
    return moving + sum(p.numel() for p in network.parameters() if p.requires_grad)


class Channel(nn.Module):
    """A vector (b, d) as a signal of one channel (b, 1, d), or a sequence (b, t, d) as d channels (b, d, t)."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, None] if x.ndim == 2 else x.transpose(1, 2)


class Image(nn.Module):
    """A sequence (b, t, d) as a picture of one channel (b, 1, t, d)."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, None]


class Steps(nn.Module):
    """Channels (b, c, t) as steps (b, t, c), or a picture (b, c, t, d) as steps (b, t, c * d)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2) if x.ndim == 3 else x.transpose(1, 2).flatten(2)


class Scalars(nn.Module):
    """A vector (b, d) as d steps of one number (b, d, 1); a sequence stays as it is."""

    def forward(self, x: Tensor) -> Tensor:
        return x[..., None] if x.ndim == 2 else x


class Recurrent(nn.Module):
    """An LSTM or GRU (b, t, c) that gives all its states (b, t, h), or the last one (b, h).

    An LSTM has one bias per gate, as in Keras; torch's second one is kept at zero.
    """

    def __init__(self, kind: str, inputs: int, units: int, *, last: bool, both: bool = False) -> None:
        super().__init__()
        layer = {"lstm": nn.LSTM, "gru": nn.GRU}[kind]
        self.layer = layer(inputs, units, batch_first=True, bidirectional=both)
        self.last, self.units = last, units
        if kind == "lstm":
            for name, bias in self.layer.named_parameters():
                if name.startswith("bias_hh"):
                    nn.init.zeros_(bias)
                    bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.layer(x)
        if not self.last:
            found: Tensor = states
            return found
        # Backwards in time, the state that has seen everything stands at the first step.
        return torch.cat([states[:, -1, : self.units], states[:, 0, self.units :]], dim=1)


class Attention(nn.Module):
    """Two transformer layers over steps (b, t, d), then the mean over time (Vaswani et al., 2017)."""

    def __init__(self, inputs: int, width: int = 64, steps: int = 512) -> None:
        super().__init__()
        self.project = nn.Linear(inputs, width)
        self.place = nn.Parameter(0.02 * torch.randn(steps, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layers(self.project(x) + self.place[: x.shape[1]]).mean(1)
        return found


def dense(sizes: Sequence[int], dropouts: Sequence[float] = ()) -> list[nn.Module]:
    """Linear layers with ReLU between them, but none after the last; a dropout after each that has one."""
    layers: list[nn.Module] = []
    for i, (inputs, outputs) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(inputs, outputs))
        if i < len(sizes) - 2:
            layers.append(nn.ReLU())
        if i < len(dropouts):
            layers.append(nn.Dropout(dropouts[i]))
    return layers


def tess_conv1d(shape: Shape, classes: int) -> nn.Module:
    """Four convolutions, each with ReLU and a pool of 3, over the vector as a signal; dense 256 and 128."""
    layers: list[nn.Module] = [Channel()]
    for inputs, outputs, kernel in ((1, 8, 13), (8, 16, 11), (16, 32, 9), (32, 64, 7)):
        layers += [nn.Conv1d(inputs, outputs, kernel), nn.ReLU(), nn.MaxPool1d(3)]
    layers.append(nn.Flatten())
    return nn.Sequential(*layers, *dense([_width(layers, shape), 256, 128, classes]))


def cnn_lstm(shape: Shape, classes: int) -> nn.Module:
    """Convolutions of 2048, 1024 and 512 with pool and batch norm, LSTM 256 and 128, dense 128, 64, 32."""
    layers: list[nn.Module] = [Channel()]
    for inputs, outputs in ((1, 2048), (2048, 1024), (1024, 512)):
        layers += [nn.Conv1d(inputs, outputs, 5, padding=2), nn.ReLU()]
        layers += [nn.MaxPool1d(2, ceil_mode=True), nn.BatchNorm1d(outputs)]
    layers += [Steps(), Recurrent("lstm", 512, 256, last=False), Recurrent("lstm", 256, 128, last=True)]
    return nn.Sequential(*layers, *dense([128, 128, 64, 32, classes]))


def gru(shape: Shape, classes: int) -> nn.Module:
    """GRU 120 and 20 over the numbers of a vector, dense 50.

    Only the number of parameters was published (54,564 with 14 classes); these
    layers have it.
    """
    layers = [Scalars(), Recurrent("gru", 1, 120, last=False), Recurrent("gru", 120, 20, last=True)]
    return nn.Sequential(*layers, *dense([20, 50, classes]))


def dnn180(shape: Shape, classes: int) -> nn.Module:
    """Dense 256, 128, 64 with dropouts of 0.3, 0.3 and 0.2."""
    sizes, dropouts = [shape[0], 256, 128, 64, classes], (0.3, 0.3, 0.2)
    layers: list[nn.Module] = []
    for (inputs, outputs), dropout in zip(pairwise(sizes[:-1]), dropouts, strict=True):
        layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], classes))


def vector_cnn(shape: Shape, classes: int) -> nn.Module:
    """Convolutions of 256, 128 and 64 over the vector as a signal, with batch norm, pool and dropout; dense 64."""
    layers: list[nn.Module] = [Channel()]
    for inputs, outputs in ((1, 256), (256, 128), (128, 64)):
        layers += [nn.Conv1d(inputs, outputs, 5, padding=2), nn.ReLU(), nn.BatchNorm1d(outputs)]
        layers += [nn.MaxPool1d(2), nn.Dropout(0.2)]
    layers.append(nn.Flatten())
    return nn.Sequential(*layers, *dense([_width(layers, shape), 64, classes], (0.3,)))


def mel_cnn(planes: Sequence[int]) -> Callable[[Shape, int], nn.Module]:
    """Convolutions 3x3 with a pool of 2 over the spectrogram as a picture; dense 64."""

    def make(shape: Shape, classes: int) -> nn.Module:
        layers = [*_planes(planes), nn.Flatten()]
        return nn.Sequential(*layers, *dense([_width(layers, shape), 64, classes], (0.3,)))

    return make


def mel_recurrent(*, both: bool, planes: Sequence[int] = ()) -> Callable[[Shape, int], nn.Module]:
    """LSTM of 64, in one direction or both, over the frames of the spectrogram or of convolutions over it."""

    def make(shape: Shape, classes: int) -> nn.Module:
        layers = [*_planes(planes), Steps()] if planes else []
        width = _width(layers, shape) if planes else shape[1]
        layers.append(Recurrent("lstm", width, 64, last=True, both=both))
        return nn.Sequential(*layers, *dense([64 * (1 + both), 64, classes], (0.3,)))

    return make


def mel_transformer(shape: Shape, classes: int) -> nn.Module:
    """Two transformer layers of 64 over the frames of the spectrogram."""
    return nn.Sequential(Attention(shape[1]), *dense([64, 64, classes], (0.3,)))


def fer2013_cnn(shape: Shape, classes: int) -> nn.Module:
    """Convolutions 3x3 of 32, 64, 128 and 128 without padding, a pool of 2 after the last three; dense 1024.

    Weights start as in Keras (Glorot and Bengio, 2010): pixels are not centred here, and with torch's smaller
    weights the outputs stay at the shares of the classes for hundreds of steps.
    """
    layers: list[nn.Module] = [Image(), nn.Conv2d(1, 32, 3), nn.ReLU()]
    layers += [nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)]
    layers += [nn.Conv2d(64, 128, 3), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(128, 128, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten()]
    network = nn.Sequential(*layers, *dense([_width(layers, shape), 1024, classes], (0.5,)))
    for module in network:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # each has one
    return network


def _planes(planes: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = [Image()]
    for inputs, outputs in pairwise([1, *planes]):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return layers


def _width(layers: Sequence[nn.Module], shape: Shape) -> int:
    """Size of the last axis behind some layers."""
    with torch.no_grad():
        found: int = nn.Sequential(*layers).eval()(torch.zeros(1, *shape)).shape[-1]
        return found


ARCHITECTURES: dict[str, Callable[[Shape, int], nn.Module]] = {
    "tess-conv1d": tess_conv1d,
    "cnn-lstm": cnn_lstm,
    "gru": gru,
    "dnn180": dnn180,
    "vector-cnn": vector_cnn,
    "mel-cnn-32-64": mel_cnn((32, 64)),
    "mel-cnn-32-64-128": mel_cnn((32, 64, 128)),
    "mel-lstm": mel_recurrent(both=False),
    "mel-bilstm": mel_recurrent(both=True),
    "mel-cnn-lstm": mel_recurrent(both=False, planes=(32, 64)),
    "mel-cnn-bilstm": mel_recurrent(both=True, planes=(32, 64)),
    "mel-transformer": mel_transformer,
    "fer2013-cnn": fer2013_cnn,
}
