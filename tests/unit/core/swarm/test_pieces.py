"""The piece manager: states as masks, assemblies that hand out their blocks once."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.pieces import EMPTY, Assembly, Event, PieceManager, State
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import IllegalTransition
from blobtorrent.model.geometry import BLOCK_SIZE, PieceGeometry


def manager(have=()):
    return PieceManager(PieceGeometry(10 * 4 * BLOCK_SIZE - 5, 4 * BLOCK_SIZE), Bitfield(10, have))


def fill(assembly):
    assembly.slots = list(range(assembly.num_blocks))
    assembly.missing = 0
    assembly.cursor = assembly.num_blocks
    assembly.fire(Event.COMPLETE)
    return assembly


def test_what_is_not_had_is_missing():
    pieces = manager(have=[0, 9])
    assert pieces.missing_mask == 0b01_1111_1110
    assert (pieces.state(0), pieces.state(1)) == (State.HAVE, State.MISSING)


def test_an_opened_piece_is_offered_until_all_its_blocks_are_claimed():
    pieces = manager()
    assembly = pieces.start(3, 0.0)
    assert not pieces.missing_mask >> 3 & 1
    assert pieces.partial_mask == 1 << 3
    assembly.next_run(4)
    pieces.note_unrequested(assembly)
    assert pieces.partial_mask == 0
    assembly.give_back([2])
    pieces.note_unrequested(assembly)
    assert pieces.partial_mask == 1 << 3


def test_a_run_of_small_pieces_is_open_and_claimed_at_once():
    pieces = manager()
    opened = pieces.start_run(range(4, 7), 0.0)
    assert [assembly.index for assembly in opened] == [4, 5, 6]
    assert not any(assembly.has_unrequested for assembly in opened)
    assert (pieces.missing_mask, pieces.partial_mask) == (0b11_1000_1111, 0)


def test_a_written_piece_is_had():
    pieces = manager()
    pieces.written([fill(pieces.start(index, 0.0)) for index in (9, 2)])
    assert sorted(pieces.have) == [2, 9]
    assert pieces.lacking_mask == 0b01_1111_1011
    assert not pieces.open
    assert not pieces.is_complete


@pytest.mark.parametrize("fate", ["spoiled", "drop"])
def test_a_spoiled_or_dropped_piece_is_missing_again(fate):
    pieces = manager()
    assembly = pieces.start(1, 0.0)
    if fate == "spoiled":
        fill(assembly)
    getattr(pieces, fate)(assembly)
    assert pieces.state(1) is State.MISSING
    assert pieces.missing_mask >> 1 & 1
    assert pieces.partial_mask == 0


def test_a_had_piece_that_is_lost_is_missing_again():
    pieces = manager(have=[4])
    assert pieces.lose(0b11_0000) == 0b01_0000
    assert pieces.lose(0b11_0000) == 0
    assert not len(pieces.have)
    assert pieces.lacking_mask == pieces.missing_mask == pieces.all_mask


def test_a_piece_is_not_had_before_its_hash_was_checked():
    assembly = manager().start(1, 0.0)
    with pytest.raises(IllegalTransition):
        assembly.fire(Event.WRITTEN)


def test_a_piece_that_the_disk_refuses_waits_for_the_next_try():
    assembly = fill(manager().start(1, 0.0))
    assembly.fire(Event.REFUSED)
    assembly.fire(Event.REFUSED)
    assert assembly.state is State.WRITING
    assembly.fire(Event.WRITTEN)
    assert assembly.state is State.HAVE


def test_the_last_block_of_the_last_piece_is_short():
    assembly = manager().start(9, 0.0)
    assert [assembly.block_size(block) for block in range(4)] == [BLOCK_SIZE] * 3 + [BLOCK_SIZE - 5]


def test_every_block_is_claimed_once_in_order():
    assembly = Assembly(0, 10 * BLOCK_SIZE, 0.0)
    assert [list(assembly.next_run(4)) for _ in range(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], []]
    assert not assembly.has_unrequested


def test_what_is_given_back_is_claimed_again_first_as_runs_of_neighbours():
    assembly = Assembly(0, 20 * BLOCK_SIZE, 0.0)
    assembly.next_run(10)
    assembly.give_back([7, 2, 3])
    assembly.give_back([3, 4])
    assert [list(assembly.next_run(2)) for _ in range(4)] == [[2, 3], [4], [7], [10, 11]]


def test_a_block_that_is_here_is_not_given_back():
    assembly = Assembly(0, 4 * BLOCK_SIZE, 0.0)
    assembly.next_run(4)
    assembly.slots[1] = 5
    assembly.give_back([0, 1])
    assert assembly.returned == [0]


def test_what_lies_in_memory_is_known_by_block_and_slot():
    assembly = Assembly(0, 4 * BLOCK_SIZE, 0.0)
    assembly.slots = [7, EMPTY, -1, 9]
    assert assembly.held_slots == [(0, 7), (3, 9)]


def test_whether_a_block_lies_in_a_slot_is_answered_for_open_pieces():
    pieces = manager()
    pieces.start(1, 0.0).slots[2] = 33
    key = 1 << 32 | 2 * BLOCK_SIZE
    assert pieces.holds(key, 33)
    assert not pieces.holds(key, 34)
    assert not pieces.holds(5 << 32, 33)
    assert not pieces.holds(1 << 32 | 400 * BLOCK_SIZE, 33)


def test_skipped_pieces_are_neither_missing_nor_lacking():
    pieces = PieceManager(PieceGeometry(10 * BLOCK_SIZE, BLOCK_SIZE), Bitfield(10, [0]), 0b110)
    assert pieces.state(1) is State.SKIPPED
    assert pieces.missing_mask == pieces.lacking_mask == 0b11_1111_1000
    pieces.want_all_but(0b11_1111_1001)
    assert [pieces.state(index) for index in (0, 1, 9)] == [State.HAVE, State.MISSING, State.SKIPPED]
    assert not pieces.is_complete
    pieces.want_all_but(0b11_1111_1111)
    assert pieces.is_complete


def test_an_open_piece_is_not_missing_when_it_is_wanted_again():
    pieces = manager()
    pieces.start(3, 0.0)
    pieces.want_all_but(1 << 3)
    pieces.want_all_but(0)
    assert pieces.missing_mask == 0b11_1111_0111
    assert pieces.lacking_mask == pieces.all_mask


@pytest.mark.parametrize("fate", ["spoiled", "drop"])
def test_a_skipped_piece_that_is_over_is_not_missing(fate):
    pieces = manager()
    assembly = pieces.start(1, 0.0)
    if fate == "spoiled":
        fill(assembly)
    pieces.want_all_but(0b10)
    getattr(pieces, fate)(assembly)
    assert assembly.state is pieces.state(1) is State.SKIPPED
    assert not pieces.missing_mask >> 1 & 1


def test_a_restored_piece_offers_the_blocks_that_the_part_store_has_not():
    pieces = manager()
    assembly = pieces.restore(2, (1,), 0.0)
    assert assembly.slots == [EMPTY, -1, EMPTY, EMPTY]
    assert (assembly.missing, assembly.num_unrequested) == (3, 3)
    assert [list(assembly.next_run(4)) for _ in range(3)] == [[0], [2, 3], []]
    assert pieces.partial_mask == 1 << 2
    assert pieces.restore(4, range(4), 0.0).missing == 0
    assert pieces.partial_mask == 1 << 2


def test_the_bytes_of_some_pieces_are_counted():
    pieces = manager()
    assert pieces.num_bytes(0b1) == 4 * BLOCK_SIZE
    assert pieces.num_bytes(pieces.all_mask) == 10 * 4 * BLOCK_SIZE - 5
