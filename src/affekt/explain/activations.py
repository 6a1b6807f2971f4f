"""What the layers of a network do with an input: the maps of their filters, and what they add to a label.

Grad-CAM: Selvaraju et al., 2017. Grad-CAM++: Chattopadhyay et al., 2018.
Score-CAM: Wang et al., 2020. Integrated gradients: Sundararajan, Taly & Yan,
Axiomatic attribution for deep networks, 2017. All explain the logit of a label.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from affekt.errors import InputError
from affekt.explain.attribution import Attribution
from affekt.explain.network import MapNetwork, captured, rebuild

Given = NDArray[np.float32]

#: Points on the path of integrated gradients.
STEPS = 24
#: By how much its sum may miss the difference of the logits, relative to that difference.
COMPLETE = 0.05
#: Masked inputs per batch.
_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class FilterMaps:
    """The output of every filter of a layer for one input, the strongest first.

    Parameters
    ----------
    values : float32 array, shape (k, h, w)
        For a layer of a voice network without a frequency axis, h is 1.
    numbers : int array, shape (k,)
        Indices of the filters in the layer, from 0.
    layer : str
    """

    values: NDArray[np.float32]
    numbers: NDArray[np.int64]
    layer: str

    @property
    def ranges(self) -> NDArray[np.float32]:
        """Lowest and highest value of each filter, (k, 2)."""
        flat = self.values.reshape(len(self.values), -1)
        return np.stack([flat.min(axis=1), flat.max(axis=1)], axis=1)

    @property
    def trouble(self) -> str:
        """How many filters are zero everywhere or give non-finite values, in words; empty if none."""
        flat = self.values.reshape(len(self.values), -1)
        wrong, silent = int((~np.isfinite(flat)).any(axis=1).sum()), int((~flat.any(axis=1)).sum())
        said = [f"{wrong} give values that are not finite numbers"] * bool(wrong)
        said += [f"{silent} are zero everywhere"] * bool(silent)
        return f"of {len(flat)} filters of {self.layer}, {' and '.join(said)}" if said else ""


def filter_maps(network: MapNetwork, given: Given, *, layer: str | None = None) -> FilterMaps:
    """The output of every filter of a layer.

    Parameters
    ----------
    network : MapNetwork
    given : float32 array, shape (48, 48) or (n,)
        A face, or speech at 16 kHz.
    layer : str, optional
        By default the network's own choice.

    Returns
    -------
    FilterMaps
        Ordered by the mean of the absolute values.

    Raises
    ------
    UnknownName
        If there is no such layer; the message lists all.
    """
    with torch.no_grad(), captured(network.modules(layer)) as outputs:
        network.logits(*network.prepare(given))
    values = torch.cat([_planes(output)[:1] for output in outputs], dim=1)[0].numpy()
    strength = np.nan_to_num(np.abs(values), nan=np.inf).mean(axis=(1, 2))
    order = np.argsort(-strength, kind="stable")
    return FilterMaps(values[order], order, layer or network.layer)


def _planes(output: Tensor) -> Tensor:
    """Maps over time only (b, c, t) as planes of one row."""
    if output.ndim not in (3, 4):
        raise InputError(f"a layer that gives values of shape {tuple(output.shape)} has no maps.")
    return output if output.ndim == 4 else output[:, :, None]


def _filters(network: MapNetwork, outputs: list[Tensor]) -> Tensor:
    """All filters of all networks (b, c, h, w); those of the mirror image follow, flipped back."""
    found = torch.cat([_planes(output) for output in outputs], dim=1)
    if not network.mirrored:
        return found
    half = len(found) // 2
    return torch.cat([found[:half], found[half:].flip(3)], dim=1)


def _gradients(network: MapNetwork, given: Given, label: str, layer: str | None) -> tuple[Tensor, Tensor]:
    """Maps (c, h, w) of a layer, and how the logit of the label changes with them."""
    place = network.target(label)
    with captured(network.modules(layer)) as outputs:
        prepared = tuple(tensor.detach().requires_grad_() for tensor in network.prepare(given))
        logit = network.logits(*prepared)[0, place]
    slopes = torch.autograd.grad(logit, outputs, allow_unused=True)
    known = [torch.zeros_like(a) if g is None else g for a, g in zip(outputs, slopes, strict=True)]
    return _filters(network, outputs)[0].detach(), _filters(network, known)[0]


def grad_cam(network: MapNetwork, given: Given, label: str, *, layer: str | None = None) -> Attribution:
    """The maps of a layer, each weighted by the mean of its gradient; what speaks against the label becomes 0.

    For the last layer of a network that averages it before a linear head, this
    is the class activation map, up to a factor.

    Parameters
    ----------
    network : MapNetwork
    given : float32 array, shape (48, 48) or (n,)
    label : str
    layer : str, optional
        By default the network's own choice.

    Raises
    ------
    UnknownName
        If there is no such label or layer.
    """
    maps, slopes = _gradients(network, given, label, layer)
    summed = (slopes.mean(dim=(1, 2), keepdim=True) * maps).sum(dim=0)
    return _found(F.relu(summed), "grad-cam", label, layer or network.layer)


def grad_cam_pp(network: MapNetwork, given: Given, label: str, *, layer: str | None = None) -> Attribution:
    """Grad-CAM++: only places with a positive gradient count, and isolated ones count more.

    Parameters and errors are those of :func:`grad_cam`.
    """
    maps, slopes = _gradients(network, given, label, layer)
    square, cube = slopes**2, slopes**3
    bottom = 2 * square + (maps * cube).sum(dim=(1, 2), keepdim=True)
    alpha = square / torch.where(bottom.abs() > 1e-30, bottom, torch.ones_like(bottom))
    weights = (alpha * F.relu(slopes)).sum(dim=(1, 2), keepdim=True)
    return _found(F.relu((weights * maps).sum(dim=0)), "grad-cam++", label, layer or network.layer)


def score_cam(network: MapNetwork, given: Given, label: str, *, layer: str | None = None) -> Attribution:
    """The maps of a layer, each weighted by what the logit gains when only the places it marks are shown.

    No gradients: the network sees the input once for each filter, the rest
    blank. Parameters and errors are those of :func:`grad_cam`.
    """
    place, name = network.target(label), layer or network.layer
    with torch.no_grad():
        prepared = network.prepare(given)
        with captured(network.modules(layer)) as outputs:
            network.logits(*prepared)
        maps = _filters(network, outputs)[0]
        if network.mirrored:  # what the head sees of a filter is the mean of both
            maps = maps.unflatten(0, (2, -1)).mean(dim=0)
        low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
        spans = (high > low).flatten()
        if not spans.any():
            return _found(torch.zeros_like(maps[0]), "score-cam", label, name)
        marks = ((maps - low) / (high - low).clamp(min=1e-30))[spans]
        blank = network.blank(prepared)
        gains = torch.cat([
            network.logits(*_shown(prepared, blank, part))[:, place] for part in marks.split(_AT_ONCE)
        ]) - network.logits(*blank)[0, place]  # fmt: skip
        weights = torch.softmax(gains, dim=0)
        return _found(F.relu((weights[:, None, None] * maps[spans]).sum(dim=0)), "score-cam", label, name)


def _shown(prepared: tuple[Tensor, ...], blank: tuple[Tensor, ...], marks: Tensor) -> list[Tensor]:
    """Inputs shown where marks (m, h, w) are 1, blank where they are 0."""
    shown = []
    for tensor, empty in zip(prepared, blank, strict=True):
        # Marks by mel band do not apply to pitch lags: these are shown at the marked times.
        rough = marks[:, None] if tensor is prepared[0] else marks.mean(dim=1, keepdim=True)[:, None]
        size = tensor.shape[-2:]
        mask = F.interpolate(rough, size=size, mode="bilinear", align_corners=False)
        mask = mask if tensor.ndim == 4 else mask[:, 0]
        shown.append(empty + mask * (tensor - empty))
    return shown


def integrated_gradients(network: MapNetwork, given: Given, label: str, *, steps: int = STEPS) -> Attribution:
    """What each pixel, or each band at each time, adds to the logit on the way from a blank input to this one.

    The sum of all values is the difference of the two logits. For a voice, part
    of it belongs to the pitch, which this map of mel bands does not show.

    Parameters
    ----------
    network : MapNetwork
    given : float32 array, shape (48, 48) or (n,)
    label : str
    steps : int
        Points on the path; more where the sum misses the difference by more than a twentieth.

    Raises
    ------
    UnknownName
        If the model has no such label.
    """
    parts = added(network, given, label, steps=steps)
    return _found(parts[0], "integrated-gradients", label, "")


def added(network: MapNetwork, given: Given, label: str, *, steps: int = STEPS) -> tuple[Tensor, ...]:
    """Integrated gradients of all inputs of the layers: pixels (h, w) of a face, bands and lags by time of a voice.

    The gradients are taken at the midpoints of ``steps`` equal steps. The number
    of steps is doubled, up to three times, while their sum misses the difference
    of the logits by more than a twentieth.
    """
    place = network.target(label)
    with torch.no_grad():
        prepared = tuple(tensor.detach() for tensor in network.prepare(given))
        blank = network.blank(prepared)
        difference = float(network.logits(*prepared)[0, place] - network.logits(*blank)[0, place])
    for doubled in range(4):
        shares = (torch.arange(steps << doubled) + 0.5) / (steps << doubled)
        slopes = [torch.zeros_like(tensor) for tensor in prepared]
        for part in shares.split(_AT_ONCE):
            path = [_between(*pair, part) for pair in zip(blank, prepared, strict=True)]
            found = torch.autograd.grad(network.logits(*path)[:, place].sum(), path)
            slopes = [slope + g.sum(dim=0, keepdim=True) for slope, g in zip(slopes, found, strict=True)]
        parts = [s / len(shares) * (p - b) for s, p, b in zip(slopes, prepared, blank, strict=True)]
        if abs(sum(float(part.sum()) for part in parts) - difference) <= COMPLETE * max(abs(difference), 0.1):
            break
    return tuple(part.reshape(part.shape[-2:]) for part in parts)


def _between(start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
    """Points on the straight path from one input to another, one for each share."""
    weights = shares.reshape(-1, *[1] * (start.ndim - 1))
    return (start + weights * (end - start)).requires_grad_()


def _found(values: Tensor, method: str, label: str, layer: str) -> Attribution:
    return Attribution(values.detach().numpy().astype(np.float64), method, label, layer)


#: Methods and their functions of (network, input, label); those for layers also take ``layer``.
METHODS: dict[str, Callable[..., Attribution]] = {
    "grad-cam": grad_cam,
    "grad-cam++": grad_cam_pp,
    "score-cam": score_cam,
    "integrated-gradients": integrated_gradients,
}
#: The methods that use only input and output.
WITHOUT_LAYER = ("integrated-gradients",)


def randomised(model: str | os.PathLike[str] = "face", *, seed: int = 0) -> MapNetwork:
    """The network of a model file with random weights: the values of each layer are shuffled.

    A map that does not change with them shows the input, not what the network
    learned (Adebayo et al., Sanity checks for saliency maps, 2018). Errors are those of :func:`rebuild`.
    """
    network, rng = rebuild(model), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.module.parameters():
            if parameter.ndim > 1 and parameter.requires_grad:
                order = torch.randperm(parameter.numel(), generator=rng)
                parameter.copy_(parameter.flatten()[order].view_as(parameter))
    return network


@dataclass(frozen=True, eq=False)
class Exciting:
    """The faces that activate the filters of a layer most.

    Parameters
    ----------
    numbers : int array, shape (k,)
        Of the filters.
    faces : int array, shape (k, n)
        Indices of the faces, the strongest activation first.
    values : float32 array, shape (k, n)
        The highest value on each.
    places : float array, shape (k, n, 2)
        Top and left of the place of that value, as shares of the face from 0 to 1.
    cell : (float, float)
        Height and width of a place, as shares of the face.
    layer : str
    """

    numbers: NDArray[np.int64]
    faces: NDArray[np.int64]
    values: NDArray[np.float32]
    places: NDArray[np.float64]
    cell: tuple[float, float]
    layer: str


def exciting_faces(
    network: MapNetwork,
    faces: NDArray[np.float32],
    filters: NDArray[np.int64],
    *,
    layer: str | None = None,
    most: int = 8,
) -> Exciting:
    """The faces on which each of the given filters of a layer reaches its highest values.

    Parameters
    ----------
    network : MapNetwork
        Of a face model.
    faces : array, shape (n, s, s)
        Grey values.
    filters : int array, shape (k,)
        Numbers of filters, as :class:`FilterMaps` has them.
    layer : str, optional
    most : int
        Faces for each filter.

    Raises
    ------
    InputError
        If there is no face, or a filter that the layer does not have.
    UnknownName
        If there is no such layer; the message lists all.
    """
    if not len(faces):
        raise InputError("there are no faces to look through; give one or more.")
    tops, spots, shape = [], [], (1, 1)
    with torch.no_grad():
        for start in range(0, len(faces), _AT_ONCE):
            batch = torch.cat([network.prepare(face)[0] for face in faces[start : start + _AT_ONCE]])
            with captured(network.modules(layer)) as outputs:
                network.logits(batch)
            maps = torch.cat([_planes(output)[: len(batch)] for output in outputs], dim=1)
            if filters.max(initial=0) >= maps.shape[1]:
                raise InputError(
                    f"filter {filters.max()} of {layer or network.layer}, which has {maps.shape[1]}: from 0."
                )
            shape = (int(maps.shape[2]), int(maps.shape[3]))
            top, spot = maps[:, torch.from_numpy(filters)].flatten(2).max(dim=2)
            tops.append(top.numpy())
            spots.append(spot.numpy())
    values, where = np.concatenate(tops).T, np.concatenate(spots).T  # (k, n)
    order = np.argsort(-values, axis=1, kind="stable")[:, :most]
    chosen = np.take_along_axis(where, order, axis=1)
    places = np.stack([chosen // shape[1] / shape[0], chosen % shape[1] / shape[1]], axis=-1)
    best = np.take_along_axis(values, order, axis=1)
    return Exciting(filters, order, best, places, (1 / shape[0], 1 / shape[1]), layer or network.layer)
