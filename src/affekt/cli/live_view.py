"""The view of a live stream in a terminal: level, a bar for each label, the timeline."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

from affekt.cli.terminal import clock, percent, shown
from affekt.plot.colours import colours, ink
from affekt.recognize.live import Event
from affekt.types import Prediction

#: Segments that are listed, and the widest bar and strip, in characters.
LISTED, WIDEST = 6, 60
#: The level meter's lowest value, dB below full scale.
QUIETEST = -60.0


class LiveView:
    """Shows events while they come; a context manager, and something rich can draw.

    Parameters
    ----------
    name : str
        What is heard.
    labels : sequence of str
    """

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        from rich.console import Console
        from rich.live import Live as Screen

        self._name, self._colours, self._letters = shown(name), colours(labels), letters(labels)
        self._time, self._rms, self._peak, self._speaking = 0.0, QUIETEST, QUIETEST, False
        self._now: Prediction | None = None
        self._segments: deque[Prediction] = deque(maxlen=LISTED)
        self._growing: Prediction | None = None
        self._strip: deque[Prediction] = deque(maxlen=WIDEST)
        self.note = ""
        self._console = Console()
        self._screen = Screen(get_renderable=self.frame, console=self._console, refresh_per_second=10)

    def __enter__(self) -> LiveView:
        """Take the screen."""
        self._screen.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last frame on the screen."""
        self._screen.__exit__(kind, error, trace)

    def see(self, events: Iterable[Event]) -> None:
        """Take what happened."""
        for event in events:
            self._time = event.time
            if event.type == "level":
                self._rms, self._peak = event.fields["rms"], max(event.fields["peak"], self._peak - 1.5)
            elif event.type == "speech_start":
                self._speaking = True
            elif event.type == "speech_end":
                self._speaking, self._growing, self._now = False, None, None
            elif event.prediction:
                self._see(event, event.prediction)

    def _see(self, event: Event, prediction: Prediction) -> None:
        if event.type == "partial":
            self._now = prediction
        elif event.type == "segment" and event.stable:
            self._segments.append(prediction)
            self._strip.append(prediction)
        elif event.type == "segment":
            self._growing = prediction

    def frame(self) -> Any:
        """What the screen shows now."""
        from rich.console import Group
        from rich.text import Text

        lines = [self._head(), self._meter(), Text(), *self._bars(), Text(), self._timeline(), *self._list()]
        return Group(*lines, *([Text(self.note, style="bold")] if self.note else []))

    def _width(self) -> int:
        return max(10, min(WIDEST, self._console.width - 30))

    def _head(self) -> Any:
        from rich.text import Text

        state = ("speech", "bold") if self._speaking else ("silence", "dim")
        return Text.assemble((f"{self._name}  {clock(self._time)}  ", ""), state, overflow="ellipsis", no_wrap=True)

    def _meter(self) -> Any:
        from rich.text import Text

        width = self._width()
        long, mark = (round(width * (max(QUIETEST, x) / -QUIETEST + 1)) for x in (self._rms, self._peak))
        long, mark = min(long, width), min(max(mark, 1), width)
        line = "█" * long + "─" * (width - long)
        line = line[: mark - 1] + "│" + line[mark:]
        loud = "  too loud" if self._peak > -0.5 else ""
        return Text(f"{'level':<12}{line} {self._rms:5.0f} dB{loud}", no_wrap=True)

    def _bars(self) -> list[Any]:
        """One line for each label: of the speech in progress, empty in silence."""
        from rich.text import Text

        width, lines = self._width(), []
        for label, colour in self._colours.items():
            p = self._now.scores.get(label, 0.0) if self._now else 0.0
            best = self._now is not None and label == self._now.label
            name = Text(f"{self._letters[label]} {label[:9]:<10}", style="bold" if best else "")
            bar = Text("█" * round(width * p), style=colour)
            lines.append(name + bar + Text(" " * (width - len(bar)) + (f" {percent(p):>6}" if self._now else "")))
        return lines

    def _timeline(self) -> Any:
        """The last segments, a letter for each second."""
        from rich.text import Text

        width, line = self._width() + 10, Text()
        reached = None
        for p in [*self._strip, *([self._growing] if self._growing else [])]:
            if reached is not None:
                line.append("·" * round(p.start - reached), style="dim")
            letter = self._letters.get(p.label or "", "?")
            colour = self._colours.get(p.label or "")
            style = f"{ink(colour)} on {colour}" if colour else "reverse"
            line.append(letter * max(1, round(p.duration)), style=style)
            reached = p.end
        if reached is not None and not self._growing:
            line.append("·" * min(width, round(self._time - reached)), style="dim")
        return Text(f"{'timeline':<12}") + (line[max(0, len(line) - width) :] if line else line)

    def _list(self) -> list[Any]:
        from rich.text import Text

        lines = []
        for p in [*self._segments, *([self._growing] if self._growing else [])][-LISTED:]:
            mark = " ..." if p is self._growing else ""
            guess = f"{p.answer} {percent(p.confidence)}{mark}"
            lines.append(Text(f"{clock(p.start):>9} to {clock(p.end):>7}  {guess}", style="dim" if mark else ""))
        return lines


def letters(labels: Sequence[str]) -> dict[str, str]:
    """A unique letter for each label: the first of its own letters that is free.

    Examples
    --------
    >>> letters(["sad", "surprise", "as"])
    {'sad': 's', 'surprise': 'u', 'as': 'a'}
    """
    table: dict[str, str] = {}
    for label in labels:
        pool = [*label.lower(), *"abcdefghijklmnopqrstuvwxyz0123456789"]
        free = (c for c in pool if c.isalnum() and c not in table.values())
        table[label] = next(free, "*")
    return table
