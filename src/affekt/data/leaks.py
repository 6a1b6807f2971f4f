"""Leaks: what is on both sides of a split, and what was fitted or chosen on the wrong side."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from affekt.data.findings import SIDES, Evidence, Finding
from affekt.data.near_duplicates import near_duplicates_of
from affekt.data.pictures import near_duplicate_pictures
from affekt.data.splits import Split
from affekt.types import Sample

#: Sides that must not overlap, the tested one last. An overlap with test spoils the score; with dev, model selection.
PAIRS = (("train", "test"), ("dev", "test"), ("train", "dev"))

#: What may be fitted on dev: it changes how sure the model is, or when it answers, not what it answers.
FITTED_ON_DEV = frozenset({"temperature", "threshold", "calibration"})

#: Keys of ``meta`` that name one recording session: its clips share a room and a microphone.
SESSIONS = ("session", "dialogue", "recording", "video")

# Up to this share of test clips in training moves a score by at most a point, far less than its interval is wide.
_SPARED = 0.01

# Endings that people give to the copies they make, below or beside the clip: happy_01_noise, happy_01 (2).
_COPY = re.compile(
    r"(?:[-_. ](?:aug\w*|nois\w*|pitch\w*|stretch\w*|shift\w*|speed\w*|slow\w*|fast\w*|gain\w*|reverb\w*|echo\w*"
    r"|copy\w*)|[-_. ]*\(\d+\))$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Overlap:
    """What two sides have in common: of the ``of`` things in ``tested``, ``things`` are also in ``other``."""

    other: str
    tested: str
    things: int
    of: int
    clips: int
    of_clips: int
    examples: tuple[str, ...]


def sides_of(split: Split) -> dict[str, tuple[Sample, ...]]:
    """The three sides by name."""
    return {side: getattr(split, side) for side in SIDES}


def overlaps(split: Split, key_of: Callable[[Sample], Hashable | None]) -> list[Overlap]:
    """Where samples of two sides have the same key; None matches nothing.

    Examples
    --------
    >>> a, b = Sample("a", "a.wav", speaker="1"), Sample("b", "b.wav", speaker="1")
    >>> [(m.other, m.tested, m.things) for m in overlaps(Split((a,), (), (b,), by="clip"), lambda s: s.speaker)]
    [('train', 'test', 1)]
    """
    found, sides = [], sides_of(split)
    for other, tested in PAIRS:
        there: dict[Hashable, Sample] = {}
        for sample in sides[other]:
            there.setdefault(key_of(sample), sample)
        there.pop(None, None)
        keys = [key_of(sample) for sample in sides[tested]]
        met: dict[Hashable, Sample] = {}
        for key, sample in zip(keys, sides[tested], strict=True):
            if key in there:
                met.setdefault(key, sample)
        if met:
            clips, known = sum(key in met for key in keys), len({*keys} - {None})
            examples = tuple(f"{met[k].id} ({tested}) and {there[k].id} ({other})" for k in list(met)[:3])
            found.append(Overlap(other, tested, len(met), known, clips, len(keys), examples))
    return found


def _severity(found: Sequence[Overlap], *, spared: float = 0.0) -> str:
    tested = [overlap for overlap in found if overlap.tested == "test"]
    return "severe" if any(overlap.clips > spared * overlap.of_clips for overlap in tested) else "warning"


def _stamp(severity: str, stamp: str) -> str:
    return stamp if severity == "severe" else ""


def _clips(found: Sequence[Overlap], what: str) -> str:
    # Worded so that it reads well for one clip and for many.
    return "; ".join(f"Clips in {m.tested} {what} {m.other}: {m.clips} of {m.of_clips}" for m in found) + "."


def shared_speakers(split: Split, _: Evidence) -> Iterator[Finding]:
    """The same voice on both sides."""
    if found := overlaps(split, lambda s: None if s.speaker is None else (s.corpus, s.speaker)):
        yield Finding(
            "shared speakers",
            _severity(found),
            "; ".join(
                f"Speakers in {m.tested} who are also in {m.other}: {m.things} of {m.of}, "
                f"with {m.clips} of {m.of_clips} clips"
                for m in found
            )
            + ".",
            found[0].examples,
            "every score: the model is asked about voices that it has learned. What it is worth for strangers, "
            "which is usually far less, stays unknown",
            "split by speaker: all clips of a speaker on one side",
            _stamp(_severity(found), "speaker-dependent"),
        )


def unknown_speakers(split: Split, _: Evidence) -> Iterator[Finding]:
    """Clips of unknown speakers: severe where one corpus has them in training and in test."""
    unknown = {side: [s for s in samples if s.speaker is None] for side, samples in sides_of(split).items()}
    if not any(unknown.values()):
        return
    known = any(s.speaker is not None for samples in sides_of(split).values() for s in samples)
    meet = {s.corpus for s in unknown["test"]} & {s.corpus for s in split.train}
    meet |= {s.corpus for s in split.test} & {s.corpus for s in unknown["train"]}
    yield Finding(
        "unknown speakers",
        "severe" if meet else "warning",
        "The speaker is unknown for "
        + ", ".join(f"{len(some)} of {len(sides_of(split)[side])} clips in {side}" for side, some in unknown.items())
        + (", so nobody can tell whether test voices were learned." if meet else ".")
        + ("" if known else " What is asked of speakers (do they tell the label, are there enough) cannot be asked."),
        tuple(s.id for some in unknown.values() for s in some)[:3],
        "perhaps every score, as shared speakers do",
        "find out who speaks and split by speaker; if nobody knows, keep whole sources (films, shows) on one side",
        "speakers unknown" if meet else "",
    )


def one_speaker_two_names(split: Split, _: Evidence) -> Iterator[Finding]:
    """Speaker names on two sides that differ only in case, zeros or spaces: a typo that hides a shared speaker."""
    spellings: dict[Hashable, set[str]] = {}
    for samples in sides_of(split).values():
        for sample in samples:
            if sample.speaker is not None:
                spellings.setdefault(_plain(sample), set()).add(sample.speaker)
    twice = {key for key, names in spellings.items() if len(names) > 1}
    found = overlaps(split, lambda s: _plain(s) if s.speaker is not None and _plain(s) in twice else None)
    # If the very same name is on both sides, that is already reported.
    if found and not overlaps(split, lambda s: None if s.speaker is None else (s.corpus, s.speaker)):
        yield Finding(
            "one speaker, two names",
            "warning",
            "; ".join(f"Speakers in {m.tested} with nearly the name of one in {m.other}: {m.things}" for m in found)
            + f" ({'; '.join(' and '.join(sorted(spellings[key])) for key in list(twice)[:3])}).",
            found[0].examples,
            "every score, if they are the same people",
            "write each speaker's name in one way",
        )


def _plain(sample: Sample) -> tuple[str | None, str]:
    return sample.corpus, re.sub(r"(?<!\d)0+(?=\d)", "", (sample.speaker or "").strip().lower())


def same_recording(split: Split, evidence: Evidence) -> Iterator[Finding]:
    """The same audio, or stretches of the same file, on both sides."""
    keys: dict[str, Callable[[Sample], Hashable | None]] = {
        "that are the same recording as one in": lambda s: evidence.hashes.get(s.id),
        "that are cut from a file which is also in": lambda s: s.path or None,
    }
    for what, key in keys.items():
        if found := overlaps(split, key):
            severity = _severity(found, spared=_SPARED)
            yield Finding(
                "same recording on both sides",
                severity,
                _clips(found, what),
                found[0].examples,
                "every score: these clips are remembered, not recognised",
                "keep all copies and all pieces of a recording on one side",
                _stamp(severity, "same recordings in test"),
            )


def repeated_takes(split: Split, _: Evidence) -> Iterator[Finding]:
    """The same sentence by the same speaker in the same emotion on both sides: another take of one clip."""

    def take(sample: Sample) -> Hashable | None:
        key = (sample.corpus, sample.speaker, sample.sentence, sample.label)
        # If the sentence is used as the label, every clip of a speaker would be a near-duplicate.
        return None if None in key[1:] or sample.label == sample.sentence else key

    if found := overlaps(split, take):
        severity = _severity(found, spared=_SPARED)
        yield Finding(
            "near-duplicates on both sides",
            severity,
            _clips(found, "that have the same speaker, sentence and label as one in"),
            found[0].examples,
            "every score: another take of the same clip was learned",
            "split by speaker, or at least keep all takes of a sentence by one speaker on one side",
            _stamp(severity, "near-duplicates in test"),
        )


def sounding_alike(split: Split, evidence: Evidence) -> Iterator[Finding]:
    """Clips on two sides that are nearly the same by their features or fingerprints."""

    def alike(judged: Sequence[str], others: Sequence[str]) -> list[tuple[str, str]]:
        return near_duplicates_of(evidence.features, judged, others)

    if found := _almost_identical(split, evidence, alike):
        yield _alike_on_both_sides(
            found,
            "clips that sound the same on both sides",
            "a copy at another loudness, in another format or with some noise was learned",
        )


def looking_alike(split: Split, evidence: Evidence) -> Iterator[Finding]:
    """Pictures on two sides that are nearly the same by their thumbnails, mirrored or not."""

    def alike(judged: Sequence[str], others: Sequence[str]) -> list[tuple[str, str]]:
        return near_duplicate_pictures(evidence.thumbnails, judged, others)

    if found := _almost_identical(split, evidence, alike):
        yield _alike_on_both_sides(
            found,
            "pictures that look the same on both sides",
            "a copy that is lighter, mirrored or coded again, or a frame of the same shooting, was learned",
        )


def _almost_identical(
    split: Split, evidence: Evidence, alike: Callable[[Sequence[str], Sequence[str]], list[tuple[str, str]]]
) -> list[Overlap]:
    """Near-duplicates on two sides, without exact copies: the hashes find those."""
    found, sides = [], sides_of(split)
    for other, tested in PAIRS:
        copies = {evidence.hashes.get(s.id) for s in sides[other]} - {None}
        judged = [s.id for s in sides[tested] if evidence.hashes.get(s.id) not in copies]
        if pairs := alike(judged, [s.id for s in sides[other]]):
            examples = tuple(f"{a} ({tested}) and {b} ({other})" for a, b in pairs[:3])
            found.append(Overlap(other, tested, len(pairs), len(pairs), len(pairs), len(sides[tested]), examples))
    return found


def _alike_on_both_sides(found: Sequence[Overlap], name: str, learned: str) -> Finding:
    severity = _severity(found, spared=_SPARED)
    return Finding(
        name,
        severity,
        _clips(found, "that are almost identical to one in"),
        found[0].examples,
        f"every score: {learned}",
        "keep copies on one side, or leave them out",
        _stamp(severity, "near-duplicates in test"),
    )


def crossing_copies(split: Split, evidence: Evidence) -> Iterator[Finding]:
    """Augmented copies that are not on the same side as the clip they were made from."""
    home = {s.id: side for side, samples in sides_of(split).items() for s in samples}
    copies = {**_copies_by_name(home), **evidence.copies}
    placed = {**home, **evidence.copy_sides}
    moves: dict[tuple[str, str], list[str]] = {}
    for copy in copies:
        source = origin(copy, copies)
        if copy in placed and source in home and placed[copy] != home[source]:
            moves.setdefault((placed[copy], home[source]), []).append(f"{copy} ({placed[copy]}) of {source}")
    if not moves:
        return
    bad = any("test" in sides for sides in moves)
    yield Finding(
        "augmented copies across the split",
        "severe" if bad else "warning",
        "; ".join(f"Copies in {to} that were made of clips in {of}: {len(some)}" for (to, of), some in moves.items())
        + ".",
        tuple(example for some in moves.values() for example in some)[:3],
        "every score: clips of one side stand on the other, slightly changed. This is what augmenting "
        "before splitting does",
        "split first, then augment the training clips only",
        "augmented copies in test" if bad else "",
    )


def origin(copy: str, copies: dict[str, str]) -> str:
    """The clip that a copy, or a copy of a copy, was made from."""
    seen: set[str] = set()
    while copy in copies and copy not in seen:
        seen.add(copy)
        copy = copies[copy]
    return copy


def _copies_by_name(ids: Collection[str]) -> dict[str, str]:
    return {id: base for id in ids if (base := _COPY.sub("", id)) != id and base in ids}


def augmented_test(split: Split, evidence: Evidence) -> Iterator[Finding]:
    """Augmented copies of test clips in test: they make it look larger than it is."""
    home = {s.id: side for side, samples in sides_of(split).items() for s in samples}
    copies = {**_copies_by_name(home), **evidence.copies}
    placed = {**home, **evidence.copy_sides}
    some = [c for c in copies if placed.get(c) == "test" and home.get(origin(c, copies)) == "test"]
    if some:
        yield Finding(
            "augmented clips in test",
            "warning",
            f"Clips in test that are copies of others in test: {len(some)}.",
            tuple(some[:3]),
            "the number of clips tested, so intervals are too narrow; and the score is of clips that nobody recorded",
            "test on the recordings as they are; report a test under noise by itself",
        )


def fitted_on_the_wrong_side(split: Split, evidence: Evidence) -> Iterator[Finding]:
    """A scaler, a feature selection or a temperature fitted on clips that it must not see."""
    sides = {side: {s.id for s in samples} for side, samples in sides_of(split).items()}
    copies = dict(evidence.copies)
    for what, ids in evidence.fitted_on.items():
        seen = {origin(id, copies) for id in ids}
        on = {side: sorted(seen & members) for side, members in sides.items()}
        if on["test"]:
            yield _fitted(what, "severe", on["test"], "test")
        if what in FITTED_ON_DEV and on["train"]:
            yield _fitted(what, "warning", on["train"], "train")
        if what not in FITTED_ON_DEV and on["dev"]:
            yield _fitted(what, "warning", on["dev"], "dev")


def _fitted(what: str, severity: str, ids: Sequence[str], side: str) -> Finding:
    inflates = {
        "test": "every score: the model was shaped by clips that it is tested on",
        "dev": "the scores on dev, and with them every choice made by them",
        "train": "how sure the model says it is: on clips that it has learned it is nearly always right",
    }[side]
    allowed = "dev" if what in FITTED_ON_DEV else "train"
    return Finding(
        f"{what} fitted on {side}",
        severity,
        f"Clips of {side} that the {what} was fitted on: {len(ids)}.",
        tuple(ids[:3]),
        inflates,
        f"fit the {what} on {allowed} only, after the split",
        f"{what} fitted on test" if severity == "severe" else "",
    )


def chosen_on_the_wrong_side(split: Split, evidence: Evidence) -> Iterator[Finding]:
    """An epoch, a model or a setting that was chosen by scores on test, or on train."""
    copies = dict(evidence.copies)
    chosen = {origin(id, copies) for id in evidence.chosen_on}
    for side, severity, inflates in (
        ("test", "severe", "every score: the best of many tries on the test clips is reported, luck included"),
        ("train", "warning", "nothing by itself, but it picks what learned its clips by heart"),
    ):
        some = sorted({s.id for s in getattr(split, side)} & chosen)
        if some:
            yield Finding(
                f"chosen on {side}",
                severity,
                f"Clips of {side} whose scores chose the epoch, the model or a setting: {len(some)}.",
                tuple(some[:3]),
                inflates,
                "choose on dev: speakers that are neither trained on nor tested",
                "chosen on test" if side == "test" else "",
            )


def shared_sessions(split: Split, _: Evidence) -> Iterator[Finding]:
    """Sessions, dialogues or films that are on both sides."""
    for key in SESSIONS:
        if found := overlaps(split, partial(_session, key=key)):
            yield Finding(
                f"shared {key}s",
                "note",
                _clips(found, f"that are of a {key} which is also in"),
                found[0].examples,
                "perhaps the scores: room, microphone and the other voice of a talk are on both sides",
                f"keep all of a {key} on one side",
            )


def _session(sample: Sample, *, key: str) -> Hashable | None:
    return (sample.corpus, str(sample.meta[key])) if sample.meta.get(key) is not None else None


def shared_sentences(split: Split, _: Evidence) -> Iterator[Finding]:
    """The same words in training and in test; harmless where every emotion says them."""
    found = overlaps(split, lambda s: None if s.sentence is None else (s.corpus, s.sentence))
    if found and found[0].tested == "test":
        yield Finding(
            "shared sentences",
            "note",
            f"Sentences in test that are also in {found[0].other}: {found[0].things} of {found[0].of}.",
            found[0].examples,
            "perhaps the scores: what the model is worth for other words is not measured",
            "to measure that, split by sentence as well",
        )


def repeated_recordings(split: Split, evidence: Evidence) -> Iterator[Finding]:
    """The same audio twice on one side, and the same audio under two labels."""
    groups: dict[str, list[tuple[str, Sample]]] = {}
    for side, samples in sides_of(split).items():
        for sample in samples:
            if sample.id in evidence.hashes:
                groups.setdefault(evidence.hashes[sample.id], []).append((side, sample))
    several = [group for group in groups.values() if len(group) > 1]
    torn = [group for group in several if len({s.label for _, s in group}) > 1]
    if torn:
        yield Finding(
            "one recording, two labels",
            "warning",
            f"Recordings that stand there several times, under different labels: {len(torn)}.",
            tuple(" and ".join(f"{s.id} ({s.label})" for _, s in group[:2]) for group in torn[:3]),
            "nothing; at least one of the labels is wrong, and no model can be right about both",
            "listen, and keep one of each",
        )
    for side in SIDES:
        twice = [same for group in several if len(same := [s for where, s in group if where == side]) > 1]
        if twice:
            yield Finding(
                f"repeated recordings in {side}",
                "note",
                f"Recordings that stand in {side} more than once: {len(twice)}.",
                tuple(" and ".join(s.id for s in same[:2]) for same in twice[:3]),
                "the number of clips: these count more than once",
                "keep one of each",
            )


CHECKS: tuple[Callable[[Split, Evidence], Iterable[Finding]], ...] = (
    shared_speakers,
    unknown_speakers,
    one_speaker_two_names,
    same_recording,
    repeated_takes,
    sounding_alike,
    looking_alike,
    crossing_copies,
    augmented_test,
    fitted_on_the_wrong_side,
    chosen_on_the_wrong_side,
    shared_sessions,
    shared_sentences,
    repeated_recordings,
)
