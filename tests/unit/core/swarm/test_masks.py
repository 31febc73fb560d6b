"""Sets of pieces as integers."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.masks import lowest, lowest_of, without


def test_the_lowest_piece_is_found_however_far_it_is():
    assert [lowest(1 << place) for place in (0, 511, 512, 70_000)] == [0, 511, 512, 70_000]


@pytest.mark.parametrize("count, expected", [(0, 0), (1, 0b10), (2, 0b1010), (3, 0b1010 | 1 << 900),
                                             (9, 0b1010 | 1 << 900)])
def test_the_lowest_of_a_mask_are_as_many_as_it_has(count, expected):
    assert lowest_of(0b1010 | 1 << 900, count) == expected


def test_complements_are_those_of_sets():
    assert without(0b1110, 0b0111) == 0b1000
