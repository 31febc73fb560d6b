"""Unfinished pieces: back from the part store, copied there for the power's sake, and kept when the torrent closes."""

from __future__ import annotations

import pytest

from blobtorrent.storage.jobs import SPILLED, BlocksKept, PieceVerdicts
from tests.support.accounts import check_pieces, check_requests
from tests.support.oneswarm import OneSwarm, outstanding
from tests.support.simdisk import REFUSED
from tests.support.stored import StoredTorrent

K = 1024
COUNT = 4
BLOCKS = 20
AFTER_S = 3.0


@pytest.fixture(scope="module")
def torrent():
    return StoredTorrent([COUNT * BLOCKS * 16 * K], BLOCKS * 16 * K)


@pytest.fixture
def one(torrent):
    return OneSwarm(torrent, order={"keep_after_s": AFTER_S}, snub_timeout_s=1000.0)


def begin(one, count):
    """A peer sends the first blocks of a piece; returns the peer and the piece."""
    link = one.join()
    index = one.asked(link)[0][0]
    one.give(link, [(index, block) for block in range(count)])
    return link, one.swarm.pieces.open[index]


def answer(one, error=None):
    """The disk thread says that what it was last told to copy is copied, or why not."""
    _, token = one.notes.kept.pop()
    one.swarm.unfinished.on_kept(BlocksKept(one.swarm.info_hash, token, error))


def copied(one):
    """(piece, blocks) of the last order to copy."""
    return [(index, [block for block, _ in blocks]) for index, blocks in one.notes.kept[-1][0]]


# ---- from an earlier run


def test_blocks_in_the_part_store_are_not_asked_for_and_their_piece_is_finished_first(torrent):
    one = OneSwarm(torrent, order={"partial": {2: (0, 1, 5)}})
    link = one.join()
    asked = one.asked(link)
    others = [(2, block) for block in range(BLOCKS) if block not in (0, 1, 5)]
    assert asked[:len(others)] == others
    one.give(link, others)
    one.said()
    (piece,) = one.notes.hashed
    assert [block for block, slot in enumerate(piece.slots) if slot == SPILLED] == [0, 1, 5]
    check_pieces(one.swarm)


def test_a_piece_that_lies_in_the_part_store_as_a_whole_is_hashed_at_once(torrent):
    one = OneSwarm(torrent, order={"partial": {1: tuple(range(BLOCKS))}})
    one.said()
    (piece,) = one.notes.hashed
    assert (piece.index, piece.slots) == (1, [SPILLED] * BLOCKS)
    one.swarm.completion.on_verdicts(PieceVerdicts(one.swarm.info_hash, [piece], [], []))
    assert list(one.swarm.pieces.have) == [1]
    check_pieces(one.swarm)


def test_blocks_of_pieces_that_are_had_or_skipped_are_dropped_from_the_part_store(torrent):
    one = OneSwarm(torrent, have=[0], order={"skipped": 0b10})
    one.store.parts.blocks = {0: {0: b""}, 1: {0: b""}, 2: {0: b""}}
    one.swarm.unfinished.restore({0: (0,), 1: (0,), 2: (0,)})
    assert list(one.store.parts.blocks) == [2]
    assert list(one.swarm.pieces.open) == [2]


def test_nobody_is_banned_for_a_bad_piece_with_blocks_from_an_earlier_run(torrent):
    one = OneSwarm(torrent, order={"partial": {2: (0,)}})
    link = one.join()
    one.said()
    one.give(link, outstanding(link, 2))
    one.said()
    (piece,) = one.notes.hashed
    one.arena.release([slot for slot in piece.slots if slot != SPILLED])
    one.swarm.completion.on_verdicts(PieceVerdicts(one.swarm.info_hash, [], [piece], []))
    assert link.closing is None
    assert not one.swarm.peers.is_banned(link.endpoint, link.greeting.peer_id)
    assert one.swarm.pieces.state(2).name == "MISSING"


# ---- the power may fail


def test_blocks_are_copied_when_their_piece_stays_open_and_again_when_more_came(one):
    link, assembly = begin(one, 2)
    one.pass_time(AFTER_S - 1)
    assert one.notes.kept == []
    one.pass_time(3.2)
    assert copied(one) == [(assembly.index, [0, 1])]
    answer(one)
    one.pass_time(10.0)
    assert one.notes.kept == [], "nothing came since"
    one.give(link, [(assembly.index, 2)])
    one.pass_time(AFTER_S + 1)
    assert copied(one) == [(assembly.index, [2])]
    check_requests(one.swarm)


def test_without_a_state_directory_nothing_is_copied(torrent):
    one = OneSwarm(torrent, snub_timeout_s=1000.0)
    begin(one, 2)
    one.pass_time(20.0)
    assert one.notes.kept == []


@pytest.mark.parametrize("error", [None, REFUSED])
def test_a_piece_that_becomes_full_while_it_is_copied_is_hashed_afterwards(one, error):
    link, assembly = begin(one, 2)
    one.pass_time(AFTER_S + 2.2)
    one.give(link, [(assembly.index, block) for block in range(2, BLOCKS)])
    one.said()
    assert one.notes.hashed == []
    answer(one, error)
    (piece,) = one.notes.hashed
    assert SPILLED not in piece.slots, "copies do not leave memory"


def test_a_piece_is_not_spilled_while_it_is_copied(one):
    begin(one, 2)
    one.pass_time(AFTER_S + 2.2)
    assert not one.swarm.unfinished.spill()
    answer(one)
    assert one.swarm.unfinished.spill()


def test_when_copying_fails_it_is_tried_again_later(one):
    begin(one, 2)
    one.pass_time(AFTER_S + 2.2)
    answer(one, REFUSED)
    one.pass_time(AFTER_S + 2)
    assert one.notes.kept == []
    one.pass_time(30.0)
    assert [blocks for _, blocks in copied(one)] == [[0, 1]]


# ---- the torrent closes


def close_links(one):
    for link in one.notes.closed:
        one.swarm.on_link_closed(link, [], 0)


def test_at_the_end_blocks_are_copied_before_their_memory_is_given_back(one):
    _, assembly = begin(one, 3)
    one.store.parts.blocks = {assembly.index: {0: b""}}
    one.swarm.drain()
    close_links(one)
    assert copied(one) == [(assembly.index, [0, 1, 2])]
    assert not one.swarm.is_drained
    assert one.arena.reserved == 3
    answer(one)
    assert one.swarm.is_drained
    assert one.arena.reserved == 0
    assert one.store.parts.blocks, "they stay there"
    assert one.swarm.wasted.total == 0


def test_blocks_that_are_copied_already_are_not_copied_again_at_the_end(one):
    begin(one, 3)
    one.pass_time(AFTER_S + 2.2)
    answer(one)
    one.swarm.drain()
    close_links(one)
    assert one.notes.kept == []
    assert one.swarm.is_drained and one.arena.reserved == 0


def test_blocks_that_came_while_the_last_copy_was_made_are_copied_too(one):
    link, assembly = begin(one, 3)
    one.pass_time(AFTER_S + 2.2)
    one.give(link, [(assembly.index, 3)])
    one.swarm.drain()
    close_links(one)
    answer(one)
    assert copied(one) == [(assembly.index, [3])]
    answer(one)
    assert one.swarm.is_drained and one.arena.reserved == 0


def test_when_the_last_copy_fails_the_blocks_are_given_up(one):
    begin(one, 3)
    one.swarm.drain()
    close_links(one)
    answer(one, REFUSED)
    assert one.swarm.is_drained and one.arena.reserved == 0
    assert one.swarm.wasted.total == 3 * 16 * K


def test_verified_pieces_that_the_disk_refused_are_kept_at_the_end(one):
    link, assembly = begin(one, BLOCKS)
    one.said()
    piece = one.notes.hashed.pop()
    one.swarm.completion.on_verdicts(PieceVerdicts(one.swarm.info_hash, [], [], [piece], REFUSED))
    one.swarm.drain()
    close_links(one)
    assert copied(one)[-1] == (assembly.index, list(range(BLOCKS)))
    answer(one)
    assert one.swarm.is_drained and one.arena.reserved == 0
