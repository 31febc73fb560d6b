"""What a peer was sent, piece by piece."""

from __future__ import annotations

import random

import pytest

from blobtorrent.core.swarm.given import MAX_DEPARTED, MAX_OPEN, MAX_RANGES, Departed, Given
from blobtorrent.model.ids import PeerId


def peer(number: int) -> PeerId:
    return PeerId(number.to_bytes(20, "big"))


def test_a_piece_counts_when_all_its_bytes_were_sent() -> None:
    given = Given()
    given.add(3, 0, 60, 100)
    assert given.mask == 0
    given.add(3, 60, 40, 100)
    assert given.mask == 0b1000


@pytest.mark.parametrize("seed", range(10))
def test_the_order_does_not_matter(seed: int) -> None:
    parts = list(range(20))
    random.Random(seed).shuffle(parts)
    given = Given()
    for part in parts:
        assert given.mask == 0
        given.add(0, part * 5, 5, 100)
    assert given.mask == 1


def test_what_was_sent_twice_counts_once() -> None:
    given = Given()
    for _ in range(3):
        given.add(0, 20, 40, 100)
    given.add(0, 30, 70, 100)
    assert given.mask == 0
    given.add(0, 0, 20, 100)
    given.add(0, 0, 20, 100)
    assert given.mask == 1


def test_parts_of_too_many_pieces_are_forgotten_oldest_first() -> None:
    given = Given()
    for index in range(MAX_OPEN + 1):
        given.add(index, 0, 50, 100)
    given.add(0, 50, 50, 100)
    given.add(2, 50, 50, 100)
    assert given.mask == 0b100


def test_of_a_piece_in_crumbs_the_first_are_forgotten() -> None:
    given = Given()
    for crumb in range(MAX_RANGES + 1):
        given.add(0, 2 * crumb, 1, 1000)
    given.add(0, 1, 999, 1000)
    assert given.mask == 0
    given.add(0, 0, 1, 1000)
    assert given.mask == 1


def test_a_peer_that_comes_back_gets_the_rest() -> None:
    departed, first = Departed(), Given()
    first.add(3, 0, 60, 100)
    departed.add(peer(1), 0b1, first)
    assert departed.given_to(peer(2)).mask == 0
    again = departed.given_to(peer(1))
    again.add(3, 80, 20, 100)
    first.add(3, 60, 20, 100)          # the send thread tells late of what went out by the first link
    assert again.mask == 0b1000
    assert departed.mask == 0b1


def test_those_that_stay_away_are_forgotten_oldest_first() -> None:
    departed = Departed()
    for number in range(MAX_DEPARTED + 1):
        given = Given()
        given.add(0, 0, 100, 100)
        departed.add(peer(number), 0, given)
    assert departed.given_to(peer(0)).mask == 0
    assert departed.given_to(peer(1)).mask == departed.mask == 1
