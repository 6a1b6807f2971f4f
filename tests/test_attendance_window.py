"""When a session is: zones, midnight, the two nights on which clocks change, and clocks that are set."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from affekt.attendance.window import SteadyClock, moment, span, time_zone, window
from affekt.errors import InputError

BERLIN = ZoneInfo("Europe/Berlin")


def test_the_first_instant_is_inside_and_the_last_is_not():
    found = window("09:30", "10:00", "Europe/Berlin", day=date(2026, 11, 27))
    assert (found.opens, found.closes) == (
        datetime(2026, 11, 27, 8, 30, tzinfo=UTC), datetime(2026, 11, 27, 9, 0, tzinfo=UTC),
    )  # fmt: skip
    assert found.opens in found
    assert found.closes not in found
    assert found.opens - timedelta(microseconds=1) not in found
    assert found.closes - timedelta(microseconds=1) in found


@pytest.mark.parametrize(
    ("start", "end", "day", "seconds", "note"),
    [
        ("01:30", "03:30", date(2026, 3, 29), 3600, ""),  # an hour is left out in between
        ("02:30", "03:30", date(2026, 3, 29), 1800, "02:30 does not exist on 2026-03-29 in Europe/Berlin; 03:00"),
        ("01:30", "03:30", date(2026, 10, 25), 3 * 3600, ""),  # an hour comes twice in between
        ("02:30", "03:30", date(2026, 10, 25), 2 * 3600, "02:30 occurs twice on 2026-10-25"),
        ("09:30", "10:00", date(2026, 3, 29), 1800, ""),
    ],
)
def test_the_nights_on_which_clocks_change(start, end, day, seconds, note):
    found = window(start, end, "Europe/Berlin", day=day)
    assert (found.closes - found.opens).total_seconds() == seconds
    assert note in "; ".join(found.notes)
    assert bool(note) == bool(found.notes)


def test_past_midnight_on_the_night_on_which_clocks_change():
    found = window("23:30", "03:30", "Europe/Berlin", day=date(2026, 3, 28), overnight=True)
    assert found.closes - found.opens == timedelta(hours=3)
    assert found.day == date(2026, 3, 28)
    assert found.text() == "2026-03-28 23:30 to 2026-03-29 03:30 Europe/Berlin"


def test_a_zone_with_a_quarter_of_an_hour():
    assert window("09:30", "10:00", "Asia/Kathmandu", day=date(2026, 1, 1)).opens.minute == 45


@pytest.mark.parametrize(
    ("start", "end", "options", "sentence"),
    [
        ("10:00", "09:30", {}, "ends before it begins. Swap the two; one that goes past midnight needs --overnight"),
        ("09:30", "09:30", {}, "ends before it begins"),
        ("09:30", "10:00", {"overnight": True}, "would last more than a day"),
        ("9.30", "10:00", {}, "give HH:MM between 00:00 and 23:59"),
        ("24:00", "25:00", {}, "give HH:MM"),
        ("02:10", "02:40", {}, "falls into the hour that Europe/Berlin leaves out"),
    ],
)
def test_windows_that_make_no_sense(start, end, options, sentence):
    with pytest.raises(InputError, match=sentence):
        window(start, end, "Europe/Berlin", day=date(2026, 3, 29), **options)


@pytest.mark.parametrize(("name", "hint"), [("Europe/Berln", "Europe/Berlin"), ("berlin", "Europe/Berlin")])
def test_an_unknown_zone_says_the_near_one(name, hint):
    with pytest.raises(InputError, match=f"unknown. Did you mean {hint}"):
        time_zone(name)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "/etc/localtime", "Europe/\0"])
def test_a_zone_that_is_a_path_is_unknown(name):
    with pytest.raises(InputError, match="unknown"):
        time_zone(name)


def test_moments_without_an_offset_are_on_the_wall():
    assert moment("2026-11-27T09:30:05", BERLIN) == datetime(2026, 11, 27, 8, 30, 5, tzinfo=UTC)
    assert moment("2026-11-27 09:30+05:00", BERLIN) == datetime(2026, 11, 27, 4, 30, tzinfo=UTC)
    with pytest.raises(InputError, match="give a date and a time"):
        moment("half past nine", BERLIN)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10min", 600), ("1.5h", 5400), ("30d", 30 * 86_400)])
def test_lengths_of_time(text, seconds):
    assert span(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["30", "0s", "-5min", "", "1e9d", "99999999d", "ten minutes"])
def test_lengths_that_are_none(text):
    with pytest.raises(InputError, match="give a number and a unit"):
        span(text)


class Two:
    """A wall clock and a steady one that are moved apart."""

    def __init__(self):
        self.steady, self.shift, self.said = 0.0, 0.0, []
        self.clock = SteadyClock(self.wall, lambda: self.steady, self.said.append)

    def wall(self):
        return datetime(2026, 11, 27, 9, 30, tzinfo=UTC) + timedelta(seconds=self.steady + self.shift)


def test_a_clock_set_back_goes_on_from_where_it_was():
    two = Two()
    two.steady = 60
    before = two.clock()
    two.shift = -3600
    two.steady = 61
    assert two.clock() == before + timedelta(seconds=1)
    two.clock()
    assert two.said == ["the clock was set back by 3600 s; time goes on from where it was."]


def test_a_clock_that_leaps_forward_is_believed_as_a_machine_may_have_slept():
    two = Two()
    two.shift = 600
    assert two.clock() == two.wall()
    two.steady = 5
    assert two.clock() == two.wall()
    assert two.said == ["the clock leapt forward by 600 s; the new time is used."]


def test_small_corrections_of_the_clock_are_not_worth_a_word():
    two = Two()
    two.shift = -0.5
    two.clock()
    assert two.said == []
