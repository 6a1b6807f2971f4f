"""A model under stress -> text, Markdown, LaTeX, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from affekt.metrics.paired import MEAN, Curve, Level, Point, Stress, main_of, main_of_chance
from affekt.types import Estimate
from affekt.write.report import estimate_record
from affekt.write.tables import escaped, interval, latex_document, latex_table, markdown_table, text_table

SCHEMA = "affekt/stress-1"
HEAD = ("condition", "level", "UAR", "minus clean", "answers changed", "no speech", "confidence", "clips", "altered")


def stress_rows(stress: Stress, corpus: str | None = None) -> list[tuple[str, ...]]:
    """Rows below :data:`HEAD`, the clean clips first: for one corpus, or for the mean."""
    rows = [_row("clean", "", stress.clean, corpus)]
    for curve in stress.curves:
        rows += [
            _row(condition_name(curve), level_name(level), points, corpus) for level, points in curve.points.items()
        ]
    return rows


def corpus_rows(stress: Stress) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of the UAR with its interval, a column for each corpus."""
    names = [name for name in stress.clean if name != MEAN]
    rows = [("clean", "", *(interval(stress.clean[name].recall) for name in names))]
    for curve in stress.curves:
        for level, points in curve.points.items():
            rows.append((curve.title, level_name(level), *(interval(points[name].recall) for name in names)))
    heads = (f"{name} ({stress.clean[name].recall.n} clips, chance {stress.chance[name]:.2f})" for name in names)
    return ("condition", "level", *heads), rows


def condition_name(curve: Curve) -> str:
    """A condition with the unit of its levels; the unit alone where it includes the name (``gain / dB``)."""
    if not curve.unit or curve.unit.startswith(curve.title):
        return curve.unit or curve.title
    return f"{curve.title} ({curve.unit})"


def level_name(level: Level) -> str:
    """A level as text: a number without needless digits, or its name."""
    return level if isinstance(level, str) else f"{level:g}".replace("-", "\N{MINUS SIGN}")


def _row(title: str, level: str, points: Mapping[str, Point], corpus: str | None) -> tuple[str, ...]:
    point = points[corpus] if corpus else main_of(points)
    clean = title == "clean"
    return (
        title,
        level,
        interval(point.recall),
        "" if clean else interval(point.difference, sign=True),
        "" if clean else _per_cent(point.changed),
        _per_cent(point.silent),
        "" if clean or point.confidence is None else interval(point.confidence, sign=True),
        str(point.recall.n),
        "" if clean else str(point.touched),
    )


def _per_cent(e: Estimate) -> str:
    return f"{100 * e.value:.0f} % [{100 * e.low:.0f}, {100 * e.high:.0f}]"


def sentences(stress: Stress) -> list[str]:
    """What comes before the numbers: stamps, protocol, warnings."""
    chance = f"Chance is a UAR of {main_of_chance(stress):.3f}."
    return [*(stamp.upper() for stamp in stress.stamps), stress.protocol, chance, *stress.warnings]


def to_text(stress: Stress) -> str:
    """The comparison for a terminal: the mean of the corpora, and the clean UAR of each."""
    lines = [f"{stress.model} under stress", *sentences(stress), ""]
    lines += text_table([HEAD, *stress_rows(stress)], numbers=False)
    clean = [f"  {name:22} {point.recall}" for name, point in stress.clean.items() if name != MEAN]
    return "\n".join([*lines, "", "UAR of the clean clips", *clean])


def to_markdown(stress: Stress) -> str:
    """The comparison as a Markdown page: the mean of the corpora, and the UAR of each."""
    tables = [(HEAD, stress_rows(stress)), *([corpus_rows(stress)] if MEAN in stress.clean else [])]
    parts = [f"# {escaped(stress.model)} under stress", *(escaped(sentence) for sentence in sentences(stress))]
    parts += ["\n".join(markdown_table(head, rows)) for head, rows in tables]
    return "\n\n".join(parts) + "\n"


def to_latex(stress: Stress) -> str:
    """The same tables for LaTeX with booktabs; the stamps are in the captions."""
    stamps = "".join(f" {stamp.upper()}." for stamp in stress.stamps)
    chance = f"Chance is a UAR of {main_of_chance(stress):.2f}."
    about = f"{stress.model} under stress: {stress.protocol.rstrip('.')}.{stamps} {chance}"
    tables = [latex_table(HEAD, stress_rows(stress), caption=f"{about} With 95 % intervals.", label="stress")]
    if MEAN in stress.clean:
        caption = f"{stress.model} under stress: UAR of each corpus.{stamps}"
        tables.append(latex_table(*corpus_rows(stress), caption=caption, label="stress-corpora"))
    return latex_document(tables)


def to_json(stress: Stress) -> str:
    """The comparison as JSON text; :func:`record` is what is written."""
    return json.dumps(record(stress), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def record(stress: Stress) -> dict[str, object]:
    """The comparison as plain dicts, lists, texts and numbers, every corpus included."""
    return {
        "schema": SCHEMA,
        "model": stress.model,
        "stamps": list(stress.stamps),
        "protocol": stress.protocol,
        "warnings": list(stress.warnings),
        "chance": dict(stress.chance),
        "clean": {name: _point_record(point) for name, point in stress.clean.items()},
        "conditions": [
            {
                "name": curve.name,
                "title": curve.title,
                "unit": curve.unit,
                "levels": [
                    {"level": level, "corpora": {name: _point_record(point) for name, point in points.items()}}
                    for level, points in curve.points.items()
                ],
            }
            for curve in stress.curves
        ],
    }


def _point_record(point: Point) -> dict[str, object]:
    return {
        "UAR": estimate_record(point.recall),
        "difference": estimate_record(point.difference),
        "changed": estimate_record(point.changed),
        "silent": estimate_record(point.silent),
        "confidence": None if point.confidence is None else estimate_record(point.confidence),
        "altered": point.touched,
    }


FORMATS: dict[str, Callable[[Stress], str]] = {
    "text": to_text,
    "json": to_json,
    "markdown": to_markdown,
    "latex": to_latex,
}
