"""A node among datagrams of every kind of nonsense: it stays within its bounds and works on."""

from __future__ import annotations

from random import Random
from typing import Any

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.bencode import encode
from blobtorrent.protocol.dht.answers import Answerer
from blobtorrent.protocol.dht.items import MAX_ITEMS, signed
from blobtorrent.protocol.dht.krpc import read_message, write_query, write_response
from blobtorrent.protocol.dht.node import MAX_SEARCHES, SEARCH_S, Node, NodeState
from blobtorrent.protocol.dht.peerstore import MAX_SWARMS
from blobtorrent.protocol.dht.queries import MAX_OPEN
from blobtorrent.protocol.dht.search import ItemSearch, PeerSearch
from tests.support.dhtnet import random_host
from tests.unit.protocol.dht.test_routing import assert_consistent

IN_THE_SUITE = 100_000
IN_A_FULL_RUN = 1_000_000
METHODS = [b"ping", b"find_node", b"get_peers", b"announce_peer", b"get", b"put", b"sample_infohashes", b"x"]


def any_value(rng: Random, depth: int = 0) -> Any:
    kind = rng.randrange(6 if depth < 3 else 3)
    if kind == 0:
        return rng.choice([0, 1, -1, 6881, 65536, 1 << 63, -(1 << 63)])
    if kind <= 2:
        return rng.randbytes(rng.choice([0, 1, 4, 6, 8, 18, 20, 20, 20, 26, 32, 38, 64, 208, 304]))
    if kind == 3:
        return [any_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.randbytes(rng.randrange(3)): any_value(rng, depth + 1) for _ in range(rng.randrange(4))}


class Crowd:
    """Makes datagrams: good ones, good ones with one thing wrong, and noise."""

    def __init__(self, seed: int, node: Node) -> None:
        self.rng = Random(seed)
        self.node = node
        self.hosts = [random_host(self.rng) for _ in range(500)]
        self.asked: list[tuple[Endpoint, bytes]] = []      # queries of the node, to be answered somehow
        self.item = signed(b"v", b"s" * 32, seq=1)

    def datagram(self) -> tuple[bytes, Endpoint]:
        rng = self.rng
        sender = Endpoint(rng.choice(self.hosts), rng.choice([1, 6881, 65535]))
        kind = rng.randrange(10)
        if kind < 5:
            data = write_query(rng.randbytes(2), rng.choice(METHODS), self.arguments(), is_read_only=kind == 0)
        elif kind < 8 and self.asked:
            sender, query = self.asked.pop(rng.randrange(len(self.asked)))
            data = write_response(read_message(query).transaction, self.arguments(), sender)
        elif kind < 9:
            data = encode(any_value(rng))
        else:
            data = rng.randbytes(rng.randrange(300))
        return (self.damaged(data) if rng.random() < 0.4 else data), sender

    def arguments(self) -> dict[bytes, Any]:
        rng = self.rng
        arguments: dict[bytes, Any] = {
            b"id": rng.randbytes(20), b"target": rng.randbytes(20), b"info_hash": rng.randbytes(20),
            b"port": rng.randrange(70000), b"token": rng.randbytes(8), b"v": any_value(rng), b"seq": 1,
            b"nodes": rng.randbytes(26 * rng.randrange(9)), b"values": [rng.randbytes(6) for _ in range(3)],
            b"k": self.item.key, b"sig": self.item.signature, b"salt": b"", b"cas": 1, b"want": [b"n4", b"n6"],
        }
        for name in rng.sample(list(arguments), rng.randrange(10)):
            if rng.random() < 0.5:
                del arguments[name]
            else:
                arguments[name] = any_value(rng)
        return arguments

    def damaged(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self.rng.randrange(1, 4)):
            if changed:
                place = self.rng.randrange(len(changed))
                changed[place:place + self.rng.randrange(2)] = self.rng.randbytes(self.rng.randrange(3))
        return bytes(changed)

    def hear(self) -> None:
        self.asked = (self.asked + self.node.take())[-500:]
        self.asked = [(to, data) for to, data in self.asked if b"1:y1:q" in data]


def test_a_node_survives_any_datagrams_within_its_bounds(is_full_run):
    rng = Random(1)
    node = Node(Answerer(rng, 0.0), rng, 0.0)
    node.bootstrap = [Endpoint("20.0.0.1", 1)]
    node.begin(0.0)
    crowd = Crowd(2, node)
    ended = []
    begun = 0
    for number in range(IN_A_FULL_RUN if is_full_run else IN_THE_SUITE):
        now = number * 0.005
        data, sender = crowd.datagram()
        node.on_datagram(data, sender, now)
        if now >= node.deadline_s:
            node.tick(now)
        if number % 2000 == 0:
            node.search(PeerSearch(rng.randbytes(20), lambda peers: None, ended.append, port=1), now)
            node.search(ItemSearch(rng.randbytes(20), ended.append), now)
            begun += 2
        crowd.hear()
        if number % 10_000 == 0:
            assert len(node._queries) <= MAX_OPEN
            assert len(node.answerer.peers) <= MAX_SWARMS
            assert len(node.answerer.items) <= MAX_ITEMS
            assert len(node.table) < 1000
            assert_consistent(node.table)
    assert node.counts["query"] > 10_000
    assert node.counts["answer"] > 100
    assert node.counts["dht.bad-message"] > 1000
    assert node.machine.state is NodeState.READY
    last = now + SEARCH_S * (len(node._waiting) // MAX_SEARCHES + 2)
    while node._waiting or node._walks:
        now += 0.5
        node.tick(now)
        crowd.hear()
        assert now < last
    assert len(ended) == begun
