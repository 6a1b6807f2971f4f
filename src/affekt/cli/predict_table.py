"""The tables of ``affekt predict``: one recording over time, or one line for each of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from affekt.cli.shares_table import MOST_ROWS, in_short, is_long, more_than_listed, print_shares
from affekt.cli.terminal import clock, console, in_all, percent, shown
from affekt.labels import learned_dimensions
from affekt.timeline.shares import shares_of
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

    if result.summary.modality == "fusion":
        print_media(result, also)
        return
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
            Text(p.answer),
            percent(p.confidence),
            percent(p.quality),
            Text(also.of(p)),
            *why,
        )
    screen = console()
    screen.print(Text(f"{shown(result.source)}: {length}{_content(result, is_face)}"))
    if is_long(result):
        _print_long(result, table)
        return
    if result.predictions:
        screen.print(table)
    if not people:
        screen.print(Text(in_all(result.summary, answer(result.summary, also))))
        if placed := result.summary.dimensions:
            how = "learned" if learned_dimensions(result.labels) else "derived"
            screen.print(Text(", ".join(f"{name} {x:+.2f}" for name, x in placed.items()) + f" ({how}, from -1 to 1)"))
    for who, summary in {} if is_picture else result.summaries.items():
        screen.print(Text(f"{shown(who)}, {in_all(summary, answer(summary, also))}"))


def print_media(result: Result, also: Also) -> None:
    """A video: a row for each fused segment, with what voice, face and words say there, and what it is in all."""
    from rich.table import Table
    from rich.text import Text

    fused = [p for p in result.predictions if p.modality == "fusion"]
    parts = [name for name in ("speech", "face", "text") if any(p.modality == name for p in result.predictions)]
    headings = {"speech": "voice", "face": "face", "text": "words"}
    table = Table("start", "end", "who", "emotion", "confidence", *(headings[name] for name in parts), box=None,
                  pad_edge=False)  # fmt: skip
    if any(p.reason for p in fused):
        table.add_column("they disagree")
    for p in fused:
        said = []
        for name in parts:
            here = [q for q in result.predictions if q.modality == name and q.who == p.who]
            shared = {id(q): min(p.end, q.end) - max(p.start, q.start) for q in here}
            most = max(here, key=lambda q: shared[id(q)], default=None)
            is_there = most is not None and shared[id(most)] > 0
            said.append(f"{most.answer} {percent(most.confidence)}" if most is not None and is_there else "")
        reason = [Text(p.reason)] if any(q.reason for q in fused) else []
        table.add_row(clock(p.start), clock(p.end), Text(shown(p.who or "")), Text(p.answer), percent(p.confidence),
                      *map(Text, said), *reason)  # fmt: skip
    screen = console()
    screen.print(Text(f"{shown(result.source)}: {clock(result.duration)} long"))
    if is_long(result):
        _print_long(result, table)
        return
    if fused:
        screen.print(table)
    screen.print(Text(in_all(result.summary, answer(result.summary, also))))
    for who, summary in result.summaries.items() if len(result.summaries) > 1 else ():
        screen.print(Text(f"{shown(who)}, {in_all(summary, answer(summary, also))}"))


def _print_long(result: Result, table: Any) -> None:
    """What a recording of many segments says: how its time is divided, then the table of segments."""
    from rich.text import Text

    print_shares(result)
    screen = console()
    screen.print(table if table.row_count <= MOST_ROWS else Text(more_than_listed(result)))
    if result.summary.reason:
        screen.print(Text(f"weak: {result.summary.reason}"))


def _content(result: Result, is_face: bool) -> str:
    """How much there is to go by: seconds of speech, or faces."""
    if not is_face:
        return f"{clock(_spoken(result))} of speech"
    seen = len({p.who for p in result.predictions})
    return "no face" if not seen else "a face" if seen == 1 else f"{seen} faces"


def _spoken(result: Result) -> float:
    """Seconds in which somebody speaks: while two people speak at once, time passes once."""
    speech = [p for p in result.predictions if p.modality == "speech"]
    return shares_of(speech, result.duration, labels=result.labels).answered


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
    some_long = any(map(is_long, results))
    if some_long:
        table.add_column("most often")
    if weak:
        table.add_column("weak because")
    for result in results:
        spoken = clock(_spoken(result))
        seen = str(len({p.who for p in result.predictions})) if is_face else spoken
        counts = [seen] if pictures else [clock(result.duration), seen, str(len(result.predictions))]
        p = result.summary
        label = Text(p.answer)
        why = [Text(p.reason)] if weak else []
        often = [Text(in_short(result))] if some_long else []
        table.add_row(Text(shown(result.source)), *counts, label, percent(p.confidence), Text(also.of(p)), *often, *why)
    console().print(table)


def answer(prediction: Prediction, also: Also) -> str:
    """A prediction in words."""
    if not prediction.scores:
        return prediction.answer
    return f"{prediction.answer} ({percent(prediction.confidence)}), {also.lead} {also.of(prediction)}"


def others(prediction: Prediction) -> str:
    """The two next best labels with their probabilities."""
    ranked = sorted(prediction.scores.items(), key=lambda item: -item[1])[1:3]
    return ", ".join(f"{label} {percent(p)}" for label, p in ranked)


#: The next best labels.
NEXT_BEST = Also("also possible", "then", others)
