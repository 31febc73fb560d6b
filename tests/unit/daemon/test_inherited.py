"""Sockets handed over by the service manager: tried in a child, since their descriptors have fixed numbers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from blobtorrent.config.values import HttpsSpec, ListenSpec
from blobtorrent.daemon.inherited import close_unserved, inherited_sockets, unopened
from blobtorrent.runtime.logs import fields_of

CHILD = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
from blobtorrent.daemon.inherited import inherited_sockets
sockets = inherited_sockets(os.environ)
print(sorted((name, [sock.getsockname() for sock in group]) for name, group in sockets.items()))
print([variable for variable in os.environ if variable.startswith("LISTEN_")])
print(any(os.get_inheritable(sock.fileno()) for group in sockets.values() for sock in group))
"""


def test_sockets_are_found_by_name_and_not_passed_on(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        paths = [str(tmp_path / name) for name in ("a", "b")]
        for listener, path in zip((first, second), paths):
            listener.bind(path)
            listener.listen()

        def hand_over() -> None:
            high = [os.dup2(sock.fileno(), 100 + number) for number, sock in enumerate((first, second))]
            for number, descriptor in enumerate(high):
                os.dup2(descriptor, 3 + number)

        ran = subprocess.run(
            [sys.executable, "-c", CHILD], preexec_fn=hand_over, close_fds=False, capture_output=True, text=True,
            check=True, env={**os.environ, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "rest"},
            cwd=Path(__file__).parents[3],
        )
    assert ran.stdout.splitlines() == [f"[('rest', ['{paths[0]}']), ('unknown', ['{paths[1]}'])]", "[]", "False"]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"},
    ],
)
def test_what_is_for_another_process_is_not_ours(environ: dict[str, str]) -> None:
    assert inherited_sockets(environ) == {}
    assert environ == {}


def test_a_socket_that_nobody_serves_is_closed_and_told(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as served, socket.socket() as unserved:
        close_unserved({"rest": [served], "blobtorrentd.socket": [unserved]}, {"rest"})
        assert served.fileno() >= 0
        assert unserved.fileno() == -1
    (record,) = caplog.records
    assert "nobody serves" in record.message
    assert fields_of(record) == {"name": "blobtorrentd.socket"}


def test_places_of_the_settings_that_are_open_already_are_left_to_the_service_manager(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as local, socket.socket() as remote:
        local.bind(str(tmp_path / "rest.sock"))
        remote.bind(("127.0.0.1", 0))
        port = remote.getsockname()[1]
        exactly = range(port, port + 1)
        others = [
            tmp_path / "other.sock", ListenSpec("127.0.0.2", exactly),
            ListenSpec("127.0.0.1", range(port + 1, port + 2)), HttpsSpec(ListenSpec("127.0.0.1", exactly)),
        ]
        opened = [
            tmp_path / "rest.sock", ListenSpec("127.0.0.1", exactly),
            ListenSpec("localhost", range(port - 1, port + 2)),
        ]
        assert unopened([*opened, *others], [local, remote]) == others
        assert unopened([*opened, *others], []) == [*opened, *others]
