"""A DHT in one thread and in virtual time: nodes, the way between them, and attackers that invent ids."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from math import inf
from random import Random
from typing import Any

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.dht.answers import Answerer
from blobtorrent.protocol.dht.ids import ID_BYTES, is_local, is_usable, make_node_id, pack_host
from blobtorrent.protocol.dht.krpc import NodeInfo, Query, pack_nodes, read_message, write_query, write_response
from blobtorrent.protocol.dht.node import Node
from blobtorrent.protocol.dht.search import Search, SearchResult


def random_host(rng: Random) -> str:
    while True:
        host = ".".join(str(rng.randrange(1, 224)) for _ in range(4))
        if not is_local(pack_host(host)) and is_usable(pack_host(host)):
            return host


class Sybil:
    """Claims to be next to a target, knows nobody but its like, and names as many peers that are not there as it can.
    """

    def __init__(self, node_id: bytes, gang: list[NodeInfo], lies: list[Endpoint], rng: Random) -> None:
        self.node_id = node_id
        self.asked = 0
        self._gang = gang
        self._lies = lies
        self._rng = rng

    def answer(self, data: bytes, sender: Endpoint) -> bytes | None:
        message = read_message(data)
        if not isinstance(message, Query):
            return None
        self.asked += 1
        values: dict[bytes, Any] = {b"id": self.node_id, b"token": b"lie"}
        if message.method in (b"find_node", b"get_peers", b"get"):
            values[b"nodes"] = pack_nodes(self._rng.sample(self._gang, 8))
        if message.method == b"get_peers":
            values[b"values"] = [lie.compact for lie in self._rng.sample(self._lies, 200)]
        return write_response(message.transaction, values, sender)


class DhtNet:
    """`now` goes on with `run`. Datagrams take 20 to 120 ms and get lost with the probability `loss`."""

    def __init__(self, seed: int, *, loss: float = 0.0) -> None:
        self.rng = Random(seed)
        self.now = 0.0
        self.nodes: dict[Endpoint, Node] = {}
        self.sybils: dict[Endpoint, Sybil] = {}
        self._uplinks: dict[Endpoint, Endpoint] = {}       # node -> where half of the world sees it
        self.sent = 0
        self._loss = loss
        self._ticks: dict[Endpoint, float] = {}            # when each node is told the time next
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0

    def at(self, when: float, what: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._events, (when, self._sequence, what))

    def run(self, duration_s: float) -> None:
        end = self.now + duration_s
        while self._events and self._events[0][0] <= end:
            self.now, _, what = heapq.heappop(self._events)
            what()
        self.now = end

    def add_node(self, host: str | None = None, *, node_id: bytes | None = None, **options: Any) -> Endpoint:
        endpoint = Endpoint(host or random_host(self.rng), 6881)
        packed = pack_host(endpoint.host)
        node = Node(
            Answerer(self.rng, self.now), self.rng, self.now,
            node_id=node_id or make_node_id(packed, self.rng), **options)
        self.nodes[endpoint] = node
        self._tick(endpoint)
        return endpoint

    def add_uplink(self, endpoint: Endpoint, host: str) -> None:
        """Half of the world, by its addresses, sees the node at another one from now on."""
        self._uplinks[endpoint] = Endpoint(host, endpoint.port)

    def remove(self, endpoint: Endpoint) -> None:
        del self.nodes[endpoint]

    def add_honest(self, number: int, *, every_s: float = 0.05) -> list[Endpoint]:
        """Nodes that join one after the other by one of the first three."""
        added: list[Endpoint] = []
        for index in range(number):
            endpoint = self.add_node()
            self.nodes[endpoint].bootstrap = added[:3] or list(self.nodes)[:1]
            added.append(endpoint)
            self.at(self.now + index * every_s, lambda endpoint=endpoint: self.begin(endpoint))
        return added

    def begin(self, endpoint: Endpoint) -> None:
        self.nodes[endpoint].begin(self.now)
        self._flush(endpoint)

    def search(self, endpoint: Endpoint, search: Search) -> None:
        assert self.nodes[endpoint].search(search, self.now)
        self._flush(endpoint)

    def find(self, endpoint: Endpoint, make: Callable[[Callable[[SearchResult], None]], Search]) -> SearchResult:
        """Do a search to its end."""
        results: list[SearchResult] = []
        self.search(endpoint, make(results.append))
        for _ in range(60):
            self.run(1.0)
            if results:
                return results[0]
        raise AssertionError("the search has no end")

    def add_sybils(self, number: int, target: bytes, *, providers: int) -> list[Endpoint]:
        """Attackers of a few providers with ids that share 24 bits and more with the target; they knock everywhere.
        Every fifth has an id that fits its address, wherever that is."""
        prefixes = [random_host(self.rng).split(".")[:2] for _ in range(providers)]
        gang: list[NodeInfo] = []
        for index in range(number):
            first, second = prefixes[index % providers]
            host = f"{first}.{second}.{self.rng.randrange(1, 255)}.{self.rng.randrange(1, 255)}"
            node_id = (target[:3] + self.rng.randbytes(ID_BYTES - 3) if index % 5
                       else make_node_id(pack_host(host), self.rng))
            gang.append(NodeInfo(node_id, Endpoint(host, 6881)))
        lies = [Endpoint(f"66.66.{number // 250}.{number % 250}", 666) for number in range(3000)]
        for node_id, endpoint in gang:
            self.sybils[endpoint] = Sybil(node_id, gang, lies, self.rng)
            for victim in self.rng.sample(list(self.nodes), 20):
                knock = write_query(b"aa", b"ping", {b"id": node_id})
                self._send(endpoint, victim, knock)
        return [endpoint for _, endpoint in gang]

    def _tick(self, endpoint: Endpoint) -> None:
        node = self.nodes.get(endpoint)
        if node is not None and self.now >= self._ticks.get(endpoint, 0.0):
            self._ticks.pop(endpoint, None)
            node.tick(self.now)
            self._flush(endpoint)

    def _flush(self, endpoint: Endpoint) -> None:
        node = self.nodes[endpoint]
        for to, data in node.take():
            self._send(endpoint, to, data)
        when = max(self.now + 0.01, node.deadline_s)
        if when < self._ticks.get(endpoint, inf):
            self._ticks[endpoint] = when
            self.at(when, lambda: self._tick(endpoint))

    def _send(self, source: Endpoint, to: Endpoint, data: bytes) -> None:
        self.sent += 1
        if source in self._uplinks and pack_host(to.host)[1] % 2:
            source = self._uplinks[source]
        if self.rng.random() >= self._loss:
            self.at(self.now + 0.02 + 0.1 * self.rng.random(), lambda: self._deliver(source, to, data))

    def _deliver(self, source: Endpoint, to: Endpoint, data: bytes) -> None:
        to = next((home for home, seen in self._uplinks.items() if seen == to), to)
        if to in self.nodes:
            self.nodes[to].on_datagram(data, source, self.now)
            self._flush(to)
        elif to in self.sybils:
            answer = self.sybils[to].answer(data, source)
            if answer is not None:
                self._send(to, source, answer)
