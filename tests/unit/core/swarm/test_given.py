"""What a peer was sent, piece by piece."""

from __future__ import annotations

from blobtorrent.core.swarm.given import MAX_OPEN, Given


def test_a_piece_counts_when_all_its_bytes_were_sent() -> None:
    given = Given()
    given.add(3, 60, 100)
    assert given.mask == 0
    given.add(3, 40, 100)
    assert given.mask == 0b1000


def test_parts_of_too_many_pieces_are_forgotten_oldest_first() -> None:
    given = Given()
    for index in range(MAX_OPEN + 1):
        given.add(index, 50, 100)
    given.add(0, 50, 100)
    given.add(2, 50, 100)
    assert given.mask == 0b100
