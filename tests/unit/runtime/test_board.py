from __future__ import annotations

import random

import pytest

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


@pytest.fixture
def board():
    board: StatusBoard[str, int] = StatusBoard()
    for key, value in (("a", 1), ("b", 2), ("c", 3)):
        board.publish(key, value)
    return board


def test_who_knows_nothing_is_told_everything(board):
    changes = board.read_since(0)
    assert (changes.changed, changes.withdrawn, changes.is_full) == ({"a": 1, "b": 2, "c": 3}, [], True)
    assert changes.revision == board.revision


def test_who_was_here_is_told_what_changed_since_the_oldest_change_first(board):
    seen = board.read_since(0).revision
    assert board.read_since(seen).changed == {}
    board.publish("b", 20)
    board.publish("a", 10)
    board.publish("d", 4)
    board.publish("b", 21)
    changes = board.read_since(seen)
    assert list(changes.changed.items()) == [("a", 10), ("d", 4), ("b", 21)]
    assert not changes.is_full
    assert board.read_since(changes.revision).changed == {}


def test_withdrawn_keys_are_told(board):
    seen = board.revision
    board.publish("b", 20)
    board.withdraw("b")
    board.withdraw("never there")
    changes = board.read_since(seen)
    assert (changes.changed, changes.withdrawn) == ({}, ["b"])
    assert board.read_since(changes.revision).withdrawn == []


def test_a_key_that_came_back_is_a_change_and_no_withdrawal(board):
    seen = board.revision
    board.withdraw("b")
    board.publish("b", 5)
    changes = board.read_since(seen)
    assert (changes.changed, changes.withdrawn) == ({"b": 5}, [])


def test_a_revision_that_is_not_of_this_board_gets_everything(board):
    assert board.read_since(board.revision + 1).is_full
    assert board.read_since(-1).is_full


def test_what_was_withdrawn_is_remembered_only_so_long(monkeypatch, board):
    monkeypatch.setattr("blobtorrent.runtime.board.MAX_WITHDRAWN", 2)
    seen = board.revision
    board.withdraw("a")
    board.withdraw("b")
    assert not board.read_since(seen).is_full
    board.withdraw("c")
    assert board.read_since(seen).is_full
    assert board.read_since(seen + 1).withdrawn == ["b", "c"]


def test_a_reader_that_follows_the_changes_ends_with_what_is_there():
    board: StatusBoard[int, int] = StatusBoard()
    rng = random.Random(4)
    known: dict[int, int] = {}
    revision = 0
    for step in range(3000):
        key = rng.randrange(40)
        if rng.random() < 0.3:
            board.withdraw(key)
        else:
            board.publish(key, step)
        if rng.random() < 0.1:
            changes = board.read_since(revision)
            if changes.is_full:
                known.clear()
            known.update(changes.changed)
            for gone in changes.withdrawn:
                known.pop(gone, None)
            revision = changes.revision
            assert known == board.read_all()
