"""The pid file: written, locked, removed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from blobtorrent.daemon.pidfile import PidFile, running_process
from blobtorrent.model.errors import Conflict, StorageError


def test_it_holds_our_number_while_it_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "run" / "daemon.pid"
    pid_file = PidFile(path)
    pid_file.take()
    assert path.read_text() == f"{os.getpid()}\n"
    pid_file.release()
    assert not path.exists()


def test_on_a_full_filesystem_it_is_taken_without_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "pwrite", refuse)
    path = tmp_path / "daemon.pid"
    first = PidFile(path)
    first.take()
    assert path.read_bytes() == b""
    with pytest.raises(Conflict):
        PidFile(path).take()
    first.release()
    assert not path.exists()


def test_folders_that_are_made_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        pid_file = PidFile(tmp_path / "state" / "run" / "daemon.pid")
        pid_file.take()
    finally:
        os.umask(before)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "run").stat().st_mode & 0o777 == 0o750
    pid_file.release()


def test_a_second_daemon_is_told_who_runs(tmp_path: Path) -> None:
    first, second = PidFile(tmp_path / "daemon.pid"), PidFile(tmp_path / "daemon.pid")
    first.take()
    with pytest.raises(Conflict, match=f"process {os.getpid()} is running already") as caught:
        second.take()
    assert caught.value.code == "service.running"
    second.release()
    assert (tmp_path / "daemon.pid").exists()
    first.release()
    second.take()
    second.release()


def test_what_a_killed_daemon_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "daemon.pid"
    path.write_text("99999999 and more\n")
    pid_file = PidFile(path)
    pid_file.take()
    assert path.read_text() == f"{os.getpid()}\n"
    pid_file.release()


def test_a_place_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="File exists|Not a directory"):
        PidFile(tmp_path / "file" / "daemon.pid").take()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "daemon.pid").symlink_to(tmp_path / "victim")
    with pytest.raises(StorageError):
        PidFile(tmp_path / "daemon.pid").take()
    assert not (tmp_path / "victim").exists()


def test_who_holds_it_can_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "daemon.pid"
    assert running_process(path) is None
    pid_file = PidFile(path)
    pid_file.take()
    assert running_process(path) == str(os.getpid())
    pid_file.release()
    path.write_text("1\n")             # of a killed process
    assert running_process(path) is None
