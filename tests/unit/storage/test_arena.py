import mmap
import random

import pytest

from blobtorrent.storage.arena import SLOT_SIZE, Arena, num_slots
from tests.support.livefiles import ONE, key, make_live, recover


def arena_of(slots, scratch=0):
    return Arena(slots * SLOT_SIZE, scratch_slots=scratch)


def test_a_refused_reservation_changes_nothing():
    arena = arena_of(10)
    assert arena.reserve(8)
    assert not arena.reserve(3)
    assert arena.reserved == 8
    assert arena.reserve(2)


def test_scratch_slots_cannot_be_reserved():
    arena = arena_of(4, scratch=6)
    assert arena.capacity == 4
    assert arena.free == 10
    assert not arena.reserve(5)


def test_scratch_stays_available_while_everything_is_reserved():
    arena = arena_of(4, scratch=6)
    arena.reserve(4)
    assert len(arena.take(6)) == 6
    assert len(arena.take(4)) == 4


def test_taking_more_than_there_is_raises():
    with pytest.raises(RuntimeError):
        arena_of(4).take(5)


def test_no_slot_is_handed_out_twice():
    arena = arena_of(64, scratch=16)
    rng = random.Random(7)
    held = []
    promised = 0
    for _ in range(2000):
        if rng.random() < 0.5:
            count = rng.randint(1, 20)
            if arena.reserve(count):
                promised += count
                held += arena.take(count)
        elif held:
            rng.shuffle(held)
            count = rng.randint(1, len(held))
            arena.release(held[:count])
            del held[:count]
            promised -= count
        assert len(set(held)) == len(held)
        assert arena.reserved == promised == len(held)
        assert arena.free + len(held) == 80


def test_slots_given_back_in_any_order_are_taken_in_order():
    arena = arena_of(64)
    arena.reserve(64)
    slots = arena.take(64)
    random.Random(1).shuffle(slots)
    arena.give_back(slots)
    assert arena.take(32) == list(range(32))


def test_the_longest_runs_of_neighbours_are_taken_first():
    arena = arena_of(32)
    arena.reserve(32)
    arena.take(32)
    arena.give_back([20, 3, 9, 8, 10, 30, 21, 5])
    assert arena.take(5) == [8, 9, 10, 20, 21]
    assert sorted(arena.take(3)) == [3, 5, 30]


def test_a_run_that_came_back_last_is_taken_as_it_is_and_in_order():
    arena = arena_of(32)
    arena.reserve(32)
    arena.take(32)
    arena.give_back([1, 2, 3, 4, 5, 6, 12, 11, 13])
    assert arena.take(3) == [11, 12, 13]
    assert arena.take(6) == [1, 2, 3, 4, 5, 6]
    assert arena.free == 0


def test_a_slot_without_neighbours_waits_until_they_are_free():
    arena = arena_of(32)
    arena.reserve(32)
    arena.take(32)
    arena.give_back([1, 2, 4])
    assert arena.take(2) == [1, 2]
    arena.give_back([3, 5])
    assert arena.take(3) == [3, 4, 5]


def test_given_back_slots_stay_promised():
    arena = arena_of(4)
    arena.reserve(4)
    arena.give_back(arena.take(4))
    assert arena.reserved == 4
    assert not arena.reserve(1)
    assert len(arena.take(4)) == 4


def test_released_slots_are_used_again_first():
    arena = arena_of(1000)
    arena.reserve(100)
    first = arena.take(50)
    arena.release(first)
    arena.reserve(50)
    assert set(arena.take(25)) <= set(first)


def test_who_was_refused_is_called_once_when_enough_is_free():
    arena = arena_of(10)
    arena.reserve(10)
    slots = arena.take(10)
    calls = []

    def on_room():
        calls.append(arena.reserve(4))

    assert not arena.reserve(4, when_free=on_room)
    assert not arena.reserve(4, when_free=on_room)
    arena.release(slots[:3])
    assert calls == []
    arena.release(slots[3:5])
    assert calls == [True]
    arena.release(slots[5:])
    assert calls == [True]


def test_unreserving_also_wakes_who_was_refused():
    arena = arena_of(10)
    arena.reserve(10)
    calls = []
    arena.reserve(5, when_free=lambda: calls.append("room"))
    arena.unreserve(5)
    assert calls == ["room"]


def test_a_piece_larger_than_the_budget_waits_for_an_empty_arena():
    arena = arena_of(4)
    arena.reserve(4)
    calls = []
    arena.reserve(9, when_free=lambda: calls.append("room"))
    arena.unreserve(3)
    assert calls == []
    arena.unreserve(1)
    assert calls == ["room"]


@pytest.mark.parametrize(
    ("slots", "size", "lengths"),
    [
        ([3], 10, [10]),
        ([3], SLOT_SIZE, [SLOT_SIZE]),
        ([0, 1, 2], 3 * SLOT_SIZE, [3 * SLOT_SIZE]),
        ([0, 1, 2], 2 * SLOT_SIZE + 1, [2 * SLOT_SIZE + 1]),
        ([0, 2, 3, 1], 3 * SLOT_SIZE + 5, [SLOT_SIZE, 2 * SLOT_SIZE, 5]),
        ([5, 4], 2 * SLOT_SIZE, [SLOT_SIZE, SLOT_SIZE]),
    ],
)
def test_neighbouring_slots_become_one_segment(slots, size, lengths):
    assert [len(segment) for segment in arena_of(6).segments(slots, size)] == lengths


def test_segments_hold_the_bytes_of_the_slots_in_order():
    arena = arena_of(8)
    for slot, view in enumerate(arena.views):
        view[:] = bytes([slot]) * SLOT_SIZE
    slots = [6, 7, 0, 1, 2, 5]
    joined = b"".join(arena.segments(slots, 5 * SLOT_SIZE + 100))
    assert joined == b"".join(bytes([slot]) * SLOT_SIZE for slot in slots)[: 5 * SLOT_SIZE + 100]


def test_views_are_slots_of_one_page_aligned_mapping():
    arena = arena_of(3)
    assert all(len(view) == SLOT_SIZE for view in arena.views)
    assert SLOT_SIZE % mmap.PAGESIZE == 0


def test_a_budget_below_one_slot_is_refused():
    with pytest.raises(ValueError, match="no slot"):
        Arena(SLOT_SIZE - 1)


def live_arena(tmp_path, slots):
    live = make_live(tmp_path / "live", num_slots=num_slots(slots * SLOT_SIZE, 2))
    return live, Arena(slots * SLOT_SIZE, scratch_slots=2, live=live)


def test_slots_may_lie_in_memory_that_outlives_us(tmp_path):
    live, arena = live_arena(tmp_path, 4)
    assert (arena.capacity, arena.free) == (4, 6)
    arena.views[5][:3] = b"abc"
    assert live.slot_memory[5 * SLOT_SIZE : 5 * SLOT_SIZE + 3] == b"abc"


@pytest.mark.parametrize("back", [Arena.give_back, Arena.release])
def test_a_slot_that_comes_back_is_said_to_hold_nothing(tmp_path, back):
    live, arena = live_arena(tmp_path, 4)
    arena.reserve(3)
    slots = arena.take(3)
    live.torrent(ONE).note_blocks([key(7, block) for block in range(3)], slots)
    back(arena, slots[:2])
    assert list(recover(live.path).torrents[ONE.v1].blocks[7]) == [2]
