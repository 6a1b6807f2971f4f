"""Plots of selective prediction: reliability, and risk over coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from affekt.metrics.selective import RiskCoverage
from affekt.plot.style import FAINT, LINE, STYLES, blank_figure, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALL = "#000000"
# Distinct for colour-blind eyes (Okabe & Ito, 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933", "#44AA99")

Bins = Sequence[tuple[float, float, int]]


def draw_risk_coverage(
    curves: Mapping[str, RiskCoverage], *, coverage: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the share of wrong answers over the share of clips that get one.

    A curve that rises from left to right shows that the model is more confident where it is right.

    Parameters
    ----------
    curves : mapping of name to RiskCoverage
        One named ``all`` is drawn in black.
    coverage : float, optional
        The coverage at the chosen threshold, drawn as a vertical line.
    ax : matplotlib Axes, optional
        Where to draw; new ones without a window if not given.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.

    Examples
    --------
    >>> from affekt.metrics.selective import risk_coverage
    >>> draw_risk_coverage({"all": risk_coverage(["a"], [{"a": 0.9, "b": 0.1}])}).get_ylabel()
    'risk (share of wrong answers)'
    """
    ax = plain_axes(ax, (6.6, 4.6))
    ax.set_title("risk over coverage", fontsize=10, loc="left")
    others = [name for name in curves if name != "all"]
    for name, curve in curves.items():
        place = others.index(name) if name in others else 0
        ax.step(
            [0, *curve.coverage],
            [curve.risk[0], *curve.risk],
            where="pre",
            color=COLOURS[place % len(COLOURS)] if name in others else ALL,
            linestyle=STYLES[place // len(COLOURS) % len(STYLES)] if name in others else "-",
            linewidth=1.2 if name in others else 2.2,
            label=f"{name} (area {curve.area:.2f})",
        )
    if coverage is not None:
        ax.axvline(coverage, color=LINE, linewidth=1, linestyle="--", label=f"threshold ({coverage:.0%} answered)")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_xlabel("coverage (share of clips with an answer)")
    ax.set_ylabel("risk (share of wrong answers)")
    # Curves may be anywhere, so the names stand beside them.
    ax.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def draw_reliabilities(bins: Mapping[str, Bins], *, ax: Axes | None = None) -> Axes:
    """Draw accuracy over confidence of several calibrations; the area of a dot is its share of the clips.

    Parameters
    ----------
    bins : mapping of name to sequence of (confidence, accuracy, n)
        As in :class:`affekt.types.Report`; a confidence of 0 means no answer and is not drawn.
    ax : matplotlib Axes, optional

    Examples
    --------
    >>> draw_reliabilities({"before": [(0.5, 0.4, 10)], "after": [(0.45, 0.4, 10)]}).get_xlabel()
    'confidence (probability of the best guess)'
    """
    ax = plain_axes(ax, (6.6, 4.6))
    ax.set_title("reliability", fontsize=10, loc="left")
    ax.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1, label="confidence = accuracy")
    for place, (name, rows) in enumerate(bins.items()):
        filled, total = [(c, a, n) for c, a, n in rows if n and c], max(1, sum(n for _, _, n in rows))
        confidence, accuracy = [c for c, _, _ in filled], [a for _, a, _ in filled]
        colour = COLOURS[place % len(COLOURS)]
        ax.plot(confidence, accuracy, color=colour, linewidth=1.2, label=name)
        ax.scatter(confidence, accuracy, [10 + 200 * n / total for _, _, n in filled], color=colour, alpha=0.7)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_xlabel("confidence (probability of the best guess)")
    ax.set_ylabel("accuracy")
    ax.legend(fontsize=8, frameon=False, loc="upper left")
    return ax


def draw_calibration(
    bins: Mapping[str, Bins], curves: Mapping[str, RiskCoverage], *, coverage: float | None = None
) -> Figure:
    """Draw reliability on the left and risk over coverage on the right; arguments as for these two functions.

    Examples
    --------
    >>> from affekt.metrics.selective import risk_coverage
    >>> curve = risk_coverage(["a"], [{"a": 0.9, "b": 0.1}])
    >>> len(draw_calibration({"before": [(0.5, 0.4, 10)]}, {"all": curve}).axes)
    2
    """
    figure = blank_figure((11.5, 4.6))
    left, right = figure.subplots(1, 2)
    draw_reliabilities(bins, ax=left)
    draw_risk_coverage(curves, coverage=coverage, ax=right)
    return figure
