"""Shards: sized by seconds of sound, and planned once."""

import numpy as np
import pytest
import soundfile

from affekt.archive.shards import MOST, Plan, Shard, cut
from affekt.archive.sources import Input
from affekt.archive.store import LocalStore
from affekt.errors import StoreError
from affekt.speech.activity import Piece


def stretch(name, seconds):
    return Input(f"s3://calls/{name}", 0.0, seconds)


def test_short_inputs_share_a_shard_of_about_so_many_seconds():
    shards = list(cut((stretch(i, 30) for i in range(10)), seconds=100))
    assert [len(shard.inputs) for shard in shards] == [4, 4, 2]
    assert [shard.number for shard in shards] == [0, 1, 2]
    assert [shard.seconds for shard in shards] == [120, 120, 60]


def test_however_short_they_are_a_shard_has_not_too_many():
    assert [len(s.inputs) for s in cut((stretch(i, 0.1) for i in range(MOST + 1)), seconds=3600)] == [MOST, 1]


def test_a_long_input_is_cut_at_multiples_of_the_grid():
    found = list(cut([stretch("a", 30), stretch("b", 500), stretch("c", 10)], seconds=210))
    pieces = [shard for shard in found if shard.piece]
    assert [shard.piece for shard in pieces] == [Piece(0, 200), Piece(200, None)]
    assert [(s.number, s.group, s.pieces) for s in pieces] == [(0, 0, 2), (1, 0, 2)]
    assert found[-1] == Shard(2, (stretch("a", 30), stretch("c", 10)), 40)


def test_the_length_of_a_long_file_is_read_from_its_header_and_not_guessed(tmp_path):
    # 8 kHz mu-law: a quarter of the bytes that are taken for a second.
    soundfile.write(tmp_path / "a.wav", np.zeros(8_000 * 100), 8_000, subtype="ULAW")
    one = Input(str(tmp_path / "a.wav"), size=(tmp_path / "a.wav").stat().st_size)
    assert one.seconds(3600) == pytest.approx(25, abs=0.1)
    assert one.seconds(60) == 100
    assert len(list(cut([one], seconds=40))) == 2


def test_shards_come_back_from_their_record():
    for shard in (
        Shard(3, (stretch("a", 2), Input("/b.wav", speaker="Ann", size=4)), 7.5, set_aside={1: ("died", "why")}),
        Shard(4, (stretch("a", 2),), 7.5, Piece(20, None), 2, 3),
    ):
        assert Shard.of(shard.record()) == shard


def test_a_plan_stays_and_only_what_is_new_is_added(tmp_path):
    store = LocalStore(str(tmp_path))
    plan = Plan(store)
    assert plan.extend([stretch("a", 30), stretch("b", 500), stretch("a", 30)], seconds=200) == 2
    before = list(plan)
    again = Plan(store)
    assert (again.inputs, again.shards) == (2, 3)
    assert again.extend([stretch("b", 500)], seconds=200) == 0
    assert again.extend([stretch("b", 500), stretch("c", 30)], seconds=100) == 1
    assert list(again)[:3] == before and list(again)[3].number == 3
    assert sorted(store.names("plan")) == ["plan/0000.jsonl", "plan/0001.jsonl"]


def test_what_is_no_plan_is_refused(tmp_path):
    store = LocalStore(str(tmp_path))
    store.write("plan/0000.jsonl", b'{"number": 0}\n')
    with pytest.raises(StoreError, match="is no plan of an archive"):
        Plan(store)
