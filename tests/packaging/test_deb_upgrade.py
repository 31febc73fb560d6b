"""What stays when the package is upgraded, removed and purged under a service that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.debs import NEXT_VERSION, Debs, install, next_release
from tests.support.machine import Machine, booted
from tests.support.serving import (
    ACTION_S,
    CONTENT_BYTES,
    HOME,
    RPC_SOCKET,
    SOCKET,
    TORRENTS,
    UNIT,
    begin_to_serve,
    bytes_read,
    call_rpc,
    remains,
    torrents_of,
    upgrade_under_service,
)

pytestmark = [pytest.mark.packages, pytest.mark.timeout(400)]


@pytest.fixture
def computer(installed: Path, tmp_path: Path) -> Iterator[Machine]:
    with booted(tmp_path / "machine", layers=[installed]) as running:
        begin_to_serve(running)
        yield running


def test_an_upgrade_keeps_every_torrent_and_reads_none_again(computer: Machine, debs: Debs, tmp_path: Path) -> None:
    before = torrents_of(computer)
    assert {state for _hash, state in before.values()} == {"seeding"} and set(before) == set(TORRENTS)
    assert bytes_read(computer) > len(TORRENTS) * CONTENT_BYTES, "it read them when they were added"
    package = next_release(debs.blobtorrent, tmp_path)
    computer.path(f"/tmp/{package.name}").write_bytes(package.read_bytes())
    upgrade_under_service(computer, "apt-get", "install", "--yes", f"/tmp/{package.name}")
    assert NEXT_VERSION in computer.run("blobtorrentd", "--version")
    assert torrents_of(computer) == before
    assert bytes_read(computer) < CONTENT_BYTES
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
    call_rpc(computer.path(RPC_SOCKET), "session.save")
    assert computer.path(f"{HOME}/rtorrent").exists()
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
