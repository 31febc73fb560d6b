"""The disk fails for a while: nothing verified is lost, and the swarm finds its way back."""

from __future__ import annotations

import pytest

from tests.support.simpeers import Manners
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import World

K = 1024


@pytest.fixture(params=range(3))
def world(request):
    return World(request.param)


def test_while_the_disk_refuses_nothing_is_asked_for_and_afterwards_all_is_well(world):
    torrent = StoredTorrent([4_000_000], 64 * K)
    node, peer = world.node(128), world.seed_peer(torrent, Manners(bytes_per_s=1e6))
    node.open(torrent)
    node.find(torrent, [peer.endpoint])
    world.run(1.0)
    node.disk.refuses_writes = True
    world.run(3.0)
    report = node.latest[torrent.metainfo.info_hash]
    assert (report.state, report.error_code) == ("starved", "storage.disk-full")
    asked = len(peer.requested)
    world.run(10.0)
    assert len(peer.requested) == asked
    node.disk.refuses_writes = False
    world.run_until_complete(torrent, [node], 30.0)
    report = node.latest[torrent.metainfo.info_hash]
    assert (report.state, report.error_code) == ("seeding", "")
    assert report.wasted_bytes == 0, "what was verified was kept and written later"
    world.end()


def test_a_swarm_that_is_starved_can_be_closed(world):
    torrent = StoredTorrent([2_000_000], 64 * K)
    node = world.node(128)
    node.open(torrent)
    node.disk.refuses_writes = True
    node.find(torrent, [world.seed_peer(torrent).endpoint])
    world.run(1.0)
    assert node.latest[torrent.metainfo.info_hash].state == "starved"
    world.end()


def test_a_piece_that_cannot_be_read_is_fetched_again(world):
    torrent = StoredTorrent([2_000_000], 64 * K)
    seed, leech, rescue = world.node(), world.node(), world.seed_peer(torrent)
    seed.open(torrent, have=True)
    leech.open(torrent)
    leech.find(torrent, [seed.endpoint])
    world.run(0.2)
    seed.disk.refuses_reads = True
    world.run(2.0)
    assert seed.latest[torrent.metainfo.info_hash].left_bytes
    assert seed.latest[torrent.metainfo.info_hash].error_code
    seed.disk.refuses_reads = False
    seed.find(torrent, [rescue.endpoint])
    world.run_until_complete(torrent, [seed, leech], 60.0)
    world.end()


@pytest.mark.parametrize("delay_s", [0.5, 3.0])
def test_a_slow_disk_slows_the_download_and_memory_stays_in_its_bounds(world, delay_s):
    torrent = StoredTorrent([3_000_000], 64 * K)
    node = world.node(64)
    node.disk.delay_s = delay_s
    node.open(torrent)
    node.find(torrent, [world.seed_peer(torrent).endpoint for _ in range(3)])
    world.run_until_complete(torrent, [node], 120.0)
    world.end()
