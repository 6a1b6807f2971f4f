"""A long signal cut at pauses: the pieces joined have exactly the answers of the whole."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.errors import InputError
from affekt.recognize.recognizer import Recognizer
from affekt.speech.activity import HOP, WINDOW, Activity, ActivityOptions, Piece
from affekt.timeline.segments import Listener
from affekt.types import Prediction


def pieces(seconds: float, step: float) -> list[Piece]:
    starts = np.arange(0, seconds, step).tolist()
    return [Piece(start, end) for start, end in zip(starts, [*starts[1:], None], strict=True)]


def regions(frames, piece=None, **options):
    """The regions of frame probabilities, which are the first sample of each frame here."""
    signal = np.zeros((len(frames) - 1) * HOP + WINDOW, np.float32)
    signal[::HOP][: len(frames)] = frames
    activity = Activity(lambda part: part[::HOP][: (len(part) - WINDOW) // HOP + 1], ActivityOptions(**options), piece)
    found = activity.feed(signal[activity.begin :])
    return found + activity.flush()


@settings(max_examples=300, deadline=None)
@given(
    runs=st.lists(st.tuples(st.sampled_from([0.0, 0.4, 0.9]), st.integers(1, 60)), min_size=1, max_size=80),
    pause=st.sampled_from([0.02, 0.05, 0.3, 0.5]),
    shortest=st.sampled_from([0.02, 0.2]),
    step=st.sampled_from([1, 2, 5]),
)
def test_regions_of_pieces_joined_are_those_of_the_whole(runs, pause, shortest, step):
    frames = np.concatenate([np.full(count, value) for value, count in runs])
    options = {"pause": pause, "shortest": shortest, "margin": pause / 2, "block": 1.0}
    joined = [r for piece in pieces(len(frames) / 50, step) for r in regions(frames, piece, **options)]
    assert joined == regions(frames, **options)


@pytest.mark.parametrize("model", ["voice-small", "voice"])
def test_answers_of_pieces_joined_equal_those_of_the_whole_to_the_last_bit(model, conversation):
    recognizer = Recognizer(model)
    gap = np.zeros(9_000, np.float32)
    signal = np.concatenate([conversation, gap, conversation[::-1], gap, conversation] * 2)

    def answers(piece: Piece | None) -> list[Prediction]:
        hops: list[Prediction] = []
        stream = recognizer.stream(listener=Listener(hop=hops.append), piece=piece)
        return stream.feed(signal) + stream.flush() + hops

    whole = answers(None)
    parts = [answers(piece) for piece in pieces(len(signal) / 16_000, 20)]
    assert len(parts) > 2 and sum(map(bool, parts)) > 2
    assert sorted(itertools.chain(*parts), key=repr) == sorted(whole, key=repr)


def test_a_piece_that_is_over_takes_no_more_and_knows_what_it_was_fed(conversation):
    stream = Recognizer("voice-small").stream(piece=Piece(0, 20))
    signal = np.concatenate([conversation, np.zeros(40 * 16_000, np.float32)])
    fed = 0
    while not stream.ended:
        stream.feed(signal[fed : fed + 16_000])
        fed += 16_000
    assert fed < len(signal) and stream.position == fed / 16_000
    assert stream.flush() == []


def test_a_piece_that_is_none_or_lies_between_blocks_is_refused(conversation):
    with pytest.raises(InputError, match="0 <= start < end"):
        Piece(20, 20)
    with pytest.raises(InputError, match=r"start is 30 s; allowed: multiples of the block, 20 s"):
        Recognizer("voice-small").stream(piece=Piece(30))


def test_a_piece_behind_the_end_of_the_signal_is_empty(conversation):
    stream = Recognizer("voice-small").stream(piece=Piece(4000))
    assert stream.feed(conversation) + stream.flush() == []
    assert stream.position == len(conversation) / 16_000
