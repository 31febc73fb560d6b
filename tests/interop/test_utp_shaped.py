"""uTP on a link that is shaped: it leaves the link to TCP, and uses it where nobody else does."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.namespace import NetworkNamespace
from tests.support.tools import require_tool

pytestmark = [pytest.mark.timeout(240), pytest.mark.alone]           # both need the processor to keep up with the link
OURS, THEIRS = "10.66.1.1", "10.66.2.1"
ROUTER = {OURS: "10.66.1.2", THEIRS: "10.66.2.2"}
RATE_BYTES_PER_S = 2_000_000
BUFFER_S = 0.4                         # of the shaper's queue: far more than uTP's target of 0.1
MEASURED_S = 12.0
_ALONE = ("--set", "dht.enabled=false", "--set", "lsd.enabled=false", "--set", "pex.enabled=false")
_BY_UTP = (*_ALONE, "--set", "tcp.enabled=false")


class ShapedLink:
    """Two namespaces and a router between them; what comes from the first waits there for a token bucket. On the
    sender's own machine TCP would see to it that little of it waits."""

    def __enter__(self) -> ShapedLink:
        self._stack = ExitStack()
        try:
            self.near, self.far, router = (self._stack.enter_context(NetworkNamespace()) for _ in range(3))
            for number, (space, address) in enumerate(((self.near, OURS), (self.far, THEIRS))):
                pids = [str(one._holder.pid) for one in (router, space)]
                subprocess.run(["ip", "link", "add", f"side{number}", "netns", pids[0], "type", "veth", "peer", "name",
                                "shaped0", "netns", pids[1]], check=True)
                self._in(router, "ip", "addr", "add", f"{ROUTER[address]}/24", "dev", f"side{number}")
                self._in(router, "ip", "link", "set", f"side{number}", "up")
                self._in(space, "ip", "addr", "add", f"{address}/24", "dev", "shaped0")
                self._in(space, "ip", "link", "set", "shaped0", "up")
                self._in(space, "ip", "route", "add", "default", "via", ROUTER[address])
                # BBR keeps queues short itself, so that there is nothing to yield to. This one fills them.
                self._in(space, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno")
            self._in(router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
            self._in(router, "tc", "qdisc", "add", "dev", "side1", "root", "tbf", "rate",
                     f"{RATE_BYTES_PER_S * 8}bit", "burst", "64kb", "latency", f"{BUFFER_S * 1000:.0f}ms")
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    @staticmethod
    def _in(space: NetworkNamespace, *words: str) -> None:
        subprocess.run([*space.prefix, *words], check=True)


@pytest.fixture
def link() -> Iterator[ShapedLink]:
    for tool in ("unshare", "ip", "tc"):
        require_tool(tool)
    made = ShapedLink()
    try:
        made.__enter__()
    except (PermissionError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no shaped link here: {error}")
    yield made
    made.__exit__()


def test_beside_tcp_utp_takes_little_and_alone_it_uses_the_link(link: ShapedLink, tmp_path: Path) -> None:
    sample = make_sample(tmp_path / "content", "utp", [("one.bin", 40 * MIB)], 256 * KIB)
    with ExitStack() as stack:
        leech = _begin(stack, link, sample, tmp_path / "leech")
        time.sleep(4.0)                # uTP has the link to itself first
        assert _received(leech) > RATE_BYTES_PER_S, "alone it did not use the link"
        greedy = stack.enter_context(GreedyTcp(link))
        time.sleep(4.0)
        before = {"utp": _received(leech), "tcp": greedy.received()}
        time.sleep(MEASURED_S)
        got = {"utp": _received(leech) - before["utp"], "tcp": greedy.received() - before["tcp"]}
    assert got["tcp"] > 0.6 * RATE_BYTES_PER_S * MEASURED_S, got
    assert got["utp"] < 0.35 * sum(got.values()), got


class GreedyTcp:
    """Sends as much as the link takes. Our own links would not do: they ask for no more than keeps queues short."""

    _SINK = """
import socket, sys, threading
server = socket.create_server((sys.argv[1], 5001))
print("up", flush=True)
link, total = server.accept()[0], 0
def take():
    global total
    while data := link.recv(1 << 16):
        total += len(data)
threading.Thread(target=take, daemon=True).start()
for _ in sys.stdin:
    print(total, flush=True)
"""
    _SOURCE = """
import socket, sys
link = socket.create_connection((sys.argv[1], 5001))
while True:
    link.sendall(bytes(1 << 16))
"""

    def __init__(self, link: ShapedLink) -> None:
        self._link = link

    def __enter__(self) -> GreedyTcp:
        self._sink = subprocess.Popen([*self._link.far.prefix, sys.executable, "-c", self._SINK, THEIRS],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._sink.stdout is not None and self._sink.stdout.readline() == "up\n"
        self._source = subprocess.Popen([*self._link.near.prefix, sys.executable, "-c", self._SOURCE, THEIRS])
        return self

    def received(self) -> int:
        assert self._sink.stdin is not None and self._sink.stdout is not None
        self._sink.stdin.write("\n")
        self._sink.stdin.flush()
        return int(self._sink.stdout.readline())

    def __exit__(self, *raised: object) -> None:
        for process in (self._source, self._sink):
            process.kill()
            process.communicate()


def _begin(stack: ExitStack, link: ShapedLink, sample: Sample, folder: Path) -> BlobTorrentGet:
    folder.mkdir()
    seed = stack.enter_context(BlobTorrentGet(
        Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash, (), OURS, link.near.prefix),
        options=_BY_UTP))
    return stack.enter_context(BlobTorrentGet(
        Job(Role.LEECH, sample.torrent, folder, sample.info_hash, (seed.endpoint,), THEIRS, link.far.prefix),
        options=_BY_UTP))


def _received(leech: BlobTorrentGet) -> int:
    """Bytes, by its last word."""
    with pytest.raises(TimeoutError):
        leech.wait_event("never", 0.1)
    return max((int(told.get("downloaded_bytes", 0)) for _, told in leech.events), default=0)
