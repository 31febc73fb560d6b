"""Super-seeding (BEP 16) with real leechers: what leaves the seed until there is another one, next to an ordinary seed.

The leechers are libtorrent's, each in a session of its own in this process. They know each other and the seed.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop.test_fast_extension import LoggingPeer
from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import LOOPBACK, Job, Role
from tests.support.peers.program import wait_until

TIMEOUT_S = 120.0
PIECE = 64 * KIB
PIECES = 200
LEECHERS = 5
UP_BYTES_PER_S = 1500 * KIB            # of the seed: less than the leechers can pass on among themselves
MOST_COPIES = 1.15                     # of a torrent that leave the seed until the leechers have all of it


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path, "super.bin", PIECES * PIECE, PIECE)


def copies_sent(sample: Sample, tmp_path: Path, *options: str) -> float:
    """How often the seed sent the torrent, by what its peers got, when all leechers had all of it."""
    with ExitStack() as stack:
        seed = stack.enter_context(BlobTorrentGet(
            Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash),
            options=("--set", f"limits.up_bytes_per_s={UP_BYTES_PER_S}", "--set", "pex.enabled=false", *options)))
        peers: list[LoggingPeer] = []
        for number in range(LEECHERS):
            folder = tmp_path / f"leecher {number} {len(options)}"
            folder.mkdir()
            peers.append(stack.enter_context(LoggingPeer(sample, folder, is_seed=False, alert_mask=0)))
        for number, peer in enumerate(peers):
            for other in peers[:number]:
                peer.fetch_from(other.endpoint)
        for peer in peers:
            peer.fetch_from(seed.endpoint)
        sent = [0] * LEECHERS
        _, port = seed.endpoint.rsplit(":", 1)

        def all_have_it() -> bool:
            for number, peer in enumerate(peers):
                for info in peer.handle.get_peer_info():
                    if info.ip == (LOOPBACK, int(port)):
                        sent[number] = max(sent[number], info.total_download)
            return all(peer.handle.status().is_seeding for peer in peers)

        wait_until(all_have_it, TIMEOUT_S, "all leechers have everything")
        for number in range(LEECHERS):
            assert sample.differences(tmp_path / f"leecher {number} {len(options)}") == []
        return sum(sent) / (PIECES * PIECE)


def test_a_super_seed_sends_every_piece_about_once_and_an_ordinary_seed_more(sample: Sample, tmp_path: Path) -> None:
    as_super, ordinary = copies_sent(sample, tmp_path, "--super-seeding"), copies_sent(sample, tmp_path)
    assert 0.99 <= as_super <= MOST_COPIES
    assert as_super < ordinary
