"""Plots of the robustness of a model: one per condition, all of them side by side, and the page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from affekt.errors import InputError
from affekt.metrics.paired import MEAN, Curve, Level, Stress, main_of, main_of_chance
from affekt.plot.page import Picture, Section, Table, page, png
from affekt.plot.style import HUES, LINE, STYLES, blank_figure, plain_axes
from affekt.write.stress import HEAD, corpus_rows, level_name, sentences, stress_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SECOND = "#D55E00"
COLUMNS, DPI = 3, 130
BROKEN = 14  # characters of a level's name on one line


def draw_condition(stress: Stress, curve: Curve, *, ax: Axes | None = None) -> Axes:
    """Draw the UAR over the levels of one condition: corpora thin, their mean thick, with its 95 % interval.

    Levels are evenly spaced, whatever their differences.

    Parameters
    ----------
    stress : Stress
    curve : Curve
        One of its curves.
    ax : matplotlib Axes, optional
        Where to draw; new ones without a window if not given.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    alone, ax = ax is None, _axes(curve, ax)
    names = [name for name in stress.clean if name != MEAN]
    for i, name in enumerate(names if len(names) > 1 else ()):
        style = {"color": HUES[i % len(HUES)], "linestyle": STYLES[i // len(HUES) % len(STYLES)], "linewidth": 1}
        _line(ax, curve, {level: points[name].recall.value for level, points in curve.points.items()},
              label=name, **style)  # fmt: skip
    main = {level: main_of(points).recall for level, points in curve.points.items()}
    known = {"color": "black", "linewidth": 2.2, "marker": "o", "markersize": 4, "zorder": 4}
    _line(ax, curve, {level: e.value for level, e in main.items()}, label=next(iter(stress.clean)), **known)
    ax.vlines(range(len(main)), [e.low for e in main.values()], [e.high for e in main.values()], "black", zorder=4)
    ax.axhline(main_of(stress.clean).recall.value, color="black", linestyle=":", linewidth=1.2, label="clean")
    ax.axhline(main_of_chance(stress), color=LINE, linestyle=(0, (6, 4)), linewidth=0.8, label="chance")
    ax.set_ylim(0, 1)
    ax.set_ylabel("UAR (bar: 95 % interval)", fontsize=8)
    if alone:
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False)
    return ax


def draw_answers(curve: Curve, *, ax: Axes | None = None) -> Axes:
    """Draw how many answers differ from those on the clean clips, and in how many clips no speech is found."""
    ax = _axes(curve, ax)
    shares = {
        "another answer than clean": ("changed", "black", "o", "-"),
        "no speech found": ("silent", SECOND, "s", "--"),
    }
    for label, (name, colour, marker, style) in shares.items():
        found = {level: getattr(main_of(points), name) for level, points in curve.points.items()}
        _line(ax, curve, {level: 100 * e.value for level, e in found.items()}, color=colour, linewidth=1.6,
              marker=marker, markersize=4, linestyle=style, label=label, clip_on=False)  # fmt: skip
        ax.vlines(range(len(found)), [100 * e.low for e in found.values()], [100 * e.high for e in found.values()],
                  colour, clip_on=False)  # fmt: skip
    ax.set_ylim(0, 100)
    ax.set_ylabel("clips / % (bar: 95 % interval)", fontsize=8)
    ax.legend(fontsize=8, frameon=False, loc="best")
    return ax


def draw_confidence(curve: Curve, *, ax: Axes | None = None) -> Axes:
    """Draw the mean change of the confidence, over the clips that were answered both times."""
    ax = _axes(curve, ax)
    found = {level: main_of(points).confidence for level, points in curve.points.items()}
    known = {level: e for level, e in found.items() if e is not None}
    _line(ax, curve, {level: e.value for level, e in known.items()}, color="black", linewidth=1.6, marker="o",
          markersize=4)  # fmt: skip
    places = [list(curve.points).index(level) for level in known]
    ax.vlines(places, [e.low for e in known.values()], [e.high for e in known.values()], "black")
    ax.axhline(0, color="black", linestyle=":", linewidth=1.2)
    reach = max([0.3, *(1.1 * abs(edge) for e in known.values() for edge in (e.low, e.high))])
    ax.set_ylim(-reach, reach)
    ax.set_ylabel("change of confidence (bar: 95 % interval)", fontsize=8)
    return ax


def draw_stress(stress: Stress, *, figure: Figure | None = None) -> Figure:
    """Draw all conditions side by side, on one scale of UAR.

    Parameters
    ----------
    stress : Stress
    figure : matplotlib Figure, optional

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InputError
        If there is no condition.
    MissingExtra
        If matplotlib is not installed.
    """
    if not stress.curves:
        raise InputError("there is no condition to draw; stress the model with at least one.")
    columns, rows = min(COLUMNS, len(stress.curves)), math.ceil(len(stress.curves) / COLUMNS)
    figure = figure or blank_figure((3.7 * columns + 1.6, 2.9 * rows + 0.7), dpi=DPI)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for curve, ax in zip(stress.curves, panels, strict=False):
        draw_condition(stress, curve, ax=ax)
        ax.label_outer(remove_inner_ticks=False)
        ax.tick_params(labelbottom=True)
        ax.set_xlabel(curve.unit, fontsize=8)
    for ax in panels[len(stress.curves) :]:
        ax.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: labels[i] not in (next(iter(stress.clean)), "clean", "chance"))
    figure.legend([handles[i] for i in order], [labels[i] for i in order], loc="outside right upper", fontsize=8,
                  frameon=False)  # fmt: skip
    figure.suptitle(_stamped(stress, f"{stress.model} under stress"), fontsize=11, parse_math=False)
    return figure


def stress_page(stress: Stress) -> str:
    """The comparison as one self-contained HTML page with tables and figures.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    overview = Picture("UAR under every condition; dotted: the same clips clean.", png(draw_stress(stress)))
    table = Table(HEAD, stress_rows(stress))
    sections = [Section("All conditions", sentences(stress), [table], [overview], severe=bool(stress.stamps))]
    sections += [_section(stress, curve) for curve in stress.curves]
    if MEAN in stress.clean:
        sections.append(Section("UAR of each corpus", tables=[Table(*corpus_rows(stress))]))
    return page(f"{stress.model} under stress", sections)


def stress_figures(stress: Stress) -> Iterator[tuple[str, Figure]]:
    """Every figure of the page, with a name for its file: all conditions, then each."""
    yield "stress", draw_stress(stress)
    for curve in stress.curves:
        yield curve.name, draw_curve(stress, curve)


def draw_curve(stress: Stress, curve: Curve) -> Figure:
    """Draw one condition: UAR, share of answers that change, change of confidence.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    figure = blank_figure((12, 3.8), dpi=DPI)
    left, middle, right = figure.subplots(1, 3)
    draw_condition(stress, curve, ax=left).set_title("UAR", fontsize=10)
    draw_answers(curve, ax=middle).set_title("answers", fontsize=10)
    draw_confidence(curve, ax=right).set_title("confidence", fontsize=10)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    figure.suptitle(_stamped(stress, f"{stress.model}: {curve.title}"), fontsize=11, parse_math=False)
    return figure


def _stamped(stress: Stress, title: str) -> str:
    """A title after the stamps, which stay with the figure."""
    return " \N{EN DASH} ".join([*(stamp.upper() for stamp in stress.stamps), title])


def _section(stress: Stress, curve: Curve) -> Section:
    caption = f"{curve.title}: UAR, share of answers that change, change of confidence."
    return Section(
        curve.title[:1].upper() + curve.title[1:], pictures=[Picture(caption, png(draw_curve(stress, curve)))]
    )


def _axes(curve: Curve, ax: Axes | None) -> Axes:
    """Axes with the levels of a condition below them."""
    ax = plain_axes(ax, (5.6, 3.8), dpi=DPI)
    names = [level_name(level) for level in curve.points]
    broken = [name.replace(" ", "\n", 1) if len(name) < BROKEN + 2 else name for name in names]
    ax.set_xticks(range(len(names)), broken, parse_math=False)
    ax.set_xlim(-0.3, len(names) - 0.7)
    ax.set_xlabel(curve.unit, fontsize=8)
    ax.set_title(curve.title, fontsize=10, parse_math=False)
    return ax


def _line(ax: Axes, curve: Curve, values: Mapping[Level, float], **style: Any) -> None:
    # Levels that are words get no connecting line.
    if any(isinstance(level, str) for level in curve.points):
        style = {"marker": "_", "markersize": 10, **style, "linestyle": "none"}
    places = [list(curve.points).index(level) for level in values]
    ax.plot(places, list(values.values()), **style)
