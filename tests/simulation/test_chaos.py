"""Random swarms of odd peers, small memories and failing disks complete or close, audited at every step."""

from __future__ import annotations

import random

import pytest

from tests.support.simpeers import Manners
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import Node, World

K = 1024
PATIENCE = {"snub_timeout_s": 5.0, "choke_interval_s": 3.0}


def random_manners(rng: random.Random, num_pieces: int) -> Manners:
    """One vice at most."""
    manners = Manners(rng.choice([5e4, 3e5, 1e6, 5e6]), reorders=rng.random() < 0.3, chatters=rng.random() < 0.3)
    after = rng.randrange(40)
    match rng.randrange(8):
        case 0:
            manners.mute_after = after
        case 1:
            manners.cut_after = after
        case 2:
            manners.vanish_after = after
        case 3:
            manners.choke_after = after
            manners.flush_before_choke = rng.random() < 0.5
        case 4:
            share, lies = rng.choice([0.05, 0.5, 1.0]), random.Random(after)
            manners.corrupts = lambda block: lies.random() < share
        case 5:
            first = rng.randrange(num_pieces)
            manners.pieces = range(first, rng.randrange(first, num_pieces) + 1)
        case _:
            pass
    return manners


def set_fault(rng: random.Random, node: Node) -> None:
    match rng.randrange(7):
        case 0:
            node.disk.refuses_writes = True
        case 1:
            node.disk.refuses_spills = True
        case 2:
            node.disk.refuses_reads = True
        case 3:
            node.disk.loses_parts = True
        case 4:
            node.disk.delay_s = 0.5
        case _:
            pass


def clear_faults(node: Node) -> None:
    disk = node.disk
    disk.refuses_writes = disk.refuses_spills = disk.refuses_reads = disk.loses_parts = False


@pytest.mark.parametrize("seed", range(40))
def test_a_random_swarm_with_one_honest_seed_completes_or_closes(seed):
    world, rng = World(seed), random.Random(seed)
    piece_length = rng.choice([16 * K, 32 * K, 64 * K, 100_000, 512 * K, 1024 * K])
    torrent = StoredTorrent([rng.randrange(1, 3_000_000)], piece_length, seed=seed)
    nodes = [world.node(rng.choice([64, 96, 256, 1024])) for _ in range(rng.randrange(1, 4))]
    peers = [random_manners(rng, torrent.geometry.num_pieces) for _ in range(rng.randrange(8))]
    endpoints = [world.seed_peer(torrent, manners).endpoint for manners in [*peers, Manners(bytes_per_s=1e6)]]
    rng.shuffle(endpoints)
    for node in nodes:
        node.open(torrent, **PATIENCE)
        node.find(torrent, [*endpoints, *[other.endpoint for other in nodes if other is not node]])
        set_fault(rng, node)
    world.run(rng.choice([0.2, 1.0, 4.0]))
    for node in nodes:
        clear_faults(node)
    if rng.random() < 0.8:
        world.run_until_complete(torrent, nodes, 120.0)
    world.end()
