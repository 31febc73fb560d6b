"""Swarms that are closed and opened again: blocks, totals and peers are still there; and pieces nobody wants."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.messages import AskPeers, LosePieces, WantPieces
from tests.support.simpeers import Manners
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import World

K = 1024
KEEPS = {"keep_after_s": 3.0}


@pytest.fixture(params=range(3))
def world(request):
    return World(request.param)


def torrent_of(size=2_000_000, piece_length=512 * K):
    return StoredTorrent([size], piece_length)


def close(world, torrent, node):
    node.tell(AskPeers(torrent.metainfo.info_hash, node.reports))
    node.close(torrent)
    world.run_until(lambda: bool(node.closed), 10.0, "the swarm is closed")


def report_of(torrent, node):
    return node.latest[torrent.metainfo.info_hash]


@pytest.mark.parametrize("seconds", [0.5, 1.5, 3.3, 5.0])
@pytest.mark.parametrize("slots", [72, 1024])
def test_no_block_is_fetched_twice_when_the_torrent_stops_and_starts(world, seconds, slots):
    torrent = torrent_of()
    node = world.node(slots)
    node.open(torrent, order=KEEPS)
    peers = [world.seed_peer(torrent, Manners(bytes_per_s=1e5)) for _ in range(3)]
    node.find(torrent, [peer.endpoint for peer in peers])
    world.run(seconds)
    close(world, torrent, node)
    assert node.arena.reserved == 0
    assert node.closed[0].report.wasted_bytes == 0
    before = node.closed[0].report.downloaded_bytes
    node.reopen(torrent, KEEPS)
    world.run_until_complete(torrent, [node], 60.0)
    report = report_of(torrent, node)
    on_the_way = 16 * K * len(peers)   # a block that was arriving when its link was closed
    assert before <= report.downloaded_bytes <= len(torrent.content) + report.wasted_bytes + on_the_way
    assert report.downloaded_bytes - report.wasted_bytes == len(torrent.content)
    world.end()


def test_peers_that_worked_are_dialled_at_once_when_the_torrent_starts_again(world):
    torrent = torrent_of()
    node = world.node()
    node.open(torrent, order=KEEPS)
    peer = world.seed_peer(torrent, Manners(bytes_per_s=1e5))
    node.find(torrent, [peer.endpoint])
    world.run(2.0)
    close(world, torrent, node)
    node.reopen(torrent, KEEPS)
    world.run(0.2)
    assert peer.times_connected == 2
    world.run_until_complete(torrent, [node], 60.0)
    world.end()


def test_blocks_of_a_piece_that_stays_open_are_copied_and_the_piece_is_finished_all_the_same(world):
    torrent = torrent_of()
    node = world.node()
    node.disk.delay_s = 0.4
    node.open(torrent, order=KEEPS)
    node.find(torrent, [world.seed_peer(torrent, Manners(bytes_per_s=1e5)).endpoint])
    world.run(9.0)
    (store,) = node.stores.values()
    assembly = next(iter(node.swarm(torrent).pieces.open.values()))
    copied = len(store.parts.blocks.get(assembly.index, ()))
    assert node.disk.keeps >= 2
    assert assembly.num_blocks - assembly.missing - copied <= 5.0 * 1e5 / (16 * K)
    world.run_until_complete(torrent, [node], 60.0)
    world.run(2.0)
    assert not store.parts.blocks
    assert report_of(torrent, node).wasted_bytes == 0
    world.end()


def test_when_blocks_cannot_be_copied_the_download_goes_on(world):
    torrent = torrent_of()
    node = world.node()
    node.disk.refuses_spills = True
    node.open(torrent, order=KEEPS)
    node.find(torrent, [world.seed_peer(torrent, Manners(bytes_per_s=2e5)).endpoint])
    world.run_until_complete(torrent, [node], 60.0)
    assert node.disk.keeps == 0
    world.end()


def test_pieces_that_are_skipped_and_wanted_at_any_moment_make_a_whole_torrent_in_the_end(world):
    torrent = torrent_of(piece_length=64 * K)
    node = world.node(128)
    node.disk.delay_s = 0.1
    node.open(torrent, order=KEEPS)
    node.find(torrent, [world.seed_peer(torrent, Manners(bytes_per_s=1e5)).endpoint for _ in range(2)])
    info_hash, num_pieces = torrent.metainfo.info_hash, torrent.geometry.num_pieces
    for _ in range(25):
        world.run(world.rng.choice((0.05, 0.1, 0.35, 0.9)))
        skipped = world.rng.getrandbits(num_pieces)
        node.tell(WantPieces(info_hash, skipped, {world.rng.randrange(num_pieces): world.rng.choice((-1, 1))}))
    node.tell(WantPieces(info_hash, (1 << num_pieces) - 1, {}))
    world.run(8.0)
    have = node.swarm(torrent).pieces.have
    assert report_of(torrent, node).state == "seeding"
    assert not node.swarm(torrent).pieces.open
    assert not have.is_full
    node.tell(WantPieces(info_hash, 0, {}))
    world.run_until_complete(torrent, [node], 90.0)
    world.end()


def test_a_swarm_that_has_what_is_wanted_seeds_to_others_and_fetches_the_rest_when_it_is_wanted(world):
    torrent = torrent_of(piece_length=64 * K)
    half = (1 << 15) - 1
    seed, partial, leech = [world.node() for _ in range(3)]
    seed.open(torrent, have=True)
    partial.open(torrent, order={"skipped": half})
    partial.find(torrent, [seed.endpoint])
    world.step()
    info_hash = torrent.metainfo.info_hash
    world.run_until(lambda: report_of(torrent, partial).state == "seeding", 30.0, "half of it is there")
    report = report_of(torrent, partial)
    assert report.left_bytes == report.skipped_bytes == 15 * 64 * K
    assert not node_has_any(partial, torrent, half)
    leech.open(torrent, exchanges_peers=False)             # it is not to hear of the seed
    leech.find(torrent, [partial.endpoint])
    world.run(5.0)
    assert report_of(torrent, leech).left_bytes == 15 * 64 * K
    partial.tell(WantPieces(info_hash, 0, {}))
    leech.find(torrent, [seed.endpoint])
    world.run_until_complete(torrent, [partial, leech], 60.0)
    world.end()


def node_has_any(node, torrent, mask):
    return node.swarm(torrent).pieces.have.mask & mask


def test_pieces_that_turn_out_not_to_be_on_disk_are_fetched_again(world):
    torrent = torrent_of(piece_length=64 * K)
    seed, node = world.node(), world.node()
    seed.open(torrent, have=True)
    node.open(torrent)
    node.find(torrent, [seed.endpoint])
    world.run_until_complete(torrent, [node], 30.0)
    node.tell(LosePieces(torrent.metainfo.info_hash, 0b1011))
    world.run(0.2)
    assert report_of(torrent, node).left_bytes == 3 * 64 * K
    world.run_until_complete(torrent, [node], 60.0)
    world.end()
