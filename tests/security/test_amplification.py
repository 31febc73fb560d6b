"""UDP amplification: whoever forges the address of a query has us send little more to his victim than he sent himself.

Bytes are counted as the network carries them, headers included.
"""

from __future__ import annotations

from random import Random

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.dht.answers import Answerer
from blobtorrent.protocol.dht.items import signed
from blobtorrent.protocol.dht.krpc import write_query
from blobtorrent.protocol.dht.node import Node
from tests.support.dhtnet import random_host

AMPLIFICATION = 3
HEADERS = 28                           # of IPv4 and UDP
PER_S, PER_HOST_PER_S = 100, 10
BURST, HOST_BURST = 200, 20
ID, TARGET = b"i" * 20, b"t" * 20
WORST = ((b"get_peers", {b"info_hash": TARGET, b"want": [b"n4", b"n6"], b"scrape": 1}),
         (b"find_node", {b"target": TARGET, b"want": [b"n4", b"n6"]}), (b"sample_infohashes", {b"target": TARGET}),
         (b"get", {b"target": TARGET}), (b"future", {b"target": TARGET}), (b"ping", {}), (b"announce_peer", {}))


def stuffed() -> Node:
    """A node with as much to tell as there can be."""
    rng = Random(1)
    node = Node(Answerer(rng, 0.0), rng, 0.0)
    for _ in range(300):
        node.table.on_answer(rng.randbytes(20), Endpoint(random_host(rng), 6881), 0.0)
    for number in range(500):
        node.answerer.peers.announce(TARGET, Endpoint(f"30.0.{number % 250}.{number // 250}", 7), is_seed=False, now=0)
    item = signed(b"x" * 900, b"s" * 32, seq=1)
    node.answerer.items.put(item, b"\x14\1\2\3", node.node_id, 0.0, None)
    return node


def wired(data: bytes) -> int:
    return len(data) + HEADERS


def test_a_victim_gets_no_more_than_three_times_what_was_sent_in_its_name() -> None:
    node, rng = stuffed(), Random(2)
    bytes_in = bytes_out = 0
    for number in range(5000):
        method, arguments = WORST[number % len(WORST)]
        query = write_query(b"t", method, {b"id": ID, **arguments})
        victim = Endpoint(random_host(rng), 53)
        node.on_datagram(query, victim, number / 1000)
        sent = sum(wired(data) for to, data in node.take() if to == victim)
        assert sent <= AMPLIFICATION * wired(query), method
        bytes_in, bytes_out = bytes_in + wired(query), bytes_out + sent
    assert 0 < bytes_out <= AMPLIFICATION * bytes_in


def test_a_flood_in_the_name_of_one_victim_is_answered_ten_times_a_second() -> None:
    node, victim = stuffed(), Endpoint("20.1.2.3", 53)
    query = write_query(b"t", b"get_peers", {b"id": ID, b"info_hash": TARGET})
    answers = 0
    for number in range(10_000):       # a thousand a second
        node.on_datagram(query, victim, number / 1000)
        answers += sum(to == victim for to, _ in node.take())
    assert 0 < answers <= HOST_BURST + 10 * PER_HOST_PER_S


def test_a_flood_in_the_names_of_many_is_answered_a_hundred_times_a_second() -> None:
    node, rng = stuffed(), Random(3)
    query = write_query(b"t", b"find_node", {b"id": ID, b"target": TARGET})
    out = 0
    for number in range(20_000):       # ten thousand a second
        node.on_datagram(query, Endpoint(random_host(rng), 53), number / 10_000)
        out += len(node.take())
    assert 0 < out <= 2 * (BURST + 2 * PER_S)             # an answer, and at most one ping with it


def test_a_token_of_another_address_proves_nothing() -> None:
    node, rng = stuffed(), Random(4)
    big = write_query(b"t", b"get", {b"id": ID, b"target": TARGET})
    for _ in range(300):
        victim = Endpoint(random_host(rng), 53)
        forged = write_query(b"t", b"announce_peer", {
            b"id": ID, b"info_hash": TARGET, b"port": 1, b"token": rng.randbytes(8)})
        node.on_datagram(forged, victim, 100.0)
        node.take()
        node.on_datagram(big, victim, 100.0)
        assert sum(wired(data) for to, data in node.take() if to == victim) <= AMPLIFICATION * wired(big)
