import errno
import os
import threading

import pytest

from blobtorrent.storage.filepool import FilePool, descriptor_share


class Folder:
    """Files of a folder by number, and a count of how often each was opened."""

    def __init__(self, path):
        self.path = path
        self.opened = []

    def opener(self, number):
        def open_file(writable):
            self.opened.append((number, writable))
            return os.open(self.path / str(number), os.O_RDWR | os.O_CREAT if writable else os.O_RDONLY)

        return open_file


@pytest.fixture
def folder(tmp_path):
    for number in range(10):
        (tmp_path / str(number)).write_bytes(b"x")
    return Folder(tmp_path)


def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def use(pool, folder, number, **options):
    file = pool.pin(("owner", number), folder.opener(number), **options)
    pool.unpin(file)
    return file


def test_a_file_in_use_again_is_not_opened_again(folder):
    pool = FilePool(4)
    assert use(pool, folder, 1) is use(pool, folder, 1)
    assert folder.opened == [(1, False)]


def test_how_often_files_were_opened_and_could_not_be_is_counted(folder):
    pool = FilePool(1)
    for number in (1, 1, 2):
        use(pool, folder, number)
    with pytest.raises(FileNotFoundError):
        use(pool, folder, 77)
    assert (pool.opened, pool.failed, len(pool)) == (2, 1, 1)


def test_the_least_recently_used_file_is_closed_first(folder):
    pool = FilePool(2)
    first, second = use(pool, folder, 1), use(pool, folder, 2)
    use(pool, folder, 1)
    use(pool, folder, 3)
    assert is_open(first.descriptor)
    assert not is_open(second.descriptor)
    assert len(pool) == 2


def test_a_pinned_file_is_never_closed_for_others(folder):
    pool = FilePool(1)
    pinned = pool.pin(("owner", 0), folder.opener(0))
    for number in range(1, 6):
        use(pool, folder, number)
    assert os.pread(pinned.descriptor, 1, 0) == b"x"
    assert len(pool) == 1


def test_more_pins_than_the_limit_are_granted_and_closed_later(folder):
    pool = FilePool(2)
    pinned = [pool.pin(("owner", number), folder.opener(number)) for number in range(5)]
    assert len(pool) == 5
    for file in pinned:
        pool.unpin(file)
    assert len(pool) == 2


def test_a_file_open_for_reading_is_opened_again_for_writing(folder):
    pool = FilePool(4)
    reader = pool.pin(("owner", 1), folder.opener(1))
    writer = pool.pin(("owner", 1), folder.opener(1), writable=True)
    assert writer is not reader
    assert os.pread(reader.descriptor, 1, 0) == b"x"
    pool.unpin(reader)
    assert not is_open(reader.descriptor)
    pool.unpin(writer)
    assert use(pool, folder, 1) is writer


def test_closing_an_owner_closes_its_files_alone(folder):
    pool = FilePool(9)
    mine = use(pool, folder, 1)
    other = pool.pin(("other", 2), folder.opener(2))
    pool.unpin(other)
    pool.close_owner("owner")
    assert not is_open(mine.descriptor)
    assert is_open(other.descriptor)


def test_closing_an_owner_waits_for_the_last_pin(folder):
    pool = FilePool(9)
    file = pool.pin(("owner", 1), folder.opener(1))
    pool.close_owner("owner")
    assert is_open(file.descriptor)
    pool.unpin(file)
    assert not is_open(file.descriptor)
    assert len(pool) == 0


def test_a_kept_file_stays_until_its_owner_is_closed(folder):
    pool = FilePool(1)
    kept = use(pool, folder, 1, keep=True)
    for number in range(2, 6):
        use(pool, folder, number)
    assert is_open(kept.descriptor)
    pool.close_owner("owner")
    assert not is_open(kept.descriptor)


def test_without_descriptors_idle_files_are_closed_and_the_open_is_tried_again(folder):
    pool = FilePool(9)
    idle = use(pool, folder, 1)
    answers = [OSError(errno.EMFILE, "too many"), None]

    def opener(writable):
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return folder.opener(2)(writable)

    pool.unpin(pool.pin(("owner", 2), opener))
    assert idle.is_retired
    assert len(pool) == 1
    assert answers == []


def test_without_descriptors_and_idle_files_the_error_is_raised(folder):
    pool = FilePool(9)

    def opener(writable):
        raise OSError(errno.EMFILE, "too many")

    with pytest.raises(OSError, match="too many"):
        pool.pin(("owner", 1), opener)
    assert len(pool) == 0


def test_two_threads_that_open_a_file_at_once_share_one_descriptor(folder):
    pool = FilePool(9)
    meeting = threading.Barrier(2, timeout=10)
    got = []

    def opener(writable):
        meeting.wait()
        return folder.opener(1)(writable)

    def work():
        got.append(pool.pin(("owner", 1), opener, writable=True))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got[0] is got[1]
    assert got[0].pins == 2
    assert len(folder.opened) == 2


def test_the_share_of_descriptors_leaves_room_for_sockets():
    assert 16 <= descriptor_share() <= 8192


def test_another_limit_closes_at_once_what_is_too_much_and_not_in_use(folder):
    pool = FilePool(4)
    pinned = pool.pin(("owner", 0), folder.opener(0))
    idle = [use(pool, folder, number) for number in (1, 2, 3)]
    pool.apply(2)
    assert [is_open(file.descriptor) for file in (pinned, *idle)] == [True, False, False, True]
    pool.unpin(pinned)
    pool.apply(0)
    assert pool.limit == descriptor_share()
