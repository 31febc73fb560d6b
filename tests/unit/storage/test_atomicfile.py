"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blobtorrent.model.errors import StorageError
from blobtorrent.storage.atomicfile import write_atomically


def test_a_file_is_written_and_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    (folder / "inside").mkdir(parents=True)
    with pytest.raises(StorageError):
        write_atomically(folder, b"a folder cannot be replaced by a file")
    assert list(tmp_path.iterdir()) == [folder]


def test_what_a_killed_process_of_the_same_number_left_is_not_in_the_way(tmp_path: Path) -> None:
    (tmp_path / f".f.{os.getpid()}.tmp").write_bytes(b"half")
    write_atomically(tmp_path / "f", b"whole")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"]


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        write_atomically(tmp_path / "no" / "f", b"")


def test_a_secret_is_readable_by_its_owner_alone_from_the_first_moment(tmp_path: Path) -> None:
    write_atomically(tmp_path / "key", b"secret", mode=0o600)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
