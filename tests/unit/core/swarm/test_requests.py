"""The request manager: what is asked of whom, and what happens to requests that are not answered."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.throttle import Branch, Throttle, Valve
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.storage.jobs import BlocksSpilled
from tests.support.accounts import check_requests
from tests.support.oneswarm import OneSwarm, cancelled, outstanding
from tests.support.simdisk import REFUSED
from tests.support.stored import StoredTorrent

K = 1024
PIECE = 32 * 16 * K                    # large: opened one by one


@pytest.fixture(scope="module")
def large():
    return StoredTorrent([4 * PIECE - 100], PIECE)


@pytest.fixture(scope="module")
def small():
    return StoredTorrent([40 * 16 * K - 100], 16 * K)


def test_an_unchoked_peer_is_asked_for_a_windowful_and_every_request_has_its_memory(large):
    one = OneSwarm(large)
    link = one.join()
    asked = one.asked(link)
    assert len(asked) == len(set(asked)) == link.window.size
    assert len({index for index, _ in asked}) == 1, "one piece after the other"
    assert one.arena.reserved == len(asked)


def test_all_peers_together_are_asked_for_three_quarters_of_the_memory_at_most(large):
    one = OneSwarm(large, slots=128)
    links = [one.join(unchoked=False) for _ in range(8)]
    for link in links:
        one.tell(link, wire.Unchoke())
    assert [len(link.outstanding) for link in links] == [128 * 3 // 4 // 8] * 8


def test_the_end_of_a_piece_needs_memory_for_what_it_lacks_only(large):
    one = OneSwarm(large, slots=32)
    one.join()
    assert one.arena.reserved == 24, "three quarters"
    one.join()
    assert one.arena.reserved == 32


def test_a_choking_peer_is_not_asked(large):
    one = OneSwarm(large)
    link = one.join(unchoked=False)
    assert one.asked(link) == []


def test_a_peer_without_what_we_lack_is_not_asked(large):
    one = OneSwarm(large, have=[0, 1])
    link = one.join([0, 1])
    assert one.asked(link) == []


def test_small_pieces_are_asked_for_as_neighbours_and_in_full(small):
    one = OneSwarm(small)
    link = one.join()
    asked = one.asked(link)
    assert len(asked) == link.window.size
    assert all(block == 0 for _, block in asked)
    assert one.arena.reserved == len(asked)


def test_a_window_smaller_than_a_small_piece_holds_for_it_too():
    one = OneSwarm(StoredTorrent([40 * 8 * 16 * K], 8 * 16 * K))
    link = one.join(unchoked=False)
    link.window.size = 3
    one.tell(link, wire.Unchoke())
    asked = one.asked(link)
    assert len(asked) == 3
    assert len({index for index, _ in asked}) == 1
    one.give(link, asked)
    (index,) = {index for index, _ in asked}
    assert one.asked(link)[:5] == [(index, block) for block in range(3, 8)], "the rest of it comes next"
    check_requests(one.swarm)


@pytest.mark.parametrize("place", [None, 0, 5])
def test_a_seed_does_not_help_with_what_others_bring(place):
    one = OneSwarm(StoredTorrent([40 * 8 * 16 * K], 8 * 16 * K))
    if place is not None:
        one.swarm.picker.reading.read_from("us", place)
    leech, seed = one.join([0], unchoked=False), one.join(unchoked=False)
    for link in (leech, seed):
        link.window.size = 3
        one.tell(link, wire.Unchoke())
    assert {index for index, _ in outstanding(leech)} == {0}
    assert 0 not in {index for index, _ in outstanding(seed)}
    check_requests(one.swarm)


@pytest.mark.parametrize("place, is_spared", [(0, False), (5, True)])
def test_what_a_reader_needs_next_and_nobody_works_on_is_asked_of_a_seed_too(place, is_spared):
    one = OneSwarm(StoredTorrent([40 * 8 * 16 * K], 8 * 16 * K))
    one.swarm.picker.reading.read_from("us", place)
    leech, seed = one.join([0], unchoked=False), one.join(unchoked=False)
    for link in (leech, seed):
        link.window.size = 3
    one.tell(leech, wire.Unchoke())
    one.tell(leech, wire.Choke())
    one.tell(seed, wire.Unchoke())
    assert ({index for index, _ in outstanding(seed)} != {0}) is is_spared
    check_requests(one.swarm)


def test_a_window_of_several_small_pieces_holds_whole_ones():
    one = OneSwarm(StoredTorrent([40 * 8 * 16 * K], 8 * 16 * K))
    link = one.join(unchoked=False)
    link.window.size = 29
    one.tell(link, wire.Unchoke())
    asked = one.asked(link)
    assert len(asked) == 24
    assert len({index for index, _ in asked}) == 3
    check_requests(one.swarm)


def test_two_peers_are_asked_for_different_blocks(large):
    one = OneSwarm(large)
    first, second = one.join(), one.join()
    said = one.said()
    keys = [key for link in (first, second) for run in said[link] for key in getattr(run, "keys", ())]
    assert len(keys) == len(set(keys)) > 32


def test_blocks_that_came_make_room_for_more(large):
    one = OneSwarm(large)
    link = one.join()
    asked = one.asked(link)
    one.give(link, asked[:20])
    more = one.asked(link)
    assert more and not set(more) & set(asked)
    check_requests(one.swarm)


def test_a_choke_makes_requests_void_and_they_go_to_another(large):
    one = OneSwarm(large)
    link = one.join()
    asked = one.asked(link)
    one.give(link, asked[:5])
    one.tell(link, wire.Choke())
    assert not link.outstanding
    assert one.arena.reserved == 5
    other = one.join()
    assert one.asked(other)[:len(asked) - 5] == asked[5:]
    check_requests(one.swarm)


def test_a_late_block_of_a_void_request_is_kept_and_not_asked_for_again(large):
    one = OneSwarm(large)
    link = one.join()
    asked = one.asked(link)
    one.tell(link, wire.Choke())
    one.give_in_shape(link, asked[:1])
    assert one.arena.reserved == 1
    other = one.join()
    assert asked[0] not in one.asked(other)
    check_requests(one.swarm)


def test_a_block_that_nobody_asked_for_is_counted_and_dropped(large):
    one = OneSwarm(large)
    link = one.join(unchoked=False)
    one.give(link, [(0, 0), (1, 3)])
    assert link.unasked == 2
    assert one.swarm.wasted.total == 2 * 16 * K
    assert one.arena.reserved == 0


def test_a_peer_that_lets_requests_rot_is_snubbed_and_they_go_to_another(large):
    one = OneSwarm(large, have=[1, 2, 3], snub_timeout_s=5.0)
    rotten = one.join()
    asked = one.asked(rotten)
    one.pass_time(7.0)
    assert rotten.snubbed
    assert len(rotten.outstanding) <= 2
    other = one.join()
    assert set(asked[2:]) <= set(one.asked(other))
    check_requests(one.swarm)


def test_a_peer_that_had_nothing_to_send_for_long_is_not_snubbed_at_once(large):
    one = OneSwarm(large, snub_timeout_s=5.0)
    link = one.join([])
    one.pass_time(60.0)
    one.tell(link, wire.Have(0))
    assert one.asked(link)
    one.pass_time(3.0)
    assert not link.snubbed


def test_a_lost_link_gives_back_what_it_was_asked_for_and_what_was_arriving(large):
    one = OneSwarm(large)
    link = one.join()
    asked = one.asked(link)
    index, block = asked[0]
    half = wire.Piece(index, block << 14, large.piece(index)[:16 * K]).encode()[:5000]
    link.intake.feed(half)
    assert link.arriving is not None
    one.swarm.lose(link, RuntimeError("gone"))
    assert one.arena.reserved == 0
    assert asked[0] in one.asked(one.join())
    check_requests(one.swarm)


def test_without_memory_a_peer_waits_and_is_asked_when_some_comes(large):
    one = OneSwarm(large, slots=64)
    assert one.arena.reserve(64)
    link = one.join()
    assert one.asked(link) == []
    assert one.notes.waits
    one.arena.unreserve(64)
    one.swarm.refill()
    assert one.asked(link)


def test_no_peer_gets_all_the_memory(large):
    one = OneSwarm(large, slots=128)
    for _ in range(3):
        assert one.asked(one.join())


def test_open_pieces_never_need_more_than_three_quarters_of_the_memory(large):
    one = OneSwarm(large, slots=128)
    for _ in range(6):
        one.join()
    assert sum(piece.num_blocks for piece in one.swarm.pieces.open.values()) <= 96
    assert one.notes.waits, "the others wait for a piece to be done"


def test_a_dropped_piece_takes_its_requests_back_and_is_fetched_from_the_start(large):
    one = OneSwarm(large)
    link = one.join()
    asked = one.asked(link)
    one.give(link, asked[:3])
    assert one.swarm.unfinished.spill()
    (assembly,) = one.notes.spilled
    one.swarm.unfinished.on_spilled(BlocksSpilled(
        large.metainfo.info_hash, assembly.index, assembly.held_slots, assembly, REFUSED))
    said = one.said()[link]
    assert set(cancelled(said)) >= set(asked[3:])
    assert one.swarm.wasted.total == 3 * 16 * K
    check_requests(one.swarm)


def test_a_suspect_starts_pieces_of_its_own_and_nobody_helps_it(large):
    one = OneSwarm(large)
    first = one.join()
    one.said()
    suspect = one.join(unchoked=False)
    suspect.is_suspect = True
    one.tell(suspect, wire.Unchoke())
    alone = {index for index, _ in one.asked(suspect)}
    assert alone.isdisjoint(index for index, _ in outstanding(first))
    for index in alone:
        assert one.swarm.pieces.open[index].owner is suspect


def test_a_suspect_that_lets_us_wait_shares_its_piece_with_others(large):
    one = OneSwarm(large, have=[1, 2, 3], snub_timeout_s=5.0)
    suspect = one.join(unchoked=False)
    suspect.is_suspect = True
    one.tell(suspect, wire.Unchoke())
    assert one.asked(suspect)
    one.pass_time(7.0)
    other = one.join()
    assert one.asked(other)
    check_requests(one.swarm)


def test_a_block_that_stopped_in_the_middle_is_asked_of_another_and_may_still_come(large):
    one = OneSwarm(large, have=[1, 2, 3], snub_timeout_s=5.0)
    stuck = one.join()
    index, block = one.asked(stuck)[0]
    message = wire.Piece(index, block << 14, large.piece(index)[:16 * K]).encode()
    stuck.intake.feed(message[:5000])
    one.pass_time(7.0)
    other = one.join()
    assert (index, block) in one.asked(other)
    stuck.intake.feed(message[5000:])
    assert (index, block) in cancelled(one.said()[other])
    check_requests(one.swarm)


# ---- limits


class Turns:
    """A branch with a limit that a test gives turns of by hand."""

    def __init__(self, one, bytes_per_s):
        self.one = one
        self.branch = Branch(Throttle(), None)
        self.branch.limit(bytes_per_s, one.notes.now)

    def limit(self, link):
        valve = self.one.swarm.requests.valves[link] = Valve(self.branch, lambda budget, now: 0)
        return valve

    def give(self, link, budget):
        return self.one.swarm.requests.fill_within(link, budget, self.one.notes.now)


def test_a_limited_link_asks_only_when_it_is_its_turn(large):
    one = OneSwarm(large)
    link = one.join(unchoked=False)
    turns = Turns(one, 1 << 20)
    valve = turns.limit(link)
    one.tell(link, wire.Unchoke())
    assert one.asked(link) == []
    assert valve.is_waiting
    assert turns.give(link, 3 * 16 * K) == 3 * 16 * K
    assert len(one.asked(link)) == 3


@pytest.mark.parametrize("torrent", ["large", "small"])
def test_a_turn_of_less_than_a_block_is_one_block_however_large_pieces_are(torrent, request):
    one = OneSwarm(request.getfixturevalue(torrent))
    link = one.join(unchoked=False)
    turns = Turns(one, 1 << 20)
    turns.limit(link)
    one.tell(link, wire.Unchoke())
    turns.give(link, 100)
    assert len(one.asked(link)) == 1


def test_a_limited_link_is_asked_for_no_more_than_its_share_of_two_seconds(large):
    one = OneSwarm(large)
    links = [one.join(unchoked=False) for _ in range(2)]
    turns = Turns(one, 10 * 16 * K)
    for link in links:
        turns.limit(link)
        one.tell(link, wire.Unchoke())
    assert turns.give(links[0], 1 << 20) == (1 + 2 * 5) * 16 * K
    assert turns.give(links[0], 1 << 20) == 0
    assert turns.give(links[1], 1 << 20) == (1 + 2 * 5) * 16 * K


def test_a_limit_that_comes_takes_back_the_latest_requests_which_are_the_first_to_be_made_again(large):
    one = OneSwarm(large)
    link = one.join()
    asked = one.asked(link)
    turns = Turns(one, 4 * 16 * K)
    one.swarm.requests.trim(link, turns.limit(link))
    kept = 1 + 2 * 4
    assert outstanding(link) == asked[:kept]
    assert sorted(cancelled(one.said()[link])) == asked[kept:]
    assert one.arena.reserved == kept
    check_requests(one.swarm)
    turns.give(link, 16 * K)
    assert one.asked(link) == [], "as much as its share already"
    turns.branch.limit(8 * 16 * K, one.notes.now)
    turns.give(link, 5 * 16 * K)
    assert one.asked(link) == asked[kept:kept + 5]


def test_requests_that_are_given_up_are_given_back_to_the_limit_and_late_blocks_are_counted_again(large, monkeypatch):
    one = OneSwarm(large)
    link = one.join(unchoked=False)
    turns = Turns(one, 1 << 20)
    returned = []
    monkeypatch.setattr(Valve, "give_back", lambda valve, size: returned.append(size))
    turns.limit(link)
    one.tell(link, wire.Unchoke())
    turns.give(link, 4 * 16 * K)
    asked = one.asked(link)
    one.tell(link, wire.Choke())
    one.give_in_shape(link, asked[:1])
    assert returned == [4 * 16 * K, -16 * K]
