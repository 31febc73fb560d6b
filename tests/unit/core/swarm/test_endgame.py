"""The endgame: who is asked for what others were asked for already."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.endgame import DOUBLE_PAUSE_S, ENDGAME_BLOCKS
from blobtorrent.protocol.wire import messages as wire
from tests.support.accounts import check_requests
from tests.support.oneswarm import OneSwarm, cancelled
from tests.support.stored import StoredTorrent

K = 1024
PIECE = 32 * 16 * K


@pytest.fixture(scope="module")
def large():
    return StoredTorrent([4 * PIECE - 100], PIECE)


@pytest.fixture(scope="module")
def small():
    return StoredTorrent([40 * 16 * K - 100], 16 * K)


def test_in_the_endgame_an_idle_peer_is_asked_too_and_the_slower_request_is_taken_back(small):
    one = OneSwarm(small, have=range(38))
    slow = one.join()
    asked = one.asked(slow)
    assert asked == [(38, 0), (39, 0)]
    idle = one.join()
    assert sorted(one.asked(idle)) == asked
    third = one.join()
    assert one.asked(third) == [], "two are asked for one block, no more"
    one.give(idle, [(38, 0)])
    assert cancelled(one.said()[slow]) == [(38, 0)]
    assert one.arena.reserved == 3
    check_requests(one.swarm)


def test_a_block_that_was_never_asked_for_takes_no_request_back(small):
    one = OneSwarm(small, have=range(38))
    slow, idle, liar = one.join(), one.join(), one.join([0])
    one.said()
    assert one.swarm.requests.endgame.doubled
    one.give(liar, [(38, 0), (39, 0)])
    one.give_in_shape(liar, [(38, 0)])
    assert len(slow.outstanding) == len(idle.outstanding) == 2
    check_requests(one.swarm)


def test_while_something_is_left_to_ask_for_nothing_is_asked_twice(large):
    one = OneSwarm(large)
    one.join([0])
    one.said()
    idle = one.join([0])
    assert one.asked(idle) == []


def test_an_idle_peer_is_asked_for_a_few_blocks_at_a_time_and_not_at_every_look(small):
    one = OneSwarm(small, have=range(26))
    assert len(one.asked(one.join())) == 14
    idle = one.join()
    first = one.asked(idle)
    assert len(first) == ENDGAME_BLOCKS
    one.give(idle, first)
    assert one.asked(idle) == []
    one.notes.now += DOUBLE_PAUSE_S
    one.swarm.fill(idle)
    assert len(one.asked(idle)) == 14 - ENDGAME_BLOCKS
    check_requests(one.swarm)


def test_a_block_that_one_of_two_leaves_is_still_expected_of_the_other(small):
    one = OneSwarm(small, have=range(38))
    first, second = one.join(), one.join()
    one.said()
    one.tell(first, wire.Choke())
    assert not one.swarm.pieces.wanted_now, "nobody need be asked anew"
    one.tell(second, wire.Choke())
    assert one.swarm.requests.endgame.doubled == {}
    assert sorted(one.asked(one.join())) == [(38, 0), (39, 0)]
    check_requests(one.swarm)
