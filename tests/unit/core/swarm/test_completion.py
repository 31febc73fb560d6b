"""Full pieces and their verdicts: written, spoiled, lost, refused; and the way to the part store."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.phases import State
from blobtorrent.storage.jobs import SPILLED, BlocksSpilled, PieceVerdicts
from tests.support.accounts import check_pieces, check_requests
from tests.support.oneswarm import OneSwarm, haves_in, outstanding
from tests.support.simdisk import REFUSED
from tests.support.stored import StoredTorrent

K = 1024
COUNT = 4
BLOCKS = 20


@pytest.fixture
def one():
    return OneSwarm(StoredTorrent([COUNT * BLOCKS * 16 * K], BLOCKS * 16 * K))


def whole(index):
    return [(index, block) for block in range(BLOCKS)]


def complete(one, link):
    """The peer sends all of one piece that it is asked for; returns the full piece."""
    one.said()
    index = outstanding(link)[0][0]
    while not one.notes.hashed:
        one.give(link, outstanding(link, index))
        one.said()
    return one.notes.hashed.pop()


def judge(one, *, written=(), spoiled=(), unwritten=(), lost=()):
    """What hasher and disk say; slots of what is over are released, as they do."""
    for piece in (*written, *spoiled, *lost):
        one.arena.release([slot for slot in piece.slots if slot != SPILLED])
    one.swarm.completion.on_verdicts(PieceVerdicts(
        one.swarm.info_hash, list(written), list(spoiled), list(unwritten), REFUSED if unwritten else None, list(lost)))


def test_a_full_piece_goes_to_the_hasher_once_with_all_its_slots(one):
    link = one.join()
    piece = complete(one, link)
    assert len(set(piece.slots)) == BLOCKS
    assert one.notes.hashed == []
    assert one.swarm.pieces.state(piece.index).name == "HASHING"
    assert not one.swarm.completion.is_idle


def test_a_written_piece_is_had_and_told(one):
    link, leech = one.join(), one.join([], unchoked=False)
    piece = complete(one, link)
    judge(one, written=[piece])
    assert list(one.swarm.pieces.have) == [piece.index]
    one.pass_time(0.3)
    assert haves_in(one.said()[leech]) == [piece.index]
    assert one.swarm.completion.is_idle


def test_who_spoils_a_piece_alone_is_banned_even_if_it_has_left(one):
    link = one.join()
    piece = complete(one, link)
    one.swarm.lose(link, RuntimeError("gone"))
    judge(one, spoiled=[piece])
    assert one.swarm.peers.is_banned(link.endpoint, link.greeting.peer_id)
    assert one.swarm.spoiled_pieces == 1
    assert one.swarm.wasted.total == piece.size
    check_pieces(one.swarm)


def test_a_spoiled_piece_with_blocks_of_the_run_before_is_told_and_nobody_is_banned(one, caplog):
    link = one.join()
    piece = complete(one, link)
    piece.token.is_restored, piece.token.givers = True, {link: (1 << BLOCKS - 1) - 1}
    judge(one, spoiled=[piece])
    assert not one.swarm.peers.is_banned(link.endpoint, link.greeting.peer_id)
    assert link.is_suspect
    (told,) = caplog.records
    assert told.levelname == "WARNING" and told.msg.startswith("damage found")


def test_who_spoil_a_piece_together_are_suspects_until_one_delivers_a_good_piece_alone(one):
    first, second = one.join(), one.join()
    piece = complete(one, first)
    piece.token.asked_of(second)
    piece.token.givers = {first: 1, second: (1 << BLOCKS) - 2}
    judge(one, spoiled=[piece])
    assert first.is_suspect and second.is_suspect
    assert not one.swarm.peers.is_banned(first.endpoint, first.greeting.peer_id)
    alone = complete(one, second)
    assert list(alone.token.taken_from) == [second]
    judge(one, written=[alone])
    assert not second.is_suspect
    assert first.is_suspect


def test_a_piece_whose_spilled_blocks_are_lost_is_fetched_again_and_nobody_is_to_blame(one):
    link = one.join()
    piece = complete(one, link)
    judge(one, lost=[piece])
    assert one.swarm.pieces.state(piece.index).name == "MISSING"
    assert link in one.swarm.links and not link.is_suspect
    check_requests(one.swarm)


def test_what_the_disk_refuses_is_kept_and_written_again_later(one):
    link = one.join()
    piece = complete(one, link)
    reserved = one.arena.reserved
    judge(one, unwritten=[piece])
    assert one.swarm.machine.state is State.STARVED
    assert one.notes.reports[-1].error_code == "storage.disk-full"
    assert one.arena.reserved == reserved
    assert one.asked(link) == []
    one.pass_time(5.5)
    assert one.notes.rewritten == [piece]
    judge(one, unwritten=[piece])
    one.notes.rewritten.clear()
    one.pass_time(5.5)
    judge(one, written=one.notes.rewritten)
    assert one.swarm.machine.state is State.NORMAL
    assert one.notes.reports[-1].error_code == ""
    assert piece.index in one.swarm.pieces.have


def test_the_piece_that_is_least_worked_on_is_spilled_and_its_blocks_are_kept_there(one):
    busy, left = one.join(), one.join()
    mine = one.asked(busy)
    one.give(busy, mine[:3])
    one.give(left, outstanding(left)[:2])
    one.swarm.lose(left, RuntimeError("gone"))
    assert one.swarm.unfinished.spill()
    (assembly,) = one.notes.spilled
    assert assembly.links == min(other.links for other in one.swarm.pieces.open.values())
    blocks = assembly.held_slots
    one.arena.release([slot for _, slot in blocks])
    one.swarm.unfinished.on_spilled(BlocksSpilled(one.swarm.info_hash, assembly.index, blocks, assembly))
    assert [assembly.slots[block] for block, _ in blocks] == [SPILLED] * len(blocks)
    assert assembly.held_slots == []
    check_requests(one.swarm)


def test_without_anything_in_memory_nothing_is_spilled(one):
    one.join()
    one.said()
    assert not one.swarm.unfinished.spill()


@pytest.mark.parametrize("error", [None, REFUSED])
def test_a_piece_that_becomes_full_while_it_is_spilled_is_hashed_afterwards(one, error):
    link = one.join()
    index = one.asked(link)[0][0]
    one.give(link, whole(index)[:5])
    assert one.swarm.unfinished.spill()
    assembly = one.notes.spilled[0]
    blocks = assembly.held_slots
    one.give(link, whole(index)[5:])
    one.said()
    assert one.notes.hashed == []
    if error is None:
        one.arena.release([slot for _, slot in blocks])
    one.swarm.unfinished.on_spilled(BlocksSpilled(one.swarm.info_hash, index, blocks, assembly, error))
    (piece,) = one.notes.hashed
    assert piece.slots.count(SPILLED) == (0 if error else 5)


@pytest.mark.parametrize("error", [None, REFUSED])
def test_a_piece_that_becomes_full_in_the_pass_of_the_answer_is_hashed_too(one, error):
    link = one.join()
    index = one.asked(link)[0][0]
    one.give(link, whole(index)[:5])
    assert one.swarm.unfinished.spill()
    assembly = one.notes.spilled[0]
    blocks = assembly.held_slots
    one.give(link, whole(index)[5:])
    if error is None:
        one.arena.release([slot for _, slot in blocks])
    one.swarm.unfinished.on_spilled(BlocksSpilled(one.swarm.info_hash, index, blocks, assembly, error))
    one.said()
    assert [piece.index for piece in one.notes.hashed] == [index]


def test_a_piece_that_becomes_full_in_the_pass_of_the_end_is_still_hashed(one):
    link = one.join()
    index = one.asked(link)[0][0]
    one.give(link, whole(index))
    one.swarm.drain()
    assert [piece.index for piece in one.notes.hashed] == [index]
    one.swarm.on_link_closed(link, [], 0)
    assert not one.swarm.is_drained
    judge(one, written=[one.notes.hashed.pop()])
    assert one.swarm.is_drained
    assert one.arena.reserved == 0


def test_the_last_piece_makes_the_swarm_a_seed_that_leaves_other_seeds(one):
    link = one.join()
    for _ in range(COUNT):
        judge(one, written=[complete(one, link)])
    assert one.swarm.machine.state is State.SEEDING
    assert link.closing.code == "net.both-seeds"
    assert one.notes.reports[-1].left_bytes == 0
    assert one.arena.reserved == 0
