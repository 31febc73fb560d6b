"""The picker: rarest first, at random among equals, neighbours together."""

from __future__ import annotations

import random
from collections import Counter

from blobtorrent.core.swarm.availability import Availability
from blobtorrent.core.swarm.picker import REFRESH_S, RarestFirst

ALL = 0xFF


def picker_over(*masks, seed=1):
    availability = Availability(8)
    for mask in masks:
        availability.add(mask)
    return RarestFirst(availability, random.Random(seed)), availability


def test_the_rarest_piece_that_the_peer_has_comes_first():
    picker, _ = picker_over(0b1111, 0b0111, 0b0011)
    assert list(picker.pick(0b1111, ALL, 1, 0.0)) == [3]
    assert list(picker.pick(0b0111, ALL, 1, 0.0)) == [2]


def test_only_missing_pieces_are_picked():
    picker, _ = picker_over(0b1111)
    assert list(picker.pick(ALL, 0b0100, 1, 0.0)) == [2]
    assert list(picker.pick(0b0011, 0b1100, 1, 0.0)) == []


def test_equals_are_picked_at_random():
    picker, _ = picker_over(ALL)
    counts = Counter(picker.pick(ALL, ALL, 1, 0.0)[0] for _ in range(800))
    assert set(counts) == set(range(8))
    assert min(counts.values()) > 50


def test_a_run_is_of_neighbours_that_are_all_candidates():
    picker, _ = picker_over(ALL)
    for _ in range(50):
        run = picker.pick(ALL, 0b1101_1011, 3, 0.0)
        assert 1 <= len(run) <= 3
        assert all(0b1101_1011 >> index & 1 for index in run)


def test_pieces_that_nobody_counted_are_picked_too():
    picker, _ = picker_over()
    assert list(picker.pick(0b0100, ALL, 1, 0.0)) == [2]


def test_a_change_of_rarity_is_seen_within_a_second():
    picker, availability = picker_over(0b0111, 0b0110, 0b0100)
    assert list(picker.pick(0b0111, ALL, 1, 0.0)) == [0]
    for _ in range(5):
        availability.add(0b0001)
    assert list(picker.pick(0b0111, ALL, 1, REFRESH_S)) == [1]


def test_when_the_cached_classes_are_used_up_they_are_made_anew():
    picker, _ = picker_over(*[(1 << count) - 1 for count in range(1, 9)])
    assert list(picker.pick(ALL, 0x80, 1, 0.0)) == [7]
    assert list(picker.pick(ALL, 0x01, 1, 0.0)) == [0]


def test_what_is_wanted_more_comes_first_however_common_it_is():
    picker, _ = picker_over(0b1111, 0b0001)
    picker.prefer({0: 1, 3: -1}, 8)
    assert list(picker.pick(0b1111, ALL, 1, 0.0)) == [0]
    assert list(picker.pick(0b1001, 0b1000, 1, 0.0)) == [3]
    assert picker.pick(0b1110, ALL, 1, 0.0)[0] in (1, 2)


def test_among_pieces_that_are_wanted_as_much_the_rarest_comes_first():
    picker, _ = picker_over(0b1111, 0b0111, 0b0001)
    picker.prefer({0: 1, 1: 1}, 8)
    assert list(picker.pick(0b1111, ALL, 1, 0.0)) == [1]


def test_peers_with_different_levels_are_answered_from_their_own():
    picker, _ = picker_over(ALL)
    picker.prefer({0: 1}, 8)
    for _ in range(5):
        assert list(picker.pick(0b0001, ALL, 1, 0.0)) == [0]
        assert list(picker.pick(0b0100, ALL, 1, 0.0)) == [2]


def test_preferences_can_be_withdrawn():
    picker, _ = picker_over(0b1111, 0b0001)
    picker.prefer({0: 1}, 8)
    picker.prefer({0: 0}, 8)
    assert picker.pick(0b1111, ALL, 1, 0.0)[0] in (1, 2, 3)


def test_in_sequence_the_first_comes_first_with_its_neighbours():
    picker, _ = picker_over(0b1111_0000, 0b0000_1111)
    picker.is_sequential = True
    assert list(picker.pick(ALL, 0b1110_1100, 4, 0.0)) == [2, 3]
    picker.prefer({7: 1}, 8)
    assert list(picker.pick(ALL, 0b1110_1100, 4, 0.0)) == [7]
