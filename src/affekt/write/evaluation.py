"""The evaluation of a model on several corpora -> text, Markdown, JSON, and scores on its card."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from affekt.metrics.permutation import Comparison
from affekt.models.card import Card
from affekt.types import Report
from affekt.write.clips import ClipAnswer
from affekt.write.report import TOTALS, class_rows, confusion_rows, estimate_record, metric_rows
from affekt.write.report import record as report_record
from affekt.write.report import to_markdown as report_markdown
from affekt.write.report import to_text as report_text
from affekt.write.tables import escaped, interval, latex_document, latex_table, markdown_table, text_table

SCHEMA = "affekt/evaluation-1"
CORPUS_LABELS, ALL_LABELS = "corpus labels", "all labels"
#: The metrics that a card lists.
CARD_METRICS = ("UAR", "WA", "macro F1", "UAR, all labels")
#: Prefixes of the metrics that it lists for each dimension.
CARD_DIMENSIONS = ("CCC, ", "RMSE, ", "pairs in order, ")


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
        Caveats about the other model.
    clips : tuple of ClipAnswer
        The answer to each clip.
    """

    reports: Mapping[str, Report]
    failures: tuple[tuple[str, str], ...] = ()
    comparison: Comparison | None = None
    notes: tuple[str, ...] = ()
    clips: tuple[ClipAnswer, ...] = ()

    @property
    def report(self) -> Report:
        """The report among the corpus's labels, with the UAR among all of the model's beside it."""
        main, free = self.reports[CORPUS_LABELS], self.reports[ALL_LABELS]
        if "UAR" not in free.metrics:  # numbers alone
            return main
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
        The speaker baseline that the model was given, or ``none``.
    compared : str, optional
        The other model.
    """

    model: str
    corpora: Mapping[str, CorpusEvaluation]
    side: str = "test"
    baseline: str = "none"
    compared: str | None = None


def comparison_sentences(evaluation: ModelEvaluation, corpus: str) -> list[str]:
    """The paired test of two models, and caveats about the other one; empty if there is no other."""
    entry, other = evaluation.corpora[corpus], evaluation.compared
    if entry.comparison is None:
        return []
    first = f"{other} minus {evaluation.model}: UAR {entry.comparison}"
    return [first, *(f"{other}: {sentence}" for sentence in entry.notes)]


def summary_rows(evaluation: ModelEvaluation) -> list[tuple[object, ...]]:
    """One row per corpus, below a header: clips, speakers, UAR, WA and macro F1 with intervals, chance, stamps."""
    rows: list[tuple[object, ...]] = [("corpus", "clips", "speakers", "UAR", "WA", "macro F1", "chance", "stamped")]
    for name, entry in evaluation.corpora.items():
        report = entry.report
        known = [report.metrics.get(metric) for metric in ("UAR", "WA", "macro F1")]
        metrics = [interval(estimate) if estimate else "-" for estimate in known]
        chance = "-" if report.chance is None else f"{report.chance:.2f}"
        stamps = ", ".join(stamp.upper() for stamp in report.stamps) or "-"
        count = max(estimate.n for estimate in report.metrics.values())
        rows.append((name, count, report.speakers or "unknown", *metrics, chance, stamps))
    return rows


def to_text(evaluation: ModelEvaluation, *, slices: bool = False) -> str:
    """The reports for a terminal, one after the other; with several corpora, a summary comes first.

    ``slices`` lists every slice.
    """
    blocks = ["\n".join(text_table(summary_rows(evaluation)))] if len(evaluation.corpora) > 1 else []
    for name, entry in evaluation.corpora.items():
        sentences = comparison_sentences(evaluation, name)
        blocks.append("\n".join([report_text(entry.report, slices=slices), *(f"  {line}" for line in sentences)]))
    return "\n\n".join(blocks)


def to_markdown(evaluation: ModelEvaluation) -> str:
    """The reports as a Markdown page."""
    blocks = [f"# {escaped(evaluation.model)}\n"]
    if len(evaluation.corpora) > 1:
        head, *rows = summary_rows(evaluation)
        blocks.append("\n".join(markdown_table(head, rows)) + "\n")
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


def to_latex(evaluation: ModelEvaluation) -> str:
    """All tables for LaTeX with booktabs: the summary, and for each corpus metrics, classes and confusion.

    The stamps are in the captions.
    """
    head, *rows = summary_rows(evaluation)
    tables = [
        latex_table(head, rows, caption=f"{evaluation.model}: all corpora, with 95 % intervals.", label="summary")
    ]
    for name, entry in evaluation.corpora.items():
        report = entry.report
        stamps = "".join(f" {stamp.upper()}." for stamp in report.stamps)
        about = f"{evaluation.model}, {report.protocol or name}.{stamps}"
        metrics = ("metric", "value", "95 % interval", "clips")
        tables.append(latex_table(metrics, metric_rows(report.metrics), caption=about, label=f"{name}-metrics"))
        if report.per_class:
            head, *rows = class_rows(report)
            caption = f"{about} Recall with its 95 % interval."
            tables.append(latex_table(head, rows, caption=caption, label=f"{name}-labels", totals=TOTALS))
        if report.labels:
            head, *rows = confusion_rows(report)
            tables.append(latex_table(head, rows, caption=f"{about} Rows are the truth.", label=f"{name}-confusion"))
    return latex_document(tables)


FORMATS: dict[str, Callable[..., str]] = {
    "text": to_text,
    "json": to_json,
    "markdown": to_markdown,
    "latex": to_latex,
}


def with_scores(card: Card, reports: Mapping[str, Report]) -> Card:
    """The card with the scores of reports by corpus, and with their stamps among its limits."""
    scores = {
        name: {
            metric: [round(e.value, 4), round(e.low, 4), round(e.high, 4), e.n]
            for metric, e in report.metrics.items()
            if metric in CARD_METRICS or metric.startswith(CARD_DIMENSIONS)
        }
        for name, report in reports.items()
    }
    heads = {name: f"The scores on {name} are stamped: " for name in reports}
    kept = [limit for limit in card.limits if not limit.startswith(tuple(heads.values()))]
    stamped = [f"{heads[name]}{'; '.join(report.stamps)}." for name, report in reports.items() if report.stamps]
    return replace(card, scores={**card.scores, **scores}, limits=(*kept, *stamped))
