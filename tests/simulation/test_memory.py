"""Memory runs short: open pieces move to the part store, caches give way, and nobody waits for ever."""

from __future__ import annotations

import pytest

from tests.support.simpeers import Manners
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import World

K = 1024


@pytest.fixture(params=range(3))
def world(request):
    return World(request.param)


def stalled_crowd(world, torrent, node, peers_of_each):
    """Peers that have one piece each, send part of it and vanish; returns the pieces that were begun."""
    crowd = [
        world.seed_peer(torrent, Manners(pieces=range(index, index + 1), vanish_after=5 + number))
        for index in range(torrent.geometry.num_pieces) for number in range(peers_of_each)
    ]
    node.find(torrent, [peer.endpoint for peer in crowd])
    world.run(6.0)
    return [piece for piece in node.swarm(torrent).pieces.open.values() if not piece.is_untouched]


@pytest.mark.parametrize("slots", [64, 128])
@pytest.mark.parametrize("blocks", [32, 64])
def test_more_open_pieces_than_slots_are_finished_through_the_part_store(world, slots, blocks):
    torrent = StoredTorrent([20 * blocks * 16 * K - 5], blocks * 16 * K)
    node = world.node(slots)
    node.open(torrent, snub_timeout_s=3.0)
    begun = stalled_crowd(world, torrent, node, 2)
    assert sum(piece.num_blocks for piece in begun) > slots, "more is open than memory holds"
    assert node.disk.spills
    node.find(torrent, [world.seed_peer(torrent).endpoint for _ in range(3)])
    world.run_until_complete(torrent, [node], 60.0)
    world.end()


def test_a_piece_larger_than_all_memory_is_fetched(world):
    torrent = StoredTorrent([5 << 20], 4 << 20)
    node = world.node(64)
    node.open(torrent)
    node.find(torrent, [world.seed_peer(torrent).endpoint])
    world.run_until_complete(torrent, [node], 60.0)
    assert node.disk.spills
    world.end()


def test_when_spilled_blocks_are_lost_their_piece_is_fetched_again(world):
    torrent = StoredTorrent([2 << 20], 1 << 20)
    node = world.node(64)
    node.open(torrent)
    node.disk.loses_parts = True
    peer = world.seed_peer(torrent)
    node.find(torrent, [peer.endpoint])
    world.run(4.0)
    assert node.disk.spills and not node.has_all(torrent)
    node.disk.loses_parts = False
    world.run_until_complete(torrent, [node], 30.0)
    assert not node.swarm(torrent).peers.is_banned(peer.endpoint), "the peer is not to blame"
    world.end()


def test_without_a_part_store_stalled_pieces_are_dropped_and_the_rest_goes_on(world):
    torrent = StoredTorrent([20 * 512 * K], 512 * K)
    node = world.node(64)
    node.open(torrent, snub_timeout_s=3.0)
    node.disk.refuses_spills = True
    stalled_crowd(world, torrent, node, 2)
    node.find(torrent, [world.seed_peer(torrent).endpoint])
    world.run_until_complete(torrent, [node], 200.0)
    assert node.disk.spills == 0
    assert node.latest[torrent.metainfo.info_hash].wasted_bytes
    world.end()


def test_a_download_gets_the_memory_that_the_caches_of_other_torrents_hold(world):
    popular = [StoredTorrent([512 * K], 256 * K, seed=seed) for seed in range(1, 4)]
    wanted = StoredTorrent([2 << 20], 256 * K, seed=4)
    node, reader = world.node(64), world.node()
    for torrent in popular:
        node.open(torrent, have=True)
        reader.open(torrent)
        reader.find(torrent, [node.endpoint])
        world.run_until_complete(torrent, [reader], 60.0)
    assert node.arena.reserved > 48, "their caches fill the memory"
    node.open(wanted)
    node.find(wanted, [world.seed_peer(wanted).endpoint])
    world.run_until_complete(wanted, [node], 30.0)
    world.end()


def test_an_upload_gets_the_memory_of_another_torrents_abandoned_piece(world):
    abandoned = StoredTorrent([1 << 20], 1 << 20, seed=1)
    served = StoredTorrent([2 << 20], 256 * K, seed=2)
    node, reader = world.node(72), world.node()
    node.open(abandoned)
    peer = world.seed_peer(abandoned, Manners(mute_after=60))
    node.find(abandoned, [peer.endpoint])
    world.run(5.0)
    peer.vanish()
    assert node.arena.capacity - node.arena.reserved < 16, "no room for a span"
    node.open(served, have=True)
    reader.open(served)
    reader.find(served, [node.endpoint])
    world.run_until_complete(served, [reader], 60.0)
    world.end()


def test_a_peer_may_not_hold_all_memory_with_its_requests(world):
    torrent = StoredTorrent([8 << 20], 256 * K)
    node = world.node(64)
    node.open(torrent, snub_timeout_s=30.0)
    mute = world.seed_peer(torrent, Manners(mute_after=0))
    node.find(torrent, [mute.endpoint])
    world.run(2.0)
    node.find(torrent, [world.seed_peer(torrent).endpoint])
    world.run(10.0)
    assert len(node.swarm(torrent).pieces.have) > 20, "the other peer is used before the first is given up"
    world.end()
