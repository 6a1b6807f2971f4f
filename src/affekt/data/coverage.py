"""Coverage: whether the classes and the test side can support a score at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from affekt.data.findings import Evidence, Finding
from affekt.data.splits import Split
from affekt.types import Sample

# Below 3 speakers an interval over speakers means nothing; below 6 it is very wide.
_NO_INTERVAL, _WIDE_INTERVAL = 3, 6
# From here on the weighted accuracy (WA) of always naming the largest class is clearly above 1 / classes.
_IMBALANCED = 1.5
# With fewer clips one clip moves the recall of its class by more than ten points.
_FEW_CLIPS = 10
# From this share on, the meaning of the labels is itself in doubt.
_DOUBTED = 0.1


def _counts(samples: Iterable[Sample]) -> Counter[str]:
    return Counter(sample.label for sample in samples if sample.label is not None)


def _all(split: Split) -> tuple[Sample, ...]:
    return (*split.train, *split.dev, *split.test)


def empty_sides(split: Split, _: Evidence) -> Iterator[Finding]:
    """A split without test or dev clips."""
    for side, severity, inflates in (
        ("train", "warning", "nothing: there is nothing to learn from"),
        ("test", "warning", "nothing: there is nothing to score"),
        ("dev", "note", "every score, if the epoch or a setting is then chosen by the scores on test"),
    ):
        if not getattr(split, side):
            yield Finding(
                f"no {side} clips",
                severity,
                f"The {side} side is empty.",
                (),
                inflates,
                "fix the number of epochs and every setting beforehand"
                if side == "dev"
                else f"set clips for {side} aside",
            )


def unlabelled(split: Split, _: Evidence) -> Iterator[Finding]:
    """Clips that nobody labelled."""
    some = [s.id for s in _all(split) if s.label is None]
    if some:
        yield Finding(
            "clips without label",
            "note",
            f"Clips without label: {len(some)} of {len(_all(split))}; the audit looked at the labels of the others.",
            tuple(some[:3]),
            "nothing, unless they are scored",
            "label them or leave them out",
        )


def doubted_labels(split: Split, _: Evidence) -> Iterator[Finding]:
    """Labels that most raters would not give, where several people rated the clips."""
    asked = [s for s in split.test or _all(split) if s.label is not None and s.meta.get("majority") is not None]
    other = [s for s in asked if s.meta["majority"] != s.label]
    if other:
        yield Finding(
            "labels that most people do not give",
            "warning" if len(other) > _DOUBTED * len(asked) else "note",
            f"Clips whose label is not what most of several people call them: {len(other)} of {len(asked)} that most "
            f"agreed on ({100 * len(other) / len(asked):.1f} %).",
            tuple(f"{s.id}: {s.label}, most people say {s.meta['majority']}" for s in other[:3]),
            "nothing; it bounds what a score can mean: who sees what most people see is wrong as often",
            "report the score on the majority of people as well (--label majority)",
        )


def one_class(split: Split, _: Evidence) -> Iterator[Finding]:
    """Only one class, so there is nothing to choose between."""
    everywhere, tested = _counts(_all(split)), _counts(split.test)
    for counts, where, severity in ((everywhere, "all clips", "severe"), (tested, "test", "warning")):
        if len(counts) == 1:
            yield Finding(
                "one class",
                severity,
                f"Every label in {where} is {next(iter(counts))!r}.",
                (),
                "every score: always naming it is 100 % right",
                "add clips of other classes",
                "one class" if severity == "severe" else "",
            )
            return


def missing_classes(split: Split, _: Evidence) -> Iterator[Finding]:
    """Classes on one of the two sides only."""
    trained, tested = _counts(split.train), _counts(split.test)
    if not trained or not tested:
        return
    unheard = [label for label in tested if label not in trained]
    if unheard:
        yield Finding(
            "classes in test that training lacks",
            "warning",
            f"Classes in test that never occur in train: {len(unheard)} of {len(tested)}, "
            f"with {sum(tested[label] for label in unheard)} of {tested.total()} clips.",
            tuple(unheard[:3]),
            "nothing: it lowers the score, for the model cannot name them",
            "train on them, or leave them out of the test and say so",
        )
    untested = [label for label in trained if label not in tested]
    if untested:
        yield Finding(
            "classes in training that test lacks",
            "note",
            f"Classes in train that are not tested: {len(untested)} of {len(trained)}.",
            tuple(untested[:3]),
            "nothing; the score says nothing about them",
            "say which classes were scored",
        )


def classes_of_one_speaker(split: Split, _: Evidence) -> Iterator[Finding]:
    """Classes with one speaker only."""
    voices: dict[str, set[tuple[str | None, str]]] = {}
    for sample in _all(split):
        if sample.label is not None and sample.speaker is not None:
            voices.setdefault(sample.label, set()).add((sample.corpus, sample.speaker))
    if len({voice for some in voices.values() for voice in some}) < 2:
        return
    lonely = {label: next(iter(some))[1] for label, some in voices.items() if len(some) == 1}
    if lonely:
        yield Finding(
            "classes with one speaker only",
            "warning",
            f"Classes that are spoken by one speaker only: {len(lonely)} of {len(voices)}.",
            tuple(f"{label}: {speaker}" for label, speaker in list(lonely.items())[:3]),
            "the recall of these classes: recognising the voice is enough",
            "record more speakers, or leave these classes out",
        )


def few_test_speakers(split: Split, _: Evidence) -> Iterator[Finding]:
    """Too few voices in test to say how much scores differ from voice to voice."""
    speakers = {(s.corpus, s.speaker) for s in split.test if s.speaker is not None}
    if speakers and len(speakers) < _WIDE_INTERVAL:
        too_few = len(speakers) < _NO_INTERVAL
        yield Finding(
            "few speakers in test",
            "warning" if too_few else "note",
            f"The test side has {len(speakers)} {'speaker' if len(speakers) == 1 else 'speakers'}.",
            tuple(sorted(str(speaker) for _, speaker in speakers))[:3],
            "how sure the score seems: voices differ far more than clips of one voice, and "
            + ("no interval can be given" if too_few else "the interval is wide"),
            "test every speaker once, in folds by speaker",
        )


def few_test_clips(split: Split, _: Evidence) -> Iterator[Finding]:
    """Classes with so few clips in test that one clip moves the score."""
    few = {label: n for label, n in _counts(split.test).items() if n < _FEW_CLIPS}
    if few:
        yield Finding(
            "few clips in test",
            "note",
            f"Classes with fewer than {_FEW_CLIPS} clips in test: {len(few)} of {len(_counts(split.test))}.",
            tuple(f"{label}: {n}" for label, n in list(few.items())[:3]),
            "how sure the recall of these classes seems",
            "test more clips, or every speaker once, in folds by speaker",
        )


def imbalanced(split: Split, _: Evidence) -> Iterator[Finding]:
    """Classes of different size: always naming the largest is then above chance."""
    counts = _counts(split.test) or _counts(_all(split))
    if len(counts) < 2:
        return
    (largest, most), (smallest, least) = counts.most_common()[0], counts.most_common()[-1]
    if most >= _IMBALANCED * least:
        share = most / sum(counts.values())
        yield Finding(
            "imbalanced classes",
            "note",
            f"{largest} has {most} clips, {smallest} {least}: always answering {largest} is right in "
            f"{100 * share:.1f} % of the clips, the chance level of accuracy (WA); that of UAR is "
            f"{100 / len(counts):.1f} %.",
            (),
            "accuracy (WA), if it is compared with 1 / number of classes",
            "report UAR, and WA beside the share of the largest class",
        )


CHECKS: tuple[Callable[[Split, Evidence], Iterable[Finding]], ...] = (
    empty_sides,
    unlabelled,
    doubted_labels,
    one_class,
    missing_classes,
    classes_of_one_speaker,
    few_test_speakers,
    few_test_clips,
    imbalanced,
)

#: Checks of the size of the test side; for folds, of all test sides together.
OF_TEST_SIZE = (few_test_speakers, few_test_clips, imbalanced)
