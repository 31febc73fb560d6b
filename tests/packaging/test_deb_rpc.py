"""The interface of rTorrent at the socket of the installed service, as front-ends such as Flood call it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machine import Machine, booted
from tests.support.serving import RPC_SOCKET, call_rpc

pytestmark = [pytest.mark.packages, pytest.mark.timeout(400)]

UNIT, SOCKET_UNIT = "blobtorrentd.service", "blobtorrentd-rpc.socket"
DOWNLOADS = "/var/lib/blobtorrent/Downloads"
CONTENT_BYTES = 1 << 20


@pytest.fixture
def computer(installed: Path, tmp_path: Path) -> Iterator[Machine]:
    """With the socket switched on, and a torrent that seeds."""
    with booted(tmp_path / "machine", layers=[installed]) as running:
        running.run("systemctl", "stop", UNIT)         # a socket does not start beside its running service
        running.run("systemctl", "enable", "--now", SOCKET_UNIT)
        running.run("systemctl", "start", UNIT)
        running.run("install", "--directory", "--owner=blobtorrent", "--group=blobtorrent", DOWNLOADS)
        running.run("runuser", "-u", "blobtorrent", "--", "dd", "if=/dev/urandom", f"of={DOWNLOADS}/data.bin",
                    f"bs={CONTENT_BYTES}", "count=1")
        running.run("blobtorrent", "create", f"{DOWNLOADS}/data.bin", "-o", "/tmp/data.torrent")
        running.run("blobtorrent", "add", "/tmp/data.torrent", "--wait", "--timeout", "60")
        yield running


def test_a_front_end_lists_the_torrents_also_after_a_kill(computer: Machine) -> None:
    path = computer.path(RPC_SOCKET)
    row = ["data.bin", CONTENT_BYTES, 1]
    columns = ("d.name=", "d.size_bytes=", "d.complete=")
    assert call_rpc(path, "d.multicall2", "", "main", *columns) == [row]
    several = [{"methodName": "system.client_version", "params": []}, {"methodName": "download_list", "params": []}]
    (version,), (hashes,) = call_rpc(path, "system.multicall", several)
    assert version and len(hashes) == 1
    computer.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", UNIT)
    assert call_rpc(path, "d.multicall2", "", "main", *columns[:2]) == [row[:2]]       # waited in the socket's queue
