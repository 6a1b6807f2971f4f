"""What a label rests on: the sound of each segment, and next to it the effect of masking each patch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from affekt._optional import require
from affekt.errors import InputError
from affekt.explain.occlusion import Map
from affekt.plot.timeline import WAVE, _name
from affekt.speech.spectral import hertz_to_mel, mel_to_hertz

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Brown for, purple against: ColorBrewer's PuOr can be told apart by colour-blind eyes.
DIVERGING, GREYS = "PuOr_r", "Greys"
HERTZ = (0, 500, 1000, 2000, 4000, 8000)
# Inches.
WIDTH, HEIGHT, AROUND = 10.0, 2.4, 1.2
#: Nats: the colours span at least this, so that an empty map looks empty.
LEAST_SPAN = 0.05


@dataclass(frozen=True, eq=False)
class Maps:
    """What there is to draw of one recording.

    Parameters
    ----------
    title : str
        Shown above the figure.
    maps : sequence of Map
        One row each.
    confidences : sequence of float
        Of the maps' labels, 0 to 1.
    note : str
        Shown after the title, such as which segments these are.

    Raises
    ------
    InputError
        If there is no map, or the number of confidences differs from that of the maps.
    """

    title: str
    maps: Sequence[Map]
    confidences: Sequence[float]
    note: str = field(default="")

    def __post_init__(self) -> None:
        if not self.maps or len(self.maps) != len(self.confidences):
            raise InputError(
                f"{len(self.maps)} maps and {len(self.confidences)} confidences; give at least one, and as many."
            )

    @property
    def span(self) -> float:
        """Nats at the ends of the colours; one scale for all rows."""
        return max(LEAST_SPAN, *(float(np.abs(found.values).max()) for found in self.maps))


def draw_maps(data: Maps, *, figure: Figure | None = None) -> Figure:
    """Draw a row for each segment: the sound on the left, the map on the right.

    Parameters
    ----------
    data : Maps
    figure : matplotlib Figure, optional
        Where to draw; a new one without a window if not given.

    Returns
    -------
    matplotlib Figure
        Not shown, not saved.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.

    Examples
    --------
    >>> found = Map(np.array([0.0, 1.0]), np.array([0.0, 8000.0]), np.array([[0.5]]), "happy", np.zeros((9, 257)))
    >>> [ax.get_ylabel() for ax in draw_maps(Maps("a.wav", [found], [0.7])).axes][:2]
    ['frequency / Hz', '']
    """
    rows = len(data.maps)
    if figure is None:
        size = (WIDTH, HEIGHT * rows + AROUND)
        figure = require("matplotlib.figure", extra="plot").Figure(figsize=size)
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
    panels = figure.subplots(rows, 2, squeeze=False, sharey=True, width_ratios=[1, 1])
    title = _name(data.title, 60) + (f": {data.note}" if data.note else "")
    figure.suptitle(title, x=0.012, ha="left", fontsize=12, fontweight="bold", parse_math=False)
    for i, (left, right) in enumerate(panels):
        sound(data, row=i, ax=left)
        occlusion(data, row=i, ax=right)
        right.set_ylabel("")
    for ax in panels[:-1].ravel():
        ax.set_xlabel("")
    bar = figure.colorbar(panels[0, 1].collections[0], ax=panels[:, 1].tolist(), pad=0.02, aspect=20 * rows)
    bar.set_label("loss of log-probability when masked / nats", fontsize=9, color=WAVE)
    bar.ax.tick_params(labelsize=8, labelcolor=WAVE)
    return figure


def sound(data: Maps, *, row: int = 0, ax: Axes | None = None) -> Axes:
    """Draw the spectrogram of a segment, the louder the darker."""
    found = data.maps[row]
    ax = _axes(ax, f"input, {found.times[0]:.1f} to {found.times[-1]:.1f} s")
    frames, bins = found.sound.shape
    times = np.linspace(found.times[0], found.times[-1], frames + 1)
    hertz = np.linspace(0, HERTZ[-1], bins + 1)
    ax.pcolormesh(times, hertz, found.sound.T, cmap=GREYS, rasterized=True)
    return ax


def occlusion(data: Maps, *, row: int = 0, ax: Axes | None = None) -> Axes:
    """Draw the map of a segment: brown patches speak for the label, purple ones against it."""
    found = data.maps[row]
    ax = _axes(ax, f"what speaks for {_name(found.label)} ({100 * data.confidences[row]:.0f} %)")
    ax.pcolormesh(
        found.times, found.hertz, found.values.T, cmap=DIVERGING, vmin=-data.span, vmax=data.span, rasterized=True
    )
    return ax


def _axes(ax: Axes | None, title: str) -> Axes:
    """Axes in seconds and hertz, the latter on the mel scale."""
    if ax is None:
        ax = require("matplotlib.figure", extra="plot").Figure(figsize=(WIDTH / 2, 3), layout="constrained").subplots()
    ax.set_yscale("function", functions=(hertz_to_mel, mel_to_hertz))
    ax.set_ylim(0, HERTZ[-1])
    ax.set_yticks(HERTZ, [str(hertz) for hertz in HERTZ])
    ax.minorticks_off()
    ax.set_title(title, loc="left", fontsize=9, color=WAVE, parse_math=False)
    ax.set_xlabel("time / s", fontsize=9, color=WAVE)
    ax.set_ylabel("frequency / Hz", fontsize=9, color=WAVE)
    ax.tick_params(labelsize=8, labelcolor=WAVE)
    return ax
