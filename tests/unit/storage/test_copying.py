import os
import random
from contextlib import contextmanager
from unittest import mock

import pytest

from blobtorrent.model.errors import StorageError
from blobtorrent.storage.copying import CHUNK_BYTES, are_equal, copy

K = 1024
MANY = 2 * CHUNK_BYTES + 5


class Stopped(Exception):
    pass


@contextmanager
def opened(*paths):
    descriptors = [os.open(path, os.O_RDWR | os.O_CREAT) for path in paths]
    try:
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def nobody(count):
    pass


def holed_file(path, size=40 * CHUNK_BYTES):
    """Bytes at 3 MiB and 17 MiB, and nothing else."""
    with open(path, "wb") as file:
        file.truncate(size)
        for at in (3 * CHUNK_BYTES, 17 * CHUNK_BYTES + 12288):
            file.seek(at)
            file.write(random.Random(at).randbytes(8 * K))


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, MANY])
def test_a_copy_has_the_same_bytes(tmp_path, size):
    (tmp_path / "a").write_bytes(random.Random(size).randbytes(size))
    told = []
    with opened(tmp_path / "a", tmp_path / "b") as (source, target):
        copy(source, target, told.append)
        assert are_equal(source, target, nobody)
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
    assert sum(told) == size


def test_holes_stay_holes(tmp_path):
    holed_file(tmp_path / "a")
    with opened(tmp_path / "a", tmp_path / "b") as (source, target):
        copy(source, target, nobody)
        assert are_equal(source, target, nobody)
    assert (tmp_path / "b").stat().st_blocks * 512 <= 64 * K


def test_what_an_earlier_attempt_copied_is_not_written_again(tmp_path):
    (tmp_path / "a").write_bytes(random.Random(1).randbytes(MANY))

    def stop(count):
        raise Stopped

    with opened(tmp_path / "a", tmp_path / "b") as (source, target):
        with pytest.raises(Stopped):
            copy(source, target, stop)
        written = []
        real = os.pwrite
        with mock.patch.object(os, "pwrite", lambda *args: written.append(args[2]) or real(*args)):
            copy(source, target, nobody)
    assert written == [CHUNK_BYTES, 2 * CHUNK_BYTES]
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()


@pytest.mark.parametrize("leftover", [b"", b"x" * 10, b"x" * MANY, b"x" * (MANY + 100)])
def test_leftovers_that_are_wrong_are_put_right(tmp_path, leftover):
    (tmp_path / "a").write_bytes(random.Random(1).randbytes(MANY))
    (tmp_path / "b").write_bytes(leftover)
    with opened(tmp_path / "a", tmp_path / "b") as (source, target):
        copy(source, target, nobody)
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()


def test_leftovers_in_a_hole_are_noticed(tmp_path):
    holed_file(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"x" * (8 * CHUNK_BYTES))
    with opened(tmp_path / "a", tmp_path / "b") as (source, target), pytest.raises(StorageError) as caught:
        copy(source, target, nobody)
    assert caught.value.code == "storage.copy-differs"


def test_a_disk_that_gives_back_something_else_is_noticed(tmp_path):
    (tmp_path / "a").write_bytes(random.Random(1).randbytes(MANY))
    real = os.pwrite

    def bad_write(file, data, offset):
        return real(file, bytes(data)[:-1] + bytes([data[-1] ^ 1]), offset)

    with opened(tmp_path / "a", tmp_path / "b") as (source, target), mock.patch.object(os, "pwrite", bad_write), \
            pytest.raises(StorageError) as caught:
        copy(source, target, nobody)
    assert caught.value.code == "storage.copy-differs"


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x",
                                    lambda data: data[:-1] + bytes([data[-1] ^ 1])])
def test_files_that_differ_are_not_equal(tmp_path, change):
    data = random.Random(1).randbytes(MANY)
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "b").write_bytes(change(data))
    with opened(tmp_path / "a", tmp_path / "b") as (one, other):
        assert not are_equal(one, other, nobody)
