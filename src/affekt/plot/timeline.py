"""One recording over time: its waveform, where speech is, and the predictions of the model.

In a long recording the segments would be too narrow to tell apart. Bins of equal time are drawn instead: how each is
divided among the labels, and which label is the most frequent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from affekt._optional import require
from affekt.errors import InputError, UnknownName
from affekt.plot.colours import colours, ink
from affekt.timeline.shares import JUDGED, NOTHING, Shares, bin_width, deciding, shares_of
from affekt.types import Prediction, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

WAVE = "#4D4D4D"
SPEECH = "#D6E6F2"
FAINT = "#B3B3B3"
EMPTY = "#F2F2F2"

# Inches: the height of each panel, and of all that is around them.
HEIGHTS = {"shares": 2.4, "waveform": 1.2, "probabilities": 2.2, "predicted": 0.75, "truth": 0.3}
WIDTH, AROUND = 11.0, 1.1

#: How the foot of a bar is drawn where the model is not sure, and its share of the bar's height.
UNSURE: Mapping[str, Any] = {"facecolor": "white", "edgecolor": WAVE, "hatch": "//////", "linewidth": 0}
FOOT = 0.18
CLOCK_STEPS = (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)  # seconds
QUIETEST_SCALE = 0.05  # of full scale
COLUMNS = 400  # of the stacked probabilities, at most
LONGEST_NAME = 24  # characters
#: Most segments of one lane drawn as bars; beyond that, bins of equal time are drawn.
CROWDED = 60
#: Most bins where they are divided and where they have one colour, and their possible lengths in seconds.
FINE, COARSE = 90, 45
BIN_SECONDS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
#: A bin with less speech than this share has no colour in the band.
LEAST_SPOKEN = 0.05


@dataclass(frozen=True, eq=False)
class Timeline:
    """What to draw about one recording.

    Parameters
    ----------
    title : str
        Shown above the figure.
    duration : float
        Seconds; the time axis runs from 0 to here.
    envelope : float array, shape (m, 2)
        Minimum and maximum of the signal in m columns of equal duration.
    activity : sequence of (start, end)
        Where speech is, in seconds.
    windows : sequence of Prediction
        Fine-grained, for the stacked probabilities. Where windows overlap,
        the later one takes over from its start. If there are segments but no windows, that panel is left out.
    segments : sequence of Prediction
        The decisions, for the coloured band. Those that abstain are left blank.
    labels : sequence of str
        The model's labels, in its order: the first is at the bottom of the stack.
    truth : sequence of (start, end, label)
        The true labels, if known; they get a band of their own.
    silent : bool
        Whether it has faces but no sound; then there is no waveform.

    Raises
    ------
    InputError
        If the duration or the envelope is not valid.
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
        """The people named in the segments, in order of appearance; empty where people are not distinguished."""
        return list(dict.fromkeys(p.who for p in self.segments if p.who is not None))

    @property
    def lanes(self) -> list[str | None]:
        """Who has a lane, from the top; None where people are not distinguished."""
        nobody = not self.people or any(p.who is None for p in self.segments)
        return [*([None] if nobody else []), *self.people]

    @property
    def modality(self) -> str:
        """The modality of the segments that count."""
        return next((p.modality for p in deciding(self.segments)), "speech")

    @property
    def crowded(self) -> bool:
        """Whether there are more segments than bars can show."""
        decided = [p for p in self.segments if p.best is not None]
        return any(sum(p.who == who for p in decided) > CROWDED for who in self.lanes)

    @cached_property
    def shares(self) -> Shares:
        """How the whole time is divided."""
        return shares_of(self.segments, self.duration, labels=self.labels)

    def bins(self, who: str | None, most: int) -> tuple[Shares, ...]:
        """How the time of one lane is divided, in at most ``most`` bins of equal time."""
        lane = [p for p in self.segments if p.who == who]
        every = bin_width(self.duration, widths=BIN_SECONDS, most=most)
        found = shares_of(lane, self.duration, labels=self.labels, every=every)
        return found.bins or (found,)

    @property
    def colours(self) -> dict[str, str]:
        """The colour of each label, the model's first, then those that only the truth has."""
        return colours([*self.labels, *(label for _, _, label in self.truth)])


def draw_timeline(data: Timeline, *, figure: Figure | None = None) -> Figure:
    """Draw all panels of one recording, stacked on one time axis.

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
    crowded = data.crowded
    left_out = {
        "shares": not crowded,
        "truth": not data.truth,
        "waveform": data.silent,
        # With many lanes or many segments, probabilities would show the same again.
        "probabilities": crowded or (data.segments and not data.windows),
    }
    heights = {name: height for name, height in HEIGHTS.items() if not left_out.get(name)}
    heights["predicted"] *= len(data.lanes) if len(data.lanes) < 6 else 0.6 * len(data.lanes)
    for name in {"probabilities", "shares"} & set(heights):
        heights[name] *= max(1, 0.6 * len(data.lanes))
    if figure is None:
        size = (WIDTH, sum(heights.values()) + AROUND)
        figure = require("matplotlib.figure", extra="plot").Figure(figsize=size)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.06, hspace=0.02)
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=list(heights.values()))
    title = _name(data.title, 90)
    if crowded:
        title = f"{_name(data.title, 60)}: most often {data.shares.most_frequent or 'not sure'}"
    figure.suptitle(title, x=0.012, ha="left", fontsize=12, fontweight="bold", parse_math=False)
    _legend(data, figure)
    draw = {
        "shares": shares, "waveform": waveform, "probabilities": probabilities, "predicted": predicted, "truth": truth,
    }  # fmt: skip
    for name, ax in zip(heights, panels, strict=True):
        draw[name](data, ax=ax)
    figure.align_ylabels(panels)
    return figure


def draw_result(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the segments of a result; for a long recording, how its time is divided, in bins of equal time.

    Raises
    ------
    InputError
        If it has no time axis.
    MissingExtra
        If matplotlib is not installed.

    Examples
    --------
    >>> p = Prediction(0.0, 2.0, {"happy": 0.75, "sad": 0.25})
    >>> draw_result(Result("a.wav", 2.0, (p,), p, "voice-1", ("happy", "sad"))).get_title(loc="left")
    'a.wav'
    """
    if not result.duration:
        raise InputError(f"{_name(result.source, 60)}: a picture, or a text without times, has no timeline to plot.")
    segments = in_lanes(result) if result.summary.modality == "fusion" else list(result.predictions)
    data = Timeline(
        title=result.source,
        duration=result.duration,
        envelope=np.zeros((0, 2)),
        activity=(),
        windows=(),
        segments=segments,
        labels=list(result.labels),
        silent=True,
    )
    ax = (shares if data.crowded else predicted)(data, ax=ax)
    ax.set_title(_name(data.title, 90), loc="left", fontsize=10, parse_math=False)
    legend = ax.legend(
        **_titled(data), handles=_handles(data), loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return ax


def shares(data: Timeline, *, ax: Axes | None = None) -> Axes:
    """Draw how the time is divided in bins of equal time, stacked: labels, unsure time, and silence left blank."""
    ax = _axes(data, f"share of\neach {_width(data, FINE)}", ax)
    ax.set_ylim(0, 1)
    ax.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    ax.set_facecolor(EMPTY)
    lanes, colour_of = data.lanes, data.colours
    for number, who in enumerate(lanes):
        bins = data.bins(who, FINE)
        starts, lengths = np.array([(part.start, part.duration) for part in bins]).T
        level = np.full(len(bins), 1 - (number + 1) / len(lanes))
        looks = {
            label: {"facecolor": colour_of[label], "edgecolor": colour_of[label], "linewidth": 0.2}
            for label in data.labels
        }
        for label, look in [*looks.items(), (None, UNSURE)]:
            seconds = [part.unsure if label is None else part.seconds[label] for part in bins]
            height = np.array(seconds) / lengths / len(lanes)
            there = height > 0  # a bar without height would still have an edge
            ax.bar(starts[there], height[there], lengths[there], level[there], align="edge", **look)
            level += height
    if data.people:
        _name_lanes(ax, lanes)
    return ax


def in_lanes(result: Result, *, least: float = 1.0) -> list[Prediction]:
    """The predictions of several modalities, with their lane's name in ``who``: person by person, fused ones first.

    Anyone who is there for less than ``least`` seconds in total is left out.
    """
    order = {"fusion": "all", "speech": "voice", "face": "face", "text": "words"}
    lengths: dict[str | None, float] = {}
    for p in result.predictions:
        if p.modality == "fusion":
            lengths[p.who] = lengths.get(p.who, 0.0) + p.duration
    people = [who for who, length in lengths.items() if length >= least or len(lengths) == 1]
    return [
        replace(p, who=order[modality] if who is None else f"{who}: {order[modality]}")
        for who in people
        for modality in order
        for p in result.predictions
        if p.who == who and p.modality == modality
    ]


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
        # A line with some width: a column whose minimum equals its maximum has no area.
        ax.fill_between(edges, low, high, step="post", color=WAVE, linewidth=0.6)
    ax.set_ylim(-limit, limit)
    ax.yaxis.set_major_locator(require("matplotlib.ticker", extra="plot").MaxNLocator(3, symmetric=True))
    return ax


def probabilities(data: Timeline, *, ax: Axes | None = None) -> Axes:
    """Draw the probability of each label over time, stacked; a gap means no prediction.

    Where windows say who it is, each person has a lane from 0 to 1. In a long
    recording, where windows are too narrow to tell apart, neighbours are drawn
    as their mean.
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

    Where they say who it is, each person has their own lane, the first at the top.
    Where the model is not sure, its best guess is drawn with a question mark and a
    hatched foot; bars too narrow for words have the hatching, too. Text is fitted to
    the current size of the figure. For a long recording, the band shows the most frequent label in bins of equal
    time; bins where the model is mostly not sure are hatched, bins with almost no speech are blank.
    """
    ax = _axes(data, f"most often in\neach {_width(data, COARSE)}" if data.crowded else "emotion", ax)
    lanes = data.lanes
    for number, who in enumerate(lanes):
        lane = (1 - (number + 1) / len(lanes), 1 / len(lanes))
        if data.crowded:
            _typical(data, who, ax=ax, lane=lane)
            continue
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


def _typical(data: Timeline, who: str | None, *, ax: Axes, lane: tuple[float, float]) -> None:
    """The most frequent label of each bin; neighbours with the same label make one bar."""
    spans: list[tuple[float, float, str]] = []
    unsure = []
    for part in data.bins(who, COARSE):
        label = part.most_frequent
        if part.answered < LEAST_SPOKEN * part.duration:
            continue
        if part.unsure > part.answered / 2:
            unsure.append((part.start, part.duration))
        elif label is not None and spans and spans[-1][1:] == (part.start, label):
            spans[-1] = (spans[-1][0], part.end, label)
        elif label is not None:
            spans.append((part.start, part.end, label))
    _band(ax, spans, data.colours, lane=lane)
    ax.broken_barh(unsure, lane, **UNSURE)
    _write_names(ax, spans, [""] * len(spans), data.colours, lane=lane)


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
    """Axes with their name on the left and a time axis that spans the recording."""
    if ax is None:
        figure = require("matplotlib.figure", extra="plot").Figure(figsize=(WIDTH, 3), layout="constrained")
        ax = figure.add_subplot()
    ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9, color=WAVE)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(FAINT)
    ax.tick_params(labelsize=8, color=FAINT, labelcolor=WAVE)
    ax.set_xlim(0, data.duration)
    unit = _clock(ax, data.duration) if data.duration > 120 else "s"
    # Of axes that share the time axis, only the lowest labels it.
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
    # White edges separate neighbours of the same colour; they would hide bars as thin as the edges.
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
    figure.draw_without_rendering()  # axes do not know their size before the layout
    box = ax.get_window_extent()
    for (start, end, label), detail in zip(spans, details, strict=True):
        width = (end - start) / (ax.get_xlim()[1] - ax.get_xlim()[0]) * box.width
        if width < 0.15 * figure.dpi:  # no room for even one vertical line
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
    handles = _handles(data)
    legend = figure.legend(
        **_titled(data),
        handles=handles,
        loc="outside right center",
        fontsize=8,
        frameon=False,
        ncols=1 + len(handles) // 20,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _handles(data: Timeline) -> list[Any]:
    """The legend entries; for a long recording, from the top of the stack, with overall shares."""
    patch = require("matplotlib.patches", extra="plot").Patch
    entries = [(_name(label), colour) for label, colour in reversed(data.colours.items())]
    if data.crowded:
        share = {_name(label): f" {100 * x:.0f} %" for label, x in data.shares.share.items()}
        entries = [(name + share.get(name, ""), colour) for name, colour in entries]
    if data.activity and not data.silent:
        entries.append(("speech", SPEECH))
    # matplotlib leaves out names that begin with an underscore; a blank in front keeps them.
    handles = [patch(facecolor=colour, label=f" {name}") for name, colour in entries]
    unsure = [patch(label=" not sure", **UNSURE)] if any(p.unsure for p in data.segments) else []
    if not data.crowded:
        return [*handles, *unsure]
    for handle in unsure:
        handle.set_label(f" not sure {100 * data.shares.unsure_share:.0f} %")
    return [patch(facecolor=EMPTY, edgecolor=FAINT, label=f" {NOTHING[data.modality]}"), *unsure, *handles]


def _titled(data: Timeline) -> dict[str, Any]:
    """The title of a legend: what its shares refer to."""
    words = f"share of {JUDGED[data.modality]}".replace("the time", "the time\n")
    return {"title": words, "title_fontsize": 8, "alignment": "left"} if data.crowded else {}


def _width(data: Timeline, most: int) -> str:
    """The length of a bin in words."""
    seconds = bin_width(data.duration, widths=BIN_SECONDS, most=most)
    return f"{seconds:g} s" if seconds < 60 else "minute" if seconds == 60 else f"{seconds / 60:g} min"


def _name(text: str, longest: int = LONGEST_NAME) -> str:
    """Text on one line of at most ``longest`` characters, all of which a font may have."""
    text = " ".join(text.encode("utf-8", "backslashreplace").decode("utf-8").split()) or "(no name)"
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"
