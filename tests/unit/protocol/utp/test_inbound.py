"""Packets are put into order, within the room that there is."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest

from blobtorrent.protocol.utp.inbound import MAX_AHEAD, SLACK_BYTES, Inbound

START = 0xFFFD


def inbound(limit: int = 1000) -> Inbound:
    return Inbound(START, limit)


@pytest.mark.parametrize("order", list(permutations(range(5))))
def test_every_order_gives_the_same(order):
    box = inbound()
    for position in order:
        assert box.take(START + position & 0xFFFF, bytes([position]), is_last=position == 4)
    assert b"".join(box.read(100)) == bytes(range(5))
    assert box.is_ended and box.beyond == 0 and box.buffered == 0


def test_what_came_beyond_a_hole_is_told_by_bits():
    box = inbound()
    box.take(START + 1 & 0xFFFF, b"b")
    box.take(START + 4 & 0xFFFF, b"e")
    assert box.beyond == 0b1001
    box.take(START, b"a")
    assert box.beyond == 0b10, "packets c and d are missing, e waits"
    assert box.read(100) == [b"a", b"b"]


def test_twice_is_once():
    box = inbound()
    assert box.take(START, b"a") and not box.take(START, b"a")
    assert box.take(START + 2 & 0xFFFF, b"c") and not box.take(START + 2 & 0xFFFF, b"c")
    assert (box.received_bytes, box.buffered) == (2, 2)


def test_too_far_ahead_or_behind_is_not_kept():
    box = inbound()
    assert box.take(START + MAX_AHEAD - 1 & 0xFFFF, b"x")
    assert not box.take(START + MAX_AHEAD & 0xFFFF, b"x")
    assert not box.take(START - 1, b"x")


def test_there_is_room_for_what_fills_the_hole_only():
    box = inbound(limit=300)
    assert box.take(START + 1 & 0xFFFF, bytes(200))
    assert not box.take(START + 2 & 0xFFFF, bytes(200)), "room for 100 only"
    assert box.room == 100
    assert box.take(START, bytes(200)) and box.room == 0
    box = inbound(limit=300)
    box.buffered = 300 + SLACK_BYTES
    assert not box.take(START, b"x"), "but not for ever"


def test_a_payload_is_cut_only_when_nothing_else_could_be_given():
    box = inbound()
    box.take(START, b"abcd")
    box.take(START + 1, b"efg")
    assert box.read(3) == [b"abc"]
    assert box.read(3) == [b"d"]
    assert box.read(3) == [b"efg"]
    assert box.read(3) == [] and box.room == 1000


def test_nothing_comes_behind_the_end():
    box = inbound()
    assert box.take(START + 1, b"", is_last=True)
    assert not box.take(START + 2, b"x") and not box.take(START + 3 & 0xFFFF, b"", is_last=True)
    assert not box.take(START + 1, b"data in its place")
    assert box.take(START, b"all") and box.is_ended


def test_an_end_before_what_came_already_is_a_lie():
    box = inbound()
    box.take(START + 2, b"c")
    assert not box.take(START + 1, b"", is_last=True)
    assert not box.is_ended


def test_thousands_in_any_order():
    rng = Random(1)
    box, numbers = inbound(10**6), list(range(5000))
    for start in range(0, 5000, 500):
        part = numbers[start:start + 500]
        rng.shuffle(part)
        for number in part:
            assert box.take(START + number & 0xFFFF, number.to_bytes(2, "big"))
    assert b"".join(box.read(10**6)) == b"".join(number.to_bytes(2, "big") for number in numbers)
