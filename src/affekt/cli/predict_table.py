"""The tables of ``affekt predict``: one recording over time, or one line for each of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from affekt.cli.terminal import clock, console, in_all, percent, shown
from affekt.types import Prediction, Result

NOTHING = Prediction(0.0, 0.0, {})


class Also(NamedTuple):
    """What is said beside the best guess: the heading of its column, the words before it in a line, and what it is."""

    heading: str
    lead: str
    of: Callable[[Prediction], str]


def print_timeline(result: Result, also: Also) -> None:
    """One recording: a row for each segment, and what it is in all."""
    from rich.table import Table
    from rich.text import Text

    spoken = sum(p.duration for p in result.predictions)
    is_face = any(p.modality == "face" for p in result.predictions)
    seen = len({p.who for p in result.predictions})
    faces = "a face" if seen == 1 else f"{seen} faces"
    heading = (
        f"{shown(result.source)}: {clock(result.duration)} long, {faces if is_face else f'{clock(spoken)} of speech'}"
    )
    if is_face and not result.duration:
        heading = f"{shown(result.source)}: {faces}"
    people = any(p.who for p in result.predictions)
    table = Table(
        "start",
        "end",
        *(["who"] if people else []),
        "emotion",
        "confidence",
        "quality",
        also.heading,
        box=None,
        pad_edge=False,
        title_justify="left",
    )
    weak = any(p.reason for p in result.predictions)
    if weak:
        table.add_column("weak because")
    for p in result.predictions:
        why = [Text(p.reason)] if weak else []
        table.add_row(
            clock(p.start),
            clock(p.end),
            *([Text(shown(p.who or ""))] if people else []),
            Text(word(p)),
            percent(p.confidence),
            percent(p.quality),
            Text(also.of(p)),
            *why,
        )
    screen = console()
    screen.print(Text(heading))
    if result.predictions:
        screen.print(table)
    if not people:
        screen.print(Text(in_all(result.summary, answer(result.summary, also))))
    for who, summary in result.summaries.items():
        screen.print(Text(f"{shown(who)}, {in_all(summary, answer(summary, also))}"))


def print_overview(results: Sequence[Result], also: Also) -> None:
    """Many recordings: a row for each."""
    from rich.table import Table
    from rich.text import Text

    if not results:
        return
    table = Table(
        "recording", "length", "speech", "segments", "emotion", "confidence", also.heading, box=None, pad_edge=False
    )
    weak = any(result.summary.reason for result in results)
    if weak:
        table.add_column("weak because")
    for result in results:
        spoken = clock(sum(p.duration for p in result.predictions))
        p = result.summary
        label = Text(word(p))
        row = (
            clock(result.duration),
            spoken,
            str(len(result.predictions)),
            label,
            percent(p.confidence),
            Text(also.of(p)),
        )
        why = [Text(p.reason)] if weak else []
        table.add_row(Text(shown(result.source)), *row, *why)
    console().print(table)


def answer(prediction: Prediction, also: Also) -> str:
    """A prediction in words."""
    if not prediction.scores:
        return word(prediction)
    return f"{word(prediction)} ({percent(prediction.confidence)}), {also.lead} {also.of(prediction)}"


def word(prediction: Prediction) -> str:
    """The label; or "not sure" with the best guess; or "no speech", "no face"."""
    if prediction.unsure:
        return f"not sure, perhaps {prediction.best}"
    return prediction.label or ("no face" if prediction.modality == "face" else "no speech")


def others(prediction: Prediction) -> str:
    """The two next best labels with their probabilities."""
    ranked = sorted(prediction.scores.items(), key=lambda item: -item[1])[1:3]
    return ", ".join(f"{label} {percent(p)}" for label, p in ranked)


#: The next best labels.
NEXT_BEST = Also("also possible", "then", others)
