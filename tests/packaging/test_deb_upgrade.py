"""What stays when the package is upgraded, removed and purged under a service that runs."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.debs import NEXT_VERSION, Debs, install, next_release
from tests.support.machine import Machine, booted

pytestmark = [pytest.mark.packages, pytest.mark.timeout(400)]

UNIT = "blobtorrentd.service"
SOCKET = "/run/blobtorrent/rest.sock"
HOME = "/var/lib/blobtorrent"
TORRENTS = ("one", "two")
CONTENT_MIB = 16
CONTENT_BYTES = CONTENT_MIB << 20
ACTION_S = 120.0
PROBE_S = 0.02


@pytest.fixture
def computer(installed: Path, tmp_path: Path) -> Iterator[Machine]:
    """With two torrents that seed, an instance beside, and a setting that the owner has changed."""
    with booted(tmp_path / "machine", layers=[installed]) as running:
        running.path("/etc/blobtorrent/conf.d/own.toml").write_text(
            "[network]\nmax_peers = 77\n[dht]\nenabled = false\n[lsd]\nenabled = false\n")
        running.path("/etc/blobtorrent/instances/second.toml").write_text(
            '[rest]\nlisten = ["unix:rest.sock"]\n[network]\nlisten = ["127.0.0.1:7001"]\n[dht]\nenabled = false\n')
        running.run("systemctl", "reload", UNIT)
        running.run("systemctl", "enable", "--now", "blobtorrentd@second")
        running.run("install", "--directory", "--owner=blobtorrent", "--group=blobtorrent", f"{HOME}/Downloads")
        for name in TORRENTS:
            running.run("runuser", "-u", "blobtorrent", "--", "dd", "if=/dev/urandom", f"of={HOME}/Downloads/{name}",
                        "bs=1M", f"count={CONTENT_MIB}")
            running.run("blobtorrent", "create", f"{HOME}/Downloads/{name}", "-o", f"/tmp/{name}.torrent")
        running.run("blobtorrent", "add", *(f"/tmp/{name}.torrent" for name in TORRENTS), "--wait", "--timeout", "60")
        yield running


def torrents_of(machine: Machine) -> dict[str, Any]:
    found = json.loads(machine.run("blobtorrent", "list", "--json"))["torrents"]
    return {torrent["name"]: (torrent["hash"], torrent["state"]) for torrent in found}


def bytes_read(machine: Machine) -> int:
    """What the daemon's process has read of files since it started."""
    text = machine.path(f"/proc/{machine.property(UNIT, 'MainPID')}/io").read_text()
    return int(text.partition("rchar: ")[2].split()[0])


def watch_socket(path: Path, while_runs: subprocess.Popen[str]) -> int:
    """Connect again and again while a command runs; how often. An attempt that is refused is an error."""
    tried = 0
    deadline = time.monotonic() + ACTION_S
    while while_runs.poll() is None:
        assert time.monotonic() < deadline
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            tried += 1
        time.sleep(PROBE_S)
    return tried


def remains(machine: Machine) -> list[str]:
    """Everything on the disk that has our name or belongs to our account."""
    found = machine.run("find", "/", "-xdev", "(", "-name", "*blobtorrent*", "-o", "-user", "blobtorrent", ")")
    return sorted(found.splitlines())


def test_an_upgrade_keeps_every_torrent_and_reads_none_again(computer: Machine, debs: Debs, tmp_path: Path) -> None:
    before = torrents_of(computer)
    assert {state for _hash, state in before.values()} == {"seeding"} and set(before) == set(TORRENTS)
    assert bytes_read(computer) > len(TORRENTS) * CONTENT_BYTES, "it read them when they were added"
    pids = [computer.property(unit, "MainPID") for unit in (UNIT, "blobtorrentd@second")]
    package = next_release(debs.blobtorrent, tmp_path)
    computer.path(f"/tmp/{package.name}").write_bytes(package.read_bytes())

    upgrade = computer.start("apt-get", "install", "--yes", f"/tmp/{package.name}")
    tried = watch_socket(computer.path(SOCKET), upgrade)
    assert upgrade.stdout is not None
    said = upgrade.stdout.read()
    upgrade.stdout.close()
    assert upgrade.returncode == 0, said
    assert tried > 1

    assert NEXT_VERSION in computer.run("blobtorrentd", "--version")
    assert torrents_of(computer) == before
    assert bytes_read(computer) < CONTENT_BYTES
    for unit, pid in zip((UNIT, "blobtorrentd@second"), pids):
        assert computer.property(unit, "ActiveState") == "active"
        assert computer.property(unit, "MainPID") != pid, f"{unit} still runs the old version"
    assert "77" in computer.run("blobtorrent", "settings", "network.max_peers")


def test_remove_ends_the_service_and_an_installation_later_goes_on(computer: Machine, debs: Debs) -> None:
    before = torrents_of(computer)
    computer.run("apt-get", "remove", "--yes", "blobtorrent", timeout_s=ACTION_S)
    assert computer.try_("pgrep", "--full", "blobtorrentd").returncode == 1
    assert not computer.path(SOCKET).exists()
    assert computer.property(UNIT, "LoadState") != "loaded"
    for name in TORRENTS:
        assert computer.path(f"{HOME}/Downloads/{name}").stat().st_size == CONTENT_BYTES
    install(computer, debs.blobtorrent)
    computer.wait_until("systemctl", "is-active", UNIT)
    assert torrents_of(computer) == before
    assert bytes_read(computer) < CONTENT_BYTES


def test_purge_leaves_nothing_but_what_is_the_users(computer: Machine) -> None:
    computer.run("apt-get", "purge", "--yes", "blobtorrent", timeout_s=ACTION_S)
    assert computer.try_("pgrep", "--full", "blobtorrentd").returncode == 1
    assert remains(computer) == sorted([
        "/etc/blobtorrent",            # with the settings that the package did not bring
        HOME, f"{HOME}/Downloads", *(f"{HOME}/Downloads/{name}" for name in TORRENTS),
    ])
    left = computer.run("find", "/etc/blobtorrent", "-type", "f").split()
    assert sorted(left) == ["/etc/blobtorrent/conf.d/own.toml", "/etc/blobtorrent/instances/second.toml"]
    assert computer.run("systemctl", "is-system-running").strip() == "running"
    assert computer.try_("find", "/etc/systemd", "/run/systemd/system", "-name", "*blobtorrent*").stdout == ""
