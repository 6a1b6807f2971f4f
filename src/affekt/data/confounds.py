"""Confounds: what gives the label away without the emotion, and labels that are something else.

Everything rests on one number: how well one thing can be guessed from another, by
always naming what occurred with it most often in the training clips. The skill of
the guess is 0 at chance and 1 when every guess is right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from affekt.data.findings import Evidence, Finding
from affekt.data.splits import Split
from affekt.labels import VOICE
from affekt.types import Sample

# What has nothing to do with the voice should give nothing away; a quarter of the way from chance to certainty
# is more than the unequal classes of sound corpora cause.
TELLS = 0.25
# What emotion itself changes (sad speech is slow, angry speech loud) must tell more to be suspicious.
TELLS_BY_NATURE = 0.6
# Everything apart from a few mistyped labels.
IS = 0.95
# A corpus and a format take two or three values, so what halves the classes tells little: let it be nothing.
TELLS_BY_FEW_VALUES = 0.1
# The guess must be so many standard errors above chance. An audit looks at some twenty fields in two directions:
# at 5, about one in 100,000 audits of random data raises a false alarm.
SURE = 5.0

#: Traits and keys of ``meta`` that emotion changes.
NATURAL = frozenset({"duration", "level", "loudness", "pitch", "rate"})
#: Keys of ``meta`` that describe the emotion: they are expected to go with the label.
ANNOTATIONS = frozenset(
    [
        *("activation", "agreement", "arousal", "code", "dominance", "emotion", "intensity", "label", "majority"),
        *("valence", "votes"),
    ]
)
#: Keys of ``meta`` that are about the recording: these are never another name for the emotion.
ABOUT_THE_RECORDING = frozenset(
    ["date", "day", "device", "dialogue", "duration", "microphone", "recording", "room", "session", "source", "take"]
)
#: How words and codes for emotions begin, in names such as ``ANG`` and ``happiness``.
EMOTION_WORDS = (
    *VOICE,
    *("ang", "anx", "bor", "con", "dis", "exc", "fea", "fru", "hap", "joy", "neu", "sad", "sur", "cal", "amu"),
)

# Numbers with more values than this are sorted into as many bins, by the training clips.
_BINS = 10

# Fields of a sample, from the coarse to the fine. A sentence or a speaker means something within its corpus only.
FIELDS: dict[str, Callable[[Sample], Any]] = {
    "corpus": lambda sample: sample.corpus,
    "sex": lambda sample: sample.sex,
    "speaker": lambda sample: sample.speaker and (sample.corpus, sample.speaker),
    "sentence": lambda sample: sample.sentence and (sample.corpus, sample.sentence),
    "file format": lambda sample: PurePath(sample.path.partition("#")[0]).suffix.lower() or None,
}


#: Skill from which a field gives the label away, where that is not TELLS.
LEAST_SKILL = {
    **dict.fromkeys(NATURAL, TELLS_BY_NATURE),
    **dict.fromkeys(("corpus", "file format", "sampling rate", "coding", "channels", "size"), TELLS_BY_FEW_VALUES),
}


@dataclass(frozen=True)
class Guess:
    """How well one thing is guessed from another: the mean recall over the values guessed, and the chance level."""

    recall: float
    chance: float
    error: float
    right: float
    n: int

    @property
    def skill(self) -> float:
        """0 at chance (or when not clearly above it), 1 when always right."""
        if self.n == 0 or self.chance == 1 or self.recall - self.chance <= SURE * self.error:
            return 0.0
        return (self.recall - self.chance) / (1 - self.chance)


def guess(clue: Sequence[Any], truth: Sequence[Any], *, known: Sequence[bool]) -> Guess:
    """Guess the truth of some clips from a clue, given clue and truth of the others.

    Parameters
    ----------
    clue, truth : sequence, shape (n,)
        Anything hashable; where the clue is None, or was never
        seen, the guess is random.
    known : sequence of bool, shape (n,)
        The clips to learn from; the others are guessed. If all or none are
        known, each is guessed from all others.

    Returns
    -------
    Guess

    Examples
    --------
    >>> guess(["a", "b"] * 40, ["x", "y"] * 40, known=[True] * 40 + [False] * 40).recall
    1.0
    >>> guess(range(80), ["x", "y"] * 40, known=[True] * 40 + [False] * 40).skill
    0.0
    """
    groups, classes = _codes(clue), _codes(truth)
    k = int(classes.max(initial=-1)) + 1
    asked = ~np.asarray(known, bool)
    alone = asked.all() or not asked.any()
    seen = np.zeros((int(groups.max(initial=0)) + 1, k))
    learned = np.ones(len(groups), bool) if alone else ~asked
    np.add.at(seen, (groups[learned & (groups >= 0)], classes[learned & (groups >= 0)]), 1)
    which = np.flatnonzero(learned if alone else asked)
    counts = np.where(groups[which, None] >= 0, seen[groups[which]], 0.0)
    if alone:
        counts[np.arange(len(which)), classes[which]] -= groups[which] >= 0
    # Rare classes count as much as frequent ones, as they do in the recall.
    weights = counts / np.maximum(np.bincount(classes[learned], minlength=k), 1)
    top = weights >= weights.max(axis=1, keepdims=True, initial=0) - 1e-12
    right = top[np.arange(len(which)), classes[which]] / np.maximum(top.sum(axis=1), 1)
    return _scored(right, classes[which])


def _scored(right: np.ndarray, classes: np.ndarray) -> Guess:
    sizes = np.bincount(classes) if len(classes) else np.zeros(0)
    there = sizes > 0
    k = int(there.sum())
    if k == 0:
        return Guess(0.0, 1.0, 0.0, 0.0, 0)
    recalls = np.bincount(classes, weights=right)[there] / sizes[there]
    # The variance of one right or wrong guess is 1/4 at most, whatever the chance.
    error = float(np.sqrt((0.25 / sizes[there]).sum()) / k)
    return Guess(float(recalls.mean()), 1 / k, error, float(right.mean()), len(right))


def _codes(values: Sequence[Any]) -> np.ndarray:
    numbers: dict[Any, int] = {}
    return np.array([-1 if value is None else numbers.setdefault(value, len(numbers)) for value in values], int)


@dataclass(frozen=True)
class _Table:
    """All labelled clips of a split, with the value of each field."""

    samples: tuple[Sample, ...]
    labels: tuple[str, ...]
    known: tuple[bool, ...]
    fields: dict[str, list[Any]]

    def tells(self, field: str) -> Guess:
        """How well the label of test clips is guessed from a field."""
        return guess(self.fields[field], self.labels, known=self.known)

    def guessed_from_label(self, field: str) -> Guess:
        """How well a field is guessed from the label, each clip from all others."""
        some = [i for i, value in enumerate(self.fields[field]) if value is not None]
        return guess([self.labels[i] for i in some], [self.fields[field][i] for i in some], known=[True] * len(some))

    def is_label(self, field: str) -> bool:
        """Whether a field and the label are one thing under two names."""
        return self.tells_within(field).skill >= IS <= self.guessed_from_label(field).skill

    def tells_within(self, field: str) -> Guess:
        """How well the label is guessed from a field, each clip from all others, whatever its side."""
        return guess(self.fields[field], self.labels, known=[True] * len(self.labels))


def _table(split: Split, evidence: Evidence) -> _Table:
    asked = split.test or split.dev
    rows = [(s, True) for s in split.train if s.label is not None] + [(s, False) for s in asked if s.label is not None]
    samples = tuple(sample for sample, _ in rows)
    known = tuple(side for _, side in rows)
    fields = {name: [of(sample) for sample in samples] for name, of in FIELDS.items()}
    for key in dict.fromkeys(key for sample in samples for key in sample.meta):
        fields.setdefault(str(key), _binned([_plain(sample.meta.get(key)) for sample in samples], known))
    for key in dict.fromkeys(key for traits in evidence.traits.values() for key in traits):
        fields[key] = _binned([evidence.traits.get(sample.id, {}).get(key) for sample in samples], known)
    return _Table(samples, tuple(str(sample.label) for sample in samples), known, fields)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float, bool)) else repr(value)


def _binned(values: Sequence[Any], known: Sequence[bool]) -> list[Any]:
    numbers = {value for value in values if isinstance(value, (int, float)) and np.isfinite(value)}
    if len(numbers) <= _BINS or len(numbers) < len({value for value in values if value is not None}):
        return list(values)
    learned = [v for v, seen in zip(values, known, strict=True) if seen and v is not None] or list(numbers)
    edges = np.quantile(learned, np.linspace(0, 1, _BINS + 1)[1:-1])
    return [None if value is None else int(np.searchsorted(edges, value)) for value in values]


def _mostly_emotions(words: Iterable[Any]) -> bool:
    different = {str(word) for word in words}
    named = [word for word in different if any(p.startswith(EMOTION_WORDS) for p in re.split("[-_]", word.lower()))]
    return 2 * len(named) > len(different)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _some(values: Iterable[Any]) -> str:
    names = [str(v[-1] if isinstance(v, tuple) else v) for v in dict.fromkeys(values) if v is not None]
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _usual(table: _Table, field: str) -> dict[str, Any]:
    """For each label, the value of a field that goes with it most often."""
    pairs = Counter(zip(table.labels, table.fields[field], strict=True)).most_common()
    usual = {label: value for (label, value), _ in reversed(pairs) if value is not None}
    return {label: usual[label] for label in dict.fromkeys(table.labels) if label in usual}


def label_is_something_else(split: Split, evidence: Evidence) -> Iterator[Finding]:
    """Labels that match the sentence, the sex or the session one to one."""
    table = _table(split, evidence)
    emotions = _mostly_emotions(table.labels)
    # Labels that read like emotions may have another name among the keys of meta.
    field = next((f for f in table.fields if (f in FIELDS or not emotions) and table.is_label(f)), None)
    if field is not None:
        yield _not_emotion(table, field, "")
    else:
        yield from _label_is_in_the_name(table)


def _label_is_in_the_name(table: _Table) -> Iterator[Finding]:
    """Labels that are one field of the file names while another field reads like emotions."""
    names = [sample.id.rsplit("/", 1)[-1].replace("-", "_").split("_") for sample in table.samples]
    if not names or len({len(name) for name in names}) > 1 or _mostly_emotions(table.labels):
        return
    columns = {f"field {i + 1} of the file name": list(column) for i, column in enumerate(zip(*names, strict=True))}
    emotional = [name for name, column in columns.items() if len(set(column)) > 1 and _mostly_emotions(column)]
    for name, column in columns.items():
        named = _Table(table.samples, table.labels, table.known, {name: column})
        if emotional and name not in emotional and named.is_label(name):
            hint = f" {emotional[0].capitalize()} ({_some(columns[emotional[0]])}) reads like emotions."
            yield _not_emotion(named, name, hint)
            return


def _not_emotion(table: _Table, field: str, hint: str) -> Finding:
    labels = _usual(table, field)
    return Finding(
        "the label is something else",
        "severe",
        f"The {len(labels)} labels ({_some(labels)}) are the {field}, one for one, "
        f"in {_percent(table.tells_within(field).right)} of the clips.{hint}",
        tuple(f"{label} = {field} {_some([value])}" for label, value in list(labels.items())[:3]),
        f"everything: the score says how well the {field} is recognised, and nothing about emotion",
        "take the emotion for the label; check which part of the file name is what",
        f"{field}, not emotion",
    )


def label_names_more(split: Split, evidence: Evidence) -> Iterator[Finding]:
    """Classes such as female_angry: recognising the sex already gives half of the answer."""
    table = _table(split, evidence)
    for field in ("speaker", "sex", "sentence"):
        from_label = table.guessed_from_label(field)
        if from_label.skill >= IS and table.tells_within(field).skill < IS:
            labels = _usual(table, field)
            yield Finding(
                f"classes that name the {field}",
                "severe",
                f"Each of the {len(labels)} labels goes with one {field} "
                f"(in {_percent(from_label.right)} of the clips).",
                tuple(f"{label}: {field} {_some([value])}" for label, value in list(labels.items())[:3]),
                f"accuracy: recognising the {field}, which is easy, is counted as recognising emotion",
                f"take the emotion alone for the label, and report the scores for each {field} beside it",
                f"{field} and emotion, not emotion",
            )
            return


def label_given_away(split: Split, evidence: Evidence) -> Iterator[Finding]:
    """Fields from which the label of test clips can be guessed without sound."""
    table = _table(split, evidence)
    traits = {key for some in evidence.traits.values() for key in some}
    emotions, said = _mostly_emotions(table.labels), 0.0
    for field in table.fields:
        if field == "speaker" or (emotions and field.lower() in ANNOTATIONS):
            continue  # speakers have a check of their own
        found = table.tells(field)
        # A finer field must tell more than the coarser ones before it: a sentence also gives away its corpus.
        if found.skill < max(LEAST_SKILL.get(field.lower(), TELLS), said + 0.1 if said else 0):
            continue
        said = max(said, found.skill)
        if not table.is_label(field):
            yield _given_away(table, field, found)
        elif emotions and field not in FIELDS:
            about_sound = field in traits or field.lower() in ABOUT_THE_RECORDING
            yield _given_away(table, field, found) if about_sound else _another_name(table, field)


def _another_name(table: _Table, field: str) -> Finding:
    return Finding(
        "another name for the label",
        "note",
        f"The field {field} goes with the label one for one.",
        tuple(f"{label} = {field} {value}" for label, value in list(_usual(table, field).items())[:3]),
        "nothing, if it is another word for the emotion; every score, if it says how, when or where was recorded",
        f"see what {field} means; never give it to a model",
    )


def _given_away(table: _Table, field: str, found: Guess) -> Finding:
    pure = Counter(table.fields[field])
    both = Counter(zip(table.fields[field], table.labels, strict=True))
    single = [(v, lb) for (v, lb), n in both.most_common() if v is not None and n > 1 and n == pure[v]]
    severe = found.skill >= IS
    return Finding(
        f"the {field} gives the label away",
        "severe" if severe else "warning",
        f"Guessing from the {field} alone, without sound, names the label of test clips with a recall (UAR) of "
        f"{_percent(found.recall)}; chance is {_percent(found.chance)}."
        + (f" Of its {len(set(pure) - {None})} values, {len(single)} go with one label only." if single else ""),
        tuple(f"{field} {_some([value])}: always {label}" for value, label in single[:3]),
        f"every score: a model may recognise the {field} instead of the emotion",
        REMEDIES.get(field, f"make the {field} the same for all labels, or test only on clips where it tells nothing"),
        STAMPS.get(field, f"the {field} tells the label") if severe else "",
    )


REMEDIES = {
    "sentence": "test on sentences that are spoken in all emotions, or on sentences that training lacks",
    "corpus": "score each corpus by itself, over the classes that it has",
    "file format": "bring all files to one format and sampling rate before anything else",
    "size": "bring all pictures to one size before anything else",
    "sampling rate": "bring all files to one format and sampling rate before anything else",
    "silence before": "cut the silence at both ends in the same way for all clips",
    "silence after": "cut the silence at both ends in the same way for all clips",
}
STAMPS = {"sentence": "the words tell the label", "corpus": "the corpus tells the label"}


def speakers_of_one_label(split: Split, evidence: Evidence) -> Iterator[Finding]:
    """Voices that give the label away, as when most speakers spoke in one emotion only."""
    table = _table(split, evidence)
    found = table.tells_within("speaker")
    if found.skill < TELLS or table.guessed_from_label("speaker").skill >= IS:
        return
    spoken: dict[Any, set[str]] = {}
    for speaker, label in zip(table.fields["speaker"], table.labels, strict=True):
        spoken.setdefault(speaker, set()).add(label)
    spoken.pop(None, None)
    single = [speaker for speaker, labels in spoken.items() if len(labels) == 1]
    yield Finding(
        "the speaker gives the label away",
        "warning",
        f"Guessing from the speaker alone names the label with a recall (UAR) of {_percent(found.recall)}; chance is "
        f"{_percent(found.chance)}. Speakers with one label only: {len(single)} of {len(spoken)}.",
        tuple(f"{speaker[-1]}: always {next(iter(spoken[speaker]))}" for speaker in single[:3]),
        "a score on speakers that were learned; and on others the score of a class is that of a few voices",
        "split by speaker, give every class several speakers on each side, and report the interval over speakers",
    )


def classes_of_one_corpus(split: Split, evidence: Evidence) -> Iterator[Finding]:
    """In merged corpora, classes that only one of them has."""
    where: dict[str, set[str]] = {}
    for sample in (*split.train, *split.dev, *split.test):
        if sample.label is not None and sample.corpus is not None:
            where.setdefault(sample.label, set()).add(sample.corpus)
    corpora = {corpus for some in where.values() for corpus in some}
    lonely = {label: next(iter(some)) for label, some in where.items() if len(some) == 1}
    if len(corpora) > 1 and lonely:
        yield Finding(
            "classes of one corpus",
            "warning",
            f"Classes that only one of the {len(corpora)} corpora has: {len(lonely)} of {len(where)}.",
            tuple(f"{label}: only in {corpus}" for label, corpus in list(lonely.items())[:3]),
            "a score over the merged corpora: who recognises the corpus by its sound knows which classes it has",
            "score each corpus by itself, over the classes that it has",
        )


CHECKS: tuple[Callable[[Split, Evidence], Iterable[Finding]], ...] = (
    label_is_something_else,
    label_names_more,
    label_given_away,
    speakers_of_one_label,
    classes_of_one_corpus,
)
