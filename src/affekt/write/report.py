"""A Report as text, JSON or Markdown. The stamps always come first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from affekt.types import Estimate, Report
from affekt.write.tables import escaped, markdown_table, text_table

SCHEMA = "affekt/report-1"


def to_text(report: Report, *, slices: bool = False) -> str:
    """A report for a terminal.

    Parameters
    ----------
    report : Report
    slices : bool
        List every slice; otherwise only the worst speaker.

    Examples
    --------
    >>> print(to_text(Report({"UAR": Estimate(0.5, 0.4, 0.6, 20)}, ("a", "b"), ((5, 5, 0), (5, 5, 0)), protocol="p")))
    p
      UAR                    0.500 [0.400, 0.600] n=20
    """
    lines = [*(f"!! {stamp.upper()} !!" for stamp in report.stamps), *([report.protocol] if report.protocol else [])]
    lines += [f"  {name:22} {estimate}" for name, estimate in report.metrics.items()]
    lines += [f"  {sentence}" for sentence in chance_sentences(report)]
    if report.per_class:
        lines += ["", *(f"  {line}" for line in text_table(class_rows(report)))]
    if slices and report.slices:
        lines += ["", "  UAR by slice", *(f"  {name:22} {estimate}" for name, estimate in report.slices.items())]
    elif worst := worst_speaker(report):
        lines += ["", f"  worst speaker: {worst[0]}, UAR {worst[1]}"]
    lines += [f"  note: {sentence}" for sentence in report.warnings]
    lines += [f"  {finding.severity}: {finding.what}" for finding in report.findings]
    return "\n".join(lines)


def to_json(report: Report, *, indent: int | None = 2) -> str:
    """A report as JSON text, with ``"schema": "affekt/report-1"``; :func:`record` is what is written.

    Examples
    --------
    >>> json.loads(to_json(Report({}, ("a", "b"), ())))["schema"]
    'affekt/report-1'
    """
    return json.dumps(record(report), indent=indent, ensure_ascii=False, allow_nan=False)


def record(report: Report) -> dict[str, Any]:
    """A report as plain dicts, lists, texts and numbers; an estimate is ``{value, low, high, n}``."""
    return {
        "schema": SCHEMA,
        "stamps": list(report.stamps),
        "protocol": report.protocol,
        "warnings": list(report.warnings),
        "speakers": report.speakers,
        "chance": report.chance,
        "p_value": report.p_value,
        "metrics": {name: estimate_record(e) for name, e in report.metrics.items()},
        "labels": list(report.labels),
        "per_class": {
            label: {key: estimate_record(e) if isinstance(e, Estimate) else e for key, e in entry.items()}
            for label, entry in report.per_class.items()
        },
        "confusion": [list(row) for row in report.confusion],
        "slices": {name: estimate_record(e) for name, e in report.slices.items()},
        "reliability": [{"confidence": c, "accuracy": a, "n": n} for c, a, n in report.reliability],
        "findings": [{key: _plain(value) for key, value in vars(finding).items()} for finding in report.findings],
    }


def to_markdown(report: Report, *, slices: bool = True) -> str:
    """A report as a Markdown page.

    Examples
    --------
    >>> print(to_markdown(Report({}, (), (), stamps=("trained on these clips",), protocol="p")).splitlines()[2])
    > **TRAINED ON THESE CLIPS**
    """
    lines = [f"## {escaped(report.protocol or 'Report')}", ""]
    for stamp in report.stamps:
        lines += [f"> **{escaped(stamp.upper())}**", ""]
    lines += [*markdown_table(("metric", "value", "95 % interval", "clips"), metric_rows(report.metrics)), ""]
    lines += [*(f"{sentence}" for sentence in chance_sentences(report)), ""]
    if report.per_class:
        head, *rows = class_rows(report)
        lines += [*markdown_table(head, rows), ""]
    if report.labels:
        head, *rows = confusion_rows(report)
        lines += ["Confusion (rows are the truth):", "", *markdown_table(head, rows), ""]
    if slices and report.slices:
        lines += [*markdown_table(("slice", "UAR", "95 % interval", "clips"), metric_rows(report.slices)), ""]
    lines += [f"- {escaped(sentence)}" for sentence in (*report.warnings, *finding_sentences(report))]
    return "\n".join(lines).rstrip() + "\n"


FORMATS: dict[str, Callable[..., str]] = {"text": to_text, "json": to_json, "markdown": to_markdown}


def worst_speaker(report: Report) -> tuple[str, Estimate] | None:
    """Name and UAR of the speaker with the lowest UAR, if there are slices by speaker."""
    speakers = {name.partition("=")[2]: e for name, e in report.slices.items() if name.startswith("speaker=")}
    return min(speakers.items(), key=lambda item: item[1].value) if speakers else None


def metric_rows(table: Mapping[str, Estimate]) -> list[tuple[str, str, str, int]]:
    """Rows of name, value, interval and n."""
    return [(name, f"{e.value:.3f}", f"{e.low:.3f} to {e.high:.3f}", e.n) for name, e in table.items()]


def confusion_rows(report: Report) -> list[tuple[object, ...]]:
    """The confusion matrix with its header; the column of other answers only if there are any."""
    others = any(row[-1] for row in report.confusion)
    head = ("true", *report.labels, *(["other or none"] if others else []))
    width = len(head) - 1
    return [head, *((label, *row[:width]) for label, row in zip(report.labels, report.confusion, strict=True))]


@dataclass(frozen=True)
class FindingRow:
    """One caveat as a row of a table.

    Parameters
    ----------
    severity : str
        ``severe``, ``warning`` or ``note``.
    what, how_much, remedy : str
    more : str
        Further details: what it inflates, and examples.
    """

    severity: str
    what: str
    how_much: str = ""
    remedy: str = ""
    more: str = ""


def finding_rows(report: Report) -> list[FindingRow]:
    """What the audit found, the severe ones first, then the warnings of the report."""
    rows = []
    for finding in _ranked(report):
        examples = f" For example: {', '.join(finding.examples)}." if finding.examples else ""
        more = f"It inflates {finding.inflates}.{examples}"
        rows.append(FindingRow(finding.severity, finding.name, finding.what, finding.remedy, more))
    return [*rows, *(FindingRow("note", sentence) for sentence in report.warnings)]


def finding_sentences(report: Report) -> list[str]:
    """What the audit found, one sentence each, the severe ones first."""
    return [f"{finding.severity}: {finding.what}" for finding in _ranked(report)]


def _ranked(report: Report) -> list[Any]:
    order = ("severe", "warning", "note")
    return sorted(report.findings, key=lambda f: order.index(f.severity) if f.severity in order else len(order))


def chance_sentences(report: Report) -> list[str]:
    """The score of guessing, and whether the result could be chance."""
    if report.chance is None or report.p_value is None:
        return []
    p = f"p = {report.p_value:.3f}"
    within = " within speakers" if report.speakers else ""
    return [f"chance is a UAR of {report.chance:.3f}; {p} with labels shuffled{within}"]


def class_rows(report: Report) -> list[tuple[object, ...]]:
    """Precision, recall and F1 of each class, below a header; recall with its interval.

    The last :data:`TOTALS` rows are accuracy and the averages over classes, plain and weighted by clips, as in
    scikit-learn's ``classification_report``; their interval is that of the recall.
    """
    rows: list[tuple[object, ...]] = [("label", "precision", "recall", "95 % interval", "F1", "support")]
    table, supports = [], []
    for label, entry in report.per_class.items():
        values = [_value(entry[key]) for key in ("precision", "recall", "f1")]
        e, support = entry["recall"], int(_value(entry["support"]))
        rows.append((label, *(f"{value:.3f}" for value in values[:2]), _span(e), f"{values[2]:.3f}", support))
        table.append(values)
        supports.append(support)
    total = sum(supports)
    if not total:
        return rows
    right = sum(values[1] * support for values, support in zip(table, supports, strict=True)) / total
    rows.append(("accuracy", "", "", _span(report.metrics.get("WA")), f"{right:.3f}", total))
    averages = {"macro avg": ([1] * len(table), "UAR"), "weighted avg": (supports, "WA")}
    for name, (weights, metric) in averages.items():
        columns = zip(*table, strict=True)
        means = [sum(v * w for v, w in zip(column, weights, strict=True)) / sum(weights) for column in columns]
        span = _span(report.metrics.get(metric))
        rows.append((name, *(f"{value:.3f}" for value in means[:2]), span, f"{means[2]:.3f}", total))
    return rows


#: Rows of averages at the end of :func:`class_rows`.
TOTALS = 3


def _value(e: Estimate | int) -> float:
    """The number alone."""
    return e.value if isinstance(e, Estimate) else float(e)


def _span(e: object) -> str:
    return f"{e.low:.3f} to {e.high:.3f}" if isinstance(e, Estimate) else ""


def estimate_record(e: Estimate) -> dict[str, float | int]:
    """An estimate as a plain dict: value, low, high, n."""
    return {"value": e.value, "low": e.low, "high": e.high, "n": e.n}


def _plain(value: object) -> object:
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(v) for key, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, Iterable) else str(value)
