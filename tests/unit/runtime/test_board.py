from __future__ import annotations

from blobtorrent.runtime.board import StatusBoard


def test_a_reader_gets_the_latest_snapshot():
    board: StatusBoard[str, int] = StatusBoard()
    assert board.read("a") is None
    board.publish("a", 1)
    board.publish("b", 5)
    board.publish("a", 2)
    assert board.read("a") == 2
    assert list(board.read_all().items()) == [("a", 2), ("b", 5)]


def test_what_was_read_does_not_change_any_more():
    board: StatusBoard[str, int] = StatusBoard()
    board.publish("a", 1)
    before = board.read_all()
    board.withdraw("a")
    board.withdraw("never there")
    assert (before, len(board)) == ({"a": 1}, 0)
