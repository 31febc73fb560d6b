import os
import stat

import pytest

from blobtorrent.model.errors import Denied, DiskFull, StorageError
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.repair import FileShared
from blobtorrent.storage.store import BREAK, FULL, REFUSE, WRITE, Store
from tests.support.filesystems import failing_at, listing
from tests.support.stored import StoredTorrent

K = 1024
PATH = ("t", "folder0", "file0")


@pytest.fixture
def torrent():
    return StoredTorrent([100 * K], 32 * K)


@pytest.fixture
def shared(tmp_path, torrent):
    """The file of the torrent, damaged, with a second name outside of the torrent."""
    torrent.put_on_disk(tmp_path / "root")
    path = tmp_path.joinpath("root", *PATH)
    os.chmod(path, 0o640)
    data = bytearray(torrent.content)
    data[40 * K] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(1, 10**18 + 7))
    os.link(path, tmp_path / "library")
    return path


def open_store(tmp_path, torrent, hardlinks=BREAK, **options):
    return Store(tmp_path / "root", torrent.metainfo, FilePool(4), hardlinks=hardlinks, **options)


def repair(store, torrent):
    store.write(32 * K, [memoryview(torrent.piece(1))])


def test_a_file_with_other_names_is_copied_before_it_is_written_to(tmp_path, torrent, shared):
    before = (tmp_path / "library").read_bytes()
    store = open_store(tmp_path, torrent)
    repair(store, torrent)
    store.close()
    assert torrent.is_on_disk(tmp_path / "root")
    assert (tmp_path / "library").read_bytes() == before
    assert shared.stat().st_nlink == 1
    assert stat.S_IMODE(shared.stat().st_mode) == 0o640
    assert set(listing(tmp_path / "root")) == {"t/folder0/file0"}


def test_who_wants_all_names_to_be_repaired_gets_it(tmp_path, torrent, shared):
    repair(open_store(tmp_path, torrent, WRITE), torrent)
    assert (tmp_path / "library").read_bytes() == torrent.content
    assert shared.stat().st_nlink == 2


def test_who_forbids_it_gets_an_error_and_nothing_is_written(tmp_path, torrent, shared):
    before = listing(tmp_path)
    with pytest.raises(Denied) as caught:
        repair(open_store(tmp_path, torrent, REFUSE), torrent)
    assert caught.value.code == "storage.hard-linked"
    assert "file0" in caught.value.detail
    assert listing(tmp_path) == before


def test_reading_breaks_no_link(tmp_path, torrent, shared):
    store = open_store(tmp_path, torrent)
    store.prepare()
    store.read(0, [memoryview(bytearray(10))])
    assert shared.stat().st_nlink == 2


def test_reserving_the_space_that_is_there_breaks_no_link(tmp_path, torrent, shared):
    store = open_store(tmp_path, torrent, allocation=FULL)
    store.prepare()
    assert shared.stat().st_nlink == 2


def test_a_reader_that_had_the_file_open_sees_what_is_written(tmp_path, torrent, shared):
    store = open_store(tmp_path, torrent)
    found = memoryview(bytearray(32 * K))
    store.read(32 * K, [found])
    assert bytes(found) != torrent.piece(1)
    repair(store, torrent)
    store.read(32 * K, [found])
    assert bytes(found) == torrent.piece(1)


def test_a_copy_that_a_killed_process_left_is_used_up(tmp_path, torrent, shared):
    shared.with_name(".file0.blobtorrent-copy").write_bytes(b"half")
    repair(open_store(tmp_path, torrent), torrent)
    assert set(listing(tmp_path / "root")) == {"t/folder0/file0"}


def test_so_is_one_of_a_file_that_is_not_written_to_any_more(tmp_path, torrent, shared):
    shared.with_name(".file0.blobtorrent-copy").write_bytes(b"half")
    open_store(tmp_path, torrent).prepare()
    assert set(listing(tmp_path / "root")) == {"t/folder0/file0"}
    assert shared.stat().st_nlink == 2


def test_a_large_file_is_not_copied_while_others_wait(tmp_path, torrent, shared, monkeypatch):
    monkeypatch.setattr("blobtorrent.storage.repair.AT_ONCE_BYTES", 1)
    before = listing(tmp_path)
    store = open_store(tmp_path, torrent)
    with pytest.raises(FileShared) as caught:
        repair(store, torrent)
    assert (caught.value.number, caught.value.code) == (0, "storage.being-copied")
    assert listing(tmp_path) == before
    store.unshare(0, lambda _count: None)
    repair(store, torrent)
    assert torrent.is_on_disk(tmp_path / "root")


def test_nothing_is_written_while_a_file_is_copied_even_if_its_other_name_goes(tmp_path, torrent, shared):
    store = open_store(tmp_path, torrent)
    assert store.copies.begin(0)
    assert not store.copies.begin(0)
    (tmp_path / "library").unlink()
    with pytest.raises(FileShared):
        repair(store, torrent)
    store.copies.end(0)
    repair(store, torrent)
    assert torrent.is_on_disk(tmp_path / "root")


def test_a_copy_that_failed_is_told_once_and_then_tried_again(tmp_path, torrent, shared):
    store = open_store(tmp_path, torrent)
    store.copies.begin(0)
    store.copies.end(0, DiskFull("storage.disk-full", "no space"))
    with pytest.raises(DiskFull):
        repair(store, torrent)
    repair(store, torrent)
    assert torrent.is_on_disk(tmp_path / "root")


def test_reserving_the_space_of_a_large_shared_file_waits_for_its_copy(tmp_path, torrent, shared, monkeypatch):
    monkeypatch.setattr("blobtorrent.storage.repair.AT_ONCE_BYTES", 1)
    os.truncate(shared, 10)
    open_store(tmp_path, torrent, allocation=FULL).prepare()
    assert shared.stat().st_nlink == 1
    assert (tmp_path / "library").stat().st_size == 10


def test_whatever_fails_all_names_keep_their_bytes(tmp_path, torrent, shared):
    before, number = listing(tmp_path), 0
    while True:
        store = open_store(tmp_path, torrent)
        try:
            with failing_at(number, OSError(5, "Input/output error")) as made:
                repair(store, torrent)
        except StorageError as error:
            assert error.code == "storage.io"
            after = listing(tmp_path)
            assert {path: after[path] for path in before} == before
        store.close()
        if len(made) <= number:
            break
        number += 1
    assert number >= 6
    assert torrent.is_on_disk(tmp_path / "root")
