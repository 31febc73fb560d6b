"""Torrents of version 2 that came without their piece layers, among peers of whom some lie."""

from __future__ import annotations

import random

import pytest

from blobtorrent.core.swarm.metadatamessages import CloseMetadata
from blobtorrent.model.address import Endpoint
from blobtorrent.model.merkle import HASH_BYTES
from blobtorrent.protocol.wire.hashes import Hashes, HashReject, HashRequest
from tests.support.simnet import SimSocket
from tests.support.simpeers import Manners, ScriptedLink, ScriptedSeed
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import World


class HashPeer(ScriptedSeed):
    """Answers hash requests with `answer(request)`, if that is not None."""

    def __init__(self, torrent, endpoint, answer):
        super().__init__(torrent, endpoint, Manners(), random.Random(endpoint.host))
        self.answer = answer
        self.asked = []

    def accept(self, sock: SimSocket) -> None:
        self.times_connected += 1
        self.links.append(_HashLink(self, sock))


class _HashLink(ScriptedLink):
    def _hear(self):
        while True:
            try:
                data = self.sock.recv(1 << 20)
            except BlockingIOError:
                return True
            if not data:
                return False
            for message in self._decoder.feed(data):
                if isinstance(message, HashRequest):
                    self.owner.asked.append(message.run)
                    answer = self.owner.answer(message.run)
                    if answer is not None:
                        self._out += answer.encode()


def noise(run):
    return Hashes(run, random.Random(run.first).randbytes((run.length + run.num_uncles) * HASH_BYTES))


@pytest.fixture(scope="module")
def torrent():
    return StoredTorrent([600 * 16384 + 1, 100, 3 * 16384, 1300 * 16384], 16384, v1=False)


def has_layers(node, torrent):
    return node.layers.get(torrent.metainfo.info_hash) == dict(torrent.metainfo.piece_layers)


def seeds_of(world, torrent, count):
    nodes = [world.node() for _ in range(count)]
    for node in nodes:
        node.open(torrent, have=True)
    return nodes


def end(world, torrent, node):
    node.tell(CloseMetadata(torrent.metainfo.info_hash))
    world.end()


def test_the_layers_come_from_a_seed_and_are_those_of_the_torrent(torrent):
    world = World(1)
    (seed,) = seeds_of(world, torrent, 1)
    node = world.node()
    node.ask_its_layers(torrent)
    node.find(torrent, [seed.endpoint])
    world.run_until(lambda: has_layers(node, torrent), 10.0, "the layers")
    end(world, torrent, node)


@pytest.mark.parametrize("seed", range(3))
def test_liars_mutes_and_peers_that_have_nothing_do_not_keep_the_layers_from_us(torrent, seed):
    world = World(seed)
    node = world.node()
    node.ask_its_layers(torrent)
    world.step()
    others = [HashPeer(torrent, Endpoint(f"66.6.{number}.6", 1), answer) for number, answer in enumerate(
        (noise, noise, lambda run: None, HashReject, noise, HashReject, lambda run: None))]
    for peer in others:
        world.add_peer(peer, dials=node)
    world.run(5.0)
    assert not node.layers
    (honest,) = seeds_of(world, torrent, 1)
    node.find(torrent, [honest.endpoint])
    world.run_until(lambda: has_layers(node, torrent), 60.0, "the layers")
    assert sum(bool(peer.asked) for peer in others) > 3
    end(world, torrent, node)


def test_a_liar_is_banned(torrent):
    world = World(3)
    node = world.node()
    node.ask_its_layers(torrent)
    world.step()
    liar = HashPeer(torrent, Endpoint("66.6.6.6", 1), noise)
    world.add_peer(liar, dials=node)
    world.run(2.0)
    assert liar.times_connected == 1 and liar.asked
    before = len(liar.asked)
    world.add_peer(liar, dials=node)
    node.find(torrent, [liar.endpoint])
    world.run(60.0)
    assert len(liar.asked) == before
    end(world, torrent, node)


def test_a_file_that_has_no_layer_is_not_asked_about(torrent):
    world = World(4)
    node = world.node()
    node.ask_its_layers(torrent)
    world.step()
    peer = HashPeer(torrent, Endpoint("66.6.6.6", 1), HashReject)
    world.add_peer(peer, dials=node)
    world.run(30.0)
    assert {run.root for run in peer.asked} <= set(torrent.metainfo.piece_layers)
    end(world, torrent, node)
