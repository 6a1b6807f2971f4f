"""How the time of a long recording is divided among the labels, for the terminal."""

from __future__ import annotations

from typing import Any

from affekt.cli.terminal import clock, console, percent, shown
from affekt.timeline.shares import FEW, JUDGED, NOTHING, Shares, bin_width, deciding, shares_of
from affekt.types import Result
from affekt.write.predictions import NOT_SURE

#: Segments that are listed at most: beyond, nobody reads to the end, and what leads would be out of sight.
MOST_ROWS = 60
#: Rows over time, people with a column of their own, and characters of a bar, at most.
BINS, COLUMNS, BAR = 24, 4, 24


def is_long(result: Result) -> bool:
    """Whether its segments are too many to take in, so that shares say more."""
    return result.duration > 0 and len(deciding(result.predictions)) > FEW


def in_short(result: Result, of: str = "") -> str:
    """The most frequent label and its share, and how much is unsure: ``neutral (41 %), not sure (12 %)``."""
    found = result.shares
    label = found.most_frequent
    shares = {} if label is None else {shown(label): found.share[label]}
    shares |= {NOT_SURE: found.unsure_share} if found.unsure else {}
    return ", ".join(f"{name} ({percent(share)}{of})" for name, share in shares.items())


def print_shares(result: Result) -> None:
    """A row for each label, then one for each stretch of equal time."""
    from rich.text import Text

    of, nothing = f"of {JUDGED[result.summary.modality]}", NOTHING[result.summary.modality]
    every = bin_width(result.duration, most=BINS)
    found = shares_of(result.predictions, result.duration, labels=result.labels, every=every)
    people = list(found.people) if 1 < len(found.people) <= COLUMNS else []
    parts = {"": found, **{who: found.people[who] for who in people}}
    screen = console()
    screen.print(Text(f"most often {in_short(result, f' {of}')}"))
    screen.print()
    screen.print(_labels_table(parts, f"share {of}", nothing))
    if len(found.bins) > 1:
        screen.print()
        screen.print(_time_table(parts, every, nothing))
    screen.print()


def more_than_listed(result: Result) -> str:
    """What is said instead of a list that is too long."""
    count = len(result.predictions)
    return f"{count} segments, too many to list here: --format csv, json, srt ... hold them, --plot draws them."


def _labels_table(parts: dict[str, Shares], heading: str, nothing: str) -> Any:
    from rich.table import Column, Table
    from rich.text import Text

    table = Table("emotion", Column("time", justify="right"), heading, box=None, pad_edge=False)
    for who in list(parts)[1:]:
        table.add_column(Text(shown(who)), justify="right")
    whole, *persons = parts.values()
    ranked = sorted((label for label, x in whole.seconds.items() if x), key=lambda label: -whole.seconds[label])
    for label in ranked:
        others = [_share(part.share.get(label, 0.0)) for part in persons]
        table.add_row(Text(shown(label)), clock(whole.seconds[label]), _bar(whole.share[label], "█"), *others)
    if whole.unsure:
        others = [_share(part.unsure_share) for part in persons]
        table.add_row(NOT_SURE, clock(whole.unsure), _bar(whole.unsure_share, "░"), *others)
    table.add_row(nothing, clock(whole.silence), "", *(clock(part.silence) for part in persons))
    return table


def _time_table(parts: dict[str, Shares], every: float, nothing: str) -> Any:
    from rich.table import Column, Table
    from rich.text import Text

    width = "each minute" if every == 60 else f"each {every / 60:g} minutes"
    right = [Column(name, justify="right") for name in (width, NOT_SURE, nothing)]
    table = Table(right[0], "most often", *right[1:], box=None, pad_edge=False)
    for who in list(parts)[1:]:
        table.add_column(Text(shown(who)))
    for number, part in enumerate(parts[""].bins):
        others = [_most(whole.bins[number]) for whole in list(parts.values())[1:]]
        silence = percent(part.silence / part.duration) if part.silence > 0.005 * part.duration else ""
        table.add_row(clock(part.start).removesuffix(".0"), _most(part), _share(part.unsure_share), silence, *others)
    return table


def _bar(share: float, block: str) -> str:
    return f"{percent(share):>5} {block * round(BAR * share)}"


def _share(share: float) -> str:
    return percent(share) if share > 0.005 else ""


def _most(part: Shares) -> Any:
    from rich.text import Text

    label = part.most_frequent
    return Text("" if label is None else f"{shown(label)} {percent(part.share[label])}")
