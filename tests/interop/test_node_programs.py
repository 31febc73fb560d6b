"""The tracker and the DHT that WebTorrent's users run, from the packages of Node.js."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.payload import KIB, MIB, Sample, make_sample, with_tracker
from tests.support.peers.blobtorrent import BlobTorrentGet, run
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.nodejs import NodeRing, NodeTracker
from tests.support.peers.program import wait_until

COMPLETE_S = 60.0
ALONE_AS_DAEMON = ("--set", "lsd.enabled=false")
ALONE = (*ALONE_AS_DAEMON, "--listen", "127.0.0.1:0", "--quiet")
RING = 30


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path / "sample", "content.bin", 3 * MIB + 3, 256 * KIB)


@pytest.fixture(scope="module")
def ring() -> Iterator[NodeRing]:
    with NodeRing(RING) as ring:
        yield ring


def known(ring: NodeRing) -> tuple[str, str]:
    """The option that names two of its nodes."""
    return "--set", f"dht.bootstrap={list(ring.endpoints[:2])}"


@pytest.mark.parametrize("is_udp", [False, True], ids=["http", "udp"])
def test_two_of_us_find_each_other_by_bittorrent_tracker(sample: Sample, tmp_path: Path, *, is_udp: bool) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    with NodeTracker() as tracker:
        torrent = with_tracker(sample.torrent, tracker.udp_url if is_udp else tracker.url, tmp_path)
        with BlobTorrentGet(Job(Role.SEED, torrent, sample.folder, sample.info_hash)), \
                BlobTorrentGet(Job(Role.LEECH, torrent, folder, sample.info_hash)) as leech:
            leech.wait_complete(COMPLETE_S)
    assert sample.differences(folder) == []


def test_a_peer_that_bittorrent_dht_announces_is_found(ring: NodeRing, sample: Sample, tmp_path: Path) -> None:
    """The last of its nodes has the address that the seed listens at."""
    host = ring.endpoints[-1].rpartition(":")[0]
    with BlobTorrentGet(Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash, address=host)) as seed:
        ring.announce(sample.info_hash, int(seed.endpoint.rpartition(":")[2]))
        done = run("get", f"magnet:?xt=urn:btih:{sample.info_hash.hex()}", "--to", tmp_path, "--timeout", "60", *ALONE,
                   *known(ring))
    assert (done.returncode, done.stderr) == (0, "")
    assert sample.differences(tmp_path) == []


def test_what_we_announce_is_found_by_bittorrent_dht(ring: NodeRing, sample: Sample, tmp_path: Path) -> None:
    with Daemon(tmp_path / "ours", *ALONE_AS_DAEMON, *known(ring)) as daemon:
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), "download_dir": str(sample.folder)})
        wait_until(lambda: daemon.endpoint in ring.look_up(sample.info_hash), COMPLETE_S, "our announce", every_s=1.0)
