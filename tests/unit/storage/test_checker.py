import hashlib
import os

import pytest

from blobtorrent.model.errors import Denied
from blobtorrent.storage.checker import check_pieces
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.presence import Coverage, Presence
from blobtorrent.storage.store import Store
from tests.support.stored import PAD, StoredTorrent

K = 1024
SIZES = [100 * K, 0, 1, (PAD, 28 * K - 1), 5 * K, 200 * K + 1]


class Counting:
    """A verifier that counts the pieces that were hashed."""

    def __init__(self, inner):
        self._inner = inner
        self.hashed = 0
        self.expected, self.is_zeros = inner.expected, inner.is_zeros

    def start(self, index):
        self.hashed += 1
        return self._inner.start(index)

    def matches(self, index, parts):
        self.hashed += 1
        return self._inner.matches(index, parts)


def check(store, indices=None, buffer_size=64 * K):
    every = range(store.geometry.num_pieces)
    found = check_pieces(store, indices or every, memoryview(bytearray(buffer_size)))
    return found.good, found.bad, found.missing


def store_of(root, torrent, metainfo=None):
    return Store(root, metainfo or torrent.metainfo, FilePool(3))


@pytest.mark.parametrize("v1", [True, False])
@pytest.mark.parametrize("piece_length", [16 * K, 32 * K, 128 * K])
@pytest.mark.parametrize("buffer_size", [16 * K, 40 * K, 256 * K])
def test_a_whole_torrent_is_good(tmp_path, v1, piece_length, buffer_size):
    torrent = StoredTorrent(SIZES if v1 else [size for size in SIZES if isinstance(size, int)], piece_length, v1=v1)
    torrent.put_on_disk(tmp_path)
    every = list(range(torrent.geometry.num_pieces))
    assert check(store_of(tmp_path, torrent), buffer_size=buffer_size) == (every, [], [])


@pytest.mark.parametrize("piece_length", [16 * K, 128 * K])
def test_a_changed_byte_makes_its_piece_bad(tmp_path, piece_length):
    torrent = StoredTorrent([300 * K], piece_length)
    torrent.put_on_disk(tmp_path)
    with open(tmp_path / "t" / "folder0" / "file0", "r+b") as file:
        file.seek(piece_length + 5)
        file.write(bytes([torrent.content[piece_length + 5] ^ 1]))
    good, bad, missing = check(store_of(tmp_path, torrent))
    assert (bad, missing) == ([1], [])
    assert len(good) == torrent.geometry.num_pieces - 1


def test_without_files_all_is_missing_and_nothing_is_hashed(tmp_path):
    torrent = StoredTorrent(SIZES, 32 * K)
    store = store_of(tmp_path, torrent)
    store.verifier = Counting(store.verifier)
    assert check(store) == ([], [], list(range(torrent.geometry.num_pieces)))
    assert store.verifier.hashed == 0


def test_pieces_behind_the_end_of_a_file_are_missing(tmp_path):
    torrent = StoredTorrent([320 * K], 32 * K)
    torrent.put_on_disk(tmp_path)
    os.truncate(tmp_path / "t" / "folder0" / "file0", 100 * K)
    assert check(store_of(tmp_path, torrent)) == ([0, 1, 2], [], [3, 4, 5, 6, 7, 8, 9])


def test_holes_are_missing_and_not_hashed(tmp_path):
    torrent = StoredTorrent([320 * K], 32 * K)
    torrent.put_on_disk(tmp_path)
    path = tmp_path / "t" / "folder0" / "file0"
    path.unlink()
    with open(path, "wb") as file:
        file.truncate(320 * K)
        file.seek(64 * K)
        file.write(torrent.piece(2))
    store = store_of(tmp_path, torrent)
    store.verifier = Counting(store.verifier)
    good, bad, missing = check(store)
    assert (good, bad) == ([2], [])
    assert len(missing) == 9
    assert store.verifier.hashed == 1


def test_a_piece_of_zeros_may_lie_in_a_hole(tmp_path):
    torrent = StoredTorrent([96 * K], 32 * K)
    digest = hashlib.sha1(bytes(32 * K)).digest()
    metainfo = torrent.metainfo._replace(piece_hashes_v1=digest * 3)
    (tmp_path / "t" / "folder0").mkdir(parents=True)
    path = tmp_path / "t" / "folder0" / "file0"
    path.touch()
    os.truncate(path, 64 * K)
    assert check(store_of(tmp_path, torrent, metainfo)) == ([0, 1], [], [2])


def test_a_piece_with_a_hole_in_it_is_missing_rather_than_bad(tmp_path):
    torrent = StoredTorrent([128 * K], 128 * K)
    path = tmp_path / "t" / "folder0" / "file0"
    path.parent.mkdir(parents=True)
    with open(path, "wb") as file:
        file.truncate(128 * K)
        file.seek(64 * K)
        file.write(torrent.content[64 * K :])
    assert check(store_of(tmp_path, torrent)) == ([], [], [0])


def test_a_missing_file_spoils_only_its_own_pieces(tmp_path):
    torrent = StoredTorrent([64 * K, 10 * K, 54 * K, 64 * K], 32 * K)
    torrent.put_on_disk(tmp_path)
    (tmp_path / "t" / "folder1" / "file1").unlink()
    assert check(store_of(tmp_path, torrent)) == ([0, 1, 3, 4, 5], [], [2])


def test_checking_creates_nothing(tmp_path):
    torrent = StoredTorrent(SIZES, 32 * K)
    check(store_of(tmp_path, torrent))
    assert list(tmp_path.iterdir()) == []


def test_only_the_pieces_asked_for_are_checked(tmp_path):
    torrent = StoredTorrent([320 * K], 32 * K)
    torrent.put_on_disk(tmp_path)
    assert check(store_of(tmp_path, torrent), range(3, 6)) == ([3, 4, 5], [], [])


def test_a_planted_link_is_an_error_not_a_bad_piece(tmp_path):
    torrent = StoredTorrent([64 * K], 32 * K)
    root = tmp_path / "root"
    (root / "t").mkdir(parents=True)
    (root / "t" / "folder0").symlink_to(tmp_path)
    with pytest.raises(Denied):
        check(store_of(root, torrent))


def test_coverage_tells_data_holes_and_ends_apart(tmp_path):
    torrent = StoredTorrent([256 * K, 64 * K], 32 * K)
    path = tmp_path / "t" / "folder0" / "file0"
    path.parent.mkdir(parents=True)
    with open(path, "wb") as file:
        file.truncate(200 * K)
        file.write(bytes([1]) * 64 * K)
    presence = Presence(store_of(tmp_path, torrent))
    assert presence.coverage(0, 64 * K) is Coverage.FULL
    assert presence.coverage(32 * K, 64 * K) is Coverage.HOLED
    assert presence.coverage(96 * K, 32 * K) is Coverage.EMPTY
    assert presence.coverage(192 * K, 32 * K) is Coverage.SHORT
    assert presence.coverage(256 * K, 32 * K) is Coverage.SHORT
    assert presence.coverage(0, 32 * K) is Coverage.FULL
