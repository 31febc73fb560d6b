"""Runs of neighbouring pieces in a mask."""

from __future__ import annotations

import random
from itertools import groupby

import pytest

from blobtorrent.core.swarm.gaps import ROOMY, choose_run, longest_gap, run_at


def slow_longest(mask: int) -> range:
    best, at = range(0), 0
    for bit, group in groupby(f"{mask:b}"[::-1]):
        length = len(list(group))
        if bit == "1" and length > len(best):
            best = range(at, at + length)
        at += length
    return best


@pytest.mark.parametrize("seed", range(200))
def test_the_longest_gap_is_found(seed: int) -> None:
    rng = random.Random(seed)
    size = rng.randrange(1, 300)
    mask = rng.getrandbits(size)
    if seed % 2:
        mask |= rng.getrandbits(size) | rng.getrandbits(size)
    assert longest_gap(mask) == slow_longest(mask)


@pytest.mark.parametrize(("mask", "start", "limit", "run"), [
    (0b0111_0110, 1, 9, range(1, 3)), (0b0111_0110, 0, 9, range(0)), (0b0111_0110, 4, 2, range(4, 6)),
    (0b0111_0110, 99, 9, range(99, 99)),
])
def test_a_run_ends_where_the_gap_or_the_limit_does(mask: int, start: int, limit: int, run: range) -> None:
    assert run_at(mask, start, limit) == run


def test_it_goes_on_behind_its_last_run_and_else_into_the_longest_gap() -> None:
    mask = 0b1111_0000_0011
    assert choose_run(mask, 1, 3, random.Random(1), in_order=False) == range(1, 2)
    assert choose_run(mask, 5, 3, random.Random(1), in_order=False) == range(8, 11)
    assert choose_run(mask, 8, 3, random.Random(1), in_order=True) == range(2)
    assert choose_run(0, 8, 3, random.Random(1), in_order=False) == range(0)


def test_many_nodes_begin_in_many_places() -> None:
    mask = (1 << 100) - 1
    starts = {choose_run(mask, 200, 100 // ROOMY, random.Random(seed), in_order=False).start for seed in range(50)}
    assert len(starts) > 20
