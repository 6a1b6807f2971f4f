"""How the time of a recording is divided among its labels."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.errors import InputError
from affekt.timeline.shares import MOST_BINS, bin_width, shares_of
from affekt.types import Prediction, Result

LABELS = ("angry", "happy", "sad")


def said(start, end, label, **fields):
    """Two thirds for a label."""
    return Prediction(start, end, {name: 2 / 3 if name == label else 1 / 6 for name in LABELS}, **fields)


def doubtful(start, end, label="sad", **fields):
    return said(start, end, label, threshold=0.9, **fields)


def close(a, b):
    """Whether two Shares say the same, bins and people included."""
    assert a.seconds.keys() == b.seconds.keys() and a.people.keys() == b.people.keys()
    assert [*a.seconds.values(), a.unsure, a.silence] == pytest.approx(
        [*b.seconds.values(), b.unsure, b.silence], abs=1e-6
    )
    for one, other in zip((*a.bins, *a.people.values()), (*b.bins, *b.people.values()), strict=True):
        close(one, other)


def test_printed_they_say_what_a_person_wants_to_know():
    found = shares_of([said(0, 1, "happy"), said(1, 4, "sad"), doubtful(4, 5)], 8.0, labels=LABELS)
    assert repr(found) == "<Shares 0.0-8.0 s: sad 60 %, happy 20 %, not sure 20 %; 3.0 s of silence>"
    assert repr(shares_of([], 2.0, labels=LABELS)) == "<Shares 0.0-2.0 s: nothing to judge; 2.0 s of silence>"


@st.composite
def recordings(draw):
    """A duration, and segments of three people that may overlap and reach beyond the end."""
    duration = draw(st.floats(1, 20_000))
    kinds = st.tuples(
        st.floats(0, duration), st.floats(0, duration / 3), st.sampled_from(LABELS), st.booleans(),
        st.sampled_from([None, "left", "right"]),
    )  # fmt: skip
    found = [
        said(start, start + length, label, threshold=0.9 if doubt else 0.0, who=who)
        for start, length, label, doubt, who in draw(st.lists(kinds, max_size=12))
    ]
    return duration, found


def test_seconds_and_shares_of_a_known_recording():
    found = shares_of([said(0, 20, "happy"), said(30, 40, "sad"), doubtful(40, 50)], 100, labels=LABELS)
    assert found.seconds == {"angry": 0, "happy": 20, "sad": 10}
    assert (found.unsure, found.silence, found.answered, found.duration) == (10, 60, 40, 100)
    assert found.share == {"angry": 0, "happy": 0.5, "sad": 0.25} and found.unsure_share == 0.25
    assert found.most_frequent == "happy"
    assert [(part.start, part.end, part.most_frequent) for part in found.bins] == [(0, 60, "happy"), (60, 100, None)]


def test_a_recording_of_different_moods_has_both_and_not_their_mean():
    found = shares_of([said(0, 600, "angry"), said(600, 1200, "happy")], 1200, labels=LABELS)
    assert found.share == {"angry": 0.5, "happy": 0.5, "sad": 0}
    assert [part.most_frequent for part in found.bins] == ["angry"] * 10 + ["happy"] * 10


@settings(deadline=None)
@given(recordings())
def test_labels_unsure_and_silence_add_up_to_the_duration(recording):
    duration, predictions = recording
    found = shares_of(predictions, duration, labels=LABELS)
    for part in (found, *found.bins, *found.people.values()):
        assert part.answered + part.silence == pytest.approx(part.duration, abs=1e-6)
    assert sum(part.duration for part in found.bins) in (0, pytest.approx(duration))
    if found.answered:
        assert sum(found.share.values()) + found.unsure_share == pytest.approx(1)
    if found.bins:
        assert sum(part.silence for part in found.bins) == pytest.approx(found.silence, abs=1e-6)


@settings(deadline=None)
@given(recordings(), st.randoms(use_true_random=False))
def test_the_order_of_segments_and_of_labels_changes_nothing(recording, random):
    duration, predictions = recording
    expected = shares_of(predictions, duration, labels=LABELS)
    random.shuffle(predictions)
    found = shares_of(predictions, duration, labels=LABELS[::-1])
    assert list(found.seconds) == list(LABELS[::-1])
    assert found.seconds == pytest.approx(expected.seconds, abs=1e-6)
    assert (found.unsure, found.silence) == pytest.approx((expected.unsure, expected.silence), abs=1e-6)


@settings(deadline=None)
@given(recordings(), st.floats(0.05, 0.95))
def test_a_segment_in_two_pieces_is_worth_the_same(recording, where):
    duration, predictions = recording
    pieces = []
    for p in predictions:
        middle = p.start + where * p.duration
        fields = {"threshold": p.threshold, "who": p.who}
        pieces += [Prediction(p.start, middle, p.scores, **fields), Prediction(middle, p.end, p.scores, **fields)]
    close(shares_of(pieces, duration, labels=LABELS), shares_of(predictions, duration, labels=LABELS))


def test_who_speak_at_once_share_the_time_and_have_all_of_their_own():
    found = shares_of([said(0, 10, "happy", who="left"), said(5, 15, "sad", who="right")], 20, labels=LABELS)
    assert found.seconds == {"angry": 0, "happy": 7.5, "sad": 7.5} and found.silence == 5
    assert {who: part.answered for who, part in found.people.items()} == {"left": 10, "right": 10}
    assert found.people["right"].silence == 10


def test_of_several_modalities_the_fused_answers_count():
    spoken = [said(0, 10, "sad"), said(0, 10, "sad", modality="face"), said(0, 10, "happy", modality="fusion")]
    assert shares_of(spoken, 10, labels=LABELS).seconds == {"angry": 0, "happy": 10, "sad": 0}


def test_silence_has_no_shares_and_nothing_is_most_frequent():
    found = shares_of([Prediction(0, 5, {})], 10, labels=LABELS)
    assert (found.silence, found.most_frequent, found.unsure_share) == (10, None, 0)
    assert found.share == dict.fromkeys(LABELS, 0)


def test_what_lies_beyond_the_end_does_not_count():
    found = shares_of([said(8, 14, "sad"), said(20, 22, "happy")], 10, labels=LABELS)
    assert found.seconds == {"angry": 0, "happy": 0, "sad": 2} and found.silence == 8


def test_a_picture_has_no_time_to_divide():
    found = shares_of([said(0, 0, "happy", modality="face")], 0, labels=LABELS)
    assert (found.answered, found.silence, found.bins, found.most_frequent) == (0, 0, (), None)


@pytest.mark.parametrize(
    ("duration", "width", "count"), [(59, 60, 0), (60, 60, 0), (61, 60, 2), (1200, 60, 20), (3 * 3600, 300, 36)]
)
def test_bins_are_minutes_and_rounder_the_longer_it_is(duration, width, count):
    assert bin_width(duration) == width
    assert len(shares_of([], duration, labels=LABELS).bins) == count


def test_a_year_has_no_more_bins_than_an_hour():
    assert len(shares_of([], 366 * 86_400, labels=LABELS).bins) <= MOST_BINS


def test_bins_of_a_width_that_is_asked_for():
    found = shares_of([said(0, 10, "happy")], 1.0, labels=LABELS, every=0.1)
    assert len(found.bins) == 10 and found.bins[-1].end == 1.0
    with pytest.raises(InputError, match="bins of 0 s; give seconds, more than 0"):
        shares_of([], 1.0, labels=LABELS, every=0)


def test_a_result_has_its_shares():
    p = said(0, 2, "happy")
    result = Result("a.wav", 3.0, (p,), p, "m", LABELS)
    assert result.shares.seconds == {"angry": 0, "happy": 2, "sad": 0} and result.shares.silence == 1
