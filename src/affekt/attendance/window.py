"""When a session is: a day, two local times, and their time zone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as day_time
from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from affekt.errors import InputError

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_SPAN = re.compile(r"(\d+(?:\.\d+)?) ?(s|min|m|h|d)")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
#: Seconds by which the system clock may differ from the steady clock before it counts as moved.
MOVED = 2.0


@dataclass(frozen=True)
class Window:
    """A stretch of time, half-open: its first instant is in it, its last one is not.

    Parameters
    ----------
    opens, closes : datetime
        Aware, UTC.
    zone : ZoneInfo
        For what people read.
    notes : tuple of str
        What the change to or from daylight saving did to it.
    """

    opens: datetime
    closes: datetime
    zone: ZoneInfo
    notes: tuple[str, ...] = ()

    def __contains__(self, moment: datetime) -> bool:
        return self.opens <= moment < self.closes

    @property
    def day(self) -> date:
        """The local day when it opens."""
        return self.opens.astimezone(self.zone).date()

    def text(self) -> str:
        """Such as ``2026-03-29 09:30 to 10:00 Europe/Berlin``."""
        opens, closes = (moment.astimezone(self.zone) for moment in (self.opens, self.closes))
        later = "" if opens.date() == closes.date() else f"{closes.date()} "
        return f"{opens:%Y-%m-%d %H:%M} to {later}{closes:%H:%M} {self.zone.key}"


def window(start: str, end: str, zone: str, *, day: date, overnight: bool = False) -> Window:
    """The window from one local time to another.

    A time that the change to daylight saving skips means the moment of the change; a time that occurs twice when
    the clock goes back means the first. ``notes`` says where that happened. The length is the real time in
    between.

    Parameters
    ----------
    start, end : str
        ``HH:MM`` or ``HH:MM:SS``.
    zone : str
        A name of the tz database, such as ``Europe/Berlin``.
    day : date
        Local day of the start.
    overnight : bool
        The end is on the next day.

    Raises
    ------
    InputError
        If a time or the zone is unknown, or the end is not after the start.

    Examples
    --------
    >>> window("09:30", "10:00", "Europe/Berlin", day=date(2026, 3, 29)).opens.isoformat()
    '2026-03-29T07:30:00+00:00'
    """
    place, first, last = time_zone(zone), _clock(start), _clock(end)
    if last <= first and not overnight:
        raise InputError(
            f"the window from {start} to {end} ends before it begins. Swap the two; one that goes past midnight needs "
            "--overnight."
        )
    if overnight and last > first:
        raise InputError(f"--overnight from {start} to {end} would last more than a day; leave --overnight out.")
    notes: list[str] = []
    opens = _instant(day, first, place, notes)
    closes = _instant(day + timedelta(days=1) if overnight else day, last, place, notes)
    if closes <= opens:
        raise InputError(
            f"the window from {start} to {end} on {day} falls into the hour that {zone} leaves out; choose other times."
        )
    return Window(opens, closes, place, tuple(notes))


def time_zone(name: str) -> ZoneInfo:
    """A zone of the tz database.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = sorted(available_timezones())
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        near = near or [zone for zone in known if zone.casefold().endswith(f"/{name.casefold()}")][:1]
        hint = f" Did you mean {near[0]}?" if near else ""
        missing = "" if known else " No time zones are installed: pip install tzdata."
        raise InputError(f"zone {name!r} is unknown.{hint} Allowed are names such as Europe/Berlin.{missing}") from None


def moment(text: str, zone: ZoneInfo) -> datetime:
    """A date and time as people write it, such as ``2026-11-28T09:30:05`` or ``2026-11-28 09:30``, in UTC.

    Without an offset, it is local time in ``zone``.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"time {text!r}; give a date and a time, such as 2026-11-28T09:30:05.") from None
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def span(text: str) -> timedelta:
    """A length of time, such as ``90s``, ``10min``, ``2h`` or ``30d``.

    Raises
    ------
    InputError
        If it is none.

    Examples
    --------
    >>> span("30d").days
    30
    """
    found = _SPAN.fullmatch(text.strip())
    if not found or not 0 < float(found[1]) * _UNITS[found[2]] <= 36_525 * 86_400:
        raise InputError(f"length of time {text!r}; give a number and a unit, such as 90s, 10min, 2h or 30d.")
    return timedelta(seconds=float(found[1]) * _UNITS[found[2]])


class SteadyClock:
    """The time of day, which never goes back.

    A clock that is set back would put rows before others that are already written, or into a window that is over;
    time continues from where it was. A clock that leaps forward is believed: it does so after the machine slept.

    Parameters
    ----------
    wall : callable
        Aware datetime.
    steady : callable
        Seconds that only grow.
    notify : callable
        Takes a sentence when the clock was moved; may be changed.
    """

    def __init__(
        self,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        steady: Callable[[], float] = time.monotonic,
        notify: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._wall, self._steady, self.notify = wall, steady, notify
        self._start, self._began = wall(), steady()
        self._offset = 0.0

    def __call__(self) -> datetime:
        """Now, in UTC."""
        expected = self._start + timedelta(seconds=self._steady() - self._began)
        seen = self._wall()
        moved = (seen - expected).total_seconds()
        if moved > MOVED:
            self._start += seen - expected
            self.notify(f"the clock leapt forward by {moved:.0f} s; the new time is used.")
            return seen.astimezone(UTC)
        if abs(moved - self._offset) > MOVED:
            self._offset = moved
            if moved < -MOVED:
                self.notify(f"the clock was set back by {-moved:.0f} s; time goes on from where it was.")
        return expected.astimezone(UTC)


def _clock(text: str) -> day_time:
    found = _CLOCK.fullmatch(text.strip())
    if not found:
        raise InputError(f"time {text!r}; give HH:MM between 00:00 and 23:59, such as 09:30.")
    return day_time(int(found[1]), int(found[2]), int(found[3] or 0))


def _instant(day: date, clock: day_time, zone: ZoneInfo, notes: list[str]) -> datetime:
    """When a clock on the wall first shows a time on a day."""
    wall = datetime.combine(day, clock, zone)
    found = wall.astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) != wall.replace(tzinfo=None):
        # In the gap the offset before and the one after give two instants; the change lies between them.
        early, late = sorted(wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        offset = early.astimezone(zone).utcoffset()
        while late - early > timedelta(seconds=1):
            middle = early + (late - early) / 2
            early, late = (middle, late) if middle.astimezone(zone).utcoffset() == offset else (early, middle)
        found = late.replace(microsecond=0)
        notes.append(f"{clock:%H:%M} does not exist on {day} in {zone.key}; {found.astimezone(zone):%H:%M} is used")
    elif wall.utcoffset() != wall.replace(fold=1).utcoffset():
        notes.append(f"{clock:%H:%M} occurs twice on {day} in {zone.key}; the first is used")
    return found
