"""What is counted as uploaded is what went into the socket, also of a batch that a peer's end cut off."""

from __future__ import annotations

import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from tests.support.payload import KIB, MIB, make_sample
from tests.support.peers.client import LOOPBACK
from tests.support.peers.measured import MeasuredPeer
from tests.support.peers.program import wait_until
from tests.support.peers.seedbox import Seedbox
from tests.support.tools import require_module

pytestmark = pytest.mark.interop

PATIENCE_S = 60.0
READ_BYTES = 6 * MIB                   # then the peer stops in the middle
HEADER_BYTES = 13
BLOCK_BYTES = 16 * KIB
MAX_TALK_BYTES = 4 * KIB               # handshakes and what goes with them


class Strait:
    """A way to a seed that is open for so many bytes: then nobody reads on, and what the seed writes piles up.

    A context; at its end the connection to the seed is reset.
    """

    def __init__(self, seed: str, limit: int) -> None:
        host, _, port = seed.rpartition(":")
        self._inner = socket.socket()
        self._inner.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)  # else all that was asked for finds room
        self._inner.connect((host, int(port)))
        self._inner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._listener = socket.create_server((LOOPBACK, 0))
        self._listener.settimeout(PATIENCE_S)
        self._limit = limit
        self._thread = threading.Thread(target=self._serve)
        self.read_bytes = 0

    def __enter__(self) -> Strait:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._thread.join()            # it ends when the peer does
        self._inner.close()

    def _serve(self) -> None:
        with self._listener, self._listener.accept()[0] as peer:
            back = threading.Thread(target=_pump, args=(peer, self._inner))
            back.start()
            while self.read_bytes < self._limit:
                data = self._inner.recv(min(1 << 16, self._limit - self.read_bytes))
                peer.sendall(data)
                self.read_bytes += len(data)
            back.join()

    @property
    def endpoint(self) -> str:
        return "{}:{}".format(*self._listener.getsockname())

    def written_bytes(self) -> int:
        """All that the seed has written to its socket: what was read here, and what lies in both sockets."""
        own, seed = self._inner.getsockname()[1], self._inner.getpeername()[1]
        return self.read_bytes + _queues(own, seed)[1] + _queues(seed, own)[0]


def _pump(source: socket.socket, target: socket.socket) -> None:
    while data := source.recv(1 << 16):
        target.sendall(data)


def _queues(local: int, remote: int) -> tuple[int, int]:
    """Bytes that wait to be sent and to be read, of the connection between these ports."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, _, queues, *_ = line.split()
        if (int(here.split(":")[1], 16), int(there.split(":")[1], 16)) == (local, remote):
            to_send, to_read = queues.split(":")
            return int(to_send, 16), int(to_read, 16)
    raise LookupError(f"no connection from port {local} to {remote}")


def test_bytes_of_a_peer_that_ends_in_the_middle_are_counted(tmp_path: Path) -> None:
    require_module("libtorrent")
    sample = make_sample(tmp_path, "sample.bin", 64 * MIB, MIB)
    (tmp_path / "leech").mkdir()
    with Seedbox(tmp_path / "box") as seedbox:
        seedbox.add(sample, download_dir=str(sample.folder))
        seedbox.wait_state(sample, "seeding")
        with Strait(seedbox.endpoint, READ_BYTES) as strait, MeasuredPeer(sample, folder=tmp_path / "leech") as leech:
            leech.dial(strait.endpoint)
            wait_until(lambda: strait.read_bytes == READ_BYTES, PATIENCE_S, "some of it")
            written = [0, strait.written_bytes()]
            while written[-1] != written[-2]:
                time.sleep(0.5)
                written.append(strait.written_bytes())
            received = leech.received_bytes
        talk = MAX_TALK_BYTES + written[-1] // BLOCK_BYTES * HEADER_BYTES
        seedbox.wait_until(sample, lambda status: status["uploaded_bytes"] >= written[-1] - talk, "the last figures")
        seedbox.wait_until(sample, lambda status: not status["peers_connected"], "the end of the link")
        assert 0 < received <= seedbox.status(sample)["uploaded_bytes"] <= written[-1]
