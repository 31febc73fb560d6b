"""The interface of rTorrent at the socket of the installed service, as front-ends such as Flood call it."""

from __future__ import annotations

import socket
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.machine import Machine, booted

pytestmark = [pytest.mark.packages, pytest.mark.timeout(400)]

UNIT, SOCKET_UNIT = "blobtorrentd.service", "blobtorrentd-rpc.socket"
SOCKET = "/run/blobtorrent/rpc.sock"
DOWNLOADS = "/var/lib/blobtorrent/Downloads"
CONTENT_BYTES = 1 << 20
ANSWER_S = 30.0


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


def call(path: Path, method: str, *params: Any) -> Any:
    """One call as XML over SCGI."""
    body = xmlrpc.client.dumps(params, method).encode()
    fields = f"CONTENT_LENGTH\0{len(body)}\0SCGI\x001\0REQUEST_METHOD\0POST\0REQUEST_URI\0/RPC2\0".encode()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(ANSWER_S)
        sock.connect(str(path))
        sock.sendall(b"%d:%s,%s" % (len(fields), fields, body))
        answer = b"".join(iter(lambda: sock.recv(1 << 16), b""))
    (value,), _method = xmlrpc.client.loads(answer.partition(b"\r\n\r\n")[2])
    return value


def test_a_front_end_lists_the_torrents_also_after_a_kill(computer: Machine) -> None:
    path = computer.path(SOCKET)
    row = ["data.bin", CONTENT_BYTES, 1]
    columns = ("d.name=", "d.size_bytes=", "d.complete=")
    assert call(path, "d.multicall2", "", "main", *columns) == [row]
    several = [{"methodName": "system.client_version", "params": []}, {"methodName": "download_list", "params": []}]
    (version,), (hashes,) = call(path, "system.multicall", several)
    assert version and len(hashes) == 1
    computer.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", UNIT)
    assert call(path, "d.multicall2", "", "main", *columns[:2]) == [row[:2]]       # waited in the socket's queue
