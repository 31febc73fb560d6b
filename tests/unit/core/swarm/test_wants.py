"""What is wanted changes while a swarm runs: skipped and preferred pieces, order, losses, no downloads for a while."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.messages import ChangeSwarm, SwarmSettings, WantPieces
from blobtorrent.core.swarm.phases import State
from blobtorrent.core.swarm.telling import insight
from blobtorrent.protocol.wire import messages as wire
from tests.support.accounts import check_pieces, check_requests
from tests.support.oneswarm import OneSwarm, outstanding
from tests.support.stored import StoredTorrent

K = 1024
COUNT = 8                              # pieces: what one peer is asked for at first
ALL = (1 << COUNT) - 1


@pytest.fixture(scope="module")
def torrent():
    return StoredTorrent([COUNT * 4 * 16 * K], 4 * 16 * K)


@pytest.fixture
def one(torrent):
    return OneSwarm(torrent)


def want(one, skipped, priorities=None):
    one.swarm.want(WantPieces(one.swarm.info_hash, skipped, priorities or {}))
    check_pieces(one.swarm)
    check_requests(one.swarm)


def change(one, **settings):
    one.swarm.change(ChangeSwarm(one.swarm.info_hash, SwarmSettings(**settings)))


def pieces_asked(link):
    return {index for index, _ in outstanding(link)}


def test_skipped_pieces_are_not_asked_for(torrent):
    one = OneSwarm(torrent, order={"skipped": ALL & ~0b111})
    link = one.join()
    assert pieces_asked(link) == {0, 1, 2}


def test_requests_for_pieces_that_nobody_wants_any_more_are_cancelled_and_their_blocks_dropped(one):
    link = one.join()
    assert pieces_asked(link) == set(range(COUNT))
    one.give(link, [(5, 0)])
    one.said()
    want(one, ALL & ~0b11)
    assert pieces_asked(link) == {0, 1}
    cancelled = {message.index for message in one.said()[link] if isinstance(message, wire.Cancel)}
    assert cancelled == set(range(2, COUNT))
    assert one.arena.reserved == 8
    assert one.swarm.wasted.total == 16 * K


def test_pieces_that_are_wanted_again_are_asked_for(one):
    link = one.join(range(1, COUNT))
    want(one, ALL)
    assert one.swarm.is_seeding and pieces_asked(link) == set()
    want(one, 0)
    assert pieces_asked(link) == set(range(1, COUNT))


def test_we_are_interested_in_wanted_pieces_only(one):
    link = one.join([7])
    one.said()
    want(one, 1 << 7)
    assert wire.NotInterested() in one.said()[link]
    want(one, 0)
    assert wire.Interested() in one.said()[link]


def test_a_skipped_piece_that_is_being_hashed_is_had_all_the_same(one):
    link = one.join()
    one.give(link, [(3, block) for block in range(4)])
    want(one, 1 << 3)
    (piece,) = one.notes.hashed
    assert one.swarm.pieces.state(3).name == "HASHING"
    one.swarm.pieces.written([piece.token])
    assert 3 in one.swarm.pieces.have
    check_pieces(one.swarm)


def test_a_swarm_that_has_all_that_is_wanted_seeds_and_leaves_other_seeds(torrent):
    one = OneSwarm(torrent, have=range(2))
    seed, leech = one.join(), one.join(range(2), unchoked=False)
    want(one, ALL & ~0b11)
    assert one.swarm.machine.state is State.SEEDING
    assert seed.closing.code == "net.both-seeds"
    assert leech.closing is None
    report = one.notes.reports[-1]
    assert (report.state, report.left_bytes, report.skipped_bytes) == ("seeding", 6 * 64 * K, 6 * 64 * K)
    want(one, 0)
    assert one.swarm.machine.state is State.NORMAL


def test_with_everything_skipped_at_the_start_it_seeds(torrent):
    assert OneSwarm(torrent, order={"skipped": ALL}).swarm.is_seeding


def test_preferred_pieces_are_asked_for_first(torrent):
    one = OneSwarm(torrent, order={"priorities": {4: 1, 7: 1, 2: -1}})
    link = one.join()
    order = list(dict.fromkeys(index for index, _ in one.asked(link)))
    assert set(order[:2]) == {4, 7}
    assert order[-1] == 2


def test_in_sequence_pieces_are_asked_for_in_order(torrent):
    one = OneSwarm(torrent, is_sequential=True)
    link = one.join()
    order = [index for index, _ in one.asked(link)]
    assert order == sorted(order)


def test_while_it_may_not_download_requests_are_cancelled_and_the_rest_goes_on(one):
    link = one.join()
    one.give(link, outstanding(link)[:1])
    asked = set(outstanding(link))
    one.said()
    change(one, may_download=False)
    told = one.said()[link]
    assert {(message.index, message.begin >> 14) for message in told if isinstance(message, wire.Cancel)} == asked
    assert wire.NotInterested() in told
    assert not outstanding(link)
    assert one.arena.reserved == 1, "what came is kept"
    one.pass_time(5.0)
    assert not outstanding(link)
    change(one)
    assert len(outstanding(link)) == len(asked)
    check_requests(one.swarm)


def test_a_swarm_that_may_not_download_from_the_start_asks_nobody(torrent):
    one = OneSwarm(torrent, may_download=False)
    link = one.join()
    assert not outstanding(link)
    assert wire.Interested() not in one.said().get(link, [])


def test_lost_pieces_are_missing_again_and_peers_are_told_anew_by_a_new_link(torrent):
    one = OneSwarm(torrent, have=range(COUNT))
    leech = one.join([1], unchoked=False)
    knows_it = one.join([0], unchoked=False)
    one.swarm.lose_pieces(0b1)
    assert one.swarm.machine.state is State.NORMAL
    assert list(one.swarm.pieces.have) == list(range(1, COUNT))
    assert leech.closing.code == "net.lost-pieces"
    assert knows_it.closing is None
    assert pieces_asked(knows_it) == set()
    check_pieces(one.swarm)


def test_a_lost_piece_that_nobody_wants_is_not_fetched(torrent):
    one = OneSwarm(torrent, have=range(COUNT), order={"skipped": 0b1})
    one.swarm.lose_pieces(0b1)
    assert one.swarm.is_seeding
    assert one.notes.reports[-1].skipped_bytes == 64 * K


def test_losing_what_was_not_there_changes_nothing(torrent):
    one = OneSwarm(torrent, have=[1])
    link = one.join([1])
    one.swarm.lose_pieces(0b100)
    assert link.closing is None
    assert list(one.swarm.pieces.have) == [1]


def test_peers_are_choked_at_once_when_there_are_no_slots_any_more_and_served_when_there_are(torrent):
    one = OneSwarm(torrent, have=range(COUNT), upload_slots=4)
    link = one.join(())
    one.tell(link, wire.Interested())
    assert any(isinstance(message, wire.Unchoke) for message in one.said()[link])
    change(one, upload_slots=0)
    assert [type(message) for message in one.said()[link]] == [wire.Choke]
    change(one, upload_slots=4)
    assert [type(message) for message in one.said()[link]] == [wire.Unchoke]


def test_a_torrent_has_no_more_slots_than_all_torrents_leave_it(torrent):
    one = OneSwarm(torrent, have=range(COUNT), upload_slots=4)
    link = one.join(())
    one.tell(link, wire.Interested())
    one.said()
    assert one.swarm.make_report().takers == 1
    change(one, upload_slots=4, granted_slots=0)
    assert [type(message) for message in one.said()[link]] == [wire.Choke]
    assert insight(one.swarm, waits_for_memory=False).lacks_slots
    change(one, upload_slots=4, granted_slots=9)
    assert [type(message) for message in one.said()[link]] == [wire.Unchoke]
    assert (one.swarm.choker.slots, insight(one.swarm, waits_for_memory=False).lacks_slots) == (4, False)
