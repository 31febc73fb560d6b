"""What a service manager hands over to `blobtorrentd`: listening sockets, and a secret."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.peers.daemon import Daemon, UnixConnection

TIMEOUT_S = 60.0
TOKEN = "a-token-of-the-service-manager"

# As systemd does it: the sockets are the descriptors from 3 on, and the variables name the process that is meant.
_HAND_OVER = """
import fcntl, os, sys
count = sys.argv.index("--") - 1
high = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 100) for word in sys.argv[1 : count + 1]]
for number, descriptor in enumerate(high):
    os.dup2(descriptor, 3 + number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(count)}
os.execv(sys.executable, [sys.executable, *sys.argv[count + 3 :]])
"""


class ActivatedDaemon(Daemon):
    """A daemon that is given these sockets, under the name "rest"."""

    def __init__(self, folder: Path, *words: str, sockets: list[socket.socket], environ: dict[str, str]) -> None:
        super().__init__(folder, *words, environ={
            "LISTEN_FDNAMES": ":".join("rest" for _ in sockets), **environ})
        descriptors = [sock.fileno() for sock in sockets]
        self._command = [sys.executable, "-c", _HAND_OVER, *map(str, descriptors), "--", *self._command]
        self._options["pass_fds"] = descriptors


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """What a socket unit has opened."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "rest.sock"))
        sock.listen()
        yield sock


def test_a_kill_refuses_no_client_of_the_socket_that_was_handed_over(
    tmp_path: Path, listener: socket.socket
) -> None:
    place = str(tmp_path / "rest.sock")
    words = "--set", f"rest.listen=['unix:{place}']"
    with ActivatedDaemon(tmp_path / "daemon", *words, sockets=[listener], environ={}) as daemon:
        assert ask(place, "/v1/health/ready") == (200, {"status": "ok", "reasons": []})
        daemon.send_signal(signal.SIGKILL)
        daemon.wait(TIMEOUT_S)
        early = UnixConnection(Path(place))
        early.request("GET", "/v1/health/live")            # nobody is there to take it yet
    with ActivatedDaemon(tmp_path / "daemon", *words, sockets=[listener], environ={}):
        assert early.getresponse().status == 200
        early.close()
    assert Path(place).is_socket(), "it is the service manager's to remove"


def test_what_is_handed_over_comes_to_the_places_of_the_settings(tmp_path: Path, listener: socket.socket) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "blobtorrent.admin-token").write_text(f"{TOKEN}\n")
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    with ActivatedDaemon(tmp_path / "daemon", sockets=[listener], environ=environ) as daemon:
        assert ask(str(tmp_path / "rest.sock"), "/v1/session")[0] == 200
        assert daemon.call("GET", "/v1/health/ready")["status"] == "ok"        # in the runtime directory
        (address,) = [line.rpartition("=")[2] for line in daemon.output().splitlines() if "address=127.0.0.1:" in line]
        for token, status in ((TOKEN, 200), ("another", 401)):
            connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
            connection.request("GET", "/v1/session", headers={"Authorization": f"Bearer {token}"})
            assert connection.getresponse().status == status
            connection.close()
        (credentials / "blobtorrent.admin-token").write_text("the-next-one-of-them\n")
        os.kill(daemon.pid, signal.SIGHUP)
        daemon.wait_logged("settings reloaded")
        connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
        connection.request("GET", "/v1/session", headers={"Authorization": f"Bearer {TOKEN}"})
        assert connection.getresponse().status == 401
        connection.close()
    assert not (daemon.state / "admin.token").exists()


def ask(place: str, path: str) -> tuple[int, Any]:
    connection = UnixConnection(Path(place))
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.load(response)
    finally:
        connection.close()
