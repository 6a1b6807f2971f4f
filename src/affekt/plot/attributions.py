"""Maps of what a network uses, over the face or the voice: methods side by side, filters, regions, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from affekt._optional import require
from affekt.errors import InputError
from affekt.explain.attribution import REGIONS, Attribution, Values
from affekt.plot.maps import DIVERGING, GREYS, HERTZ
from affekt.plot.style import FAINT, HUES, LINE, blank_figure, plain_axes
from affekt.speech.spectral import hertz_to_mel
from affekt.types import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from affekt.explain.activations import Exciting, FilterMaps

#: One hue from dark to light, for colour-blind eyes too.
SEQUENTIAL = "cividis"
#: Opacity of the strongest place of a map.
OPAQUE = 0.8
#: Most panels side by side, and the size of one in inches: of a face, and of a voice.
COLUMNS, VOICE_COLUMNS = 4, 2
FACE, VOICE = (2.6, 2.9), (5.2, 2.7)


@dataclass(frozen=True, eq=False)
class Input:
    """What the network was given, to draw maps over.

    Parameters
    ----------
    values : float array, shape (h, w)
        The grey values of a face; for a voice log-mel bands, lowest first, by time.
    title : str
        The file, and which face or stretch of it.
    start, end : float
        Seconds, for a voice; equal for a face.
    band : (float, float)
        Lowest and highest frequency in hertz, for a voice.
    """

    values: Values
    title: str
    start: float = 0.0
    end: float = 0.0
    band: tuple[float, float] = (80.0, 7600.0)

    @property
    def is_voice(self) -> bool:
        """Whether it has a time axis."""
        return self.end > self.start


@dataclass(frozen=True, eq=False)
class Seen:
    """An input and its maps from several methods.

    Raises
    ------
    InputError
        If there is no map.
    """

    given: Input
    maps: Sequence[Attribution]

    def __post_init__(self) -> None:
        if not self.maps:
            raise InputError("there is no map to draw; give one or more.")


def overlay(data: Input, *, found: Attribution | None = None, ax: Axes | None = None) -> Axes:
    """Draw an input in grey, and a map over it: brown speaks for the label, purple against, clear is neither.

    Parameters
    ----------
    data : Input
    found : Attribution, optional
        The colours are scaled to its strongest hundredth, as each method has its own unit.
    ax : Axes, optional
    """
    ax = _panel(data, ax)
    frame = (data.start, data.end, 0, len(data.values)) if data.is_voice else None
    place: dict[str, Any] = {"origin": "upper", "aspect": "equal"}
    if data.is_voice:
        place = {"origin": "lower", "aspect": "auto"}
    ax.imshow(data.values, cmap=GREYS if data.is_voice else "gray", extent=frame, **place)
    title = "input"
    if found is not None:
        values = found.resized(data.values.shape)
        # Otherwise a single strong pixel would make all others pale.
        share = np.clip(values / strongest(values), -1, 1)
        colours = require("matplotlib", extra="plot").colormaps[DIVERGING]((share + 1) / 2)
        colours[..., 3] = OPAQUE * np.abs(share) ** 0.7
        ax.imshow(colours, extent=frame, interpolation="nearest", **place)
        title = found.method + (f"\n{found.layer}" if found.layer and found.method != "cam" else "")
        if found.trouble:
            ax.text(
                0.5, 0.5, fill(found.trouble, 22), transform=ax.transAxes, ha="center", va="center", fontsize=8,
                bbox={"facecolor": "white", "edgecolor": LINE},
            )  # fmt: skip
    ax.set_title(title, fontsize=9, color=LINE, parse_math=False)
    return ax


def strongest(values: Values) -> float:
    """The 99th percentile of a map's absolute values; if that is 0, the largest; never 0."""
    size = np.abs(values)
    return float(np.quantile(size, 0.99)) or float(size.max()) or 1.0


def _panel(data: Input, ax: Axes | None) -> Axes:
    """Axes without ticks for a face; in seconds and hertz for a voice."""
    if ax is None:
        ax = blank_figure(VOICE if data.is_voice else FACE).add_subplot()
    if not data.is_voice:
        ax.set_xticks([])
        ax.set_yticks([])
        return ax
    low, high = (float(hertz_to_mel(edge)) for edge in data.band)
    shown = [hertz for hertz in HERTZ if data.band[0] <= hertz <= data.band[1]]
    rows = [(float(hertz_to_mel(hertz)) - low) / (high - low) * len(data.values) for hertz in shown]
    ax.set_yticks(rows, [str(hertz) for hertz in shown])
    ax.set_xlabel("time / s", fontsize=8, color=LINE)
    ax.set_ylabel("frequency / Hz", fontsize=8, color=LINE)
    ax.tick_params(labelsize=8, color=FAINT, labelcolor=LINE)
    return ax


def draw_methods(data: Seen) -> Figure:
    """Draw the input, and next to it the map of each method.

    Examples
    --------
    >>> found = Attribution(np.eye(3), "cam", "happy", "maps")
    >>> figure = draw_methods(Seen(Input(np.zeros((48, 48)), "a.jpg"), [found]))
    >>> [ax.get_title() for ax in figure.axes][:2]
    ['input', 'cam']
    """
    count, voice = len(data.maps) + 1, data.given.is_voice
    columns = min(VOICE_COLUMNS if voice else COLUMNS, count)
    rows = -(-count // columns)
    width, height = VOICE if voice else FACE
    inches = max(width * columns + 0.9, 6.4)
    figure = blank_figure((inches, height * rows + 0.6), dpi=130)
    panels = figure.subplots(rows, columns, squeeze=False)
    for ax in panels.ravel()[count:]:
        ax.set_axis_off()
    for ax, found in zip(panels.ravel(), [None, *data.maps], strict=False):
        overlay(data.given, found=found, ax=ax)
    title = fill(f"what speaks for {data.maps[0].label}: {data.given.title}", int(8.5 * inches))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold", parse_math=False)
    scale = require("matplotlib.cm", extra="plot").ScalarMappable(cmap=DIVERGING)
    scale.set_clim(-1, 1)
    bar = figure.colorbar(scale, ax=panels.ravel().tolist(), pad=0.02, aspect=14 * rows, shrink=0.9)
    bar.set_ticks([-1, 0, 1], labels=["against", "0", "for"])
    bar.set_label("relative to the map's strongest 1 %", fontsize=8, color=LINE)
    bar.ax.tick_params(labelsize=8, labelcolor=LINE)
    return figure


def filter_panel(data: FilterMaps, *, row: int = 0, ax: Axes | None = None) -> Axes:
    """Draw the output of one filter, light for high; above it its number, and its lowest and highest value."""
    if ax is None:
        ax = blank_figure((1.5, 1.7)).add_subplot()
    values, (low, high) = np.atleast_2d(data.values[row]), data.ranges[row]
    voice = values.shape[1] > 2 * values.shape[0]
    place: dict[str, Any] = {"aspect": "auto", "origin": "lower"} if voice else {}
    ax.imshow(values, cmap=SEQUENTIAL, **place)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(f"filter {data.numbers[row]}\n{low:.2g} to {high:.2g}", fontsize=7.5, color=LINE)
    return ax


def _grid_figure(size: tuple[float, float], rows: int, *, above: float) -> Figure:
    """A figure of equal panels, with ``above`` inches for each title; laid out by hand, which is faster."""
    figure: Figure = require("matplotlib.figure", extra="plot").Figure(figsize=size, dpi=110)
    each = (size[1] - 0.4) / rows
    edges = {"left": 0.35 / size[0], "right": 1 - 0.08 / size[0], "bottom": 0.08 / size[1]}
    figure.subplots_adjust(**edges, top=1 - (0.4 + above) / size[1], wspace=0.08, hspace=above / (each - above))
    return figure


def draw_filters(data: FilterMaps, *, most: int = 48) -> Figure:
    """Draw the outputs of the strongest filters of a layer, each on its own colour scale."""
    count = min(most, len(data.values))
    wide = data.values.shape[2] > 2 * data.values.shape[1]
    columns = 4 if wide else 8
    rows = -(-count // columns)
    figure = _grid_figure((10.4, 1.5 * rows + 0.5), rows, above=0.5)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for row, ax in enumerate(panels):
        if row < count:
            filter_panel(data, row=row, ax=ax)
        else:
            ax.set_axis_off()
    which = f"the {count} strongest of {len(data.values)} filters" if count < len(data.values) else "all filters"
    height, width = data.values.shape[1:]
    figure.suptitle(
        f"{data.layer}: {which}; {height} x {width} values each", x=0.01, ha="left", fontsize=11, fontweight="bold",
        parse_math=False,
    )  # fmt: skip
    return figure


def draw_exciting(data: Exciting, faces: NDArray[np.floating]) -> Figure:
    """Draw for each filter the faces that activate it most, and where on them.

    Parameters
    ----------
    data : Exciting
    faces : array, shape (n, s, s)
        All the faces that were searched.
    """
    rows, columns = data.faces.shape
    side = faces.shape[1]
    figure = _grid_figure((max(1.15 * columns + 0.5, 8.0), 1.35 * rows + 0.6), rows, above=0.35)
    panels = figure.subplots(rows, columns, squeeze=False)
    rectangle = require("matplotlib.patches", extra="plot").Rectangle
    for (row, column), ax in np.ndenumerate(panels):
        ax.imshow(faces[data.faces[row, column]], cmap="gray")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_title(f"{data.values[row, column]:.2f}", fontsize=8, color=LINE)
        top, left = side * data.places[row, column] - 0.5
        size = side * np.array(data.cell)
        ax.add_patch(rectangle((left, top), size[1], size[0], fill=False, edgecolor="#E69F00", linewidth=2))
        if not column:
            ax.set_ylabel(f"filter {data.numbers[row]}", fontsize=9, color=LINE)
    figure.suptitle(
        f"{data.layer}: where {len(faces):,} faces excite a filter most, and its value there", x=0.01, ha="left",
        fontsize=11, fontweight="bold", parse_math=False,
    )  # fmt: skip
    return figure


def region_bars(data: Mapping[str, Values], *, ax: Axes | None = None) -> Axes:
    """Draw how a map divides between the parts of the face, a bar for each row.

    Parameters
    ----------
    data : mapping
        Row name, such as a label and a number of faces, to shares in the order of ``REGIONS``; they sum to 1.
    """
    ax = plain_axes(ax, (8.4, 0.42 * len(data) + 1.1), dpi=130)
    names, left = list(data), np.zeros(len(data))
    colours = [HUES[5], HUES[1], HUES[6], HUES[0], "#BBBBBB"]
    for part, (region, colour) in enumerate(zip(REGIONS, colours, strict=True)):
        shares = np.array([data[name][part] for name in names])
        ax.barh(names, shares, left=left, color=colour, label=region, edgecolor="white")
        for row, share in enumerate(shares):
            if share >= 0.04:
                dark = colour in (HUES[0], HUES[6])
                ax.text(
                    left[row] + share / 2, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8,
                    color="white" if dark else "black",
                )  # fmt: skip
        left += shares
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.set_xticks(np.linspace(0, 1, 6), [f"{x:.0f} %" for x in np.linspace(0, 100, 6)])
    ax.legend(ncols=len(REGIONS), loc="lower left", bbox_to_anchor=(0, 1.0), frameon=False, fontsize=9)
    return ax


def estimate_rows(data: Mapping[str, Estimate], *, marked: Sequence[str] = (), ax: Axes | None = None) -> Axes:
    """Draw a dot and its interval for each row; reference rows are marked by a square."""
    ax = plain_axes(ax, (6.4, 0.34 * len(data) + 0.9), dpi=130)
    for row, (name, found) in enumerate(data.items()):
        colour, shape = (HUES[6], "s") if name in marked else (HUES[0], "o")
        ax.plot([found.low, found.high], [row, row], color=colour, linewidth=2)
        ax.plot([found.value], [row], shape, color=colour)
        if name in marked:
            ax.axvline(found.value, color=colour, linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(data)), list(data))
    ax.invert_yaxis()
    ax.grid(axis="x", color="#E5E5E5")
    ax.set_axisbelow(True)
    return ax
