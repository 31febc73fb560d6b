import os
from unittest import mock

import pytest

from blobtorrent.model.errors import StorageError
from blobtorrent.storage.spaces import measure_space


def test_room_is_what_an_ordinary_user_may_still_write(tmp_path):
    numbers = [4096, 1024, 1000, 400, 300, 0, 0, 0, 0, 255]    # f_bsize, f_frsize, f_blocks, f_bfree, f_bavail, ...
    with mock.patch.object(os, "statvfs", return_value=os.statvfs_result(numbers)):
        assert measure_space(tmp_path) == (300 * 1024, 1000 * 1024)


def test_a_folder_that_is_not_there_yet_has_the_room_of_the_one_above(tmp_path):
    assert measure_space(tmp_path / "not" / "yet").total_bytes == measure_space(tmp_path).total_bytes


def test_a_filesystem_that_does_not_answer_is_told(tmp_path):
    with mock.patch.object(os, "statvfs", side_effect=OSError(5, "Input/output error")), \
            pytest.raises(StorageError) as caught:
        measure_space(tmp_path)
    assert caught.value.code == "storage.io"
