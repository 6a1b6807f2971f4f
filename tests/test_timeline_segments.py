"""After the logits: windows of a region in, segments out, for any modality."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affekt.timeline.quality import Measure, Rating
from affekt.timeline.segments import Decision, Region, Windows, window_weights
from affekt.types import Prediction

#: Frames of a video at 25 per second: windows of a second, a hop of a fifth.
VIDEO = Windows(window=25, hop=5, rate=25)
FACE = Decision(("happy", "sad"), 25, "face")


def rows_of(labels, quality=1.0):
    """Windows that are sure of these labels."""
    return np.array([[*np.eye(2)[label], quality] for label in labels])


def segments_of(rows, end, *, start=0, shortest=1, pieces=None, decision=FACE):
    region = Region(start, VIDEO, decision, shortest=shortest)
    done, at = [], 0
    for size in pieces or [len(rows)]:
        done += region.add(rows[at : at + size], end)
        at += size
    return done + region.finish(end)


def test_a_region_of_one_label_is_one_segment_in_seconds_of_its_own_clock():
    (found,) = segments_of(rows_of([0] * 6), 150, start=100)
    assert found == Prediction(4.0, 6.0, {"happy": 1.0, "sad": 0.0}, modality="face")


def test_segments_cover_the_region_without_a_gap_and_change_where_the_label_does():
    # Windows begin at hops 0, 1, ...; label 1 from the sixth on.
    first, second = segments_of(rows_of([0] * 5 + [1] * 10), 95)
    assert (first.start, first.end, second.start, second.end) == (0.0, second.start, first.end, 3.8)
    assert (first.label, second.label) == ("happy", "sad")


def test_a_change_that_does_not_last_joins_what_it_interrupts():
    windows = Windows(window=5, hop=5, rate=25)  # without overlap: a row is a hop
    region = Region(0, windows, FACE, shortest=3)
    done = region.add(rows_of([0, 0, 0, 0, 1, 1, 0, 0]), 40) + region.finish(40)
    assert [(p.start, p.end, p.label) for p in done] == [(0.0, 1.6, "happy")]
    assert done[0].scores["sad"] == pytest.approx(2 / 8)


def test_what_begins_a_region_and_is_too_short_joins_what_follows():
    windows = Windows(window=5, hop=5, rate=25)
    region = Region(0, windows, FACE, shortest=3)
    done = region.add(rows_of([1, 0, 0, 0, 0]), 25) + region.finish(25)
    assert [(p.start, p.end, p.label) for p in done] == [(0.0, 1.0, "happy")]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.randoms(use_true_random=False), st.integers(1, 4))
def test_any_pieces_give_the_same_segments_to_the_last_bit(scores, random, shortest):
    rows = np.array([[p, 1 - p, 0.8] for p in scores])
    end, pieces, left = 25 + 5 * (len(rows) - 1) + 3, [], len(rows)
    while left:
        pieces.append(random.randint(1, left))
        left -= pieces[-1]
    whole = segments_of(rows, end, shortest=shortest)
    assert segments_of(rows, end, shortest=shortest, pieces=pieces) == whole
    assert whole[0].start == 0.0 and whole[-1].end == end / 25
    assert all(one.end == other.start for one, other in pairwise(whole))


def test_a_copy_can_be_finished_without_touching_the_region():
    hops = []
    region = Region(0, VIDEO, FACE, on_hop=hops.append)
    region.add(rows_of([0, 0, 1]), 40)
    told = len(hops)
    attempt = region.copy()
    attempt.add(rows_of([1, 1, 1]), 55)
    attempt.finish(55)
    assert len(hops) == told and region.count == 3
    assert region.finish(35)[-1].end == 35 / 25


def test_hops_always_have_a_label_and_segments_only_above_the_threshold():
    hops = []
    decision = Decision(("happy", "sad"), 25, "face", threshold=0.9)
    region = Region(0, VIDEO, decision, on_hop=hops.append)
    rows = np.array([[0.6, 0.4, 1.0]] * 3)
    (segment,) = region.add(rows, 35) + region.finish(35)
    assert segment.unsure and segment.best == "happy"
    assert {hop.label for hop in hops} == {"happy"}


def test_a_poor_signal_changes_no_score_and_says_why_in_the_modalitys_words():
    blurred = Measure(lambda x: f"blurred: {x:.1f}", bad=1.0, good=0.0)
    rating = Rating({"blur": blurred})
    decision = Decision(("happy", "sad"), 25, "face", rating)
    row = np.array([0.9, 0.1, rating.qualities(np.array([[0.8]]))[0], 0.8])
    found = decision.prediction(0, 25, row)
    assert found.quality == pytest.approx(0.36)
    assert found.scores == pytest.approx({"happy": 0.9, "sad": 0.1})
    assert found.reason == "blurred: 0.8"


@pytest.mark.parametrize(("count", "length"), [(1, 5), (1, 25), (4, 40), (12, 77)])
def test_window_weights_share_out_the_region(count, length):
    weights = window_weights(count, length, VIDEO)
    assert weights.sum() == pytest.approx(length)
    assert (weights > 0).all()
