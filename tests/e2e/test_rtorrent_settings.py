"""Settings by their names in rTorrent, and what they do to connections, slots and trackers."""

from __future__ import annotations

import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.mini import INTERESTED, PROTOCOL, UNCHOKE, MiniSeed, message, receive_exactly
from tests.support.peers.program import wait_until
from tests.support.peers.rpcdaemon import PATIENCE_S, RpcDaemon
from tests.support.tools import require_tool

CHOKE = 0
SOON_S = 10.0                          # before calls end that are not answered
STILL_S = 2.0                          # longer than a swarm and the session take to agree on slots


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[RpcDaemon]:
    with RpcDaemon(tmp_path / "daemon") as running:
        yield running


class Taker:
    """A peer that is interested in a torrent and knows whether it is choked."""

    def __init__(self, daemon: RpcDaemon, sample: Sample, number: int) -> None:
        host, _, port = daemon.endpoint.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), PATIENCE_S)
        self.is_choked = True
        self._read = b""
        self.socket.sendall(PROTOCOL + bytes(8) + sample.info_hash + b"-XX0001-%012d" % number)
        receive_exactly(self.socket, 68)
        self.socket.sendall(message(INTERESTED))

    def __enter__(self) -> Taker:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def look(self) -> bool:
        """Read what has come; returns whether it is choked."""
        while select.select([self.socket], [], [], 0)[0]:
            data = self.socket.recv(1 << 16)
            assert data, "the link ended"
            self._read += data
        while len(self._read) >= 4:
            (length,) = struct.unpack_from(">I", self._read)
            if len(self._read) < 4 + length:
                break
            if length and self._read[4] in (CHOKE, UNCHOKE):
                self.is_choked = self._read[4] == CHOKE
            self._read = self._read[4 + length:]
        return self.is_choked


def socket_options(port: int) -> str:
    """What the kernel tells of the daemon's sockets that are connected to this port of a peer."""
    told = subprocess.run([require_tool("ss"), "-tnm", "--tos", "dst", f"127.0.0.1:{port}"], stdout=subprocess.PIPE,
                          check=True, text=True)
    return told.stdout


class Withholding(MiniSeed):
    """A seed that lets us ask and gives nothing."""

    def __init__(self, sample: Sample) -> None:
        super().__init__(sample)
        self.was_asked = threading.Event()

    def answer(self, link: socket.socket, index: int, begin: int, block: bytes) -> bool:
        self.was_asked.set()
        return True


def served(takers: list[Taker]) -> int:
    return sum(not taker.look() for taker in takers)


def test_all_torrents_together_send_to_as_many_as_there_are_slots_for_all(daemon: RpcDaemon, tmp_path: Path) -> None:
    samples = [make_sample(tmp_path, f"sample {number}", 300_000, 64 * KIB, seed=number) for number in range(3)]
    for sample in samples:
        daemon.ask("load.start", "", str(sample.torrent), f"d.directory.set={sample.folder}")
        daemon.wait_for(sample, 1, "complete")
    assert daemon.ask("throttle.max_uploads.global.set", "", 2) == 0
    assert daemon.ask("throttle.max_uploads.global", "") == daemon.ask("throttle.max_uploads.global._val", "") == 2
    takers = [Taker(daemon, sample, number) for number, sample in enumerate(samples * 2)]
    try:
        wait_until(lambda: served(takers) == 2, PATIENCE_S, "two that are served")
        time.sleep(STILL_S)
        assert served(takers) == 2
        daemon.ask("throttle.max_uploads.global.set", "", 0)
        wait_until(lambda: served(takers) == 6, PATIENCE_S, "all served")
        daemon.ask("throttle.global_up.max_rate.set_kb", "", 30)
        daemon.ask("throttle.max_uploads.div.set", "", 10)         # 30 KiB/s feed four
        wait_until(lambda: served(takers) == 4, PATIENCE_S, "four that are served")
    finally:
        for taker in takers:
            taker.close()


def test_connections_to_peers_have_the_buffers_and_the_type_of_service_that_were_set(
    daemon: RpcDaemon, tmp_path: Path
) -> None:
    sample = make_sample(tmp_path, "sample", 300_000, 64 * KIB)
    daemon.ask("load.start", "", str(sample.torrent), f"d.directory.set={sample.folder}")
    daemon.wait_for(sample, 1, "complete")
    for name, value in (("network.send_buffer.size", 20_000), ("network.receive_buffer.size", 30_000)):
        assert daemon.ask(f"{name}.set", "", value) == 0
        assert daemon.ask(name, "") == value
    daemon.ask("network.tos.set", "", "lowdelay")
    wait_until(lambda: _was_tuned(daemon, sample), PATIENCE_S, "other sockets")


def _was_tuned(daemon: RpcDaemon, sample: Sample) -> bool:
    """A setting is answered before the thread of new connections has heard of it."""
    with Taker(daemon, sample, 1) as taker:
        told = socket_options(taker.socket.getsockname()[1])
        return all(word in told for word in ("tb40000", "rb60000", "tos:0x10"))


def test_as_many_trackers_are_asked_at_a_time_as_is_said(daemon: RpcDaemon, tmp_path: Path) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(6)]
        daemon.ask("network.http.max_open.set", "", 2)
        assert daemon.ask("network.http.max_total_connections", "") == 2
        for number, listener in enumerate(silent):
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/announce"
            sample = make_sample(tmp_path, f"sample {number}", 20_000, 16 * KIB, seed=number, trackers=[url])
            daemon.ask("load.start", "", str(sample.torrent))

        def asked() -> int:
            return len(select.select(silent, [], [], 0)[0])

        wait_until(lambda: asked() == 2, PATIENCE_S, "the first two")
        time.sleep(STILL_S)
        assert asked() == 2
        daemon.ask("network.http.max_total_connections.set", "", 6)
        wait_until(lambda: asked() == 6, SOON_S, "the others")


def test_only_so_many_peers_of_a_torrent_are_asked_for_data(daemon: RpcDaemon, tmp_path: Path) -> None:
    sample = make_sample(tmp_path, "sample", 2 << 20, 64 * KIB)
    assert daemon.ask("throttle.max_downloads.set", "", 1) == daemon.ask("throttle.max_downloads", "") == 1
    with ExitStack() as stack:
        seeds = [stack.enter_context(Withholding(sample)) for _ in range(3)]
        daemon.ask("load.start", "", str(sample.torrent))
        for seed in seeds:
            daemon.ask("add_peer", sample.info_hash.hex().upper(), seed.endpoint)
        wait_until(lambda: all(seed.links_seen for seed in seeds), PATIENCE_S, "all links")
        wait_until(lambda: any(seed.was_asked.is_set() for seed in seeds), PATIENCE_S, "requests")
        time.sleep(STILL_S)
        assert sum(seed.was_asked.is_set() for seed in seeds) == 1
        daemon.ask("throttle.max_downloads.global.set", "", 1)
        daemon.ask("throttle.max_downloads.set", "", 0)
        time.sleep(STILL_S)
        assert sum(seed.was_asked.is_set() for seed in seeds) == 1
        daemon.ask("throttle.max_downloads.global.set", "", 0)
        wait_until(lambda: all(seed.was_asked.is_set() for seed in seeds), SOON_S, "requests to all")
