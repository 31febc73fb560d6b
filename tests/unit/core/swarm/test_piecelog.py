"""The log of what went otherwise with pieces."""

from __future__ import annotations

from blobtorrent.core.swarm.piecelog import REMEMBERED, PieceLog
from blobtorrent.model.details import PieceStep


def test_each_piece_has_its_own_steps_oldest_first():
    log = PieceLog()
    log.note(3, 1.0, "spoiled", "its hash is wrong")
    log.note(4, 2.0, "missing", "given up")
    log.note(3, 5.0, "missing", "it is not on disk after all")
    assert log.of(3) == (PieceStep(1.0, "spoiled", "its hash is wrong"),
                         PieceStep(5.0, "missing", "it is not on disk after all"))
    assert log.of(5) == ()


def test_of_very_many_pieces_that_are_lost_at_once_only_some_are_written_down():
    log = PieceLog()
    log.note_mask((1 << 100_000) - 1 << 7, 1.0, "missing", "gone")
    assert (len(log.of(7)), len(log.of(6 + REMEMBERED)), len(log.of(7 + REMEMBERED))) == (1, 1, 0)


def test_the_oldest_steps_give_way():
    log = PieceLog()
    for at in range(REMEMBERED + 1):
        log.note(at, at, "missing", "gone")
    assert log.of(0) == () and log.of(REMEMBERED)
