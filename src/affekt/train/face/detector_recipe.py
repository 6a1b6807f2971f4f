"""The recipe of a face detector."""

from __future__ import annotations

from dataclasses import dataclass, field

from affekt.errors import InputError

#: Each box belongs to the maps whose range of sides, in pixels, it falls in; near the borders, to two.
RANGES = ((0.0, 64.0), (44.0, 144.0), (100.0, 1e9))


@dataclass(frozen=True)
class MosaicRecipe:
    """How pictures are set into mosaics.

    Parameters
    ----------
    sides : tuple of int
        Pixels of a mosaic, multiples of 32; successive steps cycle through them. Small ones cost least, large ones
        have the large faces.
    whole : float
        How often a mosaic is one picture only.
    tile : tuple of float
        Range of the sides of tiles, drawn evenly on a logarithmic scale.
    face : tuple of float
        Smallest side of a face in pixels, and largest in sides of its tile; drawn in the same way.
    away : float
        How often a tile looks beside the face: background.
    faceless, scenery : float
        How often a tile shows a picture without faces, and how often such a picture lies behind all tiles.
    faceless_corpora : tuple of str
        Their pictures hold no human face: what the teacher sees there is its error, unless it is very sure.
    scene_corpora : tuple of str
        Their pictures show whole scenes, with and without faces: where the teacher sees none, there is none.
    turn, far_turn : float
        Standard deviation of the rotation in degrees; and, for one in eight tiles, the largest, drawn uniformly.
    blur, noise, light, hidden, coarse : float
        How often a tile is blurred, a mosaic gets noise, the light of a tile is changed, a part of a face is hidden,
        or a tile is as coarse as a small picture enlarged.
    sure, unsure : float
        A teacher's score from which a face counts, and from which its place is neither face nor background.
    """

    sides: tuple[int, ...] = (224, 224, 224, 320)
    whole: float = 0.3
    tile: tuple[float, float] = (56.0, 256.0)
    face: tuple[float, float] = (10.0, 0.9)
    away: float = 0.12
    faceless: float = 0.2
    scenery: float = 0.75
    faceless_corpora: tuple[str, ...] = ("pets",)
    scene_corpora: tuple[str, ...] = ()
    turn: float = 12.0
    far_turn: float = 50.0
    blur: float = 0.25
    noise: float = 0.5
    light: float = 0.7
    hidden: float = 0.1
    coarse: float = 0.12
    sure: float = 0.6
    unsure: float = 0.3

    def __post_init__(self) -> None:
        if not self.sides or any(side % 32 or side < 64 for side in self.sides):
            raise InputError(f"sides {list(self.sides)}; mosaics are a multiple of 32 wide, at least 64.")


@dataclass(frozen=True)
class DetectorSchedule:
    """How long to train, and at which rates.

    Parameters
    ----------
    steps, batch : int
        Steps, and mosaics in each; no mosaic comes twice.
    matrix_rate, learning_rate : float
        Learning rates of Muon (1x1 convolutions) and of AdamW (all else); both rise for ``warm_up`` steps, stay, and
        fall linearly to a hundredth.
    warm_up : int
    falling : float
        Share of the run in which they fall. A run that has not got that far may be made longer or shorter.
    weight_decay : float
        For both optimisers.
    averaging : float
        Decay of the moving average of the weights; the averaged weights are the result.
    bfloat16 : bool
        Compute in half precision.
    """

    steps: int = 3000
    batch: int = 16
    matrix_rate: float = 0.01
    learning_rate: float = 3e-3
    warm_up: int = 100
    falling: float = 0.4
    weight_decay: float = 0.02
    averaging: float = 0.997
    bfloat16: bool = True


@dataclass(frozen=True)
class DetectorRecipe:
    """Everything a training run of the detector depends on.

    Parameters
    ----------
    pictures : mapping
        Name of each corpus to how many of its pictures are drawn, at most.
    box, point : float
        Weights of the loss of boxes and of points beside that of scores.
    """

    kind: str = "detector"
    name: str = "detector"
    stem: int = 16
    channels: tuple[int, int, int, int] = (32, 48, 96, 128)
    blocks: tuple[int, int, int, int] = (1, 2, 3, 2)
    neck: int = 48
    box: float = 1.5
    point: float = 1.0
    seed: int = 1
    pictures: dict[str, int] = field(default_factory=dict)
    mosaics: MosaicRecipe = field(default_factory=MosaicRecipe)
    schedule: DetectorSchedule = field(default_factory=DetectorSchedule)
