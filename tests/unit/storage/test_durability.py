import os
from contextlib import contextmanager
from unittest import mock

import pytest

from blobtorrent.model.errors import FileMissing, StorageError
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.stamps import stamp_of
from blobtorrent.storage.store import FULL, Store
from tests.support.stored import StoredTorrent

K = 1024


@pytest.fixture
def torrent():
    return StoredTorrent([100 * K, 10 * K, 50 * K, 1], 32 * K)


@pytest.fixture
def store(tmp_path, torrent):
    store = Store(tmp_path / "new" / "root", torrent.metainfo, FilePool(4))
    store.prepare()
    yield store
    store.close()


def write(store, torrent, *pieces):
    for index in pieces:
        store.write(torrent.geometry.piece_offset(index), [memoryview(torrent.piece(index))])


@contextmanager
def watched(fails=lambda path: False):
    """The paths below the test's folder that are synced, in order; those that `fails` picks raise."""
    synced = []

    def sync(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        synced.append(path)
        if fails(path):
            raise OSError(5, "Input/output error")

    with mock.patch.object(os, "fsync", sync), mock.patch.object(os, "fdatasync", sync):
        yield synced


def test_what_was_written_is_synced_once_and_the_folders_of_new_files_after_it(store, torrent, tmp_path):
    write(store, torrent, 0, 1)
    with watched() as synced:
        stamps = store.sync()
    root = str(tmp_path / "new" / "root")
    assert synced == [f"{root}/t/folder0/file0", f"{root}/t/folder0", f"{root}/t", root,
                      str(tmp_path), str(tmp_path / "new")]
    assert stamps == {0: stamp_of(store.path_of(0).stat())}
    with watched() as synced:
        assert store.sync() == {}
    assert synced == []
    write(store, torrent, 2)
    with watched() as synced:
        store.sync()
    assert synced == [f"{root}/t/folder0/file0"]


def test_all_files_of_a_piece_are_synced(store, torrent):
    write(store, torrent, 3)
    assert set(store.sync()) == {0, 1, 2}


def test_files_that_were_made_for_their_space_or_for_being_empty_are_synced(tmp_path):
    torrent = StoredTorrent([10 * K, 0], 16 * K)
    for options, expected in (({"allocation": FULL}, {0, 1}), ({}, {1})):
        store = Store(tmp_path / str(len(expected)), torrent.metainfo, FilePool(4), **options)
        store.prepare()
        assert set(store.sync()) == expected


def test_a_failure_is_told_after_all_other_files_were_synced_and_not_forgotten_by_trying_again(store, torrent):
    write(store, torrent, 0, 3, 4)
    with watched(lambda path: path.endswith("file0")) as synced, pytest.raises(StorageError) as caught:
        store.sync()
    assert caught.value.code == "storage.io"
    assert "file0" in caught.value.detail
    assert sum("file" in path for path in synced) == 3
    assert store.sync() == {}, "the system has dropped what it could not write: nothing is left to sync"


def test_a_file_that_was_deleted_meanwhile_is_missing_and_made_anew_by_the_next_write(store, torrent):
    write(store, torrent, 0)
    store.path_of(0).unlink()
    with pytest.raises(FileMissing):
        store.sync()
    assert (store.durability.take_gone(), store.durability.take_gone()) == ([0], [])
    write(store, torrent, 0)
    assert store.path_of(0).read_bytes() == torrent.content[: 32 * K]
    assert set(store.sync()) == {0}


def test_what_is_written_during_a_sync_is_left_for_the_next(store, torrent):
    def sync(descriptor):
        write(store, torrent, 1)

    write(store, torrent, 0)
    with mock.patch.object(os, "fdatasync", sync):
        store.sync()
    assert set(store.sync()) == {0}
    assert store.sync() == {}
