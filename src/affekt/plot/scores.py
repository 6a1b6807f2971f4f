"""Plots of the evaluation of a model: confusion, recalls, reliability, slices, training; and the page with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from affekt._optional import require
from affekt.errors import InputError
from affekt.metrics.across import CrossCorpus
from affekt.plot.colours import colours
from affekt.plot.page import Folded, Picture, Section, Sound, Table, Word, page, png
from affekt.plot.style import FAINT, LINE, STYLES, blank_figure, plain_axes
from affekt.types import Estimate, Report
from affekt.write.clips import ClipAnswer, errors_first
from affekt.write.evaluation import ModelEvaluation, comparison_sentences, summary_rows
from affekt.write.report import (
    TOTALS,
    chance_sentences,
    class_rows,
    confusion_rows,
    finding_rows,
    metric_rows,
    worst_speaker,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SEVERE, DOT = "#B22222", "#0072B2"
# Lightness rises evenly, and it looks the same to colour-blind eyes (Nunez, Anderton & Renslow, 2018).
MAP = "cividis"
FOLD_HUES = ("#0072B2", "#D55E00", "#117733", "#882255")  # dark enough to be visible as thin lines
QUIET = "#7F92B5"  # a 0 on the map's darkest colour
# Names of scores in a training history; needed because learning rates also lie between 0 and 1.
WATCHED = ("dev", "watched")
SCORES = ("dev", "train", "uar", "wa", "accuracy", "f1", "recall")
LONGEST_NAME = 22  # characters
MOST_SPEAKERS = 24  # in a picture
# Inches: of a cell, of a bar, and of all of them together, so that 200 labels are a picture, too.
CELL, BAR, LARGEST = 0.62, 0.36, 18.0


def draw_confusion(report: Report, *, ax: Axes | None = None) -> Axes:
    """Draw the confusion matrix: colours are shares of the true label, numbers are percentages and clips.

    With more than about 50 labels there is no room for numbers.

    Parameters
    ----------
    report : Report
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
    >>> draw_confusion(Report({}, ("a", "b"), ((3, 1, 0), (0, 4, 0)))).get_xlabel()
    'predicted'
    """
    _, *rows = confusion_rows(report)
    names = [_name(str(cell)) for cell in confusion_rows(report)[0][1:]]
    counts = [[int(str(cell)) for cell in row[1:]] for row in rows]
    shares = [[n / max(1, sum(row)) for n in row] for row in counts]
    cell = min(CELL, LARGEST / max(1, len(names)))
    ax = _axes("confusion", report.stamps, ax, (cell * max(4, len(names)) + 2.4, cell * max(4, len(rows)) + 1.9))
    image = ax.imshow(shares, cmap=MAP, vmin=0, vmax=1, aspect="auto")
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    ax.set_yticks(range(len(rows)), [_name(label) for label in report.labels], parse_math=False)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    ax.tick_params(labelsize=_tick_size(cell))
    for i, row in enumerate(counts if cell > CELL / 2 else ()):
        for j, n in enumerate(row):
            words = f"{100 * shares[i][j]:.0f} %\n{n}" if n else "0"
            colour = _on_map(shares[i][j]) if n else QUIET
            ax.text(j, i, words, ha="center", va="center", fontsize=7, color=colour)
    figure_of(ax).colorbar(image, ax=ax, label="share of the true label", fraction=0.04, pad=0.02)
    return ax


def draw_recalls(report: Report, *, ax: Axes | None = None) -> Axes:
    """Draw the recall of each class with its 95 % interval, and chance as a line."""
    recalls = {label: entry["recall"] for label, entry in report.per_class.items()}
    bar = min(BAR, LARGEST / max(1, len(recalls)))
    ax = _axes("recall of each label", report.stamps, ax, (6.4, bar * max(3, len(recalls)) + 1.5))
    ax.tick_params(axis="y", labelsize=_tick_size(bar))
    colour = colours(recalls)
    for i, (label, e) in enumerate(recalls.items()):
        value = e.value if isinstance(e, Estimate) else float(e)
        ax.barh(i, value, color=colour[label], edgecolor=LINE, linewidth=0.5)
        if isinstance(e, Estimate):
            ax.plot([e.low, e.high], [i, i], color="black", linewidth=1.4, solid_capstyle="butt")
    names = [f"{_name(label)} ({entry['support']})" for label, entry in report.per_class.items()]
    ax.set_yticks(range(len(names)), names, parse_math=False)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.01)
    ax.set_xlabel("recall (line: 95 % interval)")
    ax.set_ylabel("true label (clips)")
    if report.chance is not None:
        ax.axvline(report.chance, color=SEVERE, linewidth=1, linestyle="--")
        ax.text(report.chance, 1, " chance", color=SEVERE, fontsize=8, va="bottom", transform=ax.get_xaxis_transform())
    return ax


def draw_reliability(report: Report, *, ax: Axes | None = None) -> Axes:
    """Draw accuracy over confidence, bin by bin, above the share of clips in each bin.

    On the diagonal the model is calibrated; below it, it is overconfident.
    """
    ax = _axes("reliability", report.stamps, ax, (4.8, 4.4))
    bins, total = report.reliability, max(1, sum(n for _, _, n in report.reliability))
    edges = [i / max(1, len(bins)) for i in range(len(bins))]
    shares = [n / total for _, _, n in bins]
    ax.bar(
        edges, shares, 1 / max(1, len(bins)), align="edge", color="#D9D9D9", edgecolor="white", label="share of clips"
    )
    ax.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1, label="confidence = accuracy")
    filled = [(c, a, n) for c, a, n in bins if n and c]  # a confidence of 0 means no answer
    ax.plot([c for c, _, _ in filled], [a for _, a, _ in filled], color=DOT, linewidth=1.2)
    areas = [12 + 160 * n / total for _, _, n in filled]
    ax.scatter(
        [c for c, _, _ in filled],
        [a for _, a, _ in filled],
        areas,
        color=DOT,
        zorder=3,
        clip_on=False,
        label="accuracy",
    )
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("confidence (probability of the answer)")
    ax.set_ylabel("accuracy; share of clips")
    ax.legend(loc="upper left", fontsize=8, frameon=False)
    return ax


def draw_slices(report: Report, *, ax: Axes | None = None) -> Axes:
    """Draw the UAR of each slice as a dot with its 95 % interval; only the worst of many speakers are shown."""
    shown, hidden = _shown_slices(report.slices)
    ax = _axes("UAR by slice", report.stamps, ax, (7.0, 0.25 * max(4, len(shown)) + 1.6))
    position, previous, ticks = 0.0, "", {}
    for name, e in shown.items():
        key = name.partition("=")[0]
        position += 0.5 if previous not in ("", key) else 0.0
        ax.plot([e.low, e.high], [position, position], color=DOT, linewidth=1.4, solid_capstyle="butt")
        ax.plot(e.value, position, "o", color=DOT, markersize=5, clip_on=False)
        ticks[position], previous = f"{_name(name, 40)} ({e.n})", key
        position += 1
    ax.set_yticks(list(ticks), list(ticks.values()), fontsize=8, parse_math=False)
    ax.set_ylim(position - 0.3, -0.7)
    ax.set_xlim(0, 1)
    ax.set_xlabel("UAR (line: 95 % interval)" + (f"; {hidden} better speakers are not shown" if hidden else ""))
    ax.set_ylabel("slice (clips)")
    if "UAR" in report.metrics:
        ax.axvline(report.metrics["UAR"].value, color=FAINT, linewidth=1)
        ax.text(report.metrics["UAR"].value, 1, "all", color=LINE, fontsize=8, ha="center", va="bottom",
                transform=ax.get_xaxis_transform())  # fmt: skip
    return ax


def draw_cross_corpus(data: CrossCorpus, *, ax: Axes | None = None) -> Axes:
    """Draw UAR of models (rows) on corpora (columns)."""
    size = (0.95 * max(3, len(data.tested)) + 2.6, 0.62 * max(3, len(data.trained)) + 1.8)
    ax = _axes("across corpora", data.stamps, ax, size)
    table = [[e.value if (e := data.recalls.get((a, b))) else math.nan for b in data.tested] for a in data.trained]
    image = ax.imshow(table, cmap=MAP, vmin=0, vmax=1, aspect="auto")
    tested = [f"{_name(b)}\nchance {c:.2f}" if (c := (data.chance or {}).get(b)) else _name(b) for b in data.tested]
    ax.set_xticks(range(len(tested)), tested, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    ax.set_yticks(range(len(data.trained)), [_name(name) for name in data.trained], parse_math=False)
    ax.set_xlabel("tested on")
    ax.set_ylabel(data.row)
    for (a, b), e in data.recalls.items():
        words = f"{e.value:.2f}\n[{e.low:.2f}, {e.high:.2f}]"
        where = (data.tested.index(b), data.trained.index(a))
        ax.text(*where, words, ha="center", va="center", fontsize=7, color=_on_map(e.value))
    figure_of(ax).colorbar(image, ax=ax, label="UAR", fraction=0.04, pad=0.02)
    return ax


History = Sequence[Mapping[str, Any]]


def draw_history(history: History, *, figure: Figure | None = None, stamps: Sequence[str] = ()) -> Figure:
    """Draw a training run: loss on the left, scores on the right, over epochs.

    Parameters
    ----------
    history : sequence of mappings
        One per epoch: ``epoch``; ``loss`` and whatever else is called a loss;
        ``dev``, ``train_uar`` and the like from 0 to 1 are scores. Other
        entries are not drawn.
    figure : matplotlib Figure, optional
    stamps : sequence of str
        Of the run's report.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InputError
        If there is no epoch.
    MissingExtra
        If matplotlib is not installed.

    Examples
    --------
    >>> figure = draw_history([{"epoch": 1, "loss": 1.5, "dev": 0.4}, {"epoch": 2, "loss": 1.2, "dev": 0.5}])
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['loss / nats', 'score']
    """
    if not history:
        raise InputError("the history is empty; give one mapping per epoch, such as {'epoch': 1, 'loss': 1.5}.")
    if figure is None:
        figure = blank_figure((10, 3.8))
    left, right = figure.subplots(1, 2)
    draw_losses(history, ax=left, stamps=stamps)
    draw_accuracies(history, ax=right, stamps=stamps)
    return figure


def draw_folds(histories: Sequence[History], *, figure: Figure | None = None, stamps: Sequence[str] = ()) -> Figure:
    """Draw the training runs of all folds: each as a thin line, their mean as a thick one; loss left, scores right.

    The mean of an epoch is over the folds that reached it.

    Raises
    ------
    InputError
        If no fold has an epoch.
    """
    histories = [history for history in histories if history]
    if len(histories) < 2:
        return draw_history(histories[0] if histories else (), figure=figure, stamps=stamps)
    everything = [line for history in histories for line in history]
    figure = blank_figure((10, 3.8)) if figure is None else figure
    for ax, names, what in zip(
        figure.subplots(1, 2), (_losses(everything), _scores(everything)), ("loss / nats", "score"), strict=True
    ):
        _axes(f"{what.partition(' ')[0]} of {len(histories)} folds", stamps, ax, (5.2, 3.8))
        for place, name in enumerate(names):
            colour = FOLD_HUES[place % len(FOLD_HUES)]
            curves = [[(line["epoch"], line[name]) for line in history if name in line] for history in histories]
            for points in filter(None, curves):
                ax.plot(*zip(*points, strict=True), color=colour, linewidth=0.8, alpha=0.45)
            values: dict[float, list[float]] = {}
            for epoch, value in (point for points in curves for point in points):
                values.setdefault(epoch, []).append(value)
            means = [(epoch, sum(found) / len(found)) for epoch, found in sorted(values.items())]
            style = STYLES[place % len(STYLES)]
            ax.plot(*zip(*means, strict=True), style, color=colour, linewidth=2, label=f"{name}, mean")
        ax.set_ylabel(what)
        _epochs(ax, names)
    ax.set_ylim(0, 1)
    return figure


def draw_losses(history: History, *, ax: Axes | None = None, stamps: Sequence[str] = ()) -> Axes:
    """Draw every loss of a training run over its epochs."""
    ax = _axes("loss", stamps, ax, (5.2, 3.8))
    _curves(history, _losses(history), ax)
    ax.set_ylabel("loss / nats")
    return ax


def draw_accuracies(history: History, *, ax: Axes | None = None, stamps: Sequence[str] = ()) -> Axes:
    """Draw every score between 0 and 1 of a training run over its epochs; a ring marks the monitored one's best."""
    ax = _axes("scores", stamps, ax, (5.2, 3.8))
    names = _scores(history)
    _curves(history, names, ax)
    for name in [name for name in names if name.startswith(WATCHED)][:1]:
        best = max((line for line in history if name in line), key=lambda line: (line[name], line["epoch"]))
        ax.plot(
            best["epoch"],
            best[name],
            "o",
            markersize=11,
            fillstyle="none",
            color=SEVERE,
            label=f"best: epoch {best['epoch']:g}",
        )
    if names:
        ax.legend(fontsize=8, frameon=False)
    ax.set_ylim(0, 1)
    ax.set_ylabel("score")
    return ax


#: The figures of a report: the drawing function, the caption, and whether there is anything to draw.
FIGURES: dict[str, tuple[Callable[..., Axes], str, Callable[[Report], object]]] = {
    "confusion": (draw_confusion, "Confusion: rows are the truth; colours are shares of a row.", lambda r: r.confusion),
    "recall": (draw_recalls, "Recall of each label with 95 % intervals.", lambda r: r.per_class),
    "reliability": (draw_reliability, "Reliability: does confidence mean what it says?", lambda r: r.reliability),
    "slices": (draw_slices, "UAR of parts of the clips, with 95 % intervals.", lambda r: r.slices),
}
#: Maps a clip to the address of its sound, or None.
Sounds = Callable[[ClipAnswer], str | None]
#: Most single clips on a page.
MOST_CLIPS = 300


def report_page(
    reports: Mapping[str, Report] | Sequence[Report],
    *,
    title: str = "Evaluation of the model",
    history: History = (),
    matrix: CrossCorpus | None = None,
    before: Sequence[Section] = (),
    further: Sequence[Section] = (),
) -> str:
    """Reports as one self-contained HTML page with tables and figures.

    Parameters
    ----------
    reports : mapping of str to Report, or sequence of Report
        The names become headings; without names, the protocols.
    title : str
    history : sequence of mappings
        Of the training run, see :func:`draw_history`.
    matrix : CrossCorpus, optional
    before, further : sequence of Section
        Further sections, above the reports and at the end of the page.

    Returns
    -------
    str
        HTML. Stamps come above everything else.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    if not isinstance(reports, Mapping):
        reports = {f"{i}. {r.protocol or 'report'}": r for i, r in enumerate(reports, 1)}
    stamps = tuple(dict.fromkeys(stamp for report in reports.values() for stamp in report.stamps))
    sections = [Section("Not what it looks like", severe=True, stamps=stamps)] if stamps else []
    sections += [*before, *(report_section(name, report) for name, report in reports.items())]
    if matrix is not None:
        sections.append(matrix_section(matrix))
    if history:
        picture = Picture("Loss and scores over the epochs of training.", png(draw_history(history, stamps=stamps)))
        sections.append(Section("Training", pictures=[picture]))
    return page(title, [*sections, *further])


def evaluation_page(evaluation: ModelEvaluation, *, sounds: Sounds | None = None) -> str:
    """The evaluation of a model as one HTML page, with its comparisons and the single clips at the end.

    Parameters
    ----------
    evaluation : ModelEvaluation
    sounds : callable, optional
        Maps a clip to the address of its sound for the player, or to None where it cannot be played. Without it,
        there are no players.
    """
    further = [
        Section(f"{name}: against {evaluation.compared}", sentences)
        for name in evaluation.corpora
        if (sentences := comparison_sentences(evaluation, name))
    ]
    further += [clips_section(name, entry.clips, sounds) for name, entry in evaluation.corpora.items() if entry.clips]
    reports = {name: entry.report for name, entry in evaluation.corpora.items()}
    head, *rows = summary_rows(evaluation)
    before = [Section("Summary", tables=[Table([str(cell) for cell in head], rows)])] if len(rows) > 1 else []
    return report_page(reports, title=f"Evaluation of {evaluation.model}", before=before, further=further)


def evaluation_figures(evaluation: ModelEvaluation) -> Iterator[tuple[str, Figure]]:
    """The name and the figure of each picture of :func:`evaluation_page`, drawn one after the other."""
    for name, entry in evaluation.corpora.items():
        for kind, (draw, _, of) in FIGURES.items():
            if of(entry.report):
                yield f"{name}-{kind}", figure_of(draw(entry.report))


def matrix_section(matrix: CrossCorpus) -> Section:
    """The matrix of training and test corpora: heat map and table."""
    pictures = [Picture(matrix.caption, png(figure_of(draw_cross_corpus(matrix))))]
    return Section("Across corpora", tables=[Table(matrix.rows[0], matrix.rows[1:])], pictures=pictures)


def clips_section(name: str, clips: Sequence[ClipAnswer], sounds: Sounds | None = None) -> Section:
    """The answers to single clips, errors first, each with a player where there are ``sounds``."""
    ranked = errors_first(clips)[:MOST_CLIPS]
    wrong = sum(not clip.right for clip in clips)
    head = ("truth", "answer", "confidence", "speaker", *(["listen"] if sounds else []), "clip")
    rows: dict[bool, list[Sequence[object]]] = {False: [], True: []}
    for clip in ranked:
        address = sounds(clip) if sounds else None
        others = ", ".join(f"{label} {100 * p:.0f} %" for label, p in sorted(clip.scores.items(), key=lambda x: -x[1]))
        answer = Word(clip.label or "no answer", severe=not clip.right)
        player: list[object] = [Sound(address) if address else ""] if sounds else []
        confidence = Folded(f"{100 * clip.confidence:.0f} %", others)
        rows[clip.right].append((clip.truth, answer, confidence, clip.speaker or "unknown", *player, clip.id))
    words = [f"{wrong} of {len(clips)} are wrong. Errors come first, the surest at the top."]
    left = len(clips) - len(ranked)
    words += [f"{left} clips are not shown here: --clips FILE.csv writes them all."] if left else []
    tables = [Table(head, rows[False], cards=True)] if rows[False] else []
    if rows[True]:
        tables.append(
            Table(head, rows[True], cards=True, fold=f"{len(rows[True])} right answers, the least sure first")
        )
    return Section(f"{name}: clip by clip", words, tables)


def report_section(name: str, report: Report) -> Section:
    """The section of one report: stamps, results, figures, then the details."""
    words = [report.protocol] if report.protocol and report.protocol not in name else []
    words += chance_sentences(report)
    worst = worst_speaker(report)
    words += [f"Worst speaker: {worst[0]}, UAR {worst[1]}"] if worst else []
    tables = [Table(("metric", "value", "95 % interval", "clips"), metric_rows(report.metrics))]
    if report.per_class:
        head, *rows = class_rows(report)
        tables.append(Table([str(cell) for cell in head], rows, totals=TOTALS))
    pictures = [
        Picture(f"{name}: {caption}", png(figure_of(draw(report))))
        for draw, caption, of in FIGURES.values()
        if of(report)
    ]
    return Section(
        name, words, tables, pictures, severe=bool(report.stamps), stamps=report.stamps, findings=finding_rows(report)
    )


def _axes(title: str, stamps: Sequence[str], ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Axes with a title, and the stamps above it."""
    ax = plain_axes(ax, size, dpi=130)
    words = [*(_name(stamp.upper(), 60) for stamp in stamps), title]
    ax.set_title("\n".join(words), fontsize=11, color=SEVERE if stamps else "black", parse_math=False, pad=16)
    return ax


def _tick_size(room: float) -> float:
    """Points of a label that has ``room`` inches across."""
    return min(8.0, 60 * room)


def _on_map(value: float) -> str:
    """A text colour that is readable on the map's colour of a value."""
    return "black" if value > 0.5 else "white"


def figure_of(ax: Axes) -> Any:
    """The figure that holds the axes, however deeply nested."""
    return ax.get_figure(root=True)


def _shown_slices(slices: Mapping[str, Estimate]) -> tuple[dict[str, Estimate], int]:
    """All slices but those by speaker, then the worst speakers first, and how many are left out."""
    speakers = [name for name in slices if name.startswith("speaker=")]
    ranked = sorted(speakers, key=lambda name: slices[name].value)
    others = [name for name in slices if name not in speakers]
    shown = [*others, *ranked[:MOST_SPEAKERS]]
    return {name: slices[name] for name in shown}, len(ranked) - len(ranked[:MOST_SPEAKERS])


def _numbers(history: History) -> list[str]:
    """Names of the values that are numbers in every epoch that has them, without ``epoch``."""
    names = dict.fromkeys(name for line in history for name in line if name != "epoch")
    return [n for n in names if all(type(line[n]) in (int, float) for line in history if n in line)]


def _losses(history: History) -> list[str]:
    """Names of the losses."""
    return [name for name in _numbers(history) if "loss" in name]


def _scores(history: History) -> list[str]:
    """Names of the scores between 0 and 1."""
    return [
        name
        for name in _numbers(history)
        if "loss" not in name
        and any(word in name.lower() for word in SCORES)
        and all(0 <= line[name] <= 1 for line in history if name in line)
    ]


def _curves(history: History, names: Sequence[str], ax: Axes) -> None:
    for name, style in zip(names, ("-", "--", "-.", ":") * (len(names) // 4 + 1), strict=False):
        points = [(line["epoch"], line[name]) for line in history if name in line]
        ax.plot(*zip(*points, strict=True), style, linewidth=1.5, marker="." if len(points) < 3 else "", label=name)
    _epochs(ax, names)


def _epochs(ax: Axes, names: Sequence[str]) -> None:
    """Whole epochs below, and a legend where there are curves."""
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(require("matplotlib.ticker", extra="plot").MaxNLocator(integer=True))
    if names:
        ax.legend(fontsize=8, frameon=False)


def _name(text: str, longest: int = LONGEST_NAME) -> str:
    """Text on one line of at most ``longest`` characters, all of which a font may have."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split())) or "(no name)"
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"
