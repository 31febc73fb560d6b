"""uTP on a link that is shaped: it leaves the link to TCP, and uses it where nobody else does."""

from __future__ import annotations

import subprocess
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
OURS, THEIRS = "10.66.0.1", "10.66.0.2"
RATE_BYTES_PER_S = 2_000_000
BUFFER_S = 0.4                         # of the shaper's queue: far more than uTP's target of 0.1
MEASURED_S = 12.0
_ALONE = ("--set", "dht.enabled=false", "--set", "lsd.enabled=false", "--set", "pex.enabled=false")
_BY = {"tcp": (*_ALONE, "--set", "utp.enabled=false"), "utp": (*_ALONE, "--set", "tcp.enabled=false")}


class ShapedLink:
    """Two namespaces and a link between them; what comes from the first goes through a token bucket."""

    def __enter__(self) -> ShapedLink:
        self._stack = ExitStack()
        try:
            self.near = self._stack.enter_context(NetworkNamespace())
            self.far = self._stack.enter_context(NetworkNamespace())
            pids = [str(space._holder.pid) for space in (self.near, self.far)]
            subprocess.run(["ip", "link", "add", "shaped0", "netns", pids[0], "type", "veth", "peer", "name", "shaped0",
                            "netns", pids[1]], check=True)
            for space, address in ((self.near, OURS), (self.far, THEIRS)):
                self._in(space, "ip", "addr", "add", f"{address}/24", "dev", "shaped0")
                self._in(space, "ip", "link", "set", "shaped0", "up")
                # BBR keeps queues short itself, so that there is nothing to yield to. This one fills them.
                self._in(space, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno")
            self._in(self.near, "tc", "qdisc", "add", "dev", "shaped0", "root", "tbf", "rate",
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
    samples = {}
    for name in ("tcp", "utp"):
        (tmp_path / name).mkdir()
        samples[name] = make_sample(tmp_path / name, name, [("one.bin", 40 * MIB)], 256 * KIB)
    with ExitStack() as stack:
        leeches = {}
        for name in ("utp", "tcp"):
            leeches[name] = _begin(stack, link, name, samples[name], tmp_path / name / "leech")
            time.sleep(4.0)            # uTP has the link to itself first
        before = {name: _received(leech) for name, leech in leeches.items()}
        assert before["utp"] > RATE_BYTES_PER_S, "alone it did not use the link"
        time.sleep(MEASURED_S)
        got = {name: _received(leech) - before[name] for name, leech in leeches.items()}
    assert got["tcp"] > 0.6 * RATE_BYTES_PER_S * MEASURED_S, got
    assert got["utp"] < 0.35 * sum(got.values()), got


def _begin(stack: ExitStack, link: ShapedLink, name: str, sample: Sample, folder: Path) -> BlobTorrentGet:
    folder.mkdir()
    seed = stack.enter_context(BlobTorrentGet(
        Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash, (), OURS, link.near.prefix),
        options=_BY[name]))
    return stack.enter_context(BlobTorrentGet(
        Job(Role.LEECH, sample.torrent, folder, sample.info_hash, (seed.endpoint,), THEIRS, link.far.prefix),
        options=_BY[name]))


def _received(leech: BlobTorrentGet) -> int:
    """Bytes, by its last word."""
    with pytest.raises(TimeoutError):
        leech.wait_event("never", 0.1)
    return max((int(told.get("downloaded_bytes", 0)) for _, told in leech.events), default=0)
