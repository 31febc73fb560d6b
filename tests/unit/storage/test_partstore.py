import os
import random

import pytest

from blobtorrent.model.errors import StorageError
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.partstore import PartStore

BLOCK = 16384


@pytest.fixture
def parts(tmp_path):
    pool = FilePool(4)
    yield PartStore(tmp_path, pool, "owner")
    pool.close_owner("owner")


def block(seed):
    return memoryview(random.Random(seed).randbytes(BLOCK))


def load(parts, index, first, count):
    views = [memoryview(bytearray(BLOCK)) for _ in range(count)]
    parts.load(index, first, views)
    return b"".join(views)


def test_blocks_come_back_as_they_were(parts):
    parts.save(7, [(2, block(2)), (3, block(3)), (9, block(9))])
    assert load(parts, 7, 2, 2) == bytes(block(2)) + bytes(block(3))
    assert load(parts, 7, 9, 1) == block(9)


def test_blocks_of_a_piece_may_come_in_several_goes(parts):
    parts.save(7, [(1, block(1))])
    parts.save(8, [(0, block(80))])
    parts.save(7, [(0, block(0))])
    assert load(parts, 7, 0, 2) == bytes(block(0)) + bytes(block(1))


def test_a_short_block_is_read_in_part(parts):
    parts.save(0, [(0, block(0))])
    view = memoryview(bytearray(100))
    parts.load(0, 0, [view])
    assert view == block(0)[:100]


def test_room_of_dropped_pieces_is_used_again(parts, tmp_path):
    for index in range(50):
        parts.save(index, [(number, block(number)) for number in range(4)])
        parts.drop(index)
    assert parts.num_blocks == 0
    parts.save(99, [(0, block(1))])
    assert load(parts, 99, 0, 1) == block(1)
    assert next(parts._fresh) == 4


def test_a_block_that_was_not_saved_is_an_error(parts):
    parts.save(1, [(0, block(0))])
    for index, number in ((1, 1), (2, 0)):
        with pytest.raises(StorageError) as caught:
            load(parts, index, number, 1)
        assert caught.value.code == "storage.parts-lost"


def test_no_name_is_left_in_the_folder(parts, tmp_path):
    parts.save(1, [(0, block(0))])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_an_error_and_keeps_nothing(tmp_path):
    parts = PartStore(tmp_path / "gone", FilePool(4), "owner")
    with pytest.raises(StorageError):
        parts.save(1, [(0, block(0))])
    assert parts.num_blocks == 0


def test_the_file_stays_open_when_the_pool_is_crowded(tmp_path):
    pool = FilePool(1)
    parts = PartStore(tmp_path, pool, "owner")
    parts.save(1, [(0, block(5))])
    for number in range(4):
        name = str(tmp_path / str(number))
        pool.unpin(pool.pin(("other", number), lambda _, name=name: os.open(name, os.O_RDWR | os.O_CREAT)))
    assert load(parts, 1, 0, 1) == block(5)
    pool.close_owner("owner")
    pool.close_owner("other")
