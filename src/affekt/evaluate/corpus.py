"""Evaluation of a model on a corpus, through the same engine that users call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from affekt.corpora import CORPORA, OWN
from affekt.corpora.fer2013 import NAME as FER2013
from affekt.corpora.fer2013 import read_fer2013
from affekt.corpora.pictures import is_picture
from affekt.data.findings import stamps
from affekt.data.numbers import numbered
from affekt.data.pictures import evidence_of_pictures, near_duplicate_pictures
from affekt.data.splits import fixed_speakers, fixed_split, is_published_split, published_split
from affekt.data.wording import in_words_of
from affekt.errors import CorpusError, InputError
from affekt.evaluate.answers import Answers, answer, answer_pictures
from affekt.evaluate.dimensions import with_dimensions
from affekt.evaluate.speakers import BASELINES
from affekt.labels import LabelMap, learned_dimensions
from affekt.metrics.intervals import FEWEST_SPEAKERS
from affekt.metrics.report import report, stamped
from affekt.metrics.selective import outcomes, selected
from affekt.metrics.slices import speaker_of
from affekt.models.card import Card
from affekt.recognize.batch import Failure
from affekt.recognize.recognizer import Recognizer
from affekt.train.face.fer2013 import split_fer2013
from affekt.train.sources import split_hash as split_hash_of
from affekt.types import Report, Sample
from affekt.write.clips import ClipAnswer

SIDES = ("test", "dev", "all")
#: Split hashes on cards, made by :func:`fixed_split` over whole corpora, and the corpora of each.
COMMITTED: Mapping[str, tuple[str, ...]] = {
    "102792d0db56d989f16d9c234847e955e363d8def5f3d229e6fd8039d0553a95": (
        "ravdess", "tess", "savee", "emovo", "urdu", "banglaser", "nemo", "ased", "turev_db",
    ),
}  # fmt: skip
NAMED_FAILURES = 3
NOT_KNOWN = "whether the model learned from these recordings or these voices is not known."


@dataclass(frozen=True)
class TestSet:
    """Clips to evaluate a model on, and what to report about them.

    Parameters
    ----------
    corpus : str
        Name of the corpus, for the protocol.
    samples : tuple of Sample
        With labels; or with ratings of valence, arousal or dominance, and then the model is evaluated on these only.
    protocol : str
        Who is tested, and what the model learned from them.
    warnings, stamps : tuple of str
        For the report.
    held_out : bool
        Whether the model is known not to have learned from these speakers.
    baseline : str
        The speaker baseline that the model is given: ``none``, or a key of ``affekt.evaluate.speakers.BASELINES``.
    crop : str
        How to treat pictures, one of ``affekt.evaluate.answers.CROPS``.
    trained_on : sequence of Sample
        Pictures that the model learned from; scores are also given without the near-duplicates of them in the test set.
    scale : (low, high), optional
        Range of the samples' ratings of valence, arousal and dominance, if any; see ``with_dimensions``.
    """

    #: Otherwise pytest would collect it as a test class.
    __test__ = False

    corpus: str
    samples: tuple[Sample, ...]
    protocol: str = ""
    warnings: tuple[str, ...] = ()
    stamps: tuple[str, ...] = ()
    held_out: bool = True
    baseline: str = "none"
    crop: str = "auto"
    trained_on: Sequence[Sample] = ()
    scale: tuple[float, float] | None = None


@dataclass(frozen=True)
class Evaluation:
    """The evaluation result of a model on one test set: scores of its best guesses, however unsure it is.

    Where the model may say that it is not sure, ``coverage, all labels`` and
    ``precision when sure, all labels`` are reported as well, as users get them.

    Parameters
    ----------
    reports : mapping of str to Report
        ``"corpus labels"``: choosing among the labels the corpus has, as the
        literature does. ``"all labels"``: choosing among all the model's labels,
        as users get it by default.
    predicted : mapping of str to the chosen labels
        For the same two, by sample id; None means no answer.
    failures : tuple of Failure
    clips : tuple of ClipAnswer
        The answer to each clip, among the corpus's labels.
    """

    reports: Mapping[str, Report]
    predicted: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    clips: tuple[ClipAnswer, ...] = ()


def select_test_set(
    name: str,
    samples: Sequence[Sample],
    card: Card,
    *,
    side: str = "test",
    split_hash: str = "",
    numbers: bool = False,
) -> TestSet | None:
    """Select the clips of a corpus that a model is tested on, and say what it may have learned from them.

    Parameters
    ----------
    name : str
        A key of ``CORPORA``.
    samples : sequence of Sample
        All of that corpus.
    card : Card
        The model's card.
    side : str
        ``test`` or ``dev``: the committed speakers. ``all``: everybody. A corpus
        without committed speakers is tested as a whole.
    split_hash : str
        Of the committed split of all available corpora; if it equals the card's, the
        model is known not to have learned from the tested speakers.
    numbers : bool
        Whether to accept ratings of valence, arousal and dominance: for a corpus without labels, and for a model
        trained on them.

    Returns
    -------
    TestSet or None
        None when the corpus has no speakers on that side.

    Raises
    ------
    InputError
        If the side does not exist, model and corpus differ in modality, or the corpus has only ratings where
        labels are needed.
    """
    if side not in SIDES:
        raise InputError(f"side is {side!r}; allowed: {', '.join(SIDES)}.")
    if is_picture(samples[0]) != (card.modality == "face"):
        raise InputError(
            f"{card.name} is a model of {card.modality}, and {name} holds "
            f"{'pictures' if is_picture(samples[0]) else 'recordings'}. Choose another model, or another corpus."
        )
    if name == FER2013 and side != "all" and name in card.data:
        return fer2013_test_set(samples, card, side)
    fixed, learned = name in fixed_speakers(), {name, *(sample.corpus for sample in samples)} & set(card.data)
    published = not fixed and side != "all" and is_published_split(samples)
    whole = side == "all" or not (fixed or published)
    chosen = tuple(samples) if whole else getattr((published_split if published else fixed_split)(samples), side)
    labelled = _judged(name, chosen, card, numbers=numbers)
    if not labelled:
        return None
    who = "all speakers" if whole else f"{'published' if published else 'committed'} {side} "
    found = TestSet(name, labelled, who if whole else f"{who}{'part' if published else 'speakers'}")
    if len(labelled) < len(chosen):
        what = (
            "label" if any(s.label is not None for s in labelled) and not learned_dimensions(card.labels) else "number"
        )
        found = warned(found, f"{len(chosen) - len(labelled)} clips have no {what} and are left out.")
    if not learned and (name in OWN or not card.data):
        return replace(warned(found, NOT_KNOWN), held_out=False)
    if not learned:
        return replace(found, protocol=f"{found.protocol}; the model did not learn from {name}")
    named = [set(card.data[corpus].get("learned_from", ())) for corpus in learned if corpus]
    if all(named):
        return _beside(found, name, set().union(*named), {sample.speaker for sample in samples})
    if whole:
        sentence = f"the model learned from {name}, and all speakers are tested: those it was trained on, too."
        return replace(warned(found, sentence), stamps=("trained on these clips",), held_out=False)
    if card.split != split_hash and name not in COMMITTED.get(card.split, ()):
        sentence = (
            f"the model learned from {name}, and its card's split is not the committed one, as far as can "
            "be checked here: it may have been trained on these speakers."
        )
        return replace(warned(found, sentence), held_out=False)
    if side == "dev":
        sentence = "dev speakers: the model's epoch and temperature were chosen on them, so the score flatters it."
        found = warned(found, sentence)
    return replace(found, protocol=f"{found.protocol}; by its card's split the model was not trained on them")


def _beside(found: TestSet, name: str, who: set[str], everybody: set[str | None]) -> TestSet:
    """The test set of a corpus whose training speakers the model's card names."""
    if strangers := sorted(who - everybody):
        there = ", ".join(sorted(speaker for speaker in everybody if speaker is not None)[:3])
        sentence = (
            f"the model's card names speakers that {name} does not have ({', '.join(strangers[:3])}; it has "
            f"{f'speakers such as {there}' if there else 'no speakers'}): it may have been trained on the speakers "
            "tested."
        )
        return replace(warned(found, sentence), held_out=False)
    if met := sorted(who & {str(sample.speaker) for sample in found.samples}):
        sentence = f"the model learned from {len(met)} of the speakers tested: {', '.join(met[:5])}."
        return replace(warned(found, sentence), stamps=("trained on these clips",), held_out=False)
    if nobody := sum(sample.speaker is None for sample in found.samples):
        return replace(warned(found, f"{nobody} clips have no speaker: {NOT_KNOWN}"), held_out=False)
    return replace(found, protocol=f"{found.protocol}; by its card the model learned from other speakers")


def _judged(name: str, samples: Sequence[Sample], card: Card, *, numbers: bool) -> tuple[Sample, ...]:
    """The samples that a model can be evaluated on: those with a label, or those with a rating."""
    labelled = tuple(sample for sample in samples if sample.label is not None)
    learned, there = learned_dimensions(card.labels), numbered(samples)
    if labelled and not learned:
        return labelled
    shared = tuple(dimension for dimension in there if dimension in (learned or there))
    if numbers and shared:
        return tuple(sample for sample in samples if set(numbered([sample])) & set(shared))
    if numbers and learned:
        raise InputError(
            f"{name}: {card.name} learned {', '.join(learned)}, and no clip has a number for it. Give a table with "
            "such a column."
        )
    if there and not labelled:
        raise InputError(
            f"{name}: none of its {len(samples)} clips has a label, which this needs; there are numbers "
            f"({', '.join(there)}), which affekt evaluate compares and affekt train dimensions learns from."
        )
    return labelled


def fer2013_test_set(samples: Sequence[Sample], card: Card, side: str) -> TestSet | None:
    """The test or dev part of FER2013, for a model that learned from its training part.

    The published split has no dev part besides the public test part. The dev faces are those that the model's recipe
    set aside, if the split can be reproduced and is the one on the card.
    """
    published = published_split(samples)
    if side == "test":
        usage = published.test[0].meta["usage"] if published.test else ""
        sentence = "the model learned from the training part; faces there that nearly are one of these are not counted."
        test = TestSet(FER2013, published.test, f"published test part ({usage})")
        return warned(test, sentence) if published.test else None
    plain = json.loads(card.to_json())["recipe"]
    dev, seed = plain.get("dev"), plain.get("seed")
    faces, usage = read_fer2013(Path(str(samples[0].path).rpartition("#")[0]))
    split = split_fer2013(faces, usage, dev=dev, seed=seed) if isinstance(dev, int) and isinstance(seed, int) else None
    if split is None or split.digest != card.split:
        raise InputError(
            f"{card.name}: the dev faces of its card cannot be found again in this copy of FER2013: the split differs. "
            "Give the file that it was trained with, or --side test."
        )
    ids = {f"{FER2013}/{id}" for id in split.dev.ids}
    found = TestSet(FER2013, tuple(s for s in samples if s.id in ids), "dev faces of the model's card")
    return warned(found, "dev faces: the model's epoch and temperature were chosen on them, so the score flatters it.")


def known_split(readings: Mapping[str, Sequence[Sample]], card: Card) -> str:
    """Hash of the committed split of the complete corpora on a card; empty if some are not available."""
    if not set(card.data) <= set(readings) & set(fixed_speakers()):
        return ""
    return split_hash_of(fixed_split([sample for name in card.data for sample in readings[name]]))


def warned(test_set: TestSet, sentence: str) -> TestSet:
    """The test set with one more warning."""
    return replace(test_set, warnings=(*test_set.warnings, sentence))


def evaluate(
    recognizer: Recognizer,
    test_set: TestSet | Sequence[Sample],
    *,
    jobs: int = 1,
    tick: Callable[[], None] = lambda: None,
    findings: Sequence[Any] = (),
) -> Evaluation:
    """Recognise the clips of a test set and report twice: among the corpus's labels, and among all of the model's.

    Parameters
    ----------
    recognizer : Recognizer
        With all its labels.
    test_set : TestSet, or sequence of Sample
        Samples of one corpus; the model must not have learned from any of them.
    jobs : int
        Recordings at a time.
    tick : callable
        Called after each recording; twice for each if speaker baselines are computed first.
    findings : sequence
        Findings of an audit of the corpus.

    Returns
    -------
    Evaluation
        A clip that cannot be read is left out of the scores, and a warning says so.

    Raises
    ------
    CorpusError
        If no clip can be read, or the model has fewer than two of the corpus's labels.
    """
    if not isinstance(test_set, TestSet):
        test_set = TestSet(str(test_set[0].corpus), tuple(test_set))
    faces = recognizer.card.modality == "face"
    if faces and test_set.baseline != "none":
        raise InputError(f"speaker baselines are for speech; {recognizer.card.name} is a model of faces.")
    if test_set.trained_on and not faces:
        raise InputError(f"near-duplicates are looked for among pictures; {recognizer.card.name} is a model of speech.")
    if faces:
        answers = answer_pictures(recognizer, test_set.samples, crop=test_set.crop, tick=tick)
    else:
        answers = answer(recognizer, test_set.samples, jobs=jobs, tick=tick, baseline=test_set.baseline)
    if not answers.samples:
        what = "pictures" if faces else "clips"
        raise CorpusError(
            f"{test_set.corpus}: none of its {len(test_set.samples)} {what} can be read. The first: "
            f"{answers.failures[0].source}: {answers.failures[0].reason}"
        )
    if learned_dimensions(answers.labels) or all(sample.label is None for sample in answers.samples):
        return _of_numbers(test_set, answers, findings)
    restricted, reports, predicted = restriction(test_set, answers.labels), {}, {}
    restricted_scores = [restricted.apply(p.scores) if p.scores else {} for p in answers.summaries]
    for kind, scores in {
        "corpus labels": restricted_scores,
        "all labels": [dict(p.scores) for p in answers.summaries],
    }.items():
        given = [max(row, key=row.__getitem__) if row else None for row in scores]
        found = report(
            answers.samples,
            given,
            rng=np.random.default_rng(0),
            protocol=protocol_of(test_set, answers.samples, kind),
            scores=scores,
            findings=findings,
        )
        found = _with_abstention(_annotated(found, test_set, answers), answers, recognizer.threshold)
        said = [prediction.dimensions for prediction in answers.summaries]
        found = with_dimensions(found, answers.samples, said, scale=test_set.scale)
        if test_set.trained_on:
            found = without_trained_on(found, answers.samples, given, test_set.trained_on)
        reports[kind] = of_pictures(found, answers.note) if faces else found
        predicted[kind] = {sample.id: label for sample, label in zip(answers.samples, given, strict=True)}
    clips = [
        ClipAnswer(s.id, s.path, str(s.label), predicted["corpus labels"][s.id], row, s.speaker, s.start, s.end)
        for s, row in zip(answers.samples, restricted_scores, strict=True)
    ]
    return Evaluation(reports, predicted, answers.failures, tuple(clips))


def _of_numbers(test_set: TestSet, answers: Answers, findings: Sequence[Any]) -> Evaluation:
    """The evaluation of the dimensions alone: no label is right or wrong."""
    said = [prediction.dimensions for prediction in answers.summaries]
    found = _annotated(numbers_report(test_set, answers.samples, said, findings=findings), test_set, answers)
    return Evaluation({"corpus labels": found, "all labels": found}, {}, answers.failures)


def numbers_report(
    test_set: TestSet, samples: Sequence[Sample], said: Sequence[Mapping[str, float]], *, findings: Sequence[Any]
) -> Report:
    """A report on valence, arousal and dominance alone; see :func:`affekt.evaluate.dimensions.with_dimensions`.

    Raises
    ------
    InputError
        If there is nothing to compare.
    """
    count = len({speaker_of(sample) for sample in samples} - {None})
    protocol = protocol_of(test_set, samples, "numbers")
    found = Report({}, (), (), protocol=protocol, speakers=count, findings=tuple(findings), stamps=stamps(findings))
    found = with_dimensions(found, samples, said, scale=test_set.scale)
    if not found.metrics:
        raise InputError(f"{test_set.corpus}: there is nothing to compare. {' '.join(found.warnings)}".rstrip())
    sentences = []
    if unanswered := sum(not answer for answer in said):
        sentences.append(f"{unanswered} of {len(said)} clips got no answer and are left out.")
    if count < FEWEST_SPEAKERS:
        sentences.append(f"{count} speakers: the interval is over clips and says nothing about other speakers.")
    return replace(found, warnings=(*found.warnings, *sentences))


def without_trained_on(
    found: Report, samples: Sequence[Sample], given: Sequence[str | None], trained_on: Sequence[Sample]
) -> Report:
    """A report that adds UAR and WA without the near-duplicates of training pictures."""
    judged, learned = evidence_of_pictures(samples), evidence_of_pictures(trained_on)
    small = {**{f"learned {id}": row for id, row in learned.thumbnails.items()}, **judged.thumbnails}
    others = [f"learned {sample.id}" for sample in trained_on]
    near = {id for id, _ in near_duplicate_pictures(small, [s.id for s in samples], others)}
    copies = {id for id, digest in judged.hashes.items() if digest in set(learned.hashes.values())} & near
    kept = [i for i, sample in enumerate(samples) if sample.id not in near]
    sentence = (
        f"{len(near)} of {len(samples)} clips are near-duplicates of one of the {len(trained_on)} that the model is "
        f"said to have learned from, {len(copies)} of them to the last pixel."
    )
    found = replace(found, warnings=(*found.warnings, sentence))
    if near and kept:
        rest = report([samples[i] for i in kept], [given[i] for i in kept], rng=np.random.default_rng(0))
        metrics = {f"{name} without them": rest.metrics[name] for name in ("UAR", "WA")}
        found = replace(found, metrics={**found.metrics, **metrics})
    return found


def of_pictures(found: Report, note: str) -> Report:
    """A report worded for pictures, with their treatment in its protocol."""
    return replace(
        found,
        protocol=in_words_of("face", "; ".join(part for part in (found.protocol, note) if part)),
        warnings=tuple(in_words_of("face", sentence) for sentence in found.warnings),
        stamps=tuple(in_words_of("face", stamp) for stamp in found.stamps),
    )


def restriction(test_set: TestSet, labels: Sequence[str]) -> LabelMap:
    """The map from a model's labels to those of a test set's corpus.

    Raises
    ------
    CorpusError
        If fewer than two are shared.
    """
    corpus = CORPORA[test_set.corpus].labels if test_set.corpus in CORPORA else ()
    known = set(corpus) or {str(sample.label) for sample in test_set.samples}
    shared = [label for label in labels if label in known]
    if len(shared) < 2:
        raise CorpusError(
            f"{test_set.corpus}: of its labels ({', '.join(sorted(known))}) the model knows {len(shared)}; "
            f"it has {', '.join(labels)}. Give a corpus that shares at least two."
        )
    return LabelMap({label: (label,) for label in shared})


def protocol_of(test_set: TestSet, samples: Sequence[Sample], kind: str) -> str:
    """The protocol in words: who is tested, on which labels."""
    count = len({s.speaker for s in samples if s.speaker is not None})
    known = f"{count} {'held-out ' if test_set.held_out else ''}speaker{'s' * (count != 1)}"
    unknown = "speakers unknown" if any(s.speaker is None for s in samples) else ""
    who = " and ".join(words for words in (known if count else "", unknown) if words)
    baseline = "" if test_set.baseline == "none" else f"; {BASELINES[test_set.baseline]}"
    words = f"{test_set.corpus}: {who}; {kind}{baseline}"
    return f"{words}; {test_set.protocol}" if test_set.protocol else words


def _with_abstention(found: Report, answers: Answers, threshold: float) -> Report:
    """The report with coverage, and precision when sure, choosing among all of the model's labels."""
    if not threshold:
        return found
    outcome = outcomes([str(s.label) for s in answers.samples], [p.scores for p in answers.summaries])
    speakers = [speaker_of(sample) for sample in answers.samples]
    precision, coverage = selected(outcome, speakers, threshold, rng=np.random.default_rng(0))
    metrics = {**found.metrics, "coverage, all labels": coverage}
    if precision.n:
        return replace(found, metrics={**metrics, "precision when sure, all labels": precision})
    sentence = f"the model is never sure (confidence {threshold:g} or more): there is no precision when sure."
    return replace(found, metrics=metrics, warnings=(*found.warnings, sentence))


def _annotated(found: Report, test_set: TestSet, answers: Answers) -> Report:
    """The report with the warnings and stamps of the test set, and the clips that could not be read."""
    sentences = list(test_set.warnings)
    if answers.failures:
        named = ", ".join(failure.source for failure in answers.failures[:NAMED_FAILURES])
        more = ", ..." if len(answers.failures) > NAMED_FAILURES else ""
        sentences.append(
            f"{len(answers.failures)} of {len(test_set.samples)} clips could not be read and are left out "
            f"({named}{more})."
        )
    for stamp in test_set.stamps:
        found = stamped(found, stamp)
    return replace(found, warnings=(*sentences, *found.warnings))
