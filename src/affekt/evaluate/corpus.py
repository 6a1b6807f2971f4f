"""Evaluation of a model on a corpus, through the same engine that users call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from affekt.corpora import CORPORA
from affekt.data.splits import fixed_speakers, fixed_split
from affekt.errors import CorpusError, InputError
from affekt.evaluate.speakers import BASELINES, baselines_of_samples
from affekt.labels import LabelMap
from affekt.metrics.report import report, stamped
from affekt.metrics.selective import outcomes, selected
from affekt.metrics.slices import speaker_of
from affekt.models.card import Card
from affekt.recognize.batch import Failure, predict_many
from affekt.recognize.recognizer import Recognizer
from affekt.train.sources import split_hash as split_hash_of
from affekt.types import Prediction, Report, Sample

SIDES = ("test", "dev", "all")
#: Of cards: the split hashes of :func:`fixed_split` over whole corpora, and which corpora those are.
COMMITTED: Mapping[str, tuple[str, ...]] = {
    "102792d0db56d989f16d9c234847e955e363d8def5f3d229e6fd8039d0553a95": (
        "ravdess", "tess", "savee", "emovo", "urdu", "banglaser", "nemo", "ased", "turev_db",
    ),
}  # fmt: skip
NAMED_FAILURES = 3


@dataclass(frozen=True)
class TestSet:
    """Clips to evaluate a model on, and what has to be said about them.

    Parameters
    ----------
    corpus : str
        Name of the corpus, for the protocol.
    samples : tuple of Sample
        With labels.
    protocol : str
        Who is tested, and what the model learned from them.
    warnings, stamps : tuple of str
        For the report.
    held_out : bool
        Whether the model is known not to have learned from these speakers.
    baseline : str
        The speaker baseline that the model is given: ``none``, or a key of ``affekt.evaluate.speakers.BASELINES``.
    """

    #: pytest would otherwise take it for a class of tests.
    __test__ = False

    corpus: str
    samples: tuple[Sample, ...]
    protocol: str = ""
    warnings: tuple[str, ...] = ()
    stamps: tuple[str, ...] = ()
    held_out: bool = True
    baseline: str = "none"


@dataclass(frozen=True)
class Answers:
    """What a model answered to the clips of a test set.

    Parameters
    ----------
    samples : tuple of Sample
        Those that could be read, with ``meta["duration"]`` in seconds.
    summaries : tuple of Prediction
        One per sample; it abstains where there is no speech.
    failures : tuple of Failure
        Clips that could not be read.
    labels : tuple of str
        The model's.
    """

    samples: tuple[Sample, ...]
    summaries: tuple[Prediction, ...]
    failures: tuple[Failure, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Evaluation:
    """The evaluation result of a model on one test set: scores of its best guesses, however unsure it is.

    Where the model may say that it is not sure, ``coverage, all labels`` and
    ``precision when sure, all labels`` stand beside them, as a user gets it.

    Parameters
    ----------
    reports : mapping of str to Report
        ``"corpus labels"``: choosing among the labels the corpus has, as the
        field does. ``"all labels"``: choosing among all the model's labels, as
        a user who restricts nothing gets it.
    predicted : mapping of str to the chosen labels
        For the same two, by sample id; None is no answer.
    failures : tuple of Failure
    """

    reports: Mapping[str, Report]
    predicted: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()


def select_test_set(
    name: str, samples: Sequence[Sample], card: Card, *, side: str = "test", split_hash: str = ""
) -> TestSet | None:
    """Select the clips of a corpus that a model is tested on, and say what it may have learned from them.

    Parameters
    ----------
    name : str
        A key of ``CORPORA``.
    samples : sequence of Sample
        All of that corpus.
    card : Card
        The model's.
    side : str
        ``test`` or ``dev``: the committed speakers. ``all``: everybody. A corpus
        without committed speakers is tested as a whole.
    split_hash : str
        Of the committed split of all corpora at hand; when it is the card's, the
        model is known not to have learned from the tested speakers.

    Returns
    -------
    TestSet or None
        None when the corpus has no speakers on that side.

    Raises
    ------
    InputError
        If the side does not exist.
    """
    if side not in SIDES:
        raise InputError(f"side is {side!r}; allowed: {', '.join(SIDES)}.")
    fixed, learned = name in fixed_speakers(), {name, *(sample.corpus for sample in samples)} & set(card.data)
    whole = side == "all" or not fixed
    chosen = tuple(samples) if whole else getattr(fixed_split(samples), side)
    labelled = tuple(sample for sample in chosen if sample.label is not None)
    if not labelled:
        return None
    found = TestSet(name, labelled, "all speakers" if whole else f"committed {side} speakers")
    if len(labelled) < len(chosen):
        found = _warned(found, f"{len(chosen) - len(labelled)} clips have no label and are left out.")
    if not learned and name == "folder":
        sentence = "whether the model learned from these recordings or these voices is not known."
        return replace(_warned(found, sentence), held_out=False)
    if not learned:
        return replace(found, protocol=f"{found.protocol}; the model did not learn from {name}")
    if whole:
        sentence = f"the model learned from {name}, and all speakers are tested: those it was trained on, too."
        return replace(_warned(found, sentence), stamps=("trained on these clips",), held_out=False)
    if card.split != split_hash and name not in COMMITTED.get(card.split, ()):
        sentence = (
            f"the model learned from {name}, and its card's split is not the committed one, as far as can "
            "be checked here: it may have been trained on these speakers."
        )
        return replace(_warned(found, sentence), held_out=False)
    if side == "dev":
        sentence = "dev speakers: the model's epoch and temperature were chosen on them, so the score flatters it."
        found = _warned(found, sentence)
    return replace(found, protocol=f"{found.protocol}; by its card's split the model was not trained on them")


def known_split(readings: Mapping[str, Sequence[Sample]], card: Card) -> str:
    """Hash of the committed split of the corpora a card lists, in full; empty when not all of them are at hand."""
    if not set(card.data) <= set(readings) & set(fixed_speakers()):
        return ""
    return split_hash_of(fixed_split([sample for name in card.data for sample in readings[name]]))


def _warned(test_set: TestSet, sentence: str) -> TestSet:
    return replace(test_set, warnings=(*test_set.warnings, sentence))


def evaluate(
    recognizer: Recognizer,
    test_set: TestSet | Sequence[Sample],
    *,
    jobs: int = 1,
    tick: Callable[[], None] = lambda: None,
    findings: Sequence[Any] = (),
) -> Evaluation:
    """Recognise the clips of a test set and report, twice: among the corpus's labels, and among all of the model's.

    Parameters
    ----------
    recognizer : Recognizer
        With all its labels.
    test_set : TestSet, or sequence of Sample
        Of one corpus, none of which the model learned from.
    jobs : int
        Recordings at a time.
    tick : callable
        Called after each recording, and once more for each where speaker baselines are computed first.
    findings : sequence
        What an audit of the corpus found.

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
    answers = answer(recognizer, test_set.samples, jobs=jobs, tick=tick, baseline=test_set.baseline)
    if not answers.samples:
        raise CorpusError(
            f"{test_set.corpus}: none of its {len(test_set.samples)} clips can be read. The first: "
            f"{answers.failures[0].source}: {answers.failures[0].reason}"
        )
    restricted, reports, predicted = restriction(test_set, answers.labels), {}, {}
    for kind, scores in {
        "corpus labels": [restricted.apply(p.scores) if p.scores else {} for p in answers.summaries],
        "all labels": [dict(p.scores) for p in answers.summaries],
    }.items():
        given = [max(row, key=row.__getitem__) if row else None for row in scores]
        found = report(
            answers.samples,
            given,
            rng=np.random.default_rng(0),
            protocol=_protocol(test_set, answers.samples, kind),
            scores=scores,
            findings=findings,
        )
        reports[kind] = _with_abstention(_annotated(found, test_set, answers), answers, recognizer.threshold)
        predicted[kind] = {sample.id: label for sample, label in zip(answers.samples, given, strict=True)}
    return Evaluation(reports, predicted, answers.failures)


def answer(
    recognizer: Recognizer,
    samples: Sequence[Sample],
    *,
    jobs: int = 1,
    tick: Callable[[], None] = lambda: None,
    baseline: str = "none",
) -> Answers:
    """Recognise samples, stretches of recordings among them; those that cannot be read are kept apart.

    With ``baseline``, a key of ``affekt.evaluate.speakers.BASELINES``, each is
    compared with other clips of its speaker. All are then read twice, and ``tick`` is called for both.
    """
    with_baseline = {} if baseline == "none" else baselines_of_samples(recognizer, samples, baseline, tick=tick)
    readable: list[Sample] = []
    summaries: list[Prediction] = []
    failures: list[Failure] = []
    outcomes = predict_many(recognizer, samples, jobs=jobs, with_baseline=with_baseline)
    for sample, outcome in zip(samples, outcomes, strict=True):
        tick()
        if isinstance(outcome, Failure):
            failures.append(Failure(sample.path, outcome.reason))
            continue
        readable.append(replace(sample, meta={**sample.meta, "duration": outcome.duration}))
        summaries.append(outcome.summary)
    return Answers(tuple(readable), tuple(summaries), tuple(failures), recognizer.labels)


def restriction(test_set: TestSet, labels: Sequence[str]) -> LabelMap:
    """The map from a model's labels to those that the corpus of a test set has.

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


def _protocol(test_set: TestSet, samples: Sequence[Sample], kind: str) -> str:
    count = len({s.speaker for s in samples if s.speaker is not None})
    known = f"{count} {'held-out ' if test_set.held_out else ''}speaker{'s' * (count != 1)}"
    unknown = "speakers unknown" if any(s.speaker is None for s in samples) else ""
    who = " and ".join(words for words in (known if count else "", unknown) if words)
    baseline = "" if test_set.baseline == "none" else f"; {BASELINES[test_set.baseline]}"
    words = f"{test_set.corpus}: {who}; {kind}{baseline}"
    return f"{words}; {test_set.protocol}" if test_set.protocol else words


def _with_abstention(found: Report, answers: Answers, threshold: float) -> Report:
    """The report with how often the model answers, and is then right, choosing among all its labels."""
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
