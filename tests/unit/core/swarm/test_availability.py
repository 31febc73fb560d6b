"""Availability counts like a plain list of counters would."""

from __future__ import annotations

import random

import pytest

from blobtorrent.core.swarm.availability import MOST, Availability, counts

SIZE = 70


@pytest.mark.parametrize("seed", range(10))
def test_counts_and_classes_are_those_of_plain_counters(seed):
    rng = random.Random(seed)
    availability, counters, peers = Availability(SIZE), [0] * SIZE, []
    for _ in range(60):
        if peers and rng.random() < 0.4:
            mask = peers.pop(rng.randrange(len(peers)))
            availability.remove(mask)
            sign = -1
        else:
            mask = rng.getrandbits(SIZE) & rng.getrandbits(SIZE)
            peers.append(mask)
            availability.add(mask)
            sign = 1
        counters = [count + sign * (mask >> index & 1) for index, count in enumerate(counters)]
    assert [availability.count(index) for index in range(SIZE)] == counters
    candidates = rng.getrandbits(SIZE) | 1
    classes = availability.rarest(candidates, SIZE)
    expected = {}
    for index, count in enumerate(counters):
        if candidates >> index & 1:
            expected[count] = expected.get(count, 0) | 1 << index
    assert classes == [expected[count] for count in sorted(expected)]


def test_seeds_count_for_every_piece():
    availability = Availability(4)
    availability.add(0b0010)
    availability.seeds += 3
    assert [availability.count(index) for index in range(4)] == [3, 4, 3, 3]


def test_only_as_many_classes_as_asked_for_the_rarest_first():
    availability = Availability(4)
    for mask in (0b1110, 0b1100, 0b1000):
        availability.add(mask)
    assert availability.rarest(0b1111, 2) == [0b0001, 0b0010]


def test_distributed_copies_are_whole_copies_and_the_share_beyond():
    availability = Availability(4)
    assert availability.copies(4) == 0.0
    availability.add(0b1111)
    availability.add(0b0111)
    assert availability.copies(4) == 1.75
    availability.seeds = 1
    assert availability.copies(4) == 2.75


@pytest.mark.parametrize(("peers", "seeds"), [(0, 0), (0, 3), (60, 0), (60, 5), (300, 0), (300, 7), (3, 254), (3, 300)])
def test_all_counts_at_once_are_those_of_each_piece_and_end_at_the_most_a_byte_says(peers, seeds):
    rng, size = random.Random(peers + seeds), 9000
    availability = Availability(size)
    everywhere = (1 << size) - 1
    for _ in range(peers):
        availability.add(everywhere & ~(rng.getrandbits(size) & rng.getrandbits(size)))
    availability.seeds = seeds
    told = counts(availability.planes, availability.seeds, size)
    assert list(told) == [min(MOST, availability.count(index)) for index in range(size)]


def test_a_torrent_without_pieces_has_no_counts():
    assert counts((), 2, 0) == b""
