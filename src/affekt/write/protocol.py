"""Results of a protocol for a voice model -> text, Markdown and LaTeX: a row for each speaker baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from affekt.types import Estimate
from affekt.write.tables import interval, latex_document, latex_table, markdown_table, text_table

#: As ``affekt.train.voice.protocols.run_protocol`` returns them and NAME.json stores them.
Rows = Sequence[Mapping[str, Any]]
METRICS = ("UAR", "WA", "macro F1")
HEAD = ("corpus", "baseline", "labels", "clips", "speakers", *METRICS, "worst speaker")


def protocol_rows(rows: Rows) -> list[tuple[object, ...]]:
    """The table with its header; metrics with their 95 % intervals."""
    found: list[tuple[object, ...]] = [HEAD]
    for row in rows:
        metrics = {name: Estimate(**row["metrics"][name]) for name in METRICS}
        worst = row.get("worst_speaker")
        last = f"{worst['speaker']} ({worst['UAR']:.2f})" if worst else "-"
        labels = f"{row['labels']} ({len(row['classes'])})"
        speakers = row.get("speakers") or "unknown"
        counts = (metrics["UAR"].n, speakers)
        found.append((row["corpus"], row["baseline"], labels, *counts, *map(interval, metrics.values()), last))
    return found


def to_text(rows: Rows) -> str:
    """The table for a terminal, below the words of the protocol."""
    return "\n".join([*_words(rows), *text_table(protocol_rows(rows))])


def to_markdown(rows: Rows) -> str:
    """The table in Markdown."""
    head, *body = protocol_rows(rows)
    return "\n".join([*_words(rows), "", *markdown_table(head, body)]) + "\n"


def to_latex(rows: Rows) -> str:
    """The table for LaTeX with booktabs."""
    head, *body = protocol_rows(rows)
    name = str(rows[0]["protocol"])
    caption = f"{' '.join(_words(rows))} With 95 % intervals."
    return latex_document([latex_table(head, body, caption=caption, label=name)])


def _words(rows: Rows) -> list[str]:
    return [f"{rows[0]['protocol']}: {rows[0]['words']}."]


FORMATS: dict[str, Callable[[Rows], str]] = {"text": to_text, "markdown": to_markdown, "latex": to_latex}
