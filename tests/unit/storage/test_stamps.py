import os

import pytest

from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.stamps import FileStamp, claimed_sizes, compare, stamp_of
from blobtorrent.storage.store import Store
from tests.support.stored import StoredTorrent


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345678")
    return path


def look(path):
    try:
        return {0: stamp_of(path.stat())}
    except FileNotFoundError:
        return {}


def test_a_file_that_nobody_touched_is_as_it_was(file):
    assert compare(look(file), look(file)) == ([], [])


def test_a_file_that_was_written_to_is_changed(file):
    known = look(file)
    os.utime(file, ns=(1, 1))
    assert compare(known, look(file)).changed == [0]
    os.utime(file, ns=(known[0].mtime_ns, known[0].mtime_ns))
    os.truncate(file, 9)
    assert compare(known, look(file)).changed == [0]


def test_of_a_file_that_is_gone_cut_short_or_another_one_nothing_is_known(file):
    known = look(file)
    os.truncate(file, 7)
    assert compare(known, look(file)) == ([], [0])
    file.rename(file.with_name("away"))
    assert compare(known, look(file)) == ([], [0])
    file.write_bytes(b"12345678")
    os.utime(file, ns=(known[0].mtime_ns, known[0].mtime_ns))
    assert compare(known, look(file)) == ([], [0])


def test_files_without_a_known_stamp_are_not_looked_at():
    assert compare({}, {5: FileStamp(1, 2, 3)}) == ([], [])


def test_the_last_piece_that_is_had_of_a_file_tells_how_long_it_is_at_least():
    metainfo = StoredTorrent([100, 50, 100], 40).metainfo          # pieces 0-2, 2-3, 3-6
    assert claimed_sizes(metainfo, {0}, range(3)) == {0: 40}
    assert claimed_sizes(metainfo, {0, 2}, range(3)) == {0: 100, 1: 20}
    assert claimed_sizes(metainfo, {3}, range(3)) == {1: 50, 2: 10}
    assert claimed_sizes(metainfo, range(7), [2]) == {2: 100}


def test_files_that_end_before_their_pieces_do_are_found_unless_they_are_known(tmp_path):
    torrent = StoredTorrent([100, 50, 100], 40)
    store = Store(tmp_path, torrent.metainfo, FilePool(4))
    store.prepare()
    for index in range(4):
        store.write(40 * index, [memoryview(torrent.piece(index))])
    assert store.short_files(range(4), ()) == []
    os.truncate(store.path_of(0), 99)
    store.path_of(2).unlink()
    assert store.short_files(range(4), ()) == [0, 2]
    assert store.short_files({0, 1}, ()) == []
    assert store.short_files(range(4), {0}) == [2]
