import os

import pytest

from blobtorrent.storage.stamps import FileStamp, compare, stamp_of


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
