"""Signs of life: what passes, and what a photo does that does not."""

from datetime import timedelta

import numpy as np
import pytest

from affekt.attendance.liveness import Liveness
from tests.attendance_people import START


def passed(challenge, turns=None, eyes=None, rate=20.0):
    """Whether the challenge is met by values frame by frame."""
    count = len(turns if turns is not None else eyes)
    turns = np.zeros(count) if turns is None else turns
    eyes = np.full(count, np.nan) if eyes is None else eyes
    live = Liveness(challenge)
    for i, (turn, eye) in enumerate(zip(turns, eyes, strict=True)):
        live.feed(turn, eye, START + timedelta(seconds=i / rate))
    return live.passed


def blinking(frames, *, rate=20.0, seconds=60):
    eyes = np.full(seconds, 0.3)
    eyes[20 : 20 + frames] = 0.12
    return eyes


def test_a_blink_passes():
    assert passed("blink", eyes=blinking(3))
    assert passed("any", eyes=blinking(3))


def test_eyes_that_look_down_are_no_blink():
    assert not passed("blink", eyes=blinking(25))


def test_one_noisy_frame_of_a_fast_camera_is_no_blink():
    assert not passed("blink", eyes=blinking(1), rate=60)


def test_eyes_that_shut_and_stay_shut_are_no_blink():
    assert not passed("blink", eyes=np.r_[np.full(20, 0.3), np.full(20, 0.1)])


def test_noise_is_no_blink_and_no_turn():
    rng = np.random.default_rng(0)
    for _ in range(50):
        assert not passed("any", turns=rng.normal(0, 0.03, 200), eyes=rng.normal(0.3, 0.02, 200))


def test_a_head_that_turns_passes_and_one_that_looks_aside_does_not():
    assert passed("turn", turns=0.3 * np.sin(np.linspace(0, 6, 60)))
    assert not passed("turn", turns=np.full(60, 0.5))
    assert not passed("blink", turns=0.3 * np.sin(np.linspace(0, 6, 60)))


def test_a_turn_that_takes_a_minute_is_none():
    assert not passed("turn", turns=np.linspace(-0.2, 0.2, 1200))


@pytest.mark.parametrize("challenge", ["blink", "turn", "any"])
def test_without_measures_nothing_passes(challenge):
    assert not passed(challenge, turns=np.full(100, np.nan), eyes=np.full(100, np.nan))
