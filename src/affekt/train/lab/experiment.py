"""A lab recipe: what a published experiment did, and what it should have done, in one TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from affekt.data.findings import SIDES
from affekt.errors import InputError, UnknownName
from affekt.speech.inputs import Inputs

#: How the two protocols of a recipe are shown.
AS_PUBLISHED, HONEST = "as published", "honest"
SPLITS = ("speaker", "clip", "series", "sentence", "corpus")
COPIES = ("train", "before split", "none")
SCALERS = ("train", "all", "none")
CHOICES = ("dev", "test", "last")
MODALITIES = ("speech", "face")


@dataclass(frozen=True)
class Published:
    """The published figure.

    Parameters
    ----------
    metric : str
        ``WA`` or ``UAR``.
    low, high : float
        The figure, between 0 and 1, as a range where several are given.
    what : str
        What the figure measures, in words.
    corpora : tuple of str
        Which corpora it was reached on.
    """

    metric: str = "WA"
    low: float = 0.0
    high: float = 0.0
    what: str = ""
    corpora: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = f"{100 * self.low:g}" if self.low == self.high else f"{100 * self.low:g}-{100 * self.high:g}"
        return f"{self.metric} {shown} %"


@dataclass(frozen=True)
class Fit:
    """How a network is trained; classical classifiers ignore it.

    Parameters
    ----------
    epochs, batch : int
    learning_rate : float
        Of Adam.
    patience : int
        Epochs without gain after which training ends; 0: never.
    """

    epochs: int = 50
    batch: int = 32
    learning_rate: float = 1e-3
    patience: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or self.patience < 0 or not 0 < self.learning_rate < 10:
            raise InputError(
                f"epochs {self.epochs}, batch {self.batch}, patience {self.patience}, learning_rate "
                f"{self.learning_rate}; allowed: 1 or more, 1 or more, 0 or more, and above 0 and below 10."
            )


@dataclass(frozen=True)
class Protocol:
    """Who is tested, on what, and how the data were prepared.

    Parameters
    ----------
    labels : str
        A key of ``affekt.data.labelling.LABELLINGS``: ``emotion``, ``sex-emotion``, ...
    split : str
        ``speaker``: every speaker is tested once by a model not trained on
        them. ``clip``: clips are drawn, regardless of speaker. ``series``: pictures are drawn,
        near-duplicates together. ``sentence``, ``corpus``.
    folds : int
        Number of folds of a split by speaker, sentence or corpus.
    test : float
        Share of test clips of a split that is drawn.
    copies : str
        Augmented copies of ``train`` clips only; of all clips ``before split``; or ``none``.
    scaler : str
        Standardisation fitted on ``train``, on ``all``, or ``none``.
    choose : str
        Which epoch is kept: the best on ``dev``, the best on ``test``, or the ``last``.
    """

    labels: str = "emotion"
    split: str = "speaker"
    folds: int = 5
    test: float = 0.2
    copies: str = "train"
    scaler: str = "train"
    choose: str = "dev"

    def __post_init__(self) -> None:
        for name, allowed in {"split": SPLITS, "copies": COPIES, "scaler": SCALERS, "choose": CHOICES}.items():
            if getattr(self, name) not in allowed:
                raise UnknownName(f"value of {name}", getattr(self, name), allowed)
        if self.folds < 2 or not 0 < self.test < 1:
            raise InputError(f"folds is {self.folds}, test {self.test}; allowed: 2 or more, and between 0 and 1.")


@dataclass(frozen=True)
class Experiment:
    """A lab recipe.

    Parameters
    ----------
    modality : str
        ``speech`` or ``face``.
    corpora, optional : tuple of str
        Corpora that it needs, and that take part when they are given.
    part : str
        Of pictures: the part (``train``, ``dev``, ``test``) of the published split that takes part; empty: all.
    most : int
        Of pictures: how many take part, at most; 0: all.
    keep : tuple of str
        Emotions that take part; empty: all.
    merge : mapping of str to str
        Emotion to the one that it counts as, before ``keep``.
    inputs : Inputs
        What a model sees of a clip.
    copies : tuple of mappings
        One augmented copy of a clip each: step name to the ranges of its
        parameters, see :mod:`affekt.speech.augment`.
    models : tuple of str
        Names in ``ARCHITECTURES`` or ``CLASSIFIERS``; the first is the one that was selected.
    parameters : mapping of str to int
        Published parameter counts.
    as_published, honest : Protocol
    """

    kind: str = "lab"
    name: str = ""
    title: str = ""
    modality: str = "speech"
    corpora: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    part: str = ""
    most: int = 0
    keep: tuple[str, ...] = ()
    merge: Mapping[str, str] = field(default_factory=dict)
    sex: str = ""
    seed: int = 1
    published: Published = field(default_factory=Published)
    inputs: Inputs = field(default_factory=Inputs)
    copies: tuple[Mapping[str, Mapping[str, Any]], ...] = ()
    models: tuple[str, ...] = ()
    parameters: Mapping[str, int] = field(default_factory=dict)
    fit: Fit = field(default_factory=Fit)
    as_published: Protocol = field(default_factory=Protocol)
    honest: Protocol = field(default_factory=Protocol)

    def __post_init__(self) -> None:
        if self.modality not in MODALITIES:
            raise UnknownName("modality of a recipe", self.modality, MODALITIES)
        if self.part and self.part not in SIDES:
            raise UnknownName("part", self.part, SIDES)
        if self.most < 0:
            raise InputError(f"most is {self.most}; allowed: 1 or more, or 0 for all.")

    def protocol(self, name: str) -> Protocol:
        """``as-published`` or ``honest``."""
        table = {"as-published": self.as_published, "honest": self.honest}
        if name not in table:
            raise UnknownName("protocol", name, table)
        return table[name]


@dataclass(frozen=True)
class EncoderRecipe:
    """A recipe for a self-supervised encoder of the transformers library with an attentive head.

    Parameters
    ----------
    checkpoint : str
        Name on the hub, or a local folder: wav2vec2, HuBERT, WavLM or Whisper.
    frozen : bool
        Whether the encoder stays as it is and only the layer weights and the
        head are trained; otherwise everything is fine-tuned.
    seconds : float
        Longer clips are cut.
    """

    kind: str = "encoder"
    name: str = "encoder"
    title: str = ""
    corpora: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    merge: Mapping[str, str] = field(default_factory=dict)
    sex: str = ""
    seed: int = 1
    published: Published = field(default_factory=Published)
    checkpoint: str = "facebook/wav2vec2-base"
    frozen: bool = True
    seconds: float = 6.0
    fit: Fit = field(default_factory=Fit)
    as_published: Protocol = field(default_factory=Protocol)
    honest: Protocol = field(default_factory=Protocol)


def as_experiment(recipe: EncoderRecipe) -> Experiment:
    """An encoder recipe as the other lab recipes are written: one model, no copies, no scaler.

    Examples
    --------
    >>> as_experiment(EncoderRecipe(checkpoint="facebook/hubert-base-ls960")).models
    ('hubert-base-ls960',)
    """
    shared = {key: getattr(recipe, key) for key in ("name", "title", "corpora", "optional", "keep", "merge")}
    shared |= {key: getattr(recipe, key) for key in ("sex", "seed", "published", "fit")}
    plain = {key: replace(getattr(recipe, key), copies="none", scaler="none") for key in ("as_published", "honest")}
    return Experiment(kind=recipe.kind, models=(model_name(recipe),), **shared, **plain)


def model_name(recipe: EncoderRecipe) -> str:
    """The checkpoint's own name, without its owner or folder."""
    return Path(recipe.checkpoint).name or "encoder"


#: In which order a published protocol is corrected, and what each step takes away.
STEPS = {
    "choose": "the test set no longer chooses the epoch",
    "copies": "copies of training clips only",
    "scaler": "the scaler is fitted on training clips only",
    "labels": "the label is the emotion alone",
    "split": "no speaker on both sides",
}
#: What the last step of a recipe of pictures takes away instead.
SERIES_STEP = "no near-duplicates on both sides"


def ladder(experiment: Experiment) -> dict[str, Protocol]:
    """From the published protocol to the honest one, one step at a time.

    Returns
    -------
    dict of str to Protocol
        What a step takes away, to the protocol after it; begins with
        ``as published`` and ends with the honest protocol.
    """
    rungs = {AS_PUBLISHED: experiment.as_published}
    protocol, goal = experiment.as_published, experiment.honest
    for name, words in STEPS.items():
        if getattr(protocol, name) != getattr(goal, name):
            protocol = replace(protocol, **{name: getattr(goal, name)})
            rungs[SERIES_STEP if name == "split" and goal.split == "series" else words] = protocol
    rest = {f.name: getattr(goal, f.name) for f in fields(Protocol)}
    last = list(rungs)[-1]
    return {**rungs, last: replace(protocol, **rest)} if len(rungs) > 1 else rungs
