"""Files that somebody else cut short while they were written: what is gone is found, and nothing else is read."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.storage import checker
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.holes import lost_in_the_end, lost_pieces
from blobtorrent.storage.store import Store
from tests.support.filesystems import another_filesystem
from tests.support.stored import StoredTorrent

K = 1024
PIECE = 32 * K
SIZES = [10 * PIECE + 5 * K, 4 * PIECE, 100]
ALL = (1 << 15) - 1


class Written(StoredTorrent):
    """A torrent whose files a store has written as a whole."""

    def __init__(self, root: Path) -> None:
        super().__init__(SIZES, PIECE)
        self.store = Store(root, self.metainfo, FilePool(4))
        self.store.prepare()
        self.write(*range(self.geometry.num_pieces))

    def write(self, *pieces: int) -> None:
        for index in pieces:
            self.store.write(self.geometry.piece_offset(index), [memoryview(self.piece(index))])

    def cut(self, number: int, size: int) -> None:
        """Cut a file short, and make it as long as it was."""
        path = self.store.path_of(number)
        os.truncate(path, size)
        os.truncate(path, SIZES[number])


@pytest.fixture(params=["on disk", "in memory"])
def written(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Written]:
    if request.param == "on disk":
        yield Written(tmp_path)
        return
    with another_filesystem(tmp_path) as folder:
        yield Written(folder)


def test_there_are_as_many_pieces_as_the_tests_think(written: Written) -> None:
    assert written.geometry.num_pieces == ALL.bit_length()


def test_of_whole_files_nothing_is_lost_and_not_a_byte_is_read(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checker, "check_pieces", lambda *_: pytest.fail("something was read"))
    assert lost_pieces(written.store, ALL) == []


def test_what_is_just_being_synced_is_looked_at_too(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    written.cut(0, 3 * PIECE)
    found: list[list[int]] = []
    sync = os.fdatasync

    def ask_meanwhile(descriptor: int) -> None:
        found.append(lost_pieces(written.store, ALL))
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", ask_meanwhile)
    written.store.sync()
    assert found[0] == list(range(3, 11))


@pytest.mark.parametrize("is_synced", [False, True])
@pytest.mark.parametrize(("size", "lost"), [
    (0, range(11)),
    (3 * PIECE, range(3, 11)),
    (3 * PIECE - 1, range(2, 11)),
    (3 * PIECE + 1, range(3, 11)),
    (10 * PIECE, range(10, 11)),
])
def test_what_was_cut_off_and_not_written_again_is_lost(
    written: Written, size: int, lost: range, is_synced: bool
) -> None:
    if is_synced:
        written.store.sync()
    written.cut(0, size)
    assert lost_pieces(written.store, ALL) == list(lost)


def test_what_was_written_again_is_not_lost(written: Written) -> None:
    written.cut(0, 2 * PIECE)
    written.write(2, 3, 6, 9)
    assert lost_pieces(written.store, ALL) == [4, 5, 7, 8, 10]


def test_a_file_is_looked_at_again_only_when_it_was_written_to_again(written: Written) -> None:
    written.store.sync()
    assert lost_pieces(written.store, ALL) == []
    written.cut(0, PIECE)
    assert lost_pieces(written.store, ALL) == []
    written.write(*range(1, 11))
    written.cut(0, 10 * PIECE)
    assert lost_pieces(written.store, ALL) == [10]


def test_a_file_that_is_not_whole_is_looked_at_when_it_is(written: Written) -> None:
    written.cut(0, PIECE)
    written.cut(1, PIECE)
    assert lost_pieces(written.store, ALL & ~(1 << 5)) == [11, 12, 13, 14]
    written.store.sync()
    assert lost_pieces(written.store, ALL & ~(0b1111 << 11)) == list(range(1, 11))


def test_a_file_that_is_too_short_or_gone_has_lost_what_it_lacks(written: Written) -> None:
    os.truncate(written.store.path_of(0), 8 * PIECE)
    written.store.close_file(1)
    written.store.path_of(1).unlink()
    assert lost_pieces(written.store, ALL) == list(range(8, 15))


def test_a_hole_that_stands_for_zeros_is_no_loss(tmp_path: Path) -> None:
    torrent = StoredTorrent([4 * PIECE], PIECE, zeros=range(1, 3))
    store = Store(tmp_path, torrent.metainfo, FilePool(4))
    store.prepare()
    for index in (0, 3):
        store.write(torrent.geometry.piece_offset(index), [memoryview(torrent.piece(index))])
    assert store.path_of(0).stat().st_blocks * 512 < 4 * PIECE
    assert lost_pieces(store, 0b1111) == []


def test_where_no_hole_can_be_told_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    written = Written(tmp_path)
    monkeypatch.setattr(os, "lseek", refuse)
    assert lost_pieces(written.store, ALL) == []


def test_who_asks_while_another_thread_looks_is_told_of_the_loss_too(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    written.store.sync()
    written.cut(0, 3 * PIECE)
    found: list[list[int]] = []
    check = checker.check_pieces

    def ask_meanwhile(*order: Any) -> Any:
        monkeypatch.setattr(checker, "check_pieces", check)
        found.append(lost_pieces(written.store, ALL))
        return check(*order)

    monkeypatch.setattr(checker, "check_pieces", ask_meanwhile)
    found.append(lost_pieces(written.store, ALL))
    assert found[0] == found[-1] == list(range(3, 11))


def test_what_somebody_touched_after_it_was_looked_at_is_looked_at_again_in_the_end(written: Written) -> None:
    written.store.sync()
    assert lost_pieces(written.store, ALL) == []
    written.cut(0, 3 * PIECE)
    assert lost_pieces(written.store, ALL) == []
    assert lost_in_the_end(written.store, ALL) == list(range(3, 11))


def test_a_file_that_was_removed_after_it_was_looked_at_is_missed_in_the_end(written: Written) -> None:
    written.store.sync()
    assert lost_pieces(written.store, ALL) == []
    os.unlink(written.store.path_of(1))
    written.store.close()
    assert lost_in_the_end(written.store, ALL) == list(range(10, 15))
