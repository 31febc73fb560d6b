"""What stays when the rpm package is upgraded and erased under a service that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machine import Machine, booted
from tests.support.release import Release
from tests.support.rpms import NEXT_VERSION, Rpms, dnf, next_release, offer, system_of
from tests.support.serving import (
    ACTION_S,
    CONTENT_BYTES,
    HOME,
    SOCKET,
    TORRENTS,
    UNIT,
    begin_to_serve,
    bytes_read,
    remains,
    torrents_of,
    upgrade_under_service,
)

pytestmark = [pytest.mark.packages, pytest.mark.timeout(400)]

SETTINGS = "/etc/blobtorrent/blobtorrent.toml"
PRIVATE = "/usr/share/blobtorrent"
PACKAGES = "/srv/packages"


@pytest.fixture
def computer(rpm_installed: Path, tmp_path: Path) -> Iterator[Machine]:
    with booted(tmp_path / "machine", layers=[rpm_installed]) as running:
        running.run("systemctl", "enable", "--now", UNIT)
        begin_to_serve(running)
        yield running


def change_settings(machine: Machine) -> str:
    settings = machine.path(SETTINGS)
    settings.write_text(f"{settings.read_text()}# Mine.\n")
    return settings.read_text()


def test_an_upgrade_keeps_every_torrent_and_reads_none_again(
    computer: Machine, rpms: Rpms, release: Release, tmp_path: Path
) -> None:
    before = torrents_of(computer)
    assert {state for _hash, state in before.values()} == {"seeding"} and set(before) == set(TORRENTS)
    assert bytes_read(computer) > len(TORRENTS) * CONTENT_BYTES, "it read them when they were added"
    settings = change_settings(computer)
    following = next_release(tmp_path / "next", release.unpack(tmp_path))
    offer(computer, tmp_path / "repository",
          [rpms.binary, following.binary, system_of(computer, tmp_path / "system")])

    upgrade_under_service(computer, *dnf("upgrade"))

    assert NEXT_VERSION in computer.run("blobtorrentd", "--version")
    assert torrents_of(computer) == before
    assert bytes_read(computer) < CONTENT_BYTES
    assert "77" in computer.run("blobtorrent", "settings", "network.max_peers")
    assert computer.path(SETTINGS).read_text() == settings
    assert "# Of the next release." in computer.path(f"{SETTINGS}.rpmnew").read_text()
    assert computer.try_("rpm", "--verify", "blobtorrent").stdout.split() == ["S.5....T.", "c", SETTINGS]


def test_erased_it_leaves_what_is_the_users(computer: Machine) -> None:
    settings = change_settings(computer)
    computer.run(*dnf("remove", "blobtorrent"), timeout_s=ACTION_S)
    assert computer.try_("pgrep", "--full", "blobtorrentd").returncode == 1
    assert not computer.path(SOCKET).exists()
    for name in TORRENTS:
        assert computer.path(f"{HOME}/Downloads/{name}").stat().st_size == CONTENT_BYTES
    assert computer.path(f"{SETTINGS}.rpmsave").read_text() == settings
    left = [name for name in remains(computer) if not name.startswith((HOME, PACKAGES))]
    assert left == ["/etc/blobtorrent", f"{SETTINGS}.rpmsave"]
    kept = computer.run("find", "/etc/blobtorrent", "-type", "f").split()
    assert sorted(kept) == [f"{SETTINGS}.rpmsave", "/etc/blobtorrent/conf.d/own.toml",
                            "/etc/blobtorrent/instances/second.toml"]
    assert computer.run("systemctl", "is-system-running").strip() == "running"


def test_installed_again_it_goes_on(computer: Machine) -> None:
    before = torrents_of(computer)
    computer.run(*dnf("remove", "blobtorrent"), timeout_s=ACTION_S)
    computer.run(*dnf("install", "blobtorrent"), timeout_s=ACTION_S)
    computer.run("systemctl", "enable", "--now", UNIT)
    assert torrents_of(computer) == before
    assert bytes_read(computer) < CONTENT_BYTES
