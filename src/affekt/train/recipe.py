"""A recipe: everything a training run depends on, in one TOML file."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from importlib.resources import files
from itertools import takewhile
from pathlib import Path
from typing import Any

from affekt._files import atomic_write
from affekt._optional import require
from affekt.errors import InputError, UnknownName
from affekt.models.zoo import MODELS, model_path
from affekt.train.face.detector_recipe import DetectorRecipe
from affekt.train.face.recipe import FaceRecipe
from affekt.train.face.yolo_recipe import YoloRecipe
from affekt.train.lab.dimensions_recipe import DimensionRecipe
from affekt.train.lab.experiment import EncoderRecipe, Experiment
from affekt.train.text.recipe import TextRecipe
from affekt.train.voice.augment import Chances


@dataclass(frozen=True)
class Network:
    """Sizes of the network; see ``affekt.speech.network.VoiceShape``."""

    planes: tuple[int, int] = (32, 64)
    channels: int = 192
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    dropout: float = 0.2
    time_dropout: float = 0.1
    levels: int = 3
    heads: int = 4
    embedding: int = 256
    hidden: int = 128


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Parameters
    ----------
    epochs, clips, batch : int
        ``clips`` are drawn per epoch, balanced over corpora and classes.
    group : int
        Clips of one speaker that come together, so that each can be compared with the others.
    seconds : float
        Longest crop of a clip.
    ways : int
        In how many ways each clip is augmented (``augment``), once for all passes.
    unchanged : float
        Share of clips taken as recorded outright; for the others all ways, including that one, are equally likely.
    encoder_rate, learning_rate : float
        Learning rates of Muon (matrices of hidden layers) and of AdamW (all else); both rise for a tenth of the run
        and fall as a cosine.
    taught_rate : float
        Learning rate of AdamW for layers taken from another model.
    weight_decay : float
        Of both.
    averaging : float
        Decay of the moving average of the weights; the averaged weights are the result.
    bfloat16 : bool
        Compute the encoder in half precision: twice as fast where the processor supports it.
    """

    epochs: int = 24
    clips: int = 10_000
    batch: int = 32
    group: int = 4
    seconds: float = 3.0
    ways: int = 7
    unchanged: float = 0.1
    encoder_rate: float = 0.02
    learning_rate: float = 3e-3
    taught_rate: float = 1e-4
    weight_decay: float = 0.03
    averaging: float = 0.998
    bfloat16: bool = True


@dataclass(frozen=True)
class Objective:
    """The training objective.

    Parameters
    ----------
    smoothing : float
        Label smoothing over the classes of the clip's corpus.
    mixup : float
        Beta parameter of mixing two embeddings of one corpus; 0: none.
    corpus_heads : float
        Weight of the per-corpus heads, a training aid that is not exported.
    baselines : float
        Weight of each of the speaker-conditioned heads.
    formants, pitch : float
        Standard deviations of the logarithms of the factors that change each speaker's; 0: none.
    frequency_mask, time_mask : int
        Largest masked stretch in mel bands and in frames (SpecAugment).
    """

    smoothing: float = 0.05
    mixup: float = 0.0
    corpus_heads: float = 0.5
    baselines: float = 0.5
    formants: float = 0.08
    pitch: float = 0.2
    frequency_mask: int = 6
    time_mask: int = 20


@dataclass(frozen=True)
class WhisperSizes:
    """Sizes of the network; see ``affekt.speech.whisper.network.WhisperShape``."""

    layers: int = 3
    levels: int = 2
    channels: int = 512
    attention_heads: int = 8
    block_frames: int = 40
    dropout: float = 0.2
    heads: int = 8
    embedding: int = 256
    hidden: int = 128


@dataclass(frozen=True)
class Teaching:
    """A stage before the labels, in which a teacher's frames are learned; see ``affekt.train.voice.distil``.

    Parameters
    ----------
    steps, batch : int
        0 steps: there is no such stage.
    frames : int
        Longest stretch of a clip, in frames of the teacher (80 ms).
    ways : int
        In how many ways each clip is changed, besides as recorded.
    encoder_rate, learning_rate : float
        Of Muon and of AdamW, as in :class:`Schedule`.
    teacher : WhisperSizes
        Sizes of the layers whose frames are learned; the heads play no part.
    """

    steps: int = 0
    batch: int = 64
    frames: int = 36
    ways: int = 2
    encoder_rate: float = 0.02
    learning_rate: float = 2e-3
    teacher: WhisperSizes = field(default_factory=WhisperSizes)


@dataclass(frozen=True)
class Recipe:
    """Everything a run depends on but the recordings.

    Parameters
    ----------
    corpora : tuple of str
        Names in ``affekt.corpora.CORPORA``.
    balance : float
        A corpus is drawn in proportion to its number of clips to this power: 1 by size, 0 all equally often.
    """

    kind: str = "voice"
    name: str = "voice"
    corpora: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    balance: float = 0.5
    seed: int = 1
    network: Network = field(default_factory=Network)
    distillation: Teaching = field(default_factory=Teaching)
    schedule: Schedule = field(default_factory=Schedule)
    objective: Objective = field(default_factory=Objective)
    augment: Chances = field(default_factory=Chances)


@dataclass(frozen=True)
class FrozenRecipe(Recipe):
    """A recipe that trains only the heads, on the frozen encoder as its teacher taught it; for protocols.

    The frames of each clip are computed only once, so a fold takes minutes instead of an hour.
    """

    frozen: bool = True

    @property
    def whole(self) -> Recipe:
        """The recipe of the network that is taught."""
        return Recipe(**{f.name: getattr(self, f.name) for f in fields(Recipe)})


@dataclass(frozen=True)
class WhisperRecipe:
    """The first layers of Whisper under our heads: first only the heads are trained, on frozen layers, then both.

    Parameters
    ----------
    corpora, balance
        As for :class:`Recipe`.
    frozen : bool
        Whether this is the first stage.
    schedule, tuning : Schedule
        Of the first stage and of the second.
    share : float
        How far to go from the weights before the second stage to those after it, 0 to 1; with less than all the
        way, a network can do better on unseen corpora.

    Raises
    ------
    InputError
        If the share is out of range.
    """

    kind: str = "whisper"
    name: str = "voice"
    corpora: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    balance: float = 0.5
    seed: int = 1
    frozen: bool = True
    share: float = 1.0
    network: WhisperSizes = field(default_factory=WhisperSizes)
    schedule: Schedule = field(default_factory=Schedule)
    tuning: Schedule = field(default_factory=Schedule)
    objective: Objective = field(default_factory=Objective)
    augment: Chances = field(default_factory=Chances)

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise InputError(f"share is {self.share}; allowed: 0 to 1.")


def frozen(recipe: Recipe) -> FrozenRecipe:
    """The recipe that trains only the heads.

    Raises
    ------
    InputError
        If its encoder has no teacher.
    """
    if not recipe.distillation.steps:
        raise InputError(f"--frozen is for a network that a teacher taught before; {recipe.name} has none.")
    return FrozenRecipe(**vars(recipe))


#: Recipes of the model `voice`, by a network of our own or over Whisper's layers.
AnyVoice = Recipe | WhisperRecipe

#: What kinds of recipe there are: the key ``kind`` of a file to what it is read into.
KINDS: dict[str, type] = {
    "voice": Recipe,
    "whisper": WhisperRecipe,
    "face": FaceRecipe,
    "detector": DetectorRecipe,
    "yolo": YoloRecipe,
    "text": TextRecipe,
    "lab": Experiment,
    "encoder": EncoderRecipe,
    "dimensions": DimensionRecipe,
}


#: The modality of a kind of recipe that does not say its own.
MODALITIES = {
    "voice": "speech",
    "whisper": "speech",
    "face": "face",
    "detector": "face",
    "yolo": "face",
    "text": "text",
    "dimensions": "speech",
}
#: How long a recipe takes, where it was measured; the docs of each say on what.
TIMES = {
    "detector": "about 35 min of one core",
    "dimensions": "about 3 min of one core for 1,935 clips",
    "fer2013-cnn-quick": "about 8 min of one core",
    "ravdess-dnn180": "about 1 min of two cores",
    "tess-conv1d": "about 4 min of two cores",
    "yolo-emotion": "about 20 min of one core",
}


def recipe_facts(name: str) -> dict[str, Any]:
    """Facts about a recipe before it is run.

    Returns
    -------
    dict
        ``name``, ``modality``, ``what``, ``models`` and ``corpora`` (lists), ``size`` (bytes of the model that ships,
        or None), ``parameters`` (of models, as published), ``time`` (words, or None where it was not measured) and
        ``command``.

    Examples
    --------
    >>> recipe_facts("tess-conv1d")["modality"]
    'speech'
    """
    recipe = load_recipe(name)
    text = (files("affekt.train") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    comment = " ".join(line.removeprefix("#").strip() for line in takewhile(lambda x: x[:1] == "#", text.splitlines()))
    is_lab = isinstance(recipe, (Experiment, EncoderRecipe))
    path = None if is_lab or name not in MODELS else model_path(name)
    return {
        "name": name,
        "modality": MODALITIES.get(recipe.kind) or getattr(recipe, "modality", "speech"),
        "what": getattr(recipe, "title", "") or comment.partition(". ")[0],
        "models": list(getattr(recipe, "models", ())) or [name],
        "corpora": [*getattr(recipe, "corpora", ()), *getattr(recipe, "optional", ())],
        "size": path.stat().st_size if path else None,
        "parameters": dict(getattr(recipe, "parameters", {})),
        "time": TIMES.get(name),
        "command": "reproduce" if is_lab else "train",
    }


def recipe_names() -> list[str]:
    """The recipes that ship with affekt."""
    folder = files("affekt.train") / "recipes"
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def load_recipe(name: str | Path) -> Any:
    """Load a recipe that ships with affekt, by name, or one of your own, by path.

    Returns
    -------
    Recipe, FaceRecipe, DetectorRecipe, YoloRecipe, TextRecipe, Experiment, EncoderRecipe or DimensionRecipe
        By the key ``kind`` of the file; without one, a Recipe.

    Raises
    ------
    UnknownName
        If there is no such recipe, or the file has an unknown key (a near match is suggested).
    InputError
        If the file is not TOML, or a value is of the wrong type.

    Examples
    --------
    >>> load_recipe("tess-conv1d").published.low
    0.99
    """
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise InputError(f"{path}: no such recipe file.")
        text = path.read_text(encoding="utf-8")
    else:
        if str(name) not in recipe_names():
            raise UnknownName("recipe", str(name), [*recipe_names(), "activity"])
        text = (files("affekt.train") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name}: is not TOML ({error}).") from None
    if "kind" not in table and (not table or set(table) - {f.name for f in fields(Recipe)}):
        raise InputError(f"{name}: kind is missing; allowed: {', '.join(sorted(KINDS))}.")
    kind = table.get("kind", "voice")
    if kind not in KINDS:
        raise UnknownName("kind of recipe", str(kind), KINDS)
    return build(KINDS[kind], table)


def build(kind: type, table: dict[str, Any]) -> Any:
    """Make a dataclass, nested ones too, from a table; an unknown key is an error."""
    known = {f.name: f for f in fields(kind)}
    values = {}
    for key, value in table.items():
        if key not in known:
            raise UnknownName("recipe key", key, known)
        field = known[key]
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if not _fits(value, default):
            raise InputError(f"{key} is {value!r}; give something like {_plain(default)!r}.")
        if is_dataclass(default):
            value = build(type(default), value)
        values[key] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def _fits(value: object, default: object) -> bool:
    """Whether a value from a file is of the kind of the default: a table, a list, a number, a text, a switch."""
    if is_dataclass(default) or isinstance(default, dict):
        return isinstance(value, dict)
    if isinstance(default, tuple):
        return isinstance(value, list)
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    return isinstance(value, (int, float)) if isinstance(default, float) else isinstance(value, type(default))


def _plain(default: Any) -> Any:
    if is_dataclass(default) and not isinstance(default, type):
        return {f.name: getattr(default, f.name) for f in fields(default)}
    return list(default) if isinstance(default, tuple) else default


def recipe_digest(recipe: AnyVoice) -> str:
    """Twelve digits, the same for recipes that differ only in corpora, labels, seed, steps and rates."""
    table = as_table(recipe)
    table["schedule"] = {key: getattr(recipe.schedule, key) for key in ("group", "seconds", "ways", "unchanged")}
    kept = {key: table[key] for key in ("balance", "network", "schedule", "objective", "augment")}
    if table.get("distillation", {}).get("steps"):
        kept["distillation"] = {key: table["distillation"][key] for key in ("frames", "ways", "teacher")}
    if isinstance(recipe, FrozenRecipe):
        kept["frozen"] = True
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]


def as_table(recipe: Any) -> dict[str, Any]:
    """The recipe as plain dicts and lists, complete with defaults."""
    return asdict(recipe)


def save_recipe(recipe: Any, output: Path) -> None:
    """Write the complete recipe into the folder of a run.

    Raises
    ------
    InputError
        If the folder holds a run with another recipe.
    """
    text = require("tomli_w", extra="train").dumps(json.loads(json.dumps(as_table(recipe))))
    path = output / "recipe.toml"
    output.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(f"{output} holds a run with another recipe; choose another output folder, or delete it.")
    with atomic_write(path) as file:
        file.write(text)
