"""Torrents that begin as a magnet link, among peers of whom many lie."""

from __future__ import annotations

import random
from hashlib import sha1

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash
from tests.support.simliars import Lie, MetadataLiar
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import World

INFO = random.Random(7).randbytes(70_000)


@pytest.fixture(scope="module")
def torrent():
    made = StoredTorrent([600_000], 1 << 15)
    made.metainfo = made.metainfo._replace(raw_info=INFO, info_hash=InfoHash(v1=sha1(INFO).digest()))
    return made


def swarm_of(world, torrent, seeds):
    nodes = [world.node() for _ in range(seeds)]
    for node in nodes:
        node.open(torrent, have=True)
    return nodes


def known(node, torrent):
    return torrent.metainfo.info_hash in node.metadata


def test_what_comes_between_the_metadata_and_the_swarm_is_not_lost(torrent):
    """A tracker's answer, while the data on disk are checked for minutes."""
    world = World(1)
    first, *others = swarm_of(world, torrent, 5)
    node = world.node()
    node.ask_what_it_is(torrent)
    node.find(torrent, [first.endpoint])
    world.run_until(lambda: known(node, torrent), 10.0, "the metadata")
    node.find(torrent, [other.endpoint for other in others])
    world.run(150.0)
    node.open(torrent)
    world.run_until_complete(torrent, [node], 60.0)
    swarm = node.swarm(torrent)
    assert swarm.peers.dialing == 0
    assert len(swarm.peers) == 5
    world.end()


def test_links_go_on_and_dials_under_way_are_counted_once(torrent):
    world = World(2)
    seeds = swarm_of(world, torrent, 3)
    node = world.node()
    nobody = [Endpoint("10.9.0.1", port) for port in range(1, 31)]
    node.ask_what_it_is(torrent)
    node.find(torrent, [seed.endpoint for seed in seeds] + nobody)
    world.run_until(lambda: known(node, torrent), 10.0, "the metadata")
    node.find(torrent, [Endpoint("10.9.0.2", port) for port in range(1, 31)])
    node.open(torrent, may_download=False)
    for _ in range(100):
        world.step()
        assert 0 <= node.swarm(torrent).peers.dialing <= 50
    assert {link.endpoint for link in node.swarm(torrent).links} == {seed.endpoint for seed in seeds}
    world.end()


def test_no_more_links_are_taken_over_than_the_swarm_may_have(torrent):
    world = World(3)
    seeds = swarm_of(world, torrent, 12)
    node = world.node()
    node.ask_what_it_is(torrent)
    node.find(torrent, [seed.endpoint for seed in seeds])
    world.run_until(lambda: known(node, torrent), 10.0, "the metadata")
    world.run(2.0)
    node.open(torrent, max_links=4, may_download=False)
    world.run(1.0)
    assert len(node.swarm(torrent).links) == 4
    world.end()


def test_who_was_greeted_before_hears_what_was_found_on_disk(torrent):
    world = World(4)
    (seed,) = swarm_of(world, torrent, 1)
    leech = world.node()
    leech.open(torrent)
    node = world.node()
    node.ask_what_it_is(torrent)
    node.find(torrent, [seed.endpoint, leech.endpoint])
    world.run_until(lambda: known(node, torrent), 10.0, "the metadata")
    seed.close(torrent)
    world.run(5.0)
    node.open(torrent, have=True)
    world.run_until_complete(torrent, [leech], 60.0)
    world.end()


@pytest.mark.parametrize("seed", range(4))
def test_liars_do_not_keep_the_metadata_from_us(torrent, seed):
    world = World(seed)
    rng = random.Random(seed)
    node = world.node()
    node.ask_what_it_is(torrent)
    world.step()
    liars = []
    for number in range(60):
        host = "66.6.6.6" if number < 30 else f"66.{number}.6.6"
        size = len(INFO) if number % 5 == 0 else rng.randrange(1, 10 << 20)
        liar = MetadataLiar(torrent, Endpoint(host, 1000 + number), rng.choice(list(Lie)), size, rng)
        world.add_peer(liar, dials=node)
        liars.append(liar)
    world.run(20.0)
    seeds = swarm_of(world, torrent, 2)
    node.find(torrent, [seed.endpoint for seed in seeds])
    world.run_until(lambda: known(node, torrent), 600.0, "the metadata")
    assert node.metadata[torrent.metainfo.info_hash].info == INFO
    for liar in liars:
        liar.vanish()
    node.open(torrent)
    world.run_until_complete(torrent, [node], 60.0)
    world.end()
