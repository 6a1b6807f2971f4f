"""Work ahead: the same pieces in the same order, errors in their place, and no thread left behind."""

import threading

import pytest

from affekt.recognize.ahead import ahead


def test_pieces_come_in_order_and_their_error_in_its_place():
    def pieces():
        yield from range(20)
        raise ValueError("the end of it")

    found = []
    with pytest.raises(ValueError, match="the end of it"):
        for piece in ahead(pieces()):
            found.append(piece)
    assert found == list(range(20))
    assert list(ahead(())) == [] and list(ahead([None])) == [None]


def test_no_more_is_made_than_there_is_room_for_and_leaving_ends_the_thread():
    made = []

    def pieces():
        for number in range(1000):
            made.append(number)
            yield number

    before = threading.active_count()
    taken = ahead(pieces(), most=3)
    assert [next(taken) for _ in range(10)] == list(range(10))
    taken.close()
    assert 10 <= len(made) <= 15
    assert threading.active_count() == before
