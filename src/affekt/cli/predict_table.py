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
    """One recording or picture: a row for each segment or face, and what it is in all."""
    from rich.table import Table
    from rich.text import Text

    is_face = result.summary.modality == "face"
    is_picture = is_face and not result.duration
    length = "" if is_picture else f"{clock(result.duration)} long, "
    people = any(p.who for p in result.predictions)
    table = Table(
        *([] if is_picture else ["start", "end"]),
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
            *([] if is_picture else [clock(p.start), clock(p.end)]),
            *([Text(shown(p.who or ""))] if people else []),
            Text(word(p)),
            percent(p.confidence),
            percent(p.quality),
            Text(also.of(p)),
            *why,
        )
    screen = console()
    screen.print(Text(f"{shown(result.source)}: {length}{_content(result, is_face)}"))
    if result.predictions:
        screen.print(table)
    if not people:
        screen.print(Text(in_all(result.summary, answer(result.summary, also))))
    for who, summary in {} if is_picture else result.summaries.items():
        screen.print(Text(f"{shown(who)}, {in_all(summary, answer(summary, also))}"))


def _content(result: Result, is_face: bool) -> str:
    """How much there is to go by: seconds of speech, or faces."""
    if not is_face:
        return f"{clock(sum(p.duration for p in result.predictions))} of speech"
    seen = len({p.who for p in result.predictions})
    return "no face" if not seen else "a face" if seen == 1 else f"{seen} faces"


def print_overview(results: Sequence[Result], also: Also) -> None:
    """Many recordings: a row for each."""
    from rich.table import Table
    from rich.text import Text

    if not results:
        return
    is_face = all(result.summary.modality == "face" for result in results)
    pictures = is_face and not any(result.duration for result in results)
    columns = ["picture" if pictures else "recording", "length", "faces" if is_face else "speech", "segments"]
    kept = [column for column in columns if not (pictures and column in ("length", "segments"))]
    table = Table(*kept, "emotion", "confidence", also.heading, box=None, pad_edge=False)
    weak = any(result.summary.reason for result in results)
    if weak:
        table.add_column("weak because")
    for result in results:
        spoken = clock(sum(p.duration for p in result.predictions))
        seen = str(len({p.who for p in result.predictions})) if is_face else spoken
        counts = [seen] if pictures else [clock(result.duration), seen, str(len(result.predictions))]
        p = result.summary
        label = Text(word(p))
        why = [Text(p.reason)] if weak else []
        table.add_row(Text(shown(result.source)), *counts, label, percent(p.confidence), Text(also.of(p)), *why)
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
