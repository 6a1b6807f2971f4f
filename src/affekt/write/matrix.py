"""The cross-corpus matrix -> text, Markdown, LaTeX, JSON, CSV: the table of UAR, and the details of each pair."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from affekt.labels import DIMENSIONS
from affekt.metrics.across import CrossCorpus, cross_corpus
from affekt.types import Report
from affekt.write.report import record as report_record
from affekt.write.tables import (
    escaped,
    interval,
    latex_document,
    latex_table,
    markdown_table,
    text_table,
)

SCHEMA = "affekt/matrix-1"
PAIR_HEAD = ("tested on", "clips", "speakers", "UAR", "WA", "macro F1", "chance", "p", "stamped")


@dataclass(frozen=True)
class MatrixRun:
    """Scores of several models, or of models trained on several corpora, on each test corpus.

    Parameters
    ----------
    title : str
        What was trained, or which finished models were used.
    reports : mapping of (trained, tested) to Report
    labels : tuple of str
        The labels of all cells; empty where each corpus has its own.
    warnings : tuple of str
    finished : bool
        Whether finished models were used, not trained here.
    """

    title: str
    reports: Mapping[tuple[str, str], Report]
    labels: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    finished: bool = False

    @property
    def matrix(self) -> CrossCorpus:
        """The table of UAR."""
        return cross_corpus(self.reports, finished=self.finished)


def pair_rows(run: MatrixRun) -> list[tuple[object, ...]]:
    """One row per pair, below a header."""
    rows: list[tuple[object, ...]] = [(run.matrix.row, *PAIR_HEAD)]
    for (trained, tested), report in run.reports.items():
        metrics = [interval(report.metrics[name]) for name in ("UAR", "WA", "macro F1")]
        chance = "-" if report.chance is None else f"{report.chance:.2f}"
        p = "-" if report.p_value is None else f"{report.p_value:.3f}"
        stamps = ", ".join(stamp.upper() for stamp in report.stamps) or "-"
        n, speakers = report.metrics["UAR"].n, report.speakers or "unknown"
        rows.append((trained, tested, n, speakers, *metrics, chance, p, stamps))
    return rows


def number_rows(run: MatrixRun) -> list[tuple[object, ...]]:
    """One row per pair and dimension, below a header; empty where no corpus has ratings of dimensions."""
    rows: list[tuple[object, ...]] = [
        (run.matrix.row, "tested on", "dimension", "CCC", "RMSE", "pairs in order", "clips")
    ]
    for (trained, tested), report in run.reports.items():
        for name in DIMENSIONS:
            if found := report.metrics.get(f"CCC, {name}"):
                cells = [report.metrics.get(f"{metric}, {name}") for metric in ("CCC", "RMSE", "pairs in order")]
                rows.append((trained, tested, name, *(interval(e) if e else "-" for e in cells), found.n))
    return rows if len(rows) > 1 else []


def sentences(run: MatrixRun) -> list[str]:
    """The protocol in words, and the caveats."""
    labels = f"{len(run.labels)} labels that all corpora have: {', '.join(run.labels)}." if run.labels else ""
    how = "UAR with 95 % intervals over speakers, where they are known."
    if not run.finished:  # finished models have no known diagonal
        how += " On the diagonal other speakers are tested."
    return [line for line in (f"{run.title}.", labels, how, *run.warnings) if line]


def to_text(run: MatrixRun) -> str:
    """The table of UAR for a terminal; stamped pairs are named."""
    lines = [*(f"!! {stamp.upper()} !!" for stamp in run.matrix.stamps), *text_table(run.matrix.rows), ""]
    if numbers := number_rows(run):
        lines += [*text_table(numbers, numbers=False), ""]
    lines += sentences(run)
    for (trained, tested), report in run.reports.items():
        lines += [f"!! {trained} on {tested}: {stamp.upper()} !!" for stamp in report.stamps]
    return "\n".join(lines)


def to_markdown(run: MatrixRun) -> str:
    """The table of UAR and the pairs as a Markdown page."""
    lines = ["# Across corpora", ""]
    for stamp in run.matrix.stamps:
        lines += [f"> **{escaped(stamp.upper())}**", ""]
    lines += [*markdown_table(run.matrix.rows[0], run.matrix.rows[1:]), ""]
    head, *rows = pair_rows(run)
    lines += [*markdown_table(head, rows), ""]
    if numbers := number_rows(run):
        lines += [*markdown_table(numbers[0], numbers[1:]), ""]
    lines += [f"- {escaped(line)}" for line in sentences(run)]
    return "\n".join(lines) + "\n"


def to_latex(run: MatrixRun) -> str:
    """Both tables for LaTeX with booktabs; the stamps are in the caption."""
    stamps = "".join(f" {stamp.upper()}." for stamp in run.matrix.stamps)
    head, *rows = run.matrix.rows
    tables = [latex_table(head, rows, caption=f"{run.matrix.caption}{stamps} {run.title}.", label="matrix")]
    head_of_pairs, *pairs = pair_rows(run)
    tables.append(latex_table(head_of_pairs, pairs, caption=f"All pairs of corpora.{stamps}", label="matrix-pairs"))
    if numbers := number_rows(run):
        caption = f"Valence, arousal, dominance, on the scale of -1 to 1.{stamps}"
        tables.append(latex_table(numbers[0], numbers[1:], caption=caption, label="matrix-numbers"))
    return latex_document(tables)


def to_json(run: MatrixRun) -> str:
    """Everything as JSON text, with the whole report of each pair."""
    row = "model" if run.finished else "trained"
    pairs = [{row: a, "tested": b, "report": report_record(report)} for (a, b), report in run.reports.items()]
    table: dict[str, Any] = {"schema": SCHEMA, "title": run.title, "labels": list(run.labels)}
    table |= {"warnings": list(run.warnings), "pairs": pairs}
    return json.dumps(table, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(run: MatrixRun) -> str:
    """One row per pair, with separate columns for values and interval bounds."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    metrics = ("UAR", "WA", "macro F1")
    ends = [f"{name}{end}" for name in metrics for end in ("", " low", " high")]
    writer.writerow(
        ["model" if run.finished else "trained", "tested", "clips", "speakers", *ends, "chance", "p", "stamps"]
    )
    for (trained, tested), report in run.reports.items():
        values = [round(x, 4) for name in metrics for e in [report.metrics[name]] for x in (e.value, e.low, e.high)]
        last = [report.chance, report.p_value, "; ".join(report.stamps)]
        writer.writerow([trained, tested, report.metrics["UAR"].n, report.speakers, *values, *last])
    return file.getvalue()


FORMATS: dict[str, Callable[[MatrixRun], str]] = {
    "text": to_text,
    "markdown": to_markdown,
    "latex": to_latex,
    "json": to_json,
    "csv": to_csv,
}
