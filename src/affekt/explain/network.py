"""The torch network of a model file: maps of layers need it, as the runtime does not expose them.

A model file holds the weights, but its batch norms are folded into its
convolutions and most names are gone. The network is rebuilt from the sizes on
the card, takes the weights in the order in which both use them, and is refused
unless it gives the logits of the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from affekt._optional import require
from affekt.errors import ModelError, UnknownName
from affekt.face.network import FaceEnsemble, FaceNetwork, normalised
from affekt.face.shape import FaceShape
from affekt.models.card import Card
from affekt.models.onnx import Model
from affekt.models.zoo import load_model, model_path
from affekt.speech.network import VoiceNetwork, VoiceShape
from affekt.speech.waveform import WaveformInput
from affekt.speech.whisper.network import RANGE, WhisperShape, WhisperVoice
from affekt.train.quantise import dequantised

#: Largest allowed difference between the logits of the network and of its file: int8 rounds the activations.
TOLERANCE = 0.5
_FOLDED = (nn.BatchNorm1d, nn.BatchNorm2d)
_WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Linear)
#: Layers that do nothing after training.
_IDLE = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)

Given = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class MapNetwork:
    """A network whose layers can be looked into.

    Parameters
    ----------
    card : Card
    module : Module
        Without the batch norms that were folded into its convolutions.
    prepare : callable
        Turns one input, a face (48, 48) or a signal (n,), into the input tensors of the layers, with a batch of 1.
    blank : callable
        Turns such tensors into those of an empty input: a face of one grey, or silence.
    logits : callable
        Turns such tensors, of any batch size, into logits (b, k).
    layer : str
        The default layer: the last feature maps that still have both axes.
    mirrored : bool
        Whether the second half of a layer's output belongs to the mirror images.
    """

    card: Card
    module: nn.Module
    prepare: Callable[[Given], tuple[Tensor, ...]]
    blank: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]
    logits: Callable[..., Tensor]
    layer: str
    mirrored: bool = False

    def target(self, label: str) -> int:
        """The index of a label among the logits.

        Raises
        ------
        UnknownName
            If the model has no such label.
        """
        if label not in self.card.labels:
            raise UnknownName("label", label, self.card.labels)
        return self.card.labels.index(label)

    def modules(self, layer: str | None) -> tuple[nn.Module, ...]:
        """The layer of that name; one for each network where the model averages several.

        Raises
        ------
        UnknownName
            If there is no such layer; the message lists all.
        """
        layers = self.layers()
        if (layer := layer or self.layer) not in layers:
            raise UnknownName("layer", layer, layers)
        return layers[layer]

    def layers(self) -> dict[str, tuple[nn.Module, ...]]:
        """All layers that give maps, by name."""
        found: dict[str, tuple[nn.Module, ...]] = {}
        for name, part in self.module.named_modules():
            short = name.split(".", 2)[2] if name.startswith("networks.") and name.count(".") > 1 else name
            if _gives_maps(name, part) and not isinstance(part, _IDLE):
                found[short] = (*found.get(short, ()), part)
        return found


def _gives_maps(name: str, part: nn.Module) -> bool:
    """Whether a layer has filters, and a map of each: not lists of layers, nor layers that only see means."""
    apart = ("features", "head", "votes_head", "narrow_embedding", "known", "corpus_heads", "dropout")
    listing = (nn.ModuleList, nn.ModuleDict, FaceNetwork, nn.Linear)
    return bool(name) and not isinstance(part, listing) and not any(word in apart for word in name.split("."))


def rebuild(model: str | os.PathLike[str] = "face") -> MapNetwork:
    """The torch network of a model file, with its weights.

    Parameters
    ----------
    model : str or path
        ``face``, ``voice``, or a file that ``affekt train`` made with such a recipe.

    Raises
    ------
    MissingExtra
        If onnx is not installed.
    ModelError
        If the file holds another kind of network, or its weights or logits are not those of the rebuilt network.
    """
    opened = load_model(model)
    kind = opened.card.recipe.get("kind")
    if kind not in _KINDS or opened.card.task != "emotion":
        raise ModelError(
            f"the model {opened.card.name} is no network of affekt's for faces or voices (its recipe is "
            f"{kind!r}), so its layers are not known; --method occlusion works with any model."
        )
    return _KINDS[kind](opened, model)


def _face(opened: Model, model: str | os.PathLike[str]) -> MapNetwork:
    recipe = opened.card.recipe
    shape = FaceShape(**_tuples(recipe["network"]))
    members, mirror = int(recipe.get("members", 1)), bool(recipe.get("mirror", True))
    ensemble = FaceEnsemble([FaceNetwork(shape) for _ in range(members)], mirror=mirror).eval()
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(0, 255, (2, 1, 8, 8)).astype(np.float32))
    size = int(opened.card.input.get("size", 48))
    probe = nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")[:, 0]
    left = take_weights(ensemble, model, lambda: ensemble(probe))
    heads = [values for values in left if values.ndim == 4]
    constants = [values for values in left if values.ndim == 1]
    if len(heads) != members or len(constants) != 1:
        raise ModelError(f"the model {opened.card.name} has other weights than the network on its card.")
    with torch.no_grad():
        for network, values in zip(ensemble.networks, heads, strict=True):
            network.head.weight.copy_(torch.from_numpy(values[:, :, 0, 0]))  # type: ignore[union-attr,operator]
            network.head.bias.zero_()  # type: ignore[union-attr,operator]
        ensemble.adjustment.copy_(torch.from_numpy(constants[0]))
    _check(opened, ensemble, probe)
    return MapNetwork(
        opened.card,
        ensemble,
        prepare=lambda face: (normalised(torch.from_numpy(np.asarray(face, np.float32)[None])),),
        blank=lambda prepared: (torch.zeros_like(prepared[0]),),
        logits=lambda x: ensemble.evaluate(x)[0],
        layer=f"stages.{len(shape.channels) - 1}",
        mirrored=mirror,
    )


def _voice(opened: Model, model: str | os.PathLike[str]) -> MapNetwork:
    given = WaveformInput.of(opened.card)
    known = {f.name for f in fields(VoiceShape)}
    shape = VoiceShape(
        labels=opened.card.labels,
        window_frames=given.window // given.frame,
        hop_frames=given.hop // given.frame,
        **{name: value for name, value in _tuples(opened.card.recipe["network"]).items() if name in known},
    )
    network = VoiceNetwork(shape).eval()
    signal = torch.from_numpy((0.1 * np.random.default_rng(0).standard_normal((1, 64_000))).astype(np.float32))
    baseline = torch.zeros(1, 1 + opened.card.baseline)
    take_weights(network, model, lambda: network(signal, baseline))
    _check(opened, network, signal, baseline)

    def logits(mel: Tensor, salience: Tensor) -> Tensor:
        embedding = network.embed(network.encode(mel, salience))[:, None]
        return network.evaluate(embedding, baseline.expand(len(mel), -1))[:, 0]

    def blank(prepared: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        mel, salience = prepared
        return torch.full_like(mel, float(np.log(network.measured.floor))), torch.zeros_like(salience)

    return MapNetwork(
        opened.card,
        network,
        prepare=lambda signal: network.features(torch.from_numpy(np.asarray(signal, np.float32)[None])),
        blank=blank,
        logits=logits,
        layer="narrow",
    )


def _whisper(opened: Model, model: str | os.PathLike[str]) -> MapNetwork:
    known = {f.name for f in fields(WhisperShape)}
    shape = WhisperShape(
        labels=opened.card.labels,
        **{name: value for name, value in _tuples(opened.card.recipe["network"]).items() if name in known},
    )
    network = WhisperVoice(shape).eval()
    signal = torch.from_numpy((0.1 * np.random.default_rng(0).standard_normal((1, 64_000))).astype(np.float32))
    baseline = torch.zeros(1, 1 + opened.card.baseline)
    take_weights(network, model, lambda: network(signal, baseline))
    _check(opened, network, signal, baseline)

    def logits(log_mel: Tensor) -> Tensor:
        embedding = network.embed(network.encode(log_mel))[:, None]
        return network.evaluate(embedding, baseline.expand(len(log_mel), -1))[:, 0]

    return MapNetwork(
        opened.card,
        network,
        prepare=lambda signal: network.features(torch.from_numpy(np.asarray(signal, np.float32)[None])),
        blank=lambda prepared: (torch.full_like(prepared[0], float(prepared[0].max()) - RANGE),),
        logits=logits,
        layer="encoder",
    )


_KINDS: dict[str, Callable[[Model, str | os.PathLike[str]], MapNetwork]] = {
    "face": _face,
    "voice": _voice,
    "whisper": _whisper,
}


def _tuples(table: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}


def _check(opened: Model, network: nn.Module, *probe: Tensor) -> None:
    with torch.no_grad():
        ours = network(*probe)[0].numpy()
    difference = float(np.abs(ours - opened.run(*(tensor.numpy() for tensor in probe))[0]).max())
    if not difference <= TOLERANCE:
        raise ModelError(
            f"the network rebuilt from {opened.card.name} gives other logits than the file (by {difference:.1e}; "
            f"allowed: {TOLERANCE}), so its maps would be of another network; --method occlusion needs none."
        )


def take_weights(
    module: nn.Module, model: str | os.PathLike[str], run: Callable[[], object]
) -> list[NDArray[np.float32]]:
    """Give a network the weights of a model file.

    Weights that kept their names are taken by name. Those of convolutions with a
    folded batch norm, and of matrix products, are taken in the order of use, where
    the shapes agree. The folded norms are removed from the network.

    Parameters
    ----------
    module : Module
        Changed in place.
    model : str or path
    run : callable
        Runs the module once, to record the order of its layers.

    Returns
    -------
    list of float32 arrays
        Weights without a name that no layer took.

    Raises
    ------
    ModelError
        If a layer finds no weights.
    """
    onnx = require("onnx", extra="train")
    loaded = onnx.load_model_from_string(model_path(model).read_bytes())
    dequantised(loaded)
    graph = loaded.graph
    values = {t.name: onnx.numpy_helper.to_array(t).astype(np.float32) for t in graph.initializer}
    for node in graph.node:
        if node.op_type in ("Cast", "Identity") and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
    state = module.state_dict()
    nameless = list(_nameless(graph, values, set(state)))
    with torch.no_grad():
        for name in state.keys() & values.keys():
            if values[name].shape != (wanted := tuple(state[name].shape)):
                raise _mismatch(name, wanted)
            state[name].copy_(torch.from_numpy(values[name]))
        for name, part in _in_order(module, run):
            if isinstance(part, _FOLDED):
                if f"{name}.weight" not in values:
                    module.set_submodule(name, nn.Identity())
            elif f"{name}.weight" not in values:
                _take_next(name, part, nameless)
            elif part.bias is None and f"{name}.bias" in values:  # of a network whose norms were folded before
                part.bias = nn.Parameter(torch.from_numpy(values[f"{name}.bias"].copy()))
    return [array for arrays in nameless for array in arrays]


def _nameless(
    graph: Any, values: dict[str, NDArray[np.float32]], names: set[str]
) -> Iterator[tuple[NDArray[np.float32], ...]]:
    """Weight, and bias if there is one, of each operator whose weight has no name, in the order of first use."""
    seen: set[str] = set()
    for node in graph.node:
        given = [name for name in node.input if name in values and name not in names]
        if node.op_type not in ("Conv", "Gemm", "MatMul", "Add") or not given or given[0] in seen:
            continue
        if node.op_type == "Add" and (values[given[0]].ndim != 1 or node.input[0] in names):
            continue
        seen.add(given[0])
        first = values[given[0]]
        yield (first.T if node.op_type == "MatMul" else first, *(values[name] for name in given[1:]))


def _in_order(module: nn.Module, run: Callable[[], object]) -> list[tuple[str, nn.Module]]:
    """Layers with weights in the order of their first use."""
    called: dict[str, nn.Module] = {}

    def hook(name: str) -> Callable[..., None]:
        def see(part: nn.Module, *_: object) -> None:
            called.setdefault(name, part)

        return see

    handles = [
        part.register_forward_hook(hook(name))
        for name, part in module.named_modules()
        if isinstance(part, (*_WEIGHTED, *_FOLDED))
    ]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return list(called.items())


def _take_next(name: str, part: nn.Module, nameless: list[tuple[NDArray[np.float32], ...]]) -> None:
    """The next weights of the layer's shape; a layer without a bias gets that of its folded norm."""
    wanted = tuple(part.weight.shape)  # type: ignore[arg-type]
    place = next((i for i, arrays in enumerate(nameless) if arrays[0].shape == wanted), None)
    if place is None:
        raise _mismatch(name, wanted)
    weight, *rest = nameless.pop(place)
    part.weight.copy_(torch.from_numpy(weight.copy()))  # type: ignore[operator]
    if rest:
        part.bias = nn.Parameter(torch.from_numpy(rest[0].copy()))


def _mismatch(name: str, wanted: tuple[int, ...]) -> ModelError:
    return ModelError(f"the model file holds no weights of shape {wanted} for the layer {name} of its card.")


@contextmanager
def captured(modules: tuple[nn.Module, ...]) -> Iterator[list[Tensor]]:
    """Collect the outputs of layers while the network runs, in a list that fills as they are called."""
    found: list[Tensor] = []
    handles = [part.register_forward_hook(lambda part, given, output: found.append(output)) for part in modules]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
