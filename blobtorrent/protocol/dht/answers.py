"""What this node keeps for others, over both families, and how it answers their queries (BEP 5, 32, 33, 44, 51)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import DhtError
from blobtorrent.protocol.bencode import decode, encode
from blobtorrent.protocol.dht import krpc
from blobtorrent.protocol.dht.blooms import BLOOM_BYTES
from blobtorrent.protocol.dht.ids import ID_BYTES, Randomness, is_usable, number_of
from blobtorrent.protocol.dht.items import ItemStore, Refused, read_item
from blobtorrent.protocol.dht.krpc import NodeInfo, Query, pack_nodes, packed_host, wanted_families
from blobtorrent.protocol.dht.limits import AnswerLimits
from blobtorrent.protocol.dht.peerstore import PeerStore
from blobtorrent.protocol.dht.routing import RoutingTable
from blobtorrent.protocol.dht.samples import Sampler
from blobtorrent.protocol.dht.tokens import TokenMaker

EXPIRE_S = 60.0                        # between two looks for what is too old
MOST_VALUES = 50                       # peers of one answer
BLOOMS_COST = 2 * (BLOOM_BYTES + 10)   # bytes of two filters in an answer, with their names and lengths

Fields = dict[bytes, Any]


class QueryRefused(DhtError):
    """The query is answered with an error; `number` is what the protocol calls it."""

    def __init__(self, number: int, detail: str) -> None:
        super().__init__("dht.bad-query", detail)
        self.number = number


class Answerer:
    """Answers queries. `tables` has the routing tables, IPv4 first; one may be None."""

    def __init__(self, rng: Randomness, now: float) -> None:
        # Called with what is announced to us: in a small network it is we whom others announce to.
        self.on_announced: Callable[[bytes, Endpoint], None] = lambda info_hash, peer: None
        self.tables: list[RoutingTable | None] = [None, None]
        self.limits = AnswerLimits(now)
        self.tokens = TokenMaker(rng, now)
        self.peers = PeerStore(rng)
        self.items = ItemStore()
        self._sampler = Sampler(rng)
        self._expires_s = now + EXPIRE_S
        self._methods: dict[bytes, Callable[[Query, Endpoint, int, float], Fields]] = {
            b"ping": self._ping,
            b"find_node": self._find_node,
            b"get_peers": self._get_peers,
            b"announce_peer": self._announce_peer,
            b"get": self._get,
            b"sample_infohashes": self._sample,
        }

    def expire(self, now: float) -> None:
        if now >= self._expires_s:
            self._expires_s = now + EXPIRE_S
            self.peers.expire(now)
            self.items.expire(now)

    def answer(
        self, query: Query, data: bytes, sender: Endpoint, own_id: bytes, now: float, *, besides: int = 0
    ) -> bytes:
        """The datagram that answers a query, an error if it is a bad one. So many bytes more are sent `besides`."""
        most = krpc.MAX_ITEM_ANSWER_BYTES if query.method == b"get" else krpc.MAX_ANSWER_BYTES
        room = min(most, self.limits.room_for(packed_host(sender), len(data), most + besides, now) - besides)
        # The frame around the values: the transaction is echoed, the address of the sender is told.
        room -= len(krpc.write_response(query.transaction, {b"id": own_id}, sender))
        try:
            if query.method == b"put":
                values = self._put(query, data, sender, own_id, now)
            else:
                method = self._methods.get(query.method, self._unknown)
                values = method(query, sender, room, now)
        except (QueryRefused, Refused) as error:
            return krpc.write_failure(query.transaction, error.number, error.detail)
        return krpc.write_response(query.transaction, {b"id": own_id, **values}, sender)

    # ---- methods: arguments, sender and room for the answer in; values out

    def _ping(self, _query: Query, _sender: Endpoint, _room: int, _now: float) -> Fields:
        return {}

    def _unknown(self, query: Query, sender: Endpoint, room: int, now: float) -> Fields:
        """What we do not know is a search all the same if it has a target: others find their way by it."""
        for name in (b"target", b"info_hash"):
            if name in query.arguments:
                return self._nodes(query, sender, _id_in(query, name), room, now)
        raise QueryRefused(krpc.METHOD_UNKNOWN, "no such method")

    def _find_node(self, query: Query, sender: Endpoint, room: int, now: float) -> Fields:
        return self._nodes(query, sender, _id_in(query, b"target"), room, now)

    def _get_peers(self, query: Query, sender: Endpoint, room: int, now: float) -> Fields:
        info_hash = _id_in(query, b"info_hash")
        values: Fields = {b"token": self.tokens.give(packed_host(sender), now)}
        room -= _cost(values)
        if query.arguments.get(b"scrape") == 1:
            values.update(self._blooms(info_hash, room, now))
            room -= BLOOMS_COST if b"BFsd" in values else 0
        size = 22 if sender.is_ipv6 else 8                 # a record and its length
        most = min(MOST_VALUES, max(0, room // 2 - 10) // size)
        peers = self.peers.some(
            info_hash, most, is_ipv6=sender.is_ipv6, no_seeds=query.arguments.get(b"noseed") == 1)
        if peers:
            values[b"values"] = [peer.compact for peer in peers]
            room -= _cost({b"values": values[b"values"]})
        return values | self._nodes(query, sender, info_hash, room, now)

    def _blooms(self, info_hash: bytes, room: int, now: float) -> Fields:
        """Filters are half a kilobyte: only those who proved their address have room for them."""
        blooms = self.peers.blooms(info_hash, now) if room >= BLOOMS_COST else None
        return {} if blooms is None else {b"BFsd": blooms[0], b"BFpe": blooms[1]}

    def _announce_peer(self, query: Query, sender: Endpoint, _room: int, now: float) -> Fields:
        arguments = query.arguments
        info_hash = _id_in(query, b"info_hash")
        self._demand_token(query, sender, now)
        port = sender.port if arguments.get(b"implied_port") else arguments.get(b"port")
        if not isinstance(port, int) or not 0 < port < 65536 or not is_usable(packed_host(sender)):
            raise QueryRefused(krpc.PROTOCOL_ERROR, "no port between 1 and 65535")
        peer = Endpoint(sender.host, port)
        if not self.peers.announce(info_hash, peer, is_seed=arguments.get(b"seed") == 1, now=now):
            raise QueryRefused(krpc.SERVER_ERROR, "no room")
        self.on_announced(info_hash, peer)
        return {}

    def _get(self, query: Query, sender: Endpoint, room: int, now: float) -> Fields:
        target = _id_in(query, b"target")
        values: Fields = {b"token": self.tokens.give(packed_host(sender), now)}
        room -= _cost(values)
        item = self.items.get(target)
        if item is None:
            return values | self._nodes(query, sender, target, room, now)
        newest = query.arguments.get(b"seq")
        if item.key:
            values[b"seq"] = item.seq
        if not item.key or not isinstance(newest, int) or newest < item.seq:
            found: Fields = {b"v": decode(item.value)}
            if item.key:
                found.update({b"k": item.key, b"sig": item.signature})
            if _cost(found) <= room:   # else it is for those only who proved that they are where they say
                values.update(found)
                room -= _cost(found)
        return values | self._nodes(query, sender, target, room, now)

    def _put(self, query: Query, data: bytes, sender: Endpoint, own_id: bytes, now: float) -> Fields:
        self._demand_token(query, sender, now)
        item = read_item(query.arguments, data)
        self.items.put(item, packed_host(sender), own_id, now, query.arguments.get(b"cas"))
        return {}

    def _sample(self, query: Query, sender: Endpoint, room: int, now: float) -> Fields:
        known = self.peers.info_hashes()
        sample, interval_s = self._sampler.sample(known, now)
        values: Fields = {b"interval": interval_s, b"num": len(known)}
        room -= _cost(values) + 20
        sample = sample[:max(0, room) * 2 // 3 // ID_BYTES]
        values[b"samples"] = b"".join(sample)
        return values | self._nodes(query, sender, _id_in(query, b"target"), room - len(sample) * ID_BYTES, now)

    # ----

    def _demand_token(self, query: Query, sender: Endpoint, now: float) -> None:
        packed = packed_host(sender)
        if not self.tokens.is_good(query.arguments.get(b"token"), packed, now):
            raise QueryRefused(krpc.PROTOCOL_ERROR, "bad token")
        self.limits.prove(packed, now)

    def _nodes(self, query: Query, sender: Endpoint, target: bytes, room: int, now: float) -> Fields:
        """The nearest nodes that we know, of the families that were asked for, as far as there is room."""
        values: Fields = {}
        wanted = wanted_families(query.arguments, is_ipv6=sender.is_ipv6)
        for table, is_wanted, name, size in zip(
                self.tables, wanted, (b"nodes", b"nodes6"), (26, 38), strict=True):
            if not is_wanted or table is None:
                continue
            most = min(8, max(0, room - 16) // size)
            nearest = table.closest(number_of(target), now)[:most]
            values[name] = pack_nodes([NodeInfo(one.node_id, one.endpoint) for one in nearest])
            room -= 16 + len(values[name])
        return values


def _id_in(query: Query, name: bytes) -> bytes:
    target = query.arguments.get(name)
    if not isinstance(target, bytes) or len(target) != ID_BYTES:
        raise QueryRefused(krpc.PROTOCOL_ERROR, f"{name.decode()} is not 20 bytes")
    return target


def _cost(values: Fields) -> int:
    return len(encode(values)) - 2
