"""Swarms that read from web seeds beside their peers: they complete, and every slot and promise is back."""

from __future__ import annotations

import random

import pytest

from tests.support.simpeers import Manners
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import Node, World

K = 1024
HOSTS = ("good", "liar", "gone", "flaky", "dripping")
LIMIT_S = 900.0


def corrupts(block: int) -> bool:
    return block % 30 == 7


def states_of(node: Node, torrent: StoredTorrent) -> dict[str, str]:
    """State of each host's web seed."""
    seeds = node.swarm(torrent).web_seeds
    assert seeds is not None
    return {status.url.split("/")[2]: status.state for status in seeds.statuses()}


@pytest.mark.parametrize("piece_length", [16 * K, 64 * K, 1024 * K])
@pytest.mark.parametrize("seed", range(4))
def test_a_torrent_completes_from_web_seeds_of_all_kinds(piece_length: int, seed: int) -> None:
    world = World(seed)
    node = world.node(slots=512)
    torrent = node.seeds.add(StoredTorrent([3_000_000, 1, 2_000_000], piece_length, seed=seed), *HOSTS)
    node.open(torrent)
    world.run_until_complete(torrent, [node], LIMIT_S)
    assert states_of(node, torrent)["liar"] == "banned"
    assert states_of(node, torrent)["good"] in ("idle", "fetching", "resting")
    world.end()


@pytest.mark.parametrize("seed", range(20))
def test_web_seeds_and_peers_of_all_kinds_lose_nothing_together(seed: int) -> None:
    world, rng = World(seed), random.Random(seed)
    node = world.node(slots=rng.choice((256, 1024)))
    piece_length = rng.choice((16 * K, 64 * K, 100_000, 512 * K))
    torrent = node.seeds.add(
        StoredTorrent([3_000_000], piece_length, seed=seed), *rng.sample(HOSTS, rng.randrange(1, 6)))
    node.open(torrent, snub_timeout_s=3.0)
    manners = [
        Manners(bytes_per_s=2e5), Manners(bytes_per_s=1e5, mute_after=rng.randrange(40)),
        Manners(bytes_per_s=2e5, vanish_after=rng.randrange(60)),
        Manners(bytes_per_s=1e5, choke_after=rng.randrange(40)),
        Manners(bytes_per_s=1e5, corrupts=corrupts),
        Manners(bytes_per_s=1e5, cut_after=rng.randrange(40)),
    ]
    peers = [world.seed_peer(torrent, each) for each in [*rng.sample(manners, 4), Manners(bytes_per_s=1e5)]]
    node.find(torrent, [peer.endpoint for peer in peers])
    world.run_until_complete(torrent, [node], LIMIT_S)
    assert states_of(node, torrent).get("good") != "banned"
    known = node.swarm(torrent).peers
    honest = [peer for peer in peers if peer.manners.corrupts is not corrupts]
    assert not any(known.is_banned(peer.endpoint, peer.peer_id) for peer in honest)
    world.end()


def test_what_a_dripping_seed_holds_comes_from_a_peer_in_the_end() -> None:
    world = World(1)
    node = world.node()
    torrent = node.seeds.add(StoredTorrent([2_000_000], 64 * K), "dripping")
    node.open(torrent)
    world.run(2.0)
    node.find(torrent, [world.seed_peer(torrent).endpoint])
    world.run_until_complete(torrent, [node], 30.0)
    world.end()
