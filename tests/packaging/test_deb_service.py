"""The installed service on a machine that systemd has booted: its sandbox, its instances, and what it survives."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machine import Machine, booted
from tests.support.serving import PROBE_S, SOCKET, UNIT, exchange_between_instances

pytestmark = [pytest.mark.packages, pytest.mark.timeout(400)]

MAX_EXPOSURE = 13                      # tenths
ANSWER_S = 30.0


@pytest.fixture(scope="module")
def computer(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with booted(tmp_path_factory.mktemp("machine"), layers=[installed]) as running:
        running.run("useradd", "--groups", "blobtorrent", "member")
        running.run("useradd", "stranger")
        yield running


@pytest.fixture
def at_work(computer: Machine) -> Machine:
    """With a service that has not failed yet."""
    computer.run("systemctl", "restart", UNIT)
    return computer


def ask(path: Path, target: str, within_s: float = ANSWER_S) -> bytes:
    """The status line for a request over a UNIX socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(within_s)
        sock.connect(str(path))
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return sock.recv(4096).partition(b"\r\n")[0]


def process_status(machine: Machine, unit: str) -> dict[str, str]:
    text = machine.path(f"/proc/{machine.property(unit, 'MainPID')}/status").read_text()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def restarts(machine: Machine, unit: str) -> int:
    return int(machine.property(unit, "NRestarts"))


def wait_for_restart(machine: Machine, unit: str, before: int, within_s: float = ANSWER_S) -> None:
    deadline = time.monotonic() + within_s
    while restarts(machine, unit) == before or machine.property(unit, "ActiveState") != "active":
        assert time.monotonic() < deadline, machine.run("journalctl", "--no-pager", "--lines", "40")
        time.sleep(PROBE_S)


def test_it_runs_after_the_boot_and_everything_else_does_too(computer: Machine) -> None:
    assert computer.run("systemctl", "is-system-running").strip() == "running"
    assert computer.property(UNIT, "ActiveState") == "active"
    assert computer.property(UNIT, "StatusText").startswith("0 torrents")


def test_its_process_can_do_nothing_that_a_user_cannot(computer: Machine) -> None:
    status = process_status(computer, UNIT)
    account = computer.run("id", "--user", "blobtorrent").strip()
    assert status["Uid"].split() == [account] * 4 and account != "0"
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


@pytest.mark.parametrize("unit", [UNIT, "blobtorrentd@.service"])
def test_its_exposure_is_low(computer: Machine, unit: str) -> None:
    computer.run("systemd-analyze", "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", unit)


def test_its_units_are_understood(computer: Machine) -> None:
    computer.run("systemd-analyze", "verify", "--man=no", UNIT, "blobtorrentd.socket", "blobtorrentd@one.service",
                 "blobtorrentd@one.socket", "blobtorrentd-rpc.socket", "blobtorrentd-rpc@one.socket")


def test_members_of_its_group_drive_it_and_strangers_do_not(computer: Machine) -> None:
    assert "HASH" in computer.run("runuser", "-u", "member", "--", "blobtorrent", "list")
    refused = computer.try_("runuser", "-u", "stranger", "--", "blobtorrent", "list")
    assert refused.returncode == 1 and "rest.no-token" in refused.stderr


def test_two_instances_exchange_a_torrent(computer: Machine) -> None:
    exchange_between_instances(computer)


def test_a_reload_takes_new_settings_without_a_restart(at_work: Machine) -> None:
    drop_in = at_work.path("/etc/blobtorrent/conf.d/peers.toml")
    pid = at_work.property(UNIT, "MainPID")
    drop_in.write_text("[network]\nmax_peers = 77\n")
    at_work.run("systemctl", "reload", UNIT)
    at_work.wait_until("sh", "-c", "blobtorrent settings network.max_peers | grep --word-regexp 77")
    drop_in.unlink()
    assert at_work.property(UNIT, "MainPID") == pid


def test_settings_that_are_wrong_end_it_for_good(at_work: Machine) -> None:
    drop_in = at_work.path("/etc/blobtorrent/conf.d/wrong.toml")
    drop_in.write_text("[network]\nmax_peers = true\n")
    assert at_work.try_("systemctl", "restart", UNIT).returncode != 0
    time.sleep(3.0)                    # more than RestartSec=
    assert at_work.property(UNIT, "ExecMainStatus") == "78"
    assert at_work.property(UNIT, "ActiveState") == "failed"
    drop_in.unlink()


def test_who_connects_while_it_comes_back_from_a_kill_is_served(at_work: Machine) -> None:
    path = at_work.path(SOCKET)
    before = restarts(at_work, UNIT)
    assert ask(path, "/v1/health/ready") == b"HTTP/1.1 200 OK"
    at_work.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", UNIT)
    assert ask(path, "/v1/health/live") == b"HTTP/1.1 200 OK"          # waited in the socket's queue
    wait_for_restart(at_work, UNIT, before)


def test_no_connection_is_refused_during_a_restart(at_work: Machine) -> None:
    path = at_work.path(SOCKET)
    restart = at_work.start("systemctl", "restart", UNIT)
    tried = 0
    while restart.poll() is None:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            tried += 1
        time.sleep(PROBE_S)
    assert restart.stdout is not None
    restart.stdout.close()
    assert restart.returncode == 0 and tried > 1


def test_the_watchdog_ends_a_process_that_stands_still(at_work: Machine) -> None:
    drop_in = at_work.path(f"/run/systemd/system/{UNIT}.d/watchdog.conf")
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nWatchdogSec=2\n")
    at_work.run("systemctl", "daemon-reload")
    at_work.run("systemctl", "restart", UNIT)
    before, pid = restarts(at_work, UNIT), at_work.property(UNIT, "MainPID")
    time.sleep(5.0)                    # it feeds the watchdog while it runs
    assert at_work.property(UNIT, "MainPID") == pid
    at_work.run("kill", "-STOP", pid)
    wait_for_restart(at_work, UNIT, before)
    assert "watchdog" in at_work.run("journalctl", "--no-pager", "--unit", UNIT).lower()
    assert ask(at_work.path(SOCKET), "/v1/health/ready") == b"HTTP/1.1 200 OK"
