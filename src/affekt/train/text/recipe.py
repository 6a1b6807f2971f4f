"""What a text model is made by."""

from __future__ import annotations

from dataclasses import dataclass, field

from affekt.errors import InputError
from affekt.text.shape import TextShape

#: Names of the corpora, in commands and on cards; and of the word vectors to start from.
GOEMOTIONS, DAIR, VECTORS = "goemotions", "dair", "vectors"


@dataclass(frozen=True)
class TextSchedule:
    """How long and how fast.

    Parameters
    ----------
    epochs, batch : int
        Passes over GoEmotions; every ``turn``-th batch is followed by one of dair-ai's.
    turn : int
    learning_rate, table_rate : float
        Of AdamW for all, and for the table of words; both rise for a twelfth of the run and fall as a cosine.
    weight_decay : float
        Not of tables.
    averaging : float
        Decay of the moving average of the weights; the averaged weights are the result.
    bfloat16 : bool
        Compute in half the bits: twice as fast where the processor knows how.
    """

    epochs: int = 5
    batch: int = 64
    turn: int = 2
    learning_rate: float = 2e-3
    table_rate: float = 1.5e-3
    weight_decay: float = 0.02
    averaging: float = 0.998
    bfloat16: bool = True


@dataclass(frozen=True)
class TextObjective:
    """What is minimised: the sum of the losses of the outputs, each by its weight.

    Parameters
    ----------
    one, present, common, dair : float
        Of the outputs, see :mod:`affekt.text.network`.
    grouped : float
        Of dair-ai's labels as sums of GoEmotions', on the output ``logits``.
    distillation : float
        Share of the targets that comes from the earlier networks, for the last network; the others learn without.
    """

    one: float = 0.5
    present: float = 0.5
    common: float = 0.3
    dair: float = 1.0
    grouped: float = 0.2
    distillation: float = 0.6


@dataclass(frozen=True)
class TextRecipe:
    """Everything a run depends on but the texts.

    Parameters
    ----------
    networks : int
        How many are trained; the last learns from labels and from the mean of the others, if any, and is the model.
    least : int
        Fewest occurrences of a word in the vocabulary.
    more : int
        Words of the vocabulary that occur in no text: the most frequent ones that have vectors.
    buckets : int
        For the n-grams of all other words.
    vectors : bool
        Whether words begin with vectors that somebody else trained.
    strength : float
        Of the linear model beside the network: the inverse of its regularisation.
    schedule, last : TextSchedule
        Of the networks, and of the last of several.
    tuned : int
        Thresholds and temperature are fitted on one in so many training texts.
    """

    kind: str = "text"
    name: str = "text"
    networks: int = 1
    seed: int = 1
    least: int = 2
    more: int = 20_000
    buckets: int = 1 << 13
    vectors: bool = True
    strength: float = 6.0
    tuned: int = 10
    network: TextShape = field(default_factory=TextShape)
    schedule: TextSchedule = field(default_factory=TextSchedule)
    last: TextSchedule = field(default_factory=lambda: TextSchedule(turn=1))
    objective: TextObjective = field(default_factory=TextObjective)

    def of(self, number: int) -> TextSchedule:
        """The schedule of one of the networks."""
        return self.last if 0 < number == self.networks - 1 else self.schedule

    def __post_init__(self) -> None:
        if self.networks < 1 or self.tuned < 2 or self.least < 1:
            raise InputError(
                f"networks {self.networks}, tuned {self.tuned} and least {self.least}; allowed: 1, 2 and 1 or more."
            )
