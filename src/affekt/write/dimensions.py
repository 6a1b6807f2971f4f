"""Scores of models of valence, arousal and dominance -> rows of a table, Markdown, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from affekt.types import Report
from affekt.write.report import finding_sentences
from affekt.write.report import record as report_record
from affekt.write.tables import escaped, interval, markdown_table

SCHEMA = "affekt/dimensions-1"


def model_rows(reports: Mapping[str, Report]) -> list[tuple[str, ...]]:
    """One row per model and dimension, below a header: the metrics with intervals, clips, speakers, stamps."""
    rows: list[tuple[str, ...]] = [("model", "dimension", "CCC", "RMSE", "pairs in order", "clips", "stamped")]
    for model, report in reports.items():
        names = dict.fromkeys(metric.rpartition(", ")[2] for metric in report.metrics)
        for name in names:
            found = {metric: report.metrics.get(f"{metric}, {name}") for metric in rows[0][2:5]}
            cells = [interval(e) if e else "-" for e in found.values()]
            stamps = ", ".join(stamp.upper() for stamp in report.stamps) or "-"
            rows.append((model, name, *cells, str(report.metrics[f"RMSE, {name}"].n), stamps))
    return rows


def to_markdown(title: str, reports: Mapping[str, Report]) -> str:
    """The models side by side as a Markdown page."""
    head, *rows = model_rows(reports)
    report = next(iter(reports.values()))
    lines = [f"# {escaped(title)}", ""]
    for stamp in report.stamps:
        lines += [f"> **{escaped(stamp.upper())}**", ""]
    lines += [escaped(report.protocol), "", *markdown_table(head, rows), ""]
    lines += [f"- {escaped(line)}" for line in (*report.warnings, *finding_sentences(report))]
    return "\n".join(lines) + "\n"


def to_json(recipe: str, reports: Mapping[str, Report], strengths: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Everything as JSON text, with the whole report of each model."""
    models = {
        model: {"report": report_record(report), "strengths": list(map(dict, strengths.get(model, ())))}
        for model, report in reports.items()
    }
    table = {"schema": SCHEMA, "recipe": recipe, "models": models}
    return json.dumps(table, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
