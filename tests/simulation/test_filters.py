"""A filter that comes while swarms run."""

from __future__ import annotations

import pytest

from blobtorrent.network.messages import UseFilter
from tests.support.filters import filter_of
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import World


@pytest.fixture
def world():
    world = World(3)
    yield world
    world.end()


def test_linked_peers_are_dropped_when_a_new_list_bans_them_and_come_back_when_it_is_gone(world):
    torrent = StoredTorrent([400_000], 1 << 14)
    seed, leech = world.node(), world.node()
    seed.open(torrent, have=True)
    leech.open(torrent, may_download=False)
    leech.find(torrent, [seed.endpoint])
    info_hash = torrent.metainfo.info_hash

    def links() -> int:
        return leech.latest[info_hash].links if info_hash in leech.latest else 0

    world.run_until(lambda: links() == 1, 10.0, "the link")
    leech.tell(UseFilter(filter_of(seed.endpoint.host)))
    world.run_until(lambda: links() == 0, 5.0, "the end of the link")
    world.run(60.0)
    assert links() == 0
    assert leech.host.gate.hits["list"] > 0
    leech.tell(UseFilter(None))
    leech.find(torrent, [seed.endpoint])
    world.run_until(lambda: links() == 1, 60.0, "the link again")


def test_a_download_completes_from_those_that_are_left(world):
    torrent = StoredTorrent([1_500_000], 1 << 15)
    bad, good, leech = world.node(), world.node(), world.node()
    for node in (bad, good):
        node.open(torrent, have=True)
    leech.open(torrent)
    leech.find(torrent, [bad.endpoint, good.endpoint])
    world.run(0.2)
    leech.tell(UseFilter(filter_of(bad.endpoint.host)))
    world.run_until_complete(torrent, [leech], 60.0)
    world.run(1.0)
    assert good.latest[torrent.metainfo.info_hash].uploaded_bytes > 0
