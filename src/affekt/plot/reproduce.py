"""A recipe under several protocols, in one plot and on one page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from affekt._optional import require
from affekt.plot.page import Picture, Section, Table, page, png
from affekt.plot.scores import FIGURES, draw_folds, figure_of, report_section
from affekt.write.report import FindingRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from affekt.train.lab.experiment import Published
    from affekt.train.lab.folds import Outcome
    from affekt.train.lab.reproduce import Reproduction, Row

SEVERE, SOUND, CHANCE = "#D55E00", "#0072B2", "#4D4D4D"


def draw_comparison(rows: Sequence[Row], published: Published, *, ax: Axes | None = None) -> Axes:
    """Draw what a recipe scores under each protocol, with 95 % intervals, chance and the published figure.

    Parameters
    ----------
    rows : sequence of Row
        From :func:`affekt.train.lab.reproduce.rows`.
    published : Published
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    if ax is None:
        figure = require("matplotlib.figure", extra="plot").Figure(
            figsize=(9, 1.6 + 0.42 * len(rows)), layout="constrained"
        )
        ax = figure.add_subplot()
    metric = published.metric
    ax.axvspan(published.low - 0.002, published.high + 0.002, color="#CC79A7", alpha=0.5, lw=0, label="published")
    for place, row in enumerate(rows):
        value = row.accuracy if metric == "WA" else row.recall
        colour = SEVERE if row.stamps else SOUND
        ax.barh(place, value.value, height=0.62, color=colour, alpha=0.85)
        ax.plot([value.low, value.high], [place, place], color="black", lw=1.5)
        ax.plot([1 / row.classes] * 2, [place - 0.36, place + 0.36], color=CHANCE, lw=1.5, ls=":")
        ax.text(
            min(max(value.high, value.value) + 0.01, 1.0), place, f"{100 * value.value:.0f} %", va="center", fontsize=9
        )
    ax.set_yticks(range(len(rows)), [f"{row.protocol}\n{row.model}, {row.classes} classes" for row in rows], fontsize=8)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.08)
    ax.set_xlabel(f"{metric} (0 to 1), black: 95 % interval, dotted: chance, purple band: published {published}")
    ax.set_title("orange: the audit found something severe; blue: it did not", fontsize=10)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return ax


def reproduction_page(reproduction: Reproduction, rows: Sequence[Row]) -> str:
    """The whole comparison as one HTML page: table, picture, findings, training curves, confusions."""
    experiment = reproduction.experiment
    first = Section(
        "Side by side",
        [
            f"Published: {experiment.published}. {experiment.published.what}.",
        ],
        [Table(("protocol", "model", "parameters", "classes", "WA", "UAR", "stamped"), [_cells(row) for row in rows])],
        [
            Picture(
                "What the recipe scores under each protocol",
                png(figure_of(draw_comparison(rows, experiment.published))),
            )
        ],
        findings=[FindingRow("note", warning) for warning in reproduction.warnings],
    )
    sections = [
        _section(name, model, outcome)
        for name, outcomes in reproduction.outcomes.items()
        for model, outcome in outcomes.items()
    ]
    return page(f"{experiment.name}: {experiment.title}", [first, *sections])


def _cells(row: Row) -> tuple[str, ...]:
    size = f"{row.parameters:,}" if row.parameters else "-"
    return (
        row.protocol,
        row.model,
        size,
        str(row.classes),
        str(row.accuracy),
        str(row.recall),
        ", ".join(row.stamps) or "-",
    )


def reproduction_figures(reproduction: Reproduction, rows: Sequence[Row]) -> Iterator[tuple[str, Figure]]:
    """The name and the figure of each picture of :func:`reproduction_page`, drawn one after the other."""
    yield "comparison", figure_of(draw_comparison(rows, reproduction.experiment.published))
    for protocol, outcomes in reproduction.outcomes.items():
        for model, outcome in outcomes.items():
            name = "-".join("".join(c if c.isalnum() else " " for c in f"{protocol} {model}").split())
            for kind, (draw, _, of) in FIGURES.items():
                if of(outcome.report):
                    yield f"{name}-{kind}", figure_of(draw(outcome.report))
            if outcome.histories:
                yield f"{name}-training", draw_folds(outcome.histories, stamps=outcome.report.stamps)


def _section(name: str, model: str, outcome: Outcome) -> Section:
    section = report_section(f"{name}: {model}", outcome.report)
    if not outcome.histories:
        return section
    folds = len(outcome.histories)
    caption = f"Training, {name}, {model}: " + (f"all {folds} folds, and their mean." if folds > 1 else "one split.")
    curves = draw_folds(outcome.histories, stamps=outcome.report.stamps)
    return replace(section, pictures=[*section.pictures, Picture(caption, png(curves))])
