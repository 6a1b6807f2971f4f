"""How far a training run is: a line every ten seconds, with when it will be done."""

from affekt.train.pace import EVERY, Pace


class Time:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def lines(total, steps, *, seconds, done=0):
    time, said = Time(), []
    pace = Pace(total, said.append, done=done, clock=time)
    for _ in range(steps):
        time.now += seconds
        pace()
    return said


def test_a_line_comes_every_ten_seconds_whatever_a_step_takes():
    assert len(lines(1000, 100, seconds=1.0)) == 10
    assert len(lines(1000, 3, seconds=60.0)) == 3
    assert lines(1000, 9, seconds=EVERY / 10) == []


def test_what_is_left_follows_from_the_pace_so_far():
    assert lines(100, 10, seconds=1.0) == ["step 10 of 100, 10 %, 0:10 so far, about 1:30 to go"]
    assert lines(7200, 10, seconds=1.0)[0].endswith("about 1:59:50 to go")


def test_a_run_that_goes_on_counts_its_own_time_only():
    assert lines(100, 10, seconds=1.0, done=80) == ["step 90 of 100, 90 %, 0:10 so far, about 0:10 to go"]


def test_nothing_is_to_go_at_the_end():
    assert lines(10, 10, seconds=1.0) == []
