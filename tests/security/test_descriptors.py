"""Memory and descriptors: 5,000 connections to the peer port of a daemon that may have 1,024 descriptors, and none of
them runs it out: whoever drives it is answered, and so is an honest peer in the end.
"""

from __future__ import annotations

import resource
import socket
import time
from pathlib import Path

import pytest

from blobtorrent.model.ids import PeerId
from blobtorrent.protocol.wire.greeting import Greeting, reserved_bits
from tests.support.payload import KIB, make_sample
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until

LIMIT = 1024
OFFERED = 5000
OPEN_AT_ONCE = 900                     # by the attacker, whose own limit this process has too
ANSWER_S = 5.0
GREETED_S = 30.0
MEMORY_BYTES = 60 << 20


@pytest.mark.slow
def test_five_thousand_connections_leave_descriptors_for_those_who_drive_it(tmp_path: Path) -> None:
    sample = make_sample(tmp_path / "sample", "content.bin", 96 * KIB, 16 * KIB)
    daemon = Daemon(tmp_path / "daemon")
    # Both limits: the daemon raises the one that it may.
    daemon._command = ["sh", "-c", f'ulimit -n {LIMIT}; exec "$0" "$@"', *daemon._command]
    with daemon:
        daemon.wait_ready()
        (daemon.downloads / "content.bin").write_bytes((sample.folder / "content.bin").read_bytes())
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent)})
        one = f"/v1/torrents/{sample.info_hash.hex()}"
        wait_until(lambda: daemon.call("GET", one)["state"] == "seeding", GREETED_S, "a seed")
        host, port = daemon.endpoint.rsplit(":", 1)
        before = daemon.rss_bytes()
        took_s = siege(daemon, (host, int(port)), greeting(sample.info_hash, 1))
        assert max(took_s) < ANSWER_S
        assert daemon.rss_bytes() - before < MEMORY_BYTES
        assert len(list(Path(f"/proc/{daemon.pid}/fd").iterdir())) < LIMIT
        wait_until(lambda: answers((host, int(port)), greeting(sample.info_hash, 2)), GREETED_S, "the honest peer")
    log = daemon.output()
    assert "EMFILE" not in log and "Too many open files" not in log
    assert "Traceback" not in log


def greeting(info_hash: bytes, number: int) -> bytes:
    return Greeting(reserved_bits(), info_hash, PeerId(number.to_bytes(20, "big"))).encode()


def siege(daemon: Daemon, place: tuple[str, int], hello: bytes) -> list[float]:
    """Offer all of them, from many addresses, some silent and some that greet; how long the daemon's answers take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * OPEN_AT_ONCE)), hard))
    open_ones: list[socket.socket] = []
    took_s: list[float] = []
    try:
        for number in range(OFFERED):
            sock = socket.socket()
            sock.setblocking(False)
            sock.bind((f"127.{1 + number % 50}.{1 + number // 250}.{1 + number % 250}", 0))
            sock.connect_ex(place)
            open_ones.append(sock)
            if number % 2:
                try:
                    sock.send(hello)
                except OSError:
                    pass
            if len(open_ones) >= OPEN_AT_ONCE:
                for old in open_ones[:100]:
                    old.close()
                del open_ones[:100]
            if number % 250 == 0:
                began_s = time.monotonic()
                assert daemon.call("GET", "/v1/health/live") == {"status": "ok"}
                assert daemon.call("GET", "/v1/torrents")["torrents"]
                took_s.append(time.monotonic() - began_s)
    finally:
        for sock in open_ones:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return took_s


def answers(place: tuple[str, int], hello: bytes) -> bool:
    """Whether a peer that greets is greeted."""
    try:
        with socket.create_connection(place, ANSWER_S, ("127.0.0.77", 0)) as sock:
            sock.settimeout(ANSWER_S)
            sock.sendall(hello)
            return sock.recv(20) == hello[:20]
    except OSError:
        return False
