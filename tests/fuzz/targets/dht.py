"""The DHT: messages, items, a node among them, and what is kept of it."""

from __future__ import annotations

from math import inf
from random import Random
from typing import Any

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BencodeError, DhtError
from blobtorrent.protocol.bencode import decode, encode
from blobtorrent.protocol.dht.answers import Answerer
from blobtorrent.protocol.dht.blooms import BLOOM_BYTES, Bloom
from blobtorrent.protocol.dht.items import is_genuine, read_item, signed
from blobtorrent.protocol.dht.krpc import (
    NodeInfo,
    Query,
    Response,
    pack_nodes,
    read_message,
    read_nodes,
    read_values,
    wanted_families,
    write_failure,
    write_query,
    write_response,
)
from blobtorrent.protocol.dht.memory import Kept, pack, unpack
from blobtorrent.protocol.dht.node import Node
from blobtorrent.protocol.dht.queries import MAX_OPEN
from blobtorrent.protocol.dht.search import ItemPut, ItemSearch, PeerSearch
from tests.fuzz.registry import Shape, target
from tests.fuzz.shapes import read_events, write_events
from tests.unit.protocol.dht.test_routing import assert_consistent

ID = b"i" * 20
SENDER = Endpoint("20.1.2.3", 6881)
PACKED = b"\x14\1\2\3"
ITEM = signed(b"v", b"s" * 32, seq=1)
NODES = [NodeInfo(bytes((number,)) * 20, Endpoint(f"30.0.{number}.1", 6881)) for number in range(1, 9)]
KEYS = (b"t", b"y", b"q", b"r", b"e", b"a", b"id", b"target", b"info_hash", b"token", b"port", b"implied_port",
        b"nodes",
        b"nodes6", b"values", b"want", b"n4", b"n6", b"ro", b"ip", b"v", b"k", b"sig", b"seq", b"cas", b"salt",
        b"scrape",
        b"noseed", b"seed", b"samples", b"interval", b"num", b"ping", b"find_node", b"get_peers", b"announce_peer",
        b"get",
        b"put", b"sample_infohashes", ITEM.key, ITEM.signature, bytes(8))


def queries() -> list[bytes]:
    arguments: dict[bytes, dict[bytes, Any]] = {
        b"ping": {}, b"find_node": {b"target": ID, b"want": [b"n4", b"n6"]},
        b"get_peers": {b"info_hash": ID, b"scrape": 1, b"noseed": 1},
        b"announce_peer": {b"info_hash": ID, b"port": 6881, b"implied_port": 1, b"token": bytes(8), b"seed": 1},
        b"get": {b"target": ID, b"seq": 0}, b"sample_infohashes": {b"target": ID}, b"vote": {},
        b"put": {b"v": b"v", b"k": ITEM.key, b"sig": ITEM.signature, b"seq": 1, b"token": bytes(8), b"cas": 0,
                 b"salt": b""},
    }
    return [write_query(b"aa", method, {b"id": ID, **told}) for method, told in arguments.items()]


def responses() -> list[bytes]:
    return [write_response(b"aa", {b"id": ID, **values}, SENDER) for values in (
        {}, {b"nodes": pack_nodes(NODES), b"token": b"tok"},
        {b"values": [b"\x1e\0\0\1\x1a\xe1", b"\x20\1" + bytes(14) + b"\x1a\xe1"], b"token": b"x", b"BFsd": bytes(256)},
        {b"v": b"v", b"k": ITEM.key, b"sig": ITEM.signature, b"seq": 1, b"token": b"t"},
        {b"v": b"immutable", b"token": b"t"},
        {b"samples": bytes(40), b"interval": 10, b"num": 2, b"nodes6": bytes(38)},
    )] + [write_failure(b"aa", 203, "no"), encode({b"e": [1], b"y": b"e", b"t": b""})]


@target("dht.message", errors=(DhtError,), seeds=lambda: queries() + responses(), tokens=KEYS, shape=Shape.BENCODE)
def _message(data: bytes) -> str:
    message = read_message(data)
    if isinstance(message, Query):
        wanted_families(message.arguments, is_ipv6=False)
        return f"query {message.method[:20]!r}"
    if isinstance(message, Response):
        for is_ipv6 in (False, True):
            read_nodes(message.values, PACKED, is_ipv6=is_ipv6)
        read_values(message.values, PACKED)
    return type(message).__name__


@target("dht.item", errors=(DhtError,), seeds=lambda: [
    encode({b"v": b"v", b"k": ITEM.key, b"sig": ITEM.signature, b"seq": 1, b"salt": b"x"}),
    encode({b"v": [1, {}, b"x"]}),
    encode({b"v": bytes(990)})], tokens=KEYS, shape=Shape.BENCODE)
def _item(data: bytes) -> str:
    try:
        fields = decode(data, lenient=True)
    except BencodeError:
        return "no bencoding"
    if not isinstance(fields, dict):
        return "no dictionary"
    item = read_item(fields, data)
    return f"genuine {is_genuine(item)} mutable {bool(item.key)}"


def conversations() -> list[bytes]:
    return [
        write_events([b"q" + data for data in queries()]),
        write_events([b"p", b"i", b"t\x01", *(b"r" + data for data in responses()), b"t\x20"]),
        write_events([b"u", b"b", b"r" + responses()[1], b"r" + responses()[3], b"t\xff", b"r" + responses()[2], b"x"]),
    ]


@target("dht.node", shape=Shape.BENCODED_EVENTS, seeds=conversations, tokens=(b"q", b"r", b"t\xff", *KEYS))
def _node(data: bytes) -> str:
    """q: somebody asks; r: an answer to what the node sent last; p, i, u: searches; b: begin anew; t: time."""
    rng = Random(1)
    node = Node(Answerer(rng, 0.0), rng, 0.0)
    node.bootstrap = [Endpoint("20.0.0.1", 1)]
    node.begin(0.0)
    now, ended, begun = 0.0, [], 0
    asked: list[tuple[Endpoint, bytes]] = []
    for number, event in enumerate(read_events(data)[:150]):
        kind, body = event[:1], event[1:]
        if kind == b"q":
            node.on_datagram(body, Endpoint(f"40.{number}.0.1", 6881), now)
        elif kind == b"r" and asked:
            to, query = asked.pop()
            sent = read_message(query)
            node.on_datagram(body.replace(b"1:t2:aa", b"1:t%d:%s" % (len(sent.transaction), sent.transaction)), to, now)
        elif kind in b"piu" and kind:
            begun += _search(node, kind, ended, now)
        elif kind == b"b":
            node.begin(now)
        elif kind == b"t":
            now += (body[:1] or b"\1")[0] / 2
            node.tick(now)
        asked = (asked + [(to, sent) for to, sent in node.take() if b"1:y1:q" in sent])[-50:]
    assert len(node._queries) <= MAX_OPEN
    assert_consistent(node.table)
    until = now + 600.0
    while now < until and (node._walks or _waits_for_an_end(node)):
        now += 1.0
        node.tick(now)
        node.take()
    assert not node._walks and not _waits_for_an_end(node)
    assert len(ended) <= begun         # one that waits is replaced by another for the same
    return f"{node.machine.state} {len(node.table) > 0} {len(node.answerer.items) > 0}"


def _waits_for_an_end(node: Node) -> bool:
    """Its own searches may wait for the network as long as it takes."""
    return any(until_s < inf for _, until_s in node._waiting.values())


def _search(node: Node, kind: bytes, ended: list[Any], now: float) -> bool:
    if kind == b"p":
        return node.search(PeerSearch(ID, lambda peers: None, ended.append, port=1), now)
    if kind == b"i":
        return node.search(ItemSearch(ITEM.target, ended.append), now)
    return node.search(ItemPut(ITEM, ended.append), now)


@target("dht.memory", shape=Shape.BENCODE, tokens=(b"v4", b"v6", b"id", b"ip", b"nodes", bytes(26), bytes(38)),
        seeds=lambda: [
    pack(Kept(ID, PACKED, tuple(NODES)), Kept()), pack(Kept(), Kept())])
def _memory(data: bytes) -> str:
    v4, v6 = unpack(data)
    again = unpack(pack(v4, v6))
    assert again == (v4, v6)
    return f"{bool(v4.node_id)} {bool(v4.nodes)} {bool(v6.nodes)}"


@target("dht.bloom", seeds=lambda: [bytes(BLOOM_BYTES), b"\xff" * BLOOM_BYTES])
def _bloom(data: bytes) -> str:
    if len(data) < BLOOM_BYTES:
        return "short"
    bloom = Bloom(data[:BLOOM_BYTES])
    bloom.add(PACKED)
    return f"{bloom.estimate() > 100}"
