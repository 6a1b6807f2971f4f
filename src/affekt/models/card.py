"""The model card embedded in a model file: what the model is, its training data, and its scores."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from affekt.errors import InputError, ModelError

#: Key in the ONNX metadata.
KEY = "affekt.card"
SCHEMA = 2
#: Prefix of a limit that states the stamps of the scores.
STAMPED = "Its scores are stamped"
_COVERAGE = re.compile(r"0\.\d\d")


@dataclass(frozen=True)
class Card:
    """What a model says about itself.

    Parameters
    ----------
    name : str
    modality : str
        Its input: ``speech``, ``face``, ``text`` or ``fusion``.
    labels : tuple of str
        In the order of the logits.
    task : str
        What it predicts: ``emotion``, ``activity`` (where somebody speaks), ``detection``, ``identity``.
    input : mapping
        The shape of its input, which the code of the modality reads and checks; for speech, the fields of
        :class:`affekt.speech.waveform.WaveformInput`.
    temperature : float
        What the logits are divided by before the softmax; fitted on dev speakers.
    data : mapping
        Corpus name to its licence, clips and speakers used for training; some also have the names, ``learned_from``.
    split : str
        SHA-256 of the list of training, dev and test samples.
    scores : mapping
        Corpus name to ``{metric: [value, low, high, n]}`` on its test speakers.
    licence : str
        Of the weights.
    limits : tuple of str
        What it must not be used for, and where it fails.
    baseline : int
        Size of an embedding, for a model that accepts a speaker baseline;
        0 for one that does not.
    threshold : float
        Confidence below which the model is not sure, 0 to 1; 0 always answers.
    promise : mapping
        How the threshold was chosen: the ``precision`` asked for, the ``error``
        (probability that it does not hold), the measured ``seen`` and ``coverage`` as
        ``[value, low, high, n]``, ``speakers``, ``corpora`` and the ``method``, all of dev speakers.
    conformal : mapping
        Label sets: ``quantiles``, from a coverage as text (``"0.90"``) to the least
        probability of a label in the set, the ``clips`` and ``speakers`` they come from, ``method``.
    """

    name: str
    modality: str
    labels: tuple[str, ...]
    task: str = "emotion"
    input: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    data: Mapping[str, Any] = field(default_factory=dict)
    split: str = ""
    scores: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    limits: tuple[str, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    baseline: int = 0
    threshold: float = 0.0
    promise: Mapping[str, Any] = field(default_factory=dict)
    conformal: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        for problem, is_so in _problems(self).items():
            if is_so:
                raise ModelError(f"the model's card is wrong: {problem}.")

    def record(self) -> dict[str, Any]:
        """The card as plain dicts, lists, texts and numbers."""
        return asdict(self)

    def to_json(self) -> str:
        """The card as JSON text."""
        return json.dumps(self.record(), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Card:
        """Read a card back.

        Raises
        ------
        ModelError
            If the text is not a card.
        """
        try:
            table = json.loads(text)
            known = {f.name for f in fields(cls)}
            if table.get("schema") == 1:
                table = _from_schema_1(table)
            # What a poor signal cost, learned from dev speakers: it never gained anything, and is not applied any more.
            if (table.get("gate") or {}).get("curves"):
                raise ValueError("it has a gate with curves, which this affekt does not apply")
            table = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items() if key in known}
            return cls(**table)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError(f"the model's card cannot be read ({error}).") from None


def _from_schema_1(table: dict[str, Any]) -> dict[str, Any]:
    """A card of the first schema, which said modality, task and input in one word, in today's terms."""
    kind = table.get("modality")
    if kind not in ("speech", "activity", "features"):
        raise ValueError(f"modality {kind!r}; cards of schema 1 have 'speech', 'activity' or 'features'")
    window = {key: table[key] for key in ("sampling_rate", "frame", "window", "hop", "context") if key in table}
    return {
        **table,
        "schema": 2,
        "modality": "speech",
        "task": "activity" if kind == "activity" else "emotion",
        "input": {**window, **({"features": table.get("input")} if kind == "features" else {})},
        "baseline": table.get("normal", 0),
    }


def _problems(card: Card) -> dict[str, bool]:
    """Possible problems of a card written by somebody else, each with whether it applies."""
    texts = [card.name, card.modality, card.task, card.licence, card.split, *card.limits, *card.data, *card.scores]
    if not _are_texts(card.labels) or not _are_texts(texts):
        return {"its names, labels and limits must be printable text, labels and limits in lists": True}
    if type(card.baseline) is not int or type(card.temperature) not in (int, float):
        return {"baseline must be a whole number, and its temperature a number": True}
    told = {"clips", "speakers", "licence"}
    lacking = ", ".join(
        name for name, entry in card.data.items() if not (isinstance(entry, Mapping) and told <= set(entry))
    )[:200]
    wrong = "" if lacking else ", ".join(n for n, entry in card.data.items() if not _is_data_entry(entry))[:200]
    return {
        "a number is infinite or NaN, or a text has control characters": not all(
            _is_plain(value) for key, value in vars(card).items() if key != "recipe"
        )
        or not _is_plain(card.recipe, texts=False),
        "labels must be two or more different names": len(set(card.labels)) < max(2, len(card.labels)),
        f"schema {card.schema} is not {SCHEMA}; upgrade affekt": card.schema != SCHEMA,
        f"temperature {card.temperature} is not between 0.01 and 100": not 0.01 <= card.temperature <= 100,
        f"baseline {card.baseline} is not between 0 and 65536": not 0 <= card.baseline <= 65_536,
        "input must be a table of what the model takes": not isinstance(card.input, Mapping),
        f"data must give clips, speakers and licence of each corpus, and {lacking} does not": bool(lacking),
        "clips and speakers of data must be whole numbers, and learned_from as many names as there are speakers; those "
        f"of {wrong} are not": bool(wrong),
        "scores must give [value, low, high, n] of each metric of each corpus": not all(
            isinstance(entry, Mapping) and entry and all(_is_score(score) for score in entry.values())
            for entry in card.scores.values()
        ),
        **_selective_problems(card),
    }


def _is_data_entry(entry: Mapping[str, Any]) -> bool:
    who = entry.get("learned_from", [])
    counts = (entry["clips"], entry["speakers"])
    return all(type(n) is int and n >= 0 for n in counts) and _are_texts(who) and len(who) in (0, entry["speakers"])


def _selective_problems(card: Card) -> dict[str, bool]:
    return {
        f"threshold {card.threshold} is not between 0 and 1": type(card.threshold) not in (int, float)
        or not 0 <= card.threshold <= 1,
        "promise must give precision, seen, coverage and speakers": bool(card.promise)
        and not (
            isinstance(card.promise, Mapping)
            and _are_numbers([card.promise.get(key) for key in ("precision", "speakers")])
            and all(_is_score(card.promise.get(key)) for key in ("seen", "coverage"))
        ),
        "conformal must give clips, speakers and quantiles between 0 and 1": bool(card.conformal)
        and not (
            isinstance(card.conformal, Mapping)
            and _are_numbers([card.conformal.get(key) for key in ("clips", "speakers")])
            and _are_quantiles(card.conformal.get("quantiles"))
        ),
    }


def _is_plain(value: object, *, texts: bool = True) -> bool:
    """Whether all numbers in a tree of tables and lists are finite, and all texts can be printed."""
    if isinstance(value, Mapping):
        return all(_is_plain(item, texts=texts) for pair in value.items() for item in pair)
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item, texts=texts) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return not texts or not isinstance(value, str) or not value or value.isprintable()


def _are_numbers(values: Iterable[object]) -> bool:
    return all(type(value) in (int, float) for value in values)


def _are_quantiles(table: object) -> bool:
    if not isinstance(table, Mapping) or not table or not _are_numbers(table.values()):
        return False
    return all(_COVERAGE.fullmatch(str(key)) and 0 <= value <= 1 for key, value in table.items())


def _are_texts(values: object) -> bool:
    if not isinstance(values, (tuple, list)):
        return False
    return all(isinstance(text, str) and (text.isprintable() or not text) for text in values)


def _is_score(score: object) -> bool:
    return isinstance(score, (list, tuple)) and len(score) == 4 and all(type(x) in (int, float) for x in score)


def label_set(scores: Mapping[str, float], least: float) -> tuple[str, ...]:
    """Labels of at least a given probability, the most probable first; the best guess is always included.

    Parameters
    ----------
    scores : mapping {label: p}
    least : float
        From :func:`conformal_quantiles`.

    Examples
    --------
    >>> label_set({"angry": 0.5, "happy": 0.1, "sad": 0.4}, 0.3)
    ('angry', 'sad')
    >>> label_set({"angry": 0.5, "happy": 0.1, "sad": 0.4}, 0.7)
    ('angry',)
    """
    ranked = sorted(scores, key=lambda label: -scores[label])
    return tuple(label for i, label in enumerate(ranked) if i == 0 or scores[label] >= least)


def least_probability(card: Card, coverage: float) -> float:
    """The minimum probability for a label to be in a set that contains the true label at the given coverage.

    Raises
    ------
    InputError
        If the model was not calibrated for it, or the coverage is out of range.
    """
    quantiles = card.conformal.get("quantiles", {})
    if not quantiles:
        raise InputError(
            f"the model {card.name} was not calibrated for label sets; run `affekt calibrate` on it first."
        )
    if not float(min(quantiles)) - 0.01 < coverage <= float(max(quantiles)):
        raise InputError(f"coverage is {coverage}; allowed: {min(quantiles)} to {max(quantiles)}.")
    # 0.9 * 100 may be a little above 90 in binary.
    wanted = f"{math.ceil(100 * coverage - 1e-9) / 100:.2f}"
    return float(quantiles[min(key for key in quantiles if key >= wanted)])
