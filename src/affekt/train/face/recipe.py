"""The recipe of a face model."""

from __future__ import annotations

from dataclasses import dataclass, field

from affekt.face.shape import FaceShape

#: Name of the corpus, in commands and on cards.
FER2013 = "fer2013"


@dataclass(frozen=True)
class FaceChanges:
    """How much faces are changed while learning.

    Parameters
    ----------
    turn : float
        Largest rotation, degrees.
    scale, shift, shear : float
        Largest relative change of size, of place (of half a side), and of slant.
    gamma : float
        Standard deviation of the logarithm of the gamma exponent.
    coarse : float
        How often a face is made as coarse as one of 16 to 40 pixels.
    noise : float
        Largest standard deviation of the noise, relative to that of the face.
    hidden : float
        How often a patch of 0.2 to 0.5 of a side is hidden.
    mixup : float
        How often a batch is mixed with itself (Zhang et al., 2018), in shares from Beta(``mixup_shape``).
    """

    turn: float = 15.0
    scale: float = 0.15
    shift: float = 0.12
    shear: float = 0.08
    gamma: float = 0.25
    coarse: float = 0.15
    noise: float = 0.15
    hidden: float = 0.5
    mixup: float = 0.5
    mixup_shape: float = 0.4


@dataclass(frozen=True)
class FaceSchedule:
    """How long to train, and at which rates.

    Parameters
    ----------
    sizes, epochs : tuples of int
        Sides of the faces in pixels, and for how many passes each: small ones first, at a fraction of the cost.
    batch : int
    convolution_rate, learning_rate : float
        Learning rates of Muon (convolutions) and of AdamW (all else); both rise for a tenth of the run and fall as a
        cosine. After three passes, dev WA was .43 with Muon and .31 with SGD.
    weight_decay : float
        For both optimisers; norms and biases do not decay.
    averaging : float
        Decay of the moving average of the weights; the averaged weights are the result.
    bfloat16 : bool
        Compute in half precision: twice as fast where the processor supports it.
    """

    sizes: tuple[int, ...] = (32, 40, 48)
    epochs: tuple[int, ...] = (14, 8, 14)
    batch: int = 128
    convolution_rate: float = 0.02
    learning_rate: float = 3e-3
    weight_decay: float = 0.03
    averaging: float = 0.998
    bfloat16: bool = True


@dataclass(frozen=True)
class FaceObjective:
    """The training objective.

    Parameters
    ----------
    smoothing : float
        Share of the target that is the label expected from a face's FER+ votes, see ``label_given_votes``.
    votes : float
        Weight of the head that learns the FER+ votes.
    distillation : float
        Share of the targets that comes from earlier networks; the very first network learns without.
    """

    smoothing: float = 0.3
    votes: float = 0.7
    distillation: float = 0.0


@dataclass(frozen=True)
class FaceTuning:
    """How the second network, and each after it, continues from the one before.

    What keeps the first from memorising faces also keeps it from learning all
    it could: after 36 passes it got .68 of its training faces right, and .65
    of others. So this stage changes faces less, and trusts labels more.
    """

    schedule: FaceSchedule = field(
        default_factory=lambda: FaceSchedule((40, 48), (8, 12), convolution_rate=0.012, learning_rate=1.5e-3)
    )
    objective: FaceObjective = field(default_factory=lambda: FaceObjective(smoothing=0.1, distillation=0.15))
    augment: FaceChanges = field(
        default_factory=lambda: FaceChanges(
            turn=12.0, scale=0.12, shift=0.1, shear=0.06, gamma=0.2, coarse=0.08, noise=0.06, hidden=0.35, mixup=0.2
        )
    )


@dataclass(frozen=True)
class FaceRecipe:
    """Everything a run depends on but the faces.

    Parameters
    ----------
    networks : tuple of int
        How many are trained in each chain. The first of a chain starts from scratch, each other one from the one
        before it; all learn from earlier networks, those of other chains too. The model is the mean of the last of
        some chains, whichever are best on the dev faces.
    dev : int
        Faces of the training part that the model is chosen and calibrated on.
    """

    kind: str = "face"
    name: str = "face"
    networks: tuple[int, ...] = (3,)
    dev: int = 3000
    seed: int = 1
    network: FaceShape = field(default_factory=FaceShape)
    schedule: FaceSchedule = field(default_factory=FaceSchedule)
    objective: FaceObjective = field(default_factory=lambda: FaceObjective(distillation=0.3))
    augment: FaceChanges = field(default_factory=FaceChanges)
    tuning: FaceTuning = field(default_factory=FaceTuning)

    def place(self, number: int) -> tuple[int, int]:
        """Chain of a network, and its place in it, both from 0."""
        chain = 0
        while number >= self.networks[chain]:
            number, chain = number - self.networks[chain], chain + 1
        return chain, number

    def part(self, number: int) -> FaceRecipe | FaceTuning:
        """Schedule, objective and changes of one of the networks."""
        return self.tuning if self.place(number)[1] else self
