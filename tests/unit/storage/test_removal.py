import os

import pytest

from blobtorrent.model.errors import StorageError
from blobtorrent.model.metainfo import FileEntry
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.naming import Naming
from blobtorrent.storage.removal import delete_data, workshop_of
from blobtorrent.storage.store import Store
from tests.support.filesystems import failing_at, listing
from tests.support.stored import StoredTorrent

K = 1024


@pytest.fixture
def torrent():
    torrent = StoredTorrent([20 * K, 0, 3, 9 * K], 16 * K)
    link = FileEntry(("t", "folder1", "link"), 0, 0, symlink_target=("t", "folder2", "file2"))
    torrent.metainfo = torrent.metainfo._replace(files=(*torrent.metainfo.files, link))
    return torrent


@pytest.fixture
def store(tmp_path, torrent):
    store = Store(tmp_path / "root", torrent.metainfo, FilePool(8))
    store.prepare()
    for index in range(torrent.geometry.num_pieces):
        store.write(torrent.geometry.piece_offset(index), [memoryview(torrent.piece(index))])
    return store


def test_all_files_of_the_torrent_go_and_the_folders_that_are_empty_then(store):
    delete_data(store)
    assert list(store.root.iterdir()) == []


def test_whatever_else_lies_there_stays(store):
    (store.root / "t" / "folder0" / "mine").write_bytes(b"mine")
    (store.root / "t2").mkdir()
    link = store.root / "t" / "folder1" / "link"
    link.unlink()
    link.symlink_to("elsewhere")
    delete_data(store)
    assert listing(store.root) == {"t/folder0/mine": b"mine", "t/folder1/link": "elsewhere"}
    assert (store.root / "t2").is_dir()


def test_what_took_the_place_of_a_file_stays(store):
    for number, make in ((0, os.mkdir), (3, lambda path: os.symlink("mine", path))):
        store.path_of(number).unlink()
        make(store.path_of(number))
    delete_data(store)
    assert store.path_of(0).is_dir()
    assert os.readlink(store.path_of(3)) == "mine"


def test_no_link_is_followed_out_of_the_root(store, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file0").write_bytes(b"mine")
    (store.root / "t" / "folder0").rename(tmp_path / "away")
    (store.root / "t" / "folder0").symlink_to(tmp_path / "outside")
    store.close()
    with pytest.raises(StorageError):
        delete_data(store)
    assert listing(tmp_path / "outside") == {"file0": b"mine"}
    assert listing(store.root) == {"t/folder0": str(tmp_path / "outside")}


def test_files_go_under_the_names_that_the_user_gave_them(torrent, tmp_path):
    names = Naming(torrent.metainfo.files, {"t": "film"})
    store = Store(tmp_path, torrent.metainfo, FilePool(8), names=names)
    store.prepare()
    store.write(0, [memoryview(torrent.piece(0))])
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "mine").write_bytes(b"mine")
    delete_data(store)
    assert listing(tmp_path) == {"t/mine": b"mine"}


def test_what_an_unfinished_move_left_goes_too(store):
    shop = store.root / workshop_of(store.metainfo)
    shop.mkdir()
    (shop / "0").write_bytes(b"half")
    delete_data(store)
    assert list(store.root.iterdir()) == []


def test_a_file_that_cannot_be_deleted_is_told_and_all_others_go(store):
    with failing_at(0, OSError(13, "Permission denied"), ("unlink",)), pytest.raises(StorageError) as caught:
        delete_data(store)
    assert caught.value.code == "storage.denied"
    assert set(listing(store.root)) == {"t/folder0/file0"}
    delete_data(store)
    assert list(store.root.iterdir()) == []


def test_while_the_mount_is_away_nothing_counts_as_deleted(store, tmp_path):
    store.mount_point = str(tmp_path / "disk")
    with pytest.raises(StorageError) as caught:
        delete_data(store)
    assert caught.value.code == "storage.unmounted"


def test_what_was_never_there_is_no_error(torrent, tmp_path):
    delete_data(Store(tmp_path / "root", torrent.metainfo, FilePool(8)))
    assert list(tmp_path.iterdir()) == []
