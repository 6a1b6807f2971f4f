"""Figures for the card of a voice model: UAR by speaker baseline, by speaker, and over seconds of reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from affekt.plot.style import FAINT, HUES, LINE, STYLES, plain_axes
from affekt.types import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEHIND = "#8C8C8C"
# Distinct for colour-blind eyes (Okabe & Ito, 2008), and by their shapes where colours fail.
COLOURS = ("#000000", "#0072B2", "#E69F00", "#009E73", "#CC79A7")
SHAPES = ("o", "s", "D", "^", "X")
MARKS = (("|", "#D55E00"), ("|", "#0072B2"), ("*", LINE), ("P", LINE), ("X", LINE), ("p", LINE), ("d", LINE))
SEXES: Mapping[str | None, tuple[str, str, str]] = {
    "female": ("women", "#D55E00", "o"),
    "male": ("men", "#0072B2", "^"),
    None: ("sex not known", FAINT, "s"),
}


def draw_ways(
    rows: Mapping[str, Mapping[str, Estimate]],
    *,
    marks: Mapping[str, Mapping[str, float]] | None = None,
    chance: Mapping[str, float] | None = None,
    grey: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the UAR of each row, measured in several ways, as dots with their 95 % intervals.

    Parameters
    ----------
    rows : mapping of name to mapping of way to Estimate
        A way has the same colour and shape in all rows.
    marks : mapping of name to mapping of row to float
        Values without an interval, drawn above the dots of their row: two kinds of target, then published results.
    chance : mapping of row to float, optional
        UAR of guessing.
    grey : str
        A way to draw behind the others, such as the state before a change.
    ax : matplotlib Axes, optional
        Where to draw; new axes without a window if not given.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.

    Examples
    --------
    >>> draw_ways({"a": {"before": Estimate(0.5, 0.4, 0.6, 9), "now": Estimate(0.6, 0.5, 0.7, 9)}}).get_xlabel()
    'UAR (line: 95 % interval)'
    """
    ways = list(dict.fromkeys(way for row in rows.values() for way in row))
    tracks = len(ways) + bool(marks)
    ax = plain_axes(ax, (8.8, 0.9 + 0.15 * len(rows) * (1.5 + tracks)))
    heights = [(track - (tracks - 1) / 2) * 0.76 / max(1, tracks) for track in range(tracks)]
    for i, way in enumerate(ways):
        found = {place + heights[i - len(ways)]: row[way] for place, row in enumerate(rows.values()) if way in row}
        place = [other for other in ways if other != grey].index(way) if way != grey else -1
        colour, shape = (COLOURS[place % len(COLOURS)], SHAPES[place % len(SHAPES)]) if way != grey else (BEHIND, "v")
        ax.hlines(list(found), [e.low for e in found.values()], [e.high for e in found.values()], colour, linewidth=1.4)
        ax.plot([e.value for e in found.values()], list(found), shape, color=colour, markersize=5, label=way)
    for (name, values), (shape, colour) in zip((marks or {}).items(), MARKS, strict=False):
        places = [place + heights[0] for place, row in enumerate(rows) if row in values]
        style: dict[str, Any] = {
            "markersize": 11 if shape == "|" else 7,
            "markeredgewidth": 2.2 if shape == "|" else 0.5,
        }
        ax.plot([values[row] for row in rows if row in values], places, shape, color=colour, label=name, **style)
    if chance:
        known = {place: chance[row] for place, row in enumerate(rows) if row in chance}
        below, above = [place - 0.5 for place in known], [place + 0.5 for place in known]
        ax.vlines(list(known.values()), below, above, LINE, linestyle=":", linewidth=1.2, label="chance", zorder=1)
    for border in range(1, len(rows)):
        ax.axhline(border - 0.5, color="#E5E5E5", linewidth=0.8, zorder=0)
    ax.set_yticks(range(len(rows)), list(rows), parse_math=False)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlim(0, 1)
    ax.set_xlabel("UAR (line: 95 % interval)")
    ax.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def draw_speakers(speakers: Mapping[str, Sequence[tuple[str | None, float]]], *, ax: Axes | None = None) -> Axes:
    """Draw the UAR of every speaker as a dot, corpus by corpus, women and men separately.

    Parameters
    ----------
    speakers : mapping of corpus to sequence of (sex or None, UAR)
    ax : matplotlib Axes, optional

    Examples
    --------
    >>> draw_speakers({"a": [("female", 0.5), ("male", 0.7)]}).get_xlabel()
    'UAR of one speaker'
    """
    ax = plain_axes(ax, (8.0, 0.8 + 0.42 * len(speakers)))
    for sex, (words, colour, shape) in SEXES.items():
        offset = {"female": -0.14, "male": 0.14}.get(str(sex), 0.0)
        dots = [(uar, i + offset) for i, row in enumerate(speakers.values()) for s, uar in row if s == sex]
        if dots:
            values, heights = zip(*dots, strict=True)
            ax.plot(
                values,
                heights,
                shape,
                color=colour,
                markersize=6,
                alpha=0.75,
                linestyle="none",
                label=words,
                clip_on=False,
            )
    for i, row in enumerate(speakers.values()):
        if row:
            ax.plot(
                [min(uar for _, uar in row), max(uar for _, uar in row)], [i, i], color=FAINT, linewidth=1, zorder=0
            )
    ax.set_yticks(range(len(speakers)), list(speakers), parse_math=False)
    ax.set_ylim(len(speakers) - 0.5, -0.5)
    ax.set_xlim(0, 1)
    ax.set_xlabel("UAR of one speaker")
    ax.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def draw_reference(
    curves: Mapping[str, Mapping[float, Estimate]], mean: Mapping[float, Estimate], *, ax: Axes | None = None
) -> Axes:
    """Draw UAR over the seconds of speech in a speaker baseline: corpora as thin lines, their mean as a thick one.

    The values of seconds are evenly spaced, whatever their differences.

    Parameters
    ----------
    curves : mapping of corpus to mapping of seconds to Estimate
    mean : mapping of seconds to Estimate
        Of the corpora, with 95 % intervals.
    ax : matplotlib Axes, optional

    Examples
    --------
    >>> curve = {0: Estimate(0.5, 0.4, 0.6, 9), 30: Estimate(0.6, 0.5, 0.7, 9)}
    >>> draw_reference({"a": curve}, curve).get_ylabel()
    'UAR (bar: 95 % interval)'
    """
    ax = plain_axes(ax, (6.4, 4.2))
    for i, (name, curve) in enumerate(curves.items()):
        style: dict[str, Any] = {
            "color": HUES[i % len(HUES)],
            "linestyle": STYLES[i // len(HUES) % len(STYLES)],
            "linewidth": 1,
        }
        places = [list(mean).index(seconds) for seconds in curve]
        ax.plot(places, [e.value for e in curve.values()], label=name, **style)
    ax.plot(range(len(mean)), [e.value for e in mean.values()], "o-", color="black", linewidth=2.2, markersize=4,
            label="mean of the corpora", zorder=4)  # fmt: skip
    ax.vlines(range(len(mean)), [e.low for e in mean.values()], [e.high for e in mean.values()], "black", zorder=4)
    ax.set_xticks(range(len(mean)), [f"{seconds:g}" for seconds in mean])
    ax.set_ylim(0, 1)
    ax.set_xlabel("speech for the speaker baseline, asked for / s")
    ax.set_ylabel("UAR (bar: 95 % interval)")
    ax.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax
