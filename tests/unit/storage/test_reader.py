import os

import pytest

from blobtorrent.model.errors import StorageError
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.reader import StoreReader
from blobtorrent.storage.store import Store
from tests.support.stored import PAD, StoredTorrent

K = 1024


@pytest.fixture
def torrent(tmp_path):
    torrent = StoredTorrent([100 * K, 3, (PAD, 5), 80 * K, 0, 60 * K], 32 * K)
    torrent.put_on_disk(tmp_path)
    return torrent


@pytest.mark.parametrize("step", [1000, 32 * K, 100 * K, 240 * K])
def test_it_reads_what_the_store_holds(tmp_path, torrent, step):
    reader = StoreReader(Store(tmp_path, torrent.metainfo, FilePool(2)))
    got = bytearray()
    for offset in range(0, len(torrent.content), step):
        buffer = memoryview(bytearray(min(step, len(torrent.content) - offset)))
        reader.read(offset, buffer)
        got += buffer
    reader.close()
    assert got == torrent.content


def test_it_reads_in_any_order(tmp_path, torrent):
    reader = StoreReader(Store(tmp_path, torrent.metainfo, FilePool(2)))
    for offset in (200 * K, 0, 110 * K, 50 * K, 99 * K):
        buffer = memoryview(bytearray(4 * K))
        reader.read(offset, buffer)
        assert buffer == torrent.content[offset : offset + 4 * K]
    reader.close()


def test_it_opens_a_file_once_and_lets_go_of_it(tmp_path, torrent):
    pool = FilePool(9)
    store = Store(tmp_path, torrent.metainfo, pool)
    reader = StoreReader(store)
    pinned = []
    plain = store.pin
    store.pin = lambda number: pinned.append(number) or plain(number)
    for offset in range(0, 96 * K, K):
        reader.read(offset, memoryview(bytearray(K)))
    assert pinned == [0]
    reader.close()
    store.close()
    assert len(pool) == 0


def test_a_file_that_shrank_meanwhile_is_an_error(tmp_path, torrent):
    reader = StoreReader(Store(tmp_path, torrent.metainfo, FilePool(2)))
    reader.read(0, memoryview(bytearray(K)))
    os.truncate(tmp_path / "t" / "folder0" / "file0", 10 * K)
    with pytest.raises(StorageError) as caught:
        reader.read(10 * K, memoryview(bytearray(K)))
    assert caught.value.code == "storage.short-file"
    reader.close()
