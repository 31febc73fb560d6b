"""The DHT on the thread `udp`: sends what its two nodes want to send, and tells them what came and what time it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import SystemRandom

from blobtorrent.discovery.dhtmessages import (
    DhtAddress,
    DhtPeers,
    DhtSearched,
    FindPeers,
    ForgetPeers,
    GetItem,
    ItemFound,
    ItemStored,
    PutItem,
    TryNode,
)
from blobtorrent.discovery.dhtnames import RENEW_S, RETRY_S, BootstrapNames
from blobtorrent.discovery.messages import ResolveHost
from blobtorrent.model.address import Endpoint
from blobtorrent.network.udp import Traffic, UdpLoop, UdpPort
from blobtorrent.protocol.dht.answers import Answerer
from blobtorrent.protocol.dht.ids import Randomness, host_of
from blobtorrent.protocol.dht.memory import KEPT_NODES, Kept, pack, unpack
from blobtorrent.protocol.dht.node import Node, NodeState
from blobtorrent.protocol.dht.search import ItemPut, ItemSearch, PeerSearch, Search, SearchResult, peers_of
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.metrics import COUNTER, GAUGE, Registry, Sample, labelled
from blobtorrent.runtime.timers import Timer

log = get_logger(__name__)

KEEP_S = 600.0                         # between two times that the table is kept
OWN_PEERS = 100                        # that were announced to us, told to our own torrent
RESULTS = ("query", "answer", "unanswered", "refused", "dht.flood", "dht.unasked", "dht.bad-message")


class DhtDriver:
    """Takes the messages of `dhtmessages`. It begins with the first of them.

    `bootstrap` has "HOST:PORT" of nodes to begin with; those that are `routers`, too, are asked for other nodes and
    nothing else. `resolve` takes ResolveHost. `kept` is what `keep` was given in an earlier run.
    """

    def __init__(
        self,
        udp: UdpLoop,
        resolve: Callable[[ResolveHost], None],
        *,
        bootstrap: Sequence[str],
        routers: Sequence[str] = (),
        kept: bytes = b"",
        keep: Callable[[bytes], None] = lambda data: None,
        is_read_only: bool = False,
        rng: Randomness | None = None,
    ) -> None:
        rng = SystemRandom() if rng is None else rng
        self._udp = udp
        self._names = BootstrapNames(udp, resolve, bootstrap, self._on_found)
        self._routers = frozenset(routers)
        self._keep = keep
        self._timer: Timer | None = None
        self._is_begun = False
        self._last_order: FindPeers | None = None
        answerer = self._answerer = Answerer(rng, udp.now)
        answerer.on_announced = self._on_announced
        self._sought: dict[bytes, FindPeers] = {}          # by swarm: who wants its peers
        self.nodes = tuple(
            self._make_node(answerer, rng, of_before, is_ipv6=is_ipv6, is_read_only=is_read_only)
            for is_ipv6, of_before in enumerate(unpack(kept)))
        udp.serve(Traffic.DHT, self)
        udp.handle(FindPeers, self._find_peers)
        udp.handle(ForgetPeers, self._forget_peers)
        udp.handle(GetItem, self._get_item)
        udp.handle(PutItem, self._put_item)
        udp.handle(TryNode, self._try_node)
        udp.at_stop(self._save)
        udp.at_rebind(self._on_rebind)

    def _make_node(
        self, answerer: Answerer, rng: Randomness, of_before: Kept, *, is_ipv6: int, is_read_only: bool
    ) -> Node:
        node = Node(
            answerer, rng, self._udp.now, is_ipv6=bool(is_ipv6), node_id=of_before.node_id or None,
            address=of_before.address or None, is_read_only=is_read_only,
            on_address=lambda packed: self._on_address(node))
        node.hint(of_before.nodes)
        return node

    def measure(self, registry: Registry) -> None:
        """Have figures exported."""
        registry.collect(
            {"blobtorrent_dht_nodes": "Nodes in the routing table.",
             "blobtorrent_dht_datagrams_total": "Datagrams of the DHT, by what became of them."},
            self._figures)

    def _figures(self) -> list[Sample]:
        figures: list[Sample] = []
        for node, family in zip(self.nodes, ("ipv4", "ipv6"), strict=True):
            figures.append(Sample("blobtorrent_dht_nodes", labelled(family=family), len(node.table), GAUGE))
            figures += [
                Sample("blobtorrent_dht_datagrams_total", labelled(family=family, result=result),
                       node.counts[result], COUNTER)
                for result in RESULTS]
        return figures

    # ---- DatagramEndpoint

    def on_datagram(self, data: bytes, source: Endpoint, port: UdpPort) -> None:
        if not self._is_begun:         # without a torrent for it we take no part, not even by answering
            return
        node = self.nodes[source.is_ipv6]
        node.on_datagram(data, source, self._udp.now)
        for to, packet in node.take():
            self._udp.send(packet, to, port if to == source else None)
        self._set_timer()

    # ---- messages

    def _find_peers(self, order: FindPeers) -> None:
        def on_peers(found: list[Endpoint]) -> None:
            order.reply_to.post(DhtPeers(order.info_hash, tuple(found)))

        results: list[SearchResult] = []
        num_families = len(self._connected)

        def on_done(result: SearchResult) -> None:
            results.append(result)
            if len(results) == num_families:
                order.reply_to.post(DhtSearched(
                    order.info_hash, order.wire_hash, order.round, sum(one.answered for one in results),
                    sum(one.peers for one in results), sum(one.told for one in results)))

        def begin(node: Node) -> Search:
            port = order.port_ipv6 if node.is_ipv6 else order.port
            return PeerSearch(order.wire_hash, on_peers, on_done, port=port, is_seed=order.is_seed)

        self._last_order = order
        self._sought[order.wire_hash] = order
        for is_ipv6 in (False, True):  # we may be the very node that keeps them
            kept = self._answerer.peers.some(order.wire_hash, OWN_PEERS, is_ipv6=is_ipv6)
            if kept:
                on_peers(kept)
        self._search(begin, is_urgent=order.is_urgent)

    def _forget_peers(self, order: ForgetPeers) -> None:
        for wire_hash in order.info_hash.wire_forms:
            self._sought.pop(wire_hash, None)
            for node in self.nodes:
                node.forget(peers_of(wire_hash))

    def _on_address(self, node: Node) -> None:
        assert node.vote.address is not None
        size = len(node.vote.address)
        voters = tuple(host_of(provider.ljust(size, b"\0")) for provider in node.vote.voters)
        if self._last_order is not None:
            self._last_order.reply_to.post(DhtAddress(host_of(node.vote.address), voters))

    def _on_announced(self, wire_hash: bytes, peer: Endpoint) -> None:
        """Somebody announced itself to us, in a swarm that is ours perhaps."""
        order = self._sought.get(wire_hash)
        if order is not None:
            order.reply_to.post(DhtPeers(order.info_hash, (peer,)))

    def _get_item(self, order: GetItem) -> None:
        def begin(_node: Node) -> Search:
            return ItemSearch(
                order.target, lambda result: order.reply_to.post(ItemFound(order.target, result.item)),
                salt=order.salt)

        self._search(begin)

    def _put_item(self, order: PutItem) -> None:
        def begin(_node: Node) -> Search:
            return ItemPut(
                order.item, lambda result: order.reply_to.post(ItemStored(order.item.target, result.told)),
                cas=order.cas)

        self._search(begin)

    def _search(self, begin: Callable[[Node], Search], *, is_urgent: bool = False) -> None:
        self._begin()
        for node in self._connected:
            search = begin(node)
            if not node.search(search, self._udp.now, is_urgent=is_urgent):
                search.finish()        # too many wait: as good as nothing found
        self._flush()

    def _try_node(self, order: TryNode) -> None:
        if self._is_begun:
            self.nodes[order.endpoint.is_ipv6].add_contact(order.endpoint, self._udp.now)
            self._flush()

    # ---- the beginning

    @property
    def _connected(self) -> list[Node]:
        """The nodes whose family there is a socket of; without any, one of IPv4 will be opened."""
        families = {port.is_ipv6 for port in self._udp.ports} or {False}
        return [node for node in self.nodes if node.is_ipv6 in families]

    def _begin(self) -> None:
        if not self._is_begun:
            self._is_begun = True
            self._use_names()
            self._names.renew(0.0)
            self._udp.timers.at(self._udp.now + KEEP_S, self._save_again)
        self._wake()

    def _wake(self) -> None:
        """A socket of the other family may have come later: trackers or listeners have it opened."""
        for node in self._connected:
            if node.machine.state is NodeState.COLD:
                node.begin(self._udp.now)

    def _use_names(self) -> None:
        for node in self.nodes:
            node.bootstrap, node.routers = (
                [endpoint for text, endpoints in self._names.endpoints.items() for endpoint in endpoints
                 if endpoint.is_ipv6 == node.is_ipv6 and (text in self._routers) == is_router]
                for is_router in (False, True))

    def _on_found(self) -> None:
        self._use_names()
        for node in self._connected:
            if node.machine.state is not NodeState.READY:
                node.begin(self._udp.now)
        self._flush()

    def _on_rebind(self) -> None:
        """Our addresses are others: find the network again from here."""
        if self._is_begun:
            for node in self._connected:
                node.begin(self._udp.now)
            self._names.renew(RETRY_S)
            self._flush()

    # ---- time

    def _flush(self) -> None:
        for node in self.nodes:
            for to, packet in node.take():
                self._udp.send(packet, to)
        self._set_timer()

    def _set_timer(self) -> None:
        deadline_s = min(node.deadline_s for node in self._connected)
        if self._timer is not None and self._timer.is_pending:
            if self._timer.deadline_s <= deadline_s:
                return
            self._timer.cancel()
        self._timer = self._udp.timers.at(deadline_s, self._tick)

    def _tick(self) -> None:
        self._wake()
        for node in self._connected:
            node.tick(self._udp.now)
            if node.machine.state is NodeState.ISOLATED:
                self._names.renew(RENEW_S)
        self._flush()

    # ---- memory

    def _save_again(self) -> None:
        self._save()
        self._udp.timers.at(self._udp.now + KEEP_S, self._save_again)

    def _save(self) -> None:
        if self._is_begun:
            v4, v6 = (
                Kept(node.node_id, node.address or b"", tuple(node.known_nodes(KEPT_NODES)))
                for node in self.nodes)
            self._keep(pack(v4, v6))
