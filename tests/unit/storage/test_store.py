import errno
import os
import resource
import stat
from contextlib import contextmanager
from pathlib import Path

import pytest

from blobtorrent.model.errors import Denied, DiskFull, FileMissing, StorageError
from blobtorrent.model.metainfo import FileEntry
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.layout import Part
from blobtorrent.storage.mounts import device_of
from blobtorrent.storage.preparing import make_files
from blobtorrent.storage.store import FULL, Store
from tests.support.memory import memory_for
from tests.support.stored import PAD, StoredTorrent

K = 1024
SIZES = [100 * K, 0, 1, (PAD, 30 * K - 1), 5 * K, 200 * K]


@pytest.fixture
def torrent():
    return StoredTorrent(SIZES, 32 * K)


@pytest.fixture
def pool():
    return FilePool(3)


def write_everything(store, torrent):
    for index in range(torrent.geometry.num_pieces):
        store.write(torrent.geometry.piece_offset(index), [memoryview(torrent.piece(index))])


def read_at(store, offset, *lengths):
    buffers = [memoryview(bytearray(length)) for length in lengths]
    store.read(offset, buffers)
    return b"".join(buffers)


@contextmanager
def largest_file(size):
    """The system refuses to make a file larger than `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_is_written_lies_in_the_files_and_padding_nowhere(tmp_path, torrent, pool):
    store = Store(tmp_path, torrent.metainfo, pool)
    store.prepare()
    write_everything(store, torrent)
    assert torrent.is_on_disk(tmp_path)
    assert not (tmp_path / "t" / ".pad").exists()


def test_what_was_written_is_read_back_with_zeros_for_padding(tmp_path, torrent, pool):
    store = Store(tmp_path, torrent.metainfo, pool)
    store.prepare()
    write_everything(store, torrent)
    assert read_at(store, 0, 10, 90 * K, len(torrent.content) - 90 * K - 10) == torrent.content


def test_preparing_makes_the_root_and_empty_files_but_no_others(tmp_path, torrent, pool):
    root = tmp_path / "new" / "root"
    assert not Store(root, torrent.metainfo, pool).prepare()
    assert [path for path in root.rglob("*") if path.is_file()] == [root / "t" / "folder1" / "file1"]


def test_full_allocation_reserves_all_space(tmp_path, torrent, pool):
    store = Store(tmp_path, torrent.metainfo, pool, allocation=FULL)
    assert not store.prepare()
    for entry in torrent.payload_files():
        found = tmp_path.joinpath(*entry.path).stat()
        assert found.st_size == entry.length
        assert found.st_blocks * 512 >= entry.length


def test_full_allocation_keeps_bytes_that_are_there(tmp_path, torrent, pool):
    torrent.put_on_disk(tmp_path)
    path = tmp_path / "t" / "folder2" / "file5"
    os.truncate(path, 100 * K)
    assert Store(tmp_path, torrent.metainfo, pool, allocation=FULL).prepare()
    assert path.read_bytes()[: 100 * K] == torrent.content[-200 * K : -100 * K]
    assert path.stat().st_size == 200 * K


def test_preparing_tells_whether_there_were_bytes(tmp_path, torrent, pool):
    store = Store(tmp_path, torrent.metainfo, pool)
    store.prepare()
    assert not store.prepare()
    (tmp_path / "t" / "folder2").mkdir()
    (tmp_path / "t" / "folder2" / "file5").write_bytes(b"x")
    assert store.prepare()


def test_a_file_longer_than_the_torrent_says_is_left_alone(tmp_path, torrent, pool):
    torrent.put_on_disk(tmp_path)
    path = tmp_path / "t" / "folder0" / "file0"
    path.write_bytes(path.read_bytes() + b"more")
    store = Store(tmp_path, torrent.metainfo, pool)
    store.prepare()
    write_everything(store, torrent)
    assert path.stat().st_size == 100 * K + 4


def test_links_are_made_and_executables_may_run(tmp_path, torrent, pool):
    script = torrent.metainfo.files[0]._replace(is_executable=True)
    link = FileEntry(("t", "link"), 0, 0, symlink_target=script.path)
    metainfo = torrent.metainfo._replace(files=(script, *torrent.metainfo.files[1:], link))
    store = Store(tmp_path, metainfo, pool)
    store.prepare()
    write_everything(store, torrent)
    assert (tmp_path / "t" / "link").read_bytes() == torrent.content[: 100 * K]
    assert tmp_path.joinpath(*script.path).stat().st_mode & stat.S_IXUSR


def test_no_byte_goes_through_a_planted_link(tmp_path, torrent, pool):
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    (root / "t").mkdir(parents=True)
    (root / "t" / "folder0").symlink_to(outside)
    store = Store(root, torrent.metainfo, pool)
    with pytest.raises(Denied) as caught:
        store.write(0, [memoryview(b"evil")])
    assert caught.value.code == "storage.denied"
    assert list(outside.iterdir()) == []


def test_reading_a_file_that_is_not_there_says_so(tmp_path, torrent, pool):
    store = Store(tmp_path, torrent.metainfo, pool)
    store.prepare()
    with pytest.raises(FileMissing) as caught:
        read_at(store, 0, 10)
    assert caught.value.code == "storage.file-missing"
    assert "file0" in caught.value.detail


def test_reading_a_file_that_ends_too_early_says_so(tmp_path, torrent, pool):
    torrent.put_on_disk(tmp_path)
    os.truncate(tmp_path / "t" / "folder0" / "file0", 50 * K)
    store = Store(tmp_path, torrent.metainfo, pool)
    assert read_at(store, 0, 50 * K) == torrent.content[: 50 * K]
    with pytest.raises(StorageError) as caught:
        read_at(store, 50 * K - 1, 2)
    assert caught.value.code == "storage.short-file"


def test_a_write_that_the_system_cuts_short_is_an_error(tmp_path, torrent, pool):
    store = Store(tmp_path, torrent.metainfo, pool)
    store.prepare()
    with largest_file(40 * K), pytest.raises(StorageError) as caught:
        store.write(0, [memoryview(torrent.content[: 64 * K])])
    assert caught.value.code == "storage.too-large"
    store.write(0, [memoryview(torrent.content[: 64 * K])])
    assert read_at(store, 0, 64 * K) == torrent.content[: 64 * K]


def test_a_root_that_vanished_is_not_made_again(tmp_path, torrent, pool):
    root = tmp_path / "mount"
    store = Store(root, torrent.metainfo, pool)
    store.prepare()
    (root / "t" / "folder1" / "file1").unlink()
    (root / "t" / "folder1").rmdir()
    (root / "t").rmdir()
    root.rmdir()
    with pytest.raises(FileMissing):
        store.write(0, [memoryview(b"x")])


def test_a_closed_store_holds_no_descriptor(tmp_path, torrent, pool):
    before = len(os.listdir("/proc/self/fd"))
    store = Store(tmp_path, torrent.metainfo, pool)
    store.prepare()
    write_everything(store, torrent)
    store.parts.save(0, [(0, memoryview(bytes(16 * K)))])
    store.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_making_a_store_asks_no_filesystem(tmp_path, torrent, pool, monkeypatch):
    def hang(*_arguments, **_options):
        raise AssertionError("a dead mount would hang us here")

    with monkeypatch.context() as patched:
        for name in ("stat", "lstat", "readlink"):
            patched.setattr(os, name, hang)
        Store(tmp_path, torrent.metainfo, pool)


def test_the_device_of_a_prepared_store_is_that_of_its_root(tmp_path, torrent, pool):
    memory = memory_for(tmp_path)
    (tmp_path / "link").symlink_to(memory)
    store = Store(tmp_path / "link", torrent.metainfo, pool)
    store.prepare()
    assert store.device == memory.stat().st_dev


def test_a_recorded_mount_point_says_which_lane_a_store_that_is_not_prepared_belongs_to(tmp_path, torrent, pool):
    store = Store(tmp_path, torrent.metainfo, pool, mount_point="/proc")
    assert store.device == device_of(Path("/proc"))


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        ("ENOSPC", DiskFull, "storage.disk-full"),
        ("EDQUOT", DiskFull, "storage.disk-full"),
        ("EACCES", Denied, "storage.denied"),
        ("EROFS", Denied, "storage.denied"),
        ("ELOOP", Denied, "storage.denied"),
        ("ENOENT", FileMissing, "storage.file-missing"),
        ("EFBIG", StorageError, "storage.too-large"),
        ("ENAMETOOLONG", StorageError, "storage.name-too-long"),
        ("EMFILE", StorageError, "storage.descriptors"),
        ("EIO", StorageError, "storage.io"),
    ],
)
def test_errors_of_the_system_become_ours(number, kind, code):
    error = storage_error(OSError(getattr(errno, number), "text"), "/some/path")
    assert type(error) is kind
    assert error.code == code
    assert "/some/path" in error.detail


def test_what_will_be_wanted_is_announced_to_the_kernel_file_by_file(tmp_path, torrent, pool, monkeypatch):
    store = Store(tmp_path / "root", torrent.metainfo, pool)
    store.prepare()
    write_everything(store, torrent)
    told = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _file, *said: told.append(said))
    store.announce(10 * K, torrent.geometry.size - 10 * K)
    assert told == [(begin, length, os.POSIX_FADV_WILLNEED) for begin, length in (
        (10 * K, 90 * K), (0, 1), (0, 5 * K), (0, 200 * K))]


def test_files_are_made_and_given_their_length_though_nothing_was_written(tmp_path, torrent, pool):
    store = Store(tmp_path, torrent.metainfo, pool, skipped_files=[5])
    store.prepare()
    store.write_part(Part(2, 0, 1), [memoryview(b"x")])
    numbers = range(len(torrent.metainfo.files))
    make_files(store, [0, 2], [number for number in numbers if number != 0] + [99])
    found = {path.relative_to(tmp_path / "t").as_posix(): path.stat() for path in (tmp_path / "t").rglob("*")}
    sizes = {name: status.st_size for name, status in found.items() if stat.S_ISREG(status.st_mode)}
    entries = torrent.metainfo.files
    assert sizes == {"/".join(entries[number].path[1:]): size for number, size in ((0, 0), (1, 0), (2, 1), (4, 5 * K))}
    assert found["/".join(entries[4].path[1:])].st_blocks == 0
    assert store.path_of(2).read_bytes() == b"x"
    make_files(store, [], [0])
    assert store.path_of(0).stat().st_size == 100 * K
