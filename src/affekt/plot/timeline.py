"""One recording over time: its waveform, where speech is, and what the model hears when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from affekt._optional import require
from affekt.errors import InputError, UnknownName
from affekt.plot.colours import colours, ink
from affekt.types import Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

WAVE = "#4D4D4D"
SPEECH = "#D6E6F2"
FAINT = "#B3B3B3"
EMPTY = "#F2F2F2"

# Inches: the height of each panel, and of all that is around them.
HEIGHTS = {"waveform": 1.2, "probabilities": 2.2, "predicted": 0.75, "truth": 0.3}
WIDTH, AROUND = 11.0, 1.1

#: How the foot of a bar is drawn where the model is not sure, and its share of the bar's height.
UNSURE: Mapping[str, Any] = {"facecolor": "white", "edgecolor": WAVE, "hatch": "//////", "linewidth": 0}
FOOT = 0.18
CLOCK_STEPS = (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)  # seconds
QUIETEST_SCALE = 0.05  # of full scale
COLUMNS = 400  # of the stacked probabilities, at most
LONGEST_NAME = 24  # characters


@dataclass(frozen=True, eq=False)
class Timeline:
    """What there is to draw about one recording.

    Parameters
    ----------
    title : str
        Stands above the picture.
    duration : float
        Seconds; the time axis goes from 0 to here.
    envelope : float array, shape (m, 2)
        Minimum and maximum of the signal in m columns of equal duration.
    activity : sequence of (start, end)
        Where speech is, in seconds.
    windows : sequence of Prediction
        Fine-grained, for the stacked probabilities. Where windows overlap,
        the later one takes over from its start. Without any, but with segments, that panel is left out.
    segments : sequence of Prediction
        What is decided, for the coloured band. Those that abstain are left blank.
    labels : sequence of str
        The model's labels, in its order: the first is at the bottom of the stack.
    truth : sequence of (start, end, label)
        The true labels, if known; they get a band of their own.
    silent : bool
        Whether it has no sound, but faces: there is no waveform then.

    Raises
    ------
    InputError
        If the duration or the envelope is not what it should be.
    UnknownName
        If a prediction scores a label that is not among ``labels``.
    """

    title: str
    duration: float
    envelope: np.ndarray  # (m, 2)
    activity: Sequence[tuple[float, float]]
    windows: Sequence[Prediction]
    segments: Sequence[Prediction]
    labels: Sequence[str]
    truth: Sequence[tuple[float, float, str]] = field(default=())
    silent: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.duration < math.inf:
            raise InputError(f"duration is {self.duration}; give seconds, more than 0.")
        if self.envelope.ndim != 2 or self.envelope.shape[1] != 2 or not np.isfinite(self.envelope).all():
            raise InputError(
                f"envelope has shape {self.envelope.shape}; give finite minima and maxima of shape (m, 2)."
            )

        for label in {label for p in (*self.windows, *self.segments) for label in p.scores}:
            if label not in self.labels:
                raise UnknownName("label", label, self.labels)

    @property
    def people(self) -> list[str]:
        """Whom the segments name, in order of appearance; none where nobody is told apart."""
        return list(dict.fromkeys(p.who for p in self.segments if p.who is not None))

    @property
    def lanes(self) -> list[str | None]:
        """Who has a lane, from the top; None is who is not told apart."""
        nobody = not self.people or any(p.who is None for p in self.segments)
        return [*([None] if nobody else []), *self.people]

    @property
    def colours(self) -> dict[str, str]:
        """The colour of each label, the model's first, then those that only the truth has."""
        return colours([*self.labels, *(label for _, _, label in self.truth)])


def draw_timeline(data: Timeline, *, figure: Figure | None = None) -> Figure:
    """Draw all panels of one recording above one another, on one time axis.

    Parameters
    ----------
    data : Timeline
        What to draw.
    figure : matplotlib Figure, optional
        Where to draw; a new one without a window if not given.

    Returns
    -------
    matplotlib Figure
        Not shown, not saved: ``figure.savefig(path)`` does that.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.

    Examples
    --------
    >>> p = Prediction(0.0, 2.0, {"happy": 0.75, "sad": 0.25})
    >>> data = Timeline("a.wav", 2.0, np.zeros((9, 2)), [(0, 2)], [p], [p], ["happy", "sad"])
    >>> [ax.get_ylabel() for ax in draw_timeline(data).axes]
    ['waveform', 'probability', 'emotion']
    """
    # Of many lanes probabilities would say the same again.
    left_out = {"truth": not data.truth, "waveform": data.silent, "probabilities": data.segments and not data.windows}
    heights = {name: height for name, height in HEIGHTS.items() if not left_out.get(name)}
    heights["predicted"] *= len(data.lanes) if len(data.lanes) < 6 else 0.6 * len(data.lanes)
    if "probabilities" in heights:
        heights["probabilities"] *= max(1, 0.6 * len(data.lanes))
    if figure is None:
        size = (WIDTH, sum(heights.values()) + AROUND)
        figure = require("matplotlib.figure", extra="plot").Figure(figsize=size)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.06, hspace=0.02)
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=list(heights.values()))
    figure.suptitle(_name(data.title, 90), x=0.012, ha="left", fontsize=12, fontweight="bold", parse_math=False)
    _legend(data, figure)
    draw = {"waveform": waveform, "probabilities": probabilities, "predicted": predicted, "truth": truth}
    for name, ax in zip(heights, panels, strict=True):
        draw[name](data, ax=ax)
    figure.align_ylabels(panels)
    return figure


def waveform(data: Timeline, *, ax: Axes | None = None) -> Axes:
    """Draw the envelope of the signal, with the stretches of speech shaded."""
    ax = _axes(data, "waveform", ax)
    # The floor keeps the noise of a quiet room from looking like speech.
    limit = max(QUIETEST_SCALE, 1.05 * float(np.abs(data.envelope).max(initial=0)))
    stretches = [(start, end - start) for start, end in data.activity]
    ax.broken_barh(stretches, (-limit, 2 * limit), facecolors=SPEECH, edgecolors="none")
    if len(data.envelope):
        low, high = np.vstack([data.envelope, data.envelope[-1]]).T
        edges = np.linspace(0, data.duration, len(low))
        # A line of some width: a column whose minimum is its maximum has no area.
        ax.fill_between(edges, low, high, step="post", color=WAVE, linewidth=0.6)
    ax.set_ylim(-limit, limit)
    ax.yaxis.set_major_locator(require("matplotlib.ticker", extra="plot").MaxNLocator(3, symmetric=True))
    return ax


def probabilities(data: Timeline, *, ax: Axes | None = None) -> Axes:
    """Draw the probability of each label over time, stacked; a gap means no prediction.

    Where windows say who it is, each person has a lane from 0 to 1. Of a long
    recording, where windows are narrower than the eye can tell apart,
    neighbours are drawn as their mean.
    """
    ax = _axes(data, "probability", ax)
    ax.set_ylim(0, 1)
    ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    if not any(p.scores for p in data.windows):
        words = "no face" if data.silent else "no prediction" if data.activity else "no speech"
        ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center", color=WAVE)
        return ax
    colour_of, lanes = data.colours, data.lanes
    for number, who in enumerate(lanes):
        shown = [p for p in data.windows if p.who == who]
        times, scores = _steps(_thinned(shown, data.duration), data.labels)
        if not len(times):
            continue
        tops = (np.cumsum(scores, axis=0) + len(lanes) - number - 1) / len(lanes)  # (k, t)
        for label, low, high in zip(data.labels, tops - scores / len(lanes), tops, strict=True):
            colour = colour_of[label]
            # The thin line closes the seam that anti-aliasing leaves between neighbours.
            ax.fill_between(times, low, high, facecolor=colour, edgecolor=colour, linewidth=0.2)
    if data.people:
        _name_lanes(ax, lanes)
    return ax


def predicted(data: Timeline, *, ax: Axes | None = None) -> Axes:
    """Draw the segments as a band in their labels' colours, with label and confidence where they fit.

    Where they say who it is, each person has a lane of their own, the first at the top.
    Where the model is not sure its best guess is drawn, with a question mark
    and hatched along its foot, which bars too narrow for words have, too.
    Text is fitted to the size that the figure has now.
    """
    ax = _axes(data, "emotion", ax)
    lanes = data.lanes
    for number, who in enumerate(lanes):
        lane = (1 - (number + 1) / len(lanes), 1 / len(lanes))
        decided = [p for p in data.segments if p.best is not None and p.who == who]
        spans = [(p.start, p.end, str(p.best)) for p in decided]
        _band(ax, spans, data.colours, lane=lane)
        unsure = [(p.start, p.duration) for p in decided if p.unsure]
        ax.broken_barh(unsure, (lane[0], FOOT * lane[1]), **UNSURE)
        details = [f"{100 * p.confidence:.0f} %{'?' * p.unsure}" for p in decided]
        _write_names(ax, spans, details, data.colours, lane=lane)
    if data.people:
        _name_lanes(ax, lanes)
    return ax


def truth(data: Timeline, *, ax: Axes | None = None) -> Axes:
    """Draw the true labels as a band, with the label where it fits."""
    ax = _axes(data, "truth", ax)
    _band(ax, data.truth, data.colours)
    _write_names(ax, data.truth, [""] * len(data.truth), data.colours)
    return ax


def _name_lanes(ax: Axes, lanes: Sequence[str | None]) -> None:
    middles = [1 - (number + 0.5) / len(lanes) for number in range(len(lanes))]
    ax.set_yticks(middles, ["" if who is None else _name(who, 18) for who in lanes])
    ax.tick_params(axis="y", length=0)
    for label in ax.get_yticklabels():
        label.set_parse_math(False)
    for number in range(1, len(lanes)):
        ax.axhline(number / len(lanes), color="white", linewidth=3)


def _axes(data: Timeline, name: str, ax: Axes | None) -> Axes:
    """Axes whose name stands at the left and whose time axis spans the recording."""
    if ax is None:
        figure = require("matplotlib.figure", extra="plot").Figure(figsize=(WIDTH, 3), layout="constrained")
        ax = figure.add_subplot()
    ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9, color=WAVE)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(FAINT)
    ax.tick_params(labelsize=8, color=FAINT, labelcolor=WAVE)
    ax.set_xlim(0, data.duration)
    unit = _clock(ax, data.duration) if data.duration > 120 else "s"
    # Of axes that share their time, only the lowest says what it is.
    if ax.xaxis.get_tick_params().get("labelbottom", True):
        ax.set_xlabel(f"time / {unit}", fontsize=9, color=WAVE)
    else:
        ax.tick_params(axis="x", length=0)
    return ax


def _clock(ax: Axes, duration: float) -> str:
    """Give a long time axis round steps in minutes; returns the unit."""
    ticker = require("matplotlib.ticker", extra="plot")
    step = next((step for step in CLOCK_STEPS if duration / step <= 10), CLOCK_STEPS[-1])
    ax.xaxis.set_major_locator(ticker.MultipleLocator(step) if duration / step <= 20 else ticker.MaxNLocator(10))
    hours = duration >= 3600

    def clock_time(seconds: float, _: float) -> str:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

    ax.xaxis.set_major_formatter(clock_time)
    return "h:min:s" if hours else "min:s"


def _steps(windows: Iterable[Prediction], labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the steps: times (t,) and scores (k, t), NaN where a gap interrupts them."""
    scored = sorted((p for p in windows if p.scores), key=lambda p: p.start)
    times: list[float] = []
    columns: list[list[float]] = []
    for p, following in zip(scored, [*scored, None][1:], strict=True):
        values = [p.scores.get(label, 0.0) for label in labels]
        end = p.end if following is None else min(p.end, following.start)
        times += [p.start, end]
        columns += [values, values]
        if following is not None and following.start > end:
            times.append(end)
            columns.append([math.nan] * len(labels))
    return np.array(times), np.array(columns).T


def _thinned(windows: Sequence[Prediction], duration: float) -> Sequence[Prediction]:
    """Few enough windows to see: thousands become the mean in each of COLUMNS equal stretches."""
    if len(windows) <= 2 * COLUMNS:
        return windows
    width = duration / COLUMNS
    groups: dict[int, list[Prediction]] = {}
    for p in windows:
        if p.scores and (p.start + p.end) / 2 < duration:
            groups.setdefault(int((p.start + p.end) / 2 / width), []).append(p)
    thinned = []
    for i, group in groups.items():
        labels = dict.fromkeys(label for p in group for label in p.scores)
        mean = {label: min(1.0, math.fsum(p.scores.get(label, 0.0) for p in group) / len(group)) for label in labels}
        thinned.append(Prediction(i * width, (i + 1) * width, mean))
    return thinned


def _band(
    ax: Axes,
    spans: Sequence[tuple[float, float, str]],
    colour: dict[str, str],
    *,
    lane: tuple[float, float] = (0.0, 1.0),
) -> None:
    ax.set_ylim(0, 1)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_facecolor(EMPTY)
    fills = [colour[label] for _, _, label in spans]
    # White edges part neighbours of one colour; they would hide bars as thin as themselves.
    wide = [end - start > ax.get_xlim()[1] / 200 for start, end, _ in spans]
    edges = ["white" if w else fill for w, fill in zip(wide, fills, strict=True)]
    bars = [(start, end - start) for start, end, _ in spans]
    ax.broken_barh(bars, lane, facecolors=fills, edgecolors=edges, linewidth=0.7)


def _write_names(
    ax: Axes,
    spans: Sequence[tuple[float, float, str]],
    details: Sequence[str],
    colour: dict[str, str],
    *,
    lane: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Write label and detail into each bar: in two lines, else upright, else the label alone, else nothing."""
    figure = ax.get_figure(root=True)
    if figure is None or not spans:
        return
    figure.draw_without_rendering()  # until the layout is made, axes do not know their size
    box = ax.get_window_extent()
    for (start, end, label), detail in zip(spans, details, strict=True):
        width = (end - start) / (ax.get_xlim()[1] - ax.get_xlim()[0]) * box.width
        if width < 0.15 * figure.dpi:  # not even one upright line
            continue
        text = ax.text(
            (start + end) / 2, lane[0] + lane[1] / 2, "", ha="center", va="center", fontsize=8, parse_math=False
        )
        text.set(color=ink(colour[label]), in_layout=False)
        name = _name(label)
        short = name + "?" * detail.endswith("?")
        variants = [(f"{name}\n{detail}".strip(), 0), (f"{name} {detail}".strip(), 90), (short, 0), (short, 90)]
        if not any(_fits(text, variant, (width, lane[1] * box.height)) for variant in variants):
            text.remove()


def _fits(text: Text, variant: tuple[str, int], room: tuple[float, float]) -> bool:
    """Put words and rotation into ``text``; returns whether it fits the room (pixels) with a margin."""
    text.set(text=variant[0], rotation=variant[1])
    box = text.get_window_extent()
    return box.width + 4 <= room[0] and box.height + 4 <= room[1]


def _legend(data: Timeline, figure: Figure) -> None:
    """All labels at the right, in the order of the stack, and what the shading means."""
    patch = require("matplotlib.patches", extra="plot").Patch
    entries = [(_name(label), colour) for label, colour in reversed(data.colours.items())]
    if data.activity and not data.silent:
        entries.append(("speech", SPEECH))
    # matplotlib leaves out names that begin with an underscore; a blank in front keeps them.
    handles = [patch(facecolor=colour, label=f" {name}") for name, colour in entries]
    if any(p.unsure for p in data.segments):
        handles.append(patch(label=" not sure", **UNSURE))
    legend = figure.legend(
        handles=handles, loc="outside right center", fontsize=8, frameon=False, ncols=1 + len(entries) // 20
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _name(text: str, longest: int = LONGEST_NAME) -> str:
    """Text on one line of at most ``longest`` characters, all of which a font may have."""
    text = " ".join(text.encode("utf-8", "backslashreplace").decode("utf-8").split()) or "(no name)"
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"
