"""Maps over a face or a voice as numbers, and the methods that do not need torch.

A map says where the evidence lies; how far to trust it is measured in
``benchmarks/face/maps.py``, see docs/explain.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.errors import InputError, UnknownName
from affekt.explain.occlusion import Score, losses, occlusion_map
from affekt.face.masks import Masker, MaskOptions
from affekt.models.onnx import Model
from affekt.speech.spectral import hertz_to_mel

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Attribution:
    """What each place of an input adds to a label, as one method sees it.

    Parameters
    ----------
    values : float array, shape (h, w)
        For a face from its top left; for a voice frequency bands, lowest first, by time. Positive values speak for
        the label, negative ones against it. The unit depends on the method.
    method, label : str
    layer : str
        The layer whose maps were combined; empty for methods that use only input and output.
    """

    values: Values
    method: str
    label: str
    layer: str = ""

    @property
    def trouble(self) -> str:
        """What is wrong with the map, in words; empty if nothing is."""
        wrong = int((~np.isfinite(self.values)).sum())
        if wrong:
            return f"{wrong} of {self.values.size} values are not finite numbers; the map cannot be used"
        if not self.values.any():
            return f"zero everywhere: by {self.method} nothing speaks for {self.label}{at(self.layer)}"
        return ""

    def resized(self, shape: tuple[int, int]) -> Values:
        """The map at another size, to draw or compare it; non-finite values count as 0."""
        return resized(np.nan_to_num(self.values, nan=0.0, posinf=0.0, neginf=0.0), shape)


def at(layer: str) -> str:
    """`` at LAYER``, or nothing."""
    return f" at {layer}" if layer else ""


def resized(values: Values, shape: tuple[int, int]) -> Values:
    """Values (h, w) at another size: averaged over cells to shrink, linear between cell centres to enlarge.

    Examples
    --------
    >>> resized(np.array([[0.0, 1.0]]), (1, 4)).tolist()
    [[0.0, 0.25, 0.75, 1.0]]
    >>> resized(np.array([[0.0, 1.0, 2.0, 3.0]]), (1, 2)).tolist()
    [[0.5, 2.5]]
    """
    found = np.asarray(values, np.float64)
    for axis, size in enumerate(shape):
        found = np.moveaxis(np.tensordot(_weights(found.shape[axis], size), found, axes=(1, axis)), 0, axis)
    return found


def _weights(before: int, after: int) -> Values:
    """The weight of each old value in each new one, (after, before)."""
    if after < before:
        edges = np.linspace(0, before, after + 1)
        starts, place = np.maximum(edges[:-1, None], np.arange(before)), np.arange(1, before + 1)
        shares = np.clip(np.minimum(edges[1:, None], place) - starts, 0, None)
        means: Values = shares / shares.sum(axis=1, keepdims=True)
        return means
    middles = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    found: Values = np.clip(1 - np.abs(middles[:, None] - np.arange(before)), 0, None)
    return found


def class_activation(model: Model, face: NDArray[np.float32], label: str) -> Attribution:
    """What each cell of the grid of maps over a face adds to a label: the output ``maps`` of the graph itself.

    Its mean is the logit, up to a constant per label (Zhou et al., Learning
    deep features for discriminative localization, 2016).

    Parameters
    ----------
    model : Model
    face : float32 array, shape (48, 48)
    label : str

    Raises
    ------
    InputError
        If the graph has no such output.
    UnknownName
        If the model has no such label.
    """
    if "maps" not in model.outputs:
        raise InputError(
            f"the model {model.card.name} gives {', '.join(model.outputs)} and no 'maps', which cam draws; "
            "use --method occlusion, or grad-cam."
        )
    if label not in model.card.labels:
        raise UnknownName("label", label, model.card.labels)
    maps = model.run(np.asarray(face, np.float32)[None])[model.outputs.index("maps")]
    return Attribution(maps[0, model.card.labels.index(label)].astype(np.float64), "cam", label, "maps")


def face_occlusion(
    face: NDArray[np.float32], score: Score, label: str, *, options: MaskOptions | None = None
) -> Attribution:
    """What a label loses when each cell of a face is masked in turn, in nats of its log-probability.

    Examples
    --------
    >>> def corner(faces):
    ...     return faces[:, 0, 0].astype(float)
    >>> face = np.zeros((8, 8), np.float32)
    >>> face[0, 0] = 64
    >>> face_occlusion(face, corner, "bright", options=MaskOptions(cells=2)).values.tolist()
    [[63.0, 0.0], [0.0, 0.0]]
    """
    return Attribution(losses(Masker(face, options), score), "occlusion", label)


def voice_occlusion(
    signal: NDArray[np.float32], score: Score, label: str, *, band: tuple[float, float] = (80.0, 7600.0), rows: int = 64
) -> Attribution:
    """What a label loses when each patch of a voice is masked in turn, as a map of mel bands by time.

    Parameters
    ----------
    signal : float32 array, shape (n,)
        Speech: mono, 16 kHz.
    score : callable
    label : str
    band : (float, float)
        Lowest and highest frequency of the map, in hertz.
    rows : int
        Bands of the map.
    """
    found = occlusion_map(signal, score, label=label)
    mel = np.linspace(float(hertz_to_mel(band[0])), float(hertz_to_mel(band[1])), 2 * rows + 1)[1::2]
    place = np.clip(np.searchsorted(hertz_to_mel(found.hertz), mel, side="right") - 1, 0, len(found.hertz) - 2)
    return Attribution(found.values.T[place], "occlusion", label)


def centre_map(shape: tuple[int, int], deviation: float = 0.25) -> Values:
    """A Gaussian at the centre: the guess of somebody who has seen neither the face nor the network.

    Parameters
    ----------
    shape : (int, int)
    deviation : float
        As a share of the side of the face.
    """
    y, x = ((np.arange(size) + 0.5) / size - 0.5 for size in shape)
    found: Values = np.exp(-0.5 * (y[:, None] ** 2 + x**2) / deviation**2)
    return found


#: The parts of a face. A pixel belongs to the first part that contains it; the last part takes the rest.
REGIONS = ("eyes", "brows", "mouth", "nose", "rest")


def regions(points: NDArray[np.floating], side: int) -> NDArray[np.int64]:
    """Which part of the face each pixel of a crop belongs to, by the detector's five points.

    Let d be the distance between the eyes; sizes are along the line through them
    and across it. An eye is an ellipse with semi-axes 0.36 d and 0.18 d. The brows
    reach from there up to 0.55 d above the eyes, 0.5 d to both sides of each. The
    mouth is an ellipse around its corners, with semi-axes 0.75 of their distance
    and 0.32 d. The nose reaches from the eyes to 0.2 d below its tip, 0.3 d to
    both sides.

    Parameters
    ----------
    points : array, shape (5, 2)
        x and y in pixels of the crop: right eye, left eye, nose, right and left corner of the mouth.
    side : int
        Side of the crop, in pixels.

    Returns
    -------
    int64 array, shape (side, side)
        Indices into ``REGIONS``.
    """
    right, left, nose, corner, other = np.asarray(points, np.float64)
    across = (left - right) / max(float(np.linalg.norm(left - right)), 1e-6)
    down, unit = np.array([-across[1], across[0]]), max(float(np.linalg.norm(left - right)), 1e-6)
    pixels = np.stack(np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5), axis=-1)  # (side, side, x and y)

    def seen_from(middle: NDArray[np.float64]) -> tuple[Values, Values]:
        offset = (pixels - middle) / unit
        return offset @ across, offset @ down

    found = np.full((side, side), REGIONS.index("rest"), np.int64)
    x, y = seen_from((right + left) / 2)
    tip = float((nose - (right + left) / 2) @ down) / unit
    nose_x = x - float((nose - (right + left) / 2) @ across) / unit * np.clip(y / max(tip, 1e-6), 0, 1)
    found[(np.abs(nose_x) < 0.3) & (y > 0) & (y < tip + 0.2)] = REGIONS.index("nose")
    width = max(0.75 * float(np.linalg.norm(other - corner)) / unit, 0.1)
    mouth_x, mouth_y = seen_from((corner + other) / 2)
    found[(mouth_x / width) ** 2 + (mouth_y / 0.32) ** 2 < 1] = REGIONS.index("mouth")
    for eye in (right, left):
        eye_x, eye_y = seen_from(eye)
        found[(np.abs(eye_x) < 0.5) & (eye_y > -0.55) & (eye_y < -0.1)] = REGIONS.index("brows")
    for eye in (right, left):
        eye_x, eye_y = seen_from(eye)
        found[(eye_x / 0.36) ** 2 + (eye_y / 0.18) ** 2 < 1] = REGIONS.index("eyes")
    return found


def region_shares(values: Values, parts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of a map's positive values in each of ``REGIONS``, (5,); zeros where nothing is positive."""
    weight = np.clip(np.nan_to_num(values), 0, None)
    sums = np.bincount(parts.ravel(), weight.ravel(), minlength=len(REGIONS))
    found: NDArray[np.float64] = sums / max(float(sums.sum()), 1e-30)
    return found
