"""The init script of the installed package where no systemd runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machine import Machine, machine

pytestmark = [pytest.mark.packages, pytest.mark.timeout(400)]

SCRIPT = "/etc/init.d/blobtorrentd"
RUNS, DEAD_WITH_PID_FILE, STOPPED = 0, 1, 3            # of the LSB, for status


@pytest.fixture
def computer(installed: Path, tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path / "machine", layers=[installed]) as running:
        yield running


def status(computer: Machine) -> int:
    return computer.try_(SCRIPT, "status").returncode


def processes(computer: Machine) -> list[str]:
    return computer.try_("pgrep", "--exact", "blobtorrentd").stdout.split()


def test_it_starts_one_daemon_and_ends_it(computer: Machine) -> None:
    assert status(computer) == STOPPED
    computer.run(SCRIPT, "start")
    assert status(computer) == RUNS
    first = processes(computer)
    assert len(first) == 1
    assert computer.run("ps", "-o", "uid=", "-p", first[0]).strip() == computer.run("id", "-u", "blobtorrent").strip()
    assert "HASH" in computer.run("blobtorrent", "list")

    computer.run(SCRIPT, "start")
    assert processes(computer) == first

    computer.run(SCRIPT, "stop")
    assert (status(computer), processes(computer)) == (STOPPED, [])
    computer.run(SCRIPT, "stop")


def test_a_restart_makes_another_process_and_a_reload_does_not(computer: Machine) -> None:
    computer.run(SCRIPT, "start")
    first = processes(computer)
    computer.run(SCRIPT, "reload")
    assert processes(computer) == first
    computer.run(SCRIPT, "restart")
    assert len(processes(computer)) == 1 and processes(computer) != first
    computer.run(SCRIPT, "stop")


def test_it_tells_of_a_daemon_that_died_and_starts_another(computer: Machine) -> None:
    computer.run(SCRIPT, "start")
    computer.run("pkill", "-KILL", "--exact", "blobtorrentd")
    computer.wait_until("sh", "-c", "! pgrep --exact blobtorrentd")
    assert status(computer) == DEAD_WITH_PID_FILE
    computer.run(SCRIPT, "start")
    assert status(computer) == RUNS
    computer.run(SCRIPT, "stop")


def test_its_log_is_rotated(computer: Machine) -> None:
    computer.run(SCRIPT, "start")
    logs = computer.path("/var/log/blobtorrent")
    assert "ready" in (logs / "blobtorrentd.log").read_text()
    computer.run("logrotate", "--force", "/etc/logrotate.d/blobtorrentd")
    assert "ready" in (logs / "blobtorrentd.log.1").read_text()
    assert "ready" not in (logs / "blobtorrentd.log").read_text()
    computer.run(SCRIPT, "stop")
    assert (logs / "blobtorrentd.log").stat().st_size > 0, "it still writes to the old file"
