import random

import pytest

from blobtorrent.model.errors import FileMissing, StorageError
from blobtorrent.storage.checker import check_pieces
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.partstore import Durable
from blobtorrent.storage.preparing import skip
from blobtorrent.storage.removal import delete_data
from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.store import FULL, Store
from tests.support.stored import PAD, StoredTorrent

K = 1024
# Pieces of 32 KiB:  0-2 |3      |4 5    |6      |7-9
SIZES = [100 * K, 3 * K, 40 * K, 100 * K, 7]
#        file 0, 1: in piece 3, 2: pieces 3 and 4, 3: pieces 4-7, 4: piece 7


@pytest.fixture
def torrent():
    return StoredTorrent(SIZES, 32 * K)


class Disk:
    """A folder for the files and one for the state, and processes that come and go."""

    def __init__(self, tmp_path, torrent):
        self.root = tmp_path / "root"
        self.torrent = torrent
        self.kept_path = tmp_path / "kept"

    def start(self, skipped, *, prepare=True, **options):
        self.store = Store(
            self.root, self.torrent.metainfo, FilePool(4), skipped_files=skipped,
            kept=Durable(self.kept_path, Seal(bytes(32)), b"torrent"), **options)
        if prepare:
            self.had_data = self.store.prepare()
        return self.store

    def write(self, *pieces):
        for index in pieces:
            offset = self.torrent.geometry.piece_offset(index)
            self.store.write(offset, [memoryview(self.torrent.piece(index))])

    def read(self, index):
        buffer = memoryview(bytearray(self.torrent.geometry.piece_size(index)))
        self.store.read(self.torrent.geometry.piece_offset(index), [buffer])
        return bytes(buffer)

    def good(self):
        every = range(self.torrent.geometry.num_pieces)
        return check_pieces(self.store, every, memoryview(bytearray(64 * K))).good

    def file(self, number):
        return self.root.joinpath(*self.torrent.metainfo.files[number].path)

    def content(self, number):
        entry = self.torrent.metainfo.files[number]
        return self.torrent.content[entry.offset : entry.offset + entry.length]

    def there(self):
        return {number for number in range(len(self.torrent.metainfo.files)) if self.file(number).exists()}


@pytest.fixture
def disk(tmp_path, torrent):
    return Disk(tmp_path, torrent)


def test_an_unwanted_file_does_not_appear_for_the_bytes_that_come_with_its_neighbours(disk):
    disk.start({1, 3})
    disk.write(0, 1, 2, 3, 4, 7)
    assert disk.there() == {0, 2, 4}
    assert disk.file(0).read_bytes() == disk.content(0)
    assert disk.file(2).read_bytes() == disk.content(2)
    assert disk.file(4).read_bytes() == disk.content(4)


def test_what_is_kept_aside_is_read_and_checked_as_if_it_were_in_files(disk, torrent):
    disk.start({1, 3})
    disk.write(0, 1, 2, 3, 4, 7)
    assert [disk.read(index) for index in (3, 4, 7)] == [torrent.piece(index) for index in (3, 4, 7)]
    assert disk.good() == [0, 1, 2, 3, 4, 7]


def test_of_bytes_that_never_came_nothing_is_read(disk):
    disk.start({1, 3})
    with pytest.raises(FileMissing):
        disk.read(5)
    assert disk.good() == []


def test_the_next_process_finds_what_was_kept(disk, torrent):
    disk.start({1, 3})
    disk.write(0, 1, 2, 3, 4, 7)
    disk.store.sync()
    disk.store.close()
    disk.start({1, 3})
    assert disk.had_data
    assert disk.good() == [0, 1, 2, 3, 4, 7]
    assert disk.there() == {0, 2, 4}


def test_a_file_that_is_wanted_at_last_gets_what_was_kept_of_it(disk):
    disk.start({1, 3})
    disk.write(0, 1, 2, 3, 4, 7)
    skip(disk.store, {3})
    assert disk.there() == {0, 1, 2, 4}
    assert disk.file(1).read_bytes() == disk.content(1)
    assert disk.good() == [0, 1, 2, 3, 4, 7]
    skip(disk.store, ())
    assert disk.good() == [0, 1, 2, 3, 4, 7]
    disk.write(5, 6)
    assert disk.torrent.is_on_disk(disk.root)
    disk.store.close()
    assert not disk.kept_path.exists()


def test_a_killed_process_that_had_written_but_half_of_it_is_finished_by_the_next(disk):
    disk.start({1, 3})
    disk.write(3, 4)
    disk.store.sync()
    disk.start(())                         # the row says that all is wanted; nothing was handed over yet
    assert disk.there() == {0, 1, 2, 3}
    assert disk.good() == [3, 4]
    disk.store.close()
    assert not disk.kept_path.exists()


def test_handing_over_again_what_is_there_already_changes_no_file(disk):
    disk.start({1, 3})
    disk.write(3, 4)
    skip(disk.store, {1})                  # a block of file 1 stays, and its neighbours' bytes with it
    disk.store.sync()
    before = disk.store.stamps()
    disk.store.close()
    disk.start({1})
    assert disk.store.stamps() == before


def test_an_unwanted_file_that_is_there_grows_on(disk):
    disk.start(())
    disk.write(3)
    skip(disk.store, {1, 2})
    disk.write(4)
    assert disk.there() >= {1, 2}
    assert disk.file(2).read_bytes() == disk.content(2)
    assert disk.store.diverted == frozenset()


def test_a_file_that_somebody_put_in_the_place_of_an_unwanted_one_is_left_alone(disk, torrent):
    disk.start({1})
    disk.write(3)
    disk.store.sync()
    disk.store.close()
    disk.file(1).parent.mkdir(exist_ok=True)
    disk.file(1).write_bytes(b"foreign")
    disk.start({1})
    disk.write(3)
    assert disk.file(1).read_bytes() == b"foreign"
    assert disk.read(3) == torrent.piece(3)


def test_unwanted_empty_files_and_links_are_not_made_until_they_are_wanted(tmp_path):
    torrent = StoredTorrent([0, 10, 0], 32 * K)
    disk = Disk(tmp_path, torrent)
    disk.start({0, 2})
    assert disk.there() == set()
    skip(disk.store, {2})
    assert disk.there() == {0}


def test_no_space_is_reserved_for_unwanted_files(disk):
    disk.start({1, 3}, allocation=FULL)
    assert disk.there() == {0, 2, 4}
    skip(disk.store, {1})
    assert disk.file(3).stat().st_size == len(disk.content(3))


def test_a_file_is_lacking_when_a_piece_that_is_had_was_not_kept_of_it(disk):
    disk.start({1, 3})
    disk.write(3, 4)
    assert disk.store.lacking_files({0, 3, 4}) == []
    assert disk.store.lacking_files({7}) == [3]
    disk.start((), prepare=False)
    assert disk.store.lacking_files({7}) == []


def test_kept_bytes_that_were_damaged_are_lacking_until_the_piece_comes_again(disk):
    disk.start({1, 3})
    disk.write(3, 4)
    disk.store.sync()
    disk.store.close()
    data = bytearray(disk.kept_path.read_bytes())
    data[512 + 100] ^= 1                   # in the first block, of piece 3
    disk.kept_path.write_bytes(data)
    disk.start({1, 3})
    assert disk.store.lacking_files({3, 4}) == [1]
    assert disk.store.neighbours.damaged_blocks == 1
    assert disk.good() == [4]
    disk.write(3)
    assert disk.store.lacking_files({3, 4}) == []
    assert disk.good() == [3, 4]


def test_kept_bytes_that_are_damaged_while_they_are_in_use_are_kept_anew_when_the_piece_comes_again(disk, torrent):
    disk.start({1, 3})
    disk.write(3, 4)
    data = bytearray(disk.kept_path.read_bytes())
    data[512 + 100] ^= 1
    disk.kept_path.write_bytes(data)
    with pytest.raises(StorageError) as caught:
        disk.read(3)
    assert caught.value.code == "storage.parts-damaged"
    assert disk.store.lacking_files({3, 4}) == [1]
    disk.write(3)
    assert disk.read(3) == torrent.piece(3)
    disk.store.close()
    disk.start({1, 3})
    assert (disk.good(), disk.store.neighbours.damaged_blocks) == ([3, 4], 0)


def test_what_was_kept_is_dropped_only_when_the_file_that_gets_it_has_a_durable_name(disk, monkeypatch):
    disk.start({1, 3})
    disk.write(3, 4)
    synced = []
    sync = disk.store.folders.sync
    monkeypatch.setattr(disk.store.folders, "sync", lambda parts: (synced.append(parts), sync(parts)))
    monkeypatch.setattr(disk.store.neighbours, "forget", lambda: synced.append("forgotten"))
    skip(disk.store, {3})
    folder = disk.torrent.metainfo.files[1].path[:-1]
    assert synced[-1] == "forgotten"
    assert {folder, folder[:1], ()} <= set(synced)


def test_a_store_may_be_closed_and_prepared_again(disk):
    disk.start({1, 3})
    disk.write(3, 4)
    for _ in range(3):
        disk.store.close()
        disk.store.prepare()
    disk.write(7)
    assert disk.good() == [3, 4, 7]


def test_when_the_state_directory_is_full_it_is_said_and_tried_again(disk, tmp_path):
    disk.start({1, 3})
    disk.kept_path.mkdir()
    with pytest.raises(StorageError):
        disk.write(3)
    disk.kept_path.rmdir()
    disk.write(3)
    assert disk.good() == [3]


def test_without_a_place_to_keep_them_unwanted_files_are_made(tmp_path, torrent):
    store = Store(tmp_path, torrent.metainfo, FilePool(4), skipped_files={1})
    store.prepare()
    store.write(torrent.geometry.piece_offset(3), [memoryview(torrent.piece(3))])
    assert tmp_path.joinpath(*torrent.metainfo.files[1].path).exists()


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_skipped_and_wanted_in_whatever_order_no_written_piece_is_lost(tmp_path, seed):
    rng = random.Random(seed)
    v1 = rng.random() < 0.6
    piece_length = rng.choice((16 * K, 20 * K, 100 * K + 1)) if v1 else 32 * K
    sizes = [rng.choice((0, 1, rng.randint(1, 300), rng.randint(1, 60 * K))) for _ in range(rng.randint(2, 12))]
    if v1 and rng.random() < 0.5:
        sizes.insert(1, (PAD, rng.randint(1, 5000)))
    torrent = StoredTorrent([*sizes, 5], piece_length, seed=seed, v1=v1)
    disk = Disk(tmp_path, torrent)
    numbers = [number for number, entry in enumerate(torrent.metainfo.files) if not entry.is_pad]
    skipped = set(rng.sample(numbers, rng.randint(0, len(numbers))))
    disk.start(skipped)
    left, written = list(range(torrent.geometry.num_pieces)), set()
    rng.shuffle(left)
    for _ in range(20):
        for index in [left.pop() for _ in range(min(len(left), 2))]:
            disk.write(index)
            written.add(index)
        action = rng.randrange(4)
        if action == 0:
            skipped = set(rng.sample(numbers, rng.randint(0, len(numbers))))
            skip(disk.store, skipped)
        elif action == 1:
            disk.store.sync()
            disk.store.close()
            disk.start(skipped)
        assert disk.store.lacking_files(written) == []
        assert written <= set(disk.good())
        assert all(disk.read(index) == torrent.piece(index) for index in written)
    skip(disk.store, ())
    disk.write(*left)
    assert torrent.is_on_disk(disk.root)


def test_what_somebody_put_in_the_place_of_an_unwanted_file_is_not_deleted_with_the_torrent(disk):
    disk.start({1})
    disk.write(*range(8))
    disk.store.close()
    disk.file(1).parent.mkdir(parents=True, exist_ok=True)
    disk.file(1).write_bytes(b"theirs" * K)
    delete_data(disk.start({1}, prepare=False))
    assert [path for path in disk.root.rglob("*") if path.is_file()] == [disk.file(1)]
    assert disk.file(1).read_bytes() == b"theirs" * K


def test_an_unwanted_file_that_was_made_before_is_deleted_with_the_torrent(disk):
    disk.start(())
    disk.write(*range(8))
    disk.store.close()
    disk.start({1})
    disk.write(3)
    disk.store.close()
    delete_data(disk.start({1}, prepare=False))
    assert list(disk.root.iterdir()) == []
