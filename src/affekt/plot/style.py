"""The common style of the plots: greys, colours, line styles, figures without a window, plain axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from affekt._optional import require

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAINT, LINE = "#B3B3B3", "#4D4D4D"
#: Nine hues for colour-blind eyes: the scheme "muted" of Tol (2021), https://personal.sron.nl/~pault/.
HUES = ("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499")
#: Line styles, once all hues are used.
STYLES = ("-", "--", "-.", ":")


def blank_figure(size: tuple[float, float], *, dpi: int | None = None) -> Figure:
    """A figure without a window, of the given size in inches.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.

    Examples
    --------
    >>> blank_figure((4, 3)).get_size_inches().tolist()
    [4.0, 3.0]
    """
    figure: Figure = require("matplotlib.figure", extra="plot").Figure(figsize=size, dpi=dpi, layout="constrained")
    return figure


def as_written(artist: Artist) -> None:
    """Show all texts of an artist, such as a legend, as they are: a name like ``$x_{$`` is not a formula."""
    for text in artist.findobj(require("matplotlib.text", extra="plot").Text):
        text.set_parse_math(False)


def plain_axes(ax: Axes | None, size: tuple[float, float], *, dpi: int | None = None) -> Axes:
    """The axes given, or new ones on a blank figure, with faint lines only on the left and at the bottom.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.

    Examples
    --------
    >>> plain_axes(None, (4, 3)).spines["top"].get_visible()
    False
    """
    if ax is None:
        ax = blank_figure(size, dpi=dpi).add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(FAINT)
    ax.tick_params(labelsize=8, color=FAINT)
    return ax
