"""The leaves of a file's tree, read from its bytes on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.model.errors import FileMissing
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.leaves import READ_BYTES, read_leaves
from blobtorrent.storage.store import Store
from tests.support.merkle import leaf_hashes
from tests.support.stored import StoredTorrent

TORRENT = StoredTorrent([READ_BYTES + 3 * BLOCK_SIZE + 9, 5], 4 * BLOCK_SIZE, v1=False)


@pytest.mark.parametrize(("begin", "length"), [
    (0, READ_BYTES + 3 * BLOCK_SIZE + 9), (4 * BLOCK_SIZE, 4 * BLOCK_SIZE), (READ_BYTES, 3 * BLOCK_SIZE + 9),
    (2 * BLOCK_SIZE, READ_BYTES)])
def test_leaves_are_those_of_the_book(tmp_path: Path, begin: int, length: int) -> None:
    TORRENT.put_on_disk(tmp_path)
    data = TORRENT.content[begin:begin + length]
    assert read_leaves(Store(tmp_path, TORRENT.metainfo, FilePool(4)), begin, length) == list(leaf_hashes(data))


def test_a_file_that_is_gone_has_none(tmp_path: Path) -> None:
    pool = FilePool(4)
    with pytest.raises(FileMissing):
        read_leaves(Store(tmp_path, TORRENT.metainfo, pool), 0, BLOCK_SIZE)
