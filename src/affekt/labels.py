"""Label sets, and explicit maps between them. A lossy map says what it loses."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from affekt.errors import InputError, LossWarning, UnknownName

VOICE = ("angry", "calm", "disgust", "fear", "happy", "neutral", "sad", "surprise")

LABEL_SETS: dict[str, dict[str, tuple[str, ...]]] = {
    "voice": {label: (label,) for label in VOICE},
    "four": {label: (label,) for label in ("angry", "happy", "neutral", "sad")},
    "ekman": {label: (label,) for label in ("angry", "disgust", "fear", "happy", "sad", "surprise")},
    "calm-is-neutral": {
        "angry": ("angry",),
        "disgust": ("disgust",),
        "fear": ("fear",),
        "happy": ("happy",),
        "neutral": ("neutral", "calm"),
        "sad": ("sad",),
        "surprise": ("surprise",),
    },
    "valence": {
        "negative": ("angry", "disgust", "fear", "sad"),
        "neutral": ("neutral", "calm"),
        "positive": ("happy",),
    },
}

#: GoEmotions (Demszky et al., 2020), in the order of its files.
GOEMOTIONS = (
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire",
    "disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief", "joy",
    "love", "nervousness", "optimism", "pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral",
)  # fmt: skip

#: By name of a label set: affekt's words, each with the model's own labels that it stands for. Every own label belongs
#: to one word, so no probability is lost, but the distinctions between labels of one word are:
#: ``curiosity`` is counted as ``surprise``, ``desire`` as ``happy``, as the authors of GoEmotions group them.
COMMON: dict[str, dict[str, tuple[str, ...]]] = {
    "goemotions": {
        "angry": ("anger", "annoyance", "disapproval"),
        "disgust": ("disgust",),
        "fear": ("fear", "nervousness"),
        "happy": (
            "admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy", "love",
            "optimism", "pride", "relief",
        ),
        "neutral": ("neutral",),
        "sad": ("disappointment", "embarrassment", "grief", "remorse", "sadness"),
        "surprise": ("confusion", "curiosity", "realization", "surprise"),
    },
}  # fmt: skip

DIMENSIONS = ("valence", "arousal", "dominance")

#: Position of each label in :data:`DIMENSIONS`, from -1 to 1: mean ratings of the words angry, relaxed, disgusted,
#: fearful, happy, sad and surprised (Russell & Mehrabian, Evidence for a three-factor theory of emotions, 1977).
#: Neutral is the origin.
PLACES: dict[str, tuple[float, float, float]] = {
    "angry": (-0.51, 0.59, 0.25),
    "calm": (0.68, -0.46, 0.20),
    "disgust": (-0.60, 0.35, 0.11),
    "fear": (-0.64, 0.60, -0.43),
    "happy": (0.81, 0.51, 0.46),
    "neutral": (0.0, 0.0, 0.0),
    "sad": (-0.63, -0.27, -0.33),
    "surprise": (0.40, 0.67, -0.13),
}

Labels = str | Sequence[str] | Mapping[str, Sequence[str]]

#: The ends of a dimension, as the labels of :func:`corners` name them.
ENDS = {"low": -1.0, "high": 1.0}


def corners(names: Sequence[str]) -> tuple[str, ...]:
    """The labels of a model that predicts dimensions: the corners of their line, square or cube.

    Probabilities of corners encode a position: it is the mean of the corners, weighted by their probabilities.

    Examples
    --------
    >>> corners(("arousal",))
    ('low arousal', 'high arousal')
    >>> corners(("valence", "arousal"))[1]
    'low valence and high arousal'
    """
    return tuple(
        " and ".join(f"{end} {name}" for end, name in zip(ends, names, strict=True))
        for ends in product(ENDS, repeat=len(names))
    )


def corner_of(label: str) -> dict[str, float]:
    """Position of a corner, by dimension; empty if the label is not a corner.

    Examples
    --------
    >>> corner_of("low valence and high arousal"), corner_of("high"), corner_of("happy")
    ({'valence': -1.0, 'arousal': 1.0}, {}, {})
    """
    found = {}
    for part in label.split(" and "):
        end, _, name = part.partition(" ")
        if end not in ENDS or name not in DIMENSIONS:
            return {}
        found[name] = ENDS[end]
    return found


def learned_dimensions(labels: Sequence[str]) -> tuple[str, ...]:
    """The dimensions of a model that predicts dimensions, from its labels; none for a model of emotions.

    Examples
    --------
    >>> learned_dimensions(("low arousal", "high arousal")), learned_dimensions(("happy", "sad"))
    (('arousal',), ())
    """
    names = {tuple(corner_of(label)) for label in labels}
    return names.pop() if len(names) == 1 else ()


def dimensions(scores: Mapping[str, float]) -> dict[str, float]:
    """Valence, arousal and dominance: the mean of the label positions, weighted by probability.

    For emotion labels they are derived from the scores alone: somebody very angry and
    somebody a little angry, both recognised with certainty, get the same values. For the
    :func:`corners` of a model that predicts dimensions they are the predicted values.

    Parameters
    ----------
    scores : mapping of str to float
        Label to probability.

    Returns
    -------
    dict of str to float
        Each of ``DIMENSIONS``, or those the model predicts, -1 to 1. Empty if a label is neither in ``PLACES`` nor
        a corner, or if there are no scores.

    References
    ----------
    Russell, A circumplex model of affect, 1980.

    Examples
    --------
    >>> dimensions({"angry": 0.5, "sad": 0.5})
    {'valence': -0.57, 'arousal': 0.16, 'dominance': -0.04}
    >>> dimensions({"negative": 0.5, "positive": 0.5})
    {}
    >>> dimensions({"low arousal": 0.25, "high arousal": 0.75})
    {'arousal': 0.5}
    """
    if learned := learned_dimensions(tuple(scores)):
        return {name: round(sum(p * corner_of(label)[name] for label, p in scores.items()), 6) for name in learned}
    if not scores or any(label not in PLACES for label in scores):
        return {}
    return {
        name: round(sum(p * PLACES[label][i] for label, p in scores.items()), 6) for i, name in enumerate(DIMENSIONS)
    }


@dataclass(frozen=True)
class LabelMap:
    """A map from a model's labels to the requested ones.

    Each target gets the summed probability of its sources. Labels without a
    target are ``lost``, and the rest is rescaled to sum to 1.

    Examples
    --------
    >>> LabelMap({"up": ("happy",), "down": ("sad",)}).apply({"happy": 0.375, "sad": 0.125, "calm": 0.5})
    {'up': 0.75, 'down': 0.25}
    """

    sources: Mapping[str, tuple[str, ...]]
    lost: tuple[str, ...] = ()

    def apply(self, scores: Mapping[str, float]) -> dict[str, float]:
        """Map scores {label: p} to the target labels; the result sums to 1."""
        mapped = {target: sum(scores.get(s, 0.0) for s in sources) for target, sources in self.sources.items()}
        total = sum(mapped.values())
        if total <= 0:
            return {target: 1 / len(mapped) for target in mapped}
        return {target: p / total for target, p in mapped.items()}


def label_map(labels: Labels | None, available: Sequence[str]) -> LabelMap:
    """Turn what a user asks for into a map from the model's labels.

    A model whose own labels are a set of ``COMMON`` answers in affekt's words,
    unless ``labels`` is the name of that set (``"goemotions"``) or contains
    labels of it that are not among these words: then it uses its own.

    Parameters
    ----------
    labels : str, sequence of str or mapping, optional
        A set's name (``"four"``), labels to keep (``["angry", "sad"]`` or
        ``"angry,sad"``), or what to merge (``{"negative": ["angry", "sad"]}``). By default all.
    available : sequence of str
        The model's labels.

    Returns
    -------
    LabelMap
        Its ``lost`` names the model's labels that belong to no target.

    Raises
    ------
    UnknownName
        If a label is neither the model's nor a set's name.
    InputError
        If fewer than two targets remain, or a source is used twice.

    Warns
    -----
    LossWarning
        If any label is lost: its probability is spread over the rest.

    Examples
    --------
    >>> label_map({"up": ["happy"], "down": ["sad"]}, ["happy", "sad"]).lost
    ()
    """
    common = _common(available)
    words = list(common) or list(available)
    if labels is None:
        return LabelMap(common or {label: (label,) for label in available})
    if common and _asks_for_own(labels, common):
        common, words = {}, list(available)
    sources = _sources(labels, words)
    for target, group in sources.items():
        if not target or not group:
            raise InputError(f"the group {target!r} is {list(group)}; give each group a name and at least one label.")
    used = [source for group in sources.values() for source in group]
    for source in used:
        if source not in words:
            raise UnknownName("label", source, [*words, *LABEL_SETS])
    if len(set(used)) < len(used):
        raise InputError(f"a label stands in two groups: {labels}. Name each label once.")
    if len(sources) < 2:
        raise InputError(f"at least two labels are needed to choose between; got {list(sources)}.")
    lost = tuple(label for label in words if label not in used)
    if lost:
        warnings.warn(
            loss_of(lost, sources),
            LossWarning,
            stacklevel=3,
        )
    if common:
        sources = {target: tuple(own for word in group for own in common[word]) for target, group in sources.items()}
    return LabelMap(sources, lost)


def _common(available: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Affekt's words for labels that form a set of ``COMMON``; empty for any others."""
    for groups in COMMON.values():
        if {own for group in groups.values() for own in group} == set(available):
            return groups
    return {}


def _asks_for_own(labels: Labels, common: Mapping[str, Sequence[str]]) -> bool:
    """Whether the model's own labels are requested: by their set's name, or by one of them that is no affekt word."""
    if isinstance(labels, str):
        if labels in COMMON:
            return True
        labels = [label.strip() for label in labels.split(",")]
    groups = labels.values() if isinstance(labels, Mapping) else [labels]
    given = [name for group in groups for name in ([group] if isinstance(group, str) else group)]
    own = {name for group in common.values() for name in group}
    return any(name in own and name not in common for name in given)


def loss_of(lost: Sequence[str], kept: Iterable[str]) -> str:
    """What a lossy map loses, in words."""
    return (
        f"left out: {', '.join(lost)}; their probability is shared among {', '.join(kept)}, so confidence is too high."
    )


def _sources(labels: Labels, available: Sequence[str]) -> dict[str, tuple[str, ...]]:
    if isinstance(labels, (set, frozenset)) or not isinstance(labels, (str, Mapping, Sequence)):
        raise InputError(f"labels are {labels!r}; give a set's name, a list of labels, or groups {{name: [labels]}}.")
    if isinstance(labels, Mapping):
        return {target: (group,) if isinstance(group, str) else tuple(group) for target, group in labels.items()}
    if isinstance(labels, str):
        if labels in COMMON and set(available) == {own for group in COMMON[labels].values() for own in group}:
            return {label: (label,) for label in available}
        if labels in LABEL_SETS:
            groups = {t: tuple(s for s in group if s in available) for t, group in LABEL_SETS[labels].items()}
            return {target: group for target, group in groups.items() if group}
        labels = [label.strip() for label in labels.split(",") if label.strip()]
    if len(set(labels)) < len(labels):
        raise InputError(f"a label comes twice: {', '.join(labels)}. Name each label once.")
    if len(labels) > 1 and (names := [label for label in labels if label in LABEL_SETS and label not in available]):
        raise InputError(f"{names[0]!r} is a set of labels: use it alone.")
    return {label: (label,) for label in labels}


def parse_labels(text: str | None) -> str | dict[str, list[str]] | None:
    """``bad=angry+sad,good=happy`` to groups; anything else stays as it is."""
    if text is None or "=" not in text:
        return text
    groups: dict[str, list[str]] = {}
    for part in text.split(","):
        name, _, members = (piece.strip() for piece in part.partition("="))
        if not name or not members or name in groups:
            raise InputError(f"--labels {part}: give groups as NAME=LABEL+LABEL, each name once.")
        groups[name] = [label.strip() for label in members.split("+")]
    return groups
