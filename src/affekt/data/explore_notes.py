"""Warnings about a corpus, in sentences: what would mislead training or evaluation on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from affekt.data.counts import UNKNOWN, count, name_of, names_of, natural
from affekt.data.explore import Exploration
from affekt.types import Sample

# From which ratio, and below which number of speakers, a student should be warned.
UNEVEN, FEW_SPEAKERS = 1.5, 10
ENOUGH_FOR_LENGTH = 5  # clips of a label, before its median length says anything


@dataclass(frozen=True)
class Notice:
    """One thing to look out for.

    Parameters
    ----------
    severity : str
        ``warning`` where it makes scores misleading, else ``note``.
    what, remedy : str
        In a few words.
    sentence : str
        With counts; it stands on its own.
    """

    severity: str
    what: str
    sentence: str
    remedy: str


#: Name of a notice to its severity and its remedy.
REMEDIES = {
    "no label": ("note", "label them, or leave them out"),
    "one class": ("warning", "add clips of another class"),
    "unbalanced classes": ("note", "report UAR; balance what is drawn in training"),
    "unknown speakers": ("warning", "find out who speaks, or make no claim about new voices"),
    "few speakers": ("note", "test across corpora as well: affekt matrix"),
    "speakers of one emotion": ("warning", "test on speakers that are heard in all emotions"),
    "incomplete speakers": ("note", "compare emotions within the speakers that have both"),
    "one speaker dominates": ("note", "draw fewer of their clips in training"),
    "unknown sex": ("note", "add a column sex, if results are to be told apart by it"),
    "one sex": ("note", "test on the other sex before it is used there"),
    "unbalanced sexes": ("note", "look at the scores of both"),
    "contradicting sex": ("warning", "correct the names, or the table"),
    "emotions of one sex": ("warning", "compare within one sex"),
    "unknown sentences": ("note", "add a column sentence, or make no claim about the voice alone"),
    "sentences of one emotion": ("warning", "split by sentence as well, or keep the sentences that all emotions share"),
    "telling lengths": ("warning", "trim silence, and compare with a model of the length alone"),
    "several sampling rates": ("warning", "bring all to the lowest"),
}


def _notice(what: str, sentence: str) -> Notice:
    severity, remedy = REMEDIES[what]
    return Notice(severity, what, sentence, remedy)


def notices_of(data: Exploration) -> tuple[Notice, ...]:
    """What to look out for before training or evaluating on these clips."""
    notices = (_uneven_labels, _few_speakers, _speakers_without_labels, _uneven_speakers, _sexes, _sentences)
    found = [one for notice in notices for one in notice(data.samples)]
    return (*found, *_lengths_by_label(data), *_rates(data))


def look_out(data: Exploration) -> tuple[str, ...]:
    """The sentences of :func:`notices_of`: with counts, each on its own."""
    return tuple(notice.sentence for notice in notices_of(data))


def _labelled(samples: Iterable[Sample]) -> list[Sample]:
    """The labelled clips: those without a label are not a class of their own."""
    return [sample for sample in samples if sample.label is not None]


def _uneven_labels(samples: Sequence[Sample]) -> Iterator[Notice]:
    labelled = _labelled(samples)
    if unlabelled := len(samples) - len(labelled):
        yield _notice("no label", f"{_of(unlabelled, samples)} have no label.")
    if not labelled:
        return
    sizes = _sizes(labelled, "label")
    (most, largest), (least, smallest) = sizes[0], sizes[-1]
    if len(sizes) == 1:
        yield _notice("one class", f"All {_clips(largest)} have one label, {most}: there is nothing to tell apart.")
    elif largest >= UNEVEN * smallest:
        yield _notice(
            "unbalanced classes",
            f"The classes are unbalanced: {most} has {_clips(largest)}, {least} {smallest}. Always answering {most} is "
            f"right {_share(largest, len(labelled))} of the time, so report the mean recall of the classes (UAR).",
        )


def _few_speakers(samples: Sequence[Sample]) -> Iterator[Notice]:
    speakers = {s.speaker for s in samples if s.speaker}
    if unknown := sum(not s.speaker for s in samples):
        yield _notice(
            "unknown speakers",
            f"The speaker of {_of(unknown, samples)} is unknown: they cannot be kept out of training when the "
            "same voice is tested, and a split by speaker refuses them.",
        )
    if 0 < len(speakers) < FEW_SPEAKERS:
        yield _notice(
            "few speakers",
            f"There {'is' if len(speakers) == 1 else 'are'} {_many(len(speakers), 'speaker')} only "
            f"({_listed(speakers)}): what is measured on them says little about other people, "
            "and its interval is wide.",
        )


def _speakers_without_labels(samples: Sequence[Sample]) -> Iterator[Notice]:
    labels_of: dict[str, set[str]] = {}
    labelled = _labelled(samples)
    for s in labelled:
        if s.speaker:
            labels_of.setdefault(s.speaker, set()).add(name_of(s, "label"))
    everything = len(names_of(labelled, "label"))
    single = [speaker for speaker, labels in labels_of.items() if len(labels) == 1 < everything]
    partial = [speaker for speaker, labels in labels_of.items() if 1 < len(labels) < everything]
    if single:
        yield _notice(
            "speakers of one emotion",
            f"{len(single)} of {_many(len(labels_of), 'speaker')} "
            f"{'is' if len(single) == 1 else 'are'} heard in one emotion only ({_listed(single)}): "
            "whoever recognises the voice knows the emotion.",
        )
    if partial:
        yield _notice(
            "incomplete speakers",
            f"{len(partial)} of {_many(len(labels_of), 'speaker')} "
            f"{'lacks' if len(partial) == 1 else 'lack'} some emotions ({_listed(partial)}).",
        )


def _uneven_speakers(samples: Sequence[Sample]) -> Iterator[Notice]:
    sizes = [(name, size) for name, size in _sizes(samples, "speaker") if name != UNKNOWN]
    if len(sizes) > 1 and sizes[0][1] >= 2 * UNEVEN * (middle := float(np.median([size for _, size in sizes]))):
        yield _notice(
            "one speaker dominates",
            f"Speaker {sizes[0][0]} alone has {_of(sizes[0][1], samples)} ({_share(sizes[0][1], len(samples))}); "
            f"the median speaker has {middle:g}.",
        )


def _sexes(samples: Sequence[Sample]) -> Iterator[Notice]:
    sizes = dict(_sizes(samples, "sex"))
    if unknown := sizes.pop(UNKNOWN, 0):
        yield _notice(
            "unknown sex",
            f"The sex of the speaker of {_of(unknown, samples)} is unknown: no result can be told apart by sex there.",
        )
    elif len(sizes) == 1:
        yield _notice("one sex", f"All speakers are {next(iter(sizes))}: nothing is known of the other sex.")
    elif max(sizes.values()) >= UNEVEN * min(sizes.values()):
        yield _notice(
            "unbalanced sexes",
            f"The sexes are unbalanced: {' and '.join(f'{_clips(n)} {sex}' for sex, n in sizes.items())}.",
        )
    voices = count([s for s in samples if s.sex and s.speaker], "speaker", "sex")
    if both := [name for name, row in zip(voices.rows, voices.counts, strict=True) if np.count_nonzero(row) > 1]:
        yield _notice(
            "contradicting sex",
            f"Female in some clips and male in others, by their names: speaker {_listed(both)}. One must be wrong.",
        )
    table = count([s for s in _labelled(samples) if s.sex], "label", "sex")
    lone = [label for label, row in zip(table.rows, table.counts, strict=True) if len(row) == 2 and not row.all()]
    if lone:
        yield _notice(
            "emotions of one sex",
            f"Heard from one sex only: {_listed(lone)}. Whoever recognises the sex knows something of the emotion.",
        )


def _sentences(samples: Sequence[Sample]) -> Iterator[Notice]:
    labels_of: dict[str, list[str]] = {}
    samples = _labelled(samples)
    for s in samples:
        if s.sentence:
            labels_of.setdefault(s.sentence, []).append(name_of(s, "label"))
    if len(names_of(samples, "label")) < 2:
        return
    if not labels_of:
        yield _notice(
            "unknown sentences",
            "What is said is not known, so it cannot be ruled out that the words give the emotion away.",
        )
    # A sentence heard once says nothing about what it is tied to.
    tied = {name: labels for name, labels in labels_of.items() if len(set(labels)) == 1 < len(labels)}
    if tied:
        verb, clips = "is" if len(tied) == 1 else "are", _of(sum(map(len, tied.values())), samples)
        yield _notice(
            "sentences of one emotion",
            f"{len(tied)} of {len(labels_of)} sentences ({_listed(tied)}) {verb} spoken in one emotion only, in "
            f"{clips}: the words give the emotion away there.",
        )


def _lengths_by_label(data: Exploration) -> Iterator[Notice]:
    values: dict[str, list[float]] = {}
    for s in _labelled(data.samples):
        values.setdefault(name_of(s, "label"), []).append(data.lengths[s.id])
    medians = sorted((float(np.median(v)), label) for label, v in values.items() if len(v) >= ENOUGH_FOR_LENGTH)
    if not medians:
        return
    (short, shortest), (long, longest) = medians[0], medians[-1]
    if long >= UNEVEN * short:
        yield _notice(
            "telling lengths",
            f"Length tells something of the emotion: the median clip of {longest} lasts {long:.1f} s, "
            f"that of {shortest} {short:.1f} s. Some of it may be silence, or how clips were cut.",
        )


def _rates(data: Exploration) -> Iterator[Notice]:
    rates = Counter(data.rates.values()).most_common()
    if len(rates) > 1:
        listed = ", ".join(f"{rate} Hz ({_clips(n)})" for rate, n in rates)
        yield _notice(
            "several sampling rates",
            f"Sampling rates differ: {listed}. Bring all to the lowest, or the highest octaves tell the clips apart.",
        )


def _sizes(samples: Iterable[Sample], by: str) -> list[tuple[str, int]]:
    """Names and their number of clips, the largest first."""
    return sorted(Counter(name_of(s, by) for s in samples).items(), key=lambda item: (-item[1], natural(item[0])))


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _clips(number: int) -> str:
    return _many(number, "clip")


def _of(number: int, samples: Sequence[Sample]) -> str:
    return f"{number:,} of {_clips(len(samples))}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"


def _listed(names: Iterable[str], most: int = 6) -> str:
    """Names in natural order, the first few."""
    ordered = sorted(names, key=natural)
    return ", ".join(ordered[:most]) + (f", and {len(ordered) - most} more" if len(ordered) > most else "")
