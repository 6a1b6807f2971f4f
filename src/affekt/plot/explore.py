"""The contents of a corpus in plots: counts, lengths, typical clips, spectra, pitch, and what clips cluster by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from affekt._optional import require
from affekt.data.counts import UNKNOWN, Counts, natural
from affekt.data.explore import Bands, Example, Groups
from affekt.data.maps import Map
from affekt.errors import InputError, UnknownName
from affekt.plot.colours import colours, ink
from affekt.plot.style import as_written
from affekt.speech.decoded import SAMPLING_RATE
from affekt.speech.pitch import STEP
from affekt.speech.spectral import hertz_to_mel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DARK, FAINT = "#4D4D4D", "#B3B3B3"
# None of them is a label's colour; they differ in lightness, too.
SEX_COLOURS = {"female": "#44AA99", "male": "#332288", UNKNOWN: "#CCCCCC"}
MARKERS = "os^DvPX*<>hp"
WIDTH, DPI = 11.0, 120  # inches, pixels per inch: a little more than a page is wide

LONGEST_NAME = 20  # characters
MOST_NUMBERS = 32  # columns that numbers still fit into
MOST_NAMES = 120  # under the axis of a picture as wide as the page
MOST_IN_LEGEND = 24
QUIETEST_SCALE = 0.05  # of full scale
FREQUENCIES = (125, 250, 500, 1000, 2000, 4000, 8000)  # Hz, of the ticks
PITCHES = (60, 600)  # Hz, of the axis
PITCH_TICKS = (75, 100, 150, 200, 300, 400, 500)


def bars(data: Counts, *, ax: Axes | None = None) -> Axes:
    """Draw the number of clips of each row as a bar, stacked by sex.

    Raises
    ------
    InputError
        If the columns are not sexes.
    """
    if data.of[1] != "sex":
        raise InputError(f"these counts are of {data.of[0]} by {data.of[1]}; give counts of something by sex.")
    ax = _axes(ax)
    below = np.zeros(len(data.rows), np.int64)
    for sex, sizes in zip(data.columns, data.counts.T, strict=True):
        ax.bar(range(len(data.rows)), sizes, bottom=below, color=SEX_COLOURS[sex], width=0.75, label=sex)
        below = below + sizes
    if len(data.rows) <= MOST_NUMBERS:
        for place, size in enumerate(below):
            ax.annotate(f"{size}", (place, size), (0, 2), textcoords="offset points", ha="center", fontsize=8)
    _names_below(ax, data.rows)
    ax.set_ylabel("clips")
    ax.set_ylim(0, 1.1 * below.max())
    ax.set_xlim(-0.6, len(data.rows) - 0.4)
    _legend(ax)
    return ax


def heat(data: Counts, *, ax: Axes | None = None) -> Axes:
    """Draw the number of clips of each row and column as colour; an empty cell is white with a cross."""
    ax = _axes(ax)
    shown = np.ma.masked_equal(data.counts, 0)
    image = ax.imshow(shown, aspect="auto", cmap="cividis", vmin=0, vmax=max(1, int(data.counts.max())))
    _names_below(ax, data.columns)
    ax.set_yticks(range(len(data.rows)), [_name(row) for row in data.rows], parse_math=False)
    ax.set_xlabel(data.of[1])
    small = len(data.columns) > MOST_NUMBERS
    fills = np.asarray(image.cmap(image.norm(data.counts), bytes=True))
    for (row, column), size in np.ndenumerate(data.counts):
        if not size:
            ax.text(column, row, "\N{MULTIPLICATION SIGN}", ha="center", va="center", fontsize=7, color=FAINT)
        elif not small:
            colour = ink("#" + bytes(fills[row, column, :3]).hex())
            ax.text(column, row, f"{size}", ha="center", va="center", fontsize=8, color=colour)
    ax.spines[:].set_visible(False)
    bar = ax.get_figure().colorbar(image, ax=ax, pad=0.01, fraction=0.03)  # type: ignore[union-attr]
    bar.set_label("clips", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    return ax


def boxes(data: Groups, *, ax: Axes | None = None) -> Axes:
    """Draw one number of each clip as boxes by emotion, side by side by sex.

    A box holds the middle half of the clips, and its line is the median. Whiskers end
    at the last clip within one and a half box lengths, and dots are the rest.
    """
    ax = _axes(ax)
    labels = list(dict.fromkeys(label for label, _ in data.values))
    sexes = [sex for sex in SEX_COLOURS if any(sex == other for _, other in data.values)]
    width = 0.8 / max(1, len(sexes))
    for (label, sex), values in data.values.items():
        place = labels.index(label) + (sexes.index(sex) - (len(sexes) - 1) / 2) * width
        ax.boxplot(
            values, positions=[place], widths=0.85 * width, patch_artist=True, manage_ticks=False,
            boxprops={"facecolor": SEX_COLOURS[sex], "edgecolor": DARK, "linewidth": 0.8},
            medianprops={"color": "white" if sex == "male" else "black", "linewidth": 1.6},
            whiskerprops={"color": DARK, "linewidth": 0.8}, capprops={"color": DARK, "linewidth": 0.8},
            flierprops={"marker": ".", "markersize": 3, "markeredgecolor": SEX_COLOURS[sex]},
        )  # fmt: skip
    _names_below(ax, labels)
    ax.set_xlim(-0.6, len(labels) - 0.4)
    ax.set_ylabel(f"{data.what} / {data.unit}")
    patch = require("matplotlib.patches", extra="plot").Patch
    _legend(ax, [patch(facecolor=SEX_COLOURS[sex], edgecolor=DARK, label=sex) for sex in sexes])
    return ax


def waveform(data: Example, *, ax: Axes | None = None) -> Axes:
    """Draw the signal of one clip."""
    ax = _example_axes(data, ax)
    ax.plot(np.arange(len(data.signal)) / SAMPLING_RATE, data.signal, color=DARK, linewidth=0.4)
    limit = max(QUIETEST_SCALE, 1.05 * float(np.abs(data.signal).max(initial=0)))
    ax.set_ylim(-limit, limit)
    return ax


def mel(data: Example, *, ax: Axes | None = None) -> Axes:
    """Draw the mel spectrogram of one clip, from 0 to 80 dB below its loudest."""
    ax = _example_axes(data, ax)
    top = float(hertz_to_mel(SAMPLING_RATE / 2))
    half = top / (data.log_mel.shape[1] + 1) / 2  # bands have their peaks at equal steps between 0 and the top
    extent = (0, data.length, half, top - half)
    ax.imshow(data.log_mel.T, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-80, vmax=0,
              interpolation="nearest")  # fmt: skip
    ticks = FREQUENCIES[1::2]
    ax.set_yticks(hertz_to_mel(np.array(ticks)), [f"{hertz / 1000:g}" for hertz in ticks])
    return ax


def mfcc(data: Example, *, ax: Axes | None = None) -> Axes:
    """Draw the cepstral coefficients of one clip from the second on; the first only shows the loudness."""
    ax = _example_axes(data, ax)
    shown = data.mfcc[:, 1:].T
    extent = (0, data.length, 0.5, len(shown) + 0.5)
    ax.imshow(shown, origin="lower", aspect="auto", extent=extent, cmap="PuOr", vmin=-60, vmax=60,
              interpolation="nearest")  # fmt: skip
    ax.set_yticks([1, 10, len(shown)])
    return ax


def pitch(data: Example, *, ax: Axes | None = None) -> Axes:
    """Draw the pitch of one clip on a logarithmic axis; there is none where nothing is voiced."""
    ax = _example_axes(data, ax)
    ax.plot(STEP * np.arange(len(data.pitch)), data.pitch, color="#0072B2", marker=".", markersize=3, linewidth=1.2)
    ax.set_yscale("log")
    ax.set_ylim(*PITCHES)
    _hertz_ticks(ax.yaxis, PITCH_TICKS[1::2])
    ax.grid(axis="y", color=FAINT, linewidth=0.4)
    return ax


#: The plots of a clip, and the label of their vertical axes.
PANELS: dict[str, tuple[Callable[..., Any], str]] = {
    "waveform": (waveform, "amplitude, full scale 1"),
    "mel": (mel, "frequency / kHz"),
    "mfcc": (mfcc, "coefficient"),
    "pitch": (pitch, "pitch / Hz"),
}
SCALES = {"mel": "level / dB re the loudest", "mfcc": "value / dB"}


def draw_examples(data: Sequence[Example], panel: str, *, figure: Figure | None = None) -> Figure:
    """Draw one panel of each example: emotions below one another, sexes side by side, all on one scale.

    Parameters
    ----------
    data : sequence of Example
    panel : str
        ``waveform``, ``mel``, ``mfcc`` or ``pitch``.
    figure : matplotlib Figure, optional
        Where to draw; a new one without a window if not given.

    Raises
    ------
    UnknownName
        If there is no such panel.
    InputError
        If there is no example.
    """
    if panel not in PANELS:
        raise UnknownName("panel", panel, PANELS)
    if not data:
        raise InputError("there is no example to draw; give at least one.")
    labels = list(dict.fromkeys(_label(example) for example in data))
    sexes = list(dict.fromkeys(sorted(example.sample.sex or UNKNOWN for example in data)))
    figure = figure or new_figure(1.25 * len(labels) + 0.6)
    grid = figure.subplots(len(labels), len(sexes), sharex=True, sharey=True, squeeze=False)
    draw, name = PANELS[panel]
    for ax in grid.flat:
        ax.set_visible(False)
    for example in data:
        ax = grid[labels.index(_label(example)), sexes.index(example.sample.sex or UNKNOWN)]
        ax.set_visible(True)
        draw(example, ax=ax)
    _share_scales(grid, data, panel)
    figure.supylabel(name, fontsize=9)
    return figure


def _share_scales(grid: Any, data: Sequence[Example], panel: str) -> None:
    """Share axes: the longest and loudest clips set the limits, and only the outermost panels have tick labels."""
    figure = grid[0, 0].get_figure()
    grid[0, 0].set_xlim(0, max(example.length for example in data))
    if panel == "waveform":
        loudest = max(float(np.abs(example.signal).max(initial=0)) for example in data)
        limit = max(QUIETEST_SCALE, 1.05 * loudest)
        grid[0, 0].set_ylim(-limit, limit)
    for row in grid:
        next(ax for ax in row if ax.get_visible()).tick_params(axis="y", labelleft=True)
    for column in grid.T:
        lowest = [ax for ax in column if ax.get_visible()][-1]
        lowest.set_xlabel("time / s", fontsize=9)
        lowest.tick_params(axis="x", labelbottom=True)
    if panel in SCALES:
        image = next(ax.get_images()[0] for ax in grid.flat if ax.get_visible())
        bar = figure.colorbar(image, ax=list(grid.flat), fraction=0.02, pad=0.01, aspect=50)
        bar.set_label(SCALES[panel], fontsize=9)
        bar.ax.tick_params(labelsize=8)


def spectra(data: Bands, *, sex: str, ax: Axes | None = None) -> Axes:
    """Draw the long-term average spectrum of each emotion, of one sex."""
    ax = _axes(ax)
    labels = list(dict.fromkeys(label for label, _ in data.levels))
    shades = colours(labels)
    for label, marker in zip(labels, cycle(MARKERS), strict=False):
        if (label, sex) in data.levels:
            levels = data.levels[label, sex]
            # Light colours need an edge to be visible on white.
            ax.plot(data.centres, levels, color=DARK, linewidth=2.4)
            (line,) = ax.plot(data.centres, levels, color=shades[label], linewidth=1.6, label=_name(label))
            line.set(marker=marker, markersize=5, markeredgecolor=DARK, markeredgewidth=0.6)
    ax.set_xscale("log")
    ax.set_xlim(data.centres[0] * 0.9, data.centres[-1] * 1.1)
    _hertz_ticks(ax.xaxis, FREQUENCIES[:-1])
    ax.set_xlabel("frequency / Hz")
    ax.grid(color=FAINT, linewidth=0.4)
    return ax


def draw_spectra(data: Bands, differences: Bands, *, figure: Figure | None = None) -> Figure:
    """Draw the spectra, and below them the differences from the mean of the emotions; one column for each sex."""
    sexes = [sex for sex in SEX_COLOURS if any(sex == other for _, other in data.levels)]
    figure = figure or new_figure(7.0)
    grid = figure.subplots(2, len(sexes), sharex=True, sharey="row", squeeze=False)
    for column, sex in zip(grid.T, sexes, strict=True):
        spectra(data, sex=sex, ax=column[0]).set(
            title="sex unknown" if sex == UNKNOWN else f"{sex} speakers", xlabel=""
        )
        spectra(differences, sex=sex, ax=column[1]).axhline(0, color=DARK, linewidth=0.8)
    grid[0, 0].set_ylabel("level / dB re full scale")
    grid[1, 0].set_ylabel("difference from the mean\nof the emotions / dB")
    handles = {text: h for ax in grid[0] for h, text in zip(*ax.get_legend_handles_labels(), strict=True)}
    below: Mapping[str, Any] = {"loc": "outside lower center", "ncols": min(8, len(handles)), "frameon": False}
    # One sex may lack an emotion; the order is that of all.
    names = [name for name in dict.fromkeys(_name(label) for label, _ in data.levels) if name in handles]
    as_written(figure.legend([handles[name] for name in names], names, fontsize=9, **below))
    return figure


def points(data: Map, *, by: str = "label", ax: Axes | None = None) -> Axes:
    """Draw each clip as a point, coloured by ``label`` or by ``speaker``; the axes have no unit.

    Raises
    ------
    UnknownName
        If ``by`` is something else.
    """
    if by not in ("label", "speaker"):
        raise UnknownName("colouring", by, ("label", "speaker"))
    ax = _axes(ax)
    of_clip = [str(getattr(sample, by) or UNKNOWN) for sample in data.samples]
    names = sorted(set(of_clip), key=natural)
    shades = {**colours(name for name in names if name != UNKNOWN), UNKNOWN: SEX_COLOURS[UNKNOWN]}
    for name, marker in zip(names, cycle(MARKERS), strict=False):
        here = data.points[[other == name for other in of_clip]]
        ax.scatter(
            here[:, 0],
            here[:, 1],
            s=22,
            color=shades[name],
            marker=marker,
            edgecolor=DARK,
            linewidth=0.4,
            label=_name(name),
        )
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_color(FAINT)
    ax.spines[:].set_visible(True)
    if len(names) <= MOST_IN_LEGEND:
        legend = ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=6, fontsize=8, frameon=False,
                           handletextpad=0.1, columnspacing=0.9)  # fmt: skip
        as_written(legend)
    else:
        ax.set_xlabel(f"{len(names)} {by}s, each with a colour and shape of its own")
    return ax


def draw_map(data: Map, *, figure: Figure | None = None) -> Figure:
    """Draw the same points twice: coloured by emotion, and by speaker."""
    figure = figure or new_figure(6.2)
    for by, title, ax in zip(
        ("label", "speaker"), ("coloured by emotion", "coloured by speaker"), figure.subplots(1, 2), strict=True
    ):
        points(data, by=by, ax=ax).set_title(title, loc="left", fontsize=11, fontweight="bold")
    return figure


def new_figure(height: float) -> Figure:
    """A figure as wide as a page, without a window; ``height`` in inches."""
    figure = require("matplotlib.figure", extra="plot").Figure(figsize=(WIDTH, height), dpi=DPI)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.05)
    found: Figure = figure
    return found


def _axes(ax: Axes | None) -> Axes:
    ax = new_figure(3.6).add_subplot() if ax is None else ax
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(FAINT)
    ax.tick_params(labelsize=8, color=FAINT, labelcolor=DARK)
    ax.xaxis.label.set_fontsize(9)
    ax.yaxis.label.set_fontsize(9)
    return ax


def _example_axes(data: Example, ax: Axes | None) -> Axes:
    ax = _axes(ax)
    s = data.sample
    words = [
        f"{_label(data)}, {s.sex or 'sex unknown'}", s.id.rpartition("/")[2],
        f"speaker {s.speaker or UNKNOWN}", *([f"sentence {s.sentence}"] if s.sentence else []),
    ]  # fmt: skip
    title = "  \N{MIDDLE DOT}  ".join([words[0], *(_name(word, 34) for word in words[1:])])
    ax.set_title(title, loc="left", fontsize=8, pad=2, color=DARK, parse_math=False)
    ax.set_xlim(0, data.length)
    return ax


def _label(data: Example) -> str:
    return _name(data.sample.label or UNKNOWN)


def _names_below(ax: Axes, names: Sequence[str]) -> None:
    """Names under the x axis, vertical where they would touch; with very many, only every second, third ... one."""
    step = max(1, -(-len(names) // MOST_NAMES))
    shown = [_name(name) for name in names[::step]]
    crowded = sum(max(3, len(name) + 1) for name in shown) > 130
    ax.set_xticks(
        range(0, len(names), step), shown, rotation=90 if crowded else 0, fontsize=7 if len(shown) > 40 else 8
    )
    ax.tick_params(axis="x", length=0)
    as_written(ax.xaxis)


def _legend(ax: Axes, handles: Sequence[Any] | None = None) -> None:
    """Put the legend above the axes, at the right, where it covers nothing."""
    place: Mapping[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 3}
    as_written(ax.legend(handles=handles, fontsize=9, frameon=False, borderpad=0, **place))


def _hertz_ticks(axis: Any, ticks: Sequence[int]) -> None:
    ticker = require("matplotlib.ticker", extra="plot")
    axis.set_major_locator(ticker.FixedLocator(ticks))
    axis.set_major_formatter(ticker.FixedFormatter([f"{tick:g}" for tick in ticks]))
    axis.set_minor_locator(ticker.NullLocator())


def _name(text: str, longest: int = LONGEST_NAME) -> str:
    """Text on one line of at most ``longest`` characters, all of which a font may have."""
    text = " ".join(text.encode("utf-8", "backslashreplace").decode("utf-8").split()) or "(no name)"
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"
