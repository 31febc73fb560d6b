"""The shape reader: blocks land where they stay, whatever comes in between, and no slot is lost or used twice."""

from __future__ import annotations

import pytest

from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import HaveRun
from blobtorrent.protocol.wire.shape import BLOCK, HEADER_BYTES, UNIT
from tests.support.shaped import UNITS, Reader

LAST = 1000                            # bytes of the odd last block


def key_of(index, begin=0):
    return index << 32 | begin


def payload_of(key, size=BLOCK):
    return bytes([key >> 32 & 255, key >> 14 & 255]) * (size // 2)


def block(key, size=BLOCK):
    return wire.Piece(key >> 32, key & 0xFFFFFFFF, payload_of(key, size)).encode()


KEYS = [key_of(1, 0), key_of(1, BLOCK), key_of(7, 0)]
ODD = key_of(9, 3 * BLOCK)


def check(reader, keys, odd=()):
    expected = {key: payload_of(key) for key in keys} | {key: payload_of(key, LAST) for key in odd}
    assert reader.sink.blocks == expected
    assert not reader.sink.asked
    reader.check_slots()


@pytest.fixture
def reader():
    return Reader(dict.fromkeys(KEYS, BLOCK) | {ODD: LAST})


def test_whole_blocks_of_one_receive_go_straight_to_their_slots(reader):
    reader.sink.asked.pop(ODD)
    slots = list(reader.scatter.slots)
    assert reader.receive(b"".join(map(block, KEYS)), 1 << 20) == 3 * UNIT
    assert [slot for slot, _ in reader.sink.placed.values()] == slots[:3]
    check(reader, KEYS)


def test_blocks_in_another_order_than_asked_get_their_places(reader):
    reader.sink.asked.pop(ODD)
    reader.receive_all(b"".join(map(block, reversed(KEYS))), [1 << 20])
    check(reader, KEYS)


def test_a_receive_takes_no_more_units_than_blocks_are_expected(reader):
    assert len(reader.intake.buffers(2)) == 4
    assert len(reader.intake.buffers(1000)) == 2 * UNITS


STREAM = block(KEYS[0]) + wire.Have(3).encode() + block(KEYS[1]) + wire.KeepAlive().encode() + block(ODD, LAST) + (
    wire.Unchoke().encode() + block(KEYS[2]))
EDGES = (0, UNIT, UNIT + 9, 2 * UNIT + 9, 2 * UNIT + 13, 2 * UNIT + 26 + LAST, 2 * UNIT + 31 + LAST, len(STREAM))
CUTS = sorted({cut for edge in EDGES for cut in range(edge - 15, edge + 30) if 0 < cut < len(STREAM)})


@pytest.mark.parametrize("cut", [*CUTS, 5000, UNIT + 5000, len(STREAM) - 5000])
def test_the_same_comes_out_wherever_the_stream_is_cut(reader, cut):
    reader.receive_all(STREAM[:cut], [1 << 20])
    reader.check_slots()
    reader.receive_all(STREAM[cut:], [1 << 20])
    check(reader, KEYS, odd=[ODD])
    assert reader.sink.said == [HaveRun([3]), wire.KeepAlive(), wire.Unchoke()]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 12, 13, 14, 1000, UNIT - 1, UNIT, UNIT + 1])
def test_the_same_comes_out_of_receives_of_any_size(reader, size):
    reader.receive_all(STREAM, [size])
    check(reader, KEYS, odd=[ODD])
    assert reader.sink.said == [HaveRun([3]), wire.KeepAlive(), wire.Unchoke()]


def test_a_block_that_nobody_asked_for_is_dropped_and_its_slot_comes_back(reader):
    reader.sink.asked.pop(ODD)
    unasked = key_of(5)
    reader.receive_all(block(KEYS[0]) + block(unasked) + block(KEYS[1]) + block(KEYS[2]), [1 << 20])
    check(reader, KEYS)
    assert reader.sink.said == [unasked]


@pytest.mark.parametrize("cut", [1, 12, 13, 14, 8000, UNIT - 1])
def test_an_unasked_block_in_pieces_is_dropped_too(reader, cut):
    reader.sink.asked.pop(ODD)
    unasked = key_of(5)
    reader.receive_all(block(unasked)[:cut], [1 << 20])
    reader.receive_all(block(unasked)[cut:] + b"".join(map(block, KEYS)), [1 << 20])
    check(reader, KEYS)
    assert reader.sink.said == [unasked]


def test_a_block_that_is_asked_twice_and_came_elsewhere_gives_its_slot_back(reader):
    reader.sink.refuses_ends = True
    reader.receive(block(KEYS[0])[:500], 1 << 20)
    reader.receive(block(KEYS[0])[500:], 1 << 20)
    assert not reader.sink.placed
    reader.check_slots()


def test_requests_that_are_void_after_a_choke_do_not_cut_off_the_block_that_arrives(reader):
    reader.receive(block(KEYS[0])[:5000], 1 << 20)
    reader.sink.asked.clear()
    reader.receive_all(block(KEYS[0])[5000:] + wire.Choke().encode(), [7000])
    check(reader, KEYS[:1])
    assert reader.sink.said == [wire.Choke()]


def test_a_choke_behind_half_a_header_is_understood(reader):
    reader.receive(wire.Choke().encode()[:3], 1 << 20)
    reader.receive(wire.Choke().encode()[3:], 1 << 20)
    assert reader.sink.said == [wire.Choke()]
    reader.check_slots()


def test_a_whole_block_in_place_of_the_odd_last_one_is_not_taken_for_it(reader):
    reader.receive(block(ODD), HEADER_BYTES + 10)
    reader.receive_all(block(ODD)[HEADER_BYTES + 10:], [1 << 20])
    assert reader.sink.said == [ODD]
    assert ODD in reader.sink.asked
    reader.check_slots()


def test_closing_in_the_middle_of_a_block_gives_its_slot_back(reader):
    reader.receive(block(KEYS[0])[:5000], 1 << 20)
    reader.intake.close()
    reader.sink.arriving = None
    reader.check_slots()


def test_blocks_of_small_receives_lie_side_by_side(reader):
    reader.sink.asked.pop(ODD)
    slots = list(reader.scatter.slots)
    for key in KEYS:
        reader.receive(block(key), 1 << 20)
    assert [slot for slot, _ in reader.sink.placed.values()] == slots[:3]
    check(reader, KEYS)


def test_a_receive_is_offered_all_units_whatever_was_used_before(reader):
    units = len(reader.scatter.slots)
    assert len(reader.scatter.offer(units + 1)) == 2 * units
    reader.scatter.consume(1)
    assert len(reader.scatter.offer(units - 1)) == 2 * (units - 1)
    assert len(reader.scatter.slots) == units - 1, "the slots that are left are enough"
    assert len(reader.scatter.offer(units)) == 2 * units
    assert len(set(reader.scatter.slots)) == units


def test_closing_the_scatter_gives_all_slots_back(reader):
    reader.scatter.close()
    assert len(reader.pool.free) == len(reader.pool.views)


def test_two_links_share_one_scatter(reader):
    other = Reader({key_of(20): BLOCK, key_of(21): BLOCK})
    other.scatter = reader.scatter
    other.intake._scatter = reader.scatter
    other.sink.pool = reader.pool
    mine, theirs = b"".join(map(block, KEYS)), block(key_of(20)) + block(key_of(21))
    reader.receive(mine[:UNIT + 7], 1 << 20)               # the head of a header
    other.receive(theirs[:UNIT + 5000], 1 << 20)           # the middle of a block
    reader.receive(mine[UNIT + 7:], 1 << 20)
    other.receive(theirs[UNIT + 5000:], 1 << 20)
    assert reader.sink.blocks == {key: payload_of(key) for key in KEYS}
    assert other.sink.blocks == {key: payload_of(key) for key in (key_of(20), key_of(21))}
    held = [slot for sink in (reader.sink, other.sink) for slot, _ in sink.placed.values()]
    assert sorted(held + reader.scatter.slots + reader.pool.free) == list(range(len(reader.pool.views)))


def test_where_blocks_are_that_could_not_be_taken_in_nothing_else_comes(reader):
    place = reader.sink.on_blocks

    def fail(*args):
        place(*args)
        raise ZeroDivisionError

    reader.sink.on_blocks = fail
    with pytest.raises(ZeroDivisionError):
        reader.receive(block(KEYS[0]) + block(KEYS[1]), 1 << 20)
    assert len(reader.sink.placed) == 2
    assert not {slot for slot, _ in reader.sink.placed.values()} & {*reader.scatter.slots, *reader.pool.free}
