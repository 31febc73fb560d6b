"""A private torrent whose tracker fails goes on with the peers of the next one (BEP 27)."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.messages import DropPeers
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import World

K = 1024


@pytest.mark.parametrize("seed", range(3))
def test_peers_of_the_former_tracker_are_left_and_those_of_the_next_bring_the_rest(seed: int) -> None:
    world = World(seed)
    torrent = StoredTorrent([1_000_000], 64 * K)
    former, other, leech = (world.node() for _ in range(3))
    former.open(torrent, have=True)
    other.open(torrent, have=True)
    leech.open(torrent, down_bytes_per_s=200_000)
    leech.find(torrent, [former.endpoint])
    world.run(2.0)
    assert len(leech.swarm(torrent).links) == 1
    leech.tell(DropPeers(torrent.metainfo.info_hash))
    world.run(30.0)
    assert not leech.swarm(torrent).links and not leech.has_all(torrent)
    leech.find(torrent, [other.endpoint])
    world.run_until_complete(torrent, [leech], 60.0)
    assert not former.swarm(torrent).links
    for node in (former, other, leech):
        node.close(torrent)
    world.end()
