from __future__ import annotations

import pytest

from blobtorrent.interface.piecewatch import PieceWatch
from blobtorrent.runtime.board import StatusBoard
from tests.support.rest import info_hash, status_of


class Rig:
    def __init__(self, before: bytes | None = b"\x80") -> None:
        self.board = StatusBoard()
        if before is not None:
            self.show(before)
        self.watch = PieceWatch(self.board, wall=100.0)

    def show(self, pieces_wire: bytes, number: int = 1, added_at: float = 50.0) -> None:
        self.board.publish(
            info_hash(number), status_of(number, num_pieces=8, pieces_wire=pieces_wire, added_at=added_at))

    def look(self) -> list[int]:
        return [event.piece for event, _ in self.watch.look()]


@pytest.mark.parametrize(("before", "now", "pieces"), [
    (b"\x80", b"\xe0", [1, 2]), (b"\x00", b"\xff", [0, 1, 2, 3, 4, 5, 6, 7]), (b"\xff", b"\xff", []),
    (b"\xff", b"\x0f", []),             # pieces were lost
    (b"\xf0", b"\x1f", [4, 5, 6, 7]),
    (b"", b"\xff", []),                 # it has just become known what was there
    (b"\xff", b"", []),
])
def test_pieces_that_were_not_there_before_are_told(before, now, pieces):
    rig = Rig(before)
    rig.show(now)
    assert rig.look() == pieces
    assert rig.look() == []


def test_what_was_there_when_the_watch_began_is_not_told():
    assert Rig().look() == []


def test_a_torrent_that_is_read_from_saved_state_brings_what_it_had():
    rig = Rig(None)
    rig.show(b"\x0f")
    assert rig.look() == []
    rig.show(b"\x1f")
    assert rig.look() == [3]


def test_a_torrent_that_was_added_since_had_nothing():
    rig = Rig(None)
    rig.show(b"\x03", added_at=101.0)
    assert rig.look() == [6, 7]


def test_a_torrent_that_was_removed_and_added_again_is_a_new_one():
    rig = Rig(b"\xff")
    rig.board.withdraw(info_hash(1))
    assert rig.look() == []
    rig.show(b"\x80", added_at=101.0)
    assert rig.look() == [0]
