"""The endgame: who is asked for what others were asked for already."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.endgame import DOUBLE_PAUSE_S, LATE_S, LEAST_TWICE, TWICE_SHARE, WORTH_S
from blobtorrent.core.swarm.messages import WantPieces
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.greeting import OUR_RESERVED
from tests.support.accounts import check_requests
from tests.support.oneswarm import OneSwarm, cancelled, outstanding
from tests.support.stored import StoredTorrent

K = 1024
PIECE = 32 * 16 * K


@pytest.fixture(scope="module")
def large():
    return StoredTorrent([4 * PIECE - 100], PIECE)


@pytest.fixture(scope="module")
def small():
    return StoredTorrent([40 * 16 * K - 100], 16 * K)


def wait(one, seconds=2 * WORTH_S):
    """Nobody sends anything for a while."""
    one.notes.now += seconds
    one.notes.timers.expire(one.notes.now)


def test_in_the_endgame_an_idle_peer_is_asked_too_and_the_slower_request_is_taken_back(small):
    one = OneSwarm(small, have=range(38))
    slow, idle, third = one.join(), one.join(), one.join()
    asked = one.asked(slow)
    assert asked == [(38, 0), (39, 0)]
    wait(one)
    doubled = outstanding(idle) or outstanding(third)
    assert sorted(doubled) == asked
    assert not outstanding(idle) or not outstanding(third), "two are asked for one block, no more"
    helper = idle if outstanding(idle) else third
    one.said()
    one.give(helper, [(38, 0)])
    assert cancelled(one.said()[slow]) == [(38, 0)]
    assert one.arena.reserved == 3
    check_requests(one.swarm)


def test_what_is_to_be_expected_soon_is_not_asked_for_twice(small):
    one = OneSwarm(small, have=range(38))
    one.join()
    idle = one.join()
    wait(one, WORTH_S / 4)
    assert not outstanding(idle)


def test_a_slow_peer_is_not_asked_for_what_a_faster_one_will_have_sent_before(small):
    one = OneSwarm(small, have=range(26))
    fast, slow = one.join(), one.join(unchoked=False)
    fast.window.block_s, slow.window.block_s = 0.2, 5.0
    fast.last_block_at = one.notes.now
    one.tell(slow, wire.Unchoke())
    assert one.asked(slow) == []
    slow.window.block_s = 0.01
    one.notes.now += DOUBLE_PAUSE_S
    fast.last_block_at = one.notes.now
    one.swarm.fill(slow)
    asked = one.asked(slow)
    assert asked and asked[0] == (39, 0), "what it would send last comes first"


def test_a_block_that_was_never_asked_for_takes_no_request_back(small):
    one = OneSwarm(small, have=range(38))
    slow, idle, liar = one.join(), one.join(), one.join([0])
    wait(one)
    assert one.swarm.requests.endgame.doubled
    one.give(liar, [(38, 0), (39, 0)])
    one.give_in_shape(liar, [(38, 0)])
    assert len(slow.outstanding) == len(idle.outstanding) == 2
    check_requests(one.swarm)


def test_while_something_is_left_to_ask_for_nothing_is_asked_twice(large):
    one = OneSwarm(large)
    one.join([0])
    idle = one.join([0])
    wait(one, 5.0)
    assert outstanding(idle) == []


def test_a_peer_that_sends_nothing_for_long_is_helped_by_two(small):
    one = OneSwarm(small, have=range(38), snub_timeout_s=60.0)
    _, second, third, fourth = one.join(), one.join(), one.join(), one.join()
    wait(one, LATE_S + 1.0)
    assert sorted(map(len, map(outstanding, (second, third, fourth)))) == [0, 2, 2]
    check_requests(one.swarm)


def test_a_block_that_stopped_in_the_middle_is_asked_of_another(small):
    one = OneSwarm(small, have=range(39))
    stuck = one.join()
    ((index, block),) = one.asked(stuck)
    message = wire.Piece(index, block << 14, small.piece(index)).encode()
    stuck.intake.feed(message[:5000])
    helper = one.join()
    wait(one)
    assert outstanding(helper) == [(index, block)]
    one.give(helper, [(index, block)])
    check_requests(one.swarm)
    assert one.swarm.finished or one.notes.hashed
    stuck.intake.feed(message[5000:])
    assert one.swarm.requests.endgame.came_twice == 1
    assert one.swarm.wasted.total


def test_a_block_that_is_here_is_not_asked_for_again_though_it_still_arrives_elsewhere(large):
    one = OneSwarm(large, have=[1, 2, 3])
    stuck = one.join()
    index, block = one.asked(stuck)[0]
    message = wire.Piece(index, block << 14, large.piece(index)[block << 14:(block + 1) << 14]).encode()
    stuck.intake.feed(message[:5000])
    helper, third = one.join(), one.join()
    for _ in range(3):
        wait(one)
        for link in (helper, third):
            if (index, block) in outstanding(link):
                one.give(link, [(index, block)])
    assert one.swarm.pieces.open[index].slots[block] >= 0
    assert stuck.arriving is not None
    for link in (helper, third):
        assert (index, block) not in outstanding(link)
    check_requests(one.swarm)


def test_a_block_that_one_of_two_leaves_is_still_expected_of_the_other(small):
    one = OneSwarm(small, have=range(38))
    first, second = one.join(), one.join()
    wait(one)
    assert outstanding(second)
    one.tell(first, wire.Choke())
    assert not one.swarm.pieces.wanted_now, "nobody need be asked anew"
    one.tell(second, wire.Choke())
    assert one.swarm.requests.endgame.doubled == {}
    assert sorted(one.asked(one.join())) == [(38, 0), (39, 0)]
    check_requests(one.swarm)


def test_a_block_that_comes_twice_is_counted_and_then_there_is_an_end_to_it(small):
    one = OneSwarm(small, have=range(38))
    slow, idle = one.join(), one.join()
    wait(one)
    one.give(idle, [(38, 0)])
    one.give(slow, [(38, 0)])
    endgame = one.swarm.requests.endgame
    assert endgame.came_twice == 1
    endgame.came_twice = endgame.most_twice
    third = one.join()
    wait(one, LATE_S + 1.0)
    assert outstanding(third) == []


def test_no_more_than_two_percent_of_a_large_torrent_may_come_twice():
    blocks = 100 * 64
    one = OneSwarm(StoredTorrent([blocks * 16 * K], 64 * 16 * K))
    assert one.swarm.requests.endgame.most_twice == TWICE_SHARE * blocks > LEAST_TWICE


def test_at_the_end_of_a_small_torrent_more_may_come_twice(small):
    one = OneSwarm(small, have=range(37))
    endgame = one.swarm.requests.endgame
    link = one.join(unchoked=False)
    assert endgame.most_twice == int(TWICE_SHARE * 40)
    one.tell(link, wire.Unchoke())
    assert endgame.is_all_asked
    assert endgame.most_twice == LEAST_TWICE


def test_late_blocks_of_other_reasons_do_not_count_as_such(small):
    one = OneSwarm(small, have=range(38))
    link = one.join()
    asked = one.asked(link)
    one.tell(link, wire.Choke())
    one.give(link, asked)
    assert one.swarm.requests.endgame.came_twice == 0


def test_the_pieces_wanted_most_need_not_wait_for_a_slow_peer_while_others_fetch_the_rest(large):
    one = OneSwarm(large)
    one.swarm.want(WantPieces(large.metainfo.info_hash, 0, {2: 1}))
    slow, other = one.join(), one.join()
    assert {index for index, _ in outstanding(slow)} == {2}
    assert 2 not in {index for index, _ in outstanding(other)}, "there is less urgent work, and no reason to hurry yet"
    one.give(other, outstanding(other)[:20])
    slow.window.block_s = 1.0
    wait(one, DOUBLE_PAUSE_S)
    one.swarm.fill(other)
    twice = set(outstanding(other)) & set(outstanding(slow))
    assert twice and {index for index, _ in twice} == {2}
    assert {index for index, _ in outstanding(other)} != {2}
    check_requests(one.swarm)


def test_what_somebody_waits_for_is_taken_from_a_slow_peer(large):
    one = OneSwarm(large)
    slow, other = one.join(), one.join()
    (index,) = {index for index, _ in outstanding(slow)}
    one.give(other, outstanding(other)[:20])
    slow.window.block_s = 1.0
    one.swarm.picker.reading.set_deadline(index, one.notes.now + 5.0)
    wait(one, DOUBLE_PAUSE_S)
    one.swarm.fill(other)
    taken = [block for block in outstanding(other) if block[0] == index]
    assert taken
    assert sorted(cancelled(one.said()[slow])) == sorted(taken)
    assert not set(taken) & set(outstanding(slow))
    check_requests(one.swarm)


def test_what_is_taken_from_a_peer_counts_as_coming_twice_until_it_says_that_it_will_not(large):
    one = OneSwarm(large)
    endgame = one.swarm.requests.endgame
    slow, other = one.join(reserved=OUR_RESERVED), one.join()
    (index,) = {index for index, _ in outstanding(slow)}
    one.give(other, outstanding(other)[:20])
    slow.window.block_s = 1.0
    one.swarm.picker.reading.set_deadline(index, one.notes.now + 5.0)
    wait(one, DOUBLE_PAUSE_S)
    one.swarm.fill(other)
    taken = sorted(block for block in outstanding(other) if block[0] == index)
    assert endgame.came_twice == len(taken) > 0
    one.tell(slow, wire.Reject(index, taken[0][1] << 14, 16 * K))
    assert endgame.came_twice == len(taken) - 1
    one.give(slow, taken[1:2])                             # it sent it all the same, and before the other one
    assert endgame.came_twice == len(taken) - 1, "now the other one's is to come twice"
    assert taken[1] not in outstanding(other)
    check_requests(one.swarm)


def test_before_the_end_of_a_torrent_no_more_than_two_percent_of_it_are_taken_from_others(large):
    one = OneSwarm(large)
    slow, other = one.join(), one.join()
    (index,) = {index for index, _ in outstanding(slow)}
    one.give(other, outstanding(other)[:20])
    slow.window.block_s = 1.0
    one.swarm.picker.reading.set_deadline(index, one.notes.now + 5.0)
    wait(one, DOUBLE_PAUSE_S)
    one.swarm.fill(other)
    most = int(TWICE_SHARE * 4 * 32)
    assert len([block for block in outstanding(other) if block[0] == index]) == most < 20


def test_what_comes_next_in_order_is_taken_from_a_slow_peer(large):
    one = OneSwarm(large, is_sequential=True)
    slow, other = one.join(), one.join()
    assert {index for index, _ in outstanding(slow)} == {0}
    one.give(other, outstanding(other)[:20])
    slow.window.block_s = 1.0
    wait(one, DOUBLE_PAUSE_S)
    one.swarm.fill(other)
    taken = [block for block in outstanding(other) if block[0] == 0]
    assert taken and not set(taken) & set(outstanding(slow))
    check_requests(one.swarm)
