"""The lock of the session folder."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from blobtorrent.interface.rtorrent.session.sessionlock import NAME, SessionLock

STARTED_AT = 1_700_000_000.0


@pytest.fixture
def dead() -> int:
    """The number of a process that is gone."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def holder(number: int, host: str = "") -> str:
    return f"{host or socket.gethostname()}:+{number}"


def test_it_says_who_we_are_and_since_when_and_is_gone_at_the_end(tmp_path: Path) -> None:
    lock, file = SessionLock(), tmp_path / "a" / "session" / NAME
    assert lock.take(f"{file.parent}/", STARTED_AT)
    assert file.read_text() == holder(os.getpid())
    assert (file.stat().st_mode & 0o777, file.stat().st_mtime) == (0o444, STARTED_AT)
    lock.release()
    assert not file.exists()


def test_one_that_a_killed_process_left_is_replaced(tmp_path: Path, dead: int) -> None:
    file = tmp_path / NAME
    file.write_text(holder(dead))
    assert SessionLock().take(str(tmp_path), STARTED_AT)
    assert file.read_text() == holder(os.getpid())


@pytest.mark.parametrize("text", [holder(os.getppid()), holder(1, "elsewhere")])
def test_that_of_another_who_may_be_there_stays(tmp_path: Path, text: str) -> None:
    lock, file = SessionLock(), tmp_path / NAME
    file.write_text(text)
    assert not lock.take(str(tmp_path), STARTED_AT)
    lock.release()
    assert file.read_text() == text


def test_what_somebody_put_in_its_place_is_left_alone(tmp_path: Path) -> None:
    lock, file = SessionLock(), tmp_path / NAME
    lock.take(str(tmp_path), STARTED_AT)
    file.unlink()
    file.write_text(holder(1, "elsewhere"))
    lock.release()
    assert file.exists()


def test_a_folder_that_cannot_be_made_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not SessionLock().take(str(tmp_path / "file" / "session"), STARTED_AT)
