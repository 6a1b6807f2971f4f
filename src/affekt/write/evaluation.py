"""The evaluation of a model on several corpora -> text, Markdown, JSON, and scores on its card."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from affekt.metrics.permutation import Comparison
from affekt.models.card import Card
from affekt.types import Report
from affekt.write.report import estimate_record
from affekt.write.report import record as report_record
from affekt.write.report import to_markdown as report_markdown
from affekt.write.report import to_text as report_text
from affekt.write.tables import escaped

SCHEMA = "affekt/evaluation-1"
CORPUS_LABELS, ALL_LABELS = "corpus labels", "all labels"
#: The metrics that a card lists.
CARD_METRICS = ("UAR", "WA", "macro F1", "UAR, all labels")


@dataclass(frozen=True)
class CorpusEvaluation:
    """The evaluation result of one corpus, and the comparison with another model.

    Parameters
    ----------
    reports : mapping of str to Report
        ``"corpus labels"`` and ``"all labels"``, see :class:`affekt.evaluate.corpus.Evaluation`.
    failures : tuple of (path, reason)
        Clips that could not be read.
    comparison : Comparison, optional
        The other model minus this one.
    notes : tuple of str
        What has to be said about the other model.
    """

    reports: Mapping[str, Report]
    failures: tuple[tuple[str, str], ...] = ()
    comparison: Comparison | None = None
    notes: tuple[str, ...] = ()

    @property
    def report(self) -> Report:
        """The report among the corpus's labels, with the UAR among all of the model's beside it."""
        main, free = self.reports[CORPUS_LABELS], self.reports[ALL_LABELS]
        return replace(main, metrics={**main.metrics, "UAR, all labels": free.metrics["UAR"]})


@dataclass(frozen=True)
class ModelEvaluation:
    """The evaluation results of a model, corpus by corpus.

    Parameters
    ----------
    model : str
    corpora : mapping of str to CorpusEvaluation
    side : str
        The speakers tested: ``test``, ``dev`` or ``all``.
    baseline : str
        The speaker baseline that the model was given; ``none`` without.
    compared : str, optional
        The other model.
    """

    model: str
    corpora: Mapping[str, CorpusEvaluation]
    side: str = "test"
    baseline: str = "none"
    compared: str | None = None


def comparison_sentences(evaluation: ModelEvaluation, corpus: str) -> list[str]:
    """The paired test of two models, and what has to be said about the other one; nothing without another."""
    entry, other = evaluation.corpora[corpus], evaluation.compared
    if entry.comparison is None:
        return []
    first = f"{other} minus {evaluation.model}: UAR {entry.comparison}"
    return [first, *(f"{other}: {sentence}" for sentence in entry.notes)]


def to_text(evaluation: ModelEvaluation, *, slices: bool = False) -> str:
    """The reports for a terminal, one after the other; ``slices`` lists every slice."""
    blocks = []
    for name, entry in evaluation.corpora.items():
        sentences = comparison_sentences(evaluation, name)
        blocks.append("\n".join([report_text(entry.report, slices=slices), *(f"  {line}" for line in sentences)]))
    return "\n\n".join(blocks)


def to_markdown(evaluation: ModelEvaluation) -> str:
    """The reports as a Markdown page."""
    blocks = [f"# {escaped(evaluation.model)}\n"]
    for name, entry in evaluation.corpora.items():
        blocks.append(report_markdown(entry.report))
        if sentences := comparison_sentences(evaluation, name):
            blocks.append("\n".join(f"- {escaped(sentence)}" for sentence in sentences) + "\n")
    return "\n".join(blocks)


def to_json(evaluation: ModelEvaluation) -> str:
    """The reports as JSON text; :func:`record` is what is written."""
    return json.dumps(record(evaluation), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def record(evaluation: ModelEvaluation) -> dict[str, Any]:
    """The evaluation as plain dicts, lists, texts and numbers."""
    corpora: dict[str, dict[str, Any]] = {}
    for name, entry in evaluation.corpora.items():
        corpora[name] = {kind: report_record(report) for kind, report in entry.reports.items()}
        corpora[name]["failures"] = [{"path": path, "reason": reason} for path, reason in entry.failures]
        if entry.comparison:
            corpora[name]["comparison"] = {
                "model": evaluation.compared,
                "metric": "UAR",
                "difference": estimate_record(entry.comparison.difference),
                "p_value": entry.comparison.p_value,
                "speakers": entry.comparison.speakers,
                "notes": list(entry.notes),
            }
    return {
        "schema": SCHEMA,
        "model": evaluation.model,
        "side": evaluation.side,
        "baseline": evaluation.baseline,
        "corpora": corpora,
    }


FORMATS: dict[str, Callable[..., str]] = {"text": to_text, "json": to_json, "markdown": to_markdown}


def with_scores(card: Card, reports: Mapping[str, Report]) -> Card:
    """The card with the scores of reports by corpus, and with their stamps among its limits."""
    scores = {
        name: {
            metric: [round(e.value, 4), round(e.low, 4), round(e.high, 4), e.n]
            for metric, e in report.metrics.items()
            if metric in CARD_METRICS
        }
        for name, report in reports.items()
    }
    heads = {name: f"The scores on {name} are stamped: " for name in reports}
    kept = [limit for limit in card.limits if not limit.startswith(tuple(heads.values()))]
    stamped = [f"{heads[name]}{'; '.join(report.stamps)}." for name, report in reports.items() if report.stamps]
    return replace(card, scores={**card.scores, **scores}, limits=(*kept, *stamped))
