"""The card that travels inside a model file: what it is, what it was made of, what it is worth."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from affekt.errors import InputError, ModelError

#: Key in the ONNX metadata.
KEY = "affekt.card"
SCHEMA = 2
#: How a limit begins that says what the scores are stamped with.
STAMPED = "Its scores are stamped"
KNOWS_SPEAKERS = (
    "It can be told how a speaker usually sounds: from a voice reference (`--reference`), from their other recordings "
    "(`--speaker-from`) or from what came before (`--one-speaker`). The scores above are without."
)
#: What a gate looks at, in words.
_GATED = {
    "snr": "noise and echo",
    "clipped": "clipping",
    "bandwidth": "narrow band",
    "share": "many pauses",
    "seconds": "short speech",
}
_COVERAGE = re.compile(r"0\.\d\d")


@dataclass(frozen=True)
class Card:
    """What a model says about itself.

    Parameters
    ----------
    name : str
    modality : str
        ``speech``, ``activity`` or ``features``.
    labels : tuple of str
        In the order of the logits.
    sampling_rate : int
        Hertz of the waveform it takes.
    frame : int
        Samples between two frames of the encoder (or of the output, for ``activity``).
    window, hop : int
        Samples that a window's logits cover, and between two windows.
    context : int
        Samples on either side of a window that can change its logits.
    temperature : float
        What the logits are divided by before the softmax; fitted on dev speakers.
    data : mapping
        Corpus name to its licence, clips and speakers used for training.
    split : str
        SHA-256 of the list of training, dev and test samples.
    scores : mapping
        Corpus name to ``{metric: [value, low, high, n]}`` on its test speakers.
    licence : str
        Of the weights.
    limits : tuple of str
        What it must not be used for, and where it fails.
    input : mapping
        Of a ``features`` model: how its features are computed from sound, the
        fields of ``affekt.speech.inputs.Inputs``.
    baseline : int
        Values of an embedding, for a model that can be told how the speaker
        usually sounds; 0 for one that cannot.
    threshold : float
        Confidence below which it says that it is not sure, 0 to 1; 0 always answers.
    promise : mapping
        How the threshold was chosen: the ``precision`` asked for, the ``error``
        (probability that it does not hold), ``seen`` and ``coverage`` as
        ``[value, low, high, n]``, ``speakers``, ``corpora`` and the ``method``, all of dev speakers.
    conformal : mapping
        Label sets: ``quantiles``, from a coverage as text (``"0.90"``) to the least
        probability of a label in the set, the ``clips`` and ``speakers`` they come from, ``method``.
    gate : mapping
        What a poor signal costs: ``curves``, from a measure to ``[bad, good, floor]`` as
        :class:`affekt.timeline.gate.Gate` has them, the ``clips``, ``speakers`` and ``conditions`` they were
        learned from, and the log ``loss`` of those clips without and with it. Empty: nothing.
    """

    name: str
    modality: str
    labels: tuple[str, ...]
    sampling_rate: int = 16_000
    frame: int = 640
    window: int = 48_000
    hop: int = 6_400
    context: int = 0
    temperature: float = 1.0
    data: Mapping[str, Any] = field(default_factory=dict)
    split: str = ""
    scores: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    limits: tuple[str, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    input: Mapping[str, Any] = field(default_factory=dict)
    baseline: int = 0
    threshold: float = 0.0
    promise: Mapping[str, Any] = field(default_factory=dict)
    conformal: Mapping[str, Any] = field(default_factory=dict)
    gate: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        for problem, is_so in _problems(self).items():
            if is_so:
                raise ModelError(f"the model's card is wrong: {problem}.")

    def to_json(self) -> str:
        """The card as JSON text."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)

    def to_markdown(self) -> str:
        """The card as a page: what the model is, what it learned from, what it is worth."""
        rate, count = self.sampling_rate, len(self.labels)
        lines = [
            f"# {self.name}",
            "",
            f"{count} labels: {', '.join(self.labels)}. Takes mono sound at {rate} Hz; a window is "
            f"{self.window / rate:g} s, a new one starts every {self.hop / rate:g} s.",
            "",
            f"Licence of the weights: {self.licence}.",
            "",
            *_table(("learned from", "clips", "speakers", "licence"), _data_rows(self.data)),
            "",
        ]
        if self.scores:
            names = list(dict.fromkeys(name for entry in self.scores.values() for name in entry))
            rows = [
                (corpus, _clips(entry), *(_score(entry.get(name)) for name in names))
                for corpus, entry in self.scores.items()
            ]
            stamped = any(limit.startswith(STAMPED) for limit in self.limits)
            lines += [
                "Stamped scores (see the limits): not what it is worth for new voices. 95 % intervals over speakers"
                if stamped
                else "On speakers that nothing was fitted or chosen on, with 95 % intervals over speakers"
            ]
            lines += ["(over clips where there are fewer than three):", ""]
            lines += [*_table(("tested on", "clips", *names), rows), ""]
        if self.modality == "speech":
            lines += [f"Temperature {self.temperature:.3f}, fitted on dev speakers.", ""]
        if self.baseline:
            lines += [KNOWS_SPEAKERS, ""]
        lines += [text for sentence in self.selective_sentences() for text in (sentence, "")]
        if self.limits:
            lines += ["Limits", "", *(f"- {limit}" for limit in self.limits)]
        return "\n".join(lines) + "\n"

    def selective_sentences(self) -> list[str]:
        """When it says that it is not sure, and what was promised about it; none if it always answers.

        Examples
        --------
        >>> Card("m", "speech", ("a", "b"), threshold=0.7).selective_sentences()
        ['Not sure below a confidence of 0.70.']
        """
        found = [f"Not sure below a confidence of {self.threshold:.2f}."] if self.threshold else []
        if self.threshold and self.promise:
            wanted, seen, coverage = (self.promise[key] for key in ("precision", "seen", "coverage"))
            found[0] += (
                f" Chosen for {wanted:.0%} right answers; on {self.promise['speakers']} dev speakers "
                f"{_score(seen)} of the answers were right, and {_score(coverage)} of the clips got one."
            )
        if self.conformal:
            found.append(
                f"Label sets from {self.conformal['clips']} clips of {self.conformal['speakers']} dev speakers; their "
                "coverage is promised for clips like those only."
            )
        if self.gate:
            names = ", ".join(_GATED.get(name, name) for name in self.gate["curves"])
            found.append(
                f"Less sure of a poor signal, as dev speakers taught: {names}."
                if names
                else "A poor signal is named but takes nothing off: on dev speakers the scores told it already."
            )
        return found

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
                table |= {"baseline": table.pop("normal", 0), "schema": SCHEMA}
            table = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items() if key in known}
            return cls(**table)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError(f"the model's card cannot be read ({error}).") from None


def _problems(card: Card) -> dict[str, bool]:
    """What could be wrong with a card that somebody else wrote, and whether it is."""
    texts = [card.name, card.modality, card.licence, card.split, *card.limits, *card.data, *card.scores]
    if not _are_texts(card.labels) or not _are_texts(texts):
        return {"its names, labels and limits must be printable text, labels and limits in lists": True}
    numbers = (card.sampling_rate, card.frame, card.window, card.hop, card.context, card.baseline)
    if any(type(number) is not int for number in numbers) or type(card.temperature) not in (int, float):
        return {"its sizes must be whole numbers, and its temperature a number": True}
    return {
        "labels must be two or more different names": len(set(card.labels)) < max(2, len(card.labels)),
        f"schema {card.schema} is not {SCHEMA}; upgrade affekt": card.schema != SCHEMA,
        f"sampling_rate {card.sampling_rate} is not 16000": card.sampling_rate != 16_000,
        f"temperature {card.temperature} is not between 0.01 and 100": not 0.01 <= card.temperature <= 100,
        "frame, hop and window must be positive, with frame <= hop <= window <= 60 s": not (
            0 < card.frame <= card.hop <= card.window <= 960_000
        ),
        "hop and window must be whole frames": bool(card.hop % max(1, card.frame) or card.window % max(1, card.frame)),
        "baseline must be between 0 and 65536, and of a speech model": not 0 <= card.baseline <= 65_536
        or bool(card.baseline and card.modality != "speech"),
        "context must be between 0 and 60 s": not 0 <= card.context <= 960_000,
        "input must say how the features are computed": not isinstance(card.input, Mapping)
        or (card.modality == "features") != bool(card.input),
        "data must give clips, speakers and licence of each corpus": not all(
            isinstance(entry, Mapping) and {"clips", "speakers", "licence"} <= set(entry)
            for entry in card.data.values()
        ),
        "scores must give [value, low, high, n] of each metric of each corpus": not all(
            isinstance(entry, Mapping) and entry and all(_is_score(score) for score in entry.values())
            for entry in card.scores.values()
        ),
        **_selective_problems(card),
    }


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
        "gate must give curves of [bad, good, floor]": bool(card.gate)
        and not (isinstance(card.gate, Mapping) and _are_curves(card.gate.get("curves"))),
    }


def _are_numbers(values: Iterable[object]) -> bool:
    return all(type(value) in (int, float) for value in values)


def _are_quantiles(table: object) -> bool:
    if not isinstance(table, Mapping) or not table or not _are_numbers(table.values()):
        return False
    return all(_COVERAGE.fullmatch(str(key)) and 0 <= value <= 1 for key, value in table.items())


def _are_curves(table: object) -> bool:
    if not isinstance(table, Mapping) or not _are_texts(list(table)):
        return False
    return all(isinstance(c, (list, tuple)) and len(c) == 3 and _are_numbers(c) for c in table.values())


def _are_texts(values: object) -> bool:
    if not isinstance(values, (tuple, list)):
        return False
    return all(isinstance(text, str) and (text.isprintable() or not text) for text in values)


def _is_score(score: object) -> bool:
    return isinstance(score, (list, tuple)) and len(score) == 4 and all(type(x) in (int, float) for x in score)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]


def _data_rows(data: Mapping[str, Any]) -> list[tuple[object, ...]]:
    return [(corpus, entry["clips"], entry["speakers"], entry["licence"]) for corpus, entry in data.items()]


def _score(value: Sequence[float] | None) -> str:
    return f"{value[0]:.2f} [{value[1]:.2f}, {value[2]:.2f}]" if value else "-"


def _clips(entry: Mapping[str, Sequence[float]]) -> int:
    return int(next(iter(entry.values()))[3])


def label_set(scores: Mapping[str, float], least: float) -> tuple[str, ...]:
    """Labels with at least a probability, the most probable first; the best guess is always among them.

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
    """The least probability of a label in a set that holds the true one so often; coverage as for ``label_set``.

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
